//! `undo`: brings kubeconfigs back to what they were before a write.

use std::{
    collections::{HashMap, hash_map::Entry},
    path::{Path, PathBuf},
};

use super::backups;
use crate::{
    error::{Failure, Kind, Result},
    host::Host,
    kubeconfig::{
        Backups, Document, EntryChanges, FileChange, Keeping, Paths, Waiting,
        backups::{Backup, FileRecord, Kept, sha256, target_of, text_of},
        file::{self, Restored},
    },
    login::CommandLine,
    sentence,
};

/// What backups call it.
const COMMAND: &str = "undo";

/// What to undo.
pub(crate) struct UndoRequest {
    /// The one kubeconfig, in place of those that kubectl reads.
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The backup before whose write the files are to be; the newest one if none.
    pub(crate) to: Option<u64>,
    /// Whether what others changed since is given up.
    pub(crate) force: bool,
    pub(crate) dry_run: bool,
}

/// What was undone, or would be.
pub(crate) struct UndoReport {
    /// The write that was undone; with `to` the earliest of several.
    pub(crate) backup: Backup,
    /// Those that the write had changed.
    pub(crate) files: Vec<Undone>,
    /// Files that the same write had changed, and that are not among the kubeconfigs that were asked for.
    pub(crate) others: Vec<PathBuf>,
    /// Why this can't be undone, if it can't.
    pub(crate) warnings: Vec<Failure>,
    pub(crate) dry_run: bool,
    /// The command that takes it back.
    pub(crate) back: CommandLine,
    /// The present, in Unix seconds.
    pub(crate) now: i64,
}

/// What became of a file.
pub(crate) struct Undone {
    pub(crate) action: UndoAction,
    /// Both texts have the secrets of the kubeconfig. That of a file that does not exist is empty.
    pub(crate) change: FileChange,
    /// None if one of the texts is not a kubeconfig.
    pub(crate) entries: Option<EntryChanges>,
    /// Whether what others changed since was given up.
    pub(crate) overruled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UndoAction {
    /// It has its earlier content again.
    Restored,
    /// It did not exist before, and was removed.
    Removed,
    /// It already had its earlier content.
    Unchanged,
}

/// The backups of a kubeconfig.
pub(crate) struct BackupList {
    /// The newest first.
    pub(crate) backups: Vec<Backup>,
    /// How many there are of other kubeconfigs.
    pub(crate) others: usize,
}

/// Lists the backups of a kubeconfig, or of those that kubectl reads.
///
/// # Errors
/// If the directory of backups can't be used, or the home directory is unknown.
pub(crate) fn list(kubeconfig: Option<&Path>, host: &Host) -> Result<BackupList> {
    let wanted = Wanted::find(kubeconfig, host)?;
    let all = backups::of(host).list()?;
    let count = all.len();
    let backups = wanted.of(all);
    Ok(BackupList {
        others: count - backups.len(),
        backups,
    })
}

/// Brings the files back, and keeps them as they were before that.
///
/// # Errors
/// If there is nothing to undo; if a backup is damaged; if others changed a file since, unless that is given up; if a
/// file can't be written.
pub(crate) fn undo(request: &UndoRequest, host: &Host, say: &dyn Fn(&str)) -> Result<UndoReport> {
    let wanted = Wanted::find(request.kubeconfig.as_deref(), host)?;
    let store = backups::of(host);
    let all = store.list()?;
    let none = wanted.nothing(all.len());
    let all = wanted.of(all);
    let newest = all.first().ok_or(none)?;
    let contents = wanted.contents(&all)?;
    let backup = match request.to {
        Some(id) => all.iter().find(|backup| backup.id == id),
        None => all.iter().find(|backup| has_effect(backup, &contents)),
    };
    let backup = match (backup, request.to) {
        (Some(backup), _) => backup,
        (None, Some(id)) => return Err(no_such_backup(id, &wanted, request)),
        (None, None) => return Err(already_undone(newest, &contents, request)),
    };
    let steps = steps(&store, &all, backup.id, &contents)?;
    if steps.iter().all(Step::is_done) {
        return Err(already_undone(backup, &contents, request));
    }
    if let Some(step) = steps
        .iter()
        .find(|step| step.is_foreign() && !request.force)
    {
        return Err(changed_since(step, request));
    }
    let mut warnings = Vec::new();
    if !request.dry_run {
        warnings = write(&steps, &store, host.now(), say)?;
    }
    Ok(UndoReport {
        others: wanted.others(backup),
        backup: backup.clone(),
        files: steps.into_iter().map(Step::done).collect(),
        warnings,
        dry_run: request.dry_run,
        back: typed(&request.kubeconfig, None, &[]),
        now: host.now(),
    })
}

/// Writes the files. Returns why they could not be kept before, if so.
fn write(steps: &[Step], store: &Backups, now: i64, say: &dyn Fn(&str)) -> Result<Vec<Failure>> {
    let to_write = steps.iter().filter(|step| !step.is_done());
    let files: Vec<Restored> = to_write.map(Step::to_restore).collect();
    files
        .iter()
        .try_for_each(|file| file::check_writable(&file.path))?;
    let not_kept = std::cell::RefCell::new(Vec::new());
    let warn = |why: &Failure| not_kept.borrow_mut().push(why.clone());
    let keeping = Keeping::new(store, COMMAND, now, &warn);
    file::restore(&files, keeping, Waiting::saying(say))?;
    Ok(not_kept.into_inner())
}

/// The kubeconfigs that were asked for.
struct Wanted {
    /// Each with the file behind its links.
    files: Vec<(PathBuf, PathBuf)>,
}

impl Wanted {
    fn find(kubeconfig: Option<&Path>, host: &Host) -> Result<Self> {
        let paths = Paths::from_host(host, kubeconfig)?.files.into_iter();
        let files = paths.map(|path| {
            let target = target_of(&path);
            (path, target)
        });
        Ok(Self {
            files: files.collect(),
        })
    }

