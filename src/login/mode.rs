//! The login modes: one row each.

use std::fmt;

use super::Param;
use crate::{
    error::{Failure, Result},
    near,
};

/// A way to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LoginMode {
    /// A code typed on another device.
    DeviceCode,
    /// A browser on this machine.
    Interactive,
    /// A service principal with a secret or a certificate.
    Spn,
    /// A user's name and password.
    Ropc,
    /// A managed identity.
    Msi,
    /// The account of `az`.
    AzureCli,
    /// The account of `azd`.
    Azd,
    /// A federated token.
    WorkloadIdentity,
    /// A service connection of Azure Pipelines.
    AzurePipelines,
}

/// Who signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Principal {
    /// A person, through a public client.
    Person,
    /// An application with a credential of its own.
    Application,
    /// This machine: Azure keeps its credential.
    Machine,
    /// Whoever signed in to another program, which has the tokens.
    Tool,
}

/// Where `convert-kubeconfig` takes a parameter's value from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueSource {
    /// From a flag, else from the entry; without one the entry can't be converted.
    Needed,
    /// From a flag, else from the entry.
    Kept,
    /// Only from a flag: the entry's value was meant for another mode.
    FlagOnly,
    /// From nowhere: the parameter is not written. It only says how to convert.
    Unwritten,
    /// From nowhere: the parameter is not written, and a flag for it has no effect.
    Omitted,
}

use ValueSource::{FlagOnly, Kept, Needed, Omitted};

impl ValueSource {
    /// Whether conversion writes the parameter.
    pub(crate) fn is_written(self) -> bool {
        matches!(self, Self::Needed | Self::Kept | Self::FlagOnly)
    }

    /// Whether the entry's value counts. If it does, an entry without a value says something, too.
    pub(crate) fn reads_entry(self) -> bool {
        matches!(self, Self::Needed | Self::Kept)
    }
}

/// A parameter of a mode.
#[derive(Debug)]
pub struct ModeParam {
    /// Which parameter.
    pub param: Param,
    /// Whether the mode can't do without it.
    pub required: bool,
    /// Where conversion to the mode takes the value from. This is kubelogin's choice (v0.2.19), which
    /// the comparison with it tests; `docs/kubelogin-compat.md` has the exceptions.
    pub(crate) kubelogin: ValueSource,
}

const fn required(param: Param, kubelogin: ValueSource) -> ModeParam {
    ModeParam {
        param,
        required: true,
        kubelogin,
    }
}

const fn optional(param: Param, kubelogin: ValueSource) -> ModeParam {
    ModeParam {
        param,
        required: false,
        kubelogin,
    }
}

/// One mode's row.
#[derive(Debug)]
pub struct ModeRow {
    /// Which mode.
    pub mode: LoginMode,
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Who signs in.
    pub(crate) principal: Principal,
    /// Whether a person may be asked to sign in.
    pub interactive: bool,
    /// What it takes, besides the parameters that every mode has (`ParamRow::every_mode`). One of
    /// those is here only if conversion treats it in another way than in the other modes.
    pub params: &'static [ModeParam],
}

