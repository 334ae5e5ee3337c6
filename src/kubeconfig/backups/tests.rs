//! The backups of files that are written one after the other.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
};

use super::*;
use crate::kubeconfig::{
    Waiting,
    file::{self, New, Restored, restore},
};

struct Home {
    directory: tempfile::TempDir,
    backups: Backups,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let cache = directory.path().join("cache/kubectl-aad");
        Self {
            directory,
            backups: Backups::new(Ok(cache)),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn list(&self) -> Vec<Backup> {
        self.backups.list().expect("usable")
    }

    /// Writes files, and returns the warnings.
    fn write(&self, files: &[(&str, &str)]) -> Vec<String> {
        let paths: Vec<_> = files.iter().map(|(name, _)| self.path(name)).collect();
        let warnings = std::cell::RefCell::new(Vec::new());
        let warn = |why: &Failure| warnings.borrow_mut().push(why.as_warning());
        let keeping = Keeping::new(&self.backups, "test", 7, &warn);
        file::update_all(&paths, keeping, Waiting::saying(&|_| ()), |_| {
            let texts = files.iter().map(|(_, text)| (*text).to_owned());
            Ok(New::texts(texts.collect(), ()))
        })
        .expect("written");
        warnings.into_inner()
    }

    /// What the newest backup kept of its first file.
    fn newest(&self) -> Option<Vec<u8>> {
        let newest = self.list().swap_remove(0);
        self.backups
            .open(&newest)
            .expect("whole")
            .files
            .swap_remove(0)
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[test]
fn a_write_keeps_what_was_there_and_one_that_changes_nothing_keeps_nothing() {
    let home = Home::new();
    assert!(home.write(&[("a", "1")]).is_empty());
    assert_eq!(home.newest(), None, "it did not exist");
    home.write(&[("a", "1")]);
    assert_eq!(home.list().len(), 1, "nothing was written");
    home.write(&[("a", "2"), ("b", "2")]);
    home.write(&[("a", "2"), ("b", "3")]);
    assert_eq!(home.newest().as_deref(), Some(&b"2"[..]));
    let newest = &home.list()[0];
    assert_eq!(
        (newest.id, newest.manifest.files.len()),
        (3, 1),
        "only b was written"
    );
    let directory = home.path("cache/kubectl-aad/backups");
    assert_eq!(mode(&directory), 0o700);
    for entry in fs::read_dir(directory).expect("there") {
        assert_eq!(mode(&entry.expect("an entry").path()), 0o600);
    }
}

#[test]
fn the_last_ten_writes_of_each_file_are_kept() {
    let home = Home::new();
    home.write(&[("b", "0")]);
    for text in 0..13 {
        home.write(&[("a", &text.to_string())]);
    }
    let kept = home.list();
    let of = |name: &str| {
        let path = target_of(&home.path(name));
        let is_of = |backup: &&Backup| backup.manifest.files[0].target == path;
        kept.iter()
            .filter(is_of)
            .map(|backup| backup.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("a"), (5..=14).rev().collect::<Vec<_>>());
    assert_eq!(of("b"), [1]);
}

#[test]
fn whatever_keeps_a_backup_from_being_kept_the_file_is_written_and_a_person_told() {
    let home = Home::new();
    home.write(&[("a", "1")]);
    let directory = home.path("cache/kubectl-aad/backups");
    let refused = |text: &str, words: &str| {
        let warnings = home.write(&[("a", text)]);
        assert_eq!(fs::read_to_string(home.path("a")).expect("there"), text);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(
            warnings[0].contains("`kubectl aad undo` can't bring"),
            "{warnings:?}"
        );
        assert!(warnings[0].contains(words), "{warnings:?}");
        assert!(!warnings[0].contains("--cache-dir"), "{warnings:?}");
    };
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("ours");
    refused("2", "chmod 700");
    fs::remove_dir_all(&directory).expect("ours");
    symlink(home.directory.path(), &directory).expect("linked");
    refused("3", "it is a symbolic link");
    fs::remove_file(&directory).expect("ours");
    fs::write(&directory, "").expect("written");
    refused("4", "it is not a directory");
    assert!(home.backups.list().is_err());
    let nowhere = Backups::new(Err(Failure::new("no home")));
    assert!(nowhere.list().is_err());
}

#[test]
fn a_damaged_backup_is_refused_and_others_are_not() {
    let home = Home::new();
    for text in ["1", "2", "3"] {
        home.write(&[("a", text)]);
    }
    let directory = home.path("cache/kubectl-aad/backups");
    let damaged = directory.join(name(3));
    let mut bytes = fs::read(&damaged).expect("there");
    let last = bytes.len() - 1;
    bytes[last] = b'x';
    fs::write(&damaged, bytes).expect("written");
    fs::write(directory.join(name(9)), "neither").expect("written");
    let list = home.list();
    assert_eq!(list.len(), 3);
    let refused = home.backups.open(&list[0]).err().expect("damaged").render();
    assert!(refused.contains("the backup 3 is damaged"), "{refused}");
    assert!(home.backups.open(&list[1]).is_ok());
}

#[test]
fn backups_that_hold_a_credential_are_forgotten() {
    let home = Home::new();
    for text in ["open", "client-key-data: x", "open again", "last"] {
        home.write(&[("a", text)]);
    }
    let holds = |text: &str| text.contains("client-key-data");
    let directory = home.path("cache/kubectl-aad/backups");
    fs::write(directory.join(name(9)), "damaged").expect("written");
    assert_eq!(home.backups.forget(&holds).expect("removed"), 2);
    let ids: Vec<_> = home.list().iter().map(|backup| backup.id).collect();
    assert_eq!(
        ids,
        [4, 2, 1],
        "only what came after it held the credential"
    );
    assert_eq!(home.backups.clear().expect("removed"), 3);
    assert!(!directory.exists());
    assert_eq!(home.backups.clear().expect("nothing is left"), 0);
}

#[test]
fn a_file_that_did_not_exist_is_removed_and_comes_back_with_its_mode() {
    let home = Home::new();
    let path = home.path("a");
    home.write(&[("a", "1")]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("ours");
    let bring = |bytes: Option<&[u8]>, mode| {
        let now = fs::read(&path).ok();
        let file = Restored {
            path: path.clone(),
            now: now.as_deref().map(sha256),
            bytes: bytes.map(<[u8]>::to_vec),
            mode,
            authorities: Default::default(),
        };
        let keeping = Keeping::new(&home.backups, "undo", 8, &|_| ());
        restore(&[file], keeping, Waiting::saying(&|_| ()))
    };
    bring(None, None).expect("removed");
    assert!(!path.exists());
    let removed = &home.list()[0].manifest.files[0];
    assert_eq!((removed.mode, &removed.after), (Some(0o640), &None));
    bring(Some(b"1"), removed.mode).expect("brought back");
    assert_eq!(
        (fs::read(&path).expect("there"), mode(&path)),
        (b"1".to_vec(), 0o640)
    );
}
