//! User sessions (refresh tokens), end to end: which contexts they serve, and what ends them.

#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
use std::{
    fs,
    process::{Child, Stdio},
    time::{Duration, SystemTime},
};

use azure_sim::{AZURE_CLI_APP, Endpoint, Fault, User};
use kubectl_aad::internals::{Store, StoreChoice, StoreKind as Kind};
use serde_json::json;

use crate::env::{
    CLOUD, INTERACTIVE, NON_INTERACTIVE, Ran, TIMEOUT, TestEnv, run, start, wait_until,
};

/// Two people who are both in two tenants, and nobody signed in.
pub(crate) struct Office {
    pub(crate) test_env: TestEnv,
    pub(crate) tenants: [String; 2],
    /// At home in the first tenant.
    pub(crate) ann: User,
    /// At home in the second tenant.
    pub(crate) bob: User,
}

impl Office {
    pub(crate) fn open() -> Self {
        let test_env = TestEnv::with_tenants(2);
        let simulator = &test_env.simulator;
        let fleet = simulator.fleet();
        let tenants = [fleet.tenants[0].id.clone(), fleet.tenants[1].id.clone()];
        let people = ["ann@one.example", "bob@two.example"];
        let [ann, bob] = std::array::from_fn(|at| {
            let oid = format!("00000000-0000-4000-8000-00000000000{at}");
            let mut user = User::new(people[at], oid, &tenants[at]);
            user.tenants.push(tenants[1 - at].clone());
            simulator.update(|fleet| fleet.users.push(user.clone()));
            user
        });
        // No access token outlives the call that got it: each call shows which session it uses.
        simulator.configure(|settings| settings.user_token_lifetime = 60);
        Self {
            test_env,
            tenants,
            ann,
            bob,
        }
    }

    pub(crate) fn args<'a>(tenant: &'a str, hint: Option<&'a User>) -> Vec<&'a str> {
        let mut args = vec!["-l", "devicecode", "--tenant-id", tenant];
        args.extend(["--client-id", azure_sim::AKS_CLIENT_APP]);
        if let Some(user) = hint {
            args.extend(["--login-hint", &user.upn]);
        }
        args
    }

    /// A call with nobody there to sign in.
    pub(crate) fn silent(&self, tenant: &str, hint: Option<&User>) -> Ran {
        self.test_env
            .get_token(&Self::args(tenant, hint), &[NON_INTERACTIVE])
    }

    /// A call at which this person signs in, if anybody is asked.
    pub(crate) fn with(&self, person: &User, tenant: &str, hint: Option<&User>) -> Ran {
        let simulator = &self.test_env.simulator;
        simulator.configure(|s| s.device_auto_approve = Some((1, person.upn.clone())));
        self.test_env
            .get_token(&Self::args(tenant, hint), &[INTERACTIVE])
    }

    pub(crate) fn signs_in(&self, person: &User, tenant: &str, hint: Option<&User>) {
        let before = self.prompts();
        let ran = self.with(person, tenant, hint);
        self.is(&ran, person, tenant);
        assert_eq!(self.prompts(), before + 1, "somebody was to be asked");
    }

    pub(crate) fn is(&self, ran: &Ran, person: &User, tenant: &str) {
        let claims = self.test_env.claims(ran);
        assert_eq!(claims["oid"], person.oid_in(tenant).as_str());
        assert_eq!(claims["tid"], tenant);
    }

    /// A call that nobody else's session may serve.
    pub(crate) fn is_refused(&self, tenant: &str) {
        let ran = self.silent(tenant, None);
        assert_eq!(ran.code, 1, "as whom? {}", ran.stdout);
        assert_eq!(ran.stdout, "");
    }

    pub(crate) fn prompts(&self) -> u64 {
        let counters = self.test_env.simulator.counters();
        counters.get(Endpoint::DeviceCode)
    }

    fn revoke(&self, person: &User) {
        self.test_env.simulator.revoke_refresh_tokens(&person.upn);
    }

