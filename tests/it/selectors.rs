//! `sync` and `list` with selectors: which clusters they choose, and that the others keep what they have.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use azure_sim::{Endpoint, Fault, Fleet, FleetSpec};
use serde_json::Value;

use crate::env::{CLOUD, Ran, TestEnv, names, run};
#[cfg(unix)]
use crate::env::{TIMEOUT, finished, signal, start};

/// Clusters of three tenants and nine subscriptions: tagged by what their names say, some stopped, some with one name.
fn mixed(clusters: usize) -> TestEnv {
    let mut fleet = Fleet::generate(&FleetSpec {
        tenants: 3,
        subscriptions: 9,
        clusters,
        stopped: 0.2,
        same_name: 0.2,
        ..FleetSpec::default()
    });
    for (number, cluster) in (0..).zip(&mut fleet.clusters) {
        cluster.tags.clear();
        if number % 3 > 0 {
            let team = cluster.name.split('-').nth(1).unwrap_or_default();
            cluster.tags.insert("Team".into(), team.into());
        }
        if number % 4 == 0 {
            let value = if number % 8 == 0 { "Gold" } else { "gold" };
            cluster.tags.insert("tier".into(), value.into());
        }
    }
    TestEnv::with_fleet(fleet)
}

fn list(env: &TestEnv, args: &[&str]) -> Ran {
    let mut command = env.aad(&["list", "--environment", CLOUD, "-o", "json"]);
    run(command.args(args))
}

fn sync(env: &TestEnv, args: &[&str]) -> Ran {
    run(env.sync(&["-o", "json", "--no-warm"]).args(args))
}

fn clusters(report: &Value) -> Vec<&Value> {
    let clusters = report["clusters"].as_array().expect("clusters");
    clusters.iter().collect()
}

fn text<'v>(row: &'v Value, key: &str) -> &'v str {
    row[key].as_str().unwrap_or_default()
}

fn ids<'v>(rows: impl IntoIterator<Item = &'v Value>) -> BTreeSet<String> {
    let rows = rows.into_iter();
    rows.map(|row| text(row, "id").to_lowercase()).collect()
}

fn tag<'v>(row: &'v Value, key: &str) -> Option<&'v str> {
    row["tags"][key].as_str()
}

/// The ARM ids of clusters with their contexts.
fn contexts(report: &Value) -> BTreeSet<(String, String)> {
    let rows = clusters(report).into_iter();
    let with_context = rows.filter_map(|row| {
        let context = row["context"].as_str()?;
        Some((text(row, "id").to_owned(), context.to_owned()))
    });
    with_context.collect()
}

type Expected = fn(&Value) -> bool;

