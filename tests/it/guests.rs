//! Tenants in which an account is a guest, some of which don't let it in, and syncs that are
//! interrupted there or elsewhere.

use std::time::Instant;

use azure_sim::{Endpoint, Fault, Fleet, FleetSpec, Tenant};
use rustix::process::Signal;

use crate::env::{self, AtATerminal, CLOUD, Ran, TIMEOUT, TestEnv, finished, run, start};

/// Three tenants with a subscription each, in which the first user sees two clusters: one at home,
/// one that `close` closes, and one that is open to guests.
fn test_env(close: impl FnOnce(&mut Tenant)) -> (TestEnv, [Tenant; 3]) {
    let fleet = Fleet::generate(&FleetSpec {
        clusters: 6,
        tenants: 3,
        subscriptions: 3,
        ..FleetSpec::default()
    });
    let test_env = TestEnv::with_fleet(fleet);
    test_env
        .simulator
        .update(|fleet| close(&mut fleet.tenants[1]));
    let tenants = test_env.simulator.fleet().tenants;
    let tenants = tenants.try_into().expect("three tenants");
    (test_env, tenants)
}

fn wants_mfa(tenant: &mut Tenant) {
    tenant.mfa_required = true;
}

fn blocks(tenant: &mut Tenant) {
    tenant.blocked = true;
}

/// The arguments of a sync by device code.
fn device<'a>(args: &[&'a str]) -> Vec<&'a str> {
    let sync = ["sync", "-e", CLOUD, "-l", "devicecode", "-o", "json"];
    [&sync, args].concat()
}

