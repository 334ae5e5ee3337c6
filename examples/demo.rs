//! `kubectl aad sync` on a simulated Azure: 200 clusters in 5 subscriptions and 2 tenants.
//!
//! Starts the simulator in this process, signs in through a stand-in for `az`, syncs into a
//! kubeconfig in a temporary directory and, if kubectl is installed, runs it against a few
//! clusters. Nothing outside the directory is read or written, and the directory is deleted.

use std::{
    env,
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    process::{self, Command, ExitCode, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use azure_sim::{Endpoint, Fault, Fleet, FleetSpec, Simulator};
use kubectl_aad::{Host, cli};

fn main() -> ExitCode {
    // Under the name `az` or `azd` this program stands in for that tool: the demo and the tests put
    // a link to it on their PATH.
    let args: Vec<String> = env::args().collect();
    if let Some(code) = azure_sim::fake_cli::main(&args, &|name| env::var(name).ok()) {
        return ExitCode::from(code);
    }
    // Under the plugin's name this program is the plugin, so that the demo needs no other binary.
    let called = env::args_os().next().unwrap_or_default();
    if Path::new(&called)
        .file_stem()
        .is_some_and(|name| name == "kubectl-aad")
    {
        return ExitCode::from(cli::main(env::args_os(), Host::from_process()));
    }
    match demo() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: the demo could not run: {error}");
            ExitCode::FAILURE
        }
    }
}

fn demo() -> Result<ExitCode, Box<dyn Error>> {
    let keep_running = env::args().any(|arg| arg == "--stay");
    println!("A simulated Azure: 200 AKS clusters in 5 subscriptions and 2 tenants.");
    let fleet = Fleet::generate(&FleetSpec {
        tenants: 2,
        subscriptions: 5,
        clusters: 200,
        local_accounts: 0.03,
        private: 0.1,
        stopped: 0.05,
        same_name: 0.1,
        azure_format: 0.1,
        ..FleetSpec::default()
    });
    let person = fleet.users[0].clone();
    let samples: Vec<String> = fleet
        .tenants
        .iter()
        .flat_map(|tenant| {
            let reachable = fleet.clusters.iter().filter(|cluster| {
                cluster.tenant_id == tenant.id
                    && cluster.is_aad()
                    && cluster.power_state == azure_sim::PowerState::Running
            });
            reachable
                .take(2)
                .map(|cluster| cluster.id.clone())
                .collect::<Vec<_>>()
        })
        .collect();
    let simulator = Simulator::start(fleet);
    // The stand-in signs in without a code; a device code is approved on the second poll.
    simulator.configure(|settings| settings.device_auto_approve = Some((2, person.upn.clone())));
    // The latency of a near Azure region, so that there is something to watch.
    simulator
        .faults()
        .add(Fault::on(Endpoint::ListClusterUserCredential).latency(Duration::from_millis(150)));

    let home = tempfile::Builder::new()
        .prefix("kubectl-aad-demo-")
        .tempdir()?;
    leave_nothing_on_ctrl_c(home.path().to_owned())?;
    let files = simulator.write_files(home.path())?;
    let bin = home.path().join("bin");
    fs::create_dir(&bin)?;
    link_self(&bin.join(PLUGIN))?;
    link_self(&bin.join(AZ))?;
    let path = env::join_paths(
        std::iter::once(bin.clone())
            .chain(env::split_paths(&env::var_os("PATH").unwrap_or_default())),
    )?;
    let kubeconfig = home.path().join("kubeconfig");
    let command = |program: &str| {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", &path)
            .env("HOME", home.path())
            .env("KUBECONFIG", &kubeconfig)
            .env("SSL_CERT_FILE", &files.ca)
            .env("AZURE_ENVIRONMENT_FILEPATH", &files.cloud)
            .env("AZURE_SIM_CONTROL", simulator.control_url())
            .env("NO_PROXY", "127.0.0.1,localhost");
        for name in ["TERM", "SYSTEMROOT", "COLUMNS"] {
            if let Some(value) = env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    };
    let sync = ["sync", "--environment", "AzureStackCloud"];
    println!(
        "\n$ az login                     # a stand-in, as {}",
        person.upn
    );
    let az = bin.join(AZ).display().to_string();
    for words in simulator.az_cloud_calls("Simulated") {
        let set = command(&az).args(words).stdout(Stdio::null()).status()?;
        if !set.success() {
            return Ok(code(set));
        }
    }
    let signed_in = command(&az)
        .args([
            "login",
            "--username",
            &person.upn,
            "--password",
            &person.password,
        ])
        .stdout(Stdio::null())
        .status()?;
    if !signed_in.success() {
        return Ok(code(signed_in));
    }
    println!("\n$ kubectl aad {}", sync.join(" "));
    let plugin = bin.join(PLUGIN).display().to_string();
    let synced = command(&plugin).args(sync).status()?;
    if !synced.success() {
        return Ok(code(synced));
    }
    kubectl(&command, &kubeconfig, &samples)?;

    if keep_running {
        println!("\nThe simulator goes on. In another shell:");
        println!(
            "  export PATH={}:$PATH HOME={}",
            bin.display(),
            home.path().display()
        );
        println!("  export KUBECONFIG={}", kubeconfig.display());
        println!("  export SSL_CERT_FILE={}", files.ca.display());
        println!(
            "  export AZURE_ENVIRONMENT_FILEPATH={}",
            files.cloud.display()
        );
        println!("  export AZURE_SIM_CONTROL={}", simulator.control_url());
        println!("  kubectl aad list -e AzureStackCloud");
        println!("  kubectl aad sync -e AzureStackCloud -l devicecode --dry-run");
        println!("Press Enter here to end it.");
        io::stdin().read_line(&mut String::new())?;
    } else {
        println!(
            "\nTry more: `cargo run --release --example demo -- --stay` keeps the simulator running and says how."
        );
    }
    println!("Done: the temporary kubeconfig, token cache and simulator are gone.");
    Ok(ExitCode::SUCCESS)
}

/// Deletes the directory if the demo is interrupted.
fn leave_nothing_on_ctrl_c(directory: PathBuf) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut interrupted = Box::pin(async { tokio::signal::ctrl_c().await });
    // Polled once, so that the signal is handled from here on.
    let _ = runtime.block_on(async { futures::poll!(&mut interrupted) });
    thread::spawn(move || {
        if runtime.block_on(interrupted).is_ok() {
            // The programs in it are interrupted too, and may still write a file.
            for _ in 0..100 {
                if fs::remove_dir_all(&directory).is_ok() {
                    break;
                }
            }
            process::exit(130);
        }
    });
    Ok(())
}

