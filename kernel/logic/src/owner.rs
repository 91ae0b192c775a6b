//! How is a sleeping lock taken and given back with one atomic operation each, unless somebody waits?
//!
//! One word: who owns the lock, 0 if nobody does, and a bit that says that there are waiters (Linux
//! `kernel/locking/rtmutex.c`). The list of waiters is behind a raw lock, the *wait lock*.
//!
//! | owner | bit | means | taken by | given back by |
//! |---|---|---|---|---|
//! | 0 | clear | free | one compare-exchange | |
//! | thread | clear | held, nobody waits | whoever sets the bit and waits | one compare-exchange |
//! | thread | set | held, somebody waits or is about to | whoever lines up under the wait lock | its owner, under the wait lock |
//! | 0 | set | free for its waiters: the top one was woken | the top waiter, or somebody more urgent, under the wait lock | |
//!
//! While the bit is set no compare-exchange of the fast paths succeeds, so whoever holds the wait lock and has set the bit
//! is alone with the word, but for others that set the bit once more. The bit may be set with no waiter left (one gave up);
//! who finds that clears it.
//!
//! A lock that nobody waits for is given back by an operation after which it is not touched: its memory may go with it
//! (RM-01.3). With the bit set and no waiter left, the owner clears the bit, lets the wait lock go, and tries the one
//! compare-exchange again.
use crate::atomic::{
    Ordering::{Acquire, Relaxed, Release},
    Word,
};

/// Set while there are waiters.
pub const WAITERS: u32 = 1 << 31;

/// The word of a sleeping lock. Owners are numbers from 1 to `WAITERS - 1`.
pub struct OwnerWord<W>(W);

impl<W> OwnerWord<W> {
    /// A free lock; a word that is 0.
    pub const fn new(word: W) -> Self {
        Self(word)
    }
}

impl<W: Word> OwnerWord<W> {
    /// Takes a free lock that nobody waits for.
    #[inline(always)]
    #[must_use = "the lock may not have been taken"]
    pub fn try_acquire(&self, me: u32) -> bool {
        self.0.compare_exchange(0, me, Acquire, Relaxed).is_ok()
    }
    /// Gives the lock back if nobody waits; its memory may be gone afterwards.
    #[inline(always)]
    #[must_use = "the lock may still be held"]
    pub fn try_release(&self, me: u32) -> bool {
        self.0.compare_exchange(me, 0, Release, Relaxed).is_ok()
    }
    /// Who owns it, 0 if nobody does. Out of date as soon as it is known, unless the caller owns it or has the wait lock and
    /// has set the bit.
    #[inline]
    pub fn owner(&self) -> u32 {
        self.0.load(Relaxed) & !WAITERS
    }
    /// Whether the bit is set.
    pub fn has_waiters(&self) -> bool {
        self.0.load(Relaxed) & WAITERS != 0
    }
    /// Sets the bit and tells who owns the lock. The wait lock is held. Whoever learns that it is free sees what its last
    /// owner did.
    #[inline]
    pub fn announce(&self) -> u32 {
        // Set already, the word is whoever's who holds the wait lock.
        match self.0.load(Acquire) {
            word if word & WAITERS != 0 => word & !WAITERS,
            _ => self.0.fetch_or(WAITERS, Acquire) & !WAITERS,
        }
    }
    /// The lock, which is free, is owned by `me`, and others may wait for it. The wait lock is held and the bit is set.
    #[inline]
    pub fn take(&self, me: u32, others: bool) {
        self.0.store(if others { me | WAITERS } else { me }, Relaxed);
    }
    /// Nobody waits. The wait lock is held, the bit is set and somebody owns the lock: nobody else changes the word.
    #[inline]
    pub fn retract(&self) {
        self.0.store(self.0.load(Relaxed) & !WAITERS, Relaxed);
    }
    /// The lock belongs to nobody and its waiters may take it. The wait lock is held, and so is the lock.
    #[inline]
    pub fn leave_to_waiters(&self) {
        self.0.store(WAITERS, Release);
    }
    /// For tests of the verifier.
    pub fn corrupt(&self, owner: u32) {
        self.0.store(owner, Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicU32;

    fn word() -> OwnerWord<AtomicU32> {
        OwnerWord::new(AtomicU32::new(0))
    }

    /// RM-01: without waiters one operation takes the lock and one gives it back; only its owner does.
    #[test]
    fn fast_paths() {
        let word = word();
        assert!(word.try_acquire(7));
        assert!(!word.try_acquire(7) && !word.try_acquire(8));
        assert!(!word.try_release(8));
        assert_eq!(word.owner(), 7);
        assert!(word.try_release(7) && !word.try_release(7));
        assert_eq!(word.owner(), 0);
    }

    /// RM-01: with the bit set neither fast path passes, whoever owns the lock, until the bit is cleared.
    #[test]
    fn waiters_close_the_fast_paths() {
        let word = word();
        assert!(word.try_acquire(7));
        assert_eq!(word.announce(), 7);
        assert!(!word.try_release(7));
        word.leave_to_waiters();
        assert_eq!((word.owner(), word.has_waiters()), (0, true));
        assert!(!word.try_acquire(8));
        word.take(9, true);
        assert!(!word.try_release(9));
        word.retract();
        assert!(word.try_release(9));
        assert!(word.try_acquire(8));
    }
}
