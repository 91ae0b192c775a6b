//! How long has a thread run, how long was a CPU idle?
use super::Inner;
use crate::{
    percpu,
    thread::Ref,
    time::{ticks_to_ns, ticks_unordered},
};

/// Counter ticks, those since the last switch included if the thread runs now.
fn ticks(q: &Inner, thread: Ref) -> u64 {
    let now = if q.running == Some(thread) { ticks_unordered().saturating_sub(q.since) } else { 0 };
    thread.runtime.get() + now
}

/// Nanoseconds that a thread has run.
pub(crate) fn runtime_ns(thread: Ref) -> u64 {
    ticks_to_ns(super::smp::with_home(thread, |q| ticks(q, thread)))
}

/// Nanoseconds that a CPU had no thread to run, 0 for a CPU that is not online.
pub fn idle_ns(cpu: usize) -> u64 {
    ticks_to_ns(percpu::area(cpu).runqueue.with(|q| q.idle.map_or(0, |idle| ticks(q, idle))))
}
