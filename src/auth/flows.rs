//! The flows, one file a login mode.

pub(super) mod azd;
pub(super) mod azurecli;
pub(super) mod azurepipelines;
pub(super) mod devicecode;
pub(super) mod interactive;
pub(super) mod msi;
pub(super) mod ropc;
pub(super) mod spn;
pub(super) mod workloadidentity;
