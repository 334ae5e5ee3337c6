//! Files: 0600 in a directory of 0700, replaced as a whole, read with doubt.
//!
//! Lives here: [`Directory`]. What somebody else could have written or read is
//! not used. What is in the files is not known here.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use zeroize::Zeroizing;

use crate::{
    error::{Failure, Result},
    host::{
        file::{Owner, Unreadable, quoted},
        process::survive_file_limit,
    },
};

/// The largest file that is read, in bytes: real ones have some 4 KB.
const FILE_LIMIT: u64 = 1 << 20;
/// What files in the making begin with.
pub(super) const UNFINISHED: &str = ".tmp-";
/// How old a file in the making is when nobody can be writing it any more. It
/// counts only where files can't be locked.
const ABANDONED: Duration = Duration::from_secs(600);
/// How long after its end an access token stays: other machines that share the
/// directory may have other clocks, and older versions stamped files with the
/// time of writing.
const AFTER_ITS_END: Duration = Duration::from_secs(3600);
/// How long a note is of use that only counts for minutes.
const NOTE_LIFE: Duration = Duration::from_secs(24 * 3600);
/// How long a session lives without use: Entra's refresh tokens end after as
/// long, and each use writes the session again.
const SESSION_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);
/// How many sealed files of one record are kept: those of machines that share the
/// directory, each with a key of its own, and of keys that are lost.
const COPIES: usize = 16;
/// How often a file is begun again that another process swept away between its
/// making and its lock.
const ATTEMPTS: usize = 8;

/// Whether there is a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Ours,
    Missing,
}

/// A directory of small secret files.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    path: PathBuf,
}

impl Directory {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks whether the directory is there and ours alone.
    ///
    /// # Errors
    /// When it is a link, another user's, or open to others: what is wrong, and
    /// how to set it right.
    pub(super) fn inspect(&self) -> Result<Found> {
        let meta = match fs::symlink_metadata(&self.path) {
            Ok(meta) => meta,
            Err(e) => match Unreadable::new(&self.path, e) {
                Unreadable::Missing { .. } => return Ok(Found::Missing),
                Unreadable::NotSearchable { directory, owner } => {
                    let hint = access_hint(&directory);
                    let why = Unreadable::NotSearchable { directory, owner };
                    return Err(self.unusable(&why).hint(hint));
                }
                Unreadable::NotADirectory { part } => {
                    // A home such as `/dev/null`, which some accounts have, is nothing to remove.
                    let hint = match fs::metadata(&part) {
                        Ok(found) if found.is_file() => {
                            format!("type `rm {}`, {}", quoted(&part), or_elsewhere())
                        }
                        _ => home_hint(),
                    };
                    return Err(self
                        .unusable(&Unreadable::NotADirectory { part })
                        .hint(hint));
                }
                why => return Err(self.unusable(&why).hint(elsewhere())),
            },
        };
        if !meta.is_dir() {
            let what = match meta.is_symlink() {
                true => "it is a symbolic link",
                false => "it is not a directory",
            };
            let hint = format!("type `rm {}`, {}", quoted(&self.path), or_elsewhere());
            return Err(self.unusable(&what).hint(hint));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            if meta.uid() != own_uid() {
                let why = format!("it belongs to another user (uid {})", meta.uid());
                return Err(self.unusable(&why).hint(foreign_hint(&self.path)));
            }
            if meta.mode() & 0o077 != 0 {
                return Err(self
                    .unusable(&format!(
                        "other users can reach it (its mode is {:o})",
                        meta.mode() & 0o7777
                    ))
                    .hint(format!("type `chmod 700 {}`", quoted(&self.path))));
            }
        }
        Ok(Found::Ours)
    }

