//! In which ways does somebody wait for a grace period, or has something freed after one? (RC-05, RC-06, RC-08, RC-15)
use super::{
    counts::{Count, count},
    pipeline::{Element, GENERATIONS, Pipeline},
    readers::in_handler,
};
use crate::harness::US;
use core::time::Duration;
use hw::sim::{self, Rng};
use kernel::{
    BhCx, ThreadCx, irq_flags,
    rcu::{self, Call, Retired, Then},
    time,
};
use std::sync::{Arc, Mutex};

/// Calls that wait for a hard handler to queue them.
pub type Waiting = Mutex<Vec<Call>>;

/// What one updater has replaced and keeps.
#[derive(Default)]
struct Kept(Vec<Retired<Element>>);

impl Kept {
    /// A grace period has passed for all of them.
    fn advance(&mut self) {
        self.0.iter().for_each(|element| element.advance());
        self.0.retain(|element| element.age() <= GENERATIONS);
    }
}

/// An element that is advanced by a callback after each grace period, which reads as well.
fn call(pipeline: &Arc<Pipeline>, rng: &Rng, cx: &mut ThreadCx) -> Call {
    let (old, pipeline, rng) = (pipeline.replace(rng), pipeline.clone(), Rng::new(rng.draw()));
    Call::new(cx, move |cx: &mut BhCx<'_>| {
        in_handler(&pipeline, &rng, Count::InCallback, cx);
        old.advance();
        if old.age() <= GENERATIONS { Then::Again } else { Then::Done }
    })
}

/// One update.
fn update(pipeline: &Arc<Pipeline>, rng: &Rng, waiting: &Waiting, kept: &mut Kept, cx: &mut ThreadCx) {
    let what = match rng.below(16) {
        0..3 => {
            kept.0.push(pipeline.replace(rng));
            rcu::synchronize(cx).unwrap();
            kept.advance();
            Count::Synchronize
        }
        3..5 => {
            kept.0.push(pipeline.replace(rng));
            rcu::synchronize_expedited(cx).unwrap();
            kept.advance();
            Count::Expedited
        }
        5 => {
            let old = pipeline.replace(rng).wait(cx).map_err(|_| "not allowed").unwrap();
            old.advance();
            drop(old.into_inner());
            Count::Wait
        }
        6 => {
            pipeline.replace(rng).free(cx);
            Count::Free
        }
        7 => {
            let old = pipeline.replace(rng);
            rcu::with(cx, |_, cx| old.free(cx));
            Count::FreeInSection
        }
        8 => {
            let old = pipeline.replace(rng);
            let mut guard = irq_flags::save(cx);
            old.free(guard.cx());
            sim::spend(rng.below(US));
            Count::FreeMasked
        }
        9 => {
            call(pipeline, rng, cx).queue(cx);
            Count::Call
        }
        10 => {
            let call = call(pipeline, rng, cx);
            waiting.lock().unwrap().push(call);
            return;
        }
        11 | 12 => {
            kept.0.push(pipeline.replace(rng));
            let cookie = rcu::start_poll(cx);
            while !rcu::poll(cookie) {
                time::sleep(cx, Duration::from_nanos(1 + rng.below(500 * US))).unwrap();
            }
            kept.advance();
            Count::Poll
        }
        13 | 14 => {
            kept.0.push(pipeline.replace(rng));
            let cookie = rcu::start_poll(cx);
            sim::spend(rng.below(50 * US));
            rcu::cond_sync(cx, cookie).unwrap();
            kept.advance();
            Count::CondSync
        }
        _ => {
            rcu::barrier(cx).unwrap();
            Count::Barrier
        }
    };
    count(what);
    count(Count::Updates);
}

/// A thread that does this many updates.
pub fn body(pipeline: &Arc<Pipeline>, rng: &Rng, waiting: &Waiting, updates: usize, cx: &mut ThreadCx) {
    let mut kept = Kept::default();
    for _ in 0..updates {
        update(pipeline, rng, waiting, &mut kept, cx);
        if rng.below(3) == 0 {
            time::sleep(cx, Duration::from_nanos(rng.below(100 * US))).unwrap();
        }
    }
}
