//! Typical errors, with their hints and exit codes.

use std::{fs, os::unix::fs::PermissionsExt as _};

use azure_sim::{AKS_CLIENT_APP, AKS_SERVER_APP, Endpoint, Fault, Place};

use rustix::process::{Pid, Signal, kill_process};

use super::{CLOUD, Page, Ran, TestEnv};
use crate::env::{TIMEOUT, finished, first_words, start};

type Env<'a> = &'a [(&'a str, &'a str)];

/// `get-token` as the fleet's first service principal.
fn application<'a>(test_env: &'a TestEnv, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec![
        "get-token",
        "-e",
        CLOUD,
        "-l",
        "spn",
        "--server-id",
        AKS_SERVER_APP,
    ];
    args.extend([
        "--client-id",
        &test_env.principal.client_id,
        "-t",
        &test_env.tenant,
    ]);
    args.extend(more);
    args
}

fn person<'a>(test_env: &'a TestEnv, mode: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec![
        "get-token",
        "-e",
        CLOUD,
        "-l",
        mode,
        "--server-id",
        AKS_SERVER_APP,
    ];
    args.extend(["--client-id", AKS_CLIENT_APP, "-t", &test_env.tenant]);
    args.extend(more);
    args
}

fn page(test_env: &TestEnv) -> Page {
    let mut page = Page::new(test_env);
    for client in [test_env.principal.client_id.as_str(), AKS_CLIENT_APP] {
        let who = format!(
            "--server-id {AKS_SERVER_APP} --client-id {client} -t {}",
            test_env.tenant
        );
        page.hide(&who, "…");
    }
    page.hide(test_env.principal.secret(), "SECRET");
    page.hide(&test_env.user.password, "PASSWORD");
    page
}

#[test]
fn usage() {
    let test_env = TestEnv::new();
    let mut page = page(&test_env);
    for args in [
        &[][..],
        &["snyc"],
        &["sync", "--subscripton", "x"],
        &["sync", "-l", "password"],
        &["sync", "-o", "wide"],
        &["sync", "-e", "AzureMoonCloud"],
        &["sync", "--concurrency", "0"],
        &["sync", "--timeout", "soon"],
        &["sync", "--exclude-tenant"],
        &["sync", "-l", "spn"],
        &["sync", "--token-store", "cloud"],
        &["get-token"],
        &["get-token", "--server-id", "s", "-l", "devicecode"],
        &[
            "get-token",
            "--server-id",
            "s",
            "-l",
            "spn",
            "--client-id",
            "c",
            "-t",
            "t",
        ],
        &[
            "get-token",
            "--server-id",
            "s",
            "-l",
            "ropc",
            "--client-id",
            "c",
            "-t",
            "t",
        ],
        &["get-token", "--server-id", "s", "-l", "workloadidentity"],
        &["get-token", "--server-id", "s", "-l", "azurepipelines"],
        &["get-token", "--server-id", "s", "-l", "nobody"],
        &[
            "get-token",
            "--server-id",
            "s",
            "-l",
            "azurecli",
            "--authority-host",
            "http://login.example",
        ],
        &[
            "get-token",
            "--server-id",
            "s",
            "-l",
            "azurecli",
            "--pop-enabled",
        ],
        &[
            "get-token",
            "--server-id",
            "s",
            "-l",
            "azurecli",
            "--timeout",
            "-1s",
        ],
        &["convert-kubeconfig", "-l", "nobody"],
        &["convert-kubeconfig", "--context", "a", "--all"],
        &["cache", "show"],
        &["cache", "clear", "--context", "a", "--tenant", "b"],
    ] {
        page.run(&test_env, args, &[]);
    }
    page.assert("errors_usage");
}

