//! Who is told of a grace period that does not end, when, and what? (RC-13, RC-10.2, RC-11.2)
use crate::{
    harness::{MS, S, US, fair, fifo, forged, hard_line, ms, sleep_till, start_on, warnings},
    race::{busy_till, explored},
    rcu_kit::{be_listed, boot, hog, joined, named, reader},
};
use hw::sim::{self, Outcome};
use kernel::{
    ThreadCx,
    irq::{self, Irq},
    irq_flags,
    rcu::{self, Call, Then},
    thread::JoinHandle,
    time,
};
use std::cell::Cell;

/// A thread on CPU 1 that masks interrupts for so long. It begins within a millisecond.
fn deaf(cx: &mut ThreadCx, ns: u64) -> JoinHandle<()> {
    let thread = start_on(cx, &[1], "deaf", fifo(10), move |cx| {
        let off = irq_flags::save(cx);
        sim::spend(ns);
        drop(off);
    });
    time::sleep(cx, ms(1)).unwrap();
    thread
}
/// The reports on the console.
fn reports(outcome: &Outcome) -> Vec<&str> {
    warnings(outcome).into_iter().filter(|text| text.contains("rcu: ")).collect()
}
/// How many there were until now.
fn told() -> usize {
    sim::console().matches("rcu: ").count()
}

/// RC-13.1: a CPU that masks interrupts is named, with what it runs, for how many ticks it was asked, how old the grace period is and
/// how many callbacks wait for it. RC-10: nobody is said to starve.
#[test]
fn a_cpu_that_masks_interrupts() {
    let outcome = boot(2, "", |cx| {
        let mut loops = deaf(cx, 25 * S);
        let t = sim::time();
        for _ in 0..3 {
            Call::new(cx, |_| Then::Done).queue(cx);
        }
        sleep_till(cx, t + 21 * S - US);
        assert_eq!(told(), 0);
        sleep_till(cx, t + 21 * S + US);
        assert_eq!(told(), 1);
        loops.join(cx).unwrap();
        rcu::barrier(cx).unwrap();
    });
    let reports = reports(&outcome);
    let [report] = reports[..] else { panic!("{reports:?}") };
    assert!(report.contains("21000 ms old, waits for 1 CPUs and 0 readers, 3 callbacks queued"), "{report}");
    let line = outcome.console.lines().find(|line| line.starts_with("  CPU 1 runs deaf, ")).expect("the CPU");
    let ticks: u32 = line.split(' ').find_map(|word| word.parse().ok().filter(|&n| n > 1)).expect("ticks");
    assert!(line.ends_with("ticks") && (5240..=5250).contains(&ticks), "{line}");
    // As soon as it hears.
    let (report, answer) = (outcome.console.find("rcu: "), outcome.console.find("CPU 1: thread "));
    assert!(report < answer, "{}", outcome.console);
    assert!(!outcome.console.contains("starved"), "{}", outcome.console);
}

/// RC-13.1: it may be the one that asked for the grace period itself.
#[test]
fn a_cpu_that_asks_and_masks_interrupts() {
    boot(2, "", |cx| {
        let mut loops = start_on(cx, &[1], "deaf", fifo(10), |cx| {
            let call = Call::new(cx, |_| Then::Done);
            let mut off = irq_flags::save(cx);
            call.queue(off.cx());
            sim::spend(25 * S);
        });
        time::sleep(cx, ms(22_000)).unwrap();
        assert!(sim::console().contains("1 callbacks queued\r\n  CPU 1 runs deaf"), "{}", sim::console());
        loops.join(cx).unwrap();
        rcu::barrier(cx).unwrap();
    });
}

/// RC-13.2: a reader that does not get to run is named by its number; of one that runs, the CPU tells where it is.
#[test]
fn a_reader_is_named() {
    for runs in [false, true] {
        let outcome = boot(2, "", move |cx| {
            let mut reads = reader(cx, 1, fair(), 30 * S);
            let mut busy = hog(cx, 1, 10, if runs { 2 * MS } else { 22 * S });
            let t = sim::time();
            let cookie = rcu::start_poll(cx);
            sleep_till(cx, t + 22 * S);
            let name = format!("  P{} reader, lent priority\r\n", reads.id());
            assert!(sim::console().contains(&name), "{}", sim::console());
            let here = format!("CPU 1: thread {} (reader)", reads.id());
            assert_eq!(sim::console().contains(&here), runs, "{}", sim::console());
            [&mut busy, &mut reads].into_iter().for_each(|thread| thread.join(cx).unwrap());
            assert!(rcu::poll(cookie));
        });
        assert_eq!(reports(&outcome).len(), 1);
    }
}