    fn has(&self, target: &Path) -> bool {
        self.files.iter().any(|(_, own)| own == target)
    }

    /// The backups of these files.
    fn of(&self, mut backups: Vec<Backup>) -> Vec<Backup> {
        let is_ours = |backup: &Backup| {
            let mut files = backup.manifest.files.iter();
            files.any(|file| self.has(&file.target))
        };
        backups.retain(is_ours);
        backups
    }

    /// The files of a backup that are not among these.
    fn others(&self, backup: &Backup) -> Vec<PathBuf> {
        let files = backup.manifest.files.iter();
        let others = files.filter(|file| !self.has(&file.target));
        others.map(|file| file.path.clone()).collect()
    }

    /// What the files hold, of those that have backups.
    fn contents(&self, backups: &[Backup]) -> Result<Vec<Current>> {
        let written = self.files.iter().filter(|(_, target)| {
            let mut files = backups.iter().flat_map(|backup| &backup.manifest.files);
            files.any(|file| file.target == *target)
        });
        let read = written.map(|(path, target)| {
            let bytes = file::read_bytes(path)?;
            Ok(Current {
                path: path.clone(),
                target: target.clone(),
                sha256: bytes.as_deref().map(sha256),
                bytes,
            })
        });
        read.collect()
    }

    fn shown(&self) -> String {
        let paths = self.files.iter();
        let paths: Vec<_> = paths.map(|(path, _)| path.display().to_string()).collect();
        sentence::some_of(&paths)
    }

    /// The error if none of `count` backups is of these files.
    fn nothing(&self, count: usize) -> Failure {
        let failure = Failure::of(
            Kind::NotFound,
            format!(
                "there is nothing to undo: no write of {} was kept",
                self.shown()
            ),
        );
        match count {
            0 => failure.hint("`sync`, `prune`, `convert-kubeconfig` and `undo` keep what a kubeconfig was before they write it"),
            _ => failure.hint("writes of other kubeconfigs were kept: name one with `--kubeconfig FILE`"),
        }
    }
}

/// A file as it is.
struct Current {
    path: PathBuf,
    /// The file behind its links.
    target: PathBuf,
    /// None if it does not exist.
    bytes: Option<Vec<u8>>,
    sha256: Option<String>,
}

/// Whether a file is not as it was before a write. A run that was killed leaves the backup of a write that never happened.
fn has_effect(backup: &Backup, contents: &[Current]) -> bool {
    backup.manifest.files.iter().any(|file| {
        let mut contents = contents.iter();
        let now = contents.find(|now| now.target == file.target);
        now.is_some_and(|now| now.sha256.as_deref() != file.before())
    })
}

/// What brings each file back to before the write of the backup `from`. `backups` are those of these files, the newest
/// first.
fn steps(
    store: &Backups,
    backups: &[Backup],
    from: u64,
    contents: &[Current],
) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    // Each is read once, also if several files are in it.
    let mut read: HashMap<u64, Kept> = HashMap::new();
    for now in contents {
        let writes = backups.iter().filter(|backup| backup.id >= from);
        let writes: Vec<Write<'_>> = writes
            .filter_map(|backup| {
                let mut files = backup.manifest.files.iter();
                let at = files.position(|file| file.target == now.target)?;
                Some(Write { backup, at })
            })
            .collect();
        let Some(earliest) = writes.last() else {
            continue;
        };
        let kept = match read.entry(earliest.backup.id) {
            Entry::Occupied(kept) => kept.into_mut(),
            Entry::Vacant(place) => place.insert(store.open(earliest.backup)?),
        };
        steps.push(Step::new(now, &writes, earliest, kept));
    }
    Ok(steps)
}

/// A write of a file: the backup, and the file's place in it.
struct Write<'a> {
    backup: &'a Backup,
    at: usize,
}

impl<'a> Write<'a> {
    fn record(&self) -> &'a FileRecord {
        &self.backup.manifest.files[self.at]
    }
}

