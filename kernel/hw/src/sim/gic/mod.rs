//! What does the simulated GICv3 or GICv2 know, and which interrupt does it signal to a CPU?
//!
//! Banks of lines, acknowledge, priorities and ends are the same; `v2` and the rest have what differs.
//! Semantics: Arm IHI 0069H with a single security state, all of group 1, and Arm IHI 0048B; where that leaves a choice, what QEMU does
//! (the platform facts). Uses that the architecture calls UNPREDICTABLE panic with the access that made them.
mod bank;
mod distributor;
mod interface;
mod redistributor;
mod v2;

use super::{Config, Frame, Quirks, Redistributors};
use crate::gic::Version;
use bank::Bank;
use interface::Interface;
use v2::V2;

/// First SPI.
const SPI: u32 = 32;
/// Acknowledge: nothing to acknowledge.
const NONE: u32 = 1023;
/// Architecture revision 3 in `PIDR2`.
const PIDR2: u32 = 0x3b;

/// What the interrupt controller knows of an INTID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineState {
    /// Forwarded at all.
    pub enabled: bool,
    /// Latched, or level-sensitive and high.
    pub pending: bool,
    /// Acknowledged, not deactivated.
    pub active: bool,
    /// The input.
    pub line: bool,
    /// Edge-triggered.
    pub edge: bool,
    /// In group 1.
    pub group1: bool,
    /// As stored, 8 bits.
    pub priority: u8,
    /// `IROUTER`, `ITARGETSR`; 0 for an SGI or PPI.
    pub route: u64,
}

/// What a CPU has of the controller: its redistributor's state and its CPU interface.
struct Core {
    affinity: u32,
    bank: Bank,
    asleep: bool,
    /// Reads of `WAKER` until `ChildrenAsleep` follows.
    waking: u32,
    /// Reads of `GICR_CTLR` that still see `RWP`.
    rwp: u32,
    interface: Interface,
}

pub(in crate::sim) struct Gic {
    lines: u32,
    quirks: Quirks,
    /// Reads that see `RWP` after a write that needs time.
    rwp_reads: u32,
    wake_reads: u32,
    /// `RSS` of the distributor and of the CPU interfaces.
    sgi_ranges: (bool, bool),
    regions: Vec<Redistributors>,
    /// `EnableGrp0`, `EnableGrp1`, `ARE`.
    ctlr: u32,
    /// Reads of `GICD_CTLR` that still see `RWP`.
    rwp: u32,
    /// SPIs, 32 a bank; the first is INTIDs 32 to 63.
    spis: Vec<Bank>,
    routes: Vec<u64>,
    cores: Vec<Core>,
    /// What a GICv2 has besides.
    v2: Option<V2>,
}

/// The INTID in what an acknowledge gave.
fn intid(taken: u32) -> u32 {
    taken & 0x3ff
}

impl Gic {
    pub fn new(config: &Config) -> Self {
        let core = |n| Core {
            affinity: config.affinity(n),
            bank: Bank::local(),
            asleep: config.gic == Version::V3,
            waking: 0,
            rwp: 0,
            interface: Interface::new(config.priority_bits, config.gic),
        };
        let mut gic = Self {
            lines: config.lines.min(1020),
            rwp_reads: if config.quirks.rwp_stuck { u32::MAX } else { config.rwp_reads },
            wake_reads: if config.quirks.never_wakes { u32::MAX } else { config.wake_reads },
            sgi_ranges: config.sgi_ranges,
            regions: if config.gic == Version::V3 { config.regions() } else { Vec::new() },
            ctlr: match config.gic {
                Version::V3 if !config.quirks.affinity_routing_off => distributor::ARE | config.firmware.ctlr,
                _ => config.firmware.ctlr,
            },
            rwp: 0,
            spis: (1..config.lines / 32).map(|n| Bank::shared(config.lines.min(1020) - 32 * n)).collect(),
            routes: vec![0; config.lines as usize],
            cores: (0..config.cpus).map(core).collect(),
            v2: (config.gic == Version::V2).then(|| V2::new(config)),
            quirks: config.quirks.clone(),
        };
        let left = &config.firmware;
        for cpu in 0..config.cpus {
            for &intid in &left.enabled {
                let (bank, bit) = gic.bank_mut(cpu, intid);
                bank.enabled |= bit;
                if config.gic == Version::V3 {
                    bank.group |= bit;
                }
            }
            left.pending.iter().for_each(|&intid| gic.pend(cpu, intid));
            for &intid in &left.active {
                let (bank, bit) = gic.bank_mut(cpu, intid);
                bank.active |= bit;
            }
            for &intid in &config.quirks.fixed_trigger {
                let (bank, bit) = gic.bank_mut(cpu, intid);
                bank.fixed |= bit;
            }
        }
        gic.cores[config.boot_cpu].interface.inherit(left.active_priorities);
        gic
    }

