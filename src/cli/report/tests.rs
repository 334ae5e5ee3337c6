//! Checks that what `sync` and `list` show fits every terminal, whatever the names are.

use proptest::prelude::*;

use super::{
    super::screen::{Size, Stream, width},
    changed, counts,
    document::SyncDocument,
    fitted::{Column, fit},
    groups,
};
use crate::{
    error::Failure,
    fleet::{Action, Adopted, Change, Cluster, ClusterRun, Findings, Planned, Role, Skip, State},
    host::Host,
    login::LoginMode,
    ops::{
        discovery::Search,
        prune::PruneReport,
        sync::{FetchedToken, SyncReport},
    },
};

fn stream(width: usize, variables: &[(&str, &str)]) -> Stream {
    let size = Some(Size { width, height: 24 });
    Stream::new(&Host::with_env(variables.iter().copied()), size)
}

fn cluster(name: &str) -> Cluster {
    Cluster {
        id: format!("/subscriptions/s/resourceGroups/rg-{name}/x/{name}"),
        name: name.to_owned(),
        resource_group: format!("rg-{name}"),
        location: "westeurope".to_owned(),
        kubernetes_version: Some("1.33.2".to_owned()),
        ..Cluster::default()
    }
}

fn planned(name: &str, action: Action, changes: Vec<Change>) -> ClusterRun {
    let planned = Planned {
        adopted: Adopted::default(),
        file: std::path::PathBuf::from("config"),
        action,
        changes,
        context: name.to_owned(),
        token_args: None,
    };
    ClusterRun::new(cluster(name), State::Planned(planned))
}

fn refused(name: &str) -> ClusterRun {
    let cluster = cluster(name);
    let failure = Failure::new(format!("could not get the credential of cluster `{name}`"))
        .brief("may not fetch credentials (403)")
        .because(format!(
            "ARM answered 403: no access to '{}' for d5b81b27-c1ea-4a79-8a52-d4b1b5a1c1d{}.",
            cluster.id,
            name.len() % 10
        ))
        .hint("ask for the role `Azure Kubernetes Service Cluster User Role`");
    ClusterRun::new(cluster, State::Failed(failure))
}

fn skipped(name: &str, why: Skip) -> ClusterRun {
    ClusterRun::new(cluster(name), State::Skipped(why))
}

fn report(clusters: Vec<ClusterRun>, tokens: Vec<FetchedToken>, account: &str) -> SyncReport {
    SyncReport {
        listed: clusters.len(),
        role: Role::User,
        clusters,
        tokens,
        warnings: Vec::new(),
        findings: Findings::default(),
        changes: Vec::new(),
        pruned: PruneReport::default(),
        written_to: Vec::new(),
        interrupted: false,
        search: Search {
            account: Some(account.to_owned()),
            mode: LoginMode::AzureCli,
            tenants: Vec::new(),
            subscriptions: 4,
        },
        elapsed: std::time::Duration::from_millis(2_100),
        ended_at: 0,
    }
}

/// All lines of a terminal.
fn shown(report: &SyncReport, stream: &Stream) -> Vec<String> {
    let summary = SyncDocument::from(report).summary;
    [
        changed::lines(&report.clusters, stream),
        groups::lines(&groups::failed(&report.clusters), stream),
        groups::lines(&groups::skipped(&report.clusters, report.ended_at), stream),
        groups::lines(&groups::tokens(&report.tokens), stream),
        counts::lines(report, &summary, false, stream),
    ]
    .concat()
}

#[test]
fn a_sync_is_shown_as_changes_then_failures_by_cause_and_then_counts() {
    let mode = Change::LoginMode {
        was: "devicecode".to_owned(),
        now: "azurecli".to_owned(),
    };
    let clusters = vec![
        planned("dev-weu", Action::Added, vec![]),
        planned("prod-eus", Action::Updated, vec![Change::Server]),
        planned("prod-neu", Action::Updated, vec![mode]),
        refused("stg-neu"),
        refused("stg-weu"),
        skipped("old", Skip::LocalAccount),
        skipped("older", Skip::LocalAccount),
        skipped("off", Skip::Deleting),
        planned("prod-weu", Action::Unchanged, vec![]),
    ];
    let report = report(clusters, vec![], "ann@contoso.example");
    let utf8 = [("LANG", "C.UTF-8"), ("NO_COLOR", "1")];
    assert_eq!(
        shown(&report, &stream(100, &utf8)),
        [
            "+ dev-weu   added     westeurope  1.33.2",
            "~ prod-eus  updated   the API server's address changed",
            "~ prod-neu  updated   the login mode changed from devicecode to azurecli",
            "✗ stg-neu, stg-weu: may not fetch credentials (403)",
            "  caused by: ARM answered 403: no access to '/subscriptions/s/resourceGroups/rg-stg-neu/x/stg-neu'",
            "    for d5b81b27-c1ea-4a79-8a52-d4b1b5a1c1d7.",
            "  hint: ask for the role `Azure Kubernetes Service Cluster User Role`",
            "· old, older: skipped: it only has local accounts",
            "  hint: to include clusters with local accounts, add `--local-accounts`",
            "· off: skipped: it is being deleted",
            "1 added, 2 updated, 1 unchanged, 3 skipped, 2 failed · ann@contoso.example · 4 subscriptions · 2.1 s",
        ]
    );
}

