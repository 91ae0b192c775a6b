//@ pass
//! LK-09.6: the values of a local lock are out of reach without its guard.
use kernel::{ThreadCx, sync::LocalLock};

fn value(cx: &mut ThreadCx, count: LocalLock<u32>) -> u32 {
    *count.lock(cx)
}

fn main() {}
