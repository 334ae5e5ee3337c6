//! `workloadidentity`: an application that Kubernetes or GitHub Actions vouches for.

use std::path::Path;

use reqwest::{Method, header};

use crate::{
    auth::{
        FlowContext,
        federated::{bearer, oidc_token, parse_url, refused},
        fingerprint::fingerprint,
        oauth::{answer::text, send},
    },
    error::{Failure, Result},
    host::file::{self, Unreadable},
    jwt,
    login::FederatedToken,
    secret::Secret,
};

/// The audience that Entra wants in a federated token.
const AUDIENCE: &str = "api://AzureADTokenExchange";
/// The largest token file that is read, in bytes.
const FILE_LIMIT: u64 = 1 << 20;

/// Fetches the federated token; a file is read each time, since Kubernetes
/// renews it.
///
/// # Errors
/// What stood in the way.
pub(in crate::auth) async fn token(cx: FlowContext<'_>, source: &FederatedToken) -> Result<Secret> {
    match source {
        FederatedToken::File(path) => read(path),
        FederatedToken::GitHubActions {
            request_url,
            request_token,
        } => from_github(cx, request_url, request_token).await,
    }
}

/// Tells callers with different rights apart in the cache: the issuer and
/// subject of a token file, which stay the same when it is renewed, and the
/// request token of a GitHub job, which no other job has.
///
/// # Errors
/// When the file can't be read: without it nothing proves that the caller may
/// have what is cached.
pub(in crate::auth) fn identity(source: &FederatedToken) -> Result<String> {
    let seen = match source {
        FederatedToken::File(path) => {
            let token = read(path)?;
            match jwt::claims(token.expose()) {
                Some(claims) => format!(
                    "{}\n{}",
                    text(&claims, "iss").unwrap_or_default(),
                    text(&claims, "sub").unwrap_or_default()
                ),
                None => token.expose().to_owned(),
            }
        }
        FederatedToken::GitHubActions { request_token, .. } => {
            let job = fingerprint(request_token.expose().as_bytes());
            return Ok(format!("github\n{job}"));
        }
    };
    Ok(fingerprint(seen.as_bytes()))
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
    fn a_renewed_token_is_the_same_identity_and_another_subject_is_not() {
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
