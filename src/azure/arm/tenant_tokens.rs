//! The ARM tokens of one run: one for each tenant, renewed before they expire.
//!
//! Concurrent calls for a tenant share one token request, and a refused token is renewed once, however many
//! calls it failed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use serde_json::Value;

use crate::{
    auth::{TokenRequest, TokenSource},
    error::{Failure, Result},
    host::Host,
    jwt,
    secret::Secret,
};

/// A token that is valid for less than this, in seconds, is renewed: a call takes time, and clocks differ.
const RENEW_BEFORE: i64 = 120;
/// How long a failed sign-in is not tried again, in seconds: 2,000 calls must not start `az` 2,000 times.
const FAILURE_COOLDOWN: i64 = 60;

/// The tokens of one run for one resource.
pub(super) struct TenantTokens<'a> {
    source: &'a dyn TokenSource,
    host: &'a Host,
    resource: String,
    /// By tenant; `None` is the sign-in's own.
    slots: Mutex<HashMap<Option<String>, Arc<tokio::sync::Mutex<Slot>>>>,
    /// Whom the first token belongs to.
    first: OnceLock<Identity>,
}

/// A token, with what is needed to renew it only once.
#[derive(Debug, Clone)]
pub(super) struct TenantToken {
    /// The token.
    pub(super) secret: Secret,
    expires_on: i64,
    renewed_for: Option<Reason>,
    serial: u64,
}

/// Why a token was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    /// No reason was given.
    Refused,
    /// It lacks these claims (JSON).
    Claims(String),
}

#[derive(Debug, Default)]
struct Slot {
    /// Whether a person may be asked for this tenant's token.
    interactive: bool,
    held: Option<TenantToken>,
    failed: Option<(i64, Failure)>,
    serial: u64,
}

impl<'a> TenantTokens<'a> {
    /// Tokens for a resource.
    pub(super) fn new(source: &'a dyn TokenSource, host: &'a Host, resource: &str) -> Self {
        Self {
            source,
            host,
            resource: resource.to_owned(),
            slots: Mutex::default(),
            first: OnceLock::new(),
        }
    }

    /// The name of whom the first token belongs to, if it tells.
    pub(super) fn account(&self) -> Option<&str> {
        self.first.get()?.account.as_deref()
    }

    /// Returns the token for a tenant, by default the sign-in's own.
    ///
    /// A person may be asked to sign in to the own tenant, and to another only after
    /// [`TenantTokens::sign_in`].
    ///
    /// # Errors
    /// Those of the sign-in.
    pub(super) async fn get(&self, tenant: Option<&str>) -> Result<TenantToken> {
        let slot = self.slot(tenant);
        let mut slot = slot.lock().await;
        let now = self.host.now();
        if let Some(held) = slot.held.as_ref()
            && held.expires_on - now > RENEW_BEFORE
        {
            return Ok(held.clone());
        }
        // A tenant that sent one challenge will send it again.
        let renewed_for = slot.held.as_ref().and_then(|held| held.renewed_for.clone());
        let claims = renewed_for.filter(|reason| *reason != Reason::Refused);
        self.fetch(&mut slot, tenant, claims).await
    }

    /// Returns the token for a tenant. From now on a person may be asked to sign in to it.
    ///
    /// # Errors
    /// Those of the sign-in.
    pub(super) async fn sign_in(&self, tenant: Option<&str>) -> Result<TenantToken> {
        let slot = self.slot(tenant);
        {
            let mut slot = slot.lock().await;
            slot.interactive = true;
            slot.failed = None;
        }
        self.get(tenant).await
    }

    /// The command with which a person signs in to a tenant again, if there is one.
    pub(super) fn sign_in_command(&self, tenant: Option<&str>) -> Option<String> {
        self.source.sign_in_command(tenant)
    }

    /// Replaces a refused token. Returns false if it was already renewed for this reason.
    ///
    /// # Errors
    /// Those of the sign-in.
    pub(super) async fn renew(
        &self,
        tenant: Option<&str>,
        refused: &TenantToken,
        reason: Reason,
    ) -> Result<bool> {
        let slot = self.slot(tenant);
        let mut slot = slot.lock().await;
        match &slot.held {
            // Another call has renewed it in the meantime.
            Some(held) if held.serial != refused.serial => return Ok(true),
            _ if refused.renewed_for.as_ref() == Some(&reason) => return Ok(false),
            _ => {}
        }
        self.fetch(&mut slot, tenant, Some(reason)).await?;
        Ok(true)
    }

