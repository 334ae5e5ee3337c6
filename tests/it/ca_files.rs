//! `sync --ca-files`: certificate authorities in files beside the kubeconfig.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use azure_sim::{Fleet, FleetSpec};
use serde_yaml::Value;

use crate::{
    env::{Ran, TestEnv, names, run},
    support::{may_mount, peer},
};

/// The name of a file that no kubeconfig names any more.
const STALE: &str = "00000000000000000000000000000000.crt";

fn test_env() -> TestEnv {
    TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters: 2,
        ..FleetSpec::default()
    }))
}

/// A sync that must succeed.
fn sync(test_env: &TestEnv, args: &[&str]) -> Ran {
    let synced = run(&mut test_env.sync(args));
    assert_eq!(synced.code, 0, "{}", synced.stderr);
    synced
}

fn directory(test_env: &TestEnv) -> PathBuf {
    test_env.path(".kube/config.aad-ca")
}

fn parsed(text: &str) -> Value {
    serde_yaml::from_str(text).expect("YAML")
}

/// The clusters of a kubeconfig, by name.
fn clusters(text: &str) -> Vec<(String, Value)> {
    let kubeconfig = parsed(text);
    let list = kubeconfig["clusters"].as_sequence().expect("a list");
    let name = |entry: &Value| entry["name"].as_str().expect("a name").to_owned();
    list.iter()
        .map(|entry| (name(entry), entry["cluster"].clone()))
        .collect()
}

/// The one path that all clusters of a kubeconfig name; none if they hold their certificate authorities.
fn named(text: &str) -> Option<String> {
    let mut paths: Vec<Option<String>> = clusters(text)
        .into_iter()
        .map(|(_, cluster)| {
            let path = cluster["certificate-authority"].as_str();
            let held = cluster["certificate-authority-data"].as_str();
            assert!(path.is_some() != held.is_some(), "{cluster:?}");
            path.map(str::to_owned)
        })
        .collect();
    paths.dedup();
    assert_eq!(
        paths.len(),
        1,
        "the simulator has one certificate authority"
    );
    paths.remove(0)
}

/// Runs kubectl, which must succeed.
fn kubectl(test_env: &TestEnv, program: &Path, args: &[&str]) -> String {
    let ran = run(test_env.program(program).args(args));
    assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
    ran.stdout
}

/// Holds that kubectl reaches each cluster of a kubeconfig, with nothing but the file to trust it by.
fn reaches_all(test_env: &TestEnv, program: &Path, kubeconfig: &str) {
    let list = [
        "--kubeconfig",
        kubeconfig,
        "config",
        "get-contexts",
        "-o",
        "name",
    ];
    for context in kubectl(test_env, program, &list).lines() {
        let get = [
            "--kubeconfig",
            kubeconfig,
            "--context",
            context,
            "get",
            "ns",
        ];
        let spaces = kubectl(test_env, program, &get);
        assert!(spaces.contains("kube-system"), "{spaces}");
    }
}

fn summary(synced: &Ran) -> (u64, u64) {
    let summary = &synced.json(0)["summary"];
    let count = |what: &str| summary[what].as_u64().expect("a number");
    (count("updated"), count("unchanged"))
}

#[test]
fn certificate_authorities_move_to_files_and_back() {
    let Some(program) = peer("kubectl") else {
        return;
    };
    let test_env = test_env();
    sync(&test_env, &[]);
    let held = test_env.kubeconfig_text();
    assert_eq!(named(&held), None);

    let moved = sync(&test_env, &["--ca-files", "-o", "json"]);
    assert_eq!(summary(&moved), (2, 0));
    assert!(
        !moved.stdout.contains("certificateAuthority"),
        "{}",
        moved.stdout
    );
    let in_files = test_env.kubeconfig_text();
    let path = named(&in_files).expect("a path");
    let (beside, name) = path.split_once('/').expect("two parts");
    assert_eq!(beside, "config.aad-ca");
    assert_eq!(names(&directory(&test_env)), [name]);
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&directory(&test_env)), 0o700);
    assert_eq!(mode(&directory(&test_env).join(name)), 0o600);
    reaches_all(&test_env, &program, ".kube/config");
    let flat = kubectl(
        &test_env,
        &program,
        &["config", "view", "--flatten", "--raw"],
    );
    assert_eq!(named(&flat), None);

    let again = sync(&test_env, &["--ca-files", "-o", "json"]);
    assert_eq!(summary(&again), (0, 2));
    assert_eq!(test_env.kubeconfig_text(), in_files);

    sync(&test_env, &[]);
    assert_eq!(parsed(&test_env.kubeconfig_text()), parsed(&held));
    assert!(!directory(&test_env).exists());
}

