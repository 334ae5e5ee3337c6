//! A directory of files, under what others may have put there.

use std::{
    os::unix::fs::{PermissionsExt, symlink},
    time::Duration,
};

use super::*;

fn directory() -> (tempfile::TempDir, Directory) {
    let temp = tempfile::tempdir().expect("a temporary directory");
    let directory = Directory::new(temp.path().join("kube/cache/kubectl-aad"));
    (temp, directory)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
}

#[test]
fn files_are_private_to_the_owner_and_nothing_else_is_left() {
    let (_temp, directory) = directory();
    directory.write("a", b"one", None).expect("written");
    directory.write("a", b"two", None).expect("replaced");
    assert_eq!(directory.read("a").expect("there").as_slice(), b"two");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(directory.path()), 0o700);
    assert_eq!(mode(&directory.path().join("a")), 0o600);
    for made_on_the_way in directory.path().ancestors().skip(1).take(2) {
        assert_eq!(mode(made_on_the_way), 0o700);
    }
    assert_eq!(directory.names(), ["a"]);
    directory.remove("a");
    assert!(directory.read("a").is_none());
}

#[test]
fn files_that_others_could_have_made_are_absent() {
    let (temp, directory) = directory();
    directory.write("open", b"x", None).expect("written");
    directory.write("big", b"x", None).expect("written");
    let path = |name: &str| directory.path().join(name);
    set_mode(&path("open"), 0o644);
    File::options()
        .write(true)
        .open(path("big"))
        .and_then(|file| file.set_len(FILE_LIMIT + 1))
        .expect("ours");
    let elsewhere = temp.path().join("elsewhere");
    fs::write(&elsewhere, b"x").expect("written");
    set_mode(&elsewhere, 0o600);
    symlink(&elsewhere, path("link")).expect("linked");
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        path("pipe"),
        rustix::fs::Mode::from_raw_mode(0o600),
    )
    .expect("made");
    fs::create_dir(path("dir")).expect("made");
    for name in ["open", "big", "link", "pipe", "dir", "none"] {
        assert!(directory.read(name).is_none(), "{name}");
    }
}

#[test]
fn a_directory_that_others_can_reach_is_refused_with_the_command_that_closes_it() {
    let (_temp, directory) = directory();
    directory.write("a", b"x", None).expect("written");
    for mode in [0o755, 0o770, 0o701] {
        set_mode(directory.path(), mode);
        let failure = directory.write("a", b"y", None).expect_err("refused");
        assert!(failure.render().contains("run `chmod 700 "), "{failure}");
    }
}

#[test]
fn a_link_or_a_file_in_the_directorys_place_is_refused() {
    let temp = tempfile::tempdir().expect("a temporary directory");
    let real = temp.path().join("real");
    fs::create_dir(&real).expect("made");
    set_mode(&real, 0o700);
    let link = temp.path().join("link");
    symlink(&real, &link).expect("linked");
    let failure = Directory::new(link).exists().expect_err("refused");
    assert!(failure.to_string().contains("a symbolic link"), "{failure}");
    let file = temp.path().join("file");
    fs::write(&file, b"").expect("written");
    let failure = Directory::new(file.clone()).exists().expect_err("refused");
    assert!(failure.to_string().contains("not a directory"), "{failure}");
    let failure = Directory::new(PathBuf::from("/dev/null/.kube"))
        .exists()
        .expect_err("refused");
    let render = failure.render();
    assert!(!render.contains("rm /dev"), "{render}");
    assert!(render.contains("hint: set `HOME`"), "{render}");
    let failure = Directory::new(file.join("below"))
        .exists()
        .expect_err("refused");
    let render = failure.render();
    assert!(render.contains("file` is not a directory"), "{render}");
    assert!(render.contains("hint: run `rm /"), "{render}");
}

const DAY: u64 = 24 * 3600;

/// Writes a file and stamps it.
fn stamped(directory: &Directory, name: &str, at: SystemTime) {
    directory.create().expect("made");
    let path = directory.path().join(name);
    fs::write(&path, b"x").expect("written");
    set_mode(&path, 0o600);
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
    directory
        .write("access-new.json", b"x", Some(until))
        .expect("written");
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
    directory.sweep_sessions(now);
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
    directory.sweep();
    assert_eq!(directory.names().len(), 2 * cleanup::COPIES);
    assert!(directory.path().join("refresh-1.00000000.sealed").exists());
    assert!(!directory.path().join("refresh-1.00000010.sealed").exists());
}

#[test]
fn what_a_killed_writer_left_is_removed_and_a_living_ones_file_is_not() {
    let (_temp, directory) = directory();
    directory.create().expect("made");
    for name in [".tmp-dead", ".tmp-alive"] {
        fs::write(directory.path().join(name), b"x").expect("written");
        set_mode(&directory.path().join(name), 0o600);
    }
    let alive = File::open(directory.path().join(".tmp-alive")).expect("there");
    alive.lock().expect("free");
    directory.write("a", b"x", None).expect("written");
    assert_eq!(directory.names(), [".tmp-alive", "a"]);
    drop(alive);
    directory.write("a", b"x", None).expect("written");
    assert_eq!(directory.names(), ["a"]);
}
