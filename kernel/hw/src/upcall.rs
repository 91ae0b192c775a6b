//! What does the machine call in the kernel? These functions and nothing else.
//!
//! They are resolved by the linker, so `hw` builds without `kernel`. All of them run on the CPU that calls them.

/// Where a CPU was when an exception that is not an interrupt was taken.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Fault {
    /// `x0`–`x30`.
    pub x: [u64; 31],
    /// Stack pointer of the interrupted code.
    pub sp: u64,
    /// `ELR_EL1`: the interrupted instruction.
    pub elr: u64,
    /// `SPSR_EL1`.
    pub spsr: u64,
    /// `ESR_EL1`: the syndrome (Arm ARM D24.2.40).
    pub esr: u64,
    /// `FAR_EL1`: the faulting address where the syndrome says it is valid.
    pub far: u64,
    /// Which of the 16 vectors: `source * 4 + kind`, kinds being synchronous, IRQ, FIQ, SError.
    pub vector: u64,
}

/// What the entry code knows when it calls the kernel.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Boot {
    /// Address of the flattened device tree, 0 if none was found.
    pub device_tree: usize,
    /// Exception level the boot CPU was entered at (1, 2 or 3).
    pub entry_level: u64,
}

unsafe extern "Rust" {
    /// First Rust function on the boot CPU: MMU and caches on, BSS zeroed, interrupts masked, boot stack. Does not return.
    pub fn __tophalf_boot(boot: &Boot) -> !;
    /// First Rust function on a secondary CPU: MMU and caches on, interrupts masked, on that CPU's own boot stack (which
    /// becomes its idle thread's stack), SP_EL1 its own interrupt stack. `cpu` is what `smp::start` was told.
    pub fn __tophalf_secondary(cpu: usize) -> !;
    /// An exception that is not an interrupt; does not return to the interrupted code.
    pub fn __tophalf_fault(fault: &Fault) -> !;
    /// First function of every new context, interrupts masked, entered from `context::switch`.
    pub fn __tophalf_thread(argument: usize) -> !;
}

// Called straight from the vector: the C ABI is what assembly can rely on. Unwinding: a test in the simulation that fails
// inside a handler is to fail, not to end the process.
#[cfg_attr(not(target_os = "none"), expect(improper_ctypes, reason = "a simulated context is only pointed to"))]
unsafe extern "C-unwind" {
    /// An IRQ exception was taken. Interrupts are masked; on the target this runs on the CPU's interrupt stack. If the
    /// interrupted thread is to be preempted, the answer says by whom: the caller then switches, on the interrupted
    /// thread's stack, and calls [`__tophalf_switched`] first thing when it is switched back to.
    pub fn __tophalf_interrupt() -> Switch;
    /// First thing after a switch that [`__tophalf_interrupt`] asked for, interrupts masked.
    pub fn __tophalf_switched();
}

/// A switch to be done.
#[repr(C)]
pub struct Switch {
    /// The context that is interrupted.
    pub prev: *const crate::context::Context,
    /// The one to run; null if there is nothing to do.
    pub next: *const crate::context::Context,
}
