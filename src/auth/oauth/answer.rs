//! Reads the tokens of an answer, leniently: the v1 endpoint and the managed identity services send numbers as text.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    auth::AccessToken,
    error::{Failure, Result},
    jwt,
    secret::Secret,
};

/// Who signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    /// `uid.utid`, the same in every tenant where the person is a guest.
    pub home_id: String,
    /// The sign-in name, if the answer has it.
    pub username: Option<String>,
}

impl Account {
    /// The tenant that the account belongs to.
    pub(crate) fn home_tenant(&self) -> Option<&str> {
        self.home_id.split_once('.').map(|(_, tenant)| tenant)
    }
}

/// The tokens of an answer.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    /// The token that was asked for.
    pub access: AccessToken,
    /// The refresh token, which gets the next one without asking a person.
    pub refresh: Option<Secret>,
    /// Who signed in, if the answer says so.
    pub account: Option<Account>,
}

impl Tokens {
    /// Reads an answer; `now` is in Unix seconds.
    ///
    /// # Errors
    /// When it is not JSON or has no token or no expiry.
    pub(crate) fn parse(body: &[u8], now: i64) -> Result<Self> {
        let odd = |why: &str| Failure::new(format!("the answer with the token {why}"));
        let fields: Map<String, Value> =
            serde_json::from_slice(body).map_err(|_| odd("is not a JSON object"))?;
        let token = text(&fields, "access_token").ok_or_else(|| odd("has no `access_token`"))?;
        let said = [
            number(&fields, "expires_in").map(|left| now.saturating_add(left.max(0))),
            seconds(&fields, "expires_on"),
        ];
        let expires_on = expiry(token, said).ok_or_else(|| odd("does not say when it expires"))?;
        Ok(Self {
            access: AccessToken {
                secret: Secret::new(token),
                expires_on,
                refresh_on: seconds(&fields, "refresh_in").map(|left| now.saturating_add(left)),
            },
            refresh: text(&fields, "refresh_token").map(Secret::new),
            account: account(&fields),
        })
    }
}

impl From<AccessToken> for Tokens {
    fn from(access: AccessToken) -> Self {
        Self {
            access,
            refresh: None,
            account: None,
        }
    }
}

/// When a token expires, in Unix seconds: the earliest of what its issuer said and, if it is a JWT, its own `exp`.
///
/// Either can be too late: a managed identity service returns cached tokens with the `expires_in` of when they were
/// issued.
pub(crate) fn expiry(token: &str, said: impl IntoIterator<Item = Option<i64>>) -> Option<i64> {
    let own = jwt::claims(token).and_then(|claims| seconds(&claims, "exp"));
    said.into_iter().chain([own]).flatten().min()
}

/// Reads a number of seconds above 0, as a number or as text.
pub(crate) fn seconds(fields: &Map<String, Value>, name: &str) -> Option<i64> {
    number(fields, name).filter(|seconds| *seconds > 0)
}

/// Reads a whole number, as a number or as text.
fn number(fields: &Map<String, Value>, name: &str) -> Option<i64> {
    match fields.get(name)? {
        Value::Number(number) => number
            .as_i64()
            .or_else(|| number.as_f64().map(|number| number as i64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Reads a text that is not empty.
pub(crate) fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name)?.as_str().filter(|text| !text.is_empty())
}

fn account(fields: &Map<String, Value>) -> Option<Account> {
    let id_claims = text(fields, "id_token").and_then(jwt::claims);
    let username = id_claims.as_ref().and_then(|claims| {
        let name = jwt::user_name(claims).or_else(|| text(claims, "email"))?;
        Some(name.to_owned())
    });
    let home_id = text(fields, "client_info")
        .and_then(|info| URL_SAFE_NO_PAD.decode(info.trim_end_matches('=')).ok())
        .and_then(|bytes| serde_json::from_slice::<Map<String, Value>>(&bytes).ok())
        .and_then(|info| Some(format!("{}.{}", text(&info, "uid")?, text(&info, "utid")?)))
        // The v1 endpoint sends no `client_info`.
        .or_else(|| {
            let claims = id_claims.as_ref()?;
            Some(format!("{}.{}", text(claims, "oid")?, text(claims, "tid")?))
        })?;
    Some(Account { home_id, username })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_numbers_and_as_text() {
        let v2 = br#"{"access_token":"t","expires_in":3599,"refresh_in":1800}"#;
        let tokens = Tokens::parse(v2, 1000).expect("readable");
        assert_eq!(tokens.access.expires_on, 4599);
        assert_eq!(tokens.access.refresh_on, Some(2800));
        let v1 = br#"{"access_token":"t","expires_in":"60","expires_on":"9"}"#;
        assert_eq!(Tokens::parse(v1, 5).expect("readable").access.expires_on, 9);
        let imds = br#"{"access_token":"t","expires_on":"1700000000"}"#;
        assert_eq!(
            Tokens::parse(imds, 5).expect("readable").access.expires_on,
            1_700_000_000
        );
    }

    #[test]
    fn a_token_expires_at_the_earliest_time_that_is_known() {
        let token = |exp: i64| {
            let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{exp}}}"#));
            format!("e30.{claims}.x")
        };
        let ends = |token: &str, left: Value, on: Value| {
            let body =
                serde_json::json!({"access_token": token, "expires_in": left, "expires_on": on});
            Tokens::parse(body.to_string().as_bytes(), 1_000)
                .expect("readable")
                .access
                .expires_on
        };
        // Issued a day ago with a day to live: 10 minutes are left.
        assert_eq!(ends("opaque", "86400".into(), "1600".into()), 1_600);
        assert_eq!(ends("opaque", 300.into(), 1_600.into()), 1_300);
        assert_eq!(ends(&token(1_200), 300.into(), 1_600.into()), 1_200);
        assert_eq!(ends(&token(1_200), Value::Null, Value::Null), 1_200);
        assert_eq!(ends(&token(9_000), 300.into(), Value::Null), 1_300);
        assert_eq!(ends("opaque", 0.into(), 1_600.into()), 1_000);
        assert_eq!(
            ends("opaque", 3e2.into(), "09/14/2017 00:00:00".into()),
            1_300
        );
    }

    #[test]
    fn an_answer_without_a_token_or_an_expiry_is_refused() {
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"access_token":""}"#,
            r#"{"access_token":"x"}"#,
        ] {
            assert!(Tokens::parse(bad.as_bytes(), 0).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_account_comes_from_client_info_and_the_id_token() {
        let info = URL_SAFE_NO_PAD.encode(r#"{"uid":"u","utid":"home"}"#);
        let claims = URL_SAFE_NO_PAD.encode(r#"{"preferred_username":"ann@contoso.com"}"#);
        let body = format!(
            r#"{{"access_token":"t","expires_in":1,"client_info":"{info}","id_token":"h.{claims}.s"}}"#
        );
        let account = Tokens::parse(body.as_bytes(), 0)
            .expect("readable")
            .account
            .expect("an account");
        assert_eq!(account.home_id, "u.home");
        assert_eq!(account.home_tenant(), Some("home"));
        assert_eq!(account.username.as_deref(), Some("ann@contoso.com"));
    }
}
