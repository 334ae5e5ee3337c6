//! Completion: what the program answers, what the real kubectl and the real bash make of it, and what they do with names
//! that are none of their business.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use azure_sim::{Fleet, FleetSpec};

use crate::{
    env::{PROGRAM, Ran, TestEnv, run},
    support::{peer, repository},
};

/// What each subscription is called in these tests.
const SUBSCRIPTION: &str = "Dev $(touch executed) \"Team\"; `touch executed`";
const LINK: &str = "kubectl_complete-aad";

/// Four clusters in two subscriptions, one of which has a name that a shell would run; tags that it would run, too.
fn fleet() -> Fleet {
    let mut fleet = Fleet::generate(&FleetSpec {
        clusters: 4,
        subscriptions: 2,
        stopped: 0.0,
        local_accounts: 0.0,
        ..FleetSpec::default()
    });
    let names = ["prod-weu", "prod-neu", "dev-weu", "dev-neu"];
    for (cluster, name) in fleet.clusters.iter_mut().zip(names) {
        cluster.id = cluster.id.replace(&cluster.name, name);
        cluster.name = name.to_owned();
        cluster.location = "westeurope".to_owned();
        cluster.tags.clear();
    }
    let tags = [
        ("env", "prod"),
        ("env", "a b\u{1b}[31m\n:4\n$(touch executed)"),
        ("cost:center", "7"),
        ("two words", "x"),
    ];
    for (cluster, (key, value)) in fleet.clusters.iter_mut().zip(tags) {
        cluster.tags.insert(key.to_owned(), value.to_owned());
    }
    fleet.subscriptions[0].name = SUBSCRIPTION.to_owned();
    fleet.subscriptions[1].name = "Prod".to_owned();
    fleet
}

