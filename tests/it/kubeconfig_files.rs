//! Unusual kubeconfigs: with an abandoned lock, mounted into a container, with extended attributes, in
//! UTF-16, and empty.

use std::fs;

use azure_sim::{Fleet, FleetSpec};
use serde_json::Value;

use crate::{
    env::{PROGRAM, Ran, TestEnv, run},
    support::{kubeconfig, may_mount, peer},
};

fn test_env() -> TestEnv {
    TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters: 2,
        ..FleetSpec::default()
    }))
}

#[test]
fn an_abandoned_lock_is_reported_before_any_request() {
    let test_env = test_env();
    fs::create_dir(test_env.path(".kube")).expect("made");
    let lock = test_env.path(".kube/config.lock");
    let file = fs::File::create(&lock).expect("kubectl's lock is empty");
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(3_600))
        .expect("ours");
    let ran = run(&mut test_env.sync(&[]));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("by another process"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    assert_eq!(test_env.simulator.requests().len(), 0, "nobody was asked");
    assert!(lock.exists(), "it is not ours to remove");

    // So is the lock of another file that has clusters of ours.
    fs::remove_file(&lock).expect("there");
    assert_eq!(run(&mut test_env.sync(&[])).code, 0);
    test_env.simulator.reset();
    fs::rename(test_env.kubeconfig(), test_env.path("other")).expect("ours");
    fs::write(test_env.kubeconfig(), "").expect("written");
    fs::rename(
        {
            let lock = test_env.path("lock");
            let file = fs::File::create(&lock).expect("made");
            let hour = std::time::Duration::from_secs(3_600);
            file.set_modified(std::time::SystemTime::now() - hour)
                .expect("ours");
            lock
        },
        test_env.path("other.lock"),
    )
    .expect("ours");
    let list = format!("{}:other", test_env.kubeconfig().display());
    let ran = run(test_env.sync(&[]).env("KUBECONFIG", list));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("`other.lock`"), "{}", ran.stderr);
    assert_eq!(test_env.simulator.requests().len(), 0, "nobody was asked");
}

