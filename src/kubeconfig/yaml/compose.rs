//! Builds the tree from the parser's events.

use std::{borrow::Cow, collections::HashMap, ops::Range, sync::Arc};

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StructureStyle, Tag};

use super::{
    YamlError,
    node::{Entry, Node, NodeKind, Tree, has_duplicates},
    refused::{check_characters, is_indented_by_tab, refused_entry, refused_scalar, tab_line},
};

/// The most nodes that a text may have, aliases expanded: 2,000 clusters have about 60,000.
const MAX_NODES: u32 = 4_000_000;

/// The deepest nesting, aliases expanded, since functions recurse over the tree.
const MAX_DEPTH: u32 = 128;

/// Reads the first document of `text`, as kubectl does. The rest is not parsed.
///
/// # Errors
/// [`YamlError::Syntax`] if it is not YAML. [`YamlError::Unsupported`] for what kubectl refuses or reads
/// differently (see [`super::refused`]), for unknown aliases and for texts that are too deep or too large.
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
    /// A stack with the items of all unfinished lists, so that each list is allocated once, at its
    /// final size.
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
                // Broken, but behind the first document.
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
                    // go-yaml reads only this version.
                    if documents == 1
                        && version.is_some_and(|version| (version.major, version.minor) != (1, 1))
                    {
                        return Err(unsupported(
                            span.start.line(),
                            "kubectl reads YAML 1.1, and the file says that it is of another version",
                        ));
                    }
                    self.anchors.clear();
                }
                event => root = Some(self.node(event, &span)?),
            }
        }
        let root = root.filter(|node| !is_absent(node));
        if let Some(line) = root.as_ref().and_then(|root| tab_line(self.text, root)) {
            return Err(unsupported(line, "a tab is where only blanks are allowed"));
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
                let plain = self.check_scalar(&text, style, tag.as_deref(), span)?;
                self.scalar(text, style, plain, at)
            }
            Event::SequenceStart(style, ..) => self.sequence(style == StructureStyle::Flow, at)?,
            Event::MappingStart(style, ..) => self.mapping(style == StructureStyle::Flow, at)?,
            Event::Alias(id) => self.alias(id, span)?,
            _ => {
                return Err(unsupported(line, "this YAML construct is not supported"));
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
            return Err(unsupported(
                line,
                "the file is too large, or its aliases nest or multiply",
            ));
        }
        if anchor == 0 {
            return Ok(node);
        }
        let shared = Arc::new(node);
        self.anchors.insert(anchor, Arc::clone(&shared));
        Ok(Node::clone(&shared))
    }

    fn alias(&mut self, id: usize, span: &Span) -> Result<Node<'t>, YamlError> {
        let target = self.anchors.get(&id).cloned().ok_or_else(|| {
            unsupported(
                span.start.line(),
                "an alias is inside the value that it names",
            )
        })?;
        self.lossy.get_or_insert("it uses anchors");
        Ok(Node {
            span: range(span),
            weight: target.weight,
            depth: target.depth + 1,
            kind: NodeKind::Alias(target),
            decorated: false,
        })
    }

    /// Whether a plain scalar may be a number, a boolean or null: a tag of one of these types changes
    /// nothing, and any other tag makes it text.
    fn check_scalar(
        &self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: &Span,
    ) -> Result<bool, YamlError> {
        let typed = tag.is_some_and(|tag| {
            ["int", "float", "bool", "null"]
                .iter()
                .any(|name| tag.is_yaml_core_schema_tag(name))
        });
        let binary = tag.is_some_and(|tag| tag.parts() == ("tag:yaml.org,2002:", "binary"));
        match refused_scalar(text, style, typed, binary, &self.text[range(span)]) {
            Some(reason) => Err(unsupported(span.start.line(), reason)),
            None => Ok(tag.is_none() || typed),
        }
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
            // The scanner's span includes the next line's indentation.
            let block = self.text[..span.end].trim_end_matches([' ', '\t']);
            if block.ends_with('\n') && block.len() >= span.start {
                span.end = block.len();
            }
            // If the file ends without a line break, kubectl's text does too.
            if span.end == self.text.len() && !self.text.ends_with('\n') && text.ends_with('\n') {
                text.to_mut().pop();
            }
            // Blank lines behind it belong to it only with `|+`.
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
            kind: NodeKind::Scalar {
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
            if !flow && is_indented_by_tab(self.text, item.span.start) {
                return Err(unsupported(line, "a tab is where only blanks are allowed"));
            }
            weight = weight.saturating_add(item.weight);
            depth = depth.max(item.depth + 1);
            self.items.push(item);
        };
        let items: Vec<_> = self.items.drain(first..).collect();
        at.end = end_of(flow, &end, items.last(), at.end);
        Ok(Node {
            span: at,
            kind: NodeKind::Seq { flow, items },
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
            if !matches!(key.kind, NodeKind::Scalar { .. }) {
                return Err(unsupported(line, "a mapping's key is not a plain name"));
            }
            let (event, span) = self.child()?;
            let mut value = self.node(event, &span)?;
            if let Some(reason) = refused_entry(&key, &value) {
                return Err(unsupported(line, reason));
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
            kind: NodeKind::Map { flow, entries },
            decorated: false,
            weight,
            depth,
        })
    }

    /// The parser reports an absent value at its key's end: move it behind the colon, if there is one.
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

/// The end of a collection: its bracket, or the end of its last child. (The scanner reports the start
/// of the next token, which is behind comments and blank lines.)
fn end_of(flow: bool, end: &Span, last: Option<&Node<'_>>, start: usize) -> usize {
    if flow {
        range(end).end
    } else {
        last.map_or(start, |node| node.span.end).max(start)
    }
}

fn is_absent(node: &Node<'_>) -> bool {
    matches!(&node.kind, NodeKind::Scalar { text, plain: true } if text.is_empty())
}

fn range(span: &Span) -> Range<usize> {
    span.byte_range()
        .expect("a parser over a string knows byte positions")
}

fn unsupported(line: usize, reason: &'static str) -> YamlError {
    YamlError::Unsupported { line, reason }
}

/// `SimpleKeyExpected { name: "x" }` -> `simple key expected`, without the fields, which may quote the
/// file.
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
