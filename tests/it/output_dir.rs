//! `kubectl aad sync --output-dir`: a kubeconfig for each cluster, which the real kubectl reads.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
};

use azure_sim::{Cluster, Endpoint, Fault, Fleet, FleetSpec};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::{
    env::{AtATerminal, CLOUD, Ran, Size, TestEnv, finished, names, run, start},
    support::peer,
};

fn fleet(clusters: usize, subscriptions: usize) -> Fleet {
    Fleet::generate(&FleetSpec {
        clusters,
        subscriptions,
        ..FleetSpec::default()
    })
}

/// A cluster like `of` with another name, in a resource group.
fn named(of: &Cluster, name: &str, group: &str) -> Cluster {
    let (start, _) = of.id.split_once("/resourceGroups/").expect("an id");
    let id = format!(
        "{start}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{name}"
    );
    Cluster {
        id,
        name: name.to_owned(),
        resource_group: group.to_owned(),
        ..of.clone()
    }
}

/// A simulated Azure with clusters of these names and resource groups in one subscription.
fn with_clusters(all: &[(&str, &str)]) -> TestEnv {
    let mut fleet = fleet(1, 1);
    let one = fleet.clusters.remove(0);
    let clusters = all.iter().map(|(name, group)| named(&one, name, group));
    fleet.clusters = clusters.collect();
    TestEnv::with_fleet(fleet)
}

impl TestEnv {
    fn try_sync_to_dir(&self, args: &[&str]) -> Ran {
        run(self
            .sync(&["--output-dir", "fleet", "-o", "json"])
            .args(args))
    }

    fn sync_to_dir(&self, args: &[&str]) -> (Value, Ran) {
        let ran = self.try_sync_to_dir(args);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        (ran.json(0), ran)
    }

    fn in_dir(&self, name: &str) -> PathBuf {
        self.path("fleet").join(name)
    }

    fn dir_names(&self) -> Vec<String> {
        names(&self.path("fleet"))
    }

    /// Makes all files lead to other addresses than the clusters have.
    fn move_servers(&self) {
        for name in self.dir_names() {
            let path = self.in_dir(&name);
            let moved = text(&path).replace("server: https://", "server: https://moved-");
            fs::write(&path, moved).expect("written");
        }
    }

    fn remove_cluster(&self, name: &str) {
        self.simulator
            .update(|fleet| fleet.clusters.retain(|cluster| cluster.name != name));
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).expect("a file")
}

/// Each file's content and identity: a file that is written again has another one.
fn state(test_env: &TestEnv) -> Vec<(String, u64, String)> {
    let names = test_env.dir_names().into_iter();
    names
        .map(|name| {
            let path = test_env.in_dir(&name);
            let inode = fs::symlink_metadata(&path).expect("there").ino();
            (name, inode, fs::read_to_string(&path).unwrap_or_default())
        })
        .collect()
}

fn row<'r>(report: &'r Value, name: &str) -> &'r Value {
    let rows = report["clusters"].as_array().expect("a list");
    rows.iter()
        .find(|row| row["name"] == name)
        .expect("a row of that cluster")
}

fn files(rows: &Value) -> Vec<String> {
    let rows = rows.as_array().expect("a list").iter();
    let file = |row: &Value| PathBuf::from(row["file"].as_str().expect("a file"));
    rows.map(|row| {
        let file = file(row);
        file.file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned()
    })
    .collect()
}

/// Makes clusters, by their names, have these values of the tag `n`.
fn tag(test_env: &TestEnv, values: [(&str, &str); 2]) {
    test_env.simulator.update(|fleet| {
        for (name, value) in values {
            let mut clusters = fleet.clusters.iter_mut();
            let cluster = clusters.find(|one| one.name == name).expect("a cluster");
            cluster.tags = [("n".to_owned(), value.to_owned())].into();
        }
    });
}

