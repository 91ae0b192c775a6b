//@ error: E0499
//! A raw lock held: the thread's own token is borrowed until the guard is gone.
use kernel::{ThreadCx, sync::RawSpinLock, time};

fn section(cx: &mut ThreadCx, count: &RawSpinLock<u32>) {
    let mut held = count.lock(cx);
    let _ = time::sleep(cx, core::time::Duration::from_millis(1));
    *held += 1;
}

fn main() {}
