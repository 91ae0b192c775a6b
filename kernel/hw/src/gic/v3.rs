//! How are a GICv3's distributor and redistributors started and told about lines?
//!
//! Set and clear registers are write-only here with a read-only alias, so a bit is never changed by read-modify-write,
//! which would disable or end the neighbours. Mask, unmask and state changes of different lines need no lock; the
//! trigger (two bits in a shared word) does: [`Distributor::set_sense`] is called under the kernel's configuration lock.
use super::{DEFAULT_PRIORITY, End, FIRST_SPI, GicError, SPECIAL, Sense, Strobe, Warning, Which, v3_cpu, v3_sgi::Sgis};
use crate::{
    clock,
    mmio::{Mmio, Reg, Ro, Rw, Wo},
};
use tock_registers::{
    interfaces::{Readable, Writeable},
    register_bitfields,
};

register_bitfields! { u32,
    GICD_CTLR [ GRP1 OFFSET(1) NUMBITS(1) [], ARE OFFSET(4) NUMBITS(1) [], DS OFFSET(6) NUMBITS(1) [], RWP OFFSET(31) NUMBITS(1) [] ],
    GICD_TYPER [ IT_LINES OFFSET(0) NUMBITS(5) [], RSS OFFSET(26) NUMBITS(1) [] ],
    GICR_CTLR [ RWP OFFSET(3) NUMBITS(1) [] ],
    GICR_WAKER [ PROCESSOR_SLEEP OFFSET(1) NUMBITS(1) [], CHILDREN_ASLEEP OFFSET(2) NUMBITS(1) [] ],
    PIDR2 [ ARCH OFFSET(4) NUMBITS(4) [] ]
}
register_bitfields! { u64,
    GICR_TYPER [ VLPIS OFFSET(1) NUMBITS(1) [], LAST OFFSET(4) NUMBITS(1) [], AFFINITY OFFSET(32) NUMBITS(32) [] ]
}

/// One redistributor frame: RD_base, then SGI_base.
const FRAME: usize = 0x2_0000;
const SGI_BASE: usize = 0x1_0000;
/// Where a poll gives up, in ms: RWP and the redistributor, waited for in vain, make a second (G3-01.2).
const POLL_LIMIT_MS: u64 = 500;

/// The set/clear register banks: offset of the first word, a bit an INTID (same offsets in GICD and SGI_base).
mod bank {
    pub const GROUP: usize = 0x080;
    pub const ENABLE: usize = 0x100;
    pub const DISABLE: usize = 0x180;
    pub const PEND: usize = 0x200;
    pub const UNPEND: usize = 0x280;
    pub const ACTIVATE: usize = 0x300;
    pub const DEACTIVATE: usize = 0x380;
    pub const PRIORITY: usize = 0x400;
    pub const CONFIG: usize = 0xc00;
}

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
pub struct Distributor {
    base: Mmio,
    regions: &'static [Region],
    lines: u32,
    end: End,
    /// `RWP` was seen to clear whenever it was waited for.
    rwp_works: bool,
    pub(super) sgis: Sgis,
}

/// The woken redistributor of one CPU, with its CPU interface started.
pub struct Redistributor {
    rd: Mmio,
    sgi: Mmio,
    rwp_works: bool,
}

/// A set or clear register's word `n`: writing a one does the work, zeroes are ignored.
fn strobe(base: Mmio, offset: usize, n: u32) -> Reg<u32, (), Wo> {
    base.reg(offset + 4 * n as usize)
}
/// The same word, read: bits that are set now.
fn bits(base: Mmio, offset: usize, n: u32) -> Reg<u32, (), Ro> {
    base.reg(offset + 4 * n as usize)
}
fn priority(base: Mmio, intid: u32) -> Reg<u8, (), Rw> {
    base.reg(bank::PRIORITY + intid as usize)
}
fn config(base: Mmio, intid: u32) -> Reg<u32, (), Rw> {
    base.reg(bank::CONFIG + 4 * (intid as usize / 16))
}

/// Polls until `done`, at most [`POLL_LIMIT_MS`].
fn poll(done: impl Fn() -> bool) -> bool {
    if done() {
        return true;
    }
    let limit = clock::ticks() + clock::frequency() * POLL_LIMIT_MS / 1000;
    while clock::ticks() < limit {
        if done() {
            return true;
        }
        crate::cpu::relax();
    }
    false
}