#[test]
fn a_changed_template_renames_the_kubeconfigs_and_keeps_what_people_added() {
    let test_env = with_clusters(&[("a", "rg"), ("b", "rg")]);
    let named = |names: [&str; 2]| names.map(|name| format!("{name}.yaml"));
    tag(&test_env, [("a", "p"), ("b", "q")]);
    test_env.sync_to_dir(&[]);
    assert_eq!(test_env.dir_names(), named(["a", "b"]));
    let path = test_env.in_dir("a.yaml");
    let edited = text(&path).replace(
        "    cluster: a\n",
        "    cluster: a # mine\n    namespace: team\n",
    );
    fs::write(&path, &edited).expect("written");

    let template = ["--context-name", "{tag.n}"];
    let (planned, _) = test_env.sync_to_dir(&[&template[..], &["--dry-run"]].concat());
    assert_eq!(test_env.dir_names(), named(["a", "b"]));
    let (done, _) = test_env.sync_to_dir(&template);
    assert_eq!(planned["clusters"], done["clusters"]);
    assert_eq!(test_env.dir_names(), named(["p", "q"]));
    let renamed = edited
        .replace("cluster: a #", "cluster: p #")
        .replace("name: a\n", "name: p\n")
        .replace("current-context: a\n", "current-context: p\n")
        .replace("user: a\n", "user: p\n");
    assert_eq!(text(&test_env.in_dir("p.yaml")), renamed);
    let row = &done["clusters"][0];
    assert_eq!(
        (&row["context"], &row["renamedFrom"]),
        (&json!("p"), &json!("a"))
    );
    assert!(
        row["file"]
            .as_str()
            .is_some_and(|file| file.ends_with("p.yaml"))
    );

    // A name that one gives up is free for another; names in a circle get longer.
    tag(&test_env, [("a", "q"), ("b", "r")]);
    test_env.sync_to_dir(&template);
    assert_eq!(test_env.dir_names(), named(["q", "r"]));
    assert!(text(&test_env.in_dir("q.yaml")).contains("namespace: team"));
    tag(&test_env, [("a", "r"), ("b", "q")]);
    test_env.sync_to_dir(&template);
    let names = test_env.dir_names();
    assert_eq!(names.len(), 2, "{names:?}");
    let before: Vec<_> = names
        .iter()
        .map(|name| text(&test_env.in_dir(name)))
        .collect();
    let (again, _) = test_env.sync_to_dir(&template);
    assert_eq!(again["summary"]["unchanged"], 2);
    let after: Vec<_> = names
        .iter()
        .map(|name| text(&test_env.in_dir(name)))
        .collect();
    assert_eq!(after, before);
}

#[test]
fn a_file_that_a_person_renamed_and_a_name_that_is_taken_stay() {
    let test_env = with_clusters(&[("a", "rg"), ("b", "rg")]);
    test_env.sync_to_dir(&[]);
    fs::rename(test_env.in_dir("a.yaml"), test_env.in_dir("mine.yaml")).expect("renamed");
    fs::write(test_env.in_dir("x-b.yaml"), "foreign").expect("written");
    test_env.sync_to_dir(&["--context-name", "x-{name}"]);
    let names = ["mine.yaml", "x-b-rg.yaml", "x-b.yaml"];
    assert_eq!(test_env.dir_names(), names);
    assert!(text(&test_env.in_dir("mine.yaml")).contains("current-context: x-a\n"));
    assert_eq!(text(&test_env.in_dir("x-b.yaml")), "foreign");
}

#[test]
fn a_context_that_keeps_its_name_for_the_layout_of_its_file_is_reported() {
    let test_env = with_clusters(&[("a", "rg")]);
    test_env.sync_to_dir(&[]);
    let path = test_env.in_dir("a.yaml");
    let anchored = text(&path).replace(
        "    cluster: a\n",
        "    cluster: &name a\n    namespace: *name\n",
    );
    fs::write(&path, &anchored).expect("written");
    let (report, _) = test_env.sync_to_dir(&["--context-name", "x-{name}"]);
    assert_eq!(
        report["keptNames"],
        json!([{"context": "a", "code": "layout"}])
    );
    assert_eq!(test_env.dir_names(), ["a.yaml"]);
    assert_eq!(text(&path), anchored);
}

