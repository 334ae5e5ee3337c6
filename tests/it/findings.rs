//! What a sync finds out about the kubeconfig beside the clusters' own entries: the current context, contexts whose
//! cluster is gone, and contexts of others for clusters of the fleet. The real kubectl checks what is written and hinted.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::PathBuf,
};

use azure_sim::{Cluster, Endpoint, Fault, Fleet, FleetSpec, PowerState};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    env::{Ran, TIMEOUT, TestEnv, finished, run, signal, start},
    support::peer,
};

fn test_env(clusters: usize, subscriptions: usize) -> TestEnv {
    TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters,
        subscriptions,
        ..FleetSpec::default()
    }))
}

/// A simulated Azure and the real kubectl, which sees `kubeconfig` (the value of `KUBECONFIG`) or else the default one.
struct Kubectl<'a> {
    test_env: &'a TestEnv,
    program: PathBuf,
    kubeconfig: Option<String>,
}

impl Kubectl<'_> {
    fn ask(&self, args: &[&str]) -> Ran {
        let mut command = self.test_env.program(&self.program);
        command.envs(self.kubeconfig.iter().map(|list| ("KUBECONFIG", list)));
        run(command.args(args))
    }

    fn says(&self, args: &[&str]) -> String {
        let ran = self.ask(args);
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
        ran.stdout.trim().to_owned()
    }

    fn contexts(&self) -> Vec<String> {
        let names = self.says(&["config", "get-contexts", "-o", "name"]);
        names.lines().map(str::to_owned).collect()
    }

    /// Types the command of a hint into a shell.
    fn type_in(&self, command: &str) -> String {
        let mut shell = self.test_env.program("/bin/sh");
        shell.args(["-c", command]);
        let ran = run(&mut shell);
        assert_eq!(ran.code, 0, "{command}: {}", ran.stderr);
        ran.stdout
    }
}

fn kubectl(test_env: &TestEnv) -> Option<Kubectl<'_>> {
    let program = peer("kubectl")?;
    test_env.install("kubectl", &program);
    Some(Kubectl {
        test_env,
        program,
        kubeconfig: None,
    })
}

fn sync(test_env: &TestEnv, args: &[&str]) -> Ran {
    let ran = run(test_env.sync(&["-o", "json"]).args(args));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran
}

/// The commands of the one line with these words.
fn hinted<'t>(ran: &'t Ran, words: &str) -> Vec<&'t str> {
    let lines = ran.stderr.lines().filter(|line| line.contains(words));
    let [line] = lines.collect::<Vec<_>>()[..] else {
        panic!("not one line with `{words}` in\n{}", ran.stderr);
    };
    let quoted = line.split('`').skip(1).step_by(2);
    quoted.filter(|text| text.contains("kubectl ")).collect()
}

fn action(report: &Value) -> &Value {
    &report["currentContext"]["action"]
}

#[test]
fn after_a_first_sync_of_one_cluster_kubectl_needs_no_context() {
    let test_env = test_env(1, 1);
    let Some(kubectl) = kubectl(&test_env) else {
        return;
    };
    let first = sync(&test_env, &[]);
    let name = &test_env.simulator.fleet().clusters[0].name;
    assert_eq!(
        first.json(0)["currentContext"],
        json!({"name": name, "action": "set", "exists": true})
    );
    assert_eq!(kubectl.says(&["config", "current-context"]), *name);
    let next = hinted(&first, "the current context is now")[0];
    assert!(kubectl.type_in(next).contains("kube-system"));
    assert_eq!(kubectl.contexts(), [name.clone()]);
    // The second sync does not even write the same again.
    let inode = |path: PathBuf| path.metadata().expect("there").ino();
    let (text, before) = (test_env.kubeconfig_text(), inode(test_env.kubeconfig()));
    let second = sync(&test_env, &[]);
    assert_eq!(action(&second.json(0)), "kept");
    assert_eq!(test_env.kubeconfig_text(), text);
    assert_eq!(inode(test_env.kubeconfig()), before);
    assert!(!second.stderr.contains("context"), "{}", second.stderr);
}