    /// The bank and bit of an INTID; of an SGI or PPI, those of `cpu`.
    fn bank_mut(&mut self, cpu: usize, intid: u32) -> (&mut Bank, u32) {
        assert!(intid < self.lines, "INTID {intid}: this controller has {}", self.lines);
        let bit = 1 << (intid % 32);
        match intid / 32 {
            0 => (&mut self.cores[cpu].bank, bit),
            n => (&mut self.spis[n as usize - 1], bit),
        }
    }
    fn bank(&self, cpu: usize, intid: u32) -> (&Bank, u32) {
        assert!(intid < self.lines, "INTID {intid}: this controller has {}", self.lines);
        let bit = 1 << (intid % 32);
        match intid / 32 {
            0 => (&self.cores[cpu].bank, bit),
            n => (&self.spis[n as usize - 1], bit),
        }
    }

    /// An SGI: as if the CPU had sent it itself.
    pub fn pend(&mut self, cpu: usize, intid: u32) {
        if intid < 16 {
            return self.pend_from(cpu, cpu, intid);
        }
        let (bank, bit) = self.bank_mut(cpu, intid);
        bank.latched |= bit;
    }
    pub fn set_line(&mut self, cpu: usize, intid: u32, high: bool) {
        assert!(intid >= 16, "SGIs have no line");
        let (bank, bit) = self.bank_mut(cpu, intid);
        bank.set_line(bit, high);
    }
    pub fn special(&mut self, cpu: usize, intid: u32) {
        self.cores[cpu].interface.special = Some(intid);
    }
    pub fn state(&self, cpu: usize, intid: u32) -> LineState {
        let (bank, bit) = self.bank(cpu, intid);
        LineState {
            enabled: bank.enabled & bit != 0,
            pending: bank.pending() & bit != 0,
            active: bank.active & bit != 0,
            line: bank.line & bit != 0,
            edge: bank.edge & bit != 0,
            group1: bank.group & bit != 0,
            priority: bank.priority[intid as usize % 32],
            route: if intid < SPI { 0 } else { self.routes[intid as usize] },
        }
    }

    /// Whether `cpu` is asked to take an interrupt exception.
    pub fn signals(&self, cpu: usize) -> bool {
        let interface = &self.cores[cpu].interface;
        interface.special.is_some() || self.best(cpu).is_some_and(|(_, priority)| interface.admits(priority))
    }

    /// The most urgent interrupt that is ready for `cpu`, by all 8 bits of its priority, then by INTID.
    fn best(&self, cpu: usize) -> Option<(u32, u8)> {
        let core = &self.cores[cpu];
        if core.asleep {
            return None;
        }
        let groups = [distributor::GRP0, distributor::GRP1].map(|group| self.ctlr & group != 0);
        let groups = match &self.v2 {
            Some(v2) => v2.lets_through(cpu, groups),
            None => [false, groups[1]],
        };
        let mut best = None;
        let mut consider = |bank: &Bank, first: u32, mine: &dyn Fn(u32) -> bool| {
            let mut ready = bank.ready(groups);
            while ready != 0 {
                let bit = ready.trailing_zeros();
                ready &= ready - 1;
                let candidate = (bank.priority[bit as usize], first + bit);
                if best.is_none_or(|best| candidate < best) && mine(first + bit) {
                    best = Some(candidate);
                }
            }
        };
        consider(&core.bank, 0, &|_| true);
        for (n, bank) in self.spis.iter().enumerate() {
            consider(bank, SPI + 32 * n as u32, &|intid| self.goes_to(intid, cpu));
        }
        best.map(|(priority, intid)| (intid, priority))
    }

    /// Whether an SPI may be taken by a CPU.
    fn goes_to(&self, intid: u32, cpu: usize) -> bool {
        match &self.v2 {
            // With one CPU there are no targets to choose.
            Some(v2) => self.cores.len() == 1 || self.routes[intid as usize] >> v2.number(cpu) & 1 != 0,
            None => self.target(intid) == Some(cpu),
        }
    }
    /// The CPU that an SPI goes to; `None`: its route names no CPU of this machine.
    fn target(&self, intid: u32) -> Option<usize> {
        const ANY: u64 = 1 << 31;
        let route = self.routes[intid as usize];
        if route & ANY != 0 {
            return Some(0);
        }
        let affinity = (route >> 8 & 0xff00_0000 | route & 0x00ff_ffff) as u32;
        self.cores.iter().position(|core| core.affinity == affinity)
    }

    /// The redistributor frame, counted over all regions, and the offset in it that an address falls into.
    pub fn frame_at(&self, at: usize) -> Option<(usize, usize)> {
        let mut first = 0;
        for region in &self.regions {
            let offset = at.wrapping_sub(region.base);
            if offset < region.stride * region.frames.len() {
                return Some((first + offset / region.stride, offset % region.stride));
            }
            first += region.frames.len();
        }
        None
    }
    /// A frame, its region and its place there.
    fn frame(&self, mut frame: usize) -> (Frame, &Redistributors, usize) {
        for region in &self.regions {
            match region.frames.get(frame) {
                Some(&found) => return (found, region, frame),
                None => frame -= region.frames.len(),
            }
        }
        unreachable!("`frame_at` made it")
    }
}

/// Takes one off a countdown of reads; `u32::MAX` never ends.
fn count_down(reads: &mut u32) -> bool {
    let waiting = *reads > 0;
    if waiting && *reads != u32::MAX {
        *reads -= 1;
    }
    waiting
}