#[test]
fn the_lock_of_a_killed_process_of_ours_is_removed() {
    let test_env = TestEnv::without_az();
    test_env.write("config", &kubeconfig(300));
    for _ in 0..3 {
        let mut child = test_env
            .aad(&["convert-kubeconfig", "--kubeconfig", "config", "-l", "msi"])
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("it starts");
        while !test_env.path("config.lock").exists()
            && child.try_wait().expect("a status").is_none()
        {
            std::thread::yield_now();
        }
        child.kill().expect("ours");
        child.wait().expect("ended");
        test_env.write("config", &kubeconfig(300));
    }
    assert!(
        test_env.path("config.lock").exists(),
        "killed while it held the lock"
    );
    let ran = test_env.convert(&["--kubeconfig", "config", "-l", "msi"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(test_env.names(), ["config"]);
}

/// Runs `setup` and `convert-kubeconfig` on `config` in a root shell in a mount namespace.
fn convert_in_namespace(test_env: &TestEnv, setup: &str, after: &str) -> Ran {
    let script = format!(
        "{setup}\n'{PROGRAM}' convert-kubeconfig --kubeconfig config -l msi; code=$?\n{after}\nexit $code"
    );
    let mut command = test_env.program("/usr/bin/unshare");
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.args(["--mount", "--propagation=private", "sh", "-c", &script]);
    run(&mut command)
}

#[test]
fn a_kubeconfig_that_is_a_mount_point_is_written_in_place() {
    if !may_mount() {
        return;
    }
    let test_env = TestEnv::without_az();
    let before = kubeconfig(3);
    test_env.write("config", "");
    test_env.write("mounted", &before);
    let inode = |name: &str| {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(test_env.path(name)).expect("there").ino()
    };
    let same = inode("mounted");
    let ran = convert_in_namespace(&test_env, "mount --bind mounted config", "");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_ne!(test_env.read("mounted"), before);
    assert!(test_env.read("mounted").contains("- msi"));
    assert_eq!(inode("mounted"), same);
    assert_eq!(
        test_env.names(),
        ["config", "mounted"],
        "nothing is left beside it"
    );

    // Through a link, and mounted read-only.
    test_env.write("mounted", &before);
    fs::remove_file(test_env.path("config")).expect("there");
    test_env.write("real", "");
    std::os::unix::fs::symlink("real", test_env.path("config")).expect("linked");
    let ran = convert_in_namespace(&test_env, "mount --bind mounted real", "");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(test_env.read("mounted").contains("- msi"));
    test_env.write("mounted", &before);
    let read_only = "mount --bind mounted real; mount -o remount,ro,bind real";
    let ran = convert_in_namespace(&test_env, read_only, "");
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("Read-only file system"),
        "{}",
        ran.stderr
    );
    assert_eq!(test_env.read("mounted"), before);
}

#[test]
fn a_mounted_kubeconfig_on_a_full_disk_is_not_changed() {
    if !may_mount() {
        return;
    }
    let test_env = TestEnv::without_az();
    let before = kubeconfig(40);
    test_env.write("original", &before);
    fs::create_dir(test_env.path("small")).expect("made");
    test_env.write("config", "");
    // The file grows by more than is free on its file system; the one with the mount point has space.
    let setup = "mount -t tmpfs -o size=32k none small; cp original small/file; \
                 dd if=/dev/zero of=small/fill bs=1k count=64 2>/dev/null; mount --bind small/file config";
    let grow = format!(
        "'{}' convert-kubeconfig --kubeconfig config -l spn --client-id {} --client-secret x 2>grown",
        PROGRAM,
        "i".repeat(800)
    );
    let after = format!("cp original small/file 2>/dev/null; {grow}; cp config result");
    convert_in_namespace(&test_env, setup, &after);
    assert!(
        test_env.read("grown").contains("No space left on device"),
        "{}",
        test_env.read("grown")
    );
    assert_eq!(test_env.read("result"), before);
    let names = test_env.names();
    assert!(!names.iter().any(|name| name.starts_with('.')), "{names:?}");
}

#[test]
fn a_file_that_belongs_to_somebody_else_keeps_its_owner() {
    if !may_mount() {
        return;
    }
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let test_env = TestEnv::without_az();
    let path = test_env.write("config", &kubeconfig(2));
    chown(&path, Some(1), Some(65534)).expect("root");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).expect("root");
    chown(test_env.path(""), None, Some(65534)).expect("root");
    fs::set_permissions(test_env.path(""), fs::Permissions::from_mode(0o770)).expect("root");
    let mut command = test_env.program("/usr/bin/setpriv");
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(PROGRAM)
        .args(["convert-kubeconfig", "--kubeconfig", "config", "-l", "msi"]);
    let ran = run(&mut command);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let meta = fs::metadata(&path).expect("there");
    assert_eq!(
        (meta.uid(), meta.gid(), meta.mode() & 0o777),
        (1, 65534, 0o660)
    );
    assert!(test_env.read("config").contains("- msi"));
    assert_eq!(test_env.names(), ["config"]);
}

#[test]
fn a_directory_need_not_be_listable() {
    if !may_mount() {
        return;
    }
    use std::os::unix::fs::{PermissionsExt, chown};
    let test_env = TestEnv::without_az();
    let path = test_env.write("config", &kubeconfig(2));
    for path in [&path, &test_env.path("")] {
        chown(path, Some(65534), Some(65534)).expect("root");
    }
    fs::set_permissions(test_env.path(""), fs::Permissions::from_mode(0o300)).expect("root");
    let mut command = test_env.program("/usr/bin/setpriv");
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(PROGRAM)
        .args(["convert-kubeconfig", "--kubeconfig", "config", "-l", "msi"]);
    let ran = run(&mut command);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(test_env.read("config").contains("- msi"));
}

#[test]
fn a_kubeconfig_in_utf_16_is_converted_and_kubectl_reads_it_before_and_after() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let test_env = TestEnv::without_az();
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
            let mut command = test_env.program(&kubectl);
            let ran = run(command.args([
                "--kubeconfig",
                "config",
                "config",
                "get-contexts",
                "-o",
                "name",
            ]));
            ran.stdout
        };
        fs::write(test_env.path("config"), encode(&text)).expect("written");
        assert_eq!(contexts(), "x0\nx1\n");
        let ran = test_env.convert(&["--kubeconfig", "config", "-l", "msi"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(contexts(), "x0\nx1\n");
        let utf8 = test_env.write("utf8", &text);
        let path = utf8.display().to_string();
        assert!(test_env.convert(&["--kubeconfig", &path, "-l", "msi"]).code == 0);
        assert_eq!(
            fs::read(test_env.path("config")).expect("there"),
            encode(&test_env.read("utf8"))
        );
    }
}

