//! How is a line told what to do? By banks of registers that are the same in GICv2 and GICv3.
//!
//! Set and clear registers are write-only here with a read-only alias, so a bit is never changed by read-modify-write,
//! which would disable or end the neighbours. Mask, unmask and state changes of different lines need no lock; the
//! trigger (two bits in a shared word) does: [`Lines::set_sense`] is called under the kernel's configuration lock.
use super::{DEFAULT_PRIORITY, FIRST_SPI, GicError, SPECIAL, Sense, Strobe, Warning, Which};
use crate::{
    clock,
    mmio::{Mmio, Reg, Ro, Rw, Wo},
};
use tock_registers::interfaces::{Readable, Writeable};

/// Where a poll gives up, in ms: RWP and the redistributor, waited for in vain, make a second (G3-01.2).
const POLL_LIMIT_MS: u64 = 500;
/// `GICD_CTLR`: a write is under way. Reserved and 0 in a GICv2; the read alone waits for the write before it there.
const GICD_RWP: u32 = 1 << 31;
/// The same in `GICR_CTLR`; also reserved in the `GICD_CTLR` of a GICv2.
const GICR_RWP: u32 = 1 << 3;

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

/// A distributor's lines.
pub(super) struct Lines {
    /// The distributor.
    pub base: Mmio,
    /// INTIDs below this one exist, as far as the distributor says.
    pub count: u32,
    /// `RWP` was seen to clear whenever it was waited for.
    pub rwp_works: bool,
}

/// The part of the controller that is one CPU's, with its CPU interface started: the registers of its SGIs and PPIs.
pub struct Local {
    pub(super) bank: Mmio,
    /// The register with [`GICR_RWP`].
    pub(super) ctlr: Mmio,
    pub(super) rwp_works: bool,
}

/// A set or clear register's word `n`: writing a one does the work, zeroes are ignored.
fn strobe(base: Mmio, offset: usize, n: u32) -> Reg<u32, (), Wo> {
    base.reg(offset + 4 * n as usize)
}
/// The same word, read: bits that are set now.
fn bits(base: Mmio, offset: usize, n: u32) -> Reg<u32, (), Ro> {
    base.reg(offset + 4 * n as usize)
}
fn config(base: Mmio, intid: u32) -> Reg<u32, (), Rw> {
    base.reg(bank::CONFIG + 4 * (intid as usize / 16))
}

