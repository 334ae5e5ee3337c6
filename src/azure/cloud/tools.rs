//! Reads the cloud that `az` or `azd` is set to from its files: those of az 2.91 (`azure.cli.core.cloud`) and of
//! azd's user configuration.

use super::{CUSTOM_CLOUD, Cloud, endpoint};
use crate::{
    clouds::CLOUDS,
    error::{Failure, Result},
    host::{
        Host,
        file::{self, Unreadable},
    },
    tool_config::{
        self, AZ_CLOUD_VARIABLE, AZ_CONFIG_DIR, AZD_CONFIG_DIR, ConfigDir, DEFAULT_CLOUD, sections,
    },
};

/// The largest file that is read, in bytes: a cloud takes about 2 KB.
const FILE_LIMIT: u64 = 1 << 20;
/// Makes a tool's command that a hint can show, for the directory that the tool is used with.
pub(super) type Typed<'a> = &'a dyn Fn(&str) -> String;

/// The cloud that a tool is set to.
#[derive(Debug, Clone)]
pub(crate) struct ToolCloud {
    /// The tool.
    pub tool: &'static str,
    /// The tool's name for the cloud.
    pub name: String,
    /// The cloud.
    pub cloud: Cloud,
    /// Whether only the tool knows it, so that there is no `--environment` for it.
    pub custom: bool,
    /// The variable that chose it, if one did.
    pub variable: Option<&'static str>,
}

impl ToolCloud {
    /// The cloud that `az` is set to by `AZURE_CLOUD_NAME`, or else by `az cloud set`.
    ///
    /// # Errors
    /// When az's files can't be read, or the cloud is not known.
    pub(crate) fn of_az(host: &Host, typed: Typed<'_>) -> Result<Self> {
        let set = tool_config::cloud_of_az(&read(host, AZ_CONFIG_DIR, "config")?);
        let chosen = host.var_nonempty(AZ_CLOUD_VARIABLE);
        let name = chosen.unwrap_or(&set);
        let sections = sections(&read(host, AZ_CONFIG_DIR, "clouds.config")?);
        let section = sections.get(name);
        let known = CLOUDS
            .iter()
            .find(|row| row.aliases.contains(&name) || row.name == name);
        let text = |key: &str| section.and_then(|section| section.get(key));
        let (cloud, custom) = match (known, text("endpoint_resource_manager")) {
            (Some(row), None) => (Cloud::named(Some(row.name), None, host)?, false),
            (None, None) => {
                let failure = Failure::usage(format!("the cloud `{name}` of `az` is not known"));
                return Err(match chosen {
                    // It counts more than what `az cloud set` chooses.
                    Some(_) => failure
                        .because(format!(
                            "it is the value of the variable `{AZ_CLOUD_VARIABLE}`"
                        ))
                        .hint("unset it, or give it a name that `az cloud list` shows without it"),
                    None => failure.hint(format!(
                        "`{}` lists az's clouds; `{}` chooses one",
                        typed("az cloud list"),
                        typed("az cloud set --name NAME")
                    )),
                });
            }
            (_, Some(arm)) => (custom_cloud(name, arm, &text, typed)?, true),
        };
        Ok(Self {
            tool: "az",
            name: name.to_owned(),
            cloud,
            custom,
            variable: chosen.map(|_| AZ_CLOUD_VARIABLE),
        })
    }

    /// The cloud that `azd` is set to (`azd config set cloud.name`).
    ///
    /// # Errors
    /// As [`ToolCloud::of_az`].
    pub(crate) fn of_azd(host: &Host) -> Result<Self> {
        let text = read(host, AZD_CONFIG_DIR, "config.json")?;
        let config: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let name = config
            .pointer("/cloud/name")
            .and_then(serde_json::Value::as_str)
            .unwrap_or(DEFAULT_CLOUD);
        Ok(Self {
            tool: "azd",
            name: name.to_owned(),
            cloud: Cloud::named(Some(name), None, host)
                .map_err(|failure| failure.context("the cloud of `azd` is not known"))?,
            custom: false,
            variable: None,
        })
    }

