//! One case: what both programs are called with, and the environment that they are called in.
//!
//! Words in braces (`{tenant}`, `{secret}`, `{home}`) stand for what is known only once it runs.

use std::sync::Arc;

use crate::env::TestEnv;

/// Sets up the simulated Azure before each of the two programs runs.
pub(super) type Arrange = Arc<dyn Fn(&TestEnv) + Send + Sync>;

/// One case.
#[derive(Clone)]
pub(super) struct Case {
    /// `mode/how parameters are given/what happens`.
    pub(super) id: String,
    /// Arguments after `get-token`.
    pub(super) args: Vec<String>,
    /// Environment variables.
    pub(super) env: Vec<(String, String)>,
    /// Files in the home directory, by name.
    pub(super) files: Vec<(String, String)>,
    /// Programs on `PATH`, by name: shell scripts.
    pub(super) programs: Vec<(String, String)>,
    /// What is made of the simulated Azure.
    pub(super) arrange: Vec<Arrange>,
}

impl Case {
    /// A case of this name that gives nothing.
    pub(super) fn new(id: impl Into<String>) -> Self {
        Case {
            id: id.into(),
            args: Vec::new(),
            env: Vec::new(),
            files: Vec::new(),
            programs: Vec::new(),
            arrange: Vec::new(),
        }
    }

    /// Adds arguments, separated by spaces.
    #[must_use]
    pub(super) fn args(mut self, args: &str) -> Self {
        self.args.extend(args.split_whitespace().map(str::to_owned));
        self
    }

    /// Adds one argument as it is.
    #[must_use]
    pub(super) fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Adds a variable, in place of an earlier one of that name.
    #[must_use]
    pub(super) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds variables: `NAME=value`, separated by spaces.
    #[must_use]
    pub(super) fn envs(self, list: &str) -> Self {
        list.split_whitespace().fold(self, |case, pair| {
            let (name, value) = pair.split_once('=').expect("the matrix writes NAME=value");
            case.env(name, value)
        })
    }

    /// Adds a file to the home directory.
    #[must_use]
    pub(super) fn file(mut self, name: &str, content: &str) -> Self {
        self.files.push((name.to_owned(), content.to_owned()));
        self
    }

    /// Puts a shell script on `PATH`.
    #[must_use]
    pub(super) fn program(mut self, name: &str, script: &str) -> Self {
        self.programs.push((name.to_owned(), script.to_owned()));
        self
    }

    /// Adds a change of the simulated Azure.
    #[must_use]
    pub(super) fn arrange(mut self, arrange: impl Fn(&TestEnv) + Send + Sync + 'static) -> Self {
        self.arrange.push(Arc::new(arrange));
        self
    }

    /// Continues the name.
    #[must_use]
    pub(super) fn named(mut self, part: &str) -> Self {
        self.id = format!("{}/{part}", self.id);
        self
    }

    /// Whether the name begins with this mode.
    pub(super) fn is_of(&self, mode: &str) -> bool {
        self.id.split('/').next() == Some(mode)
    }

    /// Whether a part of the name is this.
    pub(super) fn has(&self, part: &str) -> bool {
        self.id.split('/').any(|known| known == part)
    }

    /// Whether this argument is given.
    pub(super) fn has_arg(&self, arg: &str) -> bool {
        self.args.iter().any(|known| known == arg)
    }
}
