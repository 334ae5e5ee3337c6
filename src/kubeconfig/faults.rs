//! What is wrong with kubeconfigs that kubectl can read: names that hide others, names that lead nowhere, secrets in plain
//! text. No secret leaves this file.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{
    document::{Document, Section, entry_name},
    merged::{Item, Merged},
    owner,
    redact::{is_secret_flag, names_a_secret},
};

/// What is wrong with several kubeconfigs, as kubectl merges them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Entries that kubectl does not see, because an earlier file has another one of the same name.
    pub hidden: Vec<Hidden>,
    /// The contexts whose cluster or user does not exist.
    pub dangling: Vec<Dangling>,
    /// The current context and its file, if there is no such context.
    pub no_such_current: Option<(String, PathBuf)>,
    /// The names of all contexts.
    pub contexts: Vec<String>,
    /// The contexts with the mark of an earlier version of `sync`.
    pub old_form: Vec<String>,
}

/// An entry that kubectl does not see.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hidden {
    pub section: Section,
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// The file with the entry that kubectl sees.
    pub behind: PathBuf,
}

/// A context that leads nowhere.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dangling {
    pub context: String,
    /// What does not exist: `Clusters` or `Users`.
    pub section: Section,
    pub name: String,
}

impl Faults {
    /// Reads the files, in the order of precedence.
    pub(crate) fn of(files: &[Document<'_>]) -> Self {
        let merged = Merged::of(files);
        Self {
            hidden: hidden(files, &merged),
            dangling: dangling(&merged),
            no_such_current: no_such_current(files, &merged),
            contexts: merged.contexts().map(|(name, _)| name.to_owned()).collect(),
            old_form: merged
                .contexts()
                .filter(|(_, item)| owner::arm_id(item.value).is_some())
                .map(|(name, _)| name.to_owned())
                .collect(),
        }
    }
}

fn hidden(files: &[Document<'_>], merged: &Merged<'_>) -> Vec<Hidden> {
    let mut hidden = Vec::new();
    for (at, file) in files.iter().enumerate() {
        for section in Section::ALL {
            for entry in file.entries(section) {
                let name = entry_name(entry).unwrap_or_default();
                let value = entry.get(section.item()).unwrap_or(&Value::Null);
                let seen = merged.item(section, name);
                let is_behind = |seen: &Item<'_>| seen.place.file != at && seen.value != value;
                hidden.extend(seen.filter(is_behind).map(|seen| Hidden {
                    section,
                    name: name.to_owned(),
                    file: file.path().unwrap_or(Path::new("")).to_owned(),
                    behind: seen.file.to_owned(),
                }));
            }
        }
    }
    hidden
}

/// A context without a user is one: kubectl then sends no credential.
fn dangling(merged: &Merged<'_>) -> Vec<Dangling> {
    let contexts = merged.contexts().flat_map(|(context, item)| {
        let missing = [Section::Clusters, Section::Users].into_iter();
        let missing = missing.filter_map(move |section| {
            let name = item.link(section).unwrap_or_default();
            let is_needed = section == Section::Clusters || !name.is_empty();
            (is_needed && merged.item(section, name).is_none()).then(|| (section, name.to_owned()))
        });
        missing.map(move |(section, name)| Dangling {
            context: context.to_owned(),
            section,
            name,
        })
    });
    contexts.collect()
}

fn no_such_current(files: &[Document<'_>], merged: &Merged<'_>) -> Option<(String, PathBuf)> {
    let current = merged.current_context()?;
    if merged.item(Section::Contexts, current).is_some() {
        return None;
    }
    let is_there = |file: &&Document<'_>| super::merged::current_context(file.root()).is_some();
    let file = files.iter().find(is_there)?.path()?;
    Some((current.to_owned(), file.to_owned()))
}

/// Where a user's entry has secrets in plain text: ``the argument `--client-secret` ``. Their values are not told.
pub(crate) fn plain_secrets(user: &Value) -> Vec<String> {
    const KEYS: [&str; 3] = ["token", "password", "client-key-data"];
    let is_text = |value: Option<&Value>| {
        value
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty())
    };
    let mut found: Vec<_> = KEYS
        .iter()
        .filter(|key| is_text(user.get(**key)))
        .map(|key| format!("`{key}`"))
        .collect();
    let list = |of: &str| {
        let list = user.pointer(of).and_then(Value::as_array);
        list.into_iter().flatten()
    };
    let flags = list("/exec/args").filter_map(Value::as_str);
    found.extend(flags.filter(|arg| is_secret_flag(arg)).map(|arg| {
        let flag = arg.split('=').next().unwrap_or_default();
        format!("the argument `{flag}`")
    }));
    found.extend(list("/exec/env").filter_map(|variable| {
        let name = variable.get("name")?.as_str()?;
        let has_one = names_a_secret(name) && is_text(variable.get("value"));
        has_one.then(|| format!("the variable `{name}`"))
    }));
    let config = user
        .pointer("/auth-provider/config")
        .and_then(Value::as_object);
    let settings = config.into_iter().flatten();
    found.extend(
        settings
            .filter(|(name, value)| names_a_secret(name) && is_text(Some(value)))
            .map(|(name, _)| format!("`{name}` of its auth provider")),
    );
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(texts: &[&str]) -> Faults {
        let paths: Vec<_> = (0..texts.len())
            .map(|n| PathBuf::from(n.to_string()))
            .collect();
        let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
        let files = Document::parse_all(&texts, &paths).expect("kubeconfigs");
        Faults::of(&files)
    }

    #[test]
    fn an_entry_is_hidden_by_another_one_of_its_name_in_an_earlier_file() {
        let one = "users:\n- name: admin\n  user: {token: a}\n- name: same\n  user: {token: s}\n";
        let two = one.replace("token: a", "token: b");
        let found = faults(&[one, &two]);
        assert_eq!(
            found.hidden,
            [Hidden {
                section: Section::Users,
                name: "admin".to_owned(),
                file: "1".into(),
                behind: "0".into(),
            }]
        );
        assert!(faults(&[one, one]).hidden.is_empty());
    }

    #[test]
    fn names_may_lead_to_another_file_but_not_nowhere() {
        let context = "contexts:\n- name: c\n  context: {cluster: k, user: u}\n- name: anonymous\n  context: {cluster: k}\n";
        let cluster = "clusters:\n- name: k\n  cluster: {}\n";
        let user = "users:\n- name: u\n  user: {}\n";
        assert_eq!(faults(&[context, cluster, user]).dangling, []);
        let names = |found: Faults| -> Vec<_> {
            let found = found.dangling.into_iter();
            found
                .map(|one| (one.context, one.section, one.name))
                .collect()
        };
        let text = str::to_owned;
        assert_eq!(
            names(faults(&[context, cluster])),
            [(text("c"), Section::Users, text("u"))]
        );
        assert_eq!(names(faults(&[context, user])).len(), 2);
        let current = |name: &str| faults(&[context, &format!("current-context: {name}\n")]);
        assert_eq!(current("c").no_such_current, None);
        let missing = Some((text("d"), PathBuf::from("1")));
        assert_eq!(current("d").no_such_current, missing);
    }

    #[test]
    fn secrets_are_found_and_not_shown() {
        let user = json!({
            "client-key-data": "hunter2", "client-key": "/a/file", "token": "",
            "exec": {"args": ["get-token", "--client-secret", "hunter2", "--password=hunter2"],
                     "env": [{"name": "AAD_SERVICE_PRINCIPAL_CLIENT_SECRET", "value": "hunter2"}, {"name": "A", "value": "b"}]},
            "auth-provider": {"config": {"refresh-token": "hunter2", "tenant-id": "t"}},
        });
        let found = plain_secrets(&user);
        assert_eq!(
            found,
            [
                "`client-key-data`",
                "the argument `--client-secret`",
                "the argument `--password`",
                "the variable `AAD_SERVICE_PRINCIPAL_CLIENT_SECRET`",
                "`refresh-token` of its auth provider",
            ]
        );
        assert_eq!(plain_secrets(&Value::Null), [] as [String; 0]);
    }
}
