//! The client of Azure Resource Manager: tokens, paging, throttling and retries.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use reqwest::{
    Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue},
};
use serde::de::IgnoredAny;
use serde_json::Value;
use url::Url;

use crate::{
    auth::TokenSource,
    azure::Cloud,
    error::{Code, Failure, Kind, Result},
    fleet::Cluster,
    host::{
        Host, Waits,
        http::{
            Answer, Http, origin,
            retry::{self, Limit, Next, Retries, RetryPolicy},
        },
        waiting::{Cause, Waiting},
    },
    secret::Secret,
};

mod challenge;
mod concurrency;
mod error;
mod page;
mod rate_limiter;
mod tenant_tokens;

use challenge::claims_challenge;
use concurrency::{Concurrency, Outcome};
use rate_limiter::{Hold, NotStarted, RateLimiter, Ticket};
use tenant_tokens::{Reason, TenantToken, TenantTokens, tenant_of};

pub(crate) use {rate_limiter::Bucket, tenant_tokens::Identity};

/// How long one attempt may take, reading the answer included.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(120);
/// The same for [`Effort::Once`].
const ONLY_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// The most pages of one listing. With 50 subscriptions on a page, that is 250,000.
const PAGE_LIMIT: usize = 5_000;

/// When a call is sent again: as Azure's own clients do (`azcore/policy.RetryOptions`), and more often
/// when throttled, which happens to every large fleet.
const RETRY_POLICY: RetryPolicy = RetryPolicy {
    after_status: |status| match status {
        // The rate limiter knows when there is no hope.
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
    after_no_answer: FIRST_CONTACT_RETRIES,
    ..RETRY_POLICY
};
/// For [`Effort::Once`].
const NO_RETRY: RetryPolicy = RetryPolicy {
    after_status: |_| Limit::Times(0),
    after_no_answer: 0,
    ..RETRY_POLICY
};
/// How often a call without an answer is sent again if ARM has not answered any call.
pub(crate) const FIRST_CONTACT_RETRIES: u32 = 1;

/// ARM of one cloud, called as one sign-in.
pub(crate) struct Arm<'a> {
    http: &'a Http,
    host: &'a Host,
    cloud: &'a Cloud,
    tokens: TenantTokens<'a>,
    in_flight: Concurrency,
    rate_limiter: RateLimiter,
    waits: Waits,
    /// Whether ARM has answered anything in this run.
    answered: AtomicBool,
}

/// The role that may list subscriptions and clusters.
pub(crate) const READER: &str = "`Reader` on the subscription";
/// The role that may fetch a cluster's user kubeconfig.
pub(crate) const CLUSTER_USER: &str =
    "`Azure Kubernetes Service Cluster User Role` on the cluster or its subscription";

/// A call to ARM.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'c> {
    /// Completes the sentence "could not …" in an error.
    pub doing: &'c str,
    /// The same without names: completes "could not …" and "may not …".
    pub brief: &'static str,
    /// The Azure role that allows the call and where it is assigned, for a hint.
    pub role: &'static str,
    /// The tenant whose token is sent; by default the sign-in's own.
    pub tenant: Option<&'c str>,
    /// What the service counts the call against.
    pub bucket: &'c Bucket,
    /// The name of that, for a person.
    pub whose: &'c str,
}

/// How hard a call is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// It is sent again after failures that pass.
    Usual,
    /// It is sent once and not waited for long, because other calls can replace it.
    Once,
}

/// What is sent.
struct Message<'m> {
    method: Method,
    url: &'m Url,
    body: Option<&'m Value>,
    effort: Effort,
    /// Which answers are none of a failure.
    accepts: fn(&Answer) -> bool,
}

/// A listing, complete or not.
#[derive(Debug)]
pub(crate) struct Listing {
    /// The items of every page that was read.
    pub items: Vec<Value>,
    /// Why reading stopped before the last page.
    pub cut_short: Option<Failure>,
}

impl<'m> Message<'m> {
    fn new(method: Method, url: &'m Url) -> Self {
        Self {
            method,
            url,
            body: None,
            effort: Effort::Usual,
            accepts: Answer::is_success,
        }
    }
}

impl Call<'_> {
    pub(super) fn failed(&self, why: Failure) -> Failure {
        why.context(format!("could not {}", self.doing))
            .brief(format!("could not {}", self.brief))
    }
}

impl<'a> Arm<'a> {
    /// Creates a client that reports what it waits for. How many calls are in flight adapts, up to `concurrency` if
    /// that is given.
    ///
    /// # Errors
    /// When the HTTP client can't be built.
    pub(crate) fn new(
        host: &'a Host,
        cloud: &'a Cloud,
        source: &'a dyn TokenSource,
        concurrency: Option<usize>,
        waits: Waits,
    ) -> Result<Self> {
        Ok(Self {
            http: host.http()?,
            host,
            cloud,
            tokens: TenantTokens::new(source, host, &cloud.arm_audience),
            in_flight: Concurrency::new(concurrency),
            rate_limiter: RateLimiter::default(),
            waits,
            answered: AtomicBool::new(false),
        })
    }

    /// The same client, whose calls wait for Azure's limits until this long after the program's start; by default for as
    /// long as it takes.
    pub(crate) fn waiting_for(mut self, limit: Option<Duration>) -> Self {
        if let Some(limit) = limit {
            let left = limit.saturating_sub(self.host.elapsed());
            self.rate_limiter
                .set_deadline(tokio::time::Instant::now() + left);
        }
        self
    }

