//! Compares a cached `get-token` with an empty program and with kubelogin.
//!
//! ```text
//! cargo bench --bench get_token
//! AAD_BENCH_BINARY=target/x86_64-unknown-linux-musl/release/kubectl-aad cargo bench --bench get_token
//! ```
//!
//! The program is copied first, as an installation does: the number of page faults depends on how
//! the file got into memory, and a program that was just linked or not used for long differs.
//!
//! Runs alternate between the two programs of a row, so that other load slows both. A row shows
//! both medians and the median of the pairs' ratios. kubelogin and `az` are those of
//! `AAD_PEER_KUBELOGIN` and `AAD_PEER_AZ`, else those on the `PATH`; a missing one is reported.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use azure_sim::{AKS_CLIENT_APP, AKS_SERVER_APP, Fleet, FleetSpec, Simulator};

fn main() {
    let bench = Bench::new();
    println!(
        "| cached `get-token` | ours, median ms | other, median ms | ratio, median of pairs | pairs |"
    );
    println!("|---|---|---|---|---|");
    bench.against_an_empty_program();
    bench.against_kubelogin();
    bench.against_kubelogin_with_az();
}

struct Bench {
    simulator: Simulator,
    home: tempfile::TempDir,
    ours: PathBuf,
    /// Whether it was built for musl.
    is_static: bool,
    tenant: String,
}

impl Bench {
    fn new() -> Self {
        let fleet = Fleet::generate(&FleetSpec {
            clusters: 1,
            ..FleetSpec::default()
        });
        let tenant = fleet.tenants[0].id.clone();
        let person = fleet.users[0].upn.clone();
        let simulator = Simulator::start(fleet);
        simulator.configure(|settings| {
            settings.device_interval = 1;
            settings.device_auto_approve = Some((1, person.clone()));
        });
        let home = tempfile::tempdir().expect("a directory");
        simulator
            .write_files(home.path())
            .expect("the files are written");
        let built = env!("CARGO_BIN_EXE_kubectl-aad").into();
        let built = env::var_os("AAD_BENCH_BINARY").map_or(built, PathBuf::from);
        let ours = home.path().join("kubectl-aad");
        fs::write(&ours, fs::read(&built).expect("the program")).expect("a copy");
        let mode = fs::metadata(&built).expect("the program").permissions();
        fs::set_permissions(&ours, mode).expect("a program");
        let is_static = built.to_string_lossy().contains("linux-musl");
        Self {
            simulator,
            home,
            ours,
            is_static,
            tenant,
        }
    }

    /// A program in an environment that has only what the simulator needs.
    fn program(&self, program: &Path) -> Command {
        let ca = self.home.path().join("ca.pem");
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", env::join_paths(self.path()).expect("no colon"))
            .env("SSL_CERT_FILE", &ca)
            .env("REQUESTS_CA_BUNDLE", &ca)
            .env("AZURE_CONFIG_DIR", self.home.path().join("azure"))
            .env("AZURE_CORE_COLLECT_TELEMETRY", "false")
            .env("AZURE_CORE_INSTANCE_DISCOVERY", "false")
            .env("AZURE_CORE_LOGIN_EXPERIENCE_V2", "false")
            .env(
                "KUBERNETES_EXEC_INFO",
                r#"{"apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":true}}"#,
            )
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // Nobody is asked to sign in if stderr leads nowhere.
            .stderr(fs::File::create(self.home.path().join("stderr")).expect("a file"));
        command
    }

    fn path(&self) -> Vec<PathBuf> {
        let az = peer("az").and_then(|az| az.parent().map(Path::to_owned));
        az.into_iter()
            .chain(["/usr/bin".into(), "/bin".into()])
            .collect()
    }

    fn get_token(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = self.program(program);
        command
            .args(["get-token", "--server-id", AKS_SERVER_APP])
            .args(["--authority-host", &self.simulator.authority_url()])
            .args(["--disable-instance-discovery", "--tenant-id", &self.tenant])
            .args(args);
        command
    }

