//! Short names for values that must not be readable: digests in hexadecimal.

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;

use crate::host::hexadecimal;

/// The first half of a SHA-256, in hexadecimal.
pub(crate) fn fingerprint(bytes: &[u8]) -> String {
    hexadecimal(&digest(&SHA256, bytes).as_ref()[..16])
}

/// The fingerprint of a value's JSON.
pub(crate) fn fingerprint_of(value: &impl Serialize) -> String {
    fingerprint(&serde_json::to_vec(value).expect("it is plain data"))
}
