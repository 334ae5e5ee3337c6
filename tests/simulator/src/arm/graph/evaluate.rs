//! Runs a query over tables of rows.

use super::query::{Comparison, Expr, Query, Step};
use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::collections::HashMap;

/// Rows with named columns.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Value>>,
}

/// What a query names that does not exist.
#[derive(Debug)]
pub(super) struct SemanticError(pub(super) String);

type Result<T> = std::result::Result<T, SemanticError>;

/// The rows of a query; `source` gives a table by its lower-case name.
pub(super) fn run(query: &Query, source: &impl Fn(&str) -> Option<Table>) -> Result<Table> {
    let mut table = source(&query.table.to_ascii_lowercase()).ok_or_else(|| {
        SemanticError(format!(
            "Failed to resolve table or column expression named '{}'",
            query.table
        ))
    })?;
    for step in &query.steps {
        table = apply(step, table, source)?;
    }
    Ok(table)
}

fn apply(step: &Step, mut table: Table, source: &impl Fn(&str) -> Option<Table>) -> Result<Table> {
    match step {
        Step::Where(condition) => {
            check(condition, &table.columns)?;
            let Table { columns, rows } = table;
            let rows = rows
                .into_iter()
                .filter(|row| is_true(&value(condition, &columns, row)))
                .collect();
            Ok(Table { columns, rows })
        }
        Step::Project(assignments) => project(assignments, &table),
        Step::Extend(assignments) => extend(assignments, table),
        Step::Union(legs) => {
            for leg in legs {
                table = union(table, run(leg, source)?);
            }
            Ok(table)
        }
        Step::Join(right, on) => join(table, run(right, source)?, on),
        Step::Order(keys) => order(table, keys),
        Step::Limit(count) => {
            table.rows.truncate(*count);
            Ok(table)
        }
    }
}

fn project(assignments: &[(String, Expr)], table: &Table) -> Result<Table> {
    for (_, expr) in assignments {
        check(expr, &table.columns)?;
    }
    let rows = table.rows.iter().map(|row| {
        assignments
            .iter()
            .map(|(_, expr)| value(expr, &table.columns, row))
            .collect()
    });
    Ok(Table {
        rows: rows.collect(),
        columns: assignments.iter().map(|(name, _)| name.clone()).collect(),
    })
}

fn extend(assignments: &[(String, Expr)], mut table: Table) -> Result<Table> {
    for (name, expr) in assignments {
        check(expr, &table.columns)?;
        let at = table.columns.iter().position(|column| column == name);
        for row in &mut table.rows {
            let value = value(expr, &table.columns, row);
            match at {
                Some(at) => row[at] = value,
                None => row.push(value),
            }
        }
        if at.is_none() {
            table.columns.push(name.clone());
        }
    }
    Ok(table)
}

/// The rows of both, with the columns of both.
fn union(mut left: Table, right: Table) -> Table {
    let places: Vec<usize> = right
        .columns
        .iter()
        .map(|column| place(&mut left.columns, column))
        .collect();
    let width = left.columns.len();
    for row in &mut left.rows {
        row.resize(width, Value::Null);
    }
    for row in right.rows {
        let mut wide = vec![Value::Null; width];
        for (at, value) in places.iter().zip(row) {
            wide[*at] = value;
        }
        left.rows.push(wide);
    }
    left
}

/// Where a column is; it is added if it is missing.
fn place(columns: &mut Vec<String>, column: &str) -> usize {
    columns
        .iter()
        .position(|known| known == column)
        .unwrap_or_else(|| {
            columns.push(column.to_owned());
            columns.len() - 1
        })
}

/// Adds the right side's columns to each row; one that the left has already gets a `1` behind its name.
fn join(left: Table, right: Table, on: &[String]) -> Result<Table> {
    let keys = |table: &Table| -> Result<Vec<usize>> {
        on.iter()
            .map(|name| {
                table
                    .columns
                    .iter()
                    .position(|column| column == name)
                    .ok_or_else(|| unresolved(name))
            })
            .collect()
    };
    let (left_keys, right_keys) = (keys(&left)?, keys(&right)?);
    let key = |row: &[Value], keys: &[usize]| -> String {
        keys.iter()
            .map(|at| text(&row[*at]) + "\n")
            .collect::<String>()
    };
    let mut matches: HashMap<String, Vec<&Vec<Value>>> = HashMap::new();
    for row in &right.rows {
        matches.entry(key(row, &right_keys)).or_default().push(row);
    }
    let nothing = vec![Value::Null; right.columns.len()];
    let mut rows = Vec::new();
    for row in left.rows {
        let found = matches.get(&key(&row, &left_keys)).cloned();
        for other in found.unwrap_or_else(|| vec![&nothing]) {
            rows.push(row.iter().chain(other).cloned().collect());
        }
    }
    let mut columns = left.columns;
    for column in right.columns {
        let is_taken = columns.contains(&column);
        columns.push(if is_taken { column + "1" } else { column });
    }
    Ok(Table { columns, rows })
}

