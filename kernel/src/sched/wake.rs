//! How does a waiting thread become ready, and who runs then?
use super::{
    CpuQueue, Inner, class, kept,
    preempt::{preempt, stay_ready},
    prepare_switch, smp, switch,
};
use crate::{
    irq_flags, mask,
    percpu::{self, PerCpu},
    thread::{self, Ref, State, Traits},
    trace,
};
use hw::upcall::Switch;
use logic::{
    policy::Level,
    runqueue::{Place, preempts},
};

/// Makes a waiting thread ready. False if it was not waiting. Interrupts are masked.
///
/// The switch, if it is due, happens where the caller's section ends.
#[inline(never)]
pub(crate) fn wake_masked(thread: Ref) -> bool {
    let cpu = percpu::this();
    // SAFETY: interrupts are masked; unlocked below.
    let q = unsafe { CpuQueue::lock_own(cpu) };
    if !thread.is_at(cpu) {
        // SAFETY: taken above.
        unsafe { cpu.runqueue.unlock() };
        return smp::wake_elsewhere(thread);
    }
    let woken = wake_locked(q, thread);
    // SAFETY: taken above.
    unsafe { unlock_changed(cpu, q) };
    woken
}

/// Drops the lock after a thread was queued; with several CPUs, it may be able to run elsewhere.
///
/// # Safety
/// This CPU holds the lock of its queue, which is `q`, and uses `q` no more.
#[inline(always)]
pub(super) unsafe fn unlock_changed(cpu: &'static PerCpu, q: &mut Inner) {
    if cpu.runqueue.is_alone() {
        // SAFETY: the caller's promise.
        unsafe { cpu.runqueue.unlock() };
    } else {
        // SAFETY: as above.
        unsafe { smp::unlock_and_balance(cpu, q) };
    }
}

#[inline(never)]
pub(super) fn wake_locked(q: &mut Inner, thread: Ref) -> bool {
    if !State::is_waiting(thread.state.look()) {
        return kept::wake(thread);
    }
    wake_waiting(q, thread);
    true
}

/// As [`wake_locked`], for a thread that is known to wait.
#[inline(always)]
pub(super) fn wake_waiting(q: &mut Inner, thread: Ref) {
    thread.state.set(State::Running as u32);
    trace::record(trace::WAKE, u64::from(thread.id().0), 0);
    // On its way to sleep and not off the CPU yet: it will see its state.
    if q.running != Some(thread) {
        make_ready(q, thread, thread.level.get());
    }
}

/// Queues a thread that became ready and asks for a switch if it outranks the running one.
#[inline(always)]
fn make_ready(q: &mut Inner, thread: Ref, level: Level) {
    q.ready.enqueue(thread, level, Place::Tail);
    let running = q.running();
    if preempts(level, running.level.get()) {
        running.preempt.want_resched();
    } else if running.traits.get() != Traits::PLAIN {
        ready_beside(q, running, level);
    }
}

/// A thread became ready that does not outrank the running one by its level.
#[inline(never)]
pub(super) fn ready_beside(q: &mut Inner, running: Ref, level: Level) {
    if q.idle == Some(running) {
        running.preempt.want_resched();
    } else if running.traits.get().contains(Traits::SLICED) && running.level.get() == level {
        class::equal_arrived(q, running);
    }
}

/// Makes a waiting thread ready as the last thing in a section, and ends the section.
///
/// Where the woken thread preempts the running one at once, it never stands in the queue: one lock for both.
#[inline(never)]
pub(crate) fn wake_last(thread: Ref, section: irq_flags::Off) {
    wake_last_in_place(thread, section);
}
/// As [`wake_last`], for the paths that are counted: everywhere else a call takes less space.
#[inline(always)]
pub(crate) fn wake_last_in_place(thread: Ref, section: irq_flags::Off) {
    let me = Ref(thread::current());
    if me.preempt.gives_way_at_once() && section.will_enable() {
        wake_or_switch(me, thread);
    } else {
        wake_masked(thread);
    }
    section.leave();
}

