//! Does the semaphore count, queue, time out and hand over as promised (LK-05)?
use crate::harness::{Log, MS, at, at_every_point, become_policy, exact, fair, fifo, hard_line, ms, seeded, start};
use hw::sim::seeds;
use kernel::{Error, sync::Semaphore, thread, time};
use std::sync::Arc;

/// LK-05.1: a hard handler ups, the waiter runs.
#[test]
fn up_from_a_hard_handler() {
    exact(|cx| {
        let (gate, log) = (Arc::new(Semaphore::new(0)), Log::new());
        let (up, a) = (gate.clone(), log.clone());
        let line = hard_line(cx, 100, move |cx| up.up(cx).unwrap());
        start(cx, "A", fifo(50), move |cx| {
            gate.down(cx);
            a.push("A");
        });
        crate::harness::pend(cx, line.irq());
        assert_eq!(log.take(), ["A"]);
        line.free(cx).unwrap();
    });
}

/// LK-05.2: a semaphore has no owner: whoever holds it is not boosted, and a hog in between runs first.
#[test]
fn no_priority_inheritance() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let (gate, log) = (Arc::new(Semaphore::new(1)), Log::new());
        let (g, l) = (gate.clone(), log.clone());
        let holder = start(cx, "holder", fair(), move |cx| {
            g.down(cx);
            hw::sim::spend(5 * MS);
            l.push("holder ends");
            g.up(cx).unwrap();
        });
        time::sleep(cx, ms(1)).unwrap();
        let (g, l) = (gate.clone(), log.clone());
        start(cx, "waiter", fifo(90), move |cx| {
            g.down(cx);
            l.push("waiter");
        });
        let l = log.clone();
        start(cx, "hog", fifo(50), move |_| {
            hw::sim::spend(20 * MS);
            l.push("hog ends");
        });
        time::sleep(cx, ms(5)).unwrap();
        assert_eq!(thread::policy(holder.id()), Ok(fair()));
        time::sleep(cx, ms(50)).unwrap();
        assert_eq!(log.take(), ["hog ends", "holder ends", "waiter"]);
    });
}

/// LK-05.3: a wait that times out does so at its time and leaves the count alone.
#[test]
fn down_times_out() {
    exact(|cx| {
        let gate = Semaphore::new(0);
        let deadline = at(hw::sim::time() + 5 * MS);
        assert_eq!(gate.down_until(cx, deadline), Err(Error::TimedOut));
        assert_eq!(time::now(), deadline);
        assert_eq!(gate.down_until(cx, deadline), Err(Error::TimedOut));
        assert_eq!(gate.count(), 0);
        gate.up(cx).unwrap();
        assert_eq!(gate.count(), 1);
        assert_eq!(gate.down_until(cx, deadline), Ok(()));
    });
}

/// LK-05.4: an interrupted waiter is off the list: the next up passes it by.
#[test]
fn down_is_interrupted() {
    exact(|cx| {
        become_policy(cx, fifo(50));
        let (gate, log) = (Arc::new(Semaphore::new(0)), Log::new());
        let waiter = |cx: &mut kernel::ThreadCx, name: &'static str| {
            let (gate, log) = (gate.clone(), log.clone());
            start(cx, name, fifo(60), move |cx| {
                let result = gate.down_interruptible(cx);
                log.push((name, result));
            })
            .id()
        };
        let (a, _b) = (waiter(cx, "A"), waiter(cx, "B"));
        thread::interrupt(cx, a).unwrap();
        assert_eq!(log.take(), [("A", Err(Error::Interrupted))]);
        gate.up(cx).unwrap();
        assert_eq!(log.take(), [("B", Ok(()))]);
        gate.up(cx).unwrap();
        assert_eq!(gate.count(), 1);
        // Pending before the wait: refused if it would have to wait, and only once.
        thread::interrupt(cx, thread::current_id()).unwrap();
        assert_eq!(gate.down_interruptible(cx), Ok(()));
        assert_eq!(gate.down_interruptible(cx), Err(Error::Interrupted));
        gate.up(cx).unwrap();
        assert_eq!(gate.down_interruptible(cx), Ok(()));
    });
}

/// LK-05.5: the count does not go past its maximum.
#[test]
fn up_overflows() {
    exact(|cx| {
        let gate = Semaphore::new(Semaphore::MAX - 1);
        assert_eq!(gate.up(cx), Ok(()));
        assert_eq!(gate.up(cx), Err(Error::Overflow));
        assert_eq!(gate.count(), Semaphore::MAX);
        assert!(gate.try_down());
        assert_eq!(gate.up(cx), Ok(()));
    });
}

/// LK-05.6: waiters pass in the order in which they came, whatever their priority.
#[test]
fn waiters_pass_in_order_of_arrival() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let (gate, log) = (Arc::new(Semaphore::new(0)), Log::new());
        for (name, priority) in [("A", 10), ("B", 30), ("C", 20)] {
            let (gate, log) = (gate.clone(), log.clone());
            start(cx, name, fifo(priority), move |cx| {
                gate.down(cx);
                log.push(name);
            });
            time::sleep(cx, ms(1)).unwrap();
        }
        for name in ["A", "B", "C"] {
            gate.up(cx).unwrap();
            assert!(!gate.try_down(), "the count was handed over");
            time::sleep(cx, ms(1)).unwrap();
            assert_eq!(log.take(), [name]);
        }
    });
}

