//! Do a writer and the last reader before it meet, whatever the order? (LK-04, LK-06)
use crate::{
    harness::{US, at},
    race::{busy_till, explored, explored_with, race},
};
use hw::sim;
use kernel::{
    Error, ThreadCx,
    sync::{RwLock, RwSemaphore},
    thread,
};
use std::sync::Arc;

fn shared() -> &'static RwSemaphore<u32> {
    Box::leak(Box::new(RwSemaphore::new(0)))
}
/// Nobody is inside or waits.
#[track_caller]
fn is_free(cx: &mut ThreadCx, lock: &RwSemaphore<u32>) {
    assert_eq!((lock.readers(), lock.writer()), (0, None));
    assert!(lock.try_read(cx).is_some() && lock.try_write(cx).is_some());
}

/// LK-06: the last reader leaves while a writer closes the lock, looks, and goes to sleep.
#[test]
fn the_last_reader_leaves_as_the_writer_comes() {
    explored(last_reader);
}
pub fn last_reader(cx: &mut ThreadCx) {
    let lock = shared();
    let held = lock.read(cx).into_nonowner();
    race(cx, move |_, _| drop(held), |cx, _, _| *lock.write(cx) += 1);
    is_free(cx, lock);
}

/// LK-04: the same of the lock whose waiters keep their state, where the reader comes and goes.
#[test]
fn a_reader_comes_and_goes_beside_a_writer() {
    // Long, with two ways into a wait: one preemption is enough for each step to meet each.
    explored_with(1, |cx| {
        let lock = Arc::new(RwLock::<u32>::new(0));
        let mine = lock.clone();
        let seen = race(
            cx,
            move |cx, _| mine.with_read(cx, |&value, _| value),
            |cx, _, _| lock.with_write(cx, |value, _| *value += 1),
        );
        assert!(seen <= 1);
        assert_eq!((lock.readers(), lock.writer()), (0, None));
        assert_eq!(*lock.read(cx), 1);
        assert!(lock.try_write(cx).is_some());
    });
}

/// LK-06.2: a writer is interrupted just before or after the last reader leaves: it is inside, or nothing is left of it.
#[test]
fn an_interruption_meets_the_last_reader() {
    for first in [false, true] {
        explored(move |cx| {
            let lock = shared();
            let held = lock.read(cx).into_nonowner();
            let me = thread::current_id();
            let mut got = Ok(());
            race(
                cx,
                move |cx, begin| {
                    // The way into the wait is another race.
                    busy_till(begin + 5 * US);
                    sim::interleave(true);
                    if first {
                        thread::interrupt(cx, me).unwrap();
                    }
                    drop(held);
                    if !first {
                        thread::interrupt(cx, me).unwrap();
                    }
                },
                |cx, _, _| {
                    sim::interleave(false);
                    got = lock.write_interruptible(cx).map(|mut value| *value += 1);
                },
            );
            assert!(matches!(got, Ok(()) | Err(Error::Interrupted)));
            thread::interrupted(cx);
            assert_eq!(*lock.read(cx), u32::from(got.is_ok()));
            is_free(cx, lock);
        });
    }
}

/// LK-06.2: time runs out for a writer as the last reader leaves and another one comes.
#[test]
fn a_time_out_meets_the_last_reader() {
    explored(|cx| {
        let lock = shared();
        let held = lock.read(cx).into_nonowner();
        let deadline = |begin| begin + 5 * US;
        let mut got = Ok(());
        let seen = race(
            cx,
            move |cx, begin| {
                busy_till(deadline(begin) - 1);
                sim::interleave(true);
                busy_till(deadline(begin));
                drop(held);
                *lock.read(cx)
            },
            |cx, begin, _| {
                sim::interleave(false);
                got = lock.write_until(cx, at(deadline(begin))).map(|mut value| *value += 1);
            },
        );
        assert!(matches!(got, Ok(()) | Err(Error::TimedOut)));
        assert!(seen <= u32::from(got.is_ok()));
        is_free(cx, lock);
    });
}

/// LK-06.1: a writer becomes a reader as another reader comes: it is let in, and sees what was written.
#[test]
fn a_downgrade_meets_a_new_reader() {
    explored(|cx| {
        let lock = shared();
        let mut held = lock.write(cx);
        let seen = race(
            cx,
            |cx, _| *lock.read(cx),
            |_, _, _| {
                *held = 7;
                let read = held.downgrade();
                assert_eq!(*read, 7);
            },
        );
        assert_eq!(seen, 7);
        is_free(cx, lock);
    });
}

/// LK-06: a writer leaves as a reader lines up for it.
#[test]
fn a_writer_leaves_as_a_reader_comes() {
    explored(|cx| {
        let lock = shared();
        let mut held = lock.write(cx);
        let seen = race(
            cx,
            |cx, _| *lock.read(cx),
            |_, _, _| {
                *held = 7;
                drop(held);
            },
        );
        assert_eq!(seen, 7);
        is_free(cx, lock);
    });
}
