//! `azd`: asks `azd` for a token of its account.

use serde_json::Value;

use crate::{
    auth::{
        FlowContext,
        developer_cli::{
            answer, answer_text, check_arguments, entra_failure, last_lines, odd, run, tokens,
        },
        oauth::{
            Tokens,
            answer::{expiry, text},
        },
    },
    error::{Failure, Kind, Result},
    host::{process::Finished, timestamp::parse_rfc3339},
    login::CommandLine,
    tool_config::AZD_CONFIG_DIR,
};

const AZD_MISSING: &str = "install the Azure Developer CLI (https://aka.ms/azd) and type `azd auth login`, or choose another `--login`";

/// Asks `azd` for a token.
///
/// # Errors
/// As for `azurecli`.
pub(in crate::auth) async fn azd(cx: FlowContext<'_>) -> Result<Tokens> {
    let scope = cx.scope();
    let mut args = vec!["auth", "token", "-o", "json", "--no-prompt", "--scope"];
    args.push(&scope);
    if !cx.tenant.is_empty() {
        args.extend(["--tenant-id", cx.tenant]);
    }
    let claims = cx.claims.map(|claims| {
        use base64::{Engine, engine::general_purpose::STANDARD};
        STANDARD.encode(claims)
    });
    if let Some(claims) = &claims {
        args.extend(["--claims", claims]);
    }
    check_arguments(&args)?;
    let finished = run(cx, "azd", &args, AZD_MISSING).await?;
    if finished.failed_by_itself() {
        return Err(azd_failure(cx, &finished));
    }
    let fields = answer(cx, &finished, "azd", "token")?;
    let token = answer_text(&fields, "token", "azd")?;
    let said = text(&fields, "expiresOn").and_then(parse_rfc3339);
    let expires_on = expiry(token.expose(), [said])
        .ok_or_else(|| odd("azd", "does not say when the token expires"))?;
    Ok(tokens(token, expires_on))
}

fn azd_failure(cx: FlowContext<'_>, finished: &Finished) -> Failure {
    // azd reports errors as JSON lines on standard output (`consoleMessage`).
    let told = finished
        .stdout
        .expose()
        .lines()
        .filter_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            Some(line.pointer("/data/message")?.as_str()?.to_owned())
        })
        .next_back();
    let said = last_lines(&told.unwrap_or_else(|| finished.stderr.clone()));
    let azd = |command: &str| {
        CommandLine::new(command)
            .variable_of(cx.host, AZD_CONFIG_DIR.variable)
            .flag_some("--tenant-id", cx.tenant)
    };
    let login = azd("azd auth login");
    if let Some(failure) = entra_failure(&said, "azd", |_| format!("type `{login}`")) {
        return failure;
    }
    if said.contains("not logged in") || said.contains("azd auth login") {
        return Failure::of(Kind::SignInNeeded, "nobody is signed in to `azd`")
            .because(said)
            .hint(format!("type `{login}`"));
    }
    Failure::new("`azd` gave no token")
        .because(said)
        .hint(format!(
            "type `{}` to see for yourself",
            azd("azd auth token").flag("--scope", &cx.scope()).silent()
        ))
}
