//! The simulator's certificate authority: server certificates, clusters' client certificates, and
//! the self-signed certificate of the simulated Service Fabric.

use crate::entra::PUBLIC_NAMES;
use crate::jws::{hex, sha1};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, date_time_ymd,
};
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs as provider};

/// A certificate and its key.
pub(crate) struct Issued {
    pub(crate) certificate_pem: String,
    pub(crate) certificate_der: Vec<u8>,
    pub(crate) key_pem: String,
    key_der: Vec<u8>,
}

/// A certificate authority, generated at start.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn generate() -> Self {
        let issuer = CertifiedIssuer::self_signed(authority(), key())
            .expect("the CA's parameters are constant and valid");
        Authority { issuer }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Another certificate of the authority's name and key, so that it verifies what the first one
    /// does; number 0 is the first one.
    pub(crate) fn pem_of(&self, number: u64) -> String {
        if number == 0 {
            return self.pem();
        }
        let mut params = authority();
        params.serial_number = Some(number.into());
        params
            .self_signed(self.issuer.key())
            .expect("the CA's parameters are constant and valid")
            .pem()
    }

    /// A server certificate for `localhost`, `127.0.0.1` and Entra's public names.
    pub(crate) fn server(&self) -> Issued {
        let mut params = params("localhost");
        params
            .subject_alt_names
            .extend(PUBLIC_NAMES.iter().map(|name| {
                SanType::DnsName((*name).try_into().expect("constant names are plain ASCII"))
            }));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params)
    }

    /// A client certificate for an administrator of one cluster.
    pub(crate) fn client(&self, common_name: &str, organization: &str) -> Issued {
        let mut params = params(common_name);
        params.subject_alt_names.clear();
        params
            .distinguished_name
            .push(DnType::OrganizationName, organization);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    fn issue(&self, mut params: CertificateParams) -> Issued {
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        params.use_authority_key_identifier_extension = true;
        let key = key();
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("a leaf's parameters are valid");
        Issued {
            certificate_pem: certificate.pem(),
            certificate_der: certificate.der().to_vec(),
            key_pem: key.serialize_pem(),
            key_der: key.serialize_der(),
        }
    }

    /// TLS for a server of this authority; `client_certificates` asks for one without requiring it.
    pub(crate) fn tls(&self, client_certificates: bool) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        roots
            .add(self.issuer.der().clone())
            .expect("the CA's own certificate is a valid root");
        tls(&self.server(), client_certificates.then_some(roots))
    }
}

/// A self-signed server certificate.
pub(crate) struct SelfSigned {
    pub(crate) tls: Arc<ServerConfig>,
    pub(crate) pem: String,
    /// SHA-1 in upper-case hexadecimal.
    pub(crate) thumbprint: String,
}

/// Makes a self-signed server certificate.
pub(crate) fn self_signed() -> SelfSigned {
    let key = key();
    let certificate = params("localhost")
        .self_signed(&key)
        .expect("constant parameters are valid");
    let thumbprint = hex(&sha1(certificate.der())).to_uppercase();
    let issued = Issued {
        certificate_pem: certificate.pem(),
        certificate_der: certificate.der().to_vec(),
        key_pem: key.serialize_pem(),
        key_der: key.serialize_der(),
    };
    SelfSigned {
        tls: tls(&issued, None),
        pem: issued.certificate_pem,
        thumbprint,
    }
}

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
        .expect("the system gives randomness for a P-256 key")
}

fn authority() -> CertificateParams {
    let mut params = params("Azure simulator CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params
}

fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])
        .expect("constant subject names are valid");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    // A fixed span: clients whose clock a test moves by months still trust it.
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2045, 1, 1);
    params
}

fn tls(issued: &Issued, clients: Option<RootCertStore>) -> Arc<ServerConfig> {
    let provider = Arc::new(provider::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs supports TLS 1.2 and 1.3");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(roots) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .expect("one root and no revocation lists make a verifier"),
        ),
    };
    let chain = vec![CertificateDer::from(issued.certificate_der.clone())];
    let key = PrivateKeyDer::try_from(issued.key_der.clone()).expect("rcgen serializes PKCS#8");
    let mut config = builder
        .with_single_cert(chain, key)
        .expect("the key belongs to the certificate");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}
