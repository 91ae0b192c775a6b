//@ pass
//! A lock of level `Thread`, whose holder an interrupt may have interrupted, is not for hard handlers.
use kernel::{HardIrqCx, cx::Irq, sync::RawSpinLock};

fn handler(cx: &mut HardIrqCx<'_>, count: &RawSpinLock<u32, Irq>) {
    *count.lock(cx) += 1;
}

fn main() {}
