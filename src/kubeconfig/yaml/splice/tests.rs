use super::*;
use proptest::prelude::*;
use serde_json::json;

/// Changes the value of `text` by `change` and returns the new text.
fn edited(text: &str, change: impl FnOnce(&mut Value)) -> Result<String, YamlError> {
    let tree = parse(text)?;
    let mut value = tree.root.as_ref().map_or_else(|| json!({}), Node::to_json);
    change(&mut value);
    let new = value.as_object().expect("a mapping");
    splice(text, tree, new, &NewNames::new())
}

fn push(list: &'static str, item: Value) -> impl FnOnce(&mut Value) {
    move |value| {
        if !value[list].is_array() {
            value[list] = json!([]);
        }
        value[list].as_array_mut().expect("a list").push(item);
    }
}

const MESSY: &str = "# mine\napiVersion: v1\nclusters:\n# the first\n- name: 'a' # keep\n  cluster:\n    server: \"https://a\"   # quoted\n    hint: |\n      x\n\n      y\n# between\n- cluster: {server: https://b}\n  name: b\n# after\ncontexts: null # none\nusers: []\nkind: Config\n# end\n";

#[test]
fn an_entry_is_added_and_no_other_byte_changes() {
    let out = edited(
        MESSY,
        push(
            "clusters",
            json!({"name": "c", "cluster": {"server": "https://c"}}),
        ),
    );
    let expected = MESSY.replace(
        "  name: b\n",
        "  name: b\n- name: c\n  cluster:\n    server: https://c\n",
    );
    assert_eq!(out.as_deref(), Ok(expected.as_str()));
}

#[test]
fn a_changed_field_replaces_only_that_field() {
    let out = edited(MESSY, |v| {
        v["clusters"][0]["cluster"]["server"] = json!("https://z")
    });
    assert_eq!(out, Ok(MESSY.replace("\"https://a\"", "https://z")));
    let out = edited(MESSY, |v| v["clusters"][0]["cluster"]["hint"] = json!("on"));
    assert_eq!(
        out,
        Ok(MESSY.replace("|\n      x\n\n      y\n", "\"on\"\n"))
    );
    let out = edited(MESSY, |v| {
        v["clusters"][1]["cluster"]["server"] = json!("https://z")
    });
    assert_eq!(out, Ok(MESSY.replace("https://b", "\"https://z\"")));
}

#[test]
fn null_and_empty_lists_grow_into_block_lists() {
    let out = edited(MESSY, push("users", json!({"name": "u", "user": {}})));
    assert_eq!(
        out,
        Ok(MESSY.replace("users: []", "users:\n- name: u\n  user: {}"))
    );
    let out = edited(MESSY, push("contexts", json!({"name": "u"})));
    assert_eq!(
        out,
        Ok(MESSY.replace("contexts: null", "contexts:\n- name: u"))
    );
    let out = edited(
        "users:\nkind: Config\n",
        push("users", json!({"name": "u"})),
    );
    assert_eq!(out.as_deref(), Ok("users:\n- name: u\nkind: Config\n"));
}

#[test]
fn entries_and_fields_are_removed_by_line() {
    let out = edited(MESSY, |v| {
        v["clusters"].as_array_mut().expect("a list").remove(1);
    });
    assert_eq!(
        out,
        Ok(MESSY.replace("- cluster: {server: https://b}\n  name: b\n", ""))
    );
    let out = edited(MESSY, |v| {
        let cluster = v["clusters"][0]["cluster"].as_object_mut().expect("a map");
        cluster.shift_remove("hint");
    });
    assert_eq!(
        out,
        Ok(MESSY.replace("    hint: |\n      x\n\n      y\n", ""))
    );
    let out = edited("- a\n", |v| *v = json!({}));
    assert!(out.is_err(), "a list is not a kubeconfig");
    let text = "users:\n- user: {}\n  name: a # keep\n";
    let out = edited(text, |v| {
        v["users"][0]
            .as_object_mut()
            .expect("a map")
            .shift_remove("user");
    });
    assert_eq!(out.as_deref(), Ok("users:\n- name: a # keep\n"));
}

#[test]
fn indented_lists_crlf_a_missing_last_newline_and_a_mark_are_kept() {
    let text = "\u{feff}users:\r\n    - name: a\r\n      user: {}\r\nkind: Config";
    let out = edited(text, |v| {
        v["new"] = json!("x");
        push("users", json!({"name": "b", "user": {"k": "v"}}))(v);
    });
    assert_eq!(
        out.as_deref(),
        Ok(
            "\u{feff}users:\r\n    - name: a\r\n      user: {}\r\n    - name: b\r\n      user:\r\n        k: v\r\nkind: Config\r\nnew: x\r\n"
        )
    );
}

