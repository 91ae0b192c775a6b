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
//!
//! [`Posted`] is for a thread that serves many: one wake-up for all that is posted before it begins.
use crate::atomic::{
    Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst},
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

/// Work for a thread was posted, any number of times, since it last began.
pub struct Posted<W> {
    pending: W,
    busy: W,
}

impl<W> Posted<W> {
    /// Nothing was posted; two words that are 0.
    pub const fn new(pending: W, busy: W) -> Self {
        Self { pending, busy }
    }
}

impl<W: Word> Posted<W> {
    /// Work is there. Whether the thread is to be woken: whoever posted before has woken it, and it has not begun.
    #[inline]
    #[must_use = "the first one wakes the thread"]
    pub fn post(&self) -> bool {
        self.pending.swap(1, AcqRel) == 0
    }
    /// The thread begins; it sees all the work that was posted by somebody who was told not to wake it.
    #[inline]
    pub fn begin(&self) {
        self.busy.store(1, Relaxed);
        // A swap and not a store: only who reads the word acquires what those did who wrote it.
        self.pending.swap(0, AcqRel);
    }
    /// The thread has done all the work that it saw.
    #[inline]
    pub fn end(&self) {
        self.busy.store(0, Release);
    }
    /// Whether all is done that the caller has posted.
    #[inline]
    pub fn is_done(&self) -> bool {
        // In this order: the thread is busy before it forgets that something is pending.
        self.pending.load(Acquire) == 0 && self.busy.load(Acquire) == 0
    }
}
