//! Names a shared user after what it runs.
//!
//! With `KUBECONFIG=a:b` kubectl takes the first user of a name. So a name is a function of the exec entry: two that differ
//! never have one name, or the contexts of one file would get tokens of the other's account.

use std::{collections::BTreeSet, fmt::Write as _};

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value};

use super::convert;
use crate::{
    fleet::SignInName,
    host::hexadecimal,
    login::{ACCOUNT_PARAMS, AKS_CLIENT_ID, AKS_SERVER_ID, ExecArgs, LoginMode, Param, Principal},
    tool_config::{AZ_CLOUD_VARIABLE, AZ_CONFIG_DIR, AZD_CONFIG_DIR},
};

/// How many hexadecimal digits of the SHA-256 a name has.
const DIGITS: usize = 8;

/// The name of a user, given its tenant's default `domain` if that is known; none if it runs no plugin whose arguments can
/// be read.
///
/// The name shows mode, tenant, account and server application. If anything else is not as in every sign-in that `sync`
/// writes, or could be taken for something else, a hash of all follows.
pub(crate) fn sign_in_name(user: &Map<String, Value>, domain: Option<&str>) -> Option<SignInName> {
    let exec = user.get("exec")?;
    let words = exec.get("args")?.as_array()?.iter();
    let words: Vec<&str> = words.map(Value::as_str).collect::<Option<_>>()?;
    let args = ExecArgs::parse(&words).ok()?;
    let mode = args.settings().mode().ok()?;
    let text = |param| args.settings().text(param).map(str::to_owned);
    let account = account(&args, mode);
    let (facts, is_shown) = facts(exec, &args, mode, account);
    Some(SignInName {
        mode: mode.name().to_owned(),
        tenant: text(Param::TenantId),
        account: account.and_then(text),
        server: text(Param::ServerId).filter(|id| id != AKS_SERVER_ID),
        hash: (!is_shown).then(|| hash(&facts)),
        domain: text(Param::TenantId).and(domain.filter(|text| is_domain(text)).map(str::to_owned)),
    })
}

/// The parameter that says who signs in. A person's client application is no account.
fn account(args: &ExecArgs, mode: LoginMode) -> Option<Param> {
    let is_person = mode.row().principal == Principal::Person;
    let mut params = ACCOUNT_PARAMS
        .into_iter()
        .filter(|&param| !(is_person && param == Param::ClientId));
    params.find(|&param| args.settings().text(param).is_some())
}

/// What decides how a user signs in, and whether the readable parts of its name show it all.
fn facts(
    exec: &Value,
    args: &ExecArgs,
    mode: LoginMode,
    account: Option<Param>,
) -> (BTreeSet<(String, String)>, bool) {
    let settings = args.settings();
    let is_person = mode.row().principal == Principal::Person;
    let mut facts = BTreeSet::new();
    let mut is_shown = args.others().is_empty()
        && settings.is_on(Param::EnvSecretsOnly)
        && settings.text(Param::ServerId).is_some()
        && (settings.text(Param::TenantId).is_some() || !mode.uses(Param::TenantId))
        && (settings.text(Param::ClientId).is_some() || !is_person);
    // Secrets decide nothing: whose they are is in other parameters.
    for param in settings.params().filter(|param| !param.row().secret) {
        let value = settings.get(param).unwrap_or_default();
        is_shown &= match param {
            Param::Login => value == mode.name(),
            Param::EnvSecretsOnly => value == "true",
            Param::TenantId => is_guid(value),
            Param::ServerId if value == AKS_SERVER_ID => true,
            // An application could be taken for the account.
            Param::ServerId => is_guid(value) && (is_person || account.is_some()),
            Param::ClientId if is_person => value == AKS_CLIENT_ID,
            Param::ClientId if account == Some(param) => is_guid(value),
            _ if account == Some(param) => is_account(value),
            _ => false,
        };
        facts.insert((param.dashed(), value.to_owned()));
    }
    let others = args.others().iter().enumerate();
    facts.extend(others.map(|(at, word)| (format!("{at:04}"), word.clone())));

    let variables = exec.get("env").and_then(Value::as_array);
    let text = |variable: &Value, key: &str| variable[key].as_str().unwrap_or_default().to_owned();
    let variables = variables.into_iter().flatten();
    let variables: BTreeSet<_> = variables
        .map(|one| (text(one, "name"), text(one, "value")))
        .collect();
    let usual = usual_variables(mode).iter();
    is_shown &= variables
        == usual
            .map(|name| ((*name).to_owned(), String::new()))
            .collect();
    facts.extend(
        variables
            .into_iter()
            .map(|(name, value)| (format!("${name}"), value)),
    );

    let command = exec
        .get("command")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if !convert::is_ours(command) {
        is_shown = false;
        facts.insert((String::new(), command.to_owned()));
    }
    (facts, is_shown)
}

