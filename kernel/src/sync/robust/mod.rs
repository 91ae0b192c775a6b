//! What becomes of a lock whose owner ends in the middle of its section? The robust mutex (OW-01).
//!
//! A mutex as [`Mutex`](super::Mutex) is, which outlives its owners. A thread that ends without giving it back, because it was
//! killed or has leaked its guard, leaves it to whoever is next; that one is told, with the lock held, that the value may be
//! halfway between two states. It mends the value and says so, or gives the lock back as it is: then nobody gets it any
//! more (POSIX `PTHREAD_MUTEX_ROBUST`).
//!
//! ```text
//!            owner ends              make_consistent
//!    sound ─────────────► orphaned ──────────────────► sound
//!                        │   ▲  │ owner ends
//!             given back │   └──┘
//!                        ▼
//!                       lost
//! ```
//!
//! A thread keeps a list of the robust mutexes that it holds, which only they pay for. The list leads to the locks even if a
//! guard was forgotten, so they may not move or go: what gives out a guard is for locks that live for ever,
//! [`RobustMutex::with`], whose guard nobody else gets, for all.
use super::{
    lock::{Exclusive, Guard, Lock, Release},
    mutex,
    rtmutex::{Class, RtMutex},
    wait::Limits,
};
use crate::{
    context_check,
    cx::ThreadCx,
    error::{Error, Result},
    thread::ThreadId,
    time::Instant,
};
use core::fmt;
use hw::atomic::{AtomicU32, Ordering::Relaxed};
use logic::list::Links;

mod holds;
use holds::Holding;
pub(crate) use holds::{Holds, leave_to_next, verify};

/// Nobody has ended in the middle of a section.
const SOUND: u32 = 0;
/// The last owner did.
const ORPHANED: u32 = 1;
/// And the next one has not mended it.
const LOST: u32 = 2;

/// The kind of lock that a [`RobustMutex`] is.
pub struct Robust {
    pub(super) lock: RtMutex,
    /// Changed by its owner only.
    condition: AtomicU32,
    /// Its place among those that its owner holds; the owner's.
    links: Links<Holding>,
}
/// What a holder has: nothing but the lock.
pub struct Owned(());
/// What a holder has whose predecessor has ended: the value may be halfway between two states.
pub struct Inherited(());

/// A value that one thread at a time uses, and that is not lost if that thread ends meanwhile.
///
/// ```
/// # kernel::simulation::boot(Default::default(), "", |cx| {
/// use kernel::sync::{RobustError, RobustMutex};
/// /// Two numbers whose sum is 0.
/// static BOOKS: RobustMutex<(i32, i32)> = RobustMutex::new((0, 0));
/// let mut books = match BOOKS.lock(cx) {
///     Ok(books) => books,
///     Err(RobustError::OwnerDead(mut books)) => {
///         books.1 = -books.0;
///         books.make_consistent()
///     }
///     Err(RobustError::Refused(error)) => panic!("{error}"),
/// };
/// books.0 += 1;
/// books.1 -= 1;
/// # });
/// ```
pub type RobustMutex<T> = Lock<T, Robust>;
/// The mutex is held while this lives.
pub type RobustGuard<'l, T> = Guard<'l, T, Robust, Owned>;
/// The mutex is held while this lives, and its last owner has ended in the middle of its section. Unless the value is
/// [made consistent](Guard::make_consistent) nobody gets the mutex any more when this is dropped.
pub type OrphanGuard<'l, T> = Guard<'l, T, Robust, Inherited>;