    /// Every refresh request in this tenant (all where none is named) is refused with this code.
    fn refuse_refresh(&self, tenant: Option<&str>, code: u32, suberror: Option<&str>) {
        let mut body = json!({
            "error": "invalid_grant",
            "error_description": format!("AADSTS{code}: as the test has it."),
            "error_codes": [code],
        });
        if let Some(suberror) = suberror {
            body["suberror"] = suberror.into();
        }
        let fault = Fault::on(Endpoint::Token).grant("refresh_token");
        let fault = match tenant {
            Some(tenant) => fault.tenant(tenant),
            None => fault,
        };
        let faults = self.test_env.simulator.faults();
        faults.add(fault.body(400, "application/json", body.to_string()));
    }
}

#[test]
fn an_unnamed_context_does_not_run_as_a_named_account_after_a_failure() {
    let office = Office::open();
    let [one, two] = &office.tenants;
    office.signs_in(&office.ann, one, None);
    office.signs_in(&office.bob, two, Some(&office.bob));
    office.revoke(&office.ann);
    for _ in 0..3 {
        office.is_refused(one);
        office.is_refused(two);
    }
    // The named context still works, and the context stands for whoever signs in next.
    office.is(&office.silent(one, Some(&office.bob)), &office.bob, one);
    office.signs_in(&office.ann, one, None);
    office.is(&office.silent(one, None), &office.ann, one);
}

#[cfg(unix)]
#[test]
fn an_unnamed_context_does_not_run_as_a_named_account_after_a_canceled_prompt() {
    let office = Office::open();
    let one = &office.tenants[0];
    let simulator = &office.test_env.simulator;
    office.signs_in(&office.ann, one, None);
    office.signs_in(&office.bob, one, Some(&office.bob));
    office.revoke(&office.ann);
    simulator.configure(|settings| settings.device_auto_approve = None);
    let args = Office::args(one, None);
    let mut asked = start(&mut office.test_env.get_token_command(&args, &[INTERACTIVE]));
    simulator.wait_for_user_code(TIMEOUT);
    crate::env::signal(&asked, rustix::process::Signal::INT);
    assert!(!asked.wait().expect("it ends").success());
    office.is_refused(one);
    let mut again = start(&mut office.test_env.get_token_command(&args, &[INTERACTIVE]));
    wait_until("the person is asked again", || office.prompts() == 4);
    again.kill().expect("it lives");
    again.wait().expect("it ends");
}

#[test]
fn an_unnamed_context_does_not_run_as_a_named_account_after_a_background_refresh() {
    let office = Office::open();
    let one = &office.tenants[0];
    let simulator = &office.test_env.simulator;
    // Long enough to be served, and due from the start.
    simulator.configure(|settings| settings.user_token_lifetime = 590);
    office.signs_in(&office.ann, one, None);
    office.signs_in(&office.bob, one, Some(&office.bob));
    office.revoke(&office.ann);
    simulator.reset();
    office.is(&office.silent(one, None), &office.ann, one);
    wait_until("the background refresh is refused", || {
        simulator.counters().tokens("refresh_token") == 1
    });
    let mut args = Office::args(one, None);
    args.push("--force-refresh");
    // The refresher may still be forgetting the session: ann's is refused, too.
    let ran = office.test_env.get_token(&args, &[NON_INTERACTIVE]);
    assert_eq!(ran.code, 1, "as whom? {}", ran.stdout);
    office.is(&office.silent(one, None), &office.ann, one);
}

#[test]
fn a_session_that_was_only_named_serves_no_unnamed_context_cold() {
    let office = Office::open();
    let [one, two] = &office.tenants;
    office.signs_in(&office.bob, two, Some(&office.bob));
    // It is the only one, and bob is at home in the second tenant.
    office.is_refused(one);
    office.is_refused(two);
    office.is(&office.silent(one, Some(&office.bob)), &office.bob, one);
    office.is_refused(one);
    // Whoever signs in unnamed is who it stands for from then on.
    office.signs_in(&office.ann, one, None);
    office.is(&office.silent(two, None), &office.ann, two);
    office.is(&office.silent(two, Some(&office.bob)), &office.bob, two);
    office.is(&office.silent(two, None), &office.ann, two);
}

