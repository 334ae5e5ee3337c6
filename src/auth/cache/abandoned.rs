//! Notes of sign-ins that a person abandoned, so that the same question is not asked again at once.

use serde::{Deserialize, Serialize};

use super::{SessionKey, TokenCache};
use crate::auth::{fingerprint::fingerprint_of, store};

/// A sign-in that a person did not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AbandonedSignIn {
    /// When, in Unix seconds.
    pub at: i64,
    /// Whether it timed out; otherwise the person canceled or refused it.
    pub timed_out: bool,
    /// The process that needed the token, if it may call again for the same command.
    pub caller: Option<u32>,
}

impl TokenCache {
    /// Notes it. Failing to costs another question at most.
    pub(crate) fn note_abandoned(
        &self,
        key: &SessionKey,
        hint: Option<&str>,
        abandoned: &AbandonedSignIn,
    ) {
        let bytes = serde_json::to_vec(abandoned).expect("a note is plain data");
        let _ = self.store().write(&name(key, hint), &bytes);
    }

    /// The last one.
    pub(crate) fn abandoned(
        &self,
        key: &SessionKey,
        hint: Option<&str>,
    ) -> Option<AbandonedSignIn> {
        serde_json::from_slice(&self.store().read(&name(key, hint))?).ok()
    }
}

/// The name of the note: of one account, if the account is named.
fn name(key: &SessionKey, hint: Option<&str>) -> String {
    let whole = (key, hint.map(str::to_lowercase));
    format!("{}{}", store::ABANDONED_SIGN_IN, fingerprint_of(&whole))
}
