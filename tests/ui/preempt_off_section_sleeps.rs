//@ error: E0499
//! Preemption off: the thread's own token is borrowed until the guard is gone, so nothing in between sleeps.
use kernel::{ThreadCx, preempt, thread};

fn section(cx: &mut ThreadCx) {
    let off = preempt::disable(cx);
    thread::yield_now(cx);
    drop(off);
}

fn main() {}
