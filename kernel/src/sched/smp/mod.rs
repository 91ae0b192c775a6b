//! On which CPU does a ready thread run, if there are several?
//!
//! The rule (SC-11): no thread is ready and does not run while a CPU that it may use runs something less urgent. A thread
//! breaks it when it becomes ready behind another one, and a CPU breaks it when what it runs becomes less urgent. So
//!
//! - whoever leaves a thread waiting in a queue *publishes* how urgent it is, then looks for a less urgent CPU and **pushes**;
//! - whoever makes a CPU less urgent publishes how urgent it is now, then looks for a more urgent thread and **pulls**.
//!
//! Both publish first and look afterwards, with a full fence in between: if the two meet, one of them sees the other
//! ([`logic::balance`]).
//!
//! Nobody holds the locks of two queues. A thread that moves is taken out of its queue, its home is changed under that
//! queue's lock, and it is put into the other queue: in between it is ready, in no queue, and in the hands of whoever
//! moves it. Who wants to change it meanwhile takes the lock of its new home, finds it in no queue, and changes its fields
//! only; the mover looks at them when it queues it. Interrupts are masked all the while, and everything here takes at most
//! one step a CPU.
//!
//! | file | question |
//! |---|---|
//! | `published` | what do other CPUs know of a queue without its lock? |
//! | `place` | where does a thread go that becomes ready, or is on its way? |
//! | `balance` | who waits here and could run elsewhere, or the other way round? |
use super::{Inner, class, preempt::prepare_preemption};
use crate::{
    ipi, mask,
    percpu::{self, PerCpu},
    thread::{self, Ref, State, Traits},
};
use logic::balance::Urgency;

mod balance;
mod place;
mod published;

use balance::balance;
pub(super) use balance::{leave_at_switch, leaves, move_home};
pub(super) use place::{place, start_elsewhere, wake_elsewhere, wake_lock_waiter_elsewhere};
use published::least_urgent;
pub(super) use published::{Published, next_here, of_level, running_urgency};

/// Takes the lock of a thread's home. Interrupts are masked.
#[inline(never)]
fn lock_home(t: Ref) -> (&'static PerCpu, &'static mut Inner) {
    loop {
        let cpu = t.home();
        // SAFETY: interrupts are masked; unlocked here, or by the caller of this function.
        let q = unsafe { cpu.runqueue.lock() };
        if t.is_at(cpu) {
            return (cpu, q);
        }
        // SAFETY: taken above; it moved in between.
        unsafe { cpu.runqueue.unlock() };
    }
}

/// Runs `f` under the lock of a thread's home.
#[track_caller]
pub(crate) fn with_home<R>(t: Ref, f: impl FnOnce(&mut Inner) -> R) -> R {
    let saved = mask::save();
    let (cpu, q) = lock_home(t);
    let result = f(q);
    // SAFETY: taken above.
    unsafe { cpu.runqueue.unlock() };
    mask::restore(saved);
    result
}

/// Runs `f` while a thread does not run and cannot begin to.
///
/// # Errors
/// The thread runs on the CPU of this number.
#[cfg(target_os = "none")]
pub(crate) fn while_suspended<R>(t: Ref, f: impl FnOnce() -> R) -> core::result::Result<R, usize> {
    with_home(t, |q| if q.running == Some(t) { Err(t.home().id.get()) } else { Ok(f()) })
}

/// Runs `f`, which changes a thread, under the lock of its home, and sees to what follows from the change on that CPU. `f`
/// is told whether that is this CPU.
#[track_caller]
pub(super) fn change<R>(t: Ref, f: impl FnOnce(&mut Inner, bool) -> R) -> R {
    let saved = mask::save();
    let here = percpu::this();
    let (home, q) = lock_home(t);
    let local = core::ptr::eq(home, here);
    let result = f(q, local);
    if home.runqueue.is_alone() {
        // SAFETY: taken above.
        unsafe { home.runqueue.unlock() };
    } else {
        // SAFETY: as above.
        unsafe { unlock_and_tell(home, q, local) };
    }
    mask::restore(saved);
    if saved.was_enabled() && thread::current().preempt.preempt_due() != 0 {
        super::preempt();
    }
    result
}

/// # Safety
/// The lock of `cpu`'s queue is held, the queue is `q`, and `q` is not used any more.
unsafe fn unlock_and_tell(cpu: &'static PerCpu, q: &mut Inner, local: bool) {
    cpu.runqueue.publish(q);
    // SAFETY: the caller's promise.
    unsafe { cpu.runqueue.unlock() };
    if local { balance(cpu) } else { ipi::resched(cpu) }
}

/// Drops the lock of this CPU's queue after a change that another CPU may have to know of.
///
/// # Safety
/// The lock is held, the queue is `q`, and `q` is not used any more. Interrupts are masked.
#[inline(never)]
pub(super) unsafe fn unlock_and_balance(here: &'static PerCpu, q: &mut Inner) {
    // SAFETY: the caller's promise.
    unsafe { unlock_and_tell(here, q, true) };
}

/// Second half of a switch where there are several CPUs.
///
/// # Safety
/// As [`super::finish_switch`].
#[inline(never)]
pub(super) unsafe fn finish_switch() {
    loop {
        let here = percpu::this();
        // SAFETY: the lock is held: the previous thread took it on this CPU and left it to us.
        let q = unsafe { &mut *here.runqueue.inner.get() };
        // One that sleeps is placed when it wakes: which, at its new home, this lock does not keep anybody from.
        let outgoing = q.outgoing.take().filter(|&t| {
            let ready = t.state() == State::Running;
            t.set_home(least_urgent(t, Urgency::MAX).unwrap_or(here));
            ready
        });
        here.runqueue.publish(q);
        // SAFETY: as above.
        unsafe { here.runqueue.unlock() };
        if let Some(t) = outgoing {
            place(t);
        }
        balance(here);
        // Somebody more urgent may have been pulled: then it runs first. Whatever the model: the switch is still going on.
        if thread::current().preempt.switch_due() == 0 || is_failing() {
            return;
        }
        let Some((prev, next)) = prepare_preemption() else { return };
        // SAFETY: interrupts are masked; the queue's lock keeps every other CPU from both contexts.
        unsafe { hw::context::switch(&prev.context, &next.context) };
    }
}

/// A test that fails unwinds through here, and nobody else runs.
fn is_failing() -> bool {
    #[cfg(not(target_os = "none"))]
    return std::thread::panicking();
    #[cfg(target_os = "none")]
    false
}

/// Another CPU has changed something here: in the interrupt that it sent.
pub(crate) fn resched_interrupt() {
    let here = percpu::this();
    // SAFETY: interrupts are masked; unlocked below.
    let q = unsafe { here.runqueue.lock() };
    if let Some(running) = q.running {
        let traits = running.traits.get();
        if traits.contains(Traits::SLICED) && q.idle != Some(running) && q.ready.has_equal(running.level.get()) {
            class::equal_arrived(q, running);
        }
        if traits.contains(Traits::LEAVES) || next_here(q).is_some() {
            running.preempt.want_resched();
        }
    }
    // SAFETY: taken above.
    unsafe { unlock_and_balance(here, q) };
}

/// The boot CPU, which runs threads already, tells the first other CPU what it runs.
pub(crate) fn introduce() {
    let saved = mask::save();
    let here = percpu::this();
    // SAFETY: interrupts are masked; unlocked below.
    let q = unsafe { here.runqueue.lock() };
    // SAFETY: taken above.
    unsafe { unlock_and_balance(here, q) };
    mask::restore(saved);
}
