//! Does one CPU hold up another that has nothing to do with it? No raw lock is ever waited for.
use crate::{
    harness::{MS, US, become_policy, fifo, seeded, sleep_till, start_on},
    irq_kit::Count,
};
use hw::sim::{self, Rng, seeds};
use kernel::{
    CpuSet, ThreadCx,
    irq::{self, Flags, Irq, Line, Primary, Request, Trigger},
    sched,
    sync::{Completion, Mutex, Semaphore},
    thread, time, trace,
};
use std::sync::Arc;

/// When everything is set up.
const BEGIN: u64 = 2 * MS;
const ROUNDS: u64 = 6;

/// A line whose hard handler and thread are on this CPU, and which has fired once.
fn line_on(cx: &mut ThreadCx, cpu: usize, runs: &Count) -> Line {
    let line = Request::new(Irq::new(100 + cpu as u32), "dev")
        .hard(|_| Primary::WakeThread)
        .threaded(runs.thread())
        .flags(Flags::ONESHOT)
        .trigger(Trigger::EdgeRising)
        .priority(fifo(80))
        .submit(cx)
        .unwrap();
    irq::set_affinity(cx, line.irq(), CpuSet::of(cpu)).unwrap();
    sim::irq::pend(line.irq().number());
    time::sleep(cx, core::time::Duration::from_micros(100)).unwrap();
    line
}

/// Threads that pass units to each other, wait for each other, sleep and yield, all on one CPU.
fn threads_on(cx: &mut ThreadCx, cpu: usize, seed: u64) {
    let (units, done) = (Arc::new(Semaphore::new(0)), Arc::new(Completion::new()));
    for n in 0..3 {
        let (units, done, rng) = (units.clone(), done.clone(), Rng::new(seed ^ (8 * n + cpu as u64)));
        start_on(cx, &[cpu], "worker", fifo(10 + n as i32), move |cx| {
            sleep_till(cx, BEGIN);
            for round in 0..ROUNDS {
                match n {
                    0 => {
                        units.up(cx).unwrap();
                        done.complete(cx);
                    }
                    1 => units.down(cx),
                    _ => done.wait(cx),
                }
                sim::spend(rng.below(3 * US));
                sched::set(cx, thread::current_id(), fifo(10 + n as i32)).unwrap();
                thread::yield_now(cx);
                // Of itself: found, told, and forgotten again.
                thread::interrupt(cx, thread::current_id()).unwrap();
                assert!(thread::interrupted(cx));
                sleep_till(cx, BEGIN + 20 * US * (round + 1) + rng.below(10 * US));
            }
            // Its end is everybody's business.
            sleep_till(cx, BEGIN + 2 * MS);
        });
    }
}

/// Disjoint threads, lines and timers on two CPUs proceed in parallel.
#[test]
fn disjoint_work_shares_no_lock() {
    seeds(500, |seed| {
        seeded(2, seed, move |cx| {
            become_policy(cx, fifo(99));
            let runs = Count::new();
            let lines = [0, 1].map(|cpu| line_on(cx, cpu, &runs));
            for cpu in 0..2 {
                threads_on(cx, cpu, seed);
                let times = Rng::new(seed ^ 77);
                for _ in 0..ROUNDS {
                    sim::at(BEGIN + times.below(120 * US), sim::Injection::Pend(100 + cpu as u32));
                }
            }
            let forget: Box<dyn FnOnce()> = Box::new(|| trace::drain(|_| ()));
            sim::at_call(BEGIN - MS / 2, forget);
            sleep_till(cx, BEGIN + MS);
            let (mut waits, mut switches) = (0, [0, 0]);
            trace::drain(|event| match event.kind {
                trace::LOCK_WAIT => waits += 1,
                trace::SWITCH => switches[event.cpu] += 1,
                _ => {}
            });
            assert!(runs.get() >= 4 && switches.iter().all(|&n| n > 40), "{switches:?}");
            assert_eq!(waits, 0, "somebody waited for a lock");
            lines.into_iter().for_each(|line| drop(line.free(cx).unwrap()));
        });
    });
}

/// Threads of one CPU that lend their priorities along a chain of two mutexes, which are theirs alone; the most urgent one
/// gives up now and then.
fn chain_on(cx: &mut ThreadCx, cpu: usize, seed: u64, ends: &Arc<Completion>) {
    let locks = Arc::new([const { Mutex::new(0) }; 2]);
    for n in 0..3u64 {
        let (locks, ends, rng) = (locks.clone(), ends.clone(), Rng::new(seed ^ (8 * n + cpu as u64)));
        start_on(cx, &[cpu], "link", fifo(10 + n as i32), move |cx| {
            for round in 0..ROUNDS {
                // The least urgent one comes first.
                sleep_till(cx, BEGIN + 40 * US * round + 5 * US * n);
                let deadline = time::now().saturating_add(core::time::Duration::from_nanos(rng.below(40 * US)));
                match n {
                    0 => {
                        let _first = locks[0].lock(cx);
                        sim::spend(12 * US + rng.below(10 * US));
                    }
                    1 => {
                        let _second = locks[1].lock(cx);
                        *locks[0].lock(cx) += 1;
                    }
                    _ => drop(locks[1].lock_until(cx, deadline)),
                }
            }
            ends.complete(cx);
            // Its end is everybody's business.
            sleep_till(cx, BEGIN + 2 * MS);
        });
    }
}

/// Disjoint chains of owners and waiters proceed in parallel: neither waits for a raw lock of the other.
#[test]
fn disjoint_chains_share_no_lock() {
    seeds(300, |seed| {
        seeded(2, seed, move |cx| {
            become_policy(cx, fifo(99));
            let ends = [0, 1].map(|_| Arc::new(Completion::new()));
            (0..2).for_each(|cpu| chain_on(cx, cpu, seed, &ends[cpu]));
            let forget: Box<dyn FnOnce()> = Box::new(|| trace::drain(|_| ()));
            sim::at_call(BEGIN - MS / 2, forget);
            sleep_till(cx, BEGIN + MS);
            let (mut waits, mut inherited) = (0, [0, 0]);
            trace::drain(|event| match event.kind {
                trace::LOCK_WAIT => waits += 1,
                trace::INHERIT => inherited[event.cpu] += 1,
                _ => {}
            });
            assert!(inherited.iter().all(|&n| n >= 4 * ROUNDS), "{inherited:?}");
            assert_eq!(waits, 0, "somebody waited for a lock");
            ends.iter().for_each(|ends| (0..3).for_each(|_| ends.wait(cx)));
        });
    });
}
