//! Is it found when a thread ends and owns a plain lock? (OW-01.3, OW-01.5)
use crate::{
    harness::{Log, at, become_policy, fair, fifo, ms, run, run_to_bug, start, start_on},
    race::{busy_till, prepared, race_with_end, searched},
};
use hw::sim::{self, Config, End, Order};
use kernel::{
    Error, ThreadCx, report,
    sync::{Mutex, RobustMutex, RwSemaphore, Semaphore, SpinLock},
    thread, time,
};
use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

/// The machine of a search.
fn machine(order: Order) -> Config {
    Config { cpus: 2, order, frequency: 1_000_000_000, ..Config::default() }
}

/// A mutex whose owner, which was called "owner", has ended; and what a report says of it.
fn orphan(cx: &mut ThreadCx) -> (Arc<Mutex<()>>, String) {
    let (lock, line) = (Arc::new(Mutex::new(())), line!());
    let held = lock.clone();
    let mut owner = start(cx, "owner", fair(), move |cx| mem::forget(held.lock(cx)));
    owner.join(cx).unwrap();
    let report = format!("BUG: mutex of {}:{line} belongs to owner (thread {}), which has ended", file!(), owner.id());
    (lock, report)
}

/// OW-01.3: somebody waits: the BUG comes when the owner ends, before anybody who joins it goes on, and names it, the lock and
/// the waiter.
#[test]
fn it_ends_while_somebody_waits() {
    for dies in [false, true] {
        let line = line!() + 3;
        let outcome = run_to_bug("BUG: owner ends and owns mutex of", move |cx| {
            become_policy(cx, fifo(50));
            let lock = Arc::new(Mutex::new(()));
            let held = lock.clone();
            let mut owner = start(cx, "owner", fair(), move |cx| {
                mem::forget(held.lock(cx));
                let _ = Semaphore::new(0).down_interruptible(cx);
            });
            time::sleep(cx, ms(1)).unwrap();
            start(cx, "waiter", fifo(40), move |cx| drop(lock.lock(cx)));
            time::sleep(cx, ms(1)).unwrap();
            if dies {
                thread::kill(cx, owner.id()).unwrap();
            } else {
                thread::interrupt(cx, owner.id()).unwrap();
            }
            let _ = owner.join(cx);
            panic!("nothing was found");
        });
        let named = format!("owner ends and owns mutex of {}:{line}, which waiter waits for", file!());
        assert!(outcome.console.contains(&named), "{}", outcome.console);
    }
}

/// OW-01.3: the waiter runs out of time while the owner ends, and waits for another lock then: it is found or not, and
/// nothing is said of the other lock.
#[test]
fn the_waiter_leaves_while_it_ends() {
    let found = [Log::new(), Log::new()];
    let [bug, none] = found.clone();
    searched(1, move |order| {
        let outcome = kernel::simulation::boot(machine(order), "", |cx| {
            prepared(cx);
            let (lock, other) = (Arc::new(Mutex::new(())), Arc::new(RwSemaphore::new(())));
            let (held, theirs) = (lock.clone(), other.clone());
            start_on(cx, &[0], "holder", fifo(98), move |cx| {
                let _guard = theirs.write(cx);
                time::sleep(cx, ms(1)).unwrap();
                sim::interleave(false);
            });
            time::sleep(cx, ms(1) / 2).unwrap();
            race_with_end(
                cx,
                move |cx| mem::forget(held.lock(cx)),
                |cx, begin| {
                    assert_eq!(lock.lock_until(cx, at(begin)).err(), Some(Error::TimedOut));
                    drop(other.read(cx));
                },
            );
        });
        let (log, says) = match outcome.end {
            End::Exit(0) => (&none, ""),
            _ => (&bug, "BUG: ends ends and owns mutex of"),
        };
        assert!(outcome.console.starts_with(says), "{}\n{}", outcome.console, outcome.story);
        log.push(());
    });
    assert!(found.iter().all(|found| !found.take().is_empty()), "one of them does not happen");
}

