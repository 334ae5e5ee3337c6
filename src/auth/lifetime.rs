//! Corrects the lifetime of a new token if it can't be true, or if this machine's clock is wrong.

use super::oauth::{Tokens, answer::seconds};
use crate::{error::Failure, host::timestamp::LAST_SECOND, jwt};

/// The longest lifetime, in seconds, that is believed unless the token itself says the same. Entra's tokens are valid for
/// up to 28 hours, those of managed identities for a day.
const LONGEST_LIFE: i64 = 2 * 24 * 3600;
/// The lifetime of a token, in seconds, if its issuer's can't be true.
const UNKNOWN_LIFE: i64 = 3600;
/// By how much, in seconds, clocks may differ without a warning. Entra dates its tokens five minutes back.
const CLOCKS_DIFFER: i64 = 15 * 60;
const DATED_BACK: i64 = 5 * 60;

/// When a JWT says that it was issued, in Unix seconds.
pub(super) fn issued_on(tokens: &Tokens) -> Option<i64> {
    seconds(&jwt::claims(tokens.access.secret.expose())?, "iat")
}

/// Corrects the lifetime of a token that was received at `now` (Unix seconds), with a warning if this machine's clock is
/// wrong. `is_new` says that it was issued for this request: programs and services of the machine return older ones.
pub(super) fn checked(mut tokens: Tokens, now: i64, is_new: bool) -> (Tokens, Option<Failure>) {
    let claims = jwt::claims(tokens.access.secret.expose()).unwrap_or_default();
    let expires = seconds(&claims, "exp");
    let issued = seconds(&claims, "iat").filter(|_| is_new);
    let ahead = issued.map_or(0, |issued| now.saturating_sub(issued));
    let access = &mut tokens.access;
    if ahead.abs() > CLOCKS_DIFFER
        && let (Some(issued), Some(expires)) = (issued, expires)
    {
        let life = expires.saturating_sub(issued).saturating_sub(DATED_BACK);
        access.expires_on = now.saturating_add(life.max(0));
    }
    if access.expires_on.saturating_sub(now) > LONGEST_LIFE {
        let can_be_true = |end: &i64| (now..=LAST_SECOND).contains(end);
        access.expires_on = expires
            .filter(can_be_true)
            .unwrap_or(now.saturating_add(UNKNOWN_LIFE));
    }
    access.refresh_on = access.refresh_on.filter(|at| *at < access.expires_on);
    let warning = (ahead.abs() > CLOCKS_DIFFER).then(|| wrong_clock(ahead));
    (tokens, warning)
}

fn wrong_clock(ahead: i64) -> Failure {
    let minutes = ahead.unsigned_abs() / 60;
    let by = match minutes {
        0..=119 => format!("{minutes} minutes"),
        120..=2879 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 60 / 24),
    };
    let direction = if ahead > 0 { "ahead of" } else { "behind" };
    Failure::new(format!(
        "this machine's clock is {by} {direction} that of Entra ID"
    ))
    .hint("set the clock: certificates, signatures and cached tokens depend on it")
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;
    use crate::{auth::AccessToken, secret::Secret};

    const NOW: i64 = 1_800_000_000;
    const DAY: i64 = 86_400;

    fn tokens(text: &str, life: i64, refresh_in: Option<i64>) -> Tokens {
        Tokens::from(AccessToken {
            secret: Secret::new(text),
            expires_on: NOW.saturating_add(life),
            refresh_on: refresh_in.map(|left| NOW.saturating_add(left)),
        })
    }

    fn jwt(issued: i64, life: i64) -> String {
        let claims = format!(r#"{{"iat":{issued},"exp":{}}}"#, issued + life);
        format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims))
    }

    fn life(tokens: Tokens, is_new: bool) -> (i64, Option<String>) {
        let (tokens, warning) = checked(tokens, NOW, is_new);
        let text = warning.map(|warning| warning.message().to_owned());
        (tokens.access.expires_on - NOW, text)
    }

    #[test]
    fn a_lifetime_that_can_be_true_is_believed_and_another_is_not() {
        for believed in [60, 3_599, DAY, 28 * 3_600] {
            assert_eq!(life(tokens("x", believed, None), true), (believed, None));
        }
        for absurd in [LONGEST_LIFE + 1, 28_000 * 365 * DAY, i64::MAX] {
            let unknown = (UNKNOWN_LIFE, None);
            assert_eq!(life(tokens("x", absurd, None), true), unknown);
            let own = tokens(&jwt(NOW, 600), absurd, None);
            assert_eq!(life(own, true), (600, None), "its own end is known");
        }
        let years = 70 * 365 * DAY;
        let own = tokens(&jwt(NOW, years), years, None);
        assert_eq!(life(own, true), (years, None), "the token says so, too");
        assert_eq!(life(tokens("x", -5, None), true).0, -5, "ended already");
    }

    #[test]
    fn a_wrong_clock_gets_a_warning_and_shortens_no_lifetime() {
        for (off, told) in [
            (100 * DAY, "100 days ahead of"),
            (3 * 3_600, "3 hours ahead of"),
            (-1_200, "20 minutes behind"),
        ] {
            let issued = NOW - off;
            for said in [3_900, 3_900 - off] {
                let (left, warning) = life(tokens(&jwt(issued, 3_900), said, None), true);
                assert_eq!(left, 3_600, "{told}");
                assert!(warning.expect("told").contains(told), "{told}");
            }
        }
        let usual = tokens(&jwt(NOW - 300, 3_900), 3_600, None);
        assert_eq!(life(usual, true), (3_600, None));
        // A token that a service of the machine returns may be old.
        let old = tokens(&jwt(NOW - DAY, DAY + 600), 600, None);
        assert_eq!(life(old, false), (600, None));
    }

    #[test]
    fn a_refresh_time_after_the_expiry_is_ignored() {
        let renewed = |refresh_in| {
            let (tokens, _) = checked(tokens("x", 3_600, Some(refresh_in)), NOW, true);
            tokens.access.refresh_on.map(|at| at - NOW)
        };
        assert_eq!(renewed(1_800), Some(1_800));
        assert_eq!(renewed(3_600), None);
        assert_eq!(renewed(i64::MAX), None);
    }
}
