//! What is remembered of a run, and what of the runs before.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use super::*;
use crate::{
    azure::Cloud,
    fleet::{Coverage, Subscription, Tenant},
    host::Host,
};

const NOW: i64 = 1_790_000_000;
const DAY: i64 = 24 * 3600;
const ONE: &str = "00000000-0000-0000-0000-000000000001";
const TWO: &str = "00000000-0000-0000-0000-000000000002";

struct Fixture {
    temp: tempfile::TempDir,
    cloud: Cloud,
}

/// What a run did with its subscriptions.
struct Searched<'a> {
    found: &'a [(&'a str, &'a str)],
    without_failure: &'a [&'a str],
    whole: &'a [&'a str],
}

impl Fixture {
    fn new() -> Self {
        let host = Host::with_env::<&str, &str>([]);
        Self {
            temp: tempfile::tempdir().expect("a temporary directory"),
            cloud: Cloud::named(None, None, &host).expect("the public cloud"),
        }
    }

    fn files(&self) -> LastSeen {
        LastSeen::in_cache(self.temp.path().join("kubectl-aad"))
    }

    fn sync(&self, searched: &Searched<'_>, now: i64) {
        let clusters: Vec<_> = searched.found.iter().map(|(s, n)| cluster(s, n)).collect();
        self.note(searched, &clusters, now);
    }

    fn note(&self, searched: &Searched<'_>, clusters: &[Cluster], now: i64) {
        let subscriptions = [subscription(ONE, "Dev"), subscription(TWO, "Prod")];
        let coverage = Coverage {
            subscriptions: searched.whole.iter().map(|&id| id.to_owned()).collect(),
            ..Coverage::default()
        };
        let tenant = Tenant {
            id: Some("t".into()),
            default_domain: Some("contoso.example".into()),
            ..Tenant::default()
        };
        self.files().note(&Run {
            cloud: &self.cloud,
            tenants: vec![&tenant],
            subscriptions: subscriptions.iter().collect(),
            searched: searched.without_failure.iter().copied().collect(),
            clusters: clusters.iter().collect(),
            coverage: &coverage,
            is_sync: true,
            is_complete: searched.without_failure.len() == 2,
            now,
        });
    }

    fn read(&self, cloud: &Cloud) -> Option<CloudSeen> {
        let clouds = self.files().read_all();
        let mut its = clouds.into_iter().filter(|seen| {
            (seen.arm.as_str(), seen.authority.as_str())
                == (cloud.arm.as_str(), cloud.authority.as_str())
        });
        its.next()
    }

    fn seen(&self) -> CloudSeen {
        self.read(&self.cloud).expect("something was seen")
    }

    /// The clusters by name, each with when it was last seen.
    fn clusters(&self) -> Vec<(String, i64)> {
        let clusters = self.seen().clusters.into_iter();
        clusters.map(|one| (one.name, one.last_seen)).collect()
    }

    fn path(&self, prefix: &str) -> PathBuf {
        let print = cloud_print(self.cloud.arm.as_str(), self.cloud.authority.as_str());
        let files = self.files();
        files.own.path().join(format!("{prefix}{print}{SUFFIX}"))
    }
}

fn subscription(id: &str, name: &str) -> Subscription {
    Subscription {
        id: id.into(),
        name: name.into(),
        arm_tenant: None,
        tenant_id: "t".into(),
        state: "Enabled".into(),
    }
}

fn cluster(subscription_id: &str, name: &str) -> Cluster {
    Cluster {
        id: format!(
            "/subscriptions/{subscription_id}/resourcegroups/g/providers/Microsoft.ContainerService/managedClusters/{name}"
        ),
        name: name.into(),
        resource_group: "g".into(),
        subscription_id: subscription_id.into(),
        subscription_name: "as listed".into(),
        tenant_id: "t".into(),
        location: "westeurope".into(),
        tags: [("env".to_owned(), "a\u{1b}[31m\n\"b".to_owned())].into(),
        power_state: Some("Stopped".into()),
        ..Cluster::default()
    }
}

