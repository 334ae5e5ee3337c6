//! What several checks look at, read once.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde_json::Value;
use tokio::sync::OnceCell;

use super::{entra::Asked, kubeconfigs::Kubeconfigs};
use crate::{
    error::{Failure, Result},
    host::{
        Host,
        process::{Ended, Run},
    },
};

/// How long a program may take to tell its version. gcloud's kubectl and snaps take a second or two.
pub(super) const PROGRAM_TIMEOUT: Duration = Duration::from_secs(10);

/// The machine that is checked.
pub(crate) struct Machine {
    pub host: Arc<Host>,
    /// What is wrong with the configuration file.
    pub(super) configuration: Option<Failure>,
    kubectl: OnceCell<Option<Kubectl>>,
    pub(super) asked: OnceCell<Vec<Asked>>,
    pub(super) kubeconfigs: OnceLock<Result<Kubeconfigs>>,
}

/// The kubectl that people run.
#[derive(Debug, Clone)]
pub(crate) struct Kubectl {
    pub path: PathBuf,
    /// `v1.35.0`.
    pub version: String,
    pub major: u32,
    pub minor: u32,
}

impl Machine {
    pub(super) fn new(host: Arc<Host>, configuration: Option<Failure>) -> Self {
        Self {
            host,
            configuration,
            kubectl: OnceCell::new(),
            asked: OnceCell::new(),
            kubeconfigs: OnceLock::new(),
        }
    }

    /// kubectl and its version, which it is asked for once. None if it is not on the `PATH`.
    ///
    /// # Errors
    /// If it does not tell.
    pub(crate) async fn kubectl(&self) -> Result<Option<&Kubectl>> {
        let known = self.kubectl.get_or_try_init(|| self.ask_kubectl());
        Ok(known.await?.as_ref())
    }

    async fn ask_kubectl(&self) -> Result<Option<Kubectl>> {
        let Some(path) = self.host.find_program("kubectl") else {
            return Ok(None);
        };
        // With preferences that it refuses it would not even tell its version, and Google Cloud's asks the current cluster
        // for one first.
        let nothing = if cfg!(windows) { "NUL" } else { "/dev/null" };
        let host = self
            .host
            .with_vars([("KUBERC", "off"), ("KUBECONFIG", nothing)]);
        let finished = host
            .run(Run {
                program: "kubectl",
                args: ["version", "--client", "-o", "json"].map(Into::into).into(),
                timeout: PROGRAM_TIMEOUT,
                unless_empty: &[],
            })
            .await?;
        let failed = |why: &str| {
            let path = path.display();
            Failure::new(format!("`{path} version --client -o json` {why}"))
        };
        match finished.ended {
            Ended::Code(0) => {}
            Ended::OutOfTime => return Err(failed("did not end")),
            _ => return Err(failed("failed")),
        }
        let answer: Value = serde_json::from_str(finished.stdout.expose())
            .map_err(|_| failed("did not print JSON"))?;
        let version = &answer["clientVersion"];
        let (major, minor) = (number(&version["major"]), number(&version["minor"]));
        let (Some(major), Some(minor)) = (major, minor) else {
            return Err(failed("did not tell a version"));
        };
        Ok(Some(Kubectl {
            version: version["gitVersion"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            path,
            major,
            minor,
        }))
    }
}

/// A number that may be followed by other characters, as in the minor version `21+` of some vendors.
fn number(part: &Value) -> Option<u32> {
    let text = part.as_str()?;
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_version_may_have_a_suffix() {
        for (text, expected) in [("21", Some(21)), ("21+", Some(21)), ("+", None), ("", None)] {
            assert_eq!(number(&json!(text)), expected, "{text}");
        }
    }
}
