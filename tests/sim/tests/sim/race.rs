//! How does a test put two CPUs into a race, and go through every order in which it can end?
//!
//! The running thread is on CPU 0, FIFO 99. What runs [`race`]s against it on CPU 1 begins at the same moment. Only the
//! race itself is explored, not what comes before and after.
use crate::{
    harness::{US, become_policy, fifo, move_to, run_model, start_on, these},
    irq_kit::IRQ,
};
use hw::sim::{self, Config, Explored, Order};
use kernel::{
    ThreadCx,
    model::Model,
    sched,
    simulation::{Bug, turn_on},
    thread::{self, ThreadId},
};
use std::cell::Cell;

/// Preemptions that a run may have.
const BOUND: usize = 2;
/// More orders than this in one search are too many for a test that everybody runs.
const LIMIT: u64 = 40_000;
/// Until both sides are where they begin.
const APPROACH: u64 = 20 * US;

/// Runs a scenario with one [`race`] in it on two CPUs, in every order with at most two preemptions.
#[track_caller]
pub fn explored(scenario: impl Fn(&mut ThreadCx) + Copy + 'static) -> Explored {
    explored_with(BOUND, scenario)
}

/// As [`explored`], with at most this many preemptions.
#[track_caller]
pub fn explored_with(bound: usize, scenario: impl Fn(&mut ThreadCx) + Copy + 'static) -> Explored {
    explored_under(Model::Rt, bound, scenario)
}

/// As [`explored_with`], under a model.
#[track_caller]
pub fn explored_under(model: Model, bound: usize, scenario: impl Fn(&mut ThreadCx) + Copy + 'static) -> Explored {
    searched(bound, |order| {
        run_model(model, Config { cpus: 2, order, ..Config::default() }, "", move |cx| {
            prepared(cx);
            scenario(cx);
        });
    })
}

/// Boots a machine of two CPUs in every order with at most `bound` preemptions; its body begins with [`prepared`].
#[track_caller]
pub fn searched(bound: usize, machine: impl Fn(Order)) -> Explored {
    let explored = sim::explore(bound, LIMIT, machine);
    // For whoever runs it with `--nocapture`.
    println!("{explored:?}");
    assert!(explored.runs > 1, "nothing to explore");
    explored
}

/// The running thread is where a race begins.
#[track_caller]
pub fn prepared(cx: &mut ThreadCx) {
    // `boot` has turned it on.
    sim::interleave(false);
    become_policy(cx, fifo(99));
    move_to(cx, 0);
}

/// Binds the thread of this handler of line [`IRQ`] to a CPU.
#[track_caller]
pub fn bind_thread(cx: &mut ThreadCx, handler: &str, cpu: usize) {
    let mut found = None;
    let name = format!("irq/{}-{handler}", IRQ.number());
    thread::for_each(cx, |_, info| {
        if info.name.as_str() == name {
            found = Some(info.id);
        }
    });
    sched::set_affinity(cx, found.expect("its thread"), these(&[cpu])).unwrap();
}

thread_local! {
    static BUG: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// As [`explored`], with a bug that is on from each race's beginning on.
#[track_caller]
pub fn explored_with_bug(bug: Bug, scenario: impl Fn(&mut ThreadCx) + Copy + 'static) -> Explored {
    BUG.set(Some(bug));
    explored(scenario)
}

/// Busy until a moment.
pub fn busy_till(ns: u64) {
    sim::advance(ns.saturating_sub(sim::time()));
}

/// Runs `here` on this CPU and `there` in a FIFO-80 thread on CPU 1, both from the same moment on, which they are told;
/// `here` is told the number of that thread too. Answers what `there` returned.
#[track_caller]
pub fn race<T: Send + 'static>(
    cx: &mut ThreadCx,
    there: impl FnOnce(&mut ThreadCx, u64) -> T + Send + 'static,
    here: impl FnOnce(&mut ThreadCx, u64, ThreadId),
) -> T {
    let begin = sim::time() + APPROACH;
    let mut other = start_on(cx, &[1], "other", fifo(80), move |cx| {
        busy_till(begin);
        let result = there(cx, begin);
        // Its end is no part of the race.
        sim::spend(US);
        result
    });
    busy_till(begin - APPROACH / 2);
    if let Some(bug) = BUG.get() {
        turn_on(bug);
    }
    sim::interleave(true);
    busy_till(begin);
    here(cx, begin, other.id());
    sim::interleave(false);
    other.join(cx).unwrap()
}

/// Lets a FIFO-80 thread on CPU 1 run `prepare` and end, while the running thread runs `here`: both go on at the same moment,
/// which `here` is told. It begins before.
#[track_caller]
pub fn race_with_end(
    cx: &mut ThreadCx,
    prepare: impl FnOnce(&mut ThreadCx) + Send + 'static,
    here: impl FnOnce(&mut ThreadCx, u64),
) {
    let begin = sim::time() + APPROACH;
    let mut ends = start_on(cx, &[1], "ends", fifo(80), move |cx| {
        prepare(cx);
        busy_till(begin - 1);
        sim::interleave(true);
        busy_till(begin);
    });
    busy_till(begin - APPROACH / 2);
    here(cx, begin);
    sim::interleave(false);
    ends.join(cx).unwrap();
}