#[test]
fn clusters_with_one_name_are_told_apart_and_hints_are_shown_once() {
    let mut same = refused("shared");
    same.cluster.resource_group = "rg-2".to_owned();
    let other = Failure::new("it is too old")
        .hint("ask for the role `Azure Kubernetes Service Cluster User Role`");
    let clusters = [
        refused("shared"),
        ClusterRun::new(cluster("b"), State::Failed(Failure::new("no"))),
        ClusterRun::new(cluster("c"), State::Failed(other)),
        same,
    ];
    assert_eq!(
        groups::lines(
            &groups::failed(&clusters),
            &stream(80, &[("NO_COLOR", "1")])
        ),
        [
            "x rg-2/shared, rg-shared/shared: may not fetch credentials (403)",
            "  caused by: ARM answered 403: no access to",
            "    '/subscriptions/s/resourceGroups/rg-shared/x/shared' for...",
            "x c: it is too old",
            "  hint: ask for the role `Azure Kubernetes Service Cluster User Role`",
            "x b: no",
        ]
    );
}

#[test]
fn of_more_than_two_screens_the_first_are_shown_in_every_width() {
    let added = |n| planned(&format!("cluster-{n}"), Action::Added, vec![]);
    let clusters: Vec<_> = (0..500).map(added).collect();
    let lines = changed::lines(&clusters, &stream(80, &[]));
    assert_eq!(lines.len(), 21);
    assert_eq!(lines[20], "  and 480 more: `-o wide` shows all");
    let narrow = changed::lines(&clusters, &stream(20, &[("NO_COLOR", "1")]));
    assert!(narrow.iter().all(|line| width(line) <= 20), "{narrow:?}");
}

#[test]
fn many_updates_for_one_reason_are_one_line() {
    let names = ["a", "b", "c", "d"];
    let updated = |name: &&str| planned(name, Action::Updated, vec![Change::SignIn]);
    let mut clusters: Vec<_> = names.iter().map(updated).collect();
    let stream = stream(80, &[("NO_COLOR", "1")]);
    assert_eq!(
        changed::lines(&clusters, &stream),
        ["~ a, b, c, d: the sign-in changed"]
    );
    clusters.pop();
    assert_eq!(changed::lines(&clusters, &stream).len(), 3);
}

/// Names as people and machines choose them, and some that nobody should.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9-]{0,40}",
        "[a-z]{60,120}",
        "(測試|é|🚀|a){1,30}",
        "\\PC{0,30}",
        ".{0,30}",
    ]
}

fn run() -> impl Strategy<Value = ClusterRun> {
    (name(), 0..7u8).prop_map(|(name, kind)| match kind {
        0 => planned(&name, Action::Added, vec![]),
        1 => planned(&name, Action::Updated, vec![Change::Server]),
        2 => planned(
            &name,
            Action::Updated,
            vec![Change::Missing, Change::Context],
        ),
        3 => refused(&name),
        4 => skipped(&name, Skip::LocalAccount),
        5 => ClusterRun::new(cluster(&name), State::Failed(Failure::new(name.clone()))),
        _ => planned(&name, Action::Unchanged, vec![]),
    })
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_terminal_or_controls_it(
        clusters in proptest::collection::vec(run(), 0..70),
        contexts in proptest::collection::vec(name(), 0..4),
        account in name(),
        columns in 20usize..220,
        utf8: bool,
    ) {
        let token = FetchedToken {
            tenant_id: None,
            server_id: String::new(),
            login: String::new(),
            contexts,
            expires_on: Err(Failure::new("no").because(account.clone())),
        };
        let report = report(clusters, vec![token], &account);
        let locale = if utf8 { "C.UTF-8" } else { "C" };
        let stream = stream(columns, &[("NO_COLOR", "1"), ("LANG", locale)]);
        for line in shown(&report, &stream) {
            prop_assert!(width(&line) <= columns, "{} of {columns}: {line:?}", width(&line));
            prop_assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }

    #[test]
    fn a_table_fits_and_keeps_its_most_important_column(
        rows in proptest::collection::vec((name(), name(), name()), 0..8),
        columns in 1usize..160,
    ) {
        let headings = [("NAME", 3), ("GROUP", 1), ("RESULT", 2)];
        let headings = headings.map(|(heading, importance)| Column::new(heading, importance));
        let rows = rows.into_iter().map(|(a, b, c)| vec![a, b, c]).collect();
        let (kept, rows) = fit(&headings, rows, columns);
        prop_assert!(!kept.is_empty());
        let widths = (0..kept.len()).map(|at| {
            let cells = rows.iter().map(|row| width(&row[at]));
            cells.chain([width(&kept[at])]).max().unwrap_or(0)
        });
        prop_assert!(widths.sum::<usize>() + 2 * (kept.len() - 1) <= columns);
    }
}
