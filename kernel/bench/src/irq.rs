//! What does an interrupt cost: to its handler, to its thread, and back?
use super::{
    LINES, ROUNDS, WOKEN, give_way,
    row::{Row, note},
};
use alloc::vec::Vec;
use hw::{
    atomic::{AtomicU64, Ordering::Relaxed},
    clock::cycles,
};
use kernel::{
    Result, ThreadCx, boot,
    irq::{Flags, Handled, Irq, Line, Primary, Request, Trigger, inject::Pend},
};

hw::global! {
    /// Counter when the handler and the thread began.
    static AT_HANDLER: AtomicU64 = AtomicU64::new(0);
    static AT_THREAD: AtomicU64 = AtomicU64::new(0);
}

/// The first line is measured, the others are there: as many as the board has to spare.
pub(super) fn lines(cx: &mut ThreadCx) -> Result<Vec<Line>> {
    let mut lines = Vec::with_capacity(LINES as usize);
    for line in boot::spare_lines().take(LINES as usize) {
        let request = Request::new(Irq::new(line), "bench")
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
        lines.push(request.submit(cx)?);
    }
    Ok(lines)
}

/// How far an interrupt is followed.
pub(super) enum Until {
    Handler,
    Thread,
    Return,
}

/// From the store that makes the line pending, by the thread that it interrupts.
pub(super) fn interrupt(cx: &mut ThreadCx, id: &'static str, line: &Line, until: Until) -> Result<Row> {
    let pend = Pend::new(cx, line.irq())?;
    for round in 0..ROUNDS {
        let began = cycles();
        pend.fire();
        give_way(cx);
        let ended = cycles();
        let at = match until {
            Until::Handler => AT_HANDLER.load(Relaxed),
            Until::Thread => AT_THREAD.load(Relaxed),
            Until::Return => ended,
        };
        note(round, at - began);
    }
    Ok(Row::of(id, ROUNDS))
}
