//! Each key against its flag, and which of two values counts.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use tempfile::TempDir;

use super::*;
use crate::{cli::fleet_args, error::EXIT_USAGE, login::Param, ops::config::FILE_VARIABLE};

/// A configuration file in a directory of its own.
struct File {
    directory: TempDir,
}

impl File {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("config.yaml");
        fs::write(&path, text).expect("written");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("ours");
        Self { directory }
    }

    fn host(&self, variables: &[(&str, &str)]) -> Host {
        let path = self.directory.path().join("config.yaml");
        let path = path.to_str().expect("UTF-8").to_owned();
        let mut all = vec![
            (FILE_VARIABLE.to_owned(), path),
            ("HOME".to_owned(), "/home/ann".to_owned()),
        ];
        all.extend(
            variables
                .iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned())),
        );
        Host::with_env(all)
    }

    /// What `kubectl aad` with these words is given.
    fn given(&self, words: &[&str], variables: &[(&str, &str)]) -> Result<Given> {
        given(words, &self.host(variables))
    }
}

fn given(words: &[&str], host: &Host) -> Result<Given> {
    let args: Vec<OsString> = ["kubectl-aad"]
        .iter()
        .chain(words)
        .map(OsString::from)
        .collect();
    let matches = crate::cli::parse(&args).expect("valid arguments");
    let (command, matches) = matches.subcommand().expect("a command");
    Given::read(command, matches, &args, host)
}

fn without_file(words: &[&str]) -> Given {
    given(words, &Host::with_env([(FILE_VARIABLE, "")])).expect("no file")
}

/// All values by the flags' ids.
fn values(given: &Given) -> BTreeMap<String, Vec<OsString>> {
    given
        .ids()
        .map(|id| {
            let raw = given.get_raw(id.as_str()).into_iter().flatten();
            (id.to_string(), raw.map(OsString::from).collect())
        })
        .collect()
}

/// A value that the flag takes.
fn value_of(command: &Command, arg: &Arg) -> String {
    const VALUES: [&str; 10] = [
        "true",
        "/a/path",
        "never",
        "graph",
        "json",
        "bash",
        "7d",
        "1",
        "{name}",
        "00000000-0000-0000-0000-000000000001",
    ];
    let takes = |text: &&&str| {
        let value = Value::One((**text).to_owned());
        keys::value_error(command, arg, &value).is_none()
            && (**text != "true" || keys::is_switch(arg))
    };
    let found = VALUES.iter().find(takes);
    found
        .unwrap_or_else(|| panic!("no value for {arg}"))
        .to_string()
}

#[test]
fn each_key_means_what_its_flag_means() {
    let keys = Keys::new();
    assert!(keys.commands.len() > 1);
    let mut compared = 0;
    for command in &keys.commands {
        for arg in command.get_arguments().filter(|arg| keys::is_key(arg)) {
            let key = arg.get_long().expect("a flag");
            let name = command.get_name();
            let value = value_of(command, arg);
            let by_flag = without_file(&[name, &format!("--{key}={value}")]);
            for (profile, text) in [
                ("", format!("{key}: '{value}'\n")),
                ("p", format!("profiles: {{p: {{{key}: '{value}'}}}}\n")),
            ] {
                let file = File::new(&text);
                let by_file = file
                    .given(&[name], &[("AAD_PROFILE", profile)])
                    .unwrap_or_else(|failure| panic!("{key}: {failure}"));
                assert_eq!(values(&by_file), values(&by_flag), "{name}: {text}");
                assert!(by_file.is_from_file(arg.get_id().as_str()), "{key}");
                // A command that a hint shows needs no word of what the file says.
                let typed = fleet_args::typed(name, &by_file, &[]).to_string();
                assert_eq!(typed, format!("kubectl aad {name}"), "{key}");
            }
            compared += 1;
        }
    }
    assert!(compared > 60, "{compared}");
}

#[test]
fn each_switch_can_be_turned_off_on_the_command_line() {
    let keys = Keys::new();
    let mut tried = 0;
    for command in &keys.commands {
        let switches = command
            .get_arguments()
            .filter(|arg| keys::is_key(arg) && keys::is_switch(arg));
        for arg in switches {
            let key = arg.get_long().expect("a flag");
            let file = File::new(&format!("{key}: true\n"));
            let off = format!("--{key}=false");
            // If this fails for a new flag, make it with `flags::switch`.
            let off = file.given(&[command.get_name(), &off], &[]).expect("valid");
            let id = arg.get_id().as_str();
            let raw = off.get_raw(id).into_iter().flatten().collect::<Vec<_>>();
            assert_eq!(raw, ["false"], "{key}");
            assert!(!off.is_from_file(id), "{key}");
            tried += 1;
        }
    }
    assert!(tried > 5, "{tried}");
}

