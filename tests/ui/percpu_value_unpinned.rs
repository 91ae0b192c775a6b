//@ error: E0277
//! A thread may migrate: per-CPU values are not opened with its bare token, but in a section.
use kernel::{
    ThreadCx,
    percpu::{MAX_CPUS, PerCpuValue},
};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

static COUNTS: PerCpuValue<AtomicU32> = PerCpuValue::new([const { AtomicU32::new(0) }; MAX_CPUS]);

fn count(cx: &mut ThreadCx) {
    COUNTS.open(cx).0.fetch_add(1, Relaxed);
}

fn main() {}
