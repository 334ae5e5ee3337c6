//! `kubectl aad doctor`: what it shows, and for each code a machine with that fault.
//!
//! `fault` has the machine; the modules below it have the faults, one file a theme.

mod certificates;
mod cloud;
mod developer_tools;
mod entries;
mod fault;
mod files;
mod kubectl;
mod kuberc;
mod members;
mod names;
mod network;
mod plugin;
mod token_store;
mod variables;

use std::{collections::BTreeSet, fs};

use kubectl_aad::internals::{Check, RETIRED, Severity, checks};
use serde_json::Value;

use self::fault::Machine;
use crate::{
    documents::documented,
    env::{AtATerminal, Size},
    support::repository,
};

const PAGE: &str = "docs/reference/doctor.md";

fn page() -> String {
    let mut page = String::from(
        "# What `doctor` finds\n\n\
         Generated from the program's own table; a test fails when it is stale. `kubectl aad doctor` makes these checks, and\n\
         `kubectl aad doctor AAD001` one of them. A *problem* makes it exit with 1, a *note* does not. The command shows the\n\
         remedy for the machine it runs on. A code keeps its meaning; new ones may be added.\n",
    );
    for Check {
        code,
        title,
        severity,
        why,
        remedy,
        ..
    } in checks()
    {
        let kind = match severity {
            Severity::Problem => "Problem",
            Severity::Note => "Note",
        };
        page.push_str(&format!(
            "\n## {code}\n\n*{kind}:* {title}.\n\n{why}\n\n**Remedy:** {remedy}\n"
        ));
    }
    if !RETIRED.is_empty() {
        page.push_str("\n## No longer checked\n\n");
        page.push_str(&format!("{}\n", RETIRED.join(", ")));
    }
    page
}

#[test]
fn the_page_of_doctor_is_what_the_table_says_and_no_code_disappears_from_it() {
    let path = repository().join(PAGE);
    let found = fs::read_to_string(&path).unwrap_or_default();
    let known: BTreeSet<&str> = checks()
        .iter()
        .map(|check| check.code)
        .chain(RETIRED.iter().copied())
        .collect();
    let documented = found.lines().filter_map(|line| line.strip_prefix("## AAD"));
    for number in documented {
        let code = format!("AAD{number}");
        assert!(
            known.contains(&*code),
            "{code} is no longer checked: add it to `RETIRED`, so that it is never used again"
        );
    }
    if std::env::var_os("AAD_WRITE_REFERENCE").is_some() {
        fs::write(&path, page()).expect("written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page(),
        "{PAGE} is stale: run the test with AAD_WRITE_REFERENCE=1"
    );
}

#[test]
fn every_code_has_a_machine_with_that_fault() {
    let mut tests = String::new();
    let mut to_read = vec![repository().join("tests/it/doctor")];
    while let Some(directory) = to_read.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => to_read.push(path),
                false => tests.push_str(&fs::read_to_string(path).expect("UTF-8")),
            }
        }
    }
    let lacking: Vec<_> = checks()
        .iter()
        .map(|check| check.code)
        .filter(|code| !tests.contains(&format!("Machine::without(\"{code}\")")))
        .collect();
    assert!(lacking.is_empty(), "no test seeds the fault of {lacking:?}");
}

#[test]
fn a_clean_machine_is_one_line_with_the_number_of_checks() {
    let machine = Machine::new();
    let ran = machine.doctor(&[]);
    let expected = format!("no problems: {} checks made\n", checks().len());
    assert_eq!((ran.code, &*ran.stdout, &*ran.stderr), (0, &*expected, ""));
}

#[test]
fn codes_choose_checks_and_skip_leaves_them_out() {
    let mut machine = Machine::without("AAD001");
    machine.remove_kubectl();
    let made = |args: &[&str]| {
        let report = machine.doctor(&[args, &["-o", "json"]].concat());
        let report: Value = serde_json::from_str(&report.stdout).expect("JSON");
        report["checks"].as_u64().expect("a number")
    };
    assert_eq!(made(&["aad001"]), 1);
    assert_eq!(made(&["AAD001", "AAD006"]), 2);
    let all = made(&[]);
    assert_eq!(made(&["--skip", "AAD001"]), all - 1);
    assert_eq!(made(&["--skip", "AAD001,AAD006"]), all - 2);
    assert_eq!(machine.doctor(&["AAD001"]).code, 1);
    assert_eq!(machine.doctor(&["--skip", "AAD001", "AAD001"]).code, 0);
    let unknown = machine.doctor(&["AAD999"]);
    assert_eq!(unknown.code, 2, "{}", unknown.stderr);
}

