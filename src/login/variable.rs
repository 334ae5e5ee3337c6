//! The variables that set parameters.

use super::LoginMode;
use crate::error::Failure;

/// When a variable counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// Unless Terraform's variables are asked for.
    Usual,
    /// When Terraform's variables are asked for.
    Terraform,
    /// In this mode.
    Mode(LoginMode),
    /// In this mode, and where nothing else gave a value.
    ModeIfUnset(LoginMode),
}

/// One variable that sets a parameter.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// When it counts.
    pub when: When,
    /// The modes in which `sync` and `list` read it: where it can only have been
    /// set for a sign-in of theirs, and not for something else.
    pub sync: &'static [LoginMode],
}

impl Variable {
    pub(super) const fn sync(self, modes: &'static [LoginMode]) -> Self {
        Self {
            sync: modes,
            ..self
        }
    }
}

/// A variable that a platform sets for each run, beside those of a parameter.
#[derive(Debug, Clone, Copy)]
pub struct PlatformVariable {
    /// Its name.
    pub name: &'static str,
    /// The mode that reads it.
    pub mode: LoginMode,
}

/// What GitHub Actions and Azure Pipelines give a job, for as long as it runs.
pub static PLATFORM_VARIABLES: &[PlatformVariable] = &[
    PlatformVariable {
        name: "ACTIONS_ID_TOKEN_REQUEST_URL",
        mode: LoginMode::WorkloadIdentity,
    },
    PlatformVariable {
        name: "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        mode: LoginMode::WorkloadIdentity,
    },
    PlatformVariable {
        name: "SYSTEM_ACCESSTOKEN",
        mode: LoginMode::AzurePipelines,
    },
    PlatformVariable {
        name: "SYSTEM_OIDCREQUESTURI",
        mode: LoginMode::AzurePipelines,
    },
];

/// The modes in which an application proves itself, for which Terraform's
/// variables are meant.
const APPLICATIONS: &[LoginMode] = &[
    LoginMode::Spn,
    LoginMode::WorkloadIdentity,
    LoginMode::AzurePipelines,
];
pub(super) const SPN: &[LoginMode] = &[LoginMode::Spn];
pub(super) const ROPC: &[LoginMode] = &[LoginMode::Ropc];
const EVERY_MODE: &[LoginMode] = &[
    LoginMode::DeviceCode,
    LoginMode::Interactive,
    LoginMode::Spn,
    LoginMode::Ropc,
    LoginMode::Msi,
    LoginMode::AzureCli,
    LoginMode::Azd,
    LoginMode::WorkloadIdentity,
    LoginMode::AzurePipelines,
];

pub(super) const fn always(name: &'static str) -> Variable {
    Variable {
        name,
        when: When::Always,
        sync: EVERY_MODE,
    }
}

pub(super) const fn usual(name: &'static str) -> Variable {
    Variable {
        name,
        when: When::Usual,
        sync: SPN,
    }
}

pub(super) const fn terraform(name: &'static str) -> Variable {
    Variable {
        name,
        when: When::Terraform,
        sync: APPLICATIONS,
    }
}

pub(super) const fn workload(name: &'static str) -> Variable {
    Variable {
        name,
        when: When::Mode(LoginMode::WorkloadIdentity),
        sync: &[LoginMode::WorkloadIdentity],
    }
}

pub(super) const fn pipelines(name: &'static str) -> Variable {
    Variable {
        name,
        when: When::ModeIfUnset(LoginMode::AzurePipelines),
        sync: &[LoginMode::AzurePipelines],
    }
}

/// Adds to an error about a value that a variable gave it.
pub(super) fn blame(failure: Failure, name: &str) -> Failure {
    failure.because(format!("it is the value of the variable `{name}`"))
}
