//! The token cache, end to end: who gets which token, what it costs, and what a crash leaves.

#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};

use azure_sim::{AKS_SERVER_APP, Endpoint, User};
use serde_json::Value;

use crate::{
    env::{INTERACTIVE, Ran, TIMEOUT, TestEnv, finished, run, start, wait_until},
    support::peer,
};

fn prompts<'a>(runs: impl IntoIterator<Item = &'a Ran>) -> usize {
    let asks = |ran: &&Ran| ran.stderr.contains("enter the code");
    runs.into_iter().filter(asks).count()
}

#[test]
fn of_a_hundred_processes_one_signs_in_and_the_others_wait_and_reuse_the_token() {
    let test_env = TestEnv::new();
    let args = test_env.user_args("devicecode", &[]);
    let children: Vec<Child> = (0..100)
        .map(|_| start(&mut test_env.get_token_command(&args, &[INTERACTIVE])))
        .collect();
    let runs: Vec<Ran> = children.into_iter().map(finished).collect();
    for ran in &runs {
        assert_eq!(test_env.claims(ran)["oid"], test_env.user.oid.as_str());
    }
    let counters = test_env.simulator.counters();
    assert_eq!(counters.get(Endpoint::DeviceCode), 1);
    assert_eq!(prompts(&runs), 1);
}

#[test]
fn a_holder_that_is_killed_passes_the_sign_in_on() {
    let test_env = TestEnv::new();
    let simulator = &test_env.simulator;
    simulator.configure(|settings| settings.device_auto_approve = None);
    let args = test_env.user_args("devicecode", &[]);
    let mut holder = start(&mut test_env.get_token_command(&args, &[INTERACTIVE]));
    let abandoned = simulator.wait_for_user_code(TIMEOUT);
    let children: Vec<Child> = (0..99)
        .map(|_| start(&mut test_env.get_token_command(&args, &[INTERACTIVE])))
        .collect();
    holder.kill().expect("it lives");
    holder.wait().expect("it can be waited for");
    wait_until("another process asks", || {
        simulator.pending_user_codes().len() > 1
    });
    for code in simulator.pending_user_codes() {
        if code != abandoned {
            simulator.approve_device(&code, &test_env.user.upn);
        }
    }
    let runs: Vec<Ran> = children.into_iter().map(finished).collect();
    for ran in &runs {
        test_env.claims(ran);
    }
    assert_eq!(simulator.counters().get(Endpoint::DeviceCode), 2);
    assert_eq!(prompts(&runs), 1, "one prompt besides the one that died");
}

/// Two people who are in both tenants, each signed in once.
fn two_people_in_two_tenants() -> (TestEnv, [User; 2], [String; 2]) {
    let test_env = TestEnv::with_tenants(2);
    let simulator = &test_env.simulator;
    let tenants: Vec<String> = simulator
        .fleet()
        .tenants
        .iter()
        .map(|t| t.id.clone())
        .collect();
    let people = ["ann@one.example", "bob@two.example"];
    let people = std::array::from_fn(|at| {
        let oid = format!("00000000-0000-4000-8000-00000000000{at}");
        let mut user = User::new(people[at], oid, &tenants[at]);
        user.tenants.push(tenants[1 - at].clone());
        simulator.update(|fleet| fleet.users.push(user.clone()));
        user
    });
    for user in &people {
        simulator.configure(|s| s.device_auto_approve = Some((1, user.upn.clone())));
        let args = test_env.user_args("devicecode", &["--login-hint", &user.upn]);
        test_env.claims(&test_env.get_token(&args, &[INTERACTIVE]));
    }
    (test_env, people, [tenants[0].clone(), tenants[1].clone()])
}

