//! The check of kubectl's own preferences, which may forbid credential plugins (KEP-3104; `k8s.io/kubectl/pkg/kuberc` and
//! `client-go/plugin/pkg/client/auth/exec`, 1.35).

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use futures::FutureExt as _;
use serde_json::Value;

use super::{Check, Finding, Machine, Run, Severity, plugin::NAME};
use crate::{
    error::Result,
    host::{Host, file},
    kubeconfig::yaml,
    sentence::some_of,
};

pub(super) const CHECKS: &[Check] = &[Check {
    code: "AAD005",
    title: "kubectl's preferences forbid the credential plugin",
    severity: Severity::Problem,
    why: "kubectl 1.35 and later then refuses to start the plugin, and every command fails: `plugin \"kubectl-aad\" not allowed: policy set to \"DenyAll\"`, or `is not permitted by the credential plugin allowlist`.",
    remedy: "Add `kubectl-aad` to `credentialPluginAllowlist` in `~/.kube/kuberc` (or the file that `KUBERC` names), with `credentialPluginPolicy: Allowlist`. A bare name allows the plugin wherever it is installed; a path has to be the one that is first on the PATH, which for krew is the link, not its store.",
    run: Run::Programs(|machine| forbidden(machine).boxed_local()),
}];

/// The first minor version of kubectl that has the policy.
const FIRST_MINOR: u32 = 35;
/// The first one whose list has `command`; `name` is deprecated there.
const FIRST_WITH_COMMAND: u32 = 36;
/// The largest file that is read, in bytes.
const LIMIT: u64 = 1 << 20;

const POLICY: &str = "credentialPluginPolicy";
const ALLOWLIST: &str = "credentialPluginAllowlist";

/// What the preferences say about plugins.
#[derive(Debug, PartialEq, Eq)]
struct Policy {
    name: String,
    /// None if there is no list. An entry is empty if it does not say which command is allowed, or not under this `key`.
    allowed: Option<Vec<String>>,
    /// The key of a list's entry that this kubectl reads. A newer one reads the older key, too.
    key: &'static str,
}

async fn forbidden(machine: &Machine) -> Result<Vec<Finding>> {
    let Some(path) = location(&machine.host) else {
        return Ok(Vec::new());
    };
    let Ok(bytes) = file::read_regular(&path, LIMIT) else {
        return Ok(Vec::new());
    };
    // Without kubectl, as for the newest one.
    let minor = machine
        .kubectl()
        .await?
        .map_or(u32::MAX, |kubectl| kubectl.minor);
    if minor < FIRST_MINOR {
        return Ok(Vec::new());
    }
    let key = match minor < FIRST_WITH_COMMAND {
        true => "name",
        false => "command",
    };
    let Some(policy) = Policy::of(&String::from_utf8_lossy(&bytes), key) else {
        return Ok(Vec::new());
    };
    let commands = commands(machine)?;
    let refused: Vec<_> = commands
        .iter()
        .filter(|command| !policy.allows(command, &machine.host))
        .map(String::as_str)
        .collect();
    Ok(policy.finding(&path, &refused).into_iter().collect())
}

/// `KUBERC`, unless that turns it off, else `~/.kube/kuberc`.
fn location(host: &Host) -> Option<PathBuf> {
    if host.var("KUBECTL_KUBERC") == Some("false") {
        return None;
    }
    match host.var_os_nonempty("KUBERC") {
        Some(off) if off == "off" => None,
        Some(path) => Some(PathBuf::from(path)),
        None => Some(host.home().ok()?.join(".kube").join("kuberc")),
    }
}

/// The commands of the entries that sign in with this plugin; by default as `sync` writes it.
fn commands(machine: &Machine) -> Result<BTreeSet<String>> {
    let mut commands = BTreeSet::new();
    for file in machine.usable_files()? {
        let of_users = file.users.iter().filter_map(|(_, user)| {
            let command = user.pointer("/exec/command")?.as_str()?;
            let name = Path::new(command).file_stem()?;
            (name == NAME).then(|| command.to_owned())
        });
        commands.extend(of_users);
    }
    if commands.is_empty() {
        commands.insert(NAME.to_owned());
    }
    Ok(commands)
}

