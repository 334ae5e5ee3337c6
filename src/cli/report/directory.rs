//! What a sync tells about a directory of kubeconfigs beside its clusters, as lines at the end.

use super::findings::{Line, NAMED, with_command};
use crate::{
    error::printable,
    fleet::{Findings, GoneContext},
    login::CommandLine,
    sentence::first_of,
};

/// The lines. `prune` is whether the kubeconfigs of gone clusters were to be removed.
pub(in crate::cli) fn lines(findings: &Findings, prune: bool, dry_run: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    let removed = match dry_run {
        true => "would remove",
        false => "removed",
    };
    lines.extend(gone(&findings.removed, [removed; 2], [""; 2]));
    match prune {
        true => {
            let why = [
                ", which has more than sync wrote or can't be removed",
                ", which have more than sync wrote or can't be removed",
            ];
            lines.extend(gone(&findings.gone, ["kept"; 2], why));
        }
        false if findings.gone.is_empty() => {}
        false => {
            lines.extend(gone(&findings.gone, ["there is", "there are"], [""; 2]));
            lines.push(Line::Text(
                "hint: if they were deleted, remove their kubeconfigs with `--prune`".to_owned(),
            ));
        }
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

/// Names the kubeconfigs of gone clusters. `what` and `why` are for one of them, and for several.
fn gone(files: &[GoneContext], what: [&str; 2], why: [&str; 2]) -> Option<Line> {
    let names = files.iter().filter_map(|gone| gone.file.file_name());
    let names: Vec<_> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    let of = match names.len() {
        0 => return None,
        1 => "1 kubeconfig of a cluster that no longer exists or that you can no longer see"
            .to_owned(),
        n => format!(
            "{n} kubeconfigs of clusters that no longer exist or that you can no longer see"
        ),
    };
    let number = usize::from(names.len() > 1);
    let (what, why) = (what[number], why[number]);
    let names = first_of(&names, NAMED);
    Some(Line::Text(format!("{what} {of}{why}: {names}")))
}
