//! Does a sleeping spinlock exclude, inherit, and keep the state of whoever waits for it? (LK-02)
use crate::{
    harness::{
        Log, MS, US, become_policy, exact, fair, fifo, move_to, ms, run_to_bug, seeded, sleep_till, start, start_on,
    },
    mutex::level,
};
use hw::sim::{self, seeds};
use kernel::{
    ThreadCx, sleep_hook,
    sync::{SpinLock, WaitQueue},
    thread::{self, JoinHandle, State},
    time::{self, HrTimer, Restart},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

type Shared = Arc<SpinLock<u32>>;

/// Something to lock.
fn spinlock() -> Shared {
    Arc::new(SpinLock::new(0))
}
/// A fair thread that has held the lock for a millisecond and does so for one more.
fn holder(cx: &mut ThreadCx, lock: &Shared) -> JoinHandle<()> {
    holder_for(cx, lock, 2 * MS)
}
/// A fair thread that has held the lock for a millisecond, and that needs as long to be done with it.
fn holder_for(cx: &mut ThreadCx, lock: &Shared, ns: u64) -> JoinHandle<()> {
    let held = lock.clone();
    let thread = start(cx, "holder", fair(), move |cx| {
        held.with(cx, |n, _| {
            sim::spend(ns);
            *n += 1;
        });
    });
    time::sleep(cx, ms(1)).unwrap();
    assert_eq!(lock.owner(), Some(thread.id()));
    thread
}
/// The state of the running thread.
fn state(cx: &mut ThreadCx) -> State {
    let mut state = None;
    thread::for_each(cx, |_, info| {
        if info.id == thread::current_id() {
            state = Some(info.state);
        }
    });
    state.unwrap()
}
fn announce() {
    // SAFETY: the thread waits or runs on, as the test says.
    unsafe { sleep_hook::set_state_interruptible() };
}
/// Wakes `main` this many times, a tenth of a millisecond from now on.
fn woken(cx: &mut ThreadCx, times: u32) -> HrTimer {
    let main = thread::current_id();
    let timer = HrTimer::new(cx, move |_, _| {
        for n in 0..times {
            assert_eq!(sleep_hook::wake(main), n == 0, "the first one counts");
        }
        Restart::No
    });
    timer.start_after(cx, ms(1) / 10).unwrap();
    timer
}

/// LK-02.1: whoever had announced a wait before it waited for the lock has still announced it when it has the lock.
#[test]
fn an_announced_wait_outlives_the_wait_for_the_lock() {
    exact(|cx| {
        become_policy(cx, fifo(60));
        let lock = spinlock();
        let mut holder = holder(cx, &lock);
        announce();
        let guard = lock.lock(cx);
        assert_eq!(*guard, 1);
        drop(guard);
        assert_eq!(state(cx), State::Interruptible);
        let _timer = woken(cx, 1);
        let asleep = time::now();
        sleep_hook::schedule(cx);
        assert_eq!(time::now(), asleep.saturating_add(ms(1) / 10), "it slept until it was woken");
        holder.join(cx).unwrap();
    });
}

/// LK-02.2, LK-02.3: one wake-up, or several, that come meanwhile are not lost, count once, and leave nothing behind.
#[test]
fn a_wake_up_meanwhile_ends_the_announced_wait() {
    for times in [1, 2] {
        exact(move |cx| {
            become_policy(cx, fifo(60));
            let lock = spinlock();
            let mut holder = holder(cx, &lock);
            let timer = woken(cx, times);
            announce();
            drop(lock.lock(cx));
            assert_eq!(state(cx), State::Running);
            let before = time::now();
            sleep_hook::schedule(cx);
            assert_eq!(time::now(), before, "it did not sleep");
            announce();
            drop(timer);
            let _timer = woken(cx, 1);
            sleep_hook::schedule(cx);
            assert_eq!(time::now(), before.saturating_add(ms(1) / 10), "nothing was left over");
            holder.join(cx).unwrap();
        });
    }
}

/// LK-02.2: a wait for a condition that takes a lock to look sees the wake-up that comes while it waits for that.
#[test]
fn a_condition_under_a_spinlock() {
    exact(|cx| {
        become_policy(cx, fifo(60));
        let (lock, queue, ready) = (spinlock(), Arc::new(WaitQueue::new()), Arc::new(AtomicBool::new(false)));
        let mut holder = holder(cx, &lock);
        let (wakes, sets) = (queue.clone(), ready.clone());
        let timer = HrTimer::new(cx, move |cx, _| {
            sets.store(true, SeqCst);
            assert!(wakes.wake_one(cx));
            Restart::No
        });
        timer.start_after(cx, ms(1) / 2).unwrap();
        let mut looks = 0;
        queue.wait_event(cx, || {
            looks += 1;
            let seen = ready.load(SeqCst);
            // The first look is before the wait is announced.
            if looks == 2 {
                // SAFETY: a spinlock keeps the state that the wait has announced.
                unsafe { sleep_hook::with_forged_token(|cx| drop(lock.lock(cx))) };
            }
            seen
        });
        assert_eq!(looks, 3);
        holder.join(cx).unwrap();
    });
}

/// LK-02.5: the holder runs as its waiter does, then the waiter, then who is in between.
#[test]
fn a_holder_inherits() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let (lock, log) = (spinlock(), Log::new());
        let mut holder = holder(cx, &lock);
        let (wanted, mine) = (lock.clone(), log.clone());
        let mut waiter = start(cx, "waiter", fifo(60), move |cx| {
            let guard = wanted.lock(cx);
            mine.push(("waiter", *guard));
        });
        let (seen, mine) = (lock.clone(), log.clone());
        let mut hog = start(cx, "hog", fifo(30), move |cx| mine.push(("hog", *seen.lock(cx))));
        time::sleep(cx, ms(1) / 2).unwrap();
        assert_eq!((level(cx, holder.id()), log.take()), (60, vec![]));
        [&mut holder, &mut waiter, &mut hog].into_iter().for_each(|thread| thread.join(cx).unwrap());
        assert_eq!(log.take(), [("waiter", 1), ("hog", 1)]);
        assert_eq!(lock.owner(), None);
    });
}

