//! Checks that only we have access to the directory, and says what to do if others have or if it can't be written.

use std::{fs, io, path::Path};

use super::{PrivateDirectory, is_own, others_may, own_uid};
use crate::{
    error::{Failure, Result},
    host::file::{Owner, Unreadable, quoted},
};

impl PrivateDirectory {
    /// Whether the directory exists.
    ///
    /// # Errors
    /// When it is a link, another user's, or open to others: what is wrong, and how to fix it.
    pub(crate) fn exists(&self) -> Result<bool> {
        let meta = match fs::symlink_metadata(&self.path) {
            Ok(meta) => meta,
            Err(e) => {
                return match Unreadable::new(&self.path, e) {
                    Unreadable::Missing { .. } => Ok(false),
                    why => Err(self.unusable(&why).hint(unreadable_hint(&why))),
                };
            }
        };
        if !meta.is_dir() {
            let what = match meta.is_symlink() {
                true => "it is a symbolic link",
                false => "it is not a directory",
            };
            let hint = format!("run `rm {}`, {}", quoted(&self.path), or_elsewhere());
            return Err(self.unusable(&what).hint(hint));
        }
        if !is_own(&meta) {
            let owner =
                Owner::of(&self.path).map_or(String::new(), |o| format!(" (uid {})", o.uid));
            let why = format!("it belongs to another user{owner}");
            return Err(self.unusable(&why).hint(foreign_hint(&self.path)));
        }
        if others_may(&meta) {
            let mode = Owner::of(&self.path).map_or(0, |owner| owner.mode);
            let why = format!("other users can reach it (its mode is {mode:o})");
            let hint = format!("run `chmod 700 {}`", quoted(&self.path));
            return Err(self.unusable(&why).hint(hint));
        }
        Ok(true)
    }

    fn unusable(&self, why: &dyn std::fmt::Display) -> Failure {
        Failure::new(format!(
            "{} `{}` can't be used",
            self.what,
            self.path.display()
        ))
        .because(why)
    }

    /// Why the directory can't be created, or a file in it can't be written.
    pub(crate) fn failure(&self, error: io::Error) -> Failure {
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => access_hint(self.existing().unwrap_or(&self.path)),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                format!("free some space there, {}", or_elsewhere())
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

/// What helps where the way to the directory is blocked.
fn unreadable_hint(why: &Unreadable) -> String {
    match why {
        Unreadable::NotSearchable { directory, .. } => access_hint(directory),
        // A home such as `/dev/null`, which some accounts have, is nothing to remove.
        Unreadable::NotADirectory { part } if fs::metadata(part).is_ok_and(|m| m.is_file()) => {
            format!("run `rm {}`, {}", quoted(part), or_elsewhere())
        }
        Unreadable::NotADirectory { .. } => home_hint(),
        _ => elsewhere(),
    }
}

/// What helps where a directory above, or the cache itself, denies access.
fn access_hint(directory: &Path) -> String {
    match Owner::of(directory) {
        Some(owner) if owner.is_us() && owner.mode & 0o700 != 0o700 => {
            format!("run `chmod u+rwx {}`", quoted(directory))
        }
        Some(owner) if owner.is_us() => elsewhere(),
        Some(_) if is_below_ours(directory) => {
            format!("run `sudo chown -R \"$(id -u)\" {}`", quoted(directory))
        }
        _ => home_hint(),
    }
}

fn home_hint() -> String {
    format!("set `HOME` to a directory of yours, {}", or_elsewhere())
}

/// What helps where the cache itself is another user's. It is removed and not taken over: its files
/// would become ones that we trust.
fn foreign_hint(directory: &Path) -> String {
    if is_below_ours(directory) {
        return format!("run `sudo rm -r {}`", quoted(directory));
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
