//! Is a completion remembered, taken once, and never lost (LK-10)?
use crate::harness::{Log, MS, at, at_every_point, become_policy, exact, fair, fifo, hard_line, ms, start, warnings};
use kernel::{
    Error,
    sync::{Completion, Semaphore},
    thread, time,
};
use std::sync::Arc;

/// LK-10.1: two completions let two waits pass; the third blocks.
#[test]
fn completions_are_counted() {
    exact(|cx| {
        become_policy(cx, fifo(50));
        let (done, log) = (Arc::new(Completion::new()), Log::new());
        done.complete(cx);
        done.complete(cx);
        let (d, l) = (done.clone(), log.clone());
        start(cx, "waiter", fifo(60), move |cx| {
            for n in 1..=3 {
                d.wait(cx);
                l.push(n);
            }
        });
        assert_eq!(log.take(), [1, 2]);
        assert!(!done.is_done() && !done.try_wait(cx));
        done.complete(cx);
        assert_eq!(log.take(), [3]);
        assert!(!done.is_done());
    });
}

/// LK-10.2: complete for all, every wait passes until it is made incomplete.
#[test]
fn complete_all_lasts_until_reinit() {
    let outcome = exact(|cx| {
        let (done, log) = (Arc::new(Completion::new()), Log::new());
        for n in 0..5 {
            let (d, l) = (done.clone(), log.clone());
            start(cx, "waiter", fifo(10 + n), move |cx| {
                d.wait(cx);
                l.push(n);
            });
        }
        assert_eq!(log.take(), [0; 0]);
        done.complete_all(cx);
        assert_eq!(log.take(), [4, 3, 2, 1, 0]);
        for _ in 0..5 {
            assert!(done.try_wait(cx));
            done.wait(cx);
        }
        done.reinit(cx);
        assert!(!done.is_done() && !done.try_wait(cx));
        let deadline = at(hw::sim::time() + MS);
        assert_eq!(done.wait_until(cx, deadline), Err(Error::TimedOut));
        assert_eq!(time::now(), deadline);
    });
    assert_eq!(warnings(&outcome), [""; 0]);
}

#[track_caller]
fn consistent(cx: &mut kernel::ThreadCx, done: &Completion, result: Result<(), Error>) {
    assert_eq!(done.is_done(), result.is_err());
    assert_eq!(done.try_wait(cx), result.is_err());
    // The waiter is off the list: the next completion is remembered.
    done.complete(cx);
    assert!(done.try_wait(cx));
}

/// LK-10.3: completed while the deadline passes, wherever the waiter is: one of both, and the completion is not lost.
#[test]
fn timeout_and_complete_at_the_same_instant() {
    for (before, after) in [(0, 0), (2 * MS, 0), (0, 2 * MS)] {
        at_every_point(move |cx, arm| {
            let done = Arc::new(Completion::new());
            let complete = done.clone();
            let line = hard_line(cx, 100, move |cx| {
                hw::sim::spend(before);
                complete.complete(cx);
                hw::sim::spend(after);
            });
            let deadline = at(hw::sim::time() + MS);
            arm();
            let result = done.wait_until(cx, deadline);
            if result.is_err() {
                assert_eq!(result, Err(Error::TimedOut));
                assert!(time::now() >= deadline);
                time::sleep(cx, ms(1)).unwrap();
            }
            consistent(cx, &done, result);
            line.free(cx).unwrap();
        });
    }
}

/// LK-10.3: the same with the completion so many points after the deadline's interrupt has come.
#[test]
fn complete_while_the_timeout_is_handled() {
    let (mut passed, mut timed_out) = (0, 0);
    for n in 1..110 {
        let log = Log::new();
        let out = log.clone();
        exact(move |cx| {
            let done = Arc::new(Completion::new());
            let complete = done.clone();
            let line = hard_line(cx, 100, move |cx| complete.complete(cx));
            let deadline = hw::sim::time() + MS;
            let inject = move || hw::sim::at_point(n, hw::sim::Injection::Pend(100));
            hw::sim::at_call(deadline, Box::new(inject));
            let result = done.wait_until(cx, at(deadline));
            out.push(result);
            // The interrupt comes within as many points.
            (0..n).for_each(|_| hw::sim::point());
            consistent(cx, &done, result);
            line.free(cx).unwrap();
        });
        match log.take()[..] {
            [Ok(())] => passed += 1,
            _ => timed_out += 1,
        }
    }
    assert!(passed > 3 && timed_out > 3, "{passed} passed, {timed_out} timed out");
}

