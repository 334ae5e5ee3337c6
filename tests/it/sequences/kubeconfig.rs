//! The kubeconfig of a sequence: what is in it from the start, what its entries say, how a person
//! edits it, and what must never be lost from it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    ops::Range,
};

use azure_sim::AKS_SERVER_APP;
use serde_yaml::Value;

use super::{
    machine::{Machine, OTHER_SERVER},
    step::*,
};

/// Somebody else's, in the order they are in: each must stay as it is, byte for byte.
pub(super) const FOREIGN: [&str; 6] = [
    "# My clusters. Ask the platform team before you change them.\napiVersion: v1\nkind: Config\npreferences: {}\n",
    "- cluster: {server: \"https://lab.example:6443\", insecure-skip-tls-verify: true}   # the lab\n  name: lab\n",
    "- name: 'lab'\n  context: {cluster: lab, user: \"lab-admin\", namespace: 'kube-system'}\n  # moved here in May\n",
    "current-context: lab # for safety\n",
    "- name: lab-admin # do not touch\n  user:\n    client-certificate: ./lab.crt\n    client-key: ./lab.key\n",
    "- name: sso\n  user:\n    exec:\n      apiVersion: client.authentication.k8s.io/v1beta1\n      command: kubectl\n      args: [oidc-login, get-token, --oidc-issuer-url=https://sso.example, '--oidc-client-id=me'] # int128's\n",
];

/// The contexts that are there from the start.
pub(super) fn initial_contexts() -> Vec<Context> {
    let tenants = [One, Two];
    let mut all: Vec<Context> = tenants.map(Open).to_vec();
    for person in [Ann, Bob] {
        all.extend(tenants.map(|tenant| Of(person, tenant)));
    }
    all.extend(tenants.map(Az));
    all.extend(tenants.map(AzApart));
    all.extend(tenants.map(App));
    all
}

/// The name of a context, and of its user.
pub(super) fn name(machine: &Machine, context: Context) -> String {
    match context {
        Cluster(tenant) => machine.cluster(tenant).name.clone(),
        other => format!("{other:?}")
            .to_lowercase()
            .replace(", ", "-")
            .replace('(', "-")
            .replace(')', ""),
    }
}

/// What an entry says of its sign-in, as far as it decides whose token it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Says {
    pub(super) mode: Mode,
    pub(super) tenant: Option<Tenant>,
    pub(super) client: Option<Client>,
    pub(super) hint: Option<Person>,
    pub(super) other_server: bool,
    /// Where its variables say that `az` keeps who is signed in.
    pub(super) place: Place,
}

/// What the contexts of the start say.
pub(super) fn initial(context: Context) -> Says {
    let usual = Says {
        mode: DeviceCode,
        tenant: None,
        client: None,
        hint: None,
        other_server: false,
        place: Usual,
    };
    match context {
        Open(tenant) => Says {
            tenant: Some(tenant),
            client: Some(Aks),
            ..usual
        },
        Of(person, tenant) => Says {
            hint: Some(person),
            ..initial(Open(tenant))
        },
        Az(tenant) => Says {
            mode: AsAz,
            tenant: Some(tenant),
            ..usual
        },
        AzApart(tenant) => Says {
            place: Apart,
            ..initial(Az(tenant))
        },
        App(tenant) => Says {
            mode: AsApp(tenant),
            tenant: Some(tenant),
            client: Some(Principal(tenant)),
            ..usual
        },
        Cluster(_) => unreachable!("`sync` writes those"),
    }
}

fn initial_args(machine: &Machine, context: Context) -> Vec<String> {
    let says = initial(context);
    let mut args = vec!["get-token".to_owned()];
    let mode = match says.mode {
        AsAz => "azurecli",
        AsApp(_) => "spn",
        Interactive => "interactive",
        DeviceCode => "devicecode",
    };
    args.extend(["--login".into(), mode.into()]);
    // `azurecli` has no use for the cloud; the mode that the entry is converted to has.
    args.extend(Machine::cloud_flags().map(str::to_owned));
    if let Some(client) = says.client {
        args.extend(["--client-id".into(), machine.client_id(client).into()]);
    }
    if let Some(tenant) = says.tenant {
        args.extend(["--tenant-id".into(), machine.tenant(tenant).into()]);
    }
    if let Some(person) = says.hint {
        args.extend(["--login-hint".into(), machine.user(person).upn.clone()]);
    }
    args
}

