//! The real programs that tests run besides ours, and which tests checked nothing, or less, without them.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Mutex,
};

/// What a test does without a program.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Then {
    Nothing,
    Less,
}

/// The tests that lacked something, by what they did then and what it is.
type Lacking = BTreeMap<(Then, &'static str), BTreeSet<String>>;

/// Stands for the right to mount.
const MOUNT: &str = "mount";

static LACKING: Mutex<Lacking> = Mutex::new(BTreeMap::new());

/// Finds the real program `name`: what `AAD_PEER_<NAME>` names, else the one on `PATH`.
///
/// `None` means that it isn't installed: the test returns, and the run ends with a line that names
/// the test. With `AAD_REQUIRE_PEERS=1` the test fails instead.
///
/// # Panics
/// If the variable names no file, or if the program is missing and `AAD_REQUIRE_PEERS=1`.
pub fn peer(name: &'static str) -> Option<PathBuf> {
    find(name, Then::Nothing)
}

/// The same for a test that checks what it can without the program.
///
/// # Panics
/// As [`peer`] does.
pub fn peer_for_more(name: &'static str) -> Option<PathBuf> {
    find(name, Then::Less)
}

fn find(name: &'static str, then: Then) -> Option<PathBuf> {
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
        lacks(name, then);
    }
    found
}

/// Whether this process may mount file systems and act as other users, in a mount namespace of its
/// own. If not, the test returns, and the run ends with a line that names it: no installation can
/// give a machine this right, so `AAD_REQUIRE_PEERS` does not ask for it.
pub fn may_mount() -> bool {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation=private"]);
    command.args(["mount", "-t", "tmpfs", "none", "/mnt"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let may = command.status().is_ok_and(|status| status.success());
    if !may {
        remember(MOUNT, Then::Nothing);
    }
    may
}

/// Remembers that the current test lacks a program, or fails it if it may lack none.
fn lacks(program: &'static str, then: Then) {
    assert!(
        env::var_os("AAD_REQUIRE_PEERS").is_none_or(|value| value != "1"),
        "`{program}` is missing; `.ci/peers` installs what it can"
    );
    remember(program, then);
}

/// Remembers what the current test lacks.
fn remember(what: &'static str, then: Then) {
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    let mut lacking = LACKING.lock().expect("no test panics while it holds this");
    lacking.entry((then, what)).or_default().insert(test);
}

/// The line that ends a run, or `None` if every test had what it needs.
fn summary(lacking: &Lacking) -> Option<String> {
    let of = |then: Then, words: &str| {
        let programs: Vec<_> = lacking
            .iter()
            .filter(|((done, _), _)| *done == then)
            .map(|((_, what), tests)| {
                let tests: Vec<_> = tests.iter().map(String::as_str).collect();
                format!("without `{what}`: {}", tests.join(", "))
            })
            .collect();
        (!programs.is_empty()).then(|| format!("{words}: {}", programs.join("; ")))
    };
    let nothing = of(Then::Nothing, "these tests checked nothing");
    let less = of(Then::Less, "these tests checked less");
    let parts: Vec<_> = nothing.into_iter().chain(less).collect();
    (!parts.is_empty()).then(|| format!("{} (`.ci/peers` installs programs)", parts.join("; ")))
}

/// Runs when the test binary ends, however it ends.
#[dtor::dtor(unsafe)]
fn say_what_was_lacking() {
    let Ok(lacking) = LACKING.lock() else { return };
    if let Some(line) = summary(&lacking) {
        // The test harness no longer captures output.
        eprintln!("\n{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_names_each_test_that_checked_nothing_or_less() {
        let mut lacking = BTreeMap::new();
        assert_eq!(summary(&lacking), None);
        let tests = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        lacking.insert((Then::Less, "kubectl"), tests(&["e"]));
        assert_eq!(
            summary(&lacking).as_deref(),
            Some("these tests checked less: without `kubectl`: e (`.ci/peers` installs programs)")
        );
        lacking.insert((Then::Nothing, "az"), tests(&["a::b", "c"]));
        lacking.insert((Then::Nothing, "kubectl"), tests(&["d"]));
        assert_eq!(
            summary(&lacking).as_deref(),
            Some(
                "these tests checked nothing: without `az`: a::b, c; without `kubectl`: d; \
                 these tests checked less: without `kubectl`: e (`.ci/peers` installs programs)"
            )
        );
    }
}
