//! What does an IRQ thread do between two interrupts?
//!
//! ```text
//!   ┌─► RUN set? ──yes──► clear it ─► handler ─► finalise ─┐
//!   │      │no                                              │
//!   │   announce sleep ─► RUN or STOP set? ─no─► block      │
//!   └──────────────────────────────────────────────────────┘
//! ```
//!
//! RUN is cleared *before* the handler: a wake that comes while it runs makes it run once more. It is tested again
//! *after* the sleep is announced: a wake in between finds a thread that will not sleep (IQ-08); [`logic::handshake`] has
//! that part. Finalising ends the interrupt: for an unshared one-shot SPI that is the deactivation that the vector left
//! out, and nothing else.
use super::{
    Handled,
    domain::{Descriptor, gic},
    flow::{self, Action, apply},
};
use crate::{
    bugs::{self, Bug},
    cx::ThreadCx,
    model,
    preempt::{self, Balance},
    sched,
    thread::{self, State},
    trace,
};
use hw::atomic::Ordering::Relaxed;
use logic::{
    flow::Finalized,
    handshake::{Sleeper, Taken, Wake},
    spurious::Outcome,
};

/// Body of an IRQ thread. `handler` says whether the interrupt was its device's.
pub(super) fn body(
    line: &'static Descriptor,
    action: &'static Action,
    cx: &mut ThreadCx,
    mut handler: impl FnMut(&mut ThreadCx) -> Handled,
) {
    action.ready.complete(cx);
    let me = thread::current();
    while let Some(taken) = action.run.next(&OfLine(line)) {
        if bugs::is_on(Bug::ClearAfterRun) {
            // As if RUN had not been taken yet.
            let _ = action.run.wake(Wake::PLAIN);
        }
        trace::record(trace::THREAD_RUN, u64::from(line.intid), 0);
        let balance = Balance::begin(me);
        let handled = handler(cx);
        if !balance.holds(thread::current()) {
            balance.end(me, me.name());
        }
        trace::record(trace::THREAD_DONE, u64::from(line.intid), 0);
        if bugs::is_on(Bug::ClearAfterRun) {
            let _ = action.run.take(|| ());
        }
        // Its only writer.
        action.thread_runs.store(action.thread_runs.load(Relaxed).wrapping_add(1), Relaxed);
        finalize(line, action, taken, handled);
        trace::record(trace::FINALIZED, u64::from(line.intid), 0);
        finished(line, action, cx);
        if model::current().preempts_in_cond_resched() {
            // A level that stays high keeps this thread running, and nothing else lets anybody more urgent in.
            preempt::cond_resched(cx);
        }
    }
    // What it captured is gone when `free` returns.
    drop(handler);
    action.exited.complete(cx);
}

/// How an IRQ thread sleeps, and where it goes.
struct OfLine(&'static Descriptor);
impl Sleeper for OfLine {
    #[inline(always)]
    fn announce(&self) {
        sched::set_state(State::Interruptible);
    }
    #[inline(always)]
    fn block(&self) {
        sched::block_in_place();
    }
    #[inline(always)]
    fn stay_awake(&self) {
        if bugs::is_on(Bug::NoRecheck) {
            return sched::block();
        }
        sched::set_state(State::Running);
    }
    fn affinity_changed(&self) {
        super::affinity::follow(self.0);
    }
}

/// The handler has run: lets the line fire again if this was the last thread it waited for.
#[inline(always)]
fn finalize(line: &'static Descriptor, action: &'static Action, taken: Taken, handled: Handled) {
    // What the handler told its device is complete before the line can fire again.
    hw::barrier::dsb();
    let plain = line.is_fast(action) && !line.watched.load(Relaxed);
    if plain && handled == Handled::Yes && taken.is_held() && !action.run.is_due() {
        gic().deactivate(line.intid);
    } else {
        finalize_slow(line, action, taken, handled);
    }
}

/// The line was disabled or shared meanwhile, the thread was woken again, or the detector wants to know.
#[inline(never)]
fn finalize_slow(line: &'static Descriptor, action: &'static Action, taken: Taken, handled: Handled) {
    if taken.is_held() {
        // Only now the line's state learns of the interrupt, as if its flow had ended here.
        line.with(|guarded| {
            apply(guarded.state.end(action.mask), line.intid);
            let handled = handled == Handled::Yes || taken.is_handled();
            flow::detect(guarded, line, if handled { Outcome::HANDLED } else { Outcome::NONE });
        });
    } else if handled == Handled::Yes {
        line.threads_handled.fetch_add(1, Relaxed);
    }
    release(line, action);
}

/// Gives an action's share in keeping the line quiet back.
pub(super) fn release(line: &'static Descriptor, action: &'static Action) {
    if action.mask == 0 {
        return;
    }
    loop {
        let done = line.with(|guarded| {
            match guarded.state.finalize(action.mask, action.run.is_due()) {
                Finalized::InProgress => bugs::is_on(Bug::FinalizeEarly),
                // The bit stays: the next run finalises.
                Finalized::RunAgain => true,
                Finalized::Done(chip) => {
                    apply(chip, line.intid);
                    true
                }
            }
        });
        if done {
            return;
        }
        // The hard handler is about to leave, on another CPU.
        hw::cpu::relax();
    }
}

/// The thread is done with this run; whoever synchronises may go on.
#[inline(always)]
fn finished(line: &Descriptor, action: &Action, cx: &mut ThreadCx) {
    action.run.finished();
    if line.idle.is_waited_on() {
        // Until the line is pending again: then the next run's end wakes the rest.
        while !line.is_pending() && line.idle.wake_one(cx) {}
    }
}
