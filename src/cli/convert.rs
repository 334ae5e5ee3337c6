//! `kubectl aad convert-kubeconfig`: users of kubelogin and of the old `azure` auth provider to exec entries.
//!
//! Lives here: the command's flags, and reading and writing around the conversion, which is pure and
//! lies in [`crate::kubeconfig::convert`].

mod diff;
mod report;

use std::{
    collections::BTreeSet,
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, builder::PossibleValue};
use url::Url;

use super::{flags, output};
use crate::{
    auth::store::StoreChoice,
    azure::cloud::{CUSTOM_CLOUD, Cloud},
    error::{EXIT_FAILED, EXIT_OK, EXIT_PARTIAL, Failure, Result},
    host::Host,
    kubeconfig::{
        Document, Paths, Section,
        convert::{Conversion, EXEC_COMMAND, Request, Selection, UserAction, convert_all},
        file,
    },
    login::{Param, PopClaims, Settings},
};
use report::Report;

const ABOUT: &str = "Convert kubeconfig users to sign in with kubectl-aad, in any login mode";

const LONG_ABOUT: &str = "\
Convert kubeconfig users to sign in with kubectl-aad, in any login mode.

Takes users of Azure's kubelogin, of the `azure` auth provider that kubectl gave up in 1.26, and of
kubectl-aad itself; leaves all others alone. Flags and variables are kubelogin's.

  kubectl aad convert-kubeconfig
  kubectl aad convert-kubeconfig -l azurecli
  kubectl aad convert-kubeconfig -l azurecli --context prod --dry-run
  kubectl aad convert-kubeconfig -l spn --client-id ID --tenant-id ID --outfile ci.yaml

Without --login, or AAD_LOGIN_METHOD in its place, each user keeps its login mode and arguments, and only the
plugin changes. Converting back to an earlier mode brings back what the entry said then, unless it was changed since.";

/// The command and its flags.
pub(super) fn command() -> Command {
    Command::new("convert-kubeconfig")
        .about(ABOUT)
        .long_about(LONG_ABOUT)
        .defer(|command| {
            flags::login_flags(own_flags(command), |param| param != Param::EnvSecretsOnly)
        })
}

fn own_flags(command: Command) -> Command {
    command
        .arg(
            Arg::new("kubeconfig")
                .long("kubeconfig")
                .overrides_with("kubeconfig")
                .allow_hyphen_values(true)
                .value_name("FILE")
                .value_hint(ValueHint::FilePath)
                .value_parser(clap::value_parser!(PathBuf))
                .help("File to convert [default: those of KUBECONFIG, else ~/.kube/config]"),
        )
        .arg(
            Arg::new("context")
                .long("context")
                .allow_hyphen_values(true)
                .value_name("NAME")
                .action(ArgAction::Append)
                .help("Convert the user of this context alone (repeatable)"),
        )
        .arg(
            Arg::new("all")
                .long("all")
                .action(ArgAction::SetTrue)
                .overrides_with("all")
                .conflicts_with("context")
                .help("Convert all users, as without --context"),
        )
        .arg(
            Arg::new("outfile")
                .long("outfile")
                .overrides_with("outfile")
                .allow_hyphen_values(true)
                .value_name("FILE")
                .value_hint(ValueHint::FilePath)
                .value_parser(clap::value_parser!(PathBuf))
                .help("Write the result there and leave the kubeconfig alone; `-` is stdout"),
        )
        .arg(
            Arg::new("dry-run")
                .long("dry-run")
                .action(ArgAction::SetTrue)
                .overrides_with("dry-run")
                .help("Write nothing; show what would change as a diff, secrets left out"),
        )
        .arg(
            Arg::new("strict")
                .long("strict")
                .action(ArgAction::SetTrue)
                .overrides_with("strict")
                .help("Write nothing at all if one user can't be converted, as kubelogin does"),
        )
        .arg(
            Arg::new("keep-mode")
                .long("keep-mode")
                .action(ArgAction::SetTrue)
                .overrides_with("keep-mode")
                .conflicts_with("login")
                .help("Change the plugin alone: each user keeps its login mode, as without --login, and AAD_LOGIN_METHOD says nothing"),
        )
        .arg(
            Arg::new("exec-command")
                .long("exec-command")
                .overrides_with("exec-command")
                .allow_hyphen_values(true)
                .value_name("COMMAND")
                .value_hint(ValueHint::CommandName)
                .default_value(EXEC_COMMAND)
                .help("Plugin that the entries name"),
        )
        .arg(
            Arg::new("azure-config-dir")
                .long("azure-config-dir")
                .overrides_with("azure-config-dir")
                .allow_hyphen_values(true)
                .value_name("DIR")
                .value_hint(ValueHint::DirPath)
                .help("Directory of az that azurecli entries use"),
        )
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .overrides_with("output")
                .allow_hyphen_values(true)
                .value_name("FORMAT")
                .value_parser([
                    PossibleValue::new("text").help("what happened, on stderr"),
                    PossibleValue::new("json").help("a report on stdout"),
                ])
                .default_value("text")
                .help("Form of the report"),
        )
}

