//@ pass
//! Preemption off: the thread's own token is borrowed until the guard is gone, so nothing in between sleeps.
use kernel::{ThreadCx, preempt, thread};

fn section(cx: &mut ThreadCx) {
    let off = preempt::disable(cx);
    drop(off);
    thread::yield_now(cx);
}

fn main() {}
