//! Runs a credential plugin of somebody else, as kubectl does (client-go, `plugin/pkg/client/auth/exec`).

use std::{collections::BTreeMap, fmt, path::Path, time::Duration};

use serde_json::{Map, Value, json};

use crate::{
    error::{Failure, Kind, Result},
    exec_credential,
    host::{
        Host,
        http::probe::ClientIdentity,
        process::{Ended, Finished, Run},
    },
    kubeconfig::{Entry, synced::variables},
    secret::Secret,
};

/// How long one may take. Nobody can type into it.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The name of the extension that client-go hands to plugins.
const CONFIG: &str = "client.authentication.k8s.io/exec";

/// A program that prints a credential, with all that makes a difference to it. May hold secrets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Plugin {
    command: String,
    pub(super) args: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    api_version: String,
    /// The cluster as JSON, if it wants to know it.
    cluster: Option<String>,
    install_hint: Option<String>,
    always_interactive: bool,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plugin({}, ..)", self.command)
    }
}

/// What a plugin printed.
#[derive(Clone)]
pub(super) struct Printed {
    pub(super) token: Option<Secret>,
    pub(super) certificate: Option<ClientIdentity>,
}

/// Reads the exec mapping of a user. A command with a directory counts from that of the kubeconfig, as in client-go.
///
/// # Errors
/// If it names no command.
pub(super) fn read(user: Entry<'_>, cluster: Entry<'_>) -> Result<Plugin> {
    let exec = &user.value()["exec"];
    let text = |key: &str| exec[key].as_str().unwrap_or_default().to_owned();
    let command = text("command");
    if command.is_empty() {
        return Err(Failure::new("its user's `exec` names no command"));
    }
    let is_path = Path::new(&command).components().count() > 1;
    let command = match is_path {
        true => user.beside(&command).display().to_string(),
        false => command,
    };
    let args = exec["args"].as_array().into_iter().flatten();
    let args = args.map(|arg| arg.as_str().unwrap_or_default().to_owned());
    let wants_cluster = exec["provideClusterInfo"] == Value::Bool(true);
    Ok(Plugin {
        command,
        args: args.collect(),
        env: variables(user.value()).collect(),
        api_version: text("apiVersion"),
        cluster: wants_cluster.then(|| cluster_info(cluster).to_string()),
        install_hint: Some(text("installHint")).filter(|hint| !hint.is_empty()),
        always_interactive: exec["interactiveMode"] == "Always",
    })
}

/// What client-go tells of a cluster.
fn cluster_info(cluster: Entry<'_>) -> Value {
    let fields = [
        "server",
        "tls-server-name",
        "insecure-skip-tls-verify",
        "certificate-authority-data",
        "proxy-url",
        "disable-compression",
    ];
    let value = cluster.value();
    let mut info: Map<String, Value> = fields
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), value.get(*key)?.clone())))
        .collect();
    let extensions = value["extensions"].as_array().into_iter().flatten();
    let config = { extensions }.find(|one| one["name"] == CONFIG);
    if let Some(config) = config {
        info.insert("config".to_owned(), config["extension"].clone());
    }
    Value::Object(info)
}

impl Plugin {
    /// Runs it, and reads what it prints.
    ///
    /// # Errors
    /// If it is missing, fails or prints something else. Its output is not quoted, only the last line of its errors.
    pub(super) async fn run(&self, host: &Host) -> Result<Printed> {
        let named = format!("the plugin `{}`", self.command);
        if self.always_interactive {
            return Err(Failure::of(
                Kind::SignInNeeded,
                format!("{named} asks a person (`interactiveMode: Always`)"),
            )
            .hint("`kubectl get ns --context CONTEXT` lets it ask"));
        }
        let host = host.with_vars(
            self.env
                .clone()
                .into_iter()
                .chain([(exec_credential::VARIABLE.to_owned(), self.info())]),
        );
        let finished = host.run(Run {
            program: &self.command,
            args: self.args.iter().map(Into::into).collect(),
            timeout: TIMEOUT,
            unless_empty: &[],
        });
        let finished = finished.await.map_err(|failure| match &self.install_hint {
            Some(hint) if failure.kind() == Kind::NotInstalled => failure.hint(hint),
            _ => failure,
        })?;
        if finished.ended != Ended::Code(0) {
            return Err(failed(&named, &finished));
        }
        self.parse(finished.stdout.expose()).ok_or_else(|| {
            let version = &self.api_version;
            Failure::new(format!("{named} printed no credential"))
                .because(format!("an `ExecCredential` of `{version}` was expected"))
        })
    }

    fn info(&self) -> String {
        let mut spec = json!({ "interactive": false });
        let cluster = self.cluster.as_deref();
        if let Some(cluster) = cluster.and_then(|text| serde_json::from_str(text).ok()) {
            let cluster: Value = cluster;
            spec["cluster"] = cluster;
        }
        let version = &self.api_version;
        json!({ "kind": "ExecCredential", "apiVersion": version, "spec": spec }).to_string()
    }

    fn parse(&self, stdout: &str) -> Option<Printed> {
        let printed: Value = serde_json::from_str(stdout).ok()?;
        if printed["apiVersion"] != self.api_version.as_str() {
            return None;
        }
        let status = &printed["status"];
        let text = |key: &str| {
            let text = status[key].as_str().filter(|text| !text.is_empty());
            text.map(Secret::new)
        };
        let certificate = text("clientCertificateData").zip(text("clientKeyData"));
        let printed = Printed {
            token: text("token"),
            certificate: certificate.map(|(certificate, key)| ClientIdentity {
                certificate: certificate.expose().as_bytes().to_vec(),
                key,
            }),
        };
        (printed.token.is_some() || printed.certificate.is_some()).then_some(printed)
    }
}

fn failed(named: &str, finished: &Finished) -> Failure {
    let how = match finished.ended {
        Ended::Code(code) => format!("ended with exit code {code}"),
        Ended::Signal(signal) => format!("was ended by signal {signal}"),
        Ended::OutOfTime => format!("did not end within {} s", TIMEOUT.as_secs()),
        Ended::TooMuchOutput => "printed too much".to_owned(),
    };
    let failure = Failure::new(format!("{named} {how}"));
    let mut lines = finished.stderr.lines().rev();
    let failure = match lines.find(|line| !line.trim().is_empty()) {
        Some(line) => failure.because(line.trim()),
        None => failure,
    };
    failure.hint("`kubectl get ns --context CONTEXT` shows what it prints")
}
