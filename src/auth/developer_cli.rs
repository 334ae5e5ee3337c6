//! The accounts of `az` and `azd`: the program is asked for a token.
//!
//! Lives here: how each is run and what its answers mean. Whether a cached
//! token is still its account's is `developer_state`'s matter.

use serde_json::{Map, Value};

use super::{
    AccessToken, Ask, developer_state,
    oauth::{
        Tokens,
        answer::{expiry, seconds, text},
        entra_error::codes_in,
        error_codes,
    },
};
use crate::{
    error::{Failure, Kind, Result},
    host::{
        process::{Ended, Finished, Run},
        timestamp::parse_rfc3339,
    },
    login::CommandLine,
    secret::Secret,
    tool_config::{ACCOUNT_VARIABLES, AZ_CLOUD_VARIABLE, AZ_CONFIG_DIR, AZD_CONFIG_DIR},
};

/// Asks `az` for a token. A subscription selects the account and the tenant;
/// `az` refuses a tenant beside it, so it is given alone.
///
/// # Errors
/// [`Kind::NotInstalled`], [`Kind::SignInNeeded`] and the rest, each with what
/// to type.
pub(super) async fn az(ask: Ask<'_>, subscription: Option<&str>) -> Result<Tokens> {
    let mut args = vec!["account", "get-access-token", "-o", "json", "--resource"];
    args.push(ask.resource);
    match subscription {
        Some(subscription) => args.extend(["--subscription", subscription]),
        None if !ask.tenant.is_empty() => args.extend(["--tenant", ask.tenant]),
        None => {}
    }
    check_arguments(&args)?;
    let finished = run(ask, "az", &args, AZ_MISSING).await?;
    if finished.failed_by_itself() {
        return Err(az_failure(ask, subscription, &finished.stderr));
    }
    let fields = answer(ask, &finished, "az", "accessToken")?;
    let token = answer_text(&fields, "accessToken", "az")?;
    // `expiresOn` is local time without an offset, which is ambiguous twice a
    // year; before az 2.54 there was nothing else, but the token knows.
    let expires_on = expiry(token.expose(), [seconds(&fields, "expires_on")])
        .ok_or_else(|| odd("az", "does not say when the token expires"))?;
    let said_tenant = text(&fields, "tenant").unwrap_or_default();
    if subscription.is_some()
        && looks_like_id(ask.tenant)
        && looks_like_id(said_tenant)
        && !said_tenant.eq_ignore_ascii_case(ask.tenant)
    {
        return Err(Failure::of(
            Kind::Denied,
            format!(
                "the subscription is of tenant `{said_tenant}`, but `{}` was asked for",
                ask.tenant
            ),
        )
        .hint("leave away `--subscription` or `--tenant-id`"));
    }
    Ok(tokens(token, expires_on))
}

/// Asks `azd` for a token.
///
/// # Errors
/// As [`az`].
pub(super) async fn azd(ask: Ask<'_>) -> Result<Tokens> {
    let scope = ask.scope();
    let mut args = vec!["auth", "token", "-o", "json", "--no-prompt", "--scope"];
    args.push(&scope);
    if !ask.tenant.is_empty() {
        args.extend(["--tenant-id", ask.tenant]);
    }
    let claims = ask.claims.map(|claims| {
        use base64::{Engine, engine::general_purpose::STANDARD};
        STANDARD.encode(claims)
    });
    if let Some(claims) = &claims {
        args.extend(["--claims", claims]);
    }
    check_arguments(&args)?;
    let finished = run(ask, "azd", &args, AZD_MISSING).await?;
    if finished.failed_by_itself() {
        return Err(azd_failure(ask, &finished));
    }
    let fields = answer(ask, &finished, "azd", "token")?;
    let token = answer_text(&fields, "token", "azd")?;
    let said = text(&fields, "expiresOn").and_then(parse_rfc3339);
    let expires_on = expiry(token.expose(), [said])
        .ok_or_else(|| odd("azd", "does not say when the token expires"))?;
    Ok(tokens(token, expires_on))
}

const AZ_MISSING: &str = "install the Azure CLI (https://aka.ms/azure-cli) and type `az login`, or choose another `--login`";
const AZD_MISSING: &str = "install the Azure Developer CLI (https://aka.ms/azd) and type `azd auth login`, or choose another `--login`";

