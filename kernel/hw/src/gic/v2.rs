//! How is a GICv2 started, and how does a CPU talk to its interface there? All of it is memory-mapped.
//!
//! Arm IHI 0048B; section numbers here refer to it. A CPU is a bit of an 8-bit mask, and an SGI has a sender: it is pending
//! once for each, and ends by the number that the acknowledge gave, the sender's included.
//!
//! Groups: a CPU that is not secure sees group 1 as the only one, and its enable is bit 0. With a single security state
//! every interrupt is put into group 0, which is signalled as IRQ unless FIQ is asked for, and whose enable is bit 0, too:
//! group 1 could be acknowledged there with `GICC_CTLR.AckCtl` only, which is deprecated (4.4.4). So the same bits are
//! right in both cases, as in Linux `drivers/irqchip/irq-gic.c`.
use super::{
    End, FIRST_SPI, GicError, SGIS, SPECIAL, Strobe, Warning,
    lines::{Lines, Local},
};
use crate::{
    atomic::{AtomicU64, Ordering::Relaxed},
    barrier,
    mmio::{Mmio, Reg, Ro, Rw, Wo},
};
use tock_registers::{
    interfaces::{Readable, Writeable},
    register_bitfields,
};

register_bitfields! { u32,
    GICD_TYPER [ CPUS OFFSET(5) NUMBITS(3) [] ],
    PIDR2 [ ARCH OFFSET(4) NUMBITS(4) [] ],
    GICC_CTLR [ ENABLE OFFSET(0) NUMBITS(1) [], BYPASS OFFSET(5) NUMBITS(4) [], EOI_MODE OFFSET(9) NUMBITS(1) [] ]
}

/// Group 0 for 32 INTIDs; ignored where the other state owns the groups.
const GROUP_0: u32 = 0;
/// Admits every priority but the least urgent one of 16, the fewest that there may be.
const ADMIT: u32 = 0xf0;
/// CPU interfaces that a GICv2 can have.
const INTERFACES: usize = 8;
/// In an entry of [`Distributor::cpus`]: the interface is a CPU's that was started.
const STARTED: u64 = 1 << 63;
/// `GICD_ITARGETSR`: a byte an INTID.
const TARGETS: usize = 0x800;
/// The INTID in what an acknowledge gives; the sender of an SGI is above it.
const INTID: u32 = 0x3ff;

/// Where a board has its GICv2.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The distributor, 4 KiB.
    pub distributor: Mmio,
    /// The CPU interface, 8 KiB: `GICC_DIR` is in the second page.
    pub cpu_interface: Mmio,
}

/// A started distributor.
pub(super) struct Distributor {
    pub lines: Lines,
    interface: Mmio,
    /// The affinity of the CPU whose interface has this number.
    cpus: [AtomicU64; INTERFACES],
}

impl Distributor {
    /// Starts the distributor: every SPI goes to the CPU that calls.
    ///
    /// # Errors
    /// [`GicError::Unsupported`]: the peripheral says that it is no GICv2.
    pub fn start(facts: &Facts, warn: &mut dyn FnMut(Warning)) -> Result<Self, GicError> {
        let base = facts.distributor;
        let pidr2: Reg<u32, PIDR2::Register, Ro> = base.reg(0xfe8);
        if pidr2.read(PIDR2::ARCH) != 2 {
            return Err(GicError::Unsupported);
        }
        let cpus = [const { AtomicU64::new(0) }; INTERFACES];
        let mut this = Self { lines: Lines::new(base), interface: facts.cpu_interface, cpus };
        let ctlr: Reg<u32, (), Rw> = base.reg(0);
        ctlr.set(0);
        this.lines.reset(GROUP_0, warn);
        let mask = (1 << this.own_number().unwrap_or(0)) * 0x0101_0101;
        for n in FIRST_SPI / 4..this.lines.count.div_ceil(4) {
            let word: Reg<u32, (), Wo> = base.reg(TARGETS + 4 * n as usize);
            word.set(mask);
        }
        ctlr.set(1);
        Ok(this)
    }

    /// The number of the interface of the CPU that calls, read from where its SGIs and PPIs go: it is not its affinity.
    /// `None` if none of these says so, as with a single CPU, where the registers are not there (4.3.12).
    #[inline(never)]
    fn own_number(&self) -> Option<u32> {
        let words = (0..FIRST_SPI as usize / 4).map(|n| -> Reg<u32, (), Ro> { self.lines.base.reg(TARGETS + 4 * n) });
        // Each byte that is not 0 has one bit, the CPU's.
        words.map(|word| word.get()).find(|&word| word != 0).map(|word| word.trailing_zeros() % INTERFACES as u32)
    }

