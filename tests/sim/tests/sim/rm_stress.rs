//! Does all of it hold at once, on several CPUs, in any order? Random threads, mutexes, spinlocks, limits and changes of
//! policy (RM, LK-02, HC-06.1).
use crate::harness::{US, become_policy, fair, fifo, seeded};
use hw::sim::{self, Rng, seeds};
use kernel::{
    Error, Policy, ThreadCx, sched,
    simulation::most_at_once,
    sync::{Mutex, SpinLock, mutex::hook::word},
    thread, time,
};
use std::{
    sync::{
        Arc, Mutex as HostMutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

const THREADS: usize = 8;
const LOCKS: usize = 4;
const ROUNDS: u32 = 12;

#[derive(Default)]
struct Counts {
    /// What each lock's value has to be in the end.
    mutexes: [AtomicU64; LOCKS],
    spinlocks: [AtomicU64; LOCKS],
    ended_early: AtomicU64,
}

struct World {
    mutexes: [Mutex<u64>; LOCKS],
    spinlocks: [SpinLock<u64>; LOCKS],
    counts: Counts,
    ids: HostMutex<Vec<thread::ThreadId>>,
}

fn policy(rng: &Rng) -> Policy {
    match rng.below(6) {
        0 => fair(),
        n => fifo(10 * n as i32),
    }
}

/// Takes mutexes in rising order, one inside the other, until it does not want more or a wait ends early.
fn nest(cx: &mut ThreadCx, world: &World, rng: &Rng, from: usize) {
    if from >= LOCKS {
        return;
    }
    let n = from + rng.below((LOCKS - from) as u64) as usize;
    let mutex = &world.mutexes[n];
    let deadline = time::now().saturating_add(Duration::from_nanos(rng.below(20 * US)));
    let taken = match rng.below(5) {
        0 => mutex.try_lock(cx).ok_or(Error::WouldBlock),
        1 => mutex.lock_until(cx, deadline),
        2 => mutex.lock_interruptible(cx),
        3 => mutex.lock_detect(cx),
        _ => Ok(mutex.lock(cx)),
    };
    let Ok(mut value) = taken else {
        let _ = taken.map_err(|error| assert_ne!(error, Error::Deadlock, "nobody waits for itself"));
        world.counts.ended_early.fetch_add(1, SeqCst);
        return;
    };
    assert_eq!(mutex.owner(), Some(thread::current_id()));
    *value += 1;
    world.counts.mutexes[n].fetch_add(1, SeqCst);
    sim::spend(rng.below(2 * US));
    if rng.below(2) == 0 {
        nest(cx, world, rng, n + 1);
    }
    if rng.below(8) == 0 {
        let _ = time::sleep(cx, Duration::from_nanos(rng.below(5 * US)));
    }
}

fn act(cx: &mut ThreadCx, world: &World, rng: &Rng) {
    let other = {
        let ids = world.ids.lock().unwrap();
        ids.get(rng.below(THREADS as u64) as usize).copied()
    };
    match (rng.below(10), other) {
        // It may have ended.
        (0, Some(other)) => _ = thread::interrupt(cx, other),
        (1, Some(other)) => _ = sched::set(cx, other, policy(rng)),
        (2..=4, _) => {
            let n = rng.below(LOCKS as u64) as usize;
            world.spinlocks[n].with(cx, |value, cx| {
                *value += 1;
                world.counts.spinlocks[n].fetch_add(1, SeqCst);
                sim::spend(rng.below(US));
                if n + 1 < LOCKS {
                    world.spinlocks[n + 1].with(cx, |value, _| *value += 1);
                    world.counts.spinlocks[n + 1].fetch_add(1, SeqCst);
                }
            });
        }
        _ => nest(cx, world, rng, 0),
    }
}

fn contend(cx: &mut ThreadCx, seed: u64) {
    become_policy(cx, fifo(99));
    let world = Arc::new(World {
        mutexes: [const { Mutex::new(0) }; LOCKS],
        spinlocks: [const { SpinLock::new(0) }; LOCKS],
        counts: Counts::default(),
        ids: HostMutex::default(),
    });
    most_at_once();
    let mut threads = vec![];
    for n in 0..THREADS {
        let (world, rng) = (world.clone(), Rng::new(seed.wrapping_mul(31) ^ n as u64));
        let begin = policy(&rng);
        let body = move |cx: &mut ThreadCx| (0..ROUNDS).for_each(|_| act(cx, &world, &rng));
        threads.push(thread::Builder::new("any").policy(begin).spawn(cx, body).unwrap());
    }
    *world.ids.lock().unwrap() = threads.iter().map(|thread| thread.id()).collect();
    threads.into_iter().for_each(|mut thread| thread.join(cx).unwrap());
    for n in 0..LOCKS {
        assert_eq!(*world.mutexes[n].lock(cx), world.counts.mutexes[n].load(SeqCst));
        assert_eq!(*world.spinlocks[n].lock(cx), world.counts.spinlocks[n].load(SeqCst));
        assert_eq!((word(&world.mutexes[n]), world.spinlocks[n].owner()), (0, None));
    }
    assert!(most_at_once() <= 3, "a hop takes two, and a run queue's at times");
}

/// Exclusion holds, every thread comes to its end, and nothing stays behind.
#[test]
fn on_one_to_four_cpus() {
    for cpus in [1, 2, 4] {
        seeds(60, move |seed| _ = seeded(cpus, seed, move |cx| contend(cx, seed)));
    }
}