async fn run(ask: Ask<'_>, program: &str, args: &[&str], missing: &str) -> Result<Finished> {
    tracing::debug!("running {program}");
    ask.trouble.waits_for(format!("`{program}`"));
    let run = Run {
        program,
        args: args.iter().map(Into::into).collect(),
        timeout: ask.timeout,
        // An entry of `sync` has the first two empty where they stand for the default.
        unless_empty: &ACCOUNT_VARIABLES,
    };
    ask.host
        .run(run)
        .await
        .map_err(|failure| match failure.kind() {
            Kind::NotInstalled => failure.hint(missing),
            _ => failure,
        })
}

/// On Windows `az` is a batch file, whose interpreter reads arguments anew:
/// nothing that it could take for more than text may get there.
fn check_arguments(args: &[&str]) -> Result<()> {
    let bad = |arg: &&&str| {
        arg.chars()
            .any(|c| c.is_control() || matches!(c, '"' | '%' | '&' | '|' | '<' | '>' | '^' | '!'))
    };
    // Claims are base64 and free of them by construction.
    match args.iter().find(bad) {
        Some(arg) => Err(
            Failure::usage(format!("`{arg}` can't be passed to another program"))
                .hint("give ids in place of names"),
        ),
        None => Ok(()),
    }
}

fn looks_like_id(tenant: &str) -> bool {
    uuid::Uuid::try_parse(tenant).is_ok()
}

fn tokens(secret: Secret, expires_on: i64) -> Tokens {
    Tokens::from(AccessToken {
        secret,
        expires_on,
        refresh_on: None,
    })
}

impl Finished {
    /// Whether the program says, by its exit code, that it failed.
    fn failed_by_itself(&self) -> bool {
        matches!(self.ended, Ended::Code(code) if code != 0)
    }
}

/// The JSON document with the token, whatever the program wrote around it. It counts also where the
/// program then did not end.
fn answer(
    ask: Ask<'_>,
    finished: &Finished,
    program: &str,
    field: &str,
) -> Result<Map<String, Value>> {
    if let Some(fields) = find_answer(finished.stdout.expose(), field) {
        return Ok(fields);
    }
    let failure = match finished.ended {
        Ended::OutOfTime => Failure::of(
            Kind::Timeout,
            format!(
                "`{program}` did not answer within {} s",
                ask.timeout.as_secs_f32()
            ),
        )
        .hint("give it longer with `--timeout` or `AZURE_CLI_TIMEOUT`"),
        Ended::TooMuchOutput => Failure::new(format!("`{program}` writes without end")),
        Ended::Signal(signal) => Failure::new(format!("`{program}` was ended by signal {signal}")),
        Ended::Code(_) => odd(program, &format!("holds no JSON object with `{field}`")),
    };
    Err(match finished.stderr.trim() {
        "" => failure,
        said => failure.because(format!("it said: {}", last_lines(said))),
    })
}

/// Finds the JSON object that has a field with text, among notices, warnings and other objects.
/// Where several have it, the last one is the answer.
fn find_answer(output: &str, field: &str) -> Option<Map<String, Value>> {
    /// Against output that is made of braces.
    const TRIES: usize = 10_000;
    let mut found = None;
    let mut at = 0;
    for _ in 0..TRIES {
        let Some(brace) = output[at..].find('{') else {
            break;
        };
        at += brace;
        let mut documents =
            serde_json::Deserializer::from_str(&output[at..]).into_iter::<Map<String, Value>>();
        match documents.next() {
            Some(Ok(fields)) => {
                at += documents.byte_offset();
                if text(&fields, field).is_some() {
                    found = Some(fields);
                }
            }
            _ => at += 1,
        }
    }
    found
}

fn answer_text(fields: &Map<String, Value>, name: &str, program: &str) -> Result<Secret> {
    text(fields, name)
        .map(Secret::new)
        .ok_or_else(|| odd(program, &format!("has no `{name}`")))
}

fn odd(program: &str, why: &str) -> Failure {
    Failure::new(format!("the answer of `{program}` {why}"))
        .hint(format!("type `{program} version`; it may be too old"))
}

