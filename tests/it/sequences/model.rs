//! Whom each context stands for, and what has to work: the rules that the program is held to.
//!
//! A context that names an account stands for that one. One that names none stands for whoever signed
//! in last, in the same way (with the same application) and tenant, without being named; until then
//! for nobody, and a person is asked. `azurecli` stands for whoever `az` is signed in as at that
//! moment, and `spn` for the application.

use std::collections::BTreeMap;

use super::{kubeconfig::Says, step::*};

/// Whose a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Human(Person),
    Application(Tenant),
}

/// A context of the kubeconfig.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) says: Says,
    /// What it said before it was converted, the oldest first; gone once it is edited.
    pub(super) before: Vec<Says>,
    /// Whether it is as `sync` wrote it: then no variable beats what it says.
    pub(super) by_sync: bool,
    /// Whether `before` may have been forgotten.
    pub(super) may_forget: bool,
    pub(super) namespace: Option<String>,
    pub(super) note: Option<String>,
    pub(super) variable: Option<String>,
}

impl Entry {
    pub(super) fn new(says: Says) -> Self {
        Self {
            says,
            before: Vec::new(),
            by_sync: false,
            may_forget: false,
            namespace: None,
            note: None,
            variable: None,
        }
    }

    /// What it says once it is converted, and what it remembers then; `None` if it lacks what the
    /// mode needs.
    pub(super) fn converted(&self, mode: Mode) -> Option<(Says, Vec<Says>)> {
        let by_flags = |says: Says| match mode {
            AsApp(tenant) => Says {
                mode,
                tenant: Some(tenant),
                client: Some(Principal(tenant)),
                ..says
            },
            _ => says,
        };
        if same_mode(self.says.mode, mode) {
            return Some((by_flags(self.says.clone()), self.before.clone()));
        }
        if let Some(at) = self.before.iter().position(|old| same_mode(old.mode, mode)) {
            return Some((
                by_flags(self.before[at].clone()),
                self.before[..at].to_vec(),
            ));
        }
        let mut before = self.before.clone();
        before.push(self.says.clone());
        let bare = Says {
            mode,
            tenant: None,
            client: None,
            hint: None,
            ..self.says.clone()
        };
        let last = |wanted: &dyn Fn(&Says) -> bool| before.iter().rev().find(|old| wanted(old));
        let says = match mode {
            AsAz => bare,
            AsApp(_) => by_flags(bare),
            DeviceCode | Interactive => {
                // `azurecli` has no client. AKS's own is the default for its own server.
                let other = last(&|old| old.mode != AsAz);
                let default = (!self.says.other_server).then_some(Aks);
                Says {
                    client: Some(other.and_then(|old| old.client).or(default)?),
                    // An entry that is converted to `azurecli` loses its tenant.
                    tenant: Some(self.says.tenant.or(other.and_then(|old| old.tenant))?),
                    hint: last(&|old| asks_a_person(old.mode)).and_then(|old| old.hint),
                    ..bare
                }
            }
        };
        Some((says, before))
    }
}

fn same_mode(a: Mode, b: Mode) -> bool {
    std::mem::discriminant(&a) == std::mem::discriminant(&b)
}

pub(super) fn asks_a_person(mode: Mode) -> bool {
    matches!(mode, DeviceCode | Interactive)
}

/// A sign-in that named no account.
#[derive(Clone, Copy, Debug)]
struct SignIn {
    client: Client,
    /// None for one that any tenant's contexts may use.
    tenant: Option<Tenant>,
    who: Person,
    at: usize,
}

#[derive(Clone, Copy, Debug)]
struct Stands {
    who: Person,
    since: usize,
    /// Whether a command that was killed may have changed that.
    sure: bool,
}

/// Whether refresh tokens of an account are there and good, by how they came.
#[derive(Clone, Copy, Debug, Default)]
struct Session {
    named: bool,
    unnamed: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) entries: BTreeMap<Context, Entry>,
    az: BTreeMap<Place, Person>,
    sessions: BTreeMap<(Client, Person), Session>,
    sign_ins: Vec<SignIn>,
    stands: BTreeMap<(Client, Tenant), Stands>,
    refused: BTreeMap<Tenant, Refusal>,
    now: usize,
}

impl Model {
    /// Who may be served for what an entry says.
    pub(super) fn may_be(&self, says: &Says) -> Vec<Identity> {
        match says.mode {
            AsApp(tenant) => vec![Identity::Application(tenant)],
            AsAz => self
                .az
                .get(&says.place)
                .map(|who| Identity::Human(*who))
                .into_iter()
                .collect(),
            DeviceCode | Interactive => {
                let people = match (says.hint, says.client, says.tenant) {
                    (Some(person), _, _) => vec![person],
                    (None, Some(client), Some(tenant)) => self.unnamed(client, tenant),
                    _ => Vec::new(),
                };
                people.into_iter().map(Identity::Human).collect()
            }
        }
    }

