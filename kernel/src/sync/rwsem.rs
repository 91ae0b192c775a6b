//! How do threads share what they only read, for as long as they like? The read-write semaphore (LK-06).
//!
//! As the read-write lock, but its holders may sleep, and its waiters can be interrupted or run out of time. Whoever waits
//! lends its priority to a writer ([`super::rtmutex::RwBase`]). A reader may leave it to somebody else to give the lock back.
use super::{
    lock::{Exclusive, Guard, Lock, Release},
    rtmutex::{Class, Place, RwBase},
    wait::{self, Limits},
};
use crate::{
    context_check,
    cx::ThreadCx,
    error::Result,
    thread::{self, ThreadId},
    time::Instant,
};
use core::ops::Deref;

/// What the waiters show.
const WCHAN: &str = "rw-semaphore";

/// The kind of lock that an [`RwSemaphore`] is.
pub struct Shared(pub(super) RwBase);
/// What a reader has: its place in the thread's record.
pub struct Reading(Place);
/// What the writer has: nothing but the lock.
pub struct Writing(());

/// A value that several threads may read at once, or one may change.
///
/// A thread that reads it again is let in, with a warning: a writer may have begun to wait in between. That is known of
/// the first eight locks that a thread holds for reading.
///
/// ```
/// # kernel::simulation::boot(Default::default(), "", |cx| {
/// use kernel::sync::RwSemaphore;
/// static TABLE: RwSemaphore<[u32; 4]> = RwSemaphore::new([0; 4]);
/// let mut written = TABLE.write(cx);
/// written[2] = 7;
/// let read = written.downgrade();
/// assert_eq!(read[2], 7);
/// # });
/// ```
pub type RwSemaphore<T> = Lock<T, Shared>;
/// The semaphore is held for reading while this lives.
pub type RwSemaphoreReadGuard<'l, T> = Guard<'l, T, Shared, Reading>;
/// The semaphore is held for writing while this lives.
pub type RwSemaphoreWriteGuard<'l, T> = Guard<'l, T, Shared, Writing>;

// SAFETY: one writer at a time has the value to itself, and several readers, on several threads, share it.
unsafe impl<T: Send + Sync> Sync for Lock<T, Shared> {}

impl Release<Shared> for Reading {
    #[inline(always)]
    fn release(&mut self, backend: &Shared) {
        backend.0.leave(self.0);
    }
}
impl Release<Shared> for Writing {
    #[inline(always)]
    fn release(&mut self, backend: &Shared) {
        backend.0.end_write();
    }
}
impl Exclusive for Writing {}

