//! How does a thread wait for a grace period, or ask whether one has passed? (RC-05, RC-08, RC-15)
use super::{
    options, stall,
    state::{self, Begun},
    thread as gp,
};
use crate::{
    context_check,
    cx::{Context, ThreadCx},
    error::{Error, Result},
    report,
    sync::WaitQueue,
    thread,
};
use logic::rcu::Needed;

hw::global! {
    /// Threads that wait for a grace period.
    static WAITING: WaitQueue = WaitQueue::named("rcu_sync");
}

/// Grace periods may have passed: whoever waited for one of them goes on.
pub(super) fn passed(cx: &mut ThreadCx) {
    // Under its lock, without asking before whether anybody waits: the number is no SeqCst, as that would need.
    WAITING.wake_all(cx);
}

/// Waits until every reader has left that was in a section when this was called.
///
/// At once if no other CPU runs anything and no reader has lost its CPU; before the threads run, always.
///
/// # Errors
/// [`Error::Deadlock`], with a warning: the caller is a reader. [`Error::WrongContext`], with a warning: in an atomic section.
/// Nothing was waited for.
#[track_caller]
pub fn synchronize(cx: &mut ThreadCx) -> Result<()> {
    wait(cx, false)
}

/// As [`synchronize`], in a hurry: CPUs that run are interrupted at once, and readers that lost theirs are lent priority at once. It
/// disturbs every CPU that is busy. With boot argument `rcu_normal` it is [`synchronize`].
///
/// # Errors
/// As [`synchronize`].
#[track_caller]
pub fn synchronize_expedited(cx: &mut ThreadCx) -> Result<()> {
    wait(cx, true)
}

#[track_caller]
fn wait(cx: &mut ThreadCx, hurry: bool) -> Result<()> {
    allowed(cx)?;
    if !gp::is_started() {
        return Ok(());
    }
    let needed = state::needed();
    let (begun, others_wait) = state::with(|state| {
        let wanted = state.is_wanted();
        (state.begin(), wanted)
    });
    match begun {
        Begun::Ended => {
            // `rcu_gp` may have looked for them just before, and would find that nobody wants anything now.
            if others_wait {
                gp::tell();
            }
            return Ok(());
        }
        Begun::GoesOn(began) => stall::watch(began),
        Begun::No => {}
    }
    state::request(needed, options::is_hurried(hurry));
    until(cx, needed);
    Ok(())
}

/// Whether the caller may wait for a grace period. Before the threads run there is nobody to wait for.
#[track_caller]
pub(super) fn allowed(cx: &mut ThreadCx) -> Result<()> {
    let me = thread::current();
    if me.preempt.readers() != 0 {
        report::warn!("{} waits for a grace period in an RCU reader section, which it would wait for", me.name());
        return Err(Error::Deadlock);
    }
    if gp::is_started() { context_check::must_sleep(cx) } else { Ok(()) }
}

fn until(cx: &mut ThreadCx, needed: Needed) {
    let waiting: &WaitQueue = &WAITING;
    waiting.wait_event(cx, || needed.is_reached(state::seq()));
}

/// Names a grace period that somebody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie(Needed);

/// Asks for a grace period and does not wait. From any context.
pub fn start_poll(cx: &impl Context) -> Cookie {
    let _ = cx;
    let needed = state::needed();
    state::request(needed, options::is_hurried(false));
    Cookie(needed)
}
/// Whether that grace period has passed. However old the cookie is.
pub fn poll(cookie: Cookie) -> bool {
    cookie.0.is_reached(state::seq())
}
/// Waits until that grace period has passed; not at all if it has.
///
/// # Errors
/// As [`synchronize`].
#[track_caller]
pub fn cond_sync(cx: &mut ThreadCx, cookie: Cookie) -> Result<()> {
    allowed(cx)?;
    if gp::is_started() && !poll(cookie) {
        until(cx, cookie.0);
    }
    Ok(())
}
