//! How is memory shared with whoever does not see the caches?
use core::arch::asm;

/// Writes what the caches have of `bytes` from `start` on to memory, and forgets it there. Whole lines: what else lies in them is
/// written and forgotten, too, which is no harm to anybody but a device that writes there.
pub fn clean_invalidate(start: usize, bytes: usize) {
    let ctr: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) ctr, options(nomem, nostack, preserves_flags)) };
    // DminLine: words of the smallest data cache line, as a power of two (Arm ARM D24.2.34).
    let line = 4 << (ctr >> 16 & 0xf);
    // What is to be written comes first.
    super::barrier::dsb();
    for at in (start & !(line - 1)..start + bytes).step_by(line) {
        // SAFETY: what is read there stays the same.
        unsafe { asm!("dc civac, {}", in(reg) at, options(nostack, preserves_flags)) };
    }
    super::barrier::dsb();
}
