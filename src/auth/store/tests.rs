//! What all kinds of stores do alike, and how they differ.

use std::{collections::BTreeMap, fs};

use proptest::prelude::*;

use super::*;

/// Each kind that needs no key store of the system, over one directory.
fn stores() -> (tempfile::TempDir, Vec<Store>) {
    let temp = tempfile::tempdir().expect("a temporary directory");
    let directory = || PrivateDirectory::new(temp.path().join("cache"), WHAT);
    let key = Key::random().expect("randomness");
    let stores = vec![
        Store::in_files(directory(), Encoding::Plain),
        Store::in_files(directory(), Encoding::Sealed(key)),
        Store::in_memory(),
    ];
    (temp, stores)
}

#[derive(Debug, Clone)]
enum Step {
    Write(usize, Vec<u8>),
    Remove(usize),
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..4_usize, proptest::collection::vec(any::<u8>(), 0..200))
            .prop_map(|(name, bytes)| Step::Write(name, bytes)),
        3 => (0..4_usize).prop_map(Step::Remove),
        1 => Just(Step::Clear),
    ];
    proptest::collection::vec(step, 0..12)
}

const NAMES: [&str; 4] = ["access-1", "access-2", "refresh-1", "refresh-2"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_kind_of_store_is_a_map(steps in steps()) {
        for store in stores_alone() {
            let mut model: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
            for step in &steps {
                match step {
                    Step::Write(name, bytes) => {
                        store.1.write(NAMES[*name], bytes).expect("written");
                        model.insert(NAMES[*name], bytes.clone());
                    }
                    Step::Remove(name) => {
                        store.1.remove(NAMES[*name]);
                        model.remove(NAMES[*name]);
                    }
                    Step::Clear => {
                        prop_assert_eq!(store.1.clear(), model.len());
                        model.clear();
                    }
                }
                for name in NAMES {
                    prop_assert_eq!(
                        store.1.read(name).map(|bytes| bytes.to_vec()),
                        model.get(name).cloned()
                    );
                }
                let refresh: Vec<_> =
                    model.keys().filter(|name| name.starts_with("refresh")).copied().collect();
                prop_assert_eq!(store.1.names("refresh"), refresh);
            }
        }
    }
}

fn stores_alone() -> Vec<(tempfile::TempDir, Store)> {
    (0..3)
        .map(|which| {
            let (temp, mut stores) = stores();
            (temp, stores.swap_remove(which))
        })
        .collect()
}

#[test]
fn sealed_and_plain_records_of_one_directory_do_not_meet() {
    let (_temp, stores) = stores();
    stores[0].write("access-1", b"plain").expect("written");
    assert!(stores[1].read("access-1").is_none());
    assert!(stores[1].names("").is_empty());
    stores[1].write("access-1", b"sealed").expect("written");
    assert_eq!(
        stores[0].read("access-1").expect("there").as_slice(),
        b"plain"
    );
    assert_eq!(stores[1].clear(), 2, "clearing knows no kinds");
    assert!(stores[0].read("access-1").is_none());
}

#[test]
fn a_sealed_record_cannot_be_seen_and_cannot_be_moved() {
    let (temp, stores) = stores();
    let sealed = &stores[1];
    sealed.write("access-1", b"planted-token").expect("written");
    let path = |name: &str| {
        let Backend::Files(_, encoding) = &sealed.backend else {
            unreachable!("it has files")
        };
        let file = encoding.file_name(name).expect("a good name");
        temp.path().join("cache").join(file)
    };
    let bytes = fs::read(path("access-1")).expect("there");
    assert!(!bytes.windows(13).any(|part| part == b"planted-token"));
    fs::rename(path("access-1"), path("access-2")).expect("ours");
    assert!(sealed.read("access-2").is_none());
}

