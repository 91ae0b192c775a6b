//! Under which locks can a thread look at what it waits for?
//!
//! A [`WaitQueue`](super::WaitQueue) takes the lock itself, around each look, and never while it sleeps. Whatever the lock, the
//! look may not sleep: the thread stands in the queue meanwhile.
use crate::cx::{AtomicCx, Level, Opens, SpinCx, Thread, ThreadCx};
use crate::sync::{Mutex, RawSpinLock, SpinLevel, SpinLock, mutex};

/// A lock with the value that a condition is about: [`RawSpinLock`], [`SpinLock`], [`Mutex`].
pub trait ConditionLock: sealed::Sealed {
    /// What it protects.
    type Value;
    /// What a look may do.
    type Cx<'c>;
    /// Whether waiting for the lock changes the state of the thread: then it cannot look with its sleep announced.
    #[doc(hidden)]
    const SLEEPS: bool;
    /// Runs `f` with the value.
    #[doc(hidden)]
    fn look<R>(&self, cx: &mut ThreadCx, f: impl FnOnce(&mut Self::Value, &mut Self::Cx<'_>) -> R) -> R;
}
mod sealed {
    pub trait Sealed {}
}

impl<T, L: Level> sealed::Sealed for RawSpinLock<T, L> {}
impl<T, L: Level> ConditionLock for RawSpinLock<T, L>
where
    ThreadCx: Opens<L>,
{
    type Value = T;
    type Cx<'c> = AtomicCx<'c, L>;
    const SLEEPS: bool = false;
    fn look<R>(&self, cx: &mut ThreadCx, f: impl FnOnce(&mut T, &mut AtomicCx<'_, L>) -> R) -> R {
        self.with(cx, f)
    }
}

impl<T, L: SpinLevel> sealed::Sealed for SpinLock<T, L> {}
impl<T, L: SpinLevel> ConditionLock for SpinLock<T, L> {
    type Value = T;
    type Cx<'c> = SpinCx<'c, L>;
    /// It keeps the state (LK-02).
    const SLEEPS: bool = false;
    fn look<R>(&self, cx: &mut ThreadCx, f: impl FnOnce(&mut T, &mut SpinCx<'_, L>) -> R) -> R {
        self.with(cx, f)
    }
}

impl<T> sealed::Sealed for Mutex<T> {}
impl<T> ConditionLock for Mutex<T> {
    type Value = T;
    type Cx<'c> = SpinCx<'c, Thread>;
    const SLEEPS: bool = true;
    fn look<R>(&self, cx: &mut ThreadCx, f: impl FnOnce(&mut T, &mut SpinCx<'_, Thread>) -> R) -> R {
        let mut value = mutex::lock_while_waiting(self, cx);
        // SAFETY: the token is for a section that may be preempted and does not sleep, and ends with it.
        f(&mut value, &mut unsafe { SpinCx::new() })
    }
}
