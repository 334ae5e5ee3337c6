//! Entra's errors: the OAuth body with AADSTS codes.

use crate::http::{Reply, Request};
use crate::state::State;
use serde_json::json;
use time::OffsetDateTime;
use time::macros::format_description;

/// An error answer of Entra.
#[derive(Clone, Debug)]
pub(crate) struct EntraError {
    status: u16,
    error: &'static str,
    code: u32,
    message: String,
    suberror: Option<&'static str>,
    claims: Option<String>,
}

impl EntraError {
    pub(crate) fn new(
        status: u16,
        error: &'static str,
        code: u32,
        message: impl Into<String>,
    ) -> Self {
        EntraError {
            status,
            error,
            code,
            message: message.into(),
            suberror: None,
            claims: None,
        }
    }

    fn suberror(mut self, suberror: &'static str) -> Self {
        self.suberror = Some(suberror);
        self
    }

    pub(crate) fn missing(field: &str) -> Self {
        Self::new(
            400,
            "invalid_request",
            900_144,
            format!("The request body must contain the following parameter: '{field}'."),
        )
    }

    pub(crate) fn unknown_tenant(name: &str) -> Self {
        Self::new(
            400,
            "invalid_request",
            90_002,
            format!(
                "Tenant '{name}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. \
             Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."
            ),
        )
    }

    pub(crate) fn no_tenant() -> Self {
        Self::new(
            400,
            "invalid_request",
            50_059,
            "No tenant-identifying information found in either the request or implied by any provided credentials.",
        )
    }

    pub(crate) fn unknown_application(client_id: &str, tenant: &str) -> Self {
        Self::new(
            400,
            "unauthorized_client",
            700_016,
            format!(
                "Application with identifier '{client_id}' was not found in the directory '{tenant}'. This can happen if the application \
             has not been installed by the administrator of the tenant or consented to by any user in the tenant. \
             You may have sent your authentication request to the wrong tenant."
            ),
        )
    }

    pub(crate) fn unknown_resource(resource: &str, tenant: &str) -> Self {
        Self::new(
            400,
            "invalid_resource",
            500_011,
            format!(
                "The resource principal named {resource} was not found in the tenant named {tenant}. This can happen if the application \
             has not been installed by the administrator of the tenant or consented to by any user in the tenant. \
             You might have sent your authentication request to the wrong tenant."
            ),
        )
    }

