//! Finds out what a person is typing: a command, a flag, or the value of one.
//!
//! clap knows the commands and their flags. What was typed before may be wrong or not complete, so clap can't parse it.

use clap::{Arg, ArgAction, Command};

/// What is being typed.
pub(super) struct Typed {
    /// The command that was typed so far, with all of its flags.
    pub(super) command: Command,
    pub(super) place: Place,
    /// The flags and arguments with values that were typed before, by clap's ids.
    pub(super) given: Vec<(String, String)>,
    /// What was typed of the value, command or flag.
    pub(super) word: String,
}

/// Where the word is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Flag,
    /// The value of the argument or flag with this id.
    Value(String),
    /// A command.
    Command,
    /// What belongs to another program.
    Other,
    /// Nothing is known there.
    Nowhere,
}

/// Reads the words before the one that is typed, and that.
pub(super) fn read(root: Command, before: &[String], word: &str) -> Typed {
    let mut reading = Reading {
        command: root,
        given: Vec::new(),
        pending: None,
        positionals: 0,
        after_dashes: false,
    };
    for one in before {
        reading.word(one);
    }
    reading.end(word)
}

struct Reading {
    command: Command,
    given: Vec<(String, String)>,
    /// The flag whose value comes next.
    pending: Option<String>,
    positionals: usize,
    after_dashes: bool,
}

impl Reading {
    fn word(&mut self, word: &str) {
        if let Some(flag) = self.pending.take() {
            self.given.push((flag, word.to_owned()));
        } else if self.after_dashes {
            self.positional(word);
        } else if word == "--" {
            self.after_dashes = true;
        } else if let Some(flag) = word.strip_prefix("--") {
            self.long(flag);
        } else if let Some(flags) = word.strip_prefix('-').filter(|flags| !flags.is_empty()) {
            self.short(flags);
        } else if let Some(below) = self.below(word) {
            self.command = below;
            self.given.clear();
        } else {
            self.positional(word);
        }
    }

    fn below(&self, name: &str) -> Option<Command> {
        let is_first = self.positionals == 0;
        let mut below = is_first
            .then(|| self.command.find_subcommand(name))??
            .clone();
        below.build();
        Some(below)
    }

    fn positional(&mut self, word: &str) {
        if let Some(id) = self.next_positional() {
            self.given.push((id, word.to_owned()));
        }
        self.positionals += 1;
    }

    fn long(&mut self, flag: &str) {
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (flag, None),
        };
        let Some(arg) = self.command.get_arguments().find(|arg| is_long(arg, name)) else {
            return;
        };
        let id = arg.get_id().to_string();
        match value {
            Some(value) => self.given.push((id, value.to_owned())),
            None if takes_next_word(arg) => self.pending = Some(id),
            None => self.given.push((id, String::new())),
        }
    }

    /// Reads `-q`, `-ojson`, `-o=json` or `-o`, and several of them in a word.
    fn short(&mut self, flags: &str) {
        let mut rest = flags.chars();
        while let Some(c) = rest.next() {
            let mut args = self.command.get_arguments();
            let Some(arg) = args.find(|arg| arg.get_short() == Some(c)) else {
                return;
            };
            let id = arg.get_id().to_string();
            if takes_next_word(arg) {
                match rest.as_str() {
                    "" => self.pending = Some(id),
                    value => {
                        let value = value.strip_prefix('=').unwrap_or(value);
                        self.given.push((id, value.to_owned()));
                    }
                }
                return;
            }
            self.given.push((id, String::new()));
        }
    }

    /// The argument that the next word without a dash is.
    fn next_positional(&self) -> Option<String> {
        let is_next = |arg: &&Arg| !arg.is_last_set() || self.after_dashes;
        let all: Vec<_> = self.command.get_positionals().filter(is_next).collect();
        let arg = match all.get(self.positionals) {
            Some(arg) => arg,
            None => all.last().filter(|arg| is_repeatable(arg))?,
        };
        Some(arg.get_id().to_string())
    }

    fn end(self, word: &str) -> Typed {
        let (place, typed) = self.place(word);
        Typed {
            word: typed.to_owned(),
            place,
            command: self.command,
            given: self.given,
        }
    }

    fn place<'w>(&self, word: &'w str) -> (Place, &'w str) {
        if let Some(flag) = &self.pending {
            return (Place::Value(flag.clone()), word);
        }
        if self.after_dashes && self.command.get_positionals().any(Arg::is_last_set) {
            return (Place::Other, word);
        }
        if !self.after_dashes && word.starts_with('-') {
            let flag = word
                .strip_prefix("--")
                .and_then(|flag| flag.split_once('='));
            let Some((name, value)) = flag else {
                return (Place::Flag, word);
            };
            let arg = self.command.get_arguments().find(|arg| is_long(arg, name));
            return match arg {
                Some(arg) => (Place::Value(arg.get_id().to_string()), value),
                None => (Place::Nowhere, value),
            };
        }
        match self.next_positional() {
            _ if self.positionals == 0 && self.command.has_subcommands() => (Place::Command, word),
            Some(id) => (Place::Value(id), word),
            None => (Place::Nowhere, word),
        }
    }
}

