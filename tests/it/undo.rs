//! Writes of kubeconfigs that are undone.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    path::Path,
};

use azure_sim::{Fleet, FleetSpec};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::{
    env::{Ran, TestEnv, finished, names, run, start},
    support::{kubeconfig, may_mount, peer},
};

const BACKUPS: &str = ".kube/cache/kubectl-aad/backups";

/// What is planted in kubeconfigs and must not be shown.
const PLANTED: &str = "hunter2-planted";

fn test_env() -> TestEnv {
    TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters: 3,
        ..FleetSpec::default()
    }))
}

fn succeeds(ran: Ran) -> Ran {
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    ran
}

fn sync(test_env: &TestEnv, args: &[&str]) {
    succeeds(run(test_env.sync(&["--no-warm"]).args(args)));
}

fn undo(test_env: &TestEnv, args: &[&str]) -> Ran {
    let ran = run(test_env.aad(&["undo"]).args(args));
    for shown in [&ran.stdout, &ran.stderr] {
        assert!(!shown.contains(PLANTED), "{shown}");
    }
    ran
}

fn undone(test_env: &TestEnv, args: &[&str]) -> Ran {
    succeeds(undo(test_env, args))
}

/// A kubeconfig of somebody else, with a secret.
fn foreign() -> String {
    format!(
        "{}- {{name: theirs, user: {{token: {PLANTED}}}}} # {PLANTED} token\n",
        kubeconfig(2)
    )
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
}

#[test]
fn undo_brings_back_equal_bytes_and_undo_of_undo_the_others() {
    let test_env = test_env();
    fs::create_dir(test_env.path(".kube")).expect("made");
    for bits in [0o600, 0o640] {
        let before = foreign();
        fs::write(test_env.kubeconfig(), &before).expect("written");
        set_mode(&test_env.kubeconfig(), bits);
        sync(&test_env, &[]);
        let after = test_env.kubeconfig_text();
        assert_ne!(after, before);
        for expected in [&before, &after, &before] {
            undone(&test_env, &[]);
            assert_eq!(&test_env.kubeconfig_text(), expected);
            assert_eq!(mode(&test_env.kubeconfig()), bits);
        }
        succeeds(test_env.convert(&["-l", "msi"]));
        undone(&test_env, &["-o", "diff"]);
        assert_eq!(test_env.kubeconfig_text(), before);
    }
}

#[test]
fn a_kubeconfig_that_the_first_sync_made_is_removed_and_comes_back() {
    let test_env = test_env();
    sync(&test_env, &[]);
    let made = test_env.kubeconfig_text();
    let said = undone(&test_env, &[]);
    assert!(
        said.stdout
            .contains("removed, because it did not exist before"),
        "{}",
        said.stdout
    );
    assert!(!test_env.kubeconfig().exists());
    undone(&test_env, &[]);
    assert_eq!(test_env.kubeconfig_text(), made);
    assert_eq!(mode(&test_env.kubeconfig()), 0o600);
    // Somebody else's context in it keeps it.
    let edited = made.replace("current-context: ", "current-context: other-");
    fs::write(test_env.kubeconfig(), format!("{edited}# theirs\n")).expect("written");
    undo(&test_env, &[]).assert_fails(1, &["and not by this program"]);
    assert!(test_env.kubeconfig().exists());
}

#[test]
fn what_others_changed_is_kept_unless_it_is_given_up_and_even_then_undo_brings_it_back() {
    let test_env = test_env();
    fs::create_dir(test_env.path(".kube")).expect("made");
    fs::write(test_env.kubeconfig(), foreign()).expect("written");
    sync(&test_env, &[]);
    let edited = test_env.kubeconfig_text() + "# theirs\n";
    fs::write(test_env.kubeconfig(), &edited).expect("written");
    let refused = undo(&test_env, &[]);
    refused.assert_fails(
        1,
        &[
            "was changed after `sync` wrote it",
            "`kubectl aad undo --force`",
            "undo --force --dry-run`",
        ],
    );
    assert_eq!(test_env.kubeconfig_text(), edited);
    undone(&test_env, &["--force", "--dry-run", "-o", "diff"]);
    assert_eq!(test_env.kubeconfig_text(), edited);
    let forced = undone(&test_env, &["--force", "-o", "json"]).json(0);
    assert_eq!(forced["files"][0]["overruled"], true);
    assert_eq!(test_env.kubeconfig_text(), foreign());
    undone(&test_env, &[]);
    assert_eq!(test_env.kubeconfig_text(), edited);

    fs::remove_file(test_env.kubeconfig()).expect("ours");
    undo(&test_env, &[]).assert_fails(1, &["was removed after `undo` wrote it"]);
    undone(&test_env, &["--force"]);
    assert_eq!(test_env.kubeconfig_text(), foreign());
}

