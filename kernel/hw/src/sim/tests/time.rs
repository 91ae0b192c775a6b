//! HC-04 at device level: does virtual time move only on request, and do expiries come in order?
use super::{interrupts::started, on_interrupt};
use crate::{
    clock, cpu, irqs,
    sim::{self, Config, End, Injection, run},
    sysreg::CntvCtl,
};
use std::{cell::RefCell, rc::Rc};
use tock_registers::interfaces::Readable;

#[test]
fn expiries_are_in_order_and_see_their_time() {
    run(Config::default(), || {
        let seen = Rc::new(RefCell::new(Vec::new()));
        for (name, time) in [("c", 5), ("a", 3), ("b", 3)] {
            let seen = seen.clone();
            sim::at_call(time, Box::new(move || seen.borrow_mut().push((name, sim::time()))));
        }
        sim::advance(10);
        assert_eq!(*seen.borrow(), [("a", 3), ("b", 3), ("c", 5)]);
        assert_eq!(sim::time(), 10);
    });
}

#[test]
fn the_timer_interrupts_when_the_counter_reaches_the_compare_value() {
    let outcome = run(Config::default(), || {
        let gic = started();
        gic.unmask(27);
        on_interrupt(move || {
            assert_eq!((sim::time(), clock::ticks()), (1600, 100));
            gic.serve(27, clock::disarm);
            false
        });
        irqs::enable();
        clock::arm(100);
        sim::spend(1599 - sim::time());
        assert_eq!(sim::interrupts(), 0);
        sim::spend(1);
        assert_eq!(sim::interrupts(), 1);
        assert_eq!(CntvCtl.get(), 7, "enabled, masked, condition met");
    });
    assert_eq!(outcome.time, 1600);
}

#[test]
fn waiting_jumps_to_the_next_event() {
    run(Config::default(), || {
        let gic = started();
        gic.unmask(27);
        gic.unmask(40);
        clock::arm(clock::frequency());
        sim::at(700, Injection::Pend(40));
        cpu::wait_for_interrupt();
        assert_eq!(sim::time(), 700);
        assert_eq!(gic.take(), 40);
        cpu::wait_for_interrupt();
        assert_eq!(sim::time(), 1_000_000_000);
        cpu::wait_for_interrupt();
        assert_eq!(sim::time(), 1_000_000_000, "one is pending: no waiting");
    });
}

#[test]
fn an_event_that_raises_nothing_does_not_end_the_wait() {
    let outcome = run(Config::default(), || {
        sim::at_call(500, Box::new(|| {}));
        cpu::wait_for_interrupt();
        unreachable!();
    });
    assert_eq!((outcome.end, outcome.time), (End::Stuck, 500));
}

#[test]
fn a_spin_hint_moves_time_a_little_and_not_past_an_event() {
    run(Config { relax: 100, ..Config::default() }, || {
        let seen = Rc::new(RefCell::new(0));
        let note = seen.clone();
        sim::at_call(30, Box::new(move || *note.borrow_mut() = sim::time()));
        cpu::relax();
        assert_eq!((*seen.borrow(), sim::time()), (30, 30));
        cpu::relax();
        assert_eq!(sim::time(), 130);
    });
}

#[test]
fn spending_counts_own_time_and_advancing_counts_all() {
    run(Config::default(), || {
        let gic = started();
        gic.unmask(40);
        on_interrupt(move || {
            sim::spend(50);
            gic.take();
            false
        });
        irqs::enable();
        let start = sim::time();
        sim::at(start + 10, Injection::Pend(40));
        sim::spend(100);
        assert_eq!(sim::time() - start, 150);
        sim::at(start + 160, Injection::Pend(40));
        sim::advance(100);
        assert_eq!(sim::time() - start, 250);
    });
}

#[test]
fn the_counter_follows_its_frequency() {
    for (frequency, ticks) in
        [(1_000_000_000, 7_200_000_000_123u64), (54_000_000, 388_800_000_006), (19_200_000, 138_240_000_002)]
    {
        let config = Config { frequency, time_limit: u64::MAX, ..Config::default() };
        run(config, move || {
            sim::advance(7_200_000_000_123);
            assert_eq!(clock::ticks(), ticks);
        });
    }
}
