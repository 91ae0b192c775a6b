//@ pass
//! LK-09.6: the value of a local lock is not used after its guard.
use kernel::{ThreadCx, sync::LocalLock};

fn value(cx: &mut ThreadCx, count: &LocalLock<u32>) {
    let mut guard = count.lock(cx);
    let value = &mut *guard;
    *value += 1;
    drop(guard);
}

fn main() {}
