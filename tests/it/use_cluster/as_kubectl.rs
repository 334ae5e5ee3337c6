//! Kubeconfigs drawn at random: the small file of `use` leads to the same cluster, as the same person, as the real kubectl says of
//! the kubeconfig itself.
//!
//! `AAD_SMALL_FILES=500` draws more than the usual number of cases, `AAD_SMALL_FILES_SEED=7` others.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use proptest::{
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};
use serde_json::{Map, Value, json};

use super::SUBSCRIPTION;
use crate::env::{TestEnv, run};

/// How many cases are drawn where nobody says.
const CASES: u32 = 8;
/// How often a case that failed is tried in a shorter form.
const SHORTENINGS: u32 = 80;

const NAMES: [&str; 25] = [
    "prod",
    "PROD",
    "with space",
    "around",
    " around ",
    "it's",
    "a \"b\"",
    "a: b",
    "a:b",
    "a #b",
    "#a",
    "- a",
    "-a",
    "yes",
    "null",
    "~",
    "1e3",
    "0x1F",
    "2001-01-01",
    "&a *b !c",
    "{a}, [b]",
    "%a @b `c`",
    "back\\slash",
    "é 日本",
    "two\nlines",
];

/// Files that entries name, in the directory of each kubeconfig and beside it.
const NAMED_FILES: [&str; 4] = ["x.pem", "./certs/y.pem", "../shared/z.pem", "a b'.pem"];

/// How a file is written.
#[derive(Clone, Copy, Debug)]
enum Form {
    Block,
    WindowsLines,
    Json,
    Flow,
    /// Each second value is an alias of that before, and each third takes keys from it.
    Aliases,
}

#[derive(Clone, Debug)]
struct File {
    form: Form,
    /// The names of the entries, by their index in [`NAMES`], and their values.
    clusters: BTreeMap<usize, Value>,
    users: BTreeMap<usize, Value>,
    /// The cluster and the user, the latter perhaps none, and the namespace.
    contexts: BTreeMap<usize, (Index, Option<Index>, Option<&'static str>)>,
}

#[derive(Clone, Debug)]
struct Case {
    files: Vec<File>,
    is_relative: bool,
    /// What `-n` names, if it is given.
    namespace: Option<&'static str>,
}

fn text() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => select(&NAMES[..]).prop_map(Value::from),
        1 => "[ -~é\t]{0,20}".prop_map(Value::from),
    ]
}

/// An entry's value: each field is there or not.
fn fields(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| proptest::option::of(value).prop_map(move |value| (name, value)))
        .collect();
    let object = |fields: Vec<(&str, Option<Value>)>| {
        let given = fields.into_iter();
        let given = given.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let mut object: Map<String, Value> = given.collect();
        let names: Vec<String> = object.keys().cloned().collect();
        for name in names {
            // `kubectl config view --flatten` refuses both.
            object.remove(&format!("{name}-data"));
        }
        Value::Object(object)
    };
    fields.prop_map(object).boxed()
}

fn path() -> BoxedStrategy<Value> {
    select(&NAMED_FILES[..]).prop_map(Value::from).boxed()
}

fn data() -> BoxedStrategy<Value> {
    select(&["QQ==", "Qkk=", "Q0ND"][..])
        .prop_map(Value::from)
        .boxed()
}

fn switch() -> BoxedStrategy<Value> {
    any::<bool>().prop_map(Value::from).boxed()
}

fn cluster() -> impl Strategy<Value = Value> {
    let more = fields(vec![
        ("certificate-authority", path()),
        ("certificate-authority-data", data()),
        ("proxy-url", text().boxed()),
        ("tls-server-name", text().boxed()),
        ("insecure-skip-tls-verify", switch()),
        ("disable-compression", switch()),
    ]);
    (more, text(), any::<bool>()).prop_map(|(mut cluster, name, is_first)| {
        // One without a server is refused.
        cluster["server"] = json!(format!("https://a/{name}"));
        let theirs = json!({"name": "theirs", "extension": {"x": name, "y": [1, 2.5, null, true]}});
        // Which cluster it is, is added later.
        cluster["extensions"] = match is_first {
            true => json!([theirs, {"name": "kubectl-aad", "extension": {}}]),
            false => json!([{"name": "kubectl-aad", "extension": {}}, theirs]),
        };
        cluster
    })
}

