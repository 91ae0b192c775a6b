//! What does it cost to hand the CPU to another thread?
use super::{
    MEASURE, ROUNDS,
    row::{Row, note},
};
use alloc::sync::Arc;
use hw::{
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    clock::cycles,
};
use kernel::{
    Result, ThreadCx,
    sync::Completion,
    thread::{self, Builder},
};

hw::global! {
    /// Counter when the partner gave the CPU away.
    static BEGAN: AtomicU64 = AtomicU64::new(0);
}

/// Two equals hand the CPU to each other; each looks at the counter as soon as it has it.
pub(super) fn yields(cx: &mut ThreadCx) -> Result<Row> {
    let started = Arc::new(Completion::new());
    let (stop, signal) = (Arc::new(AtomicBool::new(false)), started.clone());
    let stopped = stop.clone();
    let mut partner = Builder::new("bench/yield").policy(MEASURE).spawn(cx, move |cx| {
        signal.complete(cx);
        while !stopped.load(Relaxed) {
            BEGAN.store(cycles(), Relaxed);
            thread::yield_now(cx);
        }
    })?;
    started.wait(cx);
    for round in 0..ROUNDS {
        thread::yield_now(cx);
        let now = cycles();
        note(round, now - BEGAN.load(Relaxed));
    }
    stop.store(true, Relaxed);
    partner.join(cx)?;
    Ok(Row::of("yield", ROUNDS))
}
