//! A person's next token: by the refresh token of a user session, else by asking the person.

use super::{
    AuthOptions, Interaction, Reason,
    authority::{Authority, Endpoint},
    cache::{AbandonedSignIn, Issued, Session, SessionKey, TokenCache, Unnamed},
    cache_key::session_key,
    flow_context::FlowContext,
    flows::Flow,
    lifetime::issued_on,
    oauth::{Account, EntraError, Form, TokenError, Tokens},
};
use crate::{
    error::{Failure, Kind, Result},
    host::Host,
    jwt,
    login::SignIn,
};

/// How many refresh tokens are tried: a second one if another process replaced the one that was refused.
const ATTEMPTS: u32 = 2;

/// How long, in seconds, the same caller is not asked again after a sign-in that failed: kubectl calls again at once.
const NOT_ASKED_AGAIN: i64 = 10;

/// The user session of one sign-in.
pub(super) struct UserSession<'a> {
    host: &'a Host,
    flow: &'a dyn Flow,
    sign_in: &'a SignIn,
    cache: &'a TokenCache,
    options: &'a AuthOptions,
    key: SessionKey,
    client_id: &'a str,
    login_hint: Option<&'a str>,
}

impl<'a> UserSession<'a> {
    /// None if no person signs in to this flow.
    pub(super) fn new(
        host: &'a Host,
        flow: &'a dyn Flow,
        sign_in: &'a SignIn,
        authority: &Authority,
        cache: &'a TokenCache,
        options: &'a AuthOptions,
    ) -> Option<Self> {
        let profile = flow.profile();
        let user = profile.user?;
        Some(Self {
            host,
            flow,
            sign_in,
            cache,
            options,
            key: session_key(authority, &profile),
            client_id: profile.client_id.unwrap_or_default(),
            login_hint: user.login_hint,
        })
    }

    /// Gets the person's tokens. Asks the person only if the request is `interactive`.
    ///
    /// `waited_since` is when this call began, in Unix seconds, if another process asked a person at the time: a person who
    /// declined there is not asked again by each process that waited.
    pub(super) async fn tokens(
        &self,
        cx: FlowContext<'_>,
        interactive: bool,
        waited_since: Option<i64>,
    ) -> Result<Tokens> {
        let refused = match self.refreshed(cx).await? {
            Refreshed::Tokens(tokens) => return Ok(tokens),
            Refreshed::SignInNeeded(refused) => refused,
        };
        if !interactive {
            return Err(not_asked(refused));
        }
        if let Interaction::NonInteractive(reason) = self.options.interaction {
            return Err(self.nobody_to_ask(cx, reason, refused));
        }
        if let Some(failure) = self.asked_before(waited_since) {
            return Err(failure);
        }
        let challenge = refused.and_then(|refused| refused.claims);
        let cx = FlowContext {
            claims: cx.claims.or(challenge.as_deref()),
            ..cx
        };
        let mut tokens =
            self.flow
                .sign_in(cx)
                .await
                .inspect_err(|failure| match failure.kind() {
                    Kind::Canceled | Kind::Denied => self.note_abandoned(false),
                    Kind::Timeout => self.note_abandoned(true),
                    _ => {}
                })?;
        self.check_account(&tokens)?;
        let name = name_in(&tokens);
        // Without an account, it could not be distinguished from others' sessions.
        if let Some(account) = &mut tokens.account {
            account.username = name;
        }
        if let Some(account) = &tokens.account {
            let unnamed = self.unnamed(cx);
            note_unsaved(
                self.cache
                    .save_sign_in(&self.key, account, issued(&tokens), unnamed),
            );
        }
        Ok(tokens)
    }

