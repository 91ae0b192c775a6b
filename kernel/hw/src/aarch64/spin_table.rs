//! How does the boot CPU start one that waits at a spin table? By an address at the place where it looks (Linux
//! `Documentation/arch/arm64/booting.rst`).
//!
//! The firmware's loop reads with MMU and caches off, so the word goes there as device memory: nothing of it stays in a cache.
//! The CPU comes with no number in a register, as PSCI would give it; so each number has an entry of its own, which loads it. As
//! with PSCI, nothing has to be in memory for the new CPU, and two that come at once cannot be taken for each other.
use super::mmu::{self, PAGE};
use crate::smp::MAX_CPUS;
use core::arch::{asm, global_asm};

global_asm!(
    ".section .text.spin_table, \"ax\"",
    ".global __hw_spin_table_entries",
    "__hw_spin_table_entries:",
    ".set cpu, 0",
    ".rept {cpus}",
    "mov x0, #cpu",
    "b __hw_secondary",
    ".set cpu, cpu + 1",
    ".endr",
    ".text",
    cpus = const MAX_CPUS,
);

/// Bytes of an entry: two instructions.
const ENTRY: usize = 8;

unsafe extern "C" {
    /// An entry for each number.
    fn __hw_spin_table_entries();
}

/// Starts the CPU that looks at `release` for its entry, under the number `cpu`. False: it cannot be told, because there are no
/// stacks for that number, or the place is somebody else's.
///
/// # Safety
/// A CPU waits there, and the page is no RAM that anybody uses. On the boot CPU. Else as [`start`](super::smp::start).
pub unsafe fn release(cpu: usize, release: usize) -> bool {
    let page = release & !(PAGE - 1);
    // SAFETY: the caller's promise.
    if cpu >= MAX_CPUS || !release.is_multiple_of(8) || !unsafe { mmu::map_page(page) } {
        return false;
    }
    let entry = __hw_spin_table_entries as *const () as usize + cpu * ENTRY;
    // SAFETY: mapped, and aligned; device tree and board name no table at address 0.
    unsafe { (release as *mut usize).write_volatile(entry) };
    // The word, and all that this CPU wrote before, is there before the other one is woken to look at it.
    crate::barrier::dsb();
    // SAFETY: an event for CPUs in `wfe`.
    unsafe { asm!("sev", options(nomem, nostack, preserves_flags)) };
    // SAFETY: mapped above, and used here alone.
    unsafe { mmu::unmap(page) };
    true
}