    /// Makes the directory where it is missing.
    ///
    /// # Errors
    /// As [`Directory::inspect`], and when it can't be made.
    pub(super) fn prepare(&self) -> Result<()> {
        if self.inspect()? == Found::Ours {
            return Ok(());
        }
        if let Some(parent) = self.path.parent() {
            // `~/.kube` may be among them: who can write there can replace the kubeconfig, whatever
            // the umask was.
            private_directory()
                .recursive(true)
                .create(parent)
                .map_err(|e| self.failure(e))?;
        }
        match private_directory().create(&self.path) {
            Ok(()) => Ok(()),
            // Another process was faster, ours or not.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => self.inspect().map(|_| ()),
            Err(e) => Err(self.failure(e)),
        }
    }

    /// What is in a file of ours; none where it is a link, a pipe, another
    /// user's, open to others or too big to be ours.
    pub(super) fn read(&self, name: &str) -> Option<Zeroizing<Vec<u8>>> {
        let file = self.open_own(name)?;
        let length = file.metadata().ok()?.len();
        // One byte more, so that a file read as a whole is not grown to look for more.
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length).ok()? + 1));
        file.take(FILE_LIMIT).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Replaces a file as a whole: a reader sees the old one or the new one,
    /// however this ends. The file is stamped with the moment that its
    /// sweeping goes by, where that is not the present.
    ///
    /// # Errors
    /// When it can't be kept.
    pub(super) fn write(&self, name: &str, bytes: &[u8], stamp: Option<SystemTime>) -> Result<()> {
        self.prepare()?;
        self.sweep();
        let mut attempt = 1;
        loop {
            match self.write_once(name, bytes, stamp) {
                Ok(()) => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS => attempt += 1,
                Err(e) => return Err(self.failure(e)),
            }
        }
    }

    /// Says whether a record could be written, by writing one that is gone at once.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check_writable(&self) -> Result<()> {
        survive_file_limit();
        let probe = || {
            let mut file = tempfile::Builder::new()
                .prefix(UNFINISHED)
                .tempfile_in(&self.path)?;
            file.write_all(&[0; 4096])
        };
        probe().map_err(|e| self.failure(e))
    }

    fn write_once(&self, name: &str, bytes: &[u8], stamp: Option<SystemTime>) -> io::Result<()> {
        survive_file_limit();
        let mut file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(&self.path)?;
        // The lock tells the sweepers of other processes that the writer lives. Where it can't be
        // had, age tells them.
        let _ = file.as_file().try_lock();
        file.write_all(bytes)?;
        file.as_file().sync_data()?;
        if let Some(stamp) = stamp {
            // A file system that keeps no such time costs a token, an hour from now.
            let _ = file.as_file().set_modified(stamp);
        }
        // Locks of Windows keep readers away, and the record is about to have some.
        #[cfg(windows)]
        let _ = file.as_file().unlock();
        file.persist(self.path.join(name))?;
        Ok(())
    }

    pub(super) fn remove(&self, name: &str) {
        // Where it is gone already, or the directory with it, all is as asked.
        let _ = fs::remove_file(self.path.join(name));
    }

    /// The names of all files, those in the making included.
    pub(super) fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.path) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// Removes what writers and holders that were killed left behind, and what
    /// can be of no more use. Sessions are not among it: this goes by the local
    /// clock, which may be wrong.
    pub(super) fn sweep(&self) {
        let names = self.names();
        for name in &names {
            let useless = if name.starts_with(UNFINISHED) {
                self.is_abandoned(name)
            } else if name.ends_with(LOCK) {
                // Taking it and letting it go removes it.
                let _ = self.try_lock(name);
                false
            } else if name.ends_with(super::TURN) {
                self.is_older_than(name, NOTE_LIFE)
            } else if !super::is_record(name) {
                false
            } else if name.starts_with(super::ACCESS) {
                self.is_older_than(name, AFTER_ITS_END)
            } else {
                name.starts_with(super::GIVEN_UP) && self.is_older_than(name, NOTE_LIFE)
            };
            if useless {
                self.remove(name);
            }
        }
        self.sweep_copies(&names);
    }

    /// Of the sealed files of one record, all keys together, removes all but the
    /// newest.
    fn sweep_copies(&self, names: &[String]) {
        let record = |name: &str| name.split_once('.').map(|(record, _)| record.to_owned());
        let sealed: Vec<&String> = names
            .iter()
            .filter(|n| n.ends_with(super::SEALED))
            .collect();
        // Names are in order, so the files of a record are neighbors.
        for copies in sealed.chunk_by(|a, b| record(a) == record(b)) {
            if copies.len() > COPIES {
                self.keep_newest(copies.iter().map(|name| name.as_str()), COPIES);
            }
        }
    }

    /// Removes all of these files but the `count` newest.
    pub(super) fn keep_newest<'a>(&self, names: impl Iterator<Item = &'a str>, count: usize) {
        let mut by_age: Vec<(SystemTime, &str)> = names
            .filter_map(|name| Some((self.modified(name)?, name)))
            .collect();
        by_age.sort_unstable();
        for (_, name) in by_age.iter().rev().skip(count) {
            self.remove(name);
        }
    }

    /// Removes sessions that were not used for longer than Entra keeps them.
    /// `now` is the time at Entra: by a local clock that is wrong, all of them
    /// would go.
    pub(super) fn sweep_sessions(&self, now: SystemTime) {
        for name in self.names() {
            let ended = self
                .modified(&name)
                .and_then(|at| now.duration_since(at).ok())
                .is_some_and(|unused| unused > SESSION_LIFE);
            if super::is_record(&name) && name.starts_with(super::SESSION) && ended {
                self.remove(&name);
            }
        }
    }

    fn is_older_than(&self, name: &str, age: Duration) -> bool {
        self.modified(name)
            .and_then(|at| SystemTime::now().duration_since(at).ok())
            .is_some_and(|passed| passed > age)
    }

    /// When a file of ours was written, or the moment that it was stamped with.
    fn modified(&self, name: &str) -> Option<SystemTime> {
        let meta = fs::symlink_metadata(self.path.join(name)).ok()?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            if meta.uid() != own_uid() {
                return None;
            }
        }
        meta.is_file().then(|| meta.modified().ok())?
    }

    fn is_abandoned(&self, name: &str) -> bool {
        let Some(file) = self.open_own(name) else {
            // A file that is not ours to read is not ours to remove.
            return false;
        };
        match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(_)) => is_older_than(&file, ABANDONED),
        }
    }

    /// Takes a lock if nobody holds it. Its file is there as long as it is held.
    ///
    /// # Errors
    /// When locks can't be had at all.
    pub(super) fn try_lock(&self, name: &str) -> Result<Option<Lock>> {
        for _ in 0..ATTEMPTS {
            let file = self.lock_file(name)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(self.failure(error)),
            }
            let path = self.path.join(name);
            if is_at(&file, &path) {
                return Ok(Some(Lock { file, path }));
            }
        }
        Ok(None)
    }

    /// Opens a file to lock it; it is made where it is missing.
    ///
    /// # Errors
    /// When it can't be opened.
    pub(super) fn lock_file(&self, name: &str) -> Result<File> {
        self.prepare()?;
        // Who holds it is about to be written into it.
        survive_file_limit();
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600).custom_flags(unix_flags());
        }
        let path = self.path.join(name);
        match options.open(&path) {
            // A run of root's left it in our directory. Two processes that take it away at once may
            // both go on, which costs a sign-in.
            Err(e)
                if e.kind() == io::ErrorKind::PermissionDenied
                    && Owner::of(&path).is_some_and(|owner| !owner.is_us()) =>
            {
                self.remove(name);
                options.open(&path)
            }
            opened => opened,
        }
        .map_err(|e| self.failure(e))
    }

    fn open_own(&self, name: &str) -> Option<File> {
        let mut options = OpenOptions::new();
        options.read(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, unix_flags());
        let file = options.open(self.path.join(name)).ok()?;
        let meta = file.metadata().ok()?;
        if !meta.is_file() || meta.len() > FILE_LIMIT {
            return None;
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            if meta.uid() != own_uid() || meta.mode() & 0o077 != 0 {
                return None;
            }
        }
        Some(file)
    }

    fn unusable(&self, why: &dyn std::fmt::Display) -> Failure {
        Failure::new(format!(
            "the token cache `{}` can't be used",
            self.path.display()
        ))
        .because(why)
    }

    /// Why the directory can't be made, or a file in it can't be written.
    pub(super) fn failure(&self, error: io::Error) -> Failure {
        let existing = self.path.ancestors().find(|dir| dir.is_dir());
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => access_hint(existing.unwrap_or(&self.path)),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                format!("make room there, {}", or_elsewhere())
            }
            _ => elsewhere(),
        };
        // What tempfile adds is the name of a file that is gone.
        let text = error.to_string();
        let why = text.split(" at path \"").next().unwrap_or_default();
        self.unusable(&why).hint(hint)
    }
}

