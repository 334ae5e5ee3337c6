//! Compares `exec` with a shell loop and with `xargs -P`: `kubectl get nodes` on 100 clusters that answer after 80 ms.
//!
//! `cargo bench --bench exec` (`AAD_BENCH_BINARY` names another build of ours, `AAD_BENCH_CLUSTERS` another number). Needs
//! `kubectl`, on the `PATH` or named by `AAD_PEER_KUBECTL`. The loop and `xargs` use kubeconfigs with one context each, as `exec`
//! does, so that only how they are run is compared; `xargs` runs as many at once as `exec` does.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use azure_sim::{Endpoint, Fault, Fleet, FleetSpec, Simulator, peer};

const CLUSTERS: usize = 100;
const LATENCY: Duration = Duration::from_millis(80);
/// As `host::children` chooses.
const PER_CORE: usize = 8;
const RUNS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo test --benches` only checks that it starts.
    if env::args().any(|arg| arg == "--test") {
        return Ok(());
    }
    let kubectl = peer("kubectl").ok_or("`kubectl` is needed")?;
    let clusters = env::var("AAD_BENCH_CLUSTERS").map_or(Ok(CLUSTERS), |text| text.parse())?;
    let bench = Bench::new(clusters, &kubectl)?;
    let cores = thread::available_parallelism()?.get();
    let at_once = (cores * PER_CORE).clamp(8, 64);
    let sides = [
        (
            "kubectl aad exec".to_owned(),
            "kubectl-aad exec -- get nodes".to_owned(),
        ),
        (
            format!("xargs -P {at_once}"),
            format!(
                "ls kubeconfigs/* | xargs -P {at_once} -I{{}} kubectl --kubeconfig {{}} get nodes"
            ),
        ),
        (
            "a shell loop".to_owned(),
            "for file in kubeconfigs/*; do kubectl --kubeconfig $file get nodes; done".to_owned(),
        ),
    ];
    // The tokens and what kubectl keeps of the servers are there in all that is measured.
    bench.run(&sides[0].1)?;
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..RUNS {
        for ((_, script), times) in sides.iter().zip(&mut times) {
            times.push(bench.run(script)?);
        }
    }
    let medians = times.map(|mut times| {
        times.sort();
        times[RUNS / 2].as_secs_f64()
    });
    println!(
        "| {clusters} clusters, {} ms | seconds | ratio |\n| --- | --- | --- |",
        LATENCY.as_millis()
    );
    for ((name, _), median) in sides.iter().zip(medians) {
        println!("| {name} | {median:.1} | {:.2} |", median / medians[0]);
    }
    Ok(())
}

/// A simulated Azure, and a home directory with a synced kubeconfig and one for each cluster.
struct Bench {
    simulator: Simulator,
    home: tempfile::TempDir,
}

impl Bench {
    fn new(clusters: usize, kubectl: &Path) -> Result<Self, Box<dyn Error>> {
        let fleet = Fleet::generate(&FleetSpec {
            clusters,
            ..FleetSpec::default()
        });
        let principal = fleet.service_principals[0].clone();
        let simulator = Simulator::start(fleet);
        let home = tempfile::tempdir()?;
        simulator.write_files(home.path())?;
        let bench = Self { simulator, home };
        let built = env::var_os("AAD_BENCH_BINARY")
            .map_or_else(|| env!("CARGO_BIN_EXE_kubectl-aad").into(), PathBuf::from);
        fs::create_dir(bench.home.path().join("bin"))?;
        for (name, program) in [("kubectl-aad", built.as_path()), ("kubectl", kubectl)] {
            fs::copy(program, bench.home.path().join("bin").join(name))?;
        }
        let sign_in = format!(
            "--environment AzureStackCloud -l spn --client-id {} --tenant-id {} --wait never",
            principal.client_id, principal.tenant_id
        );
        fs::write(bench.home.path().join("secret"), principal.secret())?;
        bench.run(&format!("kubectl-aad sync {sign_in}"))?;
        bench.run(&format!(
            "kubectl-aad sync {sign_in} --output-dir kubeconfigs"
        ))?;
        let slow = Fault::on(Endpoint::Kubernetes).latency(LATENCY);
        bench.simulator.faults().add(slow);
        Ok(bench)
    }

    /// How long a script takes in the home directory.
    fn run(&self, script: &str) -> Result<Duration, Box<dyn Error>> {
        let home = self.home.path();
        let started = Instant::now();
        let status = Command::new("sh")
            .args(["-c", script])
            .env_clear()
            .env("HOME", home)
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", home.join("bin").display()),
            )
            .env("SSL_CERT_FILE", home.join("ca.pem"))
            .env("AZURE_ENVIRONMENT_FILEPATH", home.join("cloud.json"))
            .env(
                "AZURE_CLIENT_SECRET",
                fs::read_to_string(home.join("secret"))?,
            )
            .current_dir(home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()?;
        match status.success() {
            true => Ok(started.elapsed()),
            false => Err(format!("`{script}` failed").into()),
        }
    }
}
