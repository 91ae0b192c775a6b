//! Who may do what? The context tokens.
//!
//! A token is a zero-sized proof of the context that code runs in; it cannot be made by safe code and cannot leave its
//! thread. Calls say in their signature what they need:
//!
//! | token | who has it | may |
//! |---|---|---|
//! | `&mut ThreadCx` | a thread's body, a threaded handler | everything; sleeping needs exactly this |
//! | `&mut SpinCx` | code inside a section of a spinlock | nest spinlocks and raw locks of the section's level, wake; no sleep |
//! | `&mut BhCx` | ordinary handlers, which the model runs hard or threaded | spinlocks and raw locks of level [`Irq`], wake; no sleep |
//! | `&mut HardIrqCx` | hard handlers, HARD timers | raw locks of level [`Irq`], wake; never sleeps |
//! | `&AtomicCx` | code inside a section with preemption or interrupts off | as `HardIrqCx` |
//! | `&IrqOff` | code with local interrupts masked | per-CPU data |
//!
//! Opening a section borrows the caller's token exclusively, so nothing inside it can sleep; raw locks taken inside borrow
//! the inner [`AtomicCx`] shared, so several can be held in any order.
//!
//! A lock has a **level**: the most urgent context that takes it. `lock` masks what that level needs, and taking it from
//! a more urgent context does not compile: a hard handler cannot deadlock on a lock whose holder it interrupted.
use crate::{irq_flags, preempt};
use core::marker::PhantomData;

type NotSend = PhantomData<*mut ()>;

/// A context in which kernel calls can be made. Sealed: the kernel makes them.
pub trait Context: sealed::Context {}
mod sealed {
    pub trait Context {}
    pub trait Level {}
    impl Level for super::Thread {}
    impl Level for super::Irq {}
}

/// A thread that may sleep.
pub struct ThreadCx {
    not_send: NotSend,
}
/// A hard interrupt handler: interrupts are masked.
pub struct HardIrqCx<'a> {
    scope: PhantomData<&'a mut ()>,
    not_send: NotSend,
}
/// An ordinary interrupt handler, which the model runs in the interrupt or in a thread: what it takes is of level [`Irq`].
pub struct BhCx<'a> {
    scope: PhantomData<&'a mut ()>,
    not_send: NotSend,
}
/// Code inside a section of a [`SpinLock`](crate::sync::SpinLock): it does not sleep, but under `rt` it may be preempted. With
/// level [`Irq`], an ordinary handler may have opened it.
pub struct SpinCx<'a, L> {
    scope: PhantomData<&'a mut L>,
    not_send: NotSend,
}
/// Code in which this CPU does not switch threads; with level [`Irq`], interrupts are masked too.
pub struct AtomicCx<'a, L> {
    scope: PhantomData<&'a mut L>,
    not_send: NotSend,
}
/// Proof that this CPU's interrupts are masked.
pub struct IrqOff<'a> {
    scope: PhantomData<&'a ()>,
    not_send: NotSend,
}

impl ThreadCx {
    /// # Safety
    /// The caller is the entry of a thread, which runs with preemption and interrupts enabled, and makes one token.
    pub(crate) unsafe fn new() -> Self {
        Self { not_send: PhantomData }
    }
}
impl HardIrqCx<'_> {
    /// # Safety
    /// The caller is the interrupt entry, interrupts are masked, and the token does not outlive the handler it is for.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Self { scope: PhantomData, not_send: PhantomData }
    }
    /// Interrupts are masked in a hard handler.
    pub fn irq_off(&self) -> IrqOff<'_> {
        IrqOff { scope: PhantomData, not_send: PhantomData }
    }
}
impl BhCx<'_> {
    /// # Safety
    /// The caller runs an ordinary handler, and the token does not outlive it.
    pub(crate) unsafe fn new() -> Self {
        Self { scope: PhantomData, not_send: PhantomData }
    }
}
impl<L> SpinCx<'_, L> {
    /// # Safety
    /// The caller opens a section of a spinlock of this level, and the token does not outlive it.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Self { scope: PhantomData, not_send: PhantomData }
    }
}
impl<L> AtomicCx<'_, L> {
    /// # Safety
    /// For as long as the token lives, this CPU does not switch threads, and takes no interrupt if `L` is [`Irq`].
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Self { scope: PhantomData, not_send: PhantomData }
    }
}
impl AtomicCx<'_, Irq> {
    /// Interrupts are masked inside a section of level [`Irq`].
    #[inline(always)]
    pub fn irq_off(&self) -> IrqOff<'_> {
        IrqOff { scope: PhantomData, not_send: PhantomData }
    }
}

