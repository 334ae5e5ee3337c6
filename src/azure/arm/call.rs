//! What is sent to ARM, and what its errors say of it.

use reqwest::Method;
use serde_json::Value;
use url::Url;

use super::Bucket;
use crate::{error::Failure, host::http::Answer};

/// The role that may list subscriptions and clusters.
pub(crate) const READER: &str = "`Reader` on the subscription";
/// The role that may fetch a cluster's user kubeconfig.
pub(crate) const CLUSTER_USER: &str =
    "`Azure Kubernetes Service Cluster User Role` on the cluster or its subscription";

/// The role that may fetch a cluster's administrator's credential.
pub(crate) const CLUSTER_ADMIN: &str =
    "`Azure Kubernetes Service Cluster Admin Role` on the cluster or its subscription";

/// A call to ARM.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'c> {
    /// Completes the sentence "could not …" in an error.
    pub doing: &'c str,
    /// The same without names: completes "could not …" and "may not …".
    pub brief: &'static str,
    /// The Azure role that allows the call and where it is assigned, for a hint.
    pub role: &'static str,
    /// The tenant whose token is sent; by default the sign-in's own.
    pub tenant: Option<&'c str>,
    /// What the service counts the call against.
    pub bucket: &'c Bucket,
    /// The name of that, for a person.
    pub whose: &'c str,
}

/// How hard a call is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// It is sent again after failures that pass.
    Usual,
    /// It is sent once and not waited for long, because other calls can replace it.
    Once,
}

/// What is sent.
pub(super) struct Message<'m> {
    pub(super) method: Method,
    pub(super) url: &'m Url,
    pub(super) body: Option<&'m Value>,
    pub(super) effort: Effort,
    /// Which answers are successes.
    pub(super) accepts: fn(&Answer) -> bool,
}

impl<'m> Message<'m> {
    pub(super) fn new(method: Method, url: &'m Url) -> Self {
        Self {
            method,
            url,
            body: None,
            effort: Effort::Usual,
            accepts: Answer::is_success,
        }
    }
}

impl Call<'_> {
    /// An error about this call.
    pub(in super::super) fn failed(&self, why: Failure) -> Failure {
        why.context(format!("could not {}", self.doing))
            .brief(format!("could not {}", self.brief))
    }
}
