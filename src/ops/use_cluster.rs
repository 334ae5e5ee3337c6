//! `use`: a shell for one cluster.
//!
//! The shell's `KUBECONFIG` is a small file with one context, so no command in it reaches another cluster by accident.

use std::{
    collections::HashMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::{
    context_files::{ContextFile, ContextFiles},
    fleet_contexts::{FleetKubeconfig, nothing_synced},
    last_seen::LastSeen,
};
use crate::{
    auth::{fingerprint::fingerprint, store},
    error::{Failure, Kind, Result},
    fleet::{Role, file_stem},
    host::{Host, foreground::Foreground, private_directory::PrivateDirectory},
    kubeconfig::{
        OUTER, SMALL_FILE, for_inside, is_inside, one_context::Kubeconfigs, synced::synced_contexts,
    },
    near,
};

mod find;
mod recent;
mod shell;

pub(crate) use find::{Usable, find};
use recent::{Recent, Used};
use shell::Start;
pub(crate) use shell::{SHELLS, Shell};

/// The variable with the name of a shell's context, for prompts.
pub(crate) const CONTEXT: &str = "AAD_CONTEXT";
/// The directory of the files that are made for shells which we do not start, in that of the token cache.
const PRINTED: &str = "contexts";
/// What their names end with.
const ENDING: &str = ".yaml";

/// Which context to use.
pub(crate) struct UseRequest {
    /// The kubeconfig to look in, instead of those that kubectl reads.
    pub(crate) kubeconfig: Option<PathBuf>,
    pub(crate) role: Role,
    pub(crate) which: Which,
    pub(crate) namespace: Option<String>,
}

/// What was given to find it.
pub(crate) enum Which {
    /// Any part of what it is called.
    Word(String),
    /// The one that was used before.
    Before,
    /// A person chooses among all.
    Any,
}

/// Chooses one of several contexts; none if a person gave up. Given what was asked for, and whether those are all that match
/// it.
pub(crate) type Choose<'c> = dyn Fn(&[&Usable]) -> Result<Option<usize>> + 'c;

/// What came of looking for a context.
pub(crate) enum Looked {
    Found(Box<ForUse>),
    /// The person chose none.
    Canceled,
    /// Nobody can be asked which.
    Several(Vec<Usable>),
}

/// A context for a shell.
pub(crate) struct ForUse {
    pub(crate) context: Usable,
    /// The namespace that kubectl uses; none for `default`.
    pub(crate) namespace: Option<String>,
    /// The context of the shell that this one is in.
    pub(crate) inside: Option<String>,
    /// The small kubeconfig.
    text: String,
    outer: OsString,
    used: Used,
}

/// Finds the context in the kubeconfig, which is that outside of a shell of `use`. `choose` is called if several match, if
/// somebody can be asked.
///
/// # Errors
/// If there is none, or if its cluster or user does not exist.
pub(crate) fn look(
    request: &UseRequest,
    host: &Host,
    choose: Option<&Choose<'_>>,
) -> Result<Looked> {
    let explicit = request.kubeconfig.as_deref();
    let kubeconfig = FleetKubeconfig::read(host, explicit)?;
    let documents = kubeconfig.documents()?;
    let seen = LastSeen::clusters(host);
    let contexts = synced_contexts(&documents).into_iter();
    let all: Vec<_> = contexts
        .map(|one| {
            let cluster = seen.get(&one.key());
            Usable::new(one, cluster)
        })
        .collect();
    let recent = Recent::read(host);
    let inside = host.var_nonempty(CONTEXT).filter(|_| is_inside(host));
    let (candidates, asked_before) = candidates(request, &all, &recent, inside)?;
    let context = match (&candidates[..], choose) {
        ([one], _) if !matches!(request.which, Which::Any) => *one,
        (several, None) => {
            return Ok(Looked::Several(several.iter().copied().cloned().collect()));
        }
        (several, Some(choose)) => match choose(several)? {
            Some(chosen) => several[chosen],
            None => return Ok(Looked::Canceled),
        },
    };
    let asked = request.namespace.clone().or(asked_before);
    let text = Kubeconfigs::of(&documents).only(&context.context, asked.as_deref())?;
    Ok(Looked::Found(Box::new(ForUse {
        context: context.clone(),
        namespace: asked.clone().or_else(|| context.namespace.clone()),
        inside: inside.map(str::to_owned),
        text,
        outer: for_inside(host, explicit)?,
        used: Used {
            context: context.context.clone(),
            namespace: asked,
        },
    })))
}

/// The contexts that are meant, and the namespace with which the one before was used.
fn candidates<'u>(
    request: &UseRequest,
    all: &'u [Usable],
    recent: &Recent,
    inside: Option<&str>,
) -> Result<(Vec<&'u Usable>, Option<String>)> {
    let of_role = || all.iter().filter(|one| one.role == request.role);
    let word = match &request.which {
        Which::Word(word) => word,
        Which::Any => {
            let mut found: Vec<_> = of_role().collect();
            if found.is_empty() {
                return Err(nothing_synced(request.role));
            }
            sort(&mut found, recent);
            return Ok((found, None));
        }
        Which::Before => {
            let before = recent.before(inside).ok_or_else(none_before)?;
            let found = all.iter().find(|one| one.context == before.context);
            let found = found.ok_or_else(|| gone(&before.context))?;
            return Ok((vec![found], before.namespace.clone()));
        }
    };
    let mut found = find(all, word, request.role);
    if found.is_empty() {
        return Err(match of_role().next() {
            None => nothing_synced(request.role),
            Some(_) => no_match(word, of_role()),
        });
    }
    sort(&mut found, recent);
    Ok((found, None))
}

