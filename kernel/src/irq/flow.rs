//! In which order do a line's handlers, its chip and its threads get their turn?
//!
//! The common case, an unshared threaded line that nobody disabled: call the hard handler, which says `WakeThread`; set
//! RUN; wake the IRQ thread. The interrupt stays active: deactivation is the thread's. For every other line the state
//! machine in `logic::flow` says what the chip must do at each step; this performs it, under the line's lock.
use super::{
    Primary, dispatch,
    domain::{Descriptor, Guarded, gic},
    percpu_line::{Handler, PerCpuAction},
};
use crate::{
    atomic_word::Word32,
    bugs::{self, Bug},
    cx::{AtomicCx, HardIrqCx, Irq},
    mask, percpu,
    preempt::Balance,
    rcu::{self, Reading},
    report, sched,
    sync::Completion,
    thread::{self, Name, Ref},
    time, trace,
};
use alloc::boxed::Box;
use core::cell::{Cell, UnsafeCell};
use hw::{
    atomic::{AtomicPtr, AtomicU32, Ordering::Relaxed},
    gic::FIRST_SPI,
};
use logic::{
    flow::{Chip, Entry, Finalized},
    handshake::{Handshake, Wake},
    request::Flags,
    spurious::{Outcome, Verdict},
};

/// A hard handler.
pub(crate) type HardFn = Box<dyn FnMut(&mut HardIrqCx<'_>) -> Primary + Send>;

/// What forcing a handler into its thread meant (IQ-05).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forced {
    /// The line is ONESHOT for that reason alone.
    pub oneshot_added: bool,
}

/// One installed handler.
pub(crate) struct Action {
    pub next: AtomicPtr<Action>,
    /// `None`: the default primary handler, which only wakes the thread.
    pub hard: UnsafeCell<Option<HardFn>>,
    pub thread: Cell<Option<Ref>>,
    /// What its thread is asked for.
    pub run: Handshake<Word32>,
    /// Its bit in the line's `threads_oneshot`; 0 if the line is not one-shot or it has no thread.
    pub mask: u64,
    pub cookie: Option<usize>,
    pub flags: Flags,
    /// Its ordinary handler was forced into its thread.
    pub forced: Option<Forced>,
    pub name: Name,
    /// Runs of the thread's handler.
    pub thread_runs: AtomicU32,
    /// The thread has begun to wait for work.
    pub ready: Completion,
    /// The thread has ended.
    pub exited: Completion,
    /// Woken without a thread function: warned of once.
    pub warned: Cell<bool>,
    /// The per-CPU handler, for a PPI; then nothing of the above is used in the flow.
    pub percpu: Option<PerCpuAction>,
}

// SAFETY: `hard` is called by one CPU at a time: the controller does not deliver an active interrupt again, and
// INPROGRESS keeps a second flow of the line out. The rest is atomic or written before the action is linked.
unsafe impl Sync for Action {}
// SAFETY: handlers are Send.
unsafe impl Send for Action {}

/// Performs what the state machine asks for. The line's lock is held, or the line is this flow's.
#[inline(always)]
pub(super) fn apply(chip: Chip, intid: u32) {
    if chip == Chip::DEACTIVATE {
        gic().deactivate(intid);
    } else if !chip.is_empty() {
        apply_all(chip, intid);
    }
}

#[inline(never)]
fn apply_all(chip: Chip, intid: u32) {
    let local = percpu::this().gic_local();
    if chip.contains(Chip::MASK) {
        gic().mask(local, intid);
    }
    // ACK: the controller did it when the vector acknowledged.
    if chip.contains(Chip::DEACTIVATE) {
        gic().deactivate(intid);
    }
    if chip.contains(Chip::UNMASK) {
        gic().unmask(local, intid);
    }
    if chip.contains(Chip::RESEND) {
        // The line exists, so its pending bit does.
        let _ = gic().set_state(local, intid, hw::gic::Which::Pending, true);
    }
}

