//! Names the contexts of a fleet, and the users that they share.
//!
//! A context's name is the shortest form of its [`ContextTemplate`] that is unique in the fleet and free in the kubeconfig. By
//! default: the cluster's name, else `name-resourcegroup`, else with the subscription's name too, else with its id. The
//! resource group is in lower case, since Azure's services spell it differently. A shared user's name says how it signs in
//! and where: `aad:azurecli:contoso.example`.

use std::collections::{HashMap, HashSet};

use super::{
    Cluster, Role,
    context_template::{ContextTemplate, typeable, typeable_with},
    file_names::file_key,
};

/// The names that a fleet's clusters could have.
pub(crate) struct ContextNames {
    /// How many clusters have a form, by its key.
    counts: HashMap<String, usize>,
    /// The key of a form: what it has in common with others that must not be used beside it.
    key: fn(&str) -> String,
    /// A name that was chosen already.
    chosen: Option<String>,
    template: ContextTemplate,
    /// Whose credential the contexts lead to.
    role: Role,
}

/// What the names of contexts in the admin role end with.
const ADMIN: &str = "-admin";

impl ContextNames {
    pub(crate) fn new<'a>(
        clusters: impl Iterator<Item = &'a Cluster>,
        template: ContextTemplate,
    ) -> Self {
        Self::by_key(clusters, template, str::to_owned)
    }

    /// For kubeconfigs of one cluster each, which are named after their contexts.
    pub(crate) fn of_files<'a>(
        clusters: impl Iterator<Item = &'a Cluster>,
        template: ContextTemplate,
    ) -> Self {
        Self::by_key(clusters, template, file_key)
    }

    /// For one cluster, which is to have this name.
    pub(crate) fn chosen(name: String) -> Self {
        Self {
            chosen: Some(name),
            ..Self::new(std::iter::empty(), ContextTemplate::default())
        }
    }

    fn by_key<'a>(
        clusters: impl Iterator<Item = &'a Cluster>,
        template: ContextTemplate,
        key: fn(&str) -> String,
    ) -> Self {
        let mut counts = HashMap::new();
        let mut seen = HashSet::new();
        for cluster in clusters {
            if seen.insert(cluster.key()) {
                // Two forms of one cluster can be the same text.
                let keys = template.forms(cluster).into_iter().map(|form| key(&form));
                for key in keys.collect::<HashSet<_>>() {
                    *counts.entry(key).or_default() += 1;
                }
            }
        }
        Self {
            counts,
            key,
            chosen: None,
            template,
            role: Role::User,
        }
    }

    /// The names of contexts in this role.
    pub(crate) fn in_role(self, role: Role) -> Self {
        Self { role, ..self }
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// The chosen name, else the first form that no other cluster of the fleet has and that `is_free`, else the last one with a number.
    pub(crate) fn choose(&self, cluster: &Cluster, is_free: impl Fn(&str) -> bool) -> String {
        if let Some(name) = self.chosen.as_ref().filter(|name| is_free(name)) {
            return name.clone();
        }
        match self.unique(cluster).find(|form| is_free(form)) {
            Some(form) => form,
            None => {
                let (_, last) = self.forms(cluster).pop().unwrap_or_default();
                first_free(&[last], is_free)
            }
        }
    }

    /// What a cluster is renamed to: a chosen name only if it `is_free`.
    pub(crate) fn rename_to(
        &self,
        cluster: &Cluster,
        is_free: impl Fn(&str) -> bool,
    ) -> Option<String> {
        match &self.chosen {
            Some(name) => is_free(name).then(|| name.clone()),
            None => Some(self.choose(cluster, is_free)),
        }
    }

    /// The cluster's forms that no other cluster of the fleet has, in either role, shortest first.
    pub(crate) fn unique(&self, cluster: &Cluster) -> impl Iterator<Item = String> {
        let count = |form: &str| self.counts.get(&(self.key)(form)).copied().unwrap_or(0);
        let is_unique = move |(base, name): &(String, String)| {
            count(base) <= 1 && (base == name || count(name) == 0)
        };
        let unique = self.forms(cluster).into_iter().filter(is_unique);
        unique.map(|(_, name)| name)
    }

    /// All forms of a cluster's name in the role, shortest first, each with the template's form that it is made of.
    ///
    /// Those in the admin role end with `-admin`, unless the template says `admin` itself. So with one template no context in
    /// it gets a name that the user's context would have, whichever comes first.
    fn forms(&self, cluster: &Cluster) -> Vec<(String, String)> {
        let forms = self.template.forms(cluster).into_iter();
        let in_role = |form: String| match self.is_marked() {
            true => (form.clone(), form + ADMIN),
            false => (form.clone(), form),
        };
        forms.map(in_role).collect()
    }

    /// Whether the names end with `-admin` beside what the template says.
    fn is_marked(&self) -> bool {
        self.role == Role::Admin && !self.template.says("admin")
    }

    /// Whether a cluster may have this name: it is the chosen one, or one of its forms.
    pub(crate) fn may_be(&self, cluster: &Cluster, name: &str) -> bool {
        match &self.chosen {
            Some(chosen) => chosen == name,
            None if self.is_marked() => {
                let marked = name.rsplit_once(ADMIN);
                marked.is_some_and(|(form, _)| self.template.has_form(cluster, form))
                    || self.forms(cluster).iter().any(|(_, form)| form == name)
            }
            None => self.template.has_form(cluster, name),
        }
    }
}

