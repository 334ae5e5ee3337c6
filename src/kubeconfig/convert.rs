//! One user's entry, converted to sign in another way. Pure.
//!
//! What is written is what Azure/kubelogin v0.2.19 writes for the same flags and variables: which
//! parameters a mode keeps from the entry, and which it takes from flags alone, is in the mode's row.
//! What kubelogin throws away is kept here: the entry's `env`, `interactiveMode`, unknown fields,
//! and the arguments that the new mode has no use for (`history`), so that a way back exists. An
//! entry that has the wanted mode already keeps its arguments, but for what a flag says.
//!
//! To convert what was converted changes nothing: [`super::file::update`] may ask for it.

mod entries;
mod history;
mod source;

#[cfg(test)]
mod tests;

pub(crate) use entries::{Conversion, Selection, UserAction, UserOutcome, convert_all};
pub(super) use history::forget;
pub(crate) use source::{PluginKind, Source};

use super::owner;
use crate::{
    error::{Failure, Result},
    host::Host,
    login::{
        ExecArgs, LoginMode, MODES, Origin, PARAMS, Param, Precedence, Settings, Takes,
        ValueSource, When,
    },
    tool_config,
};
use serde_json::{Map, Value, json};

/// The plugin that entries name unless another one is asked for.
pub(crate) const EXEC_COMMAND: &str = "kubectl-aad";

const API_VERSION: &str = "client.authentication.k8s.io/v1beta1";
const API_VERSION_V1: &str = "client.authentication.k8s.io/v1";

/// What kubectl says where the plugin is missing.
pub(crate) const INSTALL_HINT: &str = "\
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
pub(crate) struct Request {
    /// The flags that were given.
    given: Settings,
    /// For each mode the same with what the variables say: the value of a flag that was given.
    effective: Vec<(LoginMode, Settings)>,
    /// `None` where each entry keeps its own.
    mode: Option<LoginMode>,
    exec_command: String,
    azure_config_dir: Option<String>,
}

/// What one entry is to be converted to.
#[derive(Clone, Copy)]
struct Target<'a> {
    request: &'a Request,
    mode: LoginMode,
    effective: &'a Settings,
}

/// An entry's new value.
pub(crate) struct Converted {
    pub user: Map<String, Value>,
    /// What a person should know, one sentence each; never a secret.
    pub notes: Vec<String>,
}

impl Request {
    /// Checks flags and variables as kubelogin does before it looks at a kubeconfig.
    ///
    /// Where neither a flag nor `AAD_LOGIN_METHOD` names a mode, each entry keeps its own, and with
    /// `keep_mode` it does so whatever a variable says.
    ///
    /// # Errors
    /// A usage error for an unknown mode, an unusable authority host or timeout, claims of a
    /// proof-of-possession token without `--pop-enabled`, and that in a mode without such tokens.
    pub(crate) fn new(
        given: Settings,
        host: &Host,
        exec_command: impl Into<String>,
        azure_config_dir: Option<String>,
        keep_mode: bool,
    ) -> Result<Self> {
        let with_variables = |given: &Settings| {
            given
                .clone()
                .with_variables(host, Precedence::VariablesFirst)
        };
        let named = with_variables(&given);
        let mode = match named.get(Param::Login) {
            Some(_) if !keep_mode => Some(named.mode()?),
            _ => None,
        };
        let modes = MODES.iter().map(|row| row.mode);
        let effective: Vec<_> = modes
            .filter(|one| mode.is_none_or(|mode| mode == *one))
            .map(|one| {
                let mut settings = given.clone();
                settings.set(Param::Login, one.name(), Origin::Flag);
                let read = with_variables(&settings);
                // A variable that names a mode says nothing to entries that keep theirs.
                let kept = mode.is_none() && read.mode().ok() != Some(one);
                (one, if kept { settings } else { read })
            })
            .collect();
        let mut common = named;
        common.set_default(Param::Login, LoginMode::DeviceCode.name());
        common.check()?;
        if common.text(Param::PopClaims).is_some() && !common.is_on(Param::PopEnabled) {
            return Err(
                Failure::usage("`--pop-claims` is of no use without `--pop-enabled`")
                    .hint("give both, or neither"),
            );
        }
        let request = Self {
            given,
            effective,
            mode,
            exec_command: exec_command.into(),
            azure_config_dir: azure_config_dir.filter(|dir| !dir.is_empty()),
        };
        if let Some(mode) = mode {
            request.target(mode).check()?;
        }
        Ok(request)
    }

