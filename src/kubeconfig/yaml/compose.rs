//! From the parser's events to the tree.

use super::YamlError;
use super::node::{Entry, Kind, Node, Tree, has_duplicates};
use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StructureStyle};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// A text of more nodes than this, aliases expanded, is refused: 2,000 clusters have some 60,000.
const MAX_NODES: u32 = 4_000_000;

/// Aliases can nest deeper than the text does; recursion over the tree must stay shallow.
const MAX_DEPTH: u32 = 128;

/// Reads the first document of `text`. What follows it is not looked at, as by kubectl.
///
/// # Errors
/// [`YamlError::Syntax`] for what is not YAML, [`YamlError::Unsupported`] for what kubectl refuses (keys
/// that are not scalars, `.inf`, merges of what is no mapping), for what it reads in another way (line
/// breaks of YAML 1.1 alone, `!!binary`), for unknown aliases and for texts that are too deep or too large.
pub(crate) fn parse(text: &str) -> Result<Tree<'_>, YamlError> {
    check_characters(text)?;
    let mut options = Options::default();
    options.block_nesting_limit = 64;
    options.flow_nesting_limit = 64;
    options.set_emit_comments(true);
    options.max_buffered_comment_events = usize::MAX;
    let mut composer = Composer {
        text,
        parser: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        lossy: None,
        comments: Vec::new(),
        nodes: 0,
        items: Vec::new(),
        entries: Vec::new(),
    };
    composer.stream()
}

struct Composer<'t, I: Iterator> {
    text: &'t str,
    parser: I,
    anchors: HashMap<usize, Arc<Node<'t>>>,
    lossy: Option<&'static str>,
    comments: Vec<Range<usize>>,
    nodes: u32,
    /// The items of the lists that are being read, the innermost last: each list is made once, and
    /// of the size that it has in the end.
    items: Vec<Node<'t>>,
    /// The same for mappings.
    entries: Vec<Entry<'t>>,
}

type Next<'t> = (Event<'t>, Span);

