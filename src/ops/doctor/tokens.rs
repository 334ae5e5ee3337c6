//! Checks that ask for a token: of az, azd and the managed identity, which keep no token of their own here. Nothing is stored.

use std::{sync::Arc, time::Duration};

use futures::future::{LocalBoxFuture, join_all};
use tokio::time::timeout;

use super::{Check, Finding, Machine, Run, Severity, az::Account, azd, sign_ins};
use crate::{
    error::{Failure, Kind, Result},
    host::{Host, Waits},
    login::{AKS_SERVER_ID, LoginMode, Origin, Param, Settings},
    ops::get_token::{Call, Messages},
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "AAD023",
        title: "the account of az or azd gives no token",
        severity: Severity::Problem,
        why: "A sign-in ends after a time, after a change of the password and when an administrator ends it. az shows the account all the same.",
        remedy: "Sign in again: `az login`, or `azd auth login`.",
        run: Run::Network(of_tools),
    },
    Check {
        code: "AAD026",
        title: "this machine has a managed identity that nothing uses",
        severity: Severity::Note,
        why: "A machine in Azure can sign in by itself, without az and without a person, if the identity may use the clusters.",
        remedy: "Let the contexts sign in with it: `kubectl aad sync -l msi --arm-login msi`.",
        run: Run::Network(unused_identity),
    },
    Check {
        code: "AAD041",
        title: "the managed identity gives no token",
        severity: Severity::Problem,
        why: "In the login mode `msi`, tokens come from a service of the machine, which only machines in Azure and Arc-enabled servers have.",
        remedy: "Use the contexts on a machine that has an identity, or sign in in another mode.",
        run: Run::Network(of_machine),
    },
];

/// How many accounts are asked at most.
const MOST: usize = 4;
/// How long a tool may take, less than the time of a check.
const TIMEOUT: &str = "4s";
/// How long the service of a machine in Azure may take to answer.
const IDENTITY_TIMEOUT: Duration = Duration::from_secs(2);

fn of_tools(machine: &Machine) -> LocalBoxFuture<'_, Result<Vec<Finding>>> {
    Box::pin(async {
        let az = machine.uses_of(LoginMode::AzureCli).into_iter();
        let az = az.filter(|one| matches!(one.account(), Account::SignedIn { .. }));
        let azd = machine.uses_of(LoginMode::Azd).into_iter();
        let azd = azd.filter(|one| azd::has_account(&one.host));
        let asked: Vec<_> = az.chain(azd).take(MOST).collect();
        let asked = asked.iter().map(|one| async {
            (
                one.who.as_str(),
                token(&one.host, one.settings.clone()).await,
            )
        });
        findings(join_all(asked).await)
    })
}

fn of_machine(machine: &Machine) -> LocalBoxFuture<'_, Result<Vec<Finding>>> {
    Box::pin(async {
        let asked: Vec<_> = machine.sign_ins_by(LoginMode::Msi).take(MOST).collect();
        let shown: Vec<_> = asked
            .iter()
            .map(|one| sign_ins::contexts(&one.contexts))
            .collect();
        let asked = asked
            .iter()
            .zip(&shown)
            .map(|(one, who)| async { (who.as_str(), token(&one.host, one.named.clone()).await) });
        findings(join_all(asked).await)
    })
}

/// # Errors
/// If something is only known to be slow.
fn findings(asked: Vec<(&str, Result<()>)>) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (who, answer) in asked {
        match answer {
            Ok(()) => {}
            // A missing program is another check's.
            Err(why) if why.kind() == Kind::NotInstalled => {}
            Err(why) if why.kind() == Kind::Timeout => return Err(why),
            Err(why) => {
                let why: Failure = why.context(format!("there is no token for {who}"));
                findings.push(Finding::from(&why));
            }
        }
    }
    Ok(findings)
}

fn unused_identity(machine: &Machine) -> LocalBoxFuture<'_, Result<Vec<Finding>>> {
    Box::pin(async {
        let uses = machine.uses_of(LoginMode::AzureCli);
        let has_az = machine.host.find_program("az").is_some();
        let lacks_account = !has_az
            || uses
                .iter()
                .any(|one| matches!(one.account(), Account::Nobody { .. }));
        let uses_identity = !machine.uses_of(LoginMode::Msi).is_empty();
        if uses.is_empty() || !lacks_account || uses_identity {
            return Ok(Vec::new());
        }
        let mut settings = Settings::new();
        settings.set(Param::Login, LoginMode::Msi.name(), Origin::Default);
        settings.set(Param::ServerId, AKS_SERVER_ID, Origin::Default);
        // Elsewhere nothing answers, which is as it should be.
        Ok(
            match timeout(IDENTITY_TIMEOUT, token(&machine.host, settings)).await {
                Err(_) | Ok(Err(_)) => Vec::new(),
                Ok(Ok(())) => {
                    vec![
                Finding::new(
                    "nobody is signed in to `az`, and this machine's managed identity gets tokens",
                )
                .command(machine.sync_command(&["-l", "msi", "--arm-login", "msi"])),
            ]
                }
            },
        )
    })
}

/// Asks for a token as `get-token` would, and drops it.
async fn token(host: &Host, mut settings: Settings) -> Result<()> {
    settings.set(Param::TokenStore, "none", Origin::Flag);
    settings.set(Param::Timeout, TIMEOUT, Origin::Flag);
    // As in kubelogin, variables replace flags.
    let host =
        Arc::new(host.with_vars([("AAD_TOKEN_STORE", "none"), ("AZURE_CLI_TIMEOUT", TIMEOUT)]));
    let messages = Messages {
        prompt: Arc::new(|_| Ok(())),
        notice: Arc::new(|_| ()),
        waits: Waits::default(),
    };
    let call = Call::prepare(settings, &host, &messages)?.non_interactive();
    call.token().await.map(drop)
}
