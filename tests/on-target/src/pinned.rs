//! Does a thread stay on its CPU while it says so, and leave it when it stops saying so? (CX-05)
use crate::{
    crew::{CPUS, assert_in_order, bind, here, only, settle, start},
    support::{Count, fifo, give_way, ms, sleep, us},
    table::test,
};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use kernel::{CpuSet, ThreadCx, sched::migrate_disable};

/// What the pinned thread saw: a bit for each CPU that it was on, and how far it came.
#[derive(Default)]
struct Seen {
    cpus: AtomicU32,
    step: Count,
    turns: Count,
}

impl Seen {
    /// Goes on when the test has come to this step; notes where it runs.
    fn until(&self, cx: &mut ThreadCx, step: u32) {
        while self.step.get() < step {
            self.cpus.fetch_or(1 << here(cx), SeqCst);
            self.turns.up();
            hw::cpu::relax();
            give_way(cx);
        }
    }
    fn cpus(&self) -> CpuSet {
        CpuSet::from_bits(self.cpus.swap(0, SeqCst))
    }
}

/// CX-05.1: a pinned thread that is preempted and bound to CPU 1 meanwhile goes on on CPU 0, and is on CPU 1 behind the
/// drop of its guard. So it is if it has slept in between.
fn cx_05_1_a_pinned_thread_moves_at_the_outermost_enable(cx: &mut ThreadCx) {
    // Sleeping and waking it preempts what runs on CPU 0.
    settle(cx, 0, 60);
    for sleeps in [false, true] {
        let seen = Arc::new(Seen::default());
        let shown = seen.clone();
        let mut pinned = start(cx, only(0), fifo(30), move |cx| {
            let guard = migrate_disable(cx);
            shown.until(cx, 1);
            if sleeps {
                sleep(cx, us(100));
            }
            let before = here(cx);
            drop(guard);
            (before, here(cx))
        });
        sleep(cx, ms(1));
        assert_eq!(seen.cpus(), only(0));
        // It is preempted: this thread runs on its CPU.
        let turns = seen.turns.get();
        bind(cx, pinned.id(), only(1));
        assert_eq!(seen.turns.get(), turns);
        sleep(cx, ms(1));
        assert!(seen.turns.get() > turns);
        assert_eq!(seen.cpus(), only(0));
        seen.step.set(1);
        assert_eq!(pinned.join(cx), Ok((0, 1)));
        assert_in_order(cx);
    }
}
test!(cx_05_1_a_pinned_thread_moves_at_the_outermost_enable, smp(4));

/// CX-05.2: with two guards and a move that waits, the drop of one moves nothing.
fn cx_05_2_the_inner_guard_does_not_move(cx: &mut ThreadCx) {
    settle(cx, 0, 60);
    for to in 1..CPUS {
        let seen = Arc::new(Seen::default());
        let shown = seen.clone();
        let mut pinned = start(cx, only(0), fifo(30), move |cx| {
            let guards = [migrate_disable(cx), migrate_disable(cx)];
            let [outer, inner] = guards;
            shown.until(cx, 1);
            drop(inner);
            shown.until(cx, 2);
            drop(outer);
            here(cx)
        });
        sleep(cx, ms(1));
        bind(cx, pinned.id(), only(to));
        for step in 1..=2 {
            assert_eq!(seen.cpus(), only(0));
            seen.step.set(step);
            sleep(cx, ms(1));
        }
        assert_eq!(pinned.join(cx), Ok(to));
    }
    assert_in_order(cx);
}
test!(cx_05_2_the_inner_guard_does_not_move, smp(4));
