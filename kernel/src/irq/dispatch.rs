//! What is the interrupt exception about? Acknowledge, priority drop, descriptor.
//!
//! One acknowledge an exception. SGIs, which are no lines, are `ipi`'s. Spurious and unmapped INTIDs are counted and
//! silenced here; everything else is the line's flow.
use super::{
    domain::{self, gic},
    flow,
};
use crate::{
    cx::HardIrqCx,
    ipi,
    latency::{Site, tell},
    percpu::{self, PerCpu},
    report, sched, trace,
};
use core::cell::Cell;
use hw::{
    gic::{NONE_PENDING, SGIS, SPECIAL},
    upcall::Switch,
};

/// What one CPU counts. Written by the CPU itself with interrupts masked, read by anyone.
pub(crate) struct CpuCounts {
    pub by_intid: [Cell<u32>; SPECIAL as usize],
    /// INTID 1023: nothing was pending after all.
    pub spurious: Cell<u32>,
    /// INTIDs 1020 to 1022, which belong to other security states.
    pub special: [Cell<u32>; 3],
    /// Acknowledged, but no such line or no handler.
    pub unexpected: Cell<u32>,
}

// SAFETY: one writer a CPU; a torn read is impossible for a word, a stale one harmless.
unsafe impl Sync for CpuCounts {}

impl CpuCounts {
    pub(crate) const fn new() -> Self {
        Self {
            by_intid: [const { Cell::new(0) }; SPECIAL as usize],
            spurious: Cell::new(0),
            special: [const { Cell::new(0) }; 3],
            unexpected: Cell::new(0),
        }
    }
}

/// An IRQ exception, on the interrupt stack, interrupts masked. The answer: who preempts the interrupted thread.
#[unsafe(no_mangle)]
extern "C-unwind" fn __tophalf_interrupt() -> Switch {
    tell::interrupt_enter(Site::here());
    let switch = serve();
    if switch.next.is_null() {
        tell::interrupt_leave(Site::here());
    }
    switch
}

#[inline(always)]
fn serve() -> Switch {
    // SAFETY: this is the interrupt entry; the token dies with this function.
    let mut cx = unsafe { HardIrqCx::new() };
    trace::record(trace::VECTOR, 0, 0);
    let intid = gic().acknowledge();
    if intid < SPECIAL {
        match domain::lookup(intid) {
            Some(line) => {
                if let Some(switch) = flow::run(line, intid, &mut cx) {
                    return switch;
                }
            }
            None => no_line(intid, &mut cx),
        }
        trace::record(trace::IRQ_EXIT, u64::from(intid), 0);
    } else {
        special(percpu::this(), intid);
    }
    sched::interrupt_return()
}

/// An interrupt of another CPU, or an INTID that nobody knows.
#[inline(never)]
fn no_line(intid: u32, cx: &mut HardIrqCx<'_>) {
    if intid < SGIS {
        return ipi::interrupt(intid, cx);
    }
    gic().drop_priority(intid);
    trace::record(trace::IRQ_ENTER, u64::from(intid), 0);
    silence(percpu::this(), intid);
}

/// Not acknowledged, so there is nothing to end.
#[cold]
fn special(cpu: &PerCpu, intid: u32) {
    let count = match intid {
        NONE_PENDING => &cpu.irqs.spurious,
        _ => &cpu.irqs.special[(intid as usize).wrapping_sub(SPECIAL as usize) % 3],
    };
    count.set(count.get() + 1);
}

/// Nobody will quieten the source, so the line is masked: one interrupt, one warning, no storm.
#[cold]
pub(crate) fn silence(cpu: &PerCpu, intid: u32) {
    gic().mask(cpu.redistributor(), intid);
    gic().deactivate(intid);
    unexpected(cpu, intid);
}

/// An interrupt of nobody was taken and silenced.
#[cold]
pub(super) fn unexpected(cpu: &PerCpu, intid: u32) {
    cpu.irqs.unexpected.set(cpu.irqs.unexpected.get() + 1);
    report::warn!("unexpected interrupt {}, masked", intid);
}
