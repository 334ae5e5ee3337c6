//! The login modes: one row each.

use std::fmt;

use super::Param;
use crate::error::{Failure, Result};

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

/// Whether a mode may need a person, as `interactiveMode` of an exec entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attendance {
    /// Nobody is ever asked.
    Never,
    /// A person is asked where one is there.
    IfAvailable,
}

impl Attendance {
    /// The word of the kubeconfig.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "Never",
            Self::IfAvailable => "IfAvailable",
        }
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
    /// Whether a person may be asked.
    pub attendance: Attendance,
    /// What it can't do without.
    pub needs: &'static [Param],
    /// What else it takes.
    pub takes: &'static [Param],
}

/// Every mode, in the order of help.
pub static MODES: &[ModeRow] = &[
    ModeRow {
        mode: LoginMode::DeviceCode,
        name: "devicecode",
        summary: "type a code into a browser on any device",
        attendance: Attendance::IfAvailable,
        needs: &[Param::ClientId, Param::TenantId],
        takes: &[Param::Environment, Param::Legacy, Param::LoginHint],
    },
    ModeRow {
        mode: LoginMode::Interactive,
        name: "interactive",
        summary: "sign in with the browser of this machine",
        attendance: Attendance::IfAvailable,
        needs: &[Param::ClientId, Param::TenantId],
        takes: &[
            Param::Environment,
            Param::PopEnabled,
            Param::PopClaims,
            Param::RedirectUrl,
            Param::LoginHint,
        ],
    },
    ModeRow {
        mode: LoginMode::Spn,
        name: "spn",
        summary: "a service principal with a secret or a certificate",
        attendance: Attendance::Never,
        needs: &[Param::ClientId, Param::TenantId],
        takes: &[
            Param::Environment,
            Param::ClientSecret,
            Param::ClientCertificate,
            Param::ClientCertificatePassword,
            Param::Legacy,
            Param::PopEnabled,
            Param::PopClaims,
            Param::DisableEnvironmentOverride,
            Param::UseAzureRmEnvVars,
        ],
    },
    ModeRow {
        mode: LoginMode::Ropc,
        name: "ropc",
        summary: "a user's name and password, for accounts without MFA",
        attendance: Attendance::Never,
        needs: &[
            Param::ClientId,
            Param::TenantId,
            Param::Username,
            Param::Password,
        ],
        takes: &[
            Param::Environment,
            Param::Legacy,
            Param::PopEnabled,
            Param::PopClaims,
        ],
    },
    ModeRow {
        mode: LoginMode::Msi,
        name: "msi",
        summary: "the managed identity of this machine or service",
        attendance: Attendance::Never,
        needs: &[],
        takes: &[Param::ClientId, Param::IdentityResourceId],
    },
    ModeRow {
        mode: LoginMode::AzureCli,
        name: "azurecli",
        summary: "the account that `az login` signed in",
        attendance: Attendance::Never,
        needs: &[],
        takes: &[Param::TenantId, Param::Subscription],
    },
    ModeRow {
        mode: LoginMode::Azd,
        name: "azd",
        summary: "the account that `azd auth login` signed in",
        attendance: Attendance::Never,
        needs: &[],
        takes: &[Param::TenantId],
    },
    ModeRow {
        mode: LoginMode::WorkloadIdentity,
        name: "workloadidentity",
        summary: "a federated token of Kubernetes or GitHub Actions",
        attendance: Attendance::Never,
        needs: &[Param::ClientId, Param::TenantId],
        takes: &[Param::Environment, Param::FederatedTokenFile],
    },
    ModeRow {
        mode: LoginMode::AzurePipelines,
        name: "azurepipelines",
        summary: "a service connection of Azure Pipelines",
        attendance: Attendance::Never,
        needs: &[Param::ClientId, Param::TenantId, Param::ServiceConnectionId],
        takes: &[Param::Environment],
    },
];

/// What every mode takes.
pub const COMMON_PARAMS: &[Param] = &[
    Param::Login,
    Param::ServerId,
    Param::AuthorityHost,
    Param::CacheDir,
    Param::TokenStore,
    Param::Timeout,
    Param::UseAzureRmEnvVars,
    Param::DisableEnvironmentOverride,
    Param::DisableInstanceDiscovery,
    Param::EnvSecretsOnly,
];

impl LoginMode {
    /// This mode's row.
    pub fn row(self) -> &'static ModeRow {
        MODES
            .iter()
            .find(|row| row.mode == self)
            .expect("every mode has a row: a test holds it")
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
                Failure::usage(format!("`{name}` is not a login mode"))
                    .hint(format!("use one of {}", names.join(", ")))
            })
    }

    /// Says whether the mode does anything with a parameter.
    pub fn uses(self, param: Param) -> bool {
        let row = self.row();
        row.needs.contains(&param) || row.takes.contains(&param) || COMMON_PARAMS.contains(&param)
    }
}

impl fmt::Display for LoginMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
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
        }
        assert_eq!(PARAMS.len(), Param::EnvSecretsOnly as usize + 1);
        assert_eq!(MODES.len(), LoginMode::AzurePipelines as usize + 1);
    }

    #[test]
    fn an_unknown_mode_lists_the_known_ones() {
        let failure = LoginMode::parse("DeviceCode").expect_err("names are exact");
        assert!(failure.render().contains("devicecode, interactive, spn"));
        assert_eq!(failure.exit_code(), crate::error::EXIT_USAGE);
    }
}
