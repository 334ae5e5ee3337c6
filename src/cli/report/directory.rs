//! What a sync tells about a directory of kubeconfigs beside its clusters, as lines at the end.

use super::findings::{Line, NAMED, with_command};
use crate::{
    error::printable,
    fleet::{Findings, GoneContext},
    login::CommandLine,
    sentence::first_of,
};

/// The lines. `has_pruned` is whether the kubeconfigs of gone clusters were to be removed, and that is told elsewhere.
pub(in crate::cli) fn lines(findings: &Findings, has_pruned: bool, dry_run: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(gone) = gone(&findings.gone).filter(|_| !has_pruned) {
        lines.push(gone);
        lines.push(Line::Text(
            "hint: if they were deleted, remove their kubeconfigs with `--prune`".to_owned(),
        ));
    }
    if let Some(file) = findings.suggested_file.as_ref().filter(|_| !dry_run) {
        let kubectl = CommandLine::new("kubectl");
        let file = file.display().to_string();
        if printable(&file) == file {
            let next = kubectl
                .flag_some("--kubeconfig", &file)
                .word("get")
                .word("ns");
            lines.extend(with_command("next".to_owned(), next.to_string()));
        }
    }
    lines
}

/// Names the kubeconfigs of gone clusters.
fn gone(files: &[GoneContext]) -> Option<Line> {
    let names = files.iter().filter_map(|gone| gone.file.file_name());
    let names: Vec<_> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    let there_are = match names.len() {
        0 => return None,
        1 => {
            "there is 1 kubeconfig of a cluster that no longer exists or that you can no longer see"
                .to_owned()
        }
        n => format!(
            "there are {n} kubeconfigs of clusters that no longer exist or that you can no longer see"
        ),
    };
    let names = first_of(&names, NAMED);
    Some(Line::Text(format!("{there_are}: {names}")))
}