#[test]
fn a_hundred_calls_of_two_accounts_in_two_tenants_are_never_mixed() {
    let (test_env, people, tenants) = two_people_in_two_tenants();
    test_env.simulator.reset();
    for call in 0..100 {
        let (user, tenant) = (&people[call % 2], &tenants[call / 2 % 2]);
        let args = ["--tenant-id", tenant, "--login-hint", &user.upn];
        let ran = test_env.get_token(&test_env.user_args("devicecode", &args), &[INTERACTIVE]);
        let claims = test_env.claims(&ran);
        assert_eq!(claims["tid"], tenant.as_str(), "call {call}");
        assert_eq!(claims["oid"], user.oid_in(tenant).as_str(), "call {call}");
    }
    let counters = test_env.simulator.counters();
    assert_eq!(counters.get(Endpoint::DeviceCode), 0);
    assert!(counters.tokens("refresh_token") <= 3, "one a pair, once");
}

#[test]
fn a_sign_in_as_somebody_else_than_was_asked_for_is_refused_and_not_kept() {
    let test_env = TestEnv::new();
    let args = test_env.user_args("devicecode", &["--login-hint", "ann@one.example"]);
    let ran = test_env.get_token(&args, &[INTERACTIVE]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
    assert!(
        ran.stderr.contains("but `ann@one.example` was asked for"),
        "{}",
        ran.stderr
    );
    assert_eq!(listed(&test_env, &[]).len(), 0);
}

#[test]
fn two_secrets_of_one_application_have_tokens_of_their_own() {
    let test_env = TestEnv::new();
    let client = test_env.principal.client_id.clone();
    test_env.simulator.update(|fleet| {
        let principal = fleet
            .service_principals
            .iter_mut()
            .find(|p| p.client_id == client)
            .expect("it is there");
        principal.secrets.push("planted-second-secret".into());
    });
    let args = test_env.spn_args(&[]);
    let first = test_env.get_token(
        &args,
        &[("AZURE_CLIENT_SECRET", test_env.principal.secret())],
    );
    let second = test_env.get_token(&args, &[("AZURE_CLIENT_SECRET", "planted-second-secret")]);
    test_env.claims(&first);
    test_env.claims(&second);
    let wrong = test_env.get_token(&args, &[("AZURE_CLIENT_SECRET", "planted-wrong-secret")]);
    assert_eq!(
        wrong.code, 1,
        "what others got is not served: {}",
        wrong.stdout
    );
}

#[test]
fn a_token_near_its_end_is_served_at_once_and_renewed_by_one_process() {
    let test_env = TestEnv::new();
    let simulator = &test_env.simulator;
    // Ten minutes: over the least life, and near enough to the end from the start.
    simulator.configure(|settings| settings.user_token_lifetime = 590);
    let args = test_env.user_args("devicecode", &[]);
    let old = test_env.get_token(&args, &[INTERACTIVE]).token();
    simulator.configure(|settings| settings.user_token_lifetime = 5302);
    simulator.reset();

    // The renewal is held back as long as others call.
    let slow = azure_sim::Fault::on(Endpoint::Token).latency(Duration::from_millis(300));
    simulator.faults().add(slow);
    let children: Vec<Child> = (0..30)
        .map(|_| start(&mut test_env.get_token_command(&args, &[])))
        .collect();
    for child in children {
        let ran = finished(child);
        test_env.check_for_leaks(&ran);
        let served = ran.token();
        let claims = simulator.claims(&served).expect("a good token");
        assert_eq!(claims["oid"], test_env.user.oid.as_str());
    }
    wait_until("the token is renewed", || {
        test_env.get_token(&args, &[]).token() != old
    });
    let counters = simulator.counters();
    assert_eq!(counters.tokens("refresh_token"), 1, "by one process, once");
    assert_eq!(counters.get(Endpoint::DeviceCode), 0);
}

#[test]
fn a_background_refresh_that_fails_is_not_tried_again_by_every_call() {
    let test_env = TestEnv::new();
    let simulator = &test_env.simulator;
    simulator.configure(|settings| settings.user_token_lifetime = 590);
    let args = test_env.user_args("devicecode", &[]);
    let old = test_env.get_token(&args, &[INTERACTIVE]).token();
    simulator.revoke_refresh_tokens(&test_env.user.upn);
    simulator.reset();
    for _ in 0..10 {
        let ran = test_env.get_token(&args, &[INTERACTIVE]);
        assert_eq!(ran.token(), old);
        assert_eq!(
            prompts([&ran]),
            0,
            "a valid token is returned without a prompt"
        );
    }
    wait_until("the renewal is tried", || {
        simulator.counters().tokens("refresh_token") == 1
    });
    assert_eq!(simulator.counters().get(Endpoint::DeviceCode), 0);
}

/// Whoever reads the process list sees no secret of a renewal: it is in no argument.
#[test]
fn a_background_refresh_gets_its_secrets_through_a_pipe() {
    let test_env = TestEnv::new();
    let simulator = &test_env.simulator;
    simulator.configure(|settings| settings.service_token_lifetime = 590);
    let args = test_env.spn_args(&["--client-secret", test_env.principal.secret()]);
    let old = test_env.get_token(&args, &[]).token();
    simulator.configure(|settings| settings.service_token_lifetime = 3599);
    wait_until("the token is renewed", || {
        test_env.get_token(&args, &[]).token() != old
    });
    assert_eq!(simulator.counters().tokens("client_credentials"), 2);
}

#[test]
fn a_warm_call_as_az_starts_no_process_and_asks_nobody() {
    let test_env = TestEnv::new();
    let args = ["-l", "azurecli", "--tenant-id", &test_env.tenant];
    let first = test_env.get_token(&args, &[]).token();
    test_env.simulator.reset();
    for _ in 0..3 {
        assert_eq!(test_env.get_token(&args, &[]).token(), first);
    }
    assert!(test_env.simulator.tool_starts().is_empty());
    assert_eq!(test_env.simulator.counters().total(), 0);
}

#[test]
fn who_signs_out_of_az_and_in_again_gets_a_new_token() {
    let test_env = TestEnv::new();
    let args = ["-l", "azurecli", "--tenant-id", &test_env.tenant];
    let old = test_env.get_token(&args, &[]).token();
    let az = test_env.bin("az");
    let tool = |words: &[&str]| {
        let ran = run(test_env.program(&az).args(words));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    };
    tool(&["logout"]);
    assert_eq!(test_env.get_token(&args, &[]).code, 1);
    tool(&[
        "login",
        "-u",
        &test_env.user.upn,
        "-p",
        &test_env.user.password,
    ]);
    let again = test_env.get_token(&args, &[]);
    test_env.claims(&again);
    assert_ne!(again.token(), old);
    tool(&[
        "login",
        "--service-principal",
        "-u",
        &test_env.principal.client_id,
        "-p",
        test_env.principal.secret(),
        "--tenant",
        &test_env.tenant,
    ]);
    // Whichever account az answers for now, it is asked.
    test_env.simulator.reset();
    test_env.get_token(&args, &[]);
    assert_eq!(test_env.simulator.tool_starts().len(), 1);
}

/// The records that `cache list` shows.
fn listed(test_env: &TestEnv, args: &[&str]) -> Vec<Value> {
    let mut command = test_env.aad(&["cache", "list", "-o", "json"]);
    let ran = run(command.args(args));
    test_env.check_for_leaks(&ran);
    let report = ran.json(0);
    assert!(
        ran.stderr.starts_with("tokens are stored in "),
        "{}",
        ran.stderr
    );
    report["records"].as_array().expect("a list").clone()
}

#[test]
fn what_is_cached_is_listed_and_cleared_by_tenant_account_and_context() {
    let (test_env, people, _) = two_people_in_two_tenants();
    let simulator = &test_env.simulator;
    let accounts = |records: &[Value]| -> BTreeSet<String> {
        records
            .iter()
            .map(|r| format!("{} {}", r["kind"], r["account"]).replace('"', ""))
            .collect()
    };
    let all = listed(&test_env, &[]);
    assert_eq!(
        accounts(&all),
        people
            .iter()
            .flat_map(|u| [format!("token {}", u.upn), format!("sign-in {}", u.upn)])
            .collect()
    );
    assert_eq!(listed(&test_env, &["--account", &people[0].upn]).len(), 2);
    assert_eq!(listed(&test_env, &["--tenant", "elsewhere"]).len(), 0);
    let clear = |args: &[&str]| {
        let ran = run(test_env.aad(&["cache", "clear"]).args(args));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stderr
    };
    assert_eq!(
        clear(&["--account", &people[1].upn]),
        "deleted 2 cache entries\n"
    );
    assert_eq!(listed(&test_env, &[]).len(), 2);

    // The context's token goes, the sign-in stays: nobody is asked for the next one.
    let kubeconfig = test_env.kubeconfig();
    fs::create_dir_all(kubeconfig.parent().expect("it has one")).expect("made");
    let args = test_env.user_args("devicecode", &["--login-hint", &people[0].upn]);
    let exec_args = [
        &["get-token", "--server-id", AKS_SERVER_APP],
        args.as_slice(),
    ]
    .concat();
    let entry = serde_json::json!({
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"exec": {
            "command": "kubectl-aad",
            "args": exec_args,
        }}}],
    });
    fs::write(&kubeconfig, entry.to_string()).expect("written");
    let old = test_env.get_token(&args, &[]).token();
    assert_eq!(clear(&["--context", "x"]), "deleted 1 cache entry\n");
    simulator.reset();
    assert_ne!(test_env.get_token(&args, &[]).token(), old);
    assert_eq!(simulator.counters().get(Endpoint::DeviceCode), 0);
    let unknown = run(&mut test_env.aad(&["cache", "clear", "--context", "y"]));
    assert_eq!(unknown.code, 1);
    assert!(unknown.stderr.contains("there is no context `y`"));

    clear(&[]);
    assert_eq!(listed(&test_env, &[]).len(), 0);
}

