//! Do the rules hold when nobody waits for anybody to come to rest?
//!
//! Each thread follows a script of its own, on CPUs that really run at once, and the driver changes priorities, interrupts
//! and kills in between. Nothing tells what has to come out; but one thread at a time is in a lock, every thread ends, and
//! then all locks are free and every level is its policy's, by the verifier.
//!
//! A thread that waits without limit must not do so for itself. The locks from [`ORDERED`] on are taken in their order
//! only; a lock before them is waited for by whoever owns none, or in a way that can fail, and never with one of the former
//! in hand. A killed thread gives nothing back, so those that may be killed wait with empty hands only.
use super::{
    naive::{Ended, LOCKS, THREADS},
    play::{Locks, Owned, change, locks, policy},
    script::{Class, Op, Way},
};
use crate::harness::{MS, US, at, become_policy, fifo, ms, seeded, sleep_till, smp, start, start_on};
use hw::sim::{self, Rng, seeds};
use kernel::{
    Error, ThreadCx,
    thread::{self, ThreadId},
    time,
};
use std::{
    cell::Cell,
    sync::{Arc, Mutex},
};

/// The first of the locks that are taken in order.
const ORDERED: usize = 4;
/// The first of the threads that may be killed.
const MORTAL: usize = 6;
const STEPS: usize = 32;
/// When they begin, and when they have ended, in ns.
const BEGIN: u64 = 1_000 * US;
const END: u64 = 20_000 * US;

/// How often what the racing is for has happened.
#[derive(Clone, Copy, Default, Debug)]
struct Counts {
    taken: u64,
    timed_out: u64,
    interrupted: u64,
    deadlocks: u64,
    would_block: u64,
    killed: u64,
    /// Waits for a lock as the driver saw them, and threads that inherited then.
    waits: u64,
    boosted: u64,
}

struct Shared {
    locks: Arc<Locks>,
    ids: Mutex<Vec<ThreadId>>,
    counts: Mutex<Counts>,
}

impl Shared {
    fn count(&self, what: impl FnOnce(&mut Counts) -> &mut u64) {
        *what(&mut self.counts.lock().unwrap()) += 1;
    }
    fn ended(&self, ended: Ended) {
        self.count(|counts| match ended {
            Ok(()) => &mut counts.taken,
            Err(Error::TimedOut) => &mut counts.timed_out,
            Err(Error::Interrupted) => &mut counts.interrupted,
            Err(Error::Deadlock) => &mut counts.deadlocks,
            Err(Error::WouldBlock) => &mut counts.would_block,
            Err(error) => panic!("a lock cannot end with {error:?}"),
        });
    }
    fn change_somebody(&self, cx: &mut ThreadCx, rng: &Rng) {
        let ids = self.ids.lock().unwrap().clone();
        let t = rng.below(THREADS as u64) as usize;
        let op = if rng.below(4) == 0 { Op::Interrupt(t) } else { Op::Set(t, Class::draw(rng)) };
        // Who has ended is not found.
        let _ = change(cx, &ids, op);
    }
}

/// How a thread that owns these may wait for `m`: not at all, in a way that can fail, or as it likes.
fn may_wait(owns: &[usize], m: usize) -> Option<bool> {
    let highest = owns.iter().copied().filter(|&o| o >= ORDERED).max();
    match highest {
        Some(highest) => (m > highest).then_some(true),
        None if m >= ORDERED => Some(true),
        None => Some(owns.is_empty()),
    }
}

fn take(cx: &mut ThreadCx, rng: &Rng, owned: &mut Owned<'_>, shared: &Shared) {
    let m = rng.below(LOCKS as u64) as usize;
    let Some(forever) = may_wait(&owned.order, m) else { return };
    let ended = match rng.below(8) {
        0 if !owned.order.contains(&m) => owned.try_lock(cx, m),
        1 | 2 if forever => owned.lock(cx, m, Way::Forever, 0),
        3 | 4 => owned.lock(cx, m, Way::Interruptible, 0),
        5 => owned.lock(cx, m, Way::Detect, 0),
        _ => owned.lock(cx, m, Way::Until(sim::time() + rng.below(60 * US)), 0),
    };
    shared.ended(ended);
}

fn step(cx: &mut ThreadCx, rng: &Rng, mortal: bool, owned: &mut Owned<'_>, shared: &Shared) {
    match rng.below(10) {
        0..4 if mortal && !owned.order.is_empty() => sim::spend(rng.below(10 * US)),
        0..6 if !mortal || owned.order.is_empty() => take(cx, rng, owned, shared),
        6 => sim::spend(rng.below(20 * US)),
        7 => shared.change_somebody(cx, rng),
        _ => {
            let owns = owned.order.len() as u64;
            if owns > 0 {
                owned.unlock(owned.order[rng.below(owns) as usize]).unwrap();
            }
        }
    }
}

