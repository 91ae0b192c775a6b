//! What changes when a thread's policy changes, and when does a slice end?
//!
//! FIFO threads run until they block. RR and fair threads share the CPU with their equals: while equals wait, one timer
//! a CPU ends the running thread's slice. Without equals there is no timer.
use super::{
    CpuQueue, Inner,
    wake::{ready_beside, wake_locked, wake_or_switch_locked},
};
use crate::{
    cx::{HardIrqCx, ThreadCx},
    error::{Error, Result},
    irq_flags::Off,
    model, percpu,
    sync::rtmutex::propagate,
    thread::{self, Ref, State, ThreadId, Traits},
    time::{self, OnExpiry, Restart, TimerCore},
};
use core::time::Duration;
use hw::atomic::{
    AtomicI32,
    Ordering::{Relaxed, SeqCst},
    fence,
};
use logic::{
    policy::{Level, Policy},
    runqueue::{Place, RunningChange},
    slice::{self, Charge, Slice},
};

/// The fair policy with nice 0, which threads have unless told otherwise.
pub(crate) const NORMAL: Policy = match Policy::other(0) {
    Ok(policy) => policy,
    Err(_) => unreachable!(),
};

hw::global! {
    /// `sched_rr_timeslice_ms` as it was written.
    static RR_TIMESLICE_MS: AtomicI32 = AtomicI32::new(slice::RR_DEFAULT_MS as i32);
}

/// How long an RR thread runs while equals wait, in milliseconds.
pub fn rr_timeslice_ms() -> u32 {
    slice::rr_timeslice_ms(RR_TIMESLICE_MS.load(Relaxed))
}
/// Sets it; zero or less means the default of 100. Threads take it over at their next slice.
pub fn set_rr_timeslice_ms(ms: i32) {
    RR_TIMESLICE_MS.store(ms, Relaxed);
}

/// How long the thread runs while equals wait; zero for a FIFO thread, which has no slice.
///
/// # Errors
/// [`Error::NotFound`]: no such live thread.
pub fn rr_interval(id: ThreadId) -> Result<Duration> {
    thread::policy(id).map(|policy| Duration::from_nanos(slice::rr_interval_ns(policy, rr_timeslice_ms())))
}

/// The timer that ends slices on one CPU.
pub(crate) struct Slicing {
    timer: TimerCore,
    /// Armed for the running thread; else, if it is queued, it is left over from another one and ends nobody's turn.
    armed: bool,
}
impl Slicing {
    pub(crate) const fn new() -> Self {
        Self { timer: TimerCore::new(OnExpiry::Call(slice_end)), armed: false }
    }
}

fn full(policy: Policy) -> u64 {
    slice::slice_ns(policy, rr_timeslice_ms()).unwrap_or(0)
}

/// Charges `prev` for the `ran` ticks that end now, and sees to the end of `next`'s slice.
pub(super) fn switch_slices(q: &mut Inner, prev: Ref, next: Ref, ran: u64) {
    q.slicing.armed = false;
    if prev.traits.get().contains(Traits::SLICED) {
        // A slice that is used up by blocking or yielding is full again; that is all.
        let _ = charge(prev, ran);
    }
    if next.traits.get().contains(Traits::SLICED) && q.ready.has_equal(next.level.get()) && q.idle != Some(next) {
        arm(q, next);
    }
}

fn charge(thread: Ref, ran: u64) -> Charge {
    let mut slice = thread.slice.get();
    let charge = slice.charge(time::ticks_to_ns(ran), full(thread.policy.get()));
    thread.slice.set(slice);
    charge
}

/// Makes the CPU's timer fire when the running thread's slice is used up.
fn arm(q: &mut Inner, running: Ref) {
    q.slicing.armed = true;
    let end = time::now().saturating_add_ns(running.slice.get().left_ns());
    // Full: the slice ends late, at the next switch.
    let _ = time::start_masked(&q.slicing.timer, end);
}

