//! What do CPUs let each other know, so that no thread waits at one while another runs something less urgent?
//!
//! Each CPU publishes how urgent what it runs is, and how urgent the most urgent thread is that waits in its queue. The
//! others read that without a lock:
//!
//! | CPU A gets a ready thread that must wait | CPU B turns to something less urgent |
//! |---|---|
//! | 1. publishes the thread's urgency as waiting | 1. publishes what it runs now |
//! | 2. fence | 2. fence |
//! | 3. reads what B runs: less urgent, so B is told | 3. reads what waits at A: more urgent, so it is pulled |
//!
//! At least one of the two sees the other's step 1. Without the fences each load may overtake the store before it (Dekker),
//! neither sees the other, and the thread waits beside a CPU that could run it. What was read is a hint all the same: who
//! acts on it looks again under the run queue's lock.
use crate::atomic::{
    Ordering::{Relaxed, SeqCst},
    Word,
};

/// How urgent something is: the larger, the more. 0: nobody, or the idle thread.
pub type Urgency = u32;

/// What one CPU lets the others know.
pub struct Published<W> {
    runs: W,
    waits: W,
    bound: W,
}

/// What is published at once, under the run queue's lock. Who reads it may find a part of it older than the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// What its CPU runs, or will as soon as it can.
    pub runs: Urgency,
    /// The most urgent thread that waits there and may run elsewhere.
    pub waits: Urgency,
    /// The thread that comes next there, if it waits and may not run elsewhere, and the running one may: it could make room.
    pub bound: Urgency,
}

impl<W> Published<W> {
    /// Three words that are 0: an idle CPU.
    pub const fn new(runs: W, waits: W, bound: W) -> Self {
        Self { runs, waits, bound }
    }
}

impl<W: Word> Published<W> {
    /// Step 1, for either side. [`Self::then_look`] comes before the other CPUs' words are read.
    #[inline(always)]
    pub fn publish(&self, now: Now) {
        self.runs.store(now.runs, Relaxed);
        self.waits.store(now.waits, Relaxed);
        self.bound.store(now.bound, Relaxed);
    }
    /// Step 2.
    #[inline(always)]
    pub fn then_look() {
        W::fence(SeqCst);
    }
    /// What its CPU runs.
    #[inline(always)]
    pub fn runs(&self) -> Urgency {
        self.runs.load(Relaxed)
    }
    /// What waits at its CPU.
    #[inline(always)]
    pub fn waits(&self) -> Urgency {
        self.waits.load(Relaxed)
    }
    /// What is bound to its CPU and waits there.
    #[inline(always)]
    pub fn bound(&self) -> Urgency {
        self.bound.load(Relaxed)
    }
}
