//! What is different in a GICv2? Targets instead of routes, SGIs by sender, CPU interfaces in memory: Arm IHI 0048B chapter 4.
use super::{Config, Gic, SPI, bank, bank::Field, distributor};

/// `PIDR2`: architecture revision 2.
const PIDR2: u32 = 0x2b;
/// `GICC_CTLR`: group 1 interrupts may be acknowledged by `GICC_IAR`.
const ACK_CTL: u32 = 1 << 2;
/// `GICC_CTLR`: what there is of it; EOI mode 1 is bit 9, bypass bits are 5 to 8.
const CTLR: u32 = 0x3ff;
const EOI_MODE: u32 = 1 << 9;
/// Acknowledge: what is pending is of a group that this register does not acknowledge.
const OTHER_GROUP: u32 = 1022;

pub(super) struct V2 {
    /// Number of each CPU's interface.
    numbers: Vec<u32>,
    /// `ITARGETSR0` to `ITARGETSR7` read 0.
    no_mask: bool,
    cores: Vec<CoreV2>,
}

/// What a CPU has besides.
#[derive(Clone, Default)]
struct CoreV2 {
    ctlr: u32,
    /// Which CPUs' interfaces have sent each SGI that is pending.
    senders: [u8; 16],
    /// Who sent the one that is active.
    active: [u32; 16],
}

impl V2 {
    pub fn new(config: &Config) -> Self {
        let number = |cpu: usize| config.interfaces.get(cpu).copied().unwrap_or(cpu as u32);
        let core = CoreV2 { ctlr: config.firmware.interface, ..CoreV2::default() };
        Self {
            numbers: (0..config.cpus).map(number).collect(),
            no_mask: config.quirks.no_cpu_mask,
            cores: vec![core; config.cpus],
        }
    }
    /// The number of a CPU's interface.
    pub fn number(&self, cpu: usize) -> u32 {
        self.numbers[cpu]
    }
    /// The groups that a CPU's interface lets through, of those that the distributor does.
    pub fn lets_through(&self, cpu: usize, groups: [bool; 2]) -> [bool; 2] {
        let ctlr = self.cores[cpu].ctlr;
        [groups[0] && ctlr & 1 != 0, groups[1] && ctlr & 2 != 0]
    }
}

impl Gic {
    fn v2(&mut self) -> &mut V2 {
        self.v2.as_mut().expect("asked of a GICv2 only")
    }

    /// Makes an SGI pending on `cpu`, as sent by another one.
    pub fn pend_from(&mut self, sender: usize, cpu: usize, id: u32) {
        if self.v2.is_none() {
            self.cores[cpu].bank.latched |= 1 << id;
            return;
        }
        let bit = 1 << self.v2().number(sender);
        self.v2().cores[cpu].senders[id as usize] |= bit;
        self.follow_senders(cpu, id);
    }
    /// An SGI is pending as long as somebody has sent it.
    fn follow_senders(&mut self, cpu: usize, id: u32) {
        let pending = self.v2().cores[cpu].senders[id as usize] != 0;
        let latched = &mut self.cores[cpu].bank.latched;
        *latched = *latched & !(1 << id) | u32::from(pending) << id;
    }

    /// What an acknowledge of this INTID returns instead, if its group is not the one that it is for.
    pub(super) fn hidden(&self, cpu: usize, intid: u32) -> Option<u32> {
        let v2 = self.v2.as_ref()?;
        let (bank, bit) = self.bank(cpu, intid);
        (bank.group & bit != 0 && v2.cores[cpu].ctlr & ACK_CTL == 0).then_some(OTHER_GROUP)
    }
    /// Who sent the SGI that is being acknowledged: of several, the lowest number. Others keep it pending.
    pub(super) fn take_source(&mut self, cpu: usize, intid: u32) -> u32 {
        if self.v2.is_none() || intid >= 16 {
            return 0;
        }
        let core = &mut self.v2().cores[cpu];
        let senders = &mut core.senders[intid as usize];
        let source = senders.trailing_zeros();
        *senders &= senders.wrapping_sub(1);
        core.active[intid as usize] = source;
        self.follow_senders(cpu, intid);
        source
    }
    /// Whether an end names the sender of what it ends: the wrong one leaves an SGI active.
    pub(super) fn is_source(&self, cpu: usize, taken: u32) -> bool {
        let intid = super::intid(taken);
        intid >= 16 || self.v2.as_ref().is_none_or(|v2| v2.cores[cpu].active[intid as usize] == taken >> 10)
    }

    pub(super) fn read_distributor_v2(&mut self, cpu: usize, offset: usize, width: usize) -> u32 {
        if let Some(first) = targets(offset, width) {
            return (0..width).fold(0, |word, n| word | u32::from(self.targets_of(cpu, first + n)) << (8 * n));
        }
        match (offset, width) {
            (0x0, 4) => self.ctlr,
            (0x4, 4) => (self.cores.len() as u32 - 1) << 5 | (self.lines.div_ceil(32) - 1),
            (0x8, 4) => 0x0200_143b,
            (0xfe8, 4) => PIDR2,
            (0xf10..0xf30, 4) => {
                let senders = &self.v2().cores[cpu].senders;
                (0..4).fold(0, |word, n| word | u32::from(senders[offset % 0x10 + n]) << (8 * n))
            }
            _ => match bank::decode(offset, width) {
                Some((0, field)) => self.cores[cpu].bank.read(field, width),
                Some((n, field)) => self.spis.get(n - 1).map_or(0, |bank| bank.read(field, width)),
                None => panic!("GICD: read of {width} bytes at {offset:#x}"),
            },
        }
    }

