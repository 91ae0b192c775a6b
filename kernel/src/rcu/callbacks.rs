//! What runs after a grace period, and in which thread? (RC-06, RC-12)
//!
//! Whoever retires something leaves a *head* in the queue of its CPU, from any context, without allocating. The queue is first in,
//! first out; each head says which grace period it needs, and later ones never need an earlier one. The CPU's thread, `rcuc/N`,
//! takes what is due, one at a time and preemptible in between. If the CPU's callbacks are offloaded the thread is `rcuop/N`, which
//! may run anywhere. What is only freed is freed by the thread as it is; a [`Call`] runs with bottom halves disabled, as it would
//! in a soft interrupt.
use super::{options, reader, state};
use crate::{
    bh,
    cx::{BhCx, Context, ThreadCx},
    error::Result,
    irq_flags::Off,
    percpu,
    preempt::{self, Balance},
    report,
    sync::{WaitQueue, raw::RawSpinLock, wait::Limits},
    thread::{self, Builder, Kind, ThreadId},
};
use alloc::{boxed::Box, format};
use core::{cell::Cell, ptr::NonNull};
use hw::atomic::{AtomicU32, Ordering::Relaxed};
use logic::{cpus::CpuSet, rcu::Needed};

/// What reports call whatever a head's function does.
const CALLBACK: &str = "RCU callback";

/// The part of whatever is retired that stands in a queue.
pub(crate) struct Head {
    next: Cell<Option<NonNull<Head>>>,
    needed: Cell<Needed>,
    /// What is to be done with it: called once, with the head, by a thread.
    run: unsafe fn(NonNull<Head>, &mut ThreadCx),
    /// It is no callback, but stands behind some.
    marks: bool,
}
impl Head {
    /// # Safety
    /// `run` may be called once with this head after each [`enqueue`], in any thread.
    pub(crate) const unsafe fn new(run: unsafe fn(NonNull<Head>, &mut ThreadCx)) -> Self {
        Self { next: Cell::new(None), needed: Cell::new(Needed::from_raw(0)), run, marks: false }
    }
    /// As [`new`](Self::new), for one that does not count.
    ///
    /// # Safety
    /// As [`new`](Self::new).
    pub(super) const unsafe fn mark(run: unsafe fn(NonNull<Head>, &mut ThreadCx)) -> Self {
        // SAFETY: the caller's promise.
        Self { marks: true, ..unsafe { Self::new(run) } }
    }
}

/// A CPU's heads, in the order in which they came.
pub(super) struct Queue {
    first: Option<NonNull<Head>>,
    last: Option<NonNull<Head>>,
    /// One was taken and may not be done yet.
    running: bool,
    /// That one is a callback.
    counts: bool,
    queued: u64,
    invoked: u64,
}
// SAFETY: a head belongs to whoever has it, and is made for any thread.
unsafe impl Send for Queue {}

/// How many heads a CPU has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Queued on it since boot.
    pub queued: u64,
    /// Those of them that have run, wherever.
    pub invoked: u64,
}

/// A CPU's part.
pub(crate) struct CpuCallbacks {
    queue: RawSpinLock<Queue>,
    gate: WaitQueue,
    /// The thread that serves it.
    thread: AtomicU32,
}
impl CpuCallbacks {
    pub(super) const fn new() -> Self {
        let queue = Queue { first: None, last: None, running: false, counts: false, queued: 0, invoked: 0 };
        Self { queue: RawSpinLock::new(queue), gate: WaitQueue::named("rcu_callbacks"), thread: AtomicU32::new(0) }
    }
    /// Runs `f` with the queue.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut Queue) -> R) -> R {
        let off = Off::new();
        let result = f(&mut self.queue.lock_in(off.cx()));
        off.leave();
        result
    }
    /// How many it has had.
    pub(super) fn counts(&self) -> Counts {
        self.with(|queue| Counts { queued: queue.queued, invoked: queue.invoked })
    }
    /// The thread that runs them.
    pub(super) fn thread(&self) -> ThreadId {
        ThreadId(self.thread.load(Relaxed))
    }
    /// The thread looks whether something is due.
    pub(super) fn wake(&self) {
        let off = Off::new();
        let _ = self.gate.wake_one(off.cx());
        off.leave();
    }
}

