//! `convert-kubeconfig` end to end: files, locks and other programs at the same file.

use std::{
    path::Path,
    process::{Child, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use azure_sim::{AKS_CLIENT_APP, AKS_SERVER_APP};
use serde_json::Value;

use crate::{
    env::{PROGRAM, TestEnv, run},
    layout::Layout,
    support::{kubeconfig, peer, peer_for_more, user},
};

#[test]
fn a_user_is_converted_and_the_rest_of_the_file_stays() {
    let test_env = TestEnv::without_az();
    let before = format!(
        "{}- name: mine\n  user: {{token: hunter2}} # keep\n",
        kubeconfig(1)
    );
    test_env.write("config", &before);
    let ran = test_env.convert(&["--kubeconfig", "config", "-l", "azurecli"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("converted 1 user to azurecli in config"),
        "{}",
        ran.stderr
    );
    let after = test_env.read("config");
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
    assert_eq!(test_env.names(), ["config"]);
    let ran = test_env.convert(&[
        "--kubeconfig",
        "config",
        "-l",
        "devicecode",
        "--exec-command",
        "kubelogin",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let back = test_env.read("config");
    assert!(
        back.contains("      - --tenant-id\n      - tenant\n") && !back.contains("before"),
        "{back}"
    );
}

#[test]
fn a_file_without_a_final_line_break_changes_only_in_its_user() {
    let test_env = TestEnv::without_az();
    let before = "apiVersion: v1\nkind: Config\nusers:\n  - name: \"z\"\n    user: {token: t}\n  - name: u\n    user:\n      exec:\n        apiVersion: client.authentication.k8s.io/v1beta1\n        command: kubelogin\n        args:\n          - get-token\n          - --server-id\n          - s";
    test_env.write("config", before);
    let ran = test_env.convert(&["--kubeconfig", "config", "-l", "azurecli"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let after = test_env.read("config");
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
    let test_env = TestEnv::without_az();
    let args = "[get-token, --environment, null, --login, devicecode, --server-id, s, --client-id, c, --tenant-id, t]";
    test_env.write(
        "config",
        &format!("users:\n- name: u\n  user: {{exec: {{command: kubelogin, args: {args}}}}}\n"),
    );
    let ran = test_env.convert(&["--kubeconfig", "config", "-l", "interactive"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let after = test_env.read("config");
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
    let test_env = TestEnv::without_az();
    let view = || {
        let ran = run(test_env.program(&kubectl).args([
            "--kubeconfig",
            "config",
            "config",
            "view",
            "--raw",
            "-o",
            "json",
        ]));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        serde_json::from_str::<Value>(&ran.stdout).expect("JSON")
    };
    let mut converted = 0;
    for number in 0..60 {
        let layout = Layout::new(number);
        if layout.alias.is_some() {
            continue;
        }
        test_env.write("config", &layout.text);
        let before = view();
        let context = format!("x{}", layout.target);
        let ran = test_env.convert(&[
            "--kubeconfig",
            "config",
            "-l",
            "azurecli",
            "--context",
            &context,
        ]);
        if ran.code != 0 {
            assert_eq!(test_env.read("config"), layout.text);
            continue;
        }
        converted += 1;
        let text = test_env.read("config");
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
fn a_diff_shows_what_would_change_or_was_changed_without_secrets() {
    let test_env = TestEnv::without_az();
    let before = format!(
        "{}- name: mine\n  user: {{token: hunter2}}\n",
        kubeconfig(1)
    );
    let args = [
        "--kubeconfig",
        "config",
        "-l",
        "spn",
        "--client-secret",
        "hunter3",
    ];
    let mut diffs = Vec::new();
    for more in [
        &["-o", "diff", "--dry-run"][..],
        &["-o", "diff"],
        &["-o", "diff", "--outfile", "config"],
        &["--dry-run"],
    ] {
        test_env.write("config", &before);
        let ran = test_env.convert(&[&args[..], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let is_dry = more.contains(&"--dry-run");
        assert_eq!(test_env.read("config") == before, is_dry);
        assert_eq!(test_env.names(), ["config"]);
        let all = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!all.contains("hunter"), "{all}");
        assert!(all.contains("`AZURE_CLIENT_SECRET`"), "{all}");
        diffs.push(ran.stdout);
    }
    assert!(
        diffs[0].contains("+      - spn\n") && diffs[0].contains("-      - devicecode\n"),
        "{}",
        diffs[0]
    );
    assert_eq!((&diffs[1], &diffs[2]), (&diffs[0], &diffs[0]));
    assert_eq!(diffs[3], "");
}

#[test]
fn standard_output_has_one_document() {
    let test_env = TestEnv::without_az();
    test_env.write("config", &kubeconfig(1));
    let args = [
        "--kubeconfig",
        "config",
        "-l",
        "azd",
        "--outfile",
        "-",
        "-o",
    ];
    for format in ["diff", "json"] {
        let ran = test_env.convert(&[&args[..], &[format]].concat());
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
        let ran = test_env.convert(&[&args[..], &[format, "--dry-run"]].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stdout.contains("kubectl-aad"), "{}", ran.stdout);
    }
}

#[test]
fn without_a_kubeconfig_no_outfile_is_written() {
    let test_env = TestEnv::without_az();
    let ran = test_env.convert(&["-l", "azurecli", "--outfile", "out"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.stderr, "nothing to convert: there is no kubeconfig\n");
    assert!(test_env.names().is_empty());
}

#[test]
fn one_user_that_fails_leaves_the_others_converted_unless_strict() {
    let test_env = TestEnv::without_az();
    let broken = "- name: broken\n  user: {exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: kubelogin, args: [get-token]}}\n";
    let before = format!("{}{broken}", kubeconfig(1));
    test_env.write("config", &before);
    let ran = test_env.convert(&["--kubeconfig", "config", "-l", "msi", "--strict"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert_eq!(test_env.read("config"), before);
    let ran = test_env.convert(&["--kubeconfig", "config", "-l", "msi", "-o", "json"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(test_env.read("config").contains("- msi") && test_env.read("config").ends_with(broken));
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
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
    let test_env = TestEnv::without_az();
    let foreign = "# somebody's\nusers:\n- name: z\n  user: {token: t}\n";
    test_env.write("a", &kubeconfig(1));
    test_env.write(
        "b",
        &format!("contexts: null\nusers:\n{}{}", user("u0"), user("extra")),
    );
    test_env.write("c", foreign);
    let ran = run(test_env
        .aad(&["convert-kubeconfig", "-l", "azd"])
        .env("KUBECONFIG", "a:missing:b:c"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(test_env.read("a").contains("- azd"));
    // kubectl reads `u0` from the first file; the second one's is nobody's.
    assert!(
        test_env
            .read("b")
            .starts_with(&format!("contexts: null\nusers:\n{}", user("u0")))
    );
    assert!(test_env.read("b").contains("- azd"));
    assert_eq!(test_env.read("c"), foreign);
    assert_eq!(test_env.names(), ["a", "b", "c"]);
}

#[test]
fn the_outfile_gets_the_result_and_the_kubeconfig_stays() {
    let test_env = TestEnv::without_az();
    let before = kubeconfig(1);
    test_env.write("config", &before);
    let ran = test_env.convert(&[
        "--kubeconfig",
        "config",
        "-l",
        "azd",
        "--outfile",
        "out/new",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(test_env.read("config"), before);
    assert!(test_env.read("out/new").contains("- azd"));
    let ran = test_env.convert(&["--kubeconfig", "config", "-l", "azd", "--outfile", "-"]);
    assert_eq!(ran.stdout, test_env.read("out/new"));
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
    let test_env = TestEnv::without_az();
    test_env.write("config", &user_of("msi", &["--client-id", "X"]));
    for mode in ["azurecli", "azurecli", "msi", "msi"] {
        let ran = test_env.convert(&["--kubeconfig", "config", "-l", mode]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    let after = test_env.read("config");
    assert!(after.contains("\"--client-id\", \"X\""), "{after}");
    assert!(!after.contains("before"), "{after}");
}

#[test]
fn without_login_only_the_plugin_is_changed() {
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
            let test_env = TestEnv::without_az();
            let before = user_of(mode, more);
            test_env.write("config", &before);
            let args = [&["--kubeconfig", "config"], flags].concat();
            let ran = test_env.convert(&args);
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            let after = test_env.read("config");
            let expected = before.replace("command: kubelogin", "command: \"kubectl-aad\"");
            let (head, _) = expected.split_once("]}").expect("arguments");
            assert!(after.starts_with(head), "{mode} {flags:?}: {after}");
            let again = test_env.convert(&args);
            assert_eq!(test_env.read("config"), after, "{}", again.stderr);
            assert!(
                again.stderr.contains("nothing to do: 1 user already uses"),
                "{}",
                again.stderr
            );
        }
    }
    let test_env = TestEnv::without_az();
    let ran = test_env.convert(&["--keep-mode", "-l", "msi"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}

/// A user of `login` at AKS's own server application, without a client.
fn aks_user(login: &str, more: &[&str]) -> String {
    user_of(login, more).replace("\"server\"", &format!("{AKS_SERVER_APP:?}"))
}

#[test]
fn an_entry_of_akss_own_server_gets_akss_public_client() {
    for mode in ["devicecode", "interactive", "ropc"] {
        for cloud in [
            "AzurePublicCloud",
            "AzureUSGovernmentCloud",
            "AzureChinaCloud",
        ] {
            let test_env = TestEnv::without_az();
            test_env.write("config", &aks_user("azurecli", &[]));
            let ran = test_env.convert(&[
                "--kubeconfig",
                "config",
                "-l",
                mode,
                "--tenant-id",
                "T",
                "--environment",
                cloud,
            ]);
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            let after = test_env.read("config");
            let client = format!("\"--client-id\", \"{AKS_CLIENT_APP}\"");
            assert!(after.contains(&client), "{after}");
        }
    }
}

#[test]
fn a_client_is_not_guessed_for_another_server_or_another_mode_or_in_place_of_an_empty_one() {
    let aks = aks_user("azurecli", &[]);
    for (text, flags, why) in [
        (
            user_of("azurecli", &[]),
            &["-l", "devicecode"][..],
            "caused by: AKS's public client is the default only for AKS's own server application, which `server` is not\n\
             hint: add `--client-id ID`\n",
        ),
        (aks.clone(), &["-l", "spn"], "hint: add `--client-id ID`\n"),
        (
            aks,
            &["-l", "interactive", "--client-id", ""],
            "hint: add `--client-id ID`\n",
        ),
    ] {
        let test_env = TestEnv::without_az();
        test_env.write("config", &text);
        let flags = [&["--kubeconfig", "config", "--tenant-id", "T"], flags].concat();
        let ran = test_env.convert(&flags);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
        assert_eq!(test_env.read("config"), text);
    }
}

#[test]
fn an_entry_that_relies_on_the_default_client_works_with_kubelogin_after_a_conversion_to_it() {
    let test_env = TestEnv::without_az();
    let more = ["--tenant-id", "T"];
    test_env.write("config", &aks_user("devicecode", &more));
    let to_ours = test_env.convert(&["--kubeconfig", "config"]);
    assert_eq!(to_ours.code, 0, "{}", to_ours.stderr);
    assert!(!test_env.read("config").contains("--client-id"));
    let flags = ["--kubeconfig", "config", "--exec-command", "kubelogin"];
    let back = test_env.convert(&flags);
    assert_eq!(back.code, 0, "{}", back.stderr);
    let after = test_env.read("config");
    assert!(after.contains(AKS_CLIENT_APP), "{after}");
    assert_eq!(test_env.convert(&flags).code, 0);
    assert_eq!(test_env.read("config"), after);
}

#[test]
fn the_outfile_of_an_earlier_run_stays_where_nothing_was_converted() {
    let test_env = TestEnv::without_az();
    let broken = "users:\n- name: u\n  user: {exec: {command: kubelogin, args: [get-token]}}\n";
    test_env.write("config", broken);
    test_env.write("out", "the last good one");
    let args = ["--kubeconfig", "config", "-l", "azurecli", "--outfile"];
    for outfile in ["out", "-"] {
        let ran = test_env.convert(&[&args[..], &[outfile]].concat());
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
    assert_eq!(test_env.read("out"), "the last good one");
    assert_eq!(test_env.names(), ["config", "out"]);
}

#[test]
fn values_that_no_sign_in_could_use_are_refused() {
    let test_env = TestEnv::without_az();
    let before = user_of("msi", &[]);
    test_env.write("config", &before);
    for (flags, named) in [
        (&["--authority-host", "https:///x/"][..], "has no host"),
        (&["--authority-host", "https://a@x/"], "names a user"),
        (
            &["--pop-enabled", "--pop-claims", "u=x"],
            "`msi` has no proof-of-possession tokens",
        ),
        (&["--timeout", "-1s"], "`-1s` is not a valid timeout"),
        (&["--environment", "AzurePubicCloud"], "AzurePubicCloud"),
        (&["--token-store", "cellar"], "cellar"),
        (
            &["--redirect-url", "nonsense"],
            "`nonsense` is not a valid redirect URL",
        ),
        (
            &["--pop-enabled", "--pop-claims", "nonsense"],
            "`nonsense` are not valid proof-of-possession claims",
        ),
    ] {
        let ran = test_env.convert(&[&["--kubeconfig", "config", "-l", "msi"], flags].concat());
        assert_eq!(ran.code, 2, "{flags:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(named), "{}", ran.stderr);
    }
    let ran = run(test_env
        .aad(&["convert-kubeconfig", "--kubeconfig", "config", "-l", "msi"])
        .env("AZURE_CLI_TIMEOUT", "-1s"));
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert_eq!(test_env.read("config"), before);
}

#[test]
fn of_a_flag_that_is_repeated_the_last_counts_and_a_value_may_begin_with_a_hyphen() {
    let test_env = TestEnv::without_az();
    test_env.write("config", &user_of("azurecli", &[]));
    let ran = test_env.convert(&[
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
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let after = test_env.read("config");
    assert!(
        after.contains("AZURE_CONFIG_DIR") && after.contains("-dash"),
        "{after}"
    );
    assert!(!after.contains("/az"), "{after}");
}

#[test]
fn a_file_in_which_nothing_changes_is_not_locked() {
    let test_env = TestEnv::without_az();
    // No lock can be made beside a file with such a name.
    let shared = "s".repeat(252);
    let text = "users:\n- name: z\n  user: {token: t}\n";
    test_env.write("mine", &user_of("msi", &[]));
    test_env.write(&shared, text);
    let ran = run(test_env
        .aad(&["convert-kubeconfig", "-l", "azurecli"])
        .env("KUBECONFIG", format!("mine:{shared}")));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(test_env.read("mine").contains("azurecli"));
    assert_eq!(test_env.read(&shared), text);
}

#[test]
fn a_dry_run_shows_no_secret_however_it_is_written() {
    let test_env = TestEnv::without_az();
    test_env.write(
        "config",
        "# token: hunter1\nusers:\n- name: u # was --client-secret=hunter2\n  user:\n    exec:\n      command: kubelogin\n      args:\n      - get-token\n      # - --password\n      # - hunter3\n      - --server-id\n      - s\n      - \"--client-secret\\u003dhunter4\"\n      - --login\n      - spn\n",
    );
    let args = ["--kubeconfig", "config", "-l", "msi", "--dry-run"];
    let ran = test_env.convert(&[&args[..], &["-o", "diff"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let shown = format!("{}{}", ran.stdout, ran.stderr);
    assert!(shown.contains("+      - msi"), "{shown}");
    assert!(!shown.contains("hunter"), "{shown}");
}

#[test]
fn what_an_entry_said_before_does_not_come_back_once_it_was_changed() {
    let test_env = TestEnv::without_az();
    test_env.write(
        "config",
        &user_of("devicecode", &["--client-id", "A", "--tenant-id", "T"]),
    );
    let convert = |mode: &str| test_env.convert(&["--kubeconfig", "config", "-l", mode]);
    assert_eq!(convert("azurecli").code, 0);
    let edited = test_env
        .read("config")
        .replacen("\"server\"", "\"moved\"", 1);
    test_env.write("config", &edited);
    let ran = convert("devicecode");
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("changed since it was converted"),
        "{}",
        ran.stderr
    );
    assert_eq!(test_env.read("config"), edited);
}

#[test]
fn an_account_is_written_to_a_devicecode_entry_and_stays_in_it() {
    let test_env = TestEnv::without_az();
    let more = ["--client-id", "A", "--tenant-id", "T"];
    test_env.write("config", &user_of("devicecode", &more));
    let convert = |flags: &[&str]| {
        let ran = test_env.convert(&[&["--kubeconfig", "config"], flags].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
        test_env.read("config")
    };
    let named = convert(&["-l", "devicecode", "--login-hint", "ann@example.com"]);
    assert!(named.contains("ann@example.com"), "{named}");
    for flags in [
        &["-l", "devicecode"][..],
        &["-l", "interactive"],
        &["-l", "devicecode", "--client-id", "B"],
        &[],
    ] {
        let after = convert(flags);
        assert!(after.contains("ann@example.com"), "{flags:?}: {after}");
    }
    convert(&["-l", "azurecli"]);
    let back = convert(&["-l", "devicecode"]);
    assert!(back.contains("ann@example.com"), "{back}");
}

#[test]
fn another_kubelogins_users_are_left_alone_and_named_when_asked_for() {
    let test_env = TestEnv::without_az();
    let text = "contexts:\n- name: x\n  context: {cluster: c, user: o}\nusers:\n- name: o\n  user: {exec: {command: kubelogin, args: [get-token, --oidc-issuer-url=https://i]}}\n";
    test_env.write("config", text);
    let ran = test_env.convert(&["--kubeconfig", "config", "--context", "x"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("`o`") && ran.stderr.contains("oidc-login"));
    assert_eq!(test_env.read("config"), text);
}

#[test]
fn wrong_usage_exits_with_two_and_missing_files_with_one() {
    let test_env = TestEnv::without_az();
    test_env.write("config", &kubeconfig(1));
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
        let ran = test_env.convert(args);
        assert_eq!(ran.code, code, "{}", ran.stderr);
        assert!(ran.stderr.contains(text), "{}", ran.stderr);
    }
    let ran = test_env.convert(&[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("no kubeconfig"), "{}", ran.stderr);
    assert_eq!(test_env.names(), ["config"]);
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    let test_env = TestEnv::without_az();
    let before = kubeconfig(20);
    test_env.write("config", &before);
    // What a full disk answers to a write, this does to the file that grows beyond 1 KB.
    let script = format!(
        "trap '' XFSZ; ulimit -f 1; exec {PROGRAM} convert-kubeconfig --kubeconfig config -l msi"
    );
    let ran = run(test_env.program("/bin/sh").args(["-c", &script]));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("could not write the kubeconfig"),
        "{}",
        ran.stderr
    );
    assert_eq!(test_env.read("config"), before);
    assert_eq!(test_env.names(), ["config"]);
}

/// The same kubeconfig in `home`, converted: what a process that is not disturbed makes of it.
fn converted(test_env: &TestEnv) -> String {
    let ran = test_env.convert(&["--kubeconfig", "config", "-l", "msi", "--outfile", "-"]);
    ran.stdout
}

#[test]
fn a_killed_conversion_leaves_the_old_file_or_the_new_one() {
    let test_env = TestEnv::without_az();
    let before = kubeconfig(300);
    test_env.write("config", &before);
    let after = converted(&test_env);
    for round in 0..12_u32 {
        test_env.write("config", &before);
        let mut child = spawn(&test_env);
        // Each round a little later in its life: before, during and after the write.
        thread::sleep(std::time::Duration::from_millis(u64::from(round) * 12));
        let _ = child.kill();
        child.wait().expect("a status");
        let text = test_env.read("config");
        assert!(
            text == before || text == after,
            "neither the old file nor the new one"
        );
        // The next one removes the lock of the one that was killed, and what else it left.
        let next = test_env.convert(&["--kubeconfig", "config", "-l", "msi"]);
        assert_eq!(next.code, 0, "{}", next.stderr);
        assert_eq!(test_env.names(), ["config"]);
        assert!(test_env.read("config") == after);
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_under_the_lock_waits_for_the_write_and_leaves_no_lock() {
    let test_env = TestEnv::without_az();
    let before = kubeconfig(300);
    test_env.write("config", &before);
    let after = converted(&test_env);
    let mut child = spawn(&test_env);
    let mut runs = || child.try_wait().expect("a status").is_none();
    while !test_env.path("config.lock").exists() && runs() {
        thread::yield_now();
    }
    if runs() {
        crate::env::signal(&child, rustix::process::Signal::INT);
    }
    let status = child.wait().expect("a status");
    assert!(
        !test_env.path("config.lock").exists(),
        "{status} left its lock behind"
    );
    let text = test_env.read("config");
    assert!(text == before || text == after);
}

fn spawn(test_env: &TestEnv) -> Child {
    test_env
        .aad(&["convert-kubeconfig", "--kubeconfig", "config", "-l", "msi"])
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
    let test_env = TestEnv::without_az();
    let text = kubeconfig(CROWD)
        .replace(" # the old one", "")
        .replace(" # mine", "");
    test_env.write("config", &text);
    let busy = AtomicBool::new(true);
    let claimed = AtomicUsize::new(0);
    let set = thread::scope(|scope| {
        let contexts = scope.spawn(|| set_contexts(&test_env, kubectl, &busy));
        let crowd: Vec<_> = (0..CROWD)
            .map(|i| {
                let (test_env, claimed) = (&test_env, &claimed);
                scope.spawn(move || {
                    let ran = run(test_env
                        .program(program)
                        .args([
                            "convert-kubeconfig",
                            "--kubeconfig",
                            "config",
                            "-l",
                            "azurecli",
                        ])
                        .args(["--context", &format!("x{i}")])
                        .args(more));
                    if ran.code == 0 {
                        claimed.fetch_add(1, Ordering::SeqCst);
                    }
                    ran
                })
            })
            .collect();
        for process in crowd {
            process.join().expect("no panic");
        }
        busy.store(false, Ordering::SeqCst);
        contexts.join().expect("no panic")
    });
    let view = run(test_env.program(kubectl).args([
        "--kubeconfig",
        "config",
        "config",
        "view",
        "--raw",
        "-o",
        "json",
    ]));
    let view: Value = serde_json::from_str(&view.stdout).unwrap_or_default();
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
fn set_contexts(test_env: &TestEnv, kubectl: &Path, busy: &AtomicBool) -> Vec<String> {
    let mut set = Vec::new();
    for i in 0.. {
        if !busy.load(Ordering::SeqCst) {
            break;
        }
        let name = format!("set-{i}");
        let done = run(test_env.program(kubectl).args([
            "--kubeconfig",
            "config",
            "config",
            "set-context",
            &name,
            "--cluster=c0",
        ]));
        // kubectl gives up at once where the file is locked; only what it claims counts.
        if done.code == 0 {
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
    let ours = crowd(Path::new(PROGRAM), &kubectl, &[]);
    if let Some(kubelogin) = peer_for_more("kubelogin") {
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
