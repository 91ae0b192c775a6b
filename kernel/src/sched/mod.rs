//! How does a CPU get from one thread to the next?
//!
//! Each CPU has a queue of ready threads under its own raw lock; the running thread is not in it. A thread's *home* is the
//! CPU whose lock guards its place. Nobody holds two of these locks at once: see `smp`. A switch goes
//!
//! 1. interrupts masked, queue locked;
//! 2. the running thread is put back (preempted: head; yielding: tail) or left out (blocked), the next one taken;
//! 3. run time charged, slice armed if equals wait;
//! 4. `hw::context::switch`: from here on the *next* thread runs;
//! 5. the next thread drops the lock that the previous one took: until then nobody can pick the previous one up;
//! 6. with several CPUs: somebody who waits here may run elsewhere now, or the other way round.
//!
//! Interrupt entry → `wake` → interrupt return → `preempt` is the path that the whole kernel is about.
use crate::{
    bugs::{self, Bug},
    mask, model,
    percpu::{self, PerCpu},
    rcu, report,
    sync::raw::SpinWord,
    thread::{self, Ref, State, Traits},
    time, trace,
};
use core::cell::UnsafeCell;
use logic::runqueue::{Place, RunQueue};

mod accounting;
mod affinity;
mod class;
mod idle;
mod kept;
mod preempt;
mod smp;
mod verify;
mod wake;

pub use accounting::idle_ns;
pub(crate) use accounting::runtime_ns;
pub use affinity::{MigrateGuard, affinity, hook, migrate_disable, set_affinity};
pub(crate) use affinity::{bind, check_exit, pin, unpin};
pub(crate) use class::{NORMAL, Slicing, hand_over, inherit};
pub use class::{rr_interval, rr_timeslice_ms, set, set_rr_timeslice_ms};
pub use idle::{waits as idle_waits, waits_of as idle_waits_of};
pub(crate) use kept::{keeping_state, wake_lock_waiter};
use preempt::leaves;
pub(crate) use preempt::{interrupt_return, preempt, preempt_if_enabled, preempt_masked};
#[cfg(target_os = "none")]
pub(crate) use smp::while_suspended;
pub(crate) use smp::{introduce, resched_interrupt, with_home};
pub use verify::{Violation, verify};
pub(crate) use wake::{start, wake, wake_last, wake_last_in_place, wake_masked, wake_returning};

/// The ready threads of one CPU.
pub(crate) struct CpuQueue {
    word: SpinWord,
    published: smp::Published,
    inner: UnsafeCell<Inner>,
}

// SAFETY: `inner` is reached only with `word` held; `published` is atomic.
unsafe impl Sync for CpuQueue {}

pub(crate) struct Inner {
    running: Option<Ref>,
    /// Counter value of the last switch.
    since: u64,
    ready: RunQueue<Ref>,
    idle: Option<Ref>,
    /// The thread that ended last; its stack is free since the switch away from it was done.
    dead: Option<Ref>,
    /// The thread that was switched away from and has another home from when the lock is dropped on.
    outgoing: Option<Ref>,
    slicing: Slicing,
}

impl Inner {
    #[inline(always)]
    fn running(&self) -> Ref {
        debug_assert!(self.running.is_some());
        // SAFETY: `adopt_idle` sets it before anything else happens on this CPU, and nobody takes it away.
        unsafe { self.running.unwrap_unchecked() }
    }
}

impl CpuQueue {
    pub(crate) const fn new() -> Self {
        Self {
            word: SpinWord::new(),
            published: smp::Published::new(),
            inner: UnsafeCell::new(Inner {
                ready: RunQueue::new(),
                running: None,
                idle: None,
                dead: None,
                outgoing: None,
                since: 0,
                slicing: Slicing::new(),
            }),
        }
    }
    /// Takes the lock. Interrupts are masked.
    ///
    /// # Safety
    /// [`Self::unlock`] follows on this CPU before the reference is used again.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "the lock makes it exclusive")]
    unsafe fn lock(&self) -> &mut Inner {
        self.word.acquire_called();
        // SAFETY: the lock is held.
        unsafe { &mut *self.inner.get() }
    }
    /// As [`Self::lock`], for the queue of `cpu`, which is the CPU that calls.
    ///
    /// # Safety
    /// As [`Self::lock`].
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "the lock makes it exclusive")]
    unsafe fn lock_own(cpu: &'static PerCpu) -> &'static mut Inner {
        cpu.runqueue.word.acquire_as(cpu.token());
        // SAFETY: the lock is held.
        unsafe { &mut *cpu.runqueue.inner.get() }
    }
    /// # Safety
    /// The lock is held by this CPU and what `lock` gave is not used any more.
    #[inline(always)]
    unsafe fn unlock(&self) {
        self.word.release();
    }
    /// What the thread that runs is called, without the lock: for a report about that lock.
    pub(crate) fn running_name(&self) -> &'static str {
        // SAFETY: a word that is read as it is; whatever it was lately, it was a thread, and threads are never freed.
        let running = unsafe { (&raw const (*self.inner.get()).running).read_volatile() };
        running.map_or("nothing", |t| t.0.name())
    }
    /// Whether `thread` runs here, without the lock: true and false may be out of date.
    fn runs(&self, thread: Ref) -> bool {
        // SAFETY: as above.
        unsafe { (&raw const (*self.inner.get()).running).read_volatile() == Some(thread) }
    }
    /// Runs `f` under the lock, interrupts masked.
    #[track_caller]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Inner) -> R) -> R {
        let saved = mask::save();
        // SAFETY: unlocked below; `f` does not switch.
        let result = f(unsafe { self.lock() });
        // SAFETY: taken above.
        unsafe { self.unlock() };
        mask::restore(saved);
        result
    }
}

