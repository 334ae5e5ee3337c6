//! The environment that a test runs our program in: a simulated Azure, a home directory, and nothing else.
//!
//! Commands have no variable but those that a test gives them, so no setting of the machine reaches a
//! test and no test reaches the machine.

mod browser;
mod leaks;
mod process;
#[cfg(unix)]
mod terminal;

#[cfg(unix)]
use std::os::unix::fs::PermissionsExt as _;
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use azure_sim::{
    AKS_CLIENT_APP, AKS_SERVER_APP, Endpoint, Files, Fleet, FleetSpec, Place, Recorded,
    ServicePrincipal, Simulator, User,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use tempfile::TempDir;

#[cfg(target_os = "linux")]
pub(crate) use self::process::make_pipe;
#[cfg(unix)]
pub(crate) use self::{
    browser::browser_that_tells,
    process::signal,
    terminal::{AtATerminal, Screen, Seen, Size, run_at_a_terminal, run_with_stderr_at_a_terminal},
};
pub(crate) use self::{
    browser::walk,
    process::{Ran, TIMEOUT, finished, first_words, run, start, wait_for_file, wait_until},
};
use crate::support::{peer, repository};

/// Our program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_kubectl-aad");

/// The cloud that the simulator's file describes.
pub(crate) const CLOUD: &str = "AzureStackCloud";

/// What az calls it.
pub(crate) const AZ_CLOUD: &str = "Simulated";

/// The variable that keeps people from being asked to sign in.
pub(crate) const NON_INTERACTIVE: (&str, &str) = ("CI", "true");

/// What kubectl sets when a person is at the terminal.
pub(crate) const INTERACTIVE: (&str, &str) = (
    "KUBERNETES_EXEC_INFO",
    r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":true}}"#,
);

/// A simulated Azure, a home directory, and the programs that are on the `PATH` there.
pub(crate) struct TestEnv {
    pub(crate) simulator: Simulator,
    pub(crate) files: Files,
    /// The first tenant.
    pub(crate) tenant: String,
    /// The first user, who approves device codes.
    pub(crate) user: User,
    /// The first service principal.
    pub(crate) principal: ServicePrincipal,
    home: PathBuf,
    /// The home directory, `bin` and the simulator's files.
    root: TempDir,
}

/// What a [`TestEnv`] starts with.
pub(crate) struct Builder {
    fleet: Fleet,
    az: bool,
    programs: Vec<(&'static str, PathBuf)>,
}

impl Builder {
    /// Instead of one tenant with one cluster.
    pub(crate) fn fleet(mut self, fleet: Fleet) -> Self {
        self.fleet = fleet;
        self
    }

    /// Nobody is signed in to `az`, and no `az` is on the `PATH`.
    pub(crate) fn without_az(mut self) -> Self {
        self.az = false;
        self
    }

    /// Puts a real program on the `PATH`. `None` if it is missing; the test then returns.
    pub(crate) fn peer(mut self, name: &'static str) -> Option<Self> {
        self.programs.push((name, peer(name)?));
        Some(self)
    }

    pub(crate) fn build(self) -> TestEnv {
        process::let_programs_be_interrupted();
        let root = tempfile::tempdir().expect("a temporary directory can be made");
        let user = self.fleet.users[0].clone();
        let tenant = self.fleet.tenants[0].id.clone();
        let principal = self.fleet.service_principals[0].clone();
        let simulator = Simulator::start(self.fleet);
        simulator.configure(|settings| {
            settings.device_interval = 0;
            settings.device_auto_approve = Some((2, user.upn.clone()));
        });
        let files = simulator
            .write_files(root.path())
            .expect("the simulator's files can be written");
        let test_env = TestEnv {
            simulator,
            files,
            tenant,
            user,
            principal,
            home: root.path().join("home"),
            root,
        };
        fs::create_dir(test_env.root.path().join("bin")).expect("made");
        test_env.create_home();
        // Other users can reach a home directory that is opened to them.
        #[cfg(unix)]
        fs::set_permissions(test_env.root.path(), fs::Permissions::from_mode(0o755)).expect("ours");
        for (name, program) in &self.programs {
            test_env.install(name, program);
        }
        if self.az {
            test_env.install("az", &demo());
            test_env.set_cloud_of_az(&[]);
            let user = &test_env.user;
            test_env.az(&["login", "-u", &user.upn, "-p", &user.password]);
            test_env.simulator.reset();
        }
        test_env
    }
}

impl TestEnv {
    /// One tenant with one cluster. The first user has run `az login` (a stand-in for `az` is on the
    /// `PATH`), and device codes are approved for that user on the second poll.
    pub(crate) fn new() -> Self {
        Self::with_tenants(1)
    }

    /// One cluster, and several tenants that the first user is in.
    pub(crate) fn with_tenants(tenants: usize) -> Self {
        Self::with_fleet(Fleet::generate(&FleetSpec {
            clusters: 1,
            tenants,
            ..FleetSpec::default()
        }))
    }

    pub(crate) fn with_fleet(fleet: Fleet) -> Self {
        Self::builder().fleet(fleet).build()
    }

    /// Nobody is signed in to `az`, and no `az` is on the `PATH`.
    pub(crate) fn without_az() -> Self {
        Self::builder().without_az().build()
    }

    pub(crate) fn builder() -> Builder {
        Builder {
            fleet: Fleet::generate(&FleetSpec {
                clusters: 1,
                ..FleetSpec::default()
            }),
            az: true,
            programs: Vec::new(),
        }
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// Gives the next commands an empty home directory, and nothing of its own on the `PATH`.
    pub(crate) fn renew_home(&mut self) {
        let bin = self.root.path().join("bin");
        fs::remove_dir_all(&bin).expect("ours");
        fs::create_dir(bin).expect("made");
        // Under another name: a process that an earlier command left behind knows only the old one.
        let homes = names(self.root.path()).len();
        self.home = self.root.path().join(format!("home-{homes}"));
        self.create_home();
    }

    fn create_home(&self) {
        fs::create_dir(&self.home).expect("made");
        #[cfg(unix)]
        fs::set_permissions(&self.home, fs::Permissions::from_mode(0o700)).expect("ours");
    }

    /// A path in the home directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("written");
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("read")
    }

    /// What is in the home directory beside kubectl's own, hidden names too, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = names(self.home());
        names.retain(|name| name != ".kube");
        names
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.home().join(".kube").join("config")
    }

    pub(crate) fn kubeconfig_text(&self) -> String {
        fs::read_to_string(self.kubeconfig()).unwrap_or_default()
    }

    /// The program that commands find under this name.
    pub(crate) fn bin(&self, name: &str) -> PathBuf {
        let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        self.root.path().join("bin").join(name)
    }

    /// Puts a program on the `PATH` of commands, under this name.
    pub(crate) fn install(&self, name: &str, program: &Path) {
        let path = self.bin(name);
        let _ = fs::remove_file(&path);
        #[cfg(unix)]
        std::os::unix::fs::symlink(program, path).expect("linked");
        #[cfg(windows)]
        fs::copy(program, path).map(drop).expect("copied");
    }

    /// Puts a shell script on the `PATH` of commands, under this name.
    #[cfg(unix)]
    pub(crate) fn install_script(&self, name: &str, script: &str) {
        let path = self.bin(name);
        let _ = fs::remove_file(&path);
        fs::write(&path, script).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("ours");
    }

    /// `kubectl-aad` with these arguments.
    pub(crate) fn aad(&self, args: &[&str]) -> Command {
        let mut command = self.program(PROGRAM);
        command.args(args);
        command
    }

    /// Any program, in the same environment, with `kubectl-aad` on its `PATH`.
    pub(crate) fn program(&self, program: impl AsRef<Path>) -> Command {
        let ours = Path::new(PROGRAM)
            .parent()
            .expect("a binary is in a directory");
        let bin = self.root.path().join("bin");
        let path = std::env::join_paths([&bin, ours, "/usr/bin".as_ref(), "/bin".as_ref()])
            .expect("no colon in these");
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", path)
            .env("SSL_CERT_FILE", &self.files.ca)
            .env("AZURE_ENVIRONMENT_FILEPATH", &self.files.cloud)
            .env("AZURE_SIM_CONTROL", self.simulator.control_url())
            .current_dir(self.home())
            .stdin(Stdio::null());
        // No Windows program opens a socket without it.
        #[cfg(windows)]
        command.envs(std::env::var_os("SYSTEMROOT").map(|root| ("SYSTEMROOT", root)));
        command
    }

    /// `kubectl aad sync` from the simulated cloud, as `az` is signed in.
    pub(crate) fn sync(&self, args: &[&str]) -> Command {
        let mut command = self.aad(&["sync", "--environment", CLOUD]);
        command.args(args);
        command
    }

    pub(crate) fn convert(&self, args: &[&str]) -> Ran {
        run(self.aad(&["convert-kubeconfig"]).args(args))
    }

    /// `get-token` for the AKS server application, at the highest verbosity.
    pub(crate) fn get_token_command(&self, args: &[&str], env: &[(&str, &str)]) -> Command {
        let authority = self.simulator.authority_url();
        let mut command = self.aad(&["get-token", "-v", "10"]);
        command
            .args(["--server-id", AKS_SERVER_APP])
            .args(["--authority-host", &authority])
            .args(args)
            .envs(env.iter().copied());
        command
    }

    /// Runs it to its end and searches what it left for secrets.
    pub(crate) fn get_token(&self, args: &[&str], env: &[(&str, &str)]) -> Ran {
        let ran = run(&mut self.get_token_command(args, env));
        self.check_for_leaks(&ran);
        ran
    }

    /// A sign-in at another authority than the simulator's. The first request is a GET, which openssl's
    /// server answers with a web page if it is trusted at all.
    pub(crate) fn at_authority(&self, url: &str, env: &[(&str, &str)]) -> Ran {
        let mut command = self.aad(&["get-token", "-v", "10", "-l", "ropc"]);
        command
            .args(["--server-id", AKS_SERVER_APP])
            .args(["--authority-host", &format!("{url}/")])
            .args(["--tenant-id", &self.tenant, "--client-id", "c"])
            .env("AZURE_USERNAME", "someone@example.com")
            .env("AZURE_PASSWORD", "planted")
            .envs(env.iter().copied());
        let ran = run(&mut command);
        assert!(!ran.stderr.contains("planted"), "{}", ran.stderr);
        ran
    }

    /// Arguments for the first service principal.
    pub(crate) fn spn_args<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["-l", "spn", "--tenant-id", &self.tenant];
        all.extend(["--client-id", &self.principal.client_id]);
        all.extend(args);
        all
    }

    /// Arguments for a person, in a mode that people sign in by.
    pub(crate) fn user_args<'a>(&'a self, mode: &'a str, args: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["-l", mode, "--tenant-id", &self.tenant];
        all.extend(["--client-id", AKS_CLIENT_APP]);
        all.extend(args);
        all
    }

    /// Runs the `az` on the `PATH`, which must succeed.
    pub(crate) fn az(&self, args: &[&str]) {
        let ran = run(self.program(self.bin("az")).args(args));
        assert_eq!(ran.code, 0, "az {args:?}: {}", ran.stderr);
    }

    /// Makes the simulated cloud az's own, as `az cloud register` and `az cloud set` do.
    pub(crate) fn set_cloud_of_az(&self, variables: &[(&str, &str)]) {
        for words in self.simulator.az_cloud_calls(AZ_CLOUD) {
            let mut command = self.program(self.bin("az"));
            let ran = run(command.args(words).envs(variables.iter().copied()));
            assert_eq!(ran.code, 0, "{}", ran.stderr);
        }
    }

    pub(crate) fn install_azd(&self) {
        self.install("azd", &demo());
    }

    /// Signs the first service principal in to `azd`.
    pub(crate) fn sign_in_to_azd(&self) {
        let mut command = self.program(self.bin("azd"));
        command
            .args(["auth", "login", "--tenant-id", &self.tenant])
            .args(["--client-id", &self.principal.client_id])
            .args(["--client-secret", self.principal.secret()]);
        let ran = run(&mut command);
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    }

    /// The claims of the token in a run's answer, which must be valid.
    pub(crate) fn claims(&self, ran: &Ran) -> Value {
        assert_eq!(ran.json(0)["kind"], "ExecCredential");
        self.simulator.claims(&ran.token()).expect("a valid token")
    }

    /// The variables that a platform sets.
    pub(crate) fn at(&self, place: Place) -> Vec<(String, String)> {
        self.simulator.env_for(place, &self.files)
    }

    pub(crate) fn token_requests(&self) -> Vec<Recorded> {
        self.simulator.requests_to(Endpoint::Token)
    }
}