impl Distributor {
    /// Starts the distributor: every SPI group 1, level, [`DEFAULT_PRIORITY`], inactive, disabled, routed to the CPU with
    /// `affinity` (order as 12.9.4 and 3.1 ask).
    ///
    /// # Errors
    /// [`GicError::Unsupported`]: the peripheral says it is neither GICv3 nor GICv4.
    pub fn start(facts: &Facts, end: End, affinity: u64, warn: &mut dyn FnMut(Warning)) -> Result<Self, GicError> {
        let base = facts.distributor;
        let pidr2: Reg<u32, PIDR2::Register, Ro> = base.reg(0xffe8);
        if !matches!(pidr2.read(PIDR2::ARCH), 3 | 4) {
            return Err(GicError::Unsupported);
        }
        let typer: Reg<u32, GICD_TYPER::Register, Ro> = base.reg(4);
        let typer = typer.extract();
        let lines = (32 * (typer.read(GICD_TYPER::IT_LINES) + 1)).min(SPECIAL);
        let sgis = Sgis::new(typer.is_set(GICD_TYPER::RSS));
        let mut this = Self { base, regions: facts.regions, lines, end, rwp_works: true, sgis };
        this.ctlr().set(0);
        this.wait(warn);
        for n in 1..lines.div_ceil(32) {
            strobe(base, bank::GROUP, n).set(!0);
        }
        // A trigger may only change while its line is disabled (12.9.9), so this comes before the triggers.
        for n in 1..lines.div_ceil(32) {
            strobe(base, bank::DISABLE, n).set(!0);
            strobe(base, bank::DEACTIVATE, n).set(!0);
            strobe(base, bank::UNPEND, n).set(!0);
        }
        this.wait(warn);
        for n in FIRST_SPI / 16..lines.div_ceil(16) {
            config(base, n * 16).set(0);
        }
        for n in FIRST_SPI / 4..lines.div_ceil(4) {
            let word: Reg<u32, (), Wo> = base.reg(bank::PRIORITY + 4 * n as usize);
            word.set(u32::from_ne_bytes([DEFAULT_PRIORITY; 4]));
        }
        this.ctlr().write(GICD_CTLR::ARE::SET + GICD_CTLR::GRP1::SET);
        this.wait(warn);
        for intid in FIRST_SPI..lines {
            this.route(intid, affinity);
        }
        Ok(this)
    }

    /// Wakes and sets up the redistributor of the CPU that calls, then its CPU interface.
    ///
    /// # Errors
    /// [`GicError::NoRedistributor`]: no frame has this affinity. [`GicError::Unsupported`]: a higher exception level keeps
    /// the system registers to itself.
    pub fn start_cpu(&self, affinity: u64, warn: &mut dyn FnMut(Warning)) -> Result<Redistributor, GicError> {
        let Some(rd) = self.find(affinity) else {
            warn(Warning::NoRedistributor(affinity));
            return Err(GicError::NoRedistributor);
        };
        let mut this = Redistributor { rd, sgi: rd.offset(SGI_BASE), rwp_works: self.rwp_works };
        let waker: Reg<u32, GICR_WAKER::Register, Rw> = rd.reg(0x14);
        // Other bits of WAKER are implementation defined and stay.
        waker.set(waker.get() & !GICR_WAKER::PROCESSOR_SLEEP::SET.value);
        if !poll(|| !waker.is_set(GICR_WAKER::CHILDREN_ASLEEP)) {
            warn(Warning::WakeTimeout);
        }
        strobe(this.sgi, bank::GROUP, 0).set(!0);
        strobe(this.sgi, bank::DISABLE, 0).set(!0);
        strobe(this.sgi, bank::DEACTIVATE, 0).set(!0);
        for n in 0..8 {
            let word: Reg<u32, (), Wo> = this.sgi.reg(bank::PRIORITY + 4 * n);
            word.set(u32::from_ne_bytes([DEFAULT_PRIORITY; 4]));
        }
        if !this.wait() {
            this.rwp_works = false;
            warn(Warning::RwpTimeout);
        }
        v3_cpu::start(self.end)?;
        Ok(this)
    }

