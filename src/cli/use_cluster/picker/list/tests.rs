use super::*;
use crate::host::Host;

fn row(context: &str, group: &str, subscription: &str) -> Row {
    Row {
        columns: [context, group, subscription, "westeurope"].map(str::to_owned),
        context: context.to_lowercase(),
        all: format!("{context}\n{group}\n{subscription}").to_lowercase(),
    }
}

fn list(word: &str) -> List {
    let rows = vec![
        row("api-prod-west", "rg-api", "Production"),
        row("prod-east", "rg-prod", "Production"),
        row("dev", "rg-dev", "Sandbox"),
        row("preprod", "rg-pre", "Sandbox"),
    ];
    List::new(rows, word)
}

fn shown(list: &List) -> Vec<&str> {
    let places = list.matching.iter();
    places
        .map(|at| list.rows[*at].columns[0].as_str())
        .collect()
}

fn typed(text: &str) -> List {
    let mut list = list("");
    text.chars().for_each(|c| list.push(c));
    list
}

#[test]
fn the_best_match_is_first_and_each_word_has_to_match() {
    for (text, contexts) in [
        ("", &["api-prod-west", "prod-east", "dev", "preprod"][..]),
        ("prod", &["prod-east", "api-prod-west", "preprod"]),
        ("PROD west", &["api-prod-west"]),
        ("sandbox", &["dev", "preprod"]),
        ("pdea", &["prod-east"]),
        ("rg-dev", &["dev"]),
        ("xyz", &[]),
    ] {
        assert_eq!(shown(&typed(text)), contexts, "{text}");
    }
}

#[test]
fn what_is_typed_can_be_taken_back() {
    let mut list = typed("prod west");
    list.remove_word();
    assert_eq!(list.typed, "prod ");
    list.backspace();
    list.backspace();
    assert_eq!(list.typed, "pro");
    list.clear();
    assert_eq!(shown(&list).len(), 4);
}

#[test]
fn the_marked_one_stays_in_sight_and_in_the_list() {
    let screen = Stream::new(&Host::with_env::<&str, &str>([]), None);
    let mut list = list("");
    list.draw(80, 5, &screen);
    list.down(3);
    let drawn = list.draw(80, 5, &screen);
    assert_eq!(drawn.lines.len(), 5);
    assert!(drawn.lines[3].starts_with("> preprod"), "{:?}", drawn.lines);
    list.down(9);
    assert_eq!(list.chosen(), Some(3));
    list.page_up();
    assert_eq!(list.chosen(), Some(1));
    list.up(usize::MAX);
    assert_eq!(list.chosen(), Some(0));
    list.push('~');
    assert_eq!(list.chosen(), None);
}

#[test]
fn every_screen_is_filled_and_no_line_is_wider() {
    let screen = Stream::new(&Host::with_env::<&str, &str>([]), None);
    for (columns, rows) in [(80, 24), (40, 8), (20, 4), (5, 2), (1, 1), (200, 50)] {
        let mut list = typed("prod");
        let drawn = list.draw(columns, rows, &screen);
        assert_eq!(drawn.lines.len(), rows, "{columns}x{rows}");
        let widest = drawn.lines.iter().map(|line| width(line)).max();
        assert!(
            widest < Some(columns.max(4)),
            "{columns}x{rows}: {:?}",
            drawn.lines
        );
    }
}

#[test]
fn a_word_that_the_search_does_not_find_in_every_row_is_not_typed() {
    assert_eq!(list("prod-").typed, "");
    assert_eq!(list("d").typed, "d");
}
