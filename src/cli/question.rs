//! Asks a person at a terminal something that is answered by yes or no.

use std::{
    io::{self, Write as _},
    thread,
};

use tokio::sync::oneshot;

use crate::{
    error::{Failure, Result},
    host::Host,
};

/// Whether somebody sees what a sign-in asks for.
pub(super) fn can_show(host: &Host) -> bool {
    host.terminal().stderr && !host.is_ci()
}

/// Whether somebody can be asked.
pub(super) fn can_ask(host: &Host) -> bool {
    host.terminal().stdin && can_show(host)
}

/// Asks for a line, and returns what a person typed; none if that was nothing.
pub(super) fn ask_line(question: &str) -> Option<String> {
    write!(io::stderr(), "{question} ").ok()?;
    io::stderr().flush().ok()?;
    let unanswered = Unanswered;
    let mut line = String::new();
    io::stdin().read_line(&mut line).ok()?;
    if line.ends_with('\n') {
        std::mem::forget(unanswered);
    }
    Some(line.trim().to_owned()).filter(|line| !line.is_empty())
}

/// Checks that somebody can be asked, before anything is fetched.
///
/// # Errors
/// A usage error if nobody can: a person types the answer, and a pipeline has none.
pub(super) fn check_asked(what: &str, host: &Host) -> Result<()> {
    match can_ask(host) {
        true => Ok(()),
        false => Err(Failure::usage(format!(
            "{what} asks before it removes anything, and nobody can be asked here"
        ))
        .hint(
            "add `--yes` to remove without a question, or `--dry-run` to see what would be removed",
        )),
    }
}

/// Ends the line of a question that nobody has answered.
struct Unanswered;

impl Drop for Unanswered {
    fn drop(&mut self) {
        let _ = io::stderr().write_all(b"\n");
    }
}

/// Asks. The answer is no, unless a person types `y` or `yes`.
///
/// Whoever drops the future does not wait for an answer any more.
pub(super) async fn ask(question: &str) -> bool {
    let shown = write!(io::stderr(), "{question} [y/N] ");
    if shown.and_then(|()| io::stderr().flush()).is_err() {
        return false;
    }
    let unanswered = Unanswered;
    let (answer, answered) = oneshot::channel();
    // A thread that waits for a key can't be ended; it ends with the process.
    let read = move || {
        let mut line = String::new();
        let read = io::stdin().read_line(&mut line);
        let _ = answer.send(read.map(|_| line));
    };
    if thread::Builder::new()
        .name("question".to_owned())
        .spawn(read)
        .is_err()
    {
        return false;
    }
    let Ok(Ok(line)) = answered.await else {
        return false;
    };
    if line.ends_with('\n') {
        std::mem::forget(unanswered);
    }
    ["y", "yes"].contains(&line.trim().to_lowercase().as_str())
}