impl Queue {
    fn push(&mut self, head: NonNull<Head>, needed: Needed) {
        // SAFETY: the head is the caller's, and from now on the queue's.
        let new = unsafe { head.as_ref() };
        new.next.set(None);
        new.needed.set(needed);
        match self.last.replace(head) {
            // SAFETY: what is in the queue is the queue's.
            Some(last) => unsafe { last.as_ref() }.next.set(Some(head)),
            None => self.first = Some(head),
        }
        self.queued += u64::from(!new.marks);
    }
    /// What the first head needs.
    fn front(&self) -> Option<Needed> {
        // SAFETY: as above.
        self.first.map(|head| unsafe { head.as_ref() }.needed.get())
    }
    fn is_due(&self) -> bool {
        self.front().is_some_and(|needed| needed.is_reached(state::seq()))
    }
    /// Takes the first head if it is due.
    fn take_due(&mut self) -> Option<NonNull<Head>> {
        self.invoked += u64::from(core::mem::take(&mut self.counts));
        self.running = false;
        if !self.is_due() {
            return None;
        }
        let first = self.first?;
        // SAFETY: as above; with that it is the caller's.
        let head = unsafe { first.as_ref() };
        self.first = head.next.take();
        self.counts = !head.marks;
        if self.first.is_none() {
            self.last = None;
        }
        self.running = true;
        Some(first)
    }
    /// Puts a head behind all others that needs no more than the last of them; nothing happens if there is none that has not run.
    pub(super) fn push_behind(&mut self, head: NonNull<Head>) -> bool {
        // SAFETY: as above.
        let needed = match self.last.map(|last| unsafe { last.as_ref() }.needed.get()) {
            Some(needed) => needed,
            None if self.running => Needed::from_raw(state::seq().raw()),
            None => return false,
        };
        self.push(head, needed);
        true
    }
}

/// Leaves a head to be run after a grace period. From any context, but under no run queue's lock.
///
/// # Safety
/// The head is the caller's, and what it is in stays where it is until it was run.
pub(crate) unsafe fn enqueue(head: NonNull<Head>) {
    let off = Off::new();
    let here = &percpu::this().rcu.callbacks;
    // As long as interrupts are off this CPU is a reader: the grace period does not end before the head is in the queue, and
    // whoever ends it finds it there.
    let needed = state::needed();
    here.queue.lock_in(off.cx()).push(head, needed);
    state::request(needed, options::is_hurried(false));
    off.leave();
}

/// Heads that have not run yet, on all CPUs.
pub(super) fn waiting() -> u64 {
    let counts = percpu::online().iter().map(|cpu| percpu::area(cpu).rcu.callbacks.counts());
    counts.map(|counts| counts.queued - counts.invoked).sum()
}

/// A grace period has passed: whose turn is it?
pub(super) fn passed() {
    for cpu in percpu::online().iter() {
        let callbacks = &percpu::area(cpu).rcu.callbacks;
        if callbacks.with(|queue| queue.is_due()) {
            callbacks.wake();
        }
    }
}

