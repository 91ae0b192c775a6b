//! Who brings a grace period to its end? The thread `rcu_gp` (RC-08, RC-11).
//!
//! It is begun by a thread that waits for it, if none is in progress then, and by this one otherwise. Without anybody to wait for
//! it ends as it begins, and no timer is armed. Otherwise CPUs that run get a tick's time to
//! come to an idle moment of their own or to be switched; then they are asked, by an interrupt, and again each tick until they
//! have answered: one that has disabled preemption or interrupts cannot. With haste they are asked at once.
use super::{
    boost, callbacks, options, stall,
    state::{self, Begun},
    wait,
};
use crate::{
    cx::ThreadCx,
    error::Result,
    ipi,
    irq_flags::Off,
    percpu,
    sync::{WaitQueue, wait::Limits},
    thread::{Builder, Kind},
    time::{self, Instant},
};
use core::time::Duration;
use hw::atomic::{
    AtomicBool,
    Ordering::{Relaxed, SeqCst},
};
use logic::rcu::Seq;

/// How long CPUs are left alone, and how long between two questions.
pub(super) const TICK: Duration = Duration::from_millis(4);

hw::global! {
    static GATE: WaitQueue = WaitQueue::named("rcu_gp");
    /// There is something to look at.
    static TOLD: AtomicBool = AtomicBool::new(false);
    /// The thread exists.
    static STARTED: AtomicBool = AtomicBool::new(false);
}

/// Makes the thread look. From any context, but under no run queue's lock.
pub(super) fn tell() {
    TOLD.store(true, SeqCst);
    let off = Off::new();
    let _ = GATE.wake_one(off.cx());
    drop(off);
}
/// Whether the thread was told and has not looked yet.
pub(super) fn is_told() -> bool {
    TOLD.load(Relaxed)
}
/// Whether grace periods have anybody to make them.
pub(super) fn is_started() -> bool {
    STARTED.load(Relaxed)
}

/// Starts the threads that make grace periods.
pub(crate) fn start(cx: &mut ThreadCx) -> Result<()> {
    let policy = options::kthread_policy();
    stall::set_up(cx);
    Builder::new("rcu_gp").kind(Kind::Service).policy(policy).spawn(cx, body)?;
    Builder::new("rcu_boost").kind(Kind::Service).policy(policy).spawn(cx, boost::body)?;
    STARTED.store(true, Relaxed);
    Ok(())
}

fn body(cx: &mut ThreadCx) {
    loop {
        until_told(cx, None);
        // One may have passed without this thread.
        passed(cx);
        while state::with(|state| state.is_wanted()) {
            one(cx);
            passed(cx);
        }
    }
}

/// Whoever waited for a grace period learns that it has passed.
fn passed(cx: &mut ThreadCx) {
    wait::passed(cx);
    callbacks::passed();
}

/// Waits until there is something to look at, or until a moment.
fn until_told(cx: &mut ThreadCx, deadline: Option<Instant>) {
    let limits = Limits { deadline, ..Limits::none("rcu_gp") };
    // That the time is up is something to look at as well.
    let _ = GATE.wait_within(cx, &limits, || TOLD.swap(false, SeqCst).then_some(()));
}

/// The grace period that somebody has begun, or another one, until it ends.
fn one(cx: &mut ThreadCx) {
    let (begun, seq, began) = state::with(|state| (state.begin(), state.grace.seq(), state.began));
    if matches!(begun, Begun::Ended) {
        return;
    }
    stall::watch(cx, began);
    let mut ask_at = None;
    loop {
        let now = time::now();
        let Some(open) = look(seq, now, &mut ask_at) else { break };
        until_told(cx, open.again);
    }
    stall::over(cx);
}

/// A grace period that goes on.
struct Open {
    /// When to look again though nothing was told.
    again: Option<Instant>,
}

/// Does what is due in the grace period of this number; `None` if it has ended. `ask_at`: when to ask CPUs again, once they were.
fn look(seq: Seq, now: Instant, ask_at: &mut Option<Instant>) -> Option<Open> {
    let (hurried, current, waits_for, holds, began) = state::with(|state| {
        let _ = state.look_again();
        let holds = state.grace.holding().next().is_some();
        (state.is_hurried(), state.grace.seq(), state.grace.waits_for(), holds, state.began)
    });
    // Somebody may have begun the next one already.
    if current != seq {
        return None;
    }
    let mut again = None;
    let mut not_later = |at: Instant| again = Some(again.map_or(at, |other: Instant| other.min(at)));
    if !waits_for.is_empty() {
        let mut due = ask_at.unwrap_or(if hurried { began } else { began.saturating_add(TICK) });
        if now >= due {
            for cpu in waits_for.iter() {
                let cpu = percpu::area(cpu);
                cpu.rcu.asked.store(true, Relaxed);
                ipi::resched(cpu);
            }
            due = now.saturating_add(TICK);
            *ask_at = Some(due);
        }
        not_later(due);
    }
    if holds && let Some(delay) = options::boost_delay() {
        let due = if hurried { began } else { began.saturating_add(delay) };
        if now >= due {
            boost::begin(seq);
        } else {
            not_later(due);
        }
    }
    Some(Open { again })
}