/// What is in a directory, hidden names too, in order.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<_> = entries
        .map(|entry| name(entry).into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

/// The example, which acts as the tool whose name it is called by.
///
/// Cargo builds examples for a run of all tests, but not for `cargo test --test it`: one that is
/// missing, or older than these tests, is built here. Where it is fresh that takes a moment.
pub(crate) fn demo() -> PathBuf {
    static DEMO: OnceLock<PathBuf> = OnceLock::new();
    DEMO.get_or_init(|| {
        let directory = Path::new(PROGRAM)
            .parent()
            .expect("a binary is in a directory");
        let name = format!("demo{}", std::env::consts::EXE_SUFFIX);
        let demo = directory.join("examples").join(name);
        let modified = |path: &Path| path.metadata().and_then(|about| about.modified()).ok();
        let tests = std::env::current_exe().expect("this program has a path");
        if modified(&demo).is_none_or(|built| modified(&tests).is_some_and(|ours| ours > built)) {
            build_demo();
        }
        assert!(demo.is_file(), "cargo did not build `{}`", demo.display());
        demo
    })
    .clone()
}

fn build_demo() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(repository())
        .args(["build", "--quiet", "--example", "demo"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let built = cargo.status().expect("cargo starts");
    assert!(built.success(), "the example `demo` does not build");
}

/// A part of a token: 0 is the header, 1 are the claims.
pub(crate) fn jwt_part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).expect("three parts");
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// Variables of a platform, as [`TestEnv::get_token`] takes them.
pub(crate) fn borrowed(variables: &[(impl AsRef<str>, String)]) -> Vec<(&str, &str)> {
    let pairs = variables.iter();
    pairs
        .map(|(name, value)| (name.as_ref(), value.as_str()))
        .collect()
}
