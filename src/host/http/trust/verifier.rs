//! Verifies certificates with webpki, accepts what else Go accepts, and names the issuer in errors.

use std::{collections::HashSet, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        VerifierBuilderError, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use x509_parser::{certificate::X509Certificate, parse_x509_certificate, time::ASN1Time};

use super::{Refused, Source};

#[derive(Debug)]
pub(super) struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
    trusted: HashSet<CertificateDer<'static>>,
    source: Arc<Source>,
}

impl Verifier {
    pub(super) fn new(
        store: RootCertStore,
        trusted: HashSet<CertificateDer<'static>>,
        source: Arc<Source>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, VerifierBuilderError> {
        Ok(Self {
            webpki: WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider)
                .build()?,
            trusted,
            source,
        })
    }

    fn refused(
        &self,
        why: CertificateError,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Error {
        let Ok((_, certificate)) = parse_x509_certificate(end_entity) else {
            return Error::InvalidCertificate(why);
        };
        let self_signed = certificate.issuer() == certificate.subject();
        // The error is that the certificate is for an authority and not for a server. More useful is that
        // it is not trusted.
        let why = match why {
            CertificateError::Other(_) if self_signed => CertificateError::UnknownIssuer,
            why => why,
        };
        let issuer = last_issuer(&certificate, intermediates);
        let is_issuer = |der: &CertificateDer<'_>| {
            let parsed = parse_x509_certificate(der);
            parsed.is_ok_and(|(_, authority)| authority.subject().to_string() == issuer)
        };
        let refused = Refused {
            why,
            self_signed,
            issuer_is_known: self.trusted.iter().any(is_issuer),
            issuer,
            source: Arc::clone(&self.source),
        };
        CertificateError::Other(OtherError(Arc::new(refused))).into()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let why = match self
            .webpki
            .verify_server_cert(end_entity, intermediates, name, ocsp, now)
        {
            Err(Error::InvalidCertificate(why)) => why,
            verified => return verified,
        };
        let why = if self.trusted.contains(end_entity) {
            match verify_trusted_itself(end_entity, name, now) {
                Ok(verified) => return Ok(verified),
                Err(why) => why,
            }
        } else {
            why
        };
        Err(self.refused(why, end_entity, intermediates))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// Verifies a server's certificate that is itself a trusted one, as Go does: by name, validity and
/// purpose, without a chain, and even if it is marked as a certificate authority's. Private clouds use
/// such self-signed certificates.
fn verify_trusted_itself(
    end_entity: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, CertificateError> {
    let certificate_error = |error: Error| match error {
        Error::InvalidCertificate(why) => why,
        _ => CertificateError::BadEncoding,
    };
    let parsed = ParsedCertificate::try_from(end_entity).map_err(certificate_error)?;
    verify_server_name(&parsed, name).map_err(certificate_error)?;
    let (_, certificate) =
        parse_x509_certificate(end_entity).map_err(|_| CertificateError::BadEncoding)?;
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let moment = ASN1Time::from_timestamp(seconds).map_err(|_| CertificateError::BadEncoding)?;
    let validity = certificate.validity();
    let unix = |time: ASN1Time| {
        let seconds = u64::try_from(time.timestamp()).unwrap_or_default();
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
    };
    if moment < validity.not_before {
        return Err(CertificateError::NotValidYetContext {
            time: now,
            not_before: unix(validity.not_before),
        });
    }
    if moment > validity.not_after {
        return Err(CertificateError::ExpiredContext {
            time: now,
            not_after: unix(validity.not_after),
        });
    }
    match certificate.extended_key_usage() {
        Ok(None) => {}
        Ok(Some(usage)) if usage.value.any || usage.value.server_auth => {}
        _ => return Err(CertificateError::InvalidPurpose),
    }
    Ok(ServerCertVerified::assertion())
}

/// The issuer of the last certificate in the chain.
fn last_issuer(end_entity: &X509Certificate<'_>, intermediates: &[CertificateDer<'_>]) -> String {
    let intermediates: Vec<_> = intermediates
        .iter()
        .filter_map(|der| Some(parse_x509_certificate(der).ok()?.1))
        .collect();
    let mut at = end_entity;
    // Bounded, because certificates could refer to each other in a circle.
    for _ in 0..intermediates.len() {
        match intermediates
            .iter()
            .find(|above| above.subject() == at.issuer() && at.subject() != at.issuer())
        {
            Some(above) => at = above,
            None => break,
        }
    }
    at.issuer().to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    /// A certificate authority's, for 127.0.0.1, valid for ten years from November 2026.
    const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----
MIIBizCCATCgAwIBAgIUB4jHQUlMWn/T9wxx5I/GkcraHncwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHcHJpdmF0ZTAeFw0yNjExMjYxNDMxMjZaFw0zNjExMjMxNDMx
MjZaMBIxEDAOBgNVBAMMB3ByaXZhdGUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AARhLnY5YyS32+GIc8fs799H+AuO4cLZZORQhoGZdedmDmjLII4sls8maxjrtcNx
viic7bA86jDto/P2U54nszpuo2QwYjAdBgNVHQ4EFgQU0KlzhDExnRXDO3B08UHI
NmohjccwHwYDVR0jBBgwFoAU0KlzhDExnRXDO3B08UHINmohjccwDwYDVR0TAQH/
BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0kAMEYCIQCdF6j2
Ci9Z5u6khaJ5A7fNvxNjzL/aPlNr3TrTVp27pAIhAJFsikX7fw+uWx9qiGyfEUfh
XuOScFSx1IC9XimQir2x
-----END CERTIFICATE-----";
    /// The same, but only for clients.
    const CLIENT: &str = "\
-----BEGIN CERTIFICATE-----
MIIBnzCCAUWgAwIBAgIUQjoTJphvIvDUFD05/YaC69R4wgcwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHcHJpdmF0ZTAeFw0yNjExMjYxNDMxMjZaFw0zNjExMjMxNDMx
MjZaMBIxEDAOBgNVBAMMB3ByaXZhdGUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AARhLnY5YyS32+GIc8fs799H+AuO4cLZZORQhoGZdedmDmjLII4sls8maxjrtcNx
viic7bA86jDto/P2U54nszpuo3kwdzAdBgNVHQ4EFgQU0KlzhDExnRXDO3B08UHI
NmohjccwHwYDVR0jBBgwFoAU0KlzhDExnRXDO3B08UHINmohjccwDwYDVR0TAQH/
BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMBMGA1UdJQQMMAoGCCsGAQUFBwMCMAoG
CCqGSM49BAMCA0gAMEUCIQCeI4DHKBdQi0w+bZUNNbuRU9v6AOMInAPmS8Klke5g
zAIgB1XtocgEGt+/aLkW4HVNodjHeZe1tnb5QlqFEHhS+rk=
-----END CERTIFICATE-----";

    fn verify(pem: &str, trusted: &str, name: &str, unix: u64) -> Result<(), CertificateError> {
        let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut store = RootCertStore::empty();
        store.add(der(trusted)).expect("fits");
        let trusted = HashSet::from([der(trusted)]);
        let verifier = Verifier::new(store, trusted, Arc::default(), provider).expect("one root");
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let now = UnixTime::since_unix_epoch(Duration::from_secs(unix));
        match verifier.verify_server_cert(&der(pem), &[], &name, &[], now) {
            Ok(_) => Ok(()),
            Err(Error::InvalidCertificate(CertificateError::Other(other))) => {
                let refused = other.0.downcast_ref::<Refused>().expect("ours");
                assert_eq!(refused.issuer, "CN=private");
                Err(refused.why.clone())
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_trusted_certificate_is_accepted_by_name_validity_and_purpose() {
        const THEN: u64 = 1_800_000_000;
        assert_eq!(verify(AUTHORITY, AUTHORITY, "127.0.0.1", THEN), Ok(()));
        let refused =
            |pem, trusted, name, unix| verify(pem, trusted, name, unix).expect_err("refused");
        assert!(matches!(
            refused(AUTHORITY, AUTHORITY, "192.0.2.1", THEN),
            CertificateError::NotValidForNameContext { .. }
        ));
        assert!(matches!(
            refused(AUTHORITY, AUTHORITY, "127.0.0.1", 1_600_000_000),
            CertificateError::NotValidYetContext { .. }
        ));
        assert!(matches!(
            refused(AUTHORITY, AUTHORITY, "127.0.0.1", 2_600_000_000),
            CertificateError::ExpiredContext { .. }
        ));
        assert_eq!(
            refused(CLIENT, CLIENT, "127.0.0.1", THEN),
            CertificateError::InvalidPurpose
        );
        // Another certificate with the same name and key is not the trusted one.
        assert_eq!(
            refused(AUTHORITY, CLIENT, "127.0.0.1", THEN),
            CertificateError::UnknownIssuer
        );
    }
}
