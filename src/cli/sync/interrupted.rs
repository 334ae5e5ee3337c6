//! The last line of a sync that was interrupted.

use std::path::Path;

use crate::{
    fleet::{Action, ClusterRun, State},
    host::Host,
    ops::sync::SyncReport,
};

/// Says what was written, and where.
pub(super) fn last_line(report: &SyncReport, host: &Host) -> String {
    let changed = report.clusters.iter().filter(|run| is_changed(run)).count();
    if changed == 0 || report.written_to.is_empty() {
        return "interrupted: nothing was written".to_owned();
    }
    let found = match report.clusters.len() {
        1 => "1 cluster was".to_owned(),
        found => format!("{found} clusters were"),
    };
    let files = report.written_to.iter();
    let files: Vec<_> = files.map(|path| from_home(path, host)).collect();
    format!(
        "interrupted: {changed} of {found} written to {}; run the command again to finish",
        files.join(" and ")
    )
}

fn is_changed(run: &ClusterRun) -> bool {
    match &run.state {
        State::Planned(planned) => !matches!(planned.action, Action::Unchanged),
        _ => false,
    }
}

/// A path as a person types it: `~` for the home directory.
fn from_home(path: &Path, host: &Host) -> String {
    let home = host.home().ok();
    let below = home.and_then(|home| path.strip_prefix(home).ok());
    match below {
        Some(below) => Path::new("~").join(below).display().to_string(),
        None => path.display().to_string(),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_home_is_shown_as_it_is_typed() {
        let host = Host::with_env([("HOME", "/home/ann")]);
        let shown = |path: &str| from_home(Path::new(path), &host);
        assert_eq!(shown("/home/ann/.kube/config"), "~/.kube/config");
        assert_eq!(shown("/home/anna/config"), "/home/anna/config");
        assert_eq!(shown("/etc/kube"), "/etc/kube");
    }
}
