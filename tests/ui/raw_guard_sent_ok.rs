//@ pass
//! LM-01.2: the guard of a raw lock cannot go to another thread; the lock can be used there.
use kernel::sync::RawSpinLock;

fn send(_: impl Send) {}

fn share(count: &RawSpinLock<u32>) {
    send(count);
}

fn main() {}
