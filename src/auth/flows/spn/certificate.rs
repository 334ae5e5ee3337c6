//! Reads a service principal's certificate from PEM or PFX, and signs assertions with it.

use std::path::Path;

use aws_lc_rs::{
    digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest},
    rsa::KeyPair,
    signature::KeyPair as _,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use p12_keystore::Pkcs12Archive;
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use crate::{
    auth::jws::{self, Algorithm},
    error::{Failure, Result},
    host::file,
    secret::Secret,
};

/// How long an assertion is valid, in seconds: MSAL's value, and the most that Entra advises.
const LIFE: i64 = 600;
/// The largest file that is read, in bytes.
const FILE_LIMIT: u64 = 1 << 20;

/// A certificate with its key.
#[derive(Debug)]
pub(super) struct Certificate {
    key: KeyPair,
    /// DER, the key's own certificate first.
    chain: Vec<Vec<u8>>,
}

/// Reads a certificate's file.
pub(super) fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let bytes = file::read_content(path, FILE_LIMIT).map_err(|why| {
        let hint = why.hint(path).unwrap_or_else(|| {
            "check `--client-certificate`, or the variable that replaces it".to_owned()
        });
        Failure::new(format!(
            "could not read the certificate `{}`",
            path.display()
        ))
        .because(why)
        .hint(hint)
    })?;
    Ok(Zeroizing::new(bytes))
}

/// When the certificate in a file expires, in Unix seconds. A service principal can sign in with it until then.
///
/// # Errors
/// As [`Certificate::read`].
pub(in crate::auth) fn expiry(path: &Path, password: &Secret) -> Result<i64> {
    Certificate::read(path, password)?.expiry()
}

impl Certificate {
    /// Reads a file: PEM with an unencrypted key, or PFX.
    ///
    /// # Errors
    /// What is wrong with the file, and how to make it right.
    pub(super) fn read(path: &Path, password: &Secret) -> Result<Self> {
        let bytes = read_file(path)?;
        let text = std::str::from_utf8(&bytes)
            .ok()
            .filter(|text| text.contains("-----BEGIN "));
        match text {
            Some(text) => Self::from_pem(text),
            None => Self::from_pfx(&bytes, password),
        }
        .map_err(|failure: Failure| {
            failure.context(format!(
                "could not use the certificate `{}`",
                path.display()
            ))
        })
    }

    fn from_pem(text: &str) -> Result<Self> {
        let mut key = None;
        let mut certificates = Vec::new();
        for (label, bytes) in pem_blocks(text)? {
            match label {
                "CERTIFICATE" => certificates.push(bytes.to_vec()),
                "PRIVATE KEY" => key = Some(KeyPair::from_pkcs8(&bytes)),
                "RSA PRIVATE KEY" => key = Some(KeyPair::from_der(&bytes)),
                "ENCRYPTED PRIVATE KEY" => {
                    return Err(Failure::new("its private key is encrypted").hint(
                        "decrypt it (`openssl pkey -in FILE`), or make a PFX file, whose password `--client-certificate-password` gives",
                    ));
                }
                "EC PRIVATE KEY" => return Err(not_rsa()),
                _ => {}
            }
        }
        let key = key
            .ok_or_else(|| {
                Failure::new("there is no private key in it")
                    .hint("put the key and the certificate into one PEM file")
            })?
            .map_err(|_| not_rsa())?;
        Self::pair(key, certificates)
    }

    fn from_pfx(bytes: &[u8], password: &Secret) -> Result<Self> {
        // A PFX file is a sequence, in DER or BER.
        if bytes.first() != Some(&0x30) {
            return Err(Failure::new("it is neither a PEM nor a PFX file").hint(
                "give a file with the certificate and its private key, as PEM or PFX, by `--client-certificate` or `AZURE_CLIENT_CERTIFICATE_PATH`",
            ));
        }
        let archive = Pkcs12Archive::from_pkcs12(bytes, password.expose()).map_err(|e| {
            Failure::new("it is neither PEM nor a PFX file that the password opens")
                .because(e)
                .hint(
                    "check `--client-certificate-password` or `AZURE_CLIENT_CERTIFICATE_PASSWORD`",
                )
        })?;
        let key = archive
            .keys
            .first()
            .ok_or_else(|| Failure::new("there is no private key in it"))?;
        let key = KeyPair::from_pkcs8(key.key.as_der()).map_err(|_| not_rsa())?;
        let certificates = archive
            .certs
            .iter()
            .map(|found| found.cert.as_der().to_vec())
            .collect();
        Self::pair(key, certificates)
    }