#[test]
fn a_dry_run_writes_no_file() {
    let test_env = test_env();
    sync(&test_env, &["--ca-files", "--dry-run"]);
    assert!(!directory(&test_env).exists());
}

#[test]
fn files_that_are_missing_or_damaged_are_written_again_and_stale_ones_are_removed() {
    let test_env = test_env();
    sync(&test_env, &["--ca-files"]);
    let before = test_env.kubeconfig_text();
    let directory = directory(&test_env);
    let written = names(&directory);
    let content = fs::read(directory.join(&written[0])).expect("there");
    let check = || {
        sync(&test_env, &["--ca-files"]);
        assert_eq!(test_env.kubeconfig_text(), before);
        assert_eq!(names(&directory), written);
        assert_eq!(
            fs::read(directory.join(&written[0])).expect("there"),
            content
        );
    };
    fs::write(directory.join(&written[0]), "cut off").expect("ours");
    fs::write(directory.join(STALE), "of a cluster that is gone").expect("ours");
    fs::write(directory.join(".tmp-x"), "of a run that was killed").expect("ours");
    check();
    fs::remove_dir_all(&directory).expect("ours");
    check();
    // A link in a file's place is not written through.
    let elsewhere = test_env.write("elsewhere", "mine");
    fs::remove_file(directory.join(&written[0])).expect("ours");
    symlink(&elsewhere, directory.join(&written[0])).expect("linked");
    check();
    assert_eq!(test_env.read("elsewhere"), "mine");
    // What is not of our form stays, and so does its directory.
    fs::write(directory.join("mine.crt"), "mine").expect("ours");
    sync(&test_env, &[]);
    assert_eq!(names(&directory), ["mine.crt"]);
}

#[test]
fn a_certificate_authority_that_a_person_chose_stays() {
    let Some(program) = peer("kubectl") else {
        return;
    };
    let test_env = test_env();
    sync(&test_env, &["--ca-files"]);
    let [(mine, _), (other, _)] =
        <[_; 2]>::try_from(clusters(&test_env.kubeconfig_text())).expect("two clusters");
    let ca = test_env.files.ca.display().to_string();
    let flag = format!("--certificate-authority={ca}");
    kubectl(
        &test_env,
        &program,
        &["config", "set-cluster", &mine, &flag],
    );
    let flag = "--insecure-skip-tls-verify=true";
    kubectl(
        &test_env,
        &program,
        &["config", "set-cluster", &other, flag],
    );
    for args in [&["--ca-files"][..], &[]] {
        sync(&test_env, args);
        let clusters = clusters(&test_env.kubeconfig_text());
        assert_eq!(clusters[0].1["certificate-authority"].as_str(), Some(&*ca));
        for (_, cluster) in &clusters {
            assert!(
                cluster.get("certificate-authority-data").is_none(),
                "{cluster:?}"
            );
        }
        assert!(clusters[1].1.get("certificate-authority").is_none());
        assert!(
            !directory(&test_env).exists(),
            "no cluster names a file in it"
        );
        reaches_all(&test_env, &program, ".kube/config");
    }
}

#[test]
fn our_files_are_known_after_kubectl_rewrote_their_paths() {
    let Some(program) = peer("kubectl") else {
        return;
    };
    let test_env = test_env();
    sync(&test_env, &["--ca-files"]);
    let text = test_env.kubeconfig_text();
    let path = named(&text).expect("a path");
    let absolute = test_env.path(".kube").join(&path).display().to_string();
    for spelled in [format!("./{path}"), absolute] {
        fs::write(test_env.kubeconfig(), text.replace(&path, &spelled)).expect("ours");
        reaches_all(&test_env, &program, ".kube/config");
        sync(&test_env, &["--ca-files"]);
        assert_eq!(test_env.kubeconfig_text(), text, "{spelled}");
        fs::write(test_env.kubeconfig(), text.replace(&path, &spelled)).expect("ours");
        sync(&test_env, &[]);
        assert_eq!(named(&test_env.kubeconfig_text()), None, "{spelled}");
        sync(&test_env, &["--ca-files"]);
    }

    // kubectl writes an entry that it changes with its own spelling of the path.
    for (name, _) in clusters(&text) {
        let set = [
            "config",
            "set-cluster",
            &name,
            "--tls-server-name=127.0.0.1",
        ];
        kubectl(&test_env, &program, &set);
        kubectl(&test_env, &program, &["config", "use-context", &name]);
    }
    reaches_all(&test_env, &program, ".kube/config");
    let report = sync(&test_env, &["--ca-files", "-o", "json"]);
    assert_eq!(summary(&report), (0, 2));
    sync(&test_env, &[]);
    assert_eq!(named(&test_env.kubeconfig_text()), None);
}

