//! How are the other CPUs silenced when one CPU stops the machine?
use super::{Ipi, send};
use crate::{
    percpu::{self, online},
    report,
};
use hw::atomic::{
    AtomicU32,
    Ordering::{Acquire, Release},
};
use logic::cpus::CpuSet;

/// How long others are waited for, in parts of a second: 10 ms. One that takes longer has interrupts masked for good.
const PATIENCE: u64 = 100;

hw::global! {
    /// CPUs that have halted.
    static HALTED: AtomicU32 = AtomicU32::new(0);
}

/// Halts every other CPU. Answers which of them did not halt in time. Interrupts are masked.
pub(crate) fn stop_others() -> CpuSet {
    let others = online().without(percpu::this().id.get());
    let running = || CpuSet::from_bits(others.bits() & !HALTED.load(Acquire));
    // Without others there may be no interrupt controller yet. That some cannot be reached is said by the report to come.
    if !others.is_empty() && send(others, Ipi::Stop).is_ok() {
        let limit = hw::clock::ticks() + hw::clock::frequency() / PATIENCE;
        while !running().is_empty() && hw::clock::ticks() < limit {
            hw::cpu::relax();
        }
    }
    running()
}

/// The IPI. One that firmware left behind stops nothing.
#[cold]
#[inline(never)]
pub(super) fn asked() {
    report::halt_if_stopped();
}

/// Another CPU stops the machine: this one does nothing any more.
pub(crate) fn halt() -> ! {
    hw::irqs::disable();
    HALTED.fetch_or(CpuSet::of(percpu::this().id.get()).bits(), Release);
    hw::cpu::halt()
}
