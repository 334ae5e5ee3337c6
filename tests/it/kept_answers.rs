//! What ARM last answered for each cluster: a sync only asks again for clusters that have changed, and what it writes is
//! what it would write if it asked for all.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use azure_sim::{Change, ClusterAuth, Endpoint, Fault, Fleet, FleetSpec};
use proptest::prelude::*;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::env::{TIMEOUT, TestEnv, finished, run, signal, start};

fn test_env(clusters: usize) -> TestEnv {
    TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters,
        subscriptions: 2,
        stopped: 0.0,
        local_accounts: 0.0,
        ..FleetSpec::default()
    }))
}

/// A sync's report, and for how many clusters ARM was asked.
fn sync(test_env: &TestEnv, args: &[&str]) -> (Value, u64) {
    let asked = || {
        let counters = test_env.simulator.counters();
        counters.get(Endpoint::ListClusterUserCredential)
    };
    let before = asked();
    let ran = run(test_env.sync(&["-o", "json", "--no-warm"]).args(args));
    let report = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
    (report, asked() - before)
}

/// The only file of kept answers.
fn file(test_env: &TestEnv) -> PathBuf {
    let directory = test_env.home().join(".kube/cache/kubectl-aad/arm");
    let files = fs::read_dir(directory).expect("a directory");
    let files = files.map(|entry| entry.expect("an entry").path());
    let mut files = files.filter(|path| !path.ends_with("levels.json"));
    let file = files.next().expect("a file");
    assert_eq!(files.next(), None);
    file
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
}

#[test]
fn a_fleet_that_has_not_changed_is_not_asked_about() {
    let test_env = test_env(5);
    let (report, asked) = sync(&test_env, &[]);
    assert_eq!((asked, &report["summary"]["asked"]), (5, &json!(5)));
    assert!(report["clusters"][0]["answer"] == "asked", "{report}");
    let written = test_env.kubeconfig_text();

    let ran = run(&mut test_env.sync(&[]));
    assert!(
        ran.stderr.contains("asked ARM for 0 of 5"),
        "{}",
        ran.stderr
    );
    let (report, asked) = sync(&test_env, &[]);
    assert_eq!((asked, &report["summary"]["kept"]), (0, &json!(5)));
    assert!(report["clusters"][0]["answer"] == "kept", "{report}");
    assert_eq!(report["summary"]["unchanged"], 5);
    assert_eq!(test_env.kubeconfig_text(), written);

    // Into another kubeconfig, too.
    fs::remove_file(test_env.kubeconfig()).expect("written");
    let (report, asked) = sync(&test_env, &[]);
    assert_eq!((asked, &report["summary"]["added"]), (0, &json!(5)));
    assert_eq!(test_env.kubeconfig_text(), written);
    assert_eq!(sync(&test_env, &["--refresh"]).1, 5);
    let wide = run(&mut test_env.sync(&["-o", "wide"])).stdout;
    assert!(wide.contains("ANSWER") && wide.contains("kept"), "{wide}");
}

#[test]
fn a_change_of_a_cluster_is_noticed() {
    let test_env = test_env(3);
    sync(&test_env, &[]);
    let id = test_env.simulator.fleet().clusters[0].id.clone();
    for (change, asked) in [
        (Change::Recreate, 1),
        (Change::Move, 1),
        (Change::RotateCa { etag: true }, 1),
        (Change::Tag("a".into(), "b".into()), 1),
        (Change::SignIn(ClusterAuth::legacy("own")), 1),
        (Change::SignIn(ClusterAuth::managed()), 1),
        (Change::Respell, 0),
    ] {
        test_env.simulator.change(&id, &change);
        let before = test_env.kubeconfig_text();
        let (report, calls) = sync(&test_env, &[]);
        assert_eq!(calls, asked, "{change:?}");
        assert_eq!(report["summary"]["failed"], 0, "{report}");
        let noticed = test_env.kubeconfig_text();
        fs::write(test_env.kubeconfig(), before).expect("written");
        sync(&test_env, &["--refresh"]);
        assert_eq!(noticed, test_env.kubeconfig_text(), "{change:?}");
    }
}

