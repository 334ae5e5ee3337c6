//! Faults: which requests they apply to, what they do, and how often.

mod effect;

pub(crate) use effect::Effect;

use crate::jws::sha256;
use crate::route::{Endpoint, Route};
use crate::state::State;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// A rule: a match, an effect and a schedule.
///
/// Rules are tried in the order they were added. The latencies of all that match add up; the
/// first other effect wins.
///
/// ```
/// use azure_sim::{Endpoint, Fault};
/// use std::time::Duration;
///
/// let _ = Fault::on(Endpoint::ListClusterUserCredential).throttled(2).times(3);
/// let _ = Fault::on(Endpoint::ListClusterUserCredential).status(500).percent_of_clusters(5.0, 1);
/// let _ = Fault::on(Endpoint::ManagedClusters).latency(Duration::from_millis(30));
/// ```
#[derive(Clone, Debug)]
pub struct Fault {
    endpoint: Option<Endpoint>,
    tenant: Option<String>,
    subscription: Option<String>,
    cluster: Option<String>,
    grant: Option<String>,
    effect: Effect,
    skip: u64,
    times: Option<u64>,
    percent: Option<(f64, u64, Share)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    Calls,
    Clusters,
}

impl Fault {
    /// A fault on one kind of request: status 500, unless another effect is chosen.
    pub fn on(endpoint: Endpoint) -> Self {
        Fault {
            endpoint: Some(endpoint),
            ..Fault::anywhere()
        }
    }

    /// A fault on every request.
    pub fn anywhere() -> Self {
        Fault {
            endpoint: None,
            tenant: None,
            subscription: None,
            cluster: None,
            grant: None,
            effect: Effect::Status {
                status: 500,
                retry_after: None,
                code: None,
            },
            skip: 0,
            times: None,
            percent: None,
        }
    }

    /// Only requests whose path names this tenant (id or domain).
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Only requests within this subscription.
    #[must_use]
    pub fn subscription(mut self, id: impl Into<String>) -> Self {
        self.subscription = Some(id.into());
        self
    }

    /// Only requests for this cluster: its ARM id, UID, or unique name.
    #[must_use]
    pub fn cluster(mut self, key: impl Into<String>) -> Self {
        self.cluster = Some(key.into());
        self
    }

    /// Only token requests with this grant type.
    #[must_use]
    pub fn grant(mut self, grant: impl Into<String>) -> Self {
        self.grant = Some(grant.into());
        self
    }

    fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// Delays the reply.
    #[must_use]
    pub fn latency(self, latency: Duration) -> Self {
        self.effect(Effect::Latency(latency))
    }

    /// Answers this status with the service's usual error body.
    #[must_use]
    pub fn status(self, status: u16) -> Self {
        self.effect(Effect::Status {
            status,
            retry_after: None,
            code: None,
        })
    }

    /// Answers this status with an error code and message in the service's envelope.
    #[must_use]
    pub fn error(self, status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        self.effect(Effect::Status {
            status,
            retry_after: None,
            code: Some((code.into(), message.into())),
        })
    }

    /// Answers 429 with `Retry-After` in seconds.
    #[must_use]
    pub fn throttled(self, seconds: u64) -> Self {
        self.retry_after(429, seconds.to_string())
    }

    /// Answers a status with this `Retry-After`, which may be seconds, an HTTP date or nonsense.
    #[must_use]
    pub fn retry_after(self, status: u16, value: impl Into<String>) -> Self {
        self.effect(Effect::Status {
            status,
            retry_after: Some(value.into()),
            code: None,
        })
    }

    /// Answers this body.
    #[must_use]
    pub fn body(
        self,
        status: u16,
        content_type: impl Into<String>,
        body: impl Into<String>,
    ) -> Self {
        self.effect(Effect::Body {
            status,
            content_type: content_type.into(),
            body: body.into(),
            headers: Vec::new(),
        })
    }

