//! Decides which servers are trusted, and explains why one is not.

use std::{collections::HashSet, fmt, sync::Arc};

use reqwest::ClientBuilder;
use rustls::{
    CertificateError, RootCertStore,
    client::danger::ServerCertVerifier,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, UnixTime, pem::PemObject as _},
};

use crate::{
    error::{Failure, Kind, Result},
    host::{Host, timestamp::rfc3339},
};

#[cfg(any(target_os = "macos", windows))]
mod platform;
#[cfg(not(any(target_os = "macos", windows)))]
mod root_files;
mod verifier;

#[cfg(any(target_os = "macos", windows))]
use platform::Roots;
#[cfg(not(any(target_os = "macos", windows)))]
use root_files::Roots;
use verifier::Verifier;

/// Why a server's certificate was refused, as far as it makes a difference to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its issuer has the name of a trusted authority, and another key.
    OtherKey,
    /// Another authority issued it, or it is self-signed.
    OtherIssuer {
        /// The name of the last issuer of the chain.
        issuer: String,
    },
    /// Its issuer may be trusted, and something else is wrong.
    Invalid(String),
}

impl Refusal {
    pub(super) fn of(error: &CertificateError) -> Self {
        let refused = match error {
            CertificateError::Other(other) => other.0.downcast_ref::<Refused>(),
            _ => None,
        };
        let Some(refused) = refused else {
            return Self::Invalid(error.to_string());
        };
        match &refused.why {
            CertificateError::BadSignature => Self::OtherKey,
            CertificateError::UnknownIssuer if refused.issuer_is_known => Self::OtherKey,
            CertificateError::UnknownIssuer => Self::OtherIssuer {
                issuer: refused.issuer.clone(),
            },
            why => Self::Invalid(why.to_string()),
        }
    }
}

/// The trusted certificates.
pub(super) struct Trust(Roots);

impl Trust {
    /// Reads the certificates of the system and those that variables name.
    ///
    /// # Errors
    /// If none can be read.
    pub(super) fn load(host: &Host) -> Result<Self> {
        Roots::load(host).map(Self)
    }

    /// What verifies servers' certificates against them.
    ///
    /// # Errors
    /// If TLS can't be set up.
    pub(super) fn verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>> {
        self.0.verifier(provider)
    }

    /// Makes a client trust them.
    ///
    /// # Errors
    /// If TLS can't be set up.
    pub(super) fn applied_to(&self, builder: ClientBuilder) -> Result<ClientBuilder> {
        self.0.applied_to(builder)
    }
}

/// What verifies servers' certificates against the authorities in a PEM text alone.
///
/// # Errors
/// If the text has no certificate.
pub(super) fn verifier_of(
    pem: &[u8],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>> {
    let trusted: HashSet<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .collect();
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(trusted.iter().cloned());
    match Verifier::new(store, trusted, Arc::default(), provider) {
        Ok(verifier) => Ok(Arc::new(verifier)),
        Err(_) => Err(Failure::of(
            Kind::Untrusted,
            "the certificate authority has no certificate that can be read",
        )),
    }
}

/// The variables that name trusted certificates.
#[derive(Debug, Default)]
struct Source {
    /// The file that `SSL_CERT_FILE` names.
    file: Option<String>,
    /// What is wrong with the files that the variables name.
    problems: Vec<String>,
    /// What to do about the first problem.
    remedy: Option<String>,
}

/// What is wrong with the files that the variables name, and what to do about the first problem: servers may be refused because of it.
///
/// # Errors
/// If there are no trusted certificates at all.
pub(crate) fn problems(host: &Host) -> Result<(Vec<String>, Option<String>)> {
    Ok(Roots::load(host)?.problems())
}

/// A refused certificate.
#[derive(Debug)]
struct Refused {
    why: CertificateError,
    /// The issuer of the last certificate in the chain that the server sent.
    issuer: String,
    self_signed: bool,
    /// Whether an authority of the issuer's name is trusted: it has another key then.
    issuer_is_known: bool,
    source: Arc<Source>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.why)
    }
}

impl std::error::Error for Refused {}

/// Explains why the certificate of the server at `origin` was refused.
pub(super) fn explain(origin: &str, error: &CertificateError) -> Failure {
    let refused = match error {
        CertificateError::Other(other) => other.0.downcast_ref::<Refused>(),
        _ => None,
    };
    let why = refused.map_or(error, |refused| &refused.why);
    let failure = Failure::of(
        Kind::Untrusted,
        format!("the certificate of `{origin}` is not trusted"),
    );
    match why {
        CertificateError::UnknownIssuer => unknown_issuer(failure, refused),
        CertificateError::BadSignature => unknown_issuer(failure, refused)
            .because("a trusted authority has the same name but a different key"),
        CertificateError::ExpiredContext { time, not_after } => out_of_time(
            failure,
            &format!("it expired at {}", shown(*not_after)),
            Some(*time),
        ),
        CertificateError::NotValidYetContext { time, not_before } => out_of_time(
            failure,
            &format!("it is not valid before {}", shown(*not_before)),
            Some(*time),
        ),
        CertificateError::Expired => out_of_time(failure, "it has expired", None),
        CertificateError::NotValidYet => out_of_time(failure, "it is not valid yet", None),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            failure
                .because(why)
                .hint("another server may have answered: check the address, and the proxy if there is one")
        }
        _ => {
            let failure = failure.because(why);
            match refused {
                Some(refused) => failure.because(format!("its issuer is `{}`", refused.issuer)),
                None => failure,
            }
            .hint("the server needs another certificate, or a proxy answered instead")
        }
    }
}

fn unknown_issuer(failure: Failure, refused: Option<&Refused>) -> Failure {
    const NAME_IT: &str = "if a proxy or a private cloud has its own certificate authority, name its PEM file in `SSL_CERT_FILE`";
    let Some(refused) = refused else {
        return failure
            .because("its issuer is not a trusted certificate authority")
            .hint(NAME_IT);
    };
    let Refused { issuer, source, .. } = refused;
    let mut failure = failure.because(if refused.self_signed {
        format!("it is self-signed, by `{issuer}`")
    } else {
        format!("its issuer `{issuer}` is not a trusted certificate authority")
    });
    for problem in &source.problems {
        failure = failure.because(problem);
    }
    let wanted = if refused.self_signed {
        "this certificate"
    } else {
        "the certificate of this authority"
    };
    match (&source.remedy, &source.file) {
        (Some(remedy), _) => failure.hint(remedy),
        (None, Some(file)) => failure.hint(format!(
            "add {wanted}, as PEM, to `{file}`, which `SSL_CERT_FILE` names"
        )),
        (None, None) => failure.hint(NAME_IT),
    }
}

fn out_of_time(failure: Failure, why: &str, now: Option<UnixTime>) -> Failure {
    let clock = now.map_or_else(String::new, |now| format!(", which says {}", shown(now)));
    failure.because(why).hint(format!(
        "check the clock of this machine{clock}; if it is right, the server needs a new certificate"
    ))
}

/// A time for people.
fn shown(time: UnixTime) -> String {
    let unix = time.as_secs();
    i64::try_from(unix)
        .ok()
        .and_then(rfc3339)
        .unwrap_or_else(|| format!("{unix} (Unix seconds)"))
}
