//! Which CPU goes on, and when does the running one give way?
//!
//! Two questions come here. *Forced*: the running CPU waits, who goes on? *Free*: it could go on, but shall another one
//! go first? The second is asked at points only, and only while [`interleave`](super::interleave) is on.
//!
//! | order | forced | free |
//! |---|---|---|
//! | fixed | the next in order | never |
//! | seeded, random walk | any | at points with a drawn distance, any |
//! | seeded, PCT | the most urgent | at a few drawn points the running CPU becomes the least urgent |
//! | explored | every answer in turn | at each point that matters (see `explore`), as long as the bound allows |
//!
//! PCT: Burckhardt and others, "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs" (2010): with `d - 1`
//! changes of priority a bug that needs `d` orderings is found with a probability that does not depend on luck alone.
use super::{
    Order,
    explore::{Tape, Touch},
    machine::Machine,
    rng::Rng,
};
use std::{
    cell::{Cell, RefCell},
    panic::Location,
    rc::Rc,
};

/// Mean distances of two free decisions of a random walk, in points.
const WALKS: [u64; 6] = [1, 3, 8, 20, 60, 300];
/// Changes of priority of a PCT run, one less than the depth of the bugs it looks for; at most this many.
const CHANGES: u64 = 4;
/// What a CPU becomes at the first change; one less at each change after that, of which each time that interleaving is
/// turned on brings some.
const LEAST: u64 = 1 << 32;
/// They lie in the first `2^n` points, `n` being drawn from these.
const SPANS: std::ops::Range<u64> = 3..15;

enum Strategy {
    Fixed,
    Walk {
        mean: u64,
    },
    Pct {
        /// By CPU; the largest is the most urgent. Distinct.
        urgency: RefCell<Vec<u64>>,
        /// Numbers of points at which the running CPU becomes the least urgent, the next one last.
        changes: RefCell<Vec<u64>>,
        least: Cell<u64>,
    },
    Explored(Rc<Tape>),
}

pub(super) struct Schedule {
    strategy: Strategy,
    rng: Rng,
    /// Whether free decisions are taken.
    on: Cell<bool>,
    /// The CPU that turned them off; what the others do still is noted.
    closed_by: Cell<Option<usize>>,
    /// Number of points at which the next free decision is due.
    due: Cell<u64>,
    /// The CPU that was chosen to go on next.
    chosen: Cell<Option<usize>>,
    /// The running CPU left its stack for another one: no decision.
    switching: Cell<bool>,
}

impl Schedule {
    pub fn new(order: &Order, cpus: usize) -> Self {
        let rng = Rng::new(if let Order::Seeded(seed) = order { *seed } else { 0 });
        let strategy = match order {
            Order::Fixed => Strategy::Fixed,
            Order::Explored(tape) => Strategy::Explored(tape.clone()),
            Order::Seeded(_) if rng.below(2) == 0 => {
                Strategy::Walk { mean: WALKS[rng.below(WALKS.len() as u64) as usize] }
            }
            Order::Seeded(_) => {
                let mut urgency: Vec<u64> = (0..cpus as u64).map(|n| LEAST + 1 + n).collect();
                for n in (1..cpus).rev() {
                    urgency.swap(n, rng.below(n as u64 + 1) as usize);
                }
                let (urgency, changes) = (RefCell::new(urgency), RefCell::default());
                Strategy::Pct { urgency, changes, least: Cell::new(LEAST) }
            }
        };
        let (on, due) = (Cell::new(false), Cell::new(u64::MAX));
        let (chosen, closed_by, switching) = (Cell::new(None), Cell::new(None), Cell::new(false));
        Self { strategy, rng, on, closed_by, due, chosen, switching }
    }

    /// What the schedule is, for reports.
    pub fn describe(&self) -> String {
        match &self.strategy {
            Strategy::Fixed => "fixed order".into(),
            Strategy::Walk { mean } => format!("random walk, a decision every {mean} points"),
            Strategy::Pct { .. } => "PCT priorities".into(),
            Strategy::Explored(tape) => format!("explored, {tape}"),
        }
    }