#[test]
fn null_is_an_empty_kubeconfig() {
    for text in ["null", "~\n", "---\nnull\n", "# mine\nnull\n"] {
        let test_env = test_env();
        fs::create_dir(test_env.path(".kube")).expect("made");
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

/// The system calls that change a file. A run is killed before each of them.
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
fn the_next_run_repairs_what_a_run_that_was_killed_at_any_step_left() {
    let Some(strace) = peer("strace") else { return };
    if !may_mount() {
        return;
    }
    let before = kubeconfig(2);
    let plain = TestEnv::without_az();
    plain.write("config", &before);
    let convert = ["--kubeconfig", "config", "-l", "msi"];
    assert_eq!(plain.convert(&convert).code, 0);
    let after = plain.read("config");
    for (file, mount, least) in [
        ("config", "", 7),
        ("mounted", "mount --bind mounted config; ", 14),
    ] {
        let mut kills = 0;
        for call in CALLS {
            for time in 1.. {
                let test_env = TestEnv::without_az();
                test_env.write("config", "");
                test_env.write(file, &before);
                let ours = PROGRAM;
                let run = format!("'{ours}' convert-kubeconfig {}", convert.join(" "));
                let setup = format!(
                    "{mount}{} -f -qq -o /dev/null -e trace={call} \
                     -e inject={call}:signal=SIGKILL:when={time} {run} 2>/dev/null; echo $? >killed; \
                     {run} --outfile - >seen 2>/dev/null",
                    strace.display(),
                );
                let ran = convert_in_namespace(&test_env, &setup, "");
                let what = format!("{file} before {call} {time}");
                assert_eq!(ran.code, 0, "{what}: {}", ran.stderr);
                assert_eq!(
                    test_env.read("seen"),
                    after,
                    "{what}: what is read is whole"
                );
                assert_eq!(test_env.read(file), after, "{what}");
                let names = test_env.names();
                let ours = |name: &&String| !["killed", "seen"].contains(&name.as_str());
                let left: Vec<_> = names.iter().filter(ours).collect();
                let expected = if mount.is_empty() { 1 } else { 2 };
                assert_eq!(left.len(), expected, "{what}: {left:?}");
                if test_env.read("killed") == "0\n" {
                    break;
                }
                kills += 1;
            }
        }
        assert!(kills >= least, "{file}: {kills} kills");
    }
}

/// Of two users with one name kubectl takes the first. So each kubeconfig's users have names of their own, unless they run
/// the same.
#[test]
fn contexts_of_two_kubeconfigs_sign_in_as_was_written_for_them() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let test_env = TestEnv::new();
    let name = test_env.simulator.fleet().clusters[0].name.clone();
    let exec = |files: &str, context: &str| {
        let mut command = test_env.program(&kubectl);
        command.env("KUBECONFIG", files);
        command.args([
            "config",
            "view",
            "--raw",
            "--minify",
            "-o",
            "json",
            "--context",
            context,
        ]);
        let ran = run(&mut command);
        let view: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        view["users"][0]["user"]["exec"].clone()
    };
    let sync = |file: &str, args: &[&str], dir: &str| {
        let mut command = test_env.sync(&["-q", "--no-warm", "--kubeconfig", file]);
        let ran = run(command.args(args).env("AZURE_CONFIG_DIR", dir));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    };
    let check = |why: &str| {
        let theirs = test_env.read("b").replace(&name, "theirs");
        test_env.write("b", &theirs);
        let (a, b) = (exec("a", &name), exec("b", "theirs"));
        assert_ne!(a, b, "{why}");
        for files in ["a:b", "b:a"] {
            assert_eq!(exec(files, &name), a, "{why}, {files}");
            assert_eq!(exec(files, "theirs"), b, "{why}, {files}");
        }
        fs::remove_file(test_env.path("a")).expect("there");
        fs::remove_file(test_env.path("b")).expect("there");
    };
    let app = "11111111-1111-1111-1111-111111111111";
    let other = "22222222-2222-2222-2222-222222222222";
    let device = [
        "-l",
        "devicecode",
        "--arm-login",
        "azurecli",
        "--login-hint",
    ];
    let spn = ["-l", "spn", "--arm-login", "azurecli", "--client-id"];
    for (args, one, two) in [
        (device, "ada@x.example", "grace@x.example"),
        (spn, app, other),
    ] {
        sync("a", &[&args[..], &[one]].concat(), "");
        sync("b", &[&args[..], &[two]].concat(), "");
        check(two);
    }
    sync("a", &[], "");
    sync("b", &[], &test_env.path(".azure").display().to_string());
    check("AZURE_CONFIG_DIR");
    sync("a", &[], "");
    sync("b", &[], "");
    let ran = test_env.convert(&[
        "--kubeconfig",
        "b",
        "-l",
        "spn",
        "--client-id",
        other,
        "--environment",
        "AzurePublicCloud",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    check("converted");
}