    fn against_an_empty_program(&self) {
        let Some(empty) = self.empty_program() else {
            println!("| an empty Rust program: no `rustc` to build it | | | | |");
            return;
        };
        let principal = self.simulator.fleet().service_principals[0].clone();
        let ours = || {
            let mut command = self.get_token(&self.ours, &["-l", "spn"]);
            command
                .args(["--client-id", &principal.client_id])
                .env("AZURE_CLIENT_SECRET", principal.secret());
            command
        };
        self.row("spn, beside an empty Rust program", 500, ours, || {
            self.program(&empty)
        });
    }

    /// `fn main() {}`, as rustc builds it for the target of the binary under test.
    fn empty_program(&self) -> Option<PathBuf> {
        let source = self.home.path().join("empty.rs");
        let built = self.home.path().join("empty");
        fs::write(&source, "fn main() {}\n").ok()?;
        let mut rustc = Command::new("rustc");
        rustc.args(["-O", "-C", "strip=symbols", "-C", "panic=abort", "-o"]);
        rustc.arg(&built).arg(&source);
        if self.is_static {
            rustc.args(["--target", "x86_64-unknown-linux-musl"]);
        }
        rustc.status().ok()?.success().then_some(built)
    }

    fn against_kubelogin(&self) {
        let Some(kubelogin) = peer("kubelogin") else {
            return;
        };
        let args = ["-l", "devicecode", "--client-id", AKS_CLIENT_APP];
        self.row(
            "devicecode, beside kubelogin with a warm cache",
            100,
            || self.get_token(&self.ours, &args),
            || self.get_token(&kubelogin, &args),
        );
    }

    fn against_kubelogin_with_az(&self) {
        let (Some(kubelogin), Some(az)) = (peer("kubelogin"), peer("az")) else {
            return;
        };
        let principal = self.simulator.fleet().service_principals[0].clone();
        let arm = self.simulator.arm_url();
        let register = ["cloud", "register", "-n", "Simulator"];
        for args in [
            [&register[..], &["--endpoint-resource-manager", &arm]].concat(),
            ["cloud", "set", "-n", "Simulator"].to_vec(),
            [
                &["login", "--service-principal", "-u", &principal.client_id][..],
                &["-p", principal.secret(), "--tenant", &self.tenant],
            ]
            .concat(),
        ] {
            let status = self.program(&az).args(args).status();
            assert!(status.expect("az starts").success(), "az is signed in");
        }
        let args = ["-l", "azurecli", "--timeout", "60s"];
        self.row(
            "azurecli, beside kubelogin with the real `az`",
            10,
            || self.get_token(&self.ours, &args),
            || self.get_token(&kubelogin, &args),
        );
    }

    /// Warms both up, runs them alternately, and prints the row.
    fn row(
        &self,
        what: &str,
        pairs: usize,
        ours: impl Fn() -> Command,
        other: impl Fn() -> Command,
    ) {
        for _ in 0..3 {
            time(ours());
            time(other());
        }
        let (mut own, mut others, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for pair in 0..pairs {
            // The order alternates, so that neither always runs with warm caches.
            let (a, b) = if pair % 2 == 0 {
                let a = time(ours());
                (a, time(other()))
            } else {
                let b = time(other());
                (time(ours()), b)
            };
            own.push(a.as_secs_f64() * 1e3);
            others.push(b.as_secs_f64() * 1e3);
            ratios.push(a.as_secs_f64() / b.as_secs_f64());
        }
        let ratio = median(ratios);
        let shown = if ratio < 0.5 {
            format!("{:.0} times faster", 1.0 / ratio)
        } else {
            format!("{ratio:.2}")
        };
        println!(
            "| {what} | {:.2} | {:.2} | {shown} | {pairs} |",
            median(own),
            median(others)
        );
    }
}

fn time(mut command: Command) -> Duration {
    let start = Instant::now();
    let status = command.status().expect("the program starts");
    let took = start.elapsed();
    assert!(status.success(), "{command:?}");
    took
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn peer(name: &str) -> Option<PathBuf> {
    let variable = format!("AAD_PEER_{}", name.to_uppercase());
    let found = env::var_os(&variable).map(PathBuf::from).or_else(|| {
        env::split_paths(&env::var_os("PATH")?)
            .map(|directory| directory.join(name))
            .find(|path| path.is_file())
    });
    if found.is_none() {
        eprintln!("`{name}` is missing, so its rows are: set `{variable}`");
    }
    found
}