macro_rules! contexts { ($($t:ty)*) => { $(
    impl sealed::Context for $t {}
    impl Context for $t {}
)* } }
contexts!(ThreadCx HardIrqCx<'_> BhCx<'_>);
impl<L> sealed::Context for SpinCx<'_, L> {}
impl<L> Context for SpinCx<'_, L> {}
impl<L> sealed::Context for AtomicCx<'_, L> {}
impl<L> Context for AtomicCx<'_, L> {}

/// The most urgent context that takes a lock. Sealed.
pub trait Level: sealed::Level + 'static {}
/// Taken by threads only: preemption is off while it is held.
pub enum Thread {}
/// Taken by hard handlers too: interrupts are masked while it is held.
pub enum Irq {}
impl Level for Thread {}
impl Level for Irq {}

/// Contexts in which a spinlock of level `L` can be taken: they may wait for one under every model, and did not interrupt its
/// holder under any.
pub trait SpinContext<L: Level>: Context {}
impl<L: Level> SpinContext<L> for ThreadCx {}
impl SpinContext<Irq> for BhCx<'_> {}
impl SpinContext<Thread> for SpinCx<'_, Thread> {}
impl SpinContext<Irq> for SpinCx<'_, Thread> {}
impl SpinContext<Irq> for SpinCx<'_, Irq> {}

/// What closes an atomic section: kept in a guard, undone by its drop.
#[doc(hidden)]
pub trait Section {}

/// Preemption is off until this is dropped.
#[doc(hidden)]
pub struct PreemptSection {
    _off: preempt::Off,
}
/// Interrupts are masked until this is dropped, which gives back what was.
#[doc(hidden)]
pub struct IrqSection {
    _off: irq_flags::Off,
}
/// The context is atomic enough already.
#[doc(hidden)]
pub struct NoSection;
impl Section for PreemptSection {}
impl Section for IrqSection {}
impl Section for NoSection {}

/// Contexts from which a lock of level `L` may be taken, and what taking it masks.
pub trait Opens<L: Level>: Context {
    #[doc(hidden)]
    type Section: Section;
    #[doc(hidden)]
    #[track_caller]
    fn open(&mut self) -> Self::Section;
}
/// Levels of sections inside which a lock of level `L` may be taken with nothing more to mask.
pub trait Covers<L: Level>: Level {}
impl Covers<Thread> for Thread {}
impl Covers<Irq> for Irq {}

macro_rules! opens { ($($cx:ty, $level:ty => $section:ident $open:expr;)*) => { $(
    impl Opens<$level> for $cx {
        type Section = $section;
        #[inline(always)]
        fn open(&mut self) -> $section { $open }
    }
)* } }
opens! {
    ThreadCx, Thread => PreemptSection PreemptSection { _off: preempt::Off::new() };
    ThreadCx, Irq => IrqSection IrqSection { _off: irq_flags::Off::new() };
    BhCx<'_>, Irq => IrqSection IrqSection { _off: irq_flags::Off::new() };
    SpinCx<'_, Thread>, Thread => PreemptSection PreemptSection { _off: preempt::Off::new() };
    SpinCx<'_, Thread>, Irq => IrqSection IrqSection { _off: irq_flags::Off::new() };
    SpinCx<'_, Irq>, Irq => IrqSection IrqSection { _off: irq_flags::Off::new() };
    HardIrqCx<'_>, Irq => NoSection NoSection;
    AtomicCx<'_, Thread>, Thread => NoSection NoSection;
    AtomicCx<'_, Thread>, Irq => IrqSection IrqSection { _off: irq_flags::Off::new() };
    AtomicCx<'_, Irq>, Irq => NoSection NoSection;
}

/// Contexts that stay on their CPU, with the level that their section masks.
pub trait PinnedAt<L>: Context {}
impl PinnedAt<Irq> for HardIrqCx<'_> {}
impl<L> PinnedAt<L> for AtomicCx<'_, L> {}
