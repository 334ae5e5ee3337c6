//! Faults of the token cache, of the home directory and of disks.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::PathBuf,
    process::Command,
    time::{Duration, SystemTime},
};

use super::fault::{Entry, Machine, OURS};
use crate::{
    env::run,
    support::{may_mount, peer},
};

fn cache(machine: &Machine) -> PathBuf {
    let path = machine.env.path(".kube/cache/kubectl-aad");
    fs::create_dir_all(&path).expect("made");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("ours");
    path
}

fn plant(machine: &Machine, name: &str, mode: u32) -> PathBuf {
    let path = cache(machine).join(name);
    fs::write(&path, "{}").expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("ours");
    path
}

#[test]
fn aad028_the_token_cache_is_open_to_others_or_no_directory() {
    let mut machine = Machine::without("AAD028");
    let path = cache(&machine);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("ours");
    machine.follow_and_check(&["other users can reach it (its mode is 755)", "chmod 700"]);
    fs::remove_dir_all(&path).expect("ours");
    fs::write(&path, "").expect("written");
    machine.follow_and_check(&["it is not a directory", "rm "]);
    // The directory of an entry counts, too.
    let other = machine.env.write("other", "");
    machine.sign_in_by(&Entry {
        args: &[
            "-l",
            "devicecode",
            "--cache-dir",
            &other.display().to_string(),
        ],
        ..OURS
    });
    machine.follow_and_check(&["other"]);
}

/// Lets no program use keyrings, as the seccomp profiles of containers do.
const WITHOUT_KEYRINGS: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <dlfcn.h>
long syscall(long number, ...) {
    static long (*real)(long, ...);
    if (number == SYS_add_key || number == SYS_keyctl || number == SYS_request_key) { errno = EPERM; return -1; }
    if (!real) real = (long (*)(long, ...)) dlsym(RTLD_NEXT, "syscall");
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
"#;

#[test]
fn aad029_keyrings_are_blocked() {
    let mut machine = Machine::without("AAD029");
    let source = machine.env.write("keyrings.c", WITHOUT_KEYRINGS);
    let library = machine.env.path("keyrings.so");
    let mut compiler = Command::new("cc");
    compiler
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(source);
    assert_eq!(run(&mut compiler).code, 0);
    machine.set("LD_PRELOAD", library);
    let finding = machine.finding(&["tokens are in plain files", "keyrings are blocked here"]);
    assert_eq!(finding["severity"], "note");
    machine.set("AAD_TOKEN_STORE", "keyring");
    let insisted = machine.doctor(&["AAD028", "AAD029", "-o", "json"]).json(1);
    let found = &insisted["findings"][0];
    assert_eq!(found["code"], "AAD028");
    assert!(
        found.to_string().contains("--token-store file"),
        "{found:#}"
    );
    machine.set("AAD_TOKEN_STORE", "auto");
    machine.follow_and_check(&["export AAD_TOKEN_STORE=none"]);
}

#[test]
fn aad030_the_key_of_stored_tokens_is_lost() {
    let mut machine = Machine::without("AAD030");
    plant(&machine, "refresh-abc.0123456789abcdef.sealed", 0o600);
    machine.follow_and_check(&["1 stored token in", "kubectl aad cache clear"]);
}

#[test]
fn aad031_files_of_the_cache_are_open_to_others() {
    let mut machine = Machine::without("AAD031");
    plant(&machine, "access-abc.json", 0o644);
    machine.follow_and_check(&[
        "1 file is open to other users",
        "its mode is 644",
        "chmod 600",
    ]);
    for number in 0..4 {
        plant(&machine, &format!("access-{number}.json"), 0o604);
    }
    machine.follow_and_check(&["4 files are open to other users", "chmod -R go="]);
    let link = cache(&machine).join("refresh-x.json");
    std::os::unix::fs::symlink("/dev/null", link).expect("linked");
    machine.finding(&["`refresh-x.json` is a link or a special file", "sudo rm -f"]);
}

#[test]
fn aad032_a_killed_process_left_a_file() {
    let mut machine = Machine::without("AAD032");
    let path = plant(&machine, ".tmp-abc", 0o600);
    assert!(machine.findings().is_empty(), "its writer may be alive");
    let old = SystemTime::now() - Duration::from_secs(2 * 3600);
    let file = fs::File::options().write(true).open(path).expect("ours");
    file.set_modified(old).expect("ours");
    machine.follow_and_check(&["`.tmp-abc`", "rm "]);
}

#[test]
fn aad033_the_disk_is_nearly_full() {
    let machine = Machine::without("AAD033");
    if !may_mount() {
        return;
    }
    let disk = machine.env.path("disk");
    fs::create_dir(&disk).expect("made");
    let script = "mount -t tmpfs -o size=1m none \"$KUBECACHEDIR\"; exec kubectl-aad doctor AAD033";
    let mut command = machine.env.program("/usr/bin/unshare");
    command
        .args(["--mount", "--propagation=private", "sh", "-c", script])
        .env("KUBECACHEDIR", &disk);
    let ran = run(&mut command);
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    let found = "KB are free on the file system of the token cache";
    assert!(ran.stdout.contains(found), "{}", ran.stdout);
}

#[test]
fn aad034_the_home_directory_is_missing_or_anothers() {
    let mut machine = Machine::without("AAD034");
    machine.set("HOME", machine.env.path("nowhere"));
    machine.finding(&["there is no such directory"]);
    machine.set("HOME", "home");
    machine.finding(&["`HOME` is the relative path `home`"]);
    machine.set("HOME", "");
    machine.follow_and_check(&["neither `HOME` nor `USERPROFILE` is set"]);
    if peer("setpriv").is_none() || !may_mount() {
        return;
    }
    let home = machine.env.path("another");
    fs::create_dir(&home).expect("made");
    chown(&home, Some(65_534), None).expect("root may");
    machine.set("HOME", &home);
    machine.set("SUDO_USER", "ann");
    machine.finding(&[
        "this runs as root, by `sudo` of `ann`",
        "uid 65534",
        "sudo -H",
    ]);
    let as_other = |setup: &str| {
        let args = ["doctor", "AAD034"];
        machine
            .env
            .run_as_other_user("third", setup, false, &[], &args)
    };
    assert_eq!(as_other(":").code, 0);
    let ran = as_other("rm -r \"$HOME/.kube\"; chmod 500 \"$HOME\"");
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("chmod u+rwx"), "{}", ran.stdout);
}
