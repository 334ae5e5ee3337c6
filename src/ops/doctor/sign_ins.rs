//! How the kubeconfig's users sign in: each way once.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use serde_json::Value;
use url::Url;

use super::Machine;
use crate::{
    host::Host,
    kubeconfig::{
        Document, Section,
        convert::{Source, SourcePlugin},
        synced::variables,
    },
    login::{LoginMode, Param, Precedence, Settings},
    ops::config::{self, Value as ConfigValue},
    sentence,
};

/// The login mode of an entry that names none: kubelogin's.
const MODE_OF_ENTRIES: LoginMode = LoginMode::DeviceCode;

/// A way in which contexts sign in.
pub(super) struct SignInUse {
    pub plugin: SourcePlugin,
    /// What the arguments say.
    pub named: Settings,
    /// The same with the variables of the entry and of the shell, as the plugin reads them.
    pub settings: Settings,
    /// The names of the entry's own variables.
    pub variables: BTreeSet<String>,
    /// The machine with the entry's variables.
    pub host: Arc<Host>,
    /// The contexts that sign in this way, sorted.
    pub contexts: Vec<String>,
    /// One context for each user.
    pub users: Vec<String>,
    /// The hosts of their API servers, in lower case.
    pub servers: BTreeSet<String>,
}

impl SignInUse {
    /// The mode, unless it is unknown.
    pub(super) fn mode(&self) -> Option<LoginMode> {
        self.settings.mode().ok()
    }

    /// Its contexts as part of a sentence: ``the context `a` ``.
    pub(super) fn shown(&self) -> String {
        contexts(&self.contexts)
    }

    /// The flags with which `convert-kubeconfig` changes these users and no others; `None` if there are too many.
    pub(super) fn context_flags(&self) -> Option<Vec<&str>> {
        const MOST: usize = 8;
        let flags = self.users.iter();
        (self.users.len() <= MOST).then(|| flags.flat_map(|name| ["--context", name]).collect())
    }
}

/// Contexts as part of a sentence.
pub(super) fn contexts(names: &[String]) -> String {
    match names {
        [name] => format!("the context `{name}`"),
        names => format!("the contexts {}", sentence::some_of(names)),
    }
}

/// Contexts as the beginning of a sentence: ``the context `a` needs``.
pub(super) fn need(names: &[String]) -> String {
    let verb = match names.len() {
        1 => "needs",
        _ => "need",
    };
    format!("{} {verb}", contexts(names))
}

impl Machine {
    /// How the users of the kubeconfig sign in that run this program or kubelogin. A file that can't be used counts as empty.
    pub(super) fn sign_ins(&self) -> &[SignInUse] {
        self.kubeconfigs().map_or(&[], |read| &read.sign_ins)
    }

    /// The sign-ins of a mode.
    pub(super) fn sign_ins_by(&self, mode: LoginMode) -> impl Iterator<Item = &SignInUse> {
        let all = self.sign_ins().iter();
        all.filter(move |sign_in| sign_in.mode() == Some(mode))
    }

    /// The mode of `sync` if no flag names one.
    pub(super) fn mode_of_sync(&self) -> Option<LoginMode> {
        let variables = Settings::new().with_variables(&self.host, Precedence::FlagsFirst);
        let name = match variables.text(Param::Login) {
            Some(name) => Some(name.to_owned()),
            None => in_configuration_file(&self.host),
        };
        name.map_or(Some(LoginMode::AzureCli), |name| {
            LoginMode::parse(&name).ok()
        })
    }
}

/// The mode that the configuration file names at its top level.
fn in_configuration_file(host: &Host) -> Option<String> {
    let file = config::read(host).ok()??;
    let item = file
        .top
        .into_iter()
        .find(|item| item.key == Param::Login.row().flag)?;
    match item.value {
        ConfigValue::One(name) => Some(name),
        ConfigValue::List(_) => None,
    }
}

/// What distinguishes one way of signing in from another.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    plugin: SourcePlugin,
    words: Vec<String>,
    variables: Vec<(String, String)>,
}