/// Runs kubectl with the contexts of a few clusters.
fn kubectl(
    command: &dyn Fn(&str) -> Command,
    kubeconfig: &Path,
    cluster_ids: &[String],
) -> Result<(), Box<dyn Error>> {
    if command("kubectl")
        .arg("version")
        .arg("--client")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        println!("\nkubectl is not installed: with it, each context would answer now.");
        return Ok(());
    }
    let text = fs::read_to_string(kubeconfig)?;
    for id in cluster_ids {
        let Some(context) = context_of(&text, id) else {
            return Err(format!("no context was written for {id}").into());
        };
        println!("\n$ kubectl --context {context} get ns");
        let status = command("kubectl")
            .args(["--context", &context, "get", "ns"])
            .status()?;
        if !status.success() {
            return Err(format!("kubectl could not get in to {id}").into());
        }
    }
    Ok(())
}

/// Finds the context whose extension names the cluster.
fn context_of(kubeconfig: &str, cluster_id: &str) -> Option<String> {
    let parsed = kube::config::Kubeconfig::from_yaml(kubeconfig).ok()?;
    parsed.contexts.into_iter().find_map(|named| {
        let ours = named
            .context
            .as_ref()?
            .extensions
            .as_ref()?
            .iter()
            .any(|extension| {
                extension.name == "kubectl-aad"
                    && extension.extension["armId"]
                        .as_str()
                        .is_some_and(|id| id.eq_ignore_ascii_case(cluster_id))
            });
        ours.then_some(named.name)
    })
}

fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    ExitCode::from(code.unwrap_or(1))
}

#[cfg(unix)]
const PLUGIN: &str = "kubectl-aad";
#[cfg(unix)]
const AZ: &str = "az";
#[cfg(not(unix))]
const PLUGIN: &str = "kubectl-aad.exe";
#[cfg(not(unix))]
const AZ: &str = "az.exe";

#[cfg(unix)]
fn link_self(link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(env::current_exe()?, link)
}

#[cfg(not(unix))]
fn link_self(link: &Path) -> io::Result<()> {
    fs::copy(env::current_exe()?, link).map(drop)
}
