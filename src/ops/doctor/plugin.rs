//! Checks of this program as a plugin: where kubectl finds it, and what krew knows of it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use futures::{FutureExt as _, future::join_all};

use super::{Check, Finding, Machine, Run, Severity, kubectl::path_with, machine::PROGRAM_TIMEOUT};
use crate::{
    error::Result,
    host::{Host, file::quoted, process},
    ops::completion::LINK,
};

/// The name under which kubectl looks for `kubectl aad`, and entries for their plugin.
pub(super) const NAME: &str = "kubectl-aad";

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "AAD002",
        title: "kubectl does not find the plugin",
        severity: Severity::Problem,
        why: "`kubectl aad`, and every entry that `sync` writes, needs a program called `kubectl-aad` on the PATH.",
        remedy: "Add the directory with `kubectl-aad` to the PATH, in the shell's startup file, too; install it with krew (`kubectl krew install aad`); or make the file executable.",
        run: Run::Files(not_on_path),
    },
    Check {
        code: "AAD003",
        title: "the PATH has another copy of the plugin, of another version",
        severity: Severity::Problem,
        why: "kubectl runs the first one on the PATH, which need not be the one that was updated.",
        remedy: "Keep one copy and remove the others: with `kubectl krew uninstall aad`, the package manager or `rm`.",
        run: Run::Programs(|machine| other_copies(machine).boxed_local()),
    },
    Check {
        code: "AAD004",
        title: "krew's installation of the plugin is not whole",
        severity: Severity::Problem,
        why: "krew believes that it has installed the plugin, so that `kubectl krew install aad` does nothing, but kubectl can't run it.",
        remedy: "Add `$KREW_ROOT/bin` (`~/.krew/bin`) to the PATH; reinstall the plugin if its link or its program is gone.",
        run: Run::Files(krew),
    },
    Check {
        code: "AAD052",
        title: "completion is not installed",
        severity: Severity::Note,
        why: "With it `kubectl aad <TAB>` completes commands, flags, contexts and clusters. krew links the plugin alone.",
        remedy: "Run `kubectl aad completion install`, and again after an update with krew.",
        run: Run::Files(without_completion),
    },
];

fn not_on_path(machine: &Machine) -> Result<Vec<Finding>> {
    let host = &machine.host;
    if host.find_program(NAME).is_some() {
        return Ok(Vec::new());
    }
    if let Some(file) = host.find_not_executable(NAME) {
        let found = format!("`{}` may not be executed", file.display());
        return Ok(vec![
            Finding::new(found).command(format!("chmod +x {}", quoted(&file))),
        ]);
    }
    let finding = Finding::new(format!("no directory of the `PATH` has a `{NAME}`"));
    let Some(program) = host.this_program() else {
        return Ok(vec![
            finding.advice("install it: `kubectl krew install aad`"),
        ]);
    };
    let directory = program.parent().unwrap_or(Path::new("/")).to_owned();
    let advice = "for this shell, and in its startup file for later ones:";
    let is_named = program.file_stem().is_some_and(|name| name == NAME);
    Ok(vec![match host.home() {
        Err(_) => finding.advice(advice).command(path_with(&directory)),
        Ok(_) if is_named || cfg!(windows) => finding.advice(advice).command(path_with(&directory)),
        Ok(home) => linked(finding, &program, &home).advice(advice),
    }])
}

/// Gives a program that has another name a link of the right one.
fn linked(finding: Finding, program: &Path, home: &Path) -> Finding {
    let directory = home.join(".local").join("bin");
    finding
        .command(format!("mkdir -p {}", quoted(&directory)))
        .command(format!(
            "ln -sf {} {}",
            quoted(program),
            quoted(&directory.join(NAME))
        ))
        .command(path_with(&directory))
}

/// A copy of the plugin, and what it says of its version.
struct Copy {
    path: PathBuf,
    version: String,
}

async fn other_copies(machine: &Machine) -> Result<Vec<Finding>> {
    let host = &machine.host;
    let Some(this) = host.this_program() else {
        return Ok(Vec::new());
    };
    let others = different(host.find_programs(NAME), &this);
    if others.is_empty() {
        return Ok(Vec::new());
    }
    let first = host.find_program(NAME);
    let asked = others.iter().chain([&this]).map(|path| version(path, host));
    let mut copies: Vec<Copy> = join_all(asked).await.into_iter().flatten().collect();
    let Some(own) = copies.pop().filter(|own| own.path == this) else {
        return Ok(Vec::new());
    };
    copies.retain(|copy| copy.version != own.version);
    let findings = copies.iter().map(|copy| {
        let place = match Some(&copy.path) == first.as_ref() {
            true => "kubectl runs",
            false => "the `PATH` also has",
        };
        let found = format!(
            "{place} `{}` ({}); this is `{}` ({})",
            copy.path.display(),
            copy.version,
            this.display(),
            own.version
        );
        Finding::new(found)
            .advice("keep one of them; to keep this one:")
            .command(removal(&copy.path, host))
    });
    Ok(findings.collect())
}

