//! The walk through a simulated Azure: pages, throttles, refusals and odd answers, over real
//! sockets and with tokens that the simulator checks.

use std::{collections::BTreeSet, net::TcpListener, sync::Mutex, time::Duration};

use async_trait::async_trait;
use azure_sim::{
    AZURE_CLI_APP, Endpoint, Fault, Fleet, FleetSpec, Settings, Simulator, Throttle, User,
};
use futures::StreamExt;
use kubectl_aad::{
    Host,
    internals::{
        AccessToken, Arm, CUSTOM_CLOUD, CUSTOM_CLOUD_VARIABLE, Cloud, Cluster, EXIT_USAGE,
        FIRST_CONTACT_RETRIES, Failure, Kind, Result, Scope, Secret, State, Tenants, TokenRequest,
        TokenSource, discovery, managed_clusters,
    },
};
use reqwest::Method;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

/// How many requests may be under way at once.
const CONCURRENCY: usize = 16;

/// A simulated Azure, a machine that reaches it, and how its tokens are got.
struct Rig {
    sim: Simulator,
    host: Host,
    cloud: Cloud,
    concurrency: usize,
    _files: tempfile::TempDir,
}

impl Rig {
    fn new(spec: &FleetSpec) -> Self {
        let sim = Simulator::start(Fleet::generate(spec));
        let files = tempfile::tempdir().expect("a temporary directory");
        let written = sim.write_files(files.path()).expect("written files");
        let host = Host::with_env([
            ("SSL_CERT_FILE", written.ca.as_os_str()),
            (CUSTOM_CLOUD_VARIABLE, written.cloud.as_os_str()),
        ]);
        let cloud = Cloud::named(Some(CUSTOM_CLOUD), None, &host).expect("the simulated cloud");
        Self {
            sim,
            host,
            cloud,
            concurrency: CONCURRENCY,
            _files: files,
        }
    }

    /// Pages, which the simulator cuts to these sizes in turn.
    fn settings(&self, change: impl FnOnce(&mut Settings)) -> &Self {
        self.sim.configure(change);
        self
    }

    fn fault(&self, fault: Fault) -> u64 {
        self.sim.faults().add(fault)
    }

    fn ids(&self) -> BTreeSet<String> {
        self.sim
            .fleet()
            .clusters
            .into_iter()
            .map(|c| c.id)
            .collect()
    }

    /// Walks a scope, with a new sign-in.
    fn enumerate(&self, scope: &Scope) -> Result<discovery::Fleet> {
        let source = Password::of(self);
        run(async {
            let arm = Arm::new(&self.host, &self.cloud, &source, self.concurrency)?;
            discovery::enumerate(&arm, scope, &|_| {}).await
        })
    }

