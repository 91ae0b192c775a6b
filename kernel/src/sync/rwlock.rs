//! How do short sections share what they only read? The read-write lock (LK-04).
//!
//! Under the `rt` model both sides wait asleep as for a [`SpinLock`](super::SpinLock), keeping the state that they have
//! announced; holders can be preempted, but not migrated, and interrupts stay enabled. Who waits lends its priority to a
//! writer; a writer cannot lend its own to the readers ([`super::rtmutex::RwBase`]).
use super::{
    lock::{Exclusive, Guard, Lock, Release},
    rtmutex::{Class, Place, RwBase},
};
use crate::{
    context_check,
    cx::{Irq, Level, SpinContext, SpinCx},
    sched,
    thread::ThreadId,
};
use core::marker::PhantomData;

/// The kind of lock that an [`RwLock`] is. `L`: the most urgent context that takes it. How it is taken and given back under
/// the model built is here and nowhere else.
pub struct SharedSpinning<L> {
    base: RwBase,
    level: PhantomData<fn(L)>,
}
/// What a reader has: the token of its section, and its place in the thread's record.
pub struct Reading<'c, L> {
    cx: SpinCx<'c>,
    place: Place,
    level: PhantomData<fn(L)>,
}
/// What the writer has: the token of its section.
pub struct Writing<'c, L> {
    cx: SpinCx<'c>,
    level: PhantomData<fn(L)>,
}

/// A value that is used in short sections, any number of which may read it at once.
///
/// A thread that reads it again while a writer waits would wait for that one, which waits for the thread: it is let in, with
/// a warning. That is known of the first eight locks that a thread holds for reading.
///
/// ```
/// # kernel::simulation::boot(Default::default(), "", |cx| {
/// use kernel::sync::RwLock;
/// static LIMITS: RwLock<(u32, u32)> = RwLock::new((0, 9));
/// LIMITS.write(cx).1 = 7;
/// assert_eq!(*LIMITS.read(cx), (0, 7));
/// # });
/// ```
pub type RwLock<T, L = Irq> = Lock<T, SharedSpinning<L>>;
/// The lock is held for reading while this lives. It borrows the token of the context it was taken in, so that nothing in the
/// section sleeps.
pub type RwLockReadGuard<'l, 'c, T, L = Irq> = Guard<'l, T, SharedSpinning<L>, Reading<'c, L>>;
/// The lock is held for writing while this lives; as [`RwLockReadGuard`].
pub type RwLockWriteGuard<'l, 'c, T, L = Irq> = Guard<'l, T, SharedSpinning<L>, Writing<'c, L>>;

// SAFETY: one writer at a time has the value to itself, and several readers, on several threads, share it.
unsafe impl<T: Send + Sync, L> Sync for Lock<T, SharedSpinning<L>> {}

impl<L> SharedSpinning<L> {
    #[inline(always)]
    #[track_caller]
    fn read(&self) -> Place {
        sched::pin();
        match self.base.read(None) {
            Ok(place) => place,
            Err(error) => crate::report::bug!("a wait without limits ended early: {error:?}"),
        }
    }
    fn try_read(&self) -> Option<Place> {
        sched::pin();
        let place = self.base.try_read();
        if place.is_none() {
            sched::unpin();
        }
        place
    }
    #[inline(always)]
    fn end_read(&self, place: Place) {
        self.base.leave(place);
        sched::unpin();
    }
    #[inline(always)]
    fn write(&self) {
        sched::pin();
        if !self.base.try_write_fast() {
            // Without limits it ends when the writer is inside.
            let _ = self.base.write_slow(None);
        }
    }
    fn try_write(&self) -> bool {
        sched::pin();
        let entered = self.base.try_write();
        if !entered {
            sched::unpin();
        }
        entered
    }
    #[inline(always)]
    fn end_write(&self) {
        self.base.end_write();
        sched::unpin();
    }
}
impl<L> Release<SharedSpinning<L>> for Reading<'_, L> {
    #[inline(always)]
    fn release(&mut self, backend: &SharedSpinning<L>) {
        backend.end_read(self.place);
    }
}
impl<L> Release<SharedSpinning<L>> for Writing<'_, L> {
    #[inline(always)]
    fn release(&mut self, backend: &SharedSpinning<L>) {
        backend.end_write();
    }
}
impl<L> Exclusive for Writing<'_, L> {}

