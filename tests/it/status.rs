//! `kubectl aad status`: what it tells, without asking anybody, and whatever is broken.

use std::fs;

use azure_sim::{AKS_CLIENT_APP, AKS_SERVER_APP, Fleet, FleetSpec};
use serde_json::{Value, json};

use crate::{
    documents::documented,
    env::{AtATerminal, INTERACTIVE, PROGRAM, Ran, Size, TestEnv, run},
    snapshots::Page,
    support::peer,
};

/// `status`, where tokens are stored in files.
fn status(test_env: &TestEnv, args: &[&str]) -> Ran {
    status_with(test_env, args, &[])
}

fn status_with(test_env: &TestEnv, args: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = test_env.aad(&["status"]);
    let ran = run(command
        .args(args)
        .env("AAD_TOKEN_STORE", "file")
        .envs(variables.iter().copied()));
    test_env.check_for_leaks(&ran);
    ran
}

fn json_of(test_env: &TestEnv, code: i32, variables: &[(&str, &str)]) -> Value {
    status_with(test_env, &["-o", "json"], variables).json(code)
}

fn sync(test_env: &TestEnv, args: &[&str], variables: &[(&str, &str)]) {
    let mut command = test_env.sync(&["-q"]);
    let ran = run(command
        .args(args)
        .env("AAD_TOKEN_STORE", "file")
        .envs(variables.iter().copied()));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

fn fleet(clusters: usize, subscriptions: usize, tenants: usize) -> TestEnv {
    TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters,
        subscriptions,
        tenants,
        ..FleetSpec::default()
    }))
}

fn only(rows: &Value) -> &Value {
    let rows = rows.as_array().expect("a list");
    assert_eq!(rows.len(), 1, "{rows:?}");
    &rows[0]
}

#[test]
fn az_is_the_account_of_its_contexts_and_asked_again_when_the_token_expires() {
    let test_env = fleet(4, 2, 1);
    sync(&test_env, &[], &[]);
    test_env.simulator.reset();
    let report = json_of(&test_env, 0, &[]);
    let row = only(&report["signIns"]);
    assert_eq!(row["account"], test_env.user.upn.as_str());
    assert_eq!(row["login"], "azurecli");
    assert_eq!(row["contexts"], 4);
    assert_eq!(row["next"], "tool");
    assert!(row["expiresOn"].is_string());
    assert_eq!(report["contexts"]["total"], 4);
    let groups = report["contexts"]["bySubscription"]
        .as_array()
        .expect("a list");
    assert_eq!(groups.len(), 2);
    assert!(groups.iter().all(|group| group["subscription"].is_string()));
    assert_eq!(only(&report["syncs"])["complete"], true);
    assert_eq!(report["contexts"]["notSeen"], json!([]));
    assert_eq!(report["problems"], json!([]));
    assert_eq!(test_env.simulator.counters().total(), 0, "nothing is asked");
    assert!(test_env.simulator.tool_starts().is_empty());
    // Where another directory is the shell's, the contexts still mean theirs.
    let elsewhere = [("AZURE_CONFIG_DIR", "/nowhere")];
    assert_eq!(
        json_of(&test_env, 0, &elsewhere)["signIns"],
        report["signIns"]
    );
}

#[test]
fn who_logged_out_of_az_is_told_to_log_in() {
    let test_env = fleet(2, 1, 1);
    sync(&test_env, &[], &[]);
    test_env.az(&["logout"]);
    let report = json_of(&test_env, 1, &[]);
    let problem = only(&report["problems"]);
    assert_eq!(problem["code"], "notSignedIn");
    let hint = problem["hint"].as_str().expect("a hint");
    assert!(hint.contains("az login --tenant"), "{hint}");
    assert!(
        problem["message"]
            .as_str()
            .expect("text")
            .contains("2 contexts")
    );
}

