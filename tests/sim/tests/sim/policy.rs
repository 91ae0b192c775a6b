//! Which policies can be set, on whom, and in which states (SC-01)?
use crate::harness::{Log, become_policy, exact, fair, fifo, ms, start};
use kernel::{
    Error, Policy, sched,
    sync::{Completion, Semaphore},
    thread::{self, ThreadId},
    time,
};
use std::sync::Arc;

/// SC-01.2: numbers out of range make no policy, and so change nothing.
#[test]
fn numbers_out_of_range_are_invalid() {
    exact(|cx| {
        let me = thread::current_id();
        become_policy(cx, fifo(7));
        let wrong = [Policy::fifo(0), Policy::fifo(100), Policy::rr(0), Policy::other(-21), Policy::other(20)];
        for policy in wrong {
            let set = policy.map_err(Error::from).and_then(|policy| sched::set(cx, me, policy));
            assert_eq!(set, Err(Error::Invalid));
            assert_eq!(thread::policy(me), Ok(fifo(7)));
        }
    });
}

/// SC-01.3: a dead thread is not found, the idle thread cannot be changed.
#[test]
fn dead_and_idle_threads_cannot_be_set() {
    exact(|cx| {
        let mut short = start(cx, "short", fair(), |_| ());
        short.join(cx).unwrap();
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(sched::set(cx, short.id(), fifo(1)), Err(Error::NotFound));
        let next = start(cx, "next in the slot", fair(), |_| ());
        assert_ne!(next.id(), short.id());
        assert_eq!(sched::set(cx, short.id(), fifo(1)), Err(Error::NotFound));
        assert_eq!(thread::policy(short.id()), Err(Error::NotFound));
        assert_eq!(sched::set(cx, ThreadId::IDLE, fifo(1)), Err(Error::Invalid));
        assert_eq!(thread::kill(cx, ThreadId::IDLE), Err(Error::Invalid));
        time::sleep(cx, ms(1)).unwrap();
    });
}

/// SC-02.4, LK-10.5: a blocked thread's new priority counts among the waiters at once, and when it wakes.
#[test]
fn setting_a_blocked_thread_moves_it_among_waiters() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let (done, log) = (Arc::new(Completion::new()), Log::new());
        let ids: Vec<_> = [("A", 10), ("B", 20), ("C", 30)]
            .map(|(name, priority)| {
                let (done, log) = (done.clone(), log.clone());
                start(cx, name, fifo(priority), move |cx| {
                    done.wait(cx);
                    log.push(name);
                })
                .id()
            })
            .into();
        time::sleep(cx, ms(1)).unwrap();
        sched::set(cx, ids[0], fifo(40)).unwrap();
        sched::set(cx, ids[2], fifo(20)).unwrap();
        for expected in ["A", "B", "C"] {
            done.complete(cx);
            time::sleep(cx, ms(1)).unwrap();
            assert_eq!(log.take(), [expected]);
        }
    });
}

/// SC-02.4: setting threads that wait in order of arrival does not move them, but counts when they are ready.
#[test]
fn setting_a_blocked_thread_counts_when_it_wakes() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let (gate, log) = (Arc::new(Semaphore::new(0)), Log::new());
        let ids: Vec<_> = ["A", "B"]
            .map(|name| {
                let (gate, log) = (gate.clone(), log.clone());
                start(cx, name, fifo(10), move |cx| {
                    gate.down(cx);
                    log.push(name);
                })
                .id()
            })
            .into();
        time::sleep(cx, ms(1)).unwrap();
        sched::set(cx, ids[1], fifo(20)).unwrap();
        gate.up(cx).unwrap();
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(log.take(), ["A"]);
        gate.up(cx).unwrap();
        let (again, last) = (gate.clone(), log.clone());
        start(cx, "between", fifo(15), move |_| last.push("between"));
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(log.take(), ["B", "between"]);
        assert_eq!(again.count(), 0);
    });
}

/// SC-01, SC-02.4: a thread that is preempted on its way to sleep is ready, and is moved as one.
#[test]
fn setting_a_thread_on_its_way_to_sleep() {
    crate::harness::at_every_point(|cx, arm| {
        become_policy(cx, fifo(98));
        let (done, gate, log) = (Arc::new(Completion::new()), Arc::new(Semaphore::new(0)), Log::new());
        let up = gate.clone();
        let line = crate::harness::hard_line(cx, 100, move |cx| up.up(cx).unwrap());
        let (wait, a) = (done.clone(), log.clone());
        let waiter = start(cx, "waiter", fifo(10), move |cx| {
            wait.wait(cx);
            a.push("waiter");
        })
        .id();
        let b = log.clone();
        let setter = start(cx, "setter", fifo(90), move |cx| {
            gate.down(cx);
            sched::set(cx, waiter, fifo(50)).unwrap();
            done.complete(cx);
            start(cx, "between", fifo(40), move |_| b.push("between"));
        });
        become_policy(cx, fifo(89));
        arm();
        time::sleep(cx, ms(5)).unwrap();
        assert_eq!(log.take(), ["waiter", "between"]);
        drop(setter);
        line.free(cx).unwrap();
    });
}
