//! The raw values of a sign-in, each with its origin: flag, variable, configuration file, exec entry or default.
//!
//! [`super::resolve`] validates them.

use std::{collections::BTreeMap, fmt, sync::Arc};

use zeroize::Zeroize;

use super::{
    AKS_CLIENT_ID, AKS_SERVER_ID, LoginMode, PARAMS, PLATFORM_VARIABLES, Param, Place, Takes,
    Variable, When,
};
use crate::{
    error::{Failure, Result},
    host::Host,
};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag on this command line.
    Flag,
    /// A variable.
    Variable(&'static str),
    /// The configuration file, which a variable overrides.
    File(Arc<Place>),
    /// The arguments of a kubeconfig's exec entry.
    ExecEntry,
    /// The command's own default.
    Default,
}

/// Which of flag and variable wins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Precedence {
    /// Kubelogin's: a variable that is set, even to nothing, replaces the flag.
    #[default]
    VariablesFirst,
    /// For commands that a person types: a flag that is given stands, and only
    /// variables that were set for the mode count (`Variable::sync`).
    FlagsFirst,
}

#[derive(Clone)]
struct Value {
    text: String,
    origin: Origin,
    secret: bool,
}

impl Drop for Value {
    fn drop(&mut self) {
        // A cached token would feel it if every value were overwritten.
        if self.secret {
            self.text.zeroize();
        }
    }
}

/// Raw values, each with its origin. Secret ones are redacted in `Debug`.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    values: BTreeMap<Param, Value>,
    precedence: Precedence,
    /// Whether this is the second sign-in of `sync` and `list`, whose flags
    /// have names of their own.
    second: bool,
}

impl Settings {
    /// No values.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Sets a value.
    pub(crate) fn set(&mut self, param: Param, text: impl Into<String>, origin: Origin) {
        let value = Value {
            text: text.into(),
            origin,
            secret: param.row().secret,
        };
        self.values.insert(param, value);
    }

    /// Sets a value if there is none.
    pub(crate) fn set_default(&mut self, param: Param, text: impl Into<String>) {
        if !self.values.contains_key(&param) {
            self.set(param, text, Origin::Default);
        }
    }

    /// The same values with absolute paths, for use in another directory or by another user.
    #[must_use]
    pub(crate) fn with_full_paths(mut self, host: &Host) -> Self {
        for row in PARAMS.iter().filter(|row| row.is_path()) {
            let Some(value) = self
                .values
                .get_mut(&row.param)
                .filter(|v| !v.text.is_empty())
            else {
                continue;
            };
            let path = std::path::absolute(host.path(value.text.as_str()));
            if let Some(text) = path
                .ok()
                .and_then(|path| path.into_os_string().into_string().ok())
            {
                value.text = text;
            }
        }
        self
    }

