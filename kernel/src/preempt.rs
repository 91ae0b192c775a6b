//! May this CPU switch to another thread now?
//!
//! The count of reasons why not travels with the thread ([`logic::preempt`] has its fields), the wish to switch stands
//! beside it. Leaving the last section honours the wish, so a wake-up that could not preempt is never forgotten (PM-08). Where
//! the model does not preempt kernel code, the wish stands until the thread gives the CPU away or asks (PM-02, PM-03).
use crate::{
    context_check,
    cx::{AtomicCx, Thread as ThreadLevel, ThreadCx},
    latency::{Site, tell},
    mask, model, report, sched,
    thread::{self, Thread},
};
use core::{marker::PhantomData, mem::ManuallyDrop, panic::Location};
// Not the machine's alias: these words belong to the running thread and its CPU alone, so the simulation needs no point here.
use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering::Relaxed, compiler_fence};
use logic::preempt::{Count, HARDIRQ, Misuse};

pub use model::current as model;

/// A thread's own word, changed by the CPU that runs it and by interrupts on that CPU, which leave it as they found it.
#[repr(C)]
pub(crate) struct Preempt {
    sections: Sections,
    /// Not 0: somebody more urgent is ready.
    resched: AtomicU32,
    /// What the end of its outermost section as a reader has to see to.
    special: AtomicU32,
    /// Where the count left 0, for reports.
    site: AtomicPtr<Location<'static>>,
}

/// Side by side, so that one look tells whether both are 0.
#[repr(C, align(8))]
struct Sections {
    count: AtomicU32,
    /// How deep it is in sections of RCU readers.
    readers: AtomicU32,
}

impl Preempt {
    pub(crate) const fn new(depth: u32) -> Self {
        Self {
            sections: Sections { count: AtomicU32::new(depth), readers: AtomicU32::new(0) },
            resched: AtomicU32::new(0),
            special: AtomicU32::new(0),
            site: AtomicPtr::new(core::ptr::null_mut()),
        }
    }
    /// Whether the running thread has disabled nothing, and is no reader.
    #[inline(always)]
    pub(crate) fn is_free(&self) -> bool {
        // SAFETY: eight bytes, aligned, of two words that only this CPU changes while their thread runs, so that it does not race.
        unsafe { (&raw const self.sections).cast::<u64>().read() == 0 }
    }
    /// How deep it is in sections of RCU readers.
    #[inline(always)]
    pub(crate) fn readers(&self) -> u32 {
        self.sections.readers.load(Relaxed)
    }
    #[inline(always)]
    pub(crate) fn set_readers(&self, depth: u32) {
        self.sections.readers.store(depth, Relaxed);
    }
    /// What the end of the outermost of them has to see to.
    #[inline(always)]
    pub(crate) fn special(&self) -> u32 {
        self.special.load(Relaxed)
    }
    /// Interrupts are masked.
    pub(crate) fn add_special(&self, what: u32) {
        self.special.store(self.special() | what, Relaxed);
    }
    /// Interrupts are masked.
    pub(crate) fn take_special(&self) -> u32 {
        let special = self.special();
        self.special.store(0, Relaxed);
        special
    }
    /// The thread's own part of the count: whether it may be switched away from.
    #[inline(always)]
    pub(crate) fn own(&self) -> u32 {
        self.sections.count.load(Relaxed)
    }
    /// The whole count. That an interrupt is being served need not be counted: the stack pointer in use tells.
    pub(crate) fn count(&self) -> Count {
        Count(self.own() | if hw::cpu::in_interrupt() { HARDIRQ } else { 0 })
    }
    /// Forces the count: a leak was found and reported.
    pub(crate) fn restore(&self, count: Count) {
        self.sections.count.store(count.0, Relaxed);
    }
    #[inline(always)]
    pub(crate) fn resched_wanted(&self) -> bool {
        self.resched.load(Relaxed) != 0
    }
    #[inline(always)]
    pub(crate) fn want_resched(&self) {
        self.resched.store(1, Relaxed);
    }
    #[inline(always)]
    pub(crate) fn clear_resched(&self) {
        self.resched.store(0, Relaxed);
    }
    /// Not 0 if the running thread should switch, and nothing that it has disabled forbids it.
    #[inline(always)]
    pub(crate) fn switch_due(&self) -> u32 {
        if self.sections.count.load(Relaxed) == 0 { self.resched.load(Relaxed) } else { 0 }
    }
    /// Not 0 if the running thread is to be preempted here, where it did not ask for it: the model allows it, nothing that it
    /// has disabled forbids it, and it is due. Interrupts are enabled, or about to be.
    #[inline(always)]
    pub(crate) fn preempt_due(&self) -> u32 {
        let due = self.switch_due();
        if due != 0 && !model::current().is_preemptible() { 0 } else { due }
    }
    /// Whether a more urgent thread that becomes ready preempts the running one at once, interrupts permitting: with a
    /// preemption due already, somebody else may be more urgent still. A reader has something to do before.
    #[inline(always)]
    pub(crate) fn gives_way_at_once(&self) -> bool {
        self.is_free() && !self.resched_wanted() && model::current().is_preemptible()
    }
    /// Where preemption was disabled, if it is.
    pub(crate) fn site(&self) -> Option<&'static Location<'static>> {
        // SAFETY: only `&'static Location`s are stored there.
        if self.count().in_atomic() { unsafe { self.site.load(Relaxed).as_ref() } } else { None }
    }
}