/// OW-01.3: nobody waits: the BUG comes when somebody comes for the lock, whether it would wait or not, and names both.
#[test]
fn somebody_comes_later() {
    let ways: [fn(&Mutex<()>, &mut ThreadCx); 3] = [
        |lock, cx| drop(lock.lock(cx)),
        |lock, cx| drop(lock.lock_until(cx, time::now())),
        |lock, cx| drop(lock.try_lock(cx)),
    ];
    for way in ways {
        let expected = Log::new();
        let log = expected.clone();
        let outcome = run_to_bug("BUG: ", move |cx| {
            let (lock, report) = orphan(cx);
            log.push(report);
            way(&lock, cx);
        });
        assert!(outcome.console.contains(&expected.take()[0]), "{}", outcome.console);
    }
}

/// OW-01.3: what the owner was called is not told any more when its slot has another thread.
#[test]
fn somebody_comes_much_later() {
    let outcome = run_to_bug("which has ended", |cx| {
        let (lock, _) = orphan(cx);
        start(cx, "heir", fair(), move |cx| drop(lock.lock(cx))).join(cx).unwrap();
    });
    assert!(outcome.console.contains(" belongs to thread "), "{}", outcome.console);
}

/// OW-01.3: the same for the other locks with an owner, under `rt`.
#[test]
fn other_locks_too() {
    run_to_bug("BUG: spinlock of", |cx| {
        let lock = Arc::new(SpinLock::<_>::new(()));
        let held = lock.clone();
        start(cx, "owner", fair(), move |cx| mem::forget(held.lock(cx))).join(cx).unwrap();
        drop(lock.lock(cx));
    });
    run_to_bug("BUG: rw-semaphore of", |cx| {
        let lock = Arc::new(RwSemaphore::new(()));
        let held = lock.clone();
        start(cx, "owner", fair(), move |cx| mem::forget(held.write(cx))).join(cx).unwrap();
        drop(lock.read(cx));
    });
}

/// OW-01.3: somebody comes while the owner ends: whoever is first, it is found.
#[test]
fn somebody_comes_while_it_ends() {
    let reports = [Log::new(), Log::new()];
    let [waited, came] = reports.clone();
    searched(2, move |order| {
        let outcome = kernel::simulation::boot(machine(order), "", |cx| {
            prepared(cx);
            let lock = Arc::new(Mutex::new(()));
            let held = lock.clone();
            race_with_end(
                cx,
                move |cx| mem::forget(held.lock(cx)),
                |cx, begin| {
                    busy_till(begin);
                    drop(lock.lock(cx));
                },
            );
        });
        assert_eq!(outcome.end, End::Exit(report::EXIT_BUG), "{}\n{}", outcome.console, outcome.story);
        let (log, says) = match outcome.console.contains(" ends and owns ") {
            true => (&waited, "BUG: ends ends and owns mutex of"),
            false => (&came, " belongs to ends (thread "),
        };
        assert!(outcome.console.contains(says), "{}", outcome.console);
        log.push(());
    });
    assert!(reports.iter().all(|report| !report.take().is_empty()), "one of them does not happen");
}

/// OW-01.5: on the target a panic stops the machine. In the simulation, where somebody may catch it, guards are dropped and
/// their locks are free, with nothing remembered.
#[test]
fn unwinding_gives_back() {
    run(|cx| {
        let lock = Mutex::new(1);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let mut guard = lock.lock(cx);
            *guard = 2;
            resume_unwind(Box::new("in a section"));
        }));
        assert!(caught.is_err());
        assert_eq!((lock.owner(), *lock.lock(cx)), (None, 2));
        let robust: &'static RobustMutex<u32> = Box::leak(Box::new(RobustMutex::new(1)));
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _guard = robust.lock(cx).unwrap();
            resume_unwind(Box::new("in a section"));
        }));
        assert!(caught.is_err());
        assert_eq!(robust.lock(cx).map(|guard| *guard).ok(), Some(1));
    });
}
