//! Do readers share a read-write semaphore, also across sleep, and who waits for whom when a writer comes? (LK-06)
use crate::{
    harness::{Log, MS, at, become_policy, exact, fair, fifo, ms, run_to_bug, start, warnings},
    mutex::level,
};
use hw::sim;
use kernel::{
    Error, ThreadCx,
    sync::{RwSemaphore, Semaphore},
    thread::{self, JoinHandle},
    time,
};
use std::sync::Arc;

type Shared = Arc<RwSemaphore<u32>>;

fn prepared(cx: &mut ThreadCx) -> (Shared, Log<&'static str>) {
    become_policy(cx, fifo(99));
    (Arc::new(RwSemaphore::new(0)), Log::new())
}
/// A fair thread that reads until `gate` lets it go.
fn reader(cx: &mut ThreadCx, lock: &Shared, gate: &Arc<Semaphore>) -> JoinHandle<()> {
    let (lock, gate) = (lock.clone(), gate.clone());
    let reader = start(cx, "reader", fair(), move |cx| {
        let held = lock.read(cx);
        gate.down(cx);
        drop(held);
    });
    time::sleep(cx, ms(1)).unwrap();
    reader
}
fn closed() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}

/// LK-06.1: a writer becomes a reader; a reader that waits comes in beside it, a less urgent writer waits for both.
#[test]
fn downgrade_lets_readers_in() {
    exact(|cx| {
        let (lock, log) = prepared(cx);
        let (gate, second) = (closed(), closed());
        let (mine, opens) = (lock.clone(), gate.clone());
        let mut holder = start(cx, "holder", fair(), move |cx| {
            let mut held = mine.write(cx);
            *held = 7;
            opens.down(cx);
            let held = held.downgrade();
            opens.down(cx);
            assert_eq!(*held, 7);
        });
        time::sleep(cx, ms(1)).unwrap();
        let (mine, told) = (lock.clone(), log.clone());
        let mut writes = start(cx, "writer", fifo(20), move |cx| {
            *mine.write(cx) += 1;
            told.push("writer");
        });
        let (mine, told, opens) = (lock.clone(), log.clone(), second.clone());
        let mut reads = start(cx, "reader", fifo(30), move |cx| {
            let held = mine.read(cx);
            told.push("reader");
            opens.down(cx);
            assert_eq!(*held, 7);
        });
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(level(cx, holder.id()), 30);
        assert!(log.take().is_empty());
        gate.up(cx).unwrap();
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(level(cx, holder.id()), 0, "readers inherit nothing");
        assert_eq!((log.take(), lock.readers(), lock.writer()), (vec!["reader"], 2, Some(writes.id())));
        gate.up(cx).unwrap();
        holder.join(cx).unwrap();
        assert_eq!((log.take(), lock.readers()), (vec![], 1));
        second.up(cx).unwrap();
        reads.join(cx).unwrap();
        writes.join(cx).unwrap();
        assert_eq!((log.take(), *lock.read(cx)), (vec!["writer"], 8));
    });
}

/// LK-06.1: a more urgent writer is next, and the readers behind it wait for it, and for the holder.
#[test]
fn downgrade_before_a_more_urgent_writer() {
    exact(|cx| {
        let (lock, log) = prepared(cx);
        let held = lock.write(cx);
        let (mine, told) = (lock.clone(), log.clone());
        let mut writes = start(cx, "writer", fifo(30), move |cx| {
            *mine.write(cx) += 1;
            told.push("writer");
        });
        let (mine, told) = (lock.clone(), log.clone());
        let mut reads = start(cx, "reader", fifo(20), move |cx| {
            assert_eq!(*mine.read(cx), 1);
            told.push("reader");
        });
        time::sleep(cx, ms(1)).unwrap();
        let held = held.downgrade();
        time::sleep(cx, ms(1)).unwrap();
        assert!(log.take().is_empty());
        assert_eq!((*held, lock.readers()), (0, 1));
        drop(held);
        writes.join(cx).unwrap();
        reads.join(cx).unwrap();
        assert_eq!(log.take(), ["writer", "reader"]);
    });
}

