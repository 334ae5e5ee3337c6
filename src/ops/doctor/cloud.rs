//! Checks of the names of clouds, of a custom cloud's file and of the configuration file.

use super::{Check, Finding, Machine, Run, Severity, shell_variables::unset, sign_ins::SignInUse};
use crate::{
    azure::{
        Cloud,
        cloud::{CUSTOM_CLOUD, CUSTOM_CLOUD_VARIABLE},
    },
    clouds::{self, CLOUDS},
    error::{Failure, Result},
    host::Host,
    login::{CommandLine, Param},
    near,
    ops::config::{self, FILE_VARIABLE, PROFILE_VARIABLE},
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "AAD047",
        title: "a cloud is not known, or its file can't be used",
        severity: Severity::Problem,
        why: "The cloud says where tokens come from and where clusters are listed.",
        remedy: "Name a cloud that is known (`kubectl aad get-token --help`). The file that AZURE_ENVIRONMENT_FILEPATH names must hold the endpoints of the custom cloud, all of them `https://`.",
        run: Run::Files(unknown),
    },
    Check {
        code: "AAD048",
        title: "the configuration file can't be used",
        severity: Severity::Problem,
        why: "Its values count for each `sync`, so one that can't be read, or that others may write to, stops every command that reads it.",
        remedy: "Correct the file, or keep others from writing to it: `chmod go-w FILE`.",
        run: Run::Files(configuration),
    },
];

/// The cloud of Germany, which was closed on October 29, 2021.
const CLOSED: [&str; 2] = ["AzureGermanCloud", "AzureGermany"];

fn unknown(machine: &Machine) -> Result<Vec<Finding>> {
    let host = &machine.host;
    let mut findings: Vec<Finding> = Vec::new();
    // One file that can't be used is one finding, whoever uses it.
    if host.var_nonempty(CUSTOM_CLOUD_VARIABLE).is_some()
        && let Err(why) = Cloud::named(Some(CUSTOM_CLOUD), None, host)
    {
        findings.push(Finding::from(&why).command(unset(CUSTOM_CLOUD_VARIABLE)));
    }
    let is_reported = !findings.is_empty();
    for sign_in in machine.sign_ins() {
        let text = |param| sign_in.settings.text(param);
        let environment = text(Param::Environment);
        let is_custom = environment.is_some_and(|name| name.eq_ignore_ascii_case(CUSTOM_CLOUD));
        if is_custom && is_reported {
            continue;
        }
        let authority = Cloud::authority(environment, text(Param::AuthorityHost), &sign_in.host);
        if let Err(why) = authority {
            let finding = explained(sign_in, environment.unwrap_or_default(), &why);
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    Ok(findings)
}

fn explained(sign_in: &SignInUse, environment: &str, why: &Failure) -> Finding {
    let who = sign_in.shown();
    if CLOSED
        .iter()
        .any(|name| name.eq_ignore_ascii_case(environment))
    {
        let finding = Finding::new(format!(
            "{who} is for the cloud `{environment}`, which was closed in October 2021"
        ))
        .advice("nothing answers there any more: remove the context");
        let mut contexts = sign_in.contexts.iter();
        return contexts.by_ref().take(3).fold(finding, |finding, context| {
            let line = CommandLine::new("kubectl config delete-context").name(context);
            finding.command(line.to_string())
        });
    }
    let finding = Finding::from(&why.clone().context(format!("{who} can't sign in")));
    let meant = near::near(environment, CLOUDS.iter().map(|row| row.name));
    match (
        clouds::find(environment),
        &meant[..],
        sign_in.context_flags(),
    ) {
        (None, [name], Some(contexts)) => {
            let line =
                CommandLine::new("kubectl aad convert-kubeconfig").flag("--environment", name);
            let line = contexts.into_iter().fold(line, CommandLine::word);
            finding
                .advice(format!("did you mean `{name}`?"))
                .command(line.to_string())
        }
        _ => finding,
    }
}

fn configuration(machine: &Machine) -> Result<Vec<Finding>> {
    let Some(why) = &machine.configuration else {
        return Ok(Vec::new());
    };
    let finding = Finding::from(why);
    Ok(vec![match at_fault(&machine.host) {
        Some(variable) => finding.command(unset(variable)),
        None => finding,
    }])
}

/// The variable that is at fault: one that names a file that can't be used, or a profile that is not in the file.
fn at_fault(host: &Host) -> Option<&'static str> {
    let is_set = |name: &&str| host.var_nonempty(name).is_some();
    match config::read(host) {
        Err(_) => Some(FILE_VARIABLE).filter(is_set),
        Ok(None) => Some(PROFILE_VARIABLE).filter(is_set),
        Ok(Some(file)) => {
            let wanted = host.var_nonempty(PROFILE_VARIABLE)?;
            let has_profile = file.profiles.iter().any(|(name, _)| name == wanted);
            (!has_profile).then_some(PROFILE_VARIABLE)
        }
    }
}
