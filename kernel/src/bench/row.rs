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
