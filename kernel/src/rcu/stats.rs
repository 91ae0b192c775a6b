//! How often did what happen? What `rcu` in the shell shows.
use super::state;
use crate::percpu;

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
    let (mut queued, mut invoked) = (0, 0);
    for cpu in percpu::online().iter() {
        let counts = percpu::area(cpu).rcu.callbacks.with(|queue| (queue.queued, queue.invoked));
        queued += counts.0;
        invoked += counts.1;
    }
    state::with(|state| Stats {
        grace_periods: state.grace.seq().ended(),
        in_progress: state.grace.seq().is_in_progress(),
        blocked_readers: state.grace.blocked(),
        boosted: state.boost.count,
        callbacks_queued: queued,
        callbacks_invoked: invoked,
    })
}
