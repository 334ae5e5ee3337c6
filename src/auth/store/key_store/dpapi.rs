//! The Windows data protection API: it stores nothing, but encrypts the key for the user, so that the
//! encrypted key can be stored beside the records.

use std::{
    fs, io,
    path::{Path, PathBuf},
    ptr, slice,
};

use windows_sys::Win32::{
    Foundation::LocalFree,
    Security::Cryptography::{
        CRYPT_INTEGER_BLOB, CRYPTPROTECT_UI_FORBIDDEN, CryptProtectData, CryptUnprotectData,
    },
};
use zeroize::{Zeroize, Zeroizing};

use super::{Key, StoreKind, Unavailable};

pub(super) const KIND: StoreKind = StoreKind::Dpapi;

pub(super) fn load(name: &str, directory: &Path) -> Result<Option<Key>, Unavailable> {
    let encrypted = match fs::read(path(name, directory)) {
        Ok(encrypted) => encrypted,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unavailable(&error)),
    };
    // What can't be decrypted is another user's or damaged: a new key is created.
    Ok(crypt(Direction::Decrypt, &encrypted)
        .ok()
        .and_then(|bytes| Key::from_bytes(&bytes)))
}

pub(super) fn save(name: &str, directory: &Path, key: &Key) -> Result<(), Unavailable> {
    let save = || {
        let encrypted = crypt(Direction::Encrypt, key.expose())?;
        let file = tempfile::Builder::new()
            .prefix(crate::host::private_directory::UNFINISHED)
            .tempfile_in(directory)?;
        fs::write(file.path(), encrypted.as_slice())?;
        file.persist(path(name, directory))?;
        Ok(())
    };
    save().map_err(|error: io::Error| unavailable(&error))
}

fn path(name: &str, directory: &Path) -> PathBuf {
    directory.join(format!(".{name}.dpapi"))
}

fn unavailable(error: &io::Error) -> Unavailable {
    format!("Windows data protection is not available: {error}")
}

#[derive(Clone, Copy)]
enum Direction {
    Encrypt,
    Decrypt,
}

/// Encrypts or decrypts bytes for the user.
#[expect(
    unsafe_code,
    reason = "Windows offers data protection as C functions only"
)]
fn crypt(direction: Direction, bytes: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(bytes.to_vec());
    let input = CRYPT_INTEGER_BLOB {
        cbData: u32::try_from(bytes.len()).map_err(io::Error::other)?,
        pbData: bytes.as_mut_ptr(),
    };
    let mut output = CRYPT_INTEGER_BLOB {
        cbData: 0,
        pbData: ptr::null_mut(),
    };
    // SAFETY: `input` describes `bytes`, which lives until the end of the function and is only
    // read; the optional pointers are null; `output` is written if the call succeeds.
    let done = unsafe {
        match direction {
            Direction::Encrypt => CryptProtectData(
                &raw const input,
                ptr::null(),
                ptr::null(),
                ptr::null(),
                ptr::null(),
                CRYPTPROTECT_UI_FORBIDDEN,
                &raw mut output,
            ),
            Direction::Decrypt => CryptUnprotectData(
                &raw const input,
                ptr::null_mut(),
                ptr::null(),
                ptr::null(),
                ptr::null(),
                CRYPTPROTECT_UI_FORBIDDEN,
                &raw mut output,
            ),
        }
    };
    if done == 0 || output.pbData.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so `output` is `cbData` bytes that the system allocated for us
    // alone, to be given back with `LocalFree` and not touched after that.
    unsafe {
        let length = usize::try_from(output.cbData).unwrap_or_default();
        let given = slice::from_raw_parts_mut(output.pbData, length);
        let copy = Zeroizing::new(given.to_vec());
        given.zeroize();
        LocalFree(output.pbData.cast());
        Ok(copy)
    }
}
