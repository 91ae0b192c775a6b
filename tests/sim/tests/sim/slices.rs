//! When does a thread's slice end (SC-03)?
use crate::harness::{Log, MS, become_policy, exact, fair, fifo, hard_line, ms, rr, start};
use kernel::{Policy, ThreadCx, sched, sync::Semaphore, time};
use std::sync::Arc;

/// A thread that works for `turns` ms and logs its name at the start of each.
fn worker(cx: &mut ThreadCx, log: &Log<char>, name: char, policy: Policy, turns: u64) -> kernel::thread::ThreadId {
    let log = log.clone();
    let body = move |_: &mut ThreadCx| {
        for _ in 0..turns {
            log.push(name);
            hw::sim::spend(MS);
        }
    };
    start(cx, &name.to_string(), policy, body).id()
}

/// "AAB" as (A, 2), (B, 1).
fn runs(log: &Log<char>) -> Vec<(char, usize)> {
    let all = log.take();
    all.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect()
}

/// SC-03.1: equals alternate at every slice.
#[test]
fn round_robin_alternates() {
    exact(|cx| {
        sched::set_rr_timeslice_ms(10);
        become_policy(cx, fifo(99));
        let log = Log::new();
        worker(cx, &log, 'A', rr(20), 25);
        worker(cx, &log, 'B', rr(20), 25);
        worker(cx, &log, 'C', rr(19), 5);
        time::sleep(cx, ms(100)).unwrap();
        assert_eq!(runs(&log), [('A', 10), ('B', 10), ('A', 10), ('B', 10), ('A', 5), ('B', 5), ('C', 5)]);
    });
}

/// SC-03: fair threads share the CPU too, in slices of 4 ms.
#[test]
fn fair_threads_alternate() {
    exact(|cx| {
        let log = Log::new();
        worker(cx, &log, 'A', fair(), 8);
        worker(cx, &log, 'B', fair(), 6);
        time::sleep(cx, ms(100)).unwrap();
        assert_eq!(runs(&log), [('A', 4), ('B', 4), ('A', 4), ('B', 2)]);
    });
}

/// SC-03.2: alone at its priority a thread is not switched, nor interrupted.
#[test]
fn alone_there_is_no_slice() {
    exact(|cx| {
        become_policy(cx, rr(20));
        let log = Log::new();
        // Let the machine become idle once, so that nothing is left over from booting.
        time::sleep(cx, ms(1)).unwrap();
        worker(cx, &log, 'x', fair(), 1);
        let before = (hw::sim::switches(), hw::sim::interrupts());
        hw::sim::spend(1_000 * MS);
        assert_eq!((hw::sim::switches(), hw::sim::interrupts()), before);
    });
}

/// SC-03.3: preempted at 4 ms of its slice it has 6 ms left, however long that took.
#[test]
fn a_preempted_thread_keeps_the_rest_of_its_slice() {
    exact(|cx| {
        sched::set_rr_timeslice_ms(10);
        become_policy(cx, fifo(99));
        let (log, wake) = (Log::new(), Arc::new(Semaphore::new(0)));
        let up = wake.clone();
        let line = hard_line(cx, 100, move |cx| up.up(cx).unwrap());
        worker(cx, &log, 'A', rr(20), 20);
        worker(cx, &log, 'B', rr(20), 3);
        let h = log.clone();
        start(cx, "H", fifo(30), move |cx| {
            wake.down(cx);
            h.push('H');
            hw::sim::spend(5 * MS);
        });
        hw::sim::at(hw::sim::time() + 4 * MS, hw::sim::Injection::Pend(100));
        time::sleep(cx, ms(100)).unwrap();
        assert_eq!(runs(&log), [('A', 4), ('H', 1), ('A', 6), ('B', 3), ('A', 10)]);
        line.free(cx).unwrap();
    });
}

/// SC-03.4: a FIFO thread has no slice and runs until it blocks.
#[test]
fn fifo_equals_are_not_sliced() {
    exact(|cx| {
        sched::set_rr_timeslice_ms(10);
        become_policy(cx, fifo(99));
        let log = Log::new();
        worker(cx, &log, 'R', rr(20), 15);
        worker(cx, &log, 'F', fifo(20), 300);
        time::sleep(cx, ms(1_000)).unwrap();
        assert_eq!(runs(&log), [('R', 10), ('F', 300), ('R', 5)]);
    });
}

