//! What kubectl is asked to do: whether it changes a cluster, whether it ends, and whether it may be run on many at once.
//!
//! kubectl's own commands and flags are those of its 1.34 (`kubectl options`). What is not known counts as a change.

use std::ffi::{OsStr, OsString};

use crate::error::{Failure, Result};

use super::verbs::{self, Effect};

/// Global flags that take a value, without those that are refused.
const WITH_VALUE: &[&str] = &[
    "as",
    "as-group",
    "as-uid",
    "as-user-extra",
    "cache-dir",
    "kuberc",
    "log-flush-frequency",
    "namespace",
    "profile",
    "profile-output",
    "request-timeout",
    "v",
    "vmodule",
];

/// Global flags that take no value. kubectl knows only these before the command.
const GLOBAL_SWITCHES: &[&str] = &[
    "--disable-compression",
    "--match-server-version",
    "--warnings-as-errors",
];

/// Flags of commands that take no value, so that the next argument is read by itself.
const SWITCHES: &[&str] = &[
    "--all",
    "--all-namespaces",
    "--delete-emptydir-data",
    "--disable-eviction",
    "--force",
    "--force-conflicts",
    "--ignore-daemonsets",
    "--ignore-not-found",
    "--local",
    "--now",
    "--overwrite",
    "--prune",
    "--quiet",
    "--recursive",
    "--rm",
    "--save-config",
    "--server-side",
    "--stdin",
    "--tty",
    "--wait",
];
/// Short flags that take no value in any command.
const SHORT_SWITCHES: &str = "AhiqRtw";

/// Flags with which kubectl would go to another cluster, or as somebody else, than the context says.
const ELSEWHERE: &[&str] = &[
    "context",
    "kubeconfig",
    "cluster",
    "user",
    "server",
    "token",
    "username",
    "password",
    "client-certificate",
    "client-key",
    "certificate-authority",
    "tls-server-name",
    "insecure-skip-tls-verify",
];

/// kubectl's arguments, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KubectlCall {
    /// All of them, without kubectl's name.
    pub(crate) args: Vec<OsString>,
    /// Where the command is among them; none if kubectl may take another one for it.
    pub(crate) at: Option<usize>,
    /// The words of a plugin's name, if it may be one.
    pub(crate) plugin: Vec<OsString>,
    /// The command, such as `rollout restart`.
    pub(crate) command: String,
    /// Whether it changes something in the cluster.
    pub(crate) changes: bool,
    /// Whether it goes on until it is stopped.
    pub(crate) streams: bool,
    /// Whether it reads the standard input.
    pub(crate) reads_stdin: bool,
}

impl KubectlCall {
    /// Reads the arguments that follow `--`.
    ///
    /// # Errors
    /// A usage error if there are none, or if kubectl can't run them on clusters that were chosen by other means.
    pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self> {
        let mut args: Vec<OsString> = args.into_iter().collect();
        if args.first().is_some_and(|first| first == "kubectl") {
            args.remove(0);
        }
        let texts: Vec<_> = args.iter().map(|arg| normalized(arg)).collect();
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let own = before_dashes(&texts);
        let named = Named::of(own);
        let Some(verb) = named.verb else {
            return Err(nothing_to_run());
        };
        let (effect, command) = verbs::effect_of(verb, named.below);
        let effect = match named.is_certain {
            true => effect,
            false => Effect::Unknown,
        };
        // `logs` is the command whose short flags take the fewest values.
        let verb = if named.is_certain { verb } else { "logs" };
        check_elsewhere(own, verb)?;
        let flags = Flags { own, verb };
        let changes = match effect {
            Effect::Refused(why) => {
                return Err(
                    Failure::usage(format!("`kubectl {command}` {}", why.what)).hint(why.instead)
                );
            }
            Effect::Read => false,
            Effect::Change => !flags.is_dry_run(),
            Effect::Unknown => true,
        };
        let call = Self {
            changes,
            streams: flags.is_stream(),
            reads_stdin: flags.reads_stdin(),
            command,
            at: named.at.filter(|_| named.is_certain),
            plugin: match effect {
                Effect::Unknown => args[named.at.unwrap_or(0)..].to_vec(),
                _ => Vec::new(),
            },
            args: Vec::new(),
        };
        drop(texts);
        Ok(Self { args, ..call })
    }
}

