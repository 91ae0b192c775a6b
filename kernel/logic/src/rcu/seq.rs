//! Which grace periods have ended, in numbers?
//!
//! One counter: even while no grace period is in progress, odd during one. Whoever takes something away needs a grace period
//! that *begins* afterwards: the one in progress may have begun before.
//!
//! ```text
//!   counter     0 ──begin──► 1 ──end──► 2 ──begin──► 3 ──end──► 4
//!   asked for   here: 2      here: 4                 here: 6
//! ```
//!
//! (Linux `kernel/rcu/rcu.h`, `rcu_seq_snap`, `rcu_seq_done_exact`.)

/// The counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seq(u64);

/// The counter's value at which a grace period will have passed that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Needed(u64);

impl Seq {
    /// Where the counter starts: it wraps early, so that this is no rare event.
    pub const START: Self = Self(0_u64.wrapping_sub(600));

    /// As it is stored.
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }
    /// To be stored.
    pub const fn raw(self) -> u64 {
        self.0
    }
    /// Whether a grace period is in progress.
    #[inline(always)]
    pub const fn is_in_progress(self) -> bool {
        self.0 & 1 != 0
    }
    /// A grace period begins, or ends.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
    /// Grace periods that have ended since the start.
    pub const fn ended(self) -> u64 {
        self.0.wrapping_sub(Self::START.0) / 2
    }
    /// What is to be reached for a whole grace period from now on.
    #[inline(always)]
    pub const fn needed(self) -> Needed {
        Needed(self.0.wrapping_add(3) & !1)
    }
}

impl Needed {
    /// As it is stored.
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }
    /// To be stored.
    pub const fn raw(self) -> u64 {
        self.0
    }
    /// Whether that grace period has passed. What is needed is never more than three steps away, so whatever is not among
    /// the next three has, however long ago.
    #[inline(always)]
    pub const fn is_reached(self, now: Seq) -> bool {
        self.0.wrapping_sub(now.0).wrapping_sub(1) >= 3
    }
    /// The later one of two that were both asked for lately.
    #[must_use]
    pub const fn later(self, other: Self) -> Self {
        if self.0.wrapping_sub(other.0) as i64 >= 0 { self } else { other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(steps: u64) -> Seq {
        Seq(Seq::START.0.wrapping_add(steps))
    }

    /// RC-15.1: a grace period that is in progress is not enough; the next one is, to its end, across the wrap too.
    #[test]
    fn a_whole_one_is_needed() {
        for asked in 0..1_300 {
            let needed = after(asked).needed();
            let end = if asked % 2 == 0 { asked + 2 } else { asked + 3 };
            for now in asked..asked + 10 {
                assert_eq!(needed.is_reached(after(now)), now >= end, "asked at {asked}, now {now}");
            }
        }
    }

    /// RC-15.3: a number from long ago is reached, also one from more than half the counter's range ago.
    #[test]
    fn old_ones_are_reached() {
        let needed = after(0).needed();
        for ago in [1_000, u64::MAX / 2, u64::MAX / 2 + 1_000, u64::MAX - 100] {
            assert!(needed.is_reached(after(ago)), "{ago}");
        }
    }

    #[test]
    fn the_later_one() {
        for asked in 590..610 {
            let (first, second) = (after(asked).needed(), after(asked + 2).needed());
            assert_eq!((first.later(second), second.later(first), first.later(first)), (second, second, first));
        }
        assert_eq!((after(0).ended(), after(1).ended(), after(2).ended(), after(1_000).ended()), (0, 0, 1, 500));
    }
}
