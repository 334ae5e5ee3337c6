use std::{fs, path::PathBuf};

use super::*;

const KUBECONFIG: &str = "\
clusters:
- name: a
  cluster: {server: 'https://a', extensions: [{name: kubectl-aad, extension: {armId: /A}}]}
- name: b
  cluster: {server: 'https://b', extensions: [{name: kubectl-aad, extension: {armId: /B, admin: true}}]}
contexts:
- {name: a, context: {cluster: a, user: 'aad:x', namespace: web}}
- {name: other, context: {cluster: a, user: 'aad:x'}}
- {name: b, context: {cluster: b, user: b}}
current-context: a
users:
- name: 'aad:x'
  user: {exec: {command: kubectl-aad, args: [get-token, --login, spn, --client-id, c, --client-secret, hunter2],
      env: [{name: AZURE_CONFIG_DIR, value: ''}, {name: AZURE_CLIENT_SECRET, value: hunter2}]}}
- name: b
  user: {token: t, extensions: [{name: kubectl-aad, extension: {armId: /B, admin: true}}]}
";

struct Machine {
    home: tempfile::TempDir,
    host: Host,
}

impl Machine {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let host = Host::with_env([("HOME", home.path())]);
        fs::create_dir(home.path().join(".kube")).expect("made");
        let machine = Self { home, host };
        machine.write(KUBECONFIG);
        machine
    }

    fn write(&self, text: &str) {
        let path = self.home.path().join(".kube/config");
        fs::write(&path, text).expect("written");
        assert!(Stamp::are_settled(&Stamp::all_settled(&[path])));
    }

    fn index(&self) -> PathBuf {
        self.home.path().join(".kube/cache/kubectl-aad").join(NAME)
    }

    fn known(&self) -> Vec<SyncedContext> {
        known_contexts(&self.host, None).expect("a kubeconfig")
    }
}

#[test]
fn the_index_says_what_the_kubeconfig_does_without_secrets() {
    let machine = Machine::new();
    let parsed = machine.known();
    assert_eq!(parsed.len(), 3);
    let index = fs::read_to_string(machine.index()).expect("it is left behind");
    assert!(!index.contains("hunter2"));
    let sign_in = parsed[0].sign_in.as_deref().expect("ours");
    assert_eq!(sign_in, ["get-token", "--login", "spn", "--client-id", "c"]);
    let variables = parsed[0].variables.as_ref();
    assert_eq!(variables, [("AZURE_CONFIG_DIR".to_owned(), String::new())]);
    // What it says is used, and not the kubeconfig.
    assert_eq!(machine.known(), parsed);
    fs::write(machine.index(), index.replace("https://a", "https://kept")).expect("written");
    assert_eq!(machine.known()[0].server, "https://kept");
}

#[test]
fn a_kubeconfig_that_changed_is_read_and_so_is_one_whose_index_is_damaged() {
    let machine = Machine::new();
    machine.known();
    let longer = KUBECONFIG.replace("https://a", "https://longer");
    machine.write(&longer);
    assert_eq!(machine.known()[0].server, "https://longer");
    let index = fs::read(machine.index()).expect("it is left behind");
    for damaged in [&index[..index.len() / 2], b"", b"{}\n{}", b"\xff"] {
        fs::write(machine.index(), damaged).expect("written");
        assert_eq!(machine.known()[0].server, "https://longer");
    }
    let other = Host::with_env([
        ("HOME", machine.home.path().as_os_str()),
        ("KUBECONFIG", "/none".as_ref()),
    ]);
    assert_eq!(known_contexts(&other, None).expect("empty"), []);
    assert_eq!(machine.known().len(), 3);
}

#[test]
fn a_fresh_index_is_left_alone_and_a_missing_one_is_made() {
    let machine = Machine::new();
    refresh(&machine.host).expect("made");
    let index = fs::read(machine.index()).expect("it is left behind");
    let marked = [&index[..index.len() - 1], b" }"].concat();
    fs::write(machine.index(), &marked).expect("written");
    refresh(&machine.host).expect("fresh");
    assert_eq!(fs::read(machine.index()).expect("kept"), marked);
    machine.write("");
    refresh(&machine.host).expect("made");
    assert_ne!(fs::read(machine.index()).expect("written"), marked);
}

#[cfg(unix)]
#[test]
fn a_cache_directory_that_can_not_be_written_costs_nothing_but_time() {
    let machine = Machine::new();
    fs::write(machine.home.path().join(".kube/cache"), "").expect("written");
    assert_eq!(machine.known().len(), 3);
}
