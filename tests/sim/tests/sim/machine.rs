//! Can the tests trust what they stand on: the simulated machine's facts and the event log? Spec 00.
use crate::harness::{fifo, run, run_with, start};
use hw::{
    gic::Version,
    mmio::Mmio,
    platform_facts::{Own, Probe, facts, reset_facts},
    sim::{self, Config},
};
use kernel::{irq_flags, sync::Completion, trace};

fn probe() -> Probe {
    let base = [0x0800_0000, 0x080a_0000, 0x0801_0000, 0x0900_0000];
    // SAFETY: addresses of the simulated bus, which checks.
    let [gicd, gicr, gicc, uart] = base.map(|base| unsafe { Mmio::new(base) });
    let own = match sim::gic_version() {
        Version::V2 => Own::Interface(gicc),
        Version::V3 => Own::Redistributor(gicr),
    };
    Probe { gicd, own, uart, uart_intid: 33, spare: 60 }
}
/// QEMU's machine with each interrupt controller: its GICv2 has all priority bits.
fn machines() -> [Config; 2] {
    [(Version::V3, 5), (Version::V2, 8)].map(|(gic, priority_bits)| Config { gic, priority_bits, ..Config::default() })
}

/// HC-03.1: the platform facts of a machine that nobody has touched hold.
#[test]
fn reset_facts_hold() {
    for config in machines() {
        for (name, check) in reset_facts(config.gic) {
            sim::run(config.clone(), move || assert_eq!(check(&probe()), Ok(()), "{name}"));
        }
    }
}

/// HC-03.1: the other platform facts hold under the running kernel, which does not notice.
#[test]
fn facts_hold_under_the_running_kernel() {
    for config in machines() {
        let outcome = run_with(config, "", |cx| {
            for fact in facts(sim::gic_version()) {
                let off = irq_flags::save(cx);
                assert_eq!(probe().check(fact), Ok(()), "{}", fact.0);
                drop(off);
            }
            // The timer's line is as it was.
            kernel::time::sleep(cx, core::time::Duration::from_millis(1)).unwrap();
        });
        assert_eq!((outcome.console.as_str(), outcome.time / 1_000), ("", 1_000));
    }
}

/// HC-01.1: two events more than the log keeps: the two oldest are gone, and counted.
#[test]
fn the_event_log_drops_the_oldest_and_counts_them() {
    /// Events that the kernel's log keeps of a CPU.
    const KEPT: u64 = 1024;
    run(|_| {
        trace::drain(|_| {});
        let (dropped, seq) = (trace::dropped(), trace::seq());
        for n in 1..=KEPT + 2 {
            trace::record(trace::MARK, n, 0);
        }
        let mut kept = vec![];
        trace::drain(|event| kept.push((event.a, event.seq - seq)));
        assert_eq!(kept, (3..=KEPT + 2).map(|n| (n, n)).collect::<Vec<_>>());
        assert_eq!(trace::dropped() - dropped, 2);
    });
}

/// The story of a run that failed ends with what the kernel did last, by the names of its threads.
#[test]
fn a_failed_run_tells_the_last_events() {
    let outcome = kernel::simulation::boot(Config::default(), "", |cx| {
        start(cx, "short", fifo(50), |_| trace::record(trace::MARK, 7, 0)).join(cx).unwrap();
        // Nobody completes it.
        Completion::new().wait(cx);
    });
    assert_eq!(outcome.end, sim::End::Stuck);
    let (_, events) = outcome.story.split_once("the kernel's last ").unwrap();
    let told: Vec<&str> = events.lines().skip(2).filter_map(|line| Some(line.split_once("  0  ")?.1)).collect();
    assert_eq!(told[0], "switch          idle/0 -> main", "{}", outcome.story);
    let last = told.iter().rposition(|line| line.ends_with(" -> short")).unwrap();
    assert_eq!(told[last..last + 2], ["switch          main -> short", "mark            7"], "{}", outcome.story);
    assert!(told.last().unwrap().starts_with("idle"), "{}", outcome.story);
}