#[test]
fn a_person_is_refreshed_until_the_sign_in_is_gone() {
    let test_env = fleet(2, 1, 1);
    let upn = test_env.user.upn.clone();
    let args = [
        "-l",
        "devicecode",
        "--account",
        &upn,
        "-t",
        &test_env.tenant,
    ];
    sync(&test_env, &args, &[INTERACTIVE]);
    let next = |code| {
        let report = json_of(&test_env, code, &[]);
        let row = only(&report["signIns"]).clone();
        assert_eq!(row["account"], upn.as_str());
        (row["next"].clone(), row["expiresOn"].is_string(), report)
    };
    assert!(matches!(next(0), (next, true, _) if next == "refresh"));
    // Only the access tokens go.
    let cache = test_env.path(".kube/cache/kubectl-aad");
    for name in crate::env::names(&cache) {
        if name.starts_with("access-") {
            fs::remove_file(cache.join(name)).expect("ours");
        }
    }
    assert!(matches!(next(0), (next, false, _) if next == "refresh"));
    let logout = run(test_env
        .aad(&["logout", "--all"])
        .env("AAD_TOKEN_STORE", "file"));
    assert_eq!(logout.code, 0, "{}", logout.stderr);
    let (next, has_token, report) = next(1);
    assert_eq!((next, has_token), ("signIn".into(), false));
    let hint = only(&report["problems"])["hint"].clone();
    let hint = hint.as_str().expect("a hint");
    assert!(hint.starts_with("`kubectl get ns --context "), "{hint}");
    let command = only(&report["signIns"])["command"].clone();
    let command = command.as_str().expect("a command");
    assert!(
        command.contains("get-token --login devicecode"),
        "{command}"
    );
    assert!(
        command.contains(&format!("--login-hint {upn}")),
        "{command}"
    );
}

#[test]
fn a_service_principal_needs_its_secret_and_says_which_variable_gives_it() {
    let test_env = fleet(2, 1, 1);
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let client = &test_env.principal.client_id;
    let args = ["-l", "spn", "--client-id", client, "-t", &test_env.tenant];
    sync(&test_env, &args, &[secret]);
    let report = json_of(&test_env, 0, &[secret]);
    let row = only(&report["signIns"]);
    assert_eq!(
        (&row["account"], &row["next"]),
        (&json!(client), &json!("credential"))
    );
    let variable = |report: &Value, name: &str| {
        let rows = report["variables"].as_array().expect("a list");
        rows.iter().find(|row| row["name"] == name).cloned()
    };
    let shown = variable(&report, "AZURE_CLIENT_SECRET").expect("it is set");
    assert_eq!(
        shown,
        json!({"name": "AZURE_CLIENT_SECRET", "value": null, "flag": "--client-secret", "contexts": 2, "overrides": false})
    );
    // A variable that the contexts don't read.
    let foreign = json_of(&test_env, 0, &[secret, ("AZURE_CLIENT_ID", "x")]);
    let shown = variable(&foreign, "AZURE_CLIENT_ID").expect("it is set");
    assert_eq!(
        (&shown["contexts"], &shown["value"]),
        (&json!(0), &json!("x"))
    );
    let missing = json_of(&test_env, 1, &[]);
    let problem = only(&missing["problems"]);
    assert_eq!(problem["code"], "invalidInput");
    let hint = problem["hint"].as_str().expect("a hint");
    assert!(hint.contains("`AZURE_CLIENT_SECRET`"), "{hint}");
}

#[test]
fn a_variable_that_replaces_what_contexts_say_is_told() {
    let test_env = fleet(1, 1, 1);
    sync(&test_env, &["--no-warm"], &[]);
    // As an entry that was written for kubelogin, without `--env-secrets-only`.
    let text = test_env.kubeconfig_text();
    let loose = text.replace("      - --env-secrets-only\n", "");
    assert_ne!(text, loose);
    fs::write(test_env.kubeconfig(), loose).expect("written");
    let ran = status_with(&test_env, &[], &[("AZURE_TENANT_ID", "other")]);
    let told = "variable AZURE_TENANT_ID=other replaces `--tenant-id` of 1 context";
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
}

#[test]
fn what_is_broken_is_a_problem_and_the_report_goes_on() {
    let test_env = fleet(2, 1, 1);
    sync(&test_env, &[], &[]);
    let messages = |code, variables: &[(&str, &str)]| {
        let report = json_of(&test_env, code, variables);
        let rows = report["problems"].as_array().expect("a list").clone();
        let texts = rows
            .iter()
            .map(|row| row["message"].as_str().expect("text").to_owned());
        (texts.collect::<Vec<_>>().join("\n"), report)
    };
    let config = test_env.write("config.yaml", "no-such-key: x\n");
    let path = config.display().to_string();
    let (said, report) = messages(0, &[("AAD_CONFIG", &path)]);
    assert!(said.contains("no-such-key"), "{said}");
    assert_eq!(report["contexts"]["total"], 2);
    let (said, _) = messages(0, &[("AAD_PROFILE", "work")]);
    assert!(said.contains("`work`"), "{said}");
    let (said, report) = messages(1, &[("AAD_TOKEN_STORE", "vault")]);
    assert!(said.contains("`vault` is not a token store"), "{said}");
    assert_eq!(report["contexts"]["total"], 2);
    let broken = test_env.write("broken", "contexts: [\n");
    let (said, report) = messages(1, &[("KUBECONFIG", &broken.display().to_string())]);
    assert!(said.contains("broken"), "{said}");
    assert_eq!(report["contexts"]["total"], 0);
    let cache = test_env.path(".kube/cache/kubectl-aad");
    for name in crate::env::names(&cache) {
        if name.starts_with("access-") || name == "contexts.json" {
            fs::write(cache.join(name), "damaged").expect("written");
        }
    }
    let (said, report) = messages(0, &[]);
    assert_eq!(
        (said.as_str(), &report["contexts"]["total"]),
        ("", &json!(2))
    );
    assert_eq!(only(&report["signIns"])["expiresOn"], Value::Null);
    fs::remove_dir_all(&cache).expect("ours");
    fs::write(&cache, "").expect("written");
    let (said, report) = messages(0, &[]);
    assert!(said.contains("kubectl-aad"), "{said}");
    assert_eq!(report["contexts"]["total"], 2);
}

