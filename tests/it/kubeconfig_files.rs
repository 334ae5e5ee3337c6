//! Kubeconfigs of every kind that people have: behind a lock that was left behind, mounted into a
//! container, with attributes of their own, in UTF-16, and with nothing in them.

use std::{fs, process::Command};

use azure_sim::{Fleet, FleetSpec};

use crate::{
    convert::{Home, kubeconfig, stderr},
    env::{TestEnv, run},
    support::{may_mount, peer},
};

fn test_env() -> TestEnv {
    TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters: 2,
        ..FleetSpec::default()
    }))
}

#[test]
fn a_lock_that_was_left_behind_is_told_before_anything_is_asked_for() {
    let test_env = test_env();
    fs::create_dir(test_env.home().join(".kube")).expect("made");
    let lock = test_env.home().join(".kube/config.lock");
    let file = fs::File::create(&lock).expect("kubectl's lock is empty");
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(3_600))
        .expect("ours");
    let ran = run(&mut test_env.sync(&[]));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("is locked by another process"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    assert_eq!(test_env.simulator.requests().len(), 0, "nobody was asked");
    assert!(lock.exists(), "it is not ours to remove");

    // One of another file in which there are clusters of ours is told as early.
    fs::remove_file(&lock).expect("there");
    assert_eq!(run(&mut test_env.sync(&[])).code, 0);
    test_env.simulator.reset();
    fs::rename(test_env.kubeconfig(), test_env.home().join("other")).expect("ours");
    fs::write(test_env.kubeconfig(), "").expect("written");
    fs::rename(
        {
            let lock = test_env.home().join("lock");
            let file = fs::File::create(&lock).expect("made");
            let hour = std::time::Duration::from_secs(3_600);
            file.set_modified(std::time::SystemTime::now() - hour)
                .expect("ours");
            lock
        },
        test_env.home().join("other.lock"),
    )
    .expect("ours");
    let list = format!("{}:other", test_env.kubeconfig().display());
    let ran = run(test_env.sync(&[]).env("KUBECONFIG", list));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("`other.lock`"), "{}", ran.stderr);
    assert_eq!(test_env.simulator.requests().len(), 0, "nobody was asked");
}

