//! The real kubectl reads and rewrites what `merge` writes.

use std::{fs, path::Path, process::Command, sync::Arc};

use kubectl_aad::internals::{
    Action, Cluster, ClusterRun, Coverage, Document, Entries, Planned, SignInName, State,
    merge::{MergeOptions, TargetFiles, merge},
};
use serde_json::{Map, Value, json};

use crate::support::peer;

/// Names that are not strings in YAML 1.1 unless they are quoted.
const NAMES: [&str; 9] = [
    "yes",
    "on",
    "1_000",
    "0x1F",
    "2026-01-01",
    "1e3",
    "null",
    "y",
    "prod",
];

const FOREIGN: &str = "# mine\napiVersion: v1\nkind: Config\nclusters:\n- cluster: {server: \"https://mine\"} # keep\n  name: mine\ncontexts:\n- context: {cluster: mine, namespace: 'on', user: mine}\n  name: mine\ncurrent-context: mine\nusers:\n- name: mine\n  user: {token: 'yes'}\n";

fn object(value: Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

fn clusters() -> Vec<ClusterRun> {
    let run = |name: &str| {
        let cluster = Cluster {
            id: format!("/subscriptions/s/managedClusters/{name}"),
            name: name.to_owned(),
            resource_group: "rg".to_owned(),
            subscription_name: "sub".to_owned(),
            subscription_id: "s".to_owned(),
            ..Cluster::default()
        };
        let entries = Entries {
            cluster: object(
                json!({"server": format!("https://{name}:443"), "tls-server-name": name}),
            ),
            user: object(json!({"exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "args": ["get-token", "--tenant-id", name],
                "command": "kubectl-aad",
                "interactiveMode": "Never",
            }})),
            sign_in: Some(SignInName {
                mode: name.to_owned(),
                ..SignInName::default()
            }),
            token_args: None,
        };
        ClusterRun::new(cluster, State::Converted(Arc::new(entries)))
    };
    NAMES.iter().map(|name| run(name)).collect()
}

fn merged(text: &str) -> (String, Vec<Planned>) {
    let path = Path::new("config");
    let files = [Document::parse_file(path, text).expect("a kubeconfig")];
    let targets = TargetFiles::find(&files, path.to_owned(), |_| true);
    let plan = merge(
        &files,
        &targets,
        &clusters(),
        &Coverage::default(),
        &MergeOptions::default(),
    );
    let [file] = files;
    let text = file.render(&plan.files[path]).expect("written");
    let planned = |run: ClusterRun| match run.state {
        State::Planned(planned) => planned,
        state => panic!("{state:?}"),
    };
    (text, plan.clusters.into_iter().map(planned).collect())
}

fn kubectl(program: &Path, kubeconfig: &Path, args: &[&str]) -> Vec<u8> {
    let output = Command::new(program)
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(args)
        .env_clear()
        .env("HOME", kubeconfig.parent().expect("a directory"))
        .output()
        .expect("kubectl runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    output.stdout
}

#[test]
fn kubectl_reads_what_is_written_and_what_it_rewrites_is_still_ours() {
    let Some(program) = peer("kubectl") else {
        return;
    };
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("config");
    for before in [
        FOREIGN,
        "",
        "clusters: null\nusers: []\n",
        "{\"clusters\": [], \"kind\": \"Config\"}",
    ] {
        let (text, outcomes) = merged(before);
        assert!(
            outcomes
                .iter()
                .all(|outcome| outcome.action == Action::Added)
        );
        fs::write(&path, &text).expect("written");
        let view = kubectl(&program, &path, &["config", "view", "--raw", "-o", "json"]);
        let view: Value = serde_json::from_slice(&view).expect("JSON");
        for (name, outcome) in NAMES.iter().zip(&outcomes) {
            assert_eq!(outcome.context, *name);
            let named = |list: &str, item: &str, name: &Value| {
                let entries = view[list].as_array().cloned().unwrap_or_default();
                let entry = entries.into_iter().find(|entry| entry["name"] == *name);
                entry.unwrap_or_else(|| panic!("{list} has no {name}:\n{text}"))[item].clone()
            };
            let item = |list: &str, item: &str| named(list, item, &json!(name));
            let context = item("contexts", "context");
            assert_eq!(
                context,
                json!({"cluster": name, "user": format!("aad:{name}")})
            );
            let user = named("users", "user", &context["user"]);
            assert_eq!(
                item("clusters", "cluster")["server"],
                format!("https://{name}:443")
            );
            assert_eq!(item("clusters", "cluster")["tls-server-name"], *name);
            assert_eq!(user["exec"]["args"][2], *name);
            let ours = |entry: &Value| {
                let extension = &entry["extensions"][0];
                assert_eq!(extension["name"], "kubectl-aad");
                extension["extension"].clone()
            };
            let id = format!("/subscriptions/s/managedClusters/{name}");
            assert_eq!(ours(&item("clusters", "cluster")), json!({"armId": id}));
            assert_eq!(ours(&user), json!({"shared": true}));
        }
        // kubectl rewrites the whole file: in its order, with its defaults, without comments.
        kubectl(
            &program,
            &path,
            &["config", "set-context", "yes", "--namespace", "shop"],
        );
        kubectl(
            &program,
            &path,
            &["config", "rename-context", "prod", "mine-now"],
        );
        let rewritten = fs::read_to_string(&path).expect("read");
        let (again, outcomes) = merged(&rewritten);
        assert_eq!(again, rewritten);
        assert!(
            outcomes
                .iter()
                .all(|outcome| outcome.action == Action::Unchanged)
        );
        assert_eq!(
            outcomes.last().map(|outcome| outcome.context.as_str()),
            Some("mine-now")
        );
        let namespaces = kubectl(
            &program,
            &path,
            &["config", "get-contexts", "yes", "--no-headers"],
        );
        assert!(String::from_utf8_lossy(&namespaces).contains("shop"));
    }
}