#[test]
fn a_context_that_a_person_unset_is_not_set_again() {
    let test_env = test_env(1, 1);
    let Some(kubectl) = kubectl(&test_env) else {
        return;
    };
    sync(&test_env, &[]);
    let name = kubectl.says(&["config", "current-context"]);
    kubectl.says(&["config", "unset", "current-context"]);
    let text = test_env.kubeconfig_text();
    let again = sync(&test_env, &[]);
    assert_eq!(action(&again.json(0)), "none");
    assert_eq!(test_env.kubeconfig_text(), text);
    kubectl.type_in(hinted(&again, "to choose a context")[0]);
    assert_eq!(kubectl.says(&["config", "current-context"]), name);
}

#[test]
fn of_several_files_the_current_context_is_set_where_kubectl_would_set_it() {
    let test_env = test_env(1, 1);
    let Some(mut kubectl) = kubectl(&test_env) else {
        return;
    };
    let foreign = "apiVersion: v1\nkind: Config\ncurrent-context: \"\"\nclusters:\n- name: x\n  cluster: {server: https://x}\n";
    for files in [
        [None, None, None],
        [None, Some(foreign), None],
        [Some(""), Some(foreign), None],
        [Some(foreign), Some(foreign), Some("")],
        [None, None, Some(foreign)],
    ] {
        let names = ["a", "b", "c"].map(|name| test_env.path(name));
        for (path, text) in names.iter().zip(files) {
            let _ = fs::remove_file(path);
            if let Some(text) = text {
                fs::write(path, text).expect("written");
            }
        }
        let list = names.each_ref().map(|path| path.display().to_string());
        let list = list.join(":");
        kubectl.kubeconfig = Some(list.clone());
        let synced = run(test_env.sync(&["-o", "json"]).env("KUBECONFIG", &list));
        assert_eq!(action(&synced.json(0)), "set");
        let name = kubectl.says(&["config", "current-context"]);
        let holders = || {
            let line = format!("current-context: {name}");
            let holds = |path: &&PathBuf| {
                let text = fs::read_to_string(path).unwrap_or_default();
                text.lines().any(|other| other == line)
            };
            names.iter().filter(holds).cloned().collect::<Vec<_>>()
        };
        let ours = holders();
        assert_eq!(ours.len(), 1);
        assert!(
            hinted(&synced, "the current context is now")[0].starts_with("KUBECONFIG="),
            "{}",
            synced.stderr
        );
        kubectl.says(&["config", "unset", "current-context"]);
        assert_eq!(holders(), [] as [PathBuf; 0]);
        kubectl.says(&["config", "use-context", &name]);
        assert_eq!(holders(), ours, "{files:?}");
    }
}

#[test]
fn a_current_context_that_is_set_in_any_file_is_kept() {
    let test_env = test_env(1, 1);
    let Some(mut kubectl) = kubectl(&test_env) else {
        return;
    };
    let other = test_env.write(
        "other",
        "apiVersion: v1\nkind: Config\ncurrent-context: mine\ncontexts:\n- name: mine\n  context: {cluster: x, user: x}\n",
    );
    let shared = fs::Permissions::from_mode(0o444);
    fs::set_permissions(&other, shared).expect("ours");
    let list = format!("{}:other", test_env.kubeconfig().display());
    fs::create_dir_all(test_env.path(".kube")).expect("made");
    fs::write(test_env.kubeconfig(), "current-context: null\n").expect("written");
    let synced = run(test_env.sync(&["-o", "json"]).env("KUBECONFIG", &list));
    let report = synced.json(0);
    assert_eq!(report["summary"]["added"], 1);
    assert_eq!(
        report["currentContext"],
        json!({"name": "mine", "action": "kept", "exists": true})
    );
    assert!(!synced.stderr.contains("context"), "{}", synced.stderr);
    kubectl.kubeconfig = Some(list);
    assert_eq!(kubectl.says(&["config", "current-context"]), "mine");
    assert!(
        test_env
            .kubeconfig_text()
            .contains("current-context: null\n")
    );
}

