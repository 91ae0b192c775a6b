//! Does the word of a sleeping lock exclude, wake and let go of its memory (RM-01)?
//!
//! The lock is the kernel's without priorities (`kernel/src/sync/rtmutex`): its wait lock is a loom mutex, its waiters come
//! first, first served, and one that sleeps for ever is a deadlock to loom. Every access to the lock reads `memory`, and
//! who frees the lock writes it: an access that does not happen before that is found.
use crate::{
    explore,
    word::{Orders, Word, Written},
};
use logic::{
    atomic::Ordering::{self, Acquire, Relaxed, Release},
    owner::OwnerWord,
};
use loom::{
    cell::UnsafeCell,
    sync::{Mutex, MutexGuard},
    thread,
};
use std::{collections::VecDeque, sync::Arc};

/// Which step is wrong.
#[derive(Clone, Copy, PartialEq)]
enum Wrong {
    Nothing,
    /// Who lines up looks for an owner and does not set the bit.
    LooksOnly,
    /// Who takes the lock clears the bit though others wait.
    TakesQuietly,
    /// Who gives up clears the bit though others wait.
    ClearsAlways,
    /// Who found no waiter left gives the lock back with the wait lock in hand.
    ReleasesInside,
}

type Waiters = VecDeque<(u32, thread::Thread)>;

struct Lock<O> {
    word: OwnerWord<Word<O>>,
    waiters: Mutex<Waiters>,
    wrong: Wrong,
    /// What the lock protects.
    value: UnsafeCell<u32>,
    memory: UnsafeCell<()>,
}

// SAFETY: none but the model's own threads have it, which run one at a time; loom finds accesses that the lock does not
// order.
unsafe impl<O> Sync for Lock<O> {}
// SAFETY: as above.
unsafe impl<O> Send for Lock<O> {}

impl<O: Orders> Lock<O> {
    fn new(value: u32, wrong: Wrong) -> Arc<Self> {
        Arc::new(Self {
            word: OwnerWord::new(Word::new(0)),
            waiters: Mutex::new(VecDeque::new()),
            wrong,
            value: UnsafeCell::new(value),
            memory: UnsafeCell::new(()),
        })
    }
    fn touch(&self) {
        self.memory.with(|_| ());
    }
    fn wait_lock(&self) -> MutexGuard<'_, Waiters> {
        self.touch();
        self.waiters.lock().unwrap()
    }
    fn wait_unlock(&self, waiters: MutexGuard<'_, Waiters>) {
        self.touch();
        drop(waiters);
    }
    fn try_fast(&self, me: u32) -> bool {
        self.touch();
        self.word.try_acquire(me)
    }
    fn try_take(&self, waiters: &mut Waiters, me: u32) -> bool {
        let owner = if self.wrong == Wrong::LooksOnly { self.word.owner() } else { self.word.announce() };
        if owner != 0 || waiters.front().is_some_and(|&(first, _)| first != me) {
            return false;
        }
        waiters.pop_front();
        self.word.take(me, !waiters.is_empty() && self.wrong != Wrong::TakesQuietly);
        true
    }
    fn tidy(&self, waiters: &Waiters) {
        if (waiters.is_empty() || self.wrong == Wrong::ClearsAlways) && self.word.has_waiters() {
            self.word.retract();
        }
    }
    /// Takes it or lines up; whether it was taken.
    fn line_up(&self, me: u32) -> bool {
        let mut waiters = self.wait_lock();
        let taken = self.try_take(&mut waiters, me);
        if !taken {
            waiters.push_back((me, thread::current()));
        }
        self.wait_unlock(waiters);
        taken
    }
    fn lock_slow(&self, me: u32) {
        let mut taken = self.line_up(me);
        while !taken {
            thread::park();
            let mut waiters = self.wait_lock();
            taken = self.try_take(&mut waiters, me);
            self.wait_unlock(waiters);
        }
    }
    fn lock(&self, me: u32) {
        if !self.try_fast(me) {
            self.lock_slow(me);
        }
    }
    /// A wait that is over as soon as it has begun; whether it took the lock.
    fn lock_for_a_moment(&self, me: u32) -> bool {
        if self.try_fast(me) || self.line_up(me) {
            return true;
        }
        let mut waiters = self.wait_lock();
        let taken = self.try_take(&mut waiters, me);
        if !taken {
            waiters.retain(|&(waiter, _)| waiter != me);
            self.tidy(&waiters);
        }
        self.wait_unlock(waiters);
        taken
    }
    fn unlock(&self, me: u32) {
        loop {
            self.touch();
            if self.word.try_release(me) {
                return;
            }
            let waiters = self.wait_lock();
            match waiters.front() {
                Some((_, top)) => {
                    let top = top.clone();
                    self.word.leave_to_waiters();
                    self.wait_unlock(waiters);
                    return top.unpark();
                }
                None if self.wrong == Wrong::ReleasesInside => {
                    self.word.retract();
                    assert!(self.word.try_release(me));
                    return self.wait_unlock(waiters);
                }
                None => {
                    self.word.retract();
                    self.wait_unlock(waiters);
                }
            }
        }
    }
    /// The owner counts down; whether it was the last one.
    fn count_down(&self) -> bool {
        // SAFETY: the lock is held.
        self.value.with_mut(|value| unsafe {
            *value -= 1;
            *value == 0
        })
    }
    fn free(&self) {
        self.memory.with_mut(|_| ());
    }
    /// Nobody has it and nobody waits.
    fn assert_free(&self) {
        assert_eq!((self.word.owner(), self.word.has_waiters()), (0, false), "nobody uses it, but the word is not 0");
    }
}

