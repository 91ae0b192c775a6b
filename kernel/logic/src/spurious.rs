//! When is a line's interrupt nobody's, so that the line must be switched off?
//!
//! Of a window of 100,000 interrupts more than 99,900 were unhandled (IQ-19; Linux `kernel/irq/spurious.c`). A window
//! opens with the first unhandled interrupt. An unhandled one more than 100 ms after the previous restarts the number
//! of unhandled ones at 1, not the window: so a rare stray never adds up.
//!
//! Whether a thread handled an interrupt is known only later: an interrupt that merely woke threads is judged at the
//! next one of its line, by whether any thread has reported success in between.

/// Interrupts in a window.
pub const WINDOW: u32 = 100_000;
/// As many unhandled ones in a window are still tolerated.
pub const TOLERATED: u32 = 99_900;
/// Unhandled interrupts further apart than this do not add up.
pub const RESTART_NS: u64 = 100_000_000;

/// What the primary handlers of a line made of one interrupt; the results of sharers are OR-ed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
#[must_use]
pub struct Outcome(u8);

impl Outcome {
    /// Not mine.
    pub const NONE: Self = Self(0);
    /// Done.
    pub const HANDLED: Self = Self(1);
    /// The thread handler shall run.
    pub const WAKE: Self = Self(2);

    /// An outcome from a number: bit 0 handled, bit 1 wake.
    pub const fn from_raw(raw: u32) -> Result<Self, BogusReturn> {
        if raw > 3 { Err(BogusReturn(raw)) } else { Ok(Self(raw as u8)) }
    }

    /// Did a primary handler handle it by itself?
    #[inline]
    pub const fn handled(self) -> bool {
        self.0 & Self::HANDLED.0 != 0
    }

    /// Did any ask for its thread?
    #[inline]
    pub const fn wakes(self) -> bool {
        self.0 & Self::WAKE.0 != 0
    }
}

impl core::ops::BitOr for Outcome {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl core::ops::BitOrAssign for Outcome {
    #[inline]
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// A value that is no outcome: report "bogus return value", do not count it (IQ-19.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BogusReturn(pub u32);

/// The detector's judgement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Verdict {
    /// Nothing to do.
    Fine,
    /// "irq N: nobody cared": report, list the handlers, disable the line.
    NobodyCared,
}

/// Set in `threads_last` while an interrupt that only woke threads waits for its judgement.
const DEFERRED: u32 = 1 << 31;

/// Counters of a line. Guarded by the descriptor's raw lock.
#[derive(Clone, Debug)]
pub struct Detector {
    /// Unhandled interrupts in the window; 0: no window is open.
    unhandled: u32,
    /// Interrupts in the window.
    count: u32,
    /// The line's "handled by thread" counter at the previous interrupt, and [`DEFERRED`].
    threads_last: u32,
    watching: bool,
    last_unhandled_ns: u64,
}

impl Detector {
    /// Nothing counted.
    pub const fn new() -> Self {
        Self { unhandled: 0, count: 0, threads_last: 0, watching: true, last_unhandled_ns: 0 }
    }

    /// Forgets everything, for a line that gets a new handler (IQ-19.5). `watching` is false for NO_DEBUG (IQ-19.4).
    pub fn reset(&mut self, watching: bool) {
        *self = Self { watching, ..Self::new() };
    }

    /// Forgets what was counted, for a line that gets one more handler (IQ-19.5).
    pub fn restart(&mut self) {
        self.reset(self.watching);
    }

    /// Interrupts in the current window, and how many of them were unhandled.
    pub const fn counts(&self) -> (u32, u32) {
        (self.count, self.unhandled)
    }

