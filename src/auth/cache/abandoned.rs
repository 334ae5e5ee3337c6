//! Notes that a person did not sign in, so that the same question is not asked again at once.

use serde::{Deserialize, Serialize};

use super::{SessionKey, TokenCache};
use crate::auth::{fingerprint::fingerprint, store};

/// A sign-in that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AbandonedSignIn {
    /// When, in Unix seconds.
    pub at: i64,
    /// Whether the time was over, rather than a person having said no.
    pub timed_out: bool,
    /// The process that wanted the token, where it may call again for the same
    /// command.
    pub caller: Option<u32>,
}

impl TokenCache {
    /// Notes it. That it can't be noted costs another question at most.
    pub(crate) fn note_abandoned(
        &self,
        key: &SessionKey,
        hint: Option<&str>,
        abandoned: &AbandonedSignIn,
    ) {
        let bytes = serde_json::to_vec(abandoned).expect("a note is plain data");
        let _ = self.store().write(&name(key, hint), &bytes);
    }

    /// What was noted last.
    pub(crate) fn abandoned(
        &self,
        key: &SessionKey,
        hint: Option<&str>,
    ) -> Option<AbandonedSignIn> {
        serde_json::from_slice(&self.store().read(&name(key, hint))?).ok()
    }
}

/// The record of a sign-in that was given up: of one account, where it is named.
fn name(key: &SessionKey, hint: Option<&str>) -> String {
    let whole =
        serde_json::to_vec(&(key, hint.map(str::to_lowercase))).expect("a key is plain strings");
    format!("{}{}", store::GIVEN_UP, fingerprint(&whole))
}
