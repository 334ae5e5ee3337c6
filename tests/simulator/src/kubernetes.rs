//! A Kubernetes API server per cluster, as far as `kubectl get namespaces`, `kubectl get pods`, `kubectl version`
//! and `kubectl auth whoami` go. No namespace has pods. Every call is authenticated; nothing is stored.

use crate::entra::verify;
use crate::fleet::{Cluster, ClusterAuth, PowerState};
use crate::http::{Reply, Request};
use crate::jws::{Jws, base64_lenient, base64url, sha256, thumbprint};
use crate::pki::Issued;
use crate::route::Route;
use crate::state::State;
use serde_json::{Value, json};

/// How long a signed HTTP request is valid after its `ts`, in seconds.
const POP_LIFETIME: i64 = 15 * 60;

const NAMESPACES: &[&str] = &["default", "kube-node-lease", "kube-public", "kube-system"];

/// The static token of a cluster's administrator, which changes with the certificate.
pub(crate) fn static_token(issued: &Issued) -> String {
    base64url(&sha256(issued.key_pem.as_bytes()))
}

/// Who made a request.
struct Identity {
    username: String,
    uid: Option<String>,
    groups: Vec<String>,
    extra: Value,
}

pub(crate) fn handle(state: &State, route: &Route, request: &Request) -> Reply {
    let key = route.cluster.as_deref().unwrap_or_default();
    let cluster = {
        let fleet = state.fleet();
        key.parse::<usize>()
            .ok()
            .filter(|_| key.len() < 8)
            .and_then(|i| fleet.clusters.get(i))
            .or_else(|| fleet.clusters.iter().find(|c| c.address == key))
            .or_else(|| fleet.cluster(key).filter(|c| c.uid != key))
            .cloned()
    };
    let Some(cluster) = cluster else {
        return status(
            404,
            "NotFound",
            "the server could not find the requested resource",
        );
    };
    if cluster.power_state == PowerState::Stopped {
        return Reply::reset();
    }
    let parts = request.parts();
    let path = &parts[2..];
    if let ["healthz" | "livez" | "readyz"] = path {
        return Reply::text(200, "ok");
    }
    let identity = match authenticate(state, &cluster, request) {
        Ok(identity) => identity,
        Err(why) => return status(401, "Unauthorized", "Unauthorized").header("x-sim-reason", why),
    };
    resource(&cluster, &identity, path, request)
}

fn status(code: u16, reason: &str, message: &str) -> Reply {
    Reply::json(
        code,
        &json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code,
        }),
    )
}

/// Takes a client certificate, a static token, an Entra token or a proof-of-possession token.
fn authenticate(state: &State, cluster: &Cluster, request: &Request) -> Result<Identity, String> {
    let admin = || Identity {
        username: "masterclient".into(),
        uid: None,
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
        uid: None,
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

fn resource(cluster: &Cluster, identity: &Identity, path: &[&str], request: &Request) -> Reply {
    match path {
        ["version"] => Reply::json(200, &version(cluster)),
        ["api", "v1", "namespaces"] => namespaces(request),
        ["api", "v1", "namespaces", name] if NAMESPACES.contains(name) => {
            Reply::json(200, &namespace(name))
        }
        ["api", "v1", "namespaces", _, "pods"] => Reply::json(
            200,
            &json!({ "kind": "PodList", "apiVersion": "v1", "metadata": { "resourceVersion": "1" }, "items": [] }),
        ),
        [
            "apis",
            "authorization.k8s.io",
            "v1",
            "selfsubjectaccessreviews",
        ] => Reply::json(201, &access_review(request)),
        ["apis", "authentication.k8s.io", "v1", "selfsubjectreviews"] => {
            Reply::json(201, &self_review(identity))
        }
        _ => match discovery(path) {
            Some(document) => Reply::json(200, &document),
            None => status(
                404,
                "NotFound",
                "the server could not find the requested resource",
            ),
        },
    }
}

/// The documents from which clients learn which resources exist.
fn discovery(path: &[&str]) -> Option<Value> {
    let resources = |version: &str, resources: &[Value]| {
        json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version,
            "resources": resources,
        })
    };
    Some(match path {
        ["api"] => {
            json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] })
        }
        ["apis"] => json!({
            "kind": "APIGroupList", "apiVersion": "v1",
            "groups": [group("authentication.k8s.io"), group("authorization.k8s.io")],
        }),
        ["api", "v1"] => resources(
            "v1",
            &[
                json!({
                    "name": "namespaces", "singularName": "namespace", "namespaced": false, "kind": "Namespace",
                    "verbs": ["create", "delete", "get", "list", "watch"], "shortNames": ["ns"],
                }),
                json!({
                    "name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod",
                    "verbs": ["create", "delete", "get", "list", "watch"], "shortNames": ["po"],
                }),
            ],
        ),
        ["apis", "authentication.k8s.io", "v1"] => resources(
            "authentication.k8s.io/v1",
            &[json!({
                "name": "selfsubjectreviews", "singularName": "", "namespaced": false,
                "kind": "SelfSubjectReview", "verbs": ["create"],
            })],
        ),
        ["apis", "authorization.k8s.io", "v1"] => resources(
            "authorization.k8s.io/v1",
            &[json!({
                "name": "selfsubjectaccessreviews", "singularName": "", "namespaced": false,
                "kind": "SelfSubjectAccessReview", "verbs": ["create"],
            })],
        ),
        _ => return None,
    })
}