#[test]
fn there_is_nothing_to_undo_without_a_write() {
    let test_env = test_env();
    undo(&test_env, &[]).assert_fails(1, &["nothing to undo", ".kube/config"]);
    let none = undone(&test_env, &["--list"]);
    assert_eq!(
        (none.stdout.as_str(), none.stderr.as_str()),
        ("", "nothing can be undone\n")
    );
    sync(&test_env, &[]);
    sync(&test_env, &[]);
    assert_eq!(
        names(&test_env.path(BACKUPS)).len(),
        1,
        "the second one wrote nothing"
    );
    undo(&test_env, &["--kubeconfig", "other"])
        .assert_fails(1, &["`--kubeconfig FILE`", "no write of `"]);
    undo(&test_env, &["--to", "7"]).assert_fails(1, &["no backup 7", "undo --list"]);
    undone(&test_env, &[]);
    // As after a run that was killed before its write.
    let backups = names(&test_env.path(BACKUPS));
    fs::remove_file(test_env.path(BACKUPS).join(&backups[1])).expect("there");
    undo(&test_env, &[]).assert_fails(1, &["is as before `sync` wrote it", "--to ID"]);
    undo(&test_env, &["--to", "1"]).assert_fails(1, &["is as before `sync` wrote it"]);
}

#[test]
fn an_older_write_is_undone_with_all_later_ones() {
    let test_env = test_env();
    let path = test_env.write("config", &kubeconfig(2));
    let before = kubeconfig(2);
    let on_file = ["--kubeconfig", "config"];
    for login in ["msi", "azurecli", "devicecode"] {
        succeeds(test_env.convert(&["--kubeconfig", "config", "-l", login]));
    }
    let list = undone(
        &test_env,
        &[&on_file[..], &["--list", "-o", "json"]].concat(),
    )
    .json(0);
    let ids = list["backups"].as_array().expect("a list").iter();
    let ids: Vec<_> = ids
        .map(|backup| backup["id"].as_u64().expect("a number"))
        .collect();
    assert_eq!(ids, [3, 2, 1]);
    assert_eq!(list["backups"][0]["command"], "convert-kubeconfig");
    let now = fs::read_to_string(&path).expect("there");
    undone(&test_env, &[&on_file[..], &["--to", "1"]].concat());
    assert_eq!(fs::read_to_string(&path).expect("there"), before);
    undone(&test_env, &on_file);
    assert_eq!(fs::read_to_string(&path).expect("there"), now);

    // Somebody wrote it between two of them.
    fs::write(&path, now.replace("# mine", "# yours")).expect("written");
    succeeds(test_env.convert(&["--kubeconfig", "config", "-l", "msi"]));
    undo(&test_env, &[&on_file[..], &["--to", "1"]].concat()).assert_fails(1, &["--to 1 --force`"]);
    undone(&test_env, &on_file);
}