#[test]
fn the_list_has_every_check_and_makes_none() {
    let machine = Machine::new();
    let listed = machine.doctor(&["--list"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    for check in checks() {
        let line = listed
            .stdout
            .lines()
            .find(|line| line.starts_with(check.code));
        assert!(
            line.is_some_and(|line| line.ends_with(check.title)),
            "{}",
            check.code
        );
    }
    let names = machine.doctor(&["--list", "-o", "name"]);
    let codes: Vec<_> = checks().iter().map(|check| check.code).collect();
    assert_eq!(names.stdout.lines().collect::<Vec<_>>(), codes);
}

#[test]
fn the_documents_have_the_documented_keys() {
    let mut machine = Machine::without("AAD001");
    machine.remove_kubectl();
    let keys = |value: &Value| -> BTreeSet<String> {
        value
            .as_object()
            .expect("a mapping")
            .keys()
            .cloned()
            .collect()
    };
    let report = machine.doctor(&["-o", "json"]).json(1);
    assert_eq!(keys(&report), documented("`doctor`"));
    assert_eq!(keys(&report["findings"][0]), documented("a finding"));
    let list = machine.doctor(&["--list", "-o", "json"]).json(0);
    assert_eq!(keys(&list), documented("`doctor --list`"));
    assert_eq!(keys(&list["checks"][0]), documented("a check"));
    machine.env.install_script("kubectl", "#!/bin/sh\nexit 1\n");
    let report = machine.doctor(&["-o", "json"]).json(0);
    assert_eq!(keys(&report["notMade"][0]), documented("`notMade`"));
}

/// Several faults, of which one keeps the remedies of the others from working.
const SEVERAL: &str = "\
apiVersion: v1
kind: Config
clusters:
- {name: c, cluster: {server: 'https://127.0.0.1:1'}}
contexts:
- {name: aks-production-westeurope, context: {cluster: c, user: u}}
- {name: gone, context: {cluster: x, user: u}}
current-context: aks-production-westeurop
users:
- name: u
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: kubelogin, args: [get-token, -l, msi, --server-id, x]}
";

#[test]
fn remedies_can_be_followed_from_the_first_finding_to_the_last() {
    let mut machine = Machine::new();
    let path = machine.write_kubeconfig(SEVERAL);
    fault::chmod(&path, 0o664);
    let lock = path.with_file_name("config.lock");
    fs::write(&lock, "").expect("written");
    let file = fs::File::options().write(true).open(&lock).expect("ours");
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    file.set_modified(past).expect("set");
    if !machine.install_real_kubectl() {
        return;
    }
    let args = [
        "AAD007", "AAD015", "AAD016", "AAD017", "AAD018", "-o", "json",
    ];
    let report = machine.doctor(&args).json(1);
    let findings = report["findings"].as_array().expect("a list");
    let codes: Vec<_> = findings.iter().map(|one| one["code"].clone()).collect();
    assert_eq!(codes, ["AAD017", "AAD018", "AAD015", "AAD016", "AAD007"]);
    for finding in findings {
        machine.follow(finding);
    }
    assert_eq!(
        machine.doctor(&args).json(0)["findings"],
        Value::Array(Vec::new())
    );
}

#[test]
fn at_a_terminal_only_what_is_pasted_is_wider_than_it() {
    let machine = Machine::new();
    machine.write_kubeconfig(SEVERAL);
    let mut command = machine
        .env
        .aad(&["doctor", "--offline", "AAD007", "AAD015", "AAD016"]);
    command.env("NO_COLOR", "1");
    let size = Size {
        columns: 60,
        rows: 200,
    };
    let seen = AtATerminal::start(command, size).finish().raw;
    let lines: Vec<_> = seen.lines().map(str::trim_end).collect();
    assert!(lines.iter().any(|line| line.contains("AAD007")), "{seen}");
    for line in lines {
        let is_pasted = line.starts_with("       ");
        assert!(is_pasted || line.chars().count() <= 60, "{line}");
    }
}

#[test]
fn a_check_that_can_not_be_made_is_named_and_the_others_go_on() {
    let machine = Machine::new();
    machine
        .env
        .install_script("kubectl", "#!/bin/sh\necho v1\n");
    let ran = machine.doctor(&[]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    let path = machine.env.bin("kubectl");
    let expected = format!(
        "warning: AAD006 was not checked: `{} version --client -o json` did not print JSON",
        path.display()
    );
    assert!(
        ran.stdout.lines().any(|line| line == expected),
        "{}",
        ran.stdout
    );
    let last = ran.stdout.lines().last();
    assert!(
        last.is_some_and(|line| line.starts_with("no problems: ")),
        "{}",
        ran.stdout
    );
}
