//! `kubectl aad logout`: what is forgotten, that it does not come back, and what is said to stay.

use azure_sim::{Endpoint, Fault, User};

use crate::{
    env::{
        AtATerminal, CLOUD, INTERACTIVE, NON_INTERACTIVE, Ran, TIMEOUT, TestEnv, run, start,
        wait_until,
    },
    sessions::Office,
    snapshots::Page,
};

fn logout(test_env: &TestEnv, args: &[&str]) -> Ran {
    let ran = run(test_env.aad(&["logout"]).args(args));
    test_env.check_for_leaks(&ran);
    ran
}

/// The number of cache entries.
fn entries(test_env: &TestEnv) -> usize {
    let listed = run(&mut test_env.aad(&["cache", "list", "-o", "json"])).json(0);
    listed["records"].as_array().expect("a list").len()
}

/// Both people are signed in by name to both tenants.
fn two_people() -> Office {
    let office = Office::open();
    let simulator = &office.test_env.simulator;
    simulator.configure(|settings| settings.user_token_lifetime = 12_000);
    for person in [&office.ann, &office.bob] {
        for tenant in &office.tenants {
            let ran = office.with(person, tenant, Some(person));
            office.is(&ran, person, tenant);
        }
    }
    office
}

fn is_asked(office: &Office, person: &User, tenant: &str) {
    let ran = office.silent(tenant, Some(person));
    assert_eq!(ran.code, 1, "as whom? {}", ran.stdout);
    assert!(ran.stderr.contains("has to sign in"), "{}", ran.stderr);
}

