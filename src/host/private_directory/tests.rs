//! A directory of files, under what others may have put there.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn directory() -> (tempfile::TempDir, PrivateDirectory) {
    let temp = tempfile::tempdir().expect("a temporary directory");
    let directory = PrivateDirectory::new(
        temp.path().join("kube/cache/kubectl-aad"),
        "the token cache",
    );
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
    let failure = PrivateDirectory::new(link, "the token cache")
        .exists()
        .expect_err("refused");
    assert!(failure.to_string().contains("a symbolic link"), "{failure}");
    let file = temp.path().join("file");
    fs::write(&file, b"").expect("written");
    let failure = PrivateDirectory::new(file.clone(), "the token cache")
        .exists()
        .expect_err("refused");
    assert!(failure.to_string().contains("not a directory"), "{failure}");
    let failure = PrivateDirectory::new(PathBuf::from("/dev/null/.kube"), "the token cache")
        .exists()
        .expect_err("refused");
    let render = failure.render();
    assert!(!render.contains("rm /dev"), "{render}");
    assert!(render.contains("hint: set `HOME`"), "{render}");
    let failure = PrivateDirectory::new(file.join("below"), "the token cache")
        .exists()
        .expect_err("refused");
    let render = failure.render();
    assert!(render.contains("file` is not a directory"), "{render}");
    assert!(render.contains("hint: run `rm /"), "{render}");
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
    directory.remove_abandoned();
    assert_eq!(directory.names(), [".tmp-alive", "a"]);
    drop(alive);
    directory.remove_abandoned();
    assert_eq!(directory.names(), ["a"]);
}
