//@ pass
//! OW-01: the guard of a robust mutex cannot go to another thread; the mutex can be used there.
use kernel::sync::RobustMutex;

fn send(_: impl Send) {}

fn share(count: &'static RobustMutex<u32>) {
    send(count);
}

fn main() {}
