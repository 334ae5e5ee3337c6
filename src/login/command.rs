//! The commands that hints show.
//!
//! They are made from the settings, so that they use the same cloud, cache and account as the person's own command.
//! They contain no secret and print no token.

use std::fmt;

use super::{Param, Settings, SignIn, Takes};
use crate::host::Host;

/// A command, quoted for a shell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CommandLine {
    variables: Vec<(String, String)>,
    words: Vec<String>,
    silent: bool,
}

impl CommandLine {
    /// A program with its subcommands, as they are typed.
    pub(crate) fn new(program: &str) -> Self {
        Self {
            words: vec![program.to_owned()],
            ..Self::default()
        }
    }

    /// Sets a variable for this command.
    #[must_use]
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a variable that the host has, unless it is empty.
    #[must_use]
    pub(crate) fn variable_of(self, host: &Host, name: &str) -> Self {
        match host.var_nonempty(name) {
            Some(value) => self.variable(name, value),
            None => self,
        }
    }

    /// Adds a word.
    #[must_use]
    pub(crate) fn word(mut self, word: &str) -> Self {
        self.words.push(quoted(word));
        self
    }

    /// Adds a word that may begin with a dash and is no flag.
    #[must_use]
    pub(crate) fn name(self, name: &str) -> Self {
        let line = match name.starts_with('-') {
            true => self.word("--"),
            false => self,
        };
        line.word(name)
    }

    /// Adds a flag with its value.
    #[must_use]
    pub(crate) fn flag(self, flag: &str, value: &str) -> Self {
        self.word(flag).word(value)
    }

    /// Adds a flag unless its value is empty.
    #[must_use]
    pub(crate) fn flag_some(self, flag: &str, value: &str) -> Self {
        match value {
            "" => self,
            value => self.flag(flag, value),
        }
    }

    /// Adds the settings, except secrets.
    #[must_use]
    pub(crate) fn settings(self, settings: &Settings) -> Self {
        let open = settings.without_secrets();
        open.to_args().iter().fold(self, |line, arg| line.word(arg))
    }

    /// Discards its output: a token.
    #[must_use]
    pub(crate) fn silent(mut self) -> Self {
        self.silent = true;
        self
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.variables {
            match (cfg!(windows), value.is_empty()) {
                (true, _) => write!(f, "$env:{name}={}; ", quoted(value))?,
                (false, true) => write!(f, "{name}= ")?,
                (false, false) => write!(f, "{name}={} ", quoted(value))?,
            }
        }
        f.write_str(&self.words.join(" "))?;
        match (self.silent, cfg!(windows)) {
            (false, _) => Ok(()),
            (true, false) => f.write_str(" > /dev/null"),
            (true, true) => f.write_str(" > $null"),
        }
    }
}

impl SignIn {
    /// The `get-token` command that does the same sign-in in a terminal.
    pub(crate) fn get_token_command(&self, tenant: &str, resource: &str) -> CommandLine {
        let mode = self.login.mode();
        let mut settings = self.settings.clone();
        for param in self.settings.params() {
            let off = param.row().takes == Takes::Nothing && !self.settings.is_on(param);
            if !mode.uses(param) || off || self.settings.text(param).is_none() {
                settings.remove(param);
            }
        }
        let default = super::Origin::Default;
        settings.set(Param::Login, mode.name(), default.clone());
        settings.set(Param::ServerId, resource, default.clone());
        if !tenant.is_empty() {
            settings.set(Param::TenantId, tenant, default);
        }
        CommandLine::new("kubectl aad get-token")
            .settings(&settings)
            .silent()
    }
}

pub(crate) use crate::shell::quoted;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::{Origin, PARAMS};

    #[test]
    fn a_shell_reads_each_word_as_it_was_meant() {
        let line = CommandLine::new("az login")
            .variable("AZURE_CONFIG_DIR", "/my azure")
            .flag("--tenant", "a;b'c")
            .flag_some("--scope", "");
        assert_eq!(
            line.to_string(),
            r"AZURE_CONFIG_DIR='/my azure' az login --tenant 'a;b'\''c'"
        );
        let use_context = CommandLine::new("kubectl config use-context");
        for (name, words) in [("a b", "'a b'"), ("--kubeconfig=x", "-- --kubeconfig=x")] {
            let line = use_context.clone().name(name).to_string();
            assert_eq!(line, format!("kubectl config use-context {words}"));
        }
    }

    #[test]
    fn a_command_says_all_that_the_sign_in_does_and_no_secret() {
        let mut settings = Settings::new();
        for row in PARAMS {
            let text = match row.takes {
                Takes::Nothing => "true".to_owned(),
                Takes::Value(_) => match row.param {
                    Param::Login => "spn".to_owned(),
                    Param::Timeout => "7s".to_owned(),
                    Param::PopClaims => "u=x".to_owned(),
                    Param::AuthorityHost => "https://login.example/".to_owned(),
                    _ => format!("my-{}", row.flag),
                },
            };
            settings.set(row.param, text, Origin::Flag);
        }
        let sign_in = settings
            .resolve(&Host::with_env::<&str, &str>([]))
            .expect("a sign-in");
        assert_eq!(
            sign_in.get_token_command("tenant", "server").to_string(),
            "kubectl aad get-token --login spn --server-id server --cache-dir my-cache-dir --token-store my-token-store \
             --client-id my-client-id --tenant-id tenant --environment my-environment --authority-host https://login.example/ \
             --client-certificate my-client-certificate --legacy --pop-enabled --pop-claims u=x \
             --disable-environment-override --timeout 7s --use-azurerm-env-vars --disable-instance-discovery \
             --env-secrets-only > /dev/null"
        );
    }
}
