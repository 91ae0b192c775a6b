//! Does an IRQ thread run as often as it was woken for, never less, never more? (IQ-08)
use crate::{
    harness::fifo,
    irq_kit::{Count, IRQ, Later, be_fifo, clean, edge, fire},
};
use hw::sim;
use kernel::{
    ThreadCx,
    irq::{Flags, Handled, Line, Primary, Request},
    simulation::{Bug, turn_on},
};
use std::sync::Arc;

/// IQ-08.1: five edges while the body runs: the body runs exactly once more, the hard handler every time.
#[test]
fn wakes_coalesce() {
    clean(|cx| {
        let (hard, body) = (Count::new(), Count::new());
        let line = edge("dev")
            .hard(hard.hard(Primary::WakeThread))
            .threaded({
                let body = body.clone();
                move |_| {
                    if body.up() == 1 {
                        (0..5).for_each(|_| fire(IRQ));
                    }
                    Handled::Yes
                }
            })
            .submit(cx)
            .unwrap();
        fire(IRQ);
        assert_eq!((hard.get(), body.get()), (6, 2));
        assert!(line.synchronize_hardirq(cx), "no thread is active");
        line.free(cx).unwrap();
    });
}

/// IQ-08: a wake by software counts like one by the hard handler, and finishes like it on a one-shot line.
#[test]
fn a_wake_by_software() {
    for flags in [Flags::ONESHOT, Flags::ONESHOT | Flags::SHARED] {
        clean(move |cx| {
            let body = Count::new();
            let line = edge("dev").threaded(body.thread()).flags(flags).cookie(1).submit(cx).unwrap();
            be_fifo(cx, 90);
            assert!(line.wake_thread(cx) && line.wake_thread(cx));
            assert!(!line.synchronize_hardirq(cx));
            line.synchronize(cx).unwrap();
            assert_eq!(body.get(), 1);
            fire(IRQ);
            assert!(line.wake_thread(cx));
            line.synchronize(cx).unwrap();
            assert_eq!(body.get(), 2);
            line.free(cx).unwrap();
        });
    }
}

/// IQ-08: a wake that finds the body asleep on something else disturbs neither, and is not lost.
#[test]
fn a_wake_while_the_body_sleeps() {
    clean(|cx| {
        let (body, done) = (Count::new(), Arc::new(kernel::sync::Completion::new()));
        let line = edge("dev")
            .hard(|_| Primary::WakeThread)
            .threaded({
                let (body, done) = (body.clone(), done.clone());
                move |cx| {
                    if body.up() == 1 {
                        done.wait(cx);
                    }
                    Handled::Yes
                }
            })
            .submit(cx)
            .unwrap();
        fire(IRQ);
        fire(IRQ);
        kernel::time::sleep(cx, std::time::Duration::from_millis(1)).unwrap();
        assert_eq!((body.get(), done.is_done()), (1, false));
        done.complete(cx);
        assert_eq!(body.get(), 2);
        line.free(cx).unwrap();
    });
}

/// A device that counts what it raised, and a driver that says what it has seen: every event must be seen by a body
/// that begins after it.
struct Seen {
    raised: Count,
    seen: Count,
    runs: Count,
    line: Line,
}

impl Seen {
    fn new(cx: &mut ThreadCx, flags: Flags) -> Self {
        let (raised, seen, runs) = (Count::new(), Count::new(), Count::new());
        let body = {
            let (raised, seen, runs) = (raised.clone(), seen.clone(), runs.clone());
            move |_: &mut ThreadCx| {
                runs.up();
                seen.set(raised.get());
                sim::point();
                Handled::Yes
            }
        };
        let ask = edge("dev").hard(|_| Primary::WakeThread).threaded(body).flags(flags).cookie(1);
        let line = ask.priority(fifo(80)).submit(cx).unwrap();
        Self { raised, seen, runs, line }
    }
    /// Raises one event now and one `n` points later. False: the second came when all was over.
    fn raise_twice(&self, n: u64) -> bool {
        let before = self.runs.get();
        self.raised.up();
        let second = self.raised.clone();
        sim::at_point_call(
            n,
            Box::new(move || {
                second.up();
                sim::irq::pend(IRQ.number());
            }),
        );
        let wanted = self.raised.get() + 1;
        fire(IRQ);
        let within = self.raised.get() == wanted;
        while self.raised.get() != wanted {
            sim::point();
        }
        // What is left to do is done by more urgent threads before this goes on.
        sim::point();
        let runs = self.runs.get() - before;
        assert!(runs <= 2, "point {n}: {runs} runs for two events");
        within
    }
    fn lost(&self) -> bool {
        self.seen.get() != self.raised.get()
    }
}

/// Points from an interrupt to the end of all that it causes, with room for a second one.
const ALL_POINTS: std::ops::Range<u64> = 1..600;

/// IQ-08.2: a second event at every point between the first one's interrupt and the thread's sleep is served.
#[test]
fn no_wake_is_lost_at_any_point() {
    for flags in [Flags::empty(), Flags::ONESHOT, Flags::ONESHOT | Flags::SHARED] {
        clean(move |cx| {
            let device = Seen::new(cx, flags);
            let mut within = 0;
            for n in ALL_POINTS {
                within += u32::from(device.raise_twice(n));
                assert!(!device.lost(), "point {n}, {flags:?}");
                assert!(device.line.synchronize_hardirq(cx), "point {n}, {flags:?}: a thread is still active");
            }
            assert!((30..500).contains(&within), "{within} points were within the run");
            device.line.free(cx).unwrap();
        });
    }
}

/// IQ-08.4: with RUNTHREAD cleared after the body the same search finds a lost run.
#[test]
fn clearing_after_the_body_loses_a_run() {
    clean(|cx| {
        turn_on(Bug::ClearAfterRun);
        let device = Seen::new(cx, Flags::empty());
        let lost = ALL_POINTS.filter(|&n| {
            device.raise_twice(n);
            let lost = device.lost();
            // The next event makes up for it.
            device.raised.up();
            fire(IRQ);
            lost
        });
        assert!(lost.count() > 0);
        device.line.free(cx).unwrap();
    });
}

/// IQ-08.3: with RUNTHREAD set, a free lets the body run one last time, then the thread ends.
#[test]
fn a_pending_run_precedes_the_end() {
    for flags in [Flags::empty(), Flags::ONESHOT, Flags::ONESHOT | Flags::SHARED] {
        clean(move |cx| {
            let body = Count::new();
            let ask = edge("dev").hard(|_| Primary::WakeThread).threaded(body.thread()).flags(flags).cookie(1);
            let line = ask.submit(cx).unwrap();
            be_fifo(cx, 90);
            fire(IRQ);
            assert_eq!(body.get(), 0);
            line.free(cx).unwrap();
            assert_eq!(body.get(), 1);
            fire(IRQ);
            assert_eq!((body.get(), sim::irq::state(100).active), (1, false));
        });
    }
}

/// IQ-08: a body that wakes its own thread runs once more, and the line is let go after that.
#[test]
fn a_body_that_wakes_itself() {
    clean(|cx| {
        let (body, line) = (Count::new(), Later::<Line>::default());
        let made = Request::new(IRQ, "dev")
            .threaded({
                let (body, line) = (body.clone(), line.clone());
                move |cx| {
                    if body.up() == 1 {
                        line.get().unwrap().wake_thread(cx);
                    }
                    Handled::Yes
                }
            })
            .flags(Flags::ONESHOT)
            .submit(cx)
            .unwrap();
        line.set(made).unwrap();
        fire(IRQ);
        assert_eq!((body.get(), sim::irq::state(100).active), (2, false));
    });
}
