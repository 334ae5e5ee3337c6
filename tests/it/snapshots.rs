//! Everything that users read, as whole-output snapshots of the real binary.
//!
//! A page is a transcript: each command with what it wrote and its exit code. What differs from run to run (ports, paths, ids,
//! times) is replaced. `INSTA_UPDATE=always cargo test --test it snapshots` writes the pages.

use std::{
    fmt::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use azure_sim::{AKS_CLIENT_APP, AKS_SERVER_APP};

use crate::env::{CLOUD, Ran, TestEnv, run};

mod convert;
mod errors;
mod help;
mod prompts;
mod reports;
mod undo;
mod usage;

/// A transcript.
pub(crate) struct Page<'a> {
    test_env: Option<&'a TestEnv>,
    text: String,
    literal: Vec<(String, String)>,
    /// Ids that are the same in every run.
    known: String,
}

impl<'a> Page<'a> {
    pub(crate) fn new(test_env: &'a TestEnv) -> Self {
        let simulator = &test_env.simulator;
        let hosts = [
            (simulator.authority_url(), "login.example"),
            (simulator.arm_url(), "management.example"),
            (simulator.kubernetes_url(), "aks.example"),
            (simulator.imds_url(), "metadata.example"),
        ];
        let mut page = Self {
            test_env: Some(test_env),
            known: format!("{AKS_SERVER_APP} {:?}", simulator.fleet()),
            ..Self::of_directory(test_env.home())
        };
        for (url, name) in hosts {
            page.hide(&host_and_port(&url), name);
        }
        page.hide(test_env.principal.secret(), "SECRET");
        page.hide(&test_env.user.password, "PASSWORD");
        for client in [&test_env.principal.client_id, AKS_CLIENT_APP] {
            page.hide(&ids(client, &test_env.tenant), "…");
        }
        page
    }

    fn of_directory(home: &Path) -> Self {
        let home = home.display().to_string();
        Self {
            test_env: None,
            text: String::new(),
            literal: vec![(home, "/home/ann".to_owned())],
            known: AKS_SERVER_APP.to_owned(),
        }
    }

    /// Shows `text` as `name`.
    pub(crate) fn hide(&mut self, text: &str, name: &str) {
        self.literal.push((text.to_owned(), name.to_owned()));
    }

    pub(crate) fn note(&mut self, note: &str) -> &mut Self {
        let gap = if self.text.is_empty() { "" } else { "\n" };
        writeln!(self.text, "{gap}# {note}").expect("a string");
        self
    }

    /// Runs a command line, and adds it with what it wrote.
    pub(crate) fn run(&mut self, line: &str) -> &mut Self {
        let test_env = self.test_env.expect("a page of an environment");
        let ran = run(&mut command(test_env, line));
        self.ran(line, &ran)
    }

    fn ran(&mut self, line: &str, ran: &Ran) -> &mut Self {
        let (variables, args) = words(line);
        let mut shown = String::from("$");
        for word in variables.into_iter().chain(["kubectl aad"]).chain(args) {
            write!(shown, " {word}").expect("a string");
        }
        write!(shown, "\n{}", ran.stdout).expect("a string");
        if !ran.stderr.is_empty() {
            write!(shown, "[stderr]\n{}", ran.stderr).expect("a string");
        }
        if ran.code != 0 {
            writeln!(shown, "[exit code {}]", ran.code).expect("a string");
        }
        self.add(&shown)
    }

    /// A file's text.
    fn file(&mut self, path: &Path) -> &mut Self {
        let text = std::fs::read_to_string(path).expect("readable");
        self.add(&format!("$ cat {}\n{text}", path.display()))
    }

    pub(crate) fn add(&mut self, text: &str) -> &mut Self {
        let text = self.stable(text);
        self.text.push_str(&text);
        self
    }

    /// Adds text that is stable.
    pub(crate) fn add_as_is(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(crate) fn assert(&self, name: &str) {
        insta::with_settings!({
            snapshot_path => "snapshots",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_snapshot!(name, self.text) });
    }

    /// `text` without what differs from run to run.
    pub(crate) fn stable(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (from, to) in &self.literal {
            text = text.replace(from, to);
        }
        let text = replace_words(&text, |word| {
            if is_guid(word) && !self.known.contains(word) {
                Some("GUID".to_owned())
            } else if word.starts_with("eyJ") && word.len() > 40 {
                Some("TOKEN".to_owned())
            } else if is_timestamp(word) || is_time_of_day(word) {
                Some("TIME".to_owned())
            } else {
                None
            }
        });
        let text = replace_after(
            &text,
            "enter the code ",
            |c| c.is_ascii_alphanumeric(),
            "CODE",
        );
        let text = replace_after(&text, "/authorize?", |c| !c.is_whitespace(), "…");
        let text = replace_durations(&text);
        let text = replace_ages(&text);
        let text = replace_number_after(&text, "127.0.0.1:", "PORT");
        let text = replace_number_after(&text, "localhost:", "PORT");
        let text = replace_milliseconds(&text);
        let text = replace_number_after(&text, "process ", "PID");
        order_concurrent_lists(&text)
    }
}

/// `kubectl-aad` with these variables and arguments, and with a token store that every machine has.
fn command(test_env: &TestEnv, line: &str) -> Command {
    let (variables, args) = words(line);
    let mut command = test_env.aad(&args);
    command.env("AAD_TOKEN_STORE", "file").stdin(Stdio::null());
    command.envs(variables.iter().filter_map(|word| word.split_once('=')));
    command
}

/// The variables at the beginning of a command line, as `NAME=VALUE`, and its arguments.
fn words(line: &str) -> (Vec<&str>, Vec<&str>) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_variable = |word: &&str| word.contains('=') && word.starts_with(char::is_uppercase);
    let variables = words.iter().take_while(|word| is_variable(word)).count();
    (words[..variables].to_vec(), words[variables..].to_vec())
}