/// How the names of users begin that clusters share.
pub(crate) const SHARED_USER: &str = "aad:";

/// What a shared user's name says of its sign-in. All of it: two sign-ins that differ have different names, whatever
/// kubeconfig they are in, because of two users with one name kubectl takes the first.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignInName {
    /// The login mode.
    pub mode: String,
    /// The tenant's id; none for a mode that takes no tenant.
    pub tenant: Option<String>,
    /// Who signs in, if the arguments say so: an account or an application.
    pub account: Option<String>,
    /// The server application, unless it is AKS's own.
    pub server: Option<String>,
    /// A hash of the whole sign-in, if there is more to it.
    pub hash: Option<String>,
    /// The tenant's default domain, if it is known: it is shown in place of the id.
    pub domain: Option<String>,
}

impl SignInName {
    /// The name.
    fn name(&self) -> String {
        self.with_tenant(self.domain.as_ref().or(self.tenant.as_ref()))
    }

    /// The name, also as it is when the tenant's domain is not known.
    pub(crate) fn names(&self) -> [String; 2] {
        [self.name(), self.with_tenant(self.tenant.as_ref())]
    }

    fn with_tenant(&self, tenant: Option<&String>) -> String {
        let others = [
            tenant,
            self.account.as_ref(),
            self.server.as_ref(),
            self.hash.as_ref(),
        ];
        let mut name = format!("{SHARED_USER}{}", typeable(&self.mode));
        for part in others.into_iter().flatten() {
            name.push(':');
            name.push_str(&typeable_with(part, '@'));
        }
        name
    }

    /// The name if it `is_free`, else with a number.
    pub(crate) fn choose(&self, is_free: impl Fn(&str) -> bool) -> String {
        first_free(&[self.name()], is_free)
    }

    /// Whether a user with this sign-in may have a name: it says just this, or nothing of a sign-in.
    pub(crate) fn may_be(&self, name: &str) -> bool {
        let is_number = |rest: &str| {
            let number = rest.strip_prefix('-');
            number.is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let is_mine = |mine: &String| {
            let rest = name.strip_prefix(mine.as_str());
            rest.is_some_and(|rest| rest.is_empty() || is_number(rest))
        };
        !name.starts_with(SHARED_USER) || self.names().iter().any(is_mine)
    }
}

/// The first of `forms` that `is_free`, else the last one with a number.
pub(crate) fn first_free(forms: &[String], is_free: impl Fn(&str) -> bool) -> String {
    let last = forms.last().map(String::as_str).unwrap_or_default();
    let numbered = (2..).map(|n| format!("{last}-{n}"));
    let mut all = forms.iter().cloned().chain(numbered);
    all.find(|name| is_free(name))
        .expect("a kubeconfig has finitely many names")
}
