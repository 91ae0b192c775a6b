//! Which scheduling policies are there, and how urgent is a thread under each?
//!
//! A [`Policy`] is what a user asks for; it can only be built with valid numbers (SC-01 Errors). A [`Level`] is what
//! the scheduler compares: the policy's own, or a higher one lent by priority inheritance. Priorities are the user's
//! view, 1..=99 with the larger the more urgent (POSIX and `chrt`, not Linux's inverted kernel scale).

use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Urgency of a runnable thread; the larger runs first.
///
/// 0 is every fair thread (they share the CPU by other rules), 1..=99 are the real-time priorities.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[repr(transparent)]
pub struct Level(u8);

impl Level {
    /// All fair threads, whatever their nice value.
    pub const FAIR: Self = Self(0);
    /// The most urgent real-time priority.
    pub const MAX: Self = Self(RT_MAX);

    /// The level of real-time priority `priority`; `None` outside 1..=99.
    #[inline]
    pub const fn rt(priority: u8) -> Option<Self> {
        if priority >= RT_MIN && priority <= RT_MAX { Some(Self(priority)) } else { None }
    }

    /// 0 for fair, else the real-time priority.
    #[inline]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Is it a real-time level?
    #[inline]
    pub const fn is_rt(self) -> bool {
        self.0 != 0
    }

    /// The level whose bit of a 128-bit map is `bit`; the run queue sets only bits that came from a level.
    #[inline]
    pub(crate) const fn from_bit(bit: u32) -> Self {
        Self(bit as u8)
    }
}

/// A level that one CPU changes, under a lock, while others may read it. A plain byte on every machine: the order of what is
/// around a change is the business of whoever needs it.
#[derive(Debug)]
pub struct LevelCell(AtomicU8);

impl LevelCell {
    /// A cell with this level.
    pub const fn new(level: Level) -> Self {
        Self(AtomicU8::new(level.0))
    }
    /// The level, out of date by the time that it is looked at unless a lock says otherwise.
    #[inline(always)]
    pub fn get(&self) -> Level {
        Level(self.0.load(Relaxed))
    }
    /// Changes it.
    #[inline(always)]
    pub fn set(&self, level: Level) {
        self.0.store(level.0, Relaxed);
    }
}

const RT_MIN: u8 = 1;
const RT_MAX: u8 = 99;
const NICE_MIN: i32 = -20;
const NICE_MAX: i32 = 19;

/// Why a policy cannot be built. Both are `Invalid` to the user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PolicyError {
    /// A real-time priority outside 1..=99.
    Priority,
    /// A nice value outside −20..=19.
    Nice,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Fifo,
    Rr,
    Other,
    Batch,
    Idle,
}

/// A scheduling policy with its parameter; valid by construction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    kind: Kind,
    /// Real-time priority for `Fifo` and `Rr`, nice value for the others.
    number: i8,
}

impl Policy {
    /// Runs until it blocks, yields or is preempted by something more urgent.
    pub const fn fifo(priority: i32) -> Result<Self, PolicyError> {
        Self::realtime(Kind::Fifo, priority)
    }

    /// Like FIFO, but shares the CPU in slices with equals.
    pub const fn rr(priority: i32) -> Result<Self, PolicyError> {
        Self::realtime(Kind::Rr, priority)
    }

    /// The default fair policy.
    pub const fn other(nice: i32) -> Result<Self, PolicyError> {
        Self::fair(Kind::Other, nice)
    }

    /// Fair, but never preempts when it wakes.
    pub const fn batch(nice: i32) -> Result<Self, PolicyError> {
        Self::fair(Kind::Batch, nice)
    }

    /// Runs practically only when nothing else wants to. Not the idle thread, which has no policy.
    pub const fn idle() -> Self {
        Self { kind: Kind::Idle, number: 0 }
    }

    const fn realtime(kind: Kind, priority: i32) -> Result<Self, PolicyError> {
        if priority < RT_MIN as i32 || priority > RT_MAX as i32 {
            return Err(PolicyError::Priority);
        }
        Ok(Self { kind, number: priority as i8 })
    }

    const fn fair(kind: Kind, nice: i32) -> Result<Self, PolicyError> {
        if nice < NICE_MIN || nice > NICE_MAX {
            return Err(PolicyError::Nice);
        }
        Ok(Self { kind, number: nice as i8 })
    }

    /// 1..=99, or 0 for a fair policy.
    #[inline]
    pub const fn rt_priority(self) -> u8 {
        if self.is_rt() { self.number as u8 } else { 0 }
    }

