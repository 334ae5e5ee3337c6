//! `azurecli`: asks `az` for a token of its account.

use async_trait::async_trait;

use super::{Flow, Profile};
use crate::{
    auth::{
        FlowContext,
        authority::is_tenant_id,
        cli_account_fingerprint,
        developer_cli::{answer, entra_failure, run, summary, token},
        oauth::{
            Tokens,
            answer::{seconds, text},
        },
    },
    error::{Failure, Kind, Result},
    host::Host,
    login::{AzureCli, CommandLine},
    tool_config::{AZ_CLOUD_VARIABLE, AZ_CONFIG_DIR},
};

const AZ_MISSING: &str = "install the Azure CLI (https://aka.ms/azure-cli) and run `az login`, or choose another `--login`";

#[async_trait]
impl Flow for AzureCli {
    fn profile(&self) -> Profile<'_> {
        Profile {
            family: "az",
            client_id: None,
            legacy: false,
            pop: None,
            user: None,
            login_command: Some(login_command),
        }
    }

    fn identity(&self, host: &Host) -> Result<Option<String>> {
        let subscription = self.subscription.as_deref().unwrap_or_default();
        Ok(cli_account_fingerprint::of_az(host).map(|account| account.identity(subscription)))
    }

    /// A subscription selects the account and the tenant; `az` refuses a tenant beside it, so it is given alone.
    async fn sign_in(&self, cx: FlowContext<'_>) -> Result<Tokens> {
        // A tenant of the request wins over the subscription of the sign-in.
        let subscription = self.subscription.as_deref().filter(|_| !cx.other_tenant);
        let mut args = vec!["account", "get-access-token", "-o", "json", "--resource"];
        args.push(cx.resource);
        match subscription {
            Some(subscription) => args.extend(["--subscription", subscription]),
            None if !cx.tenant.is_empty() => args.extend(["--tenant", cx.tenant]),
            None => {}
        }
        let finished = run(cx, "az", &args, AZ_MISSING).await?;
        if finished.failed_by_itself() {
            return Err(az_failure(cx, subscription, &finished.stderr));
        }
        let fields = answer(cx, &finished, "az", "accessToken")?;
        // `expiresOn` is local time without an offset, which is ambiguous twice a year; before az 2.54 there was
        // nothing else, but the token says it, too.
        let token = token(&fields, "az", "accessToken", seconds(&fields, "expires_on"))?;
        let tenant = text(&fields, "tenant").unwrap_or_default();
        if subscription.is_some()
            && is_tenant_id(cx.tenant)
            && is_tenant_id(tenant)
            && !tenant.eq_ignore_ascii_case(cx.tenant)
        {
            return Err(Failure::of(
                Kind::Denied,
                format!(
                    "the subscription belongs to tenant `{tenant}`, but `{}` was asked for",
                    cx.tenant
                ),
            )
            .hint("omit `--subscription` or `--tenant-id`"));
        }
        Ok(token)
    }
}

/// The `az login` for the directory and the cloud that are used.
fn login_command(host: &Host, tenant: &str) -> CommandLine {
    command_of_az(host, "az login").flag_some("--tenant", tenant)
}

fn command_of_az(host: &Host, command: &str) -> CommandLine {
    let line = CommandLine::new(command).variable_of(host, AZ_CONFIG_DIR.variable);
    match cli_account_fingerprint::cloud_for_this_call(host) {
        Some(cloud) => line.variable(AZ_CLOUD_VARIABLE, cloud),
        None => line,
    }
}

fn az_failure(cx: FlowContext<'_>, subscription: Option<&str>, stderr: &str) -> Failure {
    let said = summary(without_advice(stderr));
    let az = |command| command_of_az(cx.host, command);
    let login = login_command(cx.host, cx.tenant);
    let failure = |kind, message: &str| Failure::of(kind, message).because(&said);
    if let Some(failure) = entra_failure(&said, "az", |_| {
        format!("run `{}`", login.clone().flag("--scope", &cx.scope()))
    }) {
        return failure;
    }
    let lower = said.to_lowercase();
    if lower.contains("managed identity account") || lower.contains("cloud shell account") {
        return failure(
            Kind::Denied,
            "`az` is signed in with an identity that gets tokens only for its own tenant",
        )
        .hint(format!("sign in with another account: `{login}`"));
    }
    if lower.contains("subscription") && lower.contains("not found") {
        return failure(Kind::NotFound, "`az` does not know this subscription").hint(format!(
            "check `--subscription {}` with `{}`",
            subscription.unwrap_or_default(),
            az("az account list")
        ));
    }
    if lower.contains("az login") || lower.contains("does not exist in msal token cache") {
        return failure(Kind::SignInNeeded, "nobody is signed in to `az`")
            .hint(format!("run `{login}`"));
    }
    failure(Kind::Other, "`az` returned no token").hint(format!(
        "run `{}` to see what az says",
        az("az account get-access-token")
            .flag("--resource", cx.resource)
            .flag_some("--subscription", subscription.unwrap_or_default())
            .flag_some(
                "--tenant",
                if subscription.is_some() {
                    ""
                } else {
                    cx.tenant
                }
            )
            .flag("--query", "expiresOn")
    ))
}

/// What az said without the commands that it advises: the hint has one that fits az's directory and cloud, and on one
/// line they would read `az logout az login`.
fn without_advice(stderr: &str) -> &str {
    match stderr.split_once("\nRun the command below") {
        Some((said, _)) if !said.trim().is_empty() => said,
        _ => stderr,
    }
}
