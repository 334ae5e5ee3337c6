//! `--namespace`: for the cluster's own context, if it has none.

use super::*;

fn run_with(text: &str, imports: &[ClusterRun], namespace: &str) -> (String, Vec<Planned>) {
    let files = files(&[text]);
    let targets = TargetFiles::find(&files, "0".into(), |_| true);
    let options = MergeOptions {
        namespace: Some(namespace.to_owned()),
        ..MergeOptions::default()
    };
    let plan = merge(&files, &targets, imports, &coverage(), &options);
    let root = &plan.files[Path::new("0")];
    let planned = plan.clusters.iter().filter_map(ClusterRun::planned);
    let planned = planned.cloned().collect();
    (document(text).render(root).expect("written"), planned)
}

fn namespace(text: &str, context: &str) -> Option<String> {
    let file = document(text);
    let item = file.item(Section::Contexts, context)?;
    item.get("namespace")?.as_str().map(str::to_owned)
}

#[test]
fn a_context_without_a_namespace_gets_it_and_keeps_it() {
    let imports = imports(&[name("a", "rg", "s")]);
    let (plain, _) = run("", &imports);
    assert_eq!(namespace(&plain, "a"), None);
    for before in [&plain, ""] {
        let (text, planned) = run_with(before, &imports, "team");
        assert_eq!(namespace(&text, "a").as_deref(), Some("team"));
        let [planned] = &planned[..] else {
            panic!("{planned:?}")
        };
        match before.is_empty() {
            true => assert_eq!(planned.action, Action::Added),
            false => assert_eq!(planned.changes, [Change::Namespace]),
        }
        let (again, planned) = run_with(&text, &imports, "other");
        assert_eq!(again, text);
        assert_eq!(planned[0].action, Action::Unchanged);
        assert_eq!(run(&text, &imports).0, text, "without the flag it stays");
    }
}

#[test]
fn a_persons_context_keeps_what_it_has() {
    let imports = imports(&[name("a", "rg", "s"), name("b", "rg", "s")]);
    let (text, _) = run("", &imports);
    let mine = "- name: mine\n  context: {cluster: a, user: 'aad:azurecli'}\n- name: own\n  context: {cluster: b, user: me}\n";
    let text = edited(&text, "contexts:\n", &format!("contexts:\n{mine}"));
    let text = edited(
        &text,
        "users:\n",
        "users:\n- name: me\n  user: {token: t}\n",
    );
    let text = edited(
        &text,
        "    cluster: b\n    user: aad:azurecli\n",
        "    cluster: b\n    user: me\n",
    );
    let (new, _) = run_with(&text, &imports, "team");
    assert_eq!(namespace(&new, "a").as_deref(), Some("team"));
    for context in ["mine", "own", "b"] {
        assert_eq!(namespace(&new, context), None, "{context}");
    }
}

#[test]
fn an_empty_namespace_is_none() {
    let imports = imports(&[name("a", "rg", "s")]);
    let (text, _) = run("", &imports);
    let empty = edited(
        &text,
        "    cluster: a\n    user",
        "    cluster: a\n    namespace: \"\"\n    user",
    );
    let (new, _) = run_with(&empty, &imports, "team");
    assert_eq!(namespace(&new, "a").as_deref(), Some("team"));
}
