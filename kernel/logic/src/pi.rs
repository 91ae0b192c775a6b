//! What does priority inheritance decide at each step?
//!
//! A thread's level is never saved and restored: it is computed from its own policy and the top waiters of the locks that it
//! owns, its *donors* (RM-03, RM-07). Three questions come up on the way; each answer is a plain function here:
//!
//! - [`effective`]: how urgent is a thread?
//! - [`may_take`]: who may take a lock that belongs to nobody but has waiters?
//! - [`donors_change`]: the order of a lock's waiters has changed; what is different for its owner?
//!
//! The walk along a chain of owners repeats one hop: *make a waiter's place agree with its level; if its lock has another top
//! waiter or level now, its owner's donors change, and with them its level; go on with the owner if it waits itself*. A hop
//! whose waiter stands right already is the last one. Nothing is remembered between two hops but the next thread: each looks
//! at the world as it is, so a chain that has changed meanwhile does no harm, and neither does a walk that somebody else
//! has overtaken.
use crate::policy::Level;

/// The level of a thread whose policy has level `base` and whose most urgent donor has level `donor`.
#[inline]
pub fn effective(base: Level, donor: Option<Level>) -> Level {
    match donor {
        Some(donor) if donor > base => donor,
        _ => base,
    }
}

/// How a newcomer may get past the top waiter of a lock that belongs to nobody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Steal {
    /// If it is more urgent.
    Higher,
    /// If it is more urgent, or as urgent and neither is real-time: the woken one would only find the lock taken again
    /// and again (LK-03, Linux `rt_mutex_steal`).
    Lateral,
}

/// Whether a thread at level `me`, which is not the top waiter, may take a lock that nobody owns, whose top waiter stands at
/// `top`.
#[inline]
pub fn may_take(me: Level, top: Option<Level>, steal: Steal) -> bool {
    match top {
        None => true,
        Some(top) => me > top || me == top && steal == Steal::Lateral && !me.is_rt(),
    }
}

/// What the owner of a lock has to do about its donors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Donors {
    /// Nothing: the top waiter is the same, at the same level.
    Same,
    /// The former top waiter leaves, the present one comes; they may be the same thread at another level.
    Changed,
}

/// One waiter's place in its lock has changed. `was_top`, `is_top`: whether it was the top waiter, and is now.
#[inline]
pub fn donors_change(was_top: bool, is_top: bool) -> Donors {
    if was_top || is_top { Donors::Changed } else { Donors::Same }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn level(n: u8) -> Level {
        Level::rt(n).unwrap_or(Level::FAIR)
    }

    /// LK-03, RM-05: strictly more urgent always, an equal only if both are fair and the lock allows it.
    #[test]
    fn who_may_take() {
        for steal in [Steal::Higher, Steal::Lateral] {
            assert!(may_take(level(0), None, steal));
            assert!(may_take(level(21), Some(level(20)), steal));
            assert!(!may_take(level(20), Some(level(20)), steal));
            assert!(!may_take(level(19), Some(level(20)), steal));
        }
        assert!(may_take(level(0), Some(level(0)), Steal::Lateral));
        assert!(!may_take(level(0), Some(level(0)), Steal::Higher));
    }

    proptest! {
        /// RM-02, RM-03: the greater of the two, whatever it was before.
        #[test]
        fn the_greater_counts(base in 0u8..=99, donor in prop::option::of(0u8..=99)) {
            let expected = base.max(donor.unwrap_or(0));
            prop_assert_eq!(effective(level(base), donor.map(level)).get(), expected);
        }
        /// The donors stay the same exactly if neither the top waiter nor its level has changed.
        #[test]
        fn donors_follow_the_top_waiter(others in prop::collection::vec(0u8..=9, 0..5), from in 0u8..=9, to in 0u8..=9) {
            prop_assume!(from != to);
            // One that moves goes behind its equals; before, it stood anywhere among them.
            let top_of_others = others.iter().max().copied();
            let was_top = top_of_others.is_none_or(|top| from > top);
            let is_top = top_of_others.is_none_or(|top| to > top);
            let same = donors_change(was_top, is_top) == Donors::Same;
            let before = if was_top { (true, from) } else { (false, top_of_others.unwrap_or(0)) };
            let after = if is_top { (true, to) } else { (false, top_of_others.unwrap_or(0)) };
            prop_assert_eq!(same, before == after);
        }
    }
}
