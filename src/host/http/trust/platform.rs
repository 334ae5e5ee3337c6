//! Trusts the certificates of macOS and Windows, through their own verifiers.

use std::sync::Arc;

use reqwest::{Certificate, ClientBuilder};
use rustls::{
    client::danger::ServerCertVerifier,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use rustls_platform_verifier::Verifier;

use crate::{
    error::{Failure, Result},
    host::Host,
};

/// The certificates of `SSL_CERT_FILE`, which are added to the system's.
pub(super) struct Roots {
    certificates: Vec<Certificate>,
    der: Vec<CertificateDer<'static>>,
}

impl Roots {
    pub(super) fn load(host: &Host) -> Result<Self> {
        let Some(path) = host.var_os_nonempty("SSL_CERT_FILE") else {
            return Ok(Self {
                certificates: Vec::new(),
                der: Vec::new(),
            });
        };
        let fail = |reason: String| {
            Failure::usage(format!(
                "could not read the certificates of `SSL_CERT_FILE` (`{}`)",
                path.display()
            ))
            .because(reason)
            .hint("name a PEM file there, or unset `SSL_CERT_FILE`")
        };
        let pem = std::fs::read(path).map_err(|e| fail(e.to_string()))?;
        let certificates =
            Certificate::from_pem_bundle(&pem).map_err(|e| fail(super::super::deepest(&e)))?;
        if certificates.is_empty() {
            return Err(fail("it contains no PEM certificate".into()));
        }
        let der = CertificateDer::pem_slice_iter(&pem).filter_map(std::result::Result::ok);
        Ok(Self {
            certificates,
            der: der.collect(),
        })
    }

    pub(super) fn verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>> {
        let verifier = Verifier::new_with_extra_roots(self.der.iter().cloned(), provider);
        let verifier = verifier.map_err(|e| Failure::new("could not set up TLS").because(e))?;
        Ok(Arc::new(verifier))
    }

    /// None: what can't be read is an error.
    pub(super) fn problems(&self) -> (Vec<String>, Option<String>) {
        (Vec::new(), None)
    }

    pub(super) fn applied_to(&self, builder: ClientBuilder) -> Result<ClientBuilder> {
        Ok(builder.tls_certs_merge(self.certificates.clone()))
    }
}
