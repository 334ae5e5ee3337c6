use super::{
    super::document::{Section, entry_name},
    *,
};
use crate::fleet::{Change, Cluster, Entries, Hub, SignInName};
use proptest::prelude::*;
use std::{collections::HashSet, path::Path, sync::Arc};

fn name(name: &str, group: &str, subscription: &str) -> Cluster {
    Cluster {
        id: format!(
            "/subscriptions/{subscription}-id/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{name}"
        ),
        name: name.to_owned(),
        resource_group: group.to_owned(),
        subscription_name: subscription.to_owned(),
        subscription_id: format!("{subscription}-id"),
        ..Cluster::default()
    }
}

/// The hub of a Fleet Manager of this name.
fn hub(fleet_manager: &str, group: &str, subscription: &str) -> Cluster {
    let id = |group: &str, resource: &str| {
        format!(
            "/subscriptions/{subscription}-id/resourceGroups/{group}/providers/Microsoft.ContainerService/{resource}"
        )
    };
    let aks = id(
        &format!("FL_{group}_{fleet_manager}_x"),
        "managedClusters/hub",
    );
    Cluster {
        id: aks.clone(),
        hub: Some(Hub {
            fleet_manager: Some(id(group, &format!("fleets/{fleet_manager}"))),
            cluster: Some(aks),
        }),
        ..name(fleet_manager, group, subscription)
    }
}

/// A managed namespace of a cluster.
fn namespace_of(cluster: &str, group: &str, subscription: &str) -> Cluster {
    let cluster = name(cluster, group, subscription);
    Cluster {
        id: format!("{}/managedNamespaces/rg", cluster.id),
        namespace: Some("rg".into()),
        ..cluster
    }
}

fn import(cluster: &Cluster) -> ClusterRun {
    let cluster_value = json!({"server": format!("https://{}.{}:443", cluster.name, cluster.resource_group), "certificate-authority-data": "Q0E="});
    let user = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "args": ["get-token", "--login", "azurecli"],
        "command": "kubectl-aad",
        "interactiveMode": "Never",
    }});
    let entries = Entries {
        cluster: cluster_value.as_object().expect("a map").clone(),
        user: user.as_object().expect("a map").clone(),
        sign_in: Some(sign_in("azurecli")),
        token_args: None,
    };
    ClusterRun::new(cluster.clone(), State::Converted(Arc::new(entries)))
}

fn sign_in(mode: &str) -> SignInName {
    SignInName {
        mode: mode.to_owned(),
        ..SignInName::default()
    }
}

/// The whole fleet may be brought into this version's form.
fn coverage() -> Coverage {
    Coverage {
        may_migrate: true,
        is_whole_fleet: true,
        ..Coverage::default()
    }
}

fn imports(clusters: &[Cluster]) -> Vec<ClusterRun> {
    clusters.iter().map(import).collect()
}

fn entries(run: &mut ClusterRun) -> &mut Entries {
    match &mut run.state {
        State::Converted(entries) => Arc::make_mut(entries),
        state => panic!("{state:?}"),
    }
}

/// Files named `0`, `1`, …
fn files<'t>(texts: &[&'t str]) -> Vec<Document<'t>> {
    let names = ["0", "1", "2"].map(Path::new);
    let files = names.into_iter().zip(texts);
    files
        .map(|(path, text)| Document::parse_file(path, text).expect("a kubeconfig"))
        .collect()
}

fn document(text: &str) -> Document<'_> {
    Document::parse(text).expect("a kubeconfig")
}

fn outcomes(plan: Plan) -> Vec<(String, Action)> {
    let clusters = plan.clusters.into_iter();
    clusters
        .map(|run| match run.state {
            State::Planned(planned) => (planned.context, planned.action),
            state => panic!("{state:?}"),
        })
        .collect()
}

/// Merges into a text and returns the new text with each import's context and action.
fn run(text: &str, imports: &[ClusterRun]) -> (String, Vec<(String, Action)>) {
    let files = files(&[text]);
    let targets = TargetFiles::find(&files, "0".into(), |_| true);
    let plan = merge(
        &files,
        &targets,
        imports,
        &coverage(),
        &MergeOptions::default(),
    );
    let written = match plan.files.get(Path::new("0")) {
        Some(root) => document(text).render(root).expect("written"),
        None => text.to_owned(),
    };
    (written, outcomes(plan))
}

