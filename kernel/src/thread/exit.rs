//! How does a thread end?
use crate::{
    bh,
    cx::ThreadCx,
    preempt::Balance,
    rcu, sched,
    sync::{robust, rtmutex},
    thread::{self, Ref},
};

/// Ends the running thread; whoever joins it is let go.
///
/// Nothing unwinds: values that live on the thread's stack are not dropped, guards neither. A [`RobustMutex`](crate::sync::RobustMutex) that
/// it holds goes on to whoever is next; another lock that it holds is a BUG for whoever waits for it or comes to (OW-01). To end
/// early and cleanly, return from the thread's body.
pub fn exit(cx: &mut ThreadCx) -> ! {
    let me = thread::current();
    // A section that was leaked (`mem::forget` of a guard) is named here, where it can still be told whose it is.
    Balance::begin_with(logic::preempt::Count(0)).end(me, me.name());
    me.spins.clear();
    bh::check_exit();
    rcu::check_exit(me);
    sched::check_exit();
    robust::leave_to_next();
    rtmutex::check_exit(Ref(me));
    // SAFETY: `joiner` is the thread's own from its start on.
    if let Some(joiner) = unsafe { (*me.joiner.get()).take() } {
        joiner.ended(cx);
    }
    // Giving memory back takes a lock, so this comes last.
    rtmutex::end(Ref(me));
    sched::leave()
}
