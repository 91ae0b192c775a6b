//! How does a thread keep bottom halves off its CPU for a while? (SI-04)
//!
//! Under `rt` and `rtb` disabling them is a lock: the first level takes its CPU's, which sleeps and lends priority, pins the
//! thread, and makes it an RCU reader; further levels count. The section can be preempted. Who cannot sleep there, because
//! preemption is off already, only counts: nobody else of this CPU can come in between (Linux `kernel/softirq.c`, `__local_bh_disable_ip`).
//! With boot argument `bh_lock=false` nobody takes the lock (Linux without `PREEMPT_RT_NEEDS_BH_LOCK`): the section pins and
//! counts, and does not keep other threads out; what does is a lock of its own, as
//! [`LocalLock::lock_nested_bh`](crate::sync::LocalLock::lock_nested_bh).
//!
//! Under the other models it is a part of the preempt count, and the section is not preempted.
#[cfg(not(target_os = "none"))]
use crate::sync::Pending;
use crate::{
    context_check,
    cx::{SpinContext, SpinCx, Thread},
    mask, model, percpu, preempt, rcu, report, sched,
    sync::rtmutex::{Class, RtMutex},
    thread,
};
use core::{cell::Cell, marker::PhantomData};
use hw::atomic::{AtomicBool, Ordering::Relaxed};

hw::global! {
    /// Boot argument `bh_lock=false`: the lock is left alone.
    static NO_LOCK: AtomicBool = AtomicBool::new(false);
}

/// Whether the section is a lock where the model has it so. Before the first thread disables bottom halves.
pub(crate) fn set_lock(lock: bool) {
    NO_LOCK.store(!lock, Relaxed);
}

/// A thread's own part, where the section is a lock.
pub(crate) struct Disabled {
    /// How often it has disabled them.
    depth: Cell<u32>,
    /// It holds its CPU's lock.
    locked: Cell<bool>,
}
impl Disabled {
    pub(crate) const fn new() -> Self {
        Self { depth: Cell::new(0), locked: Cell::new(false) }
    }
    /// Whether it has disabled them.
    pub(crate) fn is_on(&self) -> bool {
        self.depth.get() != 0
    }
}

/// A CPU's part: how deep its section is, its holder knows.
pub(crate) struct CpuBh(RtMutex);
impl CpuBh {
    pub(crate) const fn new() -> Self {
        Self(RtMutex::new(Class::Bh))
    }
}

/// Bottom halves are disabled on this CPU until this is dropped.
#[must_use = "they are enabled again as soon as this is dropped"]
pub struct BhGuard<'c> {
    cx: SpinCx<'c, Thread>,
    _off: Off,
}
impl<'c> BhGuard<'c> {
    /// The token of the section.
    pub fn cx(&mut self) -> &mut SpinCx<'c, Thread> {
        &mut self.cx
    }
}

/// Disables bottom halves on this CPU until the guard is dropped; guards nest.
#[track_caller]
pub fn disable<C: SpinContext<Thread>>(cx: &mut C) -> BhGuard<'_> {
    let _ = cx;
    // SAFETY: nothing sleeps in the section, whose guard borrows the token of the context.
    BhGuard { cx: unsafe { SpinCx::new() }, _off: Off::new() }
}

/// The section; its drop ends it.
pub(crate) struct Off(PhantomData<*mut ()>);
impl Off {
    #[track_caller]
    pub(crate) fn new() -> Self {
        if hw::cpu::in_interrupt() || !mask::enabled() {
            misplaced("disabled");
        }
        if model::current().bh_is_a_lock() {
            enter()
        } else {
            preempt::bh_disable()
        }
        Self(PhantomData)
    }
}
impl Drop for Off {
    fn drop(&mut self) {
        if hw::cpu::in_interrupt() || !mask::enabled() {
            misplaced("enabled");
        }
        if model::current().bh_is_a_lock() { leave() } else { preempt::bh_enable() }
    }
}

#[cold]
fn misplaced(what: &str) {
    let place = if hw::cpu::in_interrupt() { "in a hard interrupt" } else { "with interrupts off" };
    report::warn!("bottom halves {} {}, by {}", what, place, thread::current().name());
}

fn enter() {
    let mine = &thread::current().bh;
    if mine.depth.get() == 0 {
        sched::pin();
        rcu::enter();
        if !NO_LOCK.load(Relaxed) {
            lock(mine);
        }
    }
    mine.depth.set(mine.depth.get() + 1);
}
/// The thread stays on its CPU.
fn lock(mine: &Disabled) {
    let CpuBh(lock) = &percpu::this().bh;
    if context_check::may_block() {
        if !lock.try_fast() {
            lock.lock_keeping_state();
        }
        mine.locked.set(true);
    } else if mask::enabled() && lock.owner().is_some() {
        // With interrupts off it was told already.
        report::warn!(
            "bottom halves disabled with preemption off, in somebody's section, by {}",
            thread::current().name()
        );
    }
}

fn leave() {
    let mine = &thread::current().bh;
    mine.depth.set(mine.depth.get() - 1);
    if mine.depth.get() == 0 {
        if mine.locked.replace(false) {
            percpu::this().bh.0.unlock();
        }
        rcu::leave();
        sched::unpin();
    }
}

/// Whether the running thread's section keeps every other thread of this CPU out of such a section.
pub(crate) fn excludes() -> bool {
    if model::current().bh_is_a_lock() { thread::current().bh.locked.get() } else { preempt::context::in_softirq() }
}

/// The running thread ends: a section that it has left open is reported and over (CX-04.2).
pub(crate) fn check_exit() {
    let me = thread::current();
    if me.bh.is_on() {
        report::warn!("{} ends with bottom halves disabled", me.name());
        me.bh.depth.set(1);
        leave();
    }
}

/// The thread that holds a CPU's lock, if somebody does.
pub fn owner(cpu: usize) -> Option<thread::ThreadId> {
    percpu::area(cpu).bh.0.owner()
}

/// A CPU's lock, for tests of who gets it.
#[cfg(not(target_os = "none"))]
pub fn pending(cpu: usize) -> &'static dyn Pending {
    &percpu::area(cpu).bh.0
}
