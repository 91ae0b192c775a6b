//! Which sections keep interrupts or preemption off, and how long (TR-01)? A section's code takes no virtual time here, so
//! each is exactly as long as it spends.
use crate::harness::{US, become_policy, exact, fifo, hard_line, ms, pend, smp, start};
use core::panic::Location;
use hw::sim;
use kernel::{
    Error, ThreadCx,
    irq::Irq,
    irq_flags, preempt, report,
    sync::{Completion, RawSpinLock},
    thread, time,
    trace::latency::{self, Kind, Section},
};
use logic::cpus::CpuSet;
use std::sync::Arc;

/// Watches all kinds from here on.
fn watch() {
    Kind::ALL.into_iter().for_each(latency::start);
}

/// Lengths of the longest sections in microseconds: irqsoff, preemptoff, preemptirqsoff.
fn longest() -> [u64; 3] {
    Kind::ALL.map(|kind| latency::max(kind).map_or(0, |section| section.length / US))
}

fn recorded(kind: Kind) -> Vec<Section> {
    let mut all = vec![];
    let count = latency::records(kind, |section| all.push(section));
    assert_eq!(count, all.len() as u64);
    all
}

/// A section of so many microseconds with interrupts off. The lines on which it begins and ends.
fn masked(cx: &mut ThreadCx, us: u64) -> (u32, u32) {
    let (guard, began) = (irq_flags::save(cx), line!());
    sim::spend(us * US);
    let ended = line!() + 1;
    guard.restore();
    (began, ended)
}

fn is_here(site: &Location<'_>, line: u32) -> bool {
    site.file().ends_with("sim/latency.rs") && site.line() == line
}

/// TR-01.1: of 50, 200 and 120 us the 200 are found, with both call sites; after a reset 0.
#[test]
fn the_longest_section_with_both_sites() {
    exact(|cx| {
        watch();
        masked(cx, 50);
        let (guard, began) = (irq_flags::save(cx), line!());
        sim::spend(200 * US);
        let ended = line!() + 1;
        guard.restore();
        masked(cx, 120);
        for kind in [Kind::IrqsOff, Kind::Either] {
            let max = latency::max(kind).unwrap();
            assert_eq!((max.length, max.cpu), (200 * US, 0));
            assert!(is_here(max.start, began) && is_here(max.end, ended), "{max}");
        }
        latency::reset(Kind::IrqsOff);
        assert_eq!(longest(), [0, 0, 200]);
        latency::reset(Kind::Either);
        assert_eq!(longest(), [0, 0, 0]);
        masked(cx, 7);
        assert_eq!(longest(), [7, 0, 7]);
    });
}

/// TR-01.2: a threshold of 100 us has exactly two records of the same run; what makes no sense changes nothing.
#[test]
fn sections_above_the_threshold_are_recorded() {
    exact(|cx| {
        watch();
        latency::threshold(Kind::IrqsOff, Some(100 * US)).unwrap();
        assert_eq!(latency::threshold(Kind::IrqsOff, Some(0)), Err(Error::Invalid));
        let lines = [50, 200, 120].map(|us| masked(cx, us))[0];
        let records = recorded(Kind::IrqsOff);
        assert_eq!(records.iter().map(|s| s.length).collect::<Vec<_>>(), [200 * US, 120 * US]);
        assert!(records.iter().all(|s| is_here(s.start, lines.0) && is_here(s.end, lines.1)), "{records:?}");
        assert_eq!(recorded(Kind::Either).len(), 0, "the threshold of one kind is its own");
        latency::reset(Kind::IrqsOff);
        masked(cx, 150);
        latency::threshold(Kind::IrqsOff, None).unwrap();
        masked(cx, 160);
        assert_eq!(recorded(Kind::IrqsOff).len(), 1);
    });
}