/// The variables that `sync` always writes; empty unless the shell has them.
fn usual_variables(mode: LoginMode) -> &'static [&'static str] {
    const AZ: [&str; 2] = [AZ_CONFIG_DIR.variable, AZ_CLOUD_VARIABLE];
    const AZD: [&str; 3] = [AZD_CONFIG_DIR.variable, AZ[0], AZ[1]];
    match mode {
        LoginMode::AzureCli => &AZ,
        LoginMode::Azd => &AZD,
        _ => &[],
    }
}

fn hash(facts: &BTreeSet<(String, String)>) -> String {
    let mut text = String::new();
    for (key, value) in facts {
        // With lengths, so that no value can be taken for two.
        write!(text, "{}:{key}{}:{value}", key.len(), value.len())
            .expect("a string can be written to");
    }
    hexadecimal(&digest(&SHA256, text.as_bytes()).as_ref()[..DIGITS / 2])
}

/// A default domain that can be taken for nothing else in a name. ARM tells it.
fn is_domain(text: &str) -> bool {
    let is_known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    text.contains('.') && text.chars().all(is_known) && !ends_in_a_number(text)
}

fn is_guid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

fn is_account(text: &str) -> bool {
    let is_known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    text.contains('@') && text.chars().all(is_known) && !ends_in_a_number(text)
}