#[test]
fn machines_with_keys_of_their_own_share_a_directory_without_loss() {
    let (temp, stores) = stores();
    let here = &stores[1];
    let key = Key::random().expect("randomness");
    let there = Store::in_files(
        PrivateDirectory::new(temp.path().join("cache"), WHAT),
        Encoding::Sealed(key),
    );
    here.write("access-1", b"here").expect("written");
    there.write("access-1", b"there").expect("written");
    assert_eq!(here.read("access-1").expect("kept").as_slice(), b"here");
    assert_eq!(there.read("access-1").expect("kept").as_slice(), b"there");
    assert_eq!(here.names(""), ["access-1"]);
}

#[test]
fn a_cooldown_is_started_once_in_its_time_by_any_process() {
    let (_temp, stores) = stores();
    let (one, other) = (&stores[0], &stores[1]);
    assert!(one.start_cooldown("ahead-1", 30, 1_000));
    assert!(!other.start_cooldown("ahead-1", 30, 1_029));
    assert!(other.start_cooldown("ahead-2", 30, 1_029), "another thing");
    assert!(other.start_cooldown("ahead-1", 30, 1_030));
    assert!(!one.start_cooldown("ahead-1", 30, 1_031));
    assert!(
        one.start_cooldown("ahead-1", 30, 900),
        "the clock was set back"
    );
    one.clear();
    assert!(one.start_cooldown("ahead-1", 30, 901));
    assert!(
        !stores[2].start_cooldown("ahead-1", 30, 901),
        "alone in a process"
    );
}

#[test]
fn a_name_cannot_leave_the_directory() {
    let (temp, stores) = stores();
    fs::write(temp.path().join("outside.json"), b"x").expect("written");
    for store in &stores {
        for name in [
            "",
            "../outside",
            "a/b",
            ".hidden",
            "a.lock",
            "A",
            &"a".repeat(101),
        ] {
            assert!(store.write(name, b"x").is_err(), "{name}");
            assert!(store.read(name).is_none(), "{name}");
            assert!(store.try_lock(name).is_err(), "{name}");
            store.remove(name);
        }
    }
    assert!(temp.path().join("outside.json").exists());
}

#[test]
fn a_lock_is_held_by_one_and_ends_with_its_guard() {
    let (_temp, stores) = stores();
    for store in &stores[1..] {
        let guard = store.try_lock("a").expect("locks").expect("free");
        assert!(store.try_lock("a").expect("locks").is_none());
        assert!(store.try_lock("b").expect("locks").is_some());
        drop(guard);
        assert!(store.try_lock("a").expect("locks").is_some());
    }
}

#[test]
fn none_keeps_nothing_and_makes_no_directory() {
    let temp = tempfile::tempdir().expect("a temporary directory");
    let path = temp.path().join("cache");
    let store = Store::open(Ok(path.clone()), StoreChoice::None).expect("opened");
    store.write("a", b"x").expect("written");
    assert!(!path.exists());
    assert!(!store.is_persistent());
    assert!(store.description().starts_with("memory"));
}

#[test]
fn opening_what_exists_creates_nothing() {
    let temp = tempfile::tempdir().expect("a temporary directory");
    let path = temp.path().join("cache");
    for choice in [StoreChoice::Auto, StoreChoice::File] {
        let store = Store::open_existing(Ok(path.clone()), choice).expect("opened");
        assert!(store.names("").is_empty());
        assert!(store.read("access-1").is_none());
        assert!(store.token_files().is_empty());
        assert_eq!(store.clear(), 0);
        assert!(store.write_problem().is_none(), "it could be created");
        assert!(!path.exists());
    }
    let created = Store::open(Ok(path.clone()), StoreChoice::Auto).expect("opened");
    created.write("access-1", b"x").expect("written");
    let store = Store::open_existing(Ok(path), StoreChoice::Auto).expect("opened");
    assert_eq!(store.kind(), created.kind());
    assert_eq!(store.description(), created.description());
    assert_eq!(store.read("access-1").expect("there").as_slice(), b"x");
}