/// LK-06.2: a writer that waits for readers is interrupted: readers that waited for it are let in, new ones need not queue.
#[test]
fn an_interrupted_writer_lets_readers_in() {
    exact(|cx| {
        let (lock, log) = prepared(cx);
        let gate = closed();
        let mut first = reader(cx, &lock, &gate);
        let (mine, told) = (lock.clone(), log.clone());
        let mut writes = start(cx, "writer", fifo(20), move |cx| {
            let result = mine.write_interruptible(cx).map(|_| ());
            told.push("writer");
            result
        });
        time::sleep(cx, ms(1)).unwrap();
        assert!(lock.try_read(cx).is_none());
        let (mine, told) = (lock.clone(), log.clone());
        let mut second = start(cx, "second", fifo(10), move |cx| {
            let held = mine.read(cx);
            told.push("second");
            *held
        });
        time::sleep(cx, ms(1)).unwrap();
        assert!(log.take().is_empty());
        thread::interrupt(cx, writes.id()).unwrap();
        assert_eq!(writes.join(cx).unwrap(), Err(Error::Interrupted));
        second.join(cx).unwrap();
        assert_eq!(log.take(), ["writer", "second"]);
        assert_eq!((lock.readers(), lock.writer()), (1, None));
        assert!(lock.try_read(cx).is_some());
        gate.up(cx).unwrap();
        first.join(cx).unwrap();
        assert!(lock.try_write(cx).is_some());
    });
}

/// LK-06.2: a writer and a reader whose time runs out leave as little behind; a lock that is free is taken, however late.
#[test]
fn time_runs_out() {
    exact(|cx| {
        let (lock, _) = prepared(cx);
        let gate = closed();
        let mut reads = reader(cx, &lock, &gate);
        let deadline = sim::time() + 2 * MS;
        assert_eq!(lock.write_until(cx, at(deadline)).map(|_| ()), Err(Error::TimedOut));
        assert!((deadline..deadline + MS).contains(&sim::time()));
        assert_eq!((lock.readers(), lock.writer()), (1, None));
        assert!(lock.read_until(cx, at(0)).is_ok());
        gate.up(cx).unwrap();
        reads.join(cx).unwrap();
        assert!(lock.write_until(cx, at(0)).is_ok());

        let (mine, opens) = (lock.clone(), gate.clone());
        let mut writes = start(cx, "writer", fair(), move |cx| {
            let _held = mine.write(cx);
            opens.down(cx);
        });
        time::sleep(cx, ms(1)).unwrap();
        let deadline = sim::time() + 2 * MS;
        assert_eq!(lock.read_until(cx, at(deadline)).map(|_| ()), Err(Error::TimedOut));
        assert_eq!((level(cx, writes.id()), lock.readers()), (0, 0));
        gate.up(cx).unwrap();
        writes.join(cx).unwrap();
        assert!(lock.try_write(cx).is_some());
    });
}

/// LK-06.2: a reader that waits for a writer is interrupted; one that need not wait is not.
#[test]
fn an_interrupted_reader() {
    exact(|cx| {
        let (lock, _) = prepared(cx);
        let held = lock.write(cx);
        let (mine, gate) = (lock.clone(), closed());
        let opens = gate.clone();
        let mut reads = start(cx, "reader", fifo(20), move |cx| {
            let first = mine.read_interruptible(cx).map(|held| *held);
            opens.down(cx);
            let me = thread::current_id();
            thread::interrupt(cx, me).unwrap();
            (first, mine.read_interruptible(cx).map(|held| *held), thread::interrupted(cx))
        });
        time::sleep(cx, ms(1)).unwrap();
        thread::interrupt(cx, reads.id()).unwrap();
        time::sleep(cx, ms(1)).unwrap();
        drop(held);
        gate.up(cx).unwrap();
        assert_eq!(reads.join(cx).unwrap(), (Err(Error::Interrupted), Ok(0), true));
    });
}

/// LK-06.3: reading what the thread reads already is a warning, with a writer waiting or without; nobody hangs.
#[test]
fn a_recursive_read_is_reported() {
    for write in [false, true] {
        let outcome = exact(move |cx| {
            let (lock, _) = prepared(cx);
            let held = lock.read(cx);
            let mine = lock.clone();
            let mut writes = start(cx, "writer", fifo(20), move |cx| {
                if write {
                    drop(mine.write(cx))
                }
            });
            time::sleep(cx, ms(1)).unwrap();
            let again = lock.read(cx);
            assert_eq!(lock.readers(), 2);
            drop(held);
            assert_eq!(lock.readers(), 1);
            drop(again);
            writes.join(cx).unwrap();
            // It does not any more.
            drop(lock.read(cx));
        });
        let warnings = warnings(&outcome);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("recursive read of rw-semaphore of ") && warnings[0].contains(" by main at "));
    }
}

/// LK-06.3: a thread that holds more locks for reading than are recorded gets them all, and gives them back.
#[test]
fn more_reads_than_are_recorded() {
    let outcome = exact(|cx| {
        let locks: [RwSemaphore<usize>; 12] = core::array::from_fn(RwSemaphore::new);
        let mut guards = Vec::new();
        for lock in &locks {
            guards.push(lock.read(cx));
        }
        // Not in the order in which they were taken.
        drop(guards.swap_remove(3));
        drop(guards.swap_remove(0));
        assert!(locks[3].try_write(cx).is_some() && locks[0].try_write(cx).is_some());
        assert!(locks.iter().filter(|lock| lock.readers() == 1).count() == 10);
        drop(guards);
        assert!(locks.iter().all(|lock| lock.try_write(cx).is_some()));
        let _held = locks[5].read(cx);
        drop(locks[5].read(cx));
    });
    assert_eq!(warnings(&outcome).len(), 1, "the record is in order afterwards");
}

