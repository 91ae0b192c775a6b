//! How is a scenario of several threads and locks written down as what each does and what is seen then? (HC-02)
//!
//! Up to eight workers execute the commands that they are sent, one after another; the driver, the running thread at FIFO
//! 99, sends them and looks. It takes none of the locks, and waits by sleeping only, so it changes no worker's priority. A lock
//! is a semaphore with one unit: it has no owner but in the worker's own book. Commands that hold a woken waiter back, and
//! what a worker's priority is after inheritance, come with mutexes.
use crate::harness::{become_policy, fifo};
use kernel::{
    Error, Policy, ThreadCx,
    sync::Semaphore,
    thread::{self, JoinHandle, State, ThreadId},
    time,
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

const WORKERS: usize = 8;
const LOCKS: usize = 8;
/// How long the driver sleeps to let the workers come to rest.
const STEP: Duration = Duration::from_micros(10);

/// What a worker does; locks and workers by number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cmd {
    SetFifo(i32),
    SetRr(i32),
    SetNice(i32),
    Lock(usize),
    /// An interruption ends the wait.
    LockInt(usize),
    LockTimeout(usize, Duration),
    TryLock(usize),
    Unlock(usize),
    /// Interrupts another worker.
    Signal(usize),
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
    Owns(usize),
    BlockedOn(usize),
    /// Neither owns the lock nor is blocked on it.
    Not(usize),
    /// It has executed every command, the last one with this result.
    Result(Result<(), Error>),
}

/// What a worker's command has come to.
#[derive(Default)]
struct Book {
    commands: VecDeque<Cmd>,
    executes: Option<Cmd>,
    owns: [bool; LOCKS],
    result: Option<Result<(), Error>>,
}

struct Shared {
    locks: [Semaphore; LOCKS],
    /// A unit for each command.
    sent: [Semaphore; WORKERS],
    books: [Mutex<Book>; WORKERS],
    ids: Mutex<Vec<ThreadId>>,
}

/// Workers, locks and their driver.
#[must_use = "ends with `finish`"]
pub struct Seq<'a> {
    cx: &'a mut ThreadCx,
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

fn execute(cx: &mut ThreadCx, me: usize, cmd: Cmd, shared: &Shared) -> Result<(), Error> {
    let set = |cx: &mut ThreadCx, policy: Result<Policy, _>| {
        kernel::sched::set(cx, thread::current_id(), policy.map_err(Error::from)?)
    };
    let got = |lock: usize| shared.books[me].lock().unwrap().owns[lock] = true;
    match cmd {
        Cmd::SetFifo(priority) => set(cx, Policy::fifo(priority)),
        Cmd::SetRr(priority) => set(cx, Policy::rr(priority)),
        Cmd::SetNice(nice) => set(cx, Policy::other(nice)),
        Cmd::Lock(lock) => {
            shared.locks[lock].down(cx);
            got(lock);
            Ok(())
        }
        Cmd::LockInt(lock) => shared.locks[lock].down_interruptible(cx).inspect(|()| got(lock)),
        Cmd::LockTimeout(lock, limit) => {
            let deadline = time::now().saturating_add(limit);
            shared.locks[lock].down_until(cx, deadline).inspect(|()| got(lock))
        }
        Cmd::TryLock(lock) => {
            shared.locks[lock].try_down().then_some(()).ok_or(Error::WouldBlock).inspect(|()| got(lock))
        }
        Cmd::Unlock(lock) => {
            let owned = std::mem::take(&mut shared.books[me].lock().unwrap().owns[lock]);
            if owned { shared.locks[lock].up(cx) } else { Err(Error::NotPermitted) }
        }
        Cmd::Signal(other) => {
            let id = shared.ids.lock().unwrap()[other];
            thread::interrupt(cx, id)
        }
        Cmd::Spin(long) => {
            hw::sim::spend(long.as_nanos() as u64);
            Ok(())
        }
        Cmd::Sleep(long) => time::sleep(cx, long),
        Cmd::Exit => Ok(()),
    }
}

