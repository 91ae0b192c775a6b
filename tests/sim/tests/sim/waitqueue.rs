//! Does a thread that waits for a condition see every change of it (LK-10)?
use crate::harness::{Log, MS, at, at_every_point, become_policy, exact, fair, fifo, hard_line, ms, start, verify};
use kernel::{
    Error,
    sync::{Mutex, RawSpinLock, SpinLock, WaitQueue},
    thread, time,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
};

/// LK-10.4, SC-12.3: the condition is set and the queue woken wherever the waiter is, by an interrupt or by a thread.
#[test]
fn no_wake_is_lost() {
    for by_thread in [false, true] {
        at_every_point(move |cx, arm| {
            let queues = [(); 2].map(|()| Arc::new((WaitQueue::new(), AtomicBool::new(false))));
            let [event, kick] = queues;
            let target = if by_thread { kick.clone() } else { event.clone() };
            let line = hard_line(cx, 100, move |cx| {
                target.1.store(true, SeqCst);
                target.0.wake_one(cx);
            });
            let out = event.clone();
            start(cx, "waker", fifo(90), move |cx| {
                kick.0.wait_event(cx, || kick.1.load(SeqCst));
                out.1.store(true, SeqCst);
                out.0.wake_one(cx);
            });
            arm();
            event.0.wait_event(cx, || event.1.load(SeqCst));
            line.free(cx).unwrap();
        });
    }
}

/// LK-10.4: the same for a value under a lock, with a deadline that is not reached.
#[test]
fn no_wake_is_lost_under_a_lock() {
    at_every_point(|cx, arm| {
        let shared = Arc::new((WaitQueue::new(), RawSpinLock::<u32>::new(0)));
        let waker = shared.clone();
        let line = hard_line(cx, 100, move |cx| {
            waker.1.with(cx, |value, _| *value += 1);
            waker.0.wake_one(cx);
        });
        let deadline = at(hw::sim::time() + 10 * MS);
        arm();
        let taken = shared.0.wait_until_deadline(cx, &shared.1, deadline, |value, _| {
            let had = *value > 0;
            had.then(|| *value -= 1)
        });
        assert_eq!(taken, Ok(()));
        assert!(time::now() < deadline);
        shared.1.with(cx, |value, _| assert_eq!(*value, 0));
        line.free(cx).unwrap();
    });
}

/// LK-10.5: of exclusive waiters the most urgent one is woken.
#[test]
fn the_most_urgent_waiter_is_woken_first() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let (queue, units, log) = (Arc::new(WaitQueue::new()), Arc::new(AtomicU32::new(0)), Log::new());
        for (name, policy) in [("10", fifo(10)), ("30", fifo(30)), ("20", fifo(20)), ("fair", fair())] {
            let (queue, units, log) = (queue.clone(), units.clone(), log.clone());
            start(cx, name, policy, move |cx| {
                queue.wait_event(cx, || units.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1)).is_ok());
                log.push(name);
            });
            time::sleep(cx, ms(1)).unwrap();
        }
        for name in ["30", "20", "10", "fair"] {
            units.fetch_add(1, SeqCst);
            assert!(queue.wake_one(cx));
            time::sleep(cx, ms(1)).unwrap();
            assert_eq!(log.take(), [name]);
        }
        assert!(!queue.wake_one(cx));
    });
}

/// LK-10.5: woken without its condition, a waiter waits on, and its place is not lost.
#[test]
fn a_waiter_without_its_condition_waits_on() {
    exact(|cx| {
        become_policy(cx, fifo(50));
        let (queue, go, log) = (Arc::new(WaitQueue::new()), Arc::new(AtomicBool::new(false)), Log::new());
        let (q, g, l) = (queue.clone(), go.clone(), log.clone());
        start(cx, "waiter", fifo(60), move |cx| {
            q.wait_event(cx, || {
                l.push("looked");
                g.load(SeqCst)
            });
            l.push("passed");
        });
        log.take();
        for _ in 0..3 {
            assert!(queue.wake_one(cx));
            assert!(!log.take().contains(&"passed"));
        }
        go.store(true, SeqCst);
        queue.wake_all(cx);
        assert!(log.take().contains(&"passed"));
        assert!(!queue.wake_one(cx));
    });
}

/// LK-10: waits end at their deadline or when interrupted, and the waiter is off the queue.
#[test]
fn waits_with_limits_end() {
    exact(|cx| {
        become_policy(cx, fifo(50));
        let shared = Arc::new((WaitQueue::new(), RawSpinLock::<bool>::new(false)));
        let deadline = at(hw::sim::time() + 3 * MS);
        let timed_out = shared.0.wait_until_deadline(cx, &shared.1, deadline, |value, _| value.then_some(()));
        assert_eq!((timed_out, time::now()), (Err(Error::TimedOut), deadline));
        assert!(!shared.0.wake_one(cx));
        let s = shared.clone();
        let mut waiter = start(cx, "waiter", fifo(60), move |cx| {
            s.0.wait_until_interruptible(cx, &s.1, |value, _| value.then_some(()))
        });
        thread::interrupt(cx, waiter.id()).unwrap();
        assert_eq!(waiter.join(cx), Ok(Err(Error::Interrupted)));
        assert!(!shared.0.wake_one(cx));
    });
}

