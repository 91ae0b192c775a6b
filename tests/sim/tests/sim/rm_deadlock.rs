//! Is a thread told that it would wait for itself, and does nothing stay behind? (RM-09, LK-07.2)
use crate::{
    harness::{become_policy, exact, fair, fifo, ms, run_to_bug, start, warnings},
    mutex::level,
    rm_boost::waits,
    rm_chain::Chain,
    sequencer::{
        Cmd::{Lock, LockDetect, SetFifo, Unlock},
        Expect::{BlockedOn, Eff, Not, Owns, Result},
        Seq, played,
    },
};
use kernel::{
    Error,
    sync::{Mutex, max_lock_depth, set_max_lock_depth},
    thread, time,
};
use std::sync::Arc;

/// T0 owns lock 0 and waits for lock 1, which T1 owns.
fn crossed(seq: Seq<'_>) -> Seq<'_> {
    let seq = seq.cmd(0, SetFifo(30)).cmd(0, Lock(0)).expect(0, Owns(0)).cmd(1, SetFifo(10)).cmd(1, Lock(1));
    seq.expect(1, Owns(1)).cmd(0, Lock(1)).expect(0, BlockedOn(1)).expect(1, Eff(30))
}

/// RM-09.1, RM-09.3: who would close the circle is told; the other one waits on and succeeds. Nobody is boosted by the
/// attempt.
#[test]
fn two_locks_crossed() {
    played(2, |seq| {
        let seq = crossed(seq).cmd(1, LockDetect(0)).expect(1, Result(Err(Error::Deadlock))).expect(1, Not(0));
        let seq = seq.expect(0, BlockedOn(1)).expect(0, Eff(30)).expect(1, Eff(30));
        let seq = seq.cmd(1, Unlock(1)).expect(0, Owns(1)).expect(1, Eff(10));
        // Lock 0 has no waiter left: its owner gives it back, and it is free.
        seq.cmd(0, Unlock(0)).expect(0, Not(0)).cmd(1, Lock(0)).expect(1, Owns(0))
    });
}

/// RM-09.3: somebody more urgent that is told of a deadlock has boosted nobody.
#[test]
fn a_deadlock_leaves_no_boost() {
    played(2, |seq| {
        let seq = seq.cmd(0, SetFifo(10)).cmd(0, Lock(0)).expect(0, Owns(0)).cmd(1, SetFifo(30)).cmd(1, Lock(1));
        let seq = seq.expect(1, Owns(1)).cmd(0, Lock(1)).expect(0, BlockedOn(1));
        let seq = seq.cmd(1, LockDetect(0)).expect(1, Result(Err(Error::Deadlock)));
        seq.expect(0, Eff(10)).expect(1, Eff(30)).cmd(1, Unlock(1)).expect(0, Owns(1))
    });
}

/// RM-09.2: of a circle of three exactly the last request is told.
#[test]
fn a_circle_of_three() {
    played(3, |seq| {
        let seq = (0..3).fold(seq, |seq, n| seq.cmd(n, SetFifo(10 + n as i32)).cmd(n, Lock(n)).expect(n, Owns(n)));
        let seq = seq.cmd(0, LockDetect(1)).expect(0, BlockedOn(1)).cmd(1, LockDetect(2)).expect(1, BlockedOn(2));
        let seq = seq.cmd(2, LockDetect(0)).expect(2, Result(Err(Error::Deadlock)));
        let seq = seq.expect(0, BlockedOn(1)).expect(1, BlockedOn(2)).expect(0, Eff(10)).expect(2, Eff(12));
        seq.cmd(2, Unlock(2)).expect(1, Owns(2)).cmd(1, Unlock(1)).expect(0, Owns(1))
    });
}

/// RM-09.4: a long chain is no circle. RM-09.5: one that is longer than allowed is reported once, and fails what can fail.
#[test]
fn long_chains() {
    let told = |bound: u32, length: usize| {
        let outcome = exact(move |cx| {
            become_policy(cx, fifo(50));
            set_max_lock_depth(bound);
            let chain = Chain::new(cx, length);
            let locks = chain.locks.clone();
            let mut last = start(cx, "last", fifo(60), move |cx| locks[length - 1].lock_detect(cx).map(|_| ()));
            time::sleep(cx, ms(1)).unwrap();
            let refused = chain.last().top_waiter() != Some(last.id());
            for id in chain.ids() {
                assert_eq!(level(cx, id), if refused { 0 } else { 60 });
            }
            chain.finish(cx);
            assert_eq!(last.join(cx).unwrap(), if refused { Err(Error::Deadlock) } else { Ok(()) });
            assert_eq!(refused, length as u32 > max_lock_depth());
        });
        let warnings: Vec<_> = warnings(&outcome).into_iter().map(str::to_owned).collect();
        assert!(warnings.iter().all(|text| text.contains("maximum lock depth 8 reached by last")), "{warnings:?}");
        warnings.len()
    };
    assert_eq!(told(0, 20), 0);
    assert_eq!(told(8, 8), 0);
    assert_eq!(told(8, 9), 1);
}

/// RM-09.6, LK-07.2: the own lock once more is a deadlock at once.
#[test]
fn the_own_lock() {
    played(2, |seq| {
        let seq = seq.cmd(0, Lock(0)).cmd(0, LockDetect(0)).expect(0, Result(Err(Error::Deadlock))).expect(0, Owns(0));
        waits(seq, 1, 20, 0)
            .cmd(0, LockDetect(0))
            .expect(0, Result(Err(Error::Deadlock)))
            .cmd(0, Unlock(0))
            .expect(1, Owns(0))
    });
}

/// LK-07.2: where no failure is possible that is a BUG that names the lock.
#[test]
fn waiting_for_oneself_is_a_bug() {
    let line = line!() + 2;
    let outcome = run_to_bug("owner is current, main", |cx| {
        let lock = Mutex::new(());
        let _first = lock.lock(cx);
        let _second = lock.lock(cx);
    });
    assert!(outcome.console.contains(&format!("mutex of {}:{line}", file!())), "{}", outcome.console);
}

/// RM-09.7: closing a circle is a BUG that names every thread and every lock in it.
#[test]
fn closing_a_circle_is_a_bug() {
    let first = line!() + 3;
    let outcome = run_to_bug("BUG: deadlock: main waits for mutex", |cx| {
        become_policy(cx, fifo(30));
        let one = Arc::new(Mutex::new(()));
        let two = Arc::new(Mutex::new(()));
        let three = Arc::new(Mutex::new(()));
        for (name, own, next) in [("x", &two, &one), ("y", &three, &two)] {
            let (own, next) = (own.clone(), next.clone());
            start(cx, name, fair(), move |cx| {
                let _own = own.lock(cx);
                if name == "x" {
                    time::sleep(cx, ms(1)).unwrap();
                }
                let _next = next.lock(cx);
            });
        }
        let _own = one.lock(cx);
        time::sleep(cx, ms(5)).unwrap();
        assert_eq!(one.owner(), Some(thread::current_id()));
        let _next = three.lock(cx);
    });
    let at = |line: u32| format!("mutex of {}:{line}", file!());
    let circle = [
        format!("main waits for {}", at(first + 2)),
        format!("y waits for {}", at(first + 1)),
        format!("x waits for {}, owned by main", at(first)),
    ];
    assert!(outcome.console.contains(&circle.join(", owned by ")), "{}", outcome.console);
}