#[test]
fn contexts_that_the_last_search_did_not_find_are_named() {
    let test_env = fleet(3, 1, 1);
    sync(&test_env, &["--no-warm"], &[]);
    let gone = test_env.simulator.update(|fleet| fleet.clusters.remove(0));
    sync(&test_env, &["--no-warm"], &[]);
    let report = json_of(&test_env, 0, &[]);
    let names = report["contexts"]["notSeen"].as_array().expect("a list");
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(names[0].as_str().expect("a name").contains(&gone.name));
    let ran = status(&test_env, &[]);
    assert!(ran.stdout.contains("`kubectl aad prune`"), "{}", ran.stdout);
}

#[test]
fn before_the_first_sync_there_is_nothing_and_no_problem() {
    let test_env = TestEnv::without_az();
    let mut page = page(&test_env);
    page.run("status")
        .run("status -o json")
        .run("status -o name");
    page.assert("status_nothing");
    assert!(!test_env.path(".kube").exists(), "nothing is created");
}

#[test]
fn a_secret_in_an_entry_counts_and_is_not_shown() {
    let test_env = fleet(1, 1, 1);
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let client = &test_env.principal.client_id;
    let args = ["-l", "spn", "--client-id", client, "-t", &test_env.tenant];
    sync(&test_env, &args, &[secret]);
    let text = test_env.kubeconfig_text();
    let own = format!(
        "      - get-token\n      - --client-secret\n      - {}\n",
        secret.1
    );
    let with_secret = text.replace("      - get-token\n", &own);
    assert_ne!(text, with_secret);
    fs::write(test_env.kubeconfig(), with_secret).expect("written");
    for _ in 0..2 {
        let ran = run(test_env
            .aad(&["status", "-o", "json"])
            .env("AAD_TOKEN_STORE", "file"));
        assert!(!ran.stdout.contains(secret.1) && !ran.stderr.contains(secret.1));
        assert!(only(&ran.json(0)["signIns"])["expiresOn"].is_string());
    }
}

#[test]
fn a_status_opens_no_socket_and_starts_nothing() {
    let Some(strace) = peer("strace") else { return };
    let test_env = fleet(4, 2, 1);
    sync(&test_env, &[], &[]);
    let log = test_env.path("strace.log");
    let mut traced = test_env.program(&strace);
    traced.args(["-f", "-o"]).arg(&log);
    traced.args([
        "-e",
        "trace=network,execve,clone,clone3,fork,vfork,unlink,rename",
    ]);
    traced
        .arg(PROGRAM)
        .arg("status")
        .env("AAD_TOKEN_STORE", "file");
    let ran = run(&mut traced);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let log = fs::read_to_string(log).expect("strace wrote it");
    let calls = |name: &str| {
        log.lines()
            .filter(|line| line.contains(&format!(" {name}(")))
            .count()
    };
    assert_eq!(calls("execve"), 1, "{log}");
    for call in ["socket", "connect", "fork", "vfork"] {
        assert_eq!(calls(call), 0, "{log}");
    }
    // The thread that waits for signals, and no other.
    assert!(calls("clone") + calls("clone3") <= 1, "{log}");
}

fn page(test_env: &TestEnv) -> Page<'_> {
    let mut page = Page::new(test_env);
    let root = test_env.home().parent().expect("a directory");
    page.hide(&root.display().to_string(), "/tmp");
    page
}

