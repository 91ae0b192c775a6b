//! What does a CPU do when no thread is ready?
use crate::{
    latency::{Site, tell},
    mask, percpu, report, thread, time, trace,
};
use core::sync::atomic::Ordering::Relaxed;

/// How often CPUs went to wait for an interrupt.
pub fn waits() -> u64 {
    percpu::online().iter().map(|cpu| percpu::area(cpu).waits.load(Relaxed)).sum()
}

/// How often this CPU did, below [`percpu::MAX_CPUS`].
pub fn waits_of(cpu: usize) -> u64 {
    percpu::area(cpu).waits.load(Relaxed)
}

/// The idle thread's loop.
///
/// Interrupts are masked from the check to the wait: one that makes a thread ready in between is pending then, and
/// ends the wait at once (BU-06). Unmasking takes it, and interrupt return switches to the thread; where the model does not
/// preempt there, the loop's next turn does.
pub(crate) fn run() -> ! {
    loop {
        mask::disable();
        let me = thread::current();
        if me.preempt.own() != 0 {
            report::bug!("idle with preempt count {:#x}", me.preempt.own());
        }
        if me.preempt.resched_wanted() {
            mask::enable();
            super::preempt();
            continue;
        }
        super::class::entering_idle();
        time::entering_idle();
        let waits = &percpu::this().waits;
        // Its only writer.
        waits.store(waits.load(Relaxed) + 1, Relaxed);
        trace::record(trace::IDLE, 0, 0);
        tell::pause(Site::here());
        percpu::this().rcu.outside(hw::cpu::wait_for_interrupt);
        tell::resume(Site::here());
        mask::enable();
    }
}
