//! What a person sees on a whole terminal, small and large, in the situations that people come to.

use crate::{
    env::{AtATerminal, CLOUD, Size, TestEnv},
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
