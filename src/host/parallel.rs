//! Runs blocking work on several threads.

use std::{panic::resume_unwind, thread};

/// The most threads: most of them wait for a disk.
const THREADS: usize = 16;

/// Calls `work` for each item, and returns the results in the order of the items.
///
/// # Panics
/// If `work` does.
pub(crate) fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if items.len() <= 1 {
        return items.iter().map(work).collect();
    }
    let work = &work;
    let each = items.len().div_ceil(THREADS);
    thread::scope(|scope| {
        let parts = items.chunks(each);
        let running: Vec<_> = parts
            .map(|part| scope.spawn(move || part.iter().map(work).collect::<Vec<_>>()))
            .collect();
        let done = running.into_iter().map(|part| match part.join() {
            Ok(results) => results,
            Err(panic) => resume_unwind(panic),
        });
        done.flatten().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        for count in [0, 1, 2, 15, 16, 17, 100] {
            let items: Vec<usize> = (0..count).collect();
            let doubled: Vec<usize> = items.iter().map(|item| item * 2).collect();
            assert_eq!(in_parallel(&items, |item| item * 2), doubled);
        }
    }
}
