//! When has a thread run long enough that its equals get their turn?
//!
//! Only round-robin and fair threads have slices; a FIFO thread runs until it blocks (SC-03.4). Time is charged when
//! the thread stops running for any reason and at the tick; a preempted thread keeps the rest (SC-03.3).

use crate::policy::Policy;

/// Default of `sched_rr_timeslice_ms`.
pub const RR_DEFAULT_MS: u32 = 100;
/// How long a fair thread runs while others wait.
pub const FAIR_SLICE_NS: u64 = 4_000_000;
const NS_PER_MS: u64 = 1_000_000;

/// The value that `sched_rr_timeslice_ms` takes when `written` is written: zero or less means the default (SC-03.5).
pub const fn rr_timeslice_ms(written: i32) -> u32 {
    if written <= 0 { RR_DEFAULT_MS } else { written as u32 }
}

/// The full slice of a thread with this policy; `None` for FIFO. `rr_ms` is the value of `sched_rr_timeslice_ms`.
#[inline]
pub const fn slice_ns(policy: Policy, rr_ms: u32) -> Option<u64> {
    if policy.is_rr() {
        Some(rr_ms as u64 * NS_PER_MS)
    } else if policy.is_rt() {
        None
    } else {
        Some(FAIR_SLICE_NS)
    }
}

/// What `rr_interval` reports: 0 means "no slice" (SC-03.5).
pub const fn rr_interval_ns(policy: Policy, rr_ms: u32) -> u64 {
    match slice_ns(policy, rr_ms) {
        Some(ns) => ns,
        None => 0,
    }
}

/// What is left of a thread's turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slice {
    left_ns: u64,
}

/// What a charge found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Charge {
    /// The turn goes on for this many nanoseconds: the tick to ask for.
    Left(u64),
    /// The turn is over and the slice is full again: yield if there are equals, else go on (SC-03.2).
    Expired,
}

impl Slice {
    /// A full slice, for a new thread or a new policy.
    #[inline]
    pub const fn full(full_ns: u64) -> Self {
        Self { left_ns: full_ns }
    }

    /// Nanoseconds left.
    #[inline]
    pub const fn left_ns(self) -> u64 {
        self.left_ns
    }

    /// Charges `ran_ns`; when nothing is left the slice is refilled with `full_ns`. Time run beyond the end is forgiven.
    #[inline]
    pub fn charge(&mut self, ran_ns: u64, full_ns: u64) -> Charge {
        if ran_ns < self.left_ns {
            self.left_ns -= ran_ns;
            Charge::Left(self.left_ns)
        } else {
            self.left_ns = full_ns;
            Charge::Expired
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// SC-03.5: zero and negative values mean the default; a FIFO thread has no interval.
    #[test]
    fn sysctl_and_interval() {
        assert_eq!((rr_timeslice_ms(0), rr_timeslice_ms(-5), rr_timeslice_ms(10)), (100, 100, 10));
        assert_eq!(rr_interval_ns(Policy::fifo(20).unwrap(), 10), 0);
        assert_eq!(rr_interval_ns(Policy::rr(20).unwrap(), 10), 10_000_000);
        assert_eq!(slice_ns(Policy::other(0).unwrap(), 10), Some(FAIR_SLICE_NS));
        assert_eq!(slice_ns(Policy::idle(), 10), Some(FAIR_SLICE_NS));
        assert_eq!(rr_interval_ns(Policy::rr(20).unwrap(), rr_timeslice_ms(i32::MAX)), i32::MAX as u64 * NS_PER_MS);
    }

    /// SC-03.3: preempted at 4 ms of 10, it has 6 ms left afterwards.
    #[test]
    fn preempted_keeps_the_rest() {
        let full = 10 * NS_PER_MS;
        let mut slice = Slice::full(full);
        assert_eq!(slice.charge(4 * NS_PER_MS, full), Charge::Left(6 * NS_PER_MS));
        assert_eq!(slice.charge(6 * NS_PER_MS, full), Charge::Expired);
        assert_eq!(slice.left_ns(), full);
    }

    proptest! {
        /// However the running time is cut up, turns never last less than a slice.
        #[test]
        fn turns_are_whole_slices(runs in prop::collection::vec(0u64..1000, 1..200)) {
            let full = 1000;
            let mut slice = Slice::full(full);
            let mut turn = 0;
            for ran in runs {
                turn += ran;
                match slice.charge(ran, full) {
                    Charge::Left(left) => prop_assert_eq!(turn + left, full),
                    Charge::Expired => {
                        prop_assert!(turn >= full);
                        turn = 0;
                    }
                }
            }
        }
    }
}
