//! kubectl's commands, and what each does to a cluster.

/// What a command does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Effect {
    Read,
    /// It changes something, unless it is a dry run.
    Change,
    /// A plugin, an alias or a newer command: it may change something, and its flags are not known.
    Unknown,
    /// It makes no sense on many clusters at once.
    Refused(Refusal),
}

/// Why a command is refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal {
    pub(super) what: &'static str,
    /// What to type instead.
    pub(super) instead: &'static str,
}

use Effect::{Change, Read, Refused, Unknown};

const ONE_PORT: Effect = Refused(Refusal {
    what: "keeps a port of this machine for one cluster",
    instead: "run it with one context: `kubectl --context NAME …`",
});
const FILE_ONLY: Effect = Refused(Refusal {
    what: "changes or shows a file of this machine, and no cluster",
    instead: "run it without `kubectl aad exec`",
});
const EDITOR: Effect = Refused(Refusal {
    what: "opens an editor for each cluster",
    instead: "use `patch`, `apply` or `set`",
});

/// Commands without subcommands, or whose subcommands are alike.
const COMMANDS: &[(&str, Effect)] = &[
    ("annotate", Change),
    ("api-resources", Read),
    ("api-versions", Read),
    ("attach", Change),
    ("autoscale", Change),
    ("cluster-info", Read),
    ("completion", Read),
    ("config", FILE_ONLY),
    ("cordon", Change),
    ("cp", Change),
    ("create", Change),
    ("debug", Change),
    ("delete", Change),
    ("describe", Read),
    ("diff", Read),
    ("drain", Change),
    ("edit", EDITOR),
    ("events", Read),
    ("exec", Change),
    ("explain", Read),
    ("expose", Change),
    ("get", Read),
    ("help", Read),
    ("kuberc", FILE_ONLY),
    ("kustomize", Read),
    ("label", Change),
    ("logs", Read),
    ("options", Read),
    ("patch", Change),
    ("plugin", Read),
    ("port-forward", ONE_PORT),
    ("proxy", ONE_PORT),
    ("replace", Change),
    ("run", Change),
    ("scale", Change),
    ("set", Change),
    ("taint", Change),
    ("top", Read),
    ("uncordon", Change),
    ("version", Read),
    ("wait", Read),
];

/// Commands whose subcommands differ; what is not listed changes something.
const SUBCOMMANDS: &[(&str, &str, Effect)] = &[
    ("apply", "view-last-applied", Read),
    ("apply", "edit-last-applied", EDITOR),
    ("auth", "can-i", Read),
    ("auth", "whoami", Read),
    ("auth", "reconcile", Change),
    ("certificate", "approve", Change),
    ("certificate", "deny", Change),
    ("rollout", "history", Read),
    ("rollout", "status", Read),
    ("rollout", "pause", Change),
    ("rollout", "restart", Change),
    ("rollout", "resume", Change),
    ("rollout", "undo", Change),
];

/// The subcommands of `create` with their short names. Any other one may be a plugin, such as `kubectl-create-x`, which need not
/// know `--dry-run`.
const CREATED: &[&str] = &[
    "clusterrole",
    "clusterrolebinding",
    "cm",
    "configmap",
    "cronjob",
    "cj",
    "deployment",
    "deploy",
    "ingress",
    "ing",
    "job",
    "namespace",
    "ns",
    "poddisruptionbudget",
    "pdb",
    "priorityclass",
    "pc",
    "quota",
    "resourcequota",
    "role",
    "rolebinding",
    "secret",
    "service",
    "svc",
    "serviceaccount",
    "sa",
    "token",
];

/// What a command does, and its name with that of the subcommand. `below` is the word after it.
pub(super) fn effect_of(verb: &str, below: Option<&str>) -> (Effect, String) {
    if verb == "create" && below.is_some_and(|below| !CREATED.contains(&below)) {
        return (Unknown, verb.to_owned());
    }
    if let Some((_, effect)) = COMMANDS.iter().find(|(name, _)| *name == verb) {
        return (*effect, verb.to_owned());
    }
    let mut of_verb = SUBCOMMANDS.iter().filter(|(name, ..)| *name == verb);
    let below = below.unwrap_or_default();
    if let Some((_, _, effect)) = of_verb.clone().find(|(_, name, _)| *name == below) {
        return (*effect, format!("{verb} {below}"));
    }
    let effect = match of_verb.next() {
        Some(_) => Change,
        None => Unknown,
    };
    (effect, verb.to_owned())
}
