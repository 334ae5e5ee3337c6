use super::exec::{API_VERSION, API_VERSION_V1, KUBELOGIN_HINT};
use super::{exec::INSTALL_HINT, *};
use crate::host::Host;
use crate::login::{MODES, Takes};
use proptest::prelude::*;
use serde_json::json;

fn request(flags: &[(Param, &str)]) -> Request {
    request_with(flags, &[]).expect("valid flags")
}

fn request_with(flags: &[(Param, &str)], env: &[(&str, &str)]) -> Result<Request> {
    let mut given = Settings::new();
    for (param, text) in flags {
        given.set(*param, *text, Origin::Flag);
    }
    let host = Host::with_env(env.iter().copied());
    Request::new(given, &host, EXEC_COMMAND, None, false)
}

fn exec_user(args: &[&str]) -> Value {
    json!({"exec": {
        "apiVersion": API_VERSION,
        "args": args,
        "command": "kubelogin",
        "env": null,
        "provideClusterInfo": false,
    }})
}

fn run(user: &Value, request: &Request) -> Result<Converted> {
    let source = Source::of(user).expect("convertible");
    convert(
        user.as_object().expect("a map"),
        &source,
        &Around::default(),
        request,
    )
}

fn args(user: &Map<String, Value>) -> Vec<&str> {
    let args = user["exec"]["args"].as_array().expect("a list").iter();
    args.map(|arg| arg.as_str().expect("a string")).collect()
}

const DEVICE: [&str; 11] = [
    "get-token",
    "--login",
    "devicecode",
    "--server-id",
    "s",
    "--client-id",
    "c",
    "--tenant-id",
    "t",
    "--environment",
    "AzureChinaCloud",
];

#[test]
fn an_auth_provider_becomes_an_exec_entry() {
    let user = json!({"auth-provider": {"name": "azure", "config": {
        "apiserver-id": "s", "client-id": "c", "tenant-id": "t", "environment": "AzurePublicCloud",
    }}});
    let converted = run(&user, &request(&[])).expect("converted");
    assert!(!converted.user.contains_key("auth-provider"));
    assert_eq!(
        args(&converted.user),
        [
            "get-token",
            "--login",
            "devicecode",
            "--server-id",
            "s",
            "--client-id",
            "c",
            "--tenant-id",
            "t",
            "--environment",
            "AzurePublicCloud",
            "--legacy"
        ]
    );
    assert_eq!(converted.user["exec"]["command"], "kubectl-aad");
}

#[test]
fn a_variable_replaces_the_value_of_a_flag_that_was_given_and_of_no_other() {
    let env = [
        ("AZURE_CLIENT_ID", "variable"),
        ("AZURE_TENANT_ID", "variable"),
    ];
    let request = request_with(&[(Param::ClientId, "flag")], &env).expect("valid flags");
    let converted = run(&exec_user(&DEVICE), &request).expect("converted");
    let args = args(&converted.user);
    assert!(args.contains(&"variable") && !args.contains(&"flag") && args.contains(&"t"));
}

