//! What a prune asks and tells.

use std::{collections::BTreeSet, ffi::OsStr, path::Path};

pub(in crate::cli) use super::document::PruneDocument;
use super::{
    super::{
        output,
        screen::{Stream, shorten},
    },
    findings::{Line, NAMED as LISTED, can_be_typed, with_command},
    fitted::Column,
    groups,
    table::table,
};
use crate::{
    error::printable,
    fleet::{ClusterId, Removable, RemovedEntries},
    login::CommandLine,
    ops::prune::PruneReport,
    sentence::{all_of, first_of},
};

/// How many entries a question names.
const NAMED: usize = 40;

const COLUMNS: [Column; 4] = [
    Column::new("CONTEXT", 4),
    Column::new("CLUSTER", 3),
    Column::new("GROUP", 2),
    Column::new("SUBSCRIPTION", 1),
];

/// What would be removed, one line each.
pub(in crate::cli) fn removal_lines(
    what: Removable,
    removed: &[RemovedEntries],
    stream: &Stream,
) -> Vec<String> {
    let ids: BTreeSet<_> = removed.iter().map(|one| one.id.to_lowercase()).collect();
    let entries = match what {
        Removable::Kubeconfigs => "kubeconfigs",
        Removable::Entries | Removable::Credentials => "entries",
    };
    let can_be = match (what, ids.len()) {
        (Removable::Credentials, 1) => {
            "the administrator's credential of 1 cluster can be removed:".to_owned()
        }
        (Removable::Credentials, count) => {
            format!("the administrators' credentials of {count} clusters can be removed:")
        }
        (_, 1) => format!("1 cluster no longer exists, and its {entries} can be removed:"),
        (_, count) => {
            format!("{count} clusters no longer exist, and their {entries} can be removed:")
        }
    };
    let width = stream.width().unwrap_or(usize::MAX);
    let shown = removed.iter().take(NAMED).map(|entries| {
        let name = printable(called(what, entries));
        let line = match ClusterId::parse(&entries.id) {
            Ok(id) => format!("  {name} ({}/{})", id.resource_group, id.name),
            Err(_) => format!("  {name}"),
        };
        shorten(&line, width, stream.ellipsis())
    });
    let mut lines = stream.wrapped(&can_be);
    lines.extend(shown);
    if removed.len() > NAMED {
        lines.push(format!(
            "  and {} more: `--dry-run -o wide` shows all",
            removed.len() - NAMED
        ));
    }
    lines
}

/// What a person knows removed entries by: the name of a context, or of a file.
fn called(what: Removable, removed: &RemovedEntries) -> &str {
    let file = removed.file.file_name().and_then(OsStr::to_str);
    match what {
        Removable::Kubeconfigs => file.unwrap_or(removed.name()),
        Removable::Entries | Removable::Credentials => removed.name(),
    }
}

/// The question below these lines.
pub(in crate::cli) fn removal_question(what: Removable, removed: &[RemovedEntries]) -> String {
    format!("Remove {}?", counted(what, removed))
}

/// `2 contexts, 2 clusters and 1 user`.
fn counted(what: Removable, removed: &[RemovedEntries]) -> String {
    if what == Removable::Kubeconfigs {
        return match removed.len() {
            1 => "1 kubeconfig".to_owned(),
            count => format!("{count} kubeconfigs"),
        };
    }
    let count = |of: fn(&RemovedEntries) -> &Option<String>| {
        let names = removed.iter().filter_map(|one| of(one).as_deref());
        names.collect::<BTreeSet<_>>().len()
    };
    let counts = [
        (count(|one| &one.context), "context"),
        (count(|one| &one.cluster), "cluster"),
        (count(|one| &one.user), "user"),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts
        .map(|(count, what)| match count {
            1 => format!("1 {what}"),
            count => format!("{count} {what}s"),
        })
        .collect();
    all_of(&counts, "and")
}

impl PruneDocument {
    /// The table of what is removed, in at most `width` columns; empty if nothing is.
    pub(in crate::cli) fn table(&self, width: Option<usize>) -> String {
        if self.removed.is_empty() {
            return String::new();
        }
        let rows = self.removed.iter().map(|row| {
            let context = row.context.clone().unwrap_or_default();
            match ClusterId::parse(&row.id) {
                Ok(id) => vec![context, id.name, id.resource_group, id.subscription_id],
                Err(_) => vec![context, String::new(), String::new(), String::new()],
            }
        });
        table(&COLUMNS, rows.collect(), width)
    }

    /// The contexts that are removed.
    pub(in crate::cli) fn names(&self) -> String {
        let names = self.removed.iter().filter_map(|row| row.context.as_deref());
        names.map(|name| format!("{}\n", printable(name))).collect()
    }
}

/// What a prune tells a person beside the table.
pub(in crate::cli) struct PruneLines<'a> {
    pub(in crate::cli) report: &'a PruneReport,
    /// kubectl, with the kubeconfig if it would use another one.
    pub(in crate::cli) kubectl: CommandLine,
    pub(in crate::cli) home: Option<&'a Path>,
    pub(in crate::cli) dry_run: bool,
    /// Whether a table or a question has named what is removed.
    pub(in crate::cli) are_named: bool,
}

