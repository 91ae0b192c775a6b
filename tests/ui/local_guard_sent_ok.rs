//@ pass
//! LM-01.2: the guard of a local lock cannot go to another thread; the lock can be used there.
use kernel::sync::LocalLock;

fn send(_: impl Send) {}

fn share(count: &LocalLock<u32>) {
    send(count);
}

fn main() {}
