//! How do short sections share what they only read? The read-write lock (LK-04).
//!
//! Under the `rt` model both sides wait asleep as for a [`SpinLock`](super::SpinLock), keeping the state that they have
//! announced; holders can be preempted, but not migrated, and interrupts stay enabled. Who waits lends its priority to a
//! writer; a writer cannot lend its own to the readers ([`super::rtmutex::RwBase`]). Under the others it spins
//! ([`super::rwspin`]), with preemption off, and interrupts too if ordinary interrupt handlers take it.
use super::{
    lock::{Exclusive, Guard, InSection, Lock, Release},
    rtmutex::{Class, Place, RwBase},
    rwspin::RwSpin,
    short::Held,
    spinlock::{SpinLevel, masks},
};
use crate::{
    context_check,
    cx::{Irq, SpinContext, SpinCx},
    model,
    thread::ThreadId,
};
use core::marker::PhantomData;

/// The kind of lock that an [`RwLock`] is. `L`: the most urgent context that takes it. How it is taken and given back under
/// each model is here and nowhere else.
pub struct SharedSpinning<L> {
    pub(super) base: RwBase,
    spin: RwSpin,
    level: PhantomData<fn(L)>,
}
/// What a reader has: the token of its section, and its place in the thread's record.
pub struct Reading<'c, L> {
    held: Held,
    cx: SpinCx<'c, L>,
    place: Place,
    level: PhantomData<fn(L)>,
}
/// What the writer has: the token of its section.
pub struct Writing<'c, L> {
    held: Held,
    cx: SpinCx<'c, L>,
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

macro_rules! in_section { ($($held:ident)*) => { $(
    impl<'c, L> InSection for $held<'c, L> {
        type Cx = SpinCx<'c, L>;
        #[inline(always)]
        fn token(&mut self) -> &mut SpinCx<'c, L> {
            &mut self.cx
        }
    }
)* } }

// SAFETY: one writer at a time has the value to itself, and several readers, on several threads, share it.
unsafe impl<T: Send + Sync, L> Sync for Lock<T, SharedSpinning<L>> {}

impl<L: SpinLevel> SharedSpinning<L> {
    #[inline(always)]
    #[track_caller]
    fn read(&self) -> (Held, Place) {
        let held = Held::open(masks::<L>());
        if !model::current().rt() {
            self.spin.read();
            return (held, Place::NONE);
        }
        match self.base.read(None) {
            Ok(place) => (held, place),
            Err(error) => crate::report::bug!("a wait without limits ended early: {error:?}"),
        }
    }
    #[track_caller]
    fn try_read(&self) -> Option<(Held, Place)> {
        let mut held = Held::open(masks::<L>());
        let place =
            if model::current().rt() { self.base.try_read() } else { self.spin.try_read().then_some(Place::NONE) };
        match place {
            Some(place) => Some((held, place)),
            None => {
                held.close();
                None
            }
        }
    }
    #[inline(always)]
    #[track_caller]
    fn write(&self) -> Held {
        let held = Held::open(masks::<L>());
        if !model::current().rt() {
            self.spin.write();
        } else if !self.base.try_write_fast() {
            // Without limits it ends when the writer is inside.
            let _ = self.base.write_slow(None);
        }
        held
    }
    #[track_caller]
    fn try_write(&self) -> Option<Held> {
        let mut held = Held::open(masks::<L>());
        if if model::current().rt() { self.base.try_write() } else { self.spin.try_write() } {
            return Some(held);
        }
        held.close();
        None
    }
}
impl<L> Release<SharedSpinning<L>> for Reading<'_, L> {
    #[inline(always)]
    fn release(&mut self, backend: &SharedSpinning<L>) {
        if model::current().rt() {
            backend.base.leave(self.place);
        } else {
            backend.spin.end_read();
        }
        self.held.close();
    }
}
impl<L> Release<SharedSpinning<L>> for Writing<'_, L> {
    #[inline(always)]
    fn release(&mut self, backend: &SharedSpinning<L>) {
        if model::current().rt() {
            backend.base.end_write();
        } else {
            backend.spin.end_write();
        }
        self.held.close();
    }
}
impl<L> Exclusive for Writing<'_, L> {}
in_section!(Reading Writing);