    /// Checks that both tools are set to the same cloud.
    ///
    /// # Errors
    /// A usage error that names both.
    pub(crate) fn check_same(&self, other: &Self, typed: Typed<'_>) -> Result<()> {
        if other.custom || self.cloud.arm.origin() == other.cloud.arm.origin() {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "`{}` is set to the cloud `{}`, and `{}` to `{}`",
            self.tool, self.name, other.tool, other.name
        ))
        .hint(format!(
            "run `{} {}`",
            typed("azd config set cloud.name"),
            other.name
        )))
    }

    /// Checks that this is the cloud that `--environment` asked for.
    ///
    /// # Errors
    /// A usage error that says how to choose the same for both.
    pub(crate) fn check(&self, wanted: &Cloud, environment: &str, typed: Typed<'_>) -> Result<()> {
        // azd has no name for a custom cloud.
        let beyond_azd = self.tool == "azd" && wanted.environment_argument() == CUSTOM_CLOUD;
        if beyond_azd || self.cloud.arm.origin() == wanted.arm.origin() {
            return Ok(());
        }
        let tool = self.tool;
        let failure = Failure::usage(format!(
            "`{tool}` is set to the cloud `{}`, but `--environment {environment}` was asked for",
            self.name
        ));
        let theirs = CLOUDS
            .iter()
            .find(|row| row.name == wanted.environment_argument())
            .and_then(|row| row.aliases.first().copied());
        let name = theirs.unwrap_or(match wanted.environment_argument() {
            known if CLOUDS.iter().any(|row| row.name == known) => known,
            _ => "NAME",
        });
        Err(match (self.variable, tool) {
            (Some(variable), _) => failure
                .because(format!("it is the value of the variable `{variable}`"))
                .hint(format!("set `{variable}={name}`, or omit `--environment`")),
            (None, "az") => failure.hint(format!(
                "run `{} {name}` and `{}`, or omit `--environment`",
                typed("az cloud set --name"),
                typed("az login")
            )),
            (None, _) => failure.hint(format!(
                "run `{} {name}` and `{}`, or omit `--environment`",
                typed("azd config set cloud.name"),
                typed("azd auth login")
            )),
        })
    }
}

/// A cloud that `az cloud register` or `update` described.
fn custom_cloud<'a>(
    name: &str,
    arm: &str,
    text: &impl Fn(&str) -> Option<&'a String>,
    typed: Typed<'_>,
) -> Result<Cloud> {
    let invalid = |why: &str| {
        Failure::usage(format!("the cloud `{name}` of `az` is not valid"))
            .because(why)
            .hint(format!(
                "`{}` shows it, and `{}` changes it",
                typed("az cloud show"),
                typed("az cloud update")
            ))
    };
    let url =
        |key: &str, text: &str| endpoint(text).map_err(|why| invalid(&format!("`{key}`: {why}")));
    let authority = text("endpoint_active_directory")
        .ok_or_else(|| invalid("`endpoint_active_directory` is missing"))?;
    let audience = text("endpoint_active_directory_resource_id")
        .or_else(|| text("endpoint_management"))
        .map_or(arm, String::as_str);
    Ok(Cloud {
        name: name.to_owned(),
        authority: url("endpoint_active_directory", authority)?,
        arm: url("endpoint_resource_manager", arm)?,
        arm_audience: audience.to_owned(),
    })
}

