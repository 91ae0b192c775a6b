//@ pass
//! CX-06: inside a section of a read-write lock, for reading, the thread's own token is borrowed: nothing there sleeps.
use kernel::{
    ThreadCx,
    sync::{RwLock, Semaphore},
};

fn section(cx: &mut ThreadCx, count: &RwLock<u32>, free: &Semaphore) -> u32 {
    let mut held = count.read(cx);
    let _ = free.up(held.cx());
    let value = *held;
    drop(held);
    free.down(cx);
    value
}

fn main() {}
