//! How does a section begin and end, and what if its thread loses the CPU in it? (RC-02, RC-03, RC-04, RC-09)
//!
//! The depth is a word of the thread's own. Interrupts on its CPU may read, too, and leave it as they found it. A section that is
//! not switched away from ends with one look at `special`, which is 0. Otherwise the thread stands in a list since the switch, or
//! its CPU was asked to say when the section is over; then the outermost end does so.
//!
//! An end with interrupts or preemption off, or in an interrupt, needs no other way than one without: all that it takes are raw
//! locks that nobody holds while a section ends (`state`, then those of the lock that lends, then a run queue, one after another).
use super::{boost, state, thread as gp};
use crate::{
    bh::BhGuard,
    bugs::{self, Bug},
    cx::{AtomicCx, BhCx, Context, HardIrqCx, Irq, IrqOff, Level, SpinCx, Thread as ThreadLevel, ThreadCx},
    irq_flags::Off,
    mask, percpu, report,
    thread::{self, Ref, Thread},
};
use core::{
    marker::PhantomData,
    sync::atomic::{Ordering::SeqCst, compiler_fence},
};
use logic::rcu::Progress;

/// What the outermost end of a section has to see to.
pub(super) mod special {
    /// The thread stands in a list of readers that lost their CPU.
    pub const BLOCKED: u32 = 1;
    /// Its CPU was asked whether it is outside.
    pub const ASKED: u32 = 2;
}

mod sealed {
    pub trait Reading {}
    pub trait ReadContext {}
}

/// Proof that no grace period that begins from now on ends while this is borrowed. Sealed.
pub trait Reading: sealed::Reading {}
macro_rules! reading { ($($t:ty)*) => { $(
    impl sealed::Reading for $t {}
    impl Reading for $t {}
)* } }
reading!(Section<'_> HardIrqCx<'_> IrqOff<'_> BhCx<'_> BhGuard<'_>);
impl<L> sealed::Reading for AtomicCx<'_, L> {}
impl<L> Reading for AtomicCx<'_, L> {}
impl<C: ReadContext> sealed::Reading for ReadGuard<'_, C> {}
impl<C: ReadContext> Reading for ReadGuard<'_, C> {}

/// Contexts in which a section can be opened, and what may be done in it: what the context may, but sleep. Sealed.
pub trait ReadContext: Context + sealed::ReadContext {
    /// The token of a section that was opened here.
    type Inner<'c>: Context;
    /// # Safety
    /// The caller opens a section, and the token does not outlive it.
    #[doc(hidden)]
    unsafe fn inner<'c>() -> Self::Inner<'c>;
}
macro_rules! read_context { ($([$($level:ident)?] $t:ty => $inner:ident$(<$of:ty>)?;)*) => { $(
    impl$(<$level: Level>)? sealed::ReadContext for $t {}
    impl$(<$level: Level>)? ReadContext for $t {
        type Inner<'c> = $inner<'c $(, $of)?>;
        #[inline(always)]
        unsafe fn inner<'c>() -> Self::Inner<'c> {
            // SAFETY: the section that is being opened neither sleeps nor gives more than the context itself does.
            unsafe { $inner::new() }
        }
    }
)* } }
read_context! {
    [] ThreadCx => SpinCx<ThreadLevel>;
    [L] SpinCx<'_, L> => SpinCx<L>;
    [] BhCx<'_> => SpinCx<Irq>;
    [L] AtomicCx<'_, L> => AtomicCx<L>;
    [] HardIrqCx<'_> => HardIrqCx;
}

/// A section is open until this is dropped.
pub struct Section<'c> {
    before: u32,
    scope: PhantomData<(&'c mut (), *mut ())>,
}
impl Section<'_> {
    #[inline(always)]
    fn new() -> Self {
        let me = &thread::current().preempt;
        let before = me.readers();
        me.set_readers(before + 1);
        compiler_fence(SeqCst);
        Self { before, scope: PhantomData }
    }
}
impl Drop for Section<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        compiler_fence(SeqCst);
        let me = &thread::current().preempt;
        me.set_readers(self.before);
        if me.special() != 0 {
            end_slow();
        }
    }
}

/// A section of a reader. What is loaded under it stays until it is dropped. It borrows the token of the context it was opened in,
/// so that nothing in it sleeps; sections nest through [`cx`](Self::cx).
#[must_use = "the section ends as soon as this is dropped"]
pub struct ReadGuard<'c, C: ReadContext> {
    section: Section<'c>,
    cx: C::Inner<'c>,
}
impl<'c, C: ReadContext> ReadGuard<'c, C> {
    /// The token of the section.
    pub fn cx(&mut self) -> &mut C::Inner<'c> {
        &mut self.cx
    }
    /// The section, to load under, and its token, to go on with meanwhile.
    pub fn split(&mut self) -> (&Section<'c>, &mut C::Inner<'c>) {
        (&self.section, &mut self.cx)
    }
}

