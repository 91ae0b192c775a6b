//! Does a priority get along a chain of owners that wait themselves, and what does that cost? (RM-04)
use crate::{
    harness::{become_policy, exact, fair, fifo, ms, start},
    mutex::level,
    rm_boost::waits,
    sequencer::{
        Cmd::{Lock, LockInt, SetFifo, Signal, Unlock},
        Expect::{BlockedOn, Eff, Not, Owns},
        Seq, played,
    },
};
use hw::sim;
use kernel::{
    ThreadCx,
    simulation::most_at_once,
    sync::{Mutex, Semaphore},
    thread::{JoinHandle, ThreadId},
    time,
};
use std::{cell::Cell, rc::Rc, sync::Arc};

/// T0, fair, owns lock 0; T1 at 20 owns locks 1 and 2 and waits for lock 0.
fn middle(seq: Seq<'_>) -> Seq<'_> {
    let seq = seq.cmd(0, Lock(0)).expect(0, Owns(0)).cmd(1, SetFifo(20)).cmd(1, Lock(1)).cmd(1, Lock(2));
    seq.expect(1, Owns(2)).cmd(1, Lock(0)).expect(1, BlockedOn(0)).expect(0, Eff(20))
}

/// RM-04.1: the last waiter's priority reaches the first owner.
#[test]
fn through_two_locks() {
    played(3, chain_of_two);
}
pub fn chain_of_two(seq: Seq<'_>) -> Seq<'_> {
    let seq = waits(middle(seq), 2, 30, 1).expect(1, Eff(30)).expect(0, Eff(30));
    let seq = seq.cmd(0, Unlock(0)).expect(1, Owns(0)).expect(0, Eff(0)).expect(1, Eff(30));
    seq.cmd(1, Unlock(1)).expect(2, Owns(1)).expect(1, Eff(20))
}

/// RM-04.2: when it leaves, that of the next one counts, all along the chain.
#[test]
fn a_waiter_that_leaves_is_forgotten_along_the_chain() {
    played(5, |seq| {
        let seq = waits(middle(seq), 3, 25, 2).cmd(2, SetFifo(30)).cmd(2, LockInt(1)).expect(2, BlockedOn(1));
        let seq = seq.expect(1, Eff(30)).expect(0, Eff(30)).cmd(4, SetFifo(90)).cmd(4, Signal(2)).expect(2, Not(1));
        seq.expect(1, Eff(25)).expect(0, Eff(25))
    });
}

/// Fair threads in a row: the first owns the first lock and waits for a unit; each other one owns its own lock and waits
/// for the one before.
pub struct Chain {
    pub locks: Arc<Vec<Mutex<()>>>,
    threads: Vec<JoinHandle<()>>,
    go: Arc<Semaphore>,
}
impl Chain {
    /// Whoever makes it has a real-time policy.
    pub fn new(cx: &mut ThreadCx, length: usize) -> Self {
        let locks: Arc<Vec<_>> = Arc::new((0..length).map(|_| Mutex::new(())).collect());
        let go = Arc::new(Semaphore::new(0));
        let threads = (0..length).map(|n| {
            let (locks, gate) = (locks.clone(), go.clone());
            let thread = start(cx, &format!("link {n}"), fair(), move |cx| {
                let _own = locks[n].lock(cx);
                match n {
                    0 => gate.down(cx),
                    _ => drop(locks[n - 1].lock(cx)),
                }
            });
            time::sleep(cx, ms(1)).unwrap();
            thread
        });
        let threads = threads.collect();
        Self { locks, threads, go }
    }
    /// The lock at its end, for which nobody waits.
    pub fn last(&self) -> &Mutex<()> {
        self.locks.last().unwrap()
    }
    pub fn ids(&self) -> impl Iterator<Item = ThreadId> + '_ {
        self.threads.iter().map(JoinHandle::id)
    }
    /// All get what they wait for and end.
    pub fn finish(self, cx: &mut ThreadCx) {
        self.go.up(cx).unwrap();
        self.threads.into_iter().for_each(|mut thread| thread.join(cx).unwrap());
    }
}

/// The largest number of points in a row at which interrupts were masked, from now on.
fn longest_masked() -> Rc<Cell<u64>> {
    fn look(now: u64, longest: Rc<Cell<u64>>) {
        let now = if hw::irqs::enabled() { 0 } else { now + 1 };
        longest.set(longest.get().max(now));
        sim::at_point_call(1, Box::new(move || look(now, longest)));
    }
    let longest = Rc::new(Cell::new(0));
    look(0, longest.clone());
    longest
}

/// A thread at 99 waits for the end of a chain of this length: the longest stretch with interrupts masked in points, and
/// the most raw locks that were held at once.
fn tail_of(length: usize) -> (u64, u32) {
    let result = Rc::new(Cell::new((0, 0)));
    let measured = result.clone();
    exact(move |cx| {
        become_policy(cx, fifo(98));
        let chain = Chain::new(cx, length);
        let locks = chain.locks.clone();
        let longest = longest_masked();
        most_at_once();
        let mut tail = start(cx, "tail", fifo(99), move |cx| drop(locks.last().unwrap().lock(cx)));
        measured.set((longest.get(), most_at_once()));
        for id in chain.ids() {
            assert_eq!(level(cx, id), 99);
        }
        chain.finish(cx);
        tail.join(cx).unwrap();
    });
    result.get()
}

/// RM-04.3: 64 links are boosted, and interrupts are masked for as long as with 4; no more than two raw locks are ever held
/// at once, those of run queues counted.
#[test]
fn a_hop_costs_the_same_in_a_long_chain() {
    let (masked, locks) = tail_of(4);
    assert!(masked > 10, "{masked} points");
    assert_eq!(locks, 2);
    assert_eq!(tail_of(64), (masked, locks));
}
