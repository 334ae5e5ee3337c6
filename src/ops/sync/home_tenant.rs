//! Checks that the contexts' identity gets tokens in a cluster's tenant.
//!
//! A managed identity has one tenant. So has an application, unless it was added to others, which only a request for a
//! token tells. People may be guests in others, and `kubectl` tells them what is missing.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};

use super::{
    SyncRequest,
    exec_args::{ClusterSignIn, exec_args},
    tokens::request_silently,
};
use crate::{
    auth::authority::is_tenant_id,
    azure::{Arm, arm::Identity},
    error::{Code, Failure, Kind},
    fleet::{ClusterRun, State},
    login::{AKS_SERVER_ID, Param, Principal},
    ops::observer::Observer,
};

/// The tenant of an identity that is not a person's.
pub(super) struct HomeTenant<'a> {
    id: String,
    request: &'a SyncRequest,
    observer: &'a dyn Observer,
}

impl<'a> HomeTenant<'a> {
    /// Finds the tenant of the contexts' identity; none if it is a person's or unknown.
    pub(super) async fn find(
        request: &'a SyncRequest,
        arm: &Arm<'_>,
        observer: &'a dyn Observer,
    ) -> Option<Self> {
        let fleet = &request.fleet;
        let of_arm = async || match fleet.one_sign_in() {
            true => arm.identity(fleet.scope.first_tenant()).await.ok(),
            false => None,
        };
        let tenant = match fleet.mode.row().principal {
            Principal::Person => None,
            Principal::Application => fleet.login.text(Param::TenantId).map(str::to_owned),
            Principal::Tool => {
                let identity = of_arm().await;
                identity.filter(|identity| identity.application)?.tenant
            }
            Principal::Machine => match of_arm().await {
                Some(identity) => identity.tenant,
                None if request.fetch_tokens => {
                    identity_of_contexts(request, observer).await?.tenant
                }
                None => None,
            },
        };
        let id = tenant.filter(|tenant| is_tenant_id(tenant))?;
        Some(Self {
            id,
            request,
            observer,
        })
    }

    /// Lets those clusters in other tenants fail for which the identity gets no token.
    pub(super) async fn check(&self, clusters: &mut [ClusterRun]) {
        let fleet = &self.request.fleet;
        let mut foreign: BTreeMap<Vec<String>, Vec<&mut ClusterRun>> = BTreeMap::new();
        for run in clusters {
            let tenant = &run.cluster.tenant_id;
            if let Some(args) = run.entries().and_then(|entries| entries.token_args.clone())
                && is_tenant_id(tenant)
                && !tenant.eq_ignore_ascii_case(&self.id)
            {
                foreign.entry(args).or_default().push(run);
            }
        }
        if fleet.mode.row().principal == Principal::Machine {
            for run in foreign.into_values().flatten() {
                run.state = State::Failed(self.only_one_tenant(&run.cluster.tenant_id));
            }
            return;
        }
        if !self.request.fetch_tokens {
            return;
        }
        let mut requests = stream::iter(foreign)
            .map(|(args, runs)| async move {
                let token = request_silently(&fleet.host, &args, self.observer).await;
                (token.err(), runs)
            })
            .buffer_unordered(fleet.tokens_at_once());
        while let Some((failure, runs)) = requests.next().await {
            let denied = |why: &Failure| matches!(why.kind(), Kind::Denied | Kind::NotFound);
            let Some(why) = failure.filter(denied) else {
                continue;
            };
            for run in runs {
                let why = why.clone().context(format!(
                    "its tokens are from tenant `{}`, where the identity of tenant `{}` gets none",
                    run.cluster.tenant_id, self.id
                ));
                run.state = State::Failed(why.code(Code::OtherTenant));
            }
        }
    }

    fn only_one_tenant(&self, tenant: &str) -> Failure {
        Failure::of(
            Kind::Denied,
            format!(
                "its tokens are from tenant `{tenant}`, and this managed identity only gets those of `{}`",
                self.id
            ),
        )
        .code(Code::OtherTenant)
        .hint("sync such clusters with another `--login`, such as `workloadidentity` or `azurecli`")
    }
}

/// Whose token the contexts of AKS-managed clusters would get on this machine.
async fn identity_of_contexts(request: &SyncRequest, observer: &dyn Observer) -> Option<Identity> {
    let fleet = &request.fleet;
    let cluster = ClusterSignIn {
        server_id: AKS_SERVER_ID.to_owned(),
        ..ClusterSignIn::default()
    };
    let args = exec_args(
        &fleet.login,
        fleet.mode,
        fleet.environment.as_deref(),
        &cluster,
    );
    let token = request_silently(&fleet.host, &args, observer).await.ok()?;
    Some(Identity::of(&token.secret))
}
