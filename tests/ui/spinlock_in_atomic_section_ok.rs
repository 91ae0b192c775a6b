//@ pass
//! LM-02: with preemption off no spinlock is taken, which sleeps under rt; a raw lock is.
use kernel::{ThreadCx, preempt, sync::RawSpinLock};

fn section(cx: &mut ThreadCx, count: &RawSpinLock<u32>) {
    let mut off = preempt::disable(cx);
    *count.lock(off.cx()) += 1;
}

fn main() {}