#[test]
fn a_lock_of_ours_whose_process_was_killed_needs_no_person() {
    let home = Home::new();
    home.write("config", &kubeconfig(300));
    for _ in 0..3 {
        let mut child = home
            .program(env!("CARGO_BIN_EXE_kubectl-aad"))
            .args(["convert-kubeconfig", "--kubeconfig", "config", "-l", "msi"])
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("it starts");
        while !home.path("config.lock").exists() && child.try_wait().expect("a status").is_none() {
            std::thread::yield_now();
        }
        child.kill().expect("ours");
        child.wait().expect("ended");
        home.write("config", &kubeconfig(300));
    }
    assert!(
        home.path("config.lock").exists(),
        "killed while it held the lock"
    );
    let output = home.convert(&["--kubeconfig", "config", "-l", "msi"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(home.names(), ["config"]);
}

/// Runs `convert-kubeconfig` on `config` by root's shell in a mount namespace, after `setup`.
fn convert_in_namespace(home: &Home, setup: &str, after: &str) -> std::process::Output {
    let script = format!(
        "{setup}\n'{}' convert-kubeconfig --kubeconfig config -l msi; code=$?\n{after}\nexit $code",
        env!("CARGO_BIN_EXE_kubectl-aad")
    );
    let mut command: Command = home.program("/usr/bin/unshare");
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.args(["--mount", "--propagation=private", "sh", "-c", &script]);
    command.output().expect("it starts")
}

#[test]
fn a_kubeconfig_that_is_a_mount_point_is_written_in_place() {
    if !may_mount() {
        return;
    }
    let home = Home::new();
    let before = kubeconfig(3);
    home.write("config", "");
    home.write("mounted", &before);
    let inode = |name: &str| {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(home.path(name)).expect("there").ino()
    };
    let same = inode("mounted");
    let output = convert_in_namespace(&home, "mount --bind mounted config", "");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_ne!(home.read("mounted"), before);
    assert!(home.read("mounted").contains("- msi"));
    assert_eq!(inode("mounted"), same);
    assert_eq!(
        home.names(),
        ["config", "mounted"],
        "nothing is left beside it"
    );

    // A link to it, and one that is mounted read-only.
    home.write("mounted", &before);
    fs::remove_file(home.path("config")).expect("there");
    home.write("real", "");
    std::os::unix::fs::symlink("real", home.path("config")).expect("linked");
    let output = convert_in_namespace(&home, "mount --bind mounted real", "");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(home.read("mounted").contains("- msi"));
    home.write("mounted", &before);
    let read_only = "mount --bind mounted real; mount -o remount,ro,bind real";
    let output = convert_in_namespace(&home, read_only, "");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("Read-only file system"),
        "{}",
        stderr(&output)
    );
    assert_eq!(home.read("mounted"), before);
}

#[test]
fn a_mounted_kubeconfig_on_a_full_disk_keeps_what_it_was() {
    if !may_mount() {
        return;
    }
    let home = Home::new();
    let before = kubeconfig(40);
    home.write("original", &before);
    fs::create_dir(home.path("small")).expect("made");
    home.write("config", "");
    // The file grows by more than is free where it lies; beside its mount point there is room.
    let setup = "mount -t tmpfs -o size=32k none small; cp original small/file; \
                 dd if=/dev/zero of=small/fill bs=1k count=64 2>/dev/null; mount --bind small/file config";
    let grow = format!(
        "'{}' convert-kubeconfig --kubeconfig config -l spn --client-id {} --client-secret x 2>grown",
        env!("CARGO_BIN_EXE_kubectl-aad"),
        "i".repeat(800)
    );
    let after = format!("cp original small/file 2>/dev/null; {grow}; cp config result");
    convert_in_namespace(&home, setup, &after);
    assert!(
        home.read("grown").contains("No space left on device"),
        "{}",
        home.read("grown")
    );
    assert_eq!(home.read("result"), before);
    let names = home.names();
    assert!(!names.iter().any(|name| name.starts_with('.')), "{names:?}");
}

#[test]
fn a_file_that_belongs_to_somebody_else_keeps_its_owner() {
    if !may_mount() {
        return;
    }
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let home = Home::new();
    let path = home.write("config", &kubeconfig(2));
    chown(&path, Some(1), Some(65534)).expect("root");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).expect("root");
    chown(home.path(""), None, Some(65534)).expect("root");
    fs::set_permissions(home.path(""), fs::Permissions::from_mode(0o770)).expect("root");
    let mut command = home.program("/usr/bin/setpriv");
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(env!("CARGO_BIN_EXE_kubectl-aad"))
        .args(["convert-kubeconfig", "--kubeconfig", "config", "-l", "msi"]);
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{}", stderr(&output));
    let meta = fs::metadata(&path).expect("there");
    assert_eq!(
        (meta.uid(), meta.gid(), meta.mode() & 0o777),
        (1, 65534, 0o660)
    );
    assert!(home.read("config").contains("- msi"));
    assert_eq!(home.names(), ["config"]);
}

#[test]
fn a_directory_that_may_not_be_listed_will_do() {
    if !may_mount() {
        return;
    }
    use std::os::unix::fs::{PermissionsExt, chown};
    let home = Home::new();
    let path = home.write("config", &kubeconfig(2));
    for path in [&path, &home.path("")] {
        chown(path, Some(65534), Some(65534)).expect("root");
    }
    fs::set_permissions(home.path(""), fs::Permissions::from_mode(0o300)).expect("root");
    let mut command = home.program("/usr/bin/setpriv");
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(env!("CARGO_BIN_EXE_kubectl-aad"))
        .args(["convert-kubeconfig", "--kubeconfig", "config", "-l", "msi"]);
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(home.read("config").contains("- msi"));
}