impl PruneLines<'_> {
    /// What was kept and why, as a terminal shows it.
    pub(in crate::cli) fn kept(&self, stream: &Stream) -> Vec<String> {
        groups::lines(&groups::kept(&self.report.kept), stream)
    }

    /// What was kept because something failed.
    pub(in crate::cli) fn failed(&self, stream: &Stream) -> Vec<String> {
        let mut failed = self.report.kept.clone();
        failed.retain(|entry| entry.reason.is_incomplete());
        groups::lines(&groups::kept(&failed), stream)
    }

    /// Whether there is anything to tell.
    pub(in crate::cli) fn has_any(&self) -> bool {
        let report = self.report;
        !report.removed.is_empty() || report.declined || !report.kept.is_empty()
    }

    /// What was done, and what to do next.
    pub(in crate::cli) fn lines(&self) -> Vec<Line> {
        let mut lines = vec![Line::Text(self.outcome())];
        lines.extend(self.about_credentials().into_iter().map(Line::Text));
        let Some(unset) = &self.report.unset else {
            return lines;
        };
        let said = match self.dry_run {
            true => format!("the current context `{unset}` would be unset"),
            false => format!("the current context was `{unset}`: none is set now"),
        };
        lines.push(Line::Text(said));
        if !self.dry_run {
            let config = self.kubectl.clone().word("config");
            let another = self.report.another.as_deref();
            let choose = match another.filter(|name| can_be_typed(name)) {
                Some(name) => config.word("use-context").word(name),
                None => config.word("get-contexts"),
            };
            let hint = "hint: to choose another one".to_owned();
            lines.extend(with_command(hint, choose.to_string()));
        }
        lines
    }

    /// What is to be known about credentials that were removed.
    fn about_credentials(&self) -> Vec<String> {
        let report = self.report;
        let backups = match report.removed_backups {
            0 => None,
            1 => Some("removed 1 backup that held an administrator's credential".to_owned()),
            count => Some(format!(
                "removed {count} backups that held administrators' credentials"
            )),
        };
        let is_removed = report.what == Removable::Credentials && !report.removed.is_empty();
        let for_good = (is_removed && !self.dry_run).then(|| {
            "no backup is kept: `kubectl aad undo` does not bring them back; a copy elsewhere is valid until \
             `az aks rotate-certs`"
                .to_owned()
        });
        backups.into_iter().chain(for_good).collect()
    }

    fn outcome(&self) -> String {
        let PruneReport {
            removed,
            kept,
            existing,
            written_to,
            what,
            ..
        } = self.report;
        if removed.is_empty() {
            return match (kept.is_empty(), existing) {
                _ if self.report.declined => "nothing was removed".to_owned(),
                (true, _) if *what == Removable::Credentials => {
                    "nothing to remove: the kubeconfig has no administrator's credential of `sync --admin`".to_owned()
                }
                (true, 0) => {
                    "nothing to remove: the kubeconfig has no entries of `sync`".to_owned()
                }
                (true, 1) => "nothing to remove: the cluster exists".to_owned(),
                (true, count) => format!("nothing to remove: all {count} clusters exist"),
                (false, _) => "nothing was removed".to_owned(),
            };
        }
        let counted = counted(*what, removed);
        let names: Vec<_> = removed.iter().map(|one| called(*what, one)).collect();
        let names = match self.are_named {
            true => String::new(),
            false => format!(": {}", first_of(&names, LISTED)),
        };
        if self.dry_run {
            return format!("would remove {counted}{names}");
        }
        if *what == Removable::Kubeconfigs {
            return format!("removed {counted}{names}");
        }
        let files = written_to.iter();
        let files: Vec<_> = files.map(|path| output::path(path, self.home)).collect();
        format!("removed {counted} from {}{names}", all_of(&files, "and"))
    }
}
