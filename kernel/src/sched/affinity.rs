//! Which CPUs may a thread run on, and how does it stay where it is for a while?
use super::{Inner, smp};
use crate::{
    context_check,
    cx::ThreadCx,
    error::{Error, Result},
    irq_flags, model, percpu, preempt, report,
    thread::{self, Ref, State, ThreadId, Traits},
};
use core::{marker::PhantomData, sync::atomic::Ordering::Relaxed};
use logic::cpus::CpuSet;

/// Turns of a spin between two looks at a run queue.
const LOOK_AGAIN: u32 = 32;

/// The CPUs that a thread may run on, of those that run.
///
/// # Errors
/// [`Error::NotFound`]: no such live thread.
pub fn affinity(id: ThreadId) -> Result<CpuSet> {
    thread::table::find(id)
        .map(|t| smp::with_home(t, |_| t.affinity.get()).and(percpu::online()))
        .ok_or(Error::NotFound)
}

/// Binds a thread to some CPUs. When this returns it runs on none but these; one that holds preemption off, or a
/// [`MigrateGuard`], leaves its CPU when it can, and a caller that is not the thread itself waits for the former; and, where
/// the model does not preempt kernel code, until the thread gives the CPU away.
///
/// # Errors
/// Nothing was changed: [`Error::NotFound`]: no such live thread. [`Error::Invalid`]: the idle thread, or none of the
/// CPUs runs.
pub fn set_affinity(cx: &mut ThreadCx, id: ThreadId, cpus: CpuSet) -> Result<()> {
    if id == ThreadId::IDLE || cpus.and(percpu::online()).is_empty() {
        return Err(Error::Invalid);
    }
    let t = thread::table::find(id).ok_or(Error::NotFound)?;
    bind(t, id, cpus)?;
    move_now();
    // The running thread itself is preempted when its section ends, at the latest.
    while t != Ref(thread::current()) && smp::with_home(t, |q| q.running == Some(t) && !t.may_run_on(t.home())) {
        // That CPU needs the lock, too.
        (0..LOOK_AGAIN).for_each(|_| hw::cpu::relax());
        if context_check::may_sleep() {
            preempt::cond_resched(cx);
        }
    }
    Ok(())
}

/// The running thread leaves a CPU on which it must not stay, also where the model does not preempt: this is its own doing.
fn move_now() {
    let leaves = || thread::current().traits.get().contains(Traits::LEAVES);
    if !model::current().is_preemptible() && context_check::may_sleep() && leaves() {
        preempt::give_way_if_due();
    }
}

/// As [`set_affinity`], without waiting.
pub(crate) fn bind(t: Ref, id: ThreadId, cpus: CpuSet) -> Result<()> {
    // Masked until it is in a queue again: it is in nobody's but our hands meanwhile.
    let off = irq_flags::Off::new();
    let mut on_its_way = false;
    let bound = smp::change(t, |q, _| {
        if t.state() == State::Dead || !t.is_listed_as(id) {
            return Err(Error::NotFound);
        }
        t.affinity.set(cpus);
        on_its_way = move_on(q, t);
        Ok(())
    });
    if on_its_way {
        smp::place(t);
    }
    drop(off);
    bound
}

/// Makes a thread leave its CPU if it may not stay. True: it was ready and is in no queue now.
fn move_on(q: &mut Inner, t: Ref) -> bool {
    let stays = t.may_run_on(t.home());
    if q.running == Some(t) {
        if !stays {
            t.traits.set(t.traits.get() | Traits::LEAVES);
            t.preempt.want_resched();
        }
        return false;
    }
    if t.state() != State::Running {
        if !stays {
            smp::move_home(t);
        }
        return false;
    }
    if stays {
        q.ready.refresh_movable(t, t.level.get());
        return false;
    }
    q.ready.dequeue(t, t.level.get())
}

/// The running thread stays on its CPU while this lives, although it may be preempted and may sleep (CX-05).
#[must_use = "the thread may migrate as soon as this is dropped"]
pub struct MigrateGuard(PhantomData<*mut ()>);

/// Keeps the running thread on its CPU until the guard is dropped; guards nest. A change of affinity takes effect when the
/// last one goes.
pub fn migrate_disable(cx: &ThreadCx) -> MigrateGuard {
    let _ = cx;
    pin();
    MigrateGuard(PhantomData)
}

/// The running thread stays on its CPU until [`unpin`], which follows once for each call.
#[inline(always)]
pub(crate) fn pin() {
    let me = thread::current();
    // Its own; a CPU that looks at it in a queue does so after the switch.
    me.pins.store(me.pins.load(Relaxed) + 1, Relaxed);
}
/// Undoes one [`pin`]. With one CPU there is nowhere to go.
#[inline(always)]
pub(crate) fn unpin() {
    let me = thread::current();
    let pins = me.pins.load(Relaxed);
    if pins > 1 || pins == 1 && percpu::any().runqueue.is_alone() {
        me.pins.store(pins - 1, Relaxed);
    } else {
        enable();
    }
}

impl Drop for MigrateGuard {
    fn drop(&mut self) {
        unpin();
    }
}

#[inline(never)]
fn enable() {
    let me = Ref(thread::current());
    match me.pins.load(Relaxed) {
        0 => report::warn!("migrate_enable without migrate_disable by {}", me.name()),
        1 => {
            smp::change(me, |q, _| {
                me.pins.store(0, Relaxed);
                move_on(q, me);
            });
            move_now();
        }
        pins => me.pins.store(pins - 1, Relaxed),
    }
}

/// The running thread ends: a guard that has kept it on its CPU was leaked, or a spinlock's (CX-04.2).
pub(crate) fn check_exit() {
    let me = thread::current();
    let pins = me.pins.load(Relaxed);
    if pins != 0 {
        report::warn!("{} ends with migration disabled {} times", me.name(), pins);
    }
}

/// For tests of the detectors: unbalances the count on purpose.
pub mod hook {
    /// Enables migration without a disable before it.
    ///
    /// # Safety
    /// Sound; for tests.
    pub unsafe fn migrate_enable() {
        super::enable();
    }
}