/// Whether this is the only CPU that runs threads.
#[inline(always)]
pub(crate) fn is_alone() -> bool {
    percpu::any().runqueue.is_alone()
}

/// Whether a thread runs on some CPU; out of date as soon as it is known.
pub(crate) fn is_running(thread: Ref) -> bool {
    thread.home().runqueue.runs(thread)
}

/// The thread that runs now becomes this CPU's idle thread.
pub(crate) fn adopt_idle(idle: Ref) {
    // SAFETY: `current` expects a thread that is never freed.
    unsafe { hw::cpu::set_current(core::ptr::from_ref(idle.0).cast()) };
    idle.context.adopt();
    idle.set_home(percpu::this());
    idle.context.set_name(idle.name());
    percpu::this().runqueue.with(|q| {
        q.idle = Some(idle);
        q.running = Some(idle);
        q.since = hw::clock::ticks();
    });
}

/// The boot context goes on as its CPU's idle thread.
pub(crate) fn adopt_idle_loop(_: Ref) -> ! {
    // Boot was no idling.
    percpu::this().runqueue.with(|q| q.since = hw::clock::ticks());
    idle::run()
}

/// Charges the time since the last switch and makes `next` the running thread, but for its stack. `traits`: those of
/// `prev`.
#[inline(always)]
fn prepare_switch(q: &mut Inner, prev: Ref, traits: Traits, next: Ref) {
    let now = time::ticks_unordered();
    let ran = now - q.since;
    q.since = now;
    prev.runtime.set(prev.runtime.get() + ran);
    if (traits | next.traits.get()).intersects(Traits::AT_SWITCH) {
        at_switch(q, prev, next, ran);
    }
    q.running = Some(next);
    trace::record(trace::SWITCH, u64::from(prev.id().0), u64::from(next.id().0));
    // SAFETY: `next` is a thread.
    unsafe { hw::cpu::set_current(core::ptr::from_ref(next.0).cast()) };
}

/// What a switch has to do besides for threads that share their time or are to leave this CPU. Once, for a switch is compiled
/// into whatever gives the CPU away.
#[inline(never)]
fn at_switch(q: &mut Inner, prev: Ref, next: Ref, ran: u64) {
    class::switch_slices(q, prev, next, ran);
    smp::leave_at_switch(q, prev);
}

/// Hands the CPU over; returns when `prev` runs again.
///
/// # Safety
/// Interrupts are masked, this CPU's queue is locked and is `q`, `prev` runs, `next` was taken out of `q`.
#[inline(always)]
unsafe fn switch(q: &mut Inner, prev: Ref, traits: Traits, next: Ref) {
    prepare_switch(q, prev, traits, next);
    // SAFETY: interrupts are masked; the queue's lock keeps every other CPU from both contexts.
    unsafe { hw::context::switch(&prev.context, &next.context) };
    // SAFETY: this is the first thing after the switch.
    unsafe { finish_switch() };
}

/// Second half of a switch, run by the thread that was switched to.
///
/// # Safety
/// Interrupts are masked and this CPU's queue is still locked by the thread that it switched from.
#[inline(always)]
pub(crate) unsafe fn finish_switch() {
    let queue = &percpu::this().runqueue;
    if queue.is_alone() {
        // SAFETY: the previous thread took the lock on this CPU and left it to us.
        unsafe { queue.unlock() };
    } else {
        // SAFETY: as above.
        unsafe { smp::finish_switch() };
    }
}

/// Frees slot and stack of the thread that ended last on each CPU. Whoever has the queue's lock knows that it has left its
/// stack: the lock is held across a switch.
pub(crate) fn bury() {
    for cpu in percpu::online().iter() {
        bury_on(percpu::area(cpu));
    }
}

fn bury_on(cpu: &'static PerCpu) {
    if let Some(dead) = cpu.runqueue.with(|q| q.dead.take()) {
        thread::table::release(dead);
    }
}

/// Takes the most urgent ready thread, or the idle one.
#[inline(always)]
fn take_next(q: &mut Inner) -> Ref {
    match q.ready.take_first().map(|(t, _)| t).or(q.idle) {
        Some(next) => next,
        None => no_idle(),
    }
}
#[cold]
#[inline(never)]
fn no_idle() -> ! {
    report::bug!("a CPU without an idle thread schedules")
}

