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
    percpu, sched,
    sync::{WaitQueue, wait::Limits},
    thread::{Builder, Kind, Ref, table},
    time::{self, Instant},
};
use core::time::Duration;
use hw::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use logic::rcu::Seq;

/// How long CPUs are left alone, and how long between two questions.
pub(super) const TICK: Duration = Duration::from_millis(4);

/// For how long the thread may have something to do and not run, before a report says so.
const STARVED: Duration = Duration::from_secs(1);

hw::global! {
    static GATE: WaitQueue = WaitQueue::named("rcu_gp");
    /// Since when there is something to look at, in nanoseconds; 0: there is nothing.
    static TOLD: AtomicU64 = AtomicU64::new(0);
    /// Since when the thread has something to do of its own accord, or when it will have, in nanoseconds; `u64::MAX`: never.
    static BUSY: AtomicU64 = AtomicU64::new(u64::MAX);
    /// The thread's number.
    static THREAD: AtomicU32 = AtomicU32::new(0);
    /// The thread exists.
    static STARTED: AtomicBool = AtomicBool::new(false);
}

/// Makes the thread look. From any context, but under no run queue's lock.
pub(super) fn tell() {
    // The clock may not run before there are threads.
    let now = if is_started() { time::now().as_ns().max(1) } else { 1 };
    let _ = TOLD.compare_exchange(0, now, SeqCst, SeqCst);
    let off = Off::new();
    let _ = GATE.wake_one(off.cx());
    off.leave();
}
/// Since when the thread has something to do, or will have; it may have begun.
pub(super) fn busy_since() -> Option<Instant> {
    let (told, busy) = (TOLD.load(SeqCst), BUSY.load(SeqCst));
    let since = if told == 0 { busy } else { told.min(busy) };
    (since != u64::MAX).then(|| Instant::from_ns(since))
}
/// The thread, and for how long it has had something to do without running, if that is long.
pub(super) fn starved(now: Instant) -> Option<(Ref, Duration)> {
    let thread = table::with_number(THREAD.load(Relaxed))?;
    let waits = Duration::from_nanos(now.as_ns().saturating_sub(busy_since()?.as_ns()));
    (waits >= STARVED && !sched::is_running(thread)).then_some((thread, waits))
}
/// Whether grace periods have anybody to make them.
pub(super) fn is_started() -> bool {
    STARTED.load(Relaxed)
}

/// Starts the threads that make grace periods.
pub(crate) fn start(cx: &mut ThreadCx) -> Result<()> {
    let policy = options::kthread_policy();
    stall::set_up(cx);
    let thread = Builder::new("rcu_gp").kind(Kind::Service).policy(policy).spawn(cx, body)?;
    THREAD.store(thread.id().0, Relaxed);
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
        // In one section: in between, a hog could keep this thread from seeing that somebody has set the timer for nothing.
        let off = Off::new();
        stall::unwatch(off.cx());
        if let Some(since) = state::with(|state| state.goes_on().then_some(state.since)) {
            stall::watch(since);
        }
        drop(off);
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
    BUSY.store(deadline.map_or(u64::MAX, Instant::as_ns), SeqCst);
    // That the time is up is something to look at as well.
    let _ = GATE.wait_within(cx, &limits, || (TOLD.load(SeqCst) != 0).then_some(()));
    // In this order: one of the two says so as long as it has not looked.
    BUSY.store(time::now().as_ns(), SeqCst);
    TOLD.store(0, SeqCst);
}

/// The grace period that somebody has begun, or another one, until it ends.
fn one(cx: &mut ThreadCx) {
    let (begun, seq, began) = state::with(|state| (state.begin(), state.grace.seq(), state.since));
    if matches!(begun, Begun::Ended) {
        return;
    }
    // On this CPU, which is not waited for.
    stall::watch(began);
    let mut ask_at = None;
    while let Some(open) = look(seq, time::now(), &mut ask_at) {
        until_told(cx, open.again);
    }
}

/// A grace period that goes on.
struct Open {
    /// When to look again though nothing was told.
    again: Option<Instant>,
}

/// Does what is due in the grace period of this number; `None` if it has ended. `ask_at`: when to ask CPUs again, once they were.
fn look(seq: Seq, now: Instant, ask_at: &mut Option<Instant>) -> Option<Open> {
    let (hurried, ask, due, current, waits_for, holds, began) = state::with(|state| {
        // Whoever began it may have looked at this CPU while another thread ran.
        let _ = state.grace.quiescent(percpu::this().id.get());
        let _ = state.look_again();
        let (hurried, waits_for) = (state.is_hurried(), state.grace.waits_for());
        let due = ask_at.unwrap_or(if hurried { state.since } else { state.since.saturating_add(TICK) });
        let ask = now >= due;
        if ask {
            waits_for.iter().for_each(|cpu| state.asked[cpu] = state.asked[cpu].saturating_add(1));
        }
        (hurried, ask, due, state.grace.seq(), waits_for, state.grace.held_by() != 0, state.since)
    });
    // Somebody may have begun the next one already.
    if current != seq {
        return None;
    }
    let mut again = None;
    let mut not_later = |at: Instant| again = Some(again.map_or(at, |other: Instant| other.min(at)));
    if !waits_for.is_empty() {
        let mut next = due;
        if ask {
            for cpu in waits_for.iter() {
                let cpu = percpu::area(cpu);
                cpu.rcu.asked.store(true, Relaxed);
                ipi::resched(cpu);
            }
            next = now.saturating_add(TICK);
            *ask_at = Some(next);
        }
        not_later(next);
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