#[test]
fn through_a_link_the_files_are_beside_the_file_and_found_by_both_names() {
    let Some(program) = peer("kubectl") else {
        return;
    };
    let test_env = test_env();
    for directory in [".kube", "dotfiles"] {
        fs::create_dir(test_env.path(directory)).expect("made");
    }
    symlink("../dotfiles/kubeconfig", test_env.kubeconfig()).expect("linked");
    sync(&test_env, &["--ca-files"]);
    assert_eq!(
        names(&test_env.path(".kube")).first().map(String::as_str),
        Some("cache")
    );
    assert_eq!(
        names(&test_env.path("dotfiles")),
        ["kubeconfig", "kubeconfig.aad-ca"]
    );
    for kubeconfig in [".kube/config", "dotfiles/kubeconfig"] {
        reaches_all(&test_env, &program, kubeconfig);
        // Under its other name the paths become relative or absolute, and nothing else changes.
        sync(&test_env, &["--ca-files", "--kubeconfig", kubeconfig]);
    }
    sync(&test_env, &[]);
    assert_eq!(names(&test_env.path("dotfiles")), ["kubeconfig"]);
}

#[test]
fn each_of_several_kubeconfigs_has_its_own_files() {
    let Some(program) = peer("kubectl") else {
        return;
    };
    let fleet = Fleet::generate(&FleetSpec {
        clusters: 2,
        subscriptions: 2,
        ..FleetSpec::default()
    });
    let clusters_of = fleet.clusters.clone();
    let test_env = TestEnv::with_fleet(fleet);
    for (file, cluster) in ["one", "two"].into_iter().zip(&clusters_of) {
        let alone = [
            "--kubeconfig",
            file,
            "--subscription",
            &cluster.subscription_id,
        ];
        sync(&test_env, &alone);
    }
    let list = "two:one";
    let synced = run(test_env.sync(&["--ca-files"]).env("KUBECONFIG", list));
    assert_eq!(synced.code, 0, "{}", synced.stderr);
    let there = test_env.names();
    assert!(there.contains(&"one.aad-ca".to_owned()), "{there:?}");
    assert!(there.contains(&"two.aad-ca".to_owned()), "{there:?}");
    assert!(
        named(&test_env.read("one"))
            .expect("a path")
            .starts_with("one.aad-ca/")
    );
    assert!(
        named(&test_env.read("two"))
            .expect("a path")
            .starts_with("two.aad-ca/")
    );
    for context in ["one", "two"]
        .into_iter()
        .flat_map(|file| clusters(&test_env.read(file)))
    {
        let get = ["--context", &context.0, "get", "ns"];
        let spaces = run(test_env.program(&program).args(get).env("KUBECONFIG", list));
        assert_eq!(spaces.code, 0, "{}", spaces.stderr);
    }
}

/// Holds that a sync with the flag is refused before anybody signs in, and one without it works.
fn is_refused(test_env: &TestEnv, words: &str) {
    let before = test_env.kubeconfig_text();
    test_env.simulator.reset();
    let refused = run(&mut test_env.sync(&["--ca-files"]));
    refused.assert_fails(1, &[words, "config.aad-ca"]);
    assert_eq!(test_env.simulator.counters().total(), 0);
    assert_eq!(test_env.kubeconfig_text(), before);
    sync(test_env, &[]);
}

#[test]
fn a_directory_that_others_could_write_is_refused() {
    let test_env = test_env();
    sync(&test_env, &[]);
    let directory = directory(&test_env);
    let elsewhere = test_env.path("elsewhere");
    fs::create_dir(&elsewhere).expect("made");
    fs::write(elsewhere.join(STALE), "mine").expect("written");
    symlink(&elsewhere, &directory).expect("linked");
    is_refused(&test_env, "it is not a directory, or a link to one");
    assert_eq!(names(&elsewhere), [STALE], "nothing is removed there");
    fs::remove_file(&directory).expect("ours");

    fs::create_dir(&directory).expect("made");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).expect("ours");
    is_refused(&test_env, "others may write there");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("ours");
    sync(&test_env, &["--ca-files"]);
    sync(&test_env, &[]);

    if rustix::process::geteuid().is_root() {
        fs::create_dir(&directory).expect("made");
        std::os::unix::fs::chown(&directory, Some(1), None).expect("given away");
        is_refused(&test_env, "it belongs to another user");
        assert!(directory.exists());
    }
}

