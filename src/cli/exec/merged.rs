//! Makes one table of those that kubectl printed for several clusters.

use crate::cli::report::{Column, table};

const CLUSTER: &str = "CLUSTER";

/// A table of kubectl's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KubectlTable {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl KubectlTable {
    /// Reads a table: headings in upper case, with at least two spaces between them, and cells that begin below them. None if it
    /// is anything else. Go's tabwriter aligns columns by characters.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let header: Vec<char> = lines.next()?.chars().collect();
        let starts = starts(&header)?;
        let headings = cells(&header, &starts)?;
        if !headings.iter().all(|heading| is_heading(heading)) {
            return None;
        }
        let rows = lines.map(|line| {
            let line: Vec<char> = line.chars().collect();
            match line.iter().all(|c| c.is_whitespace()) {
                true => None,
                false => cells(&line, &starts),
            }
        });
        Some(Self {
            rows: rows.collect::<Option<_>>()?,
            headings,
        })
    }
}

/// Where columns begin.
fn starts(header: &[char]) -> Option<Vec<usize>> {
    if header.first().is_none_or(|c| c.is_whitespace()) {
        return None;
    }
    let begins = |at: &usize| {
        *at == 0 || (header[*at] != ' ' && *at >= 2 && header[at - 2..*at] == [' ', ' '])
    };
    Some((0..header.len()).filter(begins).collect())
}

/// The cells of a line; none if one reaches into the next column.
fn cells(line: &[char], starts: &[usize]) -> Option<Vec<String>> {
    let ends = starts.iter().skip(1).map(|start| Some(*start));
    let cells = starts.iter().zip(ends.chain([None])).map(|(start, end)| {
        let end = end.unwrap_or(line.len()).min(line.len());
        let touches = *start > 0 && *start <= line.len() && line[start - 1] != ' ';
        let cell: String = line.get(*start..end).unwrap_or_default().iter().collect();
        (!touches).then(|| cell.trim_end().to_owned())
    });
    cells.collect()
}

/// `NAME`, `LAST SEEN`, `CPU(cores)`, `MEMORY%`.
fn is_heading(text: &str) -> bool {
    let name = text.split('(').next().unwrap_or_default();
    let of_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || " -_/%.:".contains(c);
    name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(of_name)
}

/// One table of all.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MergedTable {
    pub(super) text: String,
    /// The columns for which there is no room.
    pub(super) omitted: Vec<String>,
}

/// One table of all, in at most `width` columns; none if they have different columns, or no rows.
pub(super) fn merged(tables: &[(&str, KubectlTable)], width: Option<usize>) -> Option<MergedTable> {
    let (_, first) = tables.first()?;
    let alike = tables.iter().all(|(_, one)| one.headings == first.headings);
    if !alike || tables.iter().all(|(_, one)| one.rows.is_empty()) {
        return None;
    }
    let columns = columns(&first.headings);
    let rows = tables.iter().flat_map(|(context, one)| {
        let row = |row: &Vec<String>| [&[(*context).to_owned()], &row[..]].concat();
        one.rows.iter().map(row)
    });
    let text = table(&columns, rows.collect(), width);
    let shown: Vec<&str> = text.lines().next()?.split("  ").map(str::trim).collect();
    let headings = first.headings.iter();
    let omitted = headings.filter(|name| !shown.contains(&name.as_str()));
    let omitted = omitted.cloned().collect();
    Some(MergedTable { text, omitted })
}

/// What a terminal has no room for is omitted from the right, except what says which object it is and how it does.
fn columns(headings: &[String]) -> Vec<Column<'_>> {
    let importance = |at: usize, heading: &str| match heading {
        "NAME" => u8::MAX - 1,
        "STATUS" | "READY" | "NAMESPACE" => u8::MAX - 2,
        _ => (u8::MAX - 3).saturating_sub(u8::try_from(at).unwrap_or(u8::MAX)),
    };
    let own = headings.iter().enumerate();
    let own = own.map(|(at, heading)| Column::new(heading, importance(at, heading)));
    [Column::new(CLUSTER, u8::MAX)]
        .into_iter()
        .chain(own)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: &str = "\
NAME                 STATUS   ROLES    AGE   VERSION
aks-system-vmss0     Ready    <none>   1y    v1.33.2
a                    Ready                   v1.33.2
";

    fn parse(text: &str) -> KubectlTable {
        KubectlTable::parse(text).expect("a table")
    }

    #[test]
    fn tables_with_the_same_columns_become_one() {
        let nodes = parse(NODES);
        assert_eq!(nodes.rows[1], ["a", "Ready", "", "", "v1.33.2"]);
        let other = parse(
            "NAME   STATUS   ROLES    AGE   VERSION\nb      Ready    <none>   1d    v1.34.0\n",
        );
        let tables = [("prod/west", nodes.clone()), ("dev", other)];
        let whole = merged(&tables, None).expect("one table");
        assert!(whole.omitted.is_empty());
        assert_eq!(
            whole.text,
            "\
CLUSTER    NAME              STATUS  ROLES   AGE  VERSION
prod/west  aks-system-vmss0  Ready   <none>  1y   v1.33.2
prod/west  a                 Ready                v1.33.2
dev        b                 Ready   <none>  1d   v1.34.0
"
        );
        let tables = [("prod/west", nodes)];
        let MergedTable {
            text: narrow,
            omitted,
        } = merged(&tables, Some(40)).expect("one table");
        assert_eq!(omitted, ["ROLES", "AGE", "VERSION"]);
        assert!(narrow.lines().all(|line| line.len() <= 40), "{narrow}");
        assert!(narrow.starts_with("CLUSTER    NAME"), "{narrow}");
    }

    #[test]
    fn headings_with_spaces_and_units_are_headings_and_wide_characters_count_once() {
        let events = parse(
            "LAST SEEN   TYPE     CPU(cores)   MEMORY%\n5m          Normal   10m          3%\n",
        );
        assert_eq!(
            events.headings,
            ["LAST SEEN", "TYPE", "CPU(cores)", "MEMORY%"]
        );
        assert_eq!(parse("NAME   VALUE\n測試     x\n").rows, [["測試", "x"]]);
        assert_eq!(parse("NAME\na\n").rows, [["a"]]);
    }

    #[test]
    fn what_is_no_table_is_none() {
        for text in [
            "",
            "\n",
            "pod/a deleted\n",
            "Name:   x\nLabels: y\n",
            "NAME   STATUS\nlonger-than-it\n",
            "NAME   STATUS\na      Ready\n\nNAME   DATA\nb      1\n",
            " NAME   STATUS\n",
            "{\n  \"a\": 1\n}\n",
        ] {
            assert_eq!(KubectlTable::parse(text), None, "{text:?}");
        }
        let word = parse("OK\n");
        assert_eq!(merged(&[("a", word)], None), None, "a table has rows");
        let different = [("a", parse(NODES)), ("b", parse("NAME   DATA\nb      1\n"))];
        assert_eq!(merged(&different, None), None);
    }
}
