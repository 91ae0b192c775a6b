//! Who is woken by a condition variable, and when does it run? (RM-15)
use crate::{
    harness::{Log, MS, at, become_policy, exact, fair, fifo, hard_line, ms, pend, start},
    mutex::level,
};
use hw::sim;
use kernel::{
    Error, ThreadCx,
    irq::Irq,
    sync::{Condvar, Mutex},
    thread::{self, JoinHandle, State},
    time,
};
use std::sync::Arc;

struct Shared {
    value: Mutex<u32>,
    changed: Condvar,
    woken: Log<i32>,
}

fn prepared(cx: &mut ThreadCx) -> Arc<Shared> {
    become_policy(cx, fifo(99));
    Arc::new(Shared { value: Mutex::new(0), changed: Condvar::new(), woken: Log::new() })
}
/// A thread that waits once, and says so when it has the mutex again, which it keeps for so long.
fn waiter(cx: &mut ThreadCx, shared: &Arc<Shared>, priority: i32, ns: u64) -> JoinHandle<()> {
    let shared = shared.clone();
    let waiter = start(cx, "waiter", fifo(priority), move |cx| {
        let guard = shared.value.lock(cx);
        let guard = shared.changed.wait(guard, cx);
        assert_eq!(shared.value.owner(), Some(thread::current_id()));
        shared.woken.push(priority);
        sim::spend(ns);
        drop(guard);
    });
    time::sleep(cx, ms(1)).unwrap();
    waiter
}
fn join(cx: &mut ThreadCx, threads: impl IntoIterator<Item = JoinHandle<()>>) {
    threads.into_iter().for_each(|mut thread| thread.join(cx).unwrap());
}

/// RM-15.1: waiters are notified by priority, one a call; without one nothing happens, then or later.
#[test]
fn the_most_urgent_is_notified_first() {
    exact(|cx| {
        let shared = prepared(cx);
        assert!(!shared.changed.notify_one(cx));
        let waiters = [10, 30, 20].map(|priority| waiter(cx, &shared, priority, 0));
        for priority in [30, 20, 10] {
            assert!(shared.changed.notify_one(cx));
            time::sleep(cx, ms(1)).unwrap();
            assert_eq!(shared.woken.take(), [priority]);
        }
        assert!(!shared.changed.notify_one(cx));
        join(cx, waiters);
    });
}

/// RM-15.1: so also if they are notified at once, or by an interrupt, or get their priority while they wait.
#[test]
fn notified_at_once_and_by_an_interrupt() {
    exact(|cx| {
        let shared = prepared(cx);
        let waiters = [10, 30, 20].map(|priority| waiter(cx, &shared, priority, 0));
        (0..3).for_each(|_| assert!(shared.changed.notify_one(cx)));
        assert!(shared.woken.take().is_empty());
        join(cx, waiters);
        assert_eq!(shared.woken.take(), [30, 20, 10]);

        let mine = shared.clone();
        let line = hard_line(cx, 100, move |cx| assert!(mine.changed.notify_one(cx)));
        let waiters = [10, 30, 20].map(|priority| waiter(cx, &shared, priority, 0));
        kernel::sched::set(cx, waiters[0].id(), fifo(40)).unwrap();
        (0..3).for_each(|_| pend(cx, Irq::new(100)));
        join(cx, waiters);
        assert_eq!(shared.woken.take(), [10, 30, 20]);
        line.free(cx).unwrap();
    });
}

/// RM-15.3: time runs out: TimedOut, with the mutex held, however long that takes; the thread waits no more.
#[test]
fn time_runs_out() {
    exact(|cx| {
        let shared = prepared(cx);
        let deadline = sim::time() + 2 * MS;
        let guard = shared.value.lock(cx);
        let (guard, result) = shared.changed.wait_until(guard, cx, at(deadline));
        assert_eq!(result, Err(Error::TimedOut));
        assert!((deadline..deadline + MS).contains(&sim::time()));
        assert_eq!(shared.value.owner(), Some(thread::current_id()));
        drop(guard);

        let mine = shared.clone();
        let mut holder = start(cx, "holder", fair(), move |cx| mine.value.with(cx, |_, _| sim::spend(4 * MS)));
        let guard = shared.value.lock(cx);
        let (guard, result) = shared.changed.wait_until(guard, cx, at(sim::time() + MS));
        assert_eq!(result, Err(Error::TimedOut));
        assert!(sim::time() >= deadline + 4 * MS);
        assert!(!shared.changed.notify_one(cx));
        drop(guard);
        holder.join(cx).unwrap();
    });
}

