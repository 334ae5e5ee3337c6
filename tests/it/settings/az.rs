//! Whose account of az, and which of its clouds, a context uses.

use serde_json::Value;

use super::{Variables, call_entry, entry, forget_kubeconfig, pair, sync, test_env, use_entry};
use crate::env::{CLOUD, TestEnv, run};
use crate::support::peer;

/// Signs the service principal in to az, in its own directory.
fn second_account_of_az(test_env: &TestEnv) -> String {
    let directory = test_env.path("other-azure").display().to_string();
    let variables = [("AZURE_CONFIG_DIR", directory.as_str())];
    test_env.set_cloud_of_az(&variables);
    let mut login = test_env.program(test_env.bin("az"));
    login
        .args(["login", "--service-principal", "--tenant", &test_env.tenant])
        .args(["-u", &test_env.principal.client_id])
        .args(["-p", test_env.principal.secret()])
        .envs(variables);
    let ran = run(&mut login);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    test_env.simulator.reset();
    directory
}

#[test]
fn a_context_uses_the_account_of_az_that_sync_used() {
    let test_env = TestEnv::new();
    let other = second_account_of_az(&test_env);
    let shell = vec![pair("AZURE_CONFIG_DIR", &other)];
    let quoted = vec![pair("AZURE_CONFIG_DIR", "~/other-azure")];
    let plain = Variables::new();
    let relative = ["--azure-config-dir", "other-azure"];
    let home = ["--azure-config-dir", "~/other-azure"];
    let (person, bot) = (test_env.user.oid.as_str(), test_env.principal.oid.as_str());
    for (flags, synced_in, used_in, oid) in [
        (&[][..], &shell, &plain, bot),
        (&[][..], &quoted, &plain, bot),
        (&[][..], &plain, &shell, person),
        (&relative[..], &plain, &plain, bot),
        (&home[..], &plain, &shell, bot),
    ] {
        let synced = sync(&test_env, &[flags, &["-o", "json"]].concat(), &[synced_in]);
        assert_eq!(synced.json(0)["tokens"][0]["error"], Value::Null);
        // The token that sync fetched is found, and no other account's.
        test_env.simulator.reset();
        let (_, own) = entry(&test_env);
        let warm = call_entry(&test_env, &[used_in]);
        assert_eq!(test_env.claims(&warm)["oid"], oid, "{flags:?} {own:?}");
        assert!(test_env.simulator.tool_starts().is_empty(), "{own:?}");
        let cold = use_entry(&test_env, &[used_in]);
        assert_eq!(test_env.claims(&cold)["oid"], oid, "{flags:?} {own:?}");
    }
    let useless = sync(&test_env, &["-l", "msi", "--azure-config-dir", "x"], &[]);
    assert_eq!(useless.code, 2, "{}", useless.stderr);
}

#[test]
fn kubectl_passes_on_that_the_default_account_is_meant() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let test_env = TestEnv::new();
    let other = second_account_of_az(&test_env);
    assert_eq!(sync(&test_env, &["--no-warm"], &[]).code, 0);
    let context = run(&mut test_env.aad(&["list", "-e", CLOUD, "-o", "name"]));
    assert_eq!(context.code, 0, "{}", context.stderr);
    let names = run(test_env
        .program(&kubectl)
        .args(["config", "get-contexts", "-o", "name"]));
    let who = run(test_env
        .program(&kubectl)
        .args([
            "--context",
            names.stdout.trim(),
            "auth",
            "whoami",
            "-o",
            "json",
        ])
        .env("AZURE_CONFIG_DIR", &other));
    assert_eq!(who.code, 0, "{}", who.stderr);
    assert!(who.stdout.contains(&test_env.user.upn), "{}", who.stdout);
}

#[test]
fn the_cloud_of_az_is_the_one_that_is_looked_in() {
    let test_env = TestEnv::new();
    let own = run(&mut test_env.aad(&["sync", "-o", "json"]));
    assert_eq!(own.json(0)["tokens"][0]["error"], Value::Null);
    // Contexts for others get the authority, since no name stands for it.
    forget_kubeconfig(&test_env);
    let flags = ["-l", "spn", "--arm-login", "azurecli", "--no-warm"];
    let mut spn = test_env.aad(&["sync"]);
    spn.args(flags)
        .args(["--client-id", &test_env.principal.client_id]);
    assert_eq!(run(&mut spn).code, 0);
    let secret = vec![pair("AZURE_CLIENT_SECRET", test_env.principal.secret())];
    let used = use_entry(&test_env, &[&secret]);
    assert_eq!(used.code, 0, "{}", used.stderr);
    assert!(!entry(&test_env).0.contains(&"--environment".to_owned()));

    test_env.simulator.reset();
    let error_of = |args: &[&str], variables: &Variables| {
        let mut command = test_env.aad(args);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let ran = run(&mut command);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert_eq!(test_env.simulator.counters().total(), 0);
        assert!(test_env.simulator.tool_starts().is_empty());
        ran.stderr
    };
    let none = Variables::new();
    assert_eq!(
        error_of(&["sync", "-e", "AzureUSGovernmentCloud"], &none),
        "error: `az` is set to the cloud `Simulated`, but `--environment AzureUSGovernmentCloud` was asked for\n\
         hint: run `az cloud set --name AzureUSGovernment` and `az login`, or omit `--environment`\n"
    );
    let elsewhere = [("AZURE_CONFIG_DIR", "/my az")].map(|(name, dir)| pair(name, dir));
    assert_eq!(
        error_of(&["sync", "-e", "AzureChinaCloud"], &elsewhere.to_vec()),
        "error: `az` is set to the cloud `AzureCloud`, but `--environment AzureChinaCloud` was asked for\n\
         hint: run `AZURE_CONFIG_DIR='/my az' az cloud set --name AzureChinaCloud` and `AZURE_CONFIG_DIR='/my az' az login`, or omit `--environment`\n"
    );
    let variable = vec![pair("AZURE_CLOUD_NAME", "AzureChinaCloud")];
    let refused = error_of(&["list", "-e", CLOUD], &variable);
    assert!(refused.contains("`AZURE_CLOUD_NAME`"), "{refused}");
    let unknown = vec![pair("AZURE_CLOUD_NAME", "nonsense")];
    let refused = error_of(&["sync"], &unknown);
    assert!(refused.contains("`AZURE_CLOUD_NAME`"), "{refused}");
}

