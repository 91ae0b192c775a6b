//! Is a run of a thread's handler ever lost, or one too many (IQ-08)?
use crate::{
    explore,
    sleeper::Sleeper,
    word::{Orders, Word, Written},
};
use logic::{
    atomic::{
        Ordering::{self, AcqRel, Acquire, Relaxed, SeqCst},
        Word as _,
    },
    handshake::{self, Handshake, Sleeper as _, Taken, Wake},
};
use loom::{
    cell::UnsafeCell,
    sync::{Mutex, atomic::AtomicU32},
    thread::{self, JoinHandle},
};
use std::{cell::Cell, sync::Arc};

/// A line's handler and its thread, with the orders of the handshake.
struct Action<O = Written> {
    run: Handshake<Word<O>>,
    thread: Sleeper,
    /// Events of the device.
    raised: AtomicU32,
    /// What a hard handler or whoever moves the line leaves for the thread.
    left: UnsafeCell<u32>,
}

// SAFETY: none but the model's own threads have it, which run one at a time; loom finds accesses to `left` that nothing
// orders.
unsafe impl<O> Sync for Action<O> {}
// SAFETY: as above.
unsafe impl<O> Send for Action<O> {}

impl<O: Orders> Action<O> {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            run: Handshake::new(Word::seq_cst(0)),
            thread: Sleeper::new(),
            raised: AtomicU32::new(0),
            left: UnsafeCell::new(0),
        })
    }
    /// A hard handler, for one event.
    fn fire(&self) {
        self.raised.fetch_add(1, Relaxed);
        self.wake();
    }
    fn wake(&self) -> bool {
        let first = self.run.wake(Wake::HELD);
        if first {
            self.thread.wake();
        }
        first
    }
    fn stop(&self) {
        self.run.stop();
        self.thread.wake();
    }
    fn leave(&self, what: u32) {
        // SAFETY: as the model means it, nobody else is at it; loom checks that.
        self.left.with_mut(|left| unsafe { *left = what });
    }
    fn left(&self) -> u32 {
        // SAFETY: as `leave`.
        self.left.with(|left| unsafe { *left })
    }
}

/// An IRQ thread: `kernel/src/irq/thread.rs` without the line. Its handler says whether it goes on. Answers how often that
/// ran.
fn irq_thread<O: Orders>(
    action: &Arc<Action<O>>,
    mut handler: impl FnMut(&Arc<Action<O>>, u32) -> bool + 'static,
) -> JoinHandle<u32> {
    let action = Arc::clone(action);
    thread::spawn(move || {
        let mut runs = 0;
        while let Some(taken) = action.run.next(&action.thread) {
            assert!(taken.is_held() && !taken.is_handled());
            runs += 1;
            let goes_on = handler(&action, runs);
            action.run.finished();
            if !goes_on {
                break;
            }
        }
        runs
    })
}

/// Two CPUs raise an event each, and the thread ends when it has seen both: if it misses one, it sleeps for ever, which is
/// a deadlock to loom.
fn two_events<O: Orders>() {
    let action = Action::<O>::new();
    let thread = irq_thread(&action, |action, _| action.raised.load(Relaxed) < 2);
    let other = Arc::clone(&action);
    let other = thread::spawn(move || other.fire());
    action.fire();
    other.join().unwrap();
    assert!((1..=2).contains(&thread.join().unwrap()), "more runs than events");
}

/// IQ-08.2: whenever an event comes, a run that begins after it sees it.
#[test]
fn handshake_no_run_is_lost() {
    explore(4, two_events::<Written>);
}

/// A hard handler leaves something for the thread, which is alone with it. Only the wake tells that it is there.
fn what_was_left<O: Orders>() {
    let action = Action::<O>::new();
    let thread = {
        let action = Arc::clone(&action);
        thread::spawn(move || {
            while !action.run.is_due() {
                thread::yield_now();
            }
            let _ = action.run.take(|| ());
            assert_eq!(action.left(), 1);
        })
    };
    action.leave(1);
    assert!(action.run.wake(Wake::PLAIN));
    thread.join().unwrap();
}

