//@ error: E0277
//! LM-01.2: the guard of a mutex cannot go to another thread; the mutex can be used there.
use kernel::{ThreadCx, sync::Mutex};

fn send(_: impl Send) {}

fn section(cx: &mut ThreadCx, count: &Mutex<u32>) {
    send(count.lock(cx));
}

fn main() {}
