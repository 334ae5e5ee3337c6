//! The real programs that tests run besides ours, and which tests checked nothing without them.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::PathBuf,
    sync::Mutex,
};

/// The tests that checked nothing, by the program that is missing.
static SKIPPED: Mutex<BTreeMap<String, BTreeSet<String>>> = Mutex::new(BTreeMap::new());

/// Finds the real program `name`: what `AAD_PEER_<NAME>` names, else the one on `PATH`.
///
/// `None` means that it isn't installed: the test returns, and the run ends with a line that names
/// the test. With `AAD_REQUIRE_PEERS=1` the test fails instead.
///
/// # Panics
/// If the variable names no file, or if the program is missing and `AAD_REQUIRE_PEERS=1`.
pub fn peer(name: &str) -> Option<PathBuf> {
    let variable = format!("AAD_PEER_{}", name.to_uppercase().replace('-', "_"));
    if let Some(path) = env::var_os(&variable).map(PathBuf::from) {
        assert!(
            path.is_file(),
            "`{variable}` names `{}`, which is not a file",
            path.display()
        );
        return Some(path);
    }
    let found = env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .map(|directory| directory.join(format!("{name}{}", env::consts::EXE_SUFFIX)))
        .find(|path| path.is_file());
    if found.is_none() {
        assert!(
            env::var_os("AAD_REQUIRE_PEERS").is_none_or(|value| value != "1"),
            "`{name}` is missing; `.ci/peers` installs it"
        );
        skip(name);
    }
    found
}

/// Whether this process may mount file systems and act as other users, in a mount namespace of its
/// own. If not, the test returns, and the run ends with a line that names it.
pub fn may_mount() -> bool {
    let mount = [
        "--mount",
        "--propagation=private",
        "mount",
        "-t",
        "tmpfs",
        "none",
        "/mnt",
    ];
    let may = std::process::Command::new("unshare")
        .args(mount)
        .output()
        .is_ok_and(|output| output.status.success());
    if !may {
        skip("mount as root");
    }
    may
}

/// Remembers that the current test checks nothing without `what`.
fn skip(what: &str) {
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    let mut skipped = SKIPPED.lock().expect("no test panics while it holds this");
    skipped.entry(what.to_owned()).or_default().insert(test);
}

/// The line that ends a run, or `None` if every test had its programs.
fn summary(skipped: &BTreeMap<String, BTreeSet<String>>) -> Option<String> {
    if skipped.is_empty() {
        return None;
    }
    let lacking: Vec<_> = skipped
        .iter()
        .map(|(name, tests)| {
            let tests: Vec<_> = tests.iter().map(String::as_str).collect();
            format!("without `{name}`: {}", tests.join(", "))
        })
        .collect();
    Some(format!(
        "these tests checked nothing (`.ci/peers` installs what they need): {}",
        lacking.join("; ")
    ))
}

/// Runs when the test binary ends, however it ends.
#[dtor::dtor(unsafe)]
fn say_what_was_skipped() {
    let Ok(skipped) = SKIPPED.lock() else { return };
    if let Some(line) = summary(&skipped) {
        // The test harness no longer captures output.
        eprintln!("\n{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_names_each_test_that_checked_nothing() {
        let mut skipped = BTreeMap::new();
        assert_eq!(summary(&skipped), None);
        let tests = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        skipped.insert("az".to_owned(), tests(&["a::b", "c"]));
        skipped.insert("kubectl".to_owned(), tests(&["d"]));
        let line = summary(&skipped).expect("there is something to say");
        assert!(
            line.ends_with("without `az`: a::b, c; without `kubectl`: d"),
            "{line}"
        );
    }
}