/// After a wait that ended one way or the other: its unit is in exactly one place, and the semaphore still works.
#[track_caller]
fn exactly_one_place(cx: &mut kernel::ThreadCx, gate: &Semaphore, result: Result<(), Error>) {
    match result {
        Ok(()) => assert_eq!(gate.count(), 0),
        Err(_) => assert_eq!(gate.count(), 1),
    }
    gate.up(cx).unwrap();
    assert_eq!(gate.count(), 1 + u32::from(result.is_err()));
}

/// LK-05.7: an up while the deadline passes, wherever the waiter is: the unit was taken or is there, never both or
/// neither.
#[test]
fn timeout_and_up_at_the_same_instant() {
    for spent in [0, 2 * MS] {
        for before_up in [false, true] {
            at_every_point(move |cx, arm| {
                become_policy(cx, fifo(50));
                let gate = Arc::new(Semaphore::new(0));
                let up = gate.clone();
                let line = hard_line(cx, 100, move |cx| {
                    if before_up {
                        hw::sim::spend(spent);
                    }
                    up.up(cx).unwrap();
                    hw::sim::spend(spent);
                });
                let deadline = at(hw::sim::time() + MS);
                arm();
                let result = gate.down_until(cx, deadline);
                if result.is_err() {
                    assert!(time::now() >= deadline);
                    // The interrupt comes at the latest when the CPU is idle.
                    time::sleep(cx, ms(1)).unwrap();
                }
                exactly_one_place(cx, &gate, result);
                line.free(cx).unwrap();
            });
        }
    }
}

/// LK-05.7: the same with the up so many points after the deadline's interrupt has come.
#[test]
fn up_while_the_timeout_is_handled() {
    let (mut passed, mut timed_out) = (0, 0);
    for n in 1..110 {
        let log = Log::new();
        let out = log.clone();
        exact(move |cx| {
            let gate = Arc::new(Semaphore::new(0));
            let up = gate.clone();
            let line = hard_line(cx, 100, move |cx| up.up(cx).unwrap());
            let deadline = hw::sim::time() + MS;
            let inject = move || hw::sim::at_point(n, hw::sim::Injection::Pend(100));
            hw::sim::at_call(deadline, Box::new(inject));
            let result = gate.down_until(cx, at(deadline));
            out.push(result);
            // The interrupt comes within as many points.
            (0..n).for_each(|_| hw::sim::point());
            exactly_one_place(cx, &gate, result);
            line.free(cx).unwrap();
        });
        match log.take()[..] {
            [Ok(())] => passed += 1,
            _ => timed_out += 1,
        }
    }
    assert!(passed > 3 && timed_out > 3, "{passed} passed, {timed_out} timed out");
}

/// LK-05.4, LK-05.7: the same with an interruption in place of the deadline.
#[test]
fn interruption_and_up_at_the_same_instant() {
    at_every_point(|cx, arm| {
        let (gate, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (up, interrupt) = (gate.clone(), go.clone());
        let line = hard_line(cx, 100, move |cx| {
            interrupt.up(cx).unwrap();
        });
        let me = thread::current_id();
        start(cx, "interrupter", fifo(90), move |cx| {
            go.down(cx);
            // Both before the waiter, which is less urgent, can look.
            thread::interrupt(cx, me).unwrap();
            up.up(cx).unwrap();
        });
        arm();
        let result = gate.down_interruptible(cx);
        exactly_one_place(cx, &gate, result);
        line.free(cx).unwrap();
    });
}

/// LK-10.4, SC-12.3: an up from an interrupt or from a thread, wherever the waiter is on its way to sleep, wakes it.
#[test]
fn no_up_is_lost() {
    for by_thread in [false, true] {
        at_every_point(move |cx, arm| {
            let (gate, kick) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
            let (g, k) = (gate.clone(), kick.clone());
            let line = hard_line(cx, 100, move |cx| (if by_thread { &k } else { &g }).up(cx).unwrap());
            let g = gate.clone();
            start(cx, "upper", fifo(90), move |cx| {
                kick.down(cx);
                g.up(cx).unwrap();
            });
            arm();
            gate.down(cx);
            assert_eq!(gate.count(), 0);
            line.free(cx).unwrap();
        });
    }
}

/// LK-05: units that some CPUs take without waiting, while another is about to wait, are neither lost nor made.
#[test]
fn units_are_kept_on_several_cpus() {
    const CPUS: usize = 3;
    seeds(1000, |seed| {
        seeded(CPUS, seed, |cx| {
            let gate = Arc::new(Semaphore::new(1));
            let begin = at(hw::sim::time() + MS);
            let threads = (0..CPUS).map(|n| {
                let gate = gate.clone();
                start(cx, "taker", fifo(10), move |cx| {
                    // On each CPU at once.
                    time::sleep_until(cx, begin).unwrap();
                    for _ in 0..12 {
                        if n == 0 {
                            gate.down(cx);
                        } else if !gate.try_down() {
                            continue;
                        }
                        gate.up(cx).unwrap();
                    }
                })
            });
            let mut threads: Vec<_> = threads.collect();
            threads.iter_mut().for_each(|thread| thread.join(cx).unwrap());
            assert_eq!(gate.count(), 1);
        });
    });
}
