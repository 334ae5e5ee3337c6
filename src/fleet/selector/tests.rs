use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::{
    error::EXIT_FAILED,
    fleet::{ClusterRun, ContextNames, ContextTemplate, Coverage, State},
};

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).expect("a pattern")
}

fn cluster(name: &str, group: &str) -> Cluster {
    Cluster {
        id: format!(
            "/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{name}"
        ),
        name: name.into(),
        resource_group: group.into(),
        subscription_name: "Production".into(),
        location: "westeurope".into(),
        tags: [("Stage".to_owned(), "Prod".to_owned())].into(),
        power_state: Some("Running".into()),
        ..Cluster::default()
    }
}

fn contexts(pairs: &[(&Cluster, &str)]) -> ContextNamesById {
    let pairs = pairs.iter();
    pairs
        .map(|(cluster, name)| (cluster.key(), vec![(*name).to_owned()]))
        .collect()
}

fn by_pattern(text: &str) -> Selectors {
    Selectors {
        patterns: vec![pattern(text)],
        ..Selectors::default()
    }
}

#[test]
fn a_pattern_is_over_the_name_the_context_the_group_with_the_name_and_the_id() {
    let one = cluster("prod-1", "RG-prod");
    let contexts = contexts(&[(&one, "team/mine")]);
    let selects = |text: &str| by_pattern(text).select(&one, &contexts);
    for text in [
        "PROD-1",
        "prod-*",
        "team/mine",
        "*mine",
        "rg-prod/prod-1",
        "rg-*/*",
        &one.id,
        &one.id.to_lowercase(),
        "*/managedClusters/prod-?",
    ] {
        assert!(selects(text), "{text}");
    }
    // A part of a name is no match, and a pattern without a slash is not over the group.
    for text in ["prod", "rg-prod", "*rg*", "mine", "rg-prod/prod", "other/*"] {
        assert!(!selects(text), "{text}");
    }
}

#[test]
fn a_location_is_spelled_by_arm_or_for_people() {
    let one = cluster("a", "g");
    for (text, expected) in [
        ("westeurope", true),
        ("West Europe", true),
        ("west*", true),
        ("West US", false),
    ] {
        let selectors = Selectors {
            locations: vec![LocationPattern::parse(text).expect("a location")],
            ..Selectors::default()
        };
        assert_eq!(selectors.select(&one, &HashMap::new()), expected, "{text}");
    }
}

#[test]
fn a_tags_name_is_in_any_case_and_its_value_is_not() {
    let one = cluster("a", "g");
    for (text, expected) in [
        ("stage", true),
        ("STAGE=Prod", true),
        ("stage=P*", true),
        ("stage=prod", false),
        ("stage=", false),
        ("team", false),
    ] {
        let selectors = Selectors {
            tags: vec![TagPattern::parse(text).expect("a tag")],
            ..Selectors::default()
        };
        assert_eq!(selectors.select(&one, &HashMap::new()), expected, "{text}");
    }
    assert!(TagPattern::parse("=x").is_err());
}

#[test]
fn of_a_cluster_that_no_listing_describes_only_the_id_and_contexts_count() {
    let one = cluster("gone", "g");
    let id = ClusterId::parse(&one.id).expect("an id");
    let contexts = HashMap::new();
    let gone = Candidate::of_id(&one.id, &id, &contexts);
    assert_eq!(by_pattern("gone").choose(&gone), Choice::Selected);
    assert_eq!(by_pattern("g/*").choose(&gone), Choice::Selected);
    assert_eq!(by_pattern("other").choose(&gone), Choice::LeftOut);
    let running = |patterns: Selectors| Selectors {
        running: true,
        ..patterns
    };
    let choice = running(by_pattern("gone")).choose(&gone);
    assert_eq!(choice, Choice::Unknown("--running"));
    let choice = running(by_pattern("other")).choose(&gone);
    assert_eq!(choice, Choice::LeftOut);
}

fn refused(selectors: &Selectors, clusters: &[Cluster]) -> String {
    let contexts = HashMap::new();
    let listed: Vec<_> = clusters
        .iter()
        .map(|cluster| Candidate::of(cluster, &contexts))
        .collect();
    let failure = selectors.check(&listed).expect_err("no match");
    assert_eq!(failure.exit_code(), EXIT_FAILED);
    failure.render()
}