    /// The mode that entries are converted to; `None` where each keeps its own.
    pub(crate) fn mode(&self) -> Option<LoginMode> {
        self.mode
    }

    /// What an entry is converted to that signs in by `mode` if none was asked for.
    fn target(&self, mode: LoginMode) -> Target<'_> {
        let mode = self.mode.unwrap_or(mode);
        let found = self.effective.iter().find(|(one, _)| *one == mode);
        Target {
            request: self,
            mode,
            effective: found.map_or(&self.given, |(_, settings)| settings),
        }
    }

    /// What to tell once, whatever the entries are: flags without use, secrets that get written.
    pub(crate) fn notes(&self) -> Vec<String> {
        match self.mode {
            Some(mode) => self.target(mode).notes(),
            None => Vec::new(),
        }
    }
}

impl<'a> Target<'a> {
    /// The same for an entry that says all this. In what `sync` wrote no variable replaces what is named,
    /// and so none does on its way in.
    fn for_entry(self, entry: &Settings) -> Self {
        if !self.keeps_env_secrets_only(entry) {
            return self;
        }
        Self {
            effective: &self.request.given,
            ..self
        }
    }

    /// What `sync` wrote keeps meaning what it says in the mode that it was
    /// written for. A new mode's entry is kubelogin's, variables first.
    fn keeps_env_secrets_only(&self, entry: &Settings) -> bool {
        is_ours(&self.request.exec_command) && entry.is_on(Param::EnvSecretsOnly)
    }

    /// A flag's value, where the flag was given: a variable may have replaced it.
    fn flag(&self, param: Param) -> Option<&'a str> {
        self.request.given.get(param)?;
        self.effective.get(param)
    }

    /// Refuses what can't be used in this mode, and a proof of possession that it can't give: a plain
    /// token would be sent instead.
    fn check(&self) -> Result<()> {
        self.effective.check()?;
        let mode = self.mode;
        let asked = self.request.given.get(Param::PopEnabled).is_some()
            && self.effective.is_on(Param::PopEnabled);
        if asked && !mode.converts(Param::PopEnabled) {
            let able: Vec<_> = MODES
                .iter()
                .filter(|row| row.mode.converts(Param::PopEnabled))
                .map(|row| row.name)
                .collect();
            return Err(
                Failure::usage(format!("`{mode}` has no proof-of-possession tokens")).hint(
                    format!(
                        "leave `--pop-enabled` out, or use one of {}",
                        able.join(", ")
                    ),
                ),
            );
        }
        Ok(())
    }

    fn notes(&self) -> Vec<String> {
        let mode = self.mode;
        let mut notes = Vec::new();
        for param in self.request.given.params() {
            let flag = param.dashed();
            if !mode.converts(param) {
                notes.push(format!("`{flag}` has no use in `{mode}` and was left out"));
            } else if param.row().secret && self.effective.text(param).is_some() {
                notes.push(format!(
                    "`{flag}` puts its value into the kubeconfig, readable to all who can read that: leave the flag out and set {} instead",
                    variables(param)
                ));
            }
        }
        if self.request.azure_config_dir.is_some() && mode != LoginMode::AzureCli {
            notes.push(format!(
                "`--azure-config-dir` has no use in `{mode}` and was left out"
            ));
        }
        notes
    }
}

/// Converts a user's value. `arm_id` is the cluster's, where it is known and the user's only one.
///
/// # Errors
/// Where the entry and the flags lack what the mode needs.
pub(crate) fn convert(
    user: &Map<String, Value>,
    source: &Source,
    arm_id: Option<&str>,
    request: &Request,
) -> Result<Converted> {
    let known = source.names_a_mode();
    if request.mode.is_none()
        && let Err(unknown) = &known
    {
        return Err(unknown.clone());
    }
    let target = request.target(source.mode);
    target.check()?;
    let mut converted = if source.in_exec && known.is_ok() && target.mode == source.mode {
        keep_mode(user, source, arm_id, target)?
    } else {
        change_mode(user, source, arm_id, target)?
    };
    if request.mode.is_none() {
        converted.notes.extend(target.notes());
    }
    Ok(converted)
}

