//! The tables of `sync` and `list`, and the names of `-o name`.

use super::{
    super::output,
    connected::section,
    document::{ClusterRow, ListDocument, SyncDocument},
    fitted::{Column, fit},
};
use crate::error::printable;

/// The columns of a cluster, and how late each is omitted where a terminal is narrow.
const COLUMNS: [Column; 6] = [
    Column::new("CLUSTER", 7),
    Column::new("SUBSCRIPTION", 4),
    Column::new("GROUP", 2),
    Column::new("LOCATION", 5),
    Column::new("VERSION", 3),
    Column::new("POWER", 1),
];
const CONTEXT: Column = Column::new("CONTEXT", 6);
const RESULT: Column = Column::new("RESULT", 8);
const ANSWER: Column = Column::new("ANSWER", 0);

impl SyncDocument {
    /// The table, in at most `width` columns; with every column if it is `wide`.
    pub(in crate::cli) fn table(&self, width: Option<usize>, wide: bool) -> String {
        let rows = self.clusters.iter().map(|row| {
            let mut cells = row.cluster.cells().to_vec();
            cells.push(row.context.clone().unwrap_or_default());
            if wide {
                cells.push(row.answer.unwrap_or_default().to_owned());
            }
            cells.push(match (&row.in_brief, &row.renamed_from) {
                (Some(reason), _) => format!("{}: {reason}", row.action),
                (None, Some(was)) => format!("renamed from {was}"),
                (None, None) => row.action.to_owned(),
            });
            cells
        });
        let answer: &[Column] = match wide {
            true => &[ANSWER],
            false => &[],
        };
        let columns = [&COLUMNS[..], &[CONTEXT], answer, &[RESULT]].concat();
        table(&columns, rows.collect(), width)
    }

    /// The contexts of the clusters that are in the kubeconfig as ARM describes them now.
    pub(in crate::cli) fn names(&self) -> String {
        let synced = self.clusters.iter().filter(|row| row.reason.is_none());
        names(synced.filter_map(|row| row.context.as_deref()))
    }
}

impl ListDocument {
    /// The table, in at most `width` columns.
    pub(in crate::cli) fn table(&self, width: Option<usize>) -> String {
        let rows = self.clusters.iter().map(|row| {
            let mut cells = row.cluster.cells().to_vec();
            cells.push(row.contexts());
            cells
        });
        let columns = [&COLUMNS[..], &[CONTEXT]].concat();
        table(&columns, rows.collect(), width)
    }

    /// `clusters`, a table of the AKS clusters, and below it those that Azure Arc connects. Without any of AKS there are only
    /// those.
    pub(in crate::cli) fn with_connected(&self, clusters: String, width: Option<usize>) -> String {
        let connected = section(&self.connected_clusters, width);
        match (self.clusters.is_empty(), connected.is_empty()) {
            (_, true) => clusters,
            (true, false) => connected,
            (false, false) => format!("{clusters}\n{connected}"),
        }
    }

    /// The clusters' contexts.
    pub(in crate::cli) fn names(&self) -> String {
        names(
            self.clusters
                .iter()
                .filter_map(|row| row.context.as_deref()),
        )
    }

    /// How many clusters have no context.
    pub(in crate::cli) fn without_context(&self) -> usize {
        let rows = self.clusters.iter();
        rows.filter(|row| row.context.is_none()).count()
    }
}

impl ClusterRow {
    pub(super) fn cells(&self) -> [String; 6] {
        let name = &self.name;
        [
            match (&self.namespace, &self.fleet_manager) {
                (Some(namespace), _) => format!("{name}/{namespace}"),
                (None, Some(_)) => format!("{name} (hub)"),
                (None, None) => name.clone(),
            },
            self.subscription.clone(),
            self.resource_group.clone(),
            self.location.clone(),
            self.kubernetes_version.clone().unwrap_or_default(),
            self.power_state.clone().unwrap_or_default(),
        ]
    }
}

/// A table of `rows`, in at most `width` columns.
pub(in crate::cli) fn table(
    columns: &[Column<'_>],
    rows: Vec<Vec<String>>,
    width: Option<usize>,
) -> String {
    let headings = columns.iter().map(|column| column.heading);
    let Some(width) = width else {
        return output::table(headings, rows);
    };
    let (headings, rows) = fit(columns, rows, width);
    output::table(headings, rows)
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("{}\n", printable(name))).collect()
}
