//! The help of every command.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use super::{Page, run};
use crate::{env::PROGRAM, support::repository};

#[test]
fn help_of_every_command() {
    let mut command = kubectl_aad::cli::command();
    command.build();
    let mut written = BTreeSet::new();
    check(&command, &[], &mut written);
    let files = fs::read_dir(repository().join("tests/it/snapshots")).expect("the snapshots");
    let names = files.map(|file| file.expect("a file").file_name().into_string());
    let on_disk: BTreeSet<String> = names
        .map(|name| name.expect("a name in UTF-8"))
        .filter(|name| name.starts_with("help_") && name.ends_with(".snap"))
        .collect();
    assert_eq!(
        on_disk, written,
        "the snapshots, and the commands there are"
    );
}

/// Compares the help of a command and of those below it, and notes the names of the snapshots.
fn check(command: &clap::Command, path: &[&str], written: &mut BTreeSet<String>) {
    let help = |flag| {
        let mut command = Command::new(PROGRAM);
        run(command.env_clear().args(path).arg(flag))
    };
    let mut page = Page::of_directory(Path::new("/nowhere"));
    let (short, long) = (help("-h"), help("--help"));
    if short.stdout != long.stdout {
        page.ran(&format!("{} -h", path.join(" ")), &short)
            .add("\n");
    }
    page.ran(&format!("{} --help", path.join(" ")), &long);
    let name = format!("help_{}", [&["kubectl-aad"], path].concat().join("_"));
    page.assert(&name);
    written.insert(format!("{name}.snap"));
    for below in command.get_subcommands().filter(|c| c.get_name() != "help") {
        check(below, &[path, &[below.get_name()]].concat(), written);
    }
}
