//! `docs/reference/login-modes.md`: written from the tables, and its examples run.
//!
//! Modes and parameters come from `login::MODES` and `login::PARAMS`; only the examples are written here.

use std::fmt::Write as _;

use azure_sim::Place;
use kubectl_aad::internals::{
    LoginMode, MODES, PARAMS, PLATFORM_VARIABLES, Param, Takes, When, cloud_names,
};

use crate::{
    env::{INTERACTIVE, TestEnv, borrowed},
    support::repository,
};

const PAGE: &str = "docs/reference/login-modes.md";
/// Set to write the page in place of comparing it.
const WRITE: &str = "AAD_WRITE_REFERENCE";

/// One way to use a mode.
struct Example {
    mode: LoginMode,
    says: &'static str,
    variables: &'static [(&'static str, &'static str)],
    arguments: &'static str,
    /// Where it runs: what the platform itself sets there is not shown.
    place: Place,
}

const AKS: &str = "--server-id 6dae42f8-4368-4678-94ff-3960e28e3630";

static EXAMPLES: &[Example] = &[
    Example {
        mode: LoginMode::DeviceCode,
        says: "On a machine without a browser:",
        variables: &[],
        arguments: "-l devicecode --tenant-id TENANT",
        place: Place::Anywhere,
    },
    Example {
        mode: LoginMode::Interactive,
        says: "With the browser of this machine, for one account of several:",
        variables: &[],
        arguments: "-l interactive --tenant-id TENANT --login-hint USER",
        place: Place::Anywhere,
    },
    Example {
        mode: LoginMode::Spn,
        says: "With a secret, which stays off the command line:",
        variables: &[("AZURE_CLIENT_SECRET", "SECRET")],
        arguments: "-l spn --tenant-id TENANT --client-id CLIENT",
        place: Place::Anywhere,
    },
    Example {
        mode: LoginMode::Spn,
        says: "With Terraform's variables:",
        variables: &[
            ("ARM_TENANT_ID", "TENANT"),
            ("ARM_CLIENT_ID", "CLIENT"),
            ("ARM_CLIENT_SECRET", "SECRET"),
        ],
        arguments: "-l spn --use-azurerm-env-vars",
        place: Place::Anywhere,
    },
    Example {
        mode: LoginMode::Spn,
        says: "A proof-of-possession token, for one cluster:",
        variables: &[("AZURE_CLIENT_SECRET", "SECRET")],
        arguments: "-l spn --tenant-id TENANT --client-id CLIENT --pop-enabled --pop-claims u=CLUSTER",
        place: Place::Anywhere,
    },
    Example {
        mode: LoginMode::Ropc,
        says: "For an account without a second factor:",
        variables: &[("AZURE_USERNAME", "USER"), ("AZURE_PASSWORD", "PASSWORD")],
        arguments: "-l ropc --tenant-id TENANT",
        place: Place::Anywhere,
    },
    Example {
        mode: LoginMode::Msi,
        says: "With the machine's only identity:",
        variables: &[],
        arguments: "-l msi",
        place: Place::VirtualMachine,
    },
    Example {
        mode: LoginMode::Msi,
        says: "With one of several:",
        variables: &[],
        arguments: "-l msi --client-id IDENTITY",
        place: Place::VirtualMachine,
    },
    Example {
        mode: LoginMode::AzureCli,
        says: "After `az login`:",
        variables: &[],
        arguments: "-l azurecli --tenant-id TENANT",
        place: Place::Developer,
    },
    Example {
        mode: LoginMode::Azd,
        says: "After `azd auth login`:",
        variables: &[],
        arguments: "-l azd --tenant-id TENANT",
        place: Place::Developer,
    },
    Example {
        mode: LoginMode::WorkloadIdentity,
        says: "In a pod in which the webhook has set `AZURE_CLIENT_ID` and the other variables:",
        variables: &[],
        arguments: "-l workloadidentity",
        place: Place::Anywhere,
    },
    Example {
        mode: LoginMode::WorkloadIdentity,
        says: "In a job of GitHub Actions with `permissions: id-token: write`:",
        variables: &[],
        arguments: "-l workloadidentity --tenant-id TENANT --client-id CLIENT",
        place: Place::GitHubActions,
    },
    Example {
        mode: LoginMode::AzurePipelines,
        says: "In an AzureCLI task that maps `SYSTEM_ACCESSTOKEN: $(System.AccessToken)`:",
        variables: &[],
        arguments: "-l azurepipelines --tenant-id TENANT --client-id CLIENT \
                    --azure-pipelines-service-connection-id CONNECTION",
        place: Place::AzurePipelines,
    },
];