/// LK-10.4, SC-12.3: a completion wherever the waiter is on its way to sleep, by an interrupt or by a thread.
#[test]
fn no_completion_is_lost() {
    for by_thread in [false, true] {
        at_every_point(move |cx, arm| {
            let (done, kick) = (Arc::new(Completion::new()), Arc::new(Completion::new()));
            let (d, k) = (done.clone(), kick.clone());
            let line = hard_line(cx, 100, move |cx| (if by_thread { &k } else { &d }).complete(cx));
            let d = done.clone();
            start(cx, "completer", fifo(90), move |cx| {
                kick.wait(cx);
                d.complete(cx);
            });
            arm();
            done.wait(cx);
            assert!(!done.is_done());
            line.free(cx).unwrap();
        });
    }
}

/// LK-10: an interrupted wait takes nothing.
#[test]
fn an_interrupted_wait_takes_nothing() {
    exact(|cx| {
        let done = Arc::new(Completion::new());
        let d = done.clone();
        let mut waiter = start(cx, "waiter", fifo(60), move |cx| d.wait_interruptible(cx));
        thread::interrupt(cx, waiter.id()).unwrap();
        assert_eq!(waiter.join(cx), Ok(Err(Error::Interrupted)));
        done.complete(cx);
        assert!(done.is_done());
    });
}

/// LK-10.6: a hard handler may complete; to complete for all it is warned, and it happens all the same.
#[test]
fn complete_all_in_a_hard_handler_warns() {
    for all in [false, true] {
        let outcome = exact(move |cx| {
            let (done, log) = (Arc::new(Completion::new()), Log::new());
            let complete = done.clone();
            let line =
                hard_line(cx, 100, move |cx| if all { complete.complete_all(cx) } else { complete.complete(cx) });
            for name in ["A", "B"] {
                let (d, l) = (done.clone(), log.clone());
                start(cx, name, fair(), move |cx| {
                    d.wait(cx);
                    l.push(name);
                });
            }
            time::sleep(cx, ms(1)).unwrap();
            crate::harness::pend(cx, line.irq());
            time::sleep(cx, ms(1)).unwrap();
            assert_eq!(log.take().len(), if all { 2 } else { 1 });
            line.free(cx).unwrap();
        });
        assert_eq!(warnings(&outcome).len(), usize::from(all), "{}", outcome.console);
        assert_eq!(outcome.console.contains("complete_all in atomic context"), all);
    }
}

/// LK-10.3: a waiter that is interrupted, wherever somebody is on his way to complete for all: it has been let go or not,
/// and what it waits for next is not given to it by mistake.
#[test]
fn an_interruption_meets_complete_all() {
    at_every_point(|cx, arm| {
        become_policy(cx, fifo(50));
        let (done, go, log) = (Arc::new(Completion::new()), Arc::new(Semaphore::new(0)), Log::new());
        let (d, l) = (done.clone(), log.clone());
        let waiter = start(cx, "waiter", fifo(60), move |cx| {
            let _ = d.wait_interruptible(cx);
            let soon = at(hw::sim::time() + 3 * MS);
            l.push(Semaphore::new(0).down_until(cx, soon));
        });
        let up = go.clone();
        let line = hard_line(cx, 100, move |cx| up.up(cx).unwrap());
        let id = waiter.id();
        start(cx, "interrupter", fifo(90), move |cx| {
            go.down(cx);
            thread::interrupt(cx, id).unwrap();
        });
        arm();
        done.complete_all(cx);
        time::sleep(cx, ms(5)).unwrap();
        assert_eq!(log.take(), [Err(Error::TimedOut)]);
        line.free(cx).unwrap();
    });
}
