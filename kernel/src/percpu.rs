//! What does each CPU have of its own?
//!
//! The area is reached through a register, so only code that cannot migrate may keep a reference to it: it is opened
//! with a token that pins. What is in it is either changed with interrupts masked by its own CPU, or locked.
use crate::{
    bh,
    cx::{AtomicCx, PinnedAt},
    irq, log, rcu, sched, time,
};
use core::cell::Cell;
use hw::{
    atomic::{AtomicU32, Ordering::Acquire, Ordering::Release, Ordering::SeqCst, fence},
    gic::Local,
};
use logic::cpus::CpuSet;

/// CPUs that an image can use.
pub const MAX_CPUS: usize = hw::smp::MAX_CPUS;

/// One CPU's own data. In this order, because the interrupt path reaches the first two.
#[repr(C)]
pub struct PerCpu {
    /// Ready threads.
    pub(crate) runqueue: sched::CpuQueue,
    /// Interrupts that this CPU took, by INTID, and the odd ones.
    pub(crate) irqs: irq::CpuCounts,
    /// Number of the CPU, from 0 in the order of the device tree.
    pub(crate) id: Cell<usize>,
    /// Affinity of the CPU (MPIDR fields).
    pub(crate) affinity: Cell<u64>,
    /// High-resolution timers and the event device.
    pub(crate) timers: time::CpuTimers,
    /// The interrupt controller's part for this CPU.
    pub(crate) gic: Cell<Option<&'static Local>>,
    /// Log records of this CPU.
    pub(crate) log: log::CpuLog,
    /// Bottom halves.
    pub(crate) bh: bh::CpuBh,
    /// Grace periods and callbacks.
    pub(crate) rcu: rcu::CpuRcu,
    /// The ordinary handler that runs in its interrupt.
    pub(crate) ordinary: irq::CpuOrdinary,
    /// Times that it went to wait for an interrupt.
    pub(crate) waits: core::sync::atomic::AtomicU64,
    /// What its latency tracers know.
    #[cfg(any(feature = "latency", not(target_os = "none")))]
    pub(crate) latency: crate::latency::CpuLatency,
}

// SAFETY: `id`, `affinity` and `gic` are written once, by the CPU itself before it is online; the rest says
// for itself who may touch it.
unsafe impl Sync for PerCpu {}

impl PerCpu {
    const fn new() -> Self {
        Self {
            id: Cell::new(0),
            affinity: Cell::new(0),
            runqueue: sched::CpuQueue::new(),
            timers: time::CpuTimers::new(),
            irqs: irq::CpuCounts::new(),
            gic: Cell::new(None),
            log: log::CpuLog::new(),
            bh: bh::CpuBh::new(),
            rcu: rcu::CpuRcu::new(),
            ordinary: irq::CpuOrdinary::new(),
            waits: core::sync::atomic::AtomicU64::new(0),
            #[cfg(any(feature = "latency", not(target_os = "none")))]
            latency: crate::latency::CpuLatency::new(),
        }
    }
    /// What [`token`] says on the CPU whose area this is.
    #[inline(always)]
    pub(crate) fn token(&self) -> u32 {
        core::ptr::from_ref(self).addr() as u32
    }
    /// This CPU's part of the interrupt controller; there is one from the start of that on.
    #[inline(always)]
    pub(crate) fn gic_local(&self) -> &'static Local {
        match self.gic.get() {
            Some(r) => r,
            None => crate::report::bug!("interrupt controller used before it was started"),
        }
    }
}

hw::global! {
    static AREAS: [PerCpu; MAX_CPUS] = [const { PerCpu::new() }; MAX_CPUS];
    /// CPUs that run threads, a bit each.
    static ONLINE: AtomicU32 = AtomicU32::new(0);
}

/// Makes area `id` this CPU's own. Once a CPU, before anything else on it.
pub(crate) fn adopt(id: usize) -> &'static PerCpu {
    let area = area(id);
    area.id.set(id);
    area.affinity.set(hw::cpu::affinity());
    // SAFETY: `local` expects exactly this.
    unsafe { hw::cpu::set_local(core::ptr::from_ref(area).cast()) };
    area
}

/// This CPU runs threads from here on; the others may give it some. One CPU at a time does this.
pub(crate) fn go_online() {
    let here = this().id.get();
    let online = CpuSet::from_bits(ONLINE.fetch_or(CpuSet::of(here).bits(), Release)).with(here);
    // Whoever begins a grace period without this CPU has taken away before what this one reads from now on.
    fence(SeqCst);
    for cpu in online.iter() {
        area(cpu).runqueue.set_others(online.count() as u32 - 1);
    }
}

/// Area of CPU `id`, below [`MAX_CPUS`].
pub(crate) fn area(id: usize) -> &'static PerCpu {
    let areas: &[PerCpu; MAX_CPUS] = &AREAS;
    // SAFETY: kernel statics live as long as the machine, and all that runs, runs on the machine.
    unsafe { &*core::ptr::from_ref(&areas[id % MAX_CPUS]) }
}

/// This CPU's area. The caller cannot migrate: preemption or interrupts are off, or it is bound to its CPU.
#[inline(always)]
pub(crate) fn this() -> &'static PerCpu {
    // SAFETY: `adopt` stored an area of `AREAS` there before anything else ran on this CPU.
    unsafe { &*hw::cpu::local().cast() }
}

/// The CPUs that run threads. None ever goes away again.
pub fn online() -> CpuSet {
    CpuSet::from_bits(ONLINE.load(Acquire))
}

/// What tells this CPU from others and is in a register: a part of its area's address, or whatever the entry code left there.
/// Not 0.
#[inline(always)]
pub(crate) fn token() -> u32 {
    let token = hw::cpu::local().addr() as u32;
    // The entry code sees to it on the target; what a test does outside a machine has no area.
    if cfg!(target_os = "none") { token } else { token.max(1) }
}
/// The area of the CPU with this token.
pub(crate) fn of_token(token: u32) -> Option<&'static PerCpu> {
    (0..MAX_CPUS).map(area).find(|cpu| cpu.token() == token)
}

/// The area of the CPU that runs the caller, who may be on another one by now.
pub(crate) fn any() -> &'static PerCpu {
    this()
}

/// Number of the CPU that runs the caller.
pub fn id<L>(_: &impl PinnedAt<L>) -> usize {
    this().id.get()
}

/// One value a CPU.
pub struct PerCpuValue<T>([T; MAX_CPUS]);

impl<T: Sync> PerCpuValue<T> {
    /// The values by CPU number.
    pub const fn new(values: [T; MAX_CPUS]) -> Self {
        Self(values)
    }
    /// This CPU's value, and a token of the pin that keeps it this CPU's.
    pub fn open<'a, L, C: PinnedAt<L>>(&'a self, cx: &'a mut C) -> (&'a T, AtomicCx<'a, L>) {
        let _ = cx;
        // SAFETY: the caller's section of level `L` is borrowed for as long as the token lives.
        (&self.0[this().id.get()], unsafe { AtomicCx::new() })
    }
    /// The value of CPU `id`, if there is such a CPU.
    pub fn of(&self, id: usize) -> Option<&T> {
        self.0.get(id)
    }
}
