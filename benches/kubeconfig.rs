//! Compares what kubectl needs to read kubeconfigs of `sync`: of versions before users were shared, of today, and with
//! `--ca-files`. Then the same for the small file of `use` in a fleet, beside a kubeconfig with one cluster and the fleet.
//!
//! `cargo bench --bench kubeconfig` (`--profile dev` gives the same figures, since only kubectl is measured). The
//! kubectl is `AAD_PEER_KUBECTL`, else the one on `PATH`; gcloud's, which starts another one, is replaced by that one.
//! `sync` writes the kubeconfigs from a simulated fleet; each cluster then gets a certificate authority of its own, of
//! the size in the table. The earlier form is derived from today's. Runs alternate, so that other load slows all.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use azure_sim::{Fleet, FleetSpec, Place, Simulator, fake_cli};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_yaml::{Mapping, Value};

/// Numbers of clusters, and the size of each certificate authority in bytes of PEM.
const SIZES: [(usize, usize); 4] = [(1, RSA), (200, RSA), (2_000, RSA), (2_000, EC)];
const ROUNDS: usize = 7;
/// As those of AKS, with an RSA key of 4096 bits.
const RSA: usize = 1_760;
/// As those of the simulator, with a key on an elliptic curve.
const EC: usize = 570;

/// What earlier versions wrote into each user.
const INSTALL_HINT: &str = "kubectl-aad is needed to sign in to this cluster and is not on the PATH.\nInstall it with: kubectl krew install aad\n";

const FORMS: [&str; 3] = ["earlier", "today", "--ca-files"];
/// In a fleet of the largest of [`SIZES`].
const USED: [&str; 3] = ["one cluster", "use", "the fleet"];

fn main() -> ExitCode {
    // `sync` starts `az`, which is this program under that name.
    let arguments: Vec<_> = env::args().collect();
    if let Some(code) = fake_cli::main(&arguments, &|name| env::var(name).ok()) {
        return ExitCode::from(code);
    }
    let Some(kubectl) = kubectl() else {
        println!("there is no kubectl");
        return ExitCode::SUCCESS;
    };
    println!("{}: median of {ROUNDS}", kubectl.display());
    println!(
        "{:<10} {:>8} {:<12} {:>8} {:>8} {:>7}",
        "clusters", "PEM", "form", "MB", "cpu s", "ratio"
    );
    // `cargo bench --bench kubeconfig -- use` measures this alone.
    if !arguments.iter().any(|word| word == "use") {
        for (clusters, authority) in SIZES {
            measure(clusters, authority, &kubectl);
        }
    }
    let most = SIZES.map(|(clusters, _)| clusters).into_iter().max();
    measure_use(most.unwrap_or_default(), &kubectl);
    ExitCode::SUCCESS
}

fn measure(clusters: usize, authority: usize, kubectl: &Path) {
    let home = tempfile::tempdir().expect("a directory");
    let [today, in_files] = synced(clusters, home.path());
    let today = with_authorities(&today, authority);
    let texts = [earlier(&today), yaml(&today), yaml(&in_files)];
    compare(home.path(), FORMS, texts, [clusters; 3], authority, kubectl);
}

/// The small file of `use` in a fleet.
fn measure_use(clusters: usize, kubectl: &Path) {
    let homes = [1, clusters].map(|clusters| {
        let home = tempfile::tempdir().expect("a directory");
        let [today, _] = synced(clusters, home.path());
        let kubeconfig = with_authorities(&today, RSA);
        (home, kubeconfig)
    });
    let [(_, one), (home, fleet)] = &homes;
    let path = home.path().join(".kube/config");
    fs::write(path, yaml(fleet)).expect("written");
    let contexts = fleet["contexts"].as_sequence().expect("a list");
    let context = contexts[contexts.len() / 2]["name"].as_str();
    let small = used(home.path(), context.expect("a name"));
    let texts = [yaml(one), small, yaml(fleet)];
    compare(home.path(), USED, texts, [1, 1, clusters], RSA, kubectl);
}

/// The small kubeconfig of a context.
fn used(home: &Path, context: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_kubectl-aad"))
        .env_clear()
        .env("HOME", home)
        .args(["use", "--print", "--shell", "bash", "--", context])
        .output()
        .expect("it starts");
    let printed = String::from_utf8_lossy(&output.stdout);
    let path = printed.split('\'').nth(1);
    let path = path.unwrap_or_else(|| panic!("no path in {output:?}"));
    fs::read_to_string(path).expect("it was written")
}

/// Measures three kubeconfigs with so many clusters, in turn, and prints a line for each.
fn compare(
    directory: &Path,
    forms: [&str; 3],
    texts: [String; 3],
    clusters: [usize; 3],
    authority: usize,
    kubectl: &Path,
) {
    let paths = forms.map(|form| directory.join(form));
    let mut times = [(); 3].map(|()| Vec::new());
    for (path, text) in paths.iter().zip(&texts) {
        fs::write(path, text).expect("written");
    }
    for _ in 0..ROUNDS {
        for ((path, clusters), times) in paths.iter().zip(clusters).zip(&mut times) {
            times.push(processor_seconds(kubectl, path, clusters));
        }
    }
    let medians = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2]
    });
    for (i, form) in forms.into_iter().enumerate() {
        println!(
            "{:<10} {authority:>8} {form:<12} {:>8.2} {:>8.3} {:>7.2}",
            clusters[i],
            texts[i].len() as f64 / 1e6,
            medians[i],
            medians[i] / medians[0]
        );
    }
}

