//! Does the verifier of the whole state see what is wrong (HC-06)? Each test breaks one rule on purpose.
use crate::harness::{become_policy, fifo, ms, run_unverified, start};
use hw::sim::Config;
use kernel::{
    ThreadCx,
    sync::{Completion, Mutex, RobustMutex, mutex, robust},
    thread::{self, ThreadId},
    time,
    verify::{self, hook},
};
use std::sync::Arc;

/// Two threads that sleep, two that wait by priority and two that are ready, in this order; then `corrupt`, and what the
/// verifier says.
fn corrupted(rule: &str, corrupt: impl FnOnce(&mut ThreadCx, [ThreadId; 6]) + 'static) {
    let rule = rule.to_owned();
    // What is broken stays so: nothing but the verifier runs afterwards.
    run_unverified(Config::default(), "", move |cx| {
        become_policy(cx, fifo(50));
        let gate = Arc::new(Completion::new());
        let ids = [(60, 0), (61, 0), (70, 1), (71, 1), (20, 2), (21, 2)].map(|(priority, kind)| {
            let gate = gate.clone();
            let body = move |cx: &mut ThreadCx| match kind {
                0 => time::sleep(cx, ms(priority as u64)).unwrap(),
                1 => gate.wait(cx),
                _ => {}
            };
            start(cx, "worker", fifo(priority), body).id()
        });
        assert_eq!(verify::all(cx), Ok(()));
        corrupt(cx, ids);
        let found = verify::all(cx).unwrap_err().to_string();
        assert!(found.contains(&rule), "{found:?} instead of {rule:?}");
    });
}

#[test]
fn a_waiter_at_the_wrong_level() {
    // SAFETY: here and below, nothing but the verifier runs afterwards.
    corrupted("worker: waits at another level than its own", |_, ids| unsafe { hook::set_level(ids[2], fifo(5)) });
}

#[test]
fn a_ready_thread_at_the_wrong_level() {
    // SAFETY: as above.
    corrupted("queued at another level than its own: worker", |_, ids| unsafe { hook::set_level(ids[4], fifo(5)) });
}

#[test]
fn somebody_more_urgent_waits() {
    let rule = "runs although somebody more urgent is ready: main";
    // SAFETY: as above.
    corrupted(rule, |_, _| unsafe { hook::set_level(thread::current_id(), fifo(1)) });
}

#[test]
fn a_ready_thread_in_no_queue() {
    let rule = "ready, but neither running nor queued at its home: worker";
    // SAFETY: as above.
    corrupted(rule, |_, ids| unsafe { hook::set_ready(ids[0]) });
}

#[test]
fn a_timer_out_of_order() {
    // SAFETY: as above.
    corrupted("CPU 0: the heap of timers is out of order", |_, _| unsafe { hook::delay_first_timer() });
}

#[test]
fn a_slot_in_use_that_is_free() {
    // SAFETY: as above.
    corrupted("a free slot is listed", |_, ids| unsafe { hook::free_slot(ids[5]) });
}

#[test]
fn a_reader_in_no_list() {
    let rule = "worker: in an RCU section without its CPU, and in no list of readers";
    // SAFETY: as above.
    corrupted(rule, |_, ids| unsafe { hook::set_readers(ids[0], 1) });
}

#[test]
fn a_listed_thread_that_reads_nothing() {
    let rule = "worker: among RCU readers that lost their CPU, but in no section";
    // SAFETY: as above.
    corrupted(rule, |_, ids| unsafe { hook::list_reader(ids[0]) });
}

#[test]
fn a_reader_that_does_not_know_that_it_is_listed() {
    let rule = "worker: its mark does not say whether it is among RCU readers that lost their CPU";
    corrupted(rule, |_, ids| {
        // SAFETY: as above.
        unsafe { hook::set_readers(ids[0], 1) };
        // SAFETY: as above.
        unsafe { hook::list_reader(ids[0]) };
    });
}

/// HC-06.2: a lock's word says that somebody owns it who does not.
#[test]
fn a_lock_of_another_owner() {
    run_unverified(Config::default(), "", |cx| {
        become_policy(cx, fifo(50));
        let line = line!() + 1;
        let lock = Arc::new(Mutex::new(()));
        let guard = lock.lock(cx);
        let wanted = lock.clone();
        start(cx, "waiter", fifo(60), move |cx| drop(wanted.lock(cx)));
        let bystander = start(cx, "bystander", fifo(40), |_| ()).id();
        assert_eq!(verify::all(cx), Ok(()));
        // SAFETY: nothing but the verifier runs afterwards.
        unsafe { mutex::hook::corrupt_owner(&lock, bystander) };
        let found = verify::all(cx).unwrap_err().to_string();
        let expected = format!("inherits through a lock that it does not own: mutex of {}:{line}", file!());
        assert!(found.contains(&expected), "{found:?}");
        core::mem::forget(guard);
    });
}

/// HC-06.2, OW-01: a thread holds a robust mutex whose word says that somebody else owns it.
#[test]
fn a_robust_mutex_of_another_owner() {
    run_unverified(Config::default(), "", |cx| {
        become_policy(cx, fifo(50));
        let line = line!() + 1;
        let lock: &RobustMutex<()> = Box::leak(Box::new(RobustMutex::new(())));
        let guard = lock.lock(cx);
        let bystander = start(cx, "bystander", fifo(40), |_| ()).id();
        assert_eq!(verify::all(cx), Ok(()));
        // SAFETY: nothing but the verifier runs afterwards.
        unsafe { robust::hook::corrupt_owner(lock, bystander) };
        let found = verify::all(cx).unwrap_err().to_string();
        let expected = format!("main: holds a robust mutex that it does not own: robust-mutex of {}:{line}", file!());
        assert!(found.contains(&expected), "{found:?}");
        core::mem::forget(guard);
    });
}
