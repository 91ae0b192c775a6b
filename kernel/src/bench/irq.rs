//! What does an interrupt cost: to its handler, to its thread, and back?
use super::{LINES, ROUNDS, WOKEN, give_way, row::Row};
use crate::{
    ThreadCx,
    error::{Error, Result},
    irq::{Flags, Handled, Irq, Line, Primary, Request, Trigger, inject::Pend},
};
use alloc::vec::Vec;
use hw::{
    atomic::{AtomicU64, Ordering::Relaxed},
    clock::cycles,
};

/// First line of the measurement: nothing is connected behind it.
const FIRST_LINE: u32 = 80;

hw::global! {
    /// Counter when the handler and the thread began.
    static AT_HANDLER: AtomicU64 = AtomicU64::new(0);
    static AT_THREAD: AtomicU64 = AtomicU64::new(0);
}

/// The first line is measured, the others are there.
pub(super) fn lines(cx: &mut ThreadCx) -> Result<Vec<Line>> {
    (0..LINES)
        .map(|n| {
            let request = Request::new(Irq::new(FIRST_LINE + n), "bench")
                .flags(Flags::ONESHOT)
                .trigger(Trigger::EdgeRising)
                .priority(WOKEN)
                .hard(|_| {
                    AT_HANDLER.store(cycles(), Relaxed);
                    Primary::WakeThread
                })
                .threaded(|_| {
                    AT_THREAD.store(cycles(), Relaxed);
                    Handled::Yes
                });
            request.submit(cx)
        })
        .collect()
}

pub(super) fn interrupts(cx: &mut ThreadCx, lines: &[Line]) -> Result<(Row, Row, Row)> {
    let (mut handler, mut thread, mut round) =
        (Row::new("pend-handler"), Row::new("pend-thread"), Row::new("round-trip"));
    let Some(line) = lines.first() else { return Err(Error::Invalid) };
    let pend = Pend::new(cx, line.irq())?;
    for _ in 0..ROUNDS {
        let began = cycles();
        pend.fire();
        give_way(cx);
        let ended = cycles();
        handler.samples.push(AT_HANDLER.load(Relaxed) - began);
        thread.samples.push(AT_THREAD.load(Relaxed) - began);
        round.samples.push(ended - began);
    }
    Ok((handler, thread, round))
}
