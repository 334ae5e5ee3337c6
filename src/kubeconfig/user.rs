//! Reads the kubeconfig that Azure Resource Manager returns for a cluster's user.
//!
//! It is not trusted: only known fields are read, and no file name, command or proxy.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::config::{AuthInfo, Cluster, Kubeconfig};
use serde_json::{Map, Value, json};

use super::{auth_provider, document::Document, error::unexpected};
use crate::{
    error::Result,
    login::{ExecArgs, Settings},
};

mod kept;

pub(crate) use kept::KeptKubeconfig;

/// Larger answers are refused. One has about 4 KB.
const MAX_BYTES: usize = 1 << 20;

/// One cluster and how its user signs in.
#[derive(Debug)]
pub(crate) struct UserKubeconfig {
    /// The cluster's value for a kubeconfig: `server`, `certificate-authority-data` and, where
    /// given, `tls-server-name`.
    pub cluster: Map<String, Value>,
    pub user: UserCredential,
}

/// How the user of an AKS kubeconfig signs in.
pub(crate) enum UserCredential {
    /// With Entra ID: what the arguments of an exec plugin say, or the `azure` auth provider.
    Entra { settings: Settings },
    /// A cluster without Entra ID: the user's value with an administrator's certificate and key, or token.
    LocalAccount { user: Map<String, Value> },
}

// The last variant holds a private key.
impl fmt::Debug for UserCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UserCredential::Entra { settings } => {
                f.debug_struct("Entra").field("settings", settings).finish()
            }
            UserCredential::LocalAccount { .. } => f.write_str("LocalAccount(..)"),
        }
    }
}

