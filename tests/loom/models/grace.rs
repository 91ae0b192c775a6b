//! Does whoever takes something away and waits for a number get a grace period that began afterwards (RC-01)?
//!
//! What `kernel/src/rcu/{state,wait}.rs` do, for one CPU that reads: the raw lock is a loom mutex, the number is kept outside as
//! well. What the lock protects is a rule of its own, tested without threads (`logic::rcu`).
use crate::{
    activity::Cpu,
    explore,
    word::{Orders, Word, Written},
};
use logic::{
    atomic::Ordering::{Acquire, Release},
    rcu::{Activity, Needed, Seen, Seq},
};
use loom::{
    sync::{Mutex, atomic::AtomicU64},
    thread,
};
use std::sync::Arc;

/// Which step is wrong.
#[derive(Clone, Copy, PartialEq)]
enum Wrong {
    Nothing,
    /// The number is stored when the CPUs have been looked at.
    NumberLate,
    /// The grace period in progress is taken for enough.
    NeedsTooLittle,
    /// The CPU answers in its section.
    AnswersInside,
}

struct State {
    seq: Seq,
    /// The CPU was not seen outside yet, but as this.
    waits: Option<Seen>,
    /// A reader that has lost another CPU holds it.
    held: bool,
}

impl State {
    /// Ends the grace period with the last one that it waits for.
    fn look(&mut self) {
        if self.seq.is_in_progress() && self.waits.is_none() && !self.held {
            self.seq = self.seq.next();
        }
    }
    fn quiescent(&mut self) {
        self.waits = None;
        self.look();
    }
    fn leave(&mut self) {
        self.held = false;
        self.look();
    }
}

struct Rcu {
    seq: AtomicU64,
    state: Mutex<State>,
    cpu: Cpu<Written>,
    wrong: Wrong,
}

impl Rcu {
    /// With a grace period in progress that waits for the CPU and for a reader, or none and a CPU that waits for interrupts.
    fn new(in_progress: bool, wrong: Wrong) -> Arc<Self> {
        let cpu = Cpu::new(in_progress);
        let seq = if in_progress { Seq::START.next() } else { Seq::START };
        let state = State { seq, waits: in_progress.then(|| cpu.activity.look()), held: in_progress };
        Arc::new(Self { seq: AtomicU64::new(seq.raw()), state: Mutex::new(state), cpu, wrong })
    }
    fn seq(&self) -> Seq {
        Seq::from_raw(self.seq.load(Acquire))
    }
    /// `F`: its fence.
    fn needed<F: Orders>(&self) -> Needed {
        Activity::<Word<F>>::before_looking();
        let seq = self.seq();
        if self.wrong == Wrong::NeedsTooLittle && seq.is_in_progress() {
            return Needed::from_raw(seq.next().raw());
        }
        seq.needed()
    }
    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock().unwrap();
        let before = state.seq;
        let result = f(&mut state);
        if state.seq != before {
            self.seq.store(state.seq.raw(), Release);
        }
        result
    }
    /// `F`: the fence before the look.
    fn begin<F: Orders>(&self) {
        self.with(|state| {
            state.seq = state.seq.next();
            if self.wrong != Wrong::NumberLate {
                self.seq.store(state.seq.raw(), Release);
            }
            Activity::<Word<F>>::before_looking();
            state.waits = Some(self.cpu.activity.look()).filter(|seen| !seen.is_outside());
            state.look();
        });
    }
    fn look_again(&self) {
        self.with(|state| {
            let now = self.cpu.activity.look();
            if state.waits.is_some_and(|before| now.was_outside_since(before)) {
                state.quiescent();
            }
        });
    }
    /// A grace period to its end: the one in progress, or one that begins here.
    fn one<F: Orders>(&self) {
        if !self.with(|state| state.seq.is_in_progress()) {
            self.begin::<F>();
        }
        while self.with(|state| state.seq.is_in_progress()) {
            thread::yield_now();
            self.look_again();
        }
    }
    /// Takes the value away, and frees it if the grace period that this needs is found to have passed.
    fn update<F: Orders>(&self) {
        self.cpu.take_away();
        let needed = self.needed::<F>();
        if needed.is_reached(self.seq()) {
            self.cpu.free();
        }
    }
    /// The CPU serves the interrupt that asks it, in a section or not.
    fn answer(&self) {
        self.with(State::quiescent);
    }
    /// Sections of the CPU, which is asked in between, or in one.
    fn read_and_answer(&self) {
        if self.wrong == Wrong::AnswersInside {
            return self.cpu.read_after(|| {
                self.answer();
                self.answer();
            });
        }
        self.cpu.read();
        self.answer();
        self.cpu.read();
        self.answer();
    }
}

