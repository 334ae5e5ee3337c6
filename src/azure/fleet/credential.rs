//! User kubeconfigs, from `listClusterUserCredential`.
//!
//! Lives here: asking for them, one or many, and reading the answer. What is in
//! a kubeconfig is none of this module's business.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::{Stream, StreamExt, stream};
use serde_json::Value;

use super::{AKS_API_VERSION, STEPS_AT_ONCE, model::ClusterRef};
use crate::{
    azure::arm::{Arm, Call},
    error::{Failure, Result},
    secret::Secret,
};

/// The largest kubeconfig taken from ARM, in bytes: real ones have some 4 KB.
const CREDENTIAL_LIMIT: usize = 1 << 20;

/// How to ask for a cluster's user kubeconfig.
#[derive(Debug, Clone, Copy, Default)]
pub struct CredentialOptions {
    /// The public name of a private cluster's API server, where it has one.
    pub public_fqdn: bool,
}

/// Gets the user kubeconfig of a cluster. With local accounts it holds an
/// administrator's key.
///
/// # Errors
/// Those of the sign-in, of the network and of ARM; an answer without a
/// kubeconfig.
pub async fn user_credential(
    arm: &Arm<'_>,
    cluster: &ClusterRef,
    options: CredentialOptions,
) -> Result<Secret> {
    let mut query = vec![("api-version", AKS_API_VERSION), ("format", "exec")];
    if options.public_fqdn {
        query.push(("server-fqdn", "public"));
    }
    let url = arm.url(
        &[
            "subscriptions",
            &cluster.subscription_id,
            "resourceGroups",
            &cluster.resource_group,
            "providers",
            "Microsoft.ContainerService",
            "managedClusters",
            &cluster.name,
            "listClusterUserCredential",
        ],
        &query,
    );
    let doing = format!("get the credential of cluster `{}`", cluster.name);
    // AKS counts these apart from listings, per subscription.
    let call = Call {
        doing: &doing,
        tenant: cluster.arm_tenant.as_deref(),
        bucket: &format!("{}/credentials", cluster.subscription_id),
    };
    let answer = arm.post(call, &url).await?;
    decode_credential(&answer.body).map_err(|why| why.context(format!("could not {doing}")))
}

/// Gets the user kubeconfigs of many clusters, each as soon as it is there, with
/// its cluster and that one's place among `clusters`.
///
/// Subscriptions take turns: AKS throttles each by itself, and so the time is
/// that of the largest and not the sum.
pub fn user_credentials<'f>(
    arm: &'f Arm<'_>,
    clusters: Vec<ClusterRef>,
    options: CredentialOptions,
) -> impl Stream<Item = (usize, ClusterRef, Result<Secret>)> + 'f {
    stream::iter(in_turns(clusters))
        .map(move |(place, cluster)| async move {
            let credential = user_credential(arm, &cluster, options).await;
            (place, cluster, credential)
        })
        .buffer_unordered(STEPS_AT_ONCE)
}

/// The first cluster of each subscription, then the second of each, and so on.
fn in_turns(clusters: Vec<ClusterRef>) -> Vec<(usize, ClusterRef)> {
    let mut turns: HashMap<String, usize> = HashMap::new();
    let mut ordered: Vec<(usize, (usize, ClusterRef))> = clusters
        .into_iter()
        .enumerate()
        .map(|(place, cluster)| {
            let turn = turns.entry(cluster.subscription_id.clone()).or_default();
            *turn += 1;
            (*turn, (place, cluster))
        })
        .collect();
    ordered.sort_by_key(|(turn, _)| *turn);
    ordered.into_iter().map(|(_, placed)| placed).collect()
}

