//! How often did which line fire, and who serves it? What `irq` in the shell shows (IQ-22).
use super::{
    Affinity, Flags, Trigger,
    domain::{Descriptor, Irq, gic, lookup},
    flow::Forced,
    percpu_line::PerCpuAction,
};
use crate::{
    context_check,
    cx::ThreadCx,
    error::{Error, Result},
    percpu, rcu,
    thread::{Name, ThreadId},
};
use alloc::vec::Vec;
use hw::atomic::{AtomicBool, Ordering::Relaxed};
use logic::{cpus::CpuSet, policy::Policy};

hw::global! {
    static DETECTOR: AtomicBool = AtomicBool::new(true);
}
/// Whether lines that nobody cares for are disabled (boot option `noirqdebug` turns it off).
pub fn detector_enabled() -> bool {
    DETECTOR.load(Relaxed)
}
/// Turns the detector of unhandled interrupts on or off.
pub fn set_detector(on: bool) {
    DETECTOR.store(on, Relaxed);
}

/// One installed handler, as it is shown.
#[derive(Clone, Debug)]
pub struct Handler {
    /// Its name.
    pub name: Name,
    /// Its thread's name, number and policy.
    pub thread: Option<(Name, ThreadId, Policy)>,
    /// Runs of its thread.
    pub thread_runs: u32,
    /// Whether its ordinary handler was forced into its thread, and what that meant.
    pub forced: Option<Forced>,
    /// Its flags as installed, ONESHOT added or adopted.
    pub flags: Flags,
}

/// One line, as it is shown.
#[derive(Clone, Debug)]
pub struct LineInfo {
    /// The line.
    pub irq: Irq,
    /// Interrupts by CPU.
    pub counts: [u32; percpu::MAX_CPUS],
    /// Controller.
    pub chip: &'static str,
    /// Number in the controller.
    pub hwirq: u32,
    /// When it is taken to be asserted.
    pub trigger: Trigger,
    /// Where it is taken; of a private line, nothing.
    pub affinity: Affinity,
    /// 0: it can fire.
    pub depth: u32,
    /// CPUs that let it through, if each has this line for itself.
    pub enabled_on: CpuSet,
    /// Interrupts that nobody handled.
    pub unhandled: u32,
    /// Handlers in the order of their registration.
    pub handlers: Vec<Handler>,
}

impl LineInfo {
    /// Interrupts on all CPUs.
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|&n| u64::from(n)).sum()
    }
}

/// Interrupts that belong to no line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// INTID 1023 by CPU: nothing was pending after all.
    pub spurious: [u32; percpu::MAX_CPUS],
    /// INTIDs 1020, 1021 and 1022, all CPUs.
    pub special: [u32; 3],
    /// Lines without handler, by CPU.
    pub unexpected: [u32; percpu::MAX_CPUS],
}

/// Interrupts of an INTID by CPU.
pub(crate) fn counts(intid: u32) -> [u32; percpu::MAX_CPUS] {
    core::array::from_fn(|cpu| percpu::area(cpu).irqs.by_intid[intid as usize].get())
}

/// A line that is mapped.
///
/// # Errors
/// [`Error::NotFound`]: it is not. [`Error::WrongContext`]: in an atomic section.
#[track_caller]
pub fn info(cx: &mut ThreadCx, irq: Irq) -> Result<LineInfo> {
    context_check::must_sleep(cx)?;
    let line = lookup(irq.intid()?).ok_or(Error::NotFound)?;
    Ok(describe(cx, line))
}

fn describe(cx: &mut ThreadCx, line: &'static Descriptor) -> LineInfo {
    let reader = rcu::read(cx);
    let handlers = line
        .actions(&reader)
        .map(|a| super::stats::Handler {
            name: a.name.clone(),
            thread: a.thread.get().map(|t| (t.identity().name.clone(), t.id(), t.policy.get())),
            thread_runs: a.thread_runs.load(Relaxed),
            forced: a.forced,
            flags: a.flags,
        })
        .collect();
    let percpu = line.first(&reader).and_then(|a| a.percpu.as_ref());
    let enabled_on = percpu.map_or(CpuSet::EMPTY, PerCpuAction::enabled_on);
    drop(reader);
    let (trigger, affinity, depth) = line.with(|g| (g.trigger, g.affinity, g.state.depth()));
    LineInfo {
        irq: Irq::new(line.intid),
        counts: counts(line.intid),
        chip: gic().version().name(),
        hwirq: line.intid,
        trigger,
        affinity,
        depth,
        enabled_on,
        unhandled: line.unhandled.get(),
        handlers,
    }
}

/// Calls `f` for every mapped line in the order of their numbers.
pub fn for_each(cx: &mut ThreadCx, mut f: impl FnMut(&mut ThreadCx, LineInfo)) {
    for intid in 0..gic().lines() {
        if let Some(line) = lookup(intid) {
            let info = describe(cx, line);
            f(cx, info);
        }
    }
}

/// Interrupts that belong to no line.
pub fn totals() -> Totals {
    let mut t = Totals::default();
    for cpu in 0..percpu::MAX_CPUS {
        let irqs = &percpu::area(cpu).irqs;
        t.spurious[cpu] = irqs.spurious.get();
        t.unexpected[cpu] = irqs.unexpected.get();
        for (sum, count) in t.special.iter_mut().zip(&irqs.special) {
            *sum += count.get();
        }
    }
    t
}
