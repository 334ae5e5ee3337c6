//! Brings clusters into a kubeconfig. Pure: values in, values out.
//!
//! Entries of ours are found by the ARM id in their extension, under whatever name they have by
//! now. Of such an entry only what a sync manages is set; what a person added or chose (a context's
//! `namespace` or other user, a cluster's `proxy-url` or how its certificate is verified, the exec
//! plugin's path, variables and `--timeout`) stays. `current-context` stays, too: with hundreds of
//! clusters there is no one that could be meant.

use super::convert;
use super::convert::EXEC_COMMAND;
use super::document::{Document, Section, entries, entry_name};
use super::name::{ClusterName, Fleet};
use super::owner;
use crate::login::{ExecArgs, Origin, Param};
use crate::tool_config::ACCOUNT_VARIABLES;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A cluster as it shall be in the kubeconfig.
#[derive(Clone)]
pub struct Import {
    pub cluster_name: ClusterName,
    /// The cluster's value: `server`, `certificate-authority-data`, …
    pub cluster: Map<String, Value>,
    /// The user's value: an `exec` mapping, or an administrator's certificate.
    pub user: Map<String, Value>,
}

/// What became of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Added,
    Updated,
    Unchanged,
}

/// What became of an import, and the context that reaches the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub action: Action,
    pub context: String,
}