/// Why a robust mutex was not simply taken.
#[must_use = "it may have the lock"]
pub enum RobustError<'l, T> {
    /// It is held, but its last owner has ended in the middle of its section.
    OwnerDead(OrphanGuard<'l, T>),
    /// It is not held. [`NotRecoverable`](Error::NotRecoverable): nobody has mended the value after its owner had ended; else what
    /// the call says.
    Refused(Error),
}
impl<T> From<RobustError<'_, T>> for Error {
    /// [`OwnerDead`](Error::OwnerDead) gives the lock back, which is lost then.
    fn from(error: RobustError<'_, T>) -> Self {
        match error {
            RobustError::OwnerDead(_) => Error::OwnerDead,
            RobustError::Refused(error) => error,
        }
    }
}
impl<T> fmt::Debug for RobustError<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RobustError::OwnerDead(_) => f.write_str("OwnerDead"),
            RobustError::Refused(error) => error.fmt(f),
        }
    }
}
/// A guard, or why there is none or one to be careful with.
pub type RobustResult<'l, T> = core::result::Result<RobustGuard<'l, T>, RobustError<'l, T>>;

impl Release<Robust> for Owned {
    #[inline(always)]
    fn release(&mut self, backend: &Robust) {
        backend.end();
    }
}
impl Release<Robust> for Inherited {
    fn release(&mut self, backend: &Robust) {
        backend.condition.store(LOST, Relaxed);
        backend.end();
    }
}
impl Exclusive for Owned {}
impl Exclusive for Inherited {}

// SAFETY: one thread at a time has the value, and the links.
unsafe impl<T: Send> Sync for Lock<T, Robust> {}
// SAFETY: in a list it is borrowed, so it does not go anywhere; in none its links say nothing.
unsafe impl Send for Robust {}