    /// Counts one interrupt.
    ///
    /// `threads_handled`: how often threads of the line have reported success so far (wrapping). `now`: nanoseconds,
    /// asked for only if the interrupt was unhandled.
    #[inline]
    pub fn note(&mut self, outcome: Outcome, threads_handled: u32, now: impl FnOnce() -> u64) -> Verdict {
        let unhandled = if outcome == Outcome::WAKE {
            let threads = threads_handled | DEFERRED;
            if self.threads_last & DEFERRED == 0 {
                // The first of a row: judged at the next one, against the counter of the row before.
                self.threads_last |= DEFERRED;
                return Verdict::Fine;
            }
            let unchanged = threads == self.threads_last;
            self.threads_last = threads;
            unchanged
        } else {
            if outcome.wakes() {
                // A primary handler handled it, so the threads' success does not matter.
                self.threads_last &= !DEFERRED;
            }
            outcome == Outcome::NONE
        };
        if !unhandled && self.unhandled == 0 {
            return Verdict::Fine;
        }
        self.count_in_window(if unhandled { Some(now()) } else { None })
    }

    fn count_in_window(&mut self, unhandled_at: Option<u64>) -> Verdict {
        if !self.watching {
            return Verdict::Fine;
        }
        if let Some(now) = unhandled_at {
            let apart = now.saturating_sub(self.last_unhandled_ns) > RESTART_NS;
            self.unhandled = if apart { 1 } else { self.unhandled.saturating_add(1) };
            self.last_unhandled_ns = now;
        }
        self.count += 1;
        if self.count < WINDOW {
            return Verdict::Fine;
        }
        let nobody = self.unhandled > TOLERATED;
        (self.count, self.unhandled) = (0, 0);
        if nobody { Verdict::NobodyCared } else { Verdict::Fine }
    }
}

impl Default for Detector {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const US: u64 = 1_000;

    /// Feeds outcomes 1 µs apart; answers at which (from 1) the line is given up.
    fn feed(detector: &mut Detector, outcomes: impl IntoIterator<Item = Outcome>) -> Option<usize> {
        let mut at = None;
        for (i, outcome) in outcomes.into_iter().enumerate() {
            if detector.note(outcome, 0, || (i as u64 + 1) * US) == Verdict::NobodyCared {
                assert_eq!(at.replace(i + 1), None);
            }
        }
        at
    }

    fn some(outcome: Outcome, n: usize) -> impl Iterator<Item = Outcome> {
        core::iter::repeat_n(outcome, n)
    }

    /// IQ-19.1: given up at exactly the 100,000th.
    #[test]
    fn a_hundred_thousand_unhandled() {
        let mut d = Detector::new();
        assert_eq!(feed(&mut d, some(Outcome::NONE, 100_000)), Some(100_000));
        assert_eq!(d.counts(), (0, 0));
        assert_eq!(feed(&mut Detector::new(), some(Outcome::NONE, 99_999)), None);
    }

    /// IQ-19.2: 99,900 of 100,000 are tolerated, 99,901 are not.
    #[test]
    fn exact_threshold() {
        let window = |none: usize| {
            let handled = 100_000 - none;
            some(Outcome::NONE, 1).chain(some(Outcome::HANDLED, handled)).chain(some(Outcome::NONE, none - 1))
        };
        assert_eq!(feed(&mut Detector::new(), window(99_900)), None);
        assert_eq!(feed(&mut Detector::new(), window(99_901)), Some(100_000));
        // Handled ones before the first unhandled one are not in the window.
        assert_eq!(feed(&mut Detector::new(), some(Outcome::HANDLED, 500).chain(window(99_901))), Some(100_500));
    }

    /// IQ-19.3: one every 101 ms, for an hour and for a year: never. Exactly 100 ms apart they do add up.
    #[test]
    fn rare_strays_do_not_add_up() {
        for (period_ms, expected) in [(101, false), (100, true)] {
            let mut d = Detector::new();
            let mut given_up = false;
            for i in 1..=320_000u64 {
                given_up |= d.note(Outcome::NONE, 0, || i * period_ms * 1_000_000) == Verdict::NobodyCared;
            }
            assert_eq!(given_up, expected, "{period_ms} ms");
        }
    }

