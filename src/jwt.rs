//! Reads the claims of a JSON Web Token (RFC 7519). Signatures are not checked here.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

/// Returns the claims of a token; none if it is opaque or encrypted (JWE).
///
/// They are not verified, so nothing may be allowed because of a claim: they only tell what our own
/// token is for and when it expires.
pub(crate) fn claims(token: &str) -> Option<Map<String, Value>> {
    let payload = token.split('.').nth(1)?;
    let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Whose token it is, for people to read. Not verified, like all claims.
///
/// A person's sign-in name, an application's id, or if neither is there the id of the object in its tenant (`oid`).
/// <https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference>
pub(crate) fn account_name(claims: &Map<String, Value>) -> Option<&str> {
    // Only tokens of people have scopes. They name an application, too: the one that the person signed in with.
    let is_application = text(claims, "idtyp") == Some("app") || !claims.contains_key("scp");
    let application = || text(claims, "appid").or_else(|| text(claims, "azp"));
    user_name(claims)
        .or_else(|| application().filter(|_| is_application))
        .or_else(|| text(claims, "oid"))
}

/// A person's sign-in name.
pub(crate) fn user_name(claims: &Map<String, Value>) -> Option<&str> {
    let mut names = ["preferred_username", "upn", "unique_name"].into_iter();
    names.find_map(|name| text(claims, name))
}

fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c str> {
    claims.get(name)?.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn claims_are_read_with_and_without_padding() {
        for payload in [r#"{"exp":1}"#, r#"{"exp":1,"a":2}"#, r#"{"exp":1,"ab":2}"#] {
            let bare = URL_SAFE_NO_PAD.encode(payload);
            let padded = format!("{bare}{}", "=".repeat((4 - bare.len() % 4) % 4));
            for part in [bare, padded] {
                let claims = claims(&format!("e30.{part}.sig")).expect("claims");
                assert_eq!(claims["exp"], 1);
            }
        }
    }

    #[test]
    fn what_is_not_a_jwt_has_no_claims() {
        for token in ["", "opaque", "a.%%%.b", "e30.W10.x", "."] {
            assert!(claims(token).is_none(), "{token}");
        }
    }

    #[test]
    fn an_account_is_a_persons_name_or_an_applications_id_else_that_of_the_object() {
        for (payload, name) in [
            (
                r#"{"upn":"ann@x","appid":"a","oid":"o","scp":"s"}"#,
                Some("ann@x"),
            ),
            (
                r#"{"upn":"","unique_name":"live.com#ann@x","scp":"s"}"#,
                Some("live.com#ann@x"),
            ),
            (r#"{"appid":"a","oid":"o","idtyp":"app"}"#, Some("a")),
            (r#"{"azp":"a","oid":"o"}"#, Some("a")),
            (r#"{"idtyp":"app","azp":"a","scp":"s"}"#, Some("a")),
            // az's own id would be that of every person.
            (r#"{"appid":"a","oid":"o","scp":"s"}"#, Some("o")),
            (r#"{"upn":7,"scp":"s"}"#, None),
        ] {
            let token = format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(payload));
            let claims = claims(&token).expect("claims");
            assert_eq!(account_name(&claims), name, "{payload}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(token in ".{0,200}") {
            let _ = claims(&token);
        }
    }
}
