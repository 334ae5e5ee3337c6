//! Reads the trusted certificates of Unix systems as Go's crypto/x509 does (`root_unix.go`,
//! `root_linux.go`), so that the same ones are trusted as by kubectl.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use reqwest::ClientBuilder;
use rustls::{
    ClientConfig, RootCertStore,
    client::danger::ServerCertVerifier,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::{Source, verifier::Verifier};
use crate::{
    error::{Failure, Kind, Result},
    host::{
        Host,
        file::{self, Unreadable},
    },
};

/// The system's files. The first one that can be read is used.
const FILES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// The system's directories. All are used.
const DIRECTORIES: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// The largest file that is read, in bytes. Those of systems have 0.2 MB.
const LIMIT: u64 = 64 << 20;

/// Every trusted certificate.
pub(super) struct Roots {
    certificates: HashSet<CertificateDer<'static>>,
    source: Arc<Source>,
}

impl Roots {
    /// `SSL_CERT_FILE` replaces the system's file, and `SSL_CERT_DIR`, a list of directories, the system's
    /// directories, independently of each other. An empty variable counts as unset. What can't be read
    /// is skipped, and mentioned if a certificate is refused.
    pub(super) fn load(host: &Host) -> Result<Self> {
        let named = |name| host.var_os_nonempty(name);
        let mut found = Found::default();
        match named("SSL_CERT_FILE") {
            Some(file) => found.read_named_file(file),
            None => {
                FILES.iter().any(|file| match read(file.as_ref()) {
                    Ok(pem) => {
                        found.add(&pem);
                        true
                    }
                    Err(_) => false,
                });
            }
        }
        match named("SSL_CERT_DIR") {
            Some(list) => std::env::split_paths(list).for_each(|directory| {
                let before = found.certificates.len();
                let problem = match found.read_directory(&directory) {
                    Err(error) => error.to_string(),
                    Ok(()) if found.certificates.len() == before => {
                        "it contains no further PEM certificate".to_owned()
                    }
                    Ok(()) => return,
                };
                found.problem(format!(
                    "`SSL_CERT_DIR` names the directory `{}`: {problem}",
                    directory.display()
                ));
            }),
            None => {
                for directory in DIRECTORIES {
                    let _ = found.read_directory(directory.as_ref());
                }
            }
        }
        for problem in &found.source.problems {
            tracing::debug!("{problem}");
        }
        found.into_roots()
    }

    /// What is wrong with the files that the variables name, and what to do about the first problem.
    pub(super) fn problems(&self) -> (Vec<String>, Option<String>) {
        (self.source.problems.clone(), self.source.remedy.clone())
    }

    pub(super) fn verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(self.certificates.iter().cloned());
        let trusted = self.certificates.clone();
        let verifier = Verifier::new(store, trusted, Arc::clone(&self.source), provider);
        Ok(Arc::new(verifier.map_err(set_up)?))
    }

    pub(super) fn applied_to(&self, builder: ClientBuilder) -> Result<ClientBuilder> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = self.verifier(Arc::clone(&provider))?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(set_up)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(builder.tls_backend_preconfigured(config))
    }
}

fn set_up(error: impl std::fmt::Display) -> Failure {
    Failure::of(Kind::Network, "could not set up TLS").because(error)
}

/// Reads a file, and no pipe or device: those may never end.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    file::read_regular(path, LIMIT).map_err(|why| match why {
        Unreadable::Special | Unreadable::TooLarge { .. } => io::Error::other(why.to_string()),
        // As the system words it.
        _ => fs::File::open(path)
            .err()
            .unwrap_or_else(|| io::ErrorKind::IsADirectory.into()),
    })
}

#[derive(Default)]
struct Found {
    certificates: HashSet<CertificateDer<'static>>,
    source: Source,
}

impl Found {
    /// Adds the certificates of a PEM text, and skips other sections and broken ones. Returns the number
    /// of certificates.
    fn add(&mut self, pem: &[u8]) -> usize {
        CertificateDer::pem_slice_iter(pem)
            .filter_map(Result::ok)
            .map(|certificate| self.certificates.insert(certificate))
            .count()
    }

    fn problem(&mut self, problem: String) {
        self.source.problems.push(problem);
    }

