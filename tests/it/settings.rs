//! Whose settings a sign-in gets: what `sync` writes means the same in every shell, and of two
//! sign-ins each has its own.

mod az;
mod hints;

use std::{
    collections::BTreeMap,
    process::Stdio,
    time::{Duration, Instant},
};

use azure_sim::{AKS_CLIENT_APP, ManagedIdentity, Place};
use kubectl_aad::internals::{LoginMode, PARAMS, Param, When};
use serde_json::Value;

use crate::{
    env::{CLOUD, INTERACTIVE, Ran, TestEnv, run},
    support::peer,
};

type Variables = Vec<(String, String)>;

/// How one mode is used here.
struct Setup {
    mode: &'static str,
    /// Flags of `sync` for the contexts.
    flags: Vec<String>,
    /// What the shell or the platform has to supply wherever kubectl runs.
    at_use: Variables,
}

/// A test environment with a federated token file and a signed-in azd.
fn test_env() -> TestEnv {
    let test_env = TestEnv::new();
    test_env.install_azd();
    test_env.sign_in_to_azd();
    let token = test_env
        .simulator
        .workload_identity_token("https://issuer.example", "subject");
    std::fs::write(test_env.path("federated"), token).expect("written");
    test_env
}

fn assigned_identity(test_env: &TestEnv) -> ManagedIdentity {
    let identities = test_env.simulator.fleet().managed_identities;
    let found = identities.into_iter().find(|identity| !identity.system);
    found.expect("a user-assigned identity")
}

/// What a place sets, without what every client of the simulator needs.
fn of_place(test_env: &TestEnv, place: Place) -> Variables {
    let common = test_env.at(Place::Anywhere);
    let all = test_env.at(place);
    all.into_iter()
        .filter(|pair| !common.contains(pair))
        .collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn setups(test_env: &TestEnv) -> Vec<Setup> {
    let client = test_env.principal.client_id.as_str();
    let federated = test_env.path("federated").display().to_string();
    let identity = assigned_identity(test_env).client_id;
    let setup = |mode, flags: &[&str], at_use: Variables| Setup {
        mode,
        flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        at_use,
    };
    vec![
        setup("devicecode", &[], vec![pair(INTERACTIVE.0, INTERACTIVE.1)]),
        setup(
            "spn",
            &["--client-id", client],
            vec![pair("AZURE_CLIENT_SECRET", test_env.principal.secret())],
        ),
        setup(
            "ropc",
            &["--username", &test_env.user.upn],
            vec![pair("AZURE_PASSWORD", &test_env.user.password)],
        ),
        setup(
            "msi",
            &["--client-id", &identity],
            of_place(test_env, Place::VirtualMachine),
        ),
        setup("azurecli", &[], Vec::new()),
        setup("azd", &[], Vec::new()),
        setup(
            "workloadidentity",
            &["--client-id", client, "--federated-token-file", &federated],
            Vec::new(),
        ),
        setup(
            "azurepipelines",
            &[
                "--client-id",
                client,
                "--azure-pipelines-service-connection-id",
                "connection",
            ],
            of_place(test_env, Place::AzurePipelines),
        ),
    ]
}

/// Every variable of every mode, as an application in development might have set it.
fn foreign(except: &Variables) -> Variables {
    PARAMS
        .iter()
        .flat_map(|row| row.variable_names())
        .filter(|name| !matches!(*name, "AZURE_CLI_TIMEOUT" | "AAD_TOKEN_STORE"))
        .filter(|name| !except.iter().any(|(known, _)| known == name))
        .map(|name| pair(name, "https://foreign.example/"))
        .collect()
}

/// The only user's exec entry: its arguments and its variables.
fn entry(test_env: &TestEnv) -> (Vec<String>, Variables) {
    let text = test_env.kubeconfig_text();
    let parsed = kube::config::Kubeconfig::from_yaml(&text).expect("a kubeconfig");
    let user = parsed.auth_infos[0].auth_info.clone().expect("a user");
    let exec = user.exec.expect("an exec entry");
    let env = exec.env.unwrap_or_default().into_iter().map(|variable| {
        let of = |key: &str| variable.get(key).cloned().unwrap_or_default();
        (of("name"), of("value"))
    });
    (exec.args.expect("arguments"), env.collect())
}

/// Runs the entry as kubectl does, with nothing cached, in a shell with these variables.
fn use_entry(test_env: &TestEnv, variables: &[&Variables]) -> Ran {
    let _ = std::fs::remove_dir_all(test_env.path(".kube/cache"));
    call_entry(test_env, variables)
}

/// The same with what is cached.
fn call_entry(test_env: &TestEnv, variables: &[&Variables]) -> Ran {
    let (args, own) = entry(test_env);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut command = test_env.aad(&args);
    for list in variables.iter().copied().chain([&own]) {
        command.envs(list.iter().map(|(name, value)| (name, value)));
    }
    run(command.stdin(Stdio::null()))
}

fn identity(test_env: &TestEnv, ran: &Ran) -> BTreeMap<&'static str, Value> {
    let claims = test_env.claims(ran);
    let keys = ["aud", "tid", "oid", "appid", "azp"];
    keys.map(|key| (key, claims[key].clone())).into()
}

