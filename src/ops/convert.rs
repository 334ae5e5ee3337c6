//! Converts users of kubeconfigs to sign in with another plugin or login mode.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use url::Url;

use super::backups;
use crate::{
    auth::store::StoreChoice,
    azure::cloud::{CUSTOM_CLOUD, Cloud},
    error::{Failure, Result},
    host::Host,
    kubeconfig::{
        Backups, Document, FileChange, Keeping, Paths, Section, Waiting,
        convert::{Conversion, Request, Selection, UserAction, UserOutcome, convert_all},
        file,
    },
    login::{LoginMode, Param, PopClaims, Settings},
};

/// What backups call it.
const COMMAND: &str = "convert-kubeconfig";

/// What to convert, to what, and where to write it.
pub(crate) struct Input {
    /// The one kubeconfig, in place of those that kubectl reads.
    pub kubeconfig: Option<PathBuf>,
    /// The contexts whose users to convert; all users if empty.
    pub contexts: Vec<String>,
    /// The flags of the sign-in that were given.
    pub settings: Settings,
    /// Whether each user keeps its login mode, whatever a variable says.
    pub keep_mode: bool,
    /// The plugin that the entries will name.
    pub exec_command: String,
    /// The directory of `az` that the entries will name.
    pub azure_config_dir: Option<String>,
    /// Where to write the result.
    pub destination: Destination,
    /// Whether to write nothing.
    pub dry_run: bool,
    /// Whether the report is to have the [`FileChange`]s.
    pub with_changes: bool,
    /// Whether a user that can't be converted is an error, and nothing is written.
    pub strict: bool,
}

/// Where the converted kubeconfig goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// To the files that it was read from.
    InPlace,
    /// To another file.
    File(PathBuf),
    /// To the caller, in [`Report::text`].
    Caller,
}

/// What happened to each user.
pub(crate) struct Report {
    pub users: Vec<UserOutcome>,
    /// The files that were read.
    pub files: Vec<PathBuf>,
    /// The mode that the users were converted to; `None` if each kept its own.
    pub mode: Option<LoginMode>,
    /// The plugin that converted users run.
    pub exec_command: String,
    /// What concerns all users.
    pub warnings: Vec<String>,
    /// Where the result went, or would have gone.
    pub destination: Destination,
    /// Whether nothing was written, because that was asked for.
    pub dry_run: bool,
    /// Each file's change, if they were asked for.
    pub changes: Vec<FileChange>,
    /// The converted kubeconfig, for [`Destination::Caller`].
    pub text: Option<String>,
}

impl Report {
    /// How many users have this outcome.
    pub(crate) fn count(&self, action: UserAction) -> usize {
        let users = self.users.iter();
        users.filter(|user| user.action == action).count()
    }

    /// Whether users failed, and none is converted now.
    pub(crate) fn has_only_failures(&self) -> bool {
        let done = self.count(UserAction::Converted) + self.count(UserAction::Unchanged);
        done == 0 && self.count(UserAction::Failed) > 0
    }
}

/// Converts and writes. `say` tells a person about a long wait for a lock.
///
/// # Errors
/// A usage error for values that can't be used; a kubeconfig that can't be read or written; with
/// `strict` a user that can't be converted. One user that fails is otherwise part of the report.
pub(crate) fn convert(input: Input, host: &Host, say: &dyn Fn(&str)) -> Result<Report> {
    let files = find_files(input.kubeconfig.as_deref(), host)?;
    check_values(&input.settings, host)?;
    let task = Task {
        request: Request::new(
            input.settings.with_full_paths(host),
            host,
            input.exec_command,
            input.azure_config_dir.map(|dir| full_path(&dir, host)),
            input.keep_mode,
        )?,
        selection: match input.contexts {
            names if names.is_empty() => Selection::All,
            names => Selection::Contexts(names),
        },
        destination: input.destination,
        strict: input.strict,
        dry_run: input.dry_run,
        with_changes: input.with_changes,
        files,
        backups: backups::of(host),
        now: host.now(),
    };
    if task.destination != Destination::InPlace && task.files.len() > 1 {
        return Err(Failure::usage(
            "`--outfile` takes one kubeconfig, and `KUBECONFIG` names several",
        )
        .hint("name the one to convert with `--kubeconfig FILE`"));
    }
    let not_kept = RefCell::new(Vec::new());
    let warn = |why: &Failure| not_kept.borrow_mut().push(why.as_warning());
    let keeping = Keeping::new(&task.backups, COMMAND, task.now, &warn);
    let mut report = match &task.destination {
        _ if task.dry_run || task.files.is_empty() => task.dry_run(),
        Destination::InPlace => task.in_place(keeping, say),
        Destination::File(outfile) => task.write_to(outfile, keeping, say),
        Destination::Caller => task.to_caller(),
    }?;
    let not_kept = not_kept.into_inner().into_iter();
    let not_kept = not_kept.filter_map(|line| Some(line.strip_prefix("warning: ")?.to_owned()));
    report.warnings.extend(not_kept);
    Ok(report)
}

