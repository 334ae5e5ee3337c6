//! The flags that the commands about the fleet share.

use std::path::PathBuf;

use clap::{
    Arg, ArgAction, ArgMatches, Command, ValueHint, builder::PossibleValue, parser::ValueSource,
};

use super::{
    config::{self, Given},
    flags, help, selector_args,
};
use crate::{
    error::Result,
    fleet::DiscoveryMode,
    host::Host,
    login::{CommandLine, PARAMS, Param, Takes},
    ops::fleet_request::{FleetFlags, FleetRequest},
};

/// Attaches the shared flags.
pub(super) fn fleet_flags(command: Command) -> Command {
    let command = flags::usual_login_flags(
        search_flags(selector_args::selector_flags(command)),
        |param| {
            !matches!(
                param,
                Param::TenantId
                    | Param::Subscription
                    | Param::ServerId
                    | Param::PopClaims
                    | Param::PopEnabled
                    | Param::EnvSecretsOnly
            )
        },
    );
    flags::arm_flags(arm_login(config::profile_flag(command)))
        // A person names an account; that it is a hint is a detail of the protocol.
        .mut_arg(Param::LoginHint.row().flag, |arg| {
            arg.visible_alias("account")
        })
        .mut_arg("arm-login-hint", |arg| arg.visible_alias("arm-account"))
}

/// The flags that say where to search.
fn search_flags(command: Command) -> Command {
    command
        .arg(tenant_flag())
        .arg(
            Arg::new("exclude-tenant")
                .long("exclude-tenant")
                .value_name("ID|DOMAIN")
                .action(ArgAction::Append)
                .help("Do not search this tenant (repeatable)")
                .help_heading(help::SELECT),
        )
        .arg(
            Arg::new("discovery")
                .long("discovery")
                .value_name("MODE")
                .value_parser(clap::value_parser!(DiscoveryMode))
                .default_value(DiscoveryMode::Auto.name())
                .help("How clusters are found")
                .help_heading(help::SELECT),
        )
        .arg(
            flags::switch(
                "hubs",
                "Also hubs of Fleet Managers whose AKS clusters you can't see",
            )
            .help_heading(help::SELECT),
        )
        .arg(
            flags::switch(
                "managed-namespaces",
                "Also managed namespaces of clusters that you can't see",
            )
            .help_heading(help::SELECT),
        )
        .arg(
            Arg::new("concurrency")
                .long("concurrency")
                .value_name("N")
                .value_parser(concurrency)
                .help("Most requests at once, 1 to 256 [default: as many as Azure answers in time]")
                .help_heading(help::FETCH),
        )
}

impl clap::ValueEnum for DiscoveryMode {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Auto => "Resource Graph where it saves requests, else lists",
            Self::Graph => "Resource Graph alone",
            Self::List => "lists alone",
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}

/// The flags of both sign-ins that `get-token` does not have.
fn arm_login(command: Command) -> Command {
    command
        .arg(
            Arg::new("arm-login")
                .long("arm-login")
                .value_name("MODE")
                .help("How to sign in to Azure Resource Manager, if different from --login")
                .help_heading(help::SIGN_IN),
        )
        .arg(
            Arg::new("azure-config-dir")
                .long("azure-config-dir")
                .value_name("DIR")
                .value_hint(ValueHint::DirPath)
                .allow_hyphen_values(true)
                .overrides_with("azure-config-dir")
                .value_parser(clap::value_parser!(PathBuf))
                .help("Configuration directory of the az whose account is used [env: AZURE_CONFIG_DIR]")
                .help_heading(help::SIGN_IN),
        )
}

/// `--tenant-id`, which also says where to search and may be repeated.
fn tenant_flag() -> Arg {
    let row = Param::TenantId.row();
    let flag = Arg::new(row.flag)
        .long(row.flag)
        .value_name("ID|DOMAIN")
        .action(ArgAction::Append)
        .help("Search only this tenant (repeatable)")
        .long_help("Search only this tenant, and sign in to it if necessary (repeatable)")
        .help_heading(help::SELECT);
    match row.short {
        Some(short) => flag.short(short),
        None => flag,
    }
}

fn concurrency(text: &str) -> Result<u16, &'static str> {
    let number = text.parse().ok();
    number
        .filter(|number| (1..=256).contains(number))
        .ok_or("give a number from 1 to 256")
}

fn all(matches: &ArgMatches, flag: &str) -> Vec<String> {
    let given = matches.get_many::<String>(flag);
    given
        .map(|names| names.cloned().collect())
        .unwrap_or_default()
}

/// Reads and validates the shared flags of `command`.
///
/// # Errors
/// As [`FleetFlags::without_excluded`] and [`FleetRequest::new`].
pub(super) fn read(command: &str, matches: &Given, host: &Host) -> Result<FleetRequest> {
    FleetRequest::new(flags(command, matches)?.without_excluded()?, host)
}

