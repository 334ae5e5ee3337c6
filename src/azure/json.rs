//! Reads fields of ARM's JSON leniently.

use serde_json::Value;

use crate::error::{Code, Failure, Result};

/// A field's text; none if it is missing, empty or of another type.
pub(super) fn text(value: &Value, name: &str) -> Option<String> {
    value
        .get(name)?
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// A GUID in lower case. `what` is what ARM describes.
///
/// # Errors
/// If it is missing or not a GUID.
pub(super) fn guid(value: &Value, name: &str, what: &str) -> Result<String> {
    let invalid = |why: String| {
        Failure::new(format!("ARM's description of a {what} can't be read"))
            .code(Code::InvalidAnswer)
            .because(why)
    };
    let text =
        text(value, name).ok_or_else(|| invalid(format!("`{name}` is missing or not text")))?;
    match uuid::Uuid::try_parse(&text) {
        Ok(id) => Ok(id.hyphenated().to_string()),
        Err(_) => Err(invalid(format!("`{name}` is not a GUID: `{text}`"))),
    }
}
