//! Who gets a lock that has waiters and no owner? (RM-05, RM-06, RM-11, LK-03.4)
use crate::{
    harness::{exact, fair},
    rm_boost::waits,
    sequencer::{
        Cmd::{Chrt, ContinueWake, HoldWake, Lock, SetFifo, SetNice, TryLock, Unlock},
        Expect::{Base, BlockedOn, Eff, InWake, Not, Owns, Result, TopOf},
        Seq, played,
    },
};
use kernel::Error;

/// T0 has given lock 0 back, T1 at this FIFO priority, 0 for fair, has been woken for it and is held there.
fn pending(seq: Seq<'_>, priority: i32) -> Seq<'_> {
    let seq = seq.cmd(0, Lock(0)).expect(0, Owns(0)).cmd(1, HoldWake(0));
    let policy = if priority == 0 { SetNice(0) } else { SetFifo(priority) };
    let seq = seq.cmd(1, policy).cmd(1, Lock(0)).expect(1, BlockedOn(0));
    seq.cmd(0, Unlock(0)).expect(1, InWake(0)).expect(0, Not(0))
}

/// RM-05.1, RM-05.4: somebody more urgent takes it; the woken one waits on and lends to the thief, and has it afterwards.
#[test]
fn a_more_urgent_one_takes_it() {
    played(3, |seq| {
        pending(seq, 20)
            .cmd(2, SetFifo(30))
            .cmd(2, Lock(0))
            .expect(2, Owns(0))
            .cmd(1, ContinueWake(0))
            .expect(1, BlockedOn(0))
            .expect(1, TopOf(0))
            // Its waiter shows as soon as it is less urgent.
            .cmd(2, SetFifo(5))
            .expect(2, Eff(20))
            .cmd(2, Unlock(0))
            .expect(1, Owns(0))
            .expect(2, Eff(5))
    });
}

/// RM-05.2: an equal one lines up.
#[test]
fn an_equal_one_lines_up() {
    played(3, |seq| {
        let seq = waits(pending(seq, 20), 2, 20, 0).expect(1, InWake(0)).expect(1, TopOf(0));
        seq.cmd(1, ContinueWake(0)).expect(1, Owns(0)).expect(2, TopOf(0)).cmd(1, Unlock(0)).expect(2, Owns(0))
    });
}

/// LK-03.4: with a mutex that is so for fair threads, too.
#[test]
fn an_equal_fair_one_lines_up_for_a_mutex() {
    played(3, |seq| {
        let seq = pending(seq, 0).cmd(2, Lock(0)).expect(2, BlockedOn(0)).expect(1, TopOf(0)).expect(2, Base(fair()));
        seq.cmd(1, ContinueWake(0)).expect(1, Owns(0))
    });
}

/// RM-05.3: a try by somebody less urgent fails.
#[test]
fn a_less_urgent_one_does_not_get_it() {
    played(3, |seq| {
        let seq = pending(seq, 20).cmd(2, SetFifo(10)).cmd(2, TryLock(0)).expect(2, Result(Err(Error::WouldBlock)));
        seq.expect(1, InWake(0)).cmd(1, ContinueWake(0)).expect(1, Owns(0)).expect(1, Eff(20))
    });
}

/// RM-05.2: one that is less urgent than the woken one lines up and sleeps, also beside an idle CPU.
#[test]
fn a_less_urgent_one_sleeps() {
    played(3, |seq| {
        let seq = waits(pending(seq, 20), 2, 10, 0).expect(1, InWake(0));
        seq.cmd(1, ContinueWake(0)).expect(1, Owns(0)).expect(2, BlockedOn(0)).cmd(1, Unlock(0)).expect(2, Owns(0))
    });
}

/// RM-11.3: a try may steal as a lock may.
#[test]
fn a_more_urgent_try_takes_it() {
    played(3, |seq| {
        let seq = pending(seq, 20).cmd(2, SetFifo(30)).cmd(2, TryLock(0)).expect(2, Owns(0));
        seq.cmd(1, ContinueWake(0)).expect(1, BlockedOn(0)).cmd(2, Unlock(0)).expect(1, Owns(0))
    });
}

/// RM-06.1: a waiter that becomes the top one while nobody owns the lock is woken and takes it.
#[test]
fn a_new_top_waiter_is_woken() {
    played(4, new_top_waiter);
}
pub fn new_top_waiter(seq: Seq<'_>) -> Seq<'_> {
    let seq = waits(pending(seq, 20), 2, 15, 0).cmd(3, SetFifo(90)).cmd(3, Chrt(2, 25)).expect(2, Owns(0));
    seq.cmd(1, ContinueWake(0)).expect(1, BlockedOn(0)).cmd(2, Unlock(0)).expect(1, Owns(0))
}

/// RM-06: so is one that becomes the top waiter because the woken one was made less urgent.
#[test]
fn the_next_one_is_woken_when_the_top_waiter_falls() {
    played(4, |seq| {
        let seq = waits(pending(seq, 20), 2, 15, 0).cmd(3, SetFifo(90)).cmd(3, Chrt(1, 10)).expect(2, Owns(0));
        seq.expect(2, Eff(15)).cmd(1, ContinueWake(0)).expect(1, BlockedOn(0)).cmd(2, Unlock(0)).expect(1, Owns(0))
    });
}

/// HC-06.1: with the woken waiter on its way the whole state makes sense, too.
#[test]
fn a_lock_without_owner_makes_sense() {
    exact(|cx| {
        let seq = waits(pending(Seq::new(cx, 3), 20), 2, 10, 0).verified();
        seq.cmd(1, ContinueWake(0)).expect(1, Owns(0)).finish();
    });
}