#[test]
fn a_current_context_that_does_not_exist_is_kept_and_told() {
    let test_env = test_env(1, 1);
    let Some(kubectl) = kubectl(&test_env) else {
        return;
    };
    fs::create_dir_all(test_env.path(".kube")).expect("made");
    fs::write(test_env.kubeconfig(), "current-context: left # by me\n").expect("written");
    let synced = sync(&test_env, &[]);
    assert_eq!(
        synced.json(0)["currentContext"],
        json!({"name": "left", "action": "kept", "exists": false})
    );
    let warning = "warning: the current context `left` does not exist\n";
    assert!(synced.stderr.contains(warning), "{}", synced.stderr);
    assert!(
        test_env
            .kubeconfig_text()
            .contains("current-context: left # by me\n")
    );
    kubectl.type_in(hinted(&synced, "to choose a context")[0]);
    let name = &test_env.simulator.fleet().clusters[0].name;
    assert_eq!(kubectl.says(&["config", "current-context"]), *name);
}

#[test]
fn the_current_context_is_set_in_every_layout_and_nothing_else_changes() {
    let test_env = test_env(1, 1);
    let Some(kubectl) = kubectl(&test_env) else {
        return;
    };
    let name = &test_env.simulator.fleet().clusters[0].name;
    let path = test_env.kubeconfig();
    fs::create_dir_all(test_env.path(".kube")).expect("made");
    for (before, changed) in [
        ("", ""),
        ("# only a comment", ""),
        ("apiVersion: v1\nkind: Config\n# the end", ""),
        (
            "current-context: \"\" # none yet\nkind: Config\n",
            "current-context: \"\" # none yet",
        ),
        (
            "kind: Config\ncurrent-context: null",
            "current-context: null",
        ),
        ("kind: Config\ncurrent-context: ~\n", "current-context: ~"),
        (
            "kind: Config\ncurrent-context:\napiVersion: v1\n",
            "current-context:",
        ),
        (
            "kind: Config\r\ncurrent-context: ''\r\n",
            "current-context: ''",
        ),
        (
            "{apiVersion: v1, kind: Config, \"current-context\": \"\", clusters: [{name: x, cluster: {server: 'https://x'}}], contexts: [], users: []}",
            "*",
        ),
        (
            "base: &base {server: 'https://x'} # shared\nclusters:\n- {name: x, cluster: *base}\n- name: other\n  cluster:\n    <<: *base\ncontexts: null\n",
            "contexts: null",
        ),
    ] {
        fs::write(&path, before).expect("written");
        let synced = sync(&test_env, &[]);
        assert_eq!(action(&synced.json(0)), "set", "{before}");
        let after = test_env.kubeconfig_text();
        assert_eq!(kubectl.says(&["config", "current-context"]), *name);
        assert_eq!(kubectl.contexts(), [name.clone()]);
        if changed != "*" {
            let mut lines = after.lines();
            for line in before.lines().filter(|line| *line != changed) {
                assert!(lines.any(|other| other == line), "`{line}`:\n{after}");
            }
        }
        assert_eq!(action(&sync(&test_env, &[]).json(0)), "kept");
        assert_eq!(test_env.kubeconfig_text(), after);
    }
}

#[test]
fn a_current_context_that_the_layout_does_not_allow_costs_no_cluster() {
    let test_env = test_env(1, 1);
    fs::create_dir_all(test_env.path(".kube")).expect("made");
    let before = "kind: Config\nnobody: &none ''\ncurrent-context: *none\n";
    fs::write(test_env.kubeconfig(), before).expect("written");
    let synced = sync(&test_env, &[]);
    let report = synced.json(0);
    assert_eq!(report["summary"]["added"], 1);
    let after = test_env.kubeconfig_text();
    assert!(after.contains("nobody: &none ''\n"), "{after}");
    assert_eq!(
        action(&report) == "set",
        !after.contains("current-context: *none\n"),
        "{after}"
    );
}

