//! A simulated Azure with everything beside it that one case at a time is run against.
//!
//! Lives here: [`Stage`] (a simulator, the border that keeps every other connection in, the words
//! that cases use) and the running of one program. What to run is `matrix`'s; what came of it is
//! taken apart in `observation`.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use azure_sim::{Fleet, FleetSpec, Settings, Simulator, User};

use super::border::Border;
use super::browser;
use super::case::Case;
use super::certificates::certificates;
use super::observation::{Exit, Observation};

/// How long a program may take before it is killed. Nothing waits this long unless it hangs.
const LIMIT: Duration = Duration::from_secs(90);

/// The secrets that are planted; none may turn up in what is said to people.
const PLANTED: &[&str] = &[
    "secret",
    "password",
    "identity-header",
    "msi-secret",
    "system-token",
    "github-token",
];

/// A simulated Azure and what stands beside it.
pub(super) struct Stage {
    /// The simulated Azure.
    pub(super) azure: Simulator,
    border: Border,
    words: HashMap<&'static str, String>,
    ca: tempfile::NamedTempFile,
    fleet: Fleet,
}

/// One of the two programs.
#[derive(Clone, Copy)]
pub(super) struct Program<'a> {
    /// Where it is.
    pub(super) path: &'a Path,
    /// Whether its standard error is checked for secrets.
    pub(super) ours: bool,
}

impl Stage {
    /// Starts one.
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
        let azure = Simulator::start(fleet.clone());
        let border = Border::start(
            azure
                .authority_url()
                .trim_start_matches("https://")
                .trim_end_matches('/')
                .to_owned(),
        );
        let ca = tempfile::NamedTempFile::new().expect("the temporary directory is writable");
        fs::write(ca.path(), azure.ca_pem()).expect("a temporary file is writable");
        let words = words(&azure, &fleet, &border);
        Stage {
            azure,
            border,
            words,
            ca,
            fleet,
        }
    }

    /// The user that cases sign in as.
    pub(super) fn user(&self) -> &User {
        &self.fleet.users[0]
    }

    /// Replaces the words in braces.
    pub(super) fn expand(&self, text: &str, home: &Path) -> String {
        let mut text = text.replace("{home}", &home.display().to_string());
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
    /// If our program says a planted secret aloud.
    pub(super) fn run(&self, case: &Case, program: Program<'_>) -> Observation {
        self.azure.faults().clear();
        let upn = self.user().upn.clone();
        self.azure.configure(|settings| {
            *settings = Settings {
                device_interval: 0,
                device_auto_approve: Some((1, upn.clone())),
                sign_in: azure_sim::SignIn::As(upn),
                ..Settings::default()
            };
        });
        for arrange in &case.arrange {
            arrange(self);
        }
        let home = tempfile::tempdir().expect("the temporary directory is writable");
        let bin = home.path().join("bin");
        fs::create_dir(&bin).expect("a temporary directory is writable");
        for (name, content) in &case.files {
            let content = self.expand(content, home.path());
            fs::write(home.path().join(name), content).expect("a temporary directory is writable");
        }
        certificates().copy_into(home.path());
        for (name, script) in &case.programs {
            let file = bin.join(name);
            fs::write(&file, self.expand(script, home.path()))
                .expect("a temporary directory is writable");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755))
                .expect("the file is ours");
        }
        let sign_in = browser::stand_in(home.path(), &bin, self.ca.path());

        let mut command = Command::new(program.path);
        command
            .arg("get-token")
            .args(case.args.iter().map(|arg| self.expand(arg, home.path())))
            .env_clear()
            .env("PATH", &bin)
            .env("HOME", home.path())
            .env("SSL_CERT_FILE", self.ca.path())
            // Nothing leaves this machine: the border notes who tried.
            .env("HTTPS_PROXY", self.border.url())
            .env("NO_PROXY", "127.0.0.1,localhost")
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in &case.env {
            command.env(name, self.expand(value, home.path()));
        }
        self.azure.reset();
        self.border.take();
        let (exit, stdout, stderr) = finish(command);
        sign_in.end();

        if program.ours {
            self.refuse_leaks(case, &stderr);
        }
        let places = [
            (home.path().display().to_string(), "{home}"),
            (self.words["{authority}"].clone(), "{authority}"),
            (self.words["{metadata}"].clone(), "{metadata}"),
        ];
        let mut observation =
            Observation::new(exit, &self.azure.requests(), &stdout, stderr, &places);
        for asked in self.border.take() {
            // How many connections it takes is the HTTP client's business.
            observation
                .calls
                .entry(format!("abroad {asked}"))
                .or_default()
                .times = 1;
        }
        observation.note_command_lines(home.path());
        observation
    }

    fn refuse_leaks(&self, case: &Case, said: &str) {
        for name in PLANTED {
            let secret = &self.words[format!("{{{name}}}").as_str()];
            assert!(
                !said.contains(secret),
                "{}: {name} is said aloud:\n{said}",
                case.id
            );
        }
    }
}

fn words(azure: &Simulator, fleet: &Fleet, border: &Border) -> HashMap<&'static str, String> {
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
        ("{border}", border.url()),
    ])
}

/// Runs a command to its end, or kills it at the limit.
fn finish(mut command: Command) -> (Exit, String, String) {
    let mut child = command.spawn().expect("the program starts");
    let stdout = drain(child.stdout.take().expect("stdout is piped"));
    let stderr = drain(child.stderr.take().expect("stderr is piped"));
    // Both streams end with the program; a grandchild that holds them counts as the program.
    let (Ok(stdout), Ok(stderr)) = (stdout.recv_timeout(LIMIT), stderr.recv_timeout(LIMIT)) else {
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
