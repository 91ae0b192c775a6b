//@ pass
//! A thread may migrate: per-CPU values are not opened with its bare token, but in a section.
use kernel::{
    ThreadCx,
    percpu::{MAX_CPUS, PerCpuValue},
    preempt,
};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

static COUNTS: PerCpuValue<AtomicU32> = PerCpuValue::new([const { AtomicU32::new(0) }; MAX_CPUS]);

fn count(cx: &mut ThreadCx) {
    let mut pinned = preempt::disable(cx);
    COUNTS.open(pinned.cx()).0.fetch_add(1, Relaxed);
}

fn main() {}
