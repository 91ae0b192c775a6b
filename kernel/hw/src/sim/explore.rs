//! What are all the orders in which a small scenario can happen? Depth-first search with a bound on preemptions.
//!
//! A run is the list of the answers that its schedule gave, the *tape*. The next run gives the same answers up to the last
//! question that has an answer left, and that one there. Preempting a CPU that could go on is counted and bounded (Musuvathi
//! and Qadeer, "Iterative Context Bounding", 2007: most bugs need two); who goes on when a CPU waits is not.
//!
//! # Where the question is asked
//!
//! Preempting a CPU in front of an access is the same as preempting it in front of its next one if nobody else sees the
//! access: they commute. So it is asked in front of
//!
//! - accesses to memory that two CPUs touch, one of them writing, in any run from the window's opening on. What the CPU
//!   that closes the window does afterwards is no part of the scenario;
//! - accesses to devices and other things of the whole machine;
//! - everything while interrupts are enabled: another CPU may send one, and that does not commute with what this one does.
//!
//! Which memory that is, is found by running: each run notes who touched what, and when a pass through all orders has found
//! more of it, another one follows. The last pass, the only one that counts, found no more: in each of its runs whatever was
//! passed over was this CPU's own, or only read. Memory in a kernel static is known by its place in it, other memory by the
//! lines of code that touch it, for its addresses differ from run to run: one line that touches something shared makes
//! everything shared that it touches. Data that is no atomic has no points; it is guarded by locks, which are.
use super::{Order, machine::Machine};
use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    fmt,
    panic::Location,
    rc::Rc,
};

/// What happens at a point.
#[derive(Clone, Copy, Debug)]
pub(super) enum Touch {
    /// Nothing that another CPU sees.
    Nothing,
    /// Something that others may see, whatever it is.
    Machine,
    /// An access to memory.
    Memory { address: usize, write: bool },
}

/// How memory is called in all runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Name {
    Static { index: usize, offset: usize },
    Code { file: &'static str, line: u32, column: u32 },
}

/// Who touched an address in this run.
#[derive(Debug, Default)]
struct Touched {
    cpus: u64,
    written: bool,
    names: Vec<Name>,
}

/// A question that was asked: how many answers it had, which one was given, and whether giving another one preempts.
#[derive(Clone, Copy, Debug)]
struct Choice {
    answers: usize,
    given: usize,
    preempts: bool,
}

/// The answers of a run: those to be given again, then new ones.
#[derive(Debug)]
pub struct Tape {
    choices: RefCell<Vec<Choice>>,
    /// How many were asked in this run.
    asked: Cell<usize>,
    preemptions: Cell<usize>,
    /// Preemptions that a run of this pass may have.
    bound: Cell<usize>,
    run: Cell<u64>,
    touched: RefCell<HashMap<usize, Touched>>,
    /// What two CPUs touch, as far as earlier passes know.
    shared: RefCell<HashSet<Name>>,
    /// And what this pass has found besides.
    found: RefCell<HashSet<Name>>,
}

impl Tape {
    fn new() -> Self {
        let (asked, preemptions) = (Cell::new(0), Cell::new(0));
        Self {
            choices: RefCell::default(),
            asked,
            preemptions,
            bound: Cell::new(0),
            run: Cell::new(0),
            touched: RefCell::default(),
            shared: RefCell::default(),
            found: RefCell::default(),
        }
    }

    /// Whether it makes a difference if the running CPU is preempted in front of this.
    pub(super) fn matters(&self, machine: &Machine, touch: Touch, at: &'static Location<'static>) -> bool {
        let name = self.note(machine, touch, at);
        let shared = name.map_or(matches!(touch, Touch::Machine), |name| self.shared.borrow().contains(&name));
        shared || !machine.cpu().masked.get()
    }

