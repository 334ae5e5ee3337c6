//! The form of what is written: shared users, one mark a cluster; and what earlier versions and people left.

use super::*;

/// The fleet in the form of version 0.9: a user for each cluster, and the mark on each entry.
fn old_form(runs: &[ClusterRun]) -> Map<String, Value> {
    let mut root = Map::new();
    add_old_form(&mut root, runs);
    root
}

fn add_old_form(root: &mut Map<String, Value>, runs: &[ClusterRun]) {
    for run in runs {
        let Cluster { name, id, .. } = &run.cluster;
        let entries = run.entries().expect("converted");
        let mark = |mut item: Map<String, Value>| {
            let extension = json!([{"name": "kubectl-aad", "extension": {"armId": id}}]);
            item.insert("extensions".to_owned(), extension);
            item
        };
        let mut user = entries.user.clone();
        user["exec"]["installHint"] = json!("kubectl-aad is needed\n");
        let context = json!({"cluster": name, "user": name});
        let context = context.as_object().expect("a map").clone();
        for (section, item) in [
            (Section::Clusters, entries.cluster.clone()),
            (Section::Contexts, context),
            (Section::Users, user),
        ] {
            let list = root.entry(section.list()).or_insert_with(|| json!([]));
            let list = list.as_array_mut().expect("a list");
            list.push(json!({section.item(): mark(item), "name": name}));
        }
    }
}

fn rendered(root: &Map<String, Value>) -> String {
    document("").render(root).expect("written")
}

/// What a context leads to: the server, the certificate authority and how it signs in.
fn reach(text: &str, context: &str) -> Option<Value> {
    let file = document(text);
    let context = file.item(Section::Contexts, context)?;
    let item = |section: Section| file.item(section, context[section.item()].as_str()?);
    let cluster = item(Section::Clusters)?;
    let user = item(Section::Users)?.as_object()?;
    Some(json!({
        "server": cluster["server"],
        "ca": cluster["certificate-authority-data"],
        "user": changes::sign_in(user),
    }))
}

/// The contexts that lead to a cluster and have a user, by its server.
fn leading_to(text: &str, run: &ClusterRun) -> Vec<String> {
    let file = document(text);
    let server = &run.entries().expect("converted").cluster["server"];
    let leads = |name: &&str| reach(text, name).is_some_and(|reach| reach["server"] == *server);
    file.names(Section::Contexts)
        .filter(leads)
        .map(str::to_owned)
        .collect()
}

fn users(text: &str) -> Vec<String> {
    let file = document(text);
    file.names(Section::Users).map(str::to_owned).collect()
}

/// A fleet whose clusters sign in in one of two tenants, by turns.
fn two_tenants(names: &[&str]) -> Vec<ClusterRun> {
    let clusters: Vec<_> = names.iter().map(|one| name(one, "rg", "s")).collect();
    let mut runs = imports(&clusters);
    for (i, run) in runs.iter_mut().enumerate() {
        let tenant = ["one", "two"][i % 2];
        sign_in_to(run, "azurecli", tenant);
    }
    runs
}

fn sign_in_to(run: &mut ClusterRun, mode: &str, tenant: &str) {
    let entries = entries(run);
    entries.user["exec"]["args"] = json!(["get-token", "--login", mode, "--tenant-id", tenant]);
    entries.sign_in = Some(SignInName {
        tenant: Some(format!("{tenant}.example")),
        ..sign_in(mode)
    });
}

/// Makes a cluster of the first tenant ask for tokens of another server application, under the name it had.
fn ask_for_a_server(run: &mut ClusterRun) {
    let args = ["get-token", "--login", "azurecli", "--tenant-id", "one"];
    let server = ["--server-id", "s"];
    entries(run).user["exec"]["args"] = json!([&args[..], &server].concat());
}

