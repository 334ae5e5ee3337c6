//! Stand-ins for the Azure CLI (`az`) and the Azure Developer CLI (`azd`).
//!
//! A program that calls [`main`] first thing acts as the tool whose file name it was started by, so
//! that tests put it (or a link to it) on PATH. Arguments, outputs, complaints and the files of the
//! profile are those of the real tools, as far as signing in and getting tokens goes; tokens come
//! from the simulator named by `AZURE_SIM_CONTROL`.

mod arguments;
mod az;
mod azd;
mod control;

use std::path::Path;

/// A variable of the environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What a tool prints and how it ends.
struct Outcome {
    stdout: String,
    stderr: String,
    code: u8,
}

impl Outcome {
    fn printed(stdout: impl Into<String>) -> Self {
        Outcome {
            stdout: stdout.into(),
            stderr: String::new(),
            code: 0,
        }
    }

    fn failed(code: u8, stderr: impl Into<String>) -> Self {
        Outcome {
            stdout: String::new(),
            stderr: stderr.into(),
            code,
        }
    }
}

/// Acts as `az` or `azd` where `args[0]` is a file of that name: prints, and returns the exit code.
/// Returns nothing where the program was called by another name.
pub fn main(args: &[String], env: Environment<'_>) -> Option<u8> {
    let name = Path::new(args.first()?).file_stem()?.to_str()?.to_owned();
    if !["az", "azd"].contains(&name.as_str()) {
        return None;
    }
    let arguments = &args[1..];
    let outcome = control::Control::of(env).and_then(|control| {
        control.report(&name, arguments)?;
        Ok(match name.as_str() {
            "az" => az::run(arguments, env, &control),
            _ => azd::run(arguments, env, &control),
        })
    });
    let outcome = outcome
        .unwrap_or_else(|why| Outcome::failed(70, format!("the stand-in for {name}: {why}\n")));
    print!("{}", outcome.stdout);
    eprint!("{}", outcome.stderr);
    Some(outcome.code)
}