fn contexts(text: &str, imports: &[ClusterRun]) -> Vec<String> {
    run(text, imports)
        .1
        .into_iter()
        .map(|(context, _)| context)
        .collect()
}

#[test]
fn names_are_as_short_as_the_fleet_allows() {
    let fleet = [
        name("solo", "rg", "s1"),
        name("twin", "rg1", "s1"),
        name("twin", "rg2", "s1"),
        name("same", "rg", "s1"),
        name("same", "rg", "s 2"),
    ];
    assert_eq!(
        contexts("", &imports(&fleet)),
        ["solo", "twin-rg1", "twin-rg2", "same-rg-s1", "same-rg-s-2"]
    );
}

#[test]
fn a_context_keeps_its_name_when_another_cluster_has_the_same() {
    let first = name("prod", "rg1", "s1");
    let (text, _) = run("", &imports(std::slice::from_ref(&first)));
    let fleet = [name("prod", "rg0", "s1"), first];
    assert_eq!(contexts(&text, &imports(&fleet)), ["prod-rg0", "prod"]);
}

#[test]
fn a_renamed_context_is_still_ours_and_keeps_its_namespace() {
    let fleet = imports(&[name("prod", "rg", "s1")]);
    let (text, _) = run("", &fleet);
    let renamed = text.replacen(
        "    user: aad:azurecli\n  name: prod\n",
        "    namespace: shop\n    user: aad:azurecli\n  name: mine\n",
        1,
    );
    assert_ne!(renamed, text);
    let (again, outcomes) = run(&renamed, &fleet);
    assert_eq!(outcomes, [("mine".to_owned(), Action::Unchanged)]);
    assert_eq!(again, renamed);
}

#[test]
fn what_a_person_added_stays_while_what_we_manage_changes() {
    let mut fleet = imports(&[name("prod", "rg", "s1")]);
    let (text, _) = run("", &fleet);
    let text = text
        .replace("    server: https", "    proxy-url: http://proxy\n    server: https")
        .replace(
            "      command: kubectl-aad\n",
            "      command: kubectl-aad\n      env:\n      - name: HTTPS_PROXY\n        value: http://proxy\n",
        );
    entries(&mut fleet[0])
        .cluster
        .insert("server".to_owned(), json!("https://new:443"));
    entries(&mut fleet[0]).user["exec"]["args"] = json!(["get-token", "--login", "msi"]);
    entries(&mut fleet[0]).sign_in = Some(sign_in("msi"));
    let (after, outcomes) = run(&text, &fleet);
    assert_eq!(outcomes, [("prod".to_owned(), Action::Updated)]);
    assert_eq!(
        after,
        text.replace("https://prod.rg:443", "https://new:443")
            .replace("azurecli\n", "msi\n")
    );
}

#[test]
fn an_update_says_what_it_changed() {
    let fleet = imports(&[name("prod", "rg", "s1")]);
    let (text, _) = run("", &fleet);
    let changes = |text: &str, edit: &dyn Fn(&mut Entries)| {
        let mut fleet = fleet.clone();
        edit(entries(&mut fleet[0]));
        let files = files(&[text]);
        let targets = TargetFiles::find(&files, "0".into(), |_| true);
        match merge(
            &files,
            &targets,
            &fleet,
            &coverage(),
            &MergeOptions::default(),
        )
        .clusters
        .remove(0)
        .state
        {
            State::Planned(planned) => planned.changes,
            state => panic!("{state:?}"),
        }
    };
    let moved = |new: &mut Entries| {
        new.cluster
            .insert("server".to_owned(), json!("https://new:443"));
    };
    let renewed = |new: &mut Entries| {
        let data = "certificate-authority-data".to_owned();
        new.cluster.insert(data, json!("bmV3"));
    };
    let args = |new: &mut Entries, args: &[&str]| new.user["exec"]["args"] = json!(args);
    let without_context = text.replace("    user: aad:azurecli\n", "    user: nobody\n");
    assert_eq!(changes("", &|_| {}), [], "added");
    assert_eq!(changes(&text, &|_| {}), [], "unchanged");
    assert_eq!(changes(&text, &moved), [Change::Server]);
    assert_eq!(
        changes(&text, &|new| {
            moved(new);
            renewed(new);
        }),
        [Change::Server, Change::CertificateAuthority]
    );
    assert_eq!(
        changes(&text, &|new| args(
            new,
            &["get-token", "--login", "devicecode"]
        )),
        [Change::LoginMode {
            was: "azurecli".to_owned(),
            now: "devicecode".to_owned()
        }]
    );
    assert_eq!(
        changes(&text, &|new| args(
            new,
            &["get-token", "--login", "azurecli", "--tenant-id", "t"]
        )),
        [Change::SignIn]
    );
    assert_eq!(changes(&without_context, &|_| {}), [Change::Context]);
    let deleted = text.replace("contexts:\n", "others:\n");
    assert_eq!(changes(&deleted, &|_| {}), [Change::Missing]);
    let old_cluster = text.replacen(
        "    server: https",
        "    tls-server-name: x\n    server: https",
        1,
    );
    let named = |new: &mut Entries| {
        let field = "tls-server-name".to_owned();
        new.cluster.insert(field, json!("y"));
    };
    assert_eq!(changes(&old_cluster, &named), [Change::Other]);
}

