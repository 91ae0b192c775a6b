//! How is a script played on the kernel, and what is seen of it?
//!
//! A worker for each thread executes the commands that come into its mail. The driver, above them all, sends them, sleeps
//! until nobody has anything to do, and looks. The model plays along.
use super::{
    counts::Counts,
    naive::{Ended, LOCKS, Seen, THREADS},
    script::{Class, Op, Script, Step, Way, moment},
};
use crate::harness::{at, become_policy, fifo, start};
use hw::sim::{Config, End, Order};
use kernel::{
    Error, Policy, ThreadCx, sched,
    sync::{Mutex, MutexGuard, Semaphore},
    thread::{self, State, ThreadId},
    time,
};
use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex as HostMutex},
};

pub fn policy(class: Class) -> Policy {
    match class {
        Class::Fifo(priority) => Policy::fifo(priority.into()),
        Class::Rr(priority) => Policy::rr(priority.into()),
        Class::Nice(nice) => Policy::other(nice.into()),
    }
    .unwrap()
}

/// In each the number of its owner plus 1, 0 if there is none.
pub type Locks = [Mutex<usize>; LOCKS];

/// What a worker's commands have come to.
#[derive(Default)]
struct Book {
    mail: VecDeque<Op>,
    /// The lock that it is about to take or waits for.
    takes: Option<usize>,
    ended: Vec<Ended>,
}

/// What the workers of one script share.
struct Shared {
    locks: Arc<Locks>,
    /// A unit for each command.
    sent: [Semaphore; THREADS],
    books: [HostMutex<Book>; THREADS],
    ids: HostMutex<Vec<ThreadId>>,
    began: u64,
}

/// Free ones.
pub fn locks() -> Arc<Locks> {
    Arc::new([const { Mutex::new(0) }; LOCKS])
}

/// What the driver may do, and any worker, to any worker.
pub fn change(cx: &mut ThreadCx, ids: &[ThreadId], op: Op) -> Ended {
    match op {
        Op::Set(t, class) => sched::set(cx, ids[t], policy(class)),
        Op::Interrupt(t) => thread::interrupt(cx, ids[t]),
        Op::Kill(t) => thread::kill(cx, ids[t]),
        _ => unreachable!("{op:?} is done by its thread"),
    }
}

/// The locks that a worker owns.
pub struct Owned<'l> {
    me: usize,
    locks: &'l Locks,
    guards: [Option<MutexGuard<'l, usize>>; LOCKS],
    /// In the order in which it took them.
    pub order: Vec<usize>,
}

impl<'l> Owned<'l> {
    pub fn new(me: usize, locks: &'l Locks) -> Self {
        Self { me, locks, guards: Default::default(), order: Vec::new() }
    }
    fn got(&mut self, m: usize, mut guard: MutexGuard<'l, usize>) {
        assert_eq!(*guard, 0, "T{} is let in beside another one", self.me);
        *guard = self.me + 1;
        self.guards[m] = Some(guard);
        self.order.push(m);
    }
    pub fn lock(&mut self, cx: &mut ThreadCx, m: usize, way: Way, began: u64) -> Ended {
        let lock = &self.locks[m];
        let guard = match way {
            Way::Forever => lock.lock(cx),
            Way::Until(deadline) => lock.lock_until(cx, at(began + deadline))?,
            Way::Interruptible => lock.lock_interruptible(cx)?,
            Way::Detect => lock.lock_detect(cx)?,
        };
        self.got(m, guard);
        Ok(())
    }
    pub fn try_lock(&mut self, cx: &mut ThreadCx, m: usize) -> Ended {
        let guard = self.locks[m].try_lock(cx).ok_or(Error::WouldBlock)?;
        self.got(m, guard);
        Ok(())
    }
    pub fn unlock(&mut self, m: usize) -> Ended {
        let mut guard = self.guards[m].take().ok_or(Error::NotPermitted)?;
        assert_eq!(std::mem::replace(&mut *guard, 0), self.me + 1, "somebody was let in beside T{}", self.me);
        self.order.retain(|&o| o != m);
        Ok(())
    }
    pub fn unlock_all(&mut self) {
        while let Some(&m) = self.order.last() {
            self.unlock(m).unwrap();
        }
    }
}

fn work(cx: &mut ThreadCx, me: usize, shared: &Shared) {
    let locks = shared.locks.clone();
    let mut owned = Owned::new(me, &locks);
    let takes = |lock| shared.books[me].lock().unwrap().takes = lock;
    loop {
        shared.sent[me].down(cx);
        let op = shared.books[me].lock().unwrap().mail.pop_front().expect("a unit for each command");
        let ended = match op {
            Op::Lock(m, way) => {
                takes(Some(m));
                let ended = owned.lock(cx, m, way, shared.began);
                takes(None);
                ended
            }
            Op::TryLock(m) => owned.try_lock(cx, m),
            Op::Unlock(m) => owned.unlock(m),
            Op::Exit => return owned.unlock_all(),
            Op::Set(..) | Op::Interrupt(_) | Op::Kill(_) => {
                let ids = shared.ids.lock().unwrap().clone();
                change(cx, &ids, op)
            }
        };
        shared.books[me].lock().unwrap().ended.push(ended);
    }
}