    /// The client for a sign-in of this mode in which nothing names one: AKS's own, for AKS's own server application.
    /// An empty value names one that is missing, such as that of an unset variable in a script.
    pub(crate) fn default_client(&self, mode: LoginMode) -> Option<&'static str> {
        (mode.has_default_client() && self.get(Param::ClientId).is_none() && self.is_for_aks())
            .then_some(AKS_CLIENT_ID)
    }

    /// Whether the tokens are for AKS's own server application.
    fn is_for_aks(&self) -> bool {
        self.get(Param::ServerId)
            .is_some_and(|id| id.eq_ignore_ascii_case(AKS_SERVER_ID))
    }

    /// Why a missing client has no default, if the server application is the reason.
    pub(crate) fn why_no_default_client(&self, mode: LoginMode) -> Option<String> {
        let server = self.text(Param::ServerId)?;
        (mode.has_default_client() && !self.is_for_aks()).then(|| {
            format!("AKS's public client is the default only for AKS's own server application, which `{server}` is not")
        })
    }

    /// Removes a value.
    pub(crate) fn remove(&mut self, param: Param) {
        self.values.remove(&param);
    }

    /// The same values without secrets.
    #[must_use]
    pub(crate) fn without_secrets(&self) -> Self {
        let open = self.values.iter().filter(|(_, value)| !value.secret);
        Self {
            values: open.map(|(param, value)| (*param, value.clone())).collect(),
            ..*self
        }
    }

    /// The value, which may be empty.
    pub(crate) fn get(&self, param: Param) -> Option<&str> {
        self.values.get(&param).map(|value| value.text.as_str())
    }

    /// The value, unless it is empty.
    pub(crate) fn text(&self, param: Param) -> Option<&str> {
        self.get(param).filter(|text| !text.is_empty())
    }

    /// Whether a switch is on.
    pub(crate) fn is_on(&self, param: Param) -> bool {
        self.get(param).and_then(parse_bool).unwrap_or(false)
    }

    /// Where the value came from.
    pub(crate) fn origin(&self, param: Param) -> Option<&Origin> {
        self.values.get(&param).map(|value| &value.origin)
    }

    /// Says that the configuration file gave the value, if there is one.
    pub(crate) fn set_place(&mut self, param: Param, place: &Arc<Place>) {
        if let Some(value) = self.values.get_mut(&param) {
            value.origin = Origin::File(Arc::clone(place));
        }
    }

    /// Whether a flag of this command line gave the value.
    pub(crate) fn is_flag(&self, param: Param) -> bool {
        self.origin(param) == Some(&Origin::Flag)
    }

    /// Whether a flag or the configuration file gave the value.
    pub(crate) fn is_given(&self, param: Param) -> bool {
        matches!(self.origin(param), Some(Origin::Flag | Origin::File(_)))
    }

    /// Where the configuration file gives the value, if it does.
    pub(crate) fn place(&self, param: Param) -> Option<&Arc<Place>> {
        match self.origin(param) {
            Some(Origin::File(place)) => Some(place),
            _ => None,
        }
    }

    /// The value's flag, or its key and place in the configuration file, in backquotes.
    pub(crate) fn named(&self, param: Param) -> String {
        match self.place(param) {
            Some(place) => place.to_string(),
            None => format!("`{}`", self.flag(param)),
        }
    }

    /// The parameters that have a value.
    pub(crate) fn params(&self) -> impl Iterator<Item = Param> + '_ {
        self.values.keys().copied()
    }

    /// The login mode.
    ///
    /// # Errors
    /// A usage error when the name is unknown.
    pub(crate) fn mode(&self) -> Result<LoginMode> {
        LoginMode::parse(self.get(Param::Login).unwrap_or_default())
            .map_err(|failure| self.blame(failure, Param::Login))
    }

    /// Marks these as the second sign-in, so that errors name its flags.
    #[must_use]
    pub(crate) fn second(mut self) -> Self {
        self.second = true;
        self
    }

    /// The parameter's flag for this sign-in.
    pub(crate) fn flag(&self, param: Param) -> String {
        if self.second {
            param.arm_dashed()
        } else {
            param.dashed()
        }
    }

    /// Adds to an error about a value the variable, or the place in the configuration file, that gave it, if one did.
    pub(crate) fn blame(&self, failure: Failure, param: Param) -> Failure {
        match self.origin(param) {
            Some(Origin::Variable(name)) => super::variable::blame(failure, name),
            Some(Origin::File(place)) => place.blame(failure),
            _ => failure,
        }
    }

    /// The variables that gave values that the mode uses.
    pub(crate) fn variables_used(&self) -> Vec<(Param, &'static str)> {
        let mode = self.mode().ok();
        self.values
            .iter()
            .filter(|(param, _)| mode.is_none_or(|mode| mode.uses(**param)))
            .filter_map(|(param, value)| match value.origin {
                Origin::Variable(name) => Some((*param, name)),
                _ => None,
            })
            .collect()
    }

    /// Adds the values of variables.
    ///
    /// Without `--env-secrets-only` the order for `get-token` is kubelogin's
    /// (`pkg/internal/token/options.go`, v0.2.19): within a parameter the last
    /// variable that is set wins, Terraform's names replace the usual ones, the
    /// login mode is read before what depends on it, and an unreadable timeout
    /// is ignored.
    #[must_use]
    pub(crate) fn with_variables(mut self, host: &Host, precedence: Precedence) -> Self {
        self.precedence = precedence;
        self.read_variables(Param::Login, host);
        for row in PARAMS.iter().filter(|row| row.param != Param::Login) {
            self.read_variables(row.param, host);
        }
        if precedence == Precedence::FlagsFirst {
            self.drop_what_is_replaced(host);
        }
        self
    }

    /// The variables that can set a parameter with these settings; the last one
    /// that is set wins.
    pub(crate) fn counting(&self, param: Param) -> impl Iterator<Item = &'static Variable> + use<> {
        let row = param.row();
        let off = self.is_on(Param::DisableEnvironmentOverride)
            || (self.is_on(Param::EnvSecretsOnly) && !row.at_use);
        let terraform = self.is_on(Param::UseAzureRmEnvVars);
        let typed = self.precedence == Precedence::FlagsFirst;
        let mode = self.mode().ok();
        row.variables.iter().filter(move |variable| {
            let meant = match variable.when {
                When::Always => true,
                When::Usual => !terraform,
                When::Terraform => terraform,
                When::Mode(wanted) | When::ModeIfUnset(wanted) => mode == Some(wanted),
            };
            let for_sync = mode.map_or(variable.when == When::Always, |mode| {
                variable.is_read_by_sync_in(mode)
            });
            !off && meant && (!typed || for_sync)
        })
    }

    /// Whether what is named wins over every variable.
    pub(super) fn names_win(&self) -> bool {
        self.precedence == Precedence::FlagsFirst || self.is_on(Param::EnvSecretsOnly)
    }

    /// Whether a flag or an entry named the value.
    pub(super) fn is_named(&self, param: Param) -> bool {
        match self.origin(param) {
            Some(Origin::Flag | Origin::ExecEntry) => {
                self.precedence == Precedence::FlagsFirst || self.text(param).is_some()
            }
            _ => false,
        }
    }

    fn read_variables(&mut self, param: Param, host: &Host) {
        // Most are not set, and what counts takes time to find out, which a cached token would feel.
        let is_set = |variable: &Variable| host.var_os(variable.name).is_some();
        if !param.row().variables.iter().any(is_set) {
            return;
        }
        let (names_win, named) = (self.names_win(), self.is_named(param));
        for variable in self.counting(param) {
            let Some(text) = host.var(variable.name) else {
                continue;
            };
            let taken = match variable.when {
                When::ModeIfUnset(_) if self.place(param).is_none() => self.text(param).is_none(),
                _ if names_win => !named && !text.is_empty(),
                _ => true,
            };
            // Go reads a negative duration, and it is rejected later, as from a flag.
            let positive = text.strip_prefix('-').unwrap_or(text);
            let readable = param != Param::Timeout || super::duration::parse(positive).is_some();
            if taken && readable {
                self.set(param, text, Origin::Variable(variable.name));
            }
        }
    }

    /// Drops a value if one of a higher precedence says the same thing in another way.
    fn drop_what_is_replaced(&mut self, host: &Host) {
        let github = PLATFORM_VARIABLES
            .iter()
            .filter(|variable| variable.name.starts_with("ACTIONS_"))
            .all(|variable| host.var_nonempty(variable.name).is_some());
        let replaces = |by, param| self.rank(by) > self.rank(param);
        let replaced = [
            (
                Param::ClientCertificate,
                replaces(Param::ClientSecret, Param::ClientCertificate),
            ),
            (
                Param::AuthorityHost,
                replaces(Param::Environment, Param::AuthorityHost),
            ),
            // Like kubelogin: the job's own token comes first.
            (Param::FederatedTokenFile, github),
        ];
        for (param, replaced) in replaced {
            if replaced && !self.is_flag(param) {
                self.remove(param);
            }
        }
    }

    /// The precedence of where a value came from, 0 if there is none.
    fn rank(&self, param: Param) -> u8 {
        match self.origin(param) {
            None | Some(Origin::Default) => 0,
            Some(Origin::File(place)) if place.profile.is_none() => 1,
            Some(Origin::File(_)) => 2,
            Some(Origin::Variable(_)) => 3,
            Some(Origin::Flag | Origin::ExecEntry) => 4,
        }
    }

    /// Writes the values as arguments of `get-token`.
    ///
    /// Reading them again with [`super::ExecArgs::parse`] gives these values.
    pub(crate) fn to_args(&self) -> Vec<String> {
        let mut args = Vec::new();
        let mut values: Vec<_> = self.values.iter().collect();
        values.sort_by_key(|(param, _)| param.row().kubelogin_position);
        for (param, value) in values {
            let text = value.text.as_str();
            match param.row().takes {
                Takes::Value(_) => args.extend([param.dashed(), text.to_owned()]),
                Takes::Nothing if parse_bool(text) == Some(true) => args.push(param.dashed()),
                Takes::Nothing => args.push(format!("{}={text}", param.dashed())),
            }
        }
        args
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (param, value) in &self.values {
            let text = if param.row().secret {
                "[redacted]"
            } else {
                value.text.as_str()
            };
            map.entry(param, &(text, &value.origin));
        }
        map.finish()
    }
}