#[test]
fn a_context_of_az_is_converted_for_its_own_cloud_or_not_at_all() {
    let test_env = TestEnv::new();
    assert_eq!(run(&mut test_env.aad(&["sync", "--no-warm"])).code, 0);
    let synced = test_env.kubeconfig_text();
    let device = ["-l", "devicecode"];
    let refused = test_env.convert(&device);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    let why = "`--environment` is required: the entry's cloud is not certain\n\
               caused by: `AZURE_CLOUD_NAME` in its `env` is `Simulated`\n";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);
    assert_eq!(test_env.kubeconfig_text(), synced);
    // With the cloud's name, a person signs in there.
    let named = test_env.convert(&[&device[..], &["-e", CLOUD]].concat());
    assert_eq!(named.code, 0, "{}", named.stderr);
    let used = use_entry(&test_env, &[]);
    assert_eq!(test_env.claims(&used)["oid"], test_env.user.oid);
    assert_eq!(test_env.convert(&["-l", "azurecli"]).code, 0);
    // A conversion also writes the hint that kubelogin does.
    let back: Vec<_> = test_env
        .kubeconfig_text()
        .lines()
        .map(str::to_owned)
        .collect();
    let is_hint = |line: &&String| {
        let hint = [
            "installHint: |",
            "kubectl-aad is needed",
            "kubectl krew install",
        ];
        hint.iter().any(|part| line.contains(part))
    };
    let (hint, rest): (Vec<&String>, _) = back.iter().partition(is_hint);
    assert_eq!(hint.len(), 3, "{back:?}");
    assert_eq!(rest, synced.lines().collect::<Vec<_>>());
    for command in ["kubectl-aad", "kubelogin"] {
        for (az, ours) in [
            ("AzureUSGovernment", Some("AzureUSGovernmentCloud")),
            ("AzureChinaCloud", Some("AzureChinaCloud")),
            ("AzureCloud", None),
        ] {
            let text = synced.replace("value: Simulated", &format!("value: {az}"));
            assert!(text != synced);
            test_env.write(".kube/config", &text);
            let ran = test_env.convert(&["-l", "devicecode", "--exec-command", command]);
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            let (args, _) = entry(&test_env);
            let place = args.iter().position(|arg| arg == "--environment");
            let written = place.map(|place| args[place + 1].as_str());
            assert_eq!(written, ours, "{args:?}");
        }
    }
}

#[test]
fn a_command_for_az_is_for_the_account_that_the_context_means() {
    let test_env = TestEnv::new();
    let other = second_account_of_az(&test_env);
    assert_eq!(
        sync(&test_env, &["--no-warm", "--azure-config-dir", &other], &[]).code,
        0
    );
    let variables = [("AZURE_CONFIG_DIR", other.as_str())];
    let mut logout = test_env.program(test_env.bin("az"));
    assert_eq!(run(logout.arg("logout").envs(variables)).code, 0);
    let plain = Variables::new();
    let used = use_entry(&test_env, &[&plain]);
    assert_eq!(used.code, 1, "{}", used.stderr);
    let hint = format!(
        "hint: run `AZURE_CONFIG_DIR={other} az login --tenant {}`\n",
        test_env.tenant
    );
    assert!(used.stderr.contains(&hint), "{hint}\n{}", used.stderr);
    // az was set to another cloud since.
    let mut set = test_env.program(test_env.bin("az"));
    let set = set.args(["cloud", "set", "--name", "AzureChinaCloud"]);
    assert_eq!(run(set.envs(variables)).code, 0);
    let used = use_entry(&test_env, &[&plain]);
    let named = format!("AZURE_CONFIG_DIR={other} AZURE_CLOUD_NAME=Simulated az login");
    assert!(used.stderr.contains(&named), "{}", used.stderr);
}

#[test]
fn an_azd_that_asks_az_has_the_cloud_that_sync_used() {
    let test_env = test_env();
    let config = test_env.path(".azd/config.json");
    std::fs::write(config, r#"{"auth":{"useAzCliAuth":"true"}}"#).expect("written");
    for flags in [
        &["-l", "azd"][..],
        &["-l", "azd", "--arm-login", "azurecli"],
    ] {
        forget_kubeconfig(&test_env);
        let synced = sync(&test_env, &[flags, &["-o", "json"]].concat(), &[]);
        assert_eq!(synced.json(0)["tokens"][0]["error"], Value::Null);
        test_env.simulator.reset();
        let used = call_entry(
            &test_env,
            &[&vec![pair("AZURE_CLOUD_NAME", "AzureChinaCloud")]],
        );
        assert_eq!(used.code, 0, "{}", used.stderr);
        let started = test_env.simulator.tool_starts();
        assert!(started.is_empty(), "{flags:?}: {started:?}");
    }
}
