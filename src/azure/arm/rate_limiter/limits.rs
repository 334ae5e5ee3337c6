//! What Azure counts calls against, and how many it allows.

use crate::fleet::{CREDENTIALS_LIMIT, Cluster};

/// A token bucket as a service documents it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limit {
    /// Calls at once, if none was made for long.
    pub(super) capacity: f64,
    /// Calls that are allowed again each second.
    pub(super) refill: f64,
    /// Whether processes that run at once tell each other what they use. Few runs come near a limit that does without.
    pub(super) is_shared: bool,
    /// The same, for people.
    pub(super) sentence: &'static str,
}

/// Credential calls for each subscription and region ("All other APIs" in
/// <https://learn.microsoft.com/azure/aks/quotas-skus-regions#throttling-limits-on-aks-resource-provider-apis>).
const CREDENTIALS: Limit = Limit {
    capacity: 60.0,
    refill: 1.0,
    is_shared: true,
    sentence: CREDENTIALS_LIMIT,
};
/// Listings of clusters for each subscription (same page).
const CLUSTER_LISTS: Limit = Limit {
    capacity: 500.0,
    refill: 1.0,
    is_shared: false,
    sentence: "AKS allows 500 listings of clusters at once and 1 per second for each subscription",
};

/// What the service counts a call against.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bucket {
    /// Differs from that of every other bucket of the cloud.
    pub(super) key: String,
    /// None if there is no limit before the service's first 429.
    pub(super) limit: Option<Limit>,
}

impl Bucket {
    /// The limit, for people.
    pub(in super::super) fn sentence(&self) -> &'static str {
        let documented = self.limit.map(|limit| limit.sentence);
        documented.unwrap_or("Azure answered 429: it limits such calls")
    }

    /// Calls whose limit the first 429 teaches.
    pub(crate) fn undocumented(key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            limit: None,
        }
    }

    /// Listings of a subscription's clusters.
    pub(crate) fn cluster_lists(subscription_id: &str) -> Self {
        Self {
            key: format!("{subscription_id}/lists").to_lowercase(),
            limit: Some(CLUSTER_LISTS),
        }
    }

    /// Calls for the credentials of a cluster and of the others in its subscription and region.
    pub(crate) fn credentials(cluster: &Cluster) -> Self {
        Self {
            key: format!("{}/credentials", cluster.credentials_bucket()),
            limit: Some(CREDENTIALS),
        }
    }
}
