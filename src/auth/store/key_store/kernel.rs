//! The Linux kernel's keyrings.
//!
//! The key is in two of them. The user keyring lasts as long as any process of the user; the
//! persistent one lasts until three days after its last use
//! (`/proc/sys/kernel/keys/persistent_keyring_expiry`), and some kernels lack it. Neither survives a
//! reboot.

use std::path::Path;

use linux_keyutils::{KeyError, KeyRing, KeyRingIdentifier};
use zeroize::Zeroizing;

use super::{
    super::sealed::KEY_LEN,
    {Key, StoreKind, Unavailable},
};

pub(super) const KIND: StoreKind = StoreKind::KernelKeyring;

pub(super) fn load(name: &str, _: &Path) -> Result<Option<Key>, Unavailable> {
    let persistent = persistent();
    if let Some(key) = persistent.and_then(|ring| find(ring, name)) {
        return Ok(Some(key));
    }
    let user = user()?;
    let Some(key) = find(user, name) else {
        return Ok(None);
    };
    if let (Some(ring), Ok(found)) = (persistent, user.search(name)) {
        // Without this it only does not last as long.
        let _ = ring.link_key(found);
    }
    Ok(Some(key))
}

pub(super) fn save(name: &str, _: &Path, key: &Key) -> Result<(), Unavailable> {
    let added = user()?
        .add_key(name, key.expose())
        .map_err(|error| unavailable(&error))?;
    if let Some(ring) = persistent() {
        let _ = ring.link_key(added);
    }
    Ok(())
}

/// The persistent keyring, linked into the process's own keyring: a process can only read what it
/// possesses.
fn persistent() -> Option<KeyRing> {
    KeyRing::get_persistent(KeyRingIdentifier::Process).ok()
}

/// The user keyring, linked likewise: not every way of logging in does that.
fn user() -> Result<KeyRing, Unavailable> {
    let linked = || {
        let user = KeyRing::from_special_id(KeyRingIdentifier::User, true)?;
        KeyRing::from_special_id(KeyRingIdentifier::Process, true)?.link_keyring(user)?;
        Ok(user)
    };
    linked().map_err(|error| unavailable(&error))
}

fn find(ring: KeyRing, name: &str) -> Option<Key> {
    let mut bytes = Zeroizing::new([0; KEY_LEN]);
    let length = ring.search(name).ok()?.read(&mut *bytes).ok()?;
    // A longer key is another program's.
    (length == KEY_LEN).then(|| Key::from_bytes(bytes.as_slice()))?
}

fn unavailable(error: &KeyError) -> Unavailable {
    let why = match error {
        KeyError::OperationNotSupported => "the kernel has no keyrings".to_owned(),
        KeyError::AccessDenied | KeyError::PermissionDenied => {
            "keyrings are blocked here, as containers do".to_owned()
        }
        KeyError::QuotaExceeded => "the user's quota of keys is used up".to_owned(),
        other => format!("{other:?}"),
    };
    format!("the kernel keyring is not available: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_again_if_the_kernel_has_keyrings() {
        let name = format!("kubectl-aad-test-{}", uuid::Uuid::new_v4());
        let nowhere = Path::new("");
        match load(&name, nowhere) {
            Ok(found) => assert!(found.is_none()),
            Err(why) => {
                assert!(why.contains("keyring"), "{why}");
                return;
            }
        }
        let key = Key::from_bytes(&[7; KEY_LEN]).expect("long enough");
        save(&name, nowhere, &key).expect("kept");
        let found = load(&name, nowhere).expect("available").expect("there");
        assert_eq!(found.expose(), key.expose());

        let ring = user().expect("available");
        ring.search(&name)
            .and_then(|key| key.invalidate())
            .expect("removed");
        assert!(load(&name, nowhere).expect("available").is_none());
    }

    #[test]
    fn what_another_program_stores_under_the_name_is_no_key() {
        let name = format!("kubectl-aad-test-{}", uuid::Uuid::new_v4());
        let Ok(ring) = user() else { return };
        let Ok(key) = ring.add_key(&name, &[1_u8; KEY_LEN + 1]) else {
            return;
        };
        assert!(find(ring, &name).is_none());
        key.invalidate().expect("removed");
    }
}
