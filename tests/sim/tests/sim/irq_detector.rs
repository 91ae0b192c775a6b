//! Does the kernel give up on a line that nobody cares for, at the right moment and no sooner? (IQ-19)
use crate::irq_kit::{Count, IRQ, assert_line, edge, fire, warned, warned_with};
use hw::sim::{self, Config};
use kernel::{
    HardIrqCx, ThreadCx,
    irq::{self, Flags, Handled, Line, Primary, Request, Trigger},
};

const WINDOW: u32 = 100_000;

/// A device whose handler answers `answer(n)` to its n-th interrupt, counted from 1.
fn device(cx: &mut ThreadCx, flags: Flags, answer: impl Fn(u32) -> Primary + Send + 'static) -> (Line, Count) {
    let count = Count::new();
    let line = edge("dev").flags(flags).cookie(1).hard({
        let count = count.clone();
        move |_: &mut HardIrqCx<'_>| answer(count.up())
    });
    (line.submit(cx).unwrap(), count)
}
fn fire_times(n: u32) {
    (0..n).for_each(|_| fire(IRQ));
}
fn patient() -> Config {
    Config { point_budget: u64::MAX / 2, time_limit: u64::MAX / 2, ..Config::default() }
}

/// IQ-19.1: 100,000 times nobody's: one report, which lists the handler, and the line is disabled at exactly that one.
#[test]
fn nobody_cared() {
    let outcome = warned(&["irq 100: nobody cared"], |cx| {
        let (line, count) = device(cx, Flags::empty(), |_| Primary::None);
        fire_times(WINDOW - 1);
        assert_eq!((count.get(), line.depth()), (WINDOW - 1, 0));
        fire(IRQ);
        assert_eq!((count.get(), line.depth()), (WINDOW, 1));
        fire_times(3);
        assert_eq!(count.get(), WINDOW);
        assert_eq!(irq::info(cx, IRQ).unwrap().unhandled, WINDOW);
        line.free(cx).unwrap();
    });
    assert!(outcome.console.contains("handler: dev") && outcome.console.contains("disabling irq 100"));
}

/// IQ-19.2: 99,900 of a window are tolerated, 99,901 are not; the window begins with the first that is nobody's.
#[test]
fn the_threshold() {
    for (tolerated, handled) in [(true, 100), (false, 99)] {
        let expected: &[&str] = if tolerated { &[] } else { &["nobody cared"] };
        warned(expected, move |cx| {
            // 50 good ones before the window.
            let answer = move |n| match n {
                1..=50 => Primary::Handled,
                n if n <= 50 + WINDOW - handled => Primary::None,
                _ => Primary::Handled,
            };
            let (line, _) = device(cx, Flags::empty(), answer);
            fire_times(50 + WINDOW - 1);
            assert_eq!(line.depth(), 0);
            fire(IRQ);
            assert_eq!(line.depth(), u32::from(!tolerated));
            line.free(cx).unwrap();
        });
    }
}

/// IQ-19.3: one that is nobody's every 101 ms, for three hours, more than a window: never disabled.
#[test]
fn rare_strays_are_forgiven() {
    warned_with(patient(), "", &[], |cx| {
        let (line, count) = device(cx, Flags::empty(), |_| Primary::None);
        for _ in 0..WINDOW + 7_000 {
            sim::advance(101_000_000);
            fire(IRQ);
        }
        assert_eq!((count.get(), line.depth()), (WINDOW + 7_000, 0));
        line.free(cx).unwrap();
    });
}

/// IQ-19.4: with boot option `noirqdebug`, or NO_DEBUG, a million of them do nothing.
#[test]
fn not_watched() {
    for (bootargs, flags) in [("noirqdebug", Flags::empty()), ("", Flags::NO_DEBUG)] {
        warned_with(patient(), bootargs, &[], move |cx| {
            let (line, count) = device(cx, flags, |_| Primary::None);
            fire_times(1_000_000);
            assert_eq!((count.get(), line.depth()), (1_000_000, 0));
            line.free(cx).unwrap();
        });
    }
}

