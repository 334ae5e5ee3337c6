//! What a command was given: its arguments, and what the configuration file adds to them.
//!
//! The file's values are read by clap as if they stood on the command line, so that a key means what its flag means.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    ops::Deref,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Arg, ArgMatches, Command, parser::ValueSource};

use super::{
    PROFILE,
    keys::{self, Keys},
};
use crate::{
    error::{Failure, Kind, Result},
    host::Host,
    login::Place,
    near,
    ops::config::{self, ConfigFile, Item, PROFILE_VARIABLE, Value},
    sentence::quoted,
};

/// Flags, each with the variable of another program that says the same. A variable that is set counts before the file.
pub(super) const VARIABLES: [(&str, &str); 2] = [
    ("kubeconfig", "KUBECONFIG"),
    ("azure-config-dir", "AZURE_CONFIG_DIR"),
];

/// A command's arguments, with those of the configuration file.
pub(in crate::cli) struct Given {
    matches: ArgMatches,
    /// What the file gives, by the ids of the flags.
    from_file: BTreeMap<String, FromFile>,
    /// The file that was read, and the profile that was chosen.
    pub(super) file: Option<(PathBuf, Option<String>)>,
}

/// A value of the file that counts.
struct FromFile {
    place: Arc<Place>,
    /// What it says, unless that is true or false.
    texts: Vec<String>,
}

impl From<ArgMatches> for Given {
    fn from(matches: ArgMatches) -> Self {
        Self {
            matches,
            from_file: BTreeMap::new(),
            file: None,
        }
    }
}

impl Deref for Given {
    type Target = ArgMatches;

    fn deref(&self) -> &ArgMatches {
        &self.matches
    }
}

impl Given {
    /// Reads the configuration file for a command. `args` are the whole arguments, the program's name first, and `matches`
    /// are those of the command.
    ///
    /// # Errors
    /// A usage error if the file can't be used, a key or value in it is invalid, or the profile is unknown.
    pub(in crate::cli) fn read(
        command: &str,
        matches: &ArgMatches,
        args: &[OsString],
        host: &Host,
    ) -> Result<Self> {
        let wanted = match matches.get_one::<String>(PROFILE) {
            Some(named) => Some(named.as_str()),
            None => host.var(PROFILE_VARIABLE),
        };
        let wanted = wanted.filter(|name| !name.is_empty());
        let Some(file) = config::read(host)? else {
            return match wanted {
                Some(name) => Err(no_file(name, host)),
                None => Ok(matches.clone().into()),
            };
        };
        let keys = Keys::new();
        check(&keys, &file)?;
        let profile = wanted.map(|name| profile(&file, name)).transpose()?;
        let Some(clap) = keys.command(command) else {
            return Ok(matches.clone().into());
        };
        let mut added = Added::new(clap, &file, profile)?;
        added.drop_what_is_overridden(matches, host);
        let given = match added.items.is_empty() {
            true => matches.clone(),
            false => reparsed(command, args, added.arguments(&file.path, host))?,
        };
        Ok(Self {
            matches: given,
            from_file: added.into_places(),
            file: Some((file.path.clone(), profile.map(|(name, _)| name.clone()))),
        })
    }

    /// The file that was read, and the profile that was chosen.
    pub(in crate::cli) fn file(&self) -> Option<(&Path, Option<&str>)> {
        let (path, profile) = self.file.as_ref()?;
        Some((path, profile.as_deref()))
    }

    /// Whether the file gives the value of the flag with this id.
    pub(in crate::cli) fn is_from_file(&self, id: &str) -> bool {
        self.from_file.contains_key(id)
    }

    /// Where the file gives the value of the flag with this id.
    pub(super) fn place(&self, id: &str) -> Option<&Place> {
        Some(&self.from_file.get(id)?.place)
    }

    /// Where the file gives what it gives, by the ids of the flags.
    pub(in crate::cli) fn places(&self) -> BTreeMap<String, Arc<Place>> {
        let places = self.from_file.iter();
        places
            .map(|(id, value)| (id.clone(), Arc::clone(&value.place)))
            .collect()
    }

    /// Adds to an error in the input that names a flag or its value where the file gives it.
    pub(in crate::cli) fn blame(&self, failure: Failure) -> Failure {
        if !matches!(failure.kind(), Kind::Usage | Kind::NotFound) {
            return failure;
        }
        let said = failure.render();
        let named = self.from_file.values().filter(|value| {
            let is_said = |text: &str| said.contains(&format!("`{text}`"));
            !said.contains(&value.place.to_string())
                && (is_said(&format!("--{}", value.place.key))
                    || said.contains(&format!("`--{} ", value.place.key))
                    || value.texts.iter().any(|text| is_said(text)))
        });
        named.fold(failure, |failure, value| {
            let place = &value.place;
            failure.because(format!("`--{}` is given by {place}", place.key))
        })
    }
}

