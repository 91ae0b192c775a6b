//! Is every thread where the scheduler says it is, and do the threads run that should (HC-06, SC-11)?
use super::{CpuQueue, Inner, smp};
use crate::{
    model,
    percpu::{self, PerCpu},
    thread::{self, Name, Ref, State},
};
use core::fmt;

/// A rule that does not hold, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What should hold.
    pub rule: &'static str,
    /// The CPU whose run queue it is about.
    pub cpu: usize,
    /// The thread, if it is about one.
    pub thread: Name,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CPU {}: {} {}", self.cpu, self.rule, self.thread)
    }
}

fn broken(rule: &'static str, cpu: &PerCpu, thread: Option<Ref>) -> Result<(), Violation> {
    let thread = thread.map_or(Name::new(), |t| t.identity().name.clone());
    Err(Violation { rule, cpu: cpu.id.get(), thread })
}

/// Looks at every run queue and every thread, one lock at a time: for moments at which nothing changes, no CPU being on its
/// way into or out of a section. O(threads).
///
/// # Errors
/// The first rule that does not hold.
pub fn verify() -> Result<(), Violation> {
    let online = percpu::online();
    for cpu in online.iter().map(percpu::area) {
        cpu.runqueue.with(|q| queue(cpu, q))?;
    }
    for n in 0..thread::table::slots() {
        let Some(t) = thread::table::at(n) else { continue };
        if t.state() != State::Running {
            continue;
        }
        let home = t.home();
        let found = home.runqueue.with(|q| q.running == Some(t) || q.ready.iter().any(|(queued, _)| queued == t));
        if !found {
            return broken("ready, but neither running nor queued at its home:", home, Some(t));
        }
    }
    Ok(())
}

fn queue(cpu: &'static PerCpu, q: &Inner) -> Result<(), Violation> {
    if q.ready.verify().is_err() {
        return broken("the run queue does not agree with itself", cpu, None);
    }
    let Some(running) = q.running else { return broken("nobody runs", cpu, None) };
    if !running.is_at(cpu) || !running.may_run_on(cpu) && q.idle != Some(running) {
        return broken("runs where it is not at home or may not run:", cpu, Some(running));
    }
    let next = smp::next_here(q);
    if (q.idle == Some(running) || CpuQueue::preemptible(running)) && next.is_some() {
        return broken("runs although somebody more urgent is ready:", cpu, Some(running));
    }
    for (t, level) in q.ready.iter() {
        if !t.is_at(cpu) || !t.may_run_on(cpu) {
            return broken("queued where it is not at home or may not run:", cpu, Some(t));
        }
        if t.state() != State::Running || t == running {
            return broken("queued, but not ready:", cpu, Some(t));
        }
        if level != t.level.get() {
            return broken("queued at another level than its own:", cpu, Some(t));
        }
        let urgency = smp::of_level(level);
        // Whoever comes next here waits for the running thread to give way, where the model does not preempt it.
        if Some(t) == next && !model::current().is_preemptible() {
            continue;
        }
        let better = |other: &'static PerCpu| t.may_run_on(other) && other.runqueue.actual() < urgency;
        if percpu::online().without(cpu.id.get()).iter().map(percpu::area).any(better) {
            return broken("ready, while a CPU that it may use runs something less urgent:", cpu, Some(t));
        }
    }
    Ok(())
}

impl CpuQueue {
    fn preemptible(running: Ref) -> bool {
        running.preempt.own() == 0 && model::current().is_preemptible()
    }
    /// How urgent what runs here is, whatever was published.
    fn actual(&self) -> logic::balance::Urgency {
        // SAFETY: the verifier's moment: nobody changes anything.
        let q = unsafe { &*self.inner.get() };
        smp::running_urgency(q)
    }
}
