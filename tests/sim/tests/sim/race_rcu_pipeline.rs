//! Does any reader ever see what a grace period has passed for, whatever it is and however that was waited for? (RC-01, RC-05.5)
//!
//! As Linux' `rcutorture` does: readers of every kind look at elements, updaters of every kind replace them, and each element has
//! an age that grace periods advance. Others preempt the readers, move them to other CPUs and change their priorities. Order,
//! model and boot arguments come from a seed.
use crate::harness::{US, fifo, ms, rr, run_model};
use core::time::Duration;
use counts::{Count, add, count, times};
use hw::sim::{self, Config, Order, Rng, seeds};
use kernel::{
    Policy, ThreadCx, ipi,
    irq::{self, Flags, Handled, Irq, Line, Primary, Request, Trigger},
    model::Model,
    rcu, sched,
    simulation::{Bug, turn_on},
    thread::{Builder, JoinHandle, ThreadId},
    time::{self, HrTimer, Restart},
};
use logic::cpus::CpuSet;
use pipeline::Pipeline;
use std::{
    cell::Cell,
    sync::{Arc, Mutex, atomic::Ordering::SeqCst},
};
use updaters::Waiting;

mod counts;
mod litmus;
pub mod number;
mod pipeline;
mod readers;
mod updaters;

const READERS: usize = 5;
const UPDATERS: usize = 3;
/// Updates of each of them, on a machine.
const UPDATES: usize = 36;
/// Threads that take CPUs away.
const HOGS: usize = 2;
const FIRST_LINE: u32 = 100;
const LINES: u64 = 3;

fn policy(rng: &Rng) -> Policy {
    match rng.below(4) {
        0 | 1 => Policy::other(0).unwrap(),
        2 => rr(1 + rng.below(4) as i32),
        _ => fifo(1 + rng.below(40) as i32),
    }
}
fn some_cpus(rng: &Rng, cpus: usize) -> CpuSet {
    CpuSet::from_bits(1 + rng.below((1 << cpus) - 1) as u32)
}
fn pause(cx: &mut ThreadCx, rng: &Rng, most: u64) {
    time::sleep(cx, Duration::from_nanos(1 + rng.below(most))).unwrap();
}

fn bootargs(rng: &Rng, cpus: usize) -> String {
    let mut args =
        format!("rcu_boost_delay_ms={} rcu_kthread_prio={}", rng.below(4), [1, 1, 20, 50][rng.below(4) as usize]);
    let mut sometimes = |one_in: u64, text: &str| {
        if rng.below(one_in) == 0 {
            args += text;
        }
    };
    sometimes(8, " rcu_boost=off");
    sometimes(8, " rcu_normal");
    sometimes(8, " rcu_expedited");
    sometimes(8, " bh_lock=false");
    sometimes(8, " threadirqs");
    sometimes(4, if cpus == 1 { " rcu_nocbs=0" } else { " rcu_nocbs=1,2" });
    args
}

/// Who is to be moved and preempted.
struct Crew {
    pipeline: Arc<Pipeline>,
    waiting: Arc<Waiting>,
    readers: Mutex<Vec<ThreadId>>,
    cpus: usize,
}

/// Lines whose handlers read: the first one in the interrupt, where it also queues calls, the second wherever the model runs it,
/// the third in a thread.
fn lines(cx: &mut ThreadCx, crew: &Arc<Crew>, rng: &Rng) -> Vec<Line> {
    let mine = || (crew.pipeline.clone(), Rng::new(rng.draw()));
    let request = |n: u32| Request::new(Irq::new(FIRST_LINE + n), "reads").trigger(Trigger::EdgeRising);
    let ((pipeline, rng), waiting) = (mine(), crew.waiting.clone());
    let hard = request(0).hard(move |cx| {
        readers::in_interrupt(&pipeline, &rng, Count::HardHandler, cx);
        let call = waiting.lock().unwrap().pop();
        if let Some(call) = call {
            call.queue(cx);
            count(Count::CallFromHandler);
            count(Count::Updates);
        }
        Primary::Handled
    });
    let (pipeline, rng) = mine();
    let ordinary = request(1).handler(move |cx| {
        readers::in_handler(&pipeline, &rng, Count::OrdinaryHandler, cx);
        Handled::Yes
    });
    let (pipeline, rng) = mine();
    let threaded = request(2).flags(Flags::ONESHOT).threaded(move |cx| {
        rcu::with(cx, |section, _| readers::in_handler(&pipeline, &rng, Count::ThreadedHandler, section));
        Handled::Yes
    });
    [hard, ordinary, threaded].map(|request| request.submit(cx).unwrap()).into()
}