fn sync(test_env: &TestEnv, flags: &[&str], variables: &[&Variables]) -> Ran {
    let mut command = test_env.sync(flags);
    for list in variables {
        command.envs(list.iter().map(|(name, value)| (name, value)));
    }
    run(&mut command)
}

fn forget_kubeconfig(test_env: &TestEnv) {
    let _ = std::fs::remove_file(test_env.kubeconfig());
}

#[test]
fn an_entry_of_sync_means_the_same_in_every_shell() {
    let test_env = test_env();
    for setup in setups(&test_env) {
        let mut flags = vec!["--no-warm", "-l", setup.mode, "--arm-login", "azurecli"];
        flags.extend(setup.flags.iter().map(String::as_str));
        forget_kubeconfig(&test_env);
        let quiet = sync(&test_env, &flags, &[]);
        assert_eq!(quiet.code, 0, "{}: {}", setup.mode, quiet.stderr);
        let written = test_env.kubeconfig_text();
        assert!(written.contains("- --env-secrets-only\n"), "{written}");
        let foreign = foreign(&setup.at_use);
        // A sync elsewhere writes the same, and so does one that finds it there.
        for again in [false, true] {
            if !again {
                forget_kubeconfig(&test_env);
            }
            // A certificate that is named nowhere else would be this sign-in's.
            let not_its_own: Variables = foreign
                .iter()
                .filter(|(name, _)| setup.mode != "spn" || !name.contains("CERTIFICATE"))
                .cloned()
                .collect();
            let loud = sync(&test_env, &flags, &[&not_its_own]);
            assert_eq!(loud.code, 0, "{}: {}", setup.mode, loud.stderr);
            assert_eq!(test_env.kubeconfig_text(), written, "{}", setup.mode);
        }
        let plain = use_entry(&test_env, &[&setup.at_use]);
        let identity = |ran: &Ran| identity(&test_env, ran);
        let expected = identity(&plain);
        let mut elsewhere = foreign.clone();
        elsewhere.extend(
            [
                "AZURE_CONFIG_DIR",
                "AZD_CONFIG_DIR",
                "AZURE_CLOUD_NAME",
                "AZURE_ENVIRONMENT_FILEPATH",
            ]
            .map(|name| pair(name, "/nonexistent")),
        );
        let loud = use_entry(&test_env, &[&elsewhere, &setup.at_use]);
        assert_eq!(loud.code, 0, "{}: {}", setup.mode, loud.stderr);
        assert_eq!(identity(&loud), expected, "{}", setup.mode);
        // One at a time, so that none hides behind another: those that kubelogin would obey here.
        let mode = LoginMode::parse(setup.mode).expect("a mode");
        let obeyed = |name: &str| {
            let rows = PARAMS.iter().filter(|row| mode.uses(row.param));
            let mut variables = rows.flat_map(|row| row.variables);
            variables.any(|variable| {
                variable.name == name
                    && match variable.when {
                        When::Always | When::Usual => true,
                        When::Terraform => false,
                        When::Mode(other) | When::ModeIfUnset(other) => other == mode,
                    }
            })
        };
        for one in foreign.iter().filter(|(name, _)| obeyed(name)) {
            let loud = use_entry(&test_env, &[&vec![one.clone()], &setup.at_use]);
            assert_eq!(
                loud.code, 0,
                "{} with {}: {}",
                setup.mode, one.0, loud.stderr
            );
            assert_eq!(identity(&loud), expected, "{} with {}", setup.mode, one.0);
        }
    }
}