fn user() -> impl Strategy<Value = Value> {
    let pair = (text(), text()).prop_map(|(name, value)| json!({"name": name, "value": value}));
    let list = |of: BoxedStrategy<Value>| {
        proptest::collection::vec(of, 0..4)
            .prop_map(Value::from)
            .boxed()
    };
    let command = select(&["kubectl-aad", "./x.pem", "../shared/z.pem", "/bin/true"][..]);
    let exec = (
        command,
        fields(vec![
            ("args", list(text().boxed())),
            ("env", list(pair.boxed())),
            ("installHint", text().boxed()),
            ("provideClusterInfo", switch()),
        ]),
    );
    let exec = exec.prop_map(|(command, mut exec)| {
        exec["apiVersion"] = json!("client.authentication.k8s.io/v1");
        exec["command"] = json!(command);
        exec["interactiveMode"] = json!("IfAvailable");
        exec
    });
    let provider = text().prop_map(|id| json!({"name": "azure", "config": {"client-id": id}}));
    fields(vec![
        ("exec", exec.boxed()),
        ("auth-provider", provider.boxed()),
        ("client-certificate", path()),
        ("client-certificate-data", data()),
        ("client-key", path()),
        ("client-key-data", data()),
        ("token", text().boxed()),
        ("tokenFile", path()),
        ("username", text().boxed()),
        ("password", text().boxed()),
        ("as", text().boxed()),
        ("as-groups", list(text().boxed())),
        ("as-user-extra", Just(json!({"a: b": ["c", "- d"]})).boxed()),
        (
            "extensions",
            Just(json!([{"name": "e", "extension": [1]}])).boxed(),
        ),
    ])
}

fn file() -> impl Strategy<Value = File> {
    let forms = [
        Form::Block,
        Form::WindowsLines,
        Form::Json,
        Form::Flow,
        Form::Aliases,
    ];
    let name = || 0..NAMES.len();
    let context = (
        any::<Index>(),
        proptest::option::weighted(0.9, any::<Index>()),
        proptest::option::of(select(&["web", "yes", "123"][..])),
    );
    (
        select(forms.to_vec()),
        proptest::collection::btree_map(name(), cluster(), 1..4),
        proptest::collection::btree_map(name(), user(), 1..4),
        proptest::collection::btree_map(name(), context, 1..4),
    )
        .prop_map(|(form, clusters, users, contexts)| File {
            form,
            clusters,
            users,
            contexts,
        })
}

fn case() -> impl Strategy<Value = Case> {
    let files = proptest::collection::vec(file(), 1..4);
    let namespace = proptest::option::weighted(0.3, Just("kube-system"));
    (files, any::<bool>(), namespace).prop_map(|(files, is_relative, namespace)| Case {
        files,
        is_relative,
        namespace,
    })
}

/// The names of a section's entries in all files.
fn names_in(case: &Case, of: impl Fn(&File) -> Vec<usize>) -> Vec<&'static str> {
    let names: BTreeSet<_> = case.files.iter().flat_map(of).collect();
    names.into_iter().map(|name| NAMES[name]).collect()
}

impl Case {
    /// The entries of each file, as JSON.
    fn roots(&self) -> Vec<Value> {
        let clusters = names_in(self, |file| file.clusters.keys().copied().collect());
        let users = names_in(self, |file| file.users.keys().copied().collect());
        let files = self.files.iter();
        let root = |file: &File| {
            let of_clusters = file.clusters.iter().map(
                |(name, value)| json!({"name": NAMES[*name], "cluster": marked(value, *name)}),
            );
            let of_users = file.users.iter();
            let of_users =
                of_users.map(|(name, value)| json!({"name": NAMES[*name], "user": value}));
            let contexts = file
                .contexts
                .iter()
                .map(|(name, (cluster, user, namespace))| {
                    let mut context = json!({"cluster": cluster.get(&clusters)});
                    if let Some(user) = user {
                        context["user"] = json!(user.get(&users));
                    }
                    if let Some(namespace) = namespace {
                        context["namespace"] = json!(namespace);
                    }
                    json!({"name": NAMES[*name], "context": context})
                });
            json!({
                "apiVersion": "v1", "kind": "Config",
                "clusters": of_clusters.collect::<Vec<_>>(),
                "contexts": contexts.collect::<Vec<_>>(),
                "users": of_users.collect::<Vec<_>>(),
            })
        };
        files.map(root).collect()
    }

    /// Writes the files, and returns their paths.
    fn write(&self, test_env: &TestEnv) -> Vec<PathBuf> {
        let roots = self.roots();
        let files = self.files.iter().zip(&roots).enumerate();
        files
            .map(|(at, (file, root))| {
                let directory = format!("case/{at}");
                fs::create_dir_all(test_env.path(&format!("{directory}/certs"))).expect("made");
                for name in NAMED_FILES {
                    let path = test_env.path(&format!("{directory}/{name}"));
                    fs::create_dir_all(path.parent().expect("a directory")).expect("made");
                    fs::write(&path, format!("{} {name}", path.display())).expect("written");
                }
                test_env.write(&format!("{directory}/config"), &written(file.form, root));
                match self.is_relative {
                    true => format!("{directory}/config").into(),
                    false => test_env.path(&format!("{directory}/config")),
                }
            })
            .collect()
    }
}

