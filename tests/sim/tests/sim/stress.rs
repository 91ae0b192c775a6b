//! Does the kernel keep its rules whatever threads, interrupts, priorities and affinities do to each other, on any number
//! of CPUs, in any order?
use crate::harness::{Log, US, at, fifo, ms, rr, seeded};
use hw::sim::{self, Rng, seeds};
use kernel::{
    Policy, ThreadCx,
    irq::{self, Flags, Handled, Irq, Primary, Request, Trigger},
    sched,
    sync::{Completion, Semaphore, WaitQueue},
    thread::{self, Builder, ThreadId},
    time,
    trace::{self, Event},
};
use logic::cpus::CpuSet;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering::SeqCst},
};

const THREADS: usize = 8;
const STEPS: usize = 12;
const LINES: u32 = 3;
const FIRST_LINE: u32 = 100;
/// When they begin: all are known then.
const BEGIN: u64 = 1_000 * US;

/// What the threads share.
struct Shared {
    semaphore: Semaphore,
    completion: Completion,
    queue: WaitQueue,
    units: AtomicU32,
    ids: Mutex<Vec<ThreadId>>,
    ended: Log<usize>,
    /// Events that each line's device has raised, and how many of them its thread has seen.
    raised: [AtomicU32; LINES as usize],
    seen: [AtomicU32; LINES as usize],
    cpus: usize,
}

fn policy(rng: &Rng) -> Policy {
    match rng.below(6) {
        0 => Policy::other(0).unwrap(),
        1 => rr(1 + rng.below(4) as i32),
        _ => fifo(1 + rng.below(4) as i32),
    }
}

fn some_cpus(rng: &Rng, cpus: usize) -> CpuSet {
    CpuSet::from_bits(1 + rng.below((1 << cpus) - 1) as u32)
}

/// One step of a thread's script. Waits have deadlines: what one waits for may never come.
fn step(cx: &mut ThreadCx, rng: &Rng, shared: &Shared) {
    let soon = at(sim::time() + rng.below(40 * US));
    let someone = |rng: &Rng| {
        let ids = shared.ids.lock().unwrap();
        ids[rng.below(ids.len() as u64) as usize]
    };
    match rng.below(16) {
        0 | 1 => sim::spend(rng.below(20 * US)),
        2 => _ = time::sleep(cx, core::time::Duration::from_nanos(rng.below(30 * US))),
        3 => thread::yield_now(cx),
        // Somebody who has ended already is not found.
        4 => _ = sched::set(cx, someone(rng), policy(rng)),
        5 | 6 => _ = sched::set_affinity(cx, someone(rng), some_cpus(rng, shared.cpus)),
        7 => _ = shared.semaphore.up(cx),
        8 => _ = shared.semaphore.down_until(cx, soon),
        9 => shared.completion.complete(cx),
        10 => _ = shared.completion.wait_until(cx, soon),
        11 => {
            shared.units.fetch_add(1, SeqCst);
            shared.queue.wake_one(cx);
        }
        12 => {
            let lock = kernel::sync::RawSpinLock::<()>::new(());
            let _ = shared.queue.wait_until_deadline(cx, &lock, soon, |_, _| {
                shared.units.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1)).ok()
            });
        }
        13 => _ = thread::interrupt(cx, someone(rng)),
        14 => {
            let pinned = sched::migrate_disable(cx);
            sim::spend(rng.below(10 * US));
            let _ = time::sleep(cx, core::time::Duration::from_nanos(rng.below(10 * US)));
            drop(pinned);
        }
        _ => {
            let n = rng.below(LINES.into()) as u32;
            let line = Irq::new(FIRST_LINE + n);
            shared.raised[n as usize].fetch_add(1, SeqCst);
            if rng.below(3) == 0 {
                irq::set_affinity(cx, line, some_cpus(rng, shared.cpus)).unwrap();
            }
            irq::inject::pend(cx, line).unwrap();
        }
    }
}

fn scenario(cpus: usize, seed: u64) {
    recorded(cpus, seed, Log::new());
}

