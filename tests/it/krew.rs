//! The plugin as krew installs it: the manifest under krew's own validation, and the packed
//! binary installed by the real krew and run through the real kubectl.

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs, thread};

use azure_sim::{Fleet, FleetSpec};
use tempfile::TempDir;

use crate::env::{CLOUD, TestEnv};
use crate::support::{peer, repository};

const PLUGIN: &str = env!("CARGO_BIN_EXE_kubectl-aad");

/// What krew calls each platform of the manifest, and the Rust target that `.ci/package` packs.
const PLATFORMS: [(&str, &str); 5] = [
    ("linux_amd64", "x86_64-unknown-linux-musl"),
    ("linux_arm64", "aarch64-unknown-linux-musl"),
    ("darwin_amd64", "x86_64-apple-darwin"),
    ("darwin_arm64", "aarch64-apple-darwin"),
    ("windows_amd64", "x86_64-pc-windows-msvc"),
];

/// Where nothing listens: krew gets its archive from a file, and would fail if it tried to download.
const UNREACHABLE: &str = "http://127.0.0.1:9";

#[test]
fn the_committed_manifest_passes_krews_own_validation() {
    let Some(validate) = peer("validate-krew-manifest") else {
        return;
    };
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    // The validator wants the name that the index gives the file.
    let manifest = directory.path().join("aad.yaml");
    fs::copy(repository().join("krew-manifest.yaml"), &manifest)
        .expect("the manifest can be copied");
    let output = run(Command::new(validate)
        .args(["-skip-install", "-manifest"])
        .arg(&manifest));
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn the_committed_manifest_is_of_this_version_and_installs_nothing_unreleased() {
    let text =
        fs::read_to_string(repository().join("krew-manifest.yaml")).expect("it is committed");
    let version = format!("v{}", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&format!("\n  version: {version}\n")));
    for (platform, _) in PLATFORMS {
        assert!(
            text.contains(&format!(
                "/download/{version}/kubectl-aad_{version}_{platform}."
            )),
            "{platform}"
        );
    }
    // A sum that belongs to no archive must be one that no archive can have.
    let sums: Vec<_> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("sha256: "))
        .collect();
    assert_eq!(
        sums,
        vec![format!("\"{}\"", "0".repeat(64)); PLATFORMS.len()]
    );
}

/// The validator's full run: it has krew download and install the archive of each platform, and
/// looks for the licence among what was installed.
#[test]
fn krew_downloads_and_installs_the_archive_of_every_platform() {
    let (Some(validate), Some(bench)) = (peer("validate-krew-manifest"), Bench::new()) else {
        return;
    };
    let base_url = serve(bench.dist());
    for (_, target) in PLATFORMS {
        bench.package(target, &bench.stand_in, &base_url);
    }
    let output = run(bench
        .command(&validate)
        .arg("-manifest")
        .arg(bench.dist().join("aad.yaml")));
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("all 5 spec.platforms installed fine"),
        "{}",
        said(&output)
    );
}

#[test]
fn the_plugin_that_krew_installs_syncs_a_fleet_and_lets_kubectl_in() {
    let Some(bench) = Bench::new() else { return };
    let archive = bench.package(&host_target(), PLUGIN.as_ref(), UNREACHABLE);
    let output = bench.install(&archive);
    assert!(output.status.success(), "{}", said(&output));

    let output = run(bench.command(&bench.kubectl).args(["aad", "--version"]));
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        concat!("kubectl-aad ", env!("CARGO_PKG_VERSION"), "\n")
    );

    let licence = concat!("store/aad/v", env!("CARGO_PKG_VERSION"), "/LICENSE");
    assert_eq!(
        fs::read(bench.krew_root().join(licence)).expect("krew extracts the licence"),
        fs::read(repository().join("LICENSE")).expect("it is committed")
    );

    let test_env = TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters: 3,
        ..FleetSpec::default()
    }));
    // The one `kubectl-aad` on this path is the one that krew linked.
    let path = bench.path(&[test_env.home().join("bin")]);
    let kubectl = || {
        let mut command = test_env.program(&bench.kubectl);
        command.env("PATH", &path);
        command
    };
    let output = run(kubectl().args(["aad", "sync", "--environment", CLOUD, "-o", "name"]));
    assert!(output.status.success(), "{}", said(&output));
    let contexts = String::from_utf8_lossy(&output.stdout);
    assert_eq!(contexts.lines().count(), 3, "{}", said(&output));
    for context in contexts.lines() {
        let output = run(kubectl().args(["--context", context, "get", "ns", "-o", "name"]));
        assert!(output.status.success(), "{}", said(&output));
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("namespace/kube-system"),
            "{}",
            said(&output)
        );
    }
}

#[test]
fn krew_refuses_an_archive_that_is_not_the_one_packed() {
    let Some(bench) = Bench::new() else { return };
    let archive = bench.package(&host_target(), &bench.stand_in, UNREACHABLE);
    let mut bytes = fs::read(&archive).expect("it was just packed");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&archive, bytes).expect("it can be written");
    let output = bench.install(&archive);
    assert!(!output.status.success());
    assert!(
        said(&output).contains("checksum does not match"),
        "{}",
        said(&output)
    );
}