fn work(cx: &mut ThreadCx, me: usize, shared: &Shared) {
    loop {
        shared.sent[me].down(cx);
        let cmd = {
            let mut book = shared.books[me].lock().unwrap();
            book.executes = book.commands.pop_front();
            book.executes.expect("a unit for each command")
        };
        let result = execute(cx, me, cmd, shared);
        let mut book = shared.books[me].lock().unwrap();
        (book.executes, book.result) = (None, Some(result));
        if cmd == Cmd::Exit {
            return;
        }
    }
}

impl<'a> Seq<'a> {
    /// This many workers, fair ones, and the driver above them.
    pub fn new(cx: &'a mut ThreadCx, workers: usize) -> Self {
        assert!(workers <= WORKERS);
        become_policy(cx, fifo(99));
        let shared = Arc::new(Shared {
            locks: [const { Semaphore::new(1) }; LOCKS],
            sent: [const { Semaphore::new(0) }; WORKERS],
            books: Default::default(),
            ids: Mutex::default(),
        });
        let start = |n| {
            let mine = shared.clone();
            thread::spawn(cx, &format!("T{n}"), move |cx| work(cx, n, &mine)).unwrap()
        };
        let workers: Vec<_> = (0..workers).map(start).collect();
        *shared.ids.lock().unwrap() = workers.iter().map(JoinHandle::id).collect();
        Self { cx, shared, workers }
    }

