//! Typical errors, with their hints and exit codes.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use azure_sim::{AKS_SERVER_APP, Endpoint, Fault, GraphSettings, Place, Role, RoleAssignment};
use rustix::process::Signal;

use super::{CLOUD, Page, Ran, TestEnv, command, ids, person};
use crate::env::{TIMEOUT, finished, first_words, signal, start};

/// `get-token` for the fleet's first service principal.
fn application(test_env: &TestEnv) -> String {
    let ids = ids(&test_env.principal.client_id, &test_env.tenant);
    format!("get-token -e {CLOUD} -l spn {ids}")
}

/// The same with its secret in the variable.
fn with_secret(test_env: &TestEnv) -> String {
    let secret = test_env.principal.secret();
    format!("AZURE_CLIENT_SECRET={secret} {}", application(test_env))
}

#[test]
fn usage() {
    let test_env = TestEnv::new();
    let mut page = Page::new(&test_env);
    for line in [
        "",
        "snyc",
        "sync --subscripton x",
        "sync -l password",
        "sync -l azurcli",
        "AAD_LOGIN_METHOD=azcli sync",
        "sync -o wide",
        "sync -e AzureMoonCloud",
        "sync -e AzurePubicCloud",
        "sync --concurrency 0",
        "sync --timeout soon",
        "sync --exclude-tenant",
        "sync -l spn",
        "sync --token-store cloud",
        "sync --token-store keyrings",
        "get-token",
        "get-token --server-id s -l devicecode",
        "get-token --server-id s -l spn --client-id c -t t",
        "get-token --server-id s -l ropc --client-id c -t t",
        "get-token --server-id s -l workloadidentity",
        "get-token --server-id s -l azurepipelines",
        "get-token --server-id s -l nobody",
        "get-token --server-id s -l azurecli --authority-host http://login.example",
        "get-token --server-id s -l azurecli --pop-enabled",
        "get-token --server-id s -l azurecli --timeout -1s",
        "convert-kubeconfig -l nobody",
        "convert-kubeconfig --context a --all",
        "cache show",
        "cache clear --context a --tenant b",
    ] {
        page.run(line);
    }
    page.assert("errors_usage");
}

#[test]
fn sign_in_with_az_and_azd() {
    let test_env = TestEnv::new();
    let mut page = Page::new(&test_env);
    let tenant = &test_env.tenant;
    let az = format!("get-token -e {CLOUD} -l azurecli --server-id {AKS_SERVER_APP} -t {tenant}");
    let azd = az.replace("azurecli", "azd");
    let list = format!("list -e {CLOUD}");
    page.note("an unknown subscription");
    page.run(&format!("{az} --subscription nowhere"));
    page.note("az is set to another cloud");
    page.run("list -e AzureUSGovernmentCloud");
    page.note("nobody is signed in to az");
    test_env.az(&["logout"]);
    page.run(&az).run(&list);
    page.note("az does not answer");
    test_env.install_script("az", "#!/bin/sh\nexec sleep 600\n");
    page.run(&format!("{az} --timeout 1s"));
    page.note("az fails");
    let message = "ERROR: The command failed with an unexpected error.";
    let script = format!("#!/bin/sh\necho '{message}' >&2\nexit 1\n");
    test_env.install_script("az", &script);
    page.run(&az);
    page.note("az fails with a traceback");
    test_env.install_script("az", &failing_with(AZ_TRACEBACK));
    page.run(&az);
    page.note("az answers with something else");
    test_env.install_script("az", "#!/bin/sh\necho hello\n");
    page.run(&az);
    page.note("no az, no azd");
    for line in [&az, &list, &azd] {
        page.run(&format!("PATH=/nowhere {line}"));
    }
    page.note("nobody is signed in to azd");
    test_env.install_azd();
    page.run(&azd);
    page.note("azd asks an az that fails with a traceback");
    test_env.install_script("azd", &failing_with(AZ_TRACEBACK));
    page.run(&azd);
    page.assert("errors_developer_tools");
}

