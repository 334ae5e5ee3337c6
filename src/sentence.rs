//! Names, counts and times as parts of a sentence.

use std::time::Duration;

/// How many names [`some_of`] shows at most.
const SHOWN: usize = 6;

/// Each name in backquotes.
pub(crate) fn quoted<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Vec<String> {
    let names = names.into_iter();
    names.map(|name| format!("`{}`", name.as_ref())).collect()
}

/// A count with its unit: `1 cluster`, `3 clusters`.
pub(crate) fn counted(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// A time to a tenth of a second: `0.4 s`, `2.1 s`, `1 min 5 s`.
pub(crate) fn seconds(time: Duration) -> String {
    let tenths = (time.as_millis() + 50) / 100;
    match tenths {
        ..600 => format!("{}.{} s", tenths / 10, tenths % 10),
        _ => format!("{} min {} s", tenths / 600, tenths / 10 % 60),
    }
}

/// All names, with a `word` before the last one: `a, b and c`.
pub(crate) fn all_of<S: AsRef<str>>(names: &[S], word: &str) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => {
            format!("{} {word} {}", comma_separated(first), last.as_ref())
        }
        names => comma_separated(names),
    }
}

/// The first `limit` names, and how many more there are: `a, b and 3 more`. If there are no more: `a, b`.
pub(crate) fn first_of<S: AsRef<str>>(names: &[S], limit: usize) -> String {
    let shown = comma_separated(&names[..names.len().min(limit)]);
    match names.len().saturating_sub(limit) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// All names if there are at most `limit`, else the first ones: `a, b and c`, or `a, b and 3 more`.
pub(crate) fn at_most<S: AsRef<str>>(limit: usize, names: &[S]) -> String {
    match names.len() <= limit {
        true => all_of(names, "and"),
        false => first_of(names, limit),
    }
}

/// Names that people gave, in backquotes, at most six: `` `a`, `b` and 3 more ``.
pub(crate) fn some_of<S: AsRef<str>>(names: &[S]) -> String {
    at_most(SHOWN, &quoted(names))
}

fn comma_separated<S: AsRef<str>>(names: &[S]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["a", "b", "c", "d"];

    #[test]
    fn a_time_has_tenths_below_a_minute() {
        for (milliseconds, text) in [
            (0, "0.0 s"),
            (2_149, "2.1 s"),
            (2_150, "2.2 s"),
            (59_949, "59.9 s"),
            (59_950, "1 min 0 s"),
            (125_000, "2 min 5 s"),
        ] {
            assert_eq!(seconds(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn all_names_are_joined_by_commas_and_a_word() {
        assert_eq!(all_of(&NAMES[..0], "or"), "");
        assert_eq!(all_of(&NAMES[..1], "or"), "a");
        assert_eq!(all_of(&NAMES[..2], "or"), "a or b");
        assert_eq!(all_of(&quoted(&NAMES[..3]), "and"), "`a`, `b` and `c`");
    }

    #[test]
    fn of_many_names_the_first_are_shown_and_the_others_counted() {
        assert_eq!(first_of(&NAMES[..0], 2), "");
        assert_eq!(first_of(&NAMES[..2], 2), "a, b");
        assert_eq!(first_of(&NAMES, 2), "a, b and 2 more");
        assert_eq!(at_most(3, &NAMES[..0]), "");
        assert_eq!(at_most(3, &NAMES[..3]), "a, b and c");
        assert_eq!(at_most(3, &NAMES), "a, b, c and 1 more");
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        assert_eq!(some_of(&names[..1]), "`a`");
        assert_eq!(some_of(&names), "`a`, `b`, `c`, `d`, `e`, `f` and 2 more");
    }
}
