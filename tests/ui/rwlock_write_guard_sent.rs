//@ error: E0277
//! LM-01.2: the write guard of a read-write lock cannot go to another thread; its value can be.
use kernel::{ThreadCx, sync::RwLock};

fn send(_: impl Send) {}

fn section(cx: &mut ThreadCx, count: &RwLock<u32>) {
    send(count.write(cx));
}

fn main() {}