#[test]
fn kubectl_gets_in_with_each_file_and_the_usual_kubeconfig_is_not_touched() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let test_env = TestEnv::with_fleet(fleet(3, 2));
    // Neither could be read.
    fs::create_dir(test_env.path(".kube")).expect("made");
    fs::write(test_env.kubeconfig(), "{").expect("written");
    let mut command = test_env.sync(&["--output-dir", "fleet", "-o", "json"]);
    let synced = run(command.env("KUBECONFIG", "/proc/no/such:/x"));
    let report = synced.json(0);
    assert_eq!(report["summary"]["added"], 3, "{}", synced.stderr);
    assert_eq!(test_env.kubeconfig_text(), "{");
    assert_eq!(report["currentContext"]["action"], "none");

    let rows = report["clusters"].as_array().expect("a list");
    let mut expected: Vec<_> = rows
        .iter()
        .map(|row| format!("{}.yaml", row["name"].as_str().expect("a name")))
        .collect();
    expected.sort();
    assert_eq!(test_env.dir_names(), expected);
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&test_env.path("fleet")), 0o700);
    for row in rows {
        let file = row["file"].as_str().expect("a file");
        assert_eq!(mode(&test_env.path(file)), 0o600);
        let ask = |args: &[&str]| {
            let mut command = test_env.program(&kubectl);
            let ran = run(command.args(["--kubeconfig", file]).args(args));
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            ran.stdout
        };
        assert_eq!(ask(&["config", "current-context"]).trim(), row["context"]);
        assert_eq!(
            ask(&["config", "get-contexts", "-o", "name"])
                .lines()
                .count(),
            1
        );
        test_env.simulator.reset();
        assert!(ask(&["get", "ns"]).contains("kube-system"));
        assert_eq!(
            test_env.simulator.counters().get(Endpoint::Token),
            0,
            "sync has fetched the token"
        );
    }
    let (_, next) = synced.stderr.split_once("next: `").expect("a next step");
    let (next, _) = next.split_once('`').expect("a command");
    test_env.install("kubectl", &kubectl);
    let shown = run(test_env.program("/bin/sh").args(["-c", next]));
    assert!(
        shown.stdout.contains("kube-system"),
        "{next}: {}",
        shown.stderr
    );
}

#[test]
fn an_unchanged_fleet_writes_nothing_and_what_a_person_made_of_a_file_stays() {
    let test_env = with_clusters(&[("one", "rg"), ("two", "rg")]);
    test_env.sync_to_dir(&[]);
    let (one, two) = (test_env.in_dir("one.yaml"), test_env.in_dir("renamed.yml"));
    fs::rename(test_env.in_dir("two.yaml"), &two).expect("renamed");
    let written = text(&two);
    let user = written.lines().find(|line| line.starts_with("    user: "));
    let user = user.expect("the context's");
    let edited = written
        .replace("current-context: two\n", "# mine\ncurrent-context: mine\n")
        .replace("name: two\n  context:", "name: mine\n  context:")
        .replace(
            &format!("{user}\n  name: two\n"),
            &format!("{user}\n    namespace: apps\n  name: mine\n"),
        );
    assert_ne!(edited, written);
    fs::write(&two, &edited).expect("written");
    let before = state(&test_env);
    let (report, ran) = test_env.sync_to_dir(&[]);
    assert_eq!(report["summary"]["unchanged"], 2);
    assert_eq!(state(&test_env), before);
    assert!(!ran.stderr.contains("next:"), "{}", ran.stderr);
    assert_eq!(row(&report, "two")["context"], "mine");

    // The address is set in both, and nothing else changes.
    test_env.move_servers();
    let (report, _) = test_env.sync_to_dir(&["--no-warm"]);
    assert_eq!(report["summary"]["updated"], 2);
    assert_eq!(row(&report, "two")["changes"], json!(["server"]));
    assert_eq!(test_env.dir_names(), ["one.yaml", "renamed.yml"]);
    assert!(!text(&one).contains("https://moved-"), "{}", text(&one));
    assert_eq!(text(&two), edited);
}