/// A cluster's value with the mark of ours.
fn marked(value: &Value, name: usize) -> Value {
    let mut value = value.clone();
    let extensions = value["extensions"].as_array_mut().expect("a list");
    let ours = extensions
        .iter_mut()
        .find(|one| one["name"] == "kubectl-aad");
    ours.expect("it is there")["extension"] = json!({"armId": format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/c{name}"
    )});
    value
}

fn written(form: Form, root: &Value) -> String {
    match form {
        Form::Block => block(root, 0),
        Form::WindowsLines => block(root, 0).replace('\n', "\r\n"),
        Form::Json => serde_json::to_string_pretty(root).expect("JSON"),
        Form::Flow => format!("# mine\n{}\n", flow(root)),
        Form::Aliases => with_aliases(root),
    }
}

/// YAML with an entry a line, but for texts.
fn block(value: &Value, indent: usize) -> String {
    let start = format!("\n{}", " ".repeat(indent));
    match value {
        Value::Object(fields) if !fields.is_empty() => fields
            .iter()
            .map(|(name, value)| {
                let name = flow(&json!(name));
                format!("{start}{name}: {}", block(value, indent + 2))
            })
            .collect(),
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .map(|item| format!("{start}- {}", block(item, indent + 2)))
            .collect(),
        one => flow(one),
    }
}

/// YAML in one line.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| format!("{}: {}", flow(&json!(name)), flow(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => {
            format!(
                "[{}]",
                items.iter().map(flow).collect::<Vec<_>>().join(", ")
            )
        }
        // Short ones may be those of a number or a switch.
        Value::String(text) => match text.chars().all(|c| c.is_ascii_alphabetic()) {
            true if text.len() > "false".len() => text.clone(),
            _ if text.contains(['\n', '\t']) => value.to_string(),
            _ => format!("'{}'", text.replace('\'', "''")),
        },
        other => other.to_string(),
    }
}

fn with_aliases(root: &Value) -> String {
    let mut text = "apiVersion: v1\nkind: Config\n".to_owned();
    for (list, item) in [
        ("clusters", "cluster"),
        ("contexts", "context"),
        ("users", "user"),
    ] {
        text.push_str(&format!("{list}:\n"));
        let entries = root[list].as_array().expect("a list");
        for (at, entry) in entries.iter().enumerate() {
            let value = flow(&entry[item]);
            let value = match at {
                0 => format!("&{item} {value}"),
                1 => format!("*{item}"),
                _ if excludes(&entries[0][item], &entry[item]) => value,
                _ => format!("{{<<: *{item}, {}", &value[1..]),
            };
            let name = flow(&entry["name"]);
            text.push_str(&format!("- name: {name}\n  {item}: {value}\n"));
        }
    }
    text
}

/// Whether two values together would have a path and contents.
fn excludes(one: &Value, other: &Value) -> bool {
    let has_contents_of = |one: &Value, other: &Value| {
        let mut names = other.as_object().into_iter().flat_map(Map::keys);
        names.any(|name| one.get(format!("{name}-data")).is_some())
    };
    has_contents_of(one, other) || has_contents_of(other, one)
}

/// What kubectl reads from a list of files: with the contents of certificates instead of their paths, and the other paths
/// absolute, as `from` says for each user.
fn read_by_kubectl(
    test_env: &TestEnv,
    list: &[PathBuf],
    from: &BTreeMap<&str, PathBuf>,
) -> Result<Value, String> {
    let mut kubectl = kubectl_with(test_env, "kubectl", list);
    let ran = run(kubectl.args(["config", "view", "--raw", "--flatten", "-o", "json"]));
    if ran.code != 0 {
        return Err(ran.stderr);
    }
    let mut read: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    for entry in read["users"].as_array_mut().into_iter().flatten() {
        let directory = from.get(entry["name"].as_str().expect("a name"));
        for path in ["/user/tokenFile", "/user/exec/command"] {
            let Some(value) = entry.pointer_mut(path) else {
                continue;
            };
            let written = value.as_str().expect("a text").to_owned();
            if written.contains('/') || path.ends_with("File") {
                let full = directory.map_or(PathBuf::from(&written), |at| at.join(&written));
                let there = full.is_absolute().then(|| fs::canonicalize(full));
                *value = json!(there.expect("absolute").expect("it is there"));
            }
        }
    }
    Ok(read)
}

