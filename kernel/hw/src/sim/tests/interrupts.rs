//! When is an interrupt delivered, and where?
use super::{install, on_interrupt};
use crate::{
    gic::{self, Facts, Gic, Local, Region, V3Facts},
    irqs,
    mmio::Mmio,
    power,
    sim::{self, Config, End, Injection, irq, point, run, run_catching},
};
use std::{cell::Cell, rc::Rc};

/// A started controller.
#[derive(Clone)]
pub(super) struct Started(Rc<(Gic, Local)>);

pub(super) fn started() -> Started {
    // SAFETY: addresses of the simulated bus.
    let [gicd, gicr] = [0x0800_0000, 0x080a_0000].map(|base| unsafe { Mmio::new(base) });
    let regions = Box::leak(Box::new([Region { base: gicr, size: 0x2_0000, stride: 0 }]));
    let mut warn = |warning| panic!("{warning:?}");
    let affinity = crate::cpu::affinity();
    let facts = Facts::V3(V3Facts { distributor: gicd, regions });
    let gic = Gic::start(&facts, gic::End::Split, affinity, &mut warn).unwrap();
    let local = gic.start_cpu(affinity, &mut warn).unwrap();
    Started(Rc::new((gic, local)))
}

impl Started {
    pub fn unmask(&self, intid: u32) {
        self.0.0.unmask(&self.0.1, intid);
    }
    pub fn mask(&self, intid: u32) {
        self.0.0.mask(&self.0.1, intid);
    }
    pub fn acknowledge(&self) -> u32 {
        self.0.0.acknowledge()
    }
    /// Acknowledges and deactivates.
    pub fn take(&self) -> u32 {
        let intid = self.acknowledge();
        self.end(intid);
        intid
    }
    /// Acknowledges this INTID, lets the device be served, then deactivates.
    pub fn serve(&self, intid: u32, device: impl FnOnce()) {
        assert_eq!(self.acknowledge(), intid);
        device();
        self.end(intid);
    }
    fn end(&self, intid: u32) {
        self.0.0.deactivate(intid);
    }
}

/// A vector that counts, and a started controller with 40 enabled.
fn counting() -> (Started, Rc<Cell<u32>>) {
    let (gic, count) = (started(), Rc::new(Cell::new(0)));
    gic.unmask(40);
    let (taken, counted) = (gic.clone(), count.clone());
    on_interrupt(move || {
        assert!(!irqs::enabled());
        assert_eq!(taken.take(), 40);
        counted.set(counted.get() + 1);
        false
    });
    (gic, count)
}

#[test]
fn masked_interrupts_wait_for_the_mask() {
    run(Config::default(), || {
        let (_, count) = counting();
        irq::pend(40);
        point();
        assert_eq!(count.get(), 0);
        let saved = irqs::save();
        assert!(!saved.was_enabled());
        irqs::enable();
        assert_eq!(count.get(), 1);
        assert!(irqs::enabled());
        let saved = irqs::save();
        assert!(saved.was_enabled() && !irqs::enabled());
        irq::pend(40);
        point();
        assert_eq!(count.get(), 1);
        irqs::restore(saved);
        assert_eq!(count.get(), 2);
    });
}

#[test]
fn an_unmasked_interrupt_comes_at_the_next_point() {
    run(Config::default(), || {
        let (_, count) = counting();
        irqs::enable();
        irq::pend(40);
        assert_eq!(count.get(), 0, "no point yet");
        point();
        assert_eq!(count.get(), 1);
    });
}

#[test]
fn an_injection_hits_the_point_it_was_given() {
    for n in 1..50 {
        run(Config::default(), move || {
            let (_, count) = counting();
            irqs::enable();
            sim::at_point(n, Injection::Pend(40));
            let mut passed = 0;
            while count.get() == 0 {
                passed += 1;
                point();
            }
            assert_eq!(passed, n);
        });
    }
}

#[test]
fn device_side_code_has_no_points() {
    run(Config::default(), || {
        let (_, count) = counting();
        irqs::enable();
        let seen = count.clone();
        sim::at_call(
            10,
            Box::new(move || {
                irq::pend(40);
                (0..10).for_each(|_| point());
                assert_eq!(seen.get(), 0);
            }),
        );
        sim::advance(10);
        assert_eq!(count.get(), 1);
    });
}

#[test]
fn a_level_line_comes_back_until_it_falls() {
    run(Config::default(), || {
        let (_, count) = counting();
        let seen = count.clone();
        irqs::enable();
        sim::at_point_call(100, Box::new(|| irq::set_line(40, false)));
        irq::set_line(40, true);
        assert!(irq::line(40) && irq::state(40).pending);
        (0..200).for_each(|_| point());
        assert!(seen.get() > 5 && !irq::state(40).pending && !irq::state(40).active);
    });
}

#[test]
fn a_storm_is_a_livelock() {
    let outcome = run_catching(Config { point_budget: 100_000, ..Config::default() }, || {
        let _counting = counting();
        irqs::enable();
        irq::set_line(40, true);
        point();
    });
    assert!(matches!(&outcome.end, End::Panicked(message) if message.starts_with("livelock")), "{:?}", outcome.end);
}

#[test]
fn a_special_intid_is_signalled_once() {
    run(Config::default(), || {
        let gic = started();
        let seen = Rc::new(Cell::new(0));
        let note = seen.clone();
        on_interrupt(move || {
            note.set(gic.acknowledge());
            false
        });
        irqs::enable();
        for intid in 1020..1024 {
            irq::special(intid);
            point();
            assert_eq!(seen.get(), intid);
        }
        assert_eq!(sim::interrupts(), 4);
    });
}

#[test]
fn a_masked_line_does_not_interrupt() {
    run(Config::default(), || {
        let (gic, count) = counting();
        irqs::enable();
        gic.mask(40);
        irq::pend(40);
        point();
        assert_eq!(count.get(), 0);
        gic.unmask(40);
        point();
        assert_eq!(count.get(), 1);
    });
}

#[test]
fn preemption_is_asked_for_on_the_interrupted_stack() {
    let outcome = run(Config::default(), || {
        let gic = started();
        gic.unmask(40);
        on_interrupt(move || gic.take() == 40);
        install(|_| {}, || power::exit(i32::from(irqs::enabled()) + 7));
        irqs::enable();
        irq::pend(40);
        point();
    });
    assert_eq!(outcome.end, End::Exit(7));
}
