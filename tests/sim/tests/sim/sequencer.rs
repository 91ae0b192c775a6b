//! How is a scenario of several threads and locks written down as what each does and what is seen then? (HC-02)
//!
//! Up to eight workers execute the commands that they are sent, one after another; the driver, the running thread at FIFO
//! 99, sends them and looks. It takes none of the locks, and waits by sleeping only, so it changes no worker's priority. The
//! locks are mutexes, or semaphores of one unit each.
use crate::harness::{become_policy, fifo};
use kernel::{
    Error, Policy, ThreadCx,
    sync::{Pending, Semaphore},
    thread::{self, JoinHandle, State},
    time,
};
use std::{sync::Arc, time::Duration};

mod worker;
use worker::{Locks, Shared, WORKERS, work};

/// How long the driver sleeps to let the workers come to rest.
const STEP: Duration = Duration::from_micros(10);

/// What a worker does; locks and workers by number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cmd {
    SetFifo(i32),
    SetRr(i32),
    SetNice(i32),
    /// Gives another worker this FIFO priority; 0: makes it fair.
    Chrt(usize, i32),
    Lock(usize),
    /// An interruption ends the wait.
    LockInt(usize),
    LockTimeout(usize, Duration),
    /// A wait that would never end fails.
    LockDetect(usize),
    TryLock(usize),
    Unlock(usize),
    /// From now on the worker is held when it wakes for this lock and finds it without owner. Done at once, by the driver.
    HoldWake(usize),
    /// Lets it go on, and does not hold it any more. Done at once, by the driver.
    ContinueWake(usize),
    /// Interrupts another worker.
    Signal(usize),
    /// Ends another worker, which owns no lock, where it waits.
    Kill(usize),
    /// Busy for so long.
    Spin(Duration),
    Sleep(Duration),
    Exit,
}

/// What is seen of a worker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expect {
    /// Its configured policy.
    Base(Policy),
    /// What it runs as, after inheritance: a real-time priority, or 0.
    Eff(u8),
    Owns(usize),
    BlockedOn(usize),
    /// Blocked on the lock, and it is its turn next.
    TopOf(usize),
    /// Held after it was woken for the lock, which has no owner.
    InWake(usize),
    /// Neither owns the lock nor is blocked on it.
    Not(usize),
    /// It has executed every command, the last one with this result.
    Result(Result<(), Error>),
    /// It was killed, and is gone.
    Gone,
}

/// Workers, locks and their driver.
#[must_use = "ends with `finish`"]
pub struct Seq<'a> {
    cx: &'a mut ThreadCx,
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    killed: [bool; WORKERS],
}

impl<'a> Seq<'a> {
    /// This many workers, fair ones, eight mutexes, and the driver above them.
    pub fn new(cx: &'a mut ThreadCx, workers: usize) -> Self {
        Self::with(cx, workers, Locks::mutexes())
    }
    /// As [`new`](Self::new), with semaphores in place of mutexes.
    pub fn of_semaphores(cx: &'a mut ThreadCx, workers: usize) -> Self {
        Self::with(cx, workers, Locks::semaphores())
    }
    fn with(cx: &'a mut ThreadCx, workers: usize, locks: Locks) -> Self {
        assert!(workers <= WORKERS);
        become_policy(cx, fifo(99));
        let sent = [const { Semaphore::new(0) }; WORKERS];
        let shared = Arc::new(Shared { locks, sent, books: Default::default(), ids: Default::default() });
        let start = |n| {
            let mine = shared.clone();
            thread::spawn(cx, &format!("T{n}"), move |cx| work(cx, n, &mine)).unwrap()
        };
        let workers: Vec<_> = (0..workers).map(start).collect();
        *shared.ids.lock().unwrap() = workers.iter().map(JoinHandle::id).collect();
        Self { cx, shared, workers, killed: [false; WORKERS] }
    }

