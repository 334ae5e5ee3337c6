//! Device code sign-in: its start, and what each poll is answered.

use super::error::{EntraError, required};
use super::scope::{Scope, check_client, client_info};
use super::sessions::{DeviceFlow, DeviceOutcome};
use super::token::{enabled_user, tenant_of};
use super::{DEVICE_PAGE, Realm, issue};
use crate::http::{Reply, Request};
use crate::state::{State, opaque};
use serde_json::json;
use std::time::{Duration, Instant};

/// Answers `/devicecode`.
pub(super) fn start(state: &State, tenant: &str, request: &Request) -> Result<Reply, EntraError> {
    let v1 = !request.path.contains("/v2.0/");
    let realm = Realm::find(state, tenant)?;
    let client_id = required(request, "client_id")?;
    let scope = Scope::of(request, v1)?;
    check_client(state, client_id, &realm, &scope.resource)?;
    let settings = state.settings();
    let user_code = user_code();
    let device_code = opaque("device-code");
    let message = format!(
        "To sign in, use a web browser to open the page {}{DEVICE_PAGE} and enter the code {user_code} to authenticate.",
        state.addresses.entra
    );
    let flow = DeviceFlow {
        user_code: user_code.clone(),
        client_id: client_id.to_owned(),
        tenant: tenant.to_owned(),
        resource: scope.resource,
        openid: scope.openid,
        offline: scope.offline,
        started_at: state.now(),
        expires_in: settings.device_expires_in,
        interval: settings.device_interval,
        polls: 0,
        last_poll: None,
        outcome: DeviceOutcome::Pending,
        redeemed: false,
    };
    state.sessions().device.insert(device_code.clone(), flow);
    let page = format!("{}{DEVICE_PAGE}", state.addresses.entra);
    Ok(Reply::json(
        200,
        &if v1 {
            json!({
                "user_code": user_code, "device_code": device_code, "verification_url": page,
                "expires_in": settings.device_expires_in.to_string(),
                "interval": settings.device_interval.to_string(), "message": message,
            })
        } else {
            json!({
                "user_code": user_code, "device_code": device_code, "verification_uri": page,
                "expires_in": settings.device_expires_in, "interval": settings.device_interval, "message": message,
            })
        },
    ))
}

/// Nine letters and digits, as Entra's user codes are.
fn user_code() -> String {
    const ALPHABET: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ23456789";
    uuid::Uuid::new_v4().as_bytes()[..9]
        .iter()
        .map(|b| char::from(ALPHABET[usize::from(*b) % ALPHABET.len()]))
        .collect()
}

/// Answers a poll of the token endpoint.
pub(super) fn redeem(
    state: &State,
    tenant: &str,
    v1: bool,
    request: &Request,
) -> Result<Reply, EntraError> {
    let client_id = required(request, "client_id")?;
    let code = request
        .form(if v1 { "code" } else { "device_code" })
        .or_else(|| request.form("device_code"))
        .ok_or_else(|| EntraError::missing("device_code"))?;
    let (flow, upn) = poll(state, code, client_id, tenant)?;
    let realm = Realm::find(state, tenant)?;
    let user = enabled_user(state, &upn)?;
    let tenant = tenant_of(state, &realm, &user)?;
    let grant = issue::Grant {
        tenant: &tenant,
        client_id,
        subject: &issue::Subject::User(user),
        resource: &flow.resource,
        v1,
        claims: request.form("claims"),
        cnf: None,
        nonce: None,
        extras: issue::Extras {
            refresh_token: flow.offline,
            id_token: flow.openid,
            client_info: client_info(request),
        },
        signed_in_at: None,
    };
    Ok(Reply::json(200, &issue::answer(state, &grant)))
}

/// Moves a device code on by one poll; the flow and who approved it.
fn poll(
    state: &State,
    code: &str,
    client_id: &str,
    tenant: &str,
) -> Result<(DeviceFlow, String), EntraError> {
    let settings = state.settings();
    let now = state.now();
    let mut sessions = state.sessions();
    let flow = sessions.device.get_mut(code).filter(|flow| {
        flow.client_id == client_id && flow.tenant.eq_ignore_ascii_case(tenant) && !flow.redeemed
    });
    let flow = flow.ok_or_else(|| {
        let message = "The device code was not recognised.";
        EntraError::device("bad_verification_code", 70_019, message)
    })?;
    flow.polls += 1;
    if now >= flow.started_at + flow.expires_in {
        let message =
            "The provided value for the 'device_code' parameter is not valid: it has expired.";
        return Err(EntraError::device("expired_token", 70_020, message));
    }
    let last = flow.last_poll.replace(Instant::now());
    let too_fast = last.is_some_and(|last| last.elapsed() < Duration::from_secs(flow.interval));
    if settings.device_slow_down && too_fast && flow.outcome == DeviceOutcome::Pending {
        flow.interval += 5;
        let message = "The client polled sooner than the interval allows.";
        return Err(EntraError::device("slow_down", 70_018, message));
    }
    let approver = settings
        .device_auto_approve
        .filter(|(polls, _)| flow.polls >= *polls)
        .map(|(_, upn)| upn);
    if let Some(upn) = approver
        && flow.outcome == DeviceOutcome::Pending
    {
        flow.outcome = DeviceOutcome::Approved(upn);
    }
    match flow.outcome.clone() {
        DeviceOutcome::Pending => Err(EntraError::device(
            "authorization_pending",
            70_016,
            "OAuth 2.0 device flow error. Authorization is pending. Continue polling.",
        )),
        DeviceOutcome::Declined => Err(EntraError::device(
            "authorization_declined",
            70_017,
            "The end user denied the authorization request.",
        )),
        DeviceOutcome::Approved(upn) => {
            flow.redeemed = true;
            Ok((flow.clone(), upn))
        }
    }
}
