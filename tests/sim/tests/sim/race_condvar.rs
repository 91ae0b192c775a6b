//! Is a notification that another CPU sends at any moment of a wait neither lost nor doubled? (RM-15)
use crate::{
    harness::{US, at, fifo, start_on},
    race::{busy_till, explored, explored_with, race},
};
use hw::sim;
use kernel::{
    Error, ThreadCx,
    sync::{Condvar, Mutex, SpinLock, WaitQueue},
    thread,
};
use std::sync::Arc;

struct Shared {
    value: Mutex<u32>,
    changed: Condvar,
}
fn shared() -> Arc<Shared> {
    Arc::new(Shared { value: Mutex::new(0), changed: Condvar::new() })
}

/// RM-15.2: the value changes and its waiter is notified, with the mutex held or given back, while the waiter looks, gives
/// the mutex back, and sleeps.
#[test]
fn a_notification_between_unlock_and_sleep() {
    for held in [false, true] {
        explored(move |cx| {
            let shared = shared();
            let other = shared.clone();
            race(
                cx,
                move |cx, _| {
                    let mut guard = other.value.lock(cx);
                    *guard = 1;
                    if held {
                        other.changed.notify_one(cx);
                        drop(guard);
                    } else {
                        drop(guard);
                        other.changed.notify_one(cx);
                    }
                },
                |cx, _, _| {
                    let mut guard = shared.value.lock(cx);
                    while *guard == 0 {
                        guard = shared.changed.wait(guard, cx);
                    }
                },
            );
            at_rest(cx, &shared);
        });
    }
}

/// RM-15.2: the same of one that notifies all.
#[test]
fn all_are_notified_between_unlock_and_sleep() {
    explored(|cx| {
        let shared = shared();
        let other = shared.clone();
        race(
            cx,
            move |cx, _| {
                *other.value.lock(cx) = 1;
                other.changed.notify_all(cx);
            },
            |cx, _, _| {
                let mut guard = shared.value.lock(cx);
                while *guard == 0 {
                    guard = shared.changed.wait(guard, cx);
                }
            },
        );
        at_rest(cx, &shared);
    });
}

/// RM-15.2, .3: a notification and a time-out at the same moment: the waiter was notified, or somebody else can be.
#[test]
fn a_notification_when_time_runs_out() {
    explored(|cx| {
        let shared = shared();
        let other = shared.clone();
        let deadline = |begin| begin + 5 * US;
        let mut got = Ok(());
        let notified = race(
            cx,
            move |cx, begin| {
                // The way into the wait is another race.
                busy_till(deadline(begin) - 1);
                sim::interleave(true);
                busy_till(deadline(begin));
                other.changed.notify_one(cx)
            },
            |cx, begin, _| {
                sim::interleave(false);
                let guard = shared.value.lock(cx);
                got = shared.changed.wait_until(guard, cx, at(deadline(begin))).1;
            },
        );
        assert_eq!(got, if notified { Ok(()) } else { Err(Error::TimedOut) });
        at_rest(cx, &shared);
    });
}

/// RM-15.2: a waiter that can be interrupted is killed as it is notified: another one gets the notification, or it is not
/// used up.
#[test]
fn a_notification_meets_a_kill() {
    for kill_first in [false, true] {
        explored_with(1, move |cx| {
            let shared = shared();
            let mine = shared.clone();
            let mut dies = start_on(cx, &[0], "dies", fifo(70), move |cx| {
                let guard = mine.value.lock(cx);
                drop(mine.changed.wait_interruptible(guard, cx).0);
            });
            let mine = shared.clone();
            let mut lives = start_on(cx, &[0], "lives", fifo(60), move |cx| {
                let mut guard = mine.value.lock(cx);
                while *guard == 0 {
                    guard = mine.changed.wait(guard, cx);
                }
            });
            kernel::time::sleep(cx, crate::harness::ms(1)).unwrap();
            *shared.value.lock(cx) = 1;
            let (id, other) = (dies.id(), shared.clone());
            race(
                cx,
                move |cx, _| {
                    if kill_first {
                        let _ = thread::kill(cx, id);
                    } else {
                        other.changed.notify_one(cx);
                    }
                },
                |cx, _, _| {
                    if kill_first {
                        shared.changed.notify_one(cx);
                    } else {
                        // It may have been notified and have ended.
                        let _ = thread::kill(cx, id);
                    }
                },
            );
            if dies.join(cx).is_ok() {
                // It has used the notification.
                shared.changed.notify_one(cx);
            }
            lives.join(cx).unwrap();
            at_rest(cx, &shared);
        });
    }
}

/// Nobody waits for anything.
#[track_caller]
fn at_rest(cx: &mut ThreadCx, shared: &Shared) {
    assert!(!shared.changed.notify_one(cx));
    assert_eq!(shared.value.owner(), None);
    assert!(shared.value.try_lock(cx).is_some());
}

/// LK-10.4: a condition under a mutex, for which a waiter has to sleep, changes while it looks and goes to sleep.
#[test]
fn a_condition_under_a_mutex() {
    explored_with(1, |cx| {
        let shared = Arc::new((WaitQueue::new(), Mutex::new(0)));
        let other = shared.clone();
        race(
            cx,
            move |cx, _| {
                *other.1.lock(cx) += 1;
                other.0.wake_one(cx);
            },
            |cx, _, _| shared.0.wait_until(cx, &shared.1, |units, _| (*units == 1).then_some(())),
        );
    });
}

/// LK-10.4: the same under a spinlock, which keeps the announced state.
#[test]
fn a_condition_under_a_spinlock() {
    explored_with(1, |cx| {
        let shared = Arc::new((WaitQueue::new(), SpinLock::<u32>::new(0)));
        let other = shared.clone();
        race(
            cx,
            move |cx, _| {
                *other.1.lock(cx) += 1;
                other.0.wake_one(cx);
            },
            |cx, _, _| shared.0.wait_until(cx, &shared.1, |units, _| (*units == 1).then_some(())),
        );
    });
}
