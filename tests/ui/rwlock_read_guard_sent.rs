//@ error: E0277
//! LM-01.2: a read guard of a read-write lock cannot go to another thread; the lock can be used there.
use kernel::{ThreadCx, sync::RwLock};

fn send(_: impl Send) {}

fn section(cx: &mut ThreadCx, count: &RwLock<u32>) {
    send(count.read(cx));
}

fn main() {}
