//! One user's entry, converted to sign in another way. Pure.
//!
//! What is written is what Azure/kubelogin v0.2.19 writes for the same flags and variables: which
//! parameters a mode keeps from the entry, and which it takes from flags alone, is in `rules`.
//! What kubelogin throws away is kept here: the entry's `env`, `interactiveMode`, unknown fields,
//! and the arguments that the new mode has no use for (`memory`), so that a way back exists.

mod entries;
mod memory;
mod rules;
mod source;

#[cfg(test)]
mod tests;

pub use entries::{Action, All, Outcome, Selection, convert_all};
pub use source::{Source, Standing};

use super::owner;
use crate::{
    error::{Failure, Result},
    host::Host,
    login::{
        Attendance, LoginMode, Origin, Param, Precedence, Settings,
        param::{Takes, When},
    },
};
use rules::Take;
use serde_json::{Map, Value, json};

/// The plugin that entries name unless another one is asked for.
pub const EXEC_COMMAND: &str = "kubectl-aad";

const API_VERSION: &str = "client.authentication.k8s.io/v1beta1";
const API_VERSION_V1: &str = "client.authentication.k8s.io/v1";

/// What kubectl says where the plugin is missing.
pub const INSTALL_HINT: &str = "\
kubectl-aad is needed to sign in to this cluster and is not on the PATH.
Install it with: kubectl krew install aad
";

/// What kubectl says for us where Azure's plugin is missing.
const KUBELOGIN_HINT: &str = "\
This cluster is signed in to with kubelogin, which is not installed.
Install it as told on https://azure.github.io/kubelogin/install.html
";

/// What all entries are to be converted to.
#[derive(Debug, Clone)]
pub struct Request {
    /// The flags that were given.
    given: Settings,
    /// The same with what the variables say: the value of a flag that was given.
    effective: Settings,
    mode: LoginMode,
    exec_command: String,
    azure_config_dir: Option<String>,
}

/// An entry's new value.
pub struct Converted {
    pub user: Map<String, Value>,
    /// How it signed in before.
    pub from: LoginMode,
    /// What a person should know, one sentence each; never a secret.
    pub notes: Vec<String>,
}

impl Request {
    /// Checks flags and variables as kubelogin does before it looks at a kubeconfig.
    ///
    /// # Errors
    /// A usage error for an unknown mode, an unusable authority host or timeout, and claims of a
    /// proof-of-possession token without `--pop-enabled`.
    pub fn new(
        given: Settings,
        host: &Host,
        exec_command: impl Into<String>,
        azure_config_dir: Option<String>,
    ) -> Result<Self> {
        let mut effective = given.clone();
        effective.set_default(Param::Login, LoginMode::DeviceCode.name());
        let effective = effective.with_variables(host, Precedence::VariablesFirst);
        effective.check()?;
        if effective.text(Param::PopClaims).is_some() && !effective.is_on(Param::PopEnabled) {
            return Err(
                Failure::usage("`--pop-claims` is of no use without `--pop-enabled`")
                    .hint("give both, or neither"),
            );
        }
        Ok(Self {
            mode: effective.mode()?,
            given,
            effective,
            exec_command: exec_command.into(),
            azure_config_dir: azure_config_dir.filter(|dir| !dir.is_empty()),
        })
    }

    /// The mode that entries are converted to.
    pub fn mode(&self) -> LoginMode {
        self.mode
    }

    /// What to tell once, whatever the entries are: flags without use, secrets that get written.
    pub fn notes(&self) -> Vec<String> {
        let mode = self.mode;
        let mut notes = Vec::new();
        for param in self.given.params() {
            let flag = param.dashed();
            if !rules::takes(mode, param) {
                notes.push(format!("`{flag}` has no use in `{mode}` and was left out"));
            } else if param.row().secret && self.effective.text(param).is_some() {
                notes.push(format!(
                    "the value of `{flag}` is in the kubeconfig now, readable to all who can read that: leave the flag out and set {} instead",
                    variables(param)
                ));
            }
        }
        if self.azure_config_dir.is_some() && mode != LoginMode::AzureCli {
            notes.push(format!(
                "`--azure-config-dir` has no use in `{mode}` and was left out"
            ));
        }
        notes
    }

