//! The demo of the README, run as anybody would.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use crate::env::{demo, run};

#[test]
fn the_demo_syncs_its_fleet_and_leaves_nothing_behind() {
    let place = tempfile::tempdir().expect("a temporary directory can be made");
    let ran = run(Command::new(demo())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/proc/nonexistent")
        .env("TMPDIR", place.path()));
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stderr.contains(" added, 0 updated, 0 unchanged, "),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.contains("CONTEXT"), "{}", ran.stdout);
    let left: Vec<_> = place.path().read_dir().expect("readable").collect();
    assert!(left.is_empty(), "{left:?}");
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
    let id = i32::try_from(child.id()).ok();
    let pid = id
        .and_then(rustix::process::Pid::from_raw)
        .expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it lives");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let left: Vec<_> = place.path().read_dir().expect("readable").collect();
    assert!(left.is_empty(), "{left:?}");
}
