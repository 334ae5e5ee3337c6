//! What people type who know `az`, kubelogin or kubectl, and what it is called here.

/// Words that are typed, and what to say.
struct Habit {
    /// The commands with which they are typed; none for all.
    commands: &'static [&'static str],
    typed: &'static [&'static str],
    hint: &'static str,
}

const FLEET: &[&str] = &["sync", "list"];
const SIGN_IN: &[&str] = &["sync", "list", "get-token", "convert-kubeconfig"];

/// Flags.
static FLAGS: &[Habit] = &[
    Habit {
        commands: FLEET,
        typed: &["-n"],
        hint: "use `--name NAME`",
    },
    Habit {
        commands: FLEET,
        typed: &["-A", "--all"],
        hint: "every cluster that you can reach is included without a flag",
    },
    Habit {
        commands: &["sync"],
        typed: &["-a"],
        hint: "administrators' credentials are fetched with `--admin`",
    },
    Habit {
        commands: &["sync"],
        typed: &["--overwrite-existing"],
        hint: "omit it: the entries that sync wrote are updated, and no others",
    },
    Habit {
        commands: &["sync", "convert-kubeconfig"],
        typed: &["-f", "--file"],
        hint: "use `--kubeconfig FILE`",
    },
    Habit {
        commands: SIGN_IN,
        typed: &["--login-mode", "--login-method", "--mode"],
        hint: "use `--login MODE`; `kubectl aad help login` lists the modes",
    },
    Habit {
        commands: SIGN_IN,
        typed: &["--service-principal"],
        hint: "use `--login spn`; `kubectl aad help login` lists what it needs",
    },
    Habit {
        commands: SIGN_IN,
        typed: &["--identity"],
        hint: "use `--login msi`; `kubectl aad help login` lists what it takes",
    },
    Habit {
        commands: SIGN_IN,
        typed: &["--use-device-code", "--device-code"],
        hint: "use `--login devicecode`",
    },
    Habit {
        commands: &["get-token", "convert-kubeconfig"],
        typed: &["--account"],
        hint: "use `--login-hint NAME`",
    },
    Habit {
        commands: &["get-token"],
        typed: &["--resource", "--scope"],
        hint: "use `--server-id ID`, the application that the token is for",
    },
    Habit {
        commands: &["get-token"],
        typed: &["-o", "--output"],
        hint: "omit it: kubectl reads the credential as JSON",
    },
    Habit {
        commands: FLEET,
        typed: &["--query"],
        hint: "use `-o json` and a program such as jq",
    },
    Habit {
        commands: &["sync", "convert-kubeconfig"],
        typed: &["--only-show-errors", "--silent"],
        hint: "use `-q`",
    },
    Habit {
        commands: &[],
        typed: &["--verbose", "--debug"],
        hint: "`-v 1` logs steps, `-v 5` every request",
    },
    Habit {
        commands: &["list", "get-token", "convert-kubeconfig", "undo", "clear"],
        typed: &["-y", "--yes"],
        hint: "omit it: this command asks for no confirmation",
    },
];

/// Commands.
static COMMANDS: &[Habit] = &[
    Habit {
        commands: &[],
        typed: &["login", "signin", "sign-in"],
        hint: "`kubectl aad sync` signs in by itself; `kubectl aad help login` lists the ways to do it",
    },
    Habit {
        commands: &[],
        typed: &["signout", "sign-out", "logoff"],
        hint: "`kubectl aad logout` forgets an account's tokens and sign-ins",
    },
    Habit {
        commands: &[],
        typed: &["clear"],
        hint: "`kubectl aad cache clear` deletes all tokens and sign-ins",
    },
    Habit {
        commands: &[],
        typed: &["get-credentials", "update", "refresh", "add", "import"],
        hint: "`kubectl aad sync` brings every cluster into the kubeconfig",
    },
    Habit {
        commands: &[],
        typed: &["ls", "get", "show", "clusters"],
        hint: "`kubectl aad list` lists the clusters",
    },
];

/// Words after the command's name.
static WORDS: &[Habit] = &[Habit {
    commands: &["convert-kubeconfig", "clear"],
    typed: &[],
    hint: "use `--context NAME`",
}];

/// What to say to a flag that a command doesn't have.
pub(super) fn flag(command: &str, flag: &str) -> Option<&'static str> {
    hint(FLAGS, command, flag)
}

/// What to say to a command that does not exist.
pub(super) fn command(name: &str) -> Option<&'static str> {
    hint(COMMANDS, "", name)
}

/// What to say to a word that is not the value of a flag.
pub(super) fn word(command: &str, word: &str) -> Option<&'static str> {
    hint(WORDS, command, word)
}

fn hint(habits: &'static [Habit], command: &str, typed: &str) -> Option<&'static str> {
    let fits = |list: &[&str], word: &str| list.is_empty() || list.contains(&word);
    let found = habits
        .iter()
        .find(|habit| fits(habit.commands, command) && fits(habit.typed, typed));
    found.map(|habit| habit.hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_habit_is_of_a_command_and_names_flags_that_it_has() {
        let mut root = crate::cli::command();
        root.build();
        let find = |name: &str| {
            let all = root.get_subcommands();
            let mut all =
                all.flat_map(|command| [command].into_iter().chain(command.get_subcommands()));
            all.find(|command| command.get_name() == name)
        };
        for habit in [FLAGS, WORDS].into_iter().flatten() {
            let names = match habit.commands {
                [] => SIGN_IN,
                some => some,
            };
            for name in names {
                let command = find(name).expect("a command");
                let takes = |typed: &str| {
                    let line = format!("{name} {typed}");
                    let words = line.split(' ');
                    command.clone().try_get_matches_from(words)
                };
                for typed in habit.typed {
                    assert!(takes(typed).is_err(), "{name} has {typed}");
                }
                for shown in habit.hint.split('`').skip(1).step_by(2) {
                    if shown.starts_with("kubectl aad ") {
                        continue;
                    }
                    // A flag is shown with its value, or needs one.
                    let with = |value: &str| takes(&format!("{shown}{value}"));
                    assert!(with("").is_ok() || with(" x").is_ok(), "{name} {shown}");
                }
            }
        }
        for habit in COMMANDS {
            for typed in habit.typed {
                assert!(root.find_subcommand(typed).is_none(), "{typed} exists");
            }
        }
    }
}
