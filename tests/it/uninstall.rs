//! The commands in `docs/uninstall.md`, with the real kubectl.

use std::fs;

use crate::{
    env::{TestEnv, run},
    support::{peer, repository},
};

const FOREIGN: &str = "\
apiVersion: v1
kind: Config
clusters: [{name: theirs, cluster: {server: 'https://theirs.example'}}]
users: [{name: theirs, user: {token: t}}]
contexts: [{name: theirs, context: {cluster: theirs, user: theirs}}]
current-context: theirs
";

/// The shell commands of a page below a heading.
fn commands(page: &str, heading: &str) -> String {
    let page = fs::read_to_string(repository().join(page)).expect("a page");
    let below = page.split_once(heading).expect("the heading").1;
    let section = below.split("\n## ").next().unwrap_or_default();
    let blocks = section.split("```sh\n").skip(1);
    blocks
        .filter_map(|block| Some(block.split_once("```")?.0))
        .collect()
}

#[test]
fn the_documented_commands_remove_what_sync_wrote_and_nothing_else() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let test_env = TestEnv::new();
    test_env.install("kubectl", &kubectl);
    fs::create_dir_all(test_env.path(".kube")).expect("a directory");
    test_env.write(".kube/config", FOREIGN);
    assert_eq!(run(&mut test_env.sync(&[])).code, 0);
    let kubectl = |args: &[&str]| {
        let ran = run(test_env.program(&kubectl).args(args));
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
        ran.stdout
    };
    let synced = kubectl(&["config", "get-contexts", "-o", "name"]);
    let context = synced.lines().find(|name| *name != "theirs");
    let context = context.expect("one of ours");
    kubectl(&["config", "rename-context", context, "a copy"]);
    let script = commands(
        "docs/uninstall.md",
        "## Remove the contexts that `sync` wrote",
    );
    let ran = run(test_env.program("sh").args(["-ec", &script]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("a copy"), "{}", ran.stdout);
    let left: serde_yaml::Value =
        serde_yaml::from_str(&kubectl(&["config", "view", "--raw"])).expect("YAML");
    for section in ["clusters", "contexts", "users"] {
        let entries = left[section].as_sequence().expect("a list");
        let names = entries.iter().filter_map(|entry| entry["name"].as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["theirs"], "{section}");
    }
}
