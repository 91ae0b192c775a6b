//! What does a CPU interface do, and what do its system registers do? Arm IHI 0069H 12.2, priorities 4.8.
use super::{Gic, NONE, SPI};
use crate::gic::Version;

const EOI_MODE: u64 = 1 << 1;
/// `ICC_CTLR_EL1`: affinity 3 valid, 24-bit INTIDs.
const CTLR: u64 = 1 << 15 | 1 << 11;
/// SGIs can be sent to any Aff0.
const RSS: u64 = 1 << 18;
/// No interrupt is active.
const IDLE: u8 = 0xff;

pub(super) struct Interface {
    /// Priority bits implemented.
    bits: u32,
    /// How far the binary point is from the bits that it takes off: by one for group 0, so that no more than 7 preempt.
    above: u32,
    pub pmr: u8,
    pub bpr: u8,
    pub eoi_mode: bool,
    pub enabled: bool,
    /// `ICC_AP1R<n>`, `GICC_APR<n>`: active preemption levels, the most urgent one in bit 0.
    pub levels: u128,
    /// What was acknowledged and is not yet ended, the running one last.
    acknowledged: Vec<u32>,
    /// What the next acknowledge returns instead.
    pub special: Option<u32>,
}

impl Interface {
    /// Of a GICv3, whose group 1 is used, or of a GICv2, whose group 0 is.
    pub fn new(bits: u32, version: Version) -> Self {
        let (acknowledged, special) = (Vec::new(), None);
        let above = u32::from(version == Version::V2);
        let bpr = (8 - bits).saturating_sub(above) as u8;
        Self { bits, above, pmr: 0, bpr, eoi_mode: false, enabled: false, levels: 0, acknowledged, special }
    }
    /// Levels that firmware never dropped.
    pub fn inherit(&mut self, levels: u32) {
        self.levels = levels.into();
    }

    /// The running priority: that of the most urgent active level.
    pub fn running(&self) -> u8 {
        match self.levels {
            0 => IDLE,
            levels => (levels.trailing_zeros() << self.level_shift()) as u8,
        }
    }
    /// Priorities of a preemption level differ in this many bits.
    fn level_shift(&self) -> u32 {
        (8 - self.bits).max(1)
    }
    /// The part of a priority that preempts.
    fn group(&self, priority: u8) -> u8 {
        priority & (0xffu32 << (u32::from(self.bpr) + self.above)) as u8
    }
    /// Whether an interrupt of this priority is signalled now: above the mask, its group priority above the running one.
    pub fn admits(&self, priority: u8) -> bool {
        let running = self.running();
        self.enabled && priority < self.pmr && (running == IDLE || self.group(priority) < self.group(running))
    }
    /// The priority mask, cut to what is implemented.
    pub fn set_pmr(&mut self, value: u8) {
        self.pmr = value & (0xffu32 << (8 - self.bits)) as u8;
    }
    /// The binary point, no smaller than what is implemented.
    pub fn set_bpr(&mut self, value: u8) {
        self.bpr = (value & 7).max((8 - self.bits).saturating_sub(self.above) as u8);
    }
    /// Word `bank` of the active priorities.
    pub fn set_levels(&mut self, bank: u32, value: u32) {
        let shift = 32 * bank;
        self.levels = self.levels & !(0xffff_ffff << shift) | u128::from(value) << shift;
        if self.levels == 0 {
            self.acknowledged.clear();
        }
    }
    fn activate(&mut self, taken: u32, priority: u8) {
        self.levels |= 1 << (self.group(priority) >> self.level_shift());
        self.acknowledged.push(taken);
    }
    /// Drops the priority of the running interrupt, by a write of `register`.
    fn end(&mut self, register: &str, intid: u32) {
        let running = self.acknowledged.pop().map(super::intid);
        assert!(
            running == Some(intid),
            "{register} <- {intid}: the last INTID acknowledged and not ended is {running:?}"
        );
        self.levels &= self.levels.wrapping_sub(1);
    }
    /// The active-priorities bank `name`; the number of banks follows the priority bits.
    fn levels_bank(&self, name: &str) -> u32 {
        let bank = u32::from(name.as_bytes()[name.len() - 1] - b'0');
        assert!(bank < 1 << (self.bits - 5), "{name} is UNDEFINED with {} priority bits", self.bits);
        bank
    }
}