/// The last used first, then by name.
fn sort(found: &mut [&Usable], recent: &Recent) {
    let used = recent.used().iter().enumerate();
    let used: HashMap<&str, usize> = used.map(|(at, one)| (one.context.as_str(), at)).collect();
    found.sort_by_cached_key(|one| {
        let last = used.get(&*one.context).copied().unwrap_or(usize::MAX);
        (last, one.context.to_lowercase(), one.context.clone())
    });
}

fn none_before() -> Failure {
    Failure::of(Kind::NotFound, "no context was used before")
        .hint("name one: `kubectl aad use CLUSTER`, or choose: `kubectl aad use`")
}

fn gone(context: &str) -> Failure {
    Failure::of(
        Kind::NotFound,
        format!("the context that was used before, `{context}`, is not in the kubeconfig"),
    )
    .hint("name another one: `kubectl aad use CLUSTER`")
}

fn no_match<'u>(word: &str, all: impl Iterator<Item = &'u Usable>) -> Failure {
    let names: Vec<_> = all
        .flat_map(|one| [&one.context, &one.name, &one.resource_group])
        .map(String::as_str)
        .collect();
    let unseen = "`kubectl aad sync` adds clusters that are new";
    let hint = match near::did_you_mean(word, names.iter().copied()) {
        Some(question) => format!("{question} {unseen}"),
        None => unseen.to_owned(),
    };
    Failure::of(
        Kind::NotFound,
        format!("no synced cluster matches `{word}`"),
    )
    .hint(hint)
}

impl ForUse {
    /// Starts the shell with the context and waits until the person leaves it. Returns its exit code.
    ///
    /// # Errors
    /// If a file can't be written, or the shell can't be started.
    pub(crate) fn enter(self, host: &Host, shell: PersonsShell) -> Result<u8> {
        let files = ContextFiles::open(host)?;
        let file = files.write(&self.context.context, &self.text)?;
        Recent::read(host).add(self.used);
        let path = file.path().display().to_string();
        let mut run = Foreground {
            program: shell.program,
            args: Vec::new(),
            variables: vec![
                ("KUBECONFIG".to_owned(), path.clone().into()),
                (CONTEXT.to_owned(), self.context.context.into()),
                (OUTER.to_owned(), self.outer),
            ],
        };
        let start = shell.shell.map(|shell| shell.start(&path));
        let _read_at_start = start
            .map(|start| prepare(start, &mut run, &files, host))
            .transpose()?;
        host.run_in_foreground(&run)
    }

    /// The command that makes a shell leave what [`ForUse::print`] makes it use.
    pub(crate) fn leave(&self, shell: Shell) -> String {
        match self.outer.to_str() {
            Some("") | None => shell.unset(&["KUBECONFIG", CONTEXT]),
            Some(outer) => shell.both(
                &shell.set(&[("KUBECONFIG", outer)]),
                &shell.unset(&[CONTEXT]),
            ),
        }
    }

