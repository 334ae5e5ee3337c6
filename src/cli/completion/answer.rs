//! Answers what a word may become: a line for each, `VALUE<TAB>DESCRIPTION`, and a last one that tells the shell what to do
//! (cobra's directives, `completions.go`), as kubectl expects it.

use clap::{Arg, Command, ValueHint};

use super::{
    typed::{self, Place, Typed, is_repeatable},
    words::{description, is_plain},
};
use crate::{
    clouds::CLOUDS,
    host::Host,
    login::{MODES, Param},
    ops::completion::{Question, Suggestion, Topic, suggestions},
};

/// No space follows the only choice.
const NO_SPACE: u8 = 2;
/// Names of files are no choices.
const NO_FILES: u8 = 4;
/// Only directories are choices.
const DIRECTORIES: u8 = 16;
/// The most lines: nobody reads more, and bash takes long.
const MOST: usize = 5000;
/// The values of `--token-store`.
const STORES: [(&str, &str); 4] = [
    ("auto", "encrypted if the system can keep a key"),
    ("keyring", "encrypted files"),
    ("file", "plain files"),
    ("none", "nothing is stored"),
];

/// What can be typed, and a directive.
struct Answer {
    choices: Vec<Suggestion>,
    directive: u8,
}

impl Answer {
    fn of(choices: Vec<Suggestion>) -> Self {
        Self {
            choices,
            directive: NO_FILES,
        }
    }

    fn files(directive: u8) -> Self {
        Self {
            choices: Vec::new(),
            directive,
        }
    }
}

/// The answer about the last of the words that follow the program's name.
pub(super) fn to(words: &[String], host: &Host) -> String {
    let (word, before) = match words.split_last() {
        Some((word, before)) => (word.as_str(), before),
        None => ("", words),
    };
    let typed = typed::read(crate::cli::command(), before, word);
    let answer = answer(&typed, host);
    let mut text = String::new();
    let wanted = typed.word.to_lowercase();
    let mut left = MOST;
    for choice in &answer.choices {
        let Some(value) = usable(choice, &wanted, &typed.place) else {
            continue;
        };
        if left == 0 {
            break;
        }
        left -= 1;
        // Always with a tab: without any description, an older script for bash expands the values.
        text.push_str(&format!("{value}\t{}\n", described(choice, value)));
    }
    text.push_str(&format!(":{}\n", answer.directive));
    text
}

/// What to type for a choice that begins with what is wanted, in lower case; none if it can't be typed without quotes.
fn usable<'c>(choice: &'c Suggestion, wanted: &str, place: &Place) -> Option<&'c str> {
    let begins = |text: &str| text.to_lowercase().starts_with(wanted);
    // Flags are the program's own; a name that looks like one may hold anything.
    if *place == Place::Flag || is_plain(&choice.value) {
        return Some(choice.value.as_str()).filter(|value| begins(value));
    }
    let instead = choice
        .instead
        .as_deref()
        .filter(|text| is_plain_pattern(text))?;
    (begins(&choice.value) || begins(instead)).then_some(instead)
}

/// Whether a word with `?` for what needs quotes is plain but for those.
fn is_plain_pattern(text: &str) -> bool {
    !text.is_empty() && is_plain(&text.replace('?', "x")) && !text.starts_with('?')
}

fn described(choice: &Suggestion, value: &str) -> String {
    match value == choice.value {
        true => description(&choice.about),
        false => description(&choice.value),
    }
}

fn answer(typed: &Typed, host: &Host) -> Answer {
    match &typed.place {
        Place::Other => Answer::files(0),
        Place::Nowhere => Answer::of(Vec::new()),
        Place::Command => Answer::of(commands(&typed.command)),
        Place::Flag => Answer::of(flags(typed)),
        Place::Value(id) => {
            let mut args = typed.command.get_arguments();
            match args.find(|arg| arg.get_id() == id.as_str()) {
                Some(arg) => values(typed, arg, host),
                None => Answer::of(Vec::new()),
            }
        }
    }
}

fn suggestion(value: impl Into<String>, about: impl ToString) -> Suggestion {
    Suggestion {
        value: value.into(),
        instead: None,
        about: about.to_string(),
    }
}

fn commands(command: &Command) -> Vec<Suggestion> {
    let shown = command
        .get_subcommands()
        .filter(|below| !below.is_hide_set());
    shown
        .map(|below| {
            let about = below.get_about().map(ToString::to_string);
            suggestion(below.get_name(), about.unwrap_or_default())
        })
        .collect()
}

