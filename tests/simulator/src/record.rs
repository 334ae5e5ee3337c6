//! The requests so far: counts and a recording that tests read and reset.

use crate::http::{Fate, Reply, Request};
use crate::route::{Endpoint, Route};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// One request.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The kind of request.
    pub endpoint: Endpoint,
    /// HTTP method.
    pub method: String,
    /// Path, as sent.
    pub path: String,
    /// Query, decoded.
    pub query: Vec<(String, String)>,
    /// Form fields, decoded; empty for other bodies.
    pub form: Vec<(String, String)>,
    /// A body in JSON, as sent; empty for other bodies.
    pub json: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Tenant in the path.
    pub tenant: Option<String>,
    /// Subscription in the path.
    pub subscription: Option<String>,
    /// ARM id of the cluster, or its key in an API server's URL.
    pub cluster: Option<String>,
    /// Grant type of a token request.
    pub grant: Option<String>,
    /// Status of the reply; 0 if there was none.
    pub status: u16,
}

impl Recorded {
    /// A form field.
    pub fn form(&self, name: &str) -> Option<&str> {
        find(&self.form, name)
    }

    /// A query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    /// Whether a request to an API server changes something there, or would without a dry run.
    pub fn changes_a_cluster(&self) -> bool {
        self.endpoint == Endpoint::Kubernetes
            && self.method != "GET"
            && !self.path.contains("/selfsubject")
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// Counts of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    requests: BTreeMap<Endpoint, u64>,
    tokens: BTreeMap<String, u64>,
    peaks: BTreeMap<Endpoint, usize>,
}

impl Counters {
    /// Requests to an endpoint.
    pub fn get(&self, endpoint: Endpoint) -> u64 {
        self.requests.get(&endpoint).copied().unwrap_or(0)
    }

    /// Token requests with a grant type, by its v2 name (`client_credentials`, `refresh_token`,
    /// `urn:ietf:params:oauth:grant-type:device_code`, `authorization_code`, `password`).
    pub fn tokens(&self, grant: &str) -> u64 {
        self.tokens.get(grant).copied().unwrap_or(0)
    }

    /// The most requests to an endpoint that were in flight at once.
    pub fn peak(&self, endpoint: Endpoint) -> usize {
        self.peaks.get(&endpoint).copied().unwrap_or(0)
    }

    /// All requests.
    pub fn total(&self) -> u64 {
        self.requests.values().sum()
    }

    /// Counts by endpoint, those that are not zero.
    pub fn iter(&self) -> impl Iterator<Item = (Endpoint, u64)> + '_ {
        self.requests
            .iter()
            .map(|(endpoint, count)| (*endpoint, *count))
    }

    /// Token requests by grant type.
    pub fn tokens_by_grant(&self) -> impl Iterator<Item = (&str, u64)> + '_ {
        self.tokens
            .iter()
            .map(|(grant, count)| (grant.as_str(), *count))
    }
}

#[derive(Default)]
struct Log {
    counters: Counters,
    requests: Vec<Recorded>,
    in_flight: BTreeMap<Endpoint, usize>,
    started: Vec<Vec<String>>,
}

/// Keeps the counts and the recording.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Log>>);

impl Recorder {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().expect("no holder of the recording panics")
    }

    pub(crate) fn begin(&self, endpoint: Endpoint) -> InFlight {
        let mut log = self.log();
        *log.counters.requests.entry(endpoint).or_default() += 1;
        let now = log.in_flight.entry(endpoint).or_default();
        *now += 1;
        let now = *now;
        let peak = log.counters.peaks.entry(endpoint).or_default();
        *peak = now.max(*peak);
        InFlight {
            recorder: self.clone(),
            endpoint,
        }
    }

    pub(crate) fn finish(&self, route: &Route, request: &Request, reply: &Reply) {
        let mut log = self.log();
        if let Some(grant) = &route.grant {
            *log.counters.tokens.entry(grant.clone()).or_default() += 1;
        }
        log.requests.push(Recorded {
            endpoint: route.endpoint,
            method: request.method.to_string(),
            path: request.path.clone(),
            query: request.query.clone(),
            form: request.form.clone(),
            json: if request
                .header("content-type")
                .is_some_and(|v| v.starts_with("application/json"))
            {
                String::from_utf8_lossy(&request.body).into_owned()
            } else {
                String::new()
            },
            headers: request
                .headers
                .iter()
                .map(|(name, value)| {
                    (
                        name.to_string(),
                        String::from_utf8_lossy(value.as_bytes()).into_owned(),
                    )
                })
                .collect(),
            tenant: route.tenant.clone(),
            subscription: route.subscription.clone(),
            cluster: route.cluster.clone(),
            grant: route.grant.clone(),
            status: if matches!(reply.fate, Fate::Reset | Fate::Hang) {
                0
            } else {
                reply.status
            },
        });
    }

    pub(crate) fn counters(&self) -> Counters {
        self.log().counters.clone()
    }

    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.log().requests.clone()
    }

    /// Records the command line of a fake developer tool.
    pub(crate) fn started(&self, command_line: Vec<String>) {
        self.log().started.push(command_line);
    }

    pub(crate) fn tool_starts(&self) -> Vec<Vec<String>> {
        self.log().started.clone()
    }

    /// Clears counts and recording; requests in flight stay counted as such.
    pub(crate) fn reset(&self) {
        let mut log = self.log();
        log.counters = Counters::default();
        log.requests.clear();
        log.started.clear();
    }
}

/// Marks a request as in flight until dropped.
pub(crate) struct InFlight {
    recorder: Recorder,
    endpoint: Endpoint,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(count) = self.recorder.log().in_flight.get_mut(&self.endpoint) {
            *count -= 1;
        }
    }
}
