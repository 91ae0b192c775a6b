//@ error: E0499
//! CX-06: inside a section of a spinlock, the thread's own token is borrowed: nothing there sleeps.
use kernel::{
    ThreadCx,
    sync::{Semaphore, SpinLock},
};

fn section(cx: &mut ThreadCx, count: &SpinLock<u32>, free: &Semaphore) -> u32 {
    let held = count.lock(cx);
    free.down(cx);
    *held
}

fn main() {}
