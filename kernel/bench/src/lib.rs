//! What do the kernel's basic operations cost? Counted by the PMU's cycle counter: instructions under QEMU's
//! `-icount shift=0`, cycles on hardware.
//!
//! Through the public API, in the image that everybody runs, with [`LINES`] lines requested and [`READY`] threads ready
//! below the measuring ones; median and maximum of [`ROUNDS`]. A count includes reading the counter once.
//!
//! Nobody waits for the bench but a person, so it is compiled for size. What it counts is compiled as the kernel is: what is
//! compiled into its caller is counted in [`kernel::fast_paths`].
//!
//! Where the model preempts nobody, the measuring thread asks whether it should give way as soon as somebody else is ready.
#![cfg_attr(target_os = "none", no_std)]

extern crate alloc;

mod irq;
mod mutex;
mod rcu;
mod remote;
mod row;
mod semaphore;
mod switching;
mod timer;

use alloc::{format, vec::Vec};
use core::time::Duration;
use hw::atomic::{AtomicBool, Ordering::Relaxed};
use kernel::{
    Error, Policy, Result, ThreadCx, boot,
    counter::{INSTRUCTIONS, unit},
    fast_paths::{self, Note},
    model, preempt, println, sched,
    thread::{self, Builder, JoinHandle},
    time,
};
pub use remote::run_remote;
use row::{Row, note};

/// Times that each operation is measured.
pub const ROUNDS: usize = 1000;
/// Lines that are requested, each with a threaded handler.
pub const LINES: u32 = 200;
/// Threads that are ready and less urgent than those that measure.
pub const READY: usize = 32;

const fn fifo(priority: i32) -> Policy {
    match Policy::fifo(priority) {
        Ok(policy) => policy,
        Err(_) => panic!("not a FIFO priority"),
    }
}
/// Long enough for the CPU to idle.
const SETTLES: Duration = Duration::from_millis(1);
/// Threads that are merely ready.
const BACKGROUND: Policy = fifo(5);
/// The thread that measures.
const MEASURE: Policy = fifo(40);
/// Threads that it wakes.
const WOKEN: Policy = fifo(60);

hw::global! {
    /// What stands behind a measurement may end.
    static DONE: AtomicBool = AtomicBool::new(false);
}

/// Somebody more urgent has become ready: it has run already, unless the model leaves that to the running thread.
#[inline(always)]
fn give_way(cx: &mut ThreadCx) {
    if !model::current().is_preemptible() {
        preempt::cond_resched(cx);
    }
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
    // What has been armed so far, such as the end of a slice, must not come in a round: a CPU that idles disarms it.
    time::sleep(cx, SETTLES)?;
    let mut ready = background(cx)?;
    let lines = irq::lines(cx)?;
    let Some(line) = lines.first() else { return Err(Error::Invalid) };
    // First: those who end leave something to RCU, whose timer would be armed behind this one.
    let timed = if unit() == INSTRUCTIONS { Some(timer::expiry(cx)?) } else { None };
    let rows = [
        irq::interrupt(cx, "pend-handler", line, irq::Until::Handler)?,
        irq::interrupt(cx, "pend-thread", line, irq::Until::Thread)?,
        irq::interrupt(cx, "round-trip", line, irq::Until::Return)?,
        switching::yields(cx)?,
        semaphore::wake(cx)?,
        uncontended(cx, "sem-updown", fast_paths::semaphore),
        uncontended(cx, "mutex-pair", fast_paths::mutex),
        mutex::contended(cx)?,
        mutex::chain(cx, "chain-1", 1)?,
        mutex::chain(cx, "chain-8", 8)?,
        mutex::chain(cx, "chain-64", 64)?,
        uncontended(cx, "queue", fast_paths::queue),
        uncontended(cx, "rcu-read", fast_paths::rcu_read),
        rcu::expedited(cx)?,
        rcu::call(cx),
    ];
    DONE.store(true, Relaxed);
    for line in lines {
        // The handlers are nobody's own thread, so this cannot fail.
        let _ = line.free(cx);
    }
    sched::set(cx, me, before)?;
    for thread in &mut ready {
        let _ = thread.join(cx);
    }
    rcu::finish(cx)?;
    for row in rows.iter().chain(&timed) {
        row.print(cx);
    }
    let boot = boot::cycles_to_first_thread();
    println!(cx, "row boot {} {} {}", boot, boot, unit());
    if unit() != INSTRUCTIONS {
        println!(cx, "The counter does not count instructions here. `cargo run -- bench` runs where it does.");
    }
    Ok(())
}

/// What nobody is in the way of.
fn uncontended(cx: &mut ThreadCx, id: &'static str, measure: fn(&mut ThreadCx, usize, Note)) -> Row {
    measure(cx, ROUNDS, note);
    Row::of(id, ROUNDS)
}

fn background(cx: &mut ThreadCx) -> Result<Vec<JoinHandle<()>>> {
    let mut ready = Vec::with_capacity(READY);
    for n in 0..READY {
        ready.push(Builder::new(&format!("bench/{n}")).policy(BACKGROUND).spawn(cx, |cx| {
            while !DONE.load(Relaxed) {
                thread::yield_now(cx);
            }
        })?);
    }
    Ok(ready)
}
