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

    proptest! {
        #[test]
        fn no_text_makes_it_panic(token in ".{0,200}") {
            let _ = claims(&token);
        }
    }
}