#[test]
fn a_list_takes_one_value_or_several_and_a_flag_replaces_it() {
    let subscriptions = |text: &str, words: &[&str]| -> Vec<String> {
        let given = File::new(text).given(&[&["sync"], words].concat(), &[]);
        let given = given.expect("valid");
        let named = given.get_many::<String>("only-subscription");
        named.into_iter().flatten().cloned().collect()
    };
    assert_eq!(subscriptions("subscription: a\n", &[]), ["a"]);
    assert_eq!(subscriptions("subscription: [a, '-b']\n", &[]), ["a", "-b"]);
    assert_eq!(subscriptions("subscription: [a, b]\n", &["-s", "c"]), ["c"]);
    let profile =
        "subscription: [a, b]\nprofiles: {p: {subscription: [c]}, q: {subscription: []}}\n";
    assert_eq!(subscriptions(profile, &["--profile", "p"]), ["c"]);
    assert_eq!(subscriptions(profile, &["--profile", "q"]), [""; 0]);
    assert_eq!(subscriptions(profile, &["--profile", ""]), ["a", "b"]);
}

#[test]
fn what_the_command_line_says_drops_what_the_file_says_against_it() {
    let sync =
        |text: &str, words: &[&str]| File::new(text).given(&[&["sync"], words].concat(), &[]);
    let refresh = sync("max-age: 1h\n", &["--refresh"]).expect("valid");
    assert!(refresh.get_flag("refresh") && !refresh.is_from_file("max-age"));
    let directory = sync("kubeconfig: /k\n", &["--output-dir", "/d"]).expect("valid");
    assert!(!directory.contains_id("kubeconfig"));
    let file = sync("output-dir: /d\n", &["--kubeconfig", "/k"]).expect("valid");
    assert!(!file.contains_id("output-dir"));
    // Of the file's own the profile's counts, and of one part neither.
    let profile = "output-dir: /d\nprofiles: {p: {kubeconfig: /k}}\n";
    let file = sync(profile, &["--profile", "p"]).expect("valid");
    assert!(!file.contains_id("output-dir") && file.contains_id("kubeconfig"));
    let failure = sync("output-dir: /d\nkubeconfig: /k\n", &[]);
    let failure = failure.err().expect("one of them too many").render();
    assert!(
        failure.contains("config.yaml:2` can't be used with `output-dir` in"),
        "{failure}"
    );
    // `KUBECONFIG` says what kubectl reads, and a directory is written for other programs.
    let variable = [("KUBECONFIG", "/v")];
    let file = File::new("output-dir: /d\n").given(&["sync", "--prune"], &variable);
    let file = file.expect("valid");
    assert!(file.contains_id("output-dir") && file.get_flag("prune"));
    // A list command has no such directory.
    let list = File::new("output-dir: /d\nkubeconfig: /k\n").given(&["list"], &[]);
    assert!(list.expect("valid").contains_id("kubeconfig"));
}

