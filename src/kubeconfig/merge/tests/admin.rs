//! The administrator's entries and those of people: no sync of the one changes the other.

use super::*;
use crate::fleet::Role;
use base64::{Engine, engine::general_purpose::STANDARD};

const ROLES: [Role; 2] = [Role::User, Role::Admin];

/// A cluster with the credential of a role.
fn held(cluster: &Cluster, role: Role, key: &str) -> ClusterRun {
    let mut run = import(cluster);
    if role == Role::Admin {
        let user =
            json!({"client-certificate-data": "Y2VydA==", "client-key-data": STANDARD.encode(key)});
        let entries = entries(&mut run);
        entries.user = user.as_object().expect("a map").clone();
        entries.sign_in = None;
    }
    run
}

/// Merges the clusters of this role into a text.
fn synced(text: &str, role: Role, runs: &[ClusterRun]) -> (String, Plan) {
    let documents = files(&[text]);
    let targets = TargetFiles::find_as(role, &documents, "0".into(), |_| true);
    let options = MergeOptions {
        role,
        ..MergeOptions::default()
    };
    let mut coverage = coverage();
    coverage.may_set_current_context = true;
    let plan = merge(&documents, &targets, runs, &coverage, &options);
    let new = match plan.files.get(Path::new("0")) {
        Some(root) => document(text).render(root).expect("written"),
        None => text.to_owned(),
    };
    (new, plan)
}

fn fleet(clusters: &[Cluster], role: Role, key: &str) -> Vec<ClusterRun> {
    let runs = clusters.iter().map(|cluster| held(cluster, role, key));
    runs.collect()
}

/// The entries of a role, and the contexts that lead to them.
fn of_role(text: &str, role: Role) -> Vec<Value> {
    let document = document(text);
    let marked = |section: Section| {
        let entries = document.entries(section).iter();
        let is_its = |entry: &&Value| owner::is_ours_as(&entry[section.item()], role);
        entries.filter(is_its).cloned().collect::<Vec<_>>()
    };
    let clusters = marked(Section::Clusters);
    let leads_there = |context: &&Value| {
        let mut clusters = clusters.iter();
        clusters.any(|cluster| cluster["name"] == context["context"]["cluster"])
    };
    let contexts = document.entries(Section::Contexts).iter();
    let contexts: Vec<_> = contexts.filter(leads_there).cloned().collect();
    let mut all = [clusters.clone(), marked(Section::Users), contexts].concat();
    all.sort_by_key(Value::to_string);
    all
}