/// An argument with its flag's name as kubectl reads it: `--dry_run=none` is `--dry-run=none`
/// (`k8s.io/component-base/cli/flag.WordSepNormalizeFunc`).
fn normalized(arg: &OsStr) -> String {
    let text = arg.to_string_lossy();
    match text.split_once('=') {
        _ if !text.starts_with("--") => text.into_owned(),
        Some((name, value)) => format!("{}={value}", name.replace('_', "-")),
        None => text.replace('_', "-"),
    }
}

/// The arguments before the `--` after which kubectl reads no flags. One that may be the value of the flag before it is none.
fn before_dashes<'t, 'a>(texts: &'t [&'a str]) -> &'t [&'a str] {
    let end = (0..texts.len()).find(|at| {
        let before = at.checked_sub(1).map(|before| texts[before]);
        texts[*at] == "--"
            && before.is_none_or(|before| !before.starts_with('-') || is_switch(before))
    });
    &texts[..end.unwrap_or(texts.len())]
}

fn nothing_to_run() -> Failure {
    Failure::usage("there is nothing to run")
        .hint("kubectl's arguments go after `--`: `kubectl aad exec 'prod-*' -- get nodes`")
}

/// The command that arguments name. kubectl takes the argument after a flag that it does not know yet for the flag's value, so
/// what follows one may be a command or not.
#[derive(Debug, Default)]
struct Named<'a> {
    verb: Option<&'a str>,
    at: Option<usize>,
    /// The subcommand, or what the command is about; none after a flag that may have taken it.
    below: Option<&'a str>,
    /// Whether the command is what it seems.
    is_certain: bool,
}

impl<'a> Named<'a> {
    fn of(own: &[&'a str]) -> Self {
        let mut named = Self {
            is_certain: true,
            ..Self::default()
        };
        let mut args = own.iter().enumerate();
        while let Some((at, arg)) = args.next() {
            if !arg.starts_with('-') || *arg == "-" {
                if named.verb.is_some() {
                    named.below = Some(arg);
                    break;
                }
                named.verb = Some(arg);
                named.at = Some(at);
            } else if takes_next(arg) {
                args.next();
            } else if !stands_alone(arg) {
                if named.verb.is_some() {
                    break;
                }
                named.is_certain = false;
            }
        }
        named
    }
}

/// Whether the value of a global flag is the next argument.
fn takes_next(arg: &str) -> bool {
    match arg.strip_prefix("--") {
        Some(long) => WITH_VALUE.contains(&long),
        None => matches!(arg, "-n" | "-v"),
    }
}

/// Whether kubectl takes a flag before the command for complete without the next argument.
fn stands_alone(arg: &str) -> bool {
    let is_attached = |short: &str| arg.starts_with(short) && arg.len() > short.len();
    arg.contains('=') || is_attached("-n") || is_attached("-v") || GLOBAL_SWITCHES.contains(&arg)
}

/// Whether a flag of any command is complete without the next argument.
fn is_switch(arg: &str) -> bool {
    let shorts = arg.strip_prefix('-').unwrap_or_default();
    let are_switches = !shorts.is_empty() && shorts.chars().all(|c| SHORT_SWITCHES.contains(c));
    are_switches || stands_alone(arg) || SWITCHES.contains(&arg)
}

/// Refuses flags that lead elsewhere.
fn check_elsewhere(own: &[&str], verb: &str) -> Result<()> {
    let long = |arg: &str| {
        let name = arg.strip_prefix("--")?.split('=').next()?;
        ELSEWHERE.contains(&name).then(|| format!("--{name}"))
    };
    let found = own
        .iter()
        .find_map(|arg| long(arg).or_else(|| has_short(arg, 's', verb).then(|| "-s".to_owned())));
    match found {
        None => Ok(()),
        Some(flag) => Err(Failure::usage(format!(
            "`{flag}` among kubectl's arguments would lead to another cluster or identity"
        ))
        .hint("choose clusters before `--`, by name or with flags such as `--resource-group`")),
    }
}

/// Whether a group of short flags, such as `-Aw`, has this one, and not as a part of another one's value.
fn has_short(arg: &str, wanted: char, verb: &str) -> bool {
    let Some(group) = arg
        .strip_prefix('-')
        .filter(|group| !group.starts_with('-'))
    else {
        return false;
    };
    for flag in group.chars() {
        if flag == wanted {
            return true;
        }
        if takes_value(flag, verb) {
            return false;
        }
    }
    false
}

/// Whether a short flag takes a value, which may follow it without a space.
fn takes_value(flag: char, verb: &str) -> bool {
    match flag {
        'n' | 'k' | 'o' | 'l' | 'L' | 'c' | 'v' => true,
        // `--follow` in `logs`, else `--filename`.
        'f' => verb != "logs",
        'p' => verb == "patch",
        'e' => verb == "set",
        _ => false,
    }
}

/// The flags before a `--` of kubectl's own.
struct Flags<'a> {
    own: &'a [&'a str],
    verb: &'a str,
}

