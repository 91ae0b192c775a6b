//! Which robust mutexes does a thread hold?
//!
//! A list through the mutexes themselves, for the thread's end. It is the thread's own, so it needs no lock.
use super::{ORPHANED, Robust};
use crate::{
    sync::rtmutex::Broken,
    thread::{self, Ref},
};
use core::{cell::UnsafeCell, ptr::NonNull};
use hw::atomic::Ordering::Relaxed;
use logic::list::{Linked, Links, List};

/// A robust mutex in the list of its owner.
///
/// Invariant: while it is listed it stays where it is. It lives for ever, or [`with`](crate::sync::RobustMutex::with) has borrowed it in a
/// function of the owner's that has not returned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Holding(NonNull<Robust>);
impl Holding {
    fn get(&self) -> &Robust {
        // SAFETY: the invariant; whoever is in no list was made from a reference just now.
        unsafe { self.0.as_ref() }
    }
}
enum ByOwner {}
impl Linked<ByOwner> for Holding {
    #[inline(always)]
    fn links(&self) -> &Links<Self> {
        &self.get().links
    }
}

/// The robust mutexes that a thread holds. Its own; read by others at moments at which nothing changes.
pub(crate) struct Holds(UnsafeCell<List<Holding, ByOwner>>);
impl Holds {
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(List::new()))
    }
}
/// The running thread's list.
#[inline(always)]
fn mine<R>(f: impl FnOnce(&mut List<Holding, ByOwner>) -> R) -> R {
    // SAFETY: nobody but the running thread reaches it, no interrupt does, and `f` is one of the list's operations.
    f(unsafe { &mut *thread::current().robust.0.get() })
}

impl Robust {
    /// The running thread has taken the lock and is about to hold it.
    #[inline(always)]
    pub(super) fn begin(&self) {
        mine(|held| held.push_back(Holding(NonNull::from(self))));
    }
    /// It gives the lock back.
    #[inline(always)]
    pub(super) fn end(&self) {
        mine(|held| held.remove(Holding(NonNull::from(self))));
        self.lock.unlock();
    }
}

/// The running thread ends: what it holds goes to whoever is next, who is told.
pub(crate) fn leave_to_next() {
    while let Some(held) = mine(List::pop_front) {
        held.get().condition.store(ORPHANED, Relaxed);
        held.get().lock.unlock();
    }
}

/// Whether a thread owns what it holds. For moments at which nothing changes.
pub(crate) fn verify(t: Ref) -> Result<(), Broken> {
    // SAFETY: nothing changes.
    let held = unsafe { &*t.robust.0.get() };
    match held.iter().find(|held| held.get().lock.owner() != Some(t.id())) {
        Some(other) => Err(other.get().lock.broken("holds a robust mutex that it does not own")),
        None => Ok(()),
    }
}