/// Reads the first kubeconfig of `listClusterUserCredential`. Without Entra ID
/// it holds an administrator's key: hence a [`Secret`].
///
/// # Errors
/// When the answer holds none, or one that is not base64 or not text or larger
/// than 1 MiB. What the answer holds is never in the error.
pub fn decode_credential(body: &[u8]) -> Result<Secret> {
    let unfit = |why: &str| Failure::new("ARM's answer holds no kubeconfig").because(why);
    let body: Value = serde_json::from_slice(body).map_err(|why| {
        // Serde's own text can repeat a part of what it read.
        unfit(&format!(
            "it is not JSON (line {}, column {})",
            why.line(),
            why.column()
        ))
    })?;
    let encoded = body
        .get("kubeconfigs")
        .ok_or_else(|| unfit("`kubeconfigs` is missing"))?
        .get(0)
        .ok_or_else(|| unfit("`kubeconfigs` is empty"))?
        .get("value")
        .and_then(Value::as_str)
        .ok_or_else(|| unfit("`kubeconfigs[0].value` is missing or not text"))?;
    if encoded.len() / 4 * 3 > CREDENTIAL_LIMIT {
        return Err(unfit("it is larger than 1 MiB"));
    }
    let encoded: String = encoded.split_ascii_whitespace().collect();
    let decoded = STANDARD
        .decode(encoded)
        .map_err(|_| unfit("`kubeconfigs[0].value` is not base64"))?;
    let decoded =
        String::from_utf8(decoded).map_err(|_| unfit("the kubeconfig is not UTF-8 text"))?;
    if decoded.trim().is_empty() {
        return Err(unfit("the kubeconfig is empty"));
    }
    Ok(Secret::new(decoded))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn cluster(subscription: usize, name: usize) -> ClusterRef {
        ClusterRef {
            name: name.to_string(),
            subscription_id: subscription.to_string(),
            ..ClusterRef::default()
        }
    }

    #[test]
    fn subscriptions_take_turns() {
        let clusters = vec![cluster(1, 1), cluster(1, 2), cluster(1, 3), cluster(2, 4)];
        let names: Vec<_> = in_turns(clusters)
            .into_iter()
            .map(|(_, c)| c.name)
            .collect();
        assert_eq!(names, ["1", "4", "2", "3"]);
    }

    fn credential(value: &str) -> String {
        json!({"kubeconfigs": [{"name": "clusterUser", "value": value}]}).to_string()
    }

    #[test]
    fn the_first_kubeconfig_is_taken_whatever_its_name() {
        let body = credential(&STANDARD.encode("apiVersion: v1\n"));
        let read = decode_credential(body.as_bytes()).expect("a kubeconfig");
        assert_eq!(read.expose(), "apiVersion: v1\n");
    }

    #[test]
    fn an_unfit_credential_says_why_and_repeats_nothing_of_it() {
        let large = credential(&STANDARD.encode(vec![b'a'; CREDENTIAL_LIMIT + 1]));
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
            let failure = decode_credential(body.as_bytes()).expect_err("an unfit credential");
            assert!(failure.render().contains(why), "{why}: {failure}");
            assert!(!failure.render().contains("hunter2"));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reading_of_a_credential_panic(bytes: Vec<u8>, value in "[ -~]{0,60}") {
            let _ = decode_credential(&bytes);
            let _ = decode_credential(credential(&value).as_bytes());
        }

        #[test]
        fn taking_turns_loses_no_cluster_and_keeps_the_order_of_each_subscription(
            subscriptions in proptest::collection::vec(0_usize..4, 0..40),
        ) {
            let clusters: Vec<_> = subscriptions.iter().enumerate().map(|(n, &s)| cluster(s, n)).collect();
            let turned = in_turns(clusters.clone());
            prop_assert_eq!(turned.len(), clusters.len());
            for (place, turned) in &turned {
                prop_assert_eq!(&turned.name, &clusters[*place].name);
            }
            let turned: Vec<_> = turned.into_iter().map(|(_, cluster)| cluster).collect();
            for s in 0..4 {
                let of = |list: &[ClusterRef]| -> Vec<String> {
                    list.iter().filter(|c| c.subscription_id == s.to_string()).map(|c| c.name.clone()).collect()
                };
                prop_assert_eq!(of(&turned), of(&clusters));
            }
        }
    }
}
