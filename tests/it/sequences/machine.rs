//! The machine that sequences are played on: a home directory, a clock, and the programs of two
//! people; and the simulated Azure, which many sequences share.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use azure_sim::{
    AKS_SERVER_APP, Cluster as AksCluster, Fault, Fleet, FleetSpec, Hold, ServicePrincipal,
    Simulator, User,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{kubeconfig::Known, step::*};
use crate::env::{
    AZ_CLOUD, AtATerminal, CLOUD, NON_INTERACTIVE, PROGRAM, Size, TIMEOUT, TestEnv, demo,
};

/// An application whose tokens some contexts are edited to ask for.
pub(super) const OTHER_SERVER: &str = "7c2f0a5e-6f0b-4f2e-9c55-0d7f9a2b4c11";
/// The lifetime of a person's token, in seconds.
const LIFETIME: i64 = 3600;

/// The library that changes a program's clock and kills it at a call. What links Rust programs
/// builds it.
static PRELOAD: LazyLock<PathBuf> = LazyLock::new(|| {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/sequences/machine.c");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let library = directory.join("machine.so");
    // Another run may be using the one that is there.
    let new = directory.join(format!("machine-{}.so", std::process::id()));
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&new, &source])
        .status()
        .expect("`cc` runs, as it does to link");
    assert!(built.success(), "{} can't be built", source.display());
    fs::rename(new, &library).expect("renamed");
    library
});

/// That library, for tests of other modules.
pub(crate) fn preload() -> &'static Path {
    &PRELOAD
}

/// What a program came to.
#[derive(Debug)]
pub(super) struct Ran {
    /// None where a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ran {
    /// Whether a person was asked to sign in.
    pub(super) fn asked(&self) -> bool {
        self.stderr.contains("/oauth2/deviceauth")
    }
}

/// A program that was started.
pub(super) struct Started(Child);

/// Ends a program that hangs.
struct Watch {
    since: Arc<Mutex<Vec<(u32, Instant)>>>,
    done: Arc<AtomicBool>,
}

impl Watch {
    fn new() -> Self {
        let watch = Watch {
            since: Arc::default(),
            done: Arc::default(),
        };
        let (since, done) = (watch.since.clone(), watch.done.clone());
        thread::spawn(move || {
            while !done.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(200));
                for (pid, begun) in since.lock().expect("no holder panics").iter() {
                    let pid = i32::try_from(*pid)
                        .ok()
                        .and_then(rustix::process::Pid::from_raw);
                    if let Some(pid) = pid.filter(|_| begun.elapsed() > TIMEOUT) {
                        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                    }
                }
            }
        });
        watch
    }

    fn begin(&self, pid: u32) {
        let mut since = self.since.lock().expect("no holder panics");
        since.push((pid, Instant::now()));
    }

    fn end(&self, pid: u32) {
        let mut since = self.since.lock().expect("no holder panics");
        since.retain(|(other, _)| *other != pid);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.done.store(true, Ordering::SeqCst);
    }
}

pub(super) struct Machine {
    pub(super) test_env: TestEnv,
    tenants: [String; 2],
    users: [User; 2],
    principals: [ServicePrincipal; 2],
    clusters: [AksCluster; 2],
    program: PathBuf,
    watch: Watch,
    pub(super) known: Known,
    /// Seconds that have passed everywhere, and that this machine's clock is off.
    passed: i64,
    off: i64,
}

fn at<T>(pair: &[T; 2], second: bool) -> &T {
    &pair[usize::from(second)]
}

impl Machine {
    pub(super) fn new() -> Self {
        let mut fleet = Fleet::generate(&FleetSpec {
            clusters: 2,
            tenants: 2,
            subscriptions: 2,
            ..FleetSpec::default()
        });
        let tenants: [String; 2] = [fleet.tenants[0].id.clone(), fleet.tenants[1].id.clone()];
        let names = ["ann@one.example", "bob@two.example"];
        let users: [User; 2] = std::array::from_fn(|i| {
            let oid = format!("00000000-0000-4000-8000-00000000000{i}");
            let mut user = User::new(names[i], oid, &tenants[i]);
            user.tenants.push(tenants[1 - i].clone());
            user
        });
        fleet.users = users.to_vec();
        fleet.resources.push(OTHER_SERVER.to_owned());
        Self {
            tenants,
            users,
            principals: std::array::from_fn(|i| fleet.service_principals[i].clone()),
            clusters: std::array::from_fn(|i| fleet.clusters[i].clone()),
            test_env: TestEnv::builder().fleet(fleet).without_az().build(),
            program: PathBuf::new(),
            watch: Watch::new(),
            known: Known::default(),
            passed: 0,
            off: 0,
        }
    }

