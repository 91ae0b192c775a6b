//@ pass
//! LM-02: an ordinary handler may have interrupted the thread that holds a lock of level Thread, and takes none.
use kernel::{BhCx, ThreadCx, cx::Thread, sync::SpinLock};

fn handler(cx: &mut BhCx<'_>, count: &SpinLock<u32>) {
    *count.lock(cx) += 1;
}

fn thread(cx: &mut ThreadCx, count: &SpinLock<u32, Thread>) {
    *count.lock(cx) += 1;
}

fn main() {}
