//! Compares the time of `sync` over a simulated fleet with the time that the network alone takes.
//!
//! The real binary runs in a cleared environment against the simulator, which delays every ARM reply.
//! The bound is computed: latency times round trips. A ratio near 1 means that the time is the network's. Azure's limits have
//! a bench of their own (`pacing`). The sign-in is a stand-in for `az`. The
//! figures include the work of the simulator, which runs on the same machine. Processor time and the most memory
//! are those of `sync` alone, from `/proc`.
//!
//! `cargo bench --bench sync`; `-- 2000` runs the cases with `2000` in their name. `AAD_BENCH_BINARY` names another
//! build.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use azure_sim::{Counters, Endpoint, Fault, Fleet, FleetSpec, Place, Simulator, fake_cli};
use serde_json::Value;

/// Runs of a case; the medians are shown.
const RUNS: usize = 5;
/// The most calls in flight that `sync` allows itself on HTTP/2.
const MOST_AT_ONCE: usize = 256;
/// Clusters on a page.
const PAGE: usize = 100;
/// The calls that the simulator delays and the table counts.
const COUNTED: [(&str, Endpoint); 5] = [
    ("tenants", Endpoint::Tenants),
    ("subscriptions", Endpoint::Subscriptions),
    ("clusters", Endpoint::ManagedClusters),
    ("Graph", Endpoint::ResourceGraph),
    ("credentials", Endpoint::ListClusterUserCredential),
];
/// How often the memory and the processor time of `sync` are read.
const WATCH_EVERY: Duration = Duration::from_millis(5);

struct Case {
    name: &'static str,
    clusters: usize,
    subscriptions: usize,
    tenants: usize,
    latency: Duration,
    concurrency: Option<usize>,
    /// Whether the fleet was synced before, so that nothing changes.
    again: bool,
    /// Further arguments of `sync`.
    arguments: &'static [&'static str],
}

const SMALL: Case = Case {
    name: "",
    clusters: 200,
    subscriptions: 5,
    tenants: 2,
    latency: Duration::from_millis(50),
    concurrency: None,
    again: false,
    arguments: &[],
};

const LARGE: Case = Case {
    clusters: 2_000,
    subscriptions: 40,
    tenants: 3,
    ..SMALL
};

