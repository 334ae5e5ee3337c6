//! Compares `convert-kubeconfig` with kubelogin's, for 100 and for 2,000 users.
//!
//! `cargo bench --bench convert` (`AAD_BENCH_BINARY` names another build of ours; kubelogin is
//! `AAD_PEER_KUBELOGIN`, else the one on `PATH`). Runs alternate, so that other load slows both.
//! Kubelogin writes the whole file once for each user, so its time grows with the square of their
//! number: it is stopped after two minutes.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const SIZES: [usize; 2] = [100, 2_000];
const ROUNDS: usize = 7;
const THEIR_ROUNDS: usize = 3;
const TIMEOUT: Duration = Duration::from_secs(120);

fn main() {
    // `cargo test --benches` only checks that it starts.
    if env::args().any(|arg| arg == "--test") {
        return;
    }
    let kubelogin = kubelogin();
    for users in SIZES {
        measure(users, kubelogin.as_deref());
    }
}

fn measure(users: usize, kubelogin: Option<&Path>) {
    let home = tempfile::tempdir().expect("a directory");
    let text = kubeconfig(users);
    println!("{users} users, {} KB", text.len() / 1024);
    let built = env!("CARGO_BIN_EXE_kubectl-aad").into();
    let binary = env::var_os("AAD_BENCH_BINARY").map_or(built, PathBuf::from);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut gave_up = false;
    for round in 0..ROUNDS {
        ours.extend(run(&binary, home.path(), &text, users));
        if let Some(kubelogin) = kubelogin
            && round < THEIR_ROUNDS
            && !gave_up
        {
            let time = run(kubelogin, home.path(), &text, users);
            gave_up = time.is_none();
            theirs.extend(time);
        }
    }
    let ours = median(&mut ours).expect("kubectl-aad is done in time");
    println!(
        "  kubectl-aad {:>10.1} ms, median of {ROUNDS}",
        milliseconds(ours)
    );
    match (kubelogin, median(&mut theirs)) {
        (None, _) => println!("  kubelogin   not installed"),
        (Some(_), None) => println!(
            "  kubelogin   not done after {} s: more than {:.0} times as long",
            TIMEOUT.as_secs(),
            TIMEOUT.as_secs_f64() / ours.as_secs_f64()
        ),
        (Some(_), Some(theirs)) => println!(
            "  kubelogin   {:>10.1} ms, median of {THEIR_ROUNDS}: {:.0} times as long",
            milliseconds(theirs),
            theirs.as_secs_f64() / ours.as_secs_f64()
        ),
    }
}

/// How long a conversion takes; `None` if it is not done after [`TIMEOUT`].
fn run(program: &Path, home: &Path, text: &str, users: usize) -> Option<Duration> {
    let path = home.join("config");
    fs::write(&path, text).expect("written");
    let start = Instant::now();
    let mut child = Command::new(program)
        .args(["convert-kubeconfig", "-l", "azurecli", "--kubeconfig"])
        .arg(&path)
        .env_clear()
        .env("HOME", home)
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    let status = loop {
        if let Some(status) = child.try_wait().expect("a status") {
            break status;
        }
        if start.elapsed() > TIMEOUT {
            child.kill().expect("killed");
            child.wait().expect("a status");
            let _ = fs::remove_file(home.join("config.lock"));
            return None;
        }
        thread::sleep(Duration::from_millis(1));
    };
    let time = start.elapsed();
    assert!(status.success());
    let converted = fs::read_to_string(&path).expect("read");
    assert_eq!(converted.matches("- azurecli\n").count(), users);
    Some(time)
}

fn kubelogin() -> Option<PathBuf> {
    env::var_os("AAD_PEER_KUBELOGIN")
        .map(PathBuf::from)
        .or_else(|| {
            env::split_paths(&env::var_os("PATH")?)
                .map(|directory| directory.join("kubelogin"))
                .find(|path| path.is_file())
        })
}

fn median(times: &mut [Duration]) -> Option<Duration> {
    times.sort();
    times.get(times.len() / 2).copied()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// What `az aks get-credentials` writes, for many clusters.
fn kubeconfig(users: usize) -> String {
    let ca = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t".repeat(45);
    let mut text = "apiVersion: v1\nclusters:\n".to_owned();
    for i in 0..users {
        text.push_str(&format!(
            "- cluster:\n    certificate-authority-data: {ca}\n    server: https://cluster-{i}.hcp.westeurope.azmk8s.io:443\n  name: cluster-{i}\n"
        ));
    }
    text.push_str("contexts:\n");
    for i in 0..users {
        text.push_str(&format!("- context:\n    cluster: cluster-{i}\n    user: clusterUser_rg_{i}\n  name: cluster-{i}\n"));
    }
    text.push_str("current-context: cluster-0\nkind: Config\npreferences: {}\nusers:\n");
    for i in 0..users {
        text.push_str(&format!(
            "- name: clusterUser_rg_{i}\n  user:\n    exec:\n      apiVersion: client.authentication.k8s.io/v1beta1\n      args:\n      - get-token\n      - --environment\n      - AzurePublicCloud\n      - --server-id\n      - 6dae42f8-4368-4678-94ff-3960e28e3630\n      - --client-id\n      - 80faf920-1908-4b52-b5ef-a8e7bedfc67a\n      - --tenant-id\n      - 00000000-0000-0000-0000-00000000000{}\n      - --login\n      - devicecode\n      command: kubelogin\n      env: null\n      provideClusterInfo: false\n",
            i % 3
        ));
    }
    text
}
