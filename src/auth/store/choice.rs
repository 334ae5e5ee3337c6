//! Which kind of store is asked for, and which kinds there are.
//!
//! Lives here: [`StoreChoice`] and [`StoreKind`]. What a kind does is not known here.

use std::str::FromStr;

use crate::error::{Failure, Result};

/// Where tokens shall rest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StoreChoice {
    /// Sealed where the system can keep a key, else in plain files.
    #[default]
    Auto,
    /// Sealed, or not at all.
    Keyring,
    /// In plain files.
    File,
    /// Nowhere.
    None,
}

impl StoreChoice {
    /// The words for `--token-store`, in the order of help.
    pub const WORDS: [&str; 4] = ["auto", "keyring", "file", "none"];

    /// What was named, else `auto`.
    ///
    /// # Errors
    /// A usage error when it is none of [`StoreChoice::WORDS`].
    pub fn named(word: Option<&str>) -> Result<Self> {
        word.map_or(Ok(Self::default()), str::parse)
    }
}

impl FromStr for StoreChoice {
    type Err = Failure;

    fn from_str(word: &str) -> Result<Self> {
        Ok(match word {
            "auto" => Self::Auto,
            "keyring" => Self::Keyring,
            "file" => Self::File,
            "none" => Self::None,
            other => {
                return Err(
                    Failure::usage(format!("`{other}` is not a token store")).hint(format!(
                        "give `--token-store` or `AAD_TOKEN_STORE` one of `{}`",
                        Self::WORDS.join("`, `")
                    )),
                );
            }
        })
    }
}

/// The kind of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// Sealed files; the key is in the Linux kernel's keyring.
    KernelKeyring,
    /// Sealed files; the key is in the macOS Keychain.
    Keychain,
    /// Sealed files; the key is wrapped by Windows.
    Dpapi,
    /// Plain files.
    File,
    /// Nothing outlives the process.
    Memory,
}

impl StoreKind {
    /// What it is called, for a script.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KernelKeyring => "kernel-keyring",
            Self::Keychain => "keychain",
            Self::Dpapi => "dpapi",
            Self::File => "file",
            Self::Memory => "none",
        }
    }

    /// Whether what is kept is still there after the machine was started anew.
    pub fn survives_reboot(self) -> bool {
        matches!(self, Self::Keychain | Self::Dpapi | Self::File)
    }
}