/// IQ-08: what a hard handler wrote before it woke the thread, the thread's handler sees.
#[test]
fn handshake_what_was_written_before_a_wake_is_seen() {
    explore(None, what_was_left::<Written>);
}

/// IQ-08.1: two CPUs wake during the first run: one of them is the first, and there is one more run.
#[test]
fn handshake_wakes_coalesce() {
    explore(4, || {
        let action = Action::<Written>::new();
        let thread = irq_thread(&action, |action, run| {
            if run == 1 {
                let other = Arc::clone(action);
                let other = thread::spawn(move || other.wake());
                let first = action.wake();
                assert!(first != other.join().unwrap(), "two first wakes, or none");
            }
            true
        });
        action.wake();
        action.stop();
        assert_eq!(thread.join().unwrap(), 2);
    });
}

/// IQ-08.3: a wake before the stop is one run before the end, whatever the thread is at; another CPU's may be one more.
#[test]
fn handshake_a_due_run_precedes_the_end() {
    explore(3, || {
        let action = Action::<Written>::new();
        let thread = irq_thread(&action, |_, _| true);
        let other = Arc::clone(&action);
        let other = thread::spawn(move || other.wake());
        action.wake();
        action.stop();
        assert!((1..=2).contains(&thread.join().unwrap()));
        other.join().unwrap();
    });
}

/// IQ-08: a thread that nothing was asked of ends when it shall, without a run.
#[test]
fn handshake_a_stop_is_not_lost() {
    explore(None, || {
        let action = Action::<Written>::new();
        let thread = irq_thread(&action, |_, _| true);
        action.stop();
        assert_eq!(thread.join().unwrap(), 0);
    });
}

/// Who moved the line left its new place for the thread.
struct Moving<'a> {
    action: &'a Action,
    told: Cell<u32>,
}
impl handshake::Sleeper for Moving<'_> {
    fn announce(&self) {
        self.action.thread.announce();
    }
    fn block(&self) {
        self.action.thread.block();
    }
    fn stay_awake(&self) {
        self.action.thread.stay_awake();
    }
    fn affinity_changed(&self) {
        assert_eq!(self.action.left(), 1);
        self.told.set(self.told.get() + 1);
    }
}

/// IQ-08: a change of affinity makes no run; of the runs after it one is told, before its handler, and sees where to.
#[test]
fn handshake_a_change_of_affinity_is_told_once() {
    explore(3, || {
        let action = Action::new();
        let mover = Arc::clone(&action);
        let mover = thread::spawn(move || {
            mover.leave(1);
            mover.run.set_affinity_changed();
        });
        let irq_thread = {
            let action = Arc::clone(&action);
            thread::spawn(move || {
                let me = Moving { action: &action, told: Cell::new(0) };
                let mut runs = 0;
                while action.run.next(&me).is_some() {
                    runs += 1;
                    if runs == 1 {
                        action.wake();
                    }
                    action.run.finished();
                }
                (runs, me.told.get())
            })
        };
        action.wake();
        action.stop();
        let (runs, told) = irq_thread.join().unwrap();
        mover.join().unwrap();
        // What came too late is still there.
        let late = Cell::new(0);
        let _ = action.run.take(|| late.set(1));
        assert_eq!((runs, told + late.get()), (2, 1));
    });
}