#[test]
fn commands_of_kubelogin_remove_what_is_cached() {
    let test_env = TestEnv::new();
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let named = test_env.path("named");
    let named = named.to_str().expect("text");
    for (command, flag) in [
        ("remove-cache-dir", "--cache-dir"),
        ("remove-tokens", "--token-cache-dir"),
    ] {
        test_env.get_token(&test_env.spn_args(&[]), &[secret]);
        test_env.get_token(&test_env.spn_args(&["--cache-dir", named]), &[secret]);
        let ours = |parent: &Path| parent.join("kubectl-aad").exists();
        let usual = test_env.path(".kube/cache");
        assert!(ours(&usual) && ours(named.as_ref()));
        assert_eq!(
            run(test_env.aad(&[command, flag, named]).stdin(Stdio::null())).code,
            0
        );
        assert!(ours(&usual) && !ours(named.as_ref()));
        assert_eq!(run(&mut test_env.aad(&[command])).code, 0);
        assert!(!ours(&usual));
        assert_eq!(
            run(&mut test_env.aad(&[command])).code,
            0,
            "none is no error"
        );
    }
}

#[cfg(unix)]
#[test]
fn each_store_keeps_what_it_says() {
    let test_env = TestEnv::new();
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let args = test_env.spn_args(&[]);
    let cache = test_env.path(".kube/cache/kubectl-aad");
    let none = ("AAD_TOKEN_STORE", "none");
    assert_ne!(
        test_env.get_token(&args, &[secret, none]).token(),
        test_env.get_token(&args, &[secret, none]).token()
    );
    assert!(!cache.exists());
    let file = ("AAD_TOKEN_STORE", "file");
    let kept = test_env.get_token(&args, &[secret, file]).token();
    assert_eq!(test_env.get_token(&args, &[secret, file]).token(), kept);
    for entry in fs::read_dir(&cache).expect("it was made") {
        let path = entry.expect("readable").path();
        let mode = path.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
    // If its mode gives others access, nothing is read from it or written to it.
    let names = || {
        let entries = fs::read_dir(&cache).expect("it was made");
        let names = entries.map(|entry| entry.expect("readable").file_name());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let before = names();
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o755)).expect("ours");
    let unused = test_env.get_token(&args, &[secret, file]);
    assert_ne!(unused.token(), kept);
    assert_eq!(names(), before);
    let again = test_env.get_token(&args, &[secret, file]);
    assert_ne!(again.token(), unused.token(), "it was not written");
    assert!(
        unused.stderr.contains("run `chmod 700 "),
        "{}",
        unused.stderr
    );
    let clear = run(&mut test_env.aad(&["cache", "clear"]));
    assert_eq!(
        clear.code, 1,
        "what can't be used is not said to be cleared"
    );
    let wrong = test_env.get_token(&args, &[secret, ("AAD_TOKEN_STORE", "plain")]);
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
}

