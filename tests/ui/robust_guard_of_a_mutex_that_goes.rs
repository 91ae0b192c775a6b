//@ error: E0521
//! OW-01: a guard, which can be forgotten, is for robust mutexes that live for ever; others are used in a closure.
use kernel::{ThreadCx, sync::RobustMutex};

fn count(cx: &mut ThreadCx, count: &RobustMutex<u32>) {
    core::mem::forget(count.lock(cx));
}

fn main() {}