#[test]
fn each_selector_chooses_what_the_whole_list_says() {
    let env = mixed(200);
    let all = list(&env, &[]).json(0);
    assert_eq!(clusters(&all).len(), 200);
    let first = clusters(&all)[0];
    let (group, name) = (text(first, "resourceGroup"), text(first, "name"));
    let path = format!("{group}/{name}").to_uppercase();
    let subscription = text(first, "subscription");
    let cases: [(&[&str], Expected); 12] = [
        (&["*-prod-*"], |row| text(row, "name").contains("-prod-")),
        (&["*-prod-*", "*-dev-*"], |row| {
            ["-prod-", "-dev-"]
                .iter()
                .any(|part| text(row, "name").contains(part))
        }),
        (&["--name", "AKS-*-TEST-*"], |row| {
            text(row, "name").contains("-test-")
        }),
        (&["-g", "rg-*-prod"], |row| {
            text(row, "resourceGroup").ends_with("-prod")
        }),
        (&["--location", "West Europe"], |row| {
            text(row, "location") == "westeurope"
        }),
        (
            &["--location", "westeurope", "--location", "north*"],
            |row| {
                let location = text(row, "location");
                location == "westeurope" || location.starts_with("north")
            },
        ),
        (&["--tag", "TEAM"], |row| tag(row, "Team").is_some()),
        (&["--tag", "tier=gold"], |row| {
            tag(row, "tier") == Some("gold")
        }),
        (&["--tag", "tier=G*", "--tag", "team=s*"], |row| {
            tag(row, "tier") == Some("Gold")
                || tag(row, "Team").is_some_and(|team| team.starts_with('s'))
        }),
        (&["--exclude", "*-prod-*"], |row| {
            !text(row, "name").contains("-prod-")
        }),
        (&["--running"], |row| text(row, "powerState") == "Running"),
        (&["*-prod-*", "--running", "--tag", "team"], |row| {
            text(row, "name").contains("-prod-")
                && text(row, "powerState") == "Running"
                && tag(row, "Team").is_some()
        }),
    ];
    let check = |args: &[&str], expected: &dyn Fn(&Value) -> bool, listed: usize| {
        let expected = ids(clusters(&all).into_iter().filter(|row| expected(row)));
        assert!(!expected.is_empty() && expected.len() < 200, "{args:?}");
        let report = list(&env, args).json(0);
        assert_eq!(ids(clusters(&report)), expected, "{args:?}");
        assert_eq!(report["summary"]["selected"], expected.len(), "{args:?}");
        if listed > 0 {
            assert_eq!(report["summary"]["listed"], listed, "{args:?}");
        }
    };
    for (args, expected) in cases {
        check(args, &expected, 200);
    }
    check(&[&path], &|row| ids([row]) == ids([first]), 200);
    let id = text(first, "id").to_lowercase();
    check(&[&id], &|row| ids([row]) == ids([first]), 200);
    let word = subscription.split(' ').next().expect("a word");
    let begins = |row: &Value| text(row, "subscription").starts_with(word);
    check(&["-s", &format!("{word}*")], &begins, 0);
}

#[test]
fn a_selector_changes_no_name_and_what_is_not_selected_stays() {
    let whole = mixed(40);
    let report = sync(&whole, &[]).json(0);
    let all = contexts(&report);
    for args in [
        &["*-0*"][..],
        &["--running"],
        &["--location", "westeurope"],
        &["--tag", "tier=gold"],
        &["--exclude", "*-prod-*"],
    ] {
        let part = mixed(40);
        let report = sync(&part, args).json(0);
        let selected = contexts(&report);
        assert!(
            !selected.is_empty() && selected.len() < all.len(),
            "{args:?}"
        );
        assert!(selected.is_subset(&all), "{args:?}");
        let fetched = part
            .simulator
            .counters()
            .get(Endpoint::ListClusterUserCredential);
        assert_eq!(usize::try_from(fetched), Ok(selected.len()), "{args:?}");
        // After a whole sync, a part of it finds nothing gone and changes nothing.
        let before = whole.kubeconfig_text();
        let report = sync(&whole, args).json(0);
        assert_eq!(report["gone"].as_array().map(Vec::len), Some(0), "{args:?}");
        assert_eq!(whole.kubeconfig_text(), before, "{args:?}");
    }
}

#[test]
fn a_context_that_a_person_renamed_is_selected_by_its_name() {
    let env = mixed(20);
    sync(&env, &[]).json(0);
    let all = list(&env, &[]).json(0);
    let row = clusters(&all)
        .into_iter()
        .find(|row| row["context"].is_string())
        .expect("a context");
    let config = env.kubeconfig_text();
    let context = text(row, "context");
    let (before, contexts) = config.split_once("contexts:").expect("contexts");
    let renamed = contexts.replacen(&format!("name: {context}\n"), "name: mine\n", 1);
    let config = format!("{before}contexts:{renamed}");
    std::fs::write(env.kubeconfig(), config).expect("written");
    for report in [list(&env, &["MINE"]), sync(&env, &["MINE", "--dry-run"])] {
        assert_eq!(ids(clusters(&report.json(0))), ids([row]));
    }
}