/// TR-01.3: a CPU that waits for an interrupt for 10 ms, with interrupts masked, is no section of 10 ms.
#[test]
fn an_idle_wait_is_not_counted() {
    exact(|cx| {
        watch();
        let waits = kernel::sched::idle_waits();
        time::sleep(cx, ms(10)).unwrap();
        assert!(kernel::sched::idle_waits() > waits);
        assert_eq!(longest(), [0, 0, 0]);
        // Idle's own sections are seen: it ends one where it begins to wait.
        assert!(latency::max(Kind::IrqsOff).is_some());
    });
}

/// TR-01.4: interrupts off for 30 us within preemption off for 100 us, and the other way round: the union counts once.
#[test]
fn nested_sections_count_once() {
    exact(|cx| {
        watch();
        let mut outer = preempt::disable(cx);
        sim::spend(40 * US);
        let lock: RawSpinLock<()> = RawSpinLock::new(());
        lock.with(outer.cx(), |(), _| sim::spend(30 * US));
        sim::spend(30 * US);
        let line = line!() + 1;
        outer.enable();
        assert_eq!(longest(), [30, 100, 100]);
        let max = latency::max(Kind::Either).unwrap();
        assert!(is_here(max.end, line), "{max}");

        watch();
        let lock: RawSpinLock<(), kernel::cx::Thread> = RawSpinLock::new(());
        let guard = lock.lock(cx);
        sim::spend(20 * US);
        drop(guard);
        // SAFETY: paired below.
        unsafe { preempt::hook::disable() };
        sim::spend(25 * US);
        let guard = irq_flags::save(cx);
        sim::spend(10 * US);
        // SAFETY: it was disabled above.
        unsafe { preempt::hook::enable() };
        sim::spend(50 * US);
        drop(guard);
        assert_eq!(longest(), [60, 35, 85], "overlapping, not nested");
    });
}

/// Nested masks are one section, from the outermost to its end.
#[test]
fn a_mask_within_a_mask_is_one_section() {
    exact(|cx| {
        watch();
        let mut outer = irq_flags::save(cx);
        sim::spend(10 * US);
        let inner = irq_flags::save_in(outer.cx());
        sim::spend(10 * US);
        drop(inner);
        sim::spend(10 * US);
        drop(outer);
        assert_eq!(longest(), [30, 0, 30]);
    });
}

/// A hard handler is a section, from the interrupt to its return; a threaded one is none.
#[test]
fn a_hard_handler_is_a_section() {
    exact(|cx| {
        let line = hard_line(cx, 100, |_| sim::spend(40 * US));
        watch();
        pend(cx, Irq::new(100));
        assert_eq!(longest(), [40, 0, 40]);
        let max = latency::max(Kind::IrqsOff).unwrap();
        assert!(max.start.file().ends_with("irq/dispatch.rs") && max.end.file().ends_with("irq/dispatch.rs"), "{max}");
        let _ = line.free(cx);
        let line = kernel::irq::Request::new(Irq::new(101), "threaded")
            .threaded(|_| {
                sim::spend(90 * US);
                kernel::irq::Handled::Yes
            })
            .trigger(kernel::irq::Trigger::EdgeRising)
            .flags(kernel::irq::Flags::ONESHOT)
            .submit(cx)
            .unwrap();
        watch();
        pend(cx, Irq::new(101));
        time::sleep(cx, ms(1)).unwrap();
        assert_eq!(longest(), [0, 0, 0]);
        let _ = line.free(cx);
    });
}

/// A section belongs to its CPU: a handler that wakes a more urgent thread ends where that thread is let go; and what the
/// preempted thread spends later is not in it.
#[test]
fn a_section_goes_on_across_a_switch() {
    exact(|cx| {
        become_policy(cx, fifo(10));
        let go = Arc::new(Completion::new());
        let (woken, signal) = (go.clone(), go);
        let mut urgent = start(cx, "urgent", fifo(50), move |cx| {
            woken.wait(cx);
            sim::spend(500 * US);
        });
        let line = hard_line(cx, 100, move |cx| {
            sim::spend(30 * US);
            signal.complete(cx);
            sim::spend(10 * US);
        });
        watch();
        pend(cx, Irq::new(100));
        // Interrupts are on again in the thread that was preempted.
        sim::spend(90 * US);
        urgent.join(cx).unwrap();
        assert_eq!(longest(), [40, 0, 40]);
        let max = latency::max(Kind::IrqsOff).unwrap();
        assert!(max.start.file().ends_with("irq/dispatch.rs") && max.end.file().ends_with("sched/mod.rs"), "{max}");
        let _ = line.free(cx);
    });
}

