//! What does it take to run a thread on another, idle CPU?
use super::{
    DONE, MEASURE, ROUNDS, WOKEN,
    row::{Row, began, note_more},
};
use alloc::sync::Arc;
use core::time::Duration;
use hw::{atomic::Ordering::Relaxed, clock::cycles};
use kernel::{
    CpuSet, Error, Result, ThreadCx,
    counter::{INSTRUCTIONS, unit},
    percpu, println, sched,
    sync::Semaphore,
    thread::{self, Builder},
    time,
};

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
        for round in 0..ROUNDS {
            waited.down(cx);
            note_more(round, cycles().wrapping_sub(began));
            DONE.store(true, Relaxed);
        }
    })?;
    let (began, _) = began();
    for round in 0..ROUNDS {
        // The other CPU goes idle.
        time::sleep(cx, Duration::from_micros(100))?;
        DONE.store(false, Relaxed);
        note_more(round, began.wrapping_sub(cycles()));
        gate.up(cx)?;
        while !DONE.load(Relaxed) {
            hw::cpu::relax();
        }
    }
    woken.join(cx)?;
    sched::set(cx, me, before.0)?;
    sched::set_affinity(cx, me, before.1)?;
    Ok(Row::of("ipi-thread", ROUNDS))
}
