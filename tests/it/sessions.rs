//! User sessions (refresh tokens) from outside: whom they serve, and what ends them.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use azure_sim::{AZURE_CLI_APP, Endpoint, Fault, User};
use serde_json::json;

use crate::{
    get_token::{ATTENDED, Scene},
    world::{CLOUD, Ran, run},
};

/// As long as a loaded machine may need; a test that passes never waits for it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Two people who are both in two tenants, and nobody signed in.
struct Office {
    scene: Scene,
    tenants: [String; 2],
    /// At home in the first tenant.
    ann: User,
    /// At home in the second tenant.
    bob: User,
}

impl Office {
    fn open() -> Self {
        let scene = Scene::with_tenants(2);
        let simulator = &scene.world.simulator;
        let fleet = simulator.fleet();
        let tenants = [fleet.tenants[0].id.clone(), fleet.tenants[1].id.clone()];
        let people = ["ann@one.example", "bob@two.example"];
        let [ann, bob] = std::array::from_fn(|at| {
            let oid = format!("00000000-0000-4000-8000-00000000000{at}");
            let mut user = User::new(people[at], oid, &tenants[at]);
            user.tenants.push(tenants[1 - at].clone());
            simulator.update(|fleet| fleet.users.push(user.clone()));
            user
        });
        // No access token outlives the call that got it: each call shows which session it uses.
        simulator.configure(|settings| settings.user_token_lifetime = 60);
        Self {
            scene,
            tenants,
            ann,
            bob,
        }
    }

    fn args<'a>(tenant: &'a str, hint: Option<&'a User>) -> Vec<&'a str> {
        let mut args = vec!["-l", "devicecode", "--tenant-id", tenant];
        args.extend(["--client-id", azure_sim::AKS_CLIENT_APP]);
        if let Some(user) = hint {
            args.extend(["--login-hint", &user.upn]);
        }
        args
    }

    /// A call with nobody there to sign in.
    fn silent(&self, tenant: &str, hint: Option<&User>) -> Ran {
        self.scene.get_token(&Self::args(tenant, hint), &[])
    }

    /// A call at which this person signs in, if anybody is asked.
    fn with(&self, person: &User, tenant: &str, hint: Option<&User>) -> Ran {
        let simulator = &self.scene.world.simulator;
        simulator.configure(|s| s.device_auto_approve = Some((1, person.upn.clone())));
        self.scene.get_token(&Self::args(tenant, hint), &[ATTENDED])
    }

    fn signs_in(&self, person: &User, tenant: &str, hint: Option<&User>) {
        let before = self.prompts();
        let ran = self.with(person, tenant, hint);
        self.is(&ran, person, tenant);
        assert_eq!(self.prompts(), before + 1, "somebody was to be asked");
    }

    fn is(&self, ran: &Ran, person: &User, tenant: &str) {
        let claims = self.scene.claims(ran);
        assert_eq!(claims["oid"], person.oid_in(tenant).as_str());
        assert_eq!(claims["tid"], tenant);
    }

    /// A call that nobody else's session may serve.
    fn is_refused(&self, tenant: &str) {
        let ran = self.silent(tenant, None);
        assert_eq!(ran.code, 1, "as whom? {}", ran.stdout);
        assert_eq!(ran.stdout, "");
    }

    fn prompts(&self) -> u64 {
        let counters = self.scene.world.simulator.counters();
        counters.get(Endpoint::DeviceCode)
    }

    fn revoke(&self, person: &User) {
        self.scene
            .world
            .simulator
            .revoke_refresh_tokens(&person.upn);
    }

    /// Every refresh request in this tenant (all where none is named) is refused with this code.
    fn refuse_refresh(&self, tenant: Option<&str>, code: u32, suberror: Option<&str>) {
        let mut body = json!({
            "error": "invalid_grant",
            "error_description": format!("AADSTS{code}: as the test has it."),
            "error_codes": [code],
        });
        if let Some(suberror) = suberror {
            body["suberror"] = suberror.into();
        }
        let fault = Fault::on(Endpoint::Token).grant("refresh_token");
        let fault = match tenant {
            Some(tenant) => fault.tenant(tenant),
            None => fault,
        };
        let faults = self.scene.world.simulator.faults();
        faults.add(fault.body(400, "application/json", body.to_string()));
    }
}

