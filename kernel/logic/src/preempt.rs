//! What context is a CPU in, told by one word?
//!
//! | bits | counts |
//! |---|---|
//! | 0–7 | preemption disabled |
//! | 8–15 | soft interrupts: 1 while one is served, 2 for each time they are disabled |
//! | 16–19 | hard interrupts |
//! | 20–23 | NMIs |
//!
//! That a reschedule is wanted is a word of its own: it is set by interrupts, between a section's load and store of the
//! count. On rt the softirq field is kept in the thread instead.
//! A [`Count`] is a value; the kernel loads and stores it where it belongs (CX-01).

/// One level of "preemption disabled".
pub const PREEMPT: u32 = 1;
/// A soft interrupt is being served.
pub const SOFTIRQ: u32 = 1 << 8;
/// Soft interrupts are disabled once: two units, so that it differs from serving one.
pub const BH_DISABLED: u32 = 2 * SOFTIRQ;
/// One level of hard interrupt.
pub const HARDIRQ: u32 = 1 << 16;
/// One level of NMI.
pub const NMI: u32 = 1 << 20;

/// Bits of the preemption depth.
pub const PREEMPT_MASK: u32 = 0x0000_00ff;
/// Bits of the softirq field.
pub const SOFTIRQ_MASK: u32 = 0x0000_ff00;
/// Bits of the hardirq field.
pub const HARDIRQ_MASK: u32 = 0x000f_0000;
/// Bits of the NMI field.
pub const NMI_MASK: u32 = 0x00f0_0000;
/// All counting bits.
pub const COUNT_MASK: u32 = PREEMPT_MASK | SOFTIRQ_MASK | HARDIRQ_MASK | NMI_MASK;

/// The preemption depth at which somebody probably forgets to enable: warned of once on the way up.
pub const DEPTH_WARN: u32 = 245;

/// What is wrong with a change of the count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Misuse {
    /// Enabled more often than disabled: warn; the count is as it was.
    Underflow,
    /// Depth has just become [`DEPTH_WARN`]: warn; the count was changed.
    Deep,
    /// The field is full: a bug; the count is as it was.
    Overflow,
}

/// The word's value at some moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Count(pub u32);

impl Count {
    /// Thread context, everything enabled.
    pub const THREAD: Self = Self(0);

    /// The counting bits: what must be the same after a callback as before (CX-04).
    #[inline]
    pub const fn counts(self) -> u32 {
        self.0 & COUNT_MASK
    }

    /// How often preemption is disabled.
    #[inline]
    pub const fn depth(self) -> u32 {
        self.0 & PREEMPT_MASK
    }

    /// In an NMI?
    #[inline]
    pub const fn in_nmi(self) -> bool {
        self.0 & NMI_MASK != 0
    }

    /// In a hard interrupt?
    #[inline]
    pub const fn in_hardirq(self) -> bool {
        self.0 & HARDIRQ_MASK != 0
    }

    /// Is a soft interrupt being served (not merely disabled)?
    #[inline]
    pub const fn in_serving_softirq(self) -> bool {
        self.0 & SOFTIRQ != 0
    }

    /// Are soft interrupts being served or disabled?
    #[inline]
    pub const fn in_softirq(self) -> bool {
        self.0 & SOFTIRQ_MASK != 0
    }

    /// In a thread's own code: no NMI, no hard interrupt, no soft interrupt being served?
    #[inline]
    pub const fn in_task(self) -> bool {
        self.0 & (NMI_MASK | HARDIRQ_MASK | SOFTIRQ) == 0
    }

    /// Is any count above zero, so that sleeping is forbidden?
    #[inline]
    pub const fn in_atomic(self) -> bool {
        self.0 & COUNT_MASK != 0
    }

    /// Could the running thread be preempted here?
    #[inline]
    pub const fn preemptible(self, irqs_on: bool) -> bool {
        !self.in_atomic() && irqs_on
    }

    /// Preemption disabled once more. The new value must be stored, except after [`Misuse::Overflow`] where it is
    /// the old one.
    #[inline]
    pub const fn disable(self) -> (Self, Option<Misuse>) {
        let depth = self.depth();
        if depth < DEPTH_WARN - 1 || (depth >= DEPTH_WARN && depth < PREEMPT_MASK) {
            (Self(self.0 + PREEMPT), None)
        } else if depth == PREEMPT_MASK {
            (self, Some(Misuse::Overflow))
        } else {
            (Self(self.0 + PREEMPT), Some(Misuse::Deep))
        }
    }

    /// Preemption enabled once; at depth 0 the value is unchanged.
    #[inline]
    pub const fn enable(self) -> (Self, Option<Misuse>) {
        if self.depth() == 0 { (self, Some(Misuse::Underflow)) } else { (Self(self.0 - PREEMPT), None) }
    }

