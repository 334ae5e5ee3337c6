//! Signed JSON Web Tokens: the RSA keys of the simulator's issuers, and the checking of what
//! clients sign. Knows nothing of what the claims mean.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{self, KeyPair as _, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::sync::OnceLock;

/// Encodes as base64url without padding.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes base64 of either alphabet, with or without padding.
pub(crate) fn base64_lenient(text: &str) -> Option<Vec<u8>> {
    let text = text
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_");
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes)
        .as_ref()
        .to_vec()
}

/// SHA-1, for certificate thumbprints only.
pub(crate) fn sha1(bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes)
        .as_ref()
        .to_vec()
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// An RSA-2048 key that signs RS256.
pub(crate) struct SigningKey {
    pair: KeyPair,
    kid: String,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

/// The key of every simulated Entra in this process. Making an RSA key takes a tenth of a second
/// and more; issuers differ by port, so that tokens of one simulator are invalid at another.
pub(crate) fn entra_key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(SigningKey::generate)
}

/// The key of the simulated OIDC issuers (pipelines, GitHub, workload identity).
pub(crate) fn oidc_key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(SigningKey::generate)
}

impl SigningKey {
    fn generate() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048)
            .expect("the system gives randomness for an RSA key");
        let public = pair.public_key().as_ref();
        let (modulus, exponent) =
            rsa_public_key(public).expect("a key that was just made encodes as RSAPublicKey");
        let kid = thumbprint(&base64url(&exponent), &base64url(&modulus));
        SigningKey {
            pair,
            kid,
            modulus,
            exponent,
        }
    }

    /// The public key as Entra publishes it.
    pub(crate) fn jwk(&self) -> Value {
        json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "x5t": self.kid,
            "n": base64url(&self.modulus), "e": base64url(&self.exponent),
        })
    }

    /// Signs claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": self.kid, "x5t": self.kid });
        let input = format!(
            "{}.{}",
            base64url(header.to_string().as_bytes()),
            base64url(claims.to_string().as_bytes())
        );
        let mut out = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &signature::RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                input.as_bytes(),
                &mut out,
            )
            .expect("an RSA-2048 key signs SHA-256");
        format!("{input}.{}", base64url(&out))
    }

    /// Whether this key signed the token with RS256.
    pub(crate) fn signed(&self, token: &Jws) -> bool {
        token.header["alg"] == "RS256"
            && token.header["kid"] == self.kid.as_str()
            && PublicKeyComponents {
                n: &self.modulus,
                e: &self.exponent,
            }
            .verify(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                token.input.as_bytes(),
                &token.signature,
            )
            .is_ok()
    }
}

/// A compact JWS, taken apart and not yet trusted.
#[derive(Debug)]
pub(crate) struct Jws {
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) input: String,
    pub(crate) signature: Vec<u8>,
}

impl Jws {
    /// Takes `header.payload.signature` apart.
    pub(crate) fn parse(token: &str) -> Option<Jws> {
        let mut parts = token.split('.');
        let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        Some(Jws {
            header: serde_json::from_slice(&decode(header)?).ok()?,
            claims: serde_json::from_slice(&decode(payload)?).ok()?,
            input: format!("{header}.{payload}"),
            signature: decode(signature)?,
        })
    }

    /// A claim as text.
    pub(crate) fn claim(&self, name: &str) -> &str {
        self.claims[name].as_str().unwrap_or_default()
    }

    /// A claim as seconds since the epoch.
    pub(crate) fn seconds(&self, name: &str) -> Option<i64> {
        self.claims[name]
            .as_i64()
            .or_else(|| self.claims[name].as_f64().map(|f| f as i64))
    }

    /// Checks the signature with the public key of a certificate (DER), as RS256 or PS256.
    pub(crate) fn signed_by_certificate(&self, der: &[u8]) -> Result<(), String> {
        let certificate = tokio_rustls::rustls::pki_types::CertificateDer::from(der);
        let certificate = webpki::EndEntityCert::try_from(&certificate)
            .map_err(|e| format!("certificate: {e}"))?;
        let key = certificate.subject_public_key_info();
        let algorithm: &'static dyn VerificationAlgorithm = match self.header["alg"].as_str() {
            Some("RS256") => &signature::RSA_PKCS1_2048_8192_SHA256,
            Some("PS256") => &signature::RSA_PSS_2048_8192_SHA256,
            other => return Err(format!("algorithm {other:?}")),
        };
        UnparsedPublicKey::new(algorithm, key.as_ref())
            .verify(self.input.as_bytes(), &self.signature)
            .map_err(|_| "signature".to_owned())
    }

    /// Checks an RS256 signature with the key given as a JWK's `n` and `e`.
    pub(crate) fn signed_by_components(&self, n: &[u8], e: &[u8]) -> bool {
        self.header["alg"] == "RS256"
            && PublicKeyComponents { n, e }
                .verify(
                    &signature::RSA_PKCS1_2048_8192_SHA256,
                    self.input.as_bytes(),
                    &self.signature,
                )
                .is_ok()
    }

    /// The certificates of the `x5c` header, leaf first. RFC 7515 wants standard base64.
    pub(crate) fn x5c(&self) -> Vec<Vec<u8>> {
        let list = match &self.header["x5c"] {
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            Value::String(one) => vec![one.as_str()],
            _ => Vec::new(),
        };
        list.into_iter()
            .filter_map(|text| STANDARD.decode(text).ok())
            .collect()
    }
}

/// RFC 7638 thumbprint of an RSA key.
pub(crate) fn thumbprint(e: &str, n: &str) -> String {
    base64url(&sha256(
        format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#).as_bytes(),
    ))
}

/// Reads modulus and exponent from a PKCS#1 `RSAPublicKey`.
fn rsa_public_key(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (0x30, body, _) = element(der)? else {
        return None;
    };
    let (0x02, modulus, rest) = element(body)? else {
        return None;
    };
    let (0x02, exponent, _) = element(rest)? else {
        return None;
    };
    let unsigned = |bytes: &[u8]| bytes.iter().copied().skip_while(|&b| b == 0).collect();
    Some((unsigned(modulus), unsigned(exponent)))
}

/// One DER element: tag, content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        (
            bytes.iter().fold(0, |n, &b| (n << 8) | usize::from(b)),
            rest,
        )
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_token_verifies_and_a_changed_one_does_not() {
        let key = entra_key();
        let token = key.sign(&json!({"sub": "me"}));
        let parsed = Jws::parse(&token).expect("a signed token parses");
        assert!(key.signed(&parsed));
        assert_eq!(parsed.claim("sub"), "me");
        assert!(!oidc_key().signed(&parsed));
        let mut forged = Jws::parse(&token).expect("a signed token parses");
        forged.input.push('x');
        assert!(!key.signed(&forged));
    }

    #[test]
    fn a_key_publishes_what_it_signs_with() {
        let key = entra_key();
        let jwk = key.jwk();
        let part = |name: &str| {
            base64_lenient(jwk[name].as_str().expect("a JWK holds text")).expect("base64url")
        };
        let token = Jws::parse(&key.sign(&json!({}))).expect("a signed token parses");
        assert!(token.signed_by_components(&part("n"), &part("e")));
        assert_eq!(part("e"), [1, 0, 1]);
        assert_eq!(
            key.kid,
            thumbprint("AQAB", jwk["n"].as_str().expect("text"))
        );
    }
}
