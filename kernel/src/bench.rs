//! What do the kernel's basic operations cost? Counted by the PMU's cycle counter: instructions under QEMU's
//! `-icount shift=0`, cycles on hardware.
//!
//! Through the public API, in the image that everybody runs, with [`LINES`] lines requested and [`READY`] threads ready
//! below the measuring ones; median and maximum of [`ROUNDS`]. A count includes reading the counter once.
use crate::{
    CpuSet, Policy, ThreadCx, boot,
    error::{Error, Result},
    irq::{Flags, Handled, Irq, Line, Primary, Request, Trigger, inject::Pend},
    percpu, println, sched,
    sync::{Completion, Semaphore},
    thread::{self, Builder, JoinHandle},
    time,
};
use alloc::{boxed::Box, format, sync::Arc, vec::Vec};
use core::time::Duration;
use hw::{
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    clock::cycles,
};

/// Times that each operation is measured.
pub const ROUNDS: usize = 1000;
/// Lines that are requested, each with a threaded handler.
pub const LINES: u32 = 200;
/// Threads that are ready and less urgent than those that measure.
pub const READY: usize = 32;
/// First line of the measurement: nothing is connected behind it.
const FIRST_LINE: u32 = 80;

const fn fifo(priority: i32) -> Policy {
    match Policy::fifo(priority) {
        Ok(policy) => policy,
        Err(_) => panic!("not a FIFO priority"),
    }
}
/// Threads that are merely ready.
const BACKGROUND: Policy = fifo(5);
/// The thread that measures.
const MEASURE: Policy = fifo(40);
/// Threads that it wakes.
const WOKEN: Policy = fifo(60);

hw::global! {
    /// Counter at the start of what is measured, and where it ends.
    static BEGAN: AtomicU64 = AtomicU64::new(0);
    static AT_HANDLER: AtomicU64 = AtomicU64::new(0);
    static AT_THREAD: AtomicU64 = AtomicU64::new(0);
    static DONE: AtomicBool = AtomicBool::new(false);
}

/// Samples of one operation.
struct Row {
    id: &'static str,
    samples: Vec<u64>,
}
impl Row {
    fn new(id: &'static str) -> Self {
        Self { id, samples: Vec::with_capacity(ROUNDS) }
    }
    fn print(mut self, cx: &mut ThreadCx) {
        self.samples.sort_unstable();
        let (Some(median), Some(max)) = (self.samples.get(self.samples.len() / 2), self.samples.last()) else { return };
        println!(cx, "row {} {} {} {}", self.id, median, max, unit());
    }
}

const INSTRUCTIONS: &str = "instructions";

/// What the counter counts: a loop of known length tells.
pub(crate) fn unit() -> &'static str {
    const TURNS: u64 = 1000;
    /// Of the loop, and of reading the counter around it.
    const EXPECTED: core::ops::RangeInclusive<u64> = 2 * TURNS..=2 * TURNS + 8;
    let began = cycles();
    #[cfg(target_os = "none")]
    // SAFETY: counts a register down.
    unsafe {
        core::arch::asm!("2: subs {n}, {n}, #1", "b.ne 2b", n = inout(reg) TURNS => _, options(nostack));
    }
    if EXPECTED.contains(&(cycles() - began)) { INSTRUCTIONS } else { "cycles" }
}

/// Measures what it takes to run a thread on another, idle CPU, and prints that row. Status 0, or 1 when something was in the
/// way, such as there being one CPU only.
///
/// The CPUs' counters start at different moments; what they are apart is found with the clock that all share. Under
/// `-icount` the CPUs take turns, so the waker's own instructions until it gives its turn away are counted, too.
pub fn run_remote(cx: &mut ThreadCx) -> i32 {
    match remote(cx) {
        Ok(row) => {
            row.print(cx);
            0
        }
        Err(error) => {
            println!(cx, "bench: {}", error);
            1
        }
    }
}

fn remote(cx: &mut ThreadCx) -> Result<Row> {
    const WAKER: usize = 0;
    const OTHER: usize = 1;
    if unit() != INSTRUCTIONS || !percpu::online().contains(OTHER) {
        return Err(Error::Unsupported);
    }
    let me = thread::current_id();
    let before = (thread::policy(me)?, sched::affinity(me)?);
    sched::set_affinity(cx, me, CpuSet::of(WAKER))?;
    sched::set(cx, me, MEASURE)?;
    let gate = Arc::new(Semaphore::new(0));
    let waited = gate.clone();
    let builder = Builder::new("bench/remote").policy(WOKEN).affinity(CpuSet::of(OTHER));
    let mut woken = builder.spawn(cx, move |cx| {
        let began = counter_began();
        let mut samples = Box::new([0; ROUNDS]);
        for sample in samples.iter_mut() {
            waited.down(cx);
            *sample = cycles().wrapping_sub(began);
            DONE.store(true, Relaxed);
        }
        samples
    })?;
    let began = counter_began();
    let mut sent = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        // The other CPU goes idle.
        time::sleep(cx, Duration::from_micros(100))?;
        DONE.store(false, Relaxed);
        sent.push(cycles().wrapping_sub(began));
        gate.up(cx)?;
        while !DONE.load(Relaxed) {
            hw::cpu::relax();
        }
    }
    let samples = woken.join(cx)?;
    sched::set(cx, me, before.0)?;
    sched::set_affinity(cx, me, before.1)?;
    let samples = samples.iter().zip(&sent).map(|(at, sent)| at.wrapping_sub(*sent)).collect();
    Ok(Row { id: "ipi-thread", samples })
}

