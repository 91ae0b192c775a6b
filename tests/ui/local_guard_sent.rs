//@ error: E0277
//! LM-01.2: the guard of a local lock cannot go to another thread; the lock can be used there.
use kernel::{ThreadCx, sync::LocalLock};

fn send(_: impl Send) {}

fn section(cx: &mut ThreadCx, count: &LocalLock<u32>) {
    send(count.lock(cx));
}

fn main() {}