/// Somebody waits until no run is due or active: `Line::synchronize`. A deadlock to loom if the end is missed.
fn synchronize<O: Orders>() {
    let action = Action::<O>::new();
    let waiter = Arc::new((Sleeper::<Written>::new(), Word::<Written>::seq_cst(0), Mutex::new(false)));
    assert!(action.run.wake(Wake::HELD));
    let synchronizer = {
        let (action, waiter) = (Arc::clone(&action), Arc::clone(&waiter));
        thread::spawn(move || {
            let (me, waiting, queued) = &*waiter;
            if !action.run.is_pending() {
                return;
            }
            waiting.fetch_add(1, SeqCst);
            loop {
                {
                    let mut queued = queued.lock().unwrap();
                    *queued = true;
                    me.announce();
                }
                if !action.run.is_pending() {
                    break;
                }
                me.block();
            }
        })
    };
    // The thread: takes the run, and looks for those who wait when it has finished.
    let _: Option<Taken> = action.run.next(&action.thread);
    action.run.finished();
    let (sleeper, waiting, queued) = &*waiter;
    if waiting.load(SeqCst) != 0 {
        let was_queued = std::mem::take(&mut *queued.lock().unwrap());
        if was_queued {
            sleeper.wake();
        }
    }
    synchronizer.join().unwrap();
}

/// IQ-17.1: the end of a run is not missed by who waits for it.
#[test]
fn handshake_the_end_of_a_run_is_not_missed() {
    explore(None, synchronize::<Written>);
}

/// IQ-08.4: with RUN cleared after the handler instead of before, an event meanwhile is lost.
#[test]
#[should_panic(expected = "deadlock")]
fn handshake_clearing_after_the_handler_loses_a_run() {
    explore(3, || {
        let action = Action::<Written>::new();
        let thread = {
            let action = Arc::clone(&action);
            thread::spawn(move || {
                while action.run.next(&action.thread).is_some() {
                    let _ = action.run.wake(Wake::PLAIN);
                    let seen = action.raised.load(Relaxed);
                    let _ = action.run.take(|| ());
                    action.run.finished();
                    if seen == 2 {
                        break;
                    }
                }
            })
        };
        action.fire();
        action.fire();
        thread.join().unwrap();
    });
}

/// `wake`, `stop` and `finished` without their place among what the other side does.
struct WeakWake;
impl Orders for WeakWake {
    fn modify(_: Ordering) -> Ordering {
        AcqRel
    }
}
/// The looks for work and for the end of a run without theirs.
struct WeakLook;
impl Orders for WeakLook {
    fn load(_: Ordering) -> Ordering {
        Acquire
    }
}
/// `wake` without what was written before it.
struct RelaxedWake;
impl Orders for RelaxedWake {
    fn modify(_: Ordering) -> Ordering {
        Relaxed
    }
}
/// `take` without what was written before the wake.
struct RelaxedTake;
impl Orders for RelaxedTake {
    fn swap(_: Ordering) -> Ordering {
        Relaxed
    }
}

/// IQ-08.2: a wake with Release comes too late for the thread's last look.
#[test]
#[should_panic(expected = "deadlock")]
fn handshake_weak_wake_fails() {
    explore(3, two_events::<WeakWake>);
}
/// IQ-08.2: a last look with Acquire misses the wake.
#[test]
#[should_panic(expected = "deadlock")]
fn handshake_weak_look_fails() {
    explore(3, two_events::<WeakLook>);
}
/// IQ-08: a Relaxed wake does not carry what was written before it.
#[test]
#[should_panic(expected = "Causality violation")]
fn handshake_relaxed_wake_fails() {
    explore(None, what_was_left::<RelaxedWake>);
}
/// IQ-08: a Relaxed take does not see it.
#[test]
#[should_panic(expected = "Causality violation")]
fn handshake_relaxed_take_fails() {
    explore(None, what_was_left::<RelaxedTake>);
}
/// IQ-17.1: a finish with Release comes too late for who is about to wait for it.
#[test]
#[should_panic(expected = "deadlock")]
fn handshake_weak_finish_fails() {
    explore(None, synchronize::<WeakWake>);
}
/// IQ-17.1: who is about to wait misses the finish with Acquire.
#[test]
#[should_panic(expected = "deadlock")]
fn handshake_weak_look_for_the_end_fails() {
    explore(None, synchronize::<WeakLook>);
}
