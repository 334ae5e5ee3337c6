//! `workloadidentity`: an application that Kubernetes or GitHub Actions vouches for.

use std::path::Path;

use async_trait::async_trait;
use reqwest::{Method, header};

use super::{Flow, Profile};
use crate::{
    auth::{
        FlowContext,
        client_credential::{self, Proof},
        federated::{bearer, oidc_token, parse_url, refused},
        fingerprint::fingerprint,
        oauth::{Tokens, answer::text, send},
    },
    error::{Failure, Result},
    host::{
        Host,
        file::{self, Unreadable},
    },
    jwt,
    login::{FederatedToken, WorkloadIdentity},
    secret::Secret,
};

/// The audience that Entra wants in a federated token.
const AUDIENCE: &str = "api://AzureADTokenExchange";
/// The largest token file that is read, in bytes.
const FILE_LIMIT: u64 = 1 << 20;

#[async_trait]
impl Flow for WorkloadIdentity {
    fn profile(&self) -> Profile<'_> {
        Profile {
            family: "workload",
            client_id: Some(&self.client_id),
            legacy: false,
            pop: None,
            user: None,
            login_command: None,
        }
    }

    /// The issuer and subject of a token file, which stay the same when Kubernetes renews it, or the request token of a
    /// GitHub job, which no other job has.
    ///
    /// # Errors
    /// When the file can't be read: then nothing proves that the caller may have what is cached.
    fn identity(&self, _: &Host) -> Result<Option<String>> {
        identity(&self.federated).map(Some)
    }

    async fn sign_in(&self, cx: FlowContext<'_>) -> Result<Tokens> {
        let token = match &self.federated {
            FederatedToken::File(path) => read(path)?,
            FederatedToken::GitHubActions {
                request_url,
                request_token,
            } => from_github(cx, request_url, request_token).await?,
        };
        client_credential::sign_in(cx, &self.client_id, Proof::Assertion(token), false).await
    }
}

fn identity(source: &FederatedToken) -> Result<String> {
    match source {
        FederatedToken::File(path) => {
            let token = read(path)?;
            let identity = match jwt::claims(token.expose()) {
                Some(claims) => format!(
                    "{}\n{}",
                    text(&claims, "iss").unwrap_or_default(),
                    text(&claims, "sub").unwrap_or_default()
                ),
                None => token.expose().to_owned(),
            };
            Ok(fingerprint(identity.as_bytes()))
        }
        FederatedToken::GitHubActions { request_token, .. } => {
            let job = fingerprint(request_token.expose().as_bytes());
            Ok(format!("github\n{job}"))
        }
    }
}

fn read(path: &Path) -> Result<Secret> {
    let bytes = file::read_content(path, FILE_LIMIT)
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| Unreadable::NotText));
    let text = bytes.map_err(|why| {
        let hint = why.hint(path).unwrap_or_else(|| {
            "check `--federated-token-file` or `AZURE_FEDERATED_TOKEN_FILE`; in a pod, that the workload identity webhook mounted it".to_owned()
        });
        Failure::new(format!(
            "could not read the federated token in `{}`",
            path.display()
        ))
        .because(why)
        .hint(hint)
    })?;
    Ok(Secret::new(text.trim()))
}

async fn from_github(cx: FlowContext<'_>, request_url: &str, token: &Secret) -> Result<Secret> {
    let mut url = parse_url("ACTIONS_ID_TOKEN_REQUEST_URL", request_url)?;
    let others: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| name != "audience")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.query_pairs_mut()
        .clear()
        .extend_pairs(others)
        .append_pair("audience", AUDIENCE);
    let http = cx.host.http()?;
    let secrets = std::slice::from_ref(token);
    let attempt = || async {
        let request = http
            .request(Method::GET, &url)?
            .header(header::AUTHORIZATION, bearer("bearer", token)?)
            .header(header::ACCEPT, "application/json; api-version=2.0");
        http.send(request).await
    };
    let answer = send(cx, &url, secrets, attempt).await?;
    oidc_token(&answer, "value").ok_or_else(|| {
        refused(
            "GitHub Actions",
            &url,
            &answer,
            secrets,
            "give the job `permissions: id-token: write`",
        )
    })
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    fn file_with(dir: &Path, name: &str, claims: &str) -> FederatedToken {
        let token = format!("h.{}.{name}\n", URL_SAFE_NO_PAD.encode(claims));
        let path = dir.join(name);
        std::fs::write(&path, token).expect("written");
        FederatedToken::File(path)
    }

    #[test]
    fn a_renewed_token_has_the_same_identity_and_another_subject_has_not() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let first = file_with(dir.path(), "1", r#"{"iss":"i","sub":"s","exp":1}"#);
        let renewed = file_with(dir.path(), "2", r#"{"iss":"i","sub":"s","exp":2}"#);
        let other = file_with(dir.path(), "3", r#"{"iss":"i","sub":"other","exp":1}"#);
        let of = |source| identity(&source).expect("readable");
        let first = of(first);
        assert_eq!(first, of(renewed));
        assert_ne!(first, of(other));
    }

    #[test]
    fn a_missing_or_empty_file_says_which_flag_names_it() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let empty = dir.path().join("empty");
        std::fs::write(&empty, " \n").expect("written");
        for path in [empty, dir.path().join("missing")] {
            let failure = read(&path).expect_err("nothing to read");
            assert!(failure.render().contains("--federated-token-file"));
        }
    }
}