/// One interrupt of a line, from the vector. The answer: whom it wakes at its end, see [`sched::wake_returning`].
#[inline(always)]
pub(super) fn run(line: &'static Descriptor, intid: u32, cx: &mut HardIrqCx<'_>) -> Option<Ref> {
    // SAFETY: this is the interrupt: interrupts stay masked. It is a reader of the line's actions with that.
    let masked = unsafe { AtomicCx::<Irq>::new() };
    match line.fast(&masked) {
        Some(action) => fast(line, action, intid, cx),
        None => rest(line, intid, cx),
    }
}

/// A line about which there may be something to decide, or a private one.
#[inline(never)]
fn rest(line: &'static Descriptor, intid: u32, cx: &mut HardIrqCx<'_>) -> Option<Ref> {
    trace::record(trace::IRQ_ENTER, u64::from(intid), 0);
    count(intid);
    if intid < FIRST_SPI {
        return private(line, intid, cx);
    }
    slow(line, intid, cx);
    None
}

/// Counts an interrupt of this CPU. Interrupts are masked.
#[inline(always)]
pub(crate) fn count(intid: u32) {
    let by_intid = &percpu::this().irqs.by_intid;
    let count = &by_intid[intid as usize % by_intid.len()];
    count.set(count.get().wrapping_add(1));
}

/// The one action of a line about which there is nothing to decide: no lock, no access to the distributor.
///
/// That no second flow of the line runs beside this one is the controller's doing: the interrupt is active until the
/// thread, or this, deactivates it. A `disable` that comes meanwhile counts as one that came after.
#[inline(always)]
fn fast(line: &'static Descriptor, action: &Action, intid: u32, cx: &mut HardIrqCx<'_>) -> Option<Ref> {
    trace::record(trace::IRQ_ENTER, u64::from(intid), 0);
    trace::record(trace::DESCRIPTOR, u64::from(intid), 0);
    let primary = call(action, cx);
    trace::record(trace::HARD_HANDLER, u64::from(intid), 0);
    count(intid);
    if mask::enabled() {
        enabled_interrupts(intid);
    }
    match (primary, action.thread.get()) {
        (Primary::WakeThread, Some(thread)) => {
            if action.run.wake(Wake::HELD) {
                return Some(thread);
            }
        }
        _ => fast_rare(line, action, primary),
    }
    None
}

/// The hard handler did something else than wake the thread.
#[inline(never)]
fn fast_rare(line: &'static Descriptor, action: &Action, primary: Primary) {
    if let (Primary::HandledAndWake, Some(thread)) = (primary, action.thread.get()) {
        if action.run.wake(Wake::HELD_HANDLED) {
            sched::wake_masked(thread);
        }
        return;
    }
    let outcome = if primary == Primary::None { Outcome::NONE } else { Outcome::HANDLED };
    line.with(|guarded| detect(guarded, line, outcome));
    gic().deactivate(line.intid);
}

#[cold]
fn enabled_interrupts(intid: u32) {
    mask::disable();
    report::warn!("irq {}: handler enabled interrupts", intid);
}

/// Calls an action's hard handler.
#[inline(always)]
fn call(action: &Action, cx: &mut HardIrqCx<'_>) -> Primary {
    // SAFETY: one CPU at a time, see `Action`.
    let Some(hard) = (unsafe { &mut *action.hard.get() }) else { return Primary::WakeThread };
    let balance = Balance::begin(thread::current());
    let primary = hard(cx);
    if !balance.holds(thread::current()) {
        balance.end(thread::current(), &action.name);
    }
    primary
}

/// Every line that is shared, masked while its threads are pending, disabled, or not one-shot.
#[inline(never)]
fn slow(line: &'static Descriptor, intid: u32, cx: &mut HardIrqCx<'_>) {
    // SAFETY: this is a hard handler's context: interrupts stay masked.
    let masked = unsafe { AtomicCx::<Irq>::new() };
    let mut guarded = line.lock.lock_in(&masked);
    match guarded.state.enter() {
        Entry::Handle(chip) => {
            drop(guarded);
            apply(chip, intid);
        }
        Entry::Leave(chip) => {
            // The state machine has a line without handler for masked; the controller delivered it all the same. Unless it
            // came while the handler was being taken out, that is a fault.
            let fault = line.first(&masked).is_none() && !guarded.leaving;
            // Under the lock: whoever enables the line on another CPU unmasks it after this has masked it.
            apply(if fault { chip | Chip::MASK } else { chip }, intid);
            drop(guarded);
            if fault {
                dispatch::unexpected(percpu::this(), intid);
            }
            return;
        }
    }
    trace::record(trace::DESCRIPTOR, u64::from(intid), 0);
    let (outcome, woken) = handle(line, &masked, cx);
    line.with(|guarded| {
        let mut chip = guarded.state.end(woken);
        if bugs::is_on(Bug::OneshotUnmaskEarly)
            && let Finalized::Done(early) = guarded.state.finalize(woken, false)
        {
            chip |= early;
        }
        detect(guarded, line, outcome);
        apply(chip, intid);
    });
}