#[test]
fn json_stays_json() {
    let text = "{\"users\": [{\"name\": \"a\"}], \"clusters\": [], \"n\": 1}\n";
    let out = edited(text, |v| {
        push("users", json!({"name": "b"}))(v);
        push("clusters", json!({"name": "c"}))(v);
    })
    .expect("spliced");
    assert_eq!(
        out,
        "{\"users\": [{\"name\": \"a\"}, {\"name\": \"b\"}], \"clusters\": [{\"name\": \"c\"}], \"n\": 1}\n"
    );
    assert!(serde_json::from_str::<Value>(&out).is_ok());
}

#[test]
fn all_items_of_a_bracketed_list_can_be_replaced() {
    let user = |name: &str| json!({"name": name, "user": {}});
    let replace = |value: &mut Value| value["users"] = json!([user("c")]);
    let text = json!({"users": [user("a"), user("b")], "kind": "Config"}).to_string();
    let expected = json!({"users": [user("c")], "kind": "Config"}).to_string();
    let out = edited(&text, replace).expect("edited");
    assert_eq!(out.replace(' ', ""), expected);
    let with_comment = "users: [{name: a}, # mine\n  {name: b}]\n";
    assert!(edited(with_comment, replace).is_err());
}

#[test]
fn an_empty_file_and_one_of_comments_get_the_entries_at_the_end() {
    for text in ["", "# mine\n", "---\n", "# mine"] {
        let out = edited(text, push("users", json!({"name": "u"}))).expect("spliced");
        assert!(
            out.starts_with(text) && out.ends_with("users:\n- name: u\n"),
            "{out}"
        );
    }
}

#[test]
fn anchors_elsewhere_stay_and_a_shared_value_is_not_changed_for_both() {
    let text = "base: &b {x: 1}\nusers:\n- name: a\n  user: *b\n- name: c\n  user:\n    <<: *b\n";
    let out = edited(text, push("users", json!({"name": "d"})));
    assert_eq!(out, Ok(format!("{text}- name: d\n")));
    let out = edited(text, |v| v["users"][0]["user"]["x"] = json!(2));
    assert_eq!(out, Ok(text.replace("user: *b", "user:\n    x: 2")));
    let out = edited(text, |v| v["users"][1]["user"]["x"] = json!(2));
    assert_eq!(out, Ok(format!("{text}    x: 2\n")));
    let out = edited(text, |v| v["base"]["x"] = json!(2));
    assert!(
        matches!(out, Err(YamlError::Unspliceable { .. })),
        "{out:?}"
    );
}

#[test]
fn an_inherited_key_can_be_removed() {
    let text =
        "base: &b {token: t}\nusers:\n- name: a\n  user:\n    <<: *b\n    exec: {command: x}\n";
    let out = edited(text, |v| {
        v["users"][0]["user"]
            .as_object_mut()
            .expect("a map")
            .shift_remove("token");
    })
    .expect("spliced");
    assert_eq!(
        out,
        "base: &b {token: t}\nusers:\n- name: a\n  user:\n    exec:\n      command: x\n"
    );
}

#[test]
fn an_unchanged_value_keeps_its_text_in_any_form() {
    let odd = "contexts:\n-\n  &c\n  name: x   # keep\n  context: {cluster: a, user: b}\n";
    for text in [
        odd,
        "? users\n: - name: a\n    user: {}\nkind: Config\n",
        "base: &b {x: 1}\nusers:\n- name: a\n  user:\n    <<: *b\n",
        "users:\n- name: a\n  user: {x: 1, x: 2}\n",
        "users:\n-\n\t# tab\n  name: a\n",
        "users:\r\n- !!map\r\n  name: a\r\n- {name: b}\r\n",
        "users: [{name: a}, {name: b}]\nlist: [1, 2]\nn: {}\n",
    ] {
        if parse(text).is_ok() {
            assert_eq!(edited(text, |_| {}).as_deref(), Ok(text));
        }
    }
    let out = edited(&format!("{odd}users:\n- name: a\n  user: {{}}\n"), |v| {
        v["users"][0]["user"] = json!({"k": "v"});
    });
    let changed = format!("{odd}users:\n- name: a\n  user:\n    k: v\n");
    assert_eq!(out, Ok(changed));
}