#[test]
fn among_several_clusters_a_running_one_is_suggested() {
    let test_env = test_env(3, 1);
    let Some(kubectl) = kubectl(&test_env) else {
        return;
    };
    let mut names = test_env.simulator.update(|fleet| {
        fleet.clusters.sort_by(|a, b| a.name.cmp(&b.name));
        fleet.clusters[0].power_state = PowerState::Stopped;
        fleet
            .clusters
            .iter()
            .map(|one| one.name.clone())
            .collect::<Vec<_>>()
    });
    let dry = sync(&test_env, &["--dry-run"]);
    assert!(!dry.stderr.contains("hint"), "{}", dry.stderr);
    let file = test_env.path("my config");
    let name_of_file = file.to_str().expect("UTF-8");
    let synced = sync(&test_env, &["--kubeconfig", name_of_file]);
    assert_eq!(action(&synced.json(0)), "none");
    kubectl.type_in(hinted(&synced, "to choose a context")[0]);
    let current = ["--kubeconfig", name_of_file, "config", "current-context"];
    assert_eq!(kubectl.says(&current), names[1]);
    // A new one comes before those that are known.
    kubectl.says(&[
        "--kubeconfig",
        name_of_file,
        "config",
        "unset",
        "current-context",
    ]);
    names[2] = "zz-new".to_owned();
    test_env.simulator.update(|fleet| {
        let mut new = fleet.clusters[2].clone();
        new.id = new.id.replace(&new.name, "zz-new");
        new.name = "zz-new".to_owned();
        fleet.clusters.push(new);
    });
    let again = sync(&test_env, &["--kubeconfig", name_of_file]);
    kubectl.type_in(hinted(&again, "to choose a context")[0]);
    assert_eq!(kubectl.says(&current), "zz-new");
}

#[test]
fn a_dry_run_says_what_would_be_the_current_context() {
    let test_env = test_env(1, 1);
    let dry = sync(&test_env, &["--dry-run"]);
    let name = &test_env.simulator.fleet().clusters[0].name;
    assert_eq!(action(&dry.json(0)), "set");
    let line = format!("the current context would be set to `{name}`\n");
    assert!(dry.stderr.contains(&line), "{}", dry.stderr);
    assert!(!test_env.kubeconfig().exists());
}

/// A sync that is interrupted while it waits for `endpoint`, after it got one answer from there.
fn interrupted(test_env: &TestEnv, endpoint: Endpoint) -> Value {
    let hold = test_env.simulator.hold(Fault::on(endpoint).after(1));
    let running = start(&mut test_env.sync(&["-o", "json", "--concurrency", "1"]));
    hold.wait_for(1, TIMEOUT);
    signal(&running, Signal::INT);
    let ran = finished(running);
    drop(hold);
    ran.json(130)
}

#[test]
fn an_interrupted_sync_chooses_no_context() {
    let test_env = test_env(3, 1);
    let report = interrupted(&test_env, Endpoint::ListClusterUserCredential);
    // The answer that has arrived may not have been read yet.
    assert!(report["summary"]["added"].as_u64() <= Some(1), "{report}");
    assert_eq!(action(&report), "none");
}

/// Synced clusters of two subscriptions, of which one is then deleted.
fn with_a_gone_cluster() -> (TestEnv, Cluster) {
    let test_env = test_env(6, 2);
    sync(&test_env, &[]);
    let gone = test_env.simulator.update(|fleet| fleet.clusters.remove(0));
    (test_env, gone)
}

fn gone(report: &Value) -> Vec<&str> {
    let gone = report["gone"].as_array().expect("a list").iter();
    gone.map(|one| one["context"].as_str().expect("a name"))
        .collect()
}

