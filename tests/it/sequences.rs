//! Sequences, not single runs: what people, administrators, Entra and the machine do one after the
//! other, drawn at random and played against the real program, with two rules that hold after each
//! step. No context ever gets a token of another account than the one it stands for, and nothing
//! that was whole is lost: a sign-in that is still good, an entry of the kubeconfig, an edit.
//!
//! `AAD_SEQUENCES=10000` plays more than the usual number, `AAD_SEQUENCES_SEED=7` others.
//! A sequence that fails is made as short as it gets and printed as Rust, for `regressions`.

mod kubeconfig;
mod machine;
mod model;
mod play;
mod regressions;
mod step;

use std::{
    env,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use machine::Machine;
pub(crate) use machine::preload;
use step::{Step, sequence};

/// How many sequences are played where nobody says.
const SEQUENCES: u32 = 60;
/// The longest one.
const STEPS: usize = 14;
/// How often a sequence that failed is tried in a shorter form.
const SHORTENINGS: u32 = 400;

fn number(variable: &str, usual: u32) -> u32 {
    match env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("`{variable}` is not a number")),
        Err(_) => usual,
    }
}

/// The steps as Rust.
fn as_rust(steps: &[Step]) -> String {
    let lines: String = steps
        .iter()
        .map(|step| format!("    {step:?},\n"))
        .collect();
    format!("&[\n{lines}],")
}

fn play_many(seed: u32, most: u32, played: &AtomicU32) -> Result<(), String> {
    let config = Config {
        cases: most,
        max_shrink_iters: SHORTENINGS,
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let machine = std::cell::RefCell::new(Machine::new());
    let result = runner.run(&sequence(STEPS), |steps| {
        played.fetch_add(1, Ordering::SeqCst);
        play::play(&mut machine.borrow_mut(), &steps).map_err(TestCaseError::fail)
    });
    match result {
        Ok(()) => Ok(()),
        Err(TestError::Fail(why, steps)) => {
            Err(format!("seed {seed}:\n{}\n{why}", as_rust(&steps)))
        }
        Err(TestError::Abort(why)) => Err(why.to_string()),
    }
}

#[test]
fn whatever_happens_each_context_stays_who_it_is_and_nothing_is_lost() {
    let most = number("AAD_SEQUENCES", SEQUENCES);
    let seed = number("AAD_SEQUENCES_SEED", 1);
    let workers =
        u32::try_from(thread::available_parallelism().map_or(1, usize::from)).unwrap_or(1);
    let workers = workers.clamp(1, 4).min(most.max(1));
    let played = AtomicU32::new(0);
    let results: Vec<Result<(), String>> = thread::scope(|scope| {
        let started: Vec<_> = (0..workers)
            .map(|worker| {
                let share = most / workers + u32::from(worker < most % workers);
                let played = &played;
                // Far enough apart that neighbouring seeds share nothing.
                scope.spawn(move || play_many(seed.wrapping_add(worker << 20), share, played))
            })
            .collect();
        started
            .into_iter()
            .map(|worker| worker.join().expect("a worker ends"))
            .collect()
    });
    println!(
        "{} sequences were played, from seed {seed}",
        played.load(Ordering::SeqCst)
    );
    let wrong: Vec<String> = results.into_iter().filter_map(Result::err).collect();
    assert!(
        wrong.is_empty(),
        "AAD_SEQUENCES_SEED={seed} AAD_SEQUENCES={most}\n{}",
        wrong.join("\n\n")
    );
}

#[test]
fn sequences_that_failed_once_hold() {
    let mut machine = Machine::new();
    let mut wrong = String::new();
    for (name, steps) in regressions::ALL {
        if let Err(why) = play::play(&mut machine, steps) {
            wrong.push_str(&format!("{name}: {why}\n\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Where the calls come that change files; a run with more of them ends before.
const CALLS: std::ops::RangeInclusive<u8> = 1..=12;

#[test]
fn a_command_that_is_killed_at_any_of_its_writes_loses_nothing() {
    use step::*;
    let mut machine = Machine::new();
    for call in CALLS {
        let steps = [
            Token(Open(One), Some(Ann)),
            Wait(Hours),
            Kill(Getting(Open(One), Some(Bob)), Write(call)),
            Token(Open(One), None),
            Kill(Converting(AsAz), Write(call)),
            Convert(Interactive, None),
            Kill(Syncing(SyncAz(Usual)), Write(call)),
            Sync(SyncAz(Usual), None),
        ];
        let played = play::play(&mut machine, &steps);
        assert_eq!(played, Ok(()), "killed at call {call}");
    }
}
