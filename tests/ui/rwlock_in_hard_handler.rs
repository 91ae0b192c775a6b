//@ error: E0277
//! LM-02: a hard handler takes no read-write lock, which sleeps under rt; an ordinary handler does.
use kernel::{HardIrqCx, sync::RwLock};

fn handler(cx: &mut HardIrqCx<'_>, count: &RwLock<u32>) -> u32 {
    *count.read(cx)
}

fn main() {}
