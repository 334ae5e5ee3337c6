//! What an update changed, in words.

use crate::{
    fleet::{Action, Adopted, Change, Planned},
    sentence::all_of,
};

/// The word of a change in documents, which stays the same.
pub(super) fn word(change: &Change) -> &'static str {
    match change {
        Change::Server => "server",
        Change::CertificateAuthority => "certificateAuthority",
        Change::LoginMode { .. } => "loginMode",
        Change::SignIn => "signIn",
        Change::Context => "context",
        Change::Renamed { .. } => "renamed",
        Change::Namespace => "namespace",
        Change::Missing => "missing",
        Change::Other => "other",
    }
}

/// The name that the context had before, if it got another one.
pub(super) fn renamed_from(changes: &[Change]) -> Option<&str> {
    changes.iter().find_map(|change| match change {
        Change::Renamed { was } => Some(was.as_str()),
        _ => None,
    })
}

/// What an update or a take-over changed, for a person.
pub(super) fn of_planned(planned: &Planned) -> String {
    match planned.action {
        Action::Adopted => adopted(&planned.adopted, &planned.changes),
        _ => sentence(&planned.changes),
    }
}

/// How contexts sign in that were taken over, and what else changed.
fn adopted(adopted: &Adopted, changes: &[Change]) -> String {
    let was = match adopted.from.is_empty() {
        true => "as before".to_owned(),
        false => format!("before with {}", all_of(&adopted.from, "and")),
    };
    let mut parts = vec![format!("signs in with {}, {was}", adopted.mode)];
    let is_login_mode = |change: &&Change| matches!(change, Change::LoginMode { .. });
    let others: Vec<_> = changes
        .iter()
        .filter(|one| !is_login_mode(one))
        .cloned()
        .collect();
    if !others.is_empty() {
        parts.push(sentence(&others));
    }
    if !adopted.folded.is_empty() {
        parts.push("replaces sync's own context".to_owned());
    }
    parts.join("; ")
}

/// What changed, for a person: `the API server's address and the certificate authority changed`.
pub(super) fn sentence(changes: &[Change]) -> String {
    if changes == [Change::Missing] {
        return "an entry was missing".to_owned();
    }
    let named: Vec<_> = changes.iter().filter_map(noun).collect();
    let subject = match named.is_empty() {
        true => "the entries".to_owned(),
        false => all_of(&named, "and"),
    };
    let modes = changes.iter().find_map(|change| match change {
        Change::LoginMode { was, now } => Some(format!(" from {was} to {now}")),
        _ => None,
    });
    format!("{subject} changed{}", modes.unwrap_or_default())
}

fn noun(change: &Change) -> Option<&'static str> {
    match change {
        Change::Server => Some("the API server's address"),
        Change::CertificateAuthority => Some("the certificate authority"),
        Change::LoginMode { .. } => Some("the login mode"),
        Change::SignIn => Some("the sign-in"),
        Change::Context => Some("the context"),
        Change::Renamed { .. } => Some("the name"),
        Change::Namespace => Some("the namespace"),
        Change::Missing | Change::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_one_sentence() {
        let mode = || Change::LoginMode {
            was: "devicecode".to_owned(),
            now: "azurecli".to_owned(),
        };
        for (changes, text) in [
            (vec![Change::Server], "the API server's address changed"),
            (
                vec![mode()],
                "the login mode changed from devicecode to azurecli",
            ),
            (
                vec![Change::Server, Change::CertificateAuthority, mode()],
                "the API server's address, the certificate authority and the login mode changed from devicecode to azurecli",
            ),
            (vec![Change::Missing], "an entry was missing"),
            (vec![Change::Missing, Change::Other], "the entries changed"),
            (vec![Change::SignIn], "the sign-in changed"),
        ] {
            assert_eq!(sentence(&changes), text);
        }
    }
}
