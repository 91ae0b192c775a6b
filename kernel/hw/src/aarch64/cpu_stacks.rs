//! Where do the stacks lie that each CPU has of its own? In one slot a CPU, with a guard page below each.
//!
//! | offset | what |
//! |---|---|
//! | 0 | guard |
//! | `INTERRUPT` | interrupt stack: SP_EL1 |
//! | `BOOT - PAGE` | guard |
//! | `BOOT` | boot stack: SP_EL0 until the first switch, then the idle thread's |
//! | `FAULT - PAGE` | guard |
//! | `FAULT` | fault stack: the fault vector's, whatever became of the other two |
//!
//! Slots are as large as they are aligned: a CPU finds its own from SP_EL1 alone. Nobody reads or writes the slots through
//! Rust's eyes; guards are never mapped.
use super::mmu::PAGE;
use crate::smp::MAX_CPUS;
use core::{cell::UnsafeCell, mem::MaybeUninit};

/// Bytes of a CPU's slot; a power of two, as its alignment below.
pub(super) const SLOT: usize = 1 << SLOT_SHIFT;
pub(super) const SLOT_SHIFT: usize = 16;
/// Bytes of the interrupt stack and of the boot stack.
const SIZE: usize = 4 * PAGE;
const INTERRUPT: usize = PAGE;
const BOOT: usize = INTERRUPT + SIZE + PAGE;
/// The rest of the slot: the fault reporter formats text.
const FAULT: usize = BOOT + SIZE + PAGE;
const STACKS: [(usize, usize, Stack); 3] =
    [(INTERRUPT, INTERRUPT_TOP, Stack::Interrupt), (BOOT, BOOT_TOP, Stack::Boot), (FAULT, SLOT, Stack::Fault)];
/// Top of the interrupt stack in the slot.
pub(super) const INTERRUPT_TOP: usize = INTERRUPT + SIZE;
/// Top of the boot stack in the slot.
pub(super) const BOOT_TOP: usize = BOOT + SIZE;

#[repr(C, align(0x10000))]
pub(super) struct Slots(UnsafeCell<MaybeUninit<[[u8; SLOT]; MAX_CPUS]>>);
// SAFETY: reached by stack pointers only; each CPU has its own slot.
unsafe impl Sync for Slots {}
const _: () = assert!(align_of::<Slots>() == SLOT);

/// All slots. The section is neither in the file nor zeroed.
#[unsafe(link_section = ".stacks")]
pub(super) static SLOTS: Slots = Slots(UnsafeCell::new(MaybeUninit::uninit()));

/// One of a CPU's own stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// What interrupts run on.
    Interrupt,
    /// What the CPU comes up on; the stack of its idle thread.
    Boot,
    /// What faults are reported on.
    Fault,
}

fn base(cpu: usize) -> usize {
    SLOTS.0.get() as usize + cpu * SLOT
}
/// Number of the CPU whose slot the address lies in, and the offset there.
fn find(address: usize) -> Option<(usize, usize)> {
    let offset = address.checked_sub(base(0))?;
    (offset < MAX_CPUS * SLOT).then_some((offset / SLOT, offset % SLOT))
}

/// Bottom and top of a CPU's interrupt stack.
pub fn interrupt_stack(cpu: usize) -> (usize, usize) {
    (base(cpu) + INTERRUPT, base(cpu) + INTERRUPT_TOP)
}
/// Bottom and top of the stack that a CPU comes up on, which becomes its idle thread's.
pub fn boot_stack(cpu: usize) -> (usize, usize) {
    (base(cpu) + BOOT, base(cpu) + BOOT_TOP)
}
/// Which stack of which CPU has overflowed, if the address lies in the guard page of one.
pub fn guard(address: usize) -> Option<(usize, Stack)> {
    let (cpu, offset) = find(address)?;
    let (.., stack) = STACKS.into_iter().find(|&(bottom, ..)| (bottom - PAGE..bottom).contains(&offset))?;
    Some((cpu, stack))
}
/// Whether the two words at `address` lie on one of the stacks.
pub fn contains(address: usize) -> bool {
    find(address)
        .is_some_and(|(_, offset)| STACKS.iter().any(|&(bottom, top, _)| offset >= bottom && offset + 16 <= top))
}
/// Bottom and top of every stack, to be mapped.
pub(super) fn all() -> impl Iterator<Item = (usize, usize)> {
    (0..MAX_CPUS).flat_map(|cpu| STACKS.map(|(bottom, top, _)| (base(cpu) + bottom, base(cpu) + top)))
}
