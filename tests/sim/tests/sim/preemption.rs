//! At which points does a woken thread that is more urgent get the CPU (SC-04, PM-04, PM-07, PM-08), and when does an
//! idle CPU wake (BU-06)?
use crate::harness::{Log, MS, at, at_every_point, become_policy, exact, fair, fifo, hard_line, ms, start};
use kernel::{
    ThreadCx, cx, irq_flags, preempt, sched, sleep_hook,
    sync::{RawSpinLock, Semaphore},
    thread, time,
};
use std::sync::Arc;

/// What L and H did, and at which tenth of a millisecond of the scenario.
type Times = Log<(&'static str, u64)>;

/// PM-02's scenario: `l` runs as fair L from 0 ms on, the line fires at 1 ms and wakes FIFO-50 H.
fn l_and_h(l: impl FnOnce(&mut ThreadCx, &Times) + Send + 'static) -> Vec<(&'static str, u64)> {
    let times = Times::new();
    let result = times.clone();
    exact(move |cx| {
        let begin = hw::sim::time();
        let stamp = move || (hw::sim::time() - begin) / (MS / 10);
        let (gate, log) = (Arc::new(Semaphore::new(0)), times.clone());
        let up = gate.clone();
        let irq = times.clone();
        let line = hard_line(cx, 100, move |cx| {
            irq.push(("irq", stamp()));
            up.up(cx).unwrap();
        });
        start(cx, "H", fifo(50), move |cx| {
            gate.down(cx);
            log.push(("H", stamp()));
        });
        hw::sim::at(begin + MS, hw::sim::Injection::Pend(100));
        let log = times.clone();
        start(cx, "L", fair(), move |cx| {
            l(cx, &log);
            log.push(("L", stamp()));
        })
        .join(cx)
        .unwrap();
        line.free(cx).unwrap();
    });
    result.take()
}

fn half_ms(n: u64) {
    hw::sim::spend(n * MS / 2);
}

/// PM-04.1: a woken thread preempts at interrupt return.
#[test]
fn preempts_at_interrupt_return() {
    assert_eq!(l_and_h(|_, _| half_ms(10)), [("irq", 10), ("H", 10), ("L", 50)]);
}

/// PM-04.2: with preemption disabled twice, it preempts at the outer enable.
#[test]
fn preempts_at_the_outermost_enable() {
    let seen = l_and_h(|cx, log| {
        half_ms(1);
        let outer = preempt::disable(cx);
        half_ms(1);
        // SAFETY: paired with the `enable` below; the tokens nest sections only by locks.
        unsafe { preempt::hook::disable() };
        half_ms(4);
        // SAFETY: the `disable` above.
        unsafe { preempt::hook::enable() };
        log.push(("inner enable", 30));
        half_ms(2);
        drop(outer);
        half_ms(2);
    });
    assert_eq!(seen, [("irq", 10), ("inner enable", 30), ("H", 40), ("L", 50)]);
}

/// PM-04.4: with interrupts masked, handler and thread run when they are unmasked.
#[test]
fn preempts_when_interrupts_are_unmasked() {
    let seen = l_and_h(|cx, _| {
        half_ms(1);
        let masked = irq_flags::save(cx);
        half_ms(7);
        drop(masked);
        half_ms(2);
    });
    assert_eq!(seen, [("irq", 40), ("H", 40), ("L", 50)]);
}

/// PM-07.2: a raw lock of a level that leaves interrupts on holds the thread off, not the handler.
#[test]
fn preempts_when_a_raw_lock_is_released() {
    let seen = l_and_h(|cx, _| {
        static LOCK: RawSpinLock<(), cx::Thread> = RawSpinLock::new(());
        half_ms(1);
        let guard = LOCK.lock(cx);
        half_ms(7);
        drop(guard);
        half_ms(2);
    });
    assert_eq!(seen, [("irq", 10), ("H", 40), ("L", 50)]);
}

/// PM-08.1: woken with both masked, it preempts exactly once, at the last enable, in either order.
#[test]
fn preempts_at_the_last_of_two_enables() {
    for irqs_first in [true, false] {
        exact(move |cx| {
            let (gate, log) = (Arc::new(Semaphore::new(0)), Log::new());
            let (down, h) = (gate.clone(), log.clone());
            start(cx, "H", fifo(50), move |cx| {
                down.down(cx);
                h.push("H");
            });
            let masked = irq_flags::save(cx);
            // SAFETY: enabled below.
            unsafe { preempt::hook::disable() };
            // SAFETY: for `up`, which any context may call.
            unsafe { sleep_hook::with_forged_token(|cx| gate.up(cx).unwrap()) };
            let switches = hw::sim::switches();
            // SAFETY: the `disable` above.
            let enable = || unsafe { preempt::hook::enable() };
            if irqs_first {
                drop(masked);
                log.push("first");
                enable();
            } else {
                enable();
                log.push("first");
                drop(masked);
            }
            assert_eq!(log.take(), ["first", "H"]);
            // There and back.
            assert_eq!(hw::sim::switches() - switches, 2);
        });
    }
}

/// PM-08.2(a), BU-06.1: an interrupt anywhere in the idle loop: the woken thread runs without another interrupt.
#[test]
fn an_interrupt_anywhere_in_the_idle_loop_wakes_at_once() {
    at_every_point(|cx, arm| {
        become_policy(cx, fifo(50));
        let (gate, log) = (Arc::new(Semaphore::new(0)), Log::new());
        let (up, seen) = (gate.clone(), log.clone());
        let line = hard_line(cx, 100, move |cx| {
            seen.push(hw::sim::time());
            up.up(cx).unwrap();
        });
        arm();
        gate.down(cx);
        assert_eq!(log.take(), [hw::sim::time()]);
        line.free(cx).unwrap();
    });
}

/// PM-08.2(c): woken while its CPU holds a raw lock that masks interrupts, it runs at the unlock.
#[test]
fn a_wake_inside_a_raw_section_is_honoured_at_the_unlock() {
    exact(|cx| {
        let (gate, log) = (Arc::new(Semaphore::new(0)), Log::new());
        let (down, h) = (gate.clone(), log.clone());
        start(cx, "H", fifo(50), move |cx| {
            down.down(cx);
            h.push("H");
        });
        let lock: RawSpinLock<()> = RawSpinLock::new(());
        let mut guard = lock.lock(cx);
        gate.up(guard.cx()).unwrap();
        log.push("in the section");
        drop(guard);
        assert_eq!(log.take(), ["in the section", "H"]);
    });
}

/// SC-04.1: a chain of wake-ups, each thread more urgent than its waker, runs before the wakers' next statements.
#[test]
fn each_woken_thread_runs_before_its_wakers_next_statement() {
    exact(|cx| {
        become_policy(cx, fifo(5));
        let log = Log::new();
        let gates: Vec<_> = (11..=37).map(|_| Arc::new(Semaphore::new(0))).collect();
        for n in 11..=36u32 {
            let (mine, next) = (gates[n as usize - 11].clone(), gates[n as usize - 10].clone());
            let log = log.clone();
            start(cx, &format!("T{n}"), fifo(n as i32), move |cx| {
                mine.down(cx);
                log.push((n, "woken"));
                next.up(cx).unwrap();
                log.push((n, "goes on"));
            });
        }
        gates[0].up(cx).unwrap();
        let expected = (11..=36).map(|n| (n, "woken")).chain((11..=36).rev().map(|n| (n, "goes on")));
        assert_eq!(log.take(), expected.collect::<Vec<_>>());
    });
}

/// SC-04.2: an equal does not preempt.
#[test]
fn a_woken_equal_does_not_preempt() {
    exact(|cx| {
        become_policy(cx, fifo(50));
        let (gate, log) = (Arc::new(Semaphore::new(0)), Log::new());
        let (down, h) = (gate.clone(), log.clone());
        start(cx, "equal", fifo(50), move |cx| {
            down.down(cx);
            h.push("equal");
        });
        thread::yield_now(cx);
        gate.up(cx).unwrap();
        hw::sim::spend(MS);
        log.push("waker");
        thread::yield_now(cx);
        assert_eq!(log.take(), ["waker", "equal"]);
    });
}

/// SC-04.3: a handler that wakes four threads causes one switch, to the most urgent one; equals in order of waking.
#[test]
fn one_handler_wakes_four() {
    exact(|cx| {
        let log = Log::new();
        let gates = [30, 50, 40, 50].map(|_| Arc::new(Semaphore::new(0)));
        for (gate, (name, priority)) in gates.iter().zip([("30", 30), ("50", 50), ("40", 40), ("50'", 50)]) {
            let (gate, log) = (gate.clone(), log.clone());
            start(cx, name, fifo(priority), move |cx| {
                gate.down(cx);
                log.push((name, hw::sim::switches()));
            });
        }
        let line = hard_line(cx, 100, move |cx| gates.iter().for_each(|gate| gate.up(cx).unwrap()));
        let before = hw::sim::switches();
        crate::harness::pend(cx, line.irq());
        let expected = ["50", "50'", "40", "30"].into_iter().zip(before + 1..);
        assert_eq!(log.take(), expected.collect::<Vec<_>>());
        line.free(cx).unwrap();
    });
}

/// SC-04.4: woken with preemption disabled, it runs once preemption is enabled.
#[test]
fn a_wake_with_preemption_disabled_switches_at_the_enable() {
    exact(|cx| {
        let (gate, log) = (Arc::new(Semaphore::new(0)), Log::new());
        let (down, h) = (gate.clone(), log.clone());
        start(cx, "H", fifo(50), move |cx| {
            down.down(cx);
            h.push("H");
        });
        let switches = hw::sim::switches();
        let mut off = preempt::disable(cx);
        gate.up(off.cx()).unwrap();
        log.push("still off");
        drop(off);
        assert_eq!(log.take(), ["still off", "H"]);
        assert_eq!(hw::sim::switches() - switches, 2);
    });
}

/// BU-06.2, PM: an idle CPU takes no timer interrupt but the one that is due.
#[test]
fn an_idle_cpu_takes_no_needless_timer_interrupt() {
    exact(|cx| {
        let (before, idle) = (time::interrupt_counts(cx).0, sched::idle_waits());
        let until = hw::sim::time() + 60_000 * MS;
        time::sleep_until(cx, at(until)).unwrap();
        assert_eq!(hw::sim::time(), until);
        assert_eq!(time::interrupt_counts(cx).0 - before, 1);
        assert_eq!(sched::idle_waits() - idle, 1);
    });
}

/// BU-06: a timer that was cancelled before the CPU went idle does not wake it.
#[test]
fn a_cancelled_timer_does_not_wake_an_idle_cpu() {
    exact(|cx| {
        let gate = Arc::new(Semaphore::new(0));
        let down = gate.clone();
        start(cx, "patient", fifo(10), move |cx| down.down_until(cx, at(500 * MS)).unwrap());
        gate.up(cx).unwrap();
        let before = time::interrupt_counts(cx).0;
        time::sleep(cx, ms(1_000)).unwrap();
        assert_eq!(time::interrupt_counts(cx).0 - before, 1);
    });
}