fn start(command: &mut Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_unnamed_context_does_not_run_as_a_named_account_after_a_failure() {
    let office = Office::open();
    let [one, two] = &office.tenants;
    office.signs_in(&office.ann, one, None);
    office.signs_in(&office.bob, two, Some(&office.bob));
    office.revoke(&office.ann);
    for _ in 0..3 {
        office.is_refused(one);
        office.is_refused(two);
    }
    // The named context goes on, and who signs in again is who the context stands for.
    office.is(&office.silent(one, Some(&office.bob)), &office.bob, one);
    office.signs_in(&office.ann, one, None);
    office.is(&office.silent(one, None), &office.ann, one);
}

#[test]
fn an_unnamed_context_does_not_run_as_a_named_account_after_a_canceled_prompt() {
    let office = Office::open();
    let one = &office.tenants[0];
    let simulator = &office.scene.world.simulator;
    office.signs_in(&office.ann, one, None);
    office.signs_in(&office.bob, one, Some(&office.bob));
    office.revoke(&office.ann);
    simulator.configure(|settings| settings.device_auto_approve = None);
    let args = Office::args(one, None);
    let mut asked = start(&mut office.scene.command(&args, &[ATTENDED]));
    simulator.wait_for_user_code(PATIENCE);
    let pid = rustix::process::Pid::from_child(&asked);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it lives");
    assert!(!asked.wait().expect("it ends").success());
    office.is_refused(one);
    let mut again = start(&mut office.scene.command(&args, &[ATTENDED]));
    wait_until("the person is asked again", || office.prompts() == 4);
    again.kill().expect("it lives");
    again.wait().expect("it ends");
}

#[test]
fn an_unnamed_context_does_not_run_as_a_named_account_after_a_background_refresh() {
    let office = Office::open();
    let one = &office.tenants[0];
    let simulator = &office.scene.world.simulator;
    // Long enough to be served, and due from the start.
    simulator.configure(|settings| settings.user_token_lifetime = 590);
    office.signs_in(&office.ann, one, None);
    office.signs_in(&office.bob, one, Some(&office.bob));
    office.revoke(&office.ann);
    simulator.reset();
    office.is(&office.silent(one, None), &office.ann, one);
    wait_until("the background refresh is refused", || {
        simulator.counters().tokens("refresh_token") == 1
    });
    let mut args = Office::args(one, None);
    args.push("--force-refresh");
    // The refresher may still be forgetting the session: ann's is refused, too.
    let ran = office.scene.get_token(&args, &[]);
    assert_eq!(ran.code, 1, "as whom? {}", ran.stdout);
    office.is(&office.silent(one, None), &office.ann, one);
}

#[test]
fn a_session_that_was_only_named_serves_no_unnamed_context_cold() {
    let office = Office::open();
    let [one, two] = &office.tenants;
    office.signs_in(&office.bob, two, Some(&office.bob));
    // It is the only one, and bob is at home in the second tenant.
    office.is_refused(one);
    office.is_refused(two);
    office.is(&office.silent(one, Some(&office.bob)), &office.bob, one);
    office.is_refused(one);
    // Whoever signs in unnamed is who it stands for from then on.
    office.signs_in(&office.ann, one, None);
    office.is(&office.silent(two, None), &office.ann, two);
    office.is(&office.silent(two, Some(&office.bob)), &office.bob, two);
    office.is(&office.silent(two, None), &office.ann, two);
}

#[test]
fn a_context_whose_account_is_gone_does_not_run_as_another_unnamed_one() {
    for cleared in [false, true] {
        let office = Office::open();
        let [one, two] = &office.tenants;
        // Two sign-ins without a name: bob signs in where ann's is refused.
        office.signs_in(&office.ann, one, None);
        office.refuse_refresh(Some(two), 50_076, Some("basic_action"));
        office.signs_in(&office.bob, two, None);
        office.scene.world.simulator.faults().clear();
        office.is(&office.silent(one, None), &office.ann, one);
        office.is(&office.silent(two, None), &office.bob, two);
        if cleared {
            let args = ["cache", "clear", "--account", &office.ann.upn];
            assert_eq!(run(&mut office.scene.world.aad(&args)).code, 0);
        } else {
            office.revoke(&office.ann);
        }
        for _ in 0..2 {
            office.is_refused(one);
        }
        office.is(&office.silent(two, None), &office.bob, two);
        office.signs_in(&office.ann, one, None);
        office.is(&office.silent(one, None), &office.ann, one);
    }
}

#[test]
fn the_sign_in_of_a_named_sync_serves_no_unnamed_command() {
    let office = Office::open();
    let scene = &office.scene;
    let simulator = &scene.world.simulator;
    simulator.configure(|s| s.device_auto_approve = Some((1, office.bob.upn.clone())));
    let fleet = |args: &[&str], attended: bool| {
        let mut command = scene.world.aad(args);
        command.args(["-l", "devicecode", "--environment", CLOUD, "-o", "json"]);
        if attended {
            command.env(ATTENDED.0, ATTENDED.1);
        }
        run(command.stdin(Stdio::null()))
    };
    let ran = scene.world.at_a_terminal(&[
        "list",
        "-l",
        "devicecode",
        "--environment",
        CLOUD,
        "--account",
        &office.bob.upn,
    ]);
    assert_eq!(office.prompts(), 1, "{}", ran.stderr);
    // Named again it needs nobody; unnamed it must not be bob.
    fleet(&["list", "--account", &office.bob.upn], false);
    assert_eq!(office.prompts(), 1);
    let unnamed = fleet(&["list"], false);
    assert_eq!(unnamed.code, 1, "{}{}", unnamed.stdout, unnamed.stderr);
    let mut args = Office::args(&office.tenants[1], None);
    *args.last_mut().expect("the client") = AZURE_CLI_APP;
    let ran = scene.get_token(&args, &[]);
    assert_eq!(ran.code, 1, "as whom? {}", ran.stdout);
}

#[test]
fn an_answer_about_one_request_ends_no_session() {
    let office = Office::open();
    let [one, two] = &office.tenants;
    office.signs_in(&office.ann, one, None);
    for (code, suberror) in [
        (70_043, Some("token_expired")),
        (70_043, Some("bad_token")),
        (70_044, None),
        (50_076, Some("basic_action")),
        (50_079, Some("basic_action")),
        (50_078, Some("basic_action")),
        (50_158, Some("additional_action")),
        (53_000, Some("message_only")),
        (53_003, Some("message_only")),
        (530_032, None),
        (65_001, Some("consent_required")),
        (50_020, None),
        (9_999_999, None),
    ] {
        office.refuse_refresh(Some(two), code, suberror);
        office.is_refused(two);
        office.is(&office.silent(one, None), &office.ann, one);
        office.scene.world.simulator.faults().clear();
        office.is(&office.silent(two, None), &office.ann, two);
    }
    assert_eq!(office.prompts(), 1);
}

#[test]
fn an_answer_about_the_token_itself_ends_its_session() {
    for (code, suberror) in [
        (70_008, None),
        (700_082, Some("token_expired")),
        (700_084, None),
        (50_173, Some("bad_token")),
        (50_132, None),
        (50_133, None),
        (9_999_999, Some("bad_token")),
    ] {
        let office = Office::open();
        let one = &office.tenants[0];
        office.signs_in(&office.ann, one, None);
        office.refuse_refresh(None, code, suberror);
        office.is_refused(one);
        office.scene.world.simulator.reset();
        office.is_refused(one);
        let counters = office.scene.world.simulator.counters();
        assert_eq!(counters.total(), 0, "AADSTS{code}: it is not sent again");
    }
}

#[test]
fn a_refused_token_that_was_replaced_meanwhile_is_not_the_one_that_is_forgotten() {
    let office = Office::open();
    let [one, two] = &office.tenants;
    let simulator = &office.scene.world.simulator;
    office.signs_in(&office.ann, one, None);
    office.revoke(&office.ann);
    let refresh = Fault::on(Endpoint::Token).grant("refresh_token");
    let hold = simulator.hold(refresh.tenant(one));
    let named = Office::args(one, Some(&office.ann));
    let slow = start(&mut office.scene.command(&named, &[]));
    hold.wait_for(1, PATIENCE);
    // Ann signs in for a context that names nobody; the new token replaces the revoked one.
    office.signs_in(&office.ann, two, None);
    hold.release();
    let output = slow.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "it goes on with it: {stderr}");
    office.is(&office.silent(one, Some(&office.ann)), &office.ann, one);
    office.is(&office.silent(one, None), &office.ann, one);
    assert_eq!(office.prompts(), 2);
}
