//! `convert-kubeconfig` end to end: files, locks and other programs at the same file.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use serde_json::Value;

use crate::{layout::Layout, support::peer};

const BINARY: &str = env!("CARGO_BIN_EXE_kubectl-aad");

/// A home directory and the command in it.
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("written");
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("read")
    }

    /// What lies in the directory, hidden names too.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.0.path())
            .expect("a directory")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("UTF-8")
            })
            .collect();
        names.sort();
        names
    }

    pub(crate) fn program(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("HOME", self.0.path())
            .current_dir(self.0.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn convert(&self, args: &[&str]) -> Output {
        self.program(BINARY)
            .arg("convert-kubeconfig")
            .args(args)
            .output()
            .expect("the program runs")
    }
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn user(name: &str) -> String {
    format!(
        "- name: {name}\n  user:\n    exec:\n      apiVersion: client.authentication.k8s.io/v1beta1\n      args:\n      - get-token\n      - --login\n      - devicecode\n      - --server-id\n      - server\n      - --client-id\n      - client\n      - --tenant-id\n      - tenant\n      command: kubelogin # the old one\n      env: null\n      provideClusterInfo: false\n"
    )
}

/// A kubeconfig with `count` users, each in a context of its own.
pub(crate) fn kubeconfig(count: usize) -> String {
    let mut text = "apiVersion: v1\nkind: Config\nclusters:\n".to_owned();
    for i in 0..count {
        text.push_str(&format!(
            "- name: c{i}\n  cluster: {{server: https://c{i}}} # mine\n"
        ));
    }
    text.push_str("contexts:\n");
    for i in 0..count {
        text.push_str(&format!(
            "- name: x{i}\n  context: {{cluster: c{i}, user: u{i}}}\n"
        ));
    }
    text.push_str("current-context: x0\nusers:\n");
    for i in 0..count {
        text.push_str(&user(&format!("u{i}")));
    }
    text
}

#[test]
fn a_user_is_converted_and_the_rest_of_the_file_stays() {
    let home = Home::new();
    let before = format!(
        "{}- name: mine\n  user: {{token: hunter2}} # keep\n",
        kubeconfig(1)
    );
    home.write("config", &before);
    let output = home.convert(&["--kubeconfig", "config", "-l", "azurecli"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("converted 1 user to `azurecli`"),
        "{}",
        stderr(&output)
    );
    let after = home.read("config");
    let (head, _) = before.split_once("      args:").expect("arguments");
    assert!(after.starts_with(head), "{after}");
    assert!(
        after.ends_with("- name: mine\n  user: {token: hunter2} # keep\n"),
        "{after}"
    );
    assert!(
        after.contains("command: kubectl-aad # the old one"),
        "{after}"
    );
    assert_eq!(home.names(), ["config"]);
    let output = home.convert(&[
        "--kubeconfig",
        "config",
        "-l",
        "devicecode",
        "--exec-command",
        "kubelogin",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let back = home.read("config");
    assert!(
        back.contains("      - --tenant-id\n      - tenant\n") && !back.contains("before"),
        "{back}"
    );
}

#[test]
fn a_file_without_a_final_line_break_changes_in_its_user_alone() {
    let home = Home::new();
    let before = "apiVersion: v1\nkind: Config\nusers:\n  - name: \"z\"\n    user: {token: t}\n  - name: u\n    user:\n      exec:\n        apiVersion: client.authentication.k8s.io/v1beta1\n        command: kubelogin\n        args:\n          - get-token\n          - --server-id\n          - s";
    home.write("config", before);
    let output = home.convert(&["--kubeconfig", "config", "-l", "azurecli"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let after = home.read("config");
    let expected = before
        .replace("command: kubelogin", "command: kubectl-aad")
        .replace(
            "get-token\n",
            "get-token\n          - --login\n          - azurecli\n",
        );
    assert!(
        after.starts_with(&format!("{expected}\n        installHint: |\n")),
        "{after}"
    );
}

#[test]
fn an_argument_that_is_null_is_an_empty_one_and_moves_no_other() {
    let home = Home::new();
    let args = "[get-token, --environment, null, --login, devicecode, --server-id, s, --client-id, c, --tenant-id, t]";
    home.write(
        "config",
        &format!("users:\n- name: u\n  user: {{exec: {{command: kubelogin, args: {args}}}}}\n"),
    );
    let output = home.convert(&["--kubeconfig", "config", "-l", "interactive"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let after = home.read("config");
    for pair in ["--client-id, \"c\"", "--tenant-id, \"t\""] {
        let pair = pair.replace('"', "");
        let plain = after.replace('"', "");
        assert!(plain.contains(&pair), "{after}");
    }
}

#[test]
fn kubectl_reads_what_was_meant_whatever_the_layout() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let home = Home::new();
    let view = || {
        let output = home
            .program(&kubectl)
            .args([
                "--kubeconfig",
                "config",
                "config",
                "view",
                "--raw",
                "-o",
                "json",
            ])
            .output()
            .expect("kubectl runs");
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let mut converted = 0;
    for number in 0..60 {
        let layout = Layout::new(number);
        if layout.alias.is_some() {
            continue;
        }
        home.write("config", &layout.text);
        let before = view();
        let context = format!("x{}", layout.target);
        let output = home.convert(&[
            "--kubeconfig",
            "config",
            "-l",
            "azurecli",
            "--context",
            &context,
        ]);
        if !output.status.success() {
            assert_eq!(home.read("config"), layout.text);
            continue;
        }
        converted += 1;
        let text = home.read("config");
        assert!(
            text.starts_with(&layout.text[..layout.range.start]),
            "{text}"
        );
        assert!(text.ends_with(&layout.text[layout.range.end..]), "{text}");
        let after = view();
        let mut expected = before.clone();
        let user = |value: &Value| {
            let users = value["users"].as_array().cloned().unwrap_or_default();
            let name = format!("u{}", layout.target);
            users
                .iter()
                .position(|user| user["name"] == *name)
                .expect("the user")
        };
        let place = user(&before);
        expected["users"][place] = after["users"][place].clone();
        assert_eq!(after, expected, "layout {number}:\n{}", layout.text);
        let exec = &after["users"][place]["user"]["exec"];
        assert_eq!(exec["command"], "kubectl-aad", "layout {number}:\n{text}");
        let args = exec["args"].as_array().expect("a list");
        let args: Vec<_> = args.iter().filter_map(Value::as_str).collect();
        assert_eq!(
            args,
            ["get-token", "--login", "azurecli", "--server-id", "server"]
        );
        assert_eq!(exec["env"], before["users"][place]["user"]["exec"]["env"]);
    }
    assert!(converted > 50, "{converted} of 60");
}

#[test]
fn a_dry_run_writes_nothing_and_shows_a_diff_without_secrets() {
    let home = Home::new();
    let before = format!(
        "{}- name: mine\n  user: {{token: hunter2}}\n",
        kubeconfig(1)
    );
    home.write("config", &before);
    let args = [
        "--kubeconfig",
        "config",
        "-l",
        "spn",
        "--client-secret",
        "hunter3",
        "--dry-run",
    ];
    let output = home.convert(&args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(home.read("config"), before);
    assert_eq!(home.names(), ["config"]);
    let shown = stdout(&output);
    assert!(
        shown.contains("+      - spn\n") && shown.contains("-      - devicecode\n"),
        "{shown}"
    );
    let all = format!("{shown}{}", stderr(&output));
    assert!(!all.contains("hunter"), "{all}");
    assert!(all.contains("`AZURE_CLIENT_SECRET`"), "{all}");
}

#[test]
fn one_user_that_fails_leaves_the_others_converted_unless_strict() {
    let home = Home::new();
    let broken = "- name: broken\n  user: {exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: kubelogin, args: [get-token]}}\n";
    let before = format!("{}{broken}", kubeconfig(1));
    home.write("config", &before);
    let output = home.convert(&["--kubeconfig", "config", "-l", "msi", "--strict"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(home.read("config"), before);
    let output = home.convert(&["--kubeconfig", "config", "-l", "msi", "-o", "json"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(home.read("config").contains("- msi") && home.read("config").ends_with(broken));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["summary"]["converted"], 1);
    assert_eq!(report["users"][1]["name"], "broken");
    assert!(
        report["users"][1]["reason"]
            .as_str()
            .is_some_and(|r| r.contains("`--server-id` is required"))
    );
}

#[test]
fn each_user_is_written_back_to_the_file_it_came_from() {
    let home = Home::new();
    let foreign = "# somebody's\nusers:\n- name: z\n  user: {token: t}\n";
    home.write("a", &kubeconfig(1));
    home.write(
        "b",
        &format!("contexts: null\nusers:\n{}{}", user("u0"), user("extra")),
    );
    home.write("c", foreign);
    let output = home
        .program(BINARY)
        .args(["convert-kubeconfig", "-l", "azd"])
        .env("KUBECONFIG", "a:missing:b:c")
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(home.read("a").contains("- azd"));
    // kubectl reads `u0` from the first file; the second one's is nobody's.
    assert!(
        home.read("b")
            .starts_with(&format!("contexts: null\nusers:\n{}", user("u0")))
    );
    assert!(home.read("b").contains("- azd"));
    assert_eq!(home.read("c"), foreign);
    assert_eq!(home.names(), ["a", "b", "c"]);
}

#[test]
fn the_outfile_gets_the_result_and_the_kubeconfig_stays() {
    let home = Home::new();
    let before = kubeconfig(1);
    home.write("config", &before);
    let output = home.convert(&[
        "--kubeconfig",
        "config",
        "-l",
        "azd",
        "--outfile",
        "out/new",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(home.read("config"), before);
    assert!(home.read("out/new").contains("- azd"));
    let output = home.convert(&["--kubeconfig", "config", "-l", "azd", "--outfile", "-"]);
    assert_eq!(stdout(&output), home.read("out/new"));
}

/// A user of `login`, with more arguments.
fn user_of(login: &str, more: &[&str]) -> String {
    let args: Vec<_> = ["get-token", "--login", login, "--server-id", "server"]
        .iter()
        .chain(more)
        .map(|arg| format!("{arg:?}"))
        .collect();
    format!(
        "apiVersion: v1\nkind: Config\nusers:\n- name: u\n  user:\n    exec: {{apiVersion: client.authentication.k8s.io/v1beta1, command: kubelogin, args: [{}]}}\n",
        args.join(", ")
    )
}

#[test]
fn a_conversion_that_runs_twice_as_after_a_wait_for_the_lock_loses_nothing() {
    let home = Home::new();
    home.write("config", &user_of("msi", &["--client-id", "X"]));
    for mode in ["azurecli", "azurecli", "msi", "msi"] {
        let output = home.convert(&["--kubeconfig", "config", "-l", mode]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let after = home.read("config");
    assert!(after.contains("\"--client-id\", \"X\""), "{after}");
    assert!(!after.contains("before"), "{after}");
}

#[test]
fn without_login_the_plugin_alone_is_changed() {
    for (mode, more) in [
        ("msi", &["--client-id", "c"][..]),
        ("azurecli", &["--tenant-id", "t", "--subscription", "s"]),
        ("spn", &["--client-certificate", "/c.pem"]),
        (
            "workloadidentity",
            &["--authority-host", "https://login.example/"],
        ),
    ] {
        for flags in [&[][..], &["--keep-mode"], &["-l", mode]] {
            let home = Home::new();
            let before = user_of(mode, more);
            home.write("config", &before);
            let args = [&["--kubeconfig", "config"], flags].concat();
            let output = home.convert(&args);
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            let after = home.read("config");
            let expected = before.replace("command: kubelogin", "command: \"kubectl-aad\"");
            let (head, _) = expected.split_once("]}").expect("arguments");
            assert!(after.starts_with(head), "{mode} {flags:?}: {after}");
            let again = home.convert(&args);
            assert_eq!(home.read("config"), after, "{}", stderr(&again));
            assert!(
                stderr(&again).contains("as they are to be"),
                "{}",
                stderr(&again)
            );
        }
    }
    let home = Home::new();
    let output = home.convert(&["--keep-mode", "-l", "msi"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn the_outfile_of_an_earlier_run_stays_where_nothing_was_converted() {
    let home = Home::new();
    let broken = "users:\n- name: u\n  user: {exec: {command: kubelogin, args: [get-token]}}\n";
    home.write("config", broken);
    home.write("out", "the last good one");
    let args = ["--kubeconfig", "config", "-l", "azurecli", "--outfile"];
    for outfile in ["out", "-"] {
        let output = home.convert(&[&args[..], &[outfile]].concat());
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
    assert_eq!(home.read("out"), "the last good one");
    assert_eq!(home.names(), ["config", "out"]);
}

#[test]
fn values_that_no_sign_in_could_use_are_refused() {
    let home = Home::new();
    let before = user_of("msi", &[]);
    home.write("config", &before);
    for (flags, named) in [
        (&["--authority-host", "https:///x/"][..], "has no host"),
        (&["--authority-host", "https://a@x/"], "names a user"),
        (
            &["--pop-enabled", "--pop-claims", "u=x"],
            "`msi` has no proof-of-possession tokens",
        ),
        (&["--timeout", "-1s"], "`-1s` can't be a timeout"),
        (&["--environment", "AzurePubicCloud"], "AzurePubicCloud"),
        (&["--token-store", "cellar"], "cellar"),
        (
            &["--redirect-url", "nonsense"],
            "`nonsense` can't be the redirect URL",
        ),
        (
            &["--pop-enabled", "--pop-claims", "nonsense"],
            "`nonsense` can't be proof-of-possession claims",
        ),
    ] {
        let output = home.convert(&[&["--kubeconfig", "config", "-l", "msi"], flags].concat());
        assert_eq!(
            output.status.code(),
            Some(2),
            "{flags:?}: {}",
            stderr(&output)
        );
        assert!(stderr(&output).contains(named), "{}", stderr(&output));
    }
    let output = home
        .program(BINARY)
        .args(["convert-kubeconfig", "--kubeconfig", "config", "-l", "msi"])
        .env("AZURE_CLI_TIMEOUT", "-1s")
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(home.read("config"), before);
}

#[test]
fn of_a_flag_that_is_repeated_the_last_counts_and_a_value_may_begin_with_a_hyphen() {
    let home = Home::new();
    home.write("config", &user_of("azurecli", &[]));
    let output = home.convert(&[
        "--kubeconfig",
        "gone",
        "--kubeconfig",
        "config",
        "--strict",
        "--strict",
        "-o",
        "json",
        "-o",
        "text",
        "--azure-config-dir",
        "/az",
        "--azure-config-dir",
        "-dash",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let after = home.read("config");
    assert!(
        after.contains("AZURE_CONFIG_DIR") && after.contains("-dash"),
        "{after}"
    );
    assert!(!after.contains("/az"), "{after}");
}

#[test]
fn a_file_in_which_nothing_changes_is_not_locked() {
    let home = Home::new();
    // No lock can be made beside a file with such a name.
    let shared = "s".repeat(252);
    let text = "users:\n- name: z\n  user: {token: t}\n";
    home.write("mine", &user_of("msi", &[]));
    home.write(&shared, text);
    let output = home
        .program(BINARY)
        .args(["convert-kubeconfig", "-l", "azurecli"])
        .env("KUBECONFIG", format!("mine:{shared}"))
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(home.read("mine").contains("azurecli"));
    assert_eq!(home.read(&shared), text);
}

#[test]
fn a_dry_run_shows_no_secret_however_it_is_written() {
    let home = Home::new();
    home.write(
        "config",
        "# token: hunter1\nusers:\n- name: u # was --client-secret=hunter2\n  user:\n    exec:\n      command: kubelogin\n      args:\n      - get-token\n      # - --password\n      # - hunter3\n      - --server-id\n      - s\n      - \"--client-secret\\u003dhunter4\"\n      - --login\n      - spn\n",
    );
    let output = home.convert(&["--kubeconfig", "config", "-l", "msi", "--dry-run"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = format!("{}{}", stdout(&output), stderr(&output));
    assert!(shown.contains("+      - msi"), "{shown}");
    assert!(!shown.contains("hunter"), "{shown}");
}

#[test]
fn what_an_entry_said_before_does_not_come_back_once_it_was_changed() {
    let home = Home::new();
    home.write(
        "config",
        &user_of("devicecode", &["--client-id", "A", "--tenant-id", "T"]),
    );
    let convert = |mode: &str| home.convert(&["--kubeconfig", "config", "-l", mode]);
    assert!(convert("azurecli").status.success());
    let edited = home.read("config").replacen("\"server\"", "\"moved\"", 1);
    home.write("config", &edited);
    let output = convert("devicecode");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("changed since it was converted"),
        "{}",
        stderr(&output)
    );
    assert_eq!(home.read("config"), edited);
}

#[test]
fn another_kubelogins_users_are_left_alone_and_named_when_asked_for() {
    let home = Home::new();
    let text = "contexts:\n- name: x\n  context: {cluster: c, user: o}\nusers:\n- name: o\n  user: {exec: {command: kubelogin, args: [get-token, --oidc-issuer-url=https://i]}}\n";
    home.write("config", text);
    let output = home.convert(&["--kubeconfig", "config", "--context", "x"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("`o`") && stderr(&output).contains("oidc-login"));
    assert_eq!(home.read("config"), text);
}

#[test]
fn wrong_usage_exits_with_two_and_missing_files_with_one() {
    let home = Home::new();
    home.write("config", &kubeconfig(1));
    for (args, code, text) in [
        (
            &["--kubeconfig", "config", "-l", "pigeon"][..],
            2,
            "devicecode",
        ),
        (
            &["--kubeconfig", "config", "--pop-claims", "u=x"],
            2,
            "--pop-enabled",
        ),
        (
            &["--kubeconfig", "config", "--context", "nope"],
            1,
            "`nope`",
        ),
        (&["--kubeconfig", "gone", "-l", "msi"], 1, "`gone`"),
    ] {
        let output = home.convert(args);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains(text), "{}", stderr(&output));
    }
    let output = home.convert(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("no kubeconfig"),
        "{}",
        stderr(&output)
    );
    assert_eq!(home.names(), ["config"]);
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    let home = Home::new();
    let before = kubeconfig(20);
    home.write("config", &before);
    // What a full disk answers to a write, this does to the file that grows beyond 1 KB.
    let script = format!(
        "trap '' XFSZ; ulimit -f 1; exec {BINARY} convert-kubeconfig --kubeconfig config -l msi"
    );
    let output = home
        .program("/bin/sh")
        .args(["-c", &script])
        .output()
        .expect("a shell");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("could not write the kubeconfig"),
        "{}",
        stderr(&output)
    );
    assert_eq!(home.read("config"), before);
    assert_eq!(home.names(), ["config"]);
}

/// The same kubeconfig in `home`, converted: what a process that is not disturbed makes of it.
fn converted(home: &Home) -> String {
    let output = home.convert(&["--kubeconfig", "config", "-l", "msi", "--outfile", "-"]);
    stdout(&output)
}

#[test]
fn a_killed_conversion_leaves_the_old_file_or_the_new_one() {
    let home = Home::new();
    let before = kubeconfig(300);
    home.write("config", &before);
    let after = converted(&home);
    for round in 0..12_u32 {
        home.write("config", &before);
        let mut child = spawn(&home);
        // Each round a little later in its life: before, during and after the write.
        thread::sleep(std::time::Duration::from_millis(u64::from(round) * 12));
        let _ = child.kill();
        child.wait().expect("a status");
        let text = home.read("config");
        assert!(
            text == before || text == after,
            "neither the old file nor the new one"
        );
        // The next one removes the lock of the one that was killed, and what else it left.
        let next = home.convert(&["--kubeconfig", "config", "-l", "msi"]);
        assert!(next.status.success(), "{}", stderr(&next));
        assert_eq!(home.names(), ["config"]);
        assert!(home.read("config") == after);
    }
}

#[test]
fn ctrl_c_under_the_lock_waits_for_the_write_and_leaves_no_lock() {
    let home = Home::new();
    let before = kubeconfig(300);
    home.write("config", &before);
    let after = converted(&home);
    let mut child = spawn(&home);
    while !home.path("config.lock").exists() && child.try_wait().expect("a status").is_none() {
        thread::yield_now();
    }
    let signal = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    let status = child.wait().expect("a status");
    assert!(
        !home.path("config.lock").exists(),
        "{status} left its lock behind ({signal:?})"
    );
    let text = home.read("config");
    assert!(text == before || text == after);
}

fn spawn(home: &Home) -> Child {
    home.program(BINARY)
        .args(["convert-kubeconfig", "--kubeconfig", "config", "-l", "msi"])
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs")
}

const CROWD: usize = 50;

/// What a crowd left of a kubeconfig.
struct Aftermath {
    /// Processes that said they were done.
    claimed: usize,
    /// Users that are converted.
    converted: usize,
    /// Contexts that kubectl said it had set, and those of them that are there.
    set: usize,
    kept: usize,
    /// Whether kubectl can read the file.
    readable: bool,
}

/// Runs `program` fifty times at once, once for each user, while a loop of `kubectl config
/// set-context` adds contexts to the same file.
///
/// One loop, not two: kubectl reads the file before it locks it, and two of it lose each other's entries.
fn crowd(program: &Path, kubectl: &Path, more: &[&str]) -> Aftermath {
    let home = Home::new();
    let text = kubeconfig(CROWD)
        .replace(" # the old one", "")
        .replace(" # mine", "");
    home.write("config", &text);
    let busy = AtomicBool::new(true);
    let claimed = AtomicUsize::new(0);
    let set = thread::scope(|scope| {
        let contexts = scope.spawn(|| set_contexts(&home, kubectl, &busy));
        let crowd: Vec<_> = (0..CROWD)
            .map(|i| {
                let (home, claimed) = (&home, &claimed);
                scope.spawn(move || {
                    let output = home
                        .program(program)
                        .args([
                            "convert-kubeconfig",
                            "--kubeconfig",
                            "config",
                            "-l",
                            "azurecli",
                        ])
                        .args(["--context", &format!("x{i}")])
                        .args(more)
                        .output()
                        .expect("the program runs");
                    if output.status.success() {
                        claimed.fetch_add(1, Ordering::SeqCst);
                    }
                    output
                })
            })
            .collect();
        for process in crowd {
            process.join().expect("no panic");
        }
        busy.store(false, Ordering::SeqCst);
        contexts.join().expect("no panic")
    });
    let view = home
        .program(kubectl)
        .args([
            "--kubeconfig",
            "config",
            "config",
            "view",
            "--raw",
            "-o",
            "json",
        ])
        .output()
        .expect("kubectl runs");
    let view: Value = serde_json::from_slice(&view.stdout).unwrap_or_default();
    let list = |key: &str| view[key].as_array().cloned().unwrap_or_default();
    let contexts = list("contexts");
    Aftermath {
        claimed: claimed.into_inner(),
        converted: list("users")
            .iter()
            .filter(|user| user["user"]["exec"]["args"][2] == "azurecli")
            .count(),
        set: set.len(),
        kept: set
            .iter()
            .filter(|name| contexts.iter().any(|c| c["name"] == **name))
            .count(),
        readable: view.is_object() && list("users").len() == CROWD,
    }
}

/// Sets one context after the other; returns the names that kubectl says it has set.
fn set_contexts(home: &Home, kubectl: &Path, busy: &AtomicBool) -> Vec<String> {
    let mut set = Vec::new();
    for i in 0.. {
        if !busy.load(Ordering::SeqCst) {
            break;
        }
        let name = format!("set-{i}");
        let done = home
            .program(kubectl)
            .args([
                "--kubeconfig",
                "config",
                "config",
                "set-context",
                &name,
                "--cluster=c0",
            ])
            .output()
            .expect("kubectl runs");
        // kubectl gives up at once where the file is locked; only what it claims counts.
        if done.status.success() {
            set.push(name);
        }
    }
    set
}

#[test]
fn fifty_conversions_at_once_beside_kubectl_lose_nothing() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let ours = crowd(Path::new(BINARY), &kubectl, &[]);
    if let Some(kubelogin) = peer("kubelogin") {
        let theirs = crowd(&kubelogin, &kubectl, &[]);
        for (name, it) in [("kubectl-aad", &ours), ("kubelogin", &theirs)] {
            eprintln!(
                "{name}: {} of {CROWD} said they were done, {} users are converted; of {} contexts that kubectl set {} are there; {}",
                it.claimed,
                it.converted,
                it.set,
                it.kept,
                if it.readable {
                    "readable"
                } else {
                    "unreadable"
                },
            );
        }
    }
    assert!(ours.readable);
    assert_eq!((ours.claimed, ours.converted), (CROWD, CROWD));
    assert_eq!(ours.kept, ours.set);
}
