//! A directory of kubeconfigs with one cluster each, for tools that read one for each cluster.
//!
//! A file is ours if our extension names one cluster in it, and only one. All others are never touched.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs::{self, DirEntry},
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    backups::Keeping,
    ca_files::CaFiles,
    document::{Document, Section},
    error::elsewhere_is_a_directory,
    file::{self, acquire, make_parent, may_make_files},
    lock::{Lock, Waiting},
    owner,
    siblings::{belongs_to, sync_directory},
};
use crate::{
    error::{Failure, Kind, Result},
    fleet::{Role, file_key, file_stem},
    host::{
        file::{Owner, Unreadable, quoted},
        parallel::in_parallel,
    },
};

/// The file whose lock is that of the directory. It is never created.
const LOCKED: &str = ".kubectl-aad";

/// What the names of kubeconfigs end with; the first is for new ones.
const ENDINGS: [&str; 2] = ["yaml", "yml"];

/// How many files are locked and written at once: each takes up to three file descriptors.
const AT_ONCE: usize = 100;

/// A directory of kubeconfigs.
pub(crate) struct Directory {
    path: PathBuf,
}

/// A kubeconfig of ours.
pub(crate) struct OwnFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    /// The ARM id as written, and in lower case.
    pub(crate) arm_id: String,
    pub(crate) key: String,
    pub(crate) role: Role,
    /// The current context, else the first one.
    pub(crate) context: String,
    /// Whether it holds nothing but the cluster's entries and contexts for them.
    pub(crate) is_only_ours: bool,
    /// Whether the context is called like its cluster entry, as `sync` writes them.
    pub(crate) is_named_by_sync: bool,
}

impl OwnFile {
    /// Whether the file has the name that `sync` gives one for its context.
    pub(crate) fn is_called_like_its_context(&self) -> bool {
        let name = self.path.file_name().map(|name| name.to_string_lossy());
        name.is_some_and(|name| name == file_name(&file_stem(&self.context)))
    }
}

/// What is in the directory.
#[derive(Default)]
pub(crate) struct Listing {
    /// In the order of their names.
    pub(crate) files: Vec<OwnFile>,
    pub(crate) taken: TakenNames,
}

/// The names of all files, and those that the contexts in our files would give a file, in lower case.
#[derive(Clone, Default)]
pub(crate) struct TakenNames(HashSet<String>);

