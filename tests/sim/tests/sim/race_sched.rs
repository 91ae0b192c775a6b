//! Do threads stay whole when one CPU moves, changes, wakes or ends what another one is just switching? Each scenario is
//! followed by the verifier of the whole state.
use crate::{
    harness::{US, fifo, ms, start_on, these},
    race::{explored, explored_under, explored_with, race},
};
use hw::sim;
use kernel::{
    Error,
    model::Model,
    preempt, sched,
    sync::{Semaphore, WaitQueue},
    thread, time,
};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

/// SC-11.3: a thread is bound elsewhere while another CPU wakes it.
#[test]
fn bound_elsewhere_while_it_is_woken() {
    explored(|cx| {
        let gate = Arc::new(Semaphore::new(0));
        let (wait, wake) = (gate.clone(), gate.clone());
        let mut sleeper = start_on(cx, &[1], "sleeper", fifo(90), move |cx| {
            wait.down(cx);
            // Until it has been bound.
            sim::spend(2 * US);
            sim::here()
        });
        let id = sleeper.id();
        race(cx, move |cx, _| wake.up(cx).unwrap(), |cx, _, _| sched::set_affinity(cx, id, these(&[0])).unwrap());
        assert_eq!(sleeper.join(cx), Ok(0));
    });
}

/// SC-11.3: a thread is bound elsewhere while it goes to sleep on its own CPU; woken, it runs where it may.
#[test]
fn bound_elsewhere_while_it_blocks() {
    explored(|cx| {
        let gate = Arc::new(Semaphore::new(0));
        let wait = gate.clone();
        let woken_on = race(
            cx,
            move |cx, _| {
                wait.down(cx);
                sim::here()
            },
            |cx, _, id| {
                sched::set_affinity(cx, id, these(&[0])).unwrap();
                gate.up(cx).unwrap();
            },
        );
        assert_eq!(woken_on, 0);
    });
}

/// SC-11.3: a thread that was bound elsewhere goes to sleep where it may no longer run, while another CPU wakes it. Under
/// `none`, where it is not preempted for it before.
#[test]
fn woken_while_it_leaves_its_cpu() {
    explored_under(Model::None, 2, |cx| {
        let gate = Arc::new(Semaphore::new(0));
        let wait = gate.clone();
        race(
            cx,
            move |cx, _| {
                let pinned = sched::migrate_disable(cx);
                sched::set_affinity(cx, thread::current_id(), these(&[0])).unwrap();
                let off = preempt::disable(cx);
                drop(pinned);
                drop(off);
                wait.down(cx);
            },
            |cx, _, _| gate.up(cx).unwrap(),
        );
        assert_eq!(gate.count(), 0);
    });
}

/// SC-02.4: a waiting thread gets another priority while another CPU wakes it.
#[test]
fn set_while_it_is_woken() {
    explored(|cx| {
        let shared = Arc::new((WaitQueue::new(), AtomicU32::new(0)));
        let (waits, wakes) = (shared.clone(), shared.clone());
        let mut sleeper = start_on(cx, &[1], "sleeper", fifo(70), move |cx| {
            waits.0.wait_event(cx, || waits.1.load(SeqCst) != 0);
            thread::policy(thread::current_id())
        });
        let id = sleeper.id();
        race(
            cx,
            move |cx, _| {
                wakes.1.store(1, SeqCst);
                wakes.0.wake_one(cx);
            },
            |cx, _, _| sched::set(cx, id, fifo(90)).unwrap(),
        );
        assert!(matches!(sleeper.join(cx), Ok(Ok(_))));
    });
}

/// A ready thread gets another priority while another CPU binds it elsewhere.
#[test]
fn set_while_it_is_moved() {
    explored(|cx| {
        let mut ready = start_on(cx, &[1], "ready", fifo(20), |_| {
            // Preempted by the race until it is moved.
            sim::spend(100 * US);
            (sim::here(), thread::policy(thread::current_id()))
        });
        let id = ready.id();
        race(
            cx,
            move |cx, _| sched::set_affinity(cx, id, these(&[0])).unwrap(),
            |cx, _, _| sched::set(cx, id, fifo(30)).unwrap(),
        );
        assert_eq!(ready.join(cx), Ok((0, Ok(fifo(30)))));
    });
}

/// SC-12.4: a thread ends on one CPU while another one joins it.
#[test]
fn joined_while_it_ends() {
    // Who waits for a completion is explored with more preemptions elsewhere.
    explored_with(1, |cx| {
        let gate = Arc::new(Semaphore::new(0));
        let wait = gate.clone();
        let mut ends = start_on(cx, &[1], "ends", fifo(90), move |cx| {
            wait.down(cx);
            7
        });
        race(cx, move |cx, _| gate.up(cx).unwrap(), |cx, _, _| assert_eq!(ends.join(cx), Ok(7)));
    });
}

/// SC-12.5: a thread is killed by one CPU while another one ends its wait: it ends once, and nobody else is hit.
#[test]
fn killed_while_it_is_woken() {
    explored(|cx| {
        let gate = Arc::new(Semaphore::new(0));
        let (wait, wake) = (gate.clone(), gate.clone());
        let mut sleeper = start_on(cx, &[1], "sleeper", fifo(90), move |cx| wait.down_interruptible(cx));
        let id = sleeper.id();
        race(cx, move |cx, _| wake.up(cx).unwrap(), |cx, _, _| _ = thread::kill(cx, id));
        let result = sleeper.join(cx);
        // The unit is the thread's or still there.
        assert_eq!(gate.count(), u32::from(result == Err(Error::Interrupted)), "{result:?}");
        assert!(matches!(result, Ok(Ok(())) | Err(Error::Interrupted)), "{result:?}");
    });
}

/// SC-12.5: a thread ends on one CPU while another one kills it and makes a new one, which may get its slot: a kill
/// that was meant for the old one never hits the new one.
#[test]
fn a_kill_meets_the_next_thread_of_the_slot() {
    explored(|cx| {
        let gate = Arc::new(Semaphore::new(0));
        let wait = gate.clone();
        let ends = start_on(cx, &[1], "ends", fifo(90), move |cx| wait.down(cx));
        let id = ends.id();
        let mut next = None;
        race(
            cx,
            move |cx, _| {
                gate.up(cx).unwrap();
                // More urgent than this thread: it has ended by now.
                thread::kill(cx, id)
            },
            |cx, _, _| next = Some(start_on(cx, &[0], "next", fifo(50), |cx| time::sleep(cx, ms(1)).map(|()| 8))),
        )
        .unwrap_err();
        assert_eq!(next.unwrap().join(cx), Ok(Ok(8)));
    });
}
