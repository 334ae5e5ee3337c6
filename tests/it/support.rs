//! What end-to-end tests share: where the real programs are that they run beside ours.

use std::env;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Finds the real program `name`: what `AAD_PEER_<NAME>` names, else the one on `PATH`.
///
/// `None` says that it isn't installed, and has been said aloud: the test ends there, without a
/// result. Where `AAD_REQUIRE_PEERS=1` no test may end so.
///
/// # Panics
/// If the variable names no file, or if the program is missing and `AAD_REQUIRE_PEERS=1`.
pub(crate) fn peer(name: &str) -> Option<PathBuf> {
    let variable = format!("AAD_PEER_{}", name.to_uppercase().replace('-', "_"));
    if let Some(path) = env::var_os(&variable).map(PathBuf::from) {
        assert!(
            path.is_file(),
            "`{variable}` names `{}`, which is no file",
            path.display()
        );
        return Some(path);
    }
    let found = env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .map(|directory| directory.join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        assert!(
            env::var_os("AAD_REQUIRE_PEERS").is_none_or(|value| value != "1"),
            "peer missing: {name}; `.ci/peers` installs it"
        );
        eprintln!("peer missing: {name}, so this test shows nothing; `.ci/peers` installs it");
    }
    found
}
