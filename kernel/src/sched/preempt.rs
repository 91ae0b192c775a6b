//! How does a running thread lose the CPU to a more urgent one?
use super::{CpuQueue, Inner, finish_switch, prepare_switch};
use crate::{
    latency::{Site, tell},
    mask, percpu, rcu,
    thread::{self, Ref, State, Traits},
};
use hw::upcall::Switch;
use logic::runqueue::Place;

/// The running thread is to be preempted, if somebody more urgent is ready: the queue is left locked and the switch
/// prepared, or nothing is to be done. Interrupts are masked, its preempt count is 0.
#[inline(always)]
pub(super) fn prepare_preemption() -> Option<(Ref, Ref)> {
    let prev = Ref(thread::current());
    let cpu = percpu::this();
    // SAFETY: interrupts are masked; unlocked below or by the next thread.
    let q = unsafe { CpuQueue::lock_own(cpu) };
    prev.preempt.clear_resched();
    let traits = prev.traits.get();
    let next = if traits == Traits::PLAIN {
        let next = q.ready.give_way(prev, prev.level.get(), Place::Head).map(|(next, _)| next);
        next.inspect(|&next| prepare_switch(q, prev, Traits::PLAIN, next))
    } else {
        give_way_slow(q, prev).inspect(|&next| prepare_switch(q, prev, traits, next))
    };
    if next.is_some() {
        stay_ready(prev);
        if prev.preempt.readers() != 0 {
            rcu::switched_out(prev);
        }
    } else {
        // SAFETY: taken above.
        unsafe { cpu.runqueue.unlock() };
    }
    next.map(|next| (prev, next))
}

/// A preempted thread is ready, whatever it announced: otherwise a wake-up would queue it twice. A wait takes this for a
/// wake-up, looks at its condition and announces itself again.
#[inline(always)]
pub(super) fn stay_ready(preempted: Ref) {
    preempted.state.set(State::Running as u32);
}

/// The running thread is preempted, if somebody more urgent is ready. Interrupts are masked, its preempt count is 0.
#[inline(never)]
pub(crate) fn preempt_masked() {
    // A test that fails unwinds through guards: their sections end, and nobody else runs.
    #[cfg(not(target_os = "none"))]
    if std::thread::panicking() {
        return;
    }
    if let Some((prev, next)) = prepare_preemption() {
        // SAFETY: interrupts are masked; the queue's lock keeps every other CPU from both contexts.
        unsafe { hw::context::switch(&prev.context, &next.context) };
        // SAFETY: this is the first thing after the switch.
        unsafe { finish_switch() };
    }
}

/// A thread that shares its time, was moved to another level, is to leave this CPU, or is the idle one.
#[inline(never)]
fn give_way_slow(q: &mut Inner, prev: Ref) -> Option<Ref> {
    if q.idle == Some(prev) {
        return q.ready.take_first().map(|(next, _)| next);
    }
    if let Some(next) = leaves(q, prev) {
        return Some(next);
    }
    let traits = prev.traits.get();
    let place = if traits.contains(Traits::TO_TAIL) { Place::Tail } else { Place::Head };
    prev.traits.set(traits - Traits::TO_TAIL);
    q.ready.give_way(prev, prev.level.get(), place).map(|(next, _)| next)
}

/// If the running thread is to leave this CPU, it goes to another one: who runs here then.
#[inline(always)]
pub(super) fn leaves(q: &mut Inner, prev: Ref) -> Option<Ref> {
    let traits = prev.traits.get();
    if traits.contains(Traits::LEAVES) { leave(q, prev, traits) } else { None }
}
#[inline(never)]
fn leave(q: &mut Inner, prev: Ref, traits: Traits) -> Option<Ref> {
    prev.traits.set(traits - Traits::LEAVES);
    super::smp::leaves(q, prev).then(|| {
        q.outgoing = Some(prev);
        super::take_next(q)
    })
}

/// A pending preemption, at the end of a section of the running thread.
#[inline(never)]
pub(crate) fn preempt() {
    let saved = mask::save();
    preempt_masked();
    mask::restore(saved);
}

/// As [`preempt`], unless interrupts are masked: then the end of *that* section does it.
#[cold]
#[inline(never)]
pub(crate) fn preempt_if_enabled() {
    if mask::enabled() {
        preempt();
    }
}

/// The end of an interrupt: who preempts the interrupted thread, if somebody does. Interrupts are masked.
#[inline(always)]
pub(crate) fn interrupt_return() -> Switch {
    const NOBODY: Switch = Switch { prev: core::ptr::null(), next: core::ptr::null() };
    if thread::current().preempt.preempt_due() == 0 {
        return NOBODY;
    }
    match prepare_preemption() {
        Some((prev, next)) => Switch { prev: &prev.0.context, next: &next.0.context },
        None => NOBODY,
    }
}

/// The thread that was preempted at interrupt return runs again.
#[unsafe(no_mangle)]
extern "C-unwind" fn __tophalf_switched() {
    // SAFETY: the vector calls this first thing after the switch.
    unsafe { finish_switch() };
    tell::interrupt_leave(Site::here());
}