#[test]
fn a_name_that_a_foreign_file_has_is_left_to_it() {
    let test_env = with_clusters(&[
        ("one", "rg"),
        ("two", "rg"),
        ("three", "rg"),
        ("four", "rg"),
    ]);
    let elsewhere = test_env.write("elsewhere", "apiVersion: v1\n");
    fs::create_dir(test_env.path("fleet")).expect("made");
    // Somebody else's, in other case; a link; a directory; one with two clusters of ours.
    fs::write(
        test_env.in_dir("ONE.yaml"),
        "apiVersion: v1\nkind: Config\n",
    )
    .expect("written");
    symlink(&elsewhere, test_env.in_dir("two.yaml")).expect("linked");
    fs::create_dir(test_env.in_dir("three.yaml")).expect("made");
    let all = run(&mut test_env.sync(&["--kubeconfig", "fleet/four.yaml", "--no-warm"]));
    assert_eq!(all.code, 0, "{}", all.stderr);
    let before = state(&test_env);
    let (report, _) = test_env.sync_to_dir(&["--prune", "--yes"]);
    for name in ["one", "two", "three", "four"] {
        let row = row(&report, name);
        assert_eq!(row["file"], format!("fleet/{name}-rg.yaml"));
        assert_eq!(row["context"], format!("{name}-rg"));
    }
    let after = state(&test_env);
    assert!(before.iter().all(|old| after.contains(old)), "{after:?}");
    assert_eq!(after.len(), 8);
    assert_eq!(text(&elsewhere), "apiVersion: v1\n");
}

#[test]
fn names_that_are_one_file_on_some_systems_are_two() {
    let test_env = with_clusters(&[
        ("Prod", "west"),
        ("prod", "east"),
        ("con", "rg"),
        ("test", "rg"),
        ("test", "rg2"),
    ]);
    let (report, _) = test_env.sync_to_dir(&[]);
    assert_eq!(report["summary"]["added"], 5);
    let expected = [
        "Prod-west.yaml",
        "aks-con.yaml",
        "prod-east.yaml",
        "test-rg.yaml",
        "test-rg2.yaml",
    ];
    assert_eq!(test_env.dir_names(), expected);
    // One that can't be read today changes no name, and its file is known.
    let (report, _) = test_env.sync_to_dir(&[]);
    assert_eq!(report["summary"]["unchanged"], 5);
}