    /// Adds a header to the answer of [`Fault::body`].
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Effect::Body { headers, .. } = &mut self.effect {
            headers.push((name, value.into()));
        }
        self
    }

    /// Resets the connection.
    #[must_use]
    pub fn reset(self) -> Self {
        self.effect(Effect::Reset)
    }

    /// Accepts the request and never answers it.
    #[must_use]
    pub fn hang(self) -> Self {
        self.effect(Effect::Hang)
    }

    /// Replaces the body by JSON that is cut off, with a matching `Content-Length`.
    #[must_use]
    pub fn malformed(self) -> Self {
        self.effect(Effect::Malformed)
    }

    /// Closes the connection in the middle of the body.
    #[must_use]
    pub fn truncated(self) -> Self {
        self.effect(Effect::Truncated)
    }

    /// Skips the first `n` matching requests.
    #[must_use]
    pub fn after(mut self, n: u64) -> Self {
        self.skip = n;
        self
    }

    /// Stops after `n` times.
    #[must_use]
    pub fn times(mut self, n: u64) -> Self {
        self.times = Some(n);
        self
    }

    /// Applies to this percentage of matching calls; the seed decides to which.
    #[must_use]
    pub fn percent(mut self, percent: f64, seed: u64) -> Self {
        self.percent = Some((percent, seed, Share::Calls));
        self
    }

    /// Applies to every call, retries too, for this percentage of clusters. [`Fault::selects`]
    /// tells which.
    #[must_use]
    pub fn percent_of_clusters(mut self, percent: f64, seed: u64) -> Self {
        self.percent = Some((percent, seed, Share::Clusters));
        self
    }

    /// Whether [`Fault::percent_of_clusters`] chooses the cluster with this ARM id.
    pub fn selects(&self, cluster_id: &str) -> bool {
        match self.percent {
            Some((percent, seed, Share::Clusters)) => {
                drawn(seed, &cluster_id.to_ascii_lowercase()) < percent
            }
            _ => true,
        }
    }

    pub(crate) fn matches(&self, route: &Route, state: &State) -> bool {
        let same = |want: &Option<String>, have: &Option<String>| match (want, have) {
            (None, _) => true,
            (Some(want), Some(have)) => want.eq_ignore_ascii_case(have),
            (Some(_), None) => false,
        };
        if self.endpoint.is_some_and(|e| e != route.endpoint) {
            return false;
        }
        let tenant = match (&self.tenant, &route.tenant) {
            (Some(want), Some(have)) => {
                let fleet = state.fleet();
                want.eq_ignore_ascii_case(have)
                    || fleet
                        .tenant(want)
                        .zip(fleet.tenant(have))
                        .is_some_and(|(a, b)| a.id == b.id)
            }
            (want, have) => same(want, have),
        };
        let cluster = match (&self.cluster, &route.cluster) {
            (Some(want), Some(have)) => {
                let fleet = state.fleet();
                want.eq_ignore_ascii_case(have)
                    || fleet
                        .cluster(want)
                        .zip(fleet.cluster(have))
                        .is_some_and(|(a, b)| a.id == b.id)
            }
            (want, have) => same(want, have),
        };
        tenant
            && cluster
            && same(&self.subscription, &route.subscription)
            && same(&self.grant, &route.grant)
    }
}

/// A number from 0 to 100 that seed and text decide.
fn drawn(seed: u64, text: &str) -> f64 {
    let digest = sha256(format!("{seed}:{text}").as_bytes());
    let mut bytes = [0_u8; 4];
    bytes.copy_from_slice(&digest[..4]);
    f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX) * 100.0
}

/// What the faults do to one request.
pub(crate) struct Verdict {
    pub(crate) latency: Duration,
    pub(crate) effect: Option<Effect>,
}

struct Rule {
    id: u64,
    fault: Fault,
    seen: u64,
    fired: u64,
}

/// The active faults. Tests add and clear them while the simulator runs.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Vec<Rule>>>);

impl Faults {
    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.0.lock().expect("no holder of the rules panics")
    }

    /// Adds a fault; the number names it to [`Faults::fired`] and [`Faults::remove`].
    pub fn add(&self, fault: Fault) -> u64 {
        let mut rules = self.rules();
        let id = rules.iter().map(|r| r.id).max().unwrap_or(0) + 1;
        rules.push(Rule {
            id,
            fault,
            seen: 0,
            fired: 0,
        });
        id
    }

    /// Removes a fault.
    pub fn remove(&self, id: u64) {
        self.rules().retain(|rule| rule.id != id);
    }

    /// Removes all faults.
    pub fn clear(&self) {
        self.rules().clear();
    }

    /// How often a fault has applied.
    pub fn fired(&self, id: u64) -> u64 {
        self.rules()
            .iter()
            .find(|rule| rule.id == id)
            .map_or(0, |rule| rule.fired)
    }

    pub(crate) fn judge(&self, route: &Route, state: &State) -> Verdict {
        let mut verdict = Verdict {
            latency: Duration::ZERO,
            effect: None,
        };
        for rule in self.rules().iter_mut() {
            let is_latency = matches!(rule.fault.effect, Effect::Latency(_));
            if (!is_latency && verdict.effect.is_some()) || !rule.fault.matches(route, state) {
                continue;
            }
            rule.seen += 1;
            let chosen = match rule.fault.percent {
                None => true,
                Some((percent, seed, Share::Calls)) => {
                    drawn(seed, &rule.seen.to_string()) < percent
                }
                Some((.., Share::Clusters)) => route
                    .cluster
                    .as_deref()
                    .is_some_and(|id| rule.fault.selects(id)),
            };
            if !chosen
                || rule.seen <= rule.fault.skip
                || rule.fault.times.is_some_and(|n| rule.fired >= n)
            {
                continue;
            }
            rule.fired += 1;
            match &rule.fault.effect {
                Effect::Latency(latency) => verdict.latency += *latency,
                effect => verdict.effect = Some(effect.clone()),
            }
        }
        verdict
    }
}
