//! What does it cost to leave something for later, and to wait when nobody reads?
use super::{
    ROUNDS,
    row::{Row, note},
};
use alloc::vec::Vec;
use hw::clock::cycles;
use kernel::{
    Result, ThreadCx,
    rcu::{self, Call, Then},
};

/// Each leaves one more behind those that wait already: the first one, which makes `rcu_gp` ready, is a maximum.
///
/// They run when the threads behind the measurement have ended: [`finish`].
pub(super) fn call(cx: &mut ThreadCx) -> Row {
    let calls: Vec<_> = (0..ROUNDS).map(|_| Call::new(cx, |_| Then::Done)).collect();
    for (round, call) in calls.into_iter().enumerate() {
        let began = cycles();
        call.queue(cx);
        note(round, cycles() - began);
    }
    Row::of("rcu-call", ROUNDS)
}
/// What was left has run.
pub(super) fn finish(cx: &mut ThreadCx) -> Result<()> {
    rcu::barrier(cx)
}

/// A grace period from its beginning to its end, with one CPU and no reader that lost it.
pub(super) fn expedited(cx: &mut ThreadCx) -> Result<Row> {
    for round in 0..ROUNDS {
        let began = cycles();
        rcu::synchronize_expedited(cx)?;
        note(round, cycles() - began);
    }
    Ok(Row::of("rcu-expedited", ROUNDS))
}
