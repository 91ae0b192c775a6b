//! How do counter ticks and nanoseconds convert into each other, exactly enough and cheaply?
//!
//! One 64×64→128-bit multiplication and a shift by a constant each way (three instructions on ARM64). Both factors are
//! rounded so that the pair keeps two promises for every frequency between 1 MHz and 1 GHz:
//!
//! - **strictly monotonic**: a tick is at least 1 ns, so a later tick is a later nanosecond (TM-01.1);
//! - **never early**: the tick computed for a deadline converts back to that deadline or later.
//!
//! The factor holds 53 bits or more, so the error is below 2⁻⁵³ of the value plus 1 ns: far under 1 ppm after 100 years.

/// Fixed, so that the shift is an immediate; the largest with which 1000 ns a tick (1 MHz) still fit in 64 bits.
const NS_SHIFT: u32 = 53;
/// Chosen likewise for one tick a nanosecond (1 GHz).
const TICK_SHIFT: u32 = 63;
const NS_PER_S: u64 = 1_000_000_000;

/// The counter's frequency is not between 1 MHz and 1 GHz.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnsupportedFrequency;

/// Conversion factors of a counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    ns_per_tick: u64,
    ticks_per_ns: u64,
}

impl Clock {
    /// For a counter of `hz` (`CNTFRQ_EL0`), 1 MHz..=1 GHz.
    pub const fn new(hz: u64) -> Result<Self, UnsupportedFrequency> {
        if hz < 1_000_000 || hz > NS_PER_S {
            return Err(UnsupportedFrequency);
        }
        // Rounded down, which at 1 GHz or less never goes under one whole nanosecond.
        let ns_per_tick = (((NS_PER_S as u128) << NS_SHIFT) / hz as u128) as u64;
        // The inverse of the rounded factor, not of the frequency, rounded up: this is what makes it never early.
        let ticks_per_ns = (1u128 << (NS_SHIFT + TICK_SHIFT)).div_ceil(ns_per_tick as u128) as u64;
        Ok(Self { ns_per_tick, ticks_per_ns })
    }

    /// Nanoseconds after `ticks` ticks, rounded down. Wraps after 584 years.
    #[inline]
    pub const fn ns(&self, ticks: u64) -> u64 {
        ((ticks as u128 * self.ns_per_tick as u128) >> NS_SHIFT) as u64
    }

    /// The tick at which `ns` nanoseconds have passed: the first or, after centuries, the second such tick.
    #[inline]
    pub const fn ticks(&self, ns: u64) -> u64 {
        // Cannot overflow: the factor is at most 2⁶³, so the sum stays below 2¹²⁸.
        ((ns as u128 * self.ticks_per_ns as u128 + ((1 << TICK_SHIFT) - 1)) >> TICK_SHIFT) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CENTURY_S: u64 = 100 * 366 * 86_400;

    fn exact_ns(ticks: u64, hz: u64) -> u128 {
        u128::from(ticks) * 1_000_000_000 / u128::from(hz)
    }

    /// TM-01.1: within 1 ppm over 100 years, and strictly monotonic at every sampled tick.
    #[test]
    fn a_century_within_1_ppm() {
        for hz in [1_000_000, 19_200_000, 24_000_000, 54_000_000, 62_500_000, 999_999_999, 1_000_000_000] {
            let clock = Clock::new(hz).unwrap();
            let century = CENTURY_S * hz;
            for step in 0..10_000 {
                let tick = century / 10_000 * step + step;
                let (got, exact) = (u128::from(clock.ns(tick)), exact_ns(tick, hz));
                assert!(
                    got.abs_diff(exact) <= exact / 1_000_000 / 1_000 + 1,
                    "{hz} Hz, tick {tick}: {got} for {exact}"
                );
                assert!(clock.ns(tick + 1) > clock.ns(tick));
            }
        }
    }

    #[test]
    fn a_gigahertz_is_exact() {
        let clock = Clock::new(1_000_000_000).unwrap();
        assert_eq!((clock.ns(u64::MAX), clock.ns(7)), (u64::MAX, 7));
        assert_eq!(clock.ticks(1_000_000_007), 1_000_000_007);
        // QEMU's 62.5 MHz: 16 ns a tick.
        let clock = Clock::new(62_500_000).unwrap();
        assert_eq!((clock.ns(5), clock.ticks(80), clock.ticks(81), clock.ticks(1)), (80, 5, 6, 1));
        assert_eq!(clock.ticks(0), 0);
    }

    #[test]
    fn other_frequencies_are_refused() {
        for hz in [0, 1, 999_999, 1_000_000_001, u64::MAX] {
            assert_eq!(Clock::new(hz), Err(UnsupportedFrequency));
        }
    }

    proptest! {
        /// TM-01.1, TM-02 ("callback never before expiry"): any frequency, any instant of a century.
        #[test]
        fn strictly_monotonic_and_never_early(hz in 1_000_000u64..=1_000_000_000, part in 0u64..=u64::MAX) {
            let clock = Clock::new(hz).unwrap();
            let tick = part % (CENTURY_S * hz);
            prop_assert!(clock.ns(tick) < clock.ns(tick + 1));
            let ns = part % (CENTURY_S * 1_000_000_000);
            let at = clock.ticks(ns);
            prop_assert!(clock.ns(at) >= ns, "early");
            prop_assert!(at < 2 || clock.ns(at - 2) < ns, "more than a tick late");
            // Within a day of boot it is the very first tick.
            let soon = part % 86_400_000_000_000;
            let at = clock.ticks(soon);
            prop_assert!(at == 0 || clock.ns(at - 1) < soon);
        }

        /// A deadline of the far future neither overflows nor comes early.
        #[test]
        fn never_overflows(hz in 1_000_000u64..=1_000_000_000, ns: u64) {
            let clock = Clock::new(hz).unwrap();
            prop_assert!(clock.ticks(ns) <= ns.saturating_add(1));
            prop_assert!(clock.ticks(u64::MAX) >= clock.ticks(ns));
        }
    }
}
