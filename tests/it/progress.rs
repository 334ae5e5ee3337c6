//! What people see while a command runs: steps, waits, and the end of it by Ctrl-C.

use std::{
    fs,
    process::{Child, Stdio},
    time::Duration,
};

use azure_sim::{Endpoint, Fault, Fleet, FleetSpec};
use rustix::process::{Pid, Signal, kill_process};

use crate::env::{AtATerminal, CLOUD, Seen, Size, TIMEOUT, TestEnv, finished, first_words};

fn fleet(clusters: usize) -> TestEnv {
    TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters,
        ..FleetSpec::default()
    }))
}

/// Starts a command whose stderr is a pipe.
fn start(test_env: &TestEnv, args: &[&str]) -> Child {
    let mut command = test_env.aad(args);
    command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).expect("ours");
}

/// Interrupts a program, which does not say these words again.
fn assert_an_interrupt_ends_it(child: Child, words: &str) {
    interrupt(&child);
    let ran = finished(child);
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    assert!(!ran.stderr.contains(words), "{}", ran.stderr);
}

#[test]
fn a_pipe_gets_one_line_for_a_wait_that_lasts_long() {
    let test_env = fleet(3);
    let faults = test_env.simulator.faults();
    let subscription = test_env.simulator.fleet().subscriptions[0].name.clone();
    faults.add(Fault::on(Endpoint::ListClusterUserCredential).throttled(50));
    let mut child = start(&test_env, &["sync", "-e", CLOUD]);
    let said = first_words(&mut child, &["left\n", "error"]);
    assert_eq!(
        said,
        format!("waiting for Azure: `{subscription}` is throttled, 3 of 3 clusters left\n")
    );
    assert_an_interrupt_ends_it(child, "waiting for");
}

#[test]
fn the_log_says_what_is_waited_for() {
    let test_env = fleet(1);
    let faults = test_env.simulator.faults();
    let subscription = test_env.simulator.fleet().subscriptions[0].name.clone();
    let throttled = format!("Z {subscription} is throttled by Azure, next try in 50 s\n");
    let credential = || Fault::on(Endpoint::ListClusterUserCredential);
    for (fault, expected) in [
        (
            Fault::on(Endpoint::ManagedClusters).throttled(50),
            &*throttled,
        ),
        (
            credential().retry_after(503, "50"),
            " answered 503, next try in 50 s\n",
        ),
    ] {
        faults.clear();
        faults.add(fault);
        let mut child = start(&test_env, &["sync", "-e", CLOUD, "-v", "1"]);
        let said = first_words(&mut child, &[expected]);
        assert!(said.ends_with(expected), "{said}");
        assert_an_interrupt_ends_it(child, "next try");
    }
}