/// A warning printed past all threads with interrupts masked is not counted: a section ends before it, one begins after.
#[test]
fn a_printed_warning_is_not_counted() {
    exact(|cx| {
        watch();
        let before = report::warnings();
        let guard = irq_flags::save(cx);
        sim::spend(20 * US);
        // SAFETY: an enable too many changes nothing; it is warned of.
        unsafe { preempt::hook::enable() };
        assert_eq!(report::warnings() - before, 1);
        sim::spend(30 * US);
        drop(guard);
        assert_eq!(longest(), [30, 0, 30]);
    });
}

/// What asks not to be counted is not, and the next one is; a stopped tracer finds nothing.
#[test]
fn ignored_and_unwatched_sections() {
    exact(|cx| {
        watch();
        let guard = irq_flags::save(cx);
        sim::spend(70 * US);
        latency::ignore();
        sim::spend(70 * US);
        drop(guard);
        assert_eq!(longest(), [0, 0, 0]);
        masked(cx, 5);
        assert_eq!(longest(), [5, 0, 5]);
        latency::stop(Kind::IrqsOff);
        masked(cx, 90);
        assert_eq!(longest(), [5, 0, 90]);
        latency::start(Kind::IrqsOff);
        assert_eq!(longest(), [0, 0, 90]);
    });
}

/// Each CPU has its own sections; the longest of all is found, with its CPU.
#[test]
fn every_cpu_has_its_own_sections() {
    smp(4, |cx| {
        // Above what follows, so that nobody else's section is in the way.
        watch();
        let threads = [1, 2, 3].map(|cpu| {
            thread::Builder::new("bound")
                .policy(fifo(20))
                .affinity(CpuSet::of(cpu))
                .spawn(cx, move |cx| {
                    masked(cx, 100 * cpu as u64);
                })
                .unwrap()
        });
        for mut thread in threads {
            thread.join(cx).unwrap();
        }
        let max = latency::max(Kind::IrqsOff).unwrap();
        assert!(max.length >= 300 * US && max.cpu == 3, "{max}");
    });
}

/// The shell's `latency`: the longest of each kind and CPU with both places, records, and what makes no sense.
#[test]
fn the_shell_shows_the_longest_sections() {
    let lines = std::sync::Arc::new(std::sync::Mutex::new((0, 0)));
    let seen = lines.clone();
    let outcome = exact(move |cx| {
        assert_eq!(shell::run_line(cx, "latency reset; latency threshold irqsoff 1000"), 0);
        *seen.lock().unwrap() = masked(cx, 200);
        assert_eq!(shell::run_line(cx, "latency; latency records irqsoff; latency reset; latency records irqsoff"), 0);
        for wrong in ["latency x", "latency threshold nosuch 1", "latency threshold irqsoff x", "latency records"] {
            assert_eq!(shell::run_line(cx, wrong), 1, "{wrong}");
        }
    });
    let (began, ended) = *lines.lock().unwrap();
    let text = outcome.console.replace("\r\n", "\n").replace("tests/sim/tests/sim/latency.rs", "HERE");
    assert_eq!(
        text,
        format!(
            "                CPU     LONGEST              FROM, TO
irqsoff           0      200000 ns           HERE:{began}, HERE:{ended}
preemptoff        0           -
preemptirqsoff    0      200000 ns           HERE:{began}, HERE:{ended}
200000 ns 0 HERE:{began} HERE:{ended}
1 recorded
0 recorded
usage: latency [reset | threshold KIND LENGTH | records KIND]
latency: nosuch: no such tracer
latency: x: Invalid argument
usage: latency [reset | threshold KIND LENGTH | records KIND]
"
        )
    );
}
