//! `kubectl aad use`: a shell for one cluster.

use std::{cell::Cell, path::PathBuf, sync::Arc};

use clap::{Arg, ArgAction, Command, builder::PossibleValuesParser};

use super::{
    config::{Given, profile_flag},
    context_args, help, output, question,
    screen::{Screen, Stream, is_dumb},
    sync::naming_flags::label,
};
use crate::{
    error::{EXIT_FAILED, EXIT_OK, EXIT_USAGE, Failure, Result},
    host::Host,
    login::CommandLine,
    ops::use_cluster::{
        Choose, ForUse, Looked, SHELLS, Shell, Usable, UseRequest, Which, look, shell_to_print_for,
        shell_to_start,
    },
};

mod picker;

use picker::Picked;

/// The exit code after Ctrl-C.
const INTERRUPTED: u8 = 130;

const EXAMPLES: &str = "\
Examples:
  kubectl aad use prod-west             a shell that has this cluster alone
  kubectl aad use west -n web           by any part of its name, in a namespace
  kubectl aad use -                     the one before";

const MORE_EXAMPLES: &str = "\
Examples:
  kubectl aad use prod-west             a shell that has this cluster alone
  kubectl aad use west -n web           by any part of its name, in a namespace
  kubectl aad use                       choose from a list
  kubectl aad use -                     the one before
  eval \"$(kubectl aad use --print west)\"
                                        in this shell";

const NOTES: &str = "\
Finds a cluster among the contexts that `kubectl aad sync` wrote, by any part of its context, name, resource group or \
subscription. A context or name that is given whole counts more than parts. If several match, you choose from a list; where \
nobody can be asked, that is an error that lists them.

Then your shell starts, with a KUBECONFIG that is a small private file with this one context: kubectl is as fast as with one \
cluster, and no command in the shell reaches another one by accident. What `kubectl config` changes there, such as the namespace, \
is gone when you leave the shell with `exit`; the exit code is the shell's. AAD_CONTEXT is the context's name, for a prompt. The \
fleet's own commands (use, exec, status, verify, sync, list, prune) work on the kubeconfig outside, which AAD_OUTER_KUBECONFIG \
names.

With --print no shell starts: it prints the command that makes the shell that you are in use the cluster. Its file stays in the \
cache directory and is written again each time.

Exit codes: that of the shell, 1 nothing could be done, or nothing was chosen, 2 usage error, or several clusters match, \
130 interrupted.";

/// The command's flags.
pub(super) fn command() -> Command {
    Command::new("use")
        .about("Start a shell for one cluster")
        .defer(|command| {
            let command = profile_flag(command)
                .before_help(EXAMPLES)
                .before_long_help(MORE_EXAMPLES)
                .after_long_help(NOTES)
                .arg(
                    Arg::new("cluster")
                        .value_name("CLUSTER")
                        .help("Any part of its context, name, group or subscription; `-` is the one before")
                        .help_heading(help::SELECT),
                )
                .args(own_flags());
            help::short(command, &["cluster", "namespace", "print"])
        })
}

fn own_flags() -> [Arg; 5] {
    let shells = SHELLS.map(|(name, _)| name);
    [
        Arg::new("namespace")
            .long("namespace")
            .short('n')
            .value_name("NAME")
            .value_parser(label)
            .help("Namespace, instead of the context's")
            .help_heading(help::SELECT),
        context_args::admin_flag(),
        context_args::kubeconfig_flag(),
        Arg::new("print")
            .long("print")
            .action(ArgAction::SetTrue)
            .help("Print what makes this shell use the cluster, and start none")
            .help_heading(help::OUTPUT),
        Arg::new("shell")
            .long("shell")
            .value_name("NAME")
            .value_parser(PossibleValuesParser::new(shells))
            .help("Shell to start or to print for [default: yours]")
            .help_heading(help::OUTPUT),
    ]
}

