//! Does what RCU knows of readers agree with them?
use super::{reader::special, state};
use crate::{
    sched,
    thread::{Ref, State},
};
use core::fmt;

/// What does not hold of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It is in a section, does not run, and stands in no list.
    Unlisted,
    /// It stands in a list and is in no section.
    Stale,
    /// It stands in a list and does not know, or the other way round.
    Unmarked,
    /// It is lent priority and stands in no list.
    Lent,
}
impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unlisted => "in an RCU section without its CPU, and in no list of readers",
            Self::Stale => "among RCU readers that lost their CPU, but in no section",
            Self::Lent => "lent priority as an RCU reader that lost its CPU, but in no list of them",
            Self::Unmarked => "its mark does not say whether it is among RCU readers that lost their CPU",
        })
    }
}

/// For tests of the rules: puts a thread into the list as if it had lost its CPU in a section.
#[cfg(not(target_os = "none"))]
pub(crate) fn list(thread: Ref) {
    state::with(|state| state.grace.block(thread, crate::percpu::this().id.get()));
}

/// For moments at which nothing changes.
pub(crate) fn verify(thread: Ref) -> Result<(), Broken> {
    let (listed, lent) = state::with(|state| (state.grace.lists(thread), state.boost.has(thread)));
    let reads = thread.preempt.readers() != 0;
    let marked = thread.preempt.special() & special::BLOCKED != 0;
    // Its section may be over, and it lost its CPU again before it left the list.
    let preempted = thread.state.get() == State::Running as u32 && !sched::is_running(thread);
    match (listed, reads) {
        (true, false) if !preempted => Err(Broken::Stale),
        (false, true) if !sched::is_running(thread) => Err(Broken::Unlisted),
        _ if marked != listed => Err(Broken::Unmarked),
        (false, _) if lent => Err(Broken::Lent),
        _ => Ok(()),
    }
}
