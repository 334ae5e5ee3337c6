//! `exec`: kubectl runs on many clusters, nothing is changed unasked, and nothing is left when it ends.

#[cfg(target_os = "linux")]
mod ends;

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use azure_sim::{Endpoint, Fault, Fleet, FleetSpec};

use crate::env::{AtATerminal, Ran, Size, TestEnv, names, run};

/// kubectl, as far as tests need it: says what it was given, without the flags that keep it on its cluster.
const SAYS: &str = r#"#!/bin/sh
context=$(sed -n 's/^current-context: //p' "$KUBECONFIG")
said=$context
for one; do
  case $one in
    "--kubeconfig=$KUBECONFIG" | --context= | --cluster= | --user= | --server= | --token=) ;;
    *) said="$said $one" ;;
  esac
done
echo "$said" >> "$HOME/ran"
"#;

/// A synced fleet.
pub(crate) fn synced(clusters: usize) -> TestEnv {
    synced_in(TestEnv::with_fleet(fleet(clusters)))
}

fn fleet(clusters: usize) -> Fleet {
    Fleet::generate(&FleetSpec {
        clusters,
        ..FleetSpec::default()
    })
}

fn synced_in(test_env: TestEnv) -> TestEnv {
    let ran = run(&mut test_env.sync(&[]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    test_env
}

/// One with the real kubectl; `None` if it is missing.
fn with_kubectl(fleet: Fleet) -> Option<TestEnv> {
    let test_env = TestEnv::builder().fleet(fleet).peer("kubectl")?.build();
    Some(synced_in(test_env))
}

/// One whose kubectl is a script that says what it was given, and then does this.
pub(crate) fn with_script(clusters: usize, script: &str) -> TestEnv {
    let test_env = synced(clusters);
    test_env.install_script("kubectl", &format!("{SAYS}{script}\n"));
    test_env
}

pub(crate) fn exec(test_env: &TestEnv, args: &[&str]) -> Ran {
    run(test_env.aad(&["exec"]).args(args))
}

/// The names of the clusters, which are those of the contexts, in the order of the kubeconfig.
fn clusters(test_env: &TestEnv) -> Vec<String> {
    let fleet = test_env.simulator.fleet();
    let names: BTreeSet<_> = fleet.clusters.iter().map(|one| one.name.clone()).collect();
    names.into_iter().collect()
}

/// What the script was run with, sorted.
fn runs(test_env: &TestEnv) -> Vec<String> {
    let text = fs::read_to_string(test_env.path("ran")).unwrap_or_default();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The small kubeconfigs that are left.
pub(crate) fn left_files(test_env: &TestEnv) -> Vec<String> {
    fn search(directory: PathBuf, found: &mut Vec<String>) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => search(path, found),
                false => found.push(path.display().to_string()),
            }
        }
    }
    let mut found = Vec::new();
    search(test_env.home().to_owned(), &mut found);
    found.retain(|path| path.contains("aad-context-"));
    found
}

/// The last line on standard error, without the time.
fn counts(ran: &Ran) -> &str {
    let last = ran.stderr.lines().last().unwrap_or_default();
    last.rsplit_once(" in ").map_or(last, |(counts, _)| counts)
}

