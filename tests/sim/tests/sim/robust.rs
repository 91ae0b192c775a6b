//! What happens to a robust mutex whose owner ends in the middle of its section? (OW-01)
use crate::{
    harness::{Log, MS, at, become_policy, exact, fair, fifo, hard_line, ms, pend, run, start, warnings},
    mutex::level,
    race::{busy_till, explored, race_with_end},
};
use hw::sim;
use kernel::{
    Error, ThreadCx, sleep_hook,
    sync::{Completion, OrphanGuard, Pending, RobustError, RobustMutex, RobustResult, Semaphore},
    thread::{self, JoinHandle},
    time,
};
use std::{mem, sync::Arc};

type Lock = &'static RobustMutex<u32>;

fn lock() -> Lock {
    Box::leak(Box::new(RobustMutex::new(7)))
}

/// What a locker finds; if its predecessor has ended it leaves the value as it is.
fn found(result: RobustResult<'static, u32>) -> Result<u32, Error> {
    Ok(*result?)
}
/// Expects to be told that the predecessor has ended.
#[track_caller]
fn orphan(result: RobustResult<'static, u32>) -> OrphanGuard<'static, u32> {
    match result {
        Err(RobustError::OwnerDead(guard)) => guard,
        other => panic!("{:?} instead of OwnerDead", other.map(|guard| *guard)),
    }
}

/// Starts a fair thread that takes the mutex, doubles its value, and waits with it until it is killed.
fn owner(cx: &mut ThreadCx, lock: Lock) -> JoinHandle<()> {
    let owner = start(cx, "owner", fair(), move |cx| {
        let mut guard = lock.lock(cx).unwrap();
        *guard *= 2;
        let _ = Semaphore::new(0).down_interruptible(cx);
    });
    time::sleep(cx, ms(1)).unwrap();
    assert_eq!(lock.owner(), Some(owner.id()));
    owner
}
#[track_caller]
fn kill(cx: &mut ThreadCx, mut owner: JoinHandle<()>) {
    thread::kill(cx, owner.id()).unwrap();
    assert_eq!(owner.join(cx), Err(Error::Interrupted));
}

/// OW-01.1: the owner is killed: the next one has the lock, is told, and finds the value as it was left. Once it has mended it
/// the mutex is as any other.
#[test]
fn the_next_one_is_told() {
    run(|cx| {
        let lock = lock();
        let killed = owner(cx, lock);
        kill(cx, killed);
        assert_eq!((lock.owner(), lock.top_waiter()), (None, None));
        let mut guard = orphan(lock.lock(cx));
        assert_eq!((*guard, lock.owner()), (14, Some(thread::current_id())));
        *guard = 8;
        let guard = guard.make_consistent();
        assert_eq!((*guard, lock.owner()), (8, Some(thread::current_id())));
        drop(guard);
        assert_eq!((lock.owner(), found(lock.lock(cx))), (None, Ok(8)));
    });
}

/// OW-01.1: as soon as the owner can be joined every way to take the mutex tells.
#[test]
fn every_way_to_take_it_tells() {
    let ways: [fn(Lock, &mut ThreadCx) -> RobustResult<'static, u32>; 4] = [
        |lock, cx| lock.lock(cx),
        |lock, cx| lock.try_lock(cx),
        |lock, cx| lock.lock_until(cx, at(0)),
        |lock, cx| lock.lock_interruptible(cx),
    ];
    run(move |cx| {
        // It goes on before the rest of the owner's end.
        become_policy(cx, fifo(50));
        for way in ways {
            let lock = lock();
            let killed = owner(cx, lock);
            kill(cx, killed);
            assert_eq!(*orphan(way(lock, cx)), 14);
            assert_eq!((found(way(lock, cx)), lock.owner()), (Err(Error::NotRecoverable), None));
        }
    });
}

/// OW-01.1: the owner is killed while somebody waits: that one has the lock, and the owner runs on as its own policy says.
#[test]
fn no_boost_remains() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let (lock, log) = (lock(), Log::new());
        let mut killed = owner(cx, lock);
        let mine = log.clone();
        let waiter = start(cx, "waiter", fifo(40), move |cx| mine.push(*orphan(lock.lock(cx)).make_consistent()));
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!((level(cx, killed.id()), lock.top_waiter()), (40, Some(waiter.id())));
        thread::kill(cx, killed.id()).unwrap();
        // The rest of the owner's end is less urgent than this one, and more urgent than nobody.
        let mine = log.clone();
        let hog = start(cx, "hog", fifo(20), move |_| {
            sim::spend(MS);
            mine.push(1);
        });
        let mine = log.clone();
        let joins = start(cx, "joins", fifo(30), move |cx| {
            assert_eq!(killed.join(cx), Err(Error::Interrupted));
            mine.push(2);
        });
        [waiter, hog, joins].into_iter().for_each(|mut thread| thread.join(cx).unwrap());
        assert_eq!((log.take(), lock.owner()), (vec![14, 1, 2], None));
    });
}

