//! The real machine: ARMv8-A at EL1, one identity-mapped address space, threads on SP_EL0, interrupts on SP_EL1.
//!
//! `entry` → `mmu` → the kernel's boot, on each CPU; afterwards `vectors` for every exception and `switch` for every thread
//! switch.

pub mod cache;
pub mod cpu_stacks;
pub mod entry;
pub mod mmu;
pub mod smp;
pub mod spin_table;
pub mod stack;
mod switch;
mod vectors;

pub use vectors::interrupted;

/// Atomics are the CPU's own.
pub mod atomic {
    pub use core::sync::atomic::{
        AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

/// Whether this CPU takes interrupts (PSTATE.I).
pub mod irqs {
    use core::arch::asm;
    const I: u64 = 1 << 7;

    /// The mask as it was, to be given back to [`restore`].
    #[derive(Clone, Copy, Debug)]
    pub struct Saved(u64);
    impl Saved {
        /// Whether interrupts were enabled when this was saved.
        #[inline(always)]
        pub fn was_enabled(self) -> bool {
            self.0 & I == 0
        }
    }
    /// Masks interrupts and tells how it was.
    #[inline(always)]
    pub fn save() -> Saved {
        let daif: u64;
        // SAFETY: masking interrupts cannot break memory safety. No `nomem`: what follows must stay inside the section.
        unsafe { asm!("mrs {}, daif", "msr daifset, #2", out(reg) daif, options(nostack, preserves_flags)) };
        Saved(daif)
    }
    /// Gives the mask back as [`save`] found it.
    #[inline(always)]
    pub fn restore(saved: Saved) {
        // SAFETY: the state was this CPU's before. No `nomem`: what precedes must stay inside the section.
        unsafe { asm!("msr daif, {}", in(reg) saved.0, options(nostack, preserves_flags)) };
    }
    /// Masks interrupts.
    #[inline(always)]
    pub fn disable() {
        // SAFETY: as `save`.
        unsafe { asm!("msr daifset, #2", options(nostack, preserves_flags)) };
    }
    /// Unmasks interrupts.
    #[inline(always)]
    pub fn enable() {
        // SAFETY: vectors and the interrupt stack are set up before any Rust code runs.
        unsafe { asm!("msr daifclr, #2", options(nostack, preserves_flags)) };
    }
    /// Whether interrupts are unmasked now.
    #[inline(always)]
    pub fn enabled() -> bool {
        let daif: u64;
        // SAFETY: reads PSTATE only.
        unsafe { asm!("mrs {}, daif", out(reg) daif, options(nostack, preserves_flags)) };
        daif & I == 0
    }
}

/// How this CPU leaves one stack and continues another.
pub mod context {
    pub use super::switch::{Context, switch};
}

/// This CPU's own registers and its way of waiting.
pub mod cpu {
    use core::arch::asm;

    /// Instructions from an interrupt's vector to the kernel's first look at it.
    pub const INTERRUPT_ENTRY: u64 = super::vectors::ENTRY;
    /// Instructions from the kernel's last look at an interrupt to the interrupted thread's next.
    pub const INTERRUPT_EXIT: u64 = super::vectors::EXIT;

    /// The running thread (`TPIDR_EL1`).
    ///
    /// A function may read it once for all its calls of this: its frame is on one thread's stack, or serves one interrupt, so it is
    /// the same whenever the function runs. Whoever has called [`set_current`] sees the new one in a function of its own.
    #[inline(always)]
    pub fn current() -> *const () {
        let p;
        // SAFETY: reads a software register. `pure` as said above: another thread's value is never seen by the same frame.
        unsafe { asm!("mrs {}, tpidr_el1", out(reg) p, options(pure, nomem, nostack, preserves_flags)) };
        p
    }
    /// Sets the running thread.
    ///
    /// # Safety
    /// The kernel owns the register's meaning: it must be what `current`'s users expect.
    #[inline(always)]
    pub unsafe fn set_current(p: *const ()) {
        // SAFETY: writes a software register; the meaning is the caller's business.
        unsafe { asm!("msr tpidr_el1, {}", in(reg) p, options(nostack, preserves_flags)) };
    }
    /// This CPU's per-CPU area (`TPIDR_EL0`, which no user space claims here).
    #[inline(always)]
    pub fn local() -> *const () {
        let p;
        // SAFETY: reads a software register.
        unsafe { asm!("mrs {}, tpidr_el0", out(reg) p, options(nomem, nostack, preserves_flags)) };
        p
    }
    /// Sets this CPU's per-CPU area.
    ///
    /// # Safety
    /// As [`set_current`].
    #[inline(always)]
    pub unsafe fn set_local(p: *const ()) {
        // SAFETY: writes a software register; the meaning is the caller's business.
        unsafe { asm!("msr tpidr_el0, {}", in(reg) p, options(nostack, preserves_flags)) };
    }
    /// Whether this runs in an interrupt: those, and nothing else, have SP_EL1 for their stack pointer.
    #[inline(always)]
    pub fn in_interrupt() -> bool {
        let selected: u64;
        // SAFETY: reads PSTATE only.
        unsafe { asm!("mrs {}, spsel", out(reg) selected, options(nomem, nostack, preserves_flags)) };
        selected & 1 != 0
    }
    /// Affinity as Aff3.Aff2.Aff1.Aff0, a byte each.
    pub fn affinity() -> u64 {
        use tock_registers::interfaces::Readable;
        crate::smp::packed(crate::sysreg::Mpidr.get())
    }
    /// Waits until an interrupt is pending, whether or not it is masked.
    #[inline(always)]
    pub fn wait_for_interrupt() {
        // SAFETY: waiting has no effect on memory; the barrier completes what devices must see before.
        unsafe { asm!("dsb sy", "wfi", options(nostack, preserves_flags)) };
    }
    /// This CPU does nothing any more.
    pub fn halt() -> ! {
        loop {
            super::irqs::disable();
            wait_for_interrupt();
        }
    }
    /// Tells the CPU that it is spinning: `isb` takes a moment and leaves the bus alone; at `yield` QEMU, where its CPUs take
    /// turns (`-icount`), lets the next one go on instead of having this one spin its turn away.
    #[inline(always)]
    pub fn relax() {
        // SAFETY: a hint and a barrier.
        unsafe { asm!("yield", "isb", options(nomem, nostack, preserves_flags)) };
    }
}

/// In which order others see what this CPU did.
pub mod barrier {
    use core::arch::asm;
    /// All accesses before it are complete for the whole system.
    #[inline(always)]
    pub fn dsb() {
        // SAFETY: a barrier.
        unsafe { asm!("dsb sy", options(nostack, preserves_flags)) };
    }
    /// Stores before it are complete for the inner shareable domain.
    #[inline(always)]
    pub fn dsb_ishst() {
        // SAFETY: a barrier.
        unsafe { asm!("dsb ishst", options(nostack, preserves_flags)) };
    }
    /// System register writes before it are in effect after it.
    #[inline(always)]
    pub fn isb() {
        // SAFETY: a barrier.
        unsafe { asm!("isb", options(nostack, preserves_flags)) };
    }
}

/// Where reports go that must not wait for a thread.
pub mod text {
    use crate::{mmio::Mmio, pl011::Pl011};
    use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    const NOWHERE: usize = 0;
    const SEMIHOSTING: usize = 1;
    /// One of the above, or the address of a PL011.
    static SINK: AtomicUsize = AtomicUsize::new(NOWHERE);

    /// From now on text goes to the debugger or emulator.
    pub fn to_semihosting() {
        SINK.store(SEMIHOSTING, Relaxed);
    }
    /// From now on text goes to this UART, which is set up.
    pub fn to_pl011(uart: Mmio) {
        SINK.store(uart.base(), Relaxed);
    }
    /// Writes bytes, in any context; returns when the device has taken them.
    pub fn write(bytes: &[u8]) {
        match SINK.load(Relaxed) {
            NOWHERE => {}
            SEMIHOSTING => {
                for chunk in bytes.chunks(64) {
                    // SYS_WRITE0 wants a terminated string; a zero byte (a log frame's end) goes by SYS_WRITEC.
                    for &byte in chunk {
                        // SAFETY: SYS_WRITEC reads the one byte that its parameter points to.
                        unsafe { super::semihost(0x03, &raw const byte as usize) };
                    }
                }
            }
            base => {
                // SAFETY: `to_pl011`'s caller had the device's `Mmio`, whose address this is.
                let uart = Pl011::new(unsafe { Mmio::new(base) });
                for &byte in bytes {
                    while !uart.try_send(byte) {}
                }
            }
        }
    }
}

/// How the machine stops.
pub mod power {
    use crate::smp::Method;
    use core::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
    use smccc::{Hvc, Smc, psci};

    const HVC: u8 = 1;
    const SMC: u8 = 2;
    /// One of the above, or 0: there is no PSCI.
    static FIRMWARE: AtomicU8 = AtomicU8::new(0);

    /// [`exit`] was called.
    static ENDING: AtomicBool = AtomicBool::new(false);

    /// Whether [`exit`] was called: a fault since then is its own, because nobody is there who understands it.
    pub fn is_ending() -> bool {
        ENDING.load(Relaxed)
    }
    /// Ends the emulation with this status through semihosting. On a machine without a debugger the instruction for that is
    /// undefined: who handles the fault looks at [`is_ending`] and waits for ever.
    pub fn exit(code: i32) -> ! {
        ENDING.store(true, Relaxed);
        const ADP_STOPPED_APPLICATION_EXIT: u64 = 0x2_0026;
        let block = [ADP_STOPPED_APPLICATION_EXIT, code as u64];
        // SAFETY: SYS_EXIT reads the two words that its parameter points to.
        unsafe { super::semihost(0x18, block.as_ptr() as usize) };
        super::cpu::halt()
    }
    /// Resets the system through PSCI's SYSTEM_RESET (Arm DEN0022 5.1.9); without PSCI it ends the run with status 1.
    pub fn reset() -> ! {
        // Neither returns when it does what it is for.
        let _ = match FIRMWARE.load(Relaxed) {
            HVC => psci::system_reset::<Hvc>(),
            SMC => psci::system_reset::<Smc>(),
            _ => Ok(()),
        };
        exit(1)
    }
    /// How the firmware is called from now on.
    pub fn firmware(method: Method) {
        let number = match method {
            Method::PsciHvc => HVC,
            Method::PsciSmc => SMC,
        };
        FIRMWARE.store(number, Relaxed);
    }
}

/// One semihosting call (Arm "Semihosting for AArch32 and AArch64", 2024Q3).
///
/// # Safety
/// `parameter` is what the operation asks for.
unsafe fn semihost(operation: u32, parameter: usize) -> usize {
    let result;
    // SAFETY: the caller's promise; the host reads and writes only what the parameter block names.
    unsafe {
        core::arch::asm!("hlt #0xf000", inout("x0") operation as usize => result, in("x1") parameter, options(nostack))
    };
    result
}
