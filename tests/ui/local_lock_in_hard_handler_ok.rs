//@ pass
//! LK-09.5: a hard handler takes no local lock, which sleeps under rt; an ordinary handler does.
use kernel::{BhCx, sync::LocalLock};

fn handler(cx: &mut BhCx<'_>, count: &LocalLock<u32>) {
    *count.lock_irq(cx) += 1;
}

fn main() {}