/// LK-06.4: what a thread has read-locked for nobody in particular another one gives back; it is no reader any more.
#[test]
fn another_thread_gives_it_back() {
    let outcome = exact(|cx| {
        become_policy(cx, fifo(99));
        let lock: &RwSemaphore<u32> = Box::leak(Box::new(RwSemaphore::new(5)));
        let held = lock.read(cx).into_nonowner();
        let mut writes = start(cx, "writer", fifo(20), |cx| *lock.write(cx) += 1);
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(lock.writer(), Some(writes.id()));
        let mut other = start(cx, "other", fifo(10), move |_| {
            assert_eq!((*held, lock.readers()), (5, 1));
        });
        other.join(cx).unwrap();
        writes.join(cx).unwrap();
        assert_eq!(*lock.read(cx), 6);
        let held = lock.read(cx).into_nonowner();
        drop(lock.read(cx));
        drop(held);
    });
    assert!(warnings(&outcome).is_empty(), "nothing is recursive");
}

/// LK-06: a thread that reads cannot write, nor one that writes read; what can fail fails.
#[test]
fn waits_for_oneself_are_refused() {
    exact(|cx| {
        let lock = RwSemaphore::new(0);
        let read = lock.read(cx);
        assert_eq!(lock.write_interruptible(cx).map(|_| ()), Err(Error::Deadlock));
        assert_eq!((lock.readers(), lock.writer()), (1, None));
        drop(read);
        let written = lock.write(cx);
        assert_eq!(lock.read_until(cx, at(u64::MAX)).map(|_| ()), Err(Error::Deadlock));
        assert_eq!(lock.write_interruptible(cx).map(|_| ()), Err(Error::Deadlock));
        drop(written);
        assert!(lock.try_write(cx).is_some());
    });
    run_to_bug("main reads it and waits to write", |cx| {
        let lock = RwSemaphore::new(0);
        let _read = lock.read(cx);
        let _ = lock.write(cx);
    });
}

/// LK-06: a thread that is killed while it waits to write, or to read, has nothing and holds nobody up.
#[test]
fn a_waiter_is_killed() {
    for write in [false, true] {
        exact(move |cx| {
            let (lock, log) = prepared(cx);
            let gate = closed();
            let mut holder = if write {
                reader(cx, &lock, &gate)
            } else {
                let (mine, opens) = (lock.clone(), gate.clone());
                let holder = start(cx, "holder", fair(), move |cx| {
                    let _held = mine.write(cx);
                    opens.down(cx);
                });
                time::sleep(cx, ms(1)).unwrap();
                holder
            };
            let (mine, told) = (lock.clone(), log.clone());
            let mut waiter = start(cx, "waiter", fifo(20), move |cx| {
                if write {
                    drop(mine.write(cx))
                } else {
                    drop(mine.read(cx))
                }
                told.push("went on");
            });
            time::sleep(cx, ms(1)).unwrap();
            thread::kill(cx, waiter.id()).unwrap();
            gate.up(cx).unwrap();
            holder.join(cx).unwrap();
            assert!(waiter.join(cx).is_err());
            assert!(log.take().is_empty());
            assert!(lock.try_write(cx).is_some());
        });
    }
}

/// LK-06: readers that wait lend their priority along a chain, as waiters of a mutex do.
#[test]
fn a_reader_boosts_through_a_mutex() {
    exact(|cx| {
        let (lock, _) = prepared(cx);
        let mutex = Arc::new(kernel::sync::Mutex::new(()));
        let gate = closed();
        let (mine, opens) = (mutex.clone(), gate.clone());
        let mut owner = start(cx, "owner", fair(), move |cx| {
            let _held = mine.lock(cx);
            opens.down(cx);
        });
        time::sleep(cx, ms(1)).unwrap();
        let (mine, first) = (lock.clone(), mutex.clone());
        let mut writes = start(cx, "writer", fifo(10), move |cx| {
            let _held = mine.write(cx);
            drop(first.lock(cx));
        });
        time::sleep(cx, ms(1)).unwrap();
        let mine = lock.clone();
        let mut reads = start(cx, "reader", fifo(40), move |cx| drop(mine.read(cx)));
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!((level(cx, writes.id()), level(cx, owner.id())), (40, 40));
        gate.up(cx).unwrap();
        for thread in [&mut owner, &mut writes, &mut reads] {
            thread.join(cx).unwrap();
        }
    });
}
