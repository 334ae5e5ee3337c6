//! `az`, as far as `login`, `logout`, `account` and `version` go.

mod profile;

use super::arguments::Arguments;
use super::control::Control;
use super::{Environment, Outcome};
use profile::{Profile, Subscription};
use serde_json::{Value, json};
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

/// Flags that every command takes.
const GLOBAL: &[&str] = &[
    "-o",
    "--output",
    "--debug",
    "--verbose",
    "--only-show-errors",
    "--query",
    "--help",
    "-h",
];

const SWITCHES: &[&str] = &[
    "--debug",
    "--verbose",
    "--only-show-errors",
    "--help",
    "-h",
    "--service-principal",
    "--use-device-code",
    "--allow-no-subscriptions",
    "--identity",
    "-i",
    "--all",
];

/// The version that the stand-in claims.
const VERSION: &str = "2.91.0";

/// Exit codes of the real tool: a failed command, and arguments that don't parse.
const FAILED: u8 = 1;
const USAGE: u8 = 2;

type Answer = Result<Value, Outcome>;

fn error(message: impl AsRef<str>) -> Outcome {
    Outcome::failed(FAILED, format!("ERROR: {}\n", message.as_ref()))
}

pub(super) fn run(args: &[String], env: Environment<'_>, control: &Control) -> Outcome {
    let arguments = Arguments::read(args, SWITCHES);
    if arguments.has("--version") {
        return Outcome::printed(format!("azure-cli                         {VERSION}\n"));
    }
    let words: Vec<&str> = arguments.words.iter().map(String::as_str).collect();
    let profile = Profile::of(env);
    let answer = match words.as_slice() {
        ["version"] => {
            Ok(json!({ "azure-cli": VERSION, "azure-cli-core": VERSION, "extensions": {} }))
        }
        ["login"] => login(&arguments, &profile, control),
        ["logout"] => logout(&arguments, &profile),
        ["account", "show"] => show(&arguments, &profile),
        ["account", "list"] => profile
            .read()
            .map(|list| list.iter().map(Subscription::shown).collect()),
        ["account", "set"] => set(&arguments, &profile),
        ["account", "clear"] => profile.clear().map(|()| Value::Null),
        ["cloud", "register"] => register(&arguments, &profile),
        ["cloud", "set"] => set_cloud(&arguments, &profile),
        ["cloud", "show"] => Ok(json!({ "name": profile.cloud(), "isActive": true })),
        ["account", "get-access-token"] => access_token(&arguments, &profile, control),
        other => Err(Outcome::failed(
            USAGE,
            format!(
                "ERROR: '{}' is misspelled or not recognized by the system.\n",
                other.join(" ")
            ),
        )),
    };
    match answer {
        Err(outcome) => outcome,
        Ok(Value::Null) => Outcome::printed(""),
        Ok(value) => match arguments.value(&["-o", "--output"]).unwrap_or("json") {
            "json" => Outcome::printed(format!("{value:#}\n")),
            "none" => Outcome::printed(""),
            other => Outcome::failed(
                USAGE,
                format!("the stand-in for az has no output format '{other}'\n"),
            ),
        },
    }
}

/// Rejects unknown flags and missing values, as argparse does.
fn check(arguments: &Arguments, own: &[&str]) -> Result<(), Outcome> {
    let known: Vec<&str> = own.iter().chain(GLOBAL).copied().collect();
    if let Some(flag) = arguments.unknown(&known) {
        return Err(Outcome::failed(
            USAGE,
            format!("ERROR: unrecognized arguments: {flag}\n"),
        ));
    }
    let valued: Vec<&str> = known
        .into_iter()
        .filter(|flag| !SWITCHES.contains(flag))
        .collect();
    if let Some(flag) = arguments.without_value(&valued) {
        return Err(Outcome::failed(
            USAGE,
            format!("ERROR: argument {flag}: expected one argument\n"),
        ));
    }
    Ok(())
}

/// An error of the stand-in itself.
fn broken(why: String) -> Outcome {
    Outcome::failed(70, format!("the stand-in for az: {why}\n"))
}

