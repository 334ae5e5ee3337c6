//! Tests of the line that a terminal shows.

use super::*;
use crate::{cli::screen::Size, host::waiting::Cause};

fn stream(variables: &[(&str, &str)]) -> Stream {
    let size = Size {
        width: 80,
        height: 24,
    };
    Stream::new(&Host::with_env(variables.iter().copied()), Some(size))
}

fn utf8() -> Stream {
    stream(&[("LANG", "C.UTF-8")])
}

fn fetching(done: usize, total: usize) -> State {
    let mut state = State::default();
    state.steps.now = Step::FetchingKubeconfigs;
    state.steps.kubeconfigs.add(total);
    (0..done).for_each(|_| state.steps.kubeconfigs.step());
    state
}

fn throttled(mut state: State, whose: &str, now: Instant) -> State {
    let wait = Wait {
        cause: Cause::Throttled {
            whose: whose.to_owned(),
        },
        length: Some(Duration::from_secs(7)),
    };
    state.waits.begin(1, wait, now);
    state
}

fn shown(state: &State, stream: Stream, now: Instant, columns: usize) -> String {
    let line = line(state, stream, Duration::ZERO, now, columns);
    assert!(width(&line) <= columns.max(2), "{line}");
    line
}

#[test]
fn the_step_is_shown_with_its_counts() {
    let now = Instant::now();
    let mut state = State::default();
    state.steps.now = Step::SearchingSubscriptions;
    state.steps.subscriptions.add(40);
    (0..12).for_each(|_| state.steps.subscriptions.step());
    state.steps.clusters = 130;
    assert_eq!(
        shown(&state, utf8(), now, 80),
        "⠋ searching 12/40 subscriptions · 130 clusters"
    );
    assert_eq!(
        shown(&state, stream(&[("LANG", "C")]), now, 80),
        "| searching 12/40 subscriptions | 130 clusters"
    );
    assert_eq!(
        shown(&fetching(17, 30), utf8(), now, 80),
        "⠋ fetching kubeconfigs 17/30"
    );
}

#[test]
fn a_wait_is_shown_beside_the_step_and_never_wraps() {
    let now = Instant::now();
    let state = throttled(fetching(17, 30), "Sandbox", now);
    assert_eq!(
        shown(&state, utf8(), now, 77),
        "⠋ fetching kubeconfigs 17/30 · Sandbox is throttled by Azure, next try in 7 s"
    );
    assert_eq!(
        shown(&state, utf8(), now, 70),
        "⠋ 17/30 · Sandbox is throttled by Azure, next try in 7 s"
    );
    assert_eq!(
        shown(&state, utf8(), now, 37),
        "⠋ 17/30 · Sandbox i…, next try in 7 s"
    );
    let long = throttled(fetching(17, 30), &"名".repeat(100), now);
    for columns in 0..200 {
        shown(&long, utf8(), now, columns);
    }
}

#[test]
fn what_a_server_names_cannot_control_the_terminal() {
    let now = Instant::now();
    let state = throttled(fetching(1, 2), "a\u{1b}[2J\nb", now);
    let line = shown(&state, utf8(), now, 200);
    assert!(line.contains("a [2J b is throttled"), "{line:?}");
}

#[test]
fn while_a_person_signs_in_the_line_stands_still() {
    let now = Instant::now();
    let mut state = fetching(1, 2);
    let wait = Wait {
        cause: Cause::Person,
        length: None,
    };
    state.waits.begin(1, wait, now);
    for after in [0, 100, 250] {
        let line = line(&state, utf8(), Duration::from_millis(after), now, 80);
        assert_eq!(line, "waiting for you to sign in");
    }
}