    /// Starts the banked registers and the interface of the CPU that calls.
    pub fn start_cpu(&self, end: End, affinity: u64, warn: &mut dyn FnMut(Warning)) -> Local {
        let typer: Reg<u32, GICD_TYPER::Register, Ro> = self.lines.base.reg(4);
        let number = self.own_number().unwrap_or_else(|| {
            if typer.read(GICD_TYPER::CPUS) != 0 {
                warn(Warning::NoCpuMask);
            }
            affinity as u32
        });
        self.cpus[number as usize % INTERFACES].store(STARTED | affinity, Relaxed);
        let base = self.lines.base;
        let mut local = Local { bank: base, ctlr: base, rwp_works: true };
        self.lines.reset_local(&mut local, GROUP_0, warn);
        let register = |offset| -> Reg<u32, (), Wo> { self.interface.reg(offset) };
        register(0x4).set(ADMIT);
        register(0x8).set(0); // the smallest binary point that the hardware has
        (0xd0..0xe0).step_by(4).for_each(|active_priorities| register(active_priorities).set(0));
        let ctlr: Reg<u32, GICC_CTLR::Register, Rw> = self.interface.reg(0);
        // What firmware said about the signals that go past the controller stays said.
        let bypass = GICC_CTLR::BYPASS.val(ctlr.read(GICC_CTLR::BYPASS));
        ctlr.write(bypass + GICC_CTLR::ENABLE::SET + GICC_CTLR::EOI_MODE.val((end == End::Split).into()));
        local
    }

    /// The bit of the CPU with this affinity; 0 if it was not started.
    pub fn mask_of(&self, affinity: u64) -> u8 {
        mask_among(&self.cpus, STARTED | affinity)
    }

    /// Says to which CPU an SPI goes.
    ///
    /// # Errors
    /// [`GicError::Invalid`]: it was not started.
    pub fn route(&self, intid: u32, affinity: u64) -> Result<(), GicError> {
        let (target, mask): (Reg<u8, (), Wo>, _) =
            (self.lines.base.reg(TARGETS + intid as usize), self.mask_of(affinity));
        if mask == 0 {
            return Err(GicError::Invalid);
        }
        target.set(mask);
        Ok(())
    }

    /// Sends an SGI to the CPUs of this mask; `None`: none was named.
    ///
    /// # Errors
    /// As [`Gic::send_sgi`](super::Gic::send_sgi).
    #[inline(never)]
    pub fn send_sgi(&self, id: u32, targets: Option<u8>) -> Result<(), GicError> {
        match targets {
            Some(targets) if id < SGIS => {
                if targets == 0 {
                    return Err(GicError::Unsupported);
                }
                // What the receivers are to see is visible to them before they are interrupted.
                barrier::dsb_ishst();
                let sgir: Reg<u32, (), Wo> = self.lines.base.reg(0xf00);
                sgir.set(u32::from(targets) << 16 | id);
                Ok(())
            }
            _ => Err(GicError::Invalid),
        }
    }

    /// Makes an SGI pending on the CPU that calls, as if it had sent it itself, or takes back all that were sent to it:
    /// the set and clear registers of pending bits ignore SGIs (4.3.15, 4.3.16).
    #[cold]
    #[inline(never)]
    pub fn sgi_register(&self, id: u32, on: bool) -> Strobe {
        let (offset, sources) = match on {
            true => (0xf20, 1 << self.own_number().unwrap_or(0)),
            false => (0xf10, 0xff),
        };
        let register = self.lines.base.reg(offset + (id & !3) as usize);
        Strobe { register, bit: sources << (8 * (id % 4)) }
    }

    /// Acknowledges: INTID and, of an SGI, who sent it. With a split end the priority drops.
    pub fn acknowledge(&self, end: End) -> u32 {
        let iar: Reg<u32, (), Ro> = self.interface.reg(0xc);
        let taken = iar.get();
        if end == End::Split && taken & INTID < SPECIAL {
            self.end(taken);
        }
        taken
    }
    /// Priority drop; with a combined end also deactivation.
    pub fn end(&self, taken: u32) {
        let eoir: Reg<u32, (), Wo> = self.interface.reg(0x10);
        eoir.set(taken);
    }
    pub fn deactivate(&self, taken: u32) {
        let dir: Reg<u32, (), Wo> = self.interface.reg(0x1000);
        dir.set(taken);
    }
    pub fn running_priority(&self) -> u8 {
        let rpr: Reg<u32, (), Ro> = self.interface.reg(0x14);
        rpr.get() as u8
    }
}

/// The bit of the entry that is `wanted`; 0 if none is. Of any number of them: eight in a row would be eight copies of the look.
#[inline(never)]
fn mask_among(cpus: &[AtomicU64], wanted: u64) -> u8 {
    cpus.iter().position(|cpu| cpu.load(Relaxed) == wanted).map_or(0, |number| 1 << number)
}
