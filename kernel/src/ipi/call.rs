//! How does a function run on other CPUs? Each has a queue of requests, which an IPI makes it serve.
//!
//! A request lies on the stack of the thread that asks, which sleeps until the last CPU is done with it. So two CPUs that
//! call each other do not wait for each other: both take their IPIs meanwhile.
use super::{Ipi, send};
use crate::{
    context_check,
    cx::{HardIrqCx, Irq, ThreadCx},
    error::{Error, Result},
    irq_flags,
    percpu::{self, MAX_CPUS, online},
    preempt::Balance,
    report,
    sync::{Completion, raw::RawSpinLock},
    thread,
};
use core::ptr::NonNull;
use hw::atomic::{AtomicU32, Ordering::AcqRel};
use logic::{
    cpus::CpuSet,
    list::{Linked, Links, List},
};

/// Requests served in one interrupt; for more the CPU interrupts itself again.
const FEW: usize = 4;

/// What runs on other CPUs.
type Function<'a> = dyn Fn(&mut HardIrqCx<'_>) + Sync + 'a;

/// One call of a function on several CPUs.
struct Round<'a> {
    f: &'a Function<'a>,
    /// CPUs that are not done with it.
    left: AtomicU32,
    done: Completion,
}

/// A round's place in the queue of one CPU.
struct Request<'a> {
    round: &'a Round<'a>,
    links: Links<Queued>,
}

/// A request in a queue. It stays where it is until its round is over.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Queued(NonNull<Request<'static>>);

// SAFETY: what a request leads to is `Sync` or under the queue's lock.
unsafe impl Send for Queued {}

enum Calls {}
impl Linked<Calls> for Queued {
    fn links(&self) -> &Links<Self> {
        // SAFETY: a request outlives its stay in the queue, see `run_on`.
        unsafe { &self.0.as_ref().links }
    }
}

hw::global! {
    static QUEUES: [RawSpinLock<List<Queued, Calls>, Irq>; MAX_CPUS] =
        [const { RawSpinLock::new(List::new()) }; MAX_CPUS];
}

/// Runs `f` in a hard interrupt on each of these CPUs, the caller's own among them if it is in the set, and returns when
/// all have run it. CPUs that are not online are left out. `f` is short: interrupts are masked.
///
/// # Errors
/// `f` did not run: [`Error::Invalid`]: none of the CPUs is online. [`Error::WrongContext`], with a warning: in an atomic
/// section.
#[track_caller]
pub fn call(cx: &mut ThreadCx, cpus: CpuSet, f: &(dyn Fn(&mut HardIrqCx<'_>) + Sync)) -> Result<()> {
    context_check::must_sleep(cx)?;
    let cpus = cpus.and(online());
    if cpus.is_empty() {
        return Err(Error::Invalid);
    }
    run_on(cx, cpus, f);
    Ok(())
}

/// `cpus` is not empty, and all of them are online.
fn run_on(cx: &mut ThreadCx, cpus: CpuSet, f: &Function<'_>) {
    let round = Round { f, left: AtomicU32::new(cpus.count() as u32), done: Completion::new() };
    let requests: [Request<'_>; MAX_CPUS] = core::array::from_fn(|_| Request { round: &round, links: Links::new() });
    // No preemption in between: who finds a request in the queue relies on its interrupt being sent.
    let off = irq_flags::Off::new();
    let mut idle = CpuSet::EMPTY;
    for cpu in cpus.iter() {
        let queued = Queued(NonNull::from(&requests[cpu]).cast());
        if QUEUES[cpu].lock_in(off.cx()).push_back(queued) {
            idle = idle.with(cpu);
        }
    }
    if !idle.is_empty() && send(idle, Ipi::CallFn).is_err() {
        // A set of online CPUs, all of which were started through this controller.
        report::bug!("CPUs {} cannot be interrupted", idle);
    }
    drop(off);
    // Each CPU leaves its request and the round alone once it has counted itself out, the last one when the completion has
    // let this thread go: what is on this stack is nobody else's then.
    round.done.wait(cx);
}

/// The IPI: serves a few requests. Out of line: the way to a rescheduling is next to it.
#[inline(never)]
pub(super) fn serve(cx: &mut HardIrqCx<'_>) {
    let queue = &QUEUES[percpu::this().id.get()];
    for _ in 0..FEW {
        let Some((Queued(request), last)) = queue.with(cx, |queue, _| queue.pop_front_telling()) else { return };
        // SAFETY: its round is not over, so the thread that asked sleeps and the request is where it was.
        let round: &Round<'_> = unsafe { request.as_ref() }.round;
        let me = thread::current();
        let balance = Balance::begin(me);
        (round.f)(cx);
        balance.end(me, "a function called by IPI");
        if round.left.fetch_sub(1, AcqRel) == 1 {
            round.done.complete(cx);
        }
        if last {
            // Whoever comes now finds the queue empty and interrupts this CPU again.
            return;
        }
    }
    // This CPU is online and has just been reached.
    let _ = send(CpuSet::of(percpu::this().id.get()), Ipi::CallFn);
}