/// Every mode, in the order of help.
pub static MODES: &[ModeRow] = &[
    ModeRow {
        mode: LoginMode::DeviceCode,
        name: "devicecode",
        summary: "type a code into a browser on any device",
        principal: Principal::Person,
        interactive: true,
        params: &[
            required(Param::ClientId, Needed),
            required(Param::TenantId, Needed),
            optional(Param::Environment, Kept),
            optional(Param::Legacy, Kept),
            // Ours: kubelogin's `devicecode` has no account. An entry that lost it would be somebody else's.
            optional(Param::LoginHint, Kept),
        ],
    },
    ModeRow {
        mode: LoginMode::Interactive,
        name: "interactive",
        summary: "sign in with the browser of this machine",
        principal: Principal::Person,
        interactive: true,
        params: &[
            required(Param::ClientId, Needed),
            required(Param::TenantId, Needed),
            optional(Param::Environment, Kept),
            optional(Param::PopEnabled, Kept),
            optional(Param::PopClaims, Kept),
            optional(Param::RedirectUrl, Kept),
            optional(Param::LoginHint, Kept),
        ],
    },
    ModeRow {
        mode: LoginMode::Spn,
        name: "spn",
        summary: "a service principal with a secret or a certificate",
        principal: Principal::Application,
        interactive: false,
        params: &[
            required(Param::ClientId, Needed),
            required(Param::TenantId, Needed),
            optional(Param::Environment, Kept),
            optional(Param::ClientSecret, FlagOnly),
            optional(Param::ClientCertificate, FlagOnly),
            optional(Param::ClientCertificatePassword, FlagOnly),
            optional(Param::Legacy, Kept),
            optional(Param::PopEnabled, Kept),
            optional(Param::PopClaims, Kept),
            optional(Param::DisableEnvironmentOverride, FlagOnly),
        ],
    },
    ModeRow {
        mode: LoginMode::Ropc,
        name: "ropc",
        summary: "a user's name and password, for accounts without MFA",
        principal: Principal::Person,
        interactive: false,
        params: &[
            required(Param::ClientId, Needed),
            required(Param::TenantId, Needed),
            required(Param::Username, FlagOnly),
            required(Param::Password, FlagOnly),
            optional(Param::Environment, Kept),
            optional(Param::Legacy, Kept),
            optional(Param::PopEnabled, Kept),
            optional(Param::PopClaims, Kept),
        ],
    },
    ModeRow {
        mode: LoginMode::Msi,
        name: "msi",
        summary: "the managed identity of this machine or service",
        principal: Principal::Machine,
        interactive: false,
        params: &[
            optional(Param::ClientId, FlagOnly),
            optional(Param::IdentityResourceId, FlagOnly),
        ],
    },
    ModeRow {
        mode: LoginMode::AzureCli,
        name: "azurecli",
        summary: "the account that `az login` signed in",
        principal: Principal::Tool,
        interactive: false,
        params: &[
            // `az` refuses a tenant while a managed identity is signed in to it.
            optional(Param::TenantId, FlagOnly),
            optional(Param::Subscription, FlagOnly),
        ],
    },
    ModeRow {
        mode: LoginMode::Azd,
        name: "azd",
        summary: "the account that `azd auth login` signed in",
        principal: Principal::Tool,
        interactive: false,
        params: &[optional(Param::TenantId, FlagOnly)],
    },
    ModeRow {
        mode: LoginMode::WorkloadIdentity,
        name: "workloadidentity",
        summary: "a federated token of Kubernetes or GitHub Actions",
        principal: Principal::Application,
        interactive: false,
        params: &[
            required(Param::ClientId, FlagOnly),
            required(Param::TenantId, FlagOnly),
            optional(Param::Environment, Omitted),
            optional(Param::FederatedTokenFile, FlagOnly),
            optional(Param::AuthorityHost, FlagOnly),
        ],
    },
    ModeRow {
        mode: LoginMode::AzurePipelines,
        name: "azurepipelines",
        summary: "a service connection of Azure Pipelines",
        principal: Principal::Application,
        interactive: false,
        params: &[
            required(Param::ClientId, Omitted),
            required(Param::TenantId, Needed),
            required(Param::ServiceConnectionId, FlagOnly),
            optional(Param::Environment, Omitted),
        ],
    },
];

impl ModeRow {
    /// The entry's `interactiveMode`: whether kubectl gives the plugin a terminal.
    pub(crate) fn interactive_mode(&self) -> &'static str {
        match self.interactive {
            true => "IfAvailable",
            false => "Never",
        }
    }

    fn param(&self, param: Param) -> Option<&'static ModeParam> {
        self.params.iter().find(|row| row.param == param)
    }
}

