//! The plugin as krew installs it: the manifest under krew's own validation, and the packed
//! binary installed by the real krew and run through the real kubectl.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, thread};

use azure_sim::{Fleet, FleetSpec};

use crate::env::{CLOUD, PROGRAM, Ran, TestEnv, run};
use crate::support::{peer, repository};

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
    let test_env = TestEnv::without_az();
    // The validator wants the name that the index gives the file.
    let manifest = test_env.path("aad.yaml");
    fs::copy(repository().join("krew-manifest.yaml"), &manifest)
        .expect("the manifest can be copied");
    let output = run(test_env
        .program(validate)
        .args(["-skip-install", "-manifest"])
        .arg(&manifest));
    assert_eq!(output.code, 0, "{}", said(&output));
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
/// looks for the license among what was installed.
#[test]
fn krew_downloads_and_installs_the_archive_of_every_platform() {
    let (Some(validate), Some(test_env)) = (peer("validate-krew-manifest"), with_krew()) else {
        return;
    };
    let base_url = serve(dist(&test_env));
    for (_, target) in PLATFORMS {
        package(&test_env, target, &stand_in(&test_env), &base_url);
    }
    let output = run(command(&test_env, &validate)
        .arg("-manifest")
        .arg(dist(&test_env).join("aad.yaml")));
    assert_eq!(output.code, 0, "{}", said(&output));
    assert!(
        said(&output).contains("all 5 spec.platforms installed fine"),
        "{}",
        said(&output)
    );
}

#[test]
fn the_plugin_that_krew_installs_syncs_a_fleet_and_lets_kubectl_in() {
    let Some(test_env) = with_krew() else { return };
    let archive = package(&test_env, &host_target(), PROGRAM.as_ref(), UNREACHABLE);
    let output = install(&test_env, &archive);
    assert_eq!(output.code, 0, "{}", said(&output));

    let output = kubectl(&test_env, &["aad", "--version"]);
    assert_eq!(output.code, 0, "{}", said(&output));
    assert_eq!(
        output.stdout,
        concat!("kubectl-aad ", env!("CARGO_PKG_VERSION"), "\n")
    );

    let license = concat!("store/aad/v", env!("CARGO_PKG_VERSION"), "/LICENSE");
    assert_eq!(
        fs::read(krew_root(&test_env).join(license)).expect("krew extracts the license"),
        fs::read(repository().join("LICENSE")).expect("it is committed")
    );

    // krew links one program of a plugin. The other link leads to krew's, so that it survives an upgrade.
    let output = kubectl(&test_env, &["aad", "completion", "install"]);
    assert_eq!(output.code, 0, "{}", said(&output));
    let link = krew_root(&test_env).join("bin/kubectl_complete-aad");
    let target = fs::read_link(&link).expect("a link");
    assert_eq!(target, Path::new("kubectl-aad"));
    let script = concat!(
        "store/aad/v",
        env!("CARGO_PKG_VERSION"),
        "/kubectl_complete-aad"
    );
    for program in [link, krew_root(&test_env).join(script)] {
        let output = run(command(&test_env, &program).arg("sy"));
        assert!(output.stdout.starts_with("sync\t"), "{}", said(&output));
    }
    let output = kubectl(&test_env, &["__complete", "aad", "sync", "--login", "azd"]);
    assert!(output.stdout.starts_with("azd\t"), "{}", said(&output));

    let output = kubectl(
        &test_env,
        &["aad", "sync", "--environment", CLOUD, "-o", "name"],
    );
    assert_eq!(output.code, 0, "{}", said(&output));
    let contexts = &output.stdout;
    assert_eq!(contexts.lines().count(), 3, "{}", said(&output));
    for context in contexts.lines() {
        let output = kubectl(
            &test_env,
            &["--context", context, "get", "ns", "-o", "name"],
        );
        assert_eq!(output.code, 0, "{}", said(&output));
        assert!(
            output.stdout.contains("namespace/kube-system"),
            "{}",
            said(&output)
        );
    }
}

#[test]
fn krew_refuses_an_archive_that_is_not_the_one_packed() {
    let Some(test_env) = with_krew() else { return };
    let archive = package(&test_env, &host_target(), &stand_in(&test_env), UNREACHABLE);
    let mut bytes = fs::read(&archive).expect("it was just packed");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&archive, bytes).expect("it can be written");
    let output = install(&test_env, &archive);
    assert_ne!(output.code, 0);
    assert!(
        said(&output).contains("checksum does not match"),
        "{}",
        said(&output)
    );
}

