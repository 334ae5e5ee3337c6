//! A person's next token: with the refresh token where there is one, else by
//! asking.
//!
//! Lives here: when which of both is done, and what becomes of refresh tokens
//! that were replaced or refused.

use std::collections::BTreeMap;

use super::{
    Ask, Authenticator,
    authority::Endpoint,
    browser::{self, Visit},
    cache::RefreshRecord,
    device_code,
    oauth::{EntraError, Form, TokenEndpoint, TokenError, Tokens},
};
use crate::{
    error::{Failure, Kind, Result},
    login::Login,
};

impl Authenticator {
    /// Gets a person's token.
    ///
    /// `waited_since` is when this call began, in Unix seconds, where another
    /// process was asking a person meanwhile: a person who has just given up
    /// there is not asked once more by each process that waited.
    pub(super) async fn renew_or_ask(
        &self,
        ask: Ask<'_>,
        waited_since: Option<i64>,
    ) -> Result<Tokens> {
        let record =
            self.cache
                .refresh_for(&self.refresh_key(), ask.tenant, self.sign_in.login.hint());
        let refused = match record {
            None => None,
            Some(record) => match self.renew(ask, &record).await {
                Ok(tokens) => return Ok(tokens),
                Err(TokenError::Refused(refused)) if refused.needs_sign_in() => {
                    tracing::debug!("the refresh token was refused: {}", refused.error);
                    if refused.ends_refresh_token() {
                        self.cache
                            .forget_refresh(&self.refresh_key(), &record.account);
                    }
                    Some(refused)
                }
                Err(error) => return Err(error.into()),
            },
        };
        if !self.options.attended {
            return Err(self.nobody_to_ask(ask, refused.map(|r| *r)));
        }
        let key = self.refresh_key();
        let hint = self.sign_in.login.hint();
        if let Some(since) = waited_since
            && self.cache.given_up_since(&key, hint, since)
        {
            return Err(given_up_elsewhere());
        }
        let challenge = refused.and_then(|refused| refused.claims);
        let ask = Ask {
            claims: ask.claims.or(challenge.as_deref()),
            ..ask
        };
        let tokens = self.ask_person(ask).await.inspect_err(|failure| {
            if matches!(failure.kind(), Kind::Cancelled | Kind::Denied) {
                self.cache.give_up(&key, hint, ask.host.now());
            }
        })?;
        self.check_account(&tokens)?;
        self.keep_refresh(ask, &tokens, None);
        Ok(tokens)
    }

    async fn ask_person(&self, ask: Ask<'_>) -> Result<Tokens> {
        match &self.sign_in.login {
            Login::DeviceCode {
                client_id, legacy, ..
            } => {
                if let Some(name) = self.sign_in.login.hint() {
                    (self.options.prompt)(&format!("the sign-in of `{name}` is needed:"));
                }
                device_code::sign_in(ask, client_id, *legacy).await
            }
            Login::Interactive {
                client_id,
                redirect_url,
                login_hint,
                ..
            } => {
                let visit = Visit {
                    client_id,
                    redirect_url: redirect_url.as_deref(),
                    login_hint: login_hint.as_deref(),
                };
                browser::sign_in(ask, visit).await
            }
            other => unreachable!("`{}` asks nobody", other.mode()),
        }
    }

    /// Refuses the sign-in of somebody else than the account that was named.
    fn check_account(&self, tokens: &Tokens) -> Result<()> {
        let name = tokens.account.as_ref().and_then(|a| a.username.as_deref());
        let (Some(hint), Some(name)) = (self.sign_in.login.hint(), name) else {
            return Ok(());
        };
        if name.eq_ignore_ascii_case(hint) {
            return Ok(());
        }
        Err(Failure::of(
            Kind::Denied,
            format!("`{name}` signed in, but `{hint}` was asked for"),
        )
        .hint(format!(
            "sign in again as `{hint}`, or name the account with `--login-hint {name}`"
        )))
    }

    async fn renew(&self, ask: Ask<'_>, record: &RefreshRecord) -> Result<Tokens, TokenError> {
        let client_id = self.sign_in.login.client_id().unwrap_or_default();
        let form = Form::new()
            .with("grant_type", "refresh_token")
            .with("client_id", client_id)
            .with_secret("refresh_token", &record.token);
        let legacy = self.refresh_key().legacy;
        let (endpoint, form) = if legacy {
            (Endpoint::LegacyToken, form.with("resource", ask.resource))
        } else {
            let form = form
                .with("scope", &ask.user_scope())
                .with("client_info", "1")
                .with_some("claims", ask.claims);
            (Endpoint::Token, form)
        };
        let url = ask.endpoint(endpoint)?;
        let mut tokens = TokenEndpoint::new(ask.host)
            .tokens(&url, &ask.bound(form))
            .await?;
        if tokens.account.is_none() {
            tokens.account = Some(record.account.clone());
        }
        self.keep_refresh(ask, &tokens, Some(record));
        Ok(tokens)
    }

    /// Keeps the newest refresh token, and which tenant it served unnamed.
    fn keep_refresh(&self, ask: Ask<'_>, tokens: &Tokens, used: Option<&RefreshRecord>) {
        let account = match (&tokens.account, used) {
            (_, Some(record)) => record.account.clone(),
            (Some(account), None) => account.clone(),
            // Without knowing whose it is, it can't be kept apart from others'.
            (None, None) => return,
        };
        let key = self.refresh_key();
        let Some(token) = tokens
            .refresh
            .clone()
            .or_else(|| used.map(|record| record.token.clone()))
        else {
            return;
        };
        let mut tenants: BTreeMap<String, i64> = match used {
            Some(record) => record.tenants.clone(),
            None => self
                .cache
                .refresh_of(&key, &account)
                .map(|record| record.tenants)
                .unwrap_or_default(),
        };
        if self.sign_in.login.hint().is_none() {
            tenants.insert(ask.tenant.to_lowercase(), ask.host.now());
        }
        let record = RefreshRecord {
            account,
            token,
            tenants,
        };
        if let Err(failure) = self.cache.keep_refresh(&key, &record) {
            tracing::debug!("the refresh token was not kept: {failure}");
        }
    }

    /// What is said where a person would have to sign in and none is there.
    fn nobody_to_ask(&self, ask: Ask<'_>, refused: Option<EntraError>) -> Failure {
        let login = &self.sign_in.login;
        let failure = match refused {
            Some(refused) => refused
                .into_failure()
                .context("the earlier sign-in is of no more use, and no person is here to sign in"),
            None => Failure::of(
                Kind::SignInNeeded,
                "a person has to sign in, and none is here",
            ),
        };
        let legacy = if self.refresh_key().legacy {
            " --legacy"
        } else {
            ""
        };
        let hint = match login.hint() {
            Some(name) => format!(" --login-hint {name}"),
            None => String::new(),
        };
        failure.hint(format!(
            "type in a terminal, once: `kubectl aad get-token -l {} --client-id {} --tenant-id {} --server-id {}{legacy}{hint}`; \
             in a pipeline use `-l workloadidentity`, `-l msi` or `-l spn`",
            login.mode(),
            login.client_id().unwrap_or_default(),
            ask.tenant,
            ask.resource,
        ))
    }
}

fn given_up_elsewhere() -> Failure {
    Failure::of(
        Kind::Cancelled,
        "the sign-in that was waited for was given up or refused",
    )
    .hint("run the command again to sign in")
}
