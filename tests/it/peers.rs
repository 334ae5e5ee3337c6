//! What a run of tests says of the programs that it lacks.

use std::process::Command;

use crate::env::run;

/// Not a program that could be installed, so nothing requires it.
const MOUNT: &str = "mount";

/// Tests that end at once without their programs, by what they lack.
const WITHOUT: [(&str, &[&str]); 5] = [
    (
        "az",
        &["real_az::sync_looks_in_the_cloud_that_the_real_az_is_set_to"],
    ),
    ("go", &["proxies::proxies_are_chosen_as_go_chooses_them"]),
    (
        "kubectl",
        &[
            "kubeconfig_files::a_kubeconfig_in_utf_16_is_converted_and_kubectl_reads_it_before_and_after",
            "prompts::kubectl_asks_once_for_a_command_whose_sign_in_came_to_nothing",
        ],
    ),
    (
        MOUNT,
        &["kubeconfig_files::a_directory_need_not_be_listable"],
    ),
    (
        "strace",
        &["optional::where_files_cannot_be_locked_tokens_are_cached_all_the_same"],
    ),
];

/// Runs these tests where no program is installed.
fn without_programs() -> Command {
    let mut tests = Command::new(std::env::current_exe().expect("this program has a path"));
    let names = WITHOUT.iter().flat_map(|(_, tests)| *tests);
    tests.arg("--exact").args(names);
    tests.env_clear().env("PATH", "/nonexistent");
    tests
}

#[test]
fn a_run_without_programs_ends_with_a_line_that_names_the_tests_that_checked_nothing() {
    let ran = run(&mut without_programs());
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let lacking: Vec<_> = WITHOUT
        .iter()
        .map(|(what, tests)| format!("without `{what}`: {}", tests.join(", ")))
        .collect();
    let line = format!(
        "these tests checked nothing: {} (`.ci/peers` installs programs)",
        lacking.join("; ")
    );
    assert_eq!(ran.stderr.trim(), line);
}

#[test]
fn such_a_run_fails_where_programs_are_required() {
    let ran = run(without_programs().env("AAD_REQUIRE_PEERS", "1"));
    assert_eq!(ran.code, 101);
    for (what, tests) in WITHOUT.into_iter().filter(|(what, _)| *what != MOUNT) {
        let missing = format!("`{what}` is missing");
        assert!(ran.stdout.contains(&missing), "{}", ran.stdout);
        for test in tests {
            let failed = format!("test {test} ... FAILED");
            assert!(ran.stdout.contains(&failed), "{}", ran.stdout);
        }
    }
}
