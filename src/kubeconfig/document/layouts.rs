//! Edits kubeconfigs in 2,000 layouts: the rest keeps its bytes, and another YAML reader sees the intended
//! value.

#[path = "../../../tests/it/layout.rs"]
mod layout;

use super::*;
use crate::{
    error::Failure,
    host::Host,
    kubeconfig::convert::{Request, Selection, UserAction, convert_all},
    login::{MODES, Origin, Param, Settings},
};
use layout::{Layout, Random};
use serde_json::json;

const LAYOUTS: u64 = 2_000;

/// The first document as read by libyaml, which most other programs use.
fn read_by_another(text: &str) -> Value {
    use serde::Deserialize as _;
    let text = text.trim_start_matches('\u{feff}');
    let mut documents = serde_yaml::Deserializer::from_str(text);
    let first = documents.next().expect("a document");
    let mut value = serde_yaml::Value::deserialize(first).expect("YAML");
    value.apply_merge().expect("merges");
    serde_json::to_value(value).expect("JSON")
}

fn converted(layout: &Layout, mode: &str) -> Option<(Value, Result<String>)> {
    let mut given = Settings::new();
    given.set(Param::Login, mode, Origin::Flag);
    given.set(Param::ClientId, "new-client", Origin::Flag);
    let host = Host::with_env::<&str, &str>([]);
    let dir = (mode == "azurecli").then(|| "/az".to_owned());
    let request = Request::new(given, &host, "kubectl-aad", dir, false).expect("valid flags");
    let document = Document::parse(&layout.text).expect("a kubeconfig");
    let selection = Selection::Contexts(vec![format!("x{}", layout.target)]);
    let mut all =
        convert_all(std::slice::from_ref(&document), &selection, &request).expect("a context");
    if all.outcomes[0].action != UserAction::Converted {
        return None;
    }
    let users = all.users.remove(0);
    let mut expected = Value::Object(document.root().clone());
    for (i, user) in &users {
        expected["users"][i]["user"] = Value::Object(user.clone());
    }
    Some((expected, document.replace(Section::Users, users)))
}

/// The comments of a text that are neither in a list of arguments nor in a string.
fn comments(text: &str) -> Vec<&str> {
    text.split("# c")
        .skip(1)
        .filter_map(|rest| rest.split(": 'it'").next())
        .collect()
}

fn is_refusal(failure: &Failure) -> bool {
    failure.message().contains("without losing something")
}

/// Whether a text has what prevents some changes: anchors and aliases, or a multi-line text without its
/// last line break.
fn may_refuse(layout: &Layout) -> bool {
    let text = &layout.text;
    layout.alias.is_some() || text.contains('&') || (text.contains(": |") && !text.ends_with('\n'))
}

#[test]
fn a_conversion_changes_only_the_bytes_of_its_user_in_every_layout() {
    let mut refused = 0;
    for number in 0..LAYOUTS {
        let layout = Layout::new(number);
        let text = &layout.text;
        let value = read_by_another(text);
        let document = Document::parse(text).expect("a kubeconfig");
        assert_eq!(
            Value::Object(document.root().clone()),
            value,
            "layout {number}:\n{text}"
        );
        let mode = MODES[number as usize % MODES.len()].name;
        let Some((expected, out)) = converted(&layout, mode) else {
            continue;
        };
        let out = match out {
            Ok(out) => out,
            Err(failure) if is_refusal(&failure) && may_refuse(&layout) => {
                refused += 1;
                continue;
            }
            Err(error) => panic!("layout {number} to {mode}: {error}\n{text}"),
        };
        let (head, tail) = (&text[..layout.range.start], &text[layout.range.end..]);
        assert!(
            out.starts_with(head),
            "layout {number} to {mode}:\n{text}\n=>\n{out}"
        );
        assert!(
            out.ends_with(tail),
            "layout {number} to {mode}:\n{text}\n=>\n{out}"
        );
        assert_eq!(
            comments(&out),
            comments(text),
            "layout {number} to {mode}:\n{text}\n=>\n{out}"
        );
        assert_eq!(
            read_by_another(&out),
            expected,
            "layout {number} to {mode}:\n{text}\n=>\n{out}"
        );
    }
    assert!(
        refused < LAYOUTS / 20,
        "{refused} of {LAYOUTS} were refused"
    );
}

