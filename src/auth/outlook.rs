//! What a sign-in would do now, as far as files tell: nothing is asked, and nothing is written.

use super::{Authenticator, TokenRequest};
use crate::{
    error::Result,
    login::{CommandLine, Principal},
};

/// What the next `get-token` would do.
#[derive(Debug)]
pub(crate) struct Outlook {
    /// When the cached token expires that would be served, in Unix seconds.
    pub(crate) expires_on: Option<i64>,
    /// Whose the token or the session is, if that is known.
    pub(crate) account: Option<String>,
    /// Where the next token comes from.
    pub(crate) next: Successor,
    /// The command that a person signs in with, in the modes in which one does.
    pub(crate) sign_in: Option<CommandLine>,
}

/// Where a token comes from when the cached one is no longer served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Successor {
    /// From the sign-in of a person, without a question.
    Session,
    /// From a sign-in that a person has to make.
    Person,
    /// By a credential that needs no person: a secret, a certificate, a password or a federated token.
    Credential,
    /// From this machine's identity.
    Machine,
    /// From `az` or `azd`, where somebody is signed in.
    Tool,
    /// From `az` or `azd`, where nobody is signed in, or it can't be told who is.
    ToolWithoutAccount,
}

impl Authenticator {
    /// What a request would do.
    ///
    /// # Errors
    /// When the credential that identifies the caller can't be read.
    pub(crate) fn outlook(&self, request: &TokenRequest) -> Result<Outlook> {
        let tenant = self.tenant(request);
        // Without its key, no token that is bound to one is there.
        let is_bound = self.profile().pop.is_some();
        let key = match self.cache_key(request) {
            Err(_) if is_bound => None,
            key => key?,
        };
        let token = key.as_ref().and_then(|key| {
            self.cache.get(key, &self.host)?;
            self.cache.entry_of(key)
        });
        let session = self.user_session();
        let next = session.as_ref().and_then(|session| session.next(&tenant));
        let has_session = next.is_some();
        let named = session.as_ref().and(self.profile().user);
        let named = named.and_then(|user| user.login_hint).map(str::to_owned);
        let expires_on = token.as_ref().and_then(|token| token.expires_on);
        Ok(Outlook {
            expires_on,
            account: token
                .and_then(|token| token.account)
                .or_else(|| next.and_then(|session| session.account.username))
                .or(named),
            next: match self.principal() {
                Principal::Person if session.is_none() => Successor::Credential,
                Principal::Person if has_session => Successor::Session,
                Principal::Person => Successor::Person,
                Principal::Application => Successor::Credential,
                Principal::Machine => Successor::Machine,
                Principal::Tool if key.is_some() => Successor::Tool,
                Principal::Tool => Successor::ToolWithoutAccount,
            },
            sign_in: match (self.profile().login_command, session.is_some()) {
                (Some(command), _) => Some(command(&self.host, &tenant)),
                (None, true) => Some(self.sign_in.get_token_command(&tenant, &request.resource)),
                (None, false) => None,
            },
        })
    }
}
