//! The form of the files of what was last seen, and their limits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{CloudSeen, LastSync, SeenCluster, SeenSubscription, SeenTenant};
use crate::fleet::ClusterId;

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;
/// The largest file that is read or written, in bytes. 2,000 clusters with three tags have about 0.5 MB.
pub(super) const FILE_LIMIT: u64 = 32 << 20;

/// The clusters of a cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Fleet {
    version: Version,
    environment: String,
    pub(super) arm: String,
    pub(super) authority: String,
    tenants: Vec<Tenant>,
    subscriptions: Vec<Subscription>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tenant {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscription {
    id: String,
    name: String,
    tenant: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    clusters: Vec<Record>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    /// None if it follows from the names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    group: String,
    name: String,
    /// None if it is the subscription's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    location: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    power: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    private: Option<bool>,
    /// When a search last found it; none if the last search of the subscription did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<i64>,
}

/// When the subscriptions of a cloud were searched, and when it was last synced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Times {
    version: Version,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_sync: Option<Sync>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_complete_sync: Option<i64>,
    subscriptions: BTreeMap<String, Searched>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sync {
    at: i64,
    complete: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Searched {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    searched: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    listed_whole: Option<i64>,
}

/// The version of a file: reading another one fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u32", try_from = "u32")]
struct Version;

impl From<Version> for u32 {
    fn from(_: Version) -> Self {
        VERSION
    }
}

impl TryFrom<u32> for Version {
    type Error = &'static str;

    fn try_from(version: u32) -> Result<Self, Self::Error> {
        match version == VERSION {
            true => Ok(Self),
            false => Err("another version"),
        }
    }
}

/// Reads a file; none if it is damaged or of another version.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

pub(super) fn encode(file: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(file).expect("it is plain data")
}

impl Fleet {
    /// The same without clusters whose id is none of their subscription.
    pub(super) fn checked(mut self) -> Option<Self> {
        for Subscription { id, clusters, .. } in &mut self.subscriptions {
            uuid::Uuid::try_parse(id).ok()?;
            clusters.retain(|record| {
                let parsed = ClusterId::parse(&record.full_id(id));
                parsed.is_ok_and(|parsed| parsed.subscription_id.eq_ignore_ascii_case(id))
            });
        }
        Some(self)
    }
}

impl Record {
    fn full_id(&self, subscription: &str) -> String {
        let derived = || derived_id(subscription, &self.group, &self.name);
        self.id.clone().unwrap_or_else(derived)
    }
}

/// The ARM id of most clusters.
fn derived_id(subscription: &str, group: &str, name: &str) -> String {
    format!(
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{name}"
    )
}

/// What two files tell.
pub(super) fn seen(fleet: Fleet, times: &Times) -> CloudSeen {
    let mut subscriptions = BTreeMap::new();
    let mut clusters = Vec::new();
    for one in fleet.subscriptions {
        let searched = times.subscriptions.get(&one.id);
        let searched = searched.cloned().unwrap_or_default();
        let found = one.clusters.into_iter().map(|record| SeenCluster {
            id: record.full_id(&one.id),
            name: record.name,
            resource_group: record.group,
            subscription_id: one.id.clone(),
            subscription_name: one.name.clone(),
            tenant_id: record.tenant.unwrap_or_else(|| one.tenant.clone()),
            location: record.location,
            tags: record.tags,
            power_state: record.power,
            is_private: record.private,
            last_seen: record.seen.or(searched.searched).unwrap_or_default(),
        });
        clusters.extend(found);
        let subscription = SeenSubscription {
            name: one.name,
            tenant_id: one.tenant,
            searched_at: searched.searched,
            listed_whole_at: searched.listed_whole,
        };
        subscriptions.insert(one.id, subscription);
    }
    let tenants = fleet.tenants.into_iter().map(|one| {
        let seen = SeenTenant {
            domain: one.domain,
            name: one.name,
        };
        (one.id, seen)
    });
    CloudSeen {
        environment: fleet.environment,
        arm: fleet.arm,
        authority: fleet.authority,
        last_sync: times.last_sync.as_ref().map(|sync| LastSync {
            at: sync.at,
            is_complete: sync.complete,
        }),
        last_complete_sync: times.last_complete_sync,
        tenants: tenants.collect(),
        subscriptions,
        clusters,
    }
}

/// The two files of what was seen.
pub(super) fn split(seen: CloudSeen) -> (Fleet, Times) {
    let times = Times {
        version: Version,
        last_sync: seen.last_sync.map(|sync| Sync {
            at: sync.at,
            complete: sync.is_complete,
        }),
        last_complete_sync: seen.last_complete_sync,
        subscriptions: searched(&seen.subscriptions),
    };
    let mut subscriptions = seen.subscriptions;
    // A cluster's subscription is always visible, unless a list says otherwise.
    for cluster in &seen.clusters {
        let known = subscriptions.entry(cluster.subscription_id.clone());
        known.or_insert_with(|| SeenSubscription {
            name: cluster.subscription_name.clone(),
            ..SeenSubscription::default()
        });
    }
    let mut clusters: BTreeMap<String, Vec<SeenCluster>> = BTreeMap::new();
    for cluster in seen.clusters {
        let others = clusters.entry(cluster.subscription_id.clone());
        others.or_default().push(cluster);
    }
    let subscriptions = subscriptions.into_iter().map(|(id, one)| {
        let found = clusters.remove(&id).unwrap_or_default();
        let records = found.into_iter().map(|cluster| record(cluster, &id, &one));
        Subscription {
            clusters: records.collect(),
            id: id.clone(),
            name: one.name.clone(),
            tenant: one.tenant_id.clone(),
        }
    });
    let fleet = Fleet {
        version: Version,
        environment: seen.environment,
        arm: seen.arm,
        authority: seen.authority,
        subscriptions: subscriptions.collect(),
        tenants: seen
            .tenants
            .into_iter()
            .map(|(id, one)| Tenant {
                id,
                domain: one.domain,
                name: one.name,
            })
            .collect(),
    };
    (fleet, times)
}

fn searched(subscriptions: &BTreeMap<String, SeenSubscription>) -> BTreeMap<String, Searched> {
    let searched = subscriptions.iter().map(|(id, one)| {
        let times = Searched {
            searched: one.searched_at,
            listed_whole: one.listed_whole_at,
        };
        (id.clone(), times)
    });
    searched.collect()
}

fn record(cluster: SeenCluster, subscription_id: &str, subscription: &SeenSubscription) -> Record {
    let derived = derived_id(subscription_id, &cluster.resource_group, &cluster.name);
    Record {
        id: (cluster.id != derived).then_some(cluster.id),
        group: cluster.resource_group,
        name: cluster.name,
        tenant: (cluster.tenant_id != subscription.tenant_id).then_some(cluster.tenant_id),
        location: cluster.location,
        tags: cluster.tags,
        power: cluster.power_state,
        private: cluster.is_private,
        seen: (subscription.searched_at != Some(cluster.last_seen)).then_some(cluster.last_seen),
    }
}