/// The running thread may be preempted here. Interrupts are masked.
#[inline(always)]
fn wake_or_switch(me: Ref, thread: Ref) {
    let cpu = percpu::this();
    // SAFETY: interrupts are masked; unlocked below or by the next thread.
    let q = unsafe { CpuQueue::lock_own(cpu) };
    if !thread.is_at(cpu) {
        // SAFETY: taken above.
        unsafe { cpu.runqueue.unlock() };
        smp::wake_elsewhere(thread);
        return;
    }
    // SAFETY: taken above; its caller's section is the only one.
    unsafe { wake_or_switch_locked(q, me, thread) };
}

/// # Safety
/// Interrupts are masked, by the caller's section only; preemption is on and none is due; this CPU's queue is locked and is
/// `q`, and `thread` is at home here. The lock is dropped.
#[inline(always)]
pub(super) unsafe fn wake_or_switch_locked(q: &mut Inner, me: Ref, thread: Ref) {
    let waiting = State::is_waiting(thread.state.look());
    if waiting && preempts(thread.level.get(), me.level.get()) && me.traits.get() == Traits::PLAIN {
        thread.state.set(State::Running as u32);
        trace::record(trace::WAKE, u64::from(thread.id().0), 0);
        stay_ready(me);
        q.ready.enqueue(me, me.level.get(), Place::Head);
        // SAFETY: interrupts masked, queue locked; `thread` was waiting, so it is in no queue, and does not run, because
        // its level is not the running one's.
        unsafe { switch(q, me, Traits::PLAIN, thread) };
    } else {
        wake_locked(q, thread);
        // SAFETY: the caller's promise.
        unsafe { unlock_changed(percpu::this(), q) };
    }
}

/// Makes a waiting thread ready as the last thing that an interrupt does. `None`: the interrupt's return decides who runs;
/// else the woken thread preempts the interrupted one, and the answer is the interrupt's. Interrupts are masked.
///
/// As [`wake_last`]: the woken thread never stands in the queue.
#[inline(always)]
pub(crate) fn wake_returning(thread: Ref, intid: u32) -> Option<Switch> {
    let me = Ref(thread::current());
    let cpu = percpu::this();
    // SAFETY: interrupts are masked; unlocked below or by the next thread.
    let q = unsafe { CpuQueue::lock_own(cpu) };
    if !thread.is_at(cpu) {
        // SAFETY: taken above.
        unsafe { cpu.runqueue.unlock() };
        smp::wake_elsewhere(thread);
        return None;
    }
    let due = me.preempt.gives_way_at_once() && me.traits.get() == Traits::PLAIN;
    let waiting = State::is_waiting(thread.state.look());
    if due && waiting && preempts(thread.level.get(), me.level.get()) {
        thread.state.set(State::Running as u32);
        trace::record(trace::WAKE, u64::from(thread.id().0), 0);
        trace::record(trace::IRQ_EXIT, u64::from(intid), 0);
        stay_ready(me);
        q.ready.enqueue(me, me.level.get(), Place::Head);
        prepare_switch(q, me, Traits::PLAIN, thread);
        return Some(Switch { prev: &me.0.context, next: &thread.0.context });
    }
    wake_locked(q, thread);
    // SAFETY: taken above.
    unsafe { unlock_changed(cpu, q) };
    None
}

/// Makes a waiting thread ready, from any context. False if it was not waiting.
pub(crate) fn wake(thread: Ref) -> bool {
    let saved = mask::save();
    let woken = wake_masked(thread);
    mask::restore(saved);
    if saved.was_enabled() && thread::current().preempt.preempt_due() != 0 {
        preempt();
    }
    woken
}

/// Puts a new thread among the ready ones.
pub(crate) fn start(thread: Ref) {
    let saved = mask::save();
    let cpu = percpu::this();
    // SAFETY: interrupts are masked; unlocked below.
    let q = unsafe { cpu.runqueue.lock() };
    if thread.is_at(cpu) && thread.may_run_on(cpu) {
        thread.state.set(State::Running as u32);
        make_ready(q, thread, thread.level.get());
        // SAFETY: taken above.
        unsafe { unlock_changed(cpu, q) };
    } else {
        // SAFETY: taken above.
        unsafe { cpu.runqueue.unlock() };
        smp::start_elsewhere(thread);
    }
    mask::restore(saved);
    if saved.was_enabled() && thread::current().preempt.preempt_due() != 0 {
        preempt();
    }
}