#[test]
fn who_logs_out_is_asked_again_in_every_tenant_and_the_others_are_not() {
    let office = two_people();
    let (ann, bob) = (&office.ann, &office.bob);
    let ran = logout(&office.test_env, &["--account", "Ann@One.example"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let forgot = "forgot `ann@one.example`: 1 sign-in and 2 tokens\n";
    assert!(ran.stderr.starts_with(forgot), "{}", ran.stderr);
    let before = office.prompts();
    for tenant in &office.tenants {
        is_asked(&office, ann, tenant);
        office.is(&office.silent(tenant, Some(bob)), bob, tenant);
    }
    assert_eq!(office.prompts(), before);
    office.signs_in(ann, &office.tenants[0], Some(ann));
}

#[test]
fn an_unnamed_context_does_not_become_another_account_by_a_logout() {
    let office = Office::open();
    let [one, two] = &office.tenants;
    office.signs_in(&office.ann, one, None);
    office.signs_in(&office.bob, two, Some(&office.bob));
    assert_eq!(
        logout(&office.test_env, &["--account", &office.ann.upn]).code,
        0
    );
    office.is_refused(one);
    office.is_refused(two);
    let bob = office.silent(two, Some(&office.bob));
    office.is(&bob, &office.bob, two);
}

#[test]
fn a_tenants_tokens_go_with_the_sign_ins_that_they_came_from() {
    let office = two_people();
    let [one, two] = &office.tenants;
    let test_env = &office.test_env;
    // Bob is at home in the second tenant, and only by name in the first.
    assert_eq!(logout(test_env, &["--account", &office.ann.upn]).code, 0);
    office.signs_in(&office.ann, two, Some(&office.ann));
    let ran = logout(test_env, &["--tenant", &one.to_uppercase()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    // Ann's home is the tenant, too.
    is_asked(&office, &office.bob, one);
    is_asked(&office, &office.ann, one);
    let ran = office.silent(two, Some(&office.bob));
    office.is(&ran, &office.bob, two);
    let nobody = logout(test_env, &["--tenant", "three.example"]);
    assert_eq!(nobody.code, 1);
    assert!(
        nobody.stderr.contains("for the tenant `three.example`"),
        "{}",
        nobody.stderr
    );
}

#[test]
fn who_may_be_a_guest_in_the_tenant_is_named() {
    let office = Office::open();
    let [one, two] = &office.tenants;
    office.signs_in(&office.ann, one, Some(&office.ann));
    office.signs_in(&office.bob, two, Some(&office.bob));
    let ran = logout(&office.test_env, &["--tenant", one]);
    let expected = "note: `bob@two.example` stays signed in, and gets tokens for this tenant if it is a guest there: \
                    `kubectl aad logout --account bob@two.example` ends that";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
}

#[test]
fn a_refresh_that_is_under_way_does_not_bring_a_session_back() {
    for without_refresh_token in [false, true] {
        let office = Office::open();
        let test_env = &office.test_env;
        let simulator = &test_env.simulator;
        let one = &office.tenants[0];
        for args in [
            vec!["--account", office.ann.upn.as_str()],
            vec!["--tenant", one],
            vec!["--all"],
        ] {
            simulator.configure(|settings| {
                settings.user_token_lifetime = 60;
                settings.no_refresh_tokens = false;
            });
            office.signs_in(&office.ann, one, None);
            simulator.configure(|settings| {
                settings.user_token_lifetime = 5302;
                settings.no_refresh_tokens = without_refresh_token;
            });
            let hold = simulator.hold(Fault::on(Endpoint::Token).grant("refresh_token"));
            let slow = start(&mut test_env.get_token_command(&Office::args(one, None), &[]));
            hold.wait_for(1, TIMEOUT);
            let ran = logout(test_env, &args);
            assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
            hold.release();
            assert!(slow.wait_with_output().expect("it ends").status.success());
            office.is_refused(one);
            assert_eq!(entries(test_env), 0, "{args:?}");
        }
    }
}

#[test]
fn a_background_refresh_does_not_bring_a_session_back() {
    let office = Office::open();
    let test_env = &office.test_env;
    let simulator = &test_env.simulator;
    let one = &office.tenants[0];
    // Long enough to be served, and due from the start.
    simulator.configure(|settings| settings.user_token_lifetime = 590);
    office.signs_in(&office.ann, one, None);
    let hold = simulator.hold(Fault::on(Endpoint::Token).grant("refresh_token"));
    office.is(&office.silent(one, None), &office.ann, one);
    hold.wait_for(1, TIMEOUT);
    let log_out = logout(test_env, &["--account", &office.ann.upn]);
    assert_eq!(log_out.code, 0, "{}", log_out.stderr);
    let locks = || {
        let names = crate::env::names(&test_env.path(".kube/cache/kubectl-aad"));
        let is_lock = |name: &&String| name.starts_with("person-") && name.ends_with(".lock");
        names.iter().filter(is_lock).count()
    };
    assert!(locks() > 0, "the refresh holds its lock");
    hold.release();
    wait_until("its end", || locks() == 0);
    assert_eq!(entries(test_env), 0);
    office.is_refused(one);
}

#[test]
fn both_kinds_of_files_and_a_key_for_bound_tokens_are_forgotten() {
    let office = Office::open();
    let test_env = &office.test_env;
    let simulator = &test_env.simulator;
    simulator.configure(|settings| settings.user_token_lifetime = 5302);
    let one = &office.tenants[0];
    simulator.configure(|s| s.device_auto_approve = Some((1, office.ann.upn.clone())));
    for store in ["auto", "file"] {
        let env = [INTERACTIVE, ("AAD_TOKEN_STORE", store)];
        let ran = test_env.get_token(&Office::args(one, Some(&office.ann)), &env);
        office.is(&ran, &office.ann, one);
    }
    let cluster = simulator.fleet().clusters[0].id.clone();
    let claims = format!("u={cluster}");
    let bound = test_env.spn_args(&["--pop-enabled", "--pop-claims", &claims]);
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    assert_eq!(test_env.get_token(&bound, &[secret]).code, 0);
    let keys = || {
        let names = crate::env::names(&test_env.path(".kube/cache/kubectl-aad"));
        names
            .iter()
            .filter(|name| name.starts_with("pop-key."))
            .count()
    };
    assert_eq!(logout(test_env, &["--account", &office.ann.upn]).code, 0);
    assert_eq!((keys(), entries(test_env)), (1, 1), "the principal's stay");
    for store in ["auto", "file"] {
        let env = [NON_INTERACTIVE, ("AAD_TOKEN_STORE", store)];
        let ran = test_env.get_token(&Office::args(one, Some(&office.ann)), &env);
        assert_eq!(ran.code, 1, "{store}: {}", ran.stdout);
    }
    let mut principal = test_env.aad(&["logout", "--account", &test_env.principal.client_id]);
    let ran = run(principal.envs([secret]));
    assert!(
        ran.stderr.contains("(service principal): 1 token\n"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("unset `AZURE_CLIENT_SECRET`"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains(test_env.principal.secret()));
    assert_eq!((keys(), entries(test_env)), (0, 0));
}

#[test]
fn a_dry_run_says_the_same_and_forgets_nothing() {
    let office = two_people();
    let args = ["--account", &office.ann.upn];
    let would = logout(&office.test_env, &[&args[..], &["--dry-run"]].concat());
    assert_eq!(would.code, 0);
    assert_eq!(entries(&office.test_env), 6);
    let did = logout(&office.test_env, &args);
    assert_eq!(did.stderr, would.stderr.replace("would forget", "forgot"));
    assert_eq!(entries(&office.test_env), 3);
}

#[test]
fn where_nobody_can_be_asked_an_account_has_to_be_named() {
    let office = two_people();
    for args in [&[][..], &["--yes"], &["--dry-run"]] {
        let ran = logout(&office.test_env, args);
        ran.assert_fails(
            2,
            &["`--account ann@one.example`, `--account bob@two.example` or `--all`"],
        );
    }
    let mistyped = logout(&office.test_env, &["--account", "anne@one.example"]);
    mistyped.assert_fails(1, &["did you mean `ann@one.example`?", "`bob@two.example`"]);
    assert_eq!(entries(&office.test_env), 6);
    assert_eq!(
        logout(&office.test_env, &["--account", &office.bob.upn]).code,
        0
    );
    logout(&office.test_env, &[]).assert_fails(2, &["`--account ann@one.example` or `--all`"]);
    assert_eq!(logout(&office.test_env, &["--yes"]).code, 0);
    assert_eq!(entries(&office.test_env), 0);
    let nobody = logout(&office.test_env, &[]);
    assert_eq!(nobody.code, 0);
    assert!(
        nobody.stderr.starts_with("nobody is signed in here\n"),
        "{}",
        nobody.stderr
    );
    logout(&office.test_env, &["--all", "--account", "x"]).assert_fails(2, &["--all"]);
}

fn at_a_terminal(test_env: &TestEnv) -> AtATerminal {
    test_env.start_at_a_terminal(&["logout"])
}

#[test]
fn at_a_terminal_a_person_chooses() {
    let office = two_people();
    let test_env = &office.test_env;
    let which = "log out which? [1-2, `all`, or Enter for none]";
    for (typed, code, left) in [("\r", 1, 6), ("3\r\r", 1, 6), ("2\r", 0, 3)] {
        let shown = at_a_terminal(test_env);
        shown.wait_for(which);
        shown.type_keys(typed);
        let (status, seen) = shown.finish_anyhow();
        assert_eq!(status.code(), Some(code), "{}", seen.screen.text());
        assert_eq!(entries(test_env), left, "{}", seen.screen.text());
    }
    is_asked(&office, &office.bob, &office.tenants[0]);
    for (typed, code, left) in [("\r", 1, 3), ("y\r", 0, 0)] {
        let shown = at_a_terminal(test_env);
        shown.wait_for("log out ann@one.example? [y/N]");
        shown.type_keys(typed);
        let (status, seen) = shown.finish_anyhow();
        assert_eq!(status.code(), Some(code), "{}", seen.screen.text());
        assert_eq!(entries(test_env), left, "{}", seen.screen.text());
    }
}

#[test]
fn an_interrupt_at_the_question_forgets_nothing() {
    let office = two_people();
    let shown = at_a_terminal(&office.test_env);
    shown.wait_for("log out which?");
    shown.interrupt();
    let (status, _) = shown.finish_anyhow();
    assert_eq!(status.code(), Some(130));
    assert_eq!(entries(&office.test_env), 6);
}

#[test]
fn what_stays_elsewhere_is_said_with_the_command_that_ends_it() {
    let test_env = TestEnv::new();
    test_env.install_azd();
    test_env.sign_in_to_azd();
    let simulator = &test_env.simulator;
    simulator.configure(|settings| settings.user_token_lifetime = 12_000);
    let upn = &test_env.user.upn;
    let user = test_env.user_args("devicecode", &["--login-hint", upn]);
    let env = [INTERACTIVE, ("AAD_TOKEN_STORE", "file")];
    test_env.claims(&test_env.get_token(&user, &env));
    let az = ["-l", "azurecli", "--tenant-id", &test_env.tenant];
    test_env.claims(&test_env.get_token(&az, &env[1..]));
    let mut page = Page::new(&test_env);
    page.note("an account that az has, too")
        .run(&format!("logout --account {upn} --dry-run"))
        .run(&format!("logout --account {upn}"))
        .run(&format!("logout --account {upn}"));
    page.note("everybody, with what a sync leaves");
    page.run(&format!("sync -e {CLOUD} -o name"));
    let azd = ["-l", "azd", "--tenant-id", &test_env.tenant];
    assert_eq!(test_env.get_token(&azd, &env[1..]).code, 0);
    page.run("logout --all").run("logout --all");
    page.assert("logout");
}

#[test]
fn contexts_that_keep_their_tokens_elsewhere_are_told_of() {
    let test_env = TestEnv::new();
    let other = test_env.path("other").display().to_string();
    for directory in [&other, &test_env.path(".kube/cache").display().to_string()] {
        let synced = run(&mut test_env.sync(&["-q", "--cache-dir", directory]));
        assert_eq!(synced.code, 0, "{}", synced.stderr);
        let ran = logout(&test_env, &["--all"]);
        let note = format!(
            "note: contexts keep tokens in `{other}`, too, which stay: `kubectl aad logout --all --cache-dir {other}`\n"
        );
        let is_told = ran.stderr.contains(&note);
        assert_eq!(is_told, *directory == other, "{}", ran.stderr);
    }
    let ran = logout(&test_env, &["--all", "--cache-dir", &other]);
    assert!(ran.stderr.contains("of az: "), "{}", ran.stderr);
}
