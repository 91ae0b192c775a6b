//! What time is it, and what shall happen when?
//!
//! One monotonic clock in nanoseconds since the counter started, read from the generic timer's counter. Timers of a CPU
//! are in one queue and share its event device, which is armed for the earliest one and is off when there is none: no
//! tick.
use core::time::Duration;
use hw::clock as counter;
use logic::clock::Clock;
use spin::Once;

mod hrtimer;
mod queue;
pub mod sleep;

pub use hrtimer::{Cancelled, Expiry, HrTimer};
pub use queue::MAX_TIMERS;
#[cfg(not(target_os = "none"))]
pub(crate) use queue::delay_first_timer;
pub(crate) use queue::{CpuTimers, OnExpiry, TimerCore, cancel, entering_idle, interrupt, start_masked, verify};
pub use sleep::{ClockId, Mode, Timespec, clock_nanosleep, sleep, sleep_until};

/// What a timer's callback says at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// The timer is done.
    No,
    /// It runs again at the expiry that the callback has set.
    Yes,
}

/// A moment on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// Later than every timer can expire.
    pub const NEVER: Self = Self(u64::MAX);
    /// This many nanoseconds after the clock's start.
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns)
    }
    /// Nanoseconds since the clock's start.
    pub const fn as_ns(self) -> u64 {
        self.0
    }
    /// `None` past the end of time.
    pub fn checked_add(self, d: Duration) -> Option<Self> {
        self.0.checked_add(u64::try_from(d.as_nanos()).ok()?).map(Self)
    }
    /// [`Self::NEVER`] past the end of time.
    pub fn saturating_add(self, d: Duration) -> Self {
        self.checked_add(d).unwrap_or(Self::NEVER)
    }
    pub(crate) const fn saturating_add_ns(self, ns: u64) -> Self {
        Self(self.0.saturating_add(ns))
    }
    /// Time from `earlier` to this, zero if it is not earlier.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

hw::global! {
    /// Set at boot, before anybody asks for the time.
    static CLOCK: Once<Clock> = Once::new();
}

/// Reads the counter's frequency.
///
/// # Errors
/// [`Unsupported`](crate::Error::Unsupported): no frequency, or one outside 1 MHz to 1 GHz.
pub(crate) fn start() -> crate::Result<()> {
    CLOCK.try_call_once(|| Clock::new(counter::frequency())).map(|_| ()).map_err(|_| crate::Error::Unsupported)
}

#[inline(always)]
fn clock() -> &'static Clock {
    let clock: &Once<Clock> = &CLOCK;
    debug_assert!(clock.is_completed(), "the time was asked for before the clock was started");
    // SAFETY: boot starts the clock before anything that could ask for the time. Kernel statics live as long as the machine.
    unsafe { &*core::ptr::from_ref(clock.get_unchecked()) }
}

/// The time now.
pub fn now() -> Instant {
    Instant(clock().ns(counter::ticks()))
}

/// Interrupts of all event timers so far, and how often they gave up on callbacks that outlast their period.
pub fn interrupt_counts(cx: &mut crate::ThreadCx) -> (u64, u64) {
    let _ = cx;
    let counts = crate::percpu::online().iter().map(|cpu| crate::percpu::area(cpu).timers.counts());
    counts.fold((0, 0), |sum, (interrupts, hangs)| (sum.0 + interrupts, sum.1 + hangs))
}

/// The counter, read without waiting for what precedes: for accounting, where a few instructions do not matter.
#[inline(always)]
pub(crate) fn ticks_unordered() -> u64 {
    use tock_registers::interfaces::Readable;
    hw::sysreg::CntVct.get()
}
pub(crate) fn ticks_to_ns(ticks: u64) -> u64 {
    clock().ns(ticks)
}
/// The counter value from which on `at` has been reached; rounded up, so nothing happens early.
fn instant_to_ticks(at: Instant) -> u64 {
    clock().ticks(at.0)
}
