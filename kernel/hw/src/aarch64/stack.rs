//! Where do thread stacks lie? In one arena of equal slots, each with an unmapped guard page below it.
use super::mmu::{self, Kind, PAGE};

/// Usable bytes of a slot.
pub const SIZE: usize = 4 * PAGE;
/// Distance of two slots: the guard page and the stack.
pub const STRIDE: usize = SIZE + PAGE;

/// Maps `count` stacks from `base` on, guard pages left out: [`STRIDE`] bytes each.
///
/// # Safety
/// The memory is RAM, unmapped, and belongs to nobody.
pub unsafe fn map_arena(base: usize, count: usize) {
    for n in 0..count {
        // SAFETY: the caller's promise.
        unsafe { mmu::map(base + n * STRIDE + PAGE, SIZE, Kind::Data) };
    }
}
/// Lowest usable address and top of slot `n` in the arena at `base`.
pub const fn slot(base: usize, n: usize) -> (usize, usize) {
    (base + n * STRIDE + PAGE, base + (n + 1) * STRIDE)
}