/// What az prints when it fails in an unexpected way, as on Windows.
const AZ_TRACEBACK: &str = "\
WARNING: You have 2 updates available. Consider updating your CLI installation with 'az upgrade'\r
ERROR: The command failed with an unexpected error. Here is the traceback:\r
ERROR: HTTPSConnectionPool(port=443): Max retries exceeded\r
Traceback (most recent call last):\r
  File \"urllib3/connection.py\", line 174, in _new_conn\r
    conn = connection.create_connection(\r
socket.gaierror: [Errno -2] Name or service not known\r
\r
During handling of the above exception, another exception occurred:\r
\r
Traceback (most recent call last):\r
  File \"requests/adapters.py\", line 501, in send\r
    raise ConnectionError(e, request=request)\r
requests.exceptions.ConnectionError: HTTPSConnectionPool(port=443): Max retries exceeded\r
To check existing issues, please visit: https://github.com/Azure/azure-cli/issues\r
To open a new issue, please run `az feedback`\r
";

/// A script that prints `text` on stderr and fails.
fn failing_with(text: &str) -> String {
    format!("#!/bin/sh\ncat >&2 <<'EOF'\n{text}EOF\nexit 1\n")
}

#[test]
fn entra() {
    let test_env = TestEnv::new();
    let mut page = Page::new(&test_env);
    let simulator = &test_env.simulator;
    let application = application(&test_env);
    let with_secret = with_secret(&test_env);
    let person_with_password = format!(
        "{} --username {}",
        person(&test_env, "ropc"),
        test_env.user.upn
    );
    let with_password = format!(
        "AZURE_PASSWORD={} {person_with_password}",
        test_env.user.password
    );
    let nothing = "00000000-0000-4000-8000-000000000000";
    page.note("a wrong secret");
    page.run(&format!("AZURE_CLIENT_SECRET=wrong {application}"));
    page.note("an unknown tenant");
    page.run(&format!("{with_secret} -t nobody.example"));
    page.note("an unknown client");
    page.run(&format!("{with_secret} --client-id {nothing}"));
    page.note("an unknown server");
    page.run(&format!("{with_secret} --server-id {nothing}"));
    page.note("a wrong password");
    page.run(&format!("AZURE_PASSWORD=wrong {person_with_password}"));
    page.note("multi-factor authentication");
    simulator.update(|fleet| fleet.users[0].mfa_required = true);
    page.run(&with_password);
    page.note("conditional access");
    simulator.update(|fleet| {
        fleet.users[0].mfa_required = false;
        fleet.tenants[0].blocked = true;
    });
    page.run(&with_password);
    page.run(&person(&test_env, "devicecode"));
    simulator.update(|fleet| fleet.tenants[0].blocked = false);
    for message in [
        "AADSTS7000222: The provided client secret keys for app are expired.",
        "AADSTS65001: The user or administrator has not consented to use the application.",
        "AADSTS700024: Client assertion is not within its valid time range.",
        "AADSTS4711: Something that no table has.",
    ] {
        let fault = Fault::on(Endpoint::Token).error(400, "invalid_request", message);
        simulator.faults().add(fault);
        page.note(message).run(&with_secret);
        simulator.faults().clear();
    }
    page.assert("errors_entra");
}

#[test]
fn files_of_a_sign_in() {
    let test_env = TestEnv::new();
    let mut page = Page::new(&test_env);
    let garbage = test_env.path("garbage.pem");
    fs::write(&garbage, "-----BEGIN CERTIFICATE-----\nno\n").expect("written");
    let [garbage, missing] =
        [garbage, test_env.path("missing")].map(|path| path.display().to_string());
    let application = application(&test_env);
    for file in [&missing, &garbage] {
        page.run(&format!("{application} --client-certificate {file}"));
    }
    let federated = person(&test_env, "workloadidentity");
    page.run(&format!("{federated} --federated-token-file {missing}"));
    for file in [&missing, &garbage] {
        page.run(&format!(
            "AZURE_ENVIRONMENT_FILEPATH={file} list -e {CLOUD}"
        ));
    }
    page.run(&format!("SSL_CERT_FILE={missing} list -e {CLOUD}"));
    page.assert("errors_files");
}

#[test]
fn machines_and_pipelines() {
    let test_env = TestEnv::new();
    let mut page = Page::new(&test_env);
    let simulator = &test_env.simulator;
    let msi = format!("get-token -e {CLOUD} -l msi --server-id {AKS_SERVER_APP}");
    let at = |host: &str| format!("AZURE_POD_IDENTITY_AUTHORITY_HOST={host} {msi}");
    page.note("no managed identity service");
    page.run(&at("http://127.0.0.1:9"));
    let msi = at(&simulator.imds_url());
    page.note("an unknown identity");
    page.run(&format!("{msi} --client-id stranger"));
    page.note("the service is being updated");
    let updating = Fault::on(Endpoint::Imds).retry_after(410, "30");
    simulator.faults().add(updating);
    page.run(&format!("{msi} --timeout 20s"));
    page.note("a pipeline without its variables");
    let pipeline = person(&test_env, "azurepipelines");
    let pipeline = format!("{pipeline} --azure-pipelines-service-connection-id connection");
    page.run(&pipeline);
    page.note("a pipeline with a wrong token");
    let variables = simulator.env_for(Place::AzurePipelines, &test_env.files);
    let (name, uri) = variables
        .iter()
        .find(|(name, _)| name == "SYSTEM_OIDCREQUESTURI")
        .expect("a pipeline has it");
    page.run(&format!("{name}={uri} SYSTEM_ACCESSTOKEN=wrong {pipeline}"));
    page.assert("errors_machine");
}

#[test]
fn arm() {
    let test_env = TestEnv::new();
    let mut page = Page::new(&test_env);
    let faults = test_env.simulator.faults();
    let sync = format!("sync -e {CLOUD}");
    let blocked = "<html><title>Blocked</title>";
    let on = Fault::on;
    for (note, fault) in [
        ("tenants: 401", on(Endpoint::Tenants).status(401)),
        (
            "subscriptions: 403",
            on(Endpoint::Subscriptions).status(403),
        ),
        ("clusters: 403", on(Endpoint::ManagedClusters).status(403)),
        (
            "credential: 403",
            on(Endpoint::ListClusterUserCredential).status(403),
        ),
        (
            "credential: 404",
            on(Endpoint::ListClusterUserCredential).status(404),
        ),
        (
            "throttled for longer than the timeout",
            on(Endpoint::ManagedClusters).throttled(3600),
        ),
        (
            "a web page",
            on(Endpoint::Subscriptions).body(403, "text/html", blocked),
        ),
        ("half an answer", on(Endpoint::Subscriptions).malformed()),
    ] {
        faults.add(fault);
        // What ARM last answered would do.
        let refresh = match note.starts_with("credential") {
            true => " --refresh",
            false => "",
        };
        page.note(note).run(&format!("{sync}{refresh}"));
        faults.clear();
    }
    page.note("Resource Graph refuses, and hides a subscription's name");
    let graph = format!("list -e {CLOUD} --discovery graph");
    let change = |change: fn(&mut GraphSettings)| {
        test_env
            .simulator
            .configure(|settings| change(&mut settings.graph));
    };
    change(|graph| graph.refused = true);
    page.run(&graph);
    change(|graph| (graph.refused, graph.absent) = (false, true));
    page.run(&graph);
    change(|graph| graph.absent = false);
    let cluster = test_env.simulator.fleet().clusters[0].id.clone();
    let role = RoleAssignment::new(cluster, Role::ClusterUser);
    test_env
        .simulator
        .update(|fleet| fleet.users[0].roles = vec![role]);
    page.run(&graph);
    let role = RoleAssignment::owner_of_all();
    test_env
        .simulator
        .update(|fleet| fleet.users[0].roles = vec![role]);
    page.note("filters that match nothing");
    page.run(&format!("{sync} --subscription nothing"));
    page.run(&format!("{sync} --exclude-tenant {}", test_env.tenant));
    page.run(&format!("{sync} -t nobody.example"));
    page.assert("errors_arm");
}

#[test]
fn interrupted() {
    let test_env = TestEnv::new();
    let mut page = Page::new(&test_env);
    for (name, endpoint) in [
        ("sync", Endpoint::ListClusterUserCredential),
        ("list", Endpoint::ManagedClusters),
    ] {
        let line = format!("{name} -e {CLOUD}");
        let hold = test_env.simulator.hold(Fault::on(endpoint));
        let child = start(&mut command(&test_env, &line));
        hold.wait_for(1, TIMEOUT);
        signal(&child, Signal::INT);
        page.ran(&line, &finished(child));
    }
    page.assert("errors_interrupted");
}

#[test]
fn network() {
    let (test_env, other) = (TestEnv::new(), TestEnv::new());
    let mut page = Page::new(&test_env);
    let roots = other.files.ca.display().to_string();
    page.hide(&roots, "/home/ben/ca.pem");
    let faults = test_env.simulator.faults();
    let get = with_secret(&test_env);
    page.note("a certificate that is not trusted");
    page.run(&format!("SSL_CERT_FILE={roots} {get}"));
    page.note("proxies");
    for proxy in ["http://127.0.0.1:9", "ftp://proxy.example"] {
        let host = "--authority-host https://login.elsewhere.example/";
        page.run(&format!("HTTPS_PROXY={proxy} {get} {host}"));
    }
    page.note("nobody listens");
    page.run(&format!("{get} --authority-host https://127.0.0.1:9/"));
    let blocked = "<html><title>Blocked</title>";
    let on = || Fault::on(Endpoint::Token);
    for (note, fault, more) in [
        ("no answer in time", on().latency(TIMEOUT), "--timeout 2s"),
        (
            "throttled for longer than the timeout",
            on().throttled(300),
            "",
        ),
        ("a web page", on().body(403, "text/html", blocked), ""),
    ] {
        faults.add(fault);
        page.note(note).run(&format!("{get} {more}"));
        faults.clear();
    }
    page.assert("errors_network");
}

#[test]
fn kubeconfig() {
    let test_env = TestEnv::new();
    let mut page = Page::new(&test_env);
    let sync = format!("sync -e {CLOUD}");
    let convert = "convert-kubeconfig -l azurecli";
    let kubeconfig = test_env.kubeconfig();
    fs::create_dir_all(kubeconfig.parent().expect("a directory")).expect("made");
    for text in [
        "apiVersion: v1\nclusters: [\n",
        "apiVersion: v1\nkind: config\n",
        "apiVersion: v1\nkind: Config\nusers:\n- name: a\n  user: {token: 12e3}\n",
        "apiVersion: v1\nkind: Config\nusers:\n- {name: a, user: {}}\n- {name: a, user: {}}\n",
    ] {
        fs::write(&kubeconfig, text).expect("written");
        page.file(&kubeconfig).run(&sync).run(convert);
    }
    fs::remove_file(&kubeconfig).expect("ours");
    fs::create_dir(&kubeconfig).expect("made");
    page.note("a directory").run(&sync).run(convert);
    fs::remove_dir(&kubeconfig).expect("ours");
    page.note("an unknown context");
    page.run("cache clear --context prod");
    page.note("another program holds the lock of the kubeconfig");
    let locked = test_env.path("locked.yaml");
    fs::write(&locked, "apiVersion: v1\nkind: Config\n").expect("written");
    let lock = test_env.path("locked.yaml.lock");
    fs::write(&lock, "").expect("a lock of kubectl");
    let line = format!("{sync} --kubeconfig {} -o name", locked.display());
    let mut child = start(&mut command(&test_env, &line));
    let waiting = first_words(&mut child, &["30 s\n"]);
    fs::remove_file(&lock).expect("ours");
    let ran = finished(child);
    let stderr = waiting + &ran.stderr;
    page.ran(&line, &Ran { stderr, ..ran });
    page.assert("errors_kubeconfig");
}

#[test]
fn token_cache() {
    let test_env = TestEnv::new();
    let mut page = Page::new(&test_env);
    let cache = test_env.path("cache");
    let get = with_secret(&test_env);
    let mut both = |note: &str, cache: &Path| {
        let flag = format!("--cache-dir {}", cache.display());
        page.note(note).run(&format!("{get} {flag} -v 1"));
        page.run(&format!("cache list {flag}"));
    };
    fs::create_dir(&cache).expect("made");
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).expect("ours");
    both("others can write to it", &cache);
    fs::remove_dir_all(&cache).expect("ours");
    fs::write(&cache, "").expect("written");
    both("a file", &cache);
    both("a relative path", Path::new("cache"));
    page.assert("errors_cache");
}
