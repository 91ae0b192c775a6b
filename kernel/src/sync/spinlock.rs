//! How do short sections exclude each other, also those of ordinary interrupt handlers? The spinlock (LK-02).
//!
//! Under the `rt` model it spins in name only: it is a lock with priority inheritance whose waiters sleep, keeping the state
//! that they have announced; its holder can be preempted, but not migrated, and interrupts stay enabled. Under the others it
//! spins, with preemption off, and interrupts too if ordinary interrupt handlers take it.
use super::{
    lock::{Exclusive, Guard, InSection, Lock, Release},
    rtmutex::{Class, RtMutex},
    short::{Held, Masks},
};
use crate::{
    context_check,
    cx::{Irq, Level, SpinContext, SpinCx, Thread},
    thread::ThreadId,
};
use core::marker::PhantomData;

/// The kind of lock that a [`SpinLock`] is. `L`: the most urgent context that takes it.
pub struct Spinning<L> {
    pub(super) lock: RtMutex,
    level: PhantomData<fn(L)>,
}
/// What a holder of a spinlock has: the token of its section.
pub struct SpinHeld<'c, L> {
    held: Held,
    cx: SpinCx<'c, L>,
    level: PhantomData<fn(L)>,
}

/// What a spinlock of this level masks where it spins.
pub trait SpinLevel: Level {
    #[doc(hidden)]
    const MASKS_INTERRUPTS: bool;
}
impl SpinLevel for Thread {
    const MASKS_INTERRUPTS: bool = false;
}
impl SpinLevel for Irq {
    const MASKS_INTERRUPTS: bool = true;
}
pub(super) const fn masks<L: SpinLevel>() -> Masks {
    if L::MASKS_INTERRUPTS { Masks::Interrupts } else { Masks::Preemption }
}

/// A value that is used in short sections, which do not sleep but may be preempted under `rt`. `L`: the most urgent context
/// that takes it, under the models where that matters.
pub type SpinLock<T, L = Irq> = Lock<T, Spinning<L>>;
/// The spinlock is held while this lives. It borrows the token of the context it was taken in, so that nothing in the
/// section sleeps.
pub type SpinGuard<'l, 'c, T, L = Irq> = Guard<'l, T, Spinning<L>, SpinHeld<'c, L>>;

// SAFETY: one holder at a time has the value.
unsafe impl<T: Send, L> Sync for Lock<T, Spinning<L>> {}

impl<L> Release<Spinning<L>> for SpinHeld<'_, L> {
    #[inline(always)]
    fn release(&mut self, backend: &Spinning<L>) {
        self.held.end(&backend.lock);
    }
}
impl<L> Exclusive for SpinHeld<'_, L> {}
impl<'c, L> InSection for SpinHeld<'c, L> {
    type Cx = SpinCx<'c, L>;
    #[inline(always)]
    fn token(&mut self) -> &mut SpinCx<'c, L> {
        &mut self.cx
    }
}

impl<T, L: SpinLevel> SpinLock<T, L> {
    /// A free spinlock. In reports its name is the place of this call.
    #[track_caller]
    pub const fn new(value: T) -> Self {
        Self::with_backend(Spinning { lock: RtMutex::new(Class::SpinLock), level: PhantomData }, value)
    }
    #[inline(always)]
    fn held<'l, 'c>(&'l self, held: Held) -> SpinGuard<'l, 'c, T, L> {
        // SAFETY: its callers have just taken the lock, in a context whose token is borrowed for as long as the guard is there.
        unsafe { self.guard(SpinHeld { held, cx: SpinCx::new(), level: PhantomData }) }
    }
    /// Takes it.
    #[inline]
    #[track_caller]
    pub fn lock<'l, 'c, C: SpinContext<L>>(&'l self, cx: &'c mut C) -> SpinGuard<'l, 'c, T, L> {
        let _ = cx;
        context_check::might_wait();
        let held = Held::open(masks::<L>());
        held.acquire(&self.backend.lock);
        self.held(held)
    }
    /// Takes it if it is free and nobody more urgent waits.
    #[track_caller]
    pub fn try_lock<'l, 'c, C: SpinContext<L>>(&'l self, cx: &'c mut C) -> Option<SpinGuard<'l, 'c, T, L>> {
        let _ = cx;
        context_check::might_wait();
        let mut held = Held::open(masks::<L>());
        if held.try_acquire(&self.backend.lock) {
            return Some(self.held(held));
        }
        held.close();
        None
    }
    /// Runs `f` with the value and the token of the section.
    #[inline]
    #[track_caller]
    pub fn with<C: SpinContext<L>, R>(&self, cx: &mut C, f: impl FnOnce(&mut T, &mut SpinCx<'_, L>) -> R) -> R {
        let mut guard = self.lock(cx);
        let (value, cx) = guard.split();
        f(value, cx)
    }
    /// The thread that holds it, under `rt`; out of date as soon as it is known, unless that is the caller.
    pub fn owner(&self) -> Option<ThreadId> {
        self.backend.lock.owner()
    }
}