#[test]
fn only_prune_removes_files_and_only_those_of_gone_clusters() {
    let test_env = with_clusters(&[("one", "rg"), ("two", "rg"), ("three", "rg")]);
    let (report, _) = test_env.sync_to_dir(&[]);
    assert_eq!(report["gone"], json!([]));
    fs::write(test_env.in_dir("mine.yaml"), "apiVersion: v1\n").expect("written");
    let with_more = text(&test_env.in_dir("three.yaml"))
        .replace("users:\n", "users:\n- name: mine\n  user: {token: t}\n");
    fs::write(test_env.in_dir("three.yaml"), with_more).expect("written");
    test_env.remove_cluster("one");
    test_env.remove_cluster("three");
    let before = state(&test_env);

    let (report, ran) = test_env.sync_to_dir(&[]);
    assert_eq!(files(&report["gone"]), ["one.yaml", "three.yaml"]);
    assert_eq!(report["removed"], json!([]));
    assert_eq!(state(&test_env), before);
    let told = "there are 2 kubeconfigs of clusters that no longer exist or that you can no longer see: one.yaml, three.yaml\nhint: if they were deleted, remove their kubeconfigs with `--prune`\n";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);

    let (report, ran) = test_env.sync_to_dir(&["--prune", "--dry-run"]);
    assert_eq!(files(&report["removed"]), ["one.yaml"]);
    assert!(
        ran.stderr.contains("would remove 1 kubeconfig"),
        "{}",
        ran.stderr
    );
    assert_eq!(state(&test_env), before);

    let (report, ran) = test_env.sync_to_dir(&["--prune", "--yes"]);
    assert_eq!(files(&report["removed"]), ["one.yaml"]);
    assert_eq!(files(&report["gone"]), ["three.yaml"]);
    assert_eq!(report["kept"][0]["code"], "inUse");
    let told = "- three: kept: the cluster is gone, but the file has more than sync wrote\nremoved 1 kubeconfig: one.yaml\n";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    let after: Vec<_> = before
        .into_iter()
        .filter(|file| file.0 != "one.yaml")
        .collect();
    assert_eq!(state(&test_env), after);
}

#[test]
fn nothing_is_gone_in_a_subscription_that_was_not_listed_whole() {
    let test_env = TestEnv::with_fleet(fleet(6, 2));
    test_env.sync_to_dir(&[]);
    let clusters = test_env.simulator.fleet().clusters;
    let subscription = clusters[0].subscription_id.clone();
    test_env.simulator.update(|fleet| fleet.clusters.clear());
    let refused = Fault::on(Endpoint::ManagedClusters).subscription(&subscription);
    test_env.simulator.faults().add(refused.status(403));
    let ran = test_env.try_sync_to_dir(&["--prune", "--yes"]);
    let left = clusters
        .iter()
        .filter(|one| one.subscription_id == subscription);
    let left: BTreeSet<_> = left.map(|one| format!("{}.yaml", one.name)).collect();
    assert_eq!(test_env.dir_names(), left.into_iter().collect::<Vec<_>>());
    assert!(
        ran.stderr.contains("removed 3 kubeconfigs"),
        "{}",
        ran.stderr
    );
}

#[test]
fn prune_removes_exactly_our_files_of_gone_clusters() {
    let names: Vec<String> = (0..6).map(|n| format!("c{n}")).collect();
    let all: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "rg")).collect();
    let test_env = with_clusters(&all);
    let clusters = test_env.simulator.fleet().clusters;
    test_env.sync_to_dir(&["--no-warm"]);
    let written: Vec<String> = names
        .iter()
        .map(|name| text(&test_env.in_dir(&format!("{name}.yaml"))))
        .collect();
    /// What became of a cluster's file.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum File {
        AsWritten,
        Renamed,
        WithNamespace,
        WithForeignUser,
        Unmarked,
        Missing,
    }
    let file = prop_oneof![
        Just(File::AsWritten),
        Just(File::Renamed),
        Just(File::WithNamespace),
        Just(File::WithForeignUser),
        Just(File::Unmarked),
        Just(File::Missing),
    ];
    let cases = prop::collection::vec((file, any::<bool>()), 6);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(12));
    let checked = runner.run(&cases, |cases| {
        fs::remove_dir_all(test_env.path("fleet")).expect("ours");
        fs::create_dir(test_env.path("fleet")).expect("made");
        let mut expected = BTreeSet::new();
        for ((name, text), (file, exists)) in names.iter().zip(&written).zip(&cases) {
            let (at, text) = match file {
                File::AsWritten => (format!("{name}.yaml"), text.clone()),
                File::Renamed => (format!("mine-{name}.yml"), text.clone()),
                File::WithNamespace => {
                    let namespace = format!("    namespace: x\n    user: {name}\n");
                    let text = text.replace(&format!("    user: {name}\n"), &namespace);
                    (format!("{name}.yaml"), text)
                }
                File::WithForeignUser => {
                    let text = text.replace("users:\n", "users:\n- name: x\n  user: {token: t}\n");
                    (format!("{name}.yaml"), text)
                }
                File::Unmarked => (format!("{name}.yaml"), text.replace("armId", "id")),
                File::Missing => {
                    if *exists {
                        expected.insert(format!("{name}.yaml"));
                    }
                    continue;
                }
            };
            fs::write(test_env.in_dir(&at), text).expect("written");
            if *exists || matches!(file, File::WithForeignUser | File::Unmarked) {
                expected.insert(at);
            }
            if *exists && *file == File::Unmarked {
                expected.insert(format!("{name}-rg.yaml"));
            }
        }
        test_env.simulator.update(|fleet| {
            let exists = clusters
                .iter()
                .zip(&cases)
                .filter(|(_, (_, exists))| *exists);
            fleet.clusters = exists.map(|(cluster, _)| cluster.clone()).collect();
        });
        test_env.sync_to_dir(&["--prune", "--yes", "--no-warm"]);
        let left: BTreeSet<_> = test_env.dir_names().into_iter().collect();
        prop_assert_eq!(left, expected);
        Ok(())
    });
    checked.expect("it removes these and no others");
}

