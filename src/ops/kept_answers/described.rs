//! What a listing says of a cluster that tells whether ARM's answer for it is still the same.

use serde::{Deserialize, Serialize};

use crate::fleet::{Cluster, EntraProfile};

/// What a listing said of a cluster when ARM was asked for its user kubeconfig.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Described {
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_uid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fqdn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_fqdn: Option<String>,
    /// ARM need not answer for a stopped cluster.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stopped: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    entra: Option<Entra>,
}

/// An [`EntraProfile`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entra {
    managed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server_app: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_app: Option<String>,
}

impl Described {
    pub(crate) fn of(cluster: &Cluster) -> Self {
        let entra = |profile: &EntraProfile| Entra {
            managed: profile.managed,
            tenant: profile.tenant_id.clone(),
            server_app: profile.server_app.clone(),
            client_app: profile.client_app.clone(),
        };
        Self {
            etag: cluster.etag.clone(),
            resource_uid: cluster.resource_uid.clone(),
            fqdn: cluster.fqdn.clone(),
            private_fqdn: cluster.private_fqdn.clone(),
            stopped: cluster.is_stopped(),
            entra: cluster.entra_profile.as_ref().map(entra),
        }
    }

    /// Whether both say the same. An eTag that only one of them has says nothing: not every listing has it.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        let same_etag = match (&self.etag, &other.etag) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        same_etag && self.without_etag() == other.without_etag()
    }

    fn without_etag(&self) -> impl PartialEq + '_ {
        let Self {
            etag: _,
            resource_uid,
            fqdn,
            private_fqdn,
            stopped,
            entra,
        } = self;
        (resource_uid, fqdn, private_fqdn, stopped, entra)
    }

    /// Takes the eTag of a later description that says the same. Returns whether there was none.
    pub(crate) fn complete(&mut self, later: Self) -> bool {
        let completed = self.etag.is_none() && later.etag.is_some();
        if completed {
            self.etag = later.etag;
        }
        completed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster() -> Cluster {
        Cluster {
            etag: Some("e".into()),
            resource_uid: Some("u".into()),
            fqdn: Some("f".into()),
            entra_profile: Some(EntraProfile::default()),
            ..Cluster::default()
        }
    }

    #[test]
    fn each_change_that_an_answer_can_depend_on_is_noticed() {
        let was = Described::of(&cluster());
        assert!(was.equals(&Described::of(&cluster())));
        let some = |text: &str| Some(text.to_owned());
        let changes: [fn(&mut Cluster); 7] = [
            |now| now.etag = Some("other".into()),
            |now| now.resource_uid = Some("other".into()),
            |now| now.resource_uid = None,
            |now| now.fqdn = Some("other".into()),
            |now| now.private_fqdn = Some("new".into()),
            |now| now.power_state = Some("Stopped".into()),
            |now| now.entra_profile = None,
        ];
        for (n, change) in changes.into_iter().enumerate() {
            let mut now = cluster();
            change(&mut now);
            assert!(!was.equals(&Described::of(&now)), "{n}");
        }
        for (server_app, tenant_id) in [(some("s"), None), (None, some("t"))] {
            let now = Cluster {
                entra_profile: Some(EntraProfile {
                    server_app,
                    tenant_id,
                    ..EntraProfile::default()
                }),
                ..cluster()
            };
            assert!(!was.equals(&Described::of(&now)));
        }
    }

    #[test]
    fn a_tag_that_an_answer_cannot_depend_on_is_not_described() {
        let tagged = Cluster {
            tags: [("team".to_owned(), "search".to_owned())].into(),
            ..cluster()
        };
        assert_eq!(Described::of(&tagged), Described::of(&cluster()));
    }

    #[test]
    fn a_listing_without_an_etag_is_compared_by_the_rest() {
        let graph = Described::of(&Cluster {
            etag: None,
            ..cluster()
        });
        let arm = Described::of(&cluster());
        assert!(graph.equals(&arm) && arm.equals(&graph));
        let mut kept = graph.clone();
        assert!(kept.complete(arm.clone()));
        assert_eq!(kept, arm);
        let mut kept = arm.clone();
        assert!(!kept.complete(graph));
        assert_eq!(kept, arm);
    }
}
