//! How do CPUs exclude each other for a few instructions, first come, first served?
//!
//! Free and without waiters a [`TicketLock`] is one exclusive pair to take and one store to release. Who finds it held
//! queues:
//!
//! 1. count itself in `waiters`: from now on newcomers queue as well;
//! 2. draw a ticket from `next`;
//! 3. when `serving` is its ticket, take `held` as soon as that is free: no other ticket does;
//! 4. move `serving` on, to the next ticket, whether drawn yet or not;
//! 5. leave `waiters`.
//!
//! `held` alone orders what the lock protects: it is acquired in each way to take the lock and released in the one way to
//! give it back. The other words only say who is next, so they are `Relaxed`. Still nobody is served before the ticket in
//! front has had the lock: `serving` is stored by its holder, and if that one took it only after another's release, the
//! other cannot have read the store before its release (coherence).
//!
//! What can go wrong and does not:
//!
//! - *A ticket is lost.* Whoever draws one takes the lock and moves `serving` on, unless its `while_waiting` never returns.
//! - *The count of waiters is 0 though a ticket is out.* Each waiter is counted before its ticket is drawn until after
//!   `serving` is past it.
//! - *Someone gets the lock past a waiter.* A newcomer that looked at `waiters` before (1) can take the lock once; its next
//!   look comes after that, so each CPU does so at most once. Between (1) and (2) nobody can, and those who are there
//!   have no order yet.
//! - *Tickets wrap.* At most one is out for each CPU, so 2^32 of them cannot be confused.
use crate::atomic::{
    Ordering::{Acquire, Relaxed, Release},
    Word,
};

/// A lock word that is handed over in the order of arrival; it protects nothing by itself.
///
/// A CPU holds or awaits it once at a time: what can interrupt its holder or a waiter and takes it, too, is masked.
pub struct TicketLock<W> {
    /// The holder's number, 0 if there is none.
    held: W,
    /// Holders of a ticket. Not 0: newcomers queue.
    waiters: W,
    next: W,
    serving: W,
}

impl<W> TicketLock<W> {
    /// A free lock of four words that are 0.
    pub const fn new(held: W, waiters: W, next: W, serving: W) -> Self {
        Self { held, waiters, next, serving }
    }
}

impl<W: Word> TicketLock<W> {
    /// Takes the lock unless it is held or others wait for it. `owner`: what tells this CPU from others, not 0.
    #[inline(always)]
    #[must_use = "the lock may not have been taken"]
    pub fn try_acquire(&self, owner: u32) -> bool {
        self.waiters.load(Relaxed) == 0 && self.held.compare_exchange(0, owner, Acquire, Relaxed).is_ok()
    }
    /// Takes the lock when it is this CPU's turn. `while_waiting` is called with a ticket drawn, again and again until then;
    /// one that never returns leaves the lock unusable.
    #[inline(always)]
    pub fn queue(&self, owner: u32, mut while_waiting: impl FnMut()) {
        self.waiters.fetch_add(1, Relaxed);
        let ticket = self.next.fetch_add(1, Relaxed);
        while self.serving.load(Relaxed) != ticket
            || self.held.compare_exchange_weak(0, owner, Acquire, Relaxed).is_err()
        {
            while_waiting();
        }
        self.serving.store(ticket.wrapping_add(1), Relaxed);
        self.waiters.fetch_sub(1, Relaxed);
    }
    /// Gives the lock back.
    #[inline(always)]
    pub fn release(&self) {
        self.held.store(0, Release);
    }
    /// Whoever holds it, 0 if nobody does; out of date as soon as it is known, unless it is the caller.
    #[inline(always)]
    pub fn owner(&self) -> u32 {
        self.held.load(Relaxed)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicU32;

    fn starting_at(ticket: u32) -> TicketLock<AtomicU32> {
        TicketLock::new(AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(ticket), AtomicU32::new(ticket))
    }

    /// LK-01: a held lock is not taken, a released one is.
    #[test]
    fn held_and_released() {
        let lock = starting_at(0);
        assert!(lock.try_acquire(7));
        assert_eq!(lock.owner(), 7);
        assert!(!lock.try_acquire(7));
        lock.release();
        assert_eq!(lock.owner(), 0);
        assert!(lock.try_acquire(7));
    }

    /// LK-01: while a ticket is out, a free lock is not for newcomers; after it, it is. Also where tickets wrap.
    #[test]
    fn nobody_gets_past_a_ticket() {
        for ticket in [0, u32::MAX] {
            let lock = starting_at(ticket);
            assert!(lock.try_acquire(7));
            let mut turns = 0;
            lock.queue(9, || {
                turns += 1;
                if turns == 2 {
                    lock.release();
                    assert!(!lock.try_acquire(7));
                }
            });
            assert_eq!(turns, 2);
            assert_eq!(lock.owner(), 9);
            lock.release();
            assert!(lock.try_acquire(7));
        }
    }
}
