//! How late do threads wake up, according to `cyclictest` (TM-07), and does it leave nothing behind?
use crate::harness::{MS, US, at, exact, fifo, hard_line, ms, start};
use core::time::Duration;
use kernel::{
    Error, ThreadCx,
    latency::{self, Kind},
    preempt, thread,
    time::{self, HrTimer, Instant, Restart},
};
use shell::{
    cyclictest::{self, MAX_THREADS, Options},
    load::{Kinds, Load},
};

/// The articles' benchmark: five threads, FIFO 80 to 76, every 1,000 to 3,000 us.
const FIVE: Options = Options {
    threads: 5,
    priority: 80,
    interval: Duration::from_micros(1000),
    distance: Duration::from_micros(500),
    cycles: 0,
    histogram: 0,
    unit: US,
};

/// Numbers of the lines that somebody knows.
fn lines(cx: &mut ThreadCx) -> Vec<u32> {
    let mut known = vec![];
    kernel::irq::for_each(cx, |_, line| known.push(line.irq.number()));
    known
}

fn no_threads_left(cx: &mut ThreadCx) {
    thread::for_each(cx, |_, t| {
        let name = t.name.as_str();
        assert!(!name.starts_with("load") && !name.starts_with("cyclictest") && !name.contains("-load"), "{name}");
    });
}

/// TM-07.2: a section of 400 us with preemption disabled, in which the most urgent thread's time comes, is what its maximum
/// shows; the tracer names the section.
#[test]
fn a_long_section_shows_in_the_maximum_and_is_named() {
    exact(|cx| {
        Kind::ALL.into_iter().for_each(latency::start);
        let began = hw::sim::time();
        let running = cyclictest::start(cx, &FIVE).unwrap();
        time::sleep_until(cx, at(began + 21 * MS - 2 * US)).unwrap();
        let before = running.seen()[0].max;
        assert!(before < 10 * US, "{before}");
        let (guard, line) = (preempt::disable(cx), line!());
        hw::sim::spend(began + 21 * MS + 400 * US - hw::sim::time());
        drop(guard);
        let seen = running.stop(cx).unwrap().threads;
        assert!((400 * US..410 * US).contains(&seen[0].max), "{seen:?}");
        let longest = latency::max(Kind::PreemptOff).unwrap();
        assert!(longest.start.file().ends_with("sim/cyclictest.rs") && longest.start.line() == line, "{longest}");
        assert!(longest.length >= 400 * US);
    });
}

/// TM-07.3: in 6 s the five threads wake up 6,000, 4,000, 3,000, 2,400 and 2,000 times.
#[test]
fn as_many_cycles_as_fit() {
    exact(|cx| {
        let running = cyclictest::start(cx, &FIVE).unwrap();
        let end = at(hw::sim::time() + 6_000 * MS);
        assert_eq!(running.wait(cx, end), Ok(false));
        let seen = running.stop(cx).unwrap().threads;
        for (n, (t, expected)) in seen.iter().zip([6000_u64, 4000, 3000, 2400, 2000]).enumerate() {
            assert!(t.cycles.abs_diff(expected) <= 1, "{n}: {} instead of {expected}", t.cycles);
            assert_eq!((t.priority, t.interval), (80 - n as i32, Duration::from_micros(1000 + 500 * n as u64)));
            assert!(t.min <= t.avg && t.avg <= t.max, "{t:?}");
        }
        no_threads_left(cx);
    });
}

/// TM-07: it ends with the first thread that has its cycles; every wake-up is in the histogram, or counted beside it.
#[test]
fn the_histogram_has_every_cycle() {
    exact(|cx| {
        // A hard interrupt of 30 us at every tenth wake-up of the first thread: 30 us is beyond the histogram's 20.
        let line = hard_line(cx, 100, |_| hw::sim::spend(30 * US));
        let began = hw::sim::time();
        let timer = HrTimer::new(cx, move |_, expiry| {
            hw::sim::irq::pend(100);
            expiry.forward(time::now(), ms(10));
            Restart::Yes
        });
        let options = Options { threads: 2, cycles: 100, histogram: 20, ..FIVE };
        timer.start_at(cx, at(began + 10 * MS - 10 * US)).unwrap();
        let report = cyclictest::run(cx, &options).unwrap();
        timer.cancel(cx).unwrap();
        line.free(cx).unwrap();
        assert_eq!(report.threads[0].cycles, 100);
        assert!(report.threads[1].cycles.abs_diff(66) <= 1);
        for (t, counted) in report.threads.iter().zip(&report.histograms) {
            assert_eq!(counted.total() + u64::from(counted.overflows()), t.cycles);
        }
        // Late by 20 us each time.
        assert_eq!(report.histograms[0].overflows(), 10, "{:?}", report.threads);
        no_threads_left(cx);
    });
}

/// TM-07: options that make no sense are refused; whoever waits can be interrupted.
#[test]
fn bad_options_and_an_interruption() {
    exact(|cx| {
        for bad in [
            Options { threads: 0, ..FIVE },
            Options { threads: MAX_THREADS + 1, ..FIVE },
            Options { priority: 100, ..FIVE },
            Options { priority: -1, ..FIVE },
            Options { interval: Duration::from_micros(9), ..FIVE },
            Options { unit: 0, ..FIVE },
        ] {
            assert!(matches!(cyclictest::start(cx, &bad), Err(Error::Invalid)), "{bad:?}");
        }
        assert!(matches!(cyclictest::run(cx, &FIVE), Err(Error::Invalid)), "without end");
        let main = thread::current_id();
        start(cx, "interrupter", fifo(90), move |cx| {
            time::sleep(cx, ms(5)).unwrap();
            thread::interrupt(cx, main).unwrap();
        });
        let options = Options { cycles: 1_000_000, ..FIVE };
        assert!(matches!(cyclictest::run(cx, &options), Err(Error::Interrupted)));
        assert!(hw::sim::time() < 10 * MS + 10 * MS);
        no_threads_left(cx);
    });
}

