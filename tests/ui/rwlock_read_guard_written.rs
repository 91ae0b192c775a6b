//@ error: E0594
//! LK-04: what a read guard gives is not to be written; a write guard's is.
use kernel::{ThreadCx, sync::RwLock};

fn section(cx: &mut ThreadCx, count: &RwLock<u32>) {
    let mut held = count.read(cx);
    *held += 1;
}

fn main() {}