/// Polls until `done`, at most [`POLL_LIMIT_MS`].
pub(super) fn poll(done: impl Fn() -> bool) -> bool {
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

impl Lines {
    /// The lines of the distributor at `base`.
    pub fn new(base: Mmio) -> Self {
        let typer: Reg<u32, (), Ro> = base.reg(4);
        let count = (32 * ((typer.get() & 0x1f) + 1)).min(SPECIAL);
        Self { base, count, rwp_works: true }
    }
    /// Every SPI: this group, level, [`DEFAULT_PRIORITY`], inactive, not pending, disabled.
    pub fn reset(&mut self, group: u32, warn: &mut dyn FnMut(Warning)) {
        let (base, words) = (self.base, 1..self.count.div_ceil(32));
        for n in words.clone() {
            strobe(base, bank::GROUP, n).set(group);
        }
        // A trigger may only change while its line is disabled (12.9.9), so this comes before the triggers.
        words.for_each(|n| quieten(base, n));
        self.wait(warn);
        for n in FIRST_SPI / 16..self.count.div_ceil(16) {
            config(base, n * 16).set(0);
        }
        default_priorities(base, FIRST_SPI / 4..self.count.div_ceil(4));
    }
    /// The same of a CPU's SGIs and PPIs, whose triggers stay; so does what is pending: it is served, or counted, as it would be later.
    pub fn reset_local(&self, local: &mut Local, group: u32, warn: &mut dyn FnMut(Warning)) {
        strobe(local.bank, bank::GROUP, 0).set(group);
        strobe(local.bank, bank::DISABLE, 0).set(!0);
        strobe(local.bank, bank::DEACTIVATE, 0).set(!0);
        default_priorities(local.bank, 0..FIRST_SPI / 4);
        if !local.settle() {
            local.rwp_works = false;
            warn(Warning::RwpTimeout);
        }
    }

    /// Waits until what was written is in effect. Says once that this cannot be told, and waits no more then: it would be
    /// half a second each time, with interrupts masked.
    pub fn wait(&mut self, warn: &mut dyn FnMut(Warning)) {
        if !self.settle() {
            self.rwp_works = false;
            warn(Warning::RwpTimeout);
        }
    }
    fn settle(&self) -> bool {
        let ctlr: Reg<u32, (), Ro> = self.base.reg(0);
        !self.rwp_works || poll(|| ctlr.get() & GICD_RWP == 0)
    }
    /// The block that has this INTID's registers: SGIs and PPIs are the CPU's own.
    #[inline(always)]
    fn block(&self, local: &Local, intid: u32) -> Mmio {
        if intid < FIRST_SPI { local.bank } else { self.base }
    }
    pub fn check(&self, intid: u32) -> Result<(), GicError> {
        match intid {
            8192.. => Err(GicError::Invalid), // LPIs have neither state nor trigger
            _ if intid < self.count => Ok(()),
            _ => Err(GicError::Range),
        }
    }

    pub fn mask(&self, local: &Local, intid: u32) {
        strobe(self.block(local, intid), bank::DISABLE, intid / 32).set(1 << (intid % 32));
        // In effect only when RWP reads 0 (12.9.11). A time-out cannot be helped here.
        let _ = if intid < FIRST_SPI { local.settle() } else { self.settle() };
    }
    pub fn unmask(&self, local: &Local, intid: u32) {
        strobe(self.block(local, intid), bank::ENABLE, intid / 32).set(1 << (intid % 32));
    }
    /// Changes what may only change while the line is masked.
    pub fn masked<R>(&self, local: &Local, intid: u32, change: impl FnOnce() -> R) -> Result<R, GicError> {
        let enabled = self.state(local, intid, Which::Enabled)?;
        if enabled {
            self.mask(local, intid);
        }
        let result = change();
        if enabled {
            self.unmask(local, intid);
        }
        Ok(result)
    }
    pub fn set_sense(
        &self,
        local: &Local,
        intid: u32,
        sense: Sense,
        warn: &mut dyn FnMut(Warning),
    ) -> Result<(), GicError> {
        self.check(intid)?;
        if intid < 16 {
            return if sense == Sense::Edge { Ok(()) } else { Err(GicError::Invalid) };
        }
        let kept = self.masked(local, intid, || {
            let register = config(self.block(local, intid), intid);
            let bit = 2 << (2 * (intid % 16));
            let value = register.get();
            let wanted = if sense == Sense::Edge { value | bit } else { value & !bit };
            if wanted != value {
                register.set(wanted);
            }
            register.get() & bit == wanted & bit
        })?;
        match kept {
            true => Ok(()),
            false if intid < FIRST_SPI => {
                warn(Warning::FixedTrigger(intid));
                Ok(())
            }
            false => Err(GicError::Invalid),
        }
    }
    pub fn sense(&self, local: &Local, intid: u32) -> Result<Sense, GicError> {
        self.check(intid)?;
        if intid < 16 {
            return Ok(Sense::Edge);
        }
        let edge = config(self.block(local, intid), intid).get() >> (2 * (intid % 16)) & 2 != 0;
        Ok(if edge { Sense::Edge } else { Sense::Level })
    }
    pub fn set_priority(&self, local: &Local, intid: u32, value: u8) -> Result<(), GicError> {
        self.check(intid)?;
        let priority: Reg<u8, (), Rw> = self.block(local, intid).reg(bank::PRIORITY + intid as usize);
        priority.set(value);
        Ok(())
    }
    pub fn pend_register(&self, local: &Local, intid: u32) -> Result<Strobe, GicError> {
        self.check(intid)?;
        let register = strobe(self.block(local, intid), bank::PEND, intid / 32);
        Ok(Strobe { register, bit: 1 << (intid % 32) })
    }
    pub fn state(&self, local: &Local, intid: u32, which: Which) -> Result<bool, GicError> {
        self.check(intid)?;
        let offset = match which {
            Which::Enabled => bank::ENABLE,
            Which::Pending => bank::PEND,
            Which::Active => bank::ACTIVATE,
        };
        Ok(bits(self.block(local, intid), offset, intid / 32).get() >> (intid % 32) & 1 != 0)
    }
    pub fn set_state(&self, local: &Local, intid: u32, which: Which, on: bool) -> Result<(), GicError> {
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

/// 32 INTIDs: disabled, inactive, not pending.
fn quieten(base: Mmio, n: u32) {
    for offset in [bank::DISABLE, bank::DEACTIVATE, bank::UNPEND] {
        strobe(base, offset, n).set(!0);
    }
}
/// [`DEFAULT_PRIORITY`] for four INTIDs a word.
fn default_priorities(base: Mmio, words: core::ops::Range<u32>) {
    for n in words {
        strobe(base, bank::PRIORITY, n).set(u32::from_ne_bytes([DEFAULT_PRIORITY; 4]));
    }
}

impl Local {
    fn settle(&self) -> bool {
        let ctlr: Reg<u32, (), Ro> = self.ctlr.reg(0);
        !self.rwp_works || poll(|| ctlr.get() & GICR_RWP == 0)
    }
    /// Address of what is the CPU's: of its redistributor, which tells them apart; of the distributor of a GICv2.
    pub fn base(&self) -> usize {
        self.ctlr.base()
    }
}
