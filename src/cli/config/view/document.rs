//! What `config view` reports.

use serde::Serialize;

use crate::{
    cli::{
        output,
        report::{self, Column},
    },
    host::Host,
    login::Place,
    ops::config::{FILE_VARIABLE, Location},
    sentence::{all_of, quoted},
};

/// What is shown for a secret.
const SECRET: &str = "(secret)";
const COLUMNS: [Column; 3] = [
    Column::new("KEY", 9),
    Column::new("VALUE", 5),
    Column::new("FROM", 8),
];

/// The report.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    /// The file that was read.
    pub(super) file: Option<String>,
    pub(super) profile: Option<String>,
    pub(super) values: Vec<ValueRow>,
}

/// A value that is set.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ValueRow {
    pub(super) key: String,
    /// None for a secret.
    pub(super) value: Option<Shown>,
    #[serde(flatten)]
    pub(super) from: Source,
    /// The login mode that has no use for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unused_by: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Shown {
    Switch(bool),
    One(String),
    List(Vec<String>),
}

/// Where a value comes from.
#[derive(Serialize)]
#[serde(tag = "from", rename_all = "camelCase")]
pub(super) enum Source {
    Flag,
    Variable {
        variable: &'static str,
    },
    File {
        line: usize,
        profile: Option<String>,
    },
    Default,
}

impl Source {
    pub(super) fn place(place: &Place) -> Self {
        Self::File {
            line: place.line,
            profile: place.profile.clone(),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Flag => "flag".to_owned(),
            Self::Variable { variable } => (*variable).to_owned(),
            Self::File {
                line,
                profile: None,
            } => format!("file, line {line}"),
            Self::File {
                line,
                profile: Some(profile),
            } => format!("file, line {line} ({profile})"),
            Self::Default => "default".to_owned(),
        }
    }
}

impl Document {
    /// Adds a value, unless another command has it, too.
    pub(super) fn add(&mut self, row: Option<ValueRow>) {
        let is_there = |row: &ValueRow| self.values.iter().any(|other| other.key == row.key);
        self.values.extend(row.filter(|row| !is_there(row)));
    }

    pub(super) fn table(&self, width: Option<usize>) -> String {
        let cells = |row: &ValueRow| {
            let value = match &row.value {
                None => SECRET.to_owned(),
                Some(Shown::Switch(on)) => on.to_string(),
                Some(Shown::One(text)) => text.clone(),
                Some(Shown::List(texts)) if texts.is_empty() => "[]".to_owned(),
                Some(Shown::List(texts)) => texts.join(", "),
            };
            let unused = row.unused_by.map_or("", |_| ", unused");
            vec![row.key.clone(), value, row.from.text() + unused]
        };
        report::table(&COLUMNS, self.values.iter().map(cells).collect(), width)
    }

    /// What has no effect, for each login mode.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut modes: Vec<&str> = Vec::new();
        for mode in self.values.iter().filter_map(|row| row.unused_by) {
            if !modes.contains(&mode) {
                modes.push(mode);
            }
        }
        let note = |mode| {
            let rows = self.values.iter();
            let rows = rows.filter(|row| row.unused_by == Some(mode));
            let keys = quoted(rows.map(|row| &row.key));
            let have = if keys.len() == 1 { "has" } else { "have" };
            format!(
                "note: {} {have} no effect with the login mode `{mode}`",
                all_of(&keys, "and")
            )
        };
        modes.into_iter().map(note).collect()
    }

    /// Which file was read, or where one could be.
    pub(super) fn about_file(&self, host: &Host) -> String {
        let home = host.home().ok();
        match (&self.file, &self.profile, Location::find(host)) {
            (Some(file), None, _) => {
                let file = output::path(file.as_ref(), home.as_deref());
                format!("configuration file: {file}")
            }
            (Some(file), Some(profile), _) => {
                let file = output::path(file.as_ref(), home.as_deref());
                format!("configuration file: {file}, profile `{profile}`")
            }
            (None, _, Location::Default(path)) => {
                let path = output::path(&path, home.as_deref());
                format!(
                    "there is no configuration file; to make one, write flags that you always use to `{path}`, without \
                     dashes, such as `login: azurecli`"
                )
            }
            (None, ..) => format!("no configuration file is read: `{FILE_VARIABLE}` turns it off"),
        }
    }
}