#[test]
fn an_entry_of_an_earlier_version_is_brought_up_to_date() {
    let test_env = TestEnv::new();
    assert_eq!(sync(&test_env, &[], &[]).code, 0);
    let written = test_env.kubeconfig_text();
    let old = written.replace("      - --env-secrets-only\n", "");
    assert_ne!(old, written);
    std::fs::write(test_env.kubeconfig(), old).expect("written");
    let report = sync(&test_env, &["-o", "json"], &[]).json(0);
    assert_eq!(report["summary"]["updated"], 1, "{report}");
    assert_eq!(test_env.kubeconfig_text(), written);
}

#[test]
fn what_a_sign_in_has_from_variables_is_written_and_its_secret_is_not() {
    let test_env = test_env();
    let client = test_env.principal.client_id.as_str();
    let federated = test_env.path("federated").display().to_string();
    let tenant = test_env.tenant.as_str();
    let secret = test_env.principal.secret();
    let terraform = [
        pair("ARM_CLIENT_ID", client),
        pair("ARM_TENANT_ID", tenant),
        pair("ARM_CLIENT_SECRET", secret),
        pair("AZURE_CLIENT_ID", "foreign"),
        pair("AZURE_CLIENT_SECRET", "foreign"),
        pair("AZURE_TENANT_ID", "foreign"),
    ];
    let usual = [
        pair("AZURE_CLIENT_ID", client),
        pair("AZURE_TENANT_ID", tenant),
        pair("AZURE_CLIENT_SECRET", secret),
    ];
    let webhook = [
        pair("AZURE_CLIENT_ID", client),
        pair("AZURE_TENANT_ID", tenant),
        pair("AZURE_FEDERATED_TOKEN_FILE", &federated),
        pair("AZURE_AUTHORITY_HOST", &test_env.simulator.authority_url()),
    ];
    let mut pipeline = of_place(&test_env, Place::AzurePipelines);
    let at_use_pipeline = pipeline.clone();
    pipeline.extend([
        pair("AZURESUBSCRIPTION_CLIENT_ID", client),
        pair("AZURESUBSCRIPTION_TENANT_ID", tenant),
        pair("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", "connection"),
        pair("AZURE_CLIENT_ID", "foreign"),
    ]);
    for (flags, variables, at_use) in [
        (&["-l", "spn"][..], usual.to_vec(), usual[2..].to_vec()),
        (
            &["-l", "spn", "--use-azurerm-env-vars"],
            terraform.to_vec(),
            terraform[2..].to_vec(),
        ),
        (&["-l", "workloadidentity"], webhook.to_vec(), Vec::new()),
        (&["-l", "azurepipelines"], pipeline, at_use_pipeline),
    ] {
        forget_kubeconfig(&test_env);
        let synced = sync(&test_env, &[flags, &["-o", "json"]].concat(), &[&variables]);
        let report = synced.json(0);
        assert_eq!(report["tokens"][0]["error"], Value::Null, "{flags:?}");
        assert!(!test_env.kubeconfig_text().contains(secret));
        let used = use_entry(&test_env, &[&at_use]);
        assert_eq!(used.code, 0, "{flags:?}: {}", used.stderr);
        assert_eq!(
            test_env.claims(&used)["oid"],
            test_env.principal.oid.as_str()
        );
    }
}

#[test]
fn a_pods_identity_is_not_taken_for_the_machines() {
    let test_env = test_env();
    let identities = test_env.simulator.fleet().managed_identities;
    let system = identities.iter().find(|i| i.system).expect("one");
    let mut pod = of_place(&test_env, Place::VirtualMachine);
    let machine = pod.clone();
    pod.push(pair(
        "AZURE_CLIENT_ID",
        &assigned_identity(&test_env).client_id,
    ));
    let synced = sync(&test_env, &["-l", "msi", "-o", "json"], &[&pod]);
    assert_eq!(synced.json(0)["tokens"][0]["error"], Value::Null);
    let (args, _) = entry(&test_env);
    assert!(!args.contains(&"--client-id".to_owned()), "{args:?}");
    let used = use_entry(&test_env, &[&pod, &machine]);
    assert_eq!(test_env.claims(&used)["oid"], system.object_id.as_str());
}