/// OW-01.1: somebody more urgent takes it before the waiter that was woken: that one is told, and has mended it when the
/// waiter's turn comes.
#[test]
fn a_thief_is_told() {
    run(|cx| {
        become_policy(cx, fifo(50));
        let lock = lock();
        let killed = owner(cx, lock);
        let mut waiter = start(cx, "waiter", fifo(60), move |cx| found(lock.lock(cx)));
        lock.hold_wake(waiter.id());
        kill(cx, killed);
        assert!(lock.is_in_wake(waiter.id()));
        let mut thief = start(cx, "thief", fifo(70), move |cx| *orphan(lock.lock(cx)).make_consistent() = 9);
        thief.join(cx).unwrap();
        lock.continue_wake(waiter.id());
        assert_eq!(waiter.join(cx), Ok(Ok(9)));
    });
}

/// OW-01.1: a thread that returns leaves what it has leaked, whatever it has given back before and in which order; and
/// nothing else.
#[test]
fn what_is_held_at_the_end_is_orphaned() {
    run(|cx| {
        let locks: [Lock; 6] = std::array::from_fn(|_| lock());
        let mut owner = start(cx, "owner", fair(), move |cx| {
            let mut guards = locks.map(|lock| Some(lock.lock(cx).unwrap()));
            for given_back in [2, 0, 5] {
                guards[given_back] = None;
            }
            mem::forget(locks[2].lock(cx).unwrap());
            guards[4] = None;
            mem::forget(guards);
        });
        owner.join(cx).unwrap();
        let orphaned = locks.map(|lock| found(lock.try_lock(cx)).is_err());
        assert_eq!(orphaned, [false, true, true, true, false, false]);
    });
}

/// OW-01.2: it is given back as it was found: nobody gets it any more, those that wait neither, and nobody stays boosted.
#[test]
fn what_is_not_mended_is_lost() {
    run(|cx| {
        become_policy(cx, fifo(50));
        let lock = lock();
        let killed = owner(cx, lock);
        kill(cx, killed);
        let guard = orphan(lock.lock(cx));
        let results = Log::new();
        let waiters = [60, 70].map(|priority| {
            let mine = results.clone();
            start(cx, "waiter", fifo(priority), move |cx| mine.push((priority, found(lock.lock(cx)))))
        });
        assert_eq!(level(cx, thread::current_id()), 70);
        drop(guard);
        waiters.into_iter().for_each(|mut waiter| waiter.join(cx).unwrap());
        let lost = Err(Error::NotRecoverable);
        assert_eq!(results.take(), [(70, lost), (60, lost)]);
        assert_eq!((level(cx, thread::current_id()), lock.owner(), lock.top_waiter()), (50, None, None));
        assert_eq!(found(lock.lock(cx)), lost);
    });
}

/// OW-01.2: who ends before it has mended it leaves that to the next, whether it has been told or was killed as it waited.
#[test]
fn it_is_left_once_more() {
    run(|cx| {
        become_policy(cx, fifo(50));
        let lock = lock();
        let killed = owner(cx, lock);
        let mut waiter = start(cx, "waiter", fifo(60), move |cx| drop(orphan(lock.lock(cx))));
        thread::kill(cx, waiter.id()).unwrap();
        kill(cx, killed);
        assert_eq!(waiter.join(cx), Err(Error::Interrupted));
        let mut leaks = start(cx, "leaks", fair(), move |cx| mem::forget(orphan(lock.lock(cx))));
        leaks.join(cx).unwrap();
        assert_eq!(*orphan(lock.lock(cx)).make_consistent(), 14);
        // It was mended, and its owner ends.
        let mut leaks = start(cx, "leaks", fair(), move |cx| mem::forget(lock.lock(cx).unwrap()));
        leaks.join(cx).unwrap();
        assert_eq!(found(lock.lock(cx)), Err(Error::OwnerDead));
    });
}