struct Options {
    request: Request,
    selection: Selection,
    paths: Paths,
    outfile: Option<PathBuf>,
    dry_run: bool,
    strict: bool,
    json: bool,
}

/// Converts and reports.
///
/// # Errors
/// When nothing could be done.
pub(super) fn run(matches: &ArgMatches, host: &Host) -> Result<u8> {
    let options = options(matches, host)?;
    let report = match (&options.outfile, options.dry_run) {
        (_, true) => dry_run(&options)?,
        (Some(outfile), false) => write_elsewhere(&options, outfile)?,
        (None, false) => in_place(&options)?,
    };
    // With `--outfile -` the kubeconfig has stdout to itself.
    if options.json && !is_stdout(options.outfile.as_deref()) {
        output::print(&output::json(&report.json()))?;
    } else {
        // Nothing is left to tell a person whose stderr is gone.
        let _ = write!(std::io::stderr(), "{}", report.text());
        output::print(&report.diff())?;
    }
    Ok(match report.count(UserAction::Failed) {
        0 => EXIT_OK,
        _ if report.is_all_lost() => EXIT_FAILED,
        _ => EXIT_PARTIAL,
    })
}

fn options(matches: &ArgMatches, host: &Host) -> Result<Options> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let path = |name: &str| matches.get_one::<PathBuf>(name).map(|path| host.path(path));
    let explicit = path("kubeconfig");
    let mut paths = Paths::from_host(host, explicit.as_deref())?;
    if explicit.is_none() {
        // As for kubectl: what a list names need not exist.
        paths.files.retain(|path| file::check_there(path).is_ok());
    } else {
        paths
            .files
            .iter()
            .try_for_each(|path| file::check_there(path))?;
    }
    let contexts = matches.get_many::<String>("context");
    let selection = match contexts {
        Some(names) => {
            Selection::Contexts(names.filter(|name| !name.is_empty()).cloned().collect())
        }
        None => Selection::All,
    };
    let given = flags::settings(matches);
    check_values(&given, host)?;
    let options = Options {
        request: Request::new(
            given.with_full_paths(host),
            host,
            text("exec-command").unwrap_or_else(|| EXEC_COMMAND.to_owned()),
            text("azure-config-dir").map(|dir| full_path(&dir, host)),
            matches.get_flag("keep-mode"),
        )?,
        selection: match selection {
            Selection::Contexts(names) if names.is_empty() => Selection::All,
            selection => selection,
        },
        outfile: path("outfile"),
        dry_run: matches.get_flag("dry-run"),
        strict: matches.get_flag("strict"),
        json: text("output").as_deref() == Some("json"),
        paths,
    };
    if options.outfile.is_some() && options.paths.files.len() > 1 {
        return Err(Failure::usage(
            "`--outfile` takes one kubeconfig, and `KUBECONFIG` names several",
        )
        .hint("name the one to convert with `--kubeconfig FILE`"));
    }
    Ok(options)
}

/// A directory as it is called wherever kubectl may be run.
fn full_path(dir: &str, host: &Host) -> String {
    let path = std::path::absolute(host.path(dir));
    path.map_or_else(|_| dir.to_owned(), |path| path.display().to_string())
}

/// Refuses flags whose values no sign-in could use.
fn check_values(given: &Settings, host: &Host) -> Result<()> {
    if let Some(name) = given.text(Param::Environment)
        && !name.eq_ignore_ascii_case(CUSTOM_CLOUD)
    {
        Cloud::authority(Some(name), None, host)?;
    }
    StoreChoice::named(given.text(Param::TokenStore))?;
    if let Some(claims) = given.text(Param::PopClaims) {
        PopClaims::parse(claims)?;
    }
    if let Some(text) = given.text(Param::RedirectUrl) {
        let url = Url::parse(text).ok();
        let local = |host: &str| ["localhost", "127.0.0.1", "[::1]"].contains(&host);
        if !url.is_some_and(|url| url.scheme() == "http" && url.host_str().is_some_and(local)) {
            return Err(Failure::usage(format!(
                "`{text}` can't be the redirect URL: it is not an `http://` URL of this machine"
            ))
            .hint("give one such as `http://localhost:8400`"));
        }
    }
    Ok(())
}