#[test]
fn a_variable_counts_before_the_file_and_a_flag_before_both() {
    let text = "login: spn\nclient-id: file\ntenant-id: file\nkubeconfig: /file\nazure-config-dir: /file\nprofiles:\n  \
                p: {client-id: profile}\n";
    let file = File::new(text);
    let read = |words: &[&str], variables: &[(&str, &str)]| {
        let given = file
            .given(&[&["sync"], words].concat(), variables)
            .expect("valid");
        let request = fleet_args::read("sync", &given, &file.host(variables)).expect("valid");
        let client = request
            .login
            .text(Param::ClientId)
            .unwrap_or_default()
            .to_owned();
        let arm = request
            .arm_login
            .text(Param::ClientId)
            .unwrap_or_default()
            .to_owned();
        let kubeconfig = given.get_one::<PathBuf>("kubeconfig").cloned();
        assert_eq!(client, arm);
        (client, request.mode.name(), kubeconfig)
    };
    let named = |text: &str| Some(PathBuf::from(text));
    let client = ("AZURE_CLIENT_ID", "variable");
    let kubeconfig = ("KUBECONFIG", "/variable");
    let mode = ("AAD_LOGIN_METHOD", "msi");
    for (words, variables, expected) in [
        (&[][..], &[][..], ("file", "spn", named("/file"))),
        (&["--profile=p"], &[], ("profile", "spn", named("/file"))),
        (
            &["--profile=p"],
            &[client],
            ("variable", "spn", named("/file")),
        ),
        (
            &["--client-id=flag"],
            &[client],
            ("flag", "spn", named("/file")),
        ),
        (
            &["--client-id=flag", "--profile=p"],
            &[],
            ("flag", "spn", named("/file")),
        ),
        (&[], &[kubeconfig], ("file", "spn", None)),
        (
            &["--kubeconfig=/flag"],
            &[kubeconfig],
            ("file", "spn", named("/flag")),
        ),
        (&[], &[mode], ("file", "msi", named("/file"))),
        (&["--login=spn"], &[mode], ("file", "spn", named("/file"))),
        // An empty variable is none.
        (
            &[],
            &[("AZURE_CLIENT_ID", ""), ("KUBECONFIG", "")],
            ("file", "spn", named("/file")),
        ),
    ] {
        let (client, mode, kubeconfig) = read(words, variables);
        assert_eq!(
            (client.as_str(), mode, kubeconfig),
            expected,
            "{words:?} {variables:?}"
        );
    }
}

#[test]
fn a_timeout_in_the_file_is_that_of_sign_ins_and_not_that_of_each_cluster() {
    let file = File::new("timeout: 5m\n");
    let of_sign_ins = file.given(&["sync"], &[]).expect("valid");
    assert!(of_sign_ins.is_from_file("timeout"));
    for command in ["verify", "exec"] {
        let given = file.given(&[command], &[]).expect("valid");
        let timeout: Option<&Duration> = given.get_one("cluster-timeout");
        assert_ne!(timeout, Some(&Duration::from_secs(300)), "{command}");
        assert!(!given.is_from_file("cluster-timeout"), "{command}");
    }
}

#[test]
fn a_relative_path_is_relative_to_the_files_directory() {
    let file = File::new("kubeconfig: k\ncache-dir: '~/c'\n");
    let given = file.given(&["sync"], &[]).expect("valid");
    let path = given.get_one::<PathBuf>("kubeconfig").expect("given");
    assert_eq!(*path, file.directory.path().join("k"));
    let cache = given.get_one::<String>("cache-dir").expect("given");
    assert_eq!(cache, "/home/ann/c");
}

/// What a file is refused for, with `FILE` for its path.
fn refusal(text: &str, words: &[&str]) -> String {
    let file = File::new(text);
    let failure = file
        .given(words, &[])
        .err()
        .unwrap_or_else(|| panic!("{text}"));
    assert_eq!(failure.exit_code(), EXIT_USAGE);
    let path = file.directory.path().join("config.yaml");
    failure
        .render()
        .replace(&path.display().to_string(), "FILE")
}

