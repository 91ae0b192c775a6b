//! What does a worker of a sequence do with the commands that it is sent?
use super::Cmd;
use kernel::{
    Error, Policy, ThreadCx,
    sync::{self, MutexGuard, Pending, Semaphore},
    thread::{self, ThreadId},
    time,
};
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard as HostGuard},
    time::Duration,
};

pub const WORKERS: usize = 8;
pub const LOCKS: usize = 8;

/// The locks of a sequence.
pub enum Locks {
    /// Of one unit each: without owner but in the worker's own book.
    Semaphores([Semaphore; LOCKS]),
    /// With priority inheritance.
    Mutexes([sync::Mutex<()>; LOCKS]),
}
impl Locks {
    pub fn semaphores() -> Self {
        Self::Semaphores([const { Semaphore::new(1) }; LOCKS])
    }
    pub fn mutexes() -> Self {
        Self::Mutexes([const { sync::Mutex::new(()) }; LOCKS])
    }
    /// What their waiters show that they wait for.
    pub fn wchan(&self) -> &'static str {
        match self {
            Self::Semaphores(_) => "semaphore",
            Self::Mutexes(_) => "mutex",
        }
    }
    /// Whether a worker is held after it was woken for a mutex.
    pub fn is_in_wake(&self, lock: usize, worker: ThreadId) -> bool {
        matches!(self, Self::Mutexes(mutexes) if mutexes[lock].is_in_wake(worker))
    }
    /// A lock that is a mutex.
    #[track_caller]
    pub fn mutex(&self, lock: usize) -> &sync::Mutex<()> {
        match self {
            Self::Semaphores(_) => panic!("a semaphore has no owner"),
            Self::Mutexes(mutexes) => &mutexes[lock],
        }
    }
}

/// What a worker's command has come to.
#[derive(Default)]
pub struct Book {
    pub commands: VecDeque<Cmd>,
    pub executes: Option<Cmd>,
    pub owns: [bool; LOCKS],
    pub result: Option<Result<(), Error>>,
}

pub struct Shared {
    pub locks: Locks,
    /// A unit for each command.
    pub sent: [Semaphore; WORKERS],
    pub books: [Mutex<Book>; WORKERS],
    pub ids: Mutex<Vec<ThreadId>>,
}
impl Shared {
    pub fn book(&self, worker: usize) -> HostGuard<'_, Book> {
        self.books[worker].lock().unwrap()
    }
    fn id(&self, worker: usize) -> ThreadId {
        self.ids.lock().unwrap()[worker]
    }
}

/// How long a lock is waited for.
enum Patience {
    Forever,
    UntilInterrupted,
    For(Duration),
    UntilDeadlock,
    Never,
}

/// The mutexes that a worker owns.
type Owned<'l> = [Option<MutexGuard<'l, ()>>; LOCKS];

fn take<'l>(
    cx: &mut ThreadCx,
    locks: &'l Locks,
    lock: usize,
    patience: Patience,
    owned: &mut Owned<'l>,
) -> Result<(), Error> {
    let deadline = |limit| time::now().saturating_add(limit);
    match locks {
        Locks::Semaphores(semaphores) => {
            let semaphore = &semaphores[lock];
            match patience {
                Patience::Forever | Patience::UntilDeadlock => semaphore.down(cx),
                Patience::UntilInterrupted => return semaphore.down_interruptible(cx),
                Patience::For(limit) => return semaphore.down_until(cx, deadline(limit)),
                Patience::Never => return semaphore.try_down().then_some(()).ok_or(Error::WouldBlock),
            }
        }
        Locks::Mutexes(mutexes) => {
            let mutex = &mutexes[lock];
            owned[lock] = Some(match patience {
                Patience::Forever => mutex.lock(cx),
                Patience::UntilInterrupted => mutex.lock_interruptible(cx)?,
                Patience::For(limit) => mutex.lock_until(cx, deadline(limit))?,
                Patience::UntilDeadlock => mutex.lock_detect(cx)?,
                Patience::Never => mutex.try_lock(cx).ok_or(Error::WouldBlock)?,
            });
        }
    }
    Ok(())
}

fn execute<'l>(cx: &mut ThreadCx, me: usize, cmd: Cmd, shared: &'l Shared, owned: &mut Owned<'l>) -> Result<(), Error> {
    let set =
        |cx: &mut ThreadCx, id, policy: Result<Policy, _>| kernel::sched::set(cx, id, policy.map_err(Error::from)?);
    let mut take = |cx: &mut ThreadCx, lock: usize, patience| {
        take(cx, &shared.locks, lock, patience, owned)?;
        shared.book(me).owns[lock] = true;
        Ok(())
    };
    let own = thread::current_id();
    match cmd {
        Cmd::SetFifo(priority) => set(cx, own, Policy::fifo(priority)),
        Cmd::SetRr(priority) => set(cx, own, Policy::rr(priority)),
        Cmd::SetNice(nice) => set(cx, own, Policy::other(nice)),
        Cmd::Chrt(other, 0) => set(cx, shared.id(other), Policy::other(0)),
        Cmd::Chrt(other, priority) => set(cx, shared.id(other), Policy::fifo(priority)),
        Cmd::Lock(lock) => take(cx, lock, Patience::Forever),
        Cmd::LockInt(lock) => take(cx, lock, Patience::UntilInterrupted),
        Cmd::LockTimeout(lock, limit) => take(cx, lock, Patience::For(limit)),
        Cmd::LockDetect(lock) => take(cx, lock, Patience::UntilDeadlock),
        Cmd::TryLock(lock) => take(cx, lock, Patience::Never),
        Cmd::Unlock(lock) => {
            if !std::mem::take(&mut shared.book(me).owns[lock]) {
                return Err(Error::NotPermitted);
            }
            match &shared.locks {
                Locks::Semaphores(semaphores) => semaphores[lock].up(cx),
                Locks::Mutexes(_) => {
                    owned[lock] = None;
                    Ok(())
                }
            }
        }
        Cmd::Signal(other) => thread::interrupt(cx, shared.id(other)),
        Cmd::Kill(other) => thread::kill(cx, shared.id(other)),
        Cmd::Spin(long) => {
            hw::sim::spend(long.as_nanos() as u64);
            Ok(())
        }
        Cmd::Sleep(long) => time::sleep(cx, long),
        Cmd::Exit => Ok(()),
        Cmd::HoldWake(_) | Cmd::ContinueWake(_) => unreachable!("the driver's own"),
    }
}

pub fn work(cx: &mut ThreadCx, me: usize, shared: &Shared) {
    let mut owned = Owned::default();
    loop {
        shared.sent[me].down(cx);
        let cmd = {
            let mut book = shared.book(me);
            book.executes = book.commands.pop_front();
            book.executes.expect("a unit for each command")
        };
        let result = execute(cx, me, cmd, shared, &mut owned);
        let mut book = shared.book(me);
        (book.executes, book.result) = (None, Some(result));
        if cmd == Cmd::Exit {
            drop(book);
            return;
        }
    }
}
