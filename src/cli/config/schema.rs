//! The JSON schema of the configuration file, for editors: made from the flags of the commands that read it.

use std::any::TypeId;

use clap::{Arg, Command};
use serde_json::{Map, Value, json};

use super::keys::{self, Keys};
use crate::{clouds::CLOUDS, login::MODES, ops::config::PROFILES};

/// Where the schema is published.
const ADDRESS: &str = "https://raw.githubusercontent.com/kubectl-aad/kubectl-aad/main/docs/reference/config.schema.json";

/// The schema, in the version that the editors' YAML language server knows best.
pub(in crate::cli) fn schema() -> Value {
    let keys = Keys::new();
    let properties: Map<String, Value> = keys
        .names()
        .into_iter()
        .map(|name| (name.to_owned(), property(&keys, name)))
        .collect();
    let mut top = properties.clone();
    top.insert(
        PROFILES.to_owned(),
        json!({
            "description": "Sets of keys that replace those at the top level, chosen by `--profile` or `AAD_PROFILE`",
            "type": ["object", "null"],
            "additionalProperties": {"$ref": "#/definitions/profile"},
        }),
    );
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": ADDRESS,
        "title": "Configuration of kubectl-aad",
        "description": "Each key is a flag of `kubectl aad sync` and the other commands that read the file",
        "type": ["object", "null"],
        "properties": top,
        "additionalProperties": false,
        "definitions": {
            "profile": {
                "type": ["object", "null"],
                "properties": properties,
                "additionalProperties": false,
            },
        },
    })
}

/// What a key may hold: what its flag takes in any of the commands.
fn property(keys: &Keys, name: &str) -> Value {
    let of_key = |command| keys::flag(command, name);
    let args: Vec<&Arg> = keys.commands.iter().filter_map(of_key).collect();
    let Some(first) = args.first() else {
        return json!({});
    };
    let mut property = Map::new();
    let help = first.get_long_help().or(first.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let commands = keys.commands.iter();
    let commands: Vec<&str> = commands
        .filter(|command| keys::flag(command, name).is_some())
        .map(Command::get_name)
        .collect();
    // What most have needs no list of them.
    let only = match 2 * commands.len() > keys.commands.len() {
        true => String::new(),
        false => format!(" (only {})", commands.join(", ")),
    };
    property.insert("description".to_owned(), json!(format!("{help}{only}")));
    let one = value(first, values(&args, name));
    let whole = match keys::takes_list(first) {
        true => json!({"anyOf": [one, {"type": "array", "items": one}]}),
        false => one,
    };
    if let Value::Object(whole) = whole {
        property.extend(whole);
    }
    if name == "environment" {
        let names: Vec<_> = CLOUDS.iter().map(|row| row.name).collect();
        property.insert("examples".to_owned(), json!(names));
    }
    let defaults = first.get_default_values();
    if let ([default], false) = (defaults, keys::is_switch(first)) {
        property.insert("default".to_owned(), json!(default.to_string_lossy()));
    }
    Value::Object(property)
}

/// The only values, if there are such.
fn values(args: &[&Arg], name: &str) -> Vec<String> {
    if matches!(name, "login" | "arm-login") {
        return MODES.iter().map(|row| row.name.to_owned()).collect();
    }
    let mut values: Vec<String> = Vec::new();
    for value in args.iter().flat_map(|arg| arg.get_possible_values()) {
        let value = value.get_name().to_owned();
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values
}

fn value(arg: &Arg, values: Vec<String>) -> Value {
    let kind = arg.get_value_parser().type_id();
    if keys::is_switch(arg) {
        json!({"type": "boolean"})
    } else if !values.is_empty() {
        json!({"enum": values})
    } else if kind == TypeId::of::<u16>() {
        json!({"type": "integer", "minimum": 1})
    } else {
        // `018` and `1e3` are texts for us and numbers for editors.
        json!({"type": ["string", "number"]})
    }
}
