//@ pass
//! LM-02: a hard handler takes no read-write lock, which sleeps under rt; an ordinary handler does.
use kernel::{BhCx, sync::RwLock};

fn handler(cx: &mut BhCx<'_>, count: &RwLock<u32>) -> u32 {
    *count.read(cx)
}

fn main() {}
