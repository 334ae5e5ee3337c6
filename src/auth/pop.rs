//! Proof of possession: the key that tokens are bound to, and the signed request (SHR) that kubectl sends instead of the
//! bare token.
//!
//! The server is kubeguard's `auth/providers/azure`, which accepts a signed request for 15 minutes.

use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
    signature::KeyPair as _,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use super::{
    AccessToken,
    jws::{self, Algorithm},
    store::Store,
};
use crate::{
    error::{Failure, Result},
    login::PopClaims,
    secret::Secret,
};

/// The record of the key.
pub(super) const RECORD: &str = "pop-key";
/// The lock under which the key is created.
pub(super) const LOCK: &str = "pop-key";
/// How long kubectl may use a signed request, in seconds: a minute less than the server accepts it.
const LIFE: i64 = 14 * 60;

/// The key that tokens are bound to.
#[derive(Debug)]
pub(super) struct PopKey {
    key: KeyPair,
    e: String,
    n: String,
    kid: String,
    /// Why the key could not be stored.
    unstored: Option<Failure>,
}

impl PopKey {
    /// Creates a key and stores it. Callers hold [`LOCK`], so that all processes use one key. A key that can't be stored
    /// serves this process.
    ///
    /// # Errors
    /// When no key can be created.
    pub(super) fn create(store: &Store) -> Result<Self> {
        let key = KeyPair::generate(KeySize::Rsa2048)
            .map_err(|_| Failure::new("could not create a key for proof of possession"))?;
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&key)
            .map_err(|_| Failure::new("could not encode the key for proof of possession"))?;
        let text = Secret::new(STANDARD.encode(der.as_ref()));
        let unstored = store.write(RECORD, text.expose().as_bytes()).err();
        Ok(Self {
            unstored,
            ..Self::new(key)
        })
    }

    /// Loads the key from the store.
    pub(super) fn load(store: &Store) -> Option<Self> {
        let text = store.read(RECORD)?;
        let der = zeroize::Zeroizing::new(STANDARD.decode(&*text).ok()?);
        Some(Self::new(KeyPair::from_pkcs8(&der).ok()?))
    }

    fn new(key: KeyPair) -> Self {
        let public = key.public_key();
        let e = URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero());
        let n = URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero());
        // RFC 7638: the members in this order and without spaces.
        let jwk = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, jwk.as_bytes()));
        Self {
            key,
            e,
            n,
            kid,
            unstored: None,
        }
    }

    /// Why the key could not be stored: then no token bound to it may be cached.
    pub(super) fn unstored(&self) -> Option<&Failure> {
        self.unstored.as_ref()
    }

    /// The thumbprint.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// The `req_cnf` of a token request.
    pub(super) fn req_cnf(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!(r#"{{"kid":"{}","xms_ksl":"sw"}}"#, self.kid))
    }

    /// Signs a request to the cluster of `claims` at `now` (Unix seconds).
    ///
    /// # Errors
    /// When the key can't sign.
    pub(super) fn signed_request(
        &self,
        token: &AccessToken,
        claims: &PopClaims,
        now: i64,
    ) -> Result<AccessToken> {
        let header = json!({ "typ": "pop", "alg": "RS256", "kid": self.kid });
        let payload: Value = json!({
            "at": token.secret.expose(),
            "ts": now,
            "u": claims.u,
            "cnf": { "jwk": {
                "e": self.e, "kty": "RSA", "n": self.n, "alg": "RS256", "kid": self.kid,
            } },
            "nonce": uuid::Uuid::new_v4().simple().to_string(),
        });
        Ok(AccessToken {
            secret: jws::sign(Algorithm::Rs256, &self.key, &header, &payload)?,
            expires_on: token.expires_on.min(now.saturating_add(LIFE)),
            refresh_on: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_created_once_and_signs_for_as_long_as_the_server_accepts() {
        let store = Store::in_memory();
        assert!(PopKey::load(&store).is_none());
        let key = PopKey::create(&store).expect("a key");
        assert_eq!(PopKey::load(&store).expect("the same").kid(), key.kid());
        let cnf = URL_SAFE_NO_PAD.decode(key.req_cnf()).expect("base64url");
        let cnf: Value = serde_json::from_slice(&cnf).expect("JSON");
        assert_eq!(cnf, json!({ "kid": key.kid(), "xms_ksl": "sw" }));

        let token = AccessToken {
            secret: Secret::new("inner"),
            expires_on: 10_000,
            refresh_on: None,
        };
        let claims = PopClaims {
            u: "/cluster".into(),
        };
        let signed = key.signed_request(&token, &claims, 1_000).expect("signed");
        assert_eq!(signed.expires_on, 1_840);
        let last = key.signed_request(&token, &claims, 9_900).expect("signed");
        assert_eq!(last.expires_on, 10_000);

        let mut parts = signed.secret.expose().split('.');
        let mut next = || {
            let part = parts.next().expect("three parts");
            URL_SAFE_NO_PAD.decode(part).expect("base64url")
        };
        let header: Value = serde_json::from_slice(&next()).expect("JSON");
        assert_eq!(header["typ"], "pop");
        let payload: Value = serde_json::from_slice(&next()).expect("JSON");
        assert_eq!(payload["at"], "inner");
        assert_eq!(payload["u"], "/cluster");
        assert_eq!(payload["ts"], 1_000);
        assert_eq!(payload["cnf"]["jwk"]["kid"], key.kid());
        let public = key.key.public_key().as_ref();
        let input = signed.secret.expose().rsplit_once('.').expect("signed").0;
        aws_lc_rs::signature::UnparsedPublicKey::new(
            &aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256,
            public,
        )
        .verify(input.as_bytes(), &next())
        .expect("the signature is of this key");
    }
}
