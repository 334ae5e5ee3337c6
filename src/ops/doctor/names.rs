//! Checks of the names in kubeconfigs: those that hide others, and those that lead nowhere.

use super::{Check, Finding, Machine, Run, Severity};
use crate::{
    error::{Result, printable},
    kubeconfig::{Hidden, Section},
    login::CommandLine,
    near,
    sentence::some_of,
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "AAD014",
        title: "files have different entries of the same name",
        severity: Severity::Problem,
        why: "kubectl uses the one of the first file, so that a context of another file may lead to another cluster or sign in as somebody else.",
        remedy: "Rename one of them, or remove the one that is hidden.",
        run: Run::Files(hidden),
    },
    Check {
        code: "AAD015",
        title: "contexts name a cluster or a user that does not exist",
        severity: Severity::Problem,
        why: "Without its cluster kubectl uses localhost:8080; without its user it fails.",
        remedy: "Remove the contexts (`kubectl config delete-context`), or let `kubectl aad sync` write the entries of its clusters again.",
        run: Run::Files(dangling),
    },
    Check {
        code: "AAD016",
        title: "the current context does not exist",
        severity: Severity::Problem,
        why: "Every kubectl without `--context` fails: `context was not found for specified context`.",
        remedy: "Choose another one (`kubectl config use-context`), or none (`kubectl config unset current-context`).",
        run: Run::Files(current),
    },
    Check {
        code: "AAD051",
        title: "contexts have the form of an earlier version",
        severity: Severity::Note,
        why: "They work, but a context that is copied or renamed by hand may count twice.",
        remedy: "`kubectl aad sync` writes them in today's form.",
        run: Run::Files(old_form),
    },
];

/// How many commands a finding has at most. It says that the next run has the others.
const COMMANDS: usize = 10;

fn hidden(machine: &Machine) -> Result<Vec<Finding>> {
    let hidden = &machine.faults()?.hidden;
    let pairs = hidden.chunk_by(|one, next| (&one.file, one.section) == (&next.file, next.section));
    Ok(pairs.filter_map(of_hidden).collect())
}

/// The finding for entries of one list of a file.
fn of_hidden(entries: &[Hidden]) -> Option<Finding> {
    let first = entries.first()?;
    let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let found = format!(
        "`{}`: kubectl does not see its {} {}, because of those in `{}`",
        first.file.display(),
        first.section.list(),
        some_of(&names),
        first.behind.display()
    );
    let typed: Vec<_> = entries
        .iter()
        .filter(|entry| can_be_typed(&entry.name))
        .collect();
    let advice = "rename them in one of the files, or remove those that are not seen";
    let finding = match typed.len().saturating_sub(COMMANDS) {
        0 => Finding::new(found).advice(format!("{advice}:")),
        more => Finding::new(found).advice(format!("{advice}; {}:", next_run(more))),
    };
    let typed = typed.into_iter();
    let commands = typed.take(COMMANDS).map(|entry| {
        CommandLine::new("kubectl")
            .flag("--kubeconfig", &entry.file.display().to_string())
            .word("config")
            .word(&format!("delete-{}", entry.section.item()))
            .name(&entry.name)
            .to_string()
    });
    Some(commands.fold(finding, Finding::command))
}

fn dangling(machine: &Machine) -> Result<Vec<Finding>> {
    let dangling = &machine.faults()?.dangling;
    let of = |section: Section| {
        let contexts: Vec<_> = dangling
            .iter()
            .filter(|one| one.section == section)
            .map(|one| one.context.as_str())
            .collect();
        (!contexts.is_empty()).then(|| of_dangling(section, &contexts))
    };
    Ok([Section::Clusters, Section::Users]
        .into_iter()
        .filter_map(of)
        .collect())
}

fn of_dangling(section: Section, contexts: &[&str]) -> Finding {
    let what = section.item();
    let found = match contexts.len() {
        1 => format!(
            "the {what} of the context {} does not exist",
            some_of(contexts)
        ),
        _ => format!(
            "the {what}s of the contexts {} do not exist",
            some_of(contexts)
        ),
    };
    let typed: Vec<_> = contexts
        .iter()
        .filter(|context| can_be_typed(context))
        .collect();
    let finding = match typed.len().saturating_sub(COMMANDS) {
        0 => Finding::new(found),
        more => Finding::new(found).advice(format!("run these; {}:", next_run(more))),
    };
    let commands = typed.into_iter().take(COMMANDS).map(|context| {
        let line = CommandLine::new("kubectl config delete-context");
        line.name(context).to_string()
    });
    commands.fold(finding, Finding::command)
}

/// Says that a finding does not have all commands.
fn next_run(more: usize) -> String {
    format!("the next `kubectl aad doctor` shows {more} more")
}

/// Whether a name in a command that people paste is the entry's: a terminal shows it as it is.
fn can_be_typed(name: &str) -> bool {
    printable(name) == name
}

fn current(machine: &Machine) -> Result<Vec<Finding>> {
    let faults = machine.faults()?;
    let Some((name, file)) = &faults.no_such_current else {
        return Ok(Vec::new());
    };
    let found = format!(
        "`{}` has the current context `{}`, which does not exist",
        file.display(),
        printable(name)
    );
    let near = near::near(name, faults.contexts.iter().map(String::as_str));
    let finding = Finding::new(found);
    let near = near.first().filter(|near| can_be_typed(near));
    Ok(vec![match near {
        Some(near) => finding
            .advice("choose the one with the nearest name, or another one:")
            .command(
                CommandLine::new("kubectl config use-context")
                    .name(near)
                    .to_string(),
            ),
        None => finding
            .advice("choose another one with `kubectl config use-context`, or none:")
            .command("kubectl config unset current-context"),
    }])
}

fn old_form(machine: &Machine) -> Result<Vec<Finding>> {
    let old = &machine.faults()?.old_form;
    if old.is_empty() {
        return Ok(Vec::new());
    }
    let finding = Finding::new(format!(
        "an earlier version wrote the contexts {}",
        some_of(old)
    ));
    Ok(vec![
        finding
            .advice("with the flags that you sync with:")
            .command("kubectl aad sync"),
    ])
}
