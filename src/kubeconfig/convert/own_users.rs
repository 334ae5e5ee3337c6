//! Gives selected contexts users of their own, where `sync` wrote one for all clusters with the same sign-in.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::{
    Around, Request,
    entries::{OwnUserOf, Selection, UserAction, UserOutcome, View, one},
};
use crate::{
    fleet::first_free,
    kubeconfig::{
        Document, Section,
        document::{OwnUser, entry_name},
        owner, sign_in_name,
    },
};

impl View<'_> {
    /// The selected contexts of a user that has others, too, and that `sync` wrote for all of them.
    pub(super) fn to_split(
        &self,
        user: &str,
        value: &Value,
        selection: &Selection,
    ) -> Option<Contexts> {
        let Selection::Contexts(selected) = selection else {
            return None;
        };
        let has = |context: &&Value| context.get("user").and_then(Value::as_str) == Some(user);
        let all = self.contexts.iter().filter(|(_, context)| has(context));
        let (mut own, others): (Vec<String>, Vec<String>) = all
            .map(|(name, _)| (*name).to_owned())
            .partition(|name| selected.contains(name));
        own.sort();
        let is_split = owner::is_shared(value) && !others.is_empty();
        is_split.then_some(Contexts {
            own,
            others: others.len(),
        })
    }
}

/// The contexts of a shared user.
pub(super) struct Contexts {
    /// Those that get a user of their own.
    own: Vec<String>,
    /// How many keep it.
    others: usize,
}

/// The users that contexts get for themselves.
pub(super) struct Splits {
    /// The file and place of each context that kubectl sees.
    places: HashMap<String, (usize, usize)>,
    /// The names of all users.
    names: HashSet<String>,
    /// Those that several users have. kubectl sees the first.
    repeated: HashSet<String>,
    /// For each file.
    pub(super) own: Vec<Vec<OwnUser>>,
}

impl Splits {
    pub(super) fn new(documents: &[Document<'_>]) -> Self {
        let mut places = HashMap::new();
        let mut names = HashSet::new();
        let mut repeated = HashSet::new();
        for (file, document) in documents.iter().enumerate() {
            for (place, entry) in document.entries(Section::Contexts).iter().enumerate() {
                if let Some(name) = entry_name(entry) {
                    places.entry(name.to_owned()).or_insert((file, place));
                }
            }
            for name in document.names(Section::Users) {
                if !names.insert(name.to_owned()) {
                    repeated.insert(name.to_owned());
                }
            }
        }
        Self {
            places,
            names,
            repeated,
            own: documents.iter().map(|_| Vec::new()).collect(),
        }
    }

    /// The new name of a shared user, if the old one says how it signed in before: in another kubeconfig a user of that
    /// name still does, and of the two kubectl would take the first.
    pub(super) fn new_name(
        &mut self,
        name: &str,
        old: &Value,
        new: &Map<String, Value>,
    ) -> Option<String> {
        if !owner::is_shared(old) || self.repeated.contains(name) {
            return None;
        }
        let before = sign_in_name(old.as_object()?, None)?;
        let id = sign_in_name(new, None)?;
        let domain = name
            .split(':')
            .nth(2)
            .filter(|_| before.tenant == id.tenant);
        let now = sign_in_name(new, domain)?;
        if now.may_be(name) {
            return None;
        }
        let to = now.choose(|name| !self.names.contains(name));
        self.names.insert(to.clone());
        Some(to)
    }

    /// Converts a copy of a shared user for each of `contexts`. What is not converted is told once, as of the user.
    pub(super) fn split<'v>(
        &mut self,
        shared: &str,
        file: usize,
        user: &'v Value,
        contexts: &Contexts,
        view: &View<'v>,
        request: &Request,
    ) -> Vec<UserOutcome> {
        let mut outcomes: Vec<UserOutcome> = Vec::new();
        for context in &contexts.own {
            let around = Around::of(view.items_of_one(context, user));
            let (mut outcome, new) = one(shared, file, user, &around, request);
            if let Some(new) = new {
                (outcome.file, outcome.user) = self.add(context, new);
                outcome.own = Some(OwnUserOf {
                    context: context.clone(),
                    shared: shared.to_owned(),
                    others: contexts.others,
                });
            } else if outcomes
                .iter()
                .any(|one| one.action != UserAction::Converted)
            {
                continue;
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    /// Adds a user for a context, in the context's file. Returns the file and the user's name: the context's, if no other
    /// user has it.
    fn add(&mut self, context: &str, mut user: Map<String, Value>) -> (usize, String) {
        owner::unshare(&mut user);
        let name = first_free(&[context.to_owned()], |name| !self.names.contains(name));
        self.names.insert(name.clone());
        let (file, place) = self.places[context];
        self.own[file].push(OwnUser {
            context: place,
            name: name.clone(),
            user,
        });
        (file, name)
    }
}