    /// A flag's value, where the flag was given: a variable may have replaced it.
    fn flag(&self, param: Param) -> Option<&str> {
        self.given.get(param)?;
        self.effective.get(param)
    }
}

/// Converts a user's value. `arm_id` is the cluster's, where it is known and the user's only one.
///
/// # Errors
/// Where the entry and the flags lack what the mode needs.
pub fn convert(
    user: &Map<String, Value>,
    source: &Source,
    arm_id: Option<&str>,
    request: &Request,
) -> Result<Converted> {
    let before = memory::recall(user);
    let restored = before
        .iter()
        .position(|old| old.login == request.mode.name());
    let restored = restored.filter(|_| source.mode != request.mode);
    let settings = match restored {
        Some(i) => before[i].settings(),
        None => Settings::new(),
    };
    let builder = Builder {
        request,
        source,
        restored: &settings,
        before: &before,
        arm_id,
    };
    let written = builder.settings()?;
    let verbatim = restored
        .filter(|_| request.given.params().all(|param| param == Param::Login))
        .map(|i| before[i].args.clone());
    let args = match verbatim {
        Some(mut args) => {
            // A flag that only our plugin knows.
            if !is_ours(&request.exec_command) {
                args.retain(|arg| *arg != Param::EnvSecretsOnly.dashed());
            }
            args
        }
        None => {
            let mut args = vec!["get-token".to_owned()];
            args.extend(written.to_args());
            args
        }
    };
    let interactive = match restored {
        Some(i) => Some(before[i].interactive_mode.clone()),
        None => unattended_again(source, &before, request.mode),
    };
    let mut new = user.clone();
    new.shift_remove("auth-provider");
    new.insert("exec".to_owned(), exec(user, args, interactive, request));

    let mut kept = match restored {
        Some(i) => before[..i].to_vec(),
        None => before.clone(),
    };
    if restored.is_none() && source.mode != request.mode {
        kept.push(memory::Before::of(source));
        kept.retain(|old| !leads_to(&new, old, arm_id, request));
    }
    let remembered = source.mode != request.mode;
    memory::keep(&mut new, &kept);
    Ok(Converted {
        user: new,
        from: source.mode,
        notes: lost(source, &written, remembered, request.mode),
    })
}

/// The `interactiveMode` that the entry's last unattended mode had, where it comes back to one.
fn unattended_again(
    source: &Source,
    before: &[memory::Before],
    mode: LoginMode,
) -> Option<Option<String>> {
    let asks = |mode: LoginMode| mode.row().attendance == Attendance::IfAvailable;
    if !asks(source.mode) || asks(mode) {
        return None;
    }
    before
        .iter()
        .rev()
        .find(|old| LoginMode::parse(&old.login).is_ok_and(|mode| !asks(mode)))
        .map(|old| old.interactive_mode.clone())
}

/// Whether converting `new` without a flag gives `old`: then that need not be remembered.
fn leads_to(
    new: &Map<String, Value>,
    old: &memory::Before,
    arm_id: Option<&str>,
    request: &Request,
) -> bool {
    let (Some(there), Ok(mode)) = (Source::of_item(new), LoginMode::parse(&old.login)) else {
        return false;
    };
    let mut back = Settings::new();
    back.set(Param::Login, mode.name(), Origin::Flag);
    let back = Request {
        given: back.clone(),
        effective: back,
        mode,
        exec_command: request.exec_command.clone(),
        azure_config_dir: None,
    };
    let builder = Builder {
        request: &back,
        source: &there,
        restored: &Settings::new(),
        before: &[],
        arm_id,
    };
    let same_args = builder.settings().is_ok_and(|settings| {
        let rest = old.args.get(1..).unwrap_or_default();
        rest == settings.to_args()
    });
    let interactive = match there.interactive_mode.as_deref() {
        Some("Never") => Some(mode.row().attendance.as_str().to_owned()),
        other => other.map(str::to_owned),
    };
    same_args && old.interactive_mode == interactive
}

/// Puts the settings of a new entry together.
struct Builder<'a> {
    request: &'a Request,
    source: &'a Source,
    /// What the entry said when it last was in this mode.
    restored: &'a Settings,
    before: &'a [memory::Before],
    arm_id: Option<&'a str>,
}

