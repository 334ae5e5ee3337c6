//! What an update changed, in words.

use crate::fleet::Change;

/// The word of a change in documents, which stays the same.
pub(super) fn word(change: &Change) -> &'static str {
    match change {
        Change::Server => "server",
        Change::CertificateAuthority => "certificateAuthority",
        Change::LoginMode { .. } => "loginMode",
        Change::SignIn => "signIn",
        Change::Context => "context",
        Change::Missing => "missing",
        Change::Other => "other",
    }
}