/// Opens a section. Unbounded sections keep memory from being freed; under `none` and `voluntary` they are not preempted either.
///
/// Blocking in it on what sleeps under `rt` only (spinlocks, local locks) is allowed and lends priority as usual; nothing else that
/// sleeps compiles.
#[inline(always)]
pub fn read<C: ReadContext>(cx: &mut C) -> ReadGuard<'_, C> {
    let _ = cx;
    // SAFETY: the token lives in the guard, and its section with it.
    ReadGuard { section: Section::new(), cx: unsafe { C::inner() } }
}
/// Runs `f` in a section.
#[inline(always)]
pub fn with<C: ReadContext, R>(cx: &mut C, f: impl FnOnce(&Section<'_>, &mut C::Inner<'_>) -> R) -> R {
    let mut guard = read(cx);
    let (section, cx) = guard.split();
    f(section, cx)
}

/// Opens a section in whatever context.
#[inline(always)]
pub(crate) fn section() -> Section<'static> {
    Section::new()
}
/// As the beginning of a section whose end is [`leave`], for what has no guard of its own.
#[inline(always)]
pub(crate) fn enter() {
    core::mem::forget(Section::new());
}
/// As the end of a section that [`enter`] began.
#[inline(always)]
pub(crate) fn leave() {
    compiler_fence(SeqCst);
    let me = &thread::current().preempt;
    let depth = me.readers();
    if depth == 0 {
        return unbalanced();
    }
    me.set_readers(depth - 1);
    if me.special() != 0 {
        end_slow();
    }
}
#[cold]
fn unbalanced() {
    report::warn!("RCU reader section of {} ended, but none is open", thread::current().name());
}

/// The end of a section of a thread that lost its CPU in it, or was asked; if it is the outermost.
#[cold]
#[inline(never)]
fn end_slow() {
    let me = thread::current();
    if me.preempt.readers() != 0 {
        return;
    }
    // In an interrupt, or with something disabled, this CPU may be in another section still: it is asked again.
    let outside = me.preempt.own() == 0 && mask::enabled();
    let off = Off::new();
    let special = me.preempt.take_special();
    let (progress, lent) = state::with(|state| {
        let (mut progress, mut lent) = (Progress::None, false);
        if special & special::BLOCKED != 0 {
            lent = boost::take_back(state, Ref(me));
            progress = state.grace.leave(Ref(me));
        }
        if special & special::ASKED != 0 && outside && progress == Progress::None {
            progress = state.grace.quiescent(percpu::this().id.get());
        }
        (progress, lent)
    });
    if lent {
        boost::give_back();
    }
    if progress == Progress::Ended {
        gp::tell();
    }
    drop(off);
}

/// A thread in a section is being switched away from on this CPU, whose run queue is locked; interrupts are masked. It stands in a
/// list from now on until the section ends, however often that happens (RC-03.3).
#[cold]
#[inline(never)]
pub(crate) fn switched_out(prev: Ref) {
    if prev.preempt.special() & special::BLOCKED != 0 {
        return;
    }
    prev.preempt.add_special(special::BLOCKED);
    if bugs::is_on(Bug::ReaderNotListed) {
        return;
    }
    let cpu = percpu::this().id.get();
    state::with(|state| {
        if bugs::is_on(Bug::ReaderTakenForLater) {
            let _ = state.grace.quiescent(cpu);
        }
        state.grace.block(prev, cpu);
    });
}

/// The running thread ends: a section that it has left open is reported and over (RC-09.2).
pub(crate) fn check_exit(me: &'static Thread) {
    let depth = me.preempt.readers();
    if depth != 0 {
        report::warn!("{} ends in an RCU reader section, depth {}", me.name(), depth);
        me.preempt.set_readers(1);
        leave();
    }
}

/// The running thread is back from `what`, which was entered at this depth: a section that is open still is reported and over.
pub(super) fn end_leaked(me: &'static Thread, depth: u32, what: &str) {
    let now = me.preempt.readers();
    if now != depth {
        report::warn!("{} returned with RCU reader depth {}, entered with {}", what, now, depth);
        me.preempt.set_readers(depth + 1);
        leave();
    }
}

/// For tests of the detectors: unbalances the depth on purpose.
pub mod hook {
    /// Ends a section that nobody has begun.
    ///
    /// # Safety
    /// Sound as long as nothing was loaded under a section that this ends; for tests.
    pub unsafe fn leave() {
        super::leave();
    }
    /// Depth of the running thread.
    pub fn depth() -> u32 {
        crate::thread::current().preempt.readers()
    }
}
