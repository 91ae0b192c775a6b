//@ pass
//! RM-15: a condition variable takes the guard; nobody uses the value while the thread waits.
use kernel::{
    ThreadCx,
    sync::{Condvar, Mutex},
};

fn wait(cx: &mut ThreadCx, changed: &Condvar, count: &Mutex<u32>) -> u32 {
    let held = count.lock(cx);
    let back = changed.wait(held, cx);
    *back
}

fn main() {}