/// Reads a file in a tool's directory; empty if it is missing.
fn read(host: &Host, dir: ConfigDir, name: &str) -> Result<String> {
    // The tool finds its home even without `HOME`; this program does not.
    let Ok(dir) = dir.find(host) else {
        return Ok(String::new());
    };
    let path = dir.join(name);
    match file::read_regular(&path, FILE_LIMIT) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(Unreadable::Missing { .. } | Unreadable::DanglingLink { .. }) => Ok(String::new()),
        Err(why) => Err(Failure::new(format!("could not read `{}`", path.display()))
            .because(why)
            .hint("it says which cloud is chosen: make it readable, or choose another `--login`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Az(tempfile::TempDir);

    impl Az {
        fn new(config: &str, clouds: &str) -> Self {
            let az = Self(tempfile::tempdir().expect("a temporary directory"));
            for (name, text) in [("config", config), ("clouds.config", clouds)] {
                std::fs::write(az.0.path().join(name), text).expect("written");
            }
            az
        }

        fn cloud(&self, variable: &str) -> Result<ToolCloud> {
            let host = Host::with_env([
                (AZ_CONFIG_DIR.variable, self.0.path().as_os_str()),
                (AZ_CLOUD_VARIABLE, variable.as_ref()),
            ]);
            ToolCloud::of_az(&host, &str::to_owned)
        }
    }

    const MINE: &str = "[AzureCloud]\nsubscription = s\n\n[Mine]\nprofile = latest\n\
        endpoint_resource_manager = https://arm.example/\nendpoint_active_directory = https://login.example\n\
        endpoint_active_directory_resource_id = https://audience.example/\n";

    #[test]
    fn the_cloud_is_the_one_that_az_is_set_to() {
        let name = |config: &str, variable: &str| {
            let az = Az::new(config, MINE);
            az.cloud(variable).map(|own| own.cloud.arm.to_string())
        };
        let public = "https://management.azure.com/";
        let government = "https://management.usgovcloudapi.net/";
        let set = "[core]\nx = y\n[cloud]\nname = AzureUSGovernment\n";
        assert_eq!(name("", "").expect("a cloud"), public);
        assert_eq!(name(set, "").expect("a cloud"), government);
        assert_eq!(name(set, "AzureCloud").expect("a cloud"), public);
        assert_eq!(name("", "Mine").expect("a cloud"), "https://arm.example/");
        let unknown = name("", "Nonsense").expect_err("no such cloud").render();
        assert!(unknown.contains("`AZURE_CLOUD_NAME`"), "{unknown}");
        let unknown = name("[cloud]\nname = Nonsense\n", "").expect_err("no such cloud");
        assert!(unknown.render().contains("az cloud set"), "{unknown}");
        let own = Az::new("", MINE).cloud("Mine").expect("a cloud");
        assert!(own.custom);
        assert_eq!(own.cloud.authority.as_str(), "https://login.example/");
        assert_eq!(own.cloud.arm_audience, "https://audience.example/");
    }

    #[test]
    fn a_cloud_other_than_the_tools_is_refused_with_the_command_to_change_it() {
        let host = Host::with_env::<&str, &str>([]);
        let wanted = Cloud::named(Some("AzureChinaCloud"), None, &host).expect("a cloud");
        let az = Az::new("[cloud]\nname = AzureUSGovernment\n", "");
        let refused = |variable: &str| {
            let own = az.cloud(variable).expect("a cloud");
            own.check(&wanted, "AzureChinaCloud", &str::to_owned)
                .expect_err("another one")
                .render()
        };
        assert!(refused("").contains("az cloud set --name AzureChinaCloud"));
        assert!(refused("AzureCloud").contains("set `AZURE_CLOUD_NAME=AzureChinaCloud`"));
        assert!(
            az.cloud("AzureChinaCloud")
                .expect("a cloud")
                .check(&wanted, "x", &str::to_owned)
                .is_ok()
        );
    }

    #[test]
    fn azd_has_its_own_cloud() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let host = Host::with_env([(AZD_CONFIG_DIR.variable, dir.path())]);
        let arm = || ToolCloud::of_azd(&host).map(|own| own.cloud.arm.to_string());
        assert_eq!(arm().expect("a cloud"), "https://management.azure.com/");
        std::fs::write(
            dir.path().join("config.json"),
            r#"{"cloud":{"name":"AzureUSGovernment"}}"#,
        )
        .expect("written");
        assert_eq!(
            arm().expect("a cloud"),
            "https://management.usgovcloudapi.net/"
        );
    }
}
