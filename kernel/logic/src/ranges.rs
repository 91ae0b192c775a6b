//! Which addresses are nobody's? A set of ranges from which others are cut.
//!
//! What a boot loader says of memory comes in any order, may overlap and may be nonsense; no address is in the set twice,
//! whatever was added.

/// Ranges, each from its first address to the one behind its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges<const N: usize>(heapless::Vec<(usize, usize), N>);

impl<const N: usize> Default for Ranges<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Ranges<N> {
    /// No address.
    pub const fn new() -> Self {
        Self(heapless::Vec::new())
    }
    /// Adds the addresses from `start` on that are below `end`. Where there is no room for another range they are left out.
    #[inline(never)]
    pub fn add(&mut self, start: usize, end: usize) {
        self.remove(start, end);
        if start < end {
            let _ = self.0.push((start, end));
        }
    }
    /// Takes out the addresses from `start` on that are below `end`. Of a range that becomes two, for the second of which there
    /// is no room, the larger one stays.
    #[inline(never)]
    pub fn remove(&mut self, start: usize, end: usize) {
        let mut n = 0;
        while let Some(range) = self.0.get_mut(n) {
            let (left, right) = ((range.0, range.1.min(start)), (range.0.max(end), range.1));
            let mut rest = [left, right].into_iter().filter(|(from, to)| from < to);
            if start >= end || left.1 == range.1 || right.0 == range.0 {
                // Nothing of it is taken.
                n += 1;
                continue;
            }
            match (rest.next(), rest.next()) {
                (None, _) => {
                    self.0.swap_remove(n);
                    continue;
                }
                (Some(one), None) => *range = one,
                (Some(one), Some(two)) => {
                    let (larger, smaller) = if one.1 - one.0 >= two.1 - two.0 { (one, two) } else { (two, one) };
                    *range = larger;
                    let _ = self.0.push(smaller);
                }
            }
            n += 1;
        }
    }
    /// Whether all addresses from `start` on that are below `end` lie in one range.
    pub fn contains(&self, start: usize, end: usize) -> bool {
        self.iter().any(|(from, to)| from <= start && end <= to)
    }
    /// Each range, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize)> {
        self.0.iter().copied()
    }
    /// Takes the first `bytes` out of a range that has so many: their address.
    pub fn take(&mut self, bytes: usize) -> Option<usize> {
        let at = self.0.iter().find(|(start, end)| end - start >= bytes)?.0;
        self.remove(at, at + bytes);
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn sorted<const N: usize>(ranges: &Ranges<N>) -> Vec<(usize, usize)> {
        let mut all: Vec<_> = ranges.iter().collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn what_is_taken_out_is_not_there() {
        let mut ranges = Ranges::<4>::new();
        ranges.add(0, 100);
        ranges.remove(10, 20);
        ranges.remove(90, 200);
        ranges.remove(0, 5);
        assert_eq!(sorted(&ranges), [(5, 10), (20, 90)]);
        ranges.add(15, 30);
        assert_eq!(sorted(&ranges), [(5, 10), (15, 30), (30, 90)]);
        ranges.remove(40, 30);
        ranges.remove(0, 100);
        assert_eq!(sorted(&ranges), []);
    }

    #[test]
    fn without_room_the_larger_half_stays() {
        let mut ranges = Ranges::<1>::new();
        ranges.add(0, 100);
        ranges.remove(60, 70);
        assert_eq!(sorted(&ranges), [(0, 60)]);
        ranges.remove(10, 20);
        assert_eq!(sorted(&ranges), [(20, 60)]);
        ranges.add(100, 200);
        assert_eq!(sorted(&ranges), [(20, 60)]);
    }

    #[test]
    fn memory_is_taken_from_where_there_is_enough() {
        let mut ranges = Ranges::<2>::new();
        ranges.add(0, 10);
        ranges.add(100, 200);
        assert_eq!((ranges.take(50), ranges.take(50), ranges.take(11)), (Some(100), Some(150), None));
        assert_eq!(ranges.take(10), Some(0));
        ranges.add(20, 40);
        assert_eq!(
            [(20, 40), (19, 30), (30, 41), (0, 5)].map(|(start, end)| ranges.contains(start, end)),
            [true, false, false, false]
        );
    }

    proptest! {
        /// The same as a set of numbers, as long as there is room.
        #[test]
        fn ranges_are_a_set(changes in proptest::collection::vec((any::<bool>(), 0..40_usize, 0..40_usize), 0..12)) {
            let (mut ranges, mut naive) = (Ranges::<32>::new(), [false; 40]);
            for (add, start, end) in changes {
                if add { ranges.add(start, end) } else { ranges.remove(start, end) }
                (start..end).for_each(|n| naive[n] = add);
            }
            let mut found = [0; 40];
            ranges.iter().for_each(|(start, end)| (start..end).for_each(|n| found[n] += 1));
            prop_assert_eq!(found, naive.map(i32::from));
        }
    }
}