#[test]
fn tables_of_all_clusters_become_one_and_no_token_is_shown() {
    let Some(test_env) = with_kubectl(fleet(3)) else {
        return;
    };
    let ran = exec(&test_env, &["--", "get", "nodes"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    insta::assert_snapshot!(ran.stdout, @r"
    CLUSTER              NAME                            STATUS  ROLES   AGE  VERSION
    aks-edge-test-0000   aks-system-85e7bb0f-vmss000000  Ready   <none>  1y   v1.33.2
    aks-fraud-test-0002  aks-system-1f841063-vmss000000  Ready   <none>  1y   v1.33.3
    aks-fraud-test-0002  aks-system-1f841063-vmss000001  Ready   <none>  1y   v1.33.3
    aks-ledger-dev-0001  aks-system-2ac2ce17-vmss000000  Ready   <none>  1y   v1.31.9
    aks-ledger-dev-0001  aks-system-2ac2ce17-vmss000001  Ready   <none>  1y   v1.31.9
    ");
    assert_eq!(counts(&ran), "3 succeeded");
    test_env.check_for_leaks(&ran);
    assert_eq!(left_files(&test_env), [] as [String; 0]);
}

#[test]
fn one_that_refuses_and_one_that_rejects_do_not_keep_the_others() {
    let mut fleet = fleet(4);
    let refusing = fleet.clusters[1].name.clone();
    // Nobody listens there.
    fleet.clusters[1].profile.server = Some("https://127.0.0.1:1".to_owned());
    let Some(test_env) = with_kubectl(fleet) else {
        return;
    };
    let rejecting = test_env.simulator.fleet().clusters[2].clone();
    let reject = Fault::on(Endpoint::Kubernetes).status(401);
    test_env
        .simulator
        .faults()
        .add(reject.cluster(&rejecting.uid));
    let ran = exec(
        &test_env,
        &["-o", "json", "--", "get", "nodes", "-o", "json"],
    );
    let document = ran.json(3);
    assert_eq!(counts(&ran), "2 succeeded, 2 failed");
    for name in clusters(&test_env) {
        let is_ok = ![&refusing, &rejecting.name].contains(&&name);
        let one = &document[&name];
        assert_eq!(one["result"] == "succeeded", is_ok, "{one}");
        assert_eq!(one["exitCode"] == 0, is_ok, "{one}");
        assert_eq!(one["stdout"]["kind"] == "List", is_ok, "{one}");
    }
    let refused = format!("error: {refusing}: The connection to the server SERVER was refused");
    assert!(ran.stderr.contains(&refused), "{}", ran.stderr);
    assert!(ran.stderr.contains("logged in"), "{}", ran.stderr);
    test_env.check_for_leaks(&ran);
}

#[test]
fn a_change_reaches_the_clusters_that_were_selected_and_no_other() {
    let Some(test_env) = with_kubectl(fleet(3)) else {
        return;
    };
    let chosen = &test_env.simulator.fleet().clusters[1];
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";
    let mut apply = test_env.aad(&["exec", &chosen.name, "--yes", "--", "apply", "-f", "-"]);
    let file = test_env.write("manifest", manifest);
    apply.stdin(fs::File::open(file).expect("written"));
    let ran = run(&mut apply);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(
        ran.stdout,
        format!("{}: configmap/x created\n", chosen.name)
    );
    let changes = test_env.simulator.cluster_changes();
    let changed: Vec<_> = changes
        .iter()
        .filter_map(|one| one.cluster.clone())
        .collect();
    assert_eq!(changed, std::slice::from_ref(&chosen.address));
}

#[test]
fn each_kubectl_has_one_context_a_private_file_and_the_same_input() {
    let test_env = with_script(
        3,
        r#"stat -c %a "$KUBECONFIG" > "$HOME/mode-$context"
cp "$KUBECONFIG" "$HOME/kubeconfig-$context"
cat > "$HOME/input-$context"
pwd > "$HOME/directory-$context""#,
    );
    let input = test_env.write("input", "kind: Namespace\n");
    let mut command = test_env.aad(&["exec", "--all", "-y", "--", "kubectl", "apply", "-f", "-"]);
    command.stdin(fs::File::open(&input).expect("written"));
    let ran = run(&mut command);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let expected = clusters(&test_env);
    let given = expected.iter().map(|name| format!("{name} apply -f -"));
    assert_eq!(runs(&test_env), given.collect::<Vec<_>>());
    for name in &expected {
        assert_eq!(test_env.read(&format!("mode-{name}")), "600\n");
        assert_eq!(test_env.read(&format!("input-{name}")), "kind: Namespace\n");
        let directory = test_env.read(&format!("directory-{name}"));
        assert_eq!(PathBuf::from(directory.trim()), test_env.home());
        let small = test_env.read(&format!("kubeconfig-{name}"));
        let small: serde_yaml::Value = serde_yaml::from_str(&small).expect("YAML");
        for section in ["clusters", "contexts", "users"] {
            assert_eq!(
                small[section].as_sequence().map(Vec::len),
                Some(1),
                "{section}"
            );
        }
    }
    assert_eq!(left_files(&test_env), [] as [String; 0]);
}

#[test]
fn a_token_that_is_fetched_before_is_that_of_the_users_variables() {
    let test_env = with_script(1, "");
    let cleared = run(&mut test_env.aad(&["cache", "clear"]));
    assert_eq!(cleared.code, 0, "{}", cleared.stderr);
    // Another az, in which nobody is signed in.
    let empty = test_env.path("empty-azure");
    fs::create_dir(&empty).expect("made");
    crate::verify::edit_user(&test_env, |user| {
        user["exec"]["env"] = serde_json::json!([{"name": "AZURE_CONFIG_DIR", "value": empty}]);
    });
    let ran = exec(&test_env, &["--", "get", "pods"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let listed = run(&mut test_env.aad(&["cache", "list", "-o", "json"])).json(0);
    assert_eq!(listed["records"], serde_json::json!([]));
}

#[test]
fn nothing_is_changed_unasked_where_nobody_can_be_asked() {
    let test_env = with_script(2, "echo done");
    let name = clusters(&test_env).remove(0);
    exec(&test_env, &[&name, "--", "delete", "pod", "x"])
        .assert_fails(2, &["`kubectl delete` may change clusters", "--yes"]);
    exec(&test_env, &["--yes", "--", "delete", "pod", "x"])
        .assert_fails(2, &["would run on every cluster", "--all"]);
    exec(
        &test_env,
        &["--yes", "--exclude", &name, "--", "some-plugin"],
    )
    .assert_fails(2, &["would run on every cluster"]);
    assert_eq!(runs(&test_env), [] as [String; 0]);
    // A read and a dry run are free.
    let read = exec(&test_env, &["--", "get", "pods"]);
    assert_eq!(read.code, 0, "{}", read.stderr);
    let dry = exec(&test_env, &["--", "delete", "pod", "x", "--dry-run=server"]);
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    let ran = exec(&test_env, &[&name, "--yes", "--", "delete", "pod", "x"]);
    assert_eq!(ran.stdout, format!("{name}: done\n"));
    assert_eq!(runs(&test_env).len(), 5);
}

#[test]
fn a_person_is_asked_with_the_names_of_the_clusters() {
    let test_env = with_script(3, "echo done");
    let two = &clusters(&test_env)[..2];
    let start = || {
        let args = ["exec", &two[0], &two[1], "--", "delete", "pod", "x"];
        AtATerminal::start(test_env.typed(&args), Size::WIDE)
    };
    for (keys, code, count) in [("\r", 1, 0), ("n\r", 1, 0), ("y\r", 0, 2)] {
        let asked = start();
        let screen = asked
            .wait_for("run `kubectl delete` on 2 clusters? [y/N]")
            .text();
        assert!(two.iter().all(|name| screen.contains(name)), "{screen}");
        assert_eq!(runs(&test_env), [] as [String; 0]);
        asked.type_keys(keys);
        assert_eq!(asked.finish().code, code, "{keys:?}");
        assert_eq!(runs(&test_env).len(), count, "{keys:?}");
    }
    let asked = {
        let _ = fs::remove_file(test_env.path("ran"));
        start()
    };
    asked.wait_for("[y/N]");
    asked.interrupt();
    let (_, seen) = asked.finish_anyhow();
    assert_eq!(seen.code, 130);
    assert_eq!(runs(&test_env), [] as [String; 0]);
}

#[test]
fn what_would_lead_elsewhere_or_makes_no_sense_is_a_usage_error() {
    let test_env = with_script(1, "echo done");
    for (args, words) in [
        (
            &["--", "get", "pods", "--context", "x"][..],
            "`--context` among kubectl's arguments",
        ),
        (
            &["--", "-s", "https://x", "get", "pods"],
            "`-s` among kubectl's arguments",
        ),
        (&["--", "config", "view"], "`kubectl config`"),
        (&["--", "port-forward", "x", "80"], "`kubectl port-forward`"),
        (&["--", "get", "pods", "--watch"], "--prefix"),
        (
            &["get", "nodes"],
            "did you mean `kubectl aad exec -- get nodes`?",
        ),
        (&[], "kubectl's arguments go after `--`"),
        (
            &["--prefix", "-o", "json", "--", "get", "pods"],
            "can't be used with",
        ),
        (&["--timeout", "x", "--", "get", "pods"], "--timeout"),
    ] {
        exec(&test_env, args).assert_fails(2, &[words]);
    }
    assert_eq!(runs(&test_env), [] as [String; 0]);
    exec(&test_env, &["absent", "--", "get", "pods"]).assert_fails(1, &["absent"]);
    let missing = TestEnv::new();
    exec(
        &synced_in(missing),
        &["-v", "0", "--kubeconfig", "absent", "--", "get", "pods"],
    )
    .assert_fails(1, &["sync"]);
}

#[test]
fn outputs_that_differ_stand_below_the_names_of_their_clusters() {
    let test_env = with_script(2, r#"printf "one of $context\ntwo"; echo careful >&2"#);
    let [a, b] = &clusters(&test_env)[..] else {
        panic!("two clusters")
    };
    let ran = exec(&test_env, &["--", "describe", "nodes"]);
    let expected = format!("==> {a} <==\none of {a}\ntwo\n\n==> {b} <==\none of {b}\ntwo\n");
    assert_eq!(ran.stdout, expected);
    let remark = format!("careful ({a}, {b})\n");
    assert!(ran.stderr.starts_with(&remark), "{}", ran.stderr);
    let prefixed = exec(&test_env, &["--prefix", "--", "describe", "nodes"]);
    let lines: BTreeSet<_> = prefixed.stdout.lines().map(str::to_owned).collect();
    let expected: BTreeSet<_> = [a, b]
        .iter()
        .flat_map(|name| [format!("{name}: one of {name}"), format!("{name}: two")])
        .collect();
    assert_eq!(lines, expected);
    let said: BTreeSet<_> = prefixed
        .stderr
        .lines()
        .filter(|line| line.ends_with("careful"))
        .collect();
    assert_eq!(said.len(), 2, "{}", prefixed.stderr);
}

#[test]
fn failures_are_grouped_by_cause_and_decide_on_the_exit_code() {
    let test_env = with_script(
        3,
        r#"[ -e "$HOME/good-$context" ] && { echo fine; exit 0; }
echo "error: no such thing" >&2; exit 7"#,
    );
    let names = clusters(&test_env);
    let all = exec(&test_env, &["--", "get", "things"]);
    assert_eq!((all.code, all.stdout.as_str()), (1, ""));
    let line = format!("error: {}: no such thing\n", names.join(", "));
    assert!(all.stderr.starts_with(&line), "{}", all.stderr);
    assert_eq!(counts(&all), "3 failed");
    test_env.write(&format!("good-{}", names[0]), "");
    let some = exec(&test_env, &["-o", "json", "--", "get", "things"]);
    let document = some.json(3);
    assert_eq!(document[&names[0]]["stdout"], "fine\n");
    assert_eq!(document[&names[1]]["exitCode"], 7);
    assert_eq!(document[&names[1]]["stderr"], "error: no such thing\n");
    let keys: Vec<_> = document.as_object().expect("a map").keys().collect();
    assert_eq!(keys, names.iter().collect::<Vec<_>>());
}

#[test]
fn what_a_cluster_says_can_not_control_a_terminal() {
    let test_env = with_script(2, r"printf 'a\033]0;title\007\tb\nc\n'");
    let seen =
        AtATerminal::start(test_env.typed(&["exec", "--", "describe", "x"]), Size::WIDE).finish();
    assert!(!seen.raw.contains("]0;title\u{7}"), "{:?}", seen.raw);
    assert!(
        seen.screen.text().contains("a ]0;title"),
        "{}",
        seen.screen.text()
    );
    let piped = exec(&test_env, &["--", "describe", "x"]);
    assert!(
        piped.stdout.contains("a\u{1b}]0;title\u{7}\tb\n"),
        "it is handed on as it is"
    );
}

#[test]
fn a_preference_of_kubectl_does_not_lead_to_another_server() {
    let Some(test_env) = with_kubectl(fleet(2)) else {
        return;
    };
    // `overrides` and `flags` are the names of 1.33.
    let text = r#"
apiVersion: kubectl.config.k8s.io/v1alpha1
kind: Preference
overrides: [{command: get, flags: [{name: server, default: 'https://127.0.0.1:1'}, {name: kubeconfig, default: /nowhere}]}]
"#;
    fs::write(test_env.path(".kube/kuberc"), text).expect("written");
    let mut command = test_env.aad(&["exec", "--", "get", "nodes"]);
    let ran = run(command.env("KUBECTL_KUBERC", "true"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(counts(&ran), "2 succeeded", "{}", ran.stderr);
}

#[test]
fn long_outputs_of_many_clusters_need_few_open_files() {
    let test_env = with_script(24, "head -c 300000 /dev/zero | tr '\\0' x; echo");
    let binary = env!("CARGO_BIN_EXE_kubectl-aad");
    let command = test_env.aad(&[]);
    let mut limited = std::process::Command::new("/bin/sh");
    let variables = command
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    limited.env_clear().envs(variables);
    limited.args(["-c", "ulimit -n 24; exec \"$0\" \"$@\"", binary]);
    limited.args(["exec", "--parallel", "1", "-o", "grouped", "--", "get", "x"]);
    let ran = run(&mut limited);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(counts(&ran), "24 succeeded");
    assert!(ran.stdout.len() > 24 * 300_000);
}

#[test]
fn a_missing_kubectl_is_named_and_that_of_its_caller_counts() {
    let test_env = synced(1);
    let mut command = test_env.aad(&["exec", "--", "get", "pods"]);
    command.env("PATH", test_env.path("nowhere"));
    run(&mut command).assert_fails(1, &["`kubectl` is not on the `PATH`"]);
    let script = test_env.write("their-kubectl", "#!/bin/sh\necho theirs\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("ours");
    let ran = run(command.env("KUBECTL_PATH", &script));
    assert!(
        ran.stdout.ends_with(": theirs\n"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
}

#[test]
fn a_reader_that_goes_away_ends_what_streams() {
    let test_env = with_script(2, "yes");
    let mut child =
        crate::env::start(&mut test_env.aad(&["exec", "--prefix", "--", "logs", "-f", "x"]));
    drop(child.stdout.take());
    let ran = crate::env::finished(child);
    assert_eq!(ran.stdout, "");
    assert_eq!(left_files(&test_env), [] as [String; 0]);
    assert!(names(test_env.home()).contains(&"ran".to_owned()));
}