/// Signs in and looks at what there is, and writes nothing.
fn sign_in(test_env: &TestEnv) {
    let listed = test_env.at_a_terminal(&["list", "-e", CLOUD, "-l", "devicecode"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    test_env.simulator.reset();
}

fn prompts(test_env: &TestEnv) -> u64 {
    test_env.simulator.counters().get(Endpoint::DeviceCode)
}

fn written(test_env: &TestEnv) -> usize {
    test_env.kubeconfig_text().matches("- context:").count()
}

/// Waits until it has come to a prompt.
fn at_the_prompt(test_env: &TestEnv, running: AtATerminal) -> AtATerminal {
    test_env.simulator.wait_for_user_code(TIMEOUT);
    running
}

#[test]
fn a_guest_tenant_that_denies_access_is_a_warning_with_its_command() {
    for (close, code) in [
        (wants_mfa as fn(&mut Tenant), "AADSTS50076"),
        (blocks, "AADSTS53003"),
    ] {
        let (test_env, tenants) = test_env(close);
        let closed = &tenants[1];
        for added in [4, 0] {
            let synced = test_env.at_a_terminal(&device(&[]));
            let report = synced.json(0);
            assert_eq!(report["summary"]["added"], added);
            assert_eq!(report["interrupted"], false);
            let warnings = report["warnings"].as_array().expect("a list");
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            let warning = warnings[0].to_string();
            assert!(warning.contains(code), "{warning}");
            assert!(warning.contains(&closed.display_name), "{warning}");
            // The person's own command, in that tenant.
            let command = format!(
                "`kubectl aad sync --environment {CLOUD} --login devicecode --output json --tenant-id {}`",
                closed.id
            );
            assert!(synced.stderr.contains(&command), "{}", synced.stderr);
            let leave_out = format!("`--exclude-tenant {}`", closed.id);
            assert!(synced.stderr.contains(&leave_out), "{}", synced.stderr);
        }
        assert_eq!(prompts(&test_env), 1, "the first sign-in of all");
        assert_eq!(written(&test_env), 4);
    }
}

#[test]
fn what_az_can_not_enter_is_a_warning_with_its_command() {
    for close in [wants_mfa as fn(&mut Tenant), blocks] {
        let (test_env, tenants) = test_env(close);
        let synced = run(&mut test_env.sync(&["-o", "json"]));
        assert_eq!(synced.json(0)["summary"]["added"], 4);
        let leave_out = format!("`--exclude-tenant {}`", tenants[1].id);
        assert!(synced.stderr.contains(&leave_out), "{}", synced.stderr);
    }
    let (test_env, tenants) = test_env(wants_mfa);
    let listed = run(&mut test_env.aad(&["list", "-e", CLOUD]));
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    let login = format!("az login --tenant {}", tenants[1].id);
    assert!(listed.stderr.contains(&login), "{}", listed.stderr);
    // az's own advice, its two commands run into one line, is no command.
    assert!(!listed.stderr.contains("az logout"), "{}", listed.stderr);
}

#[test]
fn tenants_that_are_named_are_the_only_ones_and_one_that_wants_more_is_asked_for_by_name() {
    for discovery in ["auto", "graph"] {
        let (test_env, tenants) = test_env(wants_mfa);
        sign_in(&test_env);
        let named = ["-t", &tenants[0].id, "--tenant-id", &tenants[1].domain];
        let args = [&named[..], &["--discovery", discovery]].concat();
        let synced = test_env.at_a_terminal(&device(&args));
        let report = synced.json(0);
        assert_eq!(report["summary"]["added"], 4);
        assert_eq!(prompts(&test_env), 1);
        let asked = format!("sign in to tenant `{}`:", tenants[1].domain);
        let (before, after) = synced.stderr.split_once(&asked).expect("it is named");
        assert!(!before.contains("enter the code"), "{}", synced.stderr);
        assert!(after.contains("enter the code"), "{}", synced.stderr);
        let walked: Vec<_> = report["clusters"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|cluster| cluster["tenantId"].as_str().expect("an id"))
            .collect();
        assert!(!walked.contains(&tenants[2].id.as_str()), "{walked:?}");
    }
}

#[test]
fn a_tenant_that_was_named_and_stays_closed_is_a_failure() {
    let (test_env, tenants) = test_env(blocks);
    sign_in(&test_env);
    let named = ["-t", &tenants[0].id, "-t", &tenants[1].id];
    let synced = test_env.at_a_terminal(&device(&named));
    assert_eq!(synced.json(3)["summary"]["added"], 2);
    let by_az = run(test_env.sync(&["-o", "json"]).args(named));
    assert_eq!(by_az.json(3)["summary"]["updated"], 2);
}

#[test]
fn an_unanswered_prompt_costs_the_other_tenants_nothing() {
    let (test_env, tenants) = test_env(wants_mfa);
    sign_in(&test_env);
    test_env
        .simulator
        .configure(|s| s.device_auto_approve = None);
    // The one that is not answered comes first.
    let mut args = vec!["--timeout", "2s"];
    for tenant in [&tenants[1], &tenants[0], &tenants[2]] {
        args.extend(["-t", &tenant.id]);
    }
    let report = test_env.at_a_terminal(&device(&args)).json(3);
    assert_eq!(report["summary"]["added"], 4);
    assert_eq!(prompts(&test_env), 1);
    assert_eq!(written(&test_env), 4);
}

#[test]
fn what_was_fetched_before_ctrl_c_at_a_prompt_is_written() {
    let (test_env, tenants) = test_env(wants_mfa);
    sign_in(&test_env);
    test_env
        .simulator
        .configure(|s| s.device_auto_approve = None);
    let named = ["-t", &tenants[1].id, "-t", &tenants[0].id];
    let running = at_the_prompt(&test_env, test_env.start_at_a_terminal(&device(&named)));
    running.interrupt();
    let synced = running.finish().into_ran();
    let report = synced.json(130);
    assert_eq!(report["interrupted"], true);
    assert_eq!(report["summary"]["added"], 2);
    assert_eq!(written(&test_env), 2);
    assert!(synced.stderr.contains("interrupted"), "{}", synced.stderr);
}

/// A sync that is sent a signal while the last of its clusters' kubeconfigs is on its way.
fn stopped_by(signal: Signal) -> (TestEnv, Ran) {
    let (test_env, _) = test_env(|_| ());
    let last = test_env.simulator.fleet().clusters[5].id.clone();
    let which = Fault::on(Endpoint::ListClusterUserCredential).cluster(&last);
    let hold = test_env.simulator.hold(which);
    let running = start(&mut test_env.sync(&["-o", "json"]));
    hold.wait_for(1, TIMEOUT);
    let end = Instant::now() + TIMEOUT;
    let answered = || {
        let counters = test_env.simulator.counters();
        counters.get(Endpoint::ListClusterUserCredential)
    };
    while answered() < 5 {
        assert!(Instant::now() < end, "the others did not come");
        std::thread::yield_now();
    }
    env::signal(&running, signal);
    let synced = finished(running);
    drop(hold);
    (test_env, synced)
}

#[test]
fn what_was_fetched_before_a_signal_is_written_whole() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let (test_env, synced) = stopped_by(signal);
        let report = synced.json(code);
        assert_eq!(report["interrupted"], true);
        let of = |action: &str| report["summary"][action].as_u64().expect("a number");
        let (added, skipped) = (of("added"), of("skipped"));
        // An answer that has arrived may not have been read yet.
        assert!(added <= 5 && added + skipped == 6, "{report}");
        assert_eq!(written(&test_env) as u64, added);
        assert!(synced.stderr.contains("interrupted"), "{}", synced.stderr);
        let whole = run(&mut test_env.sync(&["-o", "json"])).json(0);
        assert_eq!(whole["summary"]["added"], 6 - added);
        assert_eq!(whole["summary"]["unchanged"], added);
    }
}