#[test]
fn a_context_whose_account_is_gone_does_not_run_as_another_unnamed_one() {
    for cleared in [false, true] {
        let office = Office::open();
        let [one, two] = &office.tenants;
        // Two sign-ins without a name: bob signs in where ann's is refused.
        office.signs_in(&office.ann, one, None);
        office.refuse_refresh(Some(two), 50_076, Some("basic_action"));
        office.signs_in(&office.bob, two, None);
        office.test_env.simulator.faults().clear();
        office.is(&office.silent(one, None), &office.ann, one);
        office.is(&office.silent(two, None), &office.bob, two);
        if cleared {
            let args = ["cache", "clear", "--account", &office.ann.upn];
            assert_eq!(run(&mut office.test_env.aad(&args)).code, 0);
        } else {
            office.revoke(&office.ann);
        }
        for _ in 0..2 {
            office.is_refused(one);
        }
        office.is(&office.silent(two, None), &office.bob, two);
        office.signs_in(&office.ann, one, None);
        office.is(&office.silent(one, None), &office.ann, one);
    }
}

#[cfg(unix)]
#[test]
fn the_sign_in_of_a_named_sync_serves_no_unnamed_command() {
    let office = Office::open();
    let test_env = &office.test_env;
    let simulator = &test_env.simulator;
    simulator.configure(|s| s.device_auto_approve = Some((1, office.bob.upn.clone())));
    let fleet = |args: &[&str]| {
        let mut command = test_env.aad(args);
        command.args(["-l", "devicecode", "--environment", CLOUD, "-o", "json"]);
        command.env(NON_INTERACTIVE.0, NON_INTERACTIVE.1);
        run(command.stdin(Stdio::null()))
    };
    let ran = test_env.at_a_terminal(&[
        "list",
        "-l",
        "devicecode",
        "--environment",
        CLOUD,
        "--account",
        &office.bob.upn,
    ]);
    assert_eq!(office.prompts(), 1, "{}", ran.stderr);
    // Named again it needs nobody; unnamed it must not be bob.
    fleet(&["list", "--account", &office.bob.upn]);
    assert_eq!(office.prompts(), 1);
    let unnamed = fleet(&["list"]);
    assert_eq!(unnamed.code, 1, "{}{}", unnamed.stdout, unnamed.stderr);
    let mut args = Office::args(&office.tenants[1], None);
    *args.last_mut().expect("the client") = AZURE_CLI_APP;
    let ran = test_env.get_token(&args, &[NON_INTERACTIVE]);
    assert_eq!(ran.code, 1, "as whom? {}", ran.stdout);
}

#[test]
fn an_answer_about_one_request_ends_no_session() {
    let office = Office::open();
    let [one, two] = &office.tenants;
    office.signs_in(&office.ann, one, None);
    for (code, suberror) in [
        (70_043, Some("token_expired")),
        (70_043, Some("bad_token")),
        (70_044, None),
        (50_076, Some("basic_action")),
        (50_079, Some("basic_action")),
        (50_078, Some("basic_action")),
        (50_158, Some("additional_action")),
        (53_000, Some("message_only")),
        (53_003, Some("message_only")),
        (530_032, None),
        (65_001, Some("consent_required")),
        (50_020, None),
        (9_999_999, None),
    ] {
        office.refuse_refresh(Some(two), code, suberror);
        office.is_refused(two);
        office.is(&office.silent(one, None), &office.ann, one);
        office.test_env.simulator.faults().clear();
        office.is(&office.silent(two, None), &office.ann, two);
    }
    assert_eq!(office.prompts(), 1);
}

