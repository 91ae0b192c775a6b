//! Is a one-shot line quiet until its threads are done, and at what cost? (IQ-09; the design's register log)
use crate::irq_kit::{
    Count, IRQ, assert_line, be_fifo, chip_log, clean, edge, fire, mark_handler, mark_thread, registers, release_line,
    warned, warned_with,
};
use hw::sim::{self, Config};
use kernel::{
    ThreadCx,
    irq::{Flags, Handled, Primary, Request, Trigger},
    simulation::{Bug, turn_on},
    sync::Completion,
    time,
};
use std::{sync::Arc, time::Duration};

const MS: Duration = Duration::from_millis(1);

fn level(name: &str) -> Request<'_> {
    Request::new(IRQ, name).trigger(Trigger::LevelHigh).flags(Flags::ONESHOT)
}
fn clears(_: &mut ThreadCx) -> Handled {
    mark_thread();
    release_line(IRQ);
    Handled::Yes
}

/// IQ-09.1 as the design has it: a threaded interrupt of an unshared line accesses three registers and no others.
#[test]
fn a_threaded_interrupt_needs_three_accesses() {
    let expected = ["ICC_IAR1 -> 100", "ICC_EOIR1 <- 100", "ICC_DIR <- 100"];
    clean(move |cx| {
        let runs = Count::new();
        let line = edge("dev").threaded(runs.thread()).flags(Flags::ONESHOT).submit(cx).unwrap();
        assert_eq!(registers(|| fire(IRQ)), expected);
        line.free(cx).unwrap();
        let ask = edge("dev").hard(|_| Primary::WakeThread).threaded(runs.thread());
        let line = ask.flags(Flags::ONESHOT).submit(cx).unwrap();
        assert_eq!(registers(|| fire(IRQ)), expected);
        line.free(cx).unwrap();
        let line = edge("dev").handler(|_| Handled::Yes).submit(cx).unwrap();
        assert_eq!(registers(|| fire(IRQ)), expected);
        assert_eq!((runs.get(), line.thread_runs()), (2, 1));
        line.free(cx).unwrap();
    });
}

/// IQ-09.1: a level line whose thread clears its device: hard 1, thread 1, and again for the next assertion.
#[test]
fn a_level_line_fires_once_for_an_assertion() {
    clean(|cx| {
        let hard = Count::new();
        let line = level("dev")
            .hard({
                let hard = hard.clone();
                move |_| {
                    hard.up();
                    mark_handler();
                    Primary::WakeThread
                }
            })
            .threaded(clears)
            .submit(cx)
            .unwrap();
        for n in 1..4 {
            assert_eq!(chip_log(|| assert_line(IRQ)), "ack eoir handler thread dir");
            assert_eq!((hard.get(), line.thread_runs()), (n, n));
        }
        line.free(cx).unwrap();
    });
}

/// IQ-09.2: a thread that never clears its device makes no storm: as many threads as hard handlers, and FIFO 60 keeps
/// its period.
#[test]
fn a_level_line_that_nobody_clears_makes_no_storm() {
    clean(|cx| {
        let hard = Count::new();
        let line = level("dev")
            .hard(hard.hard(Primary::WakeThread))
            .threaded(|_| {
                sim::spend(10_000);
                Handled::Yes
            })
            .submit(cx)
            .unwrap();
        be_fifo(cx, 60);
        sim::irq::set_line(100, true);
        let start = time::now();
        for n in 1..=100 {
            let due = start.saturating_add(n * MS);
            time::sleep_until(cx, due).unwrap();
            assert!(time::now().since(due) < Duration::from_micros(1), "{:?} late", time::now().since(due));
        }
        release_line(IRQ);
        line.synchronize(cx).unwrap();
        assert_eq!(hard.get(), line.thread_runs());
        assert!((9_000..=10_000).contains(&hard.get()), "{} in 100 ms", hard.get());
        line.free(cx).unwrap();
    });
}

/// IQ-09.4: disabled while the thread runs: the line is not let go at its end, but by the enable.
#[test]
fn disabled_while_the_thread_runs() {
    // A line of its own is held and masked only at the end; a shared one has been masked all the time.
    for (flags, at_end, at_enable) in [(Flags::empty(), "mask dir", "unmask"), (Flags::SHARED, "", "unmask")] {
        clean(move |cx| {
            let (gate, runs) = (Arc::new(Completion::new()), Count::new());
            let ask = level("dev").flags(flags).cookie(1).threaded({
                let (gate, runs) = (gate.clone(), runs.clone());
                move |cx| {
                    runs.up();
                    gate.wait(cx);
                    Handled::Yes
                }
            });
            let line = ask.submit(cx).unwrap();
            assert_line(IRQ);
            assert_eq!(runs.get(), 1);
            line.disable_nosync(cx);
            assert_eq!(chip_log(|| gate.complete(cx)), at_end);
            assert_eq!((runs.get(), line.synchronize_hardirq(cx)), (1, true));
            // Still asserted: the enable lets it fire.
            let log = chip_log(|| line.enable(cx).unwrap());
            assert!(log.starts_with(at_enable), "{log}");
            assert_eq!(runs.get(), 2);
            release_line(IRQ);
            gate.complete(cx);
            line.free(cx).unwrap();
        });
    }
}

