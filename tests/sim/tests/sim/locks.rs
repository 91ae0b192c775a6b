//! What does the raw spinning lock do when it is held already (LK-01)?
use crate::harness::{Log, MS, US, fifo, move_to, run, run_to_bug, seeded, start_on};
use hw::sim::{self, seeds};
use kernel::sync::RawSpinLock;
use std::sync::Arc;

/// LK-01.2: the owner locks again: a BUG that says so.
#[test]
fn locking_twice_is_a_bug() {
    run_to_bug("recursion", |cx| {
        let lock: RawSpinLock<()> = RawSpinLock::new(());
        let mut guard = lock.lock(cx);
        let _ = lock.lock_in(guard.cx());
    });
}

/// LK-01: trying a held lock fails without spinning or changing it; with two held, either may go first.
#[test]
fn trying_a_held_lock_fails() {
    run(|cx| {
        let (a, b): (RawSpinLock<u32>, RawSpinLock<u32>) = (RawSpinLock::new(1), RawSpinLock::new(2));
        let mut held = a.lock(cx);
        assert!(a.try_lock(held.cx()).is_none());
        assert!(a.is_locked() && !b.is_locked());
        *b.try_lock(held.cx()).unwrap() += 1;
        assert!(a.is_locked() && !b.is_locked());
        assert_eq!((*held, *b.lock_in(held.cx())), (1, 3));
        drop(held);
        assert!(a.try_lock(cx).is_some());
        assert!(!a.is_locked());
    });
}

/// LK-01.1: CPUs that queue in a known order are granted the lock in that order, whatever runs when it is released.
#[test]
fn cpus_are_served_in_the_order_in_which_they_came() {
    for order in [[1, 2, 3], [3, 2, 1], [2, 3, 1]] {
        seeds(20, move |seed| {
            seeded(4, seed, move |cx| {
                move_to(cx, 0);
                let (lock, granted) = (Arc::new(RawSpinLock::<()>::new(())), Log::new());
                let began = sim::time() + MS;
                let threads = order.map(|cpu| {
                    let (lock, granted) = (lock.clone(), granted.clone());
                    start_on(cx, &[cpu], "on", fifo(10), move |cx| {
                        let place = order.iter().position(|&other| other == cpu).unwrap() as u64;
                        sim::advance(began + 10 * US * place - sim::time());
                        let _held = lock.lock(cx);
                        granted.push(cpu);
                        sim::spend(US);
                    })
                });
                let held = lock.lock(cx);
                sim::advance(began + 100 * US - sim::time());
                assert!(granted.take().is_empty());
                drop(held);
                threads.into_iter().for_each(|mut thread| thread.join(cx).unwrap());
                assert_eq!(granted.take(), order);
            });
        });
    }
}

/// LK-01.2: also with several CPUs it is the owner itself that is told.
#[test]
fn locking_twice_on_several_cpus_is_a_bug() {
    to_bug_on(2, "spinlock recursion on", |cx| {
        let lock: RawSpinLock<()> = RawSpinLock::new(());
        let mut guard = lock.lock(cx);
        let _ = lock.lock_in(guard.cx());
    });
}

/// LK-01.4: a holder that never releases: whoever waits for a second says which CPU and thread it is.
#[test]
fn a_lock_that_is_never_released_is_a_bug() {
    to_bug_on(2, "held by CPU 1 in holder", |cx| {
        let lock: std::sync::Arc<RawSpinLock<()>> = std::sync::Arc::new(RawSpinLock::new(()));
        let held = lock.clone();
        let holder = kernel::thread::Builder::new("holder").affinity(kernel::CpuSet::of(1));
        holder.spawn(cx, move |cx| held.with(cx, |(), _| hw::sim::spend(10_000 * crate::harness::MS))).unwrap();
        hw::sim::spend(crate::harness::MS);
        lock.with(cx, |(), _| ());
    });
}

/// Boots so many CPUs and expects a BUG whose report contains `text`.
#[track_caller]
fn to_bug_on(cpus: usize, text: &str, body: impl FnOnce(&mut kernel::ThreadCx) + 'static) {
    // Coarse, so that a second of waiting is no long run.
    let config = hw::sim::Config { cpus, relax: 10_000, ..hw::sim::Config::default() };
    let outcome = kernel::simulation::boot(config, "", body);
    assert_eq!(outcome.end, hw::sim::End::Exit(kernel::report::EXIT_BUG), "console:\n{}", outcome.console);
    assert!(outcome.console.contains(text), "no {text:?} in\n{}", outcome.console);
}
