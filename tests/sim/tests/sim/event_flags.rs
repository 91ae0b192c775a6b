//! Do event flags let go whom they should, once, and take what they should (EF)?
use crate::{
    harness::{
        Log, MS, US, at, at_every_point, become_policy, exact, fifo, hard_line, move_to, ms, pend, seeded, smp, start,
        start_on,
    },
    race::{busy_till, explored, race},
};
use hw::sim::{self, seeds};
use kernel::{
    Error, ThreadCx,
    sync::{
        EventFlags,
        OnExit::{self, Clear, Keep},
        Semaphore,
    },
    thread::{self, JoinHandle},
    time, trace,
};
use std::sync::Arc;

const A: u32 = 1 << 0;
const B: u32 = 1 << 7;
const C: u32 = 1 << 31;

/// The running thread is less urgent than all that these tests start, so that they run at once.
const LOW: i32 = 5;

fn flags(cx: &mut ThreadCx) -> Arc<EventFlags> {
    become_policy(cx, fifo(LOW));
    Arc::new(EventFlags::new())
}

type Got = Log<(&'static str, kernel::Result<u32>)>;

/// A thread that waits for any of `mask` and writes down what it got.
fn waiter(
    cx: &mut ThreadCx,
    (flags, log): (&Arc<EventFlags>, &Got),
    name: &'static str,
    priority: i32,
    mask: u32,
    on_exit: OnExit,
) -> JoinHandle<()> {
    let (flags, log) = (flags.clone(), log.clone());
    start(cx, name, fifo(priority), move |cx| {
        let got = flags.wait_any(cx, mask, on_exit);
        log.push((name, got));
    })
}

/// EF-01: flags are set, cleared and read; what is set already lets a wait pass at once; the answers say before or after.
#[test]
fn flags_stay_until_they_are_cleared() {
    exact(|cx| {
        let flags = EventFlags::new();
        assert_eq!((flags.get(), flags.set(cx, A | C), flags.set(cx, B)), (0, A | C, A | B | C));
        assert_eq!(flags.wait_any(cx, A | B, Keep), Ok(A | B));
        assert_eq!(flags.wait_all(cx, A | C, Keep), Ok(A | C));
        assert_eq!((flags.clear(cx, B), flags.get()), (A | B | C, A | C));
        assert_eq!(flags.wait_any(cx, A | B, Clear), Ok(A));
        assert_eq!((flags.get(), flags.clear(cx, 0)), (C, C));
        assert_eq!((flags.try_any(cx, A | B, Keep), flags.try_all(cx, A | C, Clear)), (None, None));
        assert_eq!((flags.try_any(cx, A | C, Keep), flags.try_all(cx, C, Clear), flags.get()), (Some(C), Some(C), 0));
    });
}

/// EF-02: one that waits for all is let go by the last of them, and takes them together.
#[test]
fn all_are_needed() {
    exact(|cx| {
        let (flags, log) = (flags(cx), Log::new());
        let (f, l) = (flags.clone(), log.clone());
        start(cx, "all", fifo(50), move |cx| l.push(f.wait_all(cx, A | B, Clear)));
        let switches = sim::switches();
        assert_eq!(flags.set(cx, A | C), A | C);
        assert_eq!(sim::switches(), switches, "nobody runs for half of them");
        assert_eq!(flags.clear(cx, A), A | C);
        assert_eq!(flags.set(cx, B), B | C);
        assert_eq!(log.take(), []);
        assert_eq!(flags.set(cx, A), C);
        assert_eq!(log.take(), [Ok(A | B)]);
    });
}

/// EF-03: a flag that one takes is gone for those behind it; the most urgent is first, of equals the first to come. One
/// that keeps it leaves it to the next.
#[test]
fn who_clears_takes() {
    exact(|cx| {
        let (flags, log) = (flags(cx), Log::new());
        let on = (&flags, &log);
        waiter(cx, on, "low", 10, A, Clear);
        waiter(cx, on, "first", 30, A | B, Clear);
        waiter(cx, on, "second", 30, A, Clear);
        waiter(cx, on, "keeps", 60, A, Keep);
        assert_eq!(flags.set(cx, A), 0);
        assert_eq!(log.take(), [("keeps", Ok(A)), ("first", Ok(A))]);
        assert_eq!(flags.set(cx, A | B), B);
        assert_eq!(log.take(), [("second", Ok(A))]);
        assert_eq!(flags.set(cx, A), B);
        assert_eq!(log.take(), [("low", Ok(A))]);
    });
}

/// EF-03: also when its priority is set while it waits.
#[test]
fn a_changed_waiter_takes_its_place() {
    exact(|cx| {
        let (flags, log) = (flags(cx), Log::new());
        let on = (&flags, &log);
        let low = waiter(cx, on, "low", 10, A, Clear);
        waiter(cx, on, "high", 30, A, Clear);
        kernel::sched::set(cx, low.id(), fifo(40)).unwrap();
        flags.set(cx, A);
        assert_eq!(log.take(), [("low", Ok(A))]);
        flags.set(cx, A);
        assert_eq!(log.take(), [("high", Ok(A))]);
    });
}

/// EF-04: one call lets go all who wait for what it sets, and they run in order of urgency after one switch each; cleared
/// again before they run, they have it all the same.
#[test]
fn one_set_lets_all_go() {
    exact(|cx| {
        let (flags, log) = (flags(cx), Log::new());
        let names = ["a", "b", "c", "d"];
        for (name, priority) in names.into_iter().zip([10, 40, 20, 30]) {
            waiter(cx, (&flags, &log), name, priority, A, Keep);
        }
        waiter(cx, (&flags, &log), "other", 50, B, Keep);
        let switches = sim::switches();
        flags.set(cx, A);
        assert_eq!(log.take(), [("b", Ok(A)), ("d", Ok(A)), ("c", Ok(A)), ("a", Ok(A))]);
        assert_eq!(sim::switches() - switches, 5);
        flags.clear(cx, A);
        waiter(cx, (&flags, &log), "pulse", 20, A, Keep);
        become_policy(cx, fifo(90));
        flags.set(cx, A | B);
        flags.clear(cx, A | B);
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(log.take(), [("other", Ok(B)), ("pulse", Ok(A))]);
    });
}

/// EF-04: a thread that sets flags wakes all whom they let go: the first of them, which cannot run, does not hold up the
/// others.
#[test]
fn the_first_does_not_hold_up_the_others() {
    smp(2, |cx| {
        move_to(cx, 0);
        become_policy(cx, fifo(30));
        let (flags, log) = (Arc::new(EventFlags::new()), Log::new());
        for (name, cpu, priority) in [("first", 1, 70), ("second", 0, 60), ("third", 0, 50)] {
            let (flags, log) = (flags.clone(), log.clone());
            start_on(cx, &[cpu], name, fifo(priority), move |cx| {
                flags.wait_any(cx, A, Keep).unwrap();
                log.push(name);
            });
        }
        time::sleep(cx, ms(1)).unwrap();
        let mut hog = start_on(cx, &[1], "hog", fifo(90), |_| sim::spend(5 * MS));
        time::sleep(cx, ms(1)).unwrap();
        flags.set(cx, A);
        assert_eq!(log.take(), ["second", "third"]);
        hog.join(cx).unwrap();
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(log.take(), ["first"]);
    });
}

/// EF-05: a hard handler sets flags; all whom they let go run at its end, the most urgent first. It wakes one itself.
#[test]
fn set_by_a_hard_handler() {
    exact(|cx| {
        let (flags, log) = (flags(cx), Log::new());
        let f = flags.clone();
        let line = hard_line(cx, 100, move |cx| {
            f.set(cx, A);
            f.clear(cx, A);
        });
        for n in 0..EventFlags::MAX_WAITERS {
            waiter(cx, (&flags, &log), "waiter", 20 + n as i32, A, Keep);
        }
        trace::drain(|_| ());
        pend(cx, line.irq());
        assert_eq!(log.take(), [("waiter", Ok(A)); EventFlags::MAX_WAITERS]);
        let mut events = Vec::new();
        trace::drain(|event| events.push(event.kind));
        let end = events.iter().position(|kind| *kind == trace::IRQ_EXIT).unwrap();
        assert_eq!(events[..end].iter().filter(|kind| **kind == trace::WAKE).count(), 1);
        assert_eq!(flags.get(), 0);
        line.free(cx).unwrap();
    });
}

/// EF-05, EF-09: whatever the first of them, which has to wake the others, does when a hard handler lets them go: awake
/// already, killed, or out of time. All get what was set for a moment, or none.
#[test]
fn a_hard_handler_lets_all_go_or_none() {
    #[derive(Clone, Copy, PartialEq)]
    enum First {
        Waits,
        IsKilled,
        TimesOut,
    }
    for first in [First::Waits, First::IsKilled, First::TimesOut] {
        at_every_point(move |cx, arm| {
            let (flags, log) = (flags(cx), Log::new());
            let f = flags.clone();
            let line = hard_line(cx, 100, move |cx| {
                f.set(cx, A);
                f.clear(cx, A);
            });
            // Long before the interrupt comes in any case.
            let deadline = at(sim::time() + if first == First::TimesOut { 30 * US } else { 9 * MS });
            let (f, l) = (flags.clone(), log.clone());
            let victim = start(cx, "first", fifo(70), move |cx| {
                if f.wait_any_until(cx, A, Keep, deadline).is_ok() {
                    l.push("first");
                }
            });
            for (name, priority) in [("second", 60), ("third", 50)] {
                waiter(cx, (&flags, &Log::new()), name, priority, B, Keep);
                let (f, l) = (flags.clone(), log.clone());
                start(cx, name, fifo(priority), move |cx| {
                    f.wait_any(cx, A, Keep).unwrap();
                    l.push(name);
                });
            }
            arm();
            if first == First::IsKilled {
                // It may have been let go already, and have ended.
                let _ = thread::kill(cx, victim.id());
            }
            time::sleep(cx, ms(2)).unwrap();
            let mut all = log.take();
            all.retain(|name| *name != "first");
            assert_eq!(all, ["second", "third"]);
            flags.set(cx, B);
            assert!(victim.is_finished());
            line.free(cx).unwrap();
        });
    }
}

/// EF-06: an empty mask is refused, and one waiter too many; one that need not wait passes, and a place that comes free
/// can be used again.
#[test]
fn what_is_refused() {
    exact(|cx| {
        let (flags, log) = (flags(cx), Log::new());
        let deadline = at(sim::time() + MS);
        assert_eq!(flags.wait_any(cx, 0, Keep), Err(Error::Invalid));
        assert_eq!(flags.wait_all_until(cx, 0, Keep, deadline), Err(Error::Invalid));
        assert_eq!(flags.wait_all_interruptible(cx, 0, Clear), Err(Error::Invalid));
        assert_eq!((flags.try_any(cx, 0, Keep), flags.try_all(cx, 0, Keep)), (None, None));
        for _ in 0..EventFlags::MAX_WAITERS {
            waiter(cx, (&flags, &log), "waiter", 50, A, Clear);
        }
        assert_eq!(flags.wait_any_until(cx, A, Keep, deadline), Err(Error::NoResource));
        flags.set(cx, B);
        assert_eq!(flags.wait_any(cx, A | B, Keep), Ok(B));
        flags.set(cx, A);
        assert_eq!(log.take().len(), 1);
        assert_eq!(flags.wait_any_until(cx, A, Keep, deadline), Err(Error::TimedOut));
        for _ in 1..EventFlags::MAX_WAITERS {
            flags.set(cx, A);
        }
        assert_eq!(log.take().len(), EventFlags::MAX_WAITERS - 1);
    });
}

/// EF-07: limits end a wait at their time, take nothing and leave nobody behind.
#[test]
fn waits_end_at_their_limits() {
    exact(|cx| {
        let (flags, log) = (flags(cx), Log::new());
        flags.set(cx, A);
        for n in 0..2 * EventFlags::MAX_WAITERS {
            let deadline = at(sim::time() + MS);
            let result = if n % 2 == 0 {
                flags.wait_all_until(cx, A | B, Clear, deadline)
            } else {
                flags.wait_any_until(cx, B, Clear, deadline)
            };
            assert_eq!((result, time::now(), flags.get()), (Err(Error::TimedOut), deadline, A));
        }
        let (f, l) = (flags.clone(), log.clone());
        let first = start(cx, "first", fifo(60), move |cx| {
            let got = f.wait_any_interruptible(cx, B, Clear);
            l.push(("first", got));
        });
        waiter(cx, (&flags, &log), "second", 50, B, Clear);
        thread::interrupt(cx, first.id()).unwrap();
        flags.set(cx, B);
        assert_eq!(log.take(), [("first", Err(Error::Interrupted)), ("second", Ok(B))]);
        thread::interrupt(cx, thread::current_id()).unwrap();
        assert_eq!(flags.wait_all_interruptible(cx, A, Keep), Ok(A));
        assert_eq!(flags.wait_all_interruptible(cx, B, Keep), Err(Error::Interrupted));
    });
}

/// EF-08: what a killed waiter took goes to the next, or stays.
#[test]
fn what_a_killed_waiter_took_goes_to_the_next() {
    exact(|cx| {
        let (flags, log) = (flags(cx), Log::new());
        for next in [true, false] {
            let victim = waiter(cx, (&flags, &log), "victim", 60, A, Clear);
            if next {
                waiter(cx, (&flags, &log), "next", 50, A, Clear);
            }
            thread::kill(cx, victim.id()).unwrap();
            flags.set(cx, A);
            assert!(victim.is_finished());
            assert_eq!(log.take().len(), usize::from(next));
            assert_eq!(flags.get(), if next { 0 } else { A });
        }
    });
}

/// EF-09: a flag set while the waiter's deadline passes, wherever the waiter is: taken or still there, never both or
/// neither.
#[test]
fn timeout_and_set_at_the_same_instant() {
    for spent in [0, 2 * MS] {
        at_every_point(move |cx, arm| {
            let flags = flags(cx);
            let f = flags.clone();
            let line = hard_line(cx, 100, move |cx| {
                sim::spend(spent);
                f.set(cx, A);
            });
            let deadline = at(sim::time() + MS);
            arm();
            let got = flags.wait_any_until(cx, A | B, Clear, deadline);
            if got.is_err() {
                assert!(time::now() >= deadline);
                time::sleep(cx, ms(1)).unwrap();
            }
            assert_eq!(got.unwrap_or(0) ^ flags.get(), A);
            line.free(cx).unwrap();
        });
    }
}

/// EF-09: a killed waiter's flag, wherever it is when it is killed, is with a living thread or still there.
#[test]
fn a_kill_loses_no_flag() {
    at_every_point(move |cx, arm| {
        let (flags, go, taken) = (flags(cx), Arc::new(Semaphore::new(0)), Log::new());
        let up = go.clone();
        let line = hard_line(cx, 100, move |cx| up.up(cx).unwrap());
        let (f, log) = (flags.clone(), taken.clone());
        arm();
        let victim = start(cx, "victim", fifo(50), move |cx| {
            log.push(f.wait_any(cx, A, Clear).unwrap());
            if let Ok(got) = f.wait_all_interruptible(cx, B, Clear) {
                log.push(got);
            }
        });
        let (f, id) = (flags.clone(), victim.id());
        start(cx, "killer", fifo(90), move |cx| {
            go.down(cx);
            f.set(cx, A);
            let _ = thread::kill(cx, id);
            f.set(cx, B);
        });
        time::sleep(cx, ms(2)).unwrap();
        assert!(victim.is_finished());
        assert_eq!(taken.take().into_iter().sum::<u32>() + flags.get(), A | B);
        line.free(cx).unwrap();
    });
}

/// EF-10: flags set by another CPU, one after the other, while somebody comes for both.
#[test]
fn set_by_another_cpu() {
    explored(|cx| {
        let flags = Arc::new(EventFlags::new());
        let sets = flags.clone();
        race(
            cx,
            move |cx, _| {
                sets.set(cx, A);
                sets.set(cx, B);
            },
            |cx, _, _| assert_eq!(flags.wait_all(cx, A | B, Clear), Ok(A | B)),
        );
        assert_eq!(flags.get(), 0);
    });
}

/// EF-09: a flag set by another CPU in the moment in which the wait for it runs out.
#[test]
fn set_when_time_runs_out() {
    explored(|cx| {
        let flags = Arc::new(EventFlags::new());
        let sets = flags.clone();
        let deadline = |begin| begin + 5 * US;
        let mut got = Ok(0);
        race(
            cx,
            move |cx, begin| {
                // The way into the wait is another race.
                busy_till(deadline(begin) - 1);
                sim::interleave(true);
                busy_till(deadline(begin));
                sets.set(cx, A);
            },
            |cx, begin, _| {
                sim::interleave(false);
                got = flags.wait_any_until(cx, A, Clear, at(deadline(begin)));
            },
        );
        assert_eq!(got.unwrap_or(0) ^ flags.get(), A);
    });
}

/// EF-10: flags that are each set once are each taken once, whoever sets and takes on however many CPUs.
#[test]
fn flags_are_kept_on_several_cpus() {
    const TAKERS: u32 = 3;
    const EACH: u32 = 8;
    seeds(400, |seed| {
        seeded(3, seed, |cx| {
            let flags = Arc::new(EventFlags::new());
            let begin = at(sim::time() + MS);
            let takers = (0..TAKERS).map(|n| {
                let flags = flags.clone();
                start(cx, "taker", fifo(10 + n as i32 % 2), move |cx| {
                    let mut mine = Vec::new();
                    while let Ok(got) = flags.wait_any_until(cx, !0, Clear, at(sim::time() + 2 * MS)) {
                        mine.push(got);
                    }
                    mine
                })
            });
            let mut takers: Vec<_> = takers.collect();
            let setters = (0..2).map(|n| {
                let flags = flags.clone();
                start(cx, "setter", fifo(10), move |cx| {
                    time::sleep_until(cx, begin).unwrap();
                    for flag in 0..EACH {
                        flags.set(cx, 1 << (n * EACH + flag));
                    }
                })
            });
            let mut setters: Vec<_> = setters.collect();
            setters.iter_mut().for_each(|thread| thread.join(cx).unwrap());
            let all: Vec<u32> = takers.iter_mut().flat_map(|thread| thread.join(cx).unwrap()).collect();
            assert_eq!(all.iter().map(|got| u64::from(*got)).sum::<u64>(), (1 << (2 * EACH)) - 1);
            assert_eq!(all.iter().fold(0, |all, got| all | got), (1 << (2 * EACH)) - 1);
            assert_eq!(flags.get(), 0);
        });
    });
}