fn access_review(request: &Request) -> Value {
    let spec = serde_json::from_slice::<Value>(&request.body)
        .map_or(json!({}), |review| review["spec"].clone());
    json!({
        "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
        "spec": spec, "status": { "allowed": true, "reason": "RBAC: allowed by the simulator" },
    })
}

fn self_review(identity: &Identity) -> Value {
    let mut info = json!({ "username": identity.username, "groups": identity.groups, "extra": identity.extra });
    if let Some(uid) = &identity.uid {
        info["uid"] = uid.clone().into();
    }
    json!({
        "kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
        "status": { "userInfo": info },
    })
}

fn group(name: &str) -> Value {
    let version = json!({ "groupVersion": format!("{name}/v1"), "version": "v1" });
    json!({ "name": name, "versions": [version.clone()], "preferredVersion": version })
}

fn version(cluster: &Cluster) -> Value {
    let mut numbers = cluster.kubernetes_version.split('.');
    json!({
        "major": numbers.next().unwrap_or_default(), "minor": numbers.next().unwrap_or_default(),
        "gitVersion": format!("v{}", cluster.kubernetes_version), "gitCommit": cluster.uid, "gitTreeState": "clean",
        "buildDate": "2025-09-01T00:00:00Z", "goVersion": "go1.24.6", "compiler": "gc", "platform": "linux/amd64",
    })
}

fn namespace(name: &str) -> Value {
    json!({
        "kind": "Namespace", "apiVersion": "v1",
        "metadata": {
            "name": name, "uid": crate::fleet::guid_from(name), "resourceVersion": "1",
            "creationTimestamp": "2025-01-01T00:00:00Z", "labels": { "kubernetes.io/metadata.name": name },
        },
        "spec": { "finalizers": ["kubernetes"] }, "status": { "phase": "Active" },
    })
}

/// The list, as a table where the client asks for one, as kubectl does.
fn namespaces(request: &Request) -> Reply {
    if !request
        .header("accept")
        .is_some_and(|accept| accept.contains("as=Table"))
    {
        let items: Vec<Value> = NAMESPACES.iter().map(|name| namespace(name)).collect();
        return Reply::json(
            200,
            &json!({ "kind": "NamespaceList", "apiVersion": "v1", "metadata": { "resourceVersion": "1" }, "items": items }),
        );
    }
    let column = |name: &str, format: &str| json!({ "name": name, "type": "string", "format": format, "description": name, "priority": 0 });
    let rows: Vec<Value> = NAMESPACES
        .iter()
        .map(|name| {
            let mut object = namespace(name);
            object["kind"] = "PartialObjectMetadata".into();
            object["apiVersion"] = "meta.k8s.io/v1".into();
            json!({ "cells": [name, "Active", "1y"], "object": object })
        })
        .collect();
    Reply::json(
        200,
        &json!({
            "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": { "resourceVersion": "1" },
            "columnDefinitions": [column("Name", "name"), column("Status", ""), column("Age", "")], "rows": rows,
        }),
    )
}
