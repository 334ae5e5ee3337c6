//! Checks of the token cache: whether tokens can be stored, read again and kept private.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Check, Finding, Machine, Run, Severity, shell_variables::set};
use crate::{
    auth::{
        cache::{Filter, TokenCache},
        store::{self, Store, StoreChoice},
    },
    error::Result,
    host::{
        file::quoted,
        private_directory::{Distrust, Distrusted},
    },
    kubeconfig::convert::SourcePlugin,
    login::{CommandLine, Param, Precedence, Settings},
    sentence::{self, counted},
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "AAD028",
        title: "the token cache can't be used",
        severity: Severity::Problem,
        why: "Without it each kubectl command gets a token anew, and a person is asked to sign in each time.",
        remedy: "Make the directory of the cache yours and private (`chmod 700`), or name another one with `--cache-dir` or KUBECACHEDIR.",
        run: Run::Files(unusable),
    },
    Check {
        code: "AAD029",
        title: "tokens are stored in plain files",
        severity: Severity::Note,
        why: "The system can keep no key here, so the files are protected by their mode alone. In a container that is usual.",
        remedy: "Allow keyrings (a container's seccomp profile may block `keyctl`), or store nothing: `export AAD_TOKEN_STORE=none`.",
        run: Run::Files(plain),
    },
    Check {
        code: "AAD030",
        title: "stored tokens can't be read any more",
        severity: Severity::Problem,
        why: "The key is gone that they were encrypted with, as it is after a reboot or three days without use: the next command signs in again.",
        remedy: "Sign in again: run any kubectl command, or `kubectl aad sync`. `kubectl aad cache clear` removes what can't be read.",
        run: Run::Files(unreadable),
    },
    Check {
        code: "AAD031",
        title: "files of the token cache are open to others",
        severity: Severity::Problem,
        why: "A token that somebody else could have read or written is not used.",
        remedy: "Make them private: `chmod 600 FILE`. Remove those of another user.",
        run: Run::Files(distrusted),
    },
    Check {
        code: "AAD032",
        title: "unfinished files were left in the token cache",
        severity: Severity::Note,
        why: "A process was killed while it stored a token. The next one that stores a token removes the file if it can.",
        remedy: "Remove the files whose names begin with `.tmp-`.",
        run: Run::Files(unfinished),
    },
];

/// When an unfinished file has no writer any more.
const LEFT: Duration = Duration::from_secs(3600);
/// How many files a command names one by one.
const NAMED: usize = 3;

/// A token cache, and the flags that name it.
struct Place {
    settings: Settings,
    store: Result<Store>,
}

impl Place {
    /// The directory of its files, if they can be used.
    fn directory(&self) -> Option<&Path> {
        self.store.as_ref().ok()?.directory()
    }

    /// A command with the flags that name this cache.
    fn command(&self, words: &str) -> String {
        let text = |param| self.settings.text(param).unwrap_or_default();
        CommandLine::new(words)
            .flag_some("--cache-dir", text(Param::CacheDir))
            .to_string()
    }
}

/// The caches of this shell and of the kubeconfig's entries, each once. Those that need a home directory are left out if there is none.
fn places(machine: &Machine) -> Vec<Place> {
    let host = &machine.host;
    let shell = Settings::new().with_variables(host, Precedence::VariablesFirst);
    let ours = machine.sign_ins().iter();
    let ours = ours.filter(|sign_in| sign_in.plugin == SourcePlugin::Ours);
    let all = std::iter::once((host, &shell, false))
        .chain(ours.map(|sign_in| (&sign_in.host, &sign_in.settings, true)));
    let mut seen: Vec<(Option<PathBuf>, StoreChoice)> = Vec::new();
    let mut places = Vec::new();
    for (host, settings, from_entry) in all {
        let Ok(choice) = StoreChoice::named(settings.text(Param::TokenStore)) else {
            continue;
        };
        let named = settings.text(Param::CacheDir).map(Path::new);
        let location = store::location(host, named, from_entry);
        if location.is_err() && host.home().is_err() {
            continue;
        }
        let key = (location.as_ref().ok().cloned(), choice);
        if !seen.contains(&key) {
            seen.push(key);
            places.push(Place {
                settings: settings.clone(),
                store: Store::open_existing(location, choice),
            });
        }
    }
    places
}

