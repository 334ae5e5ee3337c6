//! What a sync tells about the kubeconfig beside the clusters' own entries, as lines at the end.

use std::{collections::BTreeMap, path::Path};

use super::super::{
    prune::{kubectl_for, ours_for},
    screen::width,
};
use crate::{
    error::printable,
    fleet::{CurrentContext, Duplicate, Findings, WhyKept, WhyNotAdopted},
    host::Host,
    login::{CommandLine, LoginMode, Principal},
    sentence::first_of,
};

/// How many contexts a line names.
pub(super) const NAMED: usize = 10;
/// How many pairs of contexts a line names.
const PAIRS: usize = 3;
/// The longest command that is part of a sentence, in columns. A longer one has a line of its own, which a terminal may
/// wrap but nothing breaks: people paste it.
const INLINE_COMMAND: usize = 60;

/// A line for a person.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) enum Line {
    /// To be wrapped where the terminal ends.
    Text(String),
    /// Never broken.
    Command(String),
}

/// Words the findings as lines for a person, with commands for the kubeconfig of this run.
pub(in crate::cli) struct FindingsLines<'a> {
    findings: &'a Findings,
    /// The programs, with the kubeconfig if kubectl would use another one.
    kubectl: CommandLine,
    convert: CommandLine,
    /// The list to choose from, where a person can.
    choose: Option<CommandLine>,
    /// The command of this run, and the one that removes what is gone.
    sync: CommandLine,
    prune: CommandLine,
    login: LoginMode,
    dry_run: bool,
    /// Whether the run has removed what is gone, and tells so elsewhere.
    has_pruned: bool,
}

impl<'a> FindingsLines<'a> {
    /// `kubeconfig` is the value of `--kubeconfig`, `login` how the contexts sign in, `commands` the command as it was typed and
    /// the one that prunes.
    pub(in crate::cli) fn new(
        findings: &'a Findings,
        host: &Host,
        kubeconfig: Option<&Path>,
        login: LoginMode,
        (sync, prune): (CommandLine, CommandLine),
        dry_run: bool,
    ) -> Self {
        let ours = |line: &str| ours_for(CommandLine::new(line), kubeconfig, host);
        // They have the flag already.
        let with_variable = |line: CommandLine| match kubeconfig {
            Some(_) => line,
            None => ours_for(line, None, host),
        };
        Self {
            findings,
            kubectl: kubectl_for(kubeconfig, host),
            convert: ours("kubectl aad convert-kubeconfig"),
            choose: host.terminal().stderr.then(|| ours("kubectl aad use")),
            sync: with_variable(sync),
            prune: with_variable(prune),
            login,
            dry_run,
            has_pruned: false,
        }
    }

    /// The same for a run that has removed what is gone.
    pub(in crate::cli) fn after_prune(self, has_pruned: bool) -> Self {
        Self { has_pruned, ..self }
    }

    /// All lines.
    pub(in crate::cli) fn lines(&self) -> Vec<Line> {
        let parts = [
            self.migrated(),
            self.not_adopted(),
            self.duplicates(),
            self.gone(),
            kept_names(self.findings),
            self.current_context(),
        ];
        parts.into_iter().flatten().collect()
    }

    fn migrated(&self) -> Vec<Line> {
        let entries = match self.findings.migrated {
            0 => return Vec::new(),
            1 => "the entries of 1 cluster".to_owned(),
            n => format!("the entries of {n} clusters"),
        };
        let done = match self.dry_run {
            true => "would get",
            false => "now have",
        };
        vec![Line::Text(format!(
            "{entries} {done} the form that kubectl reads faster: clusters with the same sign-in share a user"
        ))]
    }

