//! Checks what client-go refuses in a kubeconfig: a value of the wrong type, two entries with the same
//! name, another `kind`.
//!
//! The fields are those of `k8s.io/client-go/tools/clientcmd/api/v1`; a test compares the result with
//! kubectl 1.32. Like client-go, accepts unknown fields, and null everywhere.

use std::collections::HashMap;

use base64::{
    Engine as _, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::{Map, Value};

/// Go's `base64.StdEncoding`.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// The type of a field.
enum Type {
    Text,
    Switch,
    /// Base64.
    Bytes,
    Any,
    Texts,
    /// A mapping of any names to texts.
    TextMap,
    /// A mapping of any names to lists of texts.
    TextsMap,
    Struct(&'static [Field]),
    List(&'static [Field]),
    /// A list that client-go turns into a map by `name`.
    Named(&'static [Field]),
}

type Field = (&'static str, Type);

const EXTENSIONS: Type = Type::Named(&[("name", Type::Text), ("extension", Type::Any)]);

const CONFIG: &[Field] = &[
    ("kind", Type::Text),
    ("apiVersion", Type::Text),
    (
        "preferences",
        Type::Struct(&[("colors", Type::Switch), ("extensions", EXTENSIONS)]),
    ),
    (
        "clusters",
        Type::Named(&[("name", Type::Text), ("cluster", Type::Struct(CLUSTER))]),
    ),
    (
        "users",
        Type::Named(&[("name", Type::Text), ("user", Type::Struct(USER))]),
    ),
    (
        "contexts",
        Type::Named(&[("name", Type::Text), ("context", Type::Struct(CONTEXT))]),
    ),
    ("current-context", Type::Text),
    ("extensions", EXTENSIONS),
];

const CLUSTER: &[Field] = &[
    ("server", Type::Text),
    ("tls-server-name", Type::Text),
    ("insecure-skip-tls-verify", Type::Switch),
    ("certificate-authority", Type::Text),
    ("certificate-authority-data", Type::Bytes),
    ("proxy-url", Type::Text),
    ("disable-compression", Type::Switch),
    ("extensions", EXTENSIONS),
];

const CONTEXT: &[Field] = &[
    ("cluster", Type::Text),
    ("user", Type::Text),
    ("namespace", Type::Text),
    ("extensions", EXTENSIONS),
];

const USER: &[Field] = &[
    ("client-certificate", Type::Text),
    ("client-certificate-data", Type::Bytes),
    ("client-key", Type::Text),
    ("client-key-data", Type::Bytes),
    ("token", Type::Text),
    ("tokenFile", Type::Text),
    ("as", Type::Text),
    ("as-uid", Type::Text),
    ("as-groups", Type::Texts),
    ("as-user-extra", Type::TextsMap),
    ("username", Type::Text),
    ("password", Type::Text),
    (
        "auth-provider",
        Type::Struct(&[("name", Type::Text), ("config", Type::TextMap)]),
    ),
    ("exec", Type::Struct(EXEC)),
    ("extensions", EXTENSIONS),
];

const EXEC: &[Field] = &[
    ("command", Type::Text),
    ("args", Type::Texts),
    (
        "env",
        Type::List(&[("name", Type::Text), ("value", Type::Text)]),
    ),
    ("apiVersion", Type::Text),
    ("installHint", Type::Text),
    ("provideClusterInfo", Type::Switch),
    ("interactiveMode", Type::Text),
];

/// Returns why kubectl would refuse the kubeconfig. The text names fields and types and quotes no value.
pub(super) fn check(root: &Map<String, Value>) -> Result<(), String> {
    fields(root, CONFIG).map_err(Problem::into_text)?;
    let is = |key: &str, only: &[&str]| {
        let text = root.get(key).and_then(Value::as_str).unwrap_or_default();
        only.contains(&text)
    };
    if !is("kind", &["", "Config"]) {
        return Err("its `kind` is not `Config`".to_owned());
    }
    if !is("apiVersion", &["", "v1", "/v1"]) {
        return Err("its `apiVersion` is not `v1`".to_owned());
    }
    Ok(())
}

struct Problem {
    /// The path to it, the innermost segment first.
    path: Vec<String>,
    what: String,
}

impl Problem {
    fn new(what: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            what: what.into(),
        }
    }

    fn within(mut self, segment: impl Into<String>) -> Self {
        self.path.push(segment.into());
        self
    }

    fn into_text(self) -> String {
        let mut path = String::new();
        for segment in self.path.iter().rev() {
            if !path.is_empty() && !segment.starts_with('[') {
                path.push('.');
            }
            path.push_str(segment);
        }
        format!("`{path}` {}", self.what)
    }
}

fn fields(map: &Map<String, Value>, known: &[Field]) -> Result<(), Problem> {
    for (key, r#type) in known {
        if let Some(value) = map.get(*key) {
            one(value, r#type).map_err(|problem| problem.within(*key))?;
        }
    }
    Ok(())
}

fn one(value: &Value, r#type: &Type) -> Result<(), Problem> {
    let wrong = |wanted: &str| Err(Problem::new(format!("is {}, not {wanted}", a(value))));
    match (r#type, value) {
        (Type::Any, _) | (_, Value::Null) => Ok(()),
        (Type::Text, Value::String(_)) | (Type::Switch, Value::Bool(_)) => Ok(()),
        (Type::Text, _) => wrong("a string"),
        (Type::Switch, _) => wrong("`true` or `false`"),
        (Type::Bytes, Value::String(text)) => {
            let broken = |c: char| c == '\n' || c == '\r';
            let decoded = match text.contains(broken) {
                true => BASE64.decode(text.replace(broken, "")),
                false => BASE64.decode(text),
            };
            decoded.map_or_else(|_| Err(Problem::new("is not base64")), |_| Ok(()))
        }
        // Go also reads bytes from a list of numbers.
        (Type::Bytes, Value::Array(_)) => Ok(()),
        (Type::Bytes, _) => wrong("base64 text"),
        (Type::Texts, Value::Array(items)) => each(items, |item| one(item, &Type::Text)),
        (Type::List(known), Value::Array(items)) => {
            each(items, |item| one(item, &Type::Struct(known)))
        }
        (Type::Named(known), Value::Array(items)) => {
            each(items, |item| one(item, &Type::Struct(known)))?;
            unique(items)
        }
        (Type::Texts | Type::List(_) | Type::Named(_), _) => wrong("a list"),
        (Type::TextMap, Value::Object(map)) => under(map, &Type::Text),
        (Type::TextsMap, Value::Object(map)) => under(map, &Type::Texts),
        (Type::Struct(known), Value::Object(map)) => fields(map, known),
        (Type::TextMap | Type::TextsMap | Type::Struct(_), _) => wrong("a mapping"),
    }
}

fn each(items: &[Value], check: impl Fn(&Value) -> Result<(), Problem>) -> Result<(), Problem> {
    for (i, item) in items.iter().enumerate() {
        check(item).map_err(|problem| problem.within(format!("[{i}]")))?;
    }
    Ok(())
}

fn under(map: &Map<String, Value>, r#type: &Type) -> Result<(), Problem> {
    map.values().try_for_each(|value| one(value, r#type))
}

/// To client-go, a missing name is the empty one.
fn unique(items: &[Value]) -> Result<(), Problem> {
    let mut seen = HashMap::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let name = item.get("name").and_then(Value::as_str).unwrap_or_default();
        if let Some(first) = seen.insert(name, i) {
            let alike = if name.is_empty() {
                "without a name"
            } else {
                "with the same name"
            };
            let what = format!("has two entries {alike}, at indexes {first} and {i}");
            return Err(Problem::new(what));
        }
    }
    Ok(())
}

fn a(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