/// Whether nobody else wrote a file since the last of `writes`, newest first: each found what the one
/// before had left, and so does this run, which finds `now`. One that was killed before it wrote does not count.
fn are_ours(writes: &[Write<'_>], now: Option<&str>) -> bool {
    let mut found = now;
    for write in writes.iter().map(Write::record) {
        if write.after.as_deref() == found {
            found = write.before();
        } else if write.before() != found {
            return false;
        }
    }
    true
}

/// What brings a file back.
struct Step {
    path: PathBuf,
    /// What it holds now; none if it does not exist.
    now: Option<Vec<u8>>,
    /// What it held before the write; none if it did not exist.
    wanted: Option<Vec<u8>>,
    mode: Option<u32>,
    authorities: crate::kubeconfig::CaContents,
    /// Whether nobody else wrote it since: each write found what the last one had left, and so does this.
    is_ours: bool,
    /// The command that wrote it last.
    last_command: String,
}

impl Step {
    /// `writes` are those of the file, the newest first, and `kept` is what the `earliest` one found.
    fn new(now: &Current, writes: &[Write<'_>], earliest: &Write<'_>, kept: &Kept) -> Self {
        let newest = writes.first().unwrap_or(earliest);
        Self {
            path: now.path.clone(),
            now: now.bytes.clone(),
            wanted: kept.files[earliest.at].clone(),
            mode: earliest.record().mode,
            authorities: kept.authorities[earliest.at].clone(),
            is_ours: are_ours(writes, now.sha256.as_deref()),
            last_command: newest.backup.manifest.command.clone(),
        }
    }

    fn is_done(&self) -> bool {
        self.now == self.wanted
    }

    /// Whether this would lose what others wrote.
    fn is_foreign(&self) -> bool {
        !self.is_ours && !self.is_done()
    }

    fn to_restore(&self) -> Restored {
        Restored {
            path: self.path.clone(),
            now: self.now.as_deref().map(sha256),
            bytes: self.wanted.clone(),
            mode: self.mode,
            authorities: self.authorities.clone(),
        }
    }

    fn done(self) -> Undone {
        let action = match (self.is_done(), &self.wanted) {
            (true, _) => UndoAction::Unchanged,
            (false, Some(_)) => UndoAction::Restored,
            (false, None) => UndoAction::Removed,
        };
        let overruled = self.is_foreign();
        let text = |bytes: Option<Vec<u8>>| bytes.map(|bytes| text_of(&bytes)).unwrap_or_default();
        let change = FileChange {
            path: self.path,
            old: text(self.now),
            new: text(self.wanted),
        };
        let entries = || {
            let (old, new) = (Document::parse(&change.old), Document::parse(&change.new));
            Some(EntryChanges::between(old.ok()?.root(), new.ok()?.root()))
        };
        Undone {
            action,
            entries: entries(),
            change,
            overruled,
        }
    }
}

/// The command for a kubeconfig, if one was named.
fn typed(kubeconfig: &Option<PathBuf>, to: Option<u64>, more: &[&str]) -> CommandLine {
    let mut line = CommandLine::new("kubectl aad undo");
    if let Some(path) = kubeconfig {
        line = line.flag("--kubeconfig", &path.display().to_string());
    }
    if let Some(id) = to {
        line = line.flag("--to", &id.to_string());
    }
    more.iter().fold(line, |line, word| line.word(word))
}

fn no_such_backup(id: u64, wanted: &Wanted, request: &UndoRequest) -> Failure {
    Failure::of(
        Kind::NotFound,
        format!("there is no backup {id} of {}", wanted.shown()),
    )
    .hint(format!(
        "`{}` shows which there are",
        typed(&request.kubeconfig, None, &["--list"])
    ))
}

fn already_undone(backup: &Backup, contents: &[Current], request: &UndoRequest) -> Failure {
    let was_written = |now: &&Current| {
        let mut files = backup.manifest.files.iter();
        files.any(|file| file.target == now.target)
    };
    let files = contents.iter().filter(was_written);
    let paths: Vec<_> = files.map(|now| now.path.display().to_string()).collect();
    let (is, it) = match paths.len() {
        1 => ("is", "it"),
        _ => ("are", "them"),
    };
    Failure::new(format!(
        "there is nothing to undo: {} {is} as before `{}` wrote {it}",
        sentence::some_of(&paths),
        backup.manifest.command,
    ))
    .hint(format!(
        "`{}` shows what was written; `--to ID` goes back to before one of these writes",
        typed(&request.kubeconfig, None, &["--list"])
    ))
}

fn changed_since(step: &Step, request: &UndoRequest) -> Failure {
    let (path, command) = (step.path.display(), &step.last_command);
    let what = match step.now {
        Some(_) => "changed",
        None => "removed",
    };
    Failure::new(format!(
        "`{path}` was {what} after `{command}` wrote it, and not by this program, so nothing was brought back"
    ))
    .hint(format!(
        "to see what would be lost, `{}`; to bring it back all the same, `{}`",
        typed(&request.kubeconfig, request.to, &["--force", "--dry-run"]),
        typed(&request.kubeconfig, request.to, &["--force"])
    ))
}
