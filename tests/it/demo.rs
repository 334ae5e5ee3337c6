//! The demo of the README, run as anybody would.

use std::process::Command;

use crate::world::{demo, run};

#[test]
fn the_demo_syncs_its_fleet_and_leaves_nothing_behind() {
    let place = tempfile::tempdir().expect("a temporary directory can be made");
    let ran = run(Command::new(demo())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/nonexistent")
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