/// What always helps.
fn elsewhere() -> String {
    "name another directory with `--cache-dir` or `KUBECACHEDIR`, or store none with `--token-store none`"
        .to_owned()
}

fn or_elsewhere() -> String {
    format!("or {}", elsewhere())
}

/// What helps where a directory above, or the cache itself, keeps us out.
fn access_hint(directory: &Path) -> String {
    match Owner::of(directory) {
        Some(owner) if owner.is_us() && owner.mode & 0o700 != 0o700 => {
            format!("type `chmod u+rwx {}`", quoted(directory))
        }
        Some(owner) if owner.is_us() => elsewhere(),
        Some(_) if is_below_ours(directory) => {
            format!("type `sudo chown -R \"$(id -u)\" {}`", quoted(directory))
        }
        _ => home_hint(),
    }
}

fn home_hint() -> String {
    format!("set `HOME` to a directory of yours, {}", or_elsewhere())
}

/// What helps where the cache itself is another user's. It is removed and not taken over: its files
/// would become ones that we trust.
#[cfg(unix)]
fn foreign_hint(directory: &Path) -> String {
    if is_below_ours(directory) {
        return format!("type `sudo rm -r {}`", quoted(directory));
    }
    if own_uid() == 0 {
        return format!(
            "run it without `sudo`, or with `sudo -H`, {}",
            or_elsewhere()
        );
    }
    access_hint(directory)
}

