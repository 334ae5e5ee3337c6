//! `kubectl aad version`: what is installed.

use clap::{Arg, ArgMatches, Command, builder::PossibleValue};
use serde::Serialize;

use super::output;
use crate::error::{EXIT_OK, Result};

/// The commit that a release is built from. `.ci/package` sets the variable; other builds do not know their commit.
const COMMIT: Option<&str> = option_env!("KUBECTL_AAD_COMMIT");

/// The command and its flag.
pub(super) fn command() -> Command {
    Command::new("version")
        .about("Show the version")
        .before_help(
            "Examples:\n  kubectl aad version\n  kubectl aad version -o json    for scripts and bug reports",
        )
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_name("FORMAT")
                .value_parser([
                    PossibleValue::new("text"),
                    PossibleValue::new("json"),
                    PossibleValue::new("yaml"),
                ])
                .default_value("text")
                .help("Format of the result"),
        )
}

#[derive(Serialize)]
struct Version {
    version: &'static str,
    /// Null if it is unknown.
    commit: Option<&'static str>,
    /// As kubectl names it: `linux/amd64`.
    platform: String,
    /// `release` or `debug`.
    build: &'static str,
}

impl Version {
    fn of_this_program() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            commit: COMMIT.filter(|commit| !commit.is_empty()),
            platform: platform(),
            build: if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            },
        }
    }

    /// `kubectl-aad 1.2.3 (linux/amd64)`: the first two words are those of `--version`.
    fn line(&self) -> String {
        let mut facts = vec![self.platform.clone()];
        facts.extend(self.commit.map(|commit| format!("commit {commit}")));
        if self.build != "release" {
            facts.push(format!("{} build", self.build));
        }
        format!("kubectl-aad {} ({})\n", self.version, facts.join(", "))
    }
}

/// The system and the processor, as Go, kubectl and krew name them.
fn platform() -> String {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let processor = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{system}/{processor}")
}

/// Prints the version.
///
/// # Errors
/// If it can't be written.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    let version = Version::of_this_program();
    let format = matches.get_one::<String>("output").map(String::as_str);
    output::print(&match format {
        Some("json") => output::json(&version),
        Some("yaml") => output::yaml(&version)?,
        _ => version.line(),
    })?;
    Ok(EXIT_OK)
}