fn az_failure(ask: Ask<'_>, subscription: Option<&str>, stderr: &str) -> Failure {
    let said = last_lines(without_advice(stderr));
    let az = |command: &str| {
        let line = CommandLine::new(command).variable_of(ask.host, AZ_CONFIG_DIR.variable);
        match developer_state::cloud_for_this_call(ask.host) {
            Some(cloud) => line.variable(AZ_CLOUD_VARIABLE, cloud),
            None => line,
        }
    };
    let login = az("az login").flag_some("--tenant", ask.tenant);
    let failure = |kind, message: &str| Failure::of(kind, message).because(&said);
    if let Some(failure) = entra_failure(&said, "az", |_| {
        format!("type `{}`", login.clone().flag("--scope", &ask.scope()))
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
            .flag("--resource", ask.resource)
            .flag_some("--subscription", subscription.unwrap_or_default())
            .flag_some(
                "--tenant",
                if subscription.is_some() {
                    ""
                } else {
                    ask.tenant
                }
            )
            .flag("--query", "expiresOn")
    ))
}

fn azd_failure(ask: Ask<'_>, finished: &Finished) -> Failure {
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
            .variable_of(ask.host, AZD_CONFIG_DIR.variable)
            .flag_some("--tenant-id", ask.tenant)
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
            azd("azd auth token").flag("--scope", &ask.scope()).silent()
        ))
}

/// A code of Entra's that the program passed on.
fn entra_failure(said: &str, program: &str, login: impl Fn(u32) -> String) -> Option<Failure> {
    let code = *codes_in(said).first()?;
    let row = error_codes::remedy(code);
    let meaning = row.map_or("Entra ID refused", |row| row.meaning);
    let kind = row.map_or(Kind::SignInNeeded, |row| row.kind);
    let failure = Failure::of(
        kind,
        format!("AADSTS{code}: {meaning} (through `{program}`)"),
    )
    .because(said);
    Some(match row {
        Some(row) if row.kind != Kind::SignInNeeded => failure.hint(row.hint),
        _ => failure.hint(login(code)),
    })
}

/// The end of what a program wrote, on one line and not endless.
/// What az said without the commands that it advises: the hint has the whole one, for its directory
/// and cloud, and two lines of commands run into one here (`az logout az login`).
fn without_advice(stderr: &str) -> &str {
    match stderr.split_once("\nRun the command below") {
        Some((said, _)) if !said.trim().is_empty() => said,
        _ => stderr,
    }
}

fn last_lines(text: &str) -> String {
    const LIMIT: usize = 600;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth_back(LIMIT) {
        Some((at, _)) => format!("…{}", &line[at..]),
        None if line.is_empty() => "it said nothing".to_owned(),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_become_a_command_is_not_passed_on() {
        for bad in ["a\" & calc", "%PATH%", "a|b", "a\nb"] {
            assert!(check_arguments(&["account", bad]).is_err(), "{bad}");
        }
        assert!(check_arguments(&["My subscription (dev)", "--tenant", "a.com"]).is_ok());
    }

    #[test]
    fn the_answer_is_found_whatever_stands_around_it() {
        let answer = r#"{"accessToken": "t}{", "nested": {"accessToken": "x"}}"#;
        for output in [
            answer.to_owned(),
            format!("\u{feff}{answer}\n"),
            format!("WARNING: {{not json}}\n{answer}\nA new version is available {{2.92}}.\n"),
            format!("{{\n{answer}\n{{\"notice\": \"upgrade\"}}\n"),
            format!("{{\"accessToken\": \"\"}}{answer}]}}}}"),
            format!("[{answer}]"),
        ] {
            let fields = find_answer(&output, "accessToken").expect("there");
            assert_eq!(text(&fields, "accessToken"), Some("t}{"), "{output}");
        }
        for output in [
            "",
            "{",
            "{}",
            "null",
            r#"{"accessToken": "t""#,
            r#"{"token": "t"}"#,
        ] {
            assert!(find_answer(output, "accessToken").is_none(), "{output}");
        }
        assert!(find_answer(&"{".repeat(1 << 20), "accessToken").is_none());
        assert!(find_answer(&r#"{"a":"#.repeat(1 << 18), "accessToken").is_none());
    }

    #[test]
    fn long_output_is_cut_at_its_beginning() {
        let said = last_lines(&format!("{} end\n of it", "x ".repeat(2000)));
        assert!(said.starts_with('…') && said.ends_with("end of it"));
        assert!(said.len() < 700);
    }
}
