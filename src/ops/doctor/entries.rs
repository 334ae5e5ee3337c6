//! Checks of the users in kubeconfigs: the programs that they run, and the secrets that they hold.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    Check, Finding, Machine, Run, Severity, kubeconfigs::KubeconfigFile, kuberc::scalar,
    plugin::NAME,
};
use crate::{
    error::{Result, printable},
    host::Host,
    kubeconfig::plain_secrets,
    login::CommandLine,
    sentence::{all_of, some_of},
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "AAD007",
        title: "entries run kubelogin, which is not installed",
        severity: Severity::Problem,
        why: "kubectl can't sign in with these entries: `exec: executable kubelogin not found`.",
        remedy: "Let the entries run this plugin (`kubectl aad convert-kubeconfig`), which takes over their accounts and login modes; or install kubelogin.",
        run: Run::Files(without_kubelogin),
    },
    Check {
        code: "AAD008",
        title: "entries run a program that does not exist, or by a relative path",
        severity: Severity::Problem,
        why: "kubectl can't sign in without the program. It looks for a relative path beside the kubeconfig, so that the entry breaks when it is copied.",
        remedy: "Install the program, or correct `command` of the users by hand: `kubectl config set-credentials --exec-command` would drop their arguments. Users of this plugin are corrected by `kubectl aad convert-kubeconfig`.",
        run: Run::Files(missing_programs),
    },
    Check {
        code: "AAD019",
        title: "entries hold secrets in plain text",
        severity: Severity::Note,
        why: "Everybody who can read the file, or a copy or backup of it, can sign in with them.",
        remedy: "Give a client secret or a password in a variable; remove administrators' credentials that you don't need with `kubectl aad prune --admin`, and other entries with `kubectl config delete-user`.",
        run: Run::Files(secrets),
    },
];

/// Users of one file that run the same command.
struct Users<'f> {
    file: &'f KubeconfigFile,
    command: String,
    names: Vec<&'f str>,
}

/// The commands of all users.
fn by_command(machine: &Machine) -> Result<Vec<Users<'_>>> {
    let mut found = Vec::new();
    for file in machine.usable_files()? {
        let mut commands: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, user) in &file.users {
            if let Some(command) = user.pointer("/exec/command").and_then(Value::as_str) {
                commands.entry(command).or_default().push(name);
            }
        }
        found.extend(commands.into_iter().map(|(command, names)| Users {
            file,
            command: command.to_owned(),
            names,
        }));
    }
    Ok(found)
}

impl Users<'_> {
    /// `` `FILE`: users `a` and `b` run `COMMAND` ``.
    fn run(&self) -> String {
        let (users, run) = match self.names.len() {
            1 => ("user", "runs"),
            _ => ("users", "run"),
        };
        format!(
            "`{}`: {users} {} {run} `{}`",
            self.file.path.display(),
            some_of(&self.names),
            printable(&self.command)
        )
    }

    /// The name of the program, without directories and `.exe`.
    fn program(&self) -> String {
        let name = self.command.rsplit(['/', '\\']).next().unwrap_or_default();
        name.strip_suffix(".exe").unwrap_or(name).to_owned()
    }

    fn is_path(&self) -> bool {
        self.command.contains(std::path::is_separator)
    }

    /// What kubectl would start: a relative path is one beside the kubeconfig.
    fn resolved(&self, host: &Host) -> Option<PathBuf> {
        if !self.is_path() {
            return host.find_program(&self.command);
        }
        let directory = self.file.path.parent().unwrap_or(Path::new(""));
        // Without `./` in it.
        let path: PathBuf = directory.join(&self.command).components().collect();
        path.is_file().then_some(path)
    }

    /// The command that lets these users run this plugin.
    fn conversion(&self) -> String {
        let file = self.file.path.display().to_string();
        CommandLine::new("kubectl aad convert-kubeconfig")
            .flag_some("--kubeconfig", &file)
            .to_string()
    }
}

fn without_kubelogin(machine: &Machine) -> Result<Vec<Finding>> {
    let users = by_command(machine)?.into_iter();
    let lacking = users
        .filter(|users| users.program() == "kubelogin" && users.resolved(&machine.host).is_none());
    Ok(lacking
        .map(|users| {
            Finding::new(users.run())
                .advice("let them run this plugin instead, with the same accounts:")
                .command(users.conversion())
        })
        .collect())
}

fn missing_programs(machine: &Machine) -> Result<Vec<Finding>> {
    let users = by_command(machine)?.into_iter();
    // These have checks of their own.
    let others = users.filter(|users| users.program() != "kubelogin" && users.command != NAME);
    Ok(others
        .filter_map(|users| missing_program(&users, &machine.host))
        .collect())
}

fn missing_program(users: &Users<'_>, host: &Host) -> Option<Finding> {
    let path = users.resolved(host);
    let is_relative = users.is_path() && !Path::new(&users.command).is_absolute();
    let (what, command) = match &path {
        Some(path) if is_relative => (", a relative path", path.display().to_string()),
        Some(_) => return None,
        None if users.is_path() => (", which does not exist", users.program()),
        None => (", which is not on the `PATH`", users.program()),
    };
    let finding = Finding::new(format!("{}{what}", users.run()));
    let exists = path.is_some() || host.find_program(&command).is_some();
    Some(match (users.program() == NAME, exists) {
        (true, _) => finding.command(users.conversion()),
        (false, true) => finding
            .advice(format!(
                "correct it in `{}`, for each of these users:",
                users.file.path.display()
            ))
            .lines([format!("command: {}", scalar(&command))]),
        (false, false) => finding.advice(format!(
            "install `{}`, or remove the entries",
            printable(&users.command)
        )),
    })
}

fn secrets(machine: &Machine) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in machine.usable_files()? {
        let mut kinds: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (name, user) in &file.users {
            let secrets = plain_secrets(user);
            if !secrets.is_empty() {
                kinds.entry(all_of(&secrets, "and")).or_default().push(name);
            }
        }
        findings.extend(
            kinds
                .into_iter()
                .map(|(what, names)| of_secrets(file, &what, &names)),
        );
    }
    Ok(findings)
}

fn of_secrets(file: &KubeconfigFile, what: &str, names: &[&str]) -> Finding {
    let (users, have) = match names.len() {
        1 => ("user", "has"),
        _ => ("users", "have"),
    };
    let found = format!(
        "`{}`: {users} {} {have} {what}",
        file.path.display(),
        some_of(names)
    );
    let finding = Finding::new(found);
    let is_admin = |name: &&str| {
        let of_name = file.users.iter().find(|(one, _)| one == name);
        of_name.is_some_and(|(_, user)| crate::kubeconfig::is_admin(user))
    };
    let path = file.path.display().to_string();
    if names.iter().all(is_admin) {
        let prune = CommandLine::new("kubectl aad prune --admin").flag_some("--kubeconfig", &path);
        return finding
            .advice("remove the administrators' entries when you don't need them:")
            .command(prune.to_string());
    }
    if what.contains("--client-secret") || what.contains("_SECRET") {
        return finding
            .advice("set `AZURE_CLIENT_SECRET` instead, and write the entries without it");
    }
    finding.advice("if you don't need them, remove the contexts and users that have them")
}
