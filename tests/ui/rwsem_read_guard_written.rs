//@ error: E0594
//! LK-06: what a read guard gives is not to be written; a write guard's is.
use kernel::{ThreadCx, sync::RwSemaphore};

fn section(cx: &mut ThreadCx, count: &RwSemaphore<u32>) {
    let mut held = count.read(cx);
    *held += 1;
}

fn main() {}