    async fn fetch(
        &self,
        slot: &mut Slot,
        tenant: Option<&str>,
        reason: Option<Reason>,
    ) -> Result<TenantToken> {
        let now = self.host.now();
        if let Some((at, failure)) = &slot.failed
            && (0..FAILURE_COOLDOWN).contains(&(now - at))
        {
            return Err(failure.clone());
        }
        let request = TokenRequest {
            tenant_id: tenant.map(str::to_owned),
            resource: self.resource.clone(),
            claims: match &reason {
                Some(Reason::Claims(claims)) => Some(claims.clone()),
                _ => None,
            },
            force_refresh: reason.is_some(),
            interactive: slot.interactive,
        };
        match self.source.token(&request).await {
            Ok(token) => {
                slot.serial += 1;
                self.first.get_or_init(|| Identity::of(&token.secret));
                let token = TenantToken {
                    secret: token.secret,
                    expires_on: token.expires_on,
                    renewed_for: reason,
                    serial: slot.serial,
                };
                slot.held = Some(token.clone());
                slot.failed = None;
                if tenant.is_none() {
                    self.share_own(&token);
                }
                Ok(token)
            }
            Err(failure) => {
                slot.failed = Some((now, failure.clone()));
                Err(failure)
            }
        }
    }

    /// Makes the own tenant's token available under its id, too: with `az` a second request takes half a
    /// second.
    fn share_own(&self, token: &TenantToken) {
        let Some(tenant) = tenant_of(&token.secret) else {
            return;
        };
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = slots.get(&None).cloned() {
            slots.entry(Some(tenant)).or_insert(own);
        }
    }

    fn slot(&self, tenant: Option<&str>) -> Arc<tokio::sync::Mutex<Slot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Slot {
            interactive: tenant.is_none(),
            ..Slot::default()
        };
        slots
            .entry(tenant.map(str::to_lowercase))
            .or_insert_with(|| Arc::new(tokio::sync::Mutex::new(new())))
            .clone()
    }
}

/// Whose token it is, according to its claims. The signature is not verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The tenant's id (the claim `tid`), in lower case.
    pub tenant: Option<String>,
    /// Whether it belongs to an application or a managed identity (`idtyp`).
    pub application: bool,
    /// See [`jwt::account_name`].
    pub account: Option<String>,
}

impl Identity {
    /// Reads a token's claims; a token that is not a JWT has none.
    pub(crate) fn of(token: &Secret) -> Self {
        let claims = jwt::claims(token.expose()).unwrap_or_default();
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        Self {
            tenant: text("tid")
                .filter(|tenant| uuid::Uuid::try_parse(tenant).is_ok())
                .map(str::to_lowercase),
            application: text("idtyp") == Some("app"),
            account: jwt::account_name(&claims).map(str::to_owned),
        }
    }
}

