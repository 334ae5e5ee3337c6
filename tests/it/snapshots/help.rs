//! The help of every command.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use kubectl_aad::internals::PARAMS;

use super::{Page, Ran, run};
use crate::{
    env::{AtATerminal, PROGRAM, Size},
    support::repository,
};

/// The lines of a short page; the first page also has the commands.
const SHORT: usize = 16;
const FIRST: usize = 24;

#[test]
fn help_of_every_command() {
    let mut command = kubectl_aad::cli::command();
    command.build();
    let mut written = BTreeSet::new();
    check(&command, &[], &mut written);
    let mut login = Page::of_directory(Path::new("/nowhere"));
    login.ran("help login", &help(&["help", "login"]));
    login.assert("help_login");
    written.insert("help_login.snap".to_owned());
    let files = fs::read_dir(repository().join("tests/it/snapshots")).expect("the snapshots");
    let names = files.map(|file| file.expect("a file").file_name().into_string());
    let on_disk: BTreeSet<String> = names
        .map(|name| name.expect("a name in UTF-8"))
        .filter(|name| name.starts_with("help_") && name.ends_with(".snap"))
        .collect();
    assert_eq!(
        on_disk, written,
        "the snapshots, and the commands there are"
    );
}

fn help(args: &[&str]) -> Ran {
    let mut command = Command::new(PROGRAM);
    run(command.env_clear().args(args))
}

/// Compares the help of a command and of those below it, and notes the names of the snapshots.
fn check(command: &clap::Command, path: &[&str], written: &mut BTreeSet<String>) {
    let mut page = Page::of_directory(Path::new("/nowhere"));
    let line = |flag| [path, &[flag]].concat();
    let (short, long) = (help(&line("-h")), help(&line("--help")));
    if short.stdout != long.stdout {
        page.ran(&line("-h").join(" "), &short).add("\n");
    }
    page.ran(&line("--help").join(" "), &long);
    let most = if path.is_empty() { FIRST } else { SHORT };
    let lines = short.stdout.lines().count();
    assert!(lines <= most, "{path:?} -h has {lines} lines");
    assert_eq!(help(&[&["help"], path].concat()).stdout, long.stdout);
    let lines = long.stdout.lines();
    let wide: Vec<_> = lines.filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{path:?} --help: {wide:?}");
    let name = format!("help_{}", [&["kubectl-aad"], path].concat().join("_"));
    page.assert(&name);
    written.insert(format!("{name}.snap"));
    let below = command.get_subcommands();
    // A hidden `help` below a command shows the pages that `help` does.
    for below in below.filter(|below| path.is_empty() || below.get_name() != "help") {
        check(below, &[path, &[below.get_name()]].concat(), written);
    }
}

#[test]
fn alone_the_program_shows_its_help_and_a_command_that_needs_another_one_fails() {
    let page = help(&["-h"]).stdout;
    let alone = help(&[]);
    assert_eq!(
        (alone.code, alone.stdout, alone.stderr),
        (0, page, String::new())
    );
    let page = help(&["cache", "-h"]).stdout;
    let incomplete = help(&["cache"]);
    assert_eq!(
        (incomplete.code, incomplete.stdout, incomplete.stderr),
        (2, String::new(), page)
    );
}

#[test]
fn every_flag_is_on_the_page_of_its_command_or_on_that_of_login_modes() {
    let login = help(&["help", "login"]).stdout;
    let mut command = kubectl_aad::cli::command();
    command.build();
    let mut seen = 0;
    let mut check = |command: &clap::Command, path: &[&str]| {
        let long = help(&[path, &["--help"]].concat()).stdout;
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            for name in arg
                .get_long()
                .into_iter()
                .chain(arg.get_visible_aliases().unwrap_or_default())
            {
                let is_on = |page: &str| {
                    page.split(|c: char| c.is_whitespace() || ",.`[]".contains(c))
                        .any(|word| word == format!("--{name}"))
                };
                assert!(is_on(&long) || is_on(&login), "{path:?} --{name}");
                seen += 1;
            }
        }
    };
    for below in command
        .get_subcommands()
        .filter(|below| below.get_name() != "help")
    {
        check(below, &[below.get_name()]);
        for last in below.get_subcommands() {
            check(last, &[below.get_name(), last.get_name()]);
        }
    }
    assert!(seen > 100, "{seen} flags");
}

#[test]
fn every_variable_is_on_the_page_of_login_modes() {
    let page = help(&["help", "login"]).stdout;
    for name in PARAMS.iter().flat_map(|row| row.variable_names()) {
        assert!(page.contains(name), "{name}");
    }
}

#[test]
fn a_topic_that_does_not_exist_is_answered_with_the_near_ones() {
    for (typed, answer) in [
        (
            &["help", "snyc"][..],
            "error: there is no help about `snyc`\nhint: did you mean `sync`? otherwise use one of `sync`, `list`, `prune`, \
             `undo`, `status`, `verify`, `exec`, `use`, `get-token`, `convert-kubeconfig`, `cache`, `logout`, `completion`, `config`, `doctor`, `version`, `help`, `login`\n",
        ),
        (
            &["help", "cache", "lits"],
            "error: there is no help about `lits`\nhint: did you mean `list`? otherwise use one of `list`, `clear`\n",
        ),
        (
            &["help", "sync", "x"],
            "error: there is no help about `x`\nhint: see `kubectl aad help`\n",
        ),
    ] {
        let ran = help(typed);
        assert_eq!((ran.code, ran.stderr.as_str()), (2, answer));
    }
}

#[test]
fn a_page_fits_the_terminal_and_is_never_wider_than_100_columns() {
    for (size, most) in [(Size::SMALL, 80), (Size::LARGE, 100)] {
        for page in [&["sync", "--help"][..], &["help", "login"]] {
            let mut command = Command::new(PROGRAM);
            command
                .env_clear()
                .env("TERM", "xterm")
                .env("LANG", "C.UTF-8")
                .args(page);
            let seen = AtATerminal::start(command, size).finish();
            assert_eq!(seen.code, 0, "{page:?}");
            let text = seen.raw.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
            assert_ne!(text, seen.raw, "headings are bold");
            let widest = text
                .lines()
                .map(|line| line.trim_end().chars().count())
                .max();
            assert!(
                widest.is_some_and(|widest| widest <= most && widest > most - 15),
                "{page:?} at {most}: {widest:?}"
            );
        }
    }
}

#[test]
fn a_page_has_no_colors_where_none_are_wanted() {
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let mut command = Command::new(PROGRAM);
        command
            .env_clear()
            .env("TERM", "xterm")
            .env(name, value)
            .args(["sync", "-h"]);
        let seen = AtATerminal::start(command, Size::SMALL).finish();
        assert!(!seen.raw.contains('\u{1b}'), "{name}: {}", seen.raw);
    }
}

#[test]
fn the_version_is_for_people_and_for_scripts() {
    let line = help(&["version"]).stdout;
    let short = help(&["--version"]).stdout;
    assert_eq!(help(&["-V"]).stdout, short);
    assert!(
        line.starts_with(&format!("{} (", short.trim_end())),
        "{line}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&help(&["version", "-o", "json"]).stdout).expect("JSON");
    let keys: Vec<_> = json.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["version", "commit", "platform", "build"]);
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    let platform = json["platform"].as_str().expect("a text");
    assert!(line.contains(platform) && platform.contains('/'), "{line}");
    let yaml: serde_json::Value =
        serde_yaml::from_str(&help(&["version", "-o", "yaml"]).stdout).expect("YAML");
    assert_eq!(json, yaml);
}