/// RM-15.3: the same for an interruption.
#[test]
fn a_waiter_is_interrupted() {
    exact(|cx| {
        let shared = prepared(cx);
        let mine = shared.clone();
        let mut waits = start(cx, "waiter", fifo(20), move |cx| {
            let guard = mine.value.lock(cx);
            let (_guard, result) = mine.changed.wait_interruptible(guard, cx);
            assert_eq!(mine.value.owner(), Some(thread::current_id()));
            (result, thread::interrupted(cx))
        });
        time::sleep(cx, ms(1)).unwrap();
        thread::interrupt(cx, waits.id()).unwrap();
        assert_eq!(waits.join(cx).unwrap(), (Err(Error::Interrupted), false));
        assert!(!shared.changed.notify_one(cx));
    });
}

/// RM-15.4: all are notified by a thread that holds the mutex: one at a time wakes up and lends its priority to the owner,
/// the most urgent first; the others sleep until it is their turn.
#[test]
fn notified_threads_do_not_thunder() {
    exact(|cx| {
        let shared = prepared(cx);
        let waiters = [10, 30, 20].map(|priority| waiter(cx, &shared, priority, 2 * MS));
        let mine = shared.clone();
        let mut notifies = start(cx, "notifier", fair(), move |cx| {
            let guard = mine.value.lock(cx);
            mine.changed.notify_all(cx);
            sim::spend(2 * MS);
            mine.woken.push(0);
            drop(guard);
        });
        let order = [&waiters[1], &waiters[2], &waiters[0]].map(JoinHandle::id);
        let waiting = |cx: &mut ThreadCx| {
            let mut waiting = [(State::Dead, ""); 3];
            thread::for_each(cx, |_, info| {
                if let Some(n) = order.iter().position(|&id| id == info.id) {
                    waiting[n] = (info.state, info.wchan);
                }
            });
            waiting
        };
        let (asleep, ready) = (State::Uninterruptible, State::Running);
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(level(cx, notifies.id()), 30);
        assert_eq!(waiting(cx), [(asleep, "mutex"), (asleep, "condvar"), (asleep, "condvar")]);
        assert!(!shared.changed.notify_one(cx), "all are notified");
        time::sleep(cx, ms(2)).unwrap();
        // 30 has the mutex, 20 has its turn but not run yet.
        assert_eq!(shared.woken.take(), [0, 30]);
        assert_eq!(waiting(cx), [(ready, ""), (ready, "condvar"), (asleep, "condvar")]);
        time::sleep(cx, ms(2)).unwrap();
        assert_eq!(shared.woken.take(), [20]);
        join(cx, waiters);
        assert_eq!(shared.woken.take(), [10]);
        notifies.join(cx).unwrap();
    });
}

/// RM-15.4: the mutex being free, each runs to its end before the next; who waits again meanwhile is not notified twice.
#[test]
fn notify_all_reaches_those_who_wait_now() {
    exact(|cx| {
        let shared = prepared(cx);
        let again = shared.clone();
        let mut twice = start(cx, "again", fifo(40), move |cx| {
            let mut guard = again.value.lock(cx);
            for n in [40, 41] {
                guard = again.changed.wait(guard, cx);
                again.woken.push(n);
            }
        });
        let waiters = [10, 30].map(|priority| waiter(cx, &shared, priority, 0));
        become_policy(cx, fifo(5));
        shared.changed.notify_all(cx);
        assert_eq!(shared.woken.take(), [40, 30, 10]);
        shared.changed.notify_all(cx);
        assert_eq!(shared.woken.take(), [41]);
        shared.changed.notify_all(cx);
        join(cx, waiters);
        twice.join(cx).unwrap();
    });
}

