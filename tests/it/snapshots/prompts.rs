//! What a person is asked, and what those who wait are told.

use std::process::Child;

use azure_sim::SignIn;

use super::{Page, Ran, TestEnv, command, person, run};
use crate::env::{self, TIMEOUT, browser_that_tells, finished, first_words, wait_for_file, walk};

fn start(test_env: &TestEnv, line: &str) -> Child {
    env::start(&mut command(test_env, line))
}

#[test]
fn a_device_code() {
    let test_env = TestEnv::new();
    let mut page = Page::new(&test_env);
    let line = person(&test_env, "devicecode");
    page.run(&line).run("cache list -o name");
    page.note("from the cache").run(&line);
    page.assert("prompt_device_code");
}

#[test]
fn a_browser() {
    let test_env = TestEnv::new();
    let mut page = Page::new(&test_env);
    let (browser, told) = browser_that_tells(&test_env);
    let simulator = &test_env.simulator;
    simulator.configure(|settings| settings.sign_in = SignIn::As(test_env.user.upn.clone()));
    let person = person(&test_env, "interactive");
    let line = format!("BROWSER={browser} {person}");
    let mut child = start(&test_env, &line);
    let shown = walk(&test_env, &wait_for_file(&told, &mut child));
    page.ran(&line, &finished(child));
    page.note("the page in the browser").add(&shown).add("\n");
    page.note("without a browser");
    assert_eq!(run(&mut command(&test_env, "cache clear")).code, 0);
    let line = format!("BROWSER=no-such-browser {person}");
    let mut child = start(&test_env, &line);
    let stderr = first_words(&mut child, &["/authorize", "error"]);
    let stderr = stderr + &first_words(&mut child, &["\n"]);
    child.kill().expect("ours");
    child.wait().expect("ours");
    let (code, stdout) = (0, String::new());
    page.ran(
        &line,
        &Ran {
            code,
            stdout,
            stderr,
        },
    );
    page.assert("prompt_browser");
}

#[test]
fn another_process_that_asks() {
    let test_env = TestEnv::new();
    let mut page = Page::new(&test_env);
    let simulator = &test_env.simulator;
    simulator.configure(|settings| settings.device_auto_approve = None);
    let line = person(&test_env, "devicecode");
    let holder = start(&test_env, &line);
    let code = simulator.wait_for_user_code(TIMEOUT);
    let mut waits = start(&test_env, &line);
    let waiting = first_words(&mut waits, &["\n"]);
    assert!(simulator.approve_device(&code, &test_env.user.upn));
    assert_eq!(finished(holder).code, 0);
    let ran = finished(waits);
    let stderr = waiting + &ran.stderr;
    page.ran(&line, &Ran { stderr, ..ran });
    page.assert("prompt_another_process");
}

#[test]
fn nobody_to_ask() {
    let test_env = TestEnv::new();
    let mut page = Page::new(&test_env);
    for mode in ["devicecode", "interactive"] {
        page.run(&format!("CI=true {}", person(&test_env, mode)));
    }
    page.assert("prompt_refused");
}

#[test]
fn a_sign_in_that_fails() {
    let test_env = TestEnv::new();
    let mut page = Page::new(&test_env);
    let simulator = &test_env.simulator;
    simulator.configure(|settings| settings.device_auto_approve = None);
    let line = person(&test_env, "devicecode");
    page.note("declined");
    let child = start(&test_env, &line);
    assert!(simulator.decline_device(&simulator.wait_for_user_code(TIMEOUT)));
    page.ran(&line, &finished(child));
    // No poll is in flight when the time is over.
    simulator.configure(|settings| settings.device_interval = 60);
    page.note("not finished in time");
    page.run(&format!("{line} --timeout 2500ms"));
    page.assert("prompt_failed");
}