/// The kubeconfig files to read. As for kubectl, a file that `KUBECONFIG` lists need not exist.
fn find_files(explicit: Option<&Path>, host: &Host) -> Result<Vec<PathBuf>> {
    let mut files = Paths::from_host(host, explicit)?.files;
    if explicit.is_none() {
        files.retain(|path| file::check_there(path).is_ok());
    } else {
        files.iter().try_for_each(|path| file::check_there(path))?;
    }
    Ok(files)
}

/// A directory as an absolute path: kubectl may run anywhere.
fn full_path(dir: &str, host: &Host) -> String {
    let path = std::path::absolute(host.path(dir));
    path.map_or_else(|_| dir.to_owned(), |path| path.display().to_string())
}

/// Refuses values that no sign-in could use.
fn check_values(given: &Settings, host: &Host) -> Result<()> {
    if let Some(name) = given.text(Param::Environment)
        && !name.eq_ignore_ascii_case(CUSTOM_CLOUD)
    {
        Cloud::authority(Some(name), None, host)?;
    }
    StoreChoice::named(given.text(Param::TokenStore))?;
    if let Some(claims) = given.text(Param::PopClaims) {
        PopClaims::parse(claims)?;
    }
    if let Some(text) = given.text(Param::RedirectUrl) {
        let url = Url::parse(text).ok();
        let local = |host: &str| ["localhost", "127.0.0.1", "[::1]"].contains(&host);
        if !url.is_some_and(|url| url.scheme() == "http" && url.host_str().is_some_and(local)) {
            return Err(Failure::usage(format!(
                "`{text}` is not a valid redirect URL: it is not an `http://` URL of this machine"
            ))
            .hint("give one such as `http://localhost:8400`"));
        }
    }
    Ok(())
}

/// A validated [`Input`].
struct Task {
    request: Request,
    selection: Selection,
    destination: Destination,
    strict: bool,
    dry_run: bool,
    with_changes: bool,
    files: Vec<PathBuf>,
    backups: Backups,
    /// The present, in Unix seconds.
    now: i64,
}

impl Task {
    /// The new texts of all files, and the report.
    fn convert(&self, texts: &[String]) -> Result<(Vec<String>, Report)> {
        let documents = Document::parse_all(texts, &self.files)?;
        let Conversion {
            users,
            own,
            renamed,
            outcomes,
        } = convert_all(&documents, &self.selection, &self.request)?;
        if self.strict {
            refuse_failures(&outcomes)?;
        }
        let new: Result<Vec<String>> = documents
            .into_iter()
            .zip(users.into_iter().zip(own))
            .map(|(document, (users, own))| document.with_users(users, own, &renamed))
            .collect();
        let new = new?;
        let report = Report {
            users: outcomes,
            files: self.files.clone(),
            mode: self.request.mode(),
            exec_command: self.request.exec_command().to_owned(),
            warnings: self.request.notes(),
            destination: self.destination.clone(),
            dry_run: self.dry_run,
            changes: match self.with_changes {
                true => self.changes(texts, &new),
                false => Vec::new(),
            },
            text: None,
        };
        Ok((new, report))
    }

    fn changes(&self, old: &[String], new: &[String]) -> Vec<FileChange> {
        let files = self.files.iter().zip(old.iter().zip(new));
        let path = |read: &PathBuf| match &self.destination {
            Destination::File(outfile) => outfile.clone(),
            Destination::InPlace | Destination::Caller => read.clone(),
        };
        let changes = files.map(|(read, (old, new))| FileChange {
            path: path(read),
            old: old.clone(),
            new: new.clone(),
        });
        changes.collect()
    }

