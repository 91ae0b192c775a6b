//! How does a CPU get from the loader, or from the firmware that started it, to Rust?
//!
//! The boot CPU:
//!
//! 1. The arm64 Image header (Linux `Documentation/arch/arm64/booting.rst`), so that boot loaders accept the flat file.
//! 2. Down to EL1, from EL3 or EL2 where the loader left us there.
//! 3. PMU cycle counter on, so that boot can be measured; FP traps; vectors; stacks: SP_EL1 for interrupts, SP_EL0 for
//!    what runs.
//! 4. BSS zeroed.
//! 5. The device tree found: in x0, or at the start of RAM when an ELF was loaded; MMU and caches on.
//! 6. The kernel's boot.
//!
//! A secondary CPU does the same 2 and 3, then turns MMU and caches on with the boot CPU's tables and calls the kernel.
//! Until then it writes nothing to memory, see [`smp`](super::smp).
//!
//! At EL3 there is no firmware: the board's linker script may name a function, `__board_el3`, that does what firmware would do.
//! It is called on each CPU and may change x0 to x18 and x30.
//!
//! Registers on the way: x19 where to go on at EL1, x20 what was in x0, x21 the exception level entered at, x22 the CPU's
//! number.
use super::{cpu_stacks, mmu};
use crate::upcall::{self, Boot};
use core::arch::global_asm;

global_asm!(
    ".section .text.boot, \"ax\"",
    ".global _start",
    "_start:",
    "b 1f",                 // code0
    "nop",                  // code1
    ".quad __image_offset", // text_offset
    ".quad __image_size",   // image_size
    ".quad 0xa",            // flags: little endian, 4 KiB pages, anywhere in memory
    ".quad 0, 0, 0",
    ".ascii \"ARM\\x64\"",
    ".long 0",
    "1:",
    "adr x19, __hw_boot",
    "mov x22, xzr",
    // At EL3 there is no firmware that holds the other CPUs back: a machine that starts all of them starts them here.
    "mrs x1, CurrentEL",
    "cmp x1, #(3 << 2)",
    "b.ne __hw_to_el1",
    "mrs x1, mpidr_el1",
    "ldr x2, =0xff00ffffff",
    "tst x1, x2",
    "b.eq __hw_to_el1",
    "2: wfe",
    "b 2b",
    ".global __hw_secondary",
    "__hw_secondary:",
    "adr x19, __hw_secondary_at_el1",
    "mov x22, x0", // PSCI's context id: the CPU's number
    "__hw_to_el1:",
    "msr daifset, #15",
    "mov x20, x0",
    "mrs x21, CurrentEL",
    "lsr x21, x21, #2",
    "cmp x21, #3",
    "b.lo 3f",
    // EL3. A GIC with two security states becomes one (GICD_CTLR.DS, GIC architecture 12.9.4): same driver everywhere.
    "ldr x0, =__board_gicd",
    "cbz x0, 2f",
    "mov w1, #0x40",
    "str w1, [x0]",
    "dsb sy",
    // What else this board's firmware would have done.
    "2: ldr x0, =__board_el3",
    "cbz x0, 8f",
    "blr x0",
    "8: mrs x0, id_aa64pfr0_el1",
    "ubfx x0, x0, #24, #4", // system register interface to the GIC?
    "cbz x0, 9f",
    "mov x0, #0xf",
    "msr S3_6_C12_C12_5, x0", // ICC_SRE_EL3: system registers, also for lower levels
    "isb",
    "9: mov x0, #0x531", // SCR_EL3: RW (lower level is AArch64), HCE, RES1, NS
    "msr scr_el3, x0",
    "msr cptr_el3, xzr",
    "msr mdcr_el3, xzr",
    "mrs x0, id_aa64pfr0_el1",
    "ubfx x0, x0, #8, #4",
    "mov x1, #0x3c5", // EL1h, everything masked
    "mov x2, #0x3c9", // EL2h
    "cmp x0, #0",
    "csel x1, x1, x2, eq",
    "msr spsr_el3, x1",
    "ldr x2, =0x30d00800", // SCTLR_EL1 with MMU and caches off: its reset value is unknown when entered from above
    "msr sctlr_el1, x2",
    "ldr x2, =0x30c50830", // the same of EL2; without that level it is ignored
    "msr sctlr_el2, x2",
    "adr x0, 3f",
    "msr elr_el3, x0",
    "eret",
    "3: mrs x0, CurrentEL",
    "cmp x0, #8",
    "b.ne 5f",
    // EL2.
    "mov x0, #(1 << 31)", // HCR_EL2.RW
    "msr hcr_el2, x0",
    "mov x0, #3", // CNTHCTL_EL2: EL1 may use the physical counter and timer
    "msr cnthctl_el2, x0",
    "msr cntvoff_el2, xzr",
    "mov x0, #0x33ff", // CPTR_EL2: no traps to EL2; EL1 traps FP by itself
    "msr cptr_el2, x0",
    "msr hstr_el2, xzr",
    "mrs x0, pmcr_el0", // MDCR_EL2.HPMN: all counters belong to EL1
    "ubfx x0, x0, #11, #5",
    "msr mdcr_el2, x0",
    "mrs x0, midr_el1",
    "msr vpidr_el2, x0",
    "mrs x0, mpidr_el1",
    "msr vmpidr_el2, x0",
    "mrs x0, id_aa64pfr0_el1",
    "ubfx x0, x0, #24, #4", // system register interface to the GIC?
    "cbz x0, 4f",
    "mov x0, #0xf",
    "msr S3_4_C12_C9_5, x0", // ICC_SRE_EL2: SRE, no bypass, Enable for EL1
    "isb",
    "msr S3_4_C12_C11_0, xzr", // ICH_HCR_EL2
    "4: ldr x0, =0x30d00800",  // SCTLR_EL1 as above
    "msr sctlr_el1, x0",
    "mov x0, #0x3c5",
    "msr spsr_el2, x0",
    "adr x0, 5f",
    "msr elr_el2, x0",
    "eret",
    // EL1.
    "5: mov x0, #0x41", // PMCR_EL0: enable, long cycle counter (not reset: it counts from here)
    "orr x0, x0, #4",
    "msr pmcr_el0, x0",
    "mov x0, #(1 << 31)",
    "msr pmcntenset_el0, x0",
    "msr pmccfiltr_el0, xzr",
    "msr cpacr_el1, xzr", // FP and SIMD trap
    "mov x0, #1",
    "msr tpidr_el0, x0", // not 0: locks note whose they are before there are per-CPU areas
    "isb",
    "adrp x0, __hw_vectors",
    "add x0, x0, :lo12:__hw_vectors",
    "msr vbar_el1, x0",
    "adrp x0, {stacks}", // aligned: no low bits
    "add x0, x0, x22, lsl #{slot_shift}",
    "msr spsel, #1",
    "add x1, x0, #{interrupt_top}",
    "mov sp, x1",
    "msr spsel, #0",
    "add x1, x0, #{boot_top}",
    "mov sp, x1",
    "mov x29, xzr",
    "mov x30, xzr",
    "br x19",
    "__hw_secondary_at_el1:",
    "bl {use_tables}",
    "mov x0, x22",
    "bl {secondary}",
    "b .",
    "__hw_boot:",
    "adrp x0, __bss_start",
    "add x0, x0, :lo12:__bss_start",
    "adrp x1, __bss_end",
    "add x1, x1, :lo12:__bss_end",
    "6: cmp x0, x1",
    "b.hs 7f",
    "stp xzr, xzr, [x0]",
    "stp xzr, xzr, [x0, #16]",
    "stp xzr, xzr, [x0, #32]",
    "stp xzr, xzr, [x0, #48]",
    "add x0, x0, #64",
    "b 6b",
    "7: mov x0, x20",
    "mov x1, x21",
    "bl {boot}",
    "b .",
    ".text",
    stacks = sym cpu_stacks::SLOTS,
    slot_shift = const cpu_stacks::SLOT_SHIFT,
    interrupt_top = const cpu_stacks::INTERRUPT_TOP,
    boot_top = const cpu_stacks::BOOT_TOP,
    use_tables = sym mmu::use_tables,
    boot = sym boot,
    secondary = sym secondary,
);

