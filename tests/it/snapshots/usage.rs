//! Errors in what is typed, and what they may not show.

use std::{ffi::OsString, os::unix::ffi::OsStringExt as _, path::Path, process::Command};

use super::{Page, Ran, run, words};
use crate::env::PROGRAM;

const SECRET: &str = "hunter2";

/// Runs the program where nothing exists.
fn typed(line: &str) -> Ran {
    let (variables, args) = words(line);
    let mut command = Command::new(PROGRAM);
    command.env_clear().env("HOME", "/nowhere").args(args);
    command.envs(variables.iter().filter_map(|word| word.split_once('=')));
    run(&mut command)
}

fn page(name: &str, lines: &[&str]) {
    let mut page = Page::of_directory(Path::new("/nowhere"));
    for line in lines {
        let ran = typed(line);
        assert_eq!(ran.code, 2, "{line}");
        page.ran(line, &ran);
    }
    page.assert(name);
}

#[test]
fn flags_that_do_not_exist() {
    page(
        "typed_flags",
        &[
            "sync --subscripton x",
            "sync --subscription-id x",
            "sync --tenant x",
            "sync --kube-config x",
            "sync -x",
            "sync --oops",
            "list --dry-run",
            "--dry-run sync",
            "-o json list",
            "get-token --clientid x",
            "cache clear --contex x",
            "convert-kubeconfig --login-mode azurecli",
            "sync -g group -n name",
            "sync -a",
            "sync --overwrite-existing",
            "sync --file x",
            "sync --all",
            "sync --identity",
            "list --query x",
            "sync --only-show-errors",
            "get-token -o json",
            "get-token --resource x",
            "cache list --debug",
            "cache clear --yes",
        ],
    );
}

#[test]
fn commands_that_do_not_exist() {
    page(
        "typed_commands",
        &[
            "snyc",
            "convert",
            "login",
            "signout",
            "get-credentials",
            "ls",
            "kubernetes",
            "cache show",
            "cache clera",
            "-v 1",
            "sync help",
            "sync stage=prod",
            "list {a,b}",
            "get-token x",
            "convert-kubeconfig production",
            "cache clear production",
        ],
    );
}

#[test]
fn values_that_are_not_possible() {
    page(
        "typed_values",
        &[
            "sync -o jsn",
            "sync -o xml",
            "sync -o",
            "sync --concurrency 0",
            "sync --concurrency many",
            "sync --allow-server-id x",
            "sync --login",
            "sync --exclude-tenant",
            "sync --dry-run=client",
            "sync -v=x",
            "get-token --legacy=perhaps",
            "convert-kubeconfig --context a --all",
            "convert-kubeconfig --keep-mode -l spn",
            "sync -t a --exclude-tenant A",
            "sync --discovery graf",
            "sync -o json -o yaml",
            "cache clear --context a --tenant b --account c",
            "cache clear --kubeconfig x",
            "convert-kubeconfig -o yml",
        ],
    );
}

#[test]
fn an_argument_that_is_not_utf8_is_named_by_its_flag_or_place() {
    let with = |before: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.env_clear().args(before);
        run(command.arg(OsString::from_vec(b"\xff".to_vec())))
    };
    let ran = with(&["sync", "--tenant-id"]);
    assert_eq!(
        ran.stderr,
        "error: the value of `--tenant-id` is not UTF-8\nhint: see `kubectl aad sync --help`\n"
    );
    assert_eq!(ran.code, 2);
}

#[test]
fn an_error_in_what_is_typed_shows_no_secret() {
    for line in [
        "sync --pasword hunter2",
        "sync --pasword=hunter2",
        "sync --pasword:hunter2",
        "sync --passwordhunter2",
        "sync -phunter2",
        "sync -p hunter2",
        "sync --client-secret=hunter2 --oops",
        "sync --client-secret hunter2 -o xml",
        "sync --client-secret= hunter2",
        "sync --client-secret two hunter2 words",
        "sync --password=two hunter2 -g x",
        "sync --arm-client-secret= hunter2",
        "get-token --client-secret x hunter2",
        "get-token -l ropc --password two hunter2 words",
        "--client-secret hunter2 get-token",
        "--client-secret=hunter2",
        "convert-kubeconfig --password hunter2 --all --context x",
        "get-token --client-certificate-password=hunter2 --legacy=perhaps",
        "cache list --client-secret=hunter2",
        "cache client-secret=hunter2",
        "client-secret=hunter2 sync",
        "sync AZURE_CLIENT_SECRET=hunter2",
        "help client-secret=hunter2",
        "sync client-secret=hunter2",
        "sync \u{2014}client-secret=hunter2",
        "sync -o client-secret=hunter2",
        "sync --concurrency client-secret=hunter2",
        "sync --Client-Secrethunter2",
        "sync --client_secrethunter2",
        "sync --client-secerthunter2",
        "sync --secrethunter2",
    ] {
        let ran = typed(line);
        assert_eq!(ran.code, 2, "{line}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
        let output = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!output.contains(SECRET), "{line}: {output}");
    }
}

#[test]
fn verbosity_needs_no_number() {
    for line in [
        "-v list -o xml",
        "list -o xml -v",
        "list -v -o xml",
        "list -vv -o xml",
        "list --v -o xml",
        "-v 5 list -o xml",
        "--v=5 list -o xml",
        "-v5 list -v 1 -o xml",
    ] {
        let ran = typed(line);
        let expected = "error: `xml` is not a value of `--output`\n";
        assert!(ran.stderr.starts_with(expected), "{line}: {}", ran.stderr);
    }
}