/// No other sync writes in the directory while this exists.
pub(crate) struct DirectoryLock(#[expect(dead_code, reason = "it is held")] Lock);

impl TakenNames {
    /// Whether a context of this name can have a new file. On macOS and Windows `Prod.yaml` is `prod.yaml`.
    pub(crate) fn is_free(&self, context: &str) -> bool {
        !self.0.contains(&file_name(&file_key(context)))
    }

    /// Gives up the name of a context's file.
    pub(crate) fn release(&mut self, context: &str) {
        self.0.remove(&file_name(&file_key(context)));
    }

    /// Keeps the name of a context's file for it.
    pub(crate) fn take(&mut self, context: &str) {
        self.0.insert(file_name(&file_key(context)));
    }
}

impl Listing {
    /// Our files for each cluster in this role, by its ARM id in lower case.
    pub(crate) fn by_cluster(&self, role: Role) -> HashMap<&str, Vec<&OwnFile>> {
        let mut by_cluster: HashMap<&str, Vec<&OwnFile>> = HashMap::new();
        for file in self.files.iter().filter(|file| file.role == role) {
            by_cluster.entry(&file.key).or_default().push(file);
        }
        by_cluster
    }
}

impl Directory {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file of a new context.
    pub(crate) fn file_of(&self, context: &str) -> PathBuf {
        self.path.join(file_name(&file_stem(context)))
    }

    /// Checks, before anybody signs in, that files can be read and written here.
    ///
    /// # Errors
    /// If it is not a directory, or another user's, who could put other kubeconfigs in place of ours; if it `is_written`
    /// and may not be.
    pub(crate) fn check(&self, is_written: bool) -> Result<()> {
        let failed = |why: &dyn std::fmt::Display| {
            let path = self.path.display();
            Failure::new(format!("the directory `{path}` can't be used")).because(why)
        };
        match fs::metadata(&self.path) {
            Ok(found) if !found.is_dir() => {
                return Err(failed(&"it is not a directory").hint("name another one"));
            }
            Ok(_) => {}
            Err(error) => match Unreadable::new(&self.path, error) {
                Unreadable::Missing { .. } => {}
                why => return Err(failed(&why).hint("name another one")),
            },
        }
        if let Some(owner) = Owner::of(&self.path).filter(|owner| !is_trusted(*owner)) {
            let why = format!("it belongs to another user (uid {})", owner.uid);
            return Err(failed(&why).hint("name a directory of your own"));
        }
        let nearest = self.path.ancestors().find(|directory| directory.exists());
        let nearest = nearest.unwrap_or(Path::new("."));
        match may_make_files(nearest) {
            Err(why) if is_written => Err(failed(&why).hint(format!(
                "you need permission to write there: see `ls -ld {}`",
                quoted(nearest)
            ))),
            _ => Ok(()),
        }
    }

    /// Reads our files. A directory that does not exist is an empty one.
    ///
    /// # Errors
    /// If it can't be listed, or a file of ours is not a kubeconfig any more.
    pub(crate) fn read(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        let mut paths = Vec::new();
        for entry in self.entries()? {
            let name = entry.file_name();
            listing
                .taken
                .0
                .insert(name.to_string_lossy().to_lowercase());
            if may_be_ours(&entry) {
                paths.push(entry.path());
            }
        }
        paths.sort();
        let read = in_parallel(&paths, |path| read_own(path));
        for file in read {
            if let Some((file, contexts)) = file? {
                contexts
                    .iter()
                    .for_each(|context| listing.taken.take(context));
                listing.files.push(file);
            }
        }
        Ok(listing)
    }

    fn entries(&self) -> Result<Vec<DirEntry>> {
        let list = || fs::read_dir(&self.path)?.collect();
        match list() {
            Ok(entries) => Ok(entries),
            Err(error) => match Unreadable::new(&self.path, error) {
                Unreadable::Missing { .. } => Ok(Vec::new()),
                why => {
                    let path = self.path.display();
                    Err(Failure::new(format!("could not list the directory `{path}`")).because(why))
                }
            },
        }
    }

    /// Creates the directory, and keeps other syncs from writing in it.
    ///
    /// # Errors
    /// As [`file::update_all`].
    pub(crate) fn lock(&self, waiting: Waiting<'_>) -> Result<DirectoryLock> {
        let locked = self.path.join(LOCKED);
        let lock = make_parent(&locked).and_then(|()| acquire(&[locked], &[], waiting));
        let lock = lock.map_err(elsewhere_is_a_directory)?;
        self.clean_up(waiting)?;
        Ok(DirectoryLock(lock))
    }

    /// Removes what a run left beside files that was killed, under the locks of these files.
    fn clean_up(&self, waiting: Waiting<'_>) -> Result<()> {
        let hidden = self.entries()?.into_iter().filter_map(|entry| {
            let name = entry.file_name();
            belongs_to(&name.to_string_lossy()).map(|file| self.path.join(file))
        });
        let files: BTreeSet<PathBuf> = hidden.collect();
        let files: Vec<PathBuf> = files.into_iter().collect();
        match files.is_empty() {
            true => Ok(()),
            false => acquire(&files, &files, waiting).map(drop),
        }
    }

    /// Writes the certificate authorities that kubeconfigs will name, under the directory's lock.
    ///
    /// # Errors
    /// As [`CaFiles::write`].
    pub(crate) fn write_authorities(&self, files: &CaFiles, _: &DirectoryLock) -> Result<()> {
        files.write()
    }

    /// Removes the certificate authorities that no kubeconfig in the directory names any more, under its lock.
    pub(crate) fn remove_authorities(&self, mut files: CaFiles, _: &DirectoryLock) {
        if !files.exist() {
            return;
        }
        let paths = self.entries().unwrap_or_default().into_iter();
        let paths: Vec<_> = paths.map(|entry| entry.path()).collect();
        let paths: Vec<_> = paths.into_iter().filter(|path| path.is_file()).collect();
        for text in in_parallel(&paths, |path| file::read(path)) {
            match text {
                Ok(text) => files.keep_named(&text),
                // It may name any.
                Err(_) => return,
            }
        }
        files.remove_unnamed();
    }

    /// Renames a kubeconfig under its lock and that of the new name, which no file may have.
    ///
    /// # Errors
    /// If a lock can't be acquired, there is such a file, or the file system has no hard links.
    pub(crate) fn rename(&self, old: &Path, new: &Path, waiting: Waiting<'_>) -> Result<()> {
        let paths = [old.to_owned(), new.to_owned()];
        let _lock = acquire(&paths, &paths, waiting).map_err(elsewhere_is_a_directory)?;
        // Unlike a rename, a link never replaces a file.
        let renamed = fs::hard_link(old, new).and_then(|()| fs::remove_file(old));
        sync_directory(&self.path);
        renamed.map_err(|error| {
            let (old, new) = (old.display(), new.display());
            Failure::new(format!("could not rename `{old}` to `{new}`")).because(error)
        })
    }

    /// As [`Directory::lock`], for a check before anybody signs in.
    ///
    /// # Errors
    /// As [`Directory::lock`].
    pub(crate) fn check_lock(&self, waiting: Waiting<'_>) -> Result<()> {
        match self.path.is_dir() {
            true => self.lock(waiting).map(drop),
            false => Ok(()),
        }
    }
}

/// Edits files, many at once, each as [`file::update_all`] does: `edit` gets a file's index and text, and returns the new
/// text. Returns the result for each file: one that can't be written does not stop the others.
///
/// # Errors
/// [`Kind::Canceled`] if the wait for a lock was stopped.
pub(crate) fn update(
    paths: &[PathBuf],
    waiting: Waiting<'_>,
    edit: impl Fn(usize, &str) -> Result<String>,
) -> Result<Vec<Result<()>>> {
    let update_from = |first: usize, paths: &[PathBuf]| {
        let updated = file::update_all(paths, Keeping::nothing(), waiting, |texts| {
            let texts = texts.iter().enumerate();
            let new = texts.map(|(i, text)| edit(first + i, text));
            Ok(file::New::texts(new.collect::<Result<_>>()?, ()))
        });
        updated.map_err(elsewhere_is_a_directory)
    };
    let mut results = Vec::with_capacity(paths.len());
    for (part, paths) in paths.chunks(AT_ONCE).enumerate() {
        let first = part * AT_ONCE;
        match update_from(first, paths) {
            Ok(()) => results.extend(paths.iter().map(|_| Ok(()))),
            Err(canceled) if canceled.kind() == Kind::Canceled => return Err(canceled),
            Err(why) if paths.len() == 1 => results.push(Err(why)),
            Err(_) => {
                let each = paths.chunks(1).enumerate();
                results.extend(each.map(|(i, path)| update_from(first + i, path)));
            }
        }
    }
    Ok(results)
}

/// Removes files of ours under their locks. Returns the result for each: one that was changed since it was read stays.
///
/// # Errors
/// If a lock can't be acquired.
pub(crate) fn remove(files: &[&OwnFile], waiting: Waiting<'_>) -> Result<Vec<Result<()>>> {
    let mut results = Vec::with_capacity(files.len());
    for part in files.chunks(AT_ONCE) {
        let paths: Vec<_> = part.iter().map(|file| file.path.clone()).collect();
        let lock = acquire(&paths, &paths, waiting).map_err(elsewhere_is_a_directory)?;
        results.extend(part.iter().map(|file| remove_one(file, &lock)));
        let directories: BTreeSet<_> = paths.iter().filter_map(|path| path.parent()).collect();
        directories.into_iter().for_each(sync_directory);
    }
    Ok(results)
}

fn remove_one(file: &OwnFile, lock: &Lock) -> Result<()> {
    let path = file.path.display();
    if file::read(&file.path)? != file.text || !lock.is_held() {
        return Err(Failure::new(format!(
            "`{path}` was changed meanwhile, so it was not removed"
        )));
    }
    fs::remove_file(&file.path)
        .map_err(|error| Failure::new(format!("could not remove `{path}`")).because(error))
}

/// The ARM id in lower case of the one cluster that our extension names in a kubeconfig, and the one role in which it does.
/// `None` if it names none or several.
pub(crate) fn only_cluster(document: &Document<'_>) -> Option<(String, Role)> {
    let mut keys: BTreeSet<(String, Role)> = BTreeSet::new();
    for section in Section::ALL {
        let items = document.entries(section).iter();
        keys.extend(items.filter_map(|entry| {
            let item = entry.get(section.item())?;
            let key = owner::arm_id(item)?.to_ascii_lowercase();
            Some((key, owner::role(item)))
        }));
    }
    match keys.len() {
        1 => keys.pop_first(),
        _ => None,
    }
}

fn file_name(stem: &str) -> String {
    format!("{stem}.{}", ENDINGS[0])
}

/// Whether a file may be ours: not a link, whose target may have another use, and not another user's file.
fn may_be_ours(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    !name.starts_with('.')
        && ending.is_some_and(|ending| ENDINGS.contains(&ending))
        && entry.file_type().is_ok_and(|kind| kind.is_file())
        && Owner::of(&entry.path()).is_none_or(is_trusted)
}

fn is_trusted(owner: Owner) -> bool {
    owner.is_us() || owner.uid == 0
}

/// Reads a file, with the names of its contexts. `None` if it is not ours.
fn read_own(path: &Path) -> Result<Option<(OwnFile, Vec<String>)>> {
    let Ok(text) = file::read(path) else {
        return Ok(None);
    };
    if ![owner::EXTENSION, "armId"]
        .iter()
        .all(|word| text.contains(word))
    {
        return Ok(None);
    }
    let document = Document::parse_file(path, &text).map_err(|why| match why.hint_text() {
        Some(_) => why,
        None => why.hint("correct it by hand, or move it out of the directory"),
    })?;
    let Some((key, role)) = only_cluster(&document) else {
        return Ok(None);
    };
    let contexts: Vec<_> = document
        .names(Section::Contexts)
        .map(str::to_owned)
        .collect();
    let current = document.root().get("current-context");
    let current = current.and_then(|name| name.as_str()).map(str::to_owned);
    let current = current.filter(|name| contexts.contains(name));
    let file = OwnFile {
        path: path.to_owned(),
        arm_id: arm_id(&document).unwrap_or_else(|| key.clone()),
        context: current
            .or_else(|| contexts.first().cloned())
            .unwrap_or_default(),
        is_only_ours: is_only_ours(&document),
        is_named_by_sync: false,
        key,
        role,
        text: String::new(),
    };
    let is_named_by_sync = is_named_by_sync(&document, &file.context);
    let file = OwnFile {
        is_named_by_sync,
        text,
        ..file
    };
    Ok(Some((file, contexts)))
}

/// Whether a context is called like the cluster entry that it leads to, and no person's entry was adopted.
fn is_named_by_sync(document: &Document<'_>, context: &str) -> bool {
    let item = document.item(Section::Contexts, context);
    let cluster = item.and_then(|item| item.get(Section::Clusters.item())?.as_str());
    let entry = document.item(Section::Clusters, context);
    cluster == Some(context)
        && entry.is_some_and(|entry| owner::arm_id(entry).is_some() && !owner::is_adopted(entry))
}

fn arm_id(document: &Document<'_>) -> Option<String> {
    let mut all = Section::ALL.into_iter().flat_map(|section| {
        let entries = document.entries(section).iter();
        entries.filter_map(move |entry| owner::arm_id(entry.get(section.item())?))
    });
    all.next().map(str::to_owned)
}

/// Whether clusters and users have our extension, and contexts lead to these clusters.
fn is_only_ours(document: &Document<'_>) -> bool {
    let are_marked = |section: Section| {
        let mut entries = document.entries(section).iter();
        entries.all(|entry| entry.get(section.item()).is_some_and(owner::is_ours))
    };
    let clusters: HashSet<_> = document.names(Section::Clusters).collect();
    let leads_there = |context: &Value| {
        let cluster = context.pointer("/context/cluster").and_then(Value::as_str);
        cluster.is_some_and(|name| clusters.contains(name))
    };
    are_marked(Section::Clusters)
        && are_marked(Section::Users)
        && document.entries(Section::Contexts).iter().all(leads_there)
}