/// First word of a flattened device tree, as a little-endian CPU reads it (Devicetree Specification 5.2).
const FDT_MAGIC: u32 = 0xd00d_feed_u32.swap_bytes();

unsafe extern "C" {
    static __ram_start: u8;
}

/// Bytes that a tree may have (Linux `Documentation/arch/arm64/booting.rst`); more is no tree.
const FDT_MOST: usize = 2 << 20;

/// The tree's size if there is one at `at`. MMU is off: any address may be read that RAM or a device answers.
unsafe fn tree_size(at: usize) -> Option<usize> {
    let header = at as *const u32;
    // SAFETY: the caller's promise.
    let (magic, size) = unsafe { (header.read_volatile(), header.add(1).read_volatile()) };
    (magic == FDT_MAGIC).then(|| size.swap_bytes() as usize).filter(|&size| size <= FDT_MOST)
}

unsafe extern "C" fn boot(x0: usize, entry_level: u64) -> ! {
    let ram = &raw const __ram_start as usize;
    // A loader that has no tree may leave anything in x0, such as the 0x100 that was once an ARM kernel's parameters.
    let found = [x0, ram].into_iter().filter(|&at| at >= ram && at % 8 == 0).find_map(|at| {
        // SAFETY: at or above the start of RAM.
        unsafe { tree_size(at) }.map(|size| (at, size))
    });
    let (device_tree, size) = found.unwrap_or((0, 0));
    // SAFETY: once, on the boot CPU, MMU off; the tree was found where the loader put it.
    unsafe { mmu::enable(device_tree, size) };
    // SAFETY: everything `__tophalf_boot` asks for is set up.
    unsafe { upcall::__tophalf_boot(&Boot { device_tree, entry_level }) }
}

unsafe extern "C" fn secondary(cpu: usize) -> ! {
    // SAFETY: everything `__tophalf_secondary` asks for is set up.
    unsafe { upcall::__tophalf_secondary(cpu) }
}
