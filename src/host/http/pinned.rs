//! Trusts a self-signed certificate by its SHA-1, the only thing that Service Fabric says about it.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use reqwest::{Client, redirect::Policy};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use super::{CONNECT_TIMEOUT, Http, READ_TIMEOUT};
use crate::error::{Failure, Kind, Result};

impl Http {
    /// A client that trusts only the certificate with this thumbprint: a SHA-1 in hexadecimal, with or
    /// without colons.
    ///
    /// # Errors
    /// [`Kind::Usage`] if it is not a thumbprint.
    pub fn pinned(thumbprint: &str) -> Result<Self> {
        let wanted = parse(thumbprint).ok_or_else(|| {
            Failure::usage("the thumbprint of the service's certificate is not a SHA-1")
        })?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let set_up = |e: &dyn std::fmt::Display| {
            Failure::of(Kind::Network, "could not set up TLS").because(e)
        };
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| set_up(&e))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned { wanted, provider }))
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(config)
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .no_proxy()
            .build()
            .map_err(|e| set_up(&super::deepest(&e)))?;
        Ok(Self::direct(client))
    }
}

fn parse(thumbprint: &str) -> Option<[u8; 20]> {
    let digits: Vec<u8> = thumbprint
        .chars()
        .filter(|c| *c != ':' && !c.is_whitespace())
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect();
    (digits.len() == 40).then(|| bytes.try_into().ok())?
}

#[derive(Debug)]
struct Pinned {
    wanted: [u8; 20],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = digest(&SHA1_FOR_LEGACY_USE_ONLY, end_entity);
        if found.as_ref() == self.wanted {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_is_read_with_and_without_colons() {
        let plain = "0123456789abcdefABCDEF000102030405060708";
        let colons = plain
            .as_bytes()
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).expect("ASCII"))
            .collect::<Vec<_>>()
            .join(":");
        assert_eq!(parse(plain), parse(&colons));
        assert_eq!(parse(plain).expect("a SHA-1")[0..3], [0x01, 0x23, 0x45]);
        assert!(parse("").is_none());
        assert!(parse(&plain[1..]).is_none());
        assert!(parse(&format!("{plain}00")).is_none());
        assert!(parse(&format!("g{}", &plain[1..])).is_none());
    }
}
