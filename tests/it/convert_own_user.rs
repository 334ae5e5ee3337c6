//! `kubectl aad convert-kubeconfig --context` where `sync` wrote one user for all clusters with the same sign-in.

use azure_sim::{Fleet, FleetSpec};
use serde_json::Value;

use crate::env::{CLOUD, TestEnv, run};

/// Four synced clusters with one user, and their names.
fn synced() -> (TestEnv, Vec<String>) {
    let test_env = TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters: 4,
        ..FleetSpec::default()
    }));
    sync(&test_env);
    let clusters = test_env.simulator.fleet().clusters;
    let mut names: Vec<_> = clusters.into_iter().map(|cluster| cluster.name).collect();
    names.sort();
    (test_env, names)
}

fn sync(test_env: &TestEnv) -> Value {
    let ran = run(&mut test_env.sync(&["--no-warm", "-o", "json"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.json(0)
}

fn parsed(test_env: &TestEnv) -> Value {
    serde_saphyr::from_str(&test_env.kubeconfig_text()).expect("YAML")
}

/// The user that a context names.
fn user_of(kubeconfig: &Value, context: &str) -> String {
    let contexts = kubeconfig["contexts"].as_array().expect("a list");
    let context = contexts.iter().find(|one| one["name"] == context);
    let user = &context.expect("it is there")["context"]["user"];
    user.as_str().expect("a user").to_owned()
}

fn user<'k>(kubeconfig: &'k Value, name: &str) -> &'k Value {
    let users = kubeconfig["users"].as_array().expect("a list");
    let user = users.iter().find(|one| one["name"] == name);
    &user.expect("it is there")["user"]
}

fn login(user: &Value) -> &str {
    let args = user["exec"]["args"].as_array().expect("a list");
    let at = args.iter().position(|arg| arg == "--login");
    args[at.expect("a mode") + 1].as_str().expect("text")
}

#[test]
fn a_context_gets_a_user_of_its_own_and_the_others_keep_theirs() {
    let (test_env, names) = synced();
    let before = test_env.kubeconfig_text();
    let old = parsed(&test_env);
    let shared = user_of(&old, &names[0]);
    assert_eq!(old["users"].as_array().expect("a list").len(), 1);
    let convert = ["--context", &names[1], "-l", "devicecode", "-e", CLOUD];

    let dry = test_env.convert(&[&convert[..], &["--dry-run", "-o", "diff"]].concat());
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    let moved = format!("+    user: {}\n", names[1]);
    assert!(dry.stdout.contains(&moved), "{}", dry.stdout);
    let said = format!(
        "`{0}` would get a user of its own, `{0}`: 3 other contexts use `{shared}`\n",
        names[1]
    );
    assert!(dry.stderr.contains(&said), "{}", dry.stderr);
    assert_eq!(test_env.kubeconfig_text(), before);

    let ran = test_env.convert(&[&convert[..], &["-o", "json"]].concat());
    let report = ran.json(0);
    assert_eq!(report["users"].as_array().expect("a list").len(), 1);
    assert_eq!(report["users"][0]["name"], *names[1]);
    assert_eq!(report["users"][0]["ownUserOf"], *names[1]);
    let new = parsed(&test_env);
    for name in &names {
        let expected = if *name == names[1] { name } else { &shared };
        assert_eq!(user_of(&new, name), *expected);
    }
    assert_eq!(user(&new, &shared), user(&old, &shared));
    let own = user(&new, &names[1]);
    assert_eq!(login(own), "devicecode");
    let text = own.to_string();
    assert!(
        !text.contains("shared") && !text.contains("armId"),
        "{text}"
    );

    // It is a person's choice, which the next sync keeps.
    let converted = test_env.kubeconfig_text();
    let report = sync(&test_env);
    assert_eq!(report["summary"]["unchanged"], 4);
    assert_eq!(test_env.kubeconfig_text(), converted);

    // Back in the earlier mode it signs in as before; it is not shared again.
    let back = test_env.convert(&["--context", &names[1], "-l", "azurecli"]);
    assert_eq!(back.code, 0, "{}", back.stderr);
    let new = parsed(&test_env);
    let words = |user: &Value| user["exec"]["args"].clone();
    assert_eq!(words(user(&new, &names[1])), words(user(&old, &shared)));
    assert_eq!(user_of(&new, &names[1]), names[1]);
}

#[test]
fn all_contexts_of_a_shared_user_move_together() {
    let (test_env, names) = synced();
    let old = parsed(&test_env);
    let shared = user_of(&old, &names[0]);
    let selected: Vec<&str> = names.iter().flat_map(|name| ["--context", name]).collect();
    for contexts in [&[][..], &selected] {
        let ran = test_env.convert(&[contexts, &["-l", "devicecode", "-e", CLOUD]].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(!ran.stderr.contains("of its own"), "{}", ran.stderr);
        let new = parsed(&test_env);
        // Its name says how it signs in.
        let now = user_of(&new, &names[0]);
        assert!(now.starts_with("aad:devicecode:"), "{now}");
        assert_eq!(login(user(&new, &now)), "devicecode");
        assert!(names.iter().all(|name| user_of(&new, name) == now));
        assert_eq!(new["users"].as_array().expect("a list").len(), 1);
        let back = test_env.convert(&[contexts, &["-l", "azurecli"]].concat());
        assert_eq!(back.code, 0, "{}", back.stderr);
        let exec = |kubeconfig: &Value| user(kubeconfig, &shared)["exec"]["args"].clone();
        assert_eq!(exec(&parsed(&test_env)), exec(&old));
    }
}

#[test]
fn a_name_that_another_user_has_is_left_to_it() {
    let (test_env, names) = synced();
    let text = test_env.kubeconfig_text();
    let taken = format!("users:\n- name: {}\n  user: {{token: t}}\n", names[0]);
    std::fs::write(test_env.kubeconfig(), text.replace("users:\n", &taken)).expect("written");
    let ran = test_env.convert(&[
        "--context",
        &names[0],
        "--context",
        &names[1],
        "-l",
        "devicecode",
        "-e",
        CLOUD,
    ]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let new = parsed(&test_env);
    assert_eq!(user(&new, &names[0])["token"], "t");
    assert_eq!(user_of(&new, &names[0]), format!("{}-2", names[0]));
    assert_eq!(user_of(&new, &names[1]), names[1]);
    assert!(ran.stderr.contains("converted 2 users"), "{}", ran.stderr);
}
