//@ pass
//! LM-02: a hard handler takes no spinlock, which sleeps under rt; it takes raw locks.
use kernel::{HardIrqCx, sync::RawSpinLock};

fn handler(cx: &mut HardIrqCx<'_>, count: &RawSpinLock<u32>) {
    *count.lock(cx) += 1;
}

fn main() {}