impl<'t, I> Composer<'t, I>
where
    I: Iterator<Item = Result<Next<'t>, granit_parser::ScanError>>,
{
    fn stream(&mut self) -> Result<Tree<'t>, YamlError> {
        let mut root = None;
        let mut documents = 0;
        let mut ended = false;
        loop {
            let (event, span) = match self.next() {
                Ok(Some(next)) => next,
                Ok(None) => break,
                // Something follows the document, and nobody reads it.
                Err(_) if ended => {
                    documents += 1;
                    break;
                }
                Err(error) => return Err(error),
            };
            match event {
                Event::StreamStart | Event::StreamEnd => {}
                Event::DocumentEnd => ended = true,
                Event::DocumentStart(..) if ended => {
                    documents += 1;
                    break;
                }
                Event::DocumentStart(_, version) => {
                    documents += 1;
                    // go-yaml reads this version alone.
                    let first = documents == 1;
                    if first
                        && version.is_some_and(|version| (version.major, version.minor) != (1, 1))
                    {
                        return Err(YamlError::Unsupported {
                            line: span.start.line(),
                            reason: "kubectl reads YAML 1.1, and the file says that it is of another version",
                        });
                    }
                    self.anchors.clear();
                }
                event => root = Some(self.node(event, &span)?),
            }
        }
        let root = root.filter(|node| !is_absent(node));
        if let Some(line) = root.as_ref().and_then(|root| self.tab_line(root)) {
            return Err(YamlError::Unsupported {
                line,
                reason: "a tab stands where only blanks may",
            });
        }
        let mut comments = std::mem::take(&mut self.comments);
        comments.sort_by_key(|comment| comment.start);
        Ok(Tree {
            root,
            more_documents: documents > 1,
            lossy: self.lossy,
            comments,
        })
    }

    fn next(&mut self) -> Result<Option<Next<'t>>, YamlError> {
        loop {
            match self.parser.next() {
                None => return Ok(None),
                Some(Ok((Event::Comment(..), span))) => self.comments.push(range(&span)),
                Some(Ok(next)) => return Ok(Some(next)),
                Some(Err(error)) => {
                    let mark = error.marker();
                    return Err(YamlError::Syntax {
                        line: mark.line(),
                        column: mark.col() + 1,
                        reason: kind_name(&format!("{:?}", error.kind())),
                    });
                }
            }
        }
    }

    fn child(&mut self) -> Result<Next<'t>, YamlError> {
        self.next()?.ok_or(YamlError::Syntax {
            line: 0,
            column: 0,
            reason: "the text ends too early".to_owned(),
        })
    }

    fn node(&mut self, event: Event<'t>, span: &Span) -> Result<Node<'t>, YamlError> {
        let line = span.start.line();
        let at = range(span);
        let (anchor, tag) = match &event {
            Event::Scalar(_, _, anchor, tag)
            | Event::SequenceStart(_, anchor, tag)
            | Event::MappingStart(_, anchor, tag) => (*anchor, tag.clone()),
            _ => (0, None),
        };
        let node = match event {
            Event::Scalar(text, style, ..) => {
                // A tag of YAML's own types says what a plain scalar is anyway; any other one makes it text.
                let typed = tag.as_ref().is_some_and(|tag| {
                    ["int", "float", "bool", "null"]
                        .iter()
                        .any(|name| tag.is_yaml_core_schema_tag(name))
                });
                let binary = tag
                    .as_ref()
                    .is_some_and(|tag| tag.parts() == ("tag:yaml.org,2002:", "binary"));
                if let Some(reason) =
                    refused_scalar(&text, style, typed, binary, &self.text[at.clone()])
                {
                    return Err(YamlError::Unsupported { line, reason });
                }
                let plain = tag.is_none() || typed;
                self.scalar(text, style, plain, at)
            }
            Event::SequenceStart(style, ..) => self.sequence(style == StructureStyle::Flow, at)?,
            Event::MappingStart(style, ..) => self.mapping(style == StructureStyle::Flow, at)?,
            Event::Alias(id) => {
                let target = self
                    .anchors
                    .get(&id)
                    .cloned()
                    .ok_or(YamlError::Unsupported {
                        line,
                        reason: "an alias stands inside the value it names",
                    })?;
                self.lossy.get_or_insert("it uses anchors");
                Node {
                    span: at,
                    weight: target.weight,
                    depth: target.depth + 1,
                    kind: Kind::Alias(target),
                    decorated: false,
                }
            }
            _ => {
                return Err(YamlError::Unsupported {
                    line,
                    reason: "this YAML construct is not supported",
                });
            }
        };
        let node = Node {
            decorated: anchor != 0 || tag.is_some(),
            ..node
        };
        if let Some(tag) = tag
            && !tag.is_yaml_core_schema_tag("str")
        {
            self.lossy.get_or_insert("it uses tags");
        }
        self.nodes += 1;
        if self.nodes > MAX_NODES || node.weight > MAX_NODES || node.depth > MAX_DEPTH {
            return Err(YamlError::Unsupported {
                line,
                reason: "the file is too large, or its aliases nest or multiply",
            });
        }
        if anchor == 0 {
            return Ok(node);
        }
        let shared = Arc::new(node);
        self.anchors.insert(anchor, Arc::clone(&shared));
        Ok(Node {
            span: shared.span.clone(),
            weight: shared.weight,
            depth: shared.depth,
            decorated: true,
            kind: copy(&shared.kind),
        })
    }

    fn scalar(
        &self,
        text: Cow<'t, str>,
        style: ScalarStyle,
        may_be_plain: bool,
        at: Range<usize>,
    ) -> Node<'t> {
        let absent = at.is_empty() && style == ScalarStyle::Plain;
        let mut span = at;
        let mut text = text;
        if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            // The scanner has read the next line's indentation, too.
            let block = self.text[..span.end].trim_end_matches([' ', '\t']);
            if block.ends_with('\n') && block.len() >= span.start {
                span.end = block.len();
            }
            // Where the file ends without a line break, so does the text, for kubectl.
            if span.end == self.text.len() && !self.text.ends_with('\n') && text.ends_with('\n') {
                text.to_mut().pop();
            }
            // Blank lines behind it are its own only where it keeps them (`|+`).
            if !text.ends_with("\n\n") {
                let content = self.text[span.clone()].trim_end_matches(['\n', '\r', ' ', '\t']);
                let end = span.start + content.len();
                span.end = self.text[end..span.end]
                    .find('\n')
                    .map_or(span.end, |newline| end + newline + 1);
            }
        }
        Node {
            span,
            kind: Kind::Scalar {
                text: if absent { Cow::Borrowed("") } else { text },
                plain: style == ScalarStyle::Plain && may_be_plain,
            },
            decorated: false,
            weight: 1,
            depth: 1,
        }
    }

    fn sequence(&mut self, flow: bool, mut at: Range<usize>) -> Result<Node<'t>, YamlError> {
        let first = self.items.len();
        let (mut weight, mut depth) = (1_u32, 1);
        let end = loop {
            let (event, span) = self.child()?;
            if matches!(event, Event::SequenceEnd) {
                break span;
            }
            let line = span.start.line();
            let item = self.node(event, &span)?;
            if !flow && self.is_indented_by_tab(item.span.start) {
                return Err(YamlError::Unsupported {
                    line,
                    reason: "a tab stands where only blanks may",
                });
            }
            weight = weight.saturating_add(item.weight);
            depth = depth.max(item.depth + 1);
            self.items.push(item);
        };
        let items: Vec<_> = self.items.drain(first..).collect();
        at.end = end_of(flow, &end, items.last(), at.end);
        Ok(Node {
            span: at,
            kind: Kind::Seq { flow, items },
            decorated: false,
            weight,
            depth,
        })
    }

    fn mapping(&mut self, flow: bool, mut at: Range<usize>) -> Result<Node<'t>, YamlError> {
        let first = self.entries.len();
        let (mut weight, mut depth) = (1_u32, 1);
        let end = loop {
            let (event, span) = self.child()?;
            if matches!(event, Event::MappingEnd) {
                break span;
            }
            let line = span.start.line();
            let key = self.node(event, &span)?;
            if !matches!(key.kind, Kind::Scalar { .. }) {
                return Err(YamlError::Unsupported {
                    line,
                    reason: "a mapping's key is not a plain name",
                });
            }
            let (event, span) = self.child()?;
            let mut value = self.node(event, &span)?;
            if let Some(reason) = refused_entry(&key, &value) {
                return Err(YamlError::Unsupported { line, reason });
            }
            if value.span.is_empty() && is_absent(&value) {
                value.span = self.absent_value(&key, &value);
            }
            weight = weight.saturating_add(value.weight.saturating_add(1));
            depth = depth.max(value.depth + 1);
            self.entries.push(Entry { key, value });
        };
        let entries: Vec<_> = self.entries.drain(first..).collect();
        at.end = end_of(flow, &end, entries.last().map(|e| &e.value), at.end);
        if has_duplicates(&entries) {
            self.lossy.get_or_insert("it holds a key twice");
        }
        Ok(Node {
            span: at,
            kind: Kind::Map { flow, entries },
            decorated: false,
            weight,
            depth,
        })
    }

    /// The first line of the root that a tab indents, outside of brackets and of texts of several lines.
    fn tab_line(&self, root: &Node<'_>) -> Option<usize> {
        if !self.text.contains('\t') {
            return None;
        }
        let mut start = 0;
        for (i, line) in self.text.split('\n').enumerate() {
            let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
            let behind = start >= root.span.end;
            if behind && (line.starts_with("---") || line.starts_with("...")) {
                return None;
            }
            let refused = match behind {
                true => line.starts_with('\t'),
                false => line[..blanks].contains('\t') && !may_hold_tabs(root, start),
            };
            if refused {
                return Some(i + 1);
            }
            start += line.len() + 1;
        }
        None
    }

    /// Whether a tab stands between a dash and its item.
    fn is_indented_by_tab(&self, item: usize) -> bool {
        let line = self.text[..item]
            .rfind('\n')
            .map_or(0, |newline| newline + 1);
        let before = &self.text[line..item];
        before.contains('\t') && before.trim_matches([' ', '-', '\t']).is_empty()
    }

    /// An absent value is reported at its key's end: move it behind the colon, if there is one.
    fn absent_value(&self, key: &Node<'_>, value: &Node<'_>) -> Range<usize> {
        let rest = &self.text[key.span.end..];
        let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let at = key.span.end + blank;
        if self.text[at..].starts_with(':') {
            at + 1..at + 1
        } else {
            value.span.clone()
        }
    }
}

