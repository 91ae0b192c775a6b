//! What machine is simulated? Its CPUs, addresses and clocks, what firmware left behind, how its hardware misbehaves.

use super::explore::Tape;
use crate::gic::Version;
use std::rc::Rc;

/// A simulated machine. The default is QEMU's `virt` with one Cortex-A53.
#[derive(Clone, Debug)]
pub struct Config {
    /// CPUs that exist. Only [`boot_cpu`](Self::boot_cpu) runs from the start.
    pub cpus: usize,
    /// Which of them runs `boot`.
    pub boot_cpu: usize,
    /// Packed affinity `Aff3.Aff2.Aff1.Aff0` of each CPU. Empty: 16 CPUs a cluster, counted in Aff0.
    pub affinities: Vec<u32>,
    /// In which order CPUs go on.
    pub order: Order,
    /// `CNTFRQ_EL0` in Hz.
    pub frequency: u64,
    /// Version of the interrupt controller.
    pub gic: Version,
    /// INTIDs of the distributor, special ones included: a multiple of 32, 64 to 1024.
    pub lines: u32,
    /// Priority bits that the CPU interfaces implement: 5 to 7, of a GICv2 4 to 8. The distributor keeps all 8.
    pub priority_bits: u32,
    /// Address of the distributor.
    pub gicd: usize,
    /// Address of the CPU interface of a GICv2.
    pub gicc: usize,
    /// Number of each CPU's interface in a GICv2, below 8. Empty: the CPU's.
    pub interfaces: Vec<u32>,
    /// Redistributor regions. Empty: one at QEMU's address with a frame for every CPU.
    pub redistributors: Vec<Redistributors>,
    /// Address of the PL011.
    pub uart: usize,
    /// SPI of the PL011.
    pub uart_intid: u32,
    /// Clock of the PL011 in Hz: with its divisors the length of a bit, hence of the receive time-out.
    pub uart_clock: u64,
    /// Whether SGIs reach CPUs whose Aff0 is 16 or more: as the distributor says (`GICD_TYPER.RSS`), and as the CPU
    /// interfaces do (`ICC_CTLR_EL1.RSS`).
    pub sgi_ranges: (bool, bool),
    /// PPI of the virtual timer.
    pub timer_intid: u32,
    /// How many reads of `CTLR` see `RWP` set after a write that needs time.
    pub rwp_reads: u32,
    /// How many reads of `WAKER` see `ChildrenAsleep` set after `ProcessorSleep` was cleared.
    pub wake_reads: u32,
    /// What firmware left in the interrupt controller.
    pub firmware: Firmware,
    /// Hardware that does not do what it should.
    pub quirks: Quirks,
    /// Bytes of a context's own stack; a guard page is added. A context that needs more ends the test process with a
    /// segmentation fault.
    pub context_stack: usize,
    /// Points after which the run is taken for a livelock.
    pub point_budget: u64,
    /// Virtual time in ns at which the run ends.
    pub time_limit: u64,
    /// How far a spin hint moves virtual time, in ns.
    pub relax: u64,
    /// Whether register accesses are recorded from the start.
    pub log_registers: bool,
}

/// In which order CPUs go on, while more than one can.
#[derive(Clone, Debug, Default)]
pub enum Order {
    /// The CPU that ran goes on as long as it can, then the next one in order.
    #[default]
    Fixed,
    /// Drawn from a seed: a random walk, or priorities that change at a few points (PCT); the seed decides which.
    Seeded(u64),
    /// One of the orders that [`explore`](super::explore()) goes through.
    Explored(Rc<Tape>),
}

/// A contiguous run of redistributor frames.
#[derive(Clone, Debug)]
pub struct Redistributors {
    /// Address of the first frame.
    pub base: usize,
    /// Distance of two frames in bytes, at least 128 KiB.
    pub stride: usize,
    /// The frames, in order.
    pub frames: Vec<Frame>,
    /// Whether frames say that they have the two more pages of GICv4 (`GICR_TYPER.VLPIS`).
    pub vlpis: bool,
    /// The frame that says it is the last of its region. `None`: the one that is.
    pub last: Option<usize>,
}

