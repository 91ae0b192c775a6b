//! Who owns what, waits for what and runs at which level after a script's step? A model that works everything out anew.
//!
//! Levels are a fixed point over all waits and owners; whose level has changed goes to the end of each list that it is in
//! (to the front of the ready ones if it was lowered), and who is first is searched for. Threads run one at a time, the most
//! urgent first, and an operation is one step: enough for one CPU, and for any number if they rest between operations.
use super::{
    counts::{Counts, What},
    script::{Op, Step, Way},
};
use kernel::Error;
use std::collections::VecDeque;

pub const THREADS: usize = 8;
pub const LOCKS: usize = 8;

/// How a command ended.
pub type Ended = Result<(), Error>;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Doing {
    /// Between two commands.
    Runs,
    /// Waits for a command. Whether it was given one.
    Mail(bool),
    /// Waits for a lock.
    Waits(usize, Way),
    /// Runs on to its end.
    Ends,
    Dead,
}

#[derive(Clone)]
struct Thread {
    base: u8,
    level: u8,
    doing: Doing,
    mail: VecDeque<Op>,
    interrupted: bool,
    killed: bool,
    /// Locks that it owns, in the order in which it took them.
    owns: Vec<usize>,
    ended: Vec<Ended>,
}

/// What is to be seen when nobody has anything to do.
#[derive(Clone, PartialEq, Debug)]
pub struct Seen {
    /// Of each thread that lives: its level, and the lock that it waits for.
    pub threads: [Option<(u8, Option<usize>)>; THREADS],
    /// Of each lock: its owner, its top waiter.
    pub locks: [(Option<usize>, Option<usize>); LOCKS],
    /// How each thread's commands have ended since the last look; those of the driver come last.
    pub ended: [Vec<Ended>; THREADS + 1],
}

#[derive(Clone)]
pub struct Model {
    now: u64,
    threads: [Thread; THREADS],
    owner: [Option<usize>; LOCKS],
    waiters: [Vec<usize>; LOCKS],
    /// Who is ready; whoever runs is taken out.
    ready: Vec<usize>,
    running: Option<usize>,
    by_driver: Vec<Ended>,
    /// What no script may do: wait for itself for ever, or end with a lock; or what is not one step.
    pub forbidden: bool,
    pub counts: Counts,
}

impl Model {
    /// Threads of these levels that wait for commands.
    pub fn new(bases: [u8; THREADS]) -> Self {
        let thread = |base| Thread {
            base,
            level: base,
            doing: Doing::Mail(false),
            mail: VecDeque::new(),
            interrupted: false,
            killed: false,
            owns: Vec::new(),
            ended: Vec::new(),
        };
        Self {
            now: 0,
            threads: bases.map(thread),
            owner: [None; LOCKS],
            waiters: Default::default(),
            ready: Vec::new(),
            running: None,
            by_driver: Vec::new(),
            forbidden: false,
            counts: Counts::default(),
        }
    }

    /// Lets time go on to `now`, when the driver does the step's own part, and the rest follow.
    pub fn step(&mut self, now: u64, step: &Step) {
        self.pass(now);
        for &(who, op) in step {
            match who {
                Some(t) => {
                    self.threads[t].mail.push_back(op);
                    if self.threads[t].doing == Doing::Mail(false) {
                        self.threads[t].doing = Doing::Mail(true);
                        self.ready.push(t);
                    }
                }
                None => {
                    let ended = self.change(op);
                    self.by_driver.push(ended);
                }
            }
        }
        self.settle();
    }
    /// Waits whose time is over by `now` end, one after the other.
    fn pass(&mut self, now: u64) {
        let deadline = |thread: &Thread| match thread.doing {
            Doing::Waits(_, Way::Until(deadline)) => Some(deadline),
            _ => None,
        };
        while !self.forbidden
            && let Some((at, t)) =
                (0..THREADS).filter_map(|t| Some((deadline(&self.threads[t])?, t))).filter(|&(at, _)| at <= now).min()
        {
            self.now = at;
            self.ready.push(t);
            self.settle();
        }
        self.now = now;
    }
    pub fn look(&mut self) -> Seen {
        let thread = |thread: &Thread| match thread.doing {
            Doing::Dead => None,
            Doing::Waits(lock, _) => Some((thread.level, Some(lock))),
            _ => Some((thread.level, None)),
        };
        let mut ended: [Vec<Ended>; THREADS + 1] = Default::default();
        for (t, ended) in ended.iter_mut().enumerate() {
            *ended = std::mem::take(if t == THREADS { &mut self.by_driver } else { &mut self.threads[t].ended });
        }
        Seen {
            threads: self.threads.each_ref().map(thread),
            locks: std::array::from_fn(|m| (self.owner[m], self.top(m))),
            ended,
        }
    }