/// The ways to sign in of these kubeconfigs, which are in their order in `KUBECONFIG`.
pub(super) fn of(documents: &[Document<'_>], host: &Arc<Host>) -> Vec<SignInUse> {
    let clusters = first_of_each_name(documents, Section::Clusters);
    let users = first_of_each_name(documents, Section::Users);
    let mut contexts: Vec<_> = first_of_each_name(documents, Section::Contexts)
        .into_iter()
        .collect();
    contexts.sort_unstable_by_key(|(name, _)| *name);
    let mut places: HashMap<Key, usize> = HashMap::new();
    let mut of_user: HashMap<&str, Option<usize>> = HashMap::new();
    let mut found: Vec<SignInUse> = Vec::new();
    for (name, context) in contexts {
        let link = |key: &str| context.get(key).and_then(Value::as_str);
        let Some(user) = link("user") else { continue };
        let known = of_user.get(user).copied();
        let place = known.unwrap_or_else(|| {
            let (key, source) = sign_in_of(users.get(user)?)?;
            let place = places.len();
            Some(*places.entry(key).or_insert_with_key(|key| {
                found.push(new(key, source, host));
                place
            }))
        });
        of_user.insert(user, place);
        let Some(sign_in) = place.and_then(|place| found.get_mut(place)) else {
            continue;
        };
        sign_in.contexts.push(name.to_owned());
        if known.is_none() {
            sign_in.users.push(name.to_owned());
        }
        let server = link("cluster").and_then(|name| clusters.get(name)?.get("server")?.as_str());
        sign_in.servers.extend(server.and_then(host_of));
    }
    found
}

fn new(key: &Key, source: Source, host: &Arc<Host>) -> SignInUse {
    let named = source.args.into_settings();
    let pairs = key.variables.iter();
    let own = Arc::new(host.with_vars(pairs.map(|(name, value)| (name, value))));
    let mut settings = named
        .clone()
        .with_variables(&own, Precedence::VariablesFirst);
    settings.set_default(Param::Login, MODE_OF_ENTRIES.name());
    SignInUse {
        plugin: key.plugin,
        named,
        settings,
        variables: key.variables.iter().map(|(name, _)| name.clone()).collect(),
        host: own,
        contexts: Vec::new(),
        users: Vec::new(),
        servers: BTreeSet::new(),
    }
}

fn sign_in_of(user: &Value) -> Option<(Key, Source)> {
    let source = Source::of(user)?;
    let key = Key {
        plugin: source.plugin,
        words: source.args.words().to_vec(),
        variables: variables(user).collect(),
    };
    Some((key, source))
}

/// The values of the entries of a list by name. Of several with one name kubectl uses the first.
fn first_of_each_name<'d>(
    documents: &'d [Document<'_>],
    section: Section,
) -> HashMap<&'d str, &'d Value> {
    let mut found = HashMap::new();
    for entry in documents
        .iter()
        .flat_map(|document| document.entries(section))
    {
        let name = entry.get("name").and_then(Value::as_str);
        if let (Some(name), Some(item)) = (name, entry.get(section.item())) {
            found.entry(name).or_insert(item);
        }
    }
    found
}

fn host_of(server: &str) -> Option<String> {
    Some(Url::parse(server).ok()?.host_str()?.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "\
clusters:
- {name: c, cluster: {server: 'https://X.hcp.westeurope.azmk8s.io:443'}}
contexts:
- {name: b, context: {cluster: c, user: one}}
- {name: a, context: {cluster: c, user: two}}
- {name: d, context: {cluster: c, user: one}}
- {name: e, context: {cluster: c, user: other}}
- {name: f, context: {cluster: c, user: with-variable}}
- {name: g, context: {cluster: c, user: foreign}}
users:
- {name: one, user: {exec: {command: kubectl-aad, args: [get-token, -l, azurecli, --server-id, s]}}}
- {name: two, user: {exec: {command: kubectl-aad, args: [get-token, -l, azurecli, --server-id, s]}}}
- {name: other, user: {exec: {command: kubelogin, args: [get-token, --server-id, s]}}}
- name: with-variable
  user: {exec: {command: kubectl-aad, args: [get-token, -l, azurecli, --server-id, s], env: [{name: AZURE_CONFIG_DIR, value: /x}]}}
- {name: foreign, user: {token: t}}
";

    const SECOND: &str = "\
users:
- {name: one, user: {exec: {command: kubelogin, args: [get-token, -l, msi]}}}
";

    #[test]
    fn each_way_to_sign_in_is_found_once_with_its_contexts() {
        let documents = [CONFIG, SECOND].map(|text| Document::parse(text).expect("valid"));
        let host = Arc::new(Host::with_env([("AZURE_CONFIG_DIR", "/shell")]));
        let found = of(&documents, &host);
        let shown: Vec<_> = found
            .iter()
            .map(|one| {
                let mode = one.mode().expect("known").name();
                let dir = one.host.var("AZURE_CONFIG_DIR").unwrap_or_default();
                (mode, one.contexts.join(" "), one.users.join(" "), dir)
            })
            .collect();
        let row = |mode, contexts: &str, users: &str, dir| {
            (mode, contexts.to_owned(), users.to_owned(), dir)
        };
        assert_eq!(
            shown,
            [
                row("azurecli", "a b d", "a b", "/shell"),
                row("devicecode", "e", "e", "/shell"),
                row("azurecli", "f", "f", "/x"),
            ]
        );
        let servers: Vec<_> = found[0].servers.iter().collect();
        assert_eq!(servers, ["x.hcp.westeurope.azmk8s.io"]);
    }
}