/// The tenant that issued a token, if it is a JWT.
pub(super) fn tenant_of(token: &Secret) -> Option<String> {
    Identity::of(token).tenant
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{auth::AccessToken, error::Kind};
    use async_trait::async_trait;
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    const TENANT: &str = "11111111-2222-3333-4444-555555555555";

    /// Counts its requests and remembers them.
    #[derive(Default)]
    struct Source {
        requests: Mutex<Vec<TokenRequest>>,
        fails: bool,
        lifetime: i64,
    }

    #[async_trait]
    impl TokenSource for Source {
        async fn token(&self, request: &TokenRequest) -> Result<AccessToken> {
            let serial = {
                let mut requests = self.requests.lock().expect("no panic while held");
                requests.push(request.clone());
                requests.len()
            };
            tokio::task::yield_now().await;
            if self.fails {
                return Err(Failure::of(Kind::SignInNeeded, "no"));
            }
            let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"tid":"{TENANT}","n":{serial}}}"#));
            Ok(AccessToken {
                secret: Secret::new(format!("e30.{claims}.x")),
                expires_on: 1_000 + self.lifetime,
                refresh_on: None,
            })
        }
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime")
            .block_on(future)
    }

    fn asked(source: &Source) -> usize {
        source.requests.lock().expect("no panic while held").len()
    }

    #[test]
    fn calls_for_a_tenant_share_one_request_and_the_own_tenant_has_two_names() {
        let source = Source {
            lifetime: 3_600,
            ..Source::default()
        };
        let host = Host::with_env::<&str, &str>([]).at(1_000);
        let tokens = TenantTokens::new(&source, &host, "r");
        run(async {
            let all = futures::future::join_all((0..50).map(|_| tokens.get(None))).await;
            assert!(all.into_iter().all(|one| one.is_ok()));
            tokens.get(Some(TENANT)).await.expect("a token");
            tokens
                .get(Some(&TENANT.to_uppercase()))
                .await
                .expect("a token");
        });
        assert_eq!(asked(&source), 1);
    }

    #[test]
    fn an_expiring_token_is_fetched_again() {
        let source = Source {
            lifetime: RENEW_BEFORE,
            ..Source::default()
        };
        let host = Host::with_env::<&str, &str>([]).at(1_000);
        let tokens = TenantTokens::new(&source, &host, "r");
        run(async {
            tokens.get(None).await.expect("a token");
            tokens.get(None).await.expect("a token");
        });
        assert_eq!(asked(&source), 2);
    }

    #[test]
    fn a_refused_token_is_renewed_once_for_all_that_used_it() {
        let source = Source {
            lifetime: 3_600,
            ..Source::default()
        };
        let host = Host::with_env::<&str, &str>([]).at(1_000);
        let tokens = TenantTokens::new(&source, &host, "r");
        run(async {
            let old = tokens.get(None).await.expect("a token");
            let renew = || tokens.renew(None, &old, Reason::Refused);
            for one in futures::future::join_all((0..50).map(|_| renew())).await {
                assert!(one.expect("a sign-in"));
            }
            assert_eq!(asked(&source), 2);
            let new = tokens.get(None).await.expect("a token");
            let again = tokens.renew(None, &new, Reason::Refused).await;
            assert!(!again.expect("no sign-in"));
            let claims = Reason::Claims("{}".into());
            let other = tokens.renew(None, &new, claims).await;
            assert!(other.expect("a sign-in"));
        });
        let requests = source.requests.lock().expect("no panic while held");
        assert_eq!(requests.len(), 3);
        assert!(!requests[0].force_refresh && requests[1].force_refresh);
        assert_eq!(requests[2].claims.as_deref(), Some("{}"));
    }

    #[test]
    fn a_failed_sign_in_is_not_repeated_by_every_call() {
        let source = Source {
            fails: true,
            ..Source::default()
        };
        let host = Host::with_env::<&str, &str>([]).at(1_000);
        let tokens = TenantTokens::new(&source, &host, "r");
        run(async {
            for _ in 0..20 {
                let failure = tokens.get(Some("t")).await.expect_err("no sign-in");
                assert_eq!(failure.kind(), Kind::SignInNeeded);
            }
        });
        assert_eq!(asked(&source), 1);
    }

    #[test]
    fn a_person_is_asked_for_the_own_tenant_and_for_those_signed_in_to() {
        let source = Source {
            lifetime: RENEW_BEFORE,
            ..Source::default()
        };
        let host = Host::with_env::<&str, &str>([]).at(1_000);
        let tokens = TenantTokens::new(&source, &host, "r");
        run(async {
            tokens.get(None).await.expect("a token");
            tokens.get(Some(TENANT)).await.expect("a token");
            tokens.get(Some("t")).await.expect("a token");
            tokens.sign_in(Some("T")).await.expect("a token");
            tokens.get(Some("t")).await.expect("a token");
        });
        let requests = source.requests.lock().expect("no panic while held");
        let asked: Vec<_> = requests.iter().map(|one| one.interactive).collect();
        assert_eq!(asked, [true, true, false, true, true]);
    }

    #[test]
    fn a_tenant_is_read_only_from_a_jwt() {
        let token =
            |payload: &str| Secret::new(format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(payload)));
        let fit = token(&format!(r#"{{"tid":"{}"}}"#, TENANT.to_uppercase()));
        assert_eq!(tenant_of(&fit).as_deref(), Some(TENANT));
        assert!(!Identity::of(&fit).application);
        assert!(Identity::of(&token(r#"{"idtyp":"app"}"#)).application);
        assert_eq!(tenant_of(&token(r#"{"tid":"../x"}"#)), None);
        assert_eq!(tenant_of(&token("[]")), None);
        assert_eq!(tenant_of(&Secret::new("opaque")), None);
        assert_eq!(tenant_of(&Secret::new("a.%%%.b")), None);
    }
}
