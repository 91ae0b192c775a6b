//! How often did what happen? What `rcu` in the shell shows.
use super::{callbacks::Counts, state};
use crate::{percpu, thread::ThreadId};

/// Counts since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Grace periods that have ended.
    pub grace_periods: u64,
    /// Whether one is in progress.
    pub in_progress: bool,
    /// Readers that have lost their CPU in a section which goes on.
    pub blocked_readers: usize,
    /// Readers that were lent priority.
    pub boosted: u64,
    /// Callbacks that were queued, on all CPUs.
    pub callbacks_queued: u64,
    /// Callbacks that have run, on all CPUs.
    pub callbacks_invoked: u64,
}

/// What happened until now.
pub fn stats() -> Stats {
    let all = percpu::online().iter().map(callbacks_of).fold((0, 0), |sum, c| (sum.0 + c.queued, sum.1 + c.invoked));
    state::with(|state| Stats {
        grace_periods: state.grace.seq().ended(),
        in_progress: state.grace.seq().is_in_progress(),
        blocked_readers: state.grace.blocked(),
        boosted: state.boost.count,
        callbacks_queued: all.0,
        callbacks_invoked: all.1,
    })
}

/// The callbacks of a CPU.
pub fn callbacks_of(cpu: usize) -> Counts {
    percpu::area(cpu).rcu.callbacks.counts()
}

/// The thread that runs them: its number.
pub fn callback_thread(cpu: usize) -> ThreadId {
    percpu::area(cpu).rcu.callbacks.thread()
}