#[test]
fn an_answer_about_the_token_itself_ends_its_session() {
    for (code, suberror) in [
        (70_008, None),
        (700_082, Some("token_expired")),
        (700_084, None),
        (50_173, Some("bad_token")),
        (50_132, None),
        (50_133, None),
        (9_999_999, Some("bad_token")),
    ] {
        let office = Office::open();
        let one = &office.tenants[0];
        office.signs_in(&office.ann, one, None);
        office.refuse_refresh(None, code, suberror);
        office.is_refused(one);
        office.test_env.simulator.reset();
        office.is_refused(one);
        let counters = office.test_env.simulator.counters();
        assert_eq!(counters.total(), 0, "AADSTS{code}: it is not sent again");
    }
}

#[test]
fn a_refused_token_that_was_already_replaced_does_not_remove_the_new_one() {
    let office = Office::open();
    let [one, two] = &office.tenants;
    let simulator = &office.test_env.simulator;
    office.signs_in(&office.ann, one, None);
    office.revoke(&office.ann);
    let refresh = Fault::on(Endpoint::Token).grant("refresh_token");
    let hold = simulator.hold(refresh.tenant(one));
    let named = Office::args(one, Some(&office.ann));
    let slow = start(&mut office.test_env.get_token_command(&named, &[]));
    hold.wait_for(1, TIMEOUT);
    // Ann signs in for a context that names nobody; the new token replaces the revoked one.
    office.signs_in(&office.ann, two, None);
    hold.release();
    let output = slow.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "it goes on with it: {stderr}");
    office.is(&office.silent(one, Some(&office.ann)), &office.ann, one);
    office.is(&office.silent(one, None), &office.ann, one);
    assert_eq!(office.prompts(), 2);
}

/// The names of the files in the cache.
fn files(test_env: &TestEnv) -> Vec<String> {
    let cache = test_env.path(".kube/cache/kubectl-aad");
    let entries = fs::read_dir(cache).expect("it was made");
    let names = entries.map(|entry| entry.expect("readable").file_name());
    let mut names: Vec<String> = names.map(|n| n.into_string().expect("text")).collect();
    names.sort();
    names
}

#[test]
fn sixty_cold_calls_with_proof_of_possession_make_one_key_and_one_request() {
    let test_env = TestEnv::new();
    let args = test_env.spn_args(&["--pop-enabled", "--pop-claims", "u=/cluster"]);
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let children: Vec<Child> = (0..60)
        .map(|_| start(&mut test_env.get_token_command(&args, &[secret])))
        .collect();
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
    }
    let counters = test_env.simulator.counters();
    assert_eq!(counters.tokens("client_credentials"), 1);
    let files = files(&test_env);
    let records = files.iter().filter(|name| !name.starts_with("key."));
    assert_eq!(records.count(), 2, "the key and the token: {files:?}");
}

#[test]
fn each_az_login_takes_the_place_of_the_one_before() {
    let test_env = TestEnv::new();
    let az = test_env.bin("az");
    let args = ["-l", "azurecli", "--tenant-id", &test_env.tenant];
    for _ in 0..5 {
        let login = [
            "login",
            "-u",
            &test_env.user.upn,
            "-p",
            &test_env.user.password,
        ];
        assert_eq!(run(test_env.program(&az).args(login)).code, 0);
        test_env.claims(&test_env.get_token(&args, &[]));
    }
    let files = files(&test_env);
    let records = files.iter().filter(|name| !name.starts_with("key."));
    assert_eq!(records.count(), 1, "{files:?}");
}

