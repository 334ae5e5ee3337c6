//! kubectl's exec protocol: `KUBERNETES_EXEC_INFO` in, `ExecCredential` out.
//!
//! The types are those of the Kubernetes API group `client.authentication.k8s.io`.

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

/// The version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// `v1`.
    V1,
    /// `v1beta1`, the default.
    V1Beta1,
}

impl Version {
    /// The version that kubectl asks for; `v1beta1` if it asks for none or doesn't run this, as in
    /// kubelogin.
    ///
    /// # Errors
    /// A usage error when the variable is not JSON or names an unknown version.
    pub(crate) fn requested(host: &Host) -> Result<Self> {
        let Some(text) = host.var_nonempty(VARIABLE) else {
            return Ok(Self::V1Beta1);
        };
        let api_version = parse(text).map_err(|why| {
            Failure::usage(format!("`{VARIABLE}` is not an ExecCredential"))
                .because(why)
                .hint(format!("kubectl sets it; run `unset {VARIABLE}`"))
        })?;
        if api_version.is_empty() {
            return Ok(Self::V1Beta1);
        }
        [Self::V1, Self::V1Beta1]
            .into_iter()
            .find(|version| version.as_str() == api_version)
            .ok_or_else(|| {
                Failure::usage(format!(
                    "`{VARIABLE}` requests `{api_version}`, which is not supported"
                ))
                .hint(format!(
                    "set the exec entry's `apiVersion` to `{}`",
                    Self::V1.as_str()
                ))
            })
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "client.authentication.k8s.io/v1",
            Self::V1Beta1 => "client.authentication.k8s.io/v1beta1",
        }
    }
}

/// Reads the `apiVersion` of an ExecCredential; empty if there is none. Null counts as missing, as in
/// Go: kube-rs writes `"apiVersion":null`.
///
/// `spec.interactive` says whether standard input is a terminal; nothing is read from there.
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

/// Whether kubectl, or another Kubernetes client, runs this as a credential plugin.
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

/// Renders the answer: one line of JSON, the same that client-go's own types give.
///
/// # Errors
/// When no timestamp can hold the expiry.
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

    fn requested(text: &str) -> Result<Version> {
        Version::requested(&Host::with_env([(VARIABLE, text)]))
    }

    #[test]
    fn both_versions_are_answered_in_kind() {
        for version in [Version::V1, Version::V1Beta1] {
            let name = version.as_str();
            let requested = requested(&format!(
                r#"{{"kind":"ExecCredential","apiVersion":"{name}","spec":{{"interactive":true,"cluster":{{"server":"s"}}}}}}"#
            ))
            .expect("readable");
            assert_eq!(requested, version);
        }
    }

    #[test]
    fn what_is_missing_or_null_is_taken_as_kubelogin_takes_it() {
        let none = Version::requested(&Host::with_env::<&str, &str>([]));
        assert_eq!(none.expect("the default"), Version::V1Beta1);
        for text in [
            "",
            "{}",
            "null",
            r#"{"apiVersion":""}"#,
            r#"{"apiVersion":null,"spec":{"interactive":null}}"#,
            r#"{"apiVersion":null,"kind":"ExecCredential","spec":null,"status":null}"#,
        ] {
            assert_eq!(requested(text).expect("fits"), Version::V1Beta1, "{text}");
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
            assert!(requested(text).is_err(), "{text}");
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