/// A timer that reads again and again, and looks whether readers have lost their CPU.
fn timer(cx: &mut ThreadCx, pipeline: &Arc<Pipeline>, rng: Rng) -> HrTimer {
    let pipeline = pipeline.clone();
    let timer = HrTimer::new(cx, move |cx, expiry| {
        readers::in_interrupt(&pipeline, &rng, Count::Timer, cx);
        if rcu::stats().blocked_readers != 0 {
            count(Count::Listed);
        }
        expiry.forward(time::now(), Duration::from_nanos(200 * US + rng.below(1_000 * US)));
        if pipeline.is_over() { Restart::No } else { Restart::Yes }
    });
    timer.start_after(cx, Duration::from_nanos(100 * US)).unwrap();
    timer
}

/// A thread that takes CPUs away from others, and raises interrupts.
fn hog(crew: &Crew, rng: &Rng, cx: &mut ThreadCx) {
    while !crew.pipeline.is_over() {
        pause(cx, rng, 150 * US * crew.cpus as u64);
        if rng.below(4) == 0 {
            crew.pipeline.spin.with(cx, |(), _| sim::spend(rng.below(30 * US)));
        } else {
            sim::spend(rng.below(30 * US));
        }
        let line = Irq::new(FIRST_LINE + rng.below(LINES) as u32);
        if rng.below(4) == 0 {
            irq::set_affinity(cx, line, some_cpus(rng, crew.cpus)).unwrap();
        }
        irq::inject::pend(cx, line).unwrap();
    }
}

/// A thread that moves readers, changes their priorities, and has other CPUs read in an interrupt.
fn shake(crew: &Crew, rng: &Rng, cx: &mut ThreadCx) {
    while !crew.pipeline.is_over() {
        pause(cx, rng, 200 * US * crew.cpus as u64);
        let someone = crew.readers.lock().unwrap()[rng.below(READERS as u64) as usize];
        match rng.below(8) {
            0 => {
                let seed = rng.draw();
                let read = |cx: &mut kernel::HardIrqCx<'_>| {
                    readers::in_interrupt(&crew.pipeline, &Rng::new(seed), Count::IpiCall, cx);
                };
                ipi::call(cx, some_cpus(rng, crew.cpus), &read).unwrap();
            }
            // One that has ended is not found.
            1 | 2 => _ = sched::set(cx, someone, policy(rng)),
            _ => _ = sched::set_affinity(cx, someone, some_cpus(rng, crew.cpus)),
        }
    }
}

thread_local! {
    /// How many this host thread has run.
    static MACHINES: Cell<u64> = const { Cell::new(0) };
}

