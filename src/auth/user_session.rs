//! A person's next token: with the refresh token where there is one, else by
//! asking.
//!
//! Lives here: when which of both is done, and what becomes of refresh tokens
//! that were replaced or refused.

use super::{
    Authenticator, FlowContext, Interaction, Reason,
    authority::Endpoint,
    cache::{AbandonedSignIn, Issued, Session, Unnamed},
    flows::{
        devicecode,
        interactive::{self, AuthCodeRequest},
    },
    lifetime::issued_on,
    oauth::{Account, EntraError, Form, TokenEndpoint, TokenError, Tokens, answer::text},
};
use crate::{
    error::{Failure, Kind, Result},
    jwt,
    login::Login,
};

/// How many refresh tokens are tried: a second one where another process has
/// replaced the one that was refused.
const ATTEMPTS: u32 = 2;

/// How long, in seconds, the same caller's next call asks nobody after a sign-in
/// that came to nothing: kubectl calls again at once.
const NOT_ASKED_AGAIN: i64 = 10;

impl Authenticator {
    /// Gets a person's token.
    ///
    /// Nobody is asked unless the request is `interactive`.
    /// `waited_since` is when this call began, in Unix seconds, where another
    /// process was asking a person meanwhile: a person who has just given up
    /// there is not asked once more by each process that waited.
    pub(super) async fn renew_or_ask(
        &self,
        cx: FlowContext<'_>,
        interactive: bool,
        waited_since: Option<i64>,
    ) -> Result<Tokens> {
        let key = self.session_key();
        let hint = self.sign_in.login.hint();
        let find = || self.cache.session_for(&key, cx.tenant, hint);
        let mut session = find();
        let mut refused = None;
        for _ in 0..ATTEMPTS {
            let Some(used) = session else { break };
            match self.renew(cx, &used).await {
                Ok(tokens) => return Ok(tokens),
                Err(TokenError::Refused(answer)) if answer.needs_sign_in() => {
                    tracing::debug!("the refresh token was refused: {}", answer.error);
                    if answer.ends_refresh_token() {
                        self.cache.remove_ended_session(&key, &used);
                    }
                    session = find().filter(|found| !found.has_same_token(&used));
                    refused = Some(answer);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if !interactive {
            return Err(not_asked(refused.map(|r| *r)));
        }
        if let Interaction::NonInteractive(reason) = self.options.interaction {
            return Err(self.nobody_to_ask(cx, reason, refused.map(|r| *r)));
        }
        if let Some(failure) = self.asked_before(waited_since) {
            return Err(failure);
        }
        let challenge = refused.and_then(|refused| refused.claims);
        let cx = FlowContext {
            claims: cx.claims.or(challenge.as_deref()),
            ..cx
        };
        let mut tokens = self
            .ask_person(cx)
            .await
            .inspect_err(|failure| match failure.kind() {
                Kind::Canceled | Kind::Denied => self.give_up(false),
                Kind::Timeout => self.give_up(true),
                _ => {}
            })?;
        self.check_account(&tokens)?;
        let name = name_in(&tokens);
        // Without knowing whose it is, it can't be kept apart from others'.
        if let Some(account) = &mut tokens.account {
            account.username = name;
        }
        if let Some(account) = &tokens.account {
            let unnamed = self.unnamed(cx);
            note_unkept(
                self.cache
                    .save_sign_in(&key, account, issued(&tokens), unnamed),
            );
        }
        Ok(tokens)
    }

    /// Notes that a person did not sign in: said no, or did not answer in time.
    pub(super) fn give_up(&self, timed_out: bool) {
        let note = AbandonedSignIn {
            at: self.host.now(),
            timed_out,
            caller: self.options.caller,
        };
        self.cache
            .note_abandoned(&self.session_key(), self.sign_in.login.hint(), &note);
    }

    /// Why a person is not asked once more: one has just said no to a process that
    /// this one waited for, or kubectl, which calls up to six times for one
    /// command, has just been told that nobody signed in.
    fn asked_before(&self, waited_since: Option<i64>) -> Option<Failure> {
        let note = self
            .cache
            .abandoned(&self.session_key(), self.sign_in.login.hint())?;
        let elsewhere = !note.timed_out && waited_since.is_some_and(|since| note.at >= since);
        let passed = self.host.now().saturating_sub(note.at);
        let same_caller = note.caller.is_some()
            && note.caller == self.options.caller
            && (0..NOT_ASKED_AGAIN).contains(&passed);
        if !elsewhere && !same_caller {
            return None;
        }
        let failure = if note.timed_out {
            Failure::of(Kind::Timeout, "nobody signed in just now")
        } else {
            Failure::of(Kind::Canceled, "the sign-in was just given up or refused")
        };
        Some(failure.hint("run the command again to sign in"))
    }

    async fn ask_person(&self, cx: FlowContext<'_>) -> Result<Tokens> {
        match &self.sign_in.login {
            Login::DeviceCode {
                client_id, legacy, ..
            } => {
                if let Some(name) = self.sign_in.login.hint() {
                    cx.show(&format!("the sign-in of `{name}` is needed:"))?;
                }
                devicecode::sign_in(cx, client_id, *legacy).await
            }
            Login::Interactive {
                client_id,
                redirect_url,
                login_hint,
                ..
            } => {
                let request = AuthCodeRequest {
                    client_id,
                    redirect_url: redirect_url.as_deref(),
                    login_hint: login_hint.as_deref(),
                    stderr: cx.host.stderr(),
                };
                interactive::sign_in(cx, request).await
            }
            other => unreachable!("`{}` asks nobody", other.mode()),
        }
    }

    /// Refuses the sign-in of somebody else than the account that was named.
    fn check_account(&self, tokens: &Tokens) -> Result<()> {
        let Some(hint) = self.sign_in.login.hint() else {
            return Ok(());
        };
        let Some(name) = name_in(tokens) else {
            return Err(Failure::of(
                Kind::Denied,
                format!("the answer does not say who signed in, and `{hint}` was asked for"),
            )
            .hint("leave the account's name out, or use another `--client-id`"));
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

    async fn renew(&self, cx: FlowContext<'_>, record: &Session) -> Result<Tokens, TokenError> {
        let client_id = self.sign_in.login.client_id().unwrap_or_default();
        let form = Form::new()
            .with("grant_type", "refresh_token")
            .with("client_id", client_id)
            .with_secret("refresh_token", &record.token);
        let legacy = self.session_key().legacy;
        let (endpoint, form) = if legacy {
            (Endpoint::LegacyToken, form.with("resource", cx.resource))
        } else {
            let form = form
                .with("scope", &cx.user_scope())
                .with("client_info", "1")
                .with_some("claims", cx.claims);
            (Endpoint::Token, form)
        };
        let url = cx.endpoint(endpoint)?;
        let mut tokens = TokenEndpoint::new(cx).tokens(&url, &cx.bound(form)).await?;
        let key = self.session_key();
        let other = |account: &Account| account.home_id != record.account.home_id;
        // The v1 endpoint numbers an account anew in each tenant.
        if !key.legacy && tokens.account.as_ref().is_some_and(other) {
            return Err(Failure::of(
                Kind::Denied,
                "the answer to the refresh token is about another account",
            )
            .into());
        }
        tokens.account = Some(record.account.clone());
        // An answer without a new refresh token leaves the old one in use (RFC 6749, section 6).
        tokens.refresh.get_or_insert_with(|| record.token.clone());
        let unnamed = self.unnamed(cx);
        note_unkept(
            self.cache
                .save_refreshed(&key, record, issued(&tokens), unnamed),
        );
        Ok(tokens)
    }

    /// What a session is told that serves a context without an account's name.
    fn unnamed<'a>(&self, cx: FlowContext<'a>) -> Option<Unnamed<'a>> {
        let is_unnamed = self.sign_in.login.hint().is_none();
        is_unnamed.then(|| Unnamed {
            tenant: cx.tenant,
            now: cx.host.now(),
        })
    }

    /// What is said where a person would have to sign in and none is there.
    fn nobody_to_ask(
        &self,
        cx: FlowContext<'_>,
        reason: Reason,
        refused: Option<EntraError>,
    ) -> Failure {
        let why = match reason {
            Reason::Ci => "nobody is asked where `CI` is set",
            Reason::Unseen => "nobody could see what to do: standard error goes nowhere",
            Reason::Background => "nobody is asked in the background",
        };
        let failure = match refused {
            Some(refused) => refused.into_failure().context(format!(
                "the earlier sign-in can't be used any more, and {why}"
            )),
            None => Failure::of(Kind::SignInNeeded, "a person has to sign in").because(why),
        };
        let again = match &self.options.again {
            Some(again) => again.clone(),
            None => self.sign_in.get_token_command(cx.tenant, cx.resource),
        };
        let again = match reason {
            Reason::Ci => again.variable("CI", ""),
            _ => again,
        };
        failure.hint(format!(
            "type in a terminal, once: `{again}`; in a pipeline use `-l workloadidentity`, `-l msi` or `-l spn`"
        ))
    }
}

/// What is said to a caller who did not want a person to be asked.
fn not_asked(refused: Option<EntraError>) -> Failure {
    match refused {
        Some(refused) => refused.into_failure(),
        None => Failure::of(
            Kind::SignInNeeded,
            "no earlier sign-in can be used here, and a person has to sign in",
        ),
    }
}

/// The name of who signed in: from the ID token, else from the access token.
fn name_in(tokens: &Tokens) -> Option<String> {
    let account = tokens.account.as_ref();
    account.and_then(|a| a.username.clone()).or_else(|| {
        let claims = jwt::claims(tokens.access.secret.expose())?;
        ["preferred_username", "upn", "unique_name"]
            .iter()
            .find_map(|name| text(&claims, name))
            .map(str::to_owned)
    })
}

fn issued(tokens: &Tokens) -> Issued<'_> {
    Issued {
        token: tokens.refresh.as_ref(),
        on: issued_on(tokens),
    }
}

fn note_unkept(kept: Result<()>) {
    if let Err(failure) = kept {
        tracing::debug!("the refresh token was not kept: {failure}");
    }
}