    /// A URL below ARM's endpoint. What a segment contains is escaped.
    pub(crate) fn url(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.cloud.arm.clone();
        url.path_segments_mut()
            .expect("an endpoint with a host has a path")
            .pop_if_empty()
            .extend(segments);
        url.query_pairs_mut().extend_pairs(query);
        url
    }

    /// The tenant that issued the token for `tenant`, if the token says so. A person is asked to sign in to
    /// the sign-in's own tenant only.
    ///
    /// # Errors
    /// Those of the sign-in.
    pub(crate) async fn signed_in_tenant(&self, tenant: Option<&str>) -> Result<Option<String>> {
        let token = self.tokens.get(tenant).await?;
        Ok(tenant_of(&token.secret))
    }

    /// Whom the token for `tenant` belongs to.
    ///
    /// # Errors
    /// Those of the sign-in.
    pub(crate) async fn identity(&self, tenant: Option<&str>) -> Result<Identity> {
        Ok(Identity::of(&self.tokens.get(tenant).await?.secret))
    }

    /// The sign-in's name: a person's, or an application's id. None before the first token, and if that does not tell.
    pub(crate) fn account(&self) -> Option<&str> {
        self.tokens.account()
    }

    /// Like [`Arm::signed_in_tenant`], but from now on a person may be asked to sign in to this tenant.
    ///
    /// # Errors
    /// Those of the sign-in.
    pub(crate) async fn sign_in(&self, tenant: Option<&str>) -> Result<Option<String>> {
        let token = self.tokens.sign_in(tenant).await?;
        Ok(tenant_of(&token.secret))
    }

    /// Reads one resource.
    ///
    /// # Errors
    /// Those of the sign-in, of the network and of ARM.
    pub(crate) async fn get(&self, call: Call<'_>, url: &Url) -> Result<Answer> {
        self.send(call, &Message::new(Method::GET, url)).await
    }

    /// Posts an action without a body. It may be sent more than once.
    ///
    /// # Errors
    /// Those of the sign-in, of the network and of ARM.
    pub(crate) async fn post(&self, call: Call<'_>, url: &Url) -> Result<Answer> {
        self.send(call, &Message::new(Method::POST, url)).await
    }

    /// Posts a query, which changes nothing. It may be sent more than once.
    ///
    /// # Errors
    /// Those of the sign-in, of the network and of ARM, for answers that `accepts` refuses.
    pub(crate) async fn query(
        &self,
        call: Call<'_>,
        url: &Url,
        query: &Value,
        effort: Effort,
        accepts: fn(&Answer) -> bool,
    ) -> Result<Answer> {
        let message = Message {
            body: Some(query),
            effort,
            accepts,
            ..Message::new(Method::POST, url)
        };
        self.send(call, &message).await
    }

    /// Reads every page of a listing. If one fails, the items of the earlier pages are still returned.
    pub(crate) async fn list(&self, call: Call<'_>, first: Url) -> Listing {
        let mut items = Vec::new();
        let cut_short = self.read_pages(call, first, &mut items).await.err();
        Listing { items, cut_short }
    }

    async fn read_pages(&self, call: Call<'_>, first: Url, items: &mut Vec<Value>) -> Result<()> {
        let stopped = |why: Failure| call.failed(why.code(Code::InvalidAnswer));
        let mut visited = HashSet::new();
        let mut at = first;
        while visited.insert(at.as_str().to_owned()) {
            if visited.len() > PAGE_LIMIT {
                return Err(stopped(Failure::new(format!(
                    "the listing has more than {PAGE_LIMIT} pages"
                ))));
            }
            let answer = self.get(call, &at).await?;
            let page = page::decode_page(&answer.body).map_err(stopped)?;
            items.extend(page.items);
            let Some(next) = page.next else { return Ok(()) };
            at = page::check_next(&next, &self.cloud.arm).map_err(stopped)?;
        }
        Err(stopped(Failure::new(
            "the listing leads back to a page that was already read",
        )))
    }

    async fn send(&self, call: Call<'_>, message: &Message<'_>) -> Result<Answer> {
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

    fn not_started(&self, call: Call<'_>, why: NotStarted) -> Failure {
        let message = format!("could not {}", call.doing);
        match why {
            NotStarted::Hopeless(failure) => failure.with_message(message),
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

    /// Waits because the service takes no more of such calls for this long.
    pub(super) async fn pause(&self, call: Call<'_>, wait: Duration) {
        let _waiting = self.held_up(call, Hold::Throttled(wait));
        tokio::time::sleep(wait).await;
    }

    fn held_up(&self, call: Call<'_>, hold: Hold) -> Waiting {
        let whose = call.whose.to_owned();
        match hold {
            Hold::Throttled(wait) => self.waits.begin(Cause::Throttled { whose }, Some(wait)),
            Hold::Empty(wait) => self.waits.begin(Cause::Paced { whose }, Some(wait)),
        }
    }

    /// How many credential calls can be made for clusters of this one's subscription and region without waiting.
    pub(crate) fn free_credential_calls(&self, cluster: &Cluster) -> usize {
        self.rate_limiter.free(&Bucket::credentials(cluster))
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
