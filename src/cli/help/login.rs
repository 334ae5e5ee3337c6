//! `kubectl aad help login`: the login modes, and the flags and variables of each, from their tables.

use super::page::Page;
use crate::{
    cli::{flags, screen::Stream},
    login::{MODES, ModeParam, ModeRow, PARAMS, Param, ParamRow, Takes},
};

const EXAMPLES: &str = "\
Examples:
  kubectl aad sync                        with the account of `az login`
  kubectl aad sync -l devicecode          with a code to type into a browser
  kubectl aad sync -l msi                 on a virtual machine
  kubectl aad sync -l workloadidentity    in a pod, or a job of GitHub Actions
  kubectl aad sync -l spn --client-id ID --tenant-id ID
                                          where AZURE_CLIENT_SECRET is set";

/// The page.
pub(super) fn page(screen: &Stream) -> String {
    let mut page = Page::new(screen);
    page.line("The ways to sign in, and the flags and variables of each");
    page.gap();
    page.titled("Usage:", "kubectl aad <COMMAND> --login <MODE> [FLAGS]");
    page.gap();
    page.as_is(EXAMPLES);
    page.gap();
    page.heading("Modes, for --login or the variable AAD_LOGIN_METHOD");
    let modes = |said: fn(&ModeRow) -> String| -> Vec<_> {
        let modes = MODES.iter();
        modes
            .map(|mode| (mode.name.to_owned(), said(mode)))
            .collect()
    };
    page.align(MODES.iter().map(|mode| mode.name));
    page.entries(&modes(|mode| mode.summary.to_owned()));
    page.gap();
    page.line(
        "Without --login, `sync` and `list` use azurecli, `get-token` uses devicecode, and `convert-kubeconfig` keeps the \
         mode of each user. `sync` and `list` find the tenants by themselves. Where a person signs in to AKS's own server \
         application, --client-id can be omitted.",
    );
    page.gap();
    page.heading("What each mode needs and takes");
    page.entries(&modes(needs));
    let labels: Vec<_> = PARAMS.iter().map(label).collect();
    page.align(labels.iter().map(String::as_str));
    flags_of(&mut page, "Flags of some modes", |row| {
        !row.is_in_every_mode()
    });
    flags_of(&mut page, "Flags of every mode", ParamRow::is_in_every_mode);
    second(&mut page);
    page.gap();
    page.line(
        "Of a flag's variables, the last one that is set wins. For `get-token` it also wins over the flag, as in kubelogin, \
         unless --env-secrets-only is given. For `sync` and `list` the flag wins, and a variable only counts in the modes \
         that it is meant for; ARM_* need --use-azurerm-env-vars.",
    );
    page.finish()
}

fn needs(mode: &ModeRow) -> String {
    let is_required = |param: &ModeParam| {
        param.required && !(param.param == Param::ClientId && mode.mode.has_default_client())
    };
    let list = |required| {
        let params = mode
            .params
            .iter()
            .filter(|param| is_required(param) == required);
        let own = params.filter(|param| !param.param.row().is_in_every_mode());
        own.map(|param| param.param.dashed())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let parts = [("needs", list(true)), ("takes", list(false))];
    let parts = parts.iter().filter(|(_, flags)| !flags.is_empty());
    let parts: Vec<_> = parts
        .map(|(verb, flags)| format!("{verb} {flags}"))
        .collect();
    parts.join("; ")
}

fn flags_of(page: &mut Page, heading: &str, wanted: impl Fn(&ParamRow) -> bool) {
    page.gap();
    page.heading(heading);
    let rows = PARAMS.iter().filter(|row| wanted(row));
    let entries: Vec<_> = rows
        .map(|row| (label(row), flags::description(row, true)))
        .collect();
    page.entries(&entries);
}

fn label(row: &ParamRow) -> String {
    let short = match row.short {
        Some(short) => format!("-{short}, "),
        None => "    ".to_owned(),
    };
    let value = match row.takes {
        Takes::Value(name) => format!(" <{name}>"),
        Takes::Nothing => String::new(),
    };
    format!("{short}--{}{value}", row.flag)
}

/// The flags of the sign-in to Azure Resource Manager.
fn second(page: &mut Page) {
    page.gap();
    page.heading("A different sign-in to Azure Resource Manager (`sync` and `list`)");
    page.line(&format!(
        "  --arm-login <MODE> finds the clusters with a different mode from the one that their contexts use. Its flags \
         are like those above: {}. `--arm-account` is the same as `{}`.",
        PARAMS
            .iter()
            .filter_map(|row| row.arm_flag)
            .map(|flag| format!("--{flag}"))
            .collect::<Vec<_>>()
            .join(", "),
        Param::LoginHint.arm_dashed(),
    ));
}
