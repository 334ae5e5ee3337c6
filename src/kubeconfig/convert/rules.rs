//! Which parameters an entry of each mode has, and where each comes from.
//!
//! Learned from what kubelogin v0.2.19 writes; the comparison with the real one is a test, and where it
//! differs is in `docs/kubelogin-compat.md`.

use crate::login::{LoginMode, Param};

/// Where a parameter's value may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueSource {
    /// From a flag, else from the entry; the mode can't do without.
    Needed,
    /// From a flag, else from the entry, if there is one.
    Kept,
    /// From a flag alone: what the entry says was meant for another mode.
    FlagOnly,
}

use ValueSource::{FlagOnly, Kept, Needed};

/// What every mode has, beside the mode itself.
pub(super) const COMMON: &[(Param, ValueSource)] = &[
    (Param::ServerId, Needed),
    (Param::CacheDir, Kept),
    (Param::TokenStore, Kept),
];

const DEVICE_CODE: &[(Param, ValueSource)] = &[
    (Param::ClientId, Needed),
    (Param::TenantId, Needed),
    (Param::Environment, Kept),
    (Param::Legacy, Kept),
    // kubelogin's `devicecode` has no account. In ours an entry that lost it would be somebody else's.
    (Param::LoginHint, Kept),
];

const INTERACTIVE: &[(Param, ValueSource)] = &[
    (Param::ClientId, Needed),
    (Param::TenantId, Needed),
    (Param::Environment, Kept),
    (Param::PopEnabled, Kept),
    (Param::PopClaims, Kept),
    (Param::RedirectUrl, Kept),
    (Param::LoginHint, Kept),
];

const SPN: &[(Param, ValueSource)] = &[
    (Param::ClientId, Needed),
    (Param::TenantId, Needed),
    (Param::Environment, Kept),
    (Param::ClientSecret, FlagOnly),
    (Param::ClientCertificate, FlagOnly),
    (Param::ClientCertificatePassword, FlagOnly),
    (Param::Legacy, Kept),
    (Param::PopEnabled, Kept),
    (Param::PopClaims, Kept),
    (Param::DisableEnvironmentOverride, FlagOnly),
];

const ROPC: &[(Param, ValueSource)] = &[
    (Param::ClientId, Needed),
    (Param::TenantId, Needed),
    (Param::Environment, Kept),
    (Param::Username, FlagOnly),
    (Param::Password, FlagOnly),
    (Param::Legacy, Kept),
    (Param::PopEnabled, Kept),
    (Param::PopClaims, Kept),
];

const MSI: &[(Param, ValueSource)] = &[
    (Param::ClientId, FlagOnly),
    (Param::IdentityResourceId, FlagOnly),
];

// az that is signed in with a managed identity refuses a tenant, so the entry's is not taken over.
const AZURE_CLI: &[(Param, ValueSource)] =
    &[(Param::TenantId, FlagOnly), (Param::Subscription, FlagOnly)];

const AZD: &[(Param, ValueSource)] = &[(Param::TenantId, FlagOnly)];

const WORKLOAD_IDENTITY: &[(Param, ValueSource)] = &[
    (Param::ClientId, FlagOnly),
    (Param::TenantId, FlagOnly),
    (Param::AuthorityHost, FlagOnly),
    (Param::FederatedTokenFile, FlagOnly),
];

const AZURE_PIPELINES: &[(Param, ValueSource)] = &[
    (Param::TenantId, Needed),
    (Param::ServiceConnectionId, FlagOnly),
];

/// What a mode has beside [`COMMON`].
pub(super) fn of(mode: LoginMode) -> &'static [(Param, ValueSource)] {
    match mode {
        LoginMode::DeviceCode => DEVICE_CODE,
        LoginMode::Interactive => INTERACTIVE,
        LoginMode::Spn => SPN,
        LoginMode::Ropc => ROPC,
        LoginMode::Msi => MSI,
        LoginMode::AzureCli => AZURE_CLI,
        LoginMode::Azd => AZD,
        LoginMode::WorkloadIdentity => WORKLOAD_IDENTITY,
        LoginMode::AzurePipelines => AZURE_PIPELINES,
    }
}

/// Whether a flag can have an effect on an entry of this mode.
pub(super) fn takes(mode: LoginMode, param: Param) -> bool {
    // These say how the variables are read.
    const ALWAYS: [Param; 3] = [
        Param::Login,
        Param::UseAzureRmEnvVars,
        Param::DisableEnvironmentOverride,
    ];
    ALWAYS.contains(&param) || COMMON.iter().chain(of(mode)).any(|(p, _)| *p == param)
}

/// Whether an entry of this mode has the parameter from the entry before: then it says something
/// also where it lacks it.
pub(super) fn keeps(mode: LoginMode, param: Param) -> bool {
    COMMON
        .iter()
        .chain(of(mode))
        .any(|&(p, take)| p == param && take != FlagOnly)
}