impl<T, L: SpinLevel> RwLock<T, L> {
    /// A free lock. In reports its name is the place of this call.
    #[track_caller]
    pub const fn new(value: T) -> Self {
        Self::with_backend(
            SharedSpinning { base: RwBase::new(Class::RwLock), spin: RwSpin::new(), level: PhantomData },
            value,
        )
    }
    #[inline(always)]
    fn reading<'l, 'c>(&'l self, held: Held, place: Place) -> RwLockReadGuard<'l, 'c, T, L> {
        // SAFETY: its callers have just entered as a reader, in a context whose token is borrowed for as long as the guard
        // is there.
        unsafe { self.guard(Reading { held, cx: SpinCx::new(), place, level: PhantomData }) }
    }
    #[inline(always)]
    fn writing<'l, 'c>(&'l self, held: Held) -> RwLockWriteGuard<'l, 'c, T, L> {
        // SAFETY: as above, as the writer.
        unsafe { self.guard(Writing { held, cx: SpinCx::new(), level: PhantomData }) }
    }
    /// Takes it for reading, beside other readers. Behind a writer that is inside or waits, the thread waits its turn.
    #[inline]
    #[track_caller]
    pub fn read<'l, 'c, C: SpinContext<L>>(&'l self, cx: &'c mut C) -> RwLockReadGuard<'l, 'c, T, L> {
        let _ = cx;
        context_check::might_wait();
        let (held, place) = self.backend.read();
        self.reading(held, place)
    }
    /// Takes it for reading unless a writer is inside or waits.
    #[track_caller]
    pub fn try_read<'l, 'c, C: SpinContext<L>>(&'l self, cx: &'c mut C) -> Option<RwLockReadGuard<'l, 'c, T, L>> {
        let _ = cx;
        context_check::might_wait();
        self.backend.try_read().map(|(held, place)| self.reading(held, place))
    }
    /// Takes it for writing: waits for whoever is inside. A thread that reads it itself is a BUG.
    #[inline]
    #[track_caller]
    pub fn write<'l, 'c, C: SpinContext<L>>(&'l self, cx: &'c mut C) -> RwLockWriteGuard<'l, 'c, T, L> {
        let _ = cx;
        context_check::might_wait();
        let held = self.backend.write();
        self.writing(held)
    }
    /// Takes it for writing if nobody is inside and nobody more urgent waits.
    #[track_caller]
    pub fn try_write<'l, 'c, C: SpinContext<L>>(&'l self, cx: &'c mut C) -> Option<RwLockWriteGuard<'l, 'c, T, L>> {
        let _ = cx;
        context_check::might_wait();
        self.backend.try_write().map(|held| self.writing(held))
    }
    /// Runs `f` with the value, for reading, and the token of the section.
    #[inline]
    #[track_caller]
    pub fn with_read<C: SpinContext<L>, R>(&self, cx: &mut C, f: impl FnOnce(&T, &mut SpinCx<'_, L>) -> R) -> R {
        let mut guard = self.read(cx);
        let (value, cx) = guard.split();
        f(value, cx)
    }
    /// Runs `f` with the value, for writing, and the token of the section.
    #[inline]
    #[track_caller]
    pub fn with_write<C: SpinContext<L>, R>(&self, cx: &mut C, f: impl FnOnce(&mut T, &mut SpinCx<'_, L>) -> R) -> R {
        let mut guard = self.write(cx);
        let (value, cx) = guard.split();
        f(value, cx)
    }
    /// The thread that writes, or waits for the readers to leave, under `rt`; out of date as soon as it is known, unless that is the
    /// caller.
    pub fn writer(&self) -> Option<ThreadId> {
        self.backend.base.writer()
    }
    /// How many times it is held for reading; out of date as soon as it is known.
    pub fn readers(&self) -> u32 {
        if model::current().rt() { self.backend.base.readers() } else { self.backend.spin.readers() }
    }
}

impl<'c, T, L> RwLockReadGuard<'_, 'c, T, L> {
    /// The value and the token of the section, to use both at once.
    #[inline(always)]
    pub fn split(&mut self) -> (&T, &mut SpinCx<'c, L>) {
        let (value, held) = self.shared_parts();
        (value, &mut held.cx)
    }
}
