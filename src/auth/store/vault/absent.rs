//! A system that has no place for a key.

use std::path::Path;

use super::{Key, Kind, Unavailable};

pub(super) const KIND: Kind = Kind::File;

pub(super) fn load(_: &str, _: &Path) -> Result<Option<Key>, Unavailable> {
    Err("this system has no place for a key that is used here".to_owned())
}

pub(super) fn keep(_: &str, _: &Path, _: &Key) -> Result<(), Unavailable> {
    load("", Path::new("")).map(|_| ())
}