/// `others` threads beside the model's own take the lock once each. `slow`: they do not try the fast path.
fn contend<O: Orders>(others: u32, slow: bool, wrong: Wrong) {
    let lock = Lock::<O>::new(others + 1, wrong);
    let threads: Vec<_> = (2..2 + others)
        .map(|me| {
            let lock = Arc::clone(&lock);
            thread::spawn(move || {
                if slow {
                    lock.lock_slow(me)
                } else {
                    lock.lock(me)
                }
                lock.count_down();
                lock.unlock(me);
            })
        })
        .collect();
    lock.lock(1);
    lock.count_down();
    lock.unlock(1);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    lock.assert_free();
    // SAFETY: all have ended.
    assert_eq!(lock.value.with(|value| unsafe { *value }), 0);
}

/// The owner gives the lock back while one or two others give up, and one may wait for good.
fn give_up(leavers: u32, stays: bool, wrong: Wrong) {
    let lock = Lock::<Written>::new(0, wrong);
    lock.lock(1);
    let mut threads = Vec::new();
    for me in 2..2 + leavers {
        let lock = Arc::clone(&lock);
        threads.push(thread::spawn(move || {
            if lock.lock_for_a_moment(me) {
                lock.unlock(me);
            }
        }));
    }
    if stays {
        let lock = Arc::clone(&lock);
        threads.push(thread::spawn(move || {
            lock.lock(9);
            lock.unlock(9);
        }));
    }
    lock.unlock(1);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    lock.assert_free();
}

/// Two users of an object that counts them under its own lock; the last one frees it. One gives a wait up first.
fn free_after_unlock(wrong: Wrong) {
    let lock = Lock::<Written>::new(2, wrong);
    let last = |lock: &Lock<Written>, me| {
        let last = lock.count_down();
        lock.unlock(me);
        if last {
            lock.free();
        }
    };
    let other = {
        let lock = Arc::clone(&lock);
        thread::spawn(move || {
            if !lock.lock_for_a_moment(2) {
                lock.lock(2);
            }
            last(&lock, 2);
        })
    };
    lock.lock(1);
    last(&lock, 1);
    other.join().unwrap();
}

/// RM-01: two threads exclude each other by fast and slow paths, and nobody sleeps for ever.
#[test]
fn owner_two_exclude_each_other() {
    explore(None, || contend::<Written>(1, false, Wrong::Nothing));
    explore(None, || contend::<Written>(1, true, Wrong::Nothing));
}

/// RM-01: three do.
#[test]
fn owner_three_exclude_each_other() {
    explore(3, || contend::<Written>(2, false, Wrong::Nothing));
}

/// RM-01.2: waiters that give up while the owner gives the lock back leave a word that is 0, and take no wake-up along.
#[test]
fn owner_waiters_that_give_up_leave_nothing() {
    explore(None, || give_up(1, false, Wrong::Nothing));
    explore(3, || give_up(2, false, Wrong::Nothing));
    explore(3, || give_up(1, true, Wrong::Nothing));
}

/// RM-01.3: after the operation that frees the lock its owner does not touch it.
#[test]
fn owner_the_last_user_frees_the_lock() {
    explore(None, || free_after_unlock(Wrong::Nothing));
}

/// The lock is given back without a release.
struct NoRelease;
impl Orders for NoRelease {
    fn modify(written: Ordering) -> Ordering {
        if written == Release { Relaxed } else { written }
    }
}
/// The lock is taken without an acquire, on the fast path and on the slow one.
struct NoAcquire;
impl Orders for NoAcquire {
    fn modify(written: Ordering) -> Ordering {
        if written == Acquire { Relaxed } else { written }
    }
}

/// RM-01: a Relaxed release on the fast path does not exclude.
#[test]
#[should_panic(expected = "Causality violation")]
fn owner_without_release_fails() {
    explore(2, || contend::<NoRelease>(1, false, Wrong::Nothing));
}
/// RM-01: a Relaxed acquire on the fast path does not exclude.
#[test]
#[should_panic(expected = "Causality violation")]
fn owner_without_acquire_fails() {
    explore(2, || contend::<NoAcquire>(1, false, Wrong::Nothing));
}
/// RM-01: who learns on the slow path that the lock is free has to acquire what its last owner did.
#[test]
#[should_panic(expected = "Causality violation")]
fn owner_relaxed_announcement_fails() {
    explore(2, || contend::<NoAcquire>(1, true, Wrong::Nothing));
}
/// RM-01: an owner that does not see the bit gives the lock back past a waiter.
#[test]
#[should_panic(expected = "deadlock")]
fn owner_without_the_bit_fails() {
    explore(2, || contend::<Written>(1, false, Wrong::LooksOnly));
}
/// RM-01: so does the next owner, if others still wait.
#[test]
#[should_panic(expected = "deadlock")]
fn owner_taken_without_the_bit_fails() {
    explore(2, || contend::<Written>(2, false, Wrong::TakesQuietly));
}
/// RM-01.2: one that gives up may clear the bit only if nobody else waits.
#[test]
#[should_panic(expected = "deadlock")]
fn owner_bit_cleared_by_one_of_two_fails() {
    explore(3, || give_up(1, true, Wrong::ClearsAlways));
}
/// RM-01.3: an owner that gives the lock back before the wait lock touches what another one has freed.
#[test]
#[should_panic(expected = "Causality violation")]
fn owner_released_inside_the_wait_lock_fails() {
    explore(3, || free_after_unlock(Wrong::ReleasesInside));
}
