use std::fmt::Write as _;

use proptest::{prelude::*, sample::select};

use super::{super::super::document::Document, *};

/// Every cluster of these is gone.
const GONE: [usize; 2] = [0, 1];

fn id(cluster: usize) -> String {
    format!("/Subscriptions/s/c{cluster}")
}

fn is_gone(item: &Value) -> bool {
    let gone = GONE.map(|cluster| id(cluster).to_ascii_lowercase());
    owner::arm_id(item).is_some_and(|id| gone.contains(&id.to_ascii_lowercase()))
}

/// Files named `0`, `1`, … that may all be changed.
fn documents<T: AsRef<str>>(texts: &[T]) -> Vec<Document<'_>> {
    let names = ["0", "1", "2"].map(Path::new);
    let files = names.into_iter().zip(texts);
    files
        .map(|(path, text)| Document::parse_file(path, text.as_ref()).expect("a kubeconfig"))
        .collect()
}

fn files<'d>(documents: &'d [Document<'_>]) -> Vec<File<'d>> {
    let files = documents.iter();
    files
        .map(|document| File {
            path: document.path().expect("it has one"),
            root: document.root(),
            may_change: true,
        })
        .collect()
}

/// Removes what is gone, and returns the texts with what was removed and kept.
fn pruned<T: AsRef<str>>(texts: &[T], confirmed: Option<&Confirmed>) -> (Vec<String>, Pruned) {
    let documents = documents(texts);
    let pruned = prune(&files(&documents), is_gone, confirmed);
    let new = documents.into_iter().map(|document| {
        let path = document.path().expect("it has one");
        match pruned.files.get(path) {
            Some(root) => document.render(root).expect("a layout that can be edited"),
            None => document.text().to_owned(),
        }
    });
    (new.collect(), pruned)
}

fn removed(pruned: &Pruned) -> Vec<(Option<&str>, Option<&str>, Option<&str>)> {
    let rows = pruned.removed.iter();
    rows.map(|row| {
        (
            row.context.as_deref(),
            row.cluster.as_deref(),
            row.user.as_deref(),
        )
    })
    .collect()
}

fn kept(pruned: &Pruned) -> Vec<(&str, String)> {
    let kept = pruned.kept.iter();
    kept.map(|one| (one.name.as_str(), format!("{:?}", one.reason)))
        .collect()
}

fn cluster(name: &str, mark: Option<usize>) -> String {
    let mark = mark.map(|cluster| extension(&format!("{{armId: {}}}", id(cluster))));
    let mark = mark.unwrap_or_default();
    format!("- name: {name}\n  cluster:\n    server: https://{name}\n{mark}")
}

fn user(name: &str, mark: &str) -> String {
    let mark = match mark {
        "" => String::new(),
        "shared" => extension("{shared: true}"),
        mark => extension(mark),
    };
    format!("- name: {name}\n  user:\n    token: {name}\n{mark}")
}

fn context(name: &str, cluster: &str, user: &str) -> String {
    format!("- name: {name}\n  context:\n    cluster: {cluster}\n    user: {user}\n")
}

fn extension(content: &str) -> String {
    format!("    extensions:\n    - name: kubectl-aad\n      extension: {content}\n")
}

fn config(clusters: &[String], contexts: &[String], users: &[String]) -> String {
    let mut text = "kind: Config\n".to_owned();
    for (list, entries) in [
        ("clusters", clusters),
        ("contexts", contexts),
        ("users", users),
    ] {
        match entries.is_empty() {
            true => writeln!(text, "{list}: []").expect("a string"),
            false => write!(text, "{list}:\n{}", entries.concat()).expect("a string"),
        }
    }
    text
}

/// Two synced clusters with one shared user. The first is gone.
fn synced() -> String {
    config(
        &[cluster("gone", Some(0)), cluster("there", Some(2))],
        &[
            context("gone", "gone", "aad:x"),
            context("there", "there", "aad:x"),
        ],
        &[user("aad:x", "shared")],
    )
}

#[test]
fn a_gone_cluster_and_its_contexts_are_removed_and_the_user_that_others_use_stays() {
    let text = synced().replace("- name: gone\n  context", "- name: mine\n  context");
    let (new, pruned) = super::tests::pruned(&[&text], None);
    assert_eq!(removed(&pruned), [(Some("mine"), Some("gone"), None)]);
    assert_eq!(
        new[0],
        config(
            &[cluster("there", Some(2))],
            &[context("there", "there", "aad:x")],
            &[user("aad:x", "shared")],
        )
    );
    assert_eq!(pruned.another.as_deref(), Some("there"));
}

#[test]
fn users_that_nothing_uses_any_more_go_in_any_file_and_others_stay() {
    let own = |cluster: usize| format!("{{armId: {}}}", id(cluster));
    let first = config(
        &[cluster("a", Some(0)), cluster("b", Some(1))],
        &[context("a", "a", "aad:x"), context("b", "b", "b")],
        &[user("unused", "shared"), user("person", "")],
    );
    let second = config(
        &[],
        &[],
        &[
            user("aad:x", "shared"),
            user("b", &own(1)),
            user("c", &own(2)),
        ],
    );
    let (new, pruned) = pruned(&[first, second], None);
    assert_eq!(
        removed(&pruned),
        [
            (Some("a"), Some("a"), Some("aad:x")),
            (Some("b"), Some("b"), Some("b")),
        ]
    );
    let left = [user("unused", "shared"), user("person", "")];
    assert_eq!(
        new,
        [
            config(&[], &[], &left),
            config(&[], &[], &[user("c", &own(2))]),
        ]
    );
}

#[test]
fn what_a_person_made_for_a_gone_cluster_stays_with_its_entry() {
    let text = config(
        &[cluster("gone", Some(0))],
        &[
            context("gone", "gone", "aad:x"),
            context("mine", "gone", "robot"),
            "- name: bare\n  context:\n    cluster: gone\n".to_owned(),
        ],
        &[user("aad:x", "shared"), user("robot", "")],
    );
    let (new, pruned) = pruned(&[&text], None);
    assert_eq!(removed(&pruned), [(Some("gone"), None, Some("aad:x"))]);
    let foreign = || format!("{:?}", KeepReason::Foreign);
    assert_eq!(kept(&pruned), [("bare", foreign()), ("mine", foreign())]);
    let left = text.replace(&context("gone", "gone", "aad:x"), "");
    assert_eq!(new[0], left.replace(&user("aad:x", "shared"), ""));
}

#[test]
fn a_context_that_would_show_another_files_context_of_the_name_stays() {
    let other = config(
        &[cluster("production", None)],
        &[context("gone", "production", "robot")],
        &[user("robot", "")],
    );
    let (new, pruned) = pruned(&[synced(), other.clone()], None);
    assert_eq!(
        kept(&pruned),
        [("gone", format!("{:?}", KeepReason::Hides))]
    );
    assert_eq!(new, [synced(), other]);
}

#[test]
fn entries_without_a_context_are_removed_and_a_missing_user_called_as_ours_is_ours() {
    let text = config(
        &[cluster("alone", Some(0)), cluster("b", Some(1))],
        &[context("b", "b", "aad:lost")],
        &[],
    );
    let (new, pruned) = pruned(&[text], None);
    assert_eq!(
        removed(&pruned),
        [(None, Some("alone"), None), (Some("b"), Some("b"), None)]
    );
    assert_eq!(new[0], config(&[], &[], &[]));
}

#[test]
fn a_file_that_may_not_be_written_keeps_its_entries() {
    let texts = [
        config(&[cluster("gone", Some(0))], &[], &[user("aad:x", "shared")]),
        config(&[], &[context("gone", "gone", "aad:x")], &[]),
    ];
    let documents = documents(&texts);
    let mut files = files(&documents);
    files[1].may_change = false;
    let pruned = prune(&files, is_gone, None);
    assert!(pruned.removed.is_empty() && pruned.files.is_empty());
    assert_eq!(
        kept(&pruned),
        [("gone", format!("{:?}", KeepReason::ReadOnly))]
    );
}

#[test]
fn what_was_changed_or_added_since_the_removal_was_confirmed_stays() {
    let text = config(
        &[cluster("a", Some(0)), cluster("b", Some(1))],
        &[context("a", "a", "aad:x"), context("b", "b", "aad:x")],
        &[user("aad:x", "shared")],
    );
    let (_, planned) = pruned(&[&text], None);
    let changed = "Changed".to_owned();
    // A namespace; another cluster; one more context.
    for (now, expected) in [
        (
            text.replace("    cluster: a\n", "    cluster: a\n    namespace: shop\n"),
            "a",
        ),
        (
            text.replace("    cluster: a\n", "    cluster: elsewhere\n"),
            "a",
        ),
        (
            text.replace(
                "contexts:\n",
                &format!("contexts:\n{}", context("new", "a", "aad:x")),
            ),
            "new",
        ),
    ] {
        assert_ne!(now, text);
        let (new, done) = pruned(&[&now], Some(&planned.to_confirm));
        let names: Vec<_> = removed(&done).into_iter().map(|row| row.0).collect();
        assert!(names.contains(&Some("b")) && !names.contains(&Some(expected)));
        assert_eq!(kept(&done), [(expected, changed.clone())]);
        assert!(new[0].contains(&format!("- name: {expected}\n  context:")));
    }
}

#[test]
fn the_current_context_is_unset_if_it_is_removed_unless_another_file_would_choose_one() {
    let current = |text: &str, name: &str| format!("{text}current-context: {name} # mine\n");
    let gone = current(&synced(), "gone");
    let (new, done) = pruned(&[&gone], None);
    assert_eq!(done.unset.as_deref(), Some("gone"));
    assert!(
        new[0].ends_with("current-context: \"\" # mine\n"),
        "{}",
        new[0]
    );
    let there = current(&synced(), "there");
    let (new, done) = pruned(&[&there], None);
    assert_eq!(done.unset, None);
    assert!(new[0].ends_with("current-context: there # mine\n"));
    let other = current(&config(&[], &[], &[]), "production");
    let (new, done) = pruned(&[gone, other.clone()], None);
    assert_eq!(done.unset, None);
    assert!(new[0].ends_with("current-context: gone # mine\n"));
    assert_eq!(new[1], other);
}

/// A generated file: names of entries are numbers, so that files and links meet.
#[derive(Debug, Clone)]
struct Generated {
    clusters: Vec<(u8, Option<usize>)>,
    contexts: Vec<(u8, u8, u8, Option<usize>)>,
    users: Vec<(u8, u8)>,
    current: Option<u8>,
    flow: bool,
}

fn generated() -> impl Strategy<Value = Generated> {
    let name = || 0..5_u8;
    let mark = || proptest::option::weighted(0.7, 0..4_usize);
    let clusters = proptest::collection::vec((name(), mark()), 0..4);
    let own = || proptest::option::weighted(0.15, 0..4_usize);
    let contexts = proptest::collection::vec((name(), name(), name(), own()), 0..5);
    let users = proptest::collection::vec((name(), 0..6_u8), 0..4);
    (
        clusters,
        contexts,
        users,
        proptest::option::of(name()),
        any::<bool>(),
    )
        .prop_map(|(clusters, contexts, users, current, flow)| Generated {
            clusters: once(clusters, |one| one.0),
            contexts: once(contexts, |one| one.0),
            users: once(users, |one| one.0),
            current,
            flow,
        })
}

/// The first of those with one name: kubectl refuses a file with two.
fn once<T>(entries: Vec<T>, name: fn(&T) -> u8) -> Vec<T> {
    let mut seen = HashSet::new();
    let mut entries = entries;
    entries.retain(|entry| seen.insert(name(entry)));
    entries
}

/// The name of a user: some are called as shared users are.
fn user_name(name: u8) -> String {
    match name {
        0 | 1 => format!("aad:{name}"),
        name => format!("n{name}"),
    }
}

impl Generated {
    fn text(&self) -> String {
        let clusters = self.clusters.iter();
        let clusters = clusters.map(|(name, mark)| cluster(&format!("n{name}"), *mark));
        let contexts = self.contexts.iter().map(|(name, cluster, user, mark)| {
            let mark = mark.map(|cluster| extension(&format!("{{armId: {}}}", id(cluster))));
            let context = context(
                &format!("n{name}"),
                &format!("n{cluster}"),
                &user_name(*user),
            );
            context + &mark.unwrap_or_default()
        });
        let users = self.users.iter().map(|(name, kind)| match kind {
            0 | 1 => user(&user_name(*name), "shared"),
            2 | 3 => user(
                &user_name(*name),
                &format!("{{armId: {}}}", id((*kind).into())),
            ),
            _ => user(&user_name(*name), ""),
        });
        let mut text = config(
            &clusters.collect::<Vec<_>>(),
            &contexts.collect::<Vec<_>>(),
            &users.collect::<Vec<_>>(),
        );
        if let Some(name) = self.current {
            writeln!(text, "current-context: n{name}").expect("a string");
        }
        match self.flow {
            true => Value::Object(Document::parse(&text).expect("YAML").root().clone()).to_string(),
            false => text,
        }
    }
}

/// What kubectl sees of files: of entries with one name the first.
fn seen(documents: &[Document<'_>], section: Section) -> BTreeMap<String, Value> {
    let mut seen = BTreeMap::new();
    for entry in documents.iter().flat_map(|one| one.entries(section)) {
        let name = entry["name"].as_str().expect("a name").to_owned();
        seen.entry(name)
            .or_insert_with(|| entry[section.item()].clone());
    }
    seen
}

/// Each context that kubectl sees, with its cluster and user.
fn meanings(documents: &[Document<'_>]) -> BTreeMap<String, [Option<Value>; 3]> {
    let [clusters, users] = [Section::Clusters, Section::Users].map(|one| seen(documents, one));
    let contexts = seen(documents, Section::Contexts).into_iter();
    contexts
        .map(|(name, context)| {
            let named = |all: &BTreeMap<String, Value>, key: &str| {
                all.get(context[key].as_str().unwrap_or_default()).cloned()
            };
            let [cluster, user] = [named(&clusters, "cluster"), named(&users, "user")];
            (name, [Some(context), cluster, user])
        })
        .collect()
}

/// The views that people may have: all files, and each file alone.
fn views(texts: &[String]) -> Vec<&[String]> {
    std::iter::once(texts).chain(texts.chunks(1)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_context_that_stays_changes_its_meaning_and_nothing_foreign_is_removed(
        generated in proptest::collection::vec(generated(), 1..4),
    ) {
        let texts: Vec<String> = generated.iter().map(Generated::text).collect();
        let (new, done) = pruned(&texts, None);
        let mut lead_to_gone = HashSet::new();
        for view in views(&texts) {
            for (name, [context, cluster, _]) in meanings(&documents(view)) {
                if [context, cluster].iter().flatten().any(is_gone) {
                    lead_to_gone.insert(name);
                }
            }
        }
        for (before, after) in views(&texts).into_iter().zip(views(&new)) {
            let (before, after) = (meanings(&documents(before)), meanings(&documents(after)));
            for (name, meaning) in &before {
                match after.get(name) {
                    Some(now) => prop_assert_eq!(now, meaning),
                    None => {
                        let [_, cluster, user] = meaning;
                        prop_assert!(lead_to_gone.contains(name), "{}", name);
                        prop_assert!(cluster.as_ref().is_none_or(is_gone), "{}", name);
                        prop_assert!(user.as_ref().is_none_or(owner::is_ours), "{}", name);
                    }
                }
            }
            prop_assert!(after.keys().all(|name| before.contains_key(name)));
        }
        let (before, after) = (documents(&texts), documents(&new));
        for (before, after) in before.iter().zip(&after) {
            for section in Section::ALL {
                let left = after.entries(section);
                let gone = before.entries(section).iter().filter(|entry| !left.contains(entry));
                for entry in gone {
                    let item = &entry[section.item()];
                    let may_go = match section {
                        Section::Clusters => is_gone(item),
                        Section::Users => is_gone(item) || owner::is_shared(item),
                        Section::Contexts => true,
                    };
                    prop_assert!(may_go, "{}", entry["name"]);
                }
                prop_assert!(left.iter().all(|entry| before.entries(section).contains(entry)));
            }
        }
        let current = |documents: &[Document<'_>]| {
            let mut all = documents.iter().filter_map(|one| current_context(one.root()));
            all.next().map(str::to_owned)
        };
        let (was, is) = (current(&before), current(&after));
        prop_assert_eq!(done.unset.is_some(), was != is);
        prop_assert!(was == is || is.is_none() && done.unset == was);
    }

    #[test]
    fn a_second_prune_finds_nothing_and_a_confirmed_plan_is_what_is_done(
        generated in proptest::collection::vec(generated(), 1..4),
    ) {
        let texts: Vec<String> = generated.iter().map(Generated::text).collect();
        let (new, plan) = pruned(&texts, None);
        let (done, told) = pruned(&texts, Some(&plan.to_confirm));
        prop_assert_eq!(&done, &new);
        prop_assert_eq!(&told.removed, &plan.removed);
        prop_assert_eq!(&told.unset, &plan.unset);
        let (again, second) = pruned(&new, None);
        prop_assert_eq!(again, new);
        prop_assert_eq!(&second.removed, &[]);
        prop_assert_eq!(kept(&second), kept(&plan));
    }

    #[test]
    fn where_nothing_is_gone_nothing_changes_and_of_what_was_not_confirmed_nothing_either(
        generated in proptest::collection::vec(generated(), 1..4),
    ) {
        let texts: Vec<String> = generated.iter().map(Generated::text).collect();
        let documents = documents(&texts);
        let nothing = prune(&files(&documents), |_| false, None);
        prop_assert!(nothing.files.is_empty() && nothing.removed.is_empty() && nothing.kept.is_empty());
        let (new, done) = pruned(&texts, Some(&Confirmed::default()));
        prop_assert!(done.removed.iter().all(|row| row.context.is_none() && row.cluster.is_none()));
        let contexts = |texts: &[String]| meanings(&super::tests::documents(texts));
        prop_assert_eq!(contexts(&new), contexts(&texts));
    }

    #[test]
    fn lines_of_others_stay_byte_by_byte(
        mut generated in generated(),
        comment in select(vec!["", "# mine\n", "x-mine: 1 # kept\n"]),
    ) {
        generated.flow = false;
        let text = format!("{comment}{}", generated.text());
        let (new, _) = pruned(&[&text], None);
        prop_assert!(new[0].starts_with(comment));
        let mut lines = text.lines();
        for line in new[0].lines().filter(|line| !line.ends_with(": []") && !line.starts_with("current-context")) {
            prop_assert!(lines.any(|old| old == line), "`{}` of\n{}", line, new[0]);
        }
    }
}
