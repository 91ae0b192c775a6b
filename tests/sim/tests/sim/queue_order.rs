//! In which order do ready threads run (SC-01, SC-02)?
use crate::harness::{Log, MS, become_policy, exact, fair, fifo, hard_line, ms, start};
use kernel::{
    Policy, ThreadCx, sched,
    sync::Semaphore,
    thread::{self, JoinHandle},
    time,
};
use std::sync::Arc;

/// Starts threads that log their names and end, while the caller is more urgent than all of them.
fn start_all(cx: &mut ThreadCx, log: &Log<&'static str>, threads: &[(&'static str, Policy)]) -> Vec<JoinHandle<()>> {
    let one = |&(name, policy): &(&'static str, Policy)| {
        let log = log.clone();
        start(cx, name, policy, move |_| log.push(name))
    };
    threads.iter().map(one).collect()
}

/// SC-01.1: the real-time classes by priority, then fair threads, then the idle thread.
#[test]
fn classes_run_in_order_of_urgency() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let log = Log::new();
        let threads =
            [("fair", fair()), ("fifo 1", fifo(1)), ("fifo 99", fifo(99)), ("rr 50", Policy::rr(50).unwrap())];
        start_all(cx, &log, &threads);
        let last = log.clone();
        start(cx, "last fair", fair(), move |_| {
            last.push(if sched::idle_waits() == 0 { "no idling" } else { "idled" })
        });
        assert_eq!(log.take(), [""; 0]);
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(log.take(), ["fifo 99", "rr 50", "fifo 1", "fair", "no idling"]);
        assert_eq!(sched::idle_waits(), 1);
    });
}

/// SC-01.5: a switch takes the same number of steps whether 2 or 100 threads are ready.
#[test]
fn a_switch_takes_constant_steps() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let steps = |cx: &mut ThreadCx| {
            let before = hw::sim::points();
            time::sleep(cx, ms(1)).unwrap();
            hw::sim::points() - before
        };
        let (stop, out) = (Arc::new(Semaphore::new(0)), Log::new());
        let hog = |stop: &Arc<Semaphore>| {
            let stop = stop.clone();
            move |_: &mut ThreadCx| {
                while !stop.try_down() {
                    hw::sim::spend(10 * MS)
                }
            }
        };
        start(cx, "hog", fifo(50), hog(&stop));
        steps(cx);
        let alone = steps(cx);
        for n in 0..100 {
            let out = out.clone();
            start(cx, "ready", fifo(n % 49 + 1), move |_| out.push(n));
        }
        assert_eq!(steps(cx), alone);
        stop.up(cx).unwrap();
        time::sleep(cx, ms(20)).unwrap();
        assert_eq!(out.take().len(), 100);
    });
}

/// SC-02.1: threads of one priority run in the order in which they were woken.
#[test]
fn woken_equals_run_in_order() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let log = Log::new();
        let wakers: Vec<_> = ["A", "B", "C"]
            .map(|name| {
                let (log, up) = (log.clone(), Arc::new(Semaphore::new(0)));
                let down = up.clone();
                start(cx, name, fifo(50), move |cx| {
                    for _ in 0..2 {
                        down.down(cx);
                        log.push(name);
                    }
                });
                up
            })
            .into();
        time::sleep(cx, ms(1)).unwrap();
        wakers.iter().for_each(|up| up.up(cx).unwrap());
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(log.take(), ["A", "B", "C"]);
        wakers.iter().rev().for_each(|up| up.up(cx).unwrap());
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(log.take(), ["C", "B", "A"]);
    });
}

/// SC-02.2: a preempted thread stays ahead of its equals.
#[test]
fn a_preempted_thread_resumes_before_its_equals() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let (log, wake) = (Log::new(), Arc::new(Semaphore::new(0)));
        let up = wake.clone();
        let line = hard_line(cx, 100, move |cx| up.up(cx).unwrap());
        let a = log.clone();
        start(cx, "A", fifo(50), move |_| {
            a.push("A begins");
            hw::sim::spend(MS);
            a.push("A ends");
        });
        start_all(cx, &log, &[("B", fifo(50))]);
        let (h, urgent) = (log.clone(), wake);
        start(cx, "H", fifo(60), move |cx| {
            urgent.down(cx);
            h.push("H");
        });
        hw::sim::at(hw::sim::time() + MS / 2, hw::sim::Injection::Pend(100));
        time::sleep(cx, ms(5)).unwrap();
        assert_eq!(log.take(), ["A begins", "H", "A ends", "B"]);
        line.free(cx).unwrap();
    });
}

/// SC-02.3: a yielding thread goes behind its equals, never behind less urgent ones.
#[test]
fn yielding_goes_behind_equals_only() {
    exact(|cx| {
        become_policy(cx, fifo(99));
        let log = Log::new();
        let a = log.clone();
        start(cx, "A", fifo(50), move |cx| {
            a.push("A");
            thread::yield_now(cx);
            a.push("A again");
            let switches = hw::sim::switches();
            thread::yield_now(cx);
            assert_eq!(hw::sim::switches(), switches);
            a.push("A alone");
        });
        start_all(cx, &log, &[("less", fifo(49)), ("B", fifo(50)), ("C", fifo(50))]);
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(log.take(), ["A", "B", "C", "A again", "A alone", "less"]);
    });
}

/// SC-02.4: of ready threads, a raised one goes behind its new equals, a lowered one before them, others stay.
#[test]
fn a_changed_ready_thread_takes_its_place() {
    for (first, second, changed, to, expected) in [
        (50, 40, 1, 50, ["0", "1"]),
        (50, 60, 1, 50, ["1", "0"]),
        (50, 50, 0, 50, ["0", "1"]),
        (50, 50, 1, 50, ["0", "1"]),
        (50, 40, 1, 60, ["1", "0"]),
        (50, 50, 0, 49, ["1", "0"]),
    ] {
        exact(move |cx| {
            become_policy(cx, fifo(99));
            let log = Log::new();
            let threads = start_all(cx, &log, &[("0", fifo(first)), ("1", fifo(second))]);
            sched::set(cx, threads[changed].id(), fifo(to)).unwrap();
            time::sleep(cx, ms(1)).unwrap();
            assert_eq!(log.take(), expected, "{changed} of {first}, {second} set to {to}");
        });
    }
}

/// SC-02.4: a running thread that is lowered goes on while nobody is more urgent, and stays ahead of its new equals.
#[test]
fn a_lowered_running_thread_stays_ahead_of_equals() {
    exact(|cx| {
        become_policy(cx, fifo(60));
        let log = Log::new();
        start_all(cx, &log, &[("50", fifo(50)), ("40", fifo(40)), ("40'", fifo(40))]);
        become_policy(cx, fifo(50));
        assert_eq!(log.take(), [""; 0]);
        become_policy(cx, fifo(40));
        assert_eq!(log.take(), ["50"]);
        become_policy(cx, fair());
        assert_eq!(log.take(), ["40", "40'"]);
    });
}

/// SC-02.4: who is raised above the running thread runs at once, and the running thread stays ahead of its equals.
#[test]
fn raising_a_ready_thread_preempts() {
    exact(|cx| {
        become_policy(cx, fifo(50));
        let log = Log::new();
        let threads = start_all(cx, &log, &[("equal", fifo(50)), ("raised", fifo(10))]);
        sched::set(cx, threads[1].id(), fifo(51)).unwrap();
        assert_eq!(log.take(), ["raised"]);
        thread::yield_now(cx);
        assert_eq!(log.take(), ["equal"]);
    });
}
