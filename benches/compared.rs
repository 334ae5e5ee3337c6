//! Compares `kubectl-aad` with the real `az` and kubelogin, from a fleet to a token: the table of the README.
//!
//! `cargo bench --bench compared` (`AAD_BENCH_BINARY` names another build of ours). Needs `az`, `kubelogin` and
//! `kubectl`, on the `PATH` or named by `AAD_PEER_AZ` and so on, and takes about three minutes. `-- cold` makes only the
//! second table.
//!
//! The simulator runs on the same machine and delays every ARM reply by 50 ms, in the second table by 80 ms. Each side
//! has a home directory in which a person is signed in to `az`. Runs alternate, so that other load slows both.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use azure_sim::{Endpoint, Fault, Fleet, FleetSpec, Simulator, peer};

const CLUSTERS: usize = 30;
const ARM_LATENCY: Duration = Duration::from_millis(50);
/// The same for the second table: a small fleet, far away, whose names az has to find, too.
const COLD_CLUSTERS: usize = 20;
const COLD_LATENCY: Duration = Duration::from_millis(80);
/// Pairs of runs for a row; the medians are shown.
const SYNCS: usize = 3;
const CALLS: usize = 15;

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo test --benches` only checks that it starts.
    if env::args().any(|arg| arg == "--test") {
        return Ok(());
    }
    let (Some(az), Some(kubelogin), Some(kubectl)) =
        (peer("az"), peer("kubelogin"), peer("kubectl"))
    else {
        return Err("`az`, `kubelogin` and `kubectl` are needed; `.ci/peers` installs them".into());
    };
    let built = env::var_os("AAD_BENCH_BINARY")
        .map_or_else(|| env!("CARGO_BIN_EXE_kubectl-aad").into(), PathBuf::from);
    let homes = |cloud: &Cloud| -> Result<[Home; 2], Box<dyn Error>> {
        Ok([
            Home::new(cloud, &az, &kubectl, ("kubectl-aad", &built))?,
            Home::new(cloud, &az, &kubectl, ("kubelogin", &kubelogin))?,
        ])
    };
    if !env::args().any(|arg| arg == "cold") {
        let cloud = Cloud::start(CLUSTERS, 4, ARM_LATENCY)?;
        let [ours, theirs] = homes(&cloud)?;
        println!("| | kubectl-aad | az and kubelogin |\n| --- | --- | --- |");
        first_contexts(&cloud, &ours, &theirs)?;
        next_call(&cloud, &ours, &theirs)?;
        all_at_once(&cloud, &ours, &theirs)?;
        println!();
    }
    let cloud = Cloud::start(COLD_CLUSTERS, 2, COLD_LATENCY)?;
    let [ours, theirs] = homes(&cloud)?;
    println!("| | kubectl-aad | az in a loop |\n| --- | --- | --- |");
    cold_with_az(&cloud, &ours, &theirs)?;
    cold_with_spn(&cloud, &ours, &theirs)
}

/// A simulated Azure with the clusters of one account.
struct Cloud {
    simulator: Simulator,
    fleet: Fleet,
    directory: tempfile::TempDir,
}

impl Cloud {
    fn start(
        clusters: usize,
        subscriptions: usize,
        latency: Duration,
    ) -> Result<Self, Box<dyn Error>> {
        let fleet = Fleet::generate(&FleetSpec {
            clusters,
            subscriptions,
            ..FleetSpec::default()
        });
        let person = fleet.users[0].upn.clone();
        let simulator = Simulator::start(fleet.clone());
        simulator.configure(|settings| {
            settings.device_interval = 1;
            settings.device_auto_approve = Some((1, person.clone()));
        });
        for endpoint in [
            Endpoint::Tenants,
            Endpoint::Subscriptions,
            Endpoint::ManagedClusters,
            Endpoint::ResourceGraph,
            Endpoint::ListClusterUserCredential,
        ] {
            let slow = Fault::on(endpoint).latency(latency);
            simulator.faults().add(slow);
        }
        let directory = tempfile::tempdir()?;
        simulator.write_files(directory.path())?;
        Ok(Self {
            simulator,
            fleet,
            directory,
        })
    }
}

/// A home directory, and the programs on the `PATH` there.
struct Home {
    root: tempfile::TempDir,
    ca: PathBuf,
}

impl Home {
    /// With `plugin` beside `az` and kubectl, and the person signed in to `az`.
    fn new(
        cloud: &Cloud,
        az: &Path,
        kubectl: &Path,
        plugin: (&str, &Path),
    ) -> Result<Self, Box<dyn Error>> {
        let home = Self {
            root: tempfile::tempdir()?,
            ca: cloud.directory.path().join("ca.pem"),
        };
        let bin = home.path("bin");
        fs::create_dir(&bin)?;
        // Copies, as an installation makes: how a file got into memory changes how fast it starts.
        fs::copy(kubectl, bin.join("kubectl"))?;
        fs::copy(plugin.1, bin.join(plugin.0))?;
        let counting = format!(
            "#!/bin/sh\nbegan=$(date +%s.%N)\n'{}' \"$@\"\ncode=$?\n\
             echo \"$began $(date +%s.%N)\" >> '{}'\nexit $code\n",
            az.display(),
            home.path("az-starts").display()
        );
        // The copy gives the script the mode of a program.
        fs::copy(az, bin.join("az"))?;
        fs::write(bin.join("az"), counting)?;
        let arm = cloud.simulator.arm_url();
        for words in [
            &[
                "cloud",
                "register",
                "-n",
                "Simulated",
                "--endpoint-resource-manager",
                &arm,
            ][..],
            &["cloud", "set", "-n", "Simulated"],
            &["login", "--use-device-code"],
        ] {
            let output = home.command("az", words).output()?;
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into());
            }
        }
        Ok(home)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn command(&self, program: &str, words: &[&str]) -> Command {
        let bin = self.path("bin");
        let mut command = Command::new(bin.join(program));
        command
            .args(words)
            .env_clear()
            .env("HOME", self.root.path())
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("SSL_CERT_FILE", &self.ca)
            .env("REQUESTS_CA_BUNDLE", &self.ca)
            .env("AZURE_CORE_COLLECT_TELEMETRY", "false")
            .env("AZURE_CORE_INSTANCE_DISCOVERY", "false")
            .env("AZURE_CORE_LOGIN_EXPERIENCE_V2", "false")
            .current_dir(self.root.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it to its end, which must be a good one.
    fn run(&self, program: &str, words: &[&str]) -> Result<Duration, Box<dyn Error>> {
        timed(self.command(program, words))
    }

    /// How often `az` was started since the last call, and for how many seconds one of them ran.
    fn az_starts(&self) -> (usize, f64) {
        let path = self.path("az-starts");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(path);
        let spans = text.lines().filter_map(|line| {
            let (began, ended) = line.split_once(' ')?;
            Some((began.parse::<f64>().ok()?, ended.parse::<f64>().ok()?))
        });
        let mut spans: Vec<_> = spans.collect();
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut until, mut seconds) = (0.0, 0.0);
        for (began, ended) in &spans {
            let began = began.max(until);
            seconds += (ended - began).max(0.0);
            until = ended.max(until);
        }
        (spans.len(), seconds)
    }

    fn forget(&self) {
        let _ = fs::remove_dir_all(self.path(".kube"));
    }
}

/// Runs a command to its end, which must be a good one.
fn timed(mut command: Command) -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    let output = command.output()?;
    let took = start.elapsed();
    if output.status.success() {
        return Ok(took);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let program = Path::new(command.get_program()).display();
    Err(format!("`{program}` failed: {said}").into())
}

/// Contexts for all clusters, in a home without a kubeconfig.
fn first_contexts(cloud: &Cloud, ours: &Home, theirs: &Home) -> Result<(), Box<dyn Error>> {
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for _ in 0..SYNCS {
        ours.forget();
        own.push(ours.run("kubectl-aad", &["sync"])?);
        theirs.forget();
        let mut took = Duration::ZERO;
        for cluster in &cloud.fleet.clusters {
            // az runs `kubelogin convert-kubeconfig -l azurecli` after each.
            let mut words = vec!["aks", "get-credentials", "-g", &cluster.resource_group];
            words.extend([
                "-n",
                &cluster.name,
                "--subscription",
                &cluster.subscription_id,
            ]);
            took += theirs.run("az", &words)?;
        }
        others.push(took);
    }
    row(
        &format!("{CLUSTERS} clusters into an empty kubeconfig"),
        own,
        others,
        "",
    );
    Ok(())
}

/// One kubectl command after another, on one cluster.
fn next_call(cloud: &Cloud, ours: &Home, theirs: &Home) -> Result<(), Box<dyn Error>> {
    let context = &cloud.fleet.clusters[0].name;
    let words = ["--context", context, "get", "ns"];
    for home in [ours, theirs] {
        home.run("kubectl", &words)?;
    }
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for _ in 0..CALLS {
        own.push(ours.run("kubectl", &words)?);
        others.push(theirs.run("kubectl", &words)?);
    }
    row("`kubectl get ns`, after the first time", own, others, "");
    Ok(())
}

/// kubectl on all clusters at once, with no token in any cache.
fn all_at_once(cloud: &Cloud, ours: &Home, theirs: &Home) -> Result<(), Box<dyn Error>> {
    let each = |home: &Home| -> Result<(Duration, (usize, f64)), Box<dyn Error>> {
        home.az_starts();
        let start = Instant::now();
        let running = cloud.fleet.clusters.iter().map(|cluster| {
            home.command("kubectl", &["--context", &cluster.name, "get", "ns"])
                .spawn()
        });
        let running: Vec<Child> = running.collect::<Result<_, _>>()?;
        for child in running {
            let output = child.wait_with_output()?;
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into());
            }
        }
        Ok((start.elapsed(), home.az_starts()))
    };
    let (mut own, mut others) = (Vec::new(), Vec::new());
    let mut starts = (0, 0);
    for _ in 0..SYNCS {
        ours.run("kubectl-aad", &["cache", "clear"])?;
        let (took, (first, _)) = each(ours)?;
        own.push(took);
        let (took, (second, _)) = each(theirs)?;
        others.push(took);
        starts = (first, second);
    }
    let starts = format!("; `az` started {} and {} times", starts.0, starts.1);
    row(
        &format!("kubectl on {CLUSTERS} clusters at once, no token cached"),
        own,
        others,
        &starts,
    );
    Ok(())
}

/// Contexts for all clusters with the account of `az`, which ours starts, too.
fn cold_with_az(cloud: &Cloud, ours: &Home, theirs: &Home) -> Result<(), Box<dyn Error>> {
    let (mut own, mut others, mut beside) = (Vec::new(), Vec::new(), Vec::new());
    let mut starts = 0;
    for _ in 0..SYNCS {
        ours.forget();
        ours.run("kubectl-aad", &["cache", "clear"])?;
        ours.az_starts();
        let took = ours.run("kubectl-aad", &["sync"])?;
        let (count, seconds) = ours.az_starts();
        starts = count;
        beside.push(Duration::from_secs_f64(
            (took.as_secs_f64() - seconds).max(0.0),
        ));
        own.push(took);
        others.push(az_loop(cloud, theirs)?);
    }
    let beside = median(beside);
    row(
        &format!(
            "{COLD_CLUSTERS} clusters with `azurecli`; `az` started {starts} times, {beside:.2} s beside it"
        ),
        own,
        others,
        "",
    );
    Ok(())
}

/// The same as an application.
fn cold_with_spn(cloud: &Cloud, ours: &Home, theirs: &Home) -> Result<(), Box<dyn Error>> {
    let application = &cloud.fleet.service_principals[0];
    let (id, secret) = (&application.client_id, application.secret());
    let tenant = &application.tenant_id;
    let mut sign_in = vec!["login", "--service-principal", "-u", id, "-p", secret];
    sign_in.extend(["--tenant", tenant]);
    theirs.run("az", &sign_in)?;
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for _ in 0..SYNCS {
        ours.forget();
        ours.run("kubectl-aad", &["cache", "clear"])?;
        let mut words = vec!["sync", "--login", "spn", "-e", "AzureStackCloud"];
        words.extend(["--client-id", id, "--tenant-id", tenant]);
        let mut command = ours.command("kubectl-aad", &words);
        command.env("AZURE_CLIENT_SECRET", secret).env(
            "AZURE_ENVIRONMENT_FILEPATH",
            cloud.directory.path().join("cloud.json"),
        );
        own.push(timed(command)?);
        others.push(az_loop(cloud, theirs)?);
    }
    row(
        &format!("{COLD_CLUSTERS} clusters with `spn`"),
        own,
        others,
        "",
    );
    Ok(())
}

/// Lists the clusters of each subscription with `az`, and gets the credentials of each.
fn az_loop(cloud: &Cloud, home: &Home) -> Result<Duration, Box<dyn Error>> {
    home.forget();
    let mut took = home.run("az", &["account", "list"])?;
    for subscription in &cloud.fleet.subscriptions {
        took += home.run("az", &["aks", "list", "--subscription", &subscription.id])?;
    }
    for cluster in &cloud.fleet.clusters {
        let mut words = vec!["aks", "get-credentials", "-g", &cluster.resource_group];
        words.extend(["-n", &cluster.name]);
        words.extend(["--subscription", &cluster.subscription_id]);
        took += home.run("az", &words)?;
    }
    Ok(took)
}

fn row(what: &str, own: Vec<Duration>, others: Vec<Duration>, note: &str) {
    let (own, others) = (median(own), median(others));
    println!(
        "| {what}{note} | {own:.2} s | {others:.2} s: {:.0} times as long |",
        others / own
    );
}

/// In seconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}