    // What scripts are made from.
    pub fn is_idle(&self, t: usize) -> bool {
        self.threads[t].doing == Doing::Mail(false)
    }
    pub fn is_dead(&self, t: usize) -> bool {
        self.threads[t].doing == Doing::Dead
    }
    pub fn owns(&self, t: usize) -> &[usize] {
        &self.threads[t].owns
    }
    pub fn owner(&self, m: usize) -> Option<usize> {
        self.owner[m]
    }
    pub fn waiters(&self, m: usize) -> &[usize] {
        &self.waiters[m]
    }

    /// The most urgent waiter; of equals the one that came first, or came to this level first.
    fn top(&self, m: usize) -> Option<usize> {
        let level = self.waiters[m].iter().map(|&t| self.threads[t].level).max()?;
        self.waiters[m].iter().copied().find(|&t| self.threads[t].level == level)
    }
    pub fn waits_for(&self, t: usize) -> Option<usize> {
        match self.threads[t].doing {
            Doing::Waits(m, _) => Some(m),
            _ => None,
        }
    }

    /// How urgent everybody is.
    fn levels(&self) -> [u8; THREADS] {
        let mut levels = self.threads.each_ref().map(|t| t.base);
        loop {
            let before = levels;
            for (owner, waiters) in self.owner.iter().zip(&self.waiters) {
                let Some(owner) = *owner else { continue };
                for &waiter in waiters {
                    levels[owner] = levels[owner].max(levels[waiter]);
                }
            }
            if levels == before {
                return levels;
            }
        }
    }
    /// Works out who is how urgent, and where that puts it.
    fn recompute(&mut self) {
        let levels = self.levels();
        let mut changed: Vec<_> = (0..THREADS).filter(|&t| levels[t] != self.threads[t].level).collect();
        if changed.is_empty() {
            return;
        }
        self.counts.note(What::Far, changed.iter().filter(|&&t| levels[t] > self.threads[t].level).count() > 1);
        let tops: [_; LOCKS] = std::array::from_fn(|m| self.top(m));
        let runs_at = self.running.map(|r| self.threads[r].level);
        // Along the chain: waiters before owners.
        changed.sort_by_key(|&t| std::cmp::Reverse(self.chain(t)));
        for t in changed {
            let before = std::mem::replace(&mut self.threads[t].level, levels[t]);
            if let Some(m) = self.waits_for(t) {
                self.waiters[m].retain(|&w| w != t);
                self.waiters[m].push(t);
                self.counts.note(What::Moved, true);
            }
            if self.ready.contains(&t) {
                // It would run before the rest of the chain is told: half of an operation.
                let at_once = runs_at.is_some_and(|level| levels[t] > level);
                self.forbidden |= at_once && self.waits_for(t).is_some();
                self.ready.retain(|&r| r != t);
                self.ready.insert(if levels[t] > before { self.ready.len() } else { 0 }, t);
            }
        }
        // Whoever is the top waiter of a lock without owner has to come for it.
        for (m, before) in tops.into_iter().enumerate() {
            let top = self.top(m);
            if self.owner[m].is_none() && top != before {
                self.counts.note(What::OtherWoken, true);
                top.inspect(|&top| self.wake(top));
            }
        }
    }
    fn wake(&mut self, t: usize) {
        if matches!(self.threads[t].doing, Doing::Waits(..)) && !self.ready.contains(&t) && self.running != Some(t) {
            self.ready.push(t);
        }
    }

