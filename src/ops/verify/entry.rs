//! Reads what kubectl needs to reach and sign in to a cluster from the entries of its context.

use std::{fs, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use url::Url;

use super::{
    exec_plugin::{self, Plugin},
    verdict::SignsIn,
};
use crate::{
    error::{Failure, Result},
    host::http::{
        probe::{ClientIdentity, ServerTrust},
        proxy::Proxy,
    },
    kubeconfig::{
        ContextEntries, Entry,
        convert::{Source, SourcePlugin},
    },
    login::ExecArgs,
    ops::context_tokens::TokenCall,
    secret::Secret,
};

/// A cluster, and how it is signed in to.
pub(super) struct Wanted {
    pub(super) server: Server,
    pub(super) user: User,
}

/// Where a cluster is.
pub(super) struct Server {
    pub(super) url: Url,
    pub(super) name: Option<String>,
    pub(super) trust: ServerTrust,
    pub(super) proxy: Option<Proxy>,
}

/// Who one is there.
pub(super) struct User {
    pub(super) certificate: Option<ClientIdentity>,
    pub(super) credential: Credential,
    /// The headers that make one somebody else.
    pub(super) impersonation: Vec<(&'static str, Secret)>,
}

/// What is sent as `Authorization`.
#[derive(Debug, Clone)]
pub(super) enum Credential {
    /// Nothing: there is a certificate.
    None,
    Token(Secret),
    /// User name and password.
    Password(Secret),
    SignIn(SignIn),
}

/// A command that gets a credential.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SignIn {
    /// Our own, in this process.
    Ours(TokenCall),
    /// Another program.
    Plugin(Plugin),
}

impl SignIn {
    pub(super) fn own(&self) -> Option<&TokenCall> {
        match self {
            Self::Ours(call) => Some(call),
            Self::Plugin(_) => None,
        }
    }

    pub(super) fn plugin(&self) -> Option<&Plugin> {
        match self {
            Self::Plugin(plugin) => Some(plugin),
            Self::Ours(_) => None,
        }
    }
}

impl User {
    pub(super) fn signs_in(&self) -> SignsIn {
        match &self.credential {
            Credential::SignIn(SignIn::Ours(_)) => SignsIn::Ours,
            Credential::SignIn(SignIn::Plugin(_)) => SignsIn::Plugin,
            _ => SignsIn::Stored,
        }
    }
}

impl Wanted {
    /// Reads a context.
    ///
    /// # Errors
    /// What is missing or can't be used.
    pub(super) fn read(entries: &ContextEntries<'_>) -> Result<Self> {
        let named = |named: &Option<_>, what: &str| match named {
            None => Err(Failure::new(format!("the context names no {what}"))),
            Some(named) => entry_of(named, what),
        };
        let cluster = named(&entries.cluster, "cluster")?;
        let server = server(cluster)?;
        let user = user(named(&entries.user, "user")?, cluster)?;
        Ok(Self { server, user })
    }
}

fn entry_of<'a>(named: &crate::kubeconfig::Named<'a>, what: &str) -> Result<Entry<'a>> {
    named
        .entry
        .ok_or_else(|| Failure::new(format!("there is no {what} `{}`", named.name)))
}

fn server(cluster: Entry<'_>) -> Result<Server> {
    let address = cluster.text("server");
    let url = address.and_then(|address| Url::parse(address.trim()).ok());
    let url = url.filter(|url| url.scheme() == "https" && url.has_host());
    let Some(url) = url else {
        return Err(Failure::new("its `server` is not an `https` address"));
    };
    let proxy = cluster.text("proxy-url").map(Proxy::of_kubeconfig);
    let proxy = proxy.transpose().map_err(|why| {
        Failure::new("its `proxy-url` is not a usable proxy")
            .because(why)
            .hint("change it in the kubeconfig, as in `kubectl config set-cluster NAME --proxy-url http://proxy.example.com:3128`")
    })?;
    Ok(Server {
        url,
        name: cluster.text("tls-server-name").map(str::to_owned),
        trust: trust(cluster)?,
        proxy,
    })
}