#[cfg(unix)]
#[test]
fn of_two_sign_ins_each_has_its_own_settings() {
    let test_env = test_env();
    let client = test_env.principal.client_id.as_str();
    let federated = test_env.path("federated").display().to_string();
    let bot: Variables = vec![
        pair("AZURE_CLIENT_ID", client),
        pair("AZURE_TENANT_ID", &test_env.tenant),
        pair("AZURE_CLIENT_SECRET", test_env.principal.secret()),
    ];
    // People's contexts, found by a bot.
    for mode in ["devicecode", "interactive", "ropc"] {
        forget_kubeconfig(&test_env);
        let mut flags = vec!["-l", mode, "--arm-login", "spn", "--no-warm"];
        if mode == "ropc" {
            flags.extend(["--username", &test_env.user.upn]);
        }
        let synced = sync(&test_env, &flags, &[&bot]);
        assert_eq!(synced.code, 0, "{mode}: {}", synced.stderr);
        let (args, _) = entry(&test_env);
        assert!(args.contains(&AKS_CLIENT_APP.to_owned()), "{args:?}");
        assert!(!args.contains(&client.to_owned()), "{args:?}");
    }
    // A workload's contexts, found by the machine that it runs on.
    forget_kubeconfig(&test_env);
    let mut pod = of_place(&test_env, Place::VirtualMachine);
    pod.extend([
        pair("AZURE_CLIENT_ID", client),
        pair("AZURE_FEDERATED_TOKEN_FILE", &federated),
    ]);
    test_env.simulator.reset();
    let flags = ["-l", "workloadidentity", "--arm-login", "msi", "-o", "json"];
    let report = sync(&test_env, &flags, &[&pod]).json(0);
    assert_eq!(report["tokens"][0]["error"], Value::Null, "{report}");
    let asked = test_env.simulator.requests_to(azure_sim::Endpoint::Imds);
    assert!(!asked.is_empty());
    for request in asked {
        assert!(request.query.iter().all(|(name, _)| name != "client_id"));
    }
    // az's contexts, found by a workload and by a pipeline.
    forget_kubeconfig(&test_env);
    pod.push(pair("AZURE_TENANT_ID", &test_env.tenant));
    let found = sync(&test_env, &["--arm-login", "workloadidentity"], &[&pod]);
    assert_eq!(found.code, 0, "{}", found.stderr);
    let pipeline = of_place(&test_env, Place::AzurePipelines);
    let flags = [
        "--arm-login",
        "azurepipelines",
        "--arm-client-id",
        client,
        "--arm-tenant-id",
        &test_env.tenant,
        "--arm-azure-pipelines-service-connection-id",
        "connection",
    ];
    let found = sync(&test_env, &flags, &[&pipeline]);
    assert_eq!(found.code, 0, "{}", found.stderr);
    // A pipeline's contexts, found by a person.
    forget_kubeconfig(&test_env);
    let person = test_env.at_a_terminal(&[
        "sync",
        "-e",
        CLOUD,
        "-l",
        "spn",
        "--client-id",
        client,
        "--arm-login",
        "devicecode",
        "--no-warm",
    ]);
    assert_eq!(person.code, 0, "{}", person.stderr);
    assert!(entry(&test_env).0.contains(&client.to_owned()));
}

/// What an application in development has in its shell: another identity, whole and valid, in every
/// variable of every mode, and other directories and another cloud for az and azd.
fn application_in_development(test_env: &TestEnv, except: &Variables) -> Variables {
    let fleet = test_env.simulator.fleet();
    let other = fleet
        .service_principals
        .iter()
        .find(|principal| principal.client_id != test_env.principal.client_id);
    let (client, secret) = match other {
        Some(other) => (other.client_id.clone(), other.secret().to_owned()),
        None => (uuid_like(), "another-secret".to_owned()),
    };
    let rows = PARAMS.iter().flat_map(|row| {
        row.variable_names()
            .into_iter()
            .map(move |name| (row, name))
    });
    let mut variables: Variables = rows
        .filter(|(_, name)| *name != "AAD_TOKEN_STORE")
        .map(|(row, name)| {
            let value = match row.param {
                Param::Login => "spn",
                Param::ClientId => &client,
                Param::ClientSecret => &secret,
                Param::Timeout => "50s",
                Param::AuthorityHost => "https://login.microsoftonline.com/",
                Param::TenantId => "11111111-2222-4333-8444-555555555555",
                _ => "/another",
            };
            pair(name, value)
        })
        .collect();
    variables.extend(
        [
            "AZURE_CONFIG_DIR",
            "AZD_CONFIG_DIR",
            "AZURE_CLOUD_NAME",
            "ARM_SUBSCRIPTION_ID",
            "AZURE_SUBSCRIPTION_ID",
            "ARM_ENVIRONMENT",
            "AZURE_ENVIRONMENT",
        ]
        .map(|name| pair(name, "/another")),
    );
    variables.retain(|(name, _)| !except.iter().any(|(known, _)| known == name));
    variables
}

