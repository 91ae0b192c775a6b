//@ pass
//! Two raw locks are not both taken with the thread's token: the second one with the first section's.
use kernel::{ThreadCx, sync::RawSpinLock};

fn sum(cx: &mut ThreadCx, a: &RawSpinLock<u32>, b: &RawSpinLock<u32>) -> u32 {
    let mut first = a.lock(cx);
    let (first, cx) = first.split();
    let second = b.lock_in(cx);
    *first + *second
}

fn main() {}
