//! Is a mutex one thread's at a time, and whose is it next? (LK-07, RM-01, RM-02, RM-11)
use crate::{
    harness::{Log, become_policy, exact, fair, fifo, hard_line, ms, pend, run, run_to_bug, run_with, start, warnings},
    rm_boost::waits,
    sequencer::{
        Cmd::{Lock, TryLock, Unlock},
        Expect::{BlockedOn, Not, Owns, Result},
        played,
    },
};
use hw::sim::{self, Config};
use kernel::{
    Error, ThreadCx, irq_flags, preempt, sleep_hook,
    sync::{
        Mutex, Semaphore,
        mutex::hook::{self, word},
    },
    thread::{self, ThreadId},
    time,
};
use std::sync::Arc;

/// What a thread runs as now.
pub fn level(cx: &mut ThreadCx, id: ThreadId) -> u8 {
    let mut level = None;
    thread::for_each(cx, |_, info| {
        if info.id == id {
            level = Some(info.level.get());
        }
    });
    level.expect("a live thread")
}

/// RM-02.1: a waiter lends its priority to the owner until the owner gives the lock back; then the waiter owns it.
#[test]
fn a_waiter_lends_its_priority() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let lock = Arc::new(Mutex::new(0));
        let go = Arc::new(Semaphore::new(0));
        let (mine, gate) = (lock.clone(), go.clone());
        let mut owner = start(cx, "owner", fair(), move |cx| {
            let mut guard = mine.lock(cx);
            gate.down(cx);
            *guard += 1;
            drop(guard);
            let me = thread::current_id();
            assert_eq!(level(cx, me), 0);
        });
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(level(cx, owner.id()), 0);
        assert_eq!(lock.owner(), Some(owner.id()));
        let mine = lock.clone();
        let former = owner.id();
        let mut waiter = start(cx, "waiter", fifo(20), move |cx| {
            let mut guard = mine.lock(cx);
            assert_eq!((*guard, level(cx, former)), (1, 0));
            assert_eq!(mine.owner(), Some(thread::current_id()));
            *guard += 1;
        });
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(level(cx, owner.id()), 20);
        assert_eq!(lock.top_waiter(), Some(waiter.id()));
        go.up(cx).unwrap();
        time::sleep(cx, ms(1)).unwrap();
        owner.join(cx).unwrap();
        waiter.join(cx).unwrap();
        assert_eq!(*lock.lock(cx), 2);
        assert_eq!((lock.owner(), lock.top_waiter()), (None, None));
    });
}

/// RM-02.6: with `pi=off` nobody inherits, whether the owner's policy changes meanwhile or not; any other value is a warning and
/// leaves inheritance on.
#[test]
fn inheritance_can_be_switched_off_at_boot() {
    for (bootargs, lent, complaint) in [
        ("pi=off", false, None),
        ("pi=on", true, None),
        ("pi=off pi=on", true, None),
        ("pi=bogus", true, Some("boot argument pi=bogus is not understood, ignored")),
        ("pi", true, Some("boot argument pi= is not understood, ignored")),
    ] {
        let outcome = run_with(Config::default(), bootargs, move |cx| {
            become_policy(cx, fifo(99));
            let (lock, go) = (Arc::new(Mutex::new(())), Arc::new(Semaphore::new(0)));
            let (mine, gate) = (lock.clone(), go.clone());
            let mut owner = start(cx, "owner", fair(), move |cx| mine.with(cx, |_, cx| gate.down(cx)));
            time::sleep(cx, ms(1)).unwrap();
            let mine = lock.clone();
            let mut waiter = start(cx, "waiter", fifo(20), move |cx| drop(mine.lock(cx)));
            time::sleep(cx, ms(1)).unwrap();
            assert_eq!(level(cx, owner.id()), if lent { 20 } else { 0 });
            kernel::sched::set(cx, owner.id(), fifo(10)).unwrap();
            assert_eq!(level(cx, owner.id()), if lent { 20 } else { 10 });
            assert_eq!(kernel::verify::all(cx), Ok(()));
            go.up(cx).unwrap();
            owner.join(cx).unwrap();
            waiter.join(cx).unwrap();
        });
        assert_eq!(warnings(&outcome).len(), usize::from(complaint.is_some()), "{bootargs}: {}", outcome.console);
        assert!(complaint.is_none_or(|text| outcome.console.contains(text)), "{bootargs}: {}", outcome.console);
    }
}

