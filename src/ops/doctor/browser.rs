//! A check of the browser that people sign in with.

use super::{Check, Finding, Machine, Run, Severity, sign_ins::need};
use crate::{
    error::Result,
    host::Host,
    login::{CommandLine, LoginMode},
};

pub(super) const CHECKS: &[Check] = &[Check {
    code: "AAD027",
    title: "no browser can be opened to sign in",
    severity: Severity::Problem,
    why: "In the login mode `interactive`, a person signs in with a browser of this machine: one elsewhere can't return to it.",
    remedy: "Sign in with a browser on any machine instead, in the mode `devicecode`, or name a browser in BROWSER.",
    run: Run::Files(missing),
}];

fn missing(machine: &Machine) -> Result<Vec<Finding>> {
    let headless = machine
        .sign_ins_by(LoginMode::Interactive)
        .filter(|sign_in| !sign_in.host.has_browser());
    let findings = headless.map(|sign_in| {
        let finding = Finding::new(format!(
            "{} a browser, and {}",
            need(&sign_in.contexts),
            why(&sign_in.host)
        ));
        let line = CommandLine::new("kubectl aad convert-kubeconfig -l devicecode");
        match sign_in.context_flags() {
            Some(contexts) => {
                let line = contexts.into_iter().fold(line, CommandLine::word);
                finding.command(line.to_string())
            }
            None => finding
                .advice("let `sync` write the entries for another mode")
                .command(machine.sync_command(&["-l", "devicecode"])),
        }
    });
    Ok(findings.collect())
}

fn why(host: &Host) -> String {
    if let Some(named) = host.var_nonempty("BROWSER") {
        return format!("`BROWSER` names `{named}`, which is not on the `PATH`");
    }
    let is_set = |names: &[&str]| names.iter().any(|name| host.var_nonempty(name).is_some());
    if is_set(&["WSL_DISTRO_NAME"]) {
        "`wslview`, which opens the browser of Windows, is not on the `PATH`".to_owned()
    } else if is_set(&["DISPLAY", "WAYLAND_DISPLAY"]) {
        "`xdg-open`, which opens the browser, is not on the `PATH`".to_owned()
    } else if is_set(&["SSH_CONNECTION", "SSH_TTY"]) {
        "this is a connection by SSH without a display".to_owned()
    } else {
        "this machine has no display: neither `DISPLAY` nor `WAYLAND_DISPLAY` is set".to_owned()
    }
}