/// Merges, checks that a second merge changes nothing, and returns the text, the actions and how many were migrated.
fn settled(text: &str, runs: &[ClusterRun]) -> (String, Vec<(String, Action)>, usize) {
    let documents = files(&[text]);
    let targets = TargetFiles::find(&documents, "0".into(), |_| true);
    let migrated = merge(
        &documents,
        &targets,
        runs,
        &coverage(),
        &MergeOptions::default(),
    )
    .findings
    .migrated;
    let (new, outcomes) = run(text, runs);
    let (again, actions) = run(&new, runs);
    assert_eq!(again, new, "a second sync");
    assert!(
        actions
            .iter()
            .all(|(_, action)| *action == Action::Unchanged)
    );
    let backward: Vec<_> = runs.iter().rev().cloned().collect();
    assert_eq!(run(text, &backward).0, new, "in another order");
    (new, outcomes, migrated)
}

#[test]
fn clusters_with_the_same_sign_in_share_a_user() {
    let runs = two_tenants(&["a", "b", "c"]);
    let (text, _, migrated) = settled("", &runs);
    assert_eq!(
        users(&text),
        ["aad:azurecli:one.example", "aad:azurecli:two.example"]
    );
    assert_eq!(text.matches("armId").count(), 3, "{text}");
    assert_eq!(migrated, 0);
    for run in &runs {
        assert_eq!(leading_to(&text, run).join(" "), run.cluster.name);
    }
}

#[test]
fn sign_ins_of_the_same_name_get_more_parts() {
    let mut runs = two_tenants(&["a", "b", "c", "d"]);
    for (run, server) in runs.iter_mut().zip([None, Some("s1"), Some("s2"), None]) {
        sign_in_to(run, "azurecli", "one");
        let entries = entries(run);
        let args = entries.user["exec"]["args"].as_array_mut().expect("a list");
        args.extend(
            server
                .into_iter()
                .flat_map(|id| [json!("--server-id"), json!(id)]),
        );
        entries.sign_in.as_mut().expect("shared").server = server.map(str::to_owned);
    }
    let args = entries(&mut runs[3]).user["exec"]["args"].as_array_mut();
    args.expect("a list")
        .push(json!("--environment=AzureChinaCloud"));
    let (text, _, _) = settled("", &runs);
    assert_eq!(
        users(&text),
        [
            "aad:azurecli:one.example",
            "aad:azurecli:one.example-2",
            "aad:azurecli:one.example:s1",
            "aad:azurecli:one.example:s2"
        ]
    );
}

#[test]
fn an_earlier_versions_form_becomes_this_ones_and_means_the_same() {
    let runs = two_tenants(&["a", "b", "c"]);
    let old = rendered(&old_form(&runs));
    let (new, outcomes, migrated) = settled(&old, &runs);
    assert!(
        outcomes
            .iter()
            .all(|(_, action)| *action == Action::Unchanged)
    );
    assert_eq!(migrated, 3);
    assert_eq!(
        users(&new),
        ["aad:azurecli:one.example", "aad:azurecli:two.example"]
    );
    assert_eq!(new.matches("armId").count(), 3, "{new}");
    assert!(!new.contains("installHint"), "{new}");
    for name in ["a", "b", "c"] {
        assert_eq!(reach(&new, name), reach(&old, name));
    }
    // Only what was converted is touched.
    let (part, _, migrated) = settled(&old, &runs[..1]);
    assert_eq!((users(&part).len(), migrated), (3, 1));
}

#[test]
fn what_may_not_be_migrated_is_kept_up_to_date() {
    let mut runs = two_tenants(&["a"]);
    let old = rendered(&old_form(&runs));
    entries(&mut runs[0])
        .cluster
        .insert("server".to_owned(), json!("https://new"));
    let documents = files(&[&old]);
    let targets = TargetFiles::find(&documents, "0".into(), |_| true);
    let plan = merge(
        &documents,
        &targets,
        &runs,
        &Coverage::default(),
        &MergeOptions::default(),
    );
    let new = document(&old)
        .render(&plan.files[Path::new("0")])
        .expect("written");
    assert_eq!(users(&new), ["a"]);
    assert_eq!(reach(&new, "a").expect("it works")["server"], "https://new");
}

