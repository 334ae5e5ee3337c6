//! Lists managed clusters and fetches their kubeconfigs.

use std::collections::{HashMap, HashSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::{Stream, StreamExt, stream};
use serde_json::Value;

use super::{
    STEPS_AT_ONCE,
    arm::{Arm, Bucket, CLUSTER_ADMIN, CLUSTER_USER, Call, READER, error_code},
    fleet_manager, managed_namespaces,
};
use crate::{
    error::{Code, Failure, Kind, Result},
    fleet::{Cluster, ClusterId, ClusterRun, Hub, Role, State, Subscription},
    host::http::Answer,
    secret::Secret,
};

mod decode;
mod profile;

pub(super) use decode::{decode_cluster, tags};

/// The API version of AKS: generally available in every cloud, and nothing newer is read.
pub(crate) const AKS_API_VERSION: &str = "2025-02-01";

/// The largest kubeconfig taken from ARM, in bytes: real ones have about 4 KB.
const KUBECONFIG_LIMIT: usize = 1 << 20;

const PROVIDER: [&str; 3] = ["providers", "Microsoft.ContainerService", "managedClusters"];

/// Lists a subscription's clusters in ARM's order. Also says whether there may be more.
pub(crate) async fn list(
    arm: &Arm<'_>,
    subscription: &Subscription,
) -> (Vec<ClusterRun>, Result<()>) {
    let doing = format!("list the clusters of subscription `{}`", subscription.name);
    let call = Call {
        doing: &doing,
        brief: "list clusters",
        role: READER,
        tenant: subscription.arm_tenant.as_deref(),
        bucket: &Bucket::cluster_lists(&subscription.id),
        whose: &subscription.name,
    };
    let path = [&["subscriptions", &subscription.id], &PROVIDER[..]].concat();
    let url = arm.url(&path, &[("api-version", AKS_API_VERSION)]);
    let listing = arm.list(call, url).await;
    let mut clusters: Vec<_> = listing
        .items
        .iter()
        .map(|item| decode_cluster(item, subscription))
        .collect();
    // If a cluster is created during the listing, another can be on two pages.
    let mut known = HashSet::new();
    clusters.retain(|run| matches!(run.state, State::Failed(_)) || known.insert(run.cluster.key()));
    (clusters, listing.cut_short.map_or(Ok(()), Err))
}

/// Asks whether a cluster exists. Only ARM's own word for it says that it does not: what somebody may not see is an error.
///
/// # Errors
/// Those of [`Arm::look_for`].
pub(crate) async fn exists(
    arm: &Arm<'_>,
    subscription: &Subscription,
    id: &ClusterId,
) -> Result<bool> {
    let ClusterId {
        resource_group,
        name,
        ..
    } = id;
    let group = ["subscriptions", &subscription.id];
    let group = [&group[..], &["resourceGroups", resource_group]].concat();
    let url = arm.url(
        &[&group[..], &PROVIDER, &[name]].concat(),
        &[("api-version", AKS_API_VERSION)],
    );
    let doing = format!("look for cluster `{name}`");
    let call = Call {
        doing: &doing,
        brief: "read the cluster",
        role: READER,
        tenant: subscription.arm_tenant.as_deref(),
        // AKS counts such calls for each cluster.
        bucket: &Bucket::undocumented(url.path()),
        whose: name,
    };
    let answer = arm
        .look_for(call, &url, |answer| answer.is_success() || is_gone(answer))
        .await?;
    Ok(answer.is_success())
}

/// Whether ARM says that a cluster or its resource group does not exist.
fn is_gone(answer: &Answer) -> bool {
    const GONE: [&str; 2] = ["ResourceNotFound", "ResourceGroupNotFound"];
    let code = error_code(answer);
    answer.status == 404
        && code.is_some_and(|code| GONE.iter().any(|gone| gone.eq_ignore_ascii_case(&code)))
}

/// Which kubeconfig of a cluster is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// Whose credential it holds.
    pub(crate) role: Role,
    /// Whether a private cluster's address is its public one.
    pub(crate) public_fqdn: bool,
}

/// Fetches the kubeconfigs of many clusters and returns each as it arrives.
///
/// Subscriptions alternate: AKS throttles each on its own, so the time is that of the largest and
/// not the sum.
pub(crate) fn kubeconfigs<'r>(
    arm: &'r Arm<'_>,
    clusters: Vec<&'r mut ClusterRun>,
    wanted: Wanted,
) -> impl Stream<Item = (&'r mut ClusterRun, Result<Secret>)> {
    stream::iter(alternating(clusters))
        .map(move |run| async move {
            let kubeconfig = kubeconfig(arm, &run.cluster, wanted).await;
            (run, kubeconfig)
        })
        .buffer_unordered(STEPS_AT_ONCE)
}

