//! What is the interrupt exception about? Acknowledge, priority drop, descriptor.
//!
//! One acknowledge an exception, several with a GICv2. SGIs, which are no lines, are `ipi`'s. Spurious and unmapped INTIDs are counted and
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
    report, sched,
    thread::Ref,
    trace,
};
use core::cell::Cell;
use hw::{
    gic::{self, NONE_PENDING, SGIS, SPECIAL},
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
    let Served { intid, woken } = match gic().acknowledge_direct() {
        Some(intid) if intid < SPECIAL => Served { intid, woken: one(intid, intid, &mut cx) },
        Some(intid) => special(intid),
        None => serve_indirect(&mut cx),
    };
    if let Some(thread) = woken
        && let Some(switch) = sched::wake_returning(thread, intid)
    {
        return switch;
    }
    if intid < SPECIAL {
        trace::record(trace::IRQ_EXIT, u64::from(intid), 0);
    }
    sched::interrupt_return()
}

/// What was acknowledged last, and the thread that it wakes as the last thing in the exception.
struct Served {
    intid: u32,
    woken: Option<Ref>,
}

/// What was acknowledged, by its INTID: whom it wakes.
#[inline(always)]
fn one(taken: u32, intid: u32, cx: &mut HardIrqCx<'_>) -> Option<Ref> {
    match domain::lookup(intid) {
        Some(line) => flow::run(line, intid, cx),
        None => {
            no_line(taken, cx);
            None
        }
    }
}

/// The same where more than system registers is to be looked at: a GICv2, which is asked again until nothing is pending
/// (G2-01), or EOI mode 0.
#[cold]
#[inline(never)]
fn serve_indirect(cx: &mut HardIrqCx<'_>) -> Served {
    let mut taken = gic().acknowledge();
    if gic::intid(taken) >= SPECIAL {
        return special(gic::intid(taken));
    }
    loop {
        let intid = gic::intid(taken);
        let served = Served { intid, woken: one(taken, intid, cx) };
        taken = gic().acknowledge_more();
        if gic::intid(taken) >= SPECIAL {
            // Nothing is pending any more; whatever else it is counts.
            if gic::intid(taken) != NONE_PENDING {
                let _ = special(gic::intid(taken));
            }
            return served;
        }
        if let Some(thread) = served.woken {
            sched::wake(thread);
        }
        trace::record(trace::IRQ_EXIT, u64::from(served.intid), 0);
        // An exception of its own would begin here, and no thread would have got further in between.
        tell::irqs_on(Site::here());
        tell::irqs_off(Site::here());
    }
}

/// An interrupt of another CPU, or an INTID that nobody knows.
#[inline(never)]
fn no_line(taken: u32, cx: &mut HardIrqCx<'_>) {
    if gic::intid(taken) < SGIS {
        return ipi::interrupt(taken, cx);
    }
    trace::record(trace::IRQ_ENTER, u64::from(taken), 0);
    silence(percpu::this(), taken);
}

/// Not acknowledged, so there is nothing to end.
#[cold]
#[inline(never)]
fn special(intid: u32) -> Served {
    let cpu = percpu::this();
    let count = match intid {
        NONE_PENDING => &cpu.irqs.spurious,
        _ => &cpu.irqs.special[(intid as usize).wrapping_sub(SPECIAL as usize) % 3],
    };
    count.set(count.get() + 1);
    Served { intid, woken: None }
}

/// Nobody will quieten the source, so the line is masked: one interrupt, one warning, no storm.
#[cold]
pub(crate) fn silence(cpu: &PerCpu, taken: u32) {
    gic().mask(cpu.gic_local(), gic::intid(taken));
    gic().deactivate(taken);
    unexpected(cpu, gic::intid(taken));
}

/// An interrupt of nobody was taken and silenced.
#[cold]
pub(super) fn unexpected(cpu: &PerCpu, intid: u32) {
    cpu.irqs.unexpected.set(cpu.irqs.unexpected.get() + 1);
    report::warn!("unexpected interrupt {}, masked", intid);
}
