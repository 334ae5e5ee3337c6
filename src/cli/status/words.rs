//! The words of a status: times, and what happens next.

use crate::ops::status::{Next, SignInStatus, Successor};

/// A time of so many seconds, at least 0.
pub(super) fn time(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds @ 7200..=172_799 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// The word for scripts of where the next token comes from.
pub(super) fn code(next: &Next) -> &'static str {
    match next {
        Next::Failed(_) => "failed",
        Next::From(Successor::Session) => "refresh",
        Next::From(Successor::Person | Successor::ToolWithoutAccount) => "signIn",
        Next::From(Successor::Credential) => "credential",
        Next::From(Successor::Machine) => "managedIdentity",
        Next::From(Successor::Tool) => "tool",
    }
}

/// What kubectl's token is, and what happens next. `now` is in Unix seconds.
pub(super) fn token(sign_in: &SignInStatus, now: i64) -> String {
    let tool = sign_in.mode.map_or("", |mode| match mode.name() {
        "azd" => "azd",
        _ => "az",
    });
    let secret = sign_in
        .secret_from
        .as_deref()
        .map(|from| from.trim_matches('`'));
    let by_secret = secret.map_or(String::new(), |from| format!(" by {from}"));
    let next = match &sign_in.next {
        Next::Failed(failure) => return failure.in_brief().to_owned(),
        Next::From(next) => *next,
    };
    match sign_in.expires_on {
        Some(expires_on) => {
            let left = time(expires_on.saturating_sub(now));
            let then = match next {
                Successor::Session => "refreshed in the background".to_owned(),
                Successor::Person => "then a sign-in is needed".to_owned(),
                Successor::Credential => format!("then fetched{by_secret}"),
                Successor::Machine => "then from the managed identity".to_owned(),
                Successor::Tool | Successor::ToolWithoutAccount => format!("then from {tool}"),
            };
            format!("valid {left}, {then}")
        }
        None => match next {
            Successor::Session => "refreshed at the next use, without a question".to_owned(),
            Successor::Person => "sign-in needed".to_owned(),
            Successor::Credential => format!("fetched at the next use{by_secret}"),
            Successor::Machine => "from the managed identity at the next use".to_owned(),
            Successor::Tool => format!("from {tool} at the next use"),
            Successor::ToolWithoutAccount => format!("nobody is signed in to {tool}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_unit_that_fits() {
        for (seconds, shown) in [
            (-5, "0 s"),
            (119, "119 s"),
            (2_600, "43 min"),
            (7_200, "2 h"),
            (172_800, "2 days"),
        ] {
            assert_eq!(time(seconds), shown);
        }
    }
}
