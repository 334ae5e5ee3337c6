//! Runs `az` and `azd` and reads what they print.

use serde_json::{Map, Value};

use super::{
    AccessToken, FlowContext,
    oauth::{
        Tokens,
        answer::{expiry, text},
        entra_error::codes_in,
        error_codes,
    },
    progress::WaitingFor,
};
use crate::{
    error::{Failure, Kind, Result},
    host::process::{Ended, Finished, Run},
    secret::Secret,
    tool_config::ACCOUNT_VARIABLES,
};

mod messages;

pub(super) use messages::summary;

pub(super) async fn run(
    cx: FlowContext<'_>,
    program: &str,
    args: &[&str],
    missing: &str,
) -> Result<Finished> {
    check_arguments(args)?;
    cx.progress
        .waits_for(WaitingFor::Source(format!("`{program}`")));
    let run = Run {
        program,
        args: args.iter().map(Into::into).collect(),
        timeout: cx.timeout,
        // An entry of `sync` has the first two empty where they stand for the default.
        unless_empty: &ACCOUNT_VARIABLES,
    };
    cx.host
        .run(run)
        .await
        .map_err(|failure| match failure.kind() {
            Kind::NotInstalled => failure.hint(missing),
            _ => failure,
        })
}

/// Refuses arguments that might not be taken as text: on Windows `az` is a batch file, whose interpreter parses them
/// again.
fn check_arguments(args: &[&str]) -> Result<()> {
    let bad = |arg: &&&str| {
        arg.chars()
            .any(|c| c.is_control() || matches!(c, '"' | '%' | '&' | '|' | '<' | '>' | '^' | '!'))
    };
    match args.iter().find(bad) {
        Some(arg) => Err(
            Failure::usage(format!("`{arg}` can't be passed to another program"))
                .hint("use ids instead of names"),
        ),
        None => Ok(()),
    }
}

impl Finished {
    /// Whether the program says, by its exit code, that it failed.
    pub(super) fn failed_by_itself(&self) -> bool {
        matches!(self.ended, Ended::Code(code) if code != 0)
    }
}

/// The JSON document with the token, among whatever else the program printed. It also counts if the program was
/// stopped.
pub(super) fn answer(
    cx: FlowContext<'_>,
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
                cx.timeout.as_secs_f32()
            ),
        )
        .hint("allow more time with `--timeout` or `AZURE_CLI_TIMEOUT`"),
        Ended::TooMuchOutput => Failure::new(format!("the output of `{program}` is too long")),
        Ended::Signal(signal) => Failure::new(format!("`{program}` was killed by signal {signal}")),
        Ended::Code(_) => unexpected(program, &format!("has no JSON object with `{field}`")),
    };
    Err(match finished.stderr.trim() {
        "" => failure,
        said => failure.because(format!("it said: {}", summary(said))),
    })
}

/// Finds the last JSON object that has a field with text, among notices, warnings and other objects.
fn find_answer(output: &str, field: &str) -> Option<Map<String, Value>> {
    /// Bounds the work on output that is full of braces.
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

/// The token of an answer. It expires at the earlier of what the program says and what the token says.
///
/// # Errors
/// When there is no token, or neither says when it expires.
pub(super) fn token(
    fields: &Map<String, Value>,
    program: &str,
    field: &str,
    expires_on: Option<i64>,
) -> Result<Tokens> {
    let token = text(fields, field)
        .map(Secret::new)
        .ok_or_else(|| unexpected(program, &format!("has no `{field}`")))?;
    let expires_on = expiry(token.expose(), [expires_on])
        .ok_or_else(|| unexpected(program, "does not say when the token expires"))?;
    Ok(Tokens::from(AccessToken {
        secret: token,
        expires_on,
        refresh_on: None,
    }))
}

fn unexpected(program: &str, why: &str) -> Failure {
    Failure::new(format!("the output of `{program}` {why}"))
        .hint(format!("run `{program} version`; it may be too old"))
}

/// Explains an Entra error that the program passed on.
pub(super) fn entra_failure(
    said: &str,
    program: &str,
    login: impl Fn(u32) -> String,
) -> Option<Failure> {
    let code = *codes_in(said).first()?;
    let row = error_codes::remedy(code);
    let meaning = row.map_or("Entra ID refused the request", |row| row.meaning);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_could_become_a_command_are_refused() {
        for bad in ["a\" & calc", "%PATH%", "a|b", "a\nb"] {
            assert!(check_arguments(&["account", bad]).is_err(), "{bad}");
        }
        assert!(check_arguments(&["My subscription (dev)", "--tenant", "a.com"]).is_ok());
    }

    #[test]
    fn the_answer_is_found_among_other_output() {
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
}