    pub(crate) fn bad_secret(client_id: &str) -> Self {
        Self::new(
            401,
            "invalid_client",
            7_000_215,
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, \
             not the client secret ID, for a secret added to app '{client_id}'."
            ),
        )
    }

    pub(crate) fn no_credential() -> Self {
        Self::new(
            401,
            "invalid_client",
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        )
    }

    pub(crate) fn bad_assertion(why: &str) -> Self {
        Self::new(
            401,
            "invalid_client",
            700_027,
            format!(
                "The certificate with identifier used to sign the client assertion is not registered on application, \
             or the assertion failed validation. [Reason - {why}]"
            ),
        )
    }

    pub(crate) fn assertion_time() -> Self {
        Self::new(
            401,
            "invalid_client",
            700_024,
            "Client assertion is not within its valid time range.",
        )
    }

    pub(crate) fn no_federated_match(issuer: &str, subject: &str, audience: &str) -> Self {
        Self::new(
            401,
            "invalid_client",
            70_021,
            format!(
                "No matching federated identity record found for presented assertion. Assertion Issuer: '{issuer}'. \
             Assertion Subject: '{subject}'. Assertion Audience: '{audience}'."
            ),
        )
    }

    pub(crate) fn bad_password() -> Self {
        Self::new(
            400,
            "invalid_grant",
            50_126,
            "Error validating credentials due to invalid username or password.",
        )
    }

    pub(crate) fn unknown_user(upn: &str) -> Self {
        Self::new(
            400,
            "invalid_grant",
            50_034,
            format!(
                "The user account {upn} does not exist in the directory. To sign into this application, the account must be added to the directory."
            ),
        )
    }

    pub(crate) fn guest_unknown(upn: &str, tenant: &str) -> Self {
        Self::new(
            400,
            "invalid_grant",
            50_020,
            format!(
                "User account '{upn}' does not exist in tenant '{tenant}' and cannot access the application in that tenant. \
             The account needs to be added as an external user in the tenant first."
            ),
        )
    }

    pub(crate) fn disabled_user() -> Self {
        Self::new(
            400,
            "invalid_grant",
            50_057,
            "The user account is disabled.",
        )
    }

    pub(crate) fn mfa(resource: &str) -> Self {
        let mut error = Self::new(400, "invalid_grant", 50_076, format!(
            "Due to a configuration change made by your administrator, or because you moved to a new location, \
             you must use multi-factor authentication to access '{resource}'."
        ))
        .suberror("basic_action");
        error.error = "interaction_required";
        error.claims = Some(r#"{"access_token":{"capolids":{"essential":true,"values":["5d7cf2d1-0d9c-4ff1-8d50-5b1d8d1d8a17"]}}}"#.into());
        error
    }

    pub(crate) fn blocked() -> Self {
        let mut error = Self::new(
            400,
            "invalid_grant",
            53_003,
            "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.",
        )
        .suberror("message_only");
        error.claims = Some(r#"{"access_token":{"capolids":{"essential":true,"values":["5d7cf2d1-0d9c-4ff1-8d50-5b1d8d1d8a17"]}}}"#.into());
        error
    }

    pub(crate) fn consent(client_id: &str) -> Self {
        Self::new(400, "invalid_grant", 65_001, format!(
            "The user or administrator has not consented to use the application with ID '{client_id}'. \
             Send an interactive authorization request for this user and resource."
        ))
        .suberror("consent_required")
    }

    pub(crate) fn not_preauthorized(client_id: &str, resource: &str) -> Self {
        Self::new(
            400,
            "invalid_request",
            65_002,
            format!(
                "Consent between first party application '{client_id}' and first party resource '{resource}' must be configured \
             via preauthorization - applications owned and operated by Microsoft must get approval from the API owner \
             before requesting tokens for that API."
            ),
        )
    }

    pub(crate) fn refresh_expired() -> Self {
        Self::new(
            400,
            "invalid_grant",
            700_082,
            "The refresh token has expired due to inactivity.",
        )
        .suberror("token_expired")
    }

    pub(crate) fn refresh_revoked() -> Self {
        Self::new(
            400,
            "invalid_grant",
            50_173,
            "The provided grant has expired due to it being revoked, a fresh auth token is needed.",
        )
        .suberror("bad_token")
    }

    pub(crate) fn bad_refresh_token() -> Self {
        Self::new(
            400,
            "invalid_grant",
            9_002_313,
            "Invalid request. Request is malformed or invalid.",
        )
        .suberror("bad_token")
    }

    pub(crate) fn refresh_for_other_client() -> Self {
        Self::new(
            400,
            "invalid_grant",
            700_005,
            "Provided refresh token was not issued to this client.",
        )
        .suberror("client_mismatch")
    }

    pub(crate) fn bad_code(why: &str) -> Self {
        Self::new(
            400,
            "invalid_grant",
            70_000,
            format!("Provided grant is invalid or malformed: {why}"),
        )
    }

    pub(crate) fn code_used() -> Self {
        Self::new(
            400,
            "invalid_grant",
            54_005,
            "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.",
        )
    }

    pub(crate) fn code_expired() -> Self {
        Self::new(
            400,
            "invalid_grant",
            70_008,
            "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.",
        )
    }

    pub(crate) fn bad_verifier() -> Self {
        Self::new(
            400,
            "invalid_grant",
            501_481,
            "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
        )
    }

    pub(crate) fn redirect_mismatch(redirect_uri: &str, client_id: &str) -> Self {
        Self::new(
            400,
            "invalid_client",
            50_011,
            format!(
                "The redirect URI '{redirect_uri}' specified in the request does not match the redirect URIs configured for the application '{client_id}'."
            ),
        )
    }

    pub(crate) fn unsupported_grant(grant: &str) -> Self {
        Self::new(
            400,
            "unsupported_grant_type",
            70_003,
            format!("The app requested an unsupported grant type '{grant}'."),
        )
    }

    pub(crate) fn device(error: &'static str, code: u32, message: &str) -> Self {
        Self::new(400, error, code, message)
    }

    pub(crate) fn no_ropc_for(tenant: &str) -> Self {
        Self::new(
            400,
            "invalid_request",
            9_001_023,
            format!(
                "The grant type is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint. ('{tenant}')"
            ),
        )
    }

    /// `AADSTS<code>: <message>`.
    pub(crate) fn description(&self) -> String {
        format!("AADSTS{}: {}", self.code, self.message)
    }

    pub(crate) fn name(&self) -> &'static str {
        self.error
    }

    pub(crate) fn reply(&self, state: &State, request: &Request) -> Reply {
        let trace = uuid::Uuid::new_v4().to_string();
        let correlation = request
            .header("client-request-id")
            .map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
        let timestamp = OffsetDateTime::from_unix_timestamp(state.now())
            .ok()
            .and_then(|t| {
                t.format(format_description!(
                    "[year]-[month]-[day] [hour]:[minute]:[second]Z"
                ))
                .ok()
            })
            .unwrap_or_default();
        let mut body = json!({
            "error": self.error,
            "error_description": format!(
                "{} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}", self.description()
            ),
            "error_codes": [self.code],
            "timestamp": timestamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("{}/error?code={}", state.addresses.entra, self.code),
        });
        if let Some(suberror) = self.suberror {
            body["suberror"] = suberror.into();
        }
        if let Some(claims) = &self.claims {
            body["claims"] = claims.clone().into();
        }
        Reply::json(self.status, &body)
    }
}

/// A field of a request's form, or Entra's error if it is missing.
pub(super) fn required<'a>(request: &'a Request, field: &str) -> Result<&'a str, EntraError> {
    request
        .form(field)
        .ok_or_else(|| EntraError::missing(field))
}