#[test]
fn a_user_that_a_person_changed_stays_the_clusters_own() {
    let runs = two_tenants(&["a", "c"]);
    let old = rendered(&old_form(&runs));
    let command = "      command: kubectl-aad\n";
    let last = "      - one\n";
    for (from, to) in [
        (command, "      command: /opt/kubectl-aad\n"),
        (
            command,
            &format!("{command}      env:\n      - name: A\n        value: b\n"),
        ),
        (last, &format!("{last}      - --timeout=3m\n")),
        ("    exec:\n", "    as: admin\n    exec:\n"),
        (command, &format!("{} # mine\n", command.trim_end())),
        (
            "    extensions:\n",
            "    extensions:\n    - extension: {n: 1}\n      name: other\n",
        ),
    ] {
        let at = old.find("users:\n").expect("users");
        let (head, tail) = old.split_at(at);
        let by_hand = format!("{head}{}", edited(tail, from, to));
        let (new, outcomes, _) = settled(&by_hand, &runs);
        assert_eq!(users(&new), ["a", "aad:azurecli:two.example"], "{to}");
        assert!(new.contains(to), "{new}");
        assert_eq!(outcomes[0].1, Action::Unchanged);
        // It follows the sync as before.
        let mut other = runs.clone();
        sign_in_to(&mut other[0], "devicecode", "one");
        let (new, outcomes, _) = settled(&new, &other);
        assert_eq!(outcomes[0].1, Action::Updated);
        assert!(new.contains("devicecode"), "{new}");
        assert!(users(&new).contains(&"a".to_owned()), "{new}");
    }
}

#[test]
fn what_a_person_added_to_a_shared_user_stays() {
    let runs = two_tenants(&["a", "b", "c"]);
    let (text, _, _) = settled("", &runs);
    let command = "      command: kubectl-aad\n";
    let to = "      command: /opt/kubectl-aad\n";
    let by_hand = edited(&text, command, to);
    let (same, _, _) = settled(&by_hand, &runs);
    assert_eq!(same, by_hand);
    // Also for a cluster that is new, and after another sign-in.
    let mut more = two_tenants(&["a", "b", "c", "d", "e"]);
    let (new, _, _) = settled(&by_hand, &more);
    assert_eq!(users(&new).len(), 2);
    for run in &mut more {
        sign_in_to(run, "devicecode", "one");
    }
    let (new, _, _) = settled(&new, &more);
    assert_eq!(users(&new), ["aad:devicecode:one.example"]);
    assert!(new.contains(to), "{new}");
}

#[test]
fn a_persons_context_for_a_user_of_ours_keeps_working() {
    let runs = two_tenants(&["a", "b"]);
    let theirs = |user: &str| {
        format!("- name: mine\n  context: {{cluster: lab, user: '{user}', namespace: x}}\n")
    };
    let lab = "- name: lab\n  cluster: {server: 'https://lab'}\n";
    let with = |text: &str, user: &str| {
        let text = edited(text, "contexts:\n", &format!("contexts:\n{}", theirs(user)));
        edited(&text, "clusters:\n", &format!("clusters:\n{lab}"))
    };
    let old = with(&rendered(&old_form(&runs)), "a");
    let (new, _, _) = settled(&old, &runs);
    assert_eq!(users(&new), ["a", "aad:azurecli:two.example"]);
    assert!(new.contains(&theirs("a")) && reach(&new, "mine").is_some());

    let user = "aad:azurecli:one.example";
    let text = with(&settled("", &runs).0, user);
    // Its name stays right: the user is changed, and the person's context follows.
    let mut other = runs.clone();
    ask_for_a_server(&mut other[0]);
    let (new, outcomes, _) = settled(&text, &other);
    assert_eq!(outcomes[0].1, Action::Updated);
    assert_eq!(users(&new).len(), 2);
    assert_eq!(
        reach(&new, "mine").map(|r| r["user"].clone()),
        reach(&new, "a").map(|r| r["user"].clone())
    );
    // Another name: it keeps its user.
    entries(&mut other[0])
        .sign_in
        .as_mut()
        .expect("shared")
        .server = Some("s".to_owned());
    let (new, _, _) = settled(&text, &other);
    assert_eq!(users(&new).len(), 3);
    assert!(users(&new).contains(&format!("{user}:s")), "{new}");
    assert_eq!(reach(&new, "mine"), reach(&text, "mine"));
    // Another mode.
    sign_in_to(&mut other[0], "devicecode", "one");
    let (new, _, _) = settled(&text, &other);
    assert_eq!(users(&new).len(), 3);
    assert_eq!(reach(&new, "mine"), reach(&text, "mine"));
}