fn login(arguments: &Arguments, profile: &Profile, control: &Control) -> Answer {
    let own = [
        "-u",
        "--username",
        "-p",
        "--password",
        "-t",
        "--tenant",
        "--service-principal",
        "--use-device-code",
        "--allow-no-subscriptions",
        "--identity",
        "-i",
        "--client-id",
        "--scope",
        "--claims-challenge",
    ];
    check(arguments, &own)?;
    let managed = arguments.has("--identity") || arguments.has("-i");
    let name = arguments.value(&["-u", "--username"]);
    let tenant = arguments.value(&["-t", "--tenant"]);
    if arguments.has("--service-principal") && (name.is_none() || tenant.is_none()) {
        return Err(Outcome::failed(
            FAILED,
            "ERROR: usage error: --service-principal --username NAME --password SECRET --tenant TENANT\n",
        ));
    }
    let mut query = Vec::new();
    if managed {
        query.push(("account", "msi"));
    } else if let Some(name) = name {
        query.push(("account", name));
        query.push((
            "password",
            arguments.value(&["-p", "--password"]).unwrap_or_default(),
        ));
    }
    if let Some(tenant) = tenant {
        query.push(("tenant", tenant));
    }
    let seen = control.profile(&query).map_err(broken)?.map_err(error)?;
    let account = seen["account"].as_str().unwrap_or_default();
    let subscriptions = Subscription::from_control(&seen, managed, &profile.cloud());
    if subscriptions.is_empty() {
        return Err(error(format!("No subscriptions found for {account}.")));
    }
    let list = profile.sign_in(account, managed, subscriptions)?;
    Ok(list.iter().map(Subscription::shown).collect())
}

fn logout(arguments: &Arguments, profile: &Profile) -> Answer {
    check(arguments, &["--username"])?;
    let list = profile.read()?;
    let current = list.iter().find(|s| s.is_default());
    let Some(name) = arguments
        .value(&["--username"])
        .map(str::to_owned)
        .or_else(|| current.map(Subscription::user))
    else {
        return Err(error("There are no active accounts."));
    };
    profile.sign_out(&name)?;
    Ok(Value::Null)
}

/// The subscription of this id or name, or else the current one.
fn current<'a>(
    list: &'a [Subscription],
    id_or_name: Option<&str>,
) -> Result<&'a Subscription, Outcome> {
    if list.is_empty() {
        return Err(error("Please run 'az login' to setup account."));
    }
    match id_or_name {
        None => list.iter().find(|s| s.is_default()).ok_or_else(|| {
            error("No subscription found. Run 'az account set' to select a subscription.")
        }),
        Some(named) => list.iter().find(|s| s.is(named)).ok_or_else(|| {
            error(format!(
                "Subscription '{named}' not found. Check the spelling and casing and try again."
            ))
        }),
    }
}

fn show(arguments: &Arguments, profile: &Profile) -> Answer {
    check(arguments, &["-s", "-n", "--name", "--subscription"])?;
    let list = profile.read()?;
    current(
        &list,
        arguments.value(&["-s", "-n", "--name", "--subscription"]),
    )
    .map(Subscription::shown)
}

fn set(arguments: &Arguments, profile: &Profile) -> Answer {
    check(arguments, &["-s", "-n", "--name", "--subscription"])?;
    let list = profile.read()?;
    let Some(named) = arguments.value(&["-s", "-n", "--name", "--subscription"]) else {
        return Err(Outcome::failed(
            USAGE,
            "ERROR: the following arguments are required: --subscription/-s/--name/-n\n",
        ));
    };
    let chosen = current(&list, Some(named)).map_err(|outcome| match list.is_empty() {
        true => outcome,
        false => error(format!(
            "The subscription of '{named}' doesn't exist in cloud '{}'.",
            profile.cloud()
        )),
    })?;
    profile.select(&chosen.id())?;
    Ok(Value::Null)
}

/// `az cloud register`, with the endpoints named one by one.
fn register(arguments: &Arguments, profile: &Profile) -> Answer {
    const ENDPOINTS: [&str; 4] = [
        "active_directory",
        "active_directory_resource_id",
        "management",
        "resource_manager",
    ];
    let flags = ENDPOINTS.map(|key| format!("--endpoint-{}", key.replace('_', "-")));
    let mut own: Vec<&str> = flags.iter().map(String::as_str).collect();
    own.extend(["-n", "--name"]);
    check(arguments, &own)?;
    let Some(name) = arguments.value(&["-n", "--name"]) else {
        return Err(Outcome::failed(
            USAGE,
            "ERROR: the following arguments are required: --name/-n\n",
        ));
    };
    let endpoints: Vec<(&str, &str)> = ENDPOINTS
        .iter()
        .zip(&flags)
        .filter_map(|(key, flag)| Some((*key, arguments.value(&[flag])?)))
        .collect();
    profile.register(name, &endpoints)?;
    Ok(Value::Null)
}