#[test]
fn packing_the_same_binary_twice_gives_the_same_archive() {
    let Some(bench) = Bench::new() else { return };
    for target in ["x86_64-unknown-linux-musl", "x86_64-pc-windows-msvc"] {
        let [first, second] = [(); 2].map(|()| {
            let archive = bench.package(target, &bench.stand_in, UNREACHABLE);
            let bytes = fs::read(&archive).expect("it was just packed");
            fs::remove_file(archive).expect("it can be removed");
            bytes
        });
        assert!(first == second, "{target}");
    }
}

/// A home of its own with the real kubectl and krew, and room for archives.
struct Bench {
    home: TempDir,
    kubectl: PathBuf,
    python: PathBuf,
    /// A file to pack in place of the plugin, where a test is about the archive alone: the
    /// plugin is large before it is stripped, and there is none here for another platform.
    stand_in: PathBuf,
}

impl Bench {
    /// `None` where a program is missing, which has then been said.
    fn new() -> Option<Self> {
        let (krew, kubectl, python) = (peer("krew")?, peer("kubectl")?, peer("python3")?);
        let home = tempfile::tempdir().expect("a temporary directory can be made");
        let bin = home.path().join("bin");
        fs::create_dir(&bin).expect("the home is empty");
        for (name, program) in [("kubectl-krew", &krew), ("kubectl", &kubectl)] {
            std::os::unix::fs::symlink(program, bin.join(name)).expect("the home is empty");
        }
        let stand_in = home.path().join("stand-in");
        fs::write(&stand_in, "a plugin's place".repeat(1024)).expect("the home can be written");
        Some(Self {
            home,
            kubectl,
            python,
            stand_in,
        })
    }

    fn dist(&self) -> PathBuf {
        self.home.path().join("dist")
    }

    fn krew_root(&self) -> PathBuf {
        self.home.path().join("krew")
    }

    /// The `PATH` of a user of krew, with `more` before the system's directories.
    fn path(&self, more: &[PathBuf]) -> OsString {
        let mut directories = vec![self.krew_root().join("bin"), self.home.path().join("bin")];
        directories.extend_from_slice(more);
        directories.extend(["/usr/bin", "/bin"].map(PathBuf::from));
        env::join_paths(directories).expect("no directory's name holds a colon")
    }

    /// `program` as a user of krew runs it; nothing of this process's environment is passed on.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.home.path())
            .env("KREW_ROOT", self.krew_root())
            .env("KREW_NO_UPGRADE_CHECK", "1")
            .env("PATH", self.path(&[]));
        command
    }

    /// Packs `binary` as the plugin for `target`, to be downloaded from `base_url`; returns the archive.
    fn package(&self, target: &str, binary: &Path, base_url: &str) -> PathBuf {
        let output = run(Command::new(&self.python)
            .arg(repository().join(".ci/package"))
            .arg("--binary")
            .arg(binary)
            .args(["--target", target])
            .args(["--base-url", base_url, "--dist"])
            .arg(self.dist()));
        assert!(output.status.success(), "{}", said(&output));
        let (platform, _) = PLATFORMS
            .into_iter()
            .find(|(_, known)| *known == target)
            .expect("tests pack the known targets");
        let suffix = if platform.starts_with("windows") {
            "zip"
        } else {
            "tar.gz"
        };
        self.dist().join(format!(
            "kubectl-aad_v{}_{platform}.{suffix}",
            env!("CARGO_PKG_VERSION")
        ))
    }

    /// `kubectl krew install` of the packed manifest, from `archive` and not the network.
    fn install(&self, archive: &Path) -> Output {
        run(self
            .command(&self.kubectl)
            .args(["krew", "install", "--manifest"])
            .arg(self.dist().join("aad.yaml"))
            .arg("--archive")
            .arg(archive))
    }
}

/// The Rust target of the machine that the test runs on, among those that are packed.
fn host_target() -> String {
    match env::consts::OS {
        "macos" => format!("{}-apple-darwin", env::consts::ARCH),
        system => format!("{}-unknown-{system}-musl", env::consts::ARCH),
    }
}

fn run(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Everything that a program printed, for the message of a failed assertion.
fn said(output: &Output) -> String {
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|s| String::from_utf8_lossy(s));
    format!("{}\n{stdout}{stderr}", output.status)
}

/// Serves the files of `directory` over HTTP on loopback for as long as the test runs; returns the URL.
fn serve(directory: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // The client's own report is the one that the test reads.
            let _ = answer(stream, &directory);
        }
    });
    format!("http://{address}")
}

fn answer(mut stream: TcpStream, directory: &Path) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines
        .next()
        .transpose()?
        .is_some_and(|line| !line.is_empty())
    {}
    let name = request
        .split(' ')
        .nth(1)
        .unwrap_or_default()
        .trim_start_matches('/');
    let file = if name.contains('/') {
        None
    } else {
        fs::read(directory.join(name)).ok()
    };
    let (status, body) = match file {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", Vec::new()),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}
