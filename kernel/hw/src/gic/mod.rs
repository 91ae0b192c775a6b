//! What can the interrupt controller do? Acknowledge, end, deactivate, mask, configure; it decides nothing.
//!
//! Drivers are constructed from a board's addresses. Only the kernel's `irq` sequences these operations into flows.
//! GIC architecture specification: Arm IHI 0069H; section numbers refer to it.

pub mod v3;
mod v3_cpu;
mod v3_sgi;

use crate::mmio::{Reg, Wo};
use tock_registers::interfaces::Writeable;
pub use v3::{Distributor, Facts as V3Facts, Redistributor, Region};

/// INTIDs that are not interrupts: 1020 to 1023 (2.2.1).
pub const SPECIAL: u32 = 1020;
/// "No pending interrupt" of an acknowledge.
pub const NONE_PENDING: u32 = 1023;
/// INTIDs below this one are software-generated interrupts (2.2.1).
pub const SGIS: u32 = 16;
/// First SPI.
pub const FIRST_SPI: u32 = 32;
/// Priority that every line gets until told otherwise.
pub const DEFAULT_PRIORITY: u8 = 0xa0;

/// When a line is taken to be asserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// As long as it is high.
    Level,
    /// From a rising edge until acknowledged.
    Edge,
}

/// A line's state in the controller that can be read and forced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Waiting to be acknowledged.
    Pending,
    /// Acknowledged, not deactivated.
    Active,
    /// Forwarded to a CPU at all.
    Enabled,
}

/// How an interrupt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// EOI mode 1: the priority drops at once, deactivation is a step of its own and may be a thread's.
    Split,
    /// EOI mode 0: both in one step, after the hard handlers.
    Combined,
}

/// Why an operation was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GicError {
    /// The hardware is not what the driver is for.
    Unsupported,
    /// No redistributor belongs to this CPU.
    NoRedistributor,
    /// Not possible for this kind of INTID.
    Invalid,
    /// The controller has no such INTID.
    Range,
}

/// What went wrong without stopping the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A register write was not acknowledged within half a second.
    RwpTimeout,
    /// The redistributor did not wake within half a second.
    WakeTimeout,
    /// No redistributor frame has this affinity.
    NoRedistributor(u64),
    /// The trigger of a PPI is fixed and is not what was asked for.
    FixedTrigger(u32),
    /// No SGI reaches the CPU with this affinity: Aff0 is 16 or more and the controller has no range selector.
    CannotSgi(u64),
}

/// A write-one register and the bit to write.
pub struct Strobe {
    register: Reg<u32, (), Wo>,
    bit: u32,
}
impl Strobe {
    /// Writes the bit.
    #[inline(always)]
    pub fn fire(&self) {
        self.register.set(self.bit);
    }
}

/// The controller of this machine.
///
/// Acknowledge, end and deactivate go to the CPU interface of the CPU that calls. Mask, unmask and the like of an SGI or
/// PPI go to the redistributor of the calling CPU, passed as `local`; nothing may migrate meanwhile.
pub enum Gic {
    /// GICv3 or GICv4 with system register access.
    V3(Distributor),
}