#[test]
fn a_deleted_cluster_is_reported_and_the_hint_removes_its_entries() {
    let (test_env, deleted) = with_a_gone_cluster();
    let Some(kubectl) = kubectl(&test_env) else {
        return;
    };
    let text = test_env.kubeconfig_text();
    let synced = sync(&test_env, &[]);
    assert_eq!(test_env.kubeconfig_text(), text, "nothing is removed");
    assert_eq!(
        synced.json(0)["gone"],
        json!([{
            "context": deleted.name,
            "cluster": deleted.name,
            "user": deleted.name,
            "id": deleted.id,
            "file": test_env.kubeconfig(),
        }])
    );
    let line = format!(
        "1 context leads to a cluster that no longer exists or that you may no longer see: {}\n",
        deleted.name
    );
    assert!(synced.stderr.contains(&line), "{}", synced.stderr);
    // Two more, one of which got another name and a context of a person's own for the same user.
    let more: Vec<_> = test_env
        .simulator
        .update(|fleet| fleet.clusters.drain(..2).collect());
    let [first, second] = &more[..] else {
        unreachable!("two were drained")
    };
    kubectl.says(&["config", "rename-context", &first.name, "my cluster's"]);
    kubectl.says(&["config", "set-context", "mine", "--user", &second.name]);
    let synced = sync(&test_env, &[]);
    let report = synced.json(0);
    let mut expected = [deleted.name.as_str(), "my cluster's", &second.name];
    expected.sort_unstable();
    assert_eq!(gone(&report), expected);
    let of_second = &report["gone"]
        .as_array()
        .and_then(|all| all.iter().find(|one| one["context"] == *second.name));
    assert_eq!(of_second.expect("it is gone")["user"], Value::Null);
    kubectl.type_in(hinted(&synced, "if they were deleted")[0]);
    let left = kubectl.contexts();
    assert_eq!(left.len(), 4, "{left:?}");
    assert!(left.contains(&"mine".to_owned()));
    let clusters = kubectl.says(&["config", "get-clusters"]);
    assert_eq!(clusters.lines().count(), 1 + 3, "{clusters}");
    let users = kubectl.says(&["config", "get-users"]);
    assert_eq!(users.lines().count(), 1 + 4, "{users}");
    assert_eq!(gone(&sync(&test_env, &[]).json(0)), [] as [&str; 0]);
}

#[test]
fn the_hint_for_many_gone_clusters_is_bounded_and_can_be_pasted() {
    let test_env = test_env(14, 1);
    let Some(kubectl) = kubectl(&test_env) else {
        return;
    };
    sync(&test_env, &[]);
    test_env.simulator.update(|fleet| fleet.clusters.clear());
    for left in [4, 0] {
        let synced = sync(&test_env, &[]);
        let hint = hinted(&synced, "were deleted")[0];
        assert!(hint.len() < 500, "{hint}");
        kubectl.type_in(hint);
        assert_eq!(kubectl.contexts().len(), left);
    }
    assert!(!test_env.kubeconfig_text().contains("armId"));
}

#[test]
fn a_cluster_is_not_gone_unless_its_subscription_was_listed_whole() {
    let (test_env, deleted) = with_a_gone_cluster();
    let subscription = deleted.subscription_id.as_str();
    let other = test_env.simulator.fleet().subscriptions;
    let other = other.iter().find(|one| one.id != subscription);
    let other = &other.expect("two subscriptions").id;
    let listing = || Fault::on(Endpoint::ManagedClusters).subscription(subscription);
    let report = |args: &[&str]| {
        let ran = run(test_env.sync(&["-o", "json"]).args(args));
        serde_json::from_str::<Value>(&ran.stdout).expect("a document")
    };
    for fault in [
        listing().status(403),
        listing().throttled(0),
        listing().malformed(),
        listing().status(500),
    ] {
        test_env.simulator.faults().add(fault.clone());
        let report = report(&[]);
        assert_eq!(gone(&report), [] as [&str; 0], "{fault:?}");
        test_env.simulator.faults().clear();
    }
    // The second page is missing.
    test_env.simulator.configure(|s| s.cluster_pages = vec![1]);
    test_env
        .simulator
        .faults()
        .add(listing().after(1).status(403));
    assert_eq!(gone(&report(&[])), [] as [&str; 0]);
    test_env.simulator.faults().clear();
    test_env
        .simulator
        .configure(|s| s.cluster_pages = vec![100]);

    assert_eq!(gone(&report(&["-s", other])), [] as [&str; 0]);
    assert_eq!(
        gone(&report(&["-s", subscription])),
        [deleted.name.as_str()]
    );
    assert_eq!(gone(&report(&["--dry-run"])), [deleted.name.as_str()]);
}