    fn read_named_file(&mut self, file: &OsStr) {
        let shown = file.to_string_lossy();
        self.source.file = Some(shown.clone().into_owned());
        let (problem, remedy) = match read(file.as_ref()) {
            Err(error) => (
                format!("can't be read: {error}"),
                "name a PEM file in `SSL_CERT_FILE`, or run `unset SSL_CERT_FILE`".to_owned(),
            ),
            Ok(content) if self.add(&content) > 0 => return,
            Ok(content) if is_der(&content) => (
                "is a DER file, not PEM".to_owned(),
                format!(
                    "run `openssl x509 -inform der -in '{shown}' -out '{shown}.pem'`, and name `{shown}.pem` in `SSL_CERT_FILE`"
                ),
            ),
            Ok(_) => (
                "contains no PEM certificate (`-----BEGIN CERTIFICATE-----`)".to_owned(),
                "name a PEM file in `SSL_CERT_FILE`, or run `unset SSL_CERT_FILE`".to_owned(),
            ),
        };
        self.problem(format!("`SSL_CERT_FILE` names `{shown}`, which {problem}"));
        self.source.remedy = Some(remedy);
    }

    /// Reads every file of a directory, except links to other files in it.
    fn read_directory(&mut self, directory: &Path) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let Ok(entry) = entry else { continue };
            if !links_to_sibling(&entry)
                && let Ok(pem) = read(&entry.path())
            {
                self.add(&pem);
            }
        }
        Ok(())
    }

    fn into_roots(self) -> Result<Roots> {
        if self.certificates.is_empty() {
            let mut failure = Failure::of(
                Kind::Untrusted,
                "no trusted certificates were found, so no server can be trusted",
            );
            for problem in &self.source.problems {
                failure = failure.because(problem);
            }
            return Err(failure.hint(self.source.remedy.unwrap_or_else(|| {
                "install the system's certificates (the package `ca-certificates`), or name a PEM file in `SSL_CERT_FILE`".to_owned()
            })));
        }
        Ok(Roots {
            certificates: self.certificates,
            source: Arc::new(self.source),
        })
    }
}

/// Whether an entry is a link to another file in its directory. The names that OpenSSL looks up are such
/// links.
fn links_to_sibling(entry: &fs::DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_symlink())
        && fs::read_link(entry.path())
            .is_ok_and(|target: PathBuf| !target.as_os_str().as_encoded_bytes().contains(&b'/'))
}

fn is_der(content: &[u8]) -> bool {
    x509_parser::parse_x509_certificate(content).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(vars: &[(&str, &Path)]) -> Result<Roots> {
        Roots::load(&Host::with_env(
            vars.iter().map(|(name, path)| (*name, path.as_os_str())),
        ))
    }

    #[test]
    fn the_variables_have_the_same_meaning_as_in_go() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let write = |name: &str, certificates: &[u8]| {
            let text: String = certificates
                .iter()
                .map(|n| {
                    use base64::{Engine, engine::general_purpose::STANDARD};
                    let der = STANDARD.encode([0x30, 1, *n]);
                    format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n")
                })
                .collect();
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(&path, text).expect("written");
            path
        };
        let file = write("file.pem", &[1, 2]);
        write("one/a", &[2, 3]);
        write("two/b", &[4]);
        std::os::unix::fs::symlink("a", dir.path().join("one/link")).expect("linked");
        let system = roots(&[]).map_or(0, |roots| roots.certificates.len());
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        let both = std::env::join_paths([&one, &two]).expect("no colon");
        let count = |vars: &[(&str, &Path)]| roots(vars).expect("some").certificates.len();
        let nowhere = dir.path().join("nowhere");

        // `SSL_CERT_FILE` replaces only the file.
        assert!(count(&[("SSL_CERT_FILE", &file)]) >= 2);
        assert!(count(&[("SSL_CERT_FILE", &file)]) <= system + 2);
        assert_eq!(
            count(&[("SSL_CERT_FILE", &file), ("SSL_CERT_DIR", &nowhere)]),
            2
        );
        assert_eq!(
            count(&[("SSL_CERT_FILE", &file), ("SSL_CERT_DIR", &one)]),
            3
        );
        assert_eq!(
            count(&[("SSL_CERT_FILE", &nowhere), ("SSL_CERT_DIR", both.as_ref())]),
            3
        );
        // An empty variable counts as unset.
        if system > 0 {
            let empty = Path::new("");
            assert_eq!(
                count(&[("SSL_CERT_FILE", empty), ("SSL_CERT_DIR", empty)]),
                system
            );
        }
        let failure = roots(&[("SSL_CERT_FILE", &nowhere), ("SSL_CERT_DIR", &nowhere)])
            .err()
            .expect("nothing to trust");
        let shown = failure.render();
        assert!(
            shown.contains("`SSL_CERT_FILE`") && shown.contains("`SSL_CERT_DIR`"),
            "{shown}"
        );
    }
}
