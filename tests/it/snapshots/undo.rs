//! What `undo` says.

use super::{CLOUD, Page, TestEnv};

#[test]
fn undo_in_every_format() {
    let test_env = TestEnv::new();
    let mut page = Page::new(&test_env);
    page.note("nothing was written")
        .run("undo")
        .run("undo --list");
    test_env.write(
        "config",
        "users: [{name: theirs, user: {token: hunter2}}]\n",
    );
    page.run(&format!(
        "sync -e {CLOUD} --no-warm --kubeconfig config -o name"
    ));
    let text = test_env.read("config");
    let data = text
        .split_once("certificate-authority-data: ")
        .expect("one")
        .1;
    page.hide(data.lines().next().expect("a line"), "CA");
    page.note("a dry run in each format");
    for format in ["text", "diff", "json"] {
        page.run(&format!("undo --kubeconfig config --dry-run -o {format}"));
    }
    page.note("undone, and back");
    page.run("undo --kubeconfig config -q")
        .run("undo --kubeconfig config");
    page.run("undo --kubeconfig config --dry-run");
    page.run("undo --list -o json --kubeconfig config");
    page.note("something else changed it");
    let text = test_env.read("config");
    test_env.write("config", &format!("{text}# theirs\n"));
    page.run("undo --kubeconfig config --to 1");
    page.run("undo --kubeconfig config --force");
    page.note("a kubeconfig that did not exist");
    page.run(&format!("sync -e {CLOUD} --no-warm -o name"));
    page.run("undo --dry-run").run("undo").run("undo");
    page.run("undo --list -o diff").run("undo --to 99");
    page.assert("undo");
}