#[test]
fn the_variables_of_az_are_not_kept_from_another_mode() {
    let mut fleet = imports(&[name("prod", "rg", "s1")]);
    let of_az = json!([
        {"name": "AZURE_CONFIG_DIR", "value": "/work"},
        {"name": "AZURE_CLOUD_NAME", "value": "AzureCloud"},
    ]);
    entries(&mut fleet[0]).user["exec"]["env"] = of_az;
    let (text, _) = run("", &fleet);
    let added = "      env:\n      - name: A\n        value: b\n      - name";
    let by_hand = edited(&text, "      env:\n      - name", added);
    entries(&mut fleet[0]).user["exec"]["args"] = json!(["get-token", "--login", "spn"]);
    entries(&mut fleet[0]).user["exec"]["env"] = json!(null);
    for (before, kept) in [(&text, false), (&by_hand, true)] {
        let (after, outcomes) = run(before, &fleet);
        assert_eq!(outcomes[0].1, Action::Updated);
        assert!(!after.contains("AZURE_"), "{after}");
        assert_eq!(after.contains("name: A\n"), kept, "{after}");
        let (again, outcomes) = run(&after, &fleet);
        assert_eq!((again, outcomes[0].1), (after, Action::Unchanged));
    }
}

/// Replaces a passage, which must exist.
fn edited(text: &str, from: &str, to: &str) -> String {
    let edited = text.replacen(from, to, 1);
    assert_ne!(edited, text, "`{from}` is not in {text}");
    edited
}

#[test]
fn what_a_person_chose_survives_to_the_byte() {
    let fleet = imports(&[name("prod", "rg", "s1")]);
    let (text, _) = run("", &fleet);
    let ca = "    certificate-authority-data: Q0E=\n";
    let args = "      args:\n      - get-token\n      - --login\n      - azurecli\n";
    for (from, to) in [
        (ca, "    insecure-skip-tls-verify: true\n"),
        (ca, "    insecure-skip-tls-verify: yes\n"),
        (ca, "    certificate-authority: /etc/ca.pem\n"),
        (ca, &format!("{ca}    tls-server-name: prod\n")),
        (ca, &format!("{ca}    disable-compression: true\n")),
        (args, &format!("{args}      - --timeout\n      - 3m\n")),
        (
            args,
            &format!("{args}      - --token-cache-dir=/tokens\n      - -v=5\n"),
        ),
        (
            args,
            "      args:\n      - get-token\n      - --timeout=3m\n      - -l\n      - azurecli\n",
        ),
        ("command: kubectl-aad", "command: /opt/bin/kubectl-aad"),
        (
            "command: kubectl-aad\n",
            "command: kubectl-aad\n      env:\n      - name: A\n        value: b\n",
        ),
        (
            "interactiveMode: Never\n",
            "interactiveMode: Never\n      provideClusterInfo: true\n",
        ),
        ("    extensions:", "    as: admin\n    extensions:"),
    ] {
        let by_hand = edited(&text, from, to);
        let (again, outcomes) = run(&by_hand, &fleet);
        assert_eq!(again, by_hand);
        assert_eq!(outcomes[0].1, Action::Unchanged, "{to}");
    }
}

#[test]
fn a_certificate_authority_is_removed_from_an_unverified_cluster() {
    let fleet = imports(&[name("prod", "rg", "s1")]);
    let (text, _) = run("", &fleet);
    let ca = "    certificate-authority-data: Q0E=\n";
    let off = "    insecure-skip-tls-verify: true\n";
    let pair = edited(&text, ca, &format!("{ca}{off}"));
    let (healed, outcomes) = run(&pair, &fleet);
    assert_eq!(healed, edited(&text, ca, off));
    assert_eq!(outcomes[0].1, Action::Updated);
    let verified = edited(&healed, off, "    insecure-skip-tls-verify: false\n");
    assert!(run(&verified, &fleet).0.contains(ca));
}