fn uuid_like() -> String {
    "99999999-8888-4777-8666-555555555555".to_owned()
}

#[test]
fn kubectl_finds_the_tokens_that_sync_fetched_in_every_shell() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let test_env = test_env();
    let who = |variables: &[&Variables]| {
        let mut command = test_env.program(&kubectl);
        let text = test_env.kubeconfig_text();
        let parsed = kube::config::Kubeconfig::from_yaml(&text).expect("a kubeconfig");
        command
            .args(["--context", &parsed.contexts[0].name])
            .args(["auth", "whoami", "-o", "json"])
            .stdin(Stdio::null());
        for list in variables {
            command.envs(list.iter().map(|(name, value)| (name, value)));
        }
        run(&mut command)
    };
    let mut setups = setups(&test_env);
    setups.insert(
        1,
        Setup {
            mode: "interactive",
            flags: Vec::new(),
            at_use: Vec::new(),
        },
    );
    for setup in setups {
        forget_kubeconfig(&test_env);
        let mut flags = vec!["-l", setup.mode, "--arm-login", "azurecli", "-o", "json"];
        flags.extend(setup.flags.iter().map(String::as_str));
        let synced = sync(&test_env, &flags, &[&setup.at_use]);
        let report = synced.json(0);
        assert_eq!(report["tokens"][0]["error"], Value::Null, "{report}");
        let plain = who(&[&setup.at_use]);
        assert_eq!(plain.code, 0, "{}: {}", setup.mode, plain.stderr);
        let foreign = application_in_development(&test_env, &setup.at_use);
        for cold in [false, true] {
            let sessions_stay = matches!(setup.mode, "devicecode" | "interactive");
            if cold && !sessions_stay {
                let _ = std::fs::remove_dir_all(test_env.path(".kube/cache"));
            }
            test_env.simulator.reset();
            let loud = who(&[&foreign, &setup.at_use]);
            assert_eq!(loud.code, 0, "{}: {}", setup.mode, loud.stderr);
            assert_eq!(loud.stdout, plain.stdout, "{}", setup.mode);
            let asked: Vec<_> = test_env.simulator.requests();
            let asked: Vec<_> = asked
                .iter()
                .filter(|request| !request.path.contains("selfsubjectreviews"))
                .collect();
            if !cold {
                assert!(asked.is_empty(), "{}: {asked:?}", setup.mode);
                let started = test_env.simulator.tool_starts();
                assert!(started.is_empty(), "{}: {started:?}", setup.mode);
            }
        }
    }
}

#[test]
fn a_background_refresh_signs_in_as_the_entry_says() {
    let test_env = test_env();
    let simulator = &test_env.simulator;
    let lifetimes = |seconds| {
        simulator.configure(|settings| {
            settings.user_token_lifetime = seconds;
            settings.service_token_lifetime = seconds;
            settings.managed_identity_token_lifetime = seconds;
        });
    };
    for setup in setups(&test_env) {
        forget_kubeconfig(&test_env);
        let mut flags = vec!["--no-warm", "-l", setup.mode, "--arm-login", "azurecli"];
        flags.extend(setup.flags.iter().map(String::as_str));
        assert_eq!(sync(&test_env, &flags, &[]).code, 0, "{}", setup.mode);
        // Long enough to be served, and due from the start.
        lifetimes(590);
        let old = use_entry(&test_env, &[&setup.at_use]);
        let expected = identity(&test_env, &old);
        lifetimes(5302);
        let foreign = application_in_development(&test_env, &setup.at_use);
        let end = Instant::now() + Duration::from_secs(30);
        let new = loop {
            let now = call_entry(&test_env, &[&foreign, &setup.at_use]);
            assert_eq!(now.code, 0, "{}: {}", setup.mode, now.stderr);
            if now.stdout != old.stdout {
                break now;
            }
            assert!(Instant::now() < end, "{} is not renewed", setup.mode);
            std::thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(identity(&test_env, &new), expected, "{}", setup.mode);
    }
}