impl Flags<'_> {
    /// The value of each time that a flag is given: that after `=`, or the next argument.
    fn values(&self, long: &str, short: char) -> Vec<&str> {
        let mut values = Vec::new();
        for (at, arg) in self.own.iter().enumerate() {
            let next = || self.own.get(at + 1).copied();
            let attached = match arg.strip_prefix("--") {
                Some(name) => name.strip_prefix(long),
                None => arg
                    .strip_prefix('-')
                    .and_then(|rest| rest.strip_prefix(short)),
            };
            let value = match attached {
                Some("") => next(),
                Some(value) => match (value.strip_prefix('='), arg.starts_with("--")) {
                    (Some(value), _) => Some(value),
                    (None, false) => Some(value),
                    // Another flag that begins so.
                    (None, true) => None,
                },
                None => None,
            };
            values.extend(value);
        }
        values
    }

    /// Whether a switch is on.
    fn is_on(&self, long: &str, short: Option<char>) -> bool {
        self.own.iter().any(|arg| {
            let by_name = arg
                .strip_prefix("--")
                .and_then(|name| name.strip_prefix(long))
                .is_some_and(|value| {
                    value.is_empty() || (value.starts_with('=') && value != "=false")
                });
            by_name || short.is_some_and(|short| has_short(arg, short, self.verb))
        })
    }

    /// Whether every `--dry-run` says that nothing is changed, and there is one. One that may be the value of the flag before
    /// it does not count. kubectl sends what `--raw` says in any case.
    fn is_dry_run(&self) -> bool {
        let mut is_given = false;
        if self.own.iter().any(|arg| arg.starts_with("--raw")) {
            return false;
        }
        for (at, arg) in self.own.iter().enumerate() {
            let Some(value) = arg.strip_prefix("--dry-run") else {
                continue;
            };
            let before = at.checked_sub(1).and_then(|at| self.own.get(at));
            let may_be_value =
                before.is_some_and(|before| before.starts_with('-') && !is_switch(before));
            if may_be_value || !matches!(value, "=client" | "=server") {
                return false;
            }
            is_given = true;
        }
        is_given
    }

    fn is_stream(&self) -> bool {
        match self.verb {
            "get" | "events" => self.is_on("watch", Some('w')) || self.is_on("watch-only", None),
            "logs" => self.is_on("follow", Some('f')),
            _ => false,
        }
    }

    fn reads_stdin(&self) -> bool {
        let is_stdin = |value: &&str| ["-", "/dev/stdin"].contains(value);
        let files = self.values("filename", 'f');
        let named = ["patch-file", "from-file", "from-env-file"];
        let others = named.iter().flat_map(|flag| self.values(flag, '\0'));
        let runs = matches!(self.verb, "exec" | "run" | "attach" | "debug");
        files.iter().any(is_stdin)
            || others
                .into_iter()
                .any(|value| value == "-" || value.ends_with("/dev/stdin"))
            || (runs && self.is_on("stdin", Some('i')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<KubectlCall> {
        KubectlCall::parse(line.split_whitespace().map(OsString::from))
    }

    fn call(line: &str) -> KubectlCall {
        parse(line).expect("it can be run")
    }

    #[test]
    fn reads_are_free_and_everything_else_is_a_change() {
        for line in [
            "get nodes",
            "kubectl get nodes -o wide",
            "-n kube-system --v=6 get pods",
            "--request-timeout 5s describe pod x",
            "logs web -f",
            "top pods",
            "rollout status deploy/web",
            "rollout history deploy/web",
            "auth can-i get pods",
            "auth whoami",
            "cluster-info dump",
            "apply view-last-applied cm/x",
            "delete pod x --dry-run=server",
            "apply --server-side --dry-run=server -f x.yaml",
            "apply -f x.yaml --dry-run=client",
            "config view",
            "wait --for=condition=Ready pod/x",
            "diff -f x.yaml",
            "version",
        ] {
            let Ok(read) = parse(line) else {
                assert!(line.starts_with("config"), "{line}");
                continue;
            };
            assert!(!read.changes, "{line}");
        }
        for line in [
            "delete pod x",
            "-n delete delete pod x",
            "apply -f x.yaml",
            "apply -f x.yaml --dry-run=none",
            "apply -f x.yaml --dry-run",
            "apply --dry-run=server --dry-run=none -f x.yaml",
            "rollout restart deploy/web",
            "rollout",
            "auth reconcile -f x.yaml",
            "certificate approve x",
            "set image deploy/web a=b",
            "exec web -- ls --dry-run=server",
            "create token default",
            "cordon node",
            "apply set-last-applied -f x",
            "some-plugin get nodes",
            "some-plugin --dry-run=server",
            "--unknown get delete",
            "rollout -l status restart deploy/web",
            "annotate --field-manager --dry-run=server pod x a=b",
            // kubectl normalizes the names of flags.
            "delete pod x --dry-run=client --dry_run=none",
            // It sends what `--raw` says.
            "delete --raw /api/v1/namespaces/x --dry-run=client",
            "create --raw=/api/v1/namespaces -f x --dry-run=server",
            // It takes `events` for the value of `-A`, which it does not know before the command.
            "-A events delete --all",
            "--all events delete --all",
            "rollout -R status restart -f x",
            // The first `--` is the value of `-l`.
            "delete pod --dry-run=client -l -- --dry-run=none",
            // `kubectl-create-x` may be a plugin.
            "create x --dry-run=client",
        ] {
            assert!(call(line).changes, "{line}");
        }
        assert_eq!(
            call("-n x rollout restart deploy/web").command,
            "rollout restart"
        );
        assert_eq!(call("get pods").command, "get");
    }

    #[test]
    fn flags_that_lead_to_another_cluster_or_identity_are_refused() {
        for line in [
            "get nodes --context other",
            "--context=other get nodes",
            "get nodes -s https://x",
            "get nodes -shttps://x",
            "get nodes -As https://x",
            "logs web -fs https://x",
            "get nodes --token=abc",
            "get nodes --user u",
            "--kubeconfig x get nodes",
            "get nodes --insecure-skip-tls-verify",
            "get nodes --server=x",
            "get nodes --insecure_skip_tls_verify",
            "get nodes --tls_server_name=x",
            "get pods -l -- --server=https://x",
            "get pods --sort-by -- -s https://x",
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(
                error.render().contains("another cluster or identity"),
                "{line}"
            );
        }
        for line in [
            "get nodes -l app=s",
            "get nodes -lapp=s",
            "get pods -nkube-system",
            "get pods -ocustom-columns=s:.a",
            "get pods --as someone --as-group s",
            "exec web -- psql -s --context x",
            "exec web -it -- psql -s --context x",
            "exec --stdin --tty web -c a -- psql -s --context x",
            "set env deploy/x -eA=some",
            "get pods -Lsize",
            "logs web -cside",
        ] {
            let _ = call(line);
        }
    }

    #[test]
    fn what_can_not_be_run_on_many_clusters_is_refused_and_says_what_can() {
        for line in [
            "config use-context x",
            "edit deploy/web",
            "port-forward pod/x 80",
            "proxy",
            "",
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.render().contains("hint:"), "{line}");
        }
    }

    #[test]
    fn streams_and_what_reads_the_standard_input_are_known() {
        for line in [
            "get pods -w",
            "get pods -Aw",
            "get pods --watch",
            "logs x -f",
            "events --watch",
            "logs x --follow=true",
            "get pods --watch-only",
        ] {
            assert!(call(line).streams, "{line}");
        }
        for line in [
            "get pods",
            "get pods --watch=false",
            "apply -f x",
            "get -f x pods",
            "get pods -ow",
            "wait pod/x",
        ] {
            assert!(!call(line).streams, "{line}");
        }
        for line in [
            "apply -f -",
            "apply -f-",
            "apply -f=-",
            "create --filename -",
            "apply --filename=-",
            "exec -i web -- cat",
            "apply -f /dev/stdin",
            "create cm x --from-file=a=/dev/stdin",
        ] {
            assert!(call(line).reads_stdin, "{line}");
        }
        for line in [
            "apply -f x",
            "logs -f web",
            "get pods",
            "exec web -- cat -i",
            "apply -R -f dir",
        ] {
            assert!(!call(line).reads_stdin, "{line}");
        }
    }
}