#[test]
fn a_tenant_whose_subscriptions_could_not_be_listed_has_no_gone_clusters() {
    let test_env = TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters: 4,
        tenants: 2,
        subscriptions: 2,
        ..FleetSpec::default()
    }));
    sync(&test_env, &[]);
    test_env.simulator.update(|fleet| fleet.clusters.clear());
    // Of the tenants, which are asked at once, the second to ask is refused.
    let refused = Fault::on(Endpoint::Subscriptions).after(1).status(403);
    test_env.simulator.faults().add(refused);
    let ran = run(&mut test_env.sync(&["-o", "json"]));
    let report: Value = serde_json::from_str(&ran.stdout).expect("a document");
    let gone = report["gone"].as_array().expect("a list").iter();
    let ids: Vec<_> = gone.filter_map(|one| one["id"].as_str()).collect();
    let subscriptions: BTreeSet<_> = ids.iter().map(|id| id.split('/').nth(2)).collect();
    assert_eq!((ids.len(), subscriptions.len()), (2, 1), "{report}");
}

#[test]
fn an_interrupted_sync_calls_nothing_gone() {
    let (test_env, _) = with_a_gone_cluster();
    for endpoint in [
        Endpoint::ManagedClusters,
        Endpoint::ListClusterUserCredential,
    ] {
        assert_eq!(gone(&interrupted(&test_env, endpoint)), [] as [&str; 0]);
    }
}

#[test]
fn what_is_hidden_being_deleted_or_spelled_otherwise_is_not_gone() {
    let test_env = test_env(4, 2);
    sync(&test_env, &[]);
    let before = test_env.simulator.fleet();
    let none = |what: &str| {
        let report = sync(&test_env, &[]).json(0);
        assert_eq!(gone(&report), [] as [&str; 0], "{what}");
    };
    test_env.simulator.update(|fleet| {
        for cluster in &mut fleet.clusters {
            cluster.provisioning_state = "Deleting".into();
        }
    });
    none("being deleted");
    test_env.simulator.update(|fleet| {
        *fleet = before.clone();
        for cluster in &mut fleet.clusters {
            cluster.id = cluster.id.to_uppercase();
        }
    });
    none("in other case");
    test_env.simulator.update(|fleet| {
        *fleet = before.clone();
        let hidden = fleet.subscriptions.remove(0).id;
        fleet.clusters.retain(|one| one.subscription_id != hidden);
    });
    none("in a subscription that is not visible");
}

/// The kubeconfig that `az aks get-credentials` and `kubelogin convert-kubeconfig -l azurecli` leave.
fn of_az(server: &str, name: &str) -> String {
    format!(
        "apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: Q0E=
    server: {server}
  name: {name}
contexts:
- context:
    cluster: {name}
    namespace: shop
    user: clusterUser_rg_{name}
  name: {name}
- context:
    cluster: {name}
    user: clusterAdmin_rg_{name}
  name: {name}-admin
current-context: {name}
kind: Config
preferences: {{}}
users:
- name: clusterUser_rg_{name}
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      args:
      - get-token
      - --login
      - azurecli
      - --server-id
      - 6dae42f8-4368-4678-94ff-3960e28e3630
      command: kubelogin
      env: null
      provideClusterInfo: false
- name: clusterAdmin_rg_{name}
  user:
    client-certificate-data: Q0E=
    client-key-data: Q0E=
"
    )
}

