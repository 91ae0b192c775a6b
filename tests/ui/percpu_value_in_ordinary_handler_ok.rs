//@ pass
//! An ordinary handler may be preempted and migrate: no per-CPU access with its token; with a hard handler's.
use kernel::{
    HardIrqCx,
    percpu::{MAX_CPUS, PerCpuValue},
};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

static COUNTS: PerCpuValue<AtomicU32> = PerCpuValue::new([const { AtomicU32::new(0) }; MAX_CPUS]);

fn handler(cx: &mut HardIrqCx<'_>) {
    COUNTS.open(cx).0.fetch_add(1, Relaxed);
}

fn main() {}
