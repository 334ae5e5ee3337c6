//! Signs JSON with RSA keys (JWS, RFC 7515).

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::{
    error::{Failure, Result},
    secret::Secret,
};

/// How to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RSASSA-PSS with SHA-256, which Entra's v2 endpoint recommends.
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, for the v1 endpoint and for proof of
    /// possession.
    Rs256,
}

impl Algorithm {
    /// The name in the header.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }
}

/// Signs a header and claims. Returns the compact form.
///
/// # Errors
/// When the key can't sign, as one of under 2048 bits can't.
pub(super) fn sign(
    algorithm: Algorithm,
    key: &KeyPair,
    header: &Value,
    claims: &Value,
) -> Result<Secret> {
    let input = format!("{}.{}", encode(header), encode(claims));
    let padding = match algorithm {
        Algorithm::Ps256 => &RSA_PSS_SHA256,
        Algorithm::Rs256 => &RSA_PKCS1_SHA256,
    };
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(
        padding,
        &SystemRandom::new(),
        input.as_bytes(),
        &mut signature,
    )
    .map_err(|_| Failure::new("the private key can't sign"))?;
    Ok(Secret::new(format!(
        "{input}.{}",
        URL_SAFE_NO_PAD.encode(signature)
    )))
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}
