//! Has a CPU read anything since, if nobody can ask it? One that waits for interrupts is not woken to be asked (RC-11.3).
//!
//! Each CPU has a counter, odd while it runs and even while it waits for an interrupt with nothing to do. Only the CPU itself
//! changes it; others look:
//!
//! | CPU that stops waiting | whoever begins a grace period |
//! |---|---|
//! | 1. makes the counter odd | 1. took something away |
//! | 2. full fence | 2. full fence |
//! | 3. reads what is there | 3. looks at the counter |
//!
//! If the counter is even in (3), the CPU's reads come after and find what was taken away gone; its reads before that are over.
//! If it is odd, and another one later, the CPU was outside in between. Without either fence, a CPU that was taken for waiting
//! may read what is about to be freed. (Linux `kernel/context_tracking.c`.)
use crate::atomic::{
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    Word,
};

/// A CPU's counter.
pub struct Activity<W>(W);

/// What was seen of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen(u32);

impl Seen {
    /// The CPU was outside of every section.
    #[inline(always)]
    pub const fn is_outside(self) -> bool {
        self.0 & 1 == 0
    }
    /// The CPU was outside when this was seen, or in between, if `earlier` is what was seen before.
    #[inline(always)]
    pub const fn was_outside_since(self, earlier: Self) -> bool {
        self.is_outside() || self.0 != earlier.0
    }
}

impl<W> Activity<W> {
    /// The counter of a CPU that runs; the word's value is 1.
    pub const fn new(one: W) -> Self {
        Self(one)
    }
}

impl<W: Word> Activity<W> {
    /// The CPU is about to wait for an interrupt, interrupts masked.
    #[inline(always)]
    pub fn enter_wait(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_add(1), Release);
    }
    /// It has waited; nothing was read yet, and no interrupt taken.
    #[inline(always)]
    pub fn leave_wait(&self) {
        // Release, as at the beginning: who sees this value only has to know that the reads before the wait are over.
        self.0.store(self.0.load(Relaxed).wrapping_add(1), Release);
        W::fence(SeqCst);
    }
    /// Another CPU looks, after [`before_looking`](Self::before_looking).
    #[inline(always)]
    pub fn look(&self) -> Seen {
        Seen(self.0.load(Acquire))
    }
    /// Whoever has taken something away, before it looks at the counters.
    #[inline(always)]
    pub fn before_looking() {
        W::fence(SeqCst);
    }
}