#[test]
fn sign_in_with_az_and_azd() {
    let test_env = TestEnv::new();
    let mut page = page(&test_env);
    let tenant = test_env.tenant.clone();
    let az = test_env.bin("az");
    let cli = [
        "get-token",
        "-e",
        CLOUD,
        "-l",
        "azurecli",
        "--server-id",
        AKS_SERVER_APP,
        "-t",
        &tenant,
    ];
    page.note("another account of az than the one that is asked for");
    page.run(
        &test_env,
        &[&cli[..], &["--subscription", "nowhere"]].concat(),
        &[],
    );
    page.note("az is set to another cloud");
    page.run(&test_env, &["list", "-e", "AzureUSGovernmentCloud"], &[]);
    page.note("nobody is signed in to az");
    assert_eq!(super::run(test_env.program(&az).arg("logout")).code, 0);
    page.run(&test_env, &cli, &[]);
    page.run(&test_env, &["sync", "-e", CLOUD], &[]);
    page.note("az does not answer");
    test_env.install_script("az", "#!/bin/sh\nexec sleep 600\n");
    page.run(&test_env, &[&cli[..], &["--timeout", "1s"]].concat(), &[]);
    page.note("az fails");
    test_env.install_script(
        "az",
        "#!/bin/sh\necho 'ERROR: The command failed with an unexpected error.' >&2\nexit 1\n",
    );
    page.run(&test_env, &cli, &[]);
    page.note("az answers with something else");
    test_env.install_script("az", "#!/bin/sh\necho hello\n");
    page.run(&test_env, &cli, &[]);
    page.note("no az, no azd");
    let nowhere = [("PATH", "/nowhere")];
    page.run(&test_env, &cli, &nowhere);
    page.run(&test_env, &["list", "-e", CLOUD], &nowhere);
    page.run(
        &test_env,
        &[
            "get-token",
            "-e",
            CLOUD,
            "-l",
            "azd",
            "--server-id",
            AKS_SERVER_APP,
        ],
        &nowhere,
    );
    page.note("nobody is signed in to azd");
    test_env.install_azd();
    page.run(
        &test_env,
        &[
            "get-token",
            "-e",
            CLOUD,
            "-l",
            "azd",
            "--server-id",
            AKS_SERVER_APP,
            "-t",
            &tenant,
        ],
        &[],
    );
    page.assert("errors_developer_tools");
}

#[test]
fn entra() {
    let test_env = TestEnv::new();
    let mut page = page(&test_env);
    let simulator = &test_env.simulator;
    let secret = [("AZURE_CLIENT_SECRET", test_env.principal.secret())];
    let password = [("AZURE_PASSWORD", test_env.user.password.as_str())];
    let by_password = person(&test_env, "ropc", &["--username", &test_env.user.upn]);
    page.note("a wrong secret");
    page.run(
        &test_env,
        &application(&test_env, &[]),
        &[("AZURE_CLIENT_SECRET", "wrong")],
    );
    page.note("an unknown tenant");
    page.run(
        &test_env,
        &application(&test_env, &["-t", "nobody.example"]),
        &secret,
    );
    page.note("an unknown client");
    page.run(
        &test_env,
        &application(
            &test_env,
            &["--client-id", "00000000-0000-4000-8000-000000000000"],
        ),
        &secret,
    );
    page.note("an unknown server");
    page.run(
        &test_env,
        &application(
            &test_env,
            &["--server-id", "00000000-0000-4000-8000-000000000000"],
        ),
        &secret,
    );
    page.note("a wrong password");
    page.run(&test_env, &by_password, &[("AZURE_PASSWORD", "wrong")]);
    page.note("multi-factor authentication");
    simulator.update(|fleet| fleet.users[0].mfa_required = true);
    page.run(&test_env, &by_password, &password);
    page.note("conditional access");
    simulator.update(|fleet| {
        fleet.users[0].mfa_required = false;
        fleet.tenants[0].blocked = true;
    });
    page.run(&test_env, &by_password, &password);
    page.run(&test_env, &person(&test_env, "devicecode", &[]), &[]);
    simulator.update(|fleet| fleet.tenants[0].blocked = false);
    for (code, message) in [
        (
            7_000_222,
            "The provided client secret keys for app are expired.",
        ),
        (
            65_001,
            "The user or administrator has not consented to use the application.",
        ),
        (
            700_024,
            "Client assertion is not within its valid time range.",
        ),
        (4_711, "Something that no table has."),
    ] {
        let id = simulator.faults().add(Fault::on(Endpoint::Token).error(
            400,
            "invalid_request",
            format!("AADSTS{code}: {message}"),
        ));
        page.note(&format!("AADSTS{code}"));
        page.run(&test_env, &application(&test_env, &[]), &secret);
        simulator.faults().remove(id);
    }
    page.assert("errors_entra");
}

#[test]
fn files_of_a_sign_in() {
    let test_env = TestEnv::new();
    let mut page = page(&test_env);
    let garbage = test_env.path("garbage.pem");
    fs::write(&garbage, "-----BEGIN CERTIFICATE-----\nno\n").expect("written");
    let garbage = garbage.display().to_string();
    let missing = test_env.path("missing").display().to_string();
    for more in [
        ["--client-certificate", missing.as_str()],
        ["--client-certificate", &garbage],
    ] {
        page.run(&test_env, &application(&test_env, &more), &[]);
    }
    page.run(
        &test_env,
        &person(
            &test_env,
            "workloadidentity",
            &["--federated-token-file", &missing],
        ),
        &[],
    );
    page.run(
        &test_env,
        &["list", "-e", CLOUD],
        &[("AZURE_ENVIRONMENT_FILEPATH", &missing)],
    );
    page.run(
        &test_env,
        &["list", "-e", CLOUD],
        &[("AZURE_ENVIRONMENT_FILEPATH", &garbage)],
    );
    page.run(
        &test_env,
        &["list", "-e", CLOUD],
        &[("SSL_CERT_FILE", &missing)],
    );
    page.assert("errors_files");
}