/// An equal of the thread that runs on this CPU became ready; from now on its slice counts.
#[inline(never)]
pub(super) fn equal_arrived(q: &mut Inner, running: Ref) {
    if !q.slicing.armed {
        // Alone it could not use its slice up: what it ran beyond is forgiven.
        let _ = account(q, running);
        arm(q, running);
    }
}

/// Charges the running thread for the time that it has run since the last switch or the last time this was asked.
fn account(q: &mut Inner, running: Ref) -> Charge {
    let now = time::ticks_unordered();
    let ran = now - q.since;
    q.since = now;
    running.runtime.set(running.runtime.get() + ran);
    charge(running, ran)
}

/// The CPU goes idle: a slice timer that was left over must not wake it.
pub(super) fn entering_idle() {
    percpu::this().runqueue.with(|q| {
        if q.slicing.timer.is_queued() {
            time::cancel(&q.slicing.timer);
        }
    });
}

/// The slice timer: ends the running thread's turn, or comes back when that is due.
///
/// It may be late to a CPU where somebody else runs by now.
fn slice_end(_: &TimerCore, _: &mut HardIrqCx<'_>) -> Restart {
    percpu::this().runqueue.with(|q| {
        let Some(running) = q.running else { return };
        let armed = core::mem::replace(&mut q.slicing.armed, false);
        if !armed || !running.traits.get().contains(Traits::SLICED) || !q.ready.has_equal(running.level.get()) {
            return;
        }
        match account(q, running) {
            Charge::Expired => {
                running.traits.set(running.traits.get() | Traits::TO_TAIL);
                running.preempt.want_resched();
            }
            Charge::Left(_) => arm(q, running),
        }
    });
    Restart::No
}

/// Changes a thread's policy and priority; queue positions follow SC-02. What it inherits counts on (RM-10).
///
/// # Errors
/// [`Error::NotFound`]: no such live thread. [`Error::Invalid`]: the idle thread has no policy.
pub fn set(cx: &mut ThreadCx, id: ThreadId, policy: Policy) -> Result<()> {
    let _ = cx;
    if id == ThreadId::IDLE {
        return Err(Error::Invalid);
    }
    let thread = thread::table::find(id).ok_or(Error::NotFound)?;
    let off = Off::new();
    let chained = thread.inheritance.lock(off.cx());
    let level = chained.effective(policy.level());
    super::smp::change(thread, |q, here| change(q, thread, id, policy, level, here))?;
    let waits = chained.is_waiting();
    drop(chained);
    drop(off);
    if waits {
        propagate(thread);
    }
    Ok(())
}

/// `here`: the queue is this CPU's.
fn change(q: &mut Inner, thread: Ref, id: ThreadId, policy: Policy, level: Level, here: bool) -> Result<()> {
    if thread.state() == State::Dead || !thread.is_listed_as(id) {
        return Err(Error::NotFound);
    }
    let before = thread.policy.replace(policy);
    if full(before) != full(policy) {
        // Whoever comes to share its time begins with a full slice; what it ran before does not count.
        if q.running == Some(thread) {
            let _ = account(q, thread);
            q.slicing.armed = false;
        }
        thread.slice.set(Slice::full(full(policy)));
    }
    set_level(q, thread, level, here);
    Ok(())
}

/// A thread inherits another level, or none any more. Its pi lock is held and interrupts are masked; who has to run now does
/// so when they are not.
#[inline(always)]
pub(crate) fn inherit(thread: Ref, level: Level) {
    let cpu = percpu::this();
    if !cpu.runqueue.is_alone() {
        return inherit_on_several(thread, level);
    }
    // SAFETY: interrupts are masked; unlocked below.
    let q = unsafe { CpuQueue::lock_own(cpu) };
    set_level(q, thread, level, true);
    // SAFETY: as above.
    unsafe { cpu.runqueue.unlock() };
}
#[inline(never)]
fn inherit_on_several(thread: Ref, level: Level) {
    super::smp::change(thread, |q, here| set_level(q, thread, level, here));
}

