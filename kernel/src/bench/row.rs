//! What is a row of the bench? Samples of one operation, printed as their median and maximum.
use super::ROUNDS;
use crate::{ThreadCx, println};
use alloc::vec::Vec;
use hw::clock::cycles;

/// Samples of one operation.
pub(super) struct Row {
    pub id: &'static str,
    pub samples: Vec<u64>,
}
impl Row {
    pub fn new(id: &'static str) -> Self {
        Self { id, samples: Vec::with_capacity(ROUNDS) }
    }
    pub fn print(mut self, cx: &mut ThreadCx) {
        self.samples.sort_unstable();
        let (Some(median), Some(max)) = (self.samples.get(self.samples.len() / 2), self.samples.last()) else { return };
        println!(cx, "row {} {} {} {}", self.id, median, max, unit());
    }
}

pub(super) const INSTRUCTIONS: &str = "instructions";

/// What the counter counts: a loop of known length tells.
pub(crate) fn unit() -> &'static str {
    const TURNS: u64 = 1000;
    /// Of the loop, and of reading the counter around it.
    const EXPECTED: core::ops::RangeInclusive<u64> = 2 * TURNS..=2 * TURNS + 8;
    let began = cycles();
    #[cfg(target_os = "none")]
    // SAFETY: counts a register down.
    unsafe {
        core::arch::asm!("2: subs {n}, {n}, #1", "b.ne 2b", n = inout(reg) TURNS => _, options(nostack));
    }
    if EXPECTED.contains(&(cycles() - began)) { INSTRUCTIONS } else { "cycles" }
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
