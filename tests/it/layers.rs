//! The layers of `docs/architecture.md`: which module may import which, and which modules alone
//! print, read the environment or start programs.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::support::repository;

/// A module and the modules that it may import.
const MAY_IMPORT: [(&str, &[&str]); 17] = [
    (
        "cli",
        &[
            "clouds",
            "error",
            "exec_credential",
            "fleet",
            "host",
            "kubeconfig",
            "login",
            "near",
            "ops",
            "sentence",
        ],
    ),
    (
        "ops",
        &[
            "auth",
            "azure",
            "clouds",
            "error",
            "exec_credential",
            "fleet",
            "host",
            "jwt",
            "kubeconfig",
            "login",
            "near",
            "secret",
            "sentence",
            "shell",
            "tool_config",
        ],
    ),
    ("fleet", &["error", "near", "sentence", "shell"]),
    (
        "azure",
        &[
            "auth",
            "clouds",
            "error",
            "fleet",
            "host",
            "jwt",
            "near",
            "secret",
            "sentence",
            "tool_config",
        ],
    ),
    (
        "auth",
        &[
            "clouds",
            "error",
            "host",
            "jwt",
            "login",
            "near",
            "secret",
            "tool_config",
        ],
    ),
    (
        "kubeconfig",
        &[
            "clouds",
            "error",
            "fleet",
            "host",
            "login",
            "near",
            "sentence",
            "tool_config",
        ],
    ),
    ("exec_credential", &["auth", "error", "host", "secret"]),
    (
        "login",
        &["error", "host", "near", "secret", "sentence", "shell"],
    ),
    ("host", &["error", "secret", "shell"]),
    ("clouds", &[]),
    ("error", &[]),
    ("jwt", &[]),
    ("near", &["sentence"]),
    ("secret", &[]),
    ("sentence", &[]),
    ("shell", &[]),
    ("tool_config", &["error", "host"]),
];

/// What `azure` may import from `auth`: that there are tokens, not how to get them.
const AZURE_OF_AUTH: [&str; 3] = ["AccessToken", "TokenRequest", "TokenSource"];

/// Words, and the only modules that may contain them.
const ONLY_IN: [(&str, &[&str]); 9] = [
    ("println!", &["cli/output.rs"]),
    ("eprintln!", &["cli/output.rs"]),
    // `host` asks whether they are terminals.
    ("io::stdout", &["cli", "cli.rs", "host.rs"]),
    ("io::stderr", &["cli", "cli.rs", "host.rs"]),
    ("env::var", &["host", "host.rs"]),
    ("process::Command::new", &["host"]),
    // Besides the host's clock, the age of a file depends on the clock that stamped it.
    (
        "SystemTime::now",
        &["host.rs", "host/private_directory.rs", "kubeconfig/lock.rs"],
    ),
    ("clap::", &["cli", "cli.rs"]),
    ("#[allow", &[]),
];

/// A source file: its path below `src`, and its text without comments and unit tests.
struct Source {
    path: PathBuf,
    code: String,
}

impl Source {
    fn module(&self) -> String {
        let first = self.path.iter().next().expect("a path has a part");
        Path::new(first)
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned()
    }
}

fn sources() -> Vec<Source> {
    let root = repository().join("src");
    let mut found = Vec::new();
    let mut to_read = vec![root.clone()];
    while let Some(directory) = to_read.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                to_read.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
                let text = fs::read_to_string(&path).expect("UTF-8");
                let path = path.strip_prefix(&root).expect("below it").to_owned();
                assert!(
                    text.starts_with("//! "),
                    "`{}` does not begin by saying what it does",
                    path.display()
                );
                let code = code(&text);
                found.push(Source { path, code });
            }
        }
    }
    assert!(found.len() > 50, "only {} files were found", found.len());
    found
}

/// The text up to its unit tests, without comments.
fn code(text: &str) -> String {
    let tests = ["\n#[cfg(test)]\nmod tests {", "\n#[cfg(all(test"];
    let end = tests.iter().filter_map(|mark| text.find(mark)).min();
    text[..end.unwrap_or(text.len())]
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The paths after `crate::`, those in braces one by one.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, mark) in code.match_indices("crate::") {
        let rest = &code[at + mark.len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(parts(group)),
            None => {
                found.extend(parts(rest).into_iter().next());
            }
        }
    }
    found
}

/// The paths of a group, up to its closing brace; a path's own groups stay with it.
fn parts(group: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            ';' | '(' | ')' | '<' | '>' | '=' | '?' if depth == 0 => break,
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.extend((!c.is_whitespace()).then_some(c));
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[test]
fn each_module_imports_only_the_modules_below_it() {
    let mut wrong = Vec::new();
    for source in sources() {
        let module = source.module();
        if ["main", "lib"].contains(&module.as_str()) {
            continue;
        }
        let (_, allowed) = MAY_IMPORT
            .iter()
            .find(|(name, _)| *name == module)
            .unwrap_or_else(|| panic!("`{module}` is a new module: say what it may import"));
        for import in imports(&source.code) {
            let mut steps = import.split("::");
            let other = steps.next().unwrap_or_default();
            let further = steps.next().unwrap_or_default();
            if other != module && !allowed.contains(&other) {
                wrong.push(format!("{} imports {import}", source.path.display()));
            }
            if module == "azure" && other == "auth" {
                let names = further.trim_matches(['{', '}']).split(',');
                let mut names = names.filter(|name| !name.is_empty());
                if !names.all(|name| AZURE_OF_AUTH.contains(&name)) {
                    wrong.push(format!("{} imports {import}", source.path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_modules_that_may_print_read_the_environment_or_start_programs_do() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|s| s.module() != "main") {
        for (word, places) in ONLY_IN {
            let allowed = places.iter().any(|place| source.path.starts_with(place));
            if source.code.contains(word) && !allowed {
                wrong.push(format!("{} says `{word}`", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::{\n    auth::{TokenRequest, TokenSource},\n    host::Host,\n};\n\
                use crate::error::Result;\nfn x() -> crate::secret::Secret { crate::azure::go(1, 2) }";
    let expected = [
        "auth::{TokenRequest,TokenSource}",
        "azure::go",
        "error::Result",
        "host::Host",
        "secret::Secret",
    ];
    let found: Vec<_> = imports(text).into_iter().collect();
    assert!(
        expected
            .iter()
            .all(|path| found.iter().any(|have| have.starts_with(path))),
        "{found:?}"
    );
}