#[test]
fn syncs_at_once_and_kubectl_beside_them_lose_nothing() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let test_env = TestEnv::with_fleet(fleet(20, 2));
    let mut running: Vec<_> = (0..4)
        .map(|_| start(&mut test_env.sync(&["--output-dir", "fleet", "--no-warm", "-o", "json"])))
        .collect();
    let mut added = 0;
    for child in running.drain(..) {
        let ran = finished(child);
        added += ran.json(0)["summary"]["added"].as_u64().expect("a number");
    }
    assert_eq!(added, 20, "each file is added by one of them");
    let before = test_env.dir_names();
    assert_eq!(before.len(), 20, "{before:?}");
    // kubectl changes a file while others are written.
    test_env.move_servers();
    let file = test_env.in_dir(&before[7]);
    let context = before[7]
        .strip_suffix(".yaml")
        .expect("a kubeconfig")
        .to_owned();
    let syncing = start(&mut test_env.sync(&["--output-dir", "fleet", "--no-warm"]));
    let set = |namespace: &str| {
        let mut command = test_env.program(&kubectl);
        command.arg("--kubeconfig").arg(&file);
        run(command.args(["config", "set-context", &context, "--namespace", namespace]))
    };
    let mut last = None;
    for n in 0..20 {
        let namespace = format!("n{n}");
        if set(&namespace).code == 0 {
            last = Some(namespace);
        }
    }
    assert_eq!(finished(syncing).code, 0);
    let text = text(&file);
    assert!(!text.contains("https://moved-"), "{text}");
    let last = last.expect("kubectl got the lock once");
    assert!(text.contains(&format!("namespace: {last}\n")), "{text}");
    assert_eq!(test_env.dir_names(), before, "nothing is left beside them");
}

#[test]
fn what_was_fetched_before_an_interrupt_is_written_and_nothing_is_removed() {
    let test_env = with_clusters(&[
        ("one", "rg"),
        ("two", "rg"),
        ("three", "rg"),
        ("gone", "rg"),
    ]);
    test_env.sync_to_dir(&["--no-warm"]);
    let all = test_env.dir_names();
    fs::remove_file(test_env.in_dir("one.yaml")).expect("ours");
    test_env.remove_cluster("gone");
    let clusters = test_env.simulator.fleet().clusters;
    let three = clusters
        .iter()
        .find(|one| one.name == "three")
        .expect("it is there");
    let held = Fault::on(Endpoint::ListClusterUserCredential).cluster(&three.id);
    let hold = test_env.simulator.hold(held);
    let args = [
        "sync",
        "-e",
        CLOUD,
        "--no-warm",
        "--refresh",
        "--output-dir",
        "fleet",
        "--prune",
    ];
    let running = AtATerminal::start(test_env.typed(&args), Size::LARGE);
    running.wait_for("fetching kubeconfigs 2/3");
    running.interrupt();
    let seen = running.finish();
    drop(hold);
    assert_eq!(seen.code, 130);
    let last =
        "interrupted: 1 of 3 clusters were written to fleet; run the command again to finish";
    assert_eq!(seen.screen.lines.last().map(String::as_str), Some(last));
    assert_eq!(test_env.dir_names(), all);
    test_env.sync_to_dir(&["--prune", "--yes"]);
    let left: Vec<_> = all.into_iter().filter(|name| name != "gone.yaml").collect();
    assert_eq!(test_env.dir_names(), left);
}

