//! Lets a person choose from a list by typing, at a terminal.

use std::{io::Write as _, time::Duration};

use crossterm::{
    cursor::MoveTo,
    event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    execute, queue,
    style::Print,
    terminal::{
        Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
        enable_raw_mode, size,
    },
};

use self::list::{List, Row};
use super::super::screen::Stream;
use crate::{
    error::{Failure, Result},
    host::signals::{self, Deferred},
    ops::use_cluster::Usable,
};

mod list;

/// How long a key is waited for before it is looked whether a signal has come.
const LOOK: Duration = Duration::from_millis(250);

/// What a person did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Picked {
    /// They chose the one at this place.
    Chosen(usize),
    /// They gave up.
    Escaped,
    /// They pressed Ctrl-C.
    Interrupted,
}

/// Shows the contexts in their order, and lets a person choose one of them. `word` is what they all match.
///
/// # Errors
/// If the terminal can't be used.
pub(super) fn pick(contexts: &[&Usable], word: &str, screen: &Stream) -> Result<Picked> {
    let rows = contexts.iter().map(|one| Row::of(one)).collect();
    let mut list = List::new(rows, word);
    let failed = |error: std::io::Error| {
        Failure::new("could not show a list to choose from")
            .because(error)
            .hint("name the cluster: `kubectl aad use CLUSTER`")
    };
    // A signal ends the process once the terminal is as it was.
    let _deferred = Deferred::begin();
    let _restored = Taken::take().map_err(failed)?;
    loop {
        draw(&mut list, screen).map_err(failed)?;
        while !event::poll(LOOK).map_err(failed)? {
            if signals::has_arrived() {
                return Ok(Picked::Interrupted);
            }
        }
        if let Event::Key(key) = event::read().map_err(failed)?
            && key.kind != KeyEventKind::Release
            && let Some(picked) = press(&mut list, key)
        {
            return Ok(picked);
        }
    }
}

/// The terminal, in which keys arrive one by one and the screen is ours. Dropping it makes it what it was.
struct Taken;

impl Taken {
    fn take() -> std::io::Result<Self> {
        enable_raw_mode()?;
        let taken = Self;
        execute!(std::io::stderr(), EnterAlternateScreen)?;
        Ok(taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let _ = execute!(std::io::stderr(), LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

fn draw(list: &mut List, screen: &Stream) -> std::io::Result<()> {
    let (width, height) = size()?;
    let drawn = list.draw(width.into(), height.into(), screen);
    let mut out = Vec::new();
    for (line, row) in drawn.lines.iter().zip(0_u16..) {
        queue!(
            out,
            MoveTo(0, row),
            Clear(ClearType::CurrentLine),
            Print(line)
        )?;
    }
    queue!(out, Clear(ClearType::FromCursorDown))?;
    let column = u16::try_from(drawn.cursor).unwrap_or(width);
    queue!(out, MoveTo(column.min(width.saturating_sub(1)), 0))?;
    let mut stderr = std::io::stderr();
    stderr.write_all(&out)?;
    stderr.flush()
}

/// What a key does; something if the choice is over.
fn press(list: &mut List, key: KeyEvent) -> Option<Picked> {
    let with_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') if with_control => return Some(Picked::Interrupted),
        KeyCode::Esc => return Some(Picked::Escaped),
        KeyCode::Char('d') if with_control => return Some(Picked::Escaped),
        KeyCode::Enter => return list.chosen().map(Picked::Chosen),
        KeyCode::Char('p') if with_control => list.up(1),
        KeyCode::Char('n') if with_control => list.down(1),
        KeyCode::Char('u') if with_control => list.clear(),
        KeyCode::Char('w') if with_control => list.remove_word(),
        KeyCode::Char('h') if with_control => list.backspace(),
        KeyCode::Up => list.up(1),
        KeyCode::Down => list.down(1),
        KeyCode::PageUp => list.page_up(),
        KeyCode::PageDown => list.page_down(),
        KeyCode::Home => list.up(usize::MAX),
        KeyCode::End => list.down(usize::MAX),
        KeyCode::Backspace => list.backspace(),
        KeyCode::Char(c) if !with_control => list.push(c),
        _ => {}
    }
    None
}