impl<T, L: Level> RwLock<T, L> {
    /// A free lock. In reports its name is the place of this call.
    #[track_caller]
    pub const fn new(value: T) -> Self {
        Self::with_backend(SharedSpinning { base: RwBase::new(Class::RwLock), level: PhantomData }, value)
    }
    #[inline(always)]
    fn reading<'l, 'c>(&'l self, place: Place) -> RwLockReadGuard<'l, 'c, T, L> {
        // SAFETY: its callers have just entered as a reader, in a context whose token is borrowed for as long as the guard
        // is there.
        unsafe { self.guard(Reading { cx: SpinCx::new(), place, level: PhantomData }) }
    }
    #[inline(always)]
    fn writing<'l, 'c>(&'l self) -> RwLockWriteGuard<'l, 'c, T, L> {
        // SAFETY: as above, as the writer.
        unsafe { self.guard(Writing { cx: SpinCx::new(), level: PhantomData }) }
    }
    /// Takes it for reading, beside other readers. Behind a writer that is inside or waits, the thread waits its turn.
    #[inline]
    #[track_caller]
    pub fn read<'l, 'c, C: SpinContext>(&'l self, cx: &'c mut C) -> RwLockReadGuard<'l, 'c, T, L> {
        let _ = cx;
        context_check::might_wait();
        let place = self.backend.read();
        self.reading(place)
    }
    /// Takes it for reading unless a writer is inside or waits.
    #[track_caller]
    pub fn try_read<'l, 'c, C: SpinContext>(&'l self, cx: &'c mut C) -> Option<RwLockReadGuard<'l, 'c, T, L>> {
        let _ = cx;
        context_check::might_wait();
        self.backend.try_read().map(|place| self.reading(place))
    }
    /// Takes it for writing: waits for whoever is inside. A thread that reads it itself is a BUG.
    #[inline]
    #[track_caller]
    pub fn write<'l, 'c, C: SpinContext>(&'l self, cx: &'c mut C) -> RwLockWriteGuard<'l, 'c, T, L> {
        let _ = cx;
        context_check::might_wait();
        self.backend.write();
        self.writing()
    }
    /// Takes it for writing if nobody is inside and nobody more urgent waits.
    #[track_caller]
    pub fn try_write<'l, 'c, C: SpinContext>(&'l self, cx: &'c mut C) -> Option<RwLockWriteGuard<'l, 'c, T, L>> {
        let _ = cx;
        context_check::might_wait();
        self.backend.try_write().then(|| self.writing())
    }
    /// Runs `f` with the value, for reading, and the token of the section.
    #[inline]
    #[track_caller]
    pub fn with_read<C: SpinContext, R>(&self, cx: &mut C, f: impl FnOnce(&T, &mut SpinCx<'_>) -> R) -> R {
        let mut guard = self.read(cx);
        let (value, cx) = guard.split();
        f(value, cx)
    }
    /// Runs `f` with the value, for writing, and the token of the section.
    #[inline]
    #[track_caller]
    pub fn with_write<C: SpinContext, R>(&self, cx: &mut C, f: impl FnOnce(&mut T, &mut SpinCx<'_>) -> R) -> R {
        let mut guard = self.write(cx);
        let (value, cx) = guard.split();
        f(value, cx)
    }
    /// The thread that writes, or waits for the readers to leave; out of date as soon as it is known, unless that is the
    /// caller.
    pub fn writer(&self) -> Option<ThreadId> {
        self.backend.base.writer()
    }
    /// How many times it is held for reading; out of date as soon as it is known.
    pub fn readers(&self) -> u32 {
        self.backend.base.readers()
    }
}

impl<'c, T, L> RwLockReadGuard<'_, 'c, T, L> {
    /// The value and the token of the section, to use both at once.
    #[inline(always)]
    pub fn split(&mut self) -> (&T, &mut SpinCx<'c>) {
        let (value, held) = self.shared_parts();
        (value, &mut held.cx)
    }
    /// The token of the section.
    #[inline(always)]
    pub fn cx(&mut self) -> &mut SpinCx<'c> {
        &mut self.held().cx
    }
}
impl<'c, T, L> RwLockWriteGuard<'_, 'c, T, L> {
    /// The value and the token of the section, to use both at once.
    #[inline(always)]
    pub fn split(&mut self) -> (&mut T, &mut SpinCx<'c>) {
        let (value, held) = self.parts();
        (value, &mut held.cx)
    }
    /// The token of the section.
    #[inline(always)]
    pub fn cx(&mut self) -> &mut SpinCx<'c> {
        &mut self.held().cx
    }
}
