//! Does the whole state of the kernel make sense? (HC-06)
//!
//! | part | rules |
//! |---|---|
//! | [`irq::verify`] | disable depth, mask, pending threads of each line |
//! | [`sched::verify`] | run queues, homes, affinities; who should run runs |
//! | `time` | each timer is in the queue of its base, in order, the device armed in time |
//! | `thread::table` | free and listed slots, numbers |
//! | `sync::wait` | each waiter stands where its level says |
//! | `sync::robust` | each thread owns the robust mutexes that it holds |
//! | `sync::rtmutex` | locks, their owners and waiters; each level is what policy and donors make |
//! | `rcu` | readers that lost their CPU stand in a list |
use crate::{
    cx::ThreadCx,
    irq, percpu, rcu, sched, sync,
    thread::{self, Name},
    time,
};
use core::fmt;

/// A rule that does not hold, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// Of an interrupt line.
    Line(irq::Violation),
    /// Of a run queue, or of a thread in it.
    Scheduler(sched::Violation),
    /// Of the timers of a CPU.
    Timers {
        /// The CPU.
        cpu: usize,
        /// What does not hold.
        rule: &'static str,
    },
    /// Of the table of threads.
    Threads(&'static str),
    /// Of a thread that waits by priority.
    Waiter {
        /// Its name.
        thread: Name,
        /// What does not hold.
        rule: &'static str,
    },
    /// Of a thread that is or was an RCU reader.
    Reader {
        /// Its name.
        thread: Name,
        /// What does not hold.
        broken: rcu::Broken,
    },
    /// Of a thread that waits for a lock with inheritance, or owns one.
    Inheritance {
        /// Its name.
        thread: Name,
        /// What does not hold.
        broken: sync::InheritanceBroken,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Line(line) => write!(f, "irq {}: {:?}", line.irq.number(), line.rule),
            Violation::Scheduler(violation) => violation.fmt(f),
            Violation::Timers { cpu, rule } => write!(f, "CPU {cpu}: {rule}"),
            Violation::Threads(rule) => f.write_str(rule),
            Violation::Waiter { thread, rule } => write!(f, "{thread}: {rule}"),
            Violation::Reader { thread, broken } => write!(f, "{thread}: {broken}"),
            Violation::Inheritance { thread, broken } => write!(f, "{thread}: {broken}"),
        }
    }
}

/// Checks everything. For moments at which nothing changes: no other CPU is on its way into or out of a section. Waits
/// while a line is being requested or freed. O(threads + lines + timers).
///
/// # Errors
/// The first rule that does not hold.
pub fn all(cx: &mut ThreadCx) -> Result<(), Violation> {
    irq::verify(cx).map_err(Violation::Line)?;
    sched::verify().map_err(Violation::Scheduler)?;
    for cpu in percpu::online().iter() {
        if let Some(rule) = time::verify(percpu::area(cpu)) {
            return Err(Violation::Timers { cpu, rule });
        }
    }
    thread::table::verify().map_or(Ok(()), |rule| Err(Violation::Threads(rule)))?;
    for t in (0..thread::table::slots()).filter_map(thread::table::at) {
        if let Some(rule) = t.waiting.verify(t) {
            return Err(Violation::Waiter { thread: t.identity().name.clone(), rule });
        }
        if let Err(broken) = rcu::verify(t) {
            return Err(Violation::Reader { thread: t.identity().name.clone(), broken });
        }
        if let Err(broken) = sync::rtmutex::verify(t).and_then(|()| sync::robust::verify(t)) {
            return Err(Violation::Inheritance { thread: t.identity().name.clone(), broken });
        }
    }
    Ok(())
}

/// For tests of the rules: breaks them on purpose.
#[cfg(not(target_os = "none"))]
pub mod hook {
    use crate::{
        Policy, rcu,
        thread::{State, ThreadId, table},
        time,
    };

    /// Gives a live thread a level and leaves it where it stands.
    ///
    /// # Safety
    /// Nothing runs afterwards but the verifier.
    pub unsafe fn set_level(id: ThreadId, policy: Policy) {
        if let Some(t) = table::find(id) {
            t.level.set(policy.level());
        }
    }
    /// Makes a live thread look ready, wherever it is.
    ///
    /// # Safety
    /// As [`set_level`].
    pub unsafe fn set_ready(id: ThreadId) {
        if let Some(t) = table::find(id) {
            t.state.set(State::Running as u32);
        }
    }
    /// Puts the first timer of this CPU off without telling its queue.
    ///
    /// # Safety
    /// As [`set_level`].
    pub unsafe fn delay_first_timer() {
        time::delay_first_timer();
    }
    /// Makes a live thread look as if it were this deep in sections of a reader.
    ///
    /// # Safety
    /// As [`set_level`].
    pub unsafe fn set_readers(id: ThreadId, depth: u32) {
        if let Some(t) = table::find(id) {
            t.preempt.set_readers(depth);
        }
    }
    /// Puts a live thread among the readers that lost their CPU, and does not tell it.
    ///
    /// # Safety
    /// As [`set_level`].
    pub unsafe fn list_reader(id: ThreadId) {
        if let Some(t) = table::find(id) {
            rcu::list(t);
        }
    }
    /// Puts the slot of a live thread among the free ones.
    ///
    /// # Safety
    /// As [`set_level`].
    pub unsafe fn free_slot(id: ThreadId) {
        table::free_slot(id);
    }
}