#[test]
fn nothing_that_decides_who_signs_in_is_kept() {
    let mut fleet = imports(&[name("prod", "rg", "s1")]);
    let ours = |args: &[&str]| json!([&["get-token"], args].concat());
    entries(&mut fleet[0]).user["exec"]["args"] = ours(&["--login", "spn", "--client-id", "a"]);
    let (text, _) = run("", &fleet);
    let by_hand = edited(
        &text,
        "      - a\n",
        "      - a\n      - --client-secret\n      - s\n      - --authority-host\n      - https://x/\n      - --tenant-id\n      - t\n",
    );
    let args = |text: &str| {
        let document = Document::parse(text).expect("a kubeconfig");
        let user = &document.entries(Section::Users)[0]["user"];
        user["exec"]["args"].clone()
    };
    let (same, _) = run(&by_hand, &fleet);
    assert_eq!(
        args(&same),
        ours(&["--login", "spn", "--client-id", "a", "--client-secret", "s"])
    );
    // The secret was the other application's.
    entries(&mut fleet[0]).user["exec"]["args"] = ours(&["--login", "spn", "--client-id", "b"]);
    let (other, _) = run(&by_hand, &fleet);
    assert_eq!(args(&other), entries(&mut fleet[0]).user["exec"]["args"]);
    // And a password is one person's.
    let person = |name| ours(&["--login", "ropc", "--client-id", "a", "--username", name]);
    entries(&mut fleet[0]).user["exec"]["args"] = person("alice");
    let (text, _) = run("", &fleet);
    let with_password = edited(
        &text,
        "      - alice\n",
        "      - alice\n      - --password\n      - p\n",
    );
    assert_eq!(run(&with_password, &fleet).0, with_password);
    entries(&mut fleet[0]).user["exec"]["args"] = person("bob");
    assert_eq!(args(&run(&with_password, &fleet).0), person("bob"));
}

#[test]
fn a_redirected_context_is_kept_while_its_target_exists() {
    let fleet = imports(&[name("prod", "rg", "s1")]);
    let (text, _) = run("", &fleet);
    let theirs = "users:\n- name: robot\n  user: {token: t}\n";
    let with = edited(&text, "users:\n", theirs);
    let led = edited(&with, "    user: aad:azurecli\n", "    user: robot\n");
    let (again, outcomes) = run(&led, &fleet);
    assert_eq!((again, outcomes[0].1), (led, Action::Unchanged));
    let nowhere = edited(&text, "    user: aad:azurecli\n", "    user: robot\n");
    assert_eq!(run(&nowhere, &fleet).0, text);
}

#[test]
fn an_entry_of_somebody_else_is_never_taken_over() {
    let foreign = "clusters:\n- cluster: {server: https://x}\n  name: prod\ncontexts:\n- name: test\n  context: {cluster: other}\nusers:\n- name: 'aad:azurecli'\n  user: {token: t}\n";
    let fleet = imports(&[name("prod", "rg", "s1"), name("test", "rg", "s1")]);
    let (text, outcomes) = run(foreign, &fleet);
    assert_eq!(outcomes[0].0, "prod-rg");
    assert_eq!(outcomes[1].0, "test-rg");
    assert!(text.contains("- cluster: {server: https://x}\n  name: prod\n"));
    assert!(text.contains("- name: test\n  context: {cluster: other}\n"));
    assert!(text.contains("- name: 'aad:azurecli'\n  user: {token: t}\n"));
    assert!(text.contains("    user: aad:azurecli-2\n"), "{text}");
}

#[test]
fn the_case_of_an_arm_id_does_not_matter() {
    let (text, _) = run("", &imports(&[name("prod", "rg", "s1")]));
    let mut other = imports(&[name("prod", "rg", "s1")]);
    other[0].cluster.id = other[0].cluster.id.to_uppercase();
    let (again, outcomes) = run(&text, &other);
    assert_eq!((again, outcomes[0].1), (text, Action::Unchanged));
}

