//! The form in which a user kubeconfig is kept in a file: what a fresh one says, and nothing secret.

use std::collections::BTreeMap;

use kube::config::Cluster;
use serde::{Deserialize, Serialize};

use super::{UserCredential, UserKubeconfig, cluster_value};
use crate::{
    error::Result,
    kubeconfig::error::unexpected,
    login::{Origin, PARAMS, ParamRow, Settings},
};

/// A user kubeconfig of a cluster with Entra ID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KeptKubeconfig {
    server: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate_authority_data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tls_server_name: Option<String>,
    /// How the user signs in: the name of a flag, without dashes, and its value.
    sign_in: BTreeMap<String, String>,
}

impl KeptKubeconfig {
    /// None for a local account, and for one with a secret among its settings.
    pub(crate) fn of(kubeconfig: &UserKubeconfig) -> Option<Self> {
        let UserCredential::Entra { settings } = &kubeconfig.user else {
            return None;
        };
        let value = |key: &str| {
            let value = kubeconfig.cluster.get(key)?.as_str()?;
            Some(value.to_owned())
        };
        let sign_in = settings.params().map(|param| {
            let row = param.row();
            let text = settings.get(param).filter(|_| !row.secret)?;
            Some((row.flag.to_owned(), text.to_owned()))
        });
        Some(Self {
            server: value("server")?,
            certificate_authority_data: value("certificate-authority-data"),
            tls_server_name: value("tls-server-name"),
            sign_in: sign_in.collect::<Option<_>>()?,
        })
    }

    /// Its size, about, in bytes.
    pub(crate) fn size(&self) -> usize {
        let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let sign_in = self.sign_in.iter();
        let sign_in: usize = sign_in.map(|(flag, text)| flag.len() + text.len()).sum();
        self.server.len()
            + optional(&self.certificate_authority_data)
            + optional(&self.tls_server_name)
            + sign_in
    }

    /// The user kubeconfig, checked as one that ARM has just returned.
    ///
    /// # Errors
    /// If a fresh one like it would be refused, or a setting is unknown or secret.
    pub(crate) fn restore(&self) -> Result<UserKubeconfig> {
        let cluster = cluster_value(&Cluster {
            server: Some(self.server.clone()),
            certificate_authority_data: self.certificate_authority_data.clone(),
            tls_server_name: self.tls_server_name.clone(),
            ..Cluster::default()
        })?;
        let mut settings = Settings::new();
        for (flag, text) in &self.sign_in {
            let is_it = |row: &&ParamRow| row.flag == flag && !row.secret;
            let row = PARAMS.iter().find(is_it);
            let row = row.ok_or_else(|| unexpected("its user signs in in an unknown way"))?;
            settings.set(row.param, text, Origin::ExecEntry);
        }
        Ok(UserKubeconfig {
            cluster,
            user: UserCredential::Entra { settings },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_user_kubeconfig;
    use super::*;
    use crate::login::Param;

    const CA: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t";

    fn fresh(user: &str) -> UserKubeconfig {
        let text = format!(
            "clusters: [{{name: a, cluster: {{server: 'https://a.hcp.io:443', certificate-authority-data: {CA}, tls-server-name: t}}}}]\n\
             users: [{{name: u, user: {user}}}]\n"
        );
        parse_user_kubeconfig(text.as_bytes()).expect("a kubeconfig")
    }

    fn exec(args: &str) -> UserKubeconfig {
        fresh(&format!(
            "{{exec: {{apiVersion: client.authentication.k8s.io/v1beta1, command: kubelogin, args: [get-token, {args}]}}}}"
        ))
    }

    #[test]
    fn what_is_read_back_is_what_arm_said() {
        let old = "{auth-provider: {name: azure, config: {apiserver-id: s, client-id: c, config-mode: ''}}}";
        for said in [
            exec("--server-id, s, --client-id, c, --environment, '', --login, devicecode"),
            exec("--server-id, s, --legacy"),
            fresh(old),
        ] {
            let kept = KeptKubeconfig::of(&said).expect("nothing secret");
            let text = serde_json::to_string(&kept).expect("plain data");
            let read: KeptKubeconfig = serde_json::from_str(&text).expect("its own form");
            let read = read.restore().expect("valid");
            assert_eq!(read.cluster, said.cluster);
            let (
                UserCredential::Entra { settings: read },
                UserCredential::Entra { settings: said },
            ) = (&read.user, &said.user)
            else {
                panic!("{read:?}");
            };
            let values = |settings: &Settings| -> Vec<(Param, String)> {
                let value = |param| settings.get(param).unwrap_or_default().to_owned();
                settings.params().map(|p| (p, value(p))).collect()
            };
            assert_eq!(values(read), values(said));
        }
    }

    #[test]
    fn nothing_secret_is_kept() {
        for said in [
            fresh("{token: hunter2}"),
            fresh("{client-certificate-data: Y2VydA==, client-key-data: aHVudGVyMg==}"),
            exec("--server-id, s, --client-secret, hunter2"),
            exec("--server-id, s, --password, hunter2"),
        ] {
            assert_eq!(KeptKubeconfig::of(&said), None);
        }
    }

    #[test]
    fn a_kept_one_is_checked_like_a_fresh_one() {
        let good = KeptKubeconfig::of(&exec("--server-id, s")).expect("nothing secret");
        assert!(good.restore().is_ok());
        let with_server = |server: &str| KeptKubeconfig {
            server: server.to_owned(),
            ..good.clone()
        };
        let with_ca = |ca: &str| KeptKubeconfig {
            certificate_authority_data: Some(ca.to_owned()),
            ..good.clone()
        };
        let with_setting = |flag: &str| KeptKubeconfig {
            sign_in: [(flag.to_owned(), "hunter2".to_owned())].into(),
            ..good.clone()
        };
        for bad in [
            with_server("http://a.hcp.io"),
            with_server("file:///etc/passwd"),
            with_server("https://user@a.hcp.io"),
            with_server(""),
            with_ca("/etc/ssl/ca.pem"),
            with_ca("bm90IGEgY2VydGlmaWNhdGU="),
            with_setting("client-secret"),
            with_setting("exec-command"),
        ] {
            let why = bad.restore().expect_err("refused");
            assert!(!why.render().contains("hunter2"), "{}", why.render());
        }
        let unknown = r#"{"server":"https://a","signIn":{},"insecureSkipTlsVerify":true}"#;
        assert!(serde_json::from_str::<KeptKubeconfig>(unknown).is_err());
    }
}
