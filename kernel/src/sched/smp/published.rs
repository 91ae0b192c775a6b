//! What do other CPUs know of a run queue without its lock, and which CPU is the least urgent?
use super::super::{CpuQueue, Inner};
use crate::{
    atomic_word::Word32,
    percpu::{self, PerCpu},
    thread::Ref,
};
use core::sync::atomic::AtomicU32 as BootWord;
use logic::{
    balance::{Now, Urgency},
    policy::Level,
};

/// The idle thread's, or nobody's.
pub(super) const NOBODY: Urgency = 0;

/// How urgent a thread at this level is.
pub(in crate::sched) fn of_level(level: Level) -> Urgency {
    Urgency::from(level.get()) + 1
}

/// What other CPUs know of a queue without its lock.
pub(in crate::sched) struct Published {
    /// Other CPUs that run threads; changed while they start, when nobody minds an old value.
    others: BootWord,
    urgencies: Words,
}
pub(super) type Words = logic::balance::Published<Word32>;

impl Published {
    pub(in crate::sched) const fn new() -> Self {
        let urgencies = Words::new(Word32::new(NOBODY), Word32::new(NOBODY), Word32::new(NOBODY));
        Self { others: BootWord::new(0), urgencies }
    }
}

impl CpuQueue {
    /// Whether this is the only CPU that runs threads: then nothing in this file is to be done.
    #[inline(always)]
    pub(in crate::sched) fn is_alone(&self) -> bool {
        self.published.others.load(core::sync::atomic::Ordering::Relaxed) == 0
    }
    pub(crate) fn set_others(&self, others: u32) {
        self.published.others.store(others, core::sync::atomic::Ordering::Relaxed);
    }
    pub(in crate::sched) fn known(&self) -> &Words {
        &self.published.urgencies
    }
    /// Tells the other CPUs what is here. The lock is held.
    pub(in crate::sched) fn publish(&self, q: &Inner) {
        let first = q.ready.peek().map_or(NOBODY, |(_, level)| of_level(level));
        let next = next_here(q);
        let waits = q.ready.first_movable(|t, _| Some(t) != next).map_or(NOBODY, |(_, level)| of_level(level));
        let stuck = next.is_none()
            && q.ready.movable_level().map_or(NOBODY, of_level) < first
            && q.running.is_some_and(|t| t.may_leave());
        let (runs, bound) = (running_urgency(q).max(first), if stuck { first } else { NOBODY });
        self.known().publish(Now { runs, waits, bound });
    }
}

pub(in crate::sched) fn running_urgency(q: &Inner) -> Urgency {
    match q.running {
        Some(t) if q.idle != Some(t) => of_level(t.level.get()),
        _ => NOBODY,
    }
}

/// The ready thread that preempts the running one at the next opportunity.
pub(in crate::sched) fn next_here(q: &Inner) -> Option<Ref> {
    q.ready.peek().filter(|&(_, level)| of_level(level) > running_urgency(q)).map(|(t, _)| t)
}

/// The CPUs but this one, by number.
pub(super) fn others(here: &PerCpu) -> impl Iterator<Item = &'static PerCpu> + use<> {
    percpu::online().without(here.id.get()).iter().map(percpu::area)
}

/// The least urgent CPU of those that a thread may go to, if it is less urgent than `below`.
#[inline(never)]
pub(super) fn least_urgent(t: Ref, below: Urgency) -> Option<&'static PerCpu> {
    if t.is_pinned() {
        return None;
    }
    let usable = t.affinity.get().and(percpu::online()).iter().map(percpu::area);
    let least = usable.map(|cpu| (cpu.runqueue.known().runs(), cpu)).min_by_key(|&(runs, _)| runs);
    least.filter(|&(runs, _)| runs < below).map(|(_, cpu)| cpu)
}
