//! The sign-in page: a small HTML form that a real browser can submit, and its outcome on its way
//! back to the client.

use super::error::EntraError;
use super::scope::{Scope, check_client};
use super::sessions::AuthorizationCode;
use super::token::tenant_of;
use super::{DEVICE_PAGE, Realm};
use crate::entra::sessions::DeviceOutcome;
use crate::fleet::User;
use crate::http::{Reply, Request, escape_html};
use crate::settings::SignIn;
use crate::state::{State, opaque};

/// Answers `/authorize` (the page) and `/login` (its form).
pub(super) fn handle(state: &State, tenant: &str, request: &Request) -> Reply {
    let submitted = request.segments.last().is_some_and(|s| s == "login");
    let fields = if submitted {
        &request.form
    } else {
        &request.query
    };
    let field = |name: &str| {
        fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let asked = match Asked::read(state, tenant, &field) {
        Ok(asked) => asked,
        // An unknown client or redirect URI is never redirected to: the person sees the error.
        Err(error) => return error_page(&error),
    };
    if !submitted {
        return match state.settings().sign_in {
            SignIn::Page => asked.page(state, tenant, fields, None),
            SignIn::As(upn) => asked.finish(state, &upn),
            SignIn::Cancel => asked.canceled(),
            SignIn::DeclineConsent => asked.declined(),
        };
    }
    match field("action") {
        Some("cancel") => asked.canceled(),
        Some("decline") => asked.declined(),
        _ => {
            let upn = field("username").unwrap_or_default();
            let known = state
                .fleet()
                .user(upn)
                .is_some_and(|u| Some(u.password.as_str()) == field("password"));
            if known {
                asked.finish(state, upn)
            } else {
                asked.page(
                    state,
                    tenant,
                    fields,
                    Some("Your account or password is incorrect."),
                )
            }
        }
    }
}

fn error_page(error: &EntraError) -> Reply {
    Reply::html(
        400,
        format!(
            "<!doctype html><html><head><title>Sign in to your account</title></head>\
             <body><h1>Sorry, but we’re having trouble signing you in.</h1><p id=\"error\">{}</p></body></html>",
            escape_html(&error.description())
        ),
    )
}

/// An authorization request.
struct Asked {
    client_id: String,
    client_name: String,
    realm: Realm,
    redirect_uri: String,
    form_post: bool,
    state: Option<String>,
    nonce: Option<String>,
    challenge: Option<String>,
    resource: String,
    login_hint: Option<String>,
    no_prompt: bool,
}

impl Asked {
    fn read<'a>(
        state: &State,
        tenant: &str,
        field: &dyn Fn(&str) -> Option<&'a str>,
    ) -> Result<Asked, EntraError> {
        let realm = Realm::find(state, tenant)?;
        let client_id = field("client_id").ok_or_else(|| EntraError::missing("client_id"))?;
        let redirect_uri =
            field("redirect_uri").ok_or_else(|| EntraError::missing("redirect_uri"))?;
        let client = {
            let fleet = state.fleet();
            fleet
                .public_clients
                .iter()
                .find(|c| c.client_id.eq_ignore_ascii_case(client_id))
                .cloned()
        }
        .ok_or_else(|| EntraError::unknown_application(client_id, tenant))?;
        if !client
            .redirect_uris
            .iter()
            .any(|known| redirect_matches(known, redirect_uri))
        {
            return Err(EntraError::redirect_mismatch(redirect_uri, client_id));
        }
        if field("response_type") != Some("code") {
            return Err(EntraError::new(
                400,
                "unsupported_response_type",
                700_054,
                "response_type is not enabled for the application.",
            ));
        }
        let method = field("code_challenge_method");
        if field("code_challenge").is_some() && method != Some("S256") {
            return Err(EntraError::new(
                400,
                "invalid_request",
                9_002_325,
                "Proof Key for Code Exchange is required with S256.",
            ));
        }
        let scope = Scope::of_scope(field("scope").ok_or_else(|| EntraError::missing("scope"))?)?;
        check_client(state, client_id, &realm, &scope.resource)?;
        let owned = |name: &str| field(name).map(str::to_owned);
        Ok(Asked {
            client_id: client.client_id,
            client_name: client.name,
            realm,
            redirect_uri: redirect_uri.to_owned(),
            form_post: field("response_mode") == Some("form_post"),
            state: owned("state"),
            nonce: owned("nonce"),
            challenge: owned("code_challenge"),
            resource: scope.resource,
            login_hint: owned("login_hint").filter(|hint| !hint.is_empty()),
            no_prompt: field("prompt") == Some("none"),
        })
    }

    /// The form. Every parameter of the request travels through it.
    fn page(
        &self,
        state: &State,
        tenant: &str,
        fields: &[(String, String)],
        complaint: Option<&str>,
    ) -> Reply {
        if self.no_prompt {
            return self.back(&[
                ("error", "login_required".into()),
                (
                    "error_description",
                    "AADSTS50058: A silent sign-in request was sent but no user is signed in."
                        .into(),
                ),
            ]);
        }
        let own = ["username", "password", "action"];
        let hidden: String = fields
            .iter()
            .filter(|(name, _)| !own.contains(&name.as_str()))
            .map(|(name, value)| {
                format!(
                    "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
                    escape_html(name),
                    escape_html(value)
                )
            })
            .collect();
        let hint = fields
            .iter()
            .find(|(name, _)| name == "username")
            .map(|(_, value)| value.clone())
            .or_else(|| self.login_hint.clone())
            .unwrap_or_default();
        let consent = if state.settings().ask_consent {
            "<p>This application wants to act as you.</p><button name=\"action\" value=\"decline\" id=\"decline\">Decline</button>"
        } else {
            ""
        };
        let complaint = complaint
            .map(|text| format!("<p id=\"error\">{}</p>", escape_html(text)))
            .unwrap_or_default();
        Reply::html(
            200,
            format!(
                "<!doctype html><html><head><title>Sign in to your account</title></head><body>\
                 <h1>Sign in</h1><p>to continue to {client}</p>{complaint}\
                 <form method=\"post\" action=\"/{tenant}/login\">{hidden}\
                 <input id=\"username\" name=\"username\" autocomplete=\"username\" value=\"{hint}\">\
                 <input id=\"password\" name=\"password\" type=\"password\">\
                 <button id=\"submit\" name=\"action\" value=\"sign-in\">Sign in</button>\
                 <button id=\"cancel\" name=\"action\" value=\"cancel\">Cancel</button>{consent}</form></body></html>",
                client = escape_html(&self.client_name),
                tenant = escape_html(tenant),
                hint = escape_html(&hint),
            ),
        )
    }

    fn finish(&self, state: &State, upn: &str) -> Reply {
        match self.code(state, upn) {
            Ok(code) => self.back(&[
                ("code", code),
                ("session_state", uuid::Uuid::new_v4().to_string()),
            ]),
            Err(error) => self.back(&[
                ("error", error.name().into()),
                ("error_description", error.description()),
            ]),
        }
    }

    fn code(&self, state: &State, upn: &str) -> Result<String, EntraError> {
        let user: User = state
            .fleet()
            .user(upn)
            .cloned()
            .ok_or_else(|| EntraError::unknown_user(upn))?;
        if user.disabled {
            return Err(EntraError::disabled_user());
        }
        let tenant = tenant_of(state, &self.realm, &user)?;
        let code = opaque("authorization-code");
        state.sessions().codes.insert(
            code.clone(),
            AuthorizationCode {
                upn: user.upn,
                client_id: self.client_id.clone(),
                tenant_id: tenant.id,
                redirect_uri: self.redirect_uri.clone(),
                challenge: self.challenge.clone(),
                nonce: self.nonce.clone(),
                issued_at: state.now(),
                used: false,
            },
        );
        Ok(code)
    }

    fn canceled(&self) -> Reply {
        self.back(&[
            ("error", "access_denied".into()),
            ("error_subcode", "cancel".into()),
            (
                "error_description",
                "The user canceled the authentication.".into(),
            ),
        ])
    }

    fn declined(&self) -> Reply {
        self.back(&[
            ("error", "access_denied".into()),
            (
                "error_description",
                format!(
                    "AADSTS65004: User declined to consent to access the app {} for {}.",
                    self.client_id, self.resource
                ),
            ),
        ])
    }

    /// Sends the browser back to the client, by redirect or by a form that submits itself.
    fn back(&self, fields: &[(&str, String)]) -> Reply {
        let mut fields: Vec<(&str, String)> = fields.to_vec();
        if let Some(state) = &self.state {
            fields.push(("state", state.clone()));
        }
        if self.form_post {
            let inputs: String = fields
                .iter()
                .map(|(name, value)| {
                    format!(
                        "<input type=\"hidden\" name=\"{name}\" value=\"{}\">",
                        escape_html(value)
                    )
                })
                .collect();
            return Reply::html(
                200,
                format!(
                    "<html><head><title>Working...</title></head><body>\
                     <form method=\"POST\" name=\"hiddenform\" action=\"{}\">{inputs}\
                     <noscript><p>Script is disabled. Click Submit to continue.</p><input type=\"submit\" value=\"Submit\"></noscript>\
                     </form><script>window.setTimeout('document.forms[0].submit()', 0);</script></body></html>",
                    escape_html(&self.redirect_uri)
                ),
            );
        }
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&fields)
            .finish();
        let joint = if self.redirect_uri.contains('?') {
            '&'
        } else {
            '?'
        };
        Reply::redirect(&format!("{}{joint}{query}", self.redirect_uri))
    }
}

