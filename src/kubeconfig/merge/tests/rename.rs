//! `--context-name`: a changed template renames, and keeps what people added.

use super::*;
use crate::fleet::{ContextTemplate, KeptName, Pattern, Role, WhyKept, any_template};

fn options(template: &str) -> MergeOptions {
    MergeOptions {
        template: Some(template.parse().expect("a template")),
        ..MergeOptions::default()
    }
}

/// What a merge with a template makes of files, which may change unless they are in `fixed`.
struct Renamed {
    texts: Vec<String>,
    planned: Vec<Planned>,
    kept: Vec<KeptName>,
}

impl Renamed {
    fn of(texts: &[&str], fixed: &str, imports: &[ClusterRun], template: &str) -> Self {
        let documents = files(texts);
        let may_change = |path: &Path| !fixed.contains(&path.display().to_string());
        let targets = TargetFiles::find(&documents, "0".into(), may_change);
        let plan = merge(
            &documents,
            &targets,
            imports,
            &coverage(),
            &options(template),
        );
        let texts = documents.into_iter().map(|document| {
            let path = document.path().expect("a path");
            match plan.files.get(path) {
                Some(root) => {
                    let renamed = plan.renamed.get(path).map_or(&[][..], Vec::as_slice);
                    document.render_renamed(root, renamed).expect("written")
                }
                None => document.text().to_owned(),
            }
        });
        let planned = plan.clusters.iter().filter_map(ClusterRun::planned);
        Self {
            texts: texts.collect(),
            planned: planned.cloned().collect(),
            kept: plan.findings.kept_names,
        }
    }

    fn one(text: &str, imports: &[ClusterRun], template: &str) -> Self {
        Self::of(&[text], "", imports, template)
    }

    fn text(&self) -> &str {
        &self.texts[0]
    }

    fn contexts(&self) -> Vec<&str> {
        let planned = self.planned.iter();
        planned.map(|planned| planned.context.as_str()).collect()
    }

    fn was(&self) -> Vec<Option<&str>> {
        self.planned
            .iter()
            .map(|planned| {
                planned.changes.iter().find_map(|change| match change {
                    Change::Renamed { was } => Some(was.as_str()),
                    _ => None,
                })
            })
            .collect()
    }
}

/// A cluster with a user of its own.
fn local(cluster: &Cluster) -> ClusterRun {
    let mut run = import(cluster);
    let entries = entries(&mut run);
    entries.sign_in = None;
    entries.user = json!({"client-certificate-data": "Q0E="})
        .as_object()
        .expect("a map")
        .clone();
    run
}

#[test]
fn a_changed_template_renames_in_place_and_keeps_what_people_added() {
    let imports = imports(&[name("a", "rg", "s"), name("b", "rg", "s")]);
    let (text, _) = run("", &imports);
    let text = edited(
        &text,
        "- cluster:\n    certificate",
        "# of a\n- cluster: # entry\n    certificate",
    );
    let text = edited(
        &text,
        "    cluster: a\n",
        "    cluster: a # mine\n    namespace: team\n    extensions:\n    - {name: mine, extension: {x: 1}}\n",
    );
    let text = format!("current-context: b # now\n{text}");
    let renamed = Renamed::one(&text, &imports, "{resource_group}/{name}");
    assert_eq!(renamed.contexts(), ["rg/a", "rg/b"]);
    assert_eq!(renamed.was(), [Some("a"), Some("b")]);
    let expected = text
        .replace("current-context: b", "current-context: rg/b")
        .replace("name: a\n", "name: rg/a\n")
        .replace("name: b\n", "name: rg/b\n")
        .replace("cluster: a", "cluster: rg/a")
        .replace("cluster: b", "cluster: rg/b");
    assert_eq!(renamed.text(), expected);
    let again = Renamed::one(renamed.text(), &imports, "{resource_group}/{name}");
    assert_eq!(again.text(), renamed.text());
    assert_eq!(again.was(), [None, None]);
    assert_eq!(
        run(renamed.text(), &imports).0,
        renamed.text(),
        "without the flag, names stay"
    );
    let back = Renamed::one(renamed.text(), &imports, "{name}");
    assert_eq!(back.text(), text);
}