/// One redistributor frame.
#[derive(Clone, Copy, Debug)]
pub enum Frame {
    /// That of the CPU with this number.
    Cpu(usize),
    /// One whose CPU, with this packed affinity, is not part of the machine.
    Absent(u32),
}

/// What firmware left in the interrupt controller.
#[derive(Clone, Debug, Default)]
pub struct Firmware {
    /// INTIDs that are enabled, and in group 1.
    pub enabled: Vec<u32>,
    /// INTIDs that are pending.
    pub pending: Vec<u32>,
    /// INTIDs that are active.
    pub active: Vec<u32>,
    /// `GICD_CTLR` bits that are set besides those that always are.
    pub ctlr: u32,
    /// `GICC_CTLR` of every CPU of a GICv2.
    pub interface: u32,
    /// `ICC_AP1R0_EL1` of the boot CPU: preemption levels that were never dropped.
    pub active_priorities: u32,
}

/// Hardware that does not do what it should.
#[derive(Clone, Debug, Default)]
pub struct Quirks {
    /// `ICC_SRE_EL1` reads 0: a higher exception level keeps the system registers to itself.
    pub sre_reads_zero: bool,
    /// `RWP` is never cleared.
    pub rwp_stuck: bool,
    /// `ChildrenAsleep` is never cleared.
    pub never_wakes: bool,
    /// A GICv2's `ITARGETSR0` to `ITARGETSR7` read 0: no CPU can tell which it is.
    pub no_cpu_mask: bool,
    /// INTIDs whose `ICFGR` bits ignore writes.
    pub fixed_trigger: Vec<u32>,
    /// CPUs that firmware says it has started, and that never arrive.
    pub never_start: Vec<usize>,
    /// Affinity routing is off at reset, as on controllers that also have a GICv2 mode; QEMU's is always on.
    pub affinity_routing_off: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cpus: 1,
            boot_cpu: 0,
            affinities: Vec::new(),
            order: Order::Fixed,
            frequency: 62_500_000,
            gic: Version::V3,
            lines: 288,
            priority_bits: 5,
            gicd: 0x0800_0000,
            gicc: 0x0801_0000,
            interfaces: Vec::new(),
            redistributors: Vec::new(),
            uart: 0x0900_0000,
            uart_intid: 33,
            uart_clock: 24_000_000,
            sgi_ranges: (false, false),
            timer_intid: 27,
            rwp_reads: 2,
            wake_reads: 2,
            firmware: Firmware::default(),
            quirks: Quirks::default(),
            context_stack: 64 * 1024,
            point_budget: 50_000_000,
            time_limit: 3_600_000_000_000,
            relax: 100,
            log_registers: false,
        }
    }
}

impl Config {
    /// The packed affinity of a CPU.
    pub fn affinity(&self, cpu: usize) -> u32 {
        self.affinities.get(cpu).copied().unwrap_or((((cpu / 16) << 8) | (cpu % 16)) as u32)
    }

    /// The redistributor regions, the default one filled in.
    pub(super) fn regions(&self) -> Vec<Redistributors> {
        if !self.redistributors.is_empty() {
            return self.redistributors.clone();
        }
        let frames = (0..self.cpus).map(Frame::Cpu).collect();
        vec![Redistributors { base: 0x080a_0000, stride: 0x2_0000, frames, vlpis: false, last: None }]
    }

    pub(super) fn check(&self) {
        assert!((1..=64).contains(&self.cpus) && self.boot_cpu < self.cpus, "1 to 64 CPUs, the boot CPU one of them");
        assert!(
            self.lines.is_multiple_of(32) && (64..=1024).contains(&self.lines),
            "lines: a multiple of 32, 64..=1024"
        );
        let bits = if self.gic == Version::V2 { 4..=8 } else { 5..=7 };
        assert!(bits.contains(&self.priority_bits), "priority bits: {bits:?}");
        assert!(self.gic == Version::V3 || self.cpus <= 8, "a GICv2 serves eight CPUs");
        assert!(self.frequency > 0 && self.relax > 0 && self.point_budget > 0);
        assert!((16..32).contains(&self.timer_intid) && (32..self.lines.min(1020)).contains(&self.uart_intid));
    }
}