#[test]
fn a_cluster_that_got_local_accounts_leaves_nothing_and_comes_back_with_entra_id() {
    let test_env = test_env(2);
    sync(&test_env, &[]);
    let id = test_env.simulator.fleet().clusters[0].id.clone();
    let change = |auth| {
        let change = Change::SignIn(auth);
        test_env.simulator.change(&id, &change);
    };
    change(ClusterAuth::Local);
    assert_eq!(sync(&test_env, &[]).0["summary"]["skipped"], 1);
    for _ in 0..2 {
        let (report, asked) = sync(&test_env, &["--local-accounts"]);
        assert_eq!((asked, &report["summary"]["kept"]), (1, &json!(1)));
    }
    let key = "client-key-data: ";
    let written = test_env.kubeconfig_text();
    let (_, secret) = written.split_once(key).expect("an administrator's key");
    let secret = secret.lines().next().expect("a line");
    let kept = fs::read_to_string(file(&test_env)).expect("UTF-8");
    assert!(!kept.contains(secret) && !kept.contains("client-key-data"));
    assert!(!kept.contains(&id.to_lowercase()), "{kept}");

    change(ClusterAuth::managed());
    assert_eq!(sync(&test_env, &[]).1, 1);
    assert!(!test_env.kubeconfig_text().contains(key));
    assert_eq!(sync(&test_env, &[]).1, 0);
}

#[test]
fn another_login_mode_costs_no_call_and_another_address_does() {
    let test_env = TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters: 4,
        private: 0.5,
        stopped: 0.0,
        local_accounts: 0.0,
        ..FleetSpec::default()
    }));
    sync(&test_env, &[]);
    let original = test_env.kubeconfig_text();
    for (args, asked) in [
        (&["-l", "azurecli", "--login-hint", ""][..], 0),
        (
            &[
                "-l",
                "workloadidentity",
                "--arm-login",
                "azurecli",
                "--client-id",
                "c",
                "--tenant-id",
                &test_env.tenant,
            ],
            0,
        ),
        (&["--public-fqdn"], 4),
        (&["--public-fqdn"], 0),
        (&[], 0),
    ] {
        let before = test_env.kubeconfig_text();
        let (report, calls) = sync(&test_env, args);
        assert_eq!(calls, asked, "{args:?}: {report}");
        let written = test_env.kubeconfig_text();
        fs::write(test_env.kubeconfig(), before).expect("written");
        sync(&test_env, &[args, &["--refresh"]].concat());
        assert_eq!(written, test_env.kubeconfig_text(), "{args:?}");
    }
    assert_eq!(test_env.kubeconfig_text(), original);
}

#[test]
fn a_file_that_cannot_be_trusted_costs_calls_and_nothing_else() {
    let test_env = test_env(3);
    let first = run(&mut test_env.sync(&["--no-warm"]));
    let written = test_env.kubeconfig_text();
    let file = file(&test_env);
    let good = fs::read(&file).expect("read");
    let directory = file.parent().expect("a directory").to_owned();
    let elsewhere = test_env.path("elsewhere");
    let changed = |pointer: &str, value: Value| {
        let mut document: Value = serde_json::from_slice(&good).expect("JSON");
        *document.pointer_mut(pointer).expect("a field") = value;
        fs::write(&file, serde_json::to_vec(&document).expect("JSON")).expect("written");
    };
    let server = "/answers/0/kubeconfig/server";
    let ca = "/answers/0/kubeconfig/certificateAuthorityData";
    let sign_in = "/answers/0/kubeconfig/signIn";
    // What is done to the file, how many clusters are asked about, and whether the file is good afterwards.
    let cases: [(&str, &dyn Fn(), u64, bool); 14] = [
        (
            "removed",
            &|| fs::remove_file(&file).expect("ours"),
            3,
            true,
        ),
        ("empty", &|| fs::write(&file, "").expect("ours"), 3, true),
        (
            "cut",
            &|| fs::write(&file, &good[..good.len() / 2]).expect("ours"),
            3,
            true,
        ),
        (
            "foreign",
            &|| fs::write(&file, "answers: []").expect("ours"),
            3,
            true,
        ),
        ("newer", &|| changed("/version", json!(2)), 3, true),
        ("older", &|| changed("/version", json!(0)), 3, true),
        (
            "another cloud's",
            &|| changed("/arm", json!("https://arm.example/")),
            3,
            true,
        ),
        ("readable by others", &|| set_mode(&file, 0o644), 3, true),
        (
            "a link",
            &|| {
                fs::rename(&file, &elsewhere).expect("ours");
                symlink(&elsewhere, &file).expect("linked");
            },
            3,
            true,
        ),
        (
            "one address is not https",
            &|| changed(server, json!("http://a.example")),
            1,
            true,
        ),
        (
            "one CA is a path",
            &|| changed(ca, json!("/etc/ssl/ca.pem")),
            1,
            true,
        ),
        (
            "one has a secret",
            &|| changed(sign_in, json!({"server-id": "s", "client-secret": "s"})),
            1,
            true,
        ),
        (
            "one asks for other tokens",
            &|| {
                changed(
                    sign_in,
                    json!({"server-id": "00000003-0000-0000-c000-000000000000"}),
                )
            },
            1,
            true,
        ),
        (
            "in an open directory",
            &|| set_mode(&directory, 0o755),
            3,
            false,
        ),
    ];
    for (what, spoil, asked, healed) in cases {
        spoil();
        fs::remove_file(test_env.kubeconfig()).expect("ours");
        let ran = run(&mut test_env.sync(&["--no-warm"]));
        assert_eq!(ran.code, 0, "{what}: {}", ran.stderr);
        assert_eq!(ran.stdout, first.stdout, "{what}");
        assert!(!ran.stderr.contains("warning"), "{what}: {}", ran.stderr);
        assert_eq!(test_env.kubeconfig_text(), written, "{what}");
        let said = format!("asked ARM for {asked} of 3");
        assert_eq!(asked == 3, !ran.stderr.contains("asked ARM"), "{what}");
        assert!(
            asked == 3 || ran.stderr.contains(&said),
            "{what}: {}",
            ran.stderr
        );
        assert_eq!(sync(&test_env, &[]).1, if healed { 0 } else { 3 }, "{what}");
    }
    assert_eq!(
        fs::metadata(&directory)
            .expect("there")
            .permissions()
            .mode()
            & 0o777,
        0o755
    );
}