    /// Converts users in their files. A file without a change is only read, and not locked.
    fn in_place(&self, keeping: Keeping<'_>, say: &dyn Fn(&str)) -> Result<Report> {
        let files = &self.files;
        // Indexes of the files to lock: those that change, or that another program writes just now.
        let mut to_lock = BTreeSet::new();
        loop {
            let mut texts = Vec::with_capacity(files.len());
            for (i, path) in files.iter().enumerate() {
                let (text, is_busy) = file::read_unlocked(path)?;
                texts.push(text);
                if is_busy {
                    to_lock.insert(i);
                }
            }
            // The result for these texts. It holds under the lock if they are still the same there.
            let mut known = None;
            if to_lock.is_empty() {
                let (new, report) = self.convert(&texts)?;
                to_lock.extend((0..files.len()).filter(|&i| new[i] != texts[i]));
                if to_lock.is_empty() {
                    return Ok(report);
                }
                known = Some((texts.clone(), (new, report)));
            }
            let locked: Vec<PathBuf> = to_lock.iter().map(|&i| files[i].clone()).collect();
            let (report, more) =
                file::update_all(&locked, keeping, Waiting::saying(say), |current| {
                    for (&i, text) in to_lock.iter().zip(current) {
                        texts[i].clone_from(text);
                    }
                    let (new, report) = match known.take() {
                        Some((old, result)) if old == texts => result,
                        _ => self.convert(&texts)?,
                    };
                    let changed = (0..files.len()).filter(|&i| new[i] != texts[i]);
                    let more: Vec<usize> = changed.filter(|i| !to_lock.contains(i)).collect();
                    let new = to_lock.iter().map(|&i| new[i].clone()).collect();
                    Ok(file::New::texts(new, (report, more)))
                })?;
            if more.is_empty() {
                return Ok(report);
            }
            to_lock.extend(more);
        }
    }

    fn dry_run(&self) -> Result<Report> {
        let (_, report) = self.convert(&file::read_all(&self.files)?)?;
        Ok(report)
    }

    fn to_caller(&self) -> Result<Report> {
        let (new, mut report) = self.convert(&file::read_all(&self.files)?)?;
        // As with a file, nothing is better than a kubeconfig in which every user failed.
        report.text = new
            .into_iter()
            .next()
            .filter(|_| !report.has_only_failures());
        Ok(report)
    }

    fn write_to(&self, outfile: &Path, keeping: Keeping<'_>, say: &dyn Fn(&str)) -> Result<Report> {
        let (new, mut report) = self.convert(&file::read_all(&self.files)?)?;
        if report.has_only_failures() {
            // What an earlier run wrote there is better than nothing.
            return Ok(report);
        }
        let text = new.first().map_or("", String::as_str);
        file::write(outfile, keeping, say, text)?;
        let moved = self
            .files
            .first()
            .is_some_and(|path| path.parent() != outfile.parent());
        if moved && has_relative_paths(text) {
            report.warnings.push(
                "the kubeconfig names files by relative paths, which mean other files in the directory of the new one".to_owned(),
            );
        }
        Ok(report)
    }
}

/// Fails if a user can't be converted. Its reason stands for those of all.
fn refuse_failures(outcomes: &[UserOutcome]) -> Result<()> {
    let mut failed = outcomes
        .iter()
        .filter_map(|outcome| Some((&outcome.user, outcome.failure()?)));
    let Some((user, why)) = failed.next() else {
        return Ok(());
    };
    let who = match failed.count() {
        0 => format!("the user `{user}`"),
        others => format!("the user `{user}` and {others} more"),
    };
    let failure = Failure::new(format!("nothing was converted: {who} can't be")).because_of(why);
    Err(match failure.hint_text() {
        Some(_) => failure,
        None => failure.hint("omit `--strict` to convert the others"),
    })
}

/// Whether a kubeconfig names a file by a path relative to itself.
fn has_relative_paths(text: &str) -> bool {
    const KEYS: [(Section, &str); 4] = [
        (Section::Clusters, "certificate-authority"),
        (Section::Users, "client-certificate"),
        (Section::Users, "client-key"),
        (Section::Users, "tokenFile"),
    ];
    let Ok(document) = Document::parse(text) else {
        return false;
    };
    KEYS.iter().any(|&(section, key)| {
        document.entries(section).iter().any(|entry| {
            let path = entry
                .get(section.item())
                .and_then(|item| item.get(key)?.as_str());
            path.is_some_and(|path| !path.is_empty() && Path::new(path).is_relative())
        })
    })
}
