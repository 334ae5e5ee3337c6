//! The client of Azure Resource Manager: tokens, paging, throttling and retries.

use std::{collections::HashSet, sync::atomic::AtomicBool, time::Duration};

use reqwest::Method;
use serde_json::Value;
use url::Url;

use crate::{
    auth::TokenSource,
    azure::Cloud,
    error::{Code, Failure, Result},
    fleet::Cluster,
    host::{
        Host, Waits,
        http::{Answer, Http},
        private_directory::PrivateDirectory,
    },
};

mod call;
mod challenge;
mod concurrency;
mod error;
mod page;
mod rate_limiter;
mod send;
mod tenant_tokens;

use call::Message;
use concurrency::Concurrency;
pub(super) use error::error_code;
use rate_limiter::{Hold, NotStarted, RateLimiter};
use tenant_tokens::{TenantTokens, tenant_of};

pub(crate) use {
    call::{CLUSTER_ADMIN, CLUSTER_USER, Call, Effort, READER},
    rate_limiter::{Bucket, LEVELS_FILE},
    tenant_tokens::Identity,
};

/// The most pages of one listing. With 50 subscriptions on a page, that is 250,000.
const PAGE_LIMIT: usize = 5_000;

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

/// A listing, complete or not.
#[derive(Debug)]
pub(crate) struct Listing {
    /// The items of every page that was read.
    pub items: Vec<Value>,
    /// Why reading stopped before the last page.
    pub cut_short: Option<Failure>,
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
            let deadline = tokio::time::Instant::now().checked_add(left);
            self.rate_limiter.set_deadline(deadline);
        }
        self
    }

    /// The same client, which shares what Azure's limits leave with other processes, in a file in the last of these
    /// directories.
    pub(crate) fn sharing_limits(mut self, directories: Vec<PrivateDirectory>) -> Self {
        self.rate_limiter
            .share(directories, self.cloud.arm.as_str());
        self
    }

    /// Leaves to other processes what was reserved for calls that will not be made.
    pub(crate) fn release_limits(&self) {
        self.rate_limiter.release();
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

    /// Reads one resource that may be missing.
    ///
    /// # Errors
    /// Those of the sign-in, of the network and of ARM, for answers that `accepts` refuses.
    pub(crate) async fn look_for(
        &self,
        call: Call<'_>,
        url: &Url,
        accepts: fn(&Answer) -> bool,
    ) -> Result<Answer> {
        let message = Message {
            accepts,
            ..Message::new(Method::GET, url)
        };
        self.send(call, &message).await
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
        self.list_with(call, first, Effort::Usual, Answer::is_success)
            .await
    }

    /// As [`Arm::list`], with this effort for each page. An answer that `accepts` takes and that is no success says that
    /// there is nothing more.
    pub(crate) async fn list_with(
        &self,
        call: Call<'_>,
        first: Url,
        effort: Effort,
        accepts: fn(&Answer) -> bool,
    ) -> Listing {
        let mut items = Vec::new();
        let page = (effort, accepts);
        let read = self.read_pages(call, first, page, &mut items).await;
        let cut_short = read.err();
        Listing { items, cut_short }
    }

    async fn read_pages(
        &self,
        call: Call<'_>,
        first: Url,
        (effort, accepts): (Effort, fn(&Answer) -> bool),
        items: &mut Vec<Value>,
    ) -> Result<()> {
        let stopped = |why: Failure| call.failed(why.code(Code::InvalidAnswer));
        let mut visited = HashSet::new();
        let mut at = first;
        while visited.insert(at.as_str().to_owned()) {
            if visited.len() > PAGE_LIMIT {
                return Err(stopped(Failure::new(format!(
                    "the listing has more than {PAGE_LIMIT} pages"
                ))));
            }
            let message = Message {
                effort,
                accepts,
                ..Message::new(Method::GET, &at)
            };
            let answer = self.send(call, &message).await?;
            if !answer.is_success() {
                return Ok(());
            }
            let page = page::decode_page(&answer.body).map_err(stopped)?;
            items.extend(page.items);
            let Some(next) = page.next else { return Ok(()) };
            at = page::check_next(&next, &self.cloud.arm).map_err(stopped)?;
        }
        Err(stopped(Failure::new(
            "the listing leads back to a page that was already read",
        )))
    }

    /// Waits because the service takes no more of such calls for this long.
    ///
    /// # Errors
    /// If calls do not wait for that long: this one is deferred.
    pub(super) async fn pause(&self, call: Call<'_>, wait: Duration) -> Result<()> {
        if !self.rate_limiter.waits_for(wait) {
            return Err(self.not_started(call, NotStarted::Deferred(wait)));
        }
        let _waiting = self.held_up(call, Hold::Throttled(wait));
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// How many credential calls can be made for clusters of this one's subscription and region without waiting.
    pub(crate) fn free_credential_calls(&self, cluster: &Cluster) -> usize {
        self.rate_limiter.free(&Bucket::credentials(cluster))
    }
}