/// What was last seen of that fleet.
fn synced(test_env: TestEnv) -> TestEnv {
    let ran = run(&mut test_env.sync(&["--no-warm", "-q"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    test_env
}

fn test_env() -> TestEnv {
    synced(TestEnv::with_fleet(fleet()))
}

/// The lines of an answer, and its directive.
fn answer(test_env: &TestEnv, words: &[&str]) -> (Vec<String>, String) {
    let ran = run(test_env.aad(&["__complete"]).args(words));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    parsed(&ran.stdout)
}

fn parsed(text: &str) -> (Vec<String>, String) {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let directive = lines.pop().expect("a directive");
    (lines, directive)
}

fn values(test_env: &TestEnv, words: &[&str]) -> Vec<String> {
    let (lines, _) = answer(test_env, words);
    let value = |line: &String| line.split('\t').next().unwrap_or_default().to_owned();
    lines.iter().map(value).collect()
}

#[test]
fn commands_flags_and_what_was_last_seen_are_completed() {
    let test_env = test_env();
    let of = |words: &[&str]| values(&test_env, words);
    assert_eq!(of(&["s"]).first().map(String::as_str), Some("sync"));
    assert_eq!(of(&["cache", "l"]), ["list"]);
    assert_eq!(of(&["help", "unk"]), [""; 0]);
    assert_eq!(of(&["sync", "--set-c"]), ["--set-current"]);
    assert_eq!(of(&["sync", "--login", "azd"]), ["azd"]);
    assert_eq!(of(&["sync", "--login=azd"]), ["azd"]);
    assert_eq!(of(&["list", "-o", "w"]), ["wide"]);
    assert_eq!(of(&["list", "-ow"]), [""; 0]);
    assert_eq!(of(&["get-token", "--token-store", "k"]), ["keyring"]);
    assert_eq!(of(&["sync", "--environment", "azureus"]).len(), 1);
    assert_eq!(of(&["sync", "prod"]), ["prod-neu", "prod-weu"]);
    assert_eq!(
        of(&["sync", "prod-weu", "--tag", "x", "prod"]),
        ["prod-neu"]
    );
    assert_eq!(of(&["sync", "--", "dev-w"]), ["dev-weu"]);
    assert_eq!(of(&["sync", "--name", "dev"]), ["dev-neu", "dev-weu"]);
    assert_eq!(of(&["list", "--location", ""]), ["westeurope"]);
    assert_eq!(of(&["list", "-s", "P"]), ["Prod"]);
    let groups = of(&["list", "-g", ""]);
    assert!(!groups.is_empty());
    let path = format!("{}/", groups[0]);
    assert!(of(&["list", &path])[0].starts_with(&path));
    assert!(!of(&["list", "--tenant-id", ""]).is_empty());
    assert_eq!(of(&["no-such-command", ""]), [""; 0]);
    assert_eq!(of(&["sync", "--no-such-flag="]), [""; 0]);
    assert_eq!(of(&["sync", "--max-age", ""]), [""; 0]);
}

#[test]
fn contexts_are_completed_whoever_wrote_them() {
    let test_env = test_env();
    let of = |words: &[&str]| values(&test_env, words);
    fs::remove_dir_all(test_env.home().join(".kube/cache/kubectl-aad/seen")).expect("ours");
    assert_eq!(of(&["sync", "dev-w"]), ["dev-weu"]);
    let other = test_env.write(
        "other",
        "contexts: [{name: theirs, context: {cluster: c}}, {name: 'a $(b)', context: {cluster: c}}]\n",
    );
    let other = other.to_str().expect("UTF-8");
    assert_eq!(
        of(&["convert-kubeconfig", "--kubeconfig", other, "--context", ""]),
        ["theirs"]
    );
    assert_eq!(of(&["cache", "clear", "--context", "prod-w"]), ["prod-weu"]);
}

#[test]
fn flags_that_were_given_are_not_offered_again_unless_they_may_be() {
    let test_env = TestEnv::without_az();
    let of = |words: &[&str]| values(&test_env, words);
    let flags = of(&["sync", "--"]);
    assert!(flags.contains(&"--dry-run".to_owned()), "{flags:?}");
    // Those of some login modes alone come with their first letters.
    assert!(!flags.contains(&"--client-secret".to_owned()));
    assert_eq!(of(&["sync", "--client-s"]), ["--client-secret"]);
    let flags = of(&["sync", "--dry-run", "-q", "--tag", "a", "--"]);
    for (flag, is_there) in [("--dry-run", false), ("--quiet", false), ("--tag", true)] {
        assert_eq!(flags.contains(&flag.to_owned()), is_there, "{flag}");
    }
}

#[test]
fn the_answer_tells_the_shell_what_else_may_be_typed() {
    let test_env = test_env();
    for (words, directive) in [
        (&["sync", ""][..], ":4"),
        (&["sync", "--tag", "e"], ":6"),
        (&["sync", "--tag", "env="], ":4"),
        (&["sync", "--kubeconfig", ""], ":0"),
        (&["sync", "--kubeconfig=x"], ":0"),
        (&["sync", "--output-dir", ""], ":16"),
        (&["sync", "--cache-dir", ""], ":16"),
        (&["get-token", "--client-certificate", ""], ":0"),
    ] {
        assert_eq!(answer(&test_env, words).1, directive, "{words:?}");
    }
}

#[test]
fn profiles_of_the_configuration_file_are_completed() {
    let test_env = TestEnv::without_az();
    fs::create_dir_all(test_env.home().join(".config/kubectl-aad")).expect("ours");
    let file = test_env.home().join(".config/kubectl-aad/config.yaml");
    fs::write(
        &file,
        "profiles:\n  work: {login: azd}\n  'a b': {login: azd}\n",
    )
    .expect("ours");
    assert_eq!(values(&test_env, &["sync", "--profile", ""]), ["work"]);
    fs::write(&file, "profiles: [").expect("ours");
    assert_eq!(values(&test_env, &["sync", "--profile", ""]), [""; 0]);
}

#[test]
fn a_name_that_a_shell_would_run_or_split_is_a_pattern_an_id_or_nothing() {
    let test_env = test_env();
    let (lines, _) = answer(&test_env, &["list", "-s", "Dev"]);
    let [line] = &lines[..] else {
        panic!("one line: {lines:?}");
    };
    let (value, about) = line.split_once('\t').expect("a description");
    let plain = |c: char| c.is_alphanumeric() || "?-_.".contains(c);
    assert!(
        value.starts_with("Dev?") && value.chars().all(plain),
        "{value}"
    );
    assert!(about.starts_with("Dev $(touch"), "{about}");
    // The command takes it.
    let ran = run(&mut test_env.aad(&["list", "-o", "name", "-s", value]));
    assert_eq!(
        (ran.code, ran.stdout.lines().count() > 0),
        (0, true),
        "{}",
        ran.stderr
    );

    let (lines, directive) = answer(&test_env, &["list", "--tag", "env="]);
    assert_eq!((lines.len(), directive.as_str()), (2, ":4"), "{lines:?}");
    assert!(
        lines[0].starts_with("env=a?b??31m?:4???touch?executed?\t"),
        "{lines:?}"
    );
    assert!(
        lines.iter().all(|line| !line.contains('\u{1b}')),
        "{lines:?}"
    );
    let pattern = lines[0].split('\t').next().expect("a value");
    let ran = run(&mut test_env.aad(&["list", "-o", "name", "--tag", pattern]));
    assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stderr);
    // A tag's name is no pattern.
    assert_eq!(
        values(&test_env, &["list", "--tag", ""]),
        ["cost:center=", "env="]
    );
}

#[test]
fn nothing_that_was_seen_and_nothing_that_was_typed_makes_it_fail() {
    let test_env = TestEnv::without_az();
    for words in [
        &[][..],
        &[""],
        &["--"],
        &["-"],
        &["-x", ""],
        &["sync", "--", "-", ""],
        &["sync", "-ox", "--tag"],
        &["\u{1b}]0;x\u{7}", "\n"],
        &["-v", "9", ""],
        &["list", "--tag", "=", ""],
        &["list", "-s", "*"],
    ] {
        let (_, directive) = answer(&test_env, words);
        assert!(directive.starts_with(':'), "{words:?}");
    }
    let seen = test_env.home().join(".kube/cache/kubectl-aad/seen");
    fs::create_dir_all(&seen).expect("ours");
    fs::write(seen.join("fleet-x.json"), "{").expect("ours");
    assert_eq!(values(&test_env, &["sync", ""]), [""; 0]);
}

#[test]
fn completing_opens_no_socket_and_starts_no_thread_or_program() {
    let Some(strace) = peer("strace") else { return };
    let test_env = test_env();
    let requests = test_env.simulator.requests().len();
    let log = test_env.path("strace.log");
    let mut traced = test_env.program(&strace);
    traced
        .args(["-f", "-e", "trace=network,process,openat", "-o"])
        .arg(&log)
        .arg(PROGRAM)
        .args(["__complete", "sync", ""]);
    let ran = run(&mut traced);
    assert_eq!(ran.stdout.lines().count(), 5, "{}", ran.stderr);
    let log = fs::read_to_string(log).expect("strace wrote it");
    for call in ["socket(", "connect(", "clone", "fork"] {
        assert!(!log.contains(call), "{log}");
    }
    assert_eq!(log.matches("execve(").count(), 1, "{log}");
    assert!(!log.contains("/.azure"), "{log}");
    assert_eq!(test_env.simulator.requests().len(), requests);
}

/// The same with the real kubectl, which finds the program by its other name.
fn with_kubectl() -> Option<TestEnv> {
    let builder = TestEnv::builder().peer("kubectl")?;
    let test_env = synced(builder.fleet(fleet()).build());
    test_env.install("kubectl-aad", Path::new(PROGRAM));
    let ran = install(&test_env, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    Some(test_env)
}

fn install(test_env: &TestEnv, args: &[&str]) -> Ran {
    run(test_env.aad(&["completion", "install"]).args(args))
}

fn link(test_env: &TestEnv) -> PathBuf {
    test_env.bin(LINK)
}

#[test]
fn kubectl_asks_the_program_by_its_link() {
    let Some(test_env) = with_kubectl() else {
        return;
    };
    let kubectl = test_env.bin("kubectl");
    for (words, expected) in [
        (&["s"][..], "sync"),
        (&["sync", "prod-w"], "prod-weu"),
        (
            &["sync", "--context=x", "-n", "ns", "--tag", "env=p"],
            "env=prod",
        ),
    ] {
        let ran = run(test_env
            .program(&kubectl)
            .args(["__complete", "aad"])
            .args(words));
        let (lines, directive) = parsed(&ran.stdout);
        assert!(lines[0].starts_with(&format!("{expected}\t")), "{lines:?}");
        assert_eq!(directive, ":4");
    }
}

#[test]
fn the_link_is_made_once_and_nothing_else_is_overwritten() {
    let test_env = TestEnv::without_az();
    test_env.install("kubectl-aad", Path::new(PROGRAM));
    let ran = install(&test_env, &["--dry-run"]);
    assert!(ran.stderr.contains("would create"), "{}", ran.stderr);
    assert!(!link(&test_env).exists());

    let ran = run(install_command(&test_env).env("SHELL", "/bin/bash"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("source <(kubectl completion bash)"),
        "{}",
        ran.stderr
    );
    let target = fs::read_link(link(&test_env)).expect("a link");
    assert_eq!(target, Path::new("kubectl-aad"));
    let ran = run(test_env.program(link(&test_env)).args(["sy"]));
    assert!(ran.stdout.starts_with("sync\t"), "{}", ran.stdout);
    let ran = install(&test_env, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("already there"), "{}", ran.stderr);

    fs::remove_file(link(&test_env)).expect("ours");
    test_env.install_script(LINK, "#!/bin/sh\n");
    install(&test_env, &[]).assert_fails(1, &["is not this program's", "hint: remove it"]);
    assert_eq!(
        fs::read_to_string(link(&test_env)).expect("there"),
        "#!/bin/sh\n"
    );
    fs::remove_file(link(&test_env)).expect("ours");
    symlink("/bin/true", link(&test_env)).expect("linked");
    install(&test_env, &[]).assert_fails(1, &["is not this program's"]);

    let elsewhere = test_env.home().join("bin");
    fs::create_dir(&elsewhere).expect("ours");
    install(&test_env, &["--dir", "~/bin"])
        .assert_fails(1, &["there is no `kubectl-aad` in", "--dir"]);
    symlink(PROGRAM, elsewhere.join("kubectl-aad")).expect("linked");
    assert_eq!(install(&test_env, &["--dir", "~/bin"]).code, 0);
    assert!(elsewhere.join(LINK).exists());
}

fn install_command(test_env: &TestEnv) -> std::process::Command {
    test_env.aad(&["completion", "install"])
}

/// What bash completes a line with, by a script that was sourced and its function.
fn completed_by_bash(
    test_env: &TestEnv,
    setup: &str,
    function: &str,
    line: &str,
    words: &[&str],
) -> Ran {
    let words: Vec<_> = words
        .iter()
        .map(|word| format!("'{}'", word.replace('\'', r"'\''")))
        .collect();
    let script = format!(
        "{setup}\nCOMP_LINE='{line}'\nCOMP_POINT=${{#COMP_LINE}}\nCOMP_WORDS=({words})\nCOMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
         COMP_TYPE=9\nCOLUMNS=80\ncompopt() {{ printf '%s ' \"$@\" >&2; }}\n{function}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        line = line.replace('\'', r"'\''"),
        words = words.join(" "),
    );
    let file = test_env.write("complete.bash", &script);
    run(test_env
        .program("/bin/bash")
        .args(["--norc", "--noprofile"])
        .arg(file))
}

/// By the program's own script.
fn own(test_env: &TestEnv, line: &str, words: &[&str]) -> Vec<String> {
    let setup = "source <(kubectl-aad completion bash)";
    let ran = completed_by_bash(test_env, setup, "__kubectl_aad_complete", line, words);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_the_program_when_it_is_typed_directly() {
    let test_env = test_env();
    let of = |line: &str, words: &[&str]| own(&test_env, line, words);
    assert_eq!(of("kubectl-aad sy", &["kubectl-aad", "sy"]), ["sync"]);
    assert_eq!(
        of("kubectl-aad sync ", &["kubectl-aad", "sync", ""]),
        ["dev-neu", "dev-weu", "prod-neu", "prod-weu"]
    );
    // bash splits words at `=` and `:`, and completes the last part.
    let split = ["kubectl-aad", "list", "--tag", "env", "=", "pr"];
    assert_eq!(of("kubectl-aad list --tag env=pr", &split), ["prod"]);
    let split = ["kubectl-aad", "list", "--tag", "=", "cost", ":", "c"];
    assert_eq!(of("kubectl-aad list --tag=cost:c", &split), ["center="]);
    let split = ["kubectl-aad", "list", "--login", "=", "azd"];
    assert_eq!(of("kubectl-aad list --login=azd", &split), ["azd"]);
    let name = of(
        "kubectl-aad list -s Dev",
        &["kubectl-aad", "list", "-s", "Dev"],
    );
    assert!(name[0].starts_with("Dev\\?"), "{name:?}");
    for typed in [
        "\"$(touch executed)",
        "`touch executed`",
        "$(touch executed)",
    ] {
        let line = format!("kubectl-aad list {typed}");
        of(&line, &["kubectl-aad", "list", typed]);
    }
    assert!(!test_env.home().join("executed").exists());
}

/// kubectl's script needs this function of the package bash-completion: here, for words that bash has not split.
const WORDS: &str = "_get_comp_words_by_ref() {
    words=(\"${COMP_WORDS[@]}\") cword=$COMP_CWORD cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
}
source <(kubectl completion bash)";

#[test]
fn bash_completes_kubectl_aad_by_kubectls_own_script_and_runs_no_name() {
    let Some(test_env) = with_kubectl() else {
        return;
    };
    for descriptions in ["true", "false"] {
        let setup = format!("export KUBECTL_COMPLETION_DESCRIPTIONS={descriptions}\n{WORDS}");
        let of = |line: &str, words: &[&str]| {
            let ran = completed_by_bash(&test_env, &setup, "__start_kubectl", line, words);
            let replies = ran.stdout.lines().map(|line| line.trim_end().to_owned());
            replies.collect::<Vec<_>>()
        };
        assert_eq!(of("kubectl aad sy", &["kubectl", "aad", "sy"]), ["sync"]);
        let found = of("kubectl aad sync prod", &["kubectl", "aad", "sync", "prod"]);
        assert!(
            found[0].starts_with("prod-neu") && found.len() == 2,
            "{found:?}"
        );
        assert_eq!(
            of(
                "kubectl aad list --tag env=p",
                &["kubectl", "aad", "list", "--tag", "env=p"]
            ),
            ["prod"]
        );
        let found = of(
            "kubectl aad list -s Dev",
            &["kubectl", "aad", "list", "-s", "Dev"],
        );
        assert!(
            found[0].starts_with("Dev?") && found.len() == 1,
            "{found:?}"
        );
        of(
            "kubectl aad list --tag env=",
            &["kubectl", "aad", "list", "--tag", "env="],
        );
        of(
            "kubectl aad list -s ",
            &["kubectl", "aad", "list", "-s", ""],
        );
    }
    assert!(!test_env.home().join("executed").exists());
}

#[test]
fn each_script_can_be_printed_and_those_of_bash_are_read_by_it() {
    let test_env = TestEnv::without_az();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let ran = run(&mut test_env.aad(&["completion", shell]));
        let path = format!("src/cli/completion/scripts/{shell}");
        let script = fs::read_to_string(repository().join(path)).expect("it is committed");
        assert_eq!((ran.code, ran.stdout), (0, script));
    }
    let script = repository().join("src/cli/completion/scripts/bash");
    assert_eq!(
        run(test_env.program("/bin/bash").arg("-n").arg(script)).code,
        0
    );
}