fn all<'a>(found: &'a [(&'a str, &'a str)]) -> Searched<'a> {
    Searched {
        found,
        without_failure: &[ONE, TWO],
        whole: &[ONE, TWO],
    }
}

fn at(names: &[(&str, i64)]) -> Vec<(String, i64)> {
    let names = names.iter().map(|(name, at)| ((*name).to_owned(), *at));
    names.collect()
}

#[test]
fn a_cluster_is_remembered_with_what_selectors_and_people_look_at() {
    let fixture = Fixture::new();
    assert_eq!(fixture.read(&fixture.cloud), None);
    assert!(fixture.files().read_all().is_empty());
    fixture.sync(&all(&[(ONE, "a")]), NOW);
    let seen = fixture.seen();
    let expected = SeenCluster {
        subscription_name: "Dev".into(),
        last_seen: NOW,
        ..SeenCluster::of(&cluster(ONE, "a"))
    };
    assert_eq!(seen.clusters, [expected]);
    assert!(seen.clusters[0].described().is_stopped);
    assert_eq!(seen.environment, "AzurePublicCloud");
    assert_eq!(seen.tenants["t"].domain.as_deref(), Some("contoso.example"));
    assert_eq!(seen.subscriptions[TWO].name, "Prod");
    assert_eq!(seen.subscriptions[TWO].listed_whole_at, Some(NOW));
    let last = LastSync {
        at: NOW,
        is_complete: true,
    };
    assert_eq!(seen.last_sync, Some(last));
    assert_eq!(fixture.files().read_all(), [seen]);
}

#[test]
fn only_a_whole_list_without_a_cluster_forgets_it() {
    let fixture = Fixture::new();
    fixture.sync(&all(&[(ONE, "a"), (ONE, "b"), (TWO, "c")]), NOW);
    // The second subscription is not searched, and the first only by Resource Graph.
    let by_graph = Searched {
        found: &[(ONE, "a")],
        without_failure: &[ONE],
        whole: &[],
    };
    fixture.sync(&by_graph, NOW + 60);
    let expected = at(&[("a", NOW + 60), ("b", NOW), ("c", NOW)]);
    assert_eq!(fixture.clusters(), expected);
    let seen = fixture.seen();
    assert_eq!(seen.subscriptions[ONE].searched_at, Some(NOW + 60));
    assert_eq!(seen.subscriptions[ONE].listed_whole_at, Some(NOW));
    assert_eq!(seen.last_complete_sync, Some(NOW));
    assert_eq!(seen.last_sync.map(|last| last.is_complete), Some(false));

    let whole = Searched {
        whole: &[ONE],
        ..by_graph
    };
    fixture.sync(&whole, NOW + 120);
    assert_eq!(fixture.clusters(), at(&[("a", NOW + 120), ("c", NOW)]));
}

#[test]
fn a_search_that_failed_midway_adds_what_it_found() {
    let fixture = Fixture::new();
    fixture.sync(&all(&[(ONE, "a"), (ONE, "b")]), NOW);
    let failed = Searched {
        found: &[(ONE, "b"), (ONE, "c")],
        without_failure: &[],
        whole: &[],
    };
    fixture.sync(&failed, NOW + 60);
    let expected = at(&[("a", NOW), ("b", NOW + 60), ("c", NOW + 60)]);
    assert_eq!(fixture.clusters(), expected);
}

#[test]
fn the_clusters_are_only_written_if_they_changed() {
    let fixture = Fixture::new();
    fixture.sync(&all(&[(ONE, "a")]), NOW);
    let written = || {
        let meta = fs::metadata(fixture.path(FLEET)).expect("written");
        std::os::unix::fs::MetadataExt::ino(&meta)
    };
    let before = written();
    fixture.sync(&all(&[(ONE, "a")]), NOW + 60);
    assert_eq!(written(), before);
    assert_eq!(fixture.clusters(), at(&[("a", NOW + 60)]));
    fixture.sync(&all(&[(ONE, "a"), (ONE, "b")]), NOW + 120);
    assert_ne!(written(), before);
}

