//! Converts the users of all kubeconfig files, each in its own file. Pure.

use super::{Around, PluginKind, Request, Source, SourcePlugin, convert, own_users::Splits};
use crate::{
    error::{Code, Failure, Result},
    kubeconfig::{
        Document, Section,
        document::{OwnUser, entries, entry_name},
        merge::is_same,
        no_such_context,
    },
    login::LoginMode,
};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

/// Which users to convert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    All,
    /// Those of these contexts.
    Contexts(Vec<String>),
}

/// What happened to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserAction {
    Converted,
    /// It was as requested already.
    Unchanged,
    /// It is somebody else's; the reason says whose.
    Skipped,
    Failed,
}

/// What happened to a user.
#[derive(Debug, Clone)]
pub(crate) struct UserOutcome {
    pub user: String,
    /// Index of the file.
    pub file: usize,
    /// If it was made for one context, which shared another user with others.
    pub own: Option<OwnUserOf>,
    pub action: UserAction,
    /// What signed it in before, if it can be converted.
    pub from_plugin: Option<SourcePlugin>,
    /// How it signed in before, if that is known.
    pub from: Option<LoginMode>,
    /// How it signs in now, if it can be converted.
    pub to: Option<LoginMode>,
    /// Why it failed or was skipped.
    pub reason: Option<Failure>,
    /// What else a person should know, one sentence each.
    pub notes: Vec<String>,
}

/// Which context got a user of its own, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnUserOf {
    pub context: String,
    /// The user that `sync` wrote for all of its sign-in, and that stays as it is.
    pub shared: String,
    /// How many other contexts it has.
    pub others: usize,
}

impl UserOutcome {
    /// Why the user can't be converted.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        let reason = self.reason.as_ref();
        reason.filter(|_| self.action == UserAction::Failed)
    }
}

/// The new users, and an outcome for each selected user.
pub(crate) struct Conversion {
    /// For each file the new values of its users, by their places in its list.
    pub users: Vec<Vec<(usize, Map<String, Value>)>>,
    /// For each file the users that contexts in it get for themselves.
    pub own: Vec<Vec<OwnUser>>,
    /// The old and the new names of users that are called after their sign-in.
    pub renamed: HashMap<String, String>,
    pub outcomes: Vec<UserOutcome>,
}

