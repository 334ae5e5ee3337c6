//! The configuration file: it counts for the fleet commands and for no other, and nobody else may write to it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::PathBuf,
};

use crate::env::{CLOUD, INTERACTIVE, NON_INTERACTIVE, TestEnv, names, run};

/// Writes the configuration file where it is looked for.
fn write(test_env: &TestEnv, text: &str) -> PathBuf {
    let directory = test_env.path(".config/kubectl-aad");
    fs::create_dir_all(&directory).expect("made");
    let path = directory.join("config.yaml");
    fs::write(&path, text).expect("written");
    for (path, mode) in [(&directory, 0o700), (&path, 0o600)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
    }
    path
}

#[test]
fn a_sync_does_what_the_file_says_as_if_by_flags() {
    let test_env = TestEnv::new();
    let written = |file: &str, words: &[&str]| {
        write(&test_env, &format!("environment: {CLOUD}\n{file}"));
        let ran = run(&mut test_env.aad(&[&["sync", "--no-warm"], words].concat()));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let directory = test_env.path("k");
        let files = names(&directory);
        let text = fs::read_to_string(directory.join("config")).expect("written");
        fs::remove_dir_all(directory).expect("ours");
        (text, files, ran.stdout)
    };
    let by_file = written(
        "kubeconfig: ~/k/config\nca-files: true\noutput: name\nlogin: devicecode\narm-login: azurecli\nlogin-hint: ann@example.com\n\
         timeout: 90s\ncache-dir: ~/cache\n",
        &[],
    );
    let by_flags = written(
        "",
        &[
            "--kubeconfig=~/k/config",
            "--ca-files",
            "-oname",
            "-ldevicecode",
            "--arm-login=azurecli",
            "--login-hint=ann@example.com",
            "--timeout=90s",
            "--cache-dir=~/cache",
        ],
    );
    assert_eq!(by_file, by_flags);
    assert!(by_file.0.contains("ann@example.com"), "{}", by_file.0);
    assert_eq!(by_file.1, ["config", "config.aad-ca"]);
}

#[test]
fn a_file_that_another_user_may_write_to_is_refused_and_nothing_is_asked() {
    let test_env = TestEnv::new();
    let path = write(&test_env, &format!("environment: {CLOUD}\n"));
    let directory = path.parent().expect("a directory").to_owned();
    let mode = |path: &PathBuf, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
    };
    for (of_file, of_directory, named) in [
        (0o666, 0o700, &path),
        (0o660, 0o700, &path),
        (0o600, 0o770, &directory),
        (0o600, 0o777, &directory),
    ] {
        mode(&path, of_file);
        mode(&directory, of_directory);
        for command in ["sync", "list"] {
            let ran = run(&mut test_env.aad(&[command]));
            assert_eq!(ran.code, 2, "{}", ran.stderr);
            let shown = format!("other users may write to `{}`", named.display());
            assert!(ran.stderr.contains(&shown), "{}", ran.stderr);
            let advice = format!("`chmod go-w {}`", named.display());
            assert!(ran.stderr.contains(&advice), "{}", ran.stderr);
        }
    }
    assert_eq!(test_env.simulator.requests().len(), 0);
    mode(&path, 0o600);
    mode(&directory, 0o700);
    assert_eq!(run(&mut test_env.aad(&["list"])).code, 0);
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_unless_it_is_turned_off() {
    let test_env = TestEnv::new();
    let path = write(&test_env, "");
    let refused = |what: &str, shown: &str| {
        let ran = run(&mut test_env.aad(&["list"]));
        assert_eq!(ran.code, 2, "{what}: {}", ran.stderr);
        assert!(ran.stderr.contains(shown), "{what}: {}", ran.stderr);
        for off in ["", "/dev/null"] {
            let ran = run(test_env.aad(&["list", "-e", CLOUD]).env("AAD_CONFIG", off));
            assert_eq!(ran.code, 0, "{what}: {}", ran.stderr);
        }
    };
    fs::write(&path, b"login: \xff\n").expect("written");
    refused("bytes", "it is not UTF-8 text");
    fs::write(&path, "a".repeat((1 << 20) + 1)).expect("written");
    refused("large", "it is larger than 1 MiB");
    fs::write(&path, "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n").expect("written");
    refused("a bomb", "is an alias, which is not supported");
    fs::remove_file(&path).expect("ours");
    symlink("nowhere", &path).expect("linked");
    refused(
        "a link",
        "it is a symbolic link to `nowhere`, which does not exist",
    );
    fs::remove_file(&path).expect("ours");
    fs::create_dir(&path).expect("made");
    refused("a directory", "it is a directory");
    fs::remove_dir(&path).expect("ours");
    assert_eq!(run(&mut test_env.aad(&["list", "-e", CLOUD])).code, 0);
    // A file that is named must exist.
    let mut named = test_env.aad(&["list", "-e", CLOUD]);
    let ran = run(named.env("AAD_CONFIG", test_env.path("missing.yaml")));
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("there is no such file"),
        "{}",
        ran.stderr
    );
    let mine = test_env.write(
        "mine.yaml",
        &format!("profiles: {{sim: {{environment: {CLOUD}}}}}\n"),
    );
    fs::set_permissions(&mine, fs::Permissions::from_mode(0o600)).expect("ours");
    let mut named = test_env.aad(&["list", "-o", "name"]);
    let ran = run(named.env("AAD_CONFIG", &mine).env("AAD_PROFILE", "sim"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn commands_that_stand_in_for_kubelogin_do_not_read_it() {
    let test_env = TestEnv::new();
    let ran = run(&mut test_env.aad(&["sync", "-e", CLOUD]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let path = write(&test_env, "broken: [\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("ours");
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    for variables in [&[secret, INTERACTIVE][..], &[secret, NON_INTERACTIVE]] {
        let mut command = test_env.get_token_command(&test_env.spn_args(&[]), variables);
        let ran = run(command.env("AAD_PROFILE", "none"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    for words in [
        &["convert-kubeconfig", "-l", "azurecli"][..],
        &["cache", "list"],
        &["version"],
    ] {
        let ran = run(test_env.aad(words).env("AAD_PROFILE", "none"));
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.stderr);
    }
    let ran = run(&mut test_env.aad(&["list"]));
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}