#[test]
fn a_cluster_that_stops_using_certificates_keeps_none() {
    let mut fleet = imports(&[name("prod", "rg", "s1")]);
    let exec = entries(&mut fleet[0]).user.clone();
    let local = json!({"client-certificate-data": "Yw==", "client-key-data": "aw=="});
    entries(&mut fleet[0]).user = local.as_object().expect("a map").clone();
    let (text, _) = run("", &fleet);
    assert!(text.contains("client-key-data"));
    entries(&mut fleet[0]).user = exec;
    let (text, _) = run(&text, &fleet);
    assert!(!text.contains("client-key-data") && text.contains("kubectl-aad"));
}

#[test]
fn a_deleted_context_is_added_with_its_old_name() {
    let fleet = imports(&[name("prod", "rg", "s1")]);
    let (text, _) = run("", &fleet);
    let document = Document::parse(&text).expect("a kubeconfig");
    let mut root = document.root().clone();
    root.insert("contexts".to_owned(), json!([]));
    let without = document.render(&root).expect("written");
    let (_, outcomes) = run(&without, &fleet);
    assert_eq!(outcomes, [("prod".to_owned(), Action::Updated)]);
}

#[test]
fn what_kubectl_adds_when_it_rewrites_the_file_is_not_a_change() {
    let fleet = imports(&[name("prod", "rg", "s1")]);
    let (text, _) = run("", &fleet);
    let rewritten = text.replace(
        "      command: kubectl-aad\n",
        "      command: kubectl-aad\n      env: null\n      provideClusterInfo: false\n",
    );
    let (again, outcomes) = run(&rewritten, &fleet);
    assert_eq!((again, outcomes[0].1), (rewritten, Action::Unchanged));
}

/// Scalars that kubectl reads as strings, some of them only because they are quoted.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,6}",
        Just("yes".to_owned()),
        Just("1_000".to_owned()),
        "\\PC{0,8}"
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::String),
        any::<i32>().prop_map(|n| json!(n)),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::btree_map(text(), inner, 0..3).prop_map(|map| json!(map)),
        ]
    })
}

/// Somebody else's kubeconfig: any names, any fields, each entry in block or in flow style.
fn foreign() -> impl Strategy<Value = (String, Value)> {
    let names = || prop::collection::btree_map("[abc]{1,2}|prod|prod-rg", value(), 0..4);
    let extra = prop::collection::btree_map("x-[a-z]{1,3}", value(), 0..2);
    (
        names(),
        names(),
        names(),
        extra,
        any::<[bool; 4]>(),
        "(# [a-z]{0,5}\n)?",
    )
        .prop_map(|(clusters, contexts, users, extra, style, comment)| {
            let list = |item: &str, map: BTreeMap<String, Value>| -> Value {
                map.into_iter()
                    .map(|(name, value)| match item {
                        "context" => {
                            json!({"name": name, item: {"f": value, "cluster": name, "user": name}})
                        }
                        _ => json!({"name": name, item: {"f": value}}),
                    })
                    .collect()
            };
            let mut root = Map::new();
            root.extend(extra);
            root.insert("clusters".to_owned(), list("cluster", clusters));
            root.insert("contexts".to_owned(), list("context", contexts));
            root.insert("users".to_owned(), list("user", users));
            root.insert("current-context".to_owned(), json!("a"));
            let mut out = String::new();
            for (i, (key, value)) in root.iter().enumerate() {
                out.push_str(&comment);
                let one = Map::from_iter([(key.clone(), value.clone())]);
                let block = Document::parse("")
                    .and_then(|d| d.render(&one))
                    .expect("written");
                // YAML requires escapes for characters that JSON does not escape.
                let escaped = |c: char| match c {
                    '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}'..
                        if u32::from(c) <= 0xffff =>
                    {
                        format!("\\u{:04x}", u32::from(c))
                    }
                    c => c.to_string(),
                };
                let flow = format!("{}: {}\n", json!(key), value);
                let flow: String = flow.chars().map(escaped).collect();
                out.push_str(if style[i % 4] { &block } else { &flow });
            }
            (out, Value::Object(root))
        })
}

fn fleet() -> impl Strategy<Value = Vec<Cluster>> {
    let cluster =
        ("[ab]|prod", "rg[12]?", "s[12]", 0..4_u8).prop_map(|(n, g, s, kind)| match kind {
            0 => hub(&n, &g, &s),
            1 => namespace_of(&n, &g, &s),
            _ => name(&n, &g, &s),
        });
    prop::collection::btree_map("[a-f]", cluster, 0..6).prop_map(|map| {
        let mut seen = HashSet::new();
        map.into_values().filter(|c| seen.insert(c.key())).collect()
    })
}

