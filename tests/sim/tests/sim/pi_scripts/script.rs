//! What is a script, and how is one drawn that may be played?
//!
//! It is drawn with the model at hand: a step after which a thread would wait for itself for ever, or end with a lock, is no
//! step. Much is aimed, for blind steps seldom build a chain, steal a lock, or close a circle.
use super::naive::{LOCKS, Model, THREADS};
use hw::sim::Rng;
use std::fmt;

/// Time from step to step, in ns. Deadlines are in between, no two of different threads at once.
pub const GRID: u64 = 100_000;
const STEPS: u64 = 28;

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Class {
    Fifo(u8),
    Rr(u8),
    Nice(i8),
}
impl Class {
    /// What the model knows of it.
    pub fn level(self) -> u8 {
        match self {
            Class::Fifo(priority) | Class::Rr(priority) => priority,
            Class::Nice(_) => 0,
        }
    }
    pub fn draw(rng: &Rng) -> Self {
        // Few levels: many equals.
        let priority = 10 * (1 + rng.below(6) as u8);
        match rng.below(8) {
            0 | 1 => Class::Nice([-20, 0, 19][rng.below(3) as usize]),
            2 | 3 => Class::Rr(priority),
            _ => Class::Fifo(priority),
        }
    }
}

/// How a thread waits for a lock.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Way {
    /// `lock`.
    Forever,
    /// `lock_until` this many ns after the script's begin.
    Until(u64),
    /// `lock_interruptible`.
    Interruptible,
    /// `lock_detect`.
    Detect,
}

/// Locks and threads by number.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Op {
    Lock(usize, Way),
    TryLock(usize),
    Unlock(usize),
    Set(usize, Class),
    Interrupt(usize),
    Kill(usize),
    /// Gives every lock back, the last one first, and ends.
    Exit,
}

/// What happens at once: who does what; `None` is the driver, above them all.
pub type Step = Vec<(Option<usize>, Op)>;

#[derive(Clone, PartialEq)]
pub struct Script {
    pub classes: [Class; THREADS],
    pub steps: Vec<Step>,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "threads: {:?}", self.classes)?;
        for (n, step) in self.steps.iter().enumerate() {
            write!(f, "step {n} at {}:", moment(n))?;
            for (who, op) in step {
                match who {
                    Some(t) => write!(f, " T{t} {op:?};")?,
                    None => write!(f, " {op:?};")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// When a step happens, in ns after the script's begin.
pub fn moment(step: usize) -> u64 {
    (step as u64 + 1) * GRID
}

impl Script {
    pub fn model(&self) -> Model {
        Model::new(self.classes.map(Class::level))
    }
    /// Whether it does nothing that no script may do.
    pub fn is_allowed(&self) -> bool {
        let mut model = self.model();
        self.steps.iter().enumerate().for_each(|(n, step)| model.step(moment(n), step));
        !model.forbidden
    }
    /// `alone`: one operation a step, by a thread that is idle.
    pub fn draw(rng: &Rng, alone: bool) -> Self {
        let mut script = Script { classes: std::array::from_fn(|_| Class::draw(rng)), steps: Vec::new() };
        let mut model = script.model();
        for _ in 0..STEPS {
            let n = script.steps.len();
            let drawn = (0..20).find_map(|_| {
                let step = if alone { one(rng, &model, n) } else { several(rng, &model, n) };
                let mut after = model.clone();
                after.step(moment(n), &step);
                (!after.forbidden).then_some((step, after))
            });
            let Some((step, after)) = drawn else { break };
            script.steps.push(step);
            model = after;
        }
        // Whoever waits gets what it waits for, and does the same; but first, what it was sent meanwhile.
        loop {
            let mut whole = script.clone();
            if alone {
                whole.steps.extend((0..THREADS).map(|t| vec![(Some(t), Op::Exit)]));
            } else {
                whole.steps.push((0..THREADS).map(|t| (Some(t), Op::Exit)).collect());
            }
            if whole.is_allowed() {
                return whole;
            }
            script.steps.pop();
        }
    }
}

fn index(rng: &Rng, n: usize) -> usize {
    rng.below(n as u64) as usize
}
fn any<T: Copy>(rng: &Rng, of: &[T]) -> Option<T> {
    (!of.is_empty()).then(|| of[index(rng, of.len())])
}

fn one(rng: &Rng, model: &Model, n: usize) -> Step {
    let idle: Vec<_> = (0..THREADS).filter(|&t| model.is_idle(t)).collect();
    match any(rng, &idle) {
        Some(t) if rng.below(5) != 0 => vec![(Some(t), own(rng, model, t, n))],
        _ => vec![(None, others(rng, model))],
    }
}

fn several(rng: &Rng, model: &Model, n: usize) -> Step {
    let mut step = Vec::new();
    if rng.below(4) == 0 {
        // Around a lock that is given back while others wait.
        let fought: Vec<_> = (0..LOCKS).filter(|&m| model.owner(m).is_some() && !model.waiters(m).is_empty()).collect();
        if let Some(m) = any(rng, &fought) {
            let owner = model.owner(m).unwrap();
            let waiter = any(rng, model.waiters(m)).unwrap();
            step.push((Some(owner), Op::Unlock(m)));
            let who = if rng.below(2) == 0 { owner } else { index(rng, THREADS) };
            step.push(match rng.below(6) {
                0 => (Some(who), Op::TryLock(m)),
                1 | 2 => (Some(who), Op::Lock(m, way(rng, who, n))),
                3 | 4 => (Some(owner), Op::Set(waiter, Class::draw(rng))),
                _ => (Some(who), Op::Interrupt(waiter)),
            });
        }
    }
    for _ in 0..1 + rng.below(3) {
        step.push(match rng.below(6) {
            0 => (None, others(rng, model)),
            _ => {
                let t = index(rng, THREADS);
                (Some(t), own(rng, model, t, n))
            }
        });
    }
    step
}

fn others(rng: &Rng, model: &Model) -> Op {
    let t = index(rng, THREADS);
    match rng.below(12) {
        0 if model.owns(t).is_empty() => Op::Kill(t),
        0..4 => Op::Interrupt(t),
        _ => Op::Set(t, Class::draw(rng)),
    }
}

fn own(rng: &Rng, model: &Model, t: usize, n: usize) -> Op {
    let owned = model.owns(t);
    match rng.below(16) {
        0 => others(rng, model),
        1 => Op::Set(t, Class::draw(rng)),
        2 => Op::Unlock(index(rng, LOCKS)),
        3..=5 if !owned.is_empty() => Op::Unlock(owned[index(rng, owned.len())]),
        kind => {
            // Mostly one that somebody else owns, who waits, too, if there is such a one.
            let mut aims: Vec<_> = (0..LOCKS).filter(|&m| model.owner(m).is_some_and(|owner| owner != t)).collect();
            let waits = |m: &usize| model.owner(*m).is_some_and(|owner| model.waits_for(owner).is_some());
            match rng.below(8) {
                0..4 if aims.iter().any(waits) => aims.retain(waits),
                0..6 => {}
                _ => aims.clear(),
            }
            let m = any(rng, &aims).unwrap_or_else(|| index(rng, LOCKS));
            if kind == 7 { Op::TryLock(m) } else { Op::Lock(m, way(rng, t, n)) }
        }
    }
}

fn way(rng: &Rng, t: usize, n: usize) -> Way {
    match rng.below(6) {
        0 | 1 => Way::Forever,
        2 | 3 => Way::Until((n as u64 + rng.below(10)) * GRID + GRID / 2 + t as u64 * (GRID / 20)),
        4 => Way::Interruptible,
        _ => Way::Detect,
    }
}
