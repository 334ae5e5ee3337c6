//! Says what a context is called, by a template over what is known of its cluster: `{subscription}-{name}`.

use std::{fmt, str::FromStr};

use super::{Cluster, names::SHARED_USER};
use crate::{error::printable, near};

/// A template for the names of contexts. The default one is `{name}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContextTemplate {
    /// As typed.
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Stays as typed.
    Text(String),
    Value(Placeholder),
}

/// What a template can hold of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Placeholder {
    Name,
    ResourceGroup,
    Subscription,
    SubscriptionId,
    Tenant,
    Location,
    /// A tag by its name, which is case-insensitive.
    Tag(String),
}

/// The placeholders by name, without that of a tag.
const PLACEHOLDERS: [(&str, Placeholder); 6] = [
    ("name", Placeholder::Name),
    ("resource_group", Placeholder::ResourceGroup),
    ("subscription", Placeholder::Subscription),
    ("subscription_id", Placeholder::SubscriptionId),
    ("tenant", Placeholder::Tenant),
    ("location", Placeholder::Location),
];

/// What the placeholder of a tag begins with.
const TAG: &str = "tag.";

/// How a cluster's tenant is called: by its default domain, which may be known in one run and not in the next, or by its id.
#[derive(Clone, Copy)]
enum TenantName {
    Domain,
    Id,
}

impl Default for ContextTemplate {
    fn default() -> Self {
        Self {
            text: "{name}".to_owned(),
            parts: vec![Part::Value(Placeholder::Name)],
        }
    }
}

impl fmt::Display for ContextTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for ContextTemplate {
    type Err = String;

    /// Reads a template. `{{` and `}}` are braces.
    fn from_str(text: &str) -> Result<Self, String> {
        check_text(text)?;
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after;
                continue;
            }
            if brace == "}" {
                return Err("a `}` closes nothing; for the character itself, write `}}`".to_owned());
            }
            let Some((name, after)) = rest.split_once('}') else {
                return Err("a `{` is not closed; for the character itself, write `{{`".to_owned());
            };
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(Part::Value(placeholder(name)?));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self {
            text: text.to_owned(),
            parts,
        })
    }
}

/// Checks what is to be refused wherever it is in a template.
fn check_text(text: &str) -> Result<(), String> {
    let refused = if text.trim().is_empty() {
        "it is empty; the default is `{name}`"
    } else if text != text.trim() {
        "it begins or ends with a space"
    } else if text != printable(text) {
        "it holds a character that can't be seen"
    } else if text.starts_with('-') {
        "it begins with `-`: kubectl would take the names for flags"
    } else if text.starts_with(SHARED_USER) {
        "it begins with `aad:`, as the users do that clusters share"
    } else {
        return Ok(());
    };
    Err(refused.to_owned())
}

fn placeholder(name: &str) -> Result<Placeholder, String> {
    let known = PLACEHOLDERS.into_iter().find(|(known, _)| *known == name);
    if let Some((_, placeholder)) = known {
        return Ok(placeholder);
    }
    if let Some(tag) = name.strip_prefix(TAG) {
        return match tag.trim().is_empty() {
            true => Err("`{tag.}` names no tag; write `{tag.NAME}`".to_owned()),
            false => Ok(Placeholder::Tag(tag.to_owned())),
        };
    }
    let names = PLACEHOLDERS.map(|(name, _)| name);
    let braced = |names: &[&str]| -> Vec<String> {
        names.iter().map(|name| format!("{{{name}}}")).collect()
    };
    let typed = name.to_lowercase().replace('-', "_");
    let near = braced(&near::near(&typed, names));
    let why = match near::question(&near) {
        Some(question) => question,
        None => format!("there are {} and {{tag.NAME}}", braced(&names).join(", ")),
    };
    Err(format!("there is no placeholder `{{{name}}}`; {why}"))
}

impl ContextTemplate {
    /// All forms of a cluster's name, shortest first: what the template says, then with what it does not hold of the
    /// cluster's name, resource group, subscription and subscription's id. A managed namespace follows what the template says.
    pub(super) fn forms(&self, cluster: &Cluster) -> Vec<String> {
        self.forms_with(cluster, TenantName::Domain)
    }