    fn current_context(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        if let Some(name) = &self.findings.not_made_current {
            let said = "warning: the current context is not set, since the kubeconfig is laid out in a way that can't be changed in place";
            lines.extend(match can_be_typed(name) {
                true => with_command(
                    format!("{said}; to set it"),
                    self.config("use-context", &[name]).to_string(),
                ),
                false => vec![Line::Text(said.to_owned())],
            });
        }
        match &self.findings.current_context {
            CurrentContext::Set(name) if self.dry_run => {
                lines.push(Line::Text(format!(
                    "the current context would be set to `{name}`"
                )));
            }
            CurrentContext::Set(name) => {
                let next = self.kubectl.clone().word("get").word("ns");
                let said = format!("the current context is now `{name}`; next");
                lines.extend(with_command(said, next.to_string()));
            }
            CurrentContext::Kept {
                name,
                exists: false,
            } => lines.push(Line::Text(format!(
                "warning: the current context `{name}` does not exist"
            ))),
            CurrentContext::None | CurrentContext::Kept { .. } => {}
        }
        if let Some(name) = &self.findings.suggestion
            && can_be_typed(name)
            && !self.findings.current_context.is_usable()
            && !self.dry_run
        {
            let (what, choose) = match &self.choose {
                Some(choose) => ("hint: to choose a cluster", choose.to_string()),
                None => (
                    "hint: to choose a context",
                    self.config("use-context", &[name]).to_string(),
                ),
            };
            lines.extend(with_command(what.to_owned(), choose));
        }
        lines
    }

    fn gone(&self) -> Vec<Line> {
        let gone = &self.findings.gone;
        if gone.is_empty() || self.has_pruned {
            return Vec::new();
        }
        let what = match gone.len() {
            1 => "1 context leads to a cluster that no longer exists or that you can no longer see"
                .to_owned(),
            n => format!(
                "{n} contexts lead to clusters that no longer exist or that you can no longer see"
            ),
        };
        let names: Vec<_> = gone.iter().map(|one| one.context.as_str()).collect();
        let what = Line::Text(format!("{what}: {}", first_of(&names, NAMED)));
        let hint = match gone.len() {
            1 => "hint: if it was deleted, remove its entries",
            _ => "hint: if they were deleted, remove their entries",
        };
        let remove = with_command(hint.to_owned(), self.prune.to_string());
        std::iter::once(what).chain(remove).collect()
    }

    /// Only those for which this run adds a context: the others are no news.
    fn duplicates(&self) -> Vec<Line> {
        let new = self.findings.duplicates.iter().filter(|one| one.added);
        let (admins, people): (Vec<_>, Vec<_>) = new.partition(|one| one.admin);
        let mut lines = Vec::new();
        let (adds, has) = match self.dry_run {
            true => ("would add", "would have"),
            false => ("added", "now has"),
        };
        if !people.is_empty() {
            let pairs: Vec<_> = people
                .iter()
                .map(|one| format!("{} and {}", one.context, one.ours))
                .collect();
            let what = match people.len() {
                1 => format!("1 cluster {has} two contexts, since sync {adds} its own"),
                n => format!(
                    "{n} clusters {} two contexts, since sync {adds} its own",
                    has.replace("has", "have")
                ),
            };
            lines.push(Line::Text(format!("{what}: {}", first_of(&pairs, PAIRS))));
        }
        if !admins.is_empty() {
            let names: Vec<_> = admins.iter().map(|one| one.context.as_str()).collect();
            let what = match admins.len() {
                1 => "1 context with an administrator's credential leads to one of these clusters, too".to_owned(),
                n => format!("{n} contexts with administrators' credentials lead to these clusters, too"),
            };
            lines.push(Line::Text(format!("{what}: {}", first_of(&names, PAIRS))));
        }
        let adoptable = people.iter().filter(|one| one.adoptable).count();
        if adoptable > 0 {
            let what = match adoptable {
                1 => "hint: to keep only the old one, as sync's".to_owned(),
                n => format!("hint: to keep only the {n} old ones, as sync's"),
            };
            let adopt = self.sync.clone().word("--adopt");
            lines.extend(with_command(what, adopt.to_string()));
        }
        let left = people.iter().find(|one| !one.adoptable);
        if let Some(left) = left.filter(|_| !self.dry_run) {
            lines.extend(self.how_to_keep_one(left));
        }
        lines
    }

    /// The contexts that `--adopt` left as they are, by the reason.
    fn not_adopted(&self) -> Vec<Line> {
        let mut by_reason: BTreeMap<&WhyNotAdopted, Vec<&str>> = BTreeMap::new();
        for one in &self.findings.not_adopted {
            by_reason.entry(&one.why).or_default().push(&one.context);
        }
        let line = |(why, names): (&&WhyNotAdopted, &Vec<&str>)| {
            let stays = match (names.len(), self.dry_run) {
                (1, false) => "1 context stays as it is",
                (1, true) => "1 context would stay as it is",
                (_, false) => "contexts stay as they are",
                (_, true) => "contexts would stay as they are",
            };
            let stays = match names.len() {
                1 => stays.to_owned(),
                n => format!("{n} {stays}"),
            };
            let text = format!(
                "{stays}, {}: {}",
                why.reason(names.len()),
                first_of(names, NAMED)
            );
            let hint = why.hint().map(|hint| format!("hint: {hint}"));
            [Some(text), hint].into_iter().flatten().map(Line::Text)
        };
        by_reason.iter().flat_map(line).collect()
    }