    /// Checks that a key and certificates belong together, and puts the key's own certificate first.
    fn pair(key: KeyPair, mut certificates: Vec<Vec<u8>>) -> Result<Self> {
        // A certificate contains the encoding of its public key as is.
        let public = key.public_key().as_ref();
        let own = certificates
            .iter()
            .position(|der| der.windows(public.len()).any(|window| window == public))
            .ok_or_else(|| {
                Failure::new(if certificates.is_empty() {
                    "there is no certificate in it"
                } else {
                    "its private key belongs to none of its certificates"
                })
                .hint("put the key and the certificate into one PEM or PFX file")
            })?;
        let leaf = certificates.remove(own);
        certificates.insert(0, leaf);
        Ok(Self {
            key,
            chain: certificates,
        })
    }

    /// When it expires, in Unix seconds.
    ///
    /// # Errors
    /// If it is not X.509.
    fn expiry(&self) -> Result<i64> {
        let (_, certificate) = x509_parser::parse_x509_certificate(&self.chain[0])
            .map_err(|_| Failure::new("its certificate is not an X.509 certificate"))?;
        Ok(certificate.validity().not_after.timestamp())
    }

    /// Signs an assertion for a token endpoint at `now` (Unix seconds). It carries the chain, so that Entra can identify
    /// the certificate by its subject and issuer.
    ///
    /// # Errors
    /// When the key can't sign.
    pub(super) fn assertion(
        &self,
        client_id: &str,
        endpoint: &Url,
        now: i64,
        legacy: bool,
    ) -> Result<Secret> {
        let chain: Vec<String> = self.chain.iter().map(|der| STANDARD.encode(der)).collect();
        let leaf = &self.chain[0];
        let mut header = json!({ "typ": "JWT", "x5c": chain });
        let (algorithm, name, thumbprint) = if legacy {
            let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, leaf);
            (Algorithm::Rs256, "x5t", sha1)
        } else {
            (Algorithm::Ps256, "x5t#S256", digest(&SHA256, leaf))
        };
        header["alg"] = algorithm.name().into();
        header[name] = URL_SAFE_NO_PAD.encode(thumbprint).into();
        let claims: Value = json!({
            "aud": endpoint.as_str(),
            "iss": client_id,
            "sub": client_id,
            "jti": uuid::Uuid::new_v4().to_string(),
            "iat": now,
            "nbf": now,
            "exp": now.saturating_add(LIFE),
        });
        jws::sign(algorithm, &self.key, &header, &claims)
    }
}

fn not_rsa() -> Failure {
    Failure::new("its private key is not an RSA key")
        .hint("Entra ID accepts RSA keys of 2048 bits or more")
}

type Block<'a> = (&'a str, Zeroizing<Vec<u8>>);

/// The blocks of a PEM text (RFC 7468), each with its label.
fn pem_blocks(text: &str) -> Result<Vec<Block<'_>>> {
    let damaged = || Failure::new("it is not valid PEM");
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("-----BEGIN ") {
        let after = &rest[start + "-----BEGIN ".len()..];
        let (label, body) = after.split_once("-----").ok_or_else(damaged)?;
        let end = format!("-----END {label}-----");
        let (body, after) = body.split_once(end.as_str()).ok_or_else(damaged)?;
        if body.contains("Proc-Type:") {
            return Err(Failure::new("its private key is encrypted")
                .hint("decrypt it (`openssl pkey -in FILE`), or make a PFX file"));
        }
        let packed: Zeroizing<String> =
            Zeroizing::new(body.chars().filter(|c| !c.is_whitespace()).collect());
        let bytes = STANDARD.decode(packed.as_bytes()).map_err(|_| damaged())?;
        blocks.push((label, Zeroizing::new(bytes)));
        rest = after;
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_is_about_the_password_only_if_the_file_can_have_one() {
        let hint = |bytes: &[u8]| {
            let Err(failure) = Certificate::from_pfx(bytes, &Secret::new("no")) else {
                panic!("no certificate");
            };
            failure.hint_text().expect("a hint").to_owned()
        };
        assert!(hint(b"root:x:0:0:root").contains("as PEM or PFX"));
        assert!(hint(b"").contains("as PEM or PFX"));
        assert!(hint(&[0x30, 0x03, 0x02, 0x01, 0x03]).contains("password"));
    }

    #[test]
    fn pem_blocks_are_found_among_other_text() {
        let text = "Bag Attributes\n-----BEGIN A-----\r\nAQID\r\n-----END A-----\nsubject=x\n\
                    -----BEGIN B C-----\nBA==\n-----END B C-----\n";
        let blocks = pem_blocks(text).expect("well formed");
        assert_eq!(blocks.len(), 2);
        assert_eq!(
            (blocks[0].0, blocks[0].1.as_slice()),
            ("A", &[1u8, 2, 3][..])
        );
        assert_eq!((blocks[1].0, blocks[1].1.as_slice()), ("B C", &[4u8][..]));
        for bad in [
            "-----BEGIN A-----\nAQID",
            "-----BEGIN A-----\n!!\n-----END A-----",
            "-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\n-----END A-----",
        ] {
            assert!(pem_blocks(bad).is_err(), "{bad}");
        }
    }
}
