//! What a person should know about a conversion: one sentence each, never a secret.

use super::{Source, request::Target};
use crate::login::{LoginMode, Param, Settings, When, no_effect};

/// What concerns every entry: flags without effect, secrets that are written.
pub(super) fn of_flags(target: &Target<'_>) -> Vec<String> {
    let mode = target.mode;
    let without_effect = |flag: &str| no_effect(flag, &format!("--login {mode}"));
    let mut notes = Vec::new();
    for param in target.request.given.params() {
        let flag = param.dashed();
        if !mode.converts(param) {
            notes.push(without_effect(&flag));
        } else if param.row().secret && target.effective.text(param).is_some() {
            notes.push(format!(
                "`{flag}` is written to the kubeconfig, where everybody who can read the file sees it: omit the flag and set {} instead",
                variables(param)
            ));
        }
    }
    if target.request.azure_config_dir.is_some() && mode != LoginMode::AzureCli {
        notes.push(without_effect("--azure-config-dir"));
    }
    notes
}

/// The secrets of the entry that stay in it.
pub(super) fn of_secrets(target: &Target<'_>, written: &Settings) -> Vec<String> {
    let secrets = written.params().filter(|param| {
        param.row().secret && target.flag(*param).is_none() && written.text(*param).is_some()
    });
    secrets
        .map(|param| {
            format!(
                "the entry's `{}` stays in the kubeconfig, where everybody who can read the file sees it: set {} instead",
                param.dashed(),
                variables(param)
            )
        })
        .collect()
}

/// The old arguments that are neither written nor stored in the extension.
pub(super) fn of_losses(
    source: &Source,
    written: &Settings,
    remembered: bool,
    mode: LoginMode,
) -> Vec<String> {
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

/// The variables that give a secret, for a person: without Terraform's and the former names.
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