/// Arguments of `get-token` that snapshots show as `…`.
fn ids(client_id: &str, tenant: &str) -> String {
    format!("--server-id {AKS_SERVER_APP} --client-id {client_id} -t {tenant}")
}

/// `get-token` for a person.
fn person(test_env: &TestEnv, mode: &str) -> String {
    let ids = ids(AKS_CLIENT_APP, &test_env.tenant);
    format!("get-token -e {CLOUD} -l {mode} {ids}")
}

fn host_and_port(url: &str) -> String {
    let (_, rest) = url.split_once("://").expect("a URL");
    rest.trim_end_matches('/').to_owned()
}

/// Replaces words of letters, digits and `-:.+_` for which `with` has something else.
fn replace_words(text: &str, with: impl Fn(&str) -> Option<String>) -> String {
    let in_word = |c: char| c.is_ascii_alphanumeric() || "-:.+_".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(in_word) {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
        let word = rest[..end].trim_end_matches(['.', ':']);
        out.push_str(&with(word).unwrap_or_else(|| word.to_owned()));
        rest = &rest[word.len().max(1)..];
        if word.is_empty() {
            out.push_str(&text[text.len() - rest.len() - 1..text.len() - rest.len()]);
        }
    }
    out.push_str(rest);
    out
}

fn is_guid(word: &str) -> bool {
    let groups: Vec<usize> = word.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && word.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// RFC 3339, with or without what follows the minutes.
fn is_timestamp(word: &str) -> bool {
    word.len() >= 16
        && word.starts_with("20")
        && word
            .bytes()
            .zip(b"0000-00-00T00:00".iter())
            .all(|(byte, shape)| match shape {
                b'0' => byte.is_ascii_digit(),
                _ => byte == *shape,
            })
}

/// As in a log: `15:04:05.123Z`.
fn is_time_of_day(word: &str) -> bool {
    word.len() == 13
        && word
            .bytes()
            .zip(b"00:00:00.000Z".iter())
            .all(|(byte, shape)| match shape {
                b'0' => byte.is_ascii_digit(),
                _ => byte == *shape,
            })
}

/// Replaces the durations of a log, such as `in 81 ms`.
fn replace_milliseconds(text: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    for at in 1..words.len() {
        let number = words[at - 1];
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && words[at].starts_with("ms") {
            words[at - 1] = "N";
        }
    }
    words.join(" ")
}

/// In a log, adjacent requests that list the resources of a subscription: AKS clusters first, then Arc-connected ones, which
/// are listed at the same time. The order of the requests for one of them stays.
fn order_concurrent_lists(text: &str) -> String {
    let is_list = |line: &str| line.starts_with("TIME ") && line.contains("/providers/");
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    for adjacent in lines.chunk_by_mut(|one, next| is_list(one) && is_list(next)) {
        adjacent.sort_by_key(|line| line.contains("/connectedClusters"));
    }
    lines.concat()
}

fn is_seconds(text: &str) -> bool {
    let number = text.strip_suffix(" s");
    number.is_some_and(|number| number.parse::<f64>().is_ok())
}

/// Replaces how long a sync took, which is the end of its last line.
fn replace_durations(text: &str) -> String {
    let shown = |line: &str| {
        let separator = if line.contains(" · ") { " · " } else { " | " };
        match line.trim_end().rsplit_once(separator) {
            Some((rest, time)) if is_seconds(time) => {
                format!("{rest}{separator}1.0 s{}", &line[line.trim_end().len()..])
            }
            _ => line.to_owned(),
        }
    };
    text.split_inclusive('\n').map(shown).collect()
}

/// Replaces how long ago something was: `(12s ago)`.
fn replace_ages(text: &str) -> String {
    let ages = text.split_inclusive(" ago)");
    ages.map(|part| match part.rsplit_once('(') {
        Some((before, age)) if age.ends_with("s ago)") => format!("{before}(1s ago)"),
        _ => part.to_owned(),
    })
    .collect()
}

fn replace_number_after(text: &str, before: &str, name: &str) -> String {
    replace_after(text, before, |c| c.is_ascii_digit(), name)
}

/// Replaces what `matches` after each `before`.
fn replace_after(text: &str, before: &str, matches: fn(char) -> bool, name: &str) -> String {
    let mut parts = text.split(before);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(before);
        let rest = part.trim_start_matches(matches);
        if rest.len() < part.len() {
            out.push_str(name);
        }
        out.push_str(rest);
    }
    out
}

#[test]
fn what_differs_from_run_to_run_is_replaced() {
    let page = Page::of_directory(Path::new("/tmp/x"));
    assert_eq!(
        page.stable(
            "/tmp/x/a: process 12 at 2026-11-26T17:20:32Z. http://127.0.0.1:4711/ \
             00000000-0000-4000-8000-000000000001: `on`...\n12:00:01.123Z GET x in 81 ms\n12:00:02.000Z y"
        ),
        "/home/ann/a: process PID at TIME. http://127.0.0.1:PORT/ GUID: `on`...\nTIME GET x in N ms\nTIME y"
    );
}

#[test]
fn lists_that_run_at_the_same_time_are_ordered() {
    let line =
        |list: &str, status: u16| format!("TIME GET /s/providers/M/{list} {status} in N ms\n");
    let aks = |status| line("managedClusters", status);
    let text = |lists: &[String]| format!("TIME a\n{}TIME b\n", lists.concat());
    let arc = line("connectedClusters", 200);
    assert_eq!(
        order_concurrent_lists(&text(&[arc.clone(), aks(503), aks(200)])),
        text(&[aks(503), aks(200), arc])
    );
}