/// Readers and updaters on a machine whose everything comes from a seed.
pub fn torture(cpus: usize, seed: u64, bug: Option<Bug>) {
    let rng = Rng::new(seed ^ 0x0dd_5eed);
    let config = Config { cpus, order: Order::Seeded(seed), ..Config::default() };
    let model = Model::ALL[(seed % 5) as usize];
    let args = bootargs(&rng, cpus);
    run_model(model, config, &args, move |cx| {
        sched::set(cx, kernel::thread::current_id(), fifo(60)).unwrap();
        let crew =
            Arc::new(Crew { pipeline: Pipeline::new(), waiting: Arc::default(), readers: Mutex::default(), cpus });
        let handlers = lines(cx, &crew, &rng);
        let timer = timer(cx, &crew.pipeline, Rng::new(rng.draw()));
        if let Some(bug) = bug {
            turn_on(bug);
        }
        let mut spawn = |name: &str, policy: Policy, body: fn(&Arc<Crew>, &Rng, &mut ThreadCx)| {
            let (crew, rng) = (crew.clone(), Rng::new(rng.draw()));
            Builder::new(name).policy(policy).spawn(cx, move |cx| body(&crew, &rng, cx)).unwrap()
        };
        let reads: Vec<JoinHandle<()>> = (0..READERS)
            .map(|_| {
                spawn("reader", policy(&rng), |crew, rng, cx| {
                    readers::body(&crew.pipeline, rng, 300 * US * crew.cpus as u64, cx)
                })
            })
            .collect();
        *crew.readers.lock().unwrap() = reads.iter().map(JoinHandle::id).collect();
        let mut others: Vec<_> = (0..HOGS)
            .map(|_| spawn("hog", fifo(10 + rng.below(40) as i32), |crew, rng, cx| hog(crew, rng, cx)))
            .collect();
        others.push(spawn("shaker", fifo(55), |crew, rng, cx| shake(crew, rng, cx)));
        let updates: Vec<_> = (0..UPDATERS)
            .map(|_| {
                spawn("updater", policy(&rng), |crew, rng, cx| {
                    updaters::body(&crew.pipeline, rng, &crew.waiting, UPDATES, cx);
                })
            })
            .collect();
        let join = |cx: &mut ThreadCx, threads: Vec<JoinHandle<()>>| {
            threads.into_iter().for_each(|mut thread| thread.join(cx).unwrap());
        };
        join(cx, updates);
        crew.pipeline.over.store(true, SeqCst);
        join(cx, reads);
        join(cx, others);
        timer.cancel(cx).unwrap();
        handlers.into_iter().for_each(|line| drop(line.free(cx).unwrap()));
        let left = std::mem::take(&mut *crew.waiting.lock().unwrap());
        left.into_iter().for_each(|call| call.queue(cx));
        finish(cx, &crew.pipeline);
    });
    MACHINES.set(MACHINES.get() + 1);
}

/// Nobody reads any more: after as many grace periods as an element may be kept for, none is left but those in their places.
fn finish(cx: &mut ThreadCx, pipeline: &Pipeline) {
    for _ in 0..pipeline::GENERATIONS + 2 {
        rcu::barrier(cx).unwrap();
    }
    let (made, left) = pipeline.elements();
    assert!(made > Pipeline::in_place() && left == Pipeline::in_place(), "{left} of {made} elements were not freed");
    // The last ones are of threads that have ended, and the barrier's own.
    time::sleep(cx, ms(20)).unwrap();
    let stats = rcu::stats();
    assert_eq!((stats.callbacks_invoked, stats.blocked_readers), (stats.callbacks_queued, 0));
    add(Count::GracePeriods, stats.grace_periods);
    add(Count::Boosted, stats.boosted);
}

/// Runs seeds, and looks whether everything has happened but this, unless they are only some of them.
fn tortures(cpus: usize, machines: u64, never: &[Count]) {
    seeds(machines, |seed| torture(cpus, seed, None));
    Count::ALL.iter().for_each(|&what| println!("{what:?}: {}", times(what)));
    if MACHINES.get() >= machines {
        for what in Count::ALL.iter().filter(|what| !never.contains(what)) {
            assert!(times(*what) > 0, "{what:?} did not happen");
        }
        assert!(times(Count::Updates).min(times(Count::Reads)) >= 100_000);
    }
}

/// RC-01.3, RC-05.5: 10^5 updates on one CPU, and as many readers: none sees an element that a grace period has passed for, or
/// poison.
#[test]
fn on_one_cpu() {
    tortures(1, 1_000, &[Count::Migrated]);
}

/// RC-01.3, RC-03.2, RC-05.5: the same on four, where readers go from one to another.
#[test]
fn on_four_cpus() {
    tortures(4, 1_000, &[Count::Preempted]);
}