/// OW-01.1, OW-01.2: of a mutex that does not live for ever: whoever comes next mends the value or says that it cannot.
#[test]
fn mended_on_the_way_in() {
    run(|cx| {
        let lock = Arc::new(RobustMutex::new(7));
        let used = |lock: &RobustMutex<u32>, cx: &mut ThreadCx, mend: Option<u32>| {
            let repair = |value: &mut u32, _: &mut ThreadCx| mend.map(|mended| *value = mended).is_some();
            lock.with(cx, repair, |value, _| *value)
        };
        let dies_inside = |cx: &mut ThreadCx| {
            let held = lock.clone();
            let owner = start(cx, "owner", fair(), move |cx| {
                let inside = |value: &mut u32, cx: &mut ThreadCx| {
                    *value *= 2;
                    let _ = Semaphore::new(0).down_interruptible(cx);
                };
                held.with(cx, |_, _| false, inside).unwrap();
            });
            time::sleep(cx, ms(1)).unwrap();
            assert_eq!(lock.owner(), Some(owner.id()));
            kill(cx, owner);
        };
        assert_eq!(used(&lock, cx, None), Ok(7));
        dies_inside(cx);
        assert_eq!((used(&lock, cx, Some(9)), used(&lock, cx, None)), (Ok(9), Ok(9)));
        dies_inside(cx);
        assert_eq!(used(&lock, cx, None), Err(Error::NotRecoverable));
        assert_eq!((used(&lock, cx, Some(9)), lock.owner()), (Err(Error::NotRecoverable), None));
    });
}

/// OW-01: otherwise it is a mutex: it lends priority, and a wait ends with time, an interruption, or because it would never
/// end.
#[test]
fn otherwise_it_is_a_mutex() {
    let outcome = exact(|cx| {
        become_policy(cx, fifo(50));
        let (lock, inside) = (lock(), Arc::new(Completion::new()));
        let done = inside.clone();
        let mut owner = start(cx, "owner", fair(), move |cx| {
            let mut guard = lock.lock(cx).unwrap();
            done.wait(cx);
            *guard += 1;
        });
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(found(lock.try_lock(cx)), Err(Error::WouldBlock));
        assert_eq!(found(lock.lock_until(cx, at(2 * MS))), Err(Error::TimedOut));
        assert_eq!((sim::time(), level(cx, owner.id())), (2 * MS, 0));
        let mut waiter = start(cx, "waiter", fifo(60), move |cx| found(lock.lock_interruptible(cx)));
        assert_eq!(level(cx, owner.id()), 60);
        thread::interrupt(cx, waiter.id()).unwrap();
        assert_eq!((waiter.join(cx), level(cx, owner.id())), (Ok(Err(Error::Interrupted)), 0));
        let mut waiter = start(cx, "waiter", fifo(60), move |cx| found(lock.lock(cx)));
        inside.complete(cx);
        assert_eq!((waiter.join(cx), owner.join(cx)), (Ok(Ok(8)), Ok(())));
        let _guard = lock.lock(cx).unwrap();
        assert_eq!(found(lock.lock_interruptible(cx)), Err(Error::Deadlock));
        // SAFETY: a test of the detectors.
        let line = hard_line(cx, 100, move |_| unsafe {
            sleep_hook::with_forged_token(|cx| assert_eq!(found(lock.try_lock(cx)), Err(Error::WrongContext)));
        });
        pend(cx, line.irq());
        line.free(cx).unwrap();
    });
    assert_eq!(warnings(&outcome).len(), 1, "{}", outcome.console);
}

/// OW-01.1: somebody comes while the owner ends: it is told in any case, and nobody sleeps for ever.
#[test]
fn somebody_comes_while_the_owner_ends() {
    explored(|cx| {
        let lock = lock();
        race_with_end(
            cx,
            move |cx| {
                let mut guard = lock.lock(cx).unwrap();
                *guard = 9;
                mem::forget(guard);
            },
            |cx, begin| {
                busy_till(begin);
                assert_eq!(*orphan(lock.lock(cx)).make_consistent(), 9);
            },
        );
        assert_eq!(found(lock.lock(cx)), Ok(9));
    });
}
