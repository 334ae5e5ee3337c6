//! `azd`: asks `azd` for a token of its account.

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{Flow, Profile};
use crate::{
    auth::{
        FlowContext, cli_account_fingerprint,
        developer_cli::{answer, entra_failure, run, summary, token},
        oauth::{Tokens, answer::text},
    },
    error::{Failure, Kind, Result},
    host::{Host, process::Finished, timestamp::parse_rfc3339},
    login::{Azd, CommandLine},
    tool_config::AZD_CONFIG_DIR,
};

const AZD_MISSING: &str = "install the Azure Developer CLI (https://aka.ms/azd) and run `azd auth login`, or choose another `--login`";

#[async_trait]
impl Flow for Azd {
    fn profile(&self) -> Profile<'_> {
        Profile {
            family: "azd",
            client_id: None,
            legacy: false,
            pop: None,
            user: None,
            login_command: Some(login_command),
        }
    }

    fn identity(&self, host: &Host) -> Result<Option<String>> {
        Ok(cli_account_fingerprint::of_azd(host).map(|account| account.identity("")))
    }

    async fn sign_in(&self, cx: FlowContext<'_>) -> Result<Tokens> {
        let scope = cx.scope();
        let mut args = vec!["auth", "token", "-o", "json", "--no-prompt", "--scope"];
        args.push(&scope);
        if !cx.tenant.is_empty() {
            args.extend(["--tenant-id", cx.tenant]);
        }
        let claims = cx.claims.map(|claims| STANDARD.encode(claims));
        if let Some(claims) = &claims {
            args.extend(["--claims", claims]);
        }
        let finished = run(cx, "azd", &args, AZD_MISSING).await?;
        if finished.failed_by_itself() {
            return Err(azd_failure(cx, &finished));
        }
        let fields = answer(cx, &finished, "azd", "token")?;
        let expires_on = text(&fields, "expiresOn").and_then(parse_rfc3339);
        token(&fields, "azd", "token", expires_on)
    }
}

/// The `azd auth login` for the directory that is used.
fn login_command(host: &Host, tenant: &str) -> CommandLine {
    command_of_azd(host, "azd auth login", tenant)
}

fn command_of_azd(host: &Host, command: &str, tenant: &str) -> CommandLine {
    CommandLine::new(command)
        .variable_of(host, AZD_CONFIG_DIR.variable)
        .flag_some("--tenant-id", tenant)
}

fn azd_failure(cx: FlowContext<'_>, finished: &Finished) -> Failure {
    // azd reports errors as JSON lines on standard output (`consoleMessage`).
    let message = finished
        .stdout
        .expose()
        .lines()
        .filter_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            Some(line.pointer("/data/message")?.as_str()?.to_owned())
        })
        .next_back();
    let said = summary(&message.unwrap_or_else(|| finished.stderr.clone()));
    let login = login_command(cx.host, cx.tenant);
    if let Some(failure) = entra_failure(&said, "azd", |_| format!("run `{login}`")) {
        return failure;
    }
    if said.contains("not logged in") || said.contains("azd auth login") {
        return Failure::of(Kind::SignInNeeded, "nobody is signed in to `azd`")
            .because(said)
            .hint(format!("run `{login}`"));
    }
    Failure::new("`azd` returned no token")
        .because(said)
        .hint(format!(
            "run `{}` to see what azd says",
            command_of_azd(cx.host, "azd auth token", cx.tenant)
                .flag("--scope", &cx.scope())
                .silent()
        ))
}
