//! What do several tests need? Lines, counters, moments; nothing that hides what a test does.
pub use crate::board::spare;
use alloc::sync::Arc;
use core::{
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    time::Duration,
};
use kernel::{
    Context, CpuSet, HardIrqCx, Policy, ThreadCx,
    irq::{self, Flags, Irq, Line, Primary, Request, Trigger, inject},
    preempt,
    thread::{self, Builder, JoinHandle},
};

/// FIFO at this priority.
pub fn fifo(priority: i32) -> Policy {
    Policy::fifo(priority).expect("1 to 99")
}

/// Fair, and neither nice nor the opposite.
pub fn fair() -> Policy {
    Policy::other(0).expect("0 is a nice value")
}

pub const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}
pub const fn us(n: u64) -> Duration {
    Duration::from_micros(n)
}

/// Sleeps, which nobody interrupts.
pub fn sleep(cx: &mut ThreadCx, d: Duration) {
    kernel::time::sleep(cx, d).expect("nobody interrupts a test");
}

/// Policy of the running thread from here on.
pub fn become_policy(cx: &mut ThreadCx, policy: Policy) {
    kernel::sched::set(cx, thread::current_id(), policy).expect("the thread lives");
}

/// Starts a thread that is bound to a CPU.
pub fn start_on<T: Send + 'static>(
    cx: &mut ThreadCx,
    cpu: usize,
    policy: Policy,
    body: impl FnOnce(&mut ThreadCx) -> T + Send + 'static,
) -> JoinHandle<T> {
    Builder::new("on").policy(policy).affinity(CpuSet::of(cpu)).spawn(cx, body).expect("the CPU is online")
}

/// What a thread returns.
pub fn join<T: Send + 'static>(cx: &mut ThreadCx, mut thread: JoinHandle<T>) -> T {
    thread.join(cx).expect("it ends by itself")
}

/// Binds the running thread to a CPU.
pub fn stay_on(cx: &mut ThreadCx, cpu: usize) {
    kernel::sched::set_affinity(cx, thread::current_id(), CpuSet::of(cpu)).expect("the CPU is online");
}

/// Something that happened so many times, counted by handlers and read by the test.
#[derive(Clone, Default)]
pub struct Count(Arc<AtomicU32>);

impl Count {
    pub fn new() -> Self {
        Self::default()
    }
    /// Counts once more; the number before.
    pub fn up(&self) -> u32 {
        self.0.fetch_add(1, SeqCst)
    }
    /// Counts once less.
    pub fn down(&self) {
        self.0.fetch_sub(1, SeqCst);
    }
    pub fn set(&self, n: u32) {
        self.0.store(n, SeqCst);
    }
    pub fn get(&self) -> u32 {
        self.0.load(SeqCst)
    }
    /// Whether nobody else can count any more.
    pub fn is_last(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// An edge line with a hard handler and nothing else.
pub fn hard_line(
    cx: &mut ThreadCx,
    irq: Irq,
    name: &str,
    handler: impl FnMut(&mut HardIrqCx<'_>) -> Primary + Send + 'static,
) -> Line {
    let request = Request::new(irq, name).flags(Flags::NO_THREAD).trigger(Trigger::EdgeRising);
    request.hard(handler).submit(cx).expect("a spare line")
}

/// An edge line with a counting hard handler.
pub fn counted_line(cx: &mut ThreadCx, irq: Irq, name: &str) -> (Line, Count) {
    let count = Count::new();
    let counted = count.clone();
    let line = hard_line(cx, irq, name, move |_| {
        counted.up();
        Primary::Handled
    });
    (line, count)
}

/// Whoever is more urgent and ready runs first: asked for where the model preempts nobody; elsewhere it has run already.
pub fn give_way(cx: &mut ThreadCx) {
    preempt::cond_resched(cx);
}

/// Makes a line pending.
pub fn pend(cx: &impl Context, irq: Irq) {
    inject::pend(cx, irq).expect("the controller has the line");
}

/// Interrupts of a line so far.
pub fn interrupts(cx: &mut ThreadCx, irq: Irq) -> u64 {
    irq::info(cx, irq).expect("the line was requested").total()
}

/// Takes a handler out.
pub fn free(cx: &mut ThreadCx, line: Line) {
    line.free(cx).expect("not called by its own thread");
}
