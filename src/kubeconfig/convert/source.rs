//! How a user's entry signs in now, and whether it can be converted.

use crate::{
    error::Result,
    kubeconfig::auth_provider,
    login::{ExecArgs, LoginMode, Param, Settings},
};
use serde_json::{Map, Value};

/// How a user that can be converted signs in now.
pub(crate) struct Source {
    pub plugin: SourcePlugin,
    pub mode: LoginMode,
    /// The entry's arguments, or those that say the same as its auth provider.
    pub args: ExecArgs,
    /// Whether it is an exec entry, and not the old auth provider.
    pub(super) in_exec: bool,
    pub(super) interactive_mode: Option<String>,
}

/// What signs in a user that can be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SourcePlugin {
    /// Azure's kubelogin.
    Kubelogin,
    /// `kubectl-aad`.
    Ours,
    /// The `azure` auth provider, which kubectl had until 1.25.
    AuthProvider,
}

/// Whose plugin a user's entry names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PluginKind {
    /// Azure's kubelogin, ours, or the `azure` auth provider: to be converted.
    Convertible,
    /// int128's kubelogin (`kubectl oidc-login`), which only shares the name.
    OidcLogin,
    /// Something else: a certificate, a token, another cloud's plugin.
    Foreign,
}

impl PluginKind {
    /// Classifies a user's value.
    pub(crate) fn of(user: &Value) -> Self {
        user.as_object()
            .map_or(PluginKind::Foreign, PluginKind::of_item)
    }

    fn of_item(user: &Map<String, Value>) -> Self {
        if is_azure_auth_provider(user) {
            return PluginKind::Convertible;
        }
        let Some(exec) = user.get("exec").and_then(Value::as_object) else {
            return PluginKind::Foreign;
        };
        let args = strings(exec);
        let named = names_plugin(&command(exec), &args);
        let oidc = args
            .iter()
            .any(|arg| arg.starts_with("--oidc-") || arg == "oidc-login");
        match (named, oidc) {
            (true, false) => PluginKind::Convertible,
            (_, true) => PluginKind::OidcLogin,
            (false, false) => PluginKind::Foreign,
        }
    }
}

impl Source {
    /// Reads a user's value; `None` unless it is [`PluginKind::Convertible`].
    pub(crate) fn of(user: &Value) -> Option<Self> {
        user.as_object().and_then(Self::of_item)
    }

    pub(super) fn of_item(user: &Map<String, Value>) -> Option<Self> {
        if PluginKind::of_item(user) != PluginKind::Convertible {
            return None;
        }
        if is_azure_auth_provider(user) {
            return Some(Self::of_auth_provider(user));
        }
        let exec = user.get("exec")?.as_object()?;
        let args = ExecArgs::parse_lossy(&strings(exec));
        Some(Self {
            plugin: match names_kubelogin(&command(exec)) {
                true => SourcePlugin::Kubelogin,
                false => SourcePlugin::Ours,
            },
            in_exec: true,
            mode: args.settings().mode().unwrap_or(LoginMode::DeviceCode),
            args,
            interactive_mode: exec
                .get("interactiveMode")
                .and_then(Value::as_str)
                .map(str::to_owned),
        })
    }

    /// The parameters in the entry.
    pub(super) fn settings(&self) -> &Settings {
        self.args.settings()
    }

    /// Fails if the entry names an unknown mode. One that names none has the default.
    pub(super) fn names_a_mode(&self) -> Result<()> {
        match self.settings().get(Param::Login) {
            Some(name) => LoginMode::parse(name).map(drop),
            None => Ok(()),
        }
    }

    fn of_auth_provider(user: &Map<String, Value>) -> Self {
        let config = user.get("auth-provider").and_then(|it| it.get("config"));
        let settings = auth_provider::settings(|key| config?.get(key)?.as_str());
        Self {
            plugin: SourcePlugin::AuthProvider,
            in_exec: false,
            mode: LoginMode::DeviceCode,
            args: ExecArgs::new(settings),
            interactive_mode: None,
        }
    }
}

fn is_azure_auth_provider(user: &Map<String, Value>) -> bool {
    let name = user
        .get("auth-provider")
        .and_then(|provider| provider.get("name"));
    name.and_then(Value::as_str) == Some(auth_provider::NAME)
}

/// Azure's plugin under any path, as kubelogin itself finds it.
fn names_kubelogin(command: &str) -> bool {
    command.to_lowercase().contains("kubelogin")
}

/// Azure's plugin, or ours as a program or a `kubectl` plugin.
fn names_plugin(command: &str, args: &[String]) -> bool {
    names_kubelogin(command)
        || program(command) == super::EXEC_COMMAND
        || (program(command) == "kubectl" && args.first().is_some_and(|arg| arg == "aad"))
}

/// Whether a user runs kubelogin or this program itself, and not a program around them, whatever its name is; or has an auth
/// provider.
pub(crate) fn is_plain_command(user: &Map<String, Value>) -> bool {
    let Some(exec) = user.get("exec").and_then(Value::as_object) else {
        return true;
    };
    ["kubelogin", "kubectl", super::EXEC_COMMAND].contains(&program(&command(exec)).as_str())
}

/// A command's name without its directories and `.exe`.
pub(super) fn program(command: &str) -> String {
    let name = command.rsplit(['/', '\\']).next().unwrap_or_default();
    let name = name.to_lowercase();
    name.strip_suffix(".exe").unwrap_or(&name).to_owned()
}

fn command(exec: &Map<String, Value>) -> String {
    exec.get("command")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// The arguments as client-go reads them: null is the empty string, and not nothing.
pub(super) fn strings(exec: &Map<String, Value>) -> Vec<String> {
    let args = exec.get("args").and_then(Value::as_array);
    args.into_iter()
        .flatten()
        .map(|arg| arg.as_str().unwrap_or_default().to_owned())
        .collect()
}