fn scenario(cpus: usize, seed: u64, all: Arc<Mutex<Counts>>) {
    seeded(cpus, seed, move |cx| {
        let shared = Arc::new(Shared { locks: locks(), ids: Mutex::default(), counts: Mutex::default() });
        let scripts = Rng::new(seed ^ 0x7261_6365);
        become_policy(cx, fifo(99));
        let handles: Vec<_> = (0..THREADS)
            .map(|t| {
                let (mine, rng) = (shared.clone(), Rng::new(scripts.draw()));
                start(cx, &format!("T{t}"), policy(Class::draw(&scripts)), move |cx| {
                    time::sleep_until(cx, at(BEGIN)).unwrap();
                    let locks = mine.locks.clone();
                    let mut owned = Owned::new(t, &locks);
                    (0..STEPS).for_each(|_| step(cx, &rng, t >= MORTAL, &mut owned, &mine));
                    owned.unlock_all();
                })
            })
            .collect();
        let ids: Vec<_> = handles.iter().map(|handle| handle.id()).collect();
        shared.ids.lock().unwrap().clone_from(&ids);
        time::sleep_until(cx, at(BEGIN)).unwrap();
        for n in 0..30 {
            sim::spend(scripts.below(10 * US));
            shared.change_somebody(cx, &scripts);
            if n % 4 == 1 {
                let _ = thread::kill(cx, ids[MORTAL + scripts.below(2) as usize]);
            }
            thread::for_each(cx, |_, info| {
                let mut counts = shared.counts.lock().unwrap();
                counts.waits += u64::from(info.wchan == "mutex");
                counts.boosted += u64::from(info.level > info.policy.level());
            });
            time::sleep(cx, core::time::Duration::from_nanos(scripts.below(20 * US))).unwrap();
        }
        time::sleep_until(cx, at(END)).unwrap();
        for (t, mut handle) in handles.into_iter().enumerate() {
            match handle.join_timeout(cx, time::now().saturating_add(ms(1))) {
                Ok(()) => {}
                Err(Error::Interrupted) if t >= MORTAL => shared.count(|counts| &mut counts.killed),
                ended => panic!("T{t} does not end: {ended:?}"),
            }
        }
        for (m, lock) in shared.locks.iter().enumerate() {
            assert_eq!((lock.owner(), lock.top_waiter(), *lock.lock(cx)), (None, None, 0), "lock {m}");
        }
        let (mut all, counts) = (all.lock().unwrap(), *shared.counts.lock().unwrap());
        all.add(&counts);
    });
}

impl Counts {
    fn each(&mut self) -> [(&'static str, &mut u64); 8] {
        [
            ("taken", &mut self.taken),
            ("timed out", &mut self.timed_out),
            ("interrupted", &mut self.interrupted),
            ("deadlocks", &mut self.deadlocks),
            ("would block", &mut self.would_block),
            ("killed", &mut self.killed),
            ("waits", &mut self.waits),
            ("boosted", &mut self.boosted),
        ]
    }
    fn add(&mut self, more: &Self) {
        let mut more = *more;
        for ((_, n), (_, more)) in self.each().into_iter().zip(more.each()) {
            *n += *more;
        }
    }
}

/// RM-04.4, RM-04.5, RM-07.2, RM-09: on CPUs that do not wait for each other.
#[test]
fn racing() {
    let (all, scripts) = (Arc::new(Mutex::new(Counts::default())), Cell::new(0));
    seeds(1500, |seed| {
        scenario(if seed % 4 == 3 { 2 } else { 4 }, seed, all.clone());
        scripts.set(scripts.get() + 1);
    });
    let mut all = *all.lock().unwrap();
    for (what, times) in all.each() {
        assert!(*times >= scripts.get() / 10, "{what}: {times} times in {} scripts", scripts.get());
    }
}

/// RM-05.2: who lines up behind a woken waiter sleeps; it does not keep an equal on its own CPU from running.
#[test]
fn behind_a_woken_waiter_one_sleeps() {
    smp(2, |cx| {
        become_policy(cx, fifo(99));
        let lock = Arc::new(kernel::sync::Mutex::new(Vec::new()));
        let mut workers = Vec::new();
        for (name, cpu, priority, comes) in [("owner", 0, 30, 1), ("waiter", 1, 20, 2), ("newcomer", 1, 20, 3)] {
            let lock = lock.clone();
            workers.push(start_on(cx, &[cpu], name, fifo(priority), move |cx| {
                sleep_till(cx, comes * MS);
                if name == "newcomer" {
                    // Comes for the lock when the waiter is woken, and waits for this CPU.
                    sim::spend(4 * MS);
                }
                let mut order = lock.lock(cx);
                if name == "owner" {
                    // Asleep: one that runs would be spun for.
                    sleep_till(cx, 5 * MS);
                }
                order.push(name);
            }));
        }
        for mut worker in workers {
            worker.join_timeout(cx, at(20 * MS)).unwrap();
        }
        assert_eq!(*lock.lock(cx), ["owner", "waiter", "newcomer"]);
    });
}
