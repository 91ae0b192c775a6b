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
//! *after* the sleep is announced: a wake in between finds a thread that will not sleep (IQ-08). Finalising ends the
//! interrupt: for an unshared one-shot SPI that is the deactivation that the vector left out, and nothing else.
use super::{
    Handled,
    domain::{Descriptor, gic},
    flow::{self, Action, apply, run},
};
use crate::{
    bugs::{self, Bug},
    cx::ThreadCx,
    preempt::Balance,
    sched,
    thread::{self, State},
    trace,
};
use hw::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use logic::{flow::Finalized, spurious::Outcome};

/// Body of an IRQ thread. `handler` says whether the interrupt was its device's.
pub(super) fn body(
    line: &'static Descriptor,
    action: &'static Action,
    cx: &mut ThreadCx,
    mut handler: impl FnMut(&mut ThreadCx) -> Handled,
) {
    action.ready.complete(cx);
    let me = thread::current();
    while let Some(taken) = next(action) {
        trace::record(trace::THREAD_RUN, u64::from(line.intid), 0);
        let balance = Balance::begin(me);
        let handled = handler(cx);
        if !balance.holds(thread::current()) {
            balance.end(me, me.name());
        }
        trace::record(trace::THREAD_DONE, u64::from(line.intid), 0);
        if bugs::is_on(Bug::ClearAfterRun) {
            action.run.fetch_and(!run::RUN, AcqRel);
        }
        // Its only writer.
        action.thread_runs.store(action.thread_runs.load(Relaxed).wrapping_add(1), Relaxed);
        finalize(line, action, taken, handled);
        trace::record(trace::FINALIZED, u64::from(line.intid), 0);
        finished(line, action, cx);
    }
    // What it captured is gone when `free` returns.
    drop(handler);
    action.exited.complete(cx);
}

/// Waits for work and takes it: the bits of [`run`] that came with it. `None`: the thread shall end. Work that was asked
/// for before the end is done first (IQ-08.3).
#[inline(always)]
fn next(action: &Action) -> Option<u32> {
    while action.run.load(Acquire) & run::RUN == 0 {
        if action.run.load(Acquire) & run::STOP != 0 {
            return None;
        }
        sched::set_state(State::Interruptible);
        // The re-check that closes the race with a wake between the look above and here.
        if action.run.load(Acquire) == 0 {
            sched::block();
        } else {
            sched::set_state(State::Running);
        }
    }
    // Nobody else takes RUN, so it is still there.
    let taken = action.run.swap(run::ACTIVE, AcqRel);
    let kept = if bugs::is_on(Bug::ClearAfterRun) { run::STOP | run::RUN } else { run::STOP };
    if taken & kept != 0 {
        action.run.fetch_or(taken & kept, AcqRel);
    }
    Some(taken)
}

/// The handler has run: lets the line fire again if this was the last thread it waited for.
#[inline(always)]
fn finalize(line: &'static Descriptor, action: &'static Action, taken: u32, handled: Handled) {
    // What the handler told its device is complete before the line can fire again.
    hw::barrier::dsb();
    let plain = line.fast().is_some_and(|fast| core::ptr::eq(fast, action)) && !line.watched.load(Relaxed);
    if plain && handled == Handled::Yes && taken & run::HELD != 0 && action.run.load(Relaxed) & run::RUN == 0 {
        gic().deactivate_split(line.intid);
    } else {
        finalize_slow(line, action, taken, handled);
    }
}

/// The line was disabled or shared meanwhile, the thread was woken again, or the detector wants to know.
#[inline(never)]
fn finalize_slow(line: &'static Descriptor, action: &'static Action, taken: u32, handled: Handled) {
    if taken & run::HELD != 0 {
        // Only now the line's state learns of the interrupt, as if its flow had ended here.
        line.with(|guarded| {
            apply(guarded.state.end(action.mask), line.intid);
            let handled = handled == Handled::Yes || taken & run::HANDLED != 0;
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
            let again = action.run.load(Relaxed) & run::RUN != 0;
            match guarded.state.finalize(action.mask, again) {
                Finalized::InProgress => false,
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
    action.run.fetch_and(!run::ACTIVE, AcqRel);
    if line.idle.is_waited_on() {
        // Until the line is pending again: then the next run's end wakes the rest.
        while !line.is_pending() && line.idle.wake_one(cx) {}
    }
}
