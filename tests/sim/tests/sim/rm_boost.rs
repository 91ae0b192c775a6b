//! Does an owner run as its waiters do, exactly as long as they wait? (RM-02, RM-03, RM-12, SC-02.5)
use crate::{
    harness::{Log, MS, become_policy, exact, fair, fifo, ms, run_with, start},
    sequencer::{
        Cmd::{Lock, LockTimeout, SetFifo, SetNice, Unlock},
        Expect::{Base, BlockedOn, Eff, Not, Owns},
        Seq, played,
    },
    sequences::us,
};
use hw::sim::{self, Config};
use kernel::{
    ThreadCx,
    sync::{Mutex, Semaphore},
    time, trace,
};
use std::sync::Arc;

/// Worker `t` at this FIFO priority, waiting for `lock`.
pub fn waits(seq: Seq<'_>, t: usize, priority: i32, lock: usize) -> Seq<'_> {
    seq.cmd(t, SetFifo(priority)).cmd(t, Lock(lock)).expect(t, BlockedOn(lock))
}

/// RM-02.2: a waiter that runs out of time takes back what it lent, and no more.
#[test]
fn a_waiter_that_leaves_takes_its_priority_with_it() {
    played(3, |seq| {
        let seq = seq.cmd(0, Lock(0)).expect(0, Owns(0));
        waits(seq, 1, 20, 0)
            .expect(0, Eff(20))
            .cmd(2, SetFifo(30))
            .cmd(2, LockTimeout(0, us(500)))
            .expect(2, BlockedOn(0))
            .expect(0, Eff(30))
            .wait(2, Not(0), us(600))
            .expect(0, Eff(20))
            .expect(0, Base(fair()))
    });
}

/// Changes of level by inheritance since this was asked last.
fn changes() -> usize {
    let mut changes = 0;
    trace::drain(|event| changes += usize::from(event.kind == trace::INHERIT));
    changes
}

fn owner_at_20(cx: &mut ThreadCx) -> Seq<'_> {
    Seq::new(cx, 2).cmd(0, SetFifo(20)).cmd(0, Lock(0)).expect(0, Owns(0))
}

/// RM-02.3: a waiter that is as urgent as the owner changes nothing; one that is more urgent does, once each way.
#[test]
fn an_equal_waiter_changes_nothing() {
    exact(|cx| {
        changes();
        waits(owner_at_20(cx), 1, 20, 0).expect(0, Eff(20)).cmd(0, Unlock(0)).expect(1, Owns(0)).finish();
        assert_eq!(changes(), 0);
        waits(owner_at_20(cx), 1, 30, 0).expect(0, Eff(30)).cmd(0, Unlock(0)).expect(1, Owns(0)).finish();
        assert_eq!(changes(), 2);
    });
}

/// RM-02.4: all fair threads are equals, whatever their weight: no boost, and first come, first served.
#[test]
fn fair_threads_do_not_boost_each_other() {
    played(3, |seq| {
        seq.cmd(0, Lock(0))
            .expect(0, Owns(0))
            .cmd(1, SetNice(19))
            .cmd(1, Lock(0))
            .expect(1, BlockedOn(0))
            .cmd(2, SetNice(-20))
            .cmd(2, Lock(0))
            .expect(2, BlockedOn(0))
            .expect(0, Eff(0))
            .expect(0, Base(fair()))
            .cmd(0, Unlock(0))
            .expect(1, Owns(0))
            .expect(2, BlockedOn(0))
            .cmd(1, Unlock(0))
            .expect(2, Owns(0))
    });
}

/// L(10) has the lock when H(30) wakes and wants it and M(20) wakes too: who comes to its end in which order.
fn inversion(bootargs: &str) -> Vec<&'static str> {
    let log = Log::new();
    let seen = log.clone();
    run_with(Config::default(), bootargs, move |cx| {
        become_policy(cx, fifo(99));
        let lock = Arc::new(Mutex::new(()));
        let (held, mine) = (lock.clone(), log.clone());
        let low = start(cx, "L", fifo(10), move |cx| {
            let guard = held.lock(cx);
            sim::spend(2 * MS);
            mine.push("L in the lock");
            drop(guard);
            sim::spend(MS);
            mine.push("L after it");
        });
        time::sleep(cx, ms(1)).unwrap();
        let (wanted, mine) = (lock.clone(), log.clone());
        let high = start(cx, "H", fifo(30), move |cx| {
            let _guard = wanted.lock(cx);
            mine.push("H");
        });
        let mine = log.clone();
        let middle = start(cx, "M", fifo(20), move |_| {
            sim::spend(5 * MS);
            mine.push("M");
        });
        [low, high, middle].into_iter().for_each(|mut thread| thread.join(cx).unwrap());
    });
    seen.take()
}

/// RM-02.5: the middle one cannot keep the owner, and with it the most urgent one, from running.
#[test]
fn the_middle_one_waits() {
    assert_eq!(inversion(""), ["L in the lock", "H", "M", "L after it"]);
    assert_eq!(inversion("pi=on"), inversion(""));
}

/// RM-02.6: without inheritance it does.
#[test]
fn without_inheritance_the_middle_one_goes_first() {
    assert_eq!(inversion("pi=off"), ["M", "L in the lock", "H", "L after it"]);
}