/// LK-02.7: the holder that locks again is told so.
#[test]
fn locking_twice_is_a_bug() {
    let line = line!() + 2;
    let outcome = run_to_bug("owner is current, main", |cx| {
        let lock: SpinLock<u32> = SpinLock::new(0);
        let mut guard = lock.lock(cx);
        let _again = lock.lock(guard.cx());
    });
    assert!(outcome.console.contains(&format!("spinlock of {}:{line}", file!())), "{}", outcome.console);
}

/// A try gets what is free, and nothing that is held; sections nest, and pin as long as the outermost lasts.
#[test]
fn tries_and_nested_sections() {
    exact(|cx| {
        become_policy(cx, fifo(60));
        let (outer, inner) = (spinlock(), spinlock());
        let mut holder = holder(cx, &inner);
        assert!(inner.try_lock(cx).is_none());
        let mut guard = outer.try_lock(cx).unwrap();
        let (value, cx_inside) = guard.split();
        *value += inner.with(cx_inside, |n, _| *n);
        assert_eq!(*guard, 1);
        drop(guard);
        assert_eq!((outer.owner(), inner.owner()), (None, None));
        holder.join(cx).unwrap();
    });
}

/// LK-02.4: a holder that is preempted is not moved to an idle CPU, and goes on where it was; outside the lock it is.
#[test]
fn a_preempted_holder_stays_on_its_cpu() {
    seeds(100, |seed| {
        seeded(3, seed, |cx| {
            become_policy(cx, fifo(99));
            move_to(cx, 0);
            let begin = sim::time() + MS;
            let lock = spinlock();
            let mut holder = start(cx, "holder", fifo(10), move |cx| {
                sleep_till(cx, begin);
                let inside = lock.with(cx, |_, _| {
                    let before = sim::here();
                    sim::spend(MS);
                    (before, sim::here())
                });
                sim::spend(2 * MS);
                (inside, sim::here(), sim::time() - begin)
            });
            sleep_till(cx, begin + MS / 2);
            let mut cpu = None;
            thread::for_each(cx, |_, info| {
                if info.id == holder.id() {
                    cpu = Some(info.cpu);
                }
            });
            let cpu = cpu.unwrap();
            // It comes while the lock is held, and once more when it is not; the other CPUs are idle.
            let mut hog = start_on(cx, &[cpu], "hog", fifo(50), move |cx| {
                sim::spend(MS);
                sleep_till(cx, begin + 3 * MS);
                sim::spend(4 * MS);
            });
            let (inside, after, ended) = holder.join(cx).unwrap();
            assert_eq!(inside, (cpu, cpu));
            assert_ne!(after, cpu);
            assert!((4 * MS..4 * MS + 10 * US).contains(&ended), "{ended} ns: it waited once, for a millisecond");
            hog.join(cx).unwrap();
        });
    });
}

/// LK-02.6: the top waiter spins as long as the owner runs on another CPU; it sleeps when the owner is preempted or somebody
/// more urgent waits.
#[test]
fn the_top_waiter_spins_while_the_owner_runs() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Then {
        Nothing,
        OwnerPreempted,
        MoreUrgentWaiter,
    }
    for then in [Then::Nothing, Then::OwnerPreempted, Then::MoreUrgentWaiter] {
        seeds(30, move |seed| {
            seeded(3, seed, move |cx| {
                become_policy(cx, fifo(99));
                move_to(cx, 2);
                let begin = sim::time() + MS;
                let lock = spinlock();
                let (held, wanted, more) = (lock.clone(), lock.clone(), lock.clone());
                let owner = start_on(cx, &[1], "owner", fifo(20), move |cx| {
                    sleep_till(cx, begin);
                    held.with(cx, |_, _| sim::spend(MS));
                });
                let waiter = start_on(cx, &[0], "waiter", fifo(20), move |cx| {
                    sleep_till(cx, begin + 100 * US);
                    drop(wanted.lock(cx));
                });
                // Runs where the waiter is, whenever that one sleeps.
                let below = start_on(cx, &[0], "below", fifo(5), move |cx| {
                    sleep_till(cx, begin + 200 * US);
                    sim::time() - begin
                });
                match then {
                    Then::Nothing => {}
                    Then::OwnerPreempted => {
                        drop(start_on(cx, &[1], "hog", fifo(50), move |cx| {
                            sleep_till(cx, begin + 400 * US);
                            sim::spend(100 * US);
                        }));
                    }
                    Then::MoreUrgentWaiter => {
                        drop(start_on(cx, &[2], "more urgent", fifo(30), move |cx| {
                            sleep_till(cx, begin + 400 * US);
                            drop(more.lock(cx));
                        }));
                    }
                }
                let mut below = below;
                let ran = below.join(cx).unwrap();
                let (from, to) = if then == Then::Nothing { (1_000, 1_100) } else { (400, 410) };
                assert!((from * US..to * US).contains(&ran), "{then:?}: slept after {ran} ns");
                [owner, waiter].into_iter().for_each(|mut thread| thread.join(cx).unwrap());
            });
        });
    }
}
