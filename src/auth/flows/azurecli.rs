//! `azurecli`: asks `az` for a token of its account.

use crate::{
    auth::{
        FlowContext, cli_account_fingerprint,
        developer_cli::{
            answer, answer_text, check_arguments, entra_failure, last_lines, odd, run, tokens,
        },
        oauth::{
            Tokens,
            answer::{expiry, seconds, text},
        },
    },
    error::{Failure, Kind, Result},
    login::CommandLine,
    tool_config::{AZ_CLOUD_VARIABLE, AZ_CONFIG_DIR},
};

const AZ_MISSING: &str = "install the Azure CLI (https://aka.ms/azure-cli) and type `az login`, or choose another `--login`";

/// Asks `az` for a token. A subscription selects the account and the tenant;
/// `az` refuses a tenant beside it, so it is given alone.
///
/// # Errors
/// [`Kind::NotInstalled`], [`Kind::SignInNeeded`] and the rest, each with what
/// to type.
pub(in crate::auth) async fn az(cx: FlowContext<'_>, subscription: Option<&str>) -> Result<Tokens> {
    let mut args = vec!["account", "get-access-token", "-o", "json", "--resource"];
    args.push(cx.resource);
    match subscription {
        Some(subscription) => args.extend(["--subscription", subscription]),
        None if !cx.tenant.is_empty() => args.extend(["--tenant", cx.tenant]),
        None => {}
    }
    check_arguments(&args)?;
    let finished = run(cx, "az", &args, AZ_MISSING).await?;
    if finished.failed_by_itself() {
        return Err(az_failure(cx, subscription, &finished.stderr));
    }
    let fields = answer(cx, &finished, "az", "accessToken")?;
    let token = answer_text(&fields, "accessToken", "az")?;
    // `expiresOn` is local time without an offset, which is ambiguous twice a
    // year; before az 2.54 there was nothing else, but the token knows.
    let expires_on = expiry(token.expose(), [seconds(&fields, "expires_on")])
        .ok_or_else(|| odd("az", "does not say when the token expires"))?;
    let said_tenant = text(&fields, "tenant").unwrap_or_default();
    if subscription.is_some()
        && looks_like_id(cx.tenant)
        && looks_like_id(said_tenant)
        && !said_tenant.eq_ignore_ascii_case(cx.tenant)
    {
        return Err(Failure::of(
            Kind::Denied,
            format!(
                "the subscription is of tenant `{said_tenant}`, but `{}` was asked for",
                cx.tenant
            ),
        )
        .hint("leave away `--subscription` or `--tenant-id`"));
    }
    Ok(tokens(token, expires_on))
}

fn looks_like_id(tenant: &str) -> bool {
    uuid::Uuid::try_parse(tenant).is_ok()
}

fn az_failure(cx: FlowContext<'_>, subscription: Option<&str>, stderr: &str) -> Failure {
    let said = last_lines(without_advice(stderr));
    let az = |command: &str| {
        let line = CommandLine::new(command).variable_of(cx.host, AZ_CONFIG_DIR.variable);
        match cli_account_fingerprint::cloud_for_this_call(cx.host) {
            Some(cloud) => line.variable(AZ_CLOUD_VARIABLE, cloud),
            None => line,
        }
    };
    let login = az("az login").flag_some("--tenant", cx.tenant);
    let failure = |kind, message: &str| Failure::of(kind, message).because(&said);
    if let Some(failure) = entra_failure(&said, "az", |_| {
        format!("type `{}`", login.clone().flag("--scope", &cx.scope()))
    }) {
        return failure;
    }
    let lower = said.to_lowercase();
    if lower.contains("managed identity account") || lower.contains("cloud shell account") {
        return failure(
            Kind::Denied,
            "`az` is signed in with an identity that gets tokens of its own tenant alone",
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
            .hint(format!("type `{login}`"));
    }
    failure(Kind::Other, "`az` gave no token").hint(format!(
        "type `{}` to see for yourself",
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

/// What az said without the commands that it advises: the hint has the whole one, for its directory
/// and cloud, and two lines of commands run into one here (`az logout az login`).
fn without_advice(stderr: &str) -> &str {
    match stderr.split_once("\nRun the command below") {
        Some((said, _)) if !said.trim().is_empty() => said,
        _ => stderr,
    }
}
