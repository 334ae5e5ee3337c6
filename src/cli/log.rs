//! The log of `-v`: a `tracing` subscriber that writes our own events to stderr, one per line, each after the time in UTC.
//!
//! Events of other crates are not shown, because they may contain secrets.

use std::{fmt::Write as _, io::Write as _};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::{error::printable, host::time_of_day};

struct Log {
    level: Level,
}

/// Starts the log: the steps from level 1, each request that was answered from 5, each that is sent from 8.
pub(super) fn start(verbosity: u8) {
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