fn order(table: Table, keys: &[(Expr, bool)]) -> Result<Table> {
    for (expr, _) in keys {
        check(expr, &table.columns)?;
    }
    let Table { columns, rows } = table;
    let mut keyed: Vec<(Vec<Value>, Vec<Value>)> = rows
        .into_iter()
        .map(|row| {
            let key = keys.iter().map(|(expr, _)| value(expr, &columns, &row));
            (key.collect(), row)
        })
        .collect();
    keyed.sort_by(|(a, _), (b, _)| {
        let mut compared = a.iter().zip(b).zip(keys).map(|((a, b), (_, ascends))| {
            let order = compare(a, b);
            if *ascends { order } else { order.reverse() }
        });
        compared.find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    });
    let rows = keyed.into_iter().map(|(_, row)| row).collect();
    Ok(Table { columns, rows })
}

fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => a
            .as_f64()
            .partial_cmp(&b.as_f64())
            .unwrap_or(Ordering::Equal),
        _ => text(a).cmp(&text(b)),
    }
}

fn unresolved(name: &str) -> SemanticError {
    SemanticError(format!(
        "Failed to resolve scalar expression named '{name}'"
    ))
}

const FUNCTIONS: &[&str] = &[
    "bag_pack",
    "coalesce",
    "isempty",
    "isnotempty",
    "isnotnull",
    "isnull",
    "not",
    "pack",
    "tolower",
    "tostring",
];

/// Refuses names that do not exist, whether there are rows or not.
fn check(expr: &Expr, columns: &[String]) -> Result<()> {
    match expr {
        Expr::Text(_) | Expr::Number(_) | Expr::Boolean(_) => Ok(()),
        Expr::Column(name) if columns.contains(name) => Ok(()),
        Expr::Column(name) => Err(unresolved(name)),
        Expr::Field(of, _) => check(of, columns),
        Expr::Call(name, _) if !FUNCTIONS.contains(&name.as_str()) => {
            Err(SemanticError(format!("Unknown function: '{name}'.")))
        }
        Expr::Call(_, arguments) => arguments.iter().try_for_each(|a| check(a, columns)),
        Expr::In(of, _, list) => {
            check(of, columns)?;
            list.iter().try_for_each(|item| check(item, columns))
        }
        Expr::Compare(a, _, b) | Expr::And(a, b) | Expr::Or(a, b) => {
            check(a, columns)?;
            check(b, columns)
        }
    }
}

/// What a row has of a column or of a field in one.
fn stored<'a>(expr: &Expr, columns: &[String], row: &'a [Value]) -> Option<&'a Value> {
    match expr {
        Expr::Column(name) => {
            let at = columns.iter().position(|column| column == name)?;
            row.get(at)
        }
        Expr::Field(from, name) => stored(from, columns, row)?.get(name),
        _ => None,
    }
}

/// The value of an expression that [`check`] has passed.
fn value(expr: &Expr, columns: &[String], row: &[Value]) -> Value {
    let of = |expr: &Expr| value(expr, columns, row);
    match expr {
        Expr::Text(text) => text.clone().into(),
        Expr::Number(number) => (*number).into(),
        Expr::Boolean(boolean) => (*boolean).into(),
        Expr::Column(_) | Expr::Field(..) => {
            stored(expr, columns, row).cloned().unwrap_or_default()
        }
        Expr::Call(name, arguments) => call(name, arguments.iter().map(of).collect()),
        Expr::In(from, ignores_case, list) => {
            let from = of(from);
            let mut items = list.iter().map(of);
            items.any(|item| equal(&from, &item, *ignores_case)).into()
        }
        Expr::Compare(a, comparison, b) => {
            let ignores_case = matches!(
                comparison,
                Comparison::EqualIgnoringCase | Comparison::NotEqualIgnoringCase
            );
            let wanted = matches!(
                comparison,
                Comparison::Equal | Comparison::EqualIgnoringCase
            );
            (equal(&of(a), &of(b), ignores_case) == wanted).into()
        }
        Expr::And(a, b) => (is_true(&of(a)) && is_true(&of(b))).into(),
        Expr::Or(a, b) => (is_true(&of(a)) || is_true(&of(b))).into(),
    }
}

fn call(name: &str, mut arguments: Vec<Value>) -> Value {
    if name == "bag_pack" || name == "pack" {
        let pairs = arguments.chunks_exact_mut(2);
        return pairs
            .map(|pair| (text(&pair[0]), pair[1].take()))
            .collect::<Map<String, Value>>()
            .into();
    }
    if name == "coalesce" {
        let mut values = arguments.into_iter();
        return values.find(|v| !is_empty(v)).unwrap_or_default();
    }
    let first = arguments.first_mut().map(Value::take).unwrap_or_default();
    match name {
        "tostring" => text(&first).into(),
        "tolower" => text(&first).to_lowercase().into(),
        "isempty" => is_empty(&first).into(),
        "isnotempty" => (!is_empty(&first)).into(),
        "isnull" => first.is_null().into(),
        "isnotnull" => (!first.is_null()).into(),
        _ => (!is_true(&first)).into(),
    }
}

fn is_true(value: &Value) -> bool {
    value.as_bool().unwrap_or(false)
}

fn is_empty(value: &Value) -> bool {
    text(value).is_empty()
}

fn equal(a: &Value, b: &Value, ignores_case: bool) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) if ignores_case => a.eq_ignore_ascii_case(b),
        (Value::String(a), Value::String(b)) => a == b,
        _ => text(a) == text(b),
    }
}

/// A value as `tostring` gives it: empty for null, JSON for what has parts.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
