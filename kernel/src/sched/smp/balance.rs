//! Who waits here and could run elsewhere, or waits elsewhere and could run here?
use super::{
    place::place,
    published::{NOBODY, Words, least_urgent, next_here, of_level, others},
};
use crate::{
    bugs::{self, Bug},
    ipi,
    percpu::{self, MAX_CPUS, PerCpu},
    sched::Inner,
    thread::{Ref, State, Traits},
};
use logic::balance::Urgency;

/// Sends away who waits here and can run elsewhere, fetches who waits elsewhere and can run here. Interrupts are masked, no
/// queue is locked. The running thread may have to be preempted afterwards.
pub(super) fn balance(here: &'static PerCpu) {
    // What was published is seen by whoever is not seen below.
    Words::then_look();
    for _ in 0..MAX_CPUS {
        if !push(here) {
            break;
        }
    }
    pull(here);
    make_room(here);
}

/// Sends the most urgent waiting thread that finds a better CPU there. False if there is none.
fn push(here: &'static PerCpu) -> bool {
    let waits = here.runqueue.known().waits();
    if bugs::is_on(Bug::NoPush) || waits == NOBODY || others(here).all(|cpu| cpu.runqueue.known().runs() >= waits) {
        return false;
    }
    // SAFETY: interrupts are masked; unlocked below.
    let q = unsafe { here.runqueue.lock() };
    let next = next_here(q);
    let mut target = None;
    let found = q.ready.first_movable(|t, level| {
        target = if Some(t) == next { None } else { least_urgent(t, of_level(level)) };
        target.is_some()
    });
    let moved = found.zip(target).filter(|&((t, level), _)| q.ready.dequeue(t, level)).map(|((t, _), cpu)| (t, cpu));
    if let Some((t, cpu)) = moved {
        t.set_home(cpu);
    }
    here.runqueue.publish(q);
    // SAFETY: taken above.
    unsafe { here.runqueue.unlock() };
    moved.inspect(|&(t, _)| place(t)).is_some()
}

/// Fetches the most urgent thread that waits elsewhere, if it is more urgent than what runs here.
fn pull(here: &'static PerCpu) {
    if bugs::is_on(Bug::NoPull) {
        return;
    }
    let mut asked = percpu::online().without(here.id.get());
    while let Some(cpu) = asked.iter().map(percpu::area).max_by_key(|cpu| cpu.runqueue.known().waits()) {
        let runs = here.runqueue.known().runs();
        asked = asked.without(cpu.id.get());
        if cpu.runqueue.known().bound() > runs {
            // What runs there could come here: that CPU knows what.
            ipi::resched(cpu);
        }
        if cpu.runqueue.known().waits() > runs && fetch(cpu, here, runs) {
            return;
        }
    }
}

fn fetch(from: &'static PerCpu, here: &'static PerCpu, above: Urgency) -> bool {
    // SAFETY: interrupts are masked; unlocked below.
    let q = unsafe { from.runqueue.lock() };
    let next = next_here(q);
    let found = q.ready.first_movable(|t, level| Some(t) != next && of_level(level) > above && t.may_run_on(here));
    let moved = found.filter(|&(t, level)| q.ready.dequeue(t, level));
    if let Some((t, _)) = moved {
        t.set_home(here);
    }
    from.runqueue.publish(q);
    // SAFETY: taken above.
    unsafe { from.runqueue.unlock() };
    moved.inspect(|&(t, _)| place(t)).is_some()
}

/// If the thread that comes next here may run nowhere else, and the running one may run where something less urgent does,
/// the running one goes (SC-11.6).
fn make_room(here: &'static PerCpu) {
    let bound = here.runqueue.known().bound();
    if bugs::is_on(Bug::NoRoom) || bound == NOBODY || others(here).all(|cpu| cpu.runqueue.known().runs() >= bound) {
        return;
    }
    // SAFETY: interrupts are masked; unlocked below.
    let q = unsafe { here.runqueue.lock() };
    if let Some(running) = q.running
        && q.idle != Some(running)
        && running.may_leave()
        && leaves(q, running)
    {
        running.traits.set(running.traits.get() | Traits::LEAVES);
        running.preempt.want_resched();
    }
    // SAFETY: taken above.
    unsafe { here.runqueue.unlock() };
}

/// Whether a thread that was told to leave this CPU really does: it may not stay, or makes room for a more urgent one than
/// where it can go.
pub(in crate::sched) fn leaves(q: &Inner, t: Ref) -> bool {
    if !t.may_run_on(percpu::this()) {
        return true;
    }
    let first = q.ready.peek().map_or(NOBODY, |(_, level)| of_level(level));
    least_urgent(t, of_level(t.level.get()).min(first)).is_some()
}

/// `prev` is switched away from: if it goes to sleep where it may no longer run, it wakes elsewhere.
pub(in crate::sched) fn leave_at_switch(q: &mut Inner, prev: Ref) {
    let traits = prev.traits.get();
    if traits.contains(Traits::LEAVES) {
        prev.traits.set(traits - Traits::LEAVES);
        if State::is_waiting(prev.state.get()) && !prev.may_run_on(percpu::this()) {
            // Not yet: until it has left its stack, this queue's lock is what keeps others from it.
            q.outgoing = Some(prev);
        }
    }
}

/// A waiting thread that is off its CPU may no longer run there: it wakes elsewhere. The lock of its home is held.
pub(in crate::sched) fn move_home(t: Ref) {
    if let Some(cpu) = least_urgent(t, Urgency::MAX) {
        t.set_home(cpu);
    }
}