/// A CPU that waits comes to read; beside it somebody takes the value away, and a grace period begins and ends. `U`: the fence
/// of the one who takes it away, `B`: that of the one who begins the grace period.
fn a_cpu_wakes<U: Orders, B: Orders>(wrong: Wrong) {
    let rcu = Rcu::new(false, wrong);
    let (updates, grace) = (Arc::clone(&rcu), Arc::clone(&rcu));
    let updater = thread::spawn(move || updates.update::<U>());
    let grace = thread::spawn(move || grace.one::<B>());
    rcu.cpu.activity.leave_wait();
    rcu.cpu.read();
    rcu.cpu.activity.enter_wait();
    grace.join().unwrap();
    updater.join().unwrap();
}

/// A CPU reads and is asked, in a grace period that was in progress when somebody took the value away, and in the next one.
fn a_cpu_answers<U: Orders, B: Orders>(wrong: Wrong) {
    let rcu = Rcu::new(true, wrong);
    let (updates, grace) = (Arc::clone(&rcu), Arc::clone(&rcu));
    let updater = thread::spawn(move || updates.update::<U>());
    let grace = thread::spawn(move || {
        grace.with(State::leave);
        grace.one::<B>();
        grace.one::<B>();
    });
    rcu.read_and_answer();
    rcu.cpu.activity.enter_wait();
    grace.join().unwrap();
    updater.join().unwrap();
}

/// RC-01: what was taken away before the number was read is nobody's when that number is reached.
#[test]
fn grace_what_is_needed_begins_afterwards() {
    explore(3, || a_cpu_wakes::<Written, Written>(Wrong::Nothing));
    explore(3, || a_cpu_answers::<Written, Written>(Wrong::Nothing));
}

/// Without fences.
struct NoFence;
impl Orders for NoFence {
    const FENCES: bool = false;
}

/// RC-01: who reads the number before the value is taken away may be told of a grace period that began before.
#[test]
#[should_panic(expected = "Causality violation")]
fn grace_without_the_updaters_fence_fails() {
    explore(3, || a_cpu_wakes::<NoFence, Written>(Wrong::Nothing));
}
/// RC-01: who looks at the CPUs before the number is there misses one that reads what the next updater takes away.
#[test]
#[should_panic(expected = "Causality violation")]
fn grace_without_the_fence_before_the_look_fails() {
    explore(3, || a_cpu_wakes::<Written, NoFence>(Wrong::Nothing));
}
/// RC-01: so does one who stores the number after the look.
#[test]
#[should_panic(expected = "Causality violation")]
fn grace_number_after_the_look_fails() {
    explore(3, || a_cpu_wakes::<Written, Written>(Wrong::NumberLate));
}
/// RC-15.1: a grace period in progress may have begun before the value was taken away.
#[test]
#[should_panic(expected = "Causality violation")]
fn grace_the_one_in_progress_is_not_enough() {
    explore(3, || a_cpu_answers::<Written, Written>(Wrong::NeedsTooLittle));
}
/// RC-01.1: a CPU that answers in its section is no longer waited for.
#[test]
#[should_panic(expected = "Causality violation")]
fn grace_answered_in_a_section_fails() {
    explore(3, || a_cpu_answers::<Written, Written>(Wrong::AnswersInside));
}