/// RM-15.4: calls that overlap reach all, in order.
#[test]
fn notify_all_while_others_have_their_turn() {
    exact(|cx| {
        let shared = prepared(cx);
        let mut waiters: Vec<_> = [10, 30].map(|priority| waiter(cx, &shared, priority, MS)).into();
        let guard = shared.value.lock(cx);
        shared.changed.notify_all(cx);
        drop(guard);
        // 30 has its turn; 20 and 40 come, and are notified while it has the mutex.
        time::sleep(cx, ms(1) / 2).unwrap();
        assert_eq!(shared.woken.take(), [30]);
        for priority in [20, 40] {
            let mine = shared.clone();
            waiters.push(start(cx, "late", fifo(priority), move |cx| {
                let guard = mine.value.lock(cx);
                let _guard = mine.changed.wait(guard, cx);
                mine.woken.push(priority);
            }));
        }
        time::sleep(cx, ms(1)).unwrap();
        shared.changed.notify_all(cx);
        time::sleep(cx, ms(5)).unwrap();
        shared.changed.notify_all(cx);
        join(cx, waiters);
        let mut woken = shared.woken.take();
        woken.sort_unstable();
        assert_eq!(woken, [10, 20, 40]);
    });
}

/// RM-15.2: a waiter that is killed after it was notified does not keep the notification, wherever it is by then.
#[test]
fn a_killed_waiter_passes_the_notification_on() {
    // Before it was notified; while it is on its way; while it waits for the mutex.
    for (before, held) in [(true, false), (false, false), (false, true)] {
        exact(move |cx| {
            let shared = prepared(cx);
            let mut dies = waiter(cx, &shared, 30, 0);
            let lives = waiter(cx, &shared, 20, 0);
            let guard = held.then(|| shared.value.lock(cx));
            if before {
                // It sleeps uninterruptibly.
                thread::kill(cx, dies.id()).unwrap();
            }
            shared.changed.notify_one(cx);
            if held {
                time::sleep(cx, ms(1)).unwrap();
            }
            if !before {
                thread::kill(cx, dies.id()).unwrap();
            }
            drop(guard);
            assert!(dies.join(cx).is_err());
            join(cx, [lives]);
            assert_eq!(shared.woken.take(), [20]);
        });
    }
}

/// RM-15.4: one of all who were notified is killed when it has its turn, or before: the others have theirs.
#[test]
fn a_killed_waiter_passes_its_turn_on() {
    for dying in [30, 20] {
        exact(move |cx| {
            let shared = prepared(cx);
            let guard_holder = shared.clone();
            let waiters = [10, 20, 30].map(|priority| (priority, waiter(cx, &shared, priority, 0)));
            let guard = guard_holder.value.lock(cx);
            shared.changed.notify_all(cx);
            time::sleep(cx, ms(1)).unwrap();
            for (priority, waiter) in &waiters {
                if *priority == dying {
                    thread::kill(cx, waiter.id()).unwrap();
                }
            }
            drop(guard);
            for (priority, mut waiter) in waiters {
                assert_eq!(waiter.join(cx).is_err(), priority == dying);
            }
            let expected: Vec<_> = [30, 20, 10].into_iter().filter(|&priority| priority != dying).collect();
            assert_eq!(shared.woken.take(), expected);
            // Nobody's turn is left over.
            let late = waiter(cx, &shared, 50, 0);
            shared.changed.notify_all(cx);
            join(cx, [late]);
        });
    }
}

/// RM-15.3, .4: one of all who were notified runs out of time before its turn: it was notified, and takes nobody's turn.
#[test]
fn time_runs_out_before_its_turn() {
    exact(|cx| {
        let shared = prepared(cx);
        let first = waiter(cx, &shared, 30, 0);
        let mine = shared.clone();
        let mut limited = start(cx, "limited", fifo(20), move |cx| {
            let guard = mine.value.lock(cx);
            let (_guard, result) = mine.changed.wait_until(guard, cx, at(sim::time() + 2 * MS));
            mine.woken.push(20);
            result
        });
        let last = waiter(cx, &shared, 10, 0);
        let guard = shared.value.lock(cx);
        shared.changed.notify_all(cx);
        time::sleep(cx, ms(3)).unwrap();
        drop(guard);
        assert_eq!(limited.join(cx).unwrap(), Ok(()));
        join(cx, [first, last]);
        assert_eq!(shared.woken.take(), [30, 20, 10]);
    });
}
