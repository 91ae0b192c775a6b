//! What does a CPU's cycle counter count? Instructions under QEMU's `-icount shift=0`, cycles on hardware.
use hw::clock::cycles;

/// What [`unit`] calls instructions.
pub const INSTRUCTIONS: &str = "instructions";

/// What the counter counts, [`INSTRUCTIONS`] or `cycles`: a loop of known length tells.
pub fn unit() -> &'static str {
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
