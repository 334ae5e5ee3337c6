//! Faults of this program as a plugin, and of what krew knows of it.

use std::{fs, os::unix::fs::symlink, path::Path};

use super::fault::{Machine, chmod};
use crate::env::PROGRAM;

/// A `PATH` without this program's directory.
fn without_ours(machine: &mut Machine) {
    let bin = machine.env.bin("kubectl");
    let bin = bin.parent().expect("a directory").display().to_string();
    machine.set("PATH", format!("{bin}:/usr/bin:/bin"));
}

#[test]
fn aad002_the_plugin_is_not_on_the_path() {
    let mut machine = Machine::without("AAD002");
    without_ours(&mut machine);
    let file = machine.env.bin("kubectl-aad");
    fs::copy(PROGRAM, &file).expect("copied");
    chmod(&file, 0o644);
    machine.follow_and_check(&["may not be executed", "chmod +x"]);
    fs::remove_file(&file).expect("ours");
    machine.follow_and_check(&[
        "no directory of the `PATH` has a `kubectl-aad`",
        "export PATH=",
    ]);
}

#[test]
fn aad002_a_program_of_another_name_gets_a_link() {
    let mut machine = Machine::without("AAD002");
    without_ours(&mut machine);
    let downloaded = machine.env.path("my downloads");
    fs::create_dir(&downloaded).expect("made");
    let file = downloaded.join("kubectl-aad-linux-amd64");
    fs::copy(PROGRAM, &file).expect("copied");
    machine.program = file;
    machine.follow_and_check(&["ln -sf", "my downloads"]);
}

#[test]
fn aad003_another_copy_is_first_on_the_path() {
    let mut machine = Machine::without("AAD003");
    // A copy of the same version does no harm.
    let copy = machine.env.bin("kubectl-aad");
    fs::copy(PROGRAM, &copy).expect("copied");
    assert!(machine.findings().is_empty());
    fs::remove_file(&copy).expect("ours");
    let other = "#!/bin/sh\necho 'kubectl-aad 0.0.1 (linux/amd64)'\n";
    machine.env.install_script("kubectl-aad", other);
    machine.follow_and_check(&["kubectl runs `", "(0.0.1 (linux/amd64))", "rm "]);
    assert!(!copy.exists());
}

#[test]
fn aad003_a_later_copy_of_krew_is_removed_with_krew() {
    let mut machine = Machine::without("AAD003");
    let root = machine.env.path(".krew");
    fs::create_dir_all(root.join("bin")).expect("made");
    let file = root.join("bin/kubectl-aad");
    fs::write(&file, "#!/bin/sh\nexit 1\n").expect("written");
    chmod(&file, 0o755);
    let ours = Path::new(PROGRAM).parent().expect("a directory");
    let kubectl = machine.env.bin("kubectl");
    let parts = [
        kubectl.parent().expect("a directory"),
        ours,
        &root.join("bin"),
    ];
    machine.set("PATH", std::env::join_paths(parts).expect("no colon"));
    machine.finding(&[
        "the `PATH` also has",
        "its version is unknown",
        "kubectl krew uninstall aad",
    ]);
}

/// krew's files of an installed plugin, and its directory on the `PATH`.
fn install_with_krew(machine: &mut Machine) {
    let root = machine.env.path("krew root");
    for directory in ["bin", "receipts", "store/aad/v1.0.0"] {
        fs::create_dir_all(root.join(directory)).expect("made");
    }
    fs::write(root.join("receipts/aad.yaml"), "kind: Plugin\n").expect("written");
    let program = root.join("store/aad/v1.0.0/kubectl-aad");
    fs::copy(PROGRAM, &program).expect("copied");
    symlink(&program, root.join("bin/kubectl-aad")).expect("linked");
    machine.set("KREW_ROOT", root);
    let kubectl = machine.env.bin("kubectl");
    let bin = kubectl.parent().expect("a directory");
    let krew = machine.env.path("krew root/bin");
    let path = std::env::join_paths([bin, &krew, "/usr/bin".as_ref(), "/bin".as_ref()]);
    machine.set("PATH", path.expect("no colon"));
}

#[test]
fn aad004_krews_directory_is_not_on_the_path() {
    let mut machine = Machine::without("AAD004");
    install_with_krew(&mut machine);
    assert!(machine.findings().is_empty());
    without_ours(&mut machine);
    machine.follow_and_check(&["krew's directory", "is not on the `PATH`"]);
}

#[test]
fn aad004_krews_link_is_gone_or_leads_elsewhere() {
    let mut machine = Machine::without("AAD004");
    install_with_krew(&mut machine);
    let link = machine.env.path("krew root/bin/kubectl-aad");
    let store = machine.env.path("krew root/store/aad");
    // What `kubectl krew uninstall aad` and `install` do.
    let again = |machine: &Machine| {
        let _ = fs::remove_file(&link);
        fs::create_dir_all(store.join("v1.0.0")).expect("made");
        fs::copy(PROGRAM, store.join("v1.0.0/kubectl-aad")).expect("copied");
        symlink(store.join("v1.0.0/kubectl-aad"), &link).expect("linked");
        assert!(machine.findings().is_empty());
    };
    fs::remove_file(&link).expect("ours");
    machine.finding(&["is missing", "kubectl krew install aad"]);
    again(&machine);
    fs::remove_dir_all(&store).expect("ours");
    machine.finding(&["which is gone", "kubectl krew uninstall aad"]);
    again(&machine);
    fs::remove_file(&link).expect("ours");
    symlink(PROGRAM, &link).expect("linked");
    machine.finding(&["not to krew's store"]);
    again(&machine);
}

#[test]
fn aad052_completion_is_not_installed() {
    let mut machine = Machine::without("AAD052");
    fs::remove_file(machine.env.bin("kubectl_complete-aad")).expect("installed");
    // The link is made beside the first one on the `PATH`.
    fs::copy(PROGRAM, machine.env.bin("kubectl-aad")).expect("copied");
    let finding = machine.finding(&["`kubectl_complete-aad`"]);
    assert_eq!(finding["severity"], "note");
    machine.follow_and_check(&["kubectl aad completion install"]);
}
