//! What do several CPUs print when something is wrong? One text after the other, and nothing after the last one (PK-03).
use crate::harness::{Log, MS, fifo, move_to, smp_with, start_on};
use hw::sim::{self, Config, End, Order, Outcome, seeds};
use kernel::{ThreadCx, irq_flags, preempt, report, sleep_hook, thread, time};
use std::fmt::{self, Display};

/// Boots this many CPUs and expects a BUG.
fn to_bug(cpus: usize, order: Order, body: impl FnOnce(&mut ThreadCx) + 'static) -> Outcome {
    let outcome = kernel::simulation::boot(Config { cpus, order, ..Config::default() }, "", body);
    assert_eq!(outcome.end, End::Exit(report::EXIT_BUG), "console:\n{}\n{}", outcome.console, outcome.story);
    outcome
}

/// Stops the machine: scheduling in a section is a BUG.
fn bug(cx: &mut ThreadCx) {
    let _off = preempt::disable(cx);
    // SAFETY: a test.
    unsafe { sleep_hook::with_forged_token(thread::yield_now) };
}

/// Prints a warning: an enable too many is one.
fn warn() {
    // SAFETY: a test.
    unsafe { preempt::hook::enable() };
}

/// PK-03.3: after a BUG on one CPU nothing of the others appears, whatever they were printing.
#[test]
fn nothing_appears_after_a_bug() {
    seeds(200, |seed| {
        let outcome = to_bug(3, Order::Seeded(seed), |cx| {
            move_to(cx, 0);
            for cpu in [1, 2] {
                drop(start_on(cx, &[cpu], "on", fifo(10), |_| {
                    loop {
                        warn();
                        kernel::log::info!("a record");
                        sim::spend(1_000);
                    }
                }));
            }
            sim::spend(20_000);
            bug(cx);
        });
        let lines: Vec<_> = outcome.console.lines().collect();
        let at = lines.iter().position(|line| line.starts_with("BUG: ")).unwrap();
        assert!(lines[at].starts_with("BUG: scheduling while atomic: main"), "{}", outcome.console);
        assert!(lines[at + 2].starts_with("  CPU 0, thread 1 (main)"), "{}", outcome.console);
        // What follows are the records that wait in the rings.
        assert!(lines[at + 3..].iter().all(|line| *line == "a record"), "{}", outcome.console);
        assert!(at > 0, "nobody warned");
    });
}

/// PK-03: two CPUs that stop the machine at once: one report, whole.
#[test]
fn of_two_bugs_one_is_reported() {
    let first = Log::new();
    let seen = first.clone();
    seeds(200, move |seed| {
        let outcome = to_bug(2, Order::Seeded(seed), |cx| {
            move_to(cx, 0);
            drop(start_on(cx, &[1], "on", fifo(10), bug));
            bug(cx);
        });
        let lines: Vec<_> = outcome.console.lines().collect();
        assert_eq!(lines.len(), 3, "{}", outcome.console);
        let cpu = usize::from(lines[0].starts_with("BUG: scheduling while atomic: on,"));
        assert!(lines[1].starts_with("  at ") && lines[2].starts_with(&format!("  CPU {cpu}, thread ")));
        seen.push(cpu);
    });
    let first = first.take();
    assert!(first.contains(&0) && first.contains(&1), "{first:?}");
}

/// PK-03: a CPU that does not halt within 10 ms, because it masks interrupts, is named; the report does not wait longer.
#[test]
fn a_cpu_that_does_not_halt_is_named() {
    let outcome = to_bug(4, Order::Fixed, |cx| {
        move_to(cx, 0);
        for cpu in [1, 2] {
            drop(start_on(cx, &[cpu], "on", fifo(10), |cx| {
                let _off = irq_flags::save(cx);
                sim::spend(1_000 * MS);
            }));
        }
        time::sleep_until(cx, time::Instant::from_ns(100 * MS)).unwrap();
        bug(cx);
    });
    assert!(outcome.console.ends_with("\n  still running: CPU 1-2\r\n"), "{}", outcome.console);
    assert!((110 * MS..111 * MS).contains(&outcome.time), "{}", outcome.time);
}

/// PK-03: warnings of several CPUs are printed one after the other, each whole, and say whose they are.
#[test]
fn warnings_of_several_cpus_are_whole() {
    seeds(100, |seed| {
        let config = Config { cpus: 4, order: Order::Seeded(seed), ..Config::default() };
        let outcome = smp_with(config, |cx| {
            let threads: Vec<_> =
                (0..4).map(|cpu| start_on(cx, &[cpu], "on", fifo(10), |_| (0..5).for_each(|_| warn()))).collect();
            threads.into_iter().for_each(|mut thread| thread.join(cx).unwrap());
        });
        for cpu in 0..4 {
            let text = format!("WARNING on CPU {cpu}: preempt_enable without preempt_disable, count 0x0");
            assert_eq!(outcome.console.lines().filter(|line| *line == text).count(), 5, "{}", outcome.console);
        }
        assert_eq!(outcome.console.lines().count(), 20);
    });
}

/// PK-03: a warning does not wait for the text of its own CPU, nor for more than a tenth of a second for another's.
#[test]
fn a_text_does_not_wait_for_ever() {
    /// In the middle of its text something else is reported, and it takes its time.
    struct Nested;
    impl Display for Nested {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            report::note_line(format_args!("inner"));
            sim::spend(300 * MS);
            f.write_str("outer")
        }
    }
    let outcome = smp_with(Config { cpus: 2, ..Config::default() }, |cx| {
        move_to(cx, 0);
        let mut slow = start_on(cx, &[1], "on", fifo(10), |_| {
            report::note_line(format_args!("{Nested}"));
        });
        time::sleep_until(cx, time::Instant::from_ns(50 * MS)).unwrap();
        report::note_line(format_args!("other"));
        assert!((150 * MS..160 * MS).contains(&sim::time()), "{}", sim::time());
        slow.join(cx).unwrap();
    });
    assert_eq!(outcome.console, "inner\r\nother\r\nouter\r\n");
}
