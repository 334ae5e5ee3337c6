//! Reads the claims challenge of a 401 (continuous access evaluation).

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::header::WWW_AUTHENTICATE;
use serde_json::{Map, Value};

use crate::host::http::Answer;

/// The claims (JSON) that a 401 asks for (continuous access evaluation), from a header of the form
/// `Bearer …, error="insufficient_claims", claims="<base64>"`.
pub(super) fn claims_challenge(answer: &Answer) -> Option<String> {
    answer
        .headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .find_map(decode_challenge)
}

/// Reads the claims out of one `WWW-Authenticate` header.
fn decode_challenge(header: &str) -> Option<String> {
    if parameter(header, "error")? != "insufficient_claims" {
        return None;
    }
    let encoded = parameter(header, "claims")?;
    let claims = STANDARD.decode(encoded).ok()?;
    let claims = String::from_utf8(claims).ok()?;
    // A claims request is always an object.
    serde_json::from_str::<Map<String, Value>>(&claims).ok()?;
    Some(claims)
}

/// A parameter's value without quotes.
fn parameter<'h>(header: &'h str, name: &str) -> Option<&'h str> {
    let mut rest = header;
    while let Some(equals) = rest.find('=') {
        let key = rest[..equals].rsplit([',', ' ']).next().unwrap_or_default();
        let value = &rest[equals + 1..];
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => value.split_once([',', ' ']).unwrap_or((value, "")),
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_claims_challenge_is_read_from_its_header() {
        let claims = r#"{"access_token":{"nbf":{"essential":true,"value":"1702682181"}}}"#;
        let header = format!(
            r#"Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="{}""#,
            STANDARD.encode(claims)
        );
        assert_eq!(decode_challenge(&header).as_deref(), Some(claims));
    }

    #[test]
    fn what_is_not_a_claims_challenge_is_ignored() {
        let object = STANDARD.encode("{}");
        for header in [
            "Bearer".to_owned(),
            format!(r#"Bearer error="invalid_token", claims="{object}""#),
            r#"Bearer error="insufficient_claims""#.to_owned(),
            r#"Bearer error="insufficient_claims", claims="!!""#.to_owned(),
            format!(
                r#"Bearer error="insufficient_claims", claims="{}""#,
                STANDARD.encode("[]")
            ),
        ] {
            assert_eq!(decode_challenge(&header), None, "{header}");
        }
        let unquoted = format!("Bearer error=insufficient_claims,claims={object}");
        assert_eq!(decode_challenge(&unquoted).as_deref(), Some("{}"));
    }

    proptest! {
        #[test]
        fn reading_a_challenge_never_panics(header in ".{0,200}") {
            let _ = decode_challenge(&header);
            let _ = decode_challenge(&format!("error=\"insufficient_claims\",claims={header}"));
        }
    }
}