/// Converts the selected users of `documents`, which are in order of precedence.
///
/// Of users (and contexts, and clusters) with one name only the first is kubectl's; later ones are
/// left alone.
///
/// A user of ours that clusters share stays for the contexts that were not selected: the others get one of their own.
///
/// # Errors
/// A context that does not exist, or has no user.
pub(crate) fn convert_all(
    documents: &[Document<'_>],
    selection: &Selection,
    request: &Request,
) -> Result<Conversion> {
    let view = View::new(documents);
    let selected = view.select(selection)?;
    let mut users = vec![Vec::new(); documents.len()];
    let mut splits = Splits::new(documents);
    let mut outcomes = Vec::new();
    let mut seen = HashSet::new();
    let mut renamed = HashMap::new();
    for (file, document) in documents.iter().enumerate() {
        for (i, entry) in document.entries(Section::Users).iter().enumerate() {
            let Some(name) = entry_name(entry) else {
                continue;
            };
            let wanted = selected.as_ref().is_none_or(|names| names.contains(name));
            if !seen.insert(name) || !wanted {
                continue;
            }
            let user = entry.get("user").unwrap_or(&Value::Null);
            if let Some(contexts) = view.to_split(name, user, selection) {
                outcomes.extend(splits.split(name, file, user, &contexts, &view, request));
                continue;
            }
            let around = Around::of(view.items_of(name, user));
            let (mut outcome, new) = one(name, file, user, &around, request);
            if let Some(new) = &new
                && let Some(to) = splits.new_name(name, user, new)
            {
                outcome
                    .notes
                    .push(format!("it is called `{to}` now, after its sign-in"));
                renamed.insert(name.to_owned(), to);
            }
            outcomes.push(outcome);
            if let Some(new) = new {
                users[file].push((i, new));
            }
        }
    }
    Ok(Conversion {
        users,
        own: splits.own,
        renamed,
        outcomes,
    })
}

pub(super) fn one(
    name: &str,
    file: usize,
    user: &Value,
    around: &Around<'_>,
    request: &Request,
) -> (UserOutcome, Option<Map<String, Value>>) {
    let mut outcome = UserOutcome {
        user: name.to_owned(),
        file,
        own: None,
        action: UserAction::Skipped,
        from_plugin: None,
        from: None,
        to: None,
        reason: None,
        notes: Vec::new(),
    };
    let (Some(source), Value::Object(old)) = (Source::of(user), user) else {
        let reason = match PluginKind::of(user) {
            PluginKind::OidcLogin => {
                "signed in by `kubectl oidc-login`, which is another kubelogin"
            }
            PluginKind::Foreign | PluginKind::Convertible => {
                "signed in by neither Azure's kubelogin nor `kubectl-aad`"
            }
        };
        outcome.reason = Some(Failure::new(reason).code(Code::OtherPlugin));
        return (outcome, None);
    };
    outcome.from_plugin = Some(source.plugin);
    outcome.from = Some(source.mode);
    outcome.to = Some(request.mode().unwrap_or(source.mode));
    match convert(old, &source, around, request) {
        Ok(converted) if is_same(old, &converted.user) => {
            outcome.action = UserAction::Unchanged;
            (outcome, None)
        }
        Ok(converted) => {
            outcome.action = UserAction::Converted;
            outcome.notes = converted.notes;
            (outcome, Some(converted.user))
        }
        Err(failure) => {
            outcome.action = UserAction::Failed;
            outcome.reason = Some(failure);
            (outcome, None)
        }
    }
}

/// Contexts and clusters as kubectl sees them across the files.
pub(super) struct View<'a> {
    pub(super) contexts: HashMap<&'a str, &'a Value>,
    clusters: HashMap<&'a str, &'a Value>,
    /// The contexts of each user.
    by_user: HashMap<&'a str, Vec<&'a Value>>,
}

impl<'a> View<'a> {
    fn new(documents: &'a [Document<'_>]) -> Self {
        let contexts = first_of(documents, Section::Contexts);
        let mut by_user: HashMap<&str, Vec<&Value>> = HashMap::new();
        for context in contexts.values() {
            if let Some(user) = context.get("user").and_then(Value::as_str) {
                by_user.entry(user).or_default().push(context);
            }
        }
        Self {
            contexts,
            clusters: first_of(documents, Section::Clusters),
            by_user,
        }
    }

    /// The names of the selected users; `None` for all.
    fn select(&self, selection: &Selection) -> Result<Option<HashSet<&'a str>>> {
        let Selection::Contexts(names) = selection else {
            return Ok(None);
        };
        let mut users = HashSet::new();
        for name in names {
            let context = self
                .contexts
                .get(name.as_str())
                .ok_or_else(|| no_such_context(name, self.contexts.keys().copied()))?;
            match context.get("user").and_then(Value::as_str) {
                Some(user) if !user.is_empty() => users.insert(user),
                _ => return Err(Failure::new(format!("the context `{name}` has no user"))),
            };
        }
        Ok(Some(users))
    }

    /// A user's value, that of one context and that of its cluster.
    pub(super) fn items_of_one(
        &self,
        context: &str,
        user: &'a Value,
    ) -> impl Iterator<Item = &'a Value> {
        let context = self.contexts.get(context).copied();
        let cluster = context.and_then(|context| context.get("cluster")?.as_str());
        let cluster = cluster.and_then(|name| self.clusters.get(name).copied());
        std::iter::once(user).chain(context).chain(cluster)
    }

    /// A user's value, those of its contexts and those of their clusters.
    fn items_of(&self, name: &str, user: &'a Value) -> impl Iterator<Item = &'a Value> {
        let contexts = self.by_user.get(name).cloned().unwrap_or_default();
        let clusters: Vec<&Value> = contexts
            .iter()
            .filter_map(|context| context.get("cluster")?.as_str())
            .filter_map(|cluster| self.clusters.get(cluster).copied())
            .collect();
        std::iter::once(user).chain(contexts).chain(clusters)
    }
}

