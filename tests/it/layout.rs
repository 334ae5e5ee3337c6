//! Generates kubeconfigs in the layouts of people and programs, each from a number.
//!
//! Unit tests of the crate include this file too.

use serde_json::{Map, Value, json};
use std::ops::Range;

/// A small generator with a fixed sequence (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// True with a probability of 1/`n`.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// A kubeconfig with three clusters `c0`, contexts `x0` and users `u0`, some of them others', and
/// one that is to be converted.
pub(crate) struct Layout {
    pub(crate) text: String,
    /// The index of the user to convert.
    pub(crate) target: usize,
    /// Its bytes in the text, from its dash or bracket.
    pub(crate) range: Range<usize>,
    /// The index of a user with an anchor, and of the user that is its alias.
    pub(crate) alias: Option<(usize, usize)>,
}

impl Layout {
    pub(crate) fn new(number: u64) -> Self {
        let mut random = Random(number.wrapping_mul(7919) + 17);
        let target = random.below(3);
        let (value, alias) = kubeconfig(&mut random, target);
        let mut writer = Writer {
            out: String::new(),
            eol: random.pick(&["\n", "\n", "\r\n"]),
            step: random.pick(&[2, 2, 4]),
            lists: random.pick(&[0, 0, 2, 4]),
            gap: random.pick(&[1, 1, 1, 3]),
            flow: random.pick(&[0, 0, 5, 2]),
            comments: random.pick(&[0, 8, 3]),
            anchors: random.pick(&[0, 0, 0, 12]),
            random,
            count: 0,
            target,
            range: 0..0,
            alias,
            path: Vec::new(),
        };
        writer.document(&value);
        Self {
            text: writer.out,
            target,
            range: writer.range,
            alias: writer.alias,
        }
    }
}

/// The values, and the user that is an alias of an earlier one.
fn kubeconfig(random: &mut Random, target: usize) -> (Value, Option<(usize, usize)>) {
    let mut users: Vec<Value> = (0..3)
        .map(|i| {
            let user = if i == target {
                entra_user(random)
            } else {
                other_user(random, i)
            };
            entry(random, &format!("u{i}"), "user", user)
        })
        .collect();
    let alias = random
        .one_in(12)
        .then(|| random.pick(&[(0, 1), (0, 2), (1, 2)]));
    if let Some((from, to)) = alias {
        users[to]["user"] = users[from]["user"].clone();
    }
    let clusters: Vec<Value> = (0..3)
        .map(|i| {
            let mut cluster = json!({"server": format!("https://c{i}.example:443")});
            if random.one_in(2) {
                cluster["certificate-authority-data"] = json!("TQ==");
            }
            if random.one_in(4) {
                cluster["extensions"] =
                    json!([{"name": "other", "extension": {"n": 7, "list": ["a", "b"]}}]);
            }
            entry(random, &format!("c{i}"), "cluster", cluster)
        })
        .collect();
    let contexts: Vec<Value> = (0..3)
        .map(|i| {
            let context =
                json!({"cluster": format!("c{i}"), "user": format!("u{i}"), "namespace": "yes"});
            entry(random, &format!("x{i}"), "context", context)
        })
        .collect();
    let mut sections = vec![
        ("apiVersion", json!("v1")),
        ("kind", json!("Config")),
        ("clusters", Value::Array(clusters)),
        ("contexts", Value::Array(contexts)),
        ("users", Value::Array(users)),
        ("current-context", json!("x0")),
        ("preferences", json!({})),
    ];
    // As `kubectl` writes them, or in another order; the users are last in a third of them.
    for _ in 0..random.below(4) {
        let (a, b) = (random.below(sections.len()), random.below(sections.len()));
        sections.swap(a, b);
    }
    if random.one_in(3) {
        let users = sections
            .iter()
            .position(|(key, _)| *key == "users")
            .unwrap_or(0);
        let users = sections.remove(users);
        sections.push(users);
    }
    let map: Map<String, Value> = sections
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v))
        .collect();
    (Value::Object(map), alias)
}