/// A key of the file that counts for a command.
struct Counting<'f> {
    arg: &'f Arg,
    item: &'f Item,
    place: Arc<Place>,
}

/// The keys of the file that count for a command.
struct Added<'f> {
    clap: &'f Command,
    items: Vec<Counting<'f>>,
}

impl<'f> Added<'f> {
    /// The keys for a command: those of the profile, and those at the top level that the profile does not replace, by the
    /// same key or by one that can't be used with it.
    ///
    /// # Errors
    /// A usage error if keys of one part can't be used together.
    fn new(
        clap: &'f Command,
        file: &'f ConfigFile,
        profile: Option<(&'f String, &'f [Item])>,
    ) -> Result<Self> {
        let shown = file.path.display().to_string();
        let part = |items: &'f [Item], profile: Option<&String>| -> Vec<Counting<'f>> {
            let counts = |item: &'f Item| {
                let arg = keys::flag(clap, &item.key).filter(|arg| keys::is_key(arg))?;
                // Another command takes it: the file was checked.
                if keys::value_error(clap, arg, &item.value).is_some() {
                    return None;
                }
                let place = Arc::new(Place {
                    key: item.key.clone(),
                    file: shown.clone(),
                    line: item.line,
                    profile: profile.cloned(),
                });
                Some(Counting { arg, item, place })
            };
            items.iter().filter_map(counts).collect()
        };
        let mut items = match profile {
            Some((name, items)) => part(items, Some(name)),
            None => Vec::new(),
        };
        check_together(clap, &items)?;
        let top = part(&file.top, None);
        check_together(clap, &top)?;
        let replaced = |one: &Counting<'_>| {
            items.iter().any(|other| {
                one.item.key == other.item.key || is_conflict(clap, one.arg, other.arg)
            })
        };
        let top: Vec<_> = top.into_iter().filter(|one| !replaced(one)).collect();
        items.extend(top);
        Ok(Self { clap, items })
    }
}

/// Checks that no two keys of one part exclude each other.
fn check_together(clap: &Command, items: &[Counting<'_>]) -> Result<()> {
    for (at, one) in items.iter().enumerate() {
        let mut others = items[..at].iter();
        if let Some(other) = others.find(|other| is_conflict(clap, one.arg, other.arg)) {
            return Err(Failure::usage(format!(
                "{} can't be used with {}",
                one.place, other.place
            ))
            .hint("remove one of them"));
        }
    }
    Ok(())
}

fn is_conflict(clap: &Command, one: &Arg, other: &Arg) -> bool {
    let excludes = |one: &Arg, other: &Arg| {
        let excluded = clap.get_arg_conflicts_with(one);
        excluded.iter().any(|arg| arg.get_id() == other.get_id())
    };
    one.get_id() != other.get_id() && (excludes(one, other) || excludes(other, one))
}

impl Added<'_> {
    /// Drops what the command line says, what can't be used with it, and what a variable says.
    fn drop_what_is_overridden(&mut self, matches: &ArgMatches, host: &Host) {
        let clap = self.clap;
        let typed: Vec<&Arg> = clap
            .get_arguments()
            .filter(|arg| {
                let source = matches.value_source(arg.get_id().as_str());
                source == Some(ValueSource::CommandLine)
            })
            .collect();
        self.items.retain(|one| {
            let is_typed = typed
                .iter()
                .any(|arg| arg.get_id() == one.arg.get_id() || is_conflict(clap, arg, one.arg));
            let mut variables = VARIABLES.iter();
            let is_set = variables.any(|(key, variable)| {
                *key == one.item.key && host.var_os_nonempty(variable).is_some()
            });
            !is_typed && !is_set
        });
    }

    /// As arguments. A relative path is relative to the file's directory.
    fn arguments(&self, file: &Path, host: &Host) -> Vec<OsString> {
        let argument = |one: &Counting<'_>, text: &str| {
            let text = match is_path(one.arg) {
                true => full(text, file, host),
                false => text.into(),
            };
            let mut argument = OsString::from(format!("--{}=", one.item.key));
            argument.push(text);
            argument
        };
        let of_item = |one: &Counting<'_>| -> Vec<OsString> {
            texts(&one.item.value)
                .iter()
                // A flag of the other kind is off unless it is given.
                .filter(|text| *text == "true" || !is_plain_switch(one.arg))
                .map(|text| match is_plain_switch(one.arg) {
                    true => OsString::from(format!("--{}", one.item.key)),
                    false => argument(one, text),
                })
                .collect()
        };
        self.items.iter().flat_map(of_item).collect()
    }

    fn into_places(self) -> BTreeMap<String, FromFile> {
        let place = |one: Counting<'_>| {
            let shown = match keys::is_switch(one.arg) {
                true => Vec::new(),
                false => texts(&one.item.value).to_vec(),
            };
            let value = FromFile {
                place: one.place,
                texts: shown,
            };
            (one.arg.get_id().to_string(), value)
        };
        self.items.into_iter().map(place).collect()
    }
}