/// The kubeconfig that each sequence begins with.
pub(super) fn initial_text(machine: &Machine) -> String {
    let [head, cluster, context, current, user, sso] = FOREIGN;
    let (mut clusters, mut contexts, mut users) = (String::new(), String::new(), String::new());
    for one in initial_contexts() {
        let name = name(machine, one);
        let server = "https://api.example:443";
        write!(
            clusters,
            "- cluster:\n    server: {server}/{name}\n  name: {name}\n"
        )
        .expect("text");
        write!(
            contexts,
            "- context:\n    cluster: {name}\n    user: {name}\n  name: {name}\n"
        )
        .expect("text");
        write!(users, "- name: {name}\n  user:\n    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      args:\n").expect("text");
        for arg in initial_args(machine, one) {
            writeln!(users, "      - {arg}").expect("text");
        }
        users.push_str("      command: kubectl-aad\n");
        if initial(one).place == Apart {
            let directory = machine.az_directory(Apart);
            write!(
                users,
                "      env:\n      - name: AZURE_CONFIG_DIR\n        value: {}\n",
                directory.display()
            )
            .expect("text");
        }
        users.push_str("      interactiveMode: IfAvailable\n      provideClusterInfo: false\n");
    }
    format!(
        "{head}clusters:\n{cluster}{clusters}contexts:\n{context}{contexts}{current}users:\n{user}{users}{sso}"
    )
}

/// An exec entry, ready to run.
#[derive(Clone, Debug)]
pub(super) struct Exec {
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
}

/// The entries of a list that were read before, by their text: most stay as they were.
#[derive(Default)]
pub(super) struct Known(RefCell<HashMap<String, Value>>);

impl Known {
    /// The entry that these lines of a kubeconfig are.
    fn entry(&self, lines: &str) -> Result<Value, String> {
        if let Some(known) = self.0.borrow().get(lines) {
            return Ok(known.clone());
        }
        let list: Value = serde_yaml::from_str(lines).map_err(|e| format!("{e}:\n{lines}"))?;
        let entry = list[0].clone();
        self.0.borrow_mut().insert(lines.to_owned(), entry.clone());
        Ok(entry)
    }
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A context: its cluster, its user and its namespace.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) cluster: String,
    pub(super) user: String,
    pub(super) namespace: Option<String>,
}

/// A kubeconfig as it was read. All of its lists are in block style.
pub(super) struct Read {
    text: String,
    contexts: BTreeMap<String, Range<usize>>,
    users: BTreeMap<String, Range<usize>>,
}