#[test]
fn without_a_key_there_is_nothing_to_read_and_everything_to_clear() {
    let (temp, stores) = stores();
    stores[0].write("access-1", b"plain").expect("written");
    stores[1].write("access-1", b"sealed").expect("written");
    let directory = PrivateDirectory::new(temp.path().join("cache"), WHAT);
    let keyless = Store::in_files(directory, Encoding::Keyless);
    assert!(keyless.names("").is_empty());
    assert!(keyless.read("access-1").is_none());
    assert!(keyless.write("access-1", b"x").is_err());
    let plain = keyless.beside().expect("the plain files");
    assert_eq!(plain.names(""), ["access-1"]);
    assert_eq!(keyless.token_files().len(), 2);
    assert_eq!(keyless.clear(), 2);
}

#[test]
fn file_says_that_it_is_plain_and_stays() {
    let temp = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(Ok(temp.path().join("cache")), StoreChoice::File).expect("opened");
    assert_eq!(store.kind(), StoreKind::File);
    assert!(store.kind().survives_reboot());
    assert!(
        store.description().starts_with("plain files in"),
        "{}",
        store.description()
    );
}

#[test]
fn auto_seals_or_says_in_one_line_why_not() {
    let temp = tempfile::tempdir().expect("a temporary directory");
    let path = temp.path().join("cache");
    let store = Store::open(Ok(path.clone()), StoreChoice::Auto).expect("opened");
    store.write("access-1", b"x").expect("written");
    let again = Store::open(Ok(path.clone()), StoreChoice::Auto).expect("opened");
    assert_eq!(again.read("access-1").expect("there").as_slice(), b"x");
    assert!(!store.description().contains('\n'));
    let keyring = Store::open(Ok(path), StoreChoice::Keyring);
    if store.kind() == StoreKind::File {
        assert!(
            store.description().contains("not available"),
            "{}",
            store.description()
        );
        let failure = keyring.expect_err("no keyring");
        assert!(
            failure.render().contains("`--token-store file`"),
            "{failure}"
        );
    } else {
        assert_eq!(keyring.expect("opened").kind(), store.kind());
    }
}

#[cfg(unix)]
#[test]
fn a_directory_that_cannot_be_used_stores_nothing_and_says_so() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let temp = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| temp.path().join(name);
    fs::write(path("file"), b"").expect("written");
    fs::create_dir(path("open")).expect("made");
    fs::set_permissions(path("open"), fs::Permissions::from_mode(0o755)).expect("ours");
    symlink(path("open"), path("link")).expect("linked");
    symlink(path("loop"), path("loop")).expect("linked");
    let long = "x".repeat(5_000);
    let refused = || Err(Failure::new("the home directory is unknown").hint("set `HOME`"));
    let table = [
        (Ok(path("file")), "it is not a directory"),
        (Ok(path("file").join("below")), "is not a directory"),
        (Ok(path("open")), "other users can reach it"),
        (Ok(path("link")), "it is a symbolic link"),
        (Ok(path("loop").join("below")), "symbolic links"),
        (Ok(path(&long)), "name too long"),
        (refused(), "the home directory is unknown"),
    ];
    for (directory, why) in table {
        for choice in [StoreChoice::Auto, StoreChoice::File] {
            let store = Store::open(directory.clone(), choice).expect("a cache is optional");
            assert_eq!(store.kind(), StoreKind::Memory);
            store.write("a", b"x").expect("for the length of the run");
            let problem = store.write_problem().expect("a problem");
            let shown = problem.to_string().to_lowercase();
            assert!(shown.contains(&why.to_lowercase()), "{shown}");
            assert!(problem.hint_text().is_some(), "{problem}");
        }
        let failure = Store::open(directory, StoreChoice::Keyring).expect_err("insisted");
        assert!(failure.hint_text().is_some(), "{failure}");
    }
    assert!(
        Store::open(refused(), StoreChoice::None)
            .expect("opened")
            .problem()
            .is_none()
    );
}
