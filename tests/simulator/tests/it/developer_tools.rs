//! The stand-ins for `az` and `azd`, run as programs.

use crate::client::start;
use azure_sim::{AKS_SERVER_APP, Endpoint, FleetSpec, ManagedIdentity, Simulator};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A directory with `az` and `azd` in it, and a home for them.
pub(crate) struct Tools {
    directory: tempfile::TempDir,
    control: String,
}

impl Tools {
    pub(crate) fn new(simulator: &Simulator) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["az", "azd"] {
            let program = env!("CARGO_BIN_EXE_azure-sim");
            let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
            let path = directory.path().join(name);
            #[cfg(unix)]
            std::os::unix::fs::symlink(program, path).expect("a link");
            #[cfg(windows)]
            std::fs::copy(program, path).expect("a copy");
        }
        Tools {
            directory,
            control: simulator.control_url(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AZURE_SIM_CONTROL", self.control.clone()),
            (
                "AZURE_CONFIG_DIR",
                self.azure_directory().display().to_string(),
            ),
            (
                "AZD_CONFIG_DIR",
                self.path().join("azd-config").display().to_string(),
            ),
            ("TZ", "UTC".into()),
        ]
    }

    fn azure_directory(&self) -> PathBuf {
        self.path().join("azure-config")
    }

    pub(crate) fn run(&self, tool: &str, args: &str) -> Output {
        Command::new(self.path().join(tool))
            .args(args.split_whitespace())
            .env_clear()
            .envs(self.environment())
            .output()
            .expect("the tool starts")
    }

