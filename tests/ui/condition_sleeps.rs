//@ error: E0308
//! LK-10: a condition is looked at by a thread that stands in a queue: under a mutex, too, it does not sleep.
use kernel::{
    ThreadCx,
    sync::{Mutex, Semaphore, WaitQueue},
};

fn wait(cx: &mut ThreadCx, queue: &WaitQueue, ready: &Mutex<bool>, free: &Semaphore) {
    queue.wait_until(cx, ready, |ready, cx| {
        free.down(cx);
        ready.then_some(())
    });
}

fn main() {}
