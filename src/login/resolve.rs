//! Validates settings: from text to a sign-in.
//!
//! It rejects what kubelogin rejects, and says what to do.

use std::{path::PathBuf, time::Duration};

use url::Url;

use super::{LoginMode, PLATFORM_VARIABLES, Param, Principal, Settings, SignIn, duration};
use crate::{
    error::{Failure, Result},
    host::Host,
    sentence::all_of,
};

/// Kubelogin's default for `--timeout`.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// The default for a machine's identity service, which may be updating itself for 70 s.
const IDENTITY_SERVICE_TIMEOUT: Duration = Duration::from_secs(2 * 60);

/// How long getting a token may take in a mode if nobody says.
pub(crate) fn default_timeout(mode: LoginMode) -> Duration {
    match mode.row().principal {
        Principal::Machine => IDENTITY_SERVICE_TIMEOUT,
        _ => DEFAULT_TIMEOUT,
    }
}

/// Says that a flag has no effect with a mode, as chosen by `login`, for example `--login msi`.
pub(crate) fn no_effect(flag: &str, login: &str) -> String {
    format!("`{flag}` has no effect with `{login}`")
}

impl Settings {
    /// Validates the sign-in.
    ///
    /// # Errors
    /// A usage error that names the missing or unusable parameter, with the
    /// flag and the variables that set it.
    pub(crate) fn resolve(&self, host: &Host) -> Result<SignIn> {
        let mode = self.mode()?;
        if let Some(client) = self.default_client(mode) {
            let mut settings = self.clone();
            settings.set_default(Param::ClientId, client);
            return settings.resolve(host);
        }
        let authority_host = self.authority_host()?;
        let timeout = self.timeout()?;
        self.check_complete(mode, host)?;
        let login = self.login(mode, host)?;
        Ok(SignIn {
            login,
            tenant_id: self.owned(Param::TenantId),
            server_id: self.owned(Param::ServerId).unwrap_or_default(),
            authority_host,
            environment: self.owned(Param::Environment),
            timeout,
            cache_dir: self.text(Param::CacheDir).map(PathBuf::from),
            token_store: self.owned(Param::TokenStore),
            variables: self.variables_used(),
            settings: self.without_secrets(),
        })
    }

    /// Checks what can be checked without knowing whether the rest is there:
    /// the mode, the authority host and the timeout.
    ///
    /// # Errors
    /// A usage error that names the unusable one.
    pub(crate) fn check(&self) -> Result<()> {
        self.mode()?;
        self.authority_host()?;
        self.timeout()?;
        Ok(())
    }

    /// The values that were given and have no effect in the mode.
    ///
    /// None if a variable chose the mode: `AAD_LOGIN_METHOD` is used with flags that were written for another
    /// one. Of a file only those that were written for the mode: in the part that chooses it, or in a profile beside it.
    pub(crate) fn unused(&self) -> Vec<Param> {
        let Ok(mode) = self.mode() else {
            return Vec::new();
        };
        let is_for_mode = |param| match (self.place(Param::Login), self.place(param)) {
            (Some(login), Some(place)) => login.profile.is_none() || login.profile == place.profile,
            (login, _) => (login.is_some() || self.is_flag(Param::Login)) && self.is_flag(param),
        };
        let unused = self.params().filter(|param| !mode.uses(*param));
        unused.filter(|param| is_for_mode(*param)).collect()
    }

    /// Checks that the mode has everything that it needs.
    ///
    /// # Errors
    /// A usage error that names all that is missing, each with its flag and the
    /// variables that count here.
    fn check_complete(&self, mode: LoginMode, host: &Host) -> Result<()> {
        let mut missing = self.missing(mode);
        let has = |param| self.text(param).is_some();
        match mode {
            LoginMode::Spn if !has(Param::ClientCertificate) && !has(Param::ClientSecret) => {
                missing.push(Param::ClientSecret);
            }
            LoginMode::WorkloadIdentity if self.federated_token(host).is_err() => {
                missing.push(Param::FederatedTokenFile);
            }
            _ => {}
        }
        let platform: Vec<&str> = PLATFORM_VARIABLES
            .iter()
            .filter(|variable| {
                variable.mode == mode
                    && mode == LoginMode::AzurePipelines
                    && host.var_nonempty(variable.name).is_none()
            })
            .map(|variable| variable.name)
            .collect();
        if missing.is_empty() && platform.is_empty() {
            return Ok(());
        }
        let mut failure = self.incomplete(mode, &missing, &platform);
        if missing.contains(&Param::ClientId)
            && let Some(why) = self.why_no_default_client(mode)
        {
            failure = failure.because(why);
        }
        let in_github = host.var("GITHUB_ACTIONS") == Some("true");
        if !in_github || !missing.contains(&Param::FederatedTokenFile) {
            return Err(failure);
        }
        let others = failure.hint_text().unwrap_or_default().to_owned();
        Err(failure.hint(format!(
            "give the job `permissions: id-token: write`, so that GitHub Actions sets `ACTIONS_ID_TOKEN_REQUEST_URL` \
             and `ACTIONS_ID_TOKEN_REQUEST_TOKEN`; otherwise {others}"
        )))
    }

