//! How does a test keep a woken waiter from taking its lock? (HC-02; in the simulation only)
//!
//! Between the unlock and the run of the woken waiter a lock has waiters and no owner. A waiter that is *held* stays there: it
//! sleeps, wakes up as often as it is woken, and looks at the lock only when it was let go. It sleeps on nothing that has an
//! owner, so nobody's priority changes.
use super::RtMutex;
use crate::{
    sched,
    sync::{Lock, mutex::Inheriting, robust::Robust, rwlock::SharedSpinning, rwsem::Shared, spinlock::Spinning},
    thread::{self, State, ThreadId, table},
};
use core::{cell::RefCell, ptr};

/// A waiter that is held when it wakes for a lock.
struct Held {
    lock: *const RtMutex,
    thread: ThreadId,
    /// It has woken, and the lock had no owner.
    stands: bool,
}
hw::global! {
    static HELD: RefCell<Vec<Held>> = RefCell::new(Vec::new());
}

fn with<R>(lock: *const RtMutex, thread: ThreadId, f: impl FnOnce(&mut Held) -> R) -> Option<R> {
    let held = &HELD;
    held.borrow_mut().iter_mut().find(|h| ptr::eq(h.lock, lock) && h.thread == thread).map(f)
}

/// A waiter of `lock` has woken: if it is to be held, it is, unless somebody owns the lock.
pub(super) fn here(lock: &RtMutex) {
    let me = thread::current().id();
    if lock.word.owner() != 0 || with(lock, me, |held| held.stands = true).is_none() {
        return;
    }
    loop {
        sched::set_state(if lock.class.is_spinning() { State::LockWait } else { State::Uninterruptible });
        if with(lock, me, |_| ()).is_none() {
            sched::set_state(State::Running);
            return;
        }
        sched::block();
    }
}

/// A lock whose waiters can be held.
pub trait Pending {
    /// From now on `thread` is held when it wakes for this lock and finds it without owner.
    fn hold_wake(&self, thread: ThreadId);
    /// Whether it is held.
    fn is_in_wake(&self, thread: ThreadId) -> bool;
    /// Lets it go on, and does not hold it any more.
    fn continue_wake(&self, thread: ThreadId);
}
impl Pending for RtMutex {
    fn hold_wake(&self, thread: ThreadId) {
        let held = &HELD;
        held.borrow_mut().push(Held { lock: self, thread, stands: false });
    }
    fn is_in_wake(&self, thread: ThreadId) -> bool {
        with(self, thread, |held| held.stands).unwrap_or(false)
    }
    fn continue_wake(&self, thread: ThreadId) {
        let held = &HELD;
        held.borrow_mut().retain(|h| !ptr::eq(h.lock, self) || h.thread != thread);
        let Some(thread) = table::find(thread) else { return };
        if self.class.is_spinning() {
            let off = crate::irq_flags::Off::new();
            sched::wake_lock_waiter(thread);
            drop(off);
        } else {
            sched::wake(thread);
        }
    }
}

/// A kind of lock whose waiters wait for an [`RtMutex`]; of a read-write lock, writers and who waits for them.
trait Core {
    fn core(&self) -> &RtMutex;
}
impl Core for Inheriting {
    fn core(&self) -> &RtMutex {
        &self.0
    }
}
impl Core for Robust {
    fn core(&self) -> &RtMutex {
        &self.lock
    }
}
impl<L> Core for Spinning<L> {
    fn core(&self) -> &RtMutex {
        &self.lock
    }
}
impl<L> Core for SharedSpinning<L> {
    fn core(&self) -> &RtMutex {
        self.base.inner()
    }
}
impl Core for Shared {
    fn core(&self) -> &RtMutex {
        self.0.inner()
    }
}

impl<T, B: Core> Pending for Lock<T, B> {
    fn hold_wake(&self, thread: ThreadId) {
        self.backend.core().hold_wake(thread);
    }
    fn is_in_wake(&self, thread: ThreadId) -> bool {
        self.backend.core().is_in_wake(thread)
    }
    fn continue_wake(&self, thread: ThreadId) {
        self.backend.core().continue_wake(thread);
    }
}