/// Fetches a cluster's kubeconfig. The user's (`listClusterUserCredential`) holds an administrator's key if the cluster has
/// local accounts only; the administrator's (`listClusterAdminCredential`) always does.
async fn kubeconfig(arm: &Arm<'_>, cluster: &Cluster, wanted: Wanted) -> Result<Secret> {
    if let Some(namespace) = &cluster.namespace {
        return match wanted.role {
            Role::User => managed_namespaces::user_kubeconfig(arm, cluster, namespace).await,
            Role::Admin => Err(no_admin(
                "a managed namespace has no administrator's credential",
            )),
        };
    }
    let hub = cluster.hub.as_ref();
    let aks = hub.and_then(Hub::aks);
    let of_aks = || async {
        let (group, name) = match &aks {
            Some(aks) => (&aks.resource_group, &aks.name),
            None => (&cluster.resource_group, &cluster.name),
        };
        of_aks(arm, cluster, [group, name], wanted).await
    };
    let fleet_manager = hub.and_then(|hub| hub.fleet_manager.as_deref());
    match (fleet_manager, wanted.role) {
        (Some(_), Role::Admin) if aks.is_none() => Err(no_admin(
            "a Fleet Manager gives out no administrator's credential of its hub",
        )),
        (None, _) | (_, Role::Admin) => of_aks().await,
        (Some(fleet_manager), Role::User) => {
            match fleet_manager::user_kubeconfig(arm, cluster, fleet_manager).await {
                // A role on the AKS cluster can be enough.
                Err(why) if why.kind() == Kind::Denied && aks.is_some() => {
                    of_aks().await.or(Err(why))
                }
                answer => answer,
            }
        }
    }
}

fn no_admin(why: &str) -> Failure {
    Failure::of(Kind::Denied, why).code(Code::LocalAccountsDisabled)
}

/// The same by the resource group and name of the AKS cluster. AKS documents one limit for all calls of their kind, so both
/// roles' calls count against the same bucket (learn.microsoft.com, azure/aks/quotas-skus-regions).
async fn of_aks(
    arm: &Arm<'_>,
    cluster: &Cluster,
    [group, name]: [&str; 2],
    wanted: Wanted,
) -> Result<Secret> {
    let mut query = vec![("api-version", AKS_API_VERSION)];
    let (action, role, doing, brief) = match wanted.role {
        Role::User => {
            query.push(("format", "exec"));
            (
                "listClusterUserCredential",
                CLUSTER_USER,
                format!("get the credential of cluster `{}`", cluster.name),
                "fetch credentials",
            )
        }
        Role::Admin => (
            "listClusterAdminCredential",
            CLUSTER_ADMIN,
            format!(
                "get the administrator's credential of cluster `{}`",
                cluster.name
            ),
            "fetch administrators' credentials",
        ),
    };
    if wanted.public_fqdn {
        query.push(("server-fqdn", "public"));
    }
    let group = [
        "subscriptions",
        &cluster.subscription_id,
        "resourceGroups",
        group,
    ];
    let action = [name, action];
    let url = arm.url(&[&group[..], &PROVIDER, &action].concat(), &query);
    let call = Call {
        doing: &doing,
        brief,
        role,
        tenant: cluster.arm_tenant.as_deref(),
        bucket: &Bucket::credentials(cluster),
        whose: &cluster.subscription_name,
    };
    let answer = arm.post(call, &url).await?;
    decode_kubeconfig(&answer.body).map_err(|why| call.failed(why))
}

/// Sorts clusters: the first of each subscription, then the second of each, and so on.
fn alternating(clusters: Vec<&mut ClusterRun>) -> Vec<&mut ClusterRun> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut ordered: Vec<_> = clusters
        .into_iter()
        .map(|run| {
            let count = counts
                .entry(run.cluster.subscription_id.clone())
                .or_default();
            *count += 1;
            (*count, run)
        })
        .collect();
    ordered.sort_by_key(|(count, _)| *count);
    ordered.into_iter().map(|(_, run)| run).collect()
}