/// Starts the threads that run callbacks, one for each CPU that is there.
pub(crate) fn start(cx: &mut ThreadCx) -> Result<()> {
    let offloaded = options::offloaded();
    let absent = offloaded
        .iter()
        .fold(offloaded, |left, cpu| if percpu::online().contains(cpu) { left.without(cpu) } else { left });
    if !absent.is_empty() {
        report::warn!("rcu_nocbs names CPUs that do not run: {}", absent);
    }
    for cpu in percpu::online().iter() {
        let elsewhere = offloaded.contains(cpu);
        let name = format!("{}/{cpu}", if elsewhere { "rcuop" } else { "rcuc" });
        let mut builder = Builder::new(&name).kind(Kind::Service);
        if !elsewhere {
            builder = builder.policy(options::kthread_policy()).affinity(CpuSet::of(cpu));
        }
        let thread = builder.spawn(cx, move |cx| serve(cx, &percpu::area(cpu).rcu.callbacks))?;
        percpu::area(cpu).rcu.callbacks.thread.store(thread.id().0, Relaxed);
    }
    Ok(())
}

fn serve(cx: &mut ThreadCx, callbacks: &'static CpuCallbacks) {
    loop {
        let limits = Limits::none("rcu_callbacks");
        let Ok(head) = callbacks.gate.wait_within(cx, &limits, || callbacks.with(Queue::take_due)) else { continue };
        // SAFETY: the queue has given it away, once.
        checked(|| unsafe { (head.as_ref().run)(head, cx) });
        // However many are due.
        preempt::cond_resched(cx);
    }
}

/// Runs what others have written: what it leaves open is reported, and over.
fn checked<R>(f: impl FnOnce() -> R) -> R {
    let me = thread::current();
    let (balance, depth) = (Balance::begin(me), me.preempt.readers());
    let result = f();
    balance.end(me, CALLBACK);
    reader::end_leaked(me, depth, CALLBACK);
    result
}

/// Whether the running thread is one that runs callbacks.
pub(super) fn is_in_callback() -> bool {
    let me = thread::current_id();
    percpu::online().iter().any(|cpu| percpu::area(cpu).rcu.callbacks.thread() == me)
}

/// What a callback says when it has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is freed.
    Done,
    /// It runs once more, after another grace period.
    Again,
}

type Function = dyn FnMut(&mut BhCx<'_>) -> Then + Send;

/// A function to be run after a grace period. Made by a thread, because that allocates; [queued](Self::queue) from anywhere.
#[must_use = "it does not run unless it is queued"]
pub struct Call(Box<Node>);
#[repr(C)]
struct Node {
    // First: the head's function finds the rest behind it.
    head: Head,
    function: Box<Function>,
}
// SAFETY: the function is Send, and the head is in no queue.
unsafe impl Send for Call {}

impl Call {
    /// What `f` does, which runs in a thread, with bottom halves disabled, and does not sleep.
    pub fn new(cx: &mut ThreadCx, f: impl FnMut(&mut BhCx<'_>) -> Then + Send + 'static) -> Self {
        let _ = cx;
        // SAFETY: `run` does with the node's head what it is for, and the node is given to the queue as a whole.
        Self(Box::new(Node { head: unsafe { Head::new(run) }, function: Box::new(f) }))
    }
    /// Leaves it to be run once, after every reader has left that is in a section now. Takes a bounded number of steps, and no
    /// memory.
    pub fn queue(self, cx: &impl Context) {
        let _ = cx;
        let node = NonNull::from(Box::leak(self.0));
        // SAFETY: leaked, so it stays where it is, and nobody else has it.
        unsafe { enqueue(node.cast()) };
    }
}

/// # Safety
/// The head of a [`Node`] that was leaked, and is nobody else's.
unsafe fn run(head: NonNull<Head>, _: &mut ThreadCx) {
    // SAFETY: the caller's promise; the head is the first field of a `repr(C)` struct.
    let mut node = unsafe { Box::from_raw(head.cast::<Node>().as_ptr()) };
    let off = bh::Off::new();
    // SAFETY: bottom halves are disabled until `off` is dropped, after the token's last use.
    let then = checked(|| (node.function)(&mut unsafe { BhCx::new() }));
    drop(off);
    if then == Then::Again {
        // SAFETY: leaked again.
        unsafe { enqueue(NonNull::from(Box::leak(node)).cast()) };
    }
}