#[test]
fn what_the_file_may_not_say_is_refused_with_its_line() {
    for (text, shown) in [
        (
            "\nsubscriptions: a\n",
            "error: unknown key `subscriptions`\ncaused by: in `FILE:2`\nhint: did you mean `subscription`? otherwise",
        ),
        ("max_age: 7d\n", "did you mean `max-age`?"),
        ("account: ann\n", "hint: use `login-hint`"),
        ("server-id: x\n", "unknown key `server-id`"),
        (
            "profile: p\n",
            "hint: choose one with `--profile` or `AAD_PROFILE`",
        ),
        (
            "dry-run: true\n",
            "error: `dry-run` can't be in the configuration file\ncaused by: it is for one run",
        ),
        ("prune: true\n", "it removes entries"),
        ("yes: true\n", "`yes` can't be in the configuration file"),
        ("force: true\n", "it is for one run"),
        ("list: true\n", "it is for one run"),
        ("print: true\n", "it is for one run"),
        ("to: 3\n", "it is for one run"),
        (
            "max-age: soon\n",
            "error: `soon` is not a value of `--max-age`\ncaused by: in `FILE:1`\nhint: give a duration",
        ),
        ("discovery: grap\n", "did you mean `graph`?"),
        ("ca-files: perhaps\n", "use `true` or `false`"),
        (
            "ca-files: [true]\n",
            "`ca-files` takes one value, not a list",
        ),
        ("login: [a]\n", "`login` takes one value, not a list"),
        ("concurrency: 1000\n", "give a number from 1 to 256"),
        ("profiles:\n  p:\n    concurrency: 0\n", "in `FILE:3`"),
        (
            "client-secret: hunter2\n",
            "error: `client-secret` is a secret, which no file may hold\ncaused by: in `FILE:1`\nhint: set the variable `AZURE_CLIENT_SECRET` instead",
        ),
        ("arm-password: hunter2\n", "`AZURE_PASSWORD`"),
        ("clientsecrethunter2: x\n", "unknown key `clientsecret…`"),
    ] {
        let shown_now = refusal(text, &["sync"]);
        assert!(shown_now.contains(shown), "{text}: {shown_now}");
        assert!(!shown_now.contains("hunter2"), "{shown_now}");
    }
    for flag in PARAMS_OF_SECRETS {
        let shown = refusal(&format!("{flag}: hunter2\n"), &["list"]);
        assert!(
            shown.contains("is a secret") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
    let profiles = "profiles: {work: {}, home: {}}\n";
    let shown = refusal(profiles, &["sync", "--profile", "wrk"]);
    assert!(
        shown.contains(
            "no profile `wrk`\nhint: did you mean `work`? otherwise use one of `work`, `home`"
        ),
        "{shown}"
    );
    let failure = given(
        &["sync", "--profile", "p"],
        &Host::with_env([("HOME", "/nowhere")]),
    );
    let shown = failure.err().expect("no file").render();
    assert!(
        shown.contains("create `/nowhere/.config/kubectl-aad/config.yaml`"),
        "{shown}"
    );
}

const PARAMS_OF_SECRETS: [&str; 6] = [
    "client-secret",
    "client-certificate-password",
    "password",
    "arm-client-secret",
    "arm-client-certificate-password",
    "arm-password",
];

#[test]
fn messages_name_the_place_in_the_file() {
    let shown = |text: &str, words: &[&str]| {
        let file = File::new(text);
        let given = file.given(words, &[]).expect("valid");
        let path = file.directory.path().join("config.yaml");
        let said = match fleet_args::read("sync", &given, &file.host(&[])) {
            Ok(request) => request
                .unused_flags()
                .into_iter()
                .map(|(given, mode)| format!("{given} / {mode}\n"))
                .collect(),
            Err(failure) => given.blame(failure).render(),
        };
        said.replace(&path.display().to_string(), "FILE")
    };
    let sync = ["sync"];
    for (text, words, expected) in [
        (
            "login: azurcli\n",
            &sync[..],
            "caused by: it is the value of `login` in `FILE:1`",
        ),
        (
            "arm-login: azurcli\n",
            &sync,
            "caused by: it is the value of `arm-login` in `FILE:1`",
        ),
        (
            "authority-host: x\nlogin: spn\n",
            &sync,
            "`authority-host` in `FILE:1`",
        ),
        ("environment: Mars\n", &sync, "`environment` in `FILE:1`"),
        ("login: msi\nlegacy: true\n", &sync, ""),
        (
            "login: msi\nlogin-hint: ann\n",
            &sync,
            "`login-hint` in `FILE:2` / `login: msi`\n",
        ),
        (
            "login: msi\n",
            &["sync", "--login-hint=ann"],
            "`--login-hint` / `login: msi`\n",
        ),
        (
            "login: msi\narm-login: spn\nclient-certificate: /c\n",
            &sync,
            "error: `client-certificate` in `FILE:3` has no effect with `login: msi`\nhint: for `arm-login: spn`, use `arm-client-certificate`",
        ),
        ("azure-config-dir: /a\nlogin: msi\n", &sync, ""),
    ] {
        let said = shown(text, words);
        assert!(said.contains(expected), "{text}: {said}");
    }
    // A value for another mode of the same file is no mistake.
    for (text, words) in [
        ("login-hint: ann\n", &["sync", "--login=msi"][..]),
        (
            "login-hint: ann\nprofiles: {p: {login: msi}}\n",
            &["sync", "--profile=p"],
        ),
        ("azure-config-dir: /a\n", &["sync", "--login=msi"]),
    ] {
        assert_eq!(shown(text, words), "", "{text}");
    }
}
