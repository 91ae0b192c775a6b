//! How does a driver get a line, and in which context do its parts run? (IQ-02, IQ-03, IQ-05, IQ-06)
use crate::irq_kit::{Count, IRQ, assert_line, clean, edge, fire, release_line, warned};
use hw::{gic::Which, sim};
use kernel::{
    Error,
    irq::{self, Flags, Handled, Irq, Primary, Request, Trigger, inject},
    preempt::context,
    thread, trace,
};

/// IQ-02.1, IQ-06.2: a NO_THREAD handler runs in hard context with interrupts masked; no thread exists.
#[test]
fn no_thread_means_hard_context() {
    clean(|cx| {
        let (threads, runs) = (thread::live(), Count::new());
        let line = edge("dev")
            .hard({
                let runs = runs.clone();
                move |_| {
                    assert!(context::in_hardirq() && !context::in_task() && !kernel::irq_flags::enabled());
                    runs.up();
                    Primary::Handled
                }
            })
            .flags(Flags::NO_THREAD)
            .submit(cx)
            .unwrap();
        fire(IRQ);
        assert_eq!((runs.get(), thread::live(), line.thread()), (1, threads, None));
        line.free(cx).unwrap();
    });
}

/// IQ-06.3: a private line stays in hard context; no thread exists.
#[test]
fn a_private_line_stays_in_hard_context() {
    clean(|cx| {
        let (threads, runs, ppi) = (thread::live(), Count::new(), Irq::ppi(4));
        let line = irq::request_percpu(cx, ppi, "pmu", {
            let runs = runs.clone();
            move |_| {
                assert!(context::in_hardirq());
                runs.up();
            }
        })
        .unwrap();
        fire(ppi);
        assert_eq!(runs.get(), 0, "not enabled yet");
        line.enable(cx);
        sim::point();
        assert_eq!(runs.get(), 1);
        line.disable(cx);
        fire(ppi);
        assert_eq!((runs.get(), thread::live()), (1, threads));
        assert_eq!(irq::info(cx, ppi).unwrap().total(), 1);
    });
}

/// IQ-06.3: PERCPU on an ordinary line keeps it in hard context too.
#[test]
fn percpu_means_hard_context() {
    clean(|cx| {
        let (threads, runs) = (thread::live(), Count::new());
        let line = edge("dev").hard(runs.hard(Primary::Handled)).flags(Flags::PERCPU).submit(cx).unwrap();
        fire(IRQ);
        assert_eq!((runs.get(), thread::live()), (1, threads));
        line.free(cx).unwrap();
    });
}

/// IQ-02.3: a line in use is busy, both owners are named, and the first keeps working.
#[test]
fn a_line_in_use_is_busy() {
    warned(&["irq 100: second does not fit first: not shared"], |cx| {
        let runs = Count::new();
        let line = edge("first").hard(runs.hard(Primary::Handled)).submit(cx).unwrap();
        let other = edge("second").hard(|_| Primary::Handled).submit(cx);
        assert_eq!(other.unwrap_err(), Error::Busy);
        fire(IRQ);
        assert_eq!(runs.get(), 1);
        assert_eq!(line.free(cx).unwrap(), "first");
    });
}

/// IQ-02.2: after a free the line is masked and shut down; a pend causes nothing.
#[test]
fn a_freed_line_is_shut_down() {
    clean(|cx| {
        let runs = Count::new();
        let line = edge("dev").hard(runs.hard(Primary::Handled)).submit(cx).unwrap();
        fire(IRQ);
        line.free(cx).unwrap();
        fire(IRQ);
        assert_eq!((runs.get(), runs.sharers(), sim::irq::state(100).enabled), (1, 0, false));
        assert_eq!(irq::info(cx, IRQ).unwrap().depth, 1);
    });
}

/// IQ-03.1: irq_enter, wake, irq_exit, switch, thread body; the body is preemptible.
#[test]
fn the_steps_of_a_threaded_interrupt() {
    clean(|cx| {
        let line = edge("dev")
            .hard(|_| Primary::WakeThread)
            .threaded(|_| {
                assert!(context::preemptible());
                Handled::Yes
            })
            .submit(cx)
            .unwrap();
        let thread = u64::from(line.thread().unwrap().0);
        trace::drain(|_| {});
        fire(IRQ);
        let mut steps = Vec::new();
        trace::drain(|event| steps.push((trace::name(event.kind), event.a, event.b)));
        let step =
            |name: &str| steps.iter().position(|s| s.0 == name).unwrap_or_else(|| panic!("no {name}: {steps:?}"));
        let order = ["irq_enter", "hard_handler", "wake", "irq_exit", "switch", "thread_irq_run", "thread_irq_done"];
        assert!(order.map(step).is_sorted(), "{steps:?}");
        assert_eq!((steps[step("wake")].1, steps[step("switch")].2), (thread, thread));
        line.free(cx).unwrap();
    });
}

