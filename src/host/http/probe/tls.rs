//! TLS as a kubeconfig asks for it.

use std::{fmt, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
};

use super::super::trust::{self, Trust};
use crate::{
    error::{Failure, Result},
    host::Host,
    secret::Secret,
};

/// Which certificates of a server are accepted.
#[derive(Clone)]
pub(crate) enum ServerTrust {
    /// Those that the system trusts.
    System,
    /// Those of the authorities in this PEM text, and no others.
    Authorities(Vec<u8>),
    /// Any (`insecure-skip-tls-verify`).
    Anything,
}

/// A client's certificate and its key, both PEM.
#[derive(Clone)]
pub(crate) struct ClientIdentity {
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Secret,
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientIdentity(..)")
    }
}

/// The configuration of a connection.
///
/// # Errors
/// If a certificate or the key can't be used. No error quotes them.
pub(super) fn config(
    trust: &ServerTrust,
    identity: Option<&ClientIdentity>,
    host: &Host,
) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = match trust {
        ServerTrust::System => Trust::load(host)?.verifier(Arc::clone(&provider))?,
        ServerTrust::Authorities(pem) => trust::verifier_of(pem, Arc::clone(&provider))?,
        ServerTrust::Anything => Arc::new(Anything(Arc::clone(&provider))),
    };
    let set_up = |e: Error| Failure::new("could not set up TLS").because(e);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(set_up)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let unusable =
                |what: &str| Failure::new("the client certificate can't be used").because(what);
            let chain = CertificateDer::pem_slice_iter(&identity.certificate)
                .collect::<std::result::Result<Vec<_>, _>>()
                .map_err(|_| unusable("it is not PEM"))?;
            let key = PrivateKeyDer::from_pem_slice(identity.key.expose().as_bytes())
                .map_err(|_| unusable("its key is not PEM"))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|_| unusable("its key is another one's, or of an unknown kind"))?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Accepts every certificate, because the kubeconfig says so. Signatures are verified.
#[derive(Debug)]
struct Anything(Arc<CryptoProvider>);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
