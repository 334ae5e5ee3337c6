//! The configuration file: it counts for the fleet commands and for no other, and nobody else may write to it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::PathBuf,
};

use kubectl_aad::{cli, internals::PARAMS};

use crate::env::{CLOUD, INTERACTIVE, NON_INTERACTIVE, TestEnv, names, run};
use crate::support::repository;

/// Writes the configuration file where it is looked for.
fn write(test_env: &TestEnv, text: &str) -> PathBuf {
    let directory = test_env.path(".config/kubectl-aad");
    fs::create_dir_all(&directory).expect("made");
    let path = directory.join("config.yaml");
    fs::write(&path, text).expect("written");
    for (path, mode) in [(&directory, 0o700), (&path, 0o600)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
    }
    path
}

#[test]
fn a_sync_does_what_the_file_says_as_if_by_flags() {
    let test_env = TestEnv::new();
    let written = |file: &str, words: &[&str]| {
        write(&test_env, &format!("environment: {CLOUD}\n{file}"));
        let ran = run(&mut test_env.aad(&[&["sync", "--no-warm"], words].concat()));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let directory = test_env.path("k");
        let files = names(&directory);
        let text = fs::read_to_string(directory.join("config")).expect("written");
        fs::remove_dir_all(directory).expect("ours");
        (text, files, ran.stdout)
    };
    let by_file = written(
        "kubeconfig: ~/k/config\nca-files: true\noutput: name\nlogin: devicecode\narm-login: azurecli\nlogin-hint: ann@example.com\n\
         timeout: 90s\ncache-dir: ~/cache\n",
        &[],
    );
    let by_flags = written(
        "",
        &[
            "--kubeconfig=~/k/config",
            "--ca-files",
            "-oname",
            "-ldevicecode",
            "--arm-login=azurecli",
            "--login-hint=ann@example.com",
            "--timeout=90s",
            "--cache-dir=~/cache",
        ],
    );
    assert_eq!(by_file, by_flags);
    assert!(by_file.0.contains("ann@example.com"), "{}", by_file.0);
    assert_eq!(by_file.1, ["config", "config.aad-ca"]);
}