fn kubectl_with(test_env: &TestEnv, program: &str, list: &[PathBuf]) -> Command {
    let mut command = test_env.program(program);
    let list = env::join_paths(list).expect("paths without `:`");
    command.current_dir(test_env.home()).env("KUBECONFIG", list);
    command
}

/// The value of an entry.
fn entry<'v>(read: &'v Value, list: &str, item: &str, name: &Value) -> Option<&'v Value> {
    let mut entries = read[list].as_array().into_iter().flatten();
    Some(&entries.find(|entry| entry["name"] == *name)?[item])
}

fn check(case: &Case, test_env: &TestEnv) -> Result<(), String> {
    let _ = fs::remove_dir_all(test_env.path("case"));
    let list = case.write(test_env);
    let mut from = BTreeMap::new();
    for (file, path) in case.files.iter().zip(&list) {
        let directory = test_env.home().join(path.parent().expect("a directory"));
        for name in file.users.keys() {
            from.entry(NAMES[*name]).or_insert(directory.clone());
        }
    }
    let expected = read_by_kubectl(test_env, &list, &from)?;
    let contexts = names_in(case, |file| file.contexts.keys().copied().collect());
    let mut small = Vec::new();
    for context in &contexts {
        let namespace = case.namespace.iter().flat_map(|name| ["-n", *name]);
        let mut command = kubectl_with(test_env, env!("CARGO_BIN_EXE_kubectl-aad"), &list);
        let args = ["use", "--print", "--shell", "bash"];
        let ran = run(command.args(args).args(namespace).args(["--", context]));
        let path = ran.stdout.split('\'').nth(1).map(PathBuf::from);
        small.push(path.ok_or_else(|| format!("`{context}`: {}", ran.stderr))?);
    }
    let read = read_by_kubectl(test_env, &small, &BTreeMap::new())?;
    for (context, path) in contexts.iter().zip(&small) {
        check_context(context, &expected, &read, case.namespace)?;
        check_current(context, path)?;
    }
    Ok(())
}

/// Holds that a context leads where it led.
fn check_context(
    name: &str,
    expected: &Value,
    read: &Value,
    namespace: Option<&str>,
) -> Result<(), String> {
    let name = json!(name);
    let found = |read| entry(read, "contexts", "context", &name).cloned();
    let mut context = found(expected).expect("it was written");
    let now = found(read).ok_or_else(|| format!("{name} is gone"))?;
    let mut pairs = Vec::new();
    for (list, item) in [("clusters", "cluster"), ("users", "user")] {
        pairs.push((
            entry(expected, list, item, &context[item]),
            entry(read, list, item, &now[item]),
        ));
    }
    if let Some(namespace) = namespace {
        context["namespace"] = json!(namespace);
    }
    pairs.push((Some(&context), Some(&now)));
    match pairs.into_iter().find(|(was, is)| was != is) {
        Some((was, is)) => Err(format!("{name}: {was:#?}\nis now\n{is:#?}")),
        None => Ok(()),
    }
}

/// Holds that a small file has its context alone, which is the current one.
fn check_current(context: &str, path: &Path) -> Result<(), String> {
    let text = fs::read_to_string(path).expect("it was written");
    let root: Map<String, Value> = serde_yaml::from_str(&text).expect("YAML");
    let contexts = root["contexts"].as_array().expect("a list");
    match (root["current-context"].as_str(), &contexts[..]) {
        (Some(current), [one]) if current == context && one["name"] == context => Ok(()),
        _ => Err(format!("`{context}` is not the one of\n{text}")),
    }
}

#[test]
fn a_small_file_leads_where_kubectl_says_that_the_kubeconfig_leads() {
    let Some(builder) = TestEnv::builder().without_az().peer("kubectl") else {
        return;
    };
    let test_env = builder.build();
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let mut seed = [0; 32];
    let chosen = number("AAD_SMALL_FILES_SEED").unwrap_or(1);
    seed[..8].copy_from_slice(&chosen.to_le_bytes());
    let config = Config {
        cases: number("AAD_SMALL_FILES").map_or(CASES, |cases| cases.try_into().expect("few")),
        max_shrink_iters: SHORTENINGS,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let result = TestRunner::new_with_rng(config, rng).run(&case(), |case| {
        check(&case, &test_env).map_err(|why| {
            let files = case.roots();
            let files = case.files.iter().zip(&files);
            let files: Vec<_> = files.map(|(file, root)| written(file.form, root)).collect();
            TestCaseError::fail(format!("{why}\n\n{}", files.join("\n---\n")))
        })
    });
    match result {
        Err(TestError::Fail(why, _)) => panic!("{why}"),
        other => other.expect("it can be drawn"),
    }
}
