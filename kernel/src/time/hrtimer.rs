//! How does a driver or an application run something at a moment, in the timer's interrupt?
use super::{Instant, OnExpiry, Restart, TimerCore, cancel, queue::Was, start_masked};
use crate::{
    bugs::{self, Bug},
    cx::{Context, HardIrqCx, ThreadCx},
    error::{Error, Result},
};
use alloc::boxed::Box;
use core::{cell::UnsafeCell, time::Duration};

type Callback = dyn FnMut(&mut HardIrqCx<'_>, &mut Expiry<'_>) -> Restart + Send;

/// A high-resolution timer whose callback runs in the timer's hard interrupt (mode HARD).
///
/// Dropping it cancels it.
pub struct HrTimer {
    inner: Box<Inner>,
}

#[repr(C)]
struct Inner {
    // First: the callback finds the rest behind it.
    core: TimerCore,
    callback: UnsafeCell<Box<Callback>>,
}

// SAFETY: the callback is called by one CPU at a time, the one whose queue the timer was in.
unsafe impl Sync for HrTimer {}
// SAFETY: the callback is Send.
unsafe impl Send for HrTimer {}

/// What a callback may ask and change about its own timer.
pub struct Expiry<'a>(&'a TimerCore);

impl Expiry<'_> {
    /// When the timer was to expire.
    pub fn at(&self) -> Instant {
        self.0.expiry()
    }
    /// Moves the expiry by whole periods until it is after `now`; says by how many. For use with [`Restart::Yes`].
    pub fn forward(&mut self, now: Instant, period: Duration) -> u64 {
        let period = (period.as_nanos() as u64).max(1);
        let at = self.0.expiry().as_ns();
        if now.as_ns() < at {
            return 0;
        }
        let periods = (now.as_ns() - at) / period + 1;
        self.0.set_expiry(Instant::from_ns(at.saturating_add(periods.saturating_mul(period))));
        periods
    }
}

/// What [`HrTimer::try_cancel`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It was neither queued nor running.
    NotActive,
    /// It was queued and will not run.
    Cancelled,
    /// Its callback runs now.
    Running,
}

fn fire(core: &TimerCore, cx: &mut HardIrqCx<'_>) -> Restart {
    // SAFETY: only `Inner::core` has this callback, and it is the first field of a `repr(C)` struct.
    let inner: &Inner = unsafe { &*core::ptr::from_ref(core).cast() };
    // SAFETY: the callback is not entered twice: the timer is out of the queue while it runs.
    (unsafe { &mut *inner.callback.get() })(cx, &mut Expiry(core))
}

impl HrTimer {
    /// A timer that is not running yet. Allocates, so: from threads.
    pub fn new(
        cx: &mut ThreadCx,
        callback: impl FnMut(&mut HardIrqCx<'_>, &mut Expiry<'_>) -> Restart + Send + 'static,
    ) -> Self {
        let _ = cx;
        Self {
            inner: Box::new(Inner {
                core: TimerCore::new(OnExpiry::Call(fire)),
                callback: UnsafeCell::new(Box::new(callback)),
            }),
        }
    }
    /// Expires at `at`, at once if that has passed. A queued timer is moved.
    ///
    /// # Errors
    /// [`Error::NoResource`]: the CPU's timer queue is full.
    pub fn start_at(&self, cx: &impl Context, at: Instant) -> Result<()> {
        let _ = cx;
        if start_masked(&self.inner.core, at) { Ok(()) } else { Err(Error::NoResource) }
    }
    /// Expires `d` from now on.
    ///
    /// # Errors
    /// [`Error::NoResource`]: the CPU's timer queue is full.
    pub fn start_after(&self, cx: &impl Context, d: Duration) -> Result<()> {
        self.start_at(cx, super::now().saturating_add(d))
    }
    /// Whether it is queued.
    pub fn is_queued(&self) -> bool {
        self.inner.core.is_queued()
    }
    /// Takes it out of the queue if it is there; never waits.
    pub fn try_cancel(&self, cx: &impl Context) -> Cancelled {
        let _ = cx;
        match cancel(&self.inner.core) {
            Was::Idle => Cancelled::NotActive,
            Was::Queued => Cancelled::Cancelled,
            Was::Running { .. } => Cancelled::Running,
        }
    }
    /// Takes it out of the queue and waits until its callback is over. Says whether it was queued.
    ///
    /// # Errors
    /// [`Error::Deadlock`]: called from its own callback.
    pub fn cancel(&self, cx: &impl Context) -> Result<bool> {
        let _ = cx;
        cancel_and_wait(&self.inner.core)
    }
}

/// Waits for a callback on another CPU, which runs with interrupts masked and ends soon.
fn cancel_and_wait(core: &TimerCore) -> Result<bool> {
    let mut queued = false;
    loop {
        match cancel(core) {
            Was::Idle => return Ok(queued),
            Was::Queued => queued = true,
            Was::Running { here: true } => return Err(Error::Deadlock),
            Was::Running { here: false } if bugs::is_on(Bug::CancelUnwaited) => return Ok(queued),
            Was::Running { here: false } => hw::cpu::relax(),
        }
    }
}

impl Drop for HrTimer {
    fn drop(&mut self) {
        if cancel_and_wait(&self.inner.core).is_err() {
            // Its memory cannot go while it runs.
            crate::report::bug!("a timer was dropped by its own callback");
        }
    }
}
