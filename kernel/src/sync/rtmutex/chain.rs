//! How does a change of priority get from a waiter to the owner of its lock, to the owner of the lock that that one waits for,
//! and so on?
//!
//! One hop at a time, with interrupts on in between, holding at most two raw locks: first the waiter's pi lock and the wait lock
//! of its lock, which is against their order, so the second one is tried; then that wait lock and the owner's pi lock. A
//! hop takes as long in a chain of 64 as in one of 2 (RM-04.3).
//!
//! A hop asks whether the waiter's place agrees with its level. If it does, the walk is over: somebody else has been here, or
//! the thread began to wait with the level that it has now, and its own block has told the rest (RM-04.5).
use super::recompute;
use crate::{
    bugs::{self, Bug},
    irq_flags::Off,
    sched,
    thread::Ref,
};
use logic::pi::{Donors, donors_change};

/// What follows a hop.
enum Hop {
    /// The chain ends here.
    Done,
    /// A lock was held: once more.
    Again,
    /// This thread's level has changed, and it waits for a lock.
    On(Ref),
}

/// The level of `thread` has changed: if it waits for a lock, it goes where it belongs there, and what it lends is told along
/// the chain. No raw lock is held, and interrupts are on unless the caller needs them masked.
pub(crate) fn propagate(mut thread: Ref) {
    if bugs::is_on(Bug::NoChain) {
        return;
    }
    loop {
        match hop(thread) {
            Hop::Done => return,
            Hop::Again => hw::cpu::relax(),
            Hop::On(next) => thread = next,
        }
    }
}

#[inline(always)]
fn hop(waiter: Ref) -> Hop {
    let off = Off::new();
    let hop = hop_masked(waiter, &off);
    off.leave();
    hop
}
#[inline(always)]
fn hop_masked(waiter: Ref, off: &Off) -> Hop {
    let chained = waiter.inheritance.lock(off.cx());
    let Some(lock) = chained.waits_for else { return Hop::Done };
    if waiter.inheritance.waiter.level() == waiter.level.get() {
        return Hop::Done;
    }
    // SAFETY: the waiter borrows its lock and leaves the wait under its pi lock, which is held; from then on the wait lock is,
    // which it needs too.
    let lock = unsafe { lock.0.as_ref() };
    let Some(mut waiters) = lock.waiters.try_lock_in(off.cx()) else { return Hop::Again };
    let before = waiters.first();
    waiters.remove(waiter);
    waiters.insert(waiter);
    drop(chained);
    let Some(top) = waiters.first() else { return Hop::Done };
    lock.note_top(&waiters);
    let Some(owner) = lock.owning() else {
        // Nobody owns it: the top waiter is awake and comes for it. If that is another one now, it has to be told (RM-06).
        if before != Some(top) && !bugs::is_on(Bug::NoNewTop) {
            let keeps_state = top.inheritance.keeps_state.get();
            drop(waiters);
            if keeps_state {
                sched::wake_lock_waiter(top);
            } else {
                sched::wake_masked(top);
            }
        }
        return Hop::Done;
    };
    let (was_top, is_top) = (before == Some(waiter), top == waiter);
    if donors_change(was_top, is_top) == Donors::Same {
        return Hop::Done;
    }
    let mut theirs = owner.inheritance.lock(off.cx());
    if let Some(before) = before {
        theirs.donors.remove(before);
    }
    theirs.donors.insert(top);
    // As long as its pi lock is held the owner cannot give the lock back.
    drop(waiters);
    recompute(owner, &theirs);
    if theirs.is_waiting() { Hop::On(owner) } else { Hop::Done }
}
