//! Encrypts and decrypts records: pure functions on bytes.

use std::fmt;

use aws_lc_rs::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest::{SHA256, digest},
    rand,
};
use zeroize::Zeroizing;

use crate::{
    error::{Failure, Result},
    host::hexadecimal,
};

/// The length of a key in bytes.
pub(super) const KEY_LEN: usize = 32;
/// What a sealed record begins with: a name, and the version of the format.
const MAGIC: &[u8] = b"kubectl-aad sealed 1\n";

/// The key of records; wiped from memory when dropped.
#[derive(Clone)]
pub(super) struct Key(Zeroizing<[u8; KEY_LEN]>);

impl Key {
    /// A new key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(super) fn random() -> Result<Self> {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        rand::fill(bytes.as_mut_slice()).map_err(|_| no_randomness())?;
        Ok(Self(bytes))
    }

    /// The key of these bytes, if they are as many as a key has.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// A name for the key that says nothing about it.
    pub(super) fn id(&self) -> String {
        let seen = Zeroizing::new([MAGIC, self.expose()].concat());
        hexadecimal(&digest(&SHA256, &seen).as_ref()[..4])
    }

    /// Gives the key to the code that stores it.
    pub(super) fn expose(&self) -> &[u8] {
        self.0.as_slice()
    }

    fn cipher(&self) -> LessSafeKey {
        LessSafeKey::new(
            UnboundKey::new(&CHACHA20_POLY1305, self.expose())
                .expect("the array is as long as the cipher's key"),
        )
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Seals a record with ChaCha20-Poly1305. The name is sealed with it, so that
/// one record can't be put in another's place.
///
/// The nonce is random: with 96 bits, and one write an hour and server, none is repeated in the life
/// of a key.
///
/// # Errors
/// When the system has no randomness.
pub(super) fn seal(key: &Key, name: &str, record: &[u8]) -> Result<Vec<u8>> {
    let mut nonce = [0; NONCE_LEN];
    rand::fill(&mut nonce).map_err(|_| no_randomness())?;
    let mut body = Zeroizing::new(Vec::with_capacity(
        record.len() + CHACHA20_POLY1305.tag_len(),
    ));
    body.extend_from_slice(record);
    key.cipher()
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(bound(name)),
            &mut *body,
        )
        .map_err(|_| Failure::new("a token is too long to be encrypted"))?;
    let mut sealed = Vec::with_capacity(MAGIC.len() + NONCE_LEN + body.len());
    sealed.extend_from_slice(MAGIC);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&body);
    Ok(sealed)
}

/// The record in `sealed`; none if the bytes are not what [`seal`] made with this key for this name.
pub(super) fn unseal(key: &Key, name: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let rest = sealed.strip_prefix(MAGIC)?;
    let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>()?;
    let mut body = Zeroizing::new(body.to_vec());
    let length = key
        .cipher()
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(bound(name)),
            &mut body,
        )
        .ok()?
        .len();
    body.truncate(length);
    Some(body)
}

/// The associated data: the format, so that a record can't be taken for one of another format, and
/// the name.
fn bound(name: &str) -> Vec<u8> {
    [MAGIC, name.as_bytes()].concat()
}

fn no_randomness() -> Failure {
    Failure::new("the system has no randomness")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> Key {
        Key::from_bytes(&[byte; KEY_LEN]).expect("long enough")
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_unsealed_and_cannot_be_seen(
            record in proptest::collection::vec(any::<u8>(), 0..4096),
            name in "[a-z0-9-]{1,40}",
        ) {
            let sealed = seal(&key(1), &name, &record).expect("sealed");
            prop_assert_eq!(unseal(&key(1), &name, &sealed).expect("ours").to_vec(), record.clone());
            prop_assert!(record.len() < 8 || !sealed.windows(record.len()).any(|part| part == record));
        }

        #[test]
        fn a_changed_byte_or_a_cut_makes_a_record_absent(
            record in proptest::collection::vec(any::<u8>(), 0..256),
            at in any::<prop::sample::Index>(),
            change in 1u8..,
        ) {
            let sealed = seal(&key(1), "name", &record).expect("sealed");
            let at = at.index(sealed.len());
            let mut changed = sealed.clone();
            changed[at] ^= change;
            prop_assert!(unseal(&key(1), "name", &changed).is_none());
            prop_assert!(unseal(&key(1), "name", &sealed[..at]).is_none());
            let longer = [sealed.as_slice(), &[change]].concat();
            prop_assert!(unseal(&key(1), "name", &longer).is_none());
        }

        #[test]
        fn other_bytes_are_no_record(
            junk in proptest::collection::vec(any::<u8>(), 0..512),
            headed in any::<bool>(),
        ) {
            let bytes = if headed { [MAGIC, &junk].concat() } else { junk };
            prop_assert!(unseal(&key(1), "name", &bytes).is_none());
        }
    }

    #[test]
    fn a_record_is_bound_to_its_key_and_its_name() {
        let sealed = seal(&key(1), "one", b"record").expect("sealed");
        assert!(unseal(&key(2), "one", &sealed).is_none());
        assert!(unseal(&key(1), "two", &sealed).is_none());
        assert!(unseal(&key(1), "one", &sealed).is_some());
    }

    #[test]
    fn a_record_is_sealed_differently_each_time() {
        let seal = || seal(&key(1), "one", b"record").expect("sealed");
        assert_ne!(seal(), seal());
    }

    #[test]
    fn a_key_shows_nothing_of_itself() {
        assert_eq!(format!("{:?}", key(1)), "[redacted]");
        assert!(Key::from_bytes(&[0; 31]).is_none());
    }
}
