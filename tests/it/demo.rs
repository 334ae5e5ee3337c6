//! The demo of the README, run as anybody would.

#[cfg(unix)]
use std::os::unix::fs::PermissionsExt as _;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use crate::env::{demo, run};

#[test]
fn the_demo_ends_each_step_as_it_says_and_leaves_nothing_behind() {
    let place = tempfile::tempdir().expect("a temporary directory can be made");
    let ran = run(Command::new(demo())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/proc/nonexistent")
        .env("KUBECONFIG", "/proc/nonexistent/config")
        .env("TMPDIR", place.path()));
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let typed: Vec<_> = ran
        .stdout
        .lines()
        .filter(|line| line.starts_with("$ ") && !line.contains("get ns"))
        .collect();
    assert_eq!(
        typed,
        [
            "$ az login",
            "$ kubectl aad sync",
            "$ kubectl aad sync",
            "$ kubectl aad convert-kubeconfig --kubeconfig old"
        ]
    );
    let own = |line: &&str| line.starts_with("$ ") || line.ends_with([':', '.']);
    let said: Vec<_> = ran.stdout.lines().filter(own).collect();
    assert!(said.len() > 10, "{}", ran.stdout);
    assert!(said.iter().all(|line| line.len() <= 80), "{said:?}");
    let hints = ran.stderr.matches("hint: ask for the role").count();
    assert_eq!(hints, 1, "{}", ran.stderr);
    let left: Vec<_> = place.path().read_dir().expect("readable").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[cfg(unix)]
#[test]
fn the_demo_fails_if_a_step_does() {
    let place = tempfile::tempdir().expect("a temporary directory can be made");
    let kubectl = place.path().join("kubectl");
    fs::write(&kubectl, "#!/bin/sh\n[ \"$1\" = version ]\n").expect("written");
    fs::set_permissions(&kubectl, fs::Permissions::from_mode(0o755)).expect("ours");
    let ran = run(Command::new(demo())
        .env_clear()
        .env("PATH", place.path())
        .env("TMPDIR", place.path()));
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stderr.contains("error: the demo failed: ") && ran.stderr.contains("get"),
        "{}",
        ran.stderr
    );
    let left: Vec<_> = place.path().read_dir().expect("readable").collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_demo_leaves_nothing_behind_either() {
    let place = tempfile::tempdir().expect("a temporary directory can be made");
    let mut child = Command::new(demo())
        .arg("--stay")
        .env_clear()
        // Without kubectl: what matters here is the end.
        .env("PATH", "/nonexistent")
        .env("TMPDIR", place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    // `wait` closes the child's standard input, which ends the demo before the signal does.
    let _input = child.stdin.take();
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let stays = lines
        .map(|line| line.expect("text"))
        .any(|line| line.starts_with("Press Enter"));
    assert!(stays, "the demo ended by itself");
    assert!(place.path().read_dir().expect("readable").next().is_some());
    crate::env::signal(&child, rustix::process::Signal::INT);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let left: Vec<_> = place.path().read_dir().expect("readable").collect();
    assert!(left.is_empty(), "{left:?}");
}