    /// Walks everything and gets every credential.
    fn sync(&self) -> (discovery::Fleet, Vec<(Cluster, Result<Secret>)>) {
        let source = Password::of(self);
        run(async {
            let arm = Arm::new(&self.host, &self.cloud, &source, self.concurrency)
                .expect("an HTTP client");
            let mut found = discovery::enumerate(&arm, &Scope::default(), &|_| {})
                .await
                .expect("a fleet");
            let credentials = credentials(&arm, &mut found).await;
            (found, credentials)
        })
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// Each cluster with what came for it, in the order in which it came.
async fn credentials(
    arm: &Arm<'_>,
    found: &mut discovery::Fleet,
) -> Vec<(Cluster, Result<Secret>)> {
    let clusters = found.clusters.iter_mut();
    let clusters = clusters.filter(|run| matches!(run.state, State::Listed));
    managed_clusters::user_kubeconfigs(arm, clusters.collect(), false)
        .map(|(run, answer)| (run.cluster.clone(), answer))
        .collect()
        .await
}

fn fit(found: &discovery::Fleet) -> Vec<Cluster> {
    let fit = found.clusters.iter();
    fit.filter(|run| matches!(run.state, State::Listed))
        .map(|run| run.cluster.clone())
        .collect()
}

fn found_ids(found: &discovery::Fleet) -> BTreeSet<String> {
    fit(found).into_iter().map(|c| c.id).collect()
}

fn failed(credentials: &[(Cluster, Result<Secret>)]) -> Vec<(&str, &Failure)> {
    credentials
        .iter()
        .filter_map(|(cluster, got)| Some((cluster.id.as_str(), got.as_ref().err()?)))
        .collect()
}

/// A person's name and password, sent for each token anew.
struct Password<'a> {
    host: &'a Host,
    authority: Url,
    user: User,
    requests: Mutex<Vec<TokenRequest>>,
}

impl<'a> Password<'a> {
    fn of(rig: &'a Rig) -> Self {
        Self {
            host: &rig.host,
            authority: rig.cloud.authority.clone(),
            user: rig.sim.fleet().users[0].clone(),
            requests: Mutex::default(),
        }
    }
}

#[async_trait]
impl TokenSource for Password<'_> {
    async fn token(&self, request: &TokenRequest) -> Result<AccessToken> {
        let tenant = request.tenant_id.as_deref().unwrap_or("organizations");
        let url = self
            .authority
            .join(&format!("{tenant}/oauth2/v2.0/token"))
            .expect("a path joins an endpoint");
        let claims = request.claims.as_deref();
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "password")
            .append_pair("client_id", AZURE_CLI_APP)
            .append_pair("scope", &format!("{}/.default", request.resource))
            .append_pair("username", &self.user.upn)
            .append_pair("password", &self.user.password)
            .extend_pairs(claims.map(|claims| ("claims", claims)))
            .finish();
        self.requests
            .lock()
            .expect("no panic while held")
            .push(request.clone());
        let http = self.host.http()?;
        let sent = http
            .request(Method::POST, &url)?
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let answer = http.send(sent).await?;
        let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let Some(token) = body["access_token"].as_str() else {
            return Err(Failure::of(
                Kind::SignInNeeded,
                body["error_description"].as_str().unwrap_or("no reason"),
            ));
        };
        Ok(AccessToken {
            secret: Secret::new(token),
            expires_on: self.host.now() + body["expires_in"].as_i64().expect("a number"),
            refresh_on: None,
        })
    }
}

fn spec(tenants: usize, subscriptions: usize, clusters: usize) -> FleetSpec {
    FleetSpec {
        tenants,
        subscriptions,
        clusters,
        ..FleetSpec::default()
    }
}

#[test]
fn every_cluster_is_found_through_short_and_empty_pages() {
    let rig = Rig::new(&spec(3, 7, 80));
    rig.settings(|s| {
        s.cluster_pages = vec![0, 3, 0, 0, 1];
        s.subscription_page = 2;
    });
    let found = rig.enumerate(&Scope::default()).expect("a fleet");
    assert!(found.is_whole());
    assert_eq!(found_ids(&found), rig.ids());
    assert_eq!(found.subscriptions.len(), 7);
    let known = rig.sim.fleet();
    for cluster in fit(&found) {
        let truth = known.cluster(&cluster.id).expect("a cluster of the fleet");
        assert_eq!(cluster.tenant_id, truth.tenant_id);
        assert_eq!(cluster.resource_group, truth.resource_group);
        assert_eq!(cluster.subscription_id, truth.subscription_id);
        assert!(cluster.aad);
    }
}

#[test]
fn one_token_a_tenant_serves_the_whole_walk() {
    let rig = Rig::new(&spec(3, 6, 60));
    let (_, credentials) = rig.sync();
    assert_eq!(credentials.len(), 60);
    assert!(failed(&credentials).is_empty());
    // The sign-in's own tenant is not asked a second time by its id.
    assert_eq!(rig.sim.counters().tokens("password"), 3);
}

