//! A fleet at AKS's limits: how long a cold `sync` takes beside the bound that the limits set, and beside a loop that
//! does not pace itself.
//!
//! The simulator counts calls as AKS documents it: 60 credential calls at once and 1 per second for each subscription
//! and region. One region of one subscription has 120 of the 500 clusters, which takes 60 s at best. The loop makes the
//! same calls, 16 at once, and sends a refused one again after its `Retry-After`. They run one after the other, each with
//! full buckets. The time is waiting. `cargo bench --bench pacing` takes 2 minutes.

use std::{
    path::Path,
    process::{Command, ExitCode},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use azure_sim::{Cluster, Endpoint, Fault, Fleet, FleetSpec, Place, Simulator, Throttle, fake_cli};
use futures::{StreamExt, stream};
use serde_json::Value;

const CLUSTERS: usize = 500;
const SUBSCRIPTIONS: usize = 5;
/// The clusters in the region of a subscription with the most: AKS needs a minute for them.
const MOST: usize = 120;
/// AKS's documented bucket of credential calls.
const CAPACITY: usize = 60;
const LATENCY: Duration = Duration::from_millis(50);
/// Calls at once of the loop that does not pace itself.
const AT_ONCE: usize = 16;

fn main() -> ExitCode {
    // `sync` starts `az`, which is this program under that name.
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(code) = fake_cli::main(&arguments, &|name| std::env::var(name).ok()) {
        return ExitCode::from(code);
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("not measured without `--bench`");
        return ExitCode::SUCCESS;
    }
    let fleet = fleet();
    let bound = bound(&fleet);
    println!(
        "{:<28} {:>8} {:>8} {:>6} {:>6} {:>6} {:>7}",
        "500 clusters, AKS's limits", "s", "bound s", "ratio", "calls", "429s", "of them"
    );
    let (seconds, calls) = Azure::new(fleet.clone()).sync();
    show("sync", seconds, calls, bound);
    let (seconds, calls) = Azure::new(fleet).unpaced_loop();
    show("16 at once, not paced", seconds, calls, bound);
    ExitCode::SUCCESS
}

fn show(what: &str, seconds: f64, calls: u64, bound: f64) {
    let refused = calls - CLUSTERS as u64;
    println!(
        "{what:<28} {seconds:>8.2} {bound:>8.2} {:>6.3} {calls:>6} {refused:>6} {:>6.1}%",
        seconds / bound,
        100.0 * refused as f64 / calls as f64
    );
}

/// 500 clusters in 5 subscriptions, 120 of them in one region of one subscription.
fn fleet() -> Fleet {
    let mut fleet = Fleet::generate(&FleetSpec {
        clusters: CLUSTERS,
        subscriptions: SUBSCRIPTIONS,
        ..FleetSpec::default()
    });
    let full = fleet.subscriptions[0].id.clone();
    // The others give it what it lacks.
    fleet
        .clusters
        .sort_by_key(|cluster| !cluster.id.contains(&full));
    for cluster in &mut fleet.clusters[..MOST] {
        let own = cluster.id.split('/').nth(2).expect("an ARM id").to_owned();
        cluster.id = cluster.id.replace(&own, &full);
        cluster.subscription_id.clone_from(&full);
        cluster.location = "brazilsouth".into();
    }
    fleet
}

/// How long AKS needs at least, in seconds.
fn bound(fleet: &Fleet) -> f64 {
    let mut counts = std::collections::HashMap::new();
    for cluster in &fleet.clusters {
        let subscription = cluster.id.split('/').nth(2).expect("an ARM id");
        *counts.entry((subscription, &cluster.location)).or_insert(0) += 1;
    }
    let most = counts.into_values().max().unwrap_or(0_usize);
    (most - CAPACITY) as f64
}

/// A simulated Azure with AKS's limits, and a home directory.
struct Azure {
    simulator: Simulator,
    home: tempfile::TempDir,
}

impl Azure {
    fn new(fleet: Fleet) -> Self {
        let simulator = Simulator::start(fleet);
        simulator.throttle(Throttle::documented());
        for endpoint in [
            Endpoint::Tenants,
            Endpoint::Subscriptions,
            Endpoint::ManagedClusters,
            Endpoint::ListClusterUserCredential,
        ] {
            let fault = Fault::on(endpoint).latency(LATENCY);
            simulator.faults().add(fault);
        }
        let home = tempfile::tempdir().expect("a temporary directory");
        Self { simulator, home }
    }

    fn calls(&self) -> u64 {
        let counters = self.simulator.counters();
        counters.get(Endpoint::ListClusterUserCredential)
    }

    /// Signs in to the stand-in for `az`. Returns what makes a command of a program.
    fn command(&self) -> impl Fn(&Path) -> Command {
        let files = self.simulator.write_files(self.home.path());
        let files = files.expect("written files");
        let variables = self.simulator.env_for(Place::Developer, &files);
        let home = self.home.path().to_owned();
        let command = move |program: &Path| {
            let mut command = Command::new(program);
            command
                .env_clear()
                .envs(variables.clone())
                .env("HOME", &home)
                .env("PATH", &home);
            command
        };
        let az = self.home.path().join("az");
        let own = std::env::current_exe().expect("a program knows its own path");
        #[cfg(unix)]
        std::os::unix::fs::symlink(own, &az).expect("a link can be made");
        #[cfg(not(unix))]
        std::fs::copy(own, &az).expect("a file can be copied");
        for words in self.simulator.az_cloud_calls("Simulated") {
            let set = command(&az).args(words).output().expect("it starts");
            assert!(set.status.success(), "{set:?}");
        }
        let user = &self.simulator.fleet().users[0];
        let signed_in = command(&az)
            .args(["login", "--username", &user.upn])
            .args(["--password", &user.password])
            .output()
            .expect("the stand-in starts");
        assert!(signed_in.status.success(), "{signed_in:?}");
        command
    }

    /// Runs `sync`. Returns the seconds that it took and the credential calls.
    fn sync(&self) -> (f64, u64) {
        let command = self.command();
        let mut sync = command(Path::new(env!("CARGO_BIN_EXE_kubectl-aad")));
        sync.args(["sync", "--environment", "AzureStackCloud", "-o", "json"]);
        let began = Instant::now();
        let output = sync.output().expect("the binary starts");
        let seconds = began.elapsed().as_secs_f64();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        let report: Value = serde_json::from_slice(&output.stdout).expect("a JSON report");
        assert_eq!(report["summary"]["added"], CLUSTERS, "nothing is lost");
        (seconds, self.calls())
    }

    /// Fetches all credentials, 16 at once, each refused one again after its `Retry-After`.
    fn unpaced_loop(&self) -> (f64, u64) {
        let command = self.command();
        let token = command(&self.home.path().join("az"))
            .args(["account", "get-access-token", "-o", "json"])
            .output()
            .expect("the stand-in starts");
        let token: Value = serde_json::from_slice(&token.stdout).expect("a token");
        let token = token["accessToken"].as_str().expect("a token");
        let certificate = reqwest::Certificate::from_pem(self.simulator.ca_pem().as_bytes());
        let client = reqwest::Client::builder()
            .tls_certs_only([certificate.expect("a certificate")])
            .build()
            .expect("a client");
        let fleet = self.simulator.fleet();
        let arm = self.simulator.arm_url();
        let fetched = AtomicU64::new(0);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let began = Instant::now();
        runtime.block_on(
            stream::iter(&fleet.clusters)
                .map(|cluster| fetch(&client, &arm, token, cluster, &fetched))
                .buffer_unordered(AT_ONCE)
                .collect::<Vec<()>>(),
        );
        assert_eq!(fetched.into_inner(), CLUSTERS as u64);
        (began.elapsed().as_secs_f64(), self.calls())
    }
}

async fn fetch(
    client: &reqwest::Client,
    arm: &str,
    token: &str,
    cluster: &Cluster,
    fetched: &AtomicU64,
) {
    let url = format!(
        "{}{}/listClusterUserCredential?api-version=2025-02-01",
        arm.trim_end_matches('/'),
        cluster.id
    );
    loop {
        let request = client.post(&url).bearer_auth(token);
        let answer = request.header("content-length", "0").send().await;
        let answer = answer.expect("an answer");
        if answer.status().is_success() {
            fetched.fetch_add(1, Relaxed);
            return;
        }
        assert_eq!(answer.status(), 429);
        let wait = answer.headers()["retry-after"].to_str().expect("text");
        let wait = wait.parse().expect("seconds");
        tokio::time::sleep(Duration::from_secs(wait)).await;
    }
}