/// Decodes the first kubeconfig of an answer. No error repeats any of it.
pub(super) fn decode_kubeconfig(body: &[u8]) -> Result<Secret> {
    let invalid = |why: &str| {
        Failure::new("ARM's answer contains no kubeconfig")
            .code(Code::InvalidAnswer)
            .because(why)
    };
    let body: Value = serde_json::from_slice(body).map_err(|why| {
        // Serde's own text can repeat a part of what it read.
        invalid(&format!(
            "it is not JSON (line {}, column {})",
            why.line(),
            why.column()
        ))
    })?;
    let encoded = body
        .get("kubeconfigs")
        .ok_or_else(|| invalid("`kubeconfigs` is missing"))?
        .get(0)
        .ok_or_else(|| invalid("`kubeconfigs` is empty"))?
        .get("value")
        .and_then(Value::as_str)
        .ok_or_else(|| invalid("`kubeconfigs[0].value` is missing or not text"))?;
    if encoded.len() / 4 * 3 > KUBECONFIG_LIMIT {
        return Err(invalid("it is larger than 1 MiB"));
    }
    let encoded: String = encoded.split_ascii_whitespace().collect();
    let decoded = STANDARD
        .decode(encoded)
        .map_err(|_| invalid("`kubeconfigs[0].value` is not base64"))?;
    let decoded =
        String::from_utf8(decoded).map_err(|_| invalid("the kubeconfig is not UTF-8 text"))?;
    if decoded.trim().is_empty() {
        return Err(invalid("the kubeconfig is empty"));
    }
    Ok(Secret::new(decoded))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn run(subscription: usize, name: usize) -> ClusterRun {
        let cluster = Cluster {
            name: name.to_string(),
            subscription_id: subscription.to_string(),
            ..Cluster::default()
        };
        ClusterRun::new(cluster, State::Listed)
    }

    #[test]
    fn subscriptions_alternate() {
        let mut runs = [run(1, 1), run(1, 2), run(1, 3), run(2, 4)];
        let runs = alternating(runs.iter_mut().collect());
        let names: Vec<_> = runs.iter().map(|run| run.cluster.name.as_str()).collect();
        assert_eq!(names, ["1", "4", "2", "3"]);
    }

    fn credential(value: &str) -> String {
        json!({"kubeconfigs": [{"name": "clusterUser", "value": value}]}).to_string()
    }

    #[test]
    fn the_first_kubeconfig_counts_whatever_its_name() {
        let body = credential(&STANDARD.encode("apiVersion: v1\n"));
        let read = decode_kubeconfig(body.as_bytes()).expect("a kubeconfig");
        assert_eq!(read.expose(), "apiVersion: v1\n");
    }

    #[test]
    fn an_invalid_kubeconfig_says_why_and_repeats_nothing_of_it() {
        let large = credential(&STANDARD.encode(vec![b'a'; KUBECONFIG_LIMIT + 1]));
        let cases = [
            ("{\"kubeconfigs\": \"hunter2".to_owned(), "not JSON"),
            ("[]".into(), "`kubeconfigs` is missing"),
            (r#"{"kubeconfigs":[]}"#.into(), "`kubeconfigs` is empty"),
            (r#"{"kubeconfigs":[{"value":5}]}"#.into(), "not text"),
            (credential("hunter2!"), "not base64"),
            (credential(&STANDARD.encode([0xff, 0xfe])), "not UTF-8"),
            (credential(""), "is empty"),
            (large, "larger than 1 MiB"),
        ];
        for (body, why) in cases {
            let failure = decode_kubeconfig(body.as_bytes()).expect_err("an invalid kubeconfig");
            assert!(failure.render().contains(why), "{why}: {failure}");
            assert!(!failure.render().contains("hunter2"));
        }
    }

    proptest! {
        #[test]
        fn decoding_a_kubeconfig_never_panics(bytes: Vec<u8>, value in "[ -~]{0,60}") {
            let _ = decode_kubeconfig(&bytes);
            let _ = decode_kubeconfig(credential(&value).as_bytes());
        }

        #[test]
        fn alternating_keeps_each_cluster_and_the_order_in_each_subscription(
            subscriptions in proptest::collection::vec(0_usize..4, 0..40),
        ) {
            let mut runs: Vec<_> = subscriptions.iter().enumerate().map(|(n, &s)| run(s, n)).collect();
            let all: Vec<_> = runs.iter().map(|run| run.cluster.clone()).collect();
            let sorted: Vec<_> = alternating(runs.iter_mut().collect()).iter().map(|run| run.cluster.clone()).collect();
            prop_assert_eq!(sorted.len(), all.len());
            for s in 0..4 {
                let of = |list: &[Cluster]| -> Vec<String> {
                    let list = list.iter().filter(|c| c.subscription_id == s.to_string());
                    list.map(|c| c.name.clone()).collect()
                };
                prop_assert_eq!(of(&sorted), of(&all));
            }
        }
    }
}
