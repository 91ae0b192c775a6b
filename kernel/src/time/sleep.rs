//! How does a thread wait for a moment?
//!
//! Each thread has a timer of its own, so sleeping allocates nothing. It expires in the timer's interrupt and wakes the
//! thread there (the HARD half of TM-04).
use super::{Instant, Restart, TimerCore, cancel, now, start_masked};
use crate::{
    context_check,
    cx::{HardIrqCx, ThreadCx},
    error::{Error, Result},
    sched,
    sync::wait::{Limits, park, settle},
    thread::{Ref, State, Thread},
};
use core::{mem::offset_of, time::Duration};

/// Which clock a time is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockId(pub u32);
impl ClockId {
    /// Time since boot; the only clock there is (Linux's number).
    pub const MONOTONIC: Self = Self(1);
}

/// Whether a time is a moment or a distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A moment.
    Absolute,
    /// From now on.
    Relative,
}

/// A time as POSIX writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timespec {
    /// Whole seconds, not negative.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanoseconds: i64,
}

/// The thread's own timer has expired.
pub(crate) fn expired(timer: &TimerCore, _: &mut HardIrqCx<'_>) -> Restart {
    // SAFETY: only `Thread::sleep` has this callback, and threads are never freed.
    let thread: &'static Thread = unsafe { &*core::ptr::from_ref(timer).byte_sub(offset_of!(Thread, sleep)).cast() };
    sched::wake_masked(Ref(thread));
    Restart::No
}

/// Arms the running thread's timer. False if the timer queue is full.
pub(crate) fn arm(thread: &Thread, at: Instant) -> bool {
    start_masked(&thread.sleep, at)
}
/// Takes it back.
pub(crate) fn disarm(thread: &Thread) {
    // Even if it has expired: its callback may run on another CPU, and wakes a thread that does not sleep then.
    cancel(&thread.sleep);
}

/// Sleeps for at least `d`.
///
/// # Errors
/// [`Error::Interrupted`]: the thread was interrupted before.
#[track_caller]
pub fn sleep(cx: &mut ThreadCx, d: Duration) -> Result<()> {
    sleep_until(cx, now().saturating_add(d))
}

/// Sleeps until `at`; returns at once when that has passed.
///
/// # Errors
/// [`Error::Interrupted`]: the thread was interrupted before.
#[track_caller]
pub fn sleep_until(cx: &mut ThreadCx, at: Instant) -> Result<()> {
    context_check::might_sleep(cx);
    let limits = Limits { deadline: Some(at), interruptible: true, wchan: "nanosleep" };
    let result = loop {
        sched::set_state(State::Interruptible);
        match park(&limits) {
            // Woken by the timer, interrupted, or by somebody else's late wake-up: the clock decides. An interruption
            // that came after the time is left for the next wait.
            _ if now() >= at => break Ok(()),
            Ok(()) => {}
            Err(Error::TimedOut) => break Err(Error::NoResource),
            Err(error) => break Err(error),
        }
    };
    settle(cx, result)
}

/// Sleeps as POSIX `clock_nanosleep` does. An interrupted relative sleep tells what remains.
///
/// # Errors
/// [`Error::Invalid`]: an unknown clock, negative seconds, or nanoseconds outside 0..1,000,000,000.
/// [`Error::Interrupted`], with the remaining time of a relative sleep.
#[track_caller]
pub fn clock_nanosleep(
    cx: &mut ThreadCx,
    clock: ClockId,
    mode: Mode,
    t: Timespec,
) -> core::result::Result<(), (Error, Option<Duration>)> {
    let invalid = (Error::Invalid, None);
    if clock != ClockId::MONOTONIC || !(0..1_000_000_000).contains(&t.nanoseconds) {
        return Err(invalid);
    }
    let d = Duration::new(u64::try_from(t.seconds).map_err(|_| invalid)?, t.nanoseconds as u32);
    let at = match mode {
        Mode::Absolute => Instant::from_ns(0).saturating_add(d),
        Mode::Relative => now().saturating_add(d),
    };
    sleep_until(cx, at).map_err(|error| (error, (mode == Mode::Relative).then(|| at.since(now()))))
}