    /// An empty home and a simulator where nobody is signed in.
    pub(super) fn restart(&mut self) {
        self.test_env.simulator.restart();
        self.test_env.renew_home();
        self.test_env.install("az", &demo());
        // Under its own name, to distinguish its processes from those of other machines.
        self.program = self.test_env.bin("kubectl-aad");
        fs::hard_link(PROGRAM, &self.program)
            .or_else(|_| fs::copy(PROGRAM, &self.program).map(drop))
            .expect("linked or copied");
        (self.passed, self.off) = (0, 0);
        fs::create_dir(self.test_env.path(".kube")).expect("made");
        self.simulator().configure(|settings| {
            settings.device_interval = 0;
            settings.device_auto_approve = None;
            settings.user_token_lifetime = LIFETIME;
            settings.service_token_lifetime = LIFETIME;
        });
        for place in [Usual, Apart] {
            for words in self.simulator().az_cloud_calls(AZ_CLOUD) {
                let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
                self.run_az(place, &words);
            }
        }
    }

    pub(super) fn simulator(&self) -> &Simulator {
        &self.test_env.simulator
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.test_env.kubeconfig()
    }

    pub(super) fn tenant(&self, tenant: Tenant) -> &str {
        &self.tenants[usize::from(tenant == Two)]
    }

    pub(super) fn user(&self, person: Person) -> &User {
        at(&self.users, person == Bob)
    }

    pub(super) fn principal(&self, tenant: Tenant) -> &ServicePrincipal {
        at(&self.principals, tenant == Two)
    }

    pub(super) fn cluster(&self, tenant: Tenant) -> &AksCluster {
        self.clusters
            .iter()
            .find(|cluster| cluster.tenant_id == self.tenant(tenant))
            .expect("each tenant has one")
    }

    pub(super) fn client_id(&self, client: Client) -> &str {
        match client {
            Aks => azure_sim::AKS_CLIENT_APP,
            AzureCli => azure_sim::AZURE_CLI_APP,
            Principal(tenant) => &self.principal(tenant).client_id,
        }
    }

    pub(super) fn az_directory(&self, place: Place) -> PathBuf {
        self.test_env.path(match place {
            Usual => ".azure",
            Apart => "azure-apart",
        })
    }

    /// Lets time pass, for all.
    pub(super) fn pass(&mut self, span: Span) {
        self.passed += match span {
            // Over the least life that is served, and within the part in which it is renewed.
            NearEnd => LIFETIME - 450,
            Hours => 2 * 3600,
            Month => 30 * 86_400,
        };
        let passed = self.passed;
        self.simulator()
            .configure(|settings| settings.clock_offset = passed);
    }

    /// Sets this machine's clock, and nobody else's.
    pub(super) fn set_clock(&mut self, clock: Clock) {
        self.off = match clock {
            Right => 0,
            HourBehind => -3600,
            HundredDaysAhead => 100 * 86_400,
        };
    }

    pub(super) fn clock_is_right(&self) -> bool {
        self.off == 0
    }

    /// Whether files are so old by now that a program may take them for outlived.
    pub(super) fn is_old(&self) -> bool {
        self.passed > 85 * 86_400
    }

    /// Says to all refresh tokens in a tenant what they are not to be blamed for.
    pub(super) fn refuse(&self, tenant: Tenant, refusal: Refusal) {
        let (code, suberror, text) = match refusal {
            Mfa => (
                50_076,
                "basic_action",
                "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access the resource.",
            ),
            Frequency => (
                70_043,
                "token_expired",
                "The refresh token has expired or is invalid due to sign-in frequency checks by conditional access.",
            ),
            Blocked => (
                53_003,
                "message_only",
                "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.",
            ),
        };
        let body = json!({
            "error": "invalid_grant", "suberror": suberror, "error_codes": [code],
            "error_description": format!("AADSTS{code}: {text}"),
        });
        let fault = Fault::on(azure_sim::Endpoint::Token)
            .grant("refresh_token")
            .tenant(self.tenant(tenant))
            .body(400, "application/json", body.to_string());
        self.simulator().faults().add(fault);
    }

    /// Holds back answers to refresh tokens in a tenant.
    pub(super) fn hold_refresh(&self, tenant: Tenant) -> Hold {
        let which = Fault::on(azure_sim::Endpoint::Token).grant("refresh_token");
        self.simulator().hold(which.tenant(self.tenant(tenant)))
    }

    /// Signs in to `az`, or out.
    pub(super) fn az(&self, place: Place, person: Option<Person>) {
        let words: Vec<&str> = match person.map(|person| self.user(person)) {
            Some(user) => vec!["login", "-u", &user.upn, "-p", &user.password],
            None => vec!["logout"],
        };
        self.run_az(place, &words);
    }

