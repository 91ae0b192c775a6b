//! Are mutex and spinlock one thread's at a time when several CPUs fight for them and priorities change meanwhile? (RM-01, LK-02)
use crate::harness::{become_policy, fifo, seeded, start_on};
use kernel::{
    ThreadCx,
    sync::{Mutex, SpinLock},
};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

const CPUS: usize = 4;
const ROUNDS: u32 = 6;

struct Shared {
    mutex: Mutex<u32>,
    spin: SpinLock<u32>,
    inside: [AtomicU32; 2],
}

fn fight(cx: &mut ThreadCx, cpu: usize, shared: &Shared) {
    let enter = |n: usize| assert_eq!(shared.inside[n].fetch_add(1, SeqCst), 0, "two inside");
    let leave = |n: usize| assert_eq!(shared.inside[n].fetch_sub(1, SeqCst), 1);
    for n in 0..ROUNDS {
        become_policy(cx, fifo(20 + (n as i32 + cpu as i32) % 4));
        let mut total = shared.mutex.lock(cx);
        enter(0);
        *total += 1;
        for _ in 0..2 {
            shared.spin.with(cx, |spins, _| {
                enter(1);
                *spins += 1;
                leave(1);
            });
        }
        leave(0);
        drop(total);
        shared.spin.with(cx, |spins, _| {
            enter(1);
            *spins += 1;
            leave(1);
        });
    }
}

fn four_cpus(cx: &mut ThreadCx) {
    let shared =
        Arc::new(Shared { mutex: Mutex::new(0), spin: SpinLock::new(0), inside: [const { AtomicU32::new(0) }; 2] });
    let threads: Vec<_> = (0..CPUS)
        .map(|cpu| {
            let theirs = shared.clone();
            start_on(cx, &[cpu], &format!("fighter{cpu}"), fifo(20), move |cx| fight(cx, cpu, &theirs))
        })
        .collect();
    for mut thread in threads {
        thread.join(cx).unwrap();
    }
    let expected = ROUNDS * CPUS as u32;
    assert_eq!((*shared.mutex.lock(cx), *shared.spin.lock(cx)), (expected, 3 * expected));
}

/// RM-01, LK-02: four CPUs fight for both, each thread at another priority every time.
#[test]
fn four_cpus_fight() {
    hw::sim::seeds(1_000, |seed| _ = seeded(CPUS, seed, four_cpus));
}
