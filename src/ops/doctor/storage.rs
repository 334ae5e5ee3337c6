//! Checks of the home directory, and of the disks that tokens and kubeconfigs are written to.

use std::path::{Path, PathBuf};

use super::{Check, Finding, Machine, Run, Severity};
use crate::{
    auth::store,
    error::Result,
    host::{
        Host,
        disk::{self, Free},
        file::{self, Owner, Unreadable, quoted},
    },
    kubeconfig::Paths,
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "AAD033",
        title: "a disk is full, or nearly",
        severity: Severity::Problem,
        why: "A kubeconfig is written as a whole beside the old one: without space for it, neither kubectl nor `sync` can change it, and no token is stored.",
        remedy: "Free some space, or name directories on another disk with KUBECONFIG and KUBECACHEDIR.",
        run: Run::Files(full),
    },
    Check {
        code: "AAD034",
        title: "the home directory can't be used",
        severity: Severity::Problem,
        why: "The kubeconfig, the token cache and the files of az are in it. What root writes into the home directory of another user, that user can't change.",
        remedy: "Set HOME to a directory of yours, and run commands without `sudo` or with `sudo -H`.",
        run: Run::Files(home),
    },
];

/// The least space, in bytes: a kubeconfig of 2,000 clusters has 6 MB.
const LEAST: u64 = 8 << 20;

/// What is written to a directory.
struct Written {
    directory: PathBuf,
    what: &'static str,
}

fn full(machine: &Machine) -> Result<Vec<Finding>> {
    let host = &machine.host;
    let kubeconfig = Paths::from_host(host, None).ok();
    let kubeconfig = kubeconfig.and_then(|paths| Some(paths.default.parent()?.to_owned()));
    let cache = store::location(host, None, false).ok();
    let written = [(kubeconfig, "the kubeconfig"), (cache, "the token cache")];
    let mut findings = Vec::new();
    for (directory, what) in written {
        let Some(directory) = directory.and_then(|directory| existing(&directory)) else {
            continue;
        };
        let written = Written { directory, what };
        if let Some(finding) = disk::free(&written.directory).and_then(|free| short(free, &written))
        {
            findings.push(finding);
        }
    }
    Ok(findings)
}

/// The directory, or the nearest one above it that exists.
fn existing(directory: &Path) -> Option<PathBuf> {
    let mut above = directory.ancestors();
    above.find(|one| one.is_dir()).map(Path::to_owned)
}

fn short(free: Free, written: &Written) -> Option<Finding> {
    let Written { directory, what } = written;
    let place = format!("on the file system of {what} (`{}`)", directory.display());
    let found = match free {
        Free { files: Some(0), .. } => format!("no further file can be made {place}"),
        Free { bytes, .. } if bytes < LEAST => {
            format!("{} KB are free {place}", bytes / 1024)
        }
        Free { .. } => return None,
    };
    Some(
        Finding::new(found)
            .advice("free some space; this shows what takes it")
            .command(format!("du -xh {} | sort -h | tail", quoted(directory))),
    )
}

/// Sets `HOME` to what the system has for this user.
const SET_HOME: &str = "export HOME=\"$(eval echo ~\"$(id -un)\")\"";

fn home(machine: &Machine) -> Result<Vec<Finding>> {
    let host = &machine.host;
    let Ok(home) = host.home() else {
        let finding = Finding::new("neither `HOME` nor `USERPROFILE` is set");
        return Ok(vec![finding.command(SET_HOME)]);
    };
    Ok(check_home(&home, host).into_iter().collect())
}

fn check_home(home: &Path, host: &Host) -> Option<Finding> {
    let shown = home.display();
    if home.is_relative() {
        let found = format!("`HOME` is the relative path `{shown}`");
        return Some(Finding::new(found).command(SET_HOME));
    }
    if !home.is_dir() {
        let why = match file::look(home) {
            Err(why @ (Unreadable::NotSearchable { .. } | Unreadable::DanglingLink { .. })) => {
                why.to_string()
            }
            Err(Unreadable::Missing { .. }) => "there is no such directory".to_owned(),
            _ => "it is not a directory".to_owned(),
        };
        let found = format!("`HOME` is `{shown}`, and {why}");
        return Some(Finding::new(found).command(SET_HOME));
    }
    let owner = Owner::of(home)?;
    if disk::is_root() && !owner.is_us() {
        let sudo = host
            .var_nonempty("SUDO_USER")
            .map_or(String::new(), |user| format!(", by `sudo` of `{user}`"));
        let found = format!(
            "this runs as root{sudo}, and `HOME` is `{shown}`, which is uid {}'s",
            owner.uid
        );
        return Some(
            Finding::new(found)
                .advice(
                    "run commands without `sudo`; if root is meant, with root's own home directory",
                )
                .command("sudo -H kubectl aad doctor"),
        );
    }
    // What is needed below it may be there already.
    let needed = home.join(".kube");
    let needed = if needed.is_dir() {
        needed
    } else {
        home.to_owned()
    };
    let why = disk::may_write(&needed).err()?;
    let place = needed.display();
    let finding = Finding::new(format!(
        "nothing can be written to `{place}` ({owner}): {why}"
    ));
    Some(match Owner::of(&needed)?.is_us() {
        true => finding.command(format!("chmod u+rwx {}", quoted(&needed))),
        false => finding
            .advice("make it yours, or set `HOME` to a directory of yours")
            .command(format!("sudo chown \"$(id -u)\" {}", quoted(&needed))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_space_is_reported_and_unknown_counts_are_not() {
        let written = Written {
            directory: PathBuf::from("/d"),
            what: "the token cache",
        };
        let found =
            |bytes, files| short(Free { bytes, files }, &written).map(|finding| finding.found);
        assert_eq!(found(LEAST, None), None);
        assert_eq!(found(LEAST, Some(1)), None);
        assert_eq!(
            found(LEAST - 1, Some(1)).as_deref(),
            Some("8191 KB are free on the file system of the token cache (`/d`)")
        );
        assert!(found(u64::MAX, Some(0)).is_some_and(|found| found.starts_with("no further file")));
    }
}