/// Refuses characters that go-yaml does, and line breaks that it alone knows.
fn check_characters(text: &str) -> Result<(), YamlError> {
    let refused = |line, reason| Err(YamlError::Unsupported { line, reason });
    for (i, line) in text.trim_start_matches('\u{feff}').split('\n').enumerate() {
        for c in line
            .chars()
            .filter(|&c| !matches!(c, ' '..='~' | '\t' | '\r'))
        {
            match c {
                '\u{85}' | '\u{2028}' | '\u{2029}' => {
                    return refused(
                        i + 1,
                        "a character is a line break for kubectl and for no other program",
                    );
                }
                '\u{a0}'..='\u{fffd}' | '\u{10000}'.. => {}
                _ => return refused(i + 1, "control characters are not allowed"),
            }
        }
    }
    // A directive can only come before the first document.
    let heads = text.split('\n').enumerate();
    for (i, line) in
        heads.take_while(|(_, line)| line.starts_with(['%', '#', '\r']) || line.is_empty())
    {
        if line.starts_with('%') && !line.starts_with("%YAML ") && !line.starts_with("%TAG ") {
            return refused(i + 1, "kubectl knows no such directive");
        }
    }
    Ok(())
}

/// Why kubectl refuses a scalar, or reads it in a way that we do not.
fn refused_scalar(
    text: &str,
    style: ScalarStyle,
    typed: bool,
    binary: bool,
    written: &str,
) -> Option<&'static str> {
    const INFINITE: [&str; 12] = [
        ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", ".nan",
        ".NaN", ".NAN",
    ];
    match style {
        _ if binary => Some("`!!binary` is not supported"),
        ScalarStyle::Plain => INFINITE
            .contains(&text)
            .then_some("kubectl takes no infinite number"),
        _ if typed => Some("a text in quotes has a tag of another type"),
        ScalarStyle::DoubleQuoted => written
            .replace("\\\\", "")
            .contains("\\/")
            .then_some("kubectl knows no `\\/` in a string"),
        _ => None,
    }
}

