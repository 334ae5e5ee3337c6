//! `kubectl aad sync --context-name`: what contexts are called, and how a changed template renames them.

use azure_sim::{Endpoint, Fleet, FleetSpec};
use serde_json::{Value, json};

use crate::{
    env::{Ran, TestEnv, run},
    support::peer,
};

/// Two clusters in one subscription called `Sub`; the first has a tag.
fn two() -> TestEnv {
    let mut fleet = Fleet::generate(&FleetSpec {
        clusters: 2,
        ..FleetSpec::default()
    });
    fleet.subscriptions[0].name = "The Sub".to_owned();
    fleet.clusters[0].tags = [("Team".to_owned(), "blue".to_owned())].into();
    TestEnv::with_fleet(fleet)
}

impl TestEnv {
    fn synced(&self, args: &[&str]) -> Value {
        run(self.sync(&["-o", "json"]).args(args)).json(0)
    }

    fn refused(&self, args: &[&str]) -> Ran {
        let ran = run(self.sync(&[]).args(args));
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        ran
    }
}

/// The names of the report's contexts, sorted.
fn contexts(report: &Value) -> Vec<&str> {
    let clusters = report["clusters"].as_array().expect("a list");
    let mut names: Vec<_> = clusters
        .iter()
        .map(|row| row["context"].as_str().expect("a context"))
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn a_template_names_contexts_and_a_changed_one_renames_them() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let test_env = two();
    let names: Vec<String> = {
        let mut names: Vec<_> = test_env
            .simulator
            .fleet()
            .clusters
            .iter()
            .map(|one| one.name.clone())
            .collect();
        names.sort();
        names
    };
    let first = test_env.synced(&[]);
    assert_eq!(contexts(&first), names);
    let config = |args: &[&str]| {
        let ran = run(test_env.program(&kubectl).arg("config").args(args));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stdout
    };
    let [one, two] = &names[..] else {
        panic!("{names:?}")
    };
    config(&["use-context", one]);
    config(&["set-context", two, "--namespace", "mine"]);
    let before = test_env.kubeconfig_text();

    let template = ["--context-name", "{subscription}/{name}"];
    let planned = test_env.synced(&[&template[..], &["--dry-run"]].concat());
    assert_eq!(test_env.kubeconfig_text(), before);
    let calls = test_env
        .simulator
        .counters()
        .get(Endpoint::ListClusterUserCredential);
    let renamed = test_env.synced(&template);
    assert_eq!(
        test_env
            .simulator
            .counters()
            .get(Endpoint::ListClusterUserCredential),
        calls,
        "a new name needs no answer of ARM"
    );
    assert_eq!(planned["clusters"], renamed["clusters"]);
    let expected: Vec<String> = names.iter().map(|name| format!("The-Sub/{name}")).collect();
    assert_eq!(contexts(&renamed), expected);
    for row in renamed["clusters"].as_array().expect("a list") {
        assert_eq!(row["renamedFrom"], row["name"]);
        assert_eq!(
            (&row["action"], &row["changes"]),
            (&json!("updated"), &json!(["renamed"]))
        );
    }
    assert_eq!(config(&["current-context"]).trim(), expected[0]);
    let namespace = "jsonpath={.contexts[?(@.context.namespace==\"mine\")].name}";
    assert_eq!(config(&["view", "-o", namespace]), expected[1]);
    let listed =
        run(&mut test_env.aad(&["list", "--environment", crate::env::CLOUD, "-o", "json"])).json(0);
    assert_eq!(contexts(&listed), expected);
    let version = run(test_env
        .program(&kubectl)
        .args(["--context", &expected[1], "get", "ns"]));
    assert_eq!(version.code, 0, "{}", version.stderr);

    let text = test_env.kubeconfig_text();
    for args in [&template[..], &[]] {
        let again = test_env.synced(args);
        assert_eq!(again["summary"]["unchanged"], 2, "{args:?}");
        assert_eq!(test_env.kubeconfig_text(), text);
    }
    test_env.synced(&["--context-name", "{name}"]);
    assert_eq!(test_env.kubeconfig_text(), before);
}

#[test]
fn a_tag_is_part_of_a_name_and_a_missing_one_is_omitted() {
    let test_env = two();
    let fleet = test_env.simulator.fleet();
    let [tagged, other] = &fleet.clusters[..] else {
        panic!("two clusters")
    };
    let report = test_env.synced(&["--context-name", "{tag.team}-{name}"]);
    let mut expected = [format!("blue-{}", tagged.name), other.name.clone()];
    expected.sort();
    assert_eq!(contexts(&report), expected);
}

