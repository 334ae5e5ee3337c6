//! The values of `--token-store`, and the kinds of stores that they lead to.

use std::path::Path;

use crate::{
    error::{Failure, Result},
    near,
};

/// Where tokens are to be stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StoreChoice {
    /// In encrypted files if the system has a key store, else in plain files.
    #[default]
    Auto,
    /// In encrypted files, or not at all.
    Keyring,
    /// In plain files.
    File,
    /// Nowhere.
    None,
}

impl StoreChoice {
    /// The words of `--token-store`, in the order of help.
    pub(crate) const WORDS: [&str; 4] = ["auto", "keyring", "file", "none"];

    /// The choice of this name; `auto` if there is none.
    ///
    /// # Errors
    /// A usage error when it is none of [`StoreChoice::WORDS`].
    pub fn named(word: Option<&str>) -> Result<Self> {
        Ok(match word {
            None => Self::default(),
            Some("auto") => Self::Auto,
            Some("keyring") => Self::Keyring,
            Some("file") => Self::File,
            Some("none") => Self::None,
            Some(other) => {
                let all = format!(
                    "use one of `{}` in `--token-store` or `AAD_TOKEN_STORE`",
                    Self::WORDS.join("`, `")
                );
                return Err(Failure::usage(format!("`{other}` is not a token store"))
                    .hint(near::hint(other, Self::WORDS, &all)));
            }
        })
    }
}

/// The kind of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// Encrypted files; the key is in the Linux kernel's keyring.
    KernelKeyring,
    /// Encrypted files; the key is in the macOS Keychain.
    Keychain,
    /// Encrypted files; Windows encrypts the key.
    Dpapi,
    /// Plain files.
    File,
    /// Nothing outlives the process.
    Memory,
}

impl StoreKind {
    /// Its name in JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::KernelKeyring => "kernel-keyring",
            Self::Keychain => "keychain",
            Self::Dpapi => "dpapi",
            Self::File => "file",
            Self::Memory => "none",
        }
    }

    /// Says where this kind stores its records in a directory, after "stored in".
    pub(super) fn describe(self, directory: &Path) -> String {
        let directory = directory.display();
        match self {
            Self::KernelKeyring => format!(
                "encrypted files in `{directory}`, the key in the kernel keyring: it is gone after a \
                 reboot or three days without use, and a new sign-in is needed then"
            ),
            Self::Keychain => format!("encrypted files in `{directory}`, the key in the Keychain"),
            Self::Dpapi => format!("files in `{directory}`, encrypted for you by Windows"),
            Self::File => format!("plain files in `{directory}` that only you can read"),
            Self::Memory => "memory: each process signs in again".to_owned(),
        }
    }

    /// Whether the files are encrypted.
    pub(crate) fn is_encrypted(self) -> bool {
        matches!(self, Self::KernelKeyring | Self::Keychain | Self::Dpapi)
    }

    /// Whether what is stored can still be read after a reboot.
    pub(crate) fn survives_reboot(self) -> bool {
        matches!(self, Self::Keychain | Self::Dpapi | Self::File)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_one_of_four_words() {
        assert_eq!(StoreChoice::named(None).expect("known"), StoreChoice::Auto);
        for word in StoreChoice::WORDS {
            assert!(StoreChoice::named(Some(word)).is_ok());
        }
        let failure = StoreChoice::named(Some("plain")).expect_err("unknown");
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.render().contains("AAD_TOKEN_STORE"), "{failure}");
    }
}