/// IQ-09.5: edges that come while the line is quiet make exactly one more run.
#[test]
fn edges_while_the_line_is_quiet() {
    for flags in [Flags::empty(), Flags::SHARED] {
        clean(move |cx| {
            let (runs, hard) = (Count::new(), Count::new());
            let ask = edge("dev").hard(hard.hard(Primary::WakeThread)).threaded({
                let runs = runs.clone();
                move |_| {
                    if runs.up() == 1 {
                        (0..3).for_each(|_| fire(IRQ));
                    }
                    Handled::Yes
                }
            });
            let line = ask.flags(Flags::ONESHOT | flags).cookie(1).submit(cx).unwrap();
            fire(IRQ);
            assert_eq!((runs.get(), hard.get()), (2, 2));
            line.free(cx).unwrap();
        });
    }
}

/// IQ-09.6: a hard handler of a one-shot line that wakes nobody: the line is let go at the flow's end.
#[test]
fn nobody_woken() {
    for (flags, log) in [(Flags::empty(), "ack eoir handler dir"), (Flags::SHARED, "ack eoir mask handler dir unmask")]
    {
        clean(move |cx| {
            let ask = edge("dev").flags(Flags::ONESHOT | flags).cookie(1).threaded(|_| Handled::Yes).hard(|_| {
                mark_handler();
                Primary::Handled
            });
            let line = ask.submit(cx).unwrap();
            assert_eq!(chip_log(|| fire(IRQ)), log);
            assert_eq!(chip_log(|| fire(IRQ)), log);
            line.free(cx).unwrap();
        });
    }
}

/// The design: a shared one-shot line is masked once and unmasked once for an interrupt.
#[test]
fn a_shared_line_is_masked_and_unmasked_once() {
    clean(|cx| {
        let ask = |name, cookie| level(name).flags(Flags::SHARED).cookie(cookie).threaded(clears);
        let one = ask("one", 1).submit(cx).unwrap();
        assert_eq!(chip_log(|| assert_line(IRQ)), "ack eoir mask dir thread unmask");
        let two = ask("two", 2).submit(cx).unwrap();
        assert_eq!(chip_log(|| assert_line(IRQ)), "ack eoir mask dir thread thread unmask");
        one.free(cx).unwrap();
        two.free(cx).unwrap();
    });
}

/// The design, boot option `eoimode=0`: the line is masked instead of held; ICC_EOIR1 ends it after the handler, no DIR.
#[test]
fn eoi_mode_0_masks() {
    warned_with(Config::default(), "eoimode=0", &[], |cx| {
        let handler = |_: &mut kernel::HardIrqCx<'_>| {
            mark_handler();
            Primary::WakeThread
        };
        let line = level("dev").hard(handler).threaded(clears).submit(cx).unwrap();
        assert_eq!(chip_log(|| assert_line(IRQ)), "ack mask handler eoir thread unmask");
        line.free(cx).unwrap();
        let line = edge("dev").hard(|_| Primary::Handled).submit(cx).unwrap();
        assert_eq!(chip_log(|| fire(IRQ)), "ack eoir");
        line.free(cx).unwrap();
    });
}

/// IQ-09.7: a line let go at the end of the hard handler is a storm, which the detector ends before the thread runs.
#[test]
fn letting_go_early_is_a_storm() {
    for flags in [Flags::empty(), Flags::SHARED] {
        warned(&["irq 100: nobody cared"], move |cx| {
            turn_on(Bug::OneshotUnmaskEarly);
            let (hard, at_thread) = (Count::new(), Count::new());
            let ask = level("dev").flags(flags).cookie(1).hard(hard.hard(Primary::WakeThread)).threaded({
                let (hard, at_thread) = (hard.clone(), at_thread.clone());
                move |_| {
                    at_thread.set(hard.get());
                    release_line(IRQ);
                    Handled::Yes
                }
            });
            let line = ask.submit(cx).unwrap();
            assert_line(IRQ);
            // Judged one interrupt late: the storm is over when the thread first runs.
            assert_eq!((at_thread.get(), hard.get(), line.depth()), (100_001, 100_001, 1));
            line.free(cx).unwrap();
        });
    }
}
