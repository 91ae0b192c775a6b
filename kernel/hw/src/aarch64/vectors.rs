//! What happens at an exception, from the vector to the return?
//!
//! An interrupt saves its frame on the *thread's* stack, so that the thread can be switched away from at interrupt
//! return, and runs the kernel on the CPU's interrupt stack:
//!
//! 1. SP := SP_EL0; x0–x18, x29, x30, ELR, SPSR stored there, (x29, ELR) as a frame record for backtraces;
//! 2. SP := SP_EL1; `__tophalf_interrupt`: acknowledge, primary handler, wake, all with interrupts masked;
//! 3. SP := SP_EL0; if it asks for a switch, the switch: other threads run first;
//! 4. the frame is restored; `eret`.
//!
//! Everything else is a fault: all registers go to the CPU's fault stack, because the one in use may have overflowed. A CPU
//! finds its own by where its SP_EL1 points, overflowed or not: the slots of [`cpu_stacks`] lie a whole stack apart.
use super::cpu_stacks;
use crate::{smp::MAX_CPUS, upcall::Fault};
use core::arch::global_asm;

/// Instructions of an interrupt's vector before `__tophalf_interrupt`, and behind it if nobody preempts the thread.
pub const ENTRY: u64 = 18;
pub const EXIT: u64 = 18;
/// Bytes of an interrupt's frame.
const FRAME: usize = 192;
/// Where in it the frame record is.
const RECORD: usize = 16;
const FAULT_SIZE: usize = (size_of::<Fault>() + 15) & !15;

