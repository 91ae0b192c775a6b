//@ error: E0499
//! CX-06: inside a section of a read-write lock, for writing, the thread's own token is borrowed: nothing there sleeps.
use kernel::{
    ThreadCx,
    sync::{RwLock, Semaphore},
};

fn section(cx: &mut ThreadCx, count: &RwLock<u32>, free: &Semaphore) -> u32 {
    let held = count.write(cx);
    free.down(cx);
    *held
}

fn main() {}