impl LoginMode {
    /// This mode's row.
    pub fn row(self) -> &'static ModeRow {
        MODES
            .iter()
            .find(|row| row.mode == self)
            .expect("every mode has a row: a test checks it")
    }

    /// The mode's name on the command line.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Finds a mode by its exact name, as kubelogin does.
    ///
    /// # Errors
    /// A usage error that lists the names.
    pub fn parse(name: &str) -> Result<Self> {
        MODES
            .iter()
            .find(|row| row.name == name)
            .map(|row| row.mode)
            .ok_or_else(|| {
                let names: Vec<_> = MODES.iter().map(|row| row.name).collect();
                let all = format!("use one of `{}`", names.join("`, `"));
                Failure::usage(format!("`{name}` is not a login mode"))
                    .hint(near::hint(name, names, &all))
            })
    }

    /// Whether the mode does anything with a parameter.
    pub fn uses(self, param: Param) -> bool {
        self.row().param(param).is_some() || param.row().every_mode.is_some()
    }

    /// What the mode can't do without.
    pub(crate) fn required(self) -> impl Iterator<Item = Param> {
        let required = self.row().params.iter().filter(|row| row.required);
        required.map(|row| row.param)
    }

    /// Whether a person signs in, so that AKS's public client can replace a missing `--client-id`.
    pub fn has_default_client(self) -> bool {
        self.row().principal == Principal::Person
    }

    /// Where conversion to this mode takes a parameter's value from.
    pub(crate) fn value_source(self, param: Param) -> ValueSource {
        let own = self.row().param(param).map(|row| row.kubelogin);
        own.or(param.row().every_mode).unwrap_or(Omitted)
    }

    /// Whether a flag for the parameter has an effect on conversion to this mode.
    pub(crate) fn converts(self, param: Param) -> bool {
        self.value_source(param) != Omitted
    }
}

impl fmt::Display for LoginMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::login::PARAMS;

    #[test]
    fn every_mode_and_every_parameter_has_one_row() {
        for row in MODES {
            assert_eq!(LoginMode::parse(row.name).expect("a mode"), row.mode);
            assert!(std::ptr::eq(row.mode.row(), row));
        }
        for row in PARAMS {
            assert!(std::ptr::eq(row.param.row(), row));
            assert_eq!(Param::from_flag(row.flag), Some(row.param));
            assert!(
                MODES.iter().any(|mode| mode.mode.uses(row.param)),
                "no mode takes `--{}`",
                row.flag
            );
        }
        let modes = MODES.iter().map(|row| format!("{:?}", row.mode));
        let params = PARAMS.iter().map(|row| format!("{:?}", row.param));
        assert_eq!(
            variants(include_str!("mode.rs"), "LoginMode"),
            modes.collect()
        );
        assert_eq!(
            variants(include_str!("param.rs"), "Param"),
            params.collect()
        );
        let positions: BTreeSet<_> = PARAMS.iter().map(|row| row.kubelogin_position).collect();
        assert!(
            positions.into_iter().map(usize::from).eq(0..PARAMS.len()),
            "a new parameter has position {}",
            PARAMS.len() - 1
        );
    }

    /// The names of an enum's variants in its source.
    fn variants(source: &str, name: &str) -> BTreeSet<String> {
        let (_, body) = source
            .split_once(&format!("pub enum {name} {{"))
            .expect("the enum");
        body.lines()
            .take_while(|line| *line != "}")
            .filter_map(|line| line.trim().strip_suffix(','))
            .filter(|line| !line.starts_with('/'))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn an_unknown_mode_lists_the_known_ones() {
        let failure = LoginMode::parse("DeviceCode").expect_err("names are exact");
        assert!(
            failure
                .render()
                .contains("`devicecode`, `interactive`, `spn`")
        );
        assert_eq!(failure.exit_code(), crate::error::EXIT_USAGE);
    }
}