/// The shared flags of `command`, and what the configuration file gives in their place.
///
/// # Errors
/// As [`selector_args::read`].
pub(super) fn flags(command: &str, matches: &Given) -> Result<FleetFlags> {
    let places = matches.places();
    Ok(FleetFlags {
        login: flags::placed(flags::settings(matches), &places),
        arm_mode: matches.get_one("arm-login").cloned(),
        arm_login: flags::placed(flags::arm_settings(matches), &places),
        azure_config_dir: matches.get_one("azure-config-dir").cloned(),
        tenants: all(matches, Param::TenantId.row().flag),
        excluded_tenants: all(matches, "exclude-tenant"),
        subscriptions: all(matches, "only-subscription"),
        selectors: selector_args::read(command, matches)?,
        discovery: matches.get_one("discovery").copied().unwrap_or_default(),
        hubs: matches.get_flag("hubs"),
        fleets: all(matches, "fleet"),
        managed_namespaces: matches.get_flag("managed-namespaces"),
        concurrency: matches
            .get_one("concurrency")
            .map(|n: &u16| usize::from(*n)),
        places,
        command: typed(command, matches, &[]),
        command_without_tenants: typed(
            command,
            matches,
            &["tenant-id", "arm-tenant-id", "exclude-tenant"],
        ),
    })
}

