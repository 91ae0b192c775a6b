//! What do records cost those who log, and do they come out? Spec 12.
use crate::harness::{MS, US, fifo, hard_line, ms, pend, run, start};
use hw::sim::{self, End};
use kernel::{ThreadCx, log, preempt, report, sleep_hook, time};
use std::sync::{Arc, Mutex};

/// A line of 80 characters with its number.
fn line(n: usize) -> String {
    format!("{n:04} {}", "x".repeat(75))
}
/// The whole ones among the lines of a text.
fn lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.len() == 80).collect()
}
fn expect_in_order(found: &[&str], numbers: std::ops::Range<usize>) {
    assert_eq!(found, numbers.map(line).collect::<Vec<_>>());
}
/// Lets the console thread have the CPU.
fn let_print(cx: &mut ThreadCx) {
    time::sleep(cx, ms(1)).unwrap();
}

/// PK-02.1: a FIFO thread stores its lines and goes on in no time; the text comes later, in order.
#[test]
fn logging_does_not_wait_for_the_console() {
    run(|cx| {
        let mut urgent = start(cx, "urgent", fifo(90), |_| {
            let before = sim::time();
            (0..100).for_each(|n| log::info!("{}", line(n)));
            assert_eq!((sim::time() - before, sim::console().as_str()), (0, ""), "stored and not printed");
        });
        urgent.join(cx).unwrap();
        let_print(cx);
        expect_in_order(&lines(&sim::console()), 0..100);
    });
}

/// PK-02.2: a FIFO hog keeps the console thread from printing; everything is in the ring, and comes when the hog sleeps.
#[test]
fn a_starved_console_catches_up() {
    run(|cx| {
        let mut hog = start(cx, "hog", fifo(50), |cx| {
            (0..100).for_each(|n| log::info!("{}", line(n)));
            sim::spend(50 * MS);
            assert_eq!(sim::console(), "");
            let mut stored = vec![];
            log::replay(cx, 100, |_, record, _| stored.push(String::from_utf8_lossy(record).into_owned()));
            expect_in_order(&stored.iter().map(String::as_str).collect::<Vec<_>>(), 0..100);
            let_print(cx);
            expect_in_order(&lines(&sim::console()), 0..100);
            sim::spend(US);
        });
        hog.join(cx).unwrap();
        assert_eq!(log::dropped(), 0);
    });
}

/// PK-01.2: who is slower than the writers is told once how many records it missed.
#[test]
fn a_reader_that_was_too_slow_is_told_once() {
    run(|cx| {
        let mut writer = start(cx, "writer", fifo(50), |_| (0..1000).for_each(|n| log::info!("{}", line(n))));
        writer.join(cx).unwrap();
        let_print(cx);
        let console = sim::console();
        let found = lines(&console);
        let missed = 1000 - found.len();
        assert!(missed > 500, "the ring is smaller than this: {}", found.len());
        expect_in_order(&found, missed..1000);
        let told: Vec<_> = console.lines().filter(|line| line.contains("dropped")).collect();
        assert_eq!(told, [format!("{missed} log records dropped")]);
        assert_eq!(log::dropped() as usize, missed);
    });
}

/// PK-01.4: what is too long is cut and marked; the next record is whole.
#[test]
fn a_record_that_is_too_long_is_cut_and_marked() {
    run(|cx| {
        log::info!("{}", "y".repeat(2000));
        log::info!("the next one");
        let_print(cx);
        let console = sim::console();
        let found: Vec<_> = console.lines().collect();
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("yyy") && found[0].len() < 600 && found[0].ends_with("y [cut]"), "{}", found[0]);
        assert_eq!(found[1], "the next one");
    });
}

/// PK-02: a hard handler's record comes out as a thread's does, in the order of logging.
#[test]
fn hard_handlers_log_too() {
    run(|cx| {
        let source = hard_line(cx, 100, |_| log::info!("from the handler"));
        log::info!("before");
        // The console thread is fair and nicer than this one: not before it sleeps.
        let off = preempt::disable(cx);
        drop(off);
        pend(cx, source.irq());
        log::info!("after");
        let_print(cx);
        assert_eq!(sim::console(), "before\nfrom the handler\nafter\n");
        source.free(cx).unwrap();
    });
}