#[test]
fn a_file_that_can_not_be_written_is_its_clusters_failure() {
    let test_env = with_clusters(&[("one", "rg"), ("two", "rg")]);
    test_env.sync_to_dir(&["--no-warm"]);
    test_env.move_servers();
    // kubectl was killed while it held the lock.
    let lock = fs::File::create(test_env.in_dir("one.yaml.lock")).expect("made");
    lock.set_modified(std::time::SystemTime::UNIX_EPOCH)
        .expect("set");
    let ran = test_env.try_sync_to_dir(&["--no-warm"]);
    let report = ran.json(3);
    assert_eq!(row(&report, "one")["action"], "failed");
    assert_eq!(row(&report, "one")["context"], "one");
    assert_eq!(row(&report, "two")["action"], "updated");
    assert!(
        ran.stderr
            .contains("remove the lock with `rm fleet/one.yaml.lock`"),
        "{}",
        ran.stderr
    );
    assert!(text(&test_env.in_dir("one.yaml")).contains("moved-"));
}

#[test]
fn what_a_killed_sync_left_is_removed() {
    let test_env = with_clusters(&[("one", "rg")]);
    test_env.sync_to_dir(&["--no-warm"]);
    let before = test_env.dir_names();
    for left in [
        ".one.yaml.aad-tmp-abc",
        "..kubectl-aad.aad-tmp-abc",
        ".two.yaml.aad-tmp-abc",
    ] {
        fs::write(test_env.in_dir(left), "x").expect("written");
    }
    test_env.sync_to_dir(&["--no-warm"]);
    assert_eq!(test_env.dir_names(), before);
}

#[test]
fn a_directory_that_can_not_be_trusted_or_used_is_refused_before_anybody_signs_in() {
    let test_env = with_clusters(&[("one", "rg")]);
    let refused = |words: &str| {
        test_env.simulator.reset();
        let ran = test_env.try_sync_to_dir(&[]);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
        assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
        assert!(test_env.simulator.requests().is_empty());
    };
    test_env.write("fleet", "");
    refused("the directory `fleet` can't be used\ncaused by: it is not a directory");
    fs::remove_file(test_env.path("fleet")).expect("ours");
    test_env.sync_to_dir(&["--no-warm"]);
    let path = test_env.in_dir("one.yaml");
    let good = text(&path);
    fs::write(&path, format!("{good}\n}}")).expect("written");
    refused("could not use the kubeconfig `fleet/one.yaml`");
    fs::write(&path, good).expect("written");
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // A file of somebody else is not ours, whatever it says.
    chown(&path, Some(1), None).expect("given away");
    let (report, _) = test_env.sync_to_dir(&["--no-warm"]);
    assert_eq!(row(&report, "one")["file"], "fleet/one-rg.yaml");
    chown(test_env.path("fleet"), Some(1), None).expect("given away");
    refused("it belongs to another user (uid 1)");
}