/// LK-10.3: the condition is set while the deadline passes: the wait succeeds, or the condition is still there.
#[test]
fn timeout_and_wake_at_the_same_instant() {
    let (mut passed, mut timed_out) = (0, 0);
    for n in 1..150 {
        let log = Log::new();
        let out = log.clone();
        exact(move |cx| {
            let shared = Arc::new((WaitQueue::new(), RawSpinLock::<u32>::new(0)));
            let waker = shared.clone();
            let line = hard_line(cx, 100, move |cx| {
                waker.1.with(cx, |value, _| *value += 1);
                waker.0.wake_one(cx);
            });
            let deadline = hw::sim::time() + MS;
            let inject = move || hw::sim::at_point(n, hw::sim::Injection::Pend(100));
            hw::sim::at_call(deadline, Box::new(inject));
            let result = shared.0.wait_until_deadline(cx, &shared.1, at(deadline), |value, _| {
                let had = *value > 0;
                had.then(|| *value -= 1)
            });
            out.push(result);
            // The interrupt comes within as many points.
            (0..n).for_each(|_| hw::sim::point());
            shared.1.with(cx, |value, _| assert_eq!(*value, u32::from(result.is_err())));
            line.free(cx).unwrap();
        });
        match log.take()[..] {
            [Ok(())] => passed += 1,
            _ => timed_out += 1,
        }
    }
    assert!(passed > 3 && timed_out > 3, "{passed} passed, {timed_out} timed out");
}

/// LK-10: a condition under a spinlock or a mutex, which is held as the waiter is woken: it looks again when it gets that, and
/// waits on if it is too early.
#[test]
fn a_condition_under_a_lock_that_is_held() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let shared = Arc::new((WaitQueue::new(), SpinLock::<u32>::new(0), Mutex::new(0)));
        let mine = shared.clone();
        let mut spin = start(cx, "spin", fifo(20), move |cx| {
            mine.0.wait_until(cx, &mine.1, |value, cx| {
                // Such a section may take further spinlocks.
                let _ = SpinLock::<u32>::new(1).lock(cx);
                (*value == 2).then_some(*value)
            })
        });
        let mine = shared.clone();
        let mut mutex = start(cx, "mutex", fifo(10), move |cx| {
            mine.0.wait_until(cx, &mine.2, |value, _| (*value == 2).then_some(*value))
        });
        time::sleep(cx, ms(1)).unwrap();
        for value in [1, 2] {
            let mut held = shared.2.lock(cx);
            shared.1.with(cx, |value, _| *value += 1);
            assert!(shared.0.wake_one(cx) && shared.0.wake_one(cx));
            time::sleep(cx, ms(1)).unwrap();
            assert_eq!(shared.2.top_waiter(), Some(mutex.id()), "it waits for the mutex");
            verify(cx);
            *held += 1;
            drop(held);
            time::sleep(cx, ms(1)).unwrap();
            assert_eq!(mutex.is_finished(), value == 2);
        }
        assert_eq!((spin.join(cx).unwrap(), mutex.join(cx).unwrap()), (2, 2));
        let deadline = at(hw::sim::time() + MS);
        let late = shared.0.wait_until_deadline(cx, &shared.2, deadline, |value, _| (*value == 3).then_some(()));
        assert_eq!(late, Err(Error::TimedOut));
    });
}

/// LK-10: a waiter that is killed while it waits for the mutex of its condition leaves the queue, and passes the wake-up on.
#[test]
fn a_waiter_is_killed_before_it_looks() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let shared = Arc::new((WaitQueue::new(), Mutex::new(0)));
        let mut threads = [20, 10].map(|priority| {
            let mine = shared.clone();
            start(cx, "waiter", fifo(priority), move |cx| {
                mine.0.wait_until(cx, &mine.1, |value, _| (*value > 0).then(|| *value -= 1));
            })
        });
        time::sleep(cx, ms(1)).unwrap();
        let mut held = shared.1.lock(cx);
        shared.0.wake_one(cx);
        thread::kill(cx, threads[0].id()).unwrap();
        *held = 1;
        drop(held);
        assert!(threads[0].join(cx).is_err());
        threads[1].join(cx).unwrap();
        assert_eq!(*shared.1.lock(cx), 0);
    });
}
