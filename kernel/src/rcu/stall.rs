//! Who says why a grace period does not end? A timer's interrupt, because a thread may not get to run (RC-13).
use super::{options, state, thread as gp};
use crate::{
    cx::{HardIrqCx, ThreadCx},
    percpu, report,
    thread::{Ref, ThreadId},
    time::{self, HrTimer, Instant, Restart},
};
use core::time::Duration;
use logic::cpus::CpuSet;
use spin::Once;

/// Readers that a report names.
const NAMED: usize = 8;

hw::global! {
    static TIMER: Once<HrTimer> = Once::new();
}

/// Makes the timer.
pub(super) fn set_up(cx: &mut ThreadCx) {
    if let Some(timeout) = options::stall_timeout() {
        TIMER.call_once(|| {
            HrTimer::new(cx, move |_: &mut HardIrqCx<'_>, expiry| {
                let again = expired(timeout);
                if let Some(at) = again {
                    let now = time::now();
                    let _ = expiry.forward(now, Duration::from_nanos(at.as_ns().saturating_sub(now.as_ns()).max(1)));
                }
                if again.is_some() { Restart::Yes } else { Restart::No }
            })
        });
    }
}
/// A grace period goes on. Whoever begins it says so, and `rcu_gp` again, which may have taken the timer back with the one before.
pub(super) fn watch(cx: &mut ThreadCx, began: Instant) {
    if let (Some(timer), Some(timeout)) = (TIMER.get().filter(|timer| !timer.is_queued()), options::stall_timeout()) {
        // Without a place in the timer queue there is no report.
        let _ = timer.start_at(cx, began.saturating_add(timeout));
    }
}
/// It has ended.
pub(super) fn over(cx: &mut ThreadCx) {
    if let Some(timer) = TIMER.get() {
        let _ = timer.try_cancel(cx);
    }
}

/// What a report is about.
struct Stalled {
    number: u64,
    began: Instant,
    cpus: CpuSet,
    readers: heapless::Vec<Ref, NAMED>,
    /// There are others than these.
    more: bool,
}

/// Reports the grace period in progress if it is too old; when to look again.
fn expired(timeout: Duration) -> Option<Instant> {
    let stalled = state::with(|state| {
        let mut readers = heapless::Vec::new();
        // No further than one that is not named: interrupts are masked.
        let more = state.grace.holding().any(|reader| readers.push(reader).is_err());
        let (began, cpus) = (state.began, state.grace.waits_for());
        let seq = state.grace.seq();
        seq.is_in_progress().then(|| Stalled { number: seq.ended(), began, cpus, readers, more })
    })?;
    let now = time::now();
    let due = stalled.began.saturating_add(timeout);
    if now < due {
        // Another one than the timer was started for.
        return Some(due);
    }
    tell(&stalled, now);
    Some(now.saturating_add(3 * timeout))
}

fn tell(stalled: &Stalled, now: Instant) {
    let queued: u64 = percpu::online()
        .iter()
        .map(|cpu| percpu::area(cpu).rcu.callbacks.with(|queue| queue.queued - queue.invoked))
        .sum();
    let age_ms = (now.as_ns() - stalled.began.as_ns()) / 1_000_000;
    report::warn!(
        "rcu: grace period {} stalls: {} ms old, waits for {} CPUs and {} readers, {} callbacks queued",
        stalled.number,
        age_ms,
        stalled.cpus.count() as u64,
        stalled.readers.len() as u64,
        queued
    );
    for cpu in stalled.cpus.iter() {
        report::note!("  CPU {}: runs {}", cpu, percpu::area(cpu).runqueue.running_name());
    }
    for reader in &stalled.readers {
        let ThreadId(id) = reader.id();
        report::note!("  P{}: {}", id, reader.0.name());
    }
    if stalled.more {
        report::note!("  and more readers");
    }
    if gp::is_told() {
        report::note!("  rcu_gp kthread starved: it was woken and does not run");
    }
}
