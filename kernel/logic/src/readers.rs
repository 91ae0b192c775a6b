//! How is a lock that readers share entered and left with one atomic operation, unless a writer is about?
//!
//! One word beside the *inner lock*, which a writer owns from the moment it begins to wait for the readers: how many of them
//! are inside, and two bits (Linux `kernel/locking/rwbase_rt.c`, whose reader bias is [`OPEN`]).
//!
//! | `OPEN` | `WRITER` | readers | means | changed by |
//! |---|---|---|---|---|
//! | set | clear | n | n readers are inside, more may come | a reader; the owner of the inner lock closes it |
//! | clear | clear | n | a writer waits for n readers; newcomers queue for the inner lock | a reader that leaves; the last one under the wait lock |
//! | clear | clear | 0 | the last reader has left, its writer may begin | the writer, under the wait lock |
//! | clear | set | 0 | a writer is inside | the writer |
//!
//! Whether the last reader has left is asked, and that it leaves is done, under the *wait lock* of the inner lock, where the
//! writer announces its sleep too: so neither misses the other, and the last reader is done with the lock's memory when the
//! writer gets in.
use crate::atomic::{
    Ordering::{Acquire, Relaxed, Release},
    Word,
};

/// Set unless a writer waits or is inside: readers need not queue. The word of a free lock.
pub const OPEN: u32 = 1 << 31;
/// Set while a writer is inside.
const WRITER: u32 = 1 << 30;
/// The readers.
const COUNT: u32 = WRITER - 1;

/// How a reader leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "the last reader has not left yet"]
pub enum Leave {
    /// It has left.
    Left,
    /// A writer waits for it alone: it takes the wait lock and calls [`ReadersWord::leave_last`].
    Last,
}

/// The word of a lock that readers share.
pub struct ReadersWord<W>(W);

impl<W> ReadersWord<W> {
    /// The word of a lock: a free one is [`OPEN`].
    pub const fn new(word: W) -> Self {
        Self(word)
    }
}

impl<W: Word> ReadersWord<W> {
    /// How many readers are inside. Out of date as soon as it is known.
    pub fn readers(&self) -> u32 {
        self.0.load(Relaxed) & COUNT
    }
    /// Whether no writer is about. Out of date as soon as it is known.
    pub fn is_open(&self) -> bool {
        self.0.load(Relaxed) & OPEN != 0
    }
    /// A reader enters, if no writer is about.
    #[inline(always)]
    #[must_use = "it may not be inside"]
    pub fn try_enter(&self) -> bool {
        self.enter_if(|word| word & OPEN != 0)
    }
    /// A reader that is inside already enters once more, past a writer that waits. Refused if nobody is inside, whatever the
    /// caller believes.
    #[must_use = "it may not be inside"]
    pub fn enter_again(&self) -> bool {
        self.enter_if(|word| word & WRITER == 0 && word & COUNT != 0)
    }
    #[inline(always)]
    fn enter_if(&self, may: impl Fn(u32) -> bool) -> bool {
        let mut word = self.0.load(Relaxed);
        while may(word) && word & COUNT != COUNT {
            match self.0.compare_exchange_weak(word, word + 1, Acquire, Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }
    /// A reader enters. It owns the inner lock, so there is no writer.
    pub fn enter(&self) {
        self.0.fetch_add(1, Acquire);
    }
    /// A reader leaves.
    #[inline(always)]
    pub fn leave(&self) -> Leave {
        let mut word = self.0.load(Relaxed);
        loop {
            if word == 1 {
                return Leave::Last;
            }
            match self.0.compare_exchange_weak(word, word - 1, Release, Relaxed) {
                Ok(_) => return Leave::Left,
                Err(now) => word = now,
            }
        }
    }
    /// A reader leaves. True: a writer has waited for this and is to be woken. The wait lock is held.
    #[must_use = "the writer sleeps until somebody wakes it"]
    pub fn leave_last(&self) -> bool {
        // The writer may have given up meanwhile, and others may have come.
        self.0.fetch_sub(1, Release) == 1
    }

    /// A writer enters if nobody is inside. It owns the inner lock.
    #[inline(always)]
    #[must_use = "it may not be inside"]
    pub fn try_write(&self) -> bool {
        self.0.compare_exchange(OPEN, WRITER, Acquire, Relaxed).is_ok()
    }
    /// Readers queue from now on. The caller owns the inner lock.
    pub fn close(&self) {
        self.0.fetch_and(!OPEN, Relaxed);
    }
    /// A writer that has closed the lock enters if the last reader has left. The wait lock is held.
    #[must_use = "it may not be inside"]
    pub fn try_begin(&self) -> bool {
        self.0.compare_exchange(0, WRITER, Acquire, Relaxed).is_ok()
    }
    /// A writer that has closed the lock gives up. The wait lock is held.
    pub fn reopen(&self) {
        self.0.fetch_or(OPEN, Relaxed);
    }
    /// The writer leaves; it still owns the inner lock.
    #[inline(always)]
    pub fn end_write(&self) {
        self.0.store(OPEN, Release);
    }
    /// The writer becomes a reader; it still owns the inner lock.
    pub fn downgrade(&self) {
        self.0.store(OPEN + 1, Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicU32;

    fn word() -> ReadersWord<AtomicU32> {
        ReadersWord::new(AtomicU32::new(OPEN))
    }

    /// LK-04.1, .8: readers share; a writer that does not wait finds them and changes nothing.
    #[test]
    fn readers_share() {
        let word = word();
        assert!(word.try_enter() && word.try_enter());
        assert!(!word.try_write());
        assert!(word.is_open() && word.try_enter());
        assert_eq!(word.readers(), 3);
        for _ in 0..3 {
            assert_eq!(word.leave(), Leave::Left);
        }
        assert!(word.try_write());
        assert!(!word.try_write() && !word.try_enter() && !word.enter_again());
        word.end_write();
        assert!(word.try_enter());
    }

    /// LK-04.4, .5: behind a writer that waits no reader enters but one that is inside; the last one has to take the lock.
    #[test]
    fn a_writer_that_waits_closes_the_lock() {
        let word = word();
        assert!(word.try_enter());
        word.close();
        assert!(!word.try_enter() && !word.try_begin());
        assert!(word.enter_again());
        assert_eq!(word.leave(), Leave::Left);
        assert_eq!(word.leave(), Leave::Last);
        assert_eq!(word.readers(), 1);
        assert!(word.leave_last());
        assert!(!word.enter_again(), "nobody is inside");
        assert!(word.try_begin() && !word.try_begin());
    }

    /// LK-06.2: a writer that gives up lets readers in again, and the last of those it waited for wakes nobody.
    #[test]
    fn a_writer_gives_up() {
        let word = word();
        assert!(word.try_enter());
        word.close();
        assert_eq!(word.leave(), Leave::Last);
        word.reopen();
        assert!(word.try_enter());
        assert!(!word.leave_last());
        assert_eq!((word.readers(), word.is_open()), (1, true));
    }

    /// LK-06.1: a writer that becomes a reader is one of those that a later writer waits for.
    #[test]
    fn a_writer_becomes_a_reader() {
        let word = word();
        assert!(word.try_write());
        word.downgrade();
        assert!(word.try_enter());
        word.close();
        assert_eq!(word.leave(), Leave::Left);
        assert_eq!(word.leave(), Leave::Last);
    }
}