#[test]
fn at_a_terminal_the_log_has_the_place_of_the_bar() {
    let test_env = fleet(1);
    let ran = test_env.at_a_terminal(&["sync", "-e", CLOUD, "-v", "1"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("Z writing the kubeconfig"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
    assert!(fs::exists(test_env.kubeconfig()).expect("readable"));
}

/// Starts `sync` at a terminal of this size.
fn sync_at(test_env: &TestEnv, args: &[&str], size: Size) -> AtATerminal {
    let sync = [&["sync", "-e", CLOUD, "--no-warm"], args].concat();
    AtATerminal::start(test_env.typed(&sync), size)
}

/// Checks that one line is left, which says that nothing was written.
fn assert_nothing_was_written(seen: &Seen) {
    assert_eq!(
        seen.screen.lines,
        ["interrupted: nothing was written"],
        "{:?}",
        seen.raw
    );
}

/// Checks that nothing of the line with the progress is left.
fn assert_no_trash(seen: &Seen) {
    let text = seen.screen.text();
    for left in [
        "⠋",
        "⠙",
        "⠹",
        "⠸",
        "⠼",
        "⠴",
        "⠦",
        "⠧",
        "⠇",
        "⠏",
        "^C",
        "fetching",
        "searching",
    ] {
        assert!(!text.contains(left), "`{left}` in\n{text}");
    }
}

const SIZES: [Size; 2] = [Size::SMALL, Size::LARGE];

#[test]
fn the_line_shows_each_step_with_its_counts_and_is_gone_at_the_end() {
    for size in SIZES {
        let test_env = fleet(2);
        let simulator = &test_env.simulator;
        let listing = simulator.hold(Fault::on(Endpoint::ManagedClusters));
        let last = simulator.fleet().clusters[1].id.clone();
        let fetching =
            simulator.hold(Fault::on(Endpoint::ListClusterUserCredential).cluster(&last));
        let running = sync_at(&test_env, &[], size);
        running.wait_for("searching 0/1 subscriptions");
        listing.release();
        running.wait_for("fetching kubeconfigs 1/2");
        fetching.release();
        let seen = running.finish();
        assert_eq!(seen.code, 0, "{}", seen.screen.text());
        assert_no_trash(&seen);
    }
}

#[test]
fn a_throttled_subscription_is_named_with_a_countdown_in_one_line() {
    for size in SIZES {
        let mut fleet = Fleet::generate(&FleetSpec {
            clusters: 3,
            ..FleetSpec::default()
        });
        let name = "The sandbox of a team with a very long name, for tests of a very long line";
        fleet.subscriptions[0].name = name.to_owned();
        let test_env = TestEnv::with_fleet(fleet);
        let throttled = Fault::on(Endpoint::ListClusterUserCredential).throttled(40);
        test_env.simulator.faults().add(throttled);
        let running = sync_at(&test_env, &[], size);
        let screen = running.wait_for("next try in 39 s");
        let line = screen.lines.last().expect("a line");
        assert!(line.contains("0/3 · "), "{line}");
        assert_eq!(screen.lines.len(), 1, "{}", screen.text());
        let has_room = size.columns == Size::LARGE.columns;
        assert_eq!(
            line.contains(&format!("{name} is throttled by Azure")),
            has_room,
            "{line}"
        );
        running.interrupt();
        let seen = running.finish();
        assert_eq!(seen.code, 130);
        assert_no_trash(&seen);
        let last = seen.screen.lines.last().expect("a line");
        assert_eq!(last, "interrupted: nothing was written");
    }
}

#[test]
fn before_a_cluster_is_found_an_interrupt_says_one_line() {
    let test_env = fleet(1);
    let _hold = test_env.simulator.hold(Fault::on(Endpoint::Tenants));
    let running = sync_at(&test_env, &[], Size::SMALL);
    running.wait_for("signing in to Azure");
    running.interrupt();
    let seen = running.finish();
    assert_eq!(seen.code, 130);
    assert_nothing_was_written(&seen);
}

#[test]
fn what_was_fetched_before_an_interrupt_is_counted() {
    let test_env = fleet(3);
    let simulator = &test_env.simulator;
    let last = simulator.fleet().clusters[2].id.clone();
    let _hold = simulator.hold(Fault::on(Endpoint::ListClusterUserCredential).cluster(&last));
    let running = sync_at(&test_env, &[], Size::LARGE);
    running.wait_for("fetching kubeconfigs 2/3");
    running.interrupt();
    let seen = running.finish();
    assert_eq!(seen.code, 130);
    assert_no_trash(&seen);
    let last = seen.screen.lines.last().expect("a line");
    assert_eq!(
        last,
        "interrupted: 2 of 3 clusters were written to ~/.kube/config; run the command again to finish"
    );
}

#[test]
fn while_tokens_are_fetched_an_interrupt_keeps_what_was_written() {
    let test_env = fleet(1);
    let principal = &test_env.principal;
    // The second token: the first one is ARM's.
    let args = ["-l", "spn", "-e", CLOUD, "--tenant-id", &test_env.tenant];
    let mut command = test_env.typed(&[&["sync"], &args[..]].concat());
    command
        .env("AZURE_CLIENT_ID", &principal.client_id)
        .env("AZURE_CLIENT_SECRET", principal.secret());
    let arm = test_env
        .simulator
        .hold(Fault::on(Endpoint::ManagedClusters));
    let running = AtATerminal::start(command, Size::LARGE);
    arm.wait_for(1, TIMEOUT);
    let _tokens = test_env.simulator.hold(Fault::on(Endpoint::Token));
    arm.release();
    running.wait_for("fetching tokens 0/1");
    running.interrupt();
    let seen = running.finish();
    assert_eq!(seen.code, 130);
    assert_no_trash(&seen);
    let last = seen.screen.lines.last().expect("a line");
    assert_eq!(
        last,
        "interrupted: 1 of 1 cluster was written to ~/.kube/config; run the command again to finish"
    );
}

#[test]
fn list_and_get_token_end_with_one_line_at_an_interrupt() {
    let test_env = fleet(1);
    let clusters = test_env
        .simulator
        .hold(Fault::on(Endpoint::ManagedClusters));
    let listing = AtATerminal::start(test_env.typed(&["list", "-e", CLOUD]), Size::SMALL);
    listing.wait_for("searching 0/1 subscriptions");
    listing.interrupt();
    let seen = listing.finish();
    assert_eq!(
        (seen.code, seen.screen.lines),
        (130, vec!["interrupted".to_owned()])
    );
    clusters.release();
    let _tokens = test_env.simulator.hold(Fault::on(Endpoint::Token));
    let secret = test_env.principal.secret();
    let args = test_env.spn_args(&["--client-secret", secret, "--server-id", "s", "-e", CLOUD]);
    let getting = AtATerminal::start(
        test_env.typed(&[&["get-token"], &args[..]].concat()),
        Size::SMALL,
    );
    _tokens.wait_for(1, TIMEOUT);
    getting.interrupt();
    let seen = getting.finish();
    assert_eq!(seen.code, 130);
    assert_eq!(seen.screen.lines, ["interrupted"]);
}

#[test]
fn a_second_interrupt_leaves_nothing_of_the_progress() {
    let test_env = fleet(3);
    let simulator = &test_env.simulator;
    let last = simulator.fleet().clusters[2].id.clone();
    let _hold = simulator.hold(Fault::on(Endpoint::ListClusterUserCredential).cluster(&last));
    let running = sync_at(&test_env, &[], Size::SMALL);
    running.wait_for("fetching kubeconfigs 2/3");
    let lock = test_env.kubeconfig().with_extension("lock");
    fs::create_dir_all(lock.parent().expect("a directory")).expect("made");
    fs::write(lock, "").expect("a lock of kubectl");
    running.interrupt();
    running.wait_for("waiting for");
    running.interrupt();
    let seen = running.finish();
    assert_eq!(seen.code, 130);
    assert_eq!(seen.screen.lines, ["interrupted"], "{:?}", seen.raw);
}

#[test]
fn an_interrupt_ends_a_wait_for_the_kubeconfigs_lock() {
    let test_env = fleet(1);
    let kubeconfig = test_env.kubeconfig();
    fs::create_dir_all(kubeconfig.parent().expect("a directory")).expect("made");
    fs::write(&kubeconfig, crate::support::kubeconfig(1)).expect("written");
    fs::write(kubeconfig.with_extension("lock"), "").expect("a lock of kubectl");
    let converting = AtATerminal::start(
        test_env.typed(&["convert-kubeconfig", "-l", "azurecli"]),
        Size::LARGE,
    );
    converting.wait_for("waiting for the lock");
    converting.interrupt();
    let seen = converting.finish();
    assert_eq!(seen.code, 130);
    let last = seen.screen.lines.last().expect("a line");
    assert_eq!(last, "interrupted");
    assert_eq!(test_env.kubeconfig_text(), crate::support::kubeconfig(1));
}

#[test]
fn the_first_interrupt_ends_a_syncs_wait_for_the_lock() {
    for late in [false, true] {
        let test_env = fleet(1);
        let kubeconfig = test_env.kubeconfig();
        fs::create_dir_all(kubeconfig.parent().expect("a directory")).expect("made");
        let before = crate::support::kubeconfig(1);
        fs::write(&kubeconfig, &before).expect("written");
        let lock = kubeconfig.with_extension("lock");
        // Before anything is asked, or when all is fetched.
        let hold = test_env
            .simulator
            .hold(Fault::on(Endpoint::ListClusterUserCredential));
        if !late {
            fs::write(&lock, "").expect("a lock of kubectl");
        }
        let running = sync_at(&test_env, &[], Size::LARGE);
        if late {
            hold.wait_for(1, TIMEOUT);
            fs::write(&lock, "").expect("a lock of kubectl");
            hold.release();
        }
        running.wait_for("waiting for the lock");
        running.interrupt();
        let seen = running.finish();
        assert_eq!(seen.code, 130, "{}", seen.screen.text());
        assert_no_trash(&seen);
        let last = seen.screen.lines.last().expect("a line");
        assert_eq!(last, "interrupted: nothing was written");
        assert_eq!(test_env.kubeconfig_text(), before);
        assert!(lock.exists(), "it is kubectl's");
    }
}

#[test]
fn an_az_that_hangs_is_named() {
    let test_env = fleet(1);
    test_env.install_script("az", "#!/bin/sh\nexec sleep 600\n");
    let running = sync_at(&test_env, &[], Size::SMALL);
    running.wait_for("signing in to Azure · waiting for az");
    running.interrupt();
    let seen = running.finish();
    assert_nothing_was_written(&seen);
}

#[test]
fn who_holds_the_kubeconfig_is_named_in_the_line() {
    let test_env = fleet(1);
    let kubeconfig = test_env.kubeconfig();
    fs::create_dir_all(kubeconfig.parent().expect("a directory")).expect("made");
    let lock = kubeconfig.with_extension("lock");
    fs::write(&lock, "").expect("a lock of kubectl");
    let running = sync_at(&test_env, &[], Size::LARGE);
    running.wait_for("waiting for the lock");
    fs::remove_file(&lock).expect("ours");
    let seen = running.finish();
    assert_eq!(seen.code, 0);
    assert!(
        !seen.screen.text().contains("waiting"),
        "{}",
        seen.screen.text()
    );
}

#[test]
fn a_device_code_is_readable_and_the_line_says_who_is_waited_for() {
    for size in SIZES {
        let test_env = fleet(1);
        let simulator = &test_env.simulator;
        simulator.configure(|settings| settings.device_auto_approve = None);
        let running = sync_at(&test_env, &["-l", "devicecode"], size);
        let screen = running.wait_for("waiting for you to sign in");
        let code = simulator.wait_for_user_code(TIMEOUT);
        let text = screen.text();
        assert!(text.contains(&code), "{text}");
        // No word is broken, so that the address can be opened.
        let address = format!("{}common/oauth2/deviceauth", simulator.authority_url());
        assert!(
            screen.lines.iter().any(|line| line.contains(&address)),
            "{text}"
        );
        assert_eq!(
            screen.lines.last().expect("a line"),
            "waiting for you to sign in"
        );
        assert!(simulator.approve_device(&code, &test_env.user.upn));
        let seen = running.finish();
        assert_eq!(seen.code, 0, "{}", seen.screen.text());
        assert!(
            !seen.screen.text().contains("waiting"),
            "{}",
            seen.screen.text()
        );
        assert_no_trash(&seen);
    }
}

#[test]
fn a_dumb_terminal_gets_no_control_sequences() {
    let test_env = fleet(1);
    let latency = Fault::on(Endpoint::ManagedClusters).latency(Duration::from_millis(300));
    test_env.simulator.faults().add(latency);
    let mut command = test_env.typed(&["sync", "-e", CLOUD]);
    command.env("TERM", "dumb");
    let seen = AtATerminal::start(command, Size::SMALL).finish();
    assert_eq!(seen.code, 0);
    assert!(!seen.raw.contains('\u{1b}'), "{:?}", seen.raw);
}
