//! What can the interrupt controller do? Acknowledge, end, deactivate, mask, configure; it decides nothing.
//!
//! Drivers are constructed from a board's addresses. Only the kernel's `irq` sequences these operations into flows.
//! GIC architecture specification: Arm IHI 0069H; section numbers refer to it. What GICv2 has in the same place and way is
//! in `lines`, which both drivers use.

mod lines;
mod v2;
mod v3;
mod v3_cpu;
mod v3_sgi;

use crate::mmio::{Reg, Wo};
pub use lines::Local;
use tock_registers::interfaces::Writeable;
pub use v2::Facts as V2Facts;
pub use v3::{Facts as V3Facts, Region};

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
    /// GICv2: the CPU that calls cannot tell which of the controller's it is.
    NoCpuMask,
    /// No SGI reaches the CPU with this affinity: Aff0 is 16 or more and the controller has no range selector.
    CannotSgi(u64),
}

/// A version of the architecture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// GICv2: memory-mapped CPU interfaces, up to eight.
    V2,
    /// GICv3, or GICv4: CPU interfaces in system registers.
    #[default]
    V3,
}

impl Version {
    /// "GICv2", "GICv3".
    pub const fn name(self) -> &'static str {
        match self {
            Version::V2 => "GICv2",
            Version::V3 => "GICv3",
        }
    }
}

/// Where a board has its controller.
#[derive(Clone, Copy, Debug)]
pub enum Facts {
    /// A GICv2.
    V2(V2Facts),
    /// A GICv3 or GICv4.
    V3(V3Facts),
}

impl Facts {
    /// Of which version it is.
    pub const fn version(&self) -> Version {
        match self {
            Facts::V2(_) => Version::V2,
            Facts::V3(_) => Version::V3,
        }
    }
    /// The distributor, which every version has.
    pub const fn distributor(&self) -> crate::mmio::Mmio {
        match self {
            Facts::V2(facts) => facts.distributor,
            Facts::V3(facts) => facts.distributor,
        }
    }
}

/// What a controller can do (G2-03).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Its version.
    pub version: Version,
    /// CPUs that it can serve, if its design limits them.
    pub max_cpus: Option<u32>,
    /// CPU interfaces are system registers, not memory-mapped.
    pub system_registers: bool,
    /// Each CPU has a redistributor with its private lines, instead of banked registers.
    pub redistributors: bool,
    /// An SPI is routed by affinity, not by a mask of CPUs.
    pub affinity_routing: bool,
    /// An SGI is pending once for each CPU that sent it, not once.
    pub sgi_per_source: bool,
    /// It has LPIs.
    pub lpis: bool,
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
/// PPI go to the registers of the calling CPU, passed as `local`; nothing may migrate meanwhile.
pub struct Gic {
    /// Not a GICv3 with split end, whose way through an interrupt is system registers alone: all that the way has to look at.
    indirect: bool,
    end: End,
    driver: Driver,
}

enum Driver {
    V2(v2::Distributor),
    V3(v3::Distributor),
}

/// The INTID in what [`Gic::acknowledge`] gave; an interrupt's, or one from [`SPECIAL`] on.
#[inline(always)]
pub const fn intid(taken: u32) -> u32 {
    taken & 0x3ff
}
/// The CPU, as the controller counts, that sent an SGI; 0 where the controller does not tell.
#[inline(always)]
pub const fn source(taken: u32) -> u32 {
    taken >> 10 & 7
}

