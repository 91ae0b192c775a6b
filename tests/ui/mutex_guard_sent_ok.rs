//@ pass
//! LM-01.2: the guard of a mutex cannot go to another thread; the mutex can be used there.
use kernel::sync::Mutex;

fn send(_: impl Send) {}

fn share(count: &Mutex<u32>) {
    send(count);
}

fn main() {}