#[test]
fn a_kubeconfig_in_utf_16_is_converted_and_kubectl_reads_it_before_and_after() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let home = Home::new();
    for big_endian in [false, true] {
        let text = kubeconfig(2).replace('\n', "\r\n") + "# ü\r\n";
        let encode = |text: &str| -> Vec<u8> {
            let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
            units
                .flat_map(|unit| match big_endian {
                    true => unit.to_be_bytes(),
                    false => unit.to_le_bytes(),
                })
                .collect()
        };
        let contexts = || {
            let mut command = home.program(&kubectl);
            let output = command
                .args([
                    "--kubeconfig",
                    "config",
                    "config",
                    "get-contexts",
                    "-o",
                    "name",
                ])
                .output()
                .expect("it starts");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        fs::write(home.path("config"), encode(&text)).expect("written");
        assert_eq!(contexts(), "x0\nx1\n");
        let output = home.convert(&["--kubeconfig", "config", "-l", "msi"]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(contexts(), "x0\nx1\n");
        let utf8 = home.write("utf8", &text);
        let path = utf8.display().to_string();
        assert!(
            home.convert(&["--kubeconfig", &path, "-l", "msi"])
                .status
                .success()
        );
        assert_eq!(
            fs::read(home.path("config")).expect("there"),
            encode(&home.read("utf8"))
        );
    }
}

#[test]
fn null_is_an_empty_kubeconfig() {
    for text in ["null", "~\n", "---\nnull\n", "# mine\nnull\n"] {
        let test_env = test_env();
        fs::create_dir(test_env.home().join(".kube")).expect("made");
        fs::write(test_env.kubeconfig(), text).expect("written");
        let ran = run(&mut test_env.sync(&["-o", "name"]));
        assert_eq!(ran.code, 0, "{text:?}: {}", ran.stderr);
        let written = test_env.kubeconfig_text();
        let parsed = kube::config::Kubeconfig::from_yaml(&written).expect("a kubeconfig");
        assert_eq!(parsed.contexts.len(), 2, "{text:?}: {written}");
        assert_eq!(
            written.contains("# mine"),
            text.contains("# mine"),
            "{written}"
        );
    }
}

/// The calls by which a file changes: before each of them a run is killed once.
const CALLS: [&str; 9] = [
    "write",
    "ftruncate",
    "fsync",
    "fchmod",
    "fchown",
    "rename",
    "renameat2",
    "linkat",
    "unlink",
];

#[test]
fn a_run_that_is_killed_before_any_of_its_steps_leaves_nothing_that_the_next_one_cannot_mend() {
    let Some(strace) = peer("strace") else { return };
    if !may_mount() {
        return;
    }
    let before = kubeconfig(2);
    let plain = Home::new();
    plain.write("config", &before);
    let convert = ["--kubeconfig", "config", "-l", "msi"];
    assert!(plain.convert(&convert).status.success());
    let after = plain.read("config");
    for (file, mount, least) in [
        ("config", "", 7),
        ("mounted", "mount --bind mounted config; ", 14),
    ] {
        let mut kills = 0;
        for call in CALLS {
            for time in 1.. {
                let home = Home::new();
                home.write("config", "");
                home.write(file, &before);
                let ours = env!("CARGO_BIN_EXE_kubectl-aad");
                let run = format!("'{ours}' convert-kubeconfig {}", convert.join(" "));
                let setup = format!(
                    "{mount}{} -f -qq -o /dev/null -e trace={call} \
                     -e inject={call}:signal=SIGKILL:when={time} {run} 2>/dev/null; echo $? >killed; \
                     {run} --outfile - >seen 2>/dev/null",
                    strace.display(),
                );
                let output = convert_in_namespace(&home, &setup, "");
                let what = format!("{file} before {call} {time}");
                assert!(output.status.success(), "{what}: {}", stderr(&output));
                assert_eq!(home.read("seen"), after, "{what}: what is read is whole");
                assert_eq!(home.read(file), after, "{what}");
                let names = home.names();
                let ours = |name: &&String| !["killed", "seen"].contains(&name.as_str());
                let left: Vec<_> = names.iter().filter(ours).collect();
                let expected = if mount.is_empty() { 1 } else { 2 };
                assert_eq!(left.len(), expected, "{what}: {left:?}");
                if home.read("killed") == "0\n" {
                    break;
                }
                kills += 1;
            }
        }
        assert!(kills >= least, "{file}: {kills} kills");
    }
}
