//! Runs one case with one program, against a simulated Azure that no connection leaves.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use azure_sim::{Fleet, FleetSpec, Settings, User};

use super::browser;
use super::case::Case;
use super::certificates::certificates;
use super::observation::{Exit, Observation};
use super::proxy::Proxy;
use crate::env::{TIMEOUT, TestEnv};

/// The secrets that are planted; none may turn up in messages.
const PLANTED: &[&str] = &[
    "secret",
    "password",
    "identity-header",
    "msi-secret",
    "system-token",
    "github-token",
];

/// Runs cases, one after the other.
pub(super) struct Runner {
    test_env: TestEnv,
    proxy: Proxy,
    words: HashMap<&'static str, String>,
}

/// One of the two programs.
#[derive(Clone, Copy)]
pub(super) struct Program<'a> {
    /// Where it is.
    pub(super) path: &'a Path,
    /// Whether its standard error is checked for secrets.
    pub(super) ours: bool,
}

impl Runner {
    pub(super) fn new() -> Self {
        let mut fleet = Fleet::generate(&FleetSpec {
            tenants: 2,
            subscriptions: 2,
            clusters: 1,
            ..FleetSpec::default()
        });
        let tenant = fleet.tenants[0].clone();
        for (name, oid) in [("mfa", 1), ("federated", 2), ("disabled", 3)] {
            let mut user = User::new(
                format!("{name}@{}", tenant.domain),
                format!("00000000-0000-4000-8000-00000000000{oid}"),
                &tenant.id,
            );
            user.mfa_required = name == "mfa";
            user.federated = name == "federated";
            user.disabled = name == "disabled";
            fleet.users.push(user);
        }
        let test_env = TestEnv::builder().fleet(fleet).without_az().build();
        let authority = test_env.simulator.authority_url();
        let proxy = Proxy::start(
            authority
                .trim_start_matches("https://")
                .trim_end_matches('/')
                .to_owned(),
        );
        let words = words(&test_env, &proxy);
        Self {
            test_env,
            proxy,
            words,
        }
    }

    /// Replaces the words in braces.
    fn expand(&self, text: &str) -> String {
        let mut text = text.replace("{home}", &self.test_env.home().display().to_string());
        for (word, value) in &self.words {
            if text.contains(word) {
                text = text.replace(word, value);
            }
        }
        text
    }

    /// Runs a program in a case.
    ///
    /// # Panics
    /// If our program prints a planted secret.
    pub(super) fn run(&mut self, case: &Case, program: Program<'_>) -> Observation {
        self.test_env.renew_home();
        let test_env = &self.test_env;
        let azure = &test_env.simulator;
        azure.faults().clear();
        let upn = test_env.user.upn.clone();
        azure.configure(|settings| {
            *settings = Settings {
                device_interval: 0,
                device_auto_approve: Some((1, upn.clone())),
                sign_in: azure_sim::SignIn::As(upn),
                ..Settings::default()
            };
        });
        for arrange in &case.arrange {
            arrange(test_env);
        }
        for (name, content) in &case.files {
            test_env.write(name, &self.expand(content));
        }
        certificates().copy_into(test_env.home());
        for (name, script) in &case.programs {
            test_env.install_script(name, &self.expand(script));
        }
        let browser = browser::stand_in(test_env);

        let bin = test_env.bin("az");
        let mut command = test_env.program(program.path);
        command
            .arg("get-token")
            .args(case.args.iter().map(|arg| self.expand(arg)))
            .env_remove("AZURE_ENVIRONMENT_FILEPATH")
            .env_remove("AZURE_SIM_CONTROL")
            .env("PATH", bin.parent().expect("a directory"))
            // Nothing leaves this machine: the proxy notes who tried.
            .env("HTTPS_PROXY", self.proxy.url())
            .env("NO_PROXY", "127.0.0.1,localhost")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in &case.env {
            command.env(name, self.expand(value));
        }
        azure.reset();
        self.proxy.take();
        let (exit, stdout, stderr) = finish(command);
        browser.end();

        if program.ours {
            self.refuse_leaks(case, &stderr);
        }
        let places = [
            (test_env.home().display().to_string(), "{home}"),
            (self.words["{authority}"].clone(), "{authority}"),
            (self.words["{metadata}"].clone(), "{metadata}"),
        ];
        let mut observation = Observation::new(exit, &azure.requests(), &stdout, stderr, &places);
        for asked in self.proxy.take() {
            // How many connections it takes is the HTTP client's business.
            observation
                .calls
                .entry(format!("outside {asked}"))
                .or_default()
                .times = 1;
        }
        observation.note_command_lines(test_env.home());
        observation
    }

