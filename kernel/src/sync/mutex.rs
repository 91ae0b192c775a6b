//! How do threads exclude each other for as long as they like? The mutex (LK-07).
//!
//! Whoever has to wait sleeps, and lends its priority to the owner, along the whole chain of locks if need be
//! ([`super::rtmutex`]). Waiters get it by urgency, equals by arrival. Strictly owned: the guard cannot leave its thread.
use super::{
    lock::{Exclusive, Guard, Lock, Release},
    rtmutex::{Class, RtMutex},
    wait::{self, Limits},
};
use crate::{
    context_check,
    cx::ThreadCx,
    error::Result,
    thread::{self, ThreadId},
    time::Instant,
};

/// The kind of lock that a [`Mutex`] is.
pub struct Inheriting(pub(super) RtMutex);
/// What a holder of a mutex has: nothing but the lock.
pub struct Owned(());

/// A value that one thread at a time uses, which may sleep while it does.
///
/// ```
/// # kernel::simulation::boot(Default::default(), "", |cx| {
/// use kernel::sync::Mutex;
/// static TOTAL: Mutex<u64> = Mutex::new(0);
/// *TOTAL.lock(cx) += 1;
/// # });
/// ```
pub type Mutex<T> = Lock<T, Inheriting>;
/// The mutex is held while this lives.
pub type MutexGuard<'l, T> = Guard<'l, T, Inheriting, Owned>;

impl Release<Inheriting> for Owned {
    #[inline(always)]
    fn release(&mut self, backend: &Inheriting) {
        backend.0.unlock();
    }
}
impl Exclusive for Owned {}

// SAFETY: one thread at a time has the value.
unsafe impl<T: Send> Sync for Lock<T, Inheriting> {}

impl<T> Mutex<T> {
    /// A free mutex. In reports its name is the place of this call.
    #[track_caller]
    pub const fn new(value: T) -> Self {
        Self::with_backend(Inheriting(RtMutex::new(Class::Mutex)), value)
    }
    #[inline(always)]
    fn held(&self) -> MutexGuard<'_, T> {
        // SAFETY: its callers have just taken the lock.
        unsafe { self.guard(Owned(())) }
    }
    /// Takes it, waiting as long as it takes. A wait that would never end, for the caller itself in the end, is a BUG that
    /// names everybody in the circle.
    #[inline(always)]
    #[track_caller]
    pub fn lock(&self, cx: &mut ThreadCx) -> MutexGuard<'_, T> {
        context_check::might_sleep(cx);
        if !self.backend.0.try_fast() {
            take_slow(&self.backend.0, cx);
        }
        self.held()
    }
    /// Takes it if it is free and nobody more urgent waits; from threads only (LK-07.5).
    #[track_caller]
    pub fn try_lock(&self, cx: &mut ThreadCx) -> Option<MutexGuard<'_, T>> {
        (context_check::must_sleep(cx).is_ok() && self.backend.0.try_lock()).then(|| self.held())
    }
    /// Takes it if that is possible before `deadline`.
    ///
    /// # Errors
    /// [`TimedOut`](crate::Error::TimedOut); [`Deadlock`](crate::Error::Deadlock): the thread would wait for itself.
    #[track_caller]
    pub fn lock_until(&self, cx: &mut ThreadCx, deadline: Instant) -> Result<MutexGuard<'_, T>> {
        self.lock_limited(cx, Limits::until(deadline, "mutex"))
    }
    /// Takes it unless the thread is interrupted while it waits.
    ///
    /// # Errors
    /// [`Interrupted`](crate::Error::Interrupted); [`Deadlock`](crate::Error::Deadlock): the thread would wait for itself.
    #[track_caller]
    pub fn lock_interruptible(&self, cx: &mut ThreadCx) -> Result<MutexGuard<'_, T>> {
        self.lock_limited(cx, Limits::interruptible("mutex"))
    }
    /// Takes it unless that would never be possible.
    ///
    /// # Errors
    /// [`Deadlock`](crate::Error::Deadlock): the thread owns it, would wait for itself through other locks and their owners, or would join a
    /// chain of more than [`max_lock_depth`](super::max_lock_depth) locks.
    #[track_caller]
    pub fn lock_detect(&self, cx: &mut ThreadCx) -> Result<MutexGuard<'_, T>> {
        self.lock_limited(cx, Limits::none("mutex"))
    }
    #[track_caller]
    fn lock_limited(&self, cx: &mut ThreadCx, limits: Limits) -> Result<MutexGuard<'_, T>> {
        context_check::might_sleep(cx);
        if !self.backend.0.try_fast() {
            take_limited(&self.backend.0, cx, &limits)?;
        }
        Ok(self.held())
    }
    /// Runs `f` with the value.
    #[track_caller]
    pub fn with<R>(&self, cx: &mut ThreadCx, f: impl FnOnce(&mut T, &mut ThreadCx) -> R) -> R {
        f(&mut self.lock(cx), cx)
    }
    /// The thread that owns it; out of date as soon as it is known, unless that is the caller.
    pub fn owner(&self) -> Option<ThreadId> {
        self.backend.0.owner()
    }
    /// The most urgent thread that waits for it; out of date as soon as it is known.
    pub fn top_waiter(&self) -> Option<ThreadId> {
        self.backend.0.top_waiter()
    }
}