#[test]
fn what_the_entry_says_beyond_the_sign_in_survives() {
    let mut user = exec_user(&DEVICE);
    user["exec"]["env"] = json!([{"name": "HTTPS_PROXY", "value": "p"}]);
    user["exec"]["interactiveMode"] = json!("IfAvailable");
    user["exec"]["provideClusterInfo"] = json!(true);
    user["exec"]["x-new"] = json!(1);
    user["as"] = json!("somebody");
    let mut request = request(&[(Param::Login, "azurecli")]);
    request.azure_config_dir = Some("/az".to_owned());
    let converted = run(&user, &request).expect("converted").user;
    let exec = &converted["exec"];
    assert_eq!(
        exec["env"],
        json!([{"name": "HTTPS_PROXY", "value": "p"}, {"name": "AZURE_CONFIG_DIR", "value": "/az"}])
    );
    assert_eq!(exec["interactiveMode"], "IfAvailable");
    assert_eq!(
        (&exec["provideClusterInfo"], &exec["x-new"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(converted["as"], "somebody");
}

#[test]
fn an_install_hint_names_the_plugin_of_its_entry() {
    let hint_after = |hint: &str, plugin: &str| {
        let mut user = exec_user(&DEVICE);
        user["exec"]["installHint"] = json!(hint);
        let mut request = request(&[]);
        request.exec_command = plugin.to_owned();
        let converted = run(&user, &request).expect("converted").user;
        converted["exec"]["installHint"].clone()
    };
    let own = "ask the platform team";
    for (plugin, theirs) in [(EXEC_COMMAND, KUBELOGIN_HINT), ("kubelogin", INSTALL_HINT)] {
        let written = hint_after("", plugin);
        assert_eq!(hint_after(theirs, plugin), written, "{plugin}");
        assert_eq!(hint_after(own, plugin), own, "{plugin}");
    }
}

#[test]
fn an_entry_that_may_not_ask_may_when_its_new_mode_has_to() {
    let mut user = exec_user(&["get-token", "--login", "azurecli", "--server-id", "s"]);
    user["exec"]["interactiveMode"] = json!("Never");
    let flags = [
        (Param::Login, "devicecode"),
        (Param::ClientId, "c"),
        (Param::TenantId, "t"),
    ];
    let there = run(&user, &request(&flags)).expect("converted").user;
    assert_eq!(there["exec"]["interactiveMode"], "IfAvailable");
    let there = Value::Object(there);
    let back = run(&there, &request(&[(Param::Login, "azurecli")]))
        .expect("converted")
        .user;
    assert_eq!(back["exec"]["interactiveMode"], "Never");
}

#[test]
fn what_sync_wrote_keeps_its_meaning_in_its_mode_and_nowhere_else() {
    let flag = "--env-secrets-only";
    let entry = [
        "get-token",
        "--login",
        "spn",
        "--server-id",
        "s",
        "--client-id",
        "c",
        "--tenant-id",
        "t",
        "--env-secrets-only",
    ];
    let user = exec_user(&entry);
    let to = |user: &Value, mode| {
        let converted = run(user, &request(&[(Param::Login, mode)])).expect("converted");
        assert!(converted.notes.is_empty(), "{:?}", converted.notes);
        Value::Object(converted.user)
    };
    let has = |user: &Value| args(user.as_object().expect("a map")).contains(&flag);
    assert!(has(&to(&user, "spn")));
    let there = to(&user, "azurecli");
    assert!(!has(&there));
    let back = to(&there, "spn");
    assert_eq!(args(back.as_object().expect("a map")), entry);
    // A flag of a way back is no reason to lose it.
    let named = [(Param::Login, "spn"), (Param::ClientId, "d")];
    let back = run(&there, &request(&named)).expect("converted").user;
    assert!(args(&back).contains(&flag));
    // What is typed is written, and not what the shell has for another purpose.
    let typed = [(Param::Login, "spn"), (Param::TenantId, "typed")];
    let shell = [("AZURE_TENANT_ID", "foreign")];
    let foreign = request_with(&typed, &shell).expect("valid");
    for user in [&user, &there] {
        let converted = run(user, &foreign).expect("converted").user;
        let written = args(&converted);
        assert!(
            written.contains(&"typed") && written.contains(&flag),
            "{written:?}"
        );
    }
    // Azure's plugin does not know it.
    for user in [&user, &there] {
        let mut given = Settings::new();
        given.set(Param::Login, "spn", Origin::Flag);
        let host = Host::with_env::<&str, &str>([]);
        let request = Request::new(given, &host, "kubelogin", None, false).expect("valid");
        let converted = run(user, &request).expect("converted").user;
        assert!(!args(&converted).contains(&flag));
    }
}

#[test]
fn azures_plugin_is_not_given_the_empty_variables_that_az_fails_with() {
    let mut user = exec_user(&["get-token", "--login", "azurecli", "--server-id", "s"]);
    let host = Host::with_env::<&str, &str>([]);
    let to = |user: &Value, command| {
        let request = Request::new(Settings::new(), &host, command, None, true).expect("valid");
        run(user, &request).expect("converted").user["exec"]["env"].clone()
    };
    let empty = json!({"name": "AZURE_CONFIG_DIR", "value": ""});
    let cloud = json!({"name": "AZURE_CLOUD_NAME", "value": "AzureCloud"});
    let own = json!({"name": "A", "value": ""});
    user["exec"]["env"] = json!([empty, cloud, own]);
    assert_eq!(to(&user, EXEC_COMMAND), user["exec"]["env"]);
    assert_eq!(to(&user, "kubelogin"), json!([cloud, own]));
    user["exec"]["env"] = json!([empty]);
    assert_eq!(to(&user, "kubelogin"), Value::Null);
}

#[test]
fn a_missing_parameter_is_named() {
    let user = exec_user(&["get-token", "--login", "azurecli", "--server-id", "s"]);
    let failure = run(&user, &request(&[(Param::Login, "devicecode")]))
        .err()
        .expect("no client");
    assert_eq!(
        failure.render(),
        "error: `--client-id` and `--tenant-id` are required\n\
         caused by: `devicecode` needs them and the entry does not have them\n\
         caused by: AKS's public client is the default only for AKS's own server application, which `s` is not\n\
         hint: add `--client-id ID --tenant-id ID`\n"
    );
    let user = exec_user(&["get-token"]);
    let failure = run(&user, &request(&[(Param::Login, "msi")]))
        .err()
        .expect("no server");
    assert!(failure.render().contains("`--server-id` is required"));
}

#[test]
fn claims_are_made_from_the_arm_id_where_it_is_known() {
    let request = request(&[(Param::Login, "spn"), (Param::PopEnabled, "true")]);
    let user = exec_user(&DEVICE);
    let source = Source::of(&user).expect("convertible");
    let map = user.as_object().expect("a map");
    let around = Around {
        arm_id: Some("/sub/a"),
        ..Around::default()
    };
    let converted = convert(map, &source, &around, &request).expect("converted");
    assert!(
        args(&converted.user)
            .windows(2)
            .any(|w| w == ["--pop-claims", "u=/sub/a"])
    );
    assert!(convert(map, &source, &Around::default(), &request).is_err());
    assert!(request_with(&[(Param::PopClaims, "u=x")], &[]).is_err());
}

#[test]
fn two_clusters_of_one_user_name_no_arm_id() {
    let item =
        |id: &str| json!({"extensions": [{"name": "kubectl-aad", "extension": {"armId": id}}]});
    let (a, a2, b) = (item("/A"), item("/a"), item("/b"));
    assert_eq!(arm_id([&a, &json!({}), &a2].into_iter()), Some("/a"));
    assert_eq!(arm_id([&a, &b].into_iter()), None);
}

#[test]
fn only_users_of_azures_plugin_and_ours_are_converted() {
    let exec = |command: &str, args: &[&str]| json!({"exec": {"command": command, "args": args}});
    for (user, standing) in [
        (exec("kubelogin", &["get-token"]), PluginKind::Convertible),
        (
            exec("/opt/Kubelogin.exe", &["get-token"]),
            PluginKind::Convertible,
        ),
        (exec("kubectl-aad", &["get-token"]), PluginKind::Convertible),
        (
            exec(r"C:\bin\kubectl-aad.exe", &["get-token"]),
            PluginKind::Convertible,
        ),
        (
            exec("kubectl", &["aad", "get-token"]),
            PluginKind::Convertible,
        ),
        (
            json!({"auth-provider": {"name": "azure"}}),
            PluginKind::Convertible,
        ),
        (
            exec("kubelogin", &["get-token", "--oidc-issuer-url=https://x"]),
            PluginKind::OidcLogin,
        ),
        (
            exec("kubectl", &["oidc-login", "get-token"]),
            PluginKind::OidcLogin,
        ),
        (exec("aws", &["eks", "get-token"]), PluginKind::Foreign),
        (
            json!({"auth-provider": {"name": "gcp"}}),
            PluginKind::Foreign,
        ),
        (json!({"token": "t"}), PluginKind::Foreign),
        (json!(null), PluginKind::Foreign),
        (json!({"exec": "kubelogin"}), PluginKind::Foreign),
    ] {
        assert_eq!(PluginKind::of(&user), standing, "{user}");
    }
}

#[test]
fn a_secret_of_the_entry_goes_with_its_mode_and_is_not_passed_over_in_silence() {
    let mut all = DEVICE.to_vec();
    all[2] = "spn";
    all.extend(["--client-secret", "hunter2"]);
    let converted = run(&exec_user(&all), &request(&[(Param::Login, "msi")])).expect("converted");
    let notes = converted.notes.join("\n");
    assert!(notes.contains("`--client-secret`"), "{notes}");
    assert!(!format!("{notes}{}", Value::Object(converted.user)).contains("hunter2"));
    // In its own mode it is what the entry signs in with.
    let converted = run(&exec_user(&all), &request(&[(Param::Login, "spn")])).expect("converted");
    let notes = converted.notes.join("\n");
    assert!(notes.contains("`--client-secret` stays"), "{notes}");
    assert!(notes.contains("`AZURE_CLIENT_SECRET`") && !notes.contains("hunter2"));
    assert_eq!(args(&converted.user), all);
}

#[test]
fn an_entry_in_the_wanted_mode_keeps_what_no_flag_names() {
    let entries: [&[&str]; 5] = [
        &[
            "get-token",
            "--login",
            "msi",
            "--server-id",
            "s",
            "--client-id",
            "c",
            "--timeout",
            "9s",
        ],
        &[
            "get-token",
            "--login",
            "azurecli",
            "--server-id",
            "s",
            "--tenant-id",
            "t",
            "--subscription",
            "u",
        ],
        &[
            "get-token",
            "-l",
            "spn",
            "--client-certificate=/c.pem",
            "--server-id",
            "s",
            "--v=5",
        ],
        &[
            "get-token",
            "--login",
            "spn",
            "--use-azurerm-env-vars",
            "--legacy=false",
        ],
        &["get-token", "--server-id", "s"],
    ];
    for all in entries {
        let user = exec_user(all);
        let mode = Source::of(&user).expect("convertible").mode.name();
        for flags in [&[(Param::Login, mode)][..], &[]] {
            let converted = run(&user, &request(flags)).expect("converted");
            assert_eq!(args(&converted.user), all);
            assert_eq!(converted.user["exec"]["command"], "kubectl-aad");
        }
    }
    let flags = [(Param::Login, "msi"), (Param::IdentityResourceId, "/r")];
    let converted = run(&exec_user(entries[0]), &request(&flags)).expect("converted");
    assert_eq!(
        args(&converted.user),
        [
            "get-token",
            "--login",
            "msi",
            "--server-id",
            "s",
            "--identity-resource-id",
            "/r",
            "--timeout",
            "9s"
        ]
    );
    let flags = [(Param::Login, "spn"), (Param::ClientSecret, "x")];
    let converted = run(&exec_user(entries[2]), &request(&flags)).expect("converted");
    assert_eq!(
        args(&converted.user),
        [
            "get-token",
            "--login",
            "spn",
            "--server-id",
            "s",
            "--client-secret",
            "x",
            "--v=5"
        ]
    );
    let through_kubectl =
        json!({"exec": {"command": "kubectl", "args": ["aad", "get-token", "--server-id", "s"]}});
    let converted = run(&through_kubectl, &request(&[])).expect("converted");
    assert_eq!(args(&converted.user), ["get-token", "--server-id", "s"]);
}

#[test]
fn without_a_mode_each_entry_keeps_its_own_and_a_variable_may_name_one() {
    let user = exec_user(&["get-token", "--login", "azurecli", "--server-id", "s"]);
    let env = [("AAD_LOGIN_METHOD", "msi")];
    let by_variable = request_with(&[], &env).expect("valid");
    assert_eq!(by_variable.mode(), Some(LoginMode::Msi));
    let converted = run(&user, &by_variable).expect("converted");
    assert_eq!(args(&converted.user)[2], "msi");
    let kept = Request::new(
        Settings::new(),
        &Host::with_env(env),
        EXEC_COMMAND,
        None,
        true,
    );
    let converted = run(&user, &kept.expect("valid")).expect("converted");
    assert_eq!(
        args(&converted.user),
        ["get-token", "--login", "azurecli", "--server-id", "s"]
    );
    let unknown = exec_user(&["get-token", "--login", "pigeon"]);
    assert!(run(&unknown, &request(&[])).is_err());
    // A flag that only some modes have is reported for the others.
    let request = request(&[(Param::Username, "u")]);
    let converted = run(&user, &request).expect("converted");
    assert!(
        converted
            .notes
            .join("")
            .contains("`--username` has no effect with `--login azurecli`")
    );
}

#[test]
fn what_an_entry_said_before_counts_while_it_is_as_the_conversion_left_it() {
    let there = |user: &Value| {
        let converted = run(user, &request(&[(Param::Login, "azurecli")]));
        Value::Object(converted.expect("converted").user)
    };
    let back = |user: &Value| run(user, &request(&[(Param::Login, "devicecode")]));
    let away = there(&exec_user(&DEVICE));
    let converted = back(&away).expect("remembered").user;
    assert_eq!(args(&converted), DEVICE);

    // What kubectl does when it writes the file, and another plugin's name, change nothing.
    let mut same = away.clone();
    same["exec"]["env"] = Value::Null;
    same["exec"]["interactiveMode"] = json!("IfAvailable");
    same["exec"]["command"] = json!("kubelogin");
    assert!(back(&same).is_ok());

    let edits: [fn(&mut Value); 4] = [
        |exec| exec["args"][4] = json!("another server"),
        |exec| {
            exec["args"]
                .as_array_mut()
                .expect("a list")
                .extend([json!("--tenant-id"), json!("t2")])
        },
        |exec| exec["env"] = json!([{"name": "AZURE_CONFIG_DIR", "value": "/other"}]),
        |exec| exec["interactiveMode"] = json!("Never"),
    ];
    for edit in edits {
        let mut edited = away.clone();
        edit(&mut edited["exec"]);
        let failure = back(&edited).err().expect("`--client-id` is not known");
        assert!(
            failure.render().contains("changed since it was converted"),
            "{}",
            failure.render()
        );
        // Nor does a conversion make old news of it again.
        let other = run(&edited, &request(&[(Param::Login, "msi")])).expect("converted");
        assert!(back(&Value::Object(other.user)).is_err());
    }
}

#[test]
fn a_secret_that_is_written_and_a_flag_without_effect_are_reported() {
    let notes = request(&[
        (Param::Login, "spn"),
        (Param::ClientSecret, "hunter2"),
        (Param::Username, "u"),
    ])
    .notes();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes.iter().any(|n| n.contains("`AZURE_CLIENT_SECRET`")));
    assert!(
        notes
            .iter()
            .any(|n| n.contains("`--username` has no effect with `--login spn`"))
    );
    assert!(!notes.join("").contains("hunter2"));
}

/// A few flags, also such as contradict each other.
fn any_flags() -> impl Strategy<Value = Settings> {
    let flag = prop::sample::select(PARAMS.iter().collect::<Vec<_>>()).prop_flat_map(|row| {
        let text = match (row.takes, row.param) {
            (Takes::Nothing, _) => prop::sample::select(vec!["true", "false"]).boxed(),
            (_, Param::AuthorityHost) => Just("https://other.example/").boxed(),
            (_, Param::Timeout) => Just("7s").boxed(),
            (_, Param::PopClaims) => Just("u=y").boxed(),
            _ => prop::sample::select(vec!["x", ""]).boxed(),
        };
        (Just(row.param), text)
    });
    prop::collection::vec(flag, 0..4).prop_map(|flags| {
        let mut given = Settings::new();
        for (param, text) in flags
            .into_iter()
            .filter(|(param, _)| *param != Param::Login)
        {
            given.set(param, text, Origin::Flag);
        }
        given
    })
}

/// An entry of any mode, as a conversion to that mode writes it.
fn any_entry() -> impl Strategy<Value = Value> {
    let flags: Vec<_> = PARAMS
        .iter()
        .filter(|row| !row.secret && row.param != Param::Login)
        .map(|row| {
            let text = match (row.takes, row.param) {
                (Takes::Nothing, _) => Just("true".to_owned()).boxed(),
                (_, Param::AuthorityHost) => Just("https://login.example/".to_owned()).boxed(),
                (_, Param::Timeout) => Just("5s".to_owned()).boxed(),
                _ => "[a-z]{1,4}".boxed(),
            };
            (Just(row.param), prop::option::of(text))
        })
        .collect();
    let extra = prop_oneof![
        Just(json!({})),
        Just(json!({"interactiveMode": "Never"})),
        Just(json!({"interactiveMode": "Always", "apiVersion": API_VERSION_V1})),
        Just(json!({"env": [{"name": "A", "value": "b"}], "x": [1]})),
    ];
    (0..MODES.len(), flags, extra).prop_map(|(mode, flags, extra)| {
        let mut given = Settings::new();
        for (param, text) in flags {
            if let Some(text) = text {
                given.set(param, text, Origin::Flag);
            }
        }
        for param in [Param::ServerId, Param::ClientId, Param::TenantId] {
            if given.get(param).is_none() && MODES[mode].mode != LoginMode::Msi {
                given.set(param, "needed", Origin::Flag);
            }
        }
        given.set(Param::ServerId, "server", Origin::Flag);
        if !MODES[mode].mode.converts(Param::PopEnabled) {
            given.remove(Param::PopEnabled);
            given.remove(Param::PopClaims);
        } else if given.get(Param::PopEnabled).is_some() || given.get(Param::PopClaims).is_some() {
            given.set(Param::PopEnabled, "true", Origin::Flag);
            given.set(Param::PopClaims, "u=x", Origin::Flag);
        }
        given.set(Param::Login, MODES[mode].name, Origin::Flag);
        let mut user = json!({"exec": {"command": "kubelogin", "args": ["get-token"]}});
        for (key, value) in extra.as_object().expect("a map") {
            user["exec"][key] = value.clone();
        }
        let host = Host::with_env::<&str, &str>([]);
        let request = Request::new(given, &host, EXEC_COMMAND, None, false).expect("valid flags");
        Value::Object(run(&user, &request).expect("converted").user)
    })
}

proptest! {
    #[test]
    fn converting_to_any_modes_and_back_leaves_an_equal_entry(entry in any_entry(), path in prop::collection::vec(0..MODES.len(), 1..4)) {
        let home = Source::of(&entry).expect("convertible").mode;
        let mut user = entry.clone();
        history::keep(user.as_object_mut().expect("a map"), &[]);
        let entry = user.clone();
        for mode in path.into_iter().map(|mode| MODES[mode].mode) {
            let here = Source::of(&user).expect("convertible").mode;
            if mode == here {
                continue;
            }
            // An entry that lacks what a mode needs can't get there.
            if let Ok(converted) = run(&user, &request(&[(Param::Login, mode.name())])) {
                user = Value::Object(converted.user);
                if mode == home {
                    prop_assert_eq!(&user, &entry);
                }
            }
        }
        if Source::of(&user).expect("convertible").mode != home {
            let back = run(&user, &request(&[(Param::Login, home.name())]));
            prop_assert_eq!(Value::Object(back.expect("the way back is known").user), entry);
        }
    }

    #[test]
    fn a_conversion_is_settled_after_one(
        entry in any_entry(),
        path in prop::collection::vec(0..MODES.len(), 0..3),
        mode in prop::option::of(0..MODES.len()),
        flags in any_flags(),
        dir in prop::option::of(Just("/az".to_owned())),
    ) {
        let mut user = entry;
        for mode in path {
            if let Ok(converted) = run(&user, &request(&[(Param::Login, MODES[mode].name)])) {
                user = Value::Object(converted.user);
            }
        }
        let mut given = flags;
        if let Some(mode) = mode {
            given.set(Param::Login, MODES[mode].name, Origin::Flag);
        }
        let host = Host::with_env::<&str, &str>([]);
        let Ok(request) = Request::new(given, &host, EXEC_COMMAND, dir, false) else {
            return Ok(());
        };
        let Ok(once) = run(&user, &request) else {
            return Ok(());
        };
        let once = Value::Object(once.user);
        let twice = run(&once, &request);
        prop_assert!(twice.is_ok(), "{once}");
        prop_assert_eq!(&Value::Object(twice.expect("checked").user), &once);
    }
}

/// Arguments of an `azurecli` entry that `sync` wrote.
const BY_AZ: [&str; 8] = [
    "get-token",
    "--server-id",
    crate::login::AKS_SERVER_ID,
    "--tenant-id",
    "t",
    "--env-secrets-only",
    "--login",
    "azurecli",
];

/// The cloud in the entry that a conversion from `azurecli` to `mode` writes.
fn cloud_of(mode: &str, more: &[&str], env: &Value, servers: &[&str]) -> Result<Option<String>> {
    let mut user = exec_user(&[&BY_AZ[..], more].concat());
    user["exec"]["env"] = env.clone();
    let source = Source::of(&user).expect("convertible");
    let around = Around {
        servers: servers.to_vec(),
        ..Around::default()
    };
    let request = request(&[
        (Param::Login, mode),
        (Param::ClientId, "c"),
        (Param::TenantId, "t"),
        (Param::Username, "u"),
        (Param::Password, "p"),
        (Param::ServiceConnectionId, "s"),
    ]);
    let user = user.as_object().expect("a map");
    let converted = Value::Object(convert(user, &source, &around, &request)?.user);
    let written = Source::of(&converted).expect("convertible");
    let cloud = written.settings().text(Param::Environment);
    Ok(cloud.map(str::to_owned))
}

fn az_cloud(name: &str) -> Value {
    json!([{"name": "AZURE_CLOUD_NAME", "value": name}])
}

const US: &str = "https://x.hcp.usgovvirginia.cx.aks.containerservice.azure.us:443";
const IO: &str = "https://x.hcp.westeurope.azmk8s.io:443";

#[test]
fn every_mode_that_names_a_cloud_gets_the_one_that_az_knew() {
    for row in MODES {
        let cloud =
            |env, servers: &[&str]| cloud_of(row.name, &[], &env, servers).expect("converted");
        let names = row.mode.uses(Param::Environment);
        let expected = |name: &str| names.then(|| name.to_owned());
        let us = expected("AzureUSGovernmentCloud");
        assert_eq!(
            cloud(az_cloud("AzureUSGovernment"), &[]),
            us,
            "{}",
            row.name
        );
        assert_eq!(
            cloud(az_cloud("AzureUSGovernment"), &[US]),
            us,
            "{}",
            row.name
        );
        assert_eq!(
            cloud(Value::Null, &[US, "https://10.0.0.1"]),
            us,
            "{}",
            row.name
        );
        let china = az_cloud("AzureChinaCloud");
        assert_eq!(cloud(china, &["https://c"]), expected("AzureChinaCloud"));
        for env in [Value::Null, az_cloud(""), az_cloud("AzureCloud")] {
            assert_eq!(
                cloud(env.clone(), &[IO]),
                None,
                "the public cloud is the default"
            );
            assert_eq!(cloud(env, &["https://c"]), None);
        }
    }
}

#[test]
fn a_cloud_that_is_not_certain_is_asked_for() {
    let china = ["--environment", "AzureChinaCloud"];
    let elsewhere = ["--authority-host", "https://login.example/"];
    let cases: [(&[&str], Value, &[&str], &str); 5] = [
        (
            &[],
            az_cloud("Mine"),
            &[],
            "`AZURE_CLOUD_NAME` in its `env` is `Mine`",
        ),
        (
            &[],
            az_cloud("AzureCloud"),
            &[US],
            "`AZURE_CLOUD_NAME` in its `env` is `AzureCloud`, and its server is \
             `x.hcp.usgovvirginia.cx.aks.containerservice.azure.us`",
        ),
        (
            &[],
            Value::Null,
            &[US, IO],
            "and its server is `x.hcp.westeurope.azmk8s.io`",
        ),
        (
            &china,
            az_cloud("AzureUSGovernment"),
            &[],
            "its `--environment` is `AzureChinaCloud`",
        ),
        (
            &elsewhere,
            Value::Null,
            &[],
            "its `--authority-host` is `https://login.example/`",
        ),
    ];
    for (more, env, servers, why) in cases {
        for row in MODES {
            let written = cloud_of(row.name, more, &env, servers);
            if !row.mode.uses(Param::Environment) {
                assert!(written.is_ok(), "{}", row.name);
                continue;
            }
            let shown = written.expect_err("not certain").render();
            assert!(shown.contains(why), "{}: {shown}", row.name);
            assert!(shown.contains("hint: add `--environment CLOUD`"), "{shown}");
        }
    }
}

#[test]
fn an_endpoint_that_is_not_taken_over_names_the_cloud() {
    let spn = |url| {
        exec_user(&[
            "get-token",
            "--login",
            "spn",
            "--server-id",
            "s",
            "--authority-host",
            url,
        ])
    };
    let flags = [
        (Param::Login, "devicecode"),
        (Param::ClientId, "c"),
        (Param::TenantId, "t"),
    ];
    let user = spn("https://login.microsoftonline.us/");
    let converted = run(&user, &request(&flags)).expect("converted");
    assert!(args(&converted.user).contains(&"AzureUSGovernmentCloud"));
    let user = spn("https://login.microsoftonline.com/");
    let converted = run(&user, &request(&flags)).expect("converted");
    assert!(!args(&converted.user).contains(&"--environment"));
    let user = spn("https://login.example/");
    assert!(run(&user, &request(&flags)).is_err());
    let named = [&flags[..], &[(Param::Environment, "AzureStackCloud")]].concat();
    assert!(run(&user, &request(&named)).is_ok());
}

#[test]
fn a_cloud_is_kept_in_modes_in_which_kubelogin_drops_it() {
    for mode in ["workloadidentity", "azurepipelines"] {
        let flags = [
            (Param::Login, mode),
            (Param::ClientId, "c"),
            (Param::ServiceConnectionId, "s"),
            (Param::TenantId, "t"),
        ];
        for cloud in ["AzureChinaCloud", "AzureStackCloud"] {
            let user = exec_user(&DEVICE.map(|arg| match arg {
                "AzureChinaCloud" => cloud,
                arg => arg,
            }));
            let converted = run(&user, &request(&flags)).expect("converted");
            assert!(args(&converted.user).contains(&cloud), "{mode}");
            let mut theirs = request(&flags);
            theirs.exec_command = "kubelogin".to_owned();
            let converted = run(&user, &theirs).expect("converted");
            assert!(!args(&converted.user).contains(&cloud), "{mode}");
        }
    }
}
