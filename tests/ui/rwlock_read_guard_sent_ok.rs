//@ pass
//! LM-01.2: a read guard of a read-write lock cannot go to another thread; the lock can be used there.
use kernel::sync::RwLock;

fn send(_: impl Send) {}

fn share(count: &RwLock<u32>) {
    send(count);
}

fn main() {}
