//! The errors for a setting that is missing, wrong or without effect, and the commands to paste.

use azure_sim::AKS_CLIENT_APP;

use super::{pair, sync};
use crate::env::{CLOUD, TestEnv, run};

#[test]
fn what_is_missing_is_named_at_once_and_with_what_counts() {
    let test_env = TestEnv::new();
    let both = sync(
        &test_env,
        &["-l", "azurepipelines", "--arm-login", "spn"],
        &[&vec![pair("AZURE_CLIENT_ID", "app")]],
    );
    assert_eq!(both.code, 2, "{}", both.stderr);
    assert_eq!(
        both.stderr,
        "error: login mode `azurepipelines` needs `--client-id` and `--azure-pipelines-service-connection-id`\n\
         caused by: login mode `spn` needs `--arm-tenant-id` and `--arm-client-secret`\n\
         hint: add `--client-id` or set `AZURESUBSCRIPTION_CLIENT_ID`; add `--azure-pipelines-service-connection-id` or set `AZURESUBSCRIPTION_SERVICE_CONNECTION_ID`; add `--arm-tenant-id` or set `AZURE_TENANT_ID`; add `--arm-client-certificate` or set `AZURE_CLIENT_SECRET` or `AZURE_CLIENT_CERTIFICATE_PATH`\n"
    );
    let mistaken = sync(
        &test_env,
        &["--arm-login", "msi", "--client-id", "app"],
        &[],
    );
    assert_eq!(mistaken.code, 2, "{}", mistaken.stderr);
    assert_eq!(
        mistaken.stderr,
        "error: `--client-id` has no effect with `--login azurecli`\n\
         hint: for `--arm-login msi`, use `--arm-client-id`\n"
    );
}

#[test]
fn an_error_that_comes_of_a_variable_names_it() {
    let test_env = TestEnv::new();
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let tenant = ("AZURE_TENANT_ID", "nowhere.example");
    let ran = test_env.get_token(&test_env.spn_args(&[]), &[secret, tenant]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("`AZURE_TENANT_ID`"), "{}", ran.stderr);
    for (name, value) in [
        ("AZURE_CLI_TIMEOUT", "0s"),
        ("AAD_LOGIN_METHOD", "nonsense"),
        ("AAD_TOKEN_STORE", "nonsense"),
    ] {
        let ran = test_env.get_token(&test_env.spn_args(&[]), &[secret, (name, value)]);
        assert_eq!(ran.code, 2, "{name}: {}", ran.stderr);
        let named = format!("it is the value of the variable `{name}`");
        assert!(ran.stderr.contains(&named), "{name}: {}", ran.stderr);
    }
}

