//! `kubectl aad use`, with real shells and the real kubectl.

mod as_kubectl;

use std::{
    fs::{self, File},
    process::Command,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::env::{AtATerminal, Ran, Screen, Size, TestEnv, names, run, wait_until};

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-00000000000a";

/// The kubeconfig entries of clusters, each given by its group, name and context.
fn kubeconfig(clusters: &[(&str, &str, &str)]) -> String {
    let mut text = "apiVersion: v1\nkind: Config\nclusters:\n".to_owned();
    for (group, name, context) in clusters {
        text.push_str(&format!(
            "- name: {context}\n  cluster:\n    server: https://{name}.example\n    certificate-authority: {name}.crt\n    extensions:\n    - name: kubectl-aad\n      extension:\n        armId: /subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{name}\n"
        ));
    }
    text.push_str("contexts:\n");
    for (_, _, context) in clusters {
        text.push_str(&format!(
            "- name: {context}\n  context: {{cluster: {context}, user: 'aad:me'}}\n"
        ));
    }
    let (_, _, last) = clusters.last().expect("there are some");
    text.push_str(&format!(
        "current-context: {last}\nusers:\n- name: 'aad:me'\n  user:\n    exec: {{apiVersion: client.authentication.k8s.io/v1, command: kubectl-aad, args: [get-token], interactiveMode: IfAvailable}}\n    extensions: [{{name: kubectl-aad, extension: {{shared: true}}}}]\n"
    ));
    text
}

const CLUSTERS: &[(&str, &str, &str)] = &[
    ("rg-prod", "prod", "prod"),
    ("rg-west", "prod-west", "prod-west"),
    ("rg-east", "prod-east", "prod-east"),
    ("edge", "line1", "factory"),
];

fn synced(test_env: TestEnv) -> TestEnv {
    fs::create_dir(test_env.path(".kube")).expect("made");
    test_env.write(".bashrc", "PS1='ready> '\n");
    test_env.write(".kube/config", &kubeconfig(CLUSTERS));
    test_env
}

fn with_clusters() -> TestEnv {
    synced(TestEnv::without_az())
}

fn with_kubectl() -> Option<TestEnv> {
    let test_env = TestEnv::builder().without_az().peer("kubectl")?;
    Some(synced(test_env.build()))
}

/// What a shell does that reads a script instead of a person.
fn scripted(test_env: &TestEnv, args: &[&str], script: &str) -> Ran {
    let script = test_env.write("script", script);
    let mut command = test_env.aad(&[&["use"], args].concat());
    command
        .env("SHELL", "/bin/bash")
        .stdin(File::open(script).expect("it was written"));
    run(&mut command)
}

fn typed(test_env: &TestEnv, args: &[&str]) -> Command {
    let mut command = test_env.typed(&[&["use"], args].concat());
    command.env("SHELL", "/bin/bash");
    command
}

/// The files that shells of `use` read.
fn small_files(test_env: &TestEnv) -> Vec<String> {
    names(&test_env.path(".kube/cache/kubectl-aad/context-files"))
}

#[test]
fn a_shell_can_not_reach_another_cluster_by_accident() {
    let Some(test_env) = with_kubectl() else {
        return;
    };
    let before = test_env.kubeconfig_text();
    let ran = scripted(
        &test_env,
        &["west", "-n", "web"],
        "kubectl config get-contexts -o name\n\
         kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server} {.contexts[0].context.namespace}{\"\\n\"}'\n\
         kubectl config use-context prod >/dev/null 2>&1 || echo 'no other context'\n\
         kubectl --context prod config view --minify >/dev/null 2>&1 || echo 'none by name'\n\
         kubectl config set-context --current --namespace x >/dev/null\n\
         kubectl config view --minify -o jsonpath='{.contexts[0].context.namespace}{\"\\n\"}'\n\
         echo \"$AAD_CONTEXT\" \"[$AAD_OUTER_KUBECONFIG]\"\n\
         exit 7\n",
    );
    assert_eq!(ran.code, 7, "{}", ran.stderr);
    assert_eq!(
        ran.stdout,
        "prod-west\nhttps://prod-west.example web\nno other context\nnone by name\nx\nprod-west []\n"
    );
    assert_eq!(
        ran.stderr,
        "kubectl has `prod-west` (namespace `web`) alone here; `exit` returns\n"
    );
    assert_eq!(test_env.kubeconfig_text(), before);
    assert_eq!(small_files(&test_env), [] as [&str; 0]);
}

#[test]
fn the_fleets_own_commands_work_on_the_kubeconfig_outside() {
    let test_env = with_clusters();
    let other = test_env.write("other", &kubeconfig(&[("rg", "only", "only")]));
    let ran = scripted(
        &test_env,
        &["prod-west"],
        &format!(
            "cd /\necho 'echo inside $AAD_CONTEXT' | kubectl-aad use line1\n\
             KUBECONFIG={} kubectl-aad use --print only | grep -c only\n",
            other.display()
        ),
    );
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "inside factory\n1\n"));
    assert!(
        ran.stderr
            .contains("kubectl has `factory` alone here; `exit` returns to `prod-west`"),
        "{}",
        ran.stderr
    );
    let relative = scripted_with(
        &test_env,
        "other",
        "cd /; echo $AAD_OUTER_KUBECONFIG; kubectl-aad use --print only >/dev/null\n",
    );
    assert_eq!(relative.code, 0, "{}", relative.stderr);
    assert_eq!(relative.stdout, format!("{}\n", other.display()));
}

