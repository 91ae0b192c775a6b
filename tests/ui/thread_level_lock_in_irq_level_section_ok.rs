//@ pass
//! LM-02: a section of level Irq may be an ordinary handler's: no lock of level Thread is taken in it; the other way is fine.
use kernel::{ThreadCx, cx::Thread, sync::SpinLock};

fn thread(cx: &mut ThreadCx, count: &SpinLock<u32>, other: &SpinLock<u32, Thread>) {
    other.with(cx, |other, cx| *count.lock(cx) += *other);
}

fn main() {}