/// A section with preemption off. Kept in guards; its drop is where a pending switch happens.
pub(crate) struct Off(Site, PhantomData<*mut ()>);

impl Off {
    #[inline(always)]
    #[track_caller]
    pub(crate) fn new() -> Self {
        enter();
        Self(Site::here(), PhantomData)
    }
    /// As a drop, which has no place of its own: the section ends where this is called.
    #[inline(always)]
    #[track_caller]
    fn end(self) {
        let _ = ManuallyDrop::new(self);
        leave(Site::here());
    }
}
impl Drop for Off {
    #[inline(always)]
    fn drop(&mut self) {
        leave(self.0);
    }
}

#[inline(always)]
#[track_caller]
fn enter() {
    let word = &thread::current().preempt;
    let count = word.sections.count.load(Relaxed);
    if count & 0xff >= logic::preempt::DEPTH_WARN - 1 {
        deep(word);
    }
    word.sections.count.store(count + 1, Relaxed);
    if count == 0 {
        word.site.store(core::ptr::from_ref(Location::caller()).cast_mut(), Relaxed);
        tell::preempt_off(Site::here());
    }
    compiler_fence(SeqCst);
}

#[inline(always)]
fn leave(site: Site) {
    compiler_fence(SeqCst);
    let word = &thread::current().preempt;
    let count = word.sections.count.load(Relaxed);
    if count & 0xff == 0 {
        report::warn!("preempt_enable without preempt_disable, count {:#x}", count);
        return;
    }
    if count == 1 {
        tell::preempt_on(site);
    }
    word.sections.count.store(count - 1, Relaxed);
    if count == 1 && word.resched_wanted() && model::current().is_preemptible() {
        sched::preempt_if_enabled();
    }
}

/// Bottom halves are disabled once more, where that is part of the count.
pub(crate) fn bh_disable() {
    let word = &thread::current().preempt;
    match word.count().bh_disable() {
        (_, Some(_)) => report::bug!("preempt count overflow"),
        (count, None) => word.sections.count.store(count.0 & !HARDIRQ, Relaxed),
    }
    compiler_fence(SeqCst);
}
/// Undoes one [`bh_disable`].
pub(crate) fn bh_enable() {
    compiler_fence(SeqCst);
    let word = &thread::current().preempt;
    match word.count().bh_enable() {
        (_, Some(_)) => report::warn!("bottom halves enabled without a disable"),
        (count, None) => word.sections.count.store(count.0 & !HARDIRQ, Relaxed),
    }
    if word.preempt_due() != 0 {
        sched::preempt_if_enabled();
    }
}

#[cold]
#[track_caller]
fn deep(word: &Preempt) {
    match word.count().disable().1 {
        Some(Misuse::Deep) => {
            report::warn!("preemption disabled {} times, missing enables?", logic::preempt::DEPTH_WARN);
        }
        Some(Misuse::Overflow) => report::bug!("preempt count overflow"),
        _ => {}
    }
}

/// Preemption is off while this lives. Dropping it switches threads if one more urgent became ready meanwhile.
#[must_use = "preemption is on again as soon as this is dropped"]
pub struct PreemptGuard<'c> {
    cx: AtomicCx<'c, ThreadLevel>,
    _off: Off,
}

impl<'c> PreemptGuard<'c> {
    /// The token of the section.
    pub fn cx(&mut self) -> &mut AtomicCx<'c, ThreadLevel> {
        &mut self.cx
    }
    /// As a drop. The latency tracers name this place for the end of the section, not the guard's.
    #[track_caller]
    pub fn enable(self) {
        self._off.end();
    }
}