    /// Whether the template, or a number behind its last form, makes this the cluster's name, in this run or in one that
    /// knew more or less of the cluster's tenant.
    pub(super) fn has_form(&self, cluster: &Cluster, name: &str) -> bool {
        let has = |tenant: TenantName| {
            let forms = self.forms_with(cluster, tenant);
            let last = forms.last().map(String::as_str).unwrap_or_default();
            let number = name
                .strip_prefix(last)
                .and_then(|rest| rest.strip_prefix('-'));
            let is_numbered = number.is_some_and(|number| number.parse::<u32>().is_ok());
            is_numbered || forms.iter().any(|form| form == name)
        };
        has(TenantName::Domain)
            || (self.holds(&Placeholder::Tenant)
                && cluster.tenant_domain.is_some()
                && has(TenantName::Id))
    }

    fn forms_with(&self, cluster: &Cluster, tenant: TenantName) -> Vec<String> {
        let value = |placeholder: &Placeholder| value(placeholder, cluster, tenant);
        let base = self.filled(|placeholder| match placeholder {
            Placeholder::Name => value(placeholder),
            _ => value(placeholder).trim_matches('-').to_owned(),
        });
        // What ARM described without a name has failed, and no template names it.
        if base.is_empty() && !cluster.name.trim().is_empty() {
            return Self::default().forms(cluster);
        }
        let base = match &cluster.namespace {
            Some(namespace) => format!("{base}-{namespace}"),
            None => base,
        };
        let with = |base: &str, more: &Placeholder| format!("{base}-{}", value(more));
        let mut forms = vec![base];
        for more in [Placeholder::Name, Placeholder::ResourceGroup] {
            if !self.holds(&more) {
                forms.push(with(&forms[forms.len() - 1], &more));
            }
        }
        let longest = forms[forms.len() - 1].clone();
        let has_id = self.holds(&Placeholder::SubscriptionId);
        if !has_id && !self.holds(&Placeholder::Subscription) {
            forms.push(with(&longest, &Placeholder::Subscription));
        }
        if !has_id {
            forms.push(with(&longest, &Placeholder::SubscriptionId));
        }
        forms
    }

    /// Whether its own text holds this word, in lower case; what stands for a placeholder is no part of it.
    pub(super) fn says(&self, word: &str) -> bool {
        let mut parts = self.parts.iter();
        parts.any(|part| matches!(part, Part::Text(text) if text.to_lowercase().contains(word)))
    }

    fn holds(&self, placeholder: &Placeholder) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part, Part::Value(held) if held == placeholder))
    }

    /// The name. A placeholder without a value is omitted, with the separators before it; at the beginning of the name, with
    /// those after it.
    fn filled(&self, value: impl Fn(&Placeholder) -> String) -> String {
        let mut name = String::new();
        let mut lacks_beginning = false;
        for part in &self.parts {
            match part {
                Part::Text(text) if lacks_beginning => {
                    name.push_str(text.trim_start_matches(is_separator));
                }
                Part::Text(text) => name.push_str(text),
                Part::Value(placeholder) => {
                    let value = value(placeholder);
                    if value.is_empty() {
                        name.truncate(name.trim_end_matches(is_separator).len());
                    }
                    name.push_str(&value);
                }
            }
            lacks_beginning = name.is_empty();
        }
        name
    }
}

fn is_separator(c: char) -> bool {
    !c.is_alphanumeric()
}

/// What a placeholder stands for, without what would need quotes in a shell.
fn value(placeholder: &Placeholder, cluster: &Cluster, tenant: TenantName) -> String {
    let text = match placeholder {
        Placeholder::Name => return typeable(&cluster.name),
        // Azure's services spell it differently.
        Placeholder::ResourceGroup => return typeable(&cluster.resource_group.to_lowercase()),
        Placeholder::Subscription => return typeable(&cluster.subscription_name),
        Placeholder::SubscriptionId => return typeable(&cluster.subscription_id),
        Placeholder::Tenant => match (&cluster.tenant_domain, tenant) {
            (Some(domain), TenantName::Domain) => domain.clone(),
            _ => cluster.tenant_id.clone(),
        },
        Placeholder::Location => cluster.location.to_lowercase().replace(' ', ""),
        Placeholder::Tag(name) => {
            let mut tags = cluster.tags.iter();
            let tag = tags.find(|(other, _)| other.to_lowercase() == name.to_lowercase());
            tag.map(|(_, value)| value.clone()).unwrap_or_default()
        }
    };
    typeable(&text)
}

/// Replaces what would need quotes in a shell.
pub(super) fn typeable(part: &str) -> String {
    typeable_with(part, '-')
}

/// As [`typeable`], and `other` stays, too.
pub(super) fn typeable_with(part: &str, other: char) -> String {
    let mut out = String::new();
    for c in part.trim().chars() {
        if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') || c == other {
            out.push(c);
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    out
}

#[cfg(test)]
pub(super) mod tests;