/// Converts users where they are. Files in which nothing changes are read, and neither locked nor
/// written.
fn in_place(options: &Options) -> Result<Report> {
    let files = &options.paths.files;
    let mut places = BTreeSet::new();
    loop {
        let mut texts = Vec::with_capacity(files.len());
        // What these texts become, which holds under the lock too if they are still the same there.
        let mut known = None;
        for (i, path) in files.iter().enumerate() {
            // Where somebody writes just now, what is there is not to be judged without the lock.
            let (text, is_busy) = file::read_unlocked(path)?;
            texts.push(text);
            if is_busy {
                places.insert(i);
            }
        }
        if places.is_empty() {
            let (new, report) = converted(&texts, options)?;
            places.extend((0..files.len()).filter(|&i| new[i] != texts[i]));
            if places.is_empty() {
                return Ok(report);
            }
            known = Some((texts.clone(), (new, report)));
        }
        let locked: Vec<PathBuf> = places.iter().map(|&i| files[i].clone()).collect();
        let (report, more) = file::update_all(&locked, &output::say, |fresh| {
            for (&i, text) in places.iter().zip(fresh) {
                texts[i].clone_from(text);
            }
            let (new, report) = match known.take() {
                Some((old, result)) if old == texts => result,
                _ => converted(&texts, options)?,
            };
            let changed = (0..files.len()).filter(|&i| new[i] != texts[i]);
            let more: Vec<usize> = changed.filter(|i| !places.contains(i)).collect();
            let new = places.iter().map(|&i| new[i].clone()).collect();
            Ok((new, (report, more)))
        })?;
        if more.is_empty() {
            return Ok(report);
        }
        places.extend(more);
    }
}

fn dry_run(options: &Options) -> Result<Report> {
    let texts = file::read_all(&options.paths.files)?;
    let (new, mut report) = converted(&texts, options)?;
    for ((path, old), new) in options.paths.files.iter().zip(&texts).zip(&new) {
        let shown = options.outfile.as_ref().unwrap_or(path);
        report
            .diffs
            .push((shown.clone(), diff::unified(shown, old, new)?));
    }
    Ok(report)
}

fn write_elsewhere(options: &Options, outfile: &Path) -> Result<Report> {
    let texts = file::read_all(&options.paths.files)?;
    let (new, mut report) = converted(&texts, options)?;
    if report.is_all_lost() {
        // What an earlier run wrote there is better than nothing.
        return Ok(report);
    }
    let text = new.first().map_or("", String::as_str);
    if is_stdout(Some(outfile)) {
        output::print(text)?;
        return Ok(report);
    }
    file::write(outfile, &output::say, text)?;
    let directory = |path: &Path| path.parent().map(Path::to_owned).unwrap_or_default();
    let moved = options
        .paths
        .files
        .first()
        .is_some_and(|path| directory(path) != directory(outfile));
    if moved && report::has_relative_paths(text) {
        report.warn("the kubeconfig names files by relative paths, which mean others in the directory of the new one");
    }
    report.outfile = Some(outfile.to_owned());
    Ok(report)
}

/// The new texts, and the report on them. Under `--strict` a user that fails is the error.
fn converted(texts: &[String], options: &Options) -> Result<(Vec<String>, Report)> {
    let files = &options.paths.files;
    let documents = Document::parse_all(texts, files)?;
    let Conversion { users, outcomes } =
        convert_all(&documents, &options.selection, &options.request)?;
    let failed = outcomes
        .iter()
        .find(|outcome| outcome.action == UserAction::Failed);
    if options.strict
        && let Some(failed) = failed
    {
        let reason = failed
            .reason
            .clone()
            .unwrap_or_else(|| Failure::new("it can't be converted"));
        return Err(Failure::new(format!(
            "nothing was converted, for the user `{}` can't be: {}",
            failed.user,
            reason.message()
        ))
        .hint(
            reason
                .hint_text()
                .unwrap_or("leave `--strict` out to convert the others"),
        ));
    }
    let mut new = Vec::with_capacity(texts.len());
    for (document, users) in documents.into_iter().zip(users) {
        new.push(document.replace(Section::Users, users)?);
    }
    let by_context = options.selection != Selection::All;
    Ok((
        new,
        Report::new(outcomes, files, &options.request, by_context),
    ))
}

fn is_stdout(outfile: Option<&Path>) -> bool {
    outfile == Some(Path::new("-"))
}