#[test]
fn a_file_that_another_user_may_write_to_is_refused_and_nothing_is_asked() {
    let test_env = TestEnv::new();
    let path = write(&test_env, &format!("environment: {CLOUD}\n"));
    let directory = path.parent().expect("a directory").to_owned();
    let mode = |path: &PathBuf, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
    };
    for (of_file, of_directory, named) in [
        (0o666, 0o700, &path),
        (0o660, 0o700, &path),
        (0o600, 0o770, &directory),
        (0o600, 0o777, &directory),
    ] {
        mode(&path, of_file);
        mode(&directory, of_directory);
        for command in ["sync", "list"] {
            let ran = run(&mut test_env.aad(&[command]));
            assert_eq!(ran.code, 2, "{}", ran.stderr);
            let shown = format!("other users may write to `{}`", named.display());
            assert!(ran.stderr.contains(&shown), "{}", ran.stderr);
            let advice = format!("`chmod go-w {}`", named.display());
            assert!(ran.stderr.contains(&advice), "{}", ran.stderr);
        }
    }
    assert_eq!(test_env.simulator.requests().len(), 0);
    mode(&path, 0o600);
    mode(&directory, 0o700);
    assert_eq!(run(&mut test_env.aad(&["list"])).code, 0);
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_unless_it_is_turned_off() {
    let test_env = TestEnv::new();
    let path = write(&test_env, "");
    let refused = |what: &str, shown: &str| {
        let ran = run(&mut test_env.aad(&["list"]));
        assert_eq!(ran.code, 2, "{what}: {}", ran.stderr);
        assert!(ran.stderr.contains(shown), "{what}: {}", ran.stderr);
        for off in ["", "/dev/null"] {
            let ran = run(test_env.aad(&["list", "-e", CLOUD]).env("AAD_CONFIG", off));
            assert_eq!(ran.code, 0, "{what}: {}", ran.stderr);
        }
    };
    fs::write(&path, b"login: \xff\n").expect("written");
    refused("bytes", "it is not UTF-8 text");
    fs::write(&path, "a".repeat((1 << 20) + 1)).expect("written");
    refused("large", "it is larger than 1 MiB");
    fs::write(&path, "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n").expect("written");
    refused("a bomb", "is an alias, which is not supported");
    fs::remove_file(&path).expect("ours");
    symlink("nowhere", &path).expect("linked");
    refused(
        "a link",
        "it is a symbolic link to `nowhere`, which does not exist",
    );
    fs::remove_file(&path).expect("ours");
    fs::create_dir(&path).expect("made");
    refused("a directory", "it is a directory");
    fs::remove_dir(&path).expect("ours");
    assert_eq!(run(&mut test_env.aad(&["list", "-e", CLOUD])).code, 0);
    // A file that is named must exist.
    let mut named = test_env.aad(&["list", "-e", CLOUD]);
    let ran = run(named.env("AAD_CONFIG", test_env.path("missing.yaml")));
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("there is no such file"),
        "{}",
        ran.stderr
    );
    let mine = test_env.write(
        "mine.yaml",
        &format!("profiles: {{sim: {{environment: {CLOUD}}}}}\n"),
    );
    fs::set_permissions(&mine, fs::Permissions::from_mode(0o600)).expect("ours");
    let mut named = test_env.aad(&["list", "-o", "name"]);
    let ran = run(named.env("AAD_CONFIG", &mine).env("AAD_PROFILE", "sim"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn commands_that_stand_in_for_kubelogin_do_not_read_it() {
    let test_env = TestEnv::new();
    let ran = run(&mut test_env.aad(&["sync", "-e", CLOUD]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let path = write(&test_env, "broken: [\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("ours");
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    for variables in [&[secret, INTERACTIVE][..], &[secret, NON_INTERACTIVE]] {
        let mut command = test_env.get_token_command(&test_env.spn_args(&[]), variables);
        let ran = run(command.env("AAD_PROFILE", "none"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    for words in [
        &["convert-kubeconfig", "-l", "azurecli"][..],
        &["cache", "list"],
        &["version"],
    ] {
        let ran = run(test_env.aad(words).env("AAD_PROFILE", "none"));
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.stderr);
    }
    let ran = run(&mut test_env.aad(&["list"]));
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}

#[test]
fn prune_and_undo_find_what_sync_wrote_where_the_file_says() {
    let test_env = TestEnv::new();
    write(
        &test_env,
        &format!(
            "environment: {CLOUD}\nkubeconfig: ~/k/config\noutput: json\nprofiles: {{other: {{kubeconfig: ~/other}}}}\n"
        ),
    );
    let done = |words: &[&str]| {
        let ran = run(&mut test_env.aad(words));
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.stderr);
        ran
    };
    done(&["sync", "--no-warm"]);
    let synced = fs::read_to_string(test_env.path("k/config")).expect("written");
    done(&["sync", "--no-warm", "--profile", "other"]);
    test_env.simulator.update(|fleet| fleet.clusters.clear());
    done(&["prune", "--yes"]);
    let left = fs::read_to_string(test_env.path("k/config")).expect("kept");
    assert!(
        synced.contains("armId") && !left.contains("armId"),
        "{left}"
    );
    let undone = done(&["undo"]).json(0);
    assert_eq!(undone["command"], "prune");
    let text = fs::read_to_string(test_env.path("k/config")).expect("there");
    assert_eq!(text, synced);
    assert_eq!(
        done(&["undo", "--profile", "other"]).json(0)["command"],
        "sync"
    );
    assert!(!test_env.path("other").exists());
    // Where the variable leads, nothing was written.
    let ran = run(test_env
        .aad(&["undo"])
        .env("KUBECONFIG", test_env.path("variable")));
    ran.assert_fails(1, &["no write of", "/variable"]);
}

#[test]
fn a_sync_prunes_the_directory_that_the_file_names() {
    let test_env = TestEnv::new();
    write(
        &test_env,
        &format!("environment: {CLOUD}\noutput-dir: ~/fleet\n"),
    );
    let sync = |words: &[&str]| {
        let words = [&["sync", "--no-warm", "-o", "name"], words].concat();
        // It says what kubectl reads, which is another matter.
        run(test_env
            .aad(&words)
            .env("KUBECONFIG", test_env.path("variable")))
    };
    let first = sync(&[]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    let written = names(&test_env.path("fleet"));
    assert!(!written.is_empty());
    let pruned = sync(&["--prune", "--yes"]);
    assert_eq!(pruned.code, 0, "{}", pruned.stderr);
    assert_eq!(names(&test_env.path("fleet")), written);
    assert!(!test_env.path("variable").exists());
}

/// Set to write the schema in place of comparing it.
const WRITE: &str = "AAD_WRITE_REFERENCE";

#[test]
fn the_schema_in_the_reference_is_up_to_date_and_has_no_secret() {
    let path = repository().join("docs/reference/config.schema.json");
    let schema = cli::config_schema();
    let text = format!("{schema:#}\n");
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, &text).expect("written");
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == text,
        "it is stale: `{WRITE}=1 cargo test --test it -- reference`"
    );
    for properties in ["/properties", "/definitions/profile/properties"] {
        let keys = schema.pointer(properties).and_then(|keys| keys.as_object());
        let keys = keys.expect("keys");
        assert!(keys.contains_key("login") && keys.contains_key("max-age"));
        let secrets = PARAMS.iter().filter(|row| row.secret);
        for flag in secrets
            .flat_map(|row| [Some(row.flag), row.arm_flag])
            .flatten()
        {
            assert!(!keys.contains_key(flag), "{flag}");
        }
        for (key, property) in keys {
            let described = property["description"]
                .as_str()
                .is_some_and(|it| it.len() > 5);
            assert!(described, "{key}");
        }
    }
}

#[test]
fn each_value_is_shown_with_where_it_comes_from() {
    let test_env = TestEnv::new();
    let view = |words: &[&str], variables: &[(&str, &str)]| {
        let mut command = test_env.aad(&[&["config", "view"], words].concat());
        // Of the simulator, whose ports differ.
        command.env_remove("AZURE_CONFIG_DIR");
        let ran = run(command.envs(variables.iter().copied()));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(!ran.stdout.contains("hunter2"), "{}", ran.stdout);
        ran
    };
    let none = view(&[], &[]);
    let advice =
        "to make one, write flags that you always use to `~/.config/kubectl-aad/config.yaml`";
    assert!(
        none.stderr.replace("\n", " ").contains(advice),
        "{}",
        none.stderr
    );
    write(
        &test_env,
        "login: spn\nclient-id: from-file\nsubscription: [a, b]\nca-files: true\nmax-age: 1d\nprofiles:\n  work:\n    \
         login: devicecode\n    tenant-id: contoso.example\n",
    );
    let variables = [
        ("AZURE_CLIENT_SECRET", "hunter2"),
        ("AZURE_CLIENT_ID", "from-variable"),
    ];
    let shown = view(&["-o", "json", "sync", "--max-age", "2h"], &variables);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).expect("JSON");
    let values = shown["values"].as_array().expect("values");
    let of = |key: &str| values.iter().find(|row| row["key"] == key).cloned();
    let expected = serde_json::json!([
        {"key": "login", "value": "spn", "from": "file", "line": 1, "profile": null},
        {"key": "client-id", "value": "from-variable", "from": "variable", "variable": "AZURE_CLIENT_ID"},
        {"key": "client-secret", "value": null, "from": "variable", "variable": "AZURE_CLIENT_SECRET"},
        {"key": "subscription", "value": ["a", "b"], "from": "file", "line": 3, "profile": null},
        {"key": "ca-files", "value": true, "from": "file", "line": 4, "profile": null},
        {"key": "max-age", "value": "2h", "from": "flag"},
        {"key": "wait", "value": "always", "from": "default"},
    ]);
    for row in expected.as_array().expect("rows") {
        assert_eq!(of(row["key"].as_str().expect("a key")).as_ref(), Some(row));
    }
    assert_eq!(of("tenant-id"), None);
    let unused = view(
        &["-o", "json", "prune", "-l", "msi", "--login-hint", "ann"],
        &[],
    );
    let unused: serde_json::Value = serde_json::from_str(&unused.stdout).expect("JSON");
    let rows = unused["values"].as_array().expect("values");
    let by: Vec<_> = rows
        .iter()
        .filter_map(|row| Some((row["key"].as_str()?, row["unusedBy"].as_str()?)))
        .collect();
    assert_eq!(by, [("login-hint", "msi")]);
    let undo = view(&["-o", "name", "undo", "--kubeconfig", "k"], &[]);
    assert_eq!(undo.stdout, "output\nkubeconfig\n");
    let profile = view(&["--profile", "work", "-o", "yaml"], &[]);
    assert!(
        profile.stdout.contains("profile: work"),
        "{}",
        profile.stdout
    );
    assert!(
        profile.stdout.contains("contoso.example"),
        "{}",
        profile.stdout
    );
    // Of both formats the command's own is for the view.
    assert!(view(&["sync", "-o", "json"], &[]).stdout.starts_with('{'));
    let off = view(&[], &[("AAD_CONFIG", "")]);
    assert!(
        off.stderr.contains("`AAD_CONFIG` turns it off"),
        "{}",
        off.stderr
    );
    for (words, shown) in [
        (
            &["get-token"][..],
            "`get-token` does not read the configuration file",
        ),
        (&["--login", "spn"], "flags go after the command"),
        (&["sync", "--nonsense"], "unknown flag `--nonsense`"),
        (&["synk"], "did you mean `sync`?"),
        (&["--profile", "wrk"], "did you mean `work`?"),
    ] {
        let ran = run(&mut test_env.aad(&[&["config", "view"], words].concat()));
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(shown), "{}", ran.stderr);
    }
}