/// The flags that can still be given. Those that few people need are only shown once a part of one is typed.
fn flags(typed: &Typed) -> Vec<Suggestion> {
    let is_given = |arg: &Arg| {
        typed
            .given
            .iter()
            .any(|(id, _)| arg.get_id() == id.as_str())
    };
    let shows_all = typed.word.len() > "--".len();
    let flags = typed
        .command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set() && (shows_all || !arg.is_hide_long_help_set()))
        .filter(|arg| is_repeatable(arg) || !is_given(arg));
    flags
        .filter_map(|arg| {
            let help = arg.get_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            let about = help.strip_suffix(" (repeatable)").unwrap_or(&help);
            Some(suggestion(format!("--{}", arg.get_long()?), about))
        })
        .collect()
}

fn values(typed: &Typed, arg: &Arg, host: &Host) -> Answer {
    let possible = arg.get_possible_values();
    if !possible.is_empty() && !arg.is_hide_possible_values_set() {
        let shown = possible.iter().filter(|value| !value.is_hide_set());
        let shown = shown.map(|value| {
            let help = value.get_help().map(ToString::to_string);
            suggestion(value.get_name(), help.unwrap_or_default())
        });
        return Answer::of(shown.collect());
    }
    let id = arg.get_id().as_str();
    if let Some(known) = known(id) {
        return Answer::of(known);
    }
    if id == "topic" {
        let login = suggestion("login", "The ways to sign in");
        let commands = commands(&crate::cli::command()).into_iter();
        return Answer::of(commands.chain([login]).collect());
    }
    if let Some(topic) = topic(id) {
        return seen(topic, typed, arg, host);
    }
    match (arg.get_value_hint(), arg.get_value_names()) {
        (ValueHint::DirPath, _) => Answer::files(DIRECTORIES),
        (_, Some([name])) if name == "DIR" => Answer::files(DIRECTORIES),
        (ValueHint::FilePath | ValueHint::AnyPath, _) => Answer::files(0),
        (_, Some([name])) if ["FILE", "PATH"].contains(&name.as_str()) => Answer::files(0),
        _ => Answer::of(Vec::new()),
    }
}

/// The values of flags that the program itself knows.
fn known(id: &str) -> Option<Vec<Suggestion>> {
    let is = |param: Param| param.row().flag == id || param.row().arm_flag == Some(id);
    let known: Vec<_> = match id {
        _ if is(Param::Login) || id == "arm-login" => MODES
            .iter()
            .map(|mode| suggestion(mode.name, mode.summary))
            .collect(),
        _ if is(Param::Environment) => CLOUDS
            .iter()
            .map(|cloud| suggestion(cloud.name, ""))
            .collect(),
        _ if is(Param::TokenStore) => STORES
            .iter()
            .map(|(name, about)| suggestion(*name, about))
            .collect(),
        _ => return None,
    };
    Some(known)
}

/// What a flag or argument names.
fn topic(id: &str) -> Option<Topic> {
    let is_tenant = Param::TenantId.row().flag == id || Param::TenantId.row().arm_flag == Some(id);
    Some(match id {
        "pattern" | "exclude" | "cluster" => Topic::Clusters,
        "name" => Topic::ClusterNames,
        "only-subscription" => Topic::Subscriptions,
        "resource-group" => Topic::ResourceGroups,
        "location" => Topic::Locations,
        "tag" => Topic::Tags,
        "exclude-tenant" => Topic::Tenants,
        "context" => Topic::Contexts,
        "profile" => Topic::Profiles,
        _ if is_tenant => Topic::Tenants,
        _ => return None,
    })
}

fn seen(topic: Topic, typed: &Typed, arg: &Arg, host: &Host) -> Answer {
    let mut named = typed.given.iter().filter(|(id, _)| id == "kubeconfig");
    let question = Question {
        topic,
        word: &typed.word,
        kubeconfig: named.next().map(|(_, path)| host.path(path)),
        is_plain,
    };
    let mut choices = suggestions(&question, host);
    let given: Vec<_> = typed
        .given
        .iter()
        .filter(|(id, _)| arg.get_id() == id.as_str())
        .map(|(_, value)| value)
        .collect();
    choices.retain(|one| {
        let is_given = |value: &String| given.contains(&value);
        !is_given(&one.value) && !one.instead.as_ref().is_some_and(is_given)
    });
    let needs_more = topic == Topic::Tags && !typed.word.contains('=');
    Answer {
        choices,
        directive: match needs_more {
            true => NO_FILES | NO_SPACE,
            false => NO_FILES,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_looks_like_a_flag_is_no_choice() {
        let value = Place::Value("tag".to_owned());
        for name in ["--$(touch x)", "--kubeconfig=x", "--all", "-x"] {
            let choice = suggestion(name, "");
            assert_eq!(usable(&choice, "", &value), None);
        }
        let flag = suggestion("--all", "");
        assert_eq!(usable(&flag, "--a", &Place::Flag), Some("--all"));
        assert_eq!(usable(&suggestion("a", ""), "", &value), Some("a"));
    }
}