/// The command as typed, without secrets and the flags in `without`. What the configuration file says needs no flag.
pub(super) fn typed(command: &str, matches: &Given, without: &[&str]) -> CommandLine {
    let is_secret = |id: &str| {
        PARAMS
            .iter()
            .any(|row| row.secret && (row.flag == id || row.arm_flag == Some(id)))
    };
    let mut line = CommandLine::new(&format!("kubectl aad {command}"));
    for id in matches.ids().map(clap::Id::as_str) {
        let given =
            matches.value_source(id) == Some(ValueSource::CommandLine) && !matches.is_from_file(id);
        let shown = !is_secret(id) && !without.contains(&id) && !["v", "logtostderr"].contains(&id);
        if !given || !shown {
            continue;
        }
        let flag = match id {
            "only-subscription" => "--subscription".to_owned(),
            id => format!("--{id}"),
        };
        if id == selector_args::PATTERN {
            let patterns = matches.get_raw(id).into_iter().flatten();
            line = patterns.fold(line, |line, pattern| line.word(&pattern.to_string_lossy()));
            continue;
        }
        if let Ok(Some(on)) = matches.try_get_one::<bool>(id) {
            line = match on {
                true => line.word(&flag),
                false => line.word(&format!("{flag}=false")),
            };
            continue;
        }
        for value in matches.get_raw(id).into_iter().flatten() {
            let value = value.to_string_lossy();
            let takes = Param::from_flag(id).map(|param| param.row().takes);
            line = match (takes, &*value) {
                _ if id == "set-current" && value.is_empty() => line.word(&flag),
                _ if id == "set-current" => line.word(&format!("{flag}={value}")),
                (Some(Takes::Nothing), "true") => line.word(&flag),
                (Some(Takes::Nothing), value) => line.word(&format!("{flag}={value}")),
                (_, value) => line.flag(&flag, value),
            };
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::{LoginMode, MODES};

    /// What a mode can't do without and gets by flags, and what a platform sets for it.
    fn given(mode: LoginMode, value: &str) -> Vec<(Param, String)> {
        let mut params = mode.required().collect::<Vec<_>>();
        match mode {
            LoginMode::Spn => params.push(Param::ClientSecret),
            LoginMode::WorkloadIdentity => params.push(Param::FederatedTokenFile),
            LoginMode::Msi => params.push(Param::ClientId),
            LoginMode::DeviceCode | LoginMode::Interactive => params.push(Param::LoginHint),
            _ => {}
        }
        params.retain(|param| *param != Param::TenantId);
        let pairs = params.into_iter();
        pairs
            .map(|param| {
                let root = if param.row().is_path() { "/" } else { "" };
                (param, format!("{root}{value}-{}", param.row().flag))
            })
            .collect()
    }

    fn complete(args: &[String]) -> Result<FleetRequest> {
        let platform = crate::login::PLATFORM_VARIABLES.iter();
        let mut variables: Vec<(&str, &str)> = platform.map(|v| (v.name, "https://x/")).collect();
        let others = PARAMS.iter().flat_map(|row| row.variable_names());
        variables.extend(
            others
                .filter(|name| !name.contains("TIMEOUT") && !name.contains("AUTHORITY"))
                .map(|n| (n, "foreign")),
        );
        let host = Host::with_env(variables);
        let command = fleet_flags(Command::new("sync"));
        let matches = command
            .try_get_matches_from([&["sync".to_owned()], args].concat())
            .expect("valid arguments");
        let request = read("sync", &matches.into(), &host)?;
        request.check_complete()?;
        Ok(request)
    }

    #[test]
    fn a_hint_that_repeats_the_command_has_each_flag_but_secrets() {
        const VALUES: [&str; 6] = [
            "never",
            "graph",
            "json",
            "7d",
            "1",
            "00000000-0000-0000-0000-000000000001",
        ];
        let mut sync = crate::cli::sync::command();
        sync.build();
        let flags = sync.get_arguments().filter(|arg| {
            let is_secret = |row: &&crate::login::ParamRow| {
                row.secret
                    && (row.flag == arg.get_id() || row.arm_flag == Some(arg.get_id().as_str()))
            };
            let not_repeated = ["help", "v", "logtostderr"].contains(&arg.get_id().as_str());
            let is_flag = arg.get_long().is_some();
            is_flag && !not_repeated && !PARAMS.iter().any(|row| is_secret(&row))
        });
        let mut repeated = 0;
        for arg in flags {
            let flag = format!("--{}", arg.get_long().expect("a flag"));
            let with = |words: &[&str]| {
                let needed: &[&str] = match flag.as_str() {
                    "--prune" => &["--output-dir", "fleet"],
                    _ => &[],
                };
                let words = [&["sync"], needed, words].concat();
                sync.clone().try_get_matches_from(words).ok()
            };
            let takes_value = arg
                .get_num_args()
                .is_some_and(|count| count.min_values() > 0);
            let (words, matches) = match takes_value {
                false => (flag.clone(), with(&[&flag])),
                true => {
                    let mut values = VALUES.iter();
                    let valid = values.find_map(|value| Some((value, with(&[&flag, value])?)));
                    let (value, matches) = valid.unwrap_or_else(|| panic!("no value for {flag}"));
                    (format!("{flag} {value}"), Some(matches))
                }
            };
            let line = typed(
                "sync",
                &matches.unwrap_or_else(|| panic!("{flag}")).into(),
                &[],
            );
            assert!(line.to_string().contains(&words), "{line} lacks {words}");
            repeated += 1;
        }
        assert!(repeated > 30, "{repeated}");
        let patterns = ["sync", "prod-*", "--running", "rg a/b", "-g", "x"];
        let matches = sync
            .try_get_matches_from(patterns)
            .expect("valid arguments");
        let line = typed("sync", &matches.into(), &[]).to_string();
        assert!(line.contains("'prod-*' 'rg a/b'"), "{line}");
    }

    #[test]
    fn every_shared_switch_can_be_in_the_configuration_file_and_turned_off() {
        let command = fleet_flags(Command::new("sync"));
        let flags = command.get_arguments();
        let only_on = flags.filter(|arg| matches!(arg.get_action(), ArgAction::SetTrue));
        let only_on: Vec<_> = only_on.map(clap::Arg::get_id).collect();
        assert!(only_on.is_empty(), "{only_on:?}");
    }

    #[test]
    fn of_every_pair_of_modes_each_gets_its_own_settings() {
        for login in MODES {
            for arm in MODES {
                let mut args: Vec<String> =
                    ["-l", login.name, "--arm-login", arm.name, "-t", "tenant"]
                        .map(str::to_owned)
                        .to_vec();
                for (param, text) in given(login.mode, "own") {
                    args.extend([param.dashed(), text]);
                }
                for (param, text) in given(arm.mode, "arm") {
                    args.extend([param.arm_dashed(), text]);
                }
                let pair = format!("{} and {}", login.name, arm.name);
                let read = complete(&args).unwrap_or_else(|e| panic!("{pair}: {e}"));
                assert_eq!(read.unused_flags(), [], "{pair}");
                for (settings, mode, value) in [
                    (&read.login, login.mode, "own"),
                    (&read.arm_login, arm.mode, "arm"),
                ] {
                    assert_eq!(settings.mode().expect("a mode"), mode, "{pair}");
                    assert_eq!(settings.text(Param::TenantId), Some("tenant"), "{pair}");
                    for (param, text) in given(mode, value) {
                        assert_eq!(settings.text(param), Some(text.as_str()), "{pair}");
                    }
                    let other = if value == "own" { "arm-" } else { "own-" };
                    for param in settings.params() {
                        let text = settings.text(param).unwrap_or_default();
                        assert!(
                            !text.trim_start_matches('/').starts_with(other),
                            "{pair}: {} {text}",
                            param.row().flag
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn of_two_sign_ins_none_takes_the_others_flag() {
        for login in MODES {
            for arm in MODES.iter().filter(|arm| arm.mode != login.mode) {
                for row in PARAMS.iter().filter(|row| row.arm_flag.is_some()) {
                    let args = [
                        "-l",
                        login.name,
                        "--arm-login",
                        arm.name,
                        &row.param.dashed(),
                        "value",
                    ]
                    .map(str::to_owned);
                    let matches = fleet_flags(Command::new("sync"))
                        .try_get_matches_from([&["sync".to_owned()], &args[..]].concat())
                        .expect("valid arguments");
                    let read =
                        super::read("sync", &matches.into(), &Host::with_env::<&str, &str>([]));
                    let shared = row.param == Param::TenantId;
                    let mistaken =
                        !shared && !login.mode.uses(row.param) && arm.mode.uses(row.param);
                    assert_eq!(read.is_err(), mistaken, "{args:?}");
                    if let Ok(read) = read
                        && !shared
                    {
                        assert_ne!(read.arm_login.text(row.param), Some("value"), "{args:?}");
                    }
                }
            }
        }
    }
}