/// For each import the place among `files` of the one where its cluster is at home: the first that
/// `may_change` and where all entries of ours for the cluster can be seen, one with the context before
/// one that has just a cluster or a user left. `default` where there is none.
///
/// Of two entries with one name kubectl sees the first alone: what is brought up to date behind
/// another one would never be used.
#[must_use]
pub fn homes(
    files: &[Document<'_>],
    default: usize,
    imports: &[Import],
    may_change: impl Fn(usize) -> bool,
) -> Vec<usize> {
    let mut seen: HashSet<(Section, &str)> = HashSet::new();
    // The file and what of a context, a cluster and a user it has, the better the smaller.
    let mut best: HashMap<String, (usize, usize)> = HashMap::new();
    for (place, file) in files.iter().enumerate() {
        let mut here: HashMap<String, (bool, usize)> = HashMap::new();
        for (rank, section) in [Section::Contexts, Section::Clusters, Section::Users]
            .into_iter()
            .enumerate()
        {
            let entries = file.entries(section);
            for (name, key) in entries.iter().filter_map(|entry| own(entry, section)) {
                let (visible, _) = here.entry(key).or_insert((true, rank));
                *visible &= !seen.contains(&(section, name));
            }
            let names = entries.iter().filter_map(entry_name);
            seen.extend(names.map(|name| (section, name)));
        }
        if here.is_empty() || !may_change(place) {
            continue;
        }
        for (key, (_, rank)) in here.into_iter().filter(|(_, (visible, _))| *visible) {
            let found = best.entry(key).or_insert((rank, place));
            *found = (rank, place).min(*found);
        }
    }
    imports
        .iter()
        .map(|import| best.get(&import.cluster_name.key()))
        .map(|found| found.map_or(default, |(_, place)| *place))
        .collect()
}

/// Whether a sync wrote some entries of the file.
#[must_use]
pub fn has_entries_of_ours(file: &Document<'_>) -> bool {
    Section::ALL.into_iter().any(|section| {
        let mut entries = file.entries(section).iter();
        entries.any(|entry| own(entry, section).is_some())
    })
}

/// The name of an entry of ours, and the ARM id of its cluster in lower case.
fn own(entry: &Value, section: Section) -> Option<(&str, String)> {
    let arm_id = entry.get(section.item()).and_then(owner::arm_id)?;
    Some((entry_name(entry)?, arm_id.to_ascii_lowercase()))
}

/// The values of the files that imports were merged into, by their places, and an outcome for each
/// import, in the order they came in.
pub struct Merged {
    pub roots: BTreeMap<usize, Map<String, Value>>,
    pub outcomes: Vec<Outcome>,
}

/// Merges each of `imports` into the file at its place in `homes`; `files` are those of a
/// `KUBECONFIG` in their order.
///
/// `fleet` names all clusters that were seen, imported or not, so that a cluster that could not be
/// read today does not change the others' names. The order of `imports` decides nothing.
///
/// A name that an entry has in one of the files is not given to a new one in another: of two entries
/// with one name kubectl sees the first alone.
#[must_use]
pub fn merge(
    files: &[Document<'_>],
    homes: &[usize],
    imports: &[Import],
    fleet: &[ClusterName],
) -> Merged {
    let names = Fleet::new(fleet.iter().chain(imports.iter().map(|i| &i.cluster_name)));
    let mut order: Vec<usize> = (0..imports.len()).collect();
    order.sort_by_cached_key(|&i| {
        let cluster = &imports[i].cluster_name;
        (cluster.name.clone(), cluster.key())
    });
    let mut outcomes: Vec<Option<Outcome>> = vec![None; imports.len()];
    let mut roots = BTreeMap::new();
    for place in homes.iter().copied().collect::<BTreeSet<_>>() {
        let mut merger = Merger::new(files[place].root());
        for (_, other) in files.iter().enumerate().filter(|(i, _)| *i != place) {
            merger.leave_names_of(other);
        }
        for &i in order.iter().filter(|&&i| homes[i] == place) {
            outcomes[i] = Some(merger.import(&imports[i], &names));
        }
        roots.insert(place, merger.finish());
    }
    Merged {
        roots,
        outcomes: outcomes.into_iter().flatten().collect(),
    }
}

struct Merger {
    root: Map<String, Value>,
    lists: HashMap<Section, List>,
}

/// The entries of one section while they change.
struct List {
    section: Section,
    entries: Vec<Value>,
    /// Every name in use, ours or not.
    names: HashSet<String>,
    /// Those of entries that are not ours.
    others: HashSet<String>,
    /// Our entries, by the ARM id in lower case. Of several for one cluster the first is the one.
    ours: HashMap<String, usize>,
}

impl Merger {
    fn new(root: &Map<String, Value>) -> Self {
        let mut root = root.clone();
        if root.is_empty() {
            root.insert("apiVersion".to_owned(), json!("v1"));
            root.insert("kind".to_owned(), json!("Config"));
        }
        let lists = Section::ALL.map(|section| (section, List::new(&root, section)));
        Self {
            root,
            lists: lists.into(),
        }
    }

    /// Gives no name to a new entry that an entry has in `other`.
    fn leave_names_of(&mut self, other: &Document<'_>) {
        for section in Section::ALL {
            self.list(section).know_names(other.entries(section));
        }
    }

    fn list(&mut self, section: Section) -> &mut List {
        self.lists
            .get_mut(&section)
            .expect("every section has a list from the start")
    }

    fn import(&mut self, import: &Import, names: &Fleet) -> Outcome {
        let key = import.cluster_name.key();
        let [cluster, context, user] =
            Section::ALL.map(|section| self.lists[&section].name_of(&key));
        // A name that one entry of the cluster has is the first choice for those that are missing.
        let free = |section: Section, name: &str| !self.lists[&section].names.contains(name);
        let missing: Vec<Section> = [
            (Section::Clusters, &cluster),
            (Section::Contexts, &context),
            (Section::Users, &user),
        ]
        .into_iter()
        .filter(|(_, name)| name.is_none())
        .map(|(section, _)| section)
        .collect();
        let is_free = |name: &str| missing.iter().all(|&section| free(section, name));
        let new = match [&context, &cluster, &user]
            .into_iter()
            .flatten()
            .find(|name| is_free(name))
        {
            Some(name) => name.clone(),
            None => names.choose(&import.cluster_name, is_free),
        };
        let fresh = missing.len() == Section::ALL.len();
        let [cluster, context, user] =
            [cluster, context, user].map(|name| name.unwrap_or_else(|| new.clone()));

        let arm_id = &import.cluster_name.arm_id;
        let link: Map<String, Value> = [("cluster", &cluster), ("user", &user)]
            .into_iter()
            .filter(|(field, _)| !self.is_led_elsewhere(&key, field))
            .map(|(field, name)| (field.to_owned(), json!(name)))
            .collect();
        let changes = [
            self.list(Section::Clusters)
                .put(&key, arm_id, &cluster, |old| {
                    overlay_cluster(old, &import.cluster);
                }),
            self.list(Section::Contexts)
                .put(&key, arm_id, &context, |old| overlay(old, &link, &[])),
            self.list(Section::Users).put(&key, arm_id, &user, |old| {
                let before = old.clone();
                overlay_user(old, &import.user);
                if !is_same(&before, old) {
                    convert::forget(old);
                }
            }),
        ];
        let action = match (fresh, changes.contains(&true)) {
            (true, _) => Action::Added,
            (false, true) => Action::Updated,
            (false, false) => Action::Unchanged,
        };
        Outcome { action, context }
    }

    /// Whether the context of the cluster `key` was led, in `cluster` or `user`, to an entry of
    /// somebody else that is there.
    fn is_led_elsewhere(&self, key: &str, field: &str) -> bool {
        let section = match field {
            "cluster" => Section::Clusters,
            _ => Section::Users,
        };
        let contexts = &self.lists[&Section::Contexts];
        contexts
            .ours
            .get(key)
            .and_then(|&i| contexts.entries[i].get("context")?.get(field)?.as_str())
            .is_some_and(|name| self.lists[&section].others.contains(name))
    }

    fn finish(mut self) -> Map<String, Value> {
        for section in Section::ALL {
            let Some(list) = self.lists.remove(&section) else {
                continue;
            };
            // An absent list, or `clusters: null`, that stays empty stays as it is.
            if !list.entries.is_empty() {
                self.root
                    .insert(section.list().to_owned(), Value::Array(list.entries));
            }
        }
        self.root
    }
}

impl List {
    fn new(root: &Map<String, Value>, section: Section) -> Self {
        let entries = entries(root, section).to_vec();
        let mut ours = HashMap::new();
        for (i, entry) in entries.iter().enumerate() {
            if let Some((_, key)) = own(entry, section) {
                ours.entry(key).or_insert(i);
            }
        }
        let mut list = Self {
            section,
            entries: Vec::new(),
            names: HashSet::new(),
            others: HashSet::new(),
            ours,
        };
        list.know_names(&entries);
        list.entries = entries;
        list
    }

    fn know_names(&mut self, entries: &[Value]) {
        for entry in entries {
            let Some(name) = entry_name(entry) else {
                continue;
            };
            // Of two entries with one name kubectl sees the first.
            if self.names.insert(name.to_owned()) && own(entry, self.section).is_none() {
                self.others.insert(name.to_owned());
            }
        }
    }

    fn name_of(&self, key: &str) -> Option<String> {
        let entry = &self.entries[*self.ours.get(key)?];
        entry_name(entry).map(str::to_owned)
    }

    /// Sets the entry of the cluster `key`, calling it `name` if it is new. Says whether that changed anything.
    fn put(
        &mut self,
        key: &str,
        arm_id: &str,
        name: &str,
        set: impl FnOnce(&mut Map<String, Value>),
    ) -> bool {
        let item = self.section.item();
        let Some(&i) = self.ours.get(key) else {
            let mut value = Map::new();
            set(&mut value);
            owner::mark(&mut value, arm_id);
            value.sort_keys();
            self.ours.insert(key.to_owned(), self.entries.len());
            self.names.insert(name.to_owned());
            self.entries.push(json!({ item: value, "name": name }));
            return true;
        };
        let Some(Value::Object(old)) = self.entries[i].get_mut(item) else {
            return false;
        };
        let mut new = old.clone();
        set(&mut new);
        owner::mark(&mut new, arm_id);
        if is_same(old, &new) {
            return false;
        }
        *old = new;
        true
    }
}

/// What decides whether a cluster is the right one: never left over from an earlier sync.
const CLUSTER_FIELDS: [&str; 2] = ["server", "certificate-authority-data"];

/// Sets a cluster. How its certificate is verified is a person's to change: by a file of their own, or
/// not at all. No sync writes either, and kubectl refuses `certificate-authority-data` beside the latter.
fn overlay_cluster(old: &mut Map<String, Value>, new: &Map<String, Value>) {
    let mut new = new.clone();
    let unverified = old.get("insecure-skip-tls-verify") == Some(&Value::Bool(true));
    let own_file = old.get("certificate-authority").and_then(Value::as_str);
    if unverified || own_file.is_some_and(|file| !file.is_empty()) {
        new.remove("certificate-authority-data");
    }
    overlay(old, &new, &CLUSTER_FIELDS);
}

/// What a user signs in with: never left over from an earlier sync.
const USER_FIELDS: [&str; 10] = [
    "exec",
    "auth-provider",
    "token",
    "tokenFile",
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "username",
    "password",
];

/// Sets the fields of `new` in `old`; of `managed` fields those that `new` lacks are removed.
fn overlay(old: &mut Map<String, Value>, new: &Map<String, Value>, managed: &[&str]) {
    old.retain(|key, _| new.contains_key(key) || !managed.contains(&key.as_str()));
    for (key, value) in new {
        old.insert(key.clone(), value.clone());
    }
}

fn overlay_user(old: &mut Map<String, Value>, new: &Map<String, Value>) {
    let mut new = new.clone();
    if let (Some(Value::Object(exec)), Some(Value::Object(before))) =
        (new.get_mut("exec"), old.get("exec"))
    {
        let env = overlay_env(before.get("env"), exec.get("env"));
        if before.get("command").is_some_and(is_our_command) {
            exec.insert("command".to_owned(), before["command"].clone());
            if let Some(args) = overlay_args(before.get("args"), exec.get("args")) {
                exec.insert("args".to_owned(), args);
            }
        }
        if before.contains_key("provideClusterInfo") {
            exec.remove("provideClusterInfo");
        }
        let mut merged = before.clone();
        overlay(
            &mut merged,
            exec,
            &[
                "command",
                "args",
                "apiVersion",
                "interactiveMode",
                "installHint",
            ],
        );
        if let Some(env) = env {
            merged.insert("env".to_owned(), env);
        }
        *exec = merged;
    }
    overlay(old, &new, &USER_FIELDS);
}

/// Whether a command is this program, by its bare name or at a path: where a dashboard has no `PATH`
/// to find it on, a person writes the path.
fn is_our_command(command: &Value) -> bool {
    let name = command
        .as_str()
        .and_then(|path| path.rsplit(['/', '\\']).next())
        .unwrap_or_default();
    name == EXEC_COMMAND || name.strip_suffix(".exe") == Some(EXEC_COMMAND)
}

/// Parameters that a person may add to an entry: they say neither who signs in nor where, and no sync
/// takes them away again. A secret is never written by a sync, so it is a person's.
const KEPT_PARAMS: [Param; 8] = [
    Param::CacheDir,
    Param::TokenStore,
    Param::ClientSecret,
    Param::ClientCertificatePassword,
    Param::Password,
    Param::RedirectUrl,
    Param::Timeout,
    Param::DisableInstanceDiscovery,
];

/// The plugin's arguments: ours set, those of [`KEPT_PARAMS`] and `-v` kept. None where the old ones
/// can't be read.
fn overlay_args(old: Option<&Value>, new: Option<&Value>) -> Option<Value> {
    let read = |args: Option<&Value>| {
        let words: Vec<&str> = args?
            .as_array()?
            .iter()
            .map(Value::as_str)
            .collect::<Option<_>>()?;
        ExecArgs::parse(&words).ok()
    };
    let (old, new) = (read(old)?, read(new)?);
    let (before, mut now) = (old.settings(), new.settings().clone());
    let same = |param| before.get(param) == now.get(param);
    let added: Vec<Param> = KEPT_PARAMS
        .into_iter()
        .filter(|param| !param.row().secret || (same(Param::Login) && same(Param::ClientId)))
        .filter(|param| now.mode().is_ok_and(|mode| mode.uses(*param)))
        .filter(|param| now.get(*param).is_none() && before.get(*param).is_some())
        .collect();
    for param in added {
        now.set(param, before.get(param)?, Origin::ExecEntry);
    }
    let verbosity = |word: &&String| {
        word.starts_with("-v") || word.starts_with("--v") || word.parse::<u8>().is_ok()
    };
    let kept: Vec<String> = old.others().iter().filter(verbosity).cloned().collect();
    // In the order in which a person has them, if they say the same.
    if now.to_args() == before.to_args() && kept == old.others() {
        return Some(json!(old.words()));
    }
    Some(json!(ExecArgs::with_others(now, kept).words()))
}

/// The plugin's variables: ours set, a person's kept. Whose account az or azd answers for is never left
/// over from a sync with another login mode: a conversion would bring that account back.
fn overlay_env(old: Option<&Value>, new: Option<&Value>) -> Option<Value> {
    let Some(Value::Array(old)) = old else {
        return new.cloned();
    };
    let named = |variables: Option<&Value>, name: &Value| {
        let variables = variables.and_then(Value::as_array);
        variables.is_some_and(|list| list.iter().any(|variable| variable["name"] == *name))
    };
    let mut env = old.clone();
    env.retain(|variable| {
        let is_account = |name: &&str| variable["name"] == **name;
        !ACCOUNT_VARIABLES.iter().any(is_account) || named(new, &variable["name"])
    });
    if env.is_empty() && !old.is_empty() {
        return new.cloned();
    }
    for variable in new.and_then(Value::as_array).into_iter().flatten() {
        match env
            .iter_mut()
            .find(|old| old.get("name") == variable.get("name"))
        {
            Some(old) => *old = variable.clone(),
            None => env.push(variable.clone()),
        }
    }
    Some(Value::Array(env))
}

/// Equal but for what kubectl adds when it rewrites a kubeconfig: null for an absent field, and
/// `provideClusterInfo: false`.
pub(super) fn is_same(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    let is_default = |key: &str, value: &Value| {
        value.is_null() || (key == "provideClusterInfo" && *value == Value::Bool(false))
    };
    let covers = |a: &Map<String, Value>, b: &Map<String, Value>| {
        a.iter().all(|(key, value)| match b.get(key) {
            Some(other) => {
                is_same_value(value, other) || (is_default(key, value) && is_default(key, other))
            }
            None => is_default(key, value),
        })
    };
    covers(a, b) && covers(b, a)
}

fn is_same_value(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => is_same(a, b),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same_value(a, b))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests;
