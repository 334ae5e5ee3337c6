//! What a person is asked, and what those who wait are told.

use std::process::Child;

use azure_sim::{AKS_CLIENT_APP, AKS_SERVER_APP, SignIn};

use super::{CLOUD, Page, Ran, TestEnv};
use crate::env::{TIMEOUT, browser_that_tells, finished, first_words, wait_for_file, walk};

fn args<'a>(test_env: &'a TestEnv, mode: &'a str) -> Vec<&'a str> {
    let mut args = vec![
        "get-token",
        "-e",
        CLOUD,
        "-l",
        mode,
        "--server-id",
        AKS_SERVER_APP,
    ];
    args.extend(["--client-id", AKS_CLIENT_APP, "-t", &test_env.tenant]);
    args
}

fn page(test_env: &TestEnv) -> Page {
    let mut page = Page::new(test_env);
    let who = format!(
        "--server-id {AKS_SERVER_APP} --client-id {AKS_CLIENT_APP} -t {}",
        test_env.tenant
    );
    page.hide(&who, "…");
    page
}

fn start(test_env: &TestEnv, args: &[&str], env: &[(&str, &str)]) -> Child {
    crate::env::start(&mut super::command(test_env, args, env))
}

#[test]
fn a_device_code() {
    let test_env = TestEnv::new();
    let mut page = page(&test_env);
    page.run(&test_env, &args(&test_env, "devicecode"), &[]);
    page.run(&test_env, &["cache", "list", "-o", "name"], &[]);
    page.note("from the cache")
        .run(&test_env, &args(&test_env, "devicecode"), &[]);
    page.assert("prompt_device_code");
}

#[test]
fn a_browser() {
    let test_env = TestEnv::new();
    let mut page = page(&test_env);
    let (browser, told) = browser_that_tells(&test_env);
    test_env
        .simulator
        .configure(|settings| settings.sign_in = SignIn::As(test_env.user.upn.clone()));
    let args = args(&test_env, "interactive");
    let env = [("BROWSER", browser.as_str())];
    let mut child = start(&test_env, &args, &env);
    let shown = walk(&test_env, &wait_for_file(&told, &mut child));
    page.ran(&args, &env, &finished(child));
    page.note("the page in the browser").add(&shown).add("\n");
    page.note("without a browser");
    test_env.aad(&["cache", "clear"]).status().expect("it runs");
    let env = [("BROWSER", "no-such-browser")];
    let mut child = start(&test_env, &args, &env);
    let said = first_words(&mut child, &["/authorize", "error"]);
    let rest = first_words(&mut child, &["\n"]);
    child.kill().expect("ours");
    child.wait().expect("ours");
    page.ran(
        &args,
        &env,
        &Ran {
            code: 0,
            stdout: String::new(),
            stderr: said + &rest,
        },
    );
    page.assert("prompt_browser");
}

#[test]
fn another_process_that_asks() {
    let test_env = TestEnv::new();
    let mut page = page(&test_env);
    let simulator = &test_env.simulator;
    simulator.configure(|settings| settings.device_auto_approve = None);
    let args = args(&test_env, "devicecode");
    let holder = start(&test_env, &args, &[]);
    let code = simulator.wait_for_user_code(TIMEOUT);
    let mut waits = start(&test_env, &args, &[]);
    let said = first_words(&mut waits, &["\n"]);
    assert!(simulator.approve_device(&code, &test_env.user.upn));
    assert_eq!(finished(holder).code, 0);
    let rest = finished(waits);
    page.ran(
        &args,
        &[],
        &Ran {
            stderr: said + &rest.stderr,
            ..rest
        },
    );
    page.assert("prompt_another_process");
}

#[test]
fn nobody_to_ask() {
    let test_env = TestEnv::new();
    let mut page = page(&test_env);
    for mode in ["devicecode", "interactive"] {
        page.run(&test_env, &args(&test_env, mode), &[("CI", "true")]);
    }
    page.assert("prompt_refused");
}

#[test]
fn a_sign_in_that_fails() {
    let test_env = TestEnv::new();
    let mut page = page(&test_env);
    let simulator = &test_env.simulator;
    simulator.configure(|settings| settings.device_auto_approve = None);
    let args = args(&test_env, "devicecode");
    page.note("declined");
    let child = start(&test_env, &args, &[]);
    assert!(simulator.decline_device(&simulator.wait_for_user_code(TIMEOUT)));
    page.ran(&args, &[], &finished(child));
    page.note("not finished in time");
    page.run(
        &test_env,
        &[&args[..], &["--timeout", "2500ms"]].concat(),
        &[],
    );
    page.assert("prompt_failed");
}