/// The programs that are not `this` one, each once, by the files that links lead to.
fn different(programs: Vec<PathBuf>, this: &Path) -> Vec<PathBuf> {
    let target = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut seen = vec![target(this)];
    let mut others = programs;
    others.retain(|program| {
        let target = target(program);
        let is_new = !seen.contains(&target);
        seen.push(target);
        is_new
    });
    others
}

/// None if it does not tell.
async fn version(path: &Path, host: &Host) -> Option<Copy> {
    let run = process::Run {
        program: path.to_str()?,
        args: vec!["version".into()],
        timeout: PROGRAM_TIMEOUT,
        unless_empty: &[],
    };
    let finished = host.run(run).await.ok();
    let version = finished.filter(|finished| finished.ended == process::Ended::Code(0));
    let version = version.and_then(|finished| {
        let line = finished.stdout.expose().lines().next()?.trim().to_owned();
        Some(
            line.strip_prefix("kubectl-aad ")
                .unwrap_or(&line)
                .to_owned(),
        )
    });
    Some(Copy {
        path: path.to_owned(),
        version: version.unwrap_or_else(|| "its version is unknown".to_owned()),
    })
}

/// The command that removes a copy, with the program that installed it if that is krew.
fn removal(copy: &Path, host: &Host) -> String {
    let by_krew = krew_root(host).is_some_and(|root| copy.starts_with(&root));
    match (by_krew, cfg!(windows)) {
        (true, _) => "kubectl krew uninstall aad".to_owned(),
        (false, true) => format!("Remove-Item {}", quoted(copy)),
        (false, false) => format!("rm {}", quoted(copy)),
    }
}

/// Where krew installs (krew's `environment.MustGetKrewPaths`).
fn krew_root(host: &Host) -> Option<PathBuf> {
    match host.var_os_nonempty("KREW_ROOT") {
        Some(root) => Some(PathBuf::from(root)),
        None => Some(host.home().ok()?.join(".krew")),
    }
}

/// krew has a receipt for what it has installed, a store with its versions, and a link to the one that is in use.
fn krew(machine: &Machine) -> Result<Vec<Finding>> {
    let host = &machine.host;
    let Some(root) = krew_root(host) else {
        return Ok(Vec::new());
    };
    let link = root.join("bin").join(link_name());
    let receipt = root.join("receipts").join("aad.yaml");
    if fs::symlink_metadata(&link).is_err() && !receipt.is_file() {
        return Ok(Vec::new());
    }
    let reinstall = |found: String| {
        Finding::new(found)
            .command("kubectl krew uninstall aad")
            .command("kubectl krew install aad")
    };
    let mut findings = Vec::new();
    let target = fs::read_link(&link).ok();
    let shown = link.display();
    if fs::symlink_metadata(&link).is_err() {
        findings.push(reinstall(format!("`{shown}` is missing")));
    } else if let Some(target) = target {
        let target = root.join("bin").join(target);
        if !target.exists() {
            let found = format!(
                "`{shown}` is a link to `{}`, which is gone",
                target.display()
            );
            findings.push(reinstall(found));
        } else if receipt.is_file() && !is_in(&target, &root.join("store").join("aad")) {
            let found = format!(
                "`{shown}` is a link to `{}`, not to krew's store",
                target.display()
            );
            findings.push(reinstall(found));
        }
    }
    let directory = root.join("bin");
    if findings.is_empty() && !is_on_path(&directory, host) {
        let found = format!(
            "krew's directory `{}` is not on the `PATH`",
            directory.display()
        );
        let finding =
            Finding::new(found).advice("for this shell, and in its startup file for later ones:");
        findings.push(finding.command(path_with(&directory)));
    }
    Ok(findings)
}

/// kubectl asks a program of this name (`k8s.io/kubectl/pkg/cmd/util/plugin_completion.go`).
fn without_completion(machine: &Machine) -> Result<Vec<Finding>> {
    let is_there = |name| machine.host.find_program(name).is_some();
    if is_there(LINK) || !is_there(NAME) {
        return Ok(Vec::new());
    }
    let found = format!("no directory of the `PATH` has a `{LINK}`");
    Ok(vec![
        Finding::new(found).command("kubectl aad completion install"),
    ])
}

fn link_name() -> &'static str {
    match cfg!(windows) {
        true => "kubectl-aad.exe",
        false => NAME,
    }
}

fn is_in(path: &Path, directory: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).ok();
    match (real(path), real(directory)) {
        (Some(path), Some(directory)) => path.starts_with(directory),
        _ => false,
    }
}

fn is_on_path(directory: &Path, host: &Host) -> bool {
    let path = host.var_os("PATH").unwrap_or_default();
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    std::env::split_paths(path).any(|one| real(&one) == real(directory))
}
