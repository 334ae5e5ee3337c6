//! Finds or adds the users that all clusters with the same sign-in share.
//!
//! They are found by what they say. A name that says another sign-in is left to it: in another kubeconfig of a `KUBECONFIG` a
//! user of that name may run just that.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::{
    super::{document::Section, merged::Item, owner},
    changes::{sign_in, sign_in_settings},
    clusters::Before,
    draft::Draft,
    is_same,
    overlay::overlay_user,
    sign_ins::{Needed, Uses, set_user, signs_in_as},
};
use crate::login::{Param, Settings};

/// Finds, changes or adds a user for each needed sign-in. Returns their names.
///
/// A user is changed in place if everything that uses it and leads to a cluster of ours moves to the same sign-in, and its
/// name still fits: then a person's own contexts for it follow.
pub(super) fn find_or_add(
    draft: &mut Draft<'_>,
    before: &Before<'_>,
    uses: &Uses<'_>,
    needed: &[Needed<'_>],
) -> Vec<String> {
    if needed.is_empty() {
        return Vec::new();
    }
    let index = Index::of(before);
    let mut users: Vec<Option<String>> = needed.iter().map(|one| index.find(one)).collect();
    let mut taken: HashMap<String, &Map<String, Value>> = HashMap::new();
    for (one, user) in needed.iter().zip(&users) {
        taken.extend(user.clone().map(|user| (user, one.user)));
    }
    let by_context: HashMap<&str, &Map<String, Value>> = needed
        .iter()
        .flat_map(|one| {
            one.contexts
                .iter()
                .map(|(_, name)| (name.as_str(), one.user))
        })
        .collect();
    for (one, user) in needed.iter().zip(&mut users) {
        if user.is_some() {
            continue;
        }
        let sources = sources(draft, one);
        let is_changed = |user: &&String| taken.get(*user) == Some(&one.user);
        let may_change = |user: &&String| {
            let moves = |context: &str| by_context.get(context) == Some(&one.user);
            !taken.contains_key(*user)
                && draft.may_change(Section::Users, user)
                && one.name.may_be(user)
                && uses.follow(before, user, moves)
        };
        let changed = sources.iter().find(is_changed);
        let found = match changed.or_else(|| sources.iter().find(may_change)) {
            Some(user) => {
                draft.edit(Section::Users, user, |item| {
                    set_user(item, one.user);
                    owner::mark_shared(item);
                });
                user.clone()
            }
            None => {
                let moves = |context: &str| by_context.contains_key(context);
                let name = name_for(draft, before, uses, one, moves);
                add(draft, one, sources.first(), &name);
                name
            }
        };
        taken.insert(found.clone(), one.user);
        *user = Some(found);
    }
    users.into_iter().flatten().collect()
}

/// The shared users that kubectl sees.
struct Index<'a> {
    /// By the parameters that no update leaves to a person.
    users: HashMap<Vec<Option<String>>, Vec<(&'a str, Item<'a>)>>,
}

/// Two users with the same sign-in agree in these.
const DISTINCT: [Param; 4] = [
    Param::Login,
    Param::TenantId,
    Param::ServerId,
    Param::ClientId,
];

impl<'a> Index<'a> {
    fn of(before: &Before<'a>) -> Self {
        let mut users: HashMap<_, Vec<_>> = HashMap::new();
        for (name, item) in before.merged.items(Section::Users) {
            if let Some(user) = item
                .value
                .as_object()
                .filter(|_| owner::is_shared(item.value))
            {
                users.entry(distinct(user)).or_default().push((name, item));
            }
        }
        Self { users }
    }

    /// The user of a sign-in: one that says exactly this, else one with a person's additions.
    fn find(&self, needed: &Needed<'_>) -> Option<String> {
        let alike = self.users.get(&distinct(needed.user))?;
        let here = alike
            .iter()
            .filter(|(_, item)| item.place.file == needed.file)
            .filter(|(name, _)| needed.name.may_be(name));
        let is_exact = |(_, item): &&(&str, Item<'_>)| {
            let item = item.value.as_object();
            item.is_some_and(|item| is_same(&sign_in(item), needed.user))
        };
        let signs_in = |(_, item): &&(&str, Item<'_>)| {
            let item = item.value.as_object();
            item.is_some_and(|item| signs_in_as(item, needed.user))
        };
        let found = here.clone().find(is_exact);
        let found = found.or_else(|| here.clone().find(signs_in));
        found.map(|(name, _)| (*name).to_owned())
    }
}

fn distinct(user: &Map<String, Value>) -> Vec<Option<String>> {
    let settings = sign_in_settings(user);
    let text = |param| text(settings.as_ref(), param);
    DISTINCT.map(text).into()
}

fn text(settings: Option<&Settings>, param: Param) -> Option<String> {
    settings?.text(param).map(str::to_owned)
}

/// The shared users of the contexts that need a sign-in: that of most of them first.
fn sources(draft: &Draft<'_>, needed: &Needed<'_>) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, context) in &needed.contexts {
        let user = draft.link(context, Section::Users);
        let is_shared = |user: &&str| {
            let item = draft.item(Section::Users, user);
            item.is_some_and(owner::is_shared)
        };
        if let Some(user) = user.filter(is_shared) {
            *counts.entry(user).or_default() += 1;
        }
    }
    let mut users: Vec<_> = counts.into_iter().collect();
    users.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    users.into_iter().map(|(user, _)| user.to_owned()).collect()
}

/// The name of a new user: the one that its contexts still name, else the first that is free. A context that does not move
/// must not name it: it would sign in as this user, too.
fn name_for(
    draft: &Draft<'_>,
    before: &Before<'_>,
    uses: &Uses<'_>,
    needed: &Needed<'_>,
    moves: impl Fn(&str) -> bool,
) -> String {
    let names = |context: &str, user: &str| draft.link(context, Section::Users) == Some(user);
    let is_free = |user: &str| {
        let leaves = |context: &str| moves(context) || !names(context, user);
        draft.is_free(Section::Users, user) && uses.follow(before, user, leaves)
    };
    let is_named_by = |form: &String| {
        let mut contexts = needed.contexts.iter();
        contexts.any(|(_, context)| names(context, form))
    };
    let forms = needed.name.names().into_iter();
    let named = forms.filter(is_named_by).find(|form| is_free(form));
    named.unwrap_or_else(|| needed.name.choose(is_free))
}

/// Adds a user; with what a person added to the one that its contexts had.
fn add(draft: &mut Draft<'_>, needed: &Needed<'_>, source: Option<&String>, name: &str) {
    let old = source.and_then(|name| draft.item(Section::Users, name)?.as_object());
    let mut item = old.map(sign_in).unwrap_or_default();
    overlay_user(&mut item, needed.user);
    owner::mark_shared(&mut item);
    draft.add(Section::Users, needed.file, name, item);
}
