//! Token buckets, as ARM and the AKS resource provider have them. Off unless a test sets them.

use crate::http::Reply;
use crate::route::{Endpoint, Route};
use serde_json::json;
use std::collections::HashMap;
use std::time::Instant;

/// A token bucket's size and refill.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Calls that may be made at once.
    pub capacity: f64,
    /// Calls that come back each second.
    pub refill_per_second: f64,
}

impl Bucket {
    /// A bucket.
    pub fn new(capacity: f64, refill_per_second: f64) -> Self {
        Bucket {
            capacity,
            refill_per_second,
        }
    }
}

/// Which calls are throttled.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Throttle {
    /// Every read of a subscription, per subscription.
    pub subscription_reads: Option<Bucket>,
    /// Lists of clusters, per subscription.
    pub cluster_lists: Option<Bucket>,
    /// Reads of one cluster, per cluster.
    pub cluster_gets: Option<Bucket>,
    /// Cluster credentials, per subscription and region.
    pub credentials: Option<Bucket>,
}

impl Throttle {
    /// The figures that Microsoft documents for ARM and for AKS (November 2026).
    pub fn documented() -> Self {
        Throttle {
            subscription_reads: Some(Bucket::new(250.0, 25.0)),
            cluster_lists: Some(Bucket::new(500.0, 1.0)),
            cluster_gets: Some(Bucket::new(60.0, 1.0)),
            credentials: Some(Bucket::new(60.0, 1.0)),
        }
    }

    /// Throttles only cluster credentials.
    pub fn credentials(capacity: f64, refill_per_second: f64) -> Self {
        Throttle {
            credentials: Some(Bucket::new(capacity, refill_per_second)),
            ..Throttle::default()
        }
    }
}

/// The buckets' levels.
#[derive(Default)]
pub(crate) struct Levels {
    pub(crate) throttle: Throttle,
    levels: HashMap<(&'static str, String), (f64, Instant)>,
}

impl Levels {
    pub(crate) fn set(&mut self, throttle: Throttle) {
        self.throttle = throttle;
        self.levels.clear();
    }

    /// Whole calls left in a subscription's bucket of reads, where that is throttled.
    pub(crate) fn reads_left(&self, subscription: &str) -> Option<u64> {
        let (level, _) = self
            .levels
            .get(&("reads", subscription.to_ascii_lowercase()))?;
        Some(level.max(0.0) as u64)
    }

    /// Takes from the buckets of a request; returns an error reply if one is empty.
    ///
    /// `region` is that of the cluster, if the request is about one.
    pub(crate) fn take(
        &mut self,
        route: &Route,
        region: Option<&str>,
        now: Instant,
    ) -> Option<Reply> {
        let throttle = self.throttle;
        let subscription = route
            .subscription
            .clone()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let cluster = route
            .cluster
            .clone()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let own = match route.endpoint {
            Endpoint::ManagedClusters => throttle
                .cluster_lists
                .map(|b| ("lists", subscription.clone(), b)),
            Endpoint::ManagedCluster => throttle.cluster_gets.map(|b| ("gets", cluster, b)),
            Endpoint::ListClusterUserCredential | Endpoint::ListClusterAdminCredential => {
                throttle.credentials.map(|b| {
                    let region = region.unwrap_or_default().to_ascii_lowercase();
                    ("credentials", format!("{subscription}/{region}"), b)
                })
            }
            _ => None,
        };
        let is_read = matches!(
            route.endpoint,
            Endpoint::Subscription
                | Endpoint::ResourceGroups
                | Endpoint::ManagedClusters
                | Endpoint::ManagedCluster
        );
        let reads = throttle
            .subscription_reads
            .filter(|_| is_read)
            .map(|b| ("reads", subscription, b));
        for (kind, key, bucket) in own.into_iter().chain(reads) {
            let (level, since) = self
                .levels
                .entry((kind, key))
                .or_insert((bucket.capacity, now));
            let refilled = *level
                + now.saturating_duration_since(*since).as_secs_f64() * bucket.refill_per_second;
            *level = refilled.min(bucket.capacity);
            *since = now;
            if *level < 1.0 {
                let wait = if bucket.refill_per_second > 0.0 {
                    (1.0 - *level) / bucket.refill_per_second
                } else {
                    60.0
                };
                return Some(refusal(kind == "reads", wait.ceil().max(1.0)));
            }
            *level -= 1.0;
        }
        None
    }
}

fn refusal(by_arm: bool, seconds: f64) -> Reply {
    let (code, message) = if by_arm {
        (
            "SubscriptionRequestsThrottled",
            "Number of requests for subscription exceeded the limit. Please try again later.",
        )
    } else {
        (
            "Throttled",
            "The request is throttled, please retry after the time given in the Retry-After header.",
        )
    };
    Reply::json(
        429,
        &json!({ "error": { "code": code, "message": message } }),
    )
    .header("retry-after", format!("{seconds}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn credential(subscription: &str) -> Route {
        Route {
            endpoint: Endpoint::ListClusterUserCredential,
            tenant: None,
            subscription: Some(subscription.into()),
            resource_group: None,
            cluster: None,
            grant: None,
        }
    }

    const EAST: Option<&str> = Some("eastus");

    #[test]
    fn a_bucket_empties_refuses_with_a_wait_and_refills() {
        let mut levels = Levels::default();
        levels.set(Throttle::credentials(2.0, 0.5));
        let start = Instant::now();
        assert!(levels.take(&credential("a"), EAST, start).is_none());
        assert!(levels.take(&credential("a"), EAST, start).is_none());
        let refused = levels
            .take(&credential("a"), EAST, start)
            .expect("the third call is over the capacity");
        assert_eq!(refused.status, 429);
        assert!(refused.headers.contains(&("retry-after", "2".into())));
        assert!(
            levels.take(&credential("b"), EAST, start).is_none(),
            "another subscription has its own bucket"
        );
        let west = Some("westus");
        assert!(
            levels.take(&credential("a"), west, start).is_none(),
            "another region has its own bucket"
        );
        assert!(
            levels
                .take(&credential("a"), EAST, start + Duration::from_secs(2))
                .is_none()
        );
    }
}
