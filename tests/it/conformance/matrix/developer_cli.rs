//! `azurecli` and `azd`: the developer's tools, played by scripts that note how they were called.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

use super::super::case::Case;
use super::{at_server, with_exec_info};

/// Records the arguments, separated by `|`, and continues with the rest of the script.
fn noting(name: &str, rest: &str) -> String {
    format!(
        "#!/bin/sh\n{{ for a in \"$@\"; do printf '%s|' \"$a\"; done; echo; }} >> '{{home}}/{name}.calls'\n{rest}\n"
    )
}

/// An unsigned token whose claims name the caller, and when it ends: in an hour, as real ones do.
struct Answer {
    token: String,
    ends: OffsetDateTime,
}

impl Answer {
    fn new() -> Self {
        let ends = OffsetDateTime::now_utc()
            .replace_nanosecond(0)
            .expect("0 is a number of nanoseconds")
            + time::Duration::HOUR;
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(json!({"alg": "RS256", "typ": "JWT"}));
        let claims = part(json!({
            "aud": "6dae42f8-4368-4678-94ff-3960e28e3630", "oid": "alice", "exp": ends.unix_timestamp(),
        }));
        Self {
            token: format!("{header}.{claims}.c2ln"),
            ends,
        }
    }

    /// As `az` says it, in UTC.
    fn wall_clock(&self) -> String {
        let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second].000000");
        self.ends.format(format).expect("a time")
    }

    /// As `azd` says it.
    fn rfc3339(&self) -> String {
        self.ends.format(&Rfc3339).expect("a time")
    }
}

fn az(answer: &str) -> String {
    noting("az", answer)
}

fn said(answer: &str) -> String {
    format!("cat <<'EOF'\n{answer}\nEOF")
}

fn failing(message: &str, code: u8) -> String {
    format!("cat >&2 <<'EOF'\n{message}\nEOF\nexit {code}")
}

/// The scripts need `cat`, and find no real `az`.
fn with_cat(case: Case) -> Case {
    case.program("cat", "#!/bin/sh\nexec /bin/cat \"$@\"\n")
}

pub(super) fn cases() -> Vec<Case> {
    [azurecli(), azd()].concat()
}

fn azurecli() -> Vec<Case> {
    let base = |part: &str| {
        with_cat(at_server(
            Case::new("azurecli").named(part).args("-l azurecli"),
        ))
    };
    let answer = Answer::new();
    let (token, at) = (&answer.token, answer.wall_clock());
    let full = format!(
        r#"{{"accessToken":"{token}","expiresOn":"{at}","expires_on":{},"subscription":"s","tenant":"t","tokenType":"Bearer"}}"#,
        answer.ends.unix_timestamp(),
    );
    let good = |part: &str| base(part).program("az", &az(&said(&full)));
    let answers = |part: &str, answer: String| base(part).program("az", &az(&answer));
    let mut cases = with_exec_info(&good("good"));
    cases.extend([
        good("tenant").args("-t {tenant}"),
        good("tenant-env").env("AZURE_TENANT_ID", "{tenant}"),
        good("tenant-terraform-env").args("--use-azurerm-env-vars").env("ARM_TENANT_ID", "{tenant}"),
        good("tenant-env-disabled").args("--disable-environment-override").env("AZURE_TENANT_ID", "{tenant}"),
        good("tenant-by-domain").args("-t {domain}"),
        good("tenant-malformed").arg("-t").arg("a;b"),
        good("subscription").args("-s {subscription}"),
        good("subscription-by-name").arg("--subscription").arg("Contoso 01"),
        good("subscription-malformed").arg("--subscription").arg("a;touch b"),
        good("subscription-and-tenant").args("-s {subscription} -t {tenant}"),
        good("server-malformed").arg("--server-id").arg("a b"),
        good("config-dir").env("AZURE_CONFIG_DIR", "{home}/azure"),
        good("client-id-ignored").args("--client-id {client}"),
        good("timeout-env").env("AZURE_CLI_TIMEOUT", "30s"),
        base("not-installed"),
        answers(
            "old-az",
            said(&format!(
                r#"{{"accessToken":"{token}","expiresOn":"{at}","subscription":"s","tenant":"t","tokenType":"Bearer"}}"#
            )),
        )
        .env("TZ", "UTC"),
        answers("not-logged-in", failing("ERROR: Please run 'az login' to setup account.", 1)),
        answers("mfa-needed", failing("ERROR: AADSTS50076: Due to a configuration change made by your administrator you must use multi-factor authentication.\nRun the command below to authenticate interactively:\naz login --tenant t", 1)),
        answers("unknown-subscription", failing("ERROR: Subscription 's' not found. Check the spelling and casing and try again.", 1))
            .args("-s {subscription}"),
        answers("silent-failure", "exit 3".to_owned()),
        answers("exit-127", failing("az: python: not found", 127)),
        answers("rubbish", said("this is no JSON")),
        answers("empty-answer", ":".to_owned()),
        answers("no-token", said("{}")),
        answers("warning-on-stderr", format!("echo WARNING: upgrade >&2\n{}", said(&full))),
    ]);
    cases
}

fn azd() -> Vec<Case> {
    let base = |part: &str| with_cat(at_server(Case::new("azd").named(part).args("-l azd")));
    let answer = Answer::new();
    let full = format!(
        r#"{{"token":"{}","expiresOn":"{}"}}"#,
        answer.token,
        answer.rfc3339()
    );
    let script = |answer: &str| noting("azd", answer);
    let good = |part: &str| base(part).program("azd", &script(&said(&full)));
    let answers = |part: &str, answer: String| base(part).program("azd", &script(&answer));
    let mut cases = with_exec_info(&good("good"));
    cases.extend([
        good("tenant").args("-t {tenant}"),
        good("tenant-env").env("AZURE_TENANT_ID", "{tenant}"),
        good("tenant-env-disabled").args("--disable-environment-override").env("AZURE_TENANT_ID", "{tenant}"),
        good("tenant-malformed").arg("-t").arg("a;b"),
        good("subscription-ignored").args("-s {subscription}"),
        good("server-malformed").arg("--server-id").arg("a b"),
        base("not-installed"),
        answers("not-logged-in", failing(r#"{"type":"consoleMessage","timestamp":"2026-01-01T00:00:00Z","data":{"message":"\nERROR: not logged in, run `azd auth login` to login\n"}}"#, 1)),
        answers("not-logged-in-new", failing(r#"{"error":"not logged in","message":"not logged in","suggestion":"run azd auth login"}"#, 1)),
        answers("rubbish", said("this is no JSON")),
        answers("no-token", said("{}")),
        answers("exit-127", failing("azd: not found", 127)),
    ]);
    cases
}
