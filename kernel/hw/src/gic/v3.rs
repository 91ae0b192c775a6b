//! How are a GICv3's distributor and redistributors started?
use super::{
    End, FIRST_SPI, GicError, Warning,
    lines::{Lines, Local, poll},
    v3_cpu,
    v3_sgi::Sgis,
};
use crate::mmio::{Mmio, Reg, Ro, Rw, Wo};
use tock_registers::{
    interfaces::{Readable, Writeable},
    register_bitfields,
};

register_bitfields! { u32,
    GICD_CTLR [ GRP1 OFFSET(1) NUMBITS(1) [], ARE OFFSET(4) NUMBITS(1) [] ],
    GICD_TYPER [ LPIS OFFSET(17) NUMBITS(1) [], RSS OFFSET(26) NUMBITS(1) [] ],
    GICR_WAKER [ PROCESSOR_SLEEP OFFSET(1) NUMBITS(1) [], CHILDREN_ASLEEP OFFSET(2) NUMBITS(1) [] ],
    PIDR2 [ ARCH OFFSET(4) NUMBITS(4) [] ]
}
register_bitfields! { u64,
    GICR_TYPER [ VLPIS OFFSET(1) NUMBITS(1) [], LAST OFFSET(4) NUMBITS(1) [], AFFINITY OFFSET(32) NUMBITS(32) [] ]
}

/// One redistributor frame: RD_base, then SGI_base.
const FRAME: usize = 0x2_0000;
const SGI_BASE: usize = 0x1_0000;
/// Group 1 for 32 INTIDs: with one security state what a CPU interface's group 1 enable lets through.
const GROUP_1: u32 = !0;

/// A contiguous run of redistributor frames.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    /// First frame.
    pub base: Mmio,
    /// Bytes of the region.
    pub size: usize,
    /// Distance of two frames; 0: told by each frame's `GICR_TYPER.VLPIS`.
    pub stride: usize,
}

/// Where a board has its GICv3.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The distributor.
    pub distributor: Mmio,
    /// The redistributors.
    pub regions: &'static [Region],
}

/// A started distributor.
pub(super) struct Distributor {
    pub lines: Lines,
    regions: &'static [Region],
    pub sgis: Sgis,
    /// It has LPIs.
    pub lpis: bool,
}

impl Distributor {
    /// Starts the distributor: every SPI group 1, routed to the CPU with `affinity` (order as 12.9.4 and 3.1 ask).
    ///
    /// # Errors
    /// [`GicError::Unsupported`]: the peripheral says it is neither GICv3 nor GICv4.
    pub fn start(facts: &Facts, affinity: u64, warn: &mut dyn FnMut(Warning)) -> Result<Self, GicError> {
        let base = facts.distributor;
        let pidr2: Reg<u32, PIDR2::Register, Ro> = base.reg(0xffe8);
        if !matches!(pidr2.read(PIDR2::ARCH), 3 | 4) {
            return Err(GicError::Unsupported);
        }
        let typer: Reg<u32, GICD_TYPER::Register, Ro> = base.reg(4);
        let sgis = Sgis::new(typer.is_set(GICD_TYPER::RSS));
        let lpis = typer.is_set(GICD_TYPER::LPIS);
        let mut this = Self { lines: Lines::new(base), regions: facts.regions, sgis, lpis };
        let ctlr: Reg<u32, GICD_CTLR::Register, Rw> = base.reg(0);
        ctlr.set(0);
        this.lines.wait(warn);
        this.lines.reset(GROUP_1, warn);
        ctlr.write(GICD_CTLR::ARE::SET + GICD_CTLR::GRP1::SET);
        this.lines.wait(warn);
        for intid in FIRST_SPI..this.lines.count {
            this.route(intid, affinity);
        }
        Ok(this)
    }

    /// Wakes and sets up the redistributor of the CPU that calls, then its CPU interface.
    ///
    /// # Errors
    /// [`GicError::NoRedistributor`]: no frame has this affinity. [`GicError::Unsupported`]: a higher exception level keeps
    /// the system registers to itself.
    pub fn start_cpu(&self, end: End, affinity: u64, warn: &mut dyn FnMut(Warning)) -> Result<Local, GicError> {
        let Some(rd) = self.find(affinity) else {
            warn(Warning::NoRedistributor(affinity));
            return Err(GicError::NoRedistributor);
        };
        let waker: Reg<u32, GICR_WAKER::Register, Rw> = rd.reg(0x14);
        // Other bits of WAKER are implementation defined and stay.
        waker.set(waker.get() & !GICR_WAKER::PROCESSOR_SLEEP::SET.value);
        if !poll(|| !waker.is_set(GICR_WAKER::CHILDREN_ASLEEP)) {
            warn(Warning::WakeTimeout);
        }
        let mut local = Local { bank: rd.offset(SGI_BASE), ctlr: rd, rwp_works: self.lines.rwp_works };
        self.lines.reset_local(&mut local, GROUP_1, warn);
        v3_cpu::start(end)?;
        Ok(local)
    }

    fn find(&self, affinity: u64) -> Option<Mmio> {
        for region in self.regions {
            let mut at = 0;
            while at < region.size {
                let frame = region.base.offset(at);
                let typer: Reg<u64, GICR_TYPER::Register, Ro> = frame.reg(8);
                let value = typer.extract();
                if value.read(GICR_TYPER::AFFINITY) == affinity {
                    return Some(frame);
                }
                if value.is_set(GICR_TYPER::LAST) {
                    break;
                }
                at += match region.stride {
                    0 if value.is_set(GICR_TYPER::VLPIS) => 2 * FRAME,
                    0 => FRAME,
                    stride => stride,
                };
            }
        }
        None
    }

    /// Says to which CPU an SPI goes.
    pub fn route(&self, intid: u32, affinity: u64) {
        let router: Reg<u64, (), Wo> = self.lines.base.reg(0x6000 + 8 * intid as usize);
        // Aff3 sits in bits 39:32 there.
        router.set((affinity & 0xff00_0000) << 8 | affinity & 0x00ff_ffff);
    }
}