/// The server that a sync writes for the only cluster.
fn server(test_env: &TestEnv) -> String {
    let file = test_env.path("probe");
    let name = file.to_str().expect("UTF-8");
    sync(test_env, &["--kubeconfig", name]);
    let text = fs::read_to_string(&file).expect("written");
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("server: "));
    line.expect("a server").to_owned()
}

#[test]
fn contexts_of_az_for_clusters_of_the_fleet_are_told_when_a_second_one_is_added() {
    let test_env = test_env(1, 1);
    let Some(kubectl) = kubectl(&test_env) else {
        return;
    };
    let cluster = test_env.simulator.fleet().clusters.remove(0);
    let server = server(&test_env);
    fs::create_dir_all(test_env.path(".kube")).expect("made");
    let text = of_az(
        &format!("{server}/").replace("https://", "HTTPS://"),
        &cluster.name,
    );
    fs::write(test_env.kubeconfig(), text).expect("written");
    let synced = sync(&test_env, &[]);
    let report = synced.json(0);
    let ours = report["clusters"][0]["context"].as_str().expect("a name");
    assert_ne!(ours, cluster.name);
    let theirs = format!("{server}/").replace("https://", "HTTPS://");
    assert_eq!(
        report["duplicates"],
        json!([
            {"context": cluster.name, "server": theirs, "id": cluster.id, "ours": ours, "admin": false},
            {"context": format!("{}-admin", cluster.name), "server": theirs, "id": cluster.id, "ours": ours, "admin": true},
        ])
    );
    assert_eq!(action(&report), "kept");
    let hint = hinted(&synced, "under the old name")[0];
    assert!(!hint.contains("-admin"), "{hint}");
    // In JSON they stay; for people they are news once.
    let again = sync(&test_env, &[]);
    assert_eq!(again.json(0)["duplicates"], report["duplicates"]);
    assert!(!again.stderr.contains("hint"), "{}", again.stderr);
    kubectl.type_in(hint);
    assert!(kubectl.says(&["get", "ns"]).contains("kube-system"));
    let after = sync(&test_env, &[]).json(0);
    assert_eq!(after["summary"]["unchanged"], 1);
    assert_eq!(after["clusters"][0]["context"], *cluster.name);
    let left = after["duplicates"].as_array().expect("a list");
    assert_eq!(left.len(), 1, "only the administrator's: {left:?}");
}

#[test]
fn the_old_context_can_be_converted_with_the_command_that_is_hinted() {
    let test_env = test_env(1, 1);
    let cluster = test_env.simulator.fleet().clusters.remove(0);
    let server = server(&test_env);
    fs::create_dir_all(test_env.path(".kube")).expect("made");
    fs::write(test_env.kubeconfig(), of_az(&server, &cluster.name)).expect("written");
    let synced = sync(&test_env, &[]);
    let command = hinted(&synced, "under the old name")[1];
    let words = command.strip_prefix("kubectl aad ").expect("our command");
    let words: Vec<_> = words.split(' ').collect();
    let converted = run(&mut test_env.aad(&words));
    assert_eq!(converted.code, 0, "{}", converted.stderr);
    assert!(!test_env.kubeconfig_text().contains("command: kubelogin"));
}

#[test]
fn a_persons_own_context_for_our_entries_and_other_servers_are_no_duplicates() {
    let test_env = test_env(1, 1);
    let Some(kubectl) = kubectl(&test_env) else {
        return;
    };
    let synced = sync(&test_env, &[]).json(0);
    let name = synced["clusters"][0]["context"].as_str().expect("a name");
    let own = ["--cluster", name, "--user", name, "--namespace", "shop"];
    kubectl.says(&[&["config", "set-context", "shop"], &own[..]].concat());
    let elsewhere = of_az("https://elsewhere.example:443", "elsewhere");
    let path = test_env.write("elsewhere", &elsewhere);
    let list = format!("{}:{}", test_env.kubeconfig().display(), path.display());
    let synced = run(test_env.sync(&["-o", "json"]).env("KUBECONFIG", list));
    assert_eq!(synced.json(0)["duplicates"], json!([]));
}
