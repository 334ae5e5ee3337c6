//! The contract with kubectl: `KUBERNETES_EXEC_INFO` in, `ExecCredential` out.
//!
//! Lives here: [`ExecInfo`] and [`render`], after the Kubernetes API group
//! `client.authentication.k8s.io`. How a token is had is not known here.

use serde::Serialize;
use serde_json::Value;

use crate::{
    auth::AccessToken,
    error::{Failure, Result},
    host::{Host, timestamp::rfc3339},
    secret::Secret,
};

/// The variable in which kubectl says what it wants.
pub(crate) const VARIABLE: &str = "KUBERNETES_EXEC_INFO";

/// The version of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// `v1`.
    V1,
    /// `v1beta1`, which is also meant where nothing is said.
    V1Beta1,
}

impl Version {
    /// The full name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "client.authentication.k8s.io/v1",
            Self::V1Beta1 => "client.authentication.k8s.io/v1beta1",
        }
    }
}

/// What kubectl wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExecInfo {
    /// The version to answer in.
    pub version: Version,
}

/// As where kubectl isn't calling: `v1beta1`, as kubelogin has it.
impl Default for ExecInfo {
    fn default() -> Self {
        Self {
            version: Version::V1Beta1,
        }
    }
}

impl ExecInfo {
    /// Reads the variable; `v1beta1` where it is missing or empty, as
    /// kubelogin has it.
    ///
    /// # Errors
    /// A usage error when it is not JSON or of a version that is not known.
    pub(crate) fn read(host: &Host) -> Result<Self> {
        let Some(text) = host.var_nonempty(VARIABLE) else {
            return Ok(Self::default());
        };
        let api_version = parse(text).map_err(|why| {
            Failure::usage(format!("`{VARIABLE}` is not an ExecCredential"))
                .because(why)
                .hint(format!("kubectl sets it; type `unset {VARIABLE}`"))
        })?;
        let version = match api_version.as_str() {
            "" => Version::V1Beta1,
            name => [Version::V1, Version::V1Beta1]
                .into_iter()
                .find(|version| version.as_str() == name)
                .ok_or_else(|| {
                    Failure::usage(format!(
                        "`{VARIABLE}` wants `{name}`, which is not supported"
                    ))
                    .hint(format!(
                        "set the exec entry's `apiVersion` to `{}`",
                        Version::V1.as_str()
                    ))
                })?,
        };
        Ok(Self { version })
    }
}

/// The `apiVersion` of an ExecCredential that is one. As for Go's decoder, null is the same as
/// nothing: kube-rs writes `"apiVersion":null`.
///
/// `spec.interactive` says whether standard input is a terminal's, and nothing is read from there.
fn parse(text: &str) -> std::result::Result<String, String> {
    fn field<'v, T>(
        value: Option<&'v Value>,
        name: &str,
        read: impl Fn(&'v Value) -> Option<T>,
    ) -> std::result::Result<Option<T>, String> {
        match value.filter(|value| !value.is_null()) {
            None => Ok(None),
            Some(value) => match read(value) {
                Some(value) => Ok(Some(value)),
                None => Err(format!("{name} is of the wrong type")),
            },
        }
    }
    let input: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let whole = field(Some(&input), "it", Value::as_object)?;
    let of_whole = |name| whole.and_then(|fields| fields.get(name));
    let api_version = field(of_whole("apiVersion"), "`apiVersion`", Value::as_str)?;
    let spec = field(of_whole("spec"), "`spec`", Value::as_object)?;
    let interactive = spec.and_then(|spec| spec.get("interactive"));
    field(interactive, "`spec.interactive`", Value::as_bool)?;
    Ok(api_version.unwrap_or_default().to_owned())
}

/// Whether kubectl, or another client of Kubernetes, runs this as the plugin of an exec entry.
pub(crate) fn is_called_by_kubectl(host: &Host) -> bool {
    host.var_nonempty(VARIABLE).is_some()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Output<'a> {
    kind: &'static str,
    api_version: &'static str,
    spec: OutputSpec,
    status: Status<'a>,
}

#[derive(Serialize)]
struct OutputSpec {
    interactive: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    expiration_timestamp: String,
    token: &'a str,
}

/// Writes the answer: one line of JSON, the same that client-go's own types
/// give.
///
/// # Errors
/// When the expiry is outside the years that a timestamp can say.
pub(crate) fn render(version: Version, token: &AccessToken) -> Result<Secret> {
    let expiration_timestamp = rfc3339(token.expires_on).ok_or_else(|| {
        Failure::new(format!(
            "the token's expiry `{}` is not a valid timestamp",
            token.expires_on
        ))
    })?;
    let output = Output {
        kind: "ExecCredential",
        api_version: version.as_str(),
        spec: OutputSpec { interactive: false },
        status: Status {
            expiration_timestamp,
            token: token.secret.expose(),
        },
    };
    let mut line = serde_json::to_string(&output).expect("plain strings make JSON");
    line.push('\n');
    Ok(Secret::new(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ExecInfo> {
        ExecInfo::read(&Host::with_env([(VARIABLE, text)]))
    }

    #[test]
    fn both_versions_are_answered_in_kind() {
        for version in [Version::V1, Version::V1Beta1] {
            let name = version.as_str();
            let info = read(&format!(
                r#"{{"kind":"ExecCredential","apiVersion":"{name}","spec":{{"interactive":true,"cluster":{{"server":"s"}}}}}}"#
            ))
            .expect("readable");
            assert_eq!(info.version, version);
        }
    }

    #[test]
    fn what_is_missing_or_null_is_taken_as_kubelogin_takes_it() {
        let none = ExecInfo::read(&Host::with_env::<&str, &str>([])).expect("fits");
        assert_eq!(none.version, Version::V1Beta1);
        for text in [
            "",
            "{}",
            "null",
            r#"{"apiVersion":""}"#,
            r#"{"apiVersion":null,"spec":{"interactive":null}}"#,
            r#"{"apiVersion":null,"kind":"ExecCredential","spec":null,"status":null}"#,
        ] {
            assert_eq!(
                read(text).expect("fits").version,
                Version::V1Beta1,
                "{text}"
            );
        }
        for text in [
            "x",
            "7",
            "[]",
            r#"{"spec":[]}"#,
            r#"{"spec":""}"#,
            r#"{"spec":{"interactive":"true"}}"#,
            r#"{"apiVersion":1}"#,
            r#"{"apiVersion":["client.authentication.k8s.io/v1"]}"#,
            r#"{"apiVersion":"client.authentication.k8s.io/v1alpha1"}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_answer_is_the_one_line_that_client_go_would_write() {
        let token = AccessToken {
            secret: Secret::new("t"),
            expires_on: 1_767_225_600,
            refresh_on: None,
        };
        assert_eq!(
            render(Version::V1, &token).expect("a time").expose(),
            "{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\",\
             \"spec\":{\"interactive\":false},\
             \"status\":{\"expirationTimestamp\":\"2026-01-01T00:00:00Z\",\"token\":\"t\"}}\n"
        );
    }
}