#[cfg(unix)]
#[test]
fn clearing_an_account_clears_it_in_every_kind_of_file() {
    let office = Office::open();
    let test_env = &office.test_env;
    let simulator = &test_env.simulator;
    simulator.configure(|settings| settings.user_token_lifetime = 5302);
    let sealed = Store::open(Ok(test_env.path("probe")), StoreChoice::Auto)
        .is_ok_and(|store| store.kind() != Kind::File);
    let one = &office.tenants[0];
    // As from a container that shares the home and has no key store.
    let signs_in = |person: &User, plain: bool| {
        simulator.configure(|s| s.device_auto_approve = Some((1, person.upn.clone())));
        let mut env = vec![INTERACTIVE];
        env.extend(plain.then_some(("AAD_TOKEN_STORE", "file")));
        let ran = test_env.get_token(&Office::args(one, Some(person)), &env);
        office.is(&ran, person, one);
    };
    for person in [&office.ann, &office.bob] {
        signs_in(person, false);
        signs_in(person, true);
    }
    let kinds = if sealed { 2 } else { 1 };
    let cache = |args: &[&str]| run(test_env.aad(&["cache"]).args(args));
    let listed = |account: &User| {
        let ran = cache(&["list", "-o", "json", "--account", &account.upn]);
        let report = ran.json(0);
        let count = report["records"].as_array().expect("a list").len();
        (count, report["unreadable"].clone(), ran.stderr)
    };
    assert_eq!(listed(&office.ann).0, 2 * kinds);
    let file = [
        "list",
        "-o",
        "json",
        "--account",
        &office.ann.upn,
        "--token-store",
        "file",
    ];
    let by_file = cache(&file).json(0);
    let count = by_file["records"].as_array().expect("a list").len();
    assert_eq!((count, &by_file["unreadable"]), (2 * kinds, &json!(0)));
    // Another machine's: nobody here can read it.
    let directory = test_env.path(".kube/cache/kubectl-aad");
    let foreign = directory.join("refresh-1-2.0badc0de.sealed");
    fs::write(&foreign, "noise").expect("written");
    fs::set_permissions(&foreign, fs::Permissions::from_mode(0o600)).expect("ours");
    let damaged = directory.join("access-1.json");
    fs::write(&damaged, "{\"version\":1").expect("written");
    fs::set_permissions(&damaged, fs::Permissions::from_mode(0o600)).expect("ours");
    let (_, unreadable, note) = listed(&office.ann);
    assert_eq!(unreadable, 2);
    assert!(
        note.contains("2 more cache entries can't be read here"),
        "{note}"
    );
    let cleared = cache(&["clear", "--account", &office.ann.upn]);
    assert_eq!(cleared.code, 0, "{}", cleared.stderr);
    let expected = format!(
        "deleted {} cache entries\ndeleted 2 cache entries that could not be read",
        2 * kinds
    );
    assert!(cleared.stderr.starts_with(&expected), "{}", cleared.stderr);
    assert!(!foreign.exists() && !damaged.exists());
    assert_eq!(listed(&office.ann).0, 0);
    assert_eq!(listed(&office.bob).0, 2 * kinds, "bob's stay");
    for plain in [false, true] {
        let env: &[_] = if plain {
            &[("AAD_TOKEN_STORE", "file")]
        } else {
            &[]
        };
        let ran = test_env.get_token(&Office::args(one, Some(&office.ann)), env);
        assert_eq!(ran.code, 1, "as whom? {}", ran.stdout);
    }
}

#[test]
fn what_az_answered_is_listed_and_cleared_by_its_account() {
    let test_env = TestEnv::new();
    let args = ["-l", "azurecli", "--tenant-id", &test_env.tenant];
    test_env.claims(&test_env.get_token(&args, &[]));
    let clear = |account: &str| {
        let args = ["cache", "clear", "--account", account];
        run(&mut test_env.aad(&args)).stderr
    };
    let upn = &test_env.user.upn;
    let none = format!("nothing to delete\nhint: accounts with cache entries: `{upn}`\n");
    assert_eq!(clear("nobody@one.example"), none);
    assert_eq!(clear(upn), "deleted 1 cache entry\n");
}

