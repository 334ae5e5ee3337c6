//! Service Fabric's own certificate, known by its thumbprint alone.
//!
//! Lives here: a client that trusts just the certificate whose SHA-1 is in
//! `IDENTITY_SERVER_THUMBPRINT`. The name and the issuer of it mean nothing.

use crate::{
    error::Result,
    host::{Host, Http},
};

/// The client for Service Fabric's endpoint.
///
/// # Errors
/// When the thumbprint is not one, or the client can't be built.
pub(super) fn http(host: &Host) -> Result<Http> {
    let thumbprint = host.var("IDENTITY_SERVER_THUMBPRINT").unwrap_or_default();
    Http::pinned(thumbprint)
}
