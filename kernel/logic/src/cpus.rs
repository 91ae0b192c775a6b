//! Which CPUs? A set of CPU numbers, and the two ways in which people write one.
//!
//! As `taskset` does (util-linux `taskset(1)`): a hexadecimal mask, `b` for CPUs 0, 1 and 3, or a list, `0,1,3` or
//! `0-1,3`.
use core::fmt;

/// A set of CPUs, by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
#[repr(transparent)]
pub struct CpuSet(u32);

/// The text names no set of CPUs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadCpuSet;

impl CpuSet {
    /// CPUs that a set can have.
    pub const MAX: usize = 32;
    /// No CPU.
    pub const EMPTY: Self = Self(0);
    /// Every CPU, whether it exists or not.
    pub const ALL: Self = Self(!0);

    /// The set with a bit for each CPU.
    #[inline]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
    /// A bit for each CPU.
    #[inline]
    pub const fn bits(self) -> u32 {
        self.0
    }
    /// One CPU; none if its number is [`Self::MAX`] or more.
    #[inline]
    pub const fn of(cpu: usize) -> Self {
        Self(if cpu < Self::MAX { 1 << cpu } else { 0 })
    }
    /// CPUs 0 to `count - 1`.
    pub const fn first_n(count: usize) -> Self {
        Self(if count >= Self::MAX { !0 } else { (1 << count) - 1 })
    }
    /// Is it in the set?
    #[inline]
    pub const fn contains(self, cpu: usize) -> bool {
        self.0 & Self::of(cpu).0 != 0
    }
    /// The set with this CPU, too.
    #[inline]
    #[must_use]
    pub const fn with(self, cpu: usize) -> Self {
        Self(self.0 | Self::of(cpu).0)
    }
    /// The set without this CPU.
    #[inline]
    #[must_use]
    pub const fn without(self, cpu: usize) -> Self {
        Self(self.0 & !Self::of(cpu).0)
    }
    /// The CPUs that are in both.
    #[inline]
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    /// Has it no CPU?
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// How many CPUs it has.
    #[inline]
    pub const fn count(self) -> usize {
        self.0.count_ones() as usize
    }
    /// The CPU with the lowest number.
    #[inline]
    pub const fn first(self) -> Option<usize> {
        if self.0 == 0 { None } else { Some(self.0.trailing_zeros() as usize) }
    }
    /// One more than the highest number in it, 0 if there is none: so many columns show every CPU at its place.
    pub const fn end(self) -> usize {
        (u32::BITS - self.0.leading_zeros()) as usize
    }
    /// The CPUs, in the order of their numbers.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut rest = self;
        core::iter::from_fn(move || {
            let cpu = rest.first()?;
            rest = rest.without(cpu);
            Some(cpu)
        })
    }

    /// Reads a hexadecimal mask, `0x` being optional.
    ///
    /// # Errors
    /// Not hexadecimal, or a CPU of [`Self::MAX`] or more.
    pub fn parse_mask(text: &str) -> Result<Self, BadCpuSet> {
        let digits = text.strip_prefix("0x").or(text.strip_prefix("0X")).unwrap_or(text);
        if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
            return Err(BadCpuSet);
        }
        u32::from_str_radix(digits, 16).map(Self).map_err(|_| BadCpuSet)
    }
    /// Reads a list of numbers and ranges.
    ///
    /// # Errors
    /// Not such a list, a range that ends before it begins, or a CPU of [`Self::MAX`] or more.
    pub fn parse_list(text: &str) -> Result<Self, BadCpuSet> {
        let number = |text: &str| match text.starts_with(|c: char| c.is_ascii_digit()) {
            true => text.parse::<usize>().ok().filter(|&n| n < Self::MAX).ok_or(BadCpuSet),
            false => Err(BadCpuSet),
        };
        text.split(',').try_fold(Self::EMPTY, |set, part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return Err(BadCpuSet);
            }
            Ok((first..=last).fold(set, Self::with))
        })
    }
}

/// As a list: `0-1,3`; nothing for the empty set.
impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = *self;
        let mut comma = "";
        while let Some(first) = rest.first() {
            let mut last = first;
            while rest.contains(last + 1) {
                last += 1;
            }
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
            rest = (first..=last).fold(rest, Self::without);
            comma = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn sets_are_read_as_taskset_does() {
        for (mask, list, cpus) in [("1", "0", &[0][..]), ("0xb", "0-1,3", &[0, 1, 3]), ("F0", "4-7", &[4, 5, 6, 7])] {
            let set = CpuSet::parse_mask(mask).unwrap();
            assert_eq!(set, CpuSet::parse_list(list).unwrap());
            assert_eq!(set.to_string(), list);
            assert_eq!(set.iter().collect::<Vec<_>>(), cpus);
            assert_eq!((set.count(), set.first()), (cpus.len(), Some(cpus[0])));
        }
        assert_eq!(CpuSet::parse_list("3,1,1-2"), Ok(CpuSet::from_bits(0b1110)));
        assert_eq!(CpuSet::ALL.to_string(), "0-31");
        assert_eq!(CpuSet::EMPTY.to_string(), "");
        assert_eq!(CpuSet::first_n(4), CpuSet::from_bits(15));
    }

    #[test]
    fn what_names_no_set_is_refused() {
        for mask in ["", "0x", "g", "+1", "-1", "1,2", "100000000"] {
            assert_eq!(CpuSet::parse_mask(mask), Err(BadCpuSet), "{mask}");
        }
        for list in ["", ",", "1,", "a", "-1", "2-1", "32", "0-32", "1-", "+1", "0x1", "1-2-3"] {
            assert_eq!(CpuSet::parse_list(list), Err(BadCpuSet), "{list}");
        }
    }

    #[test]
    fn sets_are_changed_one_cpu_at_a_time() {
        let set = CpuSet::of(3).with(1).with(31).without(3).with(32);
        assert_eq!(set.iter().collect::<Vec<_>>(), [1, 31]);
        assert!(set.contains(31) && !set.contains(3) && !set.contains(32));
        assert_eq!((set.end(), CpuSet::of(1).end(), CpuSet::EMPTY.end()), (32, 2, 0));
        assert_eq!(set.and(CpuSet::first_n(4)), CpuSet::of(1));
    }
}