impl Shared {
    fn send(&self, cx: &mut ThreadCx, step: &Step) -> Vec<Ended> {
        let mut by_driver = Vec::new();
        let ids = self.ids.lock().unwrap().clone();
        for &(who, op) in step {
            match who {
                Some(t) => {
                    self.books[t].lock().unwrap().mail.push_back(op);
                    self.sent[t].up(cx).unwrap();
                }
                None => by_driver.push(change(cx, &ids, op)),
            }
        }
        by_driver
    }
    fn look(&self, cx: &mut ThreadCx, by_driver: Vec<Ended>) -> Seen {
        let ids = self.ids.lock().unwrap().clone();
        let number = |id: ThreadId| ids.iter().position(|&other| other == id).unwrap_or(THREADS);
        let mut threads = [None; THREADS];
        thread::for_each(cx, |_, info| {
            let t = number(info.id);
            if t < THREADS {
                let asleep = matches!(info.state, State::Interruptible | State::Uninterruptible);
                let takes = self.books[t].lock().unwrap().takes;
                threads[t] = Some((info.level.get(), takes.filter(|_| asleep && info.wchan == "mutex")));
            }
        });
        let mut ended: [Vec<Ended>; THREADS + 1] = Default::default();
        for (t, ended) in ended.iter_mut().take(THREADS).enumerate() {
            *ended = std::mem::take(&mut self.books[t].lock().unwrap().ended);
        }
        ended[THREADS] = by_driver;
        let locks = self.locks.each_ref().map(|lock| (lock.owner().map(number), lock.top_waiter().map(number)));
        Seen { threads, locks, ended }
    }
}

fn at_rest() -> Result<(), String> {
    if hw::sim::others_are_at_rest() { Ok(()) } else { Err("the other CPUs do not come to rest".into()) }
}

/// Plays a script; the driver runs it.
///
/// # Errors
/// The first thing that is not as the model has it.
fn play(cx: &mut ThreadCx, script: &Script, locks: &Arc<Locks>) -> Result<Counts, String> {
    let shared = Arc::new(Shared {
        locks: locks.clone(),
        sent: [const { Semaphore::new(0) }; THREADS],
        books: Default::default(),
        ids: HostMutex::default(),
        began: hw::sim::time(),
    });
    let mut handles = Vec::new();
    for (t, &class) in script.classes.iter().enumerate() {
        let mine = shared.clone();
        handles.push(start(cx, &format!("T{t}"), policy(class), move |cx| work(cx, t, &mine)));
        shared.ids.lock().unwrap().push(handles[t].id());
    }
    let mut model = script.model();
    for (n, step) in script.steps.iter().enumerate() {
        time::sleep_until(cx, at(shared.began + moment(n))).unwrap();
        let by_driver = shared.send(cx, step);
        model.step(moment(n), step);
        // Half of the way to the first deadline.
        time::sleep_until(cx, at(shared.began + moment(n) + moment(0) / 4)).unwrap();
        at_rest()?;
        let (kernel, model) = (shared.look(cx, by_driver), model.look());
        if kernel != model {
            return Err(format!("after step {n}\nthe kernel has {kernel:?}\nthe model has  {model:?}"));
        }
        let mut verified = kernel::verify::all(cx);
        // The slots of threads that have ended are freed beside the script, by other CPUs' threads: what one of them is in the middle
        // of is over a moment later, and what is wrong stays wrong.
        for _ in 0..1_000 {
            if verified.is_ok() {
                break;
            }
            hw::sim::point();
            verified = kernel::verify::all(cx);
        }
        if let Err(violation) = verified {
            return Err(format!("after step {n}: {violation}"));
        }
    }
    match handles.iter().position(|handle| !handle.is_finished()) {
        Some(t) => Err(format!("T{t} does not end")),
        None => Ok(model.counts),
    }
}

/// What a machine has found: how many scripts it has played, what happened in them, and what is wrong with the last one.
#[derive(Clone, Default)]
pub struct Found {
    pub played: usize,
    pub counts: Counts,
    pub wrong: Option<String>,
}

/// Boots a machine and plays scripts until one goes wrong.
pub fn on_a_machine(cpus: usize, seed: u64, scripts: Vec<Script>) -> Found {
    let found = Arc::new(HostMutex::new(Found::default()));
    let order = if cpus == 1 { Order::Fixed } else { Order::Seeded(seed) };
    let config = Config { cpus, order, frequency: 1_000_000_000, ..Config::default() };
    let notes = found.clone();
    let body = move |cx: &mut ThreadCx| {
        become_policy(cx, fifo(99));
        let locks = locks();
        for script in scripts {
            let played = play(cx, &script, &locks);
            let mut found = notes.lock().unwrap();
            match played {
                Ok(counts) => found.counts.add(&counts),
                Err(wrong) => return found.wrong = Some(wrong),
            }
            found.played += 1;
        }
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| kernel::simulation::boot(config, "", body)));
    let mut found = found.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
    match outcome {
        Ok(outcome) if outcome.end == End::Exit(0) => {}
        Ok(outcome) => found.wrong = Some(format!("{:?}\n{}\n{}", outcome.end, outcome.console, outcome.story)),
        Err(_) => found.wrong = Some("panicked, as told above".into()),
    }
    found
}