/// Reads a switch as Go's `strconv.ParseBool` does.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(pairs: &[(Param, &str)]) -> Settings {
        let mut settings = Settings::new();
        for (param, text) in pairs {
            settings.set(*param, *text, Origin::Flag);
        }
        settings
    }

    #[test]
    fn variables_replace_flags_for_kubelogin_and_fill_gaps_for_people() {
        let host = Host::with_env([
            ("AAD_SERVICE_PRINCIPAL_CLIENT_ID", "aad"),
            ("AZURE_CLIENT_ID", "azure"),
            ("AZURE_TENANT_ID", ""),
        ]);
        let given = flags(&[
            (Param::Login, "spn"),
            (Param::ClientId, "flag"),
            (Param::TenantId, "t"),
        ]);
        let kubelogin = given
            .clone()
            .with_variables(&host, Precedence::VariablesFirst);
        assert_eq!(kubelogin.get(Param::ClientId), Some("azure"));
        assert_eq!(kubelogin.get(Param::TenantId), Some(""));
        let person = given.with_variables(&host, Precedence::FlagsFirst);
        assert_eq!(person.get(Param::ClientId), Some("flag"));
        assert_eq!(person.get(Param::TenantId), Some("t"));
    }

    #[test]
    fn terraform_names_replace_the_usual_ones_when_asked_for() {
        let host = Host::with_env([("ARM_CLIENT_ID", "arm"), ("AZURE_CLIENT_ID", "azure")]);
        let usual = flags(&[(Param::Login, "spn")]);
        let terraform = flags(&[(Param::Login, "spn"), (Param::UseAzureRmEnvVars, "true")]);
        let read = |s: Settings| {
            s.with_variables(&host, Precedence::VariablesFirst)
                .get(Param::ClientId)
                .map(str::to_owned)
        };
        assert_eq!(read(usual), Some("azure".into()));
        assert_eq!(read(terraform), Some("arm".into()));
    }

    #[test]
    fn the_login_mode_is_read_before_what_depends_on_it() {
        let host = Host::with_env([
            ("AAD_LOGIN_METHOD", "workloadidentity"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/token"),
            ("AZURE_AUTHORITY_HOST", "https://login.example/"),
        ]);
        let settings =
            flags(&[(Param::Login, "spn")]).with_variables(&host, Precedence::VariablesFirst);
        assert_eq!(settings.get(Param::FederatedTokenFile), Some("/token"));
        assert_eq!(
            settings.origin(Param::AuthorityHost),
            Some(&Origin::Variable("AZURE_AUTHORITY_HOST"))
        );
        let other = flags(&[
            (Param::Login, "msi"),
            (Param::DisableEnvironmentOverride, "true"),
        ])
        .with_variables(&host, Precedence::VariablesFirst);
        assert_eq!(other.get(Param::Login), Some("msi"));
        assert_eq!(other.get(Param::FederatedTokenFile), None);
    }

    #[test]
    fn service_connection_variables_only_fill_gaps() {
        let host = Host::with_env([
            ("AZURESUBSCRIPTION_CLIENT_ID", "connection"),
            ("AZURESUBSCRIPTION_TENANT_ID", "tenant"),
        ]);
        let settings = flags(&[(Param::Login, "azurepipelines"), (Param::ClientId, "flag")])
            .with_variables(&host, Precedence::VariablesFirst);
        assert_eq!(settings.get(Param::ClientId), Some("flag"));
        assert_eq!(settings.get(Param::TenantId), Some("tenant"));
    }

    #[test]
    fn an_unreadable_timeout_variable_is_passed_over() {
        let host = Host::with_env([("AZURE_CLI_TIMEOUT", "soon")]);
        let settings =
            flags(&[(Param::Timeout, "5s")]).with_variables(&host, Precedence::VariablesFirst);
        assert_eq!(settings.get(Param::Timeout), Some("5s"));
        // Readable, and rejected later, as from a flag.
        for text in ["0s", "-1s", "-1m30s"] {
            let host = Host::with_env([("AZURE_CLI_TIMEOUT", text)]);
            let settings =
                flags(&[(Param::Timeout, "5s")]).with_variables(&host, Precedence::VariablesFirst);
            assert_eq!(settings.get(Param::Timeout), Some(text));
        }
    }

    #[cfg(unix)]
    #[test]
    fn paths_are_made_full_and_nothing_else_is() {
        let given = [
            (Param::CacheDir, "~/c"),
            (Param::ClientCertificate, "d/c.pem"),
            (Param::FederatedTokenFile, ""),
            (Param::TenantId, "~/t"),
        ];
        let full = flags(&given).with_full_paths(&Host::with_env([("HOME", "/h")]));
        assert_eq!(full.get(Param::CacheDir), Some("/h/c"));
        let path = std::path::absolute("d/c.pem").expect("a current directory");
        assert_eq!(full.get(Param::ClientCertificate), path.to_str());
        assert_eq!(full.get(Param::FederatedTokenFile), Some(""));
        assert_eq!(full.get(Param::TenantId), Some("~/t"));
        assert!(full.is_flag(Param::CacheDir));
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let settings = flags(&[(Param::ClientSecret, "hunter2"), (Param::ClientId, "id")]);
        let shown = format!("{settings:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("id"));
    }
}
