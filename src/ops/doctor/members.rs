//! Checks of which kubeconfigs there are, and whether they can be read and written.

use std::path::{Path, PathBuf};

use super::{
    Check, Finding, Machine, Run, Severity,
    kubeconfigs::{KubeconfigFile, State},
};
use crate::{
    error::Result,
    host::file::{Owner, Unreadable, quoted},
    kubeconfig::file::check_writable,
    sentence::quoted as in_backquotes,
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "AAD009",
        title: "KUBECONFIG names files that do not exist, or nothing",
        severity: Severity::Note,
        why: "kubectl skips them without a word, so that contexts may seem to be missing.",
        remedy: "Set KUBECONFIG to the files that exist, in the shell's startup file, too.",
        run: Run::Files(absent),
    },
    Check {
        code: "AAD010",
        title: "a kubeconfig can't be read",
        severity: Severity::Problem,
        why: "kubectl and this program fail with any command, or do without the contexts in it.",
        remedy: "Give yourself permission to read the file, remove a link that leads nowhere, or take the file out of KUBECONFIG.",
        run: Run::Files(unreadable),
    },
    Check {
        code: "AAD011",
        title: "a kubeconfig can't be written",
        severity: Severity::Note,
        why: "`sync`, `kubectl config use-context` and the like can't change it.",
        remedy: "Give yourself permission to write the file and its directory; or write the contexts to another file with `--kubeconfig`.",
        run: Run::Files(unwritable),
    },
];

fn absent(machine: &Machine) -> Result<Vec<Finding>> {
    let Some(list) = machine.host.var_os_nonempty("KUBECONFIG") else {
        return Ok(Vec::new());
    };
    let members: Vec<PathBuf> = std::env::split_paths(list).collect();
    let (there, lacking): (Vec<_>, Vec<_>) = members
        .into_iter()
        .partition(|member| std::fs::symlink_metadata(member).is_ok());
    // The first sync makes the file that is named.
    if there.is_empty() || lacking.is_empty() {
        return Ok(Vec::new());
    }
    let (empty, missing): (Vec<_>, Vec<_>) = lacking
        .into_iter()
        .partition(|member| member.as_os_str().is_empty());
    let mut parts = Vec::new();
    if !missing.is_empty() {
        let names = missing.iter().map(|member| member.display().to_string());
        let verb = match missing.len() {
            1 => "does",
            _ => "do",
        };
        parts.push(format!(
            "{}, which {verb} not exist",
            in_backquotes(names).join(", ")
        ));
    }
    if !empty.is_empty() {
        parts.push("an empty name".to_owned());
    }
    let finding = Finding::new(format!("`KUBECONFIG` names {}", parts.join(", and ")));
    Ok(vec![match std::env::join_paths(&there) {
        Ok(list) => finding.command(export(Path::new(&list))),
        Err(_) => finding,
    }])
}

fn export(list: &Path) -> String {
    match cfg!(windows) {
        true => format!("$env:KUBECONFIG = {}", quoted(list)),
        false => format!("export KUBECONFIG={}", quoted(list)),
    }
}

fn unreadable(machine: &Machine) -> Result<Vec<Finding>> {
    let files = machine.kubeconfigs()?.files.iter();
    let unreadable = files.filter_map(|file| match &file.state {
        State::Unreadable(why) => Some(of_unreadable(file, why)),
        _ => None,
    });
    Ok(unreadable.collect())
}

fn of_unreadable(file: &KubeconfigFile, why: &Unreadable) -> Finding {
    let path = &file.path;
    let finding = Finding::new(format!("`{}`: {why}", path.display()));
    match why {
        Unreadable::NotReadable { owner } => finding.command(own(path, *owner, "u+r")),
        Unreadable::NotSearchable { directory, owner } => {
            finding.command(own(directory, *owner, "u+x"))
        }
        Unreadable::DanglingLink { .. } => finding
            .advice("bring the target back, or remove the link:")
            .command(remove(path)),
        _ => match why.hint(path) {
            Some(hint) => finding.advice(hint),
            None => finding.advice("name another file in `KUBECONFIG`"),
        },
    }
}

pub(super) fn remove(path: &Path) -> String {
    match cfg!(windows) {
        true => format!("Remove-Item {}", quoted(path)),
        false => format!("rm {}", quoted(path)),
    }
}

/// Gives a file this mode; one of another user becomes this user's.
pub(super) fn own(path: &Path, owner: Option<Owner>, mode: &str) -> String {
    match owner.is_none_or(Owner::is_us) {
        true => format!("chmod {mode} {}", quoted(path)),
        false => format!("sudo chown \"$(id -u):$(id -g)\" {}", quoted(path)),
    }
}

fn unwritable(machine: &Machine) -> Result<Vec<Finding>> {
    let files = machine.usable_files()?;
    Ok(files.filter_map(|file| of_unwritable(&file.path)).collect())
}

fn of_unwritable(path: &Path) -> Option<Finding> {
    let why = check_writable(path).err()?;
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = target.parent().unwrap_or(Path::new("/")).to_owned();
    let finding = Finding::from(&why);
    let lacks = |file: &Path, bit: u32| {
        Owner::of(file).filter(|owner| !owner.is_us() || owner.mode & bit != bit)
    };
    let mut commands = Vec::new();
    if let Some(owner) = lacks(&target, 0o200) {
        commands.push(own(&target, Some(owner), "u+w"));
    }
    if let Some(owner) = lacks(&directory, 0o300) {
        commands.push(own(&directory, Some(owner), "u+wx"));
    }
    Some(match commands.is_empty() {
        true => finding,
        false => commands.into_iter().fold(
            Finding {
                advice: None,
                ..finding
            },
            Finding::command,
        ),
    })
}
