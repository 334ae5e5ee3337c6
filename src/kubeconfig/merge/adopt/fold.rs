//! Folds our own context and entry for a cluster into those that are taken over: an earlier sync made them beside those.
//!
//! What a person added to them moves along, if it means the same there. If it does not, ours stay beside the others.

use serde_json::{Map, Value, json};

use super::{
    super::{
        super::{
            ca_files,
            cluster_contexts::Known,
            document::Section,
            merged::{self, Item},
            owner,
        },
        draft::Draft,
        sign_ins::becomes,
    },
    Candidate, Finder,
};
use crate::fleet::{Entries, SHARED_USER, WhyNotAdopted as Why};

/// What is done with our entries for a cluster.
#[derive(Default)]
pub(super) struct Fold<'a> {
    /// Our entries and contexts that are removed.
    pub(super) entries: Vec<&'a str>,
    pub(super) contexts: Vec<&'a str>,
    /// Our contexts that a person renamed or copied: they lead to the entry that is taken over.
    led: Vec<&'a str>,
    /// The values of those that are removed.
    entry_values: Vec<&'a Map<String, Value>>,
    context_values: Vec<&'a Map<String, Value>>,
    into_context: &'a str,
    namespace: Option<String>,
}

impl<'a> Finder<'_, 'a> {
    /// Finds what to fold into an entry and its main context.
    ///
    /// # Errors
    /// If one of our entries is in another file and is needed there: of entries in several files only those of one are a
    /// cluster's.
    pub(super) fn fold(
        &self,
        known: &Known<'a>,
        into: &Candidate<'a>,
        entries: &Entries,
    ) -> Result<Fold<'a>, Why> {
        let context = into.main_context();
        let context =
            context.and_then(|name| Some((name, self.merged.item(Section::Contexts, name)?)));
        let (into_context, context) = context.ok_or(Why::OtherEntry)?;
        let value = |item: Item<'_>| item.value.as_object().cloned().unwrap_or_default();
        let mut values = Values {
            entry: value(into.item),
            context: value(context),
        };
        let mut fold = Fold {
            into_context,
            namespace: self.search.options.namespace.clone(),
            ..Fold::default()
        };
        let own = known.entries.iter();
        let own = own.filter_map(|name| Some((*name, self.merged.item(Section::Clusters, name)?)));
        for (name, item) in own.filter(|(_, item)| !owner::is_adopted(item.value)) {
            let is_beside = item.place.file == into.item.place.file;
            let is_folded =
                self.fold_entry((name, item), is_beside, entries, &mut values, &mut fold);
            if !is_beside && !is_folded {
                return Err(Why::OwnEntry);
            }
        }
        Ok(fold)
    }

    /// Folds one of our entries and its contexts, as far as that loses nothing. Returns whether the entry goes.
    fn fold_entry(
        &self,
        (name, item): (&'a str, Item<'a>),
        is_beside: bool,
        entries: &Entries,
        values: &mut Values,
        fold: &mut Fold<'a>,
    ) -> bool {
        let Some(own) = item.value.as_object().filter(|_| self.search.may_migrate) else {
            return false;
        };
        let Some(entry) = with_entry(&values.entry, own, &entries.cluster) else {
            return false;
        };
        let mut contexts = Vec::new();
        let mut led = Vec::new();
        let mut is_free = !self.merged.hides_another(Section::Clusters, name)
            && !self.merged.is_of_hidden_context(name)
            && !self.has_comment(Section::Clusters, item)
            && self.may_change(item);
        let given = owner::given_name(item.value).unwrap_or(name);
        for &(context, context_item) in self.of_entry(name) {
            let folded = context_item
                .value
                .as_object()
                .filter(|_| context == given && self.is_plain(context, context_item, entries));
            let namespace = self.search.options.namespace.as_deref();
            let folded =
                folded.and_then(|own| Some((own, with_context(&values.context, own, namespace)?)));
            match folded {
                Some((own, new)) => {
                    values.context = new;
                    contexts.push((context, own));
                }
                None if is_beside
                    && self.is_ours(context_item)
                    && self.may_change(context_item) =>
                {
                    led.push(context);
                }
                None => is_free = false,
            }
        }
        if !is_beside && (!is_free || !led.is_empty()) {
            return false;
        }
        for (context, own) in contexts {
            fold.contexts.push(context);
            fold.context_values.push(own);
        }
        fold.led.extend(led);
        if is_free {
            values.entry = entry;
            fold.entries.push(name);
            fold.entry_values.push(own);
        }
        is_free
    }

    /// Whether a context and its user are as a sync wrote them, and nothing else needs the context.
    fn is_plain(&self, name: &str, context: Item<'_>, entries: &Entries) -> bool {
        let user = context.link(Section::Users);
        let user = user.and_then(|user| self.merged.item(Section::Users, user));
        let is_users = user.is_none_or(|user| {
            let item = user.value.as_object();
            owner::is_shared(user.value) || item.is_some_and(|item| becomes(item, &entries.user))
        });
        let is_current_for_good = self.search.documents.iter().any(|file| {
            let path = file.path().unwrap_or(std::path::Path::new(""));
            !self.search.targets.may_change(path)
                && merged::current_context(file.root()) == Some(name)
        });
        self.is_ours(context)
            && is_users
            && !is_current_for_good
            && !self.merged.hides_another(Section::Contexts, name)
            && !self.has_comment(Section::Contexts, context)
            && self.may_change(context)
    }

    /// Whether a context's user is ours, or a missing one that is called as ours are.
    fn is_ours(&self, context: Item<'_>) -> bool {
        let Some(user) = context.link(Section::Users) else {
            return false;
        };
        match self.merged.item(Section::Users, user) {
            Some(item) => owner::is_ours(item.value),
            None => user.starts_with(SHARED_USER),
        }
    }

    fn has_comment(&self, section: Section, item: Item<'_>) -> bool {
        self.search.documents[item.place.file].has_comment(section, item.place.at)
    }
}