/// TM-07: the load has locks fought over and interrupts handled, and is gone when it is stopped: no thread, no line.
#[test]
fn the_load_works_and_leaves_nothing_behind() {
    exact(|cx| {
        let lines = lines(cx);
        for _ in 0..2 {
            let load = Load::start(cx, Kinds::all()).unwrap();
            time::sleep(cx, ms(200)).unwrap();
            let figures = load.stop(cx).unwrap();
            assert!(figures.sections > 200 && figures.interrupts > 1_000 && figures.lines > 2, "{figures:?}");
            no_threads_left(cx);
            assert_eq!(self::lines(cx), lines);
        }
    });
}

/// TM-07: load and threads end by themselves when the thread that began them is gone, or has let go of them.
#[test]
fn what_nobody_stops_ends_by_itself() {
    exact(|cx| {
        let mut owner = start(cx, "owner", fifo(90), |cx| {
            let running = cyclictest::start(cx, &FIVE).unwrap();
            let load = Load::start(cx, Kinds::USUAL).unwrap();
            time::sleep(cx, ms(5)).unwrap();
            drop((running, load));
        });
        let mut killed = start(cx, "killed", fifo(90), |cx| {
            let running = cyclictest::start(cx, &FIVE).unwrap();
            let _load = Load::start(cx, Kinds::USUAL).unwrap();
            running.wait(cx, Instant::NEVER).unwrap();
        });
        time::sleep(cx, ms(2)).unwrap();
        thread::kill(cx, killed.id()).unwrap();
        owner.join(cx).unwrap();
        assert_eq!(killed.join(cx), Err(Error::Interrupted));
        time::sleep(cx, ms(300)).unwrap();
        no_threads_left(cx);
    });
}

/// TM-07: `cyclictest` in the shell, in the form that rt-tests' program has.
#[test]
fn the_shell_prints_what_cyclictest_prints() {
    let outcome = exact(|cx| {
        assert_eq!(shell::run_line(cx, "cyclictest -t2 -p 80 -i1000 -d 1000 -l10 -q -h3"), 0);
        assert_eq!(shell::run_line(cx, "cyclictest -t -p80 -D 5ms -N"), 0);
    });
    let lines: Vec<&str> = outcome.console.lines().map(|line| line.trim_end_matches('\r')).collect();
    let shape = |line: &str| {
        let masked: String = line.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        masked.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(shape(lines[0]), "T: 9 ( 9) P:99 I:9999 C: 99 Min: 9 Act: 9 Avg: 9 Max: 9", "{}", lines[0]);
    assert!(lines[0].contains("P:80 I:1000 C:     10 Min:") && lines[1].contains("P:79 I:2000 C:      5 Min:"));
    assert_eq!(lines[2], "# Histogram");
    assert!(lines[3].starts_with("000000 0000") && lines[3].contains('\t') && lines[5].starts_with("000002 "));
    assert_eq!(lines[6], "# Total: 00010 00005");
    let rest = ["# Min Latencies: ", "# Avg Latencies: ", "# Max Latencies: ", "# Histogram Overflows: 00000 00000"];
    assert!(lines[7..].iter().zip(rest).all(|(line, begin)| line.starts_with(begin)), "{lines:?}");
    assert!(lines[11].starts_with("T: 0 (") && lines[11].contains("P:80 I:1000 C:      "), "{}", lines[11]);
    assert_eq!(lines.len(), 12, "{lines:?}");
}

/// TM-07: what the options cannot be is said with the range; nothing is measured.
#[test]
fn the_shell_says_what_is_wrong_with_an_option() {
    let outcome = exact(|cx| {
        let lines =
            ["-t9", "-t 0", "-p100", "-i 9", "-d x", "-l -1", "-h 0", "-D 5y", "--load=x", "-p", "-z", "7", "-qq"];
        for line in lines {
            assert_eq!(shell::run_line(cx, &format!("cyclictest {line}")), 1, "{line}");
        }
    });
    let usage = "usage: cyclictest [-t [N]] [-p PRIO] [-i US] [-d US] [-l LOOPS] [-D TIME] [-h US] [-N] [-q] [--load[=hogs,locks,irqs,console]]\n";
    assert_eq!(
        outcome.console.replace('\r', ""),
        "cyclictest: -t: number out of range: '9' (from 1 to 8)
cyclictest: -t: number out of range: '0' (from 1 to 8)
cyclictest: -p: number out of range: '100' (from 0 to 99)
cyclictest: -i: number out of range: '9' (from 10 to 1000000)
cyclictest: -d: invalid number: 'x'
cyclictest: -l: number out of range: '-1' (from 0 to 4294967295)
cyclictest: -h: number out of range: '0' (from 1 to 1000000)
cyclictest: -D: invalid duration: '5y' (a number, then ns, us, ms or s)
cyclictest: --load: 'x' is not hogs, locks, irqs or console
"
        .to_owned()
            + &usage.repeat(4)
    );
}
