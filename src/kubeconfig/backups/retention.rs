//! Which backups are dropped: those whose files all have enough newer ones, and the oldest if there are too many.

use std::{collections::HashMap, path::Path};

use super::Backup;

/// How many backups each kubeconfig has.
const KEPT: usize = 10;
/// How many there are of all kubeconfigs: a pipeline may use a new one in each job.
const MOST: usize = 200;
/// How large all of them are together, in bytes. The newest one may be larger.
const MOST_BYTES: u64 = 256 << 20;

/// The places of those to drop in `backups`, newest first. `sizes` has a size for each, in bytes.
pub(super) fn to_drop(backups: &[Backup], sizes: &[u64]) -> Vec<usize> {
    let mut kept_of: HashMap<&Path, usize> = HashMap::new();
    let mut dropped = Vec::new();
    let (mut kept, mut bytes) = (0, 0);
    for (at, (backup, size)) in backups.iter().zip(sizes).enumerate() {
        let mut is_needed = false;
        for file in &backup.manifest.files {
            let newer = kept_of.entry(&file.target).or_default();
            is_needed |= *newer < KEPT;
            *newer += 1;
        }
        let has_room = kept == 0 || (kept < MOST && bytes + size <= MOST_BYTES);
        if is_needed && has_room {
            kept += 1;
            bytes += size;
        } else {
            dropped.push(at);
        }
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubeconfig::backups::{
        Before,
        set::{decode, encode},
    };

    /// Backups of these files, the newest first.
    fn backups(all: &[&[&str]]) -> Vec<Backup> {
        let numbered = all.iter().zip((1..=all.len() as u64).rev());
        let backup = |(files, id): (&&[&str], u64)| {
            let files = files.iter().map(|path| Before {
                path: path.into(),
                target: path.into(),
                old: None,
                mode: None,
                new: None,
                authorities: Default::default(),
            });
            let files: Vec<_> = files.collect();
            let (line, _) = encode(0, "sync", &files).expect("encoded");
            let manifest = decode(&line).expect("a manifest").0;
            Backup { id, manifest }
        };
        numbered.map(backup).collect()
    }

    #[test]
    fn each_kubeconfig_keeps_its_last_ten() {
        let mut all: Vec<&[&str]> = vec![&["/a"]; 12];
        all.push(&["/a", "/b"]);
        all.push(&["/b"]);
        all.push(&["/a"]);
        let backups = backups(&all);
        assert_eq!(to_drop(&backups, &[1; 15]), [10, 11, 14]);
    }

    #[test]
    fn of_too_many_or_too_large_ones_the_oldest_are_dropped() {
        let paths: Vec<String> = (0..MOST + 2).map(|i| format!("/job-{i}/config")).collect();
        let names: Vec<[&str; 1]> = paths.iter().map(|path| [path.as_str()]).collect();
        let all: Vec<&[&str]> = names.iter().map(|name| &name[..]).collect();
        let many = backups(&all);
        assert_eq!(to_drop(&many, &vec![1; MOST + 2]), [MOST, MOST + 1]);
        let few = backups(&[&["/a"], &["/b"], &["/c"]]);
        assert_eq!(to_drop(&few, &[MOST_BYTES * 2, 1, 1]), [1, 2]);
        assert_eq!(to_drop(&few, &[1, MOST_BYTES - 1, 1]), [2]);
    }
}
