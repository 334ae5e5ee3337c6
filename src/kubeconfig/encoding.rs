//! The encodings of a kubeconfig: UTF-8, and UTF-16 with a byte order mark.

use std::borrow::Cow;

/// The text of a file and its encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) text: String,
    pub(super) encoding: Encoding,
}

/// The encodings that kubectl reads. PowerShell's `>` writes UTF-16, with a byte order mark. kubectl
/// writes it back as UTF-8; we keep the encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
}

impl Contents {
    /// `None` if the bytes are text in none of the encodings.
    pub(super) fn decode(bytes: Vec<u8>) -> Option<Self> {
        let (encoding, rest) = match bytes.as_slice() {
            [0xff, 0xfe, rest @ ..] => (Encoding::Utf16Le, rest),
            [0xfe, 0xff, rest @ ..] => (Encoding::Utf16Be, rest),
            _ => {
                let text = String::from_utf8(bytes).ok()?;
                return Some(Self {
                    text,
                    encoding: Encoding::Utf8,
                });
            }
        };
        let (units, odd) = rest.as_chunks::<2>();
        let units: Vec<u16> = units.iter().map(|unit| encoding.unit(*unit)).collect();
        let text = String::from_utf16(&units).ok().filter(|_| odd.is_empty())?;
        Some(Self { text, encoding })
    }
}

/// The text of a kubeconfig's bytes. `None` if they are text in none of the encodings.
pub(crate) fn decode(bytes: Vec<u8>) -> Option<String> {
    Contents::decode(bytes).map(|contents| contents.text)
}

impl Encoding {
    fn unit(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Utf16Be => u16::from_be_bytes(bytes),
            _ => u16::from_le_bytes(bytes),
        }
    }

    pub(super) fn encode(self, text: &str) -> Cow<'_, [u8]> {
        if self == Self::Utf8 {
            return Cow::Borrowed(text.as_bytes());
        }
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units
            .flat_map(|unit| match self {
                Self::Utf16Be => unit.to_be_bytes(),
                _ => unit.to_le_bytes(),
            })
            .collect()
    }
}
