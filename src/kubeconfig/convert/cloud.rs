//! The cloud of an entry that does not name it, because `az`, `azd` or the machine knows it, or because it has an endpoint
//! instead: in the new mode it has to be named, or the entry would sign in at the public cloud.

use super::{
    builder::{Builder, carried},
    exec::is_ours,
};
use crate::{
    clouds::{self, CLOUDS, CloudRow},
    error::{Code, Failure, Result},
    login::{LoginMode, Origin, Param, Settings},
    tool_config::AZ_CLOUD_VARIABLE,
};
use serde_json::{Map, Value};
use url::Url;

/// What says which cloud an entry is for.
struct Claim {
    /// As a clause of an error.
    text: String,
    /// The cloud; none if it is not a known one.
    cloud: Option<&'static CloudRow>,
}

impl Builder<'_> {
    /// Names the entry's cloud, unless it is the public one, a flag names one, or the entry restores what it said.
    ///
    /// For `workloadidentity` and `azurepipelines` kubelogin drops the cloud, and so it is dropped for kubelogin.
    ///
    /// # Errors
    /// If the cloud is not a known one, or what says so disagrees.
    pub(super) fn name_the_cloud(
        &self,
        user: &Map<String, Value>,
        out: &mut Settings,
    ) -> Result<()> {
        let given = |param| self.target.flag(param).is_some_and(|text| !text.is_empty());
        let mode = self.target.mode;
        let is_written = knows_the_cloud(mode) || is_ours(&self.target.request.exec_command);
        let restores = self.restored.params().next().is_some();
        let endpoint = mode.converts(Param::AuthorityHost) && given(Param::AuthorityHost);
        // As for kubelogin, an empty name means the public cloud.
        let flag = self.target.flag(Param::Environment).is_some();
        let decided = self.keeps || restores || endpoint || flag;
        if !mode.uses(Param::Environment) || !is_written || decided {
            return Ok(());
        }
        let named = carried(self.source.settings(), Param::Environment)
            .or_else(|| self.remembered(Param::Environment));
        let name = match named {
            Some(name) if knows_the_cloud(self.source.mode) || clouds::find(name).is_none() => {
                Some(name)
            }
            named => self.claimed(named, user)?.map(|row| row.name),
        };
        if let Some(name) = name.filter(|name| !is_public(name)) {
            out.set(Param::Environment, name, Origin::ExecEntry);
        }
        Ok(())
    }

    /// The cloud that everything in and around the entry agrees on; none if nothing tells. Of an entry whose mode names
    /// its cloud only the endpoint counts, which the new mode does not take over.
    fn claimed(
        &self,
        named: Option<&str>,
        user: &Map<String, Value>,
    ) -> Result<Option<&'static CloudRow>> {
        let claims = self.claims(named, user);
        let Some(first) = claims.first() else {
            return Ok(None);
        };
        let name = |claim: &Claim| claim.cloud.map(|row| row.name);
        if first.cloud.is_some() && claims.iter().all(|claim| name(claim) == name(first)) {
            return Ok(first.cloud);
        }
        let why: Vec<_> = claims.into_iter().map(|claim| claim.text).collect();
        Err(
            Failure::usage("`--environment` is required: the entry's cloud is not certain")
                .because(why.join(", and "))
                .code(Code::MissingInput)
                .hint(format!("add `--environment CLOUD`: {}", clouds::names())),
        )
    }

    fn claims(&self, named: Option<&str>, user: &Map<String, Value>) -> Vec<Claim> {
        let mut claims = Vec::new();
        let mut add = |text, cloud| claims.push(Claim { text, cloud });
        let endpoint = carried(self.source.settings(), Param::AuthorityHost);
        if let Some((url, host)) = endpoint.and_then(|url| Some((url, host(url)?))) {
            let text = format!("its `--authority-host` is `{url}`");
            add(text, clouds::of_authority_host(&host));
        }
        if knows_the_cloud(self.source.mode) {
            return claims;
        }
        if let Some(name) = named {
            let text = format!("its `--environment` is `{name}`");
            add(text, clouds::find(name));
        }
        if let Some(name) = variable(user, AZ_CLOUD_VARIABLE) {
            let text = format!("`{AZ_CLOUD_VARIABLE}` in its `env` is `{name}`");
            add(text, clouds::find(name));
        }
        for host in self.around.servers.iter().filter_map(|server| host(server)) {
            if let Some(row) = clouds::of_api_server(&host) {
                add(format!("its server is `{host}`"), Some(row));
            }
        }
        claims
    }
}

/// Whether this is a name of the public cloud, which is the default.
pub(super) fn is_public(name: &str) -> bool {
    clouds::find(name).is_some_and(|row| row.name == CLOUDS[0].name)
}

/// Whether an entry of this mode that names no cloud is for the public one.
fn knows_the_cloud(mode: LoginMode) -> bool {
    mode.value_source(Param::Environment).reads_entry()
}

fn host(url: &str) -> Option<String> {
    Url::parse(url).ok()?.host_str().map(str::to_owned)
}

/// The value of a variable in an entry's `env`, unless it is empty. Of two, the last one counts.
fn variable<'a>(user: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    let env = user.get("exec")?.get("env")?.as_array()?;
    let mut same = env.iter().rev().filter(|variable| variable["name"] == name);
    let value = same.next()?.get("value")?.as_str()?;
    Some(value).filter(|value| !value.is_empty())
}
