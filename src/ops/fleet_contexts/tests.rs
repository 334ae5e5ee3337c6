use std::{collections::BTreeMap, sync::Arc};

use super::*;
use crate::fleet::{LocationPattern, Pattern};

const DEV: &str = "00000000-0000-0000-0000-00000000000a";
const PROD: &str = "00000000-0000-0000-0000-00000000000b";

fn context(name: &str, subscription: &str, cluster: &str, role: Role) -> SyncedContext {
    SyncedContext {
        context: name.to_owned(),
        arm_id: format!(
            "/subscriptions/{subscription}/resourceGroups/RG/providers/Microsoft.ContainerService/managedClusters/{cluster}"
        ),
        role,
        is_main: true,
        namespace: None,
        cluster: name.to_owned(),
        user: None,
        server: String::new(),
        sign_in: None,
        variables: Arc::default(),
        is_current: false,
        file: Arc::from(Path::new("/k")),
    }
}

fn fleet() -> Vec<SyncedContext> {
    let copy = SyncedContext {
        is_main: false,
        ..context("web", DEV, "one", Role::User)
    };
    vec![
        copy,
        context("one", DEV, "one", Role::User),
        context("two", PROD, "two", Role::User),
        context("one-admin", DEV, "one", Role::Admin),
    ]
}

/// Clusters of the subscription `Production` were seen, in `westeurope`.
fn seen<'d>(
    tags: &'d BTreeMap<String, String>,
) -> impl Fn(&str) -> Option<fleet::Described<'d>> + 'd {
    move |key| {
        key.contains(PROD).then_some(fleet::Described {
            subscription_name: "Production",
            location: "westeurope",
            tags,
            is_stopped: false,
        })
    }
}

fn chosen(choice: &FleetChoice) -> Result<(Vec<String>, Vec<String>)> {
    let fleet = fleet();
    let tags = BTreeMap::new();
    let chosen = choose(&fleet, choice, &seen(&tags))?;
    let names = chosen.contexts.iter().map(|one| one.context.clone());
    Ok((names.collect(), chosen.warnings))
}

fn by(pattern: &str) -> FleetChoice {
    let mut choice = FleetChoice::default();
    choice.selectors.patterns = vec![Pattern::parse(pattern).expect("a pattern")];
    choice
}

fn in_subscription(filter: &str) -> FleetChoice {
    FleetChoice {
        subscriptions: vec![filter.to_owned()],
        ..FleetChoice::default()
    }
}

#[test]
fn each_cluster_is_chosen_once_by_its_main_context() {
    let names = |choice: &FleetChoice| chosen(choice).expect("some").0;
    assert_eq!(names(&FleetChoice::default()), ["one", "two"]);
    for pattern in ["one", "rg/ONE", "o*", "*e*"] {
        assert_eq!(names(&by(pattern)), ["one"], "{pattern}");
    }
    let admin = FleetChoice {
        role: Role::Admin,
        ..FleetChoice::default()
    };
    assert_eq!(names(&admin), ["one-admin"]);
}

#[test]
fn a_context_that_is_named_is_chosen_and_no_other_of_its_cluster() {
    let names = |patterns: &[&str]| {
        let mut choice = FleetChoice::default();
        let patterns = patterns.iter().map(|one| Pattern::parse(one));
        choice.selectors.patterns = patterns.map(|one| one.expect("a pattern")).collect();
        chosen(&choice).expect("some").0
    };
    assert_eq!(names(&["web"]), ["web"]);
    assert_eq!(names(&["w*"]), ["web"]);
    assert_eq!(names(&["web", "two"]), ["web", "two"]);
    assert_eq!(names(&["web", "one"]), ["one", "web"]);
    assert_eq!(names(&["web", "*"]), ["one", "web", "two"]);
}

#[test]
fn a_context_that_is_called_as_the_cluster_of_another_is_the_one_that_is_named() {
    let fleet = vec![
        context("prod", DEV, "one", Role::User),
        SyncedContext {
            is_main: false,
            ..context("one", DEV, "one", Role::User)
        },
    ];
    let chosen = choose(&fleet, &by("one"), &|_| None).expect("one");
    let names: Vec<_> = chosen.contexts.iter().map(|one| &*one.context).collect();
    assert_eq!(names, ["one"]);
}

#[test]
fn an_administrators_context_is_only_chosen_by_its_flag() {
    let failure = chosen(&by("one-admin")).expect_err("a user's one is wanted");
    assert_eq!(
        failure.message(),
        "`one-admin` is an administrator's context"
    );
    assert_eq!(failure.hint_text(), Some("use it with `--admin`"));
    let failure = chosen(&FleetChoice {
        role: Role::Admin,
        ..by("two")
    });
    let failure = failure.expect_err("an administrator's one is wanted");
    assert_eq!(failure.hint_text(), Some("use it without `--admin`"));
}

#[test]
fn a_subscription_is_chosen_by_its_id_or_its_last_seen_name() {
    for filter in [PROD, " production ", "prod*"] {
        let (names, _) = chosen(&in_subscription(filter)).expect("some");
        assert_eq!(names, ["two"], "{filter}");
    }
    let failure = chosen(&in_subscription("Producton")).expect_err("none");
    assert!(
        failure
            .hint_text()
            .expect("a hint")
            .contains("`Production`"),
        "{}",
        failure.render()
    );
}

#[test]
fn what_was_not_seen_is_left_out_with_a_warning_or_is_an_error() {
    let mut choice = FleetChoice::default();
    choice.selectors.locations = vec![LocationPattern::parse("West Europe").expect("a pattern")];
    let (names, warnings) = chosen(&choice).expect("some");
    assert_eq!(names, ["two"]);
    assert!(warnings[0].contains("`one`") && warnings[0].contains("`--location`"));
    choice.subscriptions = vec![DEV.to_owned()];
    let failure = chosen(&choice).expect_err("nothing is known");
    assert!(failure.message().starts_with("`--location` needs"));
}

#[test]
fn an_unmatched_selector_is_an_error_with_the_nearest_name() {
    let failure = chosen(&by("onee")).expect_err("none");
    assert_eq!(failure.kind(), Kind::NotFound);
    assert!(failure.hint_text().expect("a hint").contains("`one`"));
    let empty = choose(&[], &FleetChoice::default(), &|_| None).expect_err("nothing is synced");
    assert!(
        empty
            .hint_text()
            .expect("a hint")
            .contains("kubectl aad sync")
    );
}

#[test]
fn kubeconfigs_are_read_with_absolute_paths_and_a_missing_one_is_empty() {
    let host = Host::with_env([("KUBECONFIG", "no-such-file")]);
    let kubeconfig = FleetKubeconfig::read(&host, None).expect("empty");
    let documents = kubeconfig.documents().expect("empty");
    assert!(documents[0].path().expect("a path").is_absolute());
    assert!(documents[0].root().is_empty());
}
