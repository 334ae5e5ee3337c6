//! What a person sees on a whole terminal, small and large, in the situations that people come to.

use crate::{
    env::{AtATerminal, CLOUD, Size, TestEnv, run},
    snapshots::Page,
};

#[test]
fn list() {
    let test_env = TestEnv::new();
    let mut page = Page::new(&test_env);
    for size in [Size::SMALL, Size::LARGE] {
        let command = test_env.typed(&["list", "-e", CLOUD]);
        let seen = AtATerminal::start(command, size).finish();
        assert_eq!(seen.code, 0, "{}", seen.raw);
        page.note(&format!("{} columns", size.columns));
        page.add(&seen.screen.text());
    }
    page.assert("capture_list");
}

#[test]
fn cache_list() {
    let test_env = TestEnv::new();
    let mut page = Page::new(&test_env);
    let simulator = &test_env.simulator;
    // The table shows whole minutes.
    simulator.configure(|settings| settings.user_token_lifetime = 5399);
    let store = ("AAD_TOKEN_STORE", "file");
    let mut sync = test_env.aad(&["sync", "-e", CLOUD]);
    assert_eq!(run(sync.envs([store])).code, 0);
    for size in [Size::SMALL, Size::LARGE] {
        let mut command = test_env.typed(&["cache", "list"]);
        command.envs([store]);
        let seen = AtATerminal::start(command, size).finish();
        assert_eq!(seen.code, 0, "{}", seen.raw);
        page.note(&format!("{} columns", size.columns));
        let text = seen.screen.text();
        // Where tokens are stored is longer than a line, and differs.
        let (table, _) = text.split_once("tokens are stored").expect("stderr");
        page.add(table);
    }
    page.assert("capture_cache_list");
}