fn page() -> String {
    let mut out = String::from(
        "# Login modes\n\n\
         Generated from the program's own tables; a test fails when it is stale.\n\n\
         `--login MODE` (or `AAD_LOGIN_METHOD`) chooses one. Flags and variables are those of Azure/kubelogin. For `get-token` \
         a variable wins over the flag, as in kubelogin, unless `--disable-environment-override` or \
         `--env-secrets-only` is given; for `sync` and `list` the flag wins, and [fewer variables count](#variables-and-sync). Replace the words in capitals.\n\n\
         | mode | how | asks a person |\n| --- | --- | --- |\n",
    );
    for row in MODES {
        let asks = match row.interactive {
            false => "never",
            true => "if there is one",
        };
        let name = row.name;
        line(
            &mut out,
            &format!("| [`{name}`](#{name}) | {} | {asks} |", row.summary),
        );
    }
    for row in MODES {
        line(
            &mut out,
            &format!(
                "\n## {}\n\nSigns in with {}.",
                row.name,
                article(row.summary)
            ),
        );
        line(&mut out, "");
        line(&mut out, PARAMETERS);
        let own = row.params.iter();
        for own in own.filter(|own| !own.param.row().is_in_every_mode()) {
            parameter(&mut out, own.param, Some(row.mode), own.required);
        }
        for example in EXAMPLES.iter().filter(|example| example.mode == row.mode) {
            line(&mut out, &format!("\n{}\n\n```sh", example.says));
            for (name, value) in example.variables {
                line(&mut out, &format!("export {name}={value}"));
            }
            line(
                &mut out,
                &format!("kubectl aad get-token {} {AKS}\n```", example.arguments),
            );
        }
    }
    line(&mut out, "\n## In every mode\n");
    line(&mut out, PARAMETERS);
    for row in PARAMS.iter().filter(|row| row.is_in_every_mode()) {
        parameter(&mut out, row.param, None, false);
    }
    variables_of_sync(&mut out);
    out
}

/// Which variables count for `sync`, and which for the entries that it writes.
fn variables_of_sync(out: &mut String) {
    line(
        out,
        "\n## Variables and `sync`\n\n\
         A shell may have variables for other purposes: for an application in development, or a pod's workload identity. So \
         `sync` and `list` read a variable only in the modes that it is meant for (a flag wins over it), and write its value \
         and `--env-secrets-only` into the entries. In such an entry a flag wins over every variable, and of the variables only \
         those marked *at use* are read, for values that the entry does not have. None of these chooses who signs in.\n\n\
         | variable | flag | `sync` reads it in | in its entries |\n| --- | --- | --- | --- |",
    );
    for row in PARAMS {
        for name in row.variable_names() {
            let read_in: Vec<String> = MODES
                .iter()
                .filter(|mode| {
                    let mut variables = row.variables.iter();
                    variables.any(|v| v.name == name && v.is_read_by_sync_in(mode.mode))
                })
                .map(|mode| format!("`{}`", mode.name))
                .collect();
            let terraform = row
                .variables
                .iter()
                .any(|v| v.name == name && v.when == When::Terraform);
            let read_in = match (read_in.len() == MODES.len(), terraform) {
                (true, _) => "every mode".to_owned(),
                (false, true) => format!("{}, with `--use-azurerm-env-vars`", read_in.join(", ")),
                (false, false) => read_in.join(", "),
            };
            let in_entries = match (row.secret, row.at_use, row.param) {
                (true, ..) => "at use; never written",
                (_, true, Param::FederatedTokenFile) => "written; at use if it was not known",
                (_, true, _) => "at use",
                (_, _, Param::TenantId) => "the cluster's tenant is written",
                _ => "written",
            };
            line(
                out,
                &format!("| `{name}` | `--{}` | {read_in} | {in_entries} |", row.flag),
            );
        }
    }
    for (name, flag, modes) in [
        (
            "AZURE_CONFIG_DIR",
            "`--azure-config-dir`",
            "`azurecli`, `azd`",
        ),
        ("AZURE_CLOUD_NAME", "", "`azurecli`, `azd`"),
        ("AZD_CONFIG_DIR", "", "`azd`"),
    ] {
        line(
            out,
            &format!("| `{name}` | {flag} | {modes} | written, as a variable of the entry |"),
        );
    }
    for variable in PLATFORM_VARIABLES {
        let mode = variable.mode;
        line(
            out,
            &format!(
                "| `{}` |  | `{mode}` | at use; never written |",
                variable.name
            ),
        );
    }
    line(
        out,
        "\nWith `--arm-login` (or any other `--arm-` flag) there are two sign-ins. Flags without that prefix, and the variables \
         of `--login`, are for the contexts; `--arm-client-id`, `--arm-tenant-id` and so on, and the variables of the second \
         mode, are for Azure Resource Manager. Both share the cloud, the authority host, the cache and the timeout. \
         `--tenant-id` also names the tenant to search.",
    );
}

/// The summaries are phrases: some begin with what a person does.
fn article(summary: &str) -> String {
    match summary.split_once(' ') {
        Some(("type" | "sign", _)) => format!("a person: {summary}"),
        _ => summary.to_owned(),
    }
}

const PARAMETERS: &str = "| flag | variables | |\n| --- | --- | --- |";

