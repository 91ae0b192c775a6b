//@ pass
//! The token of a section with preemption off does not allow sleeping; it allows waking.
use kernel::{ThreadCx, preempt, sync::Semaphore};

fn section(cx: &mut ThreadCx, free: &Semaphore) {
    let mut off = preempt::disable(cx);
    let _ = free.up(off.cx());
}

fn main() {}
