//! What end-to-end tests share.

use std::path::Path;

pub(crate) use azure_sim::{may_mount, peer};

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
