//! `azd`, as far as `auth login`, `auth logout`, `auth token` and `version` go.

use super::arguments::Arguments;
use super::control::Control;
use super::{Environment, Outcome};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use time::OffsetDateTime;
use time::macros::format_description;

const SWITCHES: &[&str] = &[
    "--no-prompt",
    "--debug",
    "--check-status",
    "--use-device-code",
    "--help",
    "-h",
];

fn error(message: impl AsRef<str>) -> Outcome {
    Outcome::failed(1, format!("\nERROR: {}\n", message.as_ref()))
}

pub(super) fn run(args: &[String], env: Environment<'_>, control: &Control) -> Outcome {
    let arguments = Arguments::read(args, SWITCHES);
    let words: Vec<&str> = arguments.words.iter().map(String::as_str).collect();
    let account = Account::of(env);
    let answer = match words.as_slice() {
        ["version"] => return Outcome::printed("azd version 1.23.4 (commit simulated)\n"),
        ["auth", "login"] => login(&arguments, &account, control),
        ["auth", "logout"] => account.forget(),
        ["auth", "token"] => token(&arguments, &account, control),
        other => Err(Outcome::failed(
            1,
            format!(
                "ERROR: unknown command \"{}\" for \"azd\"\n",
                other.join(" ")
            ),
        )),
    };
    match answer {
        Ok(text) => Outcome::printed(text),
        Err(outcome) => outcome,
    }
}

/// Who is signed in, kept in `$AZD_CONFIG_DIR/auth.json`.
struct Account {
    file: PathBuf,
}

impl Account {
    fn of(env: Environment<'_>) -> Self {
        let home = || Path::new(&env("HOME").unwrap_or_default()).join(".azd");
        Account {
            file: env("AZD_CONFIG_DIR")
                .map_or_else(home, PathBuf::from)
                .join("auth.json"),
        }
    }

    fn read(&self) -> Option<(String, String)> {
        let text = std::fs::read_to_string(&self.file).ok()?;
        let value: Value = serde_json::from_str(&text).ok()?;
        let user = &value["auth"]["account"]["currentUser"];
        Some((
            user["name"].as_str()?.to_owned(),
            user["tenantId"].as_str()?.to_owned(),
        ))
    }

    fn write(&self, name: &str, tenant: &str) -> Result<(), Outcome> {
        let value = json!({ "auth": { "account": { "currentUser": { "name": name, "tenantId": tenant } } } });
        let failed = |why: std::io::Error| error(format!("{}: {why}", self.file.display()));
        if let Some(directory) = self.file.parent() {
            std::fs::create_dir_all(directory).map_err(failed)?;
        }
        std::fs::write(&self.file, value.to_string()).map_err(failed)
    }

    fn forget(&self) -> Result<String, Outcome> {
        match std::fs::remove_file(&self.file) {
            Ok(()) => Ok("Logged out of Azure.\n".into()),
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
                Ok("Logged out of Azure.\n".into())
            }
            Err(why) => Err(error(why.to_string())),
        }
    }
}

fn login(arguments: &Arguments, account: &Account, control: &Control) -> Result<String, Outcome> {
    let mut query = Vec::new();
    if let Some(client) = arguments.value(&["--client-id"]) {
        query.push(("account", client));
        query.push((
            "password",
            arguments.value(&["--client-secret"]).unwrap_or_default(),
        ));
    }
    if let Some(tenant) = arguments.value(&["--tenant-id"]) {
        query.push(("tenant", tenant));
    }
    let seen = control
        .profile(&query)
        .map_err(error)?
        .map_err(|why| error(format!("logging in: {why}")))?;
    let text = |name: &str| seen[name].as_str().unwrap_or_default();
    account.write(text("account"), text("tenantId"))?;
    Ok(format!("Logged in to Azure as {}\n", text("account")))
}

fn token(arguments: &Arguments, account: &Account, control: &Control) -> Result<String, Outcome> {
    let known = [
        "-o",
        "--output",
        "--no-prompt",
        "--scope",
        "--tenant-id",
        "--claims",
        "--debug",
        "-h",
        "--help",
    ];
    if let Some(flag) = arguments.unknown(&known) {
        return Err(Outcome::failed(1, format!("ERROR: unknown flag: {flag}\n")));
    }
    if arguments
        .value(&["-o", "--output"])
        .is_some_and(|format| format != "json" && format != "none")
    {
        return Err(error("unsupported format"));
    }
    let Some((name, home)) = account.read() else {
        return Err(error("not logged in, run `azd auth login` to login"));
    };
    let tenant = arguments.value(&["--tenant-id"]).unwrap_or(&home);
    let scope = arguments.value(&["--scope"]);
    let mut query = vec![("account", name.as_str()), ("tenant", tenant)];
    let resource = scope.map(|s| s.rsplit_once('/').map_or(s, |(resource, _)| resource));
    if let Some(resource) = resource {
        query.push(("resource", resource));
    }
    if let Some(claims) = arguments.value(&["--claims"]) {
        query.push(("claims", claims));
    }
    let advice = |why: String| {
        let scope = scope.map(|s| format!(" --scope {s}")).unwrap_or_default();
        error(format!(
            "fetching token: {why}\n\nrun `azd auth login{scope} --tenant-id {tenant}` to login"
        ))
    };
    let answer = control.token(&query).map_err(error)?.map_err(advice)?;
    let expires_on = answer["expiresOn"].as_i64().unwrap_or_default();
    let expires = OffsetDateTime::from_unix_timestamp(expires_on)
        .ok()
        .and_then(|t| {
            t.format(format_description!(
                "[year]-[month]-[day]T[hour]:[minute]:[second]Z"
            ))
            .ok()
        })
        .unwrap_or_default();
    Ok(format!(
        "{:#}\n",
        json!({ "token": answer["token"], "expiresOn": expires })
    ))
}
