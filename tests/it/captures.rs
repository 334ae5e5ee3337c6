//! What a person sees on a whole terminal, small and large, in the situations that people come to.
//!
//! `INSTA_UPDATE=always cargo test --test it captures` writes the screens again. A row that ends in `↩` was broken
//! by the terminal because the program did not fit it.

mod others;
mod sync;
mod terminals;
mod verify;
mod waiting;

use std::{fs, process::Command};

use azure_sim::{Endpoint, Fault, Fleet, FleetSpec};

use crate::{
    env::{AtATerminal, CLOUD, Screen, Seen, Size, TestEnv},
    snapshots::Page,
};

const SIZES: [Size; 2] = [Size::SMALL, Size::LARGE];

/// A fleet in four subscriptions of one tenant, and a person who is signed in to `az`.
fn test_env(clusters: usize) -> TestEnv {
    TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        subscriptions: 4.min(clusters),
        clusters,
        ..FleetSpec::default()
    }))
}

/// A request for a cluster's kubeconfig.
fn credential() -> Fault {
    Fault::on(Endpoint::ListClusterUserCredential)
}

/// Screens, one after another.
struct Capture<'a> {
    test_env: &'a TestEnv,
    page: Page<'a>,
}

impl<'a> Capture<'a> {
    fn new(test_env: &'a TestEnv) -> Self {
        let page = Page::new(test_env);
        Self { test_env, page }
    }

    /// `kubectl-aad` as a person types it, where tokens are stored in files.
    fn command(&self, line: &str) -> Command {
        let args: Vec<&str> = line.split_whitespace().collect();
        let mut command = self.test_env.typed(&args);
        command.env("AAD_TOKEN_STORE", "file");
        command
    }

    /// What a command leaves on terminals of both sizes. `prepare` is done before each.
    fn of(&mut self, line: &str, prepare: impl Fn(&TestEnv)) {
        for size in SIZES {
            prepare(self.test_env);
            let seen = AtATerminal::start(self.command(line), size).finish();
            self.ended(line, size, &seen);
        }
    }

    /// What a command shows when it has ended.
    fn ended(&mut self, line: &str, size: Size, seen: &Seen) {
        self.shown(line, size, "", &seen.screen);
        if seen.code != 0 {
            self.page.add(&format!("[exit code {}]\n", seen.code));
        }
    }

    /// What a command shows, `when` it does.
    fn shown(&mut self, line: &str, size: Size, when: &str, screen: &Screen) {
        let Size { columns, rows } = size;
        self.page.note(&format!("{columns}x{rows}{when}"));
        self.page.add(&format!("$ kubectl aad {line}\n"));
        for line in unbroken(screen) {
            let line = still(&stable_seconds(&self.page.stable(&line)));
            for row in broken(&line, columns.into()) {
                self.page.add_as_is(&row);
            }
        }
    }

    /// Compares the screens with those of `snapshots/capture_NAME.snap`.
    fn assert(&self, name: &str) {
        self.page.assert(&format!("capture_{name}"));
    }
}

/// Removes the kubeconfig and the token cache.
fn forget(test_env: &TestEnv) {
    let _ = fs::remove_dir_all(test_env.path(".kube"));
}

/// The lines that were written, each in one piece.
fn unbroken(screen: &Screen) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for (row, is_broken) in screen.lines.iter().zip(&screen.is_broken) {
        line.push_str(row);
        if !is_broken {
            lines.push(std::mem::take(&mut line));
        }
    }
    lines
}

/// The rows of a line, as a terminal breaks them. The characters are of one column each.
fn broken(line: &str, columns: usize) -> Vec<String> {
    let line: Vec<char> = line.chars().collect();
    let rows: Vec<String> = line
        .chunks(columns)
        .map(|row| row.iter().collect())
        .collect();
    let last = rows.len().saturating_sub(1);
    if rows.is_empty() {
        return vec!["\n".to_owned()];
    }
    rows.iter()
        .enumerate()
        .map(|(at, row)| format!("{row}{}\n", if at == last { "" } else { "↩" }))
        .collect()
}

/// Stops the spinner, at its first sign.
fn still(line: &str) -> String {
    let is_spinner = |c| ('\u{2800}'..='\u{28ff}').contains(&c);
    line.replace(is_spinner, "⠋")
}

/// Shows how long something took or will take as `N s`.
fn stable_seconds(line: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    for at in 1..words.len() {
        let number = words[at - 1].trim_start_matches('(');
        let is_number = number.parse::<f64>().is_ok();
        let is_seconds = words[at].trim_end_matches([')', ',', ';']) == "s";
        if is_number && is_seconds {
            words[at - 1] = if number == words[at - 1] { "N" } else { "(N" };
        }
    }
    words.join(" ")
}
