//! The variables that set parameters.

use super::{LoginMode, mode::Principal};
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
    /// In this mode, if nothing else gives a value.
    ModeIfUnset(LoginMode),
}

/// One variable that sets a parameter.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// When it counts.
    pub when: When,
    /// The modes in which `sync` and `list` read it: those in which it can't have been set for
    /// something else than such a sign-in.
    sync: ReadIn,
}

/// The modes in which `sync` and `list` read a variable.
#[derive(Debug, Clone, Copy)]
pub(super) enum ReadIn {
    Every,
    /// Those in which an application signs in, for which Terraform's variables are meant.
    Applications,
    Modes(&'static [LoginMode]),
}

impl Variable {
    pub(super) const fn sync(self, sync: ReadIn) -> Self {
        Self { sync, ..self }
    }

    /// Whether `sync` and `list` read it in a mode.
    pub fn is_read_by_sync_in(&self, mode: LoginMode) -> bool {
        match self.sync {
            ReadIn::Every => true,
            ReadIn::Applications => mode.row().principal == Principal::Application,
            ReadIn::Modes(modes) => modes.contains(&mode),
        }
    }
}

/// A variable that a platform sets for each run and that belongs to no parameter.
#[derive(Debug, Clone, Copy)]
pub struct PlatformVariable {
    /// Its name.
    pub name: &'static str,
    /// The mode that reads it.
    pub mode: LoginMode,
}

/// The variables that GitHub Actions and Azure Pipelines set for a job.
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

pub(super) const fn always(name: &'static str) -> Variable {
    Variable {
        name,
        when: When::Always,
        sync: ReadIn::Every,
    }
}

pub(super) const fn usual(name: &'static str) -> Variable {
    Variable {
        name,
        when: When::Usual,
        sync: ReadIn::Modes(&[LoginMode::Spn]),
    }
}

pub(super) const fn terraform(name: &'static str) -> Variable {
    Variable {
        name,
        when: When::Terraform,
        sync: ReadIn::Applications,
    }
}

pub(super) const fn workload(name: &'static str) -> Variable {
    Variable {
        name,
        when: When::Mode(LoginMode::WorkloadIdentity),
        sync: ReadIn::Modes(&[LoginMode::WorkloadIdentity]),
    }
}

pub(super) const fn pipelines(name: &'static str) -> Variable {
    Variable {
        name,
        when: When::ModeIfUnset(LoginMode::AzurePipelines),
        sync: ReadIn::Modes(&[LoginMode::AzurePipelines]),
    }
}

/// Adds to an error about a value that a variable gave it.
pub(super) fn blame(failure: Failure, name: &str) -> Failure {
    failure.because(format!("it is the value of the variable `{name}`"))
}
