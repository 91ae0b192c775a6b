//@ error: E0277
//! LM-02: a hard handler takes no spinlock, which sleeps under rt; it takes raw locks.
use kernel::{HardIrqCx, sync::SpinLock};

fn handler(cx: &mut HardIrqCx<'_>, count: &SpinLock<u32>) {
    *count.lock(cx) += 1;
}

fn main() {}