/// Why kubectl refuses an entry of a mapping.
fn refused_entry(key: &Node<'_>, value: &Node<'_>) -> Option<&'static str> {
    let Kind::Scalar { text, plain: true } = &key.kind else {
        return None;
    };
    let is_map = |node: &Node<'_>| match &node.kind {
        Kind::Map { .. } => true,
        Kind::Alias(target) => matches!(target.kind, Kind::Map { .. }),
        _ => false,
    };
    match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" => Some("a key is null"),
        "<<" => {
            let merges = match &value.kind {
                Kind::Seq { items, .. } => items.iter().all(is_map),
                _ => is_map(value),
            };
            (!merges).then_some("`<<` takes a mapping, or a list of them")
        }
        _ => None,
    }
}

/// Whether a place is within a scalar or a bracketed collection.
fn may_hold_tabs(node: &Node<'_>, at: usize) -> bool {
    if !(node.span.start..node.span.end).contains(&at) {
        return false;
    }
    match &node.kind {
        Kind::Scalar { .. } | Kind::Alias(_) => true,
        Kind::Seq { flow: true, .. } | Kind::Map { flow: true, .. } => true,
        Kind::Seq { items, .. } => items.iter().any(|item| may_hold_tabs(item, at)),
        Kind::Map { entries, .. } => entries
            .iter()
            .any(|e| may_hold_tabs(&e.key, at) || may_hold_tabs(&e.value, at)),
    }
}

/// Where a collection ends: at its bracket, or with its last child (the scanner reports where the
/// next token begins, which is behind comments and blank lines).
fn end_of(flow: bool, end: &Span, last: Option<&Node<'_>>, start: usize) -> usize {
    if flow {
        range(end).end
    } else {
        last.map_or(start, |node| node.span.end).max(start)
    }
}

fn is_absent(node: &Node<'_>) -> bool {
    matches!(&node.kind, Kind::Scalar { text, plain: true } if text.is_empty())
}

fn range(span: &Span) -> Range<usize> {
    span.byte_range()
        .expect("a parser over a string knows byte positions")
}

/// A second owner of an anchored value.
fn copy<'t>(kind: &Kind<'t>) -> Kind<'t> {
    let share = |node: &Node<'t>| Node {
        span: node.span.clone(),
        decorated: node.decorated,
        weight: node.weight,
        depth: node.depth,
        kind: copy(&node.kind),
    };
    match kind {
        Kind::Scalar { text, plain } => Kind::Scalar {
            text: text.clone(),
            plain: *plain,
        },
        Kind::Seq { flow, items } => Kind::Seq {
            flow: *flow,
            items: items.iter().map(share).collect(),
        },
        Kind::Map { flow, entries } => Kind::Map {
            flow: *flow,
            entries: entries
                .iter()
                .map(|e| Entry {
                    key: share(&e.key),
                    value: share(&e.value),
                })
                .collect(),
        },
        Kind::Alias(target) => Kind::Alias(Arc::clone(target)),
    }
}

/// `SimpleKeyExpected { name: "x" }` -> `simple key expected`: the kind alone, for the rest may quote the file.
fn kind_name(debug: &str) -> String {
    let mut words = String::new();
    for c in debug.chars().take_while(char::is_ascii_alphanumeric) {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}
