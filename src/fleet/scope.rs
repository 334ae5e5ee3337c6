//! Which tenants and subscriptions to search for clusters.

use std::collections::HashSet;

/// What to search.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    pub tenants: Tenants,
    /// Tenants to omit, by id or domain.
    pub excluded: Vec<String>,
    /// Subscriptions by id, or by a pattern over names; empty for every enabled one.
    pub subscriptions: Vec<String>,
    pub discovery: DiscoveryMode,
    /// Whether hubs are searched for whose AKS clusters can't be seen.
    pub hubs: bool,
    /// Fleet Managers, by name or ARM id, whose members alone are wanted; empty for every cluster.
    pub fleets: Vec<String>,
    /// Whether managed namespaces are searched for whose clusters can't be seen.
    pub managed_namespaces: bool,
}

/// Which services find subscriptions and clusters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum DiscoveryMode {
    /// Lists find the subscriptions, and Resource Graph the clusters where there are many subscriptions. What it does not
    /// show is listed.
    #[default]
    Auto,
    /// Resource Graph alone.
    Graph,
    /// Lists alone.
    List,
}

impl DiscoveryMode {
    pub(crate) const ALL: [Self; 3] = [Self::Auto, Self::Graph, Self::List];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Graph => "graph",
            Self::List => "list",
        }
    }
}

/// Which tenants to search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Tenants {
    /// All that the account is in.
    #[default]
    Every,
    /// The sign-in's own: a managed identity has no other.
    Own,
    /// These, by id or domain.
    Named(Vec<String>),
}

impl Scope {
    pub(crate) fn names_tenants(&self) -> bool {
        matches!(self.tenants, Tenants::Named(_))
    }

    /// The first tenant that was named.
    pub(crate) fn first_tenant(&self) -> Option<&str> {
        match &self.tenants {
            Tenants::Named(names) => names.first().map(String::as_str),
            Tenants::Every | Tenants::Own => None,
        }
    }

    /// Splits off the excluded tenants. Also returns the exclusions that match none.
    pub(crate) fn without_excluded(&self, tenants: Vec<Tenant>) -> (Vec<Tenant>, Vec<String>) {
        if self.tenants == Tenants::Own {
            return (tenants, Vec::new());
        }
        let mut matched = HashSet::new();
        let kept = tenants
            .into_iter()
            .filter(|tenant| {
                let excluded: Vec<_> = self.excluded.iter().filter(|n| tenant.is(n)).collect();
                matched.extend(excluded.iter().copied());
                excluded.is_empty()
            })
            .collect();
        let unmatched = self.excluded.iter().filter(|name| !matched.contains(name));
        (kept, unmatched.cloned().collect())
    }
}

/// A tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tenant {
    /// The id or domain that tokens are requested with; none for the sign-in's own tenant.
    pub asked: Option<String>,
    /// A GUID in lower case, if known.
    pub id: Option<String>,
    pub display_name: Option<String>,
    pub domains: Vec<String>,
    /// The one of them that names it best.
    pub default_domain: Option<String>,
    /// Whether it issued a token in this run.
    pub entered: bool,
}

impl Tenant {
    /// A tenant of which nothing else is known.
    pub(crate) fn asked(tenant: Option<&str>) -> Self {
        Self {
            asked: tenant.map(str::to_owned),
            ..Self::default()
        }
    }

    /// Whether this is its id or one of its domains.
    pub(crate) fn is(&self, id_or_domain: &str) -> bool {
        [&self.id, &self.asked]
            .into_iter()
            .flatten()
            .chain(&self.domains)
            .any(|name| name.eq_ignore_ascii_case(id_or_domain.trim()))
    }

    /// What it can be called in flags: its domains, else its id.
    pub(crate) fn names(&self) -> Vec<String> {
        match self.domains.is_empty() {
            true => self.argument().map(str::to_owned).into_iter().collect(),
            false => self.domains.clone(),
        }
    }

    /// The id or domain to give to `--tenant-id`.
    pub(crate) fn argument(&self) -> Option<&str> {
        self.asked.as_deref().or(self.id.as_deref())
    }

    /// The tenant in a sentence.
    pub(crate) fn label(&self) -> String {
        match self.display_name.as_deref().or(self.argument()) {
            Some(name) => format!("tenant `{name}`"),
            None => "the sign-in's own tenant".to_owned(),
        }
    }
}