fn unusable(machine: &Machine) -> Result<Vec<Finding>> {
    let problem = |place: Place| match place.store {
        Err(why) => Some(why),
        Ok(store) => store.problem().cloned().or_else(|| store.write_problem()),
    };
    let problems = places(machine).into_iter().filter_map(problem);
    Ok(problems.map(|why| Finding::from(&why)).collect())
}

fn plain(machine: &Machine) -> Result<Vec<Finding>> {
    let mut findings: Vec<Finding> = Vec::new();
    for place in places(machine) {
        let store = place.store.as_ref().ok();
        if let Some((why, directory)) =
            store.and_then(|store| Some((store.fallback()?, store.directory()?)))
        {
            findings.push(
                Finding::new(format!(
                    "tokens are in plain files in `{}` that only you can read: {why}",
                    directory.display()
                ))
                .advice("if nothing may be stored, each process can sign in itself")
                .command(set("AAD_TOKEN_STORE", "none")),
            );
        }
    }
    Ok(findings)
}

fn unreadable(machine: &Machine) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for place in places(machine) {
        let command = place.command("kubectl aad cache clear");
        let Place {
            store: Ok(store), ..
        } = place
        else {
            continue;
        };
        let Some(directory) = store.directory().map(Path::to_owned) else {
            continue;
        };
        // What others can reach is not read either; that is another check's.
        let open = store.distrusted();
        let cache = TokenCache::new(store.into());
        let mut files = cache.unreadable();
        files.retain(|file| !open.iter().any(|one| one.name == *file));
        // Beside what can be read, they are those of another machine that shares the directory.
        if !files.is_empty() && cache.list(&Filter::default()).is_empty() {
            findings.push(
                Finding::new(format!(
                    "{} in `{}` can't be read: the key is lost, or another machine that shares the directory has it",
                    counted(files.len(), "stored token", "stored tokens"),
                    directory.display()
                ))
                .advice("the next command signs in again; if no other machine shares the directory, remove what can't be read")
                .command(command),
            );
        }
    }
    Ok(findings)
}

fn distrusted(machine: &Machine) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for place in places(machine) {
        let Some((store, directory)) = place.store.as_ref().ok().zip(place.directory()) else {
            continue;
        };
        let (open, foreign): (Vec<_>, Vec<_>) = store
            .distrusted()
            .into_iter()
            .partition(|one| matches!(one.why, Distrust::Open(_)));
        if let Some(first) = open.first() {
            findings.push(
                Finding::new(format!("{}, such as {}", open_files(&open), shown(first)))
                    .command(for_files("chmod 600", directory, &open, "chmod -R go=")),
            );
        }
        if let Some(first) = foreign.first() {
            findings.push(
                Finding::new(format!(
                    "{} in `{}` is not a file of yours: {}",
                    counted(foreign.len(), "entry", "entries"),
                    directory.display(),
                    shown(first)
                ))
                .command(for_files(
                    "sudo rm -f",
                    directory,
                    &foreign,
                    "sudo rm -rf",
                )),
            );
        }
    }
    Ok(findings)
}

fn open_files(open: &[Distrusted]) -> String {
    counted(
        open.len(),
        "file is open to other users",
        "files are open to other users",
    )
}

fn shown(one: &Distrusted) -> String {
    match one.why {
        Distrust::Open(mode) => format!("`{}` (its mode is {mode:o})", one.name),
        Distrust::Foreign(uid) => format!("`{}` belongs to uid {uid}", one.name),
        Distrust::NoFile => format!("`{}` is a link or a special file", one.name),
    }
}

fn for_files(command: &str, directory: &Path, files: &[Distrusted], of_all: &str) -> String {
    match files.len() <= NAMED {
        true => {
            let paths = files.iter().map(|one| quoted(&directory.join(&one.name)));
            format!("{command} {}", paths.collect::<Vec<_>>().join(" "))
        }
        false => format!("{of_all} {}", quoted(directory)),
    }
}

fn unfinished(machine: &Machine) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for place in places(machine) {
        let Some((store, directory)) = place.store.as_ref().ok().zip(place.directory()) else {
            continue;
        };
        let files = store.unfinished(LEFT);
        if files.is_empty() {
            continue;
        }
        let shown = sentence::some_of(&files);
        let finding = Finding::new(format!(
            "in `{}`, processes that were killed left {shown}",
            directory.display()
        ));
        let paths = files.iter().map(|file| quoted(&directory.join(file)));
        let paths = paths.collect::<Vec<_>>().join(" ");
        findings.push(finding.command(format!("rm {paths}")));
    }
    Ok(findings)
}
