//! The last lines of a conversion: how many users were converted, to what and where.

use std::path::Path;

use super::{
    super::output,
    names::{grouped, listed},
    report::View,
};
use crate::{
    error::printable,
    kubeconfig::convert::{EXEC_COMMAND, SourcePlugin, UserAction, UserOutcome, is_ours},
    login::LoginMode,
    ops::convert::Destination,
};

/// The lines.
pub(super) fn lines(view: &View<'_>) -> Vec<String> {
    let report = view.report;
    if report.files.is_empty() {
        return vec!["nothing to convert: there is no kubeconfig".to_owned()];
    }
    let count = Counts {
        converted: report.count(UserAction::Converted),
        unchanged: report.count(UserAction::Unchanged),
        failed: report.count(UserAction::Failed),
    };
    match (count.converted, report.dry_run) {
        (0, _) => vec![view.nothing(&count)],
        (_, true) => view.planned(&count),
        (_, false) => vec![view.done(&count)],
    }
}

struct Counts {
    converted: usize,
    unchanged: usize,
    failed: usize,
}

impl View<'_> {
    /// What a dry run would convert, a line for all users alike.
    fn planned(&self, count: &Counts) -> Vec<String> {
        let converted = self.converted().map(|user| {
            let target = match self.report.mode {
                Some(_) => self.target(None),
                None => self.target(user.to),
            };
            let key = (target, self.place(Some(user)), from(user));
            (key, user.user.as_str())
        });
        let mut lines: Vec<String> = grouped(converted)
            .into_iter()
            .map(|((target, place, from), names)| {
                let (users, names) = (users(names.len()), listed(&names));
                format!("would convert {users} to {target}{place}: {names} (from {from})")
            })
            .collect();
        let others = self.others(count);
        if !others.is_empty() {
            lines.push(others.join(", "));
        }
        lines.push(match self.with_diff {
            true => "nothing was written".to_owned(),
            false => "nothing was written: add `-o diff` to see the changes".to_owned(),
        });
        lines
    }

    fn done(&self, count: &Counts) -> String {
        let modes = grouped(self.converted().map(|user| (user.to, ())));
        let (target, each) = match (self.report.mode, modes.as_slice()) {
            (None, [(mode, _)]) => (self.target(*mode), ""),
            (None, _) => (self.target(None), ", each in its own login mode"),
            (Some(_), _) => (self.target(None), ""),
        };
        let wrote = match &self.report.destination {
            Destination::InPlace => String::new(),
            other => format!(", wrote {}", self.output(other)),
        };
        let place = self.place(None);
        let converted = users(count.converted);
        let others = match self.others(count) {
            others if others.is_empty() => String::new(),
            others => format!("; {}", others.join(", ")),
        };
        format!("converted {converted} to {target}{place}{each}{wrote}{others}")
    }

    /// Why no user was converted.
    fn nothing(&self, count: &Counts) -> String {
        let report = self.report;
        let others = self.others(count).join(", ");
        let reason = match (others.is_empty(), self.by_context) {
            (false, _) => format!(": {others}"),
            (true, false) => {
                ": no user signs in with Azure's kubelogin, the azure auth provider or kubectl-aad"
                    .to_owned()
            }
            (true, true) => String::new(),
        };
        let what = match (&report.destination, report.dry_run) {
            (Destination::InPlace, _) if count.unchanged + count.failed == 0 => {
                format!("nothing to convert{}", self.files())
            }
            (Destination::InPlace, _) if count.failed == 0 => "nothing to do".to_owned(),
            (Destination::InPlace, true) => "nothing would change".to_owned(),
            (Destination::InPlace, false) => "nothing was changed".to_owned(),
            (_, true) if report.has_only_failures() => "nothing would be written".to_owned(),
            (_, false) if report.has_only_failures() => "nothing was written".to_owned(),
            (other, true) => format!("would write {} without a change", self.output(other)),
            (other, false) => format!("wrote {} without a change", self.output(other)),
        };
        format!("{what}{reason}")
    }

    fn others(&self, count: &Counts) -> Vec<String> {
        let target = self.target(None);
        let unchanged = match count.unchanged {
            0 => None,
            1 => Some(format!("1 user already uses {target}")),
            n => Some(format!("{n} users already use {target}")),
        };
        let failed = (count.failed > 0).then(|| format!("{} failed", users(count.failed)));
        unchanged.into_iter().chain(failed).collect()
    }

    fn converted(&self) -> impl Iterator<Item = &UserOutcome> {
        let users = self.report.users.iter();
        users.filter(|user| user.action == UserAction::Converted)
    }

    /// What users are converted to: a mode of our plugin, or the plugin with the mode.
    fn target(&self, own: Option<LoginMode>) -> String {
        let command = &self.report.exec_command;
        let plugin = match is_ours(command) {
            true => EXEC_COMMAND.to_owned(),
            false => printable(command),
        };
        match (self.report.mode, own) {
            (Some(mode), _) if is_ours(command) => mode.to_string(),
            (Some(mode), _) | (None, Some(mode)) => format!("{plugin} {mode}"),
            (None, None) => plugin,
        }
    }

    /// Where a user is changed, or all of them are.
    fn place(&self, user: Option<&UserOutcome>) -> String {
        let mut changed: Vec<usize> = match user {
            Some(user) => vec![user.file],
            None => self.converted().map(|user| user.file).collect(),
        };
        changed.sort_unstable();
        changed.dedup();
        match (&self.report.destination, changed.as_slice()) {
            (Destination::InPlace, [file]) => {
                let path = self.report.files.get(*file);
                path.map_or(String::new(), |path| format!(" in {}", self.path(path)))
            }
            (Destination::InPlace, files) => format!(" in {} files", files.len()),
            (Destination::File(path), _) if self.report.dry_run => {
                format!(" in {}", self.path(path))
            }
            (_, _) => String::new(),
        }
    }

    fn files(&self) -> String {
        match self.report.files.as_slice() {
            [file] => format!(" in {}", self.path(file)),
            files => format!(" in {} files", files.len()),
        }
    }

    fn output(&self, destination: &Destination) -> String {
        match destination {
            Destination::File(path) => self.path(path),
            Destination::Caller | Destination::InPlace => {
                "the kubeconfig on standard output".to_owned()
            }
        }
    }

    fn path(&self, path: &Path) -> String {
        output::path(path, self.home.as_deref())
    }
}

fn from(user: &UserOutcome) -> String {
    let mode = user.from.map_or("", LoginMode::name);
    match user.from_plugin {
        Some(SourcePlugin::Kubelogin) => format!("kubelogin {mode}"),
        Some(SourcePlugin::Ours) => format!("kubectl-aad {mode}"),
        Some(SourcePlugin::AuthProvider) | None => "the azure auth provider".to_owned(),
    }
}

fn users(count: usize) -> String {
    match count {
        1 => "1 user".to_owned(),
        count => format!("{count} users"),
    }
}