/// The running thread is about to give the CPU away of its own accord, and has disabled something or is a reader: which it may be
/// where it waits for what sleeps under `rt` only.
#[cold]
#[inline(never)]
fn must_be_reader(prev: Ref, saved: mask::Saved) {
    if prev.preempt.own() != 0 || !saved.was_enabled() {
        atomic_bug();
    }
}

#[cold]
fn reader_yields(prev: Ref, saved: mask::Saved) {
    must_be_reader(prev, saved);
    let depth = prev.preempt.readers();
    report::warn!("voluntary context switch in an RCU reader section, depth {}: {} yields", depth, prev.name());
    rcu::switched_out(prev);
}

#[cold]
fn atomic_bug() -> ! {
    let t = thread::current();
    let site = t.preempt.site();
    report::bug!(
        "scheduling while atomic: {}, preempt count {:#x}, disabled at {}",
        t.name(),
        t.preempt.count().0,
        report::Site(site)
    );
}

/// The running thread gives the CPU away of its own accord: a preemption that is due asks for no more.
#[inline(always)]
fn gives_way(prev: Ref) {
    prev.preempt.clear_resched();
    // Where kernel code is preempted, a slice's end has had its effect before a thread gets here.
    if !model::current().is_preemptible() {
        prev.traits.set(prev.traits.get() - Traits::TO_TAIL);
    }
}

/// The running thread gives the CPU away until somebody wakes it.
///
/// Returns at once if it was woken since it set its state. Interrupts are as before on return.
#[inline(never)]
pub(crate) fn block() {
    block_in_place();
}
/// As [`block`], for the paths that are counted: everywhere else a call takes less space.
#[inline(always)]
pub(crate) fn block_in_place() {
    let prev = Ref(thread::current());
    let saved = mask::save();
    if prev.preempt.is_free() && saved.was_enabled() {
        block_masked::<false>(prev);
    } else {
        block_reader(prev, saved);
    }
    mask::restore(saved);
}
#[cold]
#[inline(never)]
fn block_reader(prev: Ref, saved: mask::Saved) {
    must_be_reader(prev, saved);
    block_masked::<true>(prev);
}
#[inline(always)]
fn block_masked<const READS: bool>(prev: Ref) {
    let cpu = percpu::this();
    // SAFETY: interrupts are masked; unlocked below or by the next thread.
    let q = unsafe { CpuQueue::lock_own(cpu) };
    // A wake-up that came between the caller's check of its condition and the lock made it Running again: no sleep.
    if prev.state.get() == State::Running as u32 && !bugs::is_on(Bug::SleepUnlooked) {
        // SAFETY: taken above.
        unsafe { cpu.runqueue.unlock() };
    } else {
        gives_way(prev);
        if READS {
            rcu::switched_out(prev);
        }
        let next = take_next(q);
        // SAFETY: interrupts masked, queue locked, `next` taken out.
        unsafe { switch(q, prev, prev.traits.get(), next) };
    }
}

/// The running thread lets its equals go first.
#[inline]
pub(crate) fn yield_now() {
    let prev = Ref(thread::current());
    let saved = mask::save();
    if !prev.preempt.is_free() || !saved.was_enabled() {
        reader_yields(prev, saved);
    }
    let cpu = percpu::this();
    // SAFETY: interrupts are masked; unlocked below or by the next thread.
    let q = unsafe { CpuQueue::lock_own(cpu) };
    gives_way(prev);
    match q.ready.give_way(prev, prev.level.get(), Place::Tail).map(|(next, _)| next).or_else(|| leaves(q, prev)) {
        // SAFETY: interrupts masked, queue locked, `next` taken out, `prev` queued or on its way to another CPU.
        Some(next) => unsafe { switch(q, prev, prev.traits.get(), next) },
        // SAFETY: taken above.
        None => unsafe { cpu.runqueue.unlock() },
    }
    mask::restore(saved);
}

/// Announces that the running thread is about to wait. Whoever changes what it waits for afterwards will wake it, as
/// [`logic::wakeflag`] tells.
#[inline(always)]
pub(crate) fn set_state(state: State) {
    thread::current().state.announce(state as u32);
}

/// The running thread is gone for good: its next switch is its last.
pub(crate) fn leave() -> ! {
    let prev = Ref(thread::current());
    let q = loop {
        // With interrupts enabled: giving a slot back takes longer than a switch may.
        bury_on(percpu::this());
        mask::disable();
        // SAFETY: interrupts are masked; unlocked below or by the next thread.
        let q = unsafe { percpu::this().runqueue.lock() };
        if q.dead.is_none() {
            break q;
        }
        // Another one has ended here meanwhile, or this is another CPU.
        // SAFETY: taken above.
        unsafe { percpu::this().runqueue.unlock() };
        mask::enable();
    };
    prev.state.set(State::Dead as u32);
    q.dead = Some(prev);
    let next = take_next(q);
    // SAFETY: interrupts masked, queue locked, `next` taken out; nobody queues a dead thread again.
    unsafe { switch(q, prev, prev.traits.get(), next) };
    report::bug!("a dead thread was switched to");
}