    fn fails(&self, tool: &str, args: &str, with: &str) {
        let output = self.run(tool, args);
        assert!(!output.status.success(), "{tool} {args} should fail");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            stderr.contains(with),
            "{stderr:?} does not contain {with:?}"
        );
    }

    fn prints(&self, tool: &str, args: &str) -> Value {
        let output = self.run(tool, args);
        assert!(
            output.status.success(),
            "{tool} {args}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }
}

#[test]
fn az_signs_in_gives_tokens_and_signs_out() {
    let simulator = start(FleetSpec {
        tenants: 2,
        subscriptions: 3,
        ..FleetSpec::default()
    });
    let tools = Tools::new(&simulator);
    let get = format!("account get-access-token -o json --resource {AKS_SERVER_APP}");
    tools.fails("az", &get, "Please run 'az login' to setup account.");
    assert_eq!(
        tools.prints("az", "login").as_array().map(Vec::len),
        Some(3)
    );
    let profile =
        std::fs::read(tools.azure_directory().join("azureProfile.json")).expect("a profile");
    assert_eq!(&profile[..3], b"\xef\xbb\xbf");

    let answer = tools.prints("az", &get);
    let claims = simulator
        .claims(answer["accessToken"].as_str().expect("a token"))
        .expect("the token verifies");
    assert_eq!(claims["upn"], simulator.fleet().users[0].upn.as_str());
    assert_eq!(claims["exp"], answer["expires_on"]);
    assert_eq!(
        answer["subscription"],
        simulator.fleet().subscriptions[0].id.as_str()
    );
    assert_eq!(
        answer["expiresOn"].as_str().map(str::len),
        Some("2026-11-25 00:40:42.000000".len())
    );

    let other = simulator.fleet().tenants[1].id.clone();
    let elsewhere = tools.prints("az", &format!("{get} --tenant {other}"));
    assert_eq!(
        (elsewhere["tenant"].as_str(), elsewhere.get("subscription")),
        (Some(other.as_str()), None)
    );
    tools.fails(
        "az",
        &format!("{get} --tenant {other} --subscription x"),
        "Please specify only one of subscription and tenant, not both",
    );
    tools.fails(
        "az",
        &format!("{get} --subscription nope"),
        "Subscription 'nope' not found. Check the spelling and casing and try again.",
    );
    simulator.update(|fleet| fleet.tenants[1].mfa_required = true);
    tools.fails("az", &format!("{get} --tenant {other}"), "AADSTS50076");

    tools.prints(
        "az",
        &format!(
            "account set --subscription {}",
            simulator.fleet().subscriptions[1].id
        ),
    );
    assert_eq!(
        tools.prints("az", "account show")["tenantId"],
        other.as_str()
    );
    tools.prints("az", "logout");
    tools.fails("az", &get, "Please run 'az login' to setup account.");
    assert_eq!(simulator.counters().get(Endpoint::DeveloperCli), 3);
    assert_eq!(simulator.tool_starts()[1], ["az", "login"]);
}

#[test]
fn az_as_a_managed_identity_refuses_other_tenants() {
    let simulator = start(FleetSpec {
        tenants: 2,
        subscriptions: 2,
        ..FleetSpec::default()
    });
    let tools = Tools::new(&simulator);
    tools.prints("az", "login --identity");
    let get = format!("account get-access-token --resource {AKS_SERVER_APP}");
    let answer = tools.prints("az", &get);
    let system: ManagedIdentity = simulator.fleet().managed_identities[0].clone();
    assert_eq!(
        simulator
            .claims(answer["accessToken"].as_str().expect("a token"))
            .expect("verifies")["oid"],
        system.object_id.as_str()
    );
    let other = &simulator.fleet().tenants[1].id;
    tools.fails(
        "az",
        &format!("{get} --tenant {other}"),
        "getting access token for non-current tenants is not supported",
    );
}

#[test]
fn az_checks_its_arguments() {
    let simulator = start(FleetSpec::default());
    let tools = Tools::new(&simulator);
    tools.fails(
        "az",
        "account get-access-token --nonsense",
        "unrecognized arguments: --nonsense",
    );
    tools.fails(
        "az",
        "account get-access-token --resource",
        "argument --resource: expected one argument",
    );
    tools.fails("az", "login -u nobody@example.com -p x", "AADSTS50034");
    let upn = simulator.fleet().users[0].upn.clone();
    tools.fails("az", &format!("login -u {upn} -p wrong"), "AADSTS50126");
    let principal = simulator.fleet().service_principals[0].clone();
    tools.prints(
        "az",
        &format!(
            "login --service-principal -u {} -p {} --tenant {}",
            principal.client_id,
            principal.secret(),
            principal.tenant_id
        ),
    );
    assert_eq!(
        tools.prints("az", "account show")["user"]["type"],
        "servicePrincipal"
    );
}

#[test]
fn azd_signs_in_gives_tokens_and_signs_out() {
    let simulator = start(FleetSpec::default());
    let tools = Tools::new(&simulator);
    let get = format!("auth token -o json --no-prompt --scope {AKS_SERVER_APP}/.default");
    tools.fails("azd", &get, "not logged in, run `azd auth login` to login");
    tools.prints("azd", "auth login");
    let answer = tools.prints("azd", &get);
    assert!(
        simulator
            .claims(answer["token"].as_str().expect("a token"))
            .is_ok()
    );
    assert!(
        answer["expiresOn"]
            .as_str()
            .is_some_and(|t| t.ends_with('Z'))
    );
    tools.fails("azd", &format!("{get} --tenant-id nowhere"), "AADSTS90002");
    tools.prints("azd", "auth logout");
    tools.fails("azd", &get, "not logged in");
}

#[test]
fn a_tool_without_a_simulator_says_so() {
    let output = {
        let simulator = start(FleetSpec::default());
        let tools = Tools::new(&simulator);
        Command::new(tools.path().join("az"))
            .arg("login")
            .env_clear()
            .output()
            .expect("the tool starts")
    };
    assert_eq!(output.status.code(), Some(70));
    assert!(String::from_utf8_lossy(&output.stderr).contains("AZURE_SIM_CONTROL is not set"));
}