    fn refuse_leaks(&self, case: &Case, said: &str) {
        for name in PLANTED {
            let secret = &self.words[format!("{{{name}}}").as_str()];
            assert!(
                !said.contains(secret),
                "{}: {name} is printed:\n{said}",
                case.id
            );
        }
    }
}

fn words(test_env: &TestEnv, proxy: &Proxy) -> HashMap<&'static str, String> {
    let azure = &test_env.simulator;
    let fleet = azure.fleet();
    let tenant = &fleet.tenants[0];
    let user = &fleet.users[0];
    let principal = &fleet.service_principals[0];
    let assigned = fleet
        .managed_identities
        .iter()
        .find(|identity| !identity.system)
        .expect("a generated fleet has a user-assigned identity");
    let at = |name: &str| format!("{name}@{}", tenant.domain);
    let token = azure.workload_identity_token(
        "https://oidc.example/cluster",
        "system:serviceaccount:ns:app",
    );
    HashMap::from([
        (
            "{authority}",
            azure.authority_url().trim_end_matches('/').to_owned(),
        ),
        ("{tenant}", tenant.id.clone()),
        ("{domain}", tenant.domain.clone()),
        ("{other-tenant}", fleet.tenants[1].id.clone()),
        ("{spn}", principal.client_id.clone()),
        ("{secret}", principal.secret().to_owned()),
        ("{user}", user.upn.clone()),
        ("{password}", user.password.clone()),
        ("{mfa-user}", at("mfa")),
        ("{federated-user}", at("federated")),
        ("{disabled-user}", at("disabled")),
        ("{server}", azure_sim::AKS_SERVER_APP.to_owned()),
        ("{client}", azure_sim::AKS_CLIENT_APP.to_owned()),
        ("{arc-server}", azure_sim::ARC_SERVER_APP.to_owned()),
        ("{arc-client}", azure_sim::ARC_CLIENT_APP.to_owned()),
        ("{subscription}", fleet.subscriptions[0].id.clone()),
        ("{cluster}", fleet.clusters[0].id.clone()),
        ("{identity}", assigned.client_id.clone()),
        ("{identity-resource}", assigned.resource_id.clone()),
        ("{metadata}", azure.imds_url()),
        ("{app-service}", azure.app_service_endpoint()),
        ("{identity-header}", azure.app_service_header()),
        ("{service-fabric}", azure.service_fabric_endpoint()),
        ("{thumbprint}", azure.service_fabric_thumbprint()),
        ("{arc}", azure.arc_endpoint()),
        ("{cloud-shell}", azure.cloud_shell_endpoint()),
        ("{azure-ml}", azure.azure_ml_endpoint()),
        ("{msi-secret}", azure.azure_ml_secret()),
        ("{pipelines}", azure.pipelines_oidc_url()),
        ("{system-token}", azure.pipelines_access_token()),
        ("{github}", azure.github_oidc_url()),
        ("{github-token}", azure.github_oidc_token()),
        ("{federated}", token),
        ("{proxy}", proxy.url()),
    ])
}

/// Runs a command to its end, or kills it at the limit.
fn finish(mut command: Command) -> (Exit, String, String) {
    let mut child = command.spawn().expect("the program starts");
    let stdout = drain(child.stdout.take().expect("stdout is piped"));
    let stderr = drain(child.stderr.take().expect("stderr is piped"));
    // Both streams end with the program; a grandchild that holds them counts as the program.
    let (Ok(stdout), Ok(stderr)) = (stdout.recv_timeout(TIMEOUT), stderr.recv_timeout(TIMEOUT))
    else {
        // It may have ended between the two lines: then there is nothing to kill.
        let _ = child.kill();
        let _ = child.wait();
        return (Exit::Hung, String::new(), String::new());
    };
    let status = child.wait().expect("the program was started here");
    let exit = if status.success() {
        Exit::Done
    } else {
        Exit::Failed
    };
    (exit, stdout, stderr)
}

fn drain(mut stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error is what there is.
        let _ = stream.read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}