    /// Writes the context's file for a shell that runs already, and returns the text that makes it use it.
    ///
    /// # Errors
    /// If the file can't be written.
    pub(crate) fn print(self, host: &Host, shell: Shell) -> Result<String> {
        let cache = store::location(host, None, false)?;
        let directory = PrivateDirectory::new(cache.join(PRINTED), "the cache directory");
        let context = self.context.context.as_str();
        let outer = self.outer.to_string_lossy();
        let asked = self.used.namespace.as_deref().unwrap_or_default();
        let print = fingerprint(format!("{outer}\n{context}\n{asked}").as_bytes());
        let name = format!(
            "{SMALL_FILE}{}-{}{ENDING}",
            &print[..12],
            file_stem(context)
        );
        directory.write(&name, self.text.as_bytes(), None)?;
        let path = directory.path().join(name);
        let path = std::path::absolute(&path).unwrap_or(path);
        let text = shell.set(&[
            ("KUBECONFIG", &path.display().to_string()),
            (CONTEXT, context),
            (OUTER, &outer),
        ]);
        Recent::read(host).add(self.used);
        Ok(format!("{text}\n"))
    }
}

/// Forgets which contexts were used, and removes the files of [`ForUse::print`]; their number. Those of shells that run are
/// removed by their processes.
///
/// # Errors
/// If the directory can't be used.
pub(crate) fn clear(cache: &Path, host: &Host) -> Result<usize> {
    Recent::read(host).clear();
    let directory = PrivateDirectory::new(cache.join(PRINTED), "the cache directory");
    if !directory.exists()? {
        return Ok(0);
    }
    let mut names = directory.names();
    names.retain(|name| name.starts_with(SMALL_FILE));
    names.iter().for_each(|name| directory.remove(name));
    directory.remove_abandoned();
    // Unless something else is there.
    let _ = std::fs::remove_dir(directory.path());
    Ok(names.iter().filter(|name| name.ends_with(ENDING)).count())
}

/// Writes what a shell reads first.
fn prepare(
    start: Start,
    run: &mut Foreground,
    files: &ContextFiles,
    host: &Host,
) -> Result<Option<ContextFile>> {
    match start {
        Start::Arguments(args) => {
            run.args = args;
            Ok(None)
        }
        Start::File { name, text } => {
            let file = files.write_other(name, &text)?;
            run.args = vec!["--rcfile".into(), file.path().into()];
            Ok(Some(file))
        }
        Start::Directory { file, text } => {
            let directory = files.write_directory(file, &text)?;
            if let Some(own) = host.var_os("ZDOTDIR") {
                run.variables.push(("AAD_ZDOTDIR".to_owned(), own.into()));
            }
            let path = directory.path().as_os_str().to_owned();
            run.variables.push(("ZDOTDIR".to_owned(), path));
            Ok(Some(directory))
        }
    }
}

/// The shell that a person works in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PersonsShell {
    pub(crate) program: PathBuf,
    /// Its language, if we know it.
    pub(crate) shell: Option<Shell>,
}

/// Finds the shell to start: the named one, else that of `SHELL`, else the system's.
///
/// # Errors
/// If the named one is not installed.
pub(crate) fn shell_to_start(host: &Host, named: Option<&str>) -> Result<PersonsShell> {
    let of = |program: PathBuf| PersonsShell {
        shell: Shell::of_program(&program),
        program,
    };
    if let Some(name) = named {
        return host.find_program(name).map(of).ok_or_else(|| {
            Failure::of(Kind::NotInstalled, format!("`{name}` is not on the `PATH`"))
        });
    }
    let own = host.var_os_nonempty("SHELL").map(PathBuf::from);
    if let Some(program) = own.filter(|program| program.is_absolute() && program.is_file()) {
        return Ok(of(program));
    }
    if !cfg!(windows) {
        return Ok(of("/bin/sh".into()));
    }
    // The command prompt sets `PROMPT`, and PowerShell does not.
    let prompt = host.var_os_nonempty("COMSPEC").map(PathBuf::from);
    let is_prompt = host.var_os("PROMPT").is_some();
    let power = || {
        ["pwsh", "powershell"]
            .iter()
            .find_map(|name| host.find_program(name))
    };
    let program = prompt
        .clone()
        .filter(|_| is_prompt)
        .or_else(power)
        .or(prompt);
    Ok(of(program.unwrap_or_else(|| "cmd.exe".into())))
}

/// The shell that reads what is printed: the one that has started us, else that of `SHELL`.
pub(crate) fn shell_to_print_for(host: &Host) -> Shell {
    let parent = host.program_of_parent();
    let parent = parent.as_deref().and_then(Shell::of_program);
    let own = || Shell::of_program(Path::new(host.var_os_nonempty("SHELL")?));
    let usual = match cfg!(windows) {
        true => Shell::Pwsh,
        false => Shell::Posix,
    };
    parent.or_else(own).unwrap_or(usual)
}