#[test]
fn names_are_swapped_and_passed_on() {
    let mut clusters = [
        name("a", "one", "s"),
        name("b", "two", "s"),
        name("c", "three", "s"),
    ];
    let tags = |clusters: &mut [Cluster], values: [&str; 3]| {
        for (cluster, value) in clusters.iter_mut().zip(values) {
            cluster.tags = [("n".to_owned(), value.to_owned())].into();
        }
        clusters.iter().map(import).collect::<Vec<_>>()
    };
    let before = tags(&mut clusters, ["p", "q", "r"]);
    let first = Renamed::one("", &before, "{tag.n}");
    assert_eq!(first.contexts(), ["p", "q", "r"]);
    let commented = edited(first.text(), "  name: p\n", "  name: p # of a\n");
    for (values, was) in [
        (["q", "p", "r"], [Some("p"), Some("q"), None]),
        (["q", "r", "p"], [Some("p"), Some("q"), Some("r")]),
        (["q", "r", "new"], [Some("p"), Some("q"), Some("r")]),
    ] {
        let after = tags(&mut clusters, values);
        let renamed = Renamed::one(&commented, &after, "{tag.n}");
        assert_eq!(renamed.contexts(), values);
        assert_eq!(renamed.was(), was);
        assert!(
            renamed.text().contains("  name: q # of a\n"),
            "{}",
            renamed.text()
        );
        let file = document(renamed.text());
        for (run, context) in after.iter().zip(values) {
            let context = file.item(Section::Contexts, context).expect("a context");
            let cluster = context["cluster"].as_str().expect("a name");
            let cluster = file.item(Section::Clusters, cluster).expect("a cluster");
            assert_eq!(owner::arm_id(cluster), Some(run.cluster.id.as_str()));
        }
    }
}

#[test]
fn a_context_that_a_person_renamed_keeps_its_name() {
    let imports = imports(&[name("a", "rg", "s")]);
    let (text, _) = run("", &imports);
    let mine = edited(
        &text,
        "    user: aad:azurecli\n  name: a\n",
        "    user: aad:azurecli\n  name: mine\n",
    );
    let renamed = Renamed::one(&mine, &imports, "x-{name}");
    assert_eq!(
        (renamed.text(), renamed.contexts()),
        (mine.as_str(), vec!["mine"])
    );
}

#[test]
fn a_persons_second_context_is_led_on_and_a_foreign_one_keeps_its_cluster_entry() {
    let imports = imports(&[name("a", "rg", "s")]);
    let (text, _) = run("", &imports);
    let with = |user: &str| {
        let second =
            format!("contexts:\n- context: {{cluster: a, user: '{user}'}} # mine\n  name: mine\n");
        let text = edited(&text, "contexts:\n", &second);
        edited(
            &text,
            "users:\n",
            "users:\n- name: me\n  user: {token: t}\n",
        )
    };
    let led = Renamed::one(&with("aad:azurecli"), &imports, "x-{name}");
    assert_eq!(led.contexts(), ["x-a"]);
    assert!(
        led.text()
            .contains("- context: {cluster: \"x-a\", user: 'aad:azurecli'} # mine\n  name: mine\n"),
        "{}",
        led.text()
    );

    let foreign = with("me");
    let kept = Renamed::one(&foreign, &imports, "x-{name}");
    assert_eq!(
        (kept.contexts(), kept.was()),
        (vec!["x-a"], vec![Some("a")])
    );
    assert!(
        kept.text()
            .contains("- context: {cluster: a, user: 'me'} # mine\n  name: mine\n"),
        "{}",
        kept.text()
    );
    let file = document(kept.text());
    assert_eq!(
        file.item(Section::Contexts, "x-a").expect("ours")["cluster"],
        "a"
    );
    // It is known to be ours: the next template renames it, too, and the entry once nothing else leads there.
    let again = Renamed::one(kept.text(), &imports, "x-{name}");
    assert_eq!(again.text(), kept.text());
    let next = Renamed::one(kept.text(), &imports, "y-{name}");
    assert_eq!(
        (next.contexts(), next.was()),
        (vec!["y-a"], vec![Some("x-a")])
    );
    let alone = edited(
        kept.text(),
        "- context: {cluster: a, user: 'me'} # mine\n  name: mine\n",
        "",
    );
    let alone = Renamed::one(&alone, &imports, "y-{name}");
    let file = document(alone.text());
    assert_eq!(
        file.item(Section::Contexts, "y-a").expect("ours")["cluster"],
        "y-a"
    );
    assert_eq!(
        owner::given_name(file.item(Section::Clusters, "y-a").expect("ours")),
        None
    );
}