/// Takes the lock of a mutex that is not free, waiting as long as it takes; a kill takes effect.
#[inline(never)]
pub(super) fn take_slow(lock: &RtMutex, cx: &mut ThreadCx) {
    lock.lock_slow();
    if wait::is_killed() {
        lock.unlock();
        thread::exit(cx);
    }
}
/// As [`take_slow`], within limits.
#[inline(always)]
pub(super) fn take_limited(lock: &RtMutex, cx: &mut ThreadCx, limits: &Limits) -> Result<()> {
    let result = lock.lock_limited(limits);
    if wait::is_killed() {
        if result.is_ok() {
            lock.unlock();
        }
        thread::exit(cx);
    }
    wait::reported(result)
}

/// Takes a mutex for a thread that stands in a queue: killed or not, it comes back.
pub(super) fn lock_while_waiting<'l, T>(mutex: &'l Mutex<T>, cx: &mut ThreadCx) -> MutexGuard<'l, T> {
    context_check::might_sleep(cx);
    if !mutex.backend.0.try_fast() {
        mutex.backend.0.lock_slow();
    }
    mutex.held()
}
/// Gives a mutex back for as long as `f` takes; killed or not, the thread gets it again.
pub(super) fn unlocked<'l, T, R>(
    guard: MutexGuard<'l, T>,
    cx: &mut ThreadCx,
    f: impl FnOnce(&mut ThreadCx) -> R,
) -> (MutexGuard<'l, T>, R) {
    let (mutex, Owned(())) = guard.disassemble();
    mutex.backend.0.unlock();
    let result = f(cx);
    (lock_while_waiting(mutex, cx), result)
}

/// For tests of the detectors: what the types forbid.
pub mod hook {
    use super::Mutex;
    #[cfg(not(target_os = "none"))]
    use crate::{
        irq_flags::Off,
        thread::{ThreadId, table},
    };

    /// Gives a mutex back, whoever owns it.
    ///
    /// # Safety
    /// The caller gives up a guard that it has leaked, or wants the BUG. For tests.
    pub unsafe fn unlock<T>(mutex: &Mutex<T>) {
        mutex.backend.0.unlock();
    }
    /// The word of a mutex: the number of its owner, and bit 31 if somebody waits.
    #[cfg(not(target_os = "none"))]
    pub fn word<T>(mutex: &Mutex<T>) -> u32 {
        mutex.backend.0.word()
    }
    /// Makes the word of a mutex say that a thread owns it.
    ///
    /// # Safety
    /// Nothing runs afterwards but the verifier.
    #[cfg(not(target_os = "none"))]
    pub unsafe fn corrupt_owner<T>(mutex: &Mutex<T>, id: ThreadId) {
        mutex.backend.0.corrupt_owner(id);
    }
    /// Runs `f` while the pi lock of a live thread is held, with interrupts masked.
    ///
    /// # Safety
    /// `f` takes no lock that has to do with this thread.
    #[cfg(not(target_os = "none"))]
    pub unsafe fn with_pi_lock(id: ThreadId, f: impl FnOnce()) {
        let off = Off::new();
        let held = table::find(id).map(|t| t.0.inheritance.lock(off.cx()));
        assert!(held.is_some(), "no such thread");
        f();
    }
}