    /// Sends a command to worker `t`, which executes it as soon as the driver waits and the worker's priority allows.
    #[track_caller]
    pub fn cmd(self, t: usize, cmd: Cmd) -> Self {
        assert!(t < self.workers.len(), "there is no T{t}");
        self.shared.books[t].lock().unwrap().commands.push_back(cmd);
        self.shared.sent[t].up(self.cx).unwrap();
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

    /// What is seen instead, if it is something else.
    fn look(&mut self, t: usize, expected: Expect) -> Result<(), String> {
        let id = self.workers[t].id();
        let (base, mut waits) = (thread::policy(id), false);
        thread::for_each(self.cx, |_, info| {
            let asleep = matches!(info.state, State::Interruptible | State::Uninterruptible);
            waits |= info.id == id && asleep && info.wchan == "semaphore";
        });
        // No point while this is held: other CPUs' workers write in it.
        let book = self.shared.books[t].lock().unwrap();
        let takes = |lock| match book.executes {
            Some(Cmd::Lock(l) | Cmd::LockInt(l) | Cmd::LockTimeout(l, _)) => l == lock,
            _ => false,
        };
        let idle = book.executes.is_none() && book.commands.is_empty();
        let holds = match expected {
            Expect::Base(policy) => base == Ok(policy),
            Expect::Owns(lock) => book.owns[lock],
            Expect::BlockedOn(lock) => takes(lock) && waits,
            Expect::Not(lock) => !book.owns[lock] && !takes(lock),
            Expect::Result(result) => idle && book.result == Some(result),
        };
        let what = (book.executes, book.result);
        if holds { Ok(()) } else { Err(format!("{base:?}, executes and last result {what:?}, waits: {waits}")) }
    }

    /// Lets every worker end.
    #[track_caller]
    pub fn finish(mut self) {
        for t in 0..self.workers.len() {
            self = self.cmd(t, Cmd::Exit);
        }
        for mut worker in self.workers {
            let deadline = time::now().saturating_add(Duration::from_millis(1));
            assert_eq!(worker.join_timeout(self.cx, deadline), Ok(()), "a worker does not end");
        }
    }
}

use Cmd::{Lock, LockInt, LockTimeout, SetFifo, SetNice, SetRr, Signal, Sleep, Spin, TryLock, Unlock};
use Expect::{Base, BlockedOn, Not, Owns};

fn us(n: u64) -> Duration {
    Duration::from_micros(n)
}

/// LK-05.2: a lock without owner boosts nobody, and is handed over at the release.
#[test]
fn nobody_is_boosted() {
    crate::harness::any_order(2, 100, |cx| {
        Seq::new(cx, 2)
            .cmd(0, SetFifo(10))
            .cmd(0, Lock(0))
            .expect(0, Owns(0))
            .cmd(1, SetFifo(20))
            .cmd(1, Lock(0))
            .expect(1, BlockedOn(0))
            .expect(0, Base(fifo(10)))
            .cmd(0, Unlock(0))
            .expect(1, Owns(0))
            .expect(0, Not(0))
            .cmd(1, Unlock(0))
            .expect(1, Expect::Result(Ok(())))
            .finish();
    });
}

/// LK-05.3, LK-05.4: a wait ends when it is interrupted or out of time; a try does not wait; nothing is taken.
#[test]
fn waits_that_end_without_the_lock() {
    crate::harness::any_order(2, 100, |cx| {
        Seq::new(cx, 3)
            .cmd(0, Lock(3))
            .expect(0, Owns(3))
            .cmd(1, LockInt(3))
            .expect(1, BlockedOn(3))
            .cmd(2, Signal(1))
            .expect(1, Expect::Result(Err(Error::Interrupted)))
            .expect(1, Not(3))
            .cmd(1, TryLock(3))
            .expect(1, Expect::Result(Err(Error::WouldBlock)))
            .cmd(1, LockTimeout(3, us(100)))
            .expect(1, BlockedOn(3))
            .wait(1, Expect::Result(Err(Error::TimedOut)), us(200))
            .cmd(2, Unlock(3))
            .expect(2, Expect::Result(Err(Error::NotPermitted)))
            .cmd(0, Unlock(3))
            .expect(0, Not(3))
            .cmd(1, TryLock(3))
            .expect(1, Owns(3))
            .finish();
    });
}

/// LK-05.6: waiters pass in the order of their arrival, whatever their priority.
#[test]
fn first_come_first_served() {
    crate::harness::any_order(3, 100, |cx| {
        Seq::new(cx, 4)
            .cmd(0, Lock(0))
            .expect(0, Owns(0))
            .cmd(1, SetNice(5))
            .cmd(1, Lock(0))
            .expect(1, BlockedOn(0))
            .cmd(2, SetFifo(50))
            .cmd(2, Lock(0))
            .expect(2, BlockedOn(0))
            .cmd(3, SetRr(60))
            .cmd(3, LockTimeout(0, us(500)))
            .expect(3, BlockedOn(0))
            .cmd(0, Unlock(0))
            .expect(1, Owns(0))
            .expect(2, BlockedOn(0))
            .cmd(1, Unlock(0))
            .expect(2, Owns(0))
            .expect(3, BlockedOn(0))
            .wait(3, Expect::Result(Err(Error::TimedOut)), us(600))
            .expect(3, Base(crate::harness::rr(60)))
            .finish();
    });
}

/// Commands wait their turn behind the one that is being executed.
#[test]
fn commands_are_executed_one_after_another() {
    crate::harness::exact(|cx| {
        Seq::new(cx, 1)
            .cmd(0, Spin(us(50)))
            .cmd(0, Sleep(us(50)))
            .cmd(0, Lock(1))
            .expect(0, Not(1))
            .wait(0, Owns(1), us(200))
            .cmd(0, SetFifo(0))
            .expect(0, Expect::Result(Err(Error::Invalid)))
            .finish();
    });
}

/// What is not as expected is told.
#[test]
#[should_panic(expected = "T0 is not Owns(1)")]
fn a_wrong_expectation_is_told() {
    crate::harness::exact(|cx| Seq::new(cx, 1).cmd(0, Lock(0)).expect(0, Owns(1)).finish());
}