/// RC-13.3: while it goes on, there is another report after three times as long.
#[test]
fn it_is_repeated() {
    boot(2, "", |cx| {
        let mut loops = deaf(cx, 150 * S);
        let t = sim::time();
        let cookie = rcu::start_poll(cx);
        for (seconds, reports) in [(20, 0), (22, 1), (83, 1), (85, 2), (146, 2), (148, 3)] {
            sleep_till(cx, t + seconds * S);
            assert_eq!(told(), reports, "after {seconds} s");
        }
        assert!(sim::console().contains("84000 ms old"), "{}", sim::console());
        loops.join(cx).unwrap();
        // The one after that is watched from its own beginning on.
        time::sleep(cx, ms(1)).unwrap();
        assert!(rcu::poll(cookie));
        let mut loops = deaf(cx, 25 * S);
        let t = sim::time();
        rcu::start_poll(cx);
        for (seconds, reports) in [(20, 3), (22, 4)] {
            sleep_till(cx, t + seconds * S);
            assert_eq!(told(), reports, "after {seconds} s");
        }
        loops.join(cx).unwrap();
    });
}

/// RC-13.4: nobody asked for a grace period, or each ends in time: nothing is told, whatever a CPU does.
#[test]
fn nothing_stalls() {
    let outcome = boot(2, "", |cx| {
        joined_after(cx, 60);
        // Asked for and ended many times.
        for _ in 0..8 {
            rcu::synchronize(cx).unwrap();
            Call::new(cx, |_| Then::Done).queue(cx);
            time::sleep(cx, ms(5000)).unwrap();
        }
        joined_after(cx, 60);
    });
    assert_eq!(warnings(&outcome), [""; 0]);
}
fn joined_after(cx: &mut ThreadCx, seconds: u64) {
    let mut loops = deaf(cx, seconds * S);
    loops.join(cx).unwrap();
}

thread_local! {
    /// How often the race below ended with each answer.
    static ENDS: Cell<[u32; 3]> = const { Cell::new([0; 3]) };
}

/// RC-13.5: the grace period ends while the report is being made: then that is said, and nobody is named.
#[test]
fn it_ends_as_it_is_reported() {
    explored(|cx| {
        let asks = sim::time() + 2 * MS;
        let late = asks + 21 * S;
        let mut reads = start_on(cx, &[1], "reader", fifo(80), move |cx| {
            let guard = rcu::read(cx);
            be_listed();
            busy_till(late);
            drop(guard);
            // What follows is no part of the race.
            sim::spend(MS);
        });
        sleep_till(cx, asks);
        let cookie = rcu::start_poll(cx);
        sleep_till(cx, late - US);
        assert!(!rcu::poll(cookie));
        sim::interleave(true);
        sleep_till(cx, late + 500 * US);
        sim::interleave(false);
        assert!(rcu::poll(cookie));
        let console = sim::console();
        let named = console.contains(&format!("  P{} reader", reads.id()));
        let stalls = console.contains("stalls: 21000 ms old, waits for 0 CPUs and 1 readers");
        let ended = console.contains("rcu: stall ended: grace period 1 took 21000 ms");
        assert_eq!((named, told()), (stalls, usize::from(stalls) + usize::from(ended)), "{console}");
        let mut ends = ENDS.get();
        ends[told() + usize::from(ended)] += 1;
        ENDS.set(ends);
        reads.join(cx).unwrap();
    });
    let ends = ENDS.get();
    assert!(ends.iter().all(|&count| count > 0), "not told, told, ended: {ends:?}");
}

