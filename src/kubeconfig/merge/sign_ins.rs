//! Gives the contexts their users: one user for each distinct sign-in, which all its clusters share, and one of its own for
//! a cluster with a local account, or whose user a person changed before users were shared.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::{
    super::{convert, document::Section, owner},
    changes::{self, sign_in},
    clusters::{Before, Import},
    draft::Draft,
    is_same,
    overlay::overlay_user,
    shared_users,
};
use crate::fleet::{Change, ContextNames, Role, SignInName};

/// The contexts of each user.
pub(super) struct Uses<'a> {
    seen: HashMap<&'a str, Vec<&'a str>>,
    hidden: HashSet<&'a str>,
}

impl<'a> Uses<'a> {
    fn of(before: &Before<'a>) -> Self {
        let mut seen: HashMap<&str, Vec<&str>> = HashMap::new();
        for (name, item) in before.merged.contexts() {
            if let Some(user) = item.link(Section::Users)
                && !before.adoptions.folds(name)
            {
                seen.entry(user).or_default().push(name);
            }
        }
        Self {
            seen,
            hidden: before.merged.hidden_users().collect(),
        }
    }

    pub(super) fn of_user(&self, user: &str) -> &[&'a str] {
        self.seen.get(user).map_or(&[], Vec::as_slice)
    }

    /// Whether all contexts of a user move with it: they are `moving`, or lead to no cluster of ours.
    pub(super) fn follow(
        &self,
        before: &Before<'_>,
        user: &str,
        moving: impl Fn(&str) -> bool,
    ) -> bool {
        self.of_user(user).iter().all(|context| {
            let cluster = before.merged.item(Section::Contexts, context);
            let cluster = cluster.and_then(|item| item.link(Section::Clusters));
            let cluster = cluster.and_then(|name| before.merged.item(Section::Clusters, name));
            let is_ours = cluster.is_some_and(|item| owner::arm_id(item.value).is_some());
            moving(context) || !is_ours
        })
    }

    fn are_all_among(&self, user: &str, contexts: &HashSet<&str>) -> bool {
        let mut uses = self.of_user(user).iter();
        !self.hidden.contains(user) && uses.all(|context| contexts.contains(context))
    }
}

/// A sign-in that contexts need and have not.
pub(super) struct Needed<'r> {
    pub(super) name: &'r SignInName,
    /// The user's value.
    pub(super) user: &'r Map<String, Value>,
    /// The file that the contexts are in: each file can be used alone.
    pub(super) file: usize,
    /// The contexts, with the places of their imports.
    pub(super) contexts: Vec<(usize, String)>,
}

