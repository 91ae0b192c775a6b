//! What are all the orders in which a small scenario can happen? Depth-first search with a bound on preemptions.
//!
//! A run is the list of the answers that its schedule gave, the *tape*. The next run gives the same answers up to the last
//! question that has an answer left, and that one there. Preempting a CPU that could go on is counted and bounded (Musuvathi
//! and Qadeer, "Iterative Context Bounding", 2007: most bugs need two); who goes on when a CPU waits is not.
use super::Order;
use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
};

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
    bound: usize,
    run: Cell<u64>,
}

impl Tape {
    fn new(bound: usize) -> Self {
        let (asked, preemptions) = (Cell::new(0), Cell::new(0));
        Self { choices: RefCell::default(), asked, preemptions, bound, run: Cell::new(0) }
    }

    /// Shall the running CPU be preempted? 0: no.
    pub(super) fn preempt(&self, answers: usize) -> usize {
        if self.preemptions.get() == self.bound {
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

    /// Prepares the next run; false: there is none.
    fn advance(&self) -> bool {
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
        write!(f, "run {} with at most {} preemptions", self.run.get(), self.bound)
    }
}

/// What an exploration did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explored {
    /// Orders that were run.
    pub runs: u64,
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
    let tape = Rc::new(Tape::new(preemptions));
    let mut explored = Explored { runs: 0, depth: 0 };
    loop {
        scenario(Order::Explored(tape.clone()));
        explored.runs += 1;
        explored.depth = explored.depth.max(tape.asked.get());
        if !tape.advance() {
            return explored;
        }
        assert!(explored.runs < limit, "more than {limit} orders, {} questions deep", explored.depth);
    }
}