/// Screens of both sizes.
fn screens(test_env: &TestEnv, name: &str, args: &[&str]) {
    let mut page = page(test_env);
    for size in [Size::SMALL, Size::LARGE] {
        let mut command = test_env.typed(&[&["status"], args].concat());
        command.env("AAD_TOKEN_STORE", "file");
        let seen = AtATerminal::start(command, size).finish();
        page.note(&format!("{} columns", size.columns));
        page.add(&seen.screen.text());
        page.add(&format!("[exit code {}]\n", seen.code));
        if size.columns == Size::SMALL.columns {
            let lines = seen.screen.text().lines().count();
            assert!(lines <= 24, "{lines} lines");
        }
    }
    page.assert(name);
}

#[test]
fn one_tenant_and_account_fit_a_terminal_of_80_columns() {
    let test_env = fleet(9, 3, 1);
    test_env
        .simulator
        .configure(|settings| settings.user_token_lifetime = 9_000);
    sync(&test_env, &[], &[]);
    screens(&test_env, "status", &[]);
}

#[test]
fn five_tenants_are_readable_and_every_subscription_is_on_the_wide_page() {
    let test_env = fleet(40, 12, 5);
    test_env
        .simulator
        .configure(|settings| settings.user_token_lifetime = 9_000);
    sync(&test_env, &[], &[]);
    screens(&test_env, "status_tenants", &[]);
    let mut page = page(&test_env);
    page.run("status -o wide");
    page.assert("status_wide");
}

#[test]
fn the_document_has_the_documented_keys() {
    let test_env = fleet(2, 1, 1);
    sync(&test_env, &[], &[]);
    let user = test_env.user_args("devicecode", &["--login-hint", &test_env.user.upn]);
    let env = [INTERACTIVE, ("AAD_TOKEN_STORE", "file")];
    test_env.claims(&test_env.get_token(&user, &env));
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    test_env.claims(&test_env.get_token(&test_env.spn_args(&[]), &[secret, env[1]]));
    let report = json_of(&test_env, 0, &[("AAD_PROFILE", "work")]);
    let keys = |value: &Value| -> std::collections::BTreeSet<String> {
        value
            .as_object()
            .expect("a mapping")
            .keys()
            .cloned()
            .collect()
    };
    assert_eq!(keys(&report), documented("`status`"));
    for (rows, what) in [
        (&report["signIns"], "`signIns`"),
        (&report["otherAccounts"], "`otherAccounts`"),
        (&report["contexts"]["bySubscription"], "`bySubscription`"),
        (&report["syncs"], "`syncs`"),
        (&report["variables"], "`variables`"),
        (&report["problems"], "`problems`"),
    ] {
        assert_eq!(
            keys(&rows[0]),
            documented(&format!("{what} of `status`")),
            "{what}"
        );
    }
    assert_eq!(
        keys(&report["contexts"]),
        documented("`contexts` of `status`")
    );
}

#[test]
fn several_clouds_have_a_column_and_each_problem_its_command() {
    let test_env = TestEnv::without_az();
    let clouds = [
        "AzurePublicCloud",
        "AzureUSGovernmentCloud",
        "AzureChinaCloud",
    ];
    let mut text = "apiVersion: v1\nkind: Config\ncurrent-context: c0\ncontexts:\n".to_owned();
    for at in 0..3 {
        text += &format!("- {{name: c{at}, context: {{cluster: c{at}, user: u{at}}}}}\n");
    }
    text += "clusters:\n";
    for at in 0..3 {
        let id = format!(
            "/subscriptions/00000000-0000-0000-0000-00000000000{at}/resourceGroups/g/providers/\
             Microsoft.ContainerService/managedClusters/c{at}"
        );
        text += &format!(
            "- {{name: c{at}, cluster: {{server: 'https://c{at}', extensions: [{{name: kubectl-aad, extension: {{armId: {id}}}}}]}}}}\n"
        );
    }
    text += "users:\n";
    for (at, cloud) in clouds.iter().enumerate() {
        let args = format!(
            "get-token, --login, devicecode, --server-id, {AKS_SERVER_APP}, --client-id, {AKS_CLIENT_APP}, --tenant-id, t{at}.example, \
             --environment, {cloud}, --login-hint, ann@t{at}.example, --env-secrets-only"
        );
        text += &format!(
            "- {{name: u{at}, user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: kubectl-aad, args: [{args}]}}}}}}\n"
        );
    }
    fs::create_dir_all(test_env.path(".kube")).expect("made");
    fs::write(test_env.kubeconfig(), text).expect("written");
    let report = json_of(&test_env, 1, &[]);
    assert_eq!(report["problems"].as_array().map(Vec::len), Some(3));
    screens(&test_env, "status_clouds", &[]);
}