fn trust(cluster: Entry<'_>) -> Result<ServerTrust> {
    let data = content(cluster, "certificate-authority")?;
    if cluster.value()["insecure-skip-tls-verify"] == Value::Bool(true) {
        return match data {
            // client-go: "specifying a root certificates file with the insecure flag is not allowed".
            Some(_) => Err(Failure::new(
                "it has both a certificate authority and `insecure-skip-tls-verify`",
            )),
            None => Ok(ServerTrust::Anything),
        };
    }
    Ok(match data {
        Some(pem) => ServerTrust::Authorities(pem),
        None => ServerTrust::System,
    })
}

/// The content of a file that a field names, or of the field beside it that holds it, which counts first.
fn content(entry: Entry<'_>, field: &str) -> Result<Option<Vec<u8>>> {
    if let Some(data) = entry.text(&format!("{field}-data")) {
        let decoded = STANDARD.decode(data.trim());
        let unusable = |_| Failure::new(format!("its `{field}-data` is not base64"));
        return decoded.map(Some).map_err(unusable);
    }
    entry.path(field).map(|path| read(&path, field)).transpose()
}

fn read(path: &PathBuf, field: &str) -> Result<Vec<u8>> {
    fs::read(path).map_err(|e| {
        let path = path.display();
        Failure::new(format!("`{path}`, its `{field}`, can't be read")).because(e)
    })
}

fn user(user: Entry<'_>, cluster: Entry<'_>) -> Result<User> {
    let text = |key: &str| user.text(key).map(str::to_owned);
    let certificate = content(user, "client-certificate")?;
    let key = content(user, "client-key")?;
    let certificate = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(ClientIdentity {
            certificate,
            key: Secret::new(String::from_utf8_lossy(&key).into_owned()),
        }),
        (None, None) => None,
        _ => {
            return Err(Failure::new(
                "its user has a certificate or a key, and not both",
            ));
        }
    };
    let credential = if let Some(file) = user.path("tokenFile") {
        let token = read(&file, "tokenFile")?;
        let token = String::from_utf8_lossy(&token);
        Credential::Token(Secret::new(token.trim()))
    } else if let Some(token) = text("token") {
        Credential::Token(Secret::new(token))
    } else if let Some(name) = text("username") {
        let password = text("password").unwrap_or_default();
        Credential::Password(Secret::new(format!("{name}:{password}")))
    } else if user.value().get("exec").is_some_and(Value::is_object) {
        Credential::SignIn(sign_in(user, cluster)?)
    } else if user
        .value()
        .get("auth-provider")
        .is_some_and(Value::is_object)
    {
        return Err(
            Failure::new("its user has an `auth-provider`, which kubectl no longer knows")
                .hint("`kubectl aad convert-kubeconfig` replaces it"),
        );
    } else if certificate.is_some() {
        Credential::None
    } else {
        return Err(Failure::new("its user has no credential"));
    };
    Ok(User {
        certificate,
        credential,
        impersonation: impersonation(user),
    })
}

fn sign_in(user: Entry<'_>, cluster: Entry<'_>) -> Result<SignIn> {
    let plugin = exec_plugin::read(user, cluster)?;
    let source = Source::of(user.value());
    let is_ours = source.is_some_and(|source| source.plugin == SourcePlugin::Ours);
    if !is_ours || ExecArgs::parse(&plugin.args).is_err() {
        return Ok(SignIn::Plugin(plugin));
    }
    Ok(SignIn::Ours(TokenCall {
        args: plugin.args,
        env: plugin.env,
    }))
}

/// The headers of client-go's `ImpersonationConfig`.
fn impersonation(user: Entry<'_>) -> Vec<(&'static str, Secret)> {
    let one = [("as", "impersonate-user"), ("as-uid", "impersonate-uid")];
    let one = one.into_iter().filter_map(|(key, header)| {
        let value = user.text(key)?;
        Some((header, Secret::new(value)))
    });
    let groups = user.value()["as-groups"].as_array();
    let groups = groups.into_iter().flatten().filter_map(Value::as_str);
    let groups = groups.map(|group| ("impersonate-group", Secret::new(group)));
    one.chain(groups).collect()
}
