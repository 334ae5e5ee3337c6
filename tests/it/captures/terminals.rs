//! Terminals and pipes that can do less, or that are asked for more.

use super::{AtATerminal, CLOUD, Capture, SIZES, Size, credential, forget, test_env};
use crate::env::{TestEnv, run};

#[test]
fn verbose() {
    let test_env = test_env(3);
    let mut capture = Capture::new(&test_env);
    // In order.
    capture.of(&format!("sync -e {CLOUD} -v 1 --concurrency 1"), forget);
    capture.assert("verbose");
}

/// Makes the credential of one cluster be refused.
fn refuse_one(test_env: &TestEnv) {
    let failing = test_env.simulator.fleet().clusters[1].id.clone();
    let refusal = credential().cluster(failing).status(403);
    test_env.simulator.faults().add(refusal);
}

/// A sync of three clusters, one of which fails, where a variable says what the terminal can do.
fn with_variable(name: &str, variable: (&str, &str)) {
    let test_env = test_env(3);
    let mut capture = Capture::new(&test_env);
    refuse_one(&test_env);
    let line = format!("sync -e {CLOUD}");
    for size in SIZES {
        forget(&test_env);
        let mut command = capture.command(&line);
        command.env(variable.0, variable.1);
        let seen = AtATerminal::start(command, size).finish();
        capture.ended(&line, size, &seen);
        assert!(seen.raw.is_ascii(), "{:?}", seen.raw);
    }
    capture.assert(name);
}

#[test]
fn a_dumb_terminal() {
    with_variable("dumb", ("TERM", "dumb"));
}

#[test]
fn a_terminal_of_ascii() {
    with_variable("ascii", ("LANG", "C"));
}

/// Where `NO_COLOR`, `CLICOLOR_FORCE` or neither is set, at a terminal and in a pipe. An escape is shown as `␛`.
#[test]
fn colors() {
    let test_env = test_env(3);
    let mut capture = Capture::new(&test_env);
    refuse_one(&test_env);
    // Nothing is drawn that depends on how fast it is.
    let line = format!("sync -e {CLOUD} --concurrency 1");
    let visible =
        |text: &str| super::stable_seconds(&text.replace('\u{1b}', "␛").replace('\r', ""));
    for variables in [&[][..], &[("NO_COLOR", "1")], &[("CLICOLOR_FORCE", "1")]] {
        forget(&test_env);
        let names: Vec<_> = variables.iter().map(|(name, _)| *name).collect();
        let mut at_a_terminal = capture.command(&line);
        at_a_terminal.envs(variables.iter().copied());
        let seen = AtATerminal::start(at_a_terminal, Size::LARGE).finish();
        let mut shown = String::new();
        for row in &seen.screen.rows {
            shown.push_str(&with_colors(row));
        }
        capture.page.note(&format!("at a terminal {names:?}"));
        capture.page.add(&visible(&shown));
        forget(&test_env);
        let mut in_a_pipe = capture.command(&line);
        let ran = run(in_a_pipe.envs(variables.iter().copied()));
        capture.page.note(&format!("in a pipe {names:?}"));
        capture.page.add(&visible(&ran.stdout));
        capture.page.note("its stderr");
        capture.page.add(&visible(&ran.stderr));
    }
    capture.assert("colors");
}

/// A row with a mark where its look changes, such as `{red bold}`.
fn with_colors(row: &[vt100::Cell]) -> String {
    let mut text = String::new();
    let mut look = String::new();
    for cell in row {
        let mut new = match cell.fgcolor() {
            vt100::Color::Default => String::new(),
            color => format!("{color:?}"),
        };
        for (is_so, name) in [(cell.bold(), " bold"), (cell.dim(), " dim")] {
            new.push_str(if is_so { name } else { "" });
        }
        if new != look {
            text.push_str(&format!("{{{}}}", new.trim()));
            look = new;
        }
        text.push_str(if cell.has_contents() {
            cell.contents()
        } else {
            " "
        });
    }
    format!("{}\n", text.trim_end())
}