#[test]
fn a_mistyped_template_is_refused_before_anything_is_fetched() {
    let test_env = two();
    for (template, why) in [
        (
            "{nam}",
            "there is no placeholder `{nam}`; did you mean `{name}`?",
        ),
        ("{name", "a `{` is not closed"),
        ("", "it is empty"),
    ] {
        let refused = test_env.refused(&["--context-name", template]);
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    }
    let refused = test_env.refused(&["--namespace", "Team"]);
    assert!(refused.stderr.contains("lower case"), "{}", refused.stderr);
    assert_eq!(test_env.simulator.requests().len(), 0);
}

#[test]
fn the_context_of_one_cluster_becomes_the_current_one_or_nothing_is_written() {
    let test_env = two();
    let mut names: Vec<String> = test_env
        .simulator
        .fleet()
        .clusters
        .iter()
        .map(|one| one.name.clone())
        .collect();
    names.sort();
    for args in [
        &["--set-current"][..],
        &["--set-current", "--dry-run"],
        &["--set-current=other"],
    ] {
        let refused = run(test_env.sync(&[]).args(args));
        assert_eq!(refused.code, 1, "{}", refused.stderr);
        let candidates = format!("there are `{}` and `{}`", names[0], names[1]);
        assert!(
            refused.stderr.contains("nothing was written"),
            "{}",
            refused.stderr
        );
        assert!(refused.stderr.contains(&candidates), "{}", refused.stderr);
        assert!(!test_env.kubeconfig().exists(), "{args:?}");
    }
    let one = format!("--set-current={}", names[1]);
    let set = test_env.synced(&[&one]);
    let expected = json!({"name": names[1], "action": "set", "exists": true});
    assert_eq!(set["currentContext"], expected);
    assert!(
        test_env
            .kubeconfig_text()
            .contains(&format!("current-context: {}\n", names[1]))
    );
    // It says so again, and another one replaces it.
    assert_eq!(test_env.synced(&[&one])["currentContext"], expected);
    let other = format!("--set-current={}", names[0].to_uppercase());
    let said = run(&mut test_env.sync(&[&other]));
    let now = format!("the current context is now `{}`", names[0]);
    assert!(said.stderr.contains(&now), "{}", said.stderr);
    let pattern = format!("--set-current={}*", &names[1][..names[1].len() - 1]);
    assert_eq!(test_env.synced(&[&pattern])["currentContext"], expected);
    // Of the selected clusters there is one.
    let selected = [&names[0][..], "--set-current=*"];
    assert_eq!(
        test_env.synced(&selected)["currentContext"]["name"],
        json!(names[0])
    );
    let left_out = format!("--set-current={}", names[1]);
    let refused = run(test_env.sync(&[]).args([&names[0], &left_out]));
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    test_env.refused(&["--set-current", "--output-dir", "fleet"]);
}

#[test]
fn a_layout_that_forbids_another_current_context_stops_nothing_else() {
    let test_env = two();
    let text = "apiVersion: v1\nkind: Config\ncurrent-context: &now theirs\ncontexts:\n- name: *now\n  context: {cluster: c, user: u}\n";
    std::fs::create_dir(test_env.path(".kube")).expect("made");
    test_env.write(".kube/config", text);
    let name = test_env.simulator.fleet().clusters[0].name.clone();
    let wanted = format!("--set-current={name}");
    let report = test_env.synced(&[&wanted]);
    assert_eq!(
        report["currentContext"],
        json!({"name": "theirs", "action": "kept", "exists": true, "notSet": name})
    );
    assert_eq!(report["summary"]["added"], 2);
    let said = run(&mut test_env.sync(&[&wanted]));
    let command = format!("kubectl config use-context {name}");
    assert!(said.stderr.contains(&command), "{}", said.stderr);
    assert!(
        test_env
            .kubeconfig_text()
            .starts_with(&text[..text.find("contexts").expect("there")])
    );
}

#[test]
fn the_current_context_follows_its_new_name_in_a_file_without_entries_of_ours() {
    let test_env = two();
    let name = test_env.simulator.fleet().clusters[0].name.clone();
    let sync = |args: &[&str]| {
        let ran = run(test_env
            .sync(&["-o", "json"])
            .args(args)
            .env("KUBECONFIG", "entries:current"));
        ran.json(0)
    };
    test_env.write("entries", "apiVersion: v1\nkind: Config\n");
    test_env.write("current", "current-context: theirs # mine\n");
    sync(&[]);
    let current = |name: &str| format!("current-context: {name} # mine\n");
    test_env.write("current", &current(&name));
    let renamed = sync(&["--context-name", "x-{name}"]);
    assert_eq!(renamed["keptNames"], json!([]));
    let read = |name: &str| std::fs::read_to_string(test_env.path(name)).expect("a file");
    assert_eq!(read("current"), current(&format!("x-{name}")));
    assert!(!read("entries").contains("current-context"));
}