#[test]
fn a_selector_that_matches_nothing_fails_before_anything_is_fetched() {
    let env = mixed(20);
    let ran = sync(&env, &["*-prod-*", "--tag", "taem"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert_eq!(
        ran.stderr,
        "error: no cluster has the tag `taem`\nhint: did you mean `Team`?\n"
    );
    assert_eq!(env.kubeconfig_text(), "");
    assert_eq!(
        env.simulator
            .counters()
            .get(Endpoint::ListClusterUserCredential),
        0
    );
    let ran = list(&env, &["prod"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("`'*prod*'` matches"), "{}", ran.stderr);
}

#[test]
fn in_an_output_directory_a_selector_changes_no_name_and_the_other_files_stay() {
    let env = mixed(20);
    let write = |args: &[&str]| -> (usize, BTreeMap<String, Vec<u8>>) {
        let report = sync(&env, &[&["--output-dir", "fleet"], args].concat()).json(0);
        let read = |name: String| {
            let text = fs::read(env.path("fleet").join(&name)).expect("a file");
            (name, text)
        };
        let files = names(&env.path("fleet")).into_iter().map(read);
        (clusters(&report).len(), files.collect())
    };
    let (selected, part) = write(&["--exclude", "*-prod-*"]);
    assert_eq!(part.len(), selected);
    let (_, all) = write(&[]);
    assert_eq!(all.len(), 20);
    assert!(part.iter().all(|(name, text)| all.get(name) == Some(text)));
    let (selected, again) = write(&["--running"]);
    assert!(selected > 0 && selected < 20);
    assert_eq!(again, all);
}

#[cfg(unix)]
#[test]
fn a_part_that_is_interrupted_has_the_names_of_the_whole_and_finds_nothing_gone() {
    let whole = mixed(20);
    let all = contexts(&sync(&whole, &[]).json(0));
    let part = mixed(20);
    let before = contexts(&sync(&part, &["*-prod-*"]).json(0));
    let one = Fault::on(Endpoint::ListClusterUserCredential);
    let hold = part.simulator.hold(one.after(3));
    let mut command = part.sync(&["-o", "json", "--no-warm", "--concurrency", "1"]);
    let running = start(command.args(["--exclude", "*-prod-*"]));
    hold.wait_for(1, TIMEOUT);
    signal(&running, rustix::process::Signal::INT);
    let report = finished(running).json(130);
    drop(hold);
    assert_eq!(report["interrupted"], true);
    let got = contexts(&report);
    assert!(got.is_subset(&all) && before.is_subset(&all), "{report}");
    assert!(!before.is_empty() && before.is_disjoint(&got), "{report}");
    assert_eq!(report["gone"], Value::Array(Vec::new()));
    assert_eq!(contexts(&sync(&part, &[]).json(0)), all);
}

#[test]
fn what_matches_nothing_may_be_in_what_could_not_be_searched() {
    let env = mixed(20);
    let lost = env.simulator.fleet().subscriptions[0].clone();
    let refused = Fault::on(Endpoint::ManagedClusters).subscription(&lost.id);
    env.simulator.faults().add(refused.status(403));
    let ran = list(&env, &["nowhere", "--discovery", "list"]);
    ran.assert_fails(
        1,
        &[
            "no cluster or context is called `nowhere`",
            &lost.name,
            "or it may be in what could not be searched",
        ],
    );
}

#[test]
fn the_names_of_subscriptions_may_be_patterns_if_the_graph_searches() {
    let env = mixed(40);
    let all = list(&env, &[]).json(0);
    let first = clusters(&all)[0];
    let word = text(first, "subscription").split(' ').next();
    let pattern = format!("{}*", word.expect("a word").to_uppercase());
    let begins = |row: &&Value| pattern.starts_with(&first_word(row));
    env.simulator.reset();
    let some = list(&env, &["-s", &pattern, "--discovery", "graph"]).json(0);
    let expected = ids(clusters(&all).into_iter().filter(begins));
    assert!(expected.len() < 40);
    assert_eq!(ids(clusters(&some)), expected);
    let listed = env.simulator.counters().get(Endpoint::ManagedClusters);
    assert_eq!(listed, 0);
}

/// The first word of a subscription's name, in upper case.
fn first_word(row: &Value) -> String {
    let word = text(row, "subscription").split(' ').next();
    word.unwrap_or_default().to_uppercase()
}
