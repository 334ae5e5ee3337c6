//! The Arc-connected clusters of `list`: a table, and the command that reaches each.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{super::screen::width, fitted::Column, table::table};
use crate::{fleet::ConnectedCluster, login::command::quoted};

/// The columns, and how late each is omitted where a terminal is narrow.
const COLUMNS: [Column; 7] = [
    Column::new("CLUSTER", 7),
    Column::new("STATE", 6),
    Column::new("SUBSCRIPTION", 4),
    Column::new("GROUP", 3),
    Column::new("LOCATION", 5),
    Column::new("VERSION", 2),
    Column::new("DISTRIBUTION", 1),
];

/// A cluster that Azure Arc connects.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct ConnectedRow {
    id: String,
    name: String,
    resource_group: String,
    subscription_id: String,
    subscription: String,
    tenant_id: String,
    location: String,
    /// ARM's `connectivityStatus`.
    state: Option<String>,
    kubernetes_version: Option<String>,
    distribution: Option<String>,
    infrastructure: Option<String>,
    /// ARM's: `ProvisionedCluster`, or none.
    kind: Option<String>,
    tags: BTreeMap<String, String>,
    /// What opens a way to its API server, quoted for a shell.
    command: String,
}

impl From<&ConnectedCluster> for ConnectedRow {
    fn from(cluster: &ConnectedCluster) -> Self {
        let mut row = Self {
            id: cluster.id.clone(),
            name: cluster.name.clone(),
            resource_group: cluster.resource_group.clone(),
            subscription_id: cluster.subscription_id.clone(),
            subscription: cluster.subscription_name.clone(),
            tenant_id: cluster.tenant_id.clone(),
            location: cluster.location.clone(),
            state: cluster.state.clone(),
            kubernetes_version: cluster.kubernetes_version.clone(),
            distribution: cluster.distribution.clone(),
            infrastructure: cluster.infrastructure.clone(),
            kind: cluster.kind.clone(),
            tags: cluster.tags.clone(),
            command: String::new(),
        };
        row.command = row.command_parts().join(" ");
        row
    }
}

impl ConnectedRow {
    fn cells(&self) -> Vec<String> {
        let known = |value: &Option<String>| value.clone().unwrap_or_default();
        vec![
            self.name.clone(),
            known(&self.state),
            self.subscription.clone(),
            self.resource_group.clone(),
            self.location.clone(),
            known(&self.kubernetes_version),
            known(&self.distribution),
        ]
    }

    /// The command, and each of its flags with its value.
    fn command_parts(&self) -> [String; 4] {
        let flag = |flag: &str, value: &str| format!("{flag} {}", quoted(value));
        [
            "az connectedk8s proxy".to_owned(),
            flag("-n", &self.name),
            flag("-g", &self.resource_group),
            flag("--subscription", &self.subscription_id),
        ]
    }

    /// The lines of the command. Where it is wider than `columns`, a shell reads them as one; PowerShell continues lines
    /// otherwise, so that there it is one line.
    fn command_lines(&self, columns: Option<usize>) -> String {
        const CONTINUED: &str = " \\";
        let columns = columns.filter(|_| cfg!(unix)).unwrap_or(usize::MAX);
        let mut text = String::new();
        let mut line = String::from(" ");
        let mut parts = self.command_parts().into_iter().peekable();
        while let Some(part) = parts.next() {
            let end = match parts.peek() {
                Some(_) => width(CONTINUED),
                None => 0,
            };
            if width(&line) + 1 + width(&part) + end > columns && !line.trim().is_empty() {
                text.push_str(&format!("{line}{CONTINUED}\n"));
                line = String::from("   ");
            }
            line.push_str(&format!(" {part}"));
        }
        format!("{text}{line}\n")
    }
}

/// The clusters in at most `columns` columns; nothing if there are none.
pub(super) fn section(clusters: &[ConnectedRow], columns: Option<usize>) -> String {
    if clusters.is_empty() {
        return String::new();
    }
    let rows = clusters.iter().map(ConnectedRow::cells).collect();
    let commands = clusters.iter().map(|one| one.command_lines(columns));
    format!(
        "Connected by Azure Arc:\n{}\nEach is reached while its command runs:\n{}",
        table(&COLUMNS, rows, columns),
        commands.collect::<String>(),
    )
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn row(name: &str, group: &str) -> ConnectedRow {
        ConnectedRow::from(&ConnectedCluster {
            name: name.into(),
            resource_group: group.into(),
            subscription_id: "00000000-0000-0000-0000-00000000000a".into(),
            ..ConnectedCluster::default()
        })
    }

    #[test]
    fn a_shell_reads_the_lines_of_a_command_as_the_command() {
        for (name, group) in [("edge", "rg"), ("a".repeat(63).as_str(), "rg-(x)")] {
            let row = row(name, group);
            for columns in [None, Some(40), Some(80), Some(200)] {
                let lines = row.command_lines(columns);
                let printed = std::process::Command::new("sh")
                    .args(["-c", &format!("az() {{ printf '%s\\n' \"$@\"; }}; {lines}")])
                    .output()
                    .expect("sh");
                let words = String::from_utf8(printed.stdout).expect("UTF-8");
                let words: Vec<_> = words.lines().collect();
                let id = "00000000-0000-0000-0000-00000000000a";
                let expected = [
                    "connectedk8s",
                    "proxy",
                    "-n",
                    name,
                    "-g",
                    group,
                    "--subscription",
                    id,
                ];
                assert_eq!(words, expected, "{lines}");
            }
        }
        let lines = row("edge", "rg-edge").command_lines(Some(80));
        assert!(lines.lines().all(|line| width(line) <= 80), "{lines}");
    }
}
