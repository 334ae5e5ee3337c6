//! The text of a status, for people.

use std::path::Path;

use super::words::token;
use crate::{
    cli::{
        output,
        report::{self, Column},
        screen::{Mark, Stream},
        undo::age,
    },
    error::printable,
    host::Host,
    kubeconfig::is_inside,
    login::CommandLine,
    ops::{
        status::{CloudSync, Group, SignInStatus, StatusReport, VariableStatus},
        use_cluster::CONTEXT,
    },
    sentence::{counted, first_of},
};

/// How many subscriptions the table shows without `-o wide`.
const SUBSCRIPTIONS: usize = 8;
/// How many names a line shows.
const NAMES: usize = 3;

const SIGN_INS: [Column; 6] = [
    Column::new("ACCOUNT", 6),
    Column::new("LOGIN", 3),
    Column::new("TENANT", 2),
    Column::new("CLOUD", 0),
    Column::new("CONTEXTS", 1),
    Column::new("TOKEN", 5),
];
const GROUPS: [Column; 4] = [
    Column::new("SUBSCRIPTION", 6),
    Column::new("TENANT", 2),
    Column::new("CONTEXTS", 4),
    Column::new("SIGN-IN", 3),
];

/// What a status says, where.
pub(super) struct Report<'a> {
    pub(super) found: &'a StatusReport,
    /// The configuration file, and the profile that was chosen.
    pub(super) file: Option<(&'a Path, Option<&'a str>)>,
    pub(super) host: &'a Host,
    pub(super) screen: &'a Stream,
    pub(super) is_wide: bool,
}