/// Calls every hard handler and wakes the threads that are asked for.
#[inline(always)]
fn handle(line: &'static Descriptor, reader: &impl Reading, cx: &mut HardIrqCx<'_>) -> (Outcome, u64) {
    let (mut outcome, mut woken) = (Outcome::NONE, 0);
    for action in line.actions(reader) {
        let primary = call(action, cx);
        trace::record(trace::HARD_HANDLER, u64::from(line.intid), 0);
        outcome |= match primary {
            Primary::None => Outcome::NONE,
            Primary::Handled => Outcome::HANDLED,
            Primary::WakeThread | Primary::HandledAndWake => {
                let (bit, outcome) = wake(line, action);
                woken |= bit;
                if primary == Primary::WakeThread { outcome } else { outcome | Outcome::HANDLED }
            }
        };
    }
    if mask::enabled() {
        enabled_interrupts(line.intid);
    }
    (outcome, woken)
}

/// Asks an action's thread to run its handler. Answers its bit in the line's set of pending threads, and what the hard
/// handler's answer amounts to.
///
/// Wakes coalesce: however many come before the thread takes RUN, it runs once for them.
#[inline(always)]
fn wake(line: &Descriptor, action: &Action) -> (u64, Outcome) {
    let Some(thread) = action.thread.get() else { return no_thread(line, action) };
    if action.run.wake(Wake::PLAIN) {
        sched::wake_masked(thread);
    }
    (action.mask, Outcome::WAKE)
}

#[cold]
fn no_thread(line: &Descriptor, action: &Action) -> (u64, Outcome) {
    if !action.warned.replace(true) {
        report::warn!("irq {}: {} returned WakeThread, but has no thread handler", line.intid, action.name);
    }
    (0, Outcome::HANDLED)
}

/// Is the interrupt nobody's, again and again? Then the line is disabled and reported (IQ-19).
pub(super) fn detect(guarded: &mut Guarded, line: &'static Descriptor, outcome: Outcome) {
    let handled = line.threads_handled.load(Relaxed);
    if outcome == Outcome::NONE {
        line.unhandled.set(line.unhandled.get().wrapping_add(1));
    }
    if guarded.detector.note(outcome, handled, || time::now().as_ns()) == Verdict::NobodyCared {
        nobody_cared(guarded, line);
    }
}

#[cold]
fn nobody_cared(guarded: &mut Guarded, line: &'static Descriptor) {
    if !super::stats::detector_enabled() {
        return;
    }
    apply(guarded.state.spurious_disable(), line.intid);
    report::warn!("irq {}: nobody cared", line.intid);
    for action in line.actions(&rcu::section()) {
        report::note!("  handler: {}", action.name);
    }
    report::note!("  disabling irq {}", line.intid);
}

/// A PPI: no lock, no shared counter; the handler sees its CPU's cookie.
#[inline(always)]
fn private(line: &'static Descriptor, intid: u32, cx: &mut HardIrqCx<'_>) -> Option<Ref> {
    // SAFETY: as in `run`.
    let masked = unsafe { AtomicCx::<Irq>::new() };
    let Some((action, percpu)) = line.first(&masked).and_then(|a| Some((a, a.percpu.as_ref()?))) else {
        dispatch::silence(percpu::this(), intid);
        return None;
    };
    let woken = match &percpu.handler {
        Handler::EventTimer => time::interrupt(cx),
        Handler::Driver(handler) => {
            let me = thread::current();
            let balance = Balance::begin(me);
            handler(cx);
            balance.end(me, &action.name);
            None
        }
    };
    gic().deactivate(intid);
    woken
}
