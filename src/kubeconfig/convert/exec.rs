//! The exec mapping of a converted entry.

use super::{request::Target, source};
use crate::{login::LoginMode, tool_config};
use serde_json::{Map, Value, json};

/// The plugin that entries name by default.
pub(crate) const EXEC_COMMAND: &str = "kubectl-aad";

pub(super) const API_VERSION: &str = "client.authentication.k8s.io/v1beta1";
pub(super) const API_VERSION_V1: &str = "client.authentication.k8s.io/v1";

/// What kubectl says if the plugin is missing.
pub(crate) const INSTALL_HINT: &str = "\
kubectl-aad is needed to sign in to this cluster and is not on the PATH.
Install it with: kubectl krew install aad
";

/// What kubectl says if Azure's plugin is missing.
pub(super) const KUBELOGIN_HINT: &str = "\
kubelogin is needed to sign in to this cluster and is not on the PATH.
Install it as described at https://azure.github.io/kubelogin/install.html
";

/// The old exec mapping with what changes. A new one has its keys in kubectl's order.
pub(super) fn exec(
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
    // A null that stays null is not a change.
    if !keeps || source::strings(&exec) != args {
        exec.insert("args".to_owned(), json!(args));
    }
    exec.insert("command".to_owned(), json!(request.exec_command));
    let (install_hint, other_plugin) = if is_ours(&request.exec_command) {
        (INSTALL_HINT, "kubelogin")
    } else {
        (KUBELOGIN_HINT, EXEC_COMMAND)
    };
    let hint = text(&exec, "installHint");
    if hint.is_empty() || hint.contains(other_plugin) {
        exec.insert("installHint".to_owned(), json!(install_hint));
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

/// Drops the empty variables by which `sync` says that az's default directory is meant. Only our plugin
/// hides them from az, which fails with them.
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

/// Whether a command is this plugin.
pub(crate) fn is_ours(command: &str) -> bool {
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
