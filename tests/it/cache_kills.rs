//! A cache whose writers are killed in the middle of a write.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use kubectl_aad::internals::{Store, StoreChoice};

/// Named to the child of the test below: the directory that it writes to.
const VICTIM: &str = "AAD_TEST_CACHE_VICTIM";
/// What each record is made of, so that half a record shows.
const RECORD: usize = 6000;

/// Not a test: the process that the next test kills.
#[test]
fn writer_that_is_killed() {
    let Some(directory) = std::env::var_os(VICTIM) else {
        return;
    };
    let choice = StoreChoice::named(std::env::var("AAD_TOKEN_STORE").ok().as_deref());
    let store = Store::open(Ok(directory.into()), choice.expect("a store")).expect("opens");
    println!("\nwriting");
    for round in 0_u64.. {
        let letter = b'a' + u8::try_from(round % 26).expect("below 26");
        store
            .write("access-1", &[letter; RECORD])
            .expect("it can be written");
    }
}

fn killed_in_the_middle(directory: &Path, choice: &str, micros: u64) {
    let mut child = Command::new(std::env::current_exe().expect("a test binary"))
        .args([
            "--exact",
            "cache_kills::writer_that_is_killed",
            "--nocapture",
        ])
        .env(VICTIM, directory)
        .env("AAD_TOKEN_STORE", choice)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    while lines.next().expect("it begins").expect("text") != "writing" {}
    // Somewhere in a write; where does not matter, as long as it differs.
    std::thread::sleep(Duration::from_micros(micros));
    child.kill().expect("it lives");
    child.wait().expect("it can be waited for");
}

fn survives_kills(choice: &str, kills: u64) {
    let temp = tempfile::tempdir().expect("a directory");
    let directory = temp.path().join("cache");
    let open = || {
        let choice = StoreChoice::named(Some(choice)).expect("a store");
        Store::open(Ok(directory.clone()), choice).expect("opens")
    };
    open().write("access-1", &[b'z'; RECORD]).expect("written");
    for round in 0..kills {
        killed_in_the_middle(&directory, choice, round * 137 % 4000);
        let record = open().read("access-1").expect("it always reads");
        assert_eq!(record.len(), RECORD);
        assert!(record.iter().all(|byte| *byte == record[0]), "whole");
        let files: Vec<PathBuf> = fs::read_dir(&directory)
            .expect("there")
            .map(|entry| entry.expect("readable").path())
            .collect();
        assert!(files.len() <= 3, "each write sweeps: {files:?}");
        for file in files {
            let mode = file.metadata().expect("there").permissions().mode() & 0o777;
            assert_eq!(mode, 0o600);
        }
    }
    open().write("access-1", b"end").expect("written");
    let left = fs::read_dir(&directory).expect("there").count();
    assert!(left <= 2, "the record and the key's lock: {left}");
}

#[test]
fn five_hundred_kills_during_writes_leave_plain_records_whole() {
    survives_kills("file", 500);
}

#[test]
fn five_hundred_kills_during_writes_leave_sealed_records_whole() {
    survives_kills("auto", 500);
}
