//! Does the kernel run the threads that a naive scheduler would run, whatever they do to each other (SC-01.4)?
//!
//! Eight FIFO threads follow random scripts while interrupts come at random moments. Each notes when it begins each
//! step and how the one before ended. A scheduler of vectors and linear searches plays the same scripts; the notes must be
//! equal, entry for entry.
use crate::harness::{Log, US, at, become_policy, exact, fifo, hard_line, start};
use kernel::{
    ThreadCx, sched,
    sync::{Completion, Semaphore},
    thread::{self, ThreadId},
    time,
};
use std::sync::{Arc, Mutex};

mod naive;

const THREADS: usize = 8;
const STEPS: usize = 14;
const SEEDS: u64 = 400;
const BEGIN: u64 = 1_000 * US;
const END: u64 = 60_000 * US;
/// Sleeps and deadlines end on this grid, interrupts come between its lines: no two things happen at once by chance.
const GRID: u64 = 10 * US;

#[derive(Clone, Copy, Debug)]
enum Op {
    Spend(u64),
    Sleep(u64),
    Yield,
    Set(usize, i32),
    Up(usize),
    Down(usize),
    DownUntil(usize, u64),
    DownInterruptible(usize),
    Complete(usize),
    Wait(usize),
    Interrupt(usize),
    /// Raises line 100 + n, whose handler does what [`of_line`] says.
    Raise(usize),
}

/// What the hard handler of line 100 + n does.
fn of_line(n: usize) -> Vec<Op> {
    match n {
        0 | 1 => vec![Op::Up(n)],
        2 => vec![Op::Complete(0)],
        _ => vec![Op::Up(1), Op::Complete(0), Op::Up(0), Op::Complete(1)],
    }
}
const LINES: usize = 4;

/// A thread, its step, the time, and whether the step before succeeded.
type Note = (usize, usize, u64, bool);

#[derive(Clone, Debug)]
struct Script {
    priorities: [i32; THREADS],
    steps: [Vec<Op>; THREADS],
    /// When which line is raised from outside, in order.
    raised: Vec<(u64, usize)>,
}