/// Runs the scenario and writes every event of the kernel down.
fn recorded(cpus: usize, seed: u64, events: Log<Event>) {
    seeded(cpus, seed, move |cx| {
        let shared = Arc::new(Shared {
            semaphore: Semaphore::new(1),
            completion: Completion::new(),
            queue: WaitQueue::new(),
            units: AtomicU32::new(0),
            ids: Mutex::default(),
            ended: Log::new(),
            raised: Default::default(),
            seen: Default::default(),
            cpus,
        });
        let lines: Vec<_> = (0..LINES)
            .map(|n| {
                let shared = shared.clone();
                Request::new(Irq::new(FIRST_LINE + n), "stress")
                    .hard(|_| Primary::WakeThread)
                    .threaded(move |cx| {
                        let n = n as usize;
                        shared.seen[n].store(shared.raised[n].load(SeqCst), SeqCst);
                        sim::spend(US);
                        let _ = shared.semaphore.up(cx);
                        shared.completion.complete(cx);
                        Handled::Yes
                    })
                    // One that can fire while its thread runs, the others cannot.
                    .flags(if n == 0 { Flags::empty() } else { Flags::ONESHOT })
                    .trigger(Trigger::EdgeRising)
                    .priority(fifo(10 + n as i32))
                    .submit(cx)
                    .unwrap()
            })
            .collect();
        // When time moves nobody has anything to do: then the rules hold.
        for n in 0..40 {
            let events = events.clone();
            let check = move || {
                assert!(!sim::is_at_rest() || sched::verify() == Ok(()), "{:?}", sched::verify());
                trace::drain(|event| events.push(event));
            };
            sim::at_call(BEGIN + n * 5 * US, Box::new(check));
        }
        let scripts = Rng::new(seed ^ 0x5eed);
        sched::set(cx, thread::current_id(), fifo(50)).unwrap();
        let handles: Vec<_> = (0..THREADS)
            .map(|n| {
                let (mine, rng) = (shared.clone(), Rng::new(scripts.draw()));
                let builder = Builder::new("stress").policy(policy(&scripts)).affinity(some_cpus(&scripts, cpus));
                let handle = builder.spawn(cx, move |cx| {
                    time::sleep_until(cx, at(BEGIN)).unwrap();
                    (0..STEPS).for_each(|_| step(cx, &rng, &mine));
                    mine.ended.push(n);
                });
                let handle = handle.unwrap();
                shared.ids.lock().unwrap().push(handle.id());
                handle
            })
            .collect();
        time::sleep(cx, ms(20)).unwrap();
        let mut ended = shared.ended.take();
        ended.sort();
        assert_eq!(ended, (0..THREADS).collect::<Vec<_>>(), "somebody did not end");
        let [raised, seen] = [&shared.raised, &shared.seen].map(|all| all.each_ref().map(|n| n.load(SeqCst)));
        assert_eq!(seen, raised, "an event of a device was not seen");
        drop(handles);
        lines.into_iter().for_each(|line| drop(line.free(cx).unwrap()));
        trace::drain(|event| events.push(event));
    });
}

#[test]
fn on_one_cpu() {
    seeds(1000, |seed| scenario(1, seed));
}
#[test]
fn on_two_cpus() {
    seeds(1000, |seed| scenario(2, seed));
}
#[test]
fn on_four_cpus() {
    seeds(1000, |seed| scenario(4, seed));
}
#[test]
fn on_eight_cpus() {
    seeds(1000, |seed| scenario(8, seed));
}

/// What a seed decides is everything: the same one gives the same events, byte for byte.
#[test]
fn a_seed_is_the_whole_story() {
    let bytes = |cpus, seed| {
        let events = Log::new();
        recorded(cpus, seed, events.clone());
        let words = |e: Event| [e.seq, e.cpu as u64, e.time, e.kind.0.into(), e.a, e.b];
        events.take().into_iter().flat_map(words).flat_map(u64::to_le_bytes).collect::<Vec<u8>>()
    };
    for cpus in [1, 2, 3, 4, 8] {
        let logs: Vec<_> = (0..20).map(|seed| bytes(cpus, seed)).collect();
        assert!(logs.iter().all(|log| log.len() > 100 * size_of::<Event>()), "too few events");
        assert!(logs.windows(2).all(|pair| pair[0] != pair[1]), "the seed decides nothing");
        for (seed, log) in logs.iter().enumerate() {
            assert!(bytes(cpus, seed as u64) == *log, "{cpus} CPUs: seed {seed} is not the same twice");
        }
    }
}