#[test]
fn several_files_are_undone_together_and_each_alone() {
    let test_env = test_env();
    let both = format!("one:{}", test_env.path("two").display());
    let texts = || ["one", "two"].map(|name| fs::read_to_string(test_env.path(name)).ok());
    let other = foreign().replace("x0", "y0").replace("x1", "y1");
    let other = other.replace("u0", "v0").replace("u1", "v1");
    let before = [foreign(), other];
    for (name, text) in ["one", "two"].iter().zip(&before) {
        test_env.write(name, text);
    }
    let convert = |mode: &str| {
        let mut command = test_env.aad(&["convert-kubeconfig", "-l", mode]);
        succeeds(run(command.env("KUBECONFIG", &both)));
    };
    let undo_both =
        |args: &[&str]| run(test_env.aad(&["undo"]).args(args).env("KUBECONFIG", &both));
    convert("msi");
    let after = texts();
    assert_eq!(names(&test_env.path(BACKUPS)).len(), 1, "one for both");
    succeeds(undo_both(&[]));
    assert_eq!(texts(), before.clone().map(Some));
    succeeds(undo_both(&[]));
    assert_eq!(texts(), after);

    let alone = undone(&test_env, &["--kubeconfig", "two"]);
    assert!(
        alone.stderr.contains("`undo` also wrote ~/one"),
        "{}",
        alone.stderr
    );
    assert_eq!(texts(), [after[0].clone(), Some(before[1].clone())]);
    succeeds(undo_both(&[]));
    assert_eq!(texts(), after);

    // One was removed: the other can still be brought back, and both if that is given up.
    convert("azurecli");
    fs::remove_file(test_env.path("two")).expect("ours");
    undo_both(&[]).assert_fails(1, &["/two` was removed after"]);
    undone(&test_env, &["--kubeconfig", "one"]);
    assert_eq!(texts(), [after[0].clone(), None]);
    succeeds(undo_both(&["--to", "1", "--force"]));
    assert_eq!(texts(), before.map(Some));
}

#[test]
fn a_file_that_is_not_writable_any_more_is_reported_before_another_is_written() {
    if !may_mount() {
        return;
    }
    let test_env = test_env();
    let home = test_env.path("home");
    fs::create_dir_all(&home).expect("made");
    for name in ["one", "two"] {
        fs::write(
            home.join(name),
            kubeconfig(1).replace("x0", name).replace("u0", name),
        )
        .expect("written");
    }
    let variables = ["KUBECONFIG=one:two"];
    let convert = ["convert-kubeconfig", "-l", "msi"];
    succeeds(test_env.run_as_other_user("home", ":", false, &variables, &convert));
    let written = ["one", "two"].map(|name| fs::read_to_string(home.join(name)).expect("there"));
    let refused = test_env.run_as_other_user(
        "home",
        "mount --bind two two; mount -o remount,ro,bind two",
        false,
        &variables,
        &["undo"],
    );
    refused.assert_fails(
        1,
        &["could not write the kubeconfig `two`", "--kubeconfig FILE"],
    );
    let now = ["one", "two"].map(|name| fs::read_to_string(home.join(name)).expect("there"));
    assert_eq!(now, written);
    let alone = ["undo", "--kubeconfig", "one"];
    succeeds(test_env.run_as_other_user("home", ":", false, &[], &alone));
    assert_ne!(
        fs::read_to_string(home.join("one")).expect("there"),
        written[0]
    );
}

#[test]
fn a_linked_kubeconfig_stays_a_link_and_one_that_leads_elsewhere_is_another_kubeconfig() {
    let test_env = test_env();
    let real = test_env.write("real", &foreign());
    fs::create_dir(test_env.path(".kube")).expect("made");
    symlink(&real, test_env.kubeconfig()).expect("linked");
    sync(&test_env, &[]);
    let after = test_env.kubeconfig_text();
    undone(&test_env, &[]);
    assert!(test_env.kubeconfig().is_symlink());
    assert_eq!(test_env.read("real"), foreign());
    // By its other name.
    undone(&test_env, &["--kubeconfig", "real"]);
    assert_eq!(test_env.read("real"), after);
    let other = test_env.write("other", "apiVersion: v1\n");
    fs::remove_file(test_env.kubeconfig()).expect("ours");
    symlink(&other, test_env.kubeconfig()).expect("linked");
    undo(&test_env, &["--force"]).assert_fails(1, &["nothing to undo"]);
    assert_eq!(test_env.read("other"), "apiVersion: v1\n");
}

