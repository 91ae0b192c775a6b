//@ pass
//! LM-01.2: the guard of a spinlock cannot go to another thread; the lock can be used there.
use kernel::sync::SpinLock;

fn send(_: impl Send) {}

fn share(count: &SpinLock<u32>) {
    send(count);
}

fn main() {}