#[test]
fn what_nothing_finds_is_forgotten_after_a_while() {
    let fixture = Fixture::new();
    fixture.sync(&all(&[(ONE, "a"), (TWO, "b")]), NOW);
    let one_only = Searched {
        found: &[(ONE, "a")],
        without_failure: &[ONE],
        whole: &[ONE],
    };
    fixture.sync(&one_only, NOW + 89 * DAY);
    assert_eq!(fixture.clusters().len(), 2);
    fixture.sync(&one_only, NOW + 90 * DAY);
    assert_eq!(fixture.clusters(), at(&[("a", NOW + 90 * DAY)]));
}

#[test]
fn a_file_that_is_damaged_or_not_private_is_as_good_as_none() {
    for prefix in [FLEET, TIMES] {
        let damage: [&dyn Fn(&Path); 5] = [
            &|path| fs::write(path, "{").expect("ours"),
            &|path| fs::write(path, "").expect("ours"),
            &|path| {
                let text = fs::read_to_string(path).expect("ours");
                let text = text.replace("\"version\":1", "\"version\":2");
                fs::write(path, text).expect("ours");
            },
            &|path| {
                fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("ours");
            },
            &|path| fs::remove_file(path).expect("ours"),
        ];
        for damage in damage {
            let fixture = Fixture::new();
            fixture.sync(&all(&[(ONE, "a")]), NOW);
            damage(&fixture.path(prefix));
            let seen = fixture.read(&fixture.cloud);
            match prefix {
                FLEET => assert_eq!(seen, None),
                _ => assert_eq!(seen.expect("the clusters").last_sync, None),
            }
            fixture.sync(&all(&[(ONE, "b")]), NOW);
            assert_eq!(fixture.clusters(), at(&[("b", NOW)]));
        }
    }
}

#[test]
fn no_file_tells_another_clouds_clusters() {
    let fixture = Fixture::new();
    fixture.sync(&all(&[(ONE, "a")]), NOW);
    let host = Host::with_env::<&str, &str>([]);
    let other = Cloud::named(Some("AzureUSGovernment"), None, &host).expect("a cloud");
    assert_eq!(fixture.read(&other), None);
    let print = cloud_print(other.arm.as_str(), other.authority.as_str());
    let theirs = fixture.path(FLEET);
    let theirs = theirs.with_file_name(format!("{FLEET}{print}{SUFFIX}"));
    fs::copy(fixture.path(FLEET), theirs).expect("copied");
    assert_eq!(fixture.read(&other), None);
    assert_eq!(fixture.files().read_all().len(), 1);
}

#[test]
fn a_cluster_whose_id_is_of_another_subscription_is_not_remembered() {
    let fixture = Fixture::new();
    let strange = Cluster {
        subscription_id: ONE.into(),
        ..cluster(TWO, "a")
    };
    let nameless = Cluster {
        id: "/subscriptions/../a;b".into(),
        ..cluster(ONE, "c")
    };
    let found = [strange, nameless, cluster(ONE, "b")];
    fixture.note(&all(&[]), &found, NOW);
    assert_eq!(fixture.clusters(), at(&[("b", NOW)]));
    let text = fs::read_to_string(fixture.path(FLEET)).expect("written");
    fs::write(
        fixture.path(FLEET),
        text.replace("managedClusters/b", "managedClusters/b;c"),
    )
    .expect("ours");
    assert_eq!(fixture.clusters(), []);
}

#[test]
fn writers_at_once_lose_nothing() {
    let fixture = Arc::new(Fixture::new());
    let names: Vec<String> = (0..8).map(|n| format!("c{n}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            let fixture = Arc::clone(&fixture);
            scope.spawn(move || {
                let found = [(ONE, name.as_str())];
                let some = Searched {
                    found: &found,
                    without_failure: &[ONE],
                    whole: &[],
                };
                fixture.sync(&some, NOW);
            });
        }
    });
    let found: Vec<_> = fixture
        .clusters()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(found, names);
}
