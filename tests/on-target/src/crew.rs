//! How does a test put threads on CPUs, and how does it see where they run?
//!
//! QEMU counts instructions on one clock and runs the CPUs in turns. A turn ends when its CPU waits for an interrupt or
//! spins in `hw::cpu::relax`, and with a share of the time to the next timer, which may be long: so whoever runs for long
//! relaxes now and then, or is [`pace`]d by timers.
use crate::{
    bound,
    support::{Count, fifo, give_way, sleep, us},
};
use alloc::{format, sync::Arc};
use core::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    time::Duration,
};
use kernel::{
    CpuSet, Policy, ThreadCx, percpu, preempt, rcu, sched,
    thread::{self, Builder, JoinHandle, ThreadId},
    time::{self, HrTimer, Restart},
};

/// CPUs of the machine that `smp(4)` asks for.
pub const CPUS: usize = 4;
/// Longer in virtual time than anything takes that one CPU does for another.
const PATIENCE: Duration = us(500);

/// The CPU that runs the caller, unless it moves.
pub fn here(cx: &mut ThreadCx) -> usize {
    percpu::id(preempt::disable(cx).cx())
}

pub const fn only(cpu: usize) -> CpuSet {
    CpuSet::of(cpu)
}

/// The calling thread goes on on this CPU, with this priority.
pub fn settle(cx: &mut ThreadCx, cpu: usize, priority: i32) {
    crate::support::become_policy(cx, fifo(priority));
    bind(cx, thread::current_id(), only(cpu));
    assert_eq!(here(cx), cpu);
}

pub fn bind(cx: &mut ThreadCx, id: ThreadId, cpus: CpuSet) {
    sched::set_affinity(cx, id, cpus).expect("a live thread and a CPU that runs");
}

/// Starts a thread on some CPUs.
pub fn start<T: Send + 'static>(
    cx: &mut ThreadCx,
    cpus: CpuSet,
    policy: Policy,
    body: impl FnOnce(&mut ThreadCx) -> T + Send + 'static,
) -> JoinHandle<T> {
    Builder::new("crew").policy(policy).affinity(cpus).spawn(cx, body).expect("a slot and memory")
}

/// Runs `body` on each CPU at once; what each returned.
pub fn on_each_cpu<T: Send + 'static>(
    cx: &mut ThreadCx,
    policy: Policy,
    body: impl Fn(&mut ThreadCx, usize) -> T + Send + Sync + Clone + 'static,
) -> [T; CPUS] {
    let threads: [_; CPUS] = core::array::from_fn(|cpu| {
        let body = body.clone();
        start(cx, only(cpu), policy, move |cx| body(cx, cpu))
    });
    threads.map(|mut thread| thread.join(cx).expect("it ends by itself"))
}

/// Spins until it is so, which is soon.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let patience = bound::given().unwrap_or(PATIENCE);
    let limit = time::now().saturating_add(patience);
    while !so() {
        assert!(time::now() < limit, "{what}: not within {patience:?}");
        hw::cpu::relax();
    }
}

/// Spins for a while without giving the CPU away.
pub fn spin(d: Duration) {
    let end = time::now().saturating_add(d);
    while time::now() < end {
        hw::cpu::relax();
    }
}

/// Everybody has gone to sleep but the caller: the scheduler's rules hold.
///
/// Threads that have ended leave something to RCU, whose threads are through with it first. On the host's clock a CPU may be long in
/// taking an interrupt that was sent to it: what is out of order stays so, and is looked at again.
pub fn assert_in_order(cx: &mut ThreadCx) {
    rcu::synchronize(cx).expect("a thread");
    rcu::barrier(cx).expect("a thread");
    sleep(cx, us(200));
    for _ in 0..if bound::given().is_some() { 50 } else { 0 } {
        if sched::verify().is_ok() {
            break;
        }
        sleep(cx, us(10_000));
    }
    assert_eq!(sched::verify(), Ok(()));
}

/// A timer on each CPU that ends its turn again and again, until it is dropped; none where there are no turns.
pub fn pace(cx: &mut ThreadCx, every: Duration) -> Option<[HrTimer; CPUS]> {
    let timers = |cx: &mut ThreadCx| {
        on_each_cpu(cx, fifo(99), move |cx, _| {
            let timer = HrTimer::new(cx, move |_, expiry| {
                expiry.forward(time::now(), every);
                Restart::Yes
            });
            timer.start_after(cx, every).expect("a place in the timer queue");
            timer
        })
    };
    bound::given().is_none().then(|| timers(cx))
}

#[derive(Default)]
struct Seen {
    turns: Count,
    cpu: AtomicU32,
    places: AtomicU32,
    stop: AtomicBool,
}

/// A thread that runs until it is stopped, and tells where.
pub struct Hog {
    thread: JoinHandle<()>,
    seen: Arc<Seen>,
}

impl Hog {
    pub fn start(cx: &mut ThreadCx, cpus: CpuSet, policy: Policy) -> Self {
        Self::start_after(cx, cpus, policy, |_| {})
    }
    /// It does something else first, and keeps what that gives until it is stopped.
    pub fn start_after<K>(
        cx: &mut ThreadCx,
        cpus: CpuSet,
        policy: Policy,
        first: impl FnOnce(&mut ThreadCx) -> K + Send + 'static,
    ) -> Self {
        let seen = Arc::new(Seen::default());
        let shown = seen.clone();
        let thread = start(cx, cpus, policy, move |cx| {
            let kept = first(cx);
            shown.run(cx);
            drop(kept);
        });
        Self { thread, seen }
    }
    pub fn id(&self) -> ThreadId {
        self.thread.id()
    }
    /// How often it looked around so far.
    pub fn turns(&self) -> u32 {
        self.seen.turns.get()
    }
    /// Waits until it looks around once more; where that was.
    pub fn place(&self) -> usize {
        let before = self.turns();
        until("a hog runs", || self.turns() > before + 1);
        self.seen.cpu.load(SeqCst) as usize
    }
    /// Where it has been since this was asked last.
    pub fn places(&self) -> CpuSet {
        CpuSet::from_bits(self.seen.places.swap(0, SeqCst))
    }
    /// Whether it runs now.
    pub fn runs(&self) -> bool {
        let before = self.turns();
        spin(us(50));
        self.turns() != before
    }
    pub fn stop(mut self, cx: &mut ThreadCx) {
        self.tell_to_stop();
        self.thread.join(cx).expect("it ends by itself");
    }
    /// It ends as soon as it runs.
    pub fn tell_to_stop(&self) {
        self.seen.stop.store(true, SeqCst);
    }
}

impl Seen {
    fn run(&self, cx: &mut ThreadCx) {
        while !self.stop.load(SeqCst) {
            let cpu = here(cx);
            self.cpu.store(cpu as u32, SeqCst);
            self.places.fetch_or(CpuSet::of(cpu).bits(), SeqCst);
            self.turns.up();
            hw::cpu::relax();
            give_way(cx);
        }
    }
}

/// A line of text for a failing assertion: who made how many turns.
pub fn turns(hogs: &[Hog]) -> alloc::string::String {
    hogs.iter().map(|hog| format!("{} ", hog.turns())).collect()
}