global_asm!(
    ".macro frame_save",
    "stp x2, x3, [sp, #32]",
    "stp x4, x5, [sp, #48]",
    "stp x6, x7, [sp, #64]",
    "stp x8, x9, [sp, #80]",
    "stp x10, x11, [sp, #96]",
    "stp x12, x13, [sp, #112]",
    "stp x14, x15, [sp, #128]",
    "stp x16, x17, [sp, #144]",
    "stp x18, x30, [sp, #160]",
    ".endm",
    ".macro frame_restore",
    "ldp x2, x3, [sp, #32]",
    "ldp x4, x5, [sp, #48]",
    "ldp x6, x7, [sp, #64]",
    "ldp x8, x9, [sp, #80]",
    "ldp x10, x11, [sp, #96]",
    "ldp x12, x13, [sp, #112]",
    "ldp x14, x15, [sp, #128]",
    "ldp x16, x17, [sp, #144]",
    "ldp x18, x30, [sp, #160]",
    ".endm",
    // Every vector that is not an interrupt of a thread: report. Nothing may be pushed before there is a stack to trust.
    ".macro fault_vector number",
    ".balign 128",
    "msr spsel, #1",
    "msr tpidrro_el0, x0",
    "add sp, sp, x1",
    "sub x1, sp, x1", // x1 = SP_EL1 as it was; the real x1 is now sp - x1
    "adrp x0, {slots}",
    "sub x0, x1, x0",
    "lsr x0, x0, #{slot_shift}",
    "cmp x0, #{cpus}",
    "adrp x0, {slots}",
    "csel x0, x1, x0, lo", // on none of the stacks: the boot CPU's is as good as any
    "orr x0, x0, #{slot_mask}",
    "sub x0, x0, #{size} - 1", // below the slot's end
    "str x2, [x0, #16]",
    "mov x2, #\\number",
    "b __hw_fault",
    ".endm",
    ".section .text.vectors, \"ax\"",
    ".balign 2048",
    ".global __hw_vectors",
    "__hw_vectors:",
    // Current EL with SP_EL0: threads.
    "fault_vector 0",
    ".balign 128",
    "msr spsel, #0",
    "stp x0, x1, [sp, #-{frame}]!",
    "frame_save",
    "mrs x0, elr_el1",
    "mrs x1, spsr_el1",
    "stp x29, x0, [sp, #{record}]",
    "str x1, [sp, #176]",
    "add x29, sp, #{record}",
    "msr spsel, #1",
    "bl {interrupt}",
    "b __hw_interrupt_return",
    "fault_vector 2",
    "fault_vector 3",
    // Current EL with SP_EL1: handlers, which run with interrupts masked.
    "fault_vector 4",
    "fault_vector 5",
    "fault_vector 6",
    "fault_vector 7",
    // Lower ELs: there is no user space.
    "fault_vector 8",
    "fault_vector 9",
    "fault_vector 10",
    "fault_vector 11",
    "fault_vector 12",
    "fault_vector 13",
    "fault_vector 14",
    "fault_vector 15",
    ".balign 128",
    "__hw_interrupt_return:",
    "msr spsel, #0",
    "cbz x1, 1f",
    "bl {switch}",
    "bl {switched}",
    "1: ldp x29, x0, [sp, #{record}]",
    "ldr x1, [sp, #176]",
    "msr elr_el1, x0",
    "msr spsr_el1, x1",
    "frame_restore",
    "ldp x0, x1, [sp], #{frame}",
    "eret",
    // Backtraces of preempted threads have it by name.
    ".type __hw_interrupt_return, %function",
    ".size __hw_interrupt_return, . - __hw_interrupt_return",
    // x0 = room for a `Fault`, x1 = SP_EL1 as it was, x2 = vector number; the real x2 is stored, x1 is sp - x1, x0 is in
    // TPIDRRO_EL0. Exception entry masked everything.
    "__hw_fault:",
    "str x2, [x0, #288]",
    "sub x2, sp, x1",
    "mov sp, x0",
    "mrs x0, tpidrro_el0",
    "stp x0, x2, [sp, #0]",
    "str x3, [sp, #24]",
    "stp x4, x5, [sp, #32]",
    "stp x6, x7, [sp, #48]",
    "stp x8, x9, [sp, #64]",
    "stp x10, x11, [sp, #80]",
    "stp x12, x13, [sp, #96]",
    "stp x14, x15, [sp, #112]",
    "stp x16, x17, [sp, #128]",
    "stp x18, x19, [sp, #144]",
    "stp x20, x21, [sp, #160]",
    "stp x22, x23, [sp, #176]",
    "stp x24, x25, [sp, #192]",
    "stp x26, x27, [sp, #208]",
    "stp x28, x29, [sp, #224]",
    "str x30, [sp, #240]",
    // SP of the interrupted code: SP_EL0 for vectors 0–3, else SP_EL1.
    "ldr x0, [sp, #288]",
    "cmp x0, #4",
    "mrs x2, sp_el0",
    "csel x1, x2, x1, lo",
    "str x1, [sp, #248]",
    "mrs x0, elr_el1",
    "mrs x1, spsr_el1",
    "stp x0, x1, [sp, #256]",
    "mrs x0, esr_el1",
    "mrs x1, far_el1",
    "stp x0, x1, [sp, #272]",
    "mov x0, sp",
    "mov x29, xzr",
    "bl {fault}",
    "b .",
    ".text",
    frame = const FRAME,
    record = const RECORD,
    slots = sym cpu_stacks::SLOTS,
    slot_shift = const cpu_stacks::SLOT_SHIFT,
    slot_mask = const cpu_stacks::SLOT - 1,
    cpus = const MAX_CPUS,
    size = const FAULT_SIZE,
    interrupt = sym crate::upcall::__tophalf_interrupt,
    switch = sym super::switch::switch,
    switched = sym crate::upcall::__tophalf_switched,
    fault = sym fault,
);

/// Where the frame record (frame pointer, interrupted instruction) of what an interrupt has interrupted lies. In an
/// interrupt.
pub fn interrupted() -> usize {
    let frame: usize;
    // SAFETY: reads a register: the thread's stack pointer, which the vector left at the frame.
    unsafe { core::arch::asm!("mrs {}, sp_el0", out(reg) frame, options(nomem, nostack, preserves_flags)) };
    frame + RECORD
}

unsafe extern "C" fn fault(fault: &Fault) -> ! {
    // SAFETY: from the vector, on the fault stack.
    unsafe { crate::upcall::__tophalf_fault(fault) }
}
