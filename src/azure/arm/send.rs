//! Sends a call, again if it may succeed then, and within the limits on rate and concurrency.

use std::{sync::atomic::Ordering, time::Duration};

use reqwest::{
    Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue},
};
use serde::de::IgnoredAny;
use url::Url;

use super::{
    Arm, Call, Effort,
    call::Message,
    challenge::claims_challenge,
    concurrency::Outcome,
    error,
    rate_limiter::{Hold, NotStarted, Ticket},
    tenant_tokens::{Reason, TenantToken},
};
use crate::{
    error::{Failure, Kind, Result},
    host::{
        http::{
            Answer, origin,
            retry::{self, Limit, Next, Retries, RetryPolicy},
        },
        waiting::{Cause, Waiting},
    },
    secret::Secret,
};

/// How long one attempt may take, reading the answer included.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(120);
/// The same for [`Effort::Once`].
const ONLY_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// When a call is sent again: as Azure's own clients do (`azcore/policy.RetryOptions`), and more often
/// when throttled, which happens to every large fleet.
const RETRY_POLICY: RetryPolicy = RetryPolicy {
    after_status: |status| match status {
        // The rate limiter decides when to give up.
        429 => Limit::Times(u32::MAX),
        408 | 500 | 502 | 503 | 504 => Limit::Times(3),
        _ => Limit::Times(0),
    },
    after_no_answer: 3,
    retries_timeouts: true,
    first_wait: Duration::from_millis(800),
    longest_wait: Duration::from_secs(60),
    waits_after_no_answer: true,
};
/// Used until ARM has answered a call, so that a machine without a network fails soon.
const FIRST_CONTACT: RetryPolicy = RetryPolicy {
    after_no_answer: 1,
    ..RETRY_POLICY
};
/// For [`Effort::Once`].
const NO_RETRY: RetryPolicy = RetryPolicy {
    after_status: |_| Limit::Times(0),
    after_no_answer: 0,
    ..RETRY_POLICY
};

