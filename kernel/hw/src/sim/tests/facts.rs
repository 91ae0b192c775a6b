//! HC-03.1: do the platform facts hold on the simulated machine?
use crate::{
    mmio::Mmio,
    platform_facts::{FACTS, Probe, RESET_FACTS},
    sim::{Config, End, run},
};

fn probe() -> Probe {
    // SAFETY: addresses of the simulated bus.
    let [gicd, gicr, uart] = [0x0800_0000, 0x080a_0000, 0x0900_0000].map(|base| unsafe { Mmio::new(base) });
    Probe { gicd, gicr, uart, uart_intid: 33, spare: 60 }
}

#[test]
fn reset_facts_hold() {
    for (name, check) in RESET_FACTS {
        run(Config::default(), move || assert_eq!(check(&probe()), Ok(()), "{name}"));
    }
}

#[test]
fn each_fact_holds_on_a_fresh_machine() {
    for fact in FACTS.into_iter().flatten() {
        let outcome = run(Config::default(), move || assert_eq!(probe().check(fact), Ok(()), "{}", fact.0));
        assert_eq!((outcome.end, outcome.interrupts), (End::Exit(0), 0), "{}", fact.0);
    }
}

#[test]
fn facts_leave_the_machine_as_it_was() {
    run(Config::default(), || {
        for fact in FACTS.into_iter().flatten().chain(FACTS.into_iter().flatten()) {
            assert_eq!(probe().check(fact), Ok(()), "{}", fact.0);
        }
    });
}
