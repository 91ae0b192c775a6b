//! On which CPU is a line's interrupt taken, and where does its thread run?
//!
//! An SPI goes to one CPU, the *effective* one of those that it may use (GIC architecture 3.2.1, `GICD_IROUTER`). Its
//! threads follow: whoever moves the line only marks them, and each binds itself to the effective CPU at its next run (Linux
//! `irq_thread_check_affinity`). A thread that somebody bound elsewhere stays there until the line moves again (IQ-21).
use super::domain::{Descriptor, Irq, gic, lookup};
use crate::{
    cx::Context,
    error::{Error, Result},
    percpu, rcu, sched,
    thread::{self, Ref},
};
use logic::{cpus::CpuSet, request::Flags};

/// CPUs that a line may use, and the one that it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Affinity {
    /// What was asked for; all CPUs until then.
    pub cpus: CpuSet,
    /// The CPU that takes the line's interrupts.
    pub effective: usize,
}

impl Affinity {
    /// Of a line that nobody has moved: the boot CPU takes it.
    pub(super) const INITIAL: Self = Self { cpus: CpuSet::ALL, effective: 0 };
}

/// Lets a line use these CPUs: its interrupts are taken by the one that took them if it is among them, else by the first that
/// runs. One that is pending meanwhile is taken once, on the old or the new CPU. The line's threads follow at their next run.
///
/// # Errors
/// Nothing was changed: [`Error::NotFound`]: the line is not mapped. [`Error::Invalid`]: a private line, which belongs to
/// its CPU, or none of `cpus` runs. [`Error::NotPermitted`]: a handler of the line asked for `NOBALANCING`.
pub fn set_affinity(_: &impl Context, irq: Irq, cpus: CpuSet) -> Result<()> {
    let line = lookup(irq.intid()?).ok_or(Error::NotFound)?;
    let usable = cpus.and(percpu::online());
    let first = usable.first().ok_or(Error::Invalid)?;
    if line.intid < hw::gic::FIRST_SPI {
        return Err(Error::Invalid);
    }
    let reader = rcu::section();
    line.with(|g| {
        if line.actions(&reader).any(|a| a.flags.contains(Flags::NOBALANCING)) {
            return Err(Error::NotPermitted);
        }
        let before = g.affinity.effective;
        let effective = if usable.contains(before) { before } else { first };
        if effective != before {
            let route = percpu::area(effective).affinity.get();
            gic().set_route(percpu::this().gic_local(), line.intid, route).map_err(|_| Error::Invalid)?;
        }
        g.affinity = Affinity { cpus, effective };
        line.actions(&reader).for_each(|a| a.run.set_affinity_changed());
        Ok(())
    })
}

/// Where a line's interrupts are taken.
///
/// # Errors
/// [`Error::NotFound`]: the line is not mapped.
pub fn affinity(_: &impl Context, irq: Irq) -> Result<Affinity> {
    lookup(irq.intid()?).map(effective).ok_or(Error::NotFound)
}

pub(super) fn effective(line: &Descriptor) -> Affinity {
    line.with(|g| g.affinity)
}

/// The running thread, which is the line's, goes where the line is.
#[cold]
#[inline(never)]
pub(super) fn follow(line: &Descriptor) {
    let me = Ref(thread::current());
    // It lives, and a CPU that runs does so for good.
    let _ = sched::bind(me, me.id(), CpuSet::of(effective(line).effective));
}