impl Arm<'_> {
    pub(super) async fn send(&self, call: Call<'_>, message: &Message<'_>) -> Result<Answer> {
        let url = message.url;
        let mut counts = Counts::default();
        let mut renewed = false;
        loop {
            let attempt = self.attempt(call, message);
            let attempt = retry::numbered(counts.attempt(), attempt).await?;
            self.rate_limiter.answered(call.bucket);
            let Attempt { token, sent, .. } = &attempt;
            match sent {
                Ok(answer) if (message.accepts)(answer) => {
                    check_json(answer, url, &token.secret).map_err(|why| call.failed(why))?;
                    self.rate_limiter.accepted(call.bucket);
                    return attempt.sent;
                }
                Ok(answer) if answer.status == 401 && !renewed => {
                    renewed = true;
                    let reason = claims_challenge(answer).map_or(Reason::Refused, Reason::Claims);
                    if self.tokens.renew(call.tenant, token, reason).await? {
                        continue;
                    }
                }
                Err(why) if !matches!(why.kind(), Kind::Network | Kind::Timeout) => {
                    return attempt.sent;
                }
                _ => {}
            }
            let next = self
                .wait_to_retry(call, message, &attempt, &mut counts)
                .await;
            if matches!(next, Next::Retry(_)) {
                continue;
            }
            let throttled = attempt.is_throttled();
            let failure = self.failure(call, url, attempt);
            if throttled && next != Next::Stop {
                self.rate_limiter.give_up(call.bucket, &failure);
            }
            return Err(failure);
        }
    }

    /// Decides whether a call is sent again, and waits before it is. A call that was throttled waits with its bucket.
    async fn wait_to_retry(
        &self,
        call: Call<'_>,
        message: &Message<'_>,
        attempt: &Attempt,
        counts: &mut Counts,
    ) -> Next {
        let policy = match message.effort {
            Effort::Once => &NO_RETRY,
            Effort::Usual if self.answered.load(Ordering::Relaxed) => &RETRY_POLICY,
            Effort::Usual => &FIRST_CONTACT,
        };
        let has_time_for = |wait| wait <= policy.longest_wait;
        let Attempt { ticket, sent, .. } = attempt;
        let retries = counts.of(attempt);
        let next = retries.next(policy, sent, self.host.now(), has_time_for);
        let next = match next {
            // It is deferred until then.
            Next::NoTimeFor(wait) if attempt.is_throttled() && self.rate_limiter.defers() => {
                Next::Retry(wait)
            }
            // The service may mean this call alone.
            Next::NoTimeFor(_) => Next::Stop,
            next => next,
        };
        let Next::Retry(wait) = next else { return next };
        if attempt.is_throttled() {
            return match self.rate_limiter.throttled(call.bucket, *ticket, wait) {
                true => next,
                false => Next::NoTimeFor(wait),
            };
        }
        let cause = retry::cause_of_wait(&origin(message.url), sent);
        let _waiting = self.waits.begin(cause, Some(wait));
        tokio::time::sleep(wait).await;
        next
    }

    /// Why a call failed that is not sent again.
    fn failure(&self, call: Call<'_>, url: &Url, attempt: Attempt) -> Failure {
        let Attempt { token, sent, .. } = attempt;
        match sent {
            Ok(answer) => error::failure(
                call,
                &origin(url),
                &answer,
                &token.secret,
                self.tokens.sign_in_command(call.tenant),
            ),
            Err(why) => call.failed(why),
        }
    }

    /// Sends a call once, as soon as the limits on rate and concurrency let it go.
    ///
    /// # Errors
    /// Those of the sign-in, and that the service accepts no calls of the bucket.
    async fn attempt(&self, call: Call<'_>, message: &Message<'_>) -> Result<Attempt> {
        let permit = async || self.in_flight.acquire().await;
        let (ticket, permit) = self
            .rate_limiter
            .admit(call.bucket, permit, |hold| self.held_up(call, hold))
            .await
            .map_err(|why| self.not_started(call, why))?;
        // Only now: waiting can take longer than a token is valid.
        let token = self.tokens.get(call.tenant).await?;
        let start = tokio::time::Instant::now();
        let sent = self.exchange(message, &token.secret).await;
        permit.ended(Outcome::of(&sent, start.elapsed()));
        if sent.is_ok() {
            self.answered.store(true, Ordering::Relaxed);
        }
        Ok(Attempt {
            ticket,
            token,
            sent,
        })
    }

    pub(super) fn not_started(&self, call: Call<'_>, why: NotStarted) -> Failure {
        let message = format!("could not {}", call.doing);
        match why {
            NotStarted::GivenUp(failure) => failure.with_message(message),
            NotStarted::Deferred(wait) => {
                let seconds = wait.as_secs_f64().ceil().max(1.0) as i64;
                Failure::of(Kind::Network, message)
                    .brief(format!("could not {}", call.brief))
                    .because(call.bucket.sentence())
                    .hint(format!("run again in {seconds} s"))
                    .deferred_until(self.host.now() + seconds)
            }
        }
    }

    pub(super) fn held_up(&self, call: Call<'_>, hold: Hold) -> Waiting {
        let whose = call.whose.to_owned();
        match hold {
            Hold::Throttled(wait) => self.waits.begin(Cause::Throttled { whose }, Some(wait)),
            Hold::Empty(wait) => self.waits.begin(Cause::RateLimit { whose }, Some(wait)),
        }
    }

    async fn exchange(&self, message: &Message<'_>, token: &Secret) -> Result<Answer> {
        let url = message.url;
        let mut header = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| Failure::new("the token has characters that no header can carry"))?;
        header.set_sensitive(true);
        let mut request = self
            .http
            .request(message.method.clone(), url)?
            .header(AUTHORIZATION, header)
            .header(ACCEPT, "application/json");
        request = match message.body {
            Some(body) => request
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_string()),
            None if message.method == Method::POST => request.header(CONTENT_LENGTH, "0"),
            None => request,
        };
        let timeout = match message.effort {
            Effort::Usual => ATTEMPT_TIMEOUT,
            Effort::Once => ONLY_ATTEMPT_TIMEOUT,
        };
        match tokio::time::timeout(timeout, self.http.send(request)).await {
            Ok(sent) => sent,
            Err(_) => Err(Failure::of(
                Kind::Timeout,
                format!("`{}` did not answer in time", origin(url)),
            )
            .because(format!(
                "the answer was incomplete after {} s",
                timeout.as_secs()
            ))),
        }
    }
}

/// The result of sending a call once.
struct Attempt {
    ticket: Ticket,
    token: TenantToken,
    sent: Result<Answer>,
}

impl Attempt {
    fn is_throttled(&self) -> bool {
        self.sent.as_ref().is_ok_and(|answer| answer.status == 429)
    }
}

/// How often a call was sent again.
#[derive(Default)]
struct Counts {
    throttled: Retries,
    others: Retries,
}

impl Counts {
    /// The number of the next attempt, from 1.
    fn attempt(&self) -> u32 {
        self.throttled.attempt() + self.others.attempt() - 1
    }

    /// The count that an attempt belongs to.
    fn of(&mut self, attempt: &Attempt) -> &mut Retries {
        match attempt.is_throttled() {
            true => &mut self.throttled,
            false => &mut self.others,
        }
    }
}

/// Refuses answers that are not from ARM: a captive portal answers every request with its page.
fn check_json(answer: &Answer, url: &Url, token: &Secret) -> Result<()> {
    match serde_json::from_slice::<IgnoredAny>(&answer.body) {
        Ok(_) => Ok(()),
        Err(_) => Err(error::stray(&origin(url), answer, token)),
    }
}