#[test]
fn an_absurd_expiry_ends_no_later_call() {
    let test_env = TestEnv::new();
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let args = test_env.spn_args(&[]);
    let faults = test_env.simulator.faults();
    for expiry in [
        "1000000000000",
        "9223372036854775807",
        "1e30",
        "\"883612800000\"",
        "\"3599\"",
        "3599.5",
    ] {
        let body =
            format!(r#"{{"token_type":"Bearer","access_token":"opaque","expires_in":{expiry}}}"#);
        faults.add(Fault::on(Endpoint::Token).body(200, "application/json", body));
        for _ in 0..2 {
            let ran = test_env.get_token(&args, &[secret]);
            assert_eq!(ran.code, 0, "{expiry}: {}", ran.stderr);
            assert_eq!(ran.json(0)["status"]["token"], "opaque", "{expiry}");
        }
        faults.clear();
        let args = ["cache", "clear", "--account", &test_env.principal.client_id];
        let cleared = run(&mut test_env.aad(&args));
        assert_eq!(cleared.stderr, "deleted 1 cache entry\n", "{expiry}");
    }
}

#[test]
fn a_service_principals_token_is_renewed_when_its_issuer_says() {
    let test_env = TestEnv::new();
    let simulator = &test_env.simulator;
    simulator.configure(|settings| settings.refresh_in = Some(1));
    let args = test_env.spn_args(&[]);
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    test_env.claims(&test_env.get_token(&args, &[secret]));
    wait_until("a background refresh", || {
        test_env.claims(&test_env.get_token(&args, &[secret]));
        simulator.counters().tokens("client_credentials") > 1
    });
}

#[test]
fn a_clock_that_is_ahead_ends_no_session_and_is_reported() {
    let office = Office::open();
    let test_env = &office.test_env;
    let one = &office.tenants[0];
    office.signs_in(&office.ann, one, None);
    // To a clock that is 100 days ahead, everything looks 100 days old.
    let days = |days: u64| Duration::from_secs(days * 24 * 3600);
    let directory = test_env.path(".kube/cache/kubectl-aad");
    let mut sessions = 0;
    for name in files(test_env) {
        if name.starts_with("refresh-") {
            sessions += 1;
            let at = SystemTime::now() - days(100);
            fs::File::options()
                .write(true)
                .open(directory.join(name))
                .and_then(|file| file.set_modified(at))
                .expect("ours");
        }
    }
    assert_eq!(sessions, 1);
    let simulator = &test_env.simulator;
    simulator.configure(|settings| settings.clock_offset = -100 * 24 * 3600);
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    let ran = test_env.get_token(&test_env.spn_args(&[]), &[secret]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let expected = "clock is 100 days ahead of that of Entra ID";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    simulator.reset();
    assert_eq!(
        test_env.get_token(&test_env.spn_args(&[]), &[secret]).code,
        0
    );
    assert_eq!(simulator.counters().total(), 0, "cached all the same");
    simulator.configure(|settings| settings.clock_offset = 0);
    office.is(&office.silent(one, None), &office.ann, one);
}

#[test]
fn what_is_cleared_during_a_refresh_does_not_come_back() {
    // An answer may leave the refresh token out, which then stays the same (RFC 6749, section 6).
    for without_refresh_token in [false, true] {
        let office = Office::open();
        let test_env = &office.test_env;
        let simulator = &test_env.simulator;
        let one = &office.tenants[0];
        office.signs_in(&office.ann, one, None);
        simulator.configure(|settings| {
            settings.user_token_lifetime = 5302;
            settings.no_refresh_tokens = without_refresh_token;
        });
        let hold = simulator.hold(Fault::on(Endpoint::Token).grant("refresh_token"));
        let slow = start(&mut test_env.get_token_command(&Office::args(one, None), &[]));
        hold.wait_for(1, TIMEOUT);
        let args = ["cache", "clear", "--account", &office.ann.upn];
        assert_eq!(run(&mut test_env.aad(&args)).code, 0);
        hold.release();
        assert!(slow.wait_with_output().expect("it ends").status.success());
        office.is_refused(one);
    }
}
