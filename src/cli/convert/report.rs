//! What a conversion tells: sentences for people, a document for programs.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    error::printable,
    kubeconfig::{
        Document, Section,
        convert::{Request, UserAction, UserOutcome},
    },
    login::LoginMode,
};

/// What became of all users.
pub(super) struct Report {
    outcomes: Vec<UserOutcome>,
    files: Vec<PathBuf>,
    /// What the users were converted to; `None` where each kept its mode.
    mode: Option<&'static str>,
    warnings: Vec<String>,
    by_context: bool,
    /// Each file's diff, in a dry run.
    pub(super) diffs: Vec<(PathBuf, String)>,
    /// Where the result went instead.
    pub(super) outfile: Option<PathBuf>,
}

impl Report {
    pub(super) fn new(
        outcomes: Vec<UserOutcome>,
        files: &[PathBuf],
        request: &Request,
        by_context: bool,
    ) -> Self {
        Self {
            outcomes,
            files: files.to_vec(),
            mode: request.mode().map(LoginMode::name),
            warnings: request.notes(),
            by_context,
            diffs: Vec::new(),
            outfile: None,
        }
    }

    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    pub(super) fn count(&self, action: UserAction) -> usize {
        self.outcomes
            .iter()
            .filter(|outcome| outcome.action == action)
            .count()
    }

    /// Whether users failed and no other one is as it was to be.
    pub(super) fn is_all_lost(&self) -> bool {
        let done = self.count(UserAction::Converted) + self.count(UserAction::Unchanged);
        done == 0 && self.count(UserAction::Failed) > 0
    }

    /// The diffs of a dry run.
    pub(super) fn diff(&self) -> String {
        self.diffs.iter().map(|(_, diff)| diff.as_str()).collect()
    }

    /// The lines for a person.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        for outcome in self
            .outcomes
            .iter()
            .filter(|o| o.action == UserAction::Failed)
        {
            let failure = outcome.reason.clone();
            let name = printable(&outcome.user);
            if let Some(failure) = failure {
                out.push_str(
                    &failure
                        .context(format!("could not convert the user `{name}`"))
                        .render(),
                );
            }
        }
        for warning in &self.warnings {
            out.push_str(&format!("warning: {}\n", printable(warning)));
        }
        for (note, users) in self.notes() {
            out.push_str(&format!(
                "warning: {}: {}\n",
                names(&users),
                printable(note)
            ));
        }
        if self.by_context {
            for outcome in self
                .outcomes
                .iter()
                .filter(|o| o.action == UserAction::Skipped)
            {
                let reason = outcome
                    .reason
                    .as_ref()
                    .map_or("", |reason| reason.message());
                let name = printable(&outcome.user);
                out.push_str(&format!("left the user `{name}` alone: {reason}\n"));
            }
        }
        out.push_str(&self.summary());
        out
    }

    /// Notes with the users they are about: of 2,000 users alike, one line.
    fn notes(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut notes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for outcome in &self.outcomes {
            for note in &outcome.notes {
                notes.entry(note).or_default().push(&outcome.user);
            }
        }
        notes
    }

    fn summary(&self) -> String {
        let place = match (&self.outfile, self.files.as_slice()) {
            (Some(file), _) | (None, [file]) => format!("`{}`", file.display()),
            (None, []) => return "there is no kubeconfig to convert\n".to_owned(),
            (None, files) => format!("{} files", files.len()),
        };
        let (converted, unchanged) = (
            self.count(UserAction::Converted),
            self.count(UserAction::Unchanged),
        );
        let tense = if self.diffs.is_empty() {
            "converted"
        } else {
            "would convert"
        };
        let mode = match self.mode {
            Some(mode) => format!(" to `{mode}`"),
            None => ", each in its own mode,".to_owned(),
        };
        match (converted, unchanged, self.count(UserAction::Failed)) {
            (0, 0, 0) => format!(
                "nothing to convert in {place}: no user signs in with Azure's kubelogin, the `azure` auth provider or kubectl-aad\n"
            ),
            (0, 0, _) => String::new(),
            (0, unchanged, _) => format!("{} as they are to be in {place}\n", users(unchanged)),
            (converted, 0, _) => format!("{tense} {}{mode} in {place}\n", users(converted)),
            (converted, unchanged, _) => format!(
                "{tense} {}{mode} in {place}, {unchanged} were so already\n",
                users(converted)
            ),
        }
    }

    /// The document for programs.
    pub(super) fn json(&self) -> Value {
        let users: Vec<Value> = self
            .outcomes
            .iter()
            .map(|outcome| {
                json!({
                    "name": outcome.user,
                    "file": self.files.get(outcome.file),
                    "action": match outcome.action {
                        UserAction::Converted => "converted",
                        UserAction::Unchanged => "unchanged",
                        UserAction::Skipped => "skipped",
                        UserAction::Failed => "failed",
                    },
                    "from": outcome.from.map(LoginMode::name),
                    "to": outcome.to.map(LoginMode::name),
                    "reason": outcome.reason.as_ref().map(ToString::to_string),
                    "notes": outcome.notes,
                })
            })
            .collect();
        let mut document = json!({
            "users": users,
            "warnings": self.warnings,
            "summary": {
                "converted": self.count(UserAction::Converted),
                "unchanged": self.count(UserAction::Unchanged),
                "skipped": self.count(UserAction::Skipped),
                "failed": self.count(UserAction::Failed),
            },
        });
        if !self.diffs.is_empty() {
            let diffs = self.diffs.iter();
            document["diffs"] = diffs
                .map(|(path, diff)| json!({"file": path, "diff": diff}))
                .collect();
        }
        document
    }
}

fn users(count: usize) -> String {
    match count {
        1 => "1 user".to_owned(),
        count => format!("{count} users"),
    }
}

/// The first few names.
fn names(users: &[&str]) -> String {
    let shown: Vec<_> = users
        .iter()
        .take(3)
        .map(|user| format!("`{}`", printable(user)))
        .collect();
    match users.len().saturating_sub(3) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Whether a kubeconfig names a file by a path relative to itself.
pub(super) fn has_relative_paths(text: &str) -> bool {
    const KEYS: [(Section, &str); 4] = [
        (Section::Clusters, "certificate-authority"),
        (Section::Users, "client-certificate"),
        (Section::Users, "client-key"),
        (Section::Users, "tokenFile"),
    ];
    let Ok(document) = Document::parse(text) else {
        return false;
    };
    KEYS.iter().any(|&(section, key)| {
        document.entries(section).iter().any(|entry| {
            let path = entry
                .get(section.item())
                .and_then(|item| item.get(key)?.as_str());
            path.is_some_and(|path| !path.is_empty() && std::path::Path::new(path).is_relative())
        })
    })
}
