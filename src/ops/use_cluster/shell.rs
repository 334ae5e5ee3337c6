//! The shells that people have: how one is started for a context, and what sets variables in one.

use std::{ffi::OsString, path::Path};

use crate::shell::{quoted_for_posix, quoted_for_powershell};

/// A shell, by its language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
    /// PowerShell.
    Pwsh,
    /// Windows' command prompt.
    Cmd,
    /// `sh` and those that read the same language.
    Posix,
}

/// The names that people give, with the program that each stands for.
pub(crate) const SHELLS: [(&str, Shell); 7] = [
    ("bash", Shell::Bash),
    ("zsh", Shell::Zsh),
    ("fish", Shell::Fish),
    ("pwsh", Shell::Pwsh),
    ("powershell", Shell::Pwsh),
    ("cmd", Shell::Cmd),
    ("sh", Shell::Posix),
];

impl Shell {
    /// The shell of this name, such as `bash`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let mut all = SHELLS.iter();
        all.find(|(known, _)| *known == name)
            .map(|(_, shell)| *shell)
    }

    /// The shell that a program is, such as `/usr/bin/fish`, `-zsh` or `pwsh.exe`.
    pub(crate) fn of_program(program: &Path) -> Option<Self> {
        let name = program.file_name()?.to_str()?.to_ascii_lowercase();
        let name = name.strip_suffix(".exe").unwrap_or(&name);
        let name = name.strip_prefix('-').unwrap_or(name);
        match name {
            "dash" | "ash" | "ksh" | "mksh" => Some(Self::Posix),
            name => Self::named(name),
        }
    }

    /// The text that sets variables in this shell.
    pub(crate) fn set(self, variables: &[(&str, &str)]) -> String {
        let each = |one: fn(&str, &str) -> String, between: &str| {
            let set = variables.iter().map(|(name, value)| one(name, value));
            set.collect::<Vec<_>>().join(between)
        };
        match self {
            Self::Bash | Self::Zsh | Self::Posix => {
                format!(
                    "export {}",
                    each(
                        |name, value| format!("{name}={}", quoted_for_posix(value)),
                        " "
                    )
                )
            }
            Self::Fish => each(
                |name, value| format!("set -gx {name} {}", for_fish(value)),
                "; ",
            ),
            Self::Pwsh => each(
                |name, value| format!("$env:{name} = {}", quoted_for_powershell(value)),
                "; ",
            ),
            Self::Cmd => each(|name, value| format!("set \"{name}={value}\""), "\n"),
        }
    }

    /// The text that removes variables in this shell.
    pub(crate) fn unset(self, names: &[&str]) -> String {
        match self {
            Self::Bash | Self::Zsh | Self::Posix => format!("unset {}", names.join(" ")),
            Self::Fish => format!("set -e {}", names.join(" ")),
            Self::Pwsh => format!("Remove-Item Env:{}", names.join(", Env:")),
            Self::Cmd => {
                let each = names.iter().map(|name| format!("set \"{name}=\""));
                each.collect::<Vec<_>>().join(" & ")
            }
        }
    }

    /// Two commands of this shell in one line.
    pub(crate) fn both(self, first: &str, second: &str) -> String {
        match self {
            Self::Cmd => format!("{first} & {second}"),
            _ => format!("{first}; {second}"),
        }
    }

    /// The command that reads what `command` prints, such as `eval "$(kubectl aad use …)"`.
    pub(crate) fn reading(self, command: &str) -> String {
        match self {
            Self::Bash | Self::Zsh | Self::Posix => format!("eval \"$({command})\""),
            Self::Fish => format!("{command} | source"),
            Self::Pwsh => format!("{command} | Out-String | Invoke-Expression"),
            Self::Cmd => format!("for /f \"delims=\" %i in ('{command}') do @%i"),
        }
    }

    /// How it is started for a person, so that `KUBECONFIG` is `value` whatever the files say that it reads first.
    pub(crate) fn start(self, value: &str) -> Start {
        let set = self.set(&[("KUBECONFIG", value)]);
        match self {
            Self::Bash => Start::File {
                name: "bashrc",
                text: format!("[ -r ~/.bashrc ] && . ~/.bashrc\n{set}\n"),
            },
            Self::Zsh => Start::Directory {
                file: ".zshenv",
                text: ZSH.replace("@SET@", &set),
            },
            Self::Fish => Start::Arguments(vec!["--init-command".into(), set.into()]),
            Self::Pwsh => Start::Arguments(vec!["-NoExit".into(), "-Command".into(), set.into()]),
            Self::Cmd | Self::Posix => Start::Arguments(Vec::new()),
        }
    }
}

/// What a shell needs at its start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Arguments(Vec<OsString>),
    /// A file that it reads instead of the person's own, which that file reads (bash(1), `--rcfile`).
    File {
        name: &'static str,
        text: String,
    },
    /// A directory with such a file, which `ZDOTDIR` names (zsh(1), STARTUP/SHUTDOWN FILES).
    Directory {
        file: &'static str,
        text: String,
    },
}

/// zsh reads this first. The directory is the person's again from here on; after all their files, before the first prompt,
/// the variable is set again.
const ZSH: &str = "\
if [[ -n ${AAD_ZDOTDIR+x} ]]; then export ZDOTDIR=$AAD_ZDOTDIR; else unset ZDOTDIR; fi
unset AAD_ZDOTDIR
[[ -r ${ZDOTDIR:-$HOME}/.zshenv ]] && . ${ZDOTDIR:-$HOME}/.zshenv
@SET@
_aad_use() { @SET@; precmd_functions=(${precmd_functions:#_aad_use}); unfunction _aad_use }
typeset -ga precmd_functions
precmd_functions+=(_aad_use)
";

fn for_fish(value: &str) -> String {
    let escaped = value.replace('\\', r"\\").replace('\'', r"\'");
    format!("'{escaped}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_tells_its_shell() {
        for (program, shell) in [
            ("/bin/bash", Some(Shell::Bash)),
            ("-zsh", Some(Shell::Zsh)),
            ("/usr/bin/fish", Some(Shell::Fish)),
            ("PWSH.EXE", Some(Shell::Pwsh)),
            ("dash", Some(Shell::Posix)),
            ("kubectl", None),
            ("", None),
        ] {
            assert_eq!(Shell::of_program(Path::new(program)), shell, "{program}");
        }
    }

    #[test]
    fn values_are_quoted_for_each_shell() {
        let set = |shell: Shell| shell.set(&[("A", r"it's \$x"), ("B", "")]);
        assert_eq!(set(Shell::Bash), r"export A='it'\''s \$x' B=''");
        assert_eq!(set(Shell::Fish), r"set -gx A 'it\'s \\$x'; set -gx B ''");
        assert_eq!(set(Shell::Pwsh), r"$env:A = 'it''s \$x'; $env:B = ''");
    }

    #[test]
    fn several_variables_are_removed_in_one_line() {
        let unset = |shell: Shell| shell.unset(&["A", "B"]);
        assert_eq!(unset(Shell::Posix), "unset A B");
        assert_eq!(unset(Shell::Fish), "set -e A B");
        assert_eq!(unset(Shell::Pwsh), "Remove-Item Env:A, Env:B");
        assert_eq!(unset(Shell::Cmd), r#"set "A=" & set "B=""#);
        assert_eq!(Shell::Cmd.both("a", "b"), "a & b");
        assert_eq!(Shell::Bash.both("a", "b"), "a; b");
    }
}
