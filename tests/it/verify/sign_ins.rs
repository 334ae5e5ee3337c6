//! The credentials that contexts have: ours, those of other plugins, and those in the kubeconfig.

use super::*;

#[test]
fn a_plugin_of_somebody_else_is_run_once_as_kubectl_runs_it() {
    let test_env = synced(2);
    let real = test_env.get_token(&["-l", "azurecli"], &[]).token();
    test_env.write("token", &real);
    test_env.install_script(
        "other-plugin",
        "#!/bin/sh\necho \"$KUBERNETES_EXEC_INFO|$MINE|$*\" >> \"$HOME/runs\"\n\
         printf '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{\"token\":\"%s\"}}' \"$(cat \"$HOME/token\")\"\n",
    );
    edit_user(&test_env, |user| {
        user["exec"] = json!({
            "apiVersion": "client.authentication.k8s.io/v1", "command": "other-plugin", "args": ["give", "one"],
            "env": [{"name": "MINE", "value": "set"}], "interactiveMode": "IfAvailable", "provideClusterInfo": false,
        });
    });
    let verified = report(&test_env, &[], 0);
    assert_eq!(verified["summary"]["ok"], 2);
    let info = r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false}}"#;
    assert_eq!(test_env.read("runs"), format!("{info}|set|give one\n"));
    // With a cluster's own information each has a run of its own.
    edit_user(&test_env, |user| {
        user["exec"]["provideClusterInfo"] = true.into()
    });
    fs::remove_file(test_env.path("runs")).expect("written above");
    assert_eq!(report(&test_env, &[], 0)["summary"]["ok"], 2);
    let runs = test_env.read("runs");
    assert_eq!(runs.lines().count(), 2);
    assert!(
        runs.contains(r#""cluster":{"server":"https://127.0.0.1"#),
        "{runs}"
    );
}

#[test]
fn a_plugin_that_fails_is_named_with_the_last_thing_it_said() {
    let test_env = synced(1);
    for (script, verdict, reason) in [
        (
            "echo 'log in first' >&2; exit 3",
            "signInFailed",
            "exit code 3: log in first",
        ),
        ("echo '{}'", "signInFailed", "printed no credential"),
        ("exit 0", "signInFailed", "printed no credential"),
    ] {
        test_env.install_script("other-plugin", &format!("#!/bin/sh\n{script}\n"));
        edit_user(&test_env, |user| {
            user["exec"] = json!({
                "apiVersion": "client.authentication.k8s.io/v1", "command": "other-plugin", "interactiveMode": "Never",
            });
        });
        let report = report(&test_env, &[], 1);
        let row = only(&report);
        assert_eq!(row["verdict"], verdict, "{row}");
        assert!(
            row["reason"].as_str().expect("a reason").contains(reason),
            "{row}"
        );
    }
    edit_user(&test_env, |user| {
        user["exec"]["command"] = "no-such-plugin".into();
        user["exec"]["installHint"] = "get it from a colleague".into();
    });
    let missing = report(&test_env, &[], 1);
    assert_eq!(only(&missing)["hint"], "get it from a colleague");
    edit_user(&test_env, |user| {
        user["exec"]["interactiveMode"] = "Always".into()
    });
    let asks = report(&test_env, &[], 1);
    assert_eq!(only(&asks)["verdict"], "signInNeeded");
    assert_eq!(sent_tokens(&test_env), 0);
}

#[test]
fn a_token_in_the_kubeconfig_or_beside_it_is_used() {
    let test_env = synced(1);
    let real = test_env.get_token(&["-l", "azurecli"], &[]).token();
    edit_user(&test_env, |user| *user = json!({"token": real}));
    assert_eq!(only(&report(&test_env, &[], 0))["user"], *test_env.user.upn);
    fs::write(test_env.path(".kube/token"), format!("{real}\n")).expect("written");
    // As in kubectl, the file counts before the text.
    edit_user(&test_env, |user| {
        *user = json!({"token": "old", "tokenFile": "token"})
    });
    assert_eq!(only(&report(&test_env, &[], 0))["user"], *test_env.user.upn);
    edit_user(&test_env, |user| *user = json!({"token": "old"}));
    let refused = report(&test_env, &[], 1);
    let row = only(&refused);
    assert_eq!(row["verdict"], "unauthorized", "{row}");
    assert!(
        row["hint"]
            .as_str()
            .expect("a hint")
            .contains("sync --refresh"),
        "{row}"
    );
}

/// Contexts of people who sign in by a device code.
fn with_device_code(clusters: usize) -> TestEnv {
    let test_env = synced(clusters);
    let tenant = test_env.tenant.clone();
    let authority = test_env.simulator.authority_url();
    edit_user(&test_env, |user| {
        user["exec"]["args"] = json!([
            "get-token",
            "--login",
            "devicecode",
            "--server-id",
            azure_sim::AKS_SERVER_APP,
            "--client-id",
            azure_sim::AKS_CLIENT_APP,
            "--tenant-id",
            tenant,
            "--authority-host",
            authority,
        ]);
    });
    test_env
}

#[test]
fn nobody_is_asked_without_a_terminal_and_each_sign_in_once_at_one() {
    let test_env = with_device_code(3);
    let silent = report(&test_env, &[], 1);
    for row in rows(&silent) {
        assert_eq!(row["verdict"], "signInNeeded", "{row}");
        assert!(row["hint"].is_string(), "{row}");
    }
    assert_eq!(test_env.simulator.counters().get(Endpoint::DeviceCode), 0);
    let mut in_a_pipeline = test_env.typed(&["verify"]);
    in_a_pipeline.env(NON_INTERACTIVE.0, NON_INTERACTIVE.1);
    assert_eq!(
        AtATerminal::start(in_a_pipeline, Size::SMALL).finish().code,
        1
    );
    assert_eq!(test_env.simulator.counters().get(Endpoint::DeviceCode), 0);
    let seen = AtATerminal::start(test_env.typed(&["verify"]), Size::SMALL).finish();
    assert_eq!(seen.code, 0, "{}", seen.screen.text());
    assert_eq!(test_env.simulator.counters().get(Endpoint::DeviceCode), 1);
    assert_eq!(report(&test_env, &[], 0)["summary"]["ok"], 3);
}

#[test]
fn a_token_has_the_account_and_the_directory_that_its_entry_names() {
    let test_env = synced(1);
    // Another az, in which nobody is signed in.
    let empty = test_env.path("empty-azure");
    fs::create_dir(&empty).expect("made");
    edit_user(&test_env, |user| {
        user["exec"]["env"] = json!([{"name": "AZURE_CONFIG_DIR", "value": empty}]);
    });
    let report = report(&test_env, &[], 1);
    assert_eq!(only(&report)["verdict"], "signInNeeded", "{report}");
    assert_eq!(sent_tokens(&test_env), 0);
}