    /// −20..=19, or 0 for a real-time policy.
    pub const fn nice(self) -> i8 {
        if self.is_rt() { 0 } else { self.number }
    }

    /// FIFO or RR?
    #[inline]
    pub const fn is_rt(self) -> bool {
        matches!(self.kind, Kind::Fifo | Kind::Rr)
    }

    /// Runs until it blocks, yields or is preempted?
    #[inline]
    pub const fn is_fifo(self) -> bool {
        matches!(self.kind, Kind::Fifo)
    }

    /// Round robin among equals?
    #[inline]
    pub const fn is_rr(self) -> bool {
        matches!(self.kind, Kind::Rr)
    }

    /// Where the scheduler puts a thread of this policy that inherits nothing.
    #[inline]
    pub const fn level(self) -> Level {
        Level(self.rt_priority())
    }

    /// The CLS column of `ps`.
    pub const fn class_letters(self) -> &'static str {
        match self.kind {
            Kind::Fifo => "FF",
            Kind::Rr => "RR",
            Kind::Other => "TS",
            Kind::Batch => "B",
            Kind::Idle => "IDL",
        }
    }

    /// How Linux calls it, without `SCHED_`.
    pub const fn name(self) -> &'static str {
        match self.kind {
            Kind::Fifo => "FIFO",
            Kind::Rr => "RR",
            Kind::Other => "OTHER",
            Kind::Batch => "BATCH",
            Kind::Idle => "IDLE",
        }
    }

    /// The PRI column of `ps` (IP-06): real-time priority + 40, or 19 − nice.
    pub const fn pri_column(self) -> u8 {
        if self.is_rt() { self.number as u8 + 40 } else { (NICE_MAX - self.number as i32) as u8 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// SC-01.2: every number outside its range is refused.
    #[test]
    fn out_of_range_numbers_are_refused() {
        for priority in [i32::MIN, -1, 0, 100, 256 + 50, i32::MAX] {
            assert_eq!(Policy::fifo(priority), Err(PolicyError::Priority));
            assert_eq!(Policy::rr(priority), Err(PolicyError::Priority));
        }
        for nice in [i32::MIN, -21, 20, 256, i32::MAX] {
            assert_eq!(Policy::other(nice), Err(PolicyError::Nice));
            assert_eq!(Policy::batch(nice), Err(PolicyError::Nice));
        }
        assert_eq!((Level::rt(0), Level::rt(100), Level::rt(255)), (None, None, None));
    }

    /// SC-01, SC-13, IP-06: what `ps` shows of each policy.
    #[test]
    fn columns() {
        let row = |p: Policy| (p.class_letters(), p.rt_priority(), p.nice(), p.pri_column());
        assert_eq!(row(Policy::fifo(50).unwrap()), ("FF", 50, 0, 90));
        assert_eq!(row(Policy::fifo(99).unwrap()), ("FF", 99, 0, 139));
        assert_eq!(row(Policy::rr(1).unwrap()), ("RR", 1, 0, 41));
        assert_eq!(row(Policy::other(0).unwrap()), ("TS", 0, 0, 19));
        assert_eq!(row(Policy::other(-20).unwrap()), ("TS", 0, -20, 39));
        assert_eq!(row(Policy::batch(19).unwrap()), ("B", 0, 19, 0));
        assert_eq!(row(Policy::idle()), ("IDL", 0, 0, 19));
        let names = [Policy::fifo(1), Policy::rr(1), Policy::other(0), Policy::batch(0)].map(|p| p.unwrap().name());
        assert_eq!(names, ["FIFO", "RR", "OTHER", "BATCH"]);
        assert_eq!(Policy::idle().name(), "IDLE");
        const { assert!(Policy::rr(7).is_ok()) };
    }

    proptest! {
        /// SC-01: levels order exactly as the real-time priorities do, and every fair policy is below all of them.
        #[test]
        fn levels_order_as_priorities(a in 1i32..=99, b in 1i32..=99, nice in -20i32..=19) {
            let (fifo, rr) = (Policy::fifo(a).unwrap(), Policy::rr(b).unwrap());
            prop_assert_eq!(fifo.level().cmp(&rr.level()), a.cmp(&b));
            prop_assert!(fifo.level() > Policy::other(nice).unwrap().level());
            prop_assert_eq!(Level::rt(a as u8), Some(fifo.level()));
            prop_assert!(fifo.is_rt() && !fifo.is_rr() && rr.is_rr() && !Policy::batch(nice).unwrap().is_rt());
        }
    }
}
