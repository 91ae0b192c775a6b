//@ error: E0308
//! LM-02: an ordinary handler, which the model may run hard, takes no mutex; it takes spinlocks.
use kernel::{BhCx, sync::Mutex};

fn handler(cx: &mut BhCx<'_>, count: &Mutex<u32>) {
    *count.lock(cx) += 1;
}

fn main() {}
