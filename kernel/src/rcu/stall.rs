//! Who says why a grace period does not end, or does not begin? A timer's interrupt, because a thread may not get to run (RC-13).
//!
//! The timer is set when a thread asks for a grace period that has not begun, and again, on the CPU of whoever begins it or looks
//! after it, when it waits for somebody: that CPU is none that it waits for. Whoever is late is looked for when it expires;
//! an early expiry sets it again. (Linux `kernel/rcu/tree_stall.h`.)
use super::{callbacks, options, state, thread as gp, waits::Waits};
use crate::{
    cx::{Context, HardIrqCx, ThreadCx},
    ipi,
    irq_flags::Off,
    report,
    thread::ThreadId,
    time::{self, HrTimer, Instant, Restart},
};
use core::time::Duration;
use logic::rcu::Seq;
use spin::Once;

/// A report is repeated after this many times what the first one took.
const REPEAT: u32 = 3;
/// Readers of whom it shows the calls that they are in: text takes as long as the device does, and interrupts are masked.
const SHOWN: usize = 2;

hw::global! {
    static TIMER: Once<HrTimer> = Once::new();
}

/// Makes the timer.
pub(super) fn set_up(cx: &mut ThreadCx) {
    if let Some(timeout) = options::stall_timeout() {
        TIMER.call_once(|| {
            HrTimer::new(cx, move |_: &mut HardIrqCx<'_>, _| {
                if let Some(at) = expired(timeout) {
                    set(at);
                }
                Restart::No
            })
        });
    }
}
/// Something goes on since this moment. Called by threads, under no run queue's lock.
pub(super) fn watch(since: Instant) {
    let due = options::stall_timeout().map(|timeout| since.saturating_add(timeout));
    // What is late has been reported if the timer is set: for the next report. Otherwise it expires at once.
    if let Some(due) = due.filter(|&due| time::now() < due || !is_watching()) {
        set(due);
    }
}
/// Whether the timer is set, or there is none to set.
pub(super) fn is_watching() -> bool {
    TIMER.get().is_none_or(HrTimer::is_queued)
}
fn set(at: Instant) {
    if let Some(timer) = TIMER.get() {
        let off = Off::new();
        // Without a place in the timer queue there is no report.
        let _ = timer.start_at(off.cx(), at);
        drop(off);
    }
}
/// Nobody wants a grace period any more. Whoever does so just now may have set the timer before: the caller looks afterwards.
pub(super) fn unwatch(cx: &impl Context) {
    if let Some(timer) = TIMER.get() {
        let _ = timer.try_cancel(cx);
    }
}

/// What takes so long.
enum Late {
    /// The grace period in progress.
    End,
    /// One that was asked for has not begun.
    Begin,
    /// One has ended, and `rcu_gp` has told nobody.
    Word,
}

/// Reports what takes too long; when to look again, if there is anything to look at.
fn expired(timeout: Duration) -> Option<Instant> {
    let now = time::now();
    let (seq, wanted, since) = state::with(|state| (state.grace.seq(), state.is_wanted(), state.since));
    let (late, since) = match (seq.is_in_progress(), wanted) {
        (true, _) => (Late::End, since),
        (false, true) => (Late::Begin, since),
        (false, false) => (Late::Word, gp::busy_since()?),
    };
    let due = since.saturating_add(timeout);
    if now < due {
        return Some(due);
    }
    tell(&late, seq, now.since(since));
    Some(now.saturating_add(REPEAT * timeout))
}

fn tell(late: &Late, seq: Seq, age: Duration) {
    let (queued, age, number) = (callbacks::waiting(), age.as_millis() as u64, seq.ended() + 1);
    match (late, Waits::now().filter(|waits| waits.seq == seq)) {
        (Late::End, Some(waits)) => name(&waits, number, age, queued),
        // It has ended in between, and whoever is waited for now has nothing to do with it.
        (Late::End, None) => report::warn!("rcu: stall ended: grace period {} took {} ms", number, age),
        (Late::Begin, _) => {
            report::warn!("rcu: grace period {} does not begin for {} ms, {} callbacks queued", number, age, queued);
        }
        (Late::Word, _) => {
            report::warn!(
                "rcu: end of grace period {} not told for {} ms, {} callbacks queued",
                number - 1,
                age,
                queued
            );
        }
    }
    if let Some((thread, since)) = gp::starved(time::now()) {
        report::note!(
            "  rcu_gp kthread starved: P{} has not run for {} ms, CPU {} runs {}",
            thread.id(),
            since.as_millis() as u64,
            thread.home().id.get(),
            thread.home().runqueue.running_name()
        );
    }
}

/// Names whoever a grace period waits for, and where each is.
fn name(waits: &Waits, number: u64, age: u64, queued: u64) {
    report::warn!(
        "rcu: grace period {} stalls: {} ms old, waits for {} CPUs and {} readers, {} callbacks queued",
        number,
        age,
        waits.cpus.count(),
        waits.count,
        queued
    );
    waits.cpus().for_each(|cpu| report::note!("  {}", cpu));
    waits.readers.iter().for_each(|reader| report::note!("  {}", reader));
    if waits.more() != 0 {
        report::note!("  and {} readers more", waits.more());
    }
    let mut running = waits.cpus;
    for reader in waits.readers.iter().take(SHOWN) {
        if let Some(cpu) = backtrace(reader.id) {
            running = running.with(cpu);
        }
    }
    ipi::request_backtrace(running);
}

/// Prints the calls that a reader is in. If it runs: the CPU that can tell.
fn backtrace(id: ThreadId) -> Option<usize> {
    #[cfg(target_os = "none")]
    return crate::fault::backtrace_suspended(id).ok()?.err();
    // The simulated machine has the host's stacks.
    #[cfg(not(target_os = "none"))]
    crate::thread::table::find(id)
        .filter(|&thread| crate::sched::is_running(thread))
        .map(|thread| thread.home().id.get())
}
