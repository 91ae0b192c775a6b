//! How often was which value seen? Counts in steps of equal width, of bounded memory.

/// Counts of values below a limit, in at most `N` steps; values from the limit on are counted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram<const N: usize> {
    width: u64,
    steps: usize,
    counts: [u32; N],
    overflows: u32,
}

impl<const N: usize> Histogram<N> {
    /// Nothing seen yet. Values below `limit` are told apart, one by one if there are at most `N` of them, else in steps of
    /// equal width. `None`: a limit of 0.
    pub const fn new(limit: u64) -> Option<Self> {
        const { assert!(N > 0) };
        if limit == 0 {
            return None;
        }
        let width = limit.div_ceil(N as u64);
        Some(Self { width, steps: limit.div_ceil(width) as usize, counts: [0; N], overflows: 0 })
    }
    /// Counts one more value. A count stays at its maximum rather than begin again.
    #[inline]
    pub fn record(&mut self, value: u64) {
        let at = usize::try_from(value / self.width).unwrap_or(usize::MAX);
        let count = match self.counts.get_mut(..self.steps).and_then(|counts| counts.get_mut(at)) {
            Some(count) => count,
            None => &mut self.overflows,
        };
        *count = count.saturating_add(1);
    }
    /// Values in each step.
    pub fn counts(&self) -> &[u32] {
        self.counts.get(..self.steps).unwrap_or(&[])
    }
    /// Values that a step has: 1, unless the limit is more than `N`.
    pub fn width(&self) -> u64 {
        self.width
    }
    /// Values that were too large.
    pub fn overflows(&self) -> u32 {
        self.overflows
    }
    /// Values in all steps.
    pub fn total(&self) -> u64 {
        self.counts().iter().map(|&count| u64::from(count)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    #[test]
    fn each_value_has_its_step_up_to_the_limit() {
        let mut counted = Histogram::<8>::new(3).unwrap();
        [0, 2, 2, 3, u64::MAX].into_iter().for_each(|value| counted.record(value));
        assert_eq!((counted.counts(), counted.overflows()), (&[1, 0, 2][..], 2));
        assert_eq!((counted.width(), counted.total()), (1, 3));
    }

    #[test]
    fn a_limit_beyond_the_steps_makes_them_wider() {
        let mut counted = Histogram::<4>::new(9).unwrap();
        assert_eq!((counted.width(), counted.counts().len()), (3, 3));
        [2, 3, 8, 9].into_iter().for_each(|value| counted.record(value));
        assert_eq!((counted.counts(), counted.overflows()), (&[1, 1, 1][..], 1));
    }

    #[test]
    fn no_limit_is_refused_and_the_largest_is_taken() {
        assert_eq!(Histogram::<4>::new(0), None);
        let mut counted = Histogram::<4>::new(u64::MAX).unwrap();
        counted.record(u64::MAX);
        assert_eq!(counted.total() + u64::from(counted.overflows()), 1);
    }

    #[test]
    fn a_full_count_stays_full() {
        let mut counted = Histogram::<1>::new(1).unwrap();
        (counted.counts[0], counted.overflows) = (u32::MAX, u32::MAX);
        counted.record(0);
        counted.record(1);
        assert_eq!((counted.counts(), counted.overflows()), (&[u32::MAX][..], u32::MAX));
    }

    proptest! {
        #[test]
        fn every_value_is_counted_once_where_it_belongs(
            limit in 1..5_000u64,
            values in proptest::collection::vec(0..6_000u64, 0..200),
        ) {
            let mut counted = Histogram::<100>::new(limit).unwrap();
            values.iter().for_each(|&value| counted.record(value));
            let width = counted.width();
            let mut naive = BTreeMap::new();
            let mut over = 0;
            for &value in &values {
                // The last step may reach beyond the limit.
                let step = value / width;
                if step * width < limit { *naive.entry(step).or_insert(0) += 1 } else { over += 1 }
            }
            let expected: Vec<u32> =
                (0..counted.counts().len() as u64).map(|step| naive.get(&step).copied().unwrap_or(0)).collect();
            prop_assert_eq!(counted.counts(), expected);
            prop_assert_eq!(counted.overflows(), over);
            prop_assert_eq!(counted.total() + u64::from(over), values.len() as u64);
        }
    }
}
