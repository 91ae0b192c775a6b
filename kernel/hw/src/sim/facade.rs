//! The machine boundary over a simulated machine: the items that `aarch64/` has on the target.
pub use super::atomic;

/// Are interrupts masked on this CPU? Outside a machine they always are.
pub mod irqs {
    use crate::sim::{machine::current, point::own_point};

    /// The interrupt mask as it was.
    #[derive(Clone, Copy, Debug)]
    pub struct Saved {
        enabled: bool,
    }

    impl Saved {
        /// Whether interrupts were let through.
        #[inline]
        pub fn was_enabled(self) -> bool {
            self.enabled
        }
    }

    /// Masks interrupts and tells what the mask was.
    #[inline]
    #[track_caller]
    pub fn save() -> Saved {
        own_point();
        Saved { enabled: current().is_some_and(|machine| !machine.cpu().masked.replace(true)) }
    }
    /// Puts the mask back to what it was.
    #[inline]
    #[track_caller]
    pub fn restore(saved: Saved) {
        match saved.enabled {
            true => enable(),
            false => disable(),
        }
    }
    /// Masks interrupts.
    #[inline]
    #[track_caller]
    pub fn disable() {
        save();
    }
    /// Lets interrupts through: those that wait are taken before this returns.
    #[inline]
    #[track_caller]
    pub fn enable() {
        if let Some(machine) = current() {
            machine.cpu().masked.set(false);
            machine.look();
        }
        own_point();
    }
    /// Whether interrupts are let through.
    #[inline]
    pub fn enabled() -> bool {
        current().is_some_and(|machine| !machine.cpu().masked.get())
    }
}

/// How does a CPU leave one thread's stack and continue another's?
pub mod context {
    pub use crate::sim::contexts::{Context, switch};
}

/// Which thread and which per-CPU area are this CPU's; how does it wait?
pub mod cpu {
    use crate::sim::{
        machine::{current as running, machine},
        point,
        point::own_point,
    };
    use std::ptr::null;

    /// An interrupt's way into the kernel takes no time.
    pub const INTERRUPT_ENTRY: u64 = 0;
    /// Nor does the way back.
    pub const INTERRUPT_EXIT: u64 = 0;

    /// The running thread as last set on this CPU (`TPIDR_EL1`); null outside a machine.
    #[inline]
    pub fn current() -> *const () {
        running().map_or(null(), |machine| machine.cpu().current.get())
    }
    /// Sets the running thread of this CPU.
    ///
    /// # Safety
    /// The pointer is what the kernel's readers of [`current`] expect.
    #[inline]
    pub unsafe fn set_current(thread: *const ()) {
        machine().cpu().current.set(thread);
    }
    /// The per-CPU area of this CPU (`TPIDR_EL0`); null outside a machine.
    #[inline]
    pub fn local() -> *const () {
        running().map_or(null(), |machine| machine.cpu().local.get())
    }
    /// Sets the per-CPU area of this CPU.
    ///
    /// # Safety
    /// The pointer is what the kernel's readers of [`local`] expect.
    #[inline]
    pub unsafe fn set_local(area: *const ()) {
        machine().cpu().local.set(area);
    }
    /// Whether this CPU serves an interrupt.
    pub fn in_interrupt() -> bool {
        machine().cpu().in_interrupt.get()
    }
    /// Affinity fields of MPIDR, packed.
    pub fn affinity() -> u64 {
        machine().cpu().affinity.into()
    }
    /// Waits until an interrupt is signalled to this CPU, masked or not; others go on and time passes meanwhile.
    #[track_caller]
    pub fn wait_for_interrupt() {
        point();
        machine().wait_for_interrupt();
        point();
    }
    /// This CPU does nothing any more.
    #[track_caller]
    pub fn halt() -> ! {
        point();
        machine().halt()
    }
    /// A spin hint: others go on and a little time passes.
    #[track_caller]
    pub fn relax() {
        // Others go on in between.
        own_point();
        if let Some(machine) = running() {
            machine.relax();
        }
        own_point();
    }
}

/// In which order do others see what this CPU did? In the simulation in program order.
pub mod barrier {
    use crate::sim::point::own_point;

    /// Data synchronization barrier, full system.
    #[inline]
    #[track_caller]
    pub fn dsb() {
        own_point();
    }
    /// Data synchronization barrier for stores, inner shareable.
    #[inline]
    #[track_caller]
    pub fn dsb_ishst() {
        own_point();
    }
    /// Instruction synchronization barrier.
    #[inline]
    #[track_caller]
    pub fn isb() {
        own_point();
    }
}

/// Where do reports go that must not wait for a thread? To the machine's console text.
pub mod text {
    use crate::{mmio::Mmio, sim::machine::current};

    /// Writes at once, past all threads; outside a machine to the test's standard error.
    pub fn write(bytes: &[u8]) {
        match current() {
            Some(machine) => machine.console.borrow_mut().extend_from_slice(bytes),
            None => eprint!("{}", String::from_utf8_lossy(bytes)),
        }
    }
    /// Chooses semihosting; the simulation has one console.
    pub fn to_semihosting() {}
    /// Chooses a PL011; the simulation has one console, and its PL011 is left to the driver.
    pub fn to_pl011(_uart: Mmio) {}
}

/// How does a secondary CPU start?
pub mod smp {
    use crate::{
        sim::machine::machine,
        smp::{Method, StartError},
        upcall,
    };

    /// Starts the CPU with this packed affinity; it enters `__tophalf_secondary(cpu)` with interrupts masked.
    ///
    /// # Safety
    /// The kernel is ready for the CPU: its tables are in memory.
    ///
    /// # Errors
    /// [`StartError::Refused`] with PSCI's INVALID_PARAMETERS: no such CPU; [`StartError::AlreadyOn`].
    pub unsafe fn start(cpu: usize, affinity: u64, _: Method) -> Result<(), StartError> {
        const INVALID_PARAMETERS: i64 = -2;
        let machine = machine();
        let found = machine.cpus.iter().position(|c| u64::from(c.affinity) == affinity);
        let n = found.ok_or(StartError::Refused(INVALID_PARAMETERS))?;
        if machine.cpus[n].online.get() {
            return Err(StartError::AlreadyOn);
        }
        if !machine.config.quirks.never_start.contains(&n) {
            // SAFETY: the kernel is linked in; the CPU comes with interrupts masked.
            machine.start_cpu(n, move || unsafe { upcall::__tophalf_secondary(cpu) });
            machine.awakened();
        }
        Ok(())
    }
}

/// How does the machine stop?
pub mod power {
    use crate::sim::{End, machine::machine};

    fn stop(end: End) -> ! {
        let machine = machine();
        assert!(!machine.device_side.get(), "a device cannot execute power::exit; it calls sim::stop");
        machine.stop(end);
        machine.leave_for_good()
    }
    /// Ends the run with this code.
    pub fn exit(code: i32) -> ! {
        stop(End::Exit(code))
    }
    /// Ends the run with a reset.
    pub fn reset() -> ! {
        stop(End::Reset)
    }
}