#[test]
fn only_the_first_document_is_changed() {
    let text = "users:\n- name: a\n---\nusers:\n- name: z\n";
    let out = edited(text, push("users", json!({"name": "b"})));
    assert_eq!(
        out.as_deref(),
        Ok("users:\n- name: a\n- name: b\n---\nusers:\n- name: z\n")
    );
    assert!(edited("---\n---\na: b\n", push("users", json!({"name": "b"}))).is_err());
}

#[test]
fn duplicate_keys_are_kept_or_refused_but_never_dropped() {
    let text = "x: {a: 1, a: 2}\nusers:\n- name: a\n";
    let out = edited(text, push("users", json!({"name": "b"})));
    assert_eq!(out, Ok(format!("{text}- name: b\n")));
    let out = edited(
        "users: []\nusers: []\n",
        push("users", json!({"name": "b"})),
    );
    assert!(
        matches!(out, Err(YamlError::Unspliceable { .. })),
        "{out:?}"
    );
}

#[test]
fn numbers_in_unusual_notation_stay_as_written() {
    let text = "a: [{x: 0x1F, y: 1_000}, {name: b}]\n";
    let out = edited(text, |v| {
        v["a"].as_array_mut().expect("a list").remove(1);
    });
    assert_eq!(out.as_deref(), Ok("a: [{x: 0x1F, y: 1_000}]\n"));
    let out = edited("a: {b: {x: 0x1F}, c: {d: 1}}\n", |v| {
        v["a"]["b"]["y"] = json!([]);
        v["a"]["c"] = json!("z");
    });
    assert_eq!(
        out.as_deref(),
        Ok("a: {b: {x: 0x1F, \"y\": []}, c: \"z\"}\n")
    );
}

/// Entries as people and programs write them, with different names.
fn odd_entries() -> impl Strategy<Value = String> {
    let form = prop::sample::select(vec![
        "- name: N\n  user:\n    k: v\n    x: 1\n",
        "- {name: N, user: {k: v}}\n",
        "-\n  &aN\n  name: N # kept\n  user: {x: 1}\n",
        "- name: N\n  user:\n    <<: *b\n    y: 2\n",
        "- name: N\n  user: {<<: *b, y: 2}\n",
        "- user: *b\n  name: N\n",
        "# a comment\n- name: N\n",
        "- name: N\n  user: {x: 1, x: 2}\n",
        "- name: N\n  user:\n    list: [0x1F, on]\n    k: |\n      two\n      lines\n",
    ]);
    (prop::collection::vec(form, 0..4), any::<bool>()).prop_map(|(forms, crlf)| {
        let mut text = "base: &b {x: 1, z: t}\nusers:\n".to_owned();
        for (n, form) in forms.iter().enumerate() {
            text.push_str(&form.replace('N', &format!("n{n}")));
        }
        text.push_str("kind: Config\n");
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        text
    })
}

proptest! {
    #[test]
    fn an_edit_is_made_or_refused_and_nothing_else_changes_a_text(
        text in odd_entries(),
        edits in prop::collection::vec((0..3usize, 0..6u8, "[kxyz]"), 0..3),
    ) {
        let mut new = parse(&text).expect("YAML").root.expect("a root").to_json();
        let old = new.clone();
        for (place, edit, key) in edits {
            let Some(users) = new["users"].as_array_mut() else { continue };
            match (users.get_mut(place).and_then(Value::as_object_mut), edit) {
                (Some(entry), 0) => drop(entry.shift_remove("user")),
                (Some(entry), 1 | 2) => {
                    if let Some(user) = entry.get_mut("user").and_then(Value::as_object_mut) {
                        user.shift_remove(&key);
                    }
                }
                (Some(entry), 3) => drop(entry.insert("user".to_owned(), json!({ key: "new" }))),
                (Some(_), 4) => drop(users.remove(place)),
                _ => users.push(json!({"name": format!("added {place}"), "user": {}})),
            }
        }
        let out = edited(&text, |value| *value = new.clone());
        match out {
            Ok(out) => {
                let read = parse(&out).expect("YAML").root.expect("a root").to_json();
                prop_assert_eq!(&read, &new, "{}", out);
                prop_assert!(new != old || out == text, "{}", out);
            }
            Err(error) => prop_assert!(new != old, "{}", error),
        }
    }
}
