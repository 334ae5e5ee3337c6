//! The settings of an entry in its new mode.

use super::{Around, Source, exec::is_ours, history, request::Target};
use crate::{
    error::{Code, Failure, Result},
    login::{LoginMode, Origin, PARAMS, Param, Settings, Takes, ValueSource},
    sentence::all_of,
};

/// Collects the settings of an entry in its new mode.
pub(super) struct Builder<'a> {
    pub(super) target: Target<'a>,
    pub(super) source: &'a Source,
    /// What the entry said when it last was in the new mode, or says now if it is.
    pub(super) restored: &'a Settings,
    /// What it said in other modes, the oldest first.
    pub(super) before: &'a [history::Before],
    /// Whether somebody changed the entry since it was converted, so that `before` is empty.
    pub(super) stale: bool,
    /// Whether the entry has the mode: what no flag names stays as it is.
    pub(super) keeps: bool,
    /// What is known of the entry's clusters.
    pub(super) around: &'a Around<'a>,
}

impl Builder<'_> {
    /// The entry's new settings.
    ///
    /// # Errors
    /// A usage error that names all that the mode needs and nothing gives.
    pub(super) fn settings(&self) -> Result<Settings> {
        let mode = self.target.mode;
        let mut out = if self.keeps {
            self.source.settings().clone()
        } else {
            let mut out = Settings::new();
            out.set(Param::Login, mode.name(), Origin::Flag);
            out
        };
        let mut missing = Vec::new();
        for row in PARAMS {
            let (param, source) = (row.param, mode.value_source(row.param));
            if !source.is_written() || (self.keeps && self.target.flag(param).is_none()) {
                continue;
            }
            let value = match row.takes {
                Takes::Value(_) if param == Param::ClientId => self
                    .value(param, source)
                    .or_else(|| self.default_client(&out)),
                Takes::Value(_) => self.value(param, source),
                Takes::Nothing => self.switch(param, source).then(|| "true".to_owned()),
            };
            match value {
                Some(value) => out.set(param, value, Origin::ExecEntry),
                None if source == ValueSource::Needed => missing.push(param),
                None => out.remove(param),
            }
        }
        if !missing.is_empty() {
            return Err(self.missing(&missing, &out));
        }
        if self.keeps && !is_ours(&self.target.request.exec_command) {
            self.name_the_client(&mut out);
        }
        self.one_credential(&mut out);
        if mode.converts(Param::PopEnabled) {
            self.proof_of_possession(&mut out)?;
        }
        if self.target.keeps_env_secrets_only(self.restored) {
            out.set(Param::EnvSecretsOnly, "true", Origin::ExecEntry);
        } else if self.keeps {
            out.remove(Param::EnvSecretsOnly);
        }
        Ok(out)
    }

    /// Keeps one of two credentials: a flag's replaces the entry's. Of two flags for `msi`, the first is
    /// written, as by kubelogin: Azure refuses two names of one identity.
    fn one_credential(&self, out: &mut Settings) {
        use Param::{
            ClientCertificate, ClientCertificatePassword, ClientId, ClientSecret,
            IdentityResourceId,
        };
        let given = |param| self.target.flag(param).is_some_and(|text| !text.is_empty());
        match self.target.mode {
            LoginMode::Msi if self.target.flag(ClientId).is_some() => {
                out.remove(IdentityResourceId);
            }
            LoginMode::Msi if given(IdentityResourceId) => out.remove(ClientId),
            LoginMode::Msi if !self.keeps && out.get(ClientId).is_some() => {
                out.remove(IdentityResourceId);
            }
            LoginMode::Spn if given(ClientCertificate) == given(ClientSecret) => {}
            LoginMode::Spn if given(ClientCertificate) => out.remove(ClientSecret),
            LoginMode::Spn => {
                out.remove(ClientCertificate);
                if self.target.flag(ClientCertificatePassword).is_none() {
                    out.remove(ClientCertificatePassword);
                }
            }
            _ => {}
        }
    }

    fn value(&self, param: Param, source: ValueSource) -> Option<String> {
        match self.target.flag(param) {
            Some("") if source != ValueSource::FlagOnly => None,
            Some(text) => Some(text.to_owned()),
            None => self.value_of_entry(param, source),
        }
    }

    /// AKS's own client, if neither a flag nor the entry names one for AKS's own server application, which `out` has.
    fn default_client(&self, out: &Settings) -> Option<String> {
        let named = self.target.flag(Param::ClientId).is_some();
        let client = out.default_client(self.target.mode);
        client.filter(|_| !named).map(str::to_owned)
    }

    /// Writes the client that `get-token` uses by default: kubelogin has no default.
    fn name_the_client(&self, out: &mut Settings) {
        if let Some(client) = self.default_client(out) {
            out.set(Param::ClientId, client, Origin::ExecEntry);
        }
    }

    fn switch(&self, param: Param, source: ValueSource) -> bool {
        match self.target.flag(param) {
            Some(_) if self.target.effective.is_on(param) => true,
            // kubelogin ignores `--legacy=false`: the entry's `--legacy` stays.
            Some(_) if param != Param::Legacy => false,
            _ => self.value_of_entry(param, source).is_some(),
        }
    }

    /// What the entry said when it last was in the new mode, else what it says now, else what it said
    /// before.
    fn value_of_entry(&self, param: Param, source: ValueSource) -> Option<String> {
        let restored = carried(self.restored, param);
        if !source.reads_entry() {
            return restored.map(str::to_owned);
        }
        restored
            .or_else(|| carried(self.source.settings(), param))
            .or_else(|| self.remembered(param))
            .map(str::to_owned)
    }

    /// What the entry's last mode that knew the parameter said. If the present one knows it, that
    /// decides, also by saying nothing.
    pub(super) fn remembered(&self, param: Param) -> Option<&str> {
        let knows = |mode: LoginMode| mode.value_source(param).reads_entry();
        if knows(self.source.mode) {
            return None;
        }
        let mut newest_first = self.before.iter().rev();
        let last = newest_first.find(|old| LoginMode::parse(&old.login).is_ok_and(knows))?;
        carried(last.args.settings(), param)
    }

    /// Makes the claims from the cluster's ARM id if no flag gives them.
    fn proof_of_possession(&self, out: &mut Settings) -> Result<()> {
        let flag = self.target.flag(Param::PopEnabled);
        if flag.is_some() && !out.is_on(Param::PopEnabled) {
            out.remove(Param::PopClaims);
        }
        if self.keeps && flag.is_none() {
            return Ok(());
        }
        let enabled = out.is_on(Param::PopEnabled);
        let claims = out.text(Param::PopClaims).is_some();
        match (enabled, claims, self.around.arm_id) {
            (true, false, Some(arm_id)) => {
                out.set(Param::PopClaims, format!("u={arm_id}"), Origin::ExecEntry);
                Ok(())
            }
            (true, false, None) => Err(Failure::usage(
                "`--pop-claims` is required with `--pop-enabled`",
            )
            .because("the entry does not say which cluster it is for")
            .hint("give `--pop-claims u=<ARM id of the cluster>`, and `--context` for only this cluster")),
            (false, true, _) => Err(Failure::usage(
                "`--pop-enabled` is required with `--pop-claims`",
            )),
            _ => Ok(()),
        }
    }

    /// The error for all that the mode needs and nothing gives.
    fn missing(&self, params: &[Param], out: &Settings) -> Failure {
        let mode = self.target.mode;
        let flags: Vec<String> = params.iter().map(|p| format!("`{}`", p.dashed())).collect();
        let given: Vec<String> = params
            .iter()
            .map(|p| format!("{} {}", p.dashed(), placeholder(*p)))
            .collect();
        let (are, it) = match params {
            [_] => ("is", "it"),
            _ => ("are", "them"),
        };
        let flags = all_of(&flags, "and");
        let failure = Failure::usage(format!("{flags} {are} required")).because(format!(
            "`{mode}` needs {it} and the entry does not have {it}"
        ));
        let failure = match out.why_no_default_client(mode) {
            Some(why) if params.contains(&Param::ClientId) => failure.because(why),
            _ => failure,
        };
        let failure = if self.stale {
            failure.because("the entry was changed since it was converted, so its earlier arguments are not used")
        } else {
            failure
        };
        failure
            .code(Code::MissingInput)
            .hint(format!("add `{}`", given.join(" ")))
    }
}

/// The value that conversion takes from an entry: not an empty one, and a switch only if it is on.
pub(super) fn carried(settings: &Settings, param: Param) -> Option<&str> {
    match param.row().takes {
        Takes::Value(_) => settings.text(param),
        Takes::Nothing => settings.is_on(param).then_some("true"),
    }
}

fn placeholder(param: Param) -> &'static str {
    match param.row().takes {
        Takes::Value(name) => name,
        Takes::Nothing => "",
    }
}