#[test]
fn certificate_authorities_come_back_before_the_kubeconfig_that_names_them() {
    let test_env = test_env();
    sync(&test_env, &["--ca-files"]);
    let directory = test_env.path(".kube/config.aad-ca");
    let held = || {
        let files = match directory.exists() {
            true => names(&directory),
            false => Vec::new(),
        };
        let read = |name: String| (fs::read(directory.join(&name)).expect("there"), name);
        files.into_iter().map(read).collect::<Vec<_>>()
    };
    let (in_files, files) = (test_env.kubeconfig_text(), held());
    assert!(!files.is_empty());
    sync(&test_env, &[]);
    let in_one = test_env.kubeconfig_text();
    assert!(held().is_empty());
    for (text, authorities) in [
        (&in_files, &files),
        (&in_one, &Vec::new()),
        (&in_files, &files),
    ] {
        undone(&test_env, &[]);
        assert_eq!(&test_env.kubeconfig_text(), text);
        assert_eq!(&held(), authorities);
    }
    undone(&test_env, &["--to", "1"]);
    assert!(!test_env.kubeconfig().exists() && held().is_empty());
}

#[test]
fn a_utf_16_kubeconfig_comes_back_as_it_was() {
    let test_env = test_env();
    let utf_16: Vec<u8> = std::iter::once(0xfeff)
        .chain(kubeconfig(1).encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let path = test_env.path("config");
    fs::write(&path, &utf_16).expect("written");
    succeeds(test_env.convert(&["--kubeconfig", "config", "-l", "msi"]));
    fs::write(&path, kubeconfig(1)).expect("written");
    undone(&test_env, &["--kubeconfig", "config", "--force"]);
    assert_eq!(fs::read(&path).expect("there"), utf_16);
}

#[test]
fn backups_are_private_and_the_directory_of_another_user_is_not_used() {
    let test_env = test_env();
    sync(&test_env, &[]);
    let directory = test_env.path(BACKUPS);
    assert_eq!(mode(&directory), 0o700);
    for name in names(&directory) {
        assert_eq!(mode(&directory.join(name)), 0o600);
    }
    let planted = directory.join("00000009.backup");
    fs::copy(directory.join("00000001.backup"), &planted).expect("copied");
    set_mode(&planted, 0o644);
    let list = undone(&test_env, &["--list", "-o", "json"]).json(0);
    assert_eq!(
        list["backups"].as_array().map(Vec::len),
        Some(1),
        "others could have written it"
    );

    set_mode(&directory, 0o755);
    undo(&test_env, &[]).assert_fails(1, &["other users can reach it", "chmod 700"]);
    set_mode(&directory, 0o700);
    if rustix::process::geteuid().is_root() {
        chown(&directory, Some(1), None).expect("given away");
        undo(&test_env, &[]).assert_fails(1, &["it belongs to another user (uid 1)"]);
        succeeds(test_env.convert(&["-l", "msi"]));
        assert_eq!(names(&directory).len(), 2, "nothing was kept there");
        assert_eq!(fs::metadata(&directory).expect("there").uid(), 1);
    }
}

#[test]
fn a_damaged_backup_is_refused_and_the_kubeconfig_stays() {
    let test_env = test_env();
    fs::create_dir(test_env.path(".kube")).expect("made");
    fs::write(test_env.kubeconfig(), foreign()).expect("written");
    sync(&test_env, &[]);
    let after = test_env.kubeconfig_text();
    let backup = test_env.path(BACKUPS).join("00000001.backup");
    let bytes = fs::read(&backup).expect("there");
    let text = String::from_utf8(bytes).expect("text");
    fs::write(&backup, text.replace("https://c0", "https://c9")).expect("written");
    undo(&test_env, &["--force"])
        .assert_fails(1, &["the backup 1 is damaged", "nothing was changed"]);
    assert_eq!(test_env.kubeconfig_text(), after);
}

#[test]
fn a_backup_that_cannot_be_kept_is_a_warning_and_the_write_goes_on() {
    if !may_mount() {
        return;
    }
    let test_env = test_env();
    let home = test_env.path("home");
    for (setup, why) in [
        (
            "chown 0:0 .kube/cache; chmod 755 .kube/cache",
            "Permission denied",
        ),
        (
            "mount --bind .kube/cache .kube/cache; mount -o remount,ro,bind .kube/cache",
            "Read-only file system",
        ),
        (
            "mkdir -p .kube/cache/kubectl-aad/backups; chmod -R 700 .kube/cache/kubectl-aad; \
             chown -R 65534:65534 .kube/cache/kubectl-aad; \
             mount -t tmpfs -o size=4k,mode=700,uid=65534 none .kube/cache/kubectl-aad/backups; \
             head -c 4096 /dev/zero >.kube/cache/kubectl-aad/backups/full",
            "No space left on device",
        ),
        ("export KUBECACHEDIR=/proc/nothing", "can't be used"),
    ] {
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(home.join(".kube")).expect("made");
        fs::write(home.join(".kube/config"), kubeconfig(2)).expect("written");
        let convert = ["convert-kubeconfig", "-l", "msi"];
        let ran = test_env.run_as_other_user("home", setup, false, &[], &convert);
        let line = ran
            .stderr
            .lines()
            .find(|line| line.starts_with("warning: "));
        let line = line.unwrap_or_else(|| panic!("{}", ran.stderr)).to_owned();
        assert!(
            line.starts_with("warning: `kubectl aad undo` can't"),
            "{line}"
        );
        assert!(
            line.contains(why) && !line.contains("--cache-dir"),
            "{line}"
        );
        succeeds(ran);
        let text = fs::read_to_string(home.join(".kube/config")).expect("there");
        assert!(text.contains("- msi"), "{text}");
        assert_eq!(
            names(&home.join(".kube")).len(),
            2,
            "no temporary file is left"
        );
    }
}

#[test]
fn a_write_that_changes_nothing_syncs_nothing_to_disk() {
    let Some(strace) = peer("strace") else { return };
    let test_env = test_env();
    test_env.write("config", &kubeconfig(2));
    let calls = || {
        let mut command = test_env.program(&strace);
        command.args(["-f", "-qq", "-o", "calls", "-e", "trace=fsync,fdatasync"]);
        let convert = test_env.aad(&["convert-kubeconfig", "--kubeconfig", "config", "-l", "msi"]);
        succeeds(run(command
            .arg(convert.get_program())
            .args(convert.get_args())));
        test_env
            .read("calls")
            .lines()
            .filter(|line| line.contains("sync("))
            .count()
    };
    assert!(calls() > 1);
    let before = names(&test_env.path(BACKUPS));
    assert_eq!(calls(), 0);
    assert_eq!(names(&test_env.path(BACKUPS)), before);
}

#[test]
fn each_of_many_writes_at_once_keeps_what_it_found() {
    const WRITES: usize = 12;
    let test_env = test_env();
    let before = kubeconfig(WRITES);
    test_env.write("config", &before);
    let children: Vec<_> = (0..WRITES)
        .map(|i| {
            let args = ["convert-kubeconfig", "--kubeconfig", "config", "-l", "msi"];
            start(test_env.aad(&args).args(["--context", &format!("x{i}")]))
        })
        .collect();
    for child in children {
        succeeds(finished(child));
    }
    let list = undone(
        &test_env,
        &["--kubeconfig", "config", "--list", "-o", "json"],
    )
    .json(0);
    let backups = list["backups"].as_array().expect("a list");
    assert_eq!(backups.len(), 10);
    let table = undone(&test_env, &["--kubeconfig", "config", "--list"]).stdout;
    assert!(table.starts_with("ID  AGE "), "{table}");
    assert!(table.contains("convert-kubeconfig  ~/config\n"), "{table}");
    assert_eq!(table.lines().count(), 11);
    let oldest = backups[9]["id"].as_u64().expect("a number").to_string();
    undone(&test_env, &["--kubeconfig", "config", "--to", &oldest]);
    let left = test_env.read("config").matches("- msi").count();
    assert_eq!(left, WRITES - 10, "each write had converted one user");
}

#[test]
fn clearing_the_cache_keeps_backups_unless_they_are_named() {
    let test_env = test_env();
    sync(&test_env, &[]);
    let listed = succeeds(run(&mut test_env.aad(&["cache", "list", "-o", "json"])));
    assert_eq!(listed.json(0)["backups"]["count"], 1);
    assert!(
        listed
            .stderr
            .contains("note: 1 backup of kubeconfigs is in"),
        "{}",
        listed.stderr
    );
    succeeds(run(&mut test_env.aad(&["cache", "clear"])));
    assert_eq!(names(&test_env.path(BACKUPS)).len(), 1);
    let cleared = succeeds(run(&mut test_env.aad(&["cache", "clear", "--backups"])));
    assert!(
        cleared.stderr.contains("deleted 1 backup of kubeconfigs"),
        "{}",
        cleared.stderr
    );
    assert!(!test_env.path(BACKUPS).exists());
    undo(&test_env, &[]).assert_fails(1, &["nothing to undo"]);
}

/// What happens to a kubeconfig.
#[derive(Debug, Clone)]
enum Edit {
    Sync(bool),
    Convert(&'static str),
    /// Something else writes it.
    Other(u8),
    Undo,
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        any::<bool>().prop_map(Edit::Sync),
        prop_oneof![Just("msi"), Just("azurecli"), Just("devicecode")].prop_map(Edit::Convert),
        any::<u8>().prop_map(Edit::Other),
        Just(Edit::Undo),
    ];
    prop::collection::vec(edit, 3..9)
}

/// Each write is undone to the bytes before it, and that to the bytes after it.
#[test]
fn whatever_wrote_the_kubeconfig_undo_brings_back_its_bytes() {
    let test_env = test_env();
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config {
        cases: 8,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let played = runner.run(&edits(), |edits| {
        let _ = fs::remove_dir_all(test_env.path(".kube"));
        fs::create_dir(test_env.path(".kube")).expect("made");
        fs::write(test_env.kubeconfig(), foreign()).expect("written");
        for edit in edits {
            let before = fs::read(test_env.kubeconfig()).ok();
            match edit {
                Edit::Sync(true) => sync(&test_env, &["--ca-files"]),
                Edit::Sync(false) => sync(&test_env, &[]),
                Edit::Convert(mode) => drop(test_env.convert(&["-l", mode])),
                Edit::Other(text) => {
                    let edited = format!("{}# {text}\n", test_env.kubeconfig_text());
                    fs::write(test_env.kubeconfig(), edited).expect("written");
                    let refused = undo(&test_env, &[]);
                    prop_assert_eq!(refused.code, 1);
                    continue;
                }
                Edit::Undo => drop(undo(&test_env, &["--force"])),
            }
            let after = fs::read(test_env.kubeconfig()).ok();
            if before == after {
                continue;
            }
            for expected in [&before, &after] {
                undone(&test_env, &[]);
                prop_assert_eq!(&fs::read(test_env.kubeconfig()).ok(), expected);
            }
        }
        Ok(())
    });
    played.expect("equal bytes");
}

#[cfg(target_os = "linux")]
#[test]
fn an_undo_that_is_killed_at_any_of_its_writes_leaves_the_old_or_the_new() {
    let test_env = test_env();
    fs::create_dir(test_env.path(".kube")).expect("made");
    fs::write(test_env.kubeconfig(), foreign()).expect("written");
    sync(&test_env, &["--ca-files"]);
    let synced = test_env.kubeconfig_text();
    let mut killed = 0;
    for call in 1.. {
        let mut command = test_env.aad(&["undo"]);
        command
            .env("LD_PRELOAD", crate::sequences::preload())
            .env("AAD_MACHINE_DIES_AT", call.to_string());
        let status = command.output().expect("it starts").status;
        let now = test_env.kubeconfig_text();
        assert!(now == synced || now == foreign(), "{now}");
        if status.success() {
            break;
        }
        killed += 1;
        // The certificate authorities are there as long as the kubeconfig names them.
        if now == synced {
            let directory = test_env.path(".kube/config.aad-ca");
            assert!(!names(&directory).is_empty());
        } else {
            undone(&test_env, &[]);
        }
        assert!(call < 100, "it never ends by itself");
        assert_eq!(test_env.kubeconfig_text(), synced);
    }
    assert!(killed > 3, "{killed}");
    let list = undone(&test_env, &["--list", "-o", "json"]).json(0);
    assert!(
        list["backups"]
            .as_array()
            .is_some_and(|all| all.len() <= 10)
    );
}
