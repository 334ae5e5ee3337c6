//! Compares the time of `sync` over a simulated fleet with the time that the network alone takes.
//!
//! The real binary runs in a cleared environment against the simulator, which delays every ARM reply
//! and, in some cases, throttles. The bound is computed: latency times calls, divided by the calls in
//! flight at once, or the time that the emptiest bucket takes to refill. A ratio near 1 means that
//! the time is the network's. The sign-in is a stand-in for `az`. The figures include the work of the
//! simulator, which runs on the same machine.
//!
//! `cargo bench --bench sync`; `-- 2000` runs the cases with `2000` in their name.

use std::{
    path::Path,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use azure_sim::{Endpoint, Fault, Fleet, FleetSpec, Place, Simulator, Throttle, fake_cli};
use serde_json::Value;

/// Runs of a case; the median is shown.
const RUNS: usize = 3;
/// Calls in flight at once, unless a case says otherwise: the default of `sync`.
const CONCURRENCY: usize = 16;
/// Clusters on a page.
const PAGE: usize = 100;

struct Case {
    name: &'static str,
    clusters: usize,
    subscriptions: usize,
    tenants: usize,
    latency: Duration,
    concurrency: usize,
    /// Capacity and refill a second of each subscription's bucket of credentials.
    bucket: Option<(f64, f64)>,
    /// Whether the fleet was synced before, so that nothing changes.
    again: bool,
}

const PLAIN: Case = Case {
    name: "",
    clusters: 200,
    subscriptions: 5,
    tenants: 2,
    latency: Duration::from_millis(50),
    concurrency: CONCURRENCY,
    bucket: None,
    again: false,
};

const CASES: &[Case] = &[
    Case {
        name: "200 clusters",
        ..PLAIN
    },
    Case {
        name: "200 clusters, again",
        again: true,
        ..PLAIN
    },
    Case {
        name: "200 clusters, bucket of 20 + 10/s",
        bucket: Some((20.0, 10.0)),
        ..PLAIN
    },
    Case {
        name: "2000 clusters",
        clusters: 2_000,
        subscriptions: 40,
        tenants: 3,
        ..PLAIN
    },
    Case {
        name: "2000 clusters, again",
        clusters: 2_000,
        subscriptions: 40,
        tenants: 3,
        again: true,
        ..PLAIN
    },
    Case {
        name: "2000 clusters, 64 at once",
        clusters: 2_000,
        subscriptions: 40,
        tenants: 3,
        concurrency: 64,
        ..PLAIN
    },
    Case {
        name: "2000 clusters, bucket of 20 + 10/s",
        clusters: 2_000,
        subscriptions: 40,
        tenants: 3,
        bucket: Some((20.0, 10.0)),
        ..PLAIN
    },
    Case {
        name: "2000 clusters, no latency",
        clusters: 2_000,
        subscriptions: 40,
        tenants: 3,
        latency: Duration::ZERO,
        ..PLAIN
    },
];

fn main() -> ExitCode {
    // `sync` starts `az`, which is this program under that name.
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(code) = fake_cli::main(&arguments, &|name| std::env::var(name).ok()) {
        return ExitCode::from(code);
    }
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    println!(
        "{:<36} {:>9} {:>9} {:>7} {:>9} {:>7}",
        "case", "median s", "bound s", "ratio", "serial s", "calls"
    );
    for case in CASES {
        if filter.as_deref().is_none_or(|w| case.name.contains(w)) {
            case.measure();
        }
    }
    ExitCode::SUCCESS
}

/// Links this program under another name.
fn link_self(link: &Path) {
    let own = std::env::current_exe().expect("a program knows its own path");
    #[cfg(unix)]
    std::os::unix::fs::symlink(own, link).expect("a link can be made");
    #[cfg(not(unix))]
    std::fs::copy(own, link).expect("a file can be copied");
}

impl Case {
    fn measure(&self) {
        let mut times: Vec<Duration> = Vec::new();
        let mut calls = 0;
        for _ in 0..RUNS {
            let (time, made) = self.run();
            times.push(time);
            calls = made;
        }
        times.sort();
        let median = times[RUNS / 2].as_secs_f64();
        let serial = self.latency.as_secs_f64() * calls as f64;
        let bound = self.bound();
        let ratio = if bound > 0.0 {
            format!("{:.2}", median / bound)
        } else {
            "-".to_owned()
        };
        println!(
            "{:<36} {median:>9.2} {bound:>9.2} {ratio:>7} {serial:>9.1} {calls:>7}",
            self.name
        );
    }

    /// The time that the waits alone take at least, in seconds.
    fn bound(&self) -> f64 {
        let latency = self.latency.as_secs_f64();
        let rounds = |calls: usize, at_once: usize| calls.div_ceil(at_once) as f64 * latency;
        // Tenants, then their subscriptions; each subscription's clusters page after page.
        let pages = self
            .clusters
            .div_ceil(self.subscriptions)
            .div_ceil(100)
            .max(1);
        let listing = 2.0 * latency
            + rounds(self.subscriptions, self.concurrency).max(latency) * pages as f64;
        let credentials = rounds(self.clusters, self.concurrency);
        let refilled = self.bucket.map_or(0.0, |(capacity, refill)| {
            (self.clusters.div_ceil(self.subscriptions) as f64 - capacity).max(0.0) / refill
        });
        listing + credentials.max(refilled)
    }

    fn run(&self) -> (Duration, u64) {
        let fleet = Fleet::generate(&FleetSpec {
            clusters: self.clusters,
            subscriptions: self.subscriptions,
            tenants: self.tenants,
            ..FleetSpec::default()
        });
        let user = fleet.users[0].clone();
        let sim = Simulator::start(fleet);
        sim.configure(|settings| settings.cluster_pages = vec![PAGE]);
        let home = tempfile::tempdir().expect("a temporary directory");
        let files = sim.write_files(home.path()).expect("written files");
        let az = home.path().join("az");
        link_self(&az);
        let command = |program: &Path| {
            let mut command = Command::new(program);
            command
                .env_clear()
                .envs(sim.env_for(Place::Developer, &files))
                .env("HOME", home.path())
                .env("PATH", home.path());
            command
        };
        for words in sim.az_cloud_calls("Simulated") {
            let set = command(&az).args(words).output().expect("it starts");
            assert!(set.status.success(), "{set:?}");
        }
        let signed_in = command(&az)
            .args(["login", "--username", &user.upn])
            .args(["--password", &user.password])
            .output()
            .expect("the stand-in starts");
        assert!(signed_in.status.success(), "{signed_in:?}");
        let sync = || {
            let mut command = command(Path::new(env!("CARGO_BIN_EXE_kubectl-aad")));
            command
                .args(["sync", "--environment", "AzureStackCloud", "-o", "json"])
                .args(["--concurrency", &self.concurrency.to_string()]);
            let began = Instant::now();
            let output = command.output().expect("the binary starts");
            let time = began.elapsed();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            let report: Value = serde_json::from_slice(&output.stdout).expect("a JSON report");
            (time, report)
        };
        if self.again {
            sync();
            sim.reset();
        }
        for endpoint in [
            Endpoint::Tenants,
            Endpoint::Subscriptions,
            Endpoint::ManagedClusters,
            Endpoint::ListClusterUserCredential,
        ] {
            sim.faults().add(Fault::on(endpoint).latency(self.latency));
        }
        if let Some((capacity, refill)) = self.bucket {
            sim.throttle(Throttle::credentials(capacity, refill));
        }
        let (time, report) = sync();
        let done = if self.again { "unchanged" } else { "added" };
        assert_eq!(
            report["summary"][done], self.clusters,
            "{}",
            report["summary"]
        );
        let counters = sim.counters();
        let calls = [
            Endpoint::Tenants,
            Endpoint::Subscriptions,
            Endpoint::ManagedClusters,
            Endpoint::ListClusterUserCredential,
        ]
        .map(|endpoint| counters.get(endpoint));
        (time, calls.iter().sum())
    }
}
