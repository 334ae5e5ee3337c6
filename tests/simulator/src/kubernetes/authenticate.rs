//! Who a request to an API server is from: a client certificate, a static token, an Entra token or a
//! proof-of-possession token.

use crate::entra::verify;
use crate::fleet::{Cluster, ClusterAuth};
use crate::http::Request;
use crate::jws::{Jws, base64_lenient, base64url, sha256, thumbprint};
use crate::pki::Issued;
use crate::state::State;
use serde_json::{Value, json};

/// How long a signed HTTP request is valid after its `ts`, in seconds.
const POP_LIFETIME: i64 = 15 * 60;

/// The static token of a cluster's administrator, which changes with the certificate.
pub(crate) fn static_token(issued: &Issued) -> String {
    base64url(&sha256(issued.key_pem.as_bytes()))
}

/// Who made a request.
pub(super) struct Identity {
    pub(super) username: String,
    pub(super) groups: Vec<String>,
    pub(super) extra: Value,
}

/// Takes a client certificate, a static token, an Entra token or a proof-of-possession token.
pub(super) fn authenticate(
    state: &State,
    cluster: &Cluster,
    request: &Request,
) -> Result<Identity, String> {
    let admin = || Identity {
        username: "masterclient".into(),
        groups: vec!["system:masters".into(), "system:authenticated".into()],
        extra: json!({}),
    };
    if !cluster.disable_local_accounts {
        let issued = state.cluster_certificate(cluster);
        if request.client_certificate.as_ref() == Some(&issued.certificate_der) {
            return Ok(admin());
        }
        if request.bearer() == Some(static_token(&issued).as_str()) {
            return Ok(admin());
        }
    }
    let bearer = request.bearer().ok_or("no bearer token")?;
    entra_identity(state, cluster, bearer)
}

/// Checks an Entra token or a proof-of-possession token.
fn entra_identity(state: &State, cluster: &Cluster, bearer: &str) -> Result<Identity, String> {
    let ClusterAuth::Aad {
        server_app_id,
        legacy,
        ..
    } = &cluster.auth
    else {
        return Err("the cluster has local accounts only".into());
    };
    let is_pop = Jws::parse(bearer).is_some_and(|t| {
        t.header["typ"]
            .as_str()
            .is_some_and(|typ| typ.eq_ignore_ascii_case("pop"))
    });
    let token = if is_pop {
        proof(state, cluster, bearer)?
    } else {
        verify(state, bearer)?
    };
    if !is_pop && token.claims.get("cnf").is_some() {
        return Err("a token bound to a key came without proof".into());
    }
    let audience = if *legacy {
        format!("spn:{server_app_id}")
    } else {
        server_app_id.clone()
    };
    if token.claim("aud") != audience {
        return Err(format!(
            "audience {:?} is not {audience:?}",
            token.claim("aud")
        ));
    }
    if token.claim("tid") != cluster.tenant_id {
        return Err(format!(
            "tenant {:?} is not {:?}",
            token.claim("tid"),
            cluster.tenant_id
        ));
    }
    let oid = token.claim("oid").to_owned();
    let username = match token.claim("upn") {
        "" => oid.clone(),
        upn => upn.to_owned(),
    };
    Ok(Identity {
        username,
        groups: vec!["system:authenticated".into()],
        extra: json!({ "oid": [oid] }),
    })
}

/// Checks a signed HTTP request as Guard does; the access token in it.
fn proof(state: &State, cluster: &Cluster, bearer: &str) -> Result<Jws, String> {
    let shr = Jws::parse(bearer).ok_or("the signed request is no JWS")?;
    let now = state.now();
    let signed_at = shr.seconds("ts").ok_or("no ts")?;
    if now > signed_at + POP_LIFETIME {
        return Err("the signed request is older than 15 minutes".into());
    }
    if !shr.claim("u").eq_ignore_ascii_case(&cluster.id)
        && !shr.claim("u").eq_ignore_ascii_case(&cluster.fqdn)
    {
        return Err(format!("u={:?} is not this cluster", shr.claim("u")));
    }
    let jwk = &shr.claims["cnf"]["jwk"];
    let (n, e) = (
        jwk["n"].as_str().unwrap_or_default(),
        jwk["e"].as_str().unwrap_or_default(),
    );
    let kid = thumbprint(e, n);
    let components = base64_lenient(n)
        .zip(base64_lenient(e))
        .filter(|(_, e)| e.len() == 3);
    let Some((modulus, exponent)) = components else {
        return Err("cnf.jwk holds no RSA key".into());
    };
    if shr.header["kid"] != kid.as_str() {
        return Err("kid is not the key's thumbprint".into());
    }
    if !shr.signed_by_components(&modulus, &exponent) {
        return Err("the request's signature is invalid".into());
    }
    let token = verify(state, shr.claim("at"))?;
    if token.claims["cnf"]["kid"] != kid.as_str() {
        return Err("the token is bound to another key".into());
    }
    Ok(token)
}
