//! Short names for values that must not be readable: digests in hexadecimal.

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;

/// The first half of a SHA-256, in hexadecimal.
pub(crate) fn fingerprint(bytes: &[u8]) -> String {
    hexadecimal(&digest(&SHA256, bytes).as_ref()[..16])
}

/// The fingerprint of a value's JSON.
pub(crate) fn fingerprint_of(value: &impl Serialize) -> String {
    fingerprint(&serde_json::to_vec(value).expect("it is plain data"))
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
