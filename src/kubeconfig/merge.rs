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
use super::owner;
use crate::fleet::{Action, Cluster, ClusterRun, ContextNames, Entries, Planned, State};
use crate::login::{ExecArgs, Origin, PARAMS, Param};
use crate::tool_config::ACCOUNT_VARIABLES;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Which of several kubeconfig files holds a cluster's entries.
pub struct TargetFiles {
    /// By the cluster's key.
    found: HashMap<String, PathBuf>,
    default: PathBuf,
}

impl TargetFiles {
    /// Finds the target files among `files`, in their order in `KUBECONFIG`.
    ///
    /// A cluster's target is the first file that `may_change` and in which all our entries for the cluster are
    /// visible; a file with the context comes before one that has only a cluster or a user left. `default` is for
    /// clusters without such a file. Of two entries with the same name kubectl sees only the first: an update of the
    /// second would have no effect.
    #[must_use]
    pub fn find(
        files: &[Document<'_>],
        default: PathBuf,
        may_change: impl Fn(&Path) -> bool,
    ) -> Self {
        let mut seen: HashSet<(Section, &str)> = HashSet::new();
        // The best file so far, and the rank of what it has of a cluster: the smaller the better.
        let mut found: HashMap<String, (usize, &Path)> = HashMap::new();
        for (document, path) in files.iter().filter_map(|file| Some((file, file.path()?))) {
            let mut here: HashMap<String, (bool, usize)> = HashMap::new();
            for (rank, section) in [Section::Contexts, Section::Clusters, Section::Users]
                .into_iter()
                .enumerate()
            {
                let entries = document.entries(section);
                for (name, key) in entries.iter().filter_map(|entry| own(entry, section)) {
                    let (visible, _) = here.entry(key).or_insert((true, rank));
                    *visible &= !seen.contains(&(section, name));
                }
                let names = entries.iter().filter_map(entry_name);
                seen.extend(names.map(|name| (section, name)));
            }
            if here.is_empty() || !may_change(path) {
                continue;
            }
            for (key, (_, rank)) in here.into_iter().filter(|(_, (visible, _))| *visible) {
                let best = found.entry(key).or_insert((rank, path));
                if rank < best.0 {
                    *best = (rank, path);
                }
            }
        }
        let found = found.into_iter();
        Self {
            found: found
                .map(|(key, (_, path))| (key, path.to_owned()))
                .collect(),
            default,
        }
    }

    /// The cluster's target file.
    #[must_use]
    pub fn of(&self, cluster: &Cluster) -> &Path {
        self.found.get(&cluster.key()).unwrap_or(&self.default)
    }
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

/// What a sync writes.
pub struct Plan {
    /// The new contents of the target files.
    pub files: BTreeMap<PathBuf, Map<String, Value>>,
    /// The clusters, in the order given; those that were converted are now planned.
    pub clusters: Vec<ClusterRun>,
}

/// Merges the converted ones of `clusters` into their target files; `files` are those of a `KUBECONFIG` in their order.
///
/// `clusters` are all of the fleet, so that one that could not be read today does not change the others' names. Their
/// order makes no difference.
///
/// A new entry gets no name that an entry in any of the files has: of two entries with the same name kubectl sees only
/// the first.
#[must_use]
pub fn merge(files: &[Document<'_>], targets: &TargetFiles, clusters: &[ClusterRun]) -> Plan {
    let names = ContextNames::new(clusters.iter().map(|run| &run.cluster));
    let mut mergers: BTreeMap<&Path, Merger> = BTreeMap::new();
    let mut clusters = clusters.to_vec();
    let mut by_name: Vec<_> = clusters.iter_mut().collect();
    by_name.sort_by_cached_key(|run| (run.cluster.name.clone(), run.cluster.key()));
    for run in by_name {
        let State::Converted(entries) = &run.state else {
            continue;
        };
        let file = targets.of(&run.cluster);
        let merger = mergers
            .entry(file)
            .or_insert_with(|| Merger::new(files, file));
        let (action, context) = merger.import(&run.cluster, entries, &names);
        run.state = State::Planned(Planned {
            action,
            context,
            file: file.to_owned(),
            token_args: entries.token_args.clone(),
        });
    }
    let files = mergers.into_iter();
    Plan {
        files: files
            .map(|(path, merger)| (path.to_owned(), merger.finish()))
            .collect(),
        clusters,
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
    /// Begins with what `path` holds, and reserves the names of the other files.
    fn new(files: &[Document<'_>], path: &Path) -> Self {
        let (own, others): (Vec<_>, Vec<_>) =
            files.iter().partition(|file| file.path() == Some(path));
        let mut root = own
            .first()
            .map_or_else(Map::new, |file| file.root().clone());
        if root.is_empty() {
            root.insert("apiVersion".to_owned(), json!("v1"));
            root.insert("kind".to_owned(), json!("Config"));
        }
        let mut lists = Section::ALL.map(|section| (section, List::new(&root, section)));
        for other in others {
            for (section, list) in &mut lists {
                list.know_names(other.entries(*section));
            }
        }
        Self {
            root,
            lists: lists.into(),
        }
    }

    fn list(&mut self, section: Section) -> &mut List {
        self.lists
            .get_mut(&section)
            .expect("every section has a list from the start")
    }

    /// Adds or updates a cluster's entries. Returns what changed and the context's name.
    fn import(
        &mut self,
        imported: &Cluster,
        entries: &Entries,
        names: &ContextNames,
    ) -> (Action, String) {
        let key = imported.key();
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
            None => names.choose(imported, is_free),
        };
        let fresh = missing.len() == Section::ALL.len();
        let [cluster, context, user] =
            [cluster, context, user].map(|name| name.unwrap_or_else(|| new.clone()));

        let arm_id = &imported.id;
        let link: Map<String, Value> = [("cluster", &cluster), ("user", &user)]
            .into_iter()
            .filter(|(field, _)| !self.is_led_elsewhere(&key, field))
            .map(|(field, name)| (field.to_owned(), json!(name)))
            .collect();
        let changes = [
            self.list(Section::Clusters)
                .put(&key, arm_id, &cluster, |old| {
                    overlay_cluster(old, &entries.cluster);
                }),
            self.list(Section::Contexts)
                .put(&key, arm_id, &context, |old| overlay(old, &link, &[])),
            self.list(Section::Users).put(&key, arm_id, &user, |old| {
                let before = old.clone();
                overlay_user(old, &entries.user);
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
        (action, context)
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

/// The plugin's arguments: ours set, those that a person may add (`ParamRow::kept_by_sync`) and `-v` kept. None where the old ones
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
    let kept = PARAMS.iter().filter(|row| row.kept_by_sync);
    let added: Vec<Param> = kept
        .map(|row| row.param)
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
