//! Does the raw lock exclude, hand over and keep the order of arrival (LK-01)?
use crate::{
    explore,
    word::{Orders, Word, Written},
};
use logic::{
    atomic::Ordering::{self, Relaxed},
    spin::TicketLock,
};
use loom::{cell::UnsafeCell, thread};
use std::sync::Arc;

/// The order of those who had the lock, protected by it.
struct Turns<O> {
    word: TicketLock<Word<O>>,
    takers: UnsafeCell<Vec<u32>>,
}

// SAFETY: none but the model's own threads have it, which run one at a time; loom finds accesses that the lock does not
// order.
unsafe impl<O> Sync for Turns<O> {}
// SAFETY: as above.
unsafe impl<O> Send for Turns<O> {}

impl<O: Orders> Turns<O> {
    fn new() -> Arc<Self> {
        let word = || Word::new(0);
        Arc::new(Self { word: TicketLock::new(word(), word(), word(), word()), takers: UnsafeCell::new(Vec::new()) })
    }
    /// One taker's turn.
    fn take(&self, who: u32, mut while_waiting: impl FnMut()) {
        if !self.word.try_acquire(1) {
            self.word.queue(1, || {
                while_waiting();
                thread::yield_now();
            });
        }
        // SAFETY: the lock is held.
        self.takers.with_mut(|takers| unsafe { (*takers).push(who) });
        self.word.release();
    }
    /// Who had it, once all are done.
    fn takers(&self) -> Vec<u32> {
        assert!(self.word.try_acquire(1), "the last one did not give it back");
        // SAFETY: the lock is held.
        self.takers.with(|takers| unsafe { (*takers).clone() })
    }
}

/// `others` threads beside the model's own take the lock `times` times each.
fn contend<O: Orders>(others: u32, times: u32) {
    let turns = Turns::<O>::new();
    let threads: Vec<_> = (1..=others)
        .map(|who| {
            let turns = Arc::clone(&turns);
            thread::spawn(move || (0..times).for_each(|_| turns.take(who, || {})))
        })
        .collect();
    (0..times).for_each(|_| turns.take(0, || {}));
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(turns.takers().len() as u32, (others + 1) * times);
}

/// LK-01: two CPUs exclude each other and each gets the lock, again and again.
#[test]
fn spin_two_exclude_each_other() {
    explore(None, || contend::<Written>(1, 1));
    explore(5, || contend::<Written>(1, 2));
}

/// LK-01: three CPUs exclude each other; every ticket is served.
#[test]
fn spin_three_exclude_each_other() {
    explore(2, || contend::<Written>(2, 1));
}

/// LK-01.1: who comes while a ticket is out gets the lock after that ticket, whether it is free at that moment or not.
#[test]
fn spin_first_come_first_served() {
    explore(None, || {
        let turns = Turns::<Written>::new();
        assert!(turns.word.try_acquire(1));
        let first = {
            let turns = Arc::clone(&turns);
            thread::spawn(move || {
                let mut second = None;
                turns.take(1, || {
                    second.get_or_insert_with(|| {
                        let turns = Arc::clone(&turns);
                        thread::spawn(move || turns.take(2, || {}))
                    });
                });
                second
            })
        };
        turns.word.release();
        match first.join().unwrap() {
            Some(second) => {
                second.join().unwrap();
                assert_eq!(turns.takers(), [1, 2]);
            }
            None => assert_eq!(turns.takers(), [1]),
        }
    });
}

/// The lock is given back without a release.
struct NoRelease;
impl Orders for NoRelease {
    fn store(_: Ordering) -> Ordering {
        Relaxed
    }
}
/// The lock is taken without an acquire.
struct NoAcquire;
impl Orders for NoAcquire {
    fn modify(_: Ordering) -> Ordering {
        Relaxed
    }
}

/// LK-01: a Relaxed store of `held` does not exclude.
#[test]
#[should_panic(expected = "Causality violation")]
fn spin_without_release_fails() {
    explore(2, || contend::<NoRelease>(1, 1));
}

/// LK-01: a Relaxed exchange of `held` does not exclude.
#[test]
#[should_panic(expected = "Causality violation")]
fn spin_without_acquire_fails() {
    explore(2, || contend::<NoAcquire>(1, 1));
}
