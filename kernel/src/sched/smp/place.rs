//! Where does a thread go that becomes ready and whose home is another CPU, or that is on its way?
use super::{
    super::{Inner, class, kept, preempt::stay_ready},
    lock_home,
    published::{Words, least_urgent, next_here, of_level},
};
use crate::{
    ipi,
    percpu::{self, MAX_CPUS, PerCpu},
    thread::{Ref, State, Traits},
    trace,
};
use logic::{
    balance::Urgency,
    runqueue::{Place, preempts},
};

/// Makes a waiting thread ready whose home is another CPU. False if it was not waiting.
#[cold]
#[inline(never)]
pub(in crate::sched) fn wake_elsewhere(t: Ref) -> bool {
    make_ready_elsewhere(t, State::is_waiting)
}

/// As [`wake_elsewhere`], for a thread that waits for a lock and keeps its state.
#[cold]
#[inline(never)]
pub(in crate::sched) fn wake_lock_waiter_elsewhere(t: Ref) {
    make_ready_elsewhere(t, |state| state == State::LockWait as u32);
}

/// Makes a new thread ready that does not begin on this CPU.
#[cold]
#[inline(never)]
pub(in crate::sched) fn start_elsewhere(t: Ref) {
    make_ready_elsewhere(t, |state| state == State::New as u32);
}

#[inline(never)]
fn make_ready_elsewhere(t: Ref, due: fn(u32) -> bool) -> bool {
    let (home, q) = lock_home(t);
    if !due(t.state.look()) {
        let counts = due(State::Interruptible as u32) && kept::wake(t);
        // SAFETY: taken above.
        unsafe { home.runqueue.unlock() };
        return counts;
    }
    stay_ready(t);
    trace::record(trace::WAKE, u64::from(t.id().0), 0);
    if q.running == Some(t) {
        // On its way to sleep and not off its CPU yet: it will see its state.
        // SAFETY: as above.
        unsafe { home.runqueue.unlock() };
        return true;
    }
    // Where it was before if it runs there at once, else where it displaces the least.
    let urgency = of_level(t.level.get());
    let stays = t.may_run_on(home) && home.runqueue.known().runs() < urgency;
    if !stays && let Some(cpu) = least_urgent(t, if t.may_run_on(home) { urgency } else { Urgency::MAX }) {
        t.set_home(cpu);
    }
    // SAFETY: as above.
    unsafe { home.runqueue.unlock() };
    place(t);
    true
}

/// Queues a ready thread that is in no queue, at its home or where it displaces less. Interrupts are masked.
pub(in crate::sched) fn place(t: Ref) {
    let here = percpu::this();
    for _ in 0..MAX_CPUS {
        let (home, q) = lock_home(t);
        if !t.may_run_on(home)
            && let Some(cpu) = least_urgent(t, Urgency::MAX)
        {
            // Its affinity changed while it was on its way.
            t.set_home(cpu);
            // SAFETY: taken above.
            unsafe { home.runqueue.unlock() };
            continue;
        }
        let urgency = of_level(t.level.get());
        q.ready.enqueue(t, t.level.get(), Place::Tail);
        let preempting = next_here(q).is_some();
        let kicked = arrive(q, t, core::ptr::eq(home, here));
        home.runqueue.publish(q);
        // SAFETY: as above.
        unsafe { home.runqueue.unlock() };
        if kicked && !core::ptr::eq(home, here) {
            ipi::resched(home);
        }
        // Published; now look: whoever becomes less urgent from here on sees it waiting.
        Words::then_look();
        if preempting {
            return;
        }
        let Some(better) = least_urgent(t, urgency) else { return };
        if !take_back(t, home, better) {
            return;
        }
    }
    // It met a change at every step. It is in no queue now, and its new home takes it as it is.
    let (home, q) = lock_home(t);
    q.ready.enqueue(t, t.level.get(), Place::Tail);
    home.runqueue.publish(q);
    // SAFETY: taken above.
    unsafe { home.runqueue.unlock() };
    ipi::resched(home);
}

/// A thread came to a queue: what the running one has to be told. Whether its CPU has to look.
fn arrive(q: &mut Inner, t: Ref, here: bool) -> bool {
    let Some(running) = q.running else { return true };
    let level = t.level.get();
    if q.idle == Some(running) || preempts(level, running.level.get()) {
        running.preempt.want_resched();
        return true;
    }
    let shares = running.traits.get().contains(Traits::SLICED) && running.level.get() == level;
    if shares && here {
        class::equal_arrived(q, running);
    }
    shares
}

/// Takes a thread out of the queue that it was just put into, for a better CPU; false if somebody else has it by now.
fn take_back(t: Ref, from: &'static PerCpu, to: &'static PerCpu) -> bool {
    let (home, q) = lock_home(t);
    let found = core::ptr::eq(home, from) && t.may_run_on(to) && q.ready.dequeue(t, t.level.get());
    if found {
        t.set_home(to);
        from.runqueue.publish(q);
    }
    // SAFETY: taken above.
    unsafe { home.runqueue.unlock() };
    found
}