impl<T> RobustMutex<T> {
    /// A free mutex. In reports its name is the place of this call.
    #[track_caller]
    pub const fn new(value: T) -> Self {
        let lock = RtMutex::new(Class::RobustMutex);
        Self::with_backend(Robust { lock, condition: AtomicU32::new(SOUND), links: Links::new() }, value)
    }
    /// Takes it, waiting as long as it takes; a wait that would never end is a BUG, as [`Mutex::lock`](super::Mutex::lock)'s.
    ///
    /// # Errors
    /// [`OwnerDead`](RobustError::OwnerDead), with the lock. [`NotRecoverable`](Error::NotRecoverable).
    #[inline]
    #[track_caller]
    pub fn lock(&'static self, cx: &mut ThreadCx) -> RobustResult<'static, T> {
        self.take(cx);
        // SAFETY: it lives for ever.
        unsafe { self.entered() }
    }
    /// Takes it if it is free and nobody more urgent waits.
    ///
    /// # Errors
    /// As [`lock`](Self::lock); [`WouldBlock`](Error::WouldBlock): it is not; [`WrongContext`](Error::WrongContext): not from a thread.
    #[track_caller]
    pub fn try_lock(&'static self, cx: &mut ThreadCx) -> RobustResult<'static, T> {
        context_check::must_sleep(cx).map_err(RobustError::Refused)?;
        if !self.backend.lock.try_lock() {
            return Err(RobustError::Refused(Error::WouldBlock));
        }
        // SAFETY: as above.
        unsafe { self.entered() }
    }
    /// Takes it if that is possible before `deadline`.
    ///
    /// # Errors
    /// As [`lock`](Self::lock); [`TimedOut`](Error::TimedOut); [`Deadlock`](Error::Deadlock): the thread would wait for itself.
    #[track_caller]
    pub fn lock_until(&'static self, cx: &mut ThreadCx, deadline: Instant) -> RobustResult<'static, T> {
        self.lock_limited(cx, &Limits::until(deadline, Class::RobustMutex.name()))
    }
    /// Takes it unless the thread is interrupted while it waits.
    ///
    /// # Errors
    /// As [`lock`](Self::lock); [`Interrupted`](Error::Interrupted); [`Deadlock`](Error::Deadlock): the thread would wait for itself.
    #[track_caller]
    pub fn lock_interruptible(&'static self, cx: &mut ThreadCx) -> RobustResult<'static, T> {
        self.lock_limited(cx, &Limits::interruptible(Class::RobustMutex.name()))
    }
    #[track_caller]
    fn lock_limited(&'static self, cx: &mut ThreadCx, limits: &Limits) -> RobustResult<'static, T> {
        context_check::might_sleep(cx);
        if !self.backend.lock.try_fast() {
            mutex::take_limited(&self.backend.lock, cx, limits).map_err(RobustError::Refused)?;
        }
        // SAFETY: as above.
        unsafe { self.entered() }
    }
    /// Runs `f` with the value. If the last owner has ended in the middle of its section `repair` is called before, and says
    /// whether the value is consistent again. For mutexes that do not live for ever, too.
    ///
    /// # Errors
    /// [`NotRecoverable`](Error::NotRecoverable): `repair` said no, now or another time; `f` was not called.
    #[track_caller]
    pub fn with<R>(
        &self,
        cx: &mut ThreadCx,
        repair: impl FnOnce(&mut T, &mut ThreadCx) -> bool,
        f: impl FnOnce(&mut T, &mut ThreadCx) -> R,
    ) -> Result<R> {
        self.take(cx);
        // SAFETY: the guard stays in here, and the mutex is borrowed until this returns.
        let mut guard = match unsafe { self.entered() } {
            Ok(guard) => guard,
            Err(RobustError::OwnerDead(mut orphan)) => match repair(&mut orphan, cx) {
                true => orphan.make_consistent(),
                false => return Err(Error::NotRecoverable),
            },
            Err(RobustError::Refused(error)) => return Err(error),
        };
        Ok(f(&mut guard, cx))
    }
    #[inline(always)]
    #[track_caller]
    fn take(&self, cx: &mut ThreadCx) {
        context_check::might_sleep(cx);
        if !self.backend.lock.try_fast() {
            mutex::take_slow(&self.backend.lock, cx);
        }
    }
    /// The running thread has just taken the lock: may it have the value?
    ///
    /// # Safety
    /// The mutex stays where it is until the guard is dropped, and for ever if it never is.
    #[inline(always)]
    unsafe fn entered(&self) -> RobustResult<'_, T> {
        match self.backend.condition.load(Relaxed) {
            SOUND => {
                self.backend.begin();
                // SAFETY: the caller has taken the lock.
                Ok(unsafe { self.guard(Owned(())) })
            }
            condition => Err(self.entered_after(condition)),
        }
    }
    /// As [`entered`](Self::entered), of which it is a part, after an owner has ended.
    #[cold]
    #[inline(never)]
    fn entered_after(&self, condition: u32) -> RobustError<'_, T> {
        if condition == LOST {
            // Those that wait take it one after the other, and are told the same.
            self.backend.lock.unlock();
            return RobustError::Refused(Error::NotRecoverable);
        }
        self.backend.begin();
        // SAFETY: as above.
        RobustError::OwnerDead(unsafe { self.guard(Inherited(())) })
    }
    /// The thread that owns it; out of date as soon as it is known, unless that is the caller.
    pub fn owner(&self) -> Option<ThreadId> {
        self.backend.lock.owner()
    }
    /// The most urgent thread that waits for it; out of date as soon as it is known.
    pub fn top_waiter(&self) -> Option<ThreadId> {
        self.backend.lock.top_waiter()
    }
}

impl<'l, T> OrphanGuard<'l, T> {
    /// The value is as it should be again.
    pub fn make_consistent(self) -> RobustGuard<'l, T> {
        let (lock, Inherited(())) = self.disassemble();
        lock.backend.condition.store(SOUND, Relaxed);
        // SAFETY: it is held still.
        unsafe { lock.guard(Owned(())) }
    }
}

/// For tests of the verifier.
#[cfg(not(target_os = "none"))]
pub mod hook {
    use super::RobustMutex;
    use crate::thread::ThreadId;

    /// Makes the word of a robust mutex say that a thread owns it.
    ///
    /// # Safety
    /// Nothing runs afterwards but the verifier.
    pub unsafe fn corrupt_owner<T>(mutex: &RobustMutex<T>, id: ThreadId) {
        mutex.backend.lock.corrupt_owner(id);
    }
}
