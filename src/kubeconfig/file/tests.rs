use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::{super::encoding::Encoding, *};
use crate::kubeconfig::siblings::names;

fn update(path: &Path, mut edit: impl FnMut(&str) -> Result<String>) -> Result<()> {
    update_all(
        &[path.to_owned()],
        Keeping::nothing(),
        Waiting::saying(&|_| ()),
        |texts| Ok(New::texts(vec![edit(&texts[0])?], ())),
    )
}

/// An edit that changes nothing the second time, since on a busy machine it is made again.
fn append(text: &str) -> Result<String> {
    let text = text.strip_suffix('x').unwrap_or(text);
    Ok(format!("{text}x"))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

#[test]
fn a_new_file_is_private_and_nothing_else_is_left() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("new/config");
    update(&path, append).expect("written");
    assert_eq!(fs::read_to_string(&path).expect("text"), "x");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(parent(&path)), 0o700);
    assert_eq!(names(parent(&path)), ["config"]);
}

#[test]
fn an_old_file_keeps_its_mode() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("config");
    fs::write(&path, "a").expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("a mode");
    update(&path, append).expect("written");
    assert_eq!(
        (
            fs::read_to_string(&path).expect("text").as_str(),
            mode(&path)
        ),
        ("ax", 0o640)
    );
}

#[test]
fn symbolic_links_are_written_through_even_dangling_ones() {
    let dir = tempfile::tempdir().expect("a directory");
    let (link, hop) = (dir.path().join("link"), dir.path().join("hop"));
    symlink("hop", &link).expect("a link");
    symlink("real/config", &hop).expect("a link");
    for (old, expected) in [(None, "x"), (Some("b"), "bx")] {
        if let Some(old) = old {
            fs::write(dir.path().join("real/config"), old).expect("a file");
        }
        update(&link, append).expect("written");
        assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
        assert_eq!(
            fs::read_to_string(dir.path().join("real/config")).expect("text"),
            expected
        );
    }
}

#[test]
fn a_loop_of_links_a_directory_and_a_device_are_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let link = dir.path().join("loop");
    symlink("loop", &link).expect("a link");
    let cause = |failure: Failure| failure.causes().concat();
    let failure = update(&link, append).expect_err("a loop");
    assert!(cause(failure).contains("symbolic links"));
    let failure = update(dir.path(), append).expect_err("a directory");
    assert_eq!(cause(failure), "it is a directory");
    let failure = read(Path::new("/dev/null")).expect_err("a device");
    assert!(cause(failure).starts_with("it is a device"));
}

#[test]
fn an_unchanged_text_is_not_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("config");
    fs::write(&path, "a").expect("a file");
    let before = fs::metadata(&path).expect("a file");
    update(&path, |text| Ok(text.to_owned())).expect("nothing to do");
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!(fs::metadata(&path).expect("a file").ino(), before.ino());
}

#[test]
fn a_change_made_without_a_lock_is_seen_and_not_overwritten() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("config");
    fs::write(&path, "a").expect("a file");
    let mut calls = 0;
    update(&path, |text| {
        calls += 1;
        if calls == 1 {
            fs::write(&path, "b").expect("a file");
        }
        append(text)
    })
    .expect("written");
    assert_eq!(fs::read_to_string(&path).expect("text"), "bx");
    let always = update(&path, |_| {
        calls += 1;
        fs::write(&path, calls.to_string()).expect("a file");
        Ok(format!("{calls}x"))
    });
    assert!(always.is_err_and(|failure| failure.message().contains("again and again")));
    assert_eq!(names(dir.path()), ["config"]);
}

#[test]
fn utf_16_is_read_and_stays_what_it_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("config");
    for encoding in [Encoding::Utf16Le, Encoding::Utf16Be, Encoding::Utf8] {
        fs::write(&path, encoding.encode("a: ü🚀\r\n")).expect("a file");
        assert_eq!(read(&path).expect("text"), "a: ü🚀\r\n");
        update(&path, append).expect("written");
        assert_eq!(
            fs::read(&path).expect("there"),
            *encoding.encode("a: ü🚀\r\nx")
        );
    }
    // Without a mark, cut in the middle, and half a surrogate pair.
    for bytes in [&b"a\0:\0"[..], b"\xff\xfea", b"\xff\xfe\x00\xd8", b"\xff"] {
        fs::write(&path, bytes).expect("a file");
        let is_text = bytes.is_ascii();
        assert_eq!(read(&path).is_ok(), is_text, "{bytes:?}");
        assert_eq!(update(&path, append).is_ok(), is_text, "{bytes:?}");
    }
}

#[test]
fn the_next_edit_removes_what_a_killed_run_left_beside_the_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("config");
    fs::write(&path, "neder").expect("a file");
    for (name, text) in [
        (".config.aad-tmp-1", "x"),
        (".config.aad-old", "older"),
        (".config.aad-new", "newer"),
    ] {
        fs::write(dir.path().join(name), text).expect("a file");
    }
    assert_eq!(read(&path).expect("text"), "older");
    check_lock(std::slice::from_ref(&path), Waiting::saying(&|_| ())).expect("free");
    assert_eq!(fs::read_to_string(&path).expect("text"), "older");
    assert_eq!(names(dir.path()), ["config"]);
}

#[test]
fn a_failed_edit_leaves_the_file_and_no_lock() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("config");
    fs::write(&path, "a").expect("a file");
    let result: Result<()> = update(&path, |_| Err(Failure::new("no")));
    assert!(result.is_err());
    assert_eq!(names(dir.path()), ["config"]);
}