    fn how_to_keep_one(&self, duplicate: &Duplicate) -> Vec<Line> {
        let Duplicate { context, ours, .. } = duplicate;
        if ![context, ours].into_iter().all(|name| can_be_typed(name)) {
            return Vec::new();
        }
        let mut lines = with_command(
            "hint: to keep only sync's context, under the old name".to_owned(),
            format!(
                "{}; {}",
                self.config("delete-context", &[context]),
                self.config("rename-context", &[ours, context]),
            ),
        );
        if duplicate.convertible && converts_without_flags(self.login) {
            let convert = self.convert.clone().flag("--context", context);
            let convert = convert.flag("--login", self.login.name());
            lines.extend(with_command(
                "hint: to keep the old one too, without kubelogin".to_owned(),
                convert.to_string(),
            ));
        }
        lines
    }

    fn config(&self, command: &str, names: &[&str]) -> CommandLine {
        let line = self.kubectl.clone().word("config").word(command);
        names.iter().fold(line, |line, name| line.word(name))
    }
}

/// Whether a name in a command that people paste means this entry and nothing else: a terminal shows it as it is, and
/// kubectl does not read it as a flag.
pub(super) fn can_be_typed(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('-') && printable(name) == name
}

/// A sentence that ends with a command.
pub(super) fn with_command(said: String, command: String) -> Vec<Line> {
    match width(&command) <= INLINE_COMMAND && !command.contains('`') {
        true => vec![Line::Text(format!("{said}: `{command}`"))],
        false => vec![
            Line::Text(format!("{said}:")),
            Line::Command(format!("  {command}")),
        ],
    }
}

/// Whether a conversion to the mode takes all that it needs from the entry.
fn converts_without_flags(mode: LoginMode) -> bool {
    matches!(mode.row().principal, Principal::Person | Principal::Tool)
        && mode
            .required()
            .all(|param| mode.value_source(param).reads_entry())
}

/// Why contexts keep names that the template does not give.
pub(super) fn kept_names(findings: &Findings) -> Vec<Line> {
    let reasons = [
        (
            WhyKept::Current,
            "the current context is in a file that can't be changed",
        ),
        (
            WhyKept::Hides,
            "another context has this name, which kubectl would see then",
        ),
        (
            WhyKept::Layout,
            "the kubeconfig is laid out in a way that can't be changed in place",
        ),
    ];
    let line = |(why, text): &(WhyKept, &str)| {
        let kept = findings.kept_names.iter().filter(|kept| kept.why == *why);
        let names: Vec<_> = kept.map(|kept| kept.context.as_str()).collect();
        let what = match names.len() {
            0 => return None,
            1 => "1 context keeps its name".to_owned(),
            n => format!("{n} contexts keep their names"),
        };
        let names = first_of(&names, NAMED);
        Some(Line::Text(format!("{what}, since {text}: {names}")))
    };
    reasons.iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(findings: &Findings) -> String {
        let host = Host::with_env::<&str, &str>([]);
        let commands =
            ["sync", "prune"].map(|name| CommandLine::new(&format!("kubectl aad {name}")));
        let lines = FindingsLines::new(
            findings,
            &host,
            None,
            LoginMode::AzureCli,
            commands.into(),
            false,
        );
        let lines = lines.lines();
        format!("{lines:?}")
    }

    #[test]
    fn a_name_that_a_terminal_shows_as_another_one_is_in_no_command() {
        for name in ["a\nb", "a\u{200b}b", "-a", "a ", ""] {
            let findings = Findings {
                suggestion: Some(name.to_owned()),
                duplicates: vec![Duplicate {
                    context: name.to_owned(),
                    server: String::new(),
                    id: String::new(),
                    ours: "ours".to_owned(),
                    added: true,
                    admin: false,
                    convertible: true,
                    adoptable: false,
                }],
                ..Findings::default()
            };
            let said = said(&findings);
            assert!(!said.contains("hint:"), "{said}");
        }
    }
}