#[test]
fn old_answers_are_asked_for_again_and_stand_if_arm_does_not_answer() {
    let test_env = test_env(3);
    sync(&test_env, &[]);
    assert_eq!(sync(&test_env, &["--max-age", "1h"]).1, 0);
    assert_eq!(sync(&test_env, &["--max-age", "0"]).1, 3);

    // A CA that was rotated although the listing says the same.
    let id = test_env.simulator.fleet().clusters[0].id.clone();
    let quietly = Change::RotateCa { etag: false };
    test_env.simulator.change(&id, &quietly);
    assert_eq!(sync(&test_env, &[]).0["summary"]["unchanged"], 3);
    let (report, _) = sync(&test_env, &["--max-age", "0"]);
    assert_eq!(report["summary"]["updated"], 1, "{report}");

    let fault = || Fault::on(Endpoint::ListClusterUserCredential).cluster(id.clone());
    let with = |fault: Fault| {
        test_env.simulator.faults().add(fault);
        let (report, _) = sync(&test_env, &["--max-age", "0"]);
        test_env.simulator.faults().clear();
        let failed = report["summary"]["failed"].as_u64();
        (failed, report["summary"]["kept"].as_u64())
    };
    assert_eq!(with(fault().reset()), (Some(0), Some(1)));
    // ARM's word counts, and the next run hears it again.
    assert_eq!(with(fault().status(403)), (Some(1), Some(0)));
    test_env.simulator.faults().add(fault().status(403));
    assert_eq!(sync(&test_env, &[]).0["summary"]["failed"], 1);
    test_env.simulator.faults().clear();
    assert_eq!(sync(&test_env, &[]).1, 1);
    let wrong = run(&mut test_env.sync(&["--max-age", "week"]));
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("such as 7d"), "{}", wrong.stderr);
}

#[test]
fn what_an_interrupted_run_or_a_dry_run_was_told_is_kept() {
    let test_env = test_env(4);
    let fleet = test_env.simulator.fleet();
    let mut last = fleet.clusters.iter().rev();
    let last = last.find(|one| one.subscription_id == fleet.subscriptions[1].id);
    let last = Fault::on(Endpoint::ListClusterUserCredential).cluster(&last.expect("some").id);
    let hold = test_env.simulator.hold(last);
    let running = start(&mut test_env.sync(&["-o", "json", "--concurrency", "1"]));
    hold.wait_for(1, TIMEOUT);
    signal(&running, Signal::INT);
    let ran = finished(running);
    drop(hold);
    let added = ran.json(130)["summary"]["added"].as_u64();
    let added = added.filter(|added| *added > 0).expect("some");
    assert_eq!(sync(&test_env, &["--dry-run"]).1, 4 - added);
    assert_eq!(sync(&test_env, &[]).1, 0);
}

#[test]
fn clearing_the_cache_clears_the_answers() {
    let test_env = test_env(2);
    sync(&test_env, &[]);
    assert!(file(&test_env).exists());
    let one = run(test_env
        .aad(&["cache", "clear"])
        .args(["--account", "nobody"]));
    assert_eq!(one.code, 0, "{}", one.stderr);
    assert_eq!(sync(&test_env, &[]).1, 0);
    let all = run(&mut test_env.aad(&["cache", "clear"]));
    assert!(
        all.stderr.contains("the next sync asks for all"),
        "{}",
        all.stderr
    );
    assert_eq!(sync(&test_env, &[]).1, 2);
    let again = run(&mut test_env.aad(&["remove-cache-dir"]));
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(sync(&test_env, &[]).1, 2);
}