fn set_cloud(arguments: &Arguments, profile: &Profile) -> Answer {
    check(arguments, &["-n", "--name"])?;
    let name = arguments.value(&["-n", "--name"]).unwrap_or_default();
    profile.set_cloud(name)?;
    Ok(Value::Null)
}

/// The resource that `--resource` or `--scope` names.
fn resource_of(arguments: &Arguments) -> Result<Option<&str>, Outcome> {
    let scope = arguments.value(&["--scope"]);
    match (arguments.value(&["--resource"]), scope) {
        (Some(_), Some(_)) => Err(error(
            "usage error: specify only one of --resource and --scope",
        )),
        (resource @ Some(_), None) => Ok(resource),
        (None, scope) => Ok(scope.map(|scope| {
            scope
                .rsplit_once('/')
                .map_or(scope, |(resource, _)| resource)
        })),
    }
}

fn access_token(arguments: &Arguments, profile: &Profile, control: &Control) -> Answer {
    let own = [
        "--resource",
        "--scope",
        "--resource-type",
        "-t",
        "--tenant",
        "-s",
        "-n",
        "--name",
        "--subscription",
    ];
    check(arguments, &own)?;
    let resource = resource_of(arguments)?;
    let tenant = arguments.value(&["-t", "--tenant"]);
    let subscription = arguments.value(&["-s", "-n", "--name", "--subscription"]);
    if tenant.is_some() && subscription.is_some() {
        return Err(error(
            "Please specify only one of subscription and tenant, not both",
        ));
    }
    let list = profile.read()?;
    let account = current(&list, subscription)?;
    if account.is_managed_identity() && tenant.is_some_and(|tenant| tenant != account.tenant()) {
        return Err(error(format!(
            "For managed identity account, getting access token for non-current tenants is not supported. \
             The specified tenant must be the current tenant {}",
            account.tenant()
        )));
    }
    let user = account.user();
    if !account.is_managed_identity() && !profile.knows(&user)? {
        return Err(error(format!(
            "User '{user}' does not exist in MSAL token cache. Run `az login`."
        )));
    }
    let own_tenant = account.tenant();
    let asked_tenant = tenant.unwrap_or(&own_tenant);
    let name = if account.is_managed_identity() {
        "msi"
    } else {
        &user
    };
    let mut query = vec![("account", name), ("tenant", asked_tenant)];
    query.extend(resource.map(|resource| ("resource", resource)));
    let answer = control
        .token(&query)
        .map_err(broken)?
        .map_err(|description| refused(&description, tenant, resource))?;
    let expires_on = answer["expiresOn"].as_i64().unwrap_or_default();
    let mut shown = json!({
        "accessToken": answer["token"], "expiresOn": local_time(expires_on), "expires_on": expires_on,
    });
    if tenant.is_none() {
        shown["subscription"] = account.id().into();
    }
    shown["tenant"] = answer["tenant"].clone();
    shown["tokenType"] = "Bearer".into();
    Ok(shown)
}

/// Entra's message, and what az advises.
fn refused(description: &str, tenant: Option<&str>, resource: Option<&str>) -> Outcome {
    if !description.starts_with("AADSTS") {
        return error(description);
    }
    let tenant = tenant
        .map(|t| format!(" --tenant \"{t}\""))
        .unwrap_or_default();
    let scope = resource
        .map(|r| format!(" --scope \"{r}/.default\""))
        .unwrap_or_default();
    error(format!(
        "{description}\nRun the command below to authenticate interactively; additional arguments may be added as needed:\n\
         az logout\naz login{tenant}{scope}"
    ))
}

/// The local time that `expiresOn` shows, without its offset.
fn local_time(epoch: i64) -> String {
    let instant = OffsetDateTime::from_unix_timestamp(epoch).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let offset = UtcOffset::local_offset_at(instant).unwrap_or(UtcOffset::UTC);
    instant
        .to_offset(offset)
        .format(format_description!(
            "[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:6]"
        ))
        .unwrap_or_default()
}
