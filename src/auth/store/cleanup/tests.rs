//! What the cleanup removes, and what it leaves.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt,
};

use super::*;

fn directory() -> (tempfile::TempDir, PrivateDirectory) {
    let temp = tempfile::tempdir().expect("a temporary directory");
    let directory = PrivateDirectory::new(temp.path().join("cache"), "the token cache");
    (temp, directory)
}

const DAY: u64 = 24 * 3600;

/// Writes a file and stamps it.
fn stamped(directory: &PrivateDirectory, name: &str, at: SystemTime) {
    directory.create().expect("made");
    let path = directory.path().join(name);
    fs::write(&path, b"x").expect("written");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("ours");
    File::options()
        .write(true)
        .open(path)
        .and_then(|file| file.set_modified(at))
        .expect("ours");
}

#[test]
fn what_can_be_of_no_more_use_goes_with_the_next_write() {
    let (_temp, directory) = directory();
    let ago = |seconds| SystemTime::now() - Duration::from_secs(seconds);
    for (name, at) in [
        ("access-ended.json", ago(3_700)),
        ("access-just-ended.json", ago(3_500)),
        ("access-lost.00000000.sealed", ago(3_700)),
        ("given-up-old.json", ago(DAY + 9)),
        ("given-up-new.json", ago(DAY - 9)),
        ("ahead-old.turn", ago(DAY + 9)),
        ("ahead-new.turn", ago(DAY - 9)),
        ("left.lock", ago(9)),
        ("refresh-unused.json", ago(400 * DAY)),
        ("pop-key.json", ago(400 * DAY)),
        ("somebody-elses", ago(400 * DAY)),
    ] {
        stamped(&directory, name, at);
    }
    let held = directory.try_lock("held.lock").expect("locks");
    let until = SystemTime::now() + Duration::from_secs(60);
    stamped(&directory, "access-new.json", until);
    sweep(&directory);
    let all = [
        "access-just-ended.json",
        "access-new.json",
        "ahead-new.turn",
        "given-up-new.json",
        "held.lock",
        "pop-key.json",
        "refresh-unused.json",
        "somebody-elses",
    ];
    assert_eq!(directory.names(), all);
    drop(held);
    assert!(!directory.path().join("held.lock").exists());
}

#[test]
fn sessions_end_by_the_clock_of_who_made_them() {
    let (_temp, directory) = directory();
    let now = SystemTime::now();
    let ago = |days| now - Duration::from_secs(days * DAY);
    stamped(&directory, "refresh-91.json", ago(91));
    stamped(&directory, "refresh-89.00000000.sealed", ago(89));
    stamped(&directory, "refresh-0.json", now);
    stamped(&directory, "access-91.json", ago(91));
    sweep_sessions(&directory, now);
    assert_eq!(
        directory.names(),
        [
            "access-91.json",
            "refresh-0.json",
            "refresh-89.00000000.sealed"
        ]
    );
}

#[test]
fn of_a_record_that_was_sealed_with_many_keys_the_newest_files_stay() {
    let (_temp, directory) = directory();
    let now = SystemTime::now();
    for age in 0..20_u64 {
        for record in ["refresh-1", "refresh-2"] {
            let name = format!("{record}.{age:08x}.sealed");
            stamped(&directory, &name, now - Duration::from_secs(age));
        }
    }
    sweep(&directory);
    assert_eq!(directory.names().len(), 2 * COPIES);
    assert!(directory.path().join("refresh-1.00000000.sealed").exists());
    assert!(!directory.path().join("refresh-1.00000010.sealed").exists());
}