/// The processor time of `kubectl config get-clusters`, user and system, in seconds.
fn processor_seconds(kubectl: &Path, kubeconfig: &Path, clusters: usize) -> f64 {
    let output = Command::new("bash")
        .args(["-c", "TIMEFORMAT='%3U %3S'; time \"$@\"", "bash"])
        .arg(kubectl)
        .args(["config", "get-clusters", "--kubeconfig"])
        .arg(kubeconfig)
        .output()
        .expect("bash starts");
    let listed = String::from_utf8_lossy(&output.stdout);
    // A heading comes first.
    assert_eq!(listed.lines().count(), clusters + 1, "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or_default();
    let seconds = last.split_whitespace().map(|word| word.parse::<f64>());
    seconds.map(|seconds| seconds.expect("seconds")).sum()
}

/// What `sync` writes for a fleet, without and with `--ca-files`.
fn synced(clusters: usize, home: &Path) -> [Value; 2] {
    let fleet = Fleet::generate(&FleetSpec {
        clusters,
        subscriptions: clusters.div_ceil(50),
        ..FleetSpec::default()
    });
    let user = fleet.users[0].clone();
    let simulator = Simulator::start(fleet);
    let files = simulator.write_files(home).expect("written");
    let az = home.join("az");
    let own = env::current_exe().expect("a program knows its own path");
    let _ = fs::remove_file(&az);
    fs::hard_link(&own, &az)
        .or_else(|_| fs::copy(&own, &az).map(drop))
        .expect("linked or copied");
    let run = |program: &Path, args: &[&str]| {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(simulator.env_for(Place::Developer, &files))
            .env("HOME", home)
            .env("PATH", home);
        let output = command.args(args).output().expect("it starts");
        assert!(output.status.success(), "{output:?}");
    };
    for words in simulator.az_cloud_calls("Simulated") {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        run(&az, &words);
    }
    run(
        &az,
        &[
            "login",
            "--username",
            &user.upn,
            "--password",
            &user.password,
        ],
    );
    [&[][..], &["--ca-files"]].map(|more| {
        let sync = [
            "sync",
            "--environment",
            "AzureStackCloud",
            "--no-warm",
            "-q",
        ];
        let program = Path::new(env!("CARGO_BIN_EXE_kubectl-aad"));
        run(program, &[&sync[..], more].concat());
        let text = fs::read_to_string(home.join(".kube/config")).expect("written");
        serde_yaml::from_str(&text).expect("YAML")
    })
}

/// The same with certificate authorities of this size, all different.
fn with_authorities(kubeconfig: &Value, size: usize) -> Value {
    let mut kubeconfig = kubeconfig.clone();
    for (i, cluster) in entries(&mut kubeconfig, "clusters").enumerate() {
        let filler = "MIIE6DCCAtCgAwIBAgIQ".repeat(size / 20);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{i:08}{filler}");
        cluster["cluster"]["certificate-authority-data"] = STANDARD.encode(&pem[..size]).into();
    }
    kubeconfig
}

fn entries<'a>(kubeconfig: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    kubeconfig[list]
        .as_sequence_mut()
        .expect("a list")
        .iter_mut()
}

/// What earlier versions wrote: a user a cluster, with a hint, and the extension of the cluster on context and user, too.
fn earlier(today: &Value) -> String {
    let mut kubeconfig = today.clone();
    let mut users = Vec::new();
    for i in 0..today["contexts"].as_sequence().expect("a list").len() {
        let context = &mut kubeconfig["contexts"][i];
        let name = context["name"].clone();
        let is_named = |entry: &&Value, name: &Value| entry["name"] == *name;
        let find = |list: &str, name: &Value| {
            let list = today[list].as_sequence().expect("a list").iter();
            list.clone()
                .find(|entry| is_named(entry, name))
                .expect("it is there")
                .clone()
        };
        let extensions =
            find("clusters", &context["context"]["cluster"])["cluster"]["extensions"].clone();
        let mut user = find("users", &context["context"]["user"]);
        user["name"] = name.clone();
        user["user"]["extensions"] = extensions.clone();
        user["user"]["exec"]["installHint"] = INSTALL_HINT.into();
        context["context"]["extensions"] = extensions;
        context["context"]["user"] = name;
        users.push(user);
    }
    kubeconfig["users"] = users.into();
    yaml(&kubeconfig)
}

fn yaml(kubeconfig: &Value) -> String {
    let mapping: &Mapping = kubeconfig.as_mapping().expect("a mapping");
    serde_yaml::to_string(mapping).expect("YAML")
}

/// The real kubectl: gcloud's `kubectl` asks the cluster for its version and starts `kubectl.1.32` beside it.
fn kubectl() -> Option<PathBuf> {
    let named = env::var_os("AAD_PEER_KUBECTL").map(PathBuf::from);
    let found = named.or_else(|| {
        env::split_paths(&env::var_os("PATH")?)
            .map(|directory| directory.join("kubectl"))
            .find(|path| path.is_file())
    })?;
    let real = fs::canonicalize(&found).ok()?;
    let beside = fs::read_dir(real.parent()?).ok()?;
    let names = beside.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let newest = names.filter(|name| name.starts_with("kubectl.1.")).max();
    Some(newest.map_or(found, |name| real.with_file_name(name)))
}
