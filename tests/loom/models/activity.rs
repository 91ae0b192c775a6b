//! Does a CPU that was taken for waiting ever read what was taken away and freed (RC-11.3)?
use crate::{
    explore,
    word::{Orders, Word, Written},
};
use logic::{
    atomic::Ordering::{self, AcqRel, Acquire, Relaxed},
    rcu::Activity,
};
use loom::{cell::UnsafeCell, sync::atomic::AtomicU32, thread};
use std::sync::Arc;

/// What a CPU reads while another thread takes it away. `C`: the orders of the CPU's counter.
pub struct Cpu<C> {
    pub activity: Activity<Word<C>>,
    /// 1 while the value is there, as `kernel::rcu::RcuPtr` holds it.
    pointer: AtomicU32,
    value: UnsafeCell<()>,
}

// SAFETY: loom finds accesses to the value that nothing orders.
unsafe impl<C> Sync for Cpu<C> {}
// SAFETY: as above.
unsafe impl<C> Send for Cpu<C> {}

impl<C: Orders> Cpu<C> {
    /// One that runs, or waits.
    pub fn new(runs: bool) -> Self {
        let activity = Activity::new(Word::new(u32::from(runs)));
        Self { activity, pointer: AtomicU32::new(1), value: UnsafeCell::new(()) }
    }
    /// A section.
    pub fn read(&self) {
        self.read_after(|| ());
    }
    /// A section in which the CPU does something before it uses what it has found.
    pub fn read_after(&self, f: impl FnOnce()) {
        let there = self.pointer.load(Acquire) != 0;
        f();
        if there {
            self.value.with(|_| ());
        }
    }
    pub fn take_away(&self) {
        assert_eq!(self.pointer.swap(0, AcqRel), 1);
    }
    pub fn free(&self) {
        self.value.with_mut(|_| ());
    }
}

/// A CPU reads, waits, and reads again, while an updater looks twice; it frees what it took away if the CPU was outside.
/// `U`: the updater's fence.
fn looked_at<C: Orders, U: Orders>(begins_running: bool) {
    let cpu = Arc::new(Cpu::<C>::new(begins_running));
    let updater = {
        let cpu = Arc::clone(&cpu);
        thread::spawn(move || {
            cpu.take_away();
            Activity::<Word<U>>::before_looking();
            let first = cpu.activity.look();
            if first.is_outside() || cpu.activity.look().was_outside_since(first) {
                cpu.free();
            }
        })
    };
    if begins_running {
        cpu.read();
        cpu.activity.enter_wait();
    }
    cpu.activity.leave_wait();
    cpu.read();
    cpu.activity.enter_wait();
    updater.join().unwrap();
}

/// RC-11.3: who was seen waiting, or has waited since, reads nothing that is freed then.
#[test]
fn activity_no_use_after_free() {
    explore(None, || looked_at::<Written, Written>(true));
    explore(None, || looked_at::<Written, Written>(false));
}

/// Without fences.
struct NoFence;
impl Orders for NoFence {
    const FENCES: bool = false;
}
/// The counter is changed with plain stores.
struct NoRelease;
impl Orders for NoRelease {
    fn store(_: Ordering) -> Ordering {
        Relaxed
    }
}
/// The counter is looked at with plain loads.
struct NoAcquire;
impl Orders for NoAcquire {
    fn load(_: Ordering) -> Ordering {
        Relaxed
    }
}

/// RC-11.3: a CPU that reads before its counter says that it runs reads what is freed.
#[test]
#[should_panic(expected = "Causality violation")]
fn activity_without_the_cpus_fence_fails() {
    explore(None, || looked_at::<NoFence, Written>(false));
}
/// RC-11.3: an updater that looks before it has taken the value away frees what a CPU reads.
#[test]
#[should_panic(expected = "Causality violation")]
fn activity_without_the_updaters_fence_fails() {
    explore(None, || looked_at::<Written, NoFence>(false));
}
/// RC-11.3: a CPU that begins to wait without a Release may still read.
#[test]
#[should_panic(expected = "Causality violation")]
fn activity_relaxed_counter_fails() {
    explore(None, || looked_at::<NoRelease, Written>(true));
}
/// RC-11.3: an updater that looks without an Acquire does not know that the reads are over.
#[test]
#[should_panic(expected = "Causality violation")]
fn activity_relaxed_look_fails() {
    explore(None, || looked_at::<NoAcquire, Written>(true));
}
