//! The log of `-v`: a `tracing` subscriber that writes our own events to stderr, one per line, each after the time in UTC.
//!
//! Events of other crates are not shown, because they may contain secrets.

use std::{ffi::OsString, fmt::Write as _, io::Write as _};

use clap::{Arg, ArgMatches};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::{error::printable, host::time_of_day};

/// The flag's id.
const FLAG: &str = "v";

struct Log {
    level: Level,
}

/// `-v`, as in kubelogin and kubectl: `-v 5`, `-v=5`, `--v=5`. Without a number it is level 1, `-vv` is 5 and `-vvv` is 8.
pub(super) fn flag() -> Arg {
    Arg::new(FLAG)
        .short('v')
        .long("v")
        .value_name("LEVEL")
        .num_args(0..=1)
        .overrides_with(FLAG)
        .default_missing_value("1")
        .value_parser(level)
        .global(true)
        .hide_short_help(true)
        .help(
            "Log to stderr, with times in UTC: 1 logs steps, 5 also each request with its status and duration, 8 also each \
             request before it is sent; never secrets",
        )
}

fn level(text: &str) -> Result<u8, &'static str> {
    match text {
        "v" => Ok(5),
        "vv" => Ok(8),
        // No level is above 10.
        number => match number.parse::<u64>() {
            Ok(level) => Ok(u8::try_from(level).unwrap_or(u8::MAX)),
            Err(_) => Err("give a level: 1 logs steps, 5 every request"),
        },
    }
}

/// The arguments with `-v=1` for each `-v` that precedes another word than a number, such as a command, which clap takes for
/// the level. None if there is none.
pub(super) fn with_levels(args: &[OsString]) -> Option<Vec<OsString>> {
    let mut changed = args.to_vec();
    for (at, pair) in args.windows(2).enumerate() {
        let next = pair[1].to_string_lossy();
        let is_word = !next.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        if (pair[0] == "-v" || pair[0] == "--v") && is_word {
            changed[at] = "-v=1".into();
        }
    }
    (changed != args).then_some(changed)
}

/// Starts the log at the level of `-v`: the steps from 1, each request that was answered from 5, each that is sent from 8.
pub(super) fn start(matches: &ArgMatches) {
    let verbosity = matches.get_one::<u8>(FLAG).copied().unwrap_or(0);
    let level = match verbosity {
        0 => return,
        1..=4 => Level::INFO,
        5..=7 => Level::DEBUG,
        _ => Level::TRACE,
    };
    // Fails if there is a subscriber already, which is kept.
    let _ = tracing::subscriber::set_global_default(Log { level });
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level && metadata.target().starts_with("kubectl_aad")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        let _ = writeln!(
            std::io::stderr(),
            "{} {}",
            time_of_day(),
            printable(&line.0)
        );
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string can't fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