/// The values of what is taken over, with what was folded in so far.
struct Values {
    entry: Map<String, Value>,
    context: Map<String, Value>,
}

impl Fold<'_> {
    /// Removes ours, and moves what a person added to them.
    pub(super) fn apply(&self, draft: &mut Draft<'_>, entry: &str, written: &Map<String, Value>) {
        draft.edit(Section::Clusters, entry, |item| {
            for own in &self.entry_values {
                *item = with_entry(item, own, written).unwrap_or_else(|| item.clone());
            }
        });
        draft.edit(Section::Contexts, self.into_context, |item| {
            for own in &self.context_values {
                let namespace = self.namespace.as_deref();
                *item = with_context(item, own, namespace).unwrap_or_else(|| item.clone());
            }
        });
        for context in &self.led {
            draft.edit(Section::Contexts, context, |item| {
                item.insert(Section::Clusters.item().to_owned(), json!(entry));
            });
        }
        for context in &self.contexts {
            draft.replace_current_context(context, self.into_context);
            draft.remove(Section::Contexts, context);
        }
        for entry in &self.entries {
            draft.remove(Section::Clusters, entry);
        }
    }
}

/// An entry with what a person added to our `own` one, apart from what a sync has `written` there. None if that would
/// change what the entry says: another proxy, or that a certificate is not verified.
fn with_entry(
    entry: &Map<String, Value>,
    own: &Map<String, Value>,
    written: &Map<String, Value>,
) -> Option<Map<String, Value>> {
    const REPLACED: [&str; 2] = ["server", ca_files::DATA];
    // To take them over would make what others use less safe.
    const FIXED: [&str; 2] = ["insecure-skip-tls-verify", ca_files::FILE];
    let is_written = |(key, value): &(&String, &Value)| {
        let is_ours =
            key.as_str() == ca_files::FILE && value.as_str().is_none_or(ca_files::is_ours);
        REPLACED.contains(&key.as_str()) || is_ours || written.get(*key) == Some(*value)
    };
    let added = own.iter().filter(|one| !is_written(one));
    with_additions(entry, added, |key| FIXED.contains(&key))
}

/// A context with what a person added to our `own` one. None if they differ, or lead to different namespaces; `namespace`
/// is what the run gives to a context that has none.
fn with_context(
    context: &Map<String, Value>,
    own: &Map<String, Value>,
    namespace: Option<&str>,
) -> Option<Map<String, Value>> {
    let links = [Section::Clusters, Section::Users].map(Section::item);
    let has_none = context
        .get(NAMESPACE)
        .is_none_or(|name| name.is_null() || name == "");
    let is_default = |(key, value): &(&String, &Value)| {
        let is_given = has_none && value.as_str() == namespace;
        key.as_str() == NAMESPACE && (is_given || *value == "default")
    };
    let added = own
        .iter()
        .filter(|(key, _)| !links.contains(&key.as_str()))
        .filter(|one| !is_default(one));
    with_additions(context, added, |key| key == NAMESPACE)
}

const NAMESPACE: &str = "namespace";

/// A value with fields that it lacks. None if it has others in their place, or lacks one that `is_fixed`.
fn with_additions<'v>(
    value: &Map<String, Value>,
    added: impl Iterator<Item = (&'v String, &'v Value)>,
    is_fixed: impl Fn(&str) -> bool,
) -> Option<Map<String, Value>> {
    let mut new = value.clone();
    let says_nothing =
        |value: &Value| matches!(value, Value::Null | Value::Bool(false)) || value == "";
    for (key, addition) in added.filter(|(_, addition)| !says_nothing(addition)) {
        if key == "extensions" {
            let merged = with_extensions(new.get(key), addition)?;
            if !merged.is_empty() {
                new.insert(key.clone(), Value::Array(merged));
            }
            continue;
        }
        match new.get(key).filter(|value| !says_nothing(value)) {
            Some(value) if value == addition => {}
            None if !is_fixed(key) => {
                new.insert(key.clone(), addition.clone());
            }
            _ => return None,
        }
    }
    Some(new)
}

/// The extensions of two entries, apart from ours in the second. None if one name has two values.
fn with_extensions(value: Option<&Value>, added: &Value) -> Option<Vec<Value>> {
    let mut all = value.and_then(Value::as_array).cloned().unwrap_or_default();
    for extension in added.as_array().into_iter().flatten() {
        let name = extension.get("name");
        if name.and_then(Value::as_str) == Some(owner::EXTENSION) {
            continue;
        }
        match all.iter().find(|one| one.get("name") == name) {
            Some(same) if same == extension => {}
            Some(_) => return None,
            None => all.push(extension.clone()),
        }
    }
    Some(all)
}
