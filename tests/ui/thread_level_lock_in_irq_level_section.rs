//@ error: E0277
//! LM-02: a section of level Irq may be an ordinary handler's: no lock of level Thread is taken in it.
use kernel::{BhCx, cx::Thread, sync::SpinLock};

fn handler(cx: &mut BhCx<'_>, count: &SpinLock<u32>, other: &SpinLock<u32, Thread>) {
    count.with(cx, |count, cx| *count += *other.lock(cx));
}

fn main() {}