    /// Sends a command to worker `t`, which executes it as soon as the driver waits and the worker's priority allows.
    #[track_caller]
    pub fn cmd(mut self, t: usize, cmd: Cmd) -> Self {
        assert!(t < self.workers.len(), "there is no T{t}");
        let id = self.workers[t].id();
        match cmd {
            Cmd::HoldWake(lock) => self.shared.locks.mutex(lock).hold_wake(id),
            Cmd::ContinueWake(lock) => self.shared.locks.mutex(lock).continue_wake(id),
            _ => {
                if let Cmd::Kill(other) = cmd {
                    self.killed[other] = true;
                }
                self.shared.book(t).commands.push_back(cmd);
                self.shared.sent[t].up(self.cx).unwrap();
            }
        }
        self
    }

    /// Lets the workers come to rest; then this is to be seen of worker `t`.
    #[track_caller]
    pub fn expect(self, t: usize, expected: Expect) -> Self {
        self.wait(t, expected, STEP)
    }

    /// As [`expect`](Self::expect), within `limit` of virtual time.
    #[track_caller]
    pub fn wait(mut self, t: usize, expected: Expect, limit: Duration) -> Self {
        let deadline = time::now().saturating_add(limit);
        loop {
            time::sleep(self.cx, STEP).unwrap();
            let Err(seen) = self.look(t, expected) else { return self };
            assert!(time::now() < deadline, "T{t} is not {expected:?}: {seen}");
        }
    }

    /// The whole state makes sense now.
    #[track_caller]
    pub fn verified(self) -> Self {
        crate::harness::verify(self.cx);
        self
    }

    /// What is seen instead, if it is something else.
    fn look(&mut self, t: usize, expected: Expect) -> Result<(), String> {
        let id = self.workers[t].id();
        let (base, mut level, mut waits) = (thread::policy(id), None, false);
        thread::for_each(self.cx, |_, info| {
            if info.id == id {
                let asleep = matches!(info.state, State::Interruptible | State::Uninterruptible);
                level = Some(info.level.get());
                waits = asleep && info.wchan == self.shared.locks.wchan();
            }
        });
        // No point while this is held: other CPUs' workers write in it.
        let book = self.shared.book(t);
        let takes = |lock| match book.executes {
            Some(Cmd::Lock(l) | Cmd::LockInt(l) | Cmd::LockTimeout(l, _) | Cmd::LockDetect(l)) => l == lock,
            _ => false,
        };
        let idle = book.executes.is_none() && book.commands.is_empty();
        let mutex = |lock| self.shared.locks.mutex(lock);
        let holds = match expected {
            Expect::Base(policy) => base == Ok(policy),
            Expect::Eff(priority) => level == Some(priority),
            Expect::Owns(lock) => book.owns[lock],
            Expect::BlockedOn(lock) => takes(lock) && waits && !self.shared.locks.is_in_wake(lock, id),
            Expect::TopOf(lock) => takes(lock) && mutex(lock).top_waiter() == Some(id),
            Expect::InWake(lock) => self.shared.locks.is_in_wake(lock, id) && mutex(lock).owner().is_none(),
            Expect::Not(lock) => !book.owns[lock] && !takes(lock),
            Expect::Result(result) => idle && book.result == Some(result),
            Expect::Gone => level.is_none(),
        };
        let what = (book.executes, book.result);
        if holds {
            Ok(())
        } else {
            Err(format!("{base:?} at {level:?}, executes and last result {what:?}, waits: {waits}"))
        }
    }

    /// Lets every worker end, one after the other: what it owns it gives back.
    #[track_caller]
    pub fn finish(mut self) {
        for t in 0..self.workers.len() {
            if !self.killed[t] {
                self = self.cmd(t, Cmd::Exit);
            }
        }
        for (worker, killed) in self.workers.iter_mut().zip(self.killed) {
            let deadline = time::now().saturating_add(Duration::from_millis(1));
            let expected = if killed { Err(Error::Interrupted) } else { Ok(()) };
            assert_eq!(worker.join_timeout(self.cx, deadline), expected, "a worker does not end");
        }
    }
}

/// Plays a script with this many workers and mutexes on one CPU, and on two: in the fixed order, then in that of some seeds.
#[track_caller]
pub fn played(workers: usize, script: impl Fn(Seq) -> Seq + Copy + 'static) {
    let play = move |cx: &mut ThreadCx| script(Seq::new(cx, workers)).finish();
    crate::harness::exact(play);
    crate::harness::any_order(2, 30, play);
}