    /// CPU `here` turns free decisions on or off; `count`: points so far.
    pub fn interleave(&self, on: bool, here: usize, count: u64) {
        let was_on = self.on.replace(on && !matches!(self.strategy, Strategy::Fixed));
        self.due.set(u64::MAX);
        if !self.on.get() {
            if was_on && matches!(self.strategy, Strategy::Explored(_)) {
                self.closed_by.set(Some(here));
                self.plan(count);
            }
            return;
        }
        if let Strategy::Pct { changes, .. } = &self.strategy {
            let span = 1 << (SPANS.start + self.rng.below(SPANS.end - SPANS.start));
            let number = self.rng.below(CHANGES + 1);
            let mut drawn: Vec<u64> = (0..number).map(|_| count + 1 + self.rng.below(span)).collect();
            drawn.sort_unstable_by(|a, b| b.cmp(a));
            drawn.dedup();
            changes.replace(drawn);
        }
        self.plan(count);
    }

    /// Number of points at which the next free decision is due.
    pub fn due(&self) -> u64 {
        self.due.get()
    }

    /// Sets when the next free decision is due.
    fn plan(&self, count: u64) {
        self.due.set(match &self.strategy {
            Strategy::Fixed => u64::MAX,
            // Geometric would do as well; what matters is that every distance occurs.
            Strategy::Walk { mean } => count + 1 + self.rng.below(2 * mean),
            Strategy::Pct { changes, .. } => changes.borrow().last().copied().unwrap_or(u64::MAX),
            Strategy::Explored(_) => count + 1,
        });
    }

    /// A CPU can go on that could not before.
    pub fn awakened(&self, count: u64) {
        if matches!(self.strategy, Strategy::Pct { .. }) && self.on.get() {
            self.due.set(count + 1);
        }
    }

    /// At a point in front of `touch`: the CPU that goes on instead of the running one.
    pub fn give_way(&self, machine: &Machine, touch: Touch, at: &'static Location<'static>) -> Option<usize> {
        let (count, here) = (machine.count(), machine.here.get());
        if count < self.due.get() {
            return None;
        }
        if let Strategy::Pct { changes, urgency, least } = &self.strategy {
            let mut changes = changes.borrow_mut();
            while changes.last().is_some_and(|at| *at <= count) {
                changes.pop();
                urgency.borrow_mut()[here] = least.get();
                least.set(least.get() - 1);
            }
        }
        self.plan(count);
        let matters = match &self.strategy {
            Strategy::Explored(tape) if !self.on.get() => {
                if self.closed_by.get() != Some(here) {
                    tape.note(machine, touch, at);
                }
                return None;
            }
            Strategy::Explored(tape) => tape.matters(machine, touch, at),
            _ => true,
        };
        let able: Vec<usize> = (0..machine.cpus.len())
            .filter(|&n| n == here || machine.can_go_on(n) || machine.can_look_again(n))
            .collect();
        if able.len() < 2 {
            return None;
        }
        let chosen = match &self.strategy {
            Strategy::Fixed => here,
            Strategy::Walk { .. } => able[self.rng.below(able.len() as u64) as usize],
            Strategy::Pct { urgency, .. } => most_urgent(&urgency.borrow(), &able)?,
            Strategy::Explored(_) if !matters => here,
            Strategy::Explored(tape) => {
                // Staying comes first, so that the first run is the one without preemption.
                let others = able.iter().copied().filter(|&n| n != here);
                let answers: Vec<usize> = std::iter::once(here).chain(others).collect();
                answers[tape.preempt(answers.len())]
            }
        };
        (chosen != here).then(|| {
            self.chosen.set(Some(chosen));
            chosen
        })
    }

    /// The running CPU leaves its stack for another one, and goes on.
    pub fn switching(&self) {
        self.switching.set(true);
    }

    /// The CPU that goes on, or `None`: all of them wait.
    pub fn pick(&self, machine: &Machine) -> Option<usize> {
        let here = machine.here.get();
        let switching = self.switching.replace(false);
        if let Some(chosen) = self.chosen.take() {
            return Some(chosen);
        }
        let count = machine.cpus.len();
        let able: Vec<usize> = (0..count).map(|n| (here + n) % count).filter(|&n| machine.can_go_on(n)).collect();
        match &self.strategy {
            _ if able.len() < 2 || switching || !self.on.get() => able.first().copied(),
            Strategy::Fixed => able.first().copied(),
            Strategy::Walk { .. } => Some(able[self.rng.below(able.len() as u64) as usize]),
            Strategy::Pct { urgency, .. } => most_urgent(&urgency.borrow(), &able),
            Strategy::Explored(tape) => Some(able[tape.choose(able.len())]),
        }
    }
}

fn most_urgent(urgency: &[u64], able: &[usize]) -> Option<usize> {
    able.iter().copied().max_by_key(|&n| urgency[n])
}