/// IQ-03.2: a primary that says Handled wakes nobody.
#[test]
fn handled_wakes_nobody() {
    clean(|cx| {
        let (hard, thread) = (Count::new(), Count::new());
        let ask = edge("dev").hard(hard.hard(Primary::Handled)).threaded(thread.thread()).flags(Flags::ONESHOT);
        let line = ask.submit(cx).unwrap();
        fire(IRQ);
        fire(IRQ);
        assert_eq!((hard.get(), thread.get(), line.synchronize_hardirq(cx)), (2, 0, true));
        line.free(cx).unwrap();
    });
}

/// IQ-03: HandledAndWake does both.
#[test]
fn handled_and_wake_does_both() {
    clean(|cx| {
        let thread = Count::new();
        let ask = edge("dev").hard(|_| Primary::HandledAndWake).threaded(thread.thread());
        let line = ask.submit(cx).unwrap();
        fire(IRQ);
        assert_eq!((thread.get(), line.thread_runs()), (1, 1));
        line.free(cx).unwrap();
    });
}

/// IQ-03.3: a line that is asserted already is served as soon as it is requested.
#[test]
fn an_asserted_line_is_served_at_once() {
    clean(|cx| {
        let runs = Count::new();
        assert_line(IRQ);
        let line = Request::new(IRQ, "dev")
            .threaded({
                let runs = runs.clone();
                move |_| {
                    runs.up();
                    release_line(IRQ);
                    Handled::Yes
                }
            })
            .trigger(Trigger::LevelHigh)
            .flags(Flags::ONESHOT)
            .submit(cx)
            .unwrap();
        assert_eq!(runs.get(), 1);
        line.free(cx).unwrap();
    });
}

/// IQ-03.3: so is an edge that was latched before the request, once.
#[test]
fn a_latched_edge_is_served_at_once() {
    clean(|cx| {
        let runs = Count::new();
        fire(IRQ);
        assert_eq!(inject::state(cx, IRQ, Which::Pending), Ok(true));
        let line = edge("dev").threaded(runs.thread()).flags(Flags::ONESHOT).submit(cx).unwrap();
        assert_eq!(runs.get(), 1);
        line.free(cx).unwrap();
    });
}

/// IQ-03.4: without a thread to spare a request fails and leaves nothing; with one it succeeds.
#[test]
fn no_thread_to_spare() {
    clean(|cx| {
        let end = std::sync::Arc::new(kernel::sync::Completion::new());
        let mut sleepers = Vec::new();
        loop {
            let end = end.clone();
            match thread::spawn(cx, "sleeper", move |cx| end.wait(cx)) {
                Ok(handle) => sleepers.push(handle),
                Err(error) => break assert_eq!(error, Error::NoResource),
            }
        }
        let (runs, threads) = (Count::new(), thread::live());
        let mut ask = || edge("dev").threaded(runs.thread()).flags(Flags::ONESHOT).submit(cx);
        assert_eq!(ask().unwrap_err(), Error::NoResource);
        assert_eq!((thread::live(), runs.sharers(), sim::irq::state(100).enabled), (threads, 0, false));
        end.complete(cx);
        sleepers.remove(0).join(cx).unwrap();
        let line = edge("dev").threaded(runs.thread()).flags(Flags::ONESHOT).submit(cx).unwrap();
        fire(IRQ);
        assert_eq!(runs.get(), 1);
        line.free(cx).unwrap();
        end.complete_all(cx);
    });
}

/// IQ-03.5: WakeThread without a thread handler: one warning, taken as handled, the line stays usable.
#[test]
fn wake_thread_without_a_thread() {
    warned(&["irq 100: dev returned WakeThread"], |cx| {
        let runs = Count::new();
        let line = edge("dev").hard(runs.hard(Primary::WakeThread)).submit(cx).unwrap();
        for _ in 0..100_100 {
            fire(IRQ);
        }
        assert_eq!((runs.get(), line.depth(), line.wake_thread(cx)), (100_100, 0, false));
        line.free(cx).unwrap();
    });
}

/// IQ-03: what a handler has captured is dropped when `free` returns, even if the caller outranks the thread.
#[test]
fn captures_are_dropped_by_free() {
    clean(|cx| {
        crate::irq_kit::be_fifo(cx, 90);
        let (hard, thread) = (Count::new(), Count::new());
        let ask = edge("dev").hard(hard.hard(Primary::WakeThread)).threaded(thread.thread());
        let line = ask.submit(cx).unwrap();
        assert_eq!((hard.sharers(), thread.sharers()), (1, 1));
        line.free(cx).unwrap();
        assert_eq!((hard.sharers(), thread.sharers()), (0, 0));
    });
}
