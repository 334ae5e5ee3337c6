//! Finds and reads the configuration file: keys with their values and lines. Which keys exist is not known here.

use std::path::{Path, PathBuf};

use crate::{
    error::{Failure, Result},
    host::{Host, file::Unreadable, trusted_file},
    kubeconfig::yaml::{self, Entry, Node, NodeKind, YamlError},
};

/// The variable that names another file; empty for none.
pub(crate) const FILE_VARIABLE: &str = "AAD_CONFIG";
/// The variable that chooses a profile.
pub(crate) const PROFILE_VARIABLE: &str = "AAD_PROFILE";
/// The key of the profiles.
pub(crate) const PROFILES: &str = "profiles";

const DIRECTORY: &str = "kubectl-aad";
const NAME: &str = "config.yaml";
/// The largest file that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// Where the file is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// Where it is by default; it need not exist.
    Default(PathBuf),
    /// Where the variable says; it must exist.
    Named(PathBuf),
    /// None is read: the variable says so, or the home directory is unknown.
    Nowhere,
}

/// A configuration file.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    pub(crate) path: PathBuf,
    /// The keys at the top level.
    pub(crate) top: Vec<Item>,
    /// The profiles by name, in the file's order.
    pub(crate) profiles: Vec<(String, Vec<Item>)>,
}

/// A key with its value.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) key: String,
    /// From 1.
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// The value of a key, as text: `7d`, `8` and `true` are what the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    One(String),
    List(Vec<String>),
}

impl Location {
    /// Finds the place: `AAD_CONFIG`, else `kubectl-aad/config.yaml` in `XDG_CONFIG_HOME` if that is an absolute path (XDG
    /// Base Directory Specification), else in `~/.config`, also on macOS; on Windows in `APPDATA`.
    ///
    /// As for ripgrep's and git's files, an empty variable or the null device means none.
    pub(crate) fn find(host: &Host) -> Self {
        match host.var_os(FILE_VARIABLE) {
            Some(named) if named.is_empty() || is_null_device(Path::new(named)) => Self::Nowhere,
            Some(named) => Self::Named(host.path(named)),
            None => match directory(host) {
                Some(directory) => Self::Default(directory.join(DIRECTORY).join(NAME)),
                None => Self::Nowhere,
            },
        }
    }
}

fn is_null_device(path: &Path) -> bool {
    match cfg!(windows) {
        true => path.as_os_str().eq_ignore_ascii_case("nul"),
        false => path == Path::new("/dev/null"),
    }
}

fn directory(host: &Host) -> Option<PathBuf> {
    let absolute = |name| {
        let path = host.var_os_nonempty(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let xdg = absolute("XDG_CONFIG_HOME");
    let usual = match cfg!(windows) {
        true => absolute("APPDATA"),
        false => None,
    };
    xdg.or(usual)
        .or_else(|| Some(host.home().ok()?.join(".config")))
}

/// Reads the file, if there is one.
///
/// # Errors
/// A usage error if it can't be read, somebody else may write to it, or it is not a mapping of keys to texts and lists of
/// texts. No error shows a value.
pub(crate) fn read(host: &Host) -> Result<Option<ConfigFile>> {
    let path = match Location::find(host) {
        Location::Nowhere => return Ok(None),
        // A link that leads nowhere was meant to lead somewhere.
        Location::Default(path) if path.symlink_metadata().is_err_and(|e| is_absent(&e)) => {
            return Ok(None);
        }
        Location::Default(path) | Location::Named(path) => path,
    };
    let bytes = trusted_file::read(&path, LIMIT).map_err(|why| {
        let failure = refused(&path).because(&why);
        match why.hint(&path) {
            Some(hint) => failure.hint(hint),
            None => failure.hint(format!(
                "correct it, or run without it: `{FILE_VARIABLE}= kubectl aad …`"
            )),
        }
    })?;
    let text = String::from_utf8(bytes).map_err(|_| refused(&path).because(Unreadable::NotText))?;
    parse(&path, &text).map(Some)
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
    )
}

fn refused(path: &Path) -> Failure {
    Failure::usage(format!(
        "the configuration file `{}` can't be used",
        path.display()
    ))
}

fn parse(path: &Path, text: &str) -> Result<ConfigFile> {
    let reader = Reader { path, text };
    let tree = yaml::parse(text).map_err(|error| reader.invalid(&error))?;
    if tree.more_documents {
        return Err(refused(path).because("it has more than one YAML document"));
    }
    let mut file = ConfigFile {
        path: path.to_owned(),
        top: Vec::new(),
        profiles: Vec::new(),
    };
    let Some(root) = &tree.root else {
        return Ok(file);
    };
    for entry in reader.entries(root, "the file")? {
        match entry.name() {
            PROFILES => file.profiles = reader.profiles(&entry.value)?,
            _ => file.top.push(reader.item(entry)?),
        }
    }
    Ok(file)
}

struct Reader<'t> {
    path: &'t Path,
    text: &'t str,
}

