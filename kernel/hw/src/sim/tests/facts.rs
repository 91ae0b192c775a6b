//! HC-03.1: do the platform facts hold on the simulated machine?
use crate::{
    gic::Version,
    mmio::Mmio,
    platform_facts::{Own, Probe, facts, reset_facts},
    sim::{Config, End, gic_version, run},
};

fn probe() -> Probe {
    let base = [0x0800_0000, 0x080a_0000, 0x0801_0000, 0x0900_0000];
    // SAFETY: addresses of the simulated bus.
    let [gicd, gicr, gicc, uart] = base.map(|base| unsafe { Mmio::new(base) });
    let own = match gic_version() {
        Version::V2 => Own::Interface(gicc),
        Version::V3 => Own::Redistributor(gicr),
    };
    Probe { gicd, own, uart, uart_intid: 33, spare: 60 }
}
/// QEMU's machine with each controller: its GICv2 has all priority bits. With one CPU and with two.
fn machines() -> impl Iterator<Item = Config> {
    let machine = |(gic, priority_bits)| [1, 2].map(|cpus| Config { gic, priority_bits, cpus, ..Config::default() });
    [(Version::V3, 5), (Version::V2, 8)].into_iter().flat_map(machine)
}

#[test]
fn reset_facts_hold() {
    for config in machines() {
        for (name, check) in reset_facts(config.gic) {
            run(config.clone(), move || assert_eq!(check(&probe()), Ok(()), "{name}"));
        }
    }
}

#[test]
fn each_fact_holds_on_a_fresh_machine() {
    for config in machines() {
        for fact in facts(config.gic) {
            let outcome = run(config.clone(), move || assert_eq!(probe().check(fact), Ok(()), "{}", fact.0));
            assert_eq!((outcome.end, outcome.interrupts), (End::Exit(0), 0), "{}", fact.0);
        }
    }
}

#[test]
fn facts_leave_the_machine_as_it_was() {
    for config in machines() {
        run(config, || {
            for fact in facts(gic_version()).chain(facts(gic_version())) {
                assert_eq!(probe().check(fact), Ok(()), "{}", fact.0);
            }
        });
    }
}