const CASES: &[Case] = &[
    Case {
        name: "200 clusters, cold",
        ..SMALL
    },
    Case {
        name: "200 clusters, again",
        again: true,
        ..SMALL
    },
    Case {
        name: "2000 clusters, cold",
        ..LARGE
    },
    Case {
        name: "2000 clusters, at most 16 at once",
        concurrency: Some(16),
        ..LARGE
    },
    Case {
        name: "2000 clusters, no latency",
        latency: Duration::ZERO,
        ..LARGE
    },
    Case {
        name: "2000 clusters, again, with lists",
        again: true,
        arguments: &["--discovery", "list"],
        ..LARGE
    },
    Case {
        name: "2000 clusters, again, with Graph",
        again: true,
        arguments: &["--discovery", "graph"],
        ..LARGE
    },
    Case {
        name: "2000 clusters, again, each asked",
        again: true,
        arguments: &["--refresh"],
        ..LARGE
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
    println!("| case | s | bound s | ratio | processor s | MB | calls |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
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

/// What one run took.
struct Figures {
    time: Duration,
    /// In user space and in the kernel; none where there is no `/proc`.
    processor: Option<Duration>,
    /// The most resident memory, in bytes.
    memory: Option<u64>,
    counters: Counters,
}

impl Case {
    fn measure(&self) {
        let runs: Vec<Figures> = (0..RUNS).map(|_| self.run()).collect();
        let seconds = |of: &dyn Fn(&Figures) -> Option<Duration>| {
            let all = runs.iter().map(of).collect::<Option<Vec<_>>>();
            all.map(|all| median(all).as_secs_f64())
        };
        let time = seconds(&|run| Some(run.time)).expect("every run has its time");
        let processor = seconds(&|run| run.processor);
        let memory = runs.iter().map(|run| run.memory).collect::<Option<_>>();
        let megabytes = memory.map(|all| median(all) as f64 / 1e6);
        let or_dash = |value: Option<f64>, digits: usize| match value {
            Some(value) => format!("{value:.digits$}"),
            None => "–".to_owned(),
        };
        let bound = Some(self.bound()).filter(|bound| *bound > 0.0);
        let counters = &runs[0].counters;
        let calls = COUNTED.iter().map(|(name, of)| (counters.get(*of), name));
        let calls: Vec<_> = calls
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        println!(
            "| {} | {time:.2} | {} | {} | {} | {} | {} |",
            self.name,
            or_dash(bound, 2),
            or_dash(bound.map(|bound| time / bound), 2),
            or_dash(processor, 2),
            or_dash(megabytes, 0),
            calls.join(", "),
        );
    }

    /// The time that the waits alone take at least, in seconds.
    fn bound(&self) -> f64 {
        let latency = self.latency.as_secs_f64();
        let at_once = self.concurrency.unwrap_or(MOST_AT_ONCE);
        let rounds = |calls: usize| calls.div_ceil(at_once) as f64 * latency;
        let in_each = self.clusters.div_ceil(self.subscriptions);
        // Tenants, then their subscriptions; each subscription's clusters page after page.
        let listing = if self.arguments.contains(&"graph") {
            // In the largest tenant, one query of up to 1,000 rows after another.
            let rows = (self.clusters + self.subscriptions).div_ceil(self.tenants);
            latency + rows.div_ceil(1_000) as f64 * latency
        } else {
            2.0 * latency + rounds(self.subscriptions) * in_each.div_ceil(PAGE) as f64
        };
        let asked = match self.again && !self.arguments.contains(&"--refresh") {
            true => 0,
            false => self.clusters,
        };
        listing + rounds(asked)
    }

    fn run(&self) -> Figures {
        let azure = Azure::new(self);
        if self.again {
            azure.sync(&[]);
            azure.simulator.reset();
        }
        for (_, endpoint) in COUNTED {
            let slow = Fault::on(endpoint).latency(self.latency);
            azure.simulator.faults().add(slow);
        }
        let mut arguments: Vec<_> = self.arguments.iter().map(|one| (*one).to_owned()).collect();
        if let Some(most) = self.concurrency {
            arguments.extend(["--concurrency".to_owned(), most.to_string()]);
        }
        let (report, figures) = azure.sync(&arguments);
        let done = if self.again { "unchanged" } else { "added" };
        assert_eq!(
            report["summary"][done], self.clusters,
            "{}",
            report["summary"]
        );
        figures
    }
}

/// A simulated Azure, and the home directory of a person who is signed in to `az`.
struct Azure {
    simulator: Simulator,
    home: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Azure {
    fn new(case: &Case) -> Self {
        let fleet = Fleet::generate(&FleetSpec {
            clusters: case.clusters,
            subscriptions: case.subscriptions,
            tenants: case.tenants,
            ..FleetSpec::default()
        });
        let user = fleet.users[0].clone();
        let simulator = Simulator::start(fleet);
        simulator.configure(|settings| settings.cluster_pages = vec![PAGE]);
        let home = tempfile::tempdir().expect("a temporary directory");
        let files = simulator.write_files(home.path()).expect("written files");
        link_self(&home.path().join("az"));
        let azure = Self {
            variables: simulator.env_for(Place::Developer, &files),
            simulator,
            home,
        };
        let sign_in = [
            "login",
            "--username",
            &user.upn,
            "--password",
            &user.password,
        ];
        let mut calls = azure.simulator.az_cloud_calls("Simulated").to_vec();
        calls.push(sign_in.map(str::to_owned).to_vec());
        for words in calls {
            let mut az = azure.command(&azure.home.path().join("az"));
            let output = az.args(words).output().expect("the stand-in starts");
            assert!(output.status.success(), "{output:?}");
        }
        azure
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(self.variables.clone())
            .env("HOME", self.home.path())
            .env("PATH", self.home.path());
        command
    }

    /// Runs `sync` and returns its report and figures.
    fn sync(&self, arguments: &[String]) -> (Value, Figures) {
        let built = std::env::var_os("AAD_BENCH_BINARY")
            .map_or_else(|| env!("CARGO_BIN_EXE_kubectl-aad").into(), PathBuf::from);
        let mut command = self.command(&built);
        command
            .args(["sync", "--environment", "AzureStackCloud", "-o", "json"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let began = Instant::now();
        let child = command.spawn().expect("the binary starts");
        let (output, watched) = watched(child);
        let time = began.elapsed();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let report = serde_json::from_slice(&output.stdout).expect("a JSON report");
        let figures = Figures {
            time,
            processor: watched.processor,
            memory: watched.memory,
            counters: self.simulator.counters(),
        };
        (report, figures)
    }
}

/// What `/proc` said last of a process: both only grow.
#[derive(Default)]
struct Watched {
    processor: Option<Duration>,
    memory: Option<u64>,
}

impl Watched {
    fn read(&mut self, process: u32) {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}")).ok();
        let memory = read("status").and_then(|status| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:"))?;
            Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
        });
        let processor = read("stat").and_then(|stat| {
            // Behind the name, which is in brackets: user and system time are the 12th and 13th, in hundredths.
            let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
            let ticks = fields.take(2).map(|field| field.parse::<u64>().ok());
            Some(Duration::from_millis(10 * ticks.sum::<Option<u64>>()?))
        });
        self.memory = memory.or(self.memory);
        self.processor = processor.or(self.processor);
    }
}

/// Waits for a process and reads meanwhile what it uses.
fn watched(child: Child) -> (Output, Watched) {
    let process = child.id();
    let waiting = thread::spawn(move || child.wait_with_output().expect("it ends"));
    let mut watched = Watched::default();
    while !waiting.is_finished() {
        watched.read(process);
        thread::sleep(WATCH_EVERY);
    }
    (waiting.join().expect("no panic while waiting"), watched)
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort();
    values[values.len() / 2]
}
