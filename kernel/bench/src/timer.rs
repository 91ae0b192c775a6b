//! What does it take from the moment at which a timer expires to the thread that slept until then?
use super::{
    ROUNDS, fifo, give_way,
    row::{Row, began, note},
};
use alloc::sync::Arc;
use core::time::Duration;
use hw::{
    atomic::{AtomicBool, Ordering::Relaxed},
    clock::cycles,
};
use kernel::{
    Policy, Result, ThreadCx,
    thread::Builder,
    time::{self, Instant},
};

/// The thread that sleeps.
const SLEEPER: Policy = fifo(99);
/// How long it does: it is asleep, and the measuring thread computes, long before it is over.
const AHEAD: Duration = Duration::from_micros(5);

/// From the expiry to the sleeper's first instruction behind its `sleep_until`, out of a thread that computes.
///
/// The moment of expiry is a reading of the clock, that of the instruction one of the cycle counter; [`began`] ties them
/// together. Both count instructions only under `-icount`: not for elsewhere. The clock moves in steps
/// of several instructions, and the timer expires when it has come to the expiry or past it: each expiry here is the
/// beginning of a step, so that waiting for the next one adds nothing.
pub(super) fn expiry(cx: &mut ThreadCx) -> Result<Row> {
    let (began, step) = began();
    let done = Arc::new(AtomicBool::new(false));
    let ended = done.clone();
    let mut sleeper = Builder::new("bench/timer").policy(SLEEPER).spawn(cx, move |cx| {
        for round in 0..ROUNDS {
            let at = time::now().saturating_add(AHEAD).as_ns().next_multiple_of(step);
            // Nobody interrupts it.
            let _ = time::sleep_until(cx, Instant::from_ns(at));
            note(round, cycles().wrapping_sub(began).wrapping_sub(at));
        }
        ended.store(true, Relaxed);
    })?;
    while !done.load(Relaxed) {
        hw::cpu::relax();
        give_way(cx);
    }
    sleeper.join(cx)?;
    Ok(Row::of("timer-thread", ROUNDS))
}