/// PK-03.1: a warning is on the wire before the next statement, whatever keeps the console thread.
#[test]
fn a_warning_does_not_wait_for_the_console() {
    run(|cx| {
        let mut hog = start(cx, "hog", fifo(90), |_| {
            log::info!("later");
            // SAFETY: a test: one enable too many is warned of.
            unsafe { preempt::hook::enable() };
            assert!(sim::console().starts_with("WARNING: preempt_enable without preempt_disable"));
            assert!(!sim::console().contains("later"));
        });
        hog.join(cx).unwrap();
        let_print(cx);
        assert!(sim::console().ends_with("later\n"));
    });
}

/// PK-03.1, PK-03.2: a BUG prints its whole text, then what the console thread had no time for.
#[test]
fn a_bug_prints_the_records_that_wait() {
    let outcome = kernel::simulation::boot(Default::default(), "", |cx| {
        log::info!("printed long ago");
        let_print(cx);
        let mut hog = start(cx, "hog", fifo(90), |cx| {
            log::info!("the last words");
            core::mem::forget(preempt::disable(cx));
            kernel::thread::yield_now(cx);
        });
        hog.join(cx).unwrap();
    });
    assert_eq!(outcome.end, End::Exit(report::EXIT_BUG));
    let found: Vec<_> = outcome.console.lines().collect();
    let at =
        |text: &str| found.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{text} in {found:?}"));
    assert!(at("printed long ago") < at("BUG: scheduling while atomic: hog"));
    assert!(at("BUG: ") < at("(hog), preempt count 0x1") && at("(hog), preempt count") < at("the last words"));
    assert_eq!(found.iter().filter(|line| line.contains("printed long ago")).count(), 1);
}

/// PK-03.2: a BUG at any point of the console thread's work: its whole text is there, every record is printed whole and in
/// order, that which was interrupted again from its start.
#[test]
fn a_bug_in_the_middle_of_a_record_prints_it_again() {
    // SAFETY: a test: scheduling in a hard handler is a BUG.
    let bug = || unsafe { sleep_hook::with_forged_token(kernel::thread::yield_now) };
    interrupt_three_records(bug, |outcome| {
        assert_eq!(outcome.end, End::Exit(report::EXIT_BUG));
        let text: Vec<_> = outcome.console.lines().skip_while(|line| !line.starts_with("BUG: ")).collect();
        assert!(
            text[0].starts_with("BUG: scheduling while atomic") && text[2].starts_with("  CPU 0, thread "),
            "{text:?}"
        );
    });
}

/// PK-03.1, PK-03.2: the same for a warning, after which the console thread goes on.
#[test]
fn a_warning_in_the_middle_of_a_record_prints_it_again() {
    // SAFETY: a test: one enable too many is warned of.
    interrupt_three_records(
        || unsafe { preempt::hook::enable() },
        |outcome| {
            assert_eq!(outcome.end, End::Exit(0));
            assert!(
                outcome.console.lines().any(|line| line.starts_with("WARNING: preempt_enable")),
                "{}",
                outcome.console
            );
        },
    );
}

/// Lets an interrupt call `report` at every point of printing three records.
fn interrupt_three_records(report: impl Fn() + Copy + Send + 'static, check: impl Fn(&sim::Outcome)) {
    let (mut halves, mut repeated) = (0, 0);
    for points in 1.. {
        let happened = Arc::new(Mutex::new(false));
        let did = happened.clone();
        let outcome = kernel::simulation::boot(Default::default(), "", move |cx| {
            let source = hard_line(cx, 100, move |_| {
                *did.lock().unwrap() = true;
                report();
            });
            (0..3).for_each(|n| log::info!("{}", line(n)));
            let end = sim::time() + MS;
            // Not when everything is printed and time moves on.
            sim::at_point_call(
                points,
                Box::new(move || {
                    if sim::time() < end {
                        sim::irq::pend(100)
                    }
                }),
            );
            let_print(cx);
            source.free(cx).unwrap();
        });
        if !*happened.lock().unwrap() {
            assert!(
                points > 300 && halves > 200 && repeated > 0,
                "{points} points: {halves} halves, {repeated} repeated"
            );
            return;
        }
        check(&outcome);
        let found = lines(&outcome.console);
        let mut once = found.clone();
        once.dedup();
        expect_in_order(&once, 0..3);
        assert!(found.len() <= 4, "{points}: {found:?}");
        repeated += usize::from(found.len() == 4);
        halves += usize::from(outcome.console.lines().any(|line| line.starts_with("000") && line.len() < 80));
    }
}