/// What this CPU's counter would have shown when the clock started, the clock's nanoseconds being instructions. The smallest
/// of many looks right after the clock has moved: its steps are many instructions, and some look comes at once.
fn counter_began() -> u64 {
    const LOOKS: usize = 256;
    const SECOND: u64 = 1_000_000_000;
    let step = SECOND / hw::clock::frequency();
    let look = || {
        let before = hw::clock::ticks();
        loop {
            let now = hw::clock::ticks();
            if now != before {
                return cycles().wrapping_sub(now * step) as i64;
            }
        }
    };
    (0..LOOKS).map(|_| look()).min().unwrap_or(0) as u64
}

/// Measures everything that one CPU does and prints a row for each. Status 0, or 1 when something was in the way.
pub fn run(cx: &mut ThreadCx) -> i32 {
    match measure(cx) {
        Ok(()) => 0,
        Err(error) => {
            println!(cx, "bench: {}", error);
            1
        }
    }
}

fn measure(cx: &mut ThreadCx) -> Result<()> {
    let me = thread::current_id();
    let before = thread::policy(me)?;
    sched::set(cx, me, MEASURE)?;
    DONE.store(false, Relaxed);
    let mut ready = background(cx)?;
    let lines = lines(cx)?;
    let (handler, thread_, round) = interrupts(cx, &lines)?;
    let rows = [handler, thread_, round, yields(cx)?, wake(cx)?, uncontended(cx)];
    DONE.store(true, Relaxed);
    for line in lines {
        // The handlers are nobody's own thread, so this cannot fail.
        let _ = line.free(cx);
    }
    sched::set(cx, me, before)?;
    for thread in &mut ready {
        let _ = thread.join(cx);
    }
    for row in rows {
        row.print(cx);
    }
    let boot = boot::cycles_to_first_thread();
    println!(cx, "row boot {} {} {}", boot, boot, unit());
    if unit() != INSTRUCTIONS {
        println!(cx, "The counter does not count instructions here. `cargo run -- bench` runs where it does.");
    }
    Ok(())
}

fn background(cx: &mut ThreadCx) -> Result<Vec<JoinHandle<()>>> {
    (0..READY)
        .map(|n| {
            Builder::new(&format!("bench/{n}")).policy(BACKGROUND).spawn(cx, |cx| {
                while !DONE.load(Relaxed) {
                    thread::yield_now(cx);
                }
            })
        })
        .collect()
}

/// The first line is measured, the others are there.
fn lines(cx: &mut ThreadCx) -> Result<Vec<Line>> {
    (0..LINES)
        .map(|n| {
            let request = Request::new(Irq::new(FIRST_LINE + n), "bench")
                .flags(Flags::ONESHOT)
                .trigger(Trigger::EdgeRising)
                .priority(WOKEN)
                .hard(|_| {
                    AT_HANDLER.store(cycles(), Relaxed);
                    Primary::WakeThread
                })
                .threaded(|_| {
                    AT_THREAD.store(cycles(), Relaxed);
                    Handled::Yes
                });
            request.submit(cx)
        })
        .collect()
}

fn interrupts(cx: &mut ThreadCx, lines: &[Line]) -> Result<(Row, Row, Row)> {
    let (mut handler, mut thread, mut round) =
        (Row::new("pend-handler"), Row::new("pend-thread"), Row::new("round-trip"));
    let Some(line) = lines.first() else { return Err(crate::Error::Invalid) };
    let pend = Pend::new(cx, line.irq())?;
    for _ in 0..ROUNDS {
        let began = cycles();
        pend.fire();
        let ended = cycles();
        handler.samples.push(AT_HANDLER.load(Relaxed) - began);
        thread.samples.push(AT_THREAD.load(Relaxed) - began);
        round.samples.push(ended - began);
    }
    Ok((handler, thread, round))
}

/// Two equals hand the CPU to each other; each looks at the counter as soon as it has it.
fn yields(cx: &mut ThreadCx) -> Result<Row> {
    let mut row = Row::new("yield");
    let started = Arc::new(Completion::new());
    let (stop, signal) = (Arc::new(AtomicBool::new(false)), started.clone());
    let stopped = stop.clone();
    let mut partner = Builder::new("bench/yield").policy(MEASURE).spawn(cx, move |cx| {
        signal.complete(cx);
        while !stopped.load(Relaxed) {
            BEGAN.store(cycles(), Relaxed);
            thread::yield_now(cx);
        }
    })?;
    started.wait(cx);
    for _ in 0..ROUNDS {
        thread::yield_now(cx);
        let now = cycles();
        row.samples.push(now - BEGAN.load(Relaxed));
    }
    stop.store(true, Relaxed);
    partner.join(cx)?;
    Ok(row)
}

/// From `up` to the more urgent thread behind its `down`.
fn wake(cx: &mut ThreadCx) -> Result<Row> {
    let mut row = Row::new("sem-wake");
    let semaphore = Arc::new(Semaphore::new(0));
    let waited = semaphore.clone();
    let mut waiter = Builder::new("bench/wake").policy(WOKEN).spawn(cx, move |cx| {
        let mut samples = Box::new([0; ROUNDS]);
        for sample in samples.iter_mut() {
            waited.down(cx);
            *sample = cycles() - BEGAN.load(Relaxed);
        }
        samples
    })?;
    for _ in 0..ROUNDS {
        BEGAN.store(cycles(), Relaxed);
        semaphore.up(cx)?;
    }
    row.samples.extend_from_slice(&waiter.join(cx)?[..]);
    Ok(row)
}

fn uncontended(cx: &mut ThreadCx) -> Row {
    let mut row = Row::new("sem-updown");
    let semaphore = Semaphore::new(1);
    for _ in 0..ROUNDS {
        let began = cycles();
        semaphore.down(cx);
        // The count is one below where it was.
        let _ = semaphore.up(cx);
        row.samples.push(cycles() - began);
    }
    row
}