    /// Soft interrupts disabled once more.
    #[inline]
    pub const fn bh_disable(self) -> (Self, Option<Misuse>) {
        if self.0 & SOFTIRQ_MASK >= SOFTIRQ_MASK - SOFTIRQ {
            (self, Some(Misuse::Overflow))
        } else {
            (Self(self.0 + BH_DISABLED), None)
        }
    }

    /// Soft interrupts enabled once; unchanged if they were not disabled.
    #[inline]
    pub const fn bh_enable(self) -> (Self, Option<Misuse>) {
        if self.0 & SOFTIRQ_MASK < BH_DISABLED {
            (self, Some(Misuse::Underflow))
        } else {
            (Self(self.0 - BH_DISABLED), None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// CX-01.1: 1, 2, 3, 2, 1, 0.
    #[test]
    fn three_down_three_up() {
        let mut count = Count::THREAD;
        let mut seen = vec![];
        for step in 0..6 {
            let (new, misuse) = if step < 3 { count.disable() } else { count.enable() };
            assert_eq!(misuse, None);
            count = new;
            seen.push(count.depth());
        }
        assert_eq!(seen, [1, 2, 3, 2, 1, 0]);
        assert_eq!(count, Count::THREAD);
    }

    /// CX-01.2: BH disabled is "in softirq" but not "serving", and a task; nested in serving, both.
    #[test]
    fn bh_disabled_differs_from_serving() {
        let (disabled, _) = Count::THREAD.bh_disable();
        assert!(disabled.in_softirq() && !disabled.in_serving_softirq() && disabled.in_task() && disabled.in_atomic());
        let serving = Count(SOFTIRQ);
        assert!(serving.in_softirq() && serving.in_serving_softirq() && !serving.in_task());
        let (nested, _) = serving.bh_disable();
        assert!(nested.in_serving_softirq());
        assert_eq!(nested.bh_enable(), (serving, None));
        assert_eq!(serving.bh_enable(), (serving, Some(Misuse::Underflow)));
        // rt keeps the softirq field in the thread: the CPU's word then says neither atomic nor unpreemptible.
        assert!(!Count::THREAD.in_atomic() && Count::THREAD.preemptible(true) && !Count::THREAD.preemptible(false));
    }

    /// CX-01.3: what a hard handler and a thread see.
    #[test]
    fn hard_handler_and_thread() {
        let hard = Count(HARDIRQ);
        assert!(hard.in_hardirq() && !hard.in_task() && !hard.preemptible(true) && !hard.in_nmi());
        assert!(Count(NMI).in_nmi() && !Count(NMI).in_task());
        assert!(Count::THREAD.in_task() && Count::THREAD.preemptible(true));
    }

    /// CX-01.4: enabling at depth 0 warns and changes nothing.
    #[test]
    fn underflow_leaves_the_count() {
        assert_eq!(Count::THREAD.enable(), (Count::THREAD, Some(Misuse::Underflow)));
        let hard = Count(HARDIRQ);
        assert_eq!(hard.enable(), (hard, Some(Misuse::Underflow)));
    }

    /// CX-01.6: the 245th warns, once; the 256th is a bug.
    #[test]
    fn too_deep() {
        let mut count = Count::THREAD;
        for nth in 1..=300u32 {
            let (new, misuse) = count.disable();
            let expected = match nth {
                245 => Some(Misuse::Deep),
                256.. => Some(Misuse::Overflow),
                _ => None,
            };
            assert_eq!(misuse, expected, "disable number {nth}");
            assert_eq!(new.0, nth.min(255), "no carry into the softirq field");
            count = new;
        }
        let mut count = Count(SOFTIRQ);
        while count.bh_disable().1.is_none() {
            count = count.bh_disable().0;
        }
        assert_eq!((count.0 & SOFTIRQ_MASK, count.counts() & HARDIRQ_MASK), (SOFTIRQ_MASK, 0));
    }

    proptest! {
        /// CX-01 invariants for every combination of the fields.
        #[test]
        fn queries_agree_with_the_fields(depth in 0u32..256, soft in 0u32..256, hard in 0u32..16, nmi in 0u32..16) {
            let count = Count(depth + (soft << 8) + (hard << 16) + (nmi << 20));
            prop_assert_eq!(count.in_atomic(), depth + soft + hard + nmi != 0);
            prop_assert_eq!(count.preemptible(true), !count.in_atomic());
            prop_assert_eq!(count.in_task(), nmi == 0 && hard == 0 && soft % 2 == 0);
            prop_assert_eq!((count.depth(), count.in_softirq()), (depth, soft != 0));
            for new in [count.disable().0, count.enable().0, count.bh_disable().0, count.bh_enable().0] {
                prop_assert_eq!(new.0 >> 16, count.0 >> 16, "no carry out of the fields");
            }
            prop_assert_eq!(count.disable().0.0 & !PREEMPT_MASK, count.0 & !PREEMPT_MASK);
            prop_assert_eq!(count.enable().0.0 & !PREEMPT_MASK, count.0 & !PREEMPT_MASK);
        }
    }
}
