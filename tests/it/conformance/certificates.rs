//! The certificates that service principals prove themselves with, made by the real `openssl`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::support::peer;

/// Certificate files by name.
pub(super) struct Certificates(Vec<(&'static str, Vec<u8>)>);

impl Certificates {
    /// Puts every file into a directory.
    pub(super) fn copy_into(&self, directory: &Path) {
        for (name, content) in &self.0 {
            fs::write(directory.join(name), content).expect("a temporary directory is writable");
        }
    }
}

/// The password of the PFX files that have one.
pub(super) const PFX_PASSWORD: &str = "pfx-password-of-the-test";

const COMMANDS: &[&str] = &[
    "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=conformance",
    "rsa -in key.pem -traditional -out key-pkcs1.pem",
    "req -x509 -newkey rsa:2048 -nodes -keyout other-key.pem -out other.pem -days 2 -subj /CN=other",
    "pkcs12 -export -inkey key.pem -in cert.pem -passout pass: -legacy -out old-bare.pfx",
    "pkcs12 -export -inkey key.pem -in cert.pem -passout pass:pfx-password-of-the-test -legacy -out old.pfx",
    "pkcs12 -export -inkey key.pem -in cert.pem -passout pass: -out new-bare.pfx",
    "pkcs12 -export -inkey key.pem -in cert.pem -passout pass:pfx-password-of-the-test -out new.pfx",
    "ecparam -name prime256v1 -genkey -noout -out ec-key.pem",
];

/// The files that are put together from others.
const JOINED: &[(&str, &[&str])] = &[
    ("pkcs8.pem", &["key.pem", "cert.pem"]),
    ("pkcs1.pem", &["key-pkcs1.pem", "cert.pem"]),
    ("chain.pem", &["other.pem", "cert.pem", "key.pem"]),
    ("no-key.pem", &["cert.pem"]),
    ("no-certificate.pem", &["key.pem"]),
    ("mismatch.pem", &["other-key.pem", "cert.pem"]),
    ("ec.pem", &["ec-key.pem", "cert.pem"]),
];

/// Makes the files, once per test run.
///
/// # Panics
/// Where `openssl` is missing or refuses.
pub(super) fn certificates() -> &'static Certificates {
    static MADE: OnceLock<Certificates> = OnceLock::new();
    MADE.get_or_init(|| {
        let openssl = peer("openssl").expect("no case is run without it");
        let directory = tempfile::tempdir().expect("the temporary directory is writable");
        for line in COMMANDS {
            let run = Command::new(&openssl)
                .args(line.split(' '))
                .current_dir(directory.path())
                .output()
                .expect("openssl starts");
            assert!(
                run.status.success(),
                "openssl {line}: {}",
                String::from_utf8_lossy(&run.stderr)
            );
        }
        let read = |name: &str| fs::read(directory.path().join(name)).expect("openssl wrote it");
        let mut files: Vec<(&'static str, Vec<u8>)> = JOINED
            .iter()
            .map(|(name, parts)| (*name, parts.iter().flat_map(|part| read(part)).collect()))
            .collect();
        for name in ["old-bare.pfx", "old.pfx", "new-bare.pfx", "new.pfx"] {
            files.push((name, read(name)));
        }
        files.push(("rubbish.pem", b"this is no certificate\n".to_vec()));
        files.push(("rubbish.pfx", b"nor is this\n".to_vec()));
        Certificates(files)
    })
}
