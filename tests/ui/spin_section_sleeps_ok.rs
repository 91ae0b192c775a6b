//@ pass
//! CX-06: inside a section of a spinlock, the thread's own token is borrowed: nothing there sleeps.
use kernel::{
    ThreadCx,
    sync::{Semaphore, SpinLock},
};

fn section(cx: &mut ThreadCx, count: &SpinLock<u32>, free: &Semaphore) -> u32 {
    let mut held = count.lock(cx);
    let _ = free.up(held.cx());
    let value = *held;
    drop(held);
    free.down(cx);
    value
}

fn main() {}