impl<T> RwSemaphore<T> {
    /// A free semaphore. In reports its name is the place of this call.
    #[track_caller]
    pub const fn new(value: T) -> Self {
        Self::with_backend(Shared(RwBase::new(Class::RwSemaphore)), value)
    }
    #[inline(always)]
    fn reading(&self, place: Place) -> RwSemaphoreReadGuard<'_, T> {
        // SAFETY: its callers have just entered as a reader.
        unsafe { self.guard(Reading(place)) }
    }
    #[inline(always)]
    fn writing(&self) -> RwSemaphoreWriteGuard<'_, T> {
        // SAFETY: its callers have just entered as the writer.
        unsafe { self.guard(Writing(())) }
    }

    #[inline(always)]
    #[track_caller]
    fn read_with(&self, cx: &mut ThreadCx, limits: Option<&Limits>) -> Result<RwSemaphoreReadGuard<'_, T>> {
        context_check::might_sleep(cx);
        self.backend.0.check_recursion();
        let entered = match self.backend.0.try_read() {
            Some(place) => Ok(place),
            None => self.read_slow(cx, limits),
        };
        entered.map(|place| self.reading(place))
    }
    #[inline(never)]
    #[track_caller]
    fn read_slow(&self, cx: &mut ThreadCx, limits: Option<&Limits>) -> Result<Place> {
        let entered = self.backend.0.read(limits);
        if wait::is_killed() {
            if let Ok(place) = entered {
                self.backend.0.leave(place);
            }
            thread::exit(cx);
        }
        wait::reported(entered)
    }
    #[inline(always)]
    #[track_caller]
    fn write_with(&self, cx: &mut ThreadCx, limits: Option<&Limits>) -> Result<RwSemaphoreWriteGuard<'_, T>> {
        context_check::might_sleep(cx);
        if !self.backend.0.try_write_fast() {
            self.write_slow(cx, limits)?;
        }
        Ok(self.writing())
    }
    #[inline(never)]
    fn write_slow(&self, cx: &mut ThreadCx, limits: Option<&Limits>) -> Result<()> {
        let entered = self.backend.0.write_slow(limits);
        if wait::is_killed() {
            if entered.is_ok() {
                self.backend.0.end_write();
            }
            thread::exit(cx);
        }
        wait::reported(entered)
    }

    /// Takes it for reading, beside other readers. Behind a writer that is inside or waits, the thread waits its turn.
    #[inline]
    #[track_caller]
    pub fn read(&self, cx: &mut ThreadCx) -> RwSemaphoreReadGuard<'_, T> {
        match self.read_with(cx, None) {
            Ok(guard) => guard,
            Err(error) => crate::report::bug!("a wait without limits ended early: {error:?}"),
        }
    }
    /// Takes it for reading if that is possible before `deadline`.
    ///
    /// # Errors
    /// [`TimedOut`](crate::Error::TimedOut); [`Deadlock`](crate::Error::Deadlock): the thread would wait for itself.
    #[track_caller]
    pub fn read_until(&self, cx: &mut ThreadCx, deadline: Instant) -> Result<RwSemaphoreReadGuard<'_, T>> {
        self.read_with(cx, Some(&Limits::until(deadline, WCHAN)))
    }
    /// Takes it for reading unless the thread is interrupted while it waits.
    ///
    /// # Errors
    /// [`Interrupted`](crate::Error::Interrupted); [`Deadlock`](crate::Error::Deadlock): the thread would wait for itself.
    #[track_caller]
    pub fn read_interruptible(&self, cx: &mut ThreadCx) -> Result<RwSemaphoreReadGuard<'_, T>> {
        self.read_with(cx, Some(&Limits::interruptible(WCHAN)))
    }
    /// Takes it for reading unless a writer is inside or waits; from threads only.
    #[track_caller]
    pub fn try_read(&self, cx: &mut ThreadCx) -> Option<RwSemaphoreReadGuard<'_, T>> {
        context_check::must_sleep(cx).ok()?;
        self.backend.0.try_read().map(|place| self.reading(place))
    }

    /// Takes it for writing: waits for whoever is inside. A wait that would never end, for the caller itself in the end, is a
    /// BUG as far as it can be known: who the readers are is not.
    #[inline]
    #[track_caller]
    pub fn write(&self, cx: &mut ThreadCx) -> RwSemaphoreWriteGuard<'_, T> {
        match self.write_with(cx, None) {
            Ok(guard) => guard,
            Err(error) => crate::report::bug!("a wait without limits ended early: {error:?}"),
        }
    }
    /// Takes it for writing if that is possible before `deadline`; if it is not, readers that had to wait for this one are
    /// let in.
    ///
    /// # Errors
    /// [`TimedOut`](crate::Error::TimedOut); [`Deadlock`](crate::Error::Deadlock): the thread would wait for itself.
    #[track_caller]
    pub fn write_until(&self, cx: &mut ThreadCx, deadline: Instant) -> Result<RwSemaphoreWriteGuard<'_, T>> {
        self.write_with(cx, Some(&Limits::until(deadline, WCHAN)))
    }
    /// Takes it for writing unless the thread is interrupted while it waits, as [`write_until`](Self::write_until).
    ///
    /// # Errors
    /// [`Interrupted`](crate::Error::Interrupted); [`Deadlock`](crate::Error::Deadlock): the thread would wait for itself.
    #[track_caller]
    pub fn write_interruptible(&self, cx: &mut ThreadCx) -> Result<RwSemaphoreWriteGuard<'_, T>> {
        self.write_with(cx, Some(&Limits::interruptible(WCHAN)))
    }
    /// Takes it for writing if nobody is inside and nobody more urgent waits; from threads only.
    #[track_caller]
    pub fn try_write(&self, cx: &mut ThreadCx) -> Option<RwSemaphoreWriteGuard<'_, T>> {
        (context_check::must_sleep(cx).is_ok() && self.backend.0.try_write()).then(|| self.writing())
    }
    /// The thread that writes, or waits for the readers to leave; out of date as soon as it is known, unless that is the
    /// caller.
    pub fn writer(&self) -> Option<ThreadId> {
        self.backend.0.writer()
    }
    /// How many times it is held for reading; out of date as soon as it is known.
    pub fn readers(&self) -> u32 {
        self.backend.0.readers()
    }
}

impl<'l, T> RwSemaphoreWriteGuard<'l, T> {
    /// The writer becomes a reader; nobody writes in between. Whoever is the most urgent of those that wait is next: readers
    /// come in beside it.
    pub fn downgrade(self) -> RwSemaphoreReadGuard<'l, T> {
        let (lock, Writing(())) = self.disassemble();
        lock.reading(lock.backend.0.downgrade())
    }
}
impl<'l, T> RwSemaphoreReadGuard<'l, T> {
    /// The lock is held for reading on behalf of nobody in particular: another thread may give it back.
    pub fn into_nonowner(self) -> NonOwnerReadGuard<'l, T> {
        let (lock, Reading(place)) = self.disassemble();
        lock.backend.0.disown(place);
        NonOwnerReadGuard(lock)
    }
}

/// The semaphore is held for reading while this lives, which may go to another thread and be dropped there, or in any
/// context. No thread counts as its reader: one that waits to write behind it waits for whoever has this.
#[must_use = "the lock is given back as soon as this is dropped"]
pub struct NonOwnerReadGuard<'l, T>(&'l RwSemaphore<T>);

impl<T> Deref for NonOwnerReadGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: a reader is inside until this is dropped.
        unsafe { self.0.shared() }
    }
}
impl<T> Drop for NonOwnerReadGuard<'_, T> {
    fn drop(&mut self) {
        self.0.backend.0.leave_unowned();
    }
}
