//! In which ways is something read? Every kind of section that a grace period waits for (RC-01, RC-03, RC-04, RC-14).
use super::{
    counts::{Count, count},
    pipeline::Pipeline,
};
use crate::harness::{MS, US};
use core::time::Duration;
use hw::sim::{self, Rng};
use kernel::{
    HardIrqCx, ThreadCx, bh, irq_flags, preempt,
    rcu::{self, Reading},
    thread, time,
};

/// How long a section takes: mostly short, sometimes as long as the slices of others, or two ticks of `rcu_gp`.
fn length(rng: &Rng) -> u64 {
    match rng.below(60) {
        0 => rng.below(9 * MS),
        1..6 => rng.below(200 * US),
        _ => rng.below(10 * US),
    }
}

/// Reads while this is a section; `during` happens in it.
#[track_caller]
fn look(pipeline: &Pipeline, rng: &Rng, reader: &impl Reading, during: impl FnOnce()) {
    let seen = pipeline.load(rng, reader);
    let (cpu, switches) = (sim::here(), sim::switches());
    during();
    seen.check();
    if sim::here() != cpu {
        count(Count::Migrated);
    } else if sim::switches() != switches && kernel::percpu::online().count() == 1 {
        count(Count::Preempted);
    }
    count(Count::Reads);
}

/// A section of a handler.
#[track_caller]
pub fn in_handler(pipeline: &Pipeline, rng: &Rng, what: Count, reader: &impl Reading) {
    look(pipeline, rng, reader, || sim::spend(rng.below(2 * US)));
    count(what);
}
/// One in the interrupt, with another one in it.
#[track_caller]
pub fn in_interrupt(pipeline: &Pipeline, rng: &Rng, what: Count, cx: &mut HardIrqCx<'_>) {
    let seen = pipeline.load(rng, cx);
    rcu::with(cx, |section, _| in_handler(pipeline, rng, what, section));
    seen.check();
}

/// Sections in each other: what the outer one has loaded stays when the inner ones are over.
fn nested(pipeline: &Pipeline, rng: &Rng, cx: &mut ThreadCx) {
    rcu::with(cx, |section, cx| {
        look(pipeline, rng, section, || {
            rcu::with(cx, |section, cx| {
                look(pipeline, rng, section, || sim::spend(length(rng) / 2));
                rcu::with(cx, |section, _| look(pipeline, rng, section, || sim::spend(rng.below(US))));
            });
            sim::spend(length(rng) / 2);
        });
    });
}

/// One section of a thread.
fn section(pipeline: &Pipeline, rng: &Rng, cx: &mut ThreadCx) {
    let me = thread::current_id();
    let contended = |owner: Option<thread::ThreadId>| {
        if owner.is_some_and(|owner| owner != me) {
            count(Count::Contended);
        }
    };
    let short = || sim::spend(rng.below(20 * US));
    let what = match rng.below(12) {
        0 => {
            nested(pipeline, rng, cx);
            Count::Nested
        }
        1 | 2 => {
            rcu::with(cx, |section, cx| {
                look(pipeline, rng, section, || {
                    short();
                    contended(pipeline.spin.owner());
                    pipeline.spin.with(cx, |(), _| short());
                    short();
                });
            });
            Count::OnSpinLock
        }
        3 => {
            rcu::with(cx, |section, cx| {
                look(pipeline, rng, section, || pipeline.irq_spin.with(cx, |(), _| short()));
            });
            Count::OnIrqSpinLock
        }
        4 => {
            rcu::with(cx, |section, cx| {
                look(pipeline, rng, section, || {
                    short();
                    let guard = pipeline.local.lock(cx);
                    short();
                    drop(guard);
                });
            });
            Count::OnLocalLock
        }
        5 => {
            let mut guard = preempt::disable(cx);
            look(pipeline, rng, guard.cx(), || sim::spend(length(rng)));
            Count::PreemptOff
        }
        6 => {
            let mut guard = irq_flags::save(cx);
            look(pipeline, rng, guard.cx(), || sim::spend(length(rng)));
            Count::IrqOff
        }
        7 | 8 => {
            let guard = bh::disable(cx);
            look(pipeline, rng, &guard, || sim::spend(length(rng)));
            Count::BhOff
        }
        9 => {
            pipeline.raw.with(cx, |(), cx| look(pipeline, rng, cx, short));
            Count::RawLock
        }
        _ => {
            rcu::with(cx, |section, _| look(pipeline, rng, section, || sim::spend(length(rng))));
            Count::Plain
        }
    };
    count(what);
}

/// A thread that reads until it is over, and sleeps for this long at most between sections.
pub fn body(pipeline: &Pipeline, rng: &Rng, pause: u64, cx: &mut ThreadCx) {
    while !pipeline.is_over() {
        for _ in 0..1 + rng.below(3) {
            section(pipeline, rng, cx);
        }
        time::sleep(cx, Duration::from_nanos(rng.below(pause))).unwrap();
    }
}