fn entry(random: &mut Random, name: &str, item: &str, value: Value) -> Value {
    if random.one_in(2) {
        json!({"name": name, item: value})
    } else {
        json!({item: value, "name": name})
    }
}

fn entra_user(random: &mut Random) -> Value {
    let mut args = vec![json!("get-token"), json!("--login"), json!("devicecode")];
    if random.one_in(3) {
        args.extend([
            json!("--environment"),
            random.pick(&["AzurePublicCloud", ""]).into(),
        ]);
    }
    args.extend(
        [
            "--server-id",
            "server",
            "--client-id",
            "client",
            "--tenant-id",
            "tenant",
        ]
        .map(|a| json!(a)),
    );
    if random.one_in(6) {
        // client-go reads null as an empty string.
        args.extend([json!("--login-hint"), Value::Null]);
    }
    if random.one_in(10) {
        args.push(json!("--v=5"));
    }
    let mut exec = vec![
        ("apiVersion", json!("client.authentication.k8s.io/v1beta1")),
        ("args", Value::Array(args)),
        ("command", json!("kubelogin")),
        ("provideClusterInfo", json!(false)),
    ];
    if random.one_in(2) {
        exec.push(("env", random.pick(&[0, 1]).into()));
        let last = exec.len() - 1;
        exec[last].1 = if random.one_in(2) {
            Value::Null
        } else {
            json!([{"name": "HTTPS_PROXY", "value": "http://proxy:1"}, {"name": "A", "value": "# no comment"}])
        };
    }
    if random.one_in(2) {
        exec.push((
            "installHint",
            json!("\nkubelogin is missing.\n\nSee https://x.\n"),
        ));
    }
    if random.one_in(4) {
        exec.push(("interactiveMode", json!("IfAvailable")));
    }
    let turn = random.below(exec.len());
    exec.rotate_left(turn);
    let exec: Map<String, Value> = exec.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    let mut user = json!({"exec": exec});
    if random.one_in(5) {
        user["extensions"] = json!([{"name": "other", "extension": {"a": "b"}}]);
    }
    user
}

fn other_user(random: &mut Random, i: usize) -> Value {
    match random.below(4) {
        0 => json!({"token": format!("token-{i}")}),
        1 => json!({"client-certificate-data": "TQ==", "client-key-data": "TQ=="}),
        2 => json!({"username": "on", "password": "0x1F: # x"}),
        _ => {
            json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "aws", "args": ["eks", "get-token"], "env": null}})
        }
    }
}

struct Writer {
    out: String,
    eol: &'static str,
    /// The indentation of a mapping below its key.
    step: usize,
    /// The same for a list.
    lists: usize,
    /// The number of blanks behind a dash.
    gap: usize,
    /// One in this many collections is written in brackets; 0 for none. Likewise for comments and anchors.
    flow: usize,
    comments: usize,
    anchors: usize,
    random: Random,
    count: usize,
    target: usize,
    range: Range<usize>,
    alias: Option<(usize, usize)>,
    path: Vec<String>,
}