/// Changes the plugin and what flags name; all else of the entry stays.
fn keep_mode(
    user: &Map<String, Value>,
    source: &Source,
    arm_id: Option<&str>,
    target: Target<'_>,
) -> Result<Converted> {
    let target = target.for_entry(source.settings());
    let builder = Builder {
        target,
        source,
        restored: source.settings(),
        before: &[],
        stale: false,
        keeps: true,
        arm_id,
    };
    let mut written = builder.settings()?;
    let mut said = source.settings().clone();
    if written.get(Param::EnvSecretsOnly).is_none() {
        said.remove(Param::EnvSecretsOnly);
    }
    let args = if same_values(&written, &said) {
        let mut args = source.args.words().to_vec();
        let flag = Param::EnvSecretsOnly.dashed();
        if written.get(Param::EnvSecretsOnly).is_none() {
            args.retain(|arg| *arg != flag && !arg.starts_with(&format!("{flag}=")));
        }
        args
    } else {
        written.set(Param::Login, target.mode.name(), Origin::Flag);
        let others = source.args.others().to_vec();
        ExecArgs::with_others(written.clone(), others).into_words()
    };
    let mut new = user.clone();
    new.insert("exec".to_owned(), exec(user, args, None, true, target));
    if new != *user {
        history::keep(&mut new, &history::recall(user).unwrap_or_default());
    }
    let secrets = written.params().filter(|param| {
        param.row().secret && target.flag(*param).is_none() && written.text(*param).is_some()
    });
    let notes = secrets.map(|param| {
        format!(
            "the entry's `{}` stays in the kubeconfig, readable to all who can read that: set {} instead",
            param.dashed(),
            variables(param)
        )
    });
    Ok(Converted {
        user: new,
        notes: notes.collect(),
    })
}

fn same_values(a: &Settings, b: &Settings) -> bool {
    let values = |settings: &Settings| -> Vec<_> {
        let of = |param| (param, settings.get(param).map(str::to_owned));
        settings.params().map(of).collect()
    };
    values(a) == values(b)
}

fn change_mode(
    user: &Map<String, Value>,
    source: &Source,
    arm_id: Option<&str>,
    target: Target<'_>,
) -> Result<Converted> {
    let mode = target.mode;
    let recalled = history::recall(user);
    let stale = recalled.is_none();
    let before = recalled.unwrap_or_default();
    let restored = before.iter().position(|old| old.login == mode.name());
    let restored = restored.filter(|_| source.mode != mode);
    let settings = match restored {
        Some(i) => before[i].args.settings().clone(),
        None => Settings::new(),
    };
    let target = target.for_entry(&settings);
    let builder = Builder {
        target,
        source,
        restored: &settings,
        before: &before,
        stale,
        keeps: false,
        arm_id,
    };
    let written = builder.settings()?;
    let given = &target.request.given;
    let verbatim = restored
        .filter(|_| given.params().all(|param| param == Param::Login))
        .map(|i| before[i].args.words().to_vec());
    let args = match verbatim {
        Some(mut args) => {
            // A flag that only our plugin knows.
            if !is_ours(&target.request.exec_command) {
                args.retain(|arg| *arg != Param::EnvSecretsOnly.dashed());
            }
            args
        }
        None => ExecArgs::new(written.clone()).into_words(),
    };
    let interactive = match restored {
        Some(i) => Some(before[i].interactive_mode.clone()),
        None => unattended_again(source, &before, mode),
    };
    let mut new = user.clone();
    new.shift_remove("auth-provider");
    new.insert(
        "exec".to_owned(),
        exec(user, args, interactive, false, target),
    );

    let mut kept = match restored {
        Some(i) => before[..i].to_vec(),
        None => before.clone(),
    };
    let remembered = source.mode != mode;
    if restored.is_none() && remembered {
        kept.push(history::Before::of(source));
        kept.retain(|old| !leads_to(&new, old, arm_id, target.request));
    }
    history::keep(&mut new, &kept);
    Ok(Converted {
        user: new,
        notes: lost(source, &written, remembered, mode),
    })
}

/// The `interactiveMode` that the entry's last unattended mode had, where it comes back to one.
fn unattended_again(
    source: &Source,
    before: &[history::Before],
    mode: LoginMode,
) -> Option<Option<String>> {
    let asks = |mode: LoginMode| mode.row().interactive;
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
    old: &history::Before,
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
        effective: vec![(mode, back)],
        mode: Some(mode),
        exec_command: request.exec_command.clone(),
        azure_config_dir: None,
    };
    let builder = Builder {
        target: back.target(mode),
        source: &there,
        restored: &Settings::new(),
        before: &[],
        stale: false,
        keeps: false,
        arm_id,
    };
    let same_args = builder
        .settings()
        .is_ok_and(|settings| old.args.words() == ExecArgs::new(settings).words());
    let interactive = match there.interactive_mode.as_deref() {
        Some("Never") => Some(mode.row().interactive_mode().to_owned()),
        other => other.map(str::to_owned),
    };
    same_args && old.interactive_mode == interactive
}