/// In a shell for the context `only` of another kubeconfig.
fn scripted_with(test_env: &TestEnv, kubeconfig: &str, script: &str) -> Ran {
    let script = test_env.write("script", script);
    let mut command = test_env.aad(&["use", "only"]);
    command
        .env("SHELL", "/bin/bash")
        .env("KUBECONFIG", kubeconfig)
        .stdin(File::open(script).expect("it was written"));
    run(&mut command)
}

#[test]
fn a_clusters_name_counts_more_than_parts_and_several_matches_are_listed_as_commands() {
    let test_env = with_clusters();
    let print = |args: &[&str]| {
        run(test_env
            .aad(&[&["use", "--print"], args].concat())
            .env("SHELL", "/bin/bash"))
    };
    for (word, context) in [
        ("prod", "prod"),
        ("WEST", "prod-west"),
        ("edge/line1", "factory"),
    ] {
        let ran = print(&[word]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(
            ran.stdout.contains(&format!("AAD_CONTEXT='{context}'")),
            "{}",
            ran.stdout
        );
    }
    let ran = print(&["-n", "web", "prod-"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert_eq!(
        ran.stderr,
        "error: `prod-` matches 2 contexts\nhint: name one of them:\n\
         \x20 kubectl aad use --print --namespace web prod-west\n\
         \x20 kubectl aad use --print --namespace web prod-east\n"
    );
    print(&["prdo"]).assert_fails(
        1,
        &[
            "no synced cluster matches `prdo`",
            "`prod`",
            "kubectl aad sync",
        ],
    );
    print(&[]).assert_fails(
        2,
        &["no cluster is named", "kubectl aad use --print factory"],
    );
    test_env.write(".kube/config", "");
    print(&["prod"]).assert_fails(
        1,
        &[
            "the kubeconfig has no cluster that a sync wrote",
            "kubectl aad sync",
        ],
    );
}

#[test]
fn a_context_whose_user_is_gone_is_an_error_that_names_a_remedy() {
    let test_env = with_clusters();
    let text = test_env
        .kubeconfig_text()
        .replace("- name: 'aad:me'", "- name: 'aad:you'");
    test_env.write(".kube/config", &text);
    let ran = run(&mut test_env.aad(&["use", "prod"]));
    ran.assert_fails(
        1,
        &[
            "the context `prod` names the user `aad:me`, which does not exist",
            "`kubectl aad sync` writes it again",
            "kubectl config delete-context prod",
        ],
    );
}

#[test]
fn what_is_printed_makes_this_shell_use_the_cluster_and_its_file_stays() {
    let Some(test_env) = with_kubectl() else {
        return;
    };
    let script = "\
        eval \"$(kubectl-aad use --print west)\"\n\
        kubectl config get-contexts -o name\n\
        first=$KUBECONFIG; ls -l $KUBECONFIG | cut -c1-10\n\
        kubectl config set-context --current --namespace x >/dev/null\n\
        eval \"$(kubectl-aad use --print factory)\"\n\
        kubectl config get-contexts -o name\n\
        eval \"$(kubectl-aad use --print -)\"\n\
        [ \"$first\" = \"$KUBECONFIG\" ] && kubectl config view -o jsonpath='{.contexts[0].context}{\"\\n\"}'\n";
    let mut command = test_env.program("/bin/bash");
    let ran = run(command.args(["-c", script]).env("SHELL", "/bin/sh"));
    assert_eq!(
        ran.stdout,
        "prod-west\n-rw-------\nfactory\n{\"cluster\":\"prod-west\",\"user\":\"aad:me\"}\n",
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.starts_with(
            "kubectl has `prod-west` alone in a shell that reads this; to leave: `unset KUBECONFIG AAD_CONTEXT`\n"
        ),
        "{}",
        ran.stderr
    );
    assert_eq!(
        names(&test_env.path(".kube/cache/kubectl-aad/contexts")).len(),
        2
    );
}

#[test]
fn status_says_which_context_the_shell_has() {
    let test_env = with_clusters();
    let ran = scripted(
        &test_env,
        &["prod-west"],
        "kubectl-aad status | grep -o 'this shell has.*'\n",
    );
    assert_eq!(
        ran.stdout, "this shell has prod-west alone\n",
        "{}",
        ran.stderr
    );
}

#[test]
fn clearing_the_cache_forgets_what_was_used_and_says_what_that_does_to_shells() {
    let test_env = with_clusters();
    for context in ["factory", "prod-west"] {
        let ran = run(&mut test_env.aad(&["use", "--print", context]));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    let cache = test_env.path(".kube/cache/kubectl-aad");
    assert_eq!(names(&cache.join("contexts")).len(), 2);
    let clear = || run(&mut test_env.aad(&["cache", "clear"]));
    let ran = clear();
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (
            0,
            "deleted 2 kubeconfigs of `kubectl aad use --print`: a shell that reads one has no cluster now\n"
        )
    );
    assert!(!cache.join("contexts").exists() && !cache.join("used.json").exists());
    assert_eq!(clear().stderr, "nothing to delete\n");
}

#[test]
fn each_shell_gets_its_own_syntax_from_the_flag_else_from_the_program_that_asks() {
    let test_env = with_clusters();
    let print = |args: &[&str]| {
        run(test_env
            .aad(&[&["use", "prod", "--print"], args].concat())
            .env("SHELL", "/bin/fish"))
        .stdout
    };
    for (shell, start) in [
        ("bash", "export KUBECONFIG='/"),
        ("zsh", "export KUBECONFIG='/"),
        ("fish", "set -gx KUBECONFIG '/"),
        ("pwsh", "$env:KUBECONFIG = '/"),
    ] {
        let printed = print(&["--shell", shell]);
        assert!(printed.starts_with(start), "{printed}");
        assert_eq!(printed.lines().count(), 1);
    }
    // What runs the tests is no shell.
    assert!(print(&[]).starts_with("set -gx"));
    let mut by_dash = test_env.program("/bin/dash");
    let ran = run(by_dash
        .args(["-c", "kubectl-aad use prod --print; :"])
        .env("SHELL", "/bin/fish"));
    assert!(ran.stdout.starts_with("export"), "{}", ran.stdout);
}

#[test]
fn a_shell_is_this_clusters_whatever_the_persons_files_set() {
    let test_env = with_clusters();
    test_env.write(
        ".bashrc",
        "export KUBECONFIG=$HOME/.kube/config\nPS1='mine> '\n",
    );
    let terminal = AtATerminal::start(typed(&test_env, &["west"]), Size::SMALL);
    terminal.wait_for("mine>");
    terminal.type_keys("echo \"now ${KUBECONFIG##*-prod}\"; exit\n");
    terminal.wait_for("now -west.yaml");
    assert_eq!(terminal.finish().code, 0);
    assert_eq!(small_files(&test_env), [] as [&str; 0]);
}

#[test]
fn ctrl_c_is_the_shells_and_so_is_its_exit_code() {
    let test_env = with_clusters();
    let terminal = AtATerminal::start(typed(&test_env, &["west"]), Size::SMALL);
    terminal.wait_for("ready>");
    terminal.type_keys("echo begun; sleep 600\n");
    terminal.wait_for("begun");
    wait_until("sleep has the terminal", || {
        has_child(terminal.id(), "sleep")
    });
    terminal.interrupt();
    wait_until("sleep is gone", || !has_child(terminal.id(), "sleep"));
    terminal.type_keys("echo \"still $((40+2))\"; exit 3\n");
    terminal.wait_for("still 42");
    assert_eq!(terminal.finish().code, 3);
}

/// Whether a program of this name runs below a process.
fn has_child(process: u32, name: &str) -> bool {
    descendants(process).iter().any(|(_, comm)| comm == name)
}

/// The processes below one, with their programs.
fn descendants(process: u32) -> Vec<(i32, String)> {
    let mut found = Vec::new();
    let threads = fs::read_dir(format!("/proc/{process}/task"))
        .into_iter()
        .flatten();
    for thread in threads.flatten() {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in children
            .split_whitespace()
            .filter_map(|child| child.parse::<u32>().ok())
        {
            let comm = fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
            found.push((child.cast_signed(), comm.trim().to_owned()));
            found.extend(descendants(child));
        }
    }
    found
}

#[test]
fn a_closed_terminal_or_a_signal_ends_the_shell_and_leaves_no_file() {
    for (signal, code) in [(Signal::HUP, 129), (Signal::TERM, 143)] {
        let test_env = with_clusters();
        let terminal = AtATerminal::start(typed(&test_env, &["west"]), Size::SMALL);
        terminal.wait_for("ready>");
        terminal.type_keys("echo begun; sleep 600\n");
        wait_until("sleep runs", || has_child(terminal.id(), "sleep"));
        let ours = Pid::from_raw(terminal.id().cast_signed()).expect("a process");
        kill_process(ours, signal).expect("it runs");
        assert_eq!(terminal.finish().code, code);
        assert_eq!(small_files(&test_env), [] as [&str; 0]);
    }
}

#[test]
fn the_file_of_a_killed_shell_is_removed_by_the_next_one() {
    let test_env = with_clusters();
    let terminal = AtATerminal::start(typed(&test_env, &["west"]), Size::SMALL);
    terminal.wait_for("ready>");
    let below = descendants(terminal.id());
    let ours = Pid::from_raw(terminal.id().cast_signed()).expect("a process");
    kill_process(ours, Signal::KILL).expect("it runs");
    for (child, _) in below {
        let child = Pid::from_raw(child).expect("a process");
        let _ = kill_process(child, Signal::KILL);
    }
    terminal.finish_anyhow();
    let left = small_files(&test_env);
    assert!(
        left.iter().any(|name| name.ends_with("-prod-west.yaml")),
        "{left:?}"
    );
    let ran = scripted(
        &test_env,
        &["prod-east"],
        "ls $(dirname $KUBECONFIG) | grep -c prod-west\n",
    );
    assert_eq!(ran.stdout, "0\n");
    assert_eq!(small_files(&test_env), [] as [&str; 0]);
}

fn shown(screen: &Screen) -> Vec<&str> {
    screen.lines.iter().map(String::as_str).collect()
}

#[test]
fn a_person_chooses_from_a_list_by_typing() {
    let test_env = with_clusters();
    let terminal = AtATerminal::start(typed(&test_env, &["prod-"]), Size::SMALL);
    let screen = terminal.wait_for("2 of 2");
    assert_eq!(
        shown(&screen)[..4],
        [
            "cluster: prod-",
            "  2 of 2",
            "> prod-east  rg-east  00000000-0000-0000-0000-00000000000a",
            "  prod-west  rg-west  00000000-0000-0000-0000-00000000000a",
        ]
    );
    terminal.type_keys("w");
    terminal.wait_for("1 of 2");
    terminal.type_keys("\r");
    terminal.wait_for("kubectl has `prod-west` alone here");
    terminal.type_keys("exit\n");
    let seen = terminal.finish();
    assert_eq!(seen.code, 0);
    // The list is gone from the screen.
    assert!(
        !seen.screen.text().contains("cluster:"),
        "{}",
        seen.screen.text()
    );
    // The last used one is the first.
    let terminal = AtATerminal::start(typed(&test_env, &[]), Size::SMALL);
    let screen = terminal.wait_for("4 of 4");
    assert!(
        shown(&screen)[2].starts_with("> prod-west"),
        "{}",
        screen.text()
    );
    terminal.type_keys("\u{1b}[B\r");
    terminal.wait_for("kubectl has `factory` alone here");
    terminal.type_keys("exit\n");
    assert_eq!(terminal.finish().code, 0);
}

#[test]
fn a_list_that_is_left_restores_the_terminal() {
    let test_env = with_clusters();
    for (keys, code) in [("\u{1b}", 1), ("\u{3}", 130)] {
        let mut shell = test_env.program("/bin/bash");
        shell
            .args([
                "-c",
                "stty -a > before; kubectl-aad use; echo \"code $?\"; stty -a > after",
            ])
            .env("TERM", "xterm");
        let terminal = AtATerminal::start(shell, Size::SMALL);
        terminal.wait_for("4 of 4");
        terminal.type_keys(keys);
        terminal.wait_for(&format!("code {code}"));
        terminal.finish();
        assert_eq!(test_env.read("before"), test_env.read("after"));
    }
}

#[test]
fn a_list_follows_the_terminals_size() {
    let test_env = with_clusters();
    let mut terminal = AtATerminal::start(typed(&test_env, &[]), Size::SMALL);
    let small = terminal.wait_for("Esc to leave");
    assert_eq!(small.lines.len(), 24);
    terminal.resize(Size::LARGE);
    let is_at_the_end = |screen: &Screen| {
        let last = screen.lines.last();
        screen.lines.len() == 50 && last.is_some_and(|line| line.contains("Esc to leave"))
    };
    let screen = terminal.wait_until(is_at_the_end);
    let times = |text: &str| screen.text().matches(text).count();
    assert_eq!((times("Esc to leave"), times("factory")), (1, 1));
    terminal.type_keys("\u{1b}");
    let seen = terminal.finish();
    assert_eq!(seen.code, 1);
    let [hidden, shown] = ["\u{1b}[?25l", "\u{1b}[?25h"].map(|code| seen.raw.rfind(code));
    assert!(hidden <= shown, "the cursor is hidden: {:?}", seen.raw);
}

#[test]
fn a_name_can_not_reach_the_terminal_with_control_characters() {
    let test_env = with_clusters();
    let text = test_env
        .kubeconfig_text()
        .replace("factory", "\"evil\\e[31m\\u202ex\"");
    test_env.write(".kube/config", &text);
    let mut list = typed(&test_env, &[]);
    list.env("NO_COLOR", "1").env("LANG", "C");
    let terminal = AtATerminal::start(list, Size::SMALL);
    terminal.wait_for("evil [31m x");
    terminal.type_keys("evil\r");
    terminal.wait_for("ready>");
    terminal.type_keys("exit\n");
    let seen = terminal.finish();
    for code in ["\u{1b}[31m", "\u{202e}", "\u{1b}[1m", "\u{1b}[2m"] {
        assert!(!seen.raw.contains(code), "{:?}", seen.raw);
    }
}

#[test]
fn where_no_list_can_be_shown_the_matches_are_an_error() {
    let test_env = with_clusters();
    let mut dumb = typed(&test_env, &["prod-"]);
    dumb.env("TERM", "dumb");
    let seen = AtATerminal::start(dumb, Size::SMALL).finish();
    assert_eq!(seen.code, 2);
    assert!(
        seen.screen.text().contains("kubectl aad use prod-west"),
        "{}",
        seen.screen.text()
    );
}
