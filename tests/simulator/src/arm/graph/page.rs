//! A page of a query's rows.

use super::ask::{Ask, skip_token};
use super::evaluate::Table;
use crate::settings::GraphSettings;
use serde_json::{Map, Value, json};

pub(super) fn page(settings: &GraphSettings, ask: &Ask, table: &Table) -> Value {
    let total = table.rows.len();
    let start = ask.skip.min(total);
    let end = start.saturating_add(ask.top.min(settings.page)).min(total);
    let has_id = table.columns.iter().any(|column| column == "id");
    let truncated = end < total && (settings.truncated || !has_id);
    let rows = &table.rows[start..end];
    let mut body = json!({
        "totalRecords": total, "count": rows.len(), "resultTruncated": truncated.to_string(), "facets": [],
        "data": if ask.is_table { table_data(table, rows) } else { object_data(table, rows) },
    });
    if end < total && !truncated {
        body["$skipToken"] = skip_token(end, &ask.query).into();
    }
    body
}

fn object_data(table: &Table, rows: &[Vec<Value>]) -> Value {
    let object = |row: &Vec<Value>| -> Value {
        let pairs = table.columns.iter().cloned().zip(row.iter().cloned());
        pairs.collect::<Map<String, Value>>().into()
    };
    rows.iter().map(object).collect()
}

fn table_data(table: &Table, rows: &[Vec<Value>]) -> Value {
    let kind = |at: usize| {
        let first = table
            .rows
            .iter()
            .map(|row| &row[at])
            .find(|value| !value.is_null());
        match first {
            Some(Value::Object(_) | Value::Array(_)) => "object",
            Some(Value::Number(_)) => "integer",
            Some(Value::Bool(_)) => "boolean",
            _ => "string",
        }
    };
    let columns: Vec<Value> = table
        .columns
        .iter()
        .enumerate()
        .map(|(at, name)| json!({ "name": name, "type": kind(at) }))
        .collect();
    json!({ "columns": columns, "rows": rows })
}