/// RC-11.2: hogs above `rcu_gp` on every CPU: that it starves is told, whether the grace period has begun or not, and where it is.
#[test]
fn a_starved_thread_is_named() {
    for (cpus, begun) in [(1, false), (1, true), (2, false), (2, true)] {
        let outcome = boot(cpus, "rcu_kthread_prio=60", move |cx| {
            let mut threads = Vec::new();
            if begun {
                threads.push(reader(cx, cpus - 1, fair(), 10 * MS));
                rcu::start_poll(cx);
                time::sleep(cx, ms(1)).unwrap();
            }
            threads.extend((0..cpus).map(|cpu| hog(cx, cpu, 80, 25 * S)));
            let t = sim::time();
            let cookie = rcu::start_poll(cx);
            sleep_till(cx, t + 22 * S);
            assert!(!rcu::poll(cookie));
            let (id, _) = named(cx, "rcu_gp");
            let console = sim::console();
            assert!(console.contains(&format!("rcu_gp kthread starved: P{id} has not run for ")), "{console}");
            assert!(console.contains("ms, CPU 0 runs hog"), "{console}");
            assert_eq!(console.contains("stalls"), begun, "{console}");
            assert_eq!(console.contains("grace period 1 does not begin for 21000 ms"), !begun, "{console}");
            joined(cx, threads);
        });
        assert_eq!(reports(&outcome).len(), 1);
    }
}

/// RC-13: what an interrupt has asked for is reported as soon as a thread asks, too, however late that is.
#[test]
fn an_interrupt_asks_first() {
    let outcome = boot(1, "rcu_kthread_prio=60", |cx| {
        let mut call = Some(Call::new(cx, |_| Then::Done));
        let line = hard_line(cx, 100, move |cx| call.take().expect("one interrupt").queue(cx));
        let busy = hog(cx, 0, 80, 40 * S);
        irq::inject::pend(cx, Irq::new(100)).unwrap();
        let t = sim::time();
        sleep_till(cx, t + 25 * S);
        assert_eq!(told(), 0);
        rcu::start_poll(cx);
        sleep_till(cx, t + 26 * S);
        assert!(sim::console().contains("does not begin for 25000 ms"), "{}", sim::console());
        joined(cx, [busy]);
        line.free(cx).unwrap();
    });
    assert_eq!(reports(&outcome).len(), 1);
}

/// RC-11.2: it starves when the grace period has ended, and whoever waits is not told.
#[test]
fn an_end_that_nobody_is_told_of() {
    let outcome = boot(1, "rcu_kthread_prio=60", |cx| {
        let mut reads = start_on(cx, &[0], "reader", fifo(90), |cx| {
            let _guard = rcu::read(cx);
            forged(|cx| time::sleep(cx, ms(1000)).unwrap());
        });
        time::sleep(cx, ms(1)).unwrap();
        let waits = start_on(cx, &[0], "updater", fifo(50), |cx| rcu::synchronize(cx).unwrap());
        time::sleep(cx, ms(1)).unwrap();
        let t = sim::time();
        let busy = hog(cx, 0, 80, 30 * S);
        reads.join(cx).unwrap();
        assert!(!rcu::stats().in_progress && !waits.is_finished());
        sleep_till(cx, t + 21 * S);
        assert_eq!(told(), 0);
        sleep_till(cx, t + 23 * S);
        assert!(sim::console().contains("rcu: end of grace period 1 not told for 21000 ms"), "{}", sim::console());
        joined(cx, [busy, waits]);
    });
    assert!(outcome.console.contains("kthread starved"), "{}", outcome.console);
}

/// RC-13: the time is 3 to 300 seconds, anything else is taken as the next of these; reports can be suppressed.
#[test]
fn when_it_is_told_can_be_chosen() {
    let first_told = |bootargs: &str| {
        let outcome = boot(2, bootargs, |cx| {
            let mut loops = deaf(cx, 310 * S);
            rcu::start_poll(cx);
            loops.join(cx).unwrap();
        });
        let report = reports(&outcome).first().map(|text| text.split(" stalls: ").nth(1).unwrap());
        let age = report.map(|text| text.split(' ').next().unwrap().parse::<u64>().unwrap());
        (age, warnings(&outcome).iter().filter(|text| text.contains("is out of range")).count())
    };
    assert_eq!(first_told(""), (Some(21_000), 0));
    assert_eq!(first_told("rcu_stall_timeout=2"), (Some(3_000), 1));
    assert_eq!(first_told("rcu_stall_timeout=3"), (Some(3_000), 0));
    assert_eq!(first_told("rcu_stall_timeout=300"), (Some(300_000), 0));
    assert_eq!(first_told("rcu_stall_timeout=301"), (Some(300_000), 1));
    assert_eq!(first_told("rcu_stall_suppress"), (None, 0));
    assert_eq!(first_told("rcu_stall_suppress rcu_stall_timeout=3"), (None, 0));
}
