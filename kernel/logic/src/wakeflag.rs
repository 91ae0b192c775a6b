//! How does a thread that is about to sleep not miss the wake-up that comes just then?
//!
//! It announces itself, then looks; the waker changes something, then looks for sleepers ([`Announced`]):
//!
//! | sleeper | waker |
//! |---|---|
//! | 1. announces that it waits | 1. makes the condition true |
//! | 2. looks at the condition | 2. takes the run queue's lock |
//! | 3. takes the run queue's lock | 3. looks whether the sleeper has announced itself |
//! | 4. sleeps, unless it was woken | 4. if so, wakes it |
//!
//! Whoever stores first is seen by the other, provided that no load overtakes the store before it. So all four, both sides'
//! stores and the loads that follow them, are `SeqCst`: the condition's, too, which is the caller's. With `Release` and
//! `Acquire` alone each side may miss the other, and the thread sleeps with its condition true. The lock does not help: the
//! sleeper looked before it took it. Where a lock is held around (1) and taken between the waker's (1) and (3), no order
//! is needed.
use crate::atomic::{
    Ordering::{Relaxed, SeqCst},
    Word,
};

/// What a thread is doing, as it announces itself: 0 while it runs or is ready, what it waits for otherwise.
pub struct Announced<W>(W);

impl<W> Announced<W> {
    /// The state that the word has.
    pub const fn new(word: W) -> Self {
        Self(word)
    }
}

impl<W: Word> Announced<W> {
    /// The thread itself, before it looks at its condition.
    #[inline(always)]
    pub fn announce(&self, state: u32) {
        self.0.store(state, SeqCst);
    }
    /// A waker, after it has made the condition true.
    #[inline(always)]
    pub fn look(&self) -> u32 {
        self.0.load(SeqCst)
    }
    /// Whoever holds the run queue's lock: the thread is woken, or is gone.
    #[inline(always)]
    pub fn set(&self, state: u32) {
        self.0.store(state, Relaxed);
    }
    /// The thread itself, whoever holds the run queue's lock, or who can do with what may be out of date.
    #[inline(always)]
    pub fn get(&self) -> u32 {
        self.0.load(Relaxed)
    }
}
