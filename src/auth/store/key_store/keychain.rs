//! The macOS Keychain: a generic password of the user's.

use std::path::Path;

use security_framework::passwords::{get_generic_password, set_generic_password};
use zeroize::Zeroizing;

use super::{Key, StoreKind, Unavailable};

pub(super) const KIND: StoreKind = StoreKind::Keychain;
/// `errSecItemNotFound`.
const NOT_FOUND: i32 = -25300;
const ACCOUNT: &str = "token store";

pub(super) fn load(name: &str, _: &Path) -> Result<Option<Key>, Unavailable> {
    match get_generic_password(name, ACCOUNT) {
        Ok(bytes) => Ok(Key::from_bytes(&Zeroizing::new(bytes))),
        Err(error) if error.code() == NOT_FOUND => Ok(None),
        Err(error) => Err(unavailable(&error)),
    }
}

pub(super) fn save(name: &str, _: &Path, key: &Key) -> Result<(), Unavailable> {
    set_generic_password(name, ACCOUNT, key.expose()).map_err(|error| unavailable(&error))
}

fn unavailable(error: &security_framework::base::Error) -> Unavailable {
    format!("the Keychain is not available: {error}")
}