/// What happens between two syncs.
#[derive(Debug, Clone)]
enum Step {
    /// To the cluster at this place in the fleet.
    Change(usize, Change),
    Delete(usize),
    Create,
    /// The kubeconfig becomes what it was after an earlier step.
    OldKubeconfig(usize),
    /// The kept answers become what they were after an earlier step.
    OldAnswers(usize),
    NoAnswers,
    /// The kept answers are damaged from this place on, per mille.
    Damage(usize),
    Flags(&'static [&'static str]),
}

const FLAGS: [&[&str]; 4] = [
    &["--local-accounts"],
    &["--public-fqdn"],
    &["-l", "devicecode", "--arm-login", "azurecli"],
    &["--max-age", "0"],
];

fn step() -> impl Strategy<Value = Step> {
    let change = prop_oneof![
        Just(Change::Recreate),
        Just(Change::Move),
        Just(Change::RotateCa { etag: true }),
        Just(Change::Stop),
        Just(Change::Start),
        Just(Change::SignIn(ClusterAuth::Local)),
        Just(Change::SignIn(ClusterAuth::managed())),
        Just(Change::SignIn(ClusterAuth::legacy("own"))),
        Just(Change::Respell),
    ];
    prop_oneof![
        4 => (0..6_usize, change).prop_map(|(n, change)| Step::Change(n, change)),
        1 => (0..6_usize).prop_map(Step::Delete),
        1 => Just(Step::Create),
        1 => (0..6_usize).prop_map(Step::OldKubeconfig),
        2 => (0..6_usize).prop_map(Step::OldAnswers),
        1 => Just(Step::NoAnswers),
        1 => (0..1000_usize).prop_map(Step::Damage),
        2 => proptest::sample::select(&FLAGS[..]).prop_map(Step::Flags),
    ]
}

/// A kubeconfig and the kept answers after a step.
#[derive(Clone, Default)]
struct Files {
    kubeconfig: String,
    answers: Vec<u8>,
}

fn play(steps: &[Step]) {
    let test_env = TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters: 5,
        subscriptions: 2,
        private: 0.4,
        ..FleetSpec::default()
    }));
    sync(&test_env, &[]);
    let file = file(&test_env);
    let mut earlier: Vec<Files> = Vec::new();
    for (n, step) in steps.iter().enumerate() {
        let files = Files {
            kubeconfig: test_env.kubeconfig_text(),
            answers: fs::read(&file).unwrap_or_default(),
        };
        earlier.push(files.clone());
        let mut flags: &[&str] = &[];
        test_env.simulator.update(|fleet| {
            let id = |n: usize| fleet.clusters[n % fleet.clusters.len()].id.clone();
            match step {
                Step::Change(at, change) => drop(fleet.change(&id(*at), change)),
                Step::Delete(at) if fleet.clusters.len() > 2 => drop(fleet.delete(&id(*at))),
                Step::Create => {
                    let subscription = fleet.subscriptions[0].id.clone();
                    fleet.create(&subscription, &format!("new-{n}"));
                }
                _ => {}
            }
        });
        match step {
            Step::OldKubeconfig(at) => {
                let text = &earlier[at % earlier.len()].kubeconfig;
                fs::write(test_env.kubeconfig(), text).expect("ours");
            }
            Step::OldAnswers(at) => {
                fs::write(&file, &earlier[at % earlier.len()].answers).expect("ours");
            }
            Step::NoAnswers => fs::remove_file(&file).expect("ours"),
            Step::Damage(at) => {
                let mut bytes = files.answers.clone();
                let at = bytes.len() * at / 1000;
                bytes[at..].fill(b'x');
                fs::write(&file, bytes).expect("ours");
            }
            Step::Flags(given) => flags = given,
            Step::Change(..) | Step::Delete(_) | Step::Create => {}
        }
        let before = test_env.kubeconfig_text();
        let (some, _) = sync(&test_env, flags);
        let incremental = test_env.kubeconfig_text();
        let answers = fs::read(&file).expect("there");
        fs::write(test_env.kubeconfig(), before).expect("ours");
        let all_flags: Vec<_> = flags
            .iter()
            .filter(|flag| !["--max-age", "0"].contains(flag))
            .copied()
            .chain(["--refresh"])
            .collect();
        let (all, _) = sync(&test_env, &all_flags);
        assert_eq!(incremental, test_env.kubeconfig_text(), "{n}: {step:?}");
        let outcomes = |report: &Value| {
            let mut clusters = report["clusters"].clone();
            for cluster in clusters.as_array_mut().expect("a list") {
                cluster["answer"] = Value::Null;
            }
            clusters
        };
        assert_eq!(outcomes(&some), outcomes(&all), "{n}: {step:?}");
        // The next step goes on from what the incremental sync left.
        fs::write(&file, answers).expect("ours");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_sync_that_asks_for_little_writes_what_one_that_asks_for_all_would(steps in proptest::collection::vec(step(), 5)) {
        play(&steps);
    }
}