fn is_below_ours(directory: &Path) -> bool {
    own_uid() != 0
        && directory
            .parent()
            .and_then(Owner::of)
            .is_some_and(Owner::is_us)
}

/// What the names of locks end in.
pub(super) const LOCK: &str = ".lock";

/// A lock that is held.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    #[cfg_attr(windows, expect(dead_code, reason = "its file stays"))]
    path: PathBuf,
}

impl Lock {
    /// The file, for what is written into it about the holder.
    pub(super) fn file(&self) -> &File {
        &self.file
    }
}

/// The file goes with the lock, so that locks don't pile up. Who opened it before
/// sees that it is gone and opens the next one. On Windows the file stays: while
/// somebody has it open, its name could not be used again.
#[cfg(unix)]
impl Drop for Lock {
    fn drop(&mut self) {
        if is_at(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether a file is still the one of its name.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same = |a: fs::Metadata, b: fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(held), Ok(named)) => same(held, named),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

fn is_older_than(file: &File, age: Duration) -> bool {
    file.metadata()
        .and_then(|meta| meta.modified())
        .ok()
        .and_then(|at| SystemTime::now().duration_since(at).ok())
        .is_some_and(|passed| passed > age)
}

/// Makes directories for the owner alone from the start. On Windows what lies in
/// the user's profile is that already.
fn private_directory() -> DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "modes are Unix's"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

#[cfg(unix)]
fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn own_uid() -> u32 {
    1
}

/// No link is followed, and a pipe in a file's place can't hold us up.
#[cfg(unix)]
fn unix_flags() -> i32 {
    use rustix::fs::OFlags;
    i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits())
        .expect("flags of open(2) are those of a C int")
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn directory() -> (tempfile::TempDir, Directory) {
        let temp = tempfile::tempdir().expect("a temporary directory");
        let directory = Directory::new(temp.path().join("kube/cache/kubectl-aad"));
        (temp, directory)
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
    }

    #[test]
    fn files_are_for_the_owner_alone_and_nothing_else_stays() {
        let (_temp, directory) = directory();
        directory.write("a", b"one", None).expect("written");
        directory.write("a", b"two", None).expect("replaced");
        assert_eq!(directory.read("a").expect("there").as_slice(), b"two");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(directory.path()), 0o700);
        assert_eq!(mode(&directory.path().join("a")), 0o600);
        for made_on_the_way in directory.path().ancestors().skip(1).take(2) {
            assert_eq!(mode(made_on_the_way), 0o700);
        }
        assert_eq!(directory.names(), ["a"]);
        directory.remove("a");
        assert!(directory.read("a").is_none());
    }

