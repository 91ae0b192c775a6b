//! Which line does a number mean, and what is counted? (IQ-01, IQ-22)
use crate::irq_kit::{Count, IRQ, clean, edge, fire, warned};
use hw::{gic::Which, sim};
use kernel::{
    Error,
    irq::{self, Flags, Irq, Primary, Request, inject},
};

/// IQ-01.1: an SPI mapped twice is the same line; unmapped with a handler it is busy and goes on working.
#[test]
fn mapping_twice_gives_the_same_line() {
    clean(|cx| {
        let first = irq::map(cx, 33).unwrap();
        assert_eq!(irq::map(cx, 33), Ok(first));
        let runs = Count::new();
        let line = edge("dev").threaded(runs.thread()).flags(Flags::ONESHOT).submit(cx).unwrap();
        assert_eq!(irq::unmap(cx, IRQ), Err(Error::Busy));
        fire(IRQ);
        assert_eq!(runs.get(), 1);
        line.free(cx).unwrap();
        assert_eq!((irq::unmap(cx, IRQ), irq::unmap(cx, IRQ)), (Ok(()), Err(Error::NotFound)));
    });
}

/// IQ-01.1: a line that was unmapped can be mapped and requested again, any number of times.
#[test]
fn mapping_does_not_use_anything_up() {
    clean(|cx| {
        for _ in 0..3_000 {
            irq::map(cx, 40).unwrap();
            irq::unmap(cx, Irq::new(40)).unwrap();
        }
        let runs = Count::new();
        let line = Request::new(Irq::new(40), "dev").threaded(runs.thread()).flags(Flags::ONESHOT).submit(cx).unwrap();
        fire(Irq::new(40));
        assert_eq!(runs.get(), 1);
        line.free(cx).unwrap();
    });
}

/// IQ-01.2, IQ-22.4: an INTID that nobody mapped is counted as unexpected, masked and deactivated; one warning.
#[test]
fn an_unmapped_interrupt_is_counted_and_silenced() {
    warned(&["unexpected interrupt 77"], |cx| {
        let stranger = Irq::new(77);
        inject::set_state(cx, stranger, Which::Enabled, true).unwrap();
        fire(stranger);
        fire(stranger);
        let state = sim::irq::state(77);
        assert!(!state.enabled && !state.active && state.pending);
        assert_eq!(irq::totals().unexpected[0], 1);
        assert_eq!(irq::info(cx, stranger).map(|i| i.total()), Err(Error::NotFound));
    });
}

/// IQ-01.2: the same for a line that is mapped and has no handler.
#[test]
fn a_line_without_handler_is_counted_and_silenced() {
    warned(&["unexpected interrupt 77"], |cx| {
        irq::map(cx, 77).unwrap();
        inject::set_state(cx, Irq::new(77), Which::Enabled, true).unwrap();
        fire(Irq::new(77));
        let state = sim::irq::state(77);
        assert_eq!((irq::totals().unexpected[0], state.active, state.enabled), (1, false, false));
    });
}

/// IQ-01.3: a line that leads nowhere, and numbers that the controller does not have.
#[test]
fn unknown_numbers_are_told_apart() {
    clean(|cx| {
        let mut ask = |irq| Request::new(irq, "dev").hard(|_| Primary::Handled).submit(cx).map(|_| ()).unwrap_err();
        assert_eq!(ask(Irq::NOT_CONNECTED), Error::NotConnected);
        for number in [288, 1019, 1020, 1023, 5000] {
            assert_eq!(ask(Irq::new(number)), Error::NotFound, "{number}");
        }
        assert_eq!(irq::map(cx, 288), Err(Error::NotFound));
        assert_eq!(irq::map(cx, u32::MAX), Err(Error::NotConnected));
    });
}

/// IQ-22.1 on one CPU: every interrupt of a line is counted on the CPU that took it, and the sum agrees.
#[test]
fn interrupts_are_counted_by_cpu() {
    clean(|cx| {
        let runs = Count::new();
        let line = edge("dev").hard(runs.hard(Primary::Handled)).submit(cx).unwrap();
        (0..5).for_each(|_| fire(IRQ));
        let info = irq::info(cx, IRQ).unwrap();
        assert_eq!((info.counts[0], &info.counts[1..], info.total(), runs.get()), (5, &[0; 7][..], 5, 5));
        assert_eq!((info.chip, info.hwirq, info.irq), (sim::gic_version().name(), 100, IRQ));
        assert_eq!((info.trigger, info.depth, info.unhandled), (irq::Trigger::EdgeRising, 0, 0));
        line.free(cx).unwrap();
    });
}

/// IQ-22.2: sharers are listed in the order in which they came.
#[test]
fn sharers_are_listed_in_order() {
    clean(|cx| {
        let mut lines = ["b", "a", "c"].map(|name| {
            let cookie = name.as_bytes()[0].into();
            let ask = edge(name).hard(|_| Primary::Handled).flags(Flags::SHARED).cookie(cookie);
            Some(ask.submit(cx).unwrap())
        });
        let mut names = || {
            let handlers = irq::info(cx, IRQ).unwrap().handlers;
            let names = handlers.iter().map(|h| h.name.to_string()).collect::<Vec<_>>().join(", ");
            (names, handlers.iter().all(|h| h.thread.is_none()))
        };
        assert_eq!(names(), ("b, a, c".into(), true));
        lines[1].take().unwrap().free(cx).unwrap();
        let names: Vec<_> = irq::info(cx, IRQ).unwrap().handlers.iter().map(|h| h.name.to_string()).collect();
        assert_eq!(names, ["b", "c"]);
        for line in lines.into_iter().flatten() {
            line.free(cx).unwrap();
        }
    });
}

/// IQ-22.4: an acknowledge that returns 1023 is counted as spurious, the others of its kind as special.
#[test]
fn special_intids_are_counted() {
    clean(|_| {
        for intid in [1023, 1022, 1020] {
            sim::irq::special(intid);
            sim::point();
        }
        let totals = irq::totals();
        assert_eq!((totals.spurious[0], totals.special, totals.unexpected[0]), (1, [1, 0, 1], 0));
    });
}

/// IQ-22: the walk over all lines shows mapped lines only, by number.
#[test]
fn the_walk_shows_mapped_lines_by_number() {
    clean(|cx| {
        irq::map(cx, 99).unwrap();
        irq::map(cx, 98).unwrap();
        let mut numbers = Vec::new();
        irq::for_each(cx, |_, info| numbers.push(info.irq.number()));
        assert!(numbers.is_sorted() && numbers.contains(&98) && numbers.contains(&99) && !numbers.contains(&97));
        // The kernel's own: the timer.
        assert!(numbers.contains(&27));
    });
}
