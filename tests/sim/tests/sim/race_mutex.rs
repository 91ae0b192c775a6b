//! What happens when several CPUs come for a lock, leave it and give it back at once? (RM-01, RM-04, RM-07, RM-09, LK-02)
use crate::{
    harness::{Log, US, at, at_every_point, become_policy, fair, fifo, hard_line, ms, sleep_till, start, start_on},
    mutex::level,
    race::{busy_till, explored, explored_with, race},
};
use hw::sim;
use kernel::{
    Error, ThreadCx, sleep_hook,
    sync::{Mutex, Semaphore, SpinLock, WaitQueue, mutex::hook::word},
    thread, time,
};
use std::{
    cell::Cell,
    mem::{MaybeUninit, size_of},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

/// RM-01.2: two waiters give up while the owner gives the lock back: nobody owns it afterwards, and nobody waits.
#[test]
fn given_back_while_the_waiters_leave() {
    explored(|cx| {
        let lock = Arc::new(Mutex::new(()));
        let guard = lock.lock(cx);
        let mut waiters = [90, 91].map(|priority| {
            let wanted = lock.clone();
            start_on(cx, &[1], "waiter", fifo(priority), move |cx| wanted.lock_interruptible(cx).map(drop))
        });
        time::sleep(cx, ms(1)).unwrap();
        let ids = waiters.each_ref().map(|waiter| waiter.id());
        race(
            cx,
            move |cx, _| {
                for id in ids {
                    // One that has the lock already may be gone.
                    let _ = thread::interrupt(cx, id);
                }
            },
            |_, _, _| drop(guard),
        );
        for waiter in &mut waiters {
            let ended = waiter.join(cx).unwrap();
            assert!(matches!(ended, Ok(()) | Err(Error::Interrupted)), "{ended:?}");
        }
        assert_eq!((word(&lock), lock.top_waiter()), (0, None));
    });
}

/// RM-01.3: whoever finds that it is the last user may give the lock's memory back: nobody writes to it any more.
#[test]
fn freed_by_its_last_user() {
    type Object = Mutex<u32>;
    const PATTERN: u8 = 0xa5;
    // SAFETY: of two users each calls it once; the memory is leaked and the mutex made in it lives until both were here.
    unsafe fn put(cx: &mut ThreadCx, object: usize) {
        let object = object as *mut Object;
        let last = {
            // SAFETY: this user has not been here before, so the mutex lives.
            let mut users = unsafe { &*object }.lock(cx);
            *users -= 1;
            *users == 0
        };
        if last {
            // SAFETY: the other one has been here.
            unsafe { object.cast::<u8>().write_bytes(PATTERN, size_of::<Object>()) };
        }
    }
    explored(|cx| {
        let memory: &'static mut MaybeUninit<Object> = Box::leak(Box::new(MaybeUninit::uninit()));
        let object = memory.as_mut_ptr() as usize;
        memory.write(Mutex::new(2));
        race(
            cx,
            // SAFETY: one of two.
            move |cx, _| unsafe { put(cx, object) },
            // SAFETY: the other one.
            |cx, _, _| unsafe { put(cx, object) },
        );
        // SAFETY: written above, leaked.
        let bytes = unsafe { std::slice::from_raw_parts(object as *const u8, size_of::<Object>()) };
        assert!(bytes.iter().all(|&byte| byte == PATTERN), "somebody wrote to it later");
    });
}

/// RM-07.2: the lock is given back in the moment in which the time of its waiter is over: it is got or not, never both.
#[test]
fn given_back_when_time_runs_out() {
    explored(|cx| time_runs_out(cx, false));
    explored(|cx| time_runs_out(cx, true));
}
/// `asleep`: the owner does not run until shortly before, so that its waiter sleeps; else that one spins.
fn time_runs_out(cx: &mut ThreadCx, asleep: bool) {
    let lock = Arc::new(Mutex::new(()));
    let held = lock.clone();
    let deadline = |begin| begin + 5 * US;
    let mut got = false;
    race(
        cx,
        move |cx, begin| {
            // The way into the wait is another race.
            sim::interleave(false);
            let guard = held.lock(cx);
            if asleep {
                sleep_till(cx, deadline(begin) - US);
            }
            busy_till(deadline(begin) - 1);
            sim::interleave(true);
            busy_till(deadline(begin));
            drop(guard);
        },
        |cx, begin, other| {
            sim::interleave(false);
            busy_till(begin + US);
            assert_eq!(lock.owner(), Some(other));
            match lock.lock_until(cx, at(deadline(begin))) {
                Ok(_guard) => {
                    sim::interleave(false);
                    got = true;
                    assert_eq!(lock.owner(), Some(thread::current_id()));
                }
                Err(error) => {
                    sim::interleave(false);
                    assert_eq!((error, lock.top_waiter()), (Error::TimedOut, None));
                }
            }
        },
    );
    assert_eq!(word(&lock), 0, "got it: {got}");
}

/// RM-04.4: the owner in the middle of a chain gives its lock back while somebody more urgent comes to the chain's end: the
/// former owner keeps nothing of that.
#[test]
fn the_chain_is_cut_while_it_is_walked() {
    explored(|cx| {
        become_policy(cx, fifo(10));
        let (first, second) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
        let guard = first.lock(cx);
        let (own, next) = (second.clone(), first.clone());
        let mut middle = start_on(cx, &[1], "middle", fifo(20), move |cx| {
            let _own = own.lock(cx);
            let _next = next.lock(cx);
        });
        time::sleep(cx, ms(1)).unwrap();
        let me = thread::current_id();
        assert_eq!(level(cx, me), 20);
        race(
            cx,
            move |cx, _| drop(second.lock(cx)),
            |cx, _, _| {
                drop(guard);
                sim::interleave(false);
                assert_eq!(level(cx, me), 10);
            },
        );
        middle.join(cx).unwrap();
        assert_eq!(level(cx, me), 10);
    });
}

/// RM-04.5: the owner of a lock begins to wait for another one while somebody more urgent comes for the first: the owner of
/// the other one inherits that, whoever tells it.
#[test]
fn the_chain_grows_while_it_is_walked() {
    explored(|cx| {
        become_policy(cx, fifo(20));
        let (first, second) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
        let own = second.lock(cx);
        let held = first.clone();
        // Neither of both gets the lock before this is over.
        let mut end = start_on(cx, &[0], "end", fifo(30), move |cx| {
            let _guard = held.lock(cx);
            let me = thread::current_id();
            become_policy(cx, fair());
            sim::spend(100 * US);
            sim::interleave(false);
            level(cx, me)
        });
        assert_eq!(first.owner(), Some(end.id()));
        let wanted = second.clone();
        race(
            cx,
            move |cx, _| drop(wanted.lock(cx)),
            |cx, _, _| {
                let _guard = first.lock(cx);
                drop(own);
            },
        );
        assert_eq!(end.join(cx).unwrap(), 80);
    });
}

thread_local! {
    static TOLD: Cell<u32> = const { Cell::new(0) };
    static WAKES: Cell<u32> = const { Cell::new(0) };
}

/// RM-09: two threads take two locks in opposite order at the same time: they never wait for each other for ever, and
/// nothing stays behind.
#[test]
fn two_locks_crossed_at_once() {
    explored(|cx| {
        let locks = Arc::new([const { Mutex::new(()) }; 2]);
        let other = locks.clone();
        let both = |cx: &mut ThreadCx, first: &Mutex<()>, second: &Mutex<()>| {
            let _first = first.lock(cx);
            second.lock_detect(cx).map(drop)
        };
        let mut here = Ok(());
        let there =
            race(cx, move |cx, _| both(cx, &other[0], &other[1]), |cx, _, _| here = both(cx, &locks[1], &locks[0]));
        for result in [here, there] {
            assert!(matches!(result, Ok(()) | Err(Error::Deadlock)), "{result:?}");
            TOLD.set(TOLD.get() + u32::from(result.is_err()));
        }
        assert_eq!([word(&locks[0]), word(&locks[1])], [0, 0]);
        assert_eq!(level(cx, thread::current_id()), 99);
    });
    assert!(TOLD.get() > 0, "they never met");
}

/// LK-02.2: whoever takes a spinlock while it looks at the condition that it waits for does not miss the wake-up, whatever the
/// moment: before, while it waits for the lock, and after it has got it.
#[test]
fn a_condition_changed_under_a_spinlock() {
    explored_with(1, |cx| under_a_spinlock(cx, false));
    explored_with(1, |cx| under_a_spinlock(cx, true));
}
/// `inside`: the waker has the lock when it wakes.
fn under_a_spinlock(cx: &mut ThreadCx, inside: bool) {
    let shared = Arc::new((SpinLock::<u32>::new(0), WaitQueue::new(), AtomicBool::new(false)));
    let other = shared.clone();
    race(
        cx,
        move |cx, _| {
            let (lock, queue, changed) = &*other;
            lock.with(cx, |_, cx| {
                // Time for the other one to announce its wait and to come for the lock.
                sim::spend(US / 10);
                changed.store(true, SeqCst);
                if inside {
                    queue.wake_one(cx);
                }
            });
            if !inside {
                queue.wake_one(cx);
            }
        },
        |cx, _, _| {
            let (lock, queue, changed) = &*shared;
            let mut announced = false;
            queue.wait_event(cx, || {
                let seen = changed.load(SeqCst);
                if announced {
                    // SAFETY: a spinlock keeps the state that the wait has announced.
                    unsafe { sleep_hook::with_forged_token(|cx| drop(lock.lock(cx))) };
                }
                announced = true;
                seen
            });
            sim::interleave(false);
        },
    );
    assert_eq!(shared.0.owner(), None);
}

/// LK-02.1, LK-02.3: the announced state is there when the lock is, unless a wake-up came, at any moment of the way to the
/// lock, which is remembered; two are as one.
#[test]
fn woken_on_the_way_to_a_spinlock() {
    for wakes in 0..=2 {
        WAKES.set(wakes);
        explored_with(1, |cx| {
            let lock = Arc::new(SpinLock::<u32>::new(0));
            let (held, me, wakes) = (lock.clone(), thread::current_id(), WAKES.get());
            let (taken, announced) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
            let (has_it, ready) = (taken.clone(), announced.clone());
            race(
                cx,
                move |cx, _| {
                    held.with(cx, |n, _| {
                        *n += 1;
                        has_it.store(true, SeqCst);
                        while !ready.load(SeqCst) {
                            sim::spend(US / 10);
                        }
                        for n in 0..wakes {
                            assert_eq!(sleep_hook::wake(me), n == 0);
                        }
                    });
                },
                |cx, _, _| {
                    sim::interleave(false);
                    while !taken.load(SeqCst) {
                        sim::spend(US / 10);
                    }
                    sim::interleave(true);
                    // SAFETY: what follows is the wait.
                    unsafe { sleep_hook::set_state_interruptible() };
                    announced.store(true, SeqCst);
                    drop(lock.lock(cx));
                    sim::interleave(false);
                    if wakes > 0 {
                        // Nobody would end this wait.
                        sleep_hook::schedule(cx);
                    }
                    let mut state = None;
                    thread::for_each(cx, |_, info| {
                        if info.id == me {
                            state = Some(info.state);
                        }
                    });
                    let expected = if wakes == 0 { thread::State::Interruptible } else { thread::State::Running };
                    assert_eq!(state, Some(expected));
                    sleep_hook::wake(me);
                },
            );
        });
    }
}
/// RM-12: whoever gives a lock back hands the CPU to its waiter, at whatever point of that somebody in between gets ready.
#[test]
fn nobody_gets_in_between_at_any_point() {
    at_every_point(|cx, arm| unlocked_at_every_point(cx, arm));
}
pub fn unlocked_at_every_point(cx: &mut ThreadCx, arm: &dyn Fn()) {
    let (lock, log, done) = (Arc::new(Mutex::new(())), Log::new(), Arc::new(Semaphore::new(0)));
    let come = Arc::new(Semaphore::new(0));
    let (gate, mine, last) = (come.clone(), log.clone(), done.clone());
    let mut hog = start(cx, "hog", fifo(20), move |cx| {
        gate.down(cx);
        mine.push("hog");
        last.up(cx).unwrap();
    });
    let line = hard_line(cx, 100, move |cx| come.up(cx).unwrap());
    let guard = lock.lock(cx);
    let (wanted, mine) = (lock.clone(), log.clone());
    let mut waiter = start(cx, "waiter", fifo(30), move |cx| {
        let _guard = wanted.lock(cx);
        mine.push("waiter");
    });
    assert_eq!(level(cx, thread::current_id()), 30);
    arm();
    drop(guard);
    done.down(cx);
    assert_eq!(log.take(), ["waiter", "hog"]);
    waiter.join(cx).unwrap();
    hog.join(cx).unwrap();
    line.free(cx).unwrap();
}
