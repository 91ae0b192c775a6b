//! Does what a sequence says happen, and is what does not told? (HC-02, LK-05)
use crate::{
    harness::{any_order, exact, fifo, rr},
    sequencer::{
        Cmd::{
            ContinueWake, HoldWake, Lock, LockInt, LockTimeout, SetFifo, SetNice, SetRr, Signal, Sleep, Spin, TryLock,
            Unlock,
        },
        Expect::{self, Base, BlockedOn, Eff, InWake, Not, Owns},
        Seq,
    },
};
use kernel::Error;
use std::time::Duration;

pub fn us(n: u64) -> Duration {
    Duration::from_micros(n)
}

/// LK-05.2: a lock without owner boosts nobody, and is handed over at the release.
#[test]
fn nobody_is_boosted() {
    any_order(2, 100, |cx| {
        Seq::of_semaphores(cx, 2)
            .cmd(0, SetFifo(10))
            .cmd(0, Lock(0))
            .expect(0, Owns(0))
            .cmd(1, SetFifo(20))
            .cmd(1, Lock(0))
            .expect(1, BlockedOn(0))
            .expect(0, Base(fifo(10)))
            .expect(0, Eff(10))
            .cmd(0, Unlock(0))
            .expect(1, Owns(0))
            .expect(0, Not(0))
            .cmd(1, Unlock(0))
            .expect(1, Expect::Result(Ok(())))
            .finish();
    });
}

/// LK-05.3, LK-05.4: a wait ends when it is interrupted or out of time; a try does not wait; nothing is taken.
#[test]
fn waits_that_end_without_the_lock() {
    any_order(2, 100, |cx| {
        Seq::of_semaphores(cx, 3)
            .cmd(0, Lock(3))
            .expect(0, Owns(3))
            .cmd(1, LockInt(3))
            .expect(1, BlockedOn(3))
            .cmd(2, Signal(1))
            .expect(1, Expect::Result(Err(Error::Interrupted)))
            .expect(1, Not(3))
            .cmd(1, TryLock(3))
            .expect(1, Expect::Result(Err(Error::WouldBlock)))
            .cmd(1, LockTimeout(3, us(100)))
            .expect(1, BlockedOn(3))
            .wait(1, Expect::Result(Err(Error::TimedOut)), us(200))
            .cmd(2, Unlock(3))
            .expect(2, Expect::Result(Err(Error::NotPermitted)))
            .cmd(0, Unlock(3))
            .expect(0, Not(3))
            .cmd(1, TryLock(3))
            .expect(1, Owns(3))
            .finish();
    });
}

/// LK-05.6: waiters pass in the order of their arrival, whatever their priority.
#[test]
fn first_come_first_served() {
    any_order(3, 100, |cx| {
        Seq::of_semaphores(cx, 4)
            .cmd(0, Lock(0))
            .expect(0, Owns(0))
            .cmd(1, SetNice(5))
            .cmd(1, Lock(0))
            .expect(1, BlockedOn(0))
            .cmd(2, SetFifo(50))
            .cmd(2, Lock(0))
            .expect(2, BlockedOn(0))
            .cmd(3, SetRr(60))
            .cmd(3, LockTimeout(0, us(500)))
            .expect(3, BlockedOn(0))
            .cmd(0, Unlock(0))
            .expect(1, Owns(0))
            .expect(2, BlockedOn(0))
            .cmd(1, Unlock(0))
            .expect(2, Owns(0))
            .expect(3, BlockedOn(0))
            .wait(3, Expect::Result(Err(Error::TimedOut)), us(600))
            .expect(3, Base(rr(60)))
            .finish();
    });
}

/// Commands wait their turn behind the one that is being executed.
#[test]
fn commands_are_executed_one_after_another() {
    exact(|cx| {
        Seq::of_semaphores(cx, 1)
            .cmd(0, Spin(us(50)))
            .cmd(0, Sleep(us(50)))
            .cmd(0, Lock(1))
            .expect(0, Not(1))
            .wait(0, Owns(1), us(200))
            .cmd(0, SetFifo(0))
            .expect(0, Expect::Result(Err(Error::Invalid)))
            .finish();
    });
}

/// What is not as expected is told.
#[test]
#[should_panic(expected = "T0 is not Owns(1)")]
fn a_wrong_expectation_is_told() {
    exact(|cx| Seq::new(cx, 1).cmd(0, Lock(0)).expect(0, Owns(1)).finish());
}

/// HC-02.1: between the unlock and the run of the woken waiter a mutex has no owner.
#[test]
fn a_held_waiter_has_woken_and_does_not_own() {
    any_order(2, 100, |cx| {
        Seq::new(cx, 2)
            .cmd(0, SetFifo(10))
            .cmd(0, Lock(0))
            .expect(0, Owns(0))
            .cmd(1, SetFifo(20))
            .cmd(1, HoldWake(0))
            .cmd(1, Lock(0))
            .expect(1, BlockedOn(0))
            .expect(0, Eff(20))
            .cmd(0, Unlock(0))
            .expect(1, InWake(0))
            .expect(0, Not(0))
            .expect(0, Eff(10))
            .expect(1, Base(fifo(20)))
            .expect(1, Eff(20))
            .cmd(1, ContinueWake(0))
            .expect(1, Owns(0))
            .finish();
    });
}