    pub(super) fn write_distributor_v2(&mut self, cpu: usize, offset: usize, width: usize, value: u32) {
        if let Some(first) = targets(offset, width) {
            for n in (first..first + width).filter(|n| (SPI as usize..self.lines as usize).contains(n)) {
                self.routes[n] = u64::from((value >> (8 * (n - first))) as u8);
            }
            return;
        }
        let live = self.ctlr & (distributor::GRP0 | distributor::GRP1) != 0;
        match (offset, width) {
            (0x0, 4) => self.ctlr = value & (distributor::GRP0 | distributor::GRP1),
            (0xf00, 4) => self.generate_sgi(cpu, value),
            (0xf10..0xf30, 4) => {
                for n in 0..4 {
                    let (id, bits) = (offset % 0x10 + n, (value >> (8 * n)) as u8);
                    let senders = &mut self.v2().cores[cpu].senders[id];
                    *senders = if offset < 0xf20 { *senders & !bits } else { *senders | bits };
                    self.follow_senders(cpu, id as u32);
                }
            }
            _ => match bank::decode(offset, width) {
                // Pending bits of SGIs are read-only there (4.3.7, 4.3.8).
                Some((0, field @ (Field::SetPending | Field::ClearPending))) => {
                    self.cores[cpu].bank.write(field, width, value & !0xffff, live);
                }
                Some((0, field)) => self.cores[cpu].bank.write(field, width, value, live),
                Some((n, field)) => {
                    if let Some(bank) = self.spis.get_mut(n - 1) {
                        bank.write(field, width, value, live);
                    }
                }
                None => panic!("GICD: write of {width} bytes at {offset:#x}, value {value:#x}"),
            },
        }
    }

    /// A byte of `ITARGETSR`: of an SGI or PPI, the CPU's own bit; with one CPU nothing.
    fn targets_of(&mut self, cpu: usize, intid: usize) -> u8 {
        if self.cores.len() == 1 || intid >= self.lines as usize {
            return 0;
        }
        match intid {
            0..32 if self.v2().no_mask => 0,
            0..32 => 1 << self.v2().number(cpu),
            _ => self.routes[intid] as u8,
        }
    }

    /// `GICD_SGIR` (4.3.15).
    fn generate_sgi(&mut self, sender: usize, value: u32) {
        let (filter, list, id) = (value >> 24 & 3, value >> 16 & 0xff, value & 15);
        for cpu in 0..self.cores.len() {
            let meant = match filter {
                0 => list >> self.v2().number(cpu) & 1 != 0,
                1 => cpu != sender,
                2 => cpu == sender,
                _ => panic!("GICD_SGIR <- {value:#x}: a target list filter that is reserved"),
            };
            if meant {
                self.pend_from(sender, cpu, id);
            }
        }
    }

    /// A read of a CPU's memory-mapped interface (4.4).
    pub fn read_gicc(&mut self, cpu: usize, offset: usize, width: usize) -> u32 {
        assert!(width == 4, "GICC: read of {width} bytes at {offset:#x}");
        let interface = &self.cores[cpu].interface;
        match offset {
            0x0 => self.v2().cores[cpu].ctlr,
            0x4 => interface.pmr.into(),
            0x8 => interface.bpr.into(),
            0xc => self.acknowledge(cpu),
            0x14 => interface.running().into(),
            0x18 => self.best(cpu).map_or(super::NONE, |(intid, _)| intid),
            0xd0..0xe0 => (interface.levels >> (8 * (offset - 0xd0))) as u32,
            0xfc => 0x0202_143b,
            _ => panic!("GICC: read of {width} bytes at {offset:#x}"),
        }
    }
    /// A write.
    pub fn write_gicc(&mut self, cpu: usize, offset: usize, width: usize, value: u32) {
        assert!(width == 4, "GICC: write of {width} bytes at {offset:#x}, value {value:#x}");
        let interface = &mut self.cores[cpu].interface;
        match offset {
            0x0 => {
                interface.eoi_mode = value & EOI_MODE != 0;
                interface.enabled = value & 3 != 0;
                self.v2().cores[cpu].ctlr = value & CTLR;
            }
            0x4 => interface.set_pmr(value as u8),
            0x8 => interface.set_bpr(value as u8),
            0x10 => self.end(cpu, "GICC_EOIR", value),
            0xd0..0xe0 => interface.set_levels((offset as u32 - 0xd0) / 4, value),
            0x1000 => self.deactivate_by_dir(cpu, "GICC_DIR", value),
            _ => panic!("GICC: write of {width} bytes at {offset:#x}, value {value:#x}"),
        }
    }
}

/// The first INTID of an access to `ITARGETSR`, bytewise or by words.
fn targets(offset: usize, width: usize) -> Option<usize> {
    let at = offset.checked_sub(0x800).filter(|at| *at < 0x400)?;
    (matches!(width, 1 | 4) && at.is_multiple_of(width)).then_some(at)
}
