//! What entries are converted to: flags and variables, validated.

use super::{exec::is_ours, notes};
use crate::{
    error::{Failure, Result},
    host::Host,
    login::{LoginMode, MODES, Origin, Param, Precedence, Settings},
};

/// What all entries are to be converted to.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The flags that were given.
    pub(super) given: Settings,
    /// The flags and variables as each mode reads them.
    effective: Vec<(LoginMode, Settings)>,
    /// `None` if each entry keeps its own.
    pub(super) mode: Option<LoginMode>,
    pub(super) exec_command: String,
    pub(super) azure_config_dir: Option<String>,
}

/// What one entry is to be converted to.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) request: &'a Request,
    pub(super) mode: LoginMode,
    /// Flags and variables.
    pub(super) effective: &'a Settings,
}

impl Request {
    /// Checks flags and variables as kubelogin does before it looks at a kubeconfig.
    ///
    /// If neither a flag nor `AAD_LOGIN_METHOD` names a mode, each entry keeps its own. With `keep_mode`
    /// it does so whatever the variable says.
    ///
    /// # Errors
    /// A usage error for an unknown mode, an unusable authority host or timeout, claims of a
    /// proof-of-possession token without `--pop-enabled`, and that in a mode without such tokens.
    pub(crate) fn new(
        given: Settings,
        host: &Host,
        exec_command: impl Into<String>,
        azure_config_dir: Option<String>,
        keep_mode: bool,
    ) -> Result<Self> {
        let with_variables = |given: &Settings| {
            given
                .clone()
                .with_variables(host, Precedence::VariablesFirst)
        };
        let named = with_variables(&given);
        let mode = match named.get(Param::Login) {
            Some(_) if !keep_mode => Some(named.mode()?),
            _ => None,
        };
        let modes = MODES.iter().map(|row| row.mode);
        let effective: Vec<_> = modes
            .filter(|one| mode.is_none_or(|mode| mode == *one))
            .map(|one| {
                let mut settings = given.clone();
                settings.set(Param::Login, one.name(), Origin::Flag);
                let read = with_variables(&settings);
                // A variable that names a mode says nothing to entries that keep theirs.
                let kept = mode.is_none() && read.mode().ok() != Some(one);
                (one, if kept { settings } else { read })
            })
            .collect();
        let mut common = named;
        common.set_default(Param::Login, LoginMode::DeviceCode.name());
        common.check()?;
        if common.text(Param::PopClaims).is_some() && !common.is_on(Param::PopEnabled) {
            return Err(Failure::usage("`--pop-claims` needs `--pop-enabled`")
                .hint("give both, or neither"));
        }
        let request = Self {
            given,
            effective,
            mode,
            exec_command: exec_command.into(),
            azure_config_dir: azure_config_dir.filter(|dir| !dir.is_empty()),
        };
        if let Some(mode) = mode {
            request.target(mode).check()?;
        }
        Ok(request)
    }

    /// The mode that entries are converted to; `None` where each keeps its own.
    pub(crate) fn mode(&self) -> Option<LoginMode> {
        self.mode
    }

    /// The plugin that converted entries run.
    pub(crate) fn exec_command(&self) -> &str {
        &self.exec_command
    }

    /// What an entry is converted to; `mode` is its own, which it keeps if no other was requested.
    pub(super) fn target(&self, mode: LoginMode) -> Target<'_> {
        let mode = self.mode.unwrap_or(mode);
        let found = self.effective.iter().find(|(one, _)| *one == mode);
        Target {
            request: self,
            mode,
            effective: found.map_or(&self.given, |(_, settings)| settings),
        }
    }

    /// What concerns all entries: flags without effect, secrets that are written.
    pub(crate) fn notes(&self) -> Vec<String> {
        match self.mode {
            Some(mode) => notes::of_flags(&self.target(mode)),
            None => Vec::new(),
        }
    }
}

impl<'a> Target<'a> {
    /// The same for an entry with these settings. In an entry that `sync` wrote, no variable replaces a
    /// flag, and so none does during the conversion.
    pub(super) fn for_entry(self, entry: &Settings) -> Self {
        if !self.keeps_env_secrets_only(entry) {
            return self;
        }
        Self {
            effective: &self.request.given,
            ..self
        }
    }

    /// Whether the entry keeps `--env-secrets-only`. In a new mode it becomes kubelogin's, in which variables
    /// take precedence.
    pub(super) fn keeps_env_secrets_only(&self, entry: &Settings) -> bool {
        is_ours(&self.request.exec_command) && entry.is_on(Param::EnvSecretsOnly)
    }

    /// A flag's value, where the flag was given: a variable may have replaced it.
    pub(super) fn flag(&self, param: Param) -> Option<&'a str> {
        self.request.given.get(param)?;
        self.effective.get(param)
    }

    /// Rejects values that can't be used, and `--pop-enabled` in a mode without PoP tokens: a plain token
    /// would be sent instead.
    pub(super) fn check(&self) -> Result<()> {
        self.effective.check()?;
        let mode = self.mode;
        let asked = self.request.given.get(Param::PopEnabled).is_some()
            && self.effective.is_on(Param::PopEnabled);
        if asked && !mode.converts(Param::PopEnabled) {
            let able: Vec<_> = MODES
                .iter()
                .filter(|row| row.mode.converts(Param::PopEnabled))
                .map(|row| row.name)
                .collect();
            return Err(
                Failure::usage(format!("`{mode}` has no proof-of-possession tokens")).hint(
                    format!(
                        "omit `--pop-enabled`, or use one of `{}`",
                        able.join("`, `")
                    ),
                ),
            );
        }
        Ok(())
    }
}