/// T0 (base 5) owns lock 0, which a thread at 30 waits for, and lock 1, which one at 40 waits for.
fn two_locks(seq: Seq<'_>) -> Seq<'_> {
    let seq = seq.cmd(0, SetFifo(5)).cmd(0, Lock(0)).cmd(0, Lock(1)).expect(0, Owns(1));
    waits(waits(seq, 1, 30, 0).expect(0, Eff(30)), 2, 40, 1).expect(0, Eff(40))
}

/// RM-03.1, RM-03.2: two locks, given back in either order: the owner runs as the waiters of what it still owns.
#[test]
fn two_locks_in_any_order() {
    played(3, |seq| {
        let seq = two_locks(seq).cmd(0, Unlock(0)).expect(1, Owns(0)).expect(0, Eff(40));
        seq.cmd(0, Unlock(1)).expect(2, Owns(1)).expect(0, Eff(5)).expect(0, Base(fifo(5)))
    });
    played(3, unlocked_in_the_order_of_urgency);
}
pub fn unlocked_in_the_order_of_urgency(seq: Seq<'_>) -> Seq<'_> {
    let seq = two_locks(seq).cmd(0, Unlock(1)).expect(2, Owns(1)).expect(0, Eff(30));
    seq.cmd(0, Unlock(0)).expect(1, Owns(0)).expect(0, Eff(5)).expect(0, Base(fifo(5)))
}

/// RM-03.3: giving back a lock that nobody waits for takes nothing from the owner.
#[test]
fn a_lock_without_waiters_lends_nothing() {
    played(2, |seq| {
        let seq = seq.cmd(0, SetFifo(5)).cmd(0, Lock(0)).cmd(0, Lock(1)).expect(0, Owns(1));
        waits(seq, 1, 30, 0).expect(0, Eff(30)).cmd(0, Unlock(1)).expect(0, Not(1)).expect(0, Eff(30))
    });
}

/// RM-03.4: what is inherited never becomes what is gone back to: a lock taken and given back while boosted.
#[test]
fn a_boost_is_no_baseline() {
    played(2, |seq| {
        let seq = seq.cmd(0, SetFifo(5)).cmd(0, Lock(0)).expect(0, Owns(0));
        waits(seq, 1, 30, 0)
            .expect(0, Eff(30))
            .cmd(0, Lock(2))
            .expect(0, Owns(2))
            .cmd(0, Unlock(2))
            .expect(0, Eff(30))
            .expect(0, Base(fifo(5)))
            .cmd(0, Unlock(0))
            .expect(1, Owns(0))
            .expect(0, Eff(5))
    });
}

/// A fair owner that a waiter at 30 has boosted gives the lock back while a hog at 20 is ready:
/// who runs in which order.
pub fn unlocked_beside_a_hog(cx: &mut ThreadCx) -> Vec<&'static str> {
    become_policy(cx, fifo(99));
    let (lock, log, go) = (Arc::new(Mutex::new(())), Log::new(), Arc::new(Semaphore::new(0)));
    let (held, mine, gate) = (lock.clone(), log.clone(), go.clone());
    let owner = start(cx, "owner", fair(), move |cx| {
        let guard = held.lock(cx);
        gate.down(cx);
        drop(guard);
        mine.push("owner");
    });
    time::sleep(cx, ms(1)).unwrap();
    let (wanted, mine) = (lock.clone(), log.clone());
    let waiter = start(cx, "waiter", fifo(30), move |cx| {
        let _guard = wanted.lock(cx);
        mine.push("waiter");
    });
    time::sleep(cx, ms(1)).unwrap();
    let mine = log.clone();
    let hog = start(cx, "hog", fifo(20), move |_| {
        sim::spend(MS);
        mine.push("hog");
    });
    go.up(cx).unwrap();
    [owner, waiter, hog].into_iter().for_each(|mut thread| thread.join(cx).unwrap());
    log.take()
}

/// RM-12.1: whoever gives a lock back hands the CPU to the waiter, not to somebody in between.
#[test]
fn nobody_gets_in_between() {
    exact(|cx| assert_eq!(unlocked_beside_a_hog(cx), ["waiter", "hog", "owner"]));
}

/// SC-02.5: who goes back to its own level stands before its equals there.
#[test]
fn deboosted_to_the_head_of_its_equals() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let (lock, log) = (Arc::new(Mutex::new(())), Log::new());
        let (held, mine) = (lock.clone(), log.clone());
        let a = start(cx, "A", fifo(50), move |cx| {
            let guard = held.lock(cx);
            sim::spend(2 * MS);
            drop(guard);
            mine.push("A");
        });
        time::sleep(cx, ms(1)).unwrap();
        let (wanted, mine) = (lock.clone(), log.clone());
        let waiter = start(cx, "waiter", fifo(60), move |cx| {
            let _guard = wanted.lock(cx);
            mine.push("waiter");
        });
        let mine = log.clone();
        let b = start(cx, "B", fifo(50), move |_| mine.push("B"));
        [a, waiter, b].into_iter().for_each(|mut thread| thread.join(cx).unwrap());
        assert_eq!(log.take(), ["waiter", "A", "B"]);
    });
}