impl Policy {
    /// The policy in a file. kubectl uses the first of its documents that has preferences. None if it has no policy.
    fn of(text: &str, key: &'static str) -> Option<Self> {
        let tree = yaml::parse(text).ok()?;
        let root = tree.root?.to_json();
        let name = root.get(POLICY).and_then(Value::as_str).unwrap_or_default();
        let allowed = root.get(ALLOWLIST).and_then(Value::as_array).map(|list| {
            let named = list.iter().map(|entry| {
                let of = |key: &str| entry.get(key).and_then(Value::as_str);
                of(key).or_else(|| of("name")).unwrap_or_default()
            });
            named.map(str::to_owned).collect()
        });
        let is_none = allowed.is_none() && ["", "AllowAll"].contains(&name);
        (!is_none).then(|| Self {
            name: name.to_owned(),
            allowed,
            key,
        })
    }

    /// Whether kubectl would start a command: the list names it, or the path that it has on the `PATH`. An entry that is a name
    /// stands for the path that it has there.
    fn allows(&self, command: &str, host: &Host) -> bool {
        let listed = match (self.name.as_str(), &self.allowed) {
            ("" | "AllowAll", None) => return true,
            ("Allowlist", Some(listed)) if !listed.iter().any(String::is_empty) => listed,
            _ => return false,
        };
        let resolved = host.find_program(command);
        listed.iter().any(|entry| {
            entry == command
                || resolved.is_some()
                    && (resolved.as_deref() == Some(Path::new(entry))
                        || host.find_program(entry) == resolved)
        })
    }

    fn finding(&self, path: &Path, refused: &[&str]) -> Option<Finding> {
        if refused.is_empty() {
            return None;
        }
        let (path, key) = (path.display(), self.key);
        let entries = refused
            .iter()
            .map(|command| format!("- {key}: {}", scalar(command)));
        let policy = [format!("{POLICY}: Allowlist"), format!("{ALLOWLIST}:")];
        let whole = policy.into_iter().chain(entries.clone());
        let said = match self.name.as_str() {
            "" => "no policy".to_owned(),
            name => format!("the policy `{name}`"),
        };
        Some(match (self.name.as_str(), &self.allowed) {
            ("Allowlist", Some(listed)) if listed.iter().any(String::is_empty) => Finding::new(format!(
                "the `{ALLOWLIST}` of `{path}` has an entry without `{key}`, with which this kubectl runs no command"
            ))
            .advice(format!("write each entry of that list in `{path}` with `{key}`, and have there:"))
            .lines(entries),
            ("Allowlist", Some(listed)) if !listed.is_empty() => Finding::new(format!(
                "the `{ALLOWLIST}` of `{path}` does not allow {}",
                some_of(refused)
            ))
            .advice(format!("add to that list in `{path}`:"))
            .lines(entries),
            ("Allowlist", _) => Finding::new(format!(
                "`{path}` has {said} and no `{ALLOWLIST}`, with which kubectl runs no command"
            ))
            .advice(format!("have in `{path}`, in place of its `{POLICY}` and `{ALLOWLIST}`:"))
            .lines(whole),
            (_, Some(_)) => Finding::new(format!(
                "`{path}` has a `{ALLOWLIST}` and {said}, with which kubectl runs no command"
            ))
            .advice(format!("have in `{path}`, in place of its `{POLICY}` if it has one:"))
            .lines([format!("{POLICY}: Allowlist")]),
            (_, None) => Finding::new(format!("`{path}` has {said}"))
                .advice(format!("have in `{path}`, in place of its `{POLICY}`:"))
                .lines(whole),
        })
    }
}

/// A text as a YAML scalar, quoted as in JSON if need be.
pub(super) fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    match text.chars().all(plain) && !text.starts_with('-') {
        true => text.to_owned(),
        false => Value::from(text).to_string(),
    }
}
