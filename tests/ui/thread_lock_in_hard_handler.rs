//@ error: E0277
//! A lock of level `Thread`, whose holder an interrupt may have interrupted, is not for hard handlers.
use kernel::{HardIrqCx, cx::Thread, sync::RawSpinLock};

fn handler(cx: &mut HardIrqCx<'_>, count: &RawSpinLock<u32, Thread>) {
    *count.lock(cx) += 1;
}

fn main() {}
