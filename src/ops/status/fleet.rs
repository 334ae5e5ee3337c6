//! The contexts by tenant and subscription, and what the last syncs saw.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    fleet::{ClusterId, Role},
    kubeconfig::synced::SyncedContext,
    login::{ExecArgs, Param},
    ops::last_seen::{CloudSeen, LastSync, SeenCluster},
};

/// The contexts that lead to clusters of ours.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fleet {
    /// By tenant and subscription.
    pub(crate) groups: Vec<Group>,
    pub(crate) contexts: usize,
    /// How many of them are administrators'.
    pub(crate) admin: usize,
    /// The current context, if it is one of these.
    pub(crate) current: Option<String>,
    pub(crate) clouds: Vec<CloudSync>,
    /// The contexts whose cluster was not there when its subscription was last searched.
    pub(crate) not_seen: Vec<String>,
}

/// The contexts of a subscription.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// None if the subscription was not seen.
    pub(crate) tenant_id: Option<String>,
    /// The tenant's domain or name.
    pub(crate) tenant: Option<String>,
    pub(crate) subscription_id: String,
    /// None if the subscription was not seen.
    pub(crate) subscription: Option<String>,
    pub(crate) contexts: usize,
    /// How many of them are administrators'.
    pub(crate) admin: usize,
    /// The login modes of the others, with the number of contexts.
    pub(crate) logins: BTreeMap<String, usize>,
}

/// The last syncs of a cloud. Times are in Unix seconds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CloudSync {
    pub(crate) environment: String,
    pub(crate) last_sync: Option<LastSync>,
    pub(crate) last_complete_sync: Option<i64>,
}

impl Fleet {
    pub(super) fn of(contexts: &[SyncedContext], seen: &[CloudSeen]) -> Self {
        let mut groups = BTreeMap::<String, Group>::new();
        let mut logins = HashMap::new();
        for one in contexts {
            let Ok(id) = ClusterId::parse(&one.arm_id) else {
                continue;
            };
            let subscription = id.subscription_id.to_lowercase();
            let group = groups
                .entry(subscription)
                .or_insert_with_key(|id| Group::of(id, seen));
            group.contexts += 1;
            match one.role {
                Role::Admin => group.admin += 1,
                Role::User => {
                    let place = one.sign_in.as_ref().map(|args| args.as_ptr());
                    let login = logins.entry(place).or_insert_with(|| login(one));
                    *group.logins.entry(login.clone()).or_default() += 1;
                }
            }
        }
        let mut groups: Vec<Group> = groups.into_values().collect();
        groups.sort_by_cached_key(|group| {
            let name = |name: &Option<String>| name.as_ref().map(|name| name.to_lowercase());
            (
                name(&group.tenant).or_else(|| group.tenant_id.clone()),
                name(&group.subscription),
            )
        });
        let clouds = seen.iter().filter(|cloud| cloud.last_sync.is_some());
        let mut clouds: Vec<CloudSync> = clouds.map(CloudSync::of).collect();
        clouds.sort_by(|one, other| one.environment.cmp(&other.environment));
        Self {
            contexts: contexts.len(),
            admin: groups.iter().map(|group| group.admin).sum(),
            current: contexts
                .iter()
                .find(|one| one.is_current)
                .map(|one| one.context.clone()),
            not_seen: not_seen(contexts, seen),
            groups,
            clouds,
        }
    }

    /// The tenants that are known, each once.
    pub(crate) fn tenants(&self) -> BTreeSet<&str> {
        let ids = self.groups.iter().map(|group| group.tenant_id.as_deref());
        ids.flatten().collect()
    }
}

impl Group {
    fn of(subscription_id: &str, seen: &[CloudSeen]) -> Self {
        let found = seen.iter().find_map(|cloud| {
            let subscription = cloud.subscriptions.get(subscription_id)?;
            Some((cloud, subscription))
        });
        let tenant = found.and_then(|(cloud, of)| cloud.tenants.get(&of.tenant_id));
        Self {
            tenant_id: found
                .map(|(_, of)| of.tenant_id.clone())
                .filter(|id| !id.is_empty()),
            tenant: tenant.and_then(|tenant| tenant.domain.clone().or_else(|| tenant.name.clone())),
            subscription_id: subscription_id.to_owned(),
            subscription: found.map(|(_, of)| of.name.clone()),
            contexts: 0,
            admin: 0,
            logins: BTreeMap::new(),
        }
    }
}

impl CloudSync {
    fn of(cloud: &CloudSeen) -> Self {
        Self {
            environment: cloud.environment.clone(),
            last_sync: cloud.last_sync,
            last_complete_sync: cloud.last_complete_sync,
        }
    }
}

/// How a context signs in, in a word.
fn login(context: &SyncedContext) -> String {
    let Some(args) = &context.sign_in else {
        return "other".to_owned();
    };
    let settings = ExecArgs::parse_lossy(args).into_settings();
    settings
        .text(Param::Login)
        .unwrap_or("devicecode")
        .to_owned()
}

/// The contexts whose subscription was searched without finding their cluster.
fn not_seen(contexts: &[SyncedContext], seen: &[CloudSeen]) -> Vec<String> {
    let clusters: HashMap<String, &SeenCluster> = seen
        .iter()
        .flat_map(|cloud| &cloud.clusters)
        .map(|cluster| (cluster.key(), cluster))
        .collect();
    let is_missing = |one: &&SyncedContext| {
        let Ok(id) = ClusterId::parse(&one.arm_id) else {
            return false;
        };
        let subscription = id.subscription_id.to_lowercase();
        let mut searched = seen
            .iter()
            .filter_map(|cloud| cloud.subscriptions.get(&subscription));
        let Some(searched_at) = searched.find_map(|subscription| subscription.searched_at) else {
            return false;
        };
        let cluster = clusters.get(&one.key());
        cluster.is_none_or(|cluster| cluster.last_seen < searched_at)
    };
    let missing = contexts.iter().filter(is_missing);
    missing.map(|one| one.context.clone()).collect()
}