/// The root with only those entries whose names are in another one.
fn known_to(other: &Value, root: &Map<String, Value>) -> Value {
    let mut root = root.clone();
    for section in Section::ALL {
        if let Some(Value::Array(entries)) = root.get_mut(section.list()) {
            let known = other[section.list()].as_array().expect("a list");
            let known: HashSet<_> = known.iter().filter_map(entry_name).collect();
            entries.retain(|entry| entry_name(entry).is_some_and(|name| known.contains(name)));
        }
    }
    Value::Object(root)
}

mod admin;
mod form;
mod namespace;
mod rename;

proptest! {
    #[test]
    fn a_merge_changes_nothing_of_others_and_a_second_one_changes_nothing((text, root) in foreign(), names in fleet()) {
        let imports = imports(&names);
        let (once, outcomes) = run(&text, &imports);
        prop_assert!(outcomes.iter().all(|(_, action)| *action == Action::Added));
        let after = Document::parse(&once).expect("a kubeconfig");
        prop_assert_eq!(known_to(&root, after.root()), root);
        for line in text.lines().filter(|line| line.starts_with('#')) {
            prop_assert!(once.contains(line), "a comment went missing");
        }
        for section in Section::ALL {
            let all: Vec<_> = after.entries(section).iter().filter_map(entry_name).collect();
            prop_assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        }
        let (twice, outcomes) = run(&once, &imports);
        prop_assert_eq!(twice, once);
        prop_assert!(outcomes.iter().all(|(_, action)| *action == Action::Unchanged));
    }

    #[test]
    fn the_order_in_which_clusters_arrive_decides_nothing(names in fleet(), (text, _) in foreign()) {
        let forward = imports(&names);
        let backward: Vec<_> = forward.iter().rev().cloned().collect();
        prop_assert_eq!(run(&text, &forward).0, run(&text, &backward).0);
    }
}

/// Merges into files that may be changed, all but those whose digit is in `fixed`. Returns the new texts, with those of
/// files that were left alone, and the outcomes.
fn run_files(
    texts: &[&str],
    fixed: &str,
    imports: &[ClusterRun],
) -> (Vec<String>, Vec<(String, Action)>) {
    let documents = files(texts);
    let may_change = |path: &Path| !fixed.contains(&path.display().to_string());
    let targets = TargetFiles::find(&documents, "0".into(), may_change);
    let plan = merge(
        &documents,
        &targets,
        imports,
        &coverage(),
        &MergeOptions::default(),
    );
    let texts = documents.into_iter().map(|document| {
        let path = document.path().expect("a path");
        match plan.files.get(path) {
            Some(root) => document.render(root).expect("written"),
            None => document.text().to_owned(),
        }
    });
    (texts.collect(), outcomes(plan))
}

#[test]
fn an_entry_is_changed_in_the_file_that_kubectl_reads_it_from() {
    let all = [
        name("a", "rg", "s"),
        name("b", "rg", "s"),
        name("c", "rg", "s"),
    ];
    let (a, _) = run("", &imports(&all[..1]));
    let (both, _) = run("", &imports(&all[..2]));
    let mine = "kind: Config\n";
    let mut moved = imports(&all);
    for run in &mut moved {
        let server = json!(format!("https://new-{}", run.cluster.name));
        entries(run).cluster.insert("server".to_owned(), server);
    }
    let servers = |texts: &[&str], fixed: &str| {
        let (texts, _) = run_files(texts, fixed, &moved);
        let has = |text: &String, name: &str| text.contains(&format!("https://new-{name}"));
        let file = |name: &str| texts.iter().position(|text| has(text, name));
        ["a", "b", "c"].map(file)
    };
    assert_eq!(servers(&[mine, &a, &both], ""), [1, 2, 0].map(Some));
    // One that another file hides does not count, even if that file may not be changed.
    assert_eq!(servers(&[mine, &a, &both], "1"), [0, 2, 0].map(Some));
    assert_eq!(servers(&[mine, &a, &both], "12"), [0, 0, 0].map(Some));
    let hiding = "clusters:\n- {name: a, cluster: {}}\n";
    assert_eq!(servers(&[hiding, &both], ""), [0, 1, 0].map(Some));
}

