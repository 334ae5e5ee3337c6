//! Checks of kubeconfigs as files: what kubectl refuses, encodings, locks, who may read them, how large they are.

use std::path::Path;

use super::{
    Check, Finding, Machine, Run, Severity,
    kubeconfigs::{KubeconfigFile, State},
    members::{own, remove},
};
use crate::{
    error::Result,
    host::file::{Owner, quoted},
    kubeconfig::{left_behind, plain_secrets},
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "AAD012",
        title: "kubectl can't read a kubeconfig",
        severity: Severity::Problem,
        why: "One such file makes every kubectl command fail, also for the contexts of other files.",
        remedy: "Correct the file by hand, or bring back what it was before the last write with `kubectl aad undo`.",
        run: Run::Files(refused),
    },
    Check {
        code: "AAD013",
        title: "a kubeconfig has Windows line ends, a byte order mark or UTF-16",
        severity: Severity::Note,
        why: "kubectl reads it, but other programs may not, and kubectl rewrites the whole file when it changes it.",
        remedy: "Rewrite the file as UTF-8 with plain line ends.",
        run: Run::Files(encoding),
    },
    Check {
        code: "AAD017",
        title: "a lock was left behind",
        severity: Severity::Problem,
        why: "kubectl refuses to change a kubeconfig while its lock file exists: `unable to lock`, `file exists`.",
        remedy: "Remove the lock file, if no kubectl is changing the kubeconfig now.",
        run: Run::Files(locks),
    },
    Check {
        code: "AAD018",
        title: "other users may read or change a kubeconfig, or own it",
        severity: Severity::Problem,
        why: "Who may change a kubeconfig can let kubectl run any program; who may read it sees the secrets in it. One that root owns, as after sudo, can't be changed by you.",
        remedy: "Take the permissions of others away (`chmod go=`), and make the file yours (`sudo chown`).",
        run: Run::Files(modes),
    },
    Check {
        code: "AAD050",
        title: "the kubeconfigs are slow to read",
        severity: Severity::Note,
        why: "Every kubectl command reads all of them first, and so does every program that completes names.",
        remedy: "Store the certificate authorities beside the kubeconfig (`kubectl aad sync --ca-files`), remove clusters that are gone (`kubectl aad prune`), or work with one context at a time.",
        run: Run::Files(slow),
    },
];

/// From this size on a kubectl takes noticeably longer, in bytes.
const LARGE: usize = 3 << 20;

fn refused(machine: &Machine) -> Result<Vec<Finding>> {
    let files = machine.kubeconfigs()?.files.iter();
    let refused = files.filter_map(|file| match &file.state {
        State::Refused(why) => Some((file, why)),
        _ => None,
    });
    Ok(refused
        .map(|(file, why)| {
            Finding::new(why.to_string())
                .advice("correct it by hand; this shows whether kubectl can read it:")
                .command(format!(
                    "kubectl --kubeconfig {} config view",
                    quoted(&file.path)
                ))
        })
        .collect())
}

fn encoding(machine: &Machine) -> Result<Vec<Finding>> {
    let files = machine.usable_files()?;
    let other = files.filter(|file| !file.encoding.is_plain());
    Ok(other.map(of_encoding).collect())
}

fn of_encoding(file: &KubeconfigFile) -> Finding {
    let encoding = file.encoding;
    let what = match (encoding.utf16, encoding.mark, encoding.crlf) {
        (true, ..) => "is UTF-16",
        (_, true, true) => "begins with a byte order mark, and its lines end with CR and LF",
        (_, true, false) => "begins with a byte order mark",
        _ => "has lines that end with CR and LF",
    };
    let finding = Finding::new(format!("`{}` {what}", file.path.display()));
    if cfg!(windows) {
        return finding.advice("save it as UTF-8 with LF line ends in an editor");
    }
    let path = quoted(&file.path);
    let finding = match encoding.utf16 {
        true => finding.command(format!(
            "(umask 077; iconv -f UTF-16 -t UTF-8 {path} > {path}.utf8) && mv {path}.utf8 {path}"
        )),
        false => finding,
    };
    match encoding.mark || encoding.crlf || encoding.utf16 {
        true => finding.command(format!(r"perl -pi -e 's/^\xEF\xBB\xBF//; s/\r$//' {path}")),
        false => finding,
    }
}

fn locks(machine: &Machine) -> Result<Vec<Finding>> {
    let files = machine.kubeconfigs()?.files.iter();
    let locks = files.flat_map(|file| left_behind(&file.path));
    Ok(locks
        .map(|lock| {
            let found = format!("nobody holds `{}` any more", lock.display());
            Finding::new(found).command(remove(&lock))
        })
        .collect())
}

fn modes(machine: &Machine) -> Result<Vec<Finding>> {
    const OTHERS: u32 = 0o077;
    const OTHERS_WRITE: u32 = 0o022;
    let mut findings = Vec::new();
    for file in machine.usable_files()? {
        let Some(owner) = Owner::of(&file.path) else {
            continue;
        };
        let shown = file.path.display();
        if !owner.is_us() {
            let found = format!("`{shown}` belongs to another user (uid {})", owner.uid);
            findings.push(Finding::new(found).command(own(&file.path, Some(owner), "")));
        } else if owner.mode & OTHERS_WRITE != 0 {
            let found = format!("other users may change `{shown}` (mode {:03o})", owner.mode);
            findings.push(Finding::new(found).command(own(&file.path, Some(owner), "go=")));
        } else if owner.mode & OTHERS != 0 {
            let found = format!("other users may read `{shown}` (mode {:03o})", owner.mode);
            let finding = Finding::new(found).command(own(&file.path, Some(owner), "go="));
            let has_secrets = file
                .users
                .iter()
                .any(|(_, user)| !plain_secrets(user).is_empty());
            findings.push(match has_secrets {
                true => finding,
                false => finding.note(),
            });
        }
        findings.extend(of_directory(&file.path));
    }
    Ok(findings)
}

/// Who may write to the directory can replace the file.
fn of_directory(file: &Path) -> Option<Finding> {
    const OTHERS_WRITE: u32 = 0o022;
    const STICKY: u32 = 0o1000;
    let directory = file.parent()?;
    let owner = Owner::of(directory)?;
    let is_open = owner.mode & OTHERS_WRITE != 0 && owner.mode & STICKY == 0;
    (is_open && owner.is_us()).then(|| {
        let found = format!(
            "other users may change files in `{}` (mode {:03o})",
            directory.display(),
            owner.mode
        );
        Finding::new(found).command(own(directory, Some(owner), "go-w"))
    })
}

fn slow(machine: &Machine) -> Result<Vec<Finding>> {
    let kubeconfigs = machine.kubeconfigs()?;
    let size: usize = kubeconfigs.files.iter().map(|file| file.size).sum();
    if size < LARGE {
        return Ok(Vec::new());
    }
    let found = format!(
        "the kubeconfigs have {:.1} MB, which took {} ms to read",
        size as f64 / 1e6,
        kubeconfigs.took.as_millis()
    );
    Ok(vec![
        Finding::new(found)
            .advice("store the certificate authorities beside the kubeconfig, with the flags that you sync with:")
            .command("kubectl aad sync --ca-files"),
    ])
}