impl Writer {
    fn chance(&mut self, one_in: usize) -> bool {
        one_in > 0 && self.random.one_in(one_in)
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn blanks(&mut self, count: usize) {
        self.out.extend(std::iter::repeat_n(' ', count));
    }

    fn document(&mut self, value: &Value) {
        if self.random.one_in(10) {
            self.push("\u{feff}");
        }
        let json = self.random.one_in(12);
        if !json {
            let head = self.random.pick(&[
                "",
                "",
                "",
                "---",
                "--- # start",
                "%YAML 1.1\n---",
                "# mine\n",
            ]);
            self.push(&head.replace('\n', self.eol));
            if head.starts_with(['-', '%']) {
                self.push(self.eol);
            }
        }
        if json {
            self.flow = 1;
            self.comments = 0;
            self.anchors = 0;
            self.alias = None;
            self.flow(value, true);
            self.push(self.eol);
        } else {
            let Value::Object(map) = value else {
                return;
            };
            self.map(map, 0, false);
        }
        match self.random.below(12) {
            0 if !json => {
                self.push("...");
                self.push(self.eol);
            }
            1 if !json => self.push(&format!("---{0}kind: Pod{0}", self.eol)),
            2 => self.push(self.eol),
            3..=6 => {
                // No line break at the end.
                let end = self.out.trim_end_matches(['\n', '\r']).len();
                self.out.truncate(end);
                self.range.end = self.range.end.min(end);
            }
            7 if !json => self.push("# the end"),
            _ => {}
        }
    }

    fn comment_line(&mut self, indent: usize) {
        let chance = self.comments;
        if self.chance(chance * 2) {
            let blank = self.eol;
            self.push(blank);
        }
        if self.chance(chance) {
            let blanks = if self.random.one_in(3) { 0 } else { indent };
            self.blanks(blanks);
            self.comment();
            let eol = self.eol;
            self.push(eol);
        }
    }

    fn comment(&mut self) {
        self.count += 1;
        let kind = if self.path.iter().any(|key| key == "args") {
            "arg"
        } else {
            "c"
        };
        let text = format!("# {kind}{}: 'it' isn't {{yaml}}", self.count);
        self.push(&text);
    }

    fn line_end(&mut self) {
        let chance = self.comments;
        if self.chance(chance) {
            self.push(" ");
            self.comment();
        } else if self.random.one_in(30) {
            self.push("  ");
        }
        let eol = self.eol;
        self.push(eol);
    }

    fn anchor(&mut self) -> String {
        let chance = self.anchors;
        if self.chance(chance) {
            self.count += 1;
            return format!("&a{} ", self.count);
        }
        String::new()
    }

    /// The anchor of an aliased user, and whether this is the alias.
    fn user_alias(&self) -> Option<bool> {
        let (from, to) = self.alias?;
        let at = |i: usize| self.path == ["users".to_owned(), i.to_string(), "user".to_owned()];
        match (at(from), at(to)) {
            (true, _) => Some(false),
            (_, true) => Some(true),
            _ => None,
        }
    }

    fn map(&mut self, map: &Map<String, Value>, indent: usize, first_inline: bool) {
        for (i, (key, value)) in map.iter().enumerate() {
            if i > 0 || !first_inline {
                self.comment_line(indent);
                self.blanks(indent);
            }
            self.path.push(key.clone());
            let key = self.key(key);
            self.push(&key);
            self.push(":");
            self.after_colon(value, indent);
            self.path.pop();
        }
    }

    fn key(&mut self, key: &str) -> String {
        match self.random.below(20) {
            0 => format!("\"{key}\""),
            1 => format!("'{key}'"),
            _ => key.to_owned(),
        }
    }

    fn after_colon(&mut self, value: &Value, indent: usize) {
        let anchor = match self.user_alias() {
            Some(true) => {
                self.push(" *shared");
                return self.line_end();
            }
            Some(false) => "&shared ".to_owned(),
            None => self.anchor(),
        };
        let flow = self.flow;
        match value {
            Value::Object(map) if !map.is_empty() && !self.chance(flow) => {
                self.push(format!(" {anchor}").trim_end());
                self.line_end();
                let step = self.step;
                self.map(map, indent + step, false);
            }
            Value::Array(items) if !items.is_empty() && !self.chance(flow) => {
                self.push(format!(" {anchor}").trim_end());
                self.line_end();
                let lists = self.lists;
                self.list(items, indent + lists);
            }
            Value::Object(_) | Value::Array(_) => {
                self.push(&format!(" {anchor}"));
                self.flow(value, false);
                self.line_end();
            }
            Value::Null => {
                let null = self.random.pick(&["", " null", " ~"]);
                self.push(null);
                self.line_end();
            }
            Value::String(text) if text.contains('\n') && !self.random.one_in(3) => {
                let step = self.step;
                self.push(&format!(" {anchor}|"));
                if text.starts_with('\n') {
                    self.push(&step.to_string());
                }
                let eol = self.eol;
                self.push(eol);
                for line in text.trim_end_matches('\n').split('\n') {
                    if !line.is_empty() {
                        self.blanks(indent + step);
                        self.push(line);
                    }
                    self.push(eol);
                }
            }
            value => {
                self.push(&format!(" {anchor}"));
                let text = self.scalar(value);
                self.push(&text);
                self.line_end();
            }
        }
    }

    fn list(&mut self, items: &[Value], indent: usize) {
        for (i, item) in items.iter().enumerate() {
            self.comment_line(indent);
            let start = self.out.len();
            self.blanks(indent);
            self.push("-");
            self.path.push(i.to_string());
            let gap = self.gap;
            let flow = self.flow;
            match item {
                Value::Object(map) if !map.is_empty() && !self.chance(flow) => {
                    let anchor = self.anchor();
                    if self.random.one_in(8) || !anchor.is_empty() {
                        self.push(format!(" {anchor}").trim_end());
                        self.line_end();
                        self.map(map, indent + 2, false);
                    } else {
                        self.blanks(gap);
                        self.map(map, indent + 1 + gap, true);
                    }
                }
                Value::Object(_) | Value::Array(_) => {
                    self.blanks(gap);
                    self.flow(item, false);
                    self.line_end();
                }
                Value::Null => {
                    let null = self.random.pick(&["", " null", " ~"]);
                    self.push(null);
                    self.line_end();
                }
                value => {
                    self.blanks(gap);
                    let text = self.scalar(value);
                    self.push(&text);
                    self.line_end();
                }
            }
            self.path.pop();
            if self.path == ["users"] && i == self.target {
                self.range = start..self.out.len();
            }
        }
    }

    fn scalar(&mut self, value: &Value) -> String {
        let Value::String(text) = value else {
            return value.to_string();
        };
        let plain = text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-./:".contains(c))
            && !text.is_empty()
            && !["on", "yes"].contains(&text.as_str());
        match self.random.below(6) {
            0 if !text.contains('\n') => format!("'{text}'"),
            0 | 1 => json!(text).to_string(),
            _ if plain => text.clone(),
            _ => json!(text).to_string(),
        }
    }

    /// A value in brackets, sometimes over several lines.
    fn flow(&mut self, value: &Value, json: bool) {
        let wide = self.random.one_in(6);
        let (open, close) = match value {
            Value::Object(_) => ("{", "}"),
            Value::Array(_) => ("[", "]"),
            Value::Null => return self.push("null"),
            value if json => return self.push(&value.to_string()),
            value => {
                let text = self.scalar(value);
                // A colon would end the key.
                let text = if text.contains(':') && !text.starts_with(['"', '\'']) {
                    value.to_string()
                } else {
                    text
                };
                return self.push(&text);
            }
        };
        self.push(open);
        let children: Vec<(Option<String>, &Value)> = match value {
            Value::Object(map) => map.iter().map(|(k, v)| (Some(k.clone()), v)).collect(),
            Value::Array(items) => items.iter().map(|v| (None, v)).collect(),
            _ => Vec::new(),
        };
        for (i, (key, child)) in children.iter().enumerate() {
            if i > 0 {
                self.push(",");
            }
            if wide {
                let eol = self.eol;
                self.push(eol);
                let depth = 10 + 2 * self.path.len();
                self.blanks(depth);
            } else if i > 0 && !self.random.one_in(5) | !json {
                self.push(" ");
            }
            let start = self.out.len();
            self.path.push(key.clone().unwrap_or_else(|| i.to_string()));
            match key {
                Some(key) if json => self.push(&format!("\"{key}\": ")),
                Some(key) => self.push(&format!("{key}: ")),
                None => {}
            }
            match self.user_alias() {
                Some(true) => self.push("*shared "),
                Some(false) => {
                    self.push("&shared ");
                    self.flow(child, json);
                }
                None => self.flow(child, json),
            }
            self.path.pop();
            if self.path == ["users"] && i == self.target {
                self.range = start..self.out.len();
            }
        }
        if !children.is_empty() && !json && self.random.one_in(20) {
            self.push(",");
        }
        if wide {
            let eol = self.eol;
            self.push(eol);
            let depth = 8 + 2 * self.path.len();
            self.blanks(depth);
        }
        self.push(close);
    }
}