#[test]
fn managed_identity() {
    let test_env = TestEnv::new();
    let mut page = page(&test_env);
    let simulator = &test_env.simulator;
    let msi = [
        "get-token",
        "-e",
        CLOUD,
        "-l",
        "msi",
        "--server-id",
        AKS_SERVER_APP,
    ];
    let imds = simulator.imds_url();
    let imds = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", imds.as_str())];
    page.note("no managed identity service");
    page.run(
        &test_env,
        &msi,
        &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")],
    );
    page.note("an unknown identity");
    page.run(
        &test_env,
        &[&msi[..], &["--client-id", "stranger"]].concat(),
        &imds,
    );
    page.note("the service is being updated");
    simulator
        .faults()
        .add(Fault::on(Endpoint::Imds).retry_after(410, "30"));
    page.run(
        &test_env,
        &[&msi[..], &["--timeout", "20s"]].concat(),
        &imds,
    );
    page.note("a pipeline without its variables");
    page.run(
        &test_env,
        &person(
            &test_env,
            "azurepipelines",
            &["--azure-pipelines-service-connection-id", "connection"],
        ),
        &[],
    );
    page.note("a pipeline with a wrong token");
    let env = simulator.env_for(Place::AzurePipelines, &test_env.files);
    let mut env: Vec<_> = env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    env.retain(|(name, _)| name.starts_with("SYSTEM_"));
    env.push(("SYSTEM_ACCESSTOKEN", "wrong"));
    let args = person(
        &test_env,
        "azurepipelines",
        &["--azure-pipelines-service-connection-id", "connection"],
    );
    let ran = super::run(&mut super::command(&test_env, &args, &env));
    page.ran(&args, &[("SYSTEM_ACCESSTOKEN", "wrong")], &ran);
    page.assert("errors_machine");
}

#[test]
fn arm() {
    let test_env = TestEnv::new();
    let mut page = page(&test_env);
    let faults = test_env.simulator.faults();
    let sync = ["sync", "-e", CLOUD];
    for (endpoint, status) in [
        (Endpoint::Tenants, 401),
        (Endpoint::Subscriptions, 403),
        (Endpoint::ManagedClusters, 403),
        (Endpoint::ListClusterUserCredential, 403),
        (Endpoint::ListClusterUserCredential, 404),
    ] {
        page.note(&format!("{} answers {status}", endpoint.name()));
        faults.add(Fault::on(endpoint).status(status));
        page.run(&test_env, &sync, &[]);
        faults.clear();
    }
    page.note("throttled for longer than the time there is");
    faults.add(Fault::on(Endpoint::ManagedClusters).throttled(3600));
    page.run(&test_env, &sync, &[]);
    faults.clear();
    page.note("a web page");
    faults.add(Fault::on(Endpoint::Subscriptions).body(
        403,
        "text/html",
        "<html><title>Blocked</title>",
    ));
    page.run(&test_env, &sync, &[]);
    faults.clear();
    page.note("half an answer");
    faults.add(Fault::on(Endpoint::Subscriptions).malformed());
    page.run(&test_env, &sync, &[]);
    faults.clear();
    page.note("filters that match nothing");
    page.run(
        &test_env,
        &["sync", "-e", CLOUD, "--subscription", "nothing"],
        &[],
    );
    page.run(
        &test_env,
        &["sync", "-e", CLOUD, "--exclude-tenant", &test_env.tenant],
        &[],
    );
    page.run(
        &test_env,
        &["sync", "-e", CLOUD, "-t", "nobody.example"],
        &[],
    );
    page.assert("errors_arm");
}

#[test]
fn interrupted() {
    let test_env = TestEnv::new();
    let mut page = page(&test_env);
    for (args, endpoint) in [
        (
            vec!["sync", "-e", CLOUD],
            Endpoint::ListClusterUserCredential,
        ),
        (vec!["list", "-e", CLOUD], Endpoint::ManagedClusters),
    ] {
        let hold = test_env.simulator.hold(Fault::on(endpoint));
        let child = start(&mut super::command(&test_env, &args, &[]));
        hold.wait_for(1, TIMEOUT);
        kill_process(Pid::from_child(&child), Signal::INT).expect("ours");
        page.ran(&args, &[], &finished(child));
    }
    page.assert("errors_interrupted");
}

