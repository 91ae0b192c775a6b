//! Does a thread that is about to sleep ever miss its wake-up (LK-10.4)?
use crate::{
    explore,
    sleeper::Sleeper,
    word::{Orders, Word, Written},
};
use logic::{
    atomic::{
        Ordering::{self, Acquire, Relaxed, Release, SeqCst},
        Word as _,
    },
    handshake::Sleeper as _,
    wakeflag::Posted,
};
use loom::{
    sync::{Mutex, atomic::AtomicU32},
    thread,
};
use std::sync::Arc;

/// A thread waits for a condition that another one makes true. One that sleeps for ever is a deadlock to loom.
/// `A`: the orders of the announcement, `C`: those of the condition.
fn wait_for_a_condition<A: Orders, C: Orders>() {
    let shared = Arc::new((Sleeper::<A>::new(), Word::<C>::seq_cst(0)));
    let sleeper = {
        let shared = Arc::clone(&shared);
        thread::spawn(move || {
            let (me, condition) = &*shared;
            while condition.load(SeqCst) == 0 {
                me.announce();
                if condition.load(SeqCst) == 0 {
                    me.block();
                } else {
                    me.stay_awake();
                }
            }
        })
    };
    let (sleeper_state, condition) = &*shared;
    condition.store(1, SeqCst);
    sleeper_state.wake();
    sleeper.join().unwrap();
}

/// LK-10.4: announce, then look, against change, then look: one sees the other.
#[test]
fn wakeflag_no_wake_is_lost() {
    explore(None, wait_for_a_condition::<Written, Written>);
}

/// The announcement as a plain store.
struct RelaxedAnnouncement;
impl Orders for RelaxedAnnouncement {
    fn store(_: Ordering) -> Ordering {
        Relaxed
    }
}
/// Each thing that is stored before another is looked at, with less than SeqCst.
struct WeakStore;
impl Orders for WeakStore {
    fn store(_: Ordering) -> Ordering {
        Release
    }
}
/// Each look, with less than SeqCst.
struct WeakLoad;
impl Orders for WeakLoad {
    fn load(_: Ordering) -> Ordering {
        Acquire
    }
}

/// LK-10.4: a Relaxed announcement comes too late to be seen.
#[test]
#[should_panic(expected = "deadlock")]
fn wakeflag_relaxed_announcement_fails() {
    explore(None, wait_for_a_condition::<RelaxedAnnouncement, Written>);
}
/// LK-10.4: so does one with Release.
#[test]
#[should_panic(expected = "deadlock")]
fn wakeflag_release_announcement_fails() {
    explore(None, wait_for_a_condition::<WeakStore, Written>);
}
/// LK-10.4: a waker's Acquire look misses the announcement.
#[test]
#[should_panic(expected = "deadlock")]
fn wakeflag_acquire_look_of_the_waker_fails() {
    explore(None, wait_for_a_condition::<WeakLoad, Written>);
}
/// LK-10.4: a condition that is made true with Release comes too late to be seen.
#[test]
#[should_panic(expected = "deadlock")]
fn wakeflag_release_condition_fails() {
    explore(None, wait_for_a_condition::<Written, WeakStore>);
}
/// LK-10.4: a sleeper's Acquire look misses the condition.
#[test]
#[should_panic(expected = "deadlock")]
fn wakeflag_acquire_look_of_the_sleeper_fails() {
    explore(None, wait_for_a_condition::<Written, WeakLoad>);
}

/// A semaphore, as far as the console thread knows.
struct Count(Mutex<(u32, Option<thread::Thread>)>);
impl Count {
    fn up(&self) {
        let mut inner = self.0.lock().unwrap();
        inner.0 += 1;
        if let Some(waiter) = inner.1.take() {
            waiter.unpark();
        }
    }
    fn down(&self) {
        while !self.take() {
            thread::park();
        }
    }
    fn take(&self) -> bool {
        let mut inner = self.0.lock().unwrap();
        match inner.0.checked_sub(1) {
            Some(rest) => inner.0 = rest,
            None => inner.1 = Some(thread::current()),
        }
        inner.1.is_none()
    }
}

/// The log's rings, one for each of two CPUs, and its console.
struct Log<O> {
    stored: [AtomicU32; 2],
    printed: [AtomicU32; 2],
    records: Posted<Word<O>>,
    work: Count,
}
impl<O: Orders> Log<O> {
    fn new() -> Arc<Self> {
        let zeros = || [AtomicU32::new(0), AtomicU32::new(0)];
        Arc::new(Self {
            stored: zeros(),
            printed: zeros(),
            records: Posted::new(Word::new(0), Word::new(0)),
            work: Count(Mutex::new((0, None))),
        })
    }
    /// `kernel::log::store`, on one CPU.
    fn store(&self, cpu: usize) {
        self.stored[cpu].store(1, Relaxed);
        if self.records.post() {
            self.work.up();
        }
    }
    /// The console thread, until it has printed two records.
    fn print(&self) {
        let mut printed = 0;
        while printed < 2 {
            self.work.down();
            self.records.begin();
            printed = 0;
            for (stored, copy) in self.stored.iter().zip(&self.printed) {
                let records = stored.load(Relaxed);
                copy.store(records, Relaxed);
                printed += records;
            }
            self.records.end();
        }
    }
}

/// Two CPUs log a record each. A record that is left behind leaves the console thread asleep: a deadlock to loom.
fn log_two_records<O: Orders>() {
    let log = Log::<O>::new();
    let (console, other) = (Arc::clone(&log), Arc::clone(&log));
    let console = thread::spawn(move || console.print());
    let other = thread::spawn(move || other.store(1));
    log.store(0);
    if log.records.is_done() {
        assert_eq!(log.printed[0].load(Relaxed), 1, "done, but not printed");
    }
    other.join().unwrap();
    console.join().unwrap();
}

/// PK-02: no record stays behind because its CPU left the wake-up to another one, and what is done is printed.
#[test]
fn wakeflag_every_record_is_printed() {
    explore(4, log_two_records::<Written>);
}

/// The thread forgets what is pending as a store would: without reading who asked for it.
struct ForgetBlindly;
impl Orders for ForgetBlindly {
    fn swap(_: Ordering) -> Ordering {
        Release
    }
}
/// The console thread is done without saying what it did.
struct EndQuietly;
impl Orders for EndQuietly {
    fn store(_: Ordering) -> Ordering {
        Relaxed
    }
}

/// PK-02: a thread that forgets what is pending without acquiring it leaves a record behind.
#[test]
#[should_panic(expected = "deadlock")]
fn wakeflag_forgetting_blindly_fails() {
    explore(3, log_two_records::<ForgetBlindly>);
}
/// PK-02: an end without Release is seen before what was done.
#[test]
#[should_panic(expected = "done, but not printed")]
fn wakeflag_ending_quietly_fails() {
    explore(3, log_two_records::<EndQuietly>);
}