    /// Runs the stand-in for `az`, in this process.
    fn run_az(&self, place: Place, words: &[&str]) {
        let directory = self.az_directory(place).display().to_string();
        let control = self.simulator().control_url();
        let env = move |name: &str| match name {
            "AZURE_CONFIG_DIR" => Some(directory.clone()),
            "AZURE_SIM_CONTROL" => Some(control.clone()),
            _ => None,
        };
        let quiet = ["-o", "none"];
        let args = ["az"].iter().chain(words).chain(&quiet);
        let args: Vec<String> = args.map(|word| (*word).to_owned()).collect();
        let code = azure_sim::fake_cli::main(&args, &env);
        assert_eq!(code, Some(0), "{args:?}");
    }

    /// Our program, where `who` is there to sign in.
    pub(super) fn command(&self, who: Option<Person>) -> Command {
        self.prepared(self.test_env.program(&self.program), who)
    }

    fn prepared(&self, mut command: Command, who: Option<Person>) -> Command {
        let exec_info = json!({
            "kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1",
            "spec": { "interactive": who.is_some() },
        });
        command
            .env("AAD_TOKEN_STORE", "file")
            .env("KUBERNETES_EXEC_INFO", exec_info.to_string())
            .env("LD_PRELOAD", &*PRELOAD)
            .env("AAD_MACHINE_CLOCK", (self.passed + self.off).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        match who {
            Some(person) => {
                let upn = self.user(person).upn.clone();
                self.simulator()
                    .configure(|settings| settings.device_auto_approve = Some((1, upn)));
            }
            None => {
                command.env(NON_INTERACTIVE.0, NON_INTERACTIVE.1);
            }
        }
        command
    }

    pub(super) fn start(&self, mut command: Command) -> Started {
        let child = command.spawn().expect("the program starts");
        self.watch.begin(child.id());
        Started(child)
    }

    pub(super) fn has_ended(started: &mut Started) -> bool {
        started
            .0
            .try_wait()
            .expect("it can be waited for")
            .is_some()
    }

    pub(super) fn kill(started: &mut Started) {
        // It may have ended on its own.
        let _ = started.0.kill();
    }

    pub(super) fn finish(&self, started: Started) -> Ran {
        let pid = started.0.id();
        let output = started.0.wait_with_output();
        self.watch.end(pid);
        let Output {
            status,
            stdout,
            stderr,
        } = output.expect("it can be waited for");
        Ran {
            code: status.code(),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }

    pub(super) fn run(&self, command: Command) -> Ran {
        self.finish(self.start(command))
    }

    /// Runs it at a terminal, which is its standard error; its standard output is thrown away.
    pub(super) fn run_at_a_terminal(&self, command: Command) -> Ran {
        let started = AtATerminal::start_into(command, Size::WIDE, Path::new("/dev/null"));
        let pid = started.id();
        self.watch.begin(pid);
        let (status, seen) = started.finish_anyhow();
        self.watch.end(pid);
        Ran {
            code: status.code(),
            stdout: seen.stdout,
            stderr: seen.raw,
        }
    }

    /// Waits for what commands left running in the background.
    pub(super) fn settle(&self) {
        if (self.passed, self.off) == (0, 0) {
            // Nothing is due yet.
            return;
        }
        let ours = self.program.as_os_str().as_encoded_bytes();
        let begun = Instant::now();
        while processes().any(|line| line.starts_with(ours)) {
            assert!(
                begun.elapsed() < TIMEOUT,
                "a process in the background hangs"
            );
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// What a token says.
    ///
    /// # Errors
    /// That it is no good, where all clocks agree.
    pub(super) fn claims(&self, token: &str) -> Result<Value, String> {
        if self.clock_is_right() {
            self.simulator().claims(token)?;
        }
        let payload = token.split('.').nth(1).unwrap_or_default();
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|e| e.to_string())?;
        serde_json::from_slice(&payload).map_err(|e| e.to_string())
    }

    /// The flags that name a cloud and an AKS server.
    pub(super) fn cloud_flags() -> [&'static str; 4] {
        ["--environment", CLOUD, "--server-id", AKS_SERVER_APP]
    }
}

/// The command lines of all processes that live.
fn processes() -> impl Iterator<Item = Vec<u8>> {
    let entries = fs::read_dir("/proc").expect("Linux has it");
    entries.filter_map(Result::ok).filter_map(|entry| {
        let name = entry.file_name();
        name.to_str()?.parse::<u32>().ok()?;
        fs::read(entry.path().join("cmdline")).ok()
    })
}