/// What must hold whenever a run ended: the old kubeconfig or the new one, and each with its files.
fn is_whole(test_env: &TestEnv, allowed: &[&str]) {
    let text = test_env.kubeconfig_text();
    let now = parsed(&text);
    assert!(
        allowed.iter().any(|allowed| parsed(allowed) == now),
        "{text}"
    );
    if let Some(path) = named(&text) {
        let content = fs::read_to_string(test_env.path(".kube").join(path)).expect("it is there");
        assert!(
            content.ends_with("-----END CERTIFICATE-----\n"),
            "{content}"
        );
    }
}

#[test]
fn on_a_full_disk_nothing_changes() {
    if !may_mount() {
        return;
    }
    let test_env = test_env();
    sync(&test_env, &[]);
    let before = test_env.kubeconfig_text();
    // The disk has room for nothing more once the directory is there.
    let script = "mkdir .kube/config.aad-ca; chmod 700 .kube/config.aad-ca; \
        mount -t tmpfs -o size=4k,mode=700 none .kube/config.aad-ca; \
        head -c 4096 /dev/zero >.kube/config.aad-ca/full; exec \"$@\"";
    let mut command = test_env.program("/usr/bin/unshare");
    command.args(["--mount", "--propagation=private", "sh", "-c", script, "sh"]);
    let sync = test_env.sync(&["--ca-files", "--no-warm"]);
    command.arg(sync.get_program()).args(sync.get_args());
    let full = run(&mut command);
    full.assert_fails(
        1,
        &["could not write certificate authorities", "No space left"],
    );
    is_whole(&test_env, &[&before]);
}

/// A kubeconfig and the files beside it, by name.
#[derive(PartialEq)]
struct State {
    kubeconfig: String,
    files: Option<Vec<(String, Vec<u8>)>>,
}

impl State {
    fn of(test_env: &TestEnv) -> Self {
        let directory = directory(test_env);
        let file = |name: String| (name.clone(), fs::read(directory.join(name)).expect("there"));
        let files = directory.exists().then(|| names(&directory));
        Self {
            kubeconfig: test_env.kubeconfig_text(),
            files: files.map(|names| names.into_iter().map(file).collect()),
        }
    }

    fn restore(&self, test_env: &TestEnv) {
        let directory = directory(test_env);
        let _ = fs::remove_dir_all(&directory);
        if let Some(files) = &self.files {
            fs::create_dir(&directory).expect("made");
            for (name, content) in files {
                fs::write(directory.join(name), content).expect("written");
            }
        }
        fs::write(test_env.kubeconfig(), &self.kubeconfig).expect("written");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_that_is_killed_at_any_of_its_writes_leaves_the_old_or_the_new() {
    let test_env = test_env();
    let state = |args: &[&str]| {
        sync(&test_env, args);
        State::of(&test_env)
    };
    let held = state(&["--no-warm"]);
    let in_files = state(&["--no-warm", "--ca-files"]);
    let both = [held.kubeconfig.as_str(), in_files.kubeconfig.as_str()];
    for (old, new, args) in [
        (&held, &in_files, &["--no-warm", "--ca-files"][..]),
        (&in_files, &held, &["--no-warm"]),
    ] {
        let mut halfway = 0;
        for call in 1.. {
            old.restore(&test_env);
            let mut command = test_env.sync(args);
            killed_at(&mut command, call);
            let status = command.output().expect("it starts").status;
            is_whole(&test_env, &both);
            if status.success() {
                break;
            }
            if State::of(&test_env) == *old {
                continue;
            }
            halfway += 1;
            let after = state(args);
            is_whole(&test_env, &[&new.kubeconfig]);
            assert!(after.files == new.files, "nothing else is left");
        }
        assert!(halfway > 1, "{halfway}");
    }
}

/// Makes a program end in place of its nth call that changes a file.
#[cfg(target_os = "linux")]
fn killed_at(command: &mut Command, call: u32) {
    command
        .env("LD_PRELOAD", crate::sequences::preload())
        .env("AAD_MACHINE_DIES_AT", call.to_string());
}
