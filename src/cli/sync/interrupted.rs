//! The last line of a sync that was interrupted.

use crate::{
    cli::output,
    fleet::{Action, ClusterRun},
    host::Host,
    ops::sync::SyncReport,
};

/// Where the kubeconfig is as it was.
pub(super) const NOTHING: &str = "interrupted: nothing was written";

/// Says what was written, and where.
pub(super) fn last_line(report: &SyncReport, host: &Host) -> String {
    let changed = report.clusters.iter().filter(|run| is_changed(run)).count();
    if changed == 0 || report.written_to.is_empty() {
        return NOTHING.to_owned();
    }
    let found = match report.clusters.len() {
        1 => "1 cluster was".to_owned(),
        found => format!("{found} clusters were"),
    };
    let home = host.home().ok();
    let files = report.written_to.iter();
    let files: Vec<_> = files
        .map(|path| output::path(path, home.as_deref()))
        .collect();
    format!(
        "interrupted: {changed} of {found} written to {}; run the command again to finish",
        files.join(" and ")
    )
}

fn is_changed(run: &ClusterRun) -> bool {
    run.planned()
        .is_some_and(|planned| planned.action != Action::Unchanged)
}
