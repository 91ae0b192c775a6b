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

/// What one CPU lets the others know. An urgency is the larger the more urgent; 0: it idles, nobody waits.
pub struct Published<W> {
    running: W,
    waiting: W,
}

impl<W> Published<W> {
    /// The two words as they are.
    pub const fn new(running: W, waiting: W) -> Self {
        Self { running, waiting }
    }
}

impl<W: Word> Published<W> {
    /// Its CPU runs something less urgent from now on; then it reads what waits at the others. Fenced.
    #[inline(always)]
    pub fn publish_running(&self, urgency: u32) {
        self.running.store(urgency, Relaxed);
        W::fence(SeqCst);
    }
    /// Something more urgent waits at its CPU from now on; then whoever published that reads what the others run. Fenced.
    #[inline(always)]
    pub fn publish_waiting(&self, urgency: u32) {
        self.waiting.store(urgency, Relaxed);
        W::fence(SeqCst);
    }
    /// Its CPU runs something more urgent. No fence: who reads the old value tells it in vain, nothing is missed.
    #[inline(always)]
    pub fn raise_running(&self, urgency: u32) {
        self.running.store(urgency, Relaxed);
    }
    /// What waits at its CPU is less urgent, or nothing does. No fence: who reads the old value looks in vain.
    #[inline(always)]
    pub fn lower_waiting(&self, urgency: u32) {
        self.waiting.store(urgency, Relaxed);
    }
    /// What its CPU runs.
    #[inline(always)]
    pub fn running(&self) -> u32 {
        self.running.load(Relaxed)
    }
    /// What waits at its CPU.
    #[inline(always)]
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Relaxed)
    }
}