#[test]
fn a_user_of_its_own_is_renamed_with_its_context() {
    let imports = [local(&name("a", "rg", "s"))];
    let (text, _) = run("", &imports);
    let renamed = Renamed::one(&text, &imports, "x-{name}");
    let file = document(renamed.text());
    let context = file.item(Section::Contexts, "x-a").expect("a context");
    assert_eq!(
        (&context["cluster"], &context["user"]),
        (&json!("x-a"), &json!("x-a"))
    );
    assert_eq!(file.names(Section::Users).collect::<Vec<_>>(), ["x-a"]);
    // A foreign context that uses it keeps it.
    let foreign = "contexts:\n- context: {cluster: other, user: a}\n  name: other\n";
    let text = edited(&text, "contexts:\n", foreign);
    let renamed = Renamed::one(&text, &imports, "x-{name}");
    let file = document(renamed.text());
    assert_eq!(
        file.item(Section::Contexts, "x-a").expect("a context")["user"],
        "a"
    );
    assert_eq!(file.names(Section::Users).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_name_that_others_have_or_name_is_not_taken() {
    let imports = imports(&[name("a", "rg", "s")]);
    let (text, _) = run("", &imports);
    for foreign in [
        "contexts:\n- name: x-a\n  context: {cluster: o, user: o}\n",
        "clusters:\n- name: x-a\n  cluster: {server: 'https://o'}\n",
        "contexts:\n- name: o\n  context: {cluster: x-a, user: o}\n",
    ] {
        let renamed = Renamed::of(&[&text, foreign], "", &imports, "x-{name}");
        assert_eq!(renamed.contexts(), ["x-a-rg"], "{foreign}");
        assert_eq!(renamed.texts[1], foreign);
    }
}

#[test]
fn the_current_context_follows_in_every_file_or_keeps_the_name() {
    let imports = imports(&[name("a", "rg", "s")]);
    let (ours, _) = run("", &imports);
    let ours = format!("{ours}current-context: a\n");
    let foreign = "current-context: a # here\nclusters:\n- name: o\n  cluster: {server: 'https://o'}\ncontexts:\n- name: o\n  context: {cluster: a, user: 'aad:azurecli'}\n";
    let led = Renamed::of(&[foreign, &ours], "", &imports, "x-{name}");
    assert_eq!(led.contexts(), ["x-a"]);
    assert_eq!(
        led.texts[0],
        foreign
            .replace("context: a #", "context: x-a #")
            .replace("cluster: a,", "cluster: \"x-a\",")
    );
    assert!(led.texts[1].contains("current-context: x-a\n"));

    // It can't follow in a file that may not be changed.
    let (fixed, without) = (
        "current-context: a\n",
        ours.replace("current-context: a\n", ""),
    );
    let kept = Renamed::of(&[&without, fixed], "1", &imports, "x-{name}");
    assert_eq!(kept.texts, [without.as_str(), fixed]);
    let (context, why) = ("a".to_owned(), WhyKept::Current);
    assert_eq!(kept.kept, [KeptName { context, why }]);
}

#[test]
fn a_context_that_hides_another_one_keeps_its_name() {
    let imports = imports(&[name("a", "rg", "s")]);
    let (text, _) = run("", &imports);
    let hidden = "contexts:\n- name: a\n  context: {cluster: o, user: o}\n";
    let kept = Renamed::of(&[&text, hidden], "", &imports, "x-{name}");
    assert_eq!(kept.texts, [text.as_str(), hidden]);
    let why = WhyKept::Hides;
    let context = "a".to_owned();
    assert_eq!(kept.kept, [KeptName { context, why }]);
}

#[test]
fn an_adopted_context_keeps_its_name() {
    let imports = imports(&[name("a", "rg", "s")]);
    let (text, _) = run("", &imports);
    let adopted = edited(
        &text,
        "        armId:",
        "        adopted: true\n        armId:",
    );
    let kept = Renamed::one(&adopted, &imports, "x-{name}");
    assert_eq!(kept.text(), adopted);
}

#[test]
fn what_a_person_deleted_comes_back_under_the_new_name() {
    let imports = imports(&[name("a", "rg", "s")]);
    let (text, _) = run("", &imports);
    let deleted = edited(
        &text,
        "- context:\n    cluster: a\n    user: aad:azurecli\n  name: a\n",
        "",
    );
    let back = Renamed::one(&deleted, &imports, "x-{name}");
    assert_eq!(back.contexts(), ["x-a"]);
    assert_eq!(
        Renamed::one(back.text(), &imports, "x-{name}").text(),
        back.text()
    );
}

/// The context that each cluster's entry has, with the cluster's key.
fn names_of(text: &str, fleet: &[Cluster]) -> Vec<(String, String)> {
    let documents = [document(text)];
    let mut runs = imports(fleet);
    ClusterContexts::of(&Merged::of(&documents), Role::User, |_| true).tell(&mut runs);
    let named = runs.into_iter();
    named
        .filter_map(|run| Some((run.cluster.key(), run.known_context?)))
        .collect()
}

/// Merges a fleet as it arrives, with a template or without one, and checks what must hold in every round.
fn round(
    text: &str,
    foreign: &Value,
    all: &[Cluster],
    order: &[usize],
    template: Option<&ContextTemplate>,
) -> Result<String, TestCaseError> {
    let order = order.iter().map(|at| all[at % all.len()].clone());
    let mut seen = HashSet::new();
    let arriving: Vec<_> = order.filter(|one| seen.insert(one.key())).collect();
    let merged = |arriving: &[Cluster]| {
        let documents = files(&[text]);
        let targets = TargetFiles::find(&documents, "0".into(), |_| true);
        let options = MergeOptions {
            template: template.cloned(),
            ..MergeOptions::default()
        };
        let path = Path::new("0");
        let plan = merge(
            &documents,
            &targets,
            &imports(arriving),
            &coverage(),
            &options,
        );
        let renamed = plan.renamed.get(path).map_or(&[][..], Vec::as_slice);
        let [document] = <[Document<'_>; 1]>::try_from(documents).unwrap_or_else(|_| panic!());
        match plan.files.get(path) {
            Some(root) => document.render_renamed(root, renamed).expect("written"),
            None => text.to_owned(),
        }
    };
    let new = merged(&arriving);
    let mut backward = arriving.clone();
    backward.reverse();
    prop_assert_eq!(
        &merged(&backward),
        &new,
        "the order of arrival decides nothing"
    );
    prop_assert_eq!(&known_to(foreign, document(&new).root()), foreign);
    for section in Section::ALL {
        let file = document(&new);
        let names: Vec<_> = file.names(section).collect();
        prop_assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    }
    let before = names_of(text, all);
    let after = names_of(&new, all);
    for (key, name) in &before {
        let arrived = arriving.iter().find(|one| one.key() == *key);
        let stays = match (arrived, template) {
            (Some(cluster), Some(template)) => {
                let names = ContextNames::new(std::iter::empty(), template.clone());
                names.may_be(cluster, name)
            }
            _ => true,
        };
        if stays {
            prop_assert!(
                after.contains(&(key.clone(), name.clone())),
                "{} was renamed",
                name
            );
        }
    }
    for cluster in &arriving {
        let name = after.iter().find(|(key, _)| *key == cluster.key());
        let (_, name) = name.expect("each cluster has a context");
        if let Some(template) = template {
            let names = ContextNames::new(std::iter::empty(), template.clone());
            prop_assert!(names.may_be(cluster, name), "{} is no form", name);
        }
    }
    Ok(new)
}

proptest! {
    #[test]
    fn names_are_stable_and_unique_while_fleets_change_and_templates_too(
        (text, root) in foreign(),
        all in fleet(),
        rounds in prop::collection::vec(
            (prop::collection::vec(any::<prop::sample::Index>(), 1..6), prop::option::of(any_template())),
            1..5,
        ),
    ) {
        prop_assume!(!all.is_empty());
        // A current context of that name is the person's.
        let root = {
            let mut root = root;
            root.as_object_mut().expect("a map").shift_remove("current-context");
            root
        };
        let mut text = text.replace("current-context: a\n", "").replace("\"current-context\": \"a\"\n", "");
        for (order, template) in &rounds {
            let order: Vec<_> = order.iter().map(|at| at.index(all.len())).collect();
            text = round(&text, &root, &all, &order, template.as_ref())?;
        }
    }
}

#[test]
fn a_context_is_made_the_current_one_if_exactly_one_is_meant() {
    let fleet = imports(&[
        name("a", "one", "s"),
        name("a", "two", "s"),
        name("b", "one", "s"),
    ]);
    let set = |text: &str, fleet: &[ClusterRun], wanted: SetCurrent| {
        let documents = files(&[text, "current-context: other\n"]);
        let targets = TargetFiles::find(&documents, "0".into(), |_| true);
        let options = MergeOptions {
            set_current: Some(wanted),
            ..MergeOptions::default()
        };
        let coverage = Coverage {
            may_set_current_context: true,
            ..coverage()
        };
        let plan = merge(&documents, &targets, fleet, &coverage, &options);
        match plan.refused {
            Some(why) => Err(why.render()),
            None => Ok(plan.files[Path::new("0")]["current-context"].clone()),
        }
    };
    let matching = |text: &str| SetCurrent::Matching(Pattern::over_any_name(text));
    for (text, context) in [
        ("b", "b"),
        ("B", "b"),
        ("TWO/a", "a-two"),
        ("a-one", "a-one"),
        ("B*", "b"),
        ("tw?/*", "a-two"),
        (&fleet[2].cluster.id.to_uppercase(), "b"),
    ] {
        assert_eq!(
            set("", &fleet, matching(text)),
            Ok(json!(context)),
            "{text}"
        );
        assert_eq!(
            set("current-context: x\n", &fleet, matching(text)),
            Ok(json!(context))
        );
    }
    assert_eq!(set("", &fleet[2..], SetCurrent::Only), Ok(json!("b")));
    // A person's other context for a cluster, by its own name.
    let (text, _) = run("", &fleet);
    let user = "{cluster: b, user: b}";
    let text = text.replacen(
        "contexts:\n",
        &format!("contexts:\n- name: mine\n  context: {user}\n"),
        1,
    );
    for (typed, context) in [
        ("mine", "mine"),
        ("MINE", "mine"),
        ("min*", "b"),
        ("b", "b"),
    ] {
        let set = set(&text, &fleet, matching(typed));
        assert_eq!(set, Ok(json!(context)), "{typed}");
    }
    for (wanted, message) in [
        (
            SetCurrent::Only,
            "`--set-current` matches 3 clusters, so nothing was written",
        ),
        (
            matching("a"),
            "`--set-current=a` matches 2 clusters, so nothing was written",
        ),
        (
            matching("one/*"),
            "`--set-current=one/*` matches 2 clusters, so nothing was written",
        ),
        (matching("a-on"), "did you mean `a-one`"),
        (
            matching("zzz"),
            "name one context, such as `--set-current=a-one`: there are `a-one`, `a-two` and `b`",
        ),
    ] {
        let why = set("", &fleet, wanted).expect_err(message);
        assert!(why.contains(message), "{why}");
    }
}