/// Runs the command.
///
/// # Errors
/// If there is no such cluster, or a file can't be written, or the shell can't be started.
pub(super) fn run(matches: &Given, host: &Arc<Host>) -> Result<u8> {
    let word = matches.get_one::<String>("cluster");
    let namespace = matches.get_one::<String>("namespace").cloned();
    let request = UseRequest {
        kubeconfig: context_args::kubeconfig(matches, host),
        role: context_args::role(matches),
        which: match word.map(|word| (word, word.trim())) {
            Some((_, "-")) => Which::Before,
            Some((_, "")) | None => Which::Any,
            // Spaces around it may be the context's.
            Some((word, _)) => Which::Word(word.clone()),
        },
        // In the file it is what `sync` gives to contexts that have none.
        namespace: namespace.filter(|_| !matches.is_from_file("namespace")),
    };
    let err = Screen::of(host).err;
    let left = Cell::new(EXIT_FAILED);
    let pick = |several: &[&Usable]| {
        let word = word.map_or("", String::as_str);
        Ok(match picker::pick(several, word, &err)? {
            Picked::Chosen(at) => Some(at),
            Picked::Escaped => None,
            Picked::Interrupted => {
                left.set(INTERRUPTED);
                None
            }
        })
    };
    let can_pick = question::can_ask(host) && !is_dumb(host);
    let choose: Option<&Choose<'_>> = if can_pick { Some(&pick) } else { None };
    let found = match look(&request, host, choose)? {
        Looked::Found(found) => *found,
        Looked::Canceled => return Ok(left.get()),
        Looked::Several(several) => return Ok(list_matches(word, &several, matches, &err)),
    };
    let shell = matches.get_one::<String>("shell").map(String::as_str);
    match matches.get_flag("print") {
        true => print(found, shell, matches, host),
        false => enter(found, shell, host),
    }
}

fn enter(found: ForUse, shell: Option<&str>, host: &Host) -> Result<u8> {
    let shell = shell_to_start(host, shell)?;
    let context = described(&found);
    let leave = match &found.inside {
        Some(outside) => format!("`exit` returns to `{outside}`"),
        None => "`exit` returns".to_owned(),
    };
    output::say_wrapped(&format!("kubectl has {context} alone here; {leave}"), host);
    found.enter(host, shell)
}

fn print(found: ForUse, shell: Option<&str>, matches: &Given, host: &Host) -> Result<u8> {
    let shell = shell
        .and_then(Shell::named)
        .unwrap_or_else(|| shell_to_print_for(host));
    let context = described(&found);
    let command = command_for(&found.context.context, matches);
    let leave = found.leave(shell);
    let text = found.print(host, shell)?;
    output::print(&text)?;
    let line = match host.terminal().stdout {
        // It was shown, and no shell has read it.
        true => format!(
            "hint: for this shell to read it: `{}`",
            shell.reading(&command.to_string())
        ),
        false => {
            format!("kubectl has {context} alone in a shell that reads this; to leave: `{leave}`")
        }
    };
    output::say_wrapped(&line, host);
    Ok(EXIT_OK)
}

/// The context and its namespace, for a sentence.
fn described(found: &ForUse) -> String {
    let context = &found.context.context;
    match &found.namespace {
        Some(namespace) => format!("`{context}` (namespace `{namespace}`)"),
        None => format!("`{context}`"),
    }
}

/// Lists what matches, as commands to paste. Returns the exit code.
fn list_matches(word: Option<&String>, several: &[Usable], matches: &Given, err: &Stream) -> u8 {
    const SHOWN: usize = 20;
    let (message, hint) = match word {
        Some(word) => (
            format!("`{word}` matches {} contexts", several.len()),
            "name one of them:",
        ),
        None => (
            "no cluster is named, and nobody can be asked here".to_owned(),
            "name one:",
        ),
    };
    let failure = Failure::usage(message).hint(hint);
    let rendered = failure.render();
    let lines = rendered.lines().flat_map(|line| err.wrapped(line));
    output::say_lines(&lines.collect::<Vec<_>>());
    for one in several.iter().take(SHOWN) {
        output::say(&format!("  {}", command_for(&one.context, matches)));
    }
    if several.len() > SHOWN {
        output::say(&format!("  and {} more", several.len() - SHOWN));
    }
    EXIT_USAGE
}

/// The command that was typed, for one context.
fn command_for(context: &str, matches: &Given) -> CommandLine {
    let mut command = CommandLine::new("kubectl aad use");
    for flag in ["print", "admin"] {
        if matches.get_flag(flag) {
            command = command.word(&format!("--{flag}"));
        }
    }
    for flag in ["shell", "namespace"] {
        if let Some(value) = matches
            .get_one::<String>(flag)
            .filter(|_| !matches.is_from_file(flag))
        {
            command = command.flag(&format!("--{flag}"), value);
        }
    }
    let kubeconfig = matches.get_one::<PathBuf>("kubeconfig");
    if let Some(path) = kubeconfig.filter(|_| !matches.is_from_file("kubeconfig")) {
        command = command.flag("--kubeconfig", &path.display().to_string());
    }
    command.word(context)
}