/// Who signs in and with what secret has no part in a network's fault.
#[test]
fn a_failure_that_no_variable_had_a_part_in_names_none() {
    let test_env = TestEnv::new();
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let dead = ("HTTPS_PROXY", "http://127.0.0.1:1");
    let unusable = ("HTTPS_PROXY", "ftp://proxy.example");
    let untrusted = ("SSL_CERT_FILE", "");
    let away = test_env.spn_args(&["--authority-host", "https://login.example.test/"]);
    let here = test_env.spn_args(&[]);
    for (args, variable, said) in [
        (&away, dead, "through the proxy `http://127.0.0.1:1`"),
        (&away, unusable, "its scheme is `ftp`"),
        (&here, untrusted, "is not trusted"),
    ] {
        let ran = test_env.get_token(args, &[secret, variable]);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
        assert!(
            !ran.stderr.contains("AZURE_CLIENT_SECRET"),
            "{}",
            ran.stderr
        );
    }
    let wrong = [("AZURE_CLIENT_SECRET", "s3cret-of-another")];
    let ran = test_env.get_token(&here, &wrong);
    assert!(
        ran.stderr.contains("`AZURE_CLIENT_SECRET`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_way_to_give_a_value_is_named_once() {
    let test_env = TestEnv::new();
    let ran = test_env.get_token(&["-l", "workloadidentity"], &[]);
    assert_eq!(
        ran.stderr.matches("`AZURE_CLIENT_ID`").count(),
        1,
        "{}",
        ran.stderr
    );
}

#[test]
fn a_flag_without_effect_is_reported_when_it_is_written_and_not_at_each_call_of_kubectl() {
    let test_env = TestEnv::new();
    let authority = test_env.simulator.authority_url();
    // az's entry with `devicecode` replaced by `azurecli`.
    let args = [
        "get-token",
        "--environment",
        "AzurePublicCloud",
        "--server-id",
        azure_sim::AKS_SERVER_APP,
        "--client-id",
        AKS_CLIENT_APP,
        "--tenant-id",
        &test_env.tenant,
        "--login",
        "azurecli",
        "--authority-host",
        &authority,
    ];
    let quiet = run(&mut test_env.aad(&args));
    assert_eq!((quiet.code, quiet.stderr.as_str()), (0, ""));
    let verbose = run(test_env.aad(&args).args(["-v", "1"]));
    assert_eq!(verbose.code, 0, "{}", verbose.stderr);
    for flag in ["`--environment`", "`--client-id`"] {
        assert!(verbose.stderr.contains(flag), "{}", verbose.stderr);
    }
    let synced = sync(&test_env, &["-l", "azurecli", "--legacy"], &[]);
    assert!(
        synced
            .stderr
            .contains("warning: `--legacy` has no effect with `--login azurecli`"),
        "{}",
        synced.stderr
    );
    let converted = run(&mut test_env.aad(&["convert-kubeconfig", "-l", "azurecli", "--legacy"]));
    assert!(
        converted
            .stderr
            .contains("warning: `--legacy` has no effect with `--login azurecli`"),
        "{}",
        converted.stderr
    );
}

#[test]
fn a_command_in_a_hint_is_the_persons_own() {
    let test_env = TestEnv::new();
    let cache = test_env.path("a cache").display().to_string();
    let authority = test_env.simulator.authority_url();
    let ran = test_env.get_token(
        &test_env.user_args(
            "devicecode",
            &[
                "--environment",
                CLOUD,
                "--cache-dir",
                &cache,
                "--token-store",
                "file",
            ],
        ),
        &[("CI", "true")],
    );
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let hint = format!(
        "`CI= kubectl aad get-token --login devicecode --server-id {} --cache-dir '{cache}' --token-store file \
         --client-id {AKS_CLIENT_APP} --tenant-id {} --environment {CLOUD} --authority-host {authority} > /dev/null`",
        azure_sim::AKS_SERVER_APP,
        test_env.tenant
    );
    assert!(ran.stderr.contains(&hint), "{hint}\n{}", ran.stderr);

    // Another cache would be cleared without its directory.
    let own = ["--cache-dir", &cache, "--token-store", "file"];
    let secret = [("AZURE_CLIENT_SECRET", test_env.principal.secret())];
    test_env.claims(&test_env.get_token(&test_env.spn_args(&own), &secret));
    let directory = test_env.path("a cache/kubectl-aad");
    let record = std::fs::read_dir(directory)
        .expect("made")
        .map(|entry| entry.expect("readable").path())
        .find(|path| path.extension().is_some_and(|e| e == "json"))
        .expect("a record");
    std::fs::write(record, "{").expect("ours");
    let list = run(&mut test_env.aad(&[&["cache", "list"], &own[..]].concat()));
    let hint = format!("`kubectl aad cache clear --cache-dir '{cache}' --token-store file`");
    assert!(list.stderr.contains(&hint), "{hint}\n{}", list.stderr);

    // Of `sync` and `list` it is what was typed.
    let ci = vec![pair("CI", "true")];
    let mut list = test_env.aad(&["list", "-e", CLOUD, "-l", "devicecode"]);
    list.args([
        "--subscription",
        "My own",
        "--token-store",
        "file",
        "-o",
        "json",
    ]);
    let listed = run(list.envs(ci.iter().map(|(name, value)| (name, value))));
    assert_eq!(listed.code, 1, "{}", listed.stderr);
    let words = [
        "`CI= kubectl aad list ",
        "--login devicecode",
        "--environment AzureStackCloud",
        "--subscription 'My own'",
        "--token-store file",
        "--output json",
    ];
    for word in words {
        assert!(listed.stderr.contains(word), "{word}: {}", listed.stderr);
    }
    let named = sync(
        &test_env,
        &["-l", "devicecode", "-t", &test_env.tenant],
        &[&ci],
    );
    let hint = format!(
        "`CI= kubectl aad sync --environment {CLOUD} --login devicecode --tenant-id {}`",
        test_env.tenant
    );
    assert!(named.stderr.contains(&hint), "{hint}\n{}", named.stderr);
    let secret = [
        "-l",
        "spn",
        "--client-id",
        "x",
        "--client-secret",
        "hunter2-planted",
    ];
    let both = [
        &secret[..],
        &["--arm-login", "devicecode", "--arm-client-id", "y"],
    ]
    .concat();
    let synced = sync(&test_env, &both, &[&ci]);
    assert!(
        synced.stderr.contains("--arm-client-id y"),
        "{}",
        synced.stderr
    );
    assert!(!synced.stderr.contains("hunter2"), "{}", synced.stderr);
}