#[test]
fn a_next_link_to_another_host_is_refused_before_anything_is_sent() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").expect("a free port");
    elsewhere
        .set_nonblocking(true)
        .expect("a socket can be non-blocking");
    let address = elsewhere.local_addr().expect("a bound socket");
    let rig = Rig::new(&spec(1, 1, 20));
    rig.settings(|s| {
        s.cluster_pages = vec![8];
        s.foreign_next_link = Some(format!("https://{address}"));
    });
    let found = rig.enumerate(&Scope::default()).expect("a fleet");
    assert_eq!(fit(&found).len(), 8, "the first page stays");
    assert!(!found.is_whole());
    let why = found.subscriptions[0].1.as_ref().expect_err("a refusal");
    assert!(why.to_string().contains(&address.to_string()), "{why}");
    assert!(why.to_string().contains("away from ARM"), "{why}");
    let came = elsewhere.accept().expect_err("nobody came");
    assert_eq!(came.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_listing_that_leads_in_a_circle_ends() {
    let rig = Rig::new(&spec(1, 1, 1));
    let subscription = rig.sim.fleet().subscriptions[0].id.clone();
    let here = format!(
        "{}/subscriptions/{subscription}/providers/Microsoft.ContainerService/managedClusters?api-version={}",
        rig.sim.arm_url(),
        managed_clusters::AKS_API_VERSION
    );
    let page = json!({"value": [], "nextLink": here}).to_string();
    rig.fault(Fault::on(Endpoint::ManagedClusters).body(200, "application/json", page));
    let found = rig.enumerate(&Scope::default()).expect("a fleet");
    let why = found.subscriptions[0].1.as_ref().expect_err("a circle");
    assert!(why.to_string().contains("leads back"), "{why}");
}

#[test]
fn what_is_throttled_comes_back_when_it_is_asked_to() {
    let rig = Rig::new(&spec(1, 1, 12));
    let fault = rig.fault(
        Fault::on(Endpoint::ListClusterUserCredential)
            .throttled(1)
            .times(3),
    );
    let (_, credentials) = rig.sync();
    assert!(failed(&credentials).is_empty());
    assert_eq!(rig.sim.faults().fired(fault), 3);
    let calls = rig.sim.counters().get(Endpoint::ListClusterUserCredential);
    assert_eq!(
        calls,
        12 + 3,
        "each refused call was sent once more and no other was"
    );
}

#[test]
fn a_service_that_asks_to_wait_for_long_is_not_waited_for() {
    let rig = Rig::new(&spec(1, 1, 1));
    rig.fault(Fault::on(Endpoint::ListClusterUserCredential).throttled(3_600));
    let (_, credentials) = rig.sync();
    let (_, why) = failed(&credentials)[0];
    assert!(why.to_string().contains("429 `Throttled`"), "{why}");
    assert!(why.to_string().contains("asks to wait for 3600 s"), "{why}");
    let calls = rig.sim.counters().get(Endpoint::ListClusterUserCredential);
    assert_eq!(calls, 1);
}

#[test]
fn a_fleet_larger_than_the_bucket_gets_through_and_knocks_seldom() {
    let rig = Rig::new(&spec(1, 1, 120));
    rig.sim.throttle(Throttle::credentials(20.0, 40.0));
    let (_, credentials) = rig.sync();
    assert_eq!(credentials.len(), 120);
    assert!(failed(&credentials).is_empty());
    // Those that were under way at the first refusal, and a few while the
    // interval is being found; not each call that was waiting for its turn.
    let calls = rig.sim.counters().get(Endpoint::ListClusterUserCredential);
    let most = 120 + u64::try_from(CONCURRENCY).expect("a small number") + 14;
    assert!(calls <= most, "{calls} calls where {most} would do");
}

#[test]
fn resets_broken_bodies_and_busy_servers_are_tried_again() {
    let rig = Rig::new(&spec(1, 1, 10));
    let effects: [fn(Fault) -> Fault; 4] = [
        Fault::reset,
        Fault::truncated,
        |fault| fault.status(503),
        |fault| fault.status(500),
    ];
    let mut faults = vec![rig.fault(Fault::on(Endpoint::ManagedClusters).reset().times(1))];
    for effect in effects {
        let fault = effect(Fault::on(Endpoint::ListClusterUserCredential));
        faults.push(rig.fault(fault.times(1)));
    }
    let (found, credentials) = rig.sync();
    assert!(found.is_whole());
    assert_eq!(credentials.len(), 10);
    assert!(failed(&credentials).is_empty());
    for fault in faults {
        assert_eq!(rig.sim.faults().fired(fault), 1);
    }
}

#[test]
fn a_subscription_that_may_not_be_read_stops_no_other() {
    let rig = Rig::new(&spec(1, 4, 20));
    let closed = rig.sim.fleet().subscriptions[1].clone();
    rig.fault(
        Fault::on(Endpoint::ManagedClusters)
            .subscription(&closed.id)
            .status(403),
    );
    let found = rig.enumerate(&Scope::default()).expect("a fleet");
    assert_eq!(fit(&found).len(), 15);
    let failures: Vec<_> = found
        .subscriptions
        .iter()
        .filter_map(|(subscription, read)| Some((subscription, read.as_ref().err()?)))
        .collect();
    let [(subscription, why)] = failures[..] else {
        panic!("one subscription fails: {failures:?}");
    };
    assert_eq!(subscription.id, closed.id);
    assert_eq!(why.kind(), Kind::Denied);
    assert!(why.render().contains(&closed.name));
}

#[test]
fn clusters_that_fail_are_named_and_the_others_are_had() {
    let rig = Rig::new(&spec(2, 4, 200));
    let mut chosen = BTreeSet::new();
    let effects: [fn(Fault) -> Fault; 4] = [
        |fault| fault.status(403),
        |fault| fault.status(404),
        Fault::malformed,
        |fault| fault.body(200, "application/json", r#"{"kubeconfigs":[]}"#),
    ];
    for (effect, seed) in effects.into_iter().zip(0..) {
        let fault =
            effect(Fault::on(Endpoint::ListClusterUserCredential)).percent_of_clusters(2.0, seed);
        chosen.extend(rig.ids().into_iter().filter(|id| fault.selects(id)));
        rig.fault(fault);
    }
    assert!(!chosen.is_empty());
    let (found, credentials) = rig.sync();
    assert!(found.is_whole());
    assert_eq!(credentials.len(), 200);
    let failed: BTreeSet<_> = failed(&credentials)
        .into_iter()
        .map(|(id, _)| id.to_owned())
        .collect();
    assert_eq!(failed, chosen);
}

#[test]
fn an_odd_cluster_fails_alone() {
    let rig = Rig::new(&spec(1, 1, 1));
    let subscription = rig.sim.fleet().subscriptions[0].id.clone();
    let id = |name: &str| {
        format!(
            "/subscriptions/{subscription}/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/{name}"
        )
    };
    let page = json!({"value": [
        {"id": id("good"), "properties": {"aadProfile": {"managed": true}}},
        {"id": id("bad"), "name": "bad", "properties": {"aadProfile": 7}},
        "nonsense",
    ]});
    rig.fault(Fault::on(Endpoint::ManagedClusters).body(200, "application/json", page.to_string()));
    let found = rig.enumerate(&Scope::default()).expect("a fleet");
    let names: Vec<_> = found
        .clusters
        .iter()
        .map(|run| {
            (
                run.cluster.name.as_str(),
                matches!(run.state, State::Listed),
            )
        })
        .collect();
    assert_eq!(names, [("good", true), ("bad", false), ("", false)]);
}

#[test]
fn a_claims_challenge_is_answered_once_a_tenant() {
    let rig = Rig::new(&spec(2, 2, 20));
    let claims = r#"{"access_token":{"nbf":{"essential":true,"value":"1"}}}"#;
    rig.settings(|s| s.arm_claims_challenge = Some(claims.into()));
    let (found, credentials) = rig.sync();
    assert!(found.is_whole(), "{found:?}");
    assert_eq!(credentials.len(), 20);
    assert!(failed(&credentials).is_empty());
    assert_eq!(rig.sim.counters().tokens("password"), 2 * 2);
}

#[test]
fn a_token_that_ends_in_the_middle_is_renewed() {
    let rig = Rig::new(&spec(1, 1, 30));
    let source = Password::of(&rig);
    let credentials: Vec<_> = run(async {
        let arm = Arm::new(&rig.host, &rig.cloud, &source, 8).expect("an HTTP client");
        let mut found = discovery::enumerate(&arm, &Scope::default(), &|_| {})
            .await
            .expect("a fleet");
        // The service's clock runs ahead: our token is dead there.
        rig.settings(|s| s.clock_offset = 24 * 3_600);
        credentials(&arm, &mut found).await
    });
    assert!(
        failed(&credentials).is_empty(),
        "{:?}",
        failed(&credentials)
    );
    let requests = source.requests.lock().expect("no panic while held");
    assert_eq!(requests.len(), 2);
    assert!(requests[1].force_refresh);
}

#[test]
fn a_tenant_that_can_not_be_signed_in_to_stops_no_other() {
    let rig = Rig::new(&spec(3, 3, 9));
    let closed = rig.sim.fleet().tenants[2].clone();
    rig.fault(Fault::on(Endpoint::Token).tenant(&closed.id).error(
        400,
        "invalid_grant",
        "AADSTS50076: multi-factor authentication is required",
    ));
    let found = rig.enumerate(&Scope::default()).expect("a fleet");
    assert_eq!(fit(&found).len(), 6);
    assert!(!found.is_whole());
    let (tenant, read) = &found.tenants[2];
    assert_eq!(tenant.id.as_deref(), Some(closed.id.as_str()));
    let shown = read.as_ref().expect_err("a closed tenant").render();
    assert!(
        shown.contains(&closed.display_name) && shown.contains("AADSTS50076"),
        "{shown}"
    );
}

#[test]
fn a_sign_in_that_fails_everywhere_is_an_error() {
    let rig = Rig::new(&spec(2, 2, 2));
    rig.fault(Fault::on(Endpoint::Token).error(400, "invalid_grant", "AADSTS50057: disabled"));
    let why = rig.enumerate(&Scope::default()).expect_err("no sign-in");
    assert_eq!(why.kind(), Kind::SignInNeeded);
}

#[test]
fn a_tenant_that_is_named_is_the_only_one_that_is_walked() {
    let rig = Rig::new(&spec(3, 3, 9));
    let wanted = rig.sim.fleet().tenants[1].clone();
    for name in [&wanted.id, &wanted.domain] {
        rig.sim.reset();
        let found = rig
            .enumerate(&Scope {
                tenants: Tenants::Named(vec![name.clone()]),
                ..Scope::default()
            })
            .expect("a fleet");
        assert_eq!(fit(&found).len(), 3);
        assert!(fit(&found).iter().all(|c| c.tenant_id == wanted.id));
        assert_eq!(rig.sim.counters().get(Endpoint::Tenants), 0);
        assert_eq!(rig.sim.counters().tokens("password"), 1);
    }
}

#[test]
fn tenants_that_may_not_be_listed_leave_the_own_one() {
    let rig = Rig::new(&spec(2, 2, 6));
    rig.fault(Fault::on(Endpoint::Tenants).status(403));
    let found = rig.enumerate(&Scope::default()).expect("a fleet");
    assert_eq!(fit(&found).len(), 3);
    assert_eq!(found.warnings.len(), 1);
}

#[test]
fn subscriptions_are_narrowed_and_an_unmet_filter_is_named() {
    let rig = Rig::new(&spec(2, 4, 12));
    rig.sim
        .update(|fleet| fleet.subscriptions[3].state = "Disabled".into());
    let known = rig.sim.fleet().subscriptions;
    let scope = |filters: &[&str]| Scope {
        subscriptions: filters.iter().map(|&f| f.to_owned()).collect(),
        ..Scope::default()
    };
    let everything = rig.enumerate(&scope(&[])).expect("a fleet");
    assert_eq!(everything.subscriptions.len(), 3);
    let two = [known[0].name.to_uppercase(), known[2].id.to_uppercase()];
    let found = rig.enumerate(&scope(&[&two[0], &two[1]])).expect("a fleet");
    assert_eq!(found.subscriptions.len(), 2);
    let why = rig.enumerate(&scope(&["no such"])).expect_err("unmet");
    assert_eq!(why.exit_code(), EXIT_USAGE);
    assert!(why.render().contains("`no such`"));
}

#[test]
fn calls_under_way_stay_within_the_bound() {
    let mut rig = Rig::new(&spec(1, 3, 40));
    rig.concurrency = 5;
    rig.fault(Fault::on(Endpoint::ListClusterUserCredential).latency(Duration::from_millis(20)));
    let (_, credentials) = rig.sync();
    assert_eq!(credentials.len(), 40);
    let peak = rig.sim.counters().peak(Endpoint::ListClusterUserCredential);
    assert!((2..=5).contains(&peak), "{peak} at once");
}

#[test]
fn a_machine_that_reaches_nothing_is_told_so_after_two_attempts() {
    let rig = Rig::new(&spec(1, 1, 1));
    rig.fault(Fault::on(Endpoint::Tenants).reset());
    let why = rig.enumerate(&Scope::default()).expect_err("no network");
    assert_eq!(why.kind(), Kind::Network);
    let calls = rig.sim.counters().get(Endpoint::Tenants);
    assert_eq!(calls, u64::from(1 + FIRST_CONTACT_RETRIES));
}

#[test]
fn no_token_is_in_what_people_read() {
    let rig = Rig::new(&spec(1, 2, 4));
    rig.fault(Fault::on(Endpoint::ManagedClusters).status(403).times(1));
    rig.fault(Fault::on(Endpoint::ListClusterUserCredential).malformed());
    let (found, credentials) = rig.sync();
    let told = format!("{found:?} {credentials:?}");
    for request in rig.sim.requests_to(Endpoint::ListClusterUserCredential) {
        let bearer = request.header("authorization").expect("a bearer");
        let token = bearer.strip_prefix("Bearer ").expect("a bearer");
        assert!(!told.contains(token));
    }
}