impl Report<'_> {
    /// The whole text, in at most `width` columns.
    pub(super) fn text(&self, width: Option<usize>) -> String {
        let mut text = self.sign_ins(width);
        let groups = self.groups(width);
        if !text.is_empty() && !groups.is_empty() {
            text.push('\n');
        }
        text.push_str(&groups);
        if !text.is_empty() {
            text.push('\n');
        }
        for line in self.lines() {
            self.add(&mut text, &line);
        }
        let problems = &self.found.problems;
        if !problems.is_empty() {
            text.push('\n');
        }
        for problem in problems {
            let mark = match problem.stops_kubectl {
                true => Mark::Failed,
                false => Mark::Warning,
            };
            for line in problem.failure.render().lines() {
                match line.strip_prefix("error: ") {
                    Some(message) => self.add_marked(&mut text, mark, message),
                    None => self.add(&mut text, &format!("  {line}")),
                }
            }
        }
        text
    }

    /// The accounts, one a line.
    pub(super) fn names(&self) -> String {
        let accounts = self
            .found
            .sign_ins
            .iter()
            .filter_map(|one| one.account.as_deref());
        let mut accounts: Vec<_> = accounts.map(crate::error::printable).collect();
        accounts.sort();
        accounts.dedup();
        accounts.iter().map(|name| format!("{name}\n")).collect()
    }

    fn add(&self, text: &mut String, line: &str) {
        for line in self.screen.wrapped(line) {
            text.push_str(&line);
            text.push('\n');
        }
    }

    fn add_marked(&self, text: &mut String, mark: Mark, line: &str) {
        let plain = Stream {
            color: false,
            ..*self.screen
        };
        let plain = plain.mark(mark);
        let mut wrapped = String::new();
        self.add(&mut wrapped, &format!("{plain} {line}"));
        text.push_str(&wrapped.replacen(&plain, &self.screen.mark(mark), 1));
    }

    fn sign_ins(&self, width: Option<usize>) -> String {
        let found = &self.found.sign_ins;
        if found.is_empty() {
            return String::new();
        }
        let now = self.host.now();
        let clouds = found.iter().any(|one| one.cloud != found[0].cloud);
        let is_shown = |column: &Column| match column.heading() {
            "CLOUD" => clouds || self.is_wide,
            _ => true,
        };
        let columns: Vec<Column> = SIGN_INS.into_iter().filter(|c| is_shown(c)).collect();
        let cell = |one: &SignInStatus, heading: &str| {
            let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
            match heading {
                "ACCOUNT" => or_dash(one.account.as_deref()),
                "LOGIN" => or_dash(one.mode.map(crate::login::LoginMode::name)),
                "TENANT" => or_dash(one.tenant_name.as_deref().or(one.tenant.as_deref())),
                "CLOUD" => one.cloud.clone(),
                "CONTEXTS" => one.contexts.to_string(),
                _ => token(one, now),
            }
        };
        let rows = found.iter().map(|one| {
            let cells = columns.iter().map(|column| cell(one, column.heading()));
            cells.collect()
        });
        report::table(&columns, rows.collect(), width)
    }

    fn groups(&self, width: Option<usize>) -> String {
        let groups = &self.found.fleet.groups;
        if groups.is_empty() {
            return String::new();
        }
        let has_tenants = self.is_wide || self.found.fleet.tenants().len() > 1;
        let columns: Vec<Column> = GROUPS
            .into_iter()
            .filter(|column| has_tenants || column.heading() != "TENANT")
            .collect();
        let shown = match self.is_wide || groups.len() <= SUBSCRIPTIONS {
            true => groups.len(),
            // A line for one more takes as much room as the line that counts it.
            false => SUBSCRIPTIONS - 1,
        };
        let rows = groups[..shown].iter().map(|group| {
            let mut cells = vec![subscription(group).to_owned()];
            cells.extend(has_tenants.then(|| tenant(group)));
            cells.extend([group.contexts.to_string(), logins(group)]);
            cells
        });
        let mut text = report::table(&columns, rows.collect(), width);
        if shown < groups.len() {
            let contexts: usize = groups[shown..].iter().map(|group| group.contexts).sum();
            let more = format!(
                "and {} with {}: `-o wide` shows them",
                counted(groups.len() - shown, "subscription", "subscriptions"),
                counted(contexts, "context", "contexts")
            );
            self.add(&mut text, &more);
        }
        text
    }

    /// What follows the tables.
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.contexts()];
        lines.extend(self.found.fleet.clouds.iter().map(|cloud| self.sync(cloud)));
        lines.extend(self.not_seen());
        let is_shown = |name: &&String| {
            let mut shown = self.found.sign_ins.iter();
            shown.any(|one| one.account.as_ref() == Some(*name))
        };
        let accounts: Vec<&String> = self.found.az.iter().filter(|n| !is_shown(n)).collect();
        if !accounts.is_empty() {
            lines.push(format!("az: signed in as {}", first_of(&accounts, NAMES)));
        }
        lines.extend(self.others());
        if let Some(store) = &self.found.store {
            lines.push(format!("tokens: {}", self.with_tilde(&store.description())));
        }
        if let Some((path, profile)) = self.file {
            let profile = profile.map_or(String::new(), |name| format!(", profile {name}"));
            lines.push(format!("configuration: {}{profile}", self.path(path)));
        }
        lines.extend(self.variables());
        lines
    }

    fn contexts(&self) -> String {
        let fleet = &self.found.fleet;
        if fleet.contexts == 0 {
            return "contexts: none that `kubectl aad sync` wrote".to_owned();
        }
        let files: Vec<_> = self
            .found
            .files
            .iter()
            .map(|path| self.path(path))
            .collect();
        let admin = match fleet.admin {
            0 => String::new(),
            count => format!(", {count} of them with an administrator's credential"),
        };
        let inside = self
            .host
            .var_nonempty(CONTEXT)
            .filter(|_| is_inside(self.host));
        let current = match (inside, &fleet.current) {
            (Some(name), _) => format!("this shell has {} alone", printable(name)),
            (None, Some(name)) => format!("current: {name}"),
            (None, None) => "the current context is none of them".to_owned(),
        };
        format!(
            "contexts: {} in {}{admin}; {current}",
            fleet.contexts,
            first_of(&files, NAMES)
        )
    }

    fn sync(&self, cloud: &CloudSync) -> String {
        let now = self.host.now();
        let of = match self.found.fleet.clouds.len() {
            1 => String::new(),
            _ => format!(" of {}", cloud.environment),
        };
        let Some(last) = cloud.last_sync else {
            return format!("last sync{of}: never");
        };
        let at = age(last.at, now);
        match (last.is_complete, cloud.last_complete_sync) {
            (true, _) => format!("last sync{of}: complete ({at} ago)"),
            (false, Some(complete)) => format!(
                "last sync{of}: not of everything ({at} ago), and of everything ({} ago)",
                age(complete, now)
            ),
            (false, None) => format!("last sync{of}: not of everything ({at} ago)"),
        }
    }

    fn not_seen(&self) -> Option<String> {
        let names = &self.found.fleet.not_seen;
        (!names.is_empty()).then(|| {
            format!(
                "not seen by the last search: {}; `kubectl aad prune` removes those that are gone",
                first_of(names, NAMES)
            )
        })
    }

    fn others(&self) -> Vec<String> {
        let others = self.found.others.iter();
        let mut names: Vec<String> = others
            .filter_map(|one| one.account.as_deref().map(crate::error::printable))
            .collect();
        names.dedup();
        if names.is_empty() {
            return Vec::new();
        }
        let logout = CommandLine::new("kubectl aad logout");
        vec![format!(
            "also stored, and used by no context: {}; `{logout}` forgets them",
            first_of(&names, NAMES)
        )]
    }

    fn variables(&self) -> Vec<String> {
        let all = &self.found.variables;
        if self.is_wide {
            return all.iter().map(|one| self.variable(one)).collect();
        }
        // What changes a sign-in is always told.
        let is_told = |one: &&VariableStatus| one.effect.as_ref().is_some_and(|of| of.overrides);
        let mut lines: Vec<_> = all
            .iter()
            .filter(is_told)
            .map(|one| self.variable(one))
            .collect();
        let others = all.iter().filter(|one| !is_told(one));
        let names: Vec<_> = others.map(|one| one.name.as_str()).collect();
        if !names.is_empty() {
            lines.push(format!("variables that are set: {}", names.join(", ")));
        }
        lines
    }

    fn variable(&self, one: &VariableStatus) -> String {
        let value = match &one.value {
            Some(value) => format!("={}", self.with_tilde(value)),
            None => String::new(),
        };
        let does = match &one.effect {
            None => String::new(),
            Some(of) if of.contexts == 0 => " is read by none of the contexts".to_owned(),
            Some(of) => format!(
                " {} `{}` of {}",
                if of.overrides { "replaces" } else { "gives" },
                of.flag,
                counted(of.contexts, "context", "contexts")
            ),
        };
        format!("variable {}{value}{does}", one.name)
    }

    fn path(&self, path: &Path) -> String {
        output::path(path, self.host.home().ok().as_deref())
    }

    /// A text with `~` for the home directory.
    fn with_tilde(&self, text: &str) -> String {
        match self.host.home() {
            Ok(home) if home.components().count() > 1 => {
                let home = format!("{}/", home.display());
                text.replace(&home, "~/")
            }
            _ => text.to_owned(),
        }
    }
}

fn subscription(group: &Group) -> &str {
    group
        .subscription
        .as_deref()
        .unwrap_or(&group.subscription_id)
}

fn tenant(group: &Group) -> String {
    let tenant = group.tenant.as_deref().or(group.tenant_id.as_deref());
    tenant.unwrap_or("-").to_owned()
}

/// How contexts of a subscription sign in: `azurecli`, or `azurecli 4, devicecode 2`.
fn logins(group: &Group) -> String {
    let mut parts: Vec<String> = match group.logins.len() {
        1 => group.logins.keys().cloned().collect(),
        _ => {
            let logins = group.logins.iter();
            logins
                .map(|(login, count)| format!("{login} {count}"))
                .collect()
        }
    };
    if group.admin > 0 {
        parts.push(format!("admin {}", group.admin));
    }
    parts.join(", ")
}
