//! What an Entra error code means for a person: one row a code.
//!
//! Lives here: the table and its look-up. Codes are documented at
//! <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>.

use super::Kind;

/// One code's meaning.
#[derive(Debug)]
pub struct Remedy {
    /// The number after `AADSTS`.
    pub code: u32,
    /// What sort of failure it is.
    pub kind: Kind,
    /// What it means, in a few words.
    pub meaning: &'static str,
    /// What to do next.
    pub hint: &'static str,
}

/// The codes that people meet.
pub static REMEDIES: &[Remedy] = &[];

/// Finds the row of a code.
pub fn remedy(code: u32) -> Option<&'static Remedy> {
    REMEDIES.iter().find(|row| row.code == code)
}
