//! Do readers share a read-write lock, and who waits for whom when a writer comes? (LK-04)
use crate::{
    harness::{Log, MS, become_policy, exact, fair, fifo, ms, run_to_bug, start, warnings},
    mutex::level,
};
use hw::sim;
use kernel::{
    ThreadCx,
    sync::{RwLock, WaitQueue},
    thread::{self, JoinHandle},
    time,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

type Shared = Arc<RwLock<u32>>;

/// A thread that has the lock for reading for so long.
fn reader(cx: &mut ThreadCx, lock: &Shared, ms: u64, log: &Log<&'static str>, done: &'static str) -> JoinHandle<()> {
    let (lock, log) = (lock.clone(), log.clone());
    start(cx, "reader", fair(), move |cx| {
        lock.with_read(cx, |_, _| {
            sim::spend(ms * MS);
            log.push(done);
        });
    })
}

/// A thread that writes one more.
fn writer(cx: &mut ThreadCx, lock: &Shared, priority: i32, log: &Log<&'static str>) -> JoinHandle<()> {
    let (lock, log) = (lock.clone(), log.clone());
    start(cx, "writer", fifo(priority), move |cx| {
        lock.with_write(cx, |value, _| {
            *value += 1;
            log.push("writer");
        });
    })
}

fn prepared(cx: &mut ThreadCx) -> (Shared, Log<&'static str>) {
    become_policy(cx, fifo(99));
    (Arc::new(RwLock::new(0)), Log::new())
}

/// LK-04.1: two readers are inside at once.
#[test]
fn readers_share() {
    exact(|cx| {
        let (lock, log) = prepared(cx);
        let mut first = reader(cx, &lock, 3, &log, "first");
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(lock.readers(), 1);
        lock.with_read(cx, |_, _| assert_eq!(lock.readers(), 2));
        assert!(log.take().is_empty());
        first.join(cx).unwrap();
        assert_eq!(lock.readers(), 0);
    });
}

/// LK-04.2: a writer that waits does not boost a reader: whoever is more urgent than that runs first.
#[test]
fn a_writer_does_not_boost_readers() {
    exact(|cx| {
        let (lock, log) = prepared(cx);
        let mut reads = reader(cx, &lock, 2, &log, "reader");
        time::sleep(cx, ms(1)).unwrap();
        let mut writes = writer(cx, &lock, 80, &log);
        let mine = log.clone();
        let mut hog = start(cx, "hog", fifo(50), move |_| {
            sim::spend(2 * MS);
            mine.push("hog");
        });
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(lock.writer(), Some(writes.id()));
        assert_eq!(level(cx, reads.id()), 0);
        for thread in [&mut reads, &mut writes, &mut hog] {
            thread.join(cx).unwrap();
        }
        assert_eq!(log.take(), ["hog", "reader", "writer"]);
    });
}

/// LK-04.3: a reader that waits lends its priority to the writer, until that one has left.
#[test]
fn a_reader_boosts_the_writer() {
    exact(|cx| {
        let (lock, _) = prepared(cx);
        let mine = lock.clone();
        let mut writes = start(cx, "writer", fair(), move |cx| {
            mine.with_write(cx, |value, _| {
                sim::spend(3 * MS);
                *value = 1;
            });
            let me = thread::current_id();
            level(cx, me)
        });
        time::sleep(cx, ms(1)).unwrap();
        let mine = lock.clone();
        let mut reads = start(cx, "reader", fifo(70), move |cx| *mine.read(cx));
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(level(cx, writes.id()), 70);
        assert_eq!((reads.join(cx).unwrap(), writes.join(cx).unwrap()), (1, 0));
    });
}

/// LK-04.4: a reader that reads again behind a writer is let in, with one warning; the writer waits for both guards.
#[test]
fn a_recursive_read_is_let_in_and_reported() {
    let outcome = exact(|cx| {
        let (lock, log) = prepared(cx);
        let (mine, told) = (lock.clone(), log.clone());
        let mut reads = start(cx, "recursive", fair(), move |cx| {
            let mut outer = mine.read(cx);
            sim::spend(2 * MS);
            let inner = mine.read(outer.cx());
            assert_eq!(mine.readers(), 2);
            told.push("both");
            drop(inner);
            sim::spend(2 * MS);
            told.push("outer");
        });
        time::sleep(cx, ms(1)).unwrap();
        let mut writes = writer(cx, &lock, 80, &log);
        writes.join(cx).unwrap();
        reads.join(cx).unwrap();
        assert_eq!(log.take(), ["both", "outer", "writer"]);
    });
    let warnings = warnings(&outcome);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("recursive read of rwlock of ") && warnings[0].contains(" by recursive at "));
}

/// LK-04.4: without a writer a recursive read is nothing special; and of another thread's guard nothing is believed.
#[test]
fn a_recursive_read_without_a_writer() {
    let outcome = exact(|cx| {
        let (lock, other) = (RwLock::<u32>::new(0), RwLock::<u32>::new(0));
        let mut outer = lock.read(cx);
        let mut inner = lock.read(outer.cx());
        assert!(other.try_write(inner.cx()).is_some());
        assert_eq!(lock.readers(), 2);
    });
    assert!(warnings(&outcome).is_empty());
}

/// LK-04.4: a reader that writes would wait for itself: a BUG that says so.
#[test]
fn a_reader_that_writes_is_a_bug() {
    run_to_bug("main reads it and waits to write", |cx| {
        let lock = RwLock::<u32>::new(0);
        let mut read = lock.read(cx);
        let _ = lock.write(read.cx());
    });
}