impl Reader<'_> {
    fn line(&self, node: &Node<'_>) -> usize {
        let before = &self.text.as_bytes()[..node.span.start];
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }

    /// An error at a node. The reason follows the place: "is an alias".
    fn failure(&self, node: &Node<'_>, reason: &str) -> Failure {
        Failure::usage(format!(
            "`{}:{}`: {reason}",
            self.path.display(),
            self.line(node)
        ))
    }

    fn invalid(&self, error: &YamlError) -> Failure {
        refused(self.path).because(error).hint(
            "a value that begins with `{`, `*` or another sign needs quotes, such as `name: '*-prod'`",
        )
    }

    /// The entries of a mapping, each key once. `what` has the mapping: `the file`.
    fn entries<'n, 't>(&self, node: &'n Node<'t>, what: &str) -> Result<Vec<&'n Entry<'t>>> {
        let NodeKind::Map { entries, .. } = &node.kind else {
            return Err(self
                .failure(node, &format!("{what} has no keys"))
                .hint("write a key and its value on each line, such as `login: azurecli`"));
        };
        for (at, entry) in entries.iter().enumerate() {
            let name = entry.name();
            if name.is_empty() {
                return Err(self.failure(&entry.key, "a key is empty"));
            }
            if entry.is_merge() {
                return Err(self
                    .failure(&entry.key, "merge keys (`<<`) are not supported")
                    .hint("a profile has what the top level says, except for its own keys"));
            }
            if entries[..at].iter().any(|other| other.name() == name) {
                return Err(self
                    .failure(&entry.key, &format!("the key `{name}` is there twice"))
                    .hint("remove one of them"));
            }
        }
        Ok(entries.iter().collect())
    }

    fn profiles(&self, node: &Node<'_>) -> Result<Vec<(String, Vec<Item>)>> {
        let mut profiles = Vec::new();
        if is_null(node) {
            return Ok(profiles);
        }
        for profile in self.entries(node, &format!("`{PROFILES}`"))? {
            let name = profile.name().to_owned();
            let mut items = Vec::new();
            if !is_null(&profile.value) {
                let entries = self.entries(&profile.value, &format!("the profile `{name}`"))?;
                for entry in entries {
                    items.push(self.item(entry)?);
                }
            }
            profiles.push((name, items));
        }
        Ok(profiles)
    }

    fn item(&self, entry: &Entry<'_>) -> Result<Item> {
        let value = match &entry.value.kind {
            NodeKind::Seq { items, .. } => {
                let texts = items.iter().map(|item| self.text_of(entry, item));
                Value::List(texts.collect::<Result<_>>()?)
            }
            _ => Value::One(self.text_of(entry, &entry.value)?),
        };
        Ok(Item {
            key: entry.name().to_owned(),
            line: self.line(&entry.key),
            value,
        })
    }

    fn text_of(&self, entry: &Entry<'_>, node: &Node<'_>) -> Result<String> {
        let what = match &node.kind {
            NodeKind::Scalar { text, .. } if !is_null(node) => return Ok(text.to_string()),
            NodeKind::Scalar { .. } => "has no value",
            NodeKind::Alias(_) => "is an alias, which is not supported",
            NodeKind::Map { .. } => "is a mapping, not a value",
            NodeKind::Seq { .. } => "is a list in a list",
        };
        Err(self
            .failure(&entry.key, &format!("`{}` {what}", entry.name()))
            .hint(
                "give a value, such as `login: azurecli`, or a list of them in brackets; quotes make `{` and `*` a part of it, \
                 as in `context-name: '{name}'`",
            ))
    }
}