impl Builder<'_> {
    fn settings(&self) -> Result<Settings> {
        let mode = self.request.mode;
        let mut out = Settings::new();
        out.set(Param::Login, mode.name(), Origin::Flag);
        for &(param, take) in rules::COMMON.iter().chain(rules::of(mode)) {
            let value = match param.row().takes {
                Takes::Value(_) => self.value(param, take)?,
                Takes::Nothing => self.switch(param, take).then(|| "true".to_owned()),
            };
            if let Some(value) = value {
                out.set(param, value, Origin::ExecEntry);
            }
        }
        // Azure refuses two names of one identity; kubelogin writes the first.
        if mode == LoginMode::Msi && out.get(Param::ClientId).is_some() {
            out.remove(Param::IdentityResourceId);
        }
        if rules::takes(mode, Param::PopEnabled) {
            self.proof_of_possession(&mut out)?;
        }
        if self.env_secrets_only() {
            out.set(Param::EnvSecretsOnly, "true", Origin::ExecEntry);
        }
        Ok(out)
    }

    /// What `sync` wrote keeps meaning what it says in the mode that it was
    /// written for. A new mode's entry is kubelogin's, variables first.
    fn env_secrets_only(&self) -> bool {
        let same = self.source.mode == self.request.mode
            && self.source.settings.is_on(Param::EnvSecretsOnly);
        is_ours(&self.request.exec_command) && (same || self.restored.is_on(Param::EnvSecretsOnly))
    }

    fn value(&self, param: Param, take: Take) -> Result<Option<String>> {
        if let Some(text) = self.request.flag(param) {
            return match (take, text) {
                (Take::Needed, "") => Err(self.missing(param)),
                (Take::Kept, "") => Ok(None),
                _ => Ok(Some(text.to_owned())),
            };
        }
        let found = match take {
            Take::FlagOnly => self.restored.text(param).map(str::to_owned),
            Take::Needed | Take::Kept => self
                .restored
                .text(param)
                .or_else(|| self.source.settings.text(param))
                .map(str::to_owned)
                .or_else(|| self.remembered(param)),
        };
        match (take, found) {
            (Take::Needed, None) => Err(self.missing(param)),
            (_, found) => Ok(found),
        }
    }

    /// What the last mode of this entry that knew the parameter said.
    ///
    /// The mode it has now speaks for itself, also where it says nothing.
    fn remembered(&self, param: Param) -> Option<String> {
        if rules::keeps(self.source.mode, param) {
            return None;
        }
        let old =
            self.before.iter().rev().find(|old| {
                LoginMode::parse(&old.login).is_ok_and(|mode| rules::keeps(mode, param))
            })?;
        old.settings().text(param).map(str::to_owned)
    }

    fn switch(&self, param: Param, take: Take) -> bool {
        let in_entry = || {
            self.restored.is_on(param)
                || (take != Take::FlagOnly
                    && (self.source.settings.is_on(param) || self.remembered(param).is_some()))
        };
        match self.request.flag(param) {
            Some(_) if self.request.effective.is_on(param) => true,
            // `--legacy=false` is no way to get rid of what the entry says: kubelogin ignores it.
            Some(_) => param == Param::Legacy && in_entry(),
            None => in_entry(),
        }
    }

    /// The claims belong to the cluster: without a flag they are made from its ARM id.
    fn proof_of_possession(&self, out: &mut Settings) -> Result<()> {
        let enabled = out.is_on(Param::PopEnabled);
        let claims = out.text(Param::PopClaims).is_some();
        match (enabled, claims, self.arm_id) {
            (true, false, Some(arm_id)) => {
                out.set(Param::PopClaims, format!("u={arm_id}"), Origin::ExecEntry);
                Ok(())
            }
            (true, false, None) => Err(Failure::usage(
                "`--pop-claims` is required with `--pop-enabled`",
            )
            .because("the entry does not say which cluster it is for")
            .hint("give `--pop-claims u=<ARM id of the cluster>`, and `--context` for this cluster alone")),
            (false, true, _) => Err(Failure::usage(
                "`--pop-enabled` is required with `--pop-claims`",
            )),
            _ => Ok(()),
        }
    }

    fn missing(&self, param: Param) -> Failure {
        let mode = self.request.mode;
        let flag = param.dashed();
        Failure::usage(format!("`{flag}` is required"))
            .because(format!("`{mode}` needs it and the entry does not have it"))
            .hint(format!("give it as `{flag} {}`", placeholder(param)))
    }
}