fn first_of<'a>(documents: &'a [Document<'_>], section: Section) -> HashMap<&'a str, &'a Value> {
    let mut found = HashMap::new();
    for document in documents {
        for entry in entries(document.root(), section) {
            if let (Some(name), Some(item)) = (entry_name(entry), entry.get(section.item())) {
                found.entry(name).or_insert(item);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        host::Host,
        login::{Origin, Param, Settings},
    };

    fn request(mode: &str) -> Request {
        let mut given = Settings::new();
        given.set(Param::Login, mode, Origin::Flag);
        let host = Host::with_env::<&str, &str>([]);
        Request::new(given, &host, "kubectl-aad", None, false).expect("valid flags")
    }

    fn user(name: &str) -> String {
        format!(
            "- name: {name}\n  user:\n    exec:\n      command: kubelogin # keep\n      args: [get-token, --server-id, {name}]\n"
        )
    }

    fn documents<'t>(texts: &[&'t str]) -> Vec<Document<'t>> {
        texts
            .iter()
            .map(|text| Document::parse(text).expect("a kubeconfig"))
            .collect()
    }

    #[test]
    fn each_user_is_converted_in_the_file_that_kubectl_reads_it_from() {
        let (one, two) = (
            format!("users:\n{}", user("a")),
            format!(
                "# two\nusers:\n{}{}- name: z\n  user: {{token: t}}\n",
                user("a"),
                user("b")
            ),
        );
        let mut files = documents(&[&one, &two]);
        let mut all = convert_all(&files, &Selection::All, &request("msi")).expect("converted");
        let actions: Vec<_> = all
            .outcomes
            .iter()
            .map(|o| (o.user.as_str(), o.file, o.action))
            .collect();
        assert_eq!(
            actions,
            [
                ("a", 0, UserAction::Converted),
                ("b", 1, UserAction::Converted),
                ("z", 1, UserAction::Skipped)
            ]
        );
        let text = files
            .remove(1)
            .replace(Section::Users, all.users.remove(1))
            .expect("written");
        assert!(
            text.starts_with(&format!("# two\nusers:\n{}", user("a"))),
            "{text}"
        );
        assert!(text.contains("command: kubectl-aad # keep"), "{text}");
    }

    #[test]
    fn contexts_select_their_users_and_unknown_ones_are_named() {
        let text = format!(
            "contexts:\n- name: c\n  context: {{cluster: x, user: b}}\n- name: none\n  context: {{cluster: x}}\nusers:\n{}{}",
            user("a"),
            user("b")
        );
        let files = documents(&[&text]);
        let select = |names: &[&str]| {
            let names = names.iter().map(|&name| name.to_owned()).collect();
            convert_all(&files, &Selection::Contexts(names), &request("msi"))
        };
        let all = select(&["c"]).expect("converted");
        assert_eq!(all.outcomes.len(), 1);
        assert_eq!(all.outcomes[0].user, "b");
        for name in ["nowhere", "none"] {
            let failure = select(&["c", name]).err().expect("refused");
            assert!(failure.message().contains(name));
        }
    }

    #[test]
    fn one_user_that_fails_does_not_keep_the_others() {
        let text = format!(
            "users:\n- name: x\n  user: {{exec: {{command: kubelogin}}}}\n{}",
            user("b")
        );
        let files = documents(&[&text]);
        let all = convert_all(&files, &Selection::All, &request("azurecli")).expect("converted");
        let actions: Vec<_> = all.outcomes.iter().map(|o| o.action).collect();
        assert_eq!(actions, [UserAction::Failed, UserAction::Converted]);
    }
}