fn is_long(arg: &Arg, name: &str) -> bool {
    let aliases = arg.get_all_aliases().unwrap_or_default();
    arg.get_long() == Some(name) || aliases.contains(&name)
}

/// Whether a flag without `=` takes the next word for its value.
fn takes_next_word(arg: &Arg) -> bool {
    arg.get_action().takes_values() && !arg.is_require_equals_set()
}

/// Whether it may be given several times.
pub(super) fn is_repeatable(arg: &Arg) -> bool {
    let many = arg
        .get_num_args()
        .is_some_and(|range| range.max_values() > 1);
    many || matches!(arg.get_action(), ArgAction::Append | ArgAction::Count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: &str) -> (Place, String, Vec<(String, String)>) {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let (word, before) = words.split_last().expect("a word");
        let typed = read(crate::cli::command(), before, word);
        (typed.place, typed.word, typed.given)
    }

    fn value(id: &str) -> Place {
        Place::Value(id.to_owned())
    }

    #[test]
    fn the_word_is_a_command_a_flag_or_a_value() {
        for (line, expected, word) in [
            ("", Place::Command, ""),
            ("-v 5 cache ", Place::Command, ""),
            ("cache cl", Place::Command, "cl"),
            ("sync ", value("pattern"), ""),
            ("sync a b --tag x c", value("pattern"), "c"),
            ("sync --ta", Place::Flag, "--ta"),
            ("sync -", Place::Flag, "-"),
            ("sync --tag ", value("tag"), ""),
            ("sync --tag=a=b", value("tag"), "a=b"),
            ("sync --account ", value("login-hint"), ""),
            ("list -qo j", value("pattern"), "j"),
            ("list -o j", value("output"), "j"),
            ("list -ojson ", value("pattern"), ""),
            ("list -o=json ", value("pattern"), ""),
            ("sync --running ", value("pattern"), ""),
            ("sync -- -x", value("pattern"), "-x"),
            ("sync --nothing=x", Place::Nowhere, "x"),
            ("version x", Place::Nowhere, "x"),
        ] {
            let (place, typed, _) = place(line);
            assert_eq!((place, typed.as_str()), (expected, word), "{line}");
        }
    }

    #[test]
    fn what_was_given_before_is_known_by_its_flag() {
        let (_, _, given) = place("list -s A -sB -s=C --subscription=D x --output json ");
        let of = |id: &str| {
            let values = given.iter().filter(|(one, _)| one == id);
            values.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(of("only-subscription"), ["A", "B", "C", "D"]);
        assert_eq!(of("pattern"), ["x"]);
        assert_eq!(of("output"), ["json"]);
    }
}