#[test]
fn files_of_others_in_the_cache_cost_a_sign_in_and_nothing_else() {
    let test_env = TestEnv::new();
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let file = ("AAD_TOKEN_STORE", "file");
    let args = test_env.spn_args(&[]);
    test_env.get_token(&args, &[secret, file]);
    let cache = test_env.path(".kube/cache/kubectl-aad");
    let record = fs::read_dir(&cache)
        .expect("made")
        .map(|entry| entry.expect("readable").path())
        .find(|path| path.extension().is_some_and(|e| e == "json"))
        .expect("a record");
    let good = fs::read(&record).expect("readable");
    let mut others: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"{}".to_vec(),
        b"null".to_vec(),
        vec![0xff; 64],
        vec![b'['; 200_000],
        good[..good.len() / 2].to_vec(),
    ];
    let text = String::from_utf8(good).expect("text");
    others.push(text.replace("\"version\":1", "\"version\":0").into_bytes());
    for bytes in others {
        fs::write(&record, &bytes).expect("ours");
        test_env.simulator.reset();
        test_env.claims(&test_env.get_token(&args, &[secret, file]));
        let counters = test_env.simulator.counters();
        assert_eq!(counters.tokens("client_credentials"), 1);
    }
}

#[test]
fn a_hit_opens_a_handful_of_files_and_no_socket_and_starts_no_thread() {
    let Some(strace) = peer("strace") else { return };
    let test_env = TestEnv::new();
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let args = test_env.spn_args(&[]);
    let kept = test_env.get_token(&args, &[secret]).token();
    // That of the fleet commands is not looked for.
    let configuration = test_env.path(".config/kubectl-aad/config.yaml");
    fs::create_dir_all(configuration.parent().expect("a directory")).expect("made");
    fs::write(&configuration, "login: azurecli\n").expect("written");
    let log = test_env.path("strace.log");
    let plain = test_env.get_token_command(&args, &[secret]);
    let mut traced = test_env.program(&strace);
    traced
        .args(["-f", "-o"])
        .arg(&log)
        .arg(plain.get_program())
        .args(plain.get_args())
        .env(secret.0, secret.1);
    assert_eq!(run(&mut traced).token(), kept);
    let log = fs::read_to_string(log).expect("strace wrote it");
    let calls = |name: &str| {
        let called = format!(" {name}(");
        log.lines().filter(move |line| line.contains(&called))
    };
    for never in [
        "socket", "connect", "clone", "clone3", "fork", "vfork", "execveat",
    ] {
        assert_eq!(calls(never).count(), 0, "{never}: {log}");
    }
    let opened: Vec<&str> = calls("openat")
        .chain(calls("open"))
        .filter(|line| !line.contains(" = -1 "))
        // What the loader reads is the system's matter; a static binary reads none of it.
        .filter(|line| !line.contains(".so"))
        .collect();
    assert!(opened.len() <= 3, "{opened:#?}");
    assert!(!log.contains("config.yaml"), "{log}");
    assert!(log.lines().count() < 150, "{}", log.lines().count());
}
