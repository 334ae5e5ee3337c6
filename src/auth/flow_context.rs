//! What a flow needs to get one token.

use std::{io, sync::Arc, time::Duration};

use url::Url;

use super::{
    authority::{Authority, Endpoint},
    oauth::Form,
    progress::Progress,
};
use crate::{
    error::{Failure, Kind, Result},
    host::Host,
};

/// Shows a line to the person who is signing in. Fails if it can't be written.
pub(crate) type Prompt = Arc<dyn Fn(&str) -> io::Result<()> + Send + Sync>;

/// Shows a line that need not be read.
pub(crate) type Notice = Arc<dyn Fn(&str) + Send + Sync>;

/// One token to get, and what is needed for it.
#[derive(Clone, Copy)]
pub(super) struct FlowContext<'a> {
    /// The machine.
    pub(super) host: &'a Host,
    /// The Entra endpoint.
    pub(super) authority: &'a Authority,
    /// The tenant to ask; empty if a program or service of the machine decides.
    pub(super) tenant: &'a str,
    /// Whether the request names another tenant than the sign-in.
    pub(super) other_tenant: bool,
    /// The resource without `/.default`.
    pub(super) resource: &'a str,
    /// A claims challenge, as JSON.
    pub(super) claims: Option<&'a str>,
    /// The `req_cnf` of the key that the token is to be bound to.
    pub(super) req_cnf: Option<&'a str>,
    /// How long a program or a service may take.
    pub(super) timeout: Duration,
    /// Shows a person what to do.
    pub(super) prompt: &'a Prompt,
    /// Told what is waited for.
    pub(super) progress: &'a Progress,
}

impl FlowContext<'_> {
    /// Shows a person a line.
    ///
    /// # Errors
    /// When it can't be written: then nobody will do it.
    pub(super) fn show(&self, line: &str) -> Result<()> {
        (self.prompt)(line).map_err(|error| {
            Failure::of(
                Kind::SignInNeeded,
                "a sign-in is needed, and what to do could not be shown",
            )
            .because(error)
            .hint("run the command again where its standard error is visible")
        })
    }

    /// The scope of an application's own token.
    pub(super) fn scope(&self) -> String {
        format!("{}/.default", self.resource)
    }

    /// The scopes of a person's token: also for a refresh token and for who signed in.
    pub(super) fn user_scope(&self) -> String {
        format!("{} openid offline_access profile", self.scope())
    }

    /// Asks for a token that is bound to the key, if there is one.
    pub(super) fn bound(&self, form: Form) -> Form {
        match self.req_cnf {
            Some(cnf) => form.with("token_type", "pop").with("req_cnf", cnf),
            None => form,
        }
    }

    /// The address of an endpoint in the tenant.
    ///
    /// # Errors
    /// A usage error when the tenant is neither an id nor a domain.
    pub(super) fn endpoint(&self, endpoint: Endpoint) -> Result<Url> {
        self.authority.endpoint(self.tenant, endpoint)
    }
}