/// Puts the settings of a new entry together.
struct Builder<'a> {
    target: Target<'a>,
    source: &'a Source,
    /// What the entry said when it last was in this mode, or says now where it is.
    restored: &'a Settings,
    before: &'a [history::Before],
    /// The entry was changed by others since it was converted.
    stale: bool,
    /// The entry has the mode: whatever no flag names stays as it is.
    keeps: bool,
    arm_id: Option<&'a str>,
}

impl Builder<'_> {
    fn settings(&self) -> Result<Settings> {
        let mode = self.target.mode;
        let mut out = if self.keeps {
            self.source.settings().clone()
        } else {
            let mut out = Settings::new();
            out.set(Param::Login, mode.name(), Origin::Flag);
            out
        };
        let mut missing = Vec::new();
        for row in PARAMS {
            let (param, take) = (row.param, mode.value_source(row.param));
            if !take.is_written() {
                continue;
            }
            if self.keeps && self.target.flag(param).is_none() {
                continue;
            }
            let value = match param.row().takes {
                Takes::Value(_) => self.value(param, take).unwrap_or_else(|Lacking| {
                    missing.push(param);
                    None
                }),
                Takes::Nothing => self.switch(param, take).then(|| "true".to_owned()),
            };
            match value {
                Some(value) => out.set(param, value, Origin::ExecEntry),
                None => out.remove(param),
            }
        }
        if !missing.is_empty() {
            return Err(self.missing(&missing));
        }
        self.one_credential(&mut out);
        if mode.converts(Param::PopEnabled) {
            self.proof_of_possession(&mut out)?;
        }
        if self.target.keeps_env_secrets_only(self.restored) {
            out.set(Param::EnvSecretsOnly, "true", Origin::ExecEntry);
        } else if self.keeps {
            out.remove(Param::EnvSecretsOnly);
        }
        Ok(out)
    }

    /// Of two things that say the same, a flag's replaces the entry's. Of two flags kubelogin writes
    /// the first for `msi`, for Azure refuses two names of one identity.
    fn one_credential(&self, out: &mut Settings) {
        use Param::{
            ClientCertificate, ClientCertificatePassword, ClientId, ClientSecret,
            IdentityResourceId,
        };
        let given = |param| self.target.flag(param).is_some_and(|text| !text.is_empty());
        match self.target.mode {
            LoginMode::Msi if self.target.flag(ClientId).is_some() => {
                out.remove(IdentityResourceId);
            }
            LoginMode::Msi if given(IdentityResourceId) => out.remove(ClientId),
            LoginMode::Msi if !self.keeps && out.get(ClientId).is_some() => {
                out.remove(IdentityResourceId);
            }
            LoginMode::Spn if given(ClientCertificate) == given(ClientSecret) => {}
            LoginMode::Spn if given(ClientCertificate) => out.remove(ClientSecret),
            LoginMode::Spn => {
                out.remove(ClientCertificate);
                if self.target.flag(ClientCertificatePassword).is_none() {
                    out.remove(ClientCertificatePassword);
                }
            }
            _ => {}
        }
    }

    fn value(&self, param: Param, take: ValueSource) -> Result<Option<String>, Lacking> {
        if let Some(text) = self.target.flag(param) {
            return match (take, text) {
                (ValueSource::Needed, "") => Err(Lacking),
                (ValueSource::Kept, "") => Ok(None),
                _ => Ok(Some(text.to_owned())),
            };
        }
        let found = match take {
            ValueSource::FlagOnly => self.restored.text(param).map(str::to_owned),
            ValueSource::Unwritten | ValueSource::Omitted => None,
            ValueSource::Needed | ValueSource::Kept => self
                .restored
                .text(param)
                .or_else(|| self.source.settings().text(param))
                .map(str::to_owned)
                .or_else(|| self.remembered(param)),
        };
        match (take, found) {
            (ValueSource::Needed, None) => Err(Lacking),
            (_, found) => Ok(found),
        }
    }

    /// What the last mode of this entry that knew the parameter said.
    ///
    /// The mode it has now speaks for itself, also where it says nothing.
    fn remembered(&self, param: Param) -> Option<String> {
        if self.source.mode.value_source(param).reads_entry() {
            return None;
        }
        let old = self.before.iter().rev().find(|old| {
            LoginMode::parse(&old.login).is_ok_and(|mode| mode.value_source(param).reads_entry())
        })?;
        old.args.settings().text(param).map(str::to_owned)
    }

    fn switch(&self, param: Param, take: ValueSource) -> bool {
        let in_entry = || {
            self.restored.is_on(param)
                || (take != ValueSource::FlagOnly
                    && (self.source.settings().is_on(param) || self.remembered(param).is_some()))
        };
        match self.target.flag(param) {
            Some(_) if self.target.effective.is_on(param) => true,
            // `--legacy=false` is no way to get rid of what the entry says: kubelogin ignores it.
            Some(_) => param == Param::Legacy && in_entry(),
            None => in_entry(),
        }
    }

    /// The claims belong to the cluster: without a flag they are made from its ARM id.
    fn proof_of_possession(&self, out: &mut Settings) -> Result<()> {
        let flag = self.target.flag(Param::PopEnabled);
        if flag.is_some() && !out.is_on(Param::PopEnabled) {
            out.remove(Param::PopClaims);
        }
        if self.keeps && flag.is_none() {
            return Ok(());
        }
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

    /// The error for all that the mode needs and nothing gives.
    fn missing(&self, params: &[Param]) -> Failure {
        let mode = self.target.mode;
        let flags: Vec<String> = params.iter().map(|p| format!("`{}`", p.dashed())).collect();
        let given: Vec<String> = params
            .iter()
            .map(|p| format!("{} {}", p.dashed(), placeholder(*p)))
            .collect();
        let (are, it) = match params {
            [_] => ("is", "it"),
            _ => ("are", "them"),
        };
        let failure = Failure::usage(format!("{} {are} required", flags.join(" and "))).because(
            format!("`{mode}` needs {it} and the entry does not have {it}"),
        );
        let failure = if self.stale {
            failure.because("the entry was changed since it was converted, so what it said before does not count")
        } else {
            failure
        };
        failure.hint(format!("give {it} as `{}`", given.join(" ")))
    }
}