/// LK-04: a writer that reads or writes again: a BUG that says so.
#[test]
fn a_writer_that_comes_again_is_a_bug() {
    run_to_bug("owner is current, main", |cx| {
        let lock = RwLock::<u32>::new(0);
        let mut written = lock.write(cx);
        let _ = lock.read(written.cx());
    });
    run_to_bug("owner is current, main", |cx| {
        let lock = RwLock::<u32>::new(0);
        let mut written = lock.write(cx);
        let _ = lock.write(written.cx());
    });
}

/// LK-04.5: a thread that comes to read when a writer waits, waits until that one has left.
#[test]
fn a_new_reader_queues_behind_the_writer() {
    exact(|cx| {
        let (lock, log) = prepared(cx);
        let mut first = reader(cx, &lock, 3, &log, "first");
        time::sleep(cx, ms(1)).unwrap();
        let mut writes = writer(cx, &lock, 20, &log);
        time::sleep(cx, ms(1)).unwrap();
        let mut second = reader(cx, &lock, 0, &log, "second");
        for thread in [&mut first, &mut writes, &mut second] {
            thread.join(cx).unwrap();
        }
        assert_eq!(log.take(), ["first", "writer", "second"]);
    });
}

/// LK-04.6: under rt interrupts stay enabled in a writer's section of level Irq, and its thread stays on its CPU.
#[test]
fn interrupts_stay_enabled() {
    exact(|cx| {
        let lock = RwLock::<u32>::new(0);
        let mut written = lock.write(cx);
        assert!(kernel::irq_flags::enabled() && kernel::preempt::context::preemptible());
        *written += 1;
        drop(written);
        assert_eq!(*lock.read(cx), 1);
    });
}

/// LK-04.7: with a writer waiting or inside, try_read fails and leaves nothing behind.
#[test]
fn try_read_behind_a_writer() {
    exact(|cx| {
        let (lock, log) = prepared(cx);
        let mut first = reader(cx, &lock, 2, &log, "first");
        time::sleep(cx, ms(1)).unwrap();
        let mine = lock.clone();
        let mut writes = start(cx, "writer", fifo(20), move |cx| mine.with_write(cx, |_, _| sim::spend(2 * MS)));
        time::sleep(cx, ms(1) / 2).unwrap();
        assert!(lock.try_read(cx).is_none(), "the writer waits");
        assert_eq!(lock.readers(), 1);
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(lock.writer(), Some(writes.id()));
        assert!(lock.try_read(cx).is_none(), "the writer is inside");
        assert_eq!(lock.readers(), 0);
        writes.join(cx).unwrap();
        first.join(cx).unwrap();
        assert!(lock.try_read(cx).is_some());
        assert!(lock.try_write(cx).is_some());
    });
}

/// LK-04.8: with readers inside, try_write fails, and readers come in as before.
#[test]
fn try_write_beside_readers() {
    exact(|cx| {
        let (lock, log) = prepared(cx);
        let mut first = reader(cx, &lock, 2, &log, "first");
        time::sleep(cx, ms(1)).unwrap();
        assert!(lock.try_write(cx).is_none());
        assert_eq!((lock.writer(), lock.readers()), (None, 1));
        assert!(lock.try_read(cx).is_some());
        first.join(cx).unwrap();
        assert!(lock.try_write(cx).is_some());
    });
}

/// LK-04, LK-02.1, .2: a thread that has announced a wait keeps its state while it waits for a writer, or for readers, and
/// a wake-up that comes meanwhile is for the wait that it has announced.
#[test]
fn a_wait_for_the_lock_keeps_the_state() {
    for (waits_to_write, woken_meanwhile) in [(false, false), (false, true), (true, false), (true, true)] {
        exact(move |cx| {
            let (lock, log) = prepared(cx);
            let (queue, ready) = (Arc::new(WaitQueue::new()), Arc::new(AtomicBool::new(false)));
            let held = lock.clone();
            let mut holder = start(cx, "holder", fair(), move |cx| {
                if waits_to_write {
                    held.with_read(cx, |_, _| sim::spend(3 * MS));
                } else {
                    held.with_write(cx, |_, _| sim::spend(3 * MS));
                }
            });
            time::sleep(cx, ms(1)).unwrap();
            let (waits, flag, mine, told) = (queue.clone(), ready.clone(), lock.clone(), log.clone());
            let mut waiter = start(cx, "waiter", fifo(20), move |cx| {
                let mut looks = 0;
                waits.wait_event(cx, || {
                    looks += 1;
                    let seen = flag.load(SeqCst);
                    if looks == 2 {
                        // The wait is announced, and the lock is held.
                        use_it(&mine, waits_to_write);
                        told.push("has had the lock");
                    }
                    seen
                });
                looks
            });
            time::sleep(cx, ms(if woken_meanwhile { 1 } else { 4 })).unwrap();
            assert_eq!(log.take().is_empty(), woken_meanwhile);
            ready.store(true, SeqCst);
            assert!(queue.wake_one(cx));
            if woken_meanwhile {
                time::sleep(cx, ms(1)).unwrap();
                assert!(log.take().is_empty(), "only the lock's own wake-up ends the wait for it");
            }
            holder.join(cx).unwrap();
            assert_eq!(waiter.join(cx).unwrap(), 3, "it slept or went on at once");
        });
    }
}
fn use_it(lock: &Shared, write: bool) {
    // SAFETY: a condition is looked at by a thread that may wait for such a lock.
    unsafe {
        kernel::sleep_hook::with_forged_token(|cx| if write { drop(lock.write(cx)) } else { drop(lock.read(cx)) });
    }
}
