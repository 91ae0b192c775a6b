//! What does a semaphore cost, with a waiter and without?
use super::{
    ROUNDS, WOKEN, give_way,
    row::{Row, note},
};
use alloc::sync::Arc;
use hw::{
    atomic::{AtomicU64, Ordering::Relaxed},
    clock::cycles,
};
use kernel::{Result, ThreadCx, sync::Semaphore, thread::Builder};

hw::global! {
    /// Counter before the `up`.
    static BEGAN: AtomicU64 = AtomicU64::new(0);
}

/// From `up` to the more urgent thread behind its `down`.
pub(super) fn wake(cx: &mut ThreadCx) -> Result<Row> {
    let semaphore = Arc::new(Semaphore::new(0));
    let waited = semaphore.clone();
    let mut waiter = Builder::new("bench/wake").policy(WOKEN).spawn(cx, move |cx| {
        for round in 0..ROUNDS {
            waited.down(cx);
            note(round, cycles() - BEGAN.load(Relaxed));
        }
    })?;
    give_way(cx);
    for _ in 0..ROUNDS {
        BEGAN.store(cycles(), Relaxed);
        semaphore.up(cx)?;
        give_way(cx);
    }
    waiter.join(cx)?;
    Ok(Row::of("sem-wake", ROUNDS))
}