/// The running thread, whose pi lock is `locked`, gets another level, if one is said, and makes a waiting one ready, as the last
/// thing in the caller's section: one lock of the run queue for both, and for the switch, if the woken one outranks it then.
#[inline(always)]
pub(crate) fn hand_over<G>(me: Ref, level: Option<Level>, locked: G, woken: Ref, section: &Off) {
    if me.preempt.is_free() && section.will_enable() && super::is_alone() && model::current().is_preemptible() {
        // SAFETY: interrupts are masked; `wake_or_switch` unlocks, or the next thread.
        let q = unsafe { CpuQueue::lock_own(percpu::this()) };
        if let Some(level) = level {
            lower_running(q, me, level);
        }
        drop(locked);
        if me.preempt.resched_wanted() {
            wake_locked(q, woken);
            // SAFETY: taken above, and `q` is used no more.
            unsafe { percpu::this().runqueue.unlock() };
        } else {
            // SAFETY: locked above; preemption and interrupts are on but for the section.
            unsafe { wake_or_switch_locked(q, me, woken) };
        }
    } else {
        if let Some(level) = level {
            inherit(me, level);
        }
        drop(locked);
        super::wake_masked(woken);
    }
}

/// The running thread has another level. What it is about to wait for, if it has announced a wait, it looks at itself.
#[inline(always)]
fn lower_running(q: &mut Inner, me: Ref, to: Level) {
    let from = me.level.get();
    me.level.set(to);
    let policy = me.policy.get();
    if !policy.is_fifo() {
        set_level_traits(me, policy, to);
    }
    if let RunningChange::Preempt(place) = q.ready.running_changed(from, to) {
        leave_for(me, place);
    } else if me.traits.get().contains(Traits::SLICED) && q.ready.has_equal(to) {
        equal_arrived(q, me);
    }
}

/// The running thread is preempted at the next opportunity, and goes to this end of its level then.
fn leave_for(running: Ref, place: Place) {
    let mut traits = running.traits.get();
    traits.set(Traits::TO_TAIL, place == Place::Tail);
    running.traits.set(traits);
    running.preempt.want_resched();
}

/// Whether a thread shares its time at this level: one that inherits a real-time level runs as a FIFO thread does, unless it is
/// RR (Linux `task_tick_rt`).
#[inline(never)]
fn set_level_traits(thread: Ref, policy: Policy, level: Level) {
    let shares = policy.is_rr() || !policy.is_rt() && level == policy.level();
    let mut traits = thread.traits.get();
    traits.set(Traits::SLICED, shares);
    thread.traits.set(traits);
}

/// Moves a thread to another level, wherever it is now.
fn set_level(q: &mut Inner, thread: Ref, to: Level, here: bool) {
    let from = thread.level.get();
    thread.level.set(to);
    let policy = thread.policy.get();
    if !policy.is_fifo() || thread.traits.get().contains(Traits::SLICED) {
        set_level_traits(thread, policy, to);
    }
    if q.running == Some(thread) {
        // The level is changed before the state is looked at; the thread does it the other way round.
        fence(SeqCst);
        if State::is_waiting(thread.state.look()) {
            // On its way to sleep, on another CPU, among waiters that stand in order: it looks once more, and stands right.
            thread.state.set(State::Running as u32);
        }
        match q.ready.running_changed(from, to) {
            RunningChange::Continue => {
                // Another CPU's timer is armed there: `smp::change` tells it.
                if here && thread.traits.get().contains(Traits::SLICED) && q.ready.has_equal(to) {
                    equal_arrived(q, thread);
                }
            }
            RunningChange::Preempt(place) => leave_for(thread, place),
        }
    } else if thread.state.get() == State::Running as u32 {
        q.ready.move_level(thread, from, to);
        let Some(running) = q.running else { return };
        if logic::runqueue::preempts(to, running.level.get()) {
            running.preempt.want_resched();
        } else if here && running.traits.get() != Traits::PLAIN {
            ready_beside(q, running, to);
        }
    } else if from != to {
        thread.waiting.resort(thread);
    }
}