    /// The required parameters that have no value.
    pub(crate) fn missing(&self, mode: LoginMode) -> Vec<Param> {
        mode.required()
            .filter(|param| self.text(*param).is_none())
            .collect()
    }

    /// The error for all missing values, each with the flags and variables that give it in this mode.
    pub(crate) fn incomplete(
        &self,
        mode: LoginMode,
        missing: &[Param],
        platform: &[&str],
    ) -> Failure {
        let flags = missing
            .iter()
            .map(|param| format!("`{}`", self.flag(*param)));
        let variables = platform.iter().map(|name| format!("`{name}`"));
        let wanted: Vec<String> = flags.chain(variables).collect();
        let failure = Failure::usage(format!(
            "login mode `{mode}` needs {}",
            all_of(&wanted, "and")
        ));
        let mut ways: Vec<String> = missing.iter().map(|param| self.ways(*param)).collect();
        if !platform.is_empty() {
            ways.push(
                "map the token in the step: `env: { SYSTEM_ACCESSTOKEN: $(System.AccessToken) }`; \
                 the others are set by Azure Pipelines in an AzureCLI task"
                    .to_owned(),
            );
        }
        failure.hint(ways.join("; "))
    }

    /// How a value can be given.
    fn ways(&self, param: Param) -> String {
        // A certificate can replace the secret.
        let other = match param {
            Param::ClientSecret => Some(Param::ClientCertificate),
            _ => None,
        };
        // Without the former names of the same variables.
        let mut names: Vec<String> = Vec::new();
        for variable in self
            .counting(param)
            .chain(other.into_iter().flat_map(|other| self.counting(other)))
            .filter(|variable| !variable.name.starts_with("AAD_SERVICE_PRINCIPAL_"))
        {
            let name = format!("`{}`", variable.name);
            // A variable can count in two ways.
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let flag = match (param.row().secret, other) {
            (true, Some(other)) => Some(other),
            (true, None) if !names.is_empty() => None,
            _ => Some(param),
        };
        let add = flag.map(|flag| format!("add `{}`", self.flag(flag)));
        let set = (!names.is_empty()).then(|| format!("set {}", all_of(&names, "or")));
        let ways: Vec<String> = add.into_iter().chain(set).collect();
        ways.join(" or ")
    }

    fn authority_host(&self) -> Result<Option<String>> {
        let Some(text) = self.text(Param::AuthorityHost) else {
            return Ok(None);
        };
        let refused = |why: &str| {
            let failure = Failure::usage(format!("`{text}` is not a valid authority host: {why}"))
                .hint("give a URL such as `https://login.microsoftonline.com/`");
            self.blame(failure, Param::AuthorityHost)
        };
        let url = Url::parse(text).map_err(|_| refused("it is not a URL"))?;
        if url.host().is_none() {
            return Err(refused("it has no host"));
        }
        if let Some(why) = repaired(text, &url) {
            return Err(refused(why));
        }
        if !text.ends_with('/') {
            return Err(refused("it must end with a slash"));
        }
        crate::host::http::require_tls(&url)
            .map_err(|failure| self.blame(failure, Param::AuthorityHost))?;
        Ok(Some(text.to_owned()))
    }

    fn timeout(&self) -> Result<Duration> {
        let Some(text) = self.get(Param::Timeout) else {
            return Ok(default_timeout(self.mode()?));
        };
        duration::parse(text)
            .filter(|duration| !duration.is_zero())
            .ok_or_else(|| {
                let failure = Failure::usage(format!("`{text}` is not a valid timeout"))
                    .hint("give a duration above zero, such as `90s` or `1m30s`");
                self.blame(failure, Param::Timeout)
            })
    }
}

/// Why a URL is not what it looks like. URL parsing repairs mistakes (`https:///x/` gets the host `x`), and a secret
/// would be sent there.
fn repaired(text: &str, url: &Url) -> Option<&'static str> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    let authority = text.split_once("://").map_or("", |(_, rest)| rest);
    if text.contains(odd) {
        Some("it contains whitespace or a backslash")
    } else if authority.is_empty() || authority.starts_with(['/', ':', '?', '#', '@']) {
        Some("it has no host")
    } else if !url.username().is_empty() || url.password().is_some() || authority.contains('@') {
        Some("it names a user")
    } else if url.query().is_some() || url.fragment().is_some() {
        Some("it has a query or a fragment")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::{AKS_CLIENT_ID, Origin, PopClaims};

    fn resolve(pairs: &[(Param, &str)]) -> Result<SignIn> {
        let mut settings = Settings::new();
        for (param, text) in pairs {
            settings.set(*param, *text, Origin::Flag);
        }
        settings.resolve(&Host::with_env::<&str, &str>([]))
    }

    #[test]
    fn a_missing_parameter_names_its_flag_and_its_variables() {
        let failure = resolve(&[
            (Param::Login, "spn"),
            (Param::ClientId, "c"),
            (Param::TenantId, "t"),
        ])
        .expect_err("the secret is missing");
        let shown = failure.render();
        assert!(shown.contains("`--client-secret`"), "{shown}");
        assert!(shown.contains("AZURE_CLIENT_SECRET"), "{shown}");
    }

    #[test]
    fn a_person_signs_in_to_akss_server_through_akss_client_unless_one_is_named() {
        let client = |mode: &str, more: &[(Param, &str)]| {
            let base = [
                (Param::Login, mode),
                (Param::TenantId, "t"),
                (Param::ServerId, "6DAE42F8-4368-4678-94FF-3960E28E3630"),
                (Param::Username, "u"),
                (Param::Password, "p"),
                (Param::ClientSecret, "s"),
            ];
            let sign_in = resolve(&[&base[..], more].concat());
            sign_in.map(|it| it.settings.text(Param::ClientId).map(str::to_owned))
        };
        let is_aks = |found: Result<Option<String>>| {
            found.ok().flatten().is_some_and(|id| id == AKS_CLIENT_ID)
        };
        for mode in ["devicecode", "interactive", "ropc"] {
            assert!(is_aks(client(mode, &[])), "{mode}");
            let named = client(mode, &[(Param::ClientId, "c")]).expect("complete");
            assert_eq!(named.as_deref(), Some("c"));
            assert!(client(mode, &[(Param::ClientId, "")]).is_err());
            let failure = client(mode, &[(Param::ServerId, "x")]).expect_err("no client");
            assert!(failure.render().contains("which `x` is not"));
        }
        assert!(client("spn", &[]).is_err());
        let machine = client("msi", &[]).expect("complete");
        assert_eq!(machine, None);
    }

    #[test]
    fn an_authority_host_needs_tls_and_a_slash() {
        let with = |host| resolve(&[(Param::Login, "msi"), (Param::AuthorityHost, host)]);
        assert!(with("https://login.example/").is_ok());
        assert!(with("https://127.0.0.1:8443/").is_ok());
        for bad in [
            "login.example/",
            "https://login.example",
            "http://login.example/",
            "https:///login.example/",
            "https:login.example/",
            r"https:\\login.example/",
            "https://login.example\t/",
            " https://login.example/",
            "https://a@login.example/",
            "https://login.example/?x/",
            "https://login.example/#/",
        ] {
            assert!(with(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn pop_takes_both_flags_or_neither() {
        let base = [
            (Param::Login, "spn"),
            (Param::ClientId, "c"),
            (Param::TenantId, "t"),
            (Param::ClientSecret, "s"),
        ];
        let with = |more: &[(Param, &str)]| resolve(&[&base[..], more].concat());
        assert!(with(&[(Param::PopEnabled, "true")]).is_err());
        assert!(with(&[(Param::PopClaims, "u=x")]).is_err());
        assert!(
            with(&[
                (Param::PopEnabled, "true"),
                (Param::PopClaims, "u=/a, k = v")
            ])
            .is_ok()
        );
        for bad in ["x=y", "u=", "u", "u=1,", " "] {
            assert!(PopClaims::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn flags_that_the_mode_does_not_use_are_named() {
        let mut settings = Settings::new();
        settings.set(Param::Login, "msi", Origin::Flag);
        settings.set(Param::Legacy, "true", Origin::Flag);
        settings.set(Param::ClientId, "c", Origin::Flag);
        assert_eq!(settings.unused(), [Param::Legacy]);
        settings.set(Param::Login, "msi", Origin::Variable("AAD_LOGIN_METHOD"));
        assert!(settings.unused().is_empty());
    }
}
