//! Managed identity endpoints, one per hosting service, each with the checks that the real one makes.

use crate::entra::{Extras, Grant, Subject, access_token, check_resource};
use crate::fleet::ManagedIdentity;
use crate::http::{Reply, Request};
use crate::metadata::TOKEN_PATH;
use crate::state::{State, opaque};
use serde_json::{Value, json};

fn refuse(status: u16, error: &str, description: &str) -> Reply {
    Reply::json(
        status,
        &json!({ "error": error, "error_description": description }),
    )
}

fn bad_request(description: &str) -> Reply {
    refuse(400, "invalid_request", description)
}

/// A token and what the answers say about it.
struct Issued {
    token: String,
    resource: String,
    client_id: String,
    lifetime: i64,
    expires_on: i64,
    now: i64,
}

fn issue(state: &State, identity: &ManagedIdentity, resource: &str) -> Result<Issued, Reply> {
    let subject = Subject::Application {
        oid: identity.object_id.clone(),
        managed: true,
    };
    issue_for(
        state,
        &subject,
        &identity.client_id,
        &identity.tenant_id,
        resource,
    )
}

fn issue_for(
    state: &State,
    subject: &Subject,
    client_id: &str,
    tenant_id: &str,
    resource: &str,
) -> Result<Issued, Reply> {
    let tenant = state.fleet().tenant(tenant_id).cloned();
    let Some(tenant) = tenant else {
        return Err(bad_request("the identity's tenant does not exist"));
    };
    if let Err(error) = check_resource(state, resource, &tenant.display_name) {
        return Err(refuse(400, "invalid_resource", &error.description()));
    }
    let (token, lifetime, expires_on) = access_token(
        state,
        &Grant {
            tenant: &tenant,
            client_id,
            subject,
            resource,
            v1: false,
            claims: None,
            cnf: None,
            nonce: None,
            extras: Extras::default(),
            signed_in_at: None,
        },
    );
    Ok(Issued {
        token,
        resource: resource.to_owned(),
        client_id: client_id.to_owned(),
        lifetime,
        expires_on,
        now: state.now(),
    })
}

/// Finds the identity that a request names by one of these parameters, else the system-assigned one.
fn choose(state: &State, request: &Request, by: &[(&str, By)]) -> Result<ManagedIdentity, Reply> {
    let named = by.iter().find_map(|(name, by)| {
        request
            .query(name)
            .filter(|v| !v.is_empty())
            .map(|v| (*by, v))
    });
    let fleet = state.fleet();
    let found = fleet
        .managed_identities
        .iter()
        .find(|identity| match named {
            None => identity.system,
            Some((By::Client, value)) => identity.client_id.eq_ignore_ascii_case(value),
            Some((By::Object, value)) => identity.object_id.eq_ignore_ascii_case(value),
            Some((By::Resource, value)) => identity.resource_id.eq_ignore_ascii_case(value),
        });
    found
        .cloned()
        .ok_or_else(|| bad_request("Identity not found"))
}

#[derive(Clone, Copy)]
enum By {
    Client,
    Object,
    Resource,
}

fn required<'a>(request: &'a Request, name: &str) -> Result<&'a str, Reply> {
    request
        .query(name)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| bad_request(&format!("Required query variable '{name}' is missing")))
}

fn check_version(request: &Request, known: &[&str]) -> Result<(), Reply> {
    let version = required(request, "api-version")?;
    if known.contains(&version) {
        Ok(())
    } else {
        Err(bad_request(&format!(
            "The api-version {version} is not supported"
        )))
    }
}

fn check_metadata_header(request: &Request) -> Result<(), Reply> {
    if request.header("x-forwarded-for").is_some() {
        return Err(bad_request("Requests through a proxy are refused"));
    }
    match request.header("metadata") {
        Some(value) if value.eq_ignore_ascii_case("true") => Ok(()),
        _ => Err(bad_request("Required metadata header not specified")),
    }
}

/// The answer of IMDS and Arc: numbers as text.
fn textual(issued: &Issued) -> Value {
    json!({
        "access_token": issued.token, "client_id": issued.client_id, "expires_in": issued.lifetime.to_string(),
        "expires_on": issued.expires_on.to_string(), "ext_expires_in": issued.lifetime.to_string(),
        "not_before": issued.now.to_string(), "resource": issued.resource, "token_type": "Bearer",
    })
}

fn settle(answer: Result<Reply, Reply>) -> Reply {
    answer.unwrap_or_else(|refusal| refusal)
}

pub(super) fn imds(state: &State, request: &Request) -> Reply {
    let answer = || {
        check_metadata_header(request)?;
        if request.path != TOKEN_PATH {
            return Err(refuse(404, "not_found", "not found"));
        }
        if request.method != hyper::Method::GET {
            return Err(refuse(405, "method_not_allowed", "only GET"));
        }
        required(request, "api-version")?;
        let resource = required(request, "resource")?;
        let by = [
            ("client_id", By::Client),
            ("object_id", By::Object),
            ("msi_res_id", By::Resource),
            ("mi_res_id", By::Resource),
        ];
        let identity = choose(state, request, &by)?;
        Ok(Reply::json(
            200,
            &textual(&issue(state, &identity, resource)?),
        ))
    };
    settle(answer())
}