/// Disables preemption until the guard is dropped. Interrupts still happen; sleeping does not compile.
#[track_caller]
pub fn disable(cx: &mut ThreadCx) -> PreemptGuard<'_> {
    let _ = cx;
    // SAFETY: preemption is off as long as `_off`, dropped with the guard, is there.
    PreemptGuard { _off: Off::new(), cx: unsafe { AtomicCx::new() } }
}

/// A place in a long piece of work at which a more urgent thread may run first: does so if one is ready, on the models that do
/// not preempt kernel code anyway (`none` and `voluntary`). In an atomic section it warns and does nothing.
#[inline]
#[track_caller]
pub fn cond_resched(_: &mut ThreadCx) {
    context_check::might_switch();
    if model::current().preempts_in_cond_resched() && context_check::may_sleep() {
        give_way_if_due();
    }
}

/// Says that what follows may sleep, as every blocking call does itself: warns where that is forbidden, and on the model
/// `voluntary` lets a more urgent thread run first.
#[inline]
#[track_caller]
pub fn might_sleep(cx: &mut ThreadCx) {
    context_check::might_sleep(cx);
}

/// Whether a more urgent thread waits for the running one to give way: it has to at the next point where the model lets it.
pub fn resched_pending() -> bool {
    thread::current().preempt.resched_wanted()
}

/// The running thread asks to be preempted, if it is due. It may sleep here.
#[inline(always)]
pub(crate) fn give_way_if_due() {
    if thread::current().preempt.switch_due() != 0 {
        sched::preempt();
    }
}

/// Queries about the context that code runs in, callable anywhere (CX-01).
pub mod context {
    use super::*;
    /// The whole count of the running thread.
    pub fn preempt_count() -> u32 {
        thread::current().preempt.count().counts()
    }
    /// In an NMI?
    pub fn in_nmi() -> bool {
        thread::current().preempt.count().in_nmi()
    }
    /// In a hard interrupt handler?
    pub fn in_hardirq() -> bool {
        thread::current().preempt.count().in_hardirq()
    }
    /// Are bottom halves being served here, or disabled?
    pub fn in_softirq() -> bool {
        let me = thread::current();
        me.bh.is_on() || me.preempt.count().in_softirq()
    }
    /// Is a bottom half being served here?
    pub fn in_serving_softirq() -> bool {
        thread::current().preempt.count().in_serving_softirq()
    }
    /// In a thread's own code?
    pub fn in_task() -> bool {
        thread::current().preempt.count().in_task()
    }
    /// Is sleeping forbidden by the count?
    pub fn in_atomic() -> bool {
        thread::current().preempt.count().in_atomic()
    }
    /// Could the running thread be preempted here?
    pub fn preemptible() -> bool {
        thread::current().preempt.count().preemptible(mask::enabled())
    }
}

/// For tests of the detectors: unbalances the count on purpose.
pub mod hook {
    /// Enables preemption without a disable before it.
    ///
    /// # Safety
    /// Sound, but breaks the pairing that every section relies on; for tests.
    #[track_caller]
    pub unsafe fn enable() {
        super::leave(super::Site::here());
    }
    /// Disables preemption without a guard.
    ///
    /// # Safety
    /// As [`enable`].
    #[track_caller]
    pub unsafe fn disable() {
        super::enter();
    }
}

/// What a callback must leave as it found it.
#[derive(Clone, Copy)]
pub(crate) struct Balance(Count);

impl Balance {
    /// The count before a callback.
    #[inline(always)]
    pub(crate) fn begin(thread: &Thread) -> Self {
        Self(Count(thread.preempt.own()))
    }
    /// What it is to be, whatever it is now.
    pub(crate) fn begin_with(count: Count) -> Self {
        Self(count)
    }
    /// Whether it is as it was.
    #[inline(always)]
    pub(crate) fn holds(self, thread: &Thread) -> bool {
        thread.preempt.own() == self.0.0
    }
    /// Compares after it, reports and mends a leak (CX-04).
    #[inline(always)]
    pub(crate) fn end(self, thread: &Thread, what: &str) {
        let now = Count(thread.preempt.own());
        if now != self.0 {
            leaked(thread, what, self.0, now);
        }
    }
}

#[cold]
fn leaked(thread: &Thread, what: &str, before: Count, now: Count) {
    thread.preempt.restore(before);
    match before.0 {
        0 => tell::preempt_on(Site::here()),
        _ => tell::preempt_off(Site::here()),
    }
    report::warn!("{} returned with preempt count {:#x}, entered with {:#x}", what, now.0, before.0);
}
