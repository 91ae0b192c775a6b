//! May code sleep here? What types cannot see is checked at run time.
//!
//! Every blocking call asks, whether it has to wait or not (CX-03), so a wrong call is found by the first test that
//! reaches it and not by the first contention.
use crate::{
    cx::ThreadCx,
    error::{Error, Result},
    mask, model, percpu, preempt, report, thread,
};
use core::panic::Location;

/// Whether sleeping is allowed: nothing disabled preemption or interrupts, and no section of an RCU reader is open.
#[inline(always)]
pub(crate) fn may_sleep() -> bool {
    // In an interrupt they are masked.
    thread::current().preempt.is_free() && mask::enabled()
}
/// Whether waiting is allowed for what sleeps under `rt` only, and for the heap: a reader may, too.
#[inline(always)]
pub(crate) fn may_block() -> bool {
    thread::current().preempt.own() == 0 && mask::enabled()
}

/// Reports a blocking call that is made where sleeping is forbidden. Where it is not, this is a preemption point of the model
/// `voluntary` (PM-03).
#[inline(always)]
#[track_caller]
pub(crate) fn might_sleep(_: &ThreadCx) {
    if !may_sleep() || thread::current().state.get() != 0 {
        violation(Location::caller());
    } else if model::current().preempts_in_might_sleep() {
        preempt::give_way_if_due();
    }
}

/// Reports a place at which the caller gives way if it has to, where that is forbidden. The caller may have announced a wait.
#[inline(always)]
#[track_caller]
pub(crate) fn might_switch() {
    if !may_sleep() {
        violation(Location::caller());
    }
}

/// Reports the use of what sleeps under `rt` and spins elsewhere, where `rt` would not allow it: so a mistake is found under
/// every model (LM-02). The caller may have announced a wait: it is kept.
#[inline(always)]
#[track_caller]
pub(crate) fn might_wait() {
    if !may_wait() {
        wait_violation(Location::caller());
    }
}

/// Whether nothing but sections of spinlocks and local locks, and what ordinary handlers are run in, has disabled preemption and
/// interrupts.
#[inline(always)]
fn may_wait() -> bool {
    if model::current().rt() { may_block() } else { may_spin() }
}
fn may_spin() -> bool {
    let me = thread::current();
    if hw::cpu::in_interrupt() {
        return percpu::this().ordinary.may_spin();
    }
    me.spins.explain(me.preempt.count(), mask::enabled())
}

#[cold]
#[inline(never)]
fn wait_violation(site: &'static Location<'static>) {
    let me = thread::current();
    if report::once_a_second(site) {
        report::warn!(
            "invalid wait context at {}: in_hardirq {}, irqs_disabled {}, preempt count {:#x}, thread {}, preemption disabled at {}",
            report::Site(Some(site)),
            u8::from(hw::cpu::in_interrupt()),
            u8::from(!mask::enabled()),
            me.preempt.count().0,
            me.name(),
            report::Site(me.preempt.site())
        );
    }
}

/// As [`might_sleep`], for calls that are refused where sleeping is forbidden.
///
/// # Errors
/// [`Error::WrongContext`], with a warning.
#[track_caller]
pub(crate) fn must_sleep(cx: &ThreadCx) -> Result<()> {
    might_sleep(cx);
    if may_sleep() { Ok(()) } else { Err(Error::WrongContext) }
}

#[cold]
#[inline(never)]
fn violation(site: &'static Location<'static>) {
    let me = thread::current();
    if !report::once_a_second(site) {
        return;
    }
    let (count, readers) = (me.preempt.count(), me.preempt.readers());
    if readers != 0 && may_block() {
        report::warn!(
            "voluntary context switch in an RCU reader section, depth {}, at {} by {}",
            readers,
            report::Site(Some(site)),
            me.name()
        );
        return;
    }
    if may_sleep() {
        report::warn!(
            "blocking operation when state is not Running ({:?}), called at {} by {}",
            me.state(),
            report::Site(Some(site)),
            me.name()
        );
        return;
    }
    report::warn!(
        "sleeping function called from invalid context at {}: in_atomic {}, irqs_disabled {}, preempt count {:#x}, \
         rcu depth {}, thread {}, preemption disabled at {}",
        report::Site(Some(site)),
        u8::from(count.in_atomic()),
        u8::from(!mask::enabled()),
        count.0,
        readers,
        me.name(),
        report::Site(me.preempt.site())
    );
}

/// For tests of the detectors: what the types forbid.
pub mod hook {
    use crate::cx::ThreadCx;
    /// Runs `f` with a thread's token wherever this is called, so that a blocking call can be made in a wrong context.
    ///
    /// # Safety
    /// Sound, but defeats the tokens; the run-time checks are all that is left. For tests.
    pub unsafe fn with_forged_token<R>(f: impl FnOnce(&mut ThreadCx) -> R) -> R {
        // SAFETY: the caller wants exactly this.
        f(&mut unsafe { ThreadCx::new() })
    }
    /// Leaves the running thread in the interruptible state, as a wait that forgot to schedule would.
    ///
    /// # Safety
    /// Sound; the next blocking call reports it and the next preemption forgets it. For tests.
    pub unsafe fn set_state_interruptible() {
        crate::sched::set_state(crate::thread::State::Interruptible);
    }
    /// Gives the CPU away in the state that the thread has announced, as a wait does.
    pub fn schedule(cx: &mut ThreadCx) {
        let _ = cx;
        crate::sched::block();
    }
    /// Wakes a thread as an event does that it waits for. False if it neither waits nor has announced that.
    pub fn wake(id: crate::thread::ThreadId) -> bool {
        crate::thread::table::find(id).is_some_and(crate::sched::wake)
    }
}
