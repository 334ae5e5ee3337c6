//! What the stand-ins for `az` and `azd` ask the simulator: tokens, and what an account sees.

use crate::entra::{Extras, Grant, Subject, access_token, check_resource};
use crate::fleet::{AZURE_CLI_APP, Fleet, RoleAssignment, Tenant};
use crate::http::{Reply, Request};
use crate::state::State;
use serde_json::{Value, json};

fn refuse(error: impl Into<String>) -> Reply {
    let error: String = error.into();
    Reply::json(400, &json!({ "error": error }))
}

/// An account of a developer tool: a UPN, a client id of a service principal, or `msi`.
struct Account {
    name: String,
    kind: &'static str,
    client_id: String,
    subject: Subject,
    roles: Vec<RoleAssignment>,
    /// Tenants it is in, the home tenant first.
    tenants: Vec<String>,
    password: Option<String>,
    disabled: bool,
}

impl Account {
    fn find(fleet: &Fleet, name: &str) -> Option<Account> {
        if let Some(user) = fleet.user(name) {
            return Some(Account {
                name: user.upn.clone(),
                kind: "user",
                client_id: AZURE_CLI_APP.into(),
                roles: user.roles.clone(),
                tenants: user.tenants.clone(),
                password: Some(user.password.clone()),
                disabled: user.disabled,
                subject: Subject::User(user.clone()),
            });
        }
        if let Some(principal) = fleet.service_principal(name) {
            return Some(Account {
                name: principal.client_id.clone(),
                kind: "servicePrincipal",
                client_id: principal.client_id.clone(),
                roles: principal.roles.clone(),
                tenants: vec![principal.tenant_id.clone()],
                password: principal.secrets.first().cloned(),
                disabled: false,
                subject: Subject::Application {
                    oid: principal.oid.clone(),
                    managed: false,
                },
            });
        }
        let identity = fleet
            .managed_identities
            .iter()
            .find(|i| i.system && name == "msi")?;
        Some(Account {
            name: "systemAssignedIdentity".into(),
            kind: "servicePrincipal",
            client_id: identity.client_id.clone(),
            roles: identity.roles.clone(),
            tenants: vec![identity.tenant_id.clone()],
            password: None,
            disabled: false,
            subject: Subject::Application {
                oid: identity.object_id.clone(),
                managed: true,
            },
        })
    }

    /// The subscriptions that it sees, of one tenant or of all, as ARM describes them.
    fn subscriptions(&self, fleet: &Fleet, tenant_id: Option<&str>) -> Vec<Value> {
        let mut seen = Vec::new();
        for s in &fleet.subscriptions {
            let Some(tenant) = fleet.tenant(&s.tenant_id) else {
                continue;
            };
            let scope = format!("/subscriptions/{}", s.id);
            if !s.hidden
                && tenant_id.is_none_or(|id| id == s.tenant_id)
                && self.is_in(tenant)
                && self.roles.iter().any(|role| role.reveals(&scope))
            {
                seen.push(json!({
                    "id": s.id, "name": s.name, "state": s.state, "tenantId": s.tenant_id,
                    "homeTenantId": s.home_tenant_id.as_ref().unwrap_or(&s.tenant_id),
                    "tenantDefaultDomain": tenant.domain, "tenantDisplayName": tenant.display_name,
                }));
            }
        }
        seen
    }

    fn is_in(&self, tenant: &Tenant) -> bool {
        self.tenants
            .iter()
            .any(|id| id.eq_ignore_ascii_case(&tenant.id))
    }
}

/// A token for an account that the tool believes to be signed in.
pub(crate) fn token(state: &State, request: &Request) -> Reply {
    let name = request.query("account").unwrap_or_default();
    let resource = request.query("resource").unwrap_or(&state.arm_audience);
    let tenant_name = request.query("tenant").unwrap_or_default();
    let fleet = state.fleet();
    let Some(tenant) = fleet.tenant(tenant_name).cloned() else {
        return refuse(format!("AADSTS90002: Tenant '{tenant_name}' not found."));
    };
    let Some(account) = Account::find(&fleet, name) else {
        return refuse(format!(
            "User '{name}' does not exist in MSAL token cache. Run `az login`."
        ));
    };
    drop(fleet);
    if account.disabled {
        return refuse("AADSTS50057: The user account is disabled.");
    }
    if !account.is_in(&tenant) {
        return refuse(format!(
            "AADSTS50020: User account '{name}' does not exist in tenant '{}' and cannot access the application in that tenant.",
            tenant.display_name
        ));
    }
    if tenant.mfa_required && account.kind == "user" {
        return refuse(format!(
            "AADSTS50076: Due to a configuration change made by your administrator, or because you moved to a new location, \
             you must use multi-factor authentication to access '{resource}'."
        ));
    }
    if tenant.blocked && account.kind == "user" {
        return refuse(
            "AADSTS53003: Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.",
        );
    }
    if let Err(error) = check_resource(state, resource, &tenant.display_name) {
        return refuse(error.description());
    }
    let grant = Grant {
        tenant: &tenant,
        client_id: &account.client_id,
        subject: &account.subject,
        resource,
        v1: false,
        claims: request.query("claims"),
        cnf: None,
        nonce: None,
        extras: Extras::default(),
        signed_in_at: None,
    };
    let (token, _, expires_on) = access_token(state, &grant);
    Reply::json(
        200,
        &json!({ "token": token, "expiresOn": expires_on, "tenant": tenant.id }),
    )
}

/// What signing in brings: the account and the subscriptions that it sees. Without an account, the
/// fleet's first user signs in, as if through a browser.
pub(super) fn profile(state: &State, request: &Request) -> Reply {
    let fleet = state.fleet();
    let first = fleet
        .users
        .first()
        .map(|u| u.upn.clone())
        .unwrap_or_default();
    let name = request.query("account").unwrap_or(&first);
    let Some(account) = Account::find(&fleet, name) else {
        return refuse(format!(
            "AADSTS50034: The user account {name} does not exist in the directory."
        ));
    };
    if let Some(password) = request.query("password")
        && account.password.as_deref() != Some(password)
    {
        return refuse(match account.kind {
            "user" => {
                "AADSTS50126: Error validating credentials due to invalid username or password."
            }
            _ => "AADSTS7000215: Invalid client secret provided.",
        });
    }
    let only = match request.query("tenant") {
        None => None,
        Some(named) => match fleet.tenant(named) {
            Some(tenant) => Some(tenant.id.clone()),
            None => return refuse(format!("AADSTS90002: Tenant '{named}' not found.")),
        },
    };
    let subscriptions = account.subscriptions(&fleet, only.as_deref());
    let tenant = only
        .or_else(|| account.tenants.first().cloned())
        .unwrap_or_default();
    Reply::json(
        200,
        &json!({ "account": account.name, "kind": account.kind, "tenantId": tenant, "subscriptions": subscriptions }),
    )
}