/// The port of `http://localhost` is free, and so is its path; every other redirect URI must be the registered one.
fn redirect_matches(registered: &str, asked: &str) -> bool {
    if registered == asked {
        return true;
    }
    let (Ok(registered), Ok(asked)) = (url::Url::parse(registered), url::Url::parse(asked)) else {
        return false;
    };
    registered.scheme() == "http"
        && asked.scheme() == "http"
        && registered.host_str() == Some("localhost")
        && asked.host_str() == Some("localhost")
        && (registered.path() == "/" || registered.path() == asked.path())
}

/// The page where a person enters a user code.
pub(super) fn device_page(state: &State, request: &Request) -> Reply {
    let message = if request.method == hyper::Method::POST {
        let field = |name: &str| request.form(name).unwrap_or_default();
        let upn = field("username");
        let known = state
            .fleet()
            .user(upn)
            .is_some_and(|u| u.password == field("password"));
        let outcome = match field("action") {
            "decline" => Some(DeviceOutcome::Declined),
            _ if known => Some(DeviceOutcome::Approved(upn.to_owned())),
            _ => None,
        };
        match outcome {
            None => "Your account or password is incorrect.",
            Some(outcome) if state.sessions().settle_device(field("otc"), &outcome) => {
                "You have signed in. You may now close this window."
            }
            Some(_) => "That code didn't work.",
        }
    } else {
        ""
    };
    Reply::html(
        200,
        format!(
            "<!doctype html><html><head><title>Sign in to your account</title></head><body><h1>Enter code</h1><p id=\"message\">{message}</p>\
             <form method=\"post\" action=\"{DEVICE_PAGE}\"><input id=\"otc\" name=\"otc\"><input id=\"username\" name=\"username\">\
             <input id=\"password\" name=\"password\" type=\"password\"><button id=\"submit\" name=\"action\" value=\"sign-in\">Next</button>\
             <button id=\"decline\" name=\"action\" value=\"decline\">Decline</button></form></body></html>"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::redirect_matches;

    #[test]
    fn only_localhost_may_choose_its_port() {
        assert!(redirect_matches(
            "http://localhost",
            "http://localhost:5000"
        ));
        assert!(redirect_matches(
            "http://localhost",
            "http://localhost:5000/callback"
        ));
        assert!(!redirect_matches(
            "http://localhost",
            "http://127.0.0.1:5000"
        ));
        assert!(!redirect_matches(
            "http://localhost",
            "https://localhost:5000"
        ));
        assert!(!redirect_matches(
            "https://app.example/cb",
            "https://app.example/cb2"
        ));
        assert!(redirect_matches(
            "http://127.0.0.1:8400",
            "http://127.0.0.1:8400"
        ));
    }
}
