//! `kubectl aad` on a simulated Azure: a first sync, kubectl, a later sync with failures, a conversion.
//!
//! Starts the simulator in this process and signs in through a stand-in for `az`. Nothing outside a temporary
//! directory is read or written, and the directory is deleted. The exit code is 0 if every step ends as it says.

use std::{
    env,
    error::Error,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{self, Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

use azure_sim::{
    AKS_CLIENT_APP, AKS_SERVER_APP, Change, Cluster, Endpoint, Fault, Files, Fleet, FleetSpec,
    Simulator, User,
};
use kubectl_aad::{Host, cli};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// What `sync` returns if some clusters failed.
const SOME_FAILED: i32 = 3;

fn main() -> ExitCode {
    // Under the name `az` or `azd` this program stands in for that tool: the demo and the tests put
    // a link to it on their PATH.
    let args: Vec<String> = env::args().collect();
    if let Some(code) = azure_sim::fake_cli::main(&args, &|name| env::var(name).ok()) {
        return ExitCode::from(code);
    }
    // Under the plugin's names this program is the plugin, so that the demo needs no other binary.
    let called = env::args_os().next().unwrap_or_default();
    if Path::new(&called)
        .file_stem()
        .is_some_and(|name| name == "kubectl-aad" || name == "kubectl_complete-aad")
    {
        return ExitCode::from(cli::main(env::args_os(), Host::from_process()));
    }
    match demo(args.iter().any(|arg| arg == "--stay")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: the demo failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn demo(stay: bool) -> Result {
    println!("A simulated Azure in a temporary directory. It takes about ten seconds.");
    let demo = Demo::start()?;
    demo.sign_in()?;
    demo.first_sync()?;
    demo.kubectl()?;
    demo.later_sync()?;
    demo.convert()?;
    if stay {
        demo.stay()?;
    }
    println!("\nDone. The simulated Azure, its kubeconfig and its tokens are gone.");
    Ok(())
}

/// A simulated Azure, and a home directory in which a person uses it.
struct Demo {
    simulator: Simulator,
    files: Files,
    person: User,
    /// A cluster that is created after the first sync.
    newcomer: Cluster,
    bin: PathBuf,
    path: OsString,
    home: tempfile::TempDir,
}

impl Demo {
    fn start() -> Result<Self> {
        let mut fleet = Fleet::generate(&FleetSpec {
            tenants: 2,
            subscriptions: 4,
            clusters: 13,
            ..FleetSpec::default()
        });
        let person = fleet.users[0].clone();
        let newcomer = fleet.clusters.pop().ok_or("the fleet is empty")?;
        let simulator = Simulator::start(fleet);
        // The latency of a near Azure region, so that there is something to watch.
        let slow = Fault::on(Endpoint::ListClusterUserCredential);
        simulator
            .faults()
            .add(slow.latency(Duration::from_millis(300)));
        // For `sync --login devicecode`, which `--stay` invites to.
        simulator
            .configure(|settings| settings.device_auto_approve = Some((2, person.upn.clone())));

        let home = tempfile::Builder::new()
            .prefix("kubectl-aad-demo-")
            .tempdir()?;
        delete_on_ctrl_c(home.path().to_owned())?;
        let files = simulator.write_files(home.path())?;
        let bin = home.path().join("bin");
        fs::create_dir(&bin)?;
        for name in ["kubectl-aad", "az"] {
            link_self(&bin.join(format!("{name}{}", env::consts::EXE_SUFFIX)))?;
        }
        let inherited = env::var_os("PATH").unwrap_or_default();
        let path =
            env::join_paths(std::iter::once(bin.clone()).chain(env::split_paths(&inherited)))?;
        Ok(Self {
            simulator,
            files,
            person,
            newcomer,
            bin,
            path,
            home,
        })
    }

    fn sign_in(&self) -> Result {
        self.say("Sign in to a stand-in for az:", "az login");
        for words in self.simulator.az_cloud_calls("Simulated") {
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            self.ends_with(0, self.our("az", &words).stdout(Stdio::null()))?;
        }
        let words = ["login", "-u", &self.person.upn, "-p", &self.person.password];
        self.ends_with(0, self.our("az", &words).stdout(Stdio::null()))?;
        println!("signed in as {}", self.person.upn);
        Ok(())
    }

    fn first_sync(&self) -> Result {
        self.say(
            "Every cluster of every subscription, in two tenants:",
            "kubectl aad sync",
        );
        self.ends_with(0, &mut self.our("kubectl-aad", &["sync"]))
    }

    /// kubectl on one cluster of each tenant.
    fn kubectl(&self) -> Result {
        let probe = ["version", "--client"];
        if self
            .command("kubectl", &probe)
            .stdout(Stdio::null())
            .status()
            .is_err()
        {
            println!("\nkubectl is not installed: each context would answer now.");
            return Ok(());
        }
        let fleet = self.simulator.fleet();
        for tenant in &fleet.tenants {
            let mut clusters = fleet.clusters.iter();
            let cluster = clusters.find(|cluster| cluster.tenant_id == tenant.id);
            let context = &cluster.ok_or("the tenant has no cluster")?.name;
            self.say(
                &format!(
                    "The token is in the cache already ({}):",
                    tenant.display_name
                ),
                &format!("kubectl --context {context} get ns"),
            );
            let words = ["--context", context, "get", "ns"];
            self.ends_with(0, &mut self.command("kubectl", &words))?;
        }
        Ok(())
    }

    /// A sync after a cluster was created and the right to fetch some credentials was lost.
    fn later_sync(&self) -> Result {
        let lost = self.simulator.update(|fleet| {
            fleet.clusters.push(self.newcomer.clone());
            let subscription = fleet.clusters[1].subscription_id.clone();
            let denied = fleet
                .clusters
                .iter()
                .filter(move |cluster| cluster.subscription_id == subscription);
            let denied: Vec<_> = denied.map(|cluster| cluster.id.clone()).collect();
            for id in &denied {
                // Otherwise ARM's last answers would do.
                fleet.change(id, &Change::Tag("stage".into(), "closed".into()));
            }
            denied
        });
        for id in lost {
            let denied = Fault::on(Endpoint::ListClusterUserCredential).cluster(id);
            self.simulator.faults().add(denied.status(403));
        }
        self.say(
            "A week later, a cluster is new, and in one subscription a role was taken away:",
            "kubectl aad sync",
        );
        self.ends_with(SOME_FAILED, &mut self.our("kubectl-aad", &["sync"]))?;
        println!("(exit code {SOME_FAILED}: some failed)");
        Ok(())
    }

    /// A kubeconfig that `az aks get-credentials` and kubelogin made.
    fn convert(&self) -> Result {
        fs::write(self.home.path().join("old"), self.kubeconfig_of_kubelogin())?;
        let words = ["convert-kubeconfig", "--kubeconfig", "old"];
        self.say(
            "A kubeconfig that runs kubelogin runs this plugin instead:",
            &format!("kubectl aad {}", words.join(" ")),
        );
        self.ends_with(0, &mut self.our("kubectl-aad", &words))
    }

    fn kubeconfig_of_kubelogin(&self) -> String {
        let fleet = self.simulator.fleet();
        let (name, tenant) = (&fleet.clusters[0].name, &fleet.tenants[0].id);
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {name}\n\
             clusters:\n- name: {name}\n  cluster:\n    server: https://{name}.example\n\
             contexts:\n- name: {name}\n  context:\n    cluster: {name}\n    user: {name}\n\
             users:\n- name: {name}\n  user:\n    exec:\n      \
             apiVersion: client.authentication.k8s.io/v1beta1\n      command: kubelogin\n      args:\n      \
             - get-token\n      - --login\n      - devicecode\n      - --server-id\n      - {AKS_SERVER_APP}\n      \
             - --client-id\n      - {AKS_CLIENT_APP}\n      - --tenant-id\n      - {tenant}\n"
        )
    }

    fn stay(&self) -> Result {
        println!("\nThe simulator goes on. In another shell:");
        println!("  unset KUBECONFIG");
        println!("  export PATH={}:$PATH", self.bin.display());
        for (name, value) in self.variables() {
            println!("  export {name}={}", value.display());
        }
        println!("  kubectl aad list");
        println!("  kubectl aad sync --login devicecode --dry-run");
        println!("Press Enter here to end it.");
        io::stdin().read_line(&mut String::new())?;
        Ok(())
    }

    /// Prints what comes next and the command that does it.
    fn say(&self, what: &str, line: &str) {
        println!("\n{what}\n$ {line}");
    }

    /// A program of the demo's own.
    fn our(&self, name: &str, words: &[&str]) -> Command {
        self.command(self.bin.join(name), words)
    }

    /// A program in an environment that has only what the demo needs.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(words)
            .env_clear()
            .env("PATH", &self.path)
            .envs(self.variables())
            .current_dir(self.home.path());
        // How the terminal shows text.
        let terminal = ["TERM", "COLUMNS", "LC_ALL", "LC_CTYPE", "LANG"];
        let colors = ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"];
        for name in terminal.into_iter().chain(colors).chain(["SYSTEMROOT"]) {
            if let Some(value) = env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    fn variables(&self) -> [(&'static str, PathBuf); 5] {
        [
            ("HOME", self.home.path().to_owned()),
            ("SSL_CERT_FILE", self.files.ca.clone()),
            ("AZURE_ENVIRONMENT_FILEPATH", self.files.cloud.clone()),
            ("AZURE_SIM_CONTROL", self.simulator.control_url().into()),
            ("NO_PROXY", "127.0.0.1,localhost".into()),
        ]
    }

    /// Runs a command that must end with this exit code.
    fn ends_with(&self, expected: i32, command: &mut Command) -> Result {
        let status = command.status()?;
        if status.code() == Some(expected) {
            return Ok(());
        }
        Err(format!("{command:?} ended with {status}").into())
    }
}

/// Deletes the directory if the demo is interrupted.
fn delete_on_ctrl_c(directory: PathBuf) -> io::Result<()> {
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

#[cfg(unix)]
fn link_self(link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(env::current_exe()?, link)
}

#[cfg(not(unix))]
fn link_self(link: &Path) -> io::Result<()> {
    fs::copy(env::current_exe()?, link).map(drop)
}
