//! What commands that only look at things leave behind: nothing.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use azure_sim::AKS_SERVER_APP;

use crate::{
    env::{CLOUD, PROGRAM, Ran, TestEnv, run},
    support::may_mount,
};

/// Every file and directory below a directory, with its mode, its modification time in nanoseconds
/// and its content. A file that comes and goes changes the time of its directory.
type Tree = BTreeMap<PathBuf, (u32, i128, Vec<u8>)>;

fn tree(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut to_read = vec![root.to_owned()];
    while let Some(path) = to_read.pop() {
        let meta = fs::symlink_metadata(&path).expect("there");
        let content = match meta.is_file() {
            true => fs::read(&path).expect("readable"),
            false => Vec::new(),
        };
        if meta.is_dir() {
            let entries = fs::read_dir(&path).expect("readable");
            to_read.extend(entries.map(|entry| entry.expect("readable").path()));
        }
        let modified = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        tree.insert(path, (meta.mode(), modified, content));
    }
    tree
}

/// Runs a command that must leave the home directory as it is.
fn looks_only(test_env: &TestEnv, args: &[&str], env: &[(&str, &str)]) -> Ran {
    let before = tree(test_env.home());
    let ran = run(test_env.aad(args).envs(env.iter().copied()));
    let after = tree(test_env.home());
    let changed: Vec<&PathBuf> = before
        .keys()
        .chain(after.keys())
        .filter(|path| before.get(*path) != after.get(*path))
        // `list` remembers what it saw, and when.
        .filter(|path| {
            args[0] != "list" || !path.components().any(|part| part.as_os_str() == "seen")
        })
        .collect();
    assert!(changed.is_empty(), "{args:?} changed {changed:#?}");
    ran
}

#[test]
fn listing_the_cache_changes_nothing_whatever_is_there() {
    let test_env = TestEnv::new();
    let list = |env: &[(&str, &str)]| {
        for args in [&["cache", "list"][..], &["cache", "list", "-o", "json"]] {
            let ran = looks_only(&test_env, args, env);
            assert_eq!(ran.code, 0, "{}", ran.stderr);
        }
    };
    let stores = ["auto", "file", "none"].map(|store| ("AAD_TOKEN_STORE", store));
    // Nothing exists yet.
    stores.iter().for_each(|store| list(&[*store]));
    looks_only(&test_env, &["cache", "clear"], &[]);
    assert!(!test_env.path(".kube").exists());

    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    for store in stores {
        test_env.claims(&test_env.get_token(&test_env.spn_args(&[]), &[secret, store]));
    }
    // A process that was killed left these: only a write cleans them up.
    let cache = test_env.path(".kube/cache/kubectl-aad");
    fs::write(cache.join(".tmp-left"), "x").expect("written");
    fs::write(cache.join("left.lock"), "x").expect("written");
    stores.iter().for_each(|store| list(&[*store]));
    list(&[("KUBECACHEDIR", "/proc/no/such/directory")]);
}

#[test]
fn what_is_only_read_is_left_as_it_is_once_there_is_a_token() {
    let test_env = TestEnv::new();
    let of_cloud = |command| [command, "--environment", CLOUD];
    // These store the token that they call Azure with, so that nobody has to sign in again.
    assert_eq!(run(&mut test_env.aad(&of_cloud("sync"))).code, 0);
    let succeeds = |args: &[&str]| {
        let ran = looks_only(&test_env, args, &[]);
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
    };
    succeeds(&of_cloud("list"));
    succeeds(&["status"]);
    succeeds(&["logout", "--all", "--dry-run"]);
    succeeds(&["doctor", "--offline"]);
    succeeds(&[&of_cloud("sync")[..], &["--dry-run"]].concat());
    succeeds(&["convert-kubeconfig", "-l", "msi", "--dry-run"]);
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let args = test_env.spn_args(&[]);
    test_env.get_token(&args, &[secret]);
    let before = tree(test_env.home());
    test_env.claims(&test_env.get_token(&args, &[secret]));
    assert!(before == tree(test_env.home()), "a cached token was read");
}

#[test]
fn a_directory_that_may_not_be_written_is_listed_and_left_as_it_is() {
    if !may_mount() {
        return;
    }
    let test_env = TestEnv::new();
    let home = test_env.path("home");
    let list = |setup| {
        let ran = test_env.run_as_other_user("home", setup, false, &[], &["cache", "list"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stderr
    };
    list(":");
    let before = tree(&home);
    let said = list("chmod 500 \"$HOME/.kube/cache\"");
    assert!(said.contains("Permission denied"), "{said}");
    let said = list("chmod 755 \"$HOME/.kube/cache\"");
    assert!(!said.contains("Permission denied"), "{said}");
    assert!(before == tree(&home));
}

#[test]
fn listing_the_cache_creates_no_key() {
    if !may_mount() {
        return;
    }
    let test_env = TestEnv::new();
    let home = test_env.path("home");
    fs::create_dir(&home).expect("created");
    // A user that no other test uses, so that the key does not exist yet.
    let uid = 1_000_000 + std::process::id();
    for path in [test_env.home(), &home] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("ours");
    }
    chown(&home, Some(uid), None).expect("root");
    let uid = uid.to_string();
    let run_as = |program: &str, args: &[&str]| {
        let mut command = test_env.program("/usr/bin/setpriv");
        command.args(["--reuid", &uid, "--clear-groups", program]);
        run(command.args(args).env("HOME", &home))
    };
    let has_key = || {
        let keys = run_as("cat", &["/proc/keys"]);
        keys.stdout.lines().any(|key| key.contains(" kubectl-aad:"))
    };
    if has_key() {
        return; // of an earlier run whose process id was the same
    }
    let listed = run_as(PROGRAM, &["cache", "list", "-o", "json"]);
    assert!(!has_key());
    let authority = test_env.simulator.authority_url();
    let secret = test_env.principal.secret();
    let mut args = vec!["get-token", "--server-id", AKS_SERVER_APP];
    args.extend(["--authority-host", &authority, "--client-secret", secret]);
    args.extend(test_env.spn_args(&[]));
    test_env.claims(&run_as(PROGRAM, &args));
    let is_in_keyring = listed.json(0)["store"]["kind"] == "kernel-keyring";
    assert_eq!(has_key(), is_in_keyring);
}