impl Gic {
    pub fn read_interface(&mut self, cpu: usize, name: &'static str) -> u64 {
        assert!(self.v2.is_none(), "{name} is UNDEFINED: a GICv2's CPU interface is in memory");
        if name == "IccIar1" {
            return self.acknowledge(cpu).into();
        }
        let interface = &self.cores[cpu].interface;
        match name {
            "IccHppir1" => self.best(cpu).map_or(NONE, |(intid, _)| intid).into(),
            "IccRpr" => interface.running().into(),
            "IccPmr" => interface.pmr.into(),
            "IccBpr1" => interface.bpr.into(),
            "IccCtlr" => {
                let mode = if interface.eoi_mode { EOI_MODE } else { 0 };
                CTLR | if self.sgi_ranges.1 { RSS } else { 0 } | u64::from(interface.bits - 1) << 8 | mode
            }
            // System registers only, no bypass: all ones and fixed, unless a higher level keeps them away.
            "IccSre" => {
                if self.quirks.sre_reads_zero {
                    0
                } else {
                    7
                }
            }
            "IccIgrpen1" => interface.enabled.into(),
            "IccAp1r0" | "IccAp1r1" | "IccAp1r2" | "IccAp1r3" => {
                (interface.levels >> (32 * interface.levels_bank(name))) as u64 & 0xffff_ffff
            }
            _ => panic!("no system register {name} can be read"),
        }
    }

    pub fn write_interface(&mut self, cpu: usize, name: &'static str, value: u64) {
        assert!(self.v2.is_none(), "{name} is UNDEFINED: a GICv2's CPU interface is in memory");
        let interface = &mut self.cores[cpu].interface;
        match name {
            "IccEoir1" => self.end(cpu, "ICC_EOIR1", value as u32),
            "IccDir" => self.deactivate_by_dir(cpu, "ICC_DIR", value as u32),
            "IccPmr" => interface.set_pmr(value as u8),
            "IccBpr1" => interface.set_bpr(value as u8),
            "IccCtlr" => interface.eoi_mode = value & EOI_MODE != 0,
            "IccSre" => {}
            "IccIgrpen1" => interface.enabled = value & 1 != 0,
            "IccAp1r0" | "IccAp1r1" | "IccAp1r2" | "IccAp1r3" => {
                interface.set_levels(interface.levels_bank(name), value as u32);
            }
            "IccSgi1r" => self.send_sgi(cpu, value),
            _ => panic!("no system register {name} can be written"),
        }
    }

    /// The INTID, now active, and above it who sent it, if it is an SGI of a GICv2.
    pub(super) fn acknowledge(&mut self, cpu: usize) -> u32 {
        if let Some(special) = self.cores[cpu].interface.special.take() {
            return special;
        }
        match self.best(cpu) {
            Some((intid, priority)) if self.cores[cpu].interface.admits(priority) => {
                if let Some(special) = self.hidden(cpu, intid) {
                    return special;
                }
                let (bank, bit) = self.bank_mut(cpu, intid);
                bank.acknowledge(bit);
                let taken = intid | self.take_source(cpu, intid) << 10;
                self.cores[cpu].interface.activate(taken, priority);
                taken
            }
            _ => NONE,
        }
    }

    pub(super) fn end(&mut self, cpu: usize, register: &str, taken: u32) {
        let interface = &mut self.cores[cpu].interface;
        interface.end(register, super::intid(taken));
        if !interface.eoi_mode {
            self.deactivate(cpu, taken);
        }
    }

    pub(super) fn deactivate_by_dir(&mut self, cpu: usize, register: &str, taken: u32) {
        let interface = &self.cores[cpu].interface;
        let intid = super::intid(taken);
        assert!(interface.eoi_mode, "{register} <- {intid} with EOI mode 0, which is UNPREDICTABLE");
        assert!(
            !interface.acknowledged.iter().any(|&other| super::intid(other) == intid),
            "{register} <- {intid} before its priority was dropped, which is UNPREDICTABLE"
        );
        self.deactivate(cpu, taken);
    }

    fn deactivate(&mut self, cpu: usize, taken: u32) {
        let intid = super::intid(taken);
        if intid < self.lines && self.is_source(cpu, taken) {
            let (bank, bit) = self.bank_mut(cpu, intid);
            bank.active &= !bit;
        }
    }

    /// `ICC_SGI1R_EL1` (12.2.21): the SGI becomes pending on each CPU that the list names, if it is in group 1 there.
    fn send_sgi(&mut self, sender: usize, value: u64) {
        const TO_OTHERS: u64 = 1 << 40;
        let field = |low: u32, bits: u32| (value >> low) as u32 & ((1 << bits) - 1);
        let (bit, cluster) = (1 << field(24, 4), field(48, 8) << 24 | field(32, 8) << 16 | field(16, 8) << 8);
        let (list, range) = (field(0, 16), field(44, 4));
        assert!(
            range == 0 || self.sgi_ranges == (true, true),
            "ICC_SGI1R <- {value:#x}: a range selector without RSS, which is UNPREDICTABLE"
        );
        for (n, core) in self.cores.iter_mut().enumerate() {
            let aff0 = core.affinity & 0xff;
            let named = core.affinity & !0xff == cluster && aff0 / 16 == range && list >> (aff0 % 16) & 1 != 0;
            let meant = if value & TO_OTHERS != 0 { n != sender } else { named };
            if meant && core.bank.group & bit != 0 {
                core.bank.latched |= bit;
            }
        }
    }
}

const _: () = assert!(SPI == 32, "an SGI or PPI is a bit of the first bank");