fn is_null(node: &Node<'_>) -> bool {
    match &node.kind {
        NodeKind::Scalar { text, plain } => {
            *plain && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ConfigFile> {
        parse(Path::new("c.yaml"), text)
    }

    #[test]
    fn values_are_the_texts_of_the_file_with_their_lines() {
        let file = read(
            "# a comment\nlogin: azurecli\nmax-age: 7d\nconcurrency: 010\nca-files: true\nsubscription:\n- a\n- 'b c'\nprofiles:\n  \
             work: {tenant-id: [], login: \"spn\"}\n  empty:\n",
        )
        .expect("valid");
        let shown = |items: &[Item]| -> Vec<_> {
            let show = |item: &Item| (item.key.clone(), item.line, item.value.clone());
            items.iter().map(show).collect()
        };
        let one = |key: &str, line, text: &str| (key.to_owned(), line, Value::One(text.to_owned()));
        let list = |key: &str, line, texts: &[&str]| {
            let texts = texts.iter().map(|text| (*text).to_owned()).collect();
            (key.to_owned(), line, Value::List(texts))
        };
        assert_eq!(
            shown(&file.top),
            [
                one("login", 2, "azurecli"),
                one("max-age", 3, "7d"),
                one("concurrency", 4, "010"),
                one("ca-files", 5, "true"),
                list("subscription", 6, &["a", "b c"]),
            ]
        );
        let [(work, items), (empty, none)] = &file.profiles[..] else {
            panic!("{:?}", file.profiles);
        };
        assert_eq!((work.as_str(), empty.as_str()), ("work", "empty"));
        let expected = [list("tenant-id", 10, &[]), one("login", 10, "spn")];
        assert_eq!(shown(items), expected);
        assert!(none.is_empty());
        for text in ["", "# only a comment\n", "---\n", "profiles:\n"] {
            assert!(read(text).is_ok_and(|file| file.top.is_empty()), "{text:?}");
        }
    }

    #[test]
    fn who_forgets_the_quotes_around_a_template_or_a_pattern_is_told() {
        for text in [
            "context-name: {name}\n",
            "context-name: {subscription}-{name}\n",
            "name: *-prod\n",
            "name: &prod *-prod\n",
        ] {
            let failure = read(text).expect_err(text).render();
            assert!(failure.contains("quotes"), "{text:?}: {failure}");
        }
    }

    #[test]
    fn what_is_no_mapping_of_keys_to_texts_is_refused_with_its_line() {
        for (text, shown) in [
            ("- a\n", "`c.yaml:1`: the file has no keys"),
            ("a: 1\na: 2\n", "`c.yaml:2`: the key `a` is there twice"),
            ("a:\n", "`c.yaml:1`: `a` has no value"),
            ("a: &x 1\nb: *x\n", "`c.yaml:2`: `b` is an alias"),
            ("a: [&x b, *x]\n", "`c.yaml:1`: `a` is an alias"),
            ("a: {b: c}\n", "`c.yaml:1`: `a` is a mapping"),
            ("a: [[b]]\n", "`c.yaml:1`: `a` is a list in a list"),
            ("a: [b, ~]\n", "`c.yaml:1`: `a` has no value"),
            ("a: b\n---\nc: d\n", "more than one YAML document"),
            ("profiles: [a]\n", "`c.yaml:1`: `profiles` has no keys"),
            (
                "profiles:\n  p: x\n",
                "`c.yaml:2`: the profile `p` has no keys",
            ),
            ("profiles:\n  p: {}\n  p: {}\n", "`c.yaml:3`: the key `p`"),
            ("x: &b {a: b}\n<<: *b\n", "`c.yaml:2`: merge keys"),
            ("<<: {a: b}\n", "merge keys"),
            ("a: [b\n", "line "),
            ("a:\tb\n\tc: d\n", "line "),
            (
                "? [a]\n: b\n",
                "line 1: a mapping's key is not a plain name",
            ),
            ("'': b\n", "a key is empty"),
        ] {
            let failure = read(text).expect_err(text).render();
            assert!(failure.contains(shown), "{text:?}: {failure}");
        }
    }

    #[test]
    fn the_file_is_where_the_variables_say() {
        let find =
            |variables: &[(&str, &str)]| Location::find(&Host::with_env(variables.iter().copied()));
        let home = ("HOME", "/h");
        let default = |path: &str| Location::Default(PathBuf::from(path));
        let usual = default("/h/.config/kubectl-aad/config.yaml");
        if cfg!(unix) {
            assert_eq!(find(&[home]), usual);
            assert_eq!(find(&[home, ("XDG_CONFIG_HOME", "relative")]), usual);
            assert_eq!(find(&[home, ("XDG_CONFIG_HOME", "")]), usual);
            assert_eq!(
                find(&[home, ("XDG_CONFIG_HOME", "/x")]),
                default("/x/kubectl-aad/config.yaml")
            );
            assert_eq!(
                find(&[home, (FILE_VARIABLE, "~/mine")]),
                Location::Named(PathBuf::from("/h/mine"))
            );
            assert_eq!(
                find(&[home, (FILE_VARIABLE, "/dev/null")]),
                Location::Nowhere
            );
        }
        assert_eq!(find(&[home, (FILE_VARIABLE, "")]), Location::Nowhere);
        assert_eq!(find(&[]), Location::Nowhere);
    }
}