#[test]
fn a_cluster_that_was_not_read_keeps_its_user() {
    let mut runs = two_tenants(&["a", "b", "c"]);
    let (text, _, _) = settled("", &runs);
    ask_for_a_server(&mut runs[0]);
    runs[2].state = State::Failed(crate::error::Failure::new("no"));
    let documents = files(&[&text]);
    let targets = TargetFiles::find(&documents, "0".into(), |_| true);
    let plan = merge(
        &documents,
        &targets,
        &runs,
        &coverage(),
        &MergeOptions::default(),
    );
    let new = document(&text)
        .render(&plan.files[Path::new("0")])
        .expect("written");
    assert_eq!(reach(&new, "c"), reach(&text, "c"));
    assert_ne!(reach(&new, "a"), reach(&text, "a"));
}

#[test]
fn a_context_for_another_cluster_is_not_taken_for_a_missing_one() {
    let runs = two_tenants(&["a", "b"]);
    let (text, _, _) = settled("", &runs);
    let mut root = document(&text).root().clone();
    apply(&mut root, &Step::DeleteContext(1));
    apply(&mut root, &Step::RenameContext(0, "b".to_owned()));
    let (new, outcomes, _) = settled(&rendered(&root), &runs);
    let contexts: Vec<_> = outcomes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(contexts, ["b", "b-rg"]);
    assert_eq!(leading_to(&new, &runs[0]), ["b"]);
    assert_eq!(leading_to(&new, &runs[1]), ["b-rg"]);
}

/// What `kubectl config` does to the entry with an index, if there is one.
#[derive(Debug, Clone)]
enum Step {
    DeleteContext(usize),
    DeleteCluster(usize),
    DeleteUser(usize),
    RenameContext(usize, String),
}

/// Does a step; `lab` is somebody else's and stays.
fn apply(root: &mut Map<String, Value>, step: &Step) {
    let (section, at) = match step {
        Step::DeleteContext(at) | Step::RenameContext(at, _) => (Section::Contexts, *at),
        Step::DeleteCluster(at) => (Section::Clusters, *at),
        Step::DeleteUser(at) => (Section::Users, *at),
    };
    let list = root.get_mut(section.list()).and_then(Value::as_array_mut);
    let list = list.expect("a list");
    if list.get(at).is_none_or(|entry| entry["name"] == "lab") {
        return;
    }
    match step {
        Step::RenameContext(_, name) if list.iter().any(|one| one["name"] == **name) => {}
        Step::RenameContext(_, name) => list[at]["name"] = json!(name),
        _ => drop(list.remove(at)),
    }
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0..5_usize;
    prop_oneof![
        at.clone().prop_map(Step::DeleteContext),
        at.clone().prop_map(Step::DeleteCluster),
        at.clone().prop_map(Step::DeleteUser),
        (at, "[abcdxy]").prop_map(|(at, name)| Step::RenameContext(at, name)),
    ]
}

const LAB: &str = "clusters:\n- name: lab\n  cluster: {server: 'https://lab'}\ncontexts:\n- name: lab\n  context: {cluster: lab, user: lab}\nusers:\n- name: lab\n  user: {token: t}\n";

