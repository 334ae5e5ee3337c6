//! What signs in by `az` or `azd`: contexts, and `sync` by default.

use std::{collections::BTreeSet, sync::Arc};

use super::{Machine, sign_ins};
use crate::{
    azure::cloud::{CUSTOM_CLOUD, CUSTOM_CLOUD_VARIABLE, ToolCloud},
    clouds::CLOUDS,
    host::Host,
    login::{AKS_SERVER_ID, CommandLine, LoginMode, Origin, Param, Settings},
    tool_config::ACCOUNT_VARIABLES,
};

/// What asks a tool for the tokens of one account.
#[derive(Clone)]
pub(super) struct ToolUse {
    /// The machine with the variables that the tool gets.
    pub host: Arc<Host>,
    /// The arguments of `get-token`.
    pub settings: Settings,
    /// Who needs it, as part of a sentence.
    pub who: String,
    contexts: Vec<String>,
    /// The hosts of the API servers.
    pub servers: BTreeSet<String>,
}

impl ToolUse {
    /// All of them as the beginning of a sentence: ``the context `a` needs``.
    pub(super) fn all_need(uses: &[Self]) -> String {
        let mut names: Vec<String> = uses.iter().flat_map(|one| one.contexts.clone()).collect();
        names.sort();
        match (names.is_empty(), uses) {
            (true, [one, ..]) => one.needs(),
            _ => sign_ins::need(&names),
        }
    }

    /// It as the beginning of a sentence: ``the context `a` needs``.
    pub(super) fn needs(&self) -> String {
        match self.contexts.is_empty() {
            true => format!("{} needs", self.who),
            false => sign_ins::need(&self.contexts),
        }
    }

    /// The values that decide whose account it is.
    fn account_values(&self) -> Vec<String> {
        let values = ACCOUNT_VARIABLES.iter();
        let mut values: Vec<_> = values
            .map(|name| self.host.var(name).unwrap_or_default().to_owned())
            .collect();
        for param in [Param::TenantId, Param::Subscription] {
            values.push(self.settings.text(param).unwrap_or_default().to_owned());
        }
        values
    }
}

impl Machine {
    /// What asks the tool of this mode, each account, tenant and subscription once.
    pub(super) fn uses_of(&self, mode: LoginMode) -> Vec<ToolUse> {
        let mut uses: Vec<ToolUse> = Vec::new();
        for sign_in in self.sign_ins_by(mode) {
            let new = ToolUse {
                host: Arc::clone(&sign_in.host),
                settings: sign_in.named.clone(),
                who: String::new(),
                contexts: sign_in.contexts.clone(),
                servers: sign_in.servers.clone(),
            };
            let values = new.account_values();
            match uses
                .iter_mut()
                .find(|known| known.account_values() == values)
            {
                Some(known) => {
                    known.contexts.extend(new.contexts);
                    known.servers.extend(new.servers);
                }
                None => uses.push(new),
            }
        }
        for one in &mut uses {
            one.contexts.sort();
            one.who = sign_ins::contexts(&one.contexts);
        }
        if self.sign_ins().is_empty() && self.mode_of_sync() == Some(mode) {
            uses.push(self.use_by_sync(mode));
        }
        uses
    }

    fn use_by_sync(&self, mode: LoginMode) -> ToolUse {
        let mut settings = Settings::new();
        settings.set(Param::Login, mode.name(), Origin::Default);
        settings.set(Param::ServerId, AKS_SERVER_ID, Origin::Default);
        ToolUse {
            host: Arc::clone(&self.host),
            settings,
            who: "`kubectl aad sync`".to_owned(),
            contexts: Vec::new(),
            servers: BTreeSet::new(),
        }
    }

    /// `sync` in the mode for a person at this machine who can't use `az`.
    pub(super) fn sync_for_people(&self) -> String {
        let mode = match self.host.has_browser() {
            true => LoginMode::Interactive,
            false => LoginMode::DeviceCode,
        };
        self.sync_command(&["-l", mode.name()])
    }

    /// `sync` without `az`, in the cloud that `sync` would ask az for.
    pub(super) fn sync_command(&self, flags: &[&str]) -> String {
        let line = CommandLine::new("kubectl aad sync");
        let line = flags.iter().copied().fold(line, CommandLine::word);
        let public = CLOUDS[0].name;
        match ToolCloud::of_az(&self.host, &str::to_owned) {
            Ok(tool) if tool.custom && self.host.var_nonempty(CUSTOM_CLOUD_VARIABLE).is_none() => {
                line
            }
            Ok(tool) if tool.custom => line.flag("--environment", CUSTOM_CLOUD),
            Ok(tool) if tool.cloud.environment_argument() != public => {
                line.flag("--environment", tool.cloud.environment_argument())
            }
            _ => line,
        }
        .to_string()
    }
}