struct Random(u64);
impl Random {
    fn below(&mut self, n: u64) -> u64 {
        // A step of splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
    fn index(&mut self, n: usize) -> usize {
        self.below(n as u64) as usize
    }
    fn priority(&mut self) -> i32 {
        1 + self.below(4) as i32
    }
    fn op(&mut self) -> Op {
        match self.below(15) {
            0 | 1 => Op::Spend(self.below(30 * US)),
            2 | 3 => Op::Sleep(self.below(6) * GRID),
            4 => Op::Yield,
            5 | 6 => Op::Set(self.index(THREADS), self.priority()),
            7 => Op::Up(self.index(2)),
            8 => Op::Down(self.index(2)),
            9 => Op::DownUntil(self.index(2), self.below(6) * GRID),
            10 => Op::DownInterruptible(self.index(2)),
            11 => Op::Complete(self.index(2)),
            12 => Op::Wait(self.index(2)),
            13 => Op::Interrupt(self.index(THREADS)),
            _ => Op::Raise(self.index(LINES)),
        }
    }
    fn script(&mut self) -> Script {
        let priorities = std::array::from_fn(|_| self.priority());
        let steps = std::array::from_fn(|_| (0..STEPS).map(|_| self.op()).collect());
        let mut raised = Vec::new();
        let mut moment = BEGIN + GRID / 2;
        for _ in 0..20 {
            moment += (1 + self.below(10)) * GRID;
            raised.push((moment, self.index(LINES)));
        }
        // In the end whoever still waits is let go.
        raised.extend((1..=200).map(|n| (moment + n * 5 * GRID, LINES - 1)));
        Script { priorities, steps, raised }
    }
}

/// The grid line that `d` after now falls on, later than now.
fn on_grid(now: u64, d: u64) -> u64 {
    (now / GRID + 1) * GRID + d
}

struct Shared {
    semaphores: [Semaphore; 2],
    completions: [Completion; 2],
    ids: Mutex<Vec<ThreadId>>,
}

impl Shared {
    fn new() -> Self {
        Self { semaphores: [const { Semaphore::new(0) }; 2], completions: Default::default(), ids: Mutex::default() }
    }
    fn perform(&self, cx: &mut ThreadCx, op: Op) -> bool {
        let now = hw::sim::time();
        let id = |n: usize| self.ids.lock().unwrap()[n];
        match op {
            Op::Spend(ns) => hw::sim::spend(ns),
            Op::Sleep(d) => return time::sleep_until(cx, at(on_grid(now, d))).is_ok(),
            Op::Yield => thread::yield_now(cx),
            Op::Set(n, priority) => return sched::set(cx, id(n), fifo(priority)).is_ok(),
            Op::Down(s) => self.semaphores[s].down(cx),
            Op::DownUntil(s, d) => return self.semaphores[s].down_until(cx, at(on_grid(now, d))).is_ok(),
            Op::DownInterruptible(s) => return self.semaphores[s].down_interruptible(cx).is_ok(),
            Op::Wait(c) => self.completions[c].wait(cx),
            Op::Interrupt(n) => return thread::interrupt(cx, id(n)).is_ok(),
            Op::Raise(n) => {
                hw::sim::irq::pend(100 + n as u32);
                hw::sim::point();
            }
            Op::Up(_) | Op::Complete(_) => self.signal(cx, op),
        }
        true
    }
    fn signal(&self, cx: &impl kernel::Context, op: Op) {
        match op {
            Op::Up(s) => self.semaphores[s].up(cx).unwrap(),
            Op::Complete(c) => self.completions[c].complete(cx),
            _ => unreachable!("{op:?} in an interrupt"),
        }
    }
}

fn on_the_kernel(script: &Script) -> Vec<Note> {
    let log = Log::new();
    let (notes, script) = (log.clone(), script.clone());
    exact(move |cx| {
        become_policy(cx, fifo(99));
        let shared = Arc::new(Shared::new());
        let mut lines = Vec::new();
        for n in 0..LINES {
            let shared = shared.clone();
            let handler =
                move |cx: &mut kernel::HardIrqCx<'_>| of_line(n).into_iter().for_each(|op| shared.signal(cx, op));
            lines.push(hard_line(cx, 100 + n as u32, handler));
        }
        time::sleep_until(cx, at(BEGIN)).unwrap();
        for (n, steps) in script.steps.into_iter().enumerate() {
            let (shared, log) = (shared.clone(), log.clone());
            let body = {
                let shared = shared.clone();
                move |cx: &mut ThreadCx| {
                    let mut ok = true;
                    for (step, op) in steps.into_iter().enumerate() {
                        log.push((n, step, hw::sim::time(), ok));
                        ok = shared.perform(cx, op);
                    }
                    log.push((n, STEPS, hw::sim::time(), ok));
                }
            };
            let id = start(cx, "script", fifo(script.priorities[n]), body).id();
            shared.ids.lock().unwrap().push(id);
        }
        for (when, n) in script.raised {
            hw::sim::at(when, hw::sim::Injection::Pend(100 + n as u32));
        }
        time::sleep_until(cx, at(END)).unwrap();
        for line in lines {
            line.free(cx).unwrap();
        }
    });
    notes.take()
}

/// SC-01.4, SC-02, SC-04, LK-05, LK-10: the kernel's choices are the naive scheduler's.
#[test]
fn runs_what_a_naive_scheduler_runs() {
    for seed in 0..SEEDS {
        let script = Random(seed).script();
        let (kernel, model) = (on_the_kernel(&script), naive::notes(&script));
        let equal = kernel.iter().zip(&model).take_while(|(k, m)| k == m).count();
        assert!(
            equal == kernel.len() && equal == model.len(),
            "seed {seed}: after {:?} the kernel goes on with {:?}, the model with {:?}\n{script:#?}",
            &model[equal.saturating_sub(8)..equal],
            kernel.get(equal),
            model.get(equal)
        );
        assert_eq!(model.len(), THREADS * (STEPS + 1), "seed {seed}: somebody did not end");
    }
}