/// A value that the mode needs is nowhere.
struct Lacking;

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
    keeps: bool,
    target: Target<'_>,
) -> Value {
    let request = target.request;
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
    // A null that stays one is no change.
    if !keeps || source::strings(&exec) != args {
        exec.insert("args".to_owned(), json!(args));
    }
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
        None if !keeps && text(&exec, "interactiveMode") == "Never" => {
            let interactive_mode = target.mode.row().interactive_mode();
            exec.insert("interactiveMode".to_owned(), json!(interactive_mode));
        }
        None => {}
    }
    if let (LoginMode::AzureCli, Some(dir)) = (target.mode, &request.azure_config_dir) {
        set_variable(&mut exec, tool_config::AZ_CONFIG_DIR.variable, dir);
    }
    if !is_ours(&request.exec_command) {
        drop_empty_account_variables(&mut exec);
    }
    if old.is_none() {
        exec.sort_keys();
    }
    Value::Object(exec)
}

/// Drops the empty variables by which `sync` says that az's own directory is meant: az fails with them,
/// and only our plugin keeps them from it.
fn drop_empty_account_variables(exec: &mut Map<String, Value>) {
    let Some(Value::Array(env)) = exec.get_mut("env") else {
        return;
    };
    let before = env.len();
    env.retain(|variable| {
        let is_account = tool_config::ACCOUNT_VARIABLES
            .iter()
            .any(|name| variable["name"] == **name);
        !is_account || variable["value"] != ""
    });
    if env.is_empty() && before > 0 {
        exec.insert("env".to_owned(), Value::Null);
    }
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
        .settings()
        .params()
        .filter(|&param| written.get(param).is_none())
    {
        let flag = param.dashed();
        if param.row().secret && mode.converts(param) {
            notes.push(format!(
                "the entry's `{flag}` was not carried over: set {} instead",
                variables(param)
            ));
        } else if param.row().secret || !remembered {
            notes.push(format!("the entry's `{flag}` was not carried over"));
        }
    }
    if !remembered {
        for other in source.args.others() {
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
pub(crate) fn arm_id<'a>(items: impl Iterator<Item = &'a Value>) -> Option<&'a str> {
    let mut found: Option<&str> = None;
    for id in items.filter_map(owner::arm_id) {
        match found {
            Some(other) if !other.eq_ignore_ascii_case(id) => return None,
            _ => found = Some(id),
        }
    }
    found
}
