//! Does the kernel keep its rules whatever threads, priorities, affinities and interrupts on four CPUs do to each other?
//!
//! With QEMU's clock the CPUs take turns and every run is the same; `tests/image.rs` boots this without, on CPUs that run
//! at once. It ends by its own counting.
use crate::{
    crew::{CPUS, assert_in_order},
    rng::Rng,
    support::{become_policy, fifo, spare},
    table::test,
};
use alloc::{sync::Arc, vec::Vec};
use core::{
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    time::Duration,
};
use kernel::{
    Policy, ThreadCx,
    irq::{self, Flags, Handled, Line, Primary, Request, Trigger, inject},
    sched,
    sync::{Completion, Semaphore},
    thread::{self, Builder, ThreadId},
    time::{self, Instant},
};

const THREADS: usize = 12;
const STEPS: u32 = 2000;
const LINES: u32 = 3;
const SEED: u64 = 1;
/// Longest sleep, wait or run of a step, in nanoseconds.
const STEP_NS: u64 = 30_000;

fn policy(rng: &mut Rng) -> Policy {
    let priority = 1 + rng.below(4) as i32;
    match rng.below(6) {
        0 => Policy::other(0),
        1 => Policy::rr(priority),
        _ => Policy::fifo(priority),
    }
    .expect("valid numbers")
}
fn soon(rng: &mut Rng) -> Instant {
    time::now().saturating_add(Duration::from_nanos(rng.below(STEP_NS)))
}

/// What the threads share.
struct Shared {
    semaphore: Semaphore,
    completion: Completion,
    /// Units that went in and out of the semaphore.
    ups: AtomicU32,
    downs: AtomicU32,
    ids: [AtomicU32; THREADS],
    steps: AtomicU32,
}

impl Shared {
    fn up(&self, cx: &mut ThreadCx) {
        self.ups.fetch_add(1, SeqCst);
        self.semaphore.up(cx).expect("far below the maximum");
    }
    fn someone(&self, rng: &mut Rng) -> ThreadId {
        ThreadId(self.ids[rng.below(THREADS as u64) as usize].load(SeqCst))
    }
}

/// One step of a thread's script. Waits have deadlines: what one waits for may never come.
fn step(cx: &mut ThreadCx, rng: &mut Rng, shared: &Shared) {
    match rng.below(16) {
        0 | 1 => {
            let end = soon(rng);
            while time::now() < end {}
        }
        // Interrupted, perhaps, by step 13.
        2 => _ = time::sleep_until(cx, soon(rng)),
        3 => thread::yield_now(cx),
        // Somebody who has not begun, or has ended, is not found.
        4 => _ = sched::set(cx, shared.someone(rng), policy(rng)),
        5..=7 => _ = sched::set_affinity(cx, shared.someone(rng), rng.some_cpus(CPUS)),
        8 => shared.up(cx),
        9 | 10 => {
            let taken = shared.semaphore.down_until(cx, soon(rng));
            shared.downs.fetch_add(taken.is_ok().into(), SeqCst);
        }
        11 => shared.completion.complete(cx),
        12 => _ = shared.completion.wait_until(cx, soon(rng)),
        13 => _ = thread::interrupt(cx, shared.someone(rng)),
        14 => {
            let pinned = sched::migrate_disable(cx);
            let _ = time::sleep_until(cx, soon(rng));
            drop(pinned);
        }
        _ => {
            let line = spare(rng.below(LINES.into()) as u32);
            if rng.below(3) == 0 {
                irq::set_affinity(cx, line, rng.some_cpus(CPUS)).unwrap();
            }
            inject::pend(cx, line).unwrap();
        }
    }
}

fn line(cx: &mut ThreadCx, n: u32, shared: &Arc<Shared>) -> Line {
    let shared = shared.clone();
    let request = Request::new(spare(n), "stress").flags(Flags::ONESHOT).trigger(Trigger::EdgeRising);
    let threaded = request.hard(|_| Primary::WakeThread).threaded(move |cx| {
        shared.up(cx);
        shared.completion.complete(cx);
        Handled::Yes
    });
    threaded.priority(fifo(10 + n as i32)).submit(cx).unwrap()
}

/// SC-11, LK-05, IQ-09: 12 threads run, sleep, wait, wake, interrupt, re-prioritise and bind each other, and raise lines
/// that are routed anew all the time. Each makes its 2,000 steps; no unit of the semaphore is lost; then everybody is where
/// the scheduler says, and every line is quiet.
fn sc_11_stress_on_four_cpus(cx: &mut ThreadCx) {
    let live = thread::live();
    let shared = Arc::new(Shared {
        semaphore: Semaphore::new(0),
        completion: Completion::new(),
        ups: AtomicU32::new(0),
        downs: AtomicU32::new(0),
        ids: [const { AtomicU32::new(0) }; THREADS],
        steps: AtomicU32::new(0),
    });
    become_policy(cx, fifo(50));
    let lines: Vec<_> = (0..LINES).map(|n| line(cx, n, &shared)).collect();
    let mut scripts = Rng::new(SEED);
    let threads = (0..THREADS).map(|n| {
        let (mine, mut rng) = (shared.clone(), Rng::new(scripts.draw()));
        let builder = Builder::new("stress").policy(policy(&mut scripts)).affinity(scripts.some_cpus(CPUS));
        let thread = builder.spawn(cx, move |cx| {
            for _ in 0..STEPS {
                step(cx, &mut rng, &mine);
                mine.steps.fetch_add(1, SeqCst);
            }
        });
        let thread = thread.unwrap();
        shared.ids[n].store(thread.id().0, SeqCst);
        thread
    });
    let mut threads: Vec<_> = threads.collect();
    threads.iter_mut().for_each(|thread| thread.join(cx).unwrap());
    lines.into_iter().for_each(|line| drop(line.free(cx).unwrap()));
    let count = |word: &AtomicU32| word.load(SeqCst);
    assert_eq!(count(&shared.steps), THREADS as u32 * STEPS);
    assert_eq!(shared.semaphore.count(), count(&shared.ups) - count(&shared.downs));
    assert_in_order(cx);
    assert_eq!((irq::verify(cx), thread::live()), (Ok(()), live));
}
test!(sc_11_stress_on_four_cpus, smp(4));
