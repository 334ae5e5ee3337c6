//! The commands that set and unset variables in the shell that people have.

use crate::login::CommandLine;

/// Sets a variable.
pub(super) fn set(name: &str, value: &str) -> String {
    let value = CommandLine::default().word(value).to_string();
    match cfg!(windows) {
        true => format!("$env:{name} = {value}"),
        false => format!("export {name}={value}"),
    }
}

/// Gives a variable the value of another one.
pub(super) fn copy(name: &str, other: &str) -> String {
    match cfg!(windows) {
        true => format!("$env:{name} = $env:{other}"),
        false => format!("export {name}=\"${other}\""),
    }
}

/// Unsets a variable.
pub(super) fn unset(name: &str) -> String {
    match cfg!(windows) {
        true => format!("Remove-Item Env:{name}"),
        false => format!("unset {name}"),
    }
}
