//! `list -o wide`: whose each cluster is and how it is guarded, as a table, or one block a cluster where a terminal has no room
//! for it.

use super::{
    super::{
        output,
        screen::{Paint, Stream, pad, width, wrap},
    },
    document::{IdentityRow, ListDocument, ListRow, ProfileRow},
};
use crate::{error::printable, fleet::resource_name};

/// What is shown of a cluster, the name first.
const HEADINGS: [&str; 15] = [
    "CLUSTER",
    "SUBSCRIPTION",
    "GROUP",
    "LOCATION",
    "VERSION",
    "POWER",
    "CONTEXT",
    "ROLE",
    "ENTRA",
    "LOCAL-ACCOUNTS",
    "API-SERVER",
    "IDENTITY",
    "KUBELET",
    "ISSUER",
    "TAGS",
];
/// What stands between columns, and before the lines of a block.
const GAP: usize = 2;

impl ListDocument {
    /// Everything that a person may want to know, in what a terminal has room for.
    pub(in crate::cli) fn wide(&self, out: &Stream) -> String {
        let rows: Vec<Vec<String>> = self.clusters.iter().map(cells).collect();
        match out.width() {
            Some(columns) if table_width(&rows) > columns => blocks(&rows, columns, out),
            _ => output::table(HEADINGS, rows),
        }
    }
}

fn table_width(rows: &[Vec<String>]) -> usize {
    let column = |at: usize| {
        let cells = rows.iter().map(|row| width(&printable(&row[at])));
        cells.chain([width(HEADINGS[at])]).max().unwrap_or(0)
    };
    let widths: usize = (0..HEADINGS.len()).map(column).sum();
    widths + GAP * (HEADINGS.len() - 1)
}

/// One block a cluster: its name, and below it a line for everything else that is known.
fn blocks(rows: &[Vec<String>], columns: usize, out: &Stream) -> String {
    let blocks = rows.iter().map(|row| {
        let cells = row.iter().map(|cell| printable(cell));
        let mut fields = HEADINGS.iter().zip(cells);
        let name = fields.next().map(|(_, name)| name).unwrap_or_default();
        let name = wrap(&name, columns, GAP).into_iter();
        let known = fields.filter(|(_, cell)| !cell.is_empty());
        let lines = name
            .map(|line| out.paint(Paint::Bold, &line))
            .chain(known.flat_map(|(heading, cell)| field(heading, &cell, columns)));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    });
    blocks.collect::<Vec<_>>().join("\n")
}

/// The lines of one thing in a block.
fn field(heading: &str, cell: &str, columns: usize) -> Vec<String> {
    let label = HEADINGS.iter().map(|heading| width(heading)).max();
    let label = label.unwrap_or(0) + GAP;
    let lines = wrap(cell, columns.saturating_sub(GAP + label), 0);
    let heading = heading.to_lowercase();
    let labels = std::iter::once(heading.as_str()).chain(std::iter::repeat(""));
    let lines = labels.zip(lines);
    lines
        .map(|(heading, line)| format!("{:GAP$}{}{line}", "", pad(heading, label)))
        .collect()
}

/// What is shown under each of [`HEADINGS`].
fn cells(row: &ListRow) -> Vec<String> {
    let profile = &row.profile;
    let mut cells = row.cluster.cells().to_vec();
    cells.extend([
        row.contexts(),
        row.roles.join(", "),
        entra(profile),
        switch(profile.local_accounts).to_owned(),
        api_server(profile).to_owned(),
        identity(profile),
        kubelet(profile),
        issuer(profile),
        tags(profile),
    ]);
    cells
}

fn switch(on: Option<bool>) -> &'static str {
    match on {
        Some(true) => "on",
        Some(false) => "off",
        None => "",
    }
}

fn entra(profile: &ProfileRow) -> String {
    let rbac = match profile.entra.azure_rbac {
        Some(true) => ", Azure RBAC",
        _ => "",
    };
    format!("{}{rbac}", profile.entra.mode)
}

fn api_server(profile: &ProfileRow) -> &'static str {
    match (profile.private, profile.public_fqdn) {
        (Some(true), Some(true)) => "private, public name",
        (Some(true), _) => "private",
        (Some(false), _) => "public",
        (None, _) => "",
    }
}

/// The identity of the control plane.
fn identity(profile: &ProfileRow) -> String {
    if let Some(principal) = &profile.service_principal {
        return format!("service principal {}", principal.client_id);
    }
    let Some(identity) = &profile.identity else {
        return String::new();
    };
    if identity.is("SystemAssigned") {
        return "system-assigned".to_owned();
    }
    match identity.is("UserAssigned") {
        true => format!("user-assigned {}", names(identity))
            .trim_end()
            .to_owned(),
        false => String::new(),
    }
}

fn names(identity: &IdentityRow) -> String {
    let names = identity.user_assigned.iter();
    let names: Vec<_> = names.map(|one| resource_name(&one.resource_id)).collect();
    names.join(", ")
}

/// The identity of the nodes: its resource's name, else its client id.
fn kubelet(profile: &ProfileRow) -> String {
    let kubelet = profile.kubelet_identity.as_ref();
    let name = kubelet.and_then(|one| {
        let name = one.resource_id.as_deref().map(resource_name);
        name.or(one.client_id.as_deref())
    });
    name.unwrap_or_default().to_owned()
}

fn issuer(profile: &ProfileRow) -> String {
    let on = switch(Some(profile.oidc_issuer.is_some()));
    match profile.workload_identity {
        Some(true) => format!("{on}, workload identity"),
        _ => on.to_owned(),
    }
}

fn tags(profile: &ProfileRow) -> String {
    let tags = profile.tags.iter();
    let tags: Vec<_> = tags
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    tags.join(", ")
}