proptest! {
    #[test]
    fn after_deletions_and_renames_each_cluster_has_one_working_context(
        names in prop::sample::subsequence(vec!["a", "b", "c", "d"], 0..=4),
        is_old in any::<bool>(),
        steps in prop::collection::vec(step(), 0..6),
        again in prop::collection::vec(step(), 0..3),
        mode in prop_oneof![Just("azurecli"), Just("devicecode")],
    ) {
        let mut runs = two_tenants(&names);
        let mut root = document(LAB).root().clone();
        match is_old {
            true => add_old_form(&mut root, &runs),
            false => root = document(&run(LAB, &runs).0).root().clone(),
        }
        let of_lab = |text: &str| Section::ALL.map(|one| document(text).item(one, "lab").cloned());
        for steps in [steps, again] {
            steps.iter().for_each(|one| apply(&mut root, one));
            let (new, _, _) = settled(&rendered(&root), &runs);
            for run in &runs {
                let contexts = leading_to(&new, run);
                prop_assert_eq!(contexts.len(), 1, "{}:\n{}", run.cluster.name, new);
            }
            let after = document(&new);
            prop_assert_eq!(after.entries(Section::Contexts).len(), runs.len() + 1, "{}", new);
            // One whose contexts were all deleted before the new sign-in is not ours to judge.
            prop_assert!(after.entries(Section::Users).len() <= 2 * runs.len().min(2) + 1, "{}", new);
            prop_assert_eq!(of_lab(&new), of_lab(LAB));
            root = after.root().clone();
            for (i, run) in runs.iter_mut().enumerate() {
                sign_in_to(run, mode, ["one", "two"][i % 2]);
            }
        }
    }
}

/// In another kubeconfig a user of that name may run what it says.
#[test]
fn a_user_that_is_called_after_another_sign_in_is_left() {
    let runs = two_tenants(&["a", "b"]);
    let (text, _, _) = settled("", &runs);
    let lie = "aad:spn:one.example";
    let lying = text.replace("aad:azurecli:one.example", lie);
    let (new, outcomes, migrated) = settled(&lying, &runs);
    assert_eq!(sorted_users(&new), sorted_users(&text));
    assert_eq!(reach(&new, "a"), reach(&text, "a"));
    assert_eq!((outcomes[0].1, migrated), (Action::Unchanged, 1));
    // What a person uses stays.
    let theirs = format!("contexts:\n- name: mine\n  context: {{cluster: x, user: '{lie}'}}\n");
    let (new, _, _) = settled(&edited(&lying, "contexts:\n", &theirs), &runs);
    assert_eq!(users(&new).len(), 3, "{new}");
    // A name that says nothing of a sign-in may stay.
    let (named, _, _) = settled(&text.replace("aad:azurecli:one.example", "work"), &runs);
    assert!(users(&named).contains(&"work".to_owned()), "{named}");
}

fn sorted_users(text: &str) -> Vec<String> {
    let mut users = users(text);
    users.sort();
    users
}

#[test]
fn a_context_without_its_cluster_leads_to_no_other_of_that_name_after_a_narrowed_search() {
    let (synced, _, _) = settled("", &two_tenants(&["a"]));
    let mut root = document(&synced).root().clone();
    root.remove("clusters");
    let deleted = rendered(&root);
    let mut other = imports(&[name("a", "other", "t")]);
    sign_in_to(&mut other[0], "azurecli", "one");
    let narrowed = Coverage {
        is_whole_fleet: false,
        ..coverage()
    };
    for (coverage, leads, new_context) in [(narrowed, false, "a-other"), (coverage(), true, "a")] {
        let documents = files(&[&deleted]);
        let targets = TargetFiles::find(&documents, "0".into(), |_| true);
        let plan = merge(
            &documents,
            &targets,
            &other,
            &coverage,
            &MergeOptions::default(),
        );
        let new = document(&deleted)
            .render(&plan.files[Path::new("0")])
            .expect("written");
        assert_eq!(reach(&new, "a").is_some(), leads, "{new}");
        assert_eq!(leading_to(&new, &other[0]), [new_context], "{new}");
    }
}