impl Gic {
    /// Starts the distributor: every SPI level, [`DEFAULT_PRIORITY`], inactive, disabled, routed to the CPU that calls, which
    /// has this affinity.
    ///
    /// # Errors
    /// [`GicError::Unsupported`]: what is there is of another version.
    pub fn start(facts: &Facts, end: End, affinity: u64, warn: &mut dyn FnMut(Warning)) -> Result<Self, GicError> {
        let driver = match facts {
            Facts::V2(facts) => Driver::V2(v2::Distributor::start(facts, warn)?),
            Facts::V3(facts) => Driver::V3(v3::Distributor::start(facts, affinity, warn)?),
        };
        Ok(Self { indirect: facts.version() != Version::V3 || end != End::Split, end, driver })
    }
    /// Its version.
    pub fn version(&self) -> Version {
        match self.driver {
            Driver::V2(_) => Version::V2,
            Driver::V3(_) => Version::V3,
        }
    }
    /// What it can do.
    pub fn caps(&self) -> Caps {
        let (v3, lpis) = match &self.driver {
            Driver::V2(_) => (false, false),
            Driver::V3(d) => (true, d.lpis),
        };
        Caps {
            version: self.version(),
            max_cpus: if v3 { None } else { Some(8) },
            system_registers: v3,
            redistributors: v3,
            affinity_routing: v3,
            sgi_per_source: !v3,
            lpis,
        }
    }
    fn common(&self) -> &lines::Lines {
        match &self.driver {
            Driver::V2(d) => &d.lines,
            Driver::V3(d) => &d.lines,
        }
    }
    /// Number of INTIDs below the special ones that the distributor has: 32 to 1020.
    pub fn lines(&self) -> u32 {
        self.common().count
    }
    /// Starts the part of the CPU that calls: its private lines and its interface.
    ///
    /// # Errors
    /// [`GicError::NoRedistributor`]: the controller has none for this affinity. [`GicError::Unsupported`]: a higher
    /// exception level keeps the system registers to itself.
    pub fn start_cpu(&self, affinity: u64, warn: &mut dyn FnMut(Warning)) -> Result<Local, GicError> {
        match &self.driver {
            Driver::V2(d) => Ok(d.start_cpu(self.end, affinity, warn)),
            Driver::V3(d) => d.start_cpu(self.end, affinity, warn),
        }
    }
    /// [`acknowledge`](Self::acknowledge) where that is a matter of system registers; `None`: elsewhere, nothing was done.
    #[inline(always)]
    pub fn acknowledge_direct(&self) -> Option<u32> {
        if self.indirect {
            return None;
        }
        let intid = v3_cpu::acknowledge();
        if intid < SPECIAL {
            v3_cpu::drop_priority(intid);
        }
        Some(intid)
    }
    /// Acknowledges the most urgent pending interrupt: now active, with [`split end`](Self::splits_end) its priority
    /// dropped. The answer has its [`intid`], or a special one; it is what [`deactivate`](Self::deactivate) takes.
    #[inline(never)]
    pub fn acknowledge(&self) -> u32 {
        if let Some(taken) = self.acknowledge_direct() {
            return taken;
        }
        let taken = match &self.driver {
            Driver::V2(d) => d.acknowledge(self.end),
            Driver::V3(_) => v3_cpu::acknowledge(),
        };
        // The acknowledge is in effect before the handler touches the device (4.1.1).
        crate::barrier::isb();
        taken
    }
    /// What else is to be served in this exception, once an interrupt is: a special INTID if nothing is. A GICv2 says so by
    /// another acknowledge; it would take another exception otherwise (G2-01).
    pub fn acknowledge_more(&self) -> u32 {
        match &self.driver {
            Driver::V2(_) => self.acknowledge(),
            Driver::V3(_) => NONE_PENDING,
        }
    }
    /// Whether the end of an interrupt is split, so that it can stay active while its thread works.
    pub fn splits_end(&self) -> bool {
        self.end == End::Split
    }
    /// Ends the active state; without split end the running priority drops only now. Of an SGI, what the acknowledge gave.
    #[inline(always)]
    pub fn deactivate(&self, taken: u32) {
        if self.indirect { self.deactivate_indirect(taken) } else { v3_cpu::deactivate(taken) }
    }
    #[cold]
    #[inline(never)]
    fn deactivate_indirect(&self, taken: u32) {
        match &self.driver {
            Driver::V2(d) if self.splits_end() => d.deactivate(taken),
            Driver::V2(d) => d.end(taken),
            Driver::V3(_) => v3_cpu::drop_priority(taken),
        }
    }
    /// Sends SGI `id` to the CPUs with these affinities: on each it becomes pending, if it is not already. Stores made
    /// before this are seen there by whoever the interrupt lets run.
    ///
    /// CPUs that differ in the low four bits of Aff0 only, and come one after another, share a register write. One that
    /// cannot be reached is left out, with a warning the first time if it is a GICv3's.
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
        match &self.driver {
            Driver::V2(d) => {
                let masks = affinities.into_iter().map(|affinity| d.mask_of(affinity));
                d.send_sgi(id, masks.reduce(|all, mask| all | mask))
            }
            Driver::V3(d) => d.sgis.send(id, affinities, warn),
        }
    }
    /// Running priority of this CPU, 0xFF when idle.
    pub fn running_priority(&self) -> u8 {
        match &self.driver {
            Driver::V2(d) => d.running_priority(),
            Driver::V3(_) => v3_cpu::running_priority(),
        }
    }
    /// Stops forwarding the line; in effect when this returns.
    pub fn mask(&self, local: &Local, intid: u32) {
        self.common().mask(local, intid);
    }
    /// Forwards the line.
    pub fn unmask(&self, local: &Local, intid: u32) {
        self.common().unmask(local, intid);
    }
    /// Sets when the line is taken to be asserted; the line is masked while this changes (12.9.9).
    ///
    /// # Errors
    /// [`GicError::Invalid`]: the line cannot have this trigger. [`GicError::Range`].
    pub fn set_sense(
        &self,
        local: &Local,
        intid: u32,
        sense: Sense,
        warn: &mut dyn FnMut(Warning),
    ) -> Result<(), GicError> {
        self.common().set_sense(local, intid, sense, warn)
    }
    /// How the line is configured.
    pub fn sense(&self, local: &Local, intid: u32) -> Result<Sense, GicError> {
        self.common().sense(local, intid)
    }
    /// Sets the line's 8-bit priority, smaller is more urgent; hardware may ignore the lowest bits.
    pub fn set_priority(&self, local: &Local, intid: u32, priority: u8) -> Result<(), GicError> {
        self.common().set_priority(local, intid, priority)
    }
    /// Routes an SPI to the CPU with this affinity; the line is masked while this changes. A line that is pending then is
    /// delivered once, here or there (3.2.1).
    ///
    /// # Errors
    /// [`GicError::Invalid`]: an SGI or PPI, which belongs to its CPU. [`GicError::Range`].
    pub fn set_route(&self, local: &Local, intid: u32, affinity: u64) -> Result<(), GicError> {
        self.common().check(intid)?;
        if intid < FIRST_SPI {
            return Err(GicError::Invalid);
        }
        self.common().masked(local, intid, || match &self.driver {
            Driver::V2(d) => d.route(intid, affinity),
            Driver::V3(d) => {
                d.route(intid, affinity);
                Ok(())
            }
        })?
    }
    /// The register and bit that make a line pending.
    pub fn pend_register(&self, local: &Local, intid: u32) -> Result<Strobe, GicError> {
        match &self.driver {
            Driver::V2(d) if intid < SGIS => Ok(d.sgi_register(intid, true)),
            _ => self.common().pend_register(local, intid),
        }
    }
    /// Reads a state of the line.
    pub fn state(&self, local: &Local, intid: u32, which: Which) -> Result<bool, GicError> {
        self.common().state(local, intid, which)
    }
    /// Forces a state of the line.
    pub fn set_state(&self, local: &Local, intid: u32, which: Which, on: bool) -> Result<(), GicError> {
        match &self.driver {
            Driver::V2(d) if intid < SGIS && which == Which::Pending => d.sgi_register(intid, on).fire(),
            _ => return self.common().set_state(local, intid, which, on),
        }
        Ok(())
    }
}