    #[test]
    fn files_that_others_could_have_made_are_absent() {
        let (temp, directory) = directory();
        directory.write("open", b"x", None).expect("written");
        directory.write("big", b"x", None).expect("written");
        let path = |name: &str| directory.path().join(name);
        set_mode(&path("open"), 0o644);
        File::options()
            .write(true)
            .open(path("big"))
            .and_then(|file| file.set_len(FILE_LIMIT + 1))
            .expect("ours");
        let elsewhere = temp.path().join("elsewhere");
        fs::write(&elsewhere, b"x").expect("written");
        set_mode(&elsewhere, 0o600);
        symlink(&elsewhere, path("link")).expect("linked");
        rustix::fs::mkfifoat(
            rustix::fs::CWD,
            path("pipe"),
            rustix::fs::Mode::from_raw_mode(0o600),
        )
        .expect("made");
        fs::create_dir(path("dir")).expect("made");
        for name in ["open", "big", "link", "pipe", "dir", "none"] {
            assert!(directory.read(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_directory_that_others_can_reach_is_refused_with_the_command_that_closes_it() {
        let (_temp, directory) = directory();
        directory.write("a", b"x", None).expect("written");
        for mode in [0o755, 0o770, 0o701] {
            set_mode(directory.path(), mode);
            let failure = directory.write("a", b"y", None).expect_err("refused");
            assert!(failure.render().contains("type `chmod 700 "), "{failure}");
        }
    }

    #[test]
    fn a_link_or_a_file_in_the_directorys_place_is_refused() {
        let temp = tempfile::tempdir().expect("a temporary directory");
        let real = temp.path().join("real");
        fs::create_dir(&real).expect("made");
        set_mode(&real, 0o700);
        let link = temp.path().join("link");
        symlink(&real, &link).expect("linked");
        let failure = Directory::new(link).inspect().expect_err("refused");
        assert!(failure.to_string().contains("a symbolic link"), "{failure}");
        let file = temp.path().join("file");
        fs::write(&file, b"").expect("written");
        let failure = Directory::new(file.clone()).inspect().expect_err("refused");
        assert!(failure.to_string().contains("not a directory"), "{failure}");
        let failure = Directory::new(PathBuf::from("/dev/null/.kube"))
            .inspect()
            .expect_err("refused");
        let render = failure.render();
        assert!(!render.contains("rm /dev"), "{render}");
        assert!(render.contains("hint: set `HOME`"), "{render}");
        let failure = Directory::new(file.join("below"))
            .inspect()
            .expect_err("refused");
        let render = failure.render();
        assert!(render.contains("file` is not a directory"), "{render}");
        assert!(render.contains("hint: type `rm /"), "{render}");
    }

    const DAY: u64 = 24 * 3600;

    /// Writes a file and stamps it.
    fn stamped(directory: &Directory, name: &str, at: SystemTime) {
        directory.prepare().expect("made");
        let path = directory.path().join(name);
        fs::write(&path, b"x").expect("written");
        set_mode(&path, 0o600);
        File::options()
            .write(true)
            .open(path)
            .and_then(|file| file.set_modified(at))
            .expect("ours");
    }

    #[test]
    fn what_can_be_of_no_more_use_goes_with_the_next_write() {
        let (_temp, directory) = directory();
        let ago = |seconds| SystemTime::now() - Duration::from_secs(seconds);
        for (name, at) in [
            ("access-ended.json", ago(3_700)),
            ("access-just-ended.json", ago(3_500)),
            ("access-lost.00000000.sealed", ago(3_700)),
            ("given-up-old.json", ago(DAY + 9)),
            ("given-up-new.json", ago(DAY - 9)),
            ("ahead-old.turn", ago(DAY + 9)),
            ("ahead-new.turn", ago(DAY - 9)),
            ("left.lock", ago(9)),
            ("refresh-unused.json", ago(400 * DAY)),
            ("pop-key.json", ago(400 * DAY)),
            ("somebody-elses", ago(400 * DAY)),
        ] {
            stamped(&directory, name, at);
        }
        let held = directory.try_lock("held.lock").expect("locks");
        let until = SystemTime::now() + Duration::from_secs(60);
        directory
            .write("access-new.json", b"x", Some(until))
            .expect("written");
        let all = [
            "access-just-ended.json",
            "access-new.json",
            "ahead-new.turn",
            "given-up-new.json",
            "held.lock",
            "pop-key.json",
            "refresh-unused.json",
            "somebody-elses",
        ];
        assert_eq!(directory.names(), all);
        drop(held);
        assert!(!directory.path().join("held.lock").exists());
    }

    #[test]
    fn sessions_end_by_the_clock_of_who_made_them() {
        let (_temp, directory) = directory();
        let now = SystemTime::now();
        let ago = |days| now - Duration::from_secs(days * DAY);
        stamped(&directory, "refresh-91.json", ago(91));
        stamped(&directory, "refresh-89.00000000.sealed", ago(89));
        stamped(&directory, "refresh-0.json", now);
        stamped(&directory, "access-91.json", ago(91));
        directory.sweep_sessions(now);
        assert_eq!(
            directory.names(),
            [
                "access-91.json",
                "refresh-0.json",
                "refresh-89.00000000.sealed"
            ]
        );
    }

    #[test]
    fn of_a_record_that_was_sealed_with_many_keys_the_newest_files_stay() {
        let (_temp, directory) = directory();
        let now = SystemTime::now();
        for age in 0..20_u64 {
            for record in ["refresh-1", "refresh-2"] {
                let name = format!("{record}.{age:08x}.sealed");
                stamped(&directory, &name, now - Duration::from_secs(age));
            }
        }
        directory.sweep();
        assert_eq!(directory.names().len(), 2 * COPIES);
        assert!(directory.path().join("refresh-1.00000000.sealed").exists());
        assert!(!directory.path().join("refresh-1.00000010.sealed").exists());
    }

    #[test]
    fn a_lock_whose_file_was_removed_is_taken_anew() {
        let (_temp, directory) = directory();
        let old = directory.lock_file("a.lock").expect("opened");
        let held = directory.try_lock("a.lock").expect("locks").expect("free");
        assert!(directory.try_lock("a.lock").expect("locks").is_none());
        drop(held);
        // Who had the file open before gets a lock that is worth nothing, and sees that.
        old.try_lock().expect("free");
        assert!(!is_at(&old, &directory.path().join("a.lock")));
        let held = directory.try_lock("a.lock").expect("locks");
        assert!(held.is_some());
    }

    #[test]
    fn what_a_killed_writer_left_is_removed_and_a_living_ones_file_is_not() {
        let (_temp, directory) = directory();
        directory.prepare().expect("made");
        for name in [".tmp-dead", ".tmp-alive"] {
            fs::write(directory.path().join(name), b"x").expect("written");
            set_mode(&directory.path().join(name), 0o600);
        }
        let alive = File::open(directory.path().join(".tmp-alive")).expect("there");
        alive.lock().expect("free");
        directory.write("a", b"x", None).expect("written");
        assert_eq!(directory.names(), [".tmp-alive", "a"]);
        drop(alive);
        directory.write("a", b"x", None).expect("written");
        assert_eq!(directory.names(), ["a"]);
    }
}
