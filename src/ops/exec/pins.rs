//! Flags that keep kubectl on the cluster of its small kubeconfig.
//!
//! The variable alone does not: a preference in kuberc may set `--kubeconfig` or `--server`, a path with the list's separator is
//! read as several, and where no listed file exists, kubectl goes to the cluster that it runs in.

use std::{ffi::OsString, path::Path};

use super::kubectl_call::KubectlCall;
use crate::host::Host;

/// Global flags of kubectl that lead elsewhere. Given and empty they change nothing, and a preference does not count.
const EMPTY: [&str; 5] = [
    "--context=",
    "--cluster=",
    "--user=",
    "--server=",
    "--token=",
];

/// kubectl's arguments with flags for this kubeconfig after the command, or first if kubectl decides what the command is.
pub(super) fn pinned(call: &KubectlCall, kubeconfig: &Path) -> Vec<OsString> {
    let mut file = OsString::from("--kubeconfig=");
    file.push(kubeconfig);
    let pins = [file].into_iter().chain(EMPTY.map(OsString::from));
    let mut args = call.args.clone();
    let at = call.at.map_or(0, |at| at + 1);
    args.splice(at..at, pins);
    args
}

/// Whether it runs a plugin, which gets the arguments as they are: the longest name that its first words make
/// (`kubectl/pkg/cmd/cmd.go`, `HandlePluginCommand`).
pub(super) fn is_plugin(call: &KubectlCall, host: &Host) -> bool {
    let words = call.plugin.iter().map(|word| word.to_string_lossy());
    let words: Vec<_> = words
        .take_while(|word| !word.starts_with('-'))
        .map(|word| word.replace('-', "_"))
        .collect();
    let names = (1..=words.len()).map(|count| format!("kubectl-{}", words[..count].join("-")));
    { names }.any(|name| {
        let is_name = !name.contains(std::path::is_separator);
        is_name && host.find_program(&name).is_some()
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn flags_for_the_small_kubeconfig_follow_the_command() {
        let pinned = |line: &str| {
            let call = KubectlCall::parse(line.split_whitespace().map(OsString::from));
            let args = pinned(&call.expect("it can be run"), Path::new("/k/a"));
            args.join(OsStr::new(" ")).to_string_lossy().into_owned()
        };
        let pins = "--kubeconfig=/k/a --context= --cluster= --user= --server= --token=";
        assert_eq!(pinned("get pods -l --"), format!("get {pins} pods -l --"));
        assert_eq!(
            pinned("-n x rollout status deploy/x"),
            format!("-n x rollout {pins} status deploy/x")
        );
        assert_eq!(pinned("--unknown get x"), format!("{pins} --unknown get x"));
    }

    #[cfg(unix)]
    #[test]
    fn a_plugin_is_found_by_its_first_words() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("a directory");
        let plugin = directory.path().join("kubectl-my_own-tool");
        std::fs::write(&plugin, "#!/bin/sh\n").expect("written");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&plugin, mode).expect("changed");
        let host = Host::with_env([("PATH", directory.path())]);
        for (line, expected) in [
            ("my-own tool --x", true),
            ("my-own --x tool", false),
            ("my-own", false),
            ("get pods", false),
        ] {
            let call = KubectlCall::parse(line.split_whitespace().map(OsString::from));
            assert_eq!(
                is_plugin(&call.expect("it can be run"), &host),
                expected,
                "{line}"
            );
        }
    }
}