/// Sets the users of all contexts of `imports`, and removes those that contexts were moved from and nothing uses.
pub(super) fn set_users(
    draft: &mut Draft<'_>,
    before: &Before<'_>,
    imports: &mut [Import<'_>],
    names: &ContextNames,
) {
    let uses = Uses::of(before);
    let moving: Vec<String> = imports
        .iter()
        .flat_map(|import| import.to_sign_in.clone())
        .collect();
    let moving: HashSet<&str> = moving.iter().map(String::as_str).collect();
    let folded = before.adoptions.folded_users();
    let mut left: BTreeSet<String> = folded.map(str::to_owned).collect();
    let mut needed: HashMap<(String, usize), Needed<'_>> = HashMap::new();
    for (place, import) in imports.iter_mut().enumerate() {
        let may_leave = |user: &str| uses.are_all_among(user, &moving);
        let own = own_users(draft, before, may_leave, import, &mut left);
        for context in set_own_users(draft, before, &uses, &own, import, names, &mut left) {
            let entries = import.entries;
            let Some(name) = &entries.sign_in else {
                continue;
            };
            let text = Value::Object(entries.user.clone()).to_string();
            let file = draft.file_of(Section::Contexts, &context);
            let one = needed.entry((text, file)).or_insert_with(|| Needed {
                name,
                user: &entries.user,
                file,
                contexts: Vec::new(),
            });
            // The tenant's domain may be known for some clusters only.
            one.name = one.name.max(name);
            one.contexts.push((place, context));
        }
    }
    let mut needed: Vec<_> = needed.into_iter().collect();
    needed.sort_by(|(a, x), (b, y)| (x.name, a).cmp(&(y.name, b)));
    let needed: Vec<_> = needed.into_iter().map(|(_, one)| one).collect();
    let users = shared_users::find_or_add(draft, before, &uses, &needed);
    for (one, user) in needed.iter().zip(&users) {
        for (place, context) in &one.contexts {
            lead(
                draft,
                before,
                &mut imports[*place],
                context,
                user,
                &mut left,
            );
        }
    }
    remove_unused(draft, before, imports, &left);
}

/// Updates the users that only this cluster has, and notes those in `left` that it no longer needs: they say nothing but
/// what the shared user says, and no context uses them that does not move now.
fn own_users(
    draft: &mut Draft<'_>,
    before: &Before<'_>,
    may_leave: impl Fn(&str) -> bool,
    import: &mut Import<'_>,
    left: &mut BTreeSet<String>,
) -> Vec<String> {
    let Some(known) = before.known.of_cluster(&import.key) else {
        return Vec::new();
    };
    let mut own: Vec<String> = Vec::new();
    let entries = import.entries;
    for &user in &known.users {
        let item = draft.item(Section::Users, user).and_then(Value::as_object);
        let is_needed = entries.sign_in.is_none() && own.is_empty();
        let is_shareable = item.is_some_and(|item| becomes(item, &entries.user));
        let is_plain = is_shareable && !draft.has_comment(Section::Users, user);
        if !is_needed && draft.may_migrate() && is_plain && may_leave(user) {
            left.insert(user.to_owned());
            import.is_migrated = true;
            continue;
        }
        let may_migrate = draft.may_migrate();
        let old = draft.edit(Section::Users, user, |item| {
            // An install hint alone is no reason to change a file whose layout may not allow it.
            if may_migrate || !signs_in_as(item, &entries.user) {
                set_user(item, &entries.user);
                owner::mark(item, &import.cluster.id, before.role);
            }
        });
        note_user(draft, import, old.as_ref(), user);
        own.push(user.to_owned());
    }
    own
}

/// Sets the users of a cluster's contexts that are its `own`. Returns the contexts that need a shared user and have not
/// got it.
fn set_own_users(
    draft: &mut Draft<'_>,
    before: &Before<'_>,
    uses: &Uses<'_>,
    own: &[String],
    import: &mut Import<'_>,
    names: &ContextNames,
    left: &mut BTreeSet<String>,
) -> Vec<String> {
    let entries = import.entries;
    let mut of_own = own.first().cloned();
    let mut needed = Vec::new();
    for context in import.to_sign_in.clone() {
        let user = draft.link(&context, Section::Users).map(str::to_owned);
        let item = user
            .as_ref()
            .and_then(|user| draft.item(Section::Users, user));
        if user.as_ref().is_some_and(|user| own.contains(user)) {
            continue;
        }
        let Some(name) = &entries.sign_in else {
            let own = of_own.get_or_insert_with(|| {
                add_own_user(draft, uses, import, before.role, &context, names)
            });
            lead(draft, before, import, &context, &own.clone(), left);
            continue;
        };
        let name_fits = user.as_ref().is_some_and(|user| name.may_be(user));
        match (item, &of_own) {
            (None, Some(own)) => lead(draft, before, import, &context, &own.clone(), left),
            (Some(Value::Object(user)), _)
                if name_fits
                    && item.is_some_and(owner::is_shared)
                    && signs_in_as(user, &entries.user) => {}
            _ => needed.push(context),
        }
    }
    needed
}

/// Adds a user for one cluster, called as its context says, or as the context if that name is free. No other context may
/// name it: it would get this cluster's credential.
fn add_own_user(
    draft: &mut Draft<'_>,
    uses: &Uses<'_>,
    import: &Import<'_>,
    role: Role,
    context: &str,
    names: &ContextNames,
) -> String {
    let is_its = |context: &&str| import.contexts.iter().any(|own| own == context);
    let is_free =
        |name: &str| draft.is_free(Section::Users, name) && uses.of_user(name).iter().all(is_its);
    let missing = draft.link(context, Section::Users);
    let named = missing.into_iter().chain([context]);
    let name = named.map(str::to_owned).find(|name| is_free(name));
    let name = name.unwrap_or_else(|| names.choose(import.cluster, is_free));
    let mut item = import.entries.user.clone();
    owner::mark(&mut item, &import.cluster.id, role);
    let file = draft.file_of(Section::Contexts, context);
    draft.add(Section::Users, file, &name, item);
    name
}

/// Makes a context use a user, and notes what that changes.
fn lead(
    draft: &mut Draft<'_>,
    before: &Before<'_>,
    import: &mut Import<'_>,
    context: &str,
    user: &str,
    left: &mut BTreeSet<String>,
) {
    let old = draft.link(context, Section::Users).map(str::to_owned);
    draft.edit(Section::Contexts, context, |item| {
        item.insert("user".to_owned(), json!(user));
    });
    let is_new = before.merged.item(Section::Contexts, context).is_none();
    let old_item = old.as_deref();
    let old_item = old_item.and_then(|name| before.merged.item(Section::Users, name));
    match old_item.and_then(|item| item.value.as_object()) {
        _ if is_new => {}
        Some(item) => note_user(draft, import, Some(item), user),
        None if old.as_deref() == Some(user) => import.note(Change::Missing),
        None => import.note(Change::Context),
    }
    left.extend(old.filter(|old| old != user));
}

/// Notes what a new value of a cluster's user changes.
fn note_user(
    draft: &Draft<'_>,
    import: &mut Import<'_>,
    old: Option<&Map<String, Value>>,
    user: &str,
) {
    let new = draft.item(Section::Users, user).and_then(Value::as_object);
    let (Some(old), Some(new)) = (old, new) else {
        return;
    };
    match changes::of_user(old, new) {
        Some(change) => import.note(change),
        None => import.is_migrated = true,
    }
}

/// Removes those of the users that contexts `left` which no context uses, if they are ours or were taken over; one with a
/// person's comment stays.
fn remove_unused(
    draft: &mut Draft<'_>,
    before: &Before<'_>,
    imports: &[Import<'_>],
    left: &BTreeSet<String>,
) {
    if left.is_empty() || !draft.may_migrate() {
        return;
    }
    let contexts = before.merged.contexts().map(|(name, _)| name);
    let new = imports.iter().flat_map(|import| &import.to_sign_in);
    let used: HashSet<String> = contexts
        .chain(new.map(String::as_str))
        .filter_map(|context| draft.link(context, Section::Users))
        .chain(before.merged.hidden_users())
        .map(str::to_owned)
        .collect();
    for user in left.iter().filter(|user| !used.contains(*user)) {
        let is_ours = draft.item(Section::Users, user).is_some_and(owner::is_ours);
        let may_go = is_ours || before.adoptions.were_from(user);
        if may_go && !draft.has_comment(Section::Users, user) {
            draft.remove(Section::Users, user);
        }
    }
}

/// Sets how a user signs in; what a person added stays.
pub(super) fn set_user(item: &mut Map<String, Value>, wanted: &Map<String, Value>) {
    let before = item.clone();
    overlay_user(item, wanted);
    if !is_same(&before, item) {
        convert::forget(item);
    }
}

/// Whether a user signs in as wanted, also with a person's additions.
pub(super) fn signs_in_as(old: &Map<String, Value>, wanted: &Map<String, Value>) -> bool {
    let mut new = old.clone();
    overlay_user(&mut new, wanted);
    is_same(&sign_in(&new), &sign_in(old))
}

/// Whether an update would make a user what is wanted and nothing else: no person added anything.
pub(super) fn becomes(item: &Map<String, Value>, wanted: &Map<String, Value>) -> bool {
    let mut new = item.clone();
    overlay_user(&mut new, wanted);
    owner::unmark(&mut new);
    is_same(&new, wanted)
}
