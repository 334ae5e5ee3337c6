//! Finds the clusters that a person means by a word.

use crate::{
    fleet::{ClusterId, IdKind, Role},
    kubeconfig::synced::SyncedContext,
    ops::last_seen::SeenCluster,
};

/// A context that may be used, with what is known of its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Usable {
    pub(crate) context: String,
    /// Its namespace in the kubeconfig.
    pub(crate) namespace: Option<String>,
    pub(crate) role: Role,
    pub(crate) is_main: bool,
    pub(crate) is_current: bool,
    /// The cluster's ARM id in lower case.
    pub(crate) key: String,
    /// The cluster's name.
    pub(crate) name: String,
    pub(crate) resource_group: String,
    pub(crate) subscription_id: String,
    /// The name of the subscription as it was last seen; may be empty.
    pub(crate) subscription_name: String,
    /// As it was last seen; may be empty.
    pub(crate) location: String,
    pub(crate) is_stopped: bool,
    /// Whether it stands for a whole cluster, and not for a namespace of it.
    is_whole: bool,
}

impl Usable {
    pub(super) fn new(context: SyncedContext, seen: Option<&SeenCluster>) -> Self {
        let key = context.key();
        let id = ClusterId::parse(&context.arm_id).ok();
        let part = |of: fn(&ClusterId) -> &String| id.as_ref().map(of).cloned().unwrap_or_default();
        Self {
            name: part(|id| &id.name),
            resource_group: part(|id| &id.resource_group),
            subscription_id: part(|id| &id.subscription_id),
            is_whole: id.is_some_and(|id| id.kind != IdKind::ManagedNamespace),
            subscription_name: seen
                .map(|seen| seen.subscription_name.clone())
                .unwrap_or_default(),
            location: seen.map(|seen| seen.location.clone()).unwrap_or_default(),
            is_stopped: seen.is_some_and(SeenCluster::is_stopped),
            context: context.context,
            namespace: context.namespace,
            role: context.role,
            is_main: context.is_main,
            is_current: context.is_current,
            key,
        }
    }

    /// The subscription's name if it is known, else its id.
    pub(crate) fn subscription(&self) -> &str {
        match self.subscription_name.is_empty() {
            true => &self.subscription_id,
            false => &self.subscription_name,
        }
    }

    /// Whether the cluster is called so: by its name, `GROUP/NAME` or its ARM id, in lower case.
    fn is_called(&self, word: &str) -> bool {
        let path = || format!("{}/{}", self.resource_group, self.name).to_lowercase();
        self.key == word || (self.is_whole && (self.name.to_lowercase() == word || path() == word))
    }

    /// Whether a part of what the cluster is called is this word, which is in lower case.
    fn has_part(&self, word: &str) -> bool {
        let texts = [
            &self.name,
            &self.resource_group,
            &self.subscription_id,
            &self.subscription_name,
        ];
        texts.iter().any(|text| text.to_lowercase().contains(word))
            || (word.contains('/') && self.key.contains(word))
    }
}

/// The contexts that a word means; one if it is clear which. An exact context counts more than the exact name of a cluster,
/// and that more than parts. Letter case makes no difference unless two contexts differ in nothing else.
///
/// A cluster is found by its main context, and its other contexts by their own names. One in another role than `role` is
/// only found by its whole name.
pub(crate) fn find<'u>(all: &'u [Usable], word: &str, role: Role) -> Vec<&'u Usable> {
    let folded = word.trim().to_lowercase();
    let by = |is_it: &dyn Fn(&Usable) -> bool| -> Vec<&'u Usable> {
        all.iter().filter(|one| is_it(one)).collect()
    };
    let of_role = |one: &Usable| one.role == role;
    let named = |one: &Usable| one.context.to_lowercase() == folded;
    let in_context = |one: &Usable| one.context.to_lowercase().contains(&folded);
    let exact = [
        by(&|one| one.context == word),
        by(&|one| of_role(one) && named(one)),
        by(&named),
        by(&|one| of_role(one) && one.is_main && one.is_called(&folded)),
    ];
    if let Some(found) = exact.into_iter().find(|found| !found.is_empty()) {
        return found;
    }
    let mains =
        by(&|one| of_role(one) && one.is_main && (one.has_part(&folded) || in_context(one)));
    let is_found = |one: &Usable| mains.iter().any(|main| main.key == one.key);
    let others = by(&|one| of_role(one) && !one.is_main && in_context(one) && !is_found(one));
    [mains, others].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usable(context: &str, path: &str, role: Role, is_main: bool) -> Usable {
        let (group, name) = path.split_once('/').expect("GROUP/NAME");
        Usable {
            context: context.to_owned(),
            namespace: None,
            role,
            is_main,
            is_current: false,
            key: format!("/subscriptions/a/resourcegroups/{group}/providers/x/{name}"),
            name: name.to_owned(),
            resource_group: group.to_owned(),
            subscription_id: "00000000-0000-0000-0000-00000000000a".to_owned(),
            subscription_name: if group == "edge" { "Factory" } else { "" }.to_owned(),
            location: String::new(),
            is_stopped: false,
            is_whole: true,
        }
    }

    fn found(word: &str, role: Role) -> Vec<String> {
        let all = [
            usable("prod", "rg/prod", Role::User, true),
            usable("prod-west", "rg/west", Role::User, true),
            usable("Prod-East", "rg/east", Role::User, true),
            usable("west-copy", "rg/west", Role::User, false),
            usable("web", "rg/west", Role::User, false),
            usable("line1", "edge/one", Role::User, true),
            usable("prod-admin", "rg/prod", Role::Admin, true),
        ];
        let found = find(&all, word, role);
        found.into_iter().map(|one| one.context.clone()).collect()
    }

    #[test]
    fn an_exact_context_counts_more_than_a_name_and_that_more_than_parts() {
        for (word, contexts) in [
            ("prod", &["prod"][..]),
            ("PROD", &["prod"]),
            ("east", &["Prod-East"]),
            ("rg/WEST", &["prod-west"]),
            ("prod-", &["prod-west", "Prod-East"]),
            ("West", &["prod-west"]),
            ("wes", &["prod-west"]),
            ("we", &["prod-west"]),
            ("web", &["web"]),
            ("copy", &["west-copy"]),
            ("factory", &["line1"]),
            ("edg", &["line1"]),
            ("nowhere", &[]),
        ] {
            assert_eq!(found(word, Role::User), contexts, "{word}");
        }
        assert_eq!(found("00000000-0000", Role::User).len(), 4);
    }

    #[test]
    fn an_administrators_context_is_found_by_its_whole_name_or_by_role() {
        assert_eq!(found("prod-admin", Role::User), ["prod-admin"]);
        assert_eq!(found("PROD-ADMIN", Role::User), ["prod-admin"]);
        assert_eq!(found("prod-adm", Role::User), [] as [&str; 0]);
        assert_eq!(found("adm", Role::Admin), ["prod-admin"]);
        assert_eq!(found("prod", Role::User), ["prod"]);
    }
}