#[test]
fn a_selector_without_a_match_is_explained() {
    let fleet = [
        cluster("nonprod-1", "rg-a"),
        cluster("prod-eu", "rg-b"),
        Cluster {
            power_state: Some("Stopped".into()),
            location: "northeurope".into(),
            subscription_name: "Team A (EU)".into(),
            tags: BTreeMap::new(),
            ..cluster("old", "rg-c")
        },
    ];
    let texts = |patterns: &[&str]| patterns.iter().map(|text| pattern(text)).collect();
    let of = |selectors: Selectors| refused(&selectors, &fleet);
    let tagged = |text: &str| Selectors {
        tags: vec![TagPattern::parse(text).expect("a tag")],
        ..Selectors::default()
    };
    let located = |text: &str| Selectors {
        locations: vec![LocationPattern::parse(text).expect("a location")],
        ..Selectors::default()
    };
    let in_group = Selectors {
        groups: texts(&["rg-d"]),
        ..Selectors::default()
    };
    let several = Selectors {
        names: texts(&["odl"]),
        ..by_pattern("pord-eu")
    };
    let none_meets_all = Selectors {
        patterns: texts(&["old", "*-eu"]),
        excluded: texts(&["prod-*"]),
        running: true,
        ..Selectors::default()
    };
    let shown = [
        of(by_pattern("prod")),
        of(by_pattern("Production")),
        of(by_pattern("Team A (EU)")),
        of(by_pattern("rg-b")),
        of(by_pattern("rg-b/prod")),
        of(by_pattern("zzz*")),
        of(in_group),
        of(located("West Europa")),
        of(tagged("stag")),
        of(tagged("stage=prod")),
        of(several),
        of(none_meets_all),
        refused(&by_pattern("x"), &[]),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn an_exclusion_that_excludes_nothing_is_a_warning() {
    let fleet = [cluster("prod-eu", "rg-b")];
    let contexts = HashMap::new();
    let listed = [Candidate::of(&fleet[0], &contexts)];
    let selectors = Selectors {
        excluded: vec![pattern("prod-ue"), pattern("prod-*")],
        ..by_pattern("*")
    };
    assert_eq!(
        selectors.unmatched_exclusions(&listed),
        ["`--exclude prod-ue` matches no cluster; did you mean `prod-eu`?"]
    );
}

fn any_cluster() -> impl Strategy<Value = Cluster> {
    let name = select(vec!["a", "ab", "b"]);
    let tags = vec((select(vec!["x", "X", "y"]), select(vec!["1", "2"])), 0..3);
    let locations = select(vec!["westeurope", "northeurope"]);
    let power = prop::option::of(select(vec!["Running", "Stopped"]));
    (name, select(vec!["g", "ga"]), locations, tags, power).prop_map(
        |(name, group, location, tags, power)| Cluster {
            location: location.into(),
            tags: tags
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            power_state: power.map(str::to_owned),
            ..cluster(name, group)
        },
    )
}

fn patterns() -> impl Strategy<Value = Vec<Pattern>> {
    let texts = select(vec!["a", "a*", "*b", "?", "g/*", "*/b", "A", "none"]);
    vec(texts.prop_map(pattern), 0..3)
}

fn any_selectors() -> impl Strategy<Value = Selectors> {
    let locations = select(vec!["West Europe", "north*"]);
    let locations = vec(
        locations.prop_map(|text| LocationPattern::parse(text).expect("a location")),
        0..3,
    );
    let tags = select(vec!["x", "Y", "x=1", "y=*"]);
    let tags = vec(
        tags.prop_map(|text| TagPattern::parse(text).expect("a tag")),
        0..3,
    );
    (
        [patterns(), patterns(), patterns(), patterns()],
        locations,
        tags,
        any::<bool>(),
    )
        .prop_map(|(texts, locations, tags, running)| {
            let [patterns, names, groups, excluded] = texts;
            Selectors {
                patterns,
                names,
                groups,
                locations,
                tags,
                excluded,
                running,
                members: None,
            }
        })
}

/// One of few clusters whose names with groups and subscriptions can be equal; each id is that of one cluster.
fn any_named_cluster() -> impl Strategy<Value = Cluster> {
    let name = select(vec!["a", "a-b", "b"]);
    let group = select(vec!["b", "g", "b-g"]);
    let subscription = select(vec![("P", "00"), ("g-P", "01"), ("P", "02")]);
    (name, group, subscription).prop_map(|(name, group, (subscription, number))| {
        let one = cluster(name, group);
        Cluster {
            id: one.id.replace("00a/", &format!("0{number}/")),
            subscription_id: format!("00000000-0000-0000-0000-000000000{number}"),
            subscription_name: subscription.into(),
            location: (if name == "a" {
                "westeurope"
            } else {
                "northeurope"
            })
            .into(),
            tags: [("x".to_owned(), group.to_owned())].into(),
            power_state: (number == "01").then(|| "Stopped".to_owned()),
            ..one
        }
    })
}

fn any_template() -> impl Strategy<Value = ContextTemplate> {
    let texts = select(vec![
        "{name}",
        "{subscription}-{name}",
        "{location}-{tag.x}",
        "{resource_group}/{name}",
        "same",
    ]);
    texts.prop_map(|text| text.parse().expect("a template"))
}

/// The same selectors with one kind alone.
fn kinds(all: &Selectors) -> Vec<Selectors> {
    let none = Selectors::default;
    vec![
        Selectors {
            patterns: all.patterns.clone(),
            ..none()
        },
        Selectors {
            names: all.names.clone(),
            ..none()
        },
        Selectors {
            groups: all.groups.clone(),
            ..none()
        },
        Selectors {
            locations: all.locations.clone(),
            ..none()
        },
        Selectors {
            tags: all.tags.clone(),
            ..none()
        },
        Selectors {
            excluded: all.excluded.clone(),
            ..none()
        },
        Selectors {
            running: all.running,
            ..none()
        },
    ]
}

proptest! {
    #[test]
    fn each_kind_has_to_match_and_the_order_of_flags_makes_no_difference(
        selectors in any_selectors(),
        one in any_cluster(),
    ) {
        let none = HashMap::new();
        let selected = selectors.select(&one, &none);
        prop_assert_eq!(selected, kinds(&selectors).iter().all(|kind| kind.select(&one, &none)));
        let mut turned = selectors;
        turned.patterns.reverse();
        turned.names.reverse();
        turned.groups.reverse();
        turned.locations.reverse();
        turned.tags.reverse();
        turned.excluded.reverse();
        prop_assert_eq!(selected, turned.select(&one, &none));
    }

    #[test]
    fn the_values_of_a_kind_are_alternatives(values in patterns(), one in any_cluster()) {
        let none = HashMap::new();
        let any = values.iter().any(|value| by_pattern(value.as_str()).select(&one, &none));
        let all = Selectors { patterns: values.clone(), ..Selectors::default() };
        prop_assert_eq!(all.select(&one, &none), any || values.is_empty());
        let none_of = Selectors { excluded: values, ..Selectors::default() };
        prop_assert_eq!(none_of.select(&one, &none), !any);
    }

    #[test]
    fn what_passes_the_check_selects_something_and_each_value_matches(
        selectors in any_selectors(),
        fleet in vec(any_cluster(), 0..6),
    ) {
        let none = HashMap::new();
        let listed: Vec<_> = fleet.iter().map(|one| Candidate::of(one, &none)).collect();
        let mut turned = listed.clone();
        turned.reverse();
        let passes = selectors.check(&listed).is_ok();
        prop_assert_eq!(passes, selectors.check(&turned).is_ok());
        let selected = fleet.iter().filter(|one| selectors.select(one, &none)).count();
        if passes {
            prop_assert!(selected > 0 || selectors.is_empty());
            for value in &selectors.patterns {
                let value = by_pattern(value.as_str());
                prop_assert!(fleet.iter().any(|one| value.select(one, &none)));
            }
        } else {
            prop_assert!(!selectors.is_empty());
        }
    }

    #[test]
    fn what_is_selected_is_called_what_it_is_called_without_selectors(
        selectors in any_selectors(),
        fleet in vec(any_named_cluster(), 0..8).prop_flat_map(|fleet| (Just(fleet.clone()), Just(fleet).prop_shuffle())),
        template in any_template(),
        taken in vec(select(vec!["a", "a-b", "a-g", "b-g-P"]), 0..3),
    ) {
        let none = HashMap::new();
        let is_free = |name: &str| !taken.contains(&name);
        let (fleet, shuffled) = fleet;
        let whole = ContextNames::new(fleet.iter(), template.clone());
        let mut unselected = Unselected::default();
        let mut selected = Vec::new();
        for one in shuffled {
            match selectors.select(&one, &none) {
                true => selected.push(ClusterRun::new(one, State::Listed)),
                false => unselected.add(one),
            }
        }
        let coverage = Coverage { unselected: unselected.into(), ..Coverage::default() };
        let part = ContextNames::new(coverage.listed(&selected), template);
        let mut seen = HashMap::new();
        for run in &selected {
            let name = part.choose(&run.cluster, is_free);
            prop_assert_eq!(&name, &whole.choose(&run.cluster, is_free));
            prop_assert!(is_free(&name));
            // Those whose last form somebody else has get a number in the merge.
            let is_its_own = whole.unique(&run.cluster).any(|form| form == name);
            if is_its_own {
                let other = seen.insert(name, &run.cluster.id);
                prop_assert!(other.is_none_or(|id| *id == run.cluster.id));
            }
        }
    }
}