pub(super) fn app_service(state: &State, request: &Request) -> Reply {
    let answer = || {
        if request.header("x-identity-header") != Some(&state.secrets.identity_header) {
            return Err(Reply::json(
                401,
                &json!({ "statusCode": 401, "message": "The X-IDENTITY-HEADER is missing or wrong." }),
            ));
        }
        check_version(request, &["2019-08-01"])?;
        let resource = required(request, "resource")?;
        let by = [
            ("client_id", By::Client),
            ("object_id", By::Object),
            ("principal_id", By::Object),
            ("mi_res_id", By::Resource),
        ];
        let identity = choose(state, request, &by)
            .map_err(|_| Reply::json(400, &json!({ "statusCode": 400, "message": "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId." })))?;
        let issued = issue(state, &identity, resource)?;
        Ok(Reply::json(
            200,
            &json!({
                "access_token": issued.token, "expires_on": issued.expires_on.to_string(), "resource": issued.resource,
                "token_type": "Bearer", "client_id": issued.client_id,
            }),
        ))
    };
    settle(answer())
}

pub(super) fn service_fabric(state: &State, request: &Request) -> Reply {
    let answer = || {
        if request.header("secret") != Some(&state.secrets.identity_header) {
            return Err(Reply::json(
                403,
                &json!({ "error": { "code": "SecretHeaderNotFound", "message": "Secret is not found in the request headers." } }),
            ));
        }
        check_version(request, &["2019-07-01-preview"])?;
        let resource = required(request, "resource")?;
        let identity = choose(state, request, &[])?;
        let issued = issue(state, &identity, resource)?;
        Ok(Reply::json(
            200,
            &json!({
                "token_type": "Bearer", "access_token": issued.token, "expires_on": issued.expires_on,
                "resource": issued.resource,
            }),
        ))
    };
    settle(answer())
}

/// Arc proves that a caller may read a file that only the agent's group can: the first answer
/// names it, the second request brings its content.
pub(super) fn arc(state: &State, request: &Request) -> Reply {
    let answer = || {
        check_metadata_header(request)?;
        check_version(request, &["2020-06-01", "2019-11-01", "2021-02-01"])?;
        let resource = required(request, "resource")?;
        let Some(authorization) = request.header("authorization") else {
            return Err(arc_challenge(state));
        };
        let key = authorization.strip_prefix("Basic ").unwrap_or_default();
        if !state.sessions().arc_keys.remove(key) {
            return Err(refuse(
                403,
                "forbidden",
                "The authorization header does not hold a current key.",
            ));
        }
        let identity = choose(state, request, &[])?;
        Ok(Reply::json(
            200,
            &textual(&issue(state, &identity, resource)?),
        ))
    };
    settle(answer())
}

fn arc_challenge(state: &State) -> Reply {
    let key = opaque("arc-key");
    let directory = state.settings().arc_key_directory;
    let file = directory.join(format!("{}.key", uuid::Uuid::new_v4()));
    if let Err(error) =
        std::fs::create_dir_all(&directory).and_then(|()| std::fs::write(&file, &key))
    {
        return refuse(
            500,
            "internal_error",
            &format!("the simulator could not write {}: {error}", file.display()),
        );
    }
    let mut sessions = state.sessions();
    sessions.arc_keys.insert(key);
    sessions.arc_files.push(file.clone());
    Reply::json(401, &json!({ "error": "unauthorized_client", "error_description": "Missing Basic Authorization header" }))
        .header("www-authenticate", format!("Basic realm={}", file.display()))
}

/// Cloud Shell answers for the person who opened it.
pub(super) fn cloud_shell(state: &State, request: &Request) -> Reply {
    let answer = || {
        check_metadata_header(request)?;
        if request.method != hyper::Method::POST {
            return Err(refuse(405, "method_not_allowed", "only POST"));
        }
        let resource = request
            .form("resource")
            .ok_or_else(|| bad_request("resource is missing"))?;
        let user = state
            .fleet()
            .users
            .first()
            .cloned()
            .ok_or_else(|| bad_request("nobody is signed in"))?;
        let tenant = user.home_tenant().to_owned();
        let issued = issue_for(
            state,
            &Subject::User(user),
            crate::AZURE_CLI_APP,
            &tenant,
            resource,
        )?;
        let mut body = textual(&issued);
        body["refresh_token"] = "".into();
        Ok(Reply::json(200, &body))
    };
    settle(answer())
}

pub(super) fn azure_ml(state: &State, request: &Request) -> Reply {
    let answer = || {
        if request.header("secret") != Some(&state.secrets.msi_secret) {
            return Err(refuse(
                401,
                "unauthorized",
                "the secret header is missing or wrong",
            ));
        }
        check_version(request, &["2017-09-01"])?;
        let resource = required(request, "resource")?;
        let identity = choose(state, request, &[("clientid", By::Client)])?;
        let issued = issue(state, &identity, resource)?;
        Ok(Reply::json(
            200,
            &json!({
                "access_token": issued.token, "expires_on": issued.expires_on.to_string(), "resource": issued.resource,
                "token_type": "Bearer", "client_id": issued.client_id,
            }),
        ))
    };
    settle(answer())
}