fn texts_of(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

#[test]
fn a_context_in_another_file_than_its_cluster_is_the_clusters() {
    let a = [name("a", "rg", "s")];
    let (text, _) = run("", &imports(&a));
    let root = document(&text).root().clone();
    let only = |lists: &[&str]| {
        let mut root = root.clone();
        root.retain(|key, _| lists.contains(&key.as_str()));
        document("").render(&root).expect("written")
    };
    let parts = [only(&["contexts"]), only(&["clusters"]), only(&["users"])];
    let parts = parts.each_ref().map(String::as_str);
    let (same, outcome) = run_files(&parts, "", &imports(&a));
    assert_eq!(outcome, [("a".to_owned(), Action::Unchanged)]);
    assert_eq!(same, parts);
    // A new sign-in: each part is changed in its own file.
    let mut other = imports(&a);
    entries(&mut other[0]).user["exec"]["args"] = json!(["get-token", "--login", "devicecode"]);
    let (new, outcome) = run_files(&parts, "", &other);
    assert_eq!(outcome, [("a".to_owned(), Action::Updated)]);
    let (again, outcome) = run_files(&texts_of(&new), "", &other);
    assert_eq!((again, outcome[0].1), (new, Action::Unchanged));
    // A context that may not be changed is somebody else's.
    let (new, outcome) = run_files(&[parts[1], parts[0], parts[2]], "1", &other);
    assert_eq!(outcome, [("a-rg".to_owned(), Action::Updated)]);
    assert_eq!(new[1], parts[0]);
}

#[test]
fn names_of_one_file_are_not_given_in_another() {
    let all = [name("a", "rg", "s"), name("c", "rg", "s")];
    let imports = imports(&all);
    let (a, _) = run("", &imports[..1]);
    let files = files(&["kind: Config\n", &a]);
    let targets = TargetFiles::find(&files, "0".into(), |path| path == Path::new("0"));
    let plan = merge(
        &files,
        &targets,
        &imports,
        &coverage(),
        &MergeOptions::default(),
    );
    assert_eq!(plan.files.keys().collect::<Vec<_>>(), [Path::new("0")]);
    let outcomes = outcomes(plan);
    assert_ne!(outcomes[0].0, "a");
    assert_eq!(outcomes[1].0, "c");
}

#[test]
fn a_user_that_a_sync_rewrites_has_no_history() {
    let cluster = name("a", "rg", "s");
    let (text, _) = run("", &[import(&cluster)]);
    let mut root = Document::parse(&text).expect("a kubeconfig").root().clone();
    let extension = &mut root["users"][0]["user"]["extensions"][0]["extension"];
    extension["before"] = json!([{"args": ["get-token"], "login": "devicecode"}]);
    extension["fingerprint"] = json!("0123456789abcdef");
    let document = Document::parse(&text).expect("a kubeconfig");
    let text = document.render(&root).expect("written");
    let (same, _) = run(&text, &[import(&cluster)]);
    assert_eq!(same, text);
    let mut other = import(&cluster);
    entries(&mut other).user["exec"]["args"] = json!(["get-token", "--login", "devicecode"]);
    let (new, outcomes) = run(&text, &[other]);
    assert_eq!(outcomes[0].1, Action::Updated);
    assert!(
        !new.contains("before") && !new.contains("fingerprint"),
        "{new}"
    );
    assert!(new.contains("armId"), "{new}");
}

#[test]
fn an_entry_without_a_name_is_kept_with_its_comments() {
    let text = "# mine\nclusters:\n# one without a name\n- cluster: {server: 'https://a'} # keep\n# two\n-   name: \"b\"\n    cluster: {server: https://b}\ncontexts:\n- # nothing\nusers:\n- user: {token: 't'} # no name\n";
    let (new, outcomes) = run(text, &[import(&name("x", "rg", "s"))]);
    assert_eq!(outcomes[0].1, Action::Added);
    let mut rest = new.as_str();
    for line in text.lines() {
        let at = rest
            .find(line)
            .unwrap_or_else(|| panic!("{line:?} is gone:\n{new}"));
        rest = &rest[at + line.len()..];
    }
}

/// The import signs in as an application.
fn import_as(cluster: &Cluster, application: &str) -> ClusterRun {
    let mut run = import(cluster);
    let entries = entries(&mut run);
    entries.user["exec"]["args"] =
        json!(["get-token", "--login", "spn", "--client-id", application]);
    entries.sign_in = Some(SignInName {
        account: Some(application.to_owned()),
        ..sign_in("spn")
    });
    run
}

/// The name and the application of a context's user.
fn signs_in(text: &str, context: &str) -> (String, String) {
    let merged_from = files(&[text]);
    let merged = Merged::of(&merged_from);
    let context = merged.item(Section::Contexts, context).expect("a context");
    let name = context.link(Section::Users).expect("a user");
    let user = merged.item(Section::Users, name).expect("a user").value;
    let application = user["exec"]["args"][4].as_str().unwrap_or_default();
    (name.to_owned(), application.to_owned())
}

#[test]
fn a_user_that_names_its_application_is_not_changed_to_another() {
    let [one, two] = ["one", "two"].map(|cluster| name(cluster, "rg", "s"));
    let text = run("", &[import_as(&one, "app-a")]).0;
    let text = run(&text, &[import_as(&two, "app-b")]).0;
    let of_two = |text: &str| signs_in(text, "two");
    assert_eq!(of_two(&text), ("aad:spn:app-b".into(), "app-b".into()));
    let text = run(&text, &[import_as(&two, "app-c")]).0;
    assert_eq!(of_two(&text), ("aad:spn:app-c".into(), "app-c".into()));
    assert!(!text.contains("app-b"), "{text}");
    assert_eq!(
        signs_in(&text, "one"),
        ("aad:spn:app-a".into(), "app-a".into())
    );
}

#[test]
fn a_removed_user_does_not_come_back_as_another_for_clusters_that_are_not_synced() {
    let [one, two] = ["one", "two"].map(|cluster| name(cluster, "rg", "s"));
    let both = [import_as(&one, "app-a"), import_as(&two, "app-a")];
    let text = run("", &both).0;
    let (kept, _) = text.split_once("users:").expect("users");
    let synced = run(kept, &[import_as(&two, "app-b")]).0;
    assert_eq!(
        signs_in(&synced, "two"),
        ("aad:spn:app-b".into(), "app-b".into())
    );
    assert!(!synced.contains("name: aad:spn:app-a\n"), "{synced}");
    // Nor as one cluster's administrator.
    let mut local = import(&two);
    let entries = entries(&mut local);
    entries.user = json!({"client-key-data": "S0VZ"})
        .as_object()
        .expect("a map")
        .clone();
    entries.sign_in = None;
    let synced = run(kept, &[local]).0;
    assert_eq!(signs_in(&synced, "two").0, "two");
    assert!(!synced.contains("name: aad:spn:app-a\n"), "{synced}");
    // All that named it get it back.
    let synced = run(kept, &both).0;
    assert_eq!(
        signs_in(&synced, "one"),
        ("aad:spn:app-a".into(), "app-a".into())
    );
}

#[test]
fn a_context_whose_user_is_in_a_file_that_is_not_read_stays_as_it_is() {
    let cluster = name("one", "rg", "s");
    let text = run("", &[import(&cluster)]).0;
    let mine = "contexts:\n- name: mine\n  context: {cluster: one, user: alice}\n";
    let text = text.replace("contexts:\n", mine);
    let (synced, outcomes) = run(&text, &[import_as(&cluster, "app")]);
    assert!(synced.contains("{cluster: one, user: alice}"), "{synced}");
    assert_eq!(outcomes, [("one".to_owned(), Action::Updated)]);
    assert_eq!(signs_in(&synced, "one").0, "aad:spn:app");
}

#[test]
fn an_install_hint_alone_changes_nothing_in_a_file_that_can_not_be_migrated() {
    let cluster = name("one", "rg", "s");
    let run_of = import(&cluster);
    let State::Converted(wanted) = &run_of.state else {
        panic!("it is converted");
    };
    let mark = json!([{"name": "kubectl-aad", "extension": {"armId": cluster.id}}]);
    let mut user = wanted.user.clone();
    user["exec"]["installHint"] = json!("install it");
    user.insert("extensions".to_owned(), mark.clone());
    let mut value = wanted.cluster.clone();
    value.insert("extensions".to_owned(), mark.clone());
    let text = json!({
        "clusters": [{"name": "one", "cluster": value}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one", "extensions": mark}}],
        "users": [{"name": "one", "user": user}],
    })
    .to_string();
    let files = files(&[&text]);
    let targets = TargetFiles::only("0".into());
    let plan = merge(
        &files,
        &targets,
        &[run_of],
        &Coverage::default(),
        &MergeOptions::default(),
    );
    assert_eq!(plan.files[Path::new("0")], *files[0].root());
}
