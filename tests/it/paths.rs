//! Paths that somebody wrote: a leading `~/` is the home directory, and nothing is ever made in a
//! directory that happens to be the current one.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use azure_sim::AKS_SERVER_APP;

use crate::env::{CLOUD, INTERACTIVE, TestEnv, run};

/// A test environment, and a repository that somebody works in.
struct Work {
    test_env: TestEnv,
    repository: PathBuf,
}

impl Work {
    fn new() -> Self {
        let test_env = TestEnv::new();
        let repository = test_env.home().join("repository");
        fs::create_dir(&repository).expect("made");
        Self {
            test_env,
            repository,
        }
    }

    /// The program, run in the repository.
    fn here<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.current_dir(&self.repository)
    }

    fn in_home(&self, name: &str) -> PathBuf {
        self.test_env.home().join(name)
    }

    /// Nothing was made in the repository.
    fn assert_clean(&self, what: &str) {
        let names: Vec<_> = fs::read_dir(&self.repository).expect("there").collect();
        assert!(names.is_empty(), "{what}: {names:?}");
    }
}

#[test]
fn an_entrys_cache_is_below_the_home_directory_or_not_used() {
    let work = Work::new();
    let secret = ("AZURE_CLIENT_SECRET", work.test_env.principal.secret());
    let token = |dir: &str| {
        let args = work.test_env.spn_args(&["--cache-dir", dir]);
        let mut command = work
            .test_env
            .get_token_command(&args, &[secret, INTERACTIVE]);
        let ran = run(work.here(&mut command));
        work.test_env.check_for_leaks(&ran);
        work.assert_clean(dir);
        ran.json(0)["status"]["token"].to_string()
    };
    assert_eq!(token("~/tokens"), token("~/tokens"), "it is cached");
    assert!(work.in_home("tokens/kubectl-aad").is_dir());
    for relative in ["$HOME/tokens", "tokens", "./tokens", "~other/tokens"] {
        assert_ne!(token(relative), token(relative), "{relative} is not used");
    }
}

#[test]
fn a_tilde_is_expanded_in_every_flag_that_takes_a_path() {
    let work = Work::new();
    let simulator = &work.test_env.simulator;
    // Of an entry: the file is found.
    let token = "--federated-token-file=~/missing";
    let mut command = work.test_env.get_token_command(&[], &[INTERACTIVE]);
    let args = [
        "-l",
        "workloadidentity",
        "--client-id",
        "c",
        "--tenant-id",
        "t",
    ];
    let ran = run(work.here(command.args(args).arg(token)));
    let named = work.in_home("missing").display().to_string();
    assert!(ran.stderr.contains(&named), "{}", ran.stderr);
    let mut command = work.test_env.get_token_command(&[], &[INTERACTIVE]);
    let certificate = "--client-certificate=~/missing";
    let args = ["-l", "spn", "--client-id", "c", "--tenant-id", "t"];
    let ran = run(work.here(command.args(args).arg(certificate)));
    assert!(ran.stderr.contains(&named), "{}", ran.stderr);

    // Of a command: the files are read and made there, and the entry has them in full.
    let sync = |more: &[&str]| {
        let mut command = work.test_env.aad(&["sync", "-e", CLOUD, "--no-warm"]);
        let ran = run(work.here(command.args(more)));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        work.assert_clean(&more.join(" "));
    };
    sync(&["--kubeconfig=~/config", "--cache-dir=~/tokens"]);
    let text = fs::read_to_string(work.in_home("config")).expect("made");
    let full = work.in_home("tokens").display().to_string();
    assert!(text.contains(&full), "{text}");
    let mut command = work.test_env.aad(&["convert-kubeconfig", "-l", "azurecli"]);
    let convert = [
        "--kubeconfig=~/config",
        "--outfile=~/out",
        "--azure-config-dir=~/az",
        "--cache-dir=caches",
    ];
    let ran = run(work.here(command.args(convert)));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    work.assert_clean("convert-kubeconfig");
    let text = fs::read_to_string(work.in_home("out")).expect("made");
    for path in [work.in_home("az"), work.repository.join("caches")] {
        assert!(text.contains(&path.display().to_string()), "{text}");
    }
    assert!(!simulator.requests().is_empty());
}

#[test]
fn a_kubeconfig_is_not_made_in_a_directory_called_tilde() {
    let work = Work::new();
    for command in [
        &["sync", "-e", CLOUD][..],
        &["convert-kubeconfig", "-l", "msi"],
    ] {
        let mut command = work.test_env.aad(command);
        let ran = run(work.here(command.env("KUBECONFIG", "~/.kube/config")));
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(
            ran.stderr.contains("a directory that is called `~`"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
        work.assert_clean("KUBECONFIG");
    }
    assert_eq!(work.test_env.simulator.requests().len(), 0);
}

#[test]
fn a_relative_directory_of_az_is_the_one_that_az_itself_would_take_here() {
    let work = Work::new();
    let az = work.in_home("bin/az");
    let user = &work.test_env.user;
    let mut login = work.test_env.program(Path::new(&az));
    login.args(["login", "-u", &user.upn, "-p", &user.password]);
    let signed_in = run(work.here(login.env("AZURE_CONFIG_DIR", "own-az")));
    assert_eq!(signed_in.code, 0, "{}", signed_in.stderr);
    assert!(
        work.repository.join("own-az").is_dir(),
        "az takes it from here"
    );
    // The account of the home directory signed out.
    fs::remove_dir_all(work.in_home(".azure")).expect("there");
    let get = || {
        let args = ["-l", "azurecli", "--server-id", AKS_SERVER_APP];
        let mut command = work
            .test_env
            .get_token_command(&args, &[("AZURE_CONFIG_DIR", "own-az")]);
        run(work.here(&mut command))
    };
    let claims = work.test_env.claims(&get());
    assert_eq!(
        claims["upn"]
            .as_str()
            .or(claims["preferred_username"].as_str()),
        Some(&*user.upn)
    );
    work.test_env.simulator.reset();
    get();
    assert_eq!(
        work.test_env.simulator.requests().len(),
        0,
        "and it is cached"
    );
}
