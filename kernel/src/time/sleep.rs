//! How does a thread wait for a moment?
//!
//! Each thread has a timer of its own, so sleeping allocates nothing. It expires in the timer's interrupt and wakes the
//! thread there (the HARD half of TM-04). The thread alone starts it, so when it is out of the queue and the thread has not
//! taken it out, the time has come: the clock need not be asked again.
use super::{Instant, TimerCore, cancel, now, start_masked};
use crate::{
    context_check,
    cx::ThreadCx,
    error::{Error, Result},
    sched,
    sync::wait::{Limits, park_timed, settle},
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

/// The thread whose own timer this is.
#[inline(always)]
pub(super) fn sleeper(timer: &TimerCore) -> Ref {
    // SAFETY: only `Thread::sleep` is of this kind, and threads are never freed.
    Ref(unsafe { &*core::ptr::from_ref(timer).byte_sub(offset_of!(Thread, sleep)).cast::<Thread>() })
}

/// The running thread, which has announced that it waits, gives the CPU away until it is woken or `at` has come.
///
/// # Errors
/// [`Error::TimedOut`]: `at` has come. [`Error::NoResource`]: the timer queue is full. If it did not sleep at all, it is
/// Running again.
#[inline(always)]
pub(crate) fn block_until(me: &'static Thread, at: Instant) -> Result<()> {
    start(me, at)?;
    sched::block_in_place();
    if !me.sleep.is_queued() {
        return Err(Error::TimedOut);
    }
    // If it expires before it is out of the queue, on another CPU, it wakes a thread that does not sleep then.
    cancel(&me.sleep);
    Ok(())
}

#[inline(never)]
fn start(me: &'static Thread, at: Instant) -> Result<()> {
    let error = if now() >= at {
        Error::TimedOut
    } else if start_masked(&me.sleep, at) {
        return Ok(());
    } else {
        Error::NoResource
    };
    sched::set_state(State::Running);
    Err(error)
}

/// Sleeps for at least `d`.
///
/// # Errors
/// [`Error::Interrupted`]: the thread was interrupted before. [`Error::NoResource`]: the CPU's timer queue is full.
#[track_caller]
pub fn sleep(cx: &mut ThreadCx, d: Duration) -> Result<()> {
    sleep_until(cx, now().saturating_add(d))
}

/// Sleeps until `at`; returns at once when that has passed.
///
/// # Errors
/// [`Error::Interrupted`]: the thread was interrupted before. [`Error::NoResource`]: the CPU's timer queue is full.
#[track_caller]
pub fn sleep_until(cx: &mut ThreadCx, at: Instant) -> Result<()> {
    context_check::might_sleep(cx);
    let limits = Limits { deadline: Some(at), interruptible: true, wchan: "nanosleep" };
    let result = loop {
        sched::set_state(State::Interruptible);
        match park_timed(&limits) {
            // Nor was it interrupted or killed.
            Err(Error::TimedOut) => return Ok(()),
            // Interrupted, or somebody else's late wake-up: the clock decides. An interruption that came after the time is
            // left for the next wait.
            _ if now() >= at => break Ok(()),
            Ok(()) => {}
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
