//! What is a row of the bench? What was counted in each round of one operation, printed as its median and maximum.
use super::ROUNDS;
use alloc::collections::BinaryHeap;
use hw::{
    atomic::{AtomicU64, Ordering::Relaxed},
    clock::cycles,
};
use kernel::{ThreadCx, counter::unit, println};

hw::global! {
    /// What was counted in each round, by whichever thread.
    static COUNTS: [AtomicU64; ROUNDS] = [const { AtomicU64::new(0) }; ROUNDS];
}

/// So much was counted in a round.
pub(super) fn note(round: usize, count: u64) {
    if let Some(noted) = COUNTS.get(round) {
        noted.store(count, Relaxed);
    }
}
/// So much more was counted in a round.
pub(super) fn note_more(round: usize, count: u64) {
    if let Some(noted) = COUNTS.get(round) {
        noted.fetch_add(count, Relaxed);
    }
}

/// One operation.
pub(super) struct Row {
    id: &'static str,
    median: u64,
    max: u64,
}
impl Row {
    /// Of what was noted in the first `rounds` rounds, which is forgotten.
    pub fn of(id: &'static str, rounds: usize) -> Self {
        // A heap, because sorting with it takes a tenth of the code of a slice's sort.
        let counts: BinaryHeap<u64> = COUNTS.iter().take(rounds).map(|noted| noted.swap(0, Relaxed)).collect();
        let sorted = counts.into_sorted_vec();
        let at = |n: usize| sorted.get(n).copied().unwrap_or(0);
        Self { id, median: at(sorted.len() / 2), max: at(sorted.len().saturating_sub(1)) }
    }
    pub fn print(&self, cx: &mut ThreadCx) {
        println!(cx, "row {} {} {} {}", self.id, self.median, self.max, unit());
    }
}

/// What this CPU's counter would have shown when the clock started, the clock's nanoseconds being instructions; and how many
/// of them a step of the clock is.
///
/// The clock moves in steps of many instructions, so this takes the smallest of many looks right after it has moved: each is as
/// late as the loop happens to be, and some come at once. The counter is read before the clock: what is reckoned from this is
/// never too small, and too large by the instruction between the two.
pub(super) fn began() -> (u64, u64) {
    const LOOKS: usize = 256;
    const SECOND: u64 = 1_000_000_000;
    let step = SECOND / hw::clock::frequency();
    let look = || {
        let before = hw::clock::ticks();
        loop {
            let count = cycles();
            let now = hw::clock::ticks();
            if now != before {
                return count.wrapping_sub(now * step) as i64;
            }
        }
    };
    ((0..LOOKS).map(|_| look()).min().unwrap_or(0) as u64, step)
}
