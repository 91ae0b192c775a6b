//@ error: E0499
//! Two raw locks are not both taken with the thread's token: the second one with the first section's.
use kernel::{ThreadCx, sync::RawSpinLock};

fn sum(cx: &mut ThreadCx, a: &RawSpinLock<u32>, b: &RawSpinLock<u32>) -> u32 {
    let first = a.lock(cx);
    let second = b.lock(cx);
    *first + *second
}

fn main() {}
