//! Serves a simulated Azure until Ctrl-C. Called through a file named `az` or `azd` it acts as
//! that tool instead.

use azure_sim::{Endpoint, Fault, Fleet, FleetSpec, Place, Simulator, fake_cli};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "\
Serves a simulated Azure on the loopback interface until Ctrl-C.

Usage: azure-sim [--clusters N] [--subscriptions N] [--tenants N] [--regions N] [--seed S] [--dir DIR]
                 [--local-accounts R] [--private R] [--stopped R] [--failed R] [--same-name R]
                 [--azure-format R] [--legacy R] [--own-cas yes|no] [--api-delay MS]

R is a fraction of the clusters, from 0 to 1. MS delays each reply of the API servers. DIR (default: azure-sim) receives ca.pem and cloud.json.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if let Some(code) = fake_cli::main(&args, &|name| std::env::var(name).ok()) {
        return ExitCode::from(code);
    }
    match options(&args[1..]) {
        Err(message) => {
            eprintln!("error: {message}\n\n{USAGE}");
            ExitCode::from(2)
        }
        Ok(None) => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        Ok(Some(options)) => serve(&options),
    }
}

struct Options {
    spec: FleetSpec,
    directory: PathBuf,
    api_delay: Duration,
}

fn options(args: &[String]) -> Result<Option<Options>, String> {
    let mut spec = FleetSpec::default();
    let mut directory = PathBuf::from("azure-sim");
    let mut api_delay = Duration::ZERO;
    let mut args = args.iter();
    while let Some(argument) = args.next() {
        if argument == "--help" || argument == "-h" {
            return Ok(None);
        }
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None => (
                argument.as_str(),
                args.next()
                    .ok_or_else(|| format!("`{argument}` needs a value"))?
                    .clone(),
            ),
        };
        let count = || {
            value
                .parse::<usize>()
                .map_err(|_| format!("`{name}` needs a whole number, not `{value}`"))
        };
        let ratio = || {
            value
                .parse::<f64>()
                .ok()
                .filter(|r| (0.0..=1.0).contains(r))
                .ok_or_else(|| format!("`{name}` needs a fraction from 0 to 1, not `{value}`"))
        };
        let yes = || match value.as_str() {
            "yes" => Ok(true),
            "no" => Ok(false),
            _ => Err(format!("`{name}` is yes or no, not `{value}`")),
        };
        match name {
            "--clusters" => spec.clusters = count()?,
            "--subscriptions" => spec.subscriptions = count()?,
            "--tenants" => spec.tenants = count()?,
            "--regions" => spec.regions = count()?,
            "--seed" => spec.seed = count()? as u64,
            "--dir" => directory = PathBuf::from(&value),
            "--local-accounts" => spec.local_accounts = ratio()?,
            "--private" => spec.private = ratio()?,
            "--stopped" => spec.stopped = ratio()?,
            "--failed" => spec.failed = ratio()?,
            "--same-name" => spec.same_name = ratio()?,
            "--azure-format" => spec.azure_format = ratio()?,
            "--legacy" => spec.legacy = ratio()?,
            "--own-cas" => spec.own_cas = yes()?,
            "--api-delay" => api_delay = Duration::from_millis(count()? as u64),
            _ => return Err(format!("unknown option `{name}`")),
        }
    }
    Ok(Some(Options {
        spec,
        directory,
        api_delay,
    }))
}

fn serve(options: &Options) -> ExitCode {
    let simulator = Simulator::start(Fleet::generate(&options.spec));
    let directory = &options.directory;
    if !options.api_delay.is_zero() {
        let delay = Fault::on(Endpoint::Kubernetes).latency(options.api_delay);
        simulator.faults().add(delay);
    }
    let files = match std::fs::create_dir_all(directory)
        .and_then(|()| simulator.write_files(&directory.canonicalize()?))
    {
        Ok(files) => files,
        Err(error) => {
            eprintln!(
                "error: could not write into `{}`: {error}",
                directory.display()
            );
            return ExitCode::FAILURE;
        }
    };
    for (name, value) in simulator.env_for(Place::Developer, &files) {
        println!("export {name}='{value}'");
    }
    let fleet = simulator.fleet();
    for (tenant, principal) in fleet.tenants.iter().zip(&fleet.service_principals) {
        println!(
            "# tenant {} ({}): service principal {} with secret {}",
            tenant.id,
            tenant.domain,
            principal.client_id,
            principal.secret()
        );
    }
    for user in &fleet.users {
        println!("# user {} with password {}", user.upn, user.password);
    }
    println!(
        "# ARM {}, API servers {}/clusters/<uid>, IMDS {}",
        simulator.arm_url(),
        simulator.kubernetes_url(),
        simulator.imds_url()
    );
    println!(
        "# control {0}: counters, requests, identities, device/approve?user_code=…&user=…, fault?endpoint=…&status=…, fleet, change?cluster=…&what=…",
        simulator.control_url()
    );
    let waited = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|rt| rt.block_on(tokio::signal::ctrl_c()));
    match waited {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: could not wait for Ctrl-C: {error}");
            ExitCode::FAILURE
        }
    }
}