/// One parameter of a mode, or of every mode.
fn parameter(out: &mut String, param: Param, mode: Option<LoginMode>, required: bool) {
    let row = param.row();
    let value = match row.takes {
        Takes::Value(name) => format!(" {}", name.replace('|', "\\|")),
        Takes::Nothing => String::new(),
    };
    let short = row.short.map_or(String::new(), |c| format!("`-{c}`, "));
    let has_default = param == Param::ClientId && mode.is_some_and(LoginMode::has_default_client);
    let required = match (required, has_default) {
        (true, true) => {
            "**Required** unless the server application is AKS's own; then AKS's public client is the default. "
        }
        (true, false) => "**Required.** ",
        (false, _) => "",
    };
    let variables = variables(param, mode);
    let flag = format!("{short}`--{}{value}`", row.flag);
    let clouds = match param {
        Param::Environment => format!(": {}", cloud_names()),
        _ => String::new(),
    };
    line(
        out,
        &format!("| {flag} | {variables} | {required}{}{clouds} |", row.help),
    );
}

/// The variables that set a parameter in a mode, the one that wins first.
fn variables(param: Param, mode: Option<LoginMode>) -> String {
    let mut shown: Vec<String> = Vec::new();
    for variable in param.row().variables.iter().rev() {
        let name = variable.name;
        let text = match variable.when {
            When::Always | When::Usual => format!("`{name}`"),
            When::Terraform => format!("`{name}` (with `--use-azurerm-env-vars`)"),
            When::Mode(other) if mode.is_none() => format!("`{name}` (in `{other}`)"),
            When::Mode(other) if mode == Some(other) => format!("`{name}`"),
            When::ModeIfUnset(other) if mode == Some(other) => {
                format!("`{name}` (if nothing else gives one)")
            }
            When::Mode(_) | When::ModeIfUnset(_) => continue,
        };
        if !shown.contains(&text) {
            shown.push(text);
        }
    }
    shown.join(", ")
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("writing to a string can't fail");
}

#[test]
fn the_page_of_login_modes_is_what_the_tables_say() {
    let path = repository().join(PAGE);
    if std::env::var_os(WRITE).is_some() {
        std::fs::create_dir_all(path.parent().expect("below docs")).expect("made");
        std::fs::write(&path, page()).expect("written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page(),
        "{PAGE} is stale: run the test with {WRITE}=1"
    );
    for row in MODES {
        assert!(
            EXAMPLES.iter().any(|example| example.mode == row.mode),
            "{} has an example",
            row.name
        );
    }
}

#[test]
fn every_example_of_the_page_gets_a_token() {
    let test_env = TestEnv::new();
    let simulator = &test_env.simulator;
    simulator.configure(|settings| {
        settings.sign_in = azure_sim::SignIn::As(test_env.user.upn.clone());
    });
    test_env.install_azd();
    test_env.sign_in_to_azd();
    let federated = test_env.path("federated");
    let token = simulator.workload_identity_token("https://issuer.example", "subject");
    std::fs::write(&federated, token).expect("written");
    let identity = &simulator.fleet().managed_identities;
    let identity = identity.iter().find(|identity| !identity.system);
    let values = [
        ("TENANT", test_env.tenant.clone()),
        ("CLIENT", test_env.principal.client_id.clone()),
        ("SECRET", test_env.principal.secret().to_owned()),
        ("USER", test_env.user.upn.clone()),
        ("PASSWORD", test_env.user.password.clone()),
        (
            "IDENTITY",
            identity.expect("one is assigned").client_id.clone(),
        ),
        ("CONNECTION", "connection".to_owned()),
        ("u=CLUSTER", "u=/the/cluster".to_owned()),
    ];
    let filled = |word: &str| {
        let found = values.iter().find(|(name, _)| *name == word);
        found.map_or_else(|| word.to_owned(), |(_, value)| value.clone())
    };
    for example in EXAMPLES {
        // `interactive` has its own tests with a browser.
        if example.mode == LoginMode::Interactive {
            continue;
        }
        let args: Vec<String> = example.arguments.split_whitespace().map(filled).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut env = simulator.env_for(example.place, &test_env.files);
        let webhook = [
            ("AZURE_CLIENT_ID", test_env.principal.client_id.clone()),
            ("AZURE_TENANT_ID", test_env.tenant.clone()),
            (
                "AZURE_FEDERATED_TOKEN_FILE",
                federated.display().to_string(),
            ),
        ];
        if example.says.contains("webhook") {
            env.extend(webhook.map(|(name, value)| (name.to_owned(), value)));
        }
        for (name, value) in example.variables {
            env.push(((*name).to_owned(), filled(value)));
        }
        env.push((INTERACTIVE.0.to_owned(), INTERACTIVE.1.to_owned()));
        let env = borrowed(&env);
        let ran = test_env.get_token(&args, &env);
        assert_eq!(ran.code, 0, "{}\n{}", example.arguments, ran.stderr);
        let credential = ran.json(0);
        assert_eq!(
            credential["kind"], "ExecCredential",
            "{}",
            example.arguments
        );
    }
}
