use proptest::prelude::*;

use super::*;

fn cluster() -> Cluster {
    Cluster {
        id: "/subscriptions/s".to_owned(),
        name: "web".to_owned(),
        resource_group: "RG-1".to_owned(),
        subscription_id: "0a".to_owned(),
        subscription_name: "Contoso (Prod)".to_owned(),
        tenant_id: "0b".to_owned(),
        tenant_domain: Some("contoso.example".to_owned()),
        location: "westeurope".to_owned(),
        tags: [("Env", "Test 1"), ("empty", ""), ("odd", "--")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..Cluster::default()
    }
}

fn template(text: &str) -> ContextTemplate {
    text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
}

fn first(text: &str) -> String {
    template(text).forms(&cluster()).swap_remove(0)
}

#[test]
fn a_placeholder_stands_for_what_is_known_of_the_cluster() {
    for (text, name) in [
        ("{name}", "web"),
        ("{resource_group}", "rg-1"),
        ("{subscription}", "Contoso-Prod"),
        ("{subscription}-{name}", "Contoso-Prod-web"),
        ("{subscription_id}", "0a"),
        ("{tenant}", "contoso.example"),
        ("{location}", "westeurope"),
        ("{tag.env}", "Test-1"),
        ("{tag.ENV}.{name}", "Test-1.web"),
        ("aks/{location}/{name}", "aks/westeurope/web"),
        ("me@{name}: {location}", "me@web: westeurope"),
        ("{{{name}}}", "{web}"),
        ("prod", "prod"),
    ] {
        assert_eq!(first(text), name, "{text}");
    }
}

#[test]
fn a_placeholder_without_a_value_is_omitted_with_its_separators() {
    for (text, name) in [
        ("{tag.no}-{name}", "web"),
        ("{name}-{tag.no}", "web"),
        ("{name}-{tag.empty}-{location}", "web-westeurope"),
        ("{name}--{tag.odd}--{location}", "web--westeurope"),
        ("aks/{tag.no}/{name}", "aks/web"),
        ("{tag.no}-{tag.empty}_{name}", "web"),
        ("x-{tag.no}", "x"),
        ("{tag.no}", "web"),
        ("{tag.no}/{tag.empty}", "web"),
    ] {
        assert_eq!(first(text), name, "{text}");
    }
}

#[test]
fn longer_forms_add_what_the_template_does_not_hold() {
    let forms = |text: &str| template(text).forms(&cluster());
    for (text, expected) in [
        (
            "{location}",
            &[
                "westeurope",
                "westeurope-web",
                "westeurope-web-rg-1",
                "westeurope-web-rg-1-Contoso-Prod-",
                "westeurope-web-rg-1-0a",
            ][..],
        ),
        (
            "{resource_group}/{name}",
            &["rg-1/web", "rg-1/web-Contoso-Prod-", "rg-1/web-0a"],
        ),
        (
            "{subscription}-{name}",
            &[
                "Contoso-Prod-web",
                "Contoso-Prod-web-rg-1",
                "Contoso-Prod-web-rg-1-0a",
            ],
        ),
        ("{subscription_id}-{name}", &["0a-web", "0a-web-rg-1"]),
        (
            "{tag.no}",
            &["web", "web-rg-1", "web-rg-1-Contoso-Prod-", "web-rg-1-0a"],
        ),
    ] {
        assert_eq!(forms(text), expected, "{text}");
    }
}

#[test]
fn a_name_stays_one_of_the_clusters_whether_the_tenants_domain_is_known_or_not() {
    let template = template("{tenant}/{name}");
    let known = cluster();
    let unknown = Cluster {
        tenant_domain: None,
        ..cluster()
    };
    assert!(template.has_form(&known, "0b/web"));
    assert!(template.has_form(&unknown, "0b/web"));
    assert!(template.has_form(&known, "contoso.example/web-rg-1"));
    assert!(template.has_form(&known, "contoso.example/web-rg-1-0a-2"));
    assert!(!template.has_form(&known, "contoso.example/web-2"));
    assert!(!template.has_form(&known, "web"));
}

#[test]
fn a_template_that_says_nothing_sensible_is_refused() {
    for (text, why) in [
        ("", "it is empty; the default is `{name}`"),
        ("  ", "it is empty; the default is `{name}`"),
        (" {name}", "it begins or ends with a space"),
        ("{name}\n", "it begins or ends with a space"),
        ("a\tb", "it holds a character that can't be seen"),
        ("a\u{202e}b", "it holds a character that can't be seen"),
        (
            "-{name}",
            "it begins with `-`: kubectl would take the names for flags",
        ),
        (
            "aad:{name}",
            "it begins with `aad:`, as the users do that clusters share",
        ),
        (
            "{name",
            "a `{` is not closed; for the character itself, write `{{`",
        ),
        (
            "name}",
            "a `}` closes nothing; for the character itself, write `}}`",
        ),
        (
            "{nam}",
            "there is no placeholder `{nam}`; did you mean `{name}`?",
        ),
        (
            "{Resource-Group}",
            "there is no placeholder `{Resource-Group}`; did you mean `{resource_group}`?",
        ),
        (
            "{}",
            "there is no placeholder `{}`; there are {name}, {resource_group}, {subscription}, {subscription_id}, {tenant}, {location} and {tag.NAME}",
        ),
        ("{tag.}", "`{tag.}` names no tag; write `{tag.NAME}`"),
    ] {
        assert_eq!(
            text.parse::<ContextTemplate>(),
            Err(why.to_owned()),
            "{text:?}"
        );
    }
}

/// What contexts were called before there were templates.
fn forms_before_templates(cluster: &Cluster) -> [String; 4] {
    let [name, group, subscription, id] = [
        &cluster.name,
        &cluster.resource_group.to_lowercase(),
        &cluster.subscription_name,
        &cluster.subscription_id,
    ]
    .map(|part| typeable(part));
    [
        name.clone(),
        format!("{name}-{group}"),
        format!("{name}-{group}-{subscription}"),
        format!("{name}-{group}-{id}"),
    ]
}

fn any_cluster() -> impl Strategy<Value = Cluster> {
    let text = || "[a-zA-Z0-9]?\\PC{0,12}";
    let name = "[A-Za-z0-9]([A-Za-z0-9_-]{0,8}[A-Za-z0-9])?";
    let tags = proptest::collection::btree_map("env|Team", "\\PC{0,8}", 0..3);
    (
        name,
        text(),
        text(),
        "[0-9a-f]{2}",
        proptest::option::of("[a-z]{1,3}\\.example"),
        tags,
    )
        .prop_map(
            |(name, group, subscription, id, tenant_domain, tags)| Cluster {
                name,
                resource_group: group,
                subscription_name: subscription,
                subscription_id: id,
                tenant_domain,
                tags,
                ..Cluster::default()
            },
        )
}

/// Templates of every kind.
pub(crate) fn any_template() -> impl Strategy<Value = ContextTemplate> {
    let placeholder = prop_oneof![
        Just("{name}"),
        Just("{resource_group}"),
        Just("{subscription}"),
        Just("{subscription_id}"),
        Just("{tenant}"),
        Just("{location}"),
        Just("{tag.env}"),
        Just("{tag.team}"),
    ];
    let text = prop_oneof![Just(""), Just("-"), Just("/"), Just("aks."), Just("{{x}}")];
    proptest::collection::vec((placeholder, text), 1..4).prop_map(|parts| {
        let text: String = parts.iter().flat_map(|(one, text)| [*one, *text]).collect();
        template(&text)
    })
}

proptest! {
    #[test]
    fn the_default_template_gives_the_names_that_there_were_before(cluster in any_cluster()) {
        prop_assert_eq!(
            ContextTemplate::default().forms(&cluster),
            forms_before_templates(&cluster)
        );
        prop_assert_eq!(template("{name}"), ContextTemplate::default());
    }

    #[test]
    fn every_form_is_a_name_that_a_cluster_has_and_none_is_empty(cluster in any_cluster(), template in any_template()) {
        for form in template.forms(&cluster) {
            prop_assert!(template.has_form(&cluster, &form), "{}", form);
            prop_assert!(!form.is_empty() && !form.starts_with('-'), "{}", form);
        }
    }

    #[test]
    fn whatever_is_typed_is_read_or_refused(text in "\\PC{0,6}|[{}a-z.-]{0,10}") {
        if let Ok(template) = text.parse::<ContextTemplate>() {
            prop_assert_eq!(template.to_string(), text);
        }
    }
}

#[test]
fn a_cluster_without_a_name_has_forms_that_end() {
    for template in ["{name}", "{location}"] {
        let template: ContextTemplate = template.parse().expect("valid");
        for name in ["", " "] {
            let cluster = Cluster {
                name: name.to_owned(),
                ..Cluster::default()
            };
            assert_eq!(template.forms(&cluster)[0], "", "{template}");
        }
    }
}