    fn unnamed(&self, client: Client, tenant: Tenant) -> Vec<Person> {
        let mine = self.sign_ins.iter().filter(|one| one.client == client);
        match self.stands.get(&(client, tenant)) {
            None => mine.map(|one| one.who).collect(),
            Some(stands) => {
                let later = mine.filter(|one| one.at > stands.since);
                let later = later.filter(|one| one.tenant.is_none_or(|other| other == tenant));
                std::iter::once(stands.who)
                    .chain(later.map(|one| one.who))
                    .collect()
            }
        }
    }

    /// Whether a token has to come, without a question.
    pub(super) fn has_to_come(&self, says: &Says) -> bool {
        match says.mode {
            AsApp(_) => true,
            AsAz => self.az_has(says.place),
            DeviceCode | Interactive => {
                let (Some(client), Some(tenant)) = (says.client, says.tenant) else {
                    return false;
                };
                if self.is_refused(tenant) {
                    return false;
                }
                let session = |who| {
                    self.sessions
                        .get(&(client, who))
                        .copied()
                        .unwrap_or_default()
                };
                match says.hint {
                    Some(who) => session(who).named,
                    None => self.stands.get(&(client, tenant)).is_some_and(|stands| {
                        stands.sure
                            && session(stands.who).unnamed
                            && self.unnamed(client, tenant).len() == 1
                    }),
                }
            }
        }
    }

    /// Somebody was served.
    pub(super) fn was_served(&mut self, says: &Says, who: Identity) {
        self.now += 1;
        if let (true, None, Some(client), Some(tenant), Identity::Human(who)) = (
            asks_a_person(says.mode),
            says.hint,
            says.client,
            says.tenant,
            who,
        ) {
            let stands = Stands {
                who,
                since: self.now,
                sure: true,
            };
            let old = self.stands.insert((client, tenant), stands);
            // Only the next sign-in shows what a killed command changed.
            if old.is_some_and(|old| old.who == who && !old.sure) {
                self.stands
                    .entry((client, tenant))
                    .and_modify(|stands| stands.sure = false);
            }
        }
    }

    /// A person signed in.
    pub(super) fn signed_in(
        &mut self,
        client: Client,
        tenant: Option<Tenant>,
        hint: Option<Person>,
        who: Person,
    ) {
        self.now += 1;
        let session = self.sessions.entry((client, who)).or_default();
        if hint.is_some() {
            session.named = true;
            return;
        }
        session.unnamed = true;
        self.sign_ins.push(SignIn {
            client,
            tenant,
            who,
            at: self.now,
        });
        if let Some(tenant) = tenant {
            let stands = Stands {
                who,
                since: self.now,
                sure: true,
            };
            self.stands.insert((client, tenant), stands);
        }
    }

    /// A person may have signed in, in a command that was killed.
    pub(super) fn may_have_signed_in(
        &mut self,
        client: Client,
        tenant: Option<Tenant>,
        hint: Option<Person>,
        who: Person,
    ) {
        self.now += 1;
        if hint.is_some() {
            return;
        }
        self.sign_ins.push(SignIn {
            client,
            tenant,
            who,
            at: self.now,
        });
        for ((other, place), stands) in &mut self.stands {
            if *other == client && tenant.is_none_or(|tenant| tenant == *place) {
                stands.sure = false;
            }
        }
    }

    pub(super) fn revoke(&mut self, who: Person) {
        for ((_, person), session) in &mut self.sessions {
            if *person == who {
                *session = Session::default();
            }
        }
    }

    pub(super) fn refuse(&mut self, tenant: Tenant, refusal: Refusal) {
        self.refused.insert(tenant, refusal);
    }

    /// Whether good refresh tokens are refused in a tenant.
    pub(super) fn is_refused(&self, tenant: Tenant) -> bool {
        self.refused.contains_key(&tenant)
    }

    pub(super) fn accept(&mut self) {
        self.refused.clear();
    }

    pub(super) fn az(&mut self, place: Place, who: Option<Person>) {
        match who {
            Some(who) => self.az.insert(place, who),
            None => self.az.remove(&place),
        };
    }

    /// Whether somebody is signed in to `az`.
    pub(super) fn az_has(&self, place: Place) -> bool {
        self.az.contains_key(&place)
    }

    pub(super) fn forget(&mut self, what: Forget) {
        match what {
            Everything => {
                self.sessions.clear();
                self.sign_ins.clear();
                self.stands.clear();
            }
            OfAccount(who) => {
                self.sessions.retain(|(_, person), _| *person != who);
                self.sign_ins.retain(|one| one.who != who);
                self.stands.retain(|_, stands| stands.who != who);
            }
            OfContext(_) => {}
        }
    }

    /// Sessions may be too old by now.
    pub(super) fn outlive(&mut self) {
        self.sessions.clear();
    }
}
