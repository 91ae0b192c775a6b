//@ error: E0505
//! RC-14: nor past the end of a section with preemption off, which is a reader as well.
use kernel::{ThreadCx, preempt, rcu::RcuPtr};

fn section(cx: &mut ThreadCx, place: &RcuPtr<u32>) -> Option<u32> {
    let mut off = preempt::disable(cx);
    let value = place.load(off.cx());
    drop(off);
    value.copied()
}

fn main() {}