fn names_of(plan: Plan) -> Vec<String> {
    outcomes(plan).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn the_administrators_entries_are_called_after_the_cluster_and_take_no_other_clusters_name() {
    let plain = [name("prod", "rg", "s"), name("dev", "rg", "s")];
    let (text, plan) = synced("", Role::Admin, &fleet(&plain, Role::Admin, "a"));
    assert!(!text.contains("current-context"), "{text}");
    assert_eq!(names_of(plan), ["prod-admin", "dev-admin"]);

    let taken = [name("prod", "rg", "s"), name("prod-admin", "rg", "s")];
    let [user, admin] = ROLES.map(|role| fleet(&taken, role, "a"));
    let (first, plan) = synced("", Role::Admin, &admin);
    assert_eq!(names_of(plan), ["prod-rg-admin", "prod-admin-admin"]);
    let (_, plan) = synced(&first, Role::User, &user);
    assert_eq!(names_of(plan), ["prod", "prod-admin"]);
}

#[test]
fn a_template_names_both_roles_in_any_order_and_what_it_says_of_administrators_is_the_name() {
    let clusters = [name("prod", "rg", "s")];
    let [user, admin] = ROLES.map(|role| fleet(&clusters, role, "a"));
    let with = |template: &str, text: &str, role: Role, runs: &[ClusterRun]| {
        let documents = files(&[text]);
        let targets = TargetFiles::find_as(role, &documents, "0".into(), |_| true);
        let options = MergeOptions {
            role,
            template: Some(template.parse().expect("a template")),
            ..MergeOptions::default()
        };
        let plan = merge(&documents, &targets, runs, &coverage(), &options);
        let root = plan.files.get(Path::new("0"));
        let root = root.map(|root| Value::Object(root.clone()).to_string());
        (root.unwrap_or_else(|| text.to_owned()), names_of(plan))
    };
    let template = "{resource_group}-{name}";
    let (first, names) = with(template, "", Role::Admin, &admin);
    assert_eq!(names, ["rg-prod-admin"]);
    let (_, names) = with(template, &first, Role::User, &user);
    assert_eq!(names, ["rg-prod"]);
    let (first, names) = with(template, "", Role::User, &user);
    assert_eq!(names, ["rg-prod"]);
    let (_, names) = with(template, &first, Role::Admin, &admin);
    assert_eq!(names, ["rg-prod-admin"]);

    // Old names of this role are renamed, and only those.
    let (text, _) = synced("", Role::User, &user);
    let (text, _) = synced(&text, Role::Admin, &admin);
    let before = of_role(&text, Role::User);
    for (template, expected) in [
        (template, "rg-prod-admin"),
        ("Admin.{name}", "Admin.prod"),
        ("{name}", "prod-admin"),
    ] {
        let (renamed, names) = with(template, &text, Role::Admin, &admin);
        assert_eq!(names, [expected]);
        assert_eq!(of_role(&renamed, Role::User), before);
        assert_eq!(with(template, &renamed, Role::Admin, &admin).0, renamed);
    }
}

#[test]
fn a_rotated_certificate_replaces_the_old_one_and_nothing_else() {
    let clusters = [name("prod", "rg", "s")];
    let (text, _) = synced("", Role::User, &fleet(&clusters, Role::User, ""));
    let (text, _) = synced(&text, Role::Admin, &fleet(&clusters, Role::Admin, "old"));
    let edited = text.replace(
        "user: prod-admin\n",
        "namespace: mine\n    user: prod-admin\n",
    );
    let (new, plan) = synced(&edited, Role::Admin, &fleet(&clusters, Role::Admin, "new"));
    assert_eq!(outcomes(plan), [("prod-admin".to_owned(), Action::Updated)]);
    assert_eq!(
        new,
        edited.replace(&STANDARD.encode("old"), &STANDARD.encode("new"))
    );
}

#[test]
fn a_person_may_use_the_administrators_user_for_the_other_context() {
    let clusters = [name("prod", "rg", "s")];
    let [user, admin] = ROLES.map(|role| fleet(&clusters, role, "a"));
    let (text, _) = synced("", Role::User, &user);
    let (text, _) = synced(&text, Role::Admin, &admin);
    let edited = text.replace("user: aad:azurecli\n", "user: prod-admin\n");
    assert_ne!(edited, text);
    assert_eq!(synced(&edited, Role::User, &user).0, edited);
    assert_eq!(synced(&edited, Role::Admin, &admin).0, edited);
}

#[test]
fn the_gone_contexts_and_duplicates_of_a_role_are_its_own() {
    let clusters = [name("prod", "rg", "s")];
    let [user, admin] = ROLES.map(|role| fleet(&clusters, role, "a"));
    let (both, _) = synced("", Role::User, &user);
    let (both, _) = synced(&both, Role::Admin, &admin);
    for (role, runs) in ROLES.into_iter().zip([&user, &admin]) {
        let (_, plan) = synced(&both, role, runs);
        assert_eq!(plan.findings.duplicates, [], "{role:?}");
        let [own, other] = match role {
            Role::User => ["prod", "prod-admin"],
            Role::Admin => ["prod-admin", "prod"],
        };
        let known = plan.clusters[0].known_context.as_deref();
        assert_eq!(known, Some(own));
        let merged = files(&[&both]);
        let merged = Merged::of(&merged);
        let coverage = Coverage {
            subscriptions: [SUBSCRIPTION.to_owned()].into(),
            ..Coverage::default()
        };
        let gone = findings::gone(&merged, role, &[], &coverage);
        assert!(gone.iter().all(|gone| gone.context != other), "{gone:?}");
    }
}

/// No GUID, so that nothing can be missed in it.
const SUBSCRIPTION: &str = "s-id";

proptest! {
    #[test]
    fn no_sync_of_a_role_changes_the_other(
        steps in proptest::collection::vec((any::<bool>(), 1..8_usize, 0..3_u8), 1..8),
        clash in any::<bool>(),
    ) {
        let other = if clash { "a-admin" } else { "b" };
        let all = [name("a", "rg", "s"), name(other, "rg", "s"), name("a", "two", "t")];
        let mut text = String::new();
        for (admin, chosen, key) in steps {
            let [role, untouched] = if admin { [Role::Admin, Role::User] } else { ROLES };
            let runs = all.iter().enumerate().map(|(at, cluster)| match chosen >> at & 1 {
                1 => held(cluster, role, &key.to_string()),
                _ => ClusterRun::new(cluster.clone(), State::Listed),
            });
            let runs: Vec<_> = runs.collect();
            let before = of_role(&text, untouched);
            let (new, plan) = synced(&text, role, &runs);
            prop_assert_eq!(of_role(&new, untouched), before);
            for run in plan.clusters.iter().filter(|run| run.planned().is_some()) {
                let context = run.context().expect("a context");
                let document = document(&new);
                let contexts = document.entries(Section::Contexts).iter();
                let mut named = contexts.filter(|entry| entry["name"] == context);
                let user = &named.next().expect("it is there")["context"]["user"];
                let users = document.entries(Section::Users).iter();
                let mut its = users.filter(|entry| entry["name"] == *user);
                let user = &its.next().expect("it is there")["user"];
                prop_assert_eq!(owner::role(user), role);
            }
            let (again, _) = synced(&new, role, &runs);
            prop_assert_eq!(&again, &new);
            text = new;
        }
    }
}
