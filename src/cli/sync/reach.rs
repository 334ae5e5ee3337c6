//! Whether the identity of the contexts gets tokens in a cluster's tenant.
//!
//! A managed identity has one tenant. An application has one, too, unless it was added to others, which only a try
//! can tell. People are guests where they are, and `kubectl` tells them what is missing.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt, stream};

use super::{exec_args::ClusterSignIn, exec_args::exec_args, warm};
use crate::{
    auth::TokenSource,
    azure::{Arm, arm::Identity},
    cli::{fleet_args::FleetArgs, get_token},
    error::{Failure, Kind, Result},
    fleet::{ClusterRun, State},
    host::Host,
    login::{AKS_SERVER_ID, ExecArgs, LoginMode, Param, Principal},
};

/// The tenant of an identity that is no person's.
pub(super) struct Home {
    tenant: String,
    mode: LoginMode,
}

impl Home {
    /// Finds out the tenant of the contexts' identity; none where that is a person's or can't be
    /// known here. `may_fetch` says whether one of the contexts' own tokens may be fetched for it.
    pub(super) async fn find(
        arm: &Arm<'_>,
        args: &FleetArgs,
        host: &Arc<Host>,
        may_fetch: bool,
    ) -> Option<Self> {
        let mode = args.login.mode().ok()?;
        let of_arm = async || match args.one_sign_in() {
            true => arm
                .identity(args.tenants.first().map(String::as_str))
                .await
                .ok(),
            false => None,
        };
        let tenant = match mode.row().principal {
            Principal::Person => None,
            Principal::Application => args.login.text(Param::TenantId).map(str::to_owned),
            Principal::Tool => {
                of_arm()
                    .await
                    .filter(|identity| identity.application)?
                    .tenant
            }
            Principal::Machine => match of_arm().await {
                Some(identity) => identity.tenant,
                None if may_fetch => own_token(args, host).await?.tenant,
                None => None,
            },
        };
        let tenant = tenant.filter(|tenant| is_id(tenant))?;
        Some(Self { tenant, mode })
    }

    /// Takes back the entries of clusters in other tenants where the identity gets no token.
    pub(super) async fn check(
        &self,
        runs: &mut [ClusterRun],
        host: &Arc<Host>,
        may_fetch: bool,
        concurrency: usize,
    ) {
        let mut foreign: BTreeMap<Vec<String>, Vec<&mut ClusterRun>> = BTreeMap::new();
        for run in runs {
            let tenant = &run.cluster.tenant_id;
            if let Some(args) = run.entries().and_then(|entries| entries.token_args.clone())
                && is_id(tenant)
                && !tenant.eq_ignore_ascii_case(&self.tenant)
            {
                foreign.entry(args).or_default().push(run);
            }
        }
        if self.mode.row().principal == Principal::Machine {
            for run in foreign.into_values().flatten() {
                run.state = State::Failed(self.only_one_tenant(run));
            }
            return;
        }
        if !may_fetch {
            return;
        }
        let mut tries = stream::iter(foreign)
            .map(|(args, runs)| async move { (warm::try_token(host, &args).await.err(), runs) })
            .buffer_unordered(concurrency);
        while let Some((failure, runs)) = tries.next().await {
            let refused = |why: &Failure| matches!(why.kind(), Kind::Denied | Kind::NotFound);
            let Some(why) = failure.filter(refused) else {
                continue;
            };
            for run in runs {
                run.state = State::Failed(why.clone().context(format!(
                    "its tokens are of tenant `{}`, and the identity of tenant `{}` gets none there",
                    run.cluster.tenant_id, self.tenant
                )));
            }
        }
    }

    fn only_one_tenant(&self, run: &ClusterRun) -> Failure {
        Failure::of(
            Kind::Denied,
            format!(
                "its tokens are of tenant `{}`, and this managed identity gets those of `{}` alone",
                run.cluster.tenant_id, self.tenant
            ),
        )
        .hint("sync such clusters with another `--login`, such as `workloadidentity` or `azurecli`")
    }
}

/// Whose token the contexts of AKS-managed clusters would get here.
async fn own_token(args: &FleetArgs, host: &Arc<Host>) -> Option<Identity> {
    let cluster = ClusterSignIn {
        server_id: AKS_SERVER_ID.to_owned(),
        ..ClusterSignIn::default()
    };
    let mode = args.login.mode().ok()?;
    let environment = args.named_environment();
    let entry = exec_args(&args.login, mode, environment.as_deref(), &cluster);
    let fetch = async || -> Result<Identity> {
        let settings = ExecArgs::parse(&entry)?.into_settings();
        let (authenticator, request) = get_token::prepare(settings, host)?;
        Ok(Identity::of(&authenticator.token(&request).await?.secret))
    };
    fetch().await.ok()
}

fn is_id(tenant: &str) -> bool {
    uuid::Uuid::try_parse(tenant).is_ok()
}