    /// Uses the session's refresh token, if there is one.
    async fn refreshed(&self, cx: FlowContext<'_>) -> Result<Refreshed> {
        let find = || {
            self.cache
                .session_for(&self.key, cx.tenant, self.login_hint)
        };
        let mut session = find();
        let mut refused = None;
        for _ in 0..ATTEMPTS {
            let Some(used) = session else { break };
            match self.refresh(cx, &used).await {
                Ok(tokens) => return Ok(Refreshed::Tokens(tokens)),
                Err(TokenError::Refused(answer)) if answer.needs_sign_in() => {
                    tracing::debug!("the refresh token was refused: {}", answer.error);
                    if answer.ends_refresh_token() {
                        self.cache.remove_ended_session(&self.key, &used);
                    }
                    session = find().filter(|found| !found.has_same_token(&used));
                    refused = Some(*answer);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Refreshed::SignInNeeded(refused))
    }

    async fn refresh(&self, cx: FlowContext<'_>, session: &Session) -> Result<Tokens, TokenError> {
        let form = Form::new()
            .with("grant_type", "refresh_token")
            .with("client_id", self.client_id)
            .with_secret("refresh_token", &session.token);
        let (endpoint, form) = if self.key.legacy {
            (Endpoint::LegacyToken, form.with("resource", cx.resource))
        } else {
            let form = form
                .with("scope", &cx.user_scope())
                .with("client_info", "1")
                .with_some("claims", cx.claims);
            (Endpoint::Token, form)
        };
        let url = cx.endpoint(endpoint)?;
        let mut tokens = cx.post_for_tokens(&url, &cx.bound(form)).await?;
        let other = |account: &Account| account.home_id != session.account.home_id;
        // The v1 endpoint gives an account another id in each tenant.
        if !self.key.legacy && tokens.account.as_ref().is_some_and(other) {
            return Err(Failure::of(
                Kind::Denied,
                "the answer to the refresh token is about another account",
            )
            .into());
        }
        tokens.account = Some(session.account.clone());
        // An answer without a new refresh token leaves the old one in use (RFC 6749, section 6).
        tokens.refresh.get_or_insert_with(|| session.token.clone());
        let unnamed = self.unnamed(cx);
        note_unsaved(
            self.cache
                .save_refreshed(&self.key, session, issued(&tokens), unnamed),
        );
        Ok(tokens)
    }

    /// Records that a person did not sign in: declined, or did not answer in time.
    pub(super) fn note_abandoned(&self, timed_out: bool) {
        let note = AbandonedSignIn {
            at: self.host.now(),
            timed_out,
            caller: self.options.caller,
        };
        self.cache.note_abandoned(&self.key, self.login_hint, &note);
    }

    /// Why a person is not asked again: they just declined in a process that this one waited for, or kubectl, which calls
    /// up to six times for one command, just got the answer that nobody signed in.
    fn asked_before(&self, waited_since: Option<i64>) -> Option<Failure> {
        let note = self.cache.abandoned(&self.key, self.login_hint)?;
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
            Failure::of(Kind::Canceled, "the sign-in was just canceled or declined")
        };
        Some(failure.hint("run the command again to sign in"))
    }

    /// Refuses the sign-in of another account than the one that was named.
    fn check_account(&self, tokens: &Tokens) -> Result<()> {
        let Some(hint) = self.login_hint else {
            return Ok(());
        };
        let Some(name) = name_in(tokens) else {
            return Err(Failure::of(
                Kind::Denied,
                format!("the answer does not say who signed in, and `{hint}` was asked for"),
            )
            .hint("omit `--login-hint`, or use another `--client-id`"));
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

    /// The session that would get the next token in a tenant, without asking anybody.
    pub(super) fn next(&self, tenant: &str) -> Option<Session> {
        self.cache.session_for(&self.key, tenant, self.login_hint)
    }

    /// Whether the session of these tokens has since been removed or, if no account was named, somebody else has signed
    /// in.
    pub(super) fn was_replaced(&self, tenant: &str, tokens: &Tokens) -> bool {
        let Some(account) = tokens.account.as_ref().filter(|_| tokens.refresh.is_some()) else {
            return false;
        };
        let session = match self.login_hint {
            Some(_) => self.cache.session_of(&self.key, account),
            None => self.cache.session_for(&self.key, tenant, None),
        };
        session.is_none_or(|session| session.account.home_id != account.home_id)
    }

    /// What a session records if no account was named.
    fn unnamed<'b>(&self, cx: FlowContext<'b>) -> Option<Unnamed<'b>> {
        self.login_hint.is_none().then(|| Unnamed {
            tenant: cx.tenant,
            now: cx.host.now(),
        })
    }

    /// The error if a person would have to sign in and can't be asked.
    fn nobody_to_ask(
        &self,
        cx: FlowContext<'_>,
        reason: Reason,
        refused: Option<EntraError>,
    ) -> Failure {
        let why = match reason {
            Reason::Ci => "nobody is asked to sign in because `CI` is set",
            Reason::Unseen => "nobody could see what to do: standard error goes nowhere",
            Reason::Background => "a background process asks nobody to sign in",
        };
        let failure = match refused {
            Some(refused) => refused.into_failure().context(format!(
                "the earlier sign-in can no longer be used, and {why}"
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
            "sign in once in a terminal: `{again}`; in a pipeline, use `-l workloadidentity`, `-l msi` or `-l spn`"
        ))
    }
}

/// What the refresh token got.
enum Refreshed {
    Tokens(Tokens),
    /// Nothing, and why if there was a refresh token.
    SignInNeeded(Option<EntraError>),
}

/// The error for a caller who did not want a person to be asked.
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
        jwt::user_name(&claims).map(str::to_owned)
    })
}

fn issued(tokens: &Tokens) -> Issued<'_> {
    Issued {
        token: tokens.refresh.as_ref(),
        on: issued_on(tokens),
    }
}

fn note_unsaved(saved: Result<()>) {
    if let Err(failure) = saved {
        tracing::debug!("the refresh token was not saved: {failure}");
    }
}
