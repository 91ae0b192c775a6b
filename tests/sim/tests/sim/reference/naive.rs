//! Who would run? A scheduler of vectors and linear searches that plays the scripts of `reference`.
use super::{BEGIN, Note, Op, Script, THREADS, of_line, on_grid};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Doing {
    Ready,
    Waits,
    Ended,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum On {
    Nothing,
    Semaphore(usize),
    Completion(usize),
    Time,
}

struct Model {
    now: u64,
    doing: [Doing; THREADS],
    priority: [i32; THREADS],
    step: [usize; THREADS],
    ok: [bool; THREADS],
    /// Of a spend that was preempted.
    left: [u64; THREADS],
    on: [On; THREADS],
    granted: [bool; THREADS],
    interruptible: [bool; THREADS],
    interrupted: [bool; THREADS],
    /// When its wait ends, and when that was asked for.
    deadline: [Option<(u64, u64)>; THREADS],
    asked: u64,
    /// Who is ready or runs, in the order in which they came; the running one is taken out.
    ready: Vec<usize>,
    running: Option<usize>,
    count: [u32; 2],
    queue: [Vec<usize>; 2],
    done: [u32; 2],
    waiters: [Vec<usize>; 2],
    notes: Vec<Note>,
}

impl Model {
    fn urgent_ready(&self) -> Option<usize> {
        let top = self.ready.iter().map(|&t| self.priority[t]).max()?;
        self.ready.iter().copied().find(|&t| self.priority[t] == top)
    }
    fn at_head(&mut self, t: usize) {
        self.ready.insert(0, t);
    }
    fn wake(&mut self, t: usize) {
        if self.doing[t] == Doing::Waits {
            self.doing[t] = Doing::Ready;
            self.ready.push(t);
        }
    }
    fn signal(&mut self, op: Op) {
        match op {
            Op::Up(s) if self.queue[s].is_empty() => self.count[s] += 1,
            Op::Up(s) => {
                let first = self.queue[s].remove(0);
                self.granted[first] = true;
                self.wake(first);
            }
            Op::Complete(c) if self.waiters[c].is_empty() => self.done[c] += 1,
            Op::Complete(c) => {
                let top = self.waiters[c].iter().map(|&t| self.priority[t]).max().unwrap();
                let at = self.waiters[c].iter().position(|&t| self.priority[t] == top).unwrap();
                let first = self.waiters[c].remove(at);
                self.granted[first] = true;
                self.wake(first);
            }
            _ => unreachable!(),
        }
    }
    fn set(&mut self, t: usize, priority: i32) -> bool {
        let before = std::mem::replace(&mut self.priority[t], priority);
        if self.doing[t] == Doing::Ended || before == priority {
            return self.doing[t] != Doing::Ended;
        }
        // Last among its new equals if raised, first if lowered; among waiters always last.
        if let Some(at) = self.ready.iter().position(|&r| r == t) {
            self.ready.remove(at);
            if priority > before { self.ready.push(t) } else { self.at_head(t) }
        }
        if let On::Completion(c) = self.on[t]
            && let Some(at) = self.waiters[c].iter().position(|&w| w == t)
        {
            self.waiters[c].remove(at);
            self.waiters[c].push(t);
        }
        true
    }
    fn block(&mut self, t: usize, on: On, interruptible: bool, until: Option<u64>) {
        self.on[t] = on;
        self.granted[t] = false;
        self.interruptible[t] = interruptible;
        if interruptible && self.interrupted[t] {
            return self.over(t);
        }
        match on {
            On::Semaphore(s) => self.queue[s].push(t),
            On::Completion(c) => self.waiters[c].push(t),
            _ => {}
        }
        self.asked += 1;
        self.deadline[t] = until.map(|until| (until, self.asked));
        self.doing[t] = Doing::Waits;
        self.running = None;
    }
    /// A wait is over, and its thread runs: how did it end?
    fn over(&mut self, t: usize) {
        let on = std::mem::replace(&mut self.on[t], On::Nothing);
        self.ok[t] = match on {
            On::Nothing => return,
            On::Time => self.deadline[t].is_some_and(|(until, _)| until <= self.now),
            _ => self.granted[t],
        };
        self.deadline[t] = None;
        if let On::Semaphore(s) = on {
            self.queue[s].retain(|&w| w != t);
        }
        if !self.ok[t] && self.interruptible[t] {
            self.interrupted[t] = false;
        }
    }
    fn perform(&mut self, t: usize, op: Op) {
        self.ok[t] = true;
        match op {
            Op::Spend(ns) => self.left[t] = ns,
            Op::Sleep(d) => self.block(t, On::Time, true, Some(on_grid(self.now, d))),
            Op::Yield => {
                self.running = None;
                self.ready.push(t);
            }
            Op::Set(n, priority) => self.ok[t] = self.set(n, priority),
            Op::Down(s) | Op::DownUntil(s, _) | Op::DownInterruptible(s) if self.count[s] > 0 => self.count[s] -= 1,
            Op::Down(s) => self.block(t, On::Semaphore(s), false, None),
            Op::DownUntil(s, d) => self.block(t, On::Semaphore(s), false, Some(on_grid(self.now, d))),
            Op::DownInterruptible(s) => self.block(t, On::Semaphore(s), true, None),
            Op::Wait(c) if self.done[c] > 0 => self.done[c] -= 1,
            Op::Wait(c) => self.block(t, On::Completion(c), false, None),
            Op::Interrupt(n) if self.doing[n] == Doing::Ended => self.ok[t] = false,
            Op::Interrupt(n) => {
                self.interrupted[n] = true;
                if self.interruptible[n] {
                    self.wake(n);
                }
            }
            Op::Raise(n) => of_line(n).into_iter().for_each(|op| self.signal(op)),
            Op::Up(_) | Op::Complete(_) => self.signal(op),
        }
    }
    /// Whoever is more urgent than the running thread takes its place; it stays ahead of its equals.
    fn schedule(&mut self) {
        let Some(top) = self.urgent_ready() else { return };
        if let Some(running) = self.running {
            if self.priority[top] <= self.priority[running] {
                return;
            }
            self.at_head(running);
        }
        self.ready.retain(|&t| t != top);
        self.running = Some(top);
    }
    /// What happens at `now`.
    fn happen(&mut self, raised: &[(u64, usize)]) {
        let now = self.now;
        let mut expired: Vec<_> =
            (0..THREADS).filter(|&t| self.deadline[t].is_some_and(|(at, _)| at == self.now)).collect();
        expired.sort_by_key(|&t| self.deadline[t].unwrap().1);
        expired.into_iter().for_each(|t| self.wake(t));
        for (_, n) in raised.iter().copied().filter(|&(when, _)| when == now) {
            of_line(n).into_iter().for_each(|op| self.signal(op));
        }
        self.schedule();
    }
}

/// What the scripts' threads note.
pub fn notes(script: &Script) -> Vec<Note> {
    let mut m = Model {
        now: BEGIN,
        doing: [Doing::Ready; THREADS],
        priority: script.priorities,
        step: [0; THREADS],
        ok: [true; THREADS],
        left: [0; THREADS],
        on: [On::Nothing; THREADS],
        granted: [false; THREADS],
        interruptible: [false; THREADS],
        interrupted: [false; THREADS],
        deadline: [None; THREADS],
        asked: 0,
        ready: (0..THREADS).collect(),
        running: None,
        count: [0; 2],
        queue: Default::default(),
        done: [0; 2],
        waiters: Default::default(),
        notes: Vec::new(),
    };
    loop {
        m.schedule();
        let deadlines = m.deadline.iter().flatten().map(|&(at, _)| at);
        let next = deadlines.chain(script.raised.iter().map(|&(at, _)| at)).filter(|&at| at > m.now).min();
        let Some(t) = m.running else {
            match next {
                Some(next) => m.now = next,
                None => return m.notes,
            }
            m.happen(&script.raised);
            continue;
        };
        m.over(t);
        if m.left[t] > 0 {
            let step = m.left[t].min(next.map_or(u64::MAX, |next| next - m.now));
            m.left[t] -= step;
            m.now += step;
            m.happen(&script.raised);
        } else {
            m.notes.push((t, m.step[t], m.now, m.ok[t]));
            match script.steps[t].get(m.step[t]) {
                Some(&op) => {
                    m.step[t] += 1;
                    m.perform(t, op);
                }
                None => {
                    m.doing[t] = Doing::Ended;
                    m.running = None;
                }
            }
        }
    }
}
