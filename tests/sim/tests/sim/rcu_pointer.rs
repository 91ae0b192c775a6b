//! Does a value stay for as long as a reader has it, and is it dropped then, once and by a thread? (RC-01, RC-06)
use crate::harness::{Log, each_model, hard_line, pend};
use kernel::{
    bh, irq_flags, preempt,
    preempt::context,
    rcu::{self, RcuPtr},
    thread,
};
use std::sync::Arc;

/// Says when it is dropped, and where.
struct Told(u32, Log<(u32, bool, u32)>);
impl Drop for Told {
    fn drop(&mut self) {
        self.1.push((self.0, context::in_task() && context::preemptible(), thread::current_id().0));
    }
}

/// RC-06.1: what is retired in a section is dropped after that, by a thread that may sleep and is not its reader; so is what the place
/// had when it went.
#[test]
fn retired_values_are_dropped() {
    each_model(|cx, model| {
        let drops = Log::new();
        let place = RcuPtr::new(Told(1, drops.clone()));
        let mut guard = rcu::read(cx);
        let (section, inner) = guard.split();
        let old = place.load(section).unwrap();
        place.replace(Told(2, drops.clone())).unwrap().free(inner);
        assert_eq!((old.0, place.load(section).unwrap().0, drops.take()), (1, 2, vec![]));
        drop(guard);
        drop(place);
        rcu::barrier(cx).unwrap();
        let me = thread::current_id().0;
        let dropped = drops.take();
        assert_eq!(dropped.iter().map(|d| (d.0, d.1)).collect::<Vec<_>>(), [(1, true), (2, true)], "{}", model.name());
        assert!(dropped.iter().all(|d| d.2 != me));
    });
}

/// RC-01: a value that was waited for is the caller's, and dropped by it.
#[test]
fn a_value_that_was_waited_for_is_the_callers() {
    each_model(|cx, _| {
        let drops = Log::new();
        let place = RcuPtr::new(Told(1, drops.clone()));
        let value = place.take().unwrap().wait(cx).ok().unwrap();
        assert!(place.take().is_none());
        assert_eq!((value.0, drops.take()), (1, vec![]));
        drop(value.into_inner());
        assert_eq!(drops.take(), [(1, true, thread::current_id().0)]);
    });
}

/// RC-14: everything that holds grace periods is proof enough to load: sections of readers, nested ones, disabled preemption,
/// interrupts and bottom halves, and hard handlers.
#[test]
fn every_section_is_proof() {
    let seen = |value: Option<&u32>| assert_eq!(value, Some(&7));
    each_model(move |cx, _| {
        let place = Arc::new(RcuPtr::null());
        assert!(place.replace(7).is_none());
        let mut guard = rcu::read(cx);
        seen(place.load(&guard));
        seen(place.load(&rcu::read(guard.cx())));
        drop(guard);
        rcu::with(cx, |section, _| seen(place.load(section)));
        seen(place.load(preempt::disable(cx).cx()));
        let mut off = irq_flags::save(cx);
        seen(place.load(&off.cx().irq_off()));
        drop(off);
        seen(place.load(&bh::disable(cx)));
        let mine = place.clone();
        let line = hard_line(cx, 100, move |cx| seen(mine.load(cx)));
        pend(cx, line.irq());
        line.free(cx).unwrap();
    });
}