    /// How interrupts end.
    #[inline(always)]
    pub fn end(&self) -> End {
        self.end
    }
    /// INTIDs below this one exist, as far as the distributor says.
    pub fn lines(&self) -> u32 {
        self.lines
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

    fn ctlr(&self) -> Reg<u32, GICD_CTLR::Register, Rw> {
        self.base.reg(0)
    }
    /// Waits until what was written is in effect. Says once that this cannot be told, and waits no more then: it would be
    /// half a second each time, with interrupts masked.
    fn wait(&mut self, warn: &mut dyn FnMut(Warning)) {
        if !self.settle() {
            self.rwp_works = false;
            warn(Warning::RwpTimeout);
        }
    }
    fn settle(&self) -> bool {
        !self.rwp_works || poll(|| !self.ctlr().is_set(GICD_CTLR::RWP))
    }
    /// The block that has this INTID's registers: SGIs and PPIs are the CPU's own.
    #[inline(always)]
    fn block(&self, local: &Redistributor, intid: u32) -> Mmio {
        if intid < FIRST_SPI { local.sgi } else { self.base }
    }
    fn check(&self, intid: u32) -> Result<(), GicError> {
        match intid {
            8192.. => Err(GicError::Invalid), // LPIs have neither state nor trigger
            _ if intid < self.lines => Ok(()),
            _ => Err(GicError::Range),
        }
    }
    fn route(&self, intid: u32, affinity: u64) {
        let router: Reg<u64, (), Wo> = self.base.reg(0x6000 + 8 * intid as usize);
        // Aff3 sits in bits 39:32 there.
        router.set((affinity & 0xff00_0000) << 8 | affinity & 0x00ff_ffff);
    }

    pub(super) fn mask(&self, local: &Redistributor, intid: u32) {
        strobe(self.block(local, intid), bank::DISABLE, intid / 32).set(1 << (intid % 32));
        // In effect only when RWP reads 0 (12.9.11). A time-out cannot be helped here.
        let _ = if intid < FIRST_SPI { local.wait() } else { self.settle() };
    }
    pub(super) fn unmask(&self, local: &Redistributor, intid: u32) {
        strobe(self.block(local, intid), bank::ENABLE, intid / 32).set(1 << (intid % 32));
    }
    pub(super) fn set_sense(
        &self,
        local: &Redistributor,
        intid: u32,
        sense: Sense,
        warn: &mut dyn FnMut(Warning),
    ) -> Result<(), GicError> {
        self.check(intid)?;
        if intid < 16 {
            return if sense == Sense::Edge { Ok(()) } else { Err(GicError::Invalid) };
        }
        let enabled = self.state(local, intid, Which::Enabled)?;
        if enabled {
            self.mask(local, intid);
        }
        let register = config(self.block(local, intid), intid);
        let bit = 2 << (2 * (intid % 16));
        let value = register.get();
        let wanted = if sense == Sense::Edge { value | bit } else { value & !bit };
        if wanted != value {
            register.set(wanted);
        }
        let kept = register.get() & bit == wanted & bit;
        if enabled {
            self.unmask(local, intid);
        }
        match kept {
            true => Ok(()),
            false if intid < FIRST_SPI => {
                warn(Warning::FixedTrigger(intid));
                Ok(())
            }
            false => Err(GicError::Invalid),
        }
    }
    pub(super) fn sense(&self, local: &Redistributor, intid: u32) -> Result<Sense, GicError> {
        self.check(intid)?;
        if intid < 16 {
            return Ok(Sense::Edge);
        }
        let edge = config(self.block(local, intid), intid).get() >> (2 * (intid % 16)) & 2 != 0;
        Ok(if edge { Sense::Edge } else { Sense::Level })
    }
    pub(super) fn set_priority(&self, local: &Redistributor, intid: u32, value: u8) -> Result<(), GicError> {
        self.check(intid)?;
        priority(self.block(local, intid), intid).set(value);
        Ok(())
    }
    pub(super) fn set_route(&self, local: &Redistributor, intid: u32, affinity: u64) -> Result<(), GicError> {
        self.check(intid)?;
        if intid < FIRST_SPI {
            return Err(GicError::Invalid);
        }
        let enabled = self.state(local, intid, Which::Enabled)?;
        if enabled {
            self.mask(local, intid);
        }
        self.route(intid, affinity);
        if enabled {
            self.unmask(local, intid);
        }
        Ok(())
    }
    pub(super) fn pend_register(&self, local: &Redistributor, intid: u32) -> Result<Strobe, GicError> {
        self.check(intid)?;
        let register = strobe(self.block(local, intid), bank::PEND, intid / 32);
        Ok(Strobe { register, bit: 1 << (intid % 32) })
    }
    pub(super) fn state(&self, local: &Redistributor, intid: u32, which: Which) -> Result<bool, GicError> {
        self.check(intid)?;
        let offset = match which {
            Which::Enabled => bank::ENABLE,
            Which::Pending => bank::PEND,
            Which::Active => bank::ACTIVATE,
        };
        Ok(bits(self.block(local, intid), offset, intid / 32).get() >> (intid % 32) & 1 != 0)
    }
    pub(super) fn set_state(&self, local: &Redistributor, intid: u32, which: Which, on: bool) -> Result<(), GicError> {
        self.check(intid)?;
        let offset = match (which, on) {
            (Which::Enabled, true) => {
                self.unmask(local, intid);
                return Ok(());
            }
            (Which::Enabled, false) => {
                self.mask(local, intid);
                return Ok(());
            }
            (Which::Pending, true) => bank::PEND,
            (Which::Pending, false) => bank::UNPEND,
            (Which::Active, true) => bank::ACTIVATE,
            (Which::Active, false) => bank::DEACTIVATE,
        };
        strobe(self.block(local, intid), offset, intid / 32).set(1 << (intid % 32));
        Ok(())
    }
}

impl Redistributor {
    fn wait(&self) -> bool {
        let ctlr: Reg<u32, GICR_CTLR::Register, Ro> = self.rd.reg(0);
        !self.rwp_works || poll(|| !ctlr.is_set(GICR_CTLR::RWP))
    }
    /// Address of the frame, which tells the redistributors apart.
    pub fn base(&self) -> usize {
        self.rd.base()
    }
}