impl Read {
    /// # Errors
    /// That something of it was lost.
    pub(super) fn new(text: String) -> Result<Self, String> {
        let mut rest = text.as_str();
        for piece in FOREIGN {
            let found = rest.find(piece);
            let found =
                found.ok_or_else(|| format!("this is not there, or not in its place:\n{piece}"))?;
            rest = &rest[found..];
        }
        let by_name = |list: &str| {
            let mut found = BTreeMap::new();
            for (name, range) in entries(&text, list) {
                if found.insert(name.clone(), range).is_some() {
                    return Err(format!("two of its {list} are called `{name}`"));
                }
            }
            Ok(found)
        };
        Ok(Self {
            contexts: by_name("contexts")?,
            users: by_name("users")?,
            text,
        })
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.text == text
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Reads all of it as kubectl would.
    ///
    /// # Errors
    /// That it can't be read.
    pub(super) fn is_good(&self) -> Result<(), String> {
        let root: Value = serde_yaml::from_str(&self.text).map_err(|e| e.to_string())?;
        let count = |list: &str| root[list].as_sequence().map_or(0, Vec::len);
        let same = count("contexts") == self.contexts.len() && count("users") == self.users.len();
        if same {
            Ok(())
        } else {
            Err("it has more entries than lines say".into())
        }
    }

    /// How many contexts there are.
    pub(super) fn count(&self) -> usize {
        self.contexts.len()
    }

    /// The cluster and user of a context; `None` if there is no context of that name.
    ///
    /// # Errors
    /// That it can't be read.
    pub(super) fn link(&self, known: &Known, context: &str) -> Result<Option<Link>, String> {
        let Some(range) = self.contexts.get(context) else {
            return Ok(None);
        };
        let entry = known.entry(&self.text[range.clone()])?;
        let context = &entry["context"];
        Ok(Some(Link {
            cluster: word(&context["cluster"]),
            user: word(&context["user"]),
            namespace: context["namespace"].as_str().map(str::to_owned),
        }))
    }

    /// The exec entry of a context's user.
    ///
    /// # Errors
    /// That it can't be read.
    pub(super) fn exec(&self, known: &Known, context: &str) -> Result<Option<Exec>, String> {
        let user = self.link(known, context)?.map(|link| link.user);
        let Some(range) = user.and_then(|user| self.users.get(&user)) else {
            return Ok(None);
        };
        let entry = known.entry(&self.text[range.clone()])?;
        let exec = &entry["user"]["exec"];
        let words = |value: &Value| value.as_sequence().cloned().unwrap_or_default();
        Ok(Some(Exec {
            args: words(&exec["args"]).iter().map(word).collect(),
            env: words(&exec["env"])
                .iter()
                .map(|variable| (word(&variable["name"]), word(&variable["value"])))
                .collect(),
        }))
    }

    /// What a context says.
    ///
    /// # Errors
    /// Where it says what nobody in this world would.
    pub(super) fn says(&self, machine: &Machine, context: &str) -> Result<Says, String> {
        let exec = self
            .exec(&machine.known, context)?
            .ok_or_else(|| format!("`{context}` has no exec entry"))?;
        let flag = |name: &str| {
            let mut words = exec.args.iter();
            let mut last = None;
            while let Some(word) = words.next() {
                if word == name {
                    last = words.next().cloned();
                } else if let Some((flag, value)) = word.split_once('=')
                    && flag == name
                {
                    last = Some(value.to_owned());
                }
            }
            last
        };
        let unknown = |what: &str, value: &str| format!("`{context}` has the {what} `{value}`");
        let find = |what: &str, all: &[(&str, usize)], value: Option<String>| match value {
            None => Ok(None),
            Some(value) => match all.iter().find(|(known, _)| *known == value) {
                Some((_, place)) => Ok(Some(*place)),
                None => Err(unknown(what, &value)),
            },
        };
        let tenants = [(machine.tenant(One), 0), (machine.tenant(Two), 1)];
        let tenant = find("tenant", &tenants, flag("--tenant-id"))?;
        let tenant = tenant.map(|place| [One, Two][place]);
        let known = [Aks, AzureCli, Principal(One), Principal(Two)];
        let ids: Vec<_> = known
            .iter()
            .enumerate()
            .map(|(i, client)| (machine.client_id(*client), i))
            .collect();
        let client = find("client", &ids, flag("--client-id"))?.map(|place| known[place]);
        let names = [
            (machine.user(Ann).upn.as_str(), 0),
            (machine.user(Bob).upn.as_str(), 1),
        ];
        let hint = find("account", &names, flag("--login-hint"))?.map(|place| [Ann, Bob][place]);
        let mode = flag("--login").unwrap_or_default();
        let mode = match mode.as_str() {
            "devicecode" => DeviceCode,
            "interactive" => Interactive,
            "azurecli" => AsAz,
            "spn" => match client {
                Some(Principal(tenant)) => AsApp(tenant),
                _ => return Err(unknown("client", "of a person")),
            },
            other => return Err(unknown("mode", other)),
        };
        let server = flag("--server-id").unwrap_or_default();
        if ![AKS_SERVER_APP, OTHER_SERVER].contains(&server.as_str()) {
            return Err(unknown("server", &server));
        }
        let directory = exec.env.iter().find(|(name, _)| name == "AZURE_CONFIG_DIR");
        let directory = directory.map_or("", |(_, directory)| directory.as_str());
        let is = |place: Place| *directory == *machine.az_directory(place).as_os_str();
        let place = match directory {
            "" => Usual,
            _ if is(Usual) => Usual,
            _ if is(Apart) => Apart,
            other => return Err(unknown("directory of az", other)),
        };
        Ok(Says {
            mode,
            tenant,
            client,
            hint,
            other_server: server == OTHER_SERVER,
            place,
        })
    }
}

/// The names of a list's entries, and where their lines are.
fn entries(text: &str, list: &str) -> Vec<(String, Range<usize>)> {
    let Some(begin) = text.find(&format!("\n{list}:\n")) else {
        return Vec::new();
    };
    let begin = begin + list.len() + 3;
    let mut at = begin;
    let mut entries: Vec<(String, Range<usize>)> = Vec::new();
    for line in text[begin..].split_inclusive('\n') {
        if line.starts_with("- ") {
            entries.push((String::new(), at..at));
        } else if !line.starts_with([' ', '#']) {
            break;
        }
        at += line.len();
        if let Some((name, range)) = entries.last_mut() {
            range.end = at;
            let value = line
                .strip_prefix("- name:")
                .or_else(|| line.strip_prefix("  name:"));
            if let Some(value) = value {
                let value = value.split(" #").next().unwrap_or_default();
                *name = value.trim().trim_matches(['\'', '"']).to_owned();
            }
        }
    }
    entries
}

/// The lines of the entry called `name` in a list of the root, as byte positions.
fn entry(text: &str, list: &str, name: &str) -> Option<Range<usize>> {
    let mut all = entries(text, list).into_iter();
    all.find(|(found, _)| found == name).map(|(_, range)| range)
}

/// Edits a user's or a context's lines; `None` if the edit does not apply to them.
fn edit_lines(
    text: &str,
    list: &str,
    name: &str,
    edit: impl FnOnce(&mut Vec<String>) -> Option<()>,
) -> Option<String> {
    let range = entry(text, list, name)?;
    let mut lines: Vec<String> = text[range.clone()].lines().map(str::to_owned).collect();
    edit(&mut lines)?;
    let edited: String = lines.iter().map(|line| format!("{line}\n")).collect();
    Some(format!(
        "{}{edited}{}",
        &text[..range.start],
        &text[range.end..]
    ))
}

/// The name of a context's user.
fn user_of(text: &str, context: &str) -> Option<String> {
    let lines = text[entry(text, "contexts", context)?].lines();
    let mut users = lines.filter_map(|line| line.strip_prefix("    user: "));
    users.next().map(str::to_owned)
}

fn place_of(lines: &[String], begins: &str) -> Option<usize> {
    lines.iter().position(|line| line.starts_with(begins))
}

/// Replaces the value of a flag; `None` if the flag is missing.
fn replace_flag(lines: &mut [String], flag: &str, value: &str) -> Option<()> {
    let at = place_of(lines, &format!("      - {flag}"))?;
    *lines.get_mut(at + 1)? = format!("      - {value}");
    Some(())
}

/// The text after an edit, numbered `count`; `None` if there is nothing to edit.
pub(super) fn edited(
    machine: &Machine,
    text: &str,
    context: Context,
    says: &Says,
    edit: Edit,
    count: usize,
) -> Option<String> {
    let name = name(machine, context);
    let user = user_of(text, &name)?;
    match edit {
        Note => edit_lines(text, "users", &user, |lines| {
            let at = place_of(lines, "      command: ")?;
            let command = lines[at].split(" #").next().unwrap_or_default().to_owned();
            lines[at] = format!("{command} # note {count}");
            Some(())
        }),
        Namespace => edit_lines(text, "contexts", &name, |lines| {
            lines.retain(|line| !line.starts_with("    namespace: "));
            let at = lines.iter().position(|line| line.ends_with("context:"))?;
            lines.insert(at + 1, format!("    namespace: ns{count}"));
            Some(())
        }),
        Variable => edit_lines(text, "users", &user, |lines| {
            if let Some(at) = place_of(lines, "      - name: EDITED") {
                lines[at + 1] = format!("        value: \"{count}\"");
                return Some(());
            }
            let variable = [
                "      - name: EDITED".to_owned(),
                format!("        value: \"{count}\""),
            ];
            let at = match place_of(lines, "      env:") {
                Some(at) => {
                    lines[at] = "      env:".to_owned();
                    at + 1
                }
                None => {
                    let at = place_of(lines, "      command:")? + 1;
                    lines.insert(at, "      env:".to_owned());
                    at + 1
                }
            };
            lines.splice(at..at, variable);
            Some(())
        }),
        OtherTenant => edit_lines(text, "users", &user, |lines| {
            let other = if says.tenant? == One { Two } else { One };
            replace_flag(lines, "--tenant-id", machine.tenant(other))
        }),
        OtherServer => edit_lines(text, "users", &user, |lines| {
            let other = if says.other_server {
                AKS_SERVER_APP
            } else {
                OTHER_SERVER
            };
            replace_flag(lines, "--server-id", other)
        }),
        Account(person) => edit_lines(text, "users", &user, |lines| {
            replace_flag(lines, "--login-hint", &machine.user(person).upn)
        }),
    }
}