/// SC-03.5: zero and negative slices mean the default; FIFO threads have none.
#[test]
fn the_time_slice_parameter() {
    exact(|cx| {
        let me = kernel::thread::current_id();
        for written in [0, -5] {
            sched::set_rr_timeslice_ms(10);
            assert_eq!(sched::rr_timeslice_ms(), 10);
            sched::set_rr_timeslice_ms(written);
            assert_eq!(sched::rr_timeslice_ms(), 100);
        }
        become_policy(cx, rr(20));
        assert_eq!(sched::rr_interval(me), Ok(ms(100)));
        become_policy(cx, fifo(20));
        assert_eq!(sched::rr_interval(me), Ok(ms(0)));
        become_policy(cx, fair());
        assert_eq!(sched::rr_interval(me), Ok(ms(4)));
    });
}

/// SC-03: the time that a thread ran alone does not count against it, whoever's slice was running before.
#[test]
fn a_stale_slice_timer_ends_nobodys_slice() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let log = Log::new();
        // The first two arm the timer for 100 ms and are gone after 2 ms.
        worker(cx, &log, 'A', rr(20), 1);
        worker(cx, &log, 'B', rr(20), 1);
        worker(cx, &log, 'C', fair(), 20);
        time::sleep(cx, ms(5)).unwrap();
        worker(cx, &log, 'D', fair(), 1);
        time::sleep(cx, ms(100)).unwrap();
        // C had run for 3 ms when its equal came.
        assert_eq!(runs(&log), [('A', 1), ('B', 1), ('C', 4), ('D', 1), ('C', 16)]);
    });
}

/// SC-03: a thread that becomes an equal of the running one because it is set gets its turn.
#[test]
fn an_equal_made_by_set_gets_its_turn() {
    exact(|cx| {
        sched::set_rr_timeslice_ms(10);
        become_policy(cx, rr(20));
        let log = Log::new();
        let low = worker(cx, &log, 'B', rr(10), 3);
        hw::sim::spend(2 * MS);
        sched::set(cx, low, rr(20)).unwrap();
        hw::sim::spend(7 * MS);
        assert_eq!(runs(&log), []);
        hw::sim::spend(2 * MS);
        assert_eq!(runs(&log), [('B', 3)]);
    });
}

/// SC-03: becoming RR starts a full slice; being set to the same policy again does not.
#[test]
fn setting_the_same_policy_keeps_the_slice() {
    exact(|cx| {
        sched::set_rr_timeslice_ms(10);
        become_policy(cx, fifo(20));
        let log = Log::new();
        worker(cx, &log, 'B', rr(20), 3);
        hw::sim::spend(50 * MS);
        become_policy(cx, rr(20));
        hw::sim::spend(9 * MS);
        assert_eq!(runs(&log), []);
        become_policy(cx, rr(20));
        hw::sim::spend(2 * MS);
        assert_eq!(runs(&log), [('B', 3)]);
    });
}

/// SC-03, BU-06: the slice timer does not wake an idle CPU.
#[test]
fn no_slice_ends_while_idle() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let log = Log::new();
        worker(cx, &log, 'A', rr(20), 1);
        worker(cx, &log, 'B', rr(20), 1);
        let before = time::interrupt_counts(cx).0;
        time::sleep(cx, ms(1_000)).unwrap();
        assert_eq!(time::interrupt_counts(cx).0 - before, 1);
    });
}

/// SC-03, PM-08: a slice that ends while preemption is off ends the turn at the enable.
#[test]
fn a_slice_that_ends_in_a_section_ends_the_turn_after_it() {
    exact(|cx| {
        sched::set_rr_timeslice_ms(10);
        become_policy(cx, rr(20));
        let log = Log::new();
        worker(cx, &log, 'B', rr(20), 25);
        worker(cx, &log, 'C', fifo(19), 1);
        let off = kernel::preempt::disable(cx);
        hw::sim::spend(15 * MS);
        assert_eq!(runs(&log), []);
        drop(off);
        assert_eq!(runs(&log), [('B', 10)]);
        // What it ran beyond the end was of its next slice.
        hw::sim::spend(4 * MS);
        assert_eq!(runs(&log), []);
        hw::sim::spend(2 * MS);
        assert_eq!(runs(&log), [('B', 10)]);
    });
}
