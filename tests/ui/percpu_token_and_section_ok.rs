//@ pass
//! The token of opened per-CPU data pins: its section cannot end before it.
use kernel::{ThreadCx, percpu::PerCpuValue, preempt};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

fn count(cx: &mut ThreadCx, counts: &PerCpuValue<AtomicU32>) {
    let mut pinned = preempt::disable(cx);
    let (mine, _) = counts.open(pinned.cx());
    mine.fetch_add(1, Relaxed);
    drop(pinned);
}

fn main() {}
