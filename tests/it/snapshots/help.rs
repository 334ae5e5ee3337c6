//! The help of every command.

use std::path::Path;
use std::process::Command;

use super::{Page, run};

#[test]
fn help_of_every_command() {
    let mut command = kubectl_aad::cli::command();
    command.build();
    check(&command, &[]);
}

fn check(command: &clap::Command, path: &[&str]) {
    let help = |flag| {
        run(Command::new(env!("CARGO_BIN_EXE_kubectl-aad"))
            .env_clear()
            .args(path)
            .arg(flag))
    };
    let mut page = Page::of_directory(Path::new("/nowhere"));
    let (short, long) = (help("-h"), help("--help"));
    if short.stdout != long.stdout {
        page.ran(&[path, &["-h"]].concat(), &[], &short).add("\n");
    }
    page.ran(&[path, &["--help"]].concat(), &[], &long);
    page.assert(&format!(
        "help_{}",
        [&["kubectl-aad"], path].concat().join("_")
    ));
    for below in command.get_subcommands().filter(|c| c.get_name() != "help") {
        check(below, &[path, &[below.get_name()]].concat());
    }
}
