//! Does a line keep its promises when its hard handler and its thread are on two CPUs (IQ-08, IQ-09, IQ-18, BU-06)?
//!
//! Lines are sent to CPU 0, where the race's own thread is; their IRQ threads are bound to CPU 1.
use crate::{
    harness::{US, fifo, hard_line, ms, start_on},
    irq_kit::{Count, IRQ, edge},
    race::{bind_thread, busy_till, explored, explored_with, race},
};
use hw::sim;
use kernel::{
    CpuSet, ThreadCx,
    irq::{self, Flags, Handled, Line, Primary},
    sync::Semaphore,
    time,
};
use std::sync::Arc;

/// A line whose thread, on CPU 1, sees how often its device has raised it.
struct Device {
    raised: Count,
    seen: Count,
    line: Line,
}

impl Device {
    fn new(cx: &mut ThreadCx, flags: Flags) -> Self {
        let (raised, seen) = (Count::new(), Count::new());
        let body = {
            let (raised, seen) = (raised.clone(), seen.clone());
            move |_: &mut ThreadCx| {
                seen.set(raised.get());
                sim::point();
                Handled::Yes
            }
        };
        let ask = edge("dev").hard(|_| Primary::WakeThread).threaded(body).flags(flags).cookie(1);
        let line = ask.priority(fifo(90)).submit(cx).unwrap();
        let device = Self { raised, seen, line };
        // At its first run a thread follows its line.
        device.raise();
        time::sleep(cx, ms(1)).unwrap();
        bind_thread(cx, "dev", 1);
        device
    }
    /// The device raises an edge, which CPU 0 takes at once.
    fn raise(&self) {
        self.raised.up();
        sim::irq::pend(IRQ.number());
        sim::point();
    }
    /// All that was raised was seen, and the line can fire again.
    fn settle(&self, cx: &mut ThreadCx) {
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(self.seen.get(), self.raised.get(), "an event was not seen");
        self.raise();
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(self.seen.get(), self.raised.get(), "the line does not fire any more");
        assert!(self.line.synchronize_hardirq(cx), "a thread is still active");
    }
}

pub fn raised_while_the_thread_runs(cx: &mut ThreadCx, flags: Flags) {
    let device = Device::new(cx, flags);
    race(
        cx,
        // The first event's thread finishes and goes to sleep beside this one.
        |_, _| sim::point(),
        |_, _, _| {
            device.raise();
            device.raise();
            // What they cause is part of the race.
            sim::spend(1);
        },
    );
    device.settle(cx);
    device.line.free(cx).unwrap();
}

/// IQ-08.2: a second event comes at every moment of the thread's run for the first one and its way to sleep, on another
/// CPU: it is seen.
#[test]
fn raised_while_the_thread_runs_elsewhere() {
    explored(|cx| raised_while_the_thread_runs(cx, Flags::empty()));
}

/// IQ-09.3: the thread finishes while the hard handler is still in progress: the line fires again afterwards. One that
/// is held active until the thread deactivates it, and one that is masked.
#[test]
fn a_one_shot_thread_finishes_first() {
    explored(|cx| raised_once(cx, Flags::ONESHOT));
    explored(|cx| raised_once(cx, Flags::ONESHOT | Flags::SHARED));
}
pub fn raised_once(cx: &mut ThreadCx, flags: Flags) {
    let device = Device::new(cx, flags);
    race(
        cx,
        |_, _| sim::point(),
        |_, _, _| {
            device.raise();
            // What it causes is part of the race.
            sim::spend(1);
        },
    );
    device.settle(cx);
    device.line.free(cx).unwrap();
}

/// IQ-09: two events of a one-shot line.
#[test]
fn a_one_shot_line_raised_twice() {
    explored(|cx| raised_while_the_thread_runs(cx, Flags::ONESHOT));
    explored(|cx| raised_while_the_thread_runs(cx, Flags::ONESHOT | Flags::SHARED));
}

/// IQ-18.1: freed by one CPU while it fires on the other: after that nothing of it runs.
#[test]
fn freed_while_it_fires() {
    for (bound, flags) in [(1, Flags::empty()), (1, Flags::ONESHOT), (2, Flags::ONESHOT | Flags::SHARED)] {
        explored_with(bound, move |cx| {
            let (hard, body) = (Count::new(), Count::new());
            let ask = edge("dev").hard(hard.hard(Primary::WakeThread)).threaded(body.thread());
            let line = ask.flags(flags).cookie(1).priority(fifo(90)).submit(cx).unwrap();
            irq::set_affinity(cx, IRQ, CpuSet::of(1)).unwrap();
            race(
                cx,
                |_, _| {
                    sim::irq::pend(IRQ.number());
                    sim::point();
                },
                |cx, _, _| {
                    line.free(cx).unwrap();
                    assert_eq!((hard.sharers(), body.sharers()), (0, 0), "a handler still exists");
                },
            );
            assert!(body.get() <= hard.get() && hard.get() <= 1);
            let state = sim::irq::state(IRQ.number());
            assert!(!state.active && !state.enabled, "{state:?}");
        });
    }
}

/// BU-06.1: another CPU makes a thread ready at every moment of this one's way into idle.
#[test]
fn woken_by_another_cpu_on_the_way_into_idle() {
    explored(woken_into_idle);
}
pub fn woken_into_idle(cx: &mut ThreadCx) {
    let gate = Arc::new(Semaphore::new(0));
    let (wait, wakes) = (gate.clone(), gate.clone());
    let mut sleeper = start_on(cx, &[0], "sleeper", fifo(50), move |cx| {
        wait.down(cx);
        sim::time()
    });
    time::sleep(cx, ms(1)).unwrap();
    let up = race(
        cx,
        move |cx, begin| {
            wakes.up(cx).unwrap();
            begin
        },
        // Sleeps through it: CPU 0 goes idle.
        |cx, begin, _| time::sleep_until(cx, crate::harness::at(begin + 500 * US)).unwrap(),
    );
    let woken = sleeper.join(cx).unwrap();
    assert!(woken - up < 10 * US, "ran {} ns later", woken - up);
}

/// BU-06.1: the same by an interrupt that another CPU sends here.
#[test]
fn interrupted_on_the_way_into_idle() {
    explored(|cx| {
        let gate = Arc::new(Semaphore::new(0));
        let up = gate.clone();
        let line = hard_line(cx, 100, move |cx| up.up(cx).unwrap());
        race(
            cx,
            |cx, _| irq::inject::pend(cx, IRQ).unwrap(),
            |cx, begin, _| {
                gate.down(cx);
                assert!(sim::time() - begin < 10 * US);
            },
        );
        busy_till(sim::time() + US);
        line.free(cx).unwrap();
    });
}