    /// IQ-19.4: NO_DEBUG; IQ-19.5: a reset starts anew.
    #[test]
    fn not_watching_and_reset() {
        let mut d = Detector::new();
        d.reset(false);
        assert_eq!(feed(&mut d, some(Outcome::NONE, 1_000_000)), None);
        let mut d = Detector::new();
        assert_eq!(feed(&mut d, some(Outcome::NONE, 99_999)), None);
        d.reset(true);
        assert_eq!((d.counts(), feed(&mut d, some(Outcome::NONE, 99_999))), ((0, 0), None));
        d.restart();
        assert_eq!((d.counts(), feed(&mut d, some(Outcome::NONE, 99_999))), ((0, 0), None));
        // One more handler does not make a line watched that was not.
        d.reset(false);
        d.restart();
        assert_eq!(feed(&mut d, some(Outcome::NONE, 100_000)), None);
    }

    /// IQ-19.7: a value outside the enum is told apart.
    #[test]
    fn bogus_return_value() {
        assert_eq!(Outcome::from_raw(7), Err(BogusReturn(7)));
        assert_eq!(Outcome::from_raw(0x102), Err(BogusReturn(0x102)));
        assert_eq!(Outcome::from_raw(3), Ok(Outcome::HANDLED | Outcome::WAKE));
        assert!(Outcome::WAKE.wakes() && !Outcome::WAKE.handled() && (Outcome::WAKE | Outcome::HANDLED).handled());
    }

    /// IQ-19: a line with threads only. Judged one interrupt later; successful threads keep it alive, others do not.
    #[test]
    fn thread_only_lines() {
        let mut d = Detector::new();
        for handled in 0..300_000u32 {
            assert_eq!(d.note(Outcome::WAKE, handled, || u64::from(handled) * US), Verdict::Fine);
        }
        assert_eq!(d.counts(), (0, 0));
        // Threads that never succeed: the first interrupt cannot be judged yet, so one more is needed.
        assert_eq!(feed(&mut Detector::new(), some(Outcome::WAKE, 100_001)), Some(100_001));
        assert_eq!(feed(&mut Detector::new(), some(Outcome::WAKE, 100_000)), None);
        // A primary handler that handled it too: fine, and the next wake is not judged by older counters.
        let both = Outcome::WAKE | Outcome::HANDLED;
        let mut d = Detector::new();
        assert_eq!(feed(&mut d, [Outcome::WAKE, both, Outcome::WAKE]), None);
        assert_eq!(d.counts(), (0, 0));
        assert_eq!(feed(&mut d, [Outcome::WAKE]), None);
        assert_eq!(d.counts(), (1, 1));
        // The counter wraps through the deferred bit without a false alarm.
        let mut d = Detector::new();
        for handled in [0x7fff_fffe, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, u32::MAX, 0] {
            let _ = d.note(Outcome::WAKE, handled, || US);
        }
        assert_eq!(d.counts(), (0, 0));
    }

    proptest! {
        /// IQ-19 against a model that keeps the whole window.
        #[test]
        fn windows_equal_a_model(
            seed: u64, good_per_thousand in 0u64..3, gap_per_100k in 0u64..3, n in 150_000usize..210_000
        ) {
            let mut random = seed;
            let mut next = move |below: u64| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (random >> 33) % below
            };
            let mut d = Detector::new();
            let (mut now, mut last, mut window, mut since_gap) = (0u64, 0u64, 0u32, 0u32);
            for _ in 0..n {
                now += if next(100_000) < gap_per_100k { RESTART_NS + 1 } else { US };
                let good = next(1000) < good_per_thousand;
                let verdict = d.note(if good { Outcome::HANDLED } else { Outcome::NONE }, 0, || now);
                if !good {
                    since_gap = if now - last > RESTART_NS { 1 } else { since_gap + 1 };
                    last = now;
                }
                if since_gap > 0 { window += 1; }
                let full = window == 100_000;
                prop_assert_eq!(verdict == Verdict::NobodyCared, full && since_gap > 99_900);
                if full { (window, since_gap) = (0, 0); }
            }
        }
    }
}