fn texts(value: &Value) -> &[String] {
    match value {
        Value::One(text) => std::slice::from_ref(text),
        Value::List(texts) => texts,
    }
}

/// Whether a flag takes no value, not even `=false`.
fn is_plain_switch(arg: &Arg) -> bool {
    !arg.get_action().takes_values()
}

/// Whether a flag takes a path.
fn is_path(arg: &Arg) -> bool {
    let names = arg.get_value_names().unwrap_or_default();
    matches!(names, [name] if *name == "FILE" || *name == "DIR")
}

fn full(text: &str, file: &Path, host: &Host) -> OsString {
    let path = host.path(text);
    let whole = match (path.is_relative() && !text.is_empty(), file.parent()) {
        (true, Some(directory)) => directory.join(path),
        _ => path,
    };
    std::path::absolute(&whole).unwrap_or(whole).into()
}

/// Reads the arguments again, with those of the file after the command's name.
fn reparsed(command: &str, args: &[OsString], added: Vec<OsString>) -> Result<ArgMatches> {
    let at = args.iter().position(|arg| arg == command);
    let at = at.map_or(args.len(), |at| at + 1);
    let whole: Vec<OsString> = [&args[..at], &added, &args[at..]].concat();
    let matches =
        crate::cli::parse(&whole).map_err(|error| crate::cli::usage::failure(&error, &whole))?;
    match matches.subcommand() {
        Some((_, matches)) => Ok(matches.clone()),
        None => Ok(matches),
    }
}

/// Checks the whole file, if there is one, and that the profile of the variable is in it.
///
/// # Errors
/// As [`Given::read`].
pub(in crate::cli) fn check_file(host: &Host) -> Result<()> {
    let wanted = host.var_nonempty(PROFILE_VARIABLE);
    match (config::read(host)?, wanted) {
        (None, None) => Ok(()),
        (None, Some(name)) => Err(no_file(name, host)),
        (Some(file), wanted) => {
            check(&Keys::new(), &file)?;
            wanted.map_or(Ok(()), |name| profile(&file, name).map(drop))
        }
    }
}

/// Checks every key and value of the file, also of the profiles that are not used.
fn check(keys: &Keys, file: &ConfigFile) -> Result<()> {
    let profiles = file.profiles.iter().flat_map(|(_, items)| items);
    for item in file.top.iter().chain(profiles) {
        keys.check(item).map_err(|failure| {
            failure.because(format!("in `{}:{}`", file.path.display(), item.line))
        })?;
    }
    Ok(())
}

fn profile<'f>(file: &'f ConfigFile, name: &str) -> Result<(&'f String, &'f [Item])> {
    let found = file.profiles.iter().find(|(other, _)| other == name);
    if let Some((name, items)) = found {
        return Ok((name, items));
    }
    let path = file.path.display();
    let failure = Failure::usage(format!(
        "the configuration file `{path}` has no profile `{name}`"
    ));
    let names: Vec<&str> = file
        .profiles
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    Err(match names.is_empty() {
        true => failure.hint("it has no profiles: add one below the key `profiles`"),
        false => failure.hint(near::hint(
            name,
            names.iter().copied(),
            &format!("use one of {}", quoted(&names).join(", ")),
        )),
    })
}

fn no_file(profile: &str, host: &Host) -> Failure {
    let failure = Failure::usage(format!(
        "there is no configuration file, and so no profile `{profile}`"
    ));
    match config::Location::find(host) {
        config::Location::Default(path) => {
            failure.hint(format!("create `{}`, or omit the profile", path.display()))
        }
        _ => failure.hint(format!(
            "unset `{}`, which turns it off, or omit the profile",
            config::FILE_VARIABLE
        )),
    }
}

#[cfg(all(test, unix))]
mod tests;
