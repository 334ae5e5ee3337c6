//! Faults of kubeconfigs as files.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    time::{Duration, SystemTime},
};

use super::fault::{Machine, chmod};

const PLAIN: &str = "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {server: 'https://c.example'}\n";

#[test]
fn aad012_a_kubeconfig_is_not_yaml_or_refused_by_kubectl() {
    let machine = Machine::without("AAD012");
    for (text, words) in [
        ("clusters: [", "is not valid YAML"),
        ("clusters: {}\n", "`clusters` is a mapping, not a list"),
        (
            "users:\n- name: hunter2\n- name: hunter2\n",
            "two entries with the same name",
        ),
    ] {
        machine.write_kubeconfig(text);
        let finding = machine.finding(&[words, "config view"]);
        assert!(!finding.to_string().contains("hunter2"), "{finding}");
    }
    machine.write_kubeconfig(PLAIN);
    assert!(machine.findings().is_empty());
}

#[test]
fn what_needs_every_kubeconfig_is_not_checked_if_one_can_not_be_used() {
    let machine = Machine::new();
    machine.write_kubeconfig("clusters: [");
    let ran = machine.doctor(&["AAD014", "AAD015", "AAD016"]);
    let expected = "warning: AAD014, AAD015 and AAD016 were not checked: a kubeconfig can't be used, see AAD010 and AAD012\n\
                    no problems: 0 checks made\n";
    assert_eq!((ran.code, &*ran.stdout), (0, expected));
}

#[test]
fn aad013_a_kubeconfig_has_another_encoding() {
    let mut machine = Machine::without("AAD013");
    let crlf = PLAIN.replace('\n', "\r\n");
    let utf16: Vec<u8> = std::iter::once(0xfeff)
        .chain(crlf.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    for (bytes, words) in [
        (crlf.clone().into_bytes(), "lines that end with CR and LF"),
        (
            format!("\u{feff}{PLAIN}").into_bytes(),
            "begins with a byte order mark",
        ),
        (
            format!("\u{feff}{crlf}").into_bytes(),
            "mark, and its lines",
        ),
        (utf16, "is UTF-16"),
    ] {
        machine.write_kubeconfig(bytes);
        machine.follow_and_check(&[words]);
        assert_eq!(machine.env.kubeconfig_text(), PLAIN);
        let mode = fs::metadata(machine.env.kubeconfig())
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn aad017_a_lock_was_left_behind() {
    let mut machine = Machine::without("AAD017");
    let path = machine.write_kubeconfig(PLAIN);
    let lock = path.with_file_name("config.lock");
    // kubectl's is empty. One that is new may be held.
    fs::write(&lock, "").expect("written");
    assert!(machine.findings().is_empty());
    let file = fs::File::options().write(true).open(&lock).expect("ours");
    let past = SystemTime::now() - Duration::from_secs(3600);
    file.set_modified(past).expect("set");
    machine.follow_and_check(&["config.lock", "rm "]);
    // Ours names its process.
    let ended = "kubectl-aad pid=4000000 start=1 boot=b namespace=n machine=m\n";
    fs::write(&lock, ended).expect("written");
    assert!(
        machine.findings().is_empty(),
        "it may run on another machine"
    );
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("Linux");
    let namespace = fs::read_link("/proc/self/ns/pid")
        .expect("Linux")
        .display()
        .to_string();
    let ended = format!(
        "kubectl-aad pid=4000000 start=1 boot={} namespace={namespace} machine=m\n",
        boot.trim()
    );
    fs::write(&lock, ended).expect("written");
    machine.follow_and_check(&["nobody holds"]);
}

#[test]
fn aad018_others_may_read_or_change_a_kubeconfig() {
    let mut machine = Machine::without("AAD018");
    let path = machine.write_kubeconfig(PLAIN);
    assert!(machine.findings().is_empty());
    chmod(&path, 0o644);
    let finding = machine.finding(&["other users may read", "chmod go= "]);
    assert_eq!(finding["severity"], "note", "there is no secret in it");
    assert_eq!(machine.doctor(&["AAD018"]).code, 0);
    machine.follow_and_check(&[]);
    machine.write_kubeconfig(format!("{PLAIN}users:\n- name: u\n  user: {{token: t}}\n"));
    chmod(&path, 0o644);
    let finding = machine.finding(&["other users may read"]);
    assert_eq!(finding["severity"], "problem");
    chmod(&path, 0o660);
    machine.follow_and_check(&["other users may change"]);
    chmod(&machine.env.path(".kube"), 0o777);
    machine.follow_and_check(&["other users may change files in", "chmod go-w "]);
}

#[test]
fn aad018_a_kubeconfig_belongs_to_another_user() {
    let mut machine = Machine::without("AAD018");
    let path = machine.write_kubeconfig(PLAIN);
    if chown(&path, Some(12_345), None).is_err() {
        return;
    }
    machine
        .env
        .install_script("sudo", "#!/bin/sh\nexec \"$@\"\n");
    machine.follow_and_check(&["belongs to another user (uid 12345)"]);
}

#[test]
fn aad050_a_kubeconfig_is_large() {
    let machine = Machine::without("AAD050");
    let authority = "QUJD".repeat(1_000);
    let clusters: String = (0..1_000)
        .map(|n| {
            format!("- name: c{n}\n  cluster: {{certificate-authority-data: {authority}, server: 'https://c'}}\n")
        })
        .collect();
    machine.write_kubeconfig(format!("clusters:\n{clusters}"));
    let finding = machine.finding(&["the kubeconfigs have 4.", "kubectl aad sync --ca-files"]);
    assert_eq!(finding["severity"], "note");
}
