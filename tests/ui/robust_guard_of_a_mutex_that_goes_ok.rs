//@ pass
//! OW-01: a guard, which can be forgotten, is for robust mutexes that live for ever; others are used in a closure.
use kernel::{Result, ThreadCx, sync::RobustMutex};

fn count(cx: &mut ThreadCx, count: &RobustMutex<u32>) -> Result<()> {
    count.with(cx, |_, _| false, |count, _| *count += 1)
}

fn main() {}
