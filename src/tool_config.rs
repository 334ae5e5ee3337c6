//! Finds the configuration of `az` and `azd`, and reads az's.

use std::{collections::BTreeMap, path::PathBuf};

use crate::{error::Result, host::Host};

/// The directory in which a tool keeps its state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConfigDir {
    /// The variable that names it.
    pub variable: &'static str,
    default: &'static str,
}

/// The directory of `az`.
pub(crate) const AZ_CONFIG_DIR: ConfigDir = ConfigDir {
    variable: "AZURE_CONFIG_DIR",
    default: ".azure",
};
/// The directory of `azd`.
pub(crate) const AZD_CONFIG_DIR: ConfigDir = ConfigDir {
    variable: "AZD_CONFIG_DIR",
    default: ".azd",
};

/// The variable that selects az's cloud for one call.
pub(crate) const AZ_CLOUD_VARIABLE: &str = "AZURE_CLOUD_NAME";
/// The variables that decide whose account `az` or `azd` answers for.
pub(crate) const ACCOUNT_VARIABLES: [&str; 3] = [
    AZ_CONFIG_DIR.variable,
    AZD_CONFIG_DIR.variable,
    AZ_CLOUD_VARIABLE,
];
/// The cloud of az and azd if none was selected.
pub(crate) const DEFAULT_CLOUD: &str = "AzureCloud";

impl ConfigDir {
    /// The directory that the tool would use.
    ///
    /// # Errors
    /// When the home directory is unknown.
    pub(crate) fn find(self, host: &Host) -> Result<PathBuf> {
        // For the tools a relative path is below their current directory, and we start them in the root.
        let named = host.var_os_nonempty(self.variable);
        match named.and_then(|dir| std::path::absolute(host.path(dir)).ok()) {
            Some(named) => Ok(named),
            None => Ok(host.home()?.join(self.default)),
        }
    }
}

/// The sections of a file by name, as Python's `configparser` reads them.
type Sections = BTreeMap<String, BTreeMap<String, String>>;

/// Reads a configuration file of az.
pub(crate) fn sections(text: &str) -> Sections {
    let mut sections = Sections::new();
    let mut current = String::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.split(']').next())
        {
            name.clone_into(&mut current);
        } else if let Some((key, value)) = line.split_once(['=', ':']) {
            sections
                .entry(current.clone())
                .or_default()
                .insert(key.trim().to_lowercase(), value.trim().to_owned());
        }
    }
    sections
}

/// The cloud that `az cloud set` chose, by the text of az's `config`.
pub(crate) fn cloud_of_az(config: &str) -> String {
    let sections = sections(config);
    let name = sections.get("cloud").and_then(|cloud| cloud.get("name"));
    name.map_or(DEFAULT_CLOUD, String::as_str).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cloud_is_read_from_its_own_section() {
        assert_eq!(cloud_of_az(""), DEFAULT_CLOUD);
        assert_eq!(
            cloud_of_az("[cloud]\nname = AzureChinaCloud\n"),
            "AzureChinaCloud"
        );
        assert_eq!(cloud_of_az("[cloud]\n[other]\nname = x\n"), DEFAULT_CLOUD);
        assert_eq!(cloud_of_az("\u{feff}[cloud]\n; a note\nNAME: Mine"), "Mine");
    }
}