    /// Notes who touches what; the memory's name, if it is memory.
    pub(super) fn note(&self, machine: &Machine, touch: Touch, at: &'static Location<'static>) -> Option<Name> {
        let Touch::Memory { address, write } = touch else { return None };
        let name = match machine.globals.find(address) {
            Some((index, offset)) => Name::Static { index, offset },
            None => Name::Code { file: at.file(), line: at.line(), column: at.column() },
        };
        let mut touched = self.touched.borrow_mut();
        let touched = touched.entry(address).or_default();
        touched.cpus |= 1 << machine.here.get();
        touched.written |= write;
        if !touched.names.contains(&name) {
            touched.names.push(name);
        }
        if touched.written && touched.cpus.count_ones() > 1 {
            let shared = self.shared.borrow();
            self.found.borrow_mut().extend(touched.names.iter().filter(|name| !shared.contains(name)));
        }
        Some(name)
    }

    /// Shall the running CPU be preempted? 0: no.
    pub(super) fn preempt(&self, answers: usize) -> usize {
        if self.preemptions.get() == self.bound.get() {
            return 0;
        }
        let given = self.answer(answers, true);
        self.preemptions.set(self.preemptions.get() + usize::from(given != 0));
        given
    }
    /// Who goes on?
    pub(super) fn choose(&self, answers: usize) -> usize {
        self.answer(answers, false)
    }

    fn answer(&self, answers: usize, preempts: bool) -> usize {
        let at = self.asked.get();
        self.asked.set(at + 1);
        let mut choices = self.choices.borrow_mut();
        match choices.get(at) {
            Some(choice) => {
                assert!(
                    choice.answers == answers && choice.preempts == preempts,
                    "the scenario is not the same each time: question {at} had {} answers and has {answers}",
                    choice.answers
                );
                choice.given
            }
            None => {
                choices.push(Choice { answers, given: 0, preempts });
                0
            }
        }
    }

    /// What this pass has found counts in the next one. False: it has found no more.
    fn learns(&self) -> bool {
        let more = !self.found.borrow().is_empty();
        self.shared.borrow_mut().extend(self.found.borrow_mut().drain());
        more
    }

    fn begin_pass(&self) {
        self.choices.borrow_mut().clear();
        self.asked.set(0);
        self.preemptions.set(0);
        self.run.set(0);
    }

    /// Prepares the next run; false: there is none.
    fn advance(&self) -> bool {
        self.touched.borrow_mut().clear();
        let mut choices = self.choices.borrow_mut();
        choices.truncate(self.asked.replace(0));
        self.preemptions.set(0);
        self.run.set(self.run.get() + 1);
        while let Some(last) = choices.last_mut() {
            if last.given + 1 < last.answers {
                last.given += 1;
                return true;
            }
            choices.pop();
        }
        false
    }
}

impl fmt::Display for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {} with at most {} preemptions", self.run.get(), self.bound.get())
    }
}

/// What an exploration did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explored {
    /// Orders that were run in the last pass.
    pub runs: u64,
    /// Orders that were run in all, the passes included that found what is shared.
    pub all_runs: u64,
    /// The most questions that one run asked.
    pub depth: usize,
}

/// Runs a scenario in every order with at most `preemptions` preemptions while
/// [`interleave`](super::interleave) is on. The scenario boots a machine with the order that it is given, and is the same
/// each time but for that.
///
/// # Panics
/// With the scenario's own panic; what was run is told before. If there are more than `limit` orders.
pub fn explore(preemptions: usize, limit: u64, scenario: impl Fn(Order)) -> Explored {
    let tape = Rc::new(Tape::new());
    let mut explored = Explored { runs: 0, all_runs: 0, depth: 0 };
    loop {
        scenario(Order::Explored(tape.clone()));
        explored.all_runs += 1;
        explored.runs += 1;
        explored.depth = explored.depth.max(tape.asked.get());
        if !tape.advance() {
            if !tape.learns() {
                if tape.bound.get() == preemptions {
                    return explored;
                }
                // Few preemptions make short passes, and find nearly all that is shared.
                tape.bound.set(tape.bound.get() + 1);
            }
            tape.begin_pass();
            (explored.runs, explored.depth) = (0, 0);
        }
        assert!(explored.runs < limit, "more than {limit} orders, {} questions deep", explored.depth);
    }
}
