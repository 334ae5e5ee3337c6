//! What a plan says is what is done: diffs, documents and exit codes of `sync`.

use std::{collections::BTreeMap, fs};

use azure_sim::{Fleet, FleetSpec};
use kubectl_aad::internals::Document;
use serde_json::{Value, json};

use crate::{
    env::{Ran, TestEnv, run},
    support::kubeconfig,
};

const CHANGES: i32 = 4;

fn sync(test_env: &TestEnv, args: &[&str]) -> Ran {
    run(test_env.sync(&["--no-warm"]).args(args))
}

/// A text without its secrets, as diffs show it.
fn redacted(text: &str) -> String {
    Document::parse(text).expect("a kubeconfig").redacted()
}

/// Applies the unified diff of one file.
fn patched(old: &str, diff: &str) -> String {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let (mut new, mut at) = (String::new(), 0);
    for line in diff.split_inclusive('\n').skip(2) {
        if let Some(range) = line.strip_prefix("@@ -") {
            let first = range.split([',', ' ']).next().expect("a number");
            let first: usize = first.parse().expect("a number");
            let empty = range
                .split(' ')
                .next()
                .is_some_and(|old| old.ends_with(",0"));
            let first = first.saturating_sub(usize::from(!empty));
            new.extend(old[at..first].iter().copied());
            at = first;
            continue;
        }
        let (mark, text) = line.split_at(1);
        if mark != "+" && mark != "\\" {
            assert_eq!(old.get(at).copied(), Some(text), "{diff}");
            at += 1;
        }
        if mark == "+" || mark == " " {
            new.push_str(text);
        }
    }
    new.extend(old[at..].iter().copied());
    new
}

type Entries = BTreeMap<(String, String), Value>;

/// The entries of a kubeconfig, by section and name.
fn entries(text: &str) -> Entries {
    let root: Value = serde_yaml::from_str(text).unwrap_or_default();
    let mut all = Entries::new();
    for section in ["clusters", "contexts", "users"] {
        for entry in root[section].as_array().into_iter().flatten() {
            let name = entry["name"].as_str().expect("a name").to_owned();
            all.insert((section.to_owned(), name), entry.clone());
        }
    }
    all
}

/// Checks a document's changes against the kubeconfig before and after.
fn check_changes(changes: &Value, before: &str, after: &str) {
    let (old, new) = (entries(before), entries(after));
    for section in ["clusters", "contexts", "users"] {
        let said = |word: &str| {
            let names = changes[section][word].as_array().expect("a list").iter();
            names
                .map(|name| name.as_str().expect("a name").to_owned())
                .collect::<Vec<_>>()
        };
        let of = |all: &Entries, fits: &dyn Fn(&(String, String)) -> bool| {
            let keys = all.keys().filter(|key| key.0 == section && fits(key));
            keys.map(|key| key.1.clone()).collect::<Vec<_>>()
        };
        let renamed: BTreeMap<String, String> = changes[section]["renamed"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|pair| {
                let name = |key: &str| pair[key].as_str().expect("a name").to_owned();
                (name("from"), name("to"))
            })
            .collect();
        for (from, to) in &renamed {
            let key = |name: &String| (section.to_owned(), name.clone());
            assert!(old.contains_key(&key(from)) && !new.contains_key(&key(from)));
            assert!(new.contains_key(&key(to)) && !old.contains_key(&key(to)));
        }
        let is_new_name = |name: &String| renamed.values().any(|to| to == name);
        assert_eq!(
            said("added"),
            of(&new, &|key| !old.contains_key(key) && !is_new_name(&key.1)),
            "{section}"
        );
        assert_eq!(
            said("removed"),
            of(&old, &|key| !new.contains_key(key)
                && !renamed.contains_key(&key.1)),
            "{section}"
        );
        let differs = |key: &(String, String)| old.get(key).is_some_and(|was| *was != new[key]);
        assert_eq!(said("updated"), of(&new, &differs), "{section}");
    }
    let current = |text: &str| {
        let root: Value = serde_yaml::from_str(text).unwrap_or_default();
        root["current-context"].clone()
    };
    match (current(before), current(after)) {
        (was, is) if was == is => assert_eq!(changes["currentContext"], Value::Null),
        (was, is) => {
            assert_eq!(changes["currentContext"]["from"], was);
            assert_eq!(changes["currentContext"]["to"], is);
        }
    }
}