#[test]
fn network() {
    let test_env = TestEnv::new();
    let mut page = page(&test_env);
    let other = TestEnv::new();
    page.hide(&other.files.ca.display().to_string(), "/home/ben/ca.pem");
    let secret = test_env.principal.secret();
    let faults = test_env.simulator.faults();
    let get = application(&test_env, &[]);
    let run = |page: &mut Page, args: &[&str], more: Env<'_>| {
        let env = [&[("AZURE_CLIENT_SECRET", secret)], more].concat();
        page.run(&test_env, args, &env);
    };
    page.note("a certificate that is not trusted");
    run(
        &mut page,
        &get,
        &[("SSL_CERT_FILE", &other.files.ca.display().to_string())],
    );
    page.note("proxies");
    let elsewhere = application(
        &test_env,
        &["--authority-host", "https://login.elsewhere.example/"],
    );
    run(
        &mut page,
        &elsewhere,
        &[("HTTPS_PROXY", "http://127.0.0.1:9")],
    );
    run(
        &mut page,
        &elsewhere,
        &[("HTTPS_PROXY", "ftp://proxy.example")],
    );
    page.note("nobody listens");
    run(
        &mut page,
        &application(&test_env, &["--authority-host", "https://127.0.0.1:9/"]),
        &[],
    );
    page.note("no answer in time");
    faults.add(Fault::on(Endpoint::Token).latency(TIMEOUT));
    run(
        &mut page,
        &application(&test_env, &["--timeout", "2s"]),
        &[],
    );
    faults.clear();
    page.note("throttled for longer than the time there is");
    faults.add(Fault::on(Endpoint::Token).throttled(300));
    run(&mut page, &get, &[]);
    faults.clear();
    page.note("a web page");
    faults.add(Fault::on(Endpoint::Token).body(403, "text/html", "<html><title>Blocked</title>"));
    run(&mut page, &get, &[]);
    page.assert("errors_network");
}

#[test]
fn kubeconfig() {
    let test_env = TestEnv::new();
    let mut page = page(&test_env);
    let sync = ["sync", "-e", CLOUD];
    let convert = ["convert-kubeconfig", "-l", "azurecli"];
    let kubeconfig = test_env.kubeconfig();
    fs::create_dir_all(kubeconfig.parent().expect("a directory")).expect("made");
    for text in [
        "apiVersion: v1\nclusters: [\n",
        "apiVersion: v1\nkind: config\n",
        "apiVersion: v1\nkind: Config\nusers:\n- name: a\n  user: {token: 12e3}\n",
        "apiVersion: v1\nkind: Config\nusers:\n- {name: a, user: {}}\n- {name: a, user: {}}\n",
    ] {
        fs::write(&kubeconfig, text).expect("written");
        page.file(&kubeconfig);
        page.run(&test_env, &sync, &[]);
        page.run(&test_env, &convert, &[]);
    }
    page.note("a directory");
    fs::remove_file(&kubeconfig).expect("ours");
    fs::create_dir(&kubeconfig).expect("made");
    page.run(&test_env, &sync, &[]);
    page.run(&test_env, &convert, &[]);
    fs::remove_dir(&kubeconfig).expect("ours");
    page.note("a context that is not there");
    page.run(&test_env, &["cache", "clear", "--context", "prod"], &[]);
    page.note("another program holds the lock of the kubeconfig");
    let locked = test_env.path("locked.yaml");
    fs::write(&locked, "apiVersion: v1\nkind: Config\n").expect("written");
    let lock = test_env.path("locked.yaml.lock");
    fs::write(&lock, "").expect("a lock of kubectl");
    let path = locked.display().to_string();
    let args = [&sync[..], &["--kubeconfig", &path, "-o", "name"]].concat();
    let mut child = start(&mut super::command(&test_env, &args, &[]));
    let waiting = first_words(&mut child, &["up to 30 s\n"]);
    fs::remove_file(&lock).expect("ours");
    let rest = finished(child);
    page.ran(
        &args,
        &[],
        &Ran {
            stderr: waiting + &rest.stderr,
            ..rest
        },
    );
    page.assert("errors_kubeconfig");
}

#[test]
fn token_cache() {
    let test_env = TestEnv::new();
    let mut page = page(&test_env);
    let secret = [("AZURE_CLIENT_SECRET", test_env.principal.secret())];
    let cache = test_env.path("cache");
    fs::create_dir(&cache).expect("made");
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).expect("ours");
    let path = cache.display().to_string();
    page.note("others can write to it");
    page.run(
        &test_env,
        &application(&test_env, &["--cache-dir", &path, "-v", "1"]),
        &secret,
    );
    page.run(&test_env, &["cache", "list", "--cache-dir", &path], &[]);
    page.note("a file");
    fs::remove_dir_all(&cache).expect("ours");
    fs::write(&cache, "").expect("written");
    page.run(
        &test_env,
        &application(&test_env, &["--cache-dir", &path, "-v", "1"]),
        &secret,
    );
    page.run(&test_env, &["cache", "list", "--cache-dir", &path], &[]);
    page.note("a relative path");
    page.run(&test_env, &["cache", "list", "--cache-dir", "cache"], &[]);
    page.assert("errors_cache");
}