    /// Until nobody has anything to do.
    fn settle(&mut self) {
        while !self.forbidden {
            let top = self.ready.iter().map(|&t| self.threads[t].level).max();
            let urgent = top.filter(|&top| self.running.is_none_or(|r| top > self.threads[r].level));
            if let Some(level) = urgent {
                let at = self.ready.iter().position(|&t| self.threads[t].level == level).unwrap();
                let next = self.ready.remove(at);
                // Whoever is preempted stays ahead of its equals.
                self.running.replace(next).inspect(|&before| self.ready.insert(0, before));
            }
            let Some(t) = self.running else { return };
            self.go_on(t);
        }
    }
    fn go_on(&mut self, t: usize) {
        match self.threads[t].doing {
            Doing::Mail(_) if self.threads[t].killed => self.exit(t),
            Doing::Ends => self.exit(t),
            Doing::Waits(m, way) => self.woken(t, m, way),
            Doing::Runs | Doing::Mail(_) => match self.threads[t].mail.pop_front() {
                Some(op) => {
                    self.threads[t].doing = Doing::Runs;
                    self.perform(t, op);
                }
                None => {
                    self.threads[t].doing = Doing::Mail(false);
                    self.running = None;
                }
            },
            Doing::Dead => unreachable!("the dead do not run"),
        }
    }
    fn exit(&mut self, t: usize) {
        self.forbidden |= !self.threads[t].owns.is_empty();
        self.threads[t].doing = Doing::Dead;
        self.running = None;
    }
    fn perform(&mut self, t: usize, op: Op) {
        let ended = match op {
            Op::Lock(m, way) => return self.lock(t, m, way),
            Op::TryLock(m) if self.owner[m].is_none() && self.may_take(t, m) => {
                self.take(t, m);
                Ok(())
            }
            Op::TryLock(_) => Err(Error::WouldBlock),
            Op::Unlock(m) if self.owner[m] == Some(t) => {
                self.unlock(t, m);
                Ok(())
            }
            Op::Unlock(_) => Err(Error::NotPermitted),
            Op::Exit => match self.threads[t].owns.last() {
                Some(&m) => {
                    // One by one: it may be preempted in between.
                    self.threads[t].mail.push_front(Op::Exit);
                    return self.unlock(t, m);
                }
                None => return self.exit(t),
            },
            Op::Set(..) | Op::Interrupt(_) | Op::Kill(_) => self.change(op),
        };
        self.threads[t].ended.push(ended);
    }
    fn change(&mut self, op: Op) -> Ended {
        let (Op::Set(u, _) | Op::Interrupt(u) | Op::Kill(u)) = op else { unreachable!("{op:?} by the driver") };
        if self.is_dead(u) {
            return Err(Error::NotFound);
        }
        match op {
            Op::Set(_, policy) => {
                self.threads[u].base = policy.level();
                self.recompute();
                return Ok(());
            }
            Op::Kill(_) => self.threads[u].killed = true,
            _ => self.threads[u].interrupted = true,
        }
        if matches!(self.threads[u].doing, Doing::Waits(_, Way::Interruptible)) {
            self.wake(u);
        }
        Ok(())
    }