/// Plans a sync in both formats, does it, and compares.
fn is_done_as_planned(test_env: &TestEnv, args: &[&str]) {
    let before = test_env.kubeconfig_text();
    let with = |more: &[&str]| sync(test_env, &[args, more].concat());
    let diff = with(&["--dry-run", "-o", "diff", "--exit-code"]);
    let plan = with(&["--dry-run", "-o", "json"]).json(0);
    assert_eq!(
        test_env.kubeconfig_text(),
        before,
        "a dry run writes nothing"
    );
    let done = with(&["-o", "json", "--exit-code"]);
    let after = test_env.kubeconfig_text();
    let code = if after == before { 0 } else { CHANGES };
    assert_eq!(diff.code, code, "{}", diff.stderr);
    let done = done.json(code);
    assert_eq!(done["files"], plan["files"]);
    assert_eq!(patched(&redacted(&before), &diff.stdout), redacted(&after));
    let files = plan["files"].as_array().expect("a list");
    assert_eq!(files.len(), usize::from(after != before));
    for file in files {
        check_changes(&file["changes"], &before, &after);
    }
    let again = with(&["--exit-code", "-o", "diff"]);
    assert_eq!(
        (again.code, again.stdout.as_str()),
        (0, ""),
        "{}",
        again.stderr
    );
}

#[test]
fn what_a_plan_says_is_what_is_done() {
    for clusters in [1, 2, 5] {
        let test_env = TestEnv::with_fleet(Fleet::generate(&FleetSpec {
            clusters,
            same_name: 0.5,
            ..FleetSpec::default()
        }));
        is_done_as_planned(&test_env, &[]);
        is_done_as_planned(&test_env, &["--ca-files"]);
        // A person's entries, one that is gone, and one that is another.
        let text = test_env
            .kubeconfig_text()
            .replacen("server: https://", "server: http://", 1);
        fs::write(test_env.kubeconfig(), text).expect("written");
        is_done_as_planned(&test_env, &[]);
        fs::write(test_env.kubeconfig(), kubeconfig(3)).expect("written");
        is_done_as_planned(&test_env, &[]);
    }
}

/// The clusters of a kubeconfig as az and kubelogin write them, in contexts that a person named.
fn of_az(text: &str) -> String {
    let root: Value = serde_yaml::from_str(text).expect("a kubeconfig");
    let rows = root["clusters"].as_array().expect("a list").iter();
    let clusters = rows.enumerate().map(|(number, row)| {
        let (server, ca) = (&row["cluster"]["server"], &row["cluster"]["certificate-authority-data"]);
        json!({"name": format!("az-{number}"), "cluster": {"server": server, "certificate-authority-data": ca}})
    });
    let clusters: Vec<Value> = clusters.collect();
    let context = |number: usize| json!({"name": format!("mine-{number}"), "context": {"cluster": format!("az-{number}"), "user": "people"}});
    let contexts: Vec<Value> = (0..clusters.len()).map(context).collect();
    let args = [
        "get-token",
        "--login",
        "azurecli",
        "--server-id",
        "6dae42f8-4368-4678-94ff-3960e28e3630",
    ];
    let exec = json!({"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "kubelogin", "args": args});
    let whole = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "mine-0",
        "clusters": clusters, "contexts": contexts, "users": [{"name": "people", "user": {"exec": exec}}],
    });
    serde_yaml::to_string(&whole).expect("plain values")
}

#[test]
fn what_a_plan_says_of_new_names_and_of_entries_that_are_taken_over_is_what_is_done() {
    for clusters in [2, 5] {
        let test_env = TestEnv::with_fleet(Fleet::generate(&FleetSpec {
            clusters,
            same_name: 0.5,
            ..FleetSpec::default()
        }));
        is_done_as_planned(&test_env, &[]);
        let synced = test_env.kubeconfig_text();
        is_done_as_planned(&test_env, &["--context-name", "{location}/{name}"]);
        is_done_as_planned(&test_env, &["--namespace", "team"]);
        is_done_as_planned(&test_env, &["--context-name", "{name}"]);
        fs::write(test_env.kubeconfig(), of_az(&synced)).expect("written");
        is_done_as_planned(&test_env, &["--adopt"]);
        is_done_as_planned(&test_env, &[]);
        test_env.simulator.update(|fleet| fleet.clusters.remove(0));
        is_done_as_planned(&test_env, &[]);
    }
}

#[test]
fn failures_win_over_changes() {
    use azure_sim::{Endpoint, Fault};
    let test_env = TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters: 2,
        ..FleetSpec::default()
    }));
    let cluster = test_env.simulator.fleet().clusters[0].id.clone();
    let faults = test_env.simulator.faults();
    let refused = || Fault::on(Endpoint::ListClusterUserCredential).status(403);
    faults.add(refused().cluster(&cluster));
    assert_eq!(sync(&test_env, &["--exit-code"]).code, 3);
    faults.clear();
    assert_eq!(sync(&test_env, &["--exit-code", "--dry-run"]).code, CHANGES);
    assert_eq!(sync(&test_env, &["--exit-code"]).code, CHANGES);
    assert_eq!(sync(&test_env, &["--exit-code"]).code, 0);
    let directory = ["--output-dir", "fleet", "--exit-code"];
    assert_eq!(sync(&test_env, &directory).code, CHANGES);
    assert_eq!(sync(&test_env, &directory).code, 0);
    let usage = run(&mut test_env.aad(&["list", "-o", "diff"]));
    assert_eq!(usage.code, 2, "{}", usage.stderr);
}