fn placeholder(param: Param) -> &'static str {
    match param.row().takes {
        Takes::Value(name) => name,
        Takes::Nothing => "",
    }
}

fn variables(param: Param) -> String {
    let names: Vec<_> = param
        .row()
        .variables
        .iter()
        .filter(|variable| variable.when != When::Terraform && !variable.name.starts_with("AAD_"))
        .map(|variable| format!("`{}`", variable.name))
        .collect();
    names.join(" or ")
}

/// The exec mapping: the old one with what changes. A new one has its keys in kubectl's order.
fn exec(
    user: &Map<String, Value>,
    args: Vec<String>,
    interactive: Option<Option<String>>,
    request: &Request,
) -> Value {
    let old = user.get("exec").and_then(Value::as_object);
    let mut exec = old.cloned().unwrap_or_default();
    let text = |exec: &Map<String, Value>, key: &str| {
        exec.get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    if ![API_VERSION, API_VERSION_V1].contains(&text(&exec, "apiVersion").as_str()) {
        exec.insert("apiVersion".to_owned(), json!(API_VERSION));
    }
    exec.insert("args".to_owned(), json!(args));
    exec.insert("command".to_owned(), json!(request.exec_command));
    let hint = text(&exec, "installHint");
    let theirs = is_ours(&request.exec_command) && hint.contains("kubelogin");
    if hint.is_empty() || theirs {
        let hint = if is_ours(&request.exec_command) {
            INSTALL_HINT
        } else {
            KUBELOGIN_HINT
        };
        exec.insert("installHint".to_owned(), json!(hint));
    }
    match interactive {
        Some(Some(mode)) => {
            exec.insert("interactiveMode".to_owned(), json!(mode));
        }
        Some(None) => {
            exec.shift_remove("interactiveMode");
        }
        // A mode that asks a person can't do so where nobody may be asked.
        None if text(&exec, "interactiveMode") == "Never" => {
            let attendance = request.mode.row().attendance;
            exec.insert("interactiveMode".to_owned(), json!(attendance.as_str()));
        }
        None => {}
    }
    if let (LoginMode::AzureCli, Some(dir)) = (request.mode, &request.azure_config_dir) {
        set_variable(&mut exec, "AZURE_CONFIG_DIR", dir);
    }
    if old.is_none() {
        exec.sort_keys();
    }
    Value::Object(exec)
}

fn is_ours(command: &str) -> bool {
    source::program(command) == EXEC_COMMAND
}

fn set_variable(exec: &mut Map<String, Value>, name: &str, value: &str) {
    let variable = json!({"name": name, "value": value});
    if let Some(Value::Array(env)) = exec.get_mut("env") {
        match env
            .iter_mut()
            .find(|old| old.get("name").and_then(Value::as_str) == Some(name))
        {
            Some(old) => *old = variable,
            None => env.push(variable),
        }
    } else {
        exec.insert("env".to_owned(), json!([variable]));
    }
}

/// What of the old arguments is neither written nor remembered.
fn lost(source: &Source, written: &Settings, remembered: bool, mode: LoginMode) -> Vec<String> {
    let mut notes = Vec::new();
    for param in source
        .settings
        .params()
        .filter(|&param| written.get(param).is_none())
    {
        let flag = param.dashed();
        if param.row().secret && rules::takes(mode, param) {
            notes.push(format!(
                "the entry's `{flag}` was not carried over: set {} instead",
                variables(param)
            ));
        } else if param.row().secret || !remembered {
            notes.push(format!("the entry's `{flag}` was not carried over"));
        }
    }
    if !remembered {
        for other in &source.others {
            let name = other.split('=').next().unwrap_or_default();
            notes.push(format!(
                "the entry's argument `{name}` was not carried over"
            ));
        }
    }
    notes
}

/// The ARM id of the cluster that a user signs in to, where the entries say so and agree.
///
/// `items` are the user's value and those of the contexts and clusters that belong to it.
pub fn arm_id<'a>(items: impl Iterator<Item = &'a Value>) -> Option<&'a str> {
    let mut found: Option<&str> = None;
    for id in items.filter_map(owner::arm_id) {
        match found {
            Some(other) if !other.eq_ignore_ascii_case(id) => return None,
            _ => found = Some(id),
        }
    }
    found
}