impl Gic {
    /// "GICv3".
    pub fn name(&self) -> &'static str {
        match self {
            Gic::V3(_) => "GICv3",
        }
    }
    /// Number of INTIDs below the special ones that the distributor has: 32 to 1020.
    pub fn lines(&self) -> u32 {
        match self {
            Gic::V3(d) => d.lines(),
        }
    }
    /// Starts the part of the CPU that calls: its redistributor and its interface.
    ///
    /// # Errors
    /// As [`Distributor::start_cpu`].
    pub fn start_cpu(&self, affinity: u64, warn: &mut dyn FnMut(Warning)) -> Result<Redistributor, GicError> {
        match self {
            Gic::V3(d) => d.start_cpu(affinity, warn),
        }
    }
    /// Acknowledges the most urgent pending interrupt: its INTID, now active, or one from [`SPECIAL`] on.
    #[inline(always)]
    pub fn acknowledge(&self) -> u32 {
        match self {
            Gic::V3(_) => v3_cpu::acknowledge(),
        }
    }
    /// Whether the end of an interrupt is split, so that it can stay active while its thread works.
    pub fn splits_end(&self) -> bool {
        match self {
            Gic::V3(d) => d.end() == End::Split,
        }
    }
    /// Drops the running priority; the INTID stays active until [`deactivate`](Self::deactivate). Nothing in mode 0.
    #[inline(always)]
    pub fn drop_priority(&self, intid: u32) {
        match self {
            Gic::V3(d) if d.end() == End::Split => v3_cpu::drop_priority(intid),
            Gic::V3(_) => {}
        }
    }
    /// [`drop_priority`](Self::drop_priority) where [`splits_end`](Self::splits_end) is known to hold.
    #[inline(always)]
    pub fn drop_priority_split(&self, intid: u32) {
        match self {
            Gic::V3(_) => v3_cpu::drop_priority(intid),
        }
    }
    /// [`deactivate`](Self::deactivate) where [`splits_end`](Self::splits_end) is known to hold.
    #[inline(always)]
    pub fn deactivate_split(&self, intid: u32) {
        match self {
            Gic::V3(_) => v3_cpu::deactivate(intid),
        }
    }
    /// Ends the active state; in mode 0 the running priority drops too.
    #[inline(always)]
    pub fn deactivate(&self, intid: u32) {
        match self {
            Gic::V3(d) if d.end() == End::Split => v3_cpu::deactivate(intid),
            Gic::V3(_) => v3_cpu::drop_priority(intid),
        }
    }
    /// Sends SGI `id` to the CPUs with these affinities: on each it becomes pending, if it is not already. Stores made
    /// before this are seen there by whoever the interrupt lets run.
    ///
    /// CPUs that differ in the low four bits of Aff0 only, and come one after another, share a register write. One that
    /// cannot be reached is left out, with a warning the first time.
    ///
    /// # Errors
    /// Nothing is sent: [`GicError::Invalid`]: no such SGI, or no CPU. [`GicError::Unsupported`]: none can be reached.
    #[inline]
    pub fn send_sgi(
        &self,
        id: u32,
        affinities: impl IntoIterator<Item = u64>,
        warn: &mut dyn FnMut(Warning),
    ) -> Result<(), GicError> {
        match self {
            Gic::V3(d) => d.sgis.send(id, affinities, warn),
        }
    }
    /// Running priority of this CPU, 0xFF when idle.
    pub fn running_priority(&self) -> u8 {
        match self {
            Gic::V3(_) => v3_cpu::running_priority(),
        }
    }
    /// Stops forwarding the line; in effect when this returns.
    pub fn mask(&self, local: &Redistributor, intid: u32) {
        match self {
            Gic::V3(d) => d.mask(local, intid),
        }
    }
    /// Forwards the line.
    pub fn unmask(&self, local: &Redistributor, intid: u32) {
        match self {
            Gic::V3(d) => d.unmask(local, intid),
        }
    }
    /// Sets when the line is taken to be asserted; the line is masked while this changes (12.9.9).
    pub fn set_sense(
        &self,
        local: &Redistributor,
        intid: u32,
        sense: Sense,
        warn: &mut dyn FnMut(Warning),
    ) -> Result<(), GicError> {
        match self {
            Gic::V3(d) => d.set_sense(local, intid, sense, warn),
        }
    }
    /// How the line is configured.
    pub fn sense(&self, local: &Redistributor, intid: u32) -> Result<Sense, GicError> {
        match self {
            Gic::V3(d) => d.sense(local, intid),
        }
    }
    /// Sets the line's 8-bit priority, smaller is more urgent; hardware may ignore the lowest bits.
    pub fn set_priority(&self, local: &Redistributor, intid: u32, priority: u8) -> Result<(), GicError> {
        match self {
            Gic::V3(d) => d.set_priority(local, intid, priority),
        }
    }
    /// Routes an SPI to the CPU with this affinity; the line is masked while this changes. A line that is pending then is
    /// delivered once, here or there (3.2.1).
    ///
    /// # Errors
    /// [`GicError::Invalid`]: an SGI or PPI, which belongs to its CPU. [`GicError::Range`].
    pub fn set_route(&self, local: &Redistributor, intid: u32, affinity: u64) -> Result<(), GicError> {
        match self {
            Gic::V3(d) => d.set_route(local, intid, affinity),
        }
    }
    /// The register and bit that make a line pending.
    pub fn pend_register(&self, local: &Redistributor, intid: u32) -> Result<Strobe, GicError> {
        match self {
            Gic::V3(d) => d.pend_register(local, intid),
        }
    }
    /// Reads a state of the line.
    pub fn state(&self, local: &Redistributor, intid: u32, which: Which) -> Result<bool, GicError> {
        match self {
            Gic::V3(d) => d.state(local, intid, which),
        }
    }
    /// Forces a state of the line.
    pub fn set_state(&self, local: &Redistributor, intid: u32, which: Which, on: bool) -> Result<(), GicError> {
        match self {
            Gic::V3(d) => d.set_state(local, intid, which, on),
        }
    }
}
