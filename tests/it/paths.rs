//! Paths that somebody wrote: a leading `~/` is the home directory, and nothing is ever made in a
//! directory that happens to be the current one.

use std::{fs, path::PathBuf, process::Command};

use azure_sim::AKS_SERVER_APP;

use crate::env::{CLOUD, INTERACTIVE, Ran, TestEnv, names, run};

/// Somebody works in a repository, which is in the home directory.
fn with_repository() -> TestEnv {
    let test_env = TestEnv::new();
    fs::create_dir(repository(&test_env)).expect("made");
    test_env
}

fn repository(test_env: &TestEnv) -> PathBuf {
    test_env.path("repository")
}

fn run_in_repository(test_env: &TestEnv, command: &mut Command) -> Ran {
    run(command.current_dir(repository(test_env)))
}

fn assert_repository_is_clean(test_env: &TestEnv, what: &str) {
    assert_eq!(names(&repository(test_env)), [""; 0], "{what}");
}

#[test]
fn an_entrys_cache_is_below_the_home_directory_or_not_used() {
    let test_env = with_repository();
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let token = |dir: &str| {
        let args = test_env.spn_args(&["--cache-dir", dir]);
        let mut command = test_env.get_token_command(&args, &[secret, INTERACTIVE]);
        let ran = run_in_repository(&test_env, &mut command);
        test_env.check_for_leaks(&ran);
        assert_repository_is_clean(&test_env, dir);
        ran.token()
    };
    assert_eq!(token("~/tokens"), token("~/tokens"), "it is cached");
    assert!(test_env.path("tokens/kubectl-aad").is_dir());
    for relative in ["$HOME/tokens", "tokens", "./tokens", "~other/tokens"] {
        assert_ne!(token(relative), token(relative), "{relative} is not used");
    }
}

#[test]
fn a_tilde_is_expanded_in_every_flag_that_takes_a_path() {
    let test_env = with_repository();
    let simulator = &test_env.simulator;
    // Of an entry: the file is found.
    let token = "--federated-token-file=~/missing";
    let mut command = test_env.get_token_command(&[], &[INTERACTIVE]);
    let args = [
        "-l",
        "workloadidentity",
        "--client-id",
        "c",
        "--tenant-id",
        "t",
    ];
    let ran = run_in_repository(&test_env, command.args(args).arg(token));
    let named = test_env.path("missing").display().to_string();
    assert!(ran.stderr.contains(&named), "{}", ran.stderr);
    let mut command = test_env.get_token_command(&[], &[INTERACTIVE]);
    let certificate = "--client-certificate=~/missing";
    let args = ["-l", "spn", "--client-id", "c", "--tenant-id", "t"];
    let ran = run_in_repository(&test_env, command.args(args).arg(certificate));
    assert!(ran.stderr.contains(&named), "{}", ran.stderr);

    // Of a command: the files are read and made there, and the entry has them in full.
    let sync = |more: &[&str]| {
        let mut command = test_env.aad(&["sync", "-e", CLOUD, "--no-warm"]);
        let ran = run_in_repository(&test_env, command.args(more));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_repository_is_clean(&test_env, &more.join(" "));
    };
    sync(&["--kubeconfig=~/config", "--cache-dir=~/tokens"]);
    let text = fs::read_to_string(test_env.path("config")).expect("made");
    let full = test_env.path("tokens").display().to_string();
    assert!(text.contains(&full), "{text}");
    let mut command = test_env.aad(&["convert-kubeconfig", "-l", "azurecli"]);
    let convert = [
        "--kubeconfig=~/config",
        "--outfile=~/out",
        "--azure-config-dir=~/az",
        "--cache-dir=caches",
    ];
    let ran = run_in_repository(&test_env, command.args(convert));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_repository_is_clean(&test_env, "convert-kubeconfig");
    let text = fs::read_to_string(test_env.path("out")).expect("made");
    for path in [test_env.path("az"), repository(&test_env).join("caches")] {
        assert!(text.contains(&path.display().to_string()), "{text}");
    }
    assert!(!simulator.requests().is_empty());
}

#[test]
fn a_kubeconfig_is_not_made_in_a_directory_called_tilde() {
    let test_env = with_repository();
    for command in [
        &["sync", "-e", CLOUD][..],
        &["convert-kubeconfig", "-l", "msi"],
    ] {
        let mut command = test_env.aad(command);
        let ran = run_in_repository(&test_env, command.env("KUBECONFIG", "~/.kube/config"));
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(
            ran.stderr.contains("a directory called `~`"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
        assert_repository_is_clean(&test_env, "KUBECONFIG");
    }
    assert_eq!(test_env.simulator.requests().len(), 0);
}

#[test]
fn a_relative_directory_of_az_is_the_one_that_az_itself_would_take_here() {
    let test_env = with_repository();
    let user = &test_env.user;
    let mut login = test_env.program(test_env.bin("az"));
    login.args(["login", "-u", &user.upn, "-p", &user.password]);
    let signed_in = run_in_repository(&test_env, login.env("AZURE_CONFIG_DIR", "own-az"));
    assert_eq!(signed_in.code, 0, "{}", signed_in.stderr);
    assert!(
        repository(&test_env).join("own-az").is_dir(),
        "az takes it from here"
    );
    // The account of the home directory signed out.
    fs::remove_dir_all(test_env.path(".azure")).expect("there");
    let get = || {
        let args = ["-l", "azurecli", "--server-id", AKS_SERVER_APP];
        let mut command = test_env.get_token_command(&args, &[("AZURE_CONFIG_DIR", "own-az")]);
        run_in_repository(&test_env, &mut command)
    };
    let claims = test_env.claims(&get());
    assert_eq!(
        claims["upn"]
            .as_str()
            .or(claims["preferred_username"].as_str()),
        Some(&*user.upn)
    );
    test_env.simulator.reset();
    get();
    assert_eq!(test_env.simulator.requests().len(), 0, "and it is cached");
}