    /// Of a lock without owner.
    fn may_take(&self, t: usize, m: usize) -> bool {
        self.top(m).is_none_or(|top| top == t || self.threads[t].level > self.threads[top].level)
    }
    fn take(&mut self, t: usize, m: usize) {
        self.counts.note(What::Steal, self.top(m).is_some_and(|top| top != t));
        self.waiters[m].retain(|&w| w != t);
        self.owner[m] = Some(t);
        self.threads[t].owns.push(m);
        self.recompute();
    }
    fn unlock(&mut self, t: usize, m: usize) {
        self.counts.note(What::OutOfOrder, self.threads[t].owns.last().is_some_and(|&last| last != m));
        self.threads[t].owns.retain(|&o| o != m);
        self.owner[m] = None;
        self.recompute();
        if let Some(top) = self.top(m) {
            self.counts.note(What::StillBoosted, self.threads[t].level > self.threads[t].base);
            self.wake(top);
        }
    }
    fn lock(&mut self, t: usize, m: usize, way: Way) {
        let contended = !self.waiters[m].is_empty();
        if self.owner[m].is_none() && self.may_take(t, m) {
            self.take(t, m);
            return if contended { self.got(t, m) } else { self.threads[t].ended.push(Ok(())) };
        }
        if self.owner[m] == Some(t) {
            return self.failed(t, way, Error::Deadlock);
        }
        self.waiters[m].push(t);
        self.threads[t].doing = Doing::Waits(m, way);
        self.recompute();
        if self.chain(t) > LOCKS {
            return self.give_up(t, m, way, Error::Deadlock);
        }
        self.counts.note(What::Chain, self.chain(t) > 2);
        match self.over(t, way) {
            Some(error) => self.give_up(t, m, way, error),
            None => self.running = None,
        }
    }
    /// How many locks there are from the one that it waits for on, more than there are if it waits for itself.
    fn chain(&self, t: usize) -> usize {
        let (mut at, mut locks) = (t, 0);
        while let Some(m) = self.waits_for(at)
            && locks <= LOCKS
        {
            locks += 1;
            match self.owner[m] {
                Some(owner) => at = owner,
                None => break,
            }
        }
        locks
    }
    /// Why its wait ends now.
    fn over(&self, t: usize, way: Way) -> Option<Error> {
        match way {
            Way::Until(deadline) if deadline <= self.now => Some(Error::TimedOut),
            Way::Interruptible if self.threads[t].interrupted || self.threads[t].killed => Some(Error::Interrupted),
            _ => None,
        }
    }
    fn woken(&mut self, t: usize, m: usize, way: Way) {
        if self.owner[m].is_none() && self.may_take(t, m) {
            self.threads[t].doing = Doing::Runs;
            self.take(t, m);
            return self.got(t, m);
        }
        match self.over(t, way) {
            Some(error) => self.give_up(t, m, way, error),
            None => self.running = None,
        }
    }
    fn got(&mut self, t: usize, m: usize) {
        if self.threads[t].killed {
            self.counts.note(What::KilledWaiting, true);
            self.unlock(t, m);
            self.threads[t].doing = Doing::Ends;
        } else {
            self.threads[t].ended.push(Ok(()));
        }
    }
    fn give_up(&mut self, t: usize, m: usize, way: Way, error: Error) {
        let boosted = self.threads[t].level > self.threads[t].base;
        let owner = self.owner[m];
        let before = owner.map(|o| self.threads[o].level);
        self.waiters[m].retain(|&w| w != t);
        self.threads[t].doing = Doing::Runs;
        self.recompute();
        if error == Error::TimedOut {
            self.counts.note(What::TimedOutLending, owner.map(|o| self.threads[o].level) < before);
            self.counts.note(What::TimedOutBoosted, boosted);
        }
        self.failed(t, way, error);
    }
    fn failed(&mut self, t: usize, way: Way, error: Error) {
        if self.threads[t].killed {
            self.counts.note(What::KilledWaiting, true);
            return self.exit(t);
        }
        match error {
            Error::Deadlock => {
                self.forbidden |= way == Way::Forever;
                self.counts.note(What::Deadlock, true);
            }
            Error::TimedOut => self.counts.note(What::TimedOut, true),
            _ => {
                self.threads[t].interrupted = false;
                self.counts.note(What::Interrupted, true);
            }
        }
        self.threads[t].ended.push(Err(error));
    }
}