#[test]
fn adding_changing_and_removing_an_entry_changes_no_other_byte_in_every_layout() {
    let mut refused = 0;
    for number in 0..LAYOUTS {
        let layout = Layout::new(number);
        let text = &layout.text;
        let mut random = Random(number);
        let section = Section::ALL[random.below(3)];
        let (list, item) = (section.list(), section.item());
        let mut root = read_by_another(text);
        let entries = root[list].as_array_mut().expect("a list");
        let edit = random.below(3);
        let place = random.below(3);
        match edit {
            0 => entries.push(json!({item: {"a": "b", "list": ["x", {"y": "z"}]}, "name": "new"})),
            1 => entries[place][item]["extra"] = json!({"a": ["b"]}),
            _ => drop(entries.remove(place)),
        }
        let document = Document::parse(text).expect("a kubeconfig");
        let out = match document.render(root.as_object().expect("a map")) {
            Ok(out) => out,
            Err(failure) if is_refusal(&failure) && may_refuse(&layout) => {
                refused += 1;
                continue;
            }
            Err(error) => panic!("layout {number}, edit {edit}: {error}\n{text}"),
        };
        assert_eq!(
            read_by_another(&out),
            root,
            "layout {number}, edit {edit}:\n{text}\n=>\n{out}"
        );
        if section == Section::Users && layout.alias.is_some_and(|(_, alias)| alias == place) {
            continue;
        }
        // One insertion or one removal; the rest is unchanged.
        let same = |(a, b): &(u8, u8)| a == b;
        let head = text.bytes().zip(out.bytes()).take_while(same).count();
        let tail = text
            .bytes()
            .rev()
            .zip(out.bytes().rev())
            .take_while(same)
            .count();
        assert!(
            head + tail >= text.len().min(out.len()),
            "layout {number}, edit {edit}:\n{text}\n=>\n{out}"
        );
    }
    assert!(
        refused < LAYOUTS / 20,
        "{refused} of {LAYOUTS} were refused"
    );
}

/// Sets the current context of a text, as `sync` does. Also returns the value that the result must have.
fn with_current_context(text: &str, value: Option<Value>) -> (Value, Result<String>) {
    let document = Document::parse(text).expect("a kubeconfig");
    let mut root = document.root().clone();
    match value {
        Some(value) => root.insert("current-context".to_owned(), value),
        None => root.shift_remove("current-context"),
    };
    let out = document.render(&root);
    (Value::Object(root), out)
}

#[test]
fn setting_the_current_context_changes_only_its_value_in_every_layout() {
    let mut refused = 0;
    for number in 0..LAYOUTS {
        let layout = Layout::new(number);
        let before = [Some(json!("x0")), Some(json!("")), Some(Value::Null), None];
        let before = before[number as usize % before.len()].clone();
        let Ok(text) = with_current_context(&layout.text, before).1 else {
            refused += 1;
            continue;
        };
        let (expected, out) = with_current_context(&text, Some(json!("new")));
        let out = match out {
            Ok(out) => out,
            Err(failure) if is_refusal(&failure) && may_refuse(&layout) => {
                refused += 1;
                continue;
            }
            Err(error) => panic!("layout {number}: {error}\n{text}"),
        };
        assert_eq!(read_by_another(&out), expected, "layout {number}:\n{out}");
        let same = |(a, b): &(u8, u8)| a == b;
        let head = text.bytes().zip(out.bytes()).take_while(same).count();
        let rest = (text[head..].bytes().rev()).zip(out[head..].bytes().rev());
        let tail = rest.take_while(same).count();
        // With its anchor or tag, if it has one.
        let changed = &text[head..text.len() - tail];
        assert!(
            changed.len() <= "!!str 'null'".len() && !changed.contains(['\n', '#', ':']),
            "layout {number}: {changed:?} of\n{text}\n=>\n{out}"
        );
    }
    assert!(
        refused < LAYOUTS / 20,
        "{refused} of {LAYOUTS} were refused"
    );
}
