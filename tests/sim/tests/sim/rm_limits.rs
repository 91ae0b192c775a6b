//! Does a wait that ends without the lock leave everything as if it had not begun? (RM-07, RM-08, OW-01.4)
use crate::{
    harness::{MS, at, become_policy, exact, fair, fifo, ms, start},
    mutex::level,
    rm_boost::waits,
    sequencer::{
        Cmd::{Kill, Lock, LockInt, LockTimeout, SetFifo, Signal, Sleep, Unlock},
        Expect::{Base, BlockedOn, Eff, Gone, Not, Owns, Result},
        played,
    },
    sequences::us,
};
use kernel::{
    Error,
    sync::{Mutex, Semaphore},
    time,
};
use std::sync::Arc;

/// RM-07.1: when the time is over the owner is back at its own level before the waiter goes on.
#[test]
fn out_of_time() {
    exact(|cx| {
        become_policy(cx, fifo(30));
        let (lock, go) = (Arc::new(Mutex::new(())), Arc::new(Semaphore::new(0)));
        let (held, gate) = (lock.clone(), go.clone());
        let mut owner = start(cx, "owner", fair(), move |cx| {
            let _guard = held.lock(cx);
            gate.down(cx);
        });
        time::sleep(cx, ms(1)).unwrap();
        let watched = owner.id();
        let mut watch = start(cx, "watch", fifo(40), move |cx| {
            time::sleep(cx, ms(5)).unwrap();
            level(cx, watched)
        });
        let deadline = time::now().saturating_add(ms(10));
        assert_eq!(lock.lock_until(cx, deadline).err(), Some(Error::TimedOut));
        assert_eq!((time::now(), level(cx, owner.id())), (deadline, 0));
        assert_eq!((lock.owner(), lock.top_waiter()), (Some(owner.id()), None));
        assert_eq!(watch.join(cx), Ok(30));
        go.up(cx).unwrap();
        owner.join(cx).unwrap();
    });
}

/// RM-07.3: a free lock is taken, whatever the time.
#[test]
fn a_free_lock_needs_no_time() {
    exact(|cx| {
        let lock = Mutex::new(1);
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(lock.lock_until(cx, at(MS / 2)).map(|guard| *guard), Ok(1));
        assert_eq!(lock.owner(), None);
    });
}

/// RM-07: a wait whose time is over when it begins ends at once.
#[test]
fn no_time_at_all() {
    played(2, |seq| {
        let seq = seq.cmd(0, Lock(0)).expect(0, Owns(0)).cmd(1, SetFifo(30)).cmd(1, LockTimeout(0, us(0)));
        seq.expect(1, Result(Err(Error::TimedOut))).expect(1, Not(0)).expect(0, Eff(0)).expect(0, Base(fair()))
    });
}

/// RM-08.1: an interrupted waiter takes back what it lent, along the chain.
#[test]
fn an_interrupted_waiter_leaves_the_chain() {
    played(4, interrupted_in_a_chain);
}
pub fn interrupted_in_a_chain(seq: crate::sequencer::Seq<'_>) -> crate::sequencer::Seq<'_> {
    let seq = seq.cmd(0, Lock(0)).expect(0, Owns(0)).cmd(1, SetFifo(10)).cmd(1, Lock(1)).cmd(1, Lock(0));
    let seq = seq.expect(1, BlockedOn(0)).cmd(2, SetFifo(40)).cmd(2, LockInt(1)).expect(2, BlockedOn(1));
    let seq = seq.expect(1, Eff(40)).expect(0, Eff(40)).cmd(3, SetFifo(90)).cmd(3, Signal(2));
    let seq = seq.expect(2, Result(Err(Error::Interrupted))).expect(2, Not(1));
    seq.expect(1, Eff(10)).expect(0, Eff(10))
}

/// RM-08.2: a wait that is not to be interrupted goes on; the interruption is for the next one that is.
#[test]
fn an_interruption_waits_for_an_interruptible_wait() {
    played(3, |seq| {
        let seq = waits(seq.cmd(0, Lock(0)).expect(0, Owns(0)), 1, 40, 0).cmd(2, SetFifo(90)).cmd(2, Signal(1));
        let seq = seq.expect(1, BlockedOn(0)).expect(0, Eff(40)).cmd(0, Unlock(0)).expect(1, Owns(0));
        seq.cmd(1, Sleep(us(1))).expect(1, Result(Err(Error::Interrupted)))
    });
}

/// LK-07.4: an interruption that came before does not keep anybody from a free lock.
#[test]
fn an_interrupted_thread_takes_a_free_lock() {
    played(2, |seq| {
        let seq = seq.cmd(1, SetFifo(90)).cmd(1, Signal(0)).expect(1, Result(Ok(())));
        seq.cmd(0, LockInt(0)).expect(0, Owns(0)).cmd(0, Sleep(us(1))).expect(0, Result(Err(Error::Interrupted)))
    });
}

/// OW-01.4: a waiter that is killed leaves the lock, and what it lent goes with it.
#[test]
fn a_killed_waiter_leaves_the_lock() {
    played(3, |seq| {
        let seq = seq.cmd(0, Lock(0)).expect(0, Owns(0)).cmd(1, SetFifo(40)).cmd(1, LockInt(0)).expect(1, BlockedOn(0));
        seq.expect(0, Eff(40)).cmd(2, SetFifo(90)).cmd(2, Kill(1)).expect(1, Gone).expect(0, Eff(0)).cmd(0, Unlock(0))
    });
}

/// One that may not be interrupted gets the lock, gives it back and ends.
#[test]
fn a_killed_waiter_passes_the_lock_on() {
    played(4, |seq| {
        let seq = waits(waits(seq.cmd(0, Lock(0)).expect(0, Owns(0)), 1, 40, 0), 3, 20, 0);
        let seq = seq.cmd(2, SetFifo(90)).cmd(2, Kill(1)).expect(1, BlockedOn(0)).cmd(0, Unlock(0)).expect(1, Gone);
        seq.expect(3, Owns(0))
    });
}
