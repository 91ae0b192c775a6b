//! What does a semaphore cost, with a waiter and without?
use super::{ROUNDS, WOKEN, give_way, row::Row};
use crate::{ThreadCx, error::Result, sync::Semaphore, thread::Builder};
use alloc::{boxed::Box, sync::Arc};
use hw::{
    atomic::{AtomicU64, Ordering::Relaxed},
    clock::cycles,
};

hw::global! {
    /// Counter before the `up`.
    static BEGAN: AtomicU64 = AtomicU64::new(0);
}

/// From `up` to the more urgent thread behind its `down`.
pub(super) fn wake(cx: &mut ThreadCx) -> Result<Row> {
    let mut row = Row::new("sem-wake");
    let semaphore = Arc::new(Semaphore::new(0));
    let waited = semaphore.clone();
    let mut waiter = Builder::new("bench/wake").policy(WOKEN).spawn(cx, move |cx| {
        let mut samples = Box::new([0; ROUNDS]);
        for sample in samples.iter_mut() {
            waited.down(cx);
            *sample = cycles() - BEGAN.load(Relaxed);
        }
        samples
    })?;
    give_way(cx);
    for _ in 0..ROUNDS {
        BEGAN.store(cycles(), Relaxed);
        semaphore.up(cx)?;
        give_way(cx);
    }
    row.samples.extend_from_slice(&waiter.join(cx)?[..]);
    Ok(row)
}

pub(super) fn uncontended(cx: &mut ThreadCx) -> Row {
    let mut row = Row::new("sem-updown");
    let semaphore = Semaphore::new(1);
    for _ in 0..ROUNDS {
        let began = cycles();
        semaphore.down(cx);
        // The count is one below where it was.
        let _ = semaphore.up(cx);
        row.samples.push(cycles() - began);
    }
    row
}