#[test]
fn packing_the_same_binary_twice_gives_the_same_archive() {
    let Some(test_env) = with_krew() else { return };
    for target in ["x86_64-unknown-linux-musl", "x86_64-pc-windows-msvc"] {
        let [first, second] = [(); 2].map(|()| {
            let archive = package(&test_env, target, &stand_in(&test_env), UNREACHABLE);
            let bytes = fs::read(&archive).expect("it was just packed");
            fs::remove_file(archive).expect("it can be removed");
            bytes
        });
        assert!(first == second, "{target}");
    }
}

/// The real kubectl and krew in a home directory, and three clusters. `None` if a program is missing.
fn with_krew() -> Option<TestEnv> {
    let krew = peer("krew")?;
    let builder = TestEnv::builder().peer("kubectl")?.peer("python3")?;
    let test_env = builder
        .fleet(Fleet::generate(&FleetSpec {
            clusters: 3,
            ..FleetSpec::default()
        }))
        .build();
    test_env.install("kubectl-krew", &krew);
    Some(test_env)
}

/// A file to pack instead of the plugin, if a test is only about the archive: the plugin is
/// large before it is stripped, and there is none here for another platform.
fn stand_in(test_env: &TestEnv) -> PathBuf {
    test_env.write("stand-in", &"a plugin's place".repeat(1024))
}

fn dist(test_env: &TestEnv) -> PathBuf {
    test_env.path("dist")
}

fn krew_root(test_env: &TestEnv) -> PathBuf {
    test_env.path("krew")
}

/// A program as a user of krew runs it. The one `kubectl-aad` on its `PATH` is what krew installed.
fn command(test_env: &TestEnv, program: &Path) -> Command {
    let bin = test_env.bin("kubectl");
    let bin = bin.parent().expect("a directory");
    let installed = krew_root(test_env).join("bin");
    let path = env::join_paths([&installed, bin, "/usr/bin".as_ref(), "/bin".as_ref()])
        .expect("no directory's name holds a colon");
    let mut command = test_env.program(program);
    command
        .env("KREW_ROOT", krew_root(test_env))
        .env("KREW_NO_UPGRADE_CHECK", "1")
        .env("PATH", path);
    command
}

fn kubectl(test_env: &TestEnv, args: &[&str]) -> Ran {
    run(command(test_env, &test_env.bin("kubectl")).args(args))
}

/// Packs `binary` as the plugin for `target`, to be downloaded from `base_url`; returns the archive.
fn package(test_env: &TestEnv, target: &str, binary: &Path, base_url: &str) -> PathBuf {
    let packed = run(test_env
        .program(test_env.bin("python3"))
        .arg(repository().join(".ci/package"))
        .arg("--binary")
        .arg(binary)
        .args(["--target", target])
        .args(["--base-url", base_url, "--dist"])
        .arg(dist(test_env)));
    assert_eq!(packed.code, 0, "{}", said(&packed));
    let (platform, _) = PLATFORMS
        .into_iter()
        .find(|(_, known)| *known == target)
        .expect("tests pack the known targets");
    let suffix = if platform.starts_with("windows") {
        "zip"
    } else {
        "tar.gz"
    };
    dist(test_env).join(format!(
        "kubectl-aad_v{}_{platform}.{suffix}",
        env!("CARGO_PKG_VERSION")
    ))
}

/// `kubectl krew install` of the packed manifest, from `archive` and not the network.
fn install(test_env: &TestEnv, archive: &Path) -> Ran {
    let manifest = dist(test_env).join("aad.yaml");
    let [manifest, archive] = [&manifest, archive].map(|path| path.display().to_string());
    kubectl(
        test_env,
        &[
            "krew",
            "install",
            "--manifest",
            &manifest,
            "--archive",
            &archive,
        ],
    )
}

/// The Rust target of the machine that the test runs on, among those that are packed.
fn host_target() -> String {
    match env::consts::OS {
        "macos" => format!("{}-apple-darwin", env::consts::ARCH),
        system => format!("{}-unknown-{system}-musl", env::consts::ARCH),
    }
}

/// Everything that a program printed, for the message of a failed assertion.
fn said(ran: &Ran) -> String {
    format!("{}\n{}{}", ran.code, ran.stdout, ran.stderr)
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
