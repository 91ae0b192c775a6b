//! What does it take to run a thread on another, idle CPU?
use super::{
    DONE, MEASURE, ROUNDS, WOKEN,
    row::{INSTRUCTIONS, Row, began, unit},
};
use crate::{
    CpuSet, ThreadCx,
    error::{Error, Result},
    percpu, println, sched,
    sync::Semaphore,
    thread::{self, Builder},
    time,
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::time::Duration;
use hw::{atomic::Ordering::Relaxed, clock::cycles};

/// Measures what it takes to run a thread on another, idle CPU, and prints that row. Status 0, or 1 when something was in the
/// way, such as there being one CPU only.
///
/// The CPUs' counters start at different moments; what they are apart is found with the clock that all share. Under
/// `-icount` the CPUs take turns, so the waker's own instructions until it gives its turn away are counted, too.
#[inline(never)]
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
        let (began, _) = began();
        let mut samples = Box::new([0; ROUNDS]);
        for sample in samples.iter_mut() {
            waited.down(cx);
            *sample = cycles().wrapping_sub(began);
            DONE.store(true, Relaxed);
        }
        samples
    })?;
    let (began, _) = began();
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