/// Reads the kubeconfig in the response of `listClusterUserCredential`, decoded from base64.
///
/// # Errors
/// If the text is not a usable kubeconfig. No error quotes the answer.
pub(crate) fn parse_user_kubeconfig(bytes: &[u8]) -> Result<UserKubeconfig> {
    if bytes.len() > MAX_BYTES {
        return Err(unexpected("it is larger than 1 MiB"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| unexpected("it is not UTF-8 text"))?;
    let document = Document::parse(text)?;
    let config: Kubeconfig = serde_json::from_value(Value::Object(document.root().clone()))
        // serde's message may quote a value.
        .map_err(|_| unexpected("a field is of the wrong type"))?;
    let (cluster, user) = current(config)?;
    let cluster = cluster_value(&cluster)?;
    Ok(UserKubeconfig {
        cluster,
        user: credential(user)?,
    })
}

/// The cluster and user of the current context, else the only ones.
fn current(config: Kubeconfig) -> Result<(Cluster, AuthInfo)> {
    let current = config.current_context.unwrap_or_default();
    let context = config
        .contexts
        .into_iter()
        .find(|named| named.name == current)
        .and_then(|named| named.context);
    let mut clusters = config.clusters.into_iter();
    let mut users = config.auth_infos.into_iter();
    let (cluster, user) = match context {
        Some(context) => (
            clusters.find(|named| named.name == context.cluster),
            users.find(|named| Some(&named.name) == context.user.as_ref()),
        ),
        None if clusters.len() == 1 && users.len() == 1 => (clusters.next(), users.next()),
        None => (None, None),
    };
    let cluster = cluster
        .and_then(|named| named.cluster)
        .ok_or_else(|| unexpected("its current context has no cluster"))?;
    let user = user
        .and_then(|named| named.auth_info)
        .ok_or_else(|| unexpected("its current context has no user"))?;
    Ok((cluster, user))
}

fn cluster_value(cluster: &Cluster) -> Result<Map<String, Value>> {
    let server = cluster.server.clone().unwrap_or_default();
    let url = url::Url::parse(&server).map_err(|_| unexpected("its `server` is not a URL"))?;
    if url.scheme() != "https" || !url.has_host() || !url.username().is_empty() {
        return Err(unexpected("its `server` is not an https URL"));
    }
    if cluster.insecure_skip_tls_verify == Some(true) {
        return Err(unexpected(
            "it asks not to verify the cluster's certificate",
        ));
    }
    let mut value = Map::new();
    if let Some(ca) = &cluster.certificate_authority_data {
        let pem = STANDARD
            .decode(ca.trim())
            .map_err(|_| unexpected("its `certificate-authority-data` is not base64"))?;
        if !pem.windows(11).any(|bytes| bytes == b"-----BEGIN ") {
            return Err(unexpected(
                "its `certificate-authority-data` holds no certificate",
            ));
        }
        value.insert("certificate-authority-data".to_owned(), json!(ca.trim()));
    }
    value.insert("server".to_owned(), json!(server));
    if let Some(name) = &cluster.tls_server_name {
        value.insert("tls-server-name".to_owned(), json!(name));
    }
    Ok(value)
}

fn credential(user: AuthInfo) -> Result<UserCredential> {
    if let Some(exec) = user.exec {
        let args = exec.args.unwrap_or_default();
        return Ok(UserCredential::Entra {
            settings: ExecArgs::parse(&args)?.into_settings(),
        });
    }
    if let Some(provider) = user.auth_provider {
        if provider.name != auth_provider::NAME {
            return Err(unexpected(
                "its user signs in with an unknown auth provider",
            ));
        }
        let settings = auth_provider::settings(|key| provider.config.get(key).map(String::as_str));
        return Ok(UserCredential::Entra { settings });
    }
    let value = serde_json::to_value(&user).map_err(|_| unexpected("its user can't be read"))?;
    let mut kept = Map::new();
    for key in ["client-certificate-data", "client-key-data", "token"] {
        if let Some(Value::String(text)) = value.get(key) {
            kept.insert(key.to_owned(), json!(text));
        }
    }
    let has = |key: &str| kept.contains_key(key);
    if has("token") || (has("client-certificate-data") && has("client-key-data")) {
        Ok(UserCredential::LocalAccount { user: kept })
    } else {
        Err(unexpected("its user has no way to sign in"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::Param;
    use proptest::prelude::*;

    const CA: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t";

    fn kubeconfig(user: &str) -> String {
        format!(
            "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {CA}\n    server: https://a.hcp.io:443\n  name: a\ncontexts:\n- context:\n    cluster: a\n    user: clusterUser_rg_a\n  name: a\ncurrent-context: a\nkind: Config\npreferences: {{}}\nusers:\n- name: clusterUser_rg_a\n  user:\n{user}"
        )
    }

    fn settings(user: &str) -> Settings {
        let parsed = parse_user_kubeconfig(kubeconfig(user).as_bytes()).expect("a kubeconfig");
        match parsed.user {
            UserCredential::Entra { settings } => settings,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_exec_user_gives_its_settings() {
        let text = "    exec:\n      apiVersion: client.authentication.k8s.io/v1beta1\n      args:\n      - get-token\n      - --login\n      - devicecode\n      command: kubelogin\n      env: null\n      provideClusterInfo: false\n";
        let parsed = parse_user_kubeconfig(kubeconfig(text).as_bytes()).expect("a kubeconfig");
        assert_eq!(parsed.cluster["server"], "https://a.hcp.io:443");
        assert_eq!(parsed.cluster["certificate-authority-data"], CA);
        assert_eq!(settings(text).get(Param::Login), Some("devicecode"));
    }

    #[test]
    fn an_azure_auth_provider_gives_its_settings() {
        let with = |config: &str| {
            settings(&format!(
                "    auth-provider:\n      name: azure\n      config:\n        apiserver-id: s\n{config}"
            ))
        };
        let new = with("        config-mode: \"1\"\n");
        assert_eq!(new.get(Param::ServerId), Some("s"));
        assert!(!new.is_on(Param::Legacy));
        for old in [
            "        config-mode: \"0\"\n",
            "        config-mode: \"\"\n",
            "",
        ] {
            assert!(with(old).is_on(Param::Legacy), "{old}");
        }
    }

    #[test]
    fn a_local_account_keeps_its_key_out_of_debug_output() {
        let text =
            kubeconfig("    client-certificate-data: Y2VydA==\n    client-key-data: c2VjcmV0\n");
        let parsed = parse_user_kubeconfig(text.as_bytes()).expect("a kubeconfig");
        assert!(!format!("{parsed:?}").contains("c2VjcmV0"));
        match parsed.user {
            UserCredential::LocalAccount { user } => {
                assert_eq!(user["client-key-data"], "c2VjcmV0")
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_would_reach_beyond_the_cluster_is_refused() {
        let good = kubeconfig("    token: t\n");
        assert!(parse_user_kubeconfig(good.as_bytes()).is_ok());
        for (from, to) in [
            ("https://a.hcp.io:443", "http://a.hcp.io"),
            ("https://a.hcp.io:443", "file:///etc/passwd"),
            (CA, "bm90IGEgY2VydGlmaWNhdGU="),
            ("server:", "insecure-skip-tls-verify: true\n    server:"),
            ("token: t", "tokenFile: /etc/passwd"),
            ("cluster: a\n", "cluster: b\n"),
        ] {
            assert!(
                parse_user_kubeconfig(good.replace(from, to).as_bytes()).is_err(),
                "{to}"
            );
        }
    }

    #[test]
    fn aliases_that_multiply_are_refused_quickly() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..30 {
            let line = format!(
                "a{i}: &a{i} [{}]\n",
                vec![format!("*a{}", i - 1); 9].join(", ")
            );
            bomb.push_str(&line);
        }
        assert!(parse_user_kubeconfig(bomb.as_bytes()).is_err());
        let chain: String = (1..9000)
            .map(|i| format!("- &a{i} [*a{}]\n", i - 1))
            .collect();
        assert!(parse_user_kubeconfig(format!("x:\n- &a0 []\n{chain}").as_bytes()).is_err());
        assert!(parse_user_kubeconfig("[".repeat(100_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_without_a_panic(bytes in any::<Vec<u8>>(), at in 0usize..400, with in "[\\PC\n:{}\\[\\]&*!|>'\"-]{0,6}") {
            let _ = parse_user_kubeconfig(&bytes);
            let mut text = kubeconfig("    token: t\n");
            let at = (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
            text.insert_str(at, &with);
            let _ = parse_user_kubeconfig(text.as_bytes());
        }
    }
}