#[test]
fn flags_that_make_no_sense_together_are_refused() {
    let test_env = with_clusters(&[("one", "rg")]);
    for args in [
        &["--output-dir", "fleet", "--kubeconfig", "x"][..],
        &["--output-dir", "fleet", "--prune"],
        &[
            "--output-dir",
            "fleet",
            "--prune",
            "--yes",
            "--discovery",
            "graph",
        ],
    ] {
        let ran = run(&mut test_env.sync(args));
        assert_eq!(ran.code, 2, "{}", ran.stderr);
    }
    let dry = test_env.try_sync_to_dir(&["--dry-run"]);
    assert_eq!(dry.json(0)["summary"]["added"], 1);
    assert!(!test_env.path("fleet").exists());
    let mut named = test_env.sync(&["--output-dir", "fleet", "-o", "name", "-q"]);
    let named = run(&mut named);
    assert_eq!(
        (named.stdout.as_str(), named.stderr.as_str()),
        ("one\n", "")
    );
}

#[test]
fn certificate_authorities_are_in_files_that_all_kubeconfigs_share_while_the_flag_is_given() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let test_env = with_clusters(&[("one", "rg"), ("two", "rg"), ("three", "rg")]);
    test_env.sync_to_dir(&["--no-warm"]);
    let inline = state(&test_env);
    let (report, _) = test_env.sync_to_dir(&["--ca-files"]);
    assert_eq!(report["summary"]["updated"], 3);
    let authorities = names(&test_env.in_dir(".aad-ca"));
    // The simulator's clusters have the same one.
    assert_eq!(authorities.len(), 1, "{authorities:?}");
    let named = format!("certificate-authority: \".aad-ca/{}\"\n", authorities[0]);
    for name in ["one", "two", "three"] {
        let file = test_env.in_dir(&format!("{name}.yaml"));
        assert!(text(&file).contains(&named), "{}", text(&file));
        let mut command = test_env.program(&kubectl);
        let spaces = run(command.arg("--kubeconfig").arg(&file).args(["get", "ns"]));
        assert!(spaces.stdout.contains("kube-system"), "{}", spaces.stderr);
    }
    let before = state(&test_env);
    test_env.sync_to_dir(&["--ca-files"]);
    assert_eq!(state(&test_env), before);

    // A copy that somebody made needs the file, whether a sync knows it or not.
    fs::write(test_env.in_dir("copy"), &named).expect("written");
    test_env.sync_to_dir(&["--no-warm"]);
    assert_eq!(names(&test_env.in_dir(".aad-ca")), authorities);
    fs::remove_file(test_env.in_dir("copy")).expect("ours");
    test_env.sync_to_dir(&["--no-warm"]);
    let lines = |state: &[(String, u64, String)]| -> Vec<(String, BTreeSet<String>)> {
        let lines = |text: &str| text.lines().map(str::to_owned).collect();
        let files = state
            .iter()
            .map(|(name, _, text)| (name.clone(), lines(text)));
        files.collect()
    };
    assert_eq!(lines(&state(&test_env)), lines(&inline));
}

#[test]
fn kubectl_reads_all_files_at_once_and_finds_each_clusters_own_sign_in() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    // The servers' applications differ, the account and the tenant do not.
    let mut fleet = Fleet::generate(&FleetSpec {
        clusters: 6,
        legacy: 0.5,
        ..FleetSpec::default()
    });
    fleet.clusters.sort_by(|a, b| a.name.cmp(&b.name));
    let test_env = TestEnv::with_fleet(fleet);
    test_env.sync_to_dir(&["--no-warm"]);
    let files = test_env.dir_names().into_iter();
    let paths = std::env::join_paths(files.map(|name| test_env.in_dir(&name)));
    let mut command = test_env.program(&kubectl);
    command.env("KUBECONFIG", paths.expect("no colon in these"));
    let ran = run(command.args(["config", "view", "--raw", "-o", "json"]));
    let merged: Value = serde_json::from_str(&ran.stdout).expect("a kubeconfig");
    assert_eq!(merged["users"].as_array().expect("a list").len(), 6);
    for context in merged["contexts"].as_array().expect("a list") {
        assert_eq!(context["context"]["user"], context["name"]);
    }
}
