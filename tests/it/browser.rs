//! Signing in with a browser that the test acts as.

use std::process::Stdio;

use azure_sim::SignIn;
use rustix::process::Signal;

use crate::env::{
    INTERACTIVE, TestEnv, browser_that_tells, finished, signal, start, wait_for_file, walk,
};

#[test]
fn a_browser_signs_in_and_its_page_says_how_it_went() {
    let test_env = TestEnv::new();
    let simulator = &test_env.simulator;
    let (browser, told) = browser_that_tells(&test_env);
    let env = [("BROWSER", browser.as_str())];
    let visit = |sign_in: SignIn, args: &[&str]| {
        simulator.configure(|settings| settings.sign_in = sign_in);
        let mut child =
            start(&mut test_env.get_token_command(&test_env.user_args("interactive", args), &env));
        let address = wait_for_file(&told, &mut child);
        let page = walk(&test_env, &address);
        let ran = finished(child);
        test_env.check_for_leaks(&ran);
        (ran, page, address)
    };
    let upn = test_env.user.upn.as_str();
    let (ran, page, address) = visit(SignIn::As(upn.into()), &["--login-hint", upn]);
    assert_eq!(test_env.claims(&ran)["oid"], test_env.user.oid.as_str());
    assert!(page.contains("You are signed in"), "{page}");
    for part in [
        "code_challenge_method=S256",
        "response_mode=form_post",
        "login_hint=",
        "state=",
    ] {
        assert!(address.contains(part), "{address}");
    }
    let forced = test_env.user_args("interactive", &["--login-hint", upn, "--force-refresh"]);
    test_env.claims(&test_env.get_token(&forced, &[]));

    let other = ["--login-hint", "somebody@else.example"];
    let (ran, page, _) = visit(SignIn::Cancel, &other);
    ran.assert_fails(1, &["canceled in the browser"]);
    assert!(page.contains("sign-in failed"), "{page}");
    let (ran, ..) = visit(SignIn::DeclineConsent, &other);
    ran.assert_fails(1, &["AADSTS65004", "consent"]);

    let cannot = test_env.get_token(
        &test_env.user_args(
            "interactive",
            &["--login-hint", "x@y.example", "--timeout", "1s"],
        ),
        &[],
    );
    cannot.assert_fails(1, &["open this address", "-l devicecode", "--timeout"]);
}

#[test]
fn an_interrupted_sign_in_leaves_nothing_listening() {
    let test_env = TestEnv::new();
    let (browser, told) = browser_that_tells(&test_env);
    let env = [INTERACTIVE, ("BROWSER", browser.as_str())];
    let mut child = test_env
        .get_token_command(&test_env.user_args("interactive", &[]), &env)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let address = url::Url::parse(&wait_for_file(&told, &mut child)).expect("a URL");
    let (_, back) = address
        .query_pairs()
        .find(|(name, _)| name == "redirect_uri")
        .expect("a way back");
    let place = back
        .strip_prefix("http://")
        .expect("on loopback")
        .to_owned();
    assert!(std::net::TcpStream::connect(&place).is_ok(), "{place}");
    signal(&child, Signal::INT);
    assert!(!child.wait().expect("it ends").success());
    assert!(std::net::TcpStream::connect(&place).is_err(), "{place}");
}