/// Whether the end could be taken for the number of a second user with one name.
fn ends_in_a_number(text: &str) -> bool {
    let last = text.rsplit('-').next().filter(|last| *last != text);
    last.is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::{MODES, Origin, Settings};
    use proptest::prelude::*;
    use serde_json::json;

    const ONE: &str = "11111111-1111-1111-1111-111111111111";
    const TWO: &str = "22222222-2222-2222-2222-222222222222";
    const DOMAIN: &str = "contoso.example";

    /// What people, their shells and clusters choose, and values that look like others.
    const CHOICES: [(Param, &[&str]); 9] = [
        (Param::TenantId, &[ONE, TWO, DOMAIN]),
        (Param::ServerId, &[AKS_SERVER_ID, ONE, TWO]),
        (
            Param::ClientId,
            &[AKS_CLIENT_ID, "", ONE, TWO, "my app", "my-app"],
        ),
        (
            Param::LoginHint,
            &[
                "",
                "ada@x.example",
                "ada",
                ONE,
                "ada@x.example-2",
                "ada:@x.example",
            ],
        ),
        (Param::Username, &["", "ada@x.example", "grace@x.example"]),
        (Param::Environment, &["", "AzureChinaCloud"]),
        (Param::AuthorityHost, &["", "https://login.example/"]),
        (Param::Legacy, &["", "true"]),
        (Param::IdentityResourceId, &["", "/subscriptions/s/x"]),
    ];
    const DIRECTORIES: [&str; 3] = ["", "/home/ada/.azure", "/home/grace/.azure"];

    /// A user as `sync` writes it; `chosen` are the places of the mode, the parameters and the directory of az.
    fn user(chosen: &[usize]) -> Map<String, Value> {
        let mode = MODES[chosen[0] % MODES.len()].mode;
        let mut settings = Settings::new();
        settings.set(Param::Login, mode.name(), Origin::ExecEntry);
        settings.set(Param::EnvSecretsOnly, "true", Origin::ExecEntry);
        for ((param, values), at) in CHOICES.iter().zip(&chosen[1..]) {
            let value = values[at % values.len()];
            if (mode.uses(*param) || *param == Param::ServerId) && !value.is_empty() {
                settings.set(*param, value, Origin::ExecEntry);
            }
        }
        let directory = DIRECTORIES[chosen[chosen.len() - 1] % DIRECTORIES.len()];
        let value = |name: &str| {
            if name == AZ_CONFIG_DIR.variable {
                directory
            } else {
                ""
            }
        };
        let env = usual_variables(mode).iter();
        let env: Vec<_> = env
            .map(|name| json!({"name": name, "value": value(name)}))
            .collect();
        let exec =
            json!({"command": "kubectl-aad", "args": ExecArgs::new(settings).words(), "env": env});
        [("exec".to_owned(), exec)].into_iter().collect()
    }

    fn name(user: &Map<String, Value>, domain: Option<&str>) -> String {
        let name = sign_in_name(user, domain).expect("it can be read");
        assert!(name.may_be(&name.choose(|_| true)));
        name.choose(|_| true)
    }

    fn choice() -> impl Strategy<Value = Vec<usize>> {
        prop::collection::vec(0..60_usize, CHOICES.len() + 2)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn names_are_equal_if_and_only_if_the_sign_ins_are(
            one in choice(),
            changes in prop::collection::vec((0..CHOICES.len() + 2, 0..60_usize), 0..3),
            known in any::<(bool, bool)>(),
        ) {
            let mut two = one.clone();
            for (at, to) in changes {
                two[at] = to;
            }
            let (a, b) = (user(&one), user(&two));
            // A domain is one tenant's.
            let named = |user: &Map<String, Value>, is_known: bool| {
                let is_first = user["exec"]["args"].to_string().contains(&format!("\"--tenant-id\",\"{ONE}"));
                name(user, (is_known && is_first).then_some(DOMAIN))
            };
            prop_assert_eq!(named(&a, true) == named(&b, true), a == b, "{} {}", a["exec"], b["exec"]);
            if named(&a, known.0) == named(&b, known.1) {
                prop_assert_eq!(a, b);
            }
        }
    }

    #[test]
    fn a_name_shows_who_signs_in_and_where() {
        let named = |mode: &str, words: &[&str], variables: &[&str]| {
            let env: Vec<_> = variables
                .iter()
                .map(|name| json!({"name": name, "value": ""}))
                .collect();
            let usual = [
                "get-token",
                "--login",
                mode,
                "--server-id",
                AKS_SERVER_ID,
                "--env-secrets-only",
                "--tenant-id",
                ONE,
            ];
            let args = [&usual[..], words].concat();
            let user = json!({"exec": {"command": "kubectl-aad", "args": args, "env": env}});
            name(user.as_object().expect("a map"), Some(DOMAIN))
        };
        let az = ["AZURE_CONFIG_DIR", "AZURE_CLOUD_NAME"];
        assert_eq!(named("azurecli", &[], &az), "aad:azurecli:contoso.example");
        let person = [
            "--client-id",
            AKS_CLIENT_ID,
            "--login-hint",
            "ada@contoso.example",
        ];
        assert_eq!(
            named("devicecode", &person[..2], &[]),
            "aad:devicecode:contoso.example"
        );
        assert_eq!(
            named("devicecode", &person, &[]),
            "aad:devicecode:contoso.example:ada@contoso.example"
        );
        assert_eq!(
            named("spn", &["--client-id", TWO], &[]),
            format!("aad:spn:contoso.example:{TWO}")
        );
        let other = named("azurecli", &["--server-id", TWO], &az);
        assert!(
            other.starts_with(&format!("aad:azurecli:contoso.example:{TWO}:")),
            "{other}"
        );
        // It is the same in every release.
        assert_eq!(
            named("azurecli", &["--timeout", "9s"], &az),
            "aad:azurecli:contoso.example:e0a73624"
        );
        // What ARM calls a domain and is none is not shown.
        for domain in [
            "a:b.example",
            TWO,
            "contoso",
            "contoso.example-2",
            "x y.example",
        ] {
            let user = user(&[0; CHOICES.len() + 2]);
            assert!(name(&user, Some(domain)).contains(ONE), "{domain}");
        }
    }
}