/// RM-01.1: without contention one atomic operation takes the lock and one gives it back.
#[test]
fn one_operation_each() {
    run(|cx| {
        let lock = Mutex::new(());
        let before = sim::points();
        let guard = lock.lock(cx);
        let taken = sim::points();
        drop(guard);
        let given_back = sim::points();
        // Before it is taken there is a look whether the thread may sleep.
        assert_eq!((taken - before, given_back - taken), (1 + 1, 1));
    });
}

/// RM-11.1: a try at a held lock gets nothing and leaves nothing: the owner gives it back as if nobody had come.
#[test]
fn a_try_leaves_nothing_behind() {
    played(2, |seq| {
        let seq = seq.cmd(0, Lock(0)).expect(0, Owns(0)).cmd(1, TryLock(0));
        seq.expect(1, Result(Err(Error::WouldBlock)))
            .cmd(0, Unlock(0))
            .expect(0, Not(0))
            .cmd(1, TryLock(0))
            .expect(1, Owns(0))
    });
    exact(|cx| {
        become_policy(cx, fifo(20));
        let lock = Arc::new(Mutex::new(()));
        let guard = lock.lock(cx);
        let (tried, before) = (lock.clone(), word(&lock));
        let got = start(cx, "tries", fifo(30), move |cx| tried.try_lock(cx).is_some()).join(cx);
        assert_eq!((got, word(&lock)), (Ok(false), before));
        let points = sim::points();
        drop(guard);
        assert_eq!((sim::points() - points, word(&lock)), (1, 0));
    });
}

/// LK-07.1: whoever gives back what it does not own is told whose it is.
#[test]
fn giving_back_what_is_not_owned_is_a_bug() {
    run_to_bug("is given back by thief, but its owner is main", |cx| {
        let lock = Arc::new(Mutex::new(()));
        let _guard = lock.lock(cx);
        let stolen = lock.clone();
        // SAFETY: a test of the BUG.
        start(cx, "thief", fifo(10), move |_| unsafe { hook::unlock(&stolen) });
    });
}

/// LK-07.3: the most urgent waiter is the first.
#[test]
fn waiters_by_urgency() {
    played(3, |seq| {
        let seq = waits(waits(seq.cmd(0, Lock(0)).expect(0, Owns(0)), 1, 20, 0), 2, 30, 0);
        let seq = seq.cmd(0, Unlock(0)).expect(2, Owns(0)).expect(1, BlockedOn(0));
        seq.cmd(2, Unlock(0)).expect(1, Owns(0))
    });
}

/// Blocks where the types would not let it.
fn forged<R>(f: impl FnOnce(&mut ThreadCx) -> R) -> R {
    // SAFETY: a test of the detectors.
    unsafe { sleep_hook::with_forged_token(f) }
}

/// LK-07.5, RM-11.2: in a hard handler a try gets nothing, though the lock is free, and is reported.
#[test]
fn no_mutex_in_a_hard_handler() {
    let outcome = run(|cx| {
        let (lock, got) = (Arc::new(Mutex::new(())), Log::new());
        let (tried, mine) = (lock.clone(), got.clone());
        let line = hard_line(cx, 100, move |_| mine.push(forged(|cx| tried.try_lock(cx).is_some())));
        pend(cx, line.irq());
        assert_eq!((got.take(), word(&lock)), (vec![false], 0));
        line.free(cx).unwrap();
    });
    assert_eq!(warnings(&outcome).len(), 1, "{}", outcome.console);
    assert!(warnings(&outcome)[0].contains("sleeping function called from invalid context"));
}

/// CX-03.1: taking a free mutex where sleeping is forbidden is reported: no contention needed.
#[test]
fn a_free_mutex_in_a_section_is_reported() {
    let outcome = run(|cx| {
        let lock = Mutex::new(());
        let mut section = preempt::disable(cx);
        let _ = section.cx();
        drop(forged(|cx| lock.lock(cx)));
        drop(section);
        let off = irq_flags::save(cx);
        drop(forged(|cx| lock.lock(cx)));
        drop(off);
    });
    let found = warnings(&outcome);
    assert_eq!(found.len(), 2, "{}", outcome.console);
    assert!(found[0].contains("invalid context") && found[0].contains("in_atomic 1, irqs_disabled 0"));
    assert!(found[1].contains("invalid context") && found[1].contains("irqs_disabled 1"));
}