/// IQ-19.4: a second owner without NO_DEBUG does not make a line watched that was not.
#[test]
fn not_watched_for_all_sharers() {
    warned(&[], |cx| {
        let (line, _) = device(cx, Flags::NO_DEBUG | Flags::SHARED, |_| Primary::None);
        let ask = edge("second").flags(Flags::SHARED).cookie(2).hard(|_| Primary::None);
        let second = ask.submit(cx).unwrap();
        fire_times(WINDOW + 1);
        assert_eq!(line.depth(), 0);
        line.free(cx).unwrap();
        second.free(cx).unwrap();
    });
}

/// IQ-19.5: a new handler gives a line that was given up another chance, with counters that start anew.
#[test]
fn a_new_handler_is_another_chance() {
    warned(&["nobody cared", "nobody cared"], |cx| {
        let (line, count) = device(cx, Flags::SHARED, |_| Primary::None);
        fire_times(WINDOW);
        assert_eq!(line.depth(), 1);
        let ask = edge("second").flags(Flags::SHARED).cookie(2).hard(|_| Primary::None);
        let second = ask.submit(cx).unwrap();
        assert_eq!(line.depth(), 0);
        let so_far = count.get();
        fire_times(WINDOW - 1);
        assert_eq!((count.get() - so_far, line.depth()), (WINDOW - 1, 0));
        fire(IRQ);
        assert_eq!(line.depth(), 1);
        line.free(cx).unwrap();
        second.free(cx).unwrap();
        // The last one gone, the next owner starts with a clean slate.
        let (line, _) = device(cx, Flags::empty(), |_| Primary::Handled);
        assert_eq!(line.depth(), 0);
        line.free(cx).unwrap();
    });
}

/// IQ-19.5: what a driver disabled itself stays disabled when the detector's share is taken back.
#[test]
fn another_chance_does_not_undo_a_disable() {
    warned(&["nobody cared"], |cx| {
        let (line, _) = device(cx, Flags::SHARED, |_| Primary::None);
        fire_times(WINDOW);
        line.disable(cx).unwrap();
        let ask = edge("second").flags(Flags::SHARED).cookie(2).hard(|_| Primary::Handled);
        let second = ask.submit(cx).unwrap();
        assert_eq!(line.depth(), 1);
        line.enable(cx).unwrap();
        assert_eq!(line.depth(), 0);
        line.free(cx).unwrap();
        second.free(cx).unwrap();
    });
}

/// IQ-19.6: a level line that nobody clears and whose handler runs hard: the machine goes on after the report.
#[test]
fn a_stuck_level_line() {
    warned(&["nobody cared"], |cx| {
        let count = Count::new();
        let ask = Request::new(IRQ, "dev").trigger(Trigger::LevelHigh).flags(Flags::NO_THREAD);
        let line = ask.hard(count.hard(Primary::None)).submit(cx).unwrap();
        assert_line(IRQ);
        assert_eq!((count.get(), line.depth(), sim::irq::state(100).enabled), (WINDOW, 1, false));
        line.free(cx).unwrap();
    });
}

/// IQ-19, a thread-only line whose thread never handles anything: given up after a window, one interrupt late at most.
#[test]
fn a_thread_that_handles_nothing() {
    for flags in [Flags::ONESHOT, Flags::ONESHOT | Flags::SHARED] {
        warned(&["nobody cared"], move |cx| {
            let line = edge("dev").flags(flags).cookie(1).threaded(|_| Handled::No).submit(cx).unwrap();
            fire_times(WINDOW - 1);
            assert_eq!(line.depth(), 0);
            fire_times(2);
            assert_eq!(line.depth(), 1);
            line.free(cx).unwrap();
        });
    }
}

/// IQ-19, a thread-only line whose thread handles one in 900: never given up.
#[test]
fn a_thread_that_handles_something() {
    for flags in [Flags::ONESHOT, Flags::ONESHOT | Flags::SHARED] {
        warned(&[], move |cx| {
            let runs = Count::new();
            let ask = edge("dev").flags(flags).cookie(1).threaded({
                let runs = runs.clone();
                move |_| if runs.up().is_multiple_of(900) { Handled::Yes } else { Handled::No }
            });
            let line = ask.submit(cx).unwrap();
            fire_times(3 * WINDOW);
            assert_eq!((runs.get(), line.depth()), (3 * WINDOW, 0));
            line.free(cx).unwrap();
        });
    }
}
