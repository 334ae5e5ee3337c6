//! However a run ends, no process and no file is left.

use std::{fs, process::Child};

use rustix::process::Signal;

use super::{counts, exec, left_files, with_script};
use crate::env::{AtATerminal, Size, TestEnv, finished, signal, start, wait_until};

/// Starts a program of its own, which ignores what it can, as a plugin or a shell may.
const STUBBORN: &str = r#"trap '' TERM INT HUP
sleep 600 &
echo > "$HOME/started-$context"
wait; sleep 600"#;

/// Living processes with this variable in their environment.
fn marked(marker: &str) -> Vec<String> {
    let marker = format!("AAD_TEST_MARKER={marker}");
    let processes = fs::read_dir("/proc").expect("Linux has it").flatten();
    processes
        .filter_map(|entry| {
            let path = entry.path();
            let stat = fs::read_to_string(path.join("stat")).ok()?;
            let environment = fs::read(path.join("environ")).ok()?;
            let mut variables = environment.split(|byte| *byte == 0);
            let is_marked = variables.any(|one| one == marker.as_bytes());
            // The dead wait for the process that adopted them.
            (is_marked && !stat.contains(") Z ")).then_some(stat)
        })
        .collect()
}

fn started(test_env: &TestEnv, marker: &str, args: &[&str]) -> Child {
    let mut command = test_env.aad(&["exec"]);
    command.args(args).env("AAD_TEST_MARKER", marker);
    start(&mut command)
}

fn wait_for_runs(test_env: &TestEnv, count: usize) {
    wait_until("kubectl runs on all clusters", || {
        let names = test_env.names();
        let begun = names.iter().filter(|name| name.starts_with("started-"));
        begun.count() == count
    });
}

fn assert_nothing_is_left(test_env: &TestEnv, marker: &str) {
    wait_until("no process is left", || marked(marker).is_empty());
    assert_eq!(left_files(test_env), [] as [String; 0]);
}

#[test]
fn a_signal_ends_every_process_and_says_what_was_interrupted() {
    for (sent, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let test_env = with_script(3, STUBBORN);
        let marker = format!("signal-{code}-{}", std::process::id());
        let child = started(
            &test_env,
            &marker,
            &["--parallel", "2", "--", "get", "pods"],
        );
        wait_for_runs(&test_env, 2);
        assert!(marked(&marker).len() > 4, "{:?}", marked(&marker));
        signal(&child, sent);
        let ran = finished(child);
        assert_eq!(ran.code, code, "{}", ran.stderr);
        assert!(
            ran.stderr.contains("2 interrupted, 1 not started in "),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.ends_with("interrupted\n"), "{}", ran.stderr);
        assert_nothing_is_left(&test_env, &marker);
    }
}

#[test]
fn ctrl_c_at_a_terminal_ends_every_process() {
    let test_env = with_script(2, STUBBORN);
    let marker = format!("terminal-{}", std::process::id());
    let mut command = test_env.typed(&["exec", "--", "get", "pods"]);
    command.env("AAD_TEST_MARKER", &marker);
    let running = AtATerminal::start(command, Size::WIDE);
    wait_for_runs(&test_env, 2);
    running.interrupt();
    let (_, seen) = running.finish_anyhow();
    assert_eq!(seen.code, 130, "{}", seen.screen.text());
    assert_nothing_is_left(&test_env, &marker);
}

#[test]
fn a_second_signal_ends_them_at_once() {
    let test_env = with_script(2, STUBBORN);
    let marker = format!("second-{}", std::process::id());
    let child = started(&test_env, &marker, &["--", "get", "pods"]);
    wait_for_runs(&test_env, 2);
    signal(&child, Signal::INT);
    signal(&child, Signal::TERM);
    let ran = finished(child);
    assert!([130, 143].contains(&ran.code), "{}", ran.stderr);
    wait_until("no process is left", || marked(&marker).is_empty());
    // A small kubeconfig may be left, until the next run.
    exec(&test_env, &["--timeout", "1ms", "--", "get", "pods"]);
    assert_eq!(left_files(&test_env), [] as [String; 0]);
}

#[test]
fn one_that_hangs_is_ended_and_the_others_are_shown() {
    let script = format!(
        r#"[ -e "$HOME/hangs-$context" ] || {{ echo fine; exit 0; }}
{STUBBORN}"#
    );
    let test_env = with_script(3, &script);
    let name = super::clusters(&test_env).remove(1);
    test_env.write(&format!("hangs-{name}"), "");
    let marker = format!("hangs-{}", std::process::id());
    let child = started(
        &test_env,
        &marker,
        &["--timeout", "2s", "--", "get", "pods"],
    );
    let ran = finished(child);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    assert_eq!(counts(&ran), "2 succeeded, 1 timed out");
    let line = format!("error: {name}: kubectl took too long and was ended");
    assert!(ran.stderr.contains(&line), "{}", ran.stderr);
    assert_nothing_is_left(&test_env, &marker);
}