#[test]
fn tenants_are_left_out_by_id_or_by_domain() {
    let (test_env, tenants) = test_env(wants_mfa);
    for excluded in [&tenants[1].id, &tenants[1].domain.to_uppercase()] {
        let args = ["--exclude-tenant", excluded, "-o", "json", "--dry-run"];
        let synced = run(&mut test_env.sync(&args));
        let report = synced.json(0);
        assert_eq!(report["summary"]["added"], 4);
        assert_eq!(report["warnings"].as_array().map(Vec::len), Some(0));
        assert!(!synced.stderr.contains("warning"), "{}", synced.stderr);
    }
    let both = [
        "--exclude-tenant",
        &tenants[1].id,
        "--exclude-tenant",
        &tenants[0].domain,
    ];
    let listed = run(test_env
        .aad(&["list", "-e", CLOUD, "-o", "json"])
        .args(both));
    let listed = listed.json(0);
    assert_eq!(listed["clusters"].as_array().map(Vec::len), Some(2));
    let unknown = ["--exclude-tenant", "contoso.invalid", "--dry-run"];
    let unknown = run(&mut test_env.sync(&unknown));
    assert_eq!(unknown.code, 0, "{}", unknown.stderr);
    let expected = "`--exclude-tenant contoso.invalid`";
    assert!(unknown.stderr.contains(expected), "{}", unknown.stderr);
    let all = tenants.iter().flat_map(|t| ["--exclude-tenant", &t.id]);
    assert_eq!(run(&mut test_env.sync(&all.collect::<Vec<_>>())).code, 2);
}

#[test]
fn named_tenants_are_searched_less_those_that_are_left_out_under_any_name() {
    let (test_env, tenants) = test_env(wants_mfa);
    let [home, guest] = [&tenants[0], &tenants[2]];
    for (excluded, left) in [
        (&guest.id, home),
        (&guest.domain, home),
        (&home.id, guest),
        (&home.domain.to_uppercase(), guest),
    ] {
        let mut command = test_env.aad(&["list", "-e", CLOUD, "-o", "json"]);
        command.args(["-t", &home.id, "-t", &guest.domain]);
        let report = run(command.args(["--exclude-tenant", excluded])).json(0);
        let clusters = report["clusters"].as_array().expect("clusters");
        assert_eq!(clusters.len(), 2, "{excluded}");
        for cluster in clusters {
            assert_eq!(cluster["tenantId"], *left.id, "{excluded}");
        }
    }
    let named = ["-t", &home.id, "--exclude-tenant", &home.id];
    let ran = run(&mut test_env.sync(&named));
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("every tenant is excluded"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_subscription_in_a_tenant_that_was_read_is_enough() {
    let (test_env, tenants) = test_env(wants_mfa);
    let fleet = test_env.simulator.fleet();
    let of = |tenant: &Tenant| {
        let mut all = fleet.subscriptions.iter();
        let found = all.find(|s| s.tenant_id == tenant.id);
        found.expect("each tenant has one").id.clone()
    };
    // An outage in another tenant counts only for those who asked for that tenant.
    let out = Fault::on(Endpoint::Token).tenant(&tenants[2].id);
    let faults = test_env.simulator.faults();
    faults.add(out.retry_after(503, "0"));
    let all = test_env.at_a_terminal(&device(&["--dry-run"]));
    assert_eq!(all.json(3)["summary"]["added"], 2);
    let home = of(&tenants[0]);
    let report = test_env.at_a_terminal(&device(&["-s", &home])).json(0);
    assert_eq!(report["summary"]["added"], 2);
    assert_eq!(report["warnings"].as_array().map(Vec::len), Some(2));
    faults.clear();
    // One that is not found may be in a tenant that could not be searched.
    let missing = run(&mut test_env.sync(&["-s", &of(&tenants[1])]));
    assert_eq!(missing.code, 2, "{}", missing.stderr);
    assert!(missing.stderr.contains("AADSTS50076"), "{}", missing.stderr);
}
